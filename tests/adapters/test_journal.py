"""The journal: what it keeps through kills, damage, full disks and other processes."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal, JournalWriter, Kept, kept_object
from tap.core.backoff import Backoff
from tap.core.errors import JournalBusy, JournalDamaged, JournalError, JournalVersion
from tap.core.model import Entry
from tests.core.stage import Stage

NOW = 1_795_379_975_000


def entry(number: int, *, session: str = "v/1", op: Any = "event", **fields: Any) -> Entry:
    key = f"{session}/{op}/{number}"
    return Entry(key, op, session, NOW + number, {"kind": "cut", "at": NOW + number} | fields)


def keys(kept: Iterator[Kept] | list[Kept]) -> list[str]:
    return [one.entry.key for one in kept]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, owner=True) as journal:
        yield journal


def sqlite(path: Path, *statements: str) -> list[Any]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return [connection.execute(statement).fetchall() for statement in statements]
    finally:
        connection.close()


def files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


class TestAppend:
    def test_kept_in_order(self, journal: Journal) -> None:
        """Entries come back as they were given, in the order of their commits, as pending."""
        assert journal.append([entry(2), entry(1, odd="ü\n\u2028", n=1.5)], b"{}", NOW) == 2
        first, second = journal.entries()
        assert (first.seq, first.entry, first.state, first.committed_at) == (1, entry(2), "pending", NOW)
        assert second.entry == entry(1, odd="ü\n\u2028", n=1.5)
        assert journal.checkpoint() == b"{}"

    def test_what_was_added_last_is_what_waits_of_it(self, journal: Journal) -> None:
        """Who sends it need not read it: it is the same, with the same numbers, however many statements it took."""
        journal.append([entry(0)], None, NOW)
        odd = [entry(2, odd="ü\n\u2028", n=1.5, half="\ud800"), Entry("v/1/x", "event", "v/1", NOW, {}, 3, {"at": 1})]
        many = [entry(number) for number in range(100, 250)]
        for given in (odd, [entry(3)], many, [entry(0), entry(4), entry(4), *odd]):
            before = journal.last_seq()
            added = journal.append(given, b"{}", NOW + 7)
            assert journal.added() == journal.pending(1_000, before)
            assert len(journal.added() or ()) == added > 0
        assert journal.append([entry(0)], b"{}", NOW) == 0
        assert journal.added() == []

    def test_in_another_file_more_may_wait_than_was_added(self, path: Path, journal: Journal) -> None:
        """What waited in the file before was brought along."""
        journal.append([entry(0)], None, NOW)
        assert journal.added() is None
        journal.append([entry(1)], None, NOW)
        assert journal.added() is not None
        path.unlink()
        journal.append([entry(2)], None, NOW)
        assert journal.added() is None
        assert [kept.entry for kept in journal.pending(10)] == [entry(0), entry(1), entry(2)]

    def test_duplicates(self, journal: Journal) -> None:
        """An entry that is kept byte for byte is not kept twice; one that differs anywhere is another."""
        assert journal.append([entry(1), entry(1)], None, NOW) == 1
        journal.settle([(1, "shipped", None)], NOW)
        assert journal.append([entry(1)], None, NOW + 5) == 0
        others = [entry(1, more=1), Entry("v/1/event/1", "event", "v/1", NOW + 1, entry(1).fields, 1)]
        assert journal.append(others, None, NOW) == 2

    def test_checkpoint_alone(self, journal: Journal) -> None:
        """A checkpoint may come alone, and a batch without one leaves the last."""
        assert journal.append([], b"1", NOW) == 0
        journal.append([entry(1)], None, NOW)
        assert journal.checkpoint() == b"1"
        before = journal.commits
        journal.append([], None, NOW)
        assert journal.commits == before

    def test_all_or_nothing(self, journal: Journal) -> None:
        """Where the second half of a batch cannot be kept, nothing of it is, and the checkpoint stays."""
        journal.append([], b"before", NOW)
        journal._file.db.execute(
            "CREATE TRIGGER no BEFORE INSERT ON entries WHEN new.key LIKE '%/2' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(JournalError):
            journal.append([entry(1), entry(2)], b"after", NOW)
        assert (list(journal.entries()), journal.checkpoint()) == ([], b"before")

    def test_odd_values_hold_nothing_up(self, journal: Journal) -> None:
        """Half a surrogate pair in a name is kept like the rest."""
        journal.append([entry(1, name="\ud83d"), entry(2, name=10**30)], None, NOW)
        assert [kept.entry.fields["name"] for kept in journal.entries()] == ["\ud83d", 10**30]

    def test_survives_closing(self, path: Path) -> None:
        """What was appended is there after the process that did it has gone, and seq is never used twice."""
        with Journal.open(path, owner=True) as journal:
            journal.append([entry(1)], b"1", NOW)
            journal.settle([(1, "shipped", None)], NOW)
            assert journal.prune(NOW + 1) == 1
        with Journal.open(path, owner=True) as journal:
            journal.append([entry(2)], None, NOW)
            assert ([kept.seq for kept in journal.entries()], journal.checkpoint()) == ([2], b"1")


class TestFiles:
    def test_private(self, journal: Journal, path: Path) -> None:
        """Directory and files are for the tap's user alone."""
        journal.append([entry(1)], b"{}", NOW)
        journal.tap_id()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}

    def test_durable(self, journal: Journal) -> None:
        """A commit is on the disk when it returns."""
        pragmas = {
            name: journal._file.db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "auto_vacuum")
        }
        assert pragmas == {"synchronous": 2, "journal_mode": "wal", "auto_vacuum": 2}

    def test_small(self, journal: Journal) -> None:
        """Pages of earlier commits do not stay in memory."""
        assert journal._file.db.execute("PRAGMA cache_size").fetchone() == (-512,)

    def test_reading_what_is_not_there(self, path: Path) -> None:
        """Who only reads makes nothing, and is told where the tap would write."""
        with pytest.raises(JournalError, match=f"nothing has been recorded yet.*{path.parent}"):
            Journal.open(path, readonly=True)
        assert not path.parent.exists()

    def test_reading_changes_nothing(self, path: Path, journal: Journal) -> None:
        """A reader cannot write, and reads while the owner has it open."""
        journal.append([entry(1)], None, NOW)
        with Journal.open(path, readonly=True) as reader:
            assert keys(reader.entries()) == ["v/1/event/1"]
            with pytest.raises(JournalError, match="no permission to write"):
                reader.append([entry(2)], None, NOW)

    def test_no_directory(self, tmp_path: Path) -> None:
        """A state directory that cannot be made is named, with the setting to look at."""
        (tmp_path / "file").touch()
        with pytest.raises(JournalError, match="TAP_STATE_DIR"):
            Journal.open(tmp_path / "file" / "journal.db", owner=True)
        (tmp_path / "journal.db").mkdir()
        with pytest.raises(JournalError, match="is not a file"):
            Journal.open(tmp_path / "journal.db")

    def test_tap_id(self, path: Path) -> None:
        """The tap's id is made once, and outlives the journal and its own file."""
        with Journal.open(path, owner=True) as journal:
            tap_id = journal.tap_id()
            assert len(tap_id) == 12
            assert journal.tap_id() == tap_id
        path.unlink()
        with Journal.open(path, owner=True) as journal:
            assert journal.tap_id() == tap_id
        (path.parent / "tap-id").write_text("torn")
        with Journal.open(path, readonly=True) as reader:
            assert reader.tap_id() == tap_id
        with Journal.open(path, owner=True) as journal:
            assert journal.tap_id() == tap_id
        assert (path.parent / "tap-id").read_text().strip() == tap_id


