"""The socket listens, reconnects for ever, notices a dead line, and never says a word of its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import socket as sockets
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server
from websockets.datastructures import Headers
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidMessage,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
)
from websockets.frames import Close
from websockets.http11 import Request, Response

from tap.adapters.clock import Clock
from tap.adapters.server import MAX_FRAME, Retry, ServerSocket, Timing, disposition
from tap.adapters.server.disposition import SilentError
from tap.adapters.server.line import UnreadError
from tap.core.backoff import Backoff
from tap.core.errors import ServerError
from tap.core.model import Closed, Frame, Opened, SourceItem, Stamp
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import serve

QUICK = Timing().faster(10)._replace(first_delay=0.005, open_timeout=300.0)
PATIENT = QUICK._replace(ping_every=300.0, answer_within=300.0)
"""Tries again soon, and takes nobody for dead: on a busy machine an answer may take its time."""


class Ear:
    """What a socket gave, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.items: list[SourceItem] = []
        self.changes: list[str | None] = []
        self._news = asyncio.Event()

    def on_item(self, item: SourceItem) -> None:
        self.items.append(item)
        self._news.set()

    def on_change(self, problem: str | None) -> None:
        self.changes.append(problem)
        self._news.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self._news.clear()
            await self._news.wait()

    def of(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def data(self) -> list[bytes]:
        return [frame.data for frame in self.of(Frame)]


async def turns(seconds: float) -> None:
    """A wait that is counted in turns of the loop, a thousand a second: a machine that is busy makes it no shorter."""
    for _ in range(round(1000 * seconds)):
        await asyncio.sleep(0)


@pytest.fixture
def by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits by them."""
    monkeypatch.setattr("tap.adapters.server.socket.sleep", turns)


@asynccontextmanager
async def listening(url: str, **options: Any) -> AsyncIterator[tuple[Ear, ServerSocket]]:
    """A socket that runs, and an ear for it."""
    ear = Ear()
    options.setdefault("timing", PATIENT)
    options.setdefault("jitter", lambda: 1.0)
    client = ServerSocket(url, ear.on_item, options.pop("clock", Clock()), on_change=ear.on_change, **options)
    task = asyncio.create_task(client.run())
    try:
        yield ear, client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def server(
    handler: Callable[[ServerConnection], Awaitable[None]], port: int = 0, **options: Any
) -> AsyncIterator[str]:
    options = {"compression": None, "close_timeout": 0.5, "ping_interval": None} | options
    async with websocket_server(handler, "127.0.0.1", port, **options) as running:
        yield f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/ws/control"


@asynccontextmanager
async def raw_server(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
) -> AsyncIterator[str]:
    """A TCP server that may do what no WebSocket library would."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    running = await asyncio.start_server(attend, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/ws/control"
    finally:
        running.close()
        for writer in open_ones:
            writer.transport.abort()


async def shake_hands(reader: asyncio.StreamReader) -> bytes:
    """The answer to a WebSocket's request."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def message(data: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A frame as it goes over the wire from a server."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    if len(data) < 65_536:
        return head + b"\x7e" + struct.pack("!H", len(data)) + data
    return head + b"\x7f" + struct.pack("!Q", len(data)) + data


# ---------------------------------------------------------------------------------------------- what to do next


def refused(status: int, kind: str = "text/plain") -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers({"Content-Type": kind})))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "retry", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), Retry.SOON, "nothing listens there"),
        (TimeoutError("timed out"), Retry.SOON, "does not answer"),
        (sockets.gaierror(-2, "Name or service not known"), Retry.SOON, "name cannot be resolved"),
        (OSError(113, "No route to host"), Retry.SOON, "No route to host"),
        (refused(502), Retry.SOON, "a gateway whose server is away (HTTP 502)"),
        (refused(503), Retry.SOON, "is away for now (HTTP 503)"),
        (refused(401), Retry.SLOWLY, "wants a token"),
        (refused(403), Retry.SLOWLY, "TAP_SERVER_TOKEN"),
        (refused(404), Retry.SLOWLY, "does not know this path"),
        (refused(200, "text/html; charset=utf-8"), Retry.SLOWLY, "a web page, not with a WebSocket"),
        (refused(418), Retry.SLOWLY, "does not accept a WebSocket (HTTP 418)"),
        (caused(InvalidMessage("no"), EOFError()), Retry.SOON, "ended before the server answered"),
        (caused(InvalidMessage("no"), ValueError()), Retry.SLOWLY, "does not speak HTTP"),
        (InvalidUpgrade("Upgrade", "h2c"), Retry.SLOWLY, "not a WebSocket server"),
        (InvalidURI("ws://a:b@[", "is broken"), Retry.SLOWLY, "no route to"),
        (ssl.SSLCertVerificationError(1, "self-signed"), Retry.SLOWLY, "no secure connection: self-signed"),
        (ssl.SSLError(1, "wrong version number"), Retry.SLOWLY, "no secure connection"),
        (ConnectionClosedError(None, None), Retry.SOON, "broke without a goodbye"),
        (ConnectionClosedOK(Close(1001, ""), Close(1001, ""), True), Retry.SOON, "the server goes away (1001)"),
        (ConnectionClosedError(Close(1012, "update"), None), Retry.SOON, "the server restarts (1012: update)"),
        (ConnectionClosedError(Close(4321, "lunch"), None), Retry.SOON, "closed the connection (4321: lunch)"),
        (ConnectionClosedError(Close(1008, "who?"), None), Retry.SLOWLY, "refuses this client (1008: who?)"),
        (ConnectionClosedError(None, Close(1009, "too big")), Retry.BACKED_OFF, "above the size limit: too big"),
        (
            ConnectionClosedError(None, Close(1002, "bad opcode")),
            Retry.BACKED_OFF,
            "not speak the WebSocket protocol (1002: bad opcode)",
        ),
        (SilentError("nothing was heard"), Retry.SOON, "nothing was heard"),
        (UnreadError("the server does not read"), Retry.BACKED_OFF, "does not read"),
    ],
)
def test_every_error_has_a_word_and_a_next_step(error: BaseException, retry: Retry, words: str) -> None:
    """Whatever goes wrong, the socket knows when to try again and can say why in words."""
    verdict = disposition(error)
    assert verdict.retry is retry
    assert words in verdict.words


def test_words_hold_no_secret_and_no_page() -> None:
    """What a server puts into its goodbye is redacted and cut."""
    words = disposition(ConnectionClosedError(Close(1011, "see ws://u:pw@h/x?token=abc " + "y" * 999), None)).words
    assert "pw" not in words
    assert "abc" not in words
    assert len(words) <= 300


def test_delays_grow_to_a_cap() -> None:
    """They double, never exceed 15 s, and are spread over their second half."""
    timing = Timing()
    soon = timing.backoff(Retry.SOON)
    assert [soon.spread(n, 1.0) for n in (1, 2, 3, 6, 7, 8, 10_000)] == [0.25, 0.5, 1, 8, 15, 15, 15]
    assert soon.spread(8, 0.0) == 7.5
    assert timing.backoff(Retry.SLOWLY).wait(1) == 15


def test_a_dead_line_is_noticed_within_40_seconds() -> None:
    """At worst it dies right after an answer: that is one interval and one time to answer."""
    timing = Timing()
    assert timing.answer_within <= timing.ping_every
    assert timing.ping_every + timing.answer_within * 1.01 < 40
    assert MAX_FRAME >= 32_000_000


@pytest.mark.parametrize(("comes_after", "given_up"), [(1.0, False), (1.005, False), (1.1, True)])
async def test_an_answer_that_waited_while_the_tap_was_stopped_is_read_before_the_line_is_given_up(
    comes_after: float, given_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``comes_after``: in times of what an answer may take. It is there as soon as the loop has had a turn for it."""
    timing = Timing()

    class Quiet:
        now, pinged, aborted = 0.0, 0, False

        @property
        def heard(self) -> int:
            return int(self.now >= comes_after * timing.answer_within)

        async def send_ping(self) -> None:
            self.pinged += 1
            if self.pinged > 1:
                raise ConnectionClosedOK(None, None)

        def abort(self) -> None:
            self.aborted = True

    line = Quiet()

    async def passes(seconds: float) -> None:
        line.now += seconds

    monkeypatch.setattr("tap.adapters.server.socket.sleep", passes)
    await ServerSocket("ws://127.0.0.1/", Ear().on_item, Clock())._keep_alive(line)  # type: ignore[arg-type]
    assert line.aborted is given_up


# ---------------------------------------------------------------------------------------------- frames


async def test_frames_arrive_as_they_were_sent() -> None:
    """Text, binary, fragmented, broken and empty frames: each whole, in order, stamped and told apart."""
    clock = Clock(Stamp(0, 5_000))

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # All of it in one packet with the answer to the handshake: nothing may be lost before the socket is ready.
        writer.write(
            await shake_hands(reader)
            + message(b'{"type":"hello"}')
            + message(b"\x00\xff", 2)
            + message(b'{"a":', 1, fin=False)
            + message(b"are you there?", 9)
            + message(b"", 0, fin=False)
            + message(b"1}", 0)
            + message(b"not \xff utf-8")
            + message(b"")
        )
        await reader.read()

    async with raw_server(handler) as url, listening(url, clock=clock) as (ear, client):
        await ear.until(lambda: len(ear.of(Frame)) == 5)
    assert isinstance(ear.items[0], Opened)
    frames = ear.of(Frame)
    assert ear.data == [b'{"type":"hello"}', b"\x00\xff", b'{"a":1}', b"not \xff utf-8", b""]
    assert [frame.binary for frame in frames] == [False, True, False, False, False]
    assert [(frame.connection, frame.ordinal) for frame in frames] == [(1, n) for n in range(1, 6)]
    assert all(isinstance(frame.data, bytes) for frame in frames)
    assert frames[0].stamp.mono >= 5_000
    assert client.frames == 5


async def test_it_reconnects_after_a_drop() -> None:
    """A goodbye and a broken line each give one close with its reason and one new connection."""
    lives = 0

    async def handler(connection: ServerConnection) -> None:
        nonlocal lives
        lives += 1
        await connection.send(f"life {lives}")
        if lives == 1:
            await connection.close(1012, "update")
        elif lives == 2:
            connection.transport.abort()
        else:
            await connection.wait_closed()

    async with server(handler) as url, listening(url) as (ear, client):
        await ear.until(lambda: len(ear.of(Frame)) == 3)
        assert client.connected
        assert client.connection == 3
    assert [(frame.data, frame.connection, frame.ordinal) for frame in ear.of(Frame)] == [
        (b"life 1", 1, 1),
        (b"life 2", 2, 1),
        (b"life 3", 3, 1),
    ]
    closes = ear.of(Closed)
    assert [close.reason for close in closes] == [
        "the server restarts (1012: update)",
        "the connection broke without a goodbye",
        "tap stopped",
    ]
    assert [close.connection for close in closes] == [1, 2, 3]
    assert [close.heard for close in closes] == [frame.stamp.mono for frame in ear.of(Frame)]
    assert ear.changes[-1] == "tap stopped"


@pytest.mark.parametrize("says", [(), ("hello",), ("hello", "state")], ids=["nothing", "a frame", "two frames"])
async def test_a_server_that_lets_in_and_closes_at_once_is_tried_ever_more_seldom(
    says: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame is no sign that it stays: the waits grow as if nobody were there."""

    async def handler(connection: ServerConnection) -> None:
        for frame in says:
            await connection.send(frame)
        await connection.close(1011)

    assert await _attempts(monkeypatch, handler, 7) == [0, 1, 2, 3, 4, 5, 6]


async def test_a_connection_that_stood_is_sought_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the tap's own clock, and however little was said on it; one that stood for less changes nothing."""
    clock = Skipping()
    stood = iter((0, 19_999, 20_000, 3_600_000, 10, 0))

    async def handler(connection: ServerConnection) -> None:
        await connection.close(1012)

    def stand() -> None:
        clock.skipped += next(stood)

    assert await _attempts(monkeypatch, handler, 6, clock=clock, on_opened=stand) == [0, 1, 0, 0, 1, 2]


def test_a_remark_on_the_server_is_news_once() -> None:
    ear = Ear()
    client = ServerSocket("ws://127.0.0.1/", ear.on_item, Clock(), on_change=ear.on_change)
    for remark, told in (("it is busy", 1), ("it is busy", 1), (None, 2)):
        client._tell_remark(remark)
        assert (client.remark, len(ear.changes)) == (remark, told)


class Skipping(Clock):
    """A clock that goes on by so many ms when it is told to."""

    skipped = 0

    def stamp(self) -> Stamp:
        return Stamp(1_790_000_000_000 + self.skipped, self.skipped)


async def _attempts(
    monkeypatch: pytest.MonkeyPatch,
    handler: Callable[[ServerConnection], Awaitable[None]],
    count: int,
    *,
    clock: Clock | None = None,
    on_opened: Callable[[], None] | None = None,
) -> list[int]:
    """How often the socket thought it had tried in vain, before each of its attempts."""
    attempts: list[int] = []

    def at_once(_backoff: Backoff, failures: int, _jitter: float) -> float:
        attempts.append(failures - 1)
        return 0.0

    monkeypatch.setattr(Backoff, "spread", at_once)

    async with server(handler) as url:
        ear = Ear()

        def on_item(item: SourceItem) -> None:
            ear.on_item(item)
            if isinstance(item, Opened) and on_opened is not None:
                on_opened()

        client = ServerSocket(url, on_item, clock or Clock())
        task = asyncio.create_task(client.run())
        await ear.until(lambda: len(attempts) >= count)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return attempts[:count]


async def test_a_server_that_is_away_is_told_once() -> None:
    """Attempts that fail alike are one change; when it comes, it is heard."""
    tries = 0

    async def handler(connection: ServerConnection) -> None:
        await connection.send("here")
        await connection.wait_closed()

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal tries
        tries += 1
        return connection.respond(503, "starting\n") if tries <= 5 else None

    async with server(handler, process_request=admit) as url, listening(url) as (ear, _):
        await ear.until(lambda: bool(ear.of(Frame)))
    assert ear.changes == ["the server is away for now (HTTP 503)", None, "tap stopped"]
    assert [type(item).__name__ for item in ear.items] == ["Opened", "Frame", "Closed"]


async def test_a_server_that_starts_later_is_found() -> None:
    """Nothing listens at first; the socket tries until something does."""

    async def handler(connection: ServerConnection) -> None:
        await connection.send("at last")
        await connection.wait_closed()

    with sockets.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    async with listening(f"ws://127.0.0.1:{port}/") as (ear, client):
        await ear.until(lambda: bool(ear.changes))
        assert client.problem == "nothing listens there (connection refused)"
        async with server(handler, port):
            await ear.until(lambda: bool(ear.of(Frame)))
            assert client.problem is None


async def test_a_web_page_is_no_server() -> None:
    """A proxy that answers with HTML is named as such, and not pressed."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = b"<html><body>It works!</body></html>"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
        await writer.drain()

    async with raw_server(handler) as url, listening(url) as (ear, client):
        await ear.until(lambda: bool(ear.changes))
        assert "a web page, not with a WebSocket" in str(client.problem)
    assert ear.items == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionClosedError(None, None), "the connection broke without a goodbye"),
        (AssertionError(), "the connection ended before the server answered"),
        (RuntimeError("a library's own"), "cannot connect: a library's own"),
    ],
)
async def test_whatever_goes_wrong_while_it_connects_the_next_attempt_is_made(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """A server that hangs up before its first word makes a library say many things; none of them ends the tap."""
    dial, errors = ServerSocket._dial, [error] * 5

    async def fails_at_first(client: ServerSocket) -> Any:
        if errors:
            raise errors.pop()
        return await dial(client)

    monkeypatch.setattr(ServerSocket, "_dial", fails_at_first)

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with server(handler) as url, listening(url) as (ear, client):
        await ear.until(lambda: client.connected)
        assert ear.changes == [words, None]


@pytest.mark.parametrize("reads", [False, True])
async def test_a_server_that_hangs_up_at_once_is_tried_again_and_again(reads: bool) -> None:
    """Before a word of ours was read, or after."""
    came = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        if reads:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n" if came % 2 else b"")
        writer.transport.abort() if came % 3 else writer.close()

    quick = Timing().faster(1_000)._replace(open_timeout=300.0)
    async with raw_server(handler) as url, listening(url, timing=quick) as (ear, client):
        while came < 60:  # noqa: ASYNC110 - connections that nobody tells of
            await asyncio.sleep(0.005)
        assert not client.connected
    assert ear.items == []


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"\x00" * 100, b"HTTP/1.1 101 OK\r\n\r\n"])
async def test_what_is_no_server_at_all_is_named(answer: bytes) -> None:
    """Another service on that port: a word, and no item."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_server(handler) as url, listening(url) as (ear, _):
        await ear.until(lambda: bool(ear.changes))
        assert ear.changes[0]
    assert ear.items == []


async def test_the_token_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """It goes into the header; without it the server's refusal says which setting to look at."""
    caplog.set_level(logging.DEBUG)

    async def handler(connection: ServerConnection) -> None:
        await connection.send("welcome")
        await connection.wait_closed()

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        given = request.headers.get("Authorization")
        return None if given == "Bearer hush-hush-1" else connection.respond(401, "no\n")

    async with server(handler, process_request=admit) as bare:
        url = bare.replace("ws://", "ws://user:pass-word@") + "?key=hidden"
        async with listening(url) as (ear, client):
            await ear.until(lambda: bool(ear.changes))
            assert "TAP_SERVER_TOKEN" in str(client.problem)
            assert client.shown.startswith("ws://127.0.0.1:")
        async with listening(bare, token="hush-hush-1") as (ear, client):
            await ear.until(lambda: bool(ear.of(Frame)))
            assert "hush" not in f"{client.shown} {ear.items} {ear.changes}"
    ours = [record.getMessage() for record in caplog.records if "server" not in record.name]
    assert not any("hush" in text or "pass-word" in text for text in ours)


@pytest.mark.parametrize("token", ["schlüssel", "two\r\nlines"])
def test_a_token_that_is_none_is_refused_at_once(token: str) -> None:
    """It would break the header, or the server's; what it is is not told."""
    with pytest.raises(ServerError, match="cannot be sent in a header") as told:
        ServerSocket("ws://127.0.0.1:1/", lambda _: None, Clock(), token=token)
    assert token not in str(told.value)


def test_an_address_that_is_none_is_refused_at_once() -> None:
    """The message names it without its userinfo, and says what one looks like."""
    for url in ("http://u:pw@host/", "ws://", "nonsense"):
        with pytest.raises(ServerError) as caught:
            ServerSocket(url, lambda _: None, Clock())
        assert "ws://127.0.0.1:9404" in str(caught.value)
        assert "pw" not in str(caught.value)


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stands in the venue's network, whatever was set up for web pages."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def handler(connection: ServerConnection) -> None:
        await connection.send("direct")
        await connection.wait_closed()

    async with server(handler) as url, listening(url.replace("127.0.0.1", "localhost")) as (ear, _):
        await ear.until(lambda: bool(ear.of(Frame)))


async def test_compression_only_where_asked_for() -> None:
    """By default none is offered; with it a frame reads just the same."""
    offers: list[str | None] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        offers.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        await connection.send("x" * 10_000)
        await connection.wait_closed()

    async with server(handler, compression="deflate") as url:
        for compression in (False, True):
            async with listening(url, compression=compression) as (ear, _):
                await ear.until(lambda: bool(ear.of(Frame)))
                assert ear.data == [b"x" * 10_000]
    assert offers[0] is None
    assert "permessage-deflate" in str(offers[1])


# ---------------------------------------------------------------------------------------------- life and death


async def test_a_half_open_line_is_noticed() -> None:
    """A server that answers nothing any more, without a word from TCP, is left within the scaled 40 s."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await shake_hands(reader) + message(b"the last word"))
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    async with raw_server(handler) as url, listening(url, timing=QUICK) as (ear, _):
        await ear.until(lambda: bool(ear.of(Frame)))
        begin = loop.time()
        await ear.until(lambda: len(ear.of(Opened)) == 2)
        assert loop.time() - begin < 4.0
    (closed, *_) = ear.of(Closed)
    assert "not even an answer to a ping" in closed.reason
    assert closed.heard == ear.of(Frame)[0].stamp.mono


async def test_answers_keep_a_quiet_line(by_turns: None) -> None:
    """A server that has nothing to say but answers pings stays connected."""
    pings = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pings
        writer.write(await shake_hands(reader))
        while True:
            head = await reader.readexactly(2)
            body = await reader.readexactly(4 + (head[1] & 0x7F))
            if head[0] & 0x0F == 9:
                pings += 1
                writer.write(message(bytes(b ^ body[i % 4] for i, b in enumerate(body[4:])), 10))
            if pings == 4:
                writer.write(message(b"still here"))

    async with raw_server(handler) as url, listening(url, timing=Timing().faster(75)) as (ear, client):
        await ear.until(lambda: bool(ear.of(Frame)))
        assert client.connection == 1


async def test_a_slow_large_frame_is_life(by_turns: None) -> None:
    """An answer stuck behind a large frame may stay away, as long as the frame comes whole in time."""
    timing = Timing().faster(30)  # 0.5 s to answer
    large = b"y" * 3_000_000

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await shake_hands(reader))
        wire = message(large)
        for _ in range(4):
            for start in range(0, len(wire), 500_000):
                writer.write(wire[start : start + 500_000])
                await writer.drain()
                await turns(0.05)

    async with raw_server(handler) as url, listening(url, timing=timing) as (ear, client):
        await ear.until(lambda: len(ear.of(Frame)) == 4)
        assert ear.data == [large] * 4
        assert client.connection == 1


@pytest.mark.parametrize("goes_on", [False, True], ids=["hangs up", "goes on sending"])
async def test_a_frame_beyond_the_limit_costs_the_connection(goes_on: bool) -> None:
    """It is named and counted, backs off although frames came before it, and what follows is heard."""
    lives = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lives
        lives += 1
        writer.write(await shake_hands(reader) + message(b"life %d" % lives))
        if lives <= 2:
            writer.write(message(b"z" * 300_000))
            while goes_on:
                writer.write(b"z" * 10_000)
                await asyncio.sleep(0.01)
        await reader.read()

    waits = iter((0.0, 0.25, 0.5, 0.75, 1.0))
    async with (
        raw_server(handler) as url,
        listening(url, max_frame=200_000, timing=QUICK, jitter=lambda: next(waits)) as (ear, client),
    ):
        await ear.until(lambda: len(ear.of(Frame)) == 3)
        assert client.too_big == 2
    assert ear.data == [b"life 1", b"life 2", b"life 3"]
    assert "above the size limit" in ear.of(Closed)[0].reason
    assert "300" in ear.of(Closed)[0].reason


async def test_a_frame_of_20_mb_is_taken() -> None:
    """It is within the limit, and whole."""

    async def handler(connection: ServerConnection) -> None:
        await connection.send("x" * 20_000_000)
        await connection.wait_closed()

    async with server(handler) as url, listening(url) as (ear, _):
        await ear.until(lambda: bool(ear.of(Frame)))
        assert len(ear.data[0]) == 20_000_000


async def test_it_never_says_a_word() -> None:
    """Through a whole shoot with drops and restarts, not one data frame comes from the tap."""

    shoot = plan_shoot(7, length_s=60, faults=("reconnect", "restart"), pace=100, telemetry_rate=20)
    async with serve(shoot, speed=100, patient=True) as (rehearsal, port):
        async with listening(f"ws://127.0.0.1:{port}/ws/control", timing=QUICK) as (ear, client):
            await rehearsal.play()
            await ear.until(lambda: client.problem is not None)
        assert client.frames > 100
        assert client.connection >= 2
        assert rehearsal.received_from_clients == 0


async def test_a_stop_says_goodbye() -> None:
    """Cancelled, the socket closes the connection in order, and tells so once."""
    codes: list[int | None] = []
    gone = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()
        codes.append(connection.close_code)
        gone.set()

    async with server(handler) as url:
        async with listening(url) as (ear, client):
            await ear.until(lambda: bool(ear.of(Frame)))
            await turns(0.1)  # the frame may have come with the handshake, before the connection is ours
        await gone.wait()
        assert codes == [1001]
        assert [item.reason for item in ear.of(Closed)] == ["tap stopped"]
        assert not client.connected


@pytest.mark.parametrize("kind", [Opened, Frame, Closed])
async def test_what_on_item_raises_ends_it(kind: type[Any]) -> None:
    """Nothing is swallowed: who runs the socket hears of it."""

    async def handler(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.close()

    def on_item(item: SourceItem) -> None:
        if isinstance(item, kind):
            raise OSError("no room")

    async with server(handler) as url:
        with pytest.raises(OSError, match="no room"):
            await ServerSocket(url, on_item, Clock(), timing=QUICK).run()
