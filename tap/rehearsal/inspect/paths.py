"""The paths in a frame: every value with the path by which a mapping file would name it, in bounded time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, TypeAlias

from tap.core.lenient_json import ODD

__all__ = ["NOTHING", "Body", "Container", "is_scalar", "nearly", "part_of_path", "tokens", "walk"]

Body: TypeAlias = dict[str, Any]

NOTHING = frozenset({"0", "", "-", "none", "null", "-1", "false"})
"""What servers write for "none"."""
_DEEPEST = 5
_MOST_KEYS = 80
_MOST_ITEMS = 48
_PLAIN = re.compile(r"[^.\"\[\]{}@]+")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")


class Container(Enum):
    """The value at a path that holds more paths: an object or a list."""

    OBJECT = "object"
    LIST = "list"


def nearly(good: int, every: int) -> bool:
    """Whether something is true of nearly all: of 95 in 100, or, of a few, of all but one."""
    odd = every - good
    return good > 0 and (20 * odd <= every or (odd == 1 and good >= 3))


def is_scalar(value: object) -> bool:
    """Text, number or flag."""
    return isinstance(value, (str, int, float, bool))


def part_of_path(name: str) -> str:
    """A key as a part of a path."""
    return name if _PLAIN.fullmatch(name) else f'"{name}"'


def tokens(name: str) -> frozenset[str]:
    """The words of a name: ``programSwitched``, ``PGM_ON`` and ``cam+`` in lower case."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def walk(body: Body, maps: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """(path, value) of every scalar and null, and (path, Container) of what holds them; what is empty is null.

    ``cameras[]`` is each item of a list, ``inputs{}`` each value of an object that has ids for keys (``maps`` names
    these), and ``inputs{}.@`` its key.
    """
    yield from _walk(body, "", maps, 0)


def _walk(value: Body, prefix: str, maps: frozenset[str], depth: int) -> Iterator[tuple[str, Any]]:
    for name, item in list(value.items())[:_MOST_KEYS]:
        yield from _item(item, f"{prefix}{part_of_path(name)}", maps, depth)


def _item(item: Any, path: str, maps: frozenset[str], depth: int) -> Iterator[tuple[str, Any]]:
    if is_scalar(item) or not item:
        yield path, item if is_scalar(item) and item is not ODD else None
    elif isinstance(item, dict):
        yield path, Container.OBJECT
        if depth >= _DEEPEST:
            return
        if path in maps:
            for key, part in list(item.items())[:_MOST_ITEMS]:
                if isinstance(part, dict):
                    yield f"{path}{{}}.@", key
                    yield from _walk(part, f"{path}{{}}.", maps, depth + 1)
        else:
            yield from _walk(item, f"{path}.", maps, depth + 1)
    elif isinstance(item, list):
        yield path, Container.LIST
        # A list of numbers is a measurement, and there may be thousands.
        if depth < _DEEPEST and not (len(item) > 8 and isinstance(item[0], float)):
            for part in item[:_MOST_ITEMS]:
                if isinstance(part, dict):
                    yield from _walk(part, f"{path}[].", maps, depth + 1)
                elif is_scalar(part):
                    yield f"{path}[]", part