HOLD = """
import sys
from tap.adapters.journal import Journal
journal = Journal.open(sys.argv[1], owner=True)
print("held", flush=True)
sys.stdin.read()
"""

APPEND = """
import sys
from tap.adapters.journal import Journal
from tap.core.model import Entry
journal = Journal.open(sys.argv[1], owner=True)
n = int(journal.checkpoint() or b"0")
print("ready", flush=True)
while True:
    batch = [Entry(f"v/1/{n + i}", "event", "v/1", n + i, {"n": n + i, "pad": "x" * 500}) for i in range(1, n % 4 + 2)]
    n += len(batch)
    journal.append(batch, b"%d" % n, n)
"""


def process(script: str, path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=-1, stdout=-1, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()


class TestProcesses:
    def test_one_owner(self, path: Path) -> None:
        """A second service is kept away while the first lives, also when that was killed; others may read and add."""
        child = process(HOLD, path)
        try:
            with pytest.raises(JournalBusy, match="another tap owns this journal"):
                Journal.open(path, owner=True)
            with Journal.open(path) as other:
                assert other.append([entry(1)], None, NOW) == 1
        finally:
            end(child)
        with Journal.open(path, owner=True) as journal:
            assert keys(journal.entries()) == ["v/1/event/1"]

    def test_kill(self, path: Path) -> None:
        """Killed at any instant, the journal holds a prefix that its checkpoint agrees with, and goes on from there."""
        last = 0
        for _ in range(5):
            child = process(APPEND, path)
            time.sleep(random.uniform(0.02, 0.15))
            end(child)
            with Journal.open(path, owner=True) as journal:
                n = int(journal.checkpoint() or b"0")
                assert [kept.entry.fields["n"] for kept in journal.entries()] == list(range(1, n + 1))
                assert journal.verify() == []
                assert journal.moved_aside == []
            assert n >= last
            last = n
        assert last > 0

    def test_reader_beside_writer(self, path: Path, journal: Journal) -> None:
        """Reading while another thread writes gives whole batches, and never an error."""
        done = threading.Event()

        def read() -> list[int]:
            seen = []
            with Journal.open(path, readonly=True) as reader:
                while not done.is_set():
                    seen.append(len(list(reader.entries())))
                    reader.depth()
            return seen

        results: list[list[int]] = []
        thread = threading.Thread(target=lambda: results.append(read()))
        thread.start()
        for n in range(150):
            journal.append([entry(3 * n + i) for i in range(3)], b"{}", NOW)
        done.set()
        thread.join()
        assert results[0] == sorted(results[0])
        assert {count % 3 for count in results[0]} == {0}


class TestVersions:
    @pytest.mark.parametrize("killed", [False, True])
    def test_newer(self, tmp_path: Path, path: Path, killed: bool) -> None:
        """A journal of a newer version is never touched, whether it was closed or its tap was killed.

        Whoever looks is refused; its owner, who has to record, puts it aside as it is.
        """
        Journal.open(path).close()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("PRAGMA user_version = 7")
        if killed:
            # What a killed process leaves: the new version stands in the log only.
            (tmp_path / "copy").mkdir()
            for file in path.parent.iterdir():
                (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
        other.close()
        path = tmp_path / "copy" / "journal.db" if killed else path
        before = files(path.parent)
        for options in ({"readonly": True}, {}):
            with pytest.raises(
                JournalVersion, match=r"journal version 7, this one reads up to 2.*upgrade, or start with"
            ):
                Journal.open(path, **options)
        after = files(path.parent)
        for volatile in ("journal.lock", "journal.db-shm"):
            before.pop(volatile, None)
            after.pop(volatile, None)
        assert after == before
        with Journal.open(path, owner=True) as journal:
            (aside,) = journal.moved_aside
            assert journal.append([entry(1)], b"{}", NOW) == 1
        assert aside.name.startswith("journal.newer-2")
        for end in ("", "-wal"):
            assert files(path.parent).get(aside.name + end) == before.get(f"journal.db{end}")

    def test_of_something_else(self, path: Path) -> None:
        """Another program's database is refused and left alone."""
        path.parent.mkdir()
        sqlite(path, "CREATE TABLE theirs (a)")
        before = path.read_bytes()
        for options in ({"owner": True}, {"readonly": True}, {}):
            with pytest.raises(JournalError, match="is a database of something else"):
                Journal.open(path, **options)
        assert path.read_bytes() == before


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 - 100)


def overwrite(path: Path) -> None:
    # All pages but the first: a random hit may spare every page that is looked at.
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(path.stat().st_size - 4096))


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage " * 4096)


