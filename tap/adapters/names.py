"""Host names: looked up on threads that nobody waits for, and told whether they are this machine.

A look-up without a network takes as long as it likes, and the threads of an event loop are joined at the end of the
process: SIGTERM would wait for it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any

__all__ = ["is_loopback", "look_up"]

_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")


def is_loopback(host: str) -> bool:
    """Whether a host, as it stands in a URL or a setting (no brackets), can only be this machine. No look-up."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


async def look_up(host: str, port: int, family: int = 0) -> list[Any]:
    """The addresses of a name, as ``socket.getaddrinfo`` gives them; ``OSError`` where there are none."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Any]] = loop.create_future()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, socket.AddressFamily(family), socket.SOCK_STREAM)
            tell = partial(_tell, found, infos, None)
        except (OSError, UnicodeError) as error:
            tell = partial(_tell, found, [], error if isinstance(error, OSError) else OSError("no such name"))
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=ask, name="name", daemon=True).start()
    return await found


def _tell(found: asyncio.Future[list[Any]], infos: list[Any], error: OSError | None) -> None:
    if found.done():
        return
    if error is None:
        found.set_result(infos)
    else:
        found.set_exception(error)
