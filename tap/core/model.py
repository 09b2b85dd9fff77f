"""The words of the tap: what comes in (source items), what it says (observations), what goes out (entries).

Everything here is plain data. Times are whole milliseconds; ``wall`` and ``at`` count from 1970 (UTC), ``mono`` is a
clock that never goes back and has no meaning but its differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "FRAMES_LOST",
    "UNSET",
    "Alive",
    "CameraInfo",
    "CameraLeft",
    "CameraTold",
    "Closed",
    "Coming",
    "Cut",
    "Entry",
    "Envelope",
    "Frame",
    "Hello",
    "HoldInfo",
    "HoldOn",
    "Marker",
    "ModeChanged",
    "MusicMoment",
    "Observation",
    "Op",
    "Opened",
    "Policy",
    "ProgramLost",
    "Recording",
    "Release",
    "Sent",
    "SessionEnded",
    "SessionInfo",
    "SessionStarted",
    "SessionUpdated",
    "SetUp",
    "Snapshot",
    "SourceItem",
    "Stamp",
    "StillCaptured",
    "StillFailed",
    "StillRequested",
    "StillUploaded",
    "UnsetType",
]

# ---------------------------------------------------------------------------------------------- what comes in


class Stamp(Struct, frozen=True):
    """When the tap itself saw something: its own wall clock, and a clock that never goes back."""

    wall: int
    mono: int


class Frame(Struct, frozen=True):
    """One received WebSocket message."""

    data: bytes
    stamp: Stamp
    connection: int = 0
    """Which connection of this source it came on, from 1."""
    ordinal: int = 0
    """Its place among the frames of that connection, from 1."""
    binary: bool = False


class Opened(Struct, frozen=True):
    """A connection to the server stands."""

    stamp: Stamp
    connection: int = 0
    reason: str | None = None


class Closed(Struct, frozen=True):
    """A connection is gone, or control frames were lost on it."""

    stamp: Stamp
    connection: int = 0
    reason: str | None = None
    heard: int | None = None
    """``mono`` of the last frame heard before, where the source knows it (tapes leave telemetry out)."""


class Alive(Struct, frozen=True):
    """Time goes on and the tap is there; nothing was received."""

    stamp: Stamp
    heard: int | None = None


class Sent(Struct, frozen=True):
    """A text frame that the tap sent: of a handshake, never more. It says nothing of the shoot; tapes keep it."""

    data: bytes
    stamp: Stamp


SourceItem: TypeAlias = Frame | Opened | Closed | Alive

FRAMES_LOST = "frames lost"
"""The reason of a ``Closed`` by which the tap says that it let control frames go, though the connection stood."""

# ---------------------------------------------------------------------------------------------- what a frame says
#
# UNSET: nothing was said (missing or ill-typed). None: the server said that there is none.


class Envelope(Struct, frozen=True):
    """By which frame, and when, something was told: every observation comes in one."""

    stamp: Stamp
    at: int | None = None
    """The server's clock, where the frame has a readable time."""
    seq: int | None = None
    type: str = ""
    """The frame's type, as the server names it."""


class CameraInfo(Struct, frozen=True):
    """What a frame says of one camera; only ``id`` is sure."""

    id: str
    name: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET
    device: str | UnsetType | None = UNSET
    lens: str | UnsetType | None = UNSET
    placement: dict[str, Any] | UnsetType | None = UNSET
    online: bool | UnsetType = UNSET


class SessionInfo(Struct, frozen=True):
    """What a frame says of the session."""

    id: str | None = None
    title: str | UnsetType | None = UNSET
    notes: str | UnsetType | None = UNSET
    started_at: int | None = None


class HoldInfo(Struct, frozen=True):
    """What a snapshot says of the hold."""

    active: bool
    by: str | None = None


class Hello(Struct, frozen=True):
    """A server greets: a lifetime of it begins or goes on."""

    envelope: Envelope
    server: str | None = None
    version: str | None = None
    boot: str | None = None
    once: bool = False
    """Its server greets once on each connection: another greeting is another connection."""


