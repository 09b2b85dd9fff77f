"""A failure made small: first the world it happens in, then its frames, until nothing can be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from msgspec import structs

from tap.rehearsal.truth import Down, Heard, Item, Up
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
    """The least of these that still fails (ddmin): not one more can be left out."""
    kept, parts = list(items), 2
    while len(kept) >= 2 and tries > 0:
        smaller: list[Item] | None = None
        for start, end in _spans(len(kept), parts):
            tries -= 1
            # A tape begins with a connection, and a connection with its greeting: else it is of no server that is.
            rest = [item for at, item in enumerate(kept) if not start <= at < end or _frame_of_it(kept, at)]
            if len(rest) < len(kept) and fails(rest):
                smaller = rest
                break
        if smaller is not None:
            kept, parts = smaller, max(parts - 1, 2)
        elif parts >= len(kept):
            break
        else:
            parts = min(len(kept), parts * 2)
    return kept


def _frame_of_it(items: Sequence[Item], at: int) -> bool:
    item = items[at]
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
