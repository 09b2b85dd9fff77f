"""Kill -9 of the tap at random instants: while it starts, listens, commits, ships, prunes and changes tapes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import House, Performance, look_until, perform

__all__ = ["run"]

_A_SHOOT = 25
_RIG = Rig(patience=20, prune_every_s=0.02)


def _lives(count: int, rng: random.Random) -> Callable[[Performance], Awaitable[None]]:
    async def drama(performance: Performance) -> None:
        tap, outcome, rehearsal = performance.tap, performance.outcome, performance.rehearsal
        for _ in range(count):
            if rng.random() < 0.25:
                # While it starts: the journal is opened, the machine resumes, the first connection is made.
                await asyncio.sleep(rng.random() * 0.12)
            else:
                outcome.recovered(
                    await look_until(lambda: performance.heard, lambda: f"a connection: {tap.messages()[-3:]}")
                )
                # Some right after the first frame, some in the middle of things.
                await asyncio.sleep(rng.choice((0.0, 0.02, rng.random() * 0.4)))
            outcome.tried += 1
            await tap.kill()
            # Which the server knows when the kernel has told it.
            await look_until(lambda: rehearsal.listeners == 0, "the server to see the tap go")
            tap.start()

    return drama


async def run(count: int, seed: int) -> Outcome:
    """``count`` kills, 25 in a shoot."""
    rng = random.Random(seed)
    outcomes = []
    with House() as house:
        for shoot in range(0, count, _A_SHOOT):
            kills = min(_A_SHOOT, count - shoot)
            length = 60 + 6 * kills
            drama = _lives(kills, rng)
            outcomes.append(await perform(house, seed + shoot, drama, length_s=length, rig=_RIG))
    return together(outcomes)
