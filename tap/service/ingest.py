"""The hot loop: what the socket hears goes through the pipeline, and what the pipeline says to the journal's writer.

All of it runs on the event loop's thread and never waits. What one turn of the loop brings is handed over together,
with one checkpoint: encoding that costs more than a frame does, and the writer groups its commits anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from tap.adapters.socket import Clock
from tap.core.model import Alive, Closed, Entry, Opened, SourceItem
from tap.core.pipeline import Pipeline

__all__ = ["SAVE_EVERY_S", "Ingest"]

SAVE_EVERY_S = 4.0
"""How old "last heard" on the disk may get while frames come; the design allows 5 s, the disk needs some of it."""

_SOONEST_S = 0.01
_SLIPS_LOGGED = 20

_log = structlog.stdlib.get_logger(__name__)


class Ingest:
    """Takes source items, and submits entries with the checkpoint that belongs to them. Made on a running loop.

    ``submit`` is the journal writer's; ``on_entries`` is told of entries as they are handed over, on the loop's thread.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        submit: Callable[[Sequence[Entry], bytes | None], None],
        clock: Clock,
        *,
        on_entries: Callable[[Sequence[Entry]], None] | None = None,
        save_every: float = SAVE_EVERY_S,
    ) -> None:
        self.slips = 0
        """Items on which the pipeline itself failed: a bug of ours, told in the log."""
        self._loop = asyncio.get_running_loop()
        self._pipeline = pipeline
        self._submit = submit
        self._clock = clock
        self._on_entries = on_entries
        self._save_every = save_every
        self._entries: list[Entry] = []
        self._turning = False
        self._urgent = False
        self._saving: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._ticks_at = 0
        # After a restart there may be something due already, and the server may be away.
        self._aim()

    def on_item(self, item: SourceItem) -> None:
        """What the source says next. Never raises."""
        try:
            entries = self._pipeline.feed(item)
        except Exception:  # noqa: BLE001 - one frame that we read wrongly must not cost those beside it
            self._slipped(item)
        else:
            if entries:
                self._entries += entries
        if isinstance(item, (Opened, Closed)):
            # That the server was there, or is gone, has to outlive a kill right now.
            self._urgent = True
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def flush(self) -> None:
        """Hand over all that is not handed over yet, and let no timer go off any more."""
        self._save()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def _turn(self) -> None:
        self._turning = False
        if self._entries or self._urgent:
            self._save()
        elif self._saving is None:
            self._saving = self._loop.call_later(self._save_every, self._save)
        self._aim()

    def _save(self) -> None:
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        self._urgent = False
        entries, self._entries = self._entries, []
        self._submit(entries, self._pipeline.checkpoint())
        if entries and self._on_entries is not None:
            self._on_entries(entries)

    def _aim(self) -> None:
        """Have the pipeline told of the time when something is due and nothing comes before."""
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

    def _slipped(self, item: SourceItem) -> None:
        self.slips += 1
        if self.slips <= _SLIPS_LOGGED:
            _log.exception("a bug of the tap: an item could not be taken in", item=type(item).__name__)
