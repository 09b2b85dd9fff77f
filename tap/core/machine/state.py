"""What the machine knows between two observations. All of it goes into the checkpoint, as JSON.

The names in that JSON are a format: a checkpoint of an older version has to be readable. So a field that is called
otherwise in the code keeps its old name there (``field(name=…)``), a new field has a default, and what is no longer
written is still read.

Two clocks run through it. ``at`` is the server's time where a frame has one, else the tap's wall clock; it goes into
rows. ``mono`` is the tap's own clock, which never goes back, and measures every length of time that decides something.
Both are whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, Struct, field

from tap.core.media import Media
from tap.core.model import CameraInfo, Snapshot

__all__ = [
    "Aspect",
    "Camera",
    "Connection",
    "DissolveCover",
    "Doubts",
    "HoldStart",
    "Leaving",
    "Mark",
    "PendingGap",
    "Phase",
    "ProgramChange",
    "RowState",
    "RunningTransition",
    "SeenFrame",
    "SeqTrack",
    "Session",
    "Side",
    "State",
    "Still",
    "StillUse",
    "comparable",
    "decode_state",
    "encode_state",
    "snapshot_values",
]


class Phase(StrEnum):
    """How the machine stands to the session."""

    WAITING = "waiting"
    """No session is known."""
    LIVE = "live"
    """A session runs, and the server says so."""
    DISCONNECTED = "disconnected"
    """A session ran when the connection closed. Frames that were read before may still come, and go on with it."""
    BLIND = "blind"
    """A session ran when the server was lost; nothing has been heard since."""
    IDLED = "idled"
    """The server has been out of sight for so long that the session was closed as interrupted."""
    RETURNING = "returning"
    """The server is heard again; what changed meanwhile is not told yet, and a gap is pending."""
    UNSURE = "unsure"
    """The gap is written; whether the session still runs is not told yet."""


class Mark(Struct):
    """By what something was last told: what a snapshot has to be newer than, to change it."""

    scope: str | None = None
    """Within what ``seq`` orders: one boot, one connection, one type. None: nothing."""
    seq: int | None = None
    at: int | None = None
    exact: bool = True
    """False where the last change had no time of its own, so that ``at`` is only a lower bound."""
    connection: int = 0
    explicit: int | None = None
    """``mono`` of the last explicit change."""
    clock: int = 0
    """Under which setting of the server's clock ``at`` was told: times of two settings order nothing."""


class Aspect(Struct):
    """One thing that a snapshot tells: program, hold, mode, whether the recorder runs; and by what the session was told
    last.
    """

    value: Any = None
    known: bool = False
    sure: bool = False
    """False after a loss, until it is told anew."""
    mark: Mark | None = None
    inferred_at: int | None = field(default=None, name="guessed")
    """Time of the last change where only a snapshot told it: a frame that tells it too adds nothing."""
    late_change: tuple[Any, int, int] | None = field(default=None, name="late")
    """Value, ``mono`` and epoch of a change that was told late, and may yet turn out to be the newest."""
    last_change: Mark | None = field(default=None, name="last")
    """By what it was last changed, or told as such; ``mark`` moves on with every snapshot that confirms it."""


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


class StillUse(Struct, array_like=True):
    """One use of a still's id: ids may start anew with a boot or a session."""

    number: int
    """From 1: the second one's keys end in ``/2``."""
    era: int
    """In which life of the server it was first told (see ``SeenFrame.era``)."""
    first_at: int
    """Time of the first mention."""
    requested: int | None = None
    """Time of the request, where one was told."""
    captured: int | None = None
    """Time of its last capture, by any camera."""


class Still(Struct):
    """One still of one camera."""

    row: RowState
    capture: str | None = None
    """How its capture was told: ``inferred`` (by an upload), ``seen``, or not yet."""
    anonymous: bool = False
    """The server gave no id."""
    moment: int = -1
    """By what it is known which camera was live: its capture (2), the request (1), the upload (0)."""
    era: int = 0
    """In which life of the server it was told last."""


class SeenFrame(Struct, array_like=True):
    """An explicit frame that was told: enough to know it again."""

    era: int
    """In which life of the server: ids may start anew with each."""
    at: int | None = None
    """The server's time of it."""
    seq: int | None = None
    scope: str | None = None
    """What that ``seq`` can be compared within."""
    boot: int = 0
    """Of which boot, counted."""
    subject: str = ""
    """What it was about, where it has an id of its own."""
    words: list[int] = field(default_factory=list)
    """What else it said, each telling of it in other words once (see ``identity.words_of``)."""


