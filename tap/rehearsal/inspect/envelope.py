"""How a server wraps what it says: batches, the type, and the body, found by how the frames' shapes go together.

The type of a frame is what its shape depends on: a field whose value tells which other fields there are. So the field
with the most information about the shape wins; its name only decides between equals.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from math import log2
from typing import Any, NamedTuple

from msgspec import structs

from tap.core.codec import parse_time
from tap.core.mapping.paths import Path, at, parse_path
from tap.core.mapping.values import label
from tap.core.mapping.wraps import Wraps
from tap.rehearsal.inspect.paths import Body, is_scalar, nearly, part_of_path
from tap.rehearsal.inspect.wrapping import BODY, is_named, opened, text_paths

__all__ = ["Envelope", "SaidObject", "find_envelope"]

_TYPE_NAMES = (
    "type",
    "event",
    "kind",
    "eventtype",
    "event_type",
    "op",
    "t",
    "k",
    "msg",
    "msgtype",
    "cmd",
    "topic",
    "ev",
)
_LEAST_INFORMATION = 0.45
_MOST_TYPES = 100
_BODY_DEPTH = 2
_ALIKE = 0.5
_UNKNOWN_SHAPE = "something else"


class SaidObject(NamedTuple):
    """One object that a server sent: its type, its body, and the whole object."""

    kind: str
    body: Body
    whole: Body


class Envelope(NamedTuple):
    """How objects are wrapped; paths as a mapping file writes them."""

    type: str | None = None
    """None: frames have no type, and are told apart by their keys."""
    body: str | None = None
    batch: str | None = None
    keys: tuple[str, ...] = ()
    """Without a type: for each kind of frame a key that only it has."""
    maps: frozenset[str] = frozenset()
    """Paths, from the body on, of objects that have ids for keys."""
    sure: float = 0.0
    """How sure the type is, from 0 to 1."""
    wraps: Wraps = Wraps()
    """What stands around the objects."""

    def objects(self, frame: Any) -> Iterator[SaidObject]:
        """The objects in a parsed frame; none if it holds none."""
        for item in _objects(self.wraps, frame):
            inner = self.wraps.opened(at(item, _path(self.batch))) if self.batch else None
            if not isinstance(inner, list):
                yield self.said(item)
                continue
            # When a batch was sent is said of its parts too, where they do not say so themselves.
            times = {name: value for name, value in item.items() if parse_time(value) is not None}
            yield from (self.said({**times, **part}) for part in _objects(self.wraps, inner))

    def said(self, item: Body) -> SaidObject:
        """One object, unwrapped."""
        if self.body is None:
            return SaidObject(self._kind(item), item, item)
        path = _path(self.body)
        inner = self.wraps.opened(at(item, path))
        if not isinstance(inner, dict):
            # A body that is none holds nothing; where there is none, the fields may stand in the object itself.
            inner = {} if path[0] in item or self.wraps.array else item
        return SaidObject(self._kind(item), inner, item)

    def _kind(self, item: Body) -> str:
        if self.type is not None:
            value = at(item, _path(self.type))
            return label(value)[:200] if is_scalar(value) else ""
        return next((key for key in self.keys if key in item), _UNKNOWN_SHAPE)


def find_envelope(frames: Iterable[Any], wraps: Wraps | None = None) -> Envelope:
    """The envelope of these parsed frames, which are wrapped so: a sample of some thousand is enough."""
    wraps = Wraps() if wraps is None else wraps
    plain = [item for frame in frames for item in _objects(wraps, frame)]
    texts = text_paths(plain)
    found = _find_envelope([opened(item, texts) for item in plain] if texts else plain, wraps)
    unwrapped = [path for path in (found.body, found.batch) if path is not None and _below(path, texts)]
    if unwrapped:
        return found._replace(wraps=structs.replace(wraps, json_text=True))
    return _find_envelope(plain, wraps) if texts else found


def _find_envelope(items: list[Body], wraps: Wraps) -> Envelope:
    kind, sure = _find_type(items)
    batch = _find_batch(items, sure)
    if batch is not None:
        items = [part for item in items for part in _parts(item, batch, wraps)]
        kind, sure = _find_type(items)
    if kind is None:
        return Envelope(None, None, batch, _telling_keys(items), _find_maps(items), wraps=wraps)
    # An array says itself where its body is.
    body = BODY if wraps.array else _find_body(items, kind)
    bodies = items if body is None else [found for item in items if isinstance(found := at(item, _path(body)), dict)]
    return Envelope(kind, body, batch, (), _find_maps(bodies), sure, wraps)


def _objects(wraps: Wraps, frame: Any) -> Iterator[Body]:
    return (item for item in wraps.objects(frame, partial(is_named, wraps)) if isinstance(item, dict))


def _below(path: str, places: frozenset[str]) -> bool:
    return any(path == place or path.startswith(f"{place}.") for place in places)


def _path(text: str) -> Path:
    return parse_path(text) or ()


def _parts(item: Body, batch: str, wraps: Wraps) -> list[Body]:
    found = at(item, _path(batch))
    return list(_objects(wraps, found)) if isinstance(found, list) else [item]


# ---------------------------------------------------------------------------------------------- the type


def _shape(item: Body, depth: int = 3, prefix: str = "") -> Iterator[str]:
    for name, value in item.items():
        path = f"{prefix}{part_of_path(name)}"
        yield path
        if isinstance(value, dict) and depth > 1:
            yield from _shape(value, depth - 1, f"{path}.")


def _words(item: Body, depth: int = 3, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The fields that could be a type: short words and small numbers."""
    for name, value in item.items():
        path = f"{prefix}{part_of_path(name)}"
        if (isinstance(value, str) and 0 < len(value) <= 80) or (type(value) is int and abs(value) < 100_000):
            yield path, label(value)
        elif isinstance(value, dict) and depth > 1:
            yield from _words(value, depth - 1, f"{path}.")


