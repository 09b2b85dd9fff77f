"""What the ops server answers. This module is imported with the first request.

``/healthz`` is red or green, with reasons; ``/metrics`` is for Prometheus; then ``/status.json``; ``/`` is the live
page, with its news (``/events``) and its summary (``/past.json``); ``/tally`` is for a phone on a camera; ``/made/…``
has the card, the report and the files of a session. Answers are small. A client that does not read in time is
disconnected.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from anyio import current_time, fail_after, move_on_after

from tap.adapters.clock import wall_ms
from tap.adapters.journal import Journal
from tap.adapters.threads import wait_for_end
from tap.core.kinds import KINDS
from tap.core.palette import COLOURS, ink_on
from tap.core.status import Health, SessionKept
from tap.service.logs import get_logger
from tap.service.ops.feed import Client, event
from tap.service.ops.guard import HEADERS, REPORT_POLICY, Guard
from tap.service.ops.live_page import LivePage
from tap.service.ops.metrics import CONTENT_TYPE, Metrics
from tap.service.ops.now import status_of
from tap.service.ops.pending_connection import RefusedConnection
from tap.service.ops.session_files import MADE, NotMade, SessionFiles
from tap.service.running.health import health
from tap.service.running.parts import Parts
from tap.service.running.side_thread import begin_in_thread
from tap.service.session_overview import sessions_in

if TYPE_CHECKING:
    import asyncio

__all__ = ["Pages"]

_SEND_WITHIN_S = 10.0
_FILE_WITHIN_S = 300.0
_SEND_BUFFER = 65_536
_IDLE_S = 30.0
_OVERVIEW_FOR_S = 5.0
_OVERVIEW_WITHIN_S = 3.0
_IDLE, _BEING_SENT, _BEING_MADE, _OPEN_PAGE = range(4)
"""What a connection does. The lower, the earlier it is closed to make room."""

_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/lanes.js": ("lanes.js", "text/javascript"),
    "/card.js": ("card.js", "text/javascript"),
    "/common.js": ("common.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/tally": ("tally.html", "text/html"),
    "/tally.css": ("tally.css", "text/css"),
    "/tally.js": ("tally.js", "text/javascript"),
}

_KINDS = {name: (kind.label.partition(" ")[0], kind.style) for name, kind in KINDS.items()}
"""The label and style of each kind of event in the page's list."""

_REPORT = "report it, with this line; recording goes on"

