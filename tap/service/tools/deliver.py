"""``replay --to-ledger``: sends the entries of tapes to the ledger, in order, without a journal.

Writing is idempotent: if this stops half-way, run it again from the beginning.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from anyio import sleep
from msgspec import Struct, field

from tap.adapters.ledger import MAX_ENTRIES, Answer, Remedy, remedy_for
from tap.core.backoff import Backoff
from tap.core.deployment import Deployment, fitted
from tap.core.errors import LedgerError
from tap.core.model import Entry
from tap.service.running.publishing.older_deployment import consumed

__all__ = ["Delivered", "deliver"]

_TRIES = 4
_BACKOFF = Backoff(0.5, 60.0)
_T = TypeVar("_T")


class _Target(Protocol):
    async def about(self) -> Deployment: ...
    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]: ...


class Delivered(Struct):
    """What the ledger answered."""

    applied: int = 0
    duplicate: int = 0
    stale: int = 0
    rejected: list[Answer] = field(default_factory=list)
    in_part: int = 0
    """Of the accepted entries, those that an older deployment saved without the columns that it does not know."""
    held: int = 0
    """Not sent, since the deployment does not know their kind."""

    def words(self) -> str:
        """The counts, in one line."""
        told = (
            (self.applied, "applied"),
            (self.duplicate, "duplicate"),
            (self.stale, "stale"),
            (len(self.rejected), "rejected"),
        )
        return ", ".join(f"{number} {name}" for number, name in told)

    @property
    def whole(self) -> bool:
        """Everything is in the ledger."""
        return not (self.rejected or self.in_part or self.held)

    def count(self, answer: Answer) -> None:
        """Count one answer."""
        if answer.outcome == "rejected":
            self.rejected.append(answer)
        else:
            setattr(self, answer.outcome, getattr(self, answer.outcome) + 1)


async def deliver(ledger: _Target, entries: Iterable[Entry], show: Callable[[Entry], None]) -> Delivered:
    """Write entries, and show each one when the ledger has answered for it. Returns the counts of the answers.

    Raises ``LedgerError`` if the ledger is away for too long or refuses a whole call. Entries answered until then are
    written.
    """
    delivered = Delivered()
    deployment = await _patiently(ledger.about)
    rest = iter(entries)
    while batch := list(islice(rest, MAX_ENTRIES)):
        while batch:
            fits = [fitted(entry, deployment) for entry in batch]
            going = [(entry, fit) for entry, fit in zip(batch, fits, strict=True) if fit is not None]
            answers = await _patiently(lambda going=going: ledger.ingest([fit for _, fit in going])) if going else []  # type: ignore[misc]
            for (entry, fit), answer in zip(going, answers, strict=False):
                delivered.count(answer)
                delivered.in_part += fit is not entry
                show(entry)
            done = consumed(fits, len(answers))
            delivered.held += done - len(answers)
            batch = batch[done:]
    return delivered


async def _patiently(question: Callable[[], Awaitable[_T]]) -> _T:
    for attempt in range(1, _TRIES):
        try:
            return await question()
        except LedgerError as error:
            if remedy_for(error, attempt=attempt) is not Remedy.RETRY:
                raise
        await sleep(_BACKOFF.wait(attempt))
    return await question()