class Snapshot(Struct, frozen=True):
    """The whole truth at one moment, as far as the server says it."""

    envelope: Envelope
    mode: str | UnsetType | None = UNSET
    session: SessionInfo | UnsetType | None = UNSET
    program: str | UnsetType | None = UNSET
    hold: HoldInfo | UnsetType | None = UNSET
    cameras: tuple[CameraInfo, ...] | UnsetType | None = UNSET
    recording: bool | UnsetType = UNSET


class SessionStarted(Struct, frozen=True):
    """A session starts, told as such."""

    envelope: Envelope
    session: SessionInfo


class SessionUpdated(Struct, frozen=True):
    """Title or notes of a session changed."""

    envelope: Envelope
    session: SessionInfo


class SessionEnded(Struct, frozen=True):
    """A session is over, told as such; without an id it is the one that runs."""

    envelope: Envelope
    session_id: str | None = None
    reason: str | None = None


class CameraTold(Struct, frozen=True):
    """A camera joined, or something about it changed."""

    envelope: Envelope
    camera: CameraInfo
    joined: bool = True
    """False: something about it changed, which does not say that it is there."""


class CameraLeft(Struct, frozen=True):
    """A camera went away."""

    envelope: Envelope
    camera_id: str
    reason: str | None = None
    for_good: bool = False
    """It is known that it will not be back: no grace time."""


class Cut(Struct, frozen=True):
    """The program changed, told as such. ``to`` is None where program turned to nothing."""

    envelope: Envelope
    to: str | None
    from_: str | UnsetType | None = UNSET
    cut_id: str | None = None
    trigger: str | None = None
    transition: str | None = None
    duration_ms: int | None = None
    at: int | None = None
    """When it began, by our own clock, where that was before the frame that tells it."""


class HoldOn(Struct, frozen=True):
    """The program is held, told as such."""

    envelope: Envelope
    camera_id: str | None = None
    hold_id: str | None = None
    by: str | None = None
    reason: str | None = None


class Release(Struct, frozen=True):
    """The hold is over, told as such."""

    envelope: Envelope
    hold_id: str | None = None
    by: str | None = None


class ModeChanged(Struct, frozen=True):
    """The mode changed, told as such. ``to`` is None where there is none any more."""

    envelope: Envelope
    to: str | None
    from_: str | UnsetType | None = UNSET


class StillRequested(Struct, frozen=True):
    """Somebody asked these cameras for a still."""

    envelope: Envelope
    still_id: str | None = None
    camera_ids: tuple[str, ...] = ()
    by: str | None = None


class StillCaptured(Struct, frozen=True):
    """A camera took a still."""

    envelope: Envelope
    camera_id: str
    still_id: str | None = None
    taken_at: int | None = None
    width: int | None = None
    height: int | None = None


class StillUploaded(Struct, frozen=True):
    """The file of a still is safe."""

    envelope: Envelope
    camera_id: str
    still_id: str | None = None
    taken_at: int | None = None
    storage_key: str | None = None
    url: str | None = None
    bytes: int | None = None
    sha256: str | None = None


class StillFailed(Struct, frozen=True):
    """A camera could not take a still, or not deliver it."""

    envelope: Envelope
    camera_id: str
    still_id: str | None = None
    reason: str | None = None


class Moment(Struct, frozen=True):
    """Something that happened and changes nothing of what is on: it becomes a row of its own, and no more.

    Each kind says which event its row is, and what makes it that one; ``tap.core.kinds`` says all else.
    """

    event: ClassVar[str]
    """A name of :data:`tap.core.kinds.KINDS`."""

    envelope: Envelope
    at: int | None = None
    """When it happened (ms), where that is not when it was told."""

    @property
    def own_id(self) -> str | None:
        """The id that the server gave it."""
        raise NotImplementedError

    @property
    def subject(self) -> str | None:
        """What it is about: where it has no id, two of one time that differ in it are two."""
        raise NotImplementedError

    @property
    def detail(self) -> dict[str, Any]:
        """What its row says beside time and camera; what is None was not told."""
        raise NotImplementedError


class MusicMoment(Moment, frozen=True):
    """Something happened in the music."""

    event: ClassVar[str] = "music_moment"

    moment_id: str | None = None
    kind: str | None = None
    confidence: float | None = None

    @property
    def own_id(self) -> str | None:
        return self.moment_id

    @property
    def subject(self) -> str | None:
        return self.kind

    @property
    def detail(self) -> dict[str, Any]:
        return {"momentId": self.moment_id, "kind": self.kind, "confidence": self.confidence}


