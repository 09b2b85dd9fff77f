"""The process that walks from operation to operation, under the layer: ``python -m tests.faults.layer.walker``.

It reads what to do as a line of JSON, and answers with one. Each try is a fork of its own, so that a start costs
nothing; what is left is looked at here.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from tap.adapters.journal import Journal
from tap.adapters.journal.writer import JournalWriter
from tap.adapters.tape import TapeEmpty, TapeReader, read_tapes
from tap.core.backoff import Backoff
from tap.core.errors import JournalError, TapeInvalid
from tap.core.model import Entry, Frame
from tap.service.running import flight_recorder as flight
from tests.faults.layer.diary import Disk, Kind, Record, read_diary
from tests.faults.layer.shoot import FORGOTTEN, NOW, Mark, Played, entries_of, play, session_of, state_of

__all__ = ["Asked", "Found"]

_CHILD_WITHIN_S = 60
_A_PART = 300
"""So many follow on each other, and the next part on them; fewer are spread over all that there are."""
_WORDS = 20
_NEW = Entry("hall/new/cut", "event", "hall/new", NOW, {"kind": "cut", "at": NOW})


class Asked(Struct):
    """What to try."""

    what: str
    """``power`` or ``errors``."""
    count: int
    seed: int
    folder: str


class Found(Struct):
    """What came of it."""

    tried: int = 0
    operations: int = 0
    """Of the shoot, when nothing fails."""
    lost: int = 0
    failures: list[str] = field(default_factory=list)
    moved_aside: int = 0
    """Starts that found a file that was not whole, and said so."""
    told: int = 0
    """Errors that somebody was told of while the shoot went on."""
    slowest_ms: float = 0.0

    def promise(self, kept: bool, otherwise: str) -> None:
        if not kept and len(self.failures) < _WORDS:
            self.failures.append(otherwise)


class Promised(Struct):
    """What was promised by the diary so far."""

    tap: int | None = None
    begun: int = 0
    done: int = 0
    frames: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    pruning: int = 0
    forgetting: bool = False
    forgot: bool = False

    def note(self, mark: Mark, number: int) -> None:
        match mark:
            case Mark.TAP:
                self.tap = number
            case Mark.BEGUN:
                self.begun = number
            case Mark.DONE:
                self.done = number
            case Mark.FRAME:
                self.frames.add(number)
            case Mark.SETTLED:
                self.settled.add(number)
            case Mark.PRUNING:
                self.pruning = number
            case Mark.FORGETTING:
                self.forgetting = True
            case Mark.FORGOT:
                self.forgot = True
            case Mark.AGAIN:
                pass


# ---------------------------------------------------------------------------------------------- the child


class _Layer:
    """The preloaded library, as this process has it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.layer_count.restype = ctypes.c_long
        self._library.layer_mark.argtypes = [ctypes.c_uint64]
        self._library.layer_arm.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_int, ctypes.c_int]

    def begin(self, folder: Path, diary: Path) -> None:
        self._library.layer_begin(str(folder).encode(), str(diary).encode())

    def arm(self, first: int, times: int, error: int, *, shortened: bool) -> None:
        self._library.layer_arm(first, times, error, int(shortened))

    def mark(self, mark: Mark, number: int) -> None:
        self._library.layer_mark(int(mark) << 32 | number)

    @property
    def count(self) -> int:
        return int(self._library.layer_count())


class _Try(Struct):
    """One run of the shoot: what failed in it, and how it went."""

    place: Path
    first: int | None = None
    times: int = 0
    error: int = 0
    shortened: bool = False
    played: Played | None = None
    operations: int = 0
    exit: int | None = None

    @property
    def folder(self) -> Path:
        return self.place / "disk"

    @property
    def diary(self) -> list[Record]:
        return read_diary(self.place / "diary")

    @property
    def words(self) -> str:
        if self.first is None:
            return "nothing failed"
        name = errno.errorcode[self.error]
        return f"operation {self.first} fails {self.times} times with {name}{', in part' * self.shortened}"


def _run(one: _Try) -> _Try:
    """Play the shoot in a fork."""
    one.folder.mkdir(parents=True)
    child = os.fork()
    if not child:
        _live(one)
    _, status = os.waitpid(child, 0)
    one.exit = os.waitstatus_to_exitcode(status)
    result = one.place / "played"
    if one.exit == 0 and result.exists():
        one.played, one.operations = msgspec.json.decode(result.read_bytes(), type=tuple[Played, int])
    return one


