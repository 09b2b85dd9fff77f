"""The witness of a rehearsal: it hears what the tap hears, but knows what every frame means.

``truth_of`` walks a performance once, by the rules of ``docs/how-it-works.md``: what happened, as far as a
connection carried it, is what the history has to say. Whether the frames alone could show it is asked of
``evidence.py``; where they could not, the event is doubtful, or the time around it is in doubt. Nothing of
``tap.core`` is used here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, structs

from tap.rehearsal.doubts import ASPECTS, Cover, Doubts
from tap.rehearsal.evidence import SETTLE_MS, Aspect, Envelope, Mark, order
from tap.rehearsal.silence import Regular
from tap.rehearsal.still_truth import Stills, When
from tap.rehearsal.truth import (
    CameraTruth,
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
from tap.rehearsal.world import Camera, Fact, Plan, World

__all__ = ["GRACE_MS", "truth_of"]

GRACE_MS = 5000
"""The tap's grace time; an absence within a second of it is not checked."""


def truth_of(plan: Plan, items: Iterable[Item], *, venue: str = "rehearsal") -> Truth:
    """What the history of this performance has to say."""
    witness = _Witness(plan)
    for item in items:
        witness.take(item)
    options = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in _options(plan)}
    options["ways"] = written(plan.ways)
    return witness.truth(TruthHeader(seed=plan.seed, options=options, venue=venue))


def _options(plan: Plan) -> Iterator[tuple[str, Any]]:
    for name in plan.__struct_fields__:
        yield name, getattr(plan, name)


class _Seen(Struct):
    """What is known of one camera."""

    info: Camera
    here: bool
    away: When | None = None
    told_leaving: bool = False
    """Whether a frame said that it left (or a snapshot did not list it)."""


class _Loss(Struct):
    """The connection is gone: what was known, and what has been heard since."""

    session: str | None
    before: FinalState | None
    first: When | None = None
    sure: bool = True
    """Whether the frames prove that anything was lost."""
    told: bool = False
    """Whether its gap was told already, by what came before any snapshot."""
    muddled: bool = False
    """Whether starts and ends of sessions that nobody saw were told afterwards, before any snapshot."""


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


def _guessed(told: list[tuple[Fact, Envelope]]) -> bool:
    """Whether a snapshot stands before the change that it shows, and nothing says which was made first."""
    for number, (fact, envelope) in enumerate(told):
        for earlier, snapshot in told[:number]:
            mark = Mark()
            mark.rest(envelope, explicit=False)
            shown = fact.kind in _TOLD_OF and earlier.kind == "state" and earlier.ident > fact.ident
            if shown and order(snapshot, mark) == "unknown":
                return True
    return False


def _follows(later: tuple[Fact, Envelope], one: tuple[Fact, Envelope]) -> bool:
    """Whether the fields of two parts say which was made first; a frame word for word once more needs no order."""
    mark = Mark()
    mark.rest(one[1], explicit=False)
    return later[0].ident == one[0].ident or order(later[1], mark) == "after"


