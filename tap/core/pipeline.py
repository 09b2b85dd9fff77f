"""From source items to entries: dialect and machine put together, still pure.

The same pipeline serves the live service and a replay; that is why both give the same entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from tap.core.batch import in_order
from tap.core.errors import JournalDamaged
from tap.core.machine.machine import TAP_RESTART, Machine
from tap.core.machine.memory import Checkpoint, Memory, slim
from tap.core.machine.state import State, decode_state, encode_state
from tap.core.mapping import Dialect, Reading, Verdict
from tap.core.mapping.numbering import Numbering
from tap.core.model import (
    FRAMES_LOST,
    Alive,
    Closed,
    Entry,
    Envelope,
    Frame,
    Observation,
    Opened,
    Policy,
    SourceItem,
    Stamp,
)
from tap.core.protocols import Reader, Remembering
from tap.core.redact import redact_text
from tap.core.spelling import respelt, spelt_before

__all__ = ["Pipeline", "Sample", "Tally"]

_IGNORED, _MAPPED = Verdict.IGNORED, Verdict.MAPPED
"""Looked up once: a member of an enumeration costs more than all that is done with it here."""
_TYPES_KEPT = 100
_SAMPLES_KEPT = 50
_SAMPLED_WHOLE = 65_536
_SAMPLE_CHARS = 300
_DRIFT_MS = 10_000
_CAUSES = {"tap stopped": TAP_RESTART, FRAMES_LOST: "overflow"}
"""What makes a gap, by why its connection was closed; without an entry, the connection itself."""
_SAYS = {
    Verdict.IGNORED: 0,
    Verdict.UNREADABLE: 1,
    Verdict.UNKNOWN: 2,
    Verdict.QUIET: 3,
    Verdict.INCOMPLETE: 4,
    Verdict.MAPPED: 5,
}
"""How much a verdict says of a frame."""


class Sample(Struct, frozen=True):
    """A frame that could not be used, and why; for the operator."""

    verdict: Verdict
    type: str
    reason: str
    text: str
    """The beginning of the frame, without secrets."""


class Tally(Struct):
    """Counts of what came and what became of it, since this pipeline was made."""

    frames: int = 0
    telemetry: int = 0
    mapped: int = 0
    quiet: int = 0
    incomplete: int = 0
    unreadable: int = 0
    observations: int = 0
    entries: int = 0
    said: dict[str, int] = field(default_factory=dict)
    """Observations by what they are: ``Cut``, ``Snapshot`` …"""
    unknown: dict[str, int] = field(default_factory=dict)
    """Types that the dialect does not know; further ones than the first hundred count under ``…``."""
    samples: list[Sample] = field(default_factory=list)
    """One for each reason and type, the first fifty."""
    scopes: int = 0
    """Times that ``seq`` began anew where the dialect says that it goes on."""
    scope_example: str = ""
    """The first of them, for the operator."""
    numbering: Numbering | None = None
    """What the numbers count, as they show it from the first of them on; None where all is as the dialect says."""
    drift_ms: int | None = None
    """How far the server's clock was off when that was first noticed (server − tap)."""


