"""Fields and rules of a mapping, compiled: where to look, what to ask for, and how to read what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from msgspec import UNSET, Struct, structs

from tap.core.mapping.again import reads_again
from tap.core.mapping.paths import Path, Steps, at, steps_of
from tap.core.mapping.values import MAX_LIST, Reader, label

__all__ = ["Field", "Rule", "Scopes"]

Scopes: TypeAlias = tuple[dict[str, Any], ...]
"""Where paths begin: the innermost object first, then those around it."""


class Field(Struct):
    """One field of a rule or shape."""

    name: str
    paths: tuple[Path, ...]
    read: Reader
    values: Mapping[str, Any] | None = None
    """A server's word → ours; None: it says nothing."""
    none: frozenset[str] = frozenset()
    """The server's words for "there is none", besides null."""
    says_none: bool = False
    """That there is none means something here; elsewhere it says as little as a missing field."""
    missing: Any = UNSET
    """What a frame says that has nothing at any of the paths: nothing, or (None) that there is none."""
    flat: Reader | None = None
    """How the object itself is read (path ``.``), where that is not how a part of it is."""
    repeats: bool = False
    """What is there mostly equals what was there before (``again.py``)."""
    _steps: Steps = ()

    def __post_init__(self) -> None:
        self._steps = steps_of(self.paths)

    def find(self, scopes: Scopes) -> Any:
        """The first readable value along the alternatives; None where only an explicit null was found; else UNSET."""
        nothing: Any = UNSET
        stood = False
        for name, path in self._steps:
            if path == () and stood:
                continue  # the flat form is meant only where nothing is at the other places
            for scope in scopes:
                value = at(scope, path) if name is None else scope.get(name, UNSET)
                if value is UNSET:
                    continue
                stood = stood or path != ()
                if value is None or (self.none and self._is_none(value)):
                    if self.says_none:
                        return None
                    nothing = None
                    continue
                found = self.flat(value) if self.flat is not None and path == () else self._convert(value)
                if found is not UNSET:
                    return found
        return nothing if stood else self.missing

    def stands(self, scope: dict[str, Any]) -> bool:
        """Whether anything at all, readable or not, is where this field may be."""
        return any(at(scope, path) is not UNSET for path in self.paths)

    def _is_none(self, value: Any) -> bool:
        return _is_scalar(value) and label(value) in self.none

    def _convert(self, value: Any) -> Any:
        if self.values is not None and _is_scalar(value):
            value = self.values.get(label(value), value)
            if value is None:
                return UNSET
        return self.read(value)


class Rule(NamedTuple):
    """One ``[[rule]]``: when it holds, what it emits, and of which objects."""

    name: str
    emit: str
    when: tuple[tuple[Path, frozenset[str] | None], ...]
    fields: tuple[Field, ...]
    each: Path | None = None
    """The list (or object of objects) each of whose items says something by itself."""

    def remembering(self) -> Rule:
        """The same rule, which remembers what it read last in the fields that repeat."""
        return self._replace(
            fields=tuple(
                structs.replace(spec, read=reads_again(spec.read)) if spec.repeats else spec for spec in self.fields
            )
        )

    @property
    def paths(self) -> list[Path]:
        """All places that it looks at."""
        each = [] if self.each is None else [self.each]
        return [*(path for spec in self.fields for path in spec.paths), *(path for path, _ in self.when), *each]

    def matches(self, scopes: Scopes) -> bool:
        return not self.when or all(_meets(scopes, path, wanted) for path, wanted in self.when)

    def parts(self, scopes: Scopes) -> list[Scopes] | None:
        """The scopes of each observation: one, or one for each item; None where there is no list of them."""
        if self.each is None:
            return [scopes]
        for scope in scopes:
            found = at(scope, self.each)
            if isinstance(found, dict):
                found = [{"id": name, **item} for name, item in found.items() if isinstance(item, dict)]
            if isinstance(found, list):
                return [((item if isinstance(item, dict) else {"id": item}), *scopes) for item in found[:MAX_LIST]]
        return None


def _meets(scopes: Scopes, path: Path, wanted: frozenset[str] | None) -> bool:
    for scope in scopes:
        value = at(scope, path)
        if value is not UNSET:
            return wanted is None or (_is_scalar(value) and label(value) in wanted)
    return False


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))
