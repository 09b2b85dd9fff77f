"""A kind of event stands in one table; whoever says something about kinds says something about each of them."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from rich.console import Console

from tap.adapters.dialects import load_dialect
from tap.cli import cli
from tap.core.kinds import KINDS, MARK_ROWS, WORDS, Kind, Row, colour_of, label_of, said_of
from tap.core.mapping.language import EMITS
from tap.core.model import Cut, Entry, Envelope, Moment, Observation, SessionInfo, SessionStarted, Stamp
from tap.core.pipeline import Pipeline
from tap.history import phrases
from tap.history.export import RATES, export
from tap.history.export.edit import edit_of
from tap.history.queries import KINDS as BY_WORD
from tap.history.report import page, report_of
from tap.history.terminal import lines
from tap.history.terminal.lines import entry_line
from tap.history.terminal.timeline_chart import print_timeline
from tap.history.timeline import timeline_of
from tap.service.ops import session_board
from tests.history.test_timeline import A, camera, event, session

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


def _live_page() -> set[str]:
    """The kinds that the live page's script has words for."""
    script = (ROOT / "tap" / "service" / "ops" / "page" / "page.js").read_text("utf-8")
    table = re.search(r"const SAID = \{(.*?)\n\};", script, re.DOTALL)
    assert table is not None
    return set(re.findall(r"^  (\w+):", table[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (set(lines._SAYS_EVENT), set()),
        (set(phrases._TELL), set()),
        (set(session_board._WORDS), set()),
        (_live_page(), {"start", "end", "still", "camera"}),
    ],
    ids=["list of entries", "timeline", "live board", "live page"],
)
def test_each_view_says_something_of_each_kind(words: set[str], more: set[str]) -> None:
    """In words of its own, or in those of the table; and has words for no kind that there is not."""
    assert more <= words <= KINDS.keys() | more
    assert [name for name, kind in KINDS.items() if name not in words and not kind.says] == []


def test_what_a_kind_is_drawn_in_and_called_by_is_there() -> None:
    rows = {row for row in get_args(Row) if row not in ("program", "hold", "mode", "camera", "gap")}
    assert rows == set(MARK_ROWS), "each row of moments has a sign and a label"
    assert rows <= {kind.row for kind in KINDS.values()}
    assert [name for name, kind in KINDS.items() if kind.titled and kind.titled not in kind.says] == []
    assert [name for name, kind in KINDS.items() if kind.row in MARK_ROWS and not kind.says] == []


@pytest.mark.parametrize(("row", "titled"), [("marker", "text"), ("marker", ""), ("music", "")])
def test_a_kind_that_nobody_has_heard_of_is_drawn_and_exported_by_its_line_in_the_table(
    monkeypatch: pytest.MonkeyPatch, row: Row, titled: str
) -> None:
    """In the terminal's chart and list, in a report, as a marker of an editing system, and as a chapter."""
    applause = Kind("Applause", "applause", "RED", row, fields=("detail.text",), says=("text",), titled=titled)
    monkeypatch.setitem(KINDS, "applause", applause)
    rows = [session(A), camera("a", name="Ana"), event("applause", 10, detail={"text": "loud"})]
    timeline = timeline_of(rows)
    chart = Console(width=100, file=io.StringIO(), force_terminal=False)
    print_timeline(timeline, chart, UTC)
    drawn = str(chart.file.getvalue())  # type: ignore[attr-defined]
    assert MARK_ROWS[row].sign in drawn
    assert re.search(r"applause +loud", drawn)
    (marker,) = edit_of(timeline, RATES["25"], UTC).markers
    assert (marker.kind, marker.name) == ("applause", "loud" if titled else "Applause loud")
    assert ("Applause" in page(report_of(rows, zone=UTC, made_at=T0))) is True
    chapters = export(rows, "youtube", rate=RATES["25"], zone=UTC).files[""]
    assert ("loud" in chapters) == bool(titled)


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


# ---------------------------------------------------------------------------------------------- each kind says all


def _moments() -> list[type[Moment]]:
    return [one for one in get_args(Observation) if issubclass(one, Moment)]


def test_every_moment_that_frames_can_tell_is_taken_in_and_has_a_kind() -> None:
    """In the union of observations, in what mappings emit, in our server's dialect, and in the table of kinds."""
    assert set(_moments()) == set(Moment.__subclasses__())
    assert {one.event for one in _moments()} <= KINDS.keys()
    emitted = {emit.make for emit in EMITS.values()}
    assert [one.__name__ for one in _moments() if one not in emitted] == []
    ours = {name for name, emit in EMITS.items() if emit.make in _moments()}
    assert ours <= load_dialect("multicam/1").emits, "a rule of our own server's dialect tells each"


@pytest.mark.parametrize("moment", _moments(), ids=lambda one: one.__name__)
def test_a_moment_becomes_a_row_of_its_kind(moment: type[Moment]) -> None:
    """With its own name, its own detail, and no column that its kind does not have; twice told it is one."""
    (emit,) = (emit for emit in EMITS.values() if emit.make is moment)
    values: dict[str, Any] = {
        "id": "i",
        "text": "t",
        "remark": "r",
        "word": "w",
        "number": 0.5,
        "count": 5,
        "flag": True,
    }
    told = {name: values[kind] for name, kind in emit.fields.items() if kind in values}
    pipeline = Pipeline(load_dialect("multicam/1"), venue="hall", tap="t")
    machine = pipeline._machine
    machine.step(SessionStarted(Envelope(Stamp(T0, 0), T0), SessionInfo("s")))
    machine.step(Cut(Envelope(Stamp(T0, 1), T0 + 1), to="c1"))
    o: Any = moment(envelope=Envelope(Stamp(T0, 5), T0 + 5), **told)
    (entry,) = machine.step(o)
    assert machine.step(o) == []
    kind = KINDS[moment.event]
    fields = {name for name in entry.fields if name not in _EACH_HAS} | {
        f"detail.{name}" for name in entry.fields["detail"]
    }
    assert (entry.op, entry.fields["kind"]) == ("event", moment.event)
    assert fields <= set(kind.fields)
    assert said_of(moment.event, entry.fields["detail"]) in told.values()


_EACH_HAS = {"kind", "at", "observedAt", "detail"}


def test_no_row_has_a_column_that_its_kind_does_not_have() -> None:
    """Of all tapes; and what a kind says stands in its detail."""
    for path in (ROOT / "fixtures").rglob("*.entries.jsonl"):
        for fields in (json.loads(line)["fields"] for line in path.read_text("utf-8").splitlines()):
            if "kind" in fields:
                told = fields.keys() - _EACH_HAS | {f"detail.{name}" for name in fields.get("detail", {})}
                assert told <= set(KINDS[fields["kind"]].fields), fields
    assert all(f"detail.{name}" in kind.fields for kind in KINDS.values() for name in kind.says)


def test_what_an_event_can_have_is_what_the_ledger_takes() -> None:
    """Its columns, by the functions' own list."""
    columns = (ROOT / "convex" / "functions" / "ledger" / "columns.ts").read_text("utf-8")
    table = re.search(r"const eventColumns = \{(.*?)\n\};", columns, re.DOTALL)
    assert table is not None
    taken = set(re.findall(r"^  (\w+)", table[1], re.MULTILINE))
    assert taken == {name.partition(".")[0] for kind in KINDS.values() for name in kind.fields} | _EACH_HAS


def test_of_a_kind_without_a_phrase_people_read_what_it_says() -> None:
    """On the terminal, in a list of entries, and on the live page: of one that its table alone knows."""
    detail = {"momentId": "m", "kind": "drop", "confidence": 0.5}
    assert said_of("music_moment", detail) == "drop"
    fields = {"kind": "music_moment", "at": T0, "detail": detail}
    assert "music_moment   drop" in entry_line(Entry("k", "event", "hall/s", T0, fields))
    assert said_of("something_new", detail) == said_of("marker", {}) == ""


def test_what_a_camera_or_a_person_dates_may_be_told_later() -> None:
    """So its time says nothing of the server's clock, and the live page does not judge that clock by it."""
    later = {name for name, kind in KINDS.items() if not kind.at_once}
    assert later == {"still_capture", "music_moment", "marker"}
