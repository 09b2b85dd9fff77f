"""Roots with a current OBS: whatever goes wrong in making them is a reason to skip, in time, and leaves nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.obs import roots
from tests.obs.roots import SUITES, Roots, alone

_CAN = subprocess.run(
    ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "true"],
    capture_output=True,
    check=False,
    timeout=300,
)
pytestmark = pytest.mark.skipif(_CAN.returncode != 0, reason="no namespaces can be made here")

_MAKES = 'for last; do case "$last" in */obs-*.new) mkdir "$last"; echo whole >"$last/obs"; exit 0;; esac; done; exit 9'
"""A program that makes a root as quickly as a test needs it."""


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in its place."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(roots, "_mirror", list)

    def put(script: str) -> None:
        program = programs / "mmdebstrap"
        program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n{script}\n')
        program.chmod(0o755)

    put(_MAKES)
    return put


@pytest.fixture
def folder(tmp_path: Path, mmdebstrap: object) -> Path:
    return tmp_path / "cache"


def _calls(folder: Path) -> int:
    file = folder.parent / "calls"
    return len(file.read_text().splitlines()) if file.exists() else 0


def _starts(root: Path) -> str:
    return "" if (root / "obs").read_text() == "whole\n" else "OBS does not start"


def _there(folder: Path, age_days: float, *, obs: str = "whole\n") -> Path:
    """A root from Debian sid that was made so long ago."""
    root = folder / "obs-sid"
    root.mkdir(parents=True)
    (root / "obs").write_text(obs)
    (root / "of the old one").touch()
    os.utime(root, times=(time.time() - age_days * 86_400,) * 2)
    return root


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def test_a_root_is_made_once_and_used_for_a_month(folder: Path) -> None:
    first = Roots(folder, _starts).working()
    again = Roots(folder, _starts).working()
    assert first == again == folder / "obs-sid"
    assert _calls(folder) == 1
    assert _left(folder) == ["obs-sid"]


def test_one_that_is_older_is_made_anew(folder: Path) -> None:
    root = _there(folder, age_days=31)
    assert Roots(folder, _starts).working() == root
    assert not (root / "of the old one").exists()
    assert _left(folder) == ["obs-sid"]


def test_an_old_one_is_used_where_the_mirror_is_away(folder: Path, mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap("exit 100")
    root = _there(folder, age_days=31)
    assert Roots(folder, _starts).working() == root
    assert (root / "of the old one").exists()
    assert _calls(folder) == 1


def test_a_mirror_that_refuses_is_a_reason_and_leaves_nothing(folder: Path, mmdebstrap: Callable[[str], None]) -> None:
    mmdebstrap(f"{_MAKES.replace('exit 0', 'echo E: refused; exit 100')}")
    why = Roots(folder, _starts).working()
    assert isinstance(why, str)
    assert all(f"{suite}: mmdebstrap: E: refused" in why for suite in SUITES)
    assert _left(folder) == []


def test_a_mirror_that_hangs_ends_with_all_that_waits_for_it(
    folder: Path, mmdebstrap: Callable[[str], None], tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    # Two processes hold the other end, one of them beside the first: where both are gone, it has an end.
    mmdebstrap(f"exec 3>{alive}; (echo begun >&3; exec sleep 1000000) & exec sleep 1000000")
    why = Roots(folder, _starts, within=2).working()
    assert isinstance(why, str)
    assert "sid: mmdebstrap was not done within 2 s" in why
    assert _left(folder) == []
    os.set_blocking(reader, True)
    while os.read(reader, 100):
        pass
    os.close(reader)


def test_half_a_root_of_somebody_who_was_interrupted_is_never_used(folder: Path) -> None:
    for name in ("obs-sid.new", "obs-sid.old"):
        (folder / name).mkdir(parents=True)
        (folder / name / "obs").write_text("half")
    assert Roots(folder, _starts).working() == folder / "obs-sid"
    assert (folder / "obs-sid" / "obs").read_text() == "whole\n"
    assert _left(folder) == ["obs-sid"]


def test_a_root_that_lost_its_obs_is_made_again(folder: Path) -> None:
    root = _there(folder, age_days=3, obs="half")
    assert Roots(folder, _starts).working() == root
    assert (root / "obs").read_text() == "whole\n"
    assert _calls(folder) == 1


def test_where_the_new_one_does_not_start_the_other_suite_has_its_turn(folder: Path) -> None:
    assert Roots(folder, lambda root: "" if root.name == "obs-trixie" else "no").working() == folder / "obs-trixie"
    # What was made today is not made again for it.
    assert Roots(folder, lambda root: "" if root.name == "obs-trixie" else "no").working() == folder / "obs-trixie"
    assert _calls(folder) == 2


def test_a_disk_without_room_is_a_reason_before_anything_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 9 * 10**9, 10**9))
    why = Roots(folder, _starts).working()
    assert isinstance(why, str)
    assert "1.0 GB are free" in why
    assert _calls(folder) == 0


def test_a_place_that_takes_nothing_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    why = Roots(tmp_path / "file" / "cache", _starts).working()
    assert isinstance(why, str)
    assert "Not a directory" in why


def test_two_never_make_one_at_the_same_time(folder: Path) -> None:
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert Roots(folder, _starts).working() == "somebody else makes one now"
    assert _calls(folder) == 0


def test_what_a_command_mounts_is_gone_with_it(tmp_path: Path) -> None:
    code, _ = alone(["sh", "-c", f"mount -t tmpfs none {tmp_path} && touch {tmp_path}/inside"], 300)
    assert code == 0
    assert list(tmp_path.iterdir()) == []
