"""A journal that is cut short, overwritten, deleted while it is written, or of a version that is not known yet.

What the damage itself took cannot be brought back, and is no loss of the tap's: what has to be so is that recording
goes on within five seconds, that nothing false comes out of what is left, and that the rest lies aside, not deleted.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from tap.adapters.journal import Journal
from tap.core.errors import JournalDamaged, JournalError
from tap.core.merge import fold
from tap.core.model import Entry
from tests.faults import stage
from tests.faults.desk import Desk
from tests.faults.outcome import Outcome
from tests.faults.rig import Rig
from tests.faults.stage import House, Tap, lone_tap, look_until, rows_of, shipped, workshop

__all__ = ["deleted", "last_page", "newer", "overwritten", "truncated"]

_RIG = Rig(patience=20)
_WITHIN_S = 5.0
_ENTRIES = 600
_A_PAGE = 4096
_T = TypeVar("_T")
_NEW = Entry("venue/new/cut", "event", "venue/new", 1, {"kind": "cut", "at": 1})


async def _template(place: Path, *, killed: bool) -> dict[str, Entry]:
    """A state directory as a tap leaves it, after a kill or in order; the entries that are in it."""
    async with Desk() as desk:
        tap = Tap(place, desk.url, None, "venue", _RIG)
        async with lone_tap(tap):
            await desk.listened()
            for _ in range(_ENTRIES):
                await desk.cut()
            await look_until(lambda: tap.count("pending") > _ENTRIES, "entries")
            if killed:
                await tap.kill()
            else:
                await tap.stop()
        with workshop() as apart:
            # Looked at in a copy: to open it would tidy it up.
            shutil.copytree(place, apart / "copy")
            with Journal.open(apart / "copy" / "journal.db", readonly=True) as journal:
                return {_name(kept.entry): kept.entry for kept in journal.entries()}


def _name(entry: Entry) -> str:
    return f"{entry.key} {entry.version}"


def last_page(path: Path) -> range:
    """The lengths to which a file is cut, byte by byte through its last page."""
    size = path.stat().st_size
    return range(max(size - _A_PAGE, 0), size)


# ---------------------------------------------------------------------------------------------- cut short


async def truncated(count: int, seed: int) -> Outcome:
    """The file, and the log beside it, end at any byte of their last page. In this process: thousands of openings."""
    outcome = Outcome()
    with workshop() as place:
        await _template(place / "ended", killed=False)
        await _template(place / "killed", killed=True)
        chances = [
            (origin, name, length)
            for origin, name in (("ended", "journal.db"), ("killed", "journal.db"), ("killed", "journal.db-wal"))
            for length in last_page(place / origin / name)
        ]
        for origin, name, length in _share(chances, count, seed):
            folder = place / "try"
            shutil.copytree(place / origin, folder)
            with (folder / name).open("r+b") as file:
                file.truncate(length)
            _open_and_record(folder, f"{origin}/{name} cut to {length}", outcome)
            shutil.rmtree(folder)
    return outcome


def _share(chances: list[_T], count: int, seed: int) -> list[_T]:
    """The part with this seed of all of them, whose parts follow on each other; a few are spread over all."""
    if count < _A_PAGE:
        return chances[:: max(1, len(chances) // count)][:count]
    return chances[seed // 1_000 * count :][:count]


def _open_and_record(folder: Path, what: str, outcome: Outcome) -> None:
    """As the service does it: open, look what waits, keep something, settle something."""
    outcome.tried += 1
    since = time.monotonic()
    try:
        with Journal.open(folder / "journal.db", owner=True) as journal:
            journal.append([_NEW], b"{}", 1)
            outcome.recovered((time.monotonic() - since) * 1000)
            try:
                there = {_name(kept.entry) for kept in journal.entries()}
            except JournalDamaged:
                # Damage may show only where something is read; then it is dealt with there.
                journal.begin_anew()
                there = {_name(kept.entry) for kept in journal.entries()}
            problems = journal.verify()
    except JournalError as error:
        outcome.promise(False, f"{what}: {error}")
        return
    outcome.promise(_name(_NEW) in there, f"{what}: nothing is recorded")
    outcome.promise(not problems, f"{what}: {problems[:2]}")
    took = time.monotonic() - since
    outcome.promise(took < _WITHIN_S * stage.TIMES_LATER, f"{what}: recording went on after {took:.1f} s")


# ---------------------------------------------------------------------------------------------- overwritten


async def overwritten(count: int, seed: int) -> Outcome:
    """Random bytes somewhere in the journal or its log, and a real tap started on it."""
    outcome, rng = Outcome(), random.Random(seed)
    with workshop() as place:
        before = await _template(place / "template", killed=True)
        for number in range(count):
            folder = place / f"tap-{number}"
            shutil.copytree(place / "template", folder)
            what = _overwrite(folder, rng)
            await _record_again(folder, what, before, outcome)
            shutil.rmtree(folder)
    return outcome


def _overwrite(folder: Path, rng: random.Random) -> str:
    name = rng.choice(("journal.db", "journal.db", "journal.db-wal"))
    path = folder / name
    size = path.stat().st_size
    at, length = rng.randrange(max(size, 1)), rng.choice((1, 8, 64, 512, 4096))
    if rng.random() < 0.1:
        at = 0
    with path.open("r+b") as file:
        file.seek(at)
        file.write(rng.randbytes(min(length, size - at)))
    return f"{name}: {length} bytes at {at} of {size}"


async def _record_again(folder: Path, what: str, before: Mapping[str, Entry], outcome: Outcome) -> None:
    outcome.tried += 1
    async with Desk() as desk:
        # No cut of before has these ids.
        desk.count_from(5_000)
        tap = Tap(folder, desk.url, None, "venue", _RIG)
        since = time.monotonic()
        async with lone_tap(tap):
            try:
                await desk.listened()
                said = await desk.cut()
                await look_until(lambda: _holds(tap, said.cut_id), lambda: f"{said.cut_id}: {tap.messages()[-3:]}")
            except TimeoutError as error:
                outcome.promise(False, f"{what}: {error}: {tap.messages()[-3:]}")
                return
            took = time.monotonic() - since
            outcome.recovered(took * 1000)
            outcome.promise(took < _WITHIN_S * stage.TIMES_LATER, f"{what}: recording went on after {took:.1f} s")
            outcome.promise(await tap.stop() == 0, f"{what}: it did not end in order: {tap.messages()[-3:]}")
    _compare(tap, what, before, outcome)


def _holds(tap: Tap, name: str) -> bool:
    """Whether a cut is on the disk; of a journal of which other parts may be spoilt."""
    try:
        with Journal.open(tap.journal, readonly=True) as journal:
            return any(name in kept.entry.key for kept in journal.entries())
    except JournalError:
        return False


def _compare(tap: Tap, what: str, before: Mapping[str, Entry], outcome: Outcome) -> None:
    """Nothing that goes out of such a journal may differ from what went in."""
    try:
        with Journal.open(tap.journal, readonly=True) as journal:
            for kept in journal.entries():
                was = before.get(_name(kept.entry))
                if was is not None and was != kept.entry:
                    outcome.invented += 1
                    outcome.notes.append(f"{what}: {kept.entry.key} is not what was kept")
                elif (
                    was is None and kept.entry.op == "event" and "cut-05" not in kept.entry.key and not _gap(kept.entry)
                ):
                    outcome.invented += 1
                    outcome.notes.append(f"{what}: {kept.entry.key} was never kept")
    except JournalError as error:
        outcome.promise(False, f"{what}: it cannot be read afterwards: {error}")


def _gap(entry: Entry) -> bool:
    return entry.fields.get("kind") == "gap"


# ---------------------------------------------------------------------------------------------- deleted, newer


async def deleted(count: int, seed: int) -> Outcome:
    """The journal's files are deleted under the running tap, all of them or some."""
    outcome, rng = Outcome(), random.Random(seed)
    with House() as house, workshop() as place:
        local = house.ledger()
        venue = local.venue()
        async with Desk() as desk:
            tap = Tap(place / "tap", desk.url, local.url, venue, _RIG)
            async with lone_tap(tap):
                await desk.listened()
                for _ in range(count):
                    await desk.cut()
                    await asyncio.sleep(0.05)
                    await shipped(tap)
                    ends = rng.choice((("",), ("", "-wal", "-shm"), ("", "-wal"), ("-wal", "-shm")))
                    for end in ends:
                        tap.journal.with_name(f"journal.db{end}").unlink(missing_ok=True)
                    outcome.tried += 1
                    since = time.monotonic()
                    said = await desk.cut()
                    await look_until(lambda: _holds(tap, said.cut_id), lambda: f"the next: {tap.messages()[-3:]}")  # noqa: B023
                    took = time.monotonic() - since
                    outcome.recovered(took * 1000)
                    outcome.promise(took < _WITHIN_S * stage.TIMES_LATER, f"recording went on after {took:.1f} s")
                await shipped(tap)
                outcome.promise(await tap.stop() == 0, f"it did not end in order: {tap.messages()[-3:]}")
            outcome.add(desk.judge(await rows_of(local.url, venue)))
    return outcome


