"""Paths: where in a frame something is.

``camera.id`` goes from object to object; ``"a.b".c`` has a name with a dot in it; ``cameras[live=true].id`` takes the
one item of a list (or of an object of objects) whose field has that value; ``.`` is the object itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from msgspec import UNSET

from tap.core.codec import composed
from tap.core.mapping.values import MAX_LIST, label

__all__ = ["Path", "Pick", "Steps", "at", "camel", "parse_path", "steps_of"]


class Pick(NamedTuple):
    """The item whose field has a value."""

    field: tuple[str, ...]
    value: str

    def of(self, items: Any) -> Any:
        """The item; None where all say that it is not them; UNSET where none of them says."""
        if isinstance(items, dict):
            items = [{"id": name, **item} for name, item in items.items() if isinstance(item, dict)]
        if not isinstance(items, list):
            return UNSET
        said = not items
        for item in items[:MAX_LIST]:
            value = at(item, self.field)
            if value is not UNSET:
                said = True
                if isinstance(value, (str, int, float, bool)) and label(value) == self.value:
                    return item
        return None if said else UNSET


Path: TypeAlias = tuple["str | Pick", ...]

_PART = re.compile(r'(?:"([^"]+)"|([^."\[\]]+))(?:\[([^\[\]=]+)=([^\[\]]*)\])?(?:\.(?=.)|$)')


def parse_path(text: str) -> Path | None:
    """A path as a mapping file writes it; None where it is none."""
    if text == ".":
        return ()
    parts: list[str | Pick] = []
    place = 0
    while place < len(text):
        found = _PART.match(text, place)
        if found is None:
            return None
        quoted, bare, field, value = found.groups()
        parts.append(quoted or bare)
        if field is not None:
            parts.append(Pick(tuple(field.strip().split(".")), composed(value.strip().strip("\"'"))))
        place = found.end()
    return tuple(parts) or None


Steps: TypeAlias = tuple[tuple[str | None, Path], ...]
"""Paths, each with its name where it is but one: such a one is looked up at once."""


def steps_of(paths: Iterable[Path]) -> Steps:
    """These paths, ready to be looked up."""
    return tuple((path[0] if len(path) == 1 and isinstance(path[0], str) else None, path) for path in paths)


def at(scope: Any, path: Path) -> Any:
    """What is at ``path``; UNSET where nothing does."""
    for part in path:
        if isinstance(part, Pick):
            scope = part.of(scope)
            if scope is None:
                return None
        elif isinstance(scope, dict):
            scope = scope.get(part, UNSET)
        else:
            return UNSET
    return scope


def camel(path: Path) -> Path:
    """The same path in camelCase."""
    return tuple(
        Pick(tuple(_camel(name) for name in part.field), part.value) if isinstance(part, Pick) else _camel(part)
        for part in path
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest) if head else name
