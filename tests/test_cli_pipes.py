"""What commands print into a pipe: a row a line, whole, however long; and times that follow one rule."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tap.cli import cli

T0 = 1_795_000_000_000
LONG = "The camera on the balcony behind the third pillar, which somebody has named at very great length indeed"
TITLE = "An evening of many songs, told in full because nobody ever shortens the title of an evening like this one"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with one session of long names in its journal, which is live."""
    session = {"id": "s1", "title": TITLE, "started_at": T0 + 1000}
    cameras = [{"id": "a", "name": LONG, "online": True}, {"id": "b", "name": "Ben", "online": True}]
    said: list[dict[str, Any]] = [
        {"type": "hello", "ts": T0, "boot_id": "b1"},
        {"type": "state", "ts": T0, "mode": "photoshoot", "session": None, "program": "a", "cameras": cameras},
        {"type": "session_started", "ts": T0 + 1000, "session": session},
        {"type": "cut", "ts": T0 + 2000, "to": "b", "from": "a", "trigger": "operator"},
        {"type": "cut", "ts": T0 + 3000, "to": "a", "from": "b", "trigger": "operator"},
    ]
    lines: list[dict[str, Any]] = [{"tape": 1, "startedAt": "2026-11-22T20:00:00Z"}]
    lines += [{"t": index, "dir": "in", "data": json.dumps(frame)} for index, frame in enumerate(said)]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    folder = tmp_path / "state"
    assert call("replay", tmp_path / "t.jsonl", "--to-journal", "--state-dir", folder).exit_code == 0
    return folder


def call(*arguments: object, **env: str) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=env)


def test_a_table_of_events_has_a_line_a_row(state: Path) -> None:
    """With everything in it, whatever $COLUMNS says."""
    done = call("timeline", "--kind", "cut", "--state-dir", state)
    assert done.exit_code == 0
    _, *rows = done.stdout.splitlines()
    assert len(rows) == 2
    assert [LONG in row and TITLE in row for row in rows] == [True, True]


def test_a_timeline_cuts_no_name_and_folds_no_line(state: Path) -> None:
    """Its drawing is as wide as $COLUMNS beside the names; its tables have a line a row."""
    lines = call("timeline", "--state-dir", state).stdout.splitlines()
    assert lines[0] == TITLE
    assert "…" not in "".join(lines)
    (drawn,) = [line for line in lines if line.startswith(LONG) and "█" in line]
    events = [line for line in lines if re.match(r"\d\d:\d\d:\d\d\.\d{3}", line)]
    assert len(events) == 2
    assert all(LONG in event and "operator" in event for event in events)
    wide = call("timeline", "--state-dir", state, COLUMNS="300").stdout.splitlines()
    assert next(line for line in wide if line.startswith(LONG)).count("█") > drawn.count("█")


def test_how_it_stands_is_told_without_folding(state: Path) -> None:
    done = call("status", "--state-dir", state, TAP_OPS_LISTEN="off")
    assert len(re.findall(r"^\d{4}-\d\d-\d\d .* live +", done.stdout, re.MULTILINE)) == 1
    assert max(map(len, done.stdout.splitlines())) < 500, "nothing is filled up"


@pytest.mark.parametrize(
    ("zone", "began", "earlier", "later"),
    [
        ("Europe/Berlin", "2026-11-18T12:06:41+01:00", "2026-11-18 12:06", "2026-11-18 12:07"),
        ("Asia/Kolkata", "2026-11-18T16:36:41+05:30", "2026-11-18 16:36", "2026-11-18 16:37"),
        ("UTC", "2026-11-18T11:06:41+00:00", "2026-11-18 11:06", "2026-11-18 11:07"),
    ],
)
def test_sessions_are_listed_in_the_zone_in_which_they_are_asked_for(
    state: Path, zone: str, began: str, earlier: str, later: str
) -> None:
    """What is read in the list can be written into --since and --until."""
    listed = call("sessions", "--state-dir", state, TAP_TIMEZONE=zone)
    assert listed.stdout == f"{began}  live         local/s1  {TITLE}\n"
    nothing = "no session is saved that matches\n"
    for word, found in ((earlier, nothing), (began, nothing), (later, listed.stdout)):
        assert call("sessions", "--until", word, "--state-dir", state, TAP_TIMEZONE=zone).stdout == found, word


def test_without_a_zone_of_the_venue_it_is_the_machines(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert call("sessions", "--state-dir", state).stdout.startswith("2026-11-18T20:06:41+09:00 ")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_session_that_runs_is_as_long_as_it_is_so_far(state: Path) -> None:
    said = call("timeline", "--state-dir", state, TAP_TIMEZONE="Europe/Berlin").stdout
    assert "2026-11-18 12:06:41 to 12:06:43 CET · 2.0 s so far\n" in said


@pytest.mark.parametrize(("zone", "code"), [("Mars/Phobos", 78), ("UTC", 0)])
def test_a_zone_that_is_none_stops_only_who_needs_it(state: Path, zone: str, code: int) -> None:
    assert call("sessions", "--state-dir", state, TAP_TIMEZONE=zone).exit_code == code
    assert call("sessions", "--json", "--state-dir", state, TAP_TIMEZONE=zone).exit_code == 0


def test_json_has_milliseconds_whatever_the_zone(state: Path) -> None:
    said = json.loads(call("sessions", "--json", "--state-dir", state, TAP_TIMEZONE="Asia/Tokyo").stdout)
    assert said["startedAt"] == T0 + 1000


def test_where_no_entry_is_kept_that_is_said_aside(state: Path) -> None:
    done = call("journal", "ls", "--dead", "--state-dir", state)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no entry is saved that matches\n")
