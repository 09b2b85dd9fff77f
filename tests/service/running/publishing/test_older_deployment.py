"""A deployment that is older than the tap: it gets what it knows, nothing is set aside for its age, nobody is held up,
and once newer functions are there the rows are those of a deployment that was never old."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from tap.adapters.dialects import load_dialect
from tap.adapters.ledger import Ledger
from tap.core.merge import fold
from tap.core.model import Entry
from tap.core.pipeline import Pipeline
from tap.service.running.publishing.older_deployment import OlderDeployment, consumed
from tap.service.running.publishing.shipping import Pace
from tests.adapters.test_ledger import NOW, event, session
from tests.contract.local import local_ledger
from tests.contract.stub import ABOUT, fails, says, stubbed
from tests.contract.test_contract import Shoot, _kept
from tests.service.running.publishing.test_publisher import KEY, Venue, keys, until, venue_at

JOURNAL_OF_0_1_0 = Path(__file__).parents[3] / "adapters" / "journal-v1.db.gz"
OLD = Pace(first_delay=0.005, longest_delay=0.02, look_every=0.02, ask_older=0.02)


def new_things(venue: str) -> list[Entry]:
    """What 0.1.0 has never heard of, with what it knows between."""
    key = f"{venue}/1"
    source = {"dialect": "obs/5", "mappingDigest": "d1", "profile": "A", "made": {"how": "split", "at": NOW}}
    begun = session(key)
    return [
        replace(begun, fields={**begun.fields, "source": source, "media": [{"path": "/rec/a.mp4", "from": NOW}]}),
        event(1, session=key),
        kind("off_air", 2, key),
        replace(event(3, session=key), fields={**event(3, session=key).fields, "trigger": "collection_switch"}),
        kind("marker", 4, key),
        event(5, session=key),
    ]


def kind(name: str, number: int, session_key: str) -> Entry:
    cut = event(number, session=session_key)
    fields: dict[str, Any] = {"kind": name, "at": NOW + number, "observedAt": NOW + number}
    return replace(cut, key=f"{session_key}/{name}/{number}", fields=fields)


async def test_entries_go_to_0_1_0_in_part_or_wait_and_whole_once_it_is_upgraded(tmp_path: Path) -> None:
    """The functions of 0.1.0 as they were deployed; the tap runs all the while, and starts anew in between as well."""
    data, shoot = tmp_path / "ledger", Shoot(4, tmp_path)

    async def while_old(url: str) -> None:
        async with venue_at(tmp_path, Ledger(url, key), *new, venue="v", pace=OLD) as venue:
            await until(lambda: venue.shipping.held + venue.shipping.in_part == 4)
            # Entries behind those that wait are not held up by them.
            venue.submit(*entries)
            await until(lambda: not venue.shipping.waiting and venue.shipping.applied > 100)
            counts = await venue.counts()
            assert counts["dead"] == 0
            assert counts["pending"] == venue.shipping.held + venue.shipping.in_part
            assert venue.shipping.older
            assert venue.shipping.state in ("idle", "shipping")
            reasons = {kept.entry.key: str(kept.reason) for kept in await venue.postponed()}
            assert "do not know this kind" in reasons["v/1/marker/4"]
            assert "is in the ledger without" in reasons["v/1"]
        async with Ledger(url, key) as reader:
            rows = await _kept(reader)
            assert rows["v/1"].fields["media"] == ["/rec/a.mp4"]
            assert "profile" not in rows["v/1"].fields["source"]
            assert "v/1/marker/4" not in rows

    async def once_new(url: str) -> None:
        async with venue_at(tmp_path, Ledger(url, key), venue="v", pace=OLD) as venue:
            assert (await venue.settled())["dead"] == 0
            assert not venue.shipping.older
            assert (venue.shipping.held, venue.shipping.in_part) == (0, 0)
        async with Ledger(url, key) as reader:
            assert await _kept(reader) == fold([*new, *entries])

    new, entries = new_things("v"), shoot.entries("v")
    with local_ledger(["v"], data=data, app="0.1.0") as old:
        key = old.key("v")
        await while_old(old.url)
    with local_ledger(["v"], data=data) as local:
        await once_new(local.url)


async def test_a_running_tap_notices_the_upgrade_by_itself(tmp_path: Path) -> None:
    """And says once that it was older, and once that it is not any more."""
    new = new_things("v")

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.about = fails()
            async with venue_at(tmp_path, Ledger(url, KEY), *new, pace=OLD) as venue:
                await until(lambda: (venue.shipping.held, venue.shipping.in_part) == (2, 2))
                before = keys([new[0], new[1], new[3], new[5]])
                assert stub.keys == before
                stub.about = says({"status": "success", "value": ABOUT})
                assert await venue.settled() == {"pending": 0, "shipped": 6, "dead": 0}
                assert stub.keys == [*before, *keys([new[2], new[4]])]
                assert venue.shipping.duplicate == 2  # those that went in part

    with capture_logs() as logs:
        await body()
    told = [log["event"] for log in logs if "functions" in log["event"]]
    assert [("older" in line, "newer" in line) for line in told] == [(True, False), (False, True)]


async def test_functions_that_were_rolled_back_are_noticed_by_what_they_refuse(tmp_path: Path) -> None:
    """Nothing is set aside: the deployment is asked again before its refusal counts."""
    first, *rest = new_things("v")

    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), pace=OLD) as venue:
        await until(lambda: stub.calls)
        stub.about = fails()
        refusal = {"outcome": "rejected", "code": "value", "reason": "None of those allowed.", "field": "kind"}
        stub.refused = {entry.key: refusal for entry in rest if entry.fields["kind"] in ("off_air", "marker")}
        venue.submit(first, *rest)
        await until(lambda: (venue.shipping.held, venue.shipping.in_part) == (2, 2))
        assert (await venue.counts())["dead"] == 0
        # What is new again takes it all.
        stub.refused = {}
        stub.about = says({"status": "success", "value": ABOUT})
        assert (await venue.settled())["shipped"] == 6


async def test_what_an_older_deployment_refuses_for_whatever_it_says_waits_for_a_newer_one(tmp_path: Path) -> None:
    async with stubbed() as (stub, url):
        stub.about = fails()
        stub.refused = {event(1).key: {"outcome": "rejected", "code": "unknown_field", "reason": "None of ours."}}
        async with venue_at(tmp_path, Ledger(url, KEY), event(1), event(2), pace=OLD) as venue:
            await until(lambda: venue.shipping.applied == 1)
            assert (venue.shipping.held, stub.keys) == (1, keys([event(2)]))
            assert await venue.counts() == {"pending": 1, "shipped": 1, "dead": 0}
            stub.about = says({"status": "success", "value": ABOUT})
            # Now it is the entry's own fault.
            assert await venue.settled() == {"pending": 0, "shipped": 1, "dead": 1}


async def test_a_season_of_entries_that_wait_is_not_read_again_for_each_cut(tmp_path: Path) -> None:
    """What waits for newer functions stays behind; what is new is found without it."""
    waits = [kind("marker", number, "v/1") for number in range(2_000)]
    read = 0

    async with stubbed() as (stub, url):
        stub.about = fails()
        venue = Venue(tmp_path / "journal.db", Ledger(url, KEY), pace=OLD._replace(look_every=60, ask_older=60))
        try:
            venue.submit(*waits)
            await venue.counts()
            venue.start()
            await until(lambda: venue.shipping.held == len(waits))
            pending = venue.journal.pending

            def counting(limit: int, after_seq: int = 0) -> Any:
                nonlocal read
                page = pending(limit, after_seq)
                read += len(page)
                return page

            venue.journal.pending = counting  # type: ignore[method-assign]
            for number in range(20):
                venue.submit(event(number, session="v/1"))
                await until(lambda number=number: len(stub.keys) == number + 1)  # type: ignore[misc]
        finally:
            await venue.end()
    assert read < 20 * 700


def test_a_session_that_is_forgotten_waits_no_more() -> None:
    older = OlderDeployment(1.0)
    older.hold(1, "v/1")
    older.hold(2, "v/2", in_part=True)
    older.hold(2, "v/2")
    assert (older.held, older.in_part) == (2, 0)
    older.drop(["v/2"])
    assert (1 in older, 2 in older) == (True, False)


@pytest.mark.parametrize(
    ("fits", "answered", "done"),
    [("x", 1, 1), ("x.", 1, 2), (".x", 0, 1), ("x.x", 1, 2), ("x.x", 2, 3), ("...", 0, 3), ("xx", 0, 0), ("", 0, 0)],
)
def test_entries_that_wait_are_done_with_as_far_as_those_before_them_are(fits: str, answered: int, done: int) -> None:
    assert consumed([event(1) if mark == "x" else None for mark in fits], answered) == done


async def test_the_deployment_of_today_says_what_it_takes_and_nothing_waits(tmp_path: Path) -> None:
    """Asked by the tap's own client; it knows every kind and column that the tap writes."""

    async def body(url: str) -> None:
        async with Ledger(url, key) as ledger:
            taken = await ledger.about()
            assert not taken.older
            assert taken.may == frozenset(["write", "read"])
            assert taken.serves("v")
            assert not taken.serves("w")
            lacking = replace(taken, contract=1)  # whatever it says of its age, it knows all of it
            older = OlderDeployment(1.0)
            older.told(lacking, 0)
            whole = [*new_things("v"), *Shoot(4, tmp_path).entries("v")]
            assert older.fitted(whole) == whole

    with local_ledger(["v"]) as local:
        key = local.key("v")
        await body(local.url)