class SeqTrack(Struct, array_like=True):
    """How far ``seq`` has come within one scope."""

    seq: int
    at: int | None = None
    clock: int = 0
    connection: int = 0
    refused: int = 0
    """Explicit frames in a row that ``seq`` alone would throw away."""
    behind: int = 0
    """Frames of any kind in a row that ``seq`` puts behind."""


class DissolveCover(Struct, array_like=True):
    """A dissolve that was told: until it ends, a snapshot may still show what was on before."""

    before: str | None
    at: int | None
    """When it ends, by the server's clock."""
    clock: int
    mono: int
    """When it ends, by ours."""
    scope: str | None = None
    seq: int | None = None
    """The highest number of a snapshot that it hid, and what that is comparable within: what is lower is older."""


class Doubts(Struct, omit_defaults=True):
    """What could not be told from what the server says, counted; for the operator."""

    believed: int = 0
    """Changes that may be repetitions: neither id nor number tells them from one that was told before."""
    scopes: int = 0
    """Times that ``seq`` began anew where the dialect says that it goes on."""
    late: int = 0
    """Events that were told after later ones."""
    undated: int = 0
    """Old events that were told again without a time: not written."""
    unplaced: int = 0
    """Stills of no session that is still known."""
    forgotten: int = 0
    """Rows of memory that were given up, since there were too many."""
    untrusted: bool = False
    """``seq`` contradicts what the dialect says of it, so it orders nothing on this connection."""


class PendingGap(Struct):
    """A gap whose new side is not told yet."""

    at: int
    observed: int
    blind_ms: int | None
    """None: for how long is not known."""
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
    number: int = 0
    """Which of all sessions of this machine: short, for the names in its memory."""
    # What grows with a session: kept in memory, and saved by what changed of it (see ``tap.core.machine.memory``).
    stills: dict[str, Still] = field(default_factory=dict)
    takes: dict[str, StillUse] = field(default_factory=dict)
    """Ids of its stills, with the use of each that counts now."""
    seen: dict[str, SeenFrame] = field(default_factory=dict)
    """Explicit frames that were told in it, by what identifies them."""
    keys: dict[str, int] = field(default_factory=dict)
    """How many events wanted one key, where more than one can."""
    # As 0.1.0 kept them; read, and never written.
    markers: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    # What changes with every event comes last: see ``encode_state``.
    media: list[Media | str] = field(default_factory=list)
    """What was recorded; 0.1.0 kept bare paths."""
    profile: str | None = None
    collection: str | None = None
    """By what settings the server worked when the session began, or was first known to."""
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
    away_unknown: bool = False
    """The tap itself was away, and no clock tells for how long: the next gap has no length."""
    gap: PendingGap | None = None
    counts: dict[str, int] = field(default_factory=dict)
    shown_at: int = 0
    """Time of the last frame that showed it."""
    shown_by_server: bool = False
    """Whether that time is the server's."""
    clock: int = 0
    """Under which setting of the server's clock it began."""
    connection: int = 0
    """On which connection it was first seen."""


class Connection(Struct):
    """The connection that frames come on."""

    number: int
    open: bool = True
    greeted: bool = False
    """A greeting on it opens another connection."""
    first_at: int | None = None
    first_wall: int = 0
    snapshot_seen: bool = False
    session_seen: bool = False
    """A snapshot on it said something of the session."""
    boot: str | None = None
    hello: str | None = None
    """What the greeting said, to tell a repeated one."""
    hello_seq: int | None = None
    frames: int = 0
    told_open: bool = False
    """The source said that it opened; a greeting on it opens nothing."""
    first_mono: int = 0
    seq: int | None = None
    """The highest ``seq`` that was told on it."""
    controlled: int = 0
    """``mono`` of its last frame that said something."""
    controlled_at: int | None = None
    """That frame's time by the server."""
    excused: int = 0
    """Until when (``mono``) its silence was none: telemetry came, or the tap itself stood still."""
    silent: bool = False
    """It stands, but the server has told nothing on it for too long."""
    rebooted: bool = False
    """It greeted as another boot than the one before."""
    began_at: int | None = None
    """The server's time of its first greeting or snapshot: what is older than that is history."""
    began_clock: int = 0
    era: int = 0
    """In which life of the server it began."""
    contradicted: int = 0
    """How often ``seq`` began anew on it."""


class HoldStart(Struct):
    """Since when the program is held."""

    at: int
    mono: int
    from_server: bool
    camera_id: str | None = None


class ProgramChange(Struct, array_like=True):
    """A change of the program, by the server's clock (where it said) and by ours."""

    at: int | None
    mono: int
    camera_id: str | None
    known: bool


