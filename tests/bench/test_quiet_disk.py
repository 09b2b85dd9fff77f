"""A disk that nobody else uses is a real one, and leaves nothing behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import quiet_disk as place
from bench.quiet_disk import quiet_disk
from bench.watch import commits
from tap.adapters.journal import Journal


def kinds() -> dict[str, str]:
    """File systems, by where they are mounted."""
    return {line.split()[1]: line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(place, "MEMORY", tmp_path)
    return tmp_path


def test_it_is_an_ext4_and_gone_afterwards(memory: Path) -> None:
    with quiet_disk() as folder:
        if folder is None:
            pytest.skip("this user may not mount a file system")
        assert kinds()[str(folder)] == "ext4"
        with Journal.open(folder / "journal.db", owner=True) as journal, commits(folder / "journal.db"):
            assert journal.counts()
    assert str(folder) not in kinds()
    assert list(memory.iterdir()) == []


def test_it_is_gone_too_where_somebody_still_has_a_file_open(memory: Path) -> None:
    with quiet_disk() as folder:
        if folder is None:
            pytest.skip("this user may not mount a file system")
        open_still = (folder / "file").open("w")
    assert str(folder) not in kinds()
    assert list(memory.iterdir()) == []
    open_still.close()


@pytest.mark.parametrize("error", [FileNotFoundError("mkfs.ext4"), subprocess.CalledProcessError(1, "mount")])
def test_who_may_not_mount_one_is_given_none_and_no_error(
    memory: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", refuse)
    with quiet_disk() as folder:
        assert folder is None
    assert list(memory.iterdir()) == []
