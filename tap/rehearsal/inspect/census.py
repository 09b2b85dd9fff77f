"""What the frames of a type are usually like, so that one that is different can be ignored, and reported.

Servers send a malformed frame now and then. A draft goes by what nearly all frames of a type show: one whose field is
of another kind than everywhere else, or that has hardly any of the fields that the others have, proves nothing. What a
server may write for "none" (null, 0, an empty text or object) is never odd.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from tap.core.mapping.values import label
from tap.rehearsal.inspect.envelope import Envelope, SaidObject
from tap.rehearsal.inspect.paths import NOTHING, Body, is_scalar, nearly, part_of_path

__all__ = ["Census"]

_FEWEST = 4
"""With fewer frames of a type it is not known what is usual."""
_DEEPEST = 4
_MOST_PATHS = 300
_MOST_ITEMS = 48
_MOST_KINDS = 300
_WORDS = {str: "a text", bool: "true or false", int: "a number", float: "a number", dict: "an object", list: "a list"}


class _Usual(Struct):
    """What was seen of one type."""

    count: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    """How many have each of the body's own fields."""
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    """Of each path, what stands there in how many."""


class Census:
    """The usual shape of each type, by a sample of what was said."""

    def __init__(self, envelope: Envelope, frames: Iterable[Any]) -> None:
        self._types: dict[str, _Usual] = {}
        for frame in frames:
            for said in envelope.objects(frame):
                if said.kind in self._types or len(self._types) < _MOST_KINDS:
                    self._count(self._types.setdefault(said.kind, _Usual()), said)

    @staticmethod
    def _count(usual: _Usual, said: SaidObject) -> None:
        usual.count += 1
        usual.keys.update(said.body.keys())
        for path, kinds in _kinds(said).items():
            if path in usual.kinds or len(usual.kinds) < _MOST_PATHS:
                usual.kinds.setdefault(path, Counter()).update(kinds)

    def odd(self, said: SaidObject) -> str | None:
        """Why this object is not like the others of its type; None if it is like them."""
        usual = self._types.get(said.kind)
        if usual is None or usual.count < _FEWEST:
            return None
        for path, kinds in _kinds(said).items():
            known = usual.kinds.get(path)
            if known is None or known.total() < _FEWEST:
                continue
            most, count = known.most_common(1)[0]
            other = next((kind for kind in kinds if kind != most), None)
            if other is not None and nearly(count, known.total()):
                return f"{path} is {other}, and {most} elsewhere"
        every = [name for name, count in usual.keys.items() if nearly(count, usual.count)]
        missing = [name for name in every if name not in said.body]
        if len(missing) >= 2 and 2 * len(missing) >= len(every):
            return f"it lacks {', '.join(missing[:5])}, which the others have"
        return None


def _kinds(said: SaidObject) -> dict[str, set[str]]:
    """What kinds of values stand at each path of the body, those aside that may mean "none"."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, kind in _walk(said.body, "", 0):
        found[path].add(kind)
    return found


def _walk(body: Body, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    for name, value in list(body.items())[:_MOST_PATHS]:
        yield from _item(value, f"{prefix}{part_of_path(name)}", depth)


def _item(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if not value or (is_scalar(value) and label(value).lower() in NOTHING):
        return
    yield path, _WORDS.get(type(value), "something else")
    if depth >= _DEEPEST:
        return
    if isinstance(value, dict):
        yield from _walk(value, f"{path}.", depth + 1)
    elif isinstance(value, list):
        for part in value[:_MOST_ITEMS]:
            yield from _item(part, f"{path}[]", depth + 1)
