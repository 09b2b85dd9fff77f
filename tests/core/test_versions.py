"""Versions: they grow, and a ledger takes every one of them, whatever one frame or one answer says."""

from __future__ import annotations

import json

import pytest

from tap.core.codec import LATEST_SOURCE, LATEST_VERSION, version_above
from tap.core.model import Entry
from tap.core.pipeline import Pipeline
from tests.core.stage import DIALECT, T0, Stage

END = 4_102_444_800_000
"""2100: where the ledger's versions end."""


def told(entries: list[Entry], key: str) -> list[int]:
    return [entry.version for entry in entries if entry.key == key]


@pytest.mark.parametrize(
    ("last", "at", "version"),
    [
        (None, T0, T0),
        (T0, T0 + 5, T0 + 5),
        (T0 + 5, T0, T0 + 6),
        (None, END - 1, LATEST_SOURCE),
        (LATEST_SOURCE, END - 1, LATEST_SOURCE + 1),
        (LATEST_VERSION, T0, LATEST_VERSION + 1),
        (END - 2, T0, END - 1),
        (END - 1, T0, LATEST_VERSION + 1),
        (10**19, T0, LATEST_VERSION + 1),
    ],
)
def test_a_version_lies_above_the_last_and_below_the_end(last: int | None, at: int, version: int) -> None:
    """With room between what a clock may say, what a ledger may say, and where versions end."""
    assert version_above(last, at) == version
    assert LATEST_SOURCE + 2**30 <= LATEST_VERSION <= END - 2**30


def test_one_absurd_time_costs_no_later_row() -> None:
    """A frame from just before 2100: what is written of that session afterwards still goes above it, to its end."""
    stage = Stage().shoot()
    stage.later(1_000).state(ts=END - 1 - T0, session={"id": "s1", "title": "Winter"})
    for title in ("Spring", "Summer"):
        stage.later(1_000).state(session={"id": "s1", "title": title})
    stage.later(1_000).say("session_ended", session_id="s1", reason="operator")
    versions = told(stage.entries, "studio/s1")
    assert len(versions) > 3
    assert versions == sorted(set(versions))
    assert max(versions) < END
    assert stage.session()["status"] == "complete"


def test_a_checkpoint_that_believed_a_lie_goes_on() -> None:
    """A tap that took a ledger's 1e19 for a version wrote it down; the next row is one that can be kept and sent."""
    stage = Stage().shoot()
    state = json.loads(stage.pipeline.checkpoint())
    state["session"]["row"]["version"] = 10**19
    stage.pipeline = Pipeline(DIALECT, venue="studio", tap="tap-a", checkpoint=json.dumps(state).encode())
    stage.entries = []
    for title in ("Spring", "Summer"):
        stage.later(1_000).state(session={"id": "s1", "title": title})
    versions = told(stage.entries, "studio/s1")
    assert len(versions) > 1
    assert versions == [LATEST_VERSION + 1 + number for number in range(len(versions))]
