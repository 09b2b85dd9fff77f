"""How long each part of the tests takes, so that what grows is seen.

``pytest --minutes NAME`` counts, folder by folder, the tests, their time by the clock and the time of processors that
they used, and keeps the sums as ``.minutes/NAME.json``. ``python -m tests.minutes`` writes the table of docs/testing.md
from what is there. The clock depends on what else the machine does; the processors' time hardly does. What runs in a
machine of its own (systemd, OBS) or was forked from a server of processes is in the first alone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".minutes"
PAGE = ROOT / "docs" / "testing.md"
RUNS = ("test", "slow", "obs")
_ADDED = "processors_s"


class Part(Struct):
    """A folder's sums."""

    tests: int = 0
    seconds: float = 0.0
    """By the clock, over all workers."""
    processors_s: float = 0.0


class Minutes:
    """A plugin of pytest, in each worker and in who distributes to them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts: dict[str, Part] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        self._since = _used()
        yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = _used()
        # Goes with the report from a worker to who distributes.
        report.user_properties = [*report.user_properties, (_ADDED, now - self._since)]
        self._since = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        part = self._parts.setdefault(part_of(report.nodeid), Part())
        part.tests += report.when == "call"
        part.seconds += report.duration
        added = [float(str(seconds)) for name, seconds in report.user_properties if name == _ADDED]
        part.processors_s += added[-1] if added else 0.0

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if "workerinput" not in vars(session.config):
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{self._name}.json").write_bytes(msgspec.json.encode(self._parts))


def part_of(test: str) -> str:
    """The folder of ``tests/`` that a test is in."""
    parts = test.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 else "tests/*.py"


def _used() -> float:
    """Seconds of processors of this process and of those that it has waited for."""
    return sum(os.times()[:4])


# ---------------------------------------------------------------------------------------------- the page


def table(runs: dict[str, dict[str, Part]]) -> str:
    """Minutes a part: by the processors, and by the clock."""
    parts = sorted({part for run in runs.values() for part in run}, key=lambda part: -_all(runs.values(), part))
    lines = [
        "| part | `make test` | processors | more in `make test-all` | processors |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    fast, more = [runs.get("test", {})], [run for name, run in runs.items() if name != "test"]
    for part in [*parts, None]:
        cells = [cell for some in (fast, more) for cell in _cells(some, part)]
        lines.append(f"| {'**all**' if part is None else part} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _all(runs: Iterable[dict[str, Part]], part: str) -> float:
    return sum(run[part].seconds for run in runs if part in run)


def _cells(runs: Iterable[dict[str, Part]], part: str | None) -> tuple[str, str]:
    found = [sums for run in runs for name, sums in run.items() if part in (None, name)]
    if not found:
        return "", ""
    return _minutes(sum(sums.seconds for sums in found)), _minutes(sum(sums.processors_s for sums in found))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def main() -> int:
    """Write the table."""
    runs = {
        name: msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=dict[str, Part])
        for name in RUNS
        if (FOLDER / f"{name}.json").exists()
    }
    if not runs:
        print("there is nothing to write: run make test-all first", file=sys.stderr)
        return 1
    text = PAGE.read_text("utf-8")
    inside = r"(?s)(?<=<!-- minutes:begin -->\n).*(?=<!-- minutes:end -->)"
    PAGE.write_text(re.sub(inside, lambda _: table(runs), text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
