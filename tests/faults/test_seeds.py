"""The seeds themselves: what they draw is always the same and leaves nothing out, and a bound that breaks is told."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults import seeds
from tests.faults.outcome import Outcome, together
from tests.faults.rig import Offset
from tests.faults.seeds import ACTS, Scene, plan_of

FOUND = (247, 272, 48006, 51003, 59009, 72008, 97006)
"""Seeds that broke something once."""


def test_a_seed_always_draws_the_same() -> None:
    """So that one that broke something can be played again."""
    assert plan_of(7) == plan_of(7)
    assert len({plan_of(seed).words() for seed in range(200)}) == 200


def test_seeds_leave_nothing_out() -> None:
    """Of some hundred, each fault of each kind is drawn, with others, and with every way to set up the tap."""
    plans = [plan_of(seed) for seed in range(1, 301)]
    assert (
        {act for plan in plans for act in plan.acts} == set(ACTS) == {act for k in seeds._KINDS.values() for act in k}
    )
    assert {fault for plan in plans for fault in plan.server} == set(seeds._SERVER)
    assert {plan.patient for plan in plans} == {True, False}
    assert {plan.sessions for plan in plans} == {1, 2, 3}
    assert len({(plan.rig, *plan.environ.items()) for plan in plans}) >= 30
    kinds = [{kind for kind, acts in seeds._KINDS.items() if set(acts) & set(plan.acts)} for plan in plans]
    assert sum(len(drawn) >= 4 for drawn in kinds) > 50


def _scene(*, memory: int = 0, state: int = 0, lines: int = 0, connections: int = 0) -> tuple[Scene, Outcome]:
    outcome = Outcome()
    said = [{"level": "info", "message": f"line {number % 3}"} for number in range(lines)]
    said += [{"level": "debug", "message": "not counted"}] * 10_000
    tap = SimpleNamespace(said=lambda: said)
    performance = cast(Any, SimpleNamespace(outcome=outcome, tap=tap))
    scene = Scene(performance, plan_of(1), random.Random(1), Offset(), most_memory=memory, most_state=state)
    scene.to_server.append(cast(Any, SimpleNamespace(connections=connections)))
    return scene, outcome


@pytest.mark.parametrize(
    ("too_much", "words"),
    [
        ({"memory": 251 * 2**20}, "251 MB of memory"),
        ({"state": 65 * 2**20}, "65 MB of files"),
        ({"lines": 600}, "600 lines of log"),
        ({"connections": 800}, "800 connections"),
    ],
)
def test_a_bound_that_breaks_is_told(too_much: dict[str, int], words: str) -> None:
    scene, outcome = _scene(**too_much)
    seeds._bounds(scene, 60)
    (failure,) = outcome.failures
    assert words in failure
    scene, outcome = _scene(memory=60 * 2**20, lines=30, connections=5)
    seeds._bounds(scene, 60)
    assert outcome.ok


async def test_a_seed_that_breaks_something_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it drew, and how to play it again; also where it broke the harness."""

    async def harm(_: Any, plan: seeds.Plan) -> Outcome:
        if plan.seed == 12:
            raise TimeoutError("not within 100 s")
        return seeds._named(Outcome(tried=1, lost=plan.seed == 11), plan)

    monkeypatch.setattr(seeds, "play", harm)
    outcome = together([await seeds.one(number) for number in (10, 11, 12)])
    assert (outcome.tried, outcome.lost) == (3, 1)
    assert [line.split(" (")[0] for line in outcome.failures if line.startswith("seed")] == ["seed 11", "seed 12"]
    assert "python -m tests.faults.seeds 11" in outcome.failures[0]
    assert any("TimeoutError: not within 100 s" in line for line in outcome.failures)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", FOUND)
async def test_what_a_seed_found_stays_mended(seed: int) -> None:
    why_not = seeds.missing()
    if why_not is not None:
        pytest.skip(why_not)
    outcome = await seeds.run(1, seed)
    assert outcome.ok, outcome.explain()