class _Witness:
    """Hears every frame, knows what it means, and keeps the rules."""

    def __init__(self, plan: Plan) -> None:
        self._pace = plan.pace
        self._mixed = "other_dialect" in plan.faults
        """Whether the same may be said in several dialects, and look like news."""
        self._doubts = Doubts()
        self._stills = Stills(self._doubts, self._add, self._live)
        self._regular = Regular()
        self._program: str | None = None
        self._program_at: When | None = None
        """When it changed last."""
        self._cover: Cover | None = None
        self._mode = ""
        self._hold: str | None = None
        self._hold_from: When | None = None
        self._seen: dict[str, _Seen] = {}
        self._loss: _Loss | None = _Loss(session=None, before=None)
        self._shown = (0, 0)
        self._wall = 0
        self._changed_at = 0
        """When an explicit frame came last, by the receiver's clock."""
        self._greeting: Envelope | None = None
        self._guessed = False
        """Whether a snapshot stands before the change that it shows, in the message of now."""
        self._sessions: dict[str, SessionTruth] = {}
        self._cameras: dict[tuple[str, str], CameraTruth] = {}
        self._events: list[EventTruth] = []
        self._walls: dict[int, int] = {}
        """When an event was told, by ``id`` of it."""
        self._moments: set[str] = set()
        self._latest = 0
        """The latest frame that was made, as far as anybody was told."""
        self._heard: set[int] = set()
        self._missed: dict[int, EventTruth | None] = {}

    @property
    def _session(self) -> str | None:
        return self._doubts.session

    @_session.setter
    def _session(self, session: str | None) -> None:
        self._doubts.session = session

    @property
    def _env(self) -> Envelope:
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
        self._hold_from = None
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
            (fact, placed[fact.part] if fact.part < len(placed) else Envelope(wall=item.wall)) for fact in item.facts
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
            self._keep_cameras(when.wall)

    def _in_order(self, told: list[tuple[Fact, Envelope]]) -> list[tuple[Fact, Envelope]]:
        """The parts of a message as they were made, where their fields say how; else as they stand, and in doubt."""
        self._guessed = False
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
            self._guessed = _guessed(told)
            return made
        counts = Counter(_TOLD_OF[fact.kind] for fact, _ in changes)
        for about in sorted(about for about, count in counts.items() if count > 1):
            self._doubts.doubt(about, "a message in an order that nothing tells", explicit=True)
        return told

    def _weigh(self, fact: Fact, when: When) -> None:
        """News, or told again, or long past."""
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
        """A greeting on a line that stands opens nothing, unless its number is lower than that of the one before."""
        before, self._greeting = self._greeting, self._env
        again = before is not None and before.connection == self._env.connection and self._loss is None
        if again and before is not None and (self._env.seq or 0) < (before.seq or 0):
            self._doubts.doubt("session", "a greeting that counts from the start")
            self._doubts.muddled.add("hold")

    def _tell(self, fact: Fact, when: When) -> None:
        tells = getattr(self._stills, fact.kind, None) or getattr(self, f"_on_{fact.kind}", None)
        if tells is not None:
            tells(fact, when)

    def _miss(self, item: Missed) -> None:
        kinds = {"cut": "cut", "hold": "hold", "release": "release", "mode": "mode_change", "music": "music_moment"}
        kinds |= {"asked": "still_marker", "captured": "still_capture", "marker": "marker"}
        session = item.world.session
        for fact in item.facts:
            if fact.kind not in kinds or fact.retold or fact.ident in self._heard or fact.ident in self._missed:
                continue
            self._latest = max(self._latest, fact.ident)
            self._missed[fact.ident] = None
            if session is None:
                continue
            kind = "off_air" if fact.kind == "cut" and fact.camera is None else kinds[fact.kind]
            event = EventTruth(session_id=session.id, kind=kind, at=fact.at, carried=False)
            event.exact = fact.timed
            if fact.camera is not None:
                event.camera_id = fact.camera
            if fact.label is not None:
                event.label = fact.label
            if fact.kind == "asked" and fact.still_id is not None:
                event.still_id = fact.still_id
            self._missed[fact.ident] = event
            self._events.append(event)

    # ------------------------------------------------------------------------------------------ out of sight

    def _silence(self, wall: int) -> None:
        """A regular server that was not seen for long was out of sight, also on an open socket."""
        if self._loss is not None:
            return
        gone = self._regular.out_of_sight(wall)
        if gone is None:
            return
        if self._session is None:  # whether a session that runs then was seen to start is a matter of reading
            self._doubts.doubt("session", "out of sight before a session")
        self._lose(sure=gone and not self._mixed and self._session is not None)

    def _value(self, aspect: Aspect) -> Any:
        return {"program": self._program, "hold": self._hold is not None, "mode": self._mode}.get(aspect)

    def _live(self, when: When) -> str | UnsetType | None:
        """What is on; UNSET where the frames leave open what was, at the moment that they tell of."""
        changed = self._program_at
        together = changed is not None and changed.wall == when.wall
        dated = when.exact and changed is not None and changed.exact
        return UNSET if self._doubts.unsure("program") or (together and not dated) else self._program

    # ------------------------------------------------------------------------------------------ told again, or old

    def _old_snapshot(self, fact: Fact) -> None:
        """A snapshot that was made before what is known: where it does not look so, it is believed."""
        world = fact.world
        assert world is not None  # noqa: S101 (a snapshot shows one)
        self._snapshot_came(world)
        if self._loss is not None:
            for known in ASPECTS:
                self._doubts.doubt(known, "an old snapshot came first")
            return
        for aspect, other in self._differences(world).items():
            if other and fact.ident < self._doubts.idents[aspect]:
                self._doubts.maybe_stale(aspect)

    def _differences(self, world: World) -> dict[str, bool]:
        """What a snapshot shows otherwise than it is known."""
        shown = world.veil.shows if world.veil is not None else world.program
        return {
            "session": (None if world.session is None else world.session.id) != self._session,
            "program": shown != self._program and world.veil is None,
            "hold": (world.hold is None) != (self._hold is None),
            "mode": world.mode != self._mode,
        }

    def _again(self, fact: Fact, when: When) -> None:
        """Told once more; or told afterwards, where nobody was there."""
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
        if self._doubts.told_before() or self._changes_nothing(fact, about):
            return
        self._doubts.doubt(about, "told again, and nothing says so", explicit=True)
        if self._loss is not None:
            self._loss.muddled = True
        if about in ("stills", "marks"):
            self._doubts.settle(about, at_once=True)

    def _changes_nothing(self, fact: Fact, about: str) -> bool:
        """Whether it only says what is on."""
        if self._doubts.unsure(about) or self._loss is not None:
            return False
        match fact.kind:
            case "cut":
                return fact.camera == self._program
            case "hold" | "release":
                return (fact.kind == "hold") == (self._hold is not None)
            case "mode":
                return fact.mode == self._mode
        return False

    def _late(self, fact: Fact, when: When, about: str) -> None:
        """What happened in blind time is a row at its own time, where its fields prove that it is new."""
        event = self._missed.get(fact.ident)
        if self._loss is not None:
            self._loss.muddled = True
        new = self._doubts.is_new()
        if about in ("stills", "marks"):
            self._doubts.doubt_once(about, "told afterwards")
            self._stills.told_late(fact)
        elif not new or not self._doubts.is_past(about):
            self._doubts.doubt(about, "told afterwards, and nothing says so", explicit=True)
        if fact.kind == "cut" and fact.duration_ms is not None:
            self._cover = Cover(fact.before, fact.camera, self._env, fact.duration_ms)
        if fact.ident not in self._missed:
            self._doubts.doubt(about, "told again, and never before", explicit=True)
        if event is None:
            return
        event.carried, event.at, event.exact = True, when.at, when.exact
        event.doubtful = not new or event.session_id != self._session or about in ("stills", "marks")
        self._walls[id(event)] = when.wall

    # ------------------------------------------------------------------------------------------ snapshots

    def _snapshot_came(self, world: World) -> None:
        new = any(self._differences(world).values()) or self._describes(world)
        prompted = self._env.wall - self._changed_at < SETTLE_MS
        self._regular.came(self._env.wall, new=new, session=self._session is not None, prompted=prompted)

    def _describes(self, world: World) -> bool:
        """Whether it says anything of cameras or titles that was not known."""
        here = {camera.id for camera in world.cameras if camera.online is not False}
        session = None if world.session is None else self._sessions.get(world.session.id)
        return (
            here != {name for name, seen in self._seen.items() if seen.here}
            or any(self._is_new(camera) for camera in world.cameras)
            or (world.session is not None and (session is None or session.title != world.session.title))
        )

    def _is_new(self, camera: Camera) -> bool:
        seen = self._seen.get(camera.id)
        told = ("name", "role", "device", "lens", "placement")
        return seen is None or any(getattr(camera, name) not in (None, getattr(seen.info, name)) for name in told)

    def _on_state(self, fact: Fact, when: When) -> None:
        assert fact.world is not None  # noqa: S101 (a state shows one)
        world = self._as_shown(fact.world)
        ident = fact.ident or self._latest
        program = self._program_known(fact.world, ident)
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

    def _as_shown(self, world: World) -> World:
        """What a snapshot shows; its veil stays where a dissolve that was told explains it."""
        cover = self._cover
        if cover is not None and self._loss is not None and cover.frame.connection != self._env.connection:
            cover = None
        shown = world.program if world.veil is None else world.veil.shows
        hidden = cover is not None and cover.hides(shown, self._env)
        if hidden and cover is not None and self._loss is not None:
            return structs.replace(world, program=cover.to, veil=None)
        return world if world.veil is None or hidden else structs.replace(world, program=shown, veil=None)

    @staticmethod
    def _program_known(world: World, ident: int) -> int:
        """By which frame the program of a snapshot is known: under a veil it is that of before."""
        return ident if world.veil is None else min(ident, world.veil.ident - 1)

    def _after_loss(self, loss: _Loss, world: World, when: When) -> None:
        """The first snapshot of a connection is news: nothing is made of what differs, but the gap is told."""
        now = None if world.session is None else world.session.id
        known = now in self._sessions
        if loss.session is not None and now != loss.session:
            self._interrupt(loss, "unseen" if now is None else "replaced", when.wall)
            if loss.muddled or not loss.sure:
                row = self._sessions[loss.session]
                row.status = row.end_reason = row.completed_at = row.final_state = UNSET
        self._program, self._mode = world.program, world.mode
        self._hold = None if world.hold is None else world.hold.camera
        if self._hold is None:
            self._hold_from = None
        self._look(world, when)
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
            self._events.append(gap)
            self._walls[id(gap)] = first.wall

    def _news(self, world: World, when: When, ident: int, program: int) -> None:
        """A snapshot on an unbroken connection: what differs has happened, and only this tells it."""
        if not self._session_news(world, when, ident, program):
            return
        inferred = EventTruth(session_id="", kind="cut", at=0, trigger="unknown", inferred=True)
        self._aspect_news("program", world, program, lambda: self._cut(world.program, when, inferred))
        self._aspect_news("mode", world, ident, lambda: self._turn(world.mode, when))
        held = None if world.hold is None else world.hold.camera
        self._aspect_news("hold", world, ident, lambda: self._grip(held, when))
        self._look(world, when)

    def _session_news(self, world: World, when: When, ident: int, program: int) -> bool:
        """False where the snapshot shows another session than before: then all else in it is learned."""
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
        self._program, self._mode = world.program, world.mode
        self._look(world, when)
        self._begin(world, when)
        for aspect in unsure:
            self._doubts.doubt(aspect, "was in doubt when the session began")
        self._hold = None if world.hold is None else world.hold.camera
        self._doubts.rest_all(ident, program)
        return False

    def _session_gone(self, world: World, when: When, ident: int, program: int) -> None:
        self._program, self._mode = world.program, world.mode
        self._hold = None if world.hold is None else world.hold.camera
        self._hold_from = None
        self._look(world, when)
        self._doubts.rest_all(ident, program)

    def _aspect_news(self, aspect: Aspect, world: World, ident: int, happens: Callable[[], EventTruth | None]) -> None:
        """One thing that a snapshot shows: confirmed, changed, or old."""
        if aspect == "program" and world.veil is not None:
            return  # a dissolve that was told covers it
        doubts, differs = self._doubts, self._differences(world)[aspect]
        if ident < doubts.idents[aspect]:
            if differs:
                doubts.maybe_stale(aspect)
            return
        hidden = aspect == "program" and self._cover is not None and self._cover.hides(world.program, self._env)
        if differs:
            was = self._value(aspect)
            doubts.shown_otherwise(aspect, happens(), was, hidden=hidden)
        else:
            doubts.shown_again(aspect, self._value(aspect), hidden=hidden)
        doubts.idents[aspect] = max(doubts.idents[aspect], ident)
        doubts.settle(aspect)

    def _look(self, world: World, when: When) -> None:
        """The cameras that a snapshot lists, and those that it does not."""
        listed = {camera.id: camera for camera in world.cameras}
        for camera in listed.values():
            if camera.online is False:
                self._gone(camera.id, when, told=False)
            else:
                self._here(camera, when)
        for camera_id, seen in self._seen.items():
            if camera_id not in listed and seen.here:
                self._gone(camera_id, when, told=False)

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
        """A start or an end comes before any snapshot: the gap ends with it. Whether there was a session."""
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
        self._keep_cameras(wall)
        self._leave_open(wall)
        row = self._sessions[self._session]
        row.status, row.end_reason, row.completed_at = status, reason or UNSET, times
        row.exact = self._env.ts is not None
        row.final_state = state or self._state(wall)
        if self._loss is not None and state is None:  # the end is all that was heard since
            row.final_state = UNSET
        self._session = None

    def _state(self, wall: int) -> FinalState:
        unsure = {self._program} - self._seen.keys() - {None}
        unsure |= {name for name, seen in self._seen.items() if seen.away is not None and _long(seen, wall) is not True}
        return FinalState(
            program_camera_id=UNSET if self._doubts.unsure("program") else self._program,
            hold=UNSET if self._doubts.unsure("hold") else self._hold is not None,
            mode=UNSET if self._doubts.unsure("mode") else self._mode,
            cameras_online=sorted(name for name, seen in self._seen.items() if seen.here and name not in unsure),
            cameras_unsure=sorted(name for name in unsure if name is not None),
        )

    # ------------------------------------------------------------------------------------------ cameras

    def _on_camera(self, fact: Fact, when: When) -> None:
        assert fact.info is not None  # noqa: S101 (it describes one)
        self._here(fact.info, when)

    def _on_left(self, fact: Fact, when: When) -> None:
        assert fact.camera is not None  # noqa: S101 (it names one)
        self._gone(fact.camera, when, told=True)

    def _here(self, camera: Camera, when: When) -> None:
        seen = self._seen.get(camera.id)
        if seen is None:
            self._seen[camera.id] = _Seen(info=camera, here=True)
            return
        said = {name: getattr(camera, name) for name in camera.__struct_fields__ if getattr(camera, name) is not None}
        seen.info = structs.replace(seen.info, **said)
        if seen.away is not None and _long(seen, when.wall) is not False and self._session is not None:
            row = self._cameras.get((self._session, camera.id))
            if row is not None:
                row.left_at = UNSET  # it really was away: whether its row still says so is not for us to decide
        seen.here, seen.away = True, None

    def _gone(self, camera_id: str, when: When, *, told: bool) -> None:
        seen = self._seen.get(camera_id)
        if seen is not None and seen.here:
            seen.here, seen.away, seen.told_leaving = False, when, told

    def _keep_cameras(self, wall: int) -> None:
        """Brings the rows of the running session up to date."""
        if self._session is None:
            return
        for camera_id, seen in self._seen.items():
            key = (self._session, camera_id)
            if seen.here and key not in self._cameras:
                self._cameras[key] = CameraTruth(session_id=self._session, camera_id=camera_id, left_at=None)
            if key in self._cameras:
                _describe(self._cameras[key], seen, wall)
        if self._program is not None and (self._session, self._program) not in self._cameras:
            self._cameras[self._session, self._program] = CameraTruth(
                session_id=self._session, camera_id=self._program, doubtful=self._doubts.unsure("program")
            )

    def _leave_open(self, wall: int) -> None:
        """Who is away when a session ends, and not for long: whether it will be back nobody will ever know."""
        for camera_id, seen in self._seen.items():
            row = self._cameras.get((self._session or "", camera_id))
            if row is not None and seen.away is not None and _long(seen, wall) is not True:
                row.status = row.left_at = UNSET

    # ------------------------------------------------------------------------------------------ events

    def _add(self, event: EventTruth, when: When, session: str | None = None) -> EventTruth | None:
        """Tells an event of the running session (or of the one given); without a session there is nothing to tell."""
        owner = session or self._session
        if owner is None:
            return None
        event.session_id, event.at, event.exact = owner, when.at, when.exact
        self._events.append(event)
        self._walls[id(event)] = when.wall
        return event

    @staticmethod
    def _is_another(fact: Fact) -> bool:
        return fact.kind == "cut" and fact.camera is not None and fact.before not in ("", fact.camera)

    def _explicit(self, aspect: Aspect, fact: Fact, when: When, happens: Callable[[], EventTruth | None]) -> None:
        """An explicit frame that is the newest of its kind; ``happens`` where it changes anything."""
        doubts = self._doubts
        unsure, was, pending = doubts.unsure(aspect), self._value(aspect), doubts.pending.get(aspect)
        event = happens()
        if event is None and self._is_another(fact):
            # What came between was not told, or will be: an id of its own says that it is another cut.
            event = EventTruth(session_id="", kind="cut", at=0, camera_id=fact.camera)
            event.doubtful = not doubts.own_id_is_new()
            if aspect in doubts.unexplained:
                doubts.unexplained[aspect].doubtful = True
            self._add(event, when)
        else:
            doubts.unexplained.pop(aspect, None)
        if event is not None and pending is not None and pending.was == self._value(aspect):
            # Back to what it was before something that is not proved: perhaps it never changed.
            event.doubtful = not doubts.own_id_is_new()
        proved = doubts.take(aspect, event, was)
        if event is not None and self._guessed:
            event.trigger = event.transition = event.duration_ms = UNSET
        if event is not None and (unsure or self._guessed):
            event.from_camera_id = event.from_mode = event.duration_ms = UNSET
        doubts.idents[aspect] = max(doubts.idents[aspect], fact.ident)
        if proved:
            doubts.settle(aspect, at_once=True)

    def _out_of_place(self, aspect: Aspect, event: EventTruth, when: When, ident: int, *, same: bool) -> None:
        """An explicit frame that came after a newer one: it explains what a snapshot told, or is an event before it."""
        if not (same and self._doubts.explains(aspect, when.at, exact=when.exact)):
            self._doubts.late(aspect, event, ident)
            self._add(event, when)

    def _on_cut(self, fact: Fact, when: When) -> None:
        event = EventTruth(session_id="", kind="cut", at=0)
        if fact.trigger is not None:
            event.trigger = fact.trigger
        if fact.transition is not None:
            event.transition = fact.transition
        if fact.duration_ms is not None:
            event.duration_ms = fact.duration_ms
        if fact.ident < self._doubts.idents["program"]:
            event.kind = "cut" if fact.camera is not None else "off_air"
            if fact.camera is not None:
                event.camera_id = fact.camera
            self._out_of_place("program", event, when, fact.ident, same=fact.camera == self._program)
            return
        self._explicit("program", fact, when, lambda: self._cut(fact.camera, when, event))
        if fact.before != "":
            event.from_camera_id = fact.before
        self._cover = None
        if fact.duration_ms is not None and fact.transition != "cut":
            self._cover = Cover(fact.before, fact.camera, self._env, fact.duration_ms)

    def _cut(self, to: str | None, when: When, event: EventTruth) -> EventTruth | None:
        before, self._program = self._program, to
        if to == before:
            return None
        self._program_at = when
        event.from_camera_id = before
        if to is None:
            event.kind = "off_air"
            if event.inferred:
                event.trigger = UNSET
        else:
            event.camera_id = to
        return self._add(event, when)

    def _on_hold(self, fact: Fact, when: When) -> None:
        if fact.ident < self._doubts.idents["hold"]:
            event = EventTruth(session_id="", kind="hold", at=0, camera_id=fact.camera)
            self._out_of_place("hold", event, when, fact.ident, same=self._hold is not None)
            return
        self._explicit("hold", fact, when, lambda: self._grip(fact.camera, when) if self._hold is None else None)

    def _on_release(self, fact: Fact, when: When) -> None:
        if fact.ident < self._doubts.idents["hold"]:
            event = EventTruth(session_id="", kind="release", at=0)
            self._out_of_place("hold", event, when, fact.ident, same=self._hold is None)
            return
        self._explicit("hold", fact, when, lambda: self._grip(None, when) if self._hold is not None else None)

    def _grip(self, camera: str | None, when: When) -> EventTruth | None:
        if camera is not None:
            event = EventTruth(session_id="", kind="hold", at=0, camera_id=camera)
            self._hold, self._hold_from = camera, when
            self._doubts.muddled.discard("hold")
            return self._add(event, when)
        muddled = "hold" in self._doubts.muddled
        event = EventTruth(session_id="", kind="release", at=0, duration_ms=UNSET if muddled else None)
        if self._hold_from is not None and not muddled:
            sure = when.exact and self._hold_from.exact
            event.duration_ms = when.at - self._hold_from.at if sure else UNSET
            if self._clocks_differ(self._hold_from, when):
                event.duration_ms = UNSET
        self._hold = self._hold_from = None
        return self._add(event, when)

    def _clocks_differ(self, since: When, until: When) -> bool:
        """Whether a clock was set meanwhile, or the frames were read late."""
        truly, ours = until.now - since.now, (until.wall - since.wall) * self._pace
        return abs(until.at - since.at - truly) > 1500 or abs(ours - truly) > 1500 + 5 * self._pace

    def _on_mode(self, fact: Fact, when: When) -> None:
        if fact.mode is None:
            return
        mode = fact.mode
        if fact.ident < self._doubts.idents["mode"]:
            event = EventTruth(session_id="", kind="mode_change", at=0, to_mode=mode)
            self._out_of_place("mode", event, when, fact.ident, same=mode == self._mode)
            return
        self._explicit("mode", fact, when, lambda: self._turn(mode, when) if mode != self._mode else None)

    def _turn(self, mode: str, when: When) -> EventTruth | None:
        before, self._mode = self._mode, mode
        return self._add(EventTruth(session_id="", kind="mode_change", at=0, from_mode=before, to_mode=mode), when)

    def _on_music(self, fact: Fact, when: When) -> None:
        if fact.moment is not None and fact.moment not in self._moments and self._session is not None:
            self._moments.add(fact.moment)
            doubtful = self._doubts.told_before()
            self._add(EventTruth(session_id="", kind="music_moment", at=0, doubtful=doubtful), when)

    def _on_marker(self, fact: Fact, when: When) -> None:
        doubtful = self._doubts.told_before()
        self._add(EventTruth(session_id="", kind="marker", at=0, label=fact.label or UNSET, doubtful=doubtful), when)

    # ------------------------------------------------------------------------------------------ the end

    def truth(self, header: TruthHeader) -> Truth:
        self._doubts.settle_all(at_once=True)
        self._doubts.mark_doubtful(
            (event, self._walls[id(event)]) for event in self._events if id(event) in self._walls
        )
        return Truth(
            header=header,
            sessions=list(self._sessions.values()),
            cameras=list(self._cameras.values()),
            stills=self._stills.rows,
            events=sorted(_unrepeated(self._events), key=lambda event: event.at),
            doubts=self._doubts.told,
            final=FinalTruth(session_id=self._session, state=self._state(self._wall)),
        )


