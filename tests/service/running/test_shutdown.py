"""The end of the service: one scope's cancellation ends all that runs, and what must still reach the disk does.

The first are real processes and real signals. Nothing here waits for time to pass: a commit stands still until the end
has come as far as the test wants it to.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websocket_server
from websockets.exceptions import ConnectionClosed

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, Kept
from tap.adapters.scopes import own_error
from tap.core.model import Entry
from tap.service.config import Settings, load_settings
from tap.service.running.daemon import Service

SHOOT = (
    '{"type":"hello","server":"s","boot_id":"b1"}',
    '{"type":"state","seq":1,"session":{"id":"s1","title":"Film"},"program":"c1","mode":"performance",'
    '"cameras":[{"id":"c1"},{"id":"c2"}]}',
)

# A tap whose commits stand still once a line came on its standard input, until its end waits for them (or for ever).
RUN = """
import os, sqlite3, sys, threading
from tap.adapters.journal import JournalWriter
from tap.service.running import daemon
from tap.service.config import load_settings

armed, ending = threading.Event(), threading.Event()
stop = JournalWriter.stop

def end(writer, timeout):
    if sys.argv[1] == "until the end":
        ending.set()
    return stop(writer, timeout)

def traced(statement):
    if statement == "COMMIT" and armed.is_set():
        print("committing", flush=True)
        ending.wait()

def opened(*args, **options):
    connection = connect(*args, **options)
    if "journal.db" in str(args[0]):  # what counts coverage has a database of its own
        connection.set_trace_callback(traced)
    return connection

def arm():
    sys.stdin.readline()
    armed.set()
    print("armed", flush=True)

JournalWriter.stop = end
connect, sqlite3.connect = sqlite3.connect, opened
threading.Thread(target=arm, daemon=True).start()
sys.exit(daemon.run(load_settings(os.environ)))
"""


def environment(tmp_path: Path, url: str) -> dict[str, str]:
    return {
        "TAP_STATE_DIR": str(tmp_path / "state"),
        "TAP_SERVER_URL": url,
        "TAP_LOG_FORMAT": "json",
        "TAP_OPS_LISTEN": "off",
    }


def settings(tmp_path: Path, url: str) -> Settings:
    return load_settings(environment(tmp_path, url))


def cut(number: int) -> str:
    return f'{{"type":"cut","seq":{number + 2},"to":"c{2 - number % 2}","cut_id":{number}}}'


def cuts(tmp_path: Path) -> list[Kept]:
    with Journal.open(tmp_path / "state" / "journal.db", readonly=True) as journal:
        assert journal.verify() == []
        return [kept for kept in journal.entries() if kept.entry.fields.get("kind") == "cut"]


@asynccontextmanager
async def server(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with websocket_server(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as running:
        yield f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}/ws/control"


@asynccontextmanager
async def tap(tmp_path: Path, url: str, commits_stand: str = "until the end") -> AsyncIterator[Process]:
    """A process of its own; killed at last where it does not end."""
    command = [sys.executable, "-c", RUN, commits_stand]
    environ = os.environ | environment(tmp_path, url)
    async with await anyio.open_process(command, env=environ, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def said(process: Process) -> list[dict[str, Any]]:
    """Its log, to its end."""
    assert process.stderr is not None
    return [json.loads(line) async for line in _lines(process.stderr)]


async def _lines(stream: Any) -> AsyncIterator[str]:
    rest = ""
    async for text in TextReceiveStream(stream):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line


async def committing(process: Process, say: Callable[[], Awaitable[None]]) -> None:
    """Let the next commits stand still, bring one about, and return in the midst of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    told = _lines(process.stdout)
    await process.stdin.send(b"now\n")
    assert await anext(told) == "armed"
    await say()
    assert await anext(told) == "committing"


