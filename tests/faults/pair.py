"""Two taps on one server, one of them killed now and then: the ledger is as from one.

What the other has heard meanwhile is all that there is of the time of an absence. So nobody is killed before it is on
the disk: two failures at once are more than two taps promise to bear.
"""

from __future__ import annotations

import asyncio
import random
import time

from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import House, Performance, Tap, look_until, perform

__all__ = ["run"]

_RIG = Rig(patience=20)
_KILLS = 3


def _has_kept_up(tap: Tap, since: int) -> bool:
    """Whether all that it heard before ``since`` (wall ms) is on its disk: something later is, and order is kept."""
    return any(
        int(str(kept.entry.fields.get("observedAt", 0))) > since for kept in tap.kept() if kept.entry.op == "event"
    )


async def run(count: int, seed: int) -> Outcome:
    """``count`` shoots, with three kills in each, of either tap but never of both at once."""
    rng, outcomes = random.Random(seed), []

    async def drama(performance: Performance) -> None:
        rehearsal = performance.rehearsal
        both = len(performance.taps)
        for _ in range(_KILLS):
            took = await look_until(
                lambda: rehearsal.listeners == both or performance.playing.done(),
                lambda: f"both taps: {[tap.messages()[-2:] for tap in performance.taps]}",
            )
            performance.outcome.recovered(took)
            since = time.time_ns() // 1_000_000
            await asyncio.sleep(0.2 + rng.random() * 0.5)
            tap = rng.choice(performance.taps)
            await look_until(
                lambda: _has_kept_up(tap, since) or performance.playing.done(),  # noqa: B023
                lambda: f"what it heard alone to be kept: {tap.messages()[-2:]}",  # noqa: B023
            )
            if performance.playing.done():
                break  # nothing comes any more that would show how far it has kept up
            await tap.kill()
            await look_until(lambda: rehearsal.listeners < both, "the server to see it go")
            await asyncio.sleep(rng.random() * 0.3)
            tap.start()

    with House() as house:
        for shoot in range(count):
            # Impatient: the shoot goes on while one of the two is away.
            outcomes.append(
                await perform(house, seed + shoot, drama, length_s=100, clients=2, patient=False, exact=True, rig=_RIG)
            )
            outcomes[-1].tried = 1
    return together(outcomes)
