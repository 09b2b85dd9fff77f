"""A sleep that wakes all tasks with the same interval at the same moment.

An idle process pays mostly for waking up. Five tasks that each sleep a second would wake it five times a second.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio import sleep

from tap.adapters.clock import monotonic

__all__ = ["sleep_aligned"]


async def sleep_aligned(every: float, now: Callable[[], float] = monotonic) -> float:
    """Sleep until the monotonic clock shows a multiple of ``every`` seconds. So the first sleep is mostly shorter.

    Args:
        now: The clock. It is not the loop's own time, which may be that of its last turn.

    Returns:
        By how many seconds it woke up too late.
    """
    begun = now()
    left = every - begun % every
    if left < every / 10:
        left += every  # a timer may go off a little early: then this multiple counts as reached
    await sleep(left)
    return max(0.0, now() - begun - left)