async def unlocked(count: int, seed: int) -> Outcome:
    """The lock file is removed under the running tap, and somebody starts another: one of them records, never both."""
    outcome, rng = Outcome(), random.Random(seed)
    with workshop() as place:
        async with Desk() as desk:
            tap = Tap(place / "tap", desk.url, None, "venue", _RIG)
            async with lone_tap(tap):
                await desk.listened()
                for _ in range(count):
                    tap.folder.joinpath("journal.lock").unlink()
                    said = await desk.cut()
                    await look_until(lambda: _holds(tap, said.cut_id), lambda: f"the next: {tap.messages()[-3:]}")  # noqa: B023
                    second = Tap(tap.folder, desk.url, None, "venue", _RIG, log=place / f"second-{rng.random()}.log")
                    async with lone_tap(second):
                        waits = "cannot open the journal; recording is paused until it opens"
                        await look_until(lambda: waits in second.messages(), "the second tap to wait")  # noqa: B023
                        since, said = time.monotonic(), await desk.cut()
                        await look_until(lambda: _holds(tap, said.cut_id), "a cut while another waits")  # noqa: B023
                        outcome.recovered((time.monotonic() - since) * 1000)
                    outcome.tried += 1
                outcome.promise(desk.connections == 1, f"{desk.connections} connections, of one tap")
                await look_until(lambda: any("lock file was removed" in str(line) for line in tap.said()), "it is told")
                outcome.promise(await tap.stop() == 0, f"it did not end in order: {tap.messages()[-3:]}")
            rows = [kept.entry for kept in tap.kept()]
            outcome.invented += sum(_gap(entry) for entry in rows) - 1  # the first sight of the session
            outcome.add(desk.judge(fold(rows).values()))
    return outcome


async def newer(count: int, seed: int) -> Outcome:
    """The journal was written by a tap of a later version: it is put aside as it is, and a new one begun."""
    outcome = Outcome()
    with workshop() as place:
        before = await _template(place / "template", killed=False)
        for number in range(count):
            folder = place / f"tap-{number}"
            shutil.copytree(place / "template", folder)
            with sqlite3.connect(folder / "journal.db") as db:
                db.execute(f"PRAGMA user_version = {99 + seed % 7}")
            db.close()
            was = (folder / "journal.db").read_bytes()
            await _record_again(folder, "a newer journal", before, outcome)
            aside = [path for path in folder.iterdir() if path.is_file() and path.read_bytes() == was]
            outcome.promise(len(aside) == 1, "the newer journal is not there as it was")
    return outcome
