"""Made-up servers, nothing like multicam/1: their tapes, read by the mapping beside them, are true."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.pipeline import Pipeline
from tap.rehearsal.score import score
from tap.rehearsal.styles import NAMES
from tap.rehearsal.truth import read_truth

FOLDER = Path(__file__).parent.parent / "fixtures" / "styles"
CASES = sorted(path.relative_to(FOLDER).as_posix().removesuffix(".tape.jsonl") for path in FOLDER.rglob("*.tape.jsonl"))


def _replayed(case: str) -> tuple[list[bytes], Pipeline]:
    style, _, name = case.partition("/")
    with open_tape(FOLDER / style / f"{name}.tape.jsonl") as tape:
        dialect = load_dialect(str(FOLDER / style / "mapping.toml"))
        pipeline = Pipeline(dialect, venue=tape.header.venue or "", tap=tape.header.tap or "")
        return [entry_json(entry) for item in tape for entry in pipeline.feed(item)], pipeline


def test_every_style_has_tapes() -> None:
    assert {case.partition("/")[0] for case in CASES} == set(NAMES)
    assert len(CASES) == 6


@pytest.mark.parametrize("case", CASES)
def test_a_tape_gives_its_entries_byte_for_byte(case: str) -> None:
    """A difference is a change of the history that people have: look at it before fixtures/make.py writes it."""
    assert _replayed(case)[0] == (FOLDER / f"{case}.entries.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize("case", CASES)
def test_what_a_tape_gives_is_true(case: str) -> None:
    """F1 = 1.0 and every row in its true state, and nothing in it is unknown to the mapping."""
    entries, pipeline = _replayed(case)
    truth = read_truth((FOLDER / f"{case}.truth.jsonl").read_text("utf-8").splitlines())
    result = score(truth, [orjson.loads(line) for line in entries])
    assert result.perfect, result.explain()
    tally = pipeline.tally
    assert (tally.unknown, tally.incomplete, tally.unreadable) == ({}, 0, 0)
    assert tally.telemetry
