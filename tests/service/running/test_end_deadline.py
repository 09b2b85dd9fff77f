"""The last resort of the end: it ends the process where nothing else does, and not otherwise."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from structlog.testing import capture_logs

from tap.service.running.end_deadline import WITHIN_S, EndDeadline

UNIT = Path(__file__).parents[3] / "systemd" / "multicam-tap@.service"


class Watched:
    """A deadline whose time passes when it is told to."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.codes: list[int] = []
        self.done = threading.Event()
        self.time_is_up = threading.Event()
        self.deadline = EndDeadline(8.0, passed=self._passed, give_up=self._give_up)

    def _passed(self, ended: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time_is_up.wait()
        self.done.set()
        return ended.is_set()

    def _give_up(self, code: int) -> None:
        self.codes.append(code)

    def finish(self) -> None:
        self.time_is_up.set()
        for thread in threading.enumerate():
            if thread.name == "end-deadline":
                thread.join()


def test_an_end_that_takes_longer_is_cut_short_and_says_what_is_lost() -> None:
    watched = Watched()
    with capture_logs() as logs:
        watched.deadline.begin(lambda: 7)
        watched.finish()
    assert (watched.waits, watched.codes) == ([8.0], [1])
    (line,) = logs
    assert (line["event"], line["entries"]) == ("the end took too long and was cut short", 7)


def test_an_end_in_time_is_left_alone() -> None:
    watched = Watched()
    with capture_logs() as logs:
        watched.deadline.begin(lambda: 7)
        watched.deadline.end()
        watched.finish()
    assert watched.done.is_set()
    assert (watched.codes, logs) == ([], [])


def test_a_second_signal_does_not_give_it_more_time() -> None:
    watched = Watched()
    for _ in range(3):
        watched.deadline.begin(lambda: 0)
    watched.finish()
    assert len(watched.waits) == 1


def test_it_comes_before_the_service_manager_kills() -> None:
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)s$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert float(stop) - WITHIN_S >= 2
