"""What all tests share: no test fails because the machine is busy, and how long each part takes is counted.

How long a test may hang before it is ended is set in ``pyproject.toml``; how long an example of hypothesis may take is
nobody's business.
"""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.minutes import Minutes, part_of

LONG = ("browser", "packaging", "systemd")
"""Folders whose tests start a machine, a browser or an installation: slow, but for those that are marked ``quick``."""

_SLOWLY = [HealthCheck.too_slow]
# The same examples each time: a change is judged by what it changes. Others: pytest --hypothesis-profile drawn
settings.register_profile("patient", deadline=None, suppress_health_check=_SLOWLY, derandomize=True)
settings.register_profile("drawn", deadline=None, suppress_health_check=_SLOWLY)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", metavar="NAME", help="keep how long each part took, as .minutes/NAME.json")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if part_of(item.nodeid) in LONG and item.get_closest_marker("quick") is None:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """No worker is measured twice: by its pytest-cov, and as a process that one that is measured starts.

    The second of the two would be saved when the worker ends, while the others are put together already: half written.
    What the worker itself starts is measured as it says.
    """
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the collector of garbage need not look through it each time."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--minutes")
    if name is not None:
        config.pluginmanager.register(Minutes(name))


@pytest.fixture
def anyio_backend() -> str:
    """The one that there is: asynchronous tests are run by anyio's own plugin, on the loop that the tap runs on."""
    return "asyncio"
