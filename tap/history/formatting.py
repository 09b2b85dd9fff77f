"""Formatting for people: text that cannot harm a terminal, times of day, lengths of time, counts."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from tap.core.plain_text import plain, plain_json

__all__ = ["counted", "date_text", "duration_text", "iso_moment", "plain", "plain_json", "time_of_day", "zone_name"]


def _local(ms: int, zone: tzinfo | None) -> datetime:
    """A moment (Unix ms) in ``zone``; None is the machine's own."""
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone)


def time_of_day(ms: int, zone: tzinfo | None, *, fraction: bool = False) -> str:
    """The time of day of a moment (Unix ms): ``20:39:35``, or ``20:39:35.250``."""
    return f"{_local(ms, zone):%H:%M:%S}" + (f".{ms % 1000:03d}" if fraction else "")


def date_text(ms: int, zone: tzinfo | None) -> str:
    """The date of a moment (Unix ms): ``2026-11-22``."""
    return f"{_local(ms, zone):%Y-%m-%d}"


def iso_moment(ms: int, zone: tzinfo | None) -> str:
    """A moment (Unix ms) as one word that is the same wherever it is read: ``2026-11-22T20:39:35+01:00``."""
    return _local(ms, zone).isoformat(timespec="seconds")


def zone_name(ms: int, zone: tzinfo | None) -> str:
    """The zone's abbreviation at a moment (Unix ms): ``CET``, ``UTC``."""
    return _local(ms, zone).tzname() or ""


def counted(number: int, what: str, plural: str | None = None) -> str:
    """A number of things: ``1 entry``, ``2 entries``. ``plural`` is needed where it is more than an added s."""
    return f"{number} {what if number == 1 else plural or what + 's'}"


def duration_text(ms: int) -> str:
    """A length of time: ``0.4 s``, ``12.3 s``, ``4:05``, ``1:02:03``."""
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
