"""Queries of a history: which sessions, cameras and kinds of events are wanted, and what a typed moment means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from msgspec import Struct

from tap.core import kinds as known
from tap.core.codec import MAX_VENUE, key_part, venue_of
from tap.core.merge import Row
from tap.history.timeline import Event, Timeline

__all__ = ["KINDS", "SessionFilter", "asked_events", "moment_of", "ms_of_moment", "unambiguous_ms"]

KINDS: Mapping[str, frozenset[str]] = {
    word: frozenset(name for name, kind in known.KINDS.items() if kind.word == word) for word in known.WORDS
}
"""The words for kinds of events, and the kinds that they mean."""

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d{1,4})\s*(m|min|h|d|w|minutes?|hours?|days?|weeks?)(?:\s+ago)?")
_LATEST_YEAR = 2100


class SessionFilter(Struct, kw_only=True, frozen=True):
    """Which sessions are wanted. Times are Unix ms; a field that is None selects everything."""

    venue: str | None = None
    since: int | None = None
    until: int | None = None
    status: str | None = None
    title: str | None = None
    """Part of the title, in any case."""

    @property
    def prefix(self) -> str | None:
        """What the keys of the wanted sessions begin with; None where they may begin with anything."""
        return None if self.venue is None else f"{key_part(self.venue, MAX_VENUE)}/"

    def fits(self, row: Row) -> bool:
        """Whether a session's row is wanted; it is if the session ran at any time from ``since`` up to ``until``."""
        fields = row.fields
        started = fields.get("startedAt", row.version)
        over = fields.get("completedAt")
        return (
            (self.venue is None or venue_of(row.session_key) == self.venue)
            and (self.since is None or over is None or over >= self.since)
            and (self.until is None or started < self.until)
            and (self.status is None or fields.get("status") == self.status)
            and (self.title is None or self.title.casefold() in str(fields.get("title", "")).casefold())
        )


def asked_events(timeline: Timeline, *, camera: str | None = None, kinds: Iterable[str] = ()) -> list[Event]:
    """The events of one session that match, in the timeline's order.

    Args:
        timeline: The session.
        camera: Only events to this camera, from it, or by it: its id, or a part of its name in any case.
        kinds: Only events of these kinds: words of ``KINDS``. Without any, events of all kinds.

    Raises:
        ValueError: One of ``kinds`` is not such a word.
    """
    words = tuple(kinds)
    for word in words:
        if word not in KINDS:
            raise ValueError(f"{word!r} is not a kind of event → {', '.join(KINDS)}")
    wanted = frozenset[str]().union(*(KINDS[word] for word in words))
    ids = None if camera is None else _ids(timeline, camera)
    return [
        event
        for event in timeline.events
        if (not wanted or event.kind in wanted) and (ids is None or not ids.isdisjoint(_cameras(event)))
    ]


def _ids(timeline: Timeline, camera: str) -> frozenset[str]:
    if any(lane.camera_id == camera for lane in timeline.lanes):
        return frozenset({camera})
    part = camera.casefold()
    return frozenset(lane.camera_id for lane in timeline.lanes if part in (lane.name or lane.camera_id).casefold())


def _cameras(event: Event) -> set[str]:
    detail: Mapping[str, Any] = event.detail or {}
    asked = detail.get("cameraIds")
    named = asked if isinstance(asked, list) else ()
    return {camera for camera in (event.camera_id, event.from_camera_id, *named) if isinstance(camera, str)}


def ms_of_moment(text: str, now: datetime, *, end: bool = False) -> int:
    """The moment that a person typed, in Unix ms.

    Args:
        text: ``now``, ``today``, ``yesterday``, ``monday`` (the last one), ``3 days``, ``90 min``, ``2026-11-21``,
            ``2026-11-21 14:30``, ``14:30`` (today), or ISO 8601.
        now: The time now, in the venue's time zone.
        end: Where ``text`` is a day, return the day's end instead of its beginning.

    Raises:
        ValueError: ``text`` is none of these.
    """
    return round(moment_of(text, now, end=end).timestamp() * 1000)


def unambiguous_ms(text: str, now: datetime) -> int:
    """As :func:`ms_of_moment`, but for a time of day that exists exactly once on that day.

    Raises:
        ValueError: Clocks were set on that day, and the time does not exist or comes twice; or as ``ms_of_moment``.
    """
    moment = moment_of(text, now)
    said = " ".join(text.casefold().split())
    if said != "now" and not _AGO.fullmatch(said) and moment.tzinfo is now.tzinfo:
        _refuse_unclear(text, moment, now.tzinfo)
    return round(moment.timestamp() * 1000)


def _refuse_unclear(text: str, moment: datetime, zone: tzinfo | None) -> None:
    first, second = moment.replace(fold=0), moment.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return
    again = first.astimezone(UTC).astimezone(zone)
    if again.replace(tzinfo=None, fold=0) != moment.replace(tzinfo=None, fold=0):
        raise ValueError(
            f"{text!r} does not exist on that day in {zone}: clocks were set forward → name one before or after"
        )
    both = " or ".join(one.isoformat(timespec="seconds") for one in (first, second))
    raise ValueError(f"{text!r} comes twice on that day in {zone}: clocks were set back → {both}")


def moment_of(text: str, now: datetime, *, end: bool = False) -> datetime:
    """As :func:`ms_of_moment`, but as a ``datetime`` in the zone of ``now``."""
    said = " ".join(text.casefold().split())
    ago = _AGO.fullmatch(said)
    if said == "now":
        return now
    if ago is not None:
        unit = next(name for name in _UNITS.values() if name.startswith(_UNITS.get(ago[2], ago[2])))
        return (now.astimezone(UTC) - timedelta(**{unit: int(ago[1])})).astimezone(now.tzinfo)
    day = _day(said, now)
    if day is not None:
        return _midnight(day, now.tzinfo, 1 if end else 0)
    return _written(text.strip(), now, end=end)


def _day(said: str, now: datetime) -> datetime | None:
    if said in {"today", "yesterday"}:
        return now - timedelta(days=said == "yesterday")
    word = said.removeprefix("last ")
    if word in _WEEKDAYS:
        return now - timedelta(days=(now.weekday() - _WEEKDAYS.index(word)) % 7 or 7)
    return None


def _midnight(day: datetime, zone: tzinfo | None, days: int) -> datetime:
    """Midnight ``days`` days later, by the calendar: a day has 23 or 25 hours where clocks are set."""
    date = day.date() + timedelta(days=days)
    return datetime(date.year, date.month, date.day, tzinfo=zone)


def _written(text: str, now: datetime, *, end: bool) -> datetime:
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        text = f"{now.date().isoformat()}T{text.zfill(5) if text.count(':') == 1 else text.zfill(8)}"
    moment: datetime | None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.year > _LATEST_YEAR:
        known = "today, yesterday, monday, 3 days, 2 h, 14:30, 2026-11-21 or 2026-11-21 14:30"
        raise ValueError(f"{text!r} cannot be parsed as a time → {known}")
    if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
        return _midnight(moment, now.tzinfo, 1 if end else 0)
    return moment.replace(tzinfo=now.tzinfo) if moment.tzinfo is None else moment
