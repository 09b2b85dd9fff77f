"""A sleep that wakes all tasks with the same interval at the same moment.

An idle process pays mostly for waking up. Five tasks that each sleep a second would wake it five times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyio import sleep, sleep_forever

from tap.adapters.clock import monotonic

__all__ = ["beat_aligned", "sleep_aligned"]


async def sleep_aligned(every: float, now: Callable[[], float] = monotonic) -> float:
    """Sleep until the monotonic clock shows a multiple of ``every`` seconds. So the first sleep is mostly shorter.

    Args:
        now: The clock. It is not the loop's own time, which may be that of its last turn.

    Returns:
        By how many seconds it woke up too late.
    """
    begun = now()
    left = _left(every, begun)
    await sleep(left)
    return max(0.0, now() - begun - left)


async def beat_aligned(every: float, on_beat: Callable[[float], None], now: Callable[[], float] = monotonic) -> None:
    """Call a function at each multiple of ``every`` seconds, with by how many seconds it is too late; for ever.

    It is called by the loop itself: a task that sleeps in between would cost several times as much. It must not raise.
    """
    beat = _Beat(every, on_beat, now)
    try:
        await sleep_forever()
    finally:
        beat.timer.cancel()


class _Beat:
    """Calls a function at each multiple of some seconds."""

    def __init__(self, every: float, on_beat: Callable[[float], None], now: Callable[[], float]) -> None:
        self._every = every
        self._on_beat = on_beat
        self._now = now
        self._loop = asyncio.get_running_loop()
        self.timer = self._wait()

    def _wait(self) -> asyncio.TimerHandle:
        now = self._now()
        left = _left(self._every, now)
        return self._loop.call_later(left, self._go, now + left)

    def _go(self, due: float) -> None:
        self._on_beat(max(0.0, self._now() - due))
        self.timer = self._wait()


def _left(every: float, now: float) -> float:
    """Seconds from ``now`` to the next multiple."""
    left = every - now % every
    # A timer may go off a little early: then this multiple counts as reached.
    return left if left >= every / 10 else left + every
