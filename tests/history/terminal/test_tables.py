"""Sessions on a terminal: a key can be copied at any width, and a session that runs has its numbers."""

from __future__ import annotations

import io
from datetime import UTC

import pytest
from rich.console import Console

from tap.core.merge import Row
from tap.history.terminal.tables import print_sessions
from tap.history.timeline import Timeline, timeline_of
from tests.history.shoots import invented

LONG = "studio-a/2026-11-28T18%3A30%3A00Z-a-rather-long-session-id-of-a-server"


def listed(rows: list[Row], width: int, live: dict[str, Timeline] | None = None) -> list[str]:
    file = io.StringIO()
    print_sessions(rows, Console(file=file, width=width, highlight=False), UTC, (live or {}).get)
    return file.getvalue().splitlines()


def over(key: str = LONG, title: str = "A concert") -> Row:
    final = {"counts": {"cut": 120, "still_capture": 7}, "gaps": 2}
    fields = {"startedAt": 1_795_285_800_000, "completedAt": 1_795_289_400_000, "status": "complete", "title": title}
    return Row(key, "session", key, 1, 0, {**fields, "finalState": final})


@pytest.mark.parametrize("width", [60, 80, 100, 300])
@pytest.mark.parametrize("title", ["A concert", "x" * 300, "カメラ" * 40])
def test_a_key_is_on_one_line_whatever_the_width(width: int, title: str) -> None:
    lines = listed([over(title=title), over(LONG + "-2", title)], width)
    assert sum(line.rstrip().endswith(LONG) for line in lines) == 1
    assert sum(line.rstrip().endswith(LONG + "-2") for line in lines) == 1


def test_where_there_is_room_a_session_is_one_line() -> None:
    assert len(listed([over(), over(LONG + "-2")], 200)) == 3


def test_a_session_that_runs_has_its_length_its_cuts_and_its_stills() -> None:
    rows = invented(seed=2, cuts=90, stills=5, status="live")
    timeline = timeline_of(rows)
    text = " ".join(" ".join(listed([rows[0]], 200, {rows[0].session_key: timeline})).split())
    assert f" … live {timeline.totals.cuts} {timeline.totals.events['still_capture']} {timeline.totals.gaps} " in text


def test_nothing_is_said_to_be_nothing() -> None:
    assert listed([], 80) == ["nothing saved matches"]
