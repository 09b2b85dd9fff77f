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

OPEN = {
    "a-counter-that-wraps-within-a-batch": "the camera that program turned from is another",
    "a-fade-told-after-its-own-state": "the cut back to the camera that was on is taken for no change",
    "a-shuffled-batch-whose-states-count-apart": "two of its cuts are inferred once more",
    "a-still-taken-in-a-stall": "the camera that was on is not known",
    "held-again-in-the-same-millisecond": "the second hold is taken for the first, told again",
    "held-before-the-session-and-in-it": "the hold in the session is taken for the one before it, told again",
    "three-cuts-in-one-millisecond": "the third is told as if only a snapshot had told it",
}
"""Those in which the history is still wrong, and how. Whoever mends one has to take it out of here."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason=OPEN[name], strict=True)) if name in OPEN else name
        for name in NAMES
    ],
)
def test_what_was_found_once_is_right(name: str) -> None:
    truth = read_truth((FOLDER / f"{name}.truth.jsonl").read_text("utf-8").splitlines())
    with open_tape(FOLDER / f"{name}.tape.jsonl") as tape:
        result = score(truth, fed(list(tape)), tolerance_ms=0)
    assert result.perfect, result.explain()


def test_there_are_some() -> None:
    assert len(NAMES) >= 16
    assert set(NAMES) >= OPEN.keys()
