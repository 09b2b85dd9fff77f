"""A ledger that fails at random, refuses without a reason, or lies: nothing is lost, blocked or piled up for it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tap.adapters.ledger import Ledger
from tap.service.running.publishing.postponed import PostponedEntries
from tap.service.running.publishing.shipping import Pace
from tests.adapters.test_ledger import event, session
from tests.contract.stub import fails, hang, status, stubbed, throws
from tests.service.running.publishing.test_publisher import KEY, Slow, keys, until, venue_at

VERY_QUICK = Pace().faster(2_000)._replace(worrying=60.0)


class Faulty(list[Any]):
    """For each call, what ``draw`` gives: a fault, or None for an answer as it should be."""

    def __init__(self, draw: Callable[[bytes], Any]) -> None:
        super().__init__()
        self._draw = draw

    def __bool__(self) -> bool:
        return True

    def pop(self, _: object = 0) -> Any:
        return lambda stub, request, body: (self._draw(body) or (lambda *_: stub.answer(body)))(stub, request, body)


# ---------------------------------------------------------------------------------------------- at random


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("fault", "share", "count"),
    [(fails(), 0.8, 46), (status(400), 0.5, 38), (status(413), 0.5, 38), (throws({"code": "odd"}), 0.5, 38)],
)
async def test_a_ledger_that_fails_at_random_buries_nothing(
    tmp_path: Path, fault: Any, share: float, count: int, seed: int
) -> None:
    """However often it fails: each entry arrives, once, and none is set aside."""
    rng = random.Random(seed)

    async with stubbed() as (stub, url):
        stub.faults = Faulty(lambda _: fault if rng.random() < share else None)
        async with venue_at(tmp_path, Ledger(url, KEY), pace=VERY_QUICK) as venue:
            for number in range(count):
                venue.submit(event(number))
                await asyncio.sleep(rng.random() * 0.004)
            assert await venue.settled() == {"pending": 0, "shipped": count, "dead": 0}
            assert venue.shipping.dead == 0
        assert sorted(stub.keys) == sorted(keys([event(number) for number in range(count)]))


# ---------------------------------------------------------------------------------------------- one that is poison


@pytest.mark.parametrize("fault", [status(403), status(404), status(503), hang, fails(), throws("no"), status(400)])
async def test_one_that_fails_for_whatever_reason_holds_up_nothing(tmp_path: Path, fault: Any) -> None:
    """A proxy refuses a word of it, or the functions never come to an end on it: the others arrive, and later it does.

    Found at the fourth attempt at the latest; what is asked then is whether a call without entries gets through.
    """
    poison = True

    def draw(body: bytes) -> Any:
        return fault if poison and event(17).key.encode() in body else None

    async def body() -> None:
        nonlocal poison
        async with stubbed() as (stub, url):
            stub.faults = Faulty(draw)
            waiting = [event(number) for number in range(40)]
            hangs = fault is hang
            ledger = Slow(url, lambda entries: hangs and poison and event(17) in entries)
            async with venue_at(tmp_path, ledger, *waiting, pace=VERY_QUICK) as venue:
                counts = await venue.settled(postponed=1)
                assert counts == {"pending": 1, "shipped": 39, "dead": 0}
                (kept,) = await venue.postponed()
                assert kept.entry.key == event(17).key
                assert str(kept.reason).endswith("on this entry by itself")
                venue.submit(event(50))
                await until(lambda: event(50).key in stub.keys)
                poison = False
                assert await venue.settled() == {"pending": 0, "shipped": 41, "dead": 0}

    await body()


async def test_a_wrong_key_is_no_entry_s_fault_however_often(tmp_path: Path) -> None:
    """It is never looked for among the entries, and the log has it once."""
    wrong = throws({"code": "key_wrong", "reason": "The access key is none that may do this here."})
    sizes: list[int] = []

    def draw(body: bytes) -> Any:
        sizes.append(len(orjson.loads(body)["args"]["entries"]))
        return wrong if len(sizes) > 1 and len(sizes) < 40 else None

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.faults = Faulty(draw)
            async with venue_at(tmp_path, Ledger(url, KEY), pace=VERY_QUICK) as venue:
                await until(lambda: venue.shipping.last_success)
                venue.submit(*[event(number) for number in range(20)])
                assert await venue.settled() == {"pending": 0, "shipped": 20, "dead": 0}
            assert set(sizes[1:]) == {20}

    with capture_logs() as logs:
        await body()
    assert [log["event"] for log in logs if log["log_level"] == "error"] == [
        "publishing is blocked; entries are saved in the journal"
    ]


def test_entries_that_wait_are_tried_ever_more_seldom() -> None:
    """Up to an hour; the one whose time came first, and all of them once the ledger took one."""
    postponed = PostponedEntries(5.0, 60.0)
    dues = []
    now = 0.0
    for _ in range(6):
        assert postponed.add(7, now) is (now == 0.0)
        assert postponed.due(now) is None
        due = next(later for later in range(1, 100) if postponed.due(now + later) == 7)
        dues.append(due)
        now += due
    assert dues == [5, 10, 20, 40, 60, 60]
    postponed.add(7, now)
    postponed.add(8, now)
    assert (postponed.due(now + 5), postponed.due(now + 4.9)) == (8, None)
    postponed.hurry(now + 1)
    assert postponed.due(now + 1) in (7, 8)
    assert list(postponed) == [7, 8]
    assert (postponed.done(8), postponed.done(8), len(postponed), 7 in postponed) == (True, False, 1, True)


async def test_thousands_that_fail_are_the_ledger_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound it is told as such; what is let wait stays bounded, and all of it arrives in the end."""
    monkeypatch.setattr("tap.service.running.publishing.publisher._MOST_POSTPONED", 20)
    bad = True

    def draw(body: bytes) -> Any:
        sent = orjson.loads(body)["args"]["entries"]
        return fails() if bad and any(int(entry["key"][-6:]) % 2 for entry in sent) else None

    async def body() -> None:
        nonlocal bad
        async with stubbed() as (stub, url):
            stub.faults = Faulty(draw)
            waiting = [event(number) for number in range(100)]
            async with venue_at(tmp_path, Ledger(url, KEY), *waiting, pace=VERY_QUICK) as venue:
                await until(lambda: venue.shipping.state == "blocked")
                assert venue.shipping.reason == "fails on every entry"
                assert venue.shipping.postponed <= 30
                bad = False
                assert await venue.settled() == {"pending": 0, "shipped": 100, "dead": 0}

    await body()


