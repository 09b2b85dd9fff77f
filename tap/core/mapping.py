"""The declarative dialect: a TOML file that says how a server's frames read, and its compiled form.

The language is small: ``when`` (fields match) → ``emit`` (an observation) with fields, each a list of alternative
paths. The built-in ``multicam/1`` is such a file, and an example.

Reading is total: a frame that cannot be read gives a :class:`Reading` that says why, never an exception.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import orjson
from msgspec import Struct

from tap.core import model, redact
from tap.core.codec import canonical, parse_id, parse_time
from tap.core.errors import MappingInvalid
from tap.core.model import UNSET, Frame, Observation, Told, UnsetType

__all__ = ["Dialect", "Reading", "SeqOrders", "Verdict", "parse_mapping"]

SeqOrders: TypeAlias = Literal["boot", "connection", "type", "nothing"]

LANGUAGE = 1
MAX_TEXT = 65_536
"""Characters of the longest text (title, name, notes) that is believed."""
MAX_LIST = 10_000
"""Items of the longest list (cameras, batch) that is read."""


class Verdict(StrEnum):
    """What became of one object of a frame."""

    MAPPED = "mapped"
    """It said something."""
    IGNORED = "ignored"
    """Telemetry or signalling, by the dialect's own list."""
    QUIET = "quiet"
    """Known, and none of the history (a pending cut)."""
    UNKNOWN = "unknown"
    """A type that the dialect does not know."""
    INCOMPLETE = "incomplete"
    """A known type without what makes it say anything."""
    UNREADABLE = "unreadable"
    """No JSON object."""


class Reading(NamedTuple):
    """What one object of a frame says."""

    verdict: Verdict
    type: str
    observations: tuple[Observation, ...] = ()
    reason: str | None = None


_IGNORED = Reading(Verdict.IGNORED, "")

# ---------------------------------------------------------------------------------------------- reading single values
#
# A reader takes what stands at a path and gives a value, or UNSET where that is no such value.

_Reader: TypeAlias = Callable[[Any], Any]
_Path: TypeAlias = tuple[str, ...]


def _text(value: Any) -> str | UnsetType:
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return parse_id(value) or UNSET
    return UNSET


def _word(value: Any) -> str | UnsetType:
    """A short text that stands for one of a few things: a mode, a trigger, a transition."""
    return value if isinstance(value, str) and 0 < len(value) <= 200 else UNSET


def _id(value: Any) -> str | UnsetType:
    found = parse_id(value)
    return UNSET if found is None else found


def _ids(value: Any) -> tuple[str, ...] | UnsetType:
    if not isinstance(value, list):
        return UNSET
    return tuple(dict.fromkeys(found for item in value[:MAX_LIST] if (found := parse_id(item)) is not None))


def _flag(value: Any) -> bool | UnsetType:
    return value if isinstance(value, bool) else UNSET


def _time(value: Any) -> int | UnsetType:
    found = parse_time(value)
    return UNSET if found is None else found


def _number(value: Any) -> float | UnsetType:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53
    return value + 0 if good else UNSET  # -0.0 is no number to Convex


def _count(value: Any) -> int | UnsetType:
    number = _number(value)
    return int(number) if number is not UNSET and number >= 0 and number == int(number) else UNSET


def _duration(value: Any) -> float | UnsetType:
    number = _number(value)
    return number if number is not UNSET and 0 <= number < 1e11 else UNSET


def _object(value: Any) -> dict[str, Any] | UnsetType:
    """A flat object of scalars, as ``placement`` is; a bare word is its label."""
    if isinstance(value, str):
        return {"label": value} if len(value) <= MAX_TEXT else UNSET
    if not isinstance(value, dict):
        return UNSET
    return {
        name: scalar
        for name, item in list(value.items())[:32]
        if _PLAIN_NAME.fullmatch(name) and (scalar := _scalar(item)) is not UNSET
    }


