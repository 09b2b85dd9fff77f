"""Whoever changes what the tap makes of a tape is told so: a change nobody meant is a fault."""

from __future__ import annotations

import pytest

from tests.golden.kept import digest, kept
from tests.golden.outcome import CASES

KEPT = kept()


def test_nothing_is_kept_of_what_is_not_there() -> None:
    """A tape that comes or goes is kept or forgotten with it."""
    assert list(KEPT) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_what_the_tap_makes_of_it_is_what_it_made_before(name: str) -> None:
    assert digest(name) == KEPT.get(name), (
        f"the tap makes something else of {name!r}. `python -m tests.golden {name!r}` shows what, here and in the tree "
        "before your change: compare them. If that is what you meant, `python -m tests.golden --keep` keeps it"
    )
