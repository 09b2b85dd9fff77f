"""The ops face: one small web server on the service's own event loop, which only ever answers GET.

``/healthz`` red or green with the reason, ``/metrics`` for Prometheus, ``/status.json``, ``/`` the live page and
``/events`` its news. It must never be in the recording's way: answers are small and made of what is counted anyway,
clients are few, who does not read in time is dropped, the disk is read on a thread of its own, and an address that
cannot be had costs an error in the log and another attempt, not the shoot.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING, TypeVar

import msgspec
import structlog
from aiohttp import web

from tap.adapters.journal import Journal
from tap.core.errors import JournalError
from tap.core.model import Entry
from tap.core.status import Health, SessionKept
from tap.service.health import health
from tap.service.ops.board import Board
from tap.service.ops.feed import Client, Feed, event
from tap.service.ops.guard import HEADERS, Guard
from tap.service.ops.metrics import CONTENT_TYPE, Metrics
from tap.service.ops.now import now_of, status_of
from tap.service.overview import sessions_in

if TYPE_CHECKING:
    from tap.service.daemon import Service

__all__ = ["Face"]

_TICK_S = 1.0
_RETRY_S = 5.0
_SEND_WITHIN_S = 10.0
_SEND_BUFFER = 65_536
_IDLE_S = 30.0
_MOST_CONNECTIONS = 64
_OVERVIEW_FOR_S = 5.0
_OVERVIEW_WITHIN_S = 3.0
_RESTORED = 3_000
"""Entries of the running session that are looked at after a restart, to draw what was before it."""
_ASK_WITHIN_S = 1.0

_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/lanes.js": ("lanes.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

_REPORT = "report it, with this line; recording goes on"

_log = structlog.stdlib.get_logger(__name__)
# What aiohttp says of requests that are none is for nobody: a scanner must not fill the log.
_http_log = logging.getLogger("tap.service.ops.http")
_http_log.setLevel(logging.CRITICAL)

_T = TypeVar("_T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Face:
    """Serves what there is to see of a service. ``run`` it as a task; it ends only by being cancelled."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        address = settings.ops_address
        assert address is not None  # noqa: S101 - else there is no face
        self.address: tuple[str, int] | None = None
        """Where it is served; None while it cannot be."""
        self.served = asyncio.Event()
        self.feed = Feed()
        self.board = Board()
        self._service = service
        self._asked = address
        token = settings.ops_token
        self._guard = Guard(_names(address[0], settings.ops_hosts), None if token is None else token.get_secret_value())
        self._metrics = Metrics(service, self.feed)
        self._overview = _Overview(service)
        self._early: list[Entry] | None = []
        """Entries that came before the board was restored."""
        self._pushing = False

    def happened(self, entries: Sequence[Entry]) -> None:
        """These entries were made. On the loop's thread; never raises."""
        try:
            if self._early is not None:
                self._early += entries
            self.feed.happened(self.board.take(entries))
            self._push_soon()
        except Exception:  # noqa: BLE001 - who looks on must not stop what is looked at
            _log.exception("a bug of the tap: the live page missed something", next_step=_REPORT)

    async def run(self) -> None:
        """Serve for ever."""
        tasks = [asyncio.create_task(body) for body in (self._restore(), self._tick())]
        try:
            await self._serve()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------ the address

    async def _serve(self) -> None:
        runner = self._runner()
        await runner.setup()
        try:
            server = await self._listen(runner)
            self.address = server.sockets[0].getsockname()[:2]
            self.served.set()
            _log.info("the live page is served", url=_url(*self.address))
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        """Take the address, however long it takes; the log hears of a trouble once, and of its end."""
        host, port = self._asked
        told: str | None = None
        while True:
            try:
                server = await asyncio.get_running_loop().create_server(
                    lambda: _connection(runner), host, port, backlog=32
                )
            except OSError as error:
                why = _words(error)
                if why != told:
                    await self._tell_taken(error, why)
                told = why
                await asyncio.sleep(_RETRY_S)
            else:
                return server

    async def _tell_taken(self, error: OSError, why: str) -> None:
        host, port = self._asked
        holder = await _holder(host, port) if error.errno == errno.EADDRINUSE else None
        _log.error(
            "health, metrics and the live page cannot be served; recording goes on",
            address=f"{host}:{port}",
            why=why,
            held_by=holder,
            next_step="give this venue a TAP_OPS_LISTEN of its own, or switch it off; it is tried again meanwhile",
        )

    def _runner(self) -> web.AppRunner:
        app = web.Application(middlewares=[self._guarded], client_max_size=1024)
        app.on_response_prepare.append(_harden)
        handlers: dict[str, _Handler] = {
            "/healthz": self._healthz,
            "/metrics": self._metrics_page,
            "/status.json": self._status,
            "/events": self._events,
            **{path: _file(name, kind) for path, (name, kind) in _PAGE.items()},
        }
        for path, handler in handlers.items():
            app.router.add_get(path, handler, allow_head=False)
        return web.AppRunner(
            app, access_log=None, logger=_http_log, keepalive_timeout=_IDLE_S, lingering_time=1.0, shutdown_timeout=0.1
        )

    # ------------------------------------------------------------------------------------------ requests

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse who may not look; send the answer within a time."""
        refusal = self._guard.refusal(request.method, request.headers.get("Host"), request.headers.get("Authorization"))
        if refusal is not None:
            headers = {401: {"WWW-Authenticate": 'Basic realm="multicam-tap", charset="UTF-8"'}, 405: {"Allow": "GET"}}
            response: web.StreamResponse = web.Response(
                status=refusal.status, text=refusal.words + "\n", headers=headers.get(refusal.status)
            )
            # A body that nobody asked for is not read.
            response.force_close()
        else:
            response = await self._answered(request, handler)
        if not response.prepared:
            try:
                async with asyncio.timeout(_SEND_WITHIN_S):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                _abort(request)
        return response

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            there = f"there are {', '.join(('/', '/healthz', '/metrics', '/status.json', '/events'))}"
            return web.Response(status=error.status, text=f"{error.reason}: {there}\n")
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - the page's bug, not the recording's
            _log.exception("a bug of the tap: a look at it failed", path=request.path[:100], next_step=_REPORT)
            return web.Response(status=500, text="a bug of the tap: its log says more\n")

    async def _healthz(self, request: web.Request) -> web.Response:
        now = health(self._service)
        status = 503 if now.state == "failing" else 200
        text = _health_text(now)
        if "text/plain" in request.headers.get("Accept", ""):
            return web.Response(status=status, text=text)
        body = {**msgspec.to_builtins(now), "venue": self._service.settings.venue, "text": text}
        return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

    async def _metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _status(self, _: web.Request) -> web.Response:
        status = status_of(self._service, await self._overview.sessions())
        return web.Response(body=msgspec.json.encode(status), content_type="application/json")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        client = self.feed.join()
        if client is None:
            return web.Response(status=503, text="too many pages are open: close one\n", headers={"Retry-After": "10"})
        _keep_short(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            await self._tell(request, response, client)
        finally:
            self.feed.leave(client)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, client: Client) -> None:
        """Everything, then the news, until the client goes or is too slow."""
        status = status_of(self._service, [])
        message: bytes | None = event("hello", {"status": status, "happenings": list(self.board.happenings)})
        try:
            while message is not None:
                async with asyncio.timeout(_SEND_WITHIN_S):
                    await response.write(message)
                message = await client.next()
        except TimeoutError:
            self.feed.dropped += 1
        except ConnectionError:
            return
        _abort(request)

    # ------------------------------------------------------------------------------------------ news

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._push()

    def _push_soon(self) -> None:
        """At once, but not for every entry of a burst."""
        if not self._pushing and self.feed.clients:
            self._pushing = True
            asyncio.get_running_loop().call_later(0.05, self._push)

    def _push(self) -> None:
        self._pushing = False
        try:
            self.feed.happened(self.board.look(self._service.pipeline.state))
            if self.feed.clients:
                self.feed.now(now_of(self._service))
        except Exception:  # noqa: BLE001 - who looks on must not stop what is looked at
            _log.exception("a bug of the tap: the live page missed something", next_step=_REPORT)

    async def _restore(self) -> None:
        """After a restart within a session: what was before it, from the journal."""
        session = self._service.pipeline.state.session
        if session is not None and session.status == "live":
            path = self._service.settings.journal_path
            before = await _in_thread(lambda: _newest(Journal.open(path, readonly=True), session.key))
            if before is not None:
                board = Board()
                board.take([*before, *(self._early or [])])
                self.board = board
        self._early = None


class _Overview:
    """The sessions in the journal, read on a thread of its own, now and then, and never by two at once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sessions: list[SessionKept] = []
        self._read_at = 0.0
        self._reading: asyncio.Future[list[SessionKept] | None] | None = None

    async def sessions(self) -> list[SessionKept]:
        """As of some seconds ago; what was known where the disk does not answer in time."""
        if time.monotonic() - self._read_at > _OVERVIEW_FOR_S and self._reading is None:
            self._reading = _in_thread(self._read)
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=_OVERVIEW_WITHIN_S)
            self._take()
        return self._sessions

    def _take(self) -> None:
        reading = self._reading
        if reading is not None and reading.done():
            self._reading, self._read_at = None, time.monotonic()
            self._sessions = reading.result() or self._sessions

    def _read(self) -> list[SessionKept]:
        service = self._service
        session = service.pipeline.state.session
        running = None if session is None or session.status != "live" else session.key
        with Journal.open(service.settings.journal_path, readonly=True) as journal:
            return sessions_in(journal, time.time_ns() // 1_000_000, running)


def _newest(opened: Journal, session: str) -> list[Entry]:
    with opened as journal:
        last = journal.last_entry(session)
        after = 0 if last is None else max(0, last.seq - _RESTORED)
        first = [kept.entry for kept in journal.entries(session, op="session") if kept.seq <= after]
        return [*first, *(kept.entry for kept in journal.entries(session, after=after))]


def _in_thread(function: Callable[[], _T]) -> asyncio.Future[_T | None]:
    """What a function gives, on a thread that nobody waits for at the end: a disk may hang. None where it fails."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T | None] = loop.create_future()

    def answer(result: _T | None) -> None:
        if not future.done():
            future.set_result(result)

    def body() -> None:
        result: _T | None = None
        try:
            result = function()
        except JournalError:
            pass  # whoever writes the journal tells of it
        except Exception:  # noqa: BLE001 - nobody else would hear of it
            _log.exception("a bug of the tap: the journal could not be looked into", next_step=_REPORT)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(answer, result)

    threading.Thread(target=body, name="ops-journal", daemon=True).start()
    return future


# ---------------------------------------------------------------------------------------------- small parts


def _names(host: str, configured: str | None) -> list[str]:
    own = socket.gethostname()
    more = [] if configured is None else configured.split(",")
    return [host, own, f"{own}.local", *more]


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _words(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use"
    return error.strerror or str(error)


async def _holder(host: str, port: int) -> str:
    """Who has the address, where it tells."""
    try:
        async with asyncio.timeout(_ASK_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                answer = await reader.read(65_536)
                while more := await reader.read(65_536 - len(answer)):
                    answer += more
            finally:
                writer.close()
        venue = json.loads(answer.partition(b"\r\n\r\n")[2])["venue"]
    except (OSError, TimeoutError, ValueError, LookupError, TypeError):
        return "another program"
    return f"the tap of venue {str(venue)[:80]}"


def _connection(runner: web.AppRunner) -> asyncio.BaseProtocol:
    server = runner.server
    if server is None or len(server.connections) >= _MOST_CONNECTIONS:
        return _Full()
    return server()


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - of a stream
        transport.abort()


def _keep_short(request: web.Request) -> None:
    """Let the kernel buffer little for a page: what it has not read is of no use to it later."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _file(name: str, kind: str) -> _Handler:
    body = resources.files("tap.service.ops").joinpath("page", name).read_bytes()

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return handler


def _health_text(now: Health) -> str:
    lines = [now.state, *(f"{reason.state}: {reason.words} → {reason.next_step}" for reason in now.reasons)]
    return "\n".join(lines) + "\n"
