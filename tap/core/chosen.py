"""A session that somebody chose afterwards, by its times: the same frames, by the same rules.

What the server says of sessions is passed over, and told in its own words instead: the session begins where somebody
says that it did, each state shows it as long as it runs, and it ends where they say. So all that is inferred of it is
what the live service would have inferred had Start Shoot been pressed then.

Times are those of rows: the server's clock where its frames tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

import msgspec
from msgspec import UNSET, Struct, field

from tap.core.mapping import Dialect
from tap.core.model import (
    FRAMES_LOST,
    Closed,
    Entry,
    Envelope,
    Frame,
    Observation,
    Opened,
    Policy,
    SessionEnded,
    SessionInfo,
    SessionStarted,
    SessionUpdated,
    Snapshot,
    SourceItem,
    Stamp,
    StillCaptured,
    StillFailed,
    StillRequested,
    StillUploaded,
    UnsetType,
)
from tap.core.pipeline import Pipeline

__all__ = ["Choice", "ChosenPipeline"]

_OF_SESSIONS = (SessionStarted, SessionUpdated, SessionEnded)
_OF_STILLS = (StillRequested, StillCaptured, StillUploaded, StillFailed)
_PLAUSIBLE_MS = 10_000
"""A frame's time that is further than this from what the clock of the frames before it says is not gone by."""
_LATE_MS = 2_000
"""For so long a frame may be on its way while the tap notes that nothing came."""


class _Part(Enum):
    BEFORE = auto()
    IN = auto()
    AFTER = auto()


class Choice(Struct):
    """When a session began and ended, and how far the frames have come with it; one for all pipelines of a reading."""

    since: int
    until: int
    title: str | UnsetType = UNSET
    notes: str | UnsetType = UNSET
    part: _Part = _Part.BEFORE
    lost_at: int | None = None
    """When the connection was lost, where none stands."""
    unseen_since: int | None = None
    """The same, until a state shows what is so now."""
    heard: int = 0
    """Frames that came while it ran."""
    stills_before: set[str] = field(default_factory=set)
    """Stills that were requested or taken before it began: what is told of them later is not its own."""
    state_known: bool = False
    """A state came before it began: what was on then is known."""
    cut_off: bool = False
    """Frames are missing: the next item is heard after a loss."""

    @property
    def info(self) -> SessionInfo:
        """What a server would say of it."""
        return SessionInfo(title=self.title, notes=self.notes, started_at=self.since)


