"""How a line is read while telemetry comes thick: in groups, by a timer; and at once, like any other, when it is calm.

The socket is a real one. The loop's time is the test's, and its transport too: nothing here waits for a clock.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson
import pytest
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from tap.adapters.dialects import load_dialect
from tap.adapters.server.gathering import DENSE_S, REST_S, Gathering
from tap.adapters.server.line import Line
from tap.adapters.server.websockets_line import WebsocketsLine
from tap.core.mapping import Sniff
from tests.adapters.test_socket import message

_MS = 0.001
_ANSWER = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
)


def pose(size: int = 500) -> bytes:
    """Telemetry."""
    return message(b'{"type":"pose","p":"' + b"0" * size + b'"}')


def cut(number: int) -> bytes:
    return message(orjson.dumps({"type": "cut", "cut_id": number, "to": "c1"}))


class _Timer:
    def __init__(self, when: float, what: Callable[[], None]) -> None:
        self.when, self.what = when, what
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """As much of an event loop as a line needs, with a time that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[_Timer] = []
        self._soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, what: Callable[[], None]) -> _Timer:
        self.timers.append(_Timer(self.now + delay, what))
        return self.timers[-1]

    def call_soon(self, what: Callable[[], None]) -> None:
        self._soon.append(what)

    @property
    def waiting(self) -> int:
        """Timers that will go off."""
        return sum(not timer.cancelled for timer in self.timers)

    def turn(self) -> None:
        """Call what is due."""
        soon, self._soon = self._soon, []
        for what in soon:
            what()
        due = [timer for timer in self.timers if timer.when <= self.now + _MS / 1000]
        for timer in due:
            self.timers.remove(timer)
            if not timer.cancelled:
                timer.what()


class Wire(asyncio.Transport):
    """A transport that reads its socket when the test lets it, and not while it is paused."""

    def __init__(self, ours: socket.socket, *, secure: bool = False) -> None:
        super().__init__({"socket": ours, "sslcontext": object() if secure else None})
        self.socket = ours
        self.protocol: Any = None
        self.watches = True
        self.closing = False
        self.reads = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        self.watches = False

    def resume_reading(self) -> None:
        self.watches = True

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Nobody listens."""

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits."""

    def abort(self) -> None:
        self.closing = True

    def close(self) -> None:
        self.closing = True

    def turn(self) -> None:
        """What the loop does when the socket can be read."""
        while self.watches and not self.closing:
            try:
                size = os.readv(self.socket.fileno(), [self.protocol.get_buffer(-1)])
            except BlockingIOError:
                return
            if not size:
                self.protocol.eof_received()
                self.closing = True
            else:
                self.reads += 1
                self.protocol.buffer_updated(size)


class Ear:
    """Notes what it is told, and when."""

    def __init__(self, loop: Loop) -> None:
        sniff = load_dialect("multicam/1").sniff
        assert sniff is not None
        self.sniff: Sniff | None = sniff
        self.reads = 0
        self.passed_frames = 0
        self.cuts: list[tuple[int, int, float]] = []
        """Its number, the frames of telemetry before it, and when."""
        self._loop = loop

    def reading(self) -> None:
        self.reads += 1

    def opened(self) -> bool:
        return True

    def received(self, data: bytes, binary: bool, _line: Line) -> bool:
        if not binary:
            self.cuts.append((orjson.loads(data)["cut_id"], self.passed_frames, self._loop.now))
        return True

    def passed(self, frames: int) -> bool:
        self.passed_frames += frames
        return True


