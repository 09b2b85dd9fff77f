"""A real tap process, and a server in this one that says to it whatever a test wants."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve

from tap.adapters.journal import Journal
from tap.core.model import Entry

PATIENCE = 300.0
"""Seconds until a tap on a slow, loaded machine counts as stuck. Nothing here takes one on a fast one."""
RUN = """
import os, sys
from tap.service.config import load_settings
from tap.service.running.daemon import run
os.umask(int(sys.argv[1], 8))
sys.exit(run(load_settings(os.environ)))
"""
_T = TypeVar("_T")


class Victim:
    """The tap, as the server sees it and as the machine does. Made by ``victim``."""

    def __init__(self, folder: Path, umask: str, **environ: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.log = folder / "log"
        self.session = 0
        self._connections: list[ServerConnection] = []
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        given = {"TAP_STATE_DIR": str(self.state), "TAP_SERVER_URL": self.url, "TAP_OPS_LISTEN": "off"}
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")} | given
        self.environ |= {"TAP_VENUE": "v"} | {
            name: value.replace("PORT", str(self.port)) for name, value in environ.items()
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-c", RUN, umask], env=self.environ, stderr=log)

    async def _serve(self) -> None:
        # Its own log is not the tap's.
        quiet = logging.getLogger("tests.security.server")
        quiet.propagate = False
        options: dict[str, Any] = {"ping_interval": None, "logger": quiet, "write_limit": 2**26, "max_size": None}
        async with serve(self._connected, "127.0.0.1", 0, **options) as running:
            self.port = int(next(iter(running.sockets)).getsockname()[1])
            self.url = f"ws://127.0.0.1:{self.port}/ws/control"
            self._ready.set()
            await self._ended.wait()

    async def _connected(self, connection: ServerConnection) -> None:
        self._connections.append(connection)
        await connection.send(json.dumps({"type": "hello", "boot_id": "b1"}))
        await connection.wait_closed()

    def end(self) -> int:
        """Stop the tap in order; its exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(PATIENCE)
            self._loop.close()
        return code

    # ------------------------------------------------------------------------------------------ what a server does

    def _do(self, body: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(body, PATIENCE), self._loop).result(PATIENCE + 5)

    def connection(self, number: int) -> ServerConnection:
        """The ``number``-th connection of the tap, waited for."""
        self.until(lambda: len(self._connections) >= number)
        return self._connections[number - 1]

    @property
    def connections(self) -> int:
        return len(self._connections)

    def say(self, *frames: object) -> None:
        """Say these frames; returns once the tap has taken them in, by its answer to a ping behind them."""
        connection = self.connection(max(1, self.connections))

        async def body() -> None:
            for frame in frames:
                await connection.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
            await (await connection.ping())

        self._do(body())

    def throw(self, frame: str | bytes) -> None:
        """Say a frame that will cost the connection; returns once the tap is back on another."""
        before = self.connections
        connection = self.connection(max(1, before))

        async def body() -> None:
            try:
                await connection.send(frame)
                await connection.wait_closed()
            except Exception:  # noqa: BLE001, S110 - the tap hung up in the middle, which is what is tested
                pass

        self._do(body())
        self.connection(before + 1)

    def start_session(self, **session: object) -> str:
        """Start a session, with nothing on and no camera there; its id."""
        self.session += 1
        ended = {"type": "session_ended", "session_id": f"s{self.session - 1}"}
        self.say(ended, {"type": "cut", "to": None}, {"type": "release"})
        name = f"s{self.session}"
        self.say({"type": "session_started", "session": {"id": name, **session}})
        return name

    # ------------------------------------------------------------------------------------------ what the machine sees

    def until(self, happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert self.process_lives(), f"the tap died:\n{self.log_text()[-2_000:]}"
            assert time.monotonic() < deadline, f"waited in vain:\n{self.log_text()[-2_000:]}"
            threading.Event().wait(0.01)

    def process_lives(self) -> bool:
        return not hasattr(self, "process") or self.process.poll() is None

    def cpu_seconds(self) -> float:
        """What the process has used of the machine: how busy that is with others does not count."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """The most memory that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1000

    def entries(self, session: str) -> list[Entry]:
        """What is kept of a session now."""
        with Journal.open(self.state / "journal.db", readonly=True) as journal:
            return [kept.entry for kept in journal.entries() if kept.entry.session_key.split("@")[0] == f"v/{session}"]

    def cut_is_kept(self, session: str) -> list[Entry]:
        """Say a good cut: it has to be in the journal soon. All that is kept of the session then."""
        camera = f"good-{session}"
        self.say({"type": "cut", "to": camera, "cut_id": f"{session}-{camera}"})

        def cuts() -> list[Entry]:
            return [entry for entry in self.entries(session) if entry.fields.get("cameraId") == camera]

        self.until(lambda: any(entry.fields.get("kind") == "cut" for entry in cuts()))
        return self.entries(session)

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")


@contextmanager
def victim(folder: Path, umask: str = "022", **environ: str) -> Iterator[Victim]:
    """A tap that has connected; it has to end in order."""
    tap = Victim(folder, umask, **environ)
    try:
        tap.connection(1)
        yield tap
    finally:
        code = tap.end()
    assert code == 0, tap.log_text()[-2_000:]


def call(tap: Victim, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the tap on the victim's state directory."""
    command = [sys.executable, "-m", "tap.cli", *arguments]
    return subprocess.run(command, env=tap.environ, capture_output=True, text=True, timeout=PATIENCE, check=False)


def harmful(text: str) -> list[str]:
    """The characters of a terminal's output that do something; what colours text does not."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return [character for character in plain if not character.isprintable() and character not in "\n\r\u200c\u200d"]
