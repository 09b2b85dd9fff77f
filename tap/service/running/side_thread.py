"""Work beside the loop that nobody waits for at the end: a disk may hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from tap.core.errors import JournalError
from tap.service.logs import get_logger

__all__ = ["in_thread"]

_REPORT = "report it, with this line; recording goes on"
_log = get_logger(__name__)
_T = TypeVar("_T")


def in_thread(function: Callable[[], _T]) -> asyncio.Future[_T | None]:
    """What a function gives, on a thread that nobody waits for at the end: a disk may hang. None where it fails."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T | None] = loop.create_future()

    def answer(result: _T | None) -> None:
        if not future.done():
            future.set_result(result)

    def body() -> None:
        result: _T | None = None
        try:
            result = function()
        except JournalError:
            pass  # whoever writes the journal tells of it
        except Exception:  # noqa: BLE001 - nobody else would hear of it
            _log.exception(
                "a bug of the tap: a look at it failed", next_step="report it, with this line; recording goes on"
            )
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(answer, result)

    threading.Thread(target=body, name="ops-aside", daemon=True).start()
    return future
