"""The truth of a rehearsal: what its history has to say, by the nine rules of ``design.md``.

A ``Performance`` is what really went over the wire (or was missed), each message with the facts it tells. ``truth_of``
walks it once, as somebody would who hears what the tap hears but knows what every frame means. It never reads a frame
and never has to guess: stale, repeated and unreadable frames come without facts.

The file is JSON lines: a header ``{"truth":1,…}``, then one object a line, told apart by ``row``: ``session``,
``camera``, ``still``, ``event`` (a gap is one) and ``final``. A key that is missing is not to be checked; null is
a value that has to be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType, field, structs

from tap.core.errors import TapError
from tap.rehearsal.world import Camera, Fact, Plan, World

__all__ = [
    "CameraTruth",
    "Down",
    "EventTruth",
    "FinalState",
    "FinalTruth",
    "Heard",
    "Item",
    "Missed",
    "SessionTruth",
    "StillTruth",
    "Truth",
    "TruthHeader",
    "Up",
    "read_truth",
    "truth_of",
]

GRACE_MS = 5000
"""The tap's grace time; an absence within a second of it is not checked."""

# ---------------------------------------------------------------------------------------------- what went over the wire


class Up(Struct, frozen=True):
    """Somebody is connected; ``wall`` is the receiver's clock in Unix ms, ``now`` virtual time."""

    wall: int
    now: int


class Down(Struct, frozen=True):
    """Nobody is connected any more."""

    wall: int
    now: int
    why: str


class Heard(Struct, frozen=True):
    """A message that was delivered."""

    wall: int
    now: int
    ts: int
    """The server's clock when it was sent."""
    data: str | bytes
    facts: tuple[Fact, ...] = ()
    telemetry: bool = False


class Missed(Struct, frozen=True):
    """A message that nobody was there to hear."""

    now: int
    facts: tuple[Fact, ...]
    world: World


Item: TypeAlias = Up | Down | Heard | Missed

# ---------------------------------------------------------------------------------------------- rows


class _Row(Struct, kw_only=True, rename="camel", tag_field="row"):
    """One line of a truth file after the header."""


class FinalState(Struct, kw_only=True, rename="camel"):
    """What was on: program (None: nothing), hold, mode, and the cameras that were there."""

    program_camera_id: str | None
    hold: bool
    mode: str
    cameras_online: list[str]
    cameras_unsure: list[str] = field(default_factory=list)
    """Cameras of which nobody can say whether they are there: never joined, or away for about the grace time."""


class SessionTruth(_Row, kw_only=True, tag="session"):
    """A session's row. ``completed_at`` holds the earliest and the latest time that would be right."""

    session_id: str
    status: Literal["live", "complete", "interrupted"] = "live"
    end_reason: str | UnsetType = UNSET
    started_at: int
    completed_at: tuple[int, int] | UnsetType = UNSET
    title: str
    final_state: FinalState | UnsetType = UNSET


class CameraTruth(_Row, kw_only=True, tag="camera"):
    """A camera that belongs to a session, as it was known when the session ended."""

    session_id: str
    camera_id: str
    name: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    device: str | UnsetType = UNSET
    lens: str | UnsetType = UNSET
    place: str | UnsetType = UNSET
    """``placement.label``."""
    status: Literal["online", "offline"] | UnsetType = UNSET
    left_at: int | UnsetType | None = UNSET


class StillTruth(_Row, kw_only=True, tag="still"):
    """The final row of one still of one camera; ``still_id`` None: it has no id, and ``captured_at`` names it."""

    session_id: str
    still_id: str | None
    camera_id: str
    status: Literal["requested", "failed", "captured", "uploaded"] = "requested"
    captured_at: int | UnsetType = UNSET
    storage_key: str | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    program_camera_id: str | UnsetType = UNSET


class EventTruth(_Row, kw_only=True, tag="event"):
    """Something that happened.

    ``carried`` False: no open connection told it as an event, so nothing may be made of it.
    """

    session_id: str
    kind: str
    at: int
    exact: bool = True
    """Whether ``at`` stood in the frame; otherwise it is the receiver's time, more or less."""
    carried: bool = True
    camera_id: str | UnsetType | None = UNSET
    from_camera_id: str | UnsetType | None = UNSET
    trigger: str | UnsetType = UNSET
    transition: str | UnsetType = UNSET
    duration_ms: int | UnsetType | None = UNSET
    from_mode: str | UnsetType = UNSET
    to_mode: str | UnsetType = UNSET
    still_id: str | UnsetType = UNSET
    camera_ids: list[str] | UnsetType = UNSET
    inferred: bool = False
    before: FinalState | UnsetType | None = UNSET
    """For a gap: what was on when the connection was lost; None where nothing was known."""
    after: FinalState | UnsetType = UNSET


