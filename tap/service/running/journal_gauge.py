"""A look into the journal every few seconds, on its own thread: how much waits there, and since when.

Who wants to know reads what the last look found, so that nobody ever waits for the disk; one that does not answer shows
as a look that does not come back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.clock import monotonic, wall_ms
from tap.adapters.journal import Journal, JournalWriter, State
from tap.adapters.threads import result_of
from tap.core.errors import JournalError

__all__ = ["JournalGauge"]

_EVERY_S = 5.0
"""To wake two threads costs more than the look; and each look has the ledger's answers noted that wait for a commit."""


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
        return 0.0 if self._asked is None else self._now() - self._asked

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._asked = self._now()
            # If it cannot be read, the writer has the same error, and reports it.
            with suppress(JournalError):
                self._take(await result_of(self._writer.run_in_writer(self._look, anyway=True)))
            self._asked = None
            await sleep_aligned(self._every)

    def _look(self, journal: Journal) -> _Found:
        _, oldest = journal.depth()
        size = sum(_size(self._path.with_name(self._path.name + end)) for end in ("", "-wal"))
        return _Found(journal.counts(), oldest, size)

    def _take(self, found: _Found) -> None:
        self.counts, self.oldest_pending, self.bytes = found.counts, found.oldest_pending, found.bytes
        self.at = wall_ms()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
