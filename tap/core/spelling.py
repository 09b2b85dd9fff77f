"""Ids that a tap of before kept letter by letter, where they are now compared in Unicode NFC.

What it knew goes on under the keys that it has: an id that is told composed is taken for the one that is known. What
is new is composed (``codec.parse_id``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import orjson
from msgspec import Struct, structs

from tap.core.codec import composed
from tap.core.model import Observation

__all__ = ["respelt", "spelt_before"]

_IDS = frozenset(
    (
        *("id", "program", "to", "from_", "camera_id", "camera_ids", "session_id"),
        *("still_id", "cut_id", "hold_id", "moment_id", "marker_id"),
    )
)
_PROSE = frozenset({"title", "notes", "name", "label", "cameraName", "fromCameraName"})
"""What people wrote, which is no id."""
_HOLD_IDS = frozenset({"session", "camera", "cameras"})

_Struct = TypeVar("_Struct", bound=Struct)


def spelt_before(checkpoint: bytes) -> dict[str, str]:
    """The texts of a checkpoint that are not in NFC: how they were spelt, by how they are read now.

    A text that was known in both spellings was two ids, and stays two.
    """
    if checkpoint.isascii():
        return {}
    texts = set(_texts(orjson.loads(checkpoint)))
    read = {composed(text): text for text in sorted(texts) if composed(text) != text}
    # Where both spellings were known, they were two, and stay it.
    return {text: before for text, before in read.items() if text not in texts}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and not value.isascii():
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(name)
            if name not in _PROSE:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def respelt(o: Observation, before: Mapping[str, str]) -> Observation:
    """The same observation, its ids spelt as they were.

    Args:
        before: What :func:`spelt_before` found.
    """
    return _respelt(o, before)


def _respelt(o: _Struct, before: Mapping[str, str]) -> _Struct:
    changed = {}
    for name in o.__struct_fields__:
        value = getattr(o, name)
        if name in _IDS or (name in _HOLD_IDS and value is not None):
            other = _value(value, before)
            if other is not value:
                changed[name] = other
    return structs.replace(o, **changed) if changed else o


def _value(value: Any, before: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return before.get(value, value)
    if isinstance(value, tuple):
        items = tuple(_value(item, before) for item in value)
        return value if all(one is other for one, other in zip(items, value, strict=True)) else items
    return _respelt(value, before) if isinstance(value, Struct) else value
