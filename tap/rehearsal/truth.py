"""The truth of a rehearsal as data: what its history has to say, and what it may say where frames leave it open.

``witness.py`` makes it of what really went over the wire (or was missed).

The file is JSON lines: a header ``{"truth":1,…}``, then one object a line, told apart by ``row``: ``session``,
``camera``, ``still``, ``event`` (a gap is one) and ``final``. A key that is missing is not to be checked; null is
a value that has to be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from tap.rehearsal.world import Fact, World

__all__ = [
    "CameraTruth",
    "DoubtTruth",
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
]

# ---------------------------------------------------------------------------------------------- what went over the wire


class Up(Struct, frozen=True):
    """The receiver is connected. ``wall``: its clock in Unix ms; ``now``: virtual time in ms."""

    wall: int
    now: int


class Down(Struct, frozen=True):
    """The receiver is not connected any more."""

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
    world: World | None = None
    """What was true on the server then."""


class Missed(Struct, frozen=True):
    """A message that was sent while the receiver was not connected."""

    now: int
    facts: tuple[Fact, ...]
    world: World


Item: TypeAlias = Up | Down | Heard | Missed

# ---------------------------------------------------------------------------------------------- rows


class _Row(Struct, kw_only=True, rename="camel", tag_field="row"):
    """One line of a truth file after the header."""


class FinalState(Struct, kw_only=True, rename="camel"):
    """What was on: program (None: nothing), hold, mode, and the cameras that were there."""

    program_camera_id: str | UnsetType | None = UNSET
    hold: bool | UnsetType = UNSET
    mode: str | UnsetType = UNSET
    cameras_online: list[str]
    cameras_unsure: list[str] = field(default_factory=list)
    """Cameras that may be online or not: they never joined, or are away for about the grace time."""


class SessionTruth(_Row, kw_only=True, tag="session"):
    """A session's row. ``completed_at`` holds the earliest and the latest time that would be right."""

    session_id: str
    status: Literal["live", "complete", "interrupted"] | UnsetType = "live"
    end_reason: str | UnsetType = UNSET
    started_at: int | UnsetType = UNSET
    completed_at: tuple[int, int] | UnsetType = UNSET
    exact: bool = True
    """Whether these times were in frames; else they are about the receiver's."""
    title: str | UnsetType = UNSET
    doubtful: bool = False
    """The frames leave it open: the row may be in the history or not."""
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
    doubtful: bool = False
    status: Literal["online", "offline"] | UnsetType = UNSET
    left_at: int | UnsetType | None = UNSET


class StillTruth(_Row, kw_only=True, tag="still"):
    """The final row of one still of one camera; ``still_id`` None: it has no id, and ``captured_at`` names it."""

    session_id: str
    still_id: str | None
    camera_id: str
    status: Literal["requested", "failed", "captured", "uploaded"] = "requested"
    captured_at: int | UnsetType = UNSET
    exact: bool = True
    """Whether that time was in a frame."""
    storage_key: str | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    program_camera_id: str | UnsetType = UNSET
    doubtful: bool = False


class EventTruth(_Row, kw_only=True, tag="event"):
    """Something that happened.

    ``carried`` False: no open connection told it as an event, so nothing may be made of it.
    """

    session_id: str
    kind: str
    at: int
    exact: bool = True
    """Whether ``at`` was in the frame; else it is about the receiver's time."""
    carried: bool = True
    doubtful: bool = False
    """The frames do not prove it: it may be in the history or not."""
    also: list[int] = field(default_factory=list)
    """Other times that are right too."""
    camera_id: str | UnsetType | None = UNSET
    from_camera_id: str | UnsetType | None = UNSET
    trigger: str | UnsetType = UNSET
    transition: str | UnsetType = UNSET
    duration_ms: int | UnsetType | None = UNSET
    from_mode: str | UnsetType = UNSET
    to_mode: str | UnsetType = UNSET
    still_id: str | UnsetType = UNSET
    camera_ids: list[str] | UnsetType = UNSET
    label: str | UnsetType = UNSET
    inferred: bool = False
    before: FinalState | UnsetType | None = UNSET
    """For a gap: what was on when the connection was lost; None where nothing was known."""
    after: FinalState | UnsetType = UNSET


class DoubtTruth(_Row, kw_only=True, tag="doubt"):
    """From when to when (receiver's clock) the frames did not prove what they told: rows of ``kinds`` may be there."""

    kinds: list[str]
    since: int
    until: int
    why: str


class FinalTruth(_Row, kw_only=True, tag="final"):
    """What was on at the very end, as far as frames showed."""

    session_id: str | None
    state: FinalState


class TruthHeader(Struct, kw_only=True, rename="camel", frozen=True):
    """The first line: what the shoot was planned from."""

    truth: Literal[1] = 1
    seed: int
    options: dict[str, Any]
    venue: str


Row: TypeAlias = SessionTruth | CameraTruth | StillTruth | EventTruth | DoubtTruth | FinalTruth


class Truth(Struct, kw_only=True):
    """Everything that a history has to have, and (with ``carried`` False) what it must not have."""

    header: TruthHeader
    sessions: list[SessionTruth]
    cameras: list[CameraTruth]
    stills: list[StillTruth]
    events: list[EventTruth]
    final: FinalTruth
    doubts: list[DoubtTruth] = field(default_factory=list)

    @property
    def carried(self) -> list[EventTruth]:
        """The events that a history has to have."""
        return [event for event in self.events if event.carried]

    def lines(self) -> Iterator[str]:
        """The truth file, line by line."""
        for row in (self.header, *self.sessions, *self.cameras, *self.stills, *self.events, *self.doubts, self.final):
            yield msgspec.json.encode(row).decode() + "\n"


def read_truth(lines: Iterable[str | bytes]) -> Truth:
    """Read a truth file back.

    Raises:
        ValueError: A line is not one of a truth file; its text names the line.
    """
    header: TruthHeader | None = None
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        try:
            if header is None:
                header = msgspec.json.decode(line, type=TruthHeader)
            else:
                rows.append(msgspec.json.decode(line, type=Row))
        except msgspec.MsgspecError as error:
            raise ValueError(f"line {number} is not a truth file: {error}") from None
    final = rows[-1] if rows else None
    if header is None or not isinstance(final, FinalTruth):
        raise ValueError("a truth that is cut off: it begins with a header and ends with a final row")
    return Truth(
        header=header,
        sessions=[row for row in rows if isinstance(row, SessionTruth)],
        cameras=[row for row in rows if isinstance(row, CameraTruth)],
        stills=[row for row in rows if isinstance(row, StillTruth)],
        events=[row for row in rows if isinstance(row, EventTruth)],
        doubts=[row for row in rows if isinstance(row, DoubtTruth)],
        final=final,
    )
