"""The journal of a repaired history, of an older version, and on a disk that takes nothing or is full."""

from __future__ import annotations

import gzip
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import structs

from tap.adapters.journal import Journal, JournalWriter, kept_object, schema, verify
from tap.adapters.journal.file import JournalFile
from tap.core.errors import JournalError
from tap.core.machine.memory import ALL_OF_IT, Checkpoint
from tap.core.model import Entry
from tap.core.session_steps import Step
from tests.adapters.test_journal import NOW, entry, keys, sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, owner=True) as journal:
        yield journal


class TestOlder:
    def test_older(self, old: Path) -> None:
        """A journal of version 1 is brought up to this one, with all that it holds, and goes on from there."""
        with Journal.open(old, owner=True) as journal:
            assert journal._file.all("PRAGMA user_version") == [(2,)]
            kept = list(journal.entries())
            assert [(one.seq, one.state, one.reason, one.entry.revision) for one in kept] == OLD_ROWS
            assert [one.entry.op for one in kept] == ["session", "camera", "event", "still", "session", "event"]
            assert kept[0].entry.fields["title"] == "Autumn é"
            assert all(one.entry.retracted is None for one in kept)
            assert (journal.tap_id(), journal.verify()) == ("0123456789ab", [])
            assert journal.checkpoint() == b'{"phase":"waiting","wall":1795000003000,"mono":3000,"heard":3000}'
            journal.append([taken_back(kept[5].entry)], None, NOW)
        with Journal.open(old, readonly=True) as journal:
            assert next(journal.entries(after=6)).entry == taken_back(kept[5].entry)

    def test_older_that_is_only_read(self, old: Path) -> None:
        """Who only reads reads a journal of version 1 as it is, and does not change it."""
        before = old.read_bytes()
        with Journal.open(old, readonly=True) as journal:
            assert [(one.seq, one.state, one.reason, one.entry.revision) for one in journal.entries()] == OLD_ROWS
            assert [one.seq for one in journal.session_entries("hall-a/s1")] == [1, 2, 3, 4, 5, 6]
            assert (journal.depth()[0], journal.revision("hall-a/s1")) == (3, 0)
        assert old.read_bytes() == before

    def test_half_way(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A migration that is stopped in the middle leaves the journal as it was."""
        broken = (schema._MIGRATIONS[0], (*schema._MIGRATIONS[1], "SELECT no_such_function()"))
        with monkeypatch.context() as patched:
            patched.setattr(schema, "_MIGRATIONS", broken)
            with pytest.raises(JournalError):
                Journal.open(old)
        assert sqlite(old, "PRAGMA user_version") == [[(1,)]]
        with Journal.open(old) as journal:
            assert len(list(journal.entries())) == 6


OLD_ROWS = [
    (1, "shipped", None, 0),
    (2, "shipped", None, 0),
    (3, "dead", "bad_field: no", 0),
    (4, "pending", None, 0),
    (5, "pending", None, 0),
    (6, "pending", None, 1),
]
"""What ``journal-v1.db.gz`` holds, which was written by the code of that version."""


@pytest.fixture
def old(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(gzip.decompress((Path(__file__).parent / "journal-v1.db.gz").read_bytes()))
    return path


def taken_back(entry: Entry, revision: int = 2) -> Entry:
    return structs.replace(entry, revision=revision, retracted={"at": NOW, "reason": "a mapping was mended"})


class TestRepair:
    def test_what_is_taken_back_is_kept(self, journal: Journal) -> None:
        """``retracted`` comes back as it was given, and makes an entry another."""
        back = taken_back(entry(1))
        assert journal.append([structs.replace(back, retracted=None), back, back], None, NOW) == 2
        assert [kept.entry.retracted for kept in journal.entries()] == [None, back.retracted]
        assert [kept_object(kept).get("retracted") for kept in journal.entries()] == [None, back.retracted]

    def test_later_entries_take_the_revision_of_the_repair(self, path: Path, journal: Journal) -> None:
        """What the service writes of a repaired session goes on at its revision; nobody else's does."""
        with Journal.open(path) as command_line:
            assert command_line.repair([structs.replace(entry(1), revision=3)], {"v/1": 0}, NOW)
            command_line.append([entry(2)], None, NOW)
        journal.append([entry(3), entry(4, session="v/2")], None, NOW)
        journal.append([structs.replace(entry(5), revision=4), entry(3)], None, NOW)
        assert [kept.entry.revision for kept in journal.entries()] == [3, 0, 3, 0, 4]
        assert (journal.revision("v/1"), journal.revision("v/2")) == (4, 0)
        assert {kept.committed_at for kept in journal.entries()} == {NOW}

    def test_not_on_what_was_not_seen(self, journal: Journal) -> None:
        """A repair that does not know all of a session keeps nothing."""
        journal.append([entry(1), entry(2)], None, NOW)
        assert not journal.repair([taken_back(entry(1))], {"v/1": 1}, NOW)
        assert journal.counts()["pending"] == 2
        assert journal.repair([taken_back(entry(1))], {"v/1": 2}, NOW)
        assert journal.counts()["pending"] == 3


class TestWriter:
    def test_damage_that_a_reader_finds(self, journal: Journal) -> None:
        """Damage that shows only as the ledger's side asks is moved aside too, and the asker is answered."""
        journal.append([entry(n) for n in range(1, 40)], b"1", NOW)
        writer = JournalWriter(journal)
        writer.run_in_writer(lambda journal: journal._file.db.execute("UPDATE entries SET fields = 'torn'")).result(300)
        assert writer.run_in_writer(lambda journal: journal.pending(10)).result(300) == []
        writer.submit([entry(50)], b"2")
        assert [kept.seq for kept in writer.run_in_writer(lambda journal: journal.pending(10)).result(300)] == [40]
        assert writer.stop(300)
        assert len(journal.moved_aside) == 1
        assert (keys(journal.entries()), journal.checkpoint()) == (["v/1/event/50"], b"2")

    @pytest.mark.parametrize("how", ["damaged", "deleted"])
    def test_a_late_answer_settles_nothing_of_a_new_file(self, path: Path, journal: Journal, how: str) -> None:
        """The answer for an entry of a file that is gone must not count for another of the same number.

        What could be read of the old file is in the new one, and goes to the ledger again: twice does no harm.
        """
        journal.append([entry(1), entry(2)], None, NOW)
        asked = journal.pending(10)
        if how == "deleted":
            path.unlink()
        else:
            assert journal.begin_anew()
        journal.append([entry(3), entry(4)], None, NOW)
        journal.settle([(kept.seq, "shipped", None) for kept in asked], NOW)
        assert sorted(keys(journal.pending(10))) == [f"v/1/event/{number}" for number in (1, 2, 3, 4)]

    def test_a_disk_that_takes_nothing_costs_one_checkpoint(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However often the state is saved meanwhile, memory holds the last of it; what waits is told in bytes."""
        hangs, goes_on = threading.Event(), threading.Event()
        append = Journal.append

        def hang(*arguments: Any) -> int:
            hangs.set()
            goes_on.wait(300)
            return append(*arguments)

        monkeypatch.setattr(Journal, "append", hang)
        writer = JournalWriter(journal)
        writer.submit([], b"first")
        assert hangs.wait(300)
        for n in range(1000):
            writer.submit([], b"%d" % n)
        assert (writer._new.checkpoint, writer.waiting_bytes) == (b"999", 0)
        writer.submit([entry(1, pad="x" * 5000)], b"last")
        assert 5_000 < writer.waiting_bytes < 7_000
        assert writer.stalled_for > 0
        goes_on.set()
        assert writer.stop(300)
        assert (journal.checkpoint(), writer.waiting_bytes, writer.stalled_for) == (b"last", 0, 0)


class TestSize:
    def test_what_the_ledger_has_goes_first_and_the_rest_stays(self, journal: Journal) -> None:
        """Above its bound the journal lets go of shipped entries, the oldest first; of the others never."""
        journal.append([entry(n, pad="x" * 1000) for n in range(1, 1001)], None, NOW)
        for n in range(1, 801):
            journal.settle([(n, "shipped", None)], NOW + n)
        full = journal.size
        assert full > 1_000_000
        while journal.shrink(full // 2, 50):
            pass
        assert journal.size <= full // 2
        assert next(journal.entries()).seq > 400
        assert journal.counts()["pending"] == 200
        while journal.shrink(1, 50):
            pass
        assert journal.counts() == {"pending": 200, "shipped": 0, "dead": 0}
        assert journal.verify() == []


# ---------------------------------------------------------------------------------------------- what is odd in it


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("op = 'cut'", "no op 'cut'"),
        ("fields = '[1]'", "its fields are not a JSON object"),
        ("fields = '{'", "its fields are not a JSON object"),
        ("fields = x'00'", "its fields are not a JSON object"),
        ("key = 'v/1/event/7'", "it differs from what was saved"),
        ("session_key = 'v/2'", "it differs from what was saved"),
        ("version = version + 1", "it differs from what was saved"),
        ("version = 'soon'", "it differs from what was saved"),
        ("revision = 1", "it differs from what was saved"),
        ("retracted = '{}'", "it differs from what was saved"),
        ("digest = 7", "it differs from what was saved"),
        # One of a journal that had no digests yet: what can be told without one is told.
        ("digest = NULL, retracted = '['", "it differs from what was saved"),
        ("digest = NULL, retracted = '7'", "it differs from what was saved"),
        ("digest = NULL, fields = '7'", "its fields are not a JSON object"),
        ("digest = NULL, version = 'soon'", "it differs from what was saved"),
        ("digest = NULL, revision = 'soon'", "it differs from what was saved"),
        ("digest = NULL, key = x'00'", "it differs from what was saved"),
        ("digest = NULL, session_key = x'00'", "it differs from what was saved"),
        ("digest = NULL", None),
        ("committed_at = 7", None),
        ("committed_at = 'soon'", "the time of its commit is not a number"),
    ],
)
def test_verify_reads_every_column(path: Path, change: str, words: str | None) -> None:
    """A row that is not what was kept is named with its number and key, whichever column it is; the others are well."""
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(number) for number in range(3)], b"{}", NOW)
    sqlite(path, f"UPDATE entries SET {change} WHERE seq = 2")  # noqa: S608 - words of this test
    with Journal.open(path, readonly=True) as journal:
        problems = journal.verify()
    key = "v/1/event/7" if change.startswith("key") else "b'\\x00'" if " key" in change else "v/1/event/1"
    assert problems == ([] if words is None else [f"entry 2 ({key}): {words}"])


@pytest.mark.parametrize("counted", [2, 4])
def test_verify_names_a_tally_that_says_less_or_more(path: Path, counted: int) -> None:
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(number) for number in range(3)], b"{}", NOW)
    sqlite(path, f"UPDATE tally SET n = {counted} WHERE state = 'pending'")  # noqa: S608 - words of this test
    with Journal.open(path, readonly=True) as journal:
        assert journal.verify() == [f"the tally of pending says {counted}, there are 3"]


def test_verify_reads_every_row_of_every_page(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of one page and the first of the next, too."""
    monkeypatch.setattr(verify, "_PAGE", 2)
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(number) for number in range(5)], b"{}", NOW)
    sqlite(path, "UPDATE entries SET committed_at = 'soon'")
    with Journal.open(path, readonly=True) as journal:
        assert [problem.split()[1] for problem in journal.verify()] == ["1", "2", "3", "4", "5"]


