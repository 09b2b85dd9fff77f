"""The two walks as faults of the harness: the library is built where there is a compiler, and preloaded."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path

import msgspec

from tests.faults.layer.walker import Asked, Found
from tests.faults.outcome import Outcome
from tests.faults.stage import workshop

__all__ = ["errors", "missing", "power"]

_SOURCE = Path(__file__).with_name("layer.c")
_WITHIN_S = 590
_ROOT = Path(__file__).parents[3]
_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing there has to last: what a disk would keep is decided by the diary


def missing() -> str | None:
    """Why the walk cannot be made on this machine, if so."""
    if sys.platform != "linux":
        return "the layer between a process and its disk is made for Linux"
    return None if shutil.which("gcc") is not None else "the layer between a process and its disk is built with gcc"


@cache
def _library() -> Path:
    """Built once for this process; gone with the machine's temporary files."""
    folder = Path(tempfile.mkdtemp(prefix="tap-layer-"))
    built = folder / "layer.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(built), str(_SOURCE)]
    subprocess.run([*command, "-lpthread"], check=True)
    return built


async def _walk(what: str, count: int, seed: int) -> Outcome:
    found = await asyncio.to_thread(_walked, what, count, seed)
    outcome = Outcome(tried=found.tried, lost=found.lost, failures=found.failures)
    outcome.recovered(found.slowest_ms)
    outcome.notes.append(_words(what, found))
    return outcome


def _walked(what: str, count: int, seed: int) -> Found:
    library = _library()
    with workshop(_MEMORY if os.access(_MEMORY, os.W_OK) else None) as place:
        asked = msgspec.json.encode(Asked(what, count, seed, str(place)))
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.layer.walker"],
            cwd=_ROOT,
            env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(_ROOT)},
            input=asked + b"\n",
            capture_output=True,
            timeout=_WITHIN_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the walk ended with {done.returncode}: {done.stderr.decode()[-2_000:]}")
    return msgspec.json.decode(done.stdout, type=Found)


def _words(what: str, found: Found) -> str:
    words = f"{found.operations:,} operations in the shoot"
    if what == "errors":
        return f"{words}; {found.told:,} of the errors were told of in {found.tried:,} shoots"
    return f"{words}; {found.moved_aside} starts found a journal half made, with nothing committed, and said so"


power = partial(_walk, "power")
errors = partial(_walk, "errors")
