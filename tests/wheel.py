"""The project's own wheel, built as anybody builds it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def the_wheel(factory: pytest.TempPathFactory) -> Path:
    """Built once for all workers of a test run. Skips the test where what builds it is out of reach."""
    folder = factory.getbasetemp()
    if folder.name.startswith("popen-"):  # a worker's, inside that of the run
        folder = folder.parent
    place = folder / "the-wheel"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(place.glob("*.whl")):
            _build(place)
    (wheel,) = place.glob("*.whl")
    return wheel


def _build(place: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-input"]
    command = [*pip, "--wheel-dir", str(place), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode and out_of_reach(done.stderr):
        pytest.skip("what builds a wheel cannot be fetched: the package registry is out of reach")
    assert done.returncode == 0, done.stderr


def out_of_reach(words: str) -> bool:
    """Whether pip or uv says that there is no way to the registry, and not that something is wrong."""
    signs = (
        "Failed to establish a new connection",
        "Name or service not known",
        "Temporary failure in name resolution",
    )
    more = ("Network is unreachable", "Connection timed out", "dns error", "Failed to fetch", "connection refused")
    return any(sign.lower() in words.lower() for sign in (*signs, *more))
