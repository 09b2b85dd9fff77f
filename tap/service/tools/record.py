"""``record``: records a tape of a live server, with connects and drops, without secrets and without known telemetry.

Telemetry that the dialect knows is left out, as everywhere. The ``alive`` and ``close`` lines say when it last arrived,
so a replay sees the same silences. For an unknown server nothing is known to be telemetry: the tape has every frame.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyio import create_task_group, move_on_after, run, sleep, sleep_forever
from msgspec import Struct

from tap.adapters.clock import Clock
from tap.adapters.scopes import own_error, stop_signals
from tap.adapters.server import ServerSocket, Timing
from tap.adapters.tape import TapeHeader, TapeWriter
from tap.core.mapping import Dialect
from tap.core.model import Alive, Closed, Frame, Opened, Policy, Sent, SourceItem
from tap.core.redact import redact_bytes

__all__ = ["Recorded", "record", "record_until_stopped"]

_FLUSH_EVERY_S = 1.0
_ALIVE_EVERY_MS = 5_000


class Recorded(Struct):
    """The state of a recording, while it runs and at its end."""

    path: Path
    frames: int = 0
    """Frames on the tape."""
    bytes: int = 0
    """Bytes of those frames, before anything was redacted."""
    telemetry: int = 0
    """Frames that were left out."""
    connections: int = 0
    seconds: float = 0.0
    problem: str | None = None
    """Why there is no connection, in words; None while connected."""


async def record(
    url: str,
    path: str | os.PathLike[str],
    *,
    dialect: Dialect,
    token: str | None = None,
    venue: str | None = None,
    policy: Policy | None = None,
    force: bool = False,
    telemetry: bool = False,
    until: Callable[[], Awaitable[object]] = sleep_forever,
    duration: float | None = None,
    on_progress: Callable[[Recorded], None] | None = None,
    timing: Timing | None = None,
) -> Recorded:
    """Record until ``until`` returns or ``duration`` seconds are over. Returns what was recorded.

    ``telemetry`` records known telemetry, too. ``on_progress`` is called every second. Raises ``ServerError`` if
    ``url`` is not an address, and ``TapeInvalid`` if the tape cannot be created or written.
    """
    recorder = _Recorder(Path(path), dialect, telemetry=telemetry)
    socket = ServerSocket(
        url,
        recorder.on_item,
        recorder.clock,
        token=token,
        dialect=dialect,
        policy=policy,
        timing=timing,
        on_sent=recorder.on_sent,
    )
    start = recorder.clock.stamp()
    header = TapeHeader(dialect=dialect.name, started_at=start.wall, venue=venue, policy=policy)
    with TapeWriter(path, header, start_mono=start.mono, force=force) as tape, own_error():
        recorder.tape = tape
        async with create_task_group() as recording:
            recording.start_soon(socket.run)
            recording.start_soon(recorder.keep_up, socket, on_progress)
            with move_on_after(duration):
                await until()
            recorder.look(socket)
            recording.cancel_scope.cancel()
    return recorder.recorded


def record_until_stopped(url: str, path: str | os.PathLike[str], **options: Any) -> Recorded:
    """``record`` until Ctrl-C or SIGTERM, which both end the tape properly. Same arguments and errors as ``record``."""

    async def body() -> Recorded:
        with stop_signals() as signals:
            until = sleep_forever if signals is None else partial(anext, signals)
            return await record(url, path, until=until, **options)

    return run(body)


class _Recorder:
    """Writes what arrives on the socket to the tape."""

    tape: TapeWriter

    def __init__(self, path: Path, dialect: Dialect, *, telemetry: bool) -> None:
        self.clock = Clock()
        self.recorded = Recorded(path)
        self._dialect = dialect
        self._telemetry = telemetry
        self._start = self.clock.stamp().mono
        self._heard: int | None = None

    def on_item(self, item: SourceItem) -> None:
        if isinstance(item, Frame):
            self._frame(item)
        elif isinstance(item, Opened):
            self.tape.opened(item)
        elif isinstance(item, Closed):
            self.tape.closed(item)
            # A drop is what tapes are made for: it must not wait in a buffer.
            self.tape.flush()

    def on_sent(self, item: Sent) -> None:
        self.tape.out(self._dialect.clean(item.data), item.stamp)

    async def keep_up(self, socket: ServerSocket, on_progress: Callable[[Recorded], None] | None) -> None:
        """Write alive lines, flush, and report progress."""
        alive_at = self._start + _ALIVE_EVERY_MS
        while True:
            await sleep(_FLUSH_EVERY_S)
            now = self.clock.stamp()
            if now.mono >= alive_at:
                self.tape.alive(Alive(now, self._heard))
                alive_at = now.mono + _ALIVE_EVERY_MS
            self.tape.flush()
            self.look(socket)
            if on_progress is not None:
                on_progress(self.recorded)

    def look(self, socket: ServerSocket) -> None:
        """Update the state of the recording."""
        recorded = self.recorded
        recorded.seconds = (self.clock.stamp().mono - self._start) / 1000
        recorded.connections = socket.connection
        recorded.problem = socket.problem

    def _frame(self, frame: Frame) -> None:
        self._heard = frame.stamp.mono
        if not self._telemetry and not frame.binary and self._dialect.is_telemetry(frame.data):
            self.recorded.telemetry += 1
            return
        self.recorded.frames += 1
        self.recorded.bytes += len(frame.data)
        data = redact_bytes(frame.data) if frame.binary else self._dialect.clean(frame.data)
        self.tape.frame(Frame(data, frame.stamp, frame.connection, frame.ordinal, frame.binary))
