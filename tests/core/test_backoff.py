"""Waits between attempts: they double up to a bound, and are spread where many may come back at once."""

from __future__ import annotations

from tap.core.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    assert [Backoff(0.5, 10).wait(failures) for failures in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_however_long_something_is_away_there_is_a_wait() -> None:
    """2.0 ** 1024 is an OverflowError; a year of attempts is some million."""
    assert Backoff(0.25, 15).wait(10_000_000) == 15


def test_before_the_first_failure_it_is_the_shortest() -> None:
    assert Backoff(0.25, 15).wait(0) == 0.25


def test_a_wait_is_spread_over_its_second_half() -> None:
    assert [Backoff(1, 60).spread(3, jitter) for jitter in (0.0, 0.5, 1.0)] == [2, 3, 4]