def hole(path: Path) -> None:
    sqlite(path, "PRAGMA writable_schema = ON", "DELETE FROM sqlite_master WHERE name = 'checkpoint'")


def log_without_file(path: Path) -> None:
    path.with_name("journal.db-wal").write_bytes(b"precious")
    os.truncate(path, 0)


DAMAGES = [truncate, overwrite, garbage, hole, log_without_file]


def test_a_check_beside_a_service_that_writes_finds_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries come between its looks at the file: what it compares is of one moment."""
    with Journal.open(path) as journal, Journal.open(path, readonly=True) as reader:
        numbers = itertools.count(1)
        look = reader._file.all

        def later(*query: Any) -> list[Any]:
            if "tally" in query[0] or "count" in query[0]:
                journal.append([entry(next(numbers))], b"{}", NOW)
            return look(*query)

        monkeypatch.setattr(reader._file, "all", later)
        assert reader.verify() == []


class TestDamage:
    @pytest.fixture
    def filled(self, path: Path) -> Path:
        with Journal.open(path, owner=True) as journal:
            tap_id = journal.tap_id()
            journal.append([entry(n, pad="x" * 500) for n in range(200)], b"{}", NOW)
        assert tap_id
        return path

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_owner_begins_anew(self, filled: Path, damage: Callable[[Path], None]) -> None:
        """A damaged journal is moved aside whole, and the owner goes on in a new one, as the same tap.

        What waited for the ledger and can still be read goes with it.
        """
        tap_id = (filled.parent / "tap-id").read_text().strip()
        damage(filled)
        before = {
            name.removeprefix("journal.db"): data for name, data in files(filled.parent).items() if "journal.db" in name
        }
        with Journal.open(filled, owner=True) as journal:
            (aside,) = journal.moved_aside
            rescued = [f"v/1/event/{n}" for n in range(200)] if damage is hole else []
            assert (keys(journal.entries()), journal.checkpoint()) == (rescued, None)
            assert journal.append([entry(1)], b"{}", NOW) == 1
            assert journal.tap_id() == tap_id
            assert journal.verify() == []
        assert aside.name.startswith("journal.damaged-2")
        after = {
            name.removeprefix(aside.name): data for name, data in files(filled.parent).items() if aside.name in name
        }
        contents = [{end: data for end, data in one.items() if data and end != "-shm"} for one in (before, after)]
        assert contents[0] == contents[1]

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_others_leave_it(self, filled: Path, damage: Callable[[Path], None]) -> None:
        """Who does not own a damaged journal moves nothing, and is told what to do."""
        damage(filled)
        for readonly in (True, False):
            with pytest.raises(JournalDamaged, match="multicam-tap run"):
                Journal.open(filled, readonly=readonly)
        assert not list(filled.parent.glob("*damaged*"))

    def test_log_of_a_killed_tap(self, filled: Path, tmp_path: Path) -> None:
        """What a killed tap left in the log is moved aside with the damaged file, not folded into it."""
        copy = tmp_path / "killed" / "journal.db"
        copy.parent.mkdir()
        with Journal.open(filled, owner=True) as journal:
            journal.append([entry(1000)], None, NOW)
            for end in ("", "-wal"):
                copy.with_name(copy.name + end).write_bytes(filled.with_name(filled.name + end).read_bytes())
        overwrite(copy)
        before = files(copy.parent)
        with Journal.open(copy, owner=True) as journal:
            (aside,) = journal.moved_aside
        after = files(copy.parent)
        assert (after[aside.name], after[f"{aside.name}-wal"]) == (before["journal.db"], before["journal.db-wal"])

    def test_twice_in_a_second(self, filled: Path) -> None:
        """Nothing that was moved aside is ever overwritten."""
        for _ in range(3):
            garbage(filled)
            Journal.open(filled, owner=True).close()
        assert len(list(filled.parent.glob("journal.damaged-*.db"))) == 3

    def test_empty_file(self, filled: Path) -> None:
        """An empty file, as a kill leaves it that comes first of all, is a new journal."""
        os.truncate(filled, 0)
        with Journal.open(filled, owner=True) as journal:
            assert journal.moved_aside == []
            assert journal.append([entry(1)], None, NOW) == 1

    @pytest.mark.parametrize("damage", [truncate, overwrite, garbage])
    def test_while_running(self, filled: Path, damage: Callable[[Path], None]) -> None:
        """Damage found by a commit costs neither the batch nor the recording."""
        with Journal.open(filled, owner=True) as journal:
            damage(filled)
            for n in range(1000, 1010):
                journal.append([entry(n)], b"%d" % n, NOW)
            assert len(journal.moved_aside) == 1
            assert keys(journal.entries())[-1] == "v/1/event/1009"
            assert journal.checkpoint() == b"1009"
            assert journal.verify() == []

    @pytest.mark.parametrize("what", ["file", "all", "directory", "replaced"])
    def test_gone_while_running(self, filled: Path, what: str) -> None:
        """A journal that was deleted or replaced under the tap goes on in a new one, with all that waited."""
        with Journal.open(filled, owner=True) as journal:
            journal.append([entry(999)], None, NOW)
            if what == "replaced":
                with Journal.open(filled.parent / "restored.db") as restored:
                    restored.append([entry(5)], None, NOW)
                (filled.parent / "restored.db").replace(filled)
            else:
                for file in [filled] if what == "file" else list(filled.parent.iterdir()):
                    file.unlink()
                if what == "directory":
                    filled.parent.rmdir()
            assert journal.append([entry(1000)], b"1", NOW) == 1
            expected = ["v/1/event/5"] if what == "replaced" else []
            waited = [f"v/1/event/{n}" for n in (*range(200), 999)]
            assert keys(journal.entries()) == [*expected, *waited, "v/1/event/1000"]
            assert journal.verify() == []
            with pytest.raises(JournalBusy):
                Journal.open(filled, owner=True)

    def test_verify(self, filled: Path) -> None:
        """Verify names what is odd, and finds nothing in a journal that is whole."""
        with Journal.open(filled, readonly=True) as reader:
            assert reader.verify() == []
        sqlite(
            filled,
            "UPDATE entries SET fields = '[]' WHERE seq = 3",
            "UPDATE entries SET fields = '{' WHERE seq = 4",
            "UPDATE entries SET op = 'gossip' WHERE seq = 5",
            "UPDATE checkpoint SET data = x'ff'",
            "UPDATE tally SET n = 7 WHERE state = 'dead'",
        )
        with Journal.open(filled, readonly=True) as reader:
            problems = reader.verify()
            with pytest.raises(JournalDamaged, match="entry 3 cannot be read"):
                list(reader.entries())
        assert problems == [
            "entry 3 (v/1/event/2): its fields are not a JSON object",
            "entry 4 (v/1/event/3): its fields are not a JSON object",
            "entry 5 (v/1/event/4): no op 'gossip'",
            "the checkpoint is not JSON",
            "the tally of dead says 7, there are 0",
        ]

    def test_verify_finds_rot(self, filled: Path) -> None:
        """Verify finds a page that opening did not look at."""
        data = bytearray(filled.read_bytes())
        data[-4096 * 3 : -4096 * 2] = b"\x00" * 4096
        filled.write_bytes(data)
        with Journal.open(filled, readonly=True) as reader:
            assert reader.verify()

    def test_full_disk(self, journal: Journal) -> None:
        """A full disk is told as such, keeps nothing by halves, and the same batch goes in when there is room."""
        pages = journal._file.db.execute("PRAGMA page_count").fetchone()[0]
        journal._file.db.execute(f"PRAGMA max_page_count = {pages + 2}")
        batch = [entry(n, pad="x" * 1000) for n in range(50)]
        with pytest.raises(JournalError, match="the disk is full") as caught:
            journal.append(batch, b"1", NOW)
        assert not isinstance(caught.value, JournalDamaged)
        assert (list(journal.entries()), journal.checkpoint()) == ([], None)
        journal._file.db.execute("PRAGMA max_page_count = 1000000")
        assert journal.append(batch, b"1", NOW) == 50

    def test_after_close(self, journal: Journal) -> None:
        """Errors of SQLite's module stop at the journal too."""
        journal.close()
        with pytest.raises(JournalError):
            journal.append([entry(1)], None, NOW)


