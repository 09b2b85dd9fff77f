"""What is said of a session's stills: missing is what failed, and what had its time; nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal
from tap.core.model import Entry
from tap.service.session_overview import sessions_in

T0 = 1_795_000_000_000
KEY = "hall/s1"


def missing(
    tmp_path: Path, now: int, *stills: dict[str, Any], status: str = "complete"
) -> list[tuple[str | None, str]]:
    with Journal.open(tmp_path / "journal.db", owner=True) as journal:
        entries = [Entry(KEY, "session", KEY, T0, {"status": status, "startedAt": T0})]
        for number, fields in enumerate(stills):
            told = {"stillId": f"st-{number}", "cameraId": "a", "requestedAt": T0, **fields}
            entries.append(Entry(f"{KEY}/still/{number}/a", "still", KEY, T0 + number, told))
        journal.append(entries, None, T0)
        (one,) = sessions_in(journal, now, KEY if status == "live" else None)
        return [(still.still_id, still.status) for still in one.stills_missing]


@pytest.mark.parametrize("status", ["live", "complete"])
def test_a_still_that_was_taken_seconds_ago_is_not_missing(tmp_path: Path, status: str) -> None:
    """Nor is one that was asked for; one that failed is, at once."""
    stills = ({"status": "uploaded"}, {"status": "captured"}, {"status": "requested"}, {"status": "failed"})
    assert missing(tmp_path, T0 + 119_000, *stills, status=status) == [("st-3", "failed")]


def test_two_minutes_later_it_is(tmp_path: Path) -> None:
    stills = ({"status": "uploaded"}, {"status": "captured", "capturedAt": T0 + 5_000}, {"status": "requested"})
    assert missing(tmp_path, T0 + 121_000, *stills) == [("st-2", "requested")]
    assert [name for name, _ in missing(tmp_path, T0 + 126_000)] == ["st-1", "st-2"]


def test_where_uploads_are_not_told_what_was_taken_is_there(tmp_path: Path) -> None:
    assert missing(tmp_path, T0 + 9_000_000, {"status": "captured"}, {"status": "captured"}) == []
