"""Much telemetry is left to gather in the kernel, and read at intervals, as network cards and their drivers do it.

Waking up for a frame costs many times what reading it does. So while telemetry comes thick, nobody is woken for it: the
transport does not watch the socket, and a timer reads what is there. Watching begins again as soon as a read finds
nothing, or too much, or anything but whole text messages. A line that was calm is always watched: what comes on it is
read at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

__all__ = ["Gathering"]

REST_S = 0.008
"""How long telemetry may wait in the kernel where much of it comes. What comes amid it is read, and dated, that much
later at most: a quarter of a video frame, and 4 ms would cost a third more CPU at 1,000 frames a second."""
DENSE_S = 0.005
"""Reads so soon after one another, with telemetry in each, are much of it; the rest between two does not count."""


class Gathering:
    """When a line that is read by ``reader`` rests. ``is_held`` says whether it must not be read for another reason;
    who holds it lets it go on. ``on_nothing`` is called when nothing came in a rest.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        reader: asyncio.BufferedProtocol,
        loop: asyncio.AbstractEventLoop,
        is_held: Callable[[], bool],
        on_nothing: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._loop = loop
        self._is_held = is_held
        self._on_nothing = on_nothing
        self._socket = _readable(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._watched = True
        """The transport reads: it was not paused from here."""
        self._read_at = float("-inf")
        self._has_rested = False
        """The line did rest before the next read."""

    @property
    def is_resting(self) -> bool:
        """Nothing is read until a timer goes off."""
        return self._timer is not None

    @property
    def sees_nothing(self) -> bool:
        """Whether it is seen when nothing came in a rest: not where somebody else reads for the transport (TLS)."""
        return self._socket is not None

    def is_dense(self) -> bool:
        """Whether telemetry, which was just read, comes thick."""
        before, self._read_at = self._read_at, self._loop.time()
        rested, self._has_rested = self._has_rested, False
        return self._read_at - before < (REST_S + DENSE_S if rested else DENSE_S)

    def rest(self) -> None:
        """Let what comes gather for a while."""
        if self.is_resting or self._transport.is_closing():
            return
        if self._watched:
            self._watched = False
            self._transport.pause_reading()
        self._has_rested = True
        self._timer = self._loop.call_later(REST_S, self._rested)

    def stop(self) -> None:
        """The line is lost: read no more of it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rested(self) -> None:
        self._timer = None
        # Once the transport closes, the socket's number may be that of another one.
        if self._transport.is_closing():
            return
        try:
            if self._socket is not None:
                self._read(self._socket)
        finally:
            if not self.is_resting and not self._transport.is_closing():
                self._watched = True
                if not self._is_held():
                    self._transport.resume_reading()

    def _read(self, socket: int) -> None:
        """One read without the transport: to have it look for one costs more than the read does."""
        try:
            size = os.readv(socket, [self._reader.get_buffer(-1)])
        except OSError:
            # There is nothing, or the connection is broken. The end, as any other, is for the transport to find.
            self._on_nothing()
            return
        if size:
            self._reader.buffer_updated(size)


def _readable(transport: asyncio.Transport) -> int | None:
    """The number of a socket whose bytes are those of the line; None where they are not (TLS), or there is none."""
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("sslcontext") is not None or not hasattr(os, "readv"):
        return None
    number: int = socket.fileno()
    return number if number >= 0 else None
