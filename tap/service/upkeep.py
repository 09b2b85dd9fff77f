"""What keeps the journal within its bounds: what the ledger has had for long goes, what it has not never does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tap.adapters.journal import Journal, JournalWriter
from tap.core.errors import JournalError
from tap.service.config import Settings
from tap.service.logs import get_logger

__all__ = ["Upkeep"]

_AT_ONCE = 200
"""Entries a turn on the journal's thread: few, so that no commit waits, and no more go than have to."""
_DAY_MS = 86_400_000
_MEGABYTE = 10**6

_log = get_logger(__name__)


class Upkeep:
    """``tidy`` now and then. ``full`` says in words that the journal is beyond its bound and nothing more can go."""

    def __init__(self, writer: JournalWriter, settings: Settings) -> None:
        self.full: str | None = None
        self.size = 0
        """Bytes that the journal's entries took when it was looked at last."""
        self._writer = writer
        self._days = settings.kept_days
        self._bound = settings.journal_megabytes * _MEGABYTE

    async def tidy(self) -> None:
        """Let go of what may go, a little at a time between commits."""
        before = time.time_ns() // 1_000_000 - self._days * _DAY_MS
        try:
            await self._until_done(lambda journal: journal.prune(before, _AT_ONCE))
            self.size = await self._in_writer(lambda journal: journal.size)
            if self.size > self._bound:
                await self._until_done(lambda journal: journal.shrink(self._bound * 9 // 10, _AT_ONCE))
                self.size = await self._in_writer(lambda journal: journal.size)
        except JournalError as error:
            _log.warning(
                "old entries could not be pruned",
                why=error.what,
                next_step=error.hint or "see 'multicam-tap check'; it is tried again every minute",
            )
        else:
            self._judge()

    def _judge(self) -> None:
        full = None
        if self.size > self._bound:
            size, bound = self.size // _MEGABYTE, self._bound // _MEGABYTE
            full = f"the journal holds {size} MB that the ledger has not, {bound} MB are allowed; it goes on keeping"
        if full is not None and self.full is None:
            hint = "see why the ledger does not take it ('multicam-tap check'), or raise TAP_JOURNAL_MEGABYTES"
            _log.error("the journal is beyond its bound", why=full, next_step=hint)
        elif full is None and self.full is not None:
            _log.info("the journal is within its bound again")
        self.full = full

    async def _until_done(self, function: Callable[[Journal], int]) -> None:
        while await self._in_writer(function) == _AT_ONCE:
            pass

    async def _in_writer(self, function: Callable[[Journal], int]) -> int:
        return await asyncio.wrap_future(self._writer.run_in_writer(function))
