"""What the log is told of a connection: what changed, and no more of one that comes and goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tap.core.model import Entry
from tap.service.running.change_log import ChangeLog


class Line:
    """A connection that is made and lost by hand, on a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.socket = SimpleNamespace(shown="ws://server/", remark=None, refused=False, problem=None)
        tally = SimpleNamespace(unknown={}, samples=[], drift_ms=None)
        self.changes = ChangeLog(
            journal=cast(Any, SimpleNamespace(moved_aside=[], amiss={})),
            writer=cast(Any, SimpleNamespace(failing=None, waiting=0, set_aside=0)),
            dialect=cast(Any, SimpleNamespace(name="multicam/1", speaker="multicam-server")),
            tally=cast(Any, tally),
            clock=lambda: self.now,
        )
        self.changes.socket = cast(Any, self.socket)

    def stand(self, seconds: float, then: str = "the server restarts (1012)") -> None:
        """A connection that stands for so long, with a gap before it."""
        self.changes.connection(None)
        self.changes.entries([Entry("v/s/gap/1", "event", "v/s", 1, {"kind": "gap", "durationMs": 10})])
        for _ in range(int(seconds)):
            self.now += 1
            self.changes.look()
        self.now += seconds % 1
        self.changes.connection(then)
        self.now += 0.25


@pytest.fixture
def line() -> Line:
    return Line()


def said(logs: list[Any]) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] != "debug"]


@pytest.mark.parametrize("stood", [0.001, 0.9, 20, 59])
def test_a_server_that_lets_in_and_closes_is_told_of_once(line: Line, stood: float) -> None:
    """However long it goes on, and however often there is a gap: a warning that says so, and what to do."""
    with capture_logs() as logs:
        for _ in range(200):
            line.stand(stood)
    assert said(logs) == ["connected", "gap", "not connected", "connected", "gap", "not connected"]
    told = [log for log in logs if log["log_level"] != "debug"]
    assert told[2]["log_level"] == "info"
    assert (told[-1]["log_level"], told[-1]["comes_and_goes"]) == ("warning", 2)
    assert "until one lasts" in told[-1]["next_step"]


def test_one_that_stands_again_is_told_with_what_was_left_out(line: Line) -> None:
    """And from then on each change is news."""
    with capture_logs() as logs:
        for _ in range(10):
            line.stand(1)
        line.stand(3600)
        line.stand(3600)
    again = next(log for log in logs if log["event"] == "connected again")
    assert (again["meanwhile"], again["gaps"]) == (9, 9)
    after = said(logs)[said(logs).index("connected again") + 1 :]
    assert after == ["not connected", "connected", "gap", "not connected"]


def test_connections_that_stood_are_told_each(line: Line) -> None:
    with capture_logs() as logs:
        for _ in range(5):
            line.stand(60)
    assert said(logs) == ["connected", "gap", "not connected"] * 5


def test_a_remark_on_a_connection_is_no_other_connection(line: Line) -> None:
    """It is told, and the connection has stood since it was made."""
    with capture_logs() as logs:
        line.changes.connection(None)
        line.now += 59
        line.socket.remark = "it is busy"
        line.changes.connection(None)
        line.now += 1
        line.changes.connection("gone")
        line.stand(1)
    assert said(logs) == ["connected", "connected", "not connected", "connected", "gap", "not connected"]
    assert logs[1]["remark"] == "it is busy"
    assert logs[-1]["log_level"] == "info"


def test_one_that_comes_and_goes_and_then_stays_away_is_a_warning(line: Line) -> None:
    """As any that stays away."""
    with capture_logs() as logs:
        for _ in range(3):
            line.stand(1)
        for _ in range(100):
            line.now += 1
            line.changes.look()
    assert said(logs)[-1] == "the server is still away"
    assert said(logs).count("the server is still away") == 1
