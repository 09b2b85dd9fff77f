"""An error says what happened, where, and what to do next."""

from __future__ import annotations

import pytest

from tap.core.errors import cannot_write


@pytest.mark.parametrize(("path", "folder"), [("gone/a.edl", "gone"), ("/a.edl", "/"), ("a.edl", ".")])
def test_a_file_whose_folder_does_not_exist_names_the_folder(path: str, folder: str) -> None:
    error = cannot_write(path, FileNotFoundError(2, "No such file or directory"))
    assert str(error) == f"{folder}: the folder does not exist → make it, or name another"


def test_whatever_else_is_in_the_way_is_named_with_the_file() -> None:
    error = cannot_write("shoot/a.edl", OSError(28, "No space left on device"))
    assert str(error).startswith("shoot/a.edl: cannot be written: No space left on device → make room")
