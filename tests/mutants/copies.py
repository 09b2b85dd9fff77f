"""A copy of the tree, in which a change is made, tried on tests and taken back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.mutants.sites import Site, changed

ROOT = Path(__file__).resolve().parents[2]

SURVIVED = "SURVIVED"
CAUGHT = "caught"
HUNG = "hung"
"""Noticed, too: the tests took many times as long as they do."""
UNTRIED = "not tried"

_GREEN, _RED, _BROKEN_OFF, _NOT_FOUND = 0, 1, 2, 4
"""What pytest exits with. A test that it was asked for and cannot collect is `_NOT_FOUND`."""
_PATIENCE = (120.0, 5.0)
"""Seconds, and how many times the tests' own time, after which they hang: the machine may be busy with others."""
_CPU = (20.0, 1.0)
"""The same of the processor's time, in which a loop without end is found sooner."""
_WRITTEN = count(1_000_000_000)
"""The whole seconds that a changed module says it was written at, each once: what Python keeps compiled of it is told
apart from any other change of the same length."""
_RUNNING: set[int] = set()
"""The groups of processes that try a change now."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: str
    site: Site

    def __str__(self) -> str:
        return f"{self.path}:{self.site.line}:{self.site.column}  {self.site.what}"


@dataclass(frozen=True)
class Verdict:
    """What became of a change, and what shows it: the test that was red, or why it was not tried."""

    word: str
    why: str = ""


def copied(into: Path) -> Path:
    """What git knows of the tree, beside the packages that are installed already."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    for kept in (".venv", "convex/node_modules"):
        if (ROOT / kept).exists():
            (into / kept).symlink_to(ROOT / kept)
    return into


def tried(root: Path, mutant: Mutant, tests: Sequence[str], seconds: float) -> Verdict:
    """Whether one of `tests`, which take `seconds` without it, is red with this change in the copy at `root`."""
    path = root / mutant.path
    source, stat = path.read_text(), path.stat()
    written = next(_WRITTEN)
    path.write_text(changed(source, mutant.site))
    os.utime(path, (written, written))
    try:
        return _run(root, list(tests), seconds)
    finally:
        path.write_text(source)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def environment(root: Path) -> dict[str, str]:
    """With the modules of the copy before those that are installed, also for processes that a test starts."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(root)}


def _run(root: Path, tests: list[str], seconds: float) -> Verdict:
    while tests:
        code, said = _pytest(root, tests, seconds)
        if code in (None, -signal.SIGXCPU):
            return Verdict(HUNG)
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            return Verdict(UNTRIED, "broken off")
        if code < 0:
            return Verdict(CAUGHT, f"Python itself died of signal {-code}")
        if code == _GREEN:
            return Verdict(SURVIVED)
        red = [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR tests/"))]
        if code in (_RED, _BROKEN_OFF) or (code == _NOT_FOUND and red):  # a module that cannot be imported
            return Verdict(CAUGHT, red[0].split(" ", 1)[1].split(" - ")[0] if red else "")
        absent = [test for test in tests if f"{test}\n" in said]
        if code != _NOT_FOUND or not absent:
            return Verdict(UNTRIED, f"pytest exited with {code}: {said[-500:]}")
        # The name of an example that is drawn or listed from what was changed is another now.
        tests = [test for test in tests if test not in absent]
    return Verdict(UNTRIED, "none of its tests has the name that it had")


def broken_off() -> None:
    """Ends what runs, with all that it started: whoever asked does not want to know any more."""
    for group in tuple(_RUNNING):
        _end(group)


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _pytest(root: Path, tests: list[str], seconds: float) -> tuple[int | None, str]:
    """What it exits with, nothing if it had to be ended, and what it says."""
    listed = root / ".mutants-tests"
    listed.write_text("\n".join(tests))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += [f"--basetemp={root.parent / f't{root.name}'}", f"@{listed}"]
    limited = ["/bin/sh", "-c", f'ulimit -S -t {round(_CPU[0] + _CPU[1] * seconds)}; exec "$@"', "sh", *command]
    # Into a file: a process that a test leaves behind would hold a pipe open.
    with (root / ".mutants-said").open("w+") as said:
        process = subprocess.Popen(
            limited, cwd=root, env=environment(root), stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        _RUNNING.add(process.pid)
        try:
            code: int | None = process.wait(_PATIENCE[0] + _PATIENCE[1] * seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process.pid)
            process.wait()
            _RUNNING.discard(process.pid)
        said.seek(0)
        return code, said.read()
