"""What stands around a server's objects, found in raw frames: several in a row, a prefix, arrays, JSON within JSON.

In the words of the mapping language (``core/mapping/wraps.py``), so that what is found can be read with its help.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tap.core.mapping.wraps import PREFIXES, Wraps, before
from tap.rehearsal.inspect.paths import nearly, part_of_path

__all__ = ["BODY", "TYPE", "find_wraps", "is_named", "opened", "text_paths"]

TYPE, BODY = "type", "data"
"""Names for the places of an array in which type and body are."""
_MOST_PLACES = 8
_LEAST = 2
"""A single odd frame is no reason for a rule."""
_OPEN = (b"{", b"[", b'"')


def find_wraps(frames: list[bytes]) -> Wraps:
    """How objects are wrapped in these raw frames. Whether texts hold JSON is asked of what is in them."""
    prefix = _find_prefix(frames)
    one = Wraps(prefix=prefix, several=True)
    parsed = [value for data in frames if (value := _parsed(one, data)) is not None]
    rows = sum(isinstance(value, list) and not _is_one(prefix, data) for value, data in parsed)
    texts = sum(isinstance(value, str) and isinstance(_TEXT.opened(value), (dict, list)) for value, _ in parsed)
    return Wraps(
        prefix=prefix,
        several=rows >= _LEAST,
        json_text=texts >= _LEAST and 2 * texts > len(parsed),
        **_find_array([value for value, _ in parsed]),
    )


def _parsed(wraps: Wraps, data: bytes) -> tuple[Any, bytes] | None:
    try:
        return wraps.parse(data), data
    except ValueError:
        return None


def _is_one(prefix: str, data: bytes) -> bool:
    return _parsed(Wraps(prefix=prefix), data) is not None


def _find_prefix(frames: list[bytes]) -> str:
    """What most frames begin with, before their first bracket."""
    for name in PREFIXES:
        begun = sum(before(name, data) > 0 and not data.lstrip().startswith(_OPEN) for data in frames)
        if begun >= _LEAST and 2 * begun > len(frames):
            return name
    return ""


def _find_array(values: Iterable[Any]) -> dict[str, Any]:
    """The names of an array's places, where most frames are arrays with a word at one and an object at another."""
    values = [value for value in values if isinstance(value, (dict, list))]
    arrays = [array for value in values for array in _arrays(value)]
    if len(arrays) < _LEAST or 2 * len(arrays) < len(values):
        return {}
    lengths = Counter(min(len(array), _MOST_PLACES) for array in arrays)
    length = lengths.most_common(1)[0][0]
    usual = [array for array in arrays if len(array) >= length]
    objects = [place for place in range(length) if nearly(sum(isinstance(a[place], dict) for a in usual), len(usual))]
    words = [place for place in range(length) if nearly(sum(_is_word(a[place]) for a in usual), len(usual))]
    if not words or not objects:
        return {}
    # Of several words the type is that on which the shape of the object depends; of equals the last before it.
    kind = max(words, key=lambda place: (round(_tells([(a[place], _keys(a[objects[-1]])) for a in usual]), 2), place))
    names = {objects[-1]: BODY, kind: TYPE}
    return {"array": tuple(names.get(place, f"place{place}") for place in range(length)), "type_place": kind}


def _arrays(value: Any) -> list[list[Any]]:
    """The arrays in a frame that are no batches: the frame itself, or each of a batch of them."""
    if not isinstance(value, list) or not value:
        return []
    if all(isinstance(item, list) for item in value):
        return [item for item in value if item and not all(isinstance(part, dict) for part in item)]
    return [] if all(isinstance(item, (dict, str)) for item in value) and not isinstance(value[0], str) else [value]


def _is_word(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).lstrip()[:1] not in {"{", "["}


def _keys(value: Any) -> frozenset[str]:
    return frozenset(value) if isinstance(value, dict) else frozenset()


def _tells(pairs: list[tuple[Any, frozenset[str]]]) -> float:
    """How often the word would predict the shape of the object; less, the more words there are."""
    shapes: dict[Any, Counter[frozenset[str]]] = {}
    for word, shape in pairs:
        shapes.setdefault(repr(word), Counter())[shape] += 1
    right = sum(max(found.values()) for found in shapes.values())
    # A word that is another each time tells everything, and nothing.
    return right / len(pairs) - len(shapes) / len(pairs)


def is_named(wraps: Wraps, places: list[Any]) -> bool:
    """Whether an array has a word where the type stands."""
    return wraps.type_place < len(places) and _is_word(places[wraps.type_place])


def text_paths(items: list[dict[str, Any]]) -> frozenset[str]:
    """The paths at which nearly every text holds JSON: a body, or a batch, that is wrapped once more."""
    texts: Counter[str] = Counter()
    hold: Counter[str] = Counter()
    for item in items:
        for path, value in _texts(item):
            texts[path] += 1
            hold[path] += isinstance(_TEXT.opened(value), (dict, list))
    return frozenset(path for path, count in texts.items() if hold[path] >= _LEAST and nearly(hold[path], count))


def opened(item: dict[str, Any], paths: frozenset[str], prefix: str = "") -> dict[str, Any]:
    """The same object with what its texts hold at these paths."""
    return {
        name: _TEXT.opened(value)
        if f"{prefix}{part_of_path(name)}" in paths
        else opened(value, paths, f"{part_of_path(name)}.")
        if isinstance(value, dict) and not prefix
        else value
        for name, value in item.items()
    }


def _texts(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in item.items():
        path = part_of_path(name)
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            yield from ((f"{path}.{part_of_path(n)}", part) for n, part in value.items() if isinstance(part, str))


_TEXT = Wraps(json_text=True)
