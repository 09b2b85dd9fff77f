"""What a session's row says after a step, of an end that comes later."""

from __future__ import annotations

from typing import Any

from tap.core.session_steps import Step, ended

PART: dict[str, Any] = {"title": "Evening", "status": "live", "finalState": {"counts": {"cut": 1}}}


def step(**base: Any) -> Step:
    return Step(1, "split", 0, "anna", ["v/s"], {}, {}, base=base)


def test_an_end_that_comes_later_counts_without_the_other_part() -> None:
    told = {"status": "complete", "completedAt": 5, "finalState": {"programCameraId": "c1", "counts": {"cut": 7}}}
    row = ended(PART, told, step(counts={"cut": 3}), -1)
    assert (row["status"], row["completedAt"]) == ("complete", 5)
    assert row["finalState"] == {"programCameraId": "c1", "counts": {"cut": 4}, "gaps": 0, "gapMs": 0}


def test_an_end_without_a_final_state_has_none() -> None:
    """Not the one of before, which is of another end."""
    row = ended(PART, {"status": "interrupted"}, step(), -1)
    assert row == {"title": "Evening", "status": "interrupted"}
