"""Tapes of worlds that failed once, made as small as they get: each with the truth that it has to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tap.adapters.tape import open_tape
from tap.rehearsal.score import score
from tap.rehearsal.truth import read_truth
from tests.world.worlds import fed

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "worlds"
NAMES = sorted(path.name.removesuffix(".tape.jsonl") for path in FOLDER.glob("*.tape.jsonl"))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_once_is_right(name: str) -> None:
    truth = read_truth((FOLDER / f"{name}.truth.jsonl").read_text("utf-8").splitlines())
    with open_tape(FOLDER / f"{name}.tape.jsonl") as tape:
        result = score(truth, fed(list(tape)), tolerance_ms=0)
    assert result.perfect, result.explain()


def test_there_are_some() -> None:
    assert len(NAMES) >= 47
