"""Sessions that the ledger says it has forgotten: believed only where its own row says so too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tap.core.errors import LedgerError
from tap.service.running.publishing.shipping import Target

__all__ = ["ForgottenSessions"]


class ForgottenSessions:
    """Which sessions are known to be forgotten, by their keys."""

    def __init__(self, ledger: Target) -> None:
        self._ledger = ledger
        self._known: set[str] = set()

    def add(self, session: str) -> bool:
        """Remember a session as forgotten; whether that is new."""
        new = session not in self._known
        self._known.add(session)
        return new

    async def confirmed(self, sessions: Iterable[str]) -> list[str]:
        """Those of the sessions that the ledger really has forgotten: what goes here for one wrong word is gone."""
        confirmed = []
        for session in sessions:
            if session not in self._known:
                try:
                    row = await self._ledger.session(session)
                except LedgerError:
                    # The others are asked for when their entries are tried again.
                    break
                said = None if row is None else row.retracted
                if not isinstance(said, Mapping) or said.get("reason") != "forgotten":
                    continue
            confirmed.append(session)
        return confirmed
