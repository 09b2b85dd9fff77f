"""What the journal costs, in numbers that no machine changes: statements, plans of queries, pages written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import orjson
import pytest

from tap.adapters.journal import Journal, file, schema
from tap.adapters.journal.batch import known_among
from tap.adapters.journal.rows import row_of
from tap.core.model import Entry
from tests.adapters.test_journal import NOW, entry, keys, sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, owner=True) as journal:
        yield journal


@contextmanager
def traced(db: sqlite3.Connection) -> Iterator[list[str]]:
    """The statements that are run meanwhile, each once: for what its triggers do, SQLite names it again."""
    seen: list[str] = []
    db.set_trace_callback(lambda sql: None if sql in seen[-1:] else seen.append(sql))
    try:
        yield seen
    finally:
        db.set_trace_callback(None)


class TestStatements:
    @pytest.mark.parametrize(("rows", "statements"), [(1, 5), (16, 5), (100, 9), (1_000, 37)])
    def test_few_for_many(self, journal: Journal, rows: int, statements: int) -> None:
        """A batch is a transaction, a look whether the session was repaired, and two statements for 64 rows."""
        with traced(journal._file.db) as seen:
            assert journal.append([entry(n) for n in range(rows)], None, NOW) == rows
        assert len(seen) == statements

    def test_a_checkpoint_is_two(self, journal: Journal) -> None:
        """The state and its digest; nothing is looked up where no entry comes with it."""
        with traced(journal._file.db) as seen:
            journal.append([], b"{}", NOW)
        assert [sql.split()[0] for sql in seen] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]

    def test_texts_are_few(self, journal: Journal) -> None:
        """Whatever the sizes of batches, so few statements are prepared that SQLite's module keeps them all."""
        texts: set[str] = set()
        numbers = count()
        for rows in range(1, 200):
            batch = [row_of(entry(next(numbers)), NOW) for _ in range(rows)]
            with traced(journal._file.db) as seen:
                known_among(journal._file.db, batch)
            texts |= {re.sub(r"'(?:[^']|'')*'|\d+", "?", sql) for sql in seen}
        assert len(texts) <= 20


class TestBatches:
    @pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 63, 64, 65, 80, 150])
    def test_all_in_order_and_once(self, journal: Journal, rows: int) -> None:
        """Whatever its size, a batch is kept in order; given again, with more behind it, only that is new."""
        batch = [entry(n) for n in range(rows)]
        assert journal.append(batch, None, NOW) == rows
        assert journal.append([*batch, entry(rows), entry(rows)], None, NOW) == 1
        assert keys(journal.entries()) == [f"v/1/event/{n}" for n in range(rows + 1)]
        assert journal.verify() == []

    def test_twice_in_one_batch(self, journal: Journal) -> None:
        """What stands in a batch twice is kept once; what differs in one column only is another."""
        one = entry(1)
        others = [
            Entry(one.key, "still", one.session_key, one.version, one.fields),
            Entry(one.key, one.op, "v/2", one.version, one.fields),
            Entry(one.key, one.op, one.session_key, one.version + 1, one.fields),
            Entry(one.key, one.op, one.session_key, one.version, {**one.fields, "more": 1}),
            Entry(one.key, one.op, one.session_key, one.version, one.fields, 1),
            Entry(one.key, one.op, one.session_key, one.version, one.fields, 1, {"at": NOW, "reason": "x"}),
        ]
        with Journal.open(journal.path) as other:
            assert other.append([one, *others, one, *others], None, NOW) == 7
            assert other.append([*others, one], None, NOW) == 0


def _everything(journal: Journal) -> None:
    """Whatever a service asks, at its start, at each commit, and by its timers; and the questions about one session."""
    journal.append([entry(50_000)], b"{}", NOW)
    journal.append([entry(n) for n in range(50_000, 50_020)], b"{}", NOW)
    journal.checkpoint(), journal.tap_id(), journal.revision("v/1"), journal.last_entry("v/1")
    journal.pending(100), journal.pending(100, 7), journal.depth(), journal.counts(), journal.size
    journal.settle([(1, "shipped", None), (2, "dead", "no")], NOW)
    journal.prune(NOW - 1, 10), journal.shrink(1, 10)
    journal.retry_dead([2])
    journal.repair([entry(60_000)], {"v/1": 10**9}, NOW)
    next(journal.session_entries("v/1")), next(journal.entries("v/1", op="session"), None)
    next(journal.entries(state="dead"), None), next(journal.entries(after=5))
    next(journal.session_rows("v/"), None)


