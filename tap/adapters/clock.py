"""The machine's clocks: the one place that says what time it is.

The wall clock tells people when something was; it may be wrong, and be set at any time. How long something took, and
what came first, tells ``Stamp.mono`` alone; beside frames, the loop's time, and ``monotonic`` where no loop runs.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tap.core.model import Stamp

__all__ = ["Clock", "monotonic", "utc_now", "wall_ms"]


def wall_ms() -> int:
    """Now by the wall clock, in ms since 1970."""
    return time.time_ns() // 1_000_000


def utc_now() -> datetime:
    """The same as a date and a time of day, to the ms."""
    return datetime.fromtimestamp(wall_ms() / 1000, UTC)


def monotonic() -> float:
    """Seconds that only go on, on every thread the same: what the event loop reads too, once a turn or each time.

    What runs on the loop asks that. What measures finer, or has a thread of its own, takes this as an argument, so that
    it can be exchanged.
    """
    return time.monotonic()


class Clock:
    """The tap's own time: wall ms, and mono ms that go on from ``start`` (what ``Pipeline.resume`` gave)."""

    def __init__(self, start: Stamp | None = None) -> None:
        self._origin = time.monotonic_ns() - (0 if start is None else start.mono) * 1_000_000

    def stamp(self) -> Stamp:
        """Now. ``mono`` never goes back, whatever happens to the wall clock."""
        return Stamp(wall_ms(), (time.monotonic_ns() - self._origin) // 1_000_000)
