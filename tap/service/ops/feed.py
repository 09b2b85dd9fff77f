"""The live pages' news, as server-sent events: bounded in clients, in what waits for one, and in patience.

Who reads slower than things happen is dropped, and comes again by itself: its page asks for everything anew then. So
no page can make the service wait, nor fill its memory.
"""

from __future__ import annotations

from collections import deque

import msgspec
from anyio import Event

from tap.core.status import Happening, Now

__all__ = ["MOST_CLIENTS", "Client", "Feed", "event"]

MOST_CLIENTS = 16
_MOST_WAITING = 60
"""Messages for one client: half a minute of news."""

_encode = msgspec.json.Encoder().encode


def event(name: str, said: object) -> bytes:
    """One server-sent event; JSON has no line ends in it."""
    return b"event: " + name.encode() + b"\ndata: " + _encode(said) + b"\n\n"


class Client:
    """One page that listens."""

    def __init__(self) -> None:
        self.gone = False
        """It was too slow."""
        self._waiting: deque[bytes] = deque()
        self._news = Event()

    def put(self, message: bytes) -> bool:
        """Queue a message; False where the client is too far behind."""
        if len(self._waiting) >= _MOST_WAITING:
            self.gone = True
            self._waiting.clear()
        else:
            self._waiting.append(message)
        self._news.set()
        return not self.gone

    async def next(self) -> bytes | None:
        """All that waits, when there is something; None for a client that is to be dropped."""
        await self._news.wait()
        self._news = Event()
        if self.gone:
            return None
        message = b"".join(self._waiting)
        self._waiting.clear()
        return message


class Feed:
    """Everybody who listens."""

    def __init__(self) -> None:
        self.dropped = 0
        """Clients that were too slow, or too many."""
        self._clients: set[Client] = set()

    @property
    def clients(self) -> int:
        """How many listen."""
        return len(self._clients)

    def join(self) -> Client | None:
        """Another one; None where there are too many."""
        if len(self._clients) >= MOST_CLIENTS:
            self.dropped += 1
            return None
        client = Client()
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """It listens no more; more than once does no harm."""
        self._clients.discard(client)

    def happened(self, news: list[Happening]) -> None:
        """Tell everybody what happened."""
        if news:
            self._send("happened", news)

    def now(self, now: Now) -> None:
        """Tell everybody how things stand."""
        self._send("now", now)

    def _send(self, name: str, said: object) -> None:
        if not self._clients:
            return
        message = event(name, said)
        for client in [client for client in self._clients if not client.put(message)]:
            self.dropped += 1
            self.leave(client)
