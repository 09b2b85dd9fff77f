"""Entries on which the ledger fails while it takes others: they wait by themselves, and hold up nobody.

Only an answer with a reason ends an entry's way. What fails without one may be the ledger's bad hour, so it is tried
again for ever, each time after a longer while.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from tap.core.backoff import Backoff

__all__ = ["PostponedEntries"]


class _Waiting(Struct):
    due: float
    failures: int


class PostponedEntries:
    """By ``seq``, when each is tried again. Times are seconds of the asker's clock."""

    def __init__(self, first: float, longest: float) -> None:
        self._backoff = Backoff(first, longest)
        self._waiting: dict[int, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, seq: int) -> bool:
        return seq in self._waiting

    def __iter__(self) -> Iterator[int]:
        return iter(self._waiting)

    def add(self, seq: int, now: float) -> bool:
        """It failed; whether that is the first time. It waits twice as long as before."""
        before = self._waiting.get(seq)
        failures = 1 if before is None else before.failures + 1
        self._waiting[seq] = _Waiting(now + self._backoff.wait(failures), failures)
        return before is None

    def done(self, seq: int) -> bool:
        """It needs no waiting any more; whether it did wait."""
        return self._waiting.pop(seq, None) is not None

    def due(self, now: float) -> int | None:
        """The one whose time came first; None where none is due."""
        if not self._waiting:
            return None
        seq, first = min(self._waiting.items(), key=lambda item: item[1].due)
        return seq if first.due <= now else None

    def hurry(self, now: float) -> None:
        """The ledger took one of them: the others need wait no longer."""
        for waiting in self._waiting.values():
            waiting.due = min(waiting.due, now)
