"""Seeds in virtual time: the service itself, its server and a ledger on paper, all on one loop whose clock is its own.

Nothing waits for a clock on the wall: where nobody has anything to do, the time of the next timer is now. So every wait
of the tap is as long as at a venue, a shoot of twenty minutes costs what its frames cost, and a machine that is busy
makes no difference. What is a thread's (the journal's commits, packing for the ledger) is waited for; what is another
process's (a command of the operator) goes by real time meanwhile.

A kill ends a life between two commits: nothing of it is written any more, and no connection hears a goodbye. Kills in
the midst of a commit are those of the processes (``kills.py``), and of ``layer/``.

``python -m tests.faults.virtual SEED…`` plays them; one line of JSON each. It has to be the process's own first module:
it changes the clocks before anybody takes one. What plays is ``indoors.py``.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import selectors
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import structs

__all__ = ["TIME", "Loop", "Task", "lives", "real_time"]

_REAL_MONOTONIC, _REAL_WALL = time.monotonic_ns, time.time_ns
_LOOK_S = 0.005
"""How often a thread is looked at that is waited for: at least so often."""
_MS = 1_000_000


class _Time:
    """Virtual nanoseconds."""

    def __init__(self) -> None:
        self.now = _REAL_MONOTONIC()
        self._wall = _REAL_WALL() - self.now
        self.boot = self.now
        self.real = 0
        """Somebody waits for what goes by real time: so does everything."""
        self.threads: list[Callable[[], bool]] = []
        """Whether one of them has something at hand that is waited for."""
        self.alarms: list[Callable[[], int | None]] = []
        """When the first of some threads wakes up by itself; None: none of them does."""
        self.off_ms = 0
        """How far the tap's own wall clock is off."""

    def wall(self) -> int:
        return self._wall + self.now

    def wall_of_the_tap(self) -> int:
        return self.wall() + self.off_ms * _MS

    def busy(self) -> bool:
        return any(busy() for busy in self.threads)

    def at_most(self, timeout: float | None) -> float | None:
        """As long as that, and no longer than until a thread wakes up."""
        ends = [end for alarm in self.alarms if (end := alarm()) is not None]
        if not ends:
            return timeout
        left = max(0, min(ends) - self.now) / 1e9
        return left if timeout is None else min(timeout, left)

    @property
    def ahead_ms(self) -> int:
        """Of the clocks of other processes."""
        return (self.wall_of_the_tap() - _REAL_WALL()) // _MS


TIME = _Time()


def _change_the_clocks() -> None:
    """For everybody in this process who asks a clock from here on."""
    time.monotonic_ns = lambda: TIME.now
    time.monotonic = lambda: TIME.now / 1e9
    time.time_ns = TIME.wall
    time.time = lambda: TIME.wall() / 1e9
    gettime = time.clock_gettime_ns
    time.clock_gettime_ns = lambda clock: TIME.now if clock == time.CLOCK_BOOTTIME else gettime(clock)


class _Selector(selectors.DefaultSelector):
    """Never waits for time to pass where nobody has anything to do."""

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if TIME.real:
            return self._really(timeout)
        pause = _LOOK_S / 64
        while TIME.busy():
            events = super().select(pause)
            if events:
                return events
            pause = min(2 * pause, _LOOK_S)
        events = super().select(0)
        timeout = TIME.at_most(timeout)
        if not events and timeout is None:
            return super().select(_LOOK_S)
        if not events:
            TIME.now += max(1, round((timeout or 0) * 1e9))
        return events

    def _really(self, timeout: float | None) -> list[Any]:
        since = _REAL_MONOTONIC()
        events = super().select(_LOOK_S if timeout is None else min(timeout, _LOOK_S))
        TIME.now += _REAL_MONOTONIC() - since
        return events


class Loop(asyncio.SelectorEventLoop):
    """Counts what it has given to threads; each task belongs to the life in which it was begun."""

    def __init__(self) -> None:
        super().__init__(_Selector())
        self._given = 0
        TIME.threads.append(lambda: self._given > 0)
        self.set_task_factory(_begun)  # type: ignore[arg-type]

    def time(self) -> float:
        return TIME.now / 1e9

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        self._given += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back)
        return future

    def _back(self, _: Any) -> None:
        self._given -= 1


class Task(asyncio.Task[Any]):
    """Of a life of a tap, or of nobody's (0)."""

    life: int = 0


lives: dict[int, set[Task]] = {}
"""The tasks of each life that have not ended."""


def _begun(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **more: Any) -> Task:
    task = Task(coroutine, loop=loop, **more)
    mother = asyncio.current_task(loop)
    task.life = getattr(mother, "life", 0)
    if task.life:
        tasks = lives.setdefault(task.life, set())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return task


@contextmanager
def real_time() -> Iterator[None]:
    """For as long as another process is waited for."""
    TIME.real += 1
    try:
        yield
    finally:
        TIME.real -= 1


def main(words: list[str]) -> None:
    """One line of JSON for each seed; after ``lines`` and how many minutes it is to last, for each steady fault."""
    _change_the_clocks()
    if words[:1] == ["lines"]:
        importlib.import_module("tests.faults.lines").main(float(words[1]), words[2:])
        return
    # Only now: these take the clocks that there are.
    indoors = importlib.import_module("tests.faults.indoors")
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    numbers = [int(word) for word in words]
    for real in [number for number in numbers if not indoors.is_virtual(number)]:
        sys.exit(f"seed {real} has a ledger of its own, which goes by real clocks: python -m tests.faults.seeds {real}")
    for number in numbers:
        since = _REAL_MONOTONIC()
        outcome = indoors.play(number)
        said = {"seed": number, "took": (_REAL_MONOTONIC() - since) / 1e9, "outcome": structs.asdict(outcome)}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    # Others import it by its name, and mean this very one.
    sys.modules["tests.faults.virtual"] = sys.modules["__main__"]
    main(sys.argv[1:])
