"""The command 'export', from a folder of files to a timeline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tap import cli
from tap.adapters.journal import Journal
from tap.core.model import Entry
from tests.history.export.camera_files import film, planned

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the made files need ffmpeg")


def call(*arguments: object) -> Result:
    environ = {"TAP_TIMEZONE": "Europe/Berlin"}
    return CliRunner().invoke(cli.cli, ["export", *map(str, arguments)], env=environ, catch_exceptions=False)


@pytest.fixture(scope="module")
def shoot(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A journal with a session, and the files of its cameras in a folder."""
    planning = planned(3, "25", length=8_000)
    root = tmp_path_factory.mktemp("shoot")
    (root / "state").mkdir()
    (root / "rec").mkdir()
    for one in planning.films:
        film(one, root / "rec")
    with Journal.open(root / "state" / "journal.db", owner=True) as journal:
        entries = [Entry(row.key, row.op, row.session_key, row.version, row.fields) for row in planning.rows]
        journal.append(entries, None, planning.start)
    return root


def test_a_folder_of_files_becomes_a_timeline(shoot: Path, tmp_path: Path) -> None:
    """Every file told how it was placed; the rate is the files'."""
    out = tmp_path / "cut.xml"
    done = call(
        "--state-dir", shoot / "state", "--media", shoot / "rec", "--layout", "multicam", "--explain", "-o", out
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}\n"
    assert "Cam 1_001.mov: cam-0 (its name), begins 2026-11-2" in done.stderr
    assert "(its timecode 19:" in done.stderr
    assert "note: カメラ三: the start of its files is known only to the second" in done.stderr
    text = out.read_text()
    assert "<multiclip" in text
    assert f"<pathurl>file://localhost{shoot}/rec/Cam%201_001.mov</pathurl>" in text
    again = call("--state-dir", shoot / "state", "-o", out)
    assert (again.exit_code, "--force" in again.stderr) == (1, True)


def test_explain_alone_writes_nothing(shoot: Path, tmp_path: Path) -> None:
    """It only says how files would be placed."""
    (tmp_path / "x.mov").write_bytes(b"no video")
    done = call("--state-dir", shoot / "state", "--media", shoot / "rec", "--explain")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.count("begins 2026-11-2") >= 4
    none = call("--state-dir", shoot / "state", "--media", tmp_path, "--explain")
    assert (none.exit_code, "there is no video that can be used" in none.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing option '-o'"),
        (("-o", "NEW", "--format", "edl", "--layout", "angles"), "edl has only one track"),
        (("-o", "NEW", "--format", "edl", "--offset", "Cam 1"), "is not CAMERA=SECONDS"),
        (("-o", "NEW", "--format", "edl", "--offset", "Cam 1=nan"), "is not CAMERA=SECONDS"),
        (("-o", "NEW", "--format", "edl", "--offset", "Cam 9=1"), "there is no such camera to move"),
        (("-o", "NEW", "--format", "edl", "--source", "now"), "'file'"),
        (("-o", "NEW", "--format", "edl", "--start", "01:00:00:25"), "not a timecode at 25"),
        (("-o", "NEW", "--format", "edl", "--layout", "stack"), "'multicam'"),
    ],
)
def test_what_can_never_be_is_wrong_usage(shoot: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Told before anything is written."""
    given = [str(tmp_path / "new") if one == "NEW" else one for one in arguments]
    done = call("--state-dir", shoot / "state", *given)
    assert (done.exit_code, words in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_no_pattern(shoot: Path, tmp_path: Path) -> None:
    """A typing mistake must not become a file name."""
    done = call("--state-dir", shoot / "state", "--media", tmp_path / "recc", "-o", tmp_path / "x.edl")
    assert (done.exit_code, "the folder does not exist" in done.stderr) == (1, True)


def test_what_is_no_file_is_written_to_as_it_comes(shoot: Path) -> None:
    """A device is not replaced by a file."""
    done = call("--state-dir", shoot / "state", "--format", "otio", "--force", "-o", "/dev/null")
    assert done.exit_code == 0
    assert Path("/dev/null").is_char_device()
