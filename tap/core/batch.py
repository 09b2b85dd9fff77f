"""The parts of one batch, in the order in which they happened.

All of them come at once, so nothing waits for it. Their times order them; at one time what is told as such comes before
the state that shows it, and then ``seq`` decides, where the dialect says that it orders anything. Without times ``seq``
orders them alone. A part that carries nothing stays behind the one that it follows.
"""

from __future__ import annotations

from collections.abc import Sequence

from tap.core.mapping import Reading, SeqOrders
from tap.core.model import Hello, Snapshot, Told

__all__ = ["in_order"]


def in_order(readings: Sequence[Reading], orders: SeqOrders) -> Sequence[Reading]:
    """``readings`` of one frame, sorted where they say that they are not."""
    told = [reading.observations[0].told if reading.observations else None for reading in readings]
    if sum(one is not None for one in told) < 2:
        return readings
    counted = orders in {"boot", "connection"}
    if any(one is not None and one.at is not None for one in told):
        times = _times(told)
        numbers = [_number(one, place) if counted else place for place, one in enumerate(told)]
        keys = [
            (time, *_kind(reading), number, place)
            for place, (reading, time, number) in enumerate(zip(readings, times, numbers, strict=True))
        ]
        return [readings[key[-1]] for key in sorted(keys)]
    if not counted or all(one is None or one.seq is None for one in told):
        return readings
    order = _carried([None if one is None else one.seq for one in told])
    return [readings[place] for place in sorted(range(len(readings)), key=order.__getitem__)]


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


def _number(told: Told | None, place: int) -> int:
    return place if told is None or told.seq is None else told.seq


def _kind(reading: Reading) -> tuple[bool, bool]:
    """A greeting comes first, a state last."""
    first = reading.observations[0] if reading.observations else None
    return (not isinstance(first, Hello), isinstance(first, Snapshot))
