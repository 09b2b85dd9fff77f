"""The hot loop: frames from the socket go through the pipeline, and its entries go to the journal's writer.

All of it runs on the event loop's thread and never waits. The entries of one turn of the loop (in a burst, of a few
milliseconds) are submitted together, with one checkpoint: encoding a checkpoint costs more than a frame does, and the
writer groups its commits anyway.

If the disk does not write, entries wait in memory, up to a limit. From half of it on, telemetry is dropped unread. At
the limit, and only while the disk does not write, control frames are dropped, too. A gap then says so, once frames are
read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from tap.adapters.clock import Clock, monotonic
from tap.core.machine.memory import Checkpoint
from tap.core.mapping import Verdict
from tap.core.model import FRAMES_LOST, Alive, Closed, Entry, Frame, Opened, SourceItem, Stamp
from tap.core.pipeline import Pipeline
from tap.service.logs import get_logger

__all__ = ["SAVE_EVERY_S", "Backlog", "Ingest"]

SAVE_EVERY_S = 4.0
"""How old the time of the last frame may get on the disk while frames come, in seconds; at most 5 s with the commit."""

_TOGETHER_S = 0.01
"""In a burst, the entries of this time are saved together: each save costs a checkpoint. The first is saved at once."""
_MANY = 8
"""More entries than this in one save are no cuts as they happen: a server tells its history, or a backlog is read."""
_MANY_TOGETHER_S = 0.04
"""After so many, the next are saved together for this long: they share what a checkpoint and a commit cost."""
_SOONEST_S = 0.01
_SLIPS_LOGGED = 20
_STALLED_S = 1.0
"""How long the disk may be at one commit before it counts as taking nothing."""
_LOOK_EVERY_S = 0.2
"""How often a backlog that has grown is looked at again."""

_log = get_logger(__name__)


class Backlog(Protocol):
    """What waits for the disk: the journal's writer."""

    @property
    def waiting_bytes(self) -> int:
        """What it takes in memory."""
        ...

    @property
    def wants_all(self) -> bool:
        """It needs all that is remembered, and not what changed of it."""
        ...

    @property
    def stalled_for(self) -> float:
        """Seconds for which the disk has taken nothing."""
        ...


