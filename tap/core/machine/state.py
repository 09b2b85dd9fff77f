"""What the machine knows between two observations. All of it goes into the checkpoint, as JSON.

The names in that JSON are a format: this version has to read the checkpoint of an older one. So a field that has
another name in the code keeps its old name in the JSON (``field(name=…)``), a new field has a default, and a field that
is no longer written is still read.

There are two clocks. ``at`` is the server's time if a frame has one, else the tap's wall clock; it goes into rows.
``mono`` is the tap's own clock, which never goes back. All lengths of time that decide something are measured by it.
Both are whole milliseconds.

Some words that all files of the machine use:

- An *explicit* frame says that one thing happened (a cut, a hold, a still). A *snapshot* shows the state of everything.
- An *era* is one life of the server: from one start of it to the next. Ids may start again in each.
- A *scope* is the set of frames whose ``seq`` can be compared: those of a boot, a connection or a type.
- A *mark* says which frame last said something: a snapshot has to be newer than that to change it.
"""

from __future__ import annotations

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
    "EndedCount",
    "HoldStart",
    "LastSaid",
    "Leaving",
    "LeftOut",
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
    """What the machine knows of the session: see ``rules.py``."""

    WAITING = "waiting"
    """No session is known."""
    LIVE = "live"
    """A session runs, and the server says so."""
    DISCONNECTED = "disconnected"
    """A session ran when the connection closed. Frames that were read before that may still come, and belong to it."""
    BLIND = "blind"
    """A session ran when the server was lost. No frame has come since."""
    IDLED = "idled"
    """There has been no signal for so long that the session was closed as interrupted."""
    RETURNING = "returning"
    """There is a signal again. No snapshot has shown yet what changed meanwhile, and the gap is not written yet."""
    UNSURE = "unsure"
    """The gap is written. No frame has said yet whether the session still runs."""


class LastSaid(Struct):
    """Which frame last said something: a snapshot has to be newer than that to change it."""

    scope: str | None = None
    """Within what that ``seq`` can be compared: one boot, one connection, one type. None: it cannot."""
    seq: int | None = None
    at: int | None = None
    exact: bool = True
    """False if the last change had no time of its own: then ``at`` is only a lower bound."""
    connection: int = 0
    explicit: int | None = None
    """``mono`` of the last explicit change."""
    clock: int = 0
    """Under which setting of the server's clock ``at`` was sent: times of two settings cannot be compared."""


class Aspect(Struct):
    """One thing that a snapshot shows: program, hold, mode, whether the recorder runs, or the session."""

    value: Any = None
    known: bool = False
    sure: bool = False
    """False after the server was lost, until a frame says it again."""
    mark: LastSaid | None = None
    inferred_at: int | None = field(default=None, name="guessed")
    """Time of the last change if only a snapshot showed it: an explicit frame that says the same adds nothing."""
    late_change: tuple[Any, int, int] | None = field(default=None, name="late")
    """Value, ``mono`` and epoch of a change that came late, and may turn out to be the newest."""
    last_change: LastSaid | None = field(default=None, name="last")
    """The frame that last changed it. ``mark`` is that frame, or a later snapshot that confirmed it."""
    late_seq: int | None = None
    """The number of ``late_change``, where nothing but that says that it came late."""


class Side(Struct, rename="camel", omit_defaults=True):
    """Program, hold and mode before or after a gap, at a start, or at an end; absent if they are not known."""

    program_camera_id: str | None = None
    mode: str | None = None
    hold: bool | None = None


class Leaving(Struct):
    """A camera went away. This counts only when the grace time is over."""

    at: int
    deadline: int


class Camera(Struct):
    """What is known of a camera, in a session or outside one."""

    info: CameraInfo
    present: bool | None = None
    """None if no frame has ever said whether it is there."""
    shown_at: int = 0
    """Time of the last frame that showed it present."""
    leaving: Leaving | None = None
    mark: LastSaid | None = None


class RowState(Struct):
    """A row as it was last written."""

    version: int
    fields: dict[str, Any]


class StillUse(Struct, array_like=True):
    """One use of a still's id: ids may start again with a boot or a session."""

    number: int
    """From 1: the second one's keys end in ``/2``."""
    era: int
    """In which era the first frame about it came (see ``SeenFrame.era``)."""
    first_at: int
    """Time of that frame."""
    requested: int | None = None
    """Time of the request, if a frame said so."""
    captured: int | None = None
    """Time of its last capture, by any camera."""


