"""A state directory goes on: the service plays the steps that follow, and what it kept is read from its journal.

Used by the test, with today's code, and by ``make.py``, with another version: nothing of the tap is imported.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

LOCKSTEP = Path(__file__).with_name("lockstep.py")
VENUE = "hall"
_PATIENCE_S = 300
"""Only for a run that hangs: no outcome depends on it."""


class Playing:
    """A service that is being played to."""

    def __init__(self, process: subprocess.Popen[bytes], steps: Sequence[Any], log: Path) -> None:
        self.process = process
        self._log = log
        self._write(json.dumps(list(steps)).encode() + b"\n")
        self.says("listening")

    def says(self, word: str) -> None:
        """Wait until it is there: ``listening``, ``waiting`` or ``done``."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().decode().strip()
        assert said == word, f"it said {said!r}, and not {word!r}:\n{self._log.read_text()}"

    def goes_on(self) -> None:
        """Let it go on where it waits."""
        self._write(b"\n")

    def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()


@contextmanager
def playing(steps: Sequence[Any], state: Path, ledger: tuple[str, str] | None, log: Path) -> Iterator[Playing]:
    """The service on this state directory, with the steps as its server. ``ledger``: address and key."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    environ |= {
        "TAP_SERVER_URL": f"ws://127.0.0.1:{port}/ws/control",
        "TAP_VENUE": VENUE,
        "TAP_STATE_DIR": str(state),
        "TAP_OPS_LISTEN": "off",
    }
    if ledger is not None:
        environ |= {"TAP_CONVEX_URL": ledger[0], "TAP_INGEST_KEY": ledger[1]}
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, str(LOCKSTEP)], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
    try:
        yield Playing(process, steps, log)
    finally:
        process.kill()
        process.communicate()


def waits(until: Callable[[], bool]) -> None:
    """Until it is so, however long a busy machine takes."""
    end = time.monotonic() + _PATIENCE_S
    while not until():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def entries_in(state: Path) -> list[dict[str, Any]]:
    """Every entry in the journal, in its order."""
    names = ("key", "op", "sessionKey", "version", "revision", "fields")
    rows = _rows(state, "SELECT key, op, session_key, version, revision, fields FROM entries ORDER BY seq")
    return [{**dict(zip(names, row, strict=True)), "fields": json.loads(row[-1])} for row in rows]


def pending_in(state: Path) -> int:
    """How many entries of the journal are not delivered."""
    return len(_rows(state, "SELECT 1 FROM entries WHERE state = 'pending'"))


def _rows(state: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(state / "journal.db")) as db:
        return db.execute(query).fetchall()
