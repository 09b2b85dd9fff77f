"""How long to wait before something is tried again that failed: longer each time, up to a bound.

The well-known libraries for this wrap the call, and sleep by themselves. Here what waits is a task, a thread or an
entry in a table, and is woken early by different things; so this only says how long.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Backoff"]

_MOST_DOUBLINGS = 32
"""Since something may be away for a year."""


class Backoff(NamedTuple):
    """Waits that double from ``first`` up to ``longest`` (both in seconds)."""

    first: float
    longest: float

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures one after the other; after the first one, ``first``."""
        return min(self.longest, self.first * 2.0 ** min(max(failures - 1, 0), _MOST_DOUBLINGS))

    def spread(self, failures: int, jitter: float) -> float:
        """The same, spread over its second half by ``jitter`` (0 to 1), so that many do not come back at once."""
        return self.wait(failures) * (0.5 + 0.5 * jitter)
