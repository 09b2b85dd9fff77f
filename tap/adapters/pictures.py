"""Pictures for people to look at: found in a folder, made small, and turned into ``data:`` URIs.

A picture of any size becomes a small JPEG, without the metadata of the camera (for example the place). A file's type is
recognized by its first bytes, never by its name. A file that a browser might run (SVG) does not count as a picture.
"""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections import Counter
from pathlib import Path

from msgspec import Struct, field
from PIL import Image, ImageOps

from tap.core.errors import TapError

__all__ = ["Album", "picture_files", "read_picture"]

_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".tif", ".tiff"))
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF")
"""No others are tried: some hand the file to another program."""
_MOST_FILES = 50_000
_MOST_READ = 64 * 1024 * 1024
_MOST_PIXELS = 120_000_000
_SIDE = 480
_QUALITY = 74
_MOST_PICTURES = 1000
_MOST_BYTES = 48 * 1024 * 1024


def picture_files(folder: Path) -> list[str]:
    """The pictures in a folder and all below it, as paths from there with ``/``.

    Links to other folders are not followed. Raises ``TapError`` where the folder does not exist, or too much in it.
    """
    if not folder.is_dir():
        raise TapError("the folder does not exist", where=str(folder), hint="name the folder that holds the stills")
    found: list[str] = []
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        here = Path(place)
        found += [
            (here / name).relative_to(folder).as_posix()
            for name in sorted(names)
            if Path(name).suffix.lower() in _ENDINGS
        ]
        if len(found) > _MOST_FILES:
            raise TapError(f"holds more than {_MOST_FILES} pictures", where=str(folder), hint="name the shoot's own")
    return found


def _refuse(error: OSError) -> None:
    raise TapError(
        f"cannot be read: {error.strerror}", where=str(error.filename), hint="do you have permission to read it?"
    ) from None


def read_picture(path: Path) -> bytes:
    """The bytes of one file; empty where it is none, cannot be read, or is too large to be a still."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_READ:
            return b""
        return path.read_bytes()
    except OSError:
        return b""


class Album(Struct):
    """Pictures that go into one page, by the key of their still: as many and as large as a page may have."""

    pictures: dict[str, str] = field(default_factory=dict)
    """``data:`` URIs."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many were left out, by why."""
    _bytes: int = 0

    def add(self, key: str, content: bytes) -> None:
        """Put in one picture, from the bytes of its file, or count why not."""
        if len(self.pictures) >= _MOST_PICTURES or self._bytes >= _MOST_BYTES:
            self.refused["one page has no room for more"] += 1
            return
        small = _small(content)
        if not small:
            self.refused["cannot be read as a picture"] += 1
            return
        self._bytes += len(small)
        self.pictures[key] = f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"

    def words(self) -> list[str]:
        """What was left out, for people."""
        return [f"{number} not shown: {why}" for why, number in sorted(self.refused.items())]


def _small(content: bytes) -> bytes:
    """A small JPEG, upright; empty where the bytes are no picture, or one of absurd size."""
    try:
        # Pillow warns of what it can read all the same (a large picture, torn metadata).
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                return b""
            image.thumbnail((_SIDE, _SIDE))  # first of all: it is the picture itself that fills the memory
            small = ImageOps.exif_transpose(image).convert("RGB")
            small.info.clear()  # a comment would be written again
            out = io.BytesIO()
            small.save(out, "JPEG", quality=_QUALITY, optimize=True)
            return out.getvalue()
    except Exception:  # noqa: BLE001 - whatever a broken file makes a decoder do, it is no picture
        return b""