class Still(Struct):
    """One still of one camera."""

    row: RowState
    capture: str | None = None
    """How its capture is known: ``inferred`` (from an upload), ``seen``, or not yet."""
    anonymous: bool = False
    """The server gave no id."""
    moment: int = -1
    """Which frame says what camera was live: its capture (2), the request (1), or the upload (0)."""
    era: int = 0
    """In which era the last frame about it came."""


class SeenFrame(Struct, array_like=True):
    """An explicit frame that has come: enough to recognize a repetition of it."""

    era: int
    """In which era: ids may start again in each."""
    at: int | None = None
    """The server's time in it."""
    seq: int | None = None
    scope: str | None = None
    """Within what that ``seq`` can be compared."""
    boot: int = 0
    """The number of the boot."""
    subject: str = ""
    """What it was about, if it has an id of its own."""
    words: list[int] = field(default_factory=list)
    """Digests of what else it said, one for each different repetition (see ``identity.words_of``)."""


class SeqTrack(Struct, array_like=True):
    """How far ``seq`` has come within one scope."""

    seq: int
    at: int | None = None
    clock: int = 0
    connection: int = 0
    refused: int = 0
    """How many explicit frames in a row only ``seq`` would throw away."""
    behind: int = 0
    """How many frames of any kind in a row have a lower ``seq``."""
    passed: int | None = None
    """How far it had come at ``passed_at``, by ``State.lived``."""
    passed_at: int = 0
    long_ago: int | None = None
    """How far it had come before that: what is not higher was passed long ago."""
    earlier: int | None = None
    """How far it had come at an earlier time than ``at``, by the same clock: a lower number of now is none of late."""


class EndedCount(Struct, array_like=True):
    """The end of a count whose numbers started again: frames of it may still come late."""

    scope: str
    above: int
    """Its late frames have higher numbers than this."""
    until: int
    """How long they may come, by ``State.lived``."""

    @property
    def line(self) -> str:
        """The scope without its epoch."""
        return self.scope.partition("#")[0]


class DissolveCover(Struct, array_like=True):
    """A dissolve that runs: until it ends, a snapshot may still show the camera before it."""

    before: str | None
    at: int | None
    """When it ends, by the server's clock."""
    clock: int
    mono: int
    """When it ends, by the tap's clock."""
    scope: str | None = None
    seq: int | None = None
    """The highest number of a snapshot that it hid (and its scope): a snapshot with a lower number is older."""


class Doubts(Struct, omit_defaults=True):
    """How often the server's frames left open what happened; for the operator."""

    believed: int = 0
    """Changes that may be repetitions: neither id nor number distinguishes them from an earlier one."""
    scopes: int = 0
    """How often ``seq`` started again although the dialect says that it continues."""
    late: int = 0
    """Events that came after later ones."""
    undated: int = 0
    """Old events that the server repeated without a time: not written."""
    unplaced: int = 0
    """Stills whose session is no longer known."""
    forgotten: int = 0
    """Things that were dropped from memory, because there were too many."""
    untrusted: bool = False
    """``seq`` contradicts what the dialect says of it, so it orders nothing on this connection."""


class PendingGap(Struct):
    """A gap whose "after" is not known yet."""

    at: int
    observed: int
    blind_ms: int | None
    """Its length; None if that is not known."""
    before: Side
    cause: str


