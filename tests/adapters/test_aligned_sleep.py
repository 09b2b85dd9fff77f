"""Sleeping to a multiple of some seconds: what is shown each second is shown as the second begins."""

from __future__ import annotations

import asyncio

import pytest

from tap.adapters.aligned_sleep import sleep_aligned
from tests.turning import TurningLoop

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("asyncio", {"loop_factory": TurningLoop})


@pytest.mark.parametrize(
    ("begun", "until"),
    [(1_000.0, 1_005.0), (1_003.0, 1_005.0), (1_004.4, 1_005.0), (1_004.5, 1_005.0), (1_004.6, 1_010.0)],
)
async def test_it_wakes_up_at_the_next_multiple_or_the_one_after_it_if_that_is_near(begun: float, until: float) -> None:
    """A timer that went off a little early does not go off again at once: a tenth of the time counts as reached."""
    loop = asyncio.get_running_loop()
    ahead = begun - loop.time()

    def now() -> float:
        return loop.time() + ahead

    late = await sleep_aligned(5.0, now)
    assert now() == pytest.approx(until)
    assert late == pytest.approx(0.0)


async def test_it_says_by_how_much_it_woke_up_too_late() -> None:
    loop = asyncio.get_running_loop()
    times = iter((1_003.0, 1_005.75))
    assert await sleep_aligned(5.0, lambda: next(times)) == pytest.approx(0.75)
    assert loop.time() >= 1_002.0
