"""How the server's clock went, by what the taps heard.

A row says when something was by the server's clock (``at``) and when it was heard by the tap's (``observedAt``). The
difference, here the *lead*, is the same for all that was heard on time. It is less where something was told late, and
it is another for good after one of the two clocks was set, or where another tap has heard it. So, going through the
events as they were heard:

* what returns to the lead from before was a delay, or another tap, and moves nothing;
* a lead that is another for good, however often something was heard since, is a step of the server's clock;
* two leads that take turns are two taps, as far as one is always so much below the other.

Nothing of that is certain for two or three rows. So there are several ways to read a session (``Way``), from careful
to bold; what the events say of each other (``chains``) decides between them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from tap.core.reading.chains import NEAR_MS, doubts
from tap.core.reading.items import GAP, Frame, Item

__all__ = [
    "LEAST_FOR_TAPS",
    "STEP_COST",
    "Account",
    "Era",
    "Way",
    "doubts_of",
    "eras_by",
    "eras_of",
    "is_even",
    "offsets_of",
    "place",
]

_TOGETHER_MS, _TOGETHER_AT_MOST_MS = 250, 1_000
"""What is heard so close together was told together: a burst says once how two clocks stand, by its least delay."""
_JITTER_MS = 600
_STALL_MS = 15_000
"""So late, at most, is what a process or a network held up; only a connection that begins tells older things."""
_GAP_NEAR_MS = 5_000
_LOOK_BACK = 12
"""So many groups of late rows in a row are told from a step; where more come, no order is to be found by hearing."""
_ERAS_BACK = 8
_NEIGHBOURS = 8
_DRIFT = 0.0005
"""A clock runs faster or slower than another by less than this."""
_LATE, _LONG_LATE, STEP_COST, _SECOND_TAP, _TURN = 1.0, 2.0, 1.5, 3.0, 0.15
"""What it takes to explain a session: each time something was told late, each step of a clock, a second tap, and each
time that the two taps take turns. Two rows that agree are more than a delay; three of them twice more than a step."""
_TURNS = 4
"""Two leads that take turns so often may be two taps."""
LEAST_FOR_TAPS = _SECOND_TAP + _TURN * _TURNS
"""What two taps take to explain at least."""
_MOST_OFFSETS = 3
_EARLY = 2.5
"""Nothing is heard before it happens; but a server may tell afterwards what it dated by a clock that it had before."""


class Way(Struct, frozen=True):
    """One way to read a session."""

    step: float | None
    """What a step costs, where what was told late costs 1 each time; None: no step is believed."""
    careful: bool = True
    """A change that may be another tap's clock is no step."""
    offset: int | None = None
    """Rows with a lead so much below that of others were heard by a second tap."""


class Era(Struct):
    """A time in which the server's clock was not set."""

    shift: int
    begin: int | None = None
    end: int | None = None
    """The first and the last moment in it that are sure."""


class _Hearing(Struct):
    """What was heard at once."""

    at: int
    lead: int
    items: list[Item]


