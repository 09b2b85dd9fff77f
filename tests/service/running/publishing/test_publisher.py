"""Publishing: in order, nothing lost, nothing doubled, whatever the ledger does; and what is wrong is said once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from tap.adapters.journal import Journal, JournalWriter, Kept
from tap.adapters.ledger import Answer, Ledger
from tap.core.errors import JournalError
from tap.core.model import Entry
from tap.service.running.publishing.postponed import PostponedEntries
from tap.service.running.publishing.publisher import Publisher
from tap.service.running.publishing.shipping import Pace, Shipping, Target
from tap.service.secret_files import KeyFile
from tests.adapters.test_ledger import NOW, event, session
from tests.contract.local import ADMIN, Local, key_of, local_ledger
from tests.contract.stub import Stub, fails, half, hang, lost, page, status, stub_process, stubbed, throws

SECRET = "the-key-that-nobody-may-see"
KEY = SecretStr(SECRET)
QUICK = Pace().faster(50)._replace(worrying=60.0)
UNHURRIED = Pace()._replace(look_every=3600.0, note_within=3600.0)


async def until(happened: Callable[[], object]) -> None:
    """As soon as it has happened; a test that waits for ever is ended by its own deadline."""
    while not happened():  # noqa: ASYNC110 - what is waited for is state of others, who tell nobody
        await asyncio.sleep(0.002)


class Venue:
    """A journal with a publisher at it."""

    def __init__(self, path: Path, target: Target, **options: Any) -> None:
        self.journal = Journal.open(path, owner=True)
        self.writer = JournalWriter(self.journal)
        options.setdefault("pace", QUICK)
        options.setdefault("venue", "v")
        options.setdefault("jitter", lambda: 1.0)
        self.publisher = Publisher(self.writer, target, **options)
        self.shipping = self.publisher.shipping
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.publisher.run())

    def submit(self, *entries: Entry) -> None:
        self.writer.submit(list(entries), b"{}", self.publisher.notify)

    async def publish(self, entry: Entry) -> None:
        """Submit one as the service does, and wait until the ledger has it."""
        answered = self.shipping.shipped
        self.writer.submit([entry], b"{}")
        await until(lambda: self.shipping.shipped > answered and self.shipping.state == "idle")

    def on_disk(self) -> dict[str, int]:
        """What another process finds in the journal."""
        with Journal.open(self.journal.path, readonly=True) as journal:
            return {str(state): count for state, count in journal.counts().items()}

    async def ask(self, function: Callable[[Journal], Any]) -> Any:
        return await asyncio.wrap_future(self.writer.run_in_writer(function))

    async def counts(self) -> dict[str, int]:
        counts: dict[str, int] = await self.ask(lambda journal: journal.counts())
        return counts

    async def dead(self) -> list[Kept]:
        dead: list[Kept] = await self.ask(lambda journal: list(journal.entries(state="dead")))
        return dead

    async def settled(self, postponed: int = 0) -> dict[str, int]:
        """Once nothing waits any more but so many by themselves: how many are shipped and dead."""
        counts = await self.counts()
        while counts["pending"] > postponed or self.shipping.postponed != postponed:
            await self.publisher_works()
            counts = await self.counts()
        return counts

    async def postponed(self) -> list[Kept]:
        """Those that wait by themselves."""
        waiting: list[Kept] = await self.ask(lambda journal: [kept for kept in journal.pending(1_000) if kept.reason])
        return waiting

    async def publisher_works(self) -> None:
        """Let it."""
        await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Cancel it, whatever it waits for."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def end(self) -> None:
        await self.stop()
        assert self.task is None or self.task.done()
        assert self.writer.stop(300)
        self.journal.close()


@asynccontextmanager
async def venue_at(path: Path, target: Target, *waiting: Entry, **options: Any) -> AsyncIterator[Venue]:
    """A venue whose publisher runs, with entries that wait already."""
    venue = Venue(path / "journal.db", target, **options)
    try:
        if waiting:
            venue.submit(*waiting)
            await venue.counts()
        venue.start()
        yield venue
    finally:
        await venue.end()


class Slow(Ledger):
    """Goes over its deadline at once in the calls that ``hangs`` names by their entries, and never in another.

    So nobody waits for a deadline that is to pass, and none passes for the machine's sake.
    """

    def __init__(self, url: str, hangs: Callable[[Sequence[Entry]], bool]) -> None:
        super().__init__(url, KEY, deadline=300.0)
        self._hangs = hangs

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        patience = self._connection.seconds
        self._connection.seconds = 0.0 if self._hangs(entries) else patience
        try:
            return await super().ingest(entries)
        finally:
            self._connection.seconds = patience


def keys(entries: Sequence[Entry]) -> list[str]:
    return [entry.key for entry in entries]


# ---------------------------------------------------------------------------------------------- against the stub


async def test_a_single_event_and_then_silence_is_shipped_at_once(tmp_path: Path) -> None:
    """Nobody waits for a batch to fill, nor for the next look into the journal."""

    never = Pace()._replace(look_every=3600.0)
    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=never) as venue:
        await until(lambda: venue.shipping.last_success)
        assert (venue.shipping.state, stub.keys) == ("idle", [])
        venue.submit(event(1))
        await until(lambda: venue.shipping.applied)
        assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}


async def test_an_entry_costs_one_commit_and_no_other_way_to_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up on its commit's way, and the answer is noted with the next commit: to wake a thread, and to
    commit, cost more than all the rest."""
    async with stubbed() as (_, url), venue_at(tmp_path, Ledger(url, KEY), pace=UNHURRIED) as venue:
        await until(lambda: venue.shipping.last_success)
        await venue.publish(event(0))  # what was committed up to here is looked for once more
        ways, commits = 0, venue.journal.commits
        asked = venue.writer.run_in_writer

        def counted(*args: Any, **named: Any) -> Any:
            nonlocal ways
            ways += 1
            return asked(*args, **named)

        monkeypatch.setattr(venue.writer, "run_in_writer", counted)
        for number in range(1, 6):
            await venue.publish(event(number))
        assert (ways, venue.journal.commits - commits) == (0, 5)
        assert venue.on_disk() == {"pending": 1, "shipped": 5, "dead": 0}
        monkeypatch.undo()
        assert await venue.counts() == {"pending": 0, "shipped": 6, "dead": 0}


