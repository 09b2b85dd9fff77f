"""A service that ends again and again waits longer each time; one that ends well, or was well, does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tap.service.running.restart_delay import RestartDelay


def held(folder: Path) -> RestartDelay:
    return RestartDelay.from_environment({"RUNTIME_DIRECTORY": str(folder)})


def test_it_waits_longer_each_time(tmp_path: Path) -> None:
    """The first start and the first restart are free: a single crash costs no time."""
    waits = [held(tmp_path).begin() for _ in range(10)]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_good_end_makes_the_next_start_a_first_one(tmp_path: Path) -> None:
    for _ in range(5):
        held(tmp_path).begin()
    held(tmp_path).end()
    assert held(tmp_path).begin() == 0


def test_a_crash_after_a_good_while_is_a_first_one(tmp_path: Path) -> None:
    """And so is one after the clock was set back."""
    for _ in range(5):
        held(tmp_path).begin()
    for seconds in (-301, 301):
        stamp = time.time() + seconds
        os.utime(tmp_path / "starts", (stamp, stamp))
        assert held(tmp_path).begin() == 0


@pytest.mark.parametrize("text", ["", "many", "-7", "\x00"])
def test_a_count_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "starts").write_text(text)
    assert held(tmp_path).begin() == 0


def test_without_systemd_it_never_waits(tmp_path: Path) -> None:
    """Nor where the runtime directory is gone."""
    for unheld in (RestartDelay.from_environment({}), held(tmp_path / "gone")):
        assert [unheld.begin() for _ in range(5)] == [0] * 5
        unheld.end()


def test_it_says_why_it_waits_and_a_stop_ends_that_at_once(tmp_path: Path) -> None:
    """SIGTERM within a wait of a minute; the next start is a first one."""
    (tmp_path / "starts").write_text("30")
    program = (
        "import os, sys\n"
        "from tap.service.running.restart_delay import RestartDelay\n"
        "from tap.service.logs import configure_logs\n"
        "configure_logs()\n"
        "held = RestartDelay.from_environment(os.environ)\n"
        "sys.exit(0 if held.wait(lambda words: print(words, flush=True)) else 7)\n"
    )
    environ = os.environ | {"RUNTIME_DIRECTORY": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert told == "waits 60 s before it starts: it ended several times in a row\n"
        assert process.wait(300) == 7
    assert not (tmp_path / "starts").exists()
