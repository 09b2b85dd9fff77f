"""What keeps the journal within its bounds: what the ledger has had for long goes, what it has not never does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tap.adapters.clock import wall_ms
from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.threads import result_of
from tap.core.errors import JournalError
from tap.service.config import Settings
from tap.service.log_throttle import LogThrottle
from tap.service.logs import get_logger

__all__ = ["JournalPruner"]

_AT_ONCE = 200
"""Entries a turn on the journal's thread: few, so that no commit waits, and no more go than have to."""
_STEP = 5_000
"""Entries that go for their age at once, each time that it is looked: far more than a day brings in a minute."""
_DAY_MS = 86_400_000
_TOLD_EVERY_S = 3_600.0
_MEGABYTE = 10**6

_log = get_logger(__name__)


async def _always() -> bool:
    return True


class JournalPruner:
    """``tidy`` now and then. ``full`` says in words that the journal is over its size limit and nothing more can go.

    ``believed``: whether the clock is, by which something would go for its age.
    """

    def __init__(
        self, writer: JournalWriter, settings: Settings, *, believed: Callable[[], Awaitable[bool]] = _always
    ) -> None:
        self.full: str | None = None
        self.size = 0
        """Bytes that the journal's entries took when it was looked at last."""
        self._writer = writer
        self._days = settings.kept_days
        self._bound = settings.journal_megabytes * _MEGABYTE
        self._believed = believed
        self._told = LogThrottle(_TOLD_EVERY_S)
        self._failing = False

    async def tidy(self) -> None:
        """Let go of what may go, a little at a time between commits."""
        try:
            now = wall_ms()
            if await self._believed():
                # A clock that is set right after it was believed, or right before, deletes nothing.
                await self._let_go_of_the_old(min(now, wall_ms()))
            self.size = await self._in_writer(lambda journal: journal.size)
            if self.size > self._bound:
                await self._until_done(lambda journal: journal.shrink(self._bound * 9 // 10, _AT_ONCE))
                self.size = await self._in_writer(lambda journal: journal.size)
        except JournalError as error:
            if not self._failing:
                _log.warning(
                    "old entries could not be pruned",
                    why=error.what,
                    next_step=error.hint or "see 'multicam-tap check'; the tap tries again every minute",
                )
            self._failing = True
        else:
            self._failing = False
            self._judge()

    async def _let_go_of_the_old(self, now: int) -> None:
        """One step of what is too old. A clock that is wrong in spite of everything then takes little at a time."""
        before = now - self._days * _DAY_MS
        gone, last = 0, _AT_ONCE
        while gone < _STEP and last == _AT_ONCE:
            last = await self._in_writer(lambda journal: journal.prune(before, _AT_ONCE))
            gone += last
        told = self._told.happened(gone)
        if told:
            _log.info("entries were deleted that the ledger has: they were too old", entries=told, days=self._days)

    def _judge(self) -> None:
        full = None
        if self.size > self._bound:
            size, bound = self.size // _MEGABYTE, self._bound // _MEGABYTE
            full = (
                f"the journal has {size} MB that the ledger does not have ({bound} MB are allowed); it still saves all"
            )
        if full is not None and self.full is None:
            hint = "see why the ledger does not accept them ('multicam-tap check'), or raise TAP_JOURNAL_MEGABYTES"
            _log.error("the journal is over its size limit", why=full, next_step=hint)
        elif full is None and self.full is not None:
            _log.info("the journal is below its size limit again")
        self.full = full

    async def _until_done(self, function: Callable[[Journal], int]) -> None:
        while await self._in_writer(function) == _AT_ONCE:
            pass

    async def _in_writer(self, function: Callable[[Journal], int]) -> int:
        return await result_of(self._writer.run_in_writer(function))
