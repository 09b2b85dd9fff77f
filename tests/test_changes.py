"""What keeps a pipeline up to date: every row at least once, resumed anywhere, with repairs and what was taken back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

import tap
from tap.adapters.journal import Journal
from tap.adapters.ledger import Ledger, LedgerRefused
from tap.cli import cli
from tap.core.merge import Row, fold
from tap.core.model import Entry
from tap.service.tools.session_editing import Plan, split, undo
from tap.service.tools.session_making import make
from tests.adapters.test_ledger import NOW, event, session
from tests.contract.local import ADMIN, Local, key_of, local_ledger
from tests.contract.stub import ABOUT, fails, says, stubbed
from tests.contract.test_contract import Shoot
from tests.service.chosen import NOW as CHOSEN_AT
from tests.service.chosen import RIGHT, done, tape_of

READER = "a-key-that-reads-two-venues"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    digest = hashlib.sha256(READER.encode()).hexdigest()
    os.environ["PRODUCTION_READ_KEYS"] = f"hall-0:{digest} hall-1:{digest}"
    try:
        with local_ledger([*(f"hall-{number}" for number in range(10)), "hall"]) as running:
            yield running
    finally:
        del os.environ["PRODUCTION_READ_KEYS"]


def write(local: Local, venue: str, entries: Sequence[Entry]) -> None:
    async def body() -> None:
        async with local.ledger(venue) as ledger:
            rest = entries
            while rest:
                answers = await ledger.ingest(rest)
                assert not [answer for answer in answers if answer.outcome == "rejected"]
                rest = rest[len(answers) :]

    asyncio.run(asyncio.wait_for(body(), 300))


def call(local: Local, *arguments: str, key: str) -> Result:
    env = {"TAP_CONVEX_URL": local.url, "TAP_INGEST_KEY": key}
    done = CliRunner().invoke(cli, ["changes", *arguments], env=env)
    assert key not in done.output
    return done


class Copy:
    """A copy of the ledger that a pipeline keeps, by what it is told alone."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.cursor: str | None = None
        self.told: list[str] = []

    def take(self, row: Row) -> None:
        self.told.append(row.key)
        if row.retracted is None:
            self.rows[row.key] = row
        elif row.retracted.get("reason") == "forgotten":
            self.rows = {key: other for key, other in self.rows.items() if other.session_key != row.session_key}
        else:
            self.rows.pop(row.key, None)

    def keep_up(self, local: Local, key: str, *, pages: int | None = None) -> int:
        self.told = []
        for number, page in enumerate(tap.changes(local.url, key, since=self.cursor), 1):
            for row in page.rows:
                self.take(row)
            self.cursor = page.cursor
            if number == pages:
                break
        return len(self.told)


def test_a_copy_is_the_ledger_and_is_told_only_what_is_new(local: Local, tmp_path: Path) -> None:
    """A whole shoot with every fault, stopped after each page; then nothing; then one cut; then repairs."""
    venue = local.venue()
    key = key_of(venue).get_secret_value()
    entries = Shoot(4, tmp_path).entries(venue)
    copy = Copy()
    for start in range(0, len(entries), 100):
        write(local, venue, entries[start : start + 100])
        copy.keep_up(local, key, pages=1)
    copy.keep_up(local, key)
    expected = {name: row for name, row in fold(entries).items() if row.retracted is None}
    assert copy.rows == expected
    assert copy.keep_up(local, key) == 0

    cut = next(entry for entry in entries if entry.fields.get("kind") == "cut")
    later = replace(cut, key=f"{cut.session_key}/cut/later")
    write(local, venue, [later])
    assert (copy.keep_up(local, key), copy.told) == (1, [later.key])

    repaired = replace(cut, revision=1, fields={**cut.fields, "cameraName": "Repaired"})
    back = replace(later, revision=1, retracted={"at": NOW, "reason": "rederived"})
    write(local, venue, [repaired, back])
    assert copy.keep_up(local, key) == 2
    assert copy.rows[cut.key].fields["cameraName"] == "Repaired"
    assert later.key not in copy.rows

    async def forget() -> None:
        async with local.ledger(venue) as ledger:
            await ledger.forget(ADMIN, cut.session_key)

    asyncio.run(forget())
    copy.keep_up(local, key)
    assert copy.rows == {name: row for name, row in copy.rows.items() if row.session_key != cut.session_key}
    assert cut.session_key not in copy.rows
    assert copy.keep_up(local, key) == 0


