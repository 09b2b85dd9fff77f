"""Where reading stands: what a tape's own times and connections are in the history that is read."""

from __future__ import annotations

from tap.adapters.tape.lines import TapeHeader
from tap.core.model import Closed, Frame, Opened, Stamp

__all__ = ["Position"]


class Position:
    """The clock and the connection up to which was read, carried from tape to tape."""

    def __init__(self) -> None:
        self.shift = 0
        """From a tape's ``t`` (ms) to the ``mono`` of the history."""
        self._last: Stamp | None = None
        self._joint = False
        self._connection = 0
        self._ordinal = 0
        self._unopened = True
        self._open = False

    def next_tape(self, header: TapeHeader) -> Closed | None:
        """Go on with another tape. The close to give before its items, where the tap had stopped in between."""
        self._joint = self._last is not None
        if header.continues:
            return None
        stopped = Closed(self._last, self._connection, "tap stopped") if self._open and self._last else None
        self._unopened, self._open = True, False
        return stopped

    def stamp(self, t: int, wall: int) -> Stamp:
        """The stamp of a line: ``t`` ms after its tape's start, ``wall`` ms. ``mono`` never goes back."""
        last = self._last
        if self._joint and last is not None:
            self.shift = last.mono + max(0, wall - last.wall) - t
            self._joint = False
        mono = t + self.shift
        self._last = Stamp(wall, mono if last is None else max(mono, last.mono))
        return self._last

    def frame(self, data: bytes, stamp: Stamp, binary: bool) -> Frame:
        """A frame on the connection that is open, or on a new one."""
        if self._unopened:
            self._next_connection()
        # Also after a close: if that was a greeting, the machine has a connection open again.
        self._open = True
        self._ordinal += 1
        return Frame(data, stamp, self._connection, self._ordinal, binary)

    def opened(self, stamp: Stamp, reason: str | None) -> Opened:
        """The beginning of another connection."""
        self._next_connection()
        self._open = True
        return Opened(stamp, self._connection, reason)

    def closed(self, stamp: Stamp, reason: str | None, heard: int | None) -> Closed:
        """The end of the connection; ``heard``: when the server was received last (mono ms)."""
        if self._unopened:
            self._next_connection()
        self._open = False
        return Closed(stamp, self._connection, reason, heard)

    def _next_connection(self) -> None:
        self._connection += 1
        self._ordinal = 0
        self._unopened = False
