"""At most ten lines of log in any minute of a fault that goes on, and one of them says what is the matter."""

from __future__ import annotations

import pytest

from tests.faults.lines import FAULTS, MOST_A_MINUTE, Heard, listen, most_in_a_minute

_MINUTES = 6
"""Of virtual time: what repeats itself does so in the first of them, and backs off later."""
_KINDS = sorted({name.split(":")[0] for name in FAULTS})


@pytest.mark.parametrize("kind", _KINDS)
def test_a_fault_that_goes_on_is_told_in_ten_lines_a_minute(kind: str) -> None:
    """Counted by the clock of the tap, from its start on, until some minutes after the fault."""
    names = [name for name in FAULTS if name.split(":")[0] == kind]
    heard = listen(_MINUTES, names)
    assert [one.fault for one in heard] == names
    assert [wrong for one in heard if (wrong := one.wrong()) is not None] == []


def test_it_is_any_minute_that_counts() -> None:
    """Not those of the clock on the wall."""
    times = [0.0, 55.0, *(58.0 + number for number in range(9)), 300.0]
    assert most_in_a_minute(times) == MOST_A_MINUTE
    assert most_in_a_minute([]) == 0


def test_too_many_lines_none_that_tells_and_a_bug_are_wrong() -> None:
    assert Heard("x", 20, MOST_A_MINUTE, told=True).wrong() is None
    assert Heard("x", 20, MOST_A_MINUTE + 1, told=True).wrong() is not None
    assert Heard("x", 20, 3, told=False).wrong() is not None
    assert Heard("x", 20, 3, told=True, bugs=["a bug of the tap"]).wrong() is not None


def test_every_kind_of_fault_is_in_the_list() -> None:
    """Ledger, server, disk, journal, clock, exports and another tap."""
    assert len(FAULTS) >= 35
    assert {"OBS", "another tap", "clock", "disk", "exports", "journal", "ledger", "server"} == set(_KINDS)