async def test_what_was_just_committed_is_sent_without_reading_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing else waits, it is all there is to send; else the journal is read, and the older goes first."""
    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=UNHURRIED) as venue:
        await until(lambda: venue.shipping.last_success)
        await venue.publish(event(0))
        reads = 0
        pending = venue.journal.pending

        def counted(*args: Any) -> list[Kept]:
            nonlocal reads
            reads += 1
            return pending(*args)

        monkeypatch.setattr(venue.journal, "pending", counted)
        await until(lambda: venue.writer._after_commit)
        await venue.publish(event(1))
        before = reads
        for number in (2, 3):
            await until(lambda: venue.writer._after_commit)
            await venue.publish(event(number))
        assert reads == before
        await until(lambda: venue.writer._after_commit)
        venue.publisher._batches.saw_all = False
        await venue.publish(event(4))
        assert reads > before
        assert stub.keys == keys([event(number) for number in range(5)])


async def test_after_a_journal_that_could_not_be_read_it_is_read_again(tmp_path: Path) -> None:
    """Nobody knows then what waits in it: what is committed next may not be all."""

    async def broken(_: object) -> list[Kept]:
        raise JournalError("cannot be read")

    async with stubbed() as (_, url), venue_at(tmp_path, Ledger(url, KEY), pace=UNHURRIED) as venue:
        await until(lambda: venue.writer._after_commit)
        publisher = venue.publisher
        assert publisher._batches.saw_all
        with patch.object(publisher, "_in_writer", broken), patch.object(venue.writer, "failing", "disk full"):
            publisher._seen_next = None
            assert await publisher._next() == []
        assert not publisher._batches.saw_all


async def test_an_answer_is_noted_soon_where_nothing_else_is_committed(tmp_path: Path) -> None:
    """Then it has a commit of its own, after a while."""
    soon = UNHURRIED._replace(note_within=0.05)
    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=soon) as venue:
        await until(lambda: venue.shipping.last_success)
        await venue.publish(event(1))
        await until(lambda: venue.on_disk() == {"pending": 0, "shipped": 1, "dead": 0})
        assert stub.keys == keys([event(1)])


async def test_an_answer_is_noted_at_the_end(tmp_path: Path) -> None:
    """A service that was stopped sends nothing twice."""
    async with stubbed() as (_, url), venue_at(tmp_path, Ledger(url, KEY), pace=UNHURRIED) as venue:
        await until(lambda: venue.shipping.last_success)
        await venue.publish(event(1))
        assert venue.on_disk() == {"pending": 1, "shipped": 0, "dead": 0}
        await venue.stop()
        assert venue.writer.stop(300)
        assert venue.on_disk() == {"pending": 0, "shipped": 1, "dead": 0}


async def test_after_a_kill_before_an_answer_was_noted_it_is_sent_again_and_known(tmp_path: Path) -> None:
    """What the disk holds at that moment says that it waits: the ledger takes it as the repetition that it is."""
    killed = tmp_path / "killed"
    killed.mkdir()
    async with stubbed() as (stub, url):
        async with venue_at(tmp_path, Ledger(url, KEY), pace=UNHURRIED) as venue:
            await until(lambda: venue.shipping.last_success)
            await venue.publish(event(1))
            assert venue.on_disk() == {"pending": 1, "shipped": 0, "dead": 0}
            for file in tmp_path.glob("journal.db*"):
                shutil.copy(file, killed)
        async with venue_at(killed, Ledger(url, KEY)) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}
            assert (venue.shipping.applied, venue.shipping.duplicate) == (0, 1)
        assert stub.keys == keys([event(1)])


async def test_order_survives_everything_that_may_happen_to_a_call(tmp_path: Path) -> None:
    """Each entry arrives once, in the order of the journal, through every kind of failure."""
    entries = [event(number) for number in range(900)]
    faults = [status(503), lost, page(), half, hang, lost, status(429, **{"Retry-After": "0"}), fails(), half, lost]

    async with stubbed() as (stub, url):
        stub.faults += faults
        async with venue_at(tmp_path, Ledger(url, KEY, deadline=3.0), *entries[:500]) as venue:
            for entry in entries[500:]:
                venue.submit(entry)
            assert await venue.settled() == {"pending": 0, "shipped": 900, "dead": 0}
        assert stub.keys == keys(entries)
        assert not stub.faults


async def test_the_log_tells_of_changes_and_never_the_key(tmp_path: Path) -> None:
    """One line when the ledger goes away, one when it is back with the count, however many attempts lie between."""

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.faults += [status(503), fails(f"Server Error {SECRET}"), *[status(503)] * 20]
            async with venue_at(tmp_path, Ledger(url, KEY), *[event(number) for number in range(7)]) as venue:
                await until(lambda: venue.shipping.state == "away")
                assert venue.shipping.reason is not None
                assert "503" in venue.shipping.reason
                await venue.settled()
                await until(lambda: venue.shipping.state == "idle")
                assert (venue.shipping.failures, venue.shipping.waiting) == (22, 0)
                assert not venue.shipping.reason

    with capture_logs() as logs:
        await body()
    assert [log["event"] for log in logs] == [
        "the ledger is away; entries are saved in the journal",
        "the ledger is back",
    ]
    assert (logs[1]["waiting"], logs[1]["failures"]) == (7, 22)
    assert SECRET not in str(logs)


async def test_a_ledger_that_stays_away_is_a_warning_once(tmp_path: Path) -> None:
    """Going away is none, since it mostly mends itself; staying away is, with what to do."""

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.faults += [status(503)] * 30
            pace = QUICK._replace(worrying=0.0)
            async with venue_at(tmp_path, Ledger(url, KEY), event(1), pace=pace) as venue:
                await venue.settled()
                await until(lambda: venue.shipping.state == "idle")

    with capture_logs() as logs:
        await body()
    told = [(log["log_level"], log["event"]) for log in logs]
    assert told[:2] == [
        ("info", "the ledger is away; entries are saved in the journal"),
        ("warning", "the ledger is still away; entries are saved in the journal"),
    ]
    assert [event for _, event in told[2:]] == ["the ledger is back"]
    assert "nothing is lost" in logs[1]["next_step"]


async def test_a_key_that_is_put_right_in_its_file_is_taken_without_a_restart(tmp_path: Path) -> None:
    """The file is looked into while the ledger does not take the key, and only then."""
    file = tmp_path / "key"
    file.write_text("wrong-key\n")
    file.chmod(0o600)
    key = KeyFile(file, "wrong-key")
    looks = 0

    def read_again() -> bool:
        nonlocal looks
        looks += 1
        return key.read_again()

    async def body() -> None:
        with local_ledger(["v"], data=tmp_path / "ledger.jsonl") as local:
            pace = QUICK._replace(blocked_every=3600.0)
            ledger = Ledger(local.url, key)
            async with venue_at(tmp_path, ledger, event(1), pace=pace, read_key_again=read_again) as venue:
                await until(lambda: looks > 2)
                assert venue.shipping.state == "blocked"
                file.write_text(key_of("v").get_secret_value())
                assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}
                before = looks
                venue.submit(event(2))
                await venue.settled()
                assert looks == before

    with capture_logs() as logs:
        await body()
    assert key_of("v").get_secret_value() not in str(logs)
    assert [log["event"] for log in logs if log["log_level"] == "error"] == [
        "publishing is blocked; entries are saved in the journal"
    ]


async def test_waits_grow_to_a_cap_and_retry_after_is_honoured_to_another(tmp_path: Path) -> None:
    """Backing off, jittered; never past the longest delay, unless the ledger asks, and then not for ever."""
    waits: list[float] = []
    sleep = asyncio.sleep

    async def asleep(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    async with stubbed() as (stub, url):
        stub.faults += [
            *[status(503)] * 9,
            status(429, **{"Retry-After": "20"}),
            status(503, **{"Retry-After": "9999"}),
        ]
        with patch("tap.service.running.publishing.publisher.sleep", asleep):
            async with venue_at(tmp_path, Ledger(url, KEY), event(1), pace=Pace(), jitter=lambda: 0.5) as venue:
                while not venue.shipping.applied:
                    await sleep(0.002)
    assert waits == [0.1875, 0.375, 0.75, 1.5, 3.0, 6.0, 11.25, 11.25, 11.25, 20.0, 60.0]


async def test_batches_shrink_for_a_ledger_that_is_slow_and_grow_again(tmp_path: Path) -> None:
    """A batch that is never done in time would be sent for ever."""

    async with stubbed() as (stub, url):
        slow = iter([True] * 3)
        waiting = [event(number) for number in range(1_000)]
        async with venue_at(tmp_path, Slow(url, lambda _: next(slow, False)), *waiting) as venue:
            await venue.settled()
        assert stub.sizes[:5] == [37, 74, 148, 296, 300]
        assert stub.keys == keys(waiting)


@pytest.mark.parametrize("poisoned", [{0}, {137}, {299}, {0, 1, 2}, {5, 150, 298}, set(range(40, 55))])
async def test_only_the_bad_entries_wait(tmp_path: Path, poisoned: set[int]) -> None:
    """A call that fails for no reason given is narrowed down to the entries that it fails on; the others arrive.

    These wait by themselves, with what is known of it, and arrive too once the ledger takes them: no reason, no end.
    """
    entries = [event(number) for number in range(300)]
    bad = {entries[number].key for number in poisoned}

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.poison = bad
            async with venue_at(tmp_path, Ledger(url, KEY), *entries) as venue:
                counts = await venue.settled(postponed=len(poisoned))
                assert counts == {"pending": len(poisoned), "shipped": 300 - len(poisoned), "dead": 0}
                postponed = await venue.postponed()
                await until(lambda: venue.shipping.waiting == 0)
                assert venue.shipping.dead == 0
                assert {kept.entry.key for kept in postponed} == bad
                assert set(stub.keys) == set(keys(entries)) - bad
                for kept in postponed:
                    assert kept.reason is not None
                    assert kept.reason.startswith("server_error: the ledger failed inside (request 00c0ffee)")
                    assert SECRET not in kept.reason
                stub.poison = set()
                assert await venue.settled() == {"pending": 0, "shipped": 300, "dead": 0}
                assert not await venue.postponed()

    with capture_logs() as logs:
        await body()
    assert SECRET not in str(logs)
    told = [log for log in logs if "fails on some entries" in log["event"]]
    assert len(told) == 1
    assert told[0]["first"] in bad
    assert "npx convex logs" in told[0]["next_step"]


async def test_a_bad_entry_alone_waits_too(tmp_path: Path) -> None:
    """With nothing beside it that gets through, the ledger is asked whether it takes anything at all."""

    async with stubbed() as (stub, url):
        stub.poison = {event(0).key}
        async with venue_at(tmp_path, Ledger(url, KEY), event(0)) as venue:
            assert await venue.settled(postponed=1) == {"pending": 1, "shipped": 0, "dead": 0}
            venue.submit(event(1))
            assert await venue.settled(postponed=1) == {"pending": 1, "shipped": 1, "dead": 0}


async def test_a_ledger_that_fails_on_everything_is_not_the_entries_fault(tmp_path: Path) -> None:
    """A deployment that is broken does not empty the journal into the set-aside ones: it blocks, and says so."""
    entries = [event(number) for number in range(200)]

    async with stubbed() as (stub, url):
        stub.poison = set(keys(entries))
        async with venue_at(tmp_path, Ledger(url, KEY), *entries) as venue:
            await until(lambda: venue.shipping.state == "blocked")
            assert venue.shipping.reason == "fails on every entry"
            assert await venue.counts() == {"pending": 200, "shipped": 0, "dead": 0}
            stub.poison = set()
            assert await venue.settled() == {"pending": 0, "shipped": 200, "dead": 0}
        assert stub.keys == keys(entries)


async def test_nor_one_by_one(tmp_path: Path) -> None:
    """Events that trickle in while it is broken: a few wait by themselves, then it blocks; none is set aside."""

    async with stubbed() as (stub, url):
        stub.poison = {event(number).key for number in range(50)}
        # What waits by itself is not tried again in here: that the ledger answers would be told meanwhile.
        pace = Pace().faster(1_000)._replace(postponed=3600.0)
        async with venue_at(tmp_path, Ledger(url, KEY), pace=pace) as venue:
            for number in range(15):
                venue.submit(event(number))
                await until(lambda: venue.shipping.waiting == 0 or venue.shipping.state == "blocked")
                await venue.counts()
            await until(lambda: venue.shipping.state == "blocked")
            apart = venue.shipping.postponed
            assert (await venue.dead(), 0 < apart < 11) == ([], True)
            assert venue.shipping.reason == "fails on every entry"
            stub.poison = set()
            counts = await venue.settled(postponed=apart)
            assert counts == {"pending": apart, "shipped": 15 - apart, "dead": 0}


async def test_a_bare_error_that_passes_sets_nothing_aside(tmp_path: Path) -> None:
    """A deployment that restarts fails for a while, in the middle of narrowing down too."""
    entries = [event(number) for number in range(8)]

    for failures in range(1, 24):
        async with stubbed() as (stub, url):
            stub.faults += [fails()] * failures
            async with venue_at(tmp_path / str(failures), Ledger(url, KEY), *entries) as venue:
                assert await venue.settled() == {"pending": 0, "shipped": 8, "dead": 0}, failures


async def test_nor_does_a_ledger_that_goes_away_while_it_is_asked(tmp_path: Path) -> None:
    """A suspect's last chance has to be answered: what comes to nothing proves nothing."""

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.poison = {event(0).key}

            def away_and_well_again(stub: Stub, *_: Any) -> Any:
                stub.poison = set()
                return status(503)(stub, *_)

            # Three times whole, then without any; narrowed down: whole, the bad one, the good one; the bad one again.
            stub.faults += [lambda stub, _, body: stub.answer(body)] * 7 + [away_and_well_again]
            async with venue_at(tmp_path, Ledger(url, KEY), event(0), event(1)) as venue:
                assert await venue.settled() == {"pending": 0, "shipped": 2, "dead": 0}
            assert stub.keys == [event(1).key, event(0).key]

    await body()


