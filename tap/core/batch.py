"""The parts of one batch, in the order in which they happened.

All of them come at once, so nothing waits for it. Five orders are possible: by their times (at one time what is told as
such comes before the state that shows it, then by ``seq``), by ``seq`` alone, as they stand, by ``seq`` that starts
again among them, and with each state after the change that it shows (for who counts each type by itself). Each says
something of how the desk went: a cut says which camera it came from, a state shows what is on, and no state shows a
session after its end. The order that contradicts itself least is the one that happened; where two do so alike, times
are believed before numbers, numbers before the place, and the place before numbers that start again. Where no state is
among them, nothing can contradict what times, numbers or places say.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec import UNSET

from tap.core.machine.state import State, comparable
from tap.core.mapping import Reading, SeqOrders
from tap.core.model import (
    Cut,
    Envelope,
    Hello,
    HoldOn,
    ModeChanged,
    Observation,
    Release,
    SessionEnded,
    SessionInfo,
    SessionStarted,
    Snapshot,
)

__all__ = ["in_order"]


def in_order(readings: Sequence[Reading], orders: SeqOrders, state: State) -> Sequence[Reading]:
    """The parts of one frame, in the order in which they happened.

    Args:
        readings: The parts, as they stand in the frame.
        orders: What ``seq`` counts, as the dialect says.
        state: What is known before the frame: the first part has to fit it.
    """
    envelopes = [reading.observations[0].envelope if reading.observations else None for reading in readings]
    if sum(one is not None for one in envelopes) < 2:
        return readings
    stands = list(range(len(readings)))
    possible = [
        order
        for order in (
            _by_time(readings, envelopes, orders),
            _by_number(envelopes, orders),
            stands,
            _by_number_anew(envelopes, orders),
        )
        if order is not None
    ]
    if possible[0] == stands and not any(_kind(reading)[1] for reading in readings):
        return readings
    odd = [_contradictions([readings[place] for place in order], state) for order in possible]
    for believes_hidden in (False, True):
        if min(odd):
            possible.append(_by_what_fits(readings, envelopes, state, believes_hidden=believes_hidden))
            odd.append(_contradictions([readings[place] for place in possible[-1]], state))
    return [readings[place] for place in possible[odd.index(min(odd))]]


def _by_time(readings: Sequence[Reading], envelopes: Sequence[Envelope | None], orders: SeqOrders) -> list[int] | None:
    """The order by time; None where no part has one."""
    if all(one is None or one.at is None for one in envelopes):
        return None
    times = _times(envelopes)
    counted = orders in {"boot", "connection"}
    numbers = [
        one.seq if counted and one is not None and one.seq is not None else at for at, one in enumerate(envelopes)
    ]
    return sorted(
        range(len(envelopes)), key=lambda place: (times[place], *_kind(readings[place]), numbers[place], place)
    )


def _by_number(envelopes: Sequence[Envelope | None], orders: SeqOrders) -> list[int] | None:
    """The order by ``seq``; None where no part has one, or it does not order parts of different types."""
    if orders not in {"boot", "connection"} or all(one is None or one.seq is None for one in envelopes):
        return None
    numbers = _carried([None if one is None else one.seq for one in envelopes])
    return sorted(range(len(envelopes)), key=numbers.__getitem__)


def _by_number_anew(envelopes: Sequence[Envelope | None], orders: SeqOrders) -> list[int] | None:
    """The order by ``seq``, where that starts again among the parts: the high numbers were sent before the low ones.

    Returns:
        None where not all parts have one, or the low ones lie nearer to the high ones than to the beginning.
    """
    numbers = [one.seq for one in envelopes if one is not None and one.seq is not None]
    if orders not in {"boot", "connection"} or len(numbers) < len(envelopes):
        return None
    low, high = max(pairwise(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    if low >= high - low:
        return None
    return sorted(range(len(numbers)), key=lambda place: (numbers[place] < high, numbers[place], place))


def _by_what_fits(
    readings: Sequence[Reading], envelopes: Sequence[Envelope | None], state: State, *, believes_hidden: bool
) -> list[int]:
    """Changes and states each by time and number; a state comes as soon as it shows what is so, else after a change.

    Args:
        believes_hidden: A state also comes as soon as a dissolve may hide what is so.
    """
    times = (
        _times(envelopes) if any(one is not None and one.at is not None for one in envelopes) else [0] * len(envelopes)
    )
    numbers = _carried([0] + [None if one is None else one.seq for one in envelopes])[1:]
    order = sorted(range(len(envelopes)), key=lambda place: (times[place], numbers[place], place))
    changes = [place for place in order if not _kind(readings[place])[1]]
    states = [place for place in order if _kind(readings[place])[1]]
    now, found = _known(state), list[int]()
    while changes or states:
        # What a dissolve may hide fits too, but proves nothing.
        so = dict(now) if believes_hidden else {**now, "hidden": ()}
        fits = bool(states) and not sum(_contradicts(o, so) for o in readings[states[0]].observations)
        # A greeting comes first, whatever fits.
        greets = bool(changes) and not _kind(readings[changes[0]])[0]
        place = (states if (fits and not greets) or not changes else changes).pop(0)
        for o in readings[place].observations:
            _contradicts(o, now)
        found.append(place)
    return found


def _times(envelopes: Sequence[Envelope | None]) -> list[int]:
    """The time of each part; of one without, that of the part that is numbered before it, or stands before it."""
    dated = sorted(
        (one.seq, one.at) for one in envelopes if one is not None and one.seq is not None and one.at is not None
    )
    times: list[int | None] = []
    for one in envelopes:
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
    now, odd, read = _known(state), 0, dict[tuple[type, int | None, int | None], list[Observation]]()
    for one in (one for reading in readings for one in reading.observations):
        alike = read.setdefault((type(one), one.envelope.at, one.envelope.seq), [])
        if one not in alike:  # what is told twice says nothing more
            odd += _contradicts(one, now)
            alike.append(one)
    return odd


def _known(state: State) -> dict[str, Any]:
    """What is known for sure before the frame: program, hold and mode."""
    aspects = {"program": state.program, "hold": state.hold, "mode": state.mode}
    return {name: aspect.value for name, aspect in aspects.items() if aspect.known and aspect.sure}


def _contradicts(o: Observation, now: dict[str, Any]) -> int:
    """Whether this does not fit what is so; takes it over."""
    odd = 0
    match o:
        case Cut():
            elsewhere = isinstance(o.from_, str) and now.get("program", o.from_) != o.from_
            odd = elsewhere + (now.get("program", UNSET) == o.to)
            # While a dissolve runs, a state may show what was on before, or nothing.
            dissolves = bool(o.duration_ms) and o.transition not in {None, "cut"}
            before = now.get("program") if o.from_ is UNSET else o.from_
            now["hidden"] = {now.get("program"), before, None} if dissolves else set()
            now["program"] = o.to
        case HoldOn() | Release():
            odd = int(now.get("hold", UNSET) == isinstance(o, HoldOn))
            now["hold"] = isinstance(o, HoldOn)
        case ModeChanged():
            odd = int(now.get("mode", UNSET) == o.to)
            now["mode"] = o.to
        case SessionStarted() | SessionEnded():
            now["over"] = o.session_id if isinstance(o, SessionEnded) else None
        case Snapshot():
            if isinstance(o.session, SessionInfo) and o.session.id is not None:
                odd += o.session.id == now.get("over")
            for name, value in (("program", o.program), ("hold", o.hold), ("mode", o.mode)):
                hidden = name == "program" and value in now.get("hidden", ())
                if value is not UNSET and not hidden:
                    odd += now.get(name, comparable(name, value)) != comparable(name, value)
                    now[name] = comparable(name, value)
        case _:
            pass
    return odd