def _long(seen: _Seen, wall: int) -> bool | None:
    """Whether a camera is away for longer than the grace time; None where it is too close to say."""
    if seen.away is None:
        return False
    gone = wall - seen.away.wall
    return None if abs(gone - GRACE_MS) < 1000 else gone > GRACE_MS


def _describe(row: CameraTruth, seen: _Seen, wall: int) -> None:
    """Copies what is known of a camera into its row."""
    info = seen.info
    row.name, row.role = info.name or UNSET, info.role or UNSET
    row.device, row.lens = info.device or UNSET, info.lens or UNSET
    row.place = info.placement["label"] if info.placement else UNSET
    away = _long(seen, wall)
    if away is None:
        row.status = UNSET
    else:
        row.status = "offline" if away else "online"
    if away is not False and seen.away is not None:
        row.left_at = seen.away.at if away and seen.told_leaving and seen.away.exact else UNSET


def _unrepeated(events: Iterable[EventTruth]) -> Iterator[EventTruth]:
    """Leaves out what was missed twice: a frame that is repeated is one event also where nobody hears it."""
    missed: set[tuple[str, int, str | UnsetType | None]] = set()
    for event in events:
        name = (event.kind, event.at, event.camera_id)
        if event.carried or name not in missed:
            yield event
        if not event.carried:
            missed.add(name)
