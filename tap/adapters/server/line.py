"""One connection to a server, as ``socket`` needs it: what hears, what is heard, and the line between them."""

from __future__ import annotations

from typing import Protocol

from tap.core.mapping import Sniff

__all__ = ["Ear", "Line", "UnreadError"]


class UnreadError(Exception):
    """The server asks for answers, and reads none of them: the line was ended before they filled the memory."""


class Ear(Protocol):
    """Who listens on a line. All of it is called on the event loop's thread, in the order of what came."""

    sniff: Sniff | None
    """Tells telemetry, which is then only counted: ``passed`` instead of ``received``. None: all is received."""

    def reading(self) -> None:
        """Bytes came: what is told until the next call was received now."""

    def opened(self) -> bool:
        """The line stands; called before any frame. False where nobody wants it."""

    def received(self, data: bytes, binary: bool, line: Line) -> bool:
        """A whole message. False where nobody wants more."""

    def passed(self, frames: int) -> bool:
        """So many frames of telemetry, one after the other. False where nobody wants more."""


class Line(Protocol):
    """A connection that stands."""

    heard: int
    """WebSocket messages that came whole, answers to pings included."""

    async def ask(self) -> None:
        """Send a ping; nobody waits for the single answer."""

    def say(self, data: bytes) -> None:
        """Send a text message at once. Where the line is just breaking, its end is told as always."""

    def abort(self) -> None:
        """End it without a goodbye."""

    async def ended(self) -> BaseException:
        """Wait for its end; why it ended."""

    async def part(self) -> None:
        """Say goodbye (1001), and wait for the end, for no longer than ``close_timeout``."""