class Marker(Moment, frozen=True):
    """An operator marked this moment."""

    event: ClassVar[str] = "marker"

    label: str | None = None
    by: str | None = None
    marker_id: str | None = None
    source: str | None = None
    """Who told it: the server itself where it says nothing, or a plugin, a stream."""

    @property
    def own_id(self) -> str | None:
        return self.marker_id

    @property
    def subject(self) -> str | None:
        return self.label

    @property
    def detail(self) -> dict[str, Any]:
        return {"label": self.label, "source": self.source, "by": self.by}


class Recording(Struct, frozen=True):
    """The recorder runs or does not; ``path`` is the file that it writes, or wrote last, once that is known.

    A path that differs from the one before, while the recorder runs on, is a split.
    """

    envelope: Envelope
    active: bool
    path: str | None = None
    started_at: int | None = None
    """When the recording began. Told at its end, it is better known than it was before."""
    paused: bool | None = None
    """Whether it stands still; None: that was not said."""
    rate: float | None = None
    """Frames a second."""
    width: int | None = None
    height: int | None = None
    at: int | None = None
    """When that was, by our own clock, where it was before the frame that tells it."""


class SetUp(Struct, frozen=True):
    """By what settings the server works: the names of its profile and of its collection of cameras."""

    envelope: Envelope
    profile: str | None = None
    """None: that was not said."""
    collection: str | None = None


class Coming(Struct, frozen=True):
    """A transition that runs leads to this camera, which is not on air yet; None: none does any more."""

    envelope: Envelope
    to: str | None
    transition: str | None = None


class ProgramLost(Struct, frozen=True):
    """What was on air is there no more, and what is instead is not told yet."""

    envelope: Envelope


Observation: TypeAlias = (
    Hello
    | Snapshot
    | SessionStarted
    | SessionUpdated
    | SessionEnded
    | CameraTold
    | CameraLeft
    | Cut
    | HoldOn
    | Release
    | ModeChanged
    | StillRequested
    | StillCaptured
    | StillUploaded
    | StillFailed
    | MusicMoment
    | Marker
    | Recording
    | SetUp
    | Coming
    | ProgramLost
)

# ---------------------------------------------------------------------------------------------- what goes out

Op: TypeAlias = Literal["session", "camera", "event", "still"]


class Entry(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One idempotent write to the ledger; its JSON is ``{key, op, sessionKey, version, revision?, fields}``."""

    key: str
    op: Op
    session_key: str
    version: int
    """Source time in ms, raised above the row's last version; orders the versions of one row."""
    fields: Mapping[str, Any]
    """The row's columns; never null."""
    revision: int = 0
    """0 is live; a repaired history has a higher one. Left out of the JSON at 0."""
    retracted: Mapping[str, Any] | None = None
    """``{at, reason}`` where a repaired history takes the row back; only with a revision."""


# ---------------------------------------------------------------------------------------------- how to infer

SessionPolicy: TypeAlias = Literal["dialect", "frames", "mode", "program", "record", "stream"]


_Ms: TypeAlias = Annotated[int, Meta(ge=0, le=31_536_000_000)]
"""A length of time; at most a year, since longer ones are mistakes."""


class Policy(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a venue may decide about inference. Stands in a tape's header, so that a replay decides alike."""

    session: SessionPolicy = "dialect"
    """What makes a session if the server has no session frames; ``dialect``: as the dialect says."""
    grace_ms: _Ms = 5_000
    """A camera that is away for less than this leaves no trace."""
    settle_ms: _Ms = 2_000
    """How long an explicit change stands against snapshots that nothing orders."""
    idle_ms: _Ms = 30 * 60_000
    """How long the server may be away before its session ends as interrupted."""
    unchanged_ms: _Ms = 4 * 3_600_000
    """How long a session by ``program`` lasts without a change."""
    clock_step_ms: _Ms = 10_000
    """A server time further back than this is a clock that was set, never an old snapshot."""
    sources: dict[str, tuple[str, ...]] = {}
    """OBS: by the name of a scene, the sources in it that are cameras."""