_log = get_logger(__name__)
# Nobody needs what aiohttp logs about invalid requests, and a port scanner must not fill the log.
_http_log = logging.getLogger("tap.service.ops.http")
_http_log.setLevel(logging.CRITICAL)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """The web server: ``open`` it, then give each connection a protocol from ``connection``."""

    def __init__(self, parts: Parts, live: LivePage) -> None:
        settings = parts.settings
        address = settings.ops_address
        assert address is not None  # noqa: S101 - else there is no server
        self._parts = parts
        self._live = live
        token = settings.ops_token
        self._guard = Guard(_names(address[0], settings.ops_hosts), None if token is None else token.get_secret_value())
        self._metrics = Metrics(parts, live.feed)
        self._overview = _Overview(parts)
        self._workshop = SessionFiles(settings, lambda: parts.running)
        self._runner = self._app()
        self._at: dict[asyncio.BaseProtocol, int] = {}
        """What each connection with a request does."""
        self._leaving: set[asyncio.BaseProtocol] = set()

    async def open(self) -> None:
        """To be called before the first connection."""
        await self._runner.setup()

    async def close(self) -> None:
        """Close all connections."""
        self._workshop.close()
        await self._runner.cleanup()

    async def tidy(self) -> None:
        """Delete the files of sessions that do not exist any more."""
        await self._workshop.tidy()

    def room(self, most: int) -> bool:
        """Whether there is room for one more connection. If there are ``most``, the longest idle one is closed.

        Clients that request nothing, do not read their answers, or wait for files must not keep others out. Only open
        pages are never closed; there are few.
        """
        server = self._runner.server
        there = [] if server is None else server.connections
        self._leaving.intersection_update(there)
        staying = [one for one in there if one not in self._leaving]
        if len(staying) < most:
            return True
        # The first of several that do the same is the oldest.
        goes = min(staying, key=lambda one: self._at.get(one, _IDLE))
        if self._at.get(goes) == _OPEN_PAGE:
            return False
        self._leaving.add(goes)
        if goes.transport is not None:
            goes.transport.abort()
        return True

    def connection(self) -> asyncio.Protocol:
        """The protocol for one more connection."""
        server = self._runner.server
        return RefusedConnection() if server is None else server()

    def _app(self) -> web.AppRunner:
        app = web.Application(middlewares=[self._guarded], client_max_size=1024)
        app.on_response_prepare.append(_harden)
        handlers: dict[str, _Handler] = {
            "/healthz": self._healthz,
            "/metrics": self._metrics_page,
            "/status.json": self._status,
            "/past.json": self._past,
            "/events": self._events,
            **{f"/made/{name}": self._made_of(name) for name in MADE},
            "/looks.css": _given(_looks().encode(), "text/css"),
            **{path: _file(name, kind) for path, (name, kind) in _PAGE.items()},
        }
        for path, handler in handlers.items():
            app.router.add_get(path, handler)
        return web.AppRunner(
            app, access_log=None, logger=_http_log, keepalive_timeout=_IDLE_S, lingering_time=1.0, shutdown_timeout=0.1
        )

    # ------------------------------------------------------------------------------------------ requests

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Check permission, then answer, with a time limit for sending."""
        self._at[request.protocol] = _BEING_MADE
        try:
            return await self._answer(request, handler)
        finally:
            self._at.pop(request.protocol, None)

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        refusal = self._guard.refusal(request.method, request.headers.get("Host"), request.headers.get("Authorization"))
        if refusal is not None:
            headers = {
                401: {"WWW-Authenticate": 'Basic realm="multicam-tap", charset="UTF-8"'},
                405: {"Allow": "GET, HEAD"},
            }
            response: web.StreamResponse = web.Response(
                status=refusal.status, text=refusal.words + "\n", headers=headers.get(refusal.status)
            )
            # The request's body, if any, is not read.
            response.force_close()
        else:
            response = await self._answered(request, handler)
        if not response.prepared:
            self._at[request.protocol] = _BEING_SENT
            try:
                within = _FILE_WITHIN_S if isinstance(response, web.FileResponse) else _SEND_WITHIN_S
                with fail_after(within):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                _abort(request)
        return response

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            there = "there are /, /tally, /healthz, /metrics, /status.json, /events, /made/…"
            return web.Response(status=error.status, text=f"{error.reason}: {there}\n")
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - the page's bug, not the recording's
            _log.exception("a bug of the tap: a page could not be made", path=request.path[:100], next_step=_REPORT)
            return web.Response(status=500, text="a bug of the tap: its log says more\n")

    async def _healthz(self, request: web.Request) -> web.Response:
        now = health(self._parts)
        status = 503 if now.state == "failing" else 200
        text = _health_text(now)
        if "text/plain" in request.headers.get("Accept", ""):
            return web.Response(status=status, text=text)
        body = {**msgspec.to_builtins(now), "venue": self._parts.settings.venue, "text": text}
        return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")

    async def _metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _status(self, _: web.Request) -> web.Response:
        status = status_of(self._parts, self._live.board, await self._overview.sessions())
        return web.Response(body=msgspec.json.encode(status), content_type="application/json")

    async def _past(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._live.board.past()), content_type="application/json")

    def _made_of(self, name: str) -> _Handler:
        """The handler for one kind of file made from a session."""

        async def handler(request: web.Request) -> web.StreamResponse:
            made = await self._workshop.get(name, request.query.get("session", ""))
            if isinstance(made, NotMade):
                headers = {"Retry-After": "5"} if made.status in (429, 503) else {}
                return web.Response(status=made.status, text=f"{made.words}\n", headers=headers)
            headers = {"Content-Type": f"{made.product.media_type}; charset=utf-8"}
            if made.product.saved:
                headers["Content-Disposition"] = f'attachment; filename="session{made.product.ending}"'
            elif name == "report":
                headers["Content-Security-Policy"] = REPORT_POLICY
            return web.FileResponse(made.path, headers=headers)

        return handler

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(content_type="text/event-stream")
        client = self._live.feed.join()
        if client is None:
            return web.Response(status=503, text="too many pages are open: close one\n", headers={"Retry-After": "10"})
        self._at[request.protocol] = _OPEN_PAGE
        _keep_short(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            await self._tell(request, response, client)
        finally:
            self._live.feed.leave(client)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, client: Client) -> None:
        """Send everything, then the news, until the client leaves or is too slow."""
        status = status_of(self._parts, self._live.board, [])
        said = {"status": status, "happenings": self._live.board.happenings, "kinds": _KINDS}
        message: bytes | None = event("hello", said)
        try:
            while message is not None:
                with fail_after(_SEND_WITHIN_S):
                    await response.write(message)
                message = await client.next()
        except TimeoutError:
            self._live.feed.dropped += 1
        except ConnectionError:
            return
        _abort(request)


class _Overview:
    """The sessions in the journal, read on a separate thread, at most every few seconds, and once at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._sessions: list[SessionKept] = []
        self._read_at: float | None = None
        self._reading: Future[list[SessionKept] | None] | None = None

    async def sessions(self) -> list[SessionKept]:
        """The sessions as of some seconds ago; if the disk does not answer in time, as they were read last."""
        if self._reading is None and (self._read_at is None or current_time() - self._read_at > _OVERVIEW_FOR_S):
            self._reading = begin_in_thread(self._read)
        if self._reading is not None:
            with move_on_after(_OVERVIEW_WITHIN_S):
                await wait_for_end(self._reading)
            self._take()
        return self._sessions

    def _take(self) -> None:
        reading = self._reading
        if reading is not None and reading.done():
            self._reading, self._read_at = None, current_time()
            self._sessions = reading.result() or self._sessions

    def _read(self) -> list[SessionKept]:
        parts = self._parts
        running = parts.running
        with Journal.open(parts.settings.journal_path, readonly=True) as journal:
            return sessions_in(journal, wall_ms(), running)


