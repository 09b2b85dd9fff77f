"""The whole process against a ledger that hangs, refuses, or comes back: never frozen, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.server import ServerConnection, serve

from tap.adapters.journal import Journal
from tap.core.errors import JournalError
from tests.contract.local import key_of, local_ledger

_SHOOT: list[dict[str, Any]] = [
    {"type": "hello", "boot_id": "b"},
    {"type": "state", "session": None, "program": "c1", "cameras": [{"id": "c1"}, {"id": "c2"}]},
    {"type": "session_started", "session": {"id": "s"}},
    *({"type": "cut", "cut_id": n, "to": f"c{n % 2 + 1}"} for n in range(1, 21)),
]


@contextmanager
def shoot() -> Iterator[str]:
    """A server that plays a short shoot to whoever comes first, and nothing to those after."""
    played = threading.Event()

    def play(connection: ServerConnection) -> None:
        if not played.is_set():
            played.set()
            for frame in _SHOOT:
                connection.send(json.dumps({"ts": round(time.time() * 1000), **frame}))
        for _ in connection:
            raise AssertionError("the tap sent data")

    with serve(play, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()


@contextmanager
def hanging() -> Iterator[str]:
    """Something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def tap(folder: Path, server: str, ledger: str, venue: str) -> Iterator[subprocess.Popen[bytes]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    environ |= {"TAP_VENUE": venue, "TAP_SERVER_URL": server, "TAP_STATE_DIR": str(folder), "TAP_OPS_LISTEN": "off"}
    environ |= {"TAP_CONVEX_URL": ledger, "TAP_INGEST_KEY": key_of(venue).get_secret_value()}
    process = subprocess.Popen([sys.executable, "-m", "tap.cli", "run"], env=environ, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def kept(folder: Path, state: str) -> int:
    try:
        with Journal.open(folder / "journal.db", readonly=True) as journal:
            counts: dict[Any, int] = dict(journal.counts())
            return counts.get(state, 0)
    except JournalError:
        return 0  # the tap has not made it yet


def until(folder: Path, state: str, count: int) -> None:
    """Waits for the journal to say so; a test's timeout ends what never comes."""
    pause = threading.Event()
    end = time.monotonic() + 300
    while kept(folder, state) < count:
        assert time.monotonic() < end, f"{kept(folder, state)} of {count} {state}"
        pause.wait(0.02)


_ENTRIES = 1 + 2 + 20  # the session, its cameras, its cuts


def test_with_a_ledger_that_hangs_it_records_and_stops_in_time_and_ships_later(tmp_path: Path) -> None:
    """SIGTERM ends it while the ledger still says nothing; the next start ships everything."""
    with shoot() as server:
        with hanging() as ledger, tap(tmp_path, server, ledger, "venue-0") as process:
            until(tmp_path, "pending", _ENTRIES)
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
            assert process.stderr is not None
            # Who waits for the call's deadline says that the ledger is away.
            assert b"ledger is away" not in process.stderr.read()
        assert kept(tmp_path, "pending") == _ENTRIES
        with local_ledger() as local, tap(tmp_path, server, local.url, "venue-0") as process:
            until(tmp_path, "shipped", _ENTRIES)
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
    assert kept(tmp_path, "dead") == 0


def test_a_kill_while_shipping_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """An answer that never arrived costs a repetition, which the ledger knows as one."""
    with shoot() as server, local_ledger() as local:
        local.fault("hang_after", times=1, ms=60_000)
        with tap(tmp_path, server, local.url, "venue-0") as process:
            until(tmp_path, "pending", 1)
            process.kill()
            process.wait()
        local.clear()
        with tap(tmp_path, server, local.url, "venue-0") as process:
            until(tmp_path, "shipped", 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0
            stderr = process.stderr.read().decode() if process.stderr is not None else ""
    assert kept(tmp_path, "dead") == 0
    assert key_of("venue-0").get_secret_value() not in stderr


def test_a_wrong_key_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """Blocked, in words, and everything waits."""
    with shoot() as server, local_ledger(keys="") as local, tap(tmp_path, server, local.url, "venue-0") as process:
        until(tmp_path, "pending", _ENTRIES)
        assert process.stderr is not None
        told = ""
        while "key" not in told.replace("TAP_", ""):
            line = process.stderr.readline().decode()
            assert line, told
            told += line if "ledger" in line and "listening" not in line else ""
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    assert kept(tmp_path, "pending") == _ENTRIES
    assert kept(tmp_path, "dead") == 0
