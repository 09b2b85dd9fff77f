"""Prints the scores of the shoots on a real OBS, also where all is well."""

from __future__ import annotations

import pytest

_SCORES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def scores(request: pytest.FixtureRequest) -> list[str]:
    """Lines that stand at the end of the output."""
    return request.config.stash.setdefault(_SCORES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(_SCORES, [])
    if lines:
        terminalreporter.section("shoots on a real OBS")
        for line in lines:
            terminalreporter.write_line(line)