class Ingest:
    """Takes source items, and submits entries with the checkpoint that belongs to them. Made on a running loop.

    ``submit`` is the journal writer's. ``on_entries`` is called with entries when they are submitted. ``record`` is
    called with every item that is no telemetry, and with what the dialect made of a frame (or None). Both are called on
    the loop's thread. ``backlog`` may have ``most_waiting`` bytes. ``now`` gives seconds that
    never go back, finer than the loop's own time may be.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        submit: Callable[[Sequence[Entry], Checkpoint | None], None],
        clock: Clock,
        *,
        on_entries: Callable[[Sequence[Entry]], None] | None = None,
        record: Callable[[SourceItem, Verdict | None, str], None] | None = None,
        backlog: Backlog | None = None,
        most_waiting: int = 0,
        save_every: float = SAVE_EVERY_S,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.dropped_telemetry = 0
        """Frames of telemetry that were let go unread, since too much waited in memory."""
        self.dropped_control = 0
        """Other frames that were let go, since the disk took nothing and the memory was full. Each time is a gap."""
        self.first_read = 0.0
        """When (by ``now``) the first item was taken in whose entries were handed over last, or are next."""
        self.slips = 0
        """Items on which the pipeline itself failed: a bug of the tap, which the log reports."""
        self._loop = asyncio.get_running_loop()
        self._pipeline = pipeline
        self._submit = submit
        self._clock = clock
        self._now = now
        self._on_entries = on_entries
        self._record = record
        self._backlog = backlog
        self._most_waiting = most_waiting
        self._lacks_some = False
        """A checkpoint could not be made: the next holds all that there is to remember."""
        self._crowded = False
        """Much waits for the disk: what can be let go is."""
        self._blind = False
        """Control frames are let go."""
        self._connection: int | None = None
        """The connection that is open, as the source tells it."""
        self._save_every = save_every
        self._entries: list[Entry] = []
        self._state = pipeline.state
        self._heading = self._state.heading
        self._turning = False
        self._flushed = False
        """Nothing came since the last flush: no timer has to go off."""
        self._urgent = False
        self._saving: asyncio.TimerHandle | None = None
        self._saved = 0.0
        """When (the loop's time) that was done last."""
        self._soon = False
        """It is due within a few ms."""
        self._together = _TOGETHER_S
        """How long after a save the next may be at the earliest, in seconds."""
        self._ticking: asyncio.TimerHandle | None = None
        self._ticks_at = 0
        # After a restart there may be something due already, and the server may be away.
        self._aim()

    def on_item(self, item: SourceItem) -> None:
        """What the source says next. Never raises."""
        if self._crowded and self._let_go(item):
            return
        verdict: Verdict | None = None
        try:
            entries = self._pipeline.feed(item)
            verdict = self._pipeline.verdict
        except Exception:  # noqa: BLE001 - one frame that we read wrongly must not cost those beside it
            self._slipped(type(item).__name__)
        else:
            self._add(entries)
        if not isinstance(item, Frame):
            self._line(item)
        elif verdict is not Verdict.IGNORED and self._record is not None:
            self._record(item, verdict, self._pipeline.kind)
        if self._entries or self._urgent or self._saving is None or self._state.heading is not self._heading:
            self._turn_soon()
        elif not self._turning:
            # The way of most frames: nothing of them has to be saved now, which is all that a turn is for.
            self._aim()

    def on_telemetry(self, stamp: Stamp, frames: int) -> None:
        """This many frames of known telemetry came at ``stamp``: the same as ``on_item`` with each of them."""
        if self._crowded:
            self.dropped_telemetry += frames
            return
        try:
            entries = self._pipeline.telemetry(stamp, frames)
        except Exception:  # noqa: BLE001 - as in on_item
            self._slipped("telemetry")
            return
        # The way of nearly every frame: no deadline comes nearer by it, and that it was received is soon saved anyway.
        if entries or self._saving is None:
            self._add(entries)
            self._turn_soon()

    def _add(self, entries: list[Entry]) -> None:
        if entries:
            if not self._entries:
                self.first_read = self._now()
            self._entries += entries

    def _turn_soon(self) -> None:
        if not self._turning:
            self._turning, self._flushed = True, False
            self._loop.call_soon(self._turn)

    def _line(self, item: Opened | Closed | Alive) -> None:
        """Something about the line itself, not what came on it."""
        if isinstance(item, Alive):
            return
        # That the server was there, or is gone, has to outlive a kill right now.
        self._urgent = True
        self._connection = item.connection if isinstance(item, Opened) else None
        if self._record is not None and item.reason != FRAMES_LOST:
            self._record(item, None, "")

    def flush(self) -> None:
        """Hand over all that is not handed over yet, and let no timer go off any more."""
        self._save()
        self._flushed = True
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def _turn(self) -> None:
        self._turning = False
        early = self._saved + self._together - self._loop.time()
        if self._urgent or (self._entries and early <= 0):
            self._save()
        elif self._entries and not self._soon:
            self._save_in(early)
            self._soon = True
        elif self._saving is None:
            self._save_in(self._save_every)
        if self._state.heading is not self._heading:
            self._look_ahead()
        if not self._flushed:
            self._aim()

    def _look_ahead(self) -> None:
        """A transition began, or came to nothing: no entry, and yet somebody may look on."""
        self._heading = self._state.heading
        if self._on_entries is not None:
            self._on_entries(())

    def _save_in(self, seconds: float) -> None:
        if self._saving is not None:
            self._saving.cancel()
        self._saving = self._loop.call_later(seconds, self._save)

    def _save(self) -> None:
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        self._urgent = self._soon = False
        self._saved = self._loop.time()
        entries, self._entries = self._entries, []
        self._together = _MANY_TOGETHER_S if len(entries) > _MANY else _TOGETHER_S
        self._submit(entries, self._checkpoint())
        if entries and self._on_entries is not None:
            self._on_entries(entries)
        if not self._crowded:
            self._look()

    def _checkpoint(self) -> Checkpoint | None:
        everything = self._lacks_some or (self._backlog is not None and self._backlog.wants_all)
        try:
            saved = self._pipeline.save(everything=everything)
        except Exception:  # noqa: BLE001 - without it a restart knows less; what happened must be saved all the same
            self._slipped("checkpoint")
            self._lacks_some = True
            return None
        self._lacks_some = False
        return saved

    # ------------------------------------------------------------------------------------------ what is let go

    def _look(self) -> None:
        """How much waits: from here on some is let go, or no more is."""
        backlog = self._backlog
        if backlog is None:
            return
        waiting = backlog.waiting_bytes
        if self._blind and waiting < self._most_waiting // 2:
            self._see_again()
        was, self._crowded = self._crowded, self._blind or waiting >= self._most_waiting // 2
        if self._crowded:
            self._loop.call_later(_LOOK_EVERY_S, self._look)
            if not was:
                _log.warning(
                    "the disk is slow: telemetry is dropped",
                    bytes=waiting,
                    bound=self._most_waiting,
                    next_step="check the disk of the state directory before the memory is full",
                )
        elif was:
            _log.info("the disk has caught up: all frames are read again", telemetry_let_go=self.dropped_telemetry)

    def _let_go(self, item: SourceItem) -> bool:
        """Whether the pipeline does not get this, since too much waits."""
        if isinstance(item, Frame):
            if not item.binary and self._pipeline.dialect.is_telemetry(item.data):
                self.dropped_telemetry += 1
                return True
            if not self._blind and self._is_full():
                self._go_blind(item)
            if self._blind:
                self.dropped_control += 1
                if self._record is not None:
                    self._record(item, None, "")
        elif self._blind:
            self._line(item)
        return self._blind and not isinstance(item, Alive)

    def _is_full(self) -> bool:
        backlog = self._backlog
        if backlog is None or backlog.waiting_bytes < self._most_waiting:
            return False
        return backlog.stalled_for >= _STALLED_S

    def _go_blind(self, frame: Frame) -> None:
        _log.error(
            "the disk does not write and the memory is full: frames are dropped",
            bound=self._most_waiting,
            next_step="free some space on the disk of the state directory, or repair it; a gap will show what was lost",
        )
        self._entries += self._pipeline.feed(Closed(frame.stamp, frame.connection, FRAMES_LOST))
        self._blind = True
        self._save()

    def _see_again(self) -> None:
        """What comes now is received after a loss, which the next frames tell as a gap."""
        _log.info("frames are read again", let_go=self.dropped_control)
        self._blind = False
        if self._connection is not None:
            self._entries += self._pipeline.feed(Opened(self._clock.stamp(), self._connection))
            self._save()

    # ------------------------------------------------------------------------------------------ time

    def _aim(self) -> None:
        """Send the pipeline a tick when something is due and no frame comes before that."""
        due = self._pipeline.deadline()
        # A timer that goes off early looks again; deadlines mostly move away, with every frame.
        if due is None or (self._ticking is not None and self._ticks_at <= due):
            return
        if self._ticking is not None:
            self._ticking.cancel()
        left = (due - self._clock.stamp().mono) / 1000
        self._ticks_at = due
        self._ticking = self._loop.call_later(max(left, _SOONEST_S), self._tick)

    def _tick(self) -> None:
        self._ticking = None
        due = self._pipeline.deadline()
        now = self._clock.stamp()
        if due is not None and due <= now.mono:
            self.on_item(Alive(now))
        else:
            self._aim()

    def _slipped(self, what: str) -> None:
        self.slips += 1
        if self.slips <= _SLIPS_LOGGED:
            _log.exception(
                "a bug of the tap: an item could not be processed",
                item=what,
                next_step="report it, with this line; recording goes on with the next frame",
            )
