"""The merge rules in Python are the ledger's: both are held to ``convex/contract/entries.json``."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from tap.core.merge import fold
from tap.core.model import Entry, Op

_FILE = orjson.loads((Path(__file__).parents[2] / "convex" / "contract" / "entries.json").read_bytes())
_CASES: list[dict[str, Any]] = _FILE["cases"]
_TABLES = {"session": "sessions", "camera": "cameras", "event": "events", "still": "stills"}


def _entries(case: dict[str, Any]) -> list[Entry]:
    """The entries that the ledger does not refuse: whether one may be written is for it to say."""
    taken = [
        said
        for said, outcome in zip(case["entries"], case["outcomes"], strict=True)
        if outcome["outcome"] != "rejected"
    ]
    return [
        Entry(
            said["key"],
            said["op"],
            said["sessionKey"],
            said["version"],
            {name: value for name, value in said["fields"].items() if name != "retracted"},
            said.get("revision", 0),
            said.get("retracted") or said["fields"].get("retracted"),
        )
        for said in taken
    ]


def _shown(entries: list[Entry]) -> dict[str, list[dict[str, Any]]]:
    """The rows as the ledger's queries show them, each table in the order of its keys."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES.values()}
    for key, row in sorted(fold(entries).items()):
        shown = {**row.fields, "sessionKey": row.session_key, "venue": _FILE["venue"]}
        shown |= {"version": row.version, "revision": row.revision}
        if row.op in {"event", "still"}:
            shown[f"{row.op}Key"] = key
        if row.retracted is not None:
            shown["retracted"] = row.retracted
        tables[_TABLES[row.op]].append(shown)
    return tables


def test_there_are_cases() -> None:
    """A file without any would prove nothing."""
    assert len(_CASES) > 50


@pytest.mark.parametrize("case", _CASES, ids=[case["name"] for case in _CASES])
def test_entries_make_the_rows_that_the_ledger_makes(case: dict[str, Any]) -> None:
    """A change on one side alone turns one of the two red."""
    assert _shown(_entries(case)) == case["rows"]


@pytest.mark.parametrize("case", [case for case in _CASES if case["anyOrder"]], ids=lambda case: case["name"])
def test_their_order_and_repetition_change_nothing(case: dict[str, Any]) -> None:
    """Shuffled, and each twice."""
    entries = _entries(case) * 2
    random.Random(case["name"]).shuffle(entries)
    assert _shown(entries) == case["rows"]


@pytest.mark.parametrize("op", ["event", "still"])
def test_of_two_retractions_of_one_row_one_wins_in_any_order(op: Op) -> None:
    """They differ by their reason alone; which one stands does not depend on which came first."""
    fields = {"kind": "cut", "at": 1, "observedAt": 1} if op == "event" else {"status": "captured"}
    both = [
        Entry("v/1/x", op, "v/1", 1, fields, 1, {"at": 1, "reason": reason}) for reason in ("was wrong", "came twice")
    ]
    assert fold(both) == fold(both[::-1])
