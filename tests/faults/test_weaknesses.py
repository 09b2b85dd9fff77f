"""What the harness found, each as a case of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.server import ServerConnection, serve

from tap.adapters.clock import Clock
from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.journal.rows import KNOWN
from tap.adapters.server import ServerSocket
from tap.core.errors import JournalDamaged, JournalError
from tap.core.model import Entry, SourceItem


def entry(number: int) -> Entry:
    return Entry(f"v/s/cut/{number}", "event", "v/s", number, {"kind": "cut", "at": number, "pad": "x" * 300})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, owner=True) as journal:
        yield journal


def keys(journal: Journal) -> list[str]:
    return [kept.entry.key for kept in journal.entries()]


# ---------------------------------------------------------------------------------------------- the journal


def test_a_long_shoot_costs_no_more_an_entry_than_a_short_one(journal: Journal, path: Path) -> None:
    """Whether an entry is kept already is asked of the index of keys, never of the whole session."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN {KNOWN}", ("k", "event", "s", 1, 0, "{}", None)).fetchall()
    db.close()
    assert "entries_by_key (key=? AND version=?)" in str(plan)


@pytest.mark.parametrize("ends", [("-wal",), ("-wal", "-shm"), ("-shm",), ("", "-wal"), ("", "-wal", "-shm")])
def test_a_log_that_is_deleted_takes_nothing_with_it(
    journal: Journal, path: Path, tmp_path: Path, ends: tuple[str, ...]
) -> None:
    """What was committed before and after is in the files that stand there, also after a kill."""
    journal.append([entry(1)], b"{}", 1)
    for round_ in range(3):
        for end in ends:
            path.with_name(f"journal.db{end}").unlink(missing_ok=True)
        journal.append([entry(2 + round_)], b"{}", 1)
    killed = tmp_path / "killed"
    shutil.copytree(path.parent, killed)
    with Journal.open(killed / "journal.db", owner=True) as after:
        assert keys(after) == [f"v/s/cut/{n}" for n in range(1, 5)]
        assert after.verify() == []


def test_an_entry_that_the_disk_gives_back_changed_never_goes_out(path: Path) -> None:
    """Not even where it still reads well; those beside it go on, and it lies aside with the damaged file."""
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(n) for n in range(10)], b'{"all":"well"}', 1)
    data = path.read_bytes()
    assert data.count(b'"at":5,') == 1
    path.write_bytes(data.replace(b'"at":5,', b'"at":6,'))
    with Journal.open(path, owner=True) as journal:
        assert journal.verify() == ["entry 6 (v/s/cut/5): it differs from what was saved"]
        writer = JournalWriter(journal)
        pending = writer.run_in_writer(lambda journal: journal.pending(100)).result(300)
        assert writer.stop(300)
        assert [kept.entry.key for kept in pending] == [f"v/s/cut/{n}" for n in range(10) if n != 5]
        assert all(kept.entry in [entry(n) for n in range(10)] for kept in pending)
        assert journal.checkpoint() == b'{"all":"well"}'
        assert len(journal.moved_aside) == 1


def test_text_that_is_none_is_damage(path: Path) -> None:
    """It is told as such, so that the owner goes on without it."""
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(n) for n in range(10)], None, 1)
    path.write_bytes(path.read_bytes().replace(b"v/s/cut/5", b"v/s/\xff\xfe\xff/5"))
    with Journal.open(path, readonly=True) as journal, pytest.raises(JournalDamaged):
        keys(journal)


def test_a_checkpoint_that_the_disk_gives_back_changed_is_not_used(path: Path) -> None:
    """The tap starts anew rather than from what never was; what waits for the ledger still goes out."""
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(1)], b'{"program":"cam-1"}', 1)
    path.write_bytes(path.read_bytes().replace(b'{"program":"cam-1"}', b'{"program":"cam-2"}'))
    with Journal.open(path, owner=True) as journal:
        assert len(journal.moved_aside) == 1
        assert (journal.checkpoint(), keys(journal)) == (None, ["v/s/cut/1"])


def test_who_asks_while_the_disk_fails_is_told_so(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits behind a commit that fails again and again; when it succeeds, all goes on."""
    append, failed = Journal.append, threading.Event()

    def full(*_: object) -> int:
        failed.set()
        raise JournalError("the disk is full")

    monkeypatch.setattr(Journal, "append", full)
    writer = JournalWriter(journal)
    writer.submit([entry(1)], None)
    assert failed.wait(300)
    with pytest.raises(JournalError, match="the disk is full"):
        writer.run_in_writer(lambda journal: journal.counts()).result(300)
    monkeypatch.setattr(Journal, "append", append)
    assert writer.stop(300)
    assert keys(journal) == ["v/s/cut/1"]


# ---------------------------------------------------------------------------------------------- the socket


def test_a_flood_does_not_hold_the_loop() -> None:
    """Timers, commits and the watchdog have their turn between the frames of a server that sends all it can."""
    frame = json.dumps({"type": "cut", "to": "cam-1", "pad": "x" * 1000})
    sent, heard, all_sent = 20_000, 0, threading.Event()
    in_turn = [0]

    def on_item(_: SourceItem) -> None:
        nonlocal heard
        heard += 1
        if heard == 2:  # the first frame: as much waits in the kernel as goes in before any of it is read
            assert all_sent.wait(300)

    async def flood(connection: ServerConnection) -> None:
        for _ in range(sent):
            connection.transport.write(b"\x81\x7e" + len(frame).to_bytes(2, "big") + frame.encode())
        all_sent.set()
        await connection.wait_closed()

    async def watch() -> None:
        before = 0
        while heard < sent:
            await asyncio.sleep(0)
            in_turn.append(heard - before)
            before = heard

    def stand(ready: threading.Event, port: list[int], stop: threading.Event) -> None:
        # On a thread of its own: its own turns must not be ours.
        async def body() -> None:
            async with serve(flood, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
                port.append(next(iter(server.sockets)).getsockname()[1])
                ready.set()
                await asyncio.to_thread(stop.wait)

        asyncio.run(body())

    async def body(port: int) -> None:
        listening = asyncio.create_task(ServerSocket(f"ws://127.0.0.1:{port}/", on_item, Clock()).run())
        await asyncio.wait_for(watch(), 300)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    ready, port, stop = threading.Event(), list[int](), threading.Event()
    server = threading.Thread(target=stand, args=(ready, port, stop))
    server.start()
    try:
        assert ready.wait(300)
        uvloop.run(body(port[0]))
    finally:
        stop.set()
        server.join()
    assert heard > sent
    # Without turns it is megabytes: some thousand frames before anybody else is asked.
    assert max(in_turn) * len(frame) <= 5 * 128 * 1024


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_name_that_is_never_found_does_not_hold_the_end(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up without a network takes as long as it likes; who stops the tap does not wait for it."""
    asked, never, found = threading.Event(), threading.Event(), list[str]()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        asked.set()
        never.wait(300)
        found.append("after all")
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def body() -> None:
        listening = asyncio.create_task(ServerSocket("ws://server.example/", lambda _: None, Clock()).run())
        while not asked.is_set():  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.01)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    assert callable(run)
    run(asyncio.wait_for(body(), 300))
    assert not found
    # Nor does the end of the process.
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    never.set()
