"""``replay --to-ledger``: the entries of tapes into the ledger at once, in order, without a journal between.

Writing is idempotent, so whatever stops this, it can be run again from the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

from msgspec import Struct, field

from tap.adapters.ledger import MAX_ENTRIES, Answer, Disposition, disposition
from tap.core.errors import LedgerError
from tap.core.model import Entry

__all__ = ["Delivered", "deliver"]

_TRIES = 4
_FIRST_DELAY_S = 0.5


class _Target(Protocol):
    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]: ...


class Delivered(Struct):
    """What the ledger answered."""

    applied: int = 0
    duplicate: int = 0
    stale: int = 0
    rejected: list[Answer] = field(default_factory=list)

    def words(self) -> str:
        """The counts in a line."""
        told = (
            (self.applied, "applied"),
            (self.duplicate, "duplicate"),
            (self.stale, "stale"),
            (len(self.rejected), "rejected"),
        )
        return ", ".join(f"{number} {name}" for number, name in told)

    def count(self, answer: Answer) -> None:
        """Take in one answer."""
        if answer.outcome == "rejected":
            self.rejected.append(answer)
        else:
            setattr(self, answer.outcome, getattr(self, answer.outcome) + 1)


async def deliver(ledger: _Target, entries: Iterable[Entry], show: Callable[[Entry], None]) -> Delivered:
    """Write entries, and show each once it is answered for; what the answers were.

    Raises ``LedgerError`` where the ledger stays away, or refuses a call whole; what was answered till then is written.
    """
    delivered = Delivered()
    rest = iter(entries)
    while batch := list(islice(rest, MAX_ENTRIES)):
        while batch:
            answers = await _patiently(ledger, batch)
            for entry, answer in zip(batch, answers, strict=False):
                delivered.count(answer)
                show(entry)
            batch = batch[len(answers) :]
    return delivered


async def _patiently(ledger: _Target, batch: Sequence[Entry]) -> list[Answer]:
    for attempt in range(1, _TRIES):
        try:
            return await ledger.ingest(batch)
        except LedgerError as error:
            if disposition(error) is not Disposition.RETRY:
                raise
        await asyncio.sleep(_FIRST_DELAY_S * 2 ** (attempt - 1))
    return await ledger.ingest(batch)
