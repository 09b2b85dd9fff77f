"""Frames that are read together, of a server that gives them nothing to be told apart by: each cut is a row."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from functools import partial

from tests.faults.desk import Desk
from tests.faults.outcome import Outcome
from tests.faults.rig import Rig
from tests.faults.stage import House, Tap, finish, lone_tap, look_until, rows_of, shipped, workshop

__all__ = ["burst", "standing"]

_RIG = Rig(patience=20)
_CUTS = 12
_BURST = 200


async def standing(count: int, seed: int) -> Outcome:
    """``count`` times the process stands still while twelve cuts are told."""
    rng = random.Random(seed)

    async def told(desk: Desk, tap: Tap) -> None:
        tap.signal(signal.SIGSTOP)
        for _ in range(_CUTS):
            await desk.cut()
            await asyncio.sleep(0.02 + rng.random() * 0.1)
        tap.signal(signal.SIGCONT)

    return await _told(count, told)


async def burst(count: int, _: int) -> Outcome:
    """``count`` times two hundred cuts at once."""

    async def told(desk: Desk, _tap: Tap) -> None:
        for _ in range(_BURST):
            await desk.cut()

    return await _told(count, told)


async def _told(count: int, tell: Callable[[Desk, Tap], Awaitable[None]]) -> Outcome:
    outcome = Outcome()
    with House() as house, workshop() as place:
        for number in range(count):
            local = house.ledger()
            venue = local.venue()
            async with Desk(bare=True) as desk:
                tap = Tap(place / f"tap-{number}", desk.url, local.url, venue, _RIG)
                async with lone_tap(tap):
                    await desk.listened()
                    await look_until(lambda: tap.count("shipped") >= 3, "what the first snapshot says")  # noqa: B023
                    await tell(desk, tap)
                    last = len(desk.cuts)
                    await look_until(partial(_kept, tap, last), f"{last} cuts in the journal")
                    await shipped(tap)
                    await finish(tap, outcome)
                rows = await rows_of(local.url, venue)
                house.took(len(rows))
                outcome.add(desk.judge(rows))
                outcome.tried += 1
    return outcome


def _kept(tap: Tap, count: int) -> bool:
    return [kept.entry.fields.get("kind") for kept in tap.kept()].count("cut") >= count
