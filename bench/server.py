"""A server that costs its listeners nothing but what it sends: raw frames on a blocking socket, in its own process."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from bench.load import frames, greeting

__all__ = ["Server", "serving"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 64
"""Frames a write at saturation: about 100 KB."""
_PING = b"\x89\x04tick"


def framed(payload: bytes) -> bytes:
    """A text message of one frame, unmasked, as servers send it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + struct.pack("!H", size) + payload
    return b"\x81\x7f" + struct.pack("!Q", size) + payload


class Server:
    """The other end of the process, for the bench."""

    def __init__(self, pipe: Connection, port: int) -> None:
        self._pipe = pipe
        self.url = f"ws://127.0.0.1:{port}/ws/control"

    def accept(self) -> None:
        """Wait until one more listener is connected, and greet it."""
        self._ask("accept")

    def burst(self) -> float:
        """Send all frames as fast as the listener takes them; seconds until it had read the last."""
        return float(self._ask("burst"))

    def steady(self, rate: int, seconds: float) -> None:
        """Send to every listener, frame by frame, at this rate."""
        self._ask("steady", rate, seconds)

    def part(self) -> None:
        """Close all connections."""
        self._ask("part")

    def _ask(self, *what: Any) -> Any:
        self._pipe.send(what)
        if not self._pipe.poll(30 if what[0] == "accept" else 300):
            raise TimeoutError(f"the bench's server does not get on with {what[0]!r}")
        return self._pipe.recv()


@contextmanager
def serving(count: int, *, core: int | None = None, **load: Any) -> Iterator[Server]:
    """A server whose load is ``count`` frames, on a core of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, count, core, load), daemon=True)
    process.start()
    try:
        yield Server(ours, ours.recv())
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, count: int, core: int | None, load: dict[str, Any]) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    sent = [framed(frame) for frame in frames(count, **load)]
    chunks = [b"".join(sent[at : at + _CHUNK]) for at in range(0, len(sent), _CHUNK)]
    hello = b"".join(framed(frame) for frame in greeting(load.get("cameras", 8)))
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    there: list[socket.socket] = []
    at = 0
    while True:
        what, *arguments = pipe.recv()
        answer: Any = None
        if what == "accept":
            there.append(_accepted(listener, hello))
        elif what == "burst":
            answer = _burst(there[-1], chunks)
        elif what == "steady":
            at = _steady(there, sent, at, *arguments)
        else:
            for one in there:
                one.close()
            there, at = [], 0
        pipe.send(answer)


def _accepted(listener: socket.socket, hello: bytes) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65_536)
    lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
    key = {name.lower(): value for name, value in lines.items()}[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the protocol's own
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + hello
    )
    return connection


def _burst(connection: socket.socket, chunks: Iterable[bytes]) -> float:
    began = time.perf_counter()
    for chunk in chunks:
        connection.sendall(chunk)
    connection.sendall(_PING)
    _await_pong(connection)
    return time.perf_counter() - began


def _await_pong(connection: socket.socket) -> None:
    """Answers come in order: who has answered this has read what was before it."""
    heard = bytearray()
    while True:
        heard += connection.recv(65_536)
        if _pongs(heard):
            return


def _pongs(heard: bytearray) -> bool:
    at = 0
    while at + 2 <= len(heard):
        size = heard[at + 1] & 0x7F
        if heard[at] & 0x0F == 0x0A and size == 4:
            mask, body = heard[at + 2 : at + 6], heard[at + 6 : at + 10]
            if bytes(byte ^ mask[place] for place, byte in enumerate(body)) == b"tick":
                return True
        at += 6 + size
    return False


def _steady(there: list[socket.socket], sent: list[bytes], at: int, rate: int, seconds: float) -> int:
    """One frame each 1/rate s to each listener; who falls behind by more than the kernel holds makes this wait."""
    began = time.perf_counter()
    for number in range(round(rate * seconds)):
        wait = began + number / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        frame = sent[at % len(sent)]
        at += 1
        for one in there:
            one.sendall(frame)
    return at
