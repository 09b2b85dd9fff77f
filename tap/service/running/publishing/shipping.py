"""The values that the parts of publishing share: its timing, its state, and what it sends to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from tap.adapters.journal import Kept
from tap.adapters.ledger import Answer
from tap.core.backoff import Backoff
from tap.core.deployment import Deployment
from tap.core.merge import Row
from tap.core.model import Entry

__all__ = ["Pace", "PublishingState", "Shipping", "Target", "from_memory", "outdated"]

PublishingState: TypeAlias = Literal["idle", "shipping", "away", "blocked"]


class Target(Protocol):
    """What entries are sent to: a ``Ledger``."""

    shown: str

    async def about(self) -> Deployment:
        """What it takes; see ``Ledger.about``."""
        ...

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        """Write the first of the entries; see ``Ledger.ingest``."""
        ...

    async def session(self, session_key: str) -> Row | None:
        """One session's row; see ``Ledger.session``."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class Pace(NamedTuple):
    """How patient the publisher is; seconds."""

    first_delay: float = 0.25
    longest_delay: float = 15.0
    longest_asked: float = 60.0
    """The most that ``Retry-After`` may ask for."""
    blocked_every: float = 60.0
    worrying: float = 60.0
    """How long the ledger may be away before that is a warning."""
    look_every: float = 5.0
    """How often the journal is looked into without news, for what the command line let wait again."""
    note_within: float = 5.0
    """How long the ledger's answers may wait for a commit with which the journal notes them."""
    postponed: float = 5.0
    """How long an entry waits on which the ledger fails while it takes others; each time twice as long."""
    longest_postponed: float = 3600.0
    ask_older: float = 60.0
    """How often an older deployment is asked whether it is a newer one by now."""

    def delay(self, attempt: int, jitter: float, asked: float | None) -> float:
        """Seconds to wait after the ``attempt``-th failure in a row.

        ``jitter`` is 0 to 1; ``asked`` is what the ledger asked for (``Retry-After``), if it did.
        """
        delay = Backoff(self.first_delay, self.longest_delay).spread(attempt, jitter)
        return delay if asked is None else max(delay, min(asked, self.longest_asked))

    def faster(self, factor: float) -> Pace:
        """All of it shorter by ``factor``, for rehearsals."""
        return Pace(*(seconds / factor for seconds in self))


class Shipping(Struct):
    """The state of publishing, for ``status`` and metrics. Times are wall ms."""

    state: PublishingState = "idle"
    """``away``: no answer, tried again and again; ``blocked``: somebody has to mend something, tried now and then."""
    since: int = 0
    reason: str | None = None
    """Why it is away or blocked, and what to do about it."""
    hint: str | None = None
    last_success: int | None = None
    waiting: int = 0
    """Entries in the journal that the ledger has not answered for, as of the last look; without those postponed."""
    postponed: int = 0
    """Entries on which the ledger fails while it takes others: they wait by themselves, and are tried again."""
    older: bool = False
    """The deployment's functions are older than this tap."""
    held: int = 0
    """Entries that wait for newer functions: their kind is not known yet, or the older ones refused them."""
    in_part: int = 0
    """Entries that are there without what the older functions do not know, and are sent whole to newer ones."""
    applied: int = 0
    duplicate: int = 0
    stale: int = 0
    dead: int = 0
    """Entries set aside since the start."""
    forgotten: int = 0
    """Entries dropped because their session was forgotten."""
    calls: int = 0
    failures: int = 0

    @property
    def shipped(self) -> int:
        """Entries that the ledger has, by its own answers."""
        return self.applied + self.duplicate + self.stale

    def count(self, answers: Iterable[Answer]) -> None:
        """Add what the ledger answered for, each as it came out."""
        for answer in answers:
            if answer.outcome == "applied":
                self.applied += 1
            elif answer.outcome == "duplicate":
                self.duplicate += 1
            elif answer.outcome == "stale":
                self.stale += 1


def outdated(answered: Iterable[tuple[Kept, Answer]]) -> Iterator[tuple[str, int]]:
    """Rows of which the ledger has a newer version than ours, and which. Older entries of ours are only repetitions."""
    newest = {kept.entry.key: (kept.entry, answer) for kept, answer in answered}
    for entry, answer in newest.values():
        if answer.outcome == "stale" and answer.version is not None and answer.version > entry.version:
            yield entry.key, answer.version


def from_memory(entries: Iterable[Entry | None]) -> list[Entry | None]:
    """These entries; None for a gap, which waits until the disk can be written.

    After a kill the next start would know nothing of it, and would have a longer one over the same time.
    """
    return [None if entry is not None and _is_gap(entry) else entry for entry in entries]


def _is_gap(entry: Entry) -> bool:
    return entry.op == "event" and entry.fields["kind"] == "gap"
