"""Pictures become small parts of a page: told by what they are, never by their name, and bounded."""

from __future__ import annotations

import base64
import importlib.util
import os
import struct
import zlib
from pathlib import Path

import pytest

from tap.adapters import pictures
from tap.adapters.pictures import Album, picture_files, read_picture
from tap.core.errors import TapError


def png(width: int = 2, height: int = 2, more: bytes = b"") -> bytes:
    """A black picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\0\0\0" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_pillow", lambda: None)


def kind_of(uri: str) -> str:
    return uri.partition(":")[2].partition(";")[0]


def test_the_pictures_of_a_folder_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.webp", "notes.txt", "c.svg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert picture_files(tmp_path) == ["a.webp", "b/1.png", "b/2.JPG"]


def test_links_to_other_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "all").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "secret.jpg").write_bytes(b"x")
    assert picture_files(tmp_path / "media") == []


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(TapError, match=r"nowhere: there is no such folder → name the folder"):
        picture_files(tmp_path / "nowhere")


def test_what_is_no_file_or_too_large_reads_as_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "large.jpg").write_bytes(b"x" * 11)
    monkeypatch.setattr(pictures, "_MOST_READ", 10)
    assert [read_picture(tmp_path / name) for name in ("pipe.jpg", "large.jpg", "none.jpg")] == [b"", b"", b""]


@pytest.mark.usefixtures("no_pillow")
def test_without_pillow_a_small_file_is_taken_as_it_is() -> None:
    album = Album()
    album.add("s", png())
    uri = album.pictures["s"]
    assert kind_of(uri) == "image/png"
    assert base64.b64decode(uri.partition(",")[2]) == png()


@pytest.mark.usefixtures("no_pillow")
def test_without_pillow_a_large_file_is_left_out_and_said() -> None:
    album = Album()
    album.add("s", png() + b"x" * 300_000)
    assert album.pictures == {}
    assert album.words() == ["1 not shown: larger than 256 KB (with Pillow installed they are made small)"]


@pytest.mark.usefixtures("no_pillow")
def test_where_a_picture_was_taken_does_not_reach_the_page() -> None:
    """A camera writes its place into APP1; colour profiles (APP2) stay."""
    jpeg = (
        b"\xff\xd8"
        + b"\xff\xe0\x00\x04ab"
        + b"\xff\xe1\x00\x0aGPS52.5N"
        + b"\xff\xe2\x00\x05icc"
        + b"\xff\xfe\x00\x06note"
        + b"\xff\xda\x00\x02scan\xff\xe1GPSnot"
        + b"\xff\xd9"
    )
    album = Album()
    album.add("s", jpeg)
    kept = base64.b64decode(album.pictures["s"].partition(",")[2])
    assert kept == jpeg.replace(b"\xff\xe1\x00\x0aGPS52.5N", b"").replace(b"\xff\xfe\x00\x06note", b"")


@pytest.mark.usefixtures("no_pillow")
@pytest.mark.parametrize(
    "content", [b"", b"<svg onload='alert(1)'/>", b"<html>", b"GIF8", b"\xff\xd8", b"RIFF1234WAVE", b"MZ"]
)
def test_what_is_no_picture_is_left_out(content: bytes) -> None:
    album = Album()
    album.add("s", content)
    assert album.pictures == {}
    assert album.words() == ["1 not shown: cannot be read as a picture"]


@pytest.mark.usefixtures("no_pillow")
@pytest.mark.parametrize("most", ["_MOST_PICTURES", "_MOST_BYTES"])
def test_a_page_has_room_for_so_many(most: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, most, 1)
    album = Album()
    for key in ("a", "b", "c"):
        album.add(key, png())
    assert list(album.pictures) == ["a"]
    assert album.words() == ["2 not shown: one page has no room for more"]


needs_pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")


@needs_pillow
def test_pillow_makes_a_large_picture_a_small_jpeg_without_its_metadata() -> None:
    album = Album()
    album.add("s", png(1200, 800, b"\0\0\0\x08tEXtGPS\x0052N\0" + struct.pack(">I", zlib.crc32(b"tEXtGPS\x0052N\0"))))
    content = base64.b64decode(album.pictures["s"].partition(",")[2])
    assert kind_of(album.pictures["s"]) == "image/jpeg"
    assert len(content) < 20_000
    assert b"GPS" not in content


@needs_pillow
def test_pillow_refuses_what_would_fill_the_memory() -> None:
    bomb = png().replace(struct.pack(">II", 2, 2), struct.pack(">II", 60_000, 60_000))
    album = Album()
    for content in (bomb, b"", b"<svg/>", png()[:40]):
        album.add("s", content)
    assert album.words() == ["4 not shown: cannot be read as a picture"]