class FinalTruth(_Row, kw_only=True, tag="final"):
    """What was on at the very end, as far as anybody was told."""

    session_id: str | None
    state: FinalState


class TruthHeader(Struct, kw_only=True, rename="camel", frozen=True):
    """The first line: what the shoot was planned from."""

    truth: Literal[1] = 1
    seed: int
    options: dict[str, Any]
    venue: str


Row: TypeAlias = SessionTruth | CameraTruth | StillTruth | EventTruth | FinalTruth


class Truth(Struct, kw_only=True):
    """Everything that has to be in a history, and (``carried`` False) what must not."""

    header: TruthHeader
    sessions: list[SessionTruth]
    cameras: list[CameraTruth]
    stills: list[StillTruth]
    events: list[EventTruth]
    final: FinalTruth

    @property
    def carried(self) -> list[EventTruth]:
        """The events that have to be told."""
        return [event for event in self.events if event.carried]

    def lines(self) -> Iterator[str]:
        """The truth file, line by line."""
        for row in (self.header, *self.sessions, *self.cameras, *self.stills, *self.events, self.final):
            yield msgspec.json.encode(row).decode() + "\n"


def read_truth(lines: Iterable[str | bytes]) -> Truth:
    """A truth file, read back. TapError names the line that is none."""
    header: TruthHeader | None = None
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        try:
            if header is None:
                header = msgspec.json.decode(line, type=TruthHeader)
            else:
                rows.append(msgspec.json.decode(line, type=Row))
        except msgspec.MsgspecError as error:
            raise TapError(f"no truth: {error}", where=f"line {number}") from None
    final = rows[-1] if rows else None
    if header is None or not isinstance(final, FinalTruth):
        raise TapError("a truth that is cut off", hint="it begins with a header and ends with a final row")
    return Truth(
        header=header,
        sessions=[row for row in rows if isinstance(row, SessionTruth)],
        cameras=[row for row in rows if isinstance(row, CameraTruth)],
        stills=[row for row in rows if isinstance(row, StillTruth)],
        events=[row for row in rows if isinstance(row, EventTruth)],
        final=final,
    )


# ---------------------------------------------------------------------------------------------- the walk


def truth_of(plan: Plan, items: Iterable[Item], *, venue: str = "rehearsal") -> Truth:
    """What the history of this performance has to say."""
    witness = _Witness()
    for item in items:
        witness.take(item)
    options = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in _options(plan)}
    return witness.truth(TruthHeader(seed=plan.seed, options=options, venue=venue))


def _options(plan: Plan) -> Iterator[tuple[str, Any]]:
    for name in plan.__struct_fields__:
        yield name, getattr(plan, name)


class _When(Struct, frozen=True):
    """A time as a row has it, and as the receiver's clock had it."""

    at: int
    exact: bool
    wall: int


class _Seen(Struct):
    """What is known of one camera."""

    info: Camera
    here: bool
    away: _When | None = None
    told_leaving: bool = False
    """Whether a frame said that it left (or a snapshot did not list it)."""


class _Loss(Struct):
    """The connection is gone: what was known, and what has been heard since."""

    session: str | None
    before: FinalState | None
    first: _When | None = None


