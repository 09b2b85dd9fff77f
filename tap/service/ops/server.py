"""The ops server: a small web server on the service's own event loop, which only answers GET and HEAD.

This file has its address, and the news for open pages. What it answers is in ``pages``, which is imported with the
first request: a tap that nobody looks at does not pay for it. It must never disturb the recording: clients are few, the
disk is read on another thread, and if its address is not available, it logs an error and tries again.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    connect_tcp,
    create_task_group,
    current_time,
    fail_after,
    move_on_after,
    sleep,
    sleep_forever,
)

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.journal import Journal
from tap.core.model import Entry
from tap.service.logs import get_logger
from tap.service.ops.live_page import LivePage
from tap.service.ops.now import now_of
from tap.service.ops.pending_connection import PendingConnection, RefusedConnection
from tap.service.ops.session_board import SessionBoard
from tap.service.running.parts import Parts
from tap.service.running.side_thread import begin_in_thread, in_thread

if TYPE_CHECKING:
    from tap.service.ops.pages import Pages

__all__ = ["OpsServer"]

_TICK_S = 1.0
_RETRY_S = 5.0
_TIDY_S = 60.0
_MOST_CONNECTIONS = 64
_RESTORED_TOGETHER = 100
_BREATH_S = 0.005
"""Pause, in seconds, after each batch of entries while a session is read from the journal: the recording goes on."""
_REREAD_S = 30.0
_ASK_WITHIN_S = 5.0
_CLOSE_WITHIN_S = 1.0
_SOON_S = 0.05
"""News wait this long, in seconds: by then, the journal's thread has usually committed them."""
_PUSH_EVERY_S = 0.25
"""Seconds between two pushes to open pages, at least."""

_REPORT = "report it, with this line; recording goes on"

_log = get_logger(__name__)