class TestPlans:
    def test_nothing_reads_what_grows(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        """However long the journal, no question of the service's goes through all of it, or sorts what it finds."""
        journal.append([entry(n) for n in range(3_000)], None, NOW)
        made: list[str] = []
        opened = schema.connect
        looks: list[Callable[[], None]] = []

        def connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
            db = opened(path, readonly=readonly)
            db.set_trace_callback(made.append)
            looks.append(lambda: db.set_trace_callback(None))
            return db

        monkeypatch.setattr(file, "connect", connect)
        journal.close()
        with Journal.open(journal.path, owner=True) as again:
            _everything(again)
            looks[0]()
            asked = [sql for sql in made if re.match(r"(SELECT|WITH|UPDATE|DELETE|INSERT)", sql.strip())]
            assert len(asked) > 25
            plans = {sql: [row[3] for row in again._file.db.execute("EXPLAIN QUERY PLAN " + sql)] for sql in asked}
        # Small tables; and the oldest of what may go, in the order of its index, up to a LIMIT.
        small = re.compile(r"SCAN (tally|checkpoint|meta|given|.*CONSTANT ROW|entries USING INDEX entries_to_prune)")
        bad = {
            sql: plan
            for sql, plan in plans.items()
            if any(("SCAN" in step and not small.match(step)) or "TEMP" in step or "AUTOMATIC" in step for step in plan)
        }
        assert bad == {}


def state_of(stills: int, cuts: int) -> bytes:
    """What grows first, then what changes."""
    return orjson.dumps({"stills": {f"still-{n}": "x" * 300 for n in range(stills)}, "cuts": cuts, "pad": "y" * 2_000})


class TestCheckpoint:
    def test_it_comes_back_as_it_was(self, path: Path, journal: Journal) -> None:
        """Whatever its size, though the file holds it in whole pages."""
        for size in (2, 100, 4_095, 4_096, 4_097, 8_192, 50_000):
            checkpoint = orjson.dumps("x" * (size - 2))
            journal.append([], checkpoint, NOW)
            assert journal.checkpoint() == checkpoint
            with Journal.open(path, readonly=True) as reader:
                assert reader.checkpoint() == checkpoint
                assert reader.verify() == []

    def test_only_what_changed_is_written(self, path: Path, journal: Journal) -> None:
        """A state of 300 KB of which the end changed costs as few pages as a small one."""
        log = path.with_name("journal.db-wal")
        journal._file.db.execute("PRAGMA wal_autocheckpoint = 0")

        def pages(checkpoint: bytes) -> int:
            before = log.stat().st_size
            journal.append([], checkpoint, NOW)
            return (log.stat().st_size - before) // 4_120

        assert pages(state_of(1_000, 1)) > 70
        assert max(pages(state_of(1_000, cuts)) for cuts in range(2, 1_000, 100)) <= 4
        assert journal.checkpoint() == state_of(1_000, 902)

    def test_what_is_torn_is_found(self, path: Path, journal: Journal) -> None:
        """One byte of it, anywhere, that is not what was kept: the owner begins anew, and says so."""
        journal.append([entry(1)], state_of(100, 1), NOW)
        journal.close()
        torn = "replace(data, '\"cuts\":1', '\"cuts\":7')"
        sqlite(path, f"UPDATE checkpoint SET data = CAST({torn} AS BLOB) WHERE part = 'machine'")  # noqa: S608
        with Journal.open(path, owner=True) as again:
            assert len(again.moved_aside) == 1
            assert again.checkpoint() is None
            assert keys(again.entries()) == ["v/1/event/1"]
