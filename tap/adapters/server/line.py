"""One connection to a server, as ``socket`` needs it: the line itself, and who listens on it."""

from __future__ import annotations

from typing import Protocol

from tap.core.mapping import Sniff

__all__ = ["Line", "Listener", "UnreadError"]


class UnreadError(Exception):
    """The server sends pings and reads no answer: the tap ended the line before the answers filled the memory."""


class Listener(Protocol):
    """Who listens on a line. The line calls all of this on the event loop's thread, in the order of what came.

    A method that returns False wants nothing more: the line ends, and calls none of them again.
    """

    sniff: Sniff | None
    """Says of a message whether it is telemetry. Telemetry is counted (``passed``) and not handed on (``received``).
    None: every message is handed on."""

    def reading(self) -> None:
        """Bytes were read. Whatever the line tells until the next call of this came now."""

    def opened(self) -> bool:
        """The WebSocket handshake is through; called once, before any message."""

    def received(self, data: bytes, binary: bool, line: Line) -> bool:
        """A whole message: its payload, and whether it was a binary one. ``line`` is there to answer on."""

    def passed(self, frames: int) -> bool:
        """This many frames of telemetry, one after the other."""


class Line(Protocol):
    """An open connection."""

    heard: int
    """How many WebSocket messages came whole, answers to pings included: what shows that the server is alive."""

    async def send_ping(self) -> None:
        """Send a ping. ``heard`` counts the answer; nobody waits for it."""

    def send_text(self, data: bytes) -> None:
        """Send a text message at once. On a line that is breaking, it goes nowhere; ``ended`` tells why."""

    def hush(self) -> None:
        """From here on the listener hears of no message: what comes is read and let go, until the line ends."""

    def abort(self) -> None:
        """End the line without a goodbye."""

    async def ended(self) -> BaseException:
        """Wait for the end of the line; the error that ended it, which ``disposition`` judges. Raises nothing."""

    async def say_goodbye(self) -> None:
        """Close with code 1001, and wait for the end, for no longer than the line's ``close_timeout``."""