class Pipeline:
    """One venue's way from received messages to entries.

    ``checkpoint``: what :meth:`checkpoint` gave before a restart, or the state of :meth:`save` with the ``memory`` that
    was saved beside it. ``shortcuts`` False reads every part of every frame: the same, but slower, and what they are
    held against. Raises :class:`JournalDamaged` where a checkpoint cannot be read.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        venue: str,
        tap: str,
        policy: Policy | None = None,
        checkpoint: bytes | None = None,
        memory: Iterable[tuple[str, bytes]] = (),
        shortcuts: bool = True,
    ) -> None:
        self.dialect = dialect
        self.tally = Tally()
        self.verdict = _IGNORED
        """What became of the last frame; of a batch, of that part of it that says most."""
        self.kind = ""
        """The type of what the verdict is of, as the server names it."""
        state, remembered = _read_checkpoint(checkpoint, memory)
        self._spelt = {} if checkpoint is None else spelt_before(checkpoint)
        policy = Policy() if policy is None else policy
        if policy.session == "dialect":
            policy = msgspec.structs.replace(policy, session=dialect.policy)
        self._machine = Machine(dialect, tap=tap, policy=policy, venue=venue, state=state, memory=remembered)
        self._doubts = state.doubts
        self._reader: Reader | None = None
        if isinstance(dialect, Remembering):
            self._reader = dialect.reader(policy, self._machine.state.reader)
            self._machine.state.reader = self._reader.state
        if self._reader is not None:
            self._read = self._reader.read
        else:
            self._read = (dialect.remembering() if shortcuts else dialect).read_control
        self._sampled: set[tuple[str, str]] = set()
        self._held: list[Entry] = []

    @property
    def state(self) -> State:
        """What is known now; for those who show it."""
        return self._machine.state

    def resume(self, wall: int, away: int | None = None, *, doubtful: bool = False) -> Stamp:
        """This run begins at ``wall`` (ms). Gives the stamp from which its clock goes on.

        After a restart the tap was away: what follows is heard after a loss. ``away``: for how long (ms), where that is
        known better than by the wall clock, which may have been set. ``doubtful``: no clock tells it, so none of it is
        counted, and the gap that follows has no length.
        """
        state = self._machine.state
        if not state.wall:
            return Stamp(wall, 0)
        if doubtful:
            away = 0
            if state.session is not None:
                state.session.away_unknown = True
        stamp = Stamp(wall, state.mono + max(0, wall - state.wall if away is None else away))
        last = Stamp(state.wall, state.mono)
        # What was held back was heard before; and a gap that was pending is told by this loss. Both are written with
        # the first item of this run.
        held = [] if self._reader is None else self._steps(self._reader.closed(last))
        self._held = held + self._machine.closed(last, cause=TAP_RESTART)
        return stamp

    def feed(self, item: SourceItem) -> list[Entry]:
        """What this item adds to the history. Never raises for anything that a server can send."""
        entries = [] if self._reader is None else self._remembered(self._reader, item)
        if isinstance(item, Frame):
            entries += self._frame(item)
        elif isinstance(item, Opened):
            entries += self._machine.opened(item.stamp)
        elif isinstance(item, Closed):
            cause = _CAUSES.get(item.reason or "", "connection")
            entries += self._machine.closed(item.stamp, cause=cause, heard=item.heard)
        else:
            entries += self._alive(item)
        return self._with_held(entries)

    def telemetry(self, stamp: Stamp, frames: int) -> list[Entry]:
        """What so many frames of known telemetry add that came at ``stamp``: the same as each of them fed."""
        # What is due happens with the first of them; the others find nothing left to do.
        entries = [] if self._reader is None else self._remembered(self._reader, Alive(stamp))
        return self._with_held(entries + self._telemetry(stamp, frames))

    def raise_version(self, key: str, version: int) -> None:
        """The ledger answered ``stale``: it holds a later version of this row, and we go on above it."""
        self._machine.go_above(key, version)

    def deadline(self) -> int | None:
        """``mono`` (ms) at which an :class:`Alive` is due if nothing comes before."""
        due = None if self._reader is None else self._reader.due
        ours = self._machine.next_deadline
        return ours if due is None else due.mono if ours is None else min(due.mono, ours)

    def checkpoint(self) -> bytes:
        """All that is needed to go on after a restart, as JSON: it grows with the session."""
        return encode_state(self._machine.state)

    def save(self, *, everything: bool = False) -> Checkpoint:
        """The same as what is so now, and what changed of the memory since the last call (or ``everything`` of it)."""
        memory = self._machine.memory
        if everything:
            memory.everything()
        return memory.save(encode_state(slim(self._machine.state)))

    def _remembered(self, reader: Reader, item: SourceItem) -> list[Entry]:
        """What a reader held back, and what it makes of the source itself: all of it comes before ``item``."""
        entries: list[Entry] = []
        while (due := reader.due) is not None and due.mono <= item.stamp.mono:
            # Deadlines before it first, as they would have come had nothing been held back.
            entries += self._machine.tick(due)
            entries += self._steps(reader.release(due.mono))
            entries += self._machine.tick(due)
        if isinstance(item, Opened):
            entries += self._steps(reader.opened(item.stamp))
        elif isinstance(item, Closed):
            entries += self._steps(reader.closed(item.stamp))
        return entries

    def _steps(self, observations: Iterable[Observation]) -> list[Entry]:
        return [entry for observation in observations for entry in self._step(observation)]

    def _with_held(self, entries: list[Entry]) -> list[Entry]:
        if self._held:
            entries, self._held = self._held + entries, []
        if entries:
            self.tally.entries += len(entries)
        return entries

    def _alive(self, item: Alive) -> list[Entry]:
        if item.heard is not None:
            self._machine.state.heard = max(self._machine.state.heard, min(item.heard, item.stamp.mono))
        return self._machine.tick(item.stamp)

    def _frame(self, frame: Frame) -> list[Entry]:
        if not frame.binary and self.dialect.is_telemetry(frame.data):
            return self._telemetry(frame.stamp, 1)
        tally = self.tally
        tally.frames += 1
        self.verdict = _IGNORED
        entries: list[Entry] = []
        readings: Sequence[Reading] = self._read(frame)
        if len(readings) > 1:
            readings = in_order(readings, self.dialect.seq_orders, self.state)
            self._machine.foresee([one for reading in readings for one in reading.observations])
        for reading in readings:
            verdict = reading.verdict
            if verdict is _MAPPED:
                tally.mapped += 1
            else:
                self._count(reading, frame)
            if verdict is not self.verdict and _SAYS[verdict] > _SAYS[self.verdict]:
                self.verdict, self.kind = verdict, reading.type
            for observation in reading.observations:
                entries += self._step(observation)
                at = observation.envelope.at
                # History that is told again is old, and says nothing of the clock.
                if at is not None and tally.drift_ms is None and self._machine.is_news:
                    drift = at - frame.stamp.wall
                    tally.drift_ms = drift if abs(drift) > _DRIFT_MS else None
        return entries + self._machine.heard(frame.stamp)

    def _telemetry(self, stamp: Stamp, frames: int) -> list[Entry]:
        tally = self.tally
        tally.frames += frames
        tally.telemetry += frames
        self.verdict = _IGNORED
        return self._machine.heard(stamp)

    def _step(self, observation: Observation) -> list[Entry]:
        if self._spelt:
            observation = respelt(observation, self._spelt)
        tally = self.tally
        tally.observations += 1
        said = type(observation).__name__
        tally.said[said] = tally.said.get(said, 0) + 1
        state, doubts = self._machine.state, self._doubts
        scopes, numbering = doubts.scopes, state.numbering
        entries = self._machine.step(observation)
        if doubts.scopes != scopes:
            envelope = observation.envelope
            tally.scopes += 1
            tally.scope_example = tally.scope_example or f"{said} with seq {envelope.seq} at {envelope.at}"
            tally.numbering = Numbering() if tally.numbering is None else tally.numbering
            tally.numbering.began_anew(self.dialect.seq_orders, first=state.numbering != numbering)
        if tally.numbering is not None:
            self._number(observation.envelope, tally.numbering)
        return entries

    def _number(self, envelope: Envelope, numbering: Numbering) -> None:
        connection = self._machine.state.connection
        if envelope.seq is not None and connection is not None:
            numbering.see(envelope.seq, connection=connection.number, boot=connection.boot, type=envelope.type)

    def _count(self, reading: Reading, frame: Frame) -> None:
        """Of what says nothing of the history: how much there is of it, and one of each for people to look at."""
        tally, verdict = self.tally, reading.verdict
        if verdict is Verdict.IGNORED:
            tally.telemetry += 1
        elif verdict is Verdict.QUIET:
            tally.quiet += 1
        elif verdict is Verdict.UNKNOWN:
            name = reading.type if reading.type in tally.unknown or len(tally.unknown) < _TYPES_KEPT else "…"
            tally.unknown[name] = tally.unknown.get(name, 0) + 1
            self._sample(reading, frame, "the dialect does not know this type")
        elif verdict is Verdict.INCOMPLETE:
            tally.incomplete += 1
            self._sample(reading, frame, reading.reason or "incomplete")
        else:
            tally.unreadable += 1
            self._sample(reading, frame, reading.reason or "unreadable")

    def _sample(self, reading: Reading, frame: Frame, reason: str) -> None:
        known = (reading.type, reason.split(":", maxsplit=1)[0])
        if known in self._sampled or len(self._sampled) >= _SAMPLES_KEPT:
            return
        self._sampled.add(known)
        # What stands beside each other (a name and its value) only the whole frame tells; a huge one is not worth it.
        data = self.dialect.clean(frame.data) if len(frame.data) <= _SAMPLED_WHOLE else frame.data
        text = redact_text(data[:_SAMPLE_CHARS].decode("utf-8", "replace"))
        self.tally.samples.append(Sample(reading.verdict, reading.type, reason, text))


def _read_checkpoint(checkpoint: bytes | None, records: Iterable[tuple[str, bytes]]) -> tuple[State, Memory]:
    if checkpoint is None:
        state = State()
        return state, Memory(state)
    try:
        state = decode_state(checkpoint)
        return state, Memory(state, tuple(records))
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise JournalDamaged(
            f"the checkpoint in the journal cannot be read: {error}",
            hint="the tap starts afresh: the running session appears again with the server's next snapshot",
        ) from None
