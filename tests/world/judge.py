"""Judgement over a world: is the history what the frames prove, and is it the same however it is heard?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from msgspec import Struct

from tap.core.codec import entry_json
from tap.core.model import Entry, SourceItem
from tap.rehearsal.evidence import envelopes
from tap.rehearsal.score import Score, score
from tap.rehearsal.truth import Heard, Item, Truth
from tap.rehearsal.witness import truth_of
from tap.rehearsal.world import ShootPlan
from tests.core.test_memory import Disk
from tests.world.worlds import World, fed, heard, items_of, pipeline

__all__ = ["Judgement", "judge", "judge_history", "judge_sameness", "judged"]

_APART_MS = 300_000


class Judgement(Struct):
    """What came of a world."""

    wrong: list[str]
    """What is missed, doubled, invented or different; nothing where all is as it should be."""
    truth: Truth


def judged(world: World, *, sameness: bool = True) -> Judgement:
    """A world performed, heard, and judged."""
    plan, items = items_of(world)
    return judge(plan, items, world.origin, sameness=sameness)


def judge(plan: ShootPlan, items: Sequence[Item], origin: int, *, sameness: bool = True) -> Judgement:
    """What a tap makes of this, judged by what the frames prove."""
    source = list(heard(items, origin))
    by_item = _by_item(source)
    entries = [entry for some in by_item for entry in some]
    truth = truth_of(plan, items, venue="hall")
    wrong = judge_history(truth, entries).differences
    if sameness:
        wrong += judge_sameness(items, source, by_item, origin, Random(f"sameness/{plan.seed}"))
    return Judgement(wrong, truth)


def judge_history(truth: Truth, entries: Iterable[Entry]) -> Score:
    """The rows that the entries leave beside the truth; in process even the receiver's times are exact."""
    return score(truth, entries, tolerance_ms=0)


def judge_sameness(
    items: Sequence[Item], source: Sequence[SourceItem], by_item: Sequence[Sequence[Entry]], origin: int, rng: Random
) -> list[str]:
    """Again, in part, with restarts, by another clock: the same."""
    said = [[entry_json(entry) for entry in entries] for entries in by_item]
    found: list[str] = []
    stop = rng.randrange(len(source) + 1)
    if _json(fed(source[:stop])) != _flat(said[:stop]):
        found.append(f"sameness: the first {stop} items give no prefix of the entries")
    if _json(_with_restarts(source, rng)) != _flat(said):
        found.append("sameness: going on from what was saved gives other entries")
    # A monotonic clock means nothing but its differences.
    if _json(fed(list(heard(items, origin + rng.randrange(1, 10**9))))) != _flat(said):
        found.append("sameness: another origin of the monotonic clock gives other entries")
    if _dated(items):
        other = fed(list(heard(items, rng.randrange(10**9), off_ms=_APART_MS)), tap="tap-b")
        apart = _rows(entry for entries in by_item for entry in entries) ^ _rows(other)
        if apart:
            found.append(f"sameness: a tap whose clock is five minutes on makes other keys: {sorted(apart)[:3]}")
    return found


def _by_item(source: Iterable[SourceItem]) -> list[list[Entry]]:
    line = pipeline()
    return [line.feed(item) for item in source]


def _json(entries: Iterable[Entry]) -> list[bytes]:
    return [entry_json(entry) for entry in entries]


def _flat(said: Iterable[list[bytes]]) -> list[bytes]:
    return [line for lines in said for line in lines]


def _with_restarts(source: Sequence[SourceItem], rng: Random) -> list[Entry]:
    """The tap saves now and then, ends between two items three times, and goes on from what is on the disk."""
    stops = {rng.randrange(len(source)) for _ in range(3)}
    saves = stops | {rng.randrange(len(source)) for _ in range(10)}
    line, disk, entries = pipeline(), Disk(), list[Entry]()
    for number, item in enumerate(source):
        if number in saves:
            disk.keep(line.save())
        if number in stops:
            line = pipeline(checkpoint=disk.state, memory=disk.records.items())
        entries += line.feed(item)
    return entries


def _dated(items: Iterable[Item]) -> bool:
    """Whether every frame says when it was made: keys then owe nothing to the tap's clock."""
    frames = (envelope for item in items if isinstance(item, Heard) for envelope in envelopes(item.data))
    return all(envelope.ts is not None for envelope in frames if envelope.type)


def _rows(entries: Iterable[Entry]) -> set[str]:
    """The keys that both taps share; a gap's names the tap."""
    return {f"{entry.op} {entry.key}" for entry in entries if entry.fields.get("kind") != "gap"}
