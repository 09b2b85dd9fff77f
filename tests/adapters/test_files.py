"""A file is written whole or not at all, and one that is there stays unless it may be replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tap.adapters.files import write_whole
from tap.core.errors import TapError


def test_a_file_is_written_as_others_of_this_user(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.html", b"page", force=False)
    finally:
        os.umask(before)
    assert (tmp_path / "a.html").read_bytes() == b"page"
    assert (tmp_path / "a.html").stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.html"]  # noqa: PTH208 - hidden ones too


def test_one_that_is_there_is_only_replaced_with_force(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    file.write_text("old")
    with pytest.raises(TapError, match=r"a\.html: the file already exists → --force replaces it"):
        write_whole(file, b"new", force=False)
    assert file.read_text() == "old"
    write_whole(file, b"new", force=True)
    assert file.read_text() == "new"


def test_where_it_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(TapError, match="the folder does not exist → make it"):
        write_whole(tmp_path / "none" / "a.html", b"", force=False)
    with pytest.raises(TapError, match="is a folder → name a file in it"):
        write_whole(tmp_path, b"", force=True)
    with pytest.raises(TapError, match="cannot be written"):
        write_whole(tmp_path / ("x" * 300), b"", force=False)
    assert list(tmp_path.iterdir()) == []
