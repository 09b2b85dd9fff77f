"""Host names: looked up on threads that nobody waits for, and whether a name is this machine."""

from __future__ import annotations

import re
import socket
from typing import Any

from tap.adapters.threads import on_daemon

__all__ = ["is_loopback", "look_up"]

_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")


def is_loopback(host: str) -> bool:
    """Whether a host, as it is in a URL or a setting (no brackets), can only be this machine. No look-up."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


async def look_up(host: str, port: int, family: int = 0) -> list[Any]:
    """The addresses of a name, as ``socket.getaddrinfo`` gives them; ``OSError`` where there are none.

    However long it takes: nobody waits for it at the end.
    """

    def ask() -> list[Any]:
        try:
            return list(socket.getaddrinfo(host, port, socket.AddressFamily(family), socket.SOCK_STREAM))
        except UnicodeError:
            raise OSError("no such name") from None

    return await on_daemon(ask, "name")
