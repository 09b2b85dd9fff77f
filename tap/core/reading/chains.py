"""What one event says of the one before it: a cut names the camera that it came from, a release what was held.

So an order can be judged without any clock: in the right one each event finds things as it says that they were. Here
an order is judged (``doubts``), events of one moment are put in the order that fits (``settled``), and single events
that stand where they cannot are put to where they were heard (``mended``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from msgspec import UNSET

from tap.core.reading.items import GAP, HOLD, MODE, PROGRAM, Frame, Item, Value, side_of

__all__ = ["NEAR_MS", "WRONG", "doubts", "excess", "fits", "in_order", "mended", "settled"]

NEAR_MS = 2_000
"""Delays on the way, and clocks that tell whole seconds, explain this much."""

WRONG, _ODD = 16, 4
"""A row that contradicts the one before it; and one that only would not be expected there.

NB: a cut that names no camera before it is odd, not wrong: before 0.3.0 no row told that program turned to nothing.
"""

_CHAINS = (PROGRAM, HOLD, MODE)
_MOST_MENDED = 500
"""Where more than that stand where they cannot, there is no order to be found."""

State = dict[str, Value]


# ---------------------------------------------------------------------------------------------- judging


def doubts(items: Sequence[Item], frame: Frame, completed: int | None) -> int:
    """How badly an order fits what its events say; 0 where each finds things as it says.

    ``completed``: the moment of the session's end; None where its end was not seen.
    """
    state = _begun(frame)
    programs: tuple[list[int], list[Value]] = ([frame.started or 0], [state[PROGRAM]])
    hold: Item | None = None
    found = 0
    for item in items:
        if item.chain == GAP:
            found += _gap_doubts(item, programs)
            hold = None
        elif item.chain is not None:
            found += _turn_doubts(item, state[item.chain], hold)
            if item.chain == HOLD:
                hold = item if item.target else None
        _turn(state, item)
        if item.chain in (PROGRAM, GAP):
            programs[0].append(item.moment)
            programs[1].append(state[PROGRAM])
        if item.witness:
            found += _bound_doubts(item, frame.started, completed)
    if UNSET not in (frame.final, state[PROGRAM]) and frame.final != state[PROGRAM]:
        found += _ODD
    return found


def _begun(frame: Frame) -> State:
    return {chain: frame.start.get(chain, UNSET) for chain in _CHAINS}


def _turn(state: State, item: Item) -> None:
    """What holds after an event."""
    if item.chain == GAP:
        after = side_of(item.sides[1])
        state.update({chain: after.get(chain, UNSET) for chain in _CHAINS})
    elif item.chain is not None:
        state[item.chain] = item.target


def _turn_doubts(item: Item, before: Value, hold: Item | None) -> int:
    if not fits(item, before):
        return _ODD if item.origin is None else WRONG
    if item.chain == HOLD and hold is not None and excess(hold, item):
        return WRONG
    return 0


def excess(hold: Item, release: Item) -> int:
    """How much longer a hold is drawn than it was, in ms; 0 where nothing contradicts that.

    NB: a length that is just the difference of the two rows' times was reckoned from these, and proves nothing.
    """
    if release.length is None or release.length == release.at - hold.at:
        return 0
    more = release.moment - hold.moment - release.length
    return more if abs(more) > NEAR_MS else 0


def fits(item: Item, before: Value) -> bool:
    """Whether an event finds what it says that it found."""
    return UNSET in (before, item.origin) or item.origin == before


def _gap_doubts(item: Item, programs: tuple[list[int], list[Value]]) -> int:
    """Whether what was on when it began is what its tap says; changes inside are somebody else's, and no doubt."""
    before = item.sides[0]
    if before is None or item.length is None:
        return 0
    at = bisect_right(programs[0], item.moment - item.length + NEAR_MS) - 1
    then = programs[1][max(0, at)]
    return 0 if then is UNSET or then == side_of(before or {PROGRAM: None}).get(PROGRAM) else _ODD


def _bound_doubts(item: Item, started: int | None, completed: int | None) -> int:
    """A session's events lie in it, and its end comes after all of them were heard."""
    found = _ODD if started is not None and item.moment < started - NEAR_MS else 0
    if completed is not None and item.chain != GAP and item.moment > completed + NEAR_MS:
        found += _ODD
    return found


# ---------------------------------------------------------------------------------------------- one moment


def in_order(items: Iterable[Item], frame: Frame) -> list[Item]:
    """By moment, and what is of one moment in the order that fits."""
    return list(settled(sorted(items, key=_place), frame))


def _place(item: Item) -> tuple[int, int, int, str]:
    return item.moment, item.hearing, item.told, item.key


def settled(ordered: Iterable[Item], frame: Frame) -> Iterator[Item]:
    """Events of one moment so that each finds what it came from; where that orders nothing, as they were heard."""
    state = _begun(frame)
    for _, group in groupby(ordered, key=lambda item: item.moment):
        items = list(group)
        for part in _between_gaps(items) if len(items) > 1 else [items]:
            for item in _linked(part, state) if len(part) > 1 else part:
                _turn(state, item)
                yield item


def _between_gaps(items: Sequence[Item]) -> Iterator[list[Item]]:
    """A gap stands where it was heard: what was on changes with it without a link."""
    part: list[Item] = []
    for item in items:
        if item.chain == GAP:
            yield part
            yield [item]
            part = []
        else:
            part.append(item)
    yield part


