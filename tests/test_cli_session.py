"""``session`` on the command line: the picture for people and for programs, times of any zone, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tap.adapters.journal import Journal
from tap.cli import cli, session
from tests.service.chosen import NOW, tape_of

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command at a venue whose tapes have a shoot that nobody started: 2026-11-18, 12:06:40 to 12:08:20 there."""
    tape_of(tmp_path / "state", 6, bare=True)
    monkeypatch.setenv("TAP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TAP_TIMEZONE", "Europe/Berlin")
    monkeypatch.setattr(session, "wall_ms", lambda: NOW)
    return lambda *arguments: CliRunner().invoke(cli, ["session", *arguments])


SPAN = ("--from", "2026-11-18 12:07", "--to", "2026-11-18 12:08")
KEY = "hall/@1795000020000"


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def test_the_picture_for_programs(call: Call, tmp_path: Path) -> None:
    """Before, after, and how many rows change; without --apply not even a journal is made."""
    said = told(call("make", *SPAN, "--title", "Noon", "--json"))
    assert (said["how"], said["before"], said.get("applied")) == ("make", [], None)
    (after,) = said["after"]
    assert (after["key"], after["title"], after["startedAt"]) == (KEY, "Noon", 1_795_000_020_000)
    assert [change["key"] for change in said["changes"]] == [KEY]
    assert not (tmp_path / "state/journal.db").exists()
    assert told(call("make", *SPAN, "--title", "Noon", "--apply", "--json"))["applied"]
    assert told(call("make", *SPAN, "--apply", "--json"))["changes"] == []


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-11-18T11:07:00Z", "2026-11-18T06:08:00-05:00"),
        ("2026-11-18 12:07:00", "2026-11-18T20:08:00+09:00"),
    ],
)
def test_a_moment_of_another_zone_is_that_moment(call: Call, since: str, until: str) -> None:
    said = told(call("make", "--from", since, "--to", until, "--json"))
    assert (said["after"][0]["startedAt"], said["after"][0]["completedAt"]) == (1_795_000_020_000, 1_795_000_080_000)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("make", "--from", "2026-11-18 11:00", "--to", "2026-11-18 12:08"), "the oldest tape begins at"),
        (("make", "--from", "2026-11-18 12:07", "--to", "2030-01-01"), "lies in the future"),
        (("make", "--from", "2026-11-18 12:08", "--to", "2026-11-18 12:07"), "before it begins"),
        (("make", "--from", "2026-11-18 16:00", "--to", "2026-11-18 17:00"), "have no frame from"),
        (("split", "hall/s1", "--at", "2026-11-18 12:07"), "no session has this key"),
    ],
)
def test_what_cannot_be_is_one_line_that_says_why(call: Call, arguments: tuple[str, ...], says: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_key_of_another_venue_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("make", *SPAN, "--apply")
    monkeypatch.setenv("TAP_VENUE", "attic")
    for arguments in (("rename", KEY, "--title", "x"), ("undo", KEY), ("make", *SPAN)):
        done = call(*arguments)
        assert done.exit_code == 1
        assert "another venue, hall" in done.stderr


def test_who_did_it_and_when_is_in_row_and_log(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_user", lambda: "ben")
    call("make", *SPAN, "--apply")
    call("rename", KEY, "--title", "Noon", "--apply")
    (made, renamed) = (json.loads(line) for line in call("log", KEY, "--json").stdout.splitlines())
    assert (made["how"], made["by"], made["at"]) == ("make", "ben", NOW)
    assert renamed["args"] == {"title": "Noon"}
    with Journal.open(tmp_path / "state/journal.db", readonly=True) as journal:
        last = [kept.entry for kept in journal.entries(KEY, op="session")][-1]
    assert last.fields["source"]["made"] == {"how": "rename", "at": NOW, "by": "ben"}
    assert call("log", "hall/nobody").exit_code == 1


def test_find_names_the_command_that_makes_it(call: Call) -> None:
    """What it prints can be run as it is; afterwards there is nothing more to find."""
    found = call("find", "--since", "2026-11-18").stdout.splitlines()
    assert len(found) == 2
    command = found[1].split()
    assert command[:3] == ["multicam-tap", "session", "make"]
    assert call(*command[2:], "--apply").exit_code == 0
    assert "no shoot was found" in call("find", "--since", "2026-11-18").stdout
    assert call("find", "--since", "2026-11-18", "--json").stdout == ""
