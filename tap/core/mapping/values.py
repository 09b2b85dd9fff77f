"""Reading single values: a reader takes what is at a path and gives a value, or UNSET where that is no such value.

All of it is total: whatever a server sends, nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import UNSET, UnsetType

from tap.core.codec import parse_id, parse_time
from tap.core.lenient_json import ODD

__all__ = ["MAX_CAMERAS", "MAX_LIST", "READERS", "Reader", "label", "scaled"]

Reader: TypeAlias = Callable[[Any], Any]

MAX_TEXT = 16_384
"""Characters of the longest text (title, name, notes) that is believed."""
MAX_LIST = 10_000
"""Items of the longest list (a batch) that is read."""
MAX_CAMERAS = 1_000
"""Items of the longest list of cameras that is believed. A longer one is ignored: its other cameras would seem away."""
_MAX_DETAIL = 500
"""How many characters a text inside a small object (such as a placement) has at most. A longer text is cut off."""


def _text(value: Any) -> str | UnsetType:
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return parse_id(value) or UNSET
    return UNSET


def _remark(value: Any) -> str | UnsetType:
    """What somebody wrote beside a moment: of a long one its beginning, which says more than nothing."""
    text = _text(value)
    return text if text is UNSET else text[:_MAX_DETAIL]


def _word(value: Any) -> str | UnsetType:
    """A short text that stands for one of a few things: a mode, a trigger, a transition."""
    return value if isinstance(value, str) and 0 < len(value) <= 200 else UNSET


def _id(value: Any) -> str | UnsetType:
    found = parse_id(value)
    return UNSET if found is None else found


def _ids(value: Any) -> tuple[str, ...] | UnsetType:
    if not isinstance(value, list) or len(value) > MAX_CAMERAS:
        return UNSET
    return tuple(dict.fromkeys(found for item in value if (found := parse_id(item)) is not None))


def _flag(value: Any) -> bool | UnsetType:
    return value if isinstance(value, bool) else UNSET


def _time(value: Any) -> int | UnsetType:
    found = parse_time(value)
    return UNSET if found is None else found


def _number(value: Any) -> float | UnsetType:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53
    return value + 0 if good else UNSET  # -0.0 is no number to Convex


def _count(value: Any) -> int | UnsetType:
    number = _number(value)
    return int(number) if number is not UNSET and number >= 0 and number == int(number) else UNSET


def _duration(value: Any) -> float | UnsetType:
    number = _number(value)
    return number if number is not UNSET and 0 <= number < 1e11 else UNSET


def _object(value: Any) -> dict[str, Any] | UnsetType:
    """A flat object of scalars, as ``placement`` is; a bare word is its label."""
    if isinstance(value, str):
        return {"label": value} if len(value) <= _MAX_DETAIL else UNSET
    if not isinstance(value, dict):
        return UNSET
    return {
        name: scalar
        for name, item in list(value.items())[:32]
        if _PLAIN_NAME.fullmatch(name) and (scalar := _scalar(item)) is not UNSET
    }


def _scalar(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return UNSET if isinstance(value, str) and len(value) > _MAX_DETAIL else value
    return _number(value)


_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

READERS: Mapping[str, Reader] = {
    "text": _text,
    "remark": _remark,
    "word": _word,
    "id": _id,
    "ids": _ids,
    "flag": _flag,
    "time": _time,
    "number": _number,
    "count": _count,
    "duration": _duration,
    "object": _object,
}


def label(value: object) -> str:
    """A scalar as conditions and ``values`` tables name it; one that cannot be read is none of their words but NaN."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is ODD:
        return "NaN"
    return parse_id(value) or ""


def scaled(kind: str, factor: float) -> Reader:
    """A reader of times or durations in a unit that is ``factor`` ms long; digits in a text are a number too."""
    read = READERS[kind]

    def read_scaled(value: Any) -> Any:
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        number = _number(value) if not isinstance(value, int) or isinstance(value, bool) else value
        return UNSET if number is UNSET else read(number * factor)

    return read_scaled


_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,12})?")
