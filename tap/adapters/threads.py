"""From another thread to the event loop and back, without either of them waiting for the other.

A disk or a name server may hang for ever, so whoever asks one does it on a daemon thread: nobody joins it, neither at
the end of the loop nor of the process, and SIGTERM need not wait for it. The threads of ``anyio.to_thread`` are joined
at the end of the process; they are for what computes, and is soon done.

anyio's own way back (``from_thread``) holds the other thread until the loop has had its turn, and with it the commits
of the journal. So this module, and no other above the lines, asks the loop itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from anyio import Event

__all__ = ["Bell", "on_daemon", "result_of", "start_daemon", "wait_for_end"]

_T = TypeVar("_T")


class Bell:
    """Any thread can ring it; it wakes one task of an event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = Event()

    def listen(self) -> None:
        """From here on it wakes a task of this event loop. Rings before that have no effect."""
        self._loop = asyncio.get_running_loop()

    def ring(self) -> None:
        """There is something to do. From any thread, and cheap; in vain before ``listen`` and after the loop's end."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        self._rung.set()

    def mute(self) -> None:
        """What was rung for up to here is seen to: only what is rung from now on ends a wait."""
        if self._rung.is_set():
            self._rung = Event()

    async def wait(self) -> None:
        """Wait until it is rung; at once where it was since the last ``mute``."""
        await self._rung.wait()


async def wait_for_end(future: Future[Any]) -> None:
    """Wait until another thread has given its answer, whatever that is; to be read from the future."""
    done = Bell()
    done.listen()
    future.add_done_callback(lambda _: done.ring())
    await done.wait()


async def result_of(future: Future[_T]) -> _T:
    """Wait for what another thread gives, or raise what it raises.

    A wait that is cancelled takes the question back: where the thread has not begun with it, it never will.
    """
    try:
        await wait_for_end(future)
    finally:
        future.cancel()
    return future.result()


def start_daemon(function: Callable[[], _T], name: str) -> Future[_T]:
    """Run a function on a daemon thread of its own; what will come of it."""
    future: Future[_T] = Future()

    def body() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits for it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=body, name=name, daemon=True).start()
    return future


async def on_daemon(function: Callable[[], _T], name: str) -> _T:
    """What a function gives or raises, on a daemon thread that nobody waits for at the end."""
    return await result_of(start_daemon(function, name))