async def test_an_idle_publisher_leaves_the_journal_alone(tmp_path: Path) -> None:
    """After what there was is shipped it looks once more, and then waits for news."""
    pending = Journal.pending
    looks = 0

    def counted(journal: Journal, limit: int, after_seq: int = 0) -> list[Kept]:
        nonlocal looks
        looks += 1
        return pending(journal, limit, after_seq)

    async def body() -> None:
        async with stubbed() as (_, url), venue_at(tmp_path, Ledger(url, KEY), pace=Pace()) as venue:
            for number in range(5):
                venue.submit(event(number))
                await venue.settled()
            await until(lambda: venue.shipping.state == "idle")
            before = looks
            for _ in range(100):
                await venue.counts()
            assert looks == before

    with patch.object(Journal, "pending", counted):
        await body()


@pytest.mark.parametrize(
    "fault",
    [
        throws({"code": "too_many", "reason": "One call takes at most 500 entries."}),
        throws({"code": "shape", "reason": "The entries are no list."}),
        status(413),
    ],
)
async def test_a_call_that_is_refused_whole_is_made_smaller(tmp_path: Path, fault: Any) -> None:
    """At once, without waiting; nothing is set aside for it."""
    entries = [event(number) for number in range(100)]

    async with stubbed() as (stub, url):
        stub.faults += [fault] * 3
        async with venue_at(tmp_path, Ledger(url, KEY), *entries) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 100, "dead": 0}
        assert stub.keys == keys(entries)
        assert stub.sizes == [25, 25, 50]


