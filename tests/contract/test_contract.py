"""The contract from the tap's side: the served functions make of entries what ``convex/contract/entries.json`` says,
and take whatever the tap makes of a shoot, in any order, any number of times, from one tap or two."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tap.adapters.dialects import load_dialect
from tap.adapters.ledger import Ledger, LedgerRefused
from tap.adapters.tape import open_tape
from tap.core.codec import sub_key
from tap.core.merge import Row, fold
from tap.core.model import Entry, Stamp
from tap.core.pipeline import Pipeline
from tap.rehearsal.faults import parse_faults
from tap.rehearsal.performance import shoot_to_tape
from tap.rehearsal.shoot import plan_shoot
from tap.service.running.publishing.shipping import Pace
from tests.contract.local import CONVEX, Local, local_ledger
from tests.service.running.publishing.test_publisher import venue_at

CONTRACT = json.loads((CONVEX / "contract" / "entries.json").read_text())
CASES: list[dict[str, Any]] = CONTRACT["cases"]
TABLES = {"session": "sessions", "camera": "cameras", "event": "events", "still": "stills"}
AT_ONCE = Pace(first_delay=0.001, longest_delay=0.001)
SEEDS = (1, 4)


# ---------------------------------------------------------------------------------------------- case by case


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    # Each case starts with an empty ledger: a venue of its own, and no row of another can touch it.
    with local_ledger(len(CASES)) as local:
        yield local


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_the_ledger_does_what_the_contract_says(local: Local, case: dict[str, Any]) -> None:
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


async def _never_leaves(ledger: Ledger, case: dict[str, Any]) -> None:
    """Convex's own values cannot carry it: the client says so, for the one entry, and the others are written."""
    with pytest.raises(LedgerRefused, match="Convex cannot carry"):
        await ledger.mutation("ingest", {"entries": case["entries"]})
    entries = [
        Entry(raw["key"], raw["op"], raw["sessionKey"], raw["version"], raw["fields"]) for raw in case["entries"]
    ]
    answers = await ledger.ingest(entries)
    assert [answer.outcome for answer in answers] == [told["outcome"] for told in case["outcomes"]]


def _session_keys(case: Mapping[str, Any], venue: str) -> list[str]:
    """Of the sessions that could have rows: those of the venue."""
    keys = {raw.get("sessionKey") for raw in case["entries"] if isinstance(raw, dict)}
    return sorted(key for key in keys if isinstance(key, str) and key.startswith(f"{venue}/") and "%" not in key)