class RunningTransition(Struct):
    """A transition that runs: the camera that it leads to, and what it is called."""

    camera_id: str
    transition: str | None = None


class State(Struct):
    """All that the machine knows."""

    ended: list[Session] = field(default_factory=list)
    """Sessions that are over, oldest first: they may show again, and their stills may still arrive."""
    session: Session | None = None
    phase: Phase = Phase.WAITING
    program: Aspect = field(default_factory=Aspect)
    hold: Aspect = field(default_factory=Aspect)
    mode: Aspect = field(default_factory=Aspect)
    recording: Aspect = field(default_factory=Aspect)
    session_mark: Mark | None = None
    """As 0.1.0 kept it; read, and never written."""
    session_seen: Aspect = field(default_factory=Aspect)
    """By what the session was told last."""
    titled: Mark | None = None
    """By what another title was told."""
    has_session_frames: bool = field(default=False, name="frames_seen")
    """The server has session frames, so no policy is needed."""
    hold_start: HoldStart | None = field(default=None, name="held")
    late_hold_start: HoldStart | None = field(default=None, name="late_held")
    """A hold that was told late, and may yet turn out to be what is so."""
    cameras: dict[str, Camera] = field(default_factory=dict)
    program_changes: list[ProgramChange] = field(default_factory=list, name="history")
    """The last changes of the program."""
    program_since: tuple[int, int] = (0, 0)
    """(at, mono) of the last change of the program."""
    recent: dict[str, int] = field(default_factory=dict)
    """As 0.1.0 kept them; read, and never written."""
    seen_outside_sessions: dict[str, SeenFrame] = field(default_factory=dict, name="seen")
    """Explicit frames that were told lately outside of a session, to know them again."""
    nameless_frames: dict[str, int] = field(default_factory=dict, name="bare")
    """Explicit frames with nothing to know them by, and when (``mono``) they were told last."""
    seq_tracks: dict[str, SeqTrack] = field(default_factory=dict, name="tracks")
    epoch: int = 0
    """How often ``seq`` began anew: part of every scope's name."""
    numbering: int = 0
    """How often a connection began to count anew."""
    era: int = 0
    eras: int = 0
    """Lives of the server that were counted; ``era`` falls back where a new one turned out to be none."""
    boots: int = 0
    """How often another boot greeted."""
    clock: int = 0
    """How often the server's clock was set."""
    chain_broken: str | None = None
    """What the last cut said that it came from, where that was not what was known to be on."""
    dissolve_cover: DissolveCover | None = field(default=None, name="cover")
    snapshot_intervals: list[int] = field(default_factory=list, name="intervals")
    """Between the last snapshots (ms), newest last."""
    snapshot_news: list[bool] = field(default_factory=list, name="news")
    """Whether those snapshots said anything new."""
    snapshot_mono: int | None = None
    explicit_mono: int | None = None
    """When something was told last since the last snapshot."""
    has_fine_times: bool = field(default=False, name="fine")
    """The server's times are finer than whole seconds."""
    sessions_begun: int = field(default=0, name="numbers")
    """Sessions that were begun."""
    doubts: Doubts = field(default_factory=Doubts)
    connection: Connection | None = None
    connections: int = 0
    boot: str | None = None
    server_version: str | None = None
    profile: str | None = None
    collection: str | None = None
    recorder_files: list[Media] = field(default_factory=list, name="files")
    """The file that the recorder writes, or wrote last, whether or not a session runs."""
    heading: RunningTransition | None = None
    loss_cause: str = field(default="connection", name="cause")
    """Why the server was lost last."""
    wall: int = 0
    mono: int = 0
    heard: int = 0
    """``mono`` of the last frame received."""
    reader: Any = None
    """What a dialect with a memory of its own remembers."""
    clock_offset: int | None = None
    """The server's clock less ``mono``, as the last frame with a time told it."""


def snapshot_values(o: Snapshot, state: State) -> Iterator[tuple[str, Any, Aspect]]:
    """What a snapshot says of program, hold, mode and recording: name, value, and what is known of each.

    What it does not say is left out.
    """
    for name, value, aspect in (
        ("program", o.program, state.program),
        ("hold", o.hold, state.hold),
        ("mode", o.mode, state.mode),
        ("recording", o.recording, state.recording),
    ):
        if value is not UNSET:
            yield name, value, aspect


def comparable(name: str, value: Any) -> Any:
    """A value as it is compared: of a hold its flag alone counts, and "no hold" is a flag that is down."""
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
    """The state that :func:`encode_state` wrote, in this version or an older one.

    Raises:
        msgspec.MsgspecError: It is anything else.
    """
    return _decoder.decode(data)