def test_an_entry_without_the_time_of_its_commit_is_whole(path: Path) -> None:
    """It goes out as it was kept, and what counts ages counts it as old."""
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(1)], b"{}", NOW)
    sqlite(path, "UPDATE entries SET committed_at = 'soon'")
    with Journal.open(path, owner=True) as journal:
        assert [kept.entry for kept in journal.pending(10)] == [entry(1)]
        assert journal.depth() == (1, 0)
        assert not journal.moved_aside


def test_two_retractions_of_one_row_are_two(journal: Journal) -> None:
    """They differ by their reason alone, and both are kept; the same once more is not."""
    said = [
        structs.replace(entry(1), revision=1, retracted={"at": NOW, "reason": reason}) for reason in ("wrong", "twice")
    ]
    assert journal.append(said, None, NOW) == 2
    assert journal.append([said[1], said[0]], None, NOW) == 0
    assert journal.append([entry(1)], None, NOW) == 1
    assert [kept.entry.retracted for kept in journal.entries()][:2] == [one.retracted for one in said]


def test_pruning_has_edges(journal: Journal) -> None:
    """What was taken at that very moment stays; none is asked for, none goes; and no more than were asked for."""
    journal.append([entry(number) for number in range(6)], None, NOW)
    journal.settle([(seq, "shipped", None) for seq in (1, 2, 3)], NOW)
    journal.settle([(seq, "shipped", None) for seq in (4, 5)], NOW + 1)
    assert journal.prune(NOW) == 0
    assert journal.prune(NOW + 1, 0) == 0
    assert journal.prune(NOW + 1, 2) == 2
    assert [kept.seq for kept in journal.entries()] == [3, 4, 5, 6]
    assert journal.prune(NOW + 1) == 1
    assert journal.prune(0) == 0
    assert [kept.seq for kept in journal.entries()] == [4, 5, 6]