# ---------------------------------------------------------------------------------------------- small parts


def _names(host: str, configured: str | None) -> list[str]:
    own = socket.gethostname()
    more = [] if configured is None else configured.split(",")
    return [host, own, f"{own}.local", *more]


def _keep_short(request: web.Request) -> None:
    """Let the kernel buffer little for a page: old news are of no use to it."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    own = response.headers.get("Content-Security-Policy")
    response.headers.update(HEADERS)
    if own is not None:
        response.headers["Content-Security-Policy"] = own


def _file(name: str, kind: str) -> _Handler:
    return _given(resources.files("tap.service.ops").joinpath("page", name).read_bytes(), kind)


def _given(body: bytes, kind: str) -> _Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return handler


def _looks() -> str:
    """A style sheet with the cameras' colours, as in the report, each with a readable text colour."""
    rules = {}
    for theme, colours in COLOURS.items():
        pairs = (f"--c{index}:{colour};--i{index}:{ink_on(colour)}" for index, colour in enumerate(colours))
        rules[theme] = f":root{{{';'.join(pairs)}}}"
    classes = "".join(f".c{n}{{--camera:var(--c{n});--ink-on:var(--i{n})}}" for n in range(len(COLOURS["light"])))
    return f"{rules['light']}@media (prefers-color-scheme:dark){{{rules['dark']}}}{classes}"


def _health_text(now: Health) -> str:
    reasons = (f"{reason.state}: {reason.words} → {reason.next_step}" for reason in now.reasons)
    lines = [now.state, f"{now.words} → {now.next_step}", *reasons]
    return "\n".join(lines) + "\n"
