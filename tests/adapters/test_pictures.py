"""Pictures become small parts of a page: told by what they are, never by their name, and bounded."""

from __future__ import annotations

import base64
import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tap.adapters import pictures
from tap.adapters.pictures import Album, picture_files, read_picture
from tap.core.errors import TapError

METADATA = (b"Nikon", b"2026:11:22", b"52.5N")
"""What the camera, its clock and whoever had the file wrote into it."""


def png(width: int = 2, height: int = 2) -> bytes:
    """A black picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\0\0\0" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def taken(kind: str, turned: int = 1) -> bytes:
    """A picture as a camera stores it: its upper half red, and full of metadata."""
    exif, xmp, text = Image.Exif(), b"<x:xmpmeta>52.5N</x:xmpmeta>", PngInfo()
    exif[0x010F], exif[0x0112] = "Nikon", turned
    exif.get_ifd(0x8825)[29] = "2026:11:22"
    text.add_text("Comment", "52.5N")
    picture = Image.new("RGB", (1200, 800), "blue")
    picture.paste((255, 0, 0), (0, 0, 1200, 400))
    out = io.BytesIO()
    picture.save(out, kind, exif=exif, xmp=xmp, comment=b"52.5N", pnginfo=text)
    return out.getvalue()


def shown(content: bytes) -> bytes:
    """What a page shows of it."""
    album = Album()
    album.add("s", content)
    start, _, coded = album.pictures["s"].partition(",")
    assert start == "data:image/jpeg;base64"
    return base64.b64decode(coded)


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
    with pytest.raises(TapError, match=r"nowhere: the folder does not exist → name the folder"):
        picture_files(tmp_path / "nowhere")


def test_what_is_no_file_or_too_large_reads_as_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "large.jpg").write_bytes(b"x" * 11)
    monkeypatch.setattr(pictures, "_MOST_READ", 10)
    assert [read_picture(tmp_path / name) for name in ("pipe.jpg", "large.jpg", "none.jpg")] == [b"", b"", b""]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_made_small_and_loses_its_metadata(kind: str) -> None:
    """Where it was taken, when and with what, in all the places where a file may hold it."""
    content = taken(kind)
    assert all(word in content for word in METADATA)
    small = shown(content)
    with Image.open(io.BytesIO(small)) as picture:
        assert picture.size == (480, 320)
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not picture.getexif()
    assert len(small) < 10_000
    assert not [word for word in METADATA if word in small]


@pytest.mark.parametrize("kind", ["GIF", "AVIF", "TIFF"])
def test_other_kinds_are_made_small_too(kind: str) -> None:
    with Image.open(io.BytesIO(shown(taken(kind)))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (480, 320))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_camera_that_was_held_upright_gives_an_upright_picture(kind: str) -> None:
    """Which way is up is metadata: what is shown is turned before it goes."""
    with Image.open(io.BytesIO(shown(taken(kind, turned=6)))) as picture:
        assert picture.size == (320, 480)
        assert reddish(picture, 260, 240)
        assert not reddish(picture, 60, 240)


def reddish(picture: Image.Image, x: int, y: int) -> bool:
    colour = picture.getpixel((x, y))
    assert isinstance(colour, tuple)
    return colour[0] > 200 and colour[2] < 50


def test_a_small_picture_is_not_made_larger() -> None:
    with Image.open(io.BytesIO(shown(png(3, 2)))) as picture:
        assert picture.size == (3, 2)


def test_the_largest_cameras_pictures_are_taken_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would warn of them, on stderr."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert shown(png(10, 8))


def test_what_would_fill_the_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its header tells, before anything of it is read; our own bound comes before that of Pillow."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    album = Album()
    for side in (60_000, 11_000):
        album.add("s", png().replace(struct.pack(">II", 2, 2), struct.pack(">II", side, side)))
    monkeypatch.setattr(pictures, "_MOST_PIXELS", 99)
    album.add("s", png(10, 10))
    assert album.pictures == {}
    assert album.words() == ["3 not shown: cannot be read as a picture"]


NO_PICTURES = {
    "nothing": b"",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "a page": b"<html>",
    "the start of a GIF": b"GIF8",
    "the start of a JPEG": b"\xff\xd8",
    "half a PNG": png()[:40],
    "sound": b"RIFF1234WAVE",
    "a program": b"MZ",
    "what cameras do not write, though Pillow reads it": b"P6 1 1 255\n\0\0\0",
}


@pytest.mark.parametrize("what", NO_PICTURES)
def test_what_is_no_picture_is_left_out(what: str) -> None:
    album = Album()
    album.add("s", NO_PICTURES[what])
    assert album.pictures == {}
    assert album.words() == ["1 not shown: cannot be read as a picture"]


@pytest.mark.parametrize("most", ["_MOST_PICTURES", "_MOST_BYTES"])
def test_a_page_has_room_for_so_many(most: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, most, 1)
    album = Album()
    for key in ("a", "b", "c"):
        album.add(key, png())
    assert list(album.pictures) == ["a"]
    assert album.words() == ["2 not shown: one page has no room for more"]
