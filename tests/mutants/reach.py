"""Which tests run a line, and how long each takes: to try a change only on tests that could notice it."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from xml.etree import ElementTree as ET

from coverage import CoverageData

_FIRST_FILES = 3
_QUIET = ["-q", "-p", "no:cacheprovider", "-m", "not slow and not obs"]


@dataclass(frozen=True)
class Reach:
    """What one run of the unchanged tests showed."""

    by_line: dict[tuple[str, int], frozenset[str]]
    by_file: dict[str, frozenset[str]]
    seconds: dict[str, float]

    def tests_of(self, path: str, line: int, until: int, seconds: float) -> list[str]:
        """The tests that run the first of these lines that runs at all, the quickest first, as many as take so long;
        none where none runs.

        Of a line that runs at import, too: of all that use the module.
        """
        run = (self.by_line.get((path, at)) for at in range(line, until + 1))
        found = next((tests for tests in run if tests is not None), None)
        if found is None:
            return []
        every = sorted(found or self.by_file.get(path, frozenset()), key=lambda test: (self._took(test), test))
        spent = accumulate(self._took(test) for test in every)
        return [test for test, until in zip(every, spent, strict=True) if until <= seconds] or every[:1]

    def _took(self, test: str) -> float:
        return self.seconds.get(test, 1.0)


def in_goes(tests: Sequence[str]) -> Iterator[list[str]]:
    """The tests in two goes: those of the three files with the quickest ones, and all others.

    Before its first test pytest imports every file that it is asked for. Mostly a few files are enough.
    """
    files = list(dict.fromkeys(_file(test) for test in tests))[:_FIRST_FILES]
    first, others = (
        [test for test in tests if _file(test) in files],
        [test for test in tests if _file(test) not in files],
    )
    yield from (go for go in (first, others) if go)


def _file(test: str) -> str:
    return test.partition("::")[0]


def measured(root: Path, tests: Sequence[str], workers: int) -> Reach:
    """Runs the tests of `root` once. Exits if they are not green: nothing can be said then."""
    junit = root / ".mutants-junit.xml"
    command = [sys.executable, "-m", "pytest", *_QUIET, "-n", str(workers), f"--junitxml={junit}"]
    command += ["-o", "junit_family=xunit1", "--cov=tap", "--cov-context=test", "--cov-report=", *tests]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"the tests are red before anything is changed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return Reach(*_reached(root), _seconds(junit))


def _reached(root: Path) -> tuple[dict[tuple[str, int], frozenset[str]], dict[str, frozenset[str]]]:
    data = CoverageData(str(root / ".coverage"))
    data.read()
    by_line: dict[tuple[str, int], frozenset[str]] = {}
    by_file: dict[str, set[str]] = defaultdict(set)
    for file in data.measured_files():
        path = str(Path(file).relative_to(root))
        for line, contexts in data.contexts_by_lineno(file).items():
            tests = frozenset(context.partition("|")[0] for context in contexts if context)
            # What runs at import, too, made something that any test of the module may use: a dialect, a table.
            by_line[path, line] = frozenset() if "" in contexts else tests
            by_file[path] |= tests
    return by_line, {path: frozenset(found) for path, found in by_file.items()}


def _seconds(junit: Path) -> dict[str, float]:
    """What each test took, by the id that coverage gives it."""
    cases = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 (pytest wrote it)
    return {f"{case.get('file')}::{case.get('name')}": float(case.get("time") or 0.0) for case in cases}
