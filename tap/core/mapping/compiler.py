"""From the text of a mapping file to a dialect; every complaint names the place, and what was expected there."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET

from tap.core.codec import canonical, composed
from tap.core.errors import MappingInvalid
from tap.core.mapping.again import AGAIN
from tap.core.mapping.dialect import Dialect, Plan, fold_type
from tap.core.mapping.fields import Field, Rule
from tap.core.mapping.language import EMITS, LANGUAGE, NOTHING, NULLABLE, SHAPES, UNITS, says_none
from tap.core.mapping.paths import Path, camel, parse_path
from tap.core.mapping.shapes import flat_session_reader, shape_readers
from tap.core.mapping.values import READERS, Reader, label, scaled
from tap.core.mapping.wraps import PREFIXES, Wraps

__all__ = ["parse_mapping"]


def parse_mapping(text: str, source: str) -> Dialect:
    """Compile a mapping file.

    ``source`` names it in errors. Raises :class:`MappingInvalid` that names the rule and key (or, where the TOML itself
    is broken, the line) and what was expected.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingInvalid(f"no TOML: {error}", where=source, hint="correct that line") from None
    return Dialect(_Compiler(source, raw, text).plan())


class _Compiler:
    """Turns the parsed TOML into a plan; every complaint names the place."""

    _TOP = ("dialect", "language", "about", "frame", "session", "camera", "hold", "rule")
    _FRAME = (
        *("type", "body", "batch", "time", "seq", "seq_orders", "heartbeat_seconds", "ignore", "quiet", "wrappers"),
        *("fold_types", "ids_start_anew", "session_by", "json_text", "array", "several", "prefix"),
    )

    def __init__(self, source: str, raw: dict[str, Any], text: str) -> None:
        self._source = source
        self._raw = raw
        self._lines = text.splitlines()
        self._names: set[str] = set()
        self._read: set[str] = set()
        self._shapes: dict[str, tuple[Field, ...]] = {}
        self._objects: dict[str, Reader] = {}

    def _fail(self, place: str, what: str, hint: str | None = None) -> MappingInvalid:
        line = self._line(place)
        return MappingInvalid(what, where=f"{self._source}{'' if line is None else f':{line}'}: {place}", hint=hint)

    def _line(self, place: str) -> int | None:
        """Where the table begins that ``place`` speaks of: TOML, once read, knows no lines any more."""
        rule = re.match(r"rule (\d+)", place)
        table = re.match(r"\[\w+\]", place)
        header = r"\[\[\s*rule\s*\]\]" if rule else re.escape(table[0]) if table else None
        if header is None:
            return None
        found = [number for number, line in enumerate(self._lines, 1) if re.match(rf"\s*{header}", line)]
        which = int(rule[1]) - 1 if rule else 0
        return found[which] if which < len(found) else None

    def plan(self) -> Plan:
        self._only(self._raw, self._TOP, "top level")
        if self._raw.get("language", LANGUAGE) != LANGUAGE:
            raise self._fail("language", f"this multicam-tap reads mapping language {LANGUAGE}", "upgrade it")
        name = self._raw.get("dialect")
        if not isinstance(name, str) or not name:
            raise self._fail("dialect", 'a name is expected, for example dialect = "my-server/1"')
        frame = self._table(self._raw.get("frame", {}), "[frame]")
        self._only(frame, self._FRAME, "[frame]")
        for shape, kinds in SHAPES.items():
            table = self._table(self._raw.get(shape, {}), f"[{shape}]")
            self._only(table, tuple(kinds), f"[{shape}]")
            self._shapes[shape] = self._fields(table, kinds, f"[{shape}]")
        self._objects = shape_readers(self._shapes)
        fold_types = self._flag(frame, "fold_types", False)
        fold = fold_type if fold_types else composed
        ignore_raw = self._words(frame, "ignore")
        ignore = frozenset(fold(word) for word in ignore_raw)
        typed, untyped = self._rules(fold)
        for word in sorted(ignore & set(typed)):
            raise self._fail("[frame] ignore", f"'{word}' is ignored and mapped by a rule", "keep one of the two")
        quiet = {fold(word) for word in self._words(frame, "quiet")}
        types = self._paths(frame.get("type", ["type"]), "[frame] type")
        body = self._paths(frame.get("body", []), "[frame] body")
        batch = self._paths(frame.get("batch", []), "[frame] batch")
        time = self._field("time", frame.get("time", ["ts"]), "time", "[frame] time")
        seq = self._field("seq", frame.get("seq", []), "count", "[frame] seq")
        return Plan(
            name=name,
            digest=hashlib.sha256(canonical(self._raw)).hexdigest(),
            type=types,
            body=body,
            batch=batch,
            time=time,
            seq=seq,
            seq_orders=self._choice(frame, "seq_orders", ("boot", "connection", "type", "nothing"), "nothing"),
            heartbeat_ms=self._seconds(frame, "heartbeat_seconds"),
            ids_start_anew=self._flag(frame, "ids_start_anew", False),
            policy=self._choice(frame, "session_by", ("frames", "mode", "program", "record"), "frames"),
            fold_types=fold_types,
            wrappers=frozenset(fold(word) for word in self._words(frame, "wrappers")),
            ignore=ignore,
            ignore_raw=ignore_raw,
            known=frozenset(ignore | quiet | set(typed)),
            rules=typed,
            untyped=untyped,
            mapped_names=frozenset(self._names),
            read_names=frozenset(self._read),
            wraps=self._wraps(frame, types),
        )

    def _wraps(self, frame: dict[str, Any], types: tuple[Path, ...]) -> Wraps:
        array = self._words(frame, "array")
        typed = [place for place, name in enumerate(array) if (name,) in types]
        if array and not typed:
            named = ", ".join(repr(path[0]) for path in types if len(path) == 1) or "none of one name"
            raise self._fail("[frame] array", "none of its names is the place of the type", f"type is: {named}")
        if len(set(array)) < len(array):
            raise self._fail("[frame] array", "it has a name twice", "each place has a name of its own")
        return Wraps(
            json_text=self._flag(frame, "json_text", False),
            array=array,
            type_place=typed[0] if typed else 0,
            several=self._flag(frame, "several", False),
            prefix=self._choice(frame, "prefix", ("", *PREFIXES), ""),
        )

    def _rules(self, fold: Callable[[str], str]) -> tuple[dict[str, tuple[Rule, ...]], tuple[Rule, ...]]:
        raw = self._raw.get("rule", [])
        if not isinstance(raw, list) or not raw:
            raise self._fail("[[rule]]", "at least one rule is expected")
        by_type: dict[str, list[Rule]] = {}
        untyped: list[Rule] = []
        for number, table in enumerate(raw, 1):
            types, rule = self._rule(number, self._table(table, f"rule {number}"))
            for word in types:
                by_type.setdefault(fold(word), []).append(rule)
            if not types:
                untyped.append(rule)
        # A rule that asks for no type is tried on every frame, after those that do.
        return {word: (*rules, *untyped) for word, rules in by_type.items()}, tuple(untyped)

    def _rule(self, number: int, table: dict[str, Any]) -> tuple[tuple[str, ...], Rule]:
        emit = table.get("emit")
        if not isinstance(emit, str) or (emit not in EMITS and emit != NOTHING):
            raise self._fail(f"rule {number}: emit", f"{emit!r} cannot be emitted", _known(emit, (*EMITS, NOTHING)))
        place = f"rule {number} ({emit})"
        kinds = EMITS[emit].fields if emit in EMITS else {}
        fields = {("from_" if name == "from" else name): item for name, item in table.items()}
        self._only(fields, ("when", "emit", "each", "about", *kinds), place)
        each = self._path(fields["each"], f"{place}: each") if "each" in fields else None
        when = self._table(table.get("when", {}), f"{place}: when")
        types = self._words(when, "type", place=f"{place}: when.type") if "type" in when else ()
        conditions = tuple(
            (self._path(path, f"{place}: when"), self._wanted(wanted, f"{place}: when.{path}"))
            for path, wanted in when.items()
            if path != "type"
        )
        if not types and not conditions:
            raise self._fail(f"{place}: when", "a rule without a condition would match every frame", "name a type")
        specs = {name: item for name, item in fields.items() if name in kinds}
        for need in EMITS[emit].needs if emit in EMITS else ():
            if need not in specs:
                raise self._fail(f"{place}: {need.rstrip('_')}", f"'{emit}' means nothing without it", "give its paths")
        return types, Rule(place, emit, conditions, self._fields(specs, kinds, place, emit), each)

    def _wanted(self, wanted: Any, place: str) -> frozenset[str] | None:
        """The values that a condition accepts; ``"*"`` is any, as long as the field is there."""
        if wanted == "*":
            return None
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or not all(isinstance(value, (str, int, float, bool)) for value in values):
            raise self._fail(place, 'a value, a list of values, or "*" is expected')
        return frozenset(label(value) for value in values)

    # ------------------------------------------------------------------ fields

    def _fields(self, table: dict[str, Any], kinds: Mapping[str, str], place: str, emit: str = "") -> tuple[Field, ...]:
        return tuple(
            self._field(name, spec, kinds[name], f"{place}: {name.rstrip('_')}", emit) for name, spec in table.items()
        )

    def _field(self, name: str, spec: Any, kind: str, place: str, emit: str = "") -> Field:
        more: dict[str, Any] = spec if isinstance(spec, dict) else {"from": spec}
        self._only(more, ("from", "unit", "values", "none", "missing"), place)
        if "from" not in more:
            raise self._fail(f"{place}.from", "is missing", "give the paths of the value")
        paths = self._paths(more["from"], place)
        names = {part for path in paths for part in path if isinstance(part, str)}
        self._read.update(names)
        if kind in {"id", "ids", *SHAPES, "cameras"} or name in {"storage_key", "sha256"}:
            # Only these are spared by redaction; a title or a note may hold a password.
            self._names.update(names)
        return Field(
            name,
            paths,
            self._reader(kind) if "unit" not in more else self._unit(more["unit"], kind, place),
            self._values(more.get("values"), place),
            self._none(more.get("none"), name, place),
            says_none(emit, name),
            self._missing(more.get("missing"), name, place),
            self._flat(kind, emit),
            kind in AGAIN,
        )

    def _flat(self, kind: str, emit: str) -> Reader | None:
        """How a session reads whose fields are in the frame itself."""
        if kind != "session":
            return None
        return flat_session_reader(self._shapes["session"], snapshot=emit == "snapshot")

    def _values(self, values: Any, place: str) -> Mapping[str, Any] | None:
        if values is None:
            return None
        table = self._table(values, f"{place}.values")
        for word, value in table.items():
            if not isinstance(value, (str, int, float, bool)):
                raise self._fail(f"{place}.values.{word}", "a word, a number, true or false is expected")
        # An empty string takes a value away: what it stood for then says nothing.
        return {composed(word): (None if value == "" else value) for word, value in table.items()}

    def _none(self, none: Any, name: str, place: str) -> frozenset[str]:
        if none is None:
            return frozenset()
        self._can_be_none(name, f"{place}.none", also=("id",))
        words = none if isinstance(none, list) else [none]
        if not all(isinstance(word, (str, int, float, bool)) for word in words):
            raise self._fail(f"{place}.none", "a value or a list of values is expected, for example [0, false]")
        return frozenset(label(word) for word in words)

    def _missing(self, missing: Any, name: str, place: str) -> Any:
        if missing is None:
            return UNSET
        self._can_be_none(name, f"{place}.missing")
        if missing != "none":
            raise self._fail(f"{place}.missing", f"{missing!r} is not known here", 'only "none" is')
        return None

    def _can_be_none(self, name: str, place: str, also: tuple[str, ...] = ()) -> None:
        if name not in NULLABLE and name not in also:
            able = ", ".join(sorted(item.rstrip("_") for item in NULLABLE))
            raise self._fail(place, "this cannot be none", f"only of: {able}")

    def _unit(self, unit: Any, kind: str, place: str) -> Reader:
        known = UNITS.get(kind)
        if known is None or not isinstance(unit, str) or unit not in known:
            hint = f"one of: {', '.join(known)}" if known else "only times and durations have one"
            raise self._fail(f"{place}.unit", f"{unit!r} is not a unit here", hint)
        return scaled(kind, known[unit])

    def _reader(self, kind: str) -> Reader:
        return READERS[kind] if kind in READERS else self._objects[kind]

    # ------------------------------------------------------------------ small checks

    def _table(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._fail(place, "a table is expected")
        return value

    def _only(self, table: dict[str, Any], allowed: tuple[str, ...], place: str) -> None:
        for name in table:
            if name not in allowed:
                raise self._fail(place, f"'{name}' is not known here", _known(name, allowed))

    def _paths(self, spec: Any, place: str) -> tuple[Path, ...]:
        """Alternative paths; a name in snake_case finds its camelCase form too."""
        items = [spec] if isinstance(spec, str) else spec
        if not isinstance(items, list):
            raise self._fail(place, 'a path or a list of paths is expected, for example ["camera_id", "camera.id"]')
        paths: dict[Path, None] = {}
        for item in items:
            path = self._path(item, place)
            paths[path] = None
            paths[camel(path)] = None
        return tuple(paths)

    def _path(self, item: Any, place: str) -> Path:
        path = parse_path(item) if isinstance(item, str) else None
        if path is None:
            hint = 'names joined by dots, for example "camera.id" or "cameras[live=true].id"'
            raise self._fail(place, f"{item!r} is not a path", hint)
        return path

    def _words(self, table: dict[str, Any], key: str, place: str | None = None) -> tuple[str, ...]:
        items = table.get(key, [])
        items = [items] if isinstance(items, (str, int)) else items
        if not isinstance(items, list) or not all(isinstance(item, (str, int)) for item in items):
            raise self._fail(place or f"[frame] {key}", "a list of words is expected")
        return tuple(label(item) for item in items)

    def _flag(self, table: dict[str, Any], key: str, default: bool) -> bool:
        value = table.get(key, default)
        if not isinstance(value, bool):
            raise self._fail(f"[frame] {key}", "true or false is expected")
        return value

    def _choice(self, table: dict[str, Any], key: str, allowed: tuple[str, ...], default: str) -> Any:
        value = table.get(key, default)
        if value not in allowed:
            raise self._fail(f"[frame] {key}", f"{value!r} is not known", f"one of: {', '.join(allowed)}")
        return value

    def _seconds(self, table: dict[str, Any], key: str) -> int | None:
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 86_400:
            raise self._fail(f"[frame] {key}", "seconds between 0 and 86400 are expected")
        return round(value * 1000)


def _known(name: object, allowed: tuple[str, ...]) -> str:
    """What is allowed; the nearest to a misspelt word first."""
    words = [word.rstrip("_") for word in allowed]
    near = difflib.get_close_matches(str(name), words, 1)
    return f"{near[0]!r}? One of: {', '.join(words)}" if near else f"one of: {', '.join(words)}"