async def test_what_the_ledger_has_is_told_once_each(tmp_path: Path) -> None:
    """By that the page and the metrics say how long a delivery takes."""
    told: list[str] = []

    def delivered(kept: list[Kept]) -> None:
        told.extend(one.entry.key for one in kept)

    entries = [event(number) for number in range(20)]
    async with stubbed() as (_, url):
        async with venue_at(tmp_path, Ledger(url, KEY), *entries, on_delivered=delivered) as venue:
            await venue.settled()
        assert told == keys(entries)


async def test_a_ledger_that_was_away_is_sent_as_much_at_once_as_before(tmp_path: Path) -> None:
    """Only one that answers too late is slow."""
    entries = [event(number) for number in range(100)]

    async with stubbed() as (stub, url):
        stub.faults += [status(503)] * 4
        async with venue_at(tmp_path, Ledger(url, KEY), *entries) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 100, "dead": 0}
        assert [size for size in stub.sizes if size] == [100]


async def test_a_key_for_another_venue_blocks_and_costs_nothing(tmp_path: Path) -> None:
    """The answers blame the entries, but they are the venue's own: it is the key. Others' entries are set aside."""
    ours, theirs = event(1), event(1, session="formerly/1")

    async with stubbed() as (stub, url):
        refusal = {"outcome": "rejected", "code": "venue", "reason": "Another venue's.", "field": "sessionKey"}
        stub.refused = {ours.key: refusal, theirs.key: refusal}
        async with venue_at(tmp_path, Ledger(url, KEY), theirs, ours) as venue:
            await until(lambda: venue.shipping.state == "blocked")
            assert "this key is for another venue" in str(venue.shipping.reason)
            assert await venue.counts() == {"pending": 2, "shipped": 0, "dead": 0}
            del stub.refused[ours.key]
            assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 1}
            assert [kept.reason for kept in await venue.dead()] == ["venue: Another venue's. (sessionKey)"]


