"""The server starts anew in mid-shoot: its session kept, lost, or another in its place."""

from __future__ import annotations

from functools import partial

from tests.faults.outcome import Outcome, together
from tests.faults.rig import Rig
from tests.faults.stage import House, perform

__all__ = ["kept", "lost", "replaced"]

_RIG = Rig(patience=20)


async def _restarts(what: str, count: int, seed: int) -> Outcome:
    outcomes = []
    with House() as house:
        for shoot in range(count):
            outcome = await perform(house, seed + shoot, faults=[f"restart_{what}"], length_s=40, exact=True, rig=_RIG)
            outcome.tried = 1
            outcomes.append(outcome)
    return together(outcomes)


kept = partial(_restarts, "kept")
lost = partial(_restarts, "lost")
replaced = partial(_restarts, "replaced")
