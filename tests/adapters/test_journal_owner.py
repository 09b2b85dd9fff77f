"""Whose a journal is, and what its owner finds: another tap let in, a journal that is gone, an id nobody can keep."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal, JournalWriter, schema
from tap.adapters.journal import lock as locks
from tap.core.backoff import Backoff
from tap.core.errors import JournalBusy, JournalDamaged, JournalError
from tests.adapters.test_journal import HOLD, NOW, end, entry, garbage, keys, process, sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, owner=True) as journal:
        yield journal


def without_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a filesystem on which no directory can be locked, or beside a tap that does not know of it."""
    monkeypatch.setattr(locks, "_locked_directory", lambda _: -1)


class TestLock:
    def test_without_its_file_a_second_is_kept_away(self, path: Path) -> None:
        """Somebody removed the lock's file: the directory is locked all the same, and whoever looks sees an owner."""
        child = process(HOLD, path)
        try:
            path.with_suffix(".lock").unlink()
            with pytest.raises(JournalBusy, match="another tap owns this journal"):
                Journal.open(path, owner=True)
            assert Journal.is_owned(path)
        finally:
            end(child)
        assert not Journal.is_owned(path)
        Journal.open(path, owner=True).close()

    def test_the_owner_makes_it_anew(self, path: Path, journal: Journal) -> None:
        """At its next look or write, with its name in it; and says so."""
        lock = path.with_suffix(".lock")
        asked: tuple[Callable[[], object], ...] = (journal.counts, lambda: journal.append([entry(1)], None, NOW))
        for times, ask in enumerate(asked, 1):
            lock.unlink()
            ask()
            assert lock.read_text() == str(os.getpid())
            assert stat.S_IMODE(lock.stat().st_mode) == 0o600
            assert [(words[:32], count) for words, count in journal.amiss.items()] == [
                ("the journal's lock file was remo", times)
            ]
        journal.counts()
        assert sum(journal.amiss.values()) == 2
        with pytest.raises(JournalBusy, match=str(os.getpid())):
            Journal.open(path, owner=True)

    def test_a_file_that_cannot_be_made_anew_stops_nothing(self, path: Path, journal: Journal) -> None:
        """A full disk, say: the directory is locked."""
        path.with_suffix(".lock").unlink()
        path.with_suffix(".lock").mkdir()
        journal.append([entry(1)], None, NOW)
        assert keys(journal.entries()) == ["v/1/event/1"]
        assert not journal.amiss

    def test_where_a_second_was_let_in_the_first_writes_nothing(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It neither reads nor writes, says why, and goes on with all that waited once the other is gone."""
        without_directories(monkeypatch)
        monkeypatch.setattr(JournalWriter, "_BACKOFF", Backoff(0.01, 5.0))
        with Journal.open(path, owner=True) as first:
            writer = JournalWriter(first)
            writer.submit([entry(1)], b"1")
            writer.run_in_writer(lambda journal: journal.counts()).result(300)
            path.with_suffix(".lock").unlink()
            with Journal.open(path, owner=True) as second:
                writer.submit([entry(2)], b"2")
                while writer.failing is None:
                    threading.Event().wait(0.005)
                assert "is in use" in writer.failing
                with pytest.raises(JournalBusy):
                    writer.run_in_writer(lambda journal: journal.pending(10)).result(300)
                second.append([entry(3)], b"3", NOW)
                assert keys(second.entries()) == ["v/1/event/1", "v/1/event/3"]
            assert writer.stop(300)
            assert keys(first.entries()) == [f"v/1/event/{number}" for number in (1, 3, 2)]
            assert first.checkpoint() == b"2"

    def test_a_directory_that_is_taken_away_is_locked_anew(self, path: Path, journal: Journal, tmp_path: Path) -> None:
        """The tap goes on in another of the same name; nobody else gets in there either."""
        journal.append([entry(1)], None, NOW)
        path.parent.rename(tmp_path / "elsewhere")
        journal.append([entry(2)], None, NOW)
        assert keys(journal.entries()) == ["v/1/event/1", "v/1/event/2"]
        path.with_suffix(".lock").unlink()
        with pytest.raises(JournalBusy):
            Journal.open(path, owner=True)
        Journal.open(tmp_path / "elsewhere" / "journal.db", owner=True).close()

    def test_a_journal_that_cannot_be_opened_locks_nothing(self, path: Path) -> None:
        """Whoever tries next may find it mended."""
        path.parent.mkdir()
        sqlite(path, "CREATE TABLE theirs (a)")
        for _ in range(3):
            with pytest.raises(JournalError, match="something else"):
                Journal.open(path, owner=True)
        path.unlink()
        Journal.open(path, owner=True).close()


class TestBegunAnew:
    @pytest.fixture
    def filled(self, path: Path) -> Path:
        with Journal.open(path, owner=True) as journal:
            journal.tap_id()
            journal.append([entry(n) for n in range(20)], b"{}", NOW)
        return path

    @pytest.mark.parametrize(
        ("cut", "words"), [(True, "the journal was empty"), (False, "the journal's file was missing")]
    )
    def test_is_told(self, filled: Path, cut: bool, words: str) -> None:
        """A journal that was cut to nothing, or is not there: the owner goes on, and does not do so without a word."""
        os.truncate(filled, 0) if cut else filled.unlink()
        if cut:
            with pytest.raises(JournalDamaged, match="is empty, although this tap has recorded before"):
                Journal.open(filled, readonly=True)
        with Journal.open(filled, owner=True) as journal:
            assert [said.startswith(words) for said in journal.amiss] == [True]
            assert journal.append([entry(1)], None, NOW) == 1
        with Journal.open(filled, owner=True) as journal:
            assert not journal.amiss

    def test_the_first_of_all_is_no_such_thing(self, path: Path) -> None:
        """Nor one that a kill left empty before anything was ever kept."""
        with Journal.open(path, owner=True) as journal:
            assert not journal.amiss
        (path.parent / "tap-id").unlink(missing_ok=True)
        os.truncate(path, 0)
        with Journal.open(path, owner=True) as journal:
            assert not journal.amiss

    def test_removed_under_the_tap(self, filled: Path) -> None:
        """The file is gone, or another stands there: that is told too, once each time; damage tells itself."""
        with Journal.open(filled, owner=True) as journal:
            filled.unlink()
            journal.append([entry(100)], None, NOW)
            assert [words[:30] for words in journal.amiss] == ["the journal's file was removed"]
            garbage(filled)
            journal.append([entry(101)], None, NOW)
            assert (sum(journal.amiss.values()), len(journal.moved_aside)) == (1, 1)

    def test_where_not_even_a_fresh_one_can_be_opened(self, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is tried once: the damaged one lies aside, the error is told, and the lock is let go of."""
        garbage(filled)
        prepare = schema.prepare

        def fails(connection: sqlite3.Connection, path: Path, **options: Any) -> None:
            raise JournalDamaged("is damaged", where=str(path))

        monkeypatch.setattr("tap.adapters.journal.file.prepare", fails)
        with pytest.raises(JournalDamaged):
            Journal.open(filled, owner=True)
        assert len(list(filled.parent.glob("journal.damaged-*.db"))) == 1
        assert len(list(filled.parent.glob("*.db"))) == 2
        monkeypatch.setattr("tap.adapters.journal.file.prepare", prepare)
        with Journal.open(filled, owner=True) as journal:
            assert journal.append([entry(1)], None, NOW) == 1
            assert not journal.moved_aside


class TestTapId:
    @pytest.mark.parametrize("where", ["file", "meta"])
    def test_one_place_is_enough(self, path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that takes nothing now does not keep a tap from being who it is."""
        with Journal.open(path, owner=True) as journal:
            tap_id = journal.tap_id()
        sqlite(path, "DELETE FROM meta") if where == "file" else path.with_name("tap-id").unlink()
        with Journal.open(path, owner=True) as journal:
            with monkeypatch.context() as patched:

                def full(*_: object) -> None:
                    raise JournalError("cannot be written: No space left on device")

                patched.setattr("tap.adapters.journal.outbox.keep_tap_id", full)
                assert journal.tap_id() == tap_id
                assert journal.tap_id() == tap_id
            assert journal.tap_id() == tap_id
        assert path.with_name("tap-id").read_text().strip() == tap_id
        assert sqlite(path, "SELECT value FROM meta WHERE name = 'tap'") == [[(tap_id,)]]

    def test_the_first_has_to_be_kept(self, path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else the next start would be another tap; what fails leaves nothing half done."""
        with monkeypatch.context() as patched:

            def full(*_: object) -> None:
                raise JournalError("cannot be written: No space left on device")

            patched.setattr("tap.adapters.journal.outbox.keep_tap_id", full)
            with pytest.raises(JournalError, match="No space"):
                journal.tap_id()
        assert sqlite(path, "SELECT count(*) FROM meta") == [[(0,)]]
        assert len(journal.tap_id()) == 12

    def test_a_page_of_it_that_is_damaged_is_found_at_the_start(self, path: Path) -> None:
        """The owner moves the journal aside; it does not fail at every start."""
        with Journal.open(path, owner=True) as journal:
            tap_id = journal.tap_id()
            journal.append([entry(n) for n in range(20)], b"{}", NOW)
        (number,) = sqlite(path, "SELECT rootpage FROM sqlite_master WHERE name = 'meta'")[0][0]
        with path.open("r+b") as file:
            file.seek((number - 1) * 4096)
            file.write(b"\xff" * 4096)
        with Journal.open(path, owner=True) as journal:
            assert len(journal.moved_aside) == 1
            assert (journal.tap_id(), journal.checkpoint()) == (tap_id, b"{}")
            assert len(list(journal.entries())) == 20


def test_waits_between_attempts_grow_to_a_cap(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not past it, however long the disk takes nothing."""
    waits: list[float] = []
    enough = threading.Event()

    def wait(writer: JournalWriter, delay: float) -> bool:
        waits.append(delay)
        if len(waits) == 10:
            monkeypatch.setattr(Journal, "append", append)
            enough.set()
        return True

    append = Journal.append

    def full(*_: object) -> int:
        raise JournalError("the disk is full")

    monkeypatch.setattr(JournalWriter, "_wait", wait)
    monkeypatch.setattr(Journal, "append", full)
    writer = JournalWriter(journal)
    writer.submit([entry(1)], None)
    assert enough.wait(300)
    assert writer.stop(300)
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]
    assert keys(journal.entries()) == ["v/1/event/1"]


def test_what_failed_is_tried_again_when_its_time_has_come_however_often_somebody_asks_meanwhile(
    journal: Journal,
) -> None:
    """The last bit of the wait too."""
    now = 100.0
    left: list[float] = []

    def somebody_asks(timeout: float) -> list[Any]:
        nonlocal now
        left.append(round(timeout, 3))
        now += 0.4
        return []

    writer = JournalWriter(journal, clock=lambda: now)
    writer._next_anyway = somebody_asks  # type: ignore[method-assign]
    assert writer._wait(1.0)
    assert left == [1.0, 0.6, 0.2]
    assert writer.stop(300)


def test_a_copy_of_a_state_directory_is_its_own(path: Path, journal: Journal, tmp_path: Path) -> None:
    """Locks belong to places, not to names in them."""
    journal.append([entry(1)], None, NOW)
    shutil.copytree(path.parent, tmp_path / "copy")
    with Journal.open(tmp_path / "copy" / "journal.db", owner=True) as copy:
        assert keys(copy.entries()) == ["v/1/event/1"]


@pytest.mark.parametrize("said", ["", "12 34", "nobody", "-5"])
def test_a_lock_that_names_no_process_names_none(path: Path, said: str) -> None:
    """What another program wrote there is not repeated as if it were a process."""
    with Journal.open(path, owner=True):
        path.with_suffix(".lock").write_text(said)
        with pytest.raises(JournalBusy) as refused:
            Journal.open(path, owner=True)
    assert str(refused.value.hint).startswith("another tap owns this journal: stop it")


def test_a_lock_that_cannot_be_read_names_no_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with Journal.open(path, owner=True):
        monkeypatch.setattr(os, "pread", broken)
        with pytest.raises(JournalBusy) as refused:
            Journal.open(path, owner=True)
        monkeypatch.undo()
    assert str(refused.value.hint).startswith("another tap owns this journal: stop it")


def test_a_directory_that_cannot_be_locked_is_none(tmp_path: Path) -> None:
    """Then the lock's file alone has to do."""
    assert locks._locked_directory(tmp_path / "gone" / "journal.lock") == -1
