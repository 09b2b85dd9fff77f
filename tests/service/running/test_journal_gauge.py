"""What the journal's gauge finds, and what a look costs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tap.adapters.journal import Journal, JournalWriter
from tap.core.model import Entry
from tap.service.running.journal_gauge import JournalGauge

pytestmark = pytest.mark.anyio

NOW = 1_795_000_000_000


def entry(number: int) -> Entry:
    return Entry(f"hall/s1/{number}", "event", "hall/s1", 1, {"kind": "cut"})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", owner=True) as journal:
        yield journal


async def looked(writer: JournalWriter, path: Path) -> JournalGauge:
    """A gauge that has looked once."""
    gauge = JournalGauge(writer, path, every=3_600.0)
    running = asyncio.create_task(gauge.run())
    async with asyncio.timeout(300):
        while gauge.at is None:  # noqa: ASYNC110 - it is told by another thread
            await asyncio.sleep(0.005)
    running.cancel()
    return gauge


async def test_what_the_ledger_has_is_not_pending_though_no_commit_says_so(journal: Journal) -> None:
    """The look makes none: another cut comes soon, and its commit notes it."""
    times = iter(range(NOW, NOW + 100))
    writer = JournalWriter(journal, now=lambda: next(times))
    for number in range(3):
        writer.submit([entry(number)], None)
        writer.run_in_writer(lambda _: None).result(300)
    writer.note_shipped([1], NOW + 50)
    commits = journal.commits

    gauge = await looked(writer, journal.path)
    assert gauge.counts == {"pending": 2, "shipped": 1, "dead": 0}
    assert gauge.oldest_pending == NOW + 1
    assert journal.commits == commits

    writer.note_shipped([2, 3], NOW + 51)
    gauge = await looked(writer, journal.path)
    assert gauge.counts == {"pending": 0, "shipped": 3, "dead": 0}
    assert gauge.oldest_pending is None
    assert writer.stop(300)
    assert journal.counts() == gauge.counts


async def test_what_is_told_twice_is_not_counted_twice(journal: Journal) -> None:
    """A session that was forgotten meanwhile took entries with it that the ledger had: fewer than none are not left."""
    writer = JournalWriter(journal)
    writer.submit([entry(1)], None)
    writer.run_in_writer(lambda journal: journal.forget("hall/s1")).result(300)
    writer.note_shipped([1], NOW)
    gauge = await looked(writer, journal.path)
    assert gauge.counts == {"pending": 0, "shipped": 0, "dead": 0}
    assert writer.stop(300)


async def test_it_looks_again_and_again(journal: Journal) -> None:
    """A look that came back makes room for the next one."""
    writer = JournalWriter(journal)
    gauge = JournalGauge(writer, journal.path, every=0.01)
    running = asyncio.create_task(gauge.run())
    async with asyncio.timeout(300):
        for number in range(1, 4):
            writer.submit([entry(number)], None)
            while gauge.counts["pending"] < number:  # noqa: ASYNC110 - it is told by another thread
                await asyncio.sleep(0.005)
    running.cancel()
    assert writer.stop(300)
