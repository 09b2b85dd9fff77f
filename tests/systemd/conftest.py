"""One booted machine for all tests of a worker: each uses venues of its own on it, and no test those of another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.contract.local import Local, end, local_ledger
from tests.systemd.machine import Machine, booted, environment
from tests.wheel import the_wheel


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(tmp_path_factory.mktemp("shared"), the_wheel(tmp_path_factory)) as running:
        yield running


@pytest.fixture
def rehearsal() -> Iterator[Callable[..., str]]:
    """Starts made-up shoots; gives the address of each."""
    with ExitStack() as stack:

        def start(*options: str) -> str:
            command = [sys.executable, "-m", "tap.cli", "simulate", *options]
            process = subprocess.Popen(
                command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            stack.callback(end, process)
            assert process.stdout is not None
            said = process.stdout.readline().decode().split()
            assert said, f"the simulator did not start (exit code {process.poll()})"
            return said[-1]

        yield start


@pytest.fixture
def ledger() -> Iterator[Local]:
    with local_ledger(["hall-ledger", "hall-sealed"]) as running:
        yield running
