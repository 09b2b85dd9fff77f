"""When the server should be there, as a venue says it: ``always``, ``18:00-02:00``, ``mon-fri 08:00-23:00, sat``."""

from __future__ import annotations

import re
from datetime import datetime

from msgspec import Struct

__all__ = ["Hours", "hours_of"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(_DAYS)
_PART = re.compile(rf"(?:({_DAY})(?:-({_DAY}))?)?\s*(?:(\d\d):(\d\d)-(\d\d):(\d\d))?", re.IGNORECASE)
_WHOLE_DAY = 24 * 60


class Hours(Struct, frozen=True):
    """Some hours of some days of the week."""

    days: frozenset[int]
    """Of their beginning; Monday is 0."""
    begin: int
    """Minutes after midnight."""
    end: int
    """The same; at or before ``begin`` it is of the day after."""

    def hold(self, now: datetime) -> bool:
        """Whether they are at a local time."""
        minute, day = now.hour * 60 + now.minute, now.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        late = day in self.days and minute >= self.begin
        return late or ((day - 1) % 7 in self.days and minute < self.end)


def hours_of(text: str) -> tuple[Hours, ...]:
    """What a text says. Raises ``ValueError``, with what is wrong, for one that says nothing."""
    if text.strip().casefold() == "always":
        return (Hours(frozenset(range(7)), 0, _WHOLE_DAY),)
    return tuple(_part(part.strip()) for part in text.split(","))


def _part(text: str) -> Hours:
    found = _PART.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"has {text!r} in it, which is not hours")
    first, last, *clock = found.groups()
    days = range(7)
    if first is not None:
        begin = _DAYS.index(first.lower())
        count = (_DAYS.index((last or first).lower()) - begin) % 7 + 1
        days = range(begin, begin + count)
    if clock[0] is None:
        return Hours(frozenset(day % 7 for day in days), 0, _WHOLE_DAY)
    hours = [int(part) for part in clock]
    minutes = [hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]]
    if max(hours[1], hours[3]) > 59 or minutes[0] >= _WHOLE_DAY or minutes[1] > _WHOLE_DAY:
        raise ValueError(f"has {text!r} in it, which is not a time of day")
    return Hours(frozenset(day % 7 for day in days), *minutes)