def _middle(hearings: Sequence[_Hearing]) -> int:
    return sorted(hearing.lead for hearing in hearings)[len(hearings) // 2]


class _Run(Struct):
    """Hearings one after the other with one lead: ``first`` at its beginning, ``last`` at its end."""

    hearings: list[_Hearing]
    first: int = 0
    last: int = 0

    def closed(self) -> _Run:
        """With its leads: the middle one of some, for one of them may belong to another clock."""
        self.first = _middle(self.hearings[:_NEIGHBOURS])
        self.last = _middle(self.hearings[-_NEIGHBOURS:])
        return self


class _Stretch(Struct):
    """A run by whose lead the clock is told."""

    run: _Run
    era: int
    """Its place among the eras."""


# ---------------------------------------------------------------------------------------------- second taps


def offsets_of(witnesses: Iterable[Item]) -> list[int]:
    """How far the clock of a second tap may be ahead of the first's: most likely first."""
    ordered = sorted(witnesses, key=lambda item: (item.at, item.heard, item.key))
    leads = [item.at - item.heard for item in ordered]
    jumps = sorted(
        (after - before for before, after in pairwise(leads) if abs(after - before) > NEAR_MS),
        key=abs,
    )
    sizes = [abs(jump) for jump in jumps]
    near = _evenness(ordered)
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(jumps):
        stop = bisect_right(sizes, sizes[start] + near)
        some = jumps[start:stop]
        if len(some) >= _TURNS and min(some) < 0 < max(some):
            found.append((-len(some), sizes[start + len(some) // 2]))
        start = stop
    return [size for _, size in sorted(found)[:_MOST_OFFSETS]]


def _tell_taps_apart(witnesses: Sequence[Item], offset: int | None) -> float:
    """Say of each event whose clock it was heard by; how much that takes to explain."""
    for item in witnesses:
        item.ahead = 0
    if offset is None:
        return 0.0
    leads = sorted(item.lead for item in witnesses)
    near = _evenness(witnesses)
    known = [
        (lead, offset if _has(leads, lead + offset, near) else 0)
        for lead in leads
        if _has(leads, lead + offset, near) or _has(leads, lead - offset, near)
    ]
    for item in witnesses:
        item.ahead = _nearest(known, item.lead)
    ordered = sorted(witnesses, key=lambda item: (item.at, item.key))
    return _SECOND_TAP + _TURN * sum(one.ahead != other.ahead for one, other in pairwise(ordered))


def _evenness(witnesses: Iterable[Item]) -> int:
    """Within what the leads of one tap lie: delays, and, of a clock that tells whole seconds, most of a second."""
    whole = all(item.at % 1000 == 0 for item in witnesses)
    return NEAR_MS if whole else _JITTER_MS


def _has(leads: Sequence[int], wanted: int, near: int) -> bool:
    place = bisect_left(leads, wanted - near // 2)
    return place < len(leads) and leads[place] <= wanted + near // 2


def _nearest(known: Sequence[tuple[int, int]], lead: int) -> int:
    """Whose clock has such a lead: that of the nearest of which it is known."""
    at = bisect_left(known, (lead, 0))
    near = known[max(0, at - 1) : at + 1]
    return min(near, key=lambda one: abs(one[0] - lead), default=(0, 0))[1]


# ---------------------------------------------------------------------------------------------- steps


def is_even(witnesses: Sequence[Item]) -> bool:
    """Whether the two clocks stood to each other as they did from the first event to the last."""
    _tell_taps_apart(witnesses, None)
    runs = _runs(_hearings(witnesses))
    next(runs, None)
    return next(runs, None) is None


class Account(Struct):
    """How a way explains what was heard."""

    stretches: list[_Stretch]
    eras: list[Era]
    cost: float


def eras_by(witnesses: Sequence[Item], way: Way, started: int | None, *, several: bool) -> Account:
    """What a session is like if it is read in this way.

    ``started``: when it began, by the clock that is gone on with. ``several``: more than one tap is known to have
    heard it.
    """
    cost = _tell_taps_apart(witnesses, way.offset)
    runs = list(_runs(_hearings(witnesses)))
    if not runs:
        return Account([], [Era(0)], cost)
    path = _Path(runs, way, several=several)
    if way.step is None:
        longest = max(range(len(runs)), key=lambda index: (len(runs[index].hearings), -index))
        return Account([_Stretch(runs[longest], 0)], [Era(0)], cost + path.cost([longest]))
    chosen = path.best()
    stretches, eras = _dated(path, chosen)
    by = _before_all(eras, started)
    for era in eras:
        era.shift += by
        era.begin, era.end = (None if moment is None else moment + by for moment in (era.begin, era.end))
    return Account(stretches, eras, cost + path.cost(chosen))


def _before_all(eras: Sequence[Era], started: int | None) -> int:
    """Where the clock was set between the session's start and its first event: which era's clock is that of the start.

    Else the first event would be before the start.
    """
    first = eras[0].begin
    if started is None or first is None or first >= started - NEAR_MS:
        return 0
    return min((-era.shift for era in eras if first - era.shift >= started - NEAR_MS), default=0)


def _hearings(witnesses: Iterable[Item]) -> Iterator[_Hearing]:
    current: _Hearing | None = None
    last = 0
    for item in sorted(witnesses, key=lambda item: (item.hearing, item.at, item.key)):
        now = item.hearing
        if current is not None and now - last <= _TOGETHER_MS and now - current.at <= _TOGETHER_AT_MOST_MS:
            current.items.append(item)
            current.lead = max(current.lead, item.lead)
        else:
            if current is not None:
                yield current
            current = _Hearing(now, item.lead, [item])
        last = now
    if current is not None:
        yield current


def _runs(hearings: Iterable[_Hearing]) -> Iterator[_Run]:
    run: _Run | None = None
    level = last = 0.0
    for hearing in hearings:
        # What is told on time is at the top; a clock that runs faster than the other lowers or lifts that slowly.
        level -= _DRIFT * (hearing.at - last)
        if run is not None and abs(hearing.lead - level) <= NEAR_MS:
            run.hearings.append(hearing)
            level = max(level, hearing.lead)
        else:
            if run is not None:
                yield run.closed()
            run, level = _Run([hearing]), hearing.lead
        last = hearing.at
    if run is not None:
        yield run.closed()


class _Path:
    """Through the runs, from one that was told on time to the next; what lies between was told late."""

    def __init__(self, runs: list[_Run], way: Way, *, several: bool) -> None:
        self.runs = runs
        self._step = way.step or 0.0
        self._careful = way.careful
        self._several = several
        pauses = (
            after.at - before.at for run in runs for before, after in zip(run.hearings, run.hearings[1:], strict=False)
        )
        self._longest_pause = max(pauses, default=0)
        self._first_at = min(item.at for run in runs for hearing in run.hearings for item in hearing.items)

    def best(self) -> list[int]:
        """The runs by whose lead the clock is told."""
        runs = self.runs
        costs: list[tuple[float, int]] = []
        before: list[int | None] = []
        for index, run in enumerate(runs):
            best: tuple[float, int] | None = None
            came_from: int | None = None
            if index <= _LOOK_BACK:
                best = self._leading(index), 0
            late, top = 0, run.first
            for last in range(index - 1, max(-1, index - 1 - _LOOK_BACK), -1):
                other = runs[last]
                early = top > max(other.last, run.first) + NEAR_MS
                step = abs(run.first - other.last) > NEAR_MS
                cost = costs[last][0] + late * (_EARLY if early else _LATE) + (self._step if step else 0.0)
                if best is None or (cost, costs[last][1] + step) < best:
                    best, came_from = (cost, costs[last][1] + step), last
                late += len(other.hearings)
                top = max(top, other.first)
            assert best is not None  # noqa: S101 - the first has a beginning, all others somebody before them
            costs.append(best)
            before.append(came_from)
        return self._back(costs, before)

    def cost(self, chosen: Sequence[int]) -> float:
        """What it takes to explain all runs by the chosen ones."""
        runs, total = self.runs, 0.0
        for index, (last, following) in enumerate(pairwise([None, *chosen, None])):
            levels = [runs[last].last] if last is not None else []
            levels += [runs[following].first] if following is not None else []
            between = runs[0 if last is None else last + 1 : following]
            for run in between:
                total += len(run.hearings) * (_EARLY if run.first > max(levels) + NEAR_MS else _LATE)
            if index and last is not None and following is not None and self.change(last, following) is not None:
                total += STEP_COST
        return total

    def change(self, last: int, index: int) -> int | None:
        """How far the server's clock was set between two runs; 0 is another tap's clock; None, no other clock."""
        one, other = self.runs[last], self.runs[index]
        by = other.first - one.last
        if abs(by) <= NEAR_MS:
            return None
        return 0 if self._another_tap(one, other, by) else by

    def _another_tap(self, one: _Run, other: _Run, by: int) -> bool:
        first = other.hearings[0]
        if any(item.chain == GAP and item.length is None and item.at > self._first_at + 1000 for item in first.items):
            return True  # somebody who had not listened before begins to
        if not self._careful or self._several:
            return self._careful
        # A clock that was set back by minutes does not make anybody wait for minutes; another tap's seems to.
        silence = first.at - one.hearings[-1].at
        return -by > silence / 2 and silence > 3 * self._longest_pause

    def _leading(self, index: int) -> float:
        level = self.runs[index].first
        cost = 0.0
        for run in self.runs[:index]:
            late = level - run.first
            if late < -NEAR_MS:
                cost += _EARLY * len(run.hearings)
            elif late > _STALL_MS and not self._at_a_beginning(run):
                cost += _LONG_LATE * len(run.hearings)
            else:
                cost += _LATE * len(run.hearings)
        return cost

    def _at_a_beginning(self, run: _Run) -> bool:
        """Whether a connection begins there: a server may tell then what was long before."""
        last = run.hearings[-1].at
        near = (hearing for other in self.runs[: _LOOK_BACK + 1] for hearing in other.hearings[:_NEIGHBOURS])
        return any(
            item.chain == GAP and abs(hearing.at - last) <= _GAP_NEAR_MS for hearing in near for item in hearing.items
        )

    def _back(self, costs: list[tuple[float, int]], before: list[int | None]) -> list[int]:
        runs = self.runs
        best: tuple[tuple[float, int], int] | None = None
        late, top = 0.0, None
        for index in range(len(runs) - 1, max(-1, len(runs) - 2 - _LOOK_BACK), -1):
            early = top is not None and top > runs[index].last + NEAR_MS
            cost, steps = costs[index]
            total = ((cost + late * (_EARLY if early else _LATE), steps), -index)
            if best is None or total < best:
                best = total
            late += len(runs[index].hearings)
            top = runs[index].first if top is None else max(top, runs[index].first)
        found: list[int] = []
        at = None if best is None else -best[1]
        while at is not None:
            found.append(at)
            at = before[at]
        return found[::-1]


def _dated(path: _Path, chosen: Sequence[int]) -> tuple[list[_Stretch], list[Era]]:
    """The stretches with their shifts, and the eras that these make."""
    stretches: list[_Stretch] = []
    eras = [Era(0)]
    for index in chosen:
        run = path.runs[index]
        by = path.change(chosen[len(stretches) - 1], index) if stretches else None
        if by:
            eras.append(Era(eras[-1].shift - by))
        moments = [item.at for item in _on_time(run)]
        _bound(eras, min(moments), max(moments))
        stretches.append(_Stretch(run, len(eras) - 1))
    return stretches, eras


def _bound(eras: list[Era], first: int, last: int) -> None:
    """What was heard in an era lies in it; and an era begins after the one before it, whatever delays make of that."""
    era = eras[-1]
    before = eras[-2].end if len(eras) > 1 else None
    if era.begin is None and before is not None and 0 < before - (first + era.shift) <= NEAR_MS:
        era.shift = before - first
    begin, end = first + era.shift, last + era.shift
    era.begin = begin if era.begin is None else min(era.begin, begin)
    era.end = end if era.end is None else max(era.end, end)


def _on_time(run: _Run) -> Iterator[Item]:
    for hearing in run.hearings:
        for item in hearing.items:
            if item.lead >= hearing.lead - NEAR_MS:
                yield item


# ---------------------------------------------------------------------------------------------- placing


def place(items: Iterable[Item], account: Account) -> None:
    """Give every event its shift: that of the era in which it was heard on time, or of the one that it was in."""
    stretches, eras = account.stretches, account.eras
    for item in items:
        item.sure = not stretches
        item.shift, item.others = 0, ()
    for stretch in stretches:
        for item in _on_time(stretch.run):
            item.shift, item.sure = eras[stretch.era].shift, True
    starts = [stretch.run.hearings[0].at for stretch in stretches]
    for item in items:
        if stretches:
            stretch = stretches[max(0, bisect_right(starts, item.hearing) - 1)]
            level = stretch.run.last + eras[stretch.era].shift
            item.others = (item.heard + level - item.at,)
            if not item.sure:
                heard = item.hearing + level
                _place_late(item, heard, eras, stretch.era)


def _place_late(item: Item, heard: int, eras: Sequence[Era], then: int) -> None:
    """The shift of the era in which something happened that was heard in era ``then``: the latest that it may be.

    What was heard together with the last of an era may be of the next.
    """
    fit: int | None = None
    others = []
    for index in range(min(then + 1, len(eras) - 1), max(-1, then - _ERAS_BACK), -1):
        moment = item.at + eras[index].shift
        began = index == 0 or moment >= (eras[index - 1].end or moment)
        over = index + 1 < len(eras) and moment > (eras[index + 1].begin or moment) + NEAR_MS
        if fit is None and moment <= heard + NEAR_MS and began and not over:
            fit = eras[index].shift
        elif moment <= heard + NEAR_MS:
            others.append(eras[index].shift)
    item.shift = eras[then].shift if fit is None else fit
    item.others = (*others, *item.others)


def eras_of(ordered: Iterable[Item]) -> list[Era]:
    """The eras that events, in order, were put into."""
    eras: list[Era] = []
    for item in ordered:
        if not item.sure:
            continue
        if not eras or eras[-1].shift != item.shift:
            eras.append(Era(item.shift, item.moment, item.moment))
        eras[-1].end = item.moment
    return eras or [Era(0)]


def doubts_of(ordered: Sequence[Item], frame: Frame) -> int:
    """How badly the order of placed events fits what they say."""
    completed = None if frame.completed is None else frame.completed + eras_of(ordered)[-1].shift
    return doubts(ordered, frame, completed)
