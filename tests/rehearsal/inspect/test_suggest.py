"""What is drafted from a tape: a mapping that loads, and that reads the tape right."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from tap.core.mapping import parse_mapping
from tap.rehearsal.inspect import Inspection
from tests.rehearsal.inspect.places import MANUAL, history, nonsense, renamed, scored, shoot, tape

STYLES = (None, "nested", "snapshots", "numeric")
HARD = ("reconnect", "restart", "flap", "late_join", "told_thrice", "snapshot_only", "still_disorder")


def drafted(path: Path) -> str:
    """The draft, with the words that only the manual knows."""
    text = Inspection([path], dialect="multicam/1").suggestion().text
    for number, word in MANUAL.items():
        text = text.replace(number, word)
    return text


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("seed", "faults"), [(300, ()), (301, ()), (302, HARD)])
def test_a_draft_reads_its_tape_right(tmp_path: Path, style: str | None, seed: int, faults: tuple[str, ...]) -> None:
    """F1 = 1.0 on shoots that nobody tuned it for, whoever tells them; numbers got their words by hand."""
    made = shoot(style, seed, *faults)
    path = tape(tmp_path / "first.jsonl", made)
    result = scored(path, made, drafted(path))
    assert result.perfect, result.explain()


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_drafts_of_many_shoots(tmp_path: Path, style: str | None) -> None:
    for seed in range(400, 420):
        made = shoot(style, seed, *(HARD if seed % 2 else ()), length_s=90)
        path = tape(tmp_path / "first.jsonl", made)
        result = scored(path, made, drafted(path))
        assert result.perfect, f"seed {seed}: {result.explain()}"


@pytest.mark.parametrize(("style", "type_key"), [(None, "type"), ("nested", "eventType")])
def test_it_goes_by_behaviour_where_names_mean_nothing(tmp_path: Path, style: str | None, type_key: str) -> None:
    """All names turned to nonsense: state, cameras, program, cuts, session, mode and hold are found all the same."""
    made = shoot(style, 300, length_s=90)
    path = tape(tmp_path / "first.jsonl", made, lambda frame: renamed(frame, type_key))
    report = Inspection([path], dialect="multicam/1").report()
    looks = {one.name: one.looks_like for one in report.types}
    ours = ("snapshot", "cut", "session_started", "session_ended", "hold", "release", "mode_changed")
    theirs = {
        None: ("state", "cut", "session_started", "session_ended", "hold", "release", "mode_changed"),
        "nested": (
            *("stageStatus", "programSwitched", "shootBegan", "shootFinished"),
            *("holdEngaged", "holdReleased", "modeSelected"),
        ),
    }[style]
    named = dict(zip(theirs, ours, strict=True))
    assert {name: looks[nonsense(name)] for name in named} == named
    assert report.envelope["type"].endswith(nonsense(type_key))
    mapping = Inspection([path], dialect="multicam/1").suggestion()
    assert mapping.doubts  # nobody can be sure of nonsense
    cuts = [entry for entry in history(path, mapping.text) if entry.fields.get("kind") == "cut"]
    assert len(cuts) > 20


def test_doubtful_lines_say_why_above_them(tmp_path: Path) -> None:
    """And the file loads as it is."""
    path = tape(tmp_path / "first.jsonl", shoot("numeric", 300))
    drafted = Inspection([path]).suggestion(name="hall/1")
    lines = drafted.text.splitlines()
    remarks = [number for number, line in enumerate(lines) if line.startswith("# doubtful: ")]
    assert len(remarks) == drafted.doubts > 0
    assert all(lines[number + 1].strip() for number in remarks)
    assert any(
        "the modes are numbers" in lines[number] and lines[number + 1].startswith("mode = ") for number in remarks
    )
    assert parse_mapping(drafted.text, "drafted.toml").name == "hall/1"


def test_a_server_without_sessions_gets_them_from_the_program(tmp_path: Path) -> None:
    def without(frame: Any) -> Any:
        return {name: part for name, part in frame.items() if name != "session"}

    path = tape(tmp_path / "first.jsonl", shoot(None, 300), without)
    drafted = Inspection([path]).suggestion().text
    assert 'session_by = "program"' in drafted or "session_started" in drafted
    parse_mapping(drafted, "drafted.toml")


@pytest.mark.parametrize(
    "frames",
    [
        [{"a": 1}],
        [{"type": "x"}],
        [{}],
        [[]],
        [[1, 2], [{"type": 7}]],
        [{"type": None, "x": {"y": [[[[1]]]]}}],
        [{"type": "state", "cameras": []}] * 3,
        [{"type": "state", "cameras": [{"id": "c1"}], "program": "c1"}] * 5,
        [{'we"ird\u202e\x07': {"a.b": "c[d]"}, "type": "x\n# y\"'"}] * 4 + [{"type": "\u2028"}] * 4,
        [{"type": f"t{n}", f"k{n}": n} for n in range(500)],
        [{"type": "state", "cameras": {f"c{n}": {"on": n == k} for n in range(3)}} for k in (0, 1, 2, 0)],
    ],
)
def test_whatever_was_said_a_draft_loads(tmp_path: Path, frames: list[Any]) -> None:
    """Odd names, odd types, hardly anything."""
    path = tmp_path / "odd.jsonl"
    said = (
        {"t": n, "wall": "2026-11-18T12:00:00Z", "data": orjson.dumps(one).decode()} for n, one in enumerate(frames)
    )
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in said))
    inspection = Inspection([path], dialect="multicam/1")
    text = inspection.suggestion().text
    assert tomllib.loads(text)["dialect"] == "my-server/1"
    assert inspection.report().frames == len(frames)
    parse_mapping(text, "drafted.toml")
    assert not any(character in text for character in "\u202e\x07\u2028")
