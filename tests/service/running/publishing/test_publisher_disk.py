"""A disk that takes nothing keeps nothing from a ledger that is well: neither what is on it nor what waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.ledger import Ledger
from tap.core.backoff import Backoff
from tap.core.errors import JournalBusy, JournalError
from tap.core.model import Entry
from tests.adapters.test_ledger import event
from tests.contract.stub import fails, status, stubbed
from tests.service.running.publishing.test_publisher import KEY, UNHURRIED, Venue, keys, until, venue_at
from tests.service.running.publishing.test_publisher_lies import VERY_QUICK, Faulty

FULL = JournalError("the disk is full (database or disk is full)", where="journal.db", hint="make room")


class Disk:
    """Of every journal: whether it takes anything, and whether it gives anything."""

    def __init__(self) -> None:
        self.full: JournalError | None = None
        self.unreadable = False

    def refuse(self) -> None:
        if self.full is not None:
            raise self.full


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(JournalWriter, "_BACKOFF", Backoff(0.01, 0.02))

    def guard(name: str, *, reads: bool = False) -> None:
        really = getattr(Journal, name)

        def guarded(journal: Journal, *arguments: Any) -> Any:
            if not reads or disk.unreadable:
                disk.refuse()
            return really(journal, *arguments)

        monkeypatch.setattr(Journal, name, guarded)

    for name in ("append", "settle", "note", "forget"):
        guard(name)
    for name in ("pending", "counts"):
        guard(name, reads=True)
    return disk


@contextmanager
def full(disk: Disk, *, error: JournalError = FULL, unreadable: bool = False) -> Iterator[None]:
    disk.full, disk.unreadable = error, unreadable
    try:
        yield
    finally:
        disk.full, disk.unreadable = None, False


async def ready(venue: Venue) -> None:
    await until(lambda: venue.shipping.last_success)


def events(*numbers: int) -> list[Entry]:
    return [event(number) for number in numbers]


@asynccontextmanager
async def with_backlog(path: Path, url: str) -> AsyncIterator[Venue]:
    """A venue with 1,000 entries on its disk, whose publisher has yet to be started."""
    venue = Venue(path / "journal.db", Ledger(url, KEY))
    try:
        venue.submit(*events(*range(1_000)))
        await venue.counts()
        yield venue
    finally:
        await venue.end()


@pytest.mark.parametrize("unreadable", [False, True])
async def test_what_happens_while_it_is_full_goes_from_memory(tmp_path: Path, disk: Disk, unreadable: bool) -> None:
    """In order, at once; when there is room it is kept, and what is sent again is known as sent."""

    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), event(0)) as venue:
        assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}
        with full(disk, unreadable=unreadable):
            for number in range(1, 500):
                venue.submit(event(number))
                if number % 100 == 0:
                    await until(lambda number=number: len(stub.keys) > number)  # type: ignore[misc]
            await until(lambda: len(stub.keys) == 500)
            await until(lambda: venue.shipping.state == "idle")
            calls = stub.calls
            assert venue.writer.waiting == 499
            assert venue.writer.failing is not None
            venue.publisher.notify()
            await until(lambda: venue.shipping.state == "idle")
            assert stub.calls == calls
        assert await venue.settled() == {"pending": 0, "shipped": 500, "dead": 0}
        assert stub.keys == keys(events(*range(500)))
        assert await venue.ask(lambda journal: keys([kept.entry for kept in journal.entries()])) == stub.keys


async def test_a_gap_waits_for_the_disk(tmp_path: Path, disk: Disk) -> None:
    """After a kill nothing here would know of it, and the next start has a gap over the same time: one is enough."""

    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY)) as venue:
        await ready(venue)
        gap = event(2, kind="gap")
        with full(disk):
            venue.submit(event(1), gap, event(3))
            await until(lambda: len(stub.keys) >= 2)
            await until(lambda: venue.shipping.state == "idle")
            assert stub.keys == keys(events(1, 3))
            venue.submit(event(4, kind="gap"))
            venue.submit(event(5))
            await until(lambda: len(stub.keys) == 3)
        assert await venue.settled() == {"pending": 0, "shipped": 5, "dead": 0}
        assert stub.keys == [*keys(events(1, 3, 5)), *keys(events(2, 4))]


async def test_a_backlog_on_it_goes_out_while_it_is_full(tmp_path: Path, disk: Disk) -> None:
    """Not its first batch over and over: the answers wait in memory, and are noted when there is room."""

    async with stubbed() as (stub, url), with_backlog(tmp_path, url) as venue:
        with full(disk):
            venue.start()
            await until(lambda: len(stub.keys) == 1_000)
            await until(lambda: venue.shipping.waiting == 0)
            calls = stub.calls
            assert await venue.counts() == {"pending": 1_000, "shipped": 0, "dead": 0}
        assert await venue.settled() == {"pending": 0, "shipped": 1_000, "dead": 0}
        assert (stub.keys, stub.calls) == (keys(events(*range(1_000))), calls)


async def test_what_waits_in_memory_for_it_is_bounded(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond so many answers it stops, says why, and goes on when there is room."""
    monkeypatch.setattr("tap.service.running.publishing.publisher._MOST_UNSETTLED", 500)

    async with stubbed() as (stub, url), with_backlog(tmp_path, url) as venue:
        with full(disk):
            venue.start()
            await until(lambda: venue.shipping.state == "blocked")
            assert "the disk is full" in str(venue.shipping.reason)
            assert len(stub.keys) == 600
        assert await venue.settled() == {"pending": 0, "shipped": 1_000, "dead": 0}


