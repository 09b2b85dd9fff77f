"""The seconds in which the service looks after itself: those who wait alike are woken together.

Waking up is what costs a process that has nothing to do; five tasks that sleep a second each would wake it five times.
"""

from __future__ import annotations

import time

from anyio import sleep

__all__ = ["sleep_aligned"]


async def sleep_aligned(every: float) -> float:
    """Sleep until the clock shows a whole multiple of ``every`` seconds: about that long, at first less.

    By how many seconds it came too late.
    """
    now = time.monotonic()
    left = every - now % every
    if left < every / 10:
        left += every  # a timer may go off a little early: that was it, then
    await sleep(left)
    return max(0.0, time.monotonic() - now - left)
