"""The machine that is measured on, in words: without it no figure means anything."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

from bench.contestants import ROOT, WORK, node

__all__ = ["Machine", "code_digest", "describe", "load_average"]

_SYNCS = 100


class Machine(Struct, frozen=True):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    disk_sync_ms: float
    """What a write of 4 KB and its sync take here, median: the floor under every commit."""
    versions: dict[str, str]
    """Of what takes part; "none" for what is not there."""

    def words(self) -> str:
        """As a page tells it, without the versions."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:.0f} GB, Linux {self.kernel}, "
            f"{self.disk_sync_ms:.2f} ms a disk sync"
        )

    def brief(self) -> str:
        """As a picture tells it."""
        python, sockets = self.versions["Python"], self.versions["websockets"]
        return f"{self.cpu}, {self.cores} cores, Linux {self.kernel}, Python {python}, websockets {sockets}"


def describe() -> Machine:
    """This machine."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        kernel=platform.release(),
        disk_sync_ms=statistics.median(_syncs()),
        versions={
            "Python": platform.python_version(),
            **{name: _version(name) for name in ("websockets", "uvloop", "picows", "orjson", "msgspec")},
            "Node": _node_version(),
            **{name: _npm_version(name) for name in ("ws", "node-red")},
        },
    )


def load_average() -> float:
    """Of the last minute: what else this machine was busy with."""
    return os.getloadavg()[0]


def code_digest() -> str:
    """Tells one state of the tap's code from another."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "tap").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.machine()


def _syncs() -> list[float]:
    WORK.mkdir(parents=True, exist_ok=True)
    took = []
    with tempfile.NamedTemporaryFile(dir=WORK) as file:
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            since = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - since) * 1000)
    return took


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _node_version() -> str:
    path = node()
    if path is None:
        return "none"
    said = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=False)
    return said.stdout.strip().removeprefix("v")


def _npm_version(name: str) -> str:
    file = ROOT / "bench" / "node" / "node_modules" / name / "package.json"
    return str(json.loads(file.read_text())["version"]) if file.exists() else "none"