async def test_a_row_that_the_ledger_has_newer_is_told_once_a_call(tmp_path: Path) -> None:
    """Only where our newest word on it is below what stands; a repetition of older words is normal."""
    told: list[tuple[str, int]] = []
    lost_count, repeated = session("v/1"), event(2)

    async with stubbed() as (stub, url):
        stub.refused = {
            lost_count.key: {"outcome": "stale", "version": float(NOW + 1_000)},
            repeated.key: {"outcome": "stale", "version": float(repeated.version)},
        }
        note = lambda key, version: told.append((key, version))  # noqa: E731
        async with venue_at(tmp_path, Ledger(url, KEY), lost_count, repeated, on_stale=note) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 2, "dead": 0}
            await until(lambda: told)
            assert (venue.shipping.stale, venue.shipping.shipped) == (2, 2)
    assert told == [(lost_count.key, NOW + 1_000)]


async def test_what_the_command_line_lets_wait_again_is_found(tmp_path: Path) -> None:
    """Nobody notifies across processes: the journal is looked into now and then."""

    async with stubbed() as (stub, url):
        stub.refused = {event(1).key: {"outcome": "rejected", "code": "type", "reason": "Odd.", "field": "at"}}
        async with venue_at(tmp_path, Ledger(url, KEY), event(1)) as venue:
            await venue.settled()
            assert [kept.reason for kept in await venue.dead()] == ["type: Odd. (at)"]
            stub.refused = {}
            await venue.ask(lambda journal: journal.retry_dead())
            await until(lambda: stub.keys)
            assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}


