"""A plugin of pytest: the lines that a process runs are told apart by the test that started it.

pytest-cov does so for the tests' own process alone. What a test starts is measured with the settings in the
environment (coverage's ``patch = subprocess``), and these can name a context: here the id of the test.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Generator

import pytest

_SETTINGS = "COVERAGE_PROCESS_CONFIG"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Names the test in what the processes that it starts are measured with."""
    before = os.environ.get(_SETTINGS)
    if before is None:
        return (yield)
    os.environ[_SETTINGS] = named(before, item.nodeid)
    try:
        return (yield)
    finally:
        os.environ[_SETTINGS] = before


def named(settings: str, test: str) -> str:
    """The settings of coverage, for what this test starts."""
    read = json.loads(base64.b64decode(settings))
    return base64.b64encode(json.dumps({**read, "context": test}).encode()).decode()
