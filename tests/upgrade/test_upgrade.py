"""A state directory of an earlier version, killed in the middle of a session, goes on with the code of today.

The rows are those that the version itself made of it. What today says otherwise is on purpose, and listed here: nothing
else. ``make.py`` made them, and says how.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tap.adapters.ledger import Ledger
from tests.contract.local import key_of, local_ledger
from tests.contract.test_contract import _kept
from tests.upgrade.resume import VENUE, entries_in, pending_in, playing, waits

STATES = Path(__file__).parents[2] / "fixtures" / "states"
KEY = key_of(VENUE)


class GoneOn(msgspec.Struct):
    """What there is after today's code has gone on, to the end of the shoot, and what the version itself came to."""

    version: str
    before: list[Any]
    """The entries that were in the journal when the kill came."""
    entries: list[Any]
    rows: list[Any]

    def then(self, name: str) -> list[Any]:
        """The entries or the rows of the version itself."""
        return [json.loads(line) for line in kept(self.version, f"{name}.jsonl.gz").splitlines()]


@pytest.fixture(scope="module", params=["0.1.0", "0.2.0"])
def gone_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GoneOn:
    version, folder = request.param, tmp_path_factory.mktemp("state")
    state = unpacked(version, folder)
    before = entries_in(unpacked(version, folder / "another"))
    (folder / "ledger").write_bytes(kept(version, "ledger.gz"))
    steps = json.loads(kept(version, "after.json.gz"))
    with local_ledger([VENUE], data=folder / "ledger") as local:
        with playing(steps, state, (local.url, KEY.get_secret_value()), folder / "log") as tap:
            tap.says("done")
            waits(lambda: not pending_in(state))
            tap.process.terminate()
            assert tap.process.wait() == 0
        return GoneOn(version, before, entries_in(state), anyio.run(rows_of, local.url))


def unpacked(version: str, folder: Path) -> Path:
    """The state directory as the kill left it."""
    state = folder / "state"
    state.mkdir(mode=0o700, parents=True)
    with tarfile.open(STATES / version / "state.tar.gz") as packed:
        packed.extractall(state, filter="data")
    return state


def kept(version: str, name: str) -> bytes:
    return gzip.decompress((STATES / version / name).read_bytes())


async def rows_of(url: str) -> list[Any]:
    async with Ledger(url, KEY) as reader:
        return [msgspec.to_builtins(row) for _, row in sorted((await _kept(reader)).items())]


# ------------------------------------------------------------------------------------ what is otherwise, on purpose


def as_then(version: str, said: list[Any]) -> list[Any]:
    """What the version would have said of it: without what is newer, by name. Of 0.2.0 nothing is.

    - That a program goes off the air and nothing takes its place is an event of its own (``off_air``), and counted.
    - The dialect ``multicam/1`` reads more than it did, and has another digest.
    - A session row that says nothing new but the digest: 0.1.0 had no reason to write it.
    """
    if version != "0.1.0":
        return said
    then: list[Any] = []
    last: dict[str, Any] = {}
    for row in said:
        fields = row["fields"]
        if fields.get("kind") == "off_air":
            continue
        if row["op"] == "session":
            fields = without_what_is_newer(fields)
            if last.get(row["key"]) == fields:
                continue
            last[row["key"]] = fields
        then.append({**row, "fields": fields})
    return then


def without_what_is_newer(session: dict[str, Any]) -> dict[str, Any]:
    session = json.loads(json.dumps(session))
    session.get("source", {}).pop("mappingDigest", None)
    session.get("finalState", {}).get("counts", {}).pop("off_air", None)
    return session


# ------------------------------------------------------------------------------------------------- what is the same


def test_the_ledger_has_the_rows_that_the_version_itself_would_have_written(gone_on: GoneOn) -> None:
    assert as_then(gone_on.version, gone_on.rows) == as_then(gone_on.version, gone_on.then("rows"))


def test_the_journal_has_the_entries_that_the_version_itself_would_have_written(gone_on: GoneOn) -> None:
    """In the same order, with the same keys, times and versions."""
    assert as_then(gone_on.version, gone_on.entries) == as_then(gone_on.version, gone_on.then("entries"))


def test_what_the_kill_left_in_the_journal_is_still_there_to_the_letter(gone_on: GoneOn) -> None:
    assert gone_on.entries[: len(gone_on.before)] == gone_on.before


def test_what_today_says_otherwise_is_said(gone_on: GoneOn) -> None:
    """Or the list above would excuse what nobody says any more."""
    assert digests(gone_on.then("rows"))
    if gone_on.version == "0.1.0":
        assert any(row["fields"].get("kind") == "off_air" for row in gone_on.rows)
        assert digests(gone_on.rows) - digests(gone_on.then("rows"))


def digests(rows: list[Any]) -> set[str]:
    return {row["fields"]["source"]["mappingDigest"] for row in rows if row["op"] == "session"}


@pytest.mark.parametrize(("version", "delivered"), [("0.1.0", 122), ("0.2.0", 123)])
def test_the_kill_came_in_the_middle_of_a_session(version: str, delivered: int, tmp_path: Path) -> None:
    """On hold, with a still that was asked for and not taken; some entries were delivered, and some were not."""
    state = unpacked(version, tmp_path)
    assert (state / "journal.db-wal").stat().st_size > 0
    assert list((state / "tapes").iterdir())
    with closing(sqlite3.connect(state / "journal.db")) as db:
        assert dict(db.execute("SELECT state, n FROM tally WHERE n")) == {"shipped": delivered, "pending": 20}
        checkpoint = b"".join(data for (data,) in db.execute("SELECT data FROM checkpoint")).decode()
    assert '"status":"requested"' in checkpoint
    assert entries_in(state)[-1]["fields"]["kind"] == "hold"
