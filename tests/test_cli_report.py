"""``multicam-tap report``: one file from the journal, with its pictures, and clear words where it cannot be."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from tap.adapters.journal import Journal
from tap.rehearsal.shoot_files import write_shoot
from tap.rehearsal.simulator import SimulatorOptions
from tests.adapters.test_pictures import png
from tests.test_cli import call, process, small


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with two sessions in its journal, one of them with stills."""
    folder = tmp_path_factory.mktemp("report")
    write_shoot(SimulatorOptions(seed=3, length_s=60, venue="hall", tape=folder / "shoot.jsonl"))
    for tape in (folder / "shoot.jsonl", small(folder / "small.jsonl")):
        assert call("replay", tape, "--to-journal", "--state-dir", folder / "state").exit_code == 0
    return folder / "state"


def shoot(state: Path) -> str:
    """The key of the session with stills."""
    listed = call("sessions", "--venue", "hall", "--json", "--state-dir", state).stdout
    return listed.split('"sessionKey":"')[1].split('"')[0]


def test_it_writes_one_page_and_says_where(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    done = call("report", "local/s1", "-o", file, "--state-dir", state, "--timezone", "Europe/Berlin")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{file}\n", "")
    told = file.read_text("utf-8")
    assert '<h1 dir="auto">Evening</h1>' in told
    assert "CET (Europe/Berlin)" in told
    assert not file.stat().st_mode & stat.S_IXUSR


def test_the_time_zone_is_the_venues_unless_another_is_asked_for(state: Path, tmp_path: Path) -> None:
    told = []
    for number, more in enumerate(((), ("--timezone", "America/New_York"))):
        file = tmp_path / f"{number}.html"
        done = call("report", "local/s1", "-o", file, "--state-dir", state, *more, env={"TAP_TIMEZONE": "Asia/Tokyo"})
        assert done.exit_code == 0
        told.append(file.read_text("utf-8"))
    assert "JST (Asia/Tokyo)" in told[0]
    assert "EST (America/New_York)" in told[1]


@pytest.mark.parametrize(("command", "ending"), [("report", "html"), ("export", "edl"), ("export", "csv")])
def test_without_a_key_it_is_of_the_newest_session(command: str, ending: str, state: Path, tmp_path: Path) -> None:
    """Also where another was kept after it."""
    listed = call("sessions", "--json", "--state-dir", state).stdout
    newest, older = (json.loads(row)["sessionKey"] for row in listed.splitlines())
    told = []
    for number, key in enumerate(((), (newest,), (older,))):
        file = tmp_path / f"{number}.{ending}"
        done = call(command, *key, "-o", file, "--state-dir", state)
        assert (done.exit_code, done.stdout.splitlines()[0]) == (0, str(file)), done.output
        told.append(re.sub(r"<p>Made .+? by multicam-tap\.", "", file.read_text("utf-8")))
    assert told[0] == told[1] != told[2]


@pytest.mark.parametrize(("command", "name"), [("report", "a.html"), ("export", "a.edl"), ("export", "a.csv")])
def test_a_file_in_a_folder_that_does_not_exist_is_refused_with_the_same_words(
    command: str, name: str, state: Path, tmp_path: Path
) -> None:
    done = call(command, "-o", tmp_path / "gone" / name, "--state-dir", state)
    assert done.exit_code == 1
    assert done.stderr == f"{tmp_path}/gone: the folder does not exist → make it, or name another\n"


def test_both_tables_begin_with_a_byte_order_mark(state: Path, tmp_path: Path) -> None:
    """Without it Excel takes names for something else."""
    for name in ("a.csv", "a.shots.csv"):
        assert call("export", "-o", tmp_path / name, "--state-dir", state).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(("command", "name"), [("report", "a.html"), ("export", "a.edl")])
def test_where_no_session_is_kept_that_is_said_and_nothing_is_written(command: str, name: str, tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.append([], b"{}", 0)
    done = call(command, "-o", tmp_path / name, "--state-dir", tmp_path)
    see = f"see 'multicam-tap journal ls --state-dir {tmp_path}'"
    assert (done.exit_code, done.stderr) == (1, f"no session is saved → {see}\n")
    assert not (tmp_path / name).exists()


def test_a_dash_writes_it_to_stdout_and_nothing_else(state: Path) -> None:
    done = process("report", "local/s1", "-o", "-", "--state-dir", state)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"<!doctype html>")
    assert done.stdout.rstrip().endswith(b"</html>")


def test_a_file_that_is_there_is_only_replaced_with_force(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("mine")
    done = call("report", "local/s1", "-o", file, "--state-dir", state)
    assert done.exit_code == 1
    assert done.stderr == f"{file}: the file already exists → --force replaces it, or name another\n"
    assert file.read_text() == "mine"
    assert call("report", "local/s1", "-o", file, "--state-dir", state, "--force").exit_code == 0
    assert file.read_text("utf-8") != "mine"


def test_of_a_session_that_is_not_there_the_near_ones_are_named(state: Path, tmp_path: Path) -> None:
    done = call("report", "Local/S2", "-o", tmp_path / "a.html", "--state-dir", state)
    assert done.exit_code == 1
    see = f"see 'multicam-tap sessions --state-dir {state}'"
    assert f"no session has this key → {see}; near it: local/s1" in done.stderr
    far = call("report", "zzzz", "-o", tmp_path / "a.html", "--state-dir", state)
    assert far.stderr == f"zzzz: no session has this key → {see}\n"
    assert not (tmp_path / "a.html").exists()


def test_stills_are_shown_from_a_folder_and_how_many_is_told(state: Path, tmp_path: Path) -> None:
    key = shoot(state)
    rows = call("timeline", key, "--json", "--state-dir", state).stdout
    places = sorted({part.split('"')[0] for part in rows.split('"storageKey":"')[1:]})
    assert places
    for place in places[:2]:
        file = tmp_path / "media" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png())
    made = tmp_path / "report.html"
    done = call("report", key, "-o", made, "--media", tmp_path / "media", "--state-dir", state)
    assert done.exit_code == 0
    assert done.stderr.startswith(f"{tmp_path / 'media'}: 2 of ")
    assert done.stderr.endswith(" stills have a file here\n")
    assert made.read_text("utf-8").count('<img src="data:image/') == 2


def test_a_media_folder_that_is_missing_is_said_and_nothing_is_written(state: Path, tmp_path: Path) -> None:
    done = call("report", "local/s1", "-o", tmp_path / "a.html", "--media", tmp_path / "none", "--state-dir", state)
    assert done.exit_code == 1
    assert done.stderr == f"{tmp_path / 'none'}: the folder does not exist → name the folder that holds the stills\n"
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--timezone", "Mars/Olympus"), "'Mars/Olympus' is not a time zone"),
        (("--timezone", "../../etc/passwd"), "is not a time zone"),
        (("--fps", "26"), "'26' is not one of"),
    ],
)
def test_a_wrong_option_is_usage(arguments: tuple[str, ...], words: str, state: Path, tmp_path: Path) -> None:
    done = call("report", "local/s1", "-o", tmp_path / "a.html", "--state-dir", state, *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_open_needs_a_file(state: Path) -> None:
    assert call("report", "local/s1", "-o", "-", "--open", "--state-dir", state).exit_code == 2


def test_open_opens_the_browser(state: Path, tmp_path: Path) -> None:
    """BROWSER names what opens pages; here it writes down what it was asked to open."""
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{seen}"\n')
    browser.chmod(0o755)
    made = tmp_path / "a.html"
    done = process("report", "local/s1", "-o", made, "--open", "--state-dir", state, env={"BROWSER": f"{browser} %s"})
    assert done.returncode == 0, done.stderr
    assert seen.read_text() == made.as_uri()


def test_without_a_browser_it_says_where_the_page_is(state: Path, tmp_path: Path) -> None:
    """As on a server, which has no desktop."""
    made = tmp_path / "a.html"
    env = {"BROWSER": str(tmp_path / "none"), "DISPLAY": "", "WAYLAND_DISPLAY": "", "PATH": ""}
    done = process("report", "local/s1", "-o", made, "--open", "--state-dir", state, env=env)
    assert (done.returncode, done.stdout.decode()) == (0, f"{made}\n")
    assert done.stderr.decode() == f"note: no browser was found here to open it: {made}\n"


@pytest.mark.parametrize(
    ("command", "listed", "words"),
    [
        (("session", "rename", "Local/S2", "--title", "x"), "sessions", "no session has this key"),
        (("session", "log", "Local/S2"), "sessions", "no session has this key"),
        (("journal", "show", "Local/S2"), "journal ls", "there is no such entry"),
    ],
)
def test_other_commands_name_the_near_sessions_too(
    command: tuple[str, ...], listed: str, words: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the command that lists them, as it has to be typed."""
    done = call(*command, "--state-dir", state)
    assert done.exit_code == 1
    see = f"see 'multicam-tap {listed} --state-dir {state}'; near it: local/s1"
    assert done.stderr.startswith(f"Local/S2: {words} → {see}"), done.stderr
    monkeypatch.setenv("TAP_STATE_DIR", str(state))
    elsewhere = call(*command)
    assert f"see 'multicam-tap {listed}'; near it: local/s1" in elsewhere.stderr