class Scene:
    """A line that is open, and the server's end of it."""

    def __init__(self, *, secure: bool = False) -> None:
        ours, self.server = socket.socketpair()
        ours.setblocking(False)
        self.loop, self.wire = Loop(), Wire(ours, secure=secure)
        self.ear = Ear(self.loop)
        self.acknowledged = 0
        protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"))
        self.line = WebsocketsLine(protocol, self.ear, close_timeout=1, max_queue=None)
        self.line.loop = self.loop  # type: ignore[assignment]
        self.line.acknowledge = self._acknowledge  # type: ignore[method-assign]
        self.wire.protocol = self.line
        self.line.connection_made(self.wire)
        protocol.send_request(protocol.connect())
        self.say(_ANSWER.format(accept_key(protocol.key)).encode())
        self.turn()
        self.reads = self.ear.reads

    def _acknowledge(self) -> None:
        self.acknowledged += 1

    def say(self, data: bytes) -> None:
        """Send this, all at once. In such a pair it is there then."""
        self.server.sendall(data)

    def turn(self) -> None:
        """One turn of the loop: what came is read, and timers that are due go off."""
        self.wire.turn()
        self.loop.turn()
        self.wire.turn()

    def later(self, seconds: float) -> None:
        """Time goes on, a millisecond a turn."""
        for _ in range(round(seconds / _MS)):
            self.loop.now += _MS
            self.turn()

    def rests(self) -> None:
        """Telemetry comes, and some more at once: the line rests."""
        for _ in range(2):
            self.say(pose())
            self.turn()
        assert not self.wire.watches
        assert self.loop.waiting == 1
        self.reads = self.ear.reads

    @property
    def reads_since(self) -> int:
        return self.ear.reads - self.reads


@contextmanager
def scene(*, secure: bool = False) -> Iterator[Scene]:
    made = Scene(secure=secure)
    try:
        yield made
    finally:
        made.server.close()
        made.wire.socket.close()
        if made.line._socket is not None:
            made.line._socket.close()


async def test_on_a_calm_line_each_frame_is_read_when_it_comes() -> None:
    """However often: the transport watches the socket all the time."""
    with scene() as on:
        for number in range(200):
            on.say(cut(number) if number % 3 == 0 else pose())
            before = on.ear.reads
            on.turn()
            assert on.ear.reads == before + 1
            assert on.wire.watches
            on.later(DENSE_S + _MS)
        assert [number for number, _, _ in on.ear.cuts] == list(range(0, 200, 3))


async def test_cuts_without_telemetry_are_never_left_to_wait() -> None:
    """However thick they come."""
    with scene() as on:
        for number in range(100):
            on.say(cut(number))
            on.later(_MS)
            assert on.ear.cuts[-1][0] == number
            assert on.wire.watches


