"""Steps of the server's clock that only lengths show.

Where the tap runs on the server's own machine, both have one clock, and both are set together: no hearing shows it. But
a release says how long was held by a clock that is never set. A hold that is drawn longer or shorter than that has a
step in it: where the longest silence is, for there it changes least.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tap.core.reading.chains import doubts, excess
from tap.core.reading.clocks import eras_of
from tap.core.reading.items import GAP, HOLD, Frame, Item

__all__ = ["reckoned"]


def reckoned(ordered: Sequence[Item], frame: Frame) -> None:
    """Take out of the events' moments what no hold could have lasted, where nothing speaks against it.

    The order stays as it is.
    """
    before = [item.shift for item in ordered]
    doubted = _doubts(ordered, frame)
    if _took_out(ordered) and _doubts(ordered, frame) >= doubted:
        for item, shift in zip(ordered, before, strict=True):
            item.shift = shift


def _doubts(ordered: Sequence[Item], frame: Frame) -> int:
    completed = None if frame.completed is None else frame.completed + eras_of(ordered)[-1].shift
    return doubts(ordered, frame, completed)


def _took_out(ordered: Sequence[Item]) -> bool:
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
    for item in held[place + 1 :]:
        item.shift -= more
    return more
