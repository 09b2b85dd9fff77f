"""The parts of one batch, in the order in which they happened.

All of them come at once, so nothing waits for it. Three orders are possible: by their times (at one time what is told
as such comes before the state that shows it, then by ``seq``), by ``seq`` alone, and as they stand. Each says something
of how the desk went: a cut says which camera it came from, a state shows what is on. The order that contradicts itself
least is the one that happened; where two do so alike, times are believed before numbers, and numbers before the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from tap.core.mapping import Reading, SeqOrders
from tap.core.model import Cut, Hello, HoldOn, ModeChanged, Observation, Release, Snapshot, Told
from tap.core.state import State, flat

__all__ = ["in_order"]


def in_order(readings: Sequence[Reading], orders: SeqOrders, state: State) -> Sequence[Reading]:
    """``readings`` of one frame, sorted where they say that they are not."""
    told = [reading.observations[0].told if reading.observations else None for reading in readings]
    if sum(one is not None for one in told) < 2:
        return readings
    stands = list(range(len(readings)))
    possible = [
        order for order in (_by_time(readings, told, orders), _by_number(told, orders), stands) if order is not None
    ]
    if possible[0] == stands:
        return readings
    best = min(possible, key=lambda order: _contradictions([readings[place] for place in order], state))
    return [readings[place] for place in best]


def _by_time(readings: Sequence[Reading], told: Sequence[Told | None], orders: SeqOrders) -> list[int] | None:
    if all(one is None or one.at is None for one in told):
        return None
    times = _times(told)
    counted = orders in {"boot", "connection"}
    numbers = [one.seq if counted and one is not None and one.seq is not None else at for at, one in enumerate(told)]
    return sorted(range(len(told)), key=lambda place: (times[place], *_kind(readings[place]), numbers[place], place))


def _by_number(told: Sequence[Told | None], orders: SeqOrders) -> list[int] | None:
    if orders not in {"boot", "connection"} or all(one is None or one.seq is None for one in told):
        return None
    numbers = _carried([None if one is None else one.seq for one in told])
    return sorted(range(len(told)), key=numbers.__getitem__)


def _times(told: Sequence[Told | None]) -> list[int]:
    """The time of each part; of one without, that of the part that is numbered before it, or stands before it."""
    dated = sorted((one.seq, one.at) for one in told if one is not None and one.seq is not None and one.at is not None)
    times: list[int | None] = []
    for one in told:
        at = None if one is None else one.at
        if one is not None and at is None and one.seq is not None:
            at = next((time for seq, time in reversed(dated) if seq <= one.seq), None)
        times.append(at)
    return _carried(times)


def _carried(values: Sequence[int | None]) -> list[int]:
    """Each value, or the last one before it; the first where there is none before."""
    last = next(value for value in values if value is not None)
    carried = []
    for value in values:
        last = last if value is None else value
        carried.append(last)
    return carried


def _kind(reading: Reading) -> tuple[bool, bool]:
    """A greeting comes first, a state last."""
    first = reading.observations[0] if reading.observations else None
    return (not isinstance(first, Hello), isinstance(first, Snapshot))


def _contradictions(readings: Sequence[Reading], state: State) -> int:
    """How often, read in this order, one part does not fit what those before it left."""
    aspects = {"program": state.program, "hold": state.hold, "mode": state.mode}
    now = {name: aspect.value for name, aspect in aspects.items() if aspect.known and aspect.sure}
    return sum(_contradicts(one, now) for reading in readings for one in reading.observations)


def _contradicts(o: Observation, now: dict[str, Any]) -> int:
    """Whether this does not fit what is so; takes it over."""
    odd = 0
    match o:
        case Cut():
            elsewhere = isinstance(o.from_, str) and now.get("program", o.from_) != o.from_
            odd = elsewhere + (now.get("program", UNSET) == o.to)
            # While a dissolve runs, a state may show what was on before, or nothing.
            dissolves = bool(o.duration_ms) and o.transition not in {None, "cut"}
            now["hidden"] = {now.get("program"), None} if dissolves else set()
            now["program"] = o.to
        case HoldOn() | Release():
            odd = int(now.get("hold", UNSET) == isinstance(o, HoldOn))
            now["hold"] = isinstance(o, HoldOn)
        case ModeChanged():
            odd = int(now.get("mode", UNSET) == o.to)
            now["mode"] = o.to
        case Snapshot():
            for name, value in (("program", o.program), ("hold", o.hold), ("mode", o.mode)):
                hidden = name == "program" and value in now.get("hidden", ())
                if value is not UNSET and not hidden:
                    odd += now.get(name, flat(name, value)) != flat(name, value)
                    now[name] = flat(name, value)
        case _:
            pass
    return odd
