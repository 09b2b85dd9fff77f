"""What an older deployment has not, or only in part: it waits, holds up nobody, and goes whole to newer functions.

Such entries stay pending in the journal, so a restart loses none of them. It sends once more in part what was sent in
part before, which the ledger knows as a repetition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tap.core.deployment import Deployment, fitted
from tap.core.model import Entry

__all__ = ["IN_PART", "REFUSED", "UNKNOWN", "OlderDeployment", "consumed"]

UNKNOWN = "waits: the deployment's functions are older than this tap, and do not know this kind of event"
IN_PART = "is in the ledger without what its older functions do not know; newer ones get it whole"
REFUSED = "waits for newer functions; the older ones refuse it"


class OlderDeployment:
    """What the deployment takes, and which entries, by ``seq``, wait for one that takes more. Times are seconds."""

    def __init__(self, every: float) -> None:
        self.deployment: Deployment | None = None
        """As it said last; None before that."""
        self._every = every
        self._ask_at = 0.0
        self._in_part: dict[int, str] = {}
        self._held: dict[int, str] = {}

    def __contains__(self, seq: int) -> bool:
        return seq in self._held or seq in self._in_part

    @property
    def is_older(self) -> bool:
        """The deployment is known to be older."""
        return self.deployment is not None and self.deployment.older

    @property
    def held(self) -> int:
        """Entries that are not in the ledger at all."""
        return len(self._held)

    @property
    def in_part(self) -> int:
        """Entries that are, without what it does not know."""
        return len(self._in_part)

    def is_to_ask(self, now: float) -> bool:
        """Whether the deployment is to be asked what it takes: at first, and an older one now and then."""
        return self.deployment is None or (self.deployment.older and now >= self._ask_at)

    def told(self, deployment: Deployment, now: float) -> bool:
        """It said what it takes; whether that is more than before, so that what waited is let go."""
        before, self.deployment = self.deployment, deployment
        self._ask_at = now + self._every
        if before is None or before == deployment or deployment.contract < before.contract:
            return False
        self._held.clear()
        self._in_part.clear()
        return True

    def fitted(self, entries: Iterable[Entry]) -> list[Entry | None]:
        """The entries as the deployment takes them; None for those that have to wait."""
        deployment = self.deployment
        return [entry if deployment is None else fitted(entry, deployment) for entry in entries]

    def hold(self, seq: int, session_key: str, *, in_part: bool = False) -> None:
        """It waits for newer functions; ``in_part``: something of it is in the ledger."""
        (self._held if in_part else self._in_part).pop(seq, None)
        (self._in_part if in_part else self._held)[seq] = session_key

    def drop(self, session_keys: Iterable[str]) -> None:
        """These sessions are forgotten: nothing of them waits."""
        gone = set(session_keys)
        for waiting in (self._held, self._in_part):
            for seq in [seq for seq, session in waiting.items() if session in gone]:
                del waiting[seq]


def consumed(fits: Sequence[Entry | None], answered: int) -> int:
    """How many entries are settled after this many answers to those that fit; all of them, if all are answered."""
    for place, fit in enumerate(fits):
        if fit is not None and not answered:
            return place
        answered -= fit is not None
    return len(fits)
