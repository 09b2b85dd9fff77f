"""What a server wraps around its objects: JSON within JSON, arrays, several values in a row, something before them.

``[frame]`` of a mapping says which of these there are. All of it is bounded: ``MAX_LIST`` items, and ``_DEEPEST``
wrappings within each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson
from msgspec import Struct

from tap.core.codec import read_json, values_of
from tap.core.mapping.values import MAX_LIST

__all__ = ["PREFIXES", "Wraps", "before", "rest_of"]

_DEEPEST = 4

PREFIXES: Mapping[str, str] = {
    "socket.io": r"4(?:[2356](?:\d{1,4}-)?(?:/[^,\"\[{]{0,200},)?\d{0,10})?",
    "any": r"[^\[{\"]{0,64}",
}
"""What may be before the first bracket, by what ``prefix`` calls it. Of Socket.IO: an event, its namespace, its
number."""

_LINE = re.compile(rb"\s*[0-6]\d{0,3}(?:/[^,]{0,200},?)?\s*(?:\{.*\}\s*)?", re.DOTALL)
"""What Socket.IO says of the line itself: opened, closed, a ping, a namespace joined."""


class Wraps(Struct, frozen=True):
    """How objects are wrapped in frames."""

    json_text: bool = False
    """Texts that hold JSON are read as that."""
    array: tuple[str, ...] = ()
    """A frame may be an array: the names of its places."""
    type_place: int = 0
    """At which of them the type is."""
    several: bool = False
    """A frame may hold several values, one after the other."""
    prefix: str = ""
    """What is before the first bracket: a key of :data:`PREFIXES`."""

    def parse(self, data: bytes) -> Any:
        """The content of a frame; of several values in a row, a list. Raises ``ValueError``, which says why not."""
        if self.prefix:
            data = data[before(self.prefix, data) :]
        try:
            return orjson.loads(data)
        except ValueError as error:
            values = (self.several and _lines(data)) or values_of(data, error)
        if len(values) > 1 and not self.several:
            raise ValueError(f"{len(values)} values in a row")
        return values[0] if len(values) == 1 else values

    def is_of_the_line(self, data: bytes) -> bool:
        """Whether a frame is what the transport says for itself."""
        return self.prefix == "socket.io" and not before(self.prefix, data) and _LINE.fullmatch(data) is not None

    def objects(self, value: Any, is_named: Callable[[list[Any]], bool]) -> Iterator[dict[str, Any] | str]:
        """The objects in the content of a frame, in order; a text says what else is where one should.

        ``is_named`` tells whether an array has the type at its place, or is a list of frames.
        """
        yield from self._objects(value, is_named, "", _DEEPEST)

    def _objects(
        self, value: Any, is_named: Callable[[list[Any]], bool], place: str, levels: int
    ) -> Iterator[dict[str, Any] | str]:
        value = self.opened(value)
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list) and levels:
            if self.array and is_named(value):
                yield dict(zip(self.array, value, strict=False))
                return
            for item in value[:MAX_LIST]:
                yield from self._objects(item, is_named, "in a batch: ", levels - 1)
            yield from rest_of(value)
        else:
            yield f"{place}no object but {type(value).__name__}"

    def opened(self, value: Any) -> Any:
        """What a text holds, where that is JSON and the dialect says that such texts are read; else the value."""
        if self.json_text:
            for _ in range(_DEEPEST):
                if not isinstance(value, str) or value.lstrip()[:1] not in {"{", "[", '"'}:
                    break
                with suppress(ValueError):
                    value = read_json(value.encode())
                    continue
                break
        return value


def _lines(data: bytes) -> list[Any] | None:
    """Values in a row, each as strict as can be: many times faster than what finds their ends by itself."""
    try:
        return [orjson.loads(line) for line in data.replace(b"}{", b"}\n{").split(b"\n") if line.strip()]
    except ValueError:
        return None


def before(prefix: str, data: bytes) -> int:
    """How many bytes are before the first bracket, and are of this prefix."""
    found = _BEFORE[prefix].match(data)
    return found.end() if found is not None else 0


def rest_of(batch: list[Any]) -> Iterator[str]:
    """What there is to say of a batch of which only a part is read."""
    if len(batch) > MAX_LIST:
        yield f"a batch of {len(batch)}: the first {MAX_LIST} were read"


_BEFORE = {name: re.compile(rf"\s*(?:{text})\s*(?=[\[{{\"])".encode()) for name, text in PREFIXES.items()}
