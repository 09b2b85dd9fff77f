"""What happens often is told seldom: the first time at once, then in sums."""

from __future__ import annotations

from collections.abc import Callable

from tap.adapters.clock import monotonic

__all__ = ["LogThrottle"]


class LogThrottle:
    """At most one line every ``every`` seconds; ``now`` gives seconds that only go on."""

    def __init__(self, every: float = 60.0, *, now: Callable[[], float] = monotonic) -> None:
        self._every = every
        self._now = now
        self._untold = 0
        self._next: float | None = None

    def happened(self, times: int = 1) -> int:
        """It happened so often more. How often since the last line, if there may be one now; else 0."""
        self._untold += times
        now = self._now()
        if not self._untold or (self._next is not None and now < self._next):
            return 0
        self._next = now + self._every
        untold, self._untold = self._untold, 0
        return untold
