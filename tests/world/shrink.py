"""A failure made small: first the world it happens in, then its frames, until nothing can be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec import structs

from tap.rehearsal.truth import Down, Heard, Item, Missed, Up
from tap.rehearsal.ways import CHOICES, PLAIN
from tests.world.worlds import World

__all__ = ["smaller_items", "smaller_world"]

T = TypeVar("T")


def smaller_world(world: World, fails: Callable[[World], bool]) -> World:
    """The plainest world near this one that still fails."""
    again = True
    while again:
        again = False
        for other in _plainer(world):
            if fails(other):
                world, again = other, True
                break
    return world


def _plainer(world: World) -> Iterator[World]:
    for count in range(1, world.sessions):
        yield structs.replace(world, sessions=count)
    for name in world.faults:
        yield structs.replace(world, faults=tuple(other for other in world.faults if other != name))
    for name in CHOICES:
        plain = getattr(PLAIN, name)
        if getattr(world.ways, name) != plain:
            yield structs.replace(world, ways=structs.replace(world.ways, **{name: plain}))
    for length in (5, 10, 25):
        if length < world.length_s:
            yield structs.replace(world, length_s=length)
    for count in range(2, world.cameras):
        yield structs.replace(world, cameras=count)
    if world.origin:
        yield structs.replace(world, origin=0)


def smaller_items(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool], tries: int = 4_000) -> list[Item]:
    """The least of these that still fails (ddmin): not one more can be left out.

    A frame that is left out is one that nobody heard, so that what is told again later is told for the first time.
    """
    unheard = _least(items, fails, _unheard, tries)
    return _least(unheard, fails, lambda _: None, tries)


def _least(
    items: Sequence[Item], fails: Callable[[Sequence[Item]], bool], without: Callable[[Item], Item | None], tries: int
) -> list[Item]:
    kept, parts = list(items), 2
    while len(kept) >= 2 and tries > 0:
        smaller: list[Item] | None = None
        for start, end in _spans(len(kept), parts):
            rest = _rest(kept, start, end, without)
            if rest == kept:
                continue
            tries -= 1
            if fails(rest):
                smaller = rest
                break
        if smaller is not None:
            kept, parts = smaller, max(parts - 1, 2)
        elif parts >= len(kept):
            break
        else:
            parts = min(len(kept), parts * 2)
    return kept


def _rest(items: Sequence[Item], start: int, end: int, without: Callable[[Item], Item | None]) -> list[Item]:
    """A tape begins with a connection, and a connection with its greeting: else it is of no server that is."""
    rest: list[Item] = []
    for at, item in enumerate(items):
        left = item if not start <= at < end or _belongs(item) else without(item)
        if left is not None:
            rest.append(left)
    return rest


def _unheard(item: Item) -> Item | None:
    if not isinstance(item, Heard):
        return item
    told = tuple(fact for fact in item.facts if fact.kind not in ("state", "stale") and not fact.retold)
    return Missed(now=item.now, facts=told, world=item.world) if told and item.world is not None else None


def _belongs(item: Item) -> bool:
    if isinstance(item, Up | Down):
        return True
    return isinstance(item, Heard) and any(fact.kind == "hello" for fact in item.facts)


def _spans(length: int, parts: int) -> Iterator[tuple[int, int]]:
    size = max(1, length // parts)
    # From the end: what comes after the failure goes first.
    for start in reversed(range(0, length, size)):
        yield start, min(length, start + size)


def kinds(differences: Iterable[str]) -> set[str]:
    """What sort of failures these are: the same sort has to remain while it is made smaller."""
    return {" ".join(text.split()[:2]) for text in differences}
