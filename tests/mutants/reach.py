"""Which tests run a line, and how long each takes: to try a change only on tests that could notice it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from xml.etree import ElementTree as ET

from coverage import CoverageData

from tests.mutants.copies import environment

_CHOSEN = ["-q", "-p", "no:cacheprovider", "-p", "tests.mutants.processes", "-m", "not slow and not obs"]
_WHEN = ("|setup", "|run", "|teardown")
"""What pytest-cov appends to the id of a test."""
_COVERAGE, _JUNIT = "reach.coverage", "reach.xml"


@dataclass(frozen=True)
class Reach:
    """What one run of the unchanged tests showed."""

    by_line: dict[tuple[str, int], frozenset[str]]
    by_file: dict[str, frozenset[str]]
    seconds: dict[str, float]
    red: frozenset[str] = field(default=frozenset())
    """The tests that are red with nothing changed: they cannot judge."""

    def tests_of(self, path: str, lines: Iterable[int]) -> list[str]:
        """The tests that run one of these lines, the quickest first; none where none does.

        Of a line that runs at import, too: all that use the module.
        """
        found = [self.by_line[path, line] for line in lines if (path, line) in self.by_line]
        every = frozenset[str]().union(*found)
        if found and not all(found):
            every |= self.by_file.get(path, frozenset())
        return sorted(every - self.red, key=lambda test: (self.took([test]), test))

    def took(self, tests: Iterable[str]) -> float:
        """Seconds that these tests took together."""
        return sum(self.seconds.get(test, 1.0) for test in tests)

    def shared(self, tests: Sequence[str], limits: Sequence[float]) -> list[list[str]]:
        """The tests in parts, of which the first take no longer than the first limit, and so on; the rest is left out.

        What a file of tests sets up once is set up once in a part: its tests are next to each other.
        """
        until = list(accumulate(self.took([test]) for test in tests))
        parts = []
        for over, limit in zip([-1.0, *limits], limits, strict=False):
            part = [test for test, end in zip(tests, until, strict=True) if over < end <= limit]
            parts.append(self._by_file_of_tests(part or (list(tests[:1]) if over < 0 else [])))
        return parts

    def _by_file_of_tests(self, tests: Sequence[str]) -> list[str]:
        files: dict[str, list[str]] = defaultdict(list)
        for test in tests:
            files[test.partition("::")[0]].append(test)
        return [test for found in sorted(files.values(), key=self.took) for test in found]


def statement(source: str, line: int) -> range:
    """The lines of the statement that `line` is part of, without those of statements in it.

    Of an expression over several lines Python reports some: a number by itself runs on none.
    """
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
            if line <= max(end, node.lineno):
                found = range(node.lineno, max(end, node.lineno) + 1)
    return found


def measured(root: Path, tests: Sequence[str], workers: int, kept: Path) -> None:
    """Runs the tests in the copy at `root` once, and keeps in `kept` what `read` reads.

    Exits if they could not be run.
    """
    command = [sys.executable, "-m", "pytest", *_CHOSEN, "-n", str(workers), f"--junitxml={kept / _JUNIT}"]
    command += ["-o", "junit_family=xunit1", "--cov=tap", "--cov-context=test", "--cov-report=", *tests]
    told = environment(root) | {"COVERAGE_FILE": str(kept / _COVERAGE)}
    done = subprocess.run(command, cwd=root, check=False, stdout=subprocess.PIPE, text=True, env=told)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests could not be run ({done.returncode}):\n{done.stdout[-3000:]}")


def read(kept: Path) -> Reach:
    """What was measured last, wherever the copy was that it was measured in."""
    data = CoverageData(str(kept / _COVERAGE))
    data.read()
    root = os.path.commonpath([f"{Path(file).parent}/" for file in data.measured_files()])
    by_line: dict[tuple[str, int], frozenset[str]] = {}
    by_file: dict[str, set[str]] = defaultdict(set)
    for file in data.measured_files():
        path = str(Path("tap") / Path(file).relative_to(root))
        for line, contexts in data.contexts_by_lineno(file).items():
            tests = frozenset(_test(context) for context in contexts if context)
            # What runs at import, too, made something that any test of the module may use: a dialect, a table.
            by_line[path, line] = frozenset() if "" in contexts else tests
            by_file[path] |= tests
    seconds, red = _seconds(kept / _JUNIT)
    return Reach(by_line, {path: frozenset(found) for path, found in by_file.items()}, seconds, red)


def _test(context: str) -> str:
    for when in _WHEN:
        context = context.removesuffix(when)
    return context


def _seconds(junit: Path) -> tuple[dict[str, float], frozenset[str]]:
    """What each test took, by the id that coverage gives it; and which were red."""
    seconds: dict[str, float] = {}
    red = set()
    for case in ET.parse(junit).getroot().iter("testcase"):  # noqa: S314 (pytest wrote it)
        test = f"{case.get('file')}::{case.get('name')}"
        seconds[test] = float(case.get("time") or 0.0)
        if case.find("failure") is not None or case.find("error") is not None:
            red.add(test)
    return seconds, frozenset(red)
