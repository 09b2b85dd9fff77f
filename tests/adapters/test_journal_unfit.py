"""An entry that no journal can ever keep: it lies aside with the reason, and nothing else waits for it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal, JournalWriter, batch, unfit
from tap.core.backoff import Backoff
from tap.core.errors import JournalError
from tap.core.model import Entry
from tests.adapters.test_journal import NOW, entry, keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.open(path, owner=True) as journal:
        yield journal


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNFIT = {
    "a version beyond 64 bits": Entry("v/1/x", "session", "v/1", 10**19, {}),
    "a version of 309 digits": Entry("v/1/x", "session", "v/1", int(1e308), {}),
    "half a surrogate pair in its key": Entry("v/1/\ud800", "event", "v/1", 1, {}),
    "one in its session": Entry("v/1/x", "event", "v/\udfff", 1, {}),
    "no version": Entry("v/1/x", "event", "v/1", None, {}),  # type: ignore[arg-type]
    "an object for a version": Entry("v/1/x", "event", "v/1", object(), {}),  # type: ignore[arg-type]
    "fields without a bottom": Entry("v/1/x", "event", "v/1", 1, {"detail": deep(3_000)}),
}


def aside(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.with_name("set-aside.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("name", UNFIT)
def test_it_alone_is_set_aside(path: Path, journal: Journal, name: str) -> None:
    """With its reason, on the disk; what came before, with and after it is kept, with the last checkpoint."""
    writer = JournalWriter(journal, now=lambda: NOW)
    durable = threading.Event()
    writer.submit([entry(1)], b"1")
    writer.submit([entry(2), UNFIT[name], entry(3)], b"2", durable.set)
    assert durable.wait(300)
    writer.submit([entry(4)], b"3")
    assert writer.stop(300)
    assert keys(journal.entries()) == [f"v/1/event/{number}" for number in (1, 2, 3, 4)]
    assert (journal.checkpoint(), writer.failing) == (b"3", None)
    assert (writer.waiting, writer.waiting_bytes, writer.set_aside) == (0, 0, 1)
    (line,) = aside(path)
    assert line["reason"]
    assert line["at"] == NOW
    assert writer.why_aside is not None
    assert line["reason"][:50] in writer.why_aside
    assert path.with_name("set-aside.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_whole_batch_of_them_holds_nothing_up(path: Path, journal: Journal) -> None:
    """Nor does one without anything beside it."""
    writer = JournalWriter(journal)
    writer.submit(list(UNFIT.values()), None)
    writer.submit([], b"1")
    assert writer.stop(300)
    assert (keys(journal.entries()), journal.checkpoint()) == ([], b"1")
    assert (len(aside(path)), writer.set_aside, writer.waiting) == (len(UNFIT), len(UNFIT), 0)


def test_a_journal_that_keeps_nothing_is_not_the_entries_fault(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason that the journal gives: where it does not keep what is surely fit, nothing is set aside."""
    monkeypatch.setattr(JournalWriter, "_BACKOFF", Backoff(0.01, 5.0))
    tried, insert = threading.Event(), batch.insert_new
    calls = 0

    def broken(db: sqlite3.Connection, rows: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 5:
            tried.set()
        raise OverflowError("a bug of ours")

    monkeypatch.setattr("tap.adapters.journal.outbox.insert_new", broken)
    monkeypatch.setattr("tap.adapters.journal.unfit.insert_new", broken)
    writer = JournalWriter(journal)
    writer.submit([entry(1)], b"1")
    assert tried.wait(300)
    assert "a bug of ours" in str(writer.failing)
    assert (writer.waiting, writer.set_aside) == (1, 0)
    monkeypatch.setattr("tap.adapters.journal.outbox.insert_new", insert)
    assert writer.stop(300)
    assert keys(journal.entries()) == ["v/1/event/1"]
    assert not path.with_name("set-aside.jsonl").exists()


def test_a_full_disk_is_not_either(path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the batch has such an entry: nothing is told apart until there is room."""
    monkeypatch.setattr(JournalWriter, "_BACKOFF", Backoff(0.01, 5.0))
    pages = journal._file.db.execute("PRAGMA page_count").fetchone()[0]
    journal._file.db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    writer = JournalWriter(journal)
    bad = Entry("v/1/x", "session", "v/1", 10**19, {})
    writer.submit([*[entry(number, pad="x" * 2_000) for number in range(50)], bad], b"1")
    while writer.failing is None or "full" not in writer.failing:
        threading.Event().wait(0.005)
    assert writer.waiting == 51
    room = journal._file.db.execute("PRAGMA max_page_count = 1000000")
    room.close()
    assert writer.stop(300)
    assert keys(journal.entries()) == [f"v/1/event/{number}" for number in range(50)]
    assert (len(aside(path)), writer.set_aside) == (1, 1)


def test_where_the_file_takes_nothing_the_journal_does_all_the_same(
    path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with every commit."""
    place = path.with_name("set-aside.jsonl")
    place.mkdir()
    writer = JournalWriter(journal)
    writer.submit([UNFIT["no version"], entry(1)], b"1")
    assert writer.run_in_writer(lambda journal: keys(journal.entries())).result(300) == ["v/1/event/1"]
    place.rmdir()
    writer.submit([entry(2)], b"2")
    assert writer.stop(300)
    assert len(aside(path)) == 1


def test_the_file_is_bounded_and_mends_a_torn_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that a crash has cut spoils no other."""
    monkeypatch.setattr(unfit, "_LARGEST", 1_000)
    path.parent.mkdir()
    line = unfit.line_of(entry(1), "no", NOW)
    place = path.with_name("set-aside.jsonl")
    place.write_bytes(line[:20])
    unfit.keep_aside(path, [line] * 20)
    whole = place.read_bytes().splitlines()
    assert whole[0] == line[:20]
    assert [json.loads(one)["key"] for one in whole[1:]] == ["v/1/event/1"] * ((1_000 - 21) // len(line))
    assert place.stat().st_size <= 1_000


def test_a_shoot_that_is_forgotten_goes_from_there_too(path: Path, journal: Journal) -> None:
    """Lines of others stay, torn ones that name it do not."""
    writer = JournalWriter(journal)
    writer.submit([UNFIT["no version"], Entry("v/2/x", "event", "v/2", 10**19, {}), entry(1)], b"1")
    assert writer.stop(300)
    place = path.with_name("set-aside.jsonl")
    with place.open("ab") as file:
        file.write(b'{"reason":"no","key":"v/1/ev')
    assert journal.forget("v/1") == 3
    assert [line["sessionKey"] for line in aside(path)] == ["v/2"]
    assert journal.forget("v/3") == 0


def test_a_file_that_cannot_be_cleaned_is_told(path: Path, journal: Journal) -> None:
    """Who was promised that it is forgotten has to know that it is not."""
    path.with_name("set-aside.jsonl").mkdir()
    with pytest.raises(JournalError, match="cannot be rewritten"):
        journal.forget("v/1")


def test_what_is_written_of_a_value_is_bounded() -> None:
    """It could be anything: of what has no end in JSON, a hundred thousand letters are enough to see what it was."""
    nested: dict[str, Any] = {"x": "y" * 300_000}
    nested["itself"] = nested
    said = json.loads(unfit.line_of(Entry("k", "event", "v/1", 1, nested), "no", NOW))
    assert len(said["fields"]) == 100_000
