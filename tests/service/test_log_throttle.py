"""What happens often is told seldom."""

from __future__ import annotations

from tap.service.log_throttle import LogThrottle


def test_the_first_at_once_and_the_others_in_sums() -> None:
    """Nothing is left out of the sums, and where nothing happened nothing is told."""
    now = 100.0
    told = LogThrottle(60.0, now=lambda: now)
    assert told.happened(0) == 0
    assert told.happened() == 1
    assert [told.happened() for _ in range(5)] == [0] * 5
    now = 159.9
    assert told.happened(2) == 0
    now = 160.0
    assert told.happened(0) == 7
    now = 500.0
    assert told.happened(0) == 0
    assert told.happened(3) == 3