class Session(Struct):
    """A session, and all that is needed to write more of its rows."""

    key: str
    by: str
    """``frames``, or the policy that made it."""
    id: str | None
    started_at: int
    start_told: bool
    """False if ``started_at`` is only the time at which the tap first saw the session."""
    start: dict[str, Any]
    number: int = 0
    """Its number among all sessions of this machine: a short name for its parts in the checkpoint."""
    # These grow with a session: they stay in memory, and only their changes are saved (``tap.core.machine.memory``).
    stills: dict[str, Still] = field(default_factory=dict)
    takes: dict[str, StillUse] = field(default_factory=dict)
    """Ids of its stills, each with its present use."""
    seen: dict[str, SeenFrame] = field(default_factory=dict)
    """Explicit frames that came in it, by what identifies them."""
    keys: dict[str, int] = field(default_factory=dict)
    """How many events have the same key before ``/2``, ``/3`` is added, if more than one can."""
    # Fields of 0.1.0: they are read, and never written.
    markers: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    # What changes with every event comes last: see ``encode_state``.
    media: list[Media | str] = field(default_factory=list)
    """What was recorded. 0.1.0 saved only paths."""
    profile: str | None = None
    collection: str | None = None
    """The server's settings when the session began, or when they were first known."""
    title: str | None = None
    notes: str | None = None
    status: str = "live"
    completed_at: int | None = None
    end_reason: str | None = None
    end_seen: tuple[int, str | None, int] | None = None
    """Time, reason and number of events of an end after which a snapshot that may be old showed it again."""
    final: dict[str, Any] | None = None
    row: RowState | None = None
    cameras: dict[str, RowState] = field(default_factory=dict)
    gaps: int = 0
    gap_ms: int = 0
    before: Side | None = None
    """What was on air when the server was lost."""
    blind_since: int = 0
    """``mono`` of the last frame before that."""
    away_unknown: bool = False
    """The tap itself was away, and no clock shows for how long: the next gap has no length."""
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
    """What the greeting said, to recognize a repetition."""
    hello_seq: int | None = None
    frames: int = 0
    told_open: bool = False
    """The source said that it opened, so a greeting on it opens nothing."""
    first_mono: int = 0
    seq: int | None = None
    """The highest ``seq`` on it."""
    controlled: int = 0
    """``mono`` of its last control frame."""
    controlled_at: int | None = None
    """The server's time in that frame."""
    excused: int = 0
    """Until when (``mono``) its silence does not count: telemetry came, or the tap itself was stopped."""
    silent: bool = False
    """It is open, but the server has sent nothing on it for too long."""
    rebooted: bool = False
    """Its greeting had another boot than the connection before."""
    began_at: int | None = None
    """The server's time in its first greeting or snapshot: anything older is history."""
    began_clock: int = 0
    era: int = 0
    """In which era it began: a new one, if its first number showed that the server had been restarted."""
    contradicted: int = 0
    """How often ``seq`` started again on it, since it last went on for long."""
    ended_count: EndedCount | None = None
    """The count that ended last on it."""
    history_mono: int = 0
    """When (``mono``) the last event of before came on it, which the server sent again."""
    type_seqs: dict[str, int] = field(default_factory=dict)
    """The highest ``seq`` of each type of frame on it, since the numbers started again there."""


class HoldStart(Struct):
    """Since when the program is held."""

    at: int
    mono: int
    from_server: bool
    camera_id: str | None = None


class ProgramChange(Struct, array_like=True):
    """A change of the program, by the server's clock (if the frame had a time) and by the tap's."""

    at: int | None
    mono: int
    camera_id: str | None
    known: bool


class LeftOut(Struct):
    """A cut that was not written, because no known session ran at its time."""

    kind: str
    at: int
    wall: int
    mono: int
    own_id: str | None
    subject: str | None
    columns: dict[str, Any]


class RunningTransition(Struct):
    """A transition that runs: its target camera, and its name."""

    camera_id: str
    transition: str | None = None


