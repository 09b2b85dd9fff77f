"""The waits of a tap's threads in virtual time (``virtual.py``): a pause of five seconds costs none.

A thread that waits here is asleep until its time has come, or until somebody rings; time does not go on past that
moment, nor while a thread is awake. So a journal that tries again every five seconds does so 240 times in twenty
minutes, however fast those pass. What a seed plays goes without this.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.faults.rig import put
from tests.faults.virtual import TIME

__all__ = ["move_in"]

_NS = 1_000_000_000
_FOR_EVER = 10**30
_LEAST_NS = 1_000
"""A float has no single nanoseconds: who waits for what is left of a time must come past its end."""
_LOOK_AGAIN_S = 0.05


class _Sleep(NamedTuple):
    """Until when, in virtual nanoseconds, and what rings."""

    until: int
    condition: _Condition


_asleep: dict[threading.Thread, _Sleep] = {}
_threads: set[threading.Thread] = set()
"""All that ever waited here."""


def _busy() -> bool:
    """Whether one of them is awake, or has to be by now."""
    _threads.difference_update([thread for thread in _threads if not thread.is_alive()])
    awake = False
    for thread in _threads:
        sleep = _asleep.get(thread)
        if sleep is None:
            awake = True
        elif sleep.until <= TIME.now:
            awake = True
            sleep.condition.wake()
    return awake


def _next() -> int | None:
    """When the first of them wakes up."""
    until = min([sleep.until for sleep in list(_asleep.values())], default=_FOR_EVER)
    return None if until == _FOR_EVER else until


class _Condition(threading.Condition):
    """Times out by virtual time."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__(lock)
        self._mine: set[threading.Thread] = set()
        self._rung: set[threading.Thread] = set()

    def wait(self, timeout: float | None = None) -> bool:
        until = _FOR_EVER if timeout is None else TIME.now + max(_LEAST_NS, round(timeout * _NS))
        thread = threading.current_thread()
        self._mine.add(thread)
        _asleep[thread] = _Sleep(until, self)
        _threads.add(thread)
        try:
            while thread not in self._rung and TIME.now < until:
                super().wait(_LOOK_AGAIN_S)
            return thread in self._rung
        finally:
            _asleep.pop(thread, None)
            self._mine.discard(thread)
            self._rung.discard(thread)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        until = _FOR_EVER if timeout is None else TIME.now + max(_LEAST_NS, round(timeout * _NS))
        while not (result := predicate()) and TIME.now < until:
            self.wait(None if timeout is None else (until - TIME.now) / _NS)
        return result

    def notify(self, n: int = 1) -> None:
        """All of them look: there is never more than one here."""
        for thread in self._mine:
            _asleep.pop(thread, None)
            self._rung.add(thread)
        super().notify(max(n, len(self._mine)))

    def wake(self) -> None:
        """Somebody's time has come."""
        if self.acquire(blocking=False):
            try:
                super().notify(len(self._mine))
            finally:
                self.release()


class _Event(threading.Event):
    def __init__(self) -> None:
        super().__init__()
        self._cond = _Condition(threading.Lock())


class _SimpleQueue:
    def __init__(self) -> None:
        self._items = deque[Any]()
        self._rings = _Condition(threading.Lock())

    def put(self, item: Any) -> None:
        with self._rings:
            self._items.append(item)
            self._rings.notify()

    def get(self, timeout: float | None = None) -> Any:
        with self._rings:
            if not self._rings.wait_for(lambda: self._items, timeout):
                raise queue.Empty
            return self._items.popleft()


class _Instead:
    """A module, with something else in some places."""

    def __init__(self, module: Any, **instead: Any) -> None:
        self._module = module
        self.__dict__.update(instead)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def move_in() -> None:
    """Once a process: the journal's thread and the flight recorder's wait here from now on."""
    threads = _Instead(threading, Condition=_Condition, Event=_Event)
    recorder = importlib.import_module("tap.service.running.flight_recorder")
    put(importlib.import_module("tap.adapters.journal.writer"), "threading", threads)
    put(recorder, "threading", threads)
    put(recorder, "queue", _Instead(queue, SimpleQueue=_SimpleQueue))
    TIME.threads.append(_busy)
    TIME.alarms.append(_next)