def test_a_copy_follows_what_is_chosen_afterwards(local: Local, tmp_path: Path) -> None:
    """A session is made, split, the split undone: each row that came, changed or went is told at least once."""
    state = tape_of(tmp_path, 6, bare=True)
    at, since, until = 1_795_000_050_000, 1_795_000_020_000, 1_795_000_080_000
    first = f"hall/@{since}"
    copy, sent = Copy(), 0
    key = key_of("hall").get_secret_value()
    with Journal.open(tmp_path / "journal.db") as journal:
        plans: list[Callable[[], Plan]] = [
            lambda: make(
                state / "tapes", journal, RIGHT, venue="hall", since=since, until=until, names={}, now=CHOSEN_AT
            ),
            lambda: split(journal, first, at=at),
            lambda: undo(journal, first),
        ]
        for made, revised, taken_back in ((True, False, False), (True, True, True), (True, True, True)):
            done(journal, plans.pop(0)())
            entries = [kept.entry for kept in journal.entries()]
            new, sent = entries[sent:], len(entries)
            write(local, "hall", new)
            before = dict(copy.rows)
            copy.keep_up(local, key, pages=1)
            told = set(copy.told)
            copy.keep_up(local, key)
            told |= set(copy.told)
            assert told == {entry.key for entry in new}
            assert copy.rows == {name: row for name, row in fold(entries).items() if row.retracted is None}
            back = {entry.key for entry in new if entry.retracted is not None}
            assert back == before.keys() - copy.rows.keys()
            assert (
                bool(copy.rows.keys() - before.keys()),
                bool(told & before.keys() & copy.rows.keys()),
                bool(back),
            ) == (
                made,
                revised,
                taken_back,
            )
            assert copy.keep_up(local, key) == 0
        assert {row.session_key for row in copy.rows.values()} == {first}
        assert copy.rows[first].revision == 3


def test_the_lines_of_the_command_go_on_from_any_of_them(local: Local) -> None:
    """Killed after any line, a reader that saved its cursor misses nothing."""
    venue = local.venue()
    key = key_of(venue).get_secret_value()
    write(local, venue, [session(f"{venue}/1"), *[event(number, session=f"{venue}/1") for number in range(250)]])
    lines = [json.loads(line) for line in call(local, "--json", key=key).stdout.splitlines()]
    assert len(lines) == 251
    assert {line["op"] for line in lines} == {"session", "event"}
    assert lines[-1]["cursor"] not in (None, lines[0].get("cursor"))
    for stopped in (1, 99, 100, 101, 250):
        cursor = lines[stopped - 1].get("cursor")
        rest = call(local, "--json", *(["--since", cursor] if cursor else []), key=key).stdout.splitlines()
        told = [line["key"] for line in lines[:stopped]] + [json.loads(line)["key"] for line in rest]
        assert set(told) == {line["key"] for line in lines}
        assert len(told) < 251 + 101, "a page again at the most"
    shown = call(local, "--since", lines[-1]["cursor"], key=key)
    assert shown.stdout == ""
    assert "goes on from here" in shown.stderr
    assert "hold" in call(local, key=key).stdout


def test_a_key_for_several_venues_is_told_of_all_of_them_or_some(local: Local) -> None:
    for venue in ("hall-0", "hall-1"):
        write(local, venue, [session(f"{venue}/of-two")])
    told = {json.loads(line)["key"] for line in call(local, "--json", key=READER).stdout.splitlines()}
    assert {"hall-0/of-two", "hall-1/of-two"} <= told
    one = [
        json.loads(line)["venue"] for line in call(local, "--json", "--venue", "hall-1", key=READER).stdout.splitlines()
    ]
    assert set(one) == {"hall-1"}
    other = call(local, "--venue", "hall-2", key=READER)
    assert (other.exit_code, "this key is for another venue" in other.stderr) == (1, True)


def test_a_cursor_that_is_none_is_told(local: Local) -> None:
    done = call(local, "--since", "nonsense", key=READER)
    assert done.exit_code == 1
    assert "refused the call: cursor: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (fails(), "its functions are older than this tap"),
        (says({"status": "success", "value": {**ABOUT, "functions": ["changes"]}}), "failed inside"),
    ],
)
async def test_a_deployment_without_it_is_told_apart_from_one_that_fails(about: Any, words: str) -> None:
    async with stubbed() as (stub, url), Ledger(url, key_of("v")) as ledger:
        stub.about = about
        stub.faults = [fails()]
        with pytest.raises(tap.TapError, match=words):
            await ledger.changes()


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {"page": [], "isDone": True},
        {"page": [], "cursor": 7.0, "isDone": True},
        {"page": [], "cursor": "same", "isDone": False},
        {"page": [{"op": "page", "row": {}}], "cursor": "x", "isDone": True},
        {"page": [{"op": "event", "row": {"sessionKey": "v/1"}}], "cursor": "x", "isDone": True},
        {"page": ["row"], "cursor": "x", "isDone": True},
    ],
)
async def test_what_no_ledger_answers_is_no_change(said: Any) -> None:
    async with stubbed() as (stub, url), Ledger(url, key_of("v")) as ledger:
        stub.faults = [says({"status": "success", "value": said})]
        with pytest.raises(tap.TapError, match="does not answer as Convex does") as caught:
            await ledger.changes("same")
        assert not isinstance(caught.value, LedgerRefused)
