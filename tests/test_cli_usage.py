"""Wrong usage: what can never be is exit code 2, with what is wrong and what there is; what is only missing is 1."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tap.cli import cli

_URL = "ws://127.0.0.1:1/"
_HUGE = "9" * 30

WRONG: list[tuple[tuple[str, ...], str]] = [
    (("nonsense",), "No such command"),
    (("--installed", "hall a", "sessions"), "cannot name a service"),
    # installing
    (("install", "hall a"), "1 to 27 of a-z"),
    (("install", ""), "cannot name a service"),
    (("install", "hall", "--root", ""), "is empty"),
    (("install", "hall", "--root", "FILE"), "is a file"),
    (("uninstall", "../hall"), "cannot name a service"),
    (("key", "new", ""), "a venue has a name"),
    (("key", "new", " x"), "spaces around it"),
    (("key", "new", "x" * 41), "41 bytes long"),
    (("key", "new", "a\nb"), "characters that cannot be printed"),
    (("key", "new"), "name the venues, or --all"),
    (("key", "new", "a", "b"), "is for one venue"),
    (("key", "new", "a", "--may", "rule"), "'write'"),
    (("key", "revoke", "tapkey_x"), "8 to 64 hex digits"),
    # looking
    (("status", "--url", ""), "is empty"),
    (("status", "--url", "ftp://x"), "such as http://"),
    (("status", "--url", "http://127.0.0.1:99999"), "such as http://"),
    (("status", "--url", "http://[::"), "such as http://"),
    (("status", "--state-dir", ""), "is empty"),
    (("sessions", "--state-dir", "FILE"), "is a file"),
    (("sessions", "--limit", "0"), "x>=1"),
    (("sessions", "--limit", _HUGE), "is too large"),
    (("sessions", "--since", "the day before"), "yesterday"),
    (("sessions", "--until", ""), "yesterday"),
    (("sessions", "--since", "25:00"), "yesterday"),
    (("sessions", "--status", "over"), "'live'"),
    (("sessions", "--venue", ""), "is empty"),
    (("sessions", "--title", " "), "is empty"),
    (("changes", "--since", ""), "is empty"),
    (("changes", "--venue", ""), "is empty"),
    (("timeline", ""), "is empty"),
    (("timeline", "--kind", "jump"), "'cut'"),
    (("timeline", "--camera", ""), "is empty"),
    (("timeline", "--since", "nope"), "yesterday"),
    (("report", "", "-o", "NEW"), "is empty"),
    (("report",), "Missing option"),
    (("report", "-o", ""), "is empty"),
    (("report", "-o", "NEW", "--timezone", "Mars"), "Europe/Berlin"),
    (("report", "-o", "NEW", "--fps", "26"), "'25'"),
    (("report", "-o", "NEW", "--media", ""), "is empty"),
    (("report", "-o", "-", "--open"), "needs a file"),
    (("export", "-o", "NEW"), "--format"),
    (("export", "", "-o", "NEW", "--format", "csv"), "is empty"),
    (("export", "-o", "", "--format", "edl"), "is empty"),
    (("export", "-o", "NEW", "--format", "avi"), "'edl'"),
    (("export", "-o", "NEW", "--format", "edl", "--fps", "0"), "'25'"),
    (("export", "-o", "NEW", "--format", "edl", "--start", "noon"), "'tod'"),
    (("export", "-o", "NEW", "--format", "edl", "--media", ""), "is empty"),
    (("export", "-o", "NEW", "--format", "edl", "--media", "{reeel}"), "known are"),
    (("export", "-o", "NEW", "--format", "edl", "--media", "{"), "known are"),
    # the journal
    (("journal", "ls", "--limit", "-1"), "x>=0"),
    (("journal", "ls", "--limit", _HUGE), "is too large"),
    (("journal", "ls", "--session", ""), "is empty"),
    (("journal", "show", ""), "is empty"),
    (("journal", "retry", "0"), "x>=1"),
    (("journal", "retry", _HUGE), "is too large"),
    (("journal", "prune", "--older-than", "-1"), "0<=x"),
    (("journal", "prune", "--older-than", "nan"), "finite"),
    (("journal", "prune", "--older-than", "inf"), "0<=x"),
    (("journal", "prune", "--older-than", "1e300"), "0<=x"),
    (("forget", "", "--yes"), "is empty"),
    (("rederive", "--session", ""), "is empty"),
    (("rederive", "--dialect", ""), "is empty"),
    # sessions, chosen
    (("session", "make", "--from", "14:00"), "Missing option"),
    (("session", "make", "--from", "soon", "--to", "now"), "yesterday"),
    (("session", "split", "hall/s1"), "Missing option"),
    (("session", "split", "", "--at", "14:00"), "is empty"),
    (("session", "trim", "hall/s1"), "'--from' or '--to'"),
    (("session", "rename", "hall/s1"), "'--title' or '--notes'"),
    (("session", "merge"), "Missing argument"),
    (("session", "find", "--since", "nope"), "yesterday"),
    # tapes
    (("replay",), "Missing argument"),
    (("replay", ""), "is empty"),
    (("replay", "NEW", "--dialect", ""), "is empty"),
    (("replay", "NEW", "--to-journal", "--to-ledger"), "one at a time"),
    (("record", _URL), "Missing option"),
    (("record", "", "-o", "NEW"), "not the address of a WebSocket"),
    (("record", "hall", "-o", "NEW"), "not the address of a WebSocket"),
    (("record", "http://hall/", "-o", "NEW"), "not the address of a WebSocket"),
    (("record", "ws://127.0.0.1:99999/", "-o", "NEW"), "not the address of a WebSocket"),
    (("record", "ws://", "-o", "NEW"), "not the address of a WebSocket"),
    (("record", _URL, "-o", ""), "is empty"),
    (("record", _URL, "-o", "."), "is a directory"),
    (("record", _URL, "-o", "NEW", "--seconds", "0"), "x>0"),
    (("record", _URL, "-o", "NEW", "--seconds", "nan"), "finite"),
    (("record", _URL, "-o", "NEW", "--seconds", "inf"), "finite"),
    (("record", _URL, "-o", "NEW", "--dialect", ""), "is empty"),
    (("inspect", ""), "is empty"),
    (("inspect", "http://hall/"), "not the address of a WebSocket"),
    (("inspect", "NEW", "--seconds", "inf"), "finite"),
    (("inspect", "NEW", "--suggest", "--try", "mine.toml"), "one at a time"),
    (("inspect", "NEW", "-o", "."), "is a directory"),
    # rehearsing
    (("simulate", "--faults", "gremlins"), "known: all, told_thrice"),
    (("simulate", "--style", "baroque"), "known: nested"),
    (("simulate", "--style", "nested", "--faults", "garbage"), "multicam/1 alone"),
    (("simulate", "--cameras", "0"), "1 to 64"),
    (("simulate", "--cameras", "65"), "1 to 64"),
    (("simulate", "--speed", "0"), "0.01 to 1000"),
    (("simulate", "--speed", "nan"), "0.01 to 1000"),
    (("simulate", "--length", "0.5"), "1 to 86400"),
    (("simulate", "--sessions", "0"), "1 to 100"),
    (("simulate", "--telemetry-rate", "-1"), "0 to 5000"),
    (("simulate", "--clients", "0"), "x>=1"),
    (("simulate", "--seed", "x"), "integer"),
    (("simulate", "--port", "70000"), "65535"),
    (("simulate", "--path", "ws"), "begins with a slash"),
    (("simulate", "--venue", ""), "a venue has a name"),
    (("simulate", "--venue", " x"), "spaces around it"),
    (("simulate", "--tape", "."), "is a directory"),
]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests, and a folder of one's own."""
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("precious")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize(("arguments", "told"), WRONG, ids=[" ".join(case[0])[:60] for case in WRONG])
def test_what_can_never_be_is_exit_code_2(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    """With what there is instead; nothing is done, and nothing is made."""
    done = call(*arguments)
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert not done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "missing.jsonl"),
        ("inspect", "missing.jsonl"),
        ("inspect", "FILE", "--try", "missing.toml"),
        ("rederive", "--dialect", "missing.toml"),
        ("sessions",),
        ("timeline", "hall/s1"),
        ("report", "-o", "."),
        ("report", "-o", "NEW", "--media", "missing"),
        ("journal", "show", _HUGE),
        ("simulate", "--tape-only", "--tape", "missing/tape"),
        ("record", _URL, "-o", "FILE", "--seconds", "0.1"),
        ("--installed", "nowhere", "sessions"),
    ],
)
def test_what_is_only_not_there_is_exit_code_1(arguments: tuple[str, ...]) -> None:
    """It may be there tomorrow: one line says what, where, and what to do."""
    done = call(*arguments)
    assert done.exit_code == 1, done.output
    assert len(done.stderr.splitlines()) == 1
    assert ": " in done.stderr


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-03-29 02:30", "clocks were set forward"),
        ("2026-10-25 02:30", "2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"),
    ],
)
def test_a_time_that_is_not_clear_is_asked_for_again(moment: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When clocks are set, an hour of the venue's zone is missing, and another comes twice."""
    monkeypatch.setenv("TAP_TIMEZONE", "Europe/Berlin")
    done = call("session", "make", "--from", moment, "--to", "2026-11-01 12:00")
    assert done.exit_code == 2
    assert told in done.stderr


def test_every_command_is_in_the_table() -> None:
    """But those without arguments that could be wrong."""
    tried = {case[0][0] for case in WRONG} - {"nonsense", "--installed"}
    assert set(cli.commands) - tried == {"run", "enabled", "check", "demo"}


def test_a_secret_in_an_address_is_not_repeated() -> None:
    done = call("record", "http://anna:hush@hall/?token=hush", "-o", "NEW")
    assert done.exit_code == 2
    assert "hush" not in done.output


def test_a_number_of_an_entry_is_whole_however_long(tmp_path: Path) -> None:
    """Longer than Python reads as a number, in a journal that is there."""
    (tmp_path / "t.jsonl").write_text('{"tape":1,"startedAt":"2026-11-22T20:00:00Z"}\n')
    assert call("replay", "t.jsonl", "--to-journal").exit_code == 0
    for number in (_HUGE, "9" * 5000):
        done = call("journal", "show", number)
        assert done.exit_code == 1
        assert "there is no such entry" in done.stderr


def test_a_journal_that_one_may_not_read_says_who_to_ask(tmp_path: Path) -> None:
    """Also where its folder is named: what, where, and what to do, in one line."""
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--clear-groups"]
    if shutil.which("setpriv") is None or subprocess.run([*powerless, "true"], check=False).returncode:
        pytest.skip("only root with setpriv can be somebody who may not read a folder")
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 65534, 65534)
    for command in (["sessions"], ["timeline"], ["journal", "ls"], ["report", "-o", str(tmp_path / "NEW")]):
        tap = [sys.executable, "-m", "tap.cli", *command, "--state-dir", str(tmp_path / "state")]
        done = subprocess.run(
            [*powerless, *tap], cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 1, done.stderr
        assert str(tmp_path / "state" / "journal.db") in done.stderr
        assert "→" in done.stderr
        assert len(done.stderr.splitlines()) == 1
