"""Judgement over a world: is the history what the frames prove, and is it the same however it is heard?"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tap.core.codec import entry_json
from tap.core.model import Entry, SourceItem
from tap.rehearsal.score import Score, score
from tap.rehearsal.truth import Item
from tap.rehearsal.witness import truth_of
from tap.rehearsal.world import Plan
from tests.world.worlds import fed, heard, pipeline

__all__ = ["judge", "judge_history", "judge_sameness"]


def judge(plan: Plan, items: Sequence[Item], origin: int) -> list[str]:
    """All that is wrong with what a tap makes of this; nothing where it is as it should be."""
    source = list(heard(items, origin))
    entries = fed(source)
    return judge_history(plan, items, entries) + judge_sameness(plan, items, source, entries)


def scored(plan: Plan, items: Sequence[Item], entries: Sequence[Entry]) -> Score:
    return score(truth_of(plan, items, venue="hall"), entries, tolerance_ms=0)


def judge_history(plan: Plan, items: Sequence[Item], entries: Sequence[Entry]) -> list[str]:
    """What is missed, doubled, invented or wrong, by the rows that the entries leave."""
    return scored(plan, items, entries).differences


def judge_sameness(
    plan: Plan, items: Sequence[Item], source: Sequence[SourceItem], entries: Sequence[Entry]
) -> list[str]:
    """Again, in part, with restarts, and by another tap: the same."""
    rng = Random(f"sameness/{plan.seed}")
    said = [entry_json(entry) for entry in entries]
    found: list[str] = []
    cut = rng.randrange(len(source) + 1)
    if [entry_json(entry) for entry in fed(source[:cut])] != said[: _count(source, cut)]:
        found.append(f"sameness: a prefix of {cut} items gives no prefix of the entries")
    if [entry_json(entry) for entry in _broken_off(source, rng)] != said:
        found.append("sameness: going on from a checkpoint gives other entries")
    return found


def _count(source: Sequence[SourceItem], cut: int) -> int:
    line = pipeline()
    return sum(len(line.feed(item)) for item in source[:cut])


def _broken_off(source: Sequence[SourceItem], rng: Random) -> list[Entry]:
    """The tap ends in order between two items, three times, and goes on from what it saved, in no time."""
    stops = {rng.randrange(len(source)) for _ in range(3)}
    line, entries = pipeline(), list[Entry]()
    for number, item in enumerate(source):
        if number in stops:
            line = pipeline(checkpoint=line.checkpoint())
        entries += line.feed(item)
    return entries
