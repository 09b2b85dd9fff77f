"""A server that costs its listeners nothing but what it sends: raw frames on blocking sockets, in its own process."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import select
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import orjson
from msgspec import Struct, field

from bench.load import Load, Section, greeting

__all__ = ["AT_ONCE", "Server", "Steady", "framed", "serving"]

AT_ONCE = 150
"""Frames that a listener reads in a millisecond, about, where they are sent without a pause."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 64
"""Frames a write at saturation: about 100 KB."""
_WINDOW = 12
"""Bits of deflate's window: what websockets asks for, and any client takes."""
_TEXT, _DEFLATED = 0x81, 0xC1
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA
_ANSWERS = {_CLOSE: _CLOSE, _PING: _PONG}
_WITHIN_S = 300.0


class Steady(Struct):
    """What a server saw while it sent at a rate; its clock is the machine's ``time.monotonic``, as everybody's."""

    waits_ms: list[float] = field(default_factory=list)
    """From sending a frame and a ping behind it to the answer: the frame was handled before."""
    sent: dict[str, float] = field(default_factory=dict)
    """When each cut was sent, by its id."""


class Server:
    """The other end of the process, for the bench. The load is sent once, from its beginning, by each ``accept``."""

    def __init__(self, pipe: Connection, port: int) -> None:
        self._pipe = pipe
        self.url = f"ws://127.0.0.1:{port}/ws/control"

    def accept(self, lives: Callable[[], bool] = lambda: True) -> None:
        """Wait until one more listener is connected, and greet it; as long as it ``lives``."""
        self._ask("accept", lives=lives)

    def burst(self, count: int) -> None:
        """Send the next ``count`` frames as fast as the listener takes them, and wait until it has read the last."""
        self._ask("burst", count)

    def steady(self, rate: int, seconds: float, *, ping_every: int = 0) -> Steady:
        """Send to every listener, frame by frame, at this rate; a ping behind each ``ping_every``-th."""
        seen: Steady = self._ask("steady", rate, seconds, ping_every)
        return seen

    def part(self) -> None:
        """Close all connections, and begin the load anew."""
        self._ask("part")

    def _ask(self, *what: Any, lives: Callable[[], bool] = lambda: True) -> Any:
        self._pipe.send(what)
        last = time.monotonic() + _WITHIN_S
        while not self._pipe.poll(0.2):
            if not lives():
                raise ConnectionError("the listener has ended before it came")
            if time.monotonic() > last:
                raise TimeoutError(f"the bench's server does not get on with {what[0]!r}")
        problem, answer = self._pipe.recv()
        if problem is not None:
            raise RuntimeError(f"the bench's server cannot {what[0]}: {problem}")
        return answer


@contextmanager
def serving(
    sections: Sequence[Section],
    *,
    core: int | None = None,
    cameras: int = 8,
    frames_a_ms: int = 1,
    deflate: bool = False,
) -> Iterator[Server]:
    """A server with this load, on a core of its own; it speaks permessage-deflate where ``deflate`` says so.

    Its clock goes on by a millisecond every ``frames_a_ms`` frames: ``AT_ONCE`` where frames are sent without a pause.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, sections, core, cameras, frames_a_ms, deflate), daemon=True)
    process.start()
    try:
        if not ours.poll(_WITHIN_S):
            raise TimeoutError("the bench's server does not start")
        yield Server(ours, ours.recv())
    finally:
        process.kill()
        process.join()


# ---------------------------------------------------------------------------------------------- in the process


def framed(payload: bytes, first: int = _TEXT) -> bytes:
    """A message of one frame, unmasked, as servers send it."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + struct.pack("!H", size) + payload
    return bytes((first, 127)) + struct.pack("!Q", size) + payload


def _serve(
    pipe: Connection, sections: Sequence[Section], core: int | None, cameras: int, frames_a_ms: int, deflate: bool
) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    stand = _Stand(sections, cameras, frames_a_ms, deflate)
    pipe.send(stand.port)
    while True:
        # Who is only connected may want an answer meanwhile: a listener that gets none hangs up.
        ready = wait([pipe, *(one.socket for one in stand.there)])
        for one in stand.there:
            if one.socket in ready:
                one.hear()
        stand.forget()
        if pipe in ready:
            what, *arguments = pipe.recv()
            try:
                pipe.send((None, getattr(stand, what)(*arguments)))
            except Exception as error:  # noqa: BLE001 - it belongs to who asked
                pipe.send((f"{type(error).__name__}: {error}", None))
                stand.forget()