# ---------------------------------------------------------------------------------------------- without a reason


@pytest.mark.parametrize(
    "said", [{}, {"code": "type"}, {"reason": "Odd."}, {"code": "", "reason": "Odd."}, {"code": 7}]
)
async def test_a_refusal_without_a_reason_ends_nothing(tmp_path: Path, said: dict[str, Any]) -> None:
    """It is tried again; with a reason it is set aside, as it always was."""

    async with stubbed() as (stub, url):
        stub.refused = {event(1).key: {"outcome": "rejected", **said}}
        async with venue_at(tmp_path, Ledger(url, KEY), event(0), event(1), event(2)) as venue:
            assert await venue.settled(postponed=1) == {"pending": 1, "shipped": 2, "dead": 0}
            (kept,) = await venue.postponed()
            assert "without a reason" in str(kept.reason)
            stub.refused[event(1).key] = {"outcome": "rejected", "code": "type", "reason": "Odd."}
            assert await venue.settled() == {"pending": 0, "shipped": 2, "dead": 1}
            assert [kept.reason for kept in await venue.dead()] == ["type: Odd."]
            assert (venue.shipping.dead, venue.shipping.postponed) == (1, 0)


async def test_words_that_no_journal_keeps_are_kept_as_far_as_they_go(tmp_path: Path) -> None:
    """Half a surrogate pair in a reason must not hold up all that is behind it."""

    async def body() -> None:
        async with stubbed() as (stub, url):
            text = json.dumps(
                [{"key": event(1).key, "outcome": "rejected", "code": "type", "reason": "\ud83d odd\x00"}]
            )
            said = '{"status":"success","value":' + text + "}"
            stub.faults.append(lambda stub, _, body: stub.answer(body))
            stub.faults.append(lambda *_: web.Response(text=said, content_type="application/json"))
            async with venue_at(tmp_path, Ledger(url, KEY)) as venue:
                await until(lambda: venue.shipping.last_success)
                venue.submit(event(1))
                assert await venue.settled() == {"pending": 0, "shipped": 0, "dead": 1}
                assert [kept.reason for kept in await venue.dead()] == ["type: ? odd\x00"]

    await body()