async def test_a_busy_line_is_read_in_groups_and_nothing_is_lost() -> None:
    """A frame each millisecond: few reads, all frames in order, and a cut amid them is told one rest later at most."""
    with scene() as on:
        said = {}
        for number in range(1000):
            if number % 10 == 9:
                said[number] = on.loop.now
                on.say(cut(number))
            else:
                on.say(pose())
            on.later(_MS)
        on.later(2 * REST_S)
        assert on.ear.passed_frames == 900
        assert [(number, before) for number, before, _ in on.ear.cuts] == [(n, n - n // 10) for n in said]
        assert all(when - said[number] <= REST_S + _MS for number, _, when in on.ear.cuts)
        assert on.reads_since < 1000 / 3.5


async def test_when_nothing_came_in_a_rest_the_line_is_watched_and_the_server_hears_it() -> None:
    """A server that waits for an acknowledgement before it says more waits no longer than a rest."""
    with scene() as on:
        on.rests()
        acknowledged = on.acknowledged
        on.later(REST_S)
        assert on.wire.watches
        assert not on.loop.waiting
        assert on.acknowledged == acknowledged + 1
        on.say(cut(1))
        on.turn()
        assert [number for number, _, _ in on.ear.cuts] == [1]


async def test_what_goes_on_is_acknowledged_by_nothing_but_the_reads() -> None:
    """To say so for each of them costs more than to read it."""
    with scene() as on:
        on.rests()
        acknowledged = on.acknowledged
        for number in range(100):
            on.say(pose() + cut(number))
            on.later(_MS)
        assert on.acknowledged == acknowledged


@pytest.mark.parametrize(
    "other",
    [
        *(cut(1)[:9], message(b"ping", 9), message(b"ping", 9) + pose(), message(b"binary", 2)),
        *(message(b'{"type":"po', fin=False), pose() * 200),
    ],
    ids=["a part of a cut", "a ping", "a ping amid it", "binary", "a fragment", "more than the line has room for"],
)
async def test_what_else_is_read_after_a_rest_ends_it(other: bytes) -> None:
    """Behind it the next comes at once, however thick it was before."""
    with scene() as on:
        on.rests()
        on.say(pose() + other)
        on.later(REST_S)
        assert on.reads_since >= 1
        assert on.wire.watches
        assert not on.loop.waiting


async def test_a_line_that_is_full_does_not_rest() -> None:
    """Where much was read at once, what comes behind it in the same turn is read at once, however little it is."""
    with scene() as on:
        on.say(pose() * 200)
        on.wire.turn()
        for _ in range(3):
            on.say(pose())
            on.wire.turn()
            assert on.wire.watches
        assert on.ear.passed_frames == 203


async def test_a_goodbye_in_a_rest_is_read_and_all_before_it() -> None:
    """Telemetry, a cut, and the end of the line: told in this order, one rest later at most."""
    with scene() as on:
        on.rests()
        on.say(pose() + cut(1) + message(b"\x03\xe8bye", 8))
        on.server.shutdown(socket.SHUT_WR)
        on.later(REST_S)
        assert on.ear.passed_frames == 3
        assert [number for number, _, _ in on.ear.cuts] == [1]
        assert on.wire.closing
        assert on.line.protocol.close_rcvd is not None
        assert on.line.protocol.close_rcvd.reason == "bye"


async def test_a_reset_in_a_rest_ends_the_line() -> None:
    """The kernel says it once, to who reads; the transport then finds the end."""
    with scene() as on:
        on.rests()
        on.wire.socket.send(b"which nobody reads")
        on.server.close()
        on.later(REST_S)
        assert on.wire.closing
        assert on.line.protocol.eof_sent or on.line.protocol.state is not State.OPEN


async def test_a_line_that_is_lost_in_a_rest_is_not_read_again() -> None:
    """Its socket's number may be that of another one by then."""
    with scene() as on:
        on.rests()
        on.say(cut(1))
        on.wire.protocol.connection_lost(None)
        assert not on.loop.waiting
        on.later(2 * REST_S)
        assert on.reads_since == 0


async def test_a_line_that_closes_in_a_rest_is_not_read_again() -> None:
    """Before the loop tells that it is lost, its socket may be closed."""
    with scene() as on:
        on.rests()
        on.say(cut(1))
        on.line.abort()
        on.later(2 * REST_S)
        assert on.reads_since == 0
        assert not on.wire.watches


async def test_a_line_with_tls_rests_and_is_read_by_its_transport() -> None:
    """What is in the socket is not what was said."""
    with scene(secure=True) as on:
        said = 0
        on.rests()
        for number in range(100):
            on.say(pose() + cut(number))
            said += 1
            on.later(_MS)
        on.later(2 * REST_S)
        assert len(on.ear.cuts) == said
        assert on.ear.reads == on.wire.reads
        assert on.reads_since < said / 3


class _Reader(asyncio.BufferedProtocol):
    """Reads into a little room; raises what it is given."""

    def __init__(self) -> None:
        self.room = bytearray(100)
        self.sizes: list[int] = []
        self.error: Exception | None = None

    def get_buffer(self, _: int) -> memoryview:
        return memoryview(self.room)

    def buffer_updated(self, nbytes: int) -> None:
        self.sizes.append(nbytes)
        if self.error is not None:
            raise self.error


@contextmanager
def _gathering(is_held: Callable[[], bool]) -> Iterator[tuple[Gathering, _Reader, Wire, Loop, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    wire, reader, loop = Wire(ours), _Reader(), Loop()
    try:
        yield (
            Gathering(wire, reader, loop, is_held, lambda: None),  # type: ignore[arg-type]
            reader,
            wire,
            loop,
            theirs,
        )
    finally:
        ours.close()
        theirs.close()


@pytest.mark.parametrize("held", [False, True])
async def test_a_line_that_is_held_for_another_reason_is_not_let_go(held: bool) -> None:
    """Whoever holds it lets it go on."""
    with _gathering(lambda: held) as (gathering, _, wire, loop, _theirs):
        gathering.rest()
        loop.now += REST_S
        loop.turn()
        assert wire.watches is not held


async def test_a_reader_that_fails_leaves_the_line_watched() -> None:
    """The transport then reads, fails as it does, and ends the line: it is not left deaf."""
    with _gathering(lambda: False) as (gathering, reader, wire, loop, theirs):
        reader.error = RuntimeError("a slip")
        theirs.send(b"something")
        gathering.rest()
        loop.now += REST_S
        with suppress(RuntimeError):
            loop.turn()
        assert reader.sizes == [9]
        assert wire.watches
