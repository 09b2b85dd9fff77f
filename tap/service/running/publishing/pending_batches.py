"""The next batch out of the journal: in order, without the entries that wait by themselves."""

from __future__ import annotations

from collections.abc import Callable

from tap.adapters.clock import monotonic
from tap.adapters.journal import Journal, Kept
from tap.adapters.ledger import MAX_ENTRIES

__all__ = ["PendingBatches"]

_FEWEST = 10
"""Entries a batch is never made smaller than for slowness alone."""


class PendingBatches:
    """Reads pending entries batch by batch.

    ``waits_apart`` says of an entry's ``seq`` that it is not to be sent with the others now. Every ``look_every``
    seconds, by ``now``, the journal is read from its beginning again: the command line may have let wait again what
    lies far back.
    """

    def __init__(
        self, waits_apart: Callable[[int], bool], look_every: float, now: Callable[[], float] = monotonic
    ) -> None:
        self._waits_apart = waits_apart
        self._look_every = look_every
        self._now = now
        self.saw_all = False
        """With the last batch, nothing in the journal was left to be sent."""
        self._size = MAX_ENTRIES
        self._past = 0
        """Up to here, nothing in the journal is to be sent now."""
        self._start_over_at: float | None = None

    def start_over(self) -> None:
        """What was passed over may be sent now."""
        self._past = 0

    def smaller(self) -> None:
        """A call took too long: a smaller batch may be done in time."""
        self._size = max(_FEWEST, self._size // 2)

    def larger(self) -> None:
        """A call went through."""
        self._size = min(MAX_ENTRIES, self._size * 2)

    def committed(self, journal: Journal) -> list[Kept] | None:
        """What was just committed, where that is all that is to be sent; None: read the journal."""
        if not self.saw_all or self._starts_over():
            return None
        added = journal.added()
        return None if added is None or len(added) > self._size else added

    def _starts_over(self) -> bool:
        return self._start_over_at is None or self._now() >= self._start_over_at

    def next(self, journal: Journal) -> list[Kept]:
        """The next entries. On the journal's thread, while the loop waits. Raises ``JournalError``."""
        if self._starts_over():
            self._past, self._start_over_at = 0, self._now() + self._look_every
        batch: list[Kept] = []
        self.saw_all = False
        after, size = self._past, self._size
        while len(batch) < size:
            page = journal.pending(size, after)
            batch += [kept for kept in page if not self._waits_apart(kept.seq)]
            if len(page) < size:
                self.saw_all = len(batch) <= size
                break
            after = page[-1].seq
            if not batch:
                self._past = after
        return batch[:size]
