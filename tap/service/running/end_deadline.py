"""The end of the service has its time, whatever holds it up: the last resort behind the deadlines of its parts.

Each part of the end has a deadline on the event loop, and together these take about six seconds. A machine that is so
busy that the loop hardly has its turn would stretch them all, and a service manager that has waited long enough kills
without a word in the log. So a thread of its own, which needs no loop, ends the process a moment before. What was
committed by then is on the disk, as after any kill.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from tap.service.logs import get_logger

__all__ = ["WITHIN_S", "EndDeadline"]

WITHIN_S = 8.0
"""From the signal on: under the ten seconds of ``TimeoutStopSec`` in the unit, and of many a container's stop."""
_GAVE_UP = 1
"""The exit code of an end that could not save everything."""

_log = get_logger(__name__)


class EndDeadline:
    """From ``begin`` on the process has its time to end in order; ``end`` says that it has."""

    def __init__(
        self,
        within: float | None = None,
        *,
        passed: Callable[[threading.Event, float], bool] | None = None,
        give_up: Callable[[int], None] = os._exit,
    ) -> None:
        """``passed`` waits so many seconds for the event, and says whether it came; ``give_up`` ends the process."""
        self._within = WITHIN_S if within is None else within
        self._passed = threading.Event.wait if passed is None else passed
        self._give_up = give_up
        self._ended = threading.Event()
        self._begun = False

    def begin(self, waiting: Callable[[], int]) -> None:
        """The first call counts, and starts the clock; ``waiting`` gives the entries that are not on the disk yet."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._watch, args=(waiting,), name="end-deadline", daemon=True).start()

    def end(self) -> None:
        """It ended in time."""
        self._ended.set()

    def _watch(self, waiting: Callable[[], int]) -> None:
        if self._passed(self._ended, self._within):
            return
        _log.error(
            "the end took too long and was cut short",
            seconds=self._within,
            entries=waiting(),
            next_step="the machine is too busy, or its disk too slow: see its load; these entries are lost",
        )
        self._give_up(_GAVE_UP)
