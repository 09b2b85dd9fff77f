"""A look into the journal every few seconds, on its own thread: how much waits there, and since when.

Who wants to know reads what the last look found, so that nobody ever waits for the disk; one that does not answer shows
as a look that does not come back.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from msgspec import Struct

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.clock import monotonic, wall_ms
from tap.adapters.journal import Journal, JournalWriter, State

__all__ = ["JournalGauge"]

_EVERY_S = 5.0
"""To wake two threads costs more than the look."""


class _Found(Struct, frozen=True):
    counts: dict[State, int]
    oldest_pending: int | None
    bytes: int


class JournalGauge:
    """What the journal held at the last look. ``run`` it as a task."""

    def __init__(
        self, writer: JournalWriter, path: Path, *, every: float = _EVERY_S, now: Callable[[], float] = monotonic
    ) -> None:
        self.counts: dict[State, int] = {"pending": 0, "shipped": 0, "dead": 0}
        self.oldest_pending: int | None = None
        """Wall ms at which the oldest entry that the ledger has not was committed."""
        self.bytes: int | None = None
        """Of the file and its log."""
        self.at: int | None = None
        """Wall ms of the last look; None before the first."""
        self._writer = writer
        self._path = path
        self._every = every
        self._now = now
        self._asked: float | None = None

    def outstanding_for(self) -> float:
        """Seconds since a look was asked for that has not come back; 0 where none is."""
        asked = self._asked
        return 0.0 if asked is None else self._now() - asked

    async def run(self) -> None:
        """Look for ever. Nobody waits for what a look finds: that would wake the event loop once more."""
        while True:
            if self._asked is None:
                self._asked = self._now()
                looking = self._writer.run_in_writer(self._look, anyway=True, noted=False)
                looking.add_done_callback(self._looked)
            await sleep_aligned(self._every)

    def _look(self, journal: Journal) -> _Found:
        # What the ledger has taken is no longer pending, although the file may still say so.
        taken = set(self._writer.unnoted)
        pending = (kept for kept in journal.pending(len(taken) + 1) if kept.seq not in taken)
        oldest = next((kept.committed_at for kept in pending), None)
        counts = journal.counts()
        noted = min(len(taken), counts["pending"])
        counts |= {"pending": counts["pending"] - noted, "shipped": counts["shipped"] + noted}
        size = sum(_size(self._path.with_name(self._path.name + end)) for end in ("", "-wal"))
        return _Found(counts, oldest, size)

    def _looked(self, looking: Future[_Found]) -> None:
        """A look came back. On the journal's thread."""
        # If it cannot be read, the writer has the same error, and reports it.
        if looking.exception() is None:
            found = looking.result()
            self.counts, self.oldest_pending, self.bytes = found.counts, found.oldest_pending, found.bytes
            self.at = wall_ms()
        self._asked = None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