async def test_a_journal_that_cannot_be_read_blocks_and_goes_on(tmp_path: Path) -> None:
    """It is said once, and publishing continues when it can."""
    failures = 5
    pending = Journal.pending

    def failing(journal: Journal, limit: int, after_seq: int = 0) -> list[Kept]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise JournalError("the disk fails", where="journal.db", hint="see the system's log")
        return pending(journal, limit, after_seq)

    async def body() -> None:
        async with stubbed() as (_, url):
            with patch.object(Journal, "pending", failing):
                async with venue_at(tmp_path, Ledger(url, KEY), event(1)) as venue:
                    await until(lambda: venue.shipping.state == "blocked")
                    await until(lambda: venue.shipping.applied)
                    await venue.settled()

    with capture_logs() as logs:
        await body()
    assert [log["event"] for log in logs] == [
        "publishing is blocked; entries are saved in the journal",
        "publishing continues",
    ]


async def test_a_bug_in_here_ends_neither_the_recording_nor_the_publishing(tmp_path: Path) -> None:
    """It is told by its place, not by words that may quote the key; and tried again."""

    async def body() -> None:
        async with stubbed() as (stub, url):
            with patch("tap.adapters.ledger.client.pack", side_effect=[KeyError(SECRET), KeyError(SECRET)]):
                venue = Venue(tmp_path / "journal.db", Ledger(url, KEY))
                venue.submit(event(1))
                venue.start()
                await until(lambda: venue.shipping.state == "blocked")
            try:
                assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 0}
            finally:
                await venue.end()
            assert stub.keys == [event(1).key]

    with capture_logs() as logs:
        await body()
    assert "a bug of the tap: KeyError at " in logs[0]["why"]
    assert SECRET not in str(logs)


# ---------------------------------------------------------------------------------------------- it never freezes


