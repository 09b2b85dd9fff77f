"""The witness of a rehearsal: it receives what the tap receives, but knows what every frame means.

``truth_of`` goes through a performance once, by the rules of ``docs/how-it-works.md``. A history has to contain what
happened, as far as frames arrived. ``evidence.py`` decides whether the frames alone show it; if they do not, the event
is doubtful, or the time around it is in doubt. Nothing of ``tap.core`` is used here.

This file has the order of frames, sessions, and losses of the connection. What is on air, held, and in which mode is in
``aspect_truth``, cameras are in ``camera_truth``, stills in ``still_truth``, and the events of all in ``event_truth``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

from msgspec import UNSET, Struct

from tap.rehearsal.aspect_truth import AspectTruths
from tap.rehearsal.camera_truth import CameraTruths
from tap.rehearsal.doubts import ASPECTS, FrameDoubts
from tap.rehearsal.event_truth import EventTruths, makes_event, missed_event
from tap.rehearsal.evidence import SETTLE_MS, FrameFields, RestingOn, order_of
from tap.rehearsal.silence import SnapshotRhythm
from tap.rehearsal.still_truth import StillTruths, When
from tap.rehearsal.truth import (
    Down,
    EventTruth,
    FinalState,
    FinalTruth,
    Heard,
    Item,
    Missed,
    SessionTruth,
    Truth,
    TruthHeader,
    Up,
)
from tap.rehearsal.ways import written
from tap.rehearsal.world import Fact, ShootPlan, World

__all__ = ["truth_of"]


def truth_of(plan: ShootPlan, items: Iterable[Item], *, venue: str = "rehearsal") -> Truth:
    """What the history of this performance has to contain."""
    witness = _Witness(plan)
    for item in items:
        witness.take(item)
    options = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in _options(plan)}
    options["ways"] = written(plan.ways)
    return witness.truth(TruthHeader(seed=plan.seed, options=options, venue=venue))


def _options(plan: ShootPlan) -> Iterator[tuple[str, Any]]:
    for name in plan.__struct_fields__:
        yield name, getattr(plan, name)


class _Loss(Struct):
    """The connection was lost: what was known then, and what was received since."""

    session: str | None
    before: FinalState | None
    first: When | None = None
    sure: bool = True
    """Whether the frames prove that anything was lost."""
    told: bool = False
    """Whether its gap was recorded already, because of a frame before any snapshot."""
    muddled: bool = False
    """Whether late frames reported starts and ends of sessions in the gap, before any snapshot."""


_TOLD_OF: dict[str, str] = {
    "cut": "program",
    "hold": "hold",
    "release": "hold",
    "mode": "mode",
    "asked": "stills",
    "captured": "stills",
    "uploaded": "stills",
    "failed": "stills",
    "music": "marks",
    "marker": "marks",
}


def _guessed(told: list[tuple[Fact, FrameFields]]) -> bool:
    """Whether a snapshot comes before the change that it shows, and nothing says which was made first."""
    for number, (fact, envelope) in enumerate(told):
        for earlier, snapshot in told[:number]:
            mark = RestingOn()
            mark.rest(envelope, explicit=False)
            shown = fact.kind in _TOLD_OF and earlier.kind == "state" and earlier.ident > fact.ident
            if shown and order_of(snapshot, mark) == "unknown":
                return True
    return False


def _follows(later: tuple[Fact, FrameFields], one: tuple[Fact, FrameFields]) -> bool:
    """Whether the fields of two parts say which was made first. A frame repeated word for word needs no order."""
    mark = RestingOn()
    mark.rest(one[1], explicit=False)
    return later[0].ident == one[0].ident or order_of(later[1], mark) == "after"


class _Witness:
    """Takes every frame, knows what it means, and applies the rules."""

    def __init__(self, plan: ShootPlan) -> None:
        self._mixed = "other_dialect" in plan.faults
        """Whether a repeat may come in another dialect, and look new."""
        self._doubts = FrameDoubts()
        self._events = EventTruths(self._doubts)
        self._aspects = AspectTruths(self._doubts, self._events, plan.pace)
        self._cameras = CameraTruths(self._doubts)
        self._stills = StillTruths(self._doubts, self._events.add, self._aspects.live)
        self._regular = SnapshotRhythm()
        self._loss: _Loss | None = _Loss(session=None, before=None)
        self._shown = (0, 0)
        self._wall = 0
        self._changed_at = 0
        """When an explicit frame came last, by the receiver's clock."""
        self._greeting: FrameFields | None = None
        self._sessions: dict[str, SessionTruth] = {}
        self._latest = 0
        """The latest frame that was received."""
        self._heard: set[int] = set()
        self._missed: dict[int, EventTruth | None] = {}
        self._tells: dict[str, Callable[[Fact, When], None]] = {
            "hello": self._on_hello,
            "state": self._on_state,
            "started": self._on_started,
            "updated": self._on_updated,
            "ended": self._on_ended,
            "camera": self._cameras.described,
            "left": self._cameras.left,
            "cut": self._aspects.cut,
            "hold": self._aspects.held,
            "release": self._aspects.released,
            "mode": self._aspects.mode_told,
            "music": self._events.music,
            "marker": self._events.marker,
            "asked": self._stills.asked,
            "captured": self._stills.captured,
            "uploaded": self._stills.uploaded,
            "failed": self._stills.failed,
        }
        """The method for each kind of fact; other kinds do nothing."""

    @property
    def _session(self) -> str | None:
        return self._doubts.session

    @_session.setter
    def _session(self, session: str | None) -> None:
        self._doubts.session = session

    @property
    def _env(self) -> FrameFields:
        return self._doubts.env

    # ------------------------------------------------------------------------------------------ items

    def take(self, item: Item) -> None:
        match item:
            case Up():
                self._doubts.runs.connect()
            case Down():
                self._lose()
            case Missed():
                self._miss(item)
            case Heard():
                self._hear(item)

    def _lose(self, *, sure: bool = True) -> None:
        if self._loss is not None and self._loss.first is None:
            return  # nothing was heard since the last loss: it is the same one
        if self._loss is not None and not self._loss.told:
            self._tell_gap(self._loss, None)
        self._loss = _Loss(session=self._session, before=self._state(self._wall), sure=sure)
        self._aspects.forget_hold_begin()
        self._aspects.perhaps_lost = not sure
        self._doubts.lose()

    def _hear(self, item: Heard) -> None:
        if item.telemetry:
            return
        placed = self._doubts.read(item.data, item.wall)
        self._silence(item.wall)
        self._wall = item.wall
        if not item.facts:
            self._still_shown(item.ts, item.wall)
        told = [
            (fact, placed[fact.part] if fact.part < len(placed) else FrameFields(wall=item.wall)) for fact in item.facts
        ]
        for fact, envelope in self._in_order(told):
            when = When(at=fact.at if fact.timed else item.wall, exact=fact.timed, wall=item.wall, now=item.now)
            self._doubts.env = envelope
            self._latest = max(self._latest, fact.ident)
            if self._loss is not None and self._loss.first is None:
                first = placed[0] if placed else envelope
                at = item.wall if first.ts is None else first.ts
                self._loss.first = When(at, first.ts is not None, item.wall, item.now)
            self._weigh(fact, when)
            self._still_shown(when.at)
            self._cameras.keep(self._aspects.program, when.wall)

    def _in_order(self, told: list[tuple[Fact, FrameFields]]) -> list[tuple[Fact, FrameFields]]:
        """The parts of a message in the order in which they were made; in doubt if their fields do not say that."""
        self._aspects.guessed = False
        if len(told) < 2 or any(fact.retold for fact, _ in told):
            return told
        made = sorted(told, key=lambda part: part[0].ident)
        if made == told:
            return told
        self._doubts.env = told[0][1]
        if self._loss is not None:
            self._doubts.doubt("session", "a message in any order before any snapshot")
        changes = [part for part in made if part[0].kind in _TOLD_OF]
        if all(_follows(later, one) for one, later in pairwise(changes)):
            self._aspects.guessed = _guessed(told)
            return made
        counts = Counter(_TOLD_OF[fact.kind] for fact, _ in changes)
        for about in sorted(about for about, count in counts.items() if count > 1):
            self._doubts.doubt(about, "a message in an order that nothing tells", explicit=True)
        return told

    def _weigh(self, fact: Fact, when: When) -> None:
        """Decide whether a fact is new, a repeat, or old."""
        if fact.kind == "stale":
            self._old_snapshot(fact)
        elif fact.kind in ("state", "hello"):
            self._tell(fact, when)
        elif fact.retold or fact.ident in self._heard:
            self._again(fact, when)
        else:
            if self._loss is not None and fact.kind in _TOLD_OF:
                self._loss.muddled = True
                self._shown = (min(*self._shown, when.at), max(*self._shown, when.at))
            self._tell(fact, when)
        self._doubts.frames.clock(self._env)
        if fact.kind not in ("state", "hello", "stale"):
            self._changed_at = self._env.wall
            self._heard.add(fact.ident)
            self._doubts.frames.add(self._env, self._session)

    def _still_shown(self, *times: int) -> None:
        """Frames after the last snapshot: whether they too show the session is a matter of reading."""
        if self._loss is None:
            self._shown = (min(*self._shown, *times), max(*self._shown, *times))

    def _on_hello(self, _: Fact, __: When) -> None:
        """A greeting on an open connection changes nothing, unless its number is lower than that of the one before."""
        before, self._greeting = self._greeting, self._env
        again = before is not None and before.connection == self._env.connection and self._loss is None
        if again and before is not None and (self._env.seq or 0) < (before.seq or 0):
            self._doubts.doubt("session", "a greeting that counts from the start")
            self._doubts.muddled.add("hold")

    def _tell(self, fact: Fact, when: When) -> None:
        tells = self._tells.get(fact.kind)
        if tells is not None:
            tells(fact, when)

    def _miss(self, item: Missed) -> None:
        session = item.world.session
        for fact in item.facts:
            if not makes_event(fact) or fact.retold or fact.ident in self._heard or fact.ident in self._missed:
                continue
            self._latest = max(self._latest, fact.ident)
            self._missed[fact.ident] = None
            if session is not None:
                event = self._missed[fact.ident] = missed_event(fact, session.id)
                self._events.put(event)

    # ------------------------------------------------------------------------------------------ out of sight

    def _silence(self, wall: int) -> None:
        """A regular server that was silent for long was out of sight, even on an open socket."""
        if self._loss is not None:
            return
        gone = self._regular.out_of_sight(wall)
        if gone is None:
            return
        if self._session is None:  # whether a session that runs then was seen to start is a matter of reading
            self._doubts.doubt("session", "out of sight before a session")
        self._lose(sure=gone and not self._mixed and self._session is not None)

    # ------------------------------------------------------------------------------------------ told again, or old

    def _old_snapshot(self, fact: Fact) -> None:
        """A snapshot that is older than what is known. If nothing shows that, it counts."""
        world = fact.world
        assert world is not None  # noqa: S101 (a snapshot shows one)
        self._snapshot_came(world)
        if self._loss is not None:
            for known in ASPECTS:
                self._doubts.doubt(known, "an old snapshot came first")
            return
        for aspect, other in self._aspects.differences(world).items():
            if other and fact.ident < self._doubts.idents[aspect]:
                self._doubts.maybe_stale(aspect)

    def _again(self, fact: Fact, when: When) -> None:
        """A repeat; or a late report of something that happened while no client was connected."""
        if fact.kind in ("started", "ended"):
            if fact.ident not in self._heard:
                if self._loss is not None:
                    self._loss.muddled = True
                over = self._sessions.get(fact.session_id or "")
                if over is not None:  # its end is seen now, by a frame
                    over.status = over.end_reason = over.completed_at = over.final_state = UNSET
                self._doubts.doubt("session", "a start or an end told afterwards", explicit=True)
            return
        about = _TOLD_OF.get(fact.kind)
        if about is None:
            return
        if fact.ident not in self._heard:
            if about == "hold":
                self._doubts.muddled.add("hold")
            self._late(fact, when, about)
            return
        if self._doubts.told_before() or (self._loss is None and self._aspects.says_what_is(fact, about)):
            return
        self._doubts.doubt(about, "told again, and nothing says so", explicit=True)
        if self._loss is not None:
            self._loss.muddled = True
        if about in ("stills", "marks"):
            self._doubts.settle(about, at_once=True)

    def _late(self, fact: Fact, when: When, about: str) -> None:
        """An event from a gap becomes a row at its own time, if its fields prove that it is new."""
        event = self._missed.get(fact.ident)
        if self._loss is not None:
            self._loss.muddled = True
        new = self._doubts.is_new()
        if about in ("stills", "marks"):
            self._doubts.doubt_once(about, "told afterwards")
            self._stills.told_late(fact)
        elif not new or not self._doubts.is_past(about):
            self._doubts.doubt(about, "told afterwards, and nothing says so", explicit=True)
        self._aspects.told_late(fact)
        if fact.ident not in self._missed:
            self._doubts.doubt(about, "told again, and never before", explicit=True)
        if event is None:
            return
        event.carried, event.at, event.exact = True, when.at, when.exact
        event.doubtful = not new or event.session_id != self._session or about in ("stills", "marks")
        self._events.received(event, when.wall)

    # ------------------------------------------------------------------------------------------ snapshots

    def _snapshot_came(self, world: World) -> None:
        new = any(self._aspects.differences(world).values()) or self._describes(world)
        prompted = self._env.wall - self._changed_at < SETTLE_MS
        self._regular.came(self._env.wall, new=new, session=self._session is not None, prompted=prompted)

    def _describes(self, world: World) -> bool:
        """Whether it says anything new about cameras or titles."""
        session = None if world.session is None else self._sessions.get(world.session.id)
        return self._cameras.differ(world) or (
            world.session is not None and (session is None or session.title != world.session.title)
        )

    def _on_state(self, fact: Fact, when: When) -> None:
        assert fact.world is not None  # noqa: S101 (a state shows one)
        world = self._aspects.as_shown(fact.world, first=self._loss is not None)
        ident = fact.ident or self._latest
        # Under a dissolve's veil a snapshot shows the program of before.
        program = ident if fact.world.veil is None else min(ident, fact.world.veil.ident - 1)
        self._snapshot_came(world)
        loss, self._loss = self._loss, None
        if loss is not None:
            self._after_loss(loss, world, when)
            self._doubts.rest_all(ident, program)
            self._doubts.settle_all()
        else:
            self._news(world, when, ident, program)
        if self._session is not None and world.session is not None and self._session == world.session.id:
            self._shown = (when.at, when.at)
            self._sessions[world.session.id].title = world.session.title

    def _after_loss(self, loss: _Loss, world: World, when: When) -> None:
        """The first snapshot of a connection: differences make no events, but a gap."""
        now = None if world.session is None else world.session.id
        known = now in self._sessions
        if loss.session is not None and now != loss.session:
            self._interrupt(loss, "unseen" if now is None else "replaced", when.wall)
            if loss.muddled or not loss.sure:
                row = self._sessions[loss.session]
                row.status = row.end_reason = row.completed_at = row.final_state = UNSET
        if not loss.sure:
            self._doubts.never_lost()
        self._aspects.learn(world)
        if world.hold is None:
            self._aspects.forget_hold_begin()
        self._cameras.look(world, when)
        self._session = None
        if world.session is not None:
            self._begin(world, when)
        if not loss.told:
            self._tell_gap(loss, now if not known or now == loss.session else None)

    def _tell_gap(self, loss: _Loss, now: str | None) -> None:
        first = loss.first
        if first is None:
            return
        for session in dict.fromkeys(s for s in (loss.session, now) if s is not None):
            gap = EventTruth(session_id=session, kind="gap", at=first.at, exact=first.exact)
            gap.before = None if loss.session is None else loss.before
            if loss.session is None:  # a first sight: nobody was there before, so nobody was blind
                gap.duration_ms = None
            gap.after = self._state(first.wall)
            gap.doubtful = not loss.sure or (loss.muddled and loss.session != now)
            self._events.put(gap)
            self._events.received(gap, first.wall)

    def _news(self, world: World, when: When, ident: int, program: int) -> None:
        """A snapshot on an unbroken connection: what differs has happened, and only this frame reports it."""
        if not self._session_news(world, when, ident, program):
            return
        self._aspects.news(world, when, ident, program)
        self._cameras.look(world, when)

    def _session_news(self, world: World, when: When, ident: int, program: int) -> bool:
        """False if the snapshot shows another session than before. Then everything else in it is learned."""
        now = None if world.session is None else world.session.id
        if now == self._session:
            if not self._doubts.is_past("session"):
                self._doubts.shown_again("session", self._session, hidden=False)
                self._doubts.settle("session")
            return True
        if ident < self._doubts.idents["session"]:
            self._doubts.maybe_stale("session")
            return True
        if not self._doubts.proves(self._doubts.marks["session"]):
            self._doubts.doubt("session", "a session that a snapshot shows which may be old")
        unsure = {aspect for aspect in ("program", "hold", "mode") if self._doubts.unsure(aspect)}
        if self._session is not None:
            self._finish("complete", None, (when.at, when.at), when.wall)
        if world.session is None:
            self._session_gone(world, when, ident, program)
            return False
        self._aspects.learn(world)
        self._cameras.look(world, when)
        self._begin(world, when)
        for aspect in unsure:
            self._doubts.doubt(aspect, "was in doubt when the session began")
        self._doubts.rest_all(ident, program)
        return False

    def _session_gone(self, world: World, when: When, ident: int, program: int) -> None:
        self._aspects.learn(world)
        self._aspects.forget_hold_begin()
        self._cameras.look(world, when)
        self._doubts.rest_all(ident, program)

    # ------------------------------------------------------------------------------------------ sessions

    def _begin(self, world: World, when: When) -> None:
        session = world.session
        assert session is not None  # noqa: S101 (asked by the callers)
        self._session = session.id
        row = self._sessions.get(session.id)
        if row is None:
            self._sessions[session.id] = SessionTruth(
                session_id=session.id, started_at=session.started_at if when.exact else UNSET, title=session.title
            )
        else:
            row.status, row.end_reason, row.completed_at, row.final_state = "live", UNSET, UNSET, UNSET

    def _on_started(self, fact: Fact, when: When) -> None:
        session = fact.session
        assert session is not None  # noqa: S101 (a start names one)
        self._rest_session(fact)
        if self._session == session.id:
            return
        if self._loss is not None and self._tell_early(self._loss):
            self._interrupt(self._loss, "replaced", when.wall)
        if self._loss is not None:
            self._loss.session = session.id
        self._session = session.id
        self._shown = (when.at, when.at)
        self._sessions[session.id] = SessionTruth(
            session_id=session.id, started_at=session.started_at if when.exact else UNSET, title=session.title
        )

    def _tell_early(self, loss: _Loss) -> bool:
        """A start or an end before any snapshot ends the gap. Returns whether a session was running."""
        if not loss.told:
            self._tell_gap(loss, None)
            loss.told = True
        return self._session is not None

    def _rest_session(self, fact: Fact) -> None:
        self._doubts.marks["session"].rest(self._env, explicit=True)
        self._doubts.idents["session"] = max(self._doubts.idents["session"], fact.ident)

    def _on_updated(self, fact: Fact, _: When) -> None:
        self._rest_session(fact)
        if fact.session is not None and fact.session.id == self._session:
            self._sessions[fact.session.id].title = fact.session.title

    def _on_ended(self, fact: Fact, when: When) -> None:
        self._rest_session(fact)
        if fact.session_id == self._session:
            if self._loss is not None:
                self._tell_early(self._loss)
                self._loss.session = None
            self._finish("complete", fact.reason, (when.at, when.at), when.wall)

    def _interrupt(self, loss: _Loss, reason: str, wall: int) -> None:
        self._finish("interrupted", reason, self._shown, wall, loss.before)

    def _finish(
        self,
        status: Literal["complete", "interrupted"],
        reason: str | None,
        times: tuple[int, int],
        wall: int,
        state: FinalState | None = None,
    ) -> None:
        assert self._session is not None  # noqa: S101 (asked by the callers)
        self._cameras.keep(self._aspects.program, wall)
        self._cameras.leave_open(wall)
        row = self._sessions[self._session]
        row.status, row.end_reason, row.completed_at = status, reason or UNSET, times
        row.exact = self._env.ts is not None
        row.final_state = state or self._state(wall)
        if self._loss is not None and state is None:  # the end is all that was heard since
            row.final_state = UNSET
        self._session = None
        self._doubts.session_over()

    def _state(self, wall: int) -> FinalState:
        aspects, doubts = self._aspects, self._doubts
        online, unsure = self._cameras.standing(aspects.program, wall)
        return FinalState(
            program_camera_id=UNSET if doubts.unsure("program") else aspects.program,
            hold=UNSET if doubts.unsure("hold") else aspects.hold is not None,
            mode=UNSET if doubts.unsure("mode") else aspects.mode,
            cameras_online=online,
            cameras_unsure=unsure,
        )

    # ------------------------------------------------------------------------------------------ the end

    def truth(self, header: TruthHeader) -> Truth:
        self._doubts.settle_all(at_once=True)
        events = self._events.rows()
        return Truth(
            header=header,
            sessions=list(self._sessions.values()),
            cameras=list(self._cameras.rows.values()),
            stills=self._stills.rows,
            events=events,
            doubts=self._doubts.told,
            final=FinalTruth(session_id=self._session, state=self._state(self._wall)),
        )
