"""Connections without a page: those that came before the pages were imported, and those that are too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

__all__ = ["PendingConnection", "RefusedConnection"]

_MOST_SAID = 65_536
"""Bytes that a client may send before it gets an answer: several requests."""


class PendingConnection(asyncio.Protocol):
    """Holds a connection, and what the client sends, until the pages are imported.

    ``gone`` is called if the client leaves before that.
    """

    def __init__(self, gone: Callable[[PendingConnection], None]) -> None:
        self._gone: Callable[[PendingConnection], None] | None = gone
        self._transport: asyncio.Transport | None = None
        self._said = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of a stream, both ways; uvloop's do not say so by their class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._said += data
        if len(self._said) > _MOST_SAID and self._transport is not None:
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._gone is not None:
            self._gone(self)

    def open(self, protocol: asyncio.Protocol) -> None:
        """Hand the connection to ``protocol``, with everything that was received."""
        transport, self._gone = self._transport, None
        if transport is None or transport.is_closing():
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._said and not transport.is_closing():
            protocol.data_received(bytes(self._said))

    def shut(self) -> None:
        """Close the connection."""
        self._gone = None
        if self._transport is not None:
            self._transport.abort()


class RefusedConnection(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).abort()