class Ticker:
    """The most that one turn of the event loop cost while it runs, in seconds of its own thread, and how many it had.

    Of its own work, and not by the clock on the wall: what else the machine does is no fault of the publisher's.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.turns = 0

    async def __aenter__(self) -> Ticker:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _tick(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            self.turns += 1
            last = now


_BATCHES = 15
"""So many times a batch may be written down in one turn of the loop. It is written once, beside the loop."""


@pytest.mark.parametrize("fault", ["hang", "refuse", "garbage", "slow"])
async def test_the_loop_goes_on_whatever_the_ledger_does(tmp_path: Path, local: Local, fault: str) -> None:
    """Batches of 700 KB, hanging and refused: no turn costs more than a few times what a batch takes to be written
    down, on whatever machine and however busy; and others have theirs meanwhile."""
    longest = []

    async def once(attempt: int) -> None:
        name = local.venue()
        entries = [event(number, session=f"{name}/1", detail={"notes": "x" * 3_000}) for number in range(250)]
        ledger = local.ledger(name, deadline=0.3)
        await ledger.ping()
        async with venue_at(tmp_path / str(attempt), ledger, *entries, venue=name) as venue, Ticker() as ticker:
            await until(lambda: venue.shipping.failures >= 4)
            await venue.stop()
            longest.append(ticker.longest)
            assert ticker.turns >= 4
            assert await venue.counts() == {"pending": 250, "shipped": 0, "dead": 0}
        # In the same minute, by the same processor.
        since = time.thread_time()
        for _ in range(_BATCHES):
            json.dumps([entry.fields for entry in entries])
        longest[-1] /= time.thread_time() - since

    async def body() -> None:
        local.fault(fault, times=0, ms=60_000 if fault == "refuse" else 600)
        # What the publisher does to the loop it does every time; what the collector of garbage does it does not.
        for attempt in range(6):
            await once(attempt)
            if longest[-1] < 1:
                break

    if fault == "refuse":
        with local_ledger([f"venue-refused-{number}" for number in range(6)]) as own:
            local = own
            await body()
    else:
        await body()
        local.clear()
    print(f"longest turn with {fault}: {_BATCHES * min(longest):.1f} batches")
    assert min(longest) < 1


async def test_a_backlog_goes_fast_and_in_little_memory(tmp_path: Path) -> None:
    """20,000 entries to a stub in another process: in few calls, and memory stays flat."""
    count = 20_000
    memory: list[int] = []

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def body(url: str) -> None:
        async with Ledger(url, KEY) as ledger:
            await ledger.ping()
        venue = Venue(tmp_path / "journal.db", Ledger(url, KEY))
        try:
            for start in range(0, count, 1_000):
                venue.submit(*[event(start + number, detail={"by": "operator"}) for number in range(1_000)])
                await venue.counts()
            before = resident()
            venue.start()
            async with Ticker() as ticker:
                while venue.shipping.shipped < count:
                    memory.append(resident() - before)
                    await asyncio.sleep(0.02)
            assert await venue.settled() == {"pending": 0, "shipped": count, "dead": 0}
            assert venue.shipping.calls <= 110
        finally:
            await venue.end()
        print(
            f"{max(memory) / 2**20:.1f} MB more than idle, {venue.shipping.calls} calls,"
            f" longest turn {1000 * ticker.longest:.1f} ms"
        )
        assert max(memory) < 60 * 2**20

    with stub_process() as url:
        await body(url)


# ---------------------------------------------------------------------------------------------- the served functions


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    with local_ledger(60) as local:
        yield local


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("refuse", {"ms": 1_000}),
        ("reset", {"times": 4}),
        ("hang", {"times": 3}),
        ("status", {"times": 4, "status": 503}),
        ("status", {"times": 4, "status": 429, "retryAfter": 0}),
        ("status", {"times": 4, "status": 500}),
        ("error", {"times": 2}),
        ("garbage", {"times": 4}),
        ("lost", {"times": 4}),
        ("hang_after", {"times": 3}),
        ("half", {"times": 4}),
        ("slow", {"times": 4, "ms": 50}),
    ],
)
async def test_nothing_is_lost_and_nothing_doubled(
    tmp_path: Path, local: Local, kind: str, how: dict[str, Any]
) -> None:
    """Through every fault, with a shoot that goes on meanwhile: the ledger has each entry once, as it was said."""
    name = local.venue()
    key = f"{name}/1"
    events = [event(number, session=key) for number in range(80)]

    local.fault(kind, **how)
    # What is only slow must not become a failure on a machine that is slow itself; what hangs is waited for.
    ledger = local.ledger(name, deadline=3.0 if kind in ("hang", "hang_after") else 60.0)
    async with venue_at(tmp_path, ledger, session(key), *events[:40], venue=name) as venue:
        for entry in events[40:]:
            venue.submit(entry)
            await venue.counts()
        assert await venue.settled() == {"pending": 0, "shipped": 81, "dead": 0}
        assert (kind == "slow") == (venue.shipping.failures == 0)
    async with local.ledger(name) as reader:
        rows = await reader.timeline(key)
    assert [row.key for row in rows] == [key, *keys(events)]
    assert [row.fields for row in rows[1:]] == [entry.fields for entry in events]
    assert not local.waiting()


async def test_one_bad_entry_among_many_is_set_aside_with_its_reason(tmp_path: Path, local: Local) -> None:
    """A rule that it breaks is named; where a function only fails, the entry is narrowed down to, and waits."""
    name = local.venue()
    key = f"{name}/1"
    events = [event(number, session=key) for number in range(60)]
    events[20] = event(20, session=key, at="noon")
    events[40] = event(40, session=key, detail={"größe": 1})

    local.fault("error", times=0, match=events[30].key)
    try:
        async with venue_at(tmp_path, local.ledger(name), session(key), *events, venue=name) as venue:
            assert await venue.settled(postponed=1) == {"pending": 1, "shipped": 58, "dead": 2}
            aside = [*await venue.dead(), *await venue.postponed()]
            reasons = {kept.entry.key: str(kept.reason) for kept in aside}
    finally:
        local.clear()
    assert (
        reasons[events[20].key]
        == "type: The value has the wrong type, is not a finite number, or is not valid Unicode text. (at)"
    )
    assert reasons[events[30].key].startswith("server_error: ")
    assert "größe" in reasons[events[40].key]
    async with local.ledger(name) as reader:
        rows = await reader.timeline(key)
    bad = {events[number].key for number in (20, 30, 40)}
    assert {row.key for row in rows} == {key, *keys(events)} - bad


async def test_a_wrong_key_blocks_until_it_is_mended(tmp_path: Path) -> None:
    """It is known before the shoot, said with what to do, and once the deployment knows the key all is shipped."""
    data = tmp_path / "ledger.jsonl"

    async def body() -> None:
        with local_ledger(["v"], data=data, keys="v:" + "0" * 64) as wrong:
            ledger = wrong.ledger("v")
            async with venue_at(tmp_path, ledger) as venue:
                await until(lambda: venue.shipping.state == "blocked")
                assert "does not know this key" in str(venue.shipping.reason)
                assert "key new" in str(venue.shipping.hint)
                venue.submit(session("v/1"), event(1))
                failures = venue.shipping.failures
                await until(lambda: venue.shipping.failures > failures + 1)
                assert await venue.counts() == {"pending": 2, "shipped": 0, "dead": 0}
                wrong.process.terminate()
                wrong.process.wait(300)
                await until(lambda: venue.shipping.state == "away")
                with local_ledger(["v"], data=data, port=int(wrong.url.rpartition(":")[2])):
                    assert await venue.settled() == {"pending": 0, "shipped": 2, "dead": 0}

    with capture_logs() as logs:
        await body()
    events = [log["event"] for log in logs if log["log_level"] != "warning" or "away" in log["event"]]
    assert events == [
        "publishing is blocked; entries are saved in the journal",
        "the ledger is away; entries are saved in the journal",
        "the ledger is back",
    ]
    assert key_of("v").get_secret_value() not in str(logs)


async def test_a_forgotten_session_goes_from_the_journal_too(tmp_path: Path, local: Local) -> None:
    """What the ledger was told to forget the tap drops as well, what was shipped before included."""
    name = local.venue()
    key, other = f"{name}/1", f"{name}/2"

    async def body() -> None:
        ledger = local.ledger(name)
        async with venue_at(tmp_path, ledger, session(key), event(1, session=key), venue=name) as venue:
            await venue.settled()
            async with local.ledger(name) as admin:
                await admin.forget(ADMIN, key)
            venue.submit(event(2, session=key), session(other), event(3, session=key))
            await until(lambda: venue.shipping.forgotten)
            assert await venue.counts() == {"pending": 0, "shipped": 1, "dead": 0}
            assert venue.shipping.forgotten == 4
            venue.submit(event(4, session=key))
            await until(lambda: venue.shipping.forgotten == 5)

    with capture_logs() as logs:
        await body()
    assert sum("forgotten" in log["event"] for log in logs) == 1


class Watched:
    """A ledger, and which call it answered for what with."""

    def __init__(self, ledger: Ledger) -> None:
        self.shown = ledger.shown
        self.answered: dict[str, int] = {}
        self.calls = 0
        self.close, self.session, self.about = ledger.close, ledger.session, ledger.about
        self._ledger = ledger
        self._news = asyncio.Event()

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        answers = await self._ledger.ingest(entries)
        self.calls += 1
        self.answered |= {answer.key: self.calls for answer in answers}
        self._news.set()
        return answers

    async def until(self, key: str) -> int:
        while key not in self.answered:
            self._news.clear()
            await self._news.wait()
        return self.answered[key]


async def test_a_cut_is_in_the_ledger_before_anybody_could_look(tmp_path: Path, local: Local) -> None:
    """Its news alone bring it there, with the next call: no timer is waited for, and no other entry."""
    took: list[int] = []

    name = local.venue()
    ledger = Watched(local.ledger(name))
    never = Pace()._replace(look_every=3600.0)
    async with venue_at(tmp_path, ledger, session(f"{name}/1"), venue=name, pace=never) as venue:
        await venue.settled()
        for number in range(300):
            entry = event(number, session=f"{name}/1")
            before = ledger.calls
            venue.submit(entry)
            took.append(await ledger.until(entry.key) - before)
    assert took == [1] * 300


async def test_stopping_in_the_middle_costs_a_repetition_at_most(tmp_path: Path) -> None:
    """Stopped at any moment and started again, the journal goes on where it was."""
    entries = [event(number) for number in range(2_000)]

    async with stubbed() as (stub, url):
        for calls in range(1, 7):
            async with venue_at(tmp_path, Ledger(url, KEY), *(entries if calls == 1 else [])):
                await until(lambda calls=calls: stub.calls >= calls)  # type: ignore[misc]
        async with venue_at(tmp_path, Ledger(url, KEY)) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 2_000, "dead": 0}
        assert stub.keys == keys(entries)


def test_an_entry_that_fails_by_itself_waits_twice_as_long_each_time_up_to_an_hour() -> None:
    """And is due when its time has come, not before."""
    postponed, now, waits = PostponedEntries(5.0, 3_600.0), 0.0, list[float]()
    assert postponed.due(now) is None
    for number in range(13):
        assert postponed.add(7, now) is (number == 0)
        wait = next(ms for ms in range(1, 10_000) if postponed.due(now + ms) == 7)
        assert postponed.due(now + wait - 1) is None
        waits.append(wait)
        now += wait
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600]


def test_the_ledger_has_what_it_took_knew_and_had_newer() -> None:
    shipping = Shipping(applied=500, duplicate=30, stale=2, dead=7, forgotten=1)
    assert shipping.shipped == 532
