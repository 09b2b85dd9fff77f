"""The scripted shoot: all that a tap does with its disk, in one order, so that the n-th operation is always that one.

It runs in a process of its own, on a disk that keeps a diary. Marks in the diary say what was promised by then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from tap.adapters.clock import monotonic
from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.tape import TapeHeader
from tap.core.errors import JournalError
from tap.core.machine.memory import Checkpoint
from tap.core.model import Entry, Frame, Stamp
from tap.service.running import flight_recorder as flight

__all__ = ["FORGOTTEN", "NOW", "Mark", "Played", "entries_of", "play", "state_of"]

NOW = 1_795_000_000_000
FORGOTTEN = "hall/forgotten"
_BATCHES = 24
_FORGET_AT = 19
_UNSYNCED_FROM = 13
"""From here on frames are only synced as a tape ends, as they are within the seconds of a real one."""
_PATIENCE_S = 300.0
_TRIES = 12
_T = TypeVar("_T")


class Mark(IntEnum):
    """What the diary says beside what was done; each with a number."""

    TAP = 1
    """The tap has an id that it told."""
    BEGUN = 2
    """This batch is on its way."""
    DONE = 3
    """It is durable, by the writer's word."""
    FRAME = 4
    """This frame is on a tape, and synced."""
    SETTLED = 5
    """The entries of this batch were taken by the ledger, and that is noted."""
    PRUNING = 6
    """Entries of batches up to this one may go."""
    FORGETTING = 7
    FORGOT = 8
    """Nothing of the forgotten session is on the disk."""
    AGAIN = 9
    """The journal was closed, and is opened again."""


class Played(Struct):
    """How it went."""

    batches: int = 0
    """Durable by the writer's word."""
    frames: int = 0
    told: int = 0
    """Errors that somebody was told of."""
    finished: bool = False


def session_of(batch: int) -> str:
    """The session of a batch: some belong to one that is forgotten later."""
    return FORGOTTEN if batch % 7 == 3 and batch < _FORGET_AT else "hall/kept"


def entries_of(batch: int) -> list[Entry]:
    """What is committed together, as number ``batch``."""
    session = session_of(batch)
    pad = "x" * (batch * 977 % 3_000)
    return [
        Entry(f"{session}/cut/{batch}-{one}", "event", session, NOW + batch, {"kind": "cut", "at": NOW, "pad": pad})
        for one in range(batch % 3 + 1)
    ]


def state_of(batch: int) -> bytes:
    """The machine's state after that batch: a text as long as real ones."""
    return b'{"batch":%d,"pad":"%s"}' % (batch, b"y" * (batch * 613 % 9_000))


def play(folder: Path, mark: Callable[[Mark, int], None]) -> Played:
    """The whole shoot in ``folder``. Whatever the disk does, nothing is raised but what a tap could not go on from."""
    played = Played()
    state = folder / "state"
    recorder = _Recorder(state / "tapes", played)
    first = 1
    # As often as a day of a real journal would bring it about; and once so that the log keeps what was forgotten.
    for last, pages in ((9, 24), (16, 60), (_BATCHES, 400)):
        journal = _open(state / "journal.db", played)
        with suppress(JournalError):
            journal._file.all(f"PRAGMA wal_autocheckpoint = {pages}")
        mark(Mark.AGAIN, first)
        mark(Mark.TAP, int(_patiently(journal.tap_id, played), 16) % 2**31)
        _live(journal, range(first, last + 1), recorder, played, mark)
        first = last + 1
        with suppress(JournalError):
            journal.close()
    recorder.close()
    played.finished = True
    return played


def _open(path: Path, played: Played) -> Journal:
    return _patiently(lambda: Journal.open(path, owner=True), played)


def _patiently(do: Callable[[], _T], played: Played) -> _T:
    """As the service does: what fails is told, and tried again."""
    for _ in range(_TRIES):
        try:
            return do()
        except JournalError:
            played.told += 1
    return do()


def _live(
    journal: Journal, batches: range, recorder: _Recorder, played: Played, mark: Callable[[Mark, int], None]
) -> None:
    writer = JournalWriter(journal, now=lambda: NOW)
    for batch in batches:
        durable = threading.Event()
        mark(Mark.BEGUN, batch)
        memory = {f"m:1:i:{batch}": b'{"at":%d}' % batch, f"m:1:i:{batch - 5}": None}
        writer.submit(entries_of(batch), Checkpoint(state_of(batch), memory), durable.set)
        _wait_for(durable, writer, played)
        mark(Mark.DONE, batch)
        played.batches = batch
        if recorder.frame(batch):
            mark(Mark.FRAME, batch)
        if batch % 4 == 0:
            _settle(writer, batch, played)
            mark(Mark.SETTLED, batch)
        if batch % 10 == 0:
            mark(Mark.PRUNING, batch)
            _in_writer(writer, lambda journal: journal.prune(NOW + 1, 5), played)
        if batch == _FORGET_AT:
            mark(Mark.FORGETTING, batch)
            _in_writer(writer, lambda journal: journal.forget(FORGOTTEN), played)
            mark(Mark.FORGOT, batch)
        if batch % 6 == 5:
            _in_writer(writer, partial(Journal.remember, name="seen", text=str(batch)), played)
    if not writer.stop(_PATIENCE_S):
        raise TimeoutError("the writer did not come to an end")


def _wait_for(durable: threading.Event, writer: JournalWriter, played: Played) -> None:
    until, failing = time.monotonic() + _PATIENCE_S, False
    while not durable.wait(0.001):
        failing = failing or writer.failing is not None
        if time.monotonic() > until:
            raise TimeoutError(f"nothing is committed: {writer.failing}")
    played.told += failing


def _settle(writer: JournalWriter, batch: int, played: Played) -> None:
    def settle(journal: Journal) -> None:
        wanted = {entry.key for entry in entries_of(batch)}
        results = [(kept.seq, "shipped", None) for kept in journal.pending(10_000) if kept.entry.key in wanted]
        journal.settle(results, NOW)  # type: ignore[arg-type]

    _in_writer(writer, settle, played)


def _in_writer(writer: JournalWriter, function: Callable[[Journal], _T], played: Played) -> _T:
    return _patiently(lambda: writer.run_in_writer(function).result(_PATIENCE_S), played)


class _Recorder:
    """The flight recorder's own writer, without its thread: each frame is written and synced before the next."""

    def __init__(self, directory: Path, played: Played) -> None:
        shelf = flight._Shelf(directory, 10**9, 10**9, lambda: True, monotonic)
        header = TapeHeader(dialect="multicam/1", venue="hall", tap="0123456789ab")
        self._writer = flight._Writer(shelf, header, bytes, 2_500)
        self._played = played

    def frame(self, number: int) -> bool:
        """Whether it is on the tape for good."""
        data = b'{"type":"cut","to":"c%d","pad":"%s"}' % (number, b"z" * (number * 331 % 700))
        jobs: list[flight._Job] = [Frame(data, Stamp(NOW + number, number), 1, number)]
        # As they are in the seconds between two syncs of a real recorder, or as if each were the last before one.
        flight._SYNC_EVERY_S = 0.0 if number < _UNSYNCED_FROM else 3_600.0
        for _ in range(_TRIES):
            try:
                self._writer.write(jobs)  # type: ignore[arg-type]
            except OSError:
                self._played.told += 1
                if not jobs:
                    # It was written, and the sync failed: the next tape says that something may be lost.
                    return False
            else:
                self._played.frames = number
                return number < _UNSYNCED_FROM
        return False

    def close(self) -> None:
        with suppress(OSError):
            self._writer.close()
