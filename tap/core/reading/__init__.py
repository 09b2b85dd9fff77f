"""The one order in which a session's events are read, drawn, counted, added up, listed and exported.

A row keeps ``at``, which is what the server's clock said. Clocks are set in the middle of a shoot, tell whole seconds,
or differ from tap to tap; so ``at`` alone may draw a hold of an hour, or leave the wrong camera on air. A session is
read by ``at``, unless a step of the server's clock is proven, and then on a clock with the step taken out: the first
one that the session had. No row is changed by that.

What can prove a step, in the order of its weight:

1. *The chain.* A cut names what was on before it, a release follows a hold, a change of mode names the mode before.
2. *Lengths.* A release says how long was held, a gap how long nothing was heard: both by a clock that is never set.
3. *Hearing.* ``observedAt`` is a clock of its own. A row does not say whose, so two taps must be told apart first.

What is told late is no step: its time is right, and only its hearing is not. Rows in any order are read alike, and rows
that make no sense are read somehow: nothing here raises.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Generic, TypeVar

from msgspec import Struct

from tap.core.reading.chains import NEAR_MS, doubts, in_order, mended
from tap.core.reading.clocks import LEAST_FOR_TAPS, STEP_COST, Era, Way, eras_by, eras_of, is_even, offsets_of, place
from tap.core.reading.items import GAP, Frame, Item, Keyed, frame_of, item_of, number
from tap.core.reading.unheard import lengthened, turned_round

__all__ = ["NEAR_MS", "Keyed", "Reading", "Step", "number", "read"]

K = TypeVar("K", bound=Keyed)

_PLAIN = Way(STEP_COST)
_MOVED = 2.0
"""What it takes to put a single event elsewhere."""

_INSIDE_MS = 1_000
"""So far inside a gap nothing was heard by the tap that tells it: somebody else did, or it was told afterwards."""


class Step(Struct, frozen=True):
    """The server's clock was set."""

    moment: int
    """When, in Unix ms on the session's first clock: of the first event that the new clock dates."""
    by_ms: int
    """How far: below 0 it was set back."""


class Reading(Struct, Generic[K], frozen=True):
    """The events of one session in order, and when they were on a clock that was never set."""

    rows: list[K]
    moments: list[int]
    """Of each row, in Unix ms."""
    steps: list[Step]
    eras: list[Era]
    certain: bool
    """Each event finds things as it says that they were. Where one does not, the next may put all of them elsewhere."""

    @property
    def last_shift(self) -> int:
        """What to add to a time that the server's last clock told."""
        return self.eras[-1].shift

    def end_of(self, completed: int, *, seen: bool) -> int:
        """The moment of the session's end; where nobody saw it (``seen``), the one that is nearest to its last event.

        Such an end is dated by the last frame that showed the session, before the gap in which it ended.
        """
        if seen or not self.moments:
            return completed + self.last_shift
        length = number(self.rows[-1].fields.get("durationMs")) if self.rows[-1].fields.get("kind") == GAP else None
        near = self.moments[-1] - (length or 0)
        return min((completed + era.shift for era in self.eras), key=lambda moment: abs(moment - near))

    def moment_of(self, at: int, *, last: bool = False) -> int:
        """The moment of a time that is in no event; where it was twice, the first, or the ``last``."""
        found = []
        for index, era in enumerate(self.eras):
            moment = at + era.shift
            begun = index == 0 or era.begin is None or moment >= era.begin
            following = self.eras[index + 1].begin if index + 1 < len(self.eras) else None
            if begun and (following is None or moment < following):
                found.append(moment)
        return found[-1 if last else 0] if found else at + self.last_shift


class _Trial(Struct, frozen=True):
    """What came of reading a session in one way."""

    way: Way
    ordered: list[Item]
    doubted: float
    """What the events say against it."""
    cost: float


def read(events: Iterable[K], session: Mapping[str, Any]) -> Reading[K]:
    """The reading of one session's events. ``session``: its own row's columns; empty where that is not there."""
    frame = frame_of(session)
    items = sorted((item_of(row) for row in events), key=lambda item: item.key)
    ordered, certain = _ordered(items, frame)
    lengthened(ordered, frame)
    eras = eras_of(ordered)
    return Reading(
        rows=[item.row for item in ordered],
        moments=[item.moment for item in ordered],
        steps=[Step(after.begin or 0, before.shift - after.shift) for before, after in pairwise(eras)],
        eras=eras,
        certain=certain,
    )


def _ordered(items: Sequence[Item], frame: Frame) -> tuple[list[Item], bool]:
    """The events in the way that takes least to explain, by what they say of each other above all; do they agree?"""
    gaps = [item for item in items if item.chain == GAP]
    witnesses = _witnesses(items, gaps)
    several = len({gap.tap for gap in gaps}) > 1

    def tried(way: Way) -> _Trial:
        account = eras_by(witnesses, way, frame.started, several=several)
        place(items, account)
        ordered, moved = mended(in_order(items, frame), frame)
        completed = None if frame.completed is None else frame.completed + account.eras[-1].shift
        doubted = doubts(ordered, frame, completed) + _MOVED * moved
        return _Trial(way, ordered, doubted, doubted + account.cost)

    trial = best = tried(_PLAIN)
    if is_even(witnesses):
        return turned_round(trial.ordered, frame), trial.doubted == 0
    offsets = offsets_of(witnesses)
    if trial.doubted == 0 and (not offsets or trial.cost <= LEAST_FOR_TAPS):
        return trial.ordered, True
    for way in _ways(offsets):
        trial = tried(way)
        if trial.cost < best.cost:
            best = trial
    # The events are where the last trial has put them.
    return (best if best is trial else tried(best.way)).ordered, best.doubted == 0


def _witnesses(items: Iterable[Item], gaps: Iterable[Item]) -> list[Item]:
    """What says how the clocks stood; not what lies in a gap, where its tap did not hear it as it happened."""
    blind = sorted((gap.at - gap.length + _INSIDE_MS, gap.at - _INSIDE_MS) for gap in gaps if gap.length is not None)
    starts = [start for start, _ in blind]
    until = list(accumulate((end for _, end in blind), max))
    return [item for item in items if item.witness and not _within(item.at, starts, until)]


def _within(at: int, starts: Sequence[int], until: Sequence[int]) -> bool:
    index = bisect_right(starts, at) - 1
    return index >= 0 and at < until[index]


def _ways(offsets: Sequence[int]) -> Iterator[Way]:
    """The other ways in which a session may be read, the most careful first."""
    yield from (Way(STEP_COST, offset=offset) for offset in offsets)
    for cost in (STEP_COST, STEP_COST / 2):
        yield from (Way(cost, careful=False, offset=offset) for offset in (None, *offsets))
    yield Way(None)
    yield Way(STEP_COST / 4, careful=False)