class Desk:
    """A server that says what it is told to, once the tap has taken in all before it."""

    def __init__(self) -> None:
        self.heard = anyio.Event()
        self._connection: ServerConnection | None = None

    async def attend(self, connection: ServerConnection) -> None:
        self._connection = connection
        for frame in (*SHOOT, cut(0)):
            await connection.send(frame)
        await (await connection.ping())
        self.heard.set()
        await connection.wait_closed()

    async def cut(self) -> None:
        assert self._connection is not None
        await self._connection.send(cut(1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_in_the_midst_of_a_commit_keeps_what_is_on_its_way(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The commit ends while the service does: exit code 0, and the last cut is on the disk."""
    desk = Desk()
    async with server(desk.attend) as url, tap(tmp_path, url) as process:
        await desk.heard.wait()
        await until(lambda: len(cuts(tmp_path)) == 1)
        await committing(process, desk.cut)
        process.send_signal(number)
        lines = await said(process)
        assert await process.wait() == 0
    assert lines[-1]["message"] == "stopped"
    assert len(cuts(tmp_path)) == 2


async def test_a_commit_that_never_ends_does_not_hold_the_end(tmp_path: Path) -> None:
    """The end waits for its time and no longer: exit code 1, and the log says what is lost."""
    desk = Desk()
    async with server(desk.attend) as url, tap(tmp_path, url, "for ever") as process:
        await desk.heard.wait()
        await until(lambda: len(cuts(tmp_path)) == 1)
        await committing(process, desk.cut)
        process.send_signal(signal.SIGTERM)
        lines = await said(process)
        assert await process.wait() == 1
    assert [line["message"] for line in lines[-2:]] == ["the end of the recording could not be saved", "stopped"]
    assert len(cuts(tmp_path)) == 1


async def test_a_signal_while_the_disk_is_locked_ends_it_all_the_same(tmp_path: Path) -> None:
    """Another program holds the journal: what waits is told as lost, and the exit code says so."""
    desk = Desk()
    async with server(desk.attend) as url, tap(tmp_path, url) as process:
        await desk.heard.wait()
        await until(lambda: len(cuts(tmp_path)) == 1)
        with sqlite3.connect(tmp_path / "state" / "journal.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            await desk.cut()
            process.send_signal(signal.SIGTERM)
            lines = await said(process)
            assert await process.wait() == 1
            other.execute("ROLLBACK")
        other.close()
    assert "the end of the recording could not be saved" in [line["message"] for line in lines]
    assert len(cuts(tmp_path)) == 1


async def test_a_signal_amid_a_flood_keeps_all_that_was_taken_in(tmp_path: Path) -> None:
    """A server that says all that is taken, without a pause, does not hold the end; what was counted is on the disk."""
    flooded = anyio.Event()

    async def flood(connection: ServerConnection) -> None:
        for frame in SHOOT:
            await connection.send(frame)
        number = 0
        try:
            while True:
                await connection.send(cut(number))
                number += 1
                if not number % 200:
                    # As fast as it is taken, and not as fast as a busy machine can fill the kernel's buffers.
                    await (await connection.ping())
                    flooded.set()
        except ConnectionClosed:
            pass

    async with server(flood) as url, tap(tmp_path, url) as process:
        await flooded.wait()
        process.send_signal(signal.SIGTERM)
        lines = await said(process)
        assert await process.wait() == 0
    assert lines[-1]["message"] == "stopped"
    assert len(cuts(tmp_path)) == lines[-1]["frames"] - len(SHOOT) > 0


# The end of this one hangs on the loop itself: no deadline of a part of it comes to its turn.
STUCK = """
import os, sys, threading
from tap.service.running import daemon, end_deadline
from tap.service.config import load_settings

async def stuck(service):
    threading.Event().wait()

daemon.Service._save_what_is_left = stuck
end_deadline.WITHIN_S = 0.1
sys.exit(daemon.run(load_settings(os.environ), on_ready=lambda _: print("ready", flush=True)))
"""


async def test_an_end_that_hangs_is_cut_short_by_its_own_deadline(tmp_path: Path) -> None:
    """Whatever holds the loop: the process ends by itself, with exit code 1, and the log says so."""
    environ = os.environ | environment(tmp_path, "ws://127.0.0.1:1/")
    async with await anyio.open_process([sys.executable, "-c", STUCK], env=environ, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await anext(_lines(process.stdout)) == "ready"
        process.send_signal(signal.SIGTERM)
        lines = await said(process)
        assert await process.wait() == 1
    assert lines[-1]["message"] == "the end took too long and was cut short"


# ---------------------------------------------------------------------------------------------- within one process


async def until(enough: Callable[[], bool]) -> None:
    """For what another thread brings about."""
    while not enough():  # noqa: ASYNC110 - there is no event to wait for
        await anyio.sleep(0.005)


async def test_who_cancels_all_around_it_cannot_cancel_the_last_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled scope cancels each wait in it anew: the end of the service is shielded from that."""
    given = settings(tmp_path, "ws://127.0.0.1:1/")
    service = Service(given, load_dialect(given.dialect), Journal.open(given.journal_path, owner=True))
    append, begun, free = Journal.append, threading.Event(), threading.Event()

    def slowly(journal: Journal, *what: Any) -> int:
        begun.set()
        free.wait()
        return append(journal, *what)

    ready = anyio.Event()
    async with anyio.create_task_group() as around:
        around.start_soon(service.run, lambda _: ready.set())
        await ready.wait()
        monkeypatch.setattr(Journal, "append", slowly)
        service.writer.submit([Entry("v/1/x", "event", "v/1", 1, {"kind": "cut", "at": 1})], None)
        await until(begun.is_set)
        around.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await until(service.writer._stopping.is_set)
            free.set()
    assert len(cuts(tmp_path)) == 1
    Journal.open(given.journal_path, owner=True).close()


async def test_what_comes_after_the_end_has_begun_is_heard_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what was read in one go with the frame before: a flood takes no turn of the loop from the end."""

    async def flood(connection: ServerConnection) -> None:
        try:
            for frame in (*SHOOT, *map(cut, range(5_000))):
                await connection.send(frame)
        except ConnectionClosed:
            pass

    async with server(flood) as url:
        given = settings(tmp_path, url)
        service = Service(given, load_dialect(given.dialect), Journal.open(given.journal_path, owner=True))
        feed = service.pipeline.feed

        def stopped_at_the_hundredth(item: Any) -> Any:
            if service.pipeline.tally.frames == 99:
                service.stop()
            return feed(item)

        monkeypatch.setattr(service.pipeline, "feed", stopped_at_the_hundredth)
        assert await service.run() == 0
    assert service.pipeline.tally.frames == 100
    assert len(cuts(tmp_path)) == 100 - len(SHOOT)


async def test_what_a_part_fails_with_is_raised_as_itself_and_ends_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a group, and not before what ran beside it has ended and the journal is free."""
    given = settings(tmp_path, "ws://127.0.0.1:1/")
    service = Service(given, load_dialect(given.dialect), Journal.open(given.journal_path, owner=True))
    ended: list[str] = []

    async def fails() -> None:
        raise ZeroDivisionError

    async def goes_on() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("the other")

    monkeypatch.setattr(service, "_stages", lambda: [goes_on, fails])
    with pytest.raises(ZeroDivisionError):
        await service.run()
    assert ended == ["the other"]
    Journal.open(given.journal_path, owner=True).close()


def test_of_a_group_in_a_group_the_first_error_is_raised() -> None:
    with pytest.raises(KeyError), own_error():
        raise ExceptionGroup("", [ExceptionGroup("", [KeyError(1), ValueError()]), OSError()])
