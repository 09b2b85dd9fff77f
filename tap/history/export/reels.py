"""Reel names: what an EDL calls a source. Eight capital letters and digits, one name for each camera."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from msgspec import Struct

__all__ = ["Reel", "ascii_name", "reels_of"]

_LONGEST = 8
_TAKEN = ("AX", "BL", "BLACK")
"""Names that an EDL gives a meaning: auxiliary, and black."""


class Reel(Struct, frozen=True):
    """A camera as an editor's source."""

    camera_id: str
    name: str
    reel: str
    role: str | None = None


def reels_of(cameras: Iterable[tuple[str, str | None, str | None]]) -> dict[str, Reel]:
    """Reels by camera id, for cameras given as id, name and role, in order: the first of two alike keeps the name."""
    taken = set(_TAKEN)
    reels = {}
    for number, (camera_id, name, role) in enumerate(cameras, 1):
        shown = printable(name or camera_id)
        wanted = _squeezed(shown) or _squeezed(camera_id) or f"CAM{number}"
        reel = _free(wanted, taken)
        taken.add(reel)
        reels[camera_id] = Reel(camera_id, shown, reel, None if role is None else printable(role))
    return reels


def printable(text: str) -> str:
    """A name on one line, without characters that only steer a terminal or the direction of writing."""
    kept = (" " if unicodedata.category(letter) in {"Cc", "Zl", "Zp"} else letter for letter in text)
    joined = "".join(letter for letter in kept if unicodedata.category(letter) not in {"Cf", "Cs", "Co", "Cn"})
    return " ".join(joined.split())[:_LONGEST_NAME]


_LONGEST_NAME = 200


def ascii_name(text: str, longest: int) -> str:
    """A name for formats that know ASCII only: accents go, what has no such letter goes too."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join("".join(letter for letter in plain if letter.isprintable()).split())[:longest].rstrip()


def _squeezed(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", ascii_name(name, _LONGEST_NAME).upper())[:_LONGEST]


def _free(wanted: str, taken: set[str]) -> str:
    reel, number = wanted, 1
    while reel in taken:
        number += 1
        reel = f"{wanted[: _LONGEST - len(str(number))]}{number}"
    return reel
