"""What the machine knows between two observations. All of it goes into the checkpoint, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, Struct, field

from tap.core.model import CameraInfo, Snapshot

__all__ = [
    "Aspect",
    "Camera",
    "Connection",
    "Held",
    "Leaving",
    "Live",
    "Mark",
    "PendingGap",
    "Phase",
    "RowState",
    "Session",
    "Side",
    "State",
    "Still",
    "decode_state",
    "encode_state",
    "flat",
    "told_aspects",
]


class Phase(StrEnum):
    """How the machine stands to the session."""

    WAITING = "waiting"
    """No session is known."""
    LIVE = "live"
    """A session runs, and the server says so."""
    BLIND = "blind"
    """A session ran when the server was lost; nothing has been heard since."""
    IDLED = "idled"
    """The server has been out of sight for so long that the session was closed as interrupted."""
    RETURNING = "returning"
    """The server is heard again; what changed meanwhile is not told yet, and a gap is pending."""
    UNSURE = "unsure"
    """The gap is written; whether the session still runs is not told yet."""


class Mark(Struct):
    """By what an aspect was last told: what a snapshot has to be newer than to change it."""

    scope: str | None = None
    """Within what ``seq`` orders: one boot, one connection, one type. None: nothing."""
    seq: int | None = None
    at: int | None = None
    exact: bool = True
    """False where the last change had no time of its own, so that ``at`` is only a lower bound."""
    connection: int = 0
    explicit: int | None = None
    """``mono`` of the last explicit change."""


class Aspect(Struct):
    """One thing that a snapshot tells: program, hold or mode."""

    value: Any = None
    known: bool = False
    sure: bool = False
    """False after a loss, until it is told anew."""
    mark: Mark | None = None


class Side(Struct, rename="camel", omit_defaults=True):
    """Program, hold and mode on one side of a gap, at a start, or at an end; absent where they are not known."""

    program_camera_id: str | None = None
    mode: str | None = None
    hold: bool | None = None


class Leaving(Struct):
    """A camera went away; it counts only once the grace time is over."""

    at: int
    deadline: int


class Camera(Struct):
    """What is known of a camera, session or not."""

    info: CameraInfo
    present: bool | None = None
    """None: it was never said whether it is there."""
    shown_at: int = 0
    """Time of the last frame that showed it present."""
    leaving: Leaving | None = None
    mark: Mark | None = None


class RowState(Struct):
    """A row as it was last written."""

    version: int
    fields: dict[str, Any]


class Still(Struct):
    """One still of one camera."""

    row: RowState
    capture: str | None = None
    """How its capture was told: ``inferred`` (by an upload), ``seen``, or not yet."""
    anonymous: bool = False
    """The server gave no id."""
    moment: int = -1
    """By what it is known which camera was live: its capture (2), the request (1), the upload (0)."""


class PendingGap(Struct):
    """A gap whose new side is not told yet."""

    at: int
    observed: int
    blind_ms: int
    before: Side
    cause: str


class Session(Struct):
    """A session and all that is needed to go on writing its rows."""

    key: str
    by: str
    """``frames``, or the policy that made it."""
    id: str | None
    started_at: int
    start_told: bool
    """False where ``started_at`` is only when it was first seen."""
    start: dict[str, Any]
    # What grows with a session comes first, what changes with every event last: see ``encode_state``.
    stills: dict[str, Still] = field(default_factory=dict)
    markers: dict[str, int] = field(default_factory=dict)
    """Ids of the stills that were asked for, with the time of the request."""
    asked: dict[str, int] = field(default_factory=dict)
    """Ids of its stills, with the time of the first mention."""
    media: list[str] = field(default_factory=list)
    title: str | None = None
    notes: str | None = None
    status: str = "live"
    completed_at: int | None = None
    end_reason: str | None = None
    final: dict[str, Any] | None = None
    row: RowState | None = None
    cameras: dict[str, RowState] = field(default_factory=dict)
    gaps: int = 0
    gap_ms: int = 0
    before: Side | None = None
    """What was on when the server was lost."""
    blind_since: int = 0
    """``mono`` of the last frame heard before that."""
    gap: PendingGap | None = None
    counts: dict[str, int] = field(default_factory=dict)
    shown_at: int = 0
    """Time of the last frame that showed it."""
    shown_by_server: bool = False
    """Whether that time is the server's."""