def _find_type(items: list[Body]) -> tuple[str | None, float]:
    """The path of the type, and how sure it is."""
    shapes = [frozenset(_shape(item)) for item in items]
    words = [dict(_words(item)) for item in items]
    present = Counter(path for found in words for path in found)
    best: tuple[float, str] | None = None
    for path, count in present.items():
        values = [found.get(path, "") for found in words]
        if count < 0.6 * len(items) or not 2 <= len(set(values)) <= min(_MOST_TYPES, max(2, len(items) // 2)):
            continue
        having = [index for index, value in enumerate(values) if value]
        # Also among those that have it: a field that merely comes with one kind of frame tells nothing more.
        own = _information([values[index] for index in having], [shapes[index] for index in having])
        score = min(_information(values, shapes), own)
        name = path.rpartition(".")[2].lower()
        score += 0.15 if name in _TYPE_NAMES else 0.0
        if best is None or (score, -len(path)) > (best[0], -len(best[1])):
            best = (score, path)
    if best is not None and best[0] >= _LEAST_INFORMATION:
        return best[1], min(1.0, best[0])
    return _constant_type(items, present), 0.5


def _constant_type(items: list[Body], present: Counter[str]) -> str | None:
    """The type's path for a server with one type only: found by the field's name alone."""
    if not items or not nearly(Counter(frozenset(item) for item in items).most_common(1)[0][1], len(items)):
        return None
    told = {name: Counter(label(item[name]) for item in items if is_scalar(item.get(name))) for name in _TYPE_NAMES}
    named = (n for n in _TYPE_NAMES if present[n] and nearly(told[n].most_common(1)[0][1], len(items)))
    return next(named, None)


def _information(values: list[str], shapes: list[frozenset[str]]) -> float:
    """How much a field's value and the frame's shape depend on each other, from 0 to 1 (uncertainty coefficient)."""
    value, shape, both = _entropy(values), _entropy(shapes), _entropy(list(zip(values, shapes, strict=True)))
    return 0.0 if value + shape == 0 else 2 * (value + shape - both) / (value + shape)


def _entropy(values: list[Any]) -> float:
    total = len(values)
    return -sum(count / total * log2(count / total) for count in Counter(values).values()) if total else 0.0


# ---------------------------------------------------------------------------------------------- batches and bodies


def _find_batch(items: list[Body], sure: float) -> str | None:
    """The path of a list of objects that have types of their own. A list of cameras is the same in every frame."""
    lists: dict[str, list[list[Body]]] = defaultdict(list)
    for item in items:
        for path, value in _lists(item):
            if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
                lists[path].append(value)
    for path, found in lists.items():
        parts = [part for value in found for part in value]
        kind, inner = _find_type(parts)
        if len(found) < 0.5 * len(items) or kind is None or inner <= sure or len({frozenset(p) for p in parts}) < 3:
            continue
        types = [{label(at(part, _path(kind))) for part in value} for value in found]
        every = set().union(*types)
        share = sum(len(one) for one in types) / (len(types) * len(every))
        if share < 0.5:
            return path
    return None


def _lists(item: Body) -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        path = part_of_path(name)
        yield path, value
        if isinstance(value, dict):
            yield from ((f"{path}.{part_of_path(inner)}", part) for inner, part in value.items())


def _find_body(items: list[Body], kind: str) -> str | None:
    """The deepest object in which all that differs between types stands; None where that is the frame itself."""
    found: str | None = None
    for path in _holders(items, kind):
        inside: Counter[frozenset[str]] = Counter()
        outside: Counter[frozenset[str]] = Counter()
        for item in items:
            body = at(item, _path(path))
            inside[frozenset(body) if isinstance(body, dict) else frozenset()] += 1
            outside[frozenset(p for p in _shape(item, _BODY_DEPTH) if p != path and not p.startswith(f"{path}."))] += 1
        if len(inside) >= 3 and _usual(outside) <= max(2, len(inside) // 4):
            found = path
    return found


def _usual(shapes: Counter[frozenset[str]]) -> int:
    """How many different shapes there are, those aside that only a few odd frames have."""
    room, rare = shapes.total() // 50, 0
    for number, (_, count) in enumerate(sorted(shapes.items(), key=lambda item: item[1])):
        rare += count
        if rare > room:
            return len(shapes) - number
    return 0


def _holders(items: list[Body], kind: str) -> Iterator[str]:
    """Paths of objects that nearly every frame has, from the outside in; not those around the type."""
    present: Counter[str] = Counter()
    for item in items:
        for name, value in item.items():
            if isinstance(value, dict):
                path = part_of_path(name)
                present[path] += 1
                present.update(f"{path}.{part_of_path(n)}" for n, part in value.items() if isinstance(part, dict))
    often = [path for path, count in present.items() if count >= 0.8 * len(items) and not kind.startswith(f"{path}.")]
    yield from sorted(often, key=lambda path: path.count("."))


# ---------------------------------------------------------------------------------------------- without a type


def _telling_keys(items: list[Body]) -> tuple[str, ...]:
    """For each kind of frame, told apart by its keys, one key that all of its frames have and no other."""
    groups: list[Counter[str]] = []
    """How many of a group have each key; ``""``: how many there are."""
    for keys, count in Counter(frozenset(item) for item in items).most_common():
        near = max(groups, key=lambda group: _likeness(_any(group), keys), default=None)
        if near is None or _likeness(_any(near), keys) < _ALIKE:
            if len(groups) >= _MOST_TYPES:
                continue
            near = Counter()
            groups.append(near)
        near.update(dict.fromkeys(("", *keys), count))
    # One odd frame is no kind of its own.
    groups = [group for group in groups if group[""] > 1 or len(items) < 20]
    heavy: Counter[str] = Counter()
    for item in items:
        heavy.update({name: 1 + 5 * isinstance(value, (dict, list)) for name, value in item.items()})
    telling = []
    for index, group in enumerate(groups):
        common = {name for name, count in group.items() if name and nearly(count, group[""])}
        others = set().union(*(_any(other) for number, other in enumerate(groups) if number != index))
        own = sorted(common - others, key=lambda name: (-heavy[name], name))
        telling += own[:1]
    return tuple(telling)


def _any(group: Counter[str]) -> set[str]:
    """The keys that so many of a group have that it is not by accident."""
    return {name for name, count in group.items() if name and (count > 1 or group[""] < 4)}


def _likeness(one: set[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))


# ---------------------------------------------------------------------------------------------- ids for keys


class _Keyed:
    """What is known of the objects at one path: could their keys be ids?"""

    def __init__(self) -> None:
        self.sets: Counter[frozenset[str]] = Counter()
        self.every = self.alike = 0

    def see(self, value: Body) -> None:
        inner = [set(part) for part in value.values() if isinstance(part, dict)]
        if len(self.sets) < 200:
            self.sets[frozenset(value)] += 1
        alike = len(inner) == len(value)
        self.every += 1
        self.alike += alike and all(len(a & b) >= _ALIKE * min(len(a), len(b)) for a, b in pairwise(inner))

    @property
    def has_ids(self) -> bool:
        often = {one for one, count in self.sets.items() if count > 1} or set(self.sets)
        keys = set().union(*often)
        numbered = bool(keys) and all(any(character.isdigit() for character in key) for key in keys)
        two = any(len(one) >= 2 for one in often)  # one alone is as like itself as can be
        alike = nearly(self.alike, self.every)
        return alike and two and (numbered or (len(keys) >= 3 and len(often) > 1))


def _find_maps(bodies: list[Body]) -> frozenset[str]:
    known: dict[str, _Keyed] = defaultdict(_Keyed)
    for body in bodies:
        for path, value in _lists(body):
            if isinstance(value, dict) and value:
                known[path].see(value)
    return frozenset(path for path, keyed in known.items() if keyed.has_ids)
