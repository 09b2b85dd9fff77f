"""Clocks that are wrong, and clocks that are set: the tap's own, and the server's."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from tests.faults.outcome import Outcome, together
from tests.faults.rig import Offset, Rig
from tests.faults.stage import House, Performance, look_until, perform

__all__ = ["forty_days", "hour_back", "hour_on", "jumps", "years_off"]

_RIG = Rig(patience=20)
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_REBOOTED = Rig(patience=20, prune_every_s=0.1, day_ms=_DAY_MS, new_boots=True)
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


async def forty_days(count: int, seed: int) -> Outcome:
    """The machine's clock is 40 days on, from a start of it on or in the midst of a life: nothing is thrown away.

    Nor is a gap of 40 days told. The right clock comes back in the midst of the shoot.
    """
    outcomes = []
    with House() as house:
        for shoot in range(count):
            offset, rng = Offset(), random.Random(seed + shoot)

            async def drama(
                performance: Performance, offset: Offset = offset, rng: random.Random = rng, anew: bool = shoot % 2 == 0
            ) -> None:
                tap, outcome = performance.tap, performance.outcome
                await look_until(lambda: performance.heard and tap.count("shipped") > 5, "entries in the ledger")
                before = tap.kept()
                if anew:
                    await tap.kill()
                offset.ms = 40 * _DAY_MS
                if anew:
                    tap.start()
                words = "this machine's clock is in doubt: nothing is deleted because of its age"
                await look_until(lambda: words in tap.messages(), lambda: f"doubt: {tap.messages()[-3:]}")
                await asyncio.sleep(0.2 + rng.random())
                gone = {kept.seq for kept in before} - {kept.seq for kept in tap.kept()}
                outcome.promise(not gone, f"{len(gone)} entries were deleted for their age")
                outcome.promise(any(tap.folder.glob("tapes/*")), "the tapes were deleted for their age")
                told = tap.messages().count(words)
                outcome.promise(told == 1, f"it was told {told} times")
                long = [
                    kept.entry.key
                    for kept in tap.kept()
                    if kept.entry.fields.get("kind") == "gap" and kept.entry.fields.get("durationMs", 0) > _HOUR_MS
                ]
                outcome.promise(not long, f"gaps of many days: {long}")
                offset.ms = 0
                outcome.tried += 1

            outcomes.append(
                await perform(
                    house, seed + shoot, drama, length_s=40, exact=shoot % 2 == 1, rig=_REBOOTED, offset=offset
                )
            )
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
