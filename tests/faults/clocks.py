"""Clocks that are wrong, and clocks that are set: the tap's own, and the server's."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from tests.faults.outcome import Outcome, together
from tests.faults.rig import Offset, Rig
from tests.faults.stage import House, Performance, look_until, perform

__all__ = ["hour_back", "hour_on", "jumps", "years_off"]

_RIG = Rig(patience=20)
_HOUR_MS = 3_600_000
_YEARS_MS = 5 * 365 * 86_400_000


async def _tap_off(off_ms: int, count: int, seed: int) -> Outcome:
    """The tap's clock is set in the middle of a shoot, and back again in every other one."""
    outcomes = []
    with House() as house:
        for shoot in range(count):
            offset, rng = Offset(), random.Random(seed + shoot)

            async def drama(
                performance: Performance, offset: Offset = offset, rng: random.Random = rng, back: bool = shoot % 2 == 1
            ) -> None:
                await look_until(lambda: performance.heard, "a connection")
                await asyncio.sleep(0.2 + rng.random())
                offset.ms = off_ms
                if back:
                    await asyncio.sleep(0.2 + rng.random())
                    offset.ms = 0
                performance.outcome.tried += 1

            outcomes.append(await perform(house, seed + shoot, drama, length_s=40, exact=True, rig=_RIG, offset=offset))
    return together(outcomes)


async def years_off(count: int, seed: int) -> Outcome:
    """The server believes that it is another year, five of them on or back."""
    outcomes = []
    with House() as house:
        for shoot in range(count):
            off = _YEARS_MS if shoot % 2 else -_YEARS_MS
            outcome = await perform(house, seed + shoot, length_s=40, exact=True, rig=_RIG, server_off_ms=off)
            outcome.tried = 1
            outcomes.append(outcome)
    return together(outcomes)


async def jumps(count: int, seed: int) -> Outcome:
    """The server's clock drifts, and is set three times in a shoot."""
    outcomes = []
    with House() as house:
        for shoot in range(count):
            outcome = await perform(house, seed + shoot, faults=["clock"], length_s=40, exact=True, rig=_RIG)
            outcome.tried = 1
            outcomes.append(outcome)
    return together(outcomes)


hour_back = partial(_tap_off, -_HOUR_MS)
hour_on = partial(_tap_off, _HOUR_MS)
