"""The thread that commits, so that nobody who records waits for the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain, islice
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from tap.adapters.clock import monotonic, wall_ms
from tap.adapters.journal.errors import Unfit
from tap.adapters.journal.outbox import Journal
from tap.adapters.journal.unfit import aside_of, keep_aside, line_of
from tap.core.backoff import Backoff
from tap.core.errors import JournalDamaged, JournalError
from tap.core.machine.memory import Checkpoint
from tap.core.model import Entry

__all__ = ["JournalWriter"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Saved: TypeAlias = Checkpoint | bytes | None
_CALLBACKS_KEPT = 1_000
"""How many callers are notified after one commit. If the disk does not write for hours, these are the earliest ones."""
_ASIDE_KEPT = 1_000
"""How many entries that no journal can save may wait in memory for their file."""


class JournalWriter:
    """The commit thread: takes a journal over, and keeps what is submitted without ever making anybody wait.

    What waits goes into one transaction: the entries in order, and the last checkpoint. Where that fails (disk full),
    the thread keeps the batch and tries again until it succeeds; nothing is dropped. ``failing`` then says why,
    ``waiting`` how many entries are not yet on the disk. An entry that no journal could ever keep is set aside in a
    file of its own, ``set_aside_in``, so that it holds up nothing else; ``set_aside`` counts them, ``why_aside`` says
    of the last one why. ``now`` gives wall ms, ``clock`` seconds that only go on.

    What the ledger has taken is noted with the next commit, not by one of its own: each costs as much as a cut does.

    The journal is this thread's alone from here until ``stop`` has returned; closing it is left to who opened it.
    """

    _BACKOFF = Backoff(0.1, 5.0)
    """Between attempts to commit."""

    def __init__(
        self, journal: Journal, *, now: Callable[[], int] = wall_ms, clock: Callable[[], float] = monotonic
    ) -> None:
        self.failing: str | None = None
        self.set_aside = 0
        self.why_aside: str | None = None
        self.set_aside_in = aside_of(journal.path)
        self._aside: list[bytes] = []
        """Lines for that file which the disk has not taken yet."""
        self._journal = journal
        self._now = now
        self._clock = clock
        # What is submitted and not yet taken by the thread. One checkpoint, however long the disk takes nothing.
        self._submitting = threading.Condition(threading.Lock())
        self._new = _Batch()
        self._new_calls: list[_Call[Any]] = []
        self._after_commit: _Call[Any] | None = None
        self._news = False
        """Entries were committed since somebody last asked to be told so."""
        self.unnoted: set[int] = set()
        """Entries, by ``seq``, that the ledger has taken, which the file does not say yet."""
        # What the thread has at hand.
        self._batch = _Batch()
        self._generation = 0
        """Counts what changes the order of what waits: a commit, above all."""
        self._calls: list[_Call[Any]] = []
        # Each counted by one thread only, so that no lock is needed.
        self._submitted = self._submitted_bytes = 0
        self._committed = self._committed_bytes = 0
        self._since: float | None = None
        self._stopping = threading.Event()
        self._given_up = threading.Event()
        # A daemon: a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Entries that were submitted and are not on the disk yet."""
        return self._submitted - self._committed

    @property
    def wants_all(self) -> bool:
        """Another file was begun: it lacks what the machine remembers."""
        return self._journal.wants_all

    @property
    def waiting_bytes(self) -> int:
        """What these take in memory, about."""
        return self._submitted_bytes - self._committed_bytes

    @property
    def stalled_for(self) -> float:
        """Seconds for which the disk has not taken what it was given; 0 where nothing is on its way."""
        since = self._since
        return 0.0 if since is None else self._clock() - since

    def submit(
        self,
        entries: Sequence[Entry],
        checkpoint: _Saved,
        on_durable: Callable[[], None] | None = None,
    ) -> None:
        """Queue entries and a checkpoint for the next transaction; returns at once. From one thread only.

        ``on_durable`` is called after the commit, **on the journal's thread**; it must be quick.
        """
        self._refuse_late()
        size = sum(map(_bytes_of, entries))
        self._submitted += len(entries)
        self._submitted_bytes += size
        with self._submitting:
            self._new.add(entries, size, checkpoint, on_durable)
            self._submitting.notify()

    def run_in_writer(
        self, function: Callable[[Journal], _T], *, anyway: bool = False, noted: bool = True
    ) -> Future[_T]:
        """Run a function with the journal on its thread, after all that was submitted before is committed.

        Where that fails, who asks is refused with the reason; ``anyway`` the function is run without waiting for it: a
        full disk can still be read. Where it finds the journal damaged, the owner begins a new one, and the function is
        run with that. ``noted`` False: it is not worth a commit that the journal notes before what the ledger has
        taken; the function looks into ``unnoted`` itself.
        """
        self._refuse_late()
        call = _Call(function, anyway=anyway, noted=noted)
        with self._submitting:
            self._new_calls.append(call)
            self._submitting.notify()
        return call.future

    def run_after_commit(self, function: Callable[[Journal, bool], _T]) -> Future[_T]:
        """Run a function with the journal on its thread, once entries are committed that came since this was last
        asked for; at once where there are such already. A later one takes its place.

        The function is told whether these entries are all that was committed since: then ``Journal.added`` has them.
        """
        self._refuse_late()
        with self._submitting:
            all_of_it = not self._news
            call = _Call(lambda journal: function(journal, all_of_it), anyway=True)
            if self._news:
                self._news, self._after_commit = False, None
                self._new_calls.append(call)
                self._submitting.notify()
            else:
                self._after_commit = call
        return call.future

    def note_shipped(self, seqs: Sequence[int], at: int) -> None:
        """The ledger has taken these entries, at this time (wall ms). It is noted with the next commit, before the next
        function is run that wants it so, or at the end. After a kill before that they are sent again, which the ledger
        knows.
        """
        with self._submitting:
            self._new.shipped += [(seq, at) for seq in seqs]
            self.unnoted.update(seqs)

    def in_memory(self, limit: int, after: tuple[int, int] = (0, 0)) -> tuple[tuple[int, int], list[Entry]]:
        """Entries that are submitted and not on the disk yet, in order, and the place behind them. From any thread.

        ``after`` is such a place; one from before a commit is none any more, and starts again.
        """
        with self._submitting:
            skip = after[1] if after[0] == self._generation else 0
            found = list(islice(chain(self._batch.entries, self._new.entries), skip, skip + limit))
            return (self._generation, skip + len(found)), found

    def stop(self, timeout: float) -> bool:
        """Commit what was submitted, for up to ``timeout`` seconds, and end the thread. True where all is saved."""
        self._stopping.set()
        with self._submitting:
            self._submitting.notify()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._given_up.set()
            self._thread.join(1.0)
        return not self._thread.is_alive() and not self._batch

    def _refuse_late(self) -> None:
        if self._stopping.is_set():
            raise RuntimeError("the journal's writer was stopped")

    def _run(self) -> None:
        while self._await():
            self._take()
            self._commit()
            for call in self._calls:
                call.answer(self._journal, given_up=bool(self._batch))
            self._calls = []
        if not self._given_up.is_set():
            self._take()
            self._note()

    def _await(self) -> bool:
        """Wait for something to do; False where there will be nothing more."""
        with self._submitting:
            while not self._new and not self._new_calls:
                if self._stopping.is_set():
                    return False
                self._submitting.wait()
        return not self._given_up.is_set()

    def _take(self) -> None:
        with self._submitting:
            new, self._new = self._new, _Batch()
            self._calls += self._new_calls
            self._new_calls = []
            self._batch.append(new)

    def _commit(self) -> None:
        failures = 0
        self._since = self._clock()
        if not self._batch and any(call.noted for call in self._calls):
            self._note()
        while self._batch and not self._try():
            failures += 1
            if not self._wait(self._BACKOFF.wait(failures)):
                return
            self._take()
        self._since = None

    def _note(self) -> None:
        """What the ledger has taken, where nothing else is committed; if that fails, it waits for the next commit."""
        if self._batch.shipped:
            with suppress(Exception):
                self._journal.append((), None, self._now(), self._batch.shipped)
                self._noted()

    def _noted(self) -> None:
        with self._submitting:
            self.unnoted.difference_update([seq for seq, _ in self._batch.shipped])
        self._batch.shipped = []

    def _try(self) -> bool:
        batch = self._batch
        try:
            self._keep(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that keeps the history must not die
            self.failing = str(error) if isinstance(error, JournalError) else repr(error)
            # Nobody waits for a disk that fails: the caller gets the error, and may try again.
            why = error if isinstance(error, JournalError) else JournalError(repr(error))
            for call in self._calls:
                call.answer(self._journal, given_up=False) if call.anyway else call.refuse(why)
            self._calls = []
            return False
        self.failing = None
        self._committed += batch.count
        self._committed_bytes += batch.bytes
        self._noted()
        with self._submitting:
            self._batch = _Batch()
            self._generation += 1
            if batch.count:
                self._tell()
        for callback in batch.callbacks:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a slip of who waits for it must not end the thread either
                _log.exception("on_durable failed", extra={"next_step": "a bug of the tap: report it, with this line"})
        return True

    def _tell(self) -> None:
        """Entries were committed: it is the turn of who asked for that, or of who asks next."""
        call, self._after_commit = self._after_commit, None
        # Who takes the question back looks by itself, after this.
        self._news = call is None or call.future.cancelled()
        self._calls += [] if call is None else [call]

    def _keep(self, batch: _Batch) -> None:
        try:
            self._journal.append(batch.entries, batch.checkpoint, self._now(), batch.shipped)
        except Exception as error:
            if isinstance(error, JournalError) and not isinstance(error, Unfit):
                raise
            if not self._narrow_down(batch):
                raise
            self._journal.append(batch.entries, batch.checkpoint, self._now(), batch.shipped)
        self._write_aside()

    def _narrow_down(self, batch: _Batch) -> bool:
        """Take out of a batch what can never be saved; whether there was any of it."""
        now = self._now()
        unfit = self._journal.unfit(batch.entries, now)
        for place, why in unfit.items():
            self.set_aside += 1
            self.why_aside = f"{batch.entries[place].key[:200]}: {why[:200]}"
            self._aside.append(line_of(batch.entries[place], why, now))
        with self._submitting:
            batch.entries = [entry for place, entry in enumerate(batch.entries) if place not in unfit]
            self._generation += 1
        self._write_aside()
        return bool(unfit)

    def _write_aside(self) -> None:
        """To the disk with what is set aside; where that takes it no more than the journal, it is tried again."""
        if not self._aside:
            return
        try:
            keep_aside(self._journal.path, self._aside)
        except OSError:
            del self._aside[:-_ASIDE_KEPT]
        else:
            self._aside = []

    def _wait(self, delay: float) -> bool:
        """Wait for the next attempt, and answer meanwhile who asks anyway; False where there is to be none."""
        if self._stopping.is_set():
            return not self._given_up.wait(min(delay, 0.5))
        end = self._clock() + delay
        while (left := end - self._clock()) > 0 and not self._stopping.is_set():
            for call in self._next_anyway(left):
                call.answer(self._journal, given_up=False)
        return True

    def _next_anyway(self, timeout: float) -> list[_Call[Any]]:
        with self._submitting:
            self._submitting.wait_for(lambda: self._stopping.is_set() or any(map(_anyway, self._new_calls)), timeout)
            calls = [call for call in self._new_calls if call.anyway]
            self._new_calls = [call for call in self._new_calls if not call.anyway]
        return calls


def _anyway(call: _Call[Any]) -> bool:
    return call.anyway


class _Batch:
    """What goes into one transaction."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.count = 0
        """Entries that were submitted with it, those included that were taken out since."""
        self.bytes = 0
        self.shipped: list[tuple[int, int]] = []
        """Entries, by ``seq``, that the ledger has taken, and when. They alone make no commit."""
        self.checkpoint: _Saved = None
        self.callbacks: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return bool(self.count or self.callbacks) or self.checkpoint is not None

    def add(
        self,
        entries: Sequence[Entry],
        size: int,
        checkpoint: _Saved,
        on_durable: Callable[[], None] | None,
    ) -> None:
        self.entries.extend(entries)
        self.count += len(entries)
        self.bytes += size
        self.checkpoint = _later(self.checkpoint, checkpoint)
        if on_durable is not None and len(self.callbacks) < _CALLBACKS_KEPT:
            self.callbacks.append(on_durable)

    def append(self, later: _Batch) -> None:
        self.entries.extend(later.entries)
        self.count += later.count
        self.bytes += later.bytes
        self.shipped += later.shipped
        self.checkpoint = _later(self.checkpoint, later.checkpoint)
        self.callbacks.extend(later.callbacks[: _CALLBACKS_KEPT - len(self.callbacks)])


def _later(one: _Saved, other: _Saved) -> _Saved:
    """Two checkpoints as one: the later state, and what changed of the memory by both."""
    if other is None or one is None:
        return one if other is None else other
    if isinstance(one, bytes) or isinstance(other, bytes) or other.whole:
        return other
    return Checkpoint(other.state, {**one.memory, **other.memory}, one.whole)


_OBJECT_BYTES = 60
"""About what an object takes in memory besides what it holds."""
_SHORT = 1_000
"""Characters of the JSON of an entry that is not looked into: nearly all are shorter, and much alike."""
_encode = msgspec.json.Encoder().encode


def _bytes_of(entry: Entry) -> int:
    """About what an entry takes in memory."""
    try:
        return 10 * _OBJECT_BYTES + _length(entry)
    except RecursionError:  # nested deeper than anybody looks into it
        return 10 * _OBJECT_BYTES + 2 * _SHORT


def _length(entry: Entry) -> int:
    try:
        length = len(_encode(entry))
    except (TypeError, ValueError):  # half a surrogate pair in a name, say
        length = _SHORT
    return 2 * length if length < _SHORT else _size(entry.fields)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return _OBJECT_BYTES + len(value)
    if isinstance(value, Mapping):
        return 4 * _OBJECT_BYTES + sum(_OBJECT_BYTES + _size(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return _OBJECT_BYTES + sum(map(_size, value))
    return _OBJECT_BYTES // 2


class _Call(Generic[_T]):
    """A function to run on the journal's thread, and where its result goes."""

    def __init__(self, function: Callable[[Journal], _T], *, anyway: bool, noted: bool = True) -> None:
        self.future: Future[_T] = Future()
        self.anyway = anyway
        self.noted = noted
        self._function = function

    def answer(self, journal: Journal, *, given_up: bool) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        if given_up:
            self.future.set_exception(JournalError("was stopped before it could be written", where=str(journal.path)))
            return
        try:
            self.future.set_result(self._run(journal))
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            self.future.set_exception(error)

    def refuse(self, error: JournalError) -> None:
        """Answer it with what keeps the thread from getting to it."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def _run(self, journal: Journal) -> _T:
        try:
            return self._function(journal)
        except JournalDamaged:
            if not journal.begin_anew():
                raise
            return self._function(journal)