async def test_an_answer_that_it_does_not_take_is_kept_in_mind(tmp_path: Path, disk: Disk) -> None:
    """What the ledger has is not sent again and again; it is noted when there is room."""
    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=UNHURRIED) as venue:
        await ready(venue)
        await venue.publish(event(1))
        calls = stub.calls
        with full(disk):
            for _ in range(5):
                venue.publisher.notify()
                await venue.publisher_works()
                assert await venue.counts() == {"pending": 1, "shipped": 0, "dead": 0}
            assert (stub.calls, venue.shipping.waiting) == (calls, 0)
        assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}
        assert stub.calls == calls


async def test_where_another_tap_has_the_journal_nothing_is_sent(tmp_path: Path, disk: Disk) -> None:
    """What this one has in memory would be a second history."""

    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY)) as venue:
        await ready(venue)
        with full(disk, error=JournalBusy("is in use", where="journal.db"), unreadable=True):
            venue.submit(event(1))
            await until(lambda: venue.writer.failing)
            venue.publisher.notify()
            await until(lambda: venue.shipping.state == "blocked")
            assert "in use" in str(venue.shipping.reason)
            assert stub.keys == []
        assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}


@pytest.mark.parametrize("fault", [fails(), status(400)])
async def test_a_bad_entry_in_memory_holds_up_none_behind_it(tmp_path: Path, disk: Disk, fault: Any) -> None:
    """It is left out there; from the journal it is found, told, and tried again as ever."""
    bad = True

    async def body() -> None:
        nonlocal bad
        async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=VERY_QUICK) as venue:
            await ready(venue)
            stub.faults = Faulty(lambda body: fault if bad and event(3).key.encode() in body else None)
            with full(disk):
                venue.submit(*events(*range(1, 8)))
                await until(lambda: len(stub.keys) == 6)
            assert await venue.settled(postponed=1) == {"pending": 1, "shipped": 6, "dead": 0}
            bad = False
            assert await venue.settled() == {"pending": 0, "shipped": 7, "dead": 0}

    await body()


async def test_a_ledger_that_is_away_too_is_waited_for(tmp_path: Path, disk: Disk) -> None:
    """With the usual patience; nothing is skipped."""

    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=VERY_QUICK) as venue:
        await ready(venue)
        stub.faults = [status(503)] * 9
        with full(disk):
            venue.submit(*events(1, 2, 3))
            await until(lambda: venue.shipping.state == "away")
            await until(lambda: len(stub.keys) == 3)
        assert await venue.settled() == {"pending": 0, "shipped": 3, "dead": 0}
        assert stub.keys == keys(events(1, 2, 3))


def test_a_place_in_memory_is_good_until_the_next_commit(tmp_path: Path, disk: Disk) -> None:
    """Then it begins anew with what waits by then."""
    with Journal.open(tmp_path / "journal.db", owner=True) as journal:
        writer = JournalWriter(journal)
        with full(disk):
            writer.submit(events(1, 2, 3), None)
            while writer.failing is None:
                pass
            place, found = writer.in_memory(2)
            assert found == events(1, 2)
            place, found = writer.in_memory(2, place)
            assert found == events(3)
            assert writer.in_memory(2, place) == (place, [])
            writer.submit(events(4), None)
            after, found = writer.in_memory(9, place)
            assert found == events(4)
        writer.run_in_writer(lambda journal: journal.counts()).result(300)
        assert writer.in_memory(9, after)[1] == []
        with full(disk):
            writer.submit(events(5), None)
            assert writer.in_memory(9, after)[1] == events(5)
        assert writer.stop(300)


def test_who_asks_anyway_is_answered_while_it_is_full(tmp_path: Path, disk: Disk) -> None:
    """What reads succeeds, what writes fails with its own reason; who does not ask so is refused."""
    with Journal.open(tmp_path / "journal.db", owner=True) as journal:
        journal.append(events(1), None, 1)
        writer = JournalWriter(journal)
        with full(disk):
            writer.submit(events(2), None)
            while writer.failing is None:
                pass
            for _ in range(20):
                counts = writer.run_in_writer(lambda journal: journal.counts(), anyway=True).result(300)
                assert counts["pending"] == 1
            with pytest.raises(JournalError, match="disk is full"):
                writer.run_in_writer(lambda journal: journal.settle([(1, "shipped", None)], 1), anyway=True).result(300)
            with pytest.raises(JournalError, match="disk is full"):
                writer.run_in_writer(lambda journal: journal.counts()).result(300)
        assert writer.run_in_writer(lambda journal: journal.counts()).result(300)["pending"] == 2
        assert writer.stop(300)
