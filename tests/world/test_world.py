"""Whatever a server's ways are, and whatever goes wrong, the history is what the frames prove: over the cross product.

A world that fails: ``python -m tests.world --seed N --shrink -o FOLDER`` makes it as small as it gets, and keeps the
tape.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from msgspec import structs

from tap.core.model import Entry
from tap.rehearsal.truth import Truth
from tap.rehearsal.ways import CHOICES
from tap.rehearsal.witness import truth_of
from tests.world.judge import judge_history, judged
from tests.world.known import known_wrong
from tests.world.worlds import FEW, MANY, World, draw, fed, heard, items_of

AT_ONCE = 20


@pytest.mark.parametrize("seed", range(FEW))
def test_the_history_is_what_the_frames_prove(seed: int) -> None:
    """Nothing is missed, doubled, invented or different; and it is the same in part, with restarts, on any clock."""
    assert judged(draw(seed), sameness=seed % 3 == 0).wrong == [], str(draw(seed))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(FEW, FEW + MANY, AT_ONCE))
def test_the_history_is_what_the_frames_prove_in_many_more_worlds(first: int) -> None:
    """The same for thousands, twenty at a time; those that are known to be wrong are still wrong, and no others."""
    seeds = range(first, first + AT_ONCE)
    wrong = {seed: found for seed in seeds if (found := judged(draw(seed)).wrong)}
    known = known_wrong().intersection(seeds)
    assert {str(draw(seed)): found for seed, found in wrong.items() if seed not in known} == {}
    assert known - wrong.keys() == set(), "right by now: delete their lines in tests/world/known.txt"


def test_what_is_known_to_be_wrong_is_little_and_is_played() -> None:
    """At most one in two hundred of the many; the few that every change has to pass are all right."""
    assert known_wrong() <= set(range(FEW, FEW + MANY))
    assert len(known_wrong()) <= MANY / 200


def test_every_choice_is_drawn_with_every_other() -> None:
    """Over all seeds, each pair of words of two ways stands in some world: it is a cross product that is judged."""
    drawn = [draw(seed).ways for seed in range(FEW + MANY)]
    pairs = Counter(
        (one, getattr(ways, one), other, getattr(ways, other))
        for ways in drawn
        for one in CHOICES
        for other in CHOICES
        if one < other
    )
    wanted = sum(len(CHOICES[one]) * len(CHOICES[other]) for one in CHOICES for other in CHOICES if one < other)
    assert len(pairs) == wanted


def test_doubt_is_rare() -> None:
    """A judge that doubts everything finds nothing: of what was told, 19 in 20 events are required, in all worlds."""
    required = doubtful = 0
    for seed in range(60):
        for event in _heard(draw(seed))[0].carried:
            required, doubtful = required + (not event.doubtful), doubtful + event.doubtful
    assert required > 19 * doubtful > 0


# ---------------------------------------------------------------------------------------------- the judge is no yes-man


def _heard(world: World) -> tuple[Truth, list[Entry]]:
    plan, items = items_of(world)
    return truth_of(plan, items, venue="hall"), fed(list(heard(items, world.origin)))


def _one_fewer(entries: list[Entry], at: int) -> list[Entry]:
    return entries[:at] + entries[at + 1 :]


def _twice(entries: list[Entry], at: int) -> list[Entry]:
    return [*entries, structs.replace(entries[at], key=f"{entries[at].key}/2")]


def _another_camera(entries: list[Entry], at: int) -> list[Entry]:
    fields = {**entries[at].fields, "cameraId": "cam-99"}
    return [*entries[:at], structs.replace(entries[at], fields=fields), *entries[at + 1 :]]


def _a_second_later(entries: list[Entry], at: int) -> list[Entry]:
    fields = {**entries[at].fields, "at": int(entries[at].fields["at"]) + 1000}
    return [*entries[:at], structs.replace(entries[at], fields=fields), *entries[at + 1 :]]


def test_a_history_that_is_wrong_is_found_in_any_world() -> None:
    """One cut is left out, told twice, of another camera or at another time: nearly every time that is noticed."""
    spoils = (_one_fewer, _twice, _another_camera, _a_second_later)
    tried, noticed = 0, Counter[str]()
    for seed in range(40):
        truth, entries = _heard(draw(seed))
        cuts = [at for at, entry in enumerate(entries) if entry.fields.get("kind") == "cut"]
        chosen = Random(seed).sample(cuts, min(3, len(cuts)))
        tried += len(chosen)
        for spoil in spoils:
            noticed[spoil.__name__] += sum(bool(judge_history(truth, spoil(entries, at)).differences) for at in chosen)
    assert tried > 80
    assert {spoil.__name__: noticed[spoil.__name__] for spoil in spoils if noticed[spoil.__name__] <= 0.9 * tried} == {}