def test_what_waits_by_itself_says_why_until_it_goes(journal: Journal) -> None:
    """The reason stands beside it, is nobody else's, and goes with its end."""
    journal.append([entry(1), entry(2)], None, NOW)
    journal.settle([(2, "shipped", None)], NOW)
    journal.note([(1, "timeout: …"), (2, "timeout: …")])
    journal.note([])
    assert [(kept.state, kept.reason) for kept in journal.entries()] == [("pending", "timeout: …"), ("shipped", None)]
    journal.settle([(1, "shipped", None)], NOW)
    assert [(kept.state, kept.reason) for kept in journal.entries()] == [("shipped", None)] * 2


def test_the_rows_of_one_venue_are_asked_for_by_how_their_keys_begin(journal: Journal) -> None:
    rows = [Entry(key, "session", key, NOW, {"status": "complete"}) for key in ("v/1", "w/1", "v/2", "va/1")]
    journal.append([*rows, entry(1)], None, NOW)
    assert sorted(keys(journal.session_rows("v/"))) == ["v/1", "v/2"]
    assert sorted(keys(journal.session_rows())) == ["v/1", "v/2", "va/1", "w/1"]


def test_a_step_whose_number_somebody_took_meanwhile_keeps_nothing(journal: Journal) -> None:
    """Two people chose at once: the second one has to look again."""
    step = Step(1, "rename", NOW, "anna", ["v/1"], {"title": "One"}, {})
    assert journal.repair([entry(1)], {}, NOW, step)
    assert not journal.repair([entry(2)], {}, NOW, structs.replace(step, by="bert"))
    assert keys(journal.entries()) == ["v/1/event/1"]
    assert [kept.by for kept in journal.steps()] == ["anna"]