class ChosenPipeline(Pipeline):
    """As :class:`Pipeline`, with one session: the one that was chosen."""

    def __init__(
        self,
        dialect: Dialect,
        choice: Choice,
        *,
        venue: str,
        tap: str,
        policy: Policy,
        checkpoint: bytes | None = None,
        seen: Callable[[int, Observation], None] | None = None,
    ) -> None:
        """``seen`` is told of everything that a frame says, and when that was."""
        self._choice = choice
        self._seen = seen
        self._shown = choice.info
        policy = msgspec.structs.replace(policy, session="frames")
        super().__init__(dialect, venue=venue, tap=tap, policy=policy, checkpoint=checkpoint)

    def feed(self, item: SourceItem) -> list[Entry]:
        """What this item adds to the chosen session."""
        choice, stamp = self._choice, item.stamp
        entries = self._break(item) if choice.cut_off else []
        if isinstance(item, Frame):
            return entries + super().feed(item)
        at = self._now(stamp)
        entries += self._reach(at, stamp, late=_LATE_MS)
        if isinstance(item, Closed) and choice.lost_at is None:
            choice.lost_at = at
            choice.unseen_since = at if choice.unseen_since is None else choice.unseen_since
        elif isinstance(item, Opened):
            choice.lost_at = None
        return entries + super().feed(item)

    def _break(self, item: SourceItem) -> list[Entry]:
        """Frames are missing before ``item``, though the connection stood: that is a loss."""
        self._choice.cut_off = False
        connection = self._machine.state.connection
        if connection is None or not connection.open or isinstance(item, Opened):
            return []
        last = Stamp(self._machine.state.wall, self._machine.state.mono)
        entries = super().feed(Closed(last, connection.number, FRAMES_LOST))
        return entries + super().feed(Opened(item.stamp, connection.number))

    def _step(self, observation: Observation) -> list[Entry]:
        choice, envelope = self._choice, observation.envelope
        choice.lost_at = None
        at = self._when(envelope)
        entries = self._reach(at, envelope.stamp, late=0)
        if self._seen is not None:
            self._seen(at, observation)
        if choice.part is _Part.IN:
            choice.heard += 1
        if isinstance(observation, _OF_SESSIONS) or self._is_of_before(observation):
            return entries + self._machine.heard(envelope.stamp)
        if isinstance(observation, Snapshot):
            choice.state_known |= choice.part is _Part.BEFORE
            shown = self._shown if choice.part is _Part.IN else None
            observation = msgspec.structs.replace(observation, session=shown)
            choice.unseen_since = None
        return entries + super()._step(observation)

    def _is_of_before(self, o: Observation) -> bool:
        """Whether this tells on of a still that was requested, or taken, before the session began."""
        before = self._choice.stills_before
        if not isinstance(o, _OF_STILLS) or o.still_id is None:
            return False
        if isinstance(o, StillRequested):
            before.discard(o.still_id)
        if self._choice.part is _Part.BEFORE:
            before.add(o.still_id)
        return self._choice.part is not _Part.BEFORE and o.still_id in before

    # ------------------------------------------------------------------ when it is

    def _now(self, stamp: Stamp) -> int:
        """The server's clock at ``stamp``, as the frames before tell it."""
        offset = self._machine.state.clock_offset
        return stamp.wall if offset is None else stamp.mono + offset

    def _when(self, envelope: Envelope) -> int:
        """When it was that a frame tells of; a time that is far from all others is passed over."""
        if envelope.at is None:
            return self._now(envelope.stamp)
        if self._machine.state.clock_offset is None:
            return envelope.at
        now = self._now(envelope.stamp)
        return envelope.at if abs(envelope.at - now) <= _PLAUSIBLE_MS else now

    def _reach(self, at: int, stamp: Stamp, *, late: int) -> list[Entry]:
        """It is ``at`` now: the session begins, or is over, where its time has come."""
        choice = self._choice
        entries: list[Entry] = []
        if choice.part is _Part.BEFORE and at >= choice.since + late:
            choice.part = _Part.IN
            connection, unseen = self._machine.state.connection, choice.unseen_since
            # Where nobody hears what is so, it begins with the state that is heard next: what came before is a gap.
            if connection is not None and connection.open and (unseen is None or choice.since < unseen):
                entries += self._machine.begin(self._moment(choice.since, at, stamp), choice.info)
        if choice.part is _Part.IN and at > choice.until + late:
            choice.part = _Part.AFTER
            lost = choice.lost_at is not None and choice.lost_at < choice.until
            entries += self._machine.finish(self._moment(choice.until, at, stamp), lost=lost)
        return entries

    def _moment(self, moment: int, at: int, stamp: Stamp) -> Envelope:
        """A moment before ``stamp``, by both clocks."""
        ago = max(0, at - moment)
        return Envelope(Stamp(stamp.wall - ago, max(self._machine.state.mono, stamp.mono - ago)), moment)

    # ------------------------------------------------------------------ how far it has come

    @property
    def over(self) -> bool:
        """The session ended."""
        return self._choice.part is _Part.AFTER

    def end(self) -> list[Entry]:
        """The tapes end: a session that still runs ends with them."""
        state, choice = self._machine.state, self._choice
        if choice.part is not _Part.IN:
            return []
        choice.part = _Part.AFTER
        lost = choice.lost_at is not None and choice.lost_at < choice.until
        return self._machine.finish(Envelope(Stamp(state.wall, state.mono), choice.until), lost=lost)

    @property
    def waits(self) -> bool:
        """Whether a still of the session may yet come further."""
        sessions = [*self._machine.state.ended, self._machine.state.session]
        return any(
            still.row.fields["status"] != "uploaded"
            for session in sessions
            if session is not None
            for still in session.stills.values()
        )