def _scalar(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return UNSET if isinstance(value, str) and len(value) > MAX_TEXT else value
    return _number(value)


_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

_READERS: Mapping[str, _Reader] = {
    "text": _text,
    "word": _word,
    "id": _id,
    "ids": _ids,
    "flag": _flag,
    "time": _time,
    "number": _number,
    "count": _count,
    "duration": _duration,
    "object": _object,
}

# ---------------------------------------------------------------------------------------------- what can be emitted


class _Emit(NamedTuple):
    """An observation that a rule can emit: its fields with the kind of each, and those it says nothing without."""

    make: Callable[..., Any]
    fields: Mapping[str, str]
    needs: tuple[str, ...] = ()


_STILL = {"camera_id": "id", "still_id": "id"}

EMITS: Mapping[str, _Emit] = {
    "hello": _Emit(model.Hello, {"server": "text", "version": "text", "boot": "id"}),
    "snapshot": _Emit(
        model.Snapshot,
        {
            "mode": "word",
            "session": "session",
            "program": "id",
            "hold": "hold",
            "cameras": "cameras",
            "recording": "flag",
        },
    ),
    "session_started": _Emit(model.SessionStarted, {"session": "session"}, ("session",)),
    "session_updated": _Emit(model.SessionUpdated, {"session": "session"}, ("session",)),
    "session_ended": _Emit(model.SessionEnded, {"session_id": "id", "reason": "text"}),
    "camera_joined": _Emit(model.CameraTold, {"camera": "camera"}, ("camera",)),
    "camera_updated": _Emit(partial(model.CameraTold, joined=False), {"camera": "camera"}, ("camera",)),
    "camera_left": _Emit(model.CameraLeft, {"camera_id": "id", "reason": "text"}, ("camera_id",)),
    "cut": _Emit(
        model.Cut,
        {"to": "id", "from_": "id", "cut_id": "id", "trigger": "word", "transition": "word", "duration_ms": "duration"},
        ("to",),
    ),
    "hold": _Emit(model.HoldOn, {"camera_id": "id", "hold_id": "id", "by": "text", "reason": "text"}),
    "release": _Emit(model.Release, {"hold_id": "id", "by": "text"}),
    "mode_changed": _Emit(model.ModeChanged, {"to": "word", "from_": "word"}, ("to",)),
    "still_requested": _Emit(model.StillRequested, {"still_id": "id", "camera_ids": "ids", "by": "text"}),
    "still_captured": _Emit(
        model.StillCaptured, {**_STILL, "taken_at": "time", "width": "count", "height": "count"}, ("camera_id",)
    ),
    "still_uploaded": _Emit(
        model.StillUploaded,
        {**_STILL, "taken_at": "time", "storage_key": "text", "url": "text", "bytes": "count", "sha256": "text"},
        ("camera_id",),
    ),
    "still_failed": _Emit(model.StillFailed, {**_STILL, "reason": "text"}, ("camera_id",)),
    "music_moment": _Emit(model.MusicMoment, {"moment_id": "id", "kind": "word", "confidence": "number", "at": "time"}),
    "recording": _Emit(model.Recording, {"active": "flag", "path": "text", "started_at": "time"}, ("active",)),
}

_SHAPES: Mapping[str, Mapping[str, str]] = {
    "camera": {
        "id": "id",
        "name": "text",
        "role": "text",
        "device": "text",
        "lens": "text",
        "placement": "object",
        "online": "flag",
    },
    "session": {"id": "id", "title": "text", "notes": "text", "started_at": "time"},
    "hold": {"active": "flag", "by": "text"},
}

# Where None ("there is none") means something; elsewhere an explicit null says as little as a missing field.
_NULLABLE = {
    *("mode", "session", "program", "hold", "cameras", "to", "from_"),
    *("name", "role", "device", "lens", "placement", "title", "notes"),
}
# Fields whose observation tells "nothing was said" and "none" apart.
_UNSETTABLE = _NULLABLE | {"online", "recording"}

_UNITS = {"ms": 1.0, "s": 1000.0, "frames25": 40.0}


class _Field(NamedTuple):
    """One field of a rule or shape: where to look, and how to read what stands there."""

    name: str
    paths: tuple[_Path, ...]
    read: _Reader
    factor: float = 1.0
    values: Mapping[str, Any] | None = None

    def find(self, scopes: tuple[dict[str, Any], ...]) -> Any:
        """The first readable value along the alternatives; None where only an explicit null was found; else UNSET."""
        missing: Any = UNSET
        stood = False
        for path in self.paths:
            if path == () and stood:
                continue  # the flat form is meant only where nothing stands at the other places
            for scope in scopes:
                value = _at(scope, path)
                stood = stood or value is not UNSET
                if value is None:
                    if self.name in _NULLABLE:
                        return None
                    missing = None
                elif value is not UNSET:
                    found = self._convert(value)
                    if found is not UNSET:
                        return found
        return missing

    def _convert(self, value: Any) -> Any:
        if self.values is not None and isinstance(value, (str, int, float, bool)):
            value = self.values.get(_label(value), value)
            if value is None:
                return UNSET
        found = self.read(value)
        if self.factor != 1.0 and isinstance(found, (int, float)):
            return found * self.factor
        return found


def _label(value: object) -> str:
    """A scalar as the key of a ``values`` table names it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return parse_id(value) or ""


def _at(scope: Any, path: _Path) -> Any:
    for name in path:
        if not isinstance(scope, dict):
            return UNSET
        scope = scope.get(name, UNSET)
    return scope


class _Rule(NamedTuple):
    name: str
    emit: str
    when: tuple[tuple[_Path, frozenset[str] | None], ...]
    fields: tuple[_Field, ...]

    def matches(self, scopes: tuple[dict[str, Any], ...]) -> bool:
        return all(_meets(scopes, path, wanted) for path, wanted in self.when)


def _meets(scopes: tuple[dict[str, Any], ...], path: _Path, wanted: frozenset[str] | None) -> bool:
    for scope in scopes:
        value = _at(scope, path)
        if value is not UNSET:
            return wanted is None or (isinstance(value, (str, int, float, bool)) and _label(value) in wanted)
    return False


class Dialect:
    """How one server's frames read. Made by :func:`parse_mapping`; holds no state, so one serves many replays."""

    def __init__(self, plan: _Plan) -> None:
        self.name = plan.name
        self.digest = plan.digest
        self.seq_orders: SeqOrders = plan.seq_orders
        self.heartbeat_ms = plan.heartbeat_ms
        self.ids_start_anew = plan.ids_start_anew
        self.policy = plan.policy
        self.mapped_names = plan.mapped_names
        self._plan = plan
        self._telemetry = _telemetry_pattern(plan)

    def is_telemetry(self, data: bytes) -> bool:
        """Whether a raw frame is known telemetry, told by its first bytes alone.

        True only where parsing it would say the same: the type stands first, once, and without escapes.
        """
        found = self._telemetry.match(data) if self._telemetry is not None else None
        return found is not None and data.find(self._plan.type_key, found.end()) < 0 and b"\\" not in data

    def read(self, frame: Frame) -> list[Reading]:
        """What each object of ``frame`` says: one reading an object, more than one only in a batch."""
        if self.is_telemetry(frame.data):
            return [_IGNORED]
        parsed = self._parse(frame)
        if isinstance(parsed, Reading):
            return [parsed]
        if isinstance(parsed, dict):
            return list(self._unwrap(parsed, frame))
        if not isinstance(parsed, list):
            return [Reading(Verdict.UNREADABLE, "", reason=f"no object but {type(parsed).__name__}")]
        return [reading for item in parsed[:MAX_LIST] for reading in self._read_item(item, frame)]

    def clean(self, data: bytes) -> bytes:
        """A raw frame as a tape may keep it: without secrets, and read by this dialect just like the original."""
        return redact.redact_bytes(data, self.mapped_names)

    def _parse(self, frame: Frame) -> Any:
        if frame.binary:
            return Reading(Verdict.UNREADABLE, "", reason=_binary_reason(frame.data))
        try:
            parsed = orjson.loads(frame.data)
        except ValueError as error:
            return Reading(Verdict.UNREADABLE, "", reason=f"no JSON: {error}"[:200])
        return redact.redact_json(parsed, self.mapped_names) if redact.suspect(frame.data) else parsed

    def _read_item(self, item: Any, frame: Frame) -> Iterator[Reading]:
        if isinstance(item, dict):
            yield from self._unwrap(item, frame)
        else:
            yield Reading(Verdict.UNREADABLE, "", reason=f"in a batch: no object but {type(item).__name__}")

    def _unwrap(self, item: dict[str, Any], frame: Frame) -> Iterator[Reading]:
        """The object itself, or, where it is an envelope around a list of them, each of these."""
        kind, scopes = self._type_and_scopes(item)
        if kind not in self._plan.known:
            for path in self._plan.batch:
                inner = _at(item, path)
                if isinstance(inner, list):
                    for part in inner[:MAX_LIST]:
                        if isinstance(part, dict):
                            yield self._read_object({**_envelope(item, path), **part}, frame)
                    return
        yield self._read_typed(kind, scopes, item, frame)

    def _read_object(self, item: dict[str, Any], frame: Frame) -> Reading:
        kind, scopes = self._type_and_scopes(item)
        return self._read_typed(kind, scopes, item, frame)

    def _type_and_scopes(self, item: dict[str, Any]) -> tuple[str, tuple[dict[str, Any], ...]]:
        plan = self._plan
        scopes: tuple[dict[str, Any], ...] = (item,)
        for path in plan.body:
            inner = _at(item, path)
            if isinstance(inner, dict):
                scopes = (inner, item)
                break
        first = ""
        for scope in reversed(scopes):
            for path in plan.type:
                value = _at(scope, path)
                label = plan.fold(value) if isinstance(value, str) else _label(value) if value is not None else ""
                if label in plan.known or (label and label not in plan.wrappers):
                    return label, scopes
                first = first or label
        return first, scopes

    def _read_typed(self, kind: str, scopes: tuple[dict[str, Any], ...], item: dict[str, Any], frame: Frame) -> Reading:
        plan = self._plan
        label = kind[:200]
        if kind in plan.ignore:
            return Reading(Verdict.IGNORED, label)
        rules = [rule for rule in plan.rules.get(kind, plan.untyped) if rule.matches(scopes)]
        if not rules:
            return Reading(Verdict.QUIET if kind in plan.known else Verdict.UNKNOWN, label)
        envelope = (item, *scopes[:-1])
        told = Told(
            stamp=frame.stamp,
            at=_or_none(plan.time.find(envelope)),
            seq=_or_none(plan.seq.find(envelope)),
            type=label,
        )
        found: list[Observation] = []
        reason: str | None = None
        for rule in rules:
            observation = self._emit(rule, scopes, told)
            if isinstance(observation, str):
                reason = observation
            else:
                found.append(observation)
        return Reading(Verdict.MAPPED if found else Verdict.INCOMPLETE, label, tuple(found), reason)

    def _emit(self, rule: _Rule, scopes: tuple[dict[str, Any], ...], told: Told) -> Observation | str:
        emit = EMITS[rule.emit]
        values: dict[str, Any] = {}
        for spec in rule.fields:
            value = spec.find(scopes)
            if value is UNSET or (value is None and spec.name not in _NULLABLE):
                continue
            values[spec.name] = round(value) if spec.name == "duration_ms" else value
        for need in emit.needs:
            if need not in values or (values[need] is None and need in {"session", "camera"}):
                return f"'{need}' is missing or is no {emit.fields[need]}"
        observation: Observation = emit.make(told=told, **values)
        return observation


def _or_none(value: Any) -> Any:
    return None if value is UNSET else value


def _envelope(item: dict[str, Any], batch: _Path) -> dict[str, Any]:
    """What a batch says for all of its parts (its time), but neither their type nor its own order."""
    return {
        name: value
        for name, value in item.items()
        if name != batch[0] and not isinstance(value, (dict, list)) and name not in {"type", "event", "seq", "id"}
    }


def _binary_reason(data: bytes) -> str:
    # A msgpack map (fixmap, map16, map32): what obs-websocket sends to a client that asked for it.
    if data[:1] and (0x80 <= data[0] <= 0x8F or data[0] in {0xDE, 0xDF}):
        return (
            "binary frame, by its looks msgpack: only JSON text is read (record again without the msgpack subprotocol)"
        )
    return "binary frame: only JSON text frames are read"


# ---------------------------------------------------------------------------------------------- compiling a file


class _Plan(Struct):
    """A mapping file, compiled."""

    name: str
    digest: str
    type: tuple[_Path, ...]
    type_key: bytes
    body: tuple[_Path, ...]
    batch: tuple[_Path, ...]
    time: _Field
    seq: _Field
    seq_orders: SeqOrders
    heartbeat_ms: int | None
    ids_start_anew: bool
    policy: model.SessionPolicy
    fold_types: bool
    wrappers: frozenset[str]
    ignore: frozenset[str]
    ignore_raw: tuple[str, ...]
    known: frozenset[str]
    rules: dict[str, tuple[_Rule, ...]]
    untyped: tuple[_Rule, ...]
    mapped_names: frozenset[str]

    def fold(self, name: str) -> str:
        return _fold(name) if self.fold_types else name


_FOLD = re.compile(r"[_\-.:\s/]")


def _fold(name: str) -> str:
    return _FOLD.sub("", name).lower() if len(name) <= 200 else name


def _telemetry_pattern(plan: _Plan) -> re.Pattern[bytes] | None:
    """Anchored: the type as the frame's first key, one of the ignored words, and the string's end."""
    if not plan.ignore_raw or len(plan.type[0]) != 1:
        return None
    words = "|".join(re.escape(word) for word in sorted(plan.ignore_raw))
    return re.compile(rf'\s*\{{\s*"{re.escape(plan.type[0][0])}"\s*:\s*"(?:{words})"\s*[,}}]'.encode())


def parse_mapping(text: str, source: str) -> Dialect:
    """Compile a mapping file.

    ``source`` names it in errors. Raises :class:`MappingInvalid` that names the rule and key (or, where the TOML itself
    is broken, the line) and what was expected.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingInvalid(f"no TOML: {error}", where=source, hint="mend that line") from None
    return Dialect(_Compiler(source, raw).plan())


class _Compiler:
    """Turns the parsed TOML into a plan; every complaint names the place."""

    _TOP = ("dialect", "language", "about", "frame", "session", "camera", "hold", "rule")
    _FRAME = (
        *("type", "body", "batch", "time", "seq", "seq_orders", "heartbeat_seconds", "ignore", "quiet", "wrappers"),
        *("fold_types", "ids_start_anew", "session_by"),
    )

    def __init__(self, source: str, raw: dict[str, Any]) -> None:
        self._source = source
        self._raw = raw
        self._names: set[str] = set()
        self._shapes: dict[str, tuple[_Field, ...]] = {}

    def _fail(self, place: str, what: str, hint: str | None = None) -> MappingInvalid:
        return MappingInvalid(what, where=f"{self._source}: {place}", hint=hint)

    def plan(self) -> _Plan:
        self._only(self._raw, self._TOP, "top level")
        if self._raw.get("language", LANGUAGE) != LANGUAGE:
            raise self._fail("language", f"this multicam-tap reads mapping language {LANGUAGE}", "upgrade it")
        name = self._raw.get("dialect")
        if not isinstance(name, str) or not name:
            raise self._fail("dialect", 'a name is expected, for example dialect = "my-server/1"')
        frame = self._table(self._raw.get("frame", {}), "[frame]")
        self._only(frame, self._FRAME, "[frame]")
        for shape, kinds in _SHAPES.items():
            table = self._table(self._raw.get(shape, {}), f"[{shape}]")
            self._only(table, tuple(kinds), f"[{shape}]")
            self._shapes[shape] = self._fields(table, kinds, f"[{shape}]")
        fold_types = self._flag(frame, "fold_types", False)
        fold = _fold if fold_types else str
        ignore_raw = self._words(frame, "ignore")
        ignore = frozenset(fold(word) for word in ignore_raw)
        typed, untyped = self._rules(fold)
        for word in sorted(ignore & set(typed)):
            raise self._fail("[frame] ignore", f"'{word}' is ignored and mapped by a rule", "keep one of the two")
        quiet = {fold(word) for word in self._words(frame, "quiet")}
        types = self._paths(frame.get("type", ["type"]), "[frame] type")
        return _Plan(
            name=name,
            digest=hashlib.sha256(canonical(self._raw)).hexdigest(),
            type=types,
            type_key=b'"' + types[0][-1].encode() + b'"',
            body=self._paths(frame.get("body", []), "[frame] body"),
            batch=self._paths(frame.get("batch", []), "[frame] batch"),
            time=self._field("time", frame.get("time", ["ts"]), "time", "[frame] time"),
            seq=self._field("seq", frame.get("seq", []), "count", "[frame] seq"),
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
        )

    def _rules(self, fold: Callable[[str], str]) -> tuple[dict[str, tuple[_Rule, ...]], tuple[_Rule, ...]]:
        raw = self._raw.get("rule", [])
        if not isinstance(raw, list) or not raw:
            raise self._fail("[[rule]]", "at least one rule is expected")
        by_type: dict[str, list[_Rule]] = {}
        untyped: list[_Rule] = []
        for number, table in enumerate(raw, 1):
            types, rule = self._rule(number, self._table(table, f"rule {number}"))
            for word in types:
                by_type.setdefault(fold(word), []).append(rule)
            if not types:
                untyped.append(rule)
        # A rule that asks for no type is tried on every frame, after those that do.
        return {word: (*rules, *untyped) for word, rules in by_type.items()}, tuple(untyped)

    def _rule(self, number: int, table: dict[str, Any]) -> tuple[tuple[str, ...], _Rule]:
        emit = table.get("emit")
        if not isinstance(emit, str) or emit not in EMITS:
            known = ", ".join(EMITS)
            raise self._fail(f"rule {number}: emit", f"{emit!r} cannot be emitted", f"one of: {known}")
        place = f"rule {number} ({emit})"
        kinds = EMITS[emit].fields
        fields = {("from_" if name == "from" else name): item for name, item in table.items()}
        self._only(fields, ("when", "emit", "about", *kinds), place)
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
        for need in EMITS[emit].needs:
            if need not in specs:
                raise self._fail(f"{place}: {need.rstrip('_')}", f"'{emit}' says nothing without it", "give its paths")
        return types, _Rule(place, emit, conditions, self._fields(specs, kinds, place))

    def _wanted(self, wanted: Any, place: str) -> frozenset[str] | None:
        """The values that a condition accepts; ``"*"`` is any, as long as the field is there."""
        if wanted == "*":
            return None
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or not all(isinstance(value, (str, int, float, bool)) for value in values):
            raise self._fail(place, 'a value, a list of values, or "*" is expected')
        return frozenset(_label(value) for value in values)

    # ------------------------------------------------------------------ fields

    def _fields(self, table: dict[str, Any], kinds: Mapping[str, str], place: str) -> tuple[_Field, ...]:
        return tuple(
            self._field(name, spec, kinds[name], f"{place}: {name.rstrip('_')}") for name, spec in table.items()
        )

    def _field(self, name: str, spec: Any, kind: str, place: str) -> _Field:
        factor, values = 1.0, None
        if isinstance(spec, dict):
            self._only(spec, ("from", "unit", "values"), place)
            if "unit" in spec:
                factor = self._unit(spec["unit"], kind, place)
            values = self._values(spec.get("values"), place)
            spec = spec.get("from", [])
        paths = self._paths(spec, place)
        if kind in {"id", "ids", *_SHAPES, "cameras"} or name in {"storage_key", "sha256"}:
            # Only these are spared by redaction; a title or a note may hold a password.
            self._names.update(part for path in paths for part in path)
        return _Field(name, paths, self._reader(kind), factor, values)

    def _values(self, values: Any, place: str) -> Mapping[str, Any] | None:
        if values is None:
            return None
        table = self._table(values, f"{place}.values")
        # An empty string takes a value away: what it stood for then says nothing.
        return {label: (None if value == "" else value) for label, value in table.items()}

    def _unit(self, unit: Any, kind: str, place: str) -> float:
        if kind != "duration" or unit not in _UNITS:
            raise self._fail(f"{place}.unit", f"{unit!r} is no unit here", f"on durations one of: {', '.join(_UNITS)}")
        return _UNITS[unit]

    def _reader(self, kind: str) -> _Reader:
        if kind in _READERS:
            return _READERS[kind]
        return {
            "camera": _camera_reader(self._shapes.get("camera", ())),
            "cameras": _cameras_reader(self._shapes.get("camera", ())),
            "session": _session_reader(self._shapes.get("session", ())),
            "hold": _hold_reader(self._shapes.get("hold", ())),
        }[kind]

    # ------------------------------------------------------------------ small checks

    def _table(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._fail(place, "a table is expected")
        return value

    def _only(self, table: dict[str, Any], allowed: tuple[str, ...], place: str) -> None:
        for name in table:
            if name not in allowed:
                known = ", ".join(item.rstrip("_") for item in allowed)
                raise self._fail(place, f"'{name}' is not known here", f"one of: {known}")

    def _paths(self, spec: Any, place: str) -> tuple[_Path, ...]:
        """Alternative paths; a name in snake_case finds its camelCase form too."""
        items = [spec] if isinstance(spec, str) else spec
        if not isinstance(items, list):
            raise self._fail(place, 'a path or a list of paths is expected, for example ["camera_id", "camera.id"]')
        paths: dict[_Path, None] = {}
        for item in items:
            path = self._path(item, place)
            paths[path] = None
            paths[tuple(_camel(part) for part in path)] = None
        return tuple(paths)

    def _path(self, item: Any, place: str) -> _Path:
        if not isinstance(item, str) or not item:
            raise self._fail(place, f"{item!r} is no path", 'names joined by dots, for example "camera.id"')
        return () if item == "." else tuple(item.split("."))

    def _words(self, table: dict[str, Any], key: str, place: str | None = None) -> tuple[str, ...]:
        items = table.get(key, [])
        items = [items] if isinstance(items, (str, int)) else items
        if not isinstance(items, list) or not all(isinstance(item, (str, int)) for item in items):
            raise self._fail(place or f"[frame] {key}", "a list of words is expected")
        return tuple(str(item) for item in items)

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


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest) if head else name


# ---------------------------------------------------------------------------------------------- reading objects


def _shape(fields: tuple[_Field, ...], value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spec in fields:
        item = spec.find((value,))
        if item is UNSET or (item is None and spec.name not in _NULLABLE):
            continue
        found[spec.name] = item
    return found


def _camera_reader(fields: tuple[_Field, ...]) -> _Reader:
    def read(value: Any) -> model.CameraInfo | UnsetType:
        if isinstance(value, dict):
            found = _shape(fields, value)
            return model.CameraInfo(**found) if "id" in found else UNSET
        bare = parse_id(value)
        return UNSET if bare is None else model.CameraInfo(bare)

    return read


def _cameras_reader(fields: tuple[_Field, ...]) -> _Reader:
    one = _camera_reader(fields)

    def read(value: Any) -> tuple[model.CameraInfo, ...] | UnsetType:
        if isinstance(value, dict):
            # Keyed by id: {"cam1": {"name": …}}.
            value = [{"id": name, **item} for name, item in value.items() if isinstance(item, dict)]
        if not isinstance(value, list):
            return UNSET
        cameras = {camera.id: camera for item in value[:MAX_LIST] if (camera := one(item)) is not UNSET}
        return tuple(cameras.values())

    return read


def _session_reader(fields: tuple[_Field, ...]) -> _Reader:
    ids = next((spec for spec in fields if spec.name == "id"), None)

    def read(value: Any) -> model.SessionInfo | UnsetType:
        if isinstance(value, dict):
            found = _shape(fields, value)
            # An id that is there and cannot be read is no session without an id: it says nothing.
            if "id" not in found and ids is not None and any(_at(value, p) is not UNSET for p in ids.paths):
                return UNSET
            return model.SessionInfo(**found)
        bare = parse_id(value)
        return UNSET if bare is None else model.SessionInfo(bare)

    return read


def _hold_reader(fields: tuple[_Field, ...]) -> _Reader:
    def read(value: Any) -> model.HoldInfo | UnsetType:
        if isinstance(value, bool):
            return model.HoldInfo(value)
        if not isinstance(value, dict):
            return UNSET
        found = _shape(fields, value)
        return model.HoldInfo(**found) if "active" in found else UNSET

    return read