async def test_a_journal_and_checkpoint_of_0_1_0_go_on_a_new_deployment(tmp_path: Path) -> None:
    """Its pending entries, recorded files as bare paths among them, are applied; the machine goes on from its state."""
    begun = session("v/1")
    pending = [
        replace(begun, fields={**begun.fields, "media": ["/rec/a.mp4", "/rec/b.mp4"]}),
        event(1, session="v/1"),
        event(2, session="v/1"),
    ]
    path = tmp_path / "journal.db"
    path.write_bytes(gzip.decompress(JOURNAL_OF_0_1_0.read_bytes()))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM entries")
        rows = [(e.key, e.op, e.session_key, e.version, 0, json.dumps(e.fields), NOW) for e in pending]
        columns = "key, op, session_key, version, revision, fields, committed_at"
        db.executemany(f"INSERT INTO entries ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    async def body(url: str) -> None:
        async with venue_at(tmp_path, Ledger(url, key), venue="v", pace=OLD) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 3, "dead": 0}
            assert venue.shipping.applied == 3
            kept = await venue.ask(lambda journal: journal.checkpoint())
            state = Pipeline(load_dialect("multicam/1"), venue="v", tap="0123456789ab", checkpoint=kept).state
            assert state.wall == json.loads(kept)["wall"]
        async with Ledger(url, key) as reader:
            rows = await _kept(reader)
            assert rows == fold(pending)
            assert rows["v/1"].fields["media"] == ["/rec/a.mp4", "/rec/b.mp4"]

    with local_ledger(["v"]) as local:
        key = local.key("v")
        await body(local.url)