class _Witness:
    """Hears every frame, knows what it means, and keeps the rules."""

    def __init__(self) -> None:
        self._session: str | None = None
        self._program: str | None = None
        self._mode = ""
        self._hold: str | None = None
        self._hold_from: _When | None = None
        self._seen: dict[str, _Seen] = {}
        self._loss: _Loss | None = _Loss(session=None, before=None)
        self._shown = (0, 0)
        self._wall = 0
        self._sessions: dict[str, SessionTruth] = {}
        self._cameras: dict[tuple[str, str], CameraTruth] = {}
        self._stills: dict[tuple[str | None, str, int], _Still] = {}
        self._asked: dict[str, str] = {}
        self._marked: set[str] = set()
        self._events: list[EventTruth] = []
        self._moments: set[str] = set()

    # ------------------------------------------------------------------------------------------ items

    def take(self, item: Item) -> None:
        match item:
            case Up():
                pass
            case Down():
                self._lose()
            case Missed():
                self._miss(item)
            case Heard():
                self._hear(item)

    def _lose(self) -> None:
        if self._loss is not None and self._loss.first is None:
            return  # nothing was heard since the last loss: it is the same one
        if self._loss is not None:
            self._tell_gap(self._loss, None)
        self._loss = _Loss(session=self._session, before=self._state(self._wall))
        self._hold_from = None

    def _hear(self, item: Heard) -> None:
        if item.telemetry:
            return
        self._wall = item.wall
        if not item.facts:
            self._still_shown(item.ts, item.wall)
        for fact in item.facts:
            when = _When(at=fact.at if fact.timed else item.wall, exact=fact.timed, wall=item.wall)
            if self._loss is not None and self._loss.first is None:
                self._loss.first = when
            self._tell(fact, when)
            self._still_shown(when.at)
            self._keep_cameras(when.wall)

    def _still_shown(self, *times: int) -> None:
        """Frames after the last snapshot: whether they too show the session is a matter of reading."""
        if self._loss is None:
            self._shown = (min(*self._shown, *times), max(*self._shown, *times))

    def _tell(self, fact: Fact, when: _When) -> None:
        tells = getattr(self, f"_on_{fact.kind}", None)
        if tells is not None:
            tells(fact, when)

    def _miss(self, item: Missed) -> None:
        kinds = {"cut": "cut", "hold": "hold", "release": "release", "mode": "mode_change", "music": "music_moment"}
        kinds |= {"asked": "still_marker", "captured": "still_capture"}
        session = item.world.session
        for fact in item.facts:
            if session is None or fact.kind not in kinds or (fact.kind == "cut" and fact.camera is None):
                continue
            event = EventTruth(session_id=session.id, kind=kinds[fact.kind], at=fact.at, carried=False)
            event.exact = fact.timed
            if fact.camera is not None:
                event.camera_id = fact.camera
            self._events.append(event)

    # ------------------------------------------------------------------------------------------ snapshots

    def _on_state(self, fact: Fact, when: _When) -> None:
        world = fact.world
        assert world is not None  # noqa: S101 (a state shows one)
        loss, self._loss = self._loss, None
        if loss is not None:
            self._after_loss(loss, world, when)
        else:
            self._news(world, when)
        if world.session is not None:
            self._shown = (when.at, when.at)
            self._sessions[world.session.id].title = world.session.title

    def _after_loss(self, loss: _Loss, world: World, when: _When) -> None:
        """The first snapshot of a connection is news: nothing is made of what differs, but the gap is told."""
        now = None if world.session is None else world.session.id
        known = now in self._sessions
        if loss.session is not None and now != loss.session:
            self._interrupt(loss, "unseen" if now is None else "replaced", when.wall)
        self._program, self._mode = world.program, world.mode
        self._hold = None if world.hold is None else world.hold.camera
        self._hold_from = None
        self._look(world, when)
        self._session = None
        if world.session is not None:
            self._begin(world)
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
            self._events.append(gap)

    def _news(self, world: World, when: _When) -> None:
        """A snapshot on an unbroken connection: what differs has happened, and only this tells it."""
        now = None if world.session is None else world.session.id
        if self._session is not None and now != self._session:
            self._finish("complete", None, (when.at, when.at), when.wall)
        if world.session is not None and self._session is None:
            self._program, self._mode = world.program, world.mode
            self._look(world, when)
            self._begin(world)
            return
        if world.program != self._program:
            self._cut(
                world.program, when, EventTruth(session_id="", kind="cut", at=0, trigger="unknown", inferred=True)
            )
        if world.mode != self._mode:
            self._turn(world.mode, when)
        held = None if world.hold is None else world.hold.camera
        if (held is None) != (self._hold is None):
            self._grip(held, when)
        self._look(world, when)

    def _look(self, world: World, when: _When) -> None:
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

    def _begin(self, world: World) -> None:
        session = world.session
        assert session is not None  # noqa: S101 (asked by the callers)
        self._session = session.id
        row = self._sessions.get(session.id)
        if row is None:
            self._sessions[session.id] = SessionTruth(
                session_id=session.id, started_at=session.started_at, title=session.title
            )
        else:
            row.status, row.end_reason, row.completed_at, row.final_state = "live", UNSET, UNSET, UNSET

    def _on_started(self, fact: Fact, when: _When) -> None:
        session = fact.session
        assert session is not None  # noqa: S101 (a start names one)
        if self._session == session.id:
            return
        self._session = session.id
        self._shown = (when.at, when.at)
        self._sessions[session.id] = SessionTruth(
            session_id=session.id, started_at=session.started_at, title=session.title
        )

    def _on_updated(self, fact: Fact, _: _When) -> None:
        if fact.session is not None and fact.session.id == self._session:
            self._sessions[fact.session.id].title = fact.session.title

    def _on_ended(self, fact: Fact, when: _When) -> None:
        if fact.session_id == self._session:
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
        row = self._sessions[self._session]
        row.status, row.end_reason, row.completed_at = status, reason or UNSET, times
        row.final_state = state or self._state(wall)
        self._session = None

    def _state(self, wall: int) -> FinalState:
        unsure = {self._program} - self._seen.keys() - {None}
        unsure |= {name for name, seen in self._seen.items() if seen.away is not None and _long(seen, wall) is None}
        return FinalState(
            program_camera_id=self._program,
            hold=self._hold is not None,
            mode=self._mode,
            cameras_online=sorted(name for name, seen in self._seen.items() if seen.here and name not in unsure),
            cameras_unsure=sorted(name for name in unsure if name is not None),
        )

    # ------------------------------------------------------------------------------------------ cameras

    def _on_camera(self, fact: Fact, when: _When) -> None:
        assert fact.info is not None  # noqa: S101 (it describes one)
        self._here(fact.info, when)

    def _on_left(self, fact: Fact, when: _When) -> None:
        assert fact.camera is not None  # noqa: S101 (it names one)
        self._gone(fact.camera, when, told=True)

    def _here(self, camera: Camera, when: _When) -> None:
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

    def _gone(self, camera_id: str, when: _When, *, told: bool) -> None:
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
            self._cameras[self._session, self._program] = CameraTruth(session_id=self._session, camera_id=self._program)

    # ------------------------------------------------------------------------------------------ events

    def _add(self, event: EventTruth, when: _When, session: str | None = None) -> EventTruth | None:
        """Tells an event of the running session (or of the one given); without a session there is nothing to tell."""
        owner = session or self._session
        if owner is None:
            return None
        event.session_id, event.at, event.exact = owner, when.at, when.exact
        self._events.append(event)
        return event

    def _on_cut(self, fact: Fact, when: _When) -> None:
        event = EventTruth(session_id="", kind="cut", at=0)
        if fact.trigger is not None:
            event.trigger = fact.trigger
        if fact.transition is not None:
            event.transition = fact.transition
        if fact.duration_ms is not None:
            event.duration_ms = fact.duration_ms
        self._cut(fact.camera, when, event)

    def _cut(self, to: str | None, when: _When, event: EventTruth) -> None:
        before, self._program = self._program, to
        if to is None or to == before:
            return
        event.camera_id, event.from_camera_id = to, before
        self._add(event, when)

    def _on_hold(self, fact: Fact, when: _When) -> None:
        if self._hold is None:
            self._grip(fact.camera, when)

    def _on_release(self, _: Fact, when: _When) -> None:
        if self._hold is not None:
            self._grip(None, when)

    def _grip(self, camera: str | None, when: _When) -> None:
        if camera is not None:
            self._add(EventTruth(session_id="", kind="hold", at=0, camera_id=camera), when)
            self._hold, self._hold_from = camera, when
            return
        event = EventTruth(session_id="", kind="release", at=0, duration_ms=None)
        if self._hold_from is not None:
            sure = when.exact and self._hold_from.exact
            event.duration_ms = when.at - self._hold_from.at if sure else UNSET
        self._add(event, when)
        self._hold = self._hold_from = None

    def _on_mode(self, fact: Fact, when: _When) -> None:
        if fact.mode is not None and fact.mode != self._mode:
            self._turn(fact.mode, when)

    def _turn(self, mode: str, when: _When) -> None:
        before, self._mode = self._mode, mode
        self._add(EventTruth(session_id="", kind="mode_change", at=0, from_mode=before, to_mode=mode), when)

    def _on_music(self, fact: Fact, when: _When) -> None:
        if fact.moment is not None and fact.moment not in self._moments and self._session is not None:
            self._moments.add(fact.moment)
            self._add(EventTruth(session_id="", kind="music_moment", at=0), when)

    # ------------------------------------------------------------------------------------------ stills

    def _on_asked(self, fact: Fact, when: _When) -> None:
        assert fact.still_id is not None  # noqa: S101 (a request has an id)
        owner = self._asked.get(fact.still_id, self._session)
        if owner is None or fact.still_id in self._marked:
            return
        self._marked.add(fact.still_id)
        marker = EventTruth(session_id="", kind="still_marker", at=0, still_id=fact.still_id)
        marker.camera_ids = list(fact.camera_ids)
        self._add(marker, when, owner)
        for camera in fact.camera_ids:
            self._still(fact, camera, when)

    def _on_captured(self, fact: Fact, when: _When) -> None:
        still = self._still(fact, fact.camera, when)
        if still is None:
            return
        still.row.captured_at = when.at
        self._take(still, when, inferred=False)
        still.climb("captured")

    def _on_uploaded(self, fact: Fact, when: _When) -> None:
        still = self._still(fact, fact.camera, when)
        if still is None:
            return
        self._take(still, when, inferred=True)
        still.climb("uploaded")
        still.row.storage_key = fact.storage_key or UNSET
        still.row.sha256 = fact.sha256 or UNSET

    def _on_failed(self, fact: Fact, when: _When) -> None:
        still = self._still(fact, fact.camera, when)
        if still is not None:
            still.climb("failed")

    def _take(self, still: _Still, when: _When, *, inferred: bool) -> None:
        """A capture is told once; what an upload alone told gives way to the frame that tells it properly."""
        if still.event is None:
            event = EventTruth(session_id="", kind="still_capture", at=0, camera_id=still.row.camera_id)
            event.inferred = inferred
            still.event = self._add(event, when, still.row.session_id)
        elif still.event.inferred and not inferred:
            still.event.at, still.event.exact, still.event.inferred = when.at, when.exact, False

    def _still(self, fact: Fact, camera: str | None, when: _When) -> _Still | None:
        """The still's row; it belongs to the session that asked for it, whatever runs now."""
        assert camera is not None  # noqa: S101 (every still is some camera's)
        owner = self._session if fact.still_id is None else self._asked.get(fact.still_id, self._session)
        if owner is None:
            return None
        if fact.still_id is not None:
            self._asked[fact.still_id] = owner
        key = (fact.still_id, camera, when.at if fact.still_id is None else 0)
        still = self._stills.get(key)
        if still is None:
            row = StillTruth(session_id=owner, still_id=fact.still_id, camera_id=camera)
            still = self._stills[key] = _Still(row)
        still.live.add(self._program)
        return still

    # ------------------------------------------------------------------------------------------ the end

    def truth(self, header: TruthHeader) -> Truth:
        return Truth(
            header=header,
            sessions=list(self._sessions.values()),
            cameras=list(self._cameras.values()),
            stills=[still.settled() for still in self._stills.values()],
            events=sorted(_unrepeated(self._events), key=lambda event: event.at),
            final=FinalTruth(session_id=self._session, state=self._state(self._wall)),
        )


_RANK: tuple[Literal["requested", "failed", "captured", "uploaded"], ...] = (
    "requested",
    "failed",
    "captured",
    "uploaded",
)


class _Still(Struct):
    """A still's row, its capture, and what was live whenever something was told of it."""

    row: StillTruth
    event: EventTruth | None = None
    live: set[str | None] = field(default_factory=set)

    def climb(self, status: Literal["requested", "failed", "captured", "uploaded"]) -> None:
        """The status only moves forward."""
        if _RANK.index(status) > _RANK.index(self.row.status):
            self.row.status = status

    def settled(self) -> StillTruth:
        """The row, with the program camera where there is no doubt about it."""
        only = next(iter(self.live)) if len(self.live) == 1 else None
        if only is not None:
            self.row.program_camera_id = only
        return self.row


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