class TestOutbox:
    @pytest.fixture
    def ten(self, journal: Journal) -> Journal:
        journal.append([entry(n) for n in range(10)], None, NOW)
        return journal

    def test_settle_and_retry(self, ten: Journal) -> None:
        """What the ledger took or refused waits no more; what was refused may be tried again."""
        assert [kept.seq for kept in ten.pending(3)] == [1, 2, 3]
        ten.settle([(1, "shipped", None), (2, "dead", "no such venue"), (3, "dead", "?")], NOW + 5)
        assert [kept.seq for kept in ten.pending(2)] == [4, 5]
        assert [kept.seq for kept in ten.pending(2, after_seq=4)] == [5, 6]
        assert [(kept.seq, kept.reason) for kept in ten.entries(state="dead")] == [(2, "no such venue"), (3, "?")]
        assert ten.counts() == {"pending": 7, "shipped": 1, "dead": 2}
        assert ten.retry_dead([1, 3, 77]) == 1
        assert ten.retry_dead() == 1
        assert [(kept.seq, kept.reason) for kept in ten.pending(3)] == [(2, None), (3, None), (4, None)]

    def test_late_answers(self, ten: Journal) -> None:
        """An answer for what is settled already changes nothing."""
        ten.settle([(1, "shipped", None)], NOW)
        ten.settle([(1, "dead", "late"), (99, "dead", "unknown")], NOW)
        assert ten.counts() == {"pending": 9, "shipped": 1, "dead": 0}

    def test_depth(self, ten: Journal) -> None:
        """The depth is how many wait, and since when the first of them does."""
        ten.append([entry(99)], None, NOW + 9)
        assert ten.depth() == (11, NOW)
        ten.settle([(seq, "shipped", None) for seq in range(1, 11)], NOW + 10)
        assert ten.depth() == (1, NOW + 9)
        ten.settle([(11, "dead", None)], NOW + 11)
        assert ten.depth() == (0, None)

    def test_prune(self, ten: Journal) -> None:
        """Only what the ledger took goes, and only by its age."""
        ten.settle([(1, "shipped", None), (2, "shipped", None), (3, "dead", "x")], 100)
        ten.settle([(4, "shipped", None)], 200)
        assert ten.prune(200, limit=1) == 1
        assert ten.prune(200) == 1
        assert [kept.seq for kept in ten.entries()] == [3, 4, 5, 6, 7, 8, 9, 10]
        assert ten.prune(10**15) == 1
        assert ten.counts() == {"pending": 6, "shipped": 0, "dead": 1}
        assert ten.verify() == []

    def test_prune_gives_room_back(self, path: Path) -> None:
        """A journal that was pruned is smaller on the disk."""
        with Journal.open(path, owner=True) as journal:
            journal.append([entry(n, pad="x" * 1000) for n in range(5000)], None, NOW)
            journal.settle([(seq, "shipped", None) for seq in range(1, 4991)], 1)
            size = journal._file.db.execute("PRAGMA page_count").fetchone()[0] * 4096
            assert journal.prune(2) == 4990
        assert path.stat().st_size < size / 10

    def test_forget(self, path: Path, ten: Journal) -> None:
        """A session that is forgotten leaves no entry, and no trace in the files."""
        ten.append([entry(n, session="v/2", name="Erika Mustermann") for n in range(3)], None, NOW)
        assert ten.forget("v/2") == 3
        assert list(ten.session_entries("v/2")) == []
        assert ten.counts()["pending"] == 10
        assert not [file.name for file in path.parent.iterdir() if b"Mustermann" in file.read_bytes()]

    def test_a_commit_whose_log_may_be_lost_is_not_reported(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """SQLite is silent if its log's name did not reach the disk: the batch is given again, and is there once."""
        asked: list[Path] = []

        def fails_twice(place: Path) -> None:
            asked.append(place)
            if len(asked) <= 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        with Journal.open(path, owner=True) as journal:
            monkeypatch.setattr("tap.adapters.journal.file.sync_directory", fails_twice)
            for _ in range(2):
                with pytest.raises(JournalError, match="Input/output error"):
                    journal.append([entry(1)], None, NOW)
            journal.append([entry(1)], None, NOW)
            journal.append([entry(2)], None, NOW)
            assert asked == [path.parent] * 3
            assert journal.counts()["pending"] == 2

    def test_a_start_brings_the_log_into_the_file_first(self, path: Path, tmp_path: Path) -> None:
        """After a sync that failed the log may have a hole on the disk: nothing new is written behind it."""
        left = tmp_path / "left"
        left.mkdir()
        with Journal.open(path, owner=True) as journal:
            journal.append([entry(1)], None, NOW)
            for file in (path, path.with_name(path.name + "-wal")):
                (left / file.name).write_bytes(file.read_bytes())
        assert (left / f"{path.name}-wal").stat().st_size
        with Journal.open(left / path.name, owner=True) as journal:
            assert (left / f"{path.name}-wal").stat().st_size == 0
            assert journal.counts()["pending"] == 1

    def test_forget_what_the_tap_remembers(self, path: Path, ten: Journal) -> None:
        """Of that session nothing stays beside the machine's state either; of another all does."""
        stage = Stage()
        for name, title in (("s1", "Erika Mustermann"), ("s2", "Someone else")):
            stage.later(10).say("session_started", session={"id": name, "title": title})
            stage.say("still_captured", still_id=f"of-{name}", camera_id="c1")
            stage.later(10).say("session_ended", session_id=name)
        ten.append([entry(1)], stage.pipeline.save(), NOW)
        assert any(b"Mustermann" in data for _, data in ten.memory())
        ten.forget("studio/s1")
        assert not [file.name for file in path.parent.iterdir() if b"Mustermann" in file.read_bytes()]
        assert {name.split(":")[1] for name, _ in ten.memory()} == {"2"}


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """20 sessions, 30,000 entries, nearly all of them shipped."""
    with Journal.open(tmp_path_factory.mktemp("big") / "journal.db", owner=True) as journal:
        for s in range(20):
            venue = "a" if s % 2 else "b"
            session = f"{venue}/{s}"
            batch = [Entry(session, "session", session, NOW + 10_000 * s + n, {"n": n}) for n in range(5)]
            batch += [entry(10_000 * s + n, session=session) for n in range(1495)]
            journal.append(batch, None, NOW)
        journal.settle(((seq, "shipped", None) for seq in range(1, 29_990)), NOW)
        journal.settle([(29_990, "dead", "no")], NOW)
        yield journal


class TestReading:
    def test_paging(self, big: Journal) -> None:
        """All entries come once, in order, over many pages."""
        assert [kept.seq for kept in big.entries()] == list(range(1, 30_001))
        assert [kept.seq for kept in big.entries(after=29_998)] == [29_999, 30_000]
        assert [kept.seq for kept in big.entries(state="shipped", after=29_980)] == list(range(29_981, 29_990))
        assert [kept.seq for kept in big.session_entries("a/1")] == list(range(1501, 3001))
        assert [kept.seq for kept in big.entries("a/19", "dead")] == [29_990]
        assert list(big.entries("a/none")) == []

    def test_sessions(self, big: Journal) -> None:
        """Sessions come newest first, of all venues or of one."""
        assert list(big.sessions())[:3] == ["a/19", "b/18", "a/17"]
        assert list(big.sessions("b/"))[:2] == ["b/18", "b/16"]
        assert big.counts("a/19") == {"pending": 10, "shipped": 1489, "dead": 1}
        assert big.counts("none") == {"pending": 0, "shipped": 0, "dead": 0}

    def test_added_meanwhile(self, journal: Journal) -> None:
        """An entry that is added while the journal is read comes too, and reading holds nobody up."""
        journal.append([entry(1)], None, NOW)
        reading = journal.entries()
        assert next(reading).seq == 1
        journal.append([entry(2)], None, NOW)
        assert keys(reading) == ["v/1/event/2"]

    def test_plans(self, big: Journal) -> None:
        """What a service asks again and again touches neither shipped entries nor a temporary table."""
        seen: list[str] = []
        big._file.db.set_trace_callback(seen.append)
        big.pending(100), big.depth(), big.counts(), list(big.sessions("a/")), list(big.entries(state="dead"))
        big._file.db.set_trace_callback(None)
        plans = [row[3] for sql in seen for row in big._file.db.execute("EXPLAIN QUERY PLAN " + sql)]
        scans = {plan for plan in plans if plan.startswith("SCAN")}
        assert scans == {
            "SCAN tally",
            "SCAN entries USING COVERING INDEX entries_of_sessions",
        }
        assert {plan for plan in plans if "TEMP" in plan} == {"USE TEMP B-TREE FOR ORDER BY"}  # of the sessions' keys

    def test_object(self, journal: Journal) -> None:
        """The object of `journal ls --json` is the entry's, then seq, state, and why it is dead."""
        repaired = Entry("v/1/x", "event", "v/1", NOW, {"b": 1, "a": 2}, 3)
        journal.append([entry(1), repaired], None, NOW)
        journal.settle([(2, "dead", "forgotten")], NOW)
        first, second = map(kept_object, journal.entries())
        assert list(first) == ["key", "op", "sessionKey", "version", "fields", "seq", "state"]
        assert list(second.items()) == [
            ("key", "v/1/x"),
            ("op", "event"),
            ("sessionKey", "v/1"),
            ("version", NOW),
            ("revision", 3),
            ("fields", {"b": 1, "a": 2}),
            ("seq", 2),
            ("state", "dead"),
            ("reason", "forgotten"),
        ]


class Gate:
    """Holds the journal's thread where a test wants it."""

    def __init__(self, writer: JournalWriter) -> None:
        self._open = threading.Event()
        entered = threading.Event()

        def hold(_: Journal) -> None:
            entered.set()
            self._open.wait(300)

        writer.run_in_writer(hold)
        assert entered.wait(300)

    def lift(self) -> None:
        self._open.set()


class TestWriter:
    def test_group_commit(self, journal: Journal) -> None:
        """What is submitted while a commit runs goes into one transaction, in order, with the last checkpoint."""
        writer = JournalWriter(journal, now=lambda: NOW)
        gate = Gate(writer)
        before = journal.commits
        durable: list[int] = []
        for n in range(500):
            writer.submit([entry(n)], b"%d" % n, partial(durable.append, n))
        writer.submit([entry(500)], None)
        assert writer.waiting == 501
        gate.lift()
        assert writer.stop(300)
        assert journal.commits == before + 1
        assert durable == list(range(500))
        assert [kept.entry for kept in journal.entries()] == [entry(n) for n in range(501)]
        assert (journal.checkpoint(), writer.waiting, writer.failing) == (b"499", 0, None)

    def test_durable_means_durable(self, path: Path, journal: Journal) -> None:
        """on_durable is called when another process can read what was submitted."""
        writer = JournalWriter(journal)
        seen: list[list[str]] = []
        called = threading.Event()

        def look() -> None:
            with Journal.open(path, readonly=True) as reader:
                seen.append(keys(reader.entries()))
            called.set()

        writer.submit([entry(1)], b"{}", look)
        assert called.wait(300)
        assert writer.stop(300)
        assert seen == [["v/1/event/1"]]

    def test_disk_full(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a full disk nothing is dropped: the writer says so, tries again, and keeps all once there is room."""
        monkeypatch.setattr(JournalWriter, "_BACKOFF", Backoff(0.01, 5.0))
        pages = journal._file.db.execute("PRAGMA page_count").fetchone()[0]
        journal._file.db.execute(f"PRAGMA max_page_count = {pages + 2}")
        writer = JournalWriter(journal)
        refused = threading.Event()
        append = journal.append

        def watched(*arguments: Any) -> int:
            try:
                return append(*arguments)
            except JournalError:
                refused.set()
                raise

        monkeypatch.setattr(journal, "append", watched)
        for n in range(50):
            writer.submit([entry(n, pad="x" * 1000)], b"%d" % n)
        for _ in range(3):
            refused.clear()
            assert refused.wait(300)
        writer.submit([entry(50)], b"50")
        assert "the disk is full" in (writer.failing or "")
        assert writer.waiting > 0
        room = journal._file.db.execute("PRAGMA max_page_count = 1000000")
        room.close()
        assert writer.stop(300)
        assert [kept.entry.key for kept in journal.entries()] == [entry(n).key for n in range(51)]
        assert (journal.checkpoint(), writer.failing, writer.waiting) == (b"50", None, 0)

    def test_its_patience_grows_to_a_bound(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that takes nothing for hours is tried twice as late each time, and every five seconds in the end."""
        append, waits, kept = journal.append, list[float](), threading.Event()
        monkeypatch.setattr(journal, "append", lambda *_: (_ for _ in ()).throw(JournalError("the disk is full")))

        def wait(_: JournalWriter, delay: float) -> bool:
            waits.append(delay)
            if len(waits) == 9:
                monkeypatch.setattr(journal, "append", append)
            return True

        monkeypatch.setattr(JournalWriter, "_wait", wait)
        writer = JournalWriter(journal)
        writer.submit([entry(1)], None, kept.set)
        assert kept.wait(300)
        assert writer.stop(300)
        assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]

    def test_gives_up_at_last(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nothing can be written, stop says so in time, and so do the calls that still wait."""
        monkeypatch.setattr(journal, "append", lambda *_: (_ for _ in ()).throw(JournalError("the disk is full")))
        writer = JournalWriter(journal)
        writer.submit([entry(1)], None)
        call = writer.run_in_writer(lambda journal: journal.depth())
        assert not writer.stop(0.3)
        assert writer.waiting == 1
        with pytest.raises(JournalError, match=r"the disk is full|was stopped before"):
            call.result(300)

    def test_a_stop_tries_again_while_there_is_time(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that is full for a moment at the very end loses nothing."""
        append, failures = journal.append, iter(range(3))

        def sometimes(*given: Any) -> int:
            if next(failures, None) is not None:
                raise JournalError("the disk is full")
            return append(*given)

        monkeypatch.setattr(journal, "append", sometimes)
        writer = JournalWriter(journal)
        writer.submit([entry(1)], None)
        assert writer.stop(300)
        assert keys(journal.entries()) == ["v/1/event/1"]

    def test_runs_what_is_asked(self, journal: Journal) -> None:
        """A function runs on the journal's thread after what was submitted before it; its error is its asker's."""
        writer = JournalWriter(journal)
        writer.submit([entry(1)], None)
        where = writer.run_in_writer(lambda journal: (journal.depth()[0], threading.current_thread().name))
        assert where.result(300) == (1, "journal")
        with pytest.raises(ZeroDivisionError):
            writer.run_in_writer(lambda _: 1 // 0).result(300)
        assert writer.run_in_writer(lambda journal: journal.settle([(1, "shipped", None)], NOW)).result(300) is None
        assert writer.stop(300)
        assert writer.stop(300)
        with pytest.raises(RuntimeError):
            writer.submit([], None)

    def test_bad_callback(self, journal: Journal) -> None:
        """A callback that fails ends nothing."""
        writer = JournalWriter(journal)

        def fail() -> None:
            raise ZeroDivisionError

        writer.submit([entry(1)], None, fail)
        writer.submit([entry(2)], None)
        assert writer.stop(300)
        assert journal.depth()[0] == 2

    def test_deleted(self, path: Path, journal: Journal) -> None:
        """A journal that is deleted while the tap runs costs no entry, neither before nor after."""
        writer = JournalWriter(journal)
        writer.submit([entry(1)], b"1")
        writer.run_in_writer(lambda _: path.unlink()).result(300)
        writer.submit([entry(2)], b"2")
        assert writer.stop(300)
        assert (keys(journal.entries()), journal.checkpoint()) == (["v/1/event/1", "v/1/event/2"], b"2")
