"""A session that is forgotten goes from the flight recorder's tapes, and nothing else does."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tap.adapters.journal import Journal
from tap.adapters.tape import read_tapes
from tap.core.errors import TapError
from tap.core.model import Entry, Frame, SourceItem
from tap.service.running.flight_recorder import segments
from tap.service.tools import erase_tapes as erasing
from tap.service.tools import forget as forgetting
from tap.service.tools.erase_tapes import erase, spans_of
from tap.service.tools.rederive import rederive
from tests.service.house import RIGHT, House, entries_of


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Three sessions over several tapes; the middle one is to be forgotten."""
    made = House(tmp_path / "state", segment_bytes=4_000)
    made.open()
    for session in ("one", "secret", "three"):
        made.shoot(session, cuts=8)
    made.stop()
    return made


def played(house: House) -> list[SourceItem]:
    with read_tapes(segments(house.tapes)) as tapes:
        return list(tapes)


def texts(house: House) -> list[bytes]:
    return [item.data for item in played(house) if isinstance(item, Frame)]


def on_disk(house: House) -> bytes:
    return b"".join(path.read_bytes() for path in house.tapes.iterdir())


def removed(house: House, *, by_journal: bool = True, dialect: str = "multicam/1") -> int:
    kept = list(house.journal.session_entries("hall/secret")) if by_journal else []
    return erase(house.tapes, "hall/secret", spans_of(kept), dialect)


@pytest.mark.parametrize("by_journal", [True, False])
def test_its_frames_go_and_no_others(house: House, by_journal: bool) -> None:
    """Also where the journal does not know it any more; what is left is whole tapes with the other sessions on them."""
    before = texts(house)
    files = {path: path.stat() for path in segments(house.tapes)}
    gone = removed(house, by_journal=by_journal)
    after = texts(house)
    assert gone == len(before) - len(after) > 16
    assert b"secret" not in on_disk(house)
    assert [text for text in before if b"one" in text] == [text for text in after if b"one" in text]
    assert [text for text in before if b"three" in text] == [text for text in after if b"three" in text]
    for path, status in files.items():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert removed(house, by_journal=by_journal) == 0


def test_what_it_left_behind_is_not_derived_again(house: House) -> None:
    """Once forgotten, the tapes neither bring it back nor change those beside it."""
    removed(house)
    house.journal.forget("hall/secret")
    with Journal.open(house.journal.path, readonly=True) as journal:
        result = rederive(house.tapes, journal, RIGHT)
    assert (result.changes, result.sessions) == ({}, 2)


def test_a_late_upload_goes_too(tmp_path: Path) -> None:
    """A frame that tells something of it after its end is its own; those around it are not."""
    house = House(tmp_path / "state")
    house.open()
    house.state(None)
    house.say("session_started", session={"id": "secret"})
    house.state("secret")
    house.say("still_requested", still_id="a", camera_ids=["c1"])
    house.say("session_ended", session_id="secret")
    house.state(None)
    house.later(60_000)
    house.say("still_uploaded", still_id="a", camera_id="c1", storage_key="shown/face")
    house.later(1_000)
    house.state(None)
    house.stop()
    removed(house, by_journal=False)
    assert b"shown/face" not in on_disk(house)
    assert texts(house)[-1].startswith(b'{"type":"state"')


def test_a_dialect_that_is_gone_is_replaced(house: House) -> None:
    """Tapes of a mapping file that is not here any more are read by the one of today, and by the journal's times."""
    for path in segments(house.tapes):
        path.write_bytes(path.read_bytes().replace(b'"dialect":"multicam/1"', b'"dialect":"our-own/7"'))
    removed(house)
    assert b"secret" not in on_disk(house)


def test_a_tape_that_is_being_written(tmp_path: Path) -> None:
    """The running recorder goes on in another one, and loses nothing by it."""
    house = House(tmp_path / "state")
    house.open()
    house.shoot("secret")
    house.shoot("three")
    house.written()
    assert removed(house) > 0
    assert b"secret" not in on_disk(house)
    house.shoot("four")
    house.stop()
    assert len(segments(house.tapes)) == 2
    with Journal.open(house.journal.path) as journal:
        journal.forget("hall/secret")
        assert rederive(house.tapes, journal, RIGHT).changes == {}
    assert {entry.session_key for entry in entries_of(house.journal)} == {"hall/three", "hall/four"}


def test_a_service_that_does_not_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk hangs, say: that is told, and nothing is half done."""
    monkeypatch.setattr(erasing, "_LET_GO_WITHIN_S", 0.05)
    house = House(tmp_path / "state")
    house.open()
    house.shoot("secret")
    house.stop()
    (path,) = segments(house.tapes)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl;f=open({str(path)!r});fcntl.flock(f,2);print(flush=True);input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(TapError, match="still uses"):
        removed(house)
    assert b"secret" in on_disk(house)
    holder.communicate(b"\n", 30)
    assert removed(house) > 0
    assert b"secret" not in on_disk(house)


def test_forget_takes_it_from_the_tapes(house: House) -> None:
    """The command line tells how many frames went; the journal's entries go after them."""
    house.journal.close()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    command = [sys.executable, "-m", "tap.cli", "forget", "hall/secret", "--yes", "--state-dir", str(house.folder)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "frames from the tapes" in done.stdout
    assert b"secret" not in on_disk(house)
    with Journal.open(house.folder / "journal.db", readonly=True) as journal:
        assert {kept.entry.session_key for kept in journal.entries()} == {"hall/one", "hall/three"}


@pytest.mark.parametrize("rows", [[(1_000, 5_000), (2_000, 9_000)], [(2_000, 9_000), (1_000, 5_000)]])
def test_of_a_changed_session_all_that_ever_was_its_goes_and_what_is_another_s_stays(
    tmp_path: Path, rows: list[tuple[int, int]]
) -> None:
    """However often its beginning and its end were told, and in whatever order."""

    def row(key: str, version: int, since: int, until: int) -> Entry:
        return Entry(key, "session", key, version, {"status": "complete", "startedAt": since, "completedAt": until})

    with Journal.open(tmp_path / "journal.db", owner=True) as journal:
        journal.append([row("hall/s", number, *times) for number, times in enumerate(rows)], None, 1)
        assert forgetting._chosen(journal, "hall/s") == [(1_000, 9_000)]
        journal.append([row("hall/t", 1, 3_000, 4_000)], None, 1)
        assert forgetting._chosen(journal, "hall/s") == [(1_000, 2_999), (4_001, 9_000)]