class Connection(Struct):
    """The connection that frames come on."""

    number: int
    open: bool = True
    greeted: bool = False
    """A greeting on it opens another connection."""
    first_at: int | None = None
    first_wall: int = 0
    snapshot_seen: bool = False
    boot: str | None = None
    hello: str | None = None
    """What the greeting said, to tell a repeated one."""
    frames: int = 0


class Held(Struct):
    """Since when the program is held."""

    at: int
    mono: int
    from_server: bool
    camera_id: str | None = None


class Live(Struct, array_like=True):
    """A change of the program, by the server's clock (where it said) and by ours."""

    at: int | None
    mono: int
    camera_id: str | None
    known: bool


class State(Struct):
    """All that the machine knows."""

    ended: list[Session] = field(default_factory=list)
    """The last sessions that are over: they may show again, and their stills may still arrive."""
    session: Session | None = None
    phase: Phase = Phase.WAITING
    program: Aspect = field(default_factory=Aspect)
    hold: Aspect = field(default_factory=Aspect)
    mode: Aspect = field(default_factory=Aspect)
    recording: Aspect = field(default_factory=Aspect)
    session_mark: Mark | None = None
    frames_seen: bool = False
    """The server has session frames, so no policy is needed."""
    held: Held | None = None
    cameras: dict[str, Camera] = field(default_factory=dict)
    history: list[Live] = field(default_factory=list)
    """The last changes of the program."""
    program_since: tuple[int, int] = (0, 0)
    """(at, mono) of the last change of the program."""
    recent: dict[str, int] = field(default_factory=dict)
    """Explicit frames seen lately, to tell repeated ones."""
    connection: Connection | None = None
    connections: int = 0
    boot: str | None = None
    server_version: str | None = None
    cause: str = "connection"
    """Why the server was lost last."""
    wall: int = 0
    mono: int = 0
    heard: int = 0
    """``mono`` of the last frame received."""
    reader: Any = None
    """What a dialect with a memory of its own remembers."""
    clock_offset: int | None = None
    """The server's clock less ``mono``, as the last frame with a time told it."""


def told_aspects(o: Snapshot, state: State) -> Iterator[tuple[str, Any, Aspect]]:
    """What a snapshot says of program, hold, mode and recording: name, value, and what is known of each."""
    for name, value, aspect in (
        ("program", o.program, state.program),
        ("hold", o.hold, state.hold),
        ("mode", o.mode, state.mode),
        ("recording", o.recording, state.recording),
    ):
        if value is not UNSET:
            yield name, value, aspect


def flat(name: str, value: Any) -> Any:
    """A hold is known by its flag alone; "no hold" is a flag that is down."""
    if name != "hold":
        return value
    return value is not None and value.active


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State)
_spare: list[bytearray] = []
"""Room that is used again: to let a text of this size grow anew each time costs several times what writing it does."""


def encode_state(state: State) -> bytes:
    """The state as JSON, for the checkpoint.

    What stays as it is stands before what changes, so that two in a row begin alike, and who keeps one in the place of
    the other need only write the end.
    """
    room = _spare.pop() if _spare else bytearray()
    _encoder.encode_into(state, room)
    data = bytes(room)
    _spare.append(room)
    return data


def decode_state(data: bytes) -> State:
    """The state that :func:`encode_state` wrote. Raises ``msgspec.MsgspecError`` for anything else."""
    return _decoder.decode(data)
