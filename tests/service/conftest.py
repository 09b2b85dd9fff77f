"""What the tests of the service share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.service.house import close_journals


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """The service sets up logging for the whole process; the next test starts as if it had not."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _journals_are_closed() -> Iterator[None]:
    yield
    close_journals()
