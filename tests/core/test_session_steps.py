"""What a session's row says after a step, of an end that comes later."""

from __future__ import annotations

from typing import Any

import pytest

from tap.core.model import Entry
from tap.core.session_steps import Step, ended, follow

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


def entry(session: str, op: Any, name: str, **fields: Any) -> Entry:
    key = session if op == "session" else f"{session}/{op}/{name}"
    return Entry(key, op, session, 7, fields)


def chosen(how: Any, *keys: str, names: dict[str, str] | None = None, **args: Any) -> Step:
    return Step(1, how, 0, "anna", list(keys), args, {}, names=names or {})


def followed(step: Step, *entries: Entry) -> list[tuple[str, str] | None]:
    """Where each entry goes: its key and its session."""
    found = [follow([step], one, lambda key: {**PART, "key": key}) for one in entries]
    return [None if one is None else (one.key, one.session_key) for one in found]


def test_after_a_split_what_is_told_goes_to_the_part_that_it_belongs_to() -> None:
    """By its time. What has none belongs to the second part, and so does the session's own row: it is of its end."""
    step = chosen("split", "v/s", "v/s2", at=1_000)
    assert followed(
        step,
        entry("v/s", "event", "a", at=999),
        entry("v/s", "event", "b", at=1_000),
        entry("v/s", "still", "c"),
        entry("v/s", "session", ""),
        entry("v/other", "event", "d", at=5),
        entry("v/s2", "event", "e", at=5),
    ) == [
        ("v/s/event/a", "v/s"),
        ("v/s2/event/b", "v/s2"),
        ("v/s2/still/c", "v/s2"),
        ("v/s2", "v/s2"),
        ("v/other/event/d", "v/other"),
        ("v/s2/event/e", "v/s2"),
    ]


def test_a_still_that_the_split_gave_to_a_part_stays_in_it_and_so_does_what_is_told_of_it() -> None:
    """Whenever that is told, and whatever time it has."""
    step = chosen("split", "v/s", "v/s2", at=1_000, names={"v/s/still/a": "v/s/still/a", "v/s/still/b": "v/s2/still/b"})
    assert followed(
        step,
        entry("v/s", "still", "a", capturedAt=5_000),
        entry("v/s", "still", "b", capturedAt=5),
        entry("v/s", "event", "x", at=5_000, stillKey="v/s/still/a"),
        entry("v/s", "event", "y", at=5, stillKey="v/s/still/b"),
    ) == [("v/s/still/a", "v/s"), ("v/s2/still/b", "v/s2"), ("v/s/event/x", "v/s"), ("v/s2/event/y", "v/s2")]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_after_a_merge_of_many_only_the_last_one_s_row_ends_the_whole(count: int) -> None:
    keys = [f"v/{number}" for number in range(count)]
    told = followed(chosen("merge", *keys), *(entry(key, "session", "") for key in keys))
    assert told == [*[None] * (count - 1), ("v/0", "v/0")]


def test_after_a_merge_of_three_only_the_last_one_s_row_ends_the_whole() -> None:
    """Cameras are in it already. What is told of an end that is none any more goes nowhere."""
    step = chosen("merge", "v/1", "v/2", "v/3")
    assert followed(
        step,
        entry("v/1", "session", ""),
        entry("v/1", "event", "a", at=1),
        entry("v/2", "session", ""),
        entry("v/2", "event", "b", at=2),
        entry("v/3", "session", ""),
        entry("v/3", "camera", "c"),
    ) == [None, ("v/1/event/a", "v/1"), None, ("v/1/event/b", "v/1"), ("v/1", "v/1"), None]


def test_an_entry_that_is_followed_keeps_what_it_says() -> None:
    step = chosen("split", "v/s", "v/s2", at=1_000)
    told = follow(
        [step], Entry("v/s/event/x", "event", "v/s", 7, {"at": 2_000}, 3, {"at": 1, "reason": "no"}), PART.get
    )
    assert told == Entry("v/s2/event/x", "event", "v/s2", 7, {"at": 2_000}, 3, {"at": 1, "reason": "no"})
