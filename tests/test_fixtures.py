"""The tapes of whole shoots and hard cases give the entries beside them, byte for byte, and these are true."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.pipeline import Pipeline
from tap.rehearsal.score import score
from tap.rehearsal.truth import read_truth

FOLDER = Path(__file__).parent.parent / "fixtures" / "multicam-1"
NAMES = sorted(path.name.removesuffix(".tape.jsonl") for path in FOLDER.glob("*.tape.jsonl"))


def _replayed(name: str) -> list[bytes]:
    with open_tape(FOLDER / f"{name}.tape.jsonl") as tape:
        header = tape.header
        assert header.dialect is not None
        dialect = load_dialect(header.dialect)
        pipeline = Pipeline(dialect, venue=header.venue or "", tap=header.tap or "", policy=header.policy)
        return [entry_json(entry) for item in tape for entry in pipeline.feed(item)]


def test_every_hard_case_has_a_tape() -> None:
    """One for each line of the protocol's list, and whole shoots."""
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_a_tape_gives_its_entries_byte_for_byte(name: str) -> None:
    """A difference is a change of the history that people have: look at it before fixtures/make.py writes it."""
    expected = (FOLDER / f"{name}.entries.jsonl").read_bytes().splitlines()
    assert _replayed(name) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_a_tape_gives_is_true(name: str) -> None:
    """By the simulator's own truth: F1 = 1.0 and every row in its true state."""
    truth = read_truth((FOLDER / f"{name}.truth.jsonl").read_text("utf-8").splitlines())
    result = score(truth, [orjson.loads(line) for line in _replayed(name)])
    assert result.perfect, result.explain()
