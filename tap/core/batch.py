"""The parts of one batch, in the order in which they happened.

All of them come at once, so nothing waits for it: by ``seq`` where the dialect says that it orders them and their times
agree, else by their times. At one time what is told as such comes before the state that shows it. A part that carries
neither stays behind the one that it follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tap.core.mapping import Reading, SeqOrders
from tap.core.model import Hello, Snapshot, Told

__all__ = ["in_order"]


_ROUND = 1 << 63
"""Added to a number that began anew within the batch."""


def in_order(readings: Sequence[Reading], orders: SeqOrders, floor: int | None = None) -> Sequence[Reading]:
    """``readings`` of one frame, sorted where they say that they are not.

    ``floor``: the highest number that was told on this connection; what is below it began anew.
    """
    told = [reading.observations[0].told if reading.observations else None for reading in readings]
    if sum(one is not None for one in told) < 2:
        return readings
    numbers = [None if one is None else one.seq for one in told]
    if floor is not None:
        numbers = [number if number is None or number >= floor else number + _ROUND for number in numbers]
    by_seq = _sorted(readings, told, numbers)
    if orders in {"boot", "connection"} and by_seq is not None and _agrees(by_seq):
        return by_seq
    return _sorted(readings, told, [None if one is None else one.at for one in told]) or readings


def _sorted(
    readings: Sequence[Reading], told: Sequence[Told | None], keys: Sequence[int | None]
) -> list[Reading] | None:
    """Sorted by these keys; None where none of what says anything has one."""
    if all(key is None for key in keys):
        return None
    last = min(key for key in keys if key is not None)
    places: list[tuple[int, bool, int]] = []
    for number, (reading, key) in enumerate(zip(readings, keys, strict=True)):
        last = last if key is None else key
        shows = bool(reading.observations) and isinstance(reading.observations[0], Snapshot)
        greets = bool(reading.observations) and isinstance(reading.observations[0], Hello)
        places.append((last, shows and told[number] is not None, -1 if greets else number))
    return [readings[number] for number in sorted(range(len(readings)), key=places.__getitem__)]


def _agrees(readings: Sequence[Reading]) -> bool:
    """Whether their times rise with their numbers, as far as they have any."""
    times = [reading.observations[0].told.at for reading in readings if reading.observations]
    return all(one <= other for one, other in pairwise(time for time in times if time is not None))