async def test_one_wrong_word_of_forgetting_deletes_nothing(tmp_path: Path) -> None:
    """What the ledger says it was told to forget it must show as forgotten; else the journal keeps all of it."""
    key = "v/1"
    kept = session(key), event(0)
    rows: list[Any] = []

    def draw(body: bytes) -> Any:
        if b"getSession" in body:
            return lambda *_: web.json_response({"status": "success", "value": rows[0]})
        return None

    async def body() -> None:
        async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), *kept, pace=VERY_QUICK) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 2, "dead": 0}
            stub.faults = Faulty(draw)
            stub.refused = {event(1).key: {"outcome": "rejected", "code": "forgotten", "reason": "Gone."}}
            for row in (None, {"sessionKey": key}, {"sessionKey": key, "retracted": "x"}, "nonsense"):
                rows[:] = [row]
                calls = stub.calls
                venue.submit(event(1))
                await venue.counts()
                await until(lambda calls=calls: stub.calls >= calls + 2)  # type: ignore[misc]
                assert await venue.settled(postponed=1) == {"pending": 1, "shipped": 2, "dead": 0}
            rows[:] = [{"sessionKey": key, "retracted": {"reason": "forgotten"}}]
            await until(lambda: venue.shipping.forgotten)
            assert await venue.counts() == {"pending": 0, "shipped": 0, "dead": 0}

    await body()


# ---------------------------------------------------------------------------------------------- what the log hears


async def test_a_ledger_that_comes_and_goes_does_not_fill_the_log(tmp_path: Path) -> None:
    """Some lines at once, and then now and then; how it stands at last is told all the same."""
    calls = 0

    def draw(_: bytes) -> Any:
        nonlocal calls
        calls += 1
        return status(503) if calls % 2 else None

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.faults = Faulty(draw)
            async with venue_at(tmp_path, Ledger(url, KEY), pace=VERY_QUICK) as venue:
                for number in range(60):
                    venue.submit(event(number))
                    await venue.settled()
                assert calls > 100
                stub.faults = Faulty(lambda _: status(503))
                venue.submit(event(100))
                await until(lambda: venue.shipping.state == "away")
                venue.publisher._log._lines._left = 1.0
                failures = venue.shipping.failures
                await until(lambda: venue.shipping.failures > failures + 2)

    with capture_logs() as logs:
        await body()
    assert [log["event"] for log in logs] == [
        "the ledger is away; entries are saved in the journal",
        "the ledger is back",
        "the ledger is away; entries are saved in the journal",
        "the ledger is back",
        "the ledger is away; entries are saved in the journal",
    ]


async def test_nor_do_entries_that_are_refused_one_by_one(tmp_path: Path) -> None:
    """The first at once, the others in sums."""

    async def body() -> None:
        async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY)) as venue:
            for number in range(50):
                stub.refused[event(number).key] = {"outcome": "rejected", "code": "type", "reason": "Odd."}
                venue.submit(event(number))
                await venue.settled()
            assert venue.shipping.dead == 50

    with capture_logs() as logs:
        await body()
    assert [(log["event"], log["entries"]) for log in logs if log["log_level"] == "warning"] == [
        ("entries were rejected", 1)
    ]