def _expected(op: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the file, as the client gives it."""
    fields = {name: value for name, value in shown.items() if name not in _COMMON}
    session = shown["sessionKey"]
    if op in ("event", "still"):
        key = fields.pop(f"{op}Key")
    else:
        key = session if op == "session" else sub_key(session, "camera", shown["cameraId"])
    return _plain(key, shown["version"], shown["revision"], fields, shown.get("retracted"))


_COMMON = ("sessionKey", "venue", "version", "revision", "retracted")


def _plain(key: str, version: int, revision: int, fields: Any, retracted: Any) -> dict[str, Any]:
    return {"key": key, "version": version, "revision": revision, "fields": fields, "retracted": retracted}


async def _all_rows(ledger: Ledger, session_keys: Iterable[str]) -> list[Row]:
    return [row for key in session_keys for row in await ledger.timeline(key)]


def _rows_by_table(rows: Iterable[Row]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES.values()}
    for row in sorted(rows, key=lambda row: (row.session_key, row.key)):
        tables[TABLES[row.op]].append(_plain(row.key, row.version, row.revision, row.fields, row.retracted))
    return tables


# ---------------------------------------------------------------------------------------------- what the tap makes


class Shoot:
    """A simulated shoot with every fault there is, and what a tap at some venue makes of it."""

    def __init__(self, seed: int, folder: Path, *, without: str = "") -> None:
        self.seed = seed
        path = folder / "shoot.jsonl"
        faults = parse_faults(["all"]) - {without}
        path.write_text("".join(shoot_to_tape(plan_shoot(seed, faults=faults, sessions=2))))
        with open_tape(path) as tape:
            self._items = list(tape)

    def entries(self, venue: str, tap: str = "one", late: int = 0) -> list[Entry]:
        """``late``: ms by which this tap hears everything later, by a clock that is as much ahead."""
        pipeline = Pipeline(load_dialect("multicam/1"), venue=venue, tap=tap)
        items = [replace(item, stamp=Stamp(item.stamp.wall + late, item.stamp.mono + late)) for item in self._items]
        return [entry for item in items for entry in pipeline.feed(item)]


@pytest.fixture(scope="module", params=SEEDS)
def shoot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shoot:
    return Shoot(request.param, tmp_path_factory.mktemp("shoot"))


@pytest.fixture(scope="module")
def fresh(shoot: Shoot) -> Iterator[Local]:
    # One for each shoot: convex-test scans every row there is.
    with local_ledger(10) as local:
        yield local


def _batches(entries: Iterable[Entry], dice: random.Random, largest: int = 120) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, dice.randint(1, largest))):
        yield batch


async def _deliver(ledger: Ledger, entries: Iterable[Entry], dice: random.Random) -> set[str]:
    """In batches of any size; the outcomes that there were."""
    outcomes: set[str] = set()
    for batch in _batches(entries, dice):
        answers = await ledger.ingest(batch)
        assert len(answers) == len(batch)
        outcomes |= {answer.outcome for answer in answers}
        assert "rejected" not in outcomes, [answer for answer in answers if answer.outcome == "rejected"]
    return outcomes


async def _kept(ledger: Ledger) -> dict[str, Row]:
    sessions = [row.key async for row in ledger.sessions()]
    return {row.key: row for row in await _all_rows(ledger, sessions)}


async def test_every_entry_of_a_shoot_is_taken_in_any_order_and_any_number_of_times(shoot: Shoot, fresh: Local) -> None:
    """Once, twice, and shuffled: the rows are those that the tap itself makes of its entries, to the version."""
    dice = random.Random(7)

    for order in ("once", "again and again", "backwards", "shuffled"):
        venue = fresh.venue()
        entries = shoot.entries(venue)
        expected = fold(entries)
        assert len(expected) > 100
        async with fresh.ledger(venue) as ledger:
            await _deliver(ledger, _ordered(entries, order, dice), dice)
            if order != "backwards":
                assert await _deliver(ledger, entries, dice) <= {"duplicate", "stale"}
            assert await _kept(ledger) == expected, order


def _ordered(entries: Sequence[Entry], order: str, dice: random.Random) -> list[Entry]:
    if order == "again and again":
        return [*entries, *entries[100:], *entries[:300]]
    if order == "backwards":
        return list(reversed(entries))
    return dice.sample(entries, len(entries)) if order == "shuffled" else list(entries)


@pytest.mark.slow
async def test_a_thousand_answers_lost_change_nothing(tmp_path: Path) -> None:
    """Written, and never told so, again and again: the publisher repeats, and the rows are the same."""

    async def body(local: Local) -> None:
        venue = local.venue()
        entries = Shoot(SEEDS[0], tmp_path).entries(venue)
        parts = [entries[start : start + 5] for start in range(0, len(entries), 5)]
        lost = 1_000 // len(parts) + 1
        async with venue_at(tmp_path, local.ledger(venue), venue=venue, pace=AT_ONCE) as publishing:
            for part in parts:
                local.fault("lost", times=lost)
                publishing.submit(*part)
                await publishing.settled()
            assert publishing.shipping.failures == lost * len(parts) >= 1_000
            assert publishing.shipping.dead == 0
        async with local.ledger(venue) as reader:
            assert await _kept(reader) == fold(entries)

    with local_ledger() as local:
        await body(local)


@pytest.mark.parametrize(("late", "without"), [(0, ""), (7, "missing_ts")])
async def test_two_taps_give_the_ledger_of_one(
    shoot: Shoot, fresh: Local, tmp_path: Path, late: int, without: str
) -> None:
    """Side by side, batch by batch; but for gaps, which each tells by its own clock, and what counts them.

    Where a frame has no time, its time is the receiver's: only taps that hear it at once then agree.
    """
    dice = random.Random(11)
    shoot = Shoot(shoot.seed, tmp_path, without=without)
    alone, both = fresh.venue(), fresh.venue()

    async with fresh.ledger(alone) as ledger:
        await _deliver(ledger, shoot.entries(alone), dice)
        expected = _comparable(await _kept(ledger), alone)
    one, two = shoot.entries(both, "one"), shoot.entries(both, "two", late=late)
    assert [entry.key for entry in one] != [entry.key for entry in two]
    async with fresh.ledger(both) as ledger:
        await _deliver(ledger, _interleaved(one, two, dice), dice)
        rows = await _kept(ledger)
    assert _comparable(rows, both) == expected
    assert _gaps(rows) == 2 * _gaps(fold(one))


def _interleaved(one: Sequence[Entry], two: Sequence[Entry], dice: random.Random) -> Iterator[Entry]:
    """Each tap's in its order, one or the other first."""
    rests = [iter(one), iter(two)]
    while rests:
        rest = dice.choice(rests)
        part = list(islice(rest, dice.randint(1, 20)))
        yield from part
        if not part:
            rests.remove(rest)


def _gaps(rows: Mapping[str, Row]) -> int:
    return sum(row.fields.get("kind") == "gap" for row in rows.values())


def _comparable(rows: Mapping[str, Row], venue: str) -> dict[str, Any]:
    """Without what two taps do not share: gap rows, ``observedAt``, counts, and our own order of versions."""
    kept = {}
    for key, row in rows.items():
        if row.fields.get("kind") == "gap":
            continue
        fields = {name: value for name, value in row.fields.items() if name != "observedAt"}
        if "finalState" in fields:
            state = fields["finalState"]
            fields["finalState"] = {name: state[name] for name in state if name not in ("counts", "gaps", "gapMs")}
        kept[key.removeprefix(venue)] = json.loads(json.dumps([row.op, fields]).replace(f"{venue}/", "v/"))
    return kept
