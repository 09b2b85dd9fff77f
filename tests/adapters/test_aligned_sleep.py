"""What wakes the loop at the same moments."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tap.adapters.aligned_sleep import beat_aligned, sleep_aligned
from tests.turning import TurningLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Time goes on by what is waited for, and by nothing else."""
    return "asyncio", {"loop_factory": TurningLoop}


@pytest.mark.anyio
async def test_it_beats_at_the_multiples_at_which_others_wake_up() -> None:
    """So that the loop wakes up once for all of them; and no more once the task is cancelled."""
    loop = asyncio.get_running_loop()
    at: list[int] = []
    beating = asyncio.create_task(beat_aligned(2.0, lambda _: at.append(round(loop.time() * 10)), now=loop.time))
    for _ in range(3):
        await sleep_aligned(2.0, loop.time)
    beating.cancel()
    await asyncio.sleep(10.0)
    assert len(at) in {2, 3}
    assert all(moment % 20 == 0 for moment in at)


@pytest.mark.anyio
async def test_it_tells_by_how_much_it_is_late() -> None:
    """A loop that was busy for half a second calls it so much too late."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    away = 0.0
    beating = asyncio.create_task(beat_aligned(2.0, late.append, now=lambda: loop.time() + away))
    await asyncio.sleep(0.5)
    away = 0.5
    await sleep_aligned(2.0, loop.time)
    await asyncio.sleep(0.1)
    beating.cancel()
    assert [round(seconds, 3) for seconds in late] == [0.5]