def _live(one: _Try) -> None:
    """In the fork. Does not return."""
    signal.alarm(_CHILD_WITHIN_S)
    code = 3
    try:
        JournalWriter._BACKOFF = Backoff(0.001, 5.0)
        layer = _Layer()
        layer.begin(one.folder, one.place / "diary")
        if one.first is not None:
            layer.arm(one.first, one.times, one.error, shortened=one.shortened)
        played = play(one.folder, layer.mark)
        (one.place / "played").write_bytes(msgspec.json.encode((played, layer.count)))
        code = 0
    except BaseException as error:  # noqa: BLE001 - the parent is told
        print(f"{one.words}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


# ---------------------------------------------------------------------------------------------- what is left


def _look(folder: Path, promised: Promised, found: Found, words: str) -> None:
    """Start on what is left, as the service does: all that was promised is there, and it goes on."""
    since = time.monotonic()
    path = folder / "state" / "journal.db"
    try:
        with Journal.open(path, owner=True) as journal:
            _look_into(journal, promised, found, words)
            journal.append([_NEW], b"{}", NOW)
        with Journal.open(path, owner=True) as journal:
            there = [kept.entry.key for kept in journal.entries()]
            found.promise(_NEW.key in there, f"{words}: nothing is recorded afterwards")
    except JournalError as error:
        found.promise(False, f"{words}: {error}")
    _look_at_tapes(folder / "state" / "tapes", promised, found, words)
    found.slowest_ms = max(found.slowest_ms, (time.monotonic() - since) * 1000)


def _look_into(journal: Journal, promised: Promised, found: Found, words: str) -> None:
    problems = journal.verify()
    found.promise(not problems, f"{words}: {problems[:2]}")
    aside = len(journal.moved_aside)
    found.moved_aside += aside
    # Before the first commit there is nothing to lose, and a file may be half made.
    found.promise(not (aside and promised.done), f"{words}: a journal with commits was found damaged")
    found.promise(not (journal.amiss and promised.done), f"{words}: {list(journal.amiss)}")
    kept = {kept.entry.key: kept for kept in journal.entries()}
    saved = journal.checkpoint()
    batch = 0 if saved is None else int(saved[len(b'{"batch":') :].partition(b",")[0])
    found.promise(batch == 0 or saved == state_of(batch), f"{words}: a checkpoint that is none")
    found.promise(promised.done <= batch <= promised.begun, f"{words}: the checkpoint is of {batch}, {promised}")
    memory = dict(journal.memory())
    expected = {f"m:1:i:{one}": b'{"at":%d}' % one for one in range(max(1, batch - 4), batch + 1)}
    found.promise(memory == expected, f"{words}: it remembers {sorted(memory)} at {batch}")
    for number in range(1, batch + 1):
        _look_for(number, kept, promised, found, words)
    beyond = [key for number in range(batch + 1, promised.begun + 1) for key in _keys(number) if key in kept]
    found.promise(not beyond, f"{words}: {beyond[:2]} are beyond the checkpoint of {batch}")
    if promised.forgot:
        found.promise(not any(key.startswith(FORGOTTEN) for key in kept), f"{words}: it was forgotten, and is there")
        # Not its index in memory, into which SQLite copies of this process's memory whatever lies there.
        left = [file.name for file in sorted(journal.path.parent.glob("journal.db*")) if _names_it(file)]
        found.promise(not left, f"{words}: the forgotten session is still in {left}")
    if promised.tap is not None:
        found.promise(int(journal.tap_id(), 16) % 2**31 == promised.tap, f"{words}: the tap has another id")


def _names_it(file: Path) -> bool:
    return not file.name.endswith("-shm") and FORGOTTEN.encode() in file.read_bytes()


def _keys(batch: int) -> list[str]:
    return [entry.key for entry in entries_of(batch)]


def _look_for(number: int, kept: dict[str, Any], promised: Promised, found: Found, words: str) -> None:
    """The entries of one batch that the checkpoint has."""
    forgotten = promised.forgetting and session_of(number) == FORGOTTEN
    for entry in entries_of(number):
        there = kept.get(entry.key)
        if there is None:
            may_go = forgotten or number <= promised.pruning
            if not may_go:
                found.lost += 1
            found.promise(may_go, f"{words}: {entry.key} is lost")
        else:
            found.promise(there.entry == entry, f"{words}: {entry.key} is not what was kept")
            taken = number not in promised.settled or there.state == "shipped"
            found.promise(taken, f"{words}: {entry.key} was taken by the ledger, and is {there.state}")


def _number_of(frame: Frame) -> int:
    return int(frame.data.partition(b'"to":"c')[2].partition(b'"')[0])


def _look_at_tapes(directory: Path, promised: Promised, found: Found, words: str) -> None:
    """What was synced is there, in order; where something is missing between, a tape says so."""
    numbers: list[int] = []
    for path in flight.segments(directory):
        try:
            with TapeReader(path) as tape:
                frames = [_number_of(item) for item in tape if isinstance(item, Frame)]
                bad, header = tape.bad_count > 0 or tape.torn, tape.header
        except TapeEmpty:
            continue  # nothing had come to be written
        except TapeInvalid as error:
            found.promise(False, f"{words}: a tape cannot be read: {error}")
            continue
        begins = (numbers[-1] if numbers else 0) + 1
        # Lines that cannot be read are counted for whoever reads it: those of the last seconds may be full of holes.
        told = header.lost > 0 or not header.continues or bad
        found.promise(not frames or frames[0] == begins or told, f"{words}: {path.name} hides what is before {frames}")
        holes = bool(frames) and frames != list(range(frames[0], frames[-1] + 1))
        found.promise(not holes or bad, f"{words}: {path.name} has holes: {frames}")
        numbers += frames
    found.promise(numbers == sorted(set(numbers)), f"{words}: frames out of order: {numbers}")
    missing = sorted(promised.frames - set(numbers))
    found.lost += len(missing)
    found.promise(not missing, f"{words}: frames {missing} were synced, and are not on the tapes")
    if numbers:
        with read_tapes(flight.segments(directory)) as items:
            read = [_number_of(item) for item in items if isinstance(item, Frame)]
        found.promise(read == numbers, f"{words}: the tapes together say {read}, one by one {numbers}")


# ---------------------------------------------------------------------------------------------- the walks


def _cut(records: list[Record], places: Iterable[int], one: _Try, rng: random.Random, found: Found, words: str) -> None:
    """Let the power go after each of these operations, and start on what is left."""
    disk, promised = Disk(str(one.folder), rng.randrange(2**32)), Promised()
    wanted = sorted(places)
    for index, record in enumerate(records):
        if record.kind is Kind.MARK:
            promised.note(Mark(record.at >> 32), record.at & 0xFFFFFFFF)
        disk.play(record)
        while wanted and wanted[0] == index:
            seed = rng.randrange(2**32)
            left = one.place / "left"
            disk.cut(left, seed)
            wanted.pop(0)
            found.tried += 1
            _look(left, promised, found, f"{words}; the power goes after {index} ({record.kind.name}), seed {seed}")
            shutil.rmtree(left)


def _power(asked: Asked, found: Found) -> None:
    """The power goes at every operation of a shoot, and again with other parts lost, as often as was asked."""
    rng = random.Random(asked.seed)
    one = _run(_Try(Path(asked.folder) / "shoot"))
    found.promise(one.exit == 0 and one.played is not None and one.played.finished, f"the shoot: {one.exit}")
    records = one.diary
    # Right after a promise too: nothing may have to happen any more for it to hold.
    every = range(len(records))
    found.operations = one.operations
    rounds, rest = divmod(asked.count, len(every))
    places = [*every] * rounds + rng.sample(every, rest)
    _cut(records, places, one, rng, found, "")


def _errors(asked: Asked, found: Found) -> None:
    """Every operation fails, once or for a while; the shoot goes on, and afterwards the power goes somewhere."""
    rng = random.Random(asked.seed)
    found.operations = _run(_Try(Path(asked.folder) / "whole")).operations
    kinds = [(errno.EIO, False), (errno.ENOSPC, False), (errno.ENOSPC, True)]
    chances = [(first, error, part) for first in range(found.operations) for error, part in kinds]
    begin, step = (asked.seed // 1_000 * asked.count, 1) if asked.count >= _A_PART else (0, len(chances) // asked.count)
    for number in range(asked.count):
        first, error, part = chances[(begin + number * step) % len(chances)]
        one = _Try(Path(asked.folder) / f"try-{number}", first, rng.choice((1, 1, 2, 5)) + part, error, part)
        _try_error(_run(one), rng, found)
        shutil.rmtree(one.place)


def _try_error(one: _Try, rng: random.Random, found: Found) -> None:
    found.tried += 1
    found.promise(one.exit == 0 and one.played is not None, f"{one.words}: it ended with {one.exit}")
    if one.played is None:
        return
    found.told += one.played.told
    found.promise(one.played.finished, f"{one.words}: it did not come to its end")
    records = one.diary
    promised = Promised()
    for record in records:
        if record.kind is Kind.MARK:
            promised.note(Mark(record.at >> 32), record.at & 0xFFFFFFFF)
    before = found.tried
    _cut(records, rng.sample(range(len(records)), min(2, len(records))), one, rng, found, one.words)
    found.tried = before
    _look(one.folder, promised, found, one.words)


def main() -> None:
    asked = msgspec.json.decode(sys.stdin.readline(), type=Asked)
    found = Found()
    gc.freeze()
    (_power if asked.what == "power" else _errors)(asked, found)
    print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    main()
