"""The commit thread of ``journal.py``, which gives it out as its own."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from tap.core.errors import JournalError
from tap.core.model import Entry

if TYPE_CHECKING:
    from tap.adapters.journal import Journal

__all__ = ["JournalWriter"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Batch: TypeAlias = tuple[Sequence[Entry], bytes | None, Callable[[], None] | None]


class JournalWriter:
    """The commit thread: takes a journal over, and keeps what is submitted without ever making anybody wait.

    What is queued goes into one transaction: the entries in order, and the last checkpoint. Where that fails (disk
    full), the thread keeps the batch and tries again until it succeeds; nothing is dropped. ``failing`` then says why,
    ``waiting`` how many entries are not yet on the disk. ``now`` gives wall ms.

    The journal is this thread's alone from here until ``stop`` has returned; closing it is left to who opened it.
    """

    _FIRST_DELAY_S = 0.1
    _LONGEST_DELAY_S = 5.0

    def __init__(self, journal: Journal, *, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.failing: str | None = None
        self._journal = journal
        self._now = now
        self._queue: queue.SimpleQueue[_Batch | _Call[Any] | None] = queue.SimpleQueue()
        self._entries: list[Entry] = []
        self._checkpoint: bytes | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._calls: list[_Call[Any]] = []
        # Each counted by one thread only, so that no lock is needed.
        self._submitted = 0
        self._committed = 0
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        self._ended = False
        # A daemon: a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Entries that were submitted and are not on the disk yet."""
        return self._submitted - self._committed

    def submit(
        self, entries: Sequence[Entry], checkpoint: bytes | None, on_durable: Callable[[], None] | None = None
    ) -> None:
        """Queue entries and a checkpoint for the next transaction; returns at once. From one thread only.

        The list is the writer's from here on. ``on_durable`` is called after the commit, **on the journal's thread**;
        it must be quick.
        """
        self._refuse_late()
        self._submitted += len(entries)
        self._queue.put((entries, checkpoint, on_durable))

    def run_in_writer(self, function: Callable[[Journal], _T]) -> Future[_T]:
        """Run a function with the journal on its thread, after all that was submitted before is committed."""
        self._refuse_late()
        call = _Call(function)
        self._queue.put(call)
        return call.future

    def stop(self, timeout: float) -> bool:
        """Commit what was submitted, for up to ``timeout`` seconds, and end the thread. True where all is kept."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._given_up.set()
            self._thread.join(1.0)
        return not self._thread.is_alive() and not self._unkept

    @property
    def _unkept(self) -> bool:
        return bool(self._entries or self._callbacks) or self._checkpoint is not None

    def _refuse_late(self) -> None:
        if self._stopping.is_set():
            raise RuntimeError("the journal's writer was stopped")

    def _run(self) -> None:
        while not self._ended:
            self._take(self._queue.get())
            self._drain()
            self._commit()
            for call in self._calls:
                call.answer(self._journal, given_up=self._unkept)
            self._calls = []

    def _drain(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._take(self._queue.get_nowait())

    def _take(self, job: _Batch | _Call[Any] | None) -> None:
        if job is None:
            self._ended = True
        elif isinstance(job, _Call):
            self._calls.append(job)
        else:
            entries, checkpoint, on_durable = job
            self._entries.extend(entries)
            self._checkpoint = self._checkpoint if checkpoint is None else checkpoint
            if on_durable is not None:
                self._callbacks.append(on_durable)

    def _commit(self) -> None:
        delay = self._FIRST_DELAY_S
        while self._unkept and not self._try():
            if not self._wait(delay):
                return
            delay = min(2 * delay, self._LONGEST_DELAY_S)
            # Also so that a long failure does not pile up checkpoints: only the last one counts.
            self._drain()

    def _try(self) -> bool:
        try:
            self._journal.append(self._entries, self._checkpoint, self._now())
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that keeps the history must not die
            self.failing = str(error) if isinstance(error, JournalError) else repr(error)
            return False
        self.failing = None
        self._committed += len(self._entries)
        callbacks = self._callbacks
        self._entries, self._checkpoint, self._callbacks = [], None, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a slip of who waits for it must not end the thread either
                _log.exception("on_durable failed")
        return True

    def _wait(self, delay: float) -> bool:
        """Wait for the next attempt; False where there is to be none."""
        if self._stopping.is_set():
            return not self._given_up.wait(min(delay, 0.5))
        self._stopping.wait(delay)
        return True


class _Call(Generic[_T]):
    """A function to run on the journal's thread, and where its result goes."""

    def __init__(self, function: Callable[[Journal], _T]) -> None:
        self.future: Future[_T] = Future()
        self._function = function

    def answer(self, journal: Journal, *, given_up: bool) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        if given_up:
            self.future.set_exception(JournalError("was stopped before it could be written", where=str(journal.path)))
            return
        try:
            self.future.set_result(self._function(journal))
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            self.future.set_exception(error)
