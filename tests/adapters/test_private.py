"""Names of files are on the disk where that matters, and a filesystem that does not do so is no reason to stop."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.journal import Journal
from tap.adapters.private import make_private_directory, open_private, sync_directory
from tap.core.errors import JournalError
from tests.adapters.test_journal import NOW, entry


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what is synced by us (SQLite has its own way)."""
    paths: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        paths.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return paths


def fails(number: int) -> Any:
    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


def test_each_directory_that_is_made_is_named_on_the_disk(tmp_path: Path, synced: list[str]) -> None:
    """And the last one also where it was there: who made it may have been stopped before that."""
    make_private_directory(tmp_path / "a" / "b" / "c")
    assert set(synced) == {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")}
    synced.clear()
    make_private_directory(tmp_path / "a" / "b" / "c")
    assert synced == [str(tmp_path / "a" / "b")]


def test_its_owner_can_use_what_is_made_whatever_the_umask_takes_away(tmp_path: Path) -> None:
    """And nobody else; what was there already stays as it was."""
    there = tmp_path / "there"
    there.touch(0o640)
    before = os.umask(0o777)
    try:
        make_private_directory(tmp_path / "a" / "b")
        for path in (tmp_path / "a" / "b" / "file", there):
            os.close(open_private(path, os.O_RDWR))
    finally:
        os.umask(before)
    made = (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "file", there)
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700, 0o600, 0o640]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_a_filesystem_that_syncs_no_directories_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What fails otherwise is told."""
    monkeypatch.setattr(os, "fsync", fails(number))
    sync_directory(tmp_path)
    monkeypatch.setattr(os, "fsync", fails(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "none")


def test_a_journal_whose_name_may_be_lost_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is committed would go with it; the next attempt syncs again, though the file is there."""
    path = tmp_path / "journal.db"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails(errno.EIO))
        for _ in range(2):
            with pytest.raises(JournalError, match="Input/output"):
                Journal.open(path, owner=True)
    Journal.open(path, owner=True).close()


def test_what_is_forgotten_is_gone_from_the_disk_too(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite cuts its log and does not sync that: after a power cut all of it would be back."""
    path = tmp_path / "journal.db"
    with Journal.open(path, owner=True) as journal:
        journal.append([entry(1)], None, NOW)
        synced.clear()
        assert journal.forget("v/1") == 1
        assert synced == [f"{path}-wal"]
        monkeypatch.setattr(os, "fsync", fails(errno.EIO))
        with pytest.raises(JournalError, match="cannot be synced"):
            journal.forget("v/1")