class OpsServer:
    """Serves the pages of one service. ``run`` it as a task; it ends only when it is cancelled."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        address = settings.ops_address
        assert address is not None  # noqa: S101 - else there is no server
        self.address: tuple[str, int] | None = None
        """Its host and port; None while they are not available."""
        self.served = Event()
        self._live = LivePage()
        self._parts = parts
        self._asked = address
        self._pages: Pages | None = None
        self._doors: list[PendingConnection] = []
        """Connections that wait for the pages to be imported."""
        self._knocked = Event()
        """Set by the first connection of these."""
        self._early: list[Entry] | None = []
        """Entries that come while a board is made from the journal; None at other times."""
        self._news = Event()
        """Set by new entries while a page is open."""

    def happened(self, entries: Sequence[Entry]) -> None:
        """Take new entries. Only for the loop's thread; returns at once, and never raises."""
        if self._early is not None:
            self._early += entries
        self._live.happened(entries)
        if self._live.feed.clients:
            self._news.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        # Files of a service that was killed.
        begin_in_thread(lambda: shutil.rmtree(self._parts.settings.made_path, ignore_errors=True))
        async with create_task_group() as beside:
            bodies = (self._restore, self._reread, self._tick, self._tidy, self._load_when_asked, self._push_when_told)
            for body in bodies:
                beside.start_soon(_to_its_end, body)
            await self._serve()

    # ------------------------------------------------------------------------------------------ the address

    async def _serve(self) -> None:
        server = await self._listen()
        self.address = server.sockets[0].getsockname()[:2]
        self.served.set()
        _log.info("the live page is served", url=_url(*self.address))
        try:
            await sleep_forever()
        finally:
            server.close()
            for door in self._doors:
                door.shut()
            if self._pages is not None:
                # Shielded: this task is cancelled already.
                with move_on_after(_CLOSE_WITHIN_S, shield=True):
                    await self._pages.close()

    async def _listen(self) -> asyncio.Server:
        """Bind the address, and retry for as long as it takes. Each reason is logged once."""
        host, port = self._asked
        told: str | None = None
        while True:
            try:
                server = await asyncio.get_running_loop().create_server(self._connection, host, port, backlog=32)
            except OSError as error:
                why = _words(error)
                if why != told:
                    await self._tell_taken(error, why)
                told = why
                await sleep(_RETRY_S)
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

    # ------------------------------------------------------------------------------------------ who comes

    def _connection(self) -> asyncio.Protocol:
        """The protocol for a new connection."""
        pages = self._pages
        if pages is not None:
            return pages.connection() if pages.room(_MOST_CONNECTIONS) else RefusedConnection()
        while len(self._doors) >= _MOST_CONNECTIONS:
            self._doors.pop(0).shut()
        self._knocked.set()
        door = PendingConnection(self._doors.remove)
        self._doors.append(door)
        return door

    async def _load_when_asked(self) -> None:
        while self._pages is None:
            await self._knocked.wait()
            await self._load()

    async def _load(self) -> None:
        """Import the pages beside the recording, and answer the connections that wait."""
        try:
            # On a thread: the loop has frames to read meanwhile.
            module = await in_thread(lambda: importlib.import_module("tap.service.ops.pages"))
            if module is not None:
                pages: Pages = module.Pages(self._parts, self._live)
                await pages.open()
                self._pages = pages
        except Exception:  # noqa: BLE001 - the page's bug, not the recording's
            _log.exception("a bug of the tap: its pages cannot be shown", next_step=_REPORT)
        # If that failed, the next connection makes it try again.
        self._knocked = Event()
        waiting, self._doors = self._doors, []
        for door in waiting:
            door.open(self._connection() if self._pages is not None else RefusedConnection())

    # ------------------------------------------------------------------------------------------ news

    async def _tick(self) -> None:
        while True:
            await sleep_aligned(_TICK_S)
            with _bugs_told():
                (self._push if self._live.feed.clients else self._live.draw)()

    async def _tidy(self) -> None:
        while True:
            await sleep_aligned(_TIDY_S)
            if self._pages is not None:
                await self._pages.tidy()

    async def _push_when_told(self) -> None:
        """Push news soon, but not for every entry of a burst."""
        next_push = current_time()
        while True:
            await self._news.wait()
            await sleep(_SOON_S)
            self._news = Event()
            if current_time() < next_push:
                self._news.set()
            else:
                with _bugs_told():
                    self._push()
                next_push = current_time() + _PUSH_EVERY_S

    def _push(self) -> None:
        self._live.feed.now(now_of(self._parts, self._live.board))

    async def _restore(self) -> None:
        """Make the board of the running session from the journal: after a restart, or to put late events in order."""
        session = self._parts.pipeline.state.session
        if session is not None and session.status == "live":
            path, key = self._parts.settings.journal_path, session.key
            board = await in_thread(lambda: _whole(path, key))
            if board is not None:
                board.take(self._early or [])
                self._live.replace(board)
        self._early = None

    async def _reread(self) -> None:
        """Every now and then, if late events made the board's numbers unsure, read the session again."""
        while True:
            await sleep_aligned(_REREAD_S)
            # Entries that are not on the disk yet would be missing: then it is read the next time.
            if self._live.board.unsure and self._early is None and not self._parts.writer.waiting:
                self._early = []
                await self._restore()


async def _to_its_end(body: Callable[[], Awaitable[None]]) -> None:
    """Run a task. A bug in it ends this task, and not the recording."""
    with _bugs_told():
        await body()


@contextmanager
def _bugs_told() -> Iterator[None]:
    """A bug inside is logged, and goes no further: the live page must not stop the recording."""
    try:
        yield
    except Exception:  # noqa: BLE001 - any bug
        _log.exception("a bug of the tap: the live page missed something", next_step=_REPORT)


def _whole(path: Path, session: str) -> SessionBoard:
    """The board of a session in the journal. For another thread; it pauses often."""
    with Journal.open(path, readonly=True) as journal:
        return SessionBoard.whole(_gently(one.entry for one in journal.entries(session)))


def _gently(entries: Iterable[Entry]) -> Iterator[Entry]:
    for number, entry in enumerate(entries, 1):
        yield entry
        if number % _RESTORED_TOGETHER == 0:
            time.sleep(_BREATH_S)


# ---------------------------------------------------------------------------------------------- small parts


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _words(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use"
    return error.strerror or str(error)


async def _holder(host: str, port: int) -> str:
    """Which program uses the address, if it says so."""
    try:
        with fail_after(_ASK_WITHIN_S):
            async with await connect_tcp(host, port) as stream:
                await stream.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                answer = b""
                with suppress(EndOfStream):
                    while len(answer) < 65_536:
                        answer += await stream.receive()
        venue = json.loads(answer.partition(b"\r\n\r\n")[2])["venue"]
    except (OSError, TimeoutError, BrokenResourceError, ValueError, LookupError, TypeError):
        return "another program"
    return f"the tap of venue {str(venue)[:80]}"
