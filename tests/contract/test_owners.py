"""The ledger in the tables of two owners, from the tap's side: every case of the contract, and a whole shoot with every
fault there is, through the tap's own pipeline, journal, publisher and client."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tap.core.merge import Row, fold
from tests.contract.local import Local, _digest, key_of, local_ledger
from tests.contract.test_contract import (
    AT_ONCE,
    CASES,
    CONTRACT,
    TABLES,
    Shoot,
    _all_rows,
    _expected,
    _kept,
    _never_leaves,
    _rows_by_table,
    _session_keys,
)
from tests.service.running.publishing.test_publisher import venue_at

OWNERS = ("a", "b")

_WORDS: dict[str, dict[str, str]] = {
    "a": {
        "cut": "camera_cut",
        "hold": "hold_start",
        "release": "hold_end",
        "mode_change": "mode_changed",
        "still_marker": "still_marker",
        "music_moment": "music",
    },
    "b": {
        kind: kind
        for kind in (
            "cut",
            "hold",
            "release",
            "mode_change",
            "still_marker",
            "still_capture",
            "music_moment",
            "off_air",
            "marker",
        )
    },
}
"""What the owners call our kinds of events; the others have no row in their tables."""


@pytest.fixture(scope="module", params=OWNERS)
def owner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def local(owner: str) -> Iterator[Local]:
    with local_ledger(len(CASES), app=owner) as local:
        yield local


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_the_ledger_does_there_what_the_contract_says(local: Local, case: dict[str, Any]) -> None:
    """Outcomes entry by entry, and the rows afterwards, over HTTP, through the tap's own client."""
    venue = local.venue()
    case = json.loads(json.dumps(case).replace(CONTRACT["venue"], venue))

    async def body() -> None:
        async with local.ledger(venue) as ledger:
            if case.get("refusedByConvex"):
                await _never_leaves(ledger, case)
                return
            answers = await ledger.mutation("ingest", {"entries": case["entries"]})
            told = [{name: answer[name] for name in answer if name not in ("key", "reason")} for answer in answers]
            assert told == case["outcomes"]
            assert _rows_by_table(await _all_rows(ledger, _session_keys(case, venue))) == {
                table: [_expected(op, row) for row in case["rows"][table]] for op, table in TABLES.items()
            }

    await body()


async def test_a_ping_finds_out_that_their_context_throws() -> None:
    """Before the first entry, and with their words, so that ``check`` says it before the shoot."""

    async def body(local: Local) -> None:
        async with local.ledger("hall") as ledger:
            ping = await ledger.ping("hall")
            assert (ping.code, "no organization is called hall" in ping.words) == ("owner_context", True)
            local.call("mutation", "shoots:addOrganization", name="hall")
            assert (await ledger.ping("hall")).ok

    with local_ledger(0, keys=f"hall:{_digest(key_of('hall'))}", app="a") as local:
        await body(local)


@pytest.mark.parametrize("seed", [1, 4])
async def test_a_whole_shoot_with_every_fault_reaches_their_tables(owner: str, seed: int, tmp_path: Path) -> None:
    """All of it is applied, nothing is set aside, the rows are the tap's own; and their pages show what happened."""
    shoot = Shoot(seed, tmp_path)

    async def body(local: Local) -> None:
        venue = local.venue()
        entries = shoot.entries(venue)
        expected = fold(entries)
        assert len(expected) > 100
        async with venue_at(tmp_path, local.ledger(venue), venue=venue, pace=AT_ONCE) as publishing:
            for start in range(0, len(entries), 50):
                if start % 150 == 0:
                    local.fault("lost")
                publishing.submit(*entries[start : start + 50])
                await publishing.settled()
            assert publishing.shipping.dead == 0
        async with local.ledger(venue) as reader:
            assert await _kept(reader) == expected
        _their_pages_are_right(owner, local, venue, expected)

    with local_ledger(app=owner) as local:
        await body(local)


def _their_pages_are_right(owner: str, local: Local, venue: str, rows: dict[str, Row]) -> None:
    sessions = [row for row in rows.values() if row.op == "session"]
    assert sessions
    shown = _shoots_a(local, venue) if owner == "a" else _shoots_b(local, sessions)
    assert len(shown) == len(sessions)
    for row in sessions:
        their = shown[row.fields["startedAt"]]
        mine = [other for other in rows.values() if other.session_key == row.key and other.retracted is None]
        kinds = Counter(other.fields["kind"] for other in mine if other.op == "event")
        words = _WORDS[owner]
        assert their["events"] == Counter({words[kind]: count for kind, count in kinds.items() if kind in words})
        assert their["status"] == ("active" if row.fields["status"] == "live" else "completed")


def _shoots_a(local: Local, venue: str) -> dict[int, Any]:
    (session, *_) = local.call("query", "shoots:organizations", name=venue)
    shoots = local.call("query", "shoots:ofOrganization", organizationId=session)
    shown = {}
    for shoot in shoots:
        page = local.call("query", "shoots:page", sessionId=shoot["_id"])
        # A camera of each cut is one of theirs, with a name that a person can read.
        assert all(entry.get("label") for entry in page["log"] if entry["eventType"] == "camera_cut")
        events = Counter(entry["eventType"] for entry in page["log"])
        shown[shoot["startedAt"]] = {"events": events, "status": shoot["status"]}
    return shown


def _shoots_b(local: Local, sessions: list[Row]) -> dict[int, Any]:
    shown = {}
    for row in sessions:
        shoot = local.call("query", "production:getSession", sessionId=row.key)
        timeline = local.call("query", "production:timeline", sessionId=row.key)
        events = Counter(event["eventType"] for event in timeline["events"])
        shown[shoot["startedAt"]] = {"events": events, "status": shoot["status"]}
    assert len(local.call("query", "production:listSessions")) == len(sessions)
    return shown
