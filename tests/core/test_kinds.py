"""A kind of event stands in one table; whoever says something about kinds says something about each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from tap.cli import cli
from tap.core.kinds import KINDS, WORDS, colour_of, label_of
from tap.core.model import Entry
from tap.history.queries import KINDS as BY_WORD
from tap.history.terminal.lines import entry_line

ROOT = Path(__file__).parents[2]
T0 = 1_795_000_000_000


def test_they_are_those_that_the_ledger_takes() -> None:
    """The functions' own list, and the contract that holds both to each other."""
    columns = (ROOT / "convex" / "functions" / "ledger" / "columns.ts").read_text("utf-8")
    union = re.search(r"const kind\w* = v\.union\((.*?)\);", columns, re.DOTALL)
    assert union is not None
    assert set(re.findall(r'v\.literal\("(\w+)"\)', union[1])) == set(KINDS)
    cases = json.loads((ROOT / "convex" / "contract" / "entries.json").read_text("utf-8"))["cases"]
    (case,) = (case for case in cases if case["name"] == "Every kind of event is taken")
    assert {entry["fields"]["kind"] for entry in case["entries"]} == set(KINDS)


def test_each_can_be_asked_for() -> None:
    (option,) = (one for one in cli.commands["timeline"].params if one.name == "kinds")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == WORDS
    assert set().union(*BY_WORD.values()) == set(KINDS)
    assert BY_WORD["hold"] == {"hold", "release"}
    assert BY_WORD["off-air"] == {"off_air"}


def test_the_live_page_says_something_of_each() -> None:
    script = (ROOT / "tap" / "service" / "ops" / "page" / "page.js").read_text("utf-8")
    table = re.search(r"const SAID = \{(.*?)\n\};", script, re.DOTALL)
    assert table is not None
    assert set(re.findall(r"^  (\w+):", table[1], re.MULTILINE)) >= set(KINDS)


def test_marks_have_a_colour_that_editing_systems_know() -> None:
    known = {"RED", "GREEN", "BLUE", "CYAN", "MAGENTA", "YELLOW", "BLACK", "WHITE"}
    assert {kind.colour for kind in KINDS.values()} <= known
    assert (colour_of("marker"), colour_of("still"), colour_of("something new")) == ("CYAN", "GREEN", "WHITE")


def test_a_kind_of_another_version_is_called_by_its_name() -> None:
    assert (label_of("off_air"), label_of("something_new")) == ("Off air", "something new")
    assert len(label_of("x" * 10_000)) == 40


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "off_air", "fromCameraName": "Ben", "trigger": "operator"}, "off_air        Ben → nothing  operator"),
        ({"kind": "marker", "detail": {"label": "best take"}}, "marker         best take"),
        ({"kind": "something_new"}, "something_new"),
    ],
)
def test_in_a_list_of_entries_each_says_what_it_is(fields: dict[str, object], said: str) -> None:
    line = entry_line(Entry("k", "event", "hall/s", T0, {"at": T0, **fields}))
    assert line == f"2026-11-18T11:06:40.000Z  event    {said}  [hall/s]"
