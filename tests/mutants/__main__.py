"""``python -m tests.mutants tap/core --seed 1 --count 150``: draws changes, tries each, lists what nobody noticed.

Each folder is judged by its own tests (`JUDGES`). They run in copies of the tree, so that nothing of yours changes.
What survives is listed with file, line and change; whoever reads it says whether it changes anything that can be seen.
If it does, a test is missing. Exit code 1 if fewer than `--least` per cent were caught.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from random import Random

from tests.mutants.reach import Reach, in_goes, measured
from tests.mutants.sites import Site, changed, sites

ROOT = Path(__file__).resolve().parents[2]
JUDGES = {
    "tap/core": [
        *("tests/core", "tests/obs", "tests/test_situations.py", "tests/test_fixtures.py", "tests/world"),
        *("tests/security", "tests/history", "tests/service/tools", "tests/service/running/test_health.py"),
    ],
    "tap/adapters": ["tests/adapters", "tests/service", "tests/security"],
    "tap/service": ["tests/service", "tests/adapters", "tests/security"],
    "tap/history": ["tests/history"],
    "tap/rehearsal": ["tests/rehearsal"],
}
TRIED = 600.0
"""Seconds of the tests' own time, the quickest first, for which a change is tried: the first red one ends it. With
less, what was measured on a busy machine would be tried on fewer tests, and survive."""
ENDLESS = 1800
"""Seconds after which a change that makes the tests run for ever counts as noticed."""

_NOT_FOUND = 4
"""What pytest exits with where a test that it was asked for cannot be collected."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: str
    site: Site

    def __str__(self) -> str:
        return f"{self.path}:{self.site.line}:{self.site.column}  {self.site.what}"


def drawn(folder: str, seed: int, count: int, root: Path = ROOT) -> list[Mutant]:
    """`count` changes of the modules below `folder`, each as likely as any other; the same seed, the same changes."""
    every = [Mutant(path, site) for path in _modules(root, folder) for site in sites((root / path).read_text())]
    return Random(seed).sample(every, min(count, len(every)))


def _modules(root: Path, folder: str) -> Iterator[str]:
    for path in sorted((root / folder).rglob("*.py")):
        yield str(path.relative_to(root))


def _copied(into: Path) -> Path:
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


def _noticed(root: Path, mutant: Mutant, tests: list[str]) -> bool:
    """Whether a test is red with this change in place."""
    path, listed = root / mutant.path, root / ".mutants-tests"
    source = path.read_text()
    listed.write_text("\n".join(tests))
    path.write_text(changed(source, mutant.site))
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"@{listed}"]
    try:
        done = subprocess.run(
            command, cwd=root, check=False, capture_output=True, text=True, timeout=ENDLESS, env=environment
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(source)
    broken = done.returncode == _NOT_FOUND and "ERROR tests/" in done.stdout  # a module that cannot be imported
    if done.returncode not in (0, 1, 2) and not broken:
        raise SystemExit(f"the tests could not be run ({done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode != 0


def _survivors(mutants: list[Mutant], reach: Reach, roots: list[Path]) -> list[Mutant]:
    free: SimpleQueue[Path] = SimpleQueue()
    for root in roots:
        free.put(root)

    def survives(mutant: Mutant) -> bool:
        tests = reach.tests_of(mutant.path, mutant.site.line, mutant.site.until, TRIED)
        root = free.get()
        try:
            noticed = any(_noticed(root, mutant, go) for go in in_goes(tests))
        finally:
            free.put(root)
        print(f"{'caught  ' if noticed else 'SURVIVED'}  {mutant}", flush=True)
        return not noticed

    with ThreadPoolExecutor(len(roots)) as pool:
        return [mutant for mutant, found in zip(mutants, pool.map(survives, mutants), strict=True) if found]


def main() -> int:
    """Draws, tries and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("folder", choices=sorted(JUDGES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.0, help="per cent that have to be caught")
    asked = parser.parse_args()
    # A shell starts what runs in the background deaf to Ctrl-C, and so would be the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mutants = drawn(asked.folder, asked.seed, asked.count)
    with tempfile.TemporaryDirectory(prefix="mutants-") as kept:
        roots = [_copied(Path(kept) / str(number)) for number in range(asked.workers)]
        print(f"{len(mutants)} changes of {asked.folder}, seed {asked.seed}; first the tests as they are", flush=True)
        reach = measured(roots[0], JUDGES[asked.folder], asked.workers)
        left = _survivors(mutants, reach, roots)
    caught = 100 * (len(mutants) - len(left)) / len(mutants)
    print(f"\n{caught:.1f} % of {len(mutants)} caught, {len(left)} survived:", *left, sep="\n  ")
    return int(caught < asked.least)


if __name__ == "__main__":
    raise SystemExit(main())