class State(Struct):
    """All that the machine knows."""

    ended: list[Session] = field(default_factory=list)
    """Sessions that are over, oldest first: they may go on, and their stills may still arrive."""
    session: Session | None = None
    phase: Phase = Phase.WAITING
    program: Aspect = field(default_factory=Aspect)
    hold: Aspect = field(default_factory=Aspect)
    mode: Aspect = field(default_factory=Aspect)
    recording: Aspect = field(default_factory=Aspect)
    session_mark: LastSaid | None = None
    """A field of 0.1.0: it is read, and never written."""
    session_seen: Aspect = field(default_factory=Aspect)
    """The frame that last said something of the session."""
    titled: LastSaid | None = None
    """The frame that last changed the title."""
    has_session_frames: bool = field(default=False, name="frames_seen")
    """The server has session frames, so no policy is needed."""
    hold_start: HoldStart | None = field(default=None, name="held")
    late_hold_start: HoldStart | None = field(default=None, name="late_held")
    """A hold that came late, and may turn out to be the present one."""
    cameras: dict[str, Camera] = field(default_factory=dict)
    program_changes: list[ProgramChange] = field(default_factory=list, name="history")
    """The last changes of the program."""
    program_since: tuple[int, int] = (0, 0)
    """(at, mono) of the last change of the program."""
    recent: dict[str, int] = field(default_factory=dict)
    """A field of 0.1.0: it is read, and never written."""
    seen_outside_sessions: dict[str, SeenFrame] = field(default_factory=dict, name="seen")
    """Explicit frames that came lately outside of a session, to recognize repetitions."""
    nameless_frames: dict[str, int] = field(default_factory=dict, name="bare")
    """Explicit frames without anything that identifies them, and when (``mono``) each came last."""
    seq_tracks: dict[str, SeqTrack] = field(default_factory=dict, name="tracks")
    epoch: int = 0
    """How often ``seq`` started again: a part of every scope's name."""
    numbering: int = 0
    """How often it did so at the beginning of a connection."""
    era: int = 0
    eras: int = 0
    """How many eras were counted. ``era`` goes back to an earlier one if a new one turns out to be a mistake."""
    boots: int = 0
    """How often a greeting had another boot."""
    clock: int = 0
    """How often the server's clock was set."""
    chain_broken: str | None = None
    """The camera from which the last cut came, by its own word, if that was not the one known to be on air."""
    left_out: LeftOut | None = None
    """The last cut, if it was left out: it is written if the server's clock proves to have been set back."""
    dissolve_cover: DissolveCover | None = field(default=None, name="cover")
    snapshot_intervals: list[int] = field(default_factory=list, name="intervals")
    """The times between the last snapshots (ms), newest last."""
    snapshot_news: list[bool] = field(default_factory=list, name="news")
    """Whether those snapshots said anything new."""
    snapshot_mono: int | None = None
    explicit_mono: int | None = None
    """When the last explicit frame since the last snapshot came."""
    has_fine_times: bool = field(default=False, name="fine")
    """The server's times are finer than whole seconds."""
    sessions_begun: int = field(default=0, name="numbers")
    """How many sessions have begun."""
    doubts: Doubts = field(default_factory=Doubts)
    connection: Connection | None = None
    connections: int = 0
    boot: str | None = None
    server_version: str | None = None
    profile: str | None = None
    collection: str | None = None
    recorder_files: list[Media] = field(default_factory=list, name="files")
    """The file that the recorder writes, or wrote last, in a session or outside one."""
    heading: RunningTransition | None = None
    loss_cause: str = field(default="connection", name="cause")
    """Why the server was lost last."""
    wall: int = 0
    mono: int = 0
    heard: int = 0
    """``mono`` of the last frame received."""
    lived: int = 0
    """How long (ms) numbered frames came, without silences: within it, a number can be said to be passed long ago."""
    reader: Any = None
    """The memory of a dialect that has one."""
    clock_offset: int | None = None
    """The server's clock minus ``mono``, by the last frame with a time."""
    offset_before: int | None = None
    """The same before that clock was set last."""


def snapshot_values(o: Snapshot, state: State) -> list[tuple[str, Any, Aspect]]:
    """What a snapshot says of program, hold, mode and recording: name, value, and what is known of each.

    What it does not say is left out.
    """
    values = (
        ("program", o.program, state.program),
        ("hold", o.hold, state.hold),
        ("mode", o.mode, state.mode),
        ("recording", o.recording, state.recording),
    )
    return [said for said in values if said[1] is not UNSET]


def comparable(name: str, value: Any) -> Any:
    """A value as it is compared. Of a hold only its flag counts; "no hold" is the flag False."""
    if name != "hold":
        return value
    return value is not None and value.active


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State)
_spare: list[bytearray] = []
"""Buffers that are used again: letting a new one grow to this size costs several times what writing the text costs."""


def encode_state(state: State) -> bytes:
    """The state as JSON, for the checkpoint.

    Fields that seldom change come before those that change often. So two checkpoints in a row begin alike, and the
    journal need only write the end of the new one.
    """
    room = _spare.pop() if _spare else bytearray()
    _encoder.encode_into(state, room)
    data = bytes(room)
    _spare.append(room)
    return data


def decode_state(data: bytes) -> State:
    """The state that :func:`encode_state` wrote, in this version or an older one.

    Raises:
        msgspec.MsgspecError: The data is something else.
    """
    return _decoder.decode(data)
