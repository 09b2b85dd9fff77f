"""The ops server: one small web server on the service's own event loop, which only ever answers GET.

Here is its address, and the news that it tells; what it answers is in ``pages``, which is loaded, with the web server,
for the first who asks: a tap that nobody looks at does not pay for being looked at. It must never be in the recording's
way: clients are few, the disk is read on a thread of its own, and an address that cannot be had costs an error in the
log and another attempt, not the shoot.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    connect_tcp,
    create_task_group,
    fail_after,
    move_on_after,
    sleep,
    sleep_forever,
)

from tap.adapters.journal import Journal
from tap.core.model import Entry
from tap.service.logs import get_logger
from tap.service.ops.feed import Feed
from tap.service.ops.live_page import LivePage
from tap.service.ops.now import now_of
from tap.service.ops.pending_connection import PendingConnection, RefusedConnection
from tap.service.ops.session_board import SessionBoard
from tap.service.running.aligned_sleep import sleep_aligned
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
"""After a restart the running session is read again, so many entries at a time: the recording goes on beside it."""
_ASK_WITHIN_S = 5.0
_CLOSE_WITHIN_S = 1.0
_SOON_S = 0.05
"""What happens within so little is told together."""

_REPORT = "report it, with this line; recording goes on"

_log = get_logger(__name__)


class OpsServer:
    """Serves what there is to see of a service. ``run`` it as a task; it ends only by being cancelled."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        address = settings.ops_address
        assert address is not None  # noqa: S101 - else there is no server
        self.address: tuple[str, int] | None = None
        """Where it is served; None while it cannot be."""
        self.served = Event()
        self._live = LivePage(Feed(), SessionBoard())
        self._parts = parts
        self._asked = address
        self._pages: Pages | None = None
        self._doors: list[PendingConnection] = []
        """Connections that came before there were pages to show."""
        self._knocked = Event()
        """Somebody came before there were pages to show."""
        self._early: list[Entry] | None = []
        """Entries that came before the board was restored."""
        self._told = Event()
        """Something happened that the pages have not been told."""

    def happened(self, entries: Sequence[Entry]) -> None:
        """These entries were made. On the loop's thread; never raises."""
        try:
            if self._early is not None:
                self._early += entries
            self._live.feed.happened(self._live.board.take(entries))
            self._push_soon()
        except Exception:  # noqa: BLE001 - who looks on must not stop what is looked at
            _log.exception("a bug of the tap: the live page missed something", next_step=_REPORT)

    async def run(self) -> None:
        """Serve for ever."""
        # Of a service that was killed.
        begin_in_thread(lambda: shutil.rmtree(self._parts.settings.made_path, ignore_errors=True))
        async with create_task_group() as beside:
            for body in (self._restore, self._tick, self._tidy, self._load_when_asked, self._push_when_told):
                beside.start_soon(self._safely, body)
            await self._serve()

    async def _safely(self, body: Callable[[], Awaitable[None]]) -> None:
        """A bug of the page's ends what it is in, and not the recording."""
        try:
            await body()
        except Exception:  # noqa: BLE001 - who looks on must not stop what is looked at
            _log.exception("a bug of the tap: the live page missed something", next_step=_REPORT)

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
                # Shielded, since it is cancelled by now, and so would be this.
                with move_on_after(_CLOSE_WITHIN_S, shield=True):
                    await self._pages.close()

    async def _listen(self) -> asyncio.Server:
        """Take the address, however long it takes; the log hears of a trouble once, and of its end."""
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
        """What answers a new connection."""
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
        """Load what answers, beside the recording, and let in who waits."""
        try:
            # On a thread: the loop has frames to read meanwhile.
            module = await in_thread(lambda: importlib.import_module("tap.service.ops.pages"))
            if module is not None:
                pages: Pages = module.Pages(self._parts, self._live)
                await pages.open()
                self._pages = pages
        except Exception:  # noqa: BLE001 - the page's bug, not the recording's
            _log.exception("a bug of the tap: its pages cannot be shown", next_step=_REPORT)
        # Where that failed, the next who comes has it tried again.
        self._knocked = Event()
        waiting, self._doors = self._doors, []
        for door in waiting:
            door.open(self._connection() if self._pages is not None else RefusedConnection())

    # ------------------------------------------------------------------------------------------ news

    async def _tick(self) -> None:
        while True:
            await sleep_aligned(_TICK_S)
            self._push()

    async def _tidy(self) -> None:
        while True:
            await sleep_aligned(_TIDY_S)
            if self._pages is not None:
                await self._pages.tidy()

    def _push_soon(self) -> None:
        """At once, but not for every entry of a burst."""
        if self._live.feed.clients:
            self._told.set()

    async def _push_when_told(self) -> None:
        while True:
            await self._told.wait()
            await sleep(_SOON_S)
            self._told = Event()
            self._push()

    def _push(self) -> None:
        try:
            self._live.feed.happened(self._live.board.settle())
            if self._live.feed.clients:
                self._live.feed.now(now_of(self._parts, self._live.board))
        except Exception:  # noqa: BLE001 - who looks on must not stop what is looked at
            _log.exception("a bug of the tap: the live page missed something", next_step=_REPORT)

    async def _restore(self) -> None:
        """After a restart within a session: what was before it, from the journal."""
        session = self._parts.pipeline.state.session
        if session is not None and session.status == "live":
            path, key = self._parts.settings.journal_path, session.key
            board = await in_thread(lambda: _before(path, key))
            if board is not None:
                board.take(self._early or [])
                self._live.board = board
        self._early = None


def _before(path: Path, session: str) -> SessionBoard:
    """The session as far as the journal has it. On a thread, gently."""
    board = SessionBoard()
    with Journal.open(path, readonly=True) as journal:
        kept = journal.entries(session)
        while some := [one.entry for one in islice(kept, _RESTORED_TOGETHER)]:
            board.take(some)
            time.sleep(_BREATH_S)
    return board


# ---------------------------------------------------------------------------------------------- small parts


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _words(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use"
    return error.strerror or str(error)


async def _holder(host: str, port: int) -> str:
    """Who has the address, where it tells."""
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
