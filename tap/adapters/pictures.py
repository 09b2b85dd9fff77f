"""Pictures for people to look at: found in a folder, made small, and turned into ``data:`` URIs.

Where Pillow is installed a picture of any size becomes a small one without its metadata. Without it only a file that is
small already is taken, as it is but for what a camera wrote into it (where it was taken, for one). A file is told by
its first bytes, never by its name, and what a browser might run (SVG) is no picture.
"""

from __future__ import annotations

import base64
import importlib
import io
import os
from collections import Counter
from pathlib import Path
from types import ModuleType

from msgspec import Struct, field

from tap.core.errors import TapError

__all__ = ["Album", "picture_files", "read_picture"]

_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".tif", ".tiff"))
_MOST_FILES = 50_000
_MOST_READ = 64 * 1024 * 1024
_MOST_PIXELS = 120_000_000
_SIDE = 480
_QUALITY = 74
_SMALL = 256 * 1024
"""Without Pillow, a file of at most so many bytes is taken as it is."""
_MOST_PICTURES = 1000
_MOST_BYTES = 48 * 1024 * 1024
_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def picture_files(folder: Path) -> list[str]:
    """The pictures in a folder and all below it, as paths from there with ``/``.

    Links to other folders are not followed. Raises ``TapError`` where there is no such folder, or too much in it.
    """
    if not folder.is_dir():
        raise TapError("there is no such folder", where=str(folder), hint="name the folder that holds the stills")
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
    raise TapError(f"cannot be read: {error.strerror}", where=str(error.filename), hint="may you read it?") from None


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
        kind, small, why = _small(content)
        if why:
            self.refused[why] += 1
            return
        self._bytes += len(small)
        self.pictures[key] = f"data:{kind};base64,{base64.b64encode(small).decode()}"

    def words(self) -> list[str]:
        """What was left out, for people."""
        return [f"{number} not shown: {why}" for why, number in sorted(self.refused.items())]


def _small(content: bytes) -> tuple[str, bytes, str]:
    """A picture's media type and bytes as they go into a page; or why it does not."""
    kind = _kind(content)
    pillow = _pillow()
    if pillow is not None:
        shrunk = _shrunk(pillow, content)
        return ("image/jpeg", shrunk, "") if shrunk else ("", b"", "cannot be read as a picture")
    if kind is None:
        return "", b"", "cannot be read as a picture"
    if len(content) > _SMALL:
        return "", b"", f"larger than {_SMALL // 1024} KB (with Pillow installed they are made small)"
    return kind, _without_metadata(content) if kind == "image/jpeg" else content, ""


def _kind(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:12] == b"ftypavif":
        return "image/avif"
    return next((kind for start, kind in _STARTS if content.startswith(start)), None)


def _pillow() -> ModuleType | None:
    """Pillow's ``Image``, where it is installed."""
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        return None


def _shrunk(pillow: ModuleType, content: bytes) -> bytes:
    """A small JPEG, upright; empty where the bytes are no picture, or one of absurd size."""
    turned = importlib.import_module("PIL.ImageOps")
    try:
        with pillow.open(io.BytesIO(content)) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                return b""
            image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            small = turned.exif_transpose(image).convert("RGB")
            small.thumbnail((_SIDE, _SIDE))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=_QUALITY, optimize=True)
            return out.getvalue()
    except Exception:  # noqa: BLE001 - whatever a broken file makes a decoder do, it is no picture
        return b""


def _without_metadata(jpeg: bytes) -> bytes:
    """A JPEG without its APP1 to APP15 and comments, colour profile (APP2) and Adobe's (APP14) aside."""
    kept, at = [jpeg[:2]], 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if not (0xE1 <= marker <= 0xEF or marker == 0xFE) or marker in (0xE2, 0xEE):
            kept.append(jpeg[at : at + 2 + length])
        at += 2 + length
    return b"".join([*kept, jpeg[at:]])