def _linked(items: Sequence[Item], state: Mapping[str, Value]) -> list[Item]:
    """The same events: those of each chain in the order that fits, in the places that the chain's events have."""
    by_chain: dict[str | None, list[Item]] = {}
    for item in items:
        by_chain.setdefault(item.chain, []).append(item)
    lines = {chain: iter(some if chain is None else _trail(some, state[chain])) for chain, some in by_chain.items()}
    return [next(lines[item.chain]) for item in items]


def _trail(items: Sequence[Item], begin: Value) -> list[Item]:
    """A way through all of them, each from where the one before it led; of several the first by ``items``.

    Hierholzer's: the way that takes the earliest event wherever it can, and still all of them.
    """
    if _is_trail(items, begin):
        return list(items)
    start = _entry(items) if begin is UNSET else begin
    leaving: dict[Value, deque[Item]] = {}
    for item in items:
        leaving.setdefault(start if item.origin is UNSET else item.origin, deque()).append(item)
    stack: list[tuple[Value, Item | None]] = [(start, None)]
    backwards: list[Item] = []
    while stack:
        ways = leaving.get(stack[-1][0])
        if ways:
            item = ways.popleft()
            stack.append((item.target, item))
        else:
            done = stack.pop()[1]
            if done is not None:
                backwards.append(done)
    found = backwards[::-1]
    return found if len(found) == len(items) and _is_trail(found, begin) else _greedy(items, begin)


def _is_trail(items: Sequence[Item], begin: Value) -> bool:
    for item in items:
        if not fits(item, begin):
            return False
        begin = item.target
    return True


def _entry(items: Sequence[Item]) -> Value:
    """Where a way must begin: what more events leave than reach."""
    balance: dict[Value, int] = {}
    for item in items:
        balance[item.origin] = balance.get(item.origin, 0) + 1
        balance[item.target] = balance.get(item.target, 0) - 1
    return next((value for value, more in balance.items() if more > 0 and value is not UNSET), items[0].origin)


def _greedy(items: Sequence[Item], begin: Value) -> list[Item]:
    """Where no way leads through all: on from where one is as long as that goes, else with the first that is left."""
    leaving: dict[Value, deque[int]] = {}
    for index, item in enumerate(items):
        leaving.setdefault(item.origin, deque()).append(index)
    left, first, found = [True] * len(items), 0, []
    for _ in items:
        ways = leaving.get(begin, ())
        while ways and not left[ways[0]]:
            ways.popleft()
        while not left[first]:
            first += 1
        index = ways[0] if ways else first
        left[index] = False
        found.append(items[index])
        begin = items[index].target
    return found


# ---------------------------------------------------------------------------------------------- out of place


def mended(ordered: Sequence[Item], frame: Frame) -> tuple[list[Item], int]:
    """Single events put to another moment that they may have been at, where that makes the chain fit; and how many.

    A server may tell afterwards what it dated by an older clock, and some date their snapshots by another clock than
    their commands.
    """
    moved = 0
    for chain in _CHAINS:
        moved += _mend([item for item in ordered if item.chain in (chain, GAP)], chain, frame.start.get(chain, UNSET))
    return (in_order(ordered, frame) if moved else list(ordered)), moved


def _mend(line: list[Item], chain: str, first: Value) -> int:
    """How many were put elsewhere; ``line`` has the events of one chain, and the gaps."""
    moved = tried = index = 0
    while index < len(line) and tried < _MOST_MENDED:
        item = line[index]
        if item.chain == chain and _breaks(line, index, chain, first):
            tried += 1
            # Either it does not belong here, or what is before it does not.
            if any(_moved(line, at, chain, first) for at in (index, index - 1) if at >= 0 and line[at].chain == chain):
                moved += 1
                index = max(0, index - 1)
                continue
        index += 1
    return moved


def _moved(line: list[Item], index: int, chain: str, first: Value) -> bool:
    """Whether an event was put to where it fits better."""
    item = line[index]
    behind = line[index + 1 : index + 2]
    for shift in item.others:
        place = bisect_right(line, item.at + shift, key=lambda other: other.moment)
        if place in (index, index + 1):
            continue
        # Only for itself, for what follows it, and for what will follow it, is what was before another then.
        before = sum(_breaks(line, at, chain, first) for at in (index, index + 1, place))
        after = int(not fits(item, _value(line, place - 1, chain, first)))
        if behind and behind[0].chain == chain:
            after += not fits(behind[0], _value(line, index - 1, chain, first))
        if place < len(line) and line[place].chain == chain:
            after += not fits(line[place], item.target)
        if after < before:
            item.shift, item.sure = shift, False
            line.insert(place - (place > index), line.pop(index))
            return True
    return False


def _breaks(line: Sequence[Item], index: int, chain: str, first: Value) -> bool:
    """Whether an event of this chain does not find what it says that it found."""
    if index >= len(line) or line[index].chain != chain:
        return False
    return not fits(line[index], _value(line, index - 1, chain, first))


def _value(line: Sequence[Item], index: int, chain: str, first: Value) -> Value:
    """What holds after an event; -1 is the start."""
    if index < 0:
        return first
    item = line[index]
    return side_of(item.sides[1]).get(chain, UNSET) if item.chain == GAP else item.target