class _Stand:
    """Where listeners come to."""

    def __init__(self, sections: Sequence[Section], cameras: int, frames_a_ms: int, deflate: bool) -> None:
        self._deflate = deflate
        plain = greeting(cameras)
        load = Load(cameras, frames_a_ms).sections(sections)
        if deflate:
            pack = zlib.compressobj(wbits=-_WINDOW)
            self._hello = [_packed(payload, pack) for payload in plain]
            self._frames = [_packed(payload, pack) for payload in load]
        else:
            # Telemetry comes again and again: each is framed once, and takes its memory once.
            known: dict[bytes, bytes] = {}
            self._hello = [framed(payload) for payload in plain]
            self._frames = [known.setdefault(payload, framed(payload)) for payload in load]
        self._at = 0
        self.there: list[_Listener] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    def accept(self) -> None:
        connection, _ = self._listening.accept()
        self.there.append(_Listener(connection, self._deflate, b"".join(self._hello)))

    def burst(self, count: int) -> None:
        frames = self._next(count)
        if len(self.there) != 1:
            raise ConnectionError(f"{len(self.there)} listeners are there, and not one")
        (listener,) = self.there
        for at in range(0, count, _CHUNK):
            listener.socket.sendall(b"".join(frames[at : at + _CHUNK]))
        pinged = listener.ping()
        while pinged not in listener.answered:
            listener.hear()
            if listener.gone:
                raise ConnectionError("the listener has hung up")

    def steady(self, rate: int, seconds: float, ping_every: int) -> Steady:
        """One frame each 1/rate s to each listener; who falls behind by more than the kernel holds makes this wait."""
        if not self.there:
            raise ConnectionError("no listener is there: has it hung up?")
        seen, pinged = Steady(), dict[bytes, float]()
        frames = self._next(round(rate * seconds))
        began = time.monotonic()
        for number, frame in enumerate(frames):
            self._listen_until(began + number / rate)
            if b'"cut_id"' in frame[:80]:
                seen.sent[_cut_id(frame)] = time.monotonic()
            # Each is the first at times: the first is woken from a deeper sleep than who comes behind it.
            first = number % len(self.there)
            for listener in (*self.there[first:], *self.there[:first]):
                listener.socket.sendall(frame)
            if ping_every and number % ping_every == 0:
                pinged[self.there[0].ping()] = time.monotonic()
        self._listen_until(began + seconds)
        if pinged:
            last = time.monotonic() + 10
            while time.monotonic() < last and not pinged.keys() <= self.there[0].answered.keys():
                self._listen_until(time.monotonic() + 0.01)
            answered = self.there[0].answered
            # Who gives no answer has made the frame wait until now, at least.
            seen.waits_ms = [(answered.get(token, time.monotonic()) - since) * 1000 for token, since in pinged.items()]
        return seen

    def part(self) -> None:
        for one in self.there:
            one.socket.close()
        self.there, self._at = [], 0

    def forget(self) -> None:
        """Hang up on those who have."""
        for one in self.there:
            if one.gone:
                one.socket.close()
        self.there = [one for one in self.there if not one.gone]

    def _next(self, count: int) -> list[bytes]:
        frames = self._frames[self._at : self._at + count]
        if len(frames) < count:
            # To begin anew would tell of cuts that were told before.
            raise ValueError(f"the load has {len(self._frames)} frames, and {self._at + count} were requested")
        self._at += count
        return frames

    def _listen_until(self, when: float) -> None:
        while (left := when - time.monotonic()) > 0:
            ready, _, _ = select.select([one.socket for one in self.there], [], [], left)
            for one in self.there:
                if one.socket in ready:
                    one.hear()
                    if one.gone:
                        raise ConnectionError("a listener has hung up")


class _Listener:
    """One connection, and what came on it."""

    def __init__(self, connection: socket.socket, deflate: bool, hello: bytes) -> None:
        self.socket = connection
        self.gone = False
        self.answered: dict[bytes, float] = {}
        """When each ping was answered."""
        self._heard = bytearray()
        self._pings = 0
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_welcome(connection, deflate) + hello)

    def ping(self) -> bytes:
        """Ask for an answer; what it will carry."""
        self._pings += 1
        token = struct.pack("!I", self._pings)
        self.socket.sendall(framed(token, 0x80 | _PING))
        return token

    def hear(self) -> None:
        """Read what there is, waiting for it; answer pings and goodbyes, note answers."""
        try:
            data = self.socket.recv(65_536)
        except OSError:
            data = b""
        now = time.monotonic()
        self.gone = not data
        self._heard += data
        while (whole := _unmasked(self._heard)) is not None:
            opcode, payload, size = whole
            del self._heard[:size]
            if opcode == _PONG:
                self.answered[payload] = now
            elif opcode in _ANSWERS:
                self.gone |= opcode == _CLOSE
                with suppress(OSError):  # who is gone already hears nothing
                    self.socket.sendall(framed(payload, 0x80 | _ANSWERS[opcode]))


def _packed(payload: bytes, pack: Any) -> bytes:
    """A compressed message; the window goes on from message to message, as servers have it unless told otherwise."""
    return framed((pack.compress(payload) + pack.flush(zlib.Z_SYNC_FLUSH))[:-4], _DEFLATED)


def _cut_id(frame: bytes) -> str:
    return str(orjson.loads(frame[frame.index(b"{") :])["cut_id"])


def _welcome(connection: socket.socket, deflate: bool) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536)
    headers = {}
    for line in request.split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        headers[name.lower()] = value
    accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())  # noqa: S324 - the protocol's own
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    if deflate:
        offered = headers.get(b"sec-websocket-extensions", b"")
        if b"permessage-deflate" not in offered:
            raise ConnectionError("the listener asks for no compression")
        window = b"; server_max_window_bits=%d" % _WINDOW if b"server_max_window_bits" in offered else b""
        lines.append(b"Sec-WebSocket-Extensions: permessage-deflate" + window)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _unmasked(heard: bytearray) -> tuple[int, bytes, int] | None:
    """(opcode, payload, bytes taken) of a client's first frame, if it is there whole. Clients say little: no 64 KB."""
    if len(heard) < 6:
        return None
    size, begin = heard[1] & 0x7F, 2
    if size == 126:
        size, begin = int.from_bytes(heard[2:4], "big"), 4
    end = begin + 4 + size
    if len(heard) < end:
        return None
    mask, body = heard[begin : begin + 4], heard[begin + 4 : end]
    return heard[0] & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(body)), end
