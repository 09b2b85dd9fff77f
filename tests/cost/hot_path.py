"""The hot path alone, to be counted: bytes in, entries and checkpoints out.

``python -m tests.cost.hot_path WHO FRAMES OF``. ``tap``: the line, the socket, the pipeline and the ingest as the
service puts them together, with nothing behind. ``bare``: what websockets itself does with the same bytes. Neither
touches a network, and neither waits for anything. ``OF`` frames are made, and the first ``FRAMES`` of them sent: of two
runs, what is the same falls away in the difference.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.uri import parse_uri
from websockets.utils import accept_key

from bench.load import frames, greeting
from bench.server import framed
from tap.adapters.clock import Clock
from tap.adapters.dialects import load_dialect
from tap.adapters.server import ServerSocket
from tap.adapters.server.websockets_line import WebsocketsLine
from tap.core.machine.memory import Checkpoint
from tap.core.model import Entry, Frame, SourceItem, Stamp
from tap.core.pipeline import Pipeline
from tap.service.running import ingest

__all__ = ["Tap", "reads"]

_READ = 64 * 1024
_URL = "ws://server.test/ws/control"
_ANSWER = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
)


class Wire(asyncio.Transport):
    """A transport that carries what it is fed, and drops what is said."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def feed(self, data: bytes) -> None:
        """What came with one read; more of them where the reader has no room for all."""
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)
            return
        while data:
            room = memoryview(protocol.get_buffer(-1))
            size = min(len(room), len(data))
            room[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Nobody listens."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits."""

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """What is fed is read at once."""

    def resume_reading(self) -> None:
        """As it was."""


class _Stepping(Clock):
    """Time stands still while a read is taken, and goes on by 20 ms between two."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Stamp(1_795_000_000_000, 0)

    def stamp(self) -> Stamp:
        self.now = Stamp(self.now.wall + 20, self.now.mono + 20)
        return self.now


class Tap:
    """The tap's part of a connection that stands. Made on a running loop."""

    def __init__(self) -> None:
        self.entries = self.saved = self.recorded = 0
        dialect, clock = load_dialect("multicam/1"), _Stepping()
        self.pipeline = Pipeline(dialect, venue="cost", tap="cost")
        self._ingest = ingest.Ingest(self.pipeline, self._submit, clock, record=self._record)
        self._socket = ServerSocket(
            _URL, self._ingest.on_item, clock, dialect=dialect,
            on_telemetry=self._ingest.on_telemetry,
        )  # fmt: skip
        protocol = ClientProtocol(parse_uri(_URL), max_size=2**25)
        self.line = WebsocketsLine(protocol, self._socket, max_queue=None)
        self.wire = _open(self.line, protocol)

    def _submit(self, entries: Sequence[Entry], checkpoint: Checkpoint | None) -> None:
        self.entries += len(entries)
        self.saved += checkpoint is not None

    def _record(self, item: SourceItem, *_: object) -> None:
        self.recorded += isinstance(item, Frame)


def _open(connection: ClientConnection, protocol: ClientProtocol) -> Wire:
    wire = Wire(connection)
    connection.connection_made(wire)
    protocol.send_request(protocol.connect())
    wire.feed(_ANSWER.format(accept_key(protocol.key)).encode())
    return wire


def reads(count: int, of: int) -> list[bytes]:
    """The first frames of the bench's load, as reads of 64 KB."""
    sent = b"".join([framed(frame) for frame in (*greeting(8), *frames(of))][: count + 2])
    return [sent[begin : begin + _READ] for begin in range(0, len(sent), _READ)]


async def _tap(count: int, of: int) -> None:
    ingest._TOGETHER_S = 3600.0  # how often it saves must not depend on the machine
    tap = Tap()
    for read in reads(count, of):
        tap.wire.feed(read)
        await asyncio.sleep(0)
    assert tap.pipeline.tally.frames == count + 2, tap.pipeline.tally


async def _bare(count: int, of: int) -> None:
    protocol = ClientProtocol(parse_uri(_URL), max_size=None)
    connection = ClientConnection(protocol, max_queue=None)
    wire = _open(connection, protocol)
    received = 0
    for read in reads(count, of):
        wire.feed(read)
        while connection.recv_messages.frames.queue:
            await connection.recv()
            received += 1
    assert received == count + 2, received


if __name__ == "__main__":
    gc.disable()  # when it runs depends on all that was ever made
    asyncio.run({"tap": _tap, "bare": _bare}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3])))
