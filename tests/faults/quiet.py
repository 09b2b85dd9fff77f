"""A single event, then silence: nothing that comes later may be needed to get it into the ledger."""

from __future__ import annotations

import asyncio
import random
import sqlite3

from tests.faults import stage
from tests.faults.desk import Desk
from tests.faults.outcome import Outcome
from tests.faults.stage import House, Tap, finish, lone_tap, look_until, rows_of, shipped, workshop

__all__ = ["run"]

_WITHIN_MS = 1_000.0


async def run(count: int, seed: int) -> Outcome:
    """``count`` cuts, each alone; a tap with the waits of real life."""
    outcome, rng = Outcome(), random.Random(seed)
    with House() as house, workshop() as place:
        local = house.ledger()
        venue = local.venue()
        async with Desk() as desk:
            tap = Tap(place / "tap", desk.url, local.url, venue)
            async with lone_tap(tap):
                await desk.listened()
                await look_until(lambda: tap.count("shipped") >= 3, "what the first snapshot says")
                for _ in range(count):
                    # Past the moments in which something else keeps everybody awake.
                    await asyncio.sleep(0.05 + rng.random() * 0.6)
                    before = tap.count("shipped")
                    await desk.cut()
                    await look_until(lambda: tap.count("shipped") > before, "the cut in the ledger")  # noqa: B023
                    outcome.tried += 1
                await shipped(tap)
                await finish(tap, outcome)
            took = _times(tap, desk)
            outcome.promise(len(took) == count, f"{len(took)} of {count} cuts were kept")
            late = [f"{name}: {ms:.0f} ms" for name, ms in took.items() if ms > _WITHIN_MS * stage.TIMES_LATER]
            outcome.promise(not late, f"too late in the ledger: {late[:5]}")
            in_order = sorted(took.values()) or [0.0]
            outcome.stalled(in_order[-1])
            median, longest = in_order[len(in_order) // 2], in_order[-1]
            outcome.notes.append(
                f"from the server to the ledger's answer: median {median:.0f} ms, longest {longest:.0f} ms"
            )
            outcome.add(desk.judge(await rows_of(local.url, venue)))
    return outcome


def _times(tap: Tap, desk: Desk) -> dict[str, float]:
    """From each cut's leaving the server to the ledger's answer, in ms."""
    with sqlite3.connect(f"file:{tap.journal}?mode=ro", uri=True) as db:
        settled = dict(db.execute("SELECT key, settled_at FROM entries WHERE settled_at IS NOT NULL"))
    db.close()
    took = {}
    for cut in desk.cuts:
        answered = next((at for key, at in settled.items() if cut.cut_id in key), None)
        if answered is not None:
            took[cut.cut_id] = answered - cut.wall
    return took
