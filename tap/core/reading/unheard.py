"""Steps of the server's clock that no hearing shows.

Where the tap runs on the server's own machine, both have one clock, and both are set together. Then two things are left
that can prove a step:

* *Lengths.* A release says how long was held by a clock that is never set. A hold that is drawn longer or shorter than
  that has a step in it: where the longest silence is, for there it changes least.
* *The chain*, where a clock was set back to before all that was there. What came after the step then stands before what
  came before it, each in order for itself, and the one goes on where the other ends. How much later it was, nobody
  knows; so at least as much later that the order is right.

NB: times that lie over each other after a step back are left alone: with few cameras there is more than one way to
tell them apart, and a wrong one would be invented.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from msgspec import UNSET

from tap.core.reading.chains import NEAR_MS, WRONG, excess, fits, in_order
from tap.core.reading.clocks import doubts_of
from tap.core.reading.items import GAP, HOLD, Frame, Item, Value

__all__ = ["lengthened", "turned_round"]

_TRIED = 8
"""Places at which a session may have been turned round."""


def turned_round(ordered: list[Item], frame: Frame) -> list[Item]:
    """The events, where their end stands before their beginning, the right way round."""
    doubted = doubts_of(ordered, frame)
    if doubted < WRONG:
        return ordered
    best, split, by = doubted - WRONG, 0, 0
    for place in islice(_splits(ordered, frame), _TRIED):
        back = _back(ordered[place:], ordered[:place])
        _shift(ordered[:place], back)
        found = doubts_of(in_order(ordered, frame), frame)
        _shift(ordered[:place], -back)
        if found < best:
            best, split, by = found, place, back
    _shift(ordered[:split], by)
    return in_order(ordered, frame) if split else ordered


def _splits(ordered: Sequence[Item], frame: Frame) -> Iterator[int]:
    """Where what happened later may end: with what is dated before the session began, else where the chain breaks."""
    if frame.started is not None:
        early = next((at for at, item in enumerate(ordered) if item.moment >= frame.started - NEAR_MS), 0)
        if early:
            yield early
    state: dict[str, Value] = dict(frame.start)
    for place, item in enumerate(ordered):
        if item.chain is None or item.chain == GAP:
            continue
        if place and not fits(item, state.get(item.chain, UNSET)):
            yield place
        state[item.chain] = item.target


def _back(first: Sequence[Item], second: Sequence[Item]) -> int:
    """How far the clock was set back; at least, where no hold across the step says it."""
    least = first[-1].moment - second[0].moment + 1
    hold = next((item for item in reversed(first) if item.chain == HOLD), None)
    release = next((item for item in second if item.chain == HOLD), None)
    if hold is None or release is None or not hold.target or release.target or release.length is None:
        return least
    return max(least, hold.moment + release.length - release.moment)


def lengthened(ordered: Sequence[Item], frame: Frame) -> None:
    """Take out of the events' moments what no hold could have lasted, where nothing speaks against it.

    The order stays as it is.
    """
    before = [item.shift for item in ordered]
    doubted = doubts_of(ordered, frame)
    if _took_out(ordered) and doubts_of(ordered, frame) >= doubted:
        for item, shift in zip(ordered, before, strict=True):
            item.shift = shift


def _took_out(ordered: Sequence[Item]) -> bool:
    """Whether anything was."""
    hold: int | None = None
    carry, changed = 0, False
    for index, item in enumerate(ordered):
        item.shift += carry
        if item.chain == GAP:
            hold = None
        elif item.chain == HOLD and item.target:
            hold = index
        elif item.chain == HOLD:
            more = 0 if hold is None else excess(ordered[hold], item)
            if hold is not None and more:
                taken = _take_out(ordered[hold : index + 1], more)
                carry -= taken
                changed = changed or taken != 0
            hold = None
    return changed


def _take_out(held: Sequence[Item], more: int) -> int:
    """Take ``more`` ms out of a hold, or put them in (below 0); how much it was, 0 where no silence is that long."""
    pauses = [after.moment - before.moment for before, after in pairwise(held)]
    place = max(range(len(pauses)), key=pauses.__getitem__)
    if more > pauses[place]:
        return 0
    _shift(held[place + 1 :], -more)
    return more


def _shift(items: Sequence[Item], by: int) -> None:
    for item in items:
        item.shift += by
