"""A ledger that lies: no number, size or shape of what it answers goes further than the client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tap.adapters.ledger import Answer, Ledger, LedgerAway
from tap.core.codec import LATEST_VERSION
from tap.core.errors import LedgerError
from tests.adapters.test_ledger import KEY, NOW, event
from tests.contract.local import ADMIN
from tests.contract.stub import Fault, says, stubbed

ABSURD = (
    1e19,
    -1,
    0.5,
    1e308,
    -1e308,
    1e400,
    2**63,
    LATEST_VERSION + 1,
    True,
    "7",
    None,
    [1],
    {"$float": "AAAAAAAA8H8="},
)
"""Numbers that are no version, and what is no number."""


def raw(text: str) -> Fault:
    """Answers this text: what no JSON library of ours would write."""
    return lambda *_: web.Response(text=text, content_type="application/json")


def success(value: Any) -> Fault:
    # As JavaScript would read it: 1e400 is infinite, and Python writes that in its own way.
    return raw(json.dumps({"status": "success", "value": value}).replace("Infinity", "1e400"))


@pytest.mark.parametrize("version", [*ABSURD, 0, NOW, float(NOW), LATEST_VERSION])
async def test_a_version_is_believed_within_its_bounds(version: Any) -> None:
    """One beyond them says nothing: the checkpoint would carry it, and no journal and no ledger would take the next."""
    believed = None if version in ABSURD else int(version)

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(success([{"key": event(0).key, "outcome": "stale", "version": version}]))
        assert await ledger.ingest([event(0)]) == [Answer(event(0).key, "stale", version=believed)]


@pytest.mark.parametrize(
    "value",
    [
        {"$float": "AAAA"},
        {"$float": 1},
        {"$integer": "AAAA"},
        {"$bytes": 7},
        {"$map": [[1, 2]]},
        {"$nothing": 1},
        {"$float": ["AAAA"]},
    ],
)
async def test_what_convex_s_own_codec_trips_over_is_no_answer(value: Any) -> None:
    """It raises whatever it likes; here that is one more answer that is none, and no bug of ours."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults += [success([value]), raw(json.dumps({"status": "error", "errorData": value}))]
        for _ in range(2):
            with pytest.raises(LedgerAway) as caught:
                await ledger.ingest([event(0)])
            assert caught.value.code == "garbage"


async def test_the_answer_to_a_batch_has_a_size() -> None:
    """Megabytes of numbers would take many times as much in memory, beside a recording."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(raw('{"status":"success","value":[' + "0," * 1_100_000 + "0]}"))
        with pytest.raises(LedgerAway) as caught:
            await ledger.ingest([event(0)])
        assert caught.value.code == "garbage"
        largest = [event(number, session="v/" + "x" * 100) for number in range(300)]
        assert len(await ledger.ingest(largest)) == 300


@pytest.mark.parametrize("deleted", [*ABSURD, 10**6 + 1])
async def test_a_count_of_deleted_rows_is_a_count(deleted: Any) -> None:
    """A negative one would be asked for more, for ever."""

    async with stubbed() as (stub, url), Ledger(url, None) as ledger:
        stub.faults.append(success({"deleted": deleted, "done": False}))
        with pytest.raises(LedgerAway) as caught:
            await ledger.forget(ADMIN, "v/1")
        assert caught.value.code == "garbage"


@pytest.mark.parametrize("column", ["version", "revision"])
@pytest.mark.parametrize("number", [-1, 0.5, 1e19, 1e308, "7", None, True])
async def test_a_row_with_an_absurd_version_is_no_row(column: str, number: Any) -> None:
    """History compares these."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(success({"sessionKey": "v/1", "startedAt": NOW, column: number}))
        with pytest.raises(LedgerAway) as caught:
            await ledger.session("v/1")
        assert caught.value.code == "garbage"


async def test_a_number_of_nobody_s_stays_what_it_is() -> None:
    """A float of 1e308 is not made 309 digits of a whole number."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(success({"sessionKey": "v/1", "startedAt": 1e308, "n": 2.0**53, "m": float(NOW)}))
        row = await ledger.session("v/1")
        assert row is not None
        assert {name: type(value) for name, value in row.fields.items()} == {
            "startedAt": float,
            "n": int,
            "m": int,
        }


@pytest.mark.parametrize("cursor", [None, 7, ["a"], {"a": 1}])
async def test_a_list_without_end_ends(cursor: Any) -> None:
    """A cursor is text, and another one each time."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(success({"page": [], "isDone": False, "continueCursor": cursor}))
        with pytest.raises(LedgerError, match="not answer as Convex does"):
            _ = [row async for row in ledger.sessions()]
        same = says({"status": "success", "value": {"page": [], "isDone": False, "continueCursor": "a"}})
        stub.faults += [same, same]
        with pytest.raises(LedgerError, match="not answer as Convex does"):
            _ = [row async for row in ledger.sessions()]
        assert not stub.faults


async def test_pages_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where each names another."""
    monkeypatch.setattr("tap.adapters.ledger.client._MOST_PAGES", 5)

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults += [success({"page": [], "isDone": False, "continueCursor": str(number)}) for number in range(9)]
        with pytest.raises(LedgerError, match="not answer as Convex does"):
            _ = [row async for row in ledger.sessions()]
        assert len(stub.faults) == 4


@pytest.mark.parametrize("said", [None, [], "page", 5, {}, {"page": {}}, {"page": None}])
async def test_a_page_that_is_none_is_no_answer(said: Any) -> None:
    """Whatever stands there instead of one, it is the ledger that is at fault."""
    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(success(said))
        with pytest.raises(LedgerAway) as caught:
            async for _ in ledger._pages("sessions", {}):
                pass
        assert caught.value.code == "garbage"