def test_a_large_checkpoint_fills_whole_pages_and_comes_back(journal: Journal) -> None:
    """Those that did not change are not written again. A small one is kept as it is."""
    for length in (10, 4_096, 4_097, 8_000, 8_192):
        checkpoint = b'{"a":"' + b"x" * (length - 8) + b'"}'
        journal.append([], checkpoint, NOW)
        (((kept,),),) = sqlite(journal.path, "SELECT length(data) FROM checkpoint WHERE part = 'machine'")
        assert kept == (length if length <= 4_096 else -(-length // 4_096) * 4_096)
        assert journal.checkpoint() == checkpoint


def test_what_the_machine_remembers_is_kept_record_by_record(journal: Journal) -> None:
    """One that is None goes; ``…:*`` takes all that begin so; the others stay as they are."""
    journal.append([], Checkpoint(b"1", {"m:1:a": b"one", "m:1:b": b"two", "m:2:a": b"three"}), NOW)
    assert dict(journal.memory()) == {"m:1:a": b"one", "m:1:b": b"two", "m:2:a": b"three"}
    journal.append([], Checkpoint(b"2", {"m:1:a": None, "m:1:c": b"four"}), NOW)
    assert dict(journal.memory()) == {"m:1:b": b"two", "m:1:c": b"four", "m:2:a": b"three"}
    journal.append([], Checkpoint(b"3", {f"m:1:{ALL_OF_IT}": None}), NOW)
    assert dict(journal.memory()) == {"m:2:a": b"three"}
    journal.append([], Checkpoint(b"4", {"m:3:a": b"five"}, whole=True), NOW)
    assert dict(journal.memory()) == {"m:3:a": b"five"}


class BrokenLog:
    """A database whose log cannot be brought into its file."""

    def __init__(self, code: int) -> None:
        self._code = code

    def execute(self, _: str) -> Any:
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = self._code
        raise error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_FSYNC])
def test_a_log_that_the_disk_does_not_give_is_told(code: int) -> None:
    with pytest.raises(sqlite3.OperationalError):
        JournalFile._begin_the_log_anew(cast("sqlite3.Connection", BrokenLog(code)))


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL])
def test_a_log_that_somebody_reads_or_that_has_no_room_stays_as_it_is(code: int) -> None:
    JournalFile._begin_the_log_anew(cast("sqlite3.Connection", BrokenLog(code)))
