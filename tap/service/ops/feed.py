"""The news for live pages, as server-sent events. The number of clients and of pending messages is limited.

A client that reads more slowly than news come is disconnected. Its page reconnects by itself, and then requests
everything again. So no page can make the service wait, or fill its memory.
"""

from __future__ import annotations

from collections import deque

import msgspec
from anyio import Event

from tap.core.status import Happening, Now

__all__ = ["MOST_CLIENTS", "Client", "Feed", "event"]

MOST_CLIENTS = 16
_MOST_WAITING = 60
"""Pending messages of one client, at most: half a minute of news."""

_encode = msgspec.json.Encoder().encode


def event(name: str, said: object) -> bytes:
    """One server-sent event; JSON has no line ends in it."""
    return b"event: " + name.encode() + b"\ndata: " + _encode(said) + b"\n\n"


class Client:
    """One open page."""

    def __init__(self) -> None:
        self.gone = False
        """It is to be disconnected: it was too slow, or has to request everything again."""
        self._waiting: deque[bytes] = deque()
        self._news = Event()

    def put(self, message: bytes) -> bool:
        """Queue a message. False if the client is too far behind."""
        if len(self._waiting) >= _MOST_WAITING:
            self.drop()
        else:
            self._waiting.append(message)
            self._news.set()
        return not self.gone

    def drop(self) -> None:
        """Disconnect it."""
        self.gone = True
        self._waiting.clear()
        self._news.set()

    async def next(self) -> bytes | None:
        """Wait for messages, and return all of them; None if the client is to be disconnected."""
        await self._news.wait()
        self._news = Event()
        if self.gone:
            return None
        message = b"".join(self._waiting)
        self._waiting.clear()
        return message


class Feed:
    """All open pages."""

    def __init__(self) -> None:
        self.dropped = 0
        """How many clients were disconnected or refused: they were too slow, or too many."""
        self._clients: set[Client] = set()

    @property
    def clients(self) -> int:
        """How many pages are open."""
        return len(self._clients)

    def join(self) -> Client | None:
        """Add a client; None if there are too many."""
        if len(self._clients) >= MOST_CLIENTS:
            self.dropped += 1
            return None
        client = Client()
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Remove a client. To do so twice is harmless."""
        self._clients.discard(client)

    def happened(self, news: list[Happening]) -> None:
        """Send happenings to every page."""
        if news:
            self._send("happened", news)

    def now(self, now: Now) -> None:
        """Send the current state to every page."""
        self._send("now", now)

    def renew(self) -> None:
        """Make every page request everything again, since much of what it shows has changed."""
        clients, self._clients = self._clients, set()
        for client in clients:
            client.drop()

    def _send(self, name: str, said: object) -> None:
        if not self._clients:
            return
        message = event(name, said)
        for client in [client for client in self._clients if not client.put(message)]:
            self.dropped += 1
            self.leave(client)
