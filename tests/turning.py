"""A loop whose time goes on only where everybody waits: to the next timer, at once.

So a deadline of milliseconds holds however busy the machine is, and one of hours costs nothing. For what is on the loop
alone: it does not wait for threads, nor for sockets.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tap.adapters.clock import Clock
from tap.core.model import Stamp

__all__ = ["LoopClock", "TurningLoop"]

_BEGAN = 1_000.0
_WALL_MS = 1_795_000_000_000


class TurningLoop(asyncio.SelectorEventLoop):
    """``anyio_backend`` of a test's module: ``("asyncio", {"loop_factory": TurningLoop})``."""

    _now = _BEGAN

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        loop: Any = self
        if not loop._ready:
            due = [timer.when() for timer in loop._scheduled if not timer.cancelled()]
            self._now = max([self._now, *([min(due)] if due else [])])
        super()._run_once()  # type: ignore[misc]


class LoopClock(Clock):
    """The tap's own time by the loop that runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def stamp(self) -> Stamp:
        mono = round((self._loop.time() - _BEGAN) * 1000)
        return Stamp(_WALL_MS + mono, mono)
