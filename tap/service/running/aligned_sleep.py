"""The seconds in which the service looks after itself: those who wait alike are woken together.

Waking up is what costs a process that has nothing to do; five tasks that sleep a second each would wake it five times.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio import sleep

from tap.adapters.clock import monotonic

__all__ = ["sleep_aligned"]


async def sleep_aligned(every: float, now: Callable[[], float] = monotonic) -> float:
    """Sleep until the clock shows a whole multiple of ``every`` seconds: about that long, at first less.

    By how many seconds it came too late, by ``now``: the loop's own time may be that of its last turn.
    """
    begun = now()
    left = every - begun % every
    if left < every / 10:
        left += every  # a timer may go off a little early: that was it, then
    await sleep(left)
    return max(0.0, now() - begun - left)
