"""Work beside the loop that nobody waits for at the end: a disk may hang."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from tap.adapters.threads import result_of, start_daemon
from tap.core.errors import JournalError
from tap.service.logs import get_logger

__all__ = ["begin_in_thread", "in_thread"]

_REPORT = "report it, with this line; recording goes on"
_log = get_logger(__name__)
_T = TypeVar("_T")


async def in_thread(function: Callable[[], _T]) -> _T | None:
    """What a function gives, on a thread that nobody waits for at the end: a disk may hang. None where it fails."""
    return await result_of(begin_in_thread(function))


def begin_in_thread(function: Callable[[], _T]) -> Future[_T | None]:
    """The same, without waiting for it here."""

    def body() -> _T | None:
        try:
            return function()
        except JournalError:
            return None  # whoever writes the journal tells of it
        except Exception:  # noqa: BLE001 - nobody else would hear of it
            _log.exception("a bug of the tap: a page could not be made", next_step=_REPORT)
            return None

    return start_daemon(body, "ops-aside")
