"""Sessions that an earlier version recorded go on under the same keys, however their ids are spelt.

Earlier versions compared ids letter by letter. Now ids are compared in Unicode NFC: ``codec.parse_id`` composes each
one. A checkpoint of an earlier version may hold ids that are not composed. Where the server sends such an id now, the
observation gets the old spelling back, so that it matches the checkpoint and its keys stay.
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
"""Fields of observations that hold an id which a checkpoint of an earlier version may know.

A new kind of event adds its field here only if that holds the id of something older, such as a camera or a session.
Its own ids need no entry: no earlier version knew them.
"""
_PROSE = frozenset({"title", "notes", "name", "label", "cameraName", "fromCameraName"})
"""Fields with texts that people wrote; these are no ids."""
_HOLD_IDS = frozenset({"session", "camera", "cameras"})
"""Fields of observations that hold objects with ids in them."""

_Struct = TypeVar("_Struct", bound=Struct)


def spelt_before(checkpoint: bytes) -> dict[str, str]:
    """The texts of a checkpoint that are not in NFC: from the spelling of today to the old one.

    If a checkpoint knows a text in both spellings, these were two ids, and stay two.
    """
    if checkpoint.isascii():
        return {}
    texts = set(_texts(orjson.loads(checkpoint)))
    read = {composed(text): text for text in sorted(texts) if composed(text) != text}
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
    """The same observation, with the old spelling of its ids.

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
