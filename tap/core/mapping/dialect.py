"""The compiled form of a mapping file: how one server's frames read.

Reading is total: a frame that cannot be read gives a :class:`Reading` that says why, never an exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import UNSET, Struct, structs

from tap.core import model, redact
from tap.core.codec import composed
from tap.core.mapping.again import Last
from tap.core.mapping.fields import Field, Rule, Scopes
from tap.core.mapping.language import EMITS, NOTHING
from tap.core.mapping.paths import Path, at, steps_of
from tap.core.mapping.telemetry import Sniff, telemetry_sniff
from tap.core.mapping.values import label
from tap.core.mapping.wraps import PREFIXES, Wraps, before
from tap.core.model import Envelope, Frame, Observation

__all__ = ["Dialect", "Plan", "Reading", "SeqOrders", "Verdict", "binary_reason", "fold_type"]

SeqOrders: TypeAlias = Literal["boot", "connection", "type", "nothing"]


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


class Plan(Struct):
    """A mapping file, compiled."""

    name: str
    digest: str
    type: tuple[Path, ...]
    body: tuple[Path, ...]
    batch: tuple[Path, ...]
    time: Field
    seq: Field
    seq_orders: SeqOrders
    heartbeat_ms: int | None
    ids_start_anew: bool
    policy: model.SessionPolicy
    fold_types: bool
    wrappers: frozenset[str]
    ignore: frozenset[str]
    ignore_raw: tuple[str, ...]
    known: frozenset[str]
    rules: dict[str, tuple[Rule, ...]]
    untyped: tuple[Rule, ...]
    mapped_names: frozenset[str]
    """Of ids and the like, which redaction leaves as they are."""
    read_names: frozenset[str]
    """Of all that is read, which it treats sparingly."""
    wraps: Wraps = Wraps()

    @property
    def own_names(self) -> set[object]:
        """Where an envelope's own type, number and id are: none of that is said of its parts."""
        return {"type", "event", "seq", "id", *(path[0] for path in (*self.type, *self.seq.paths) if path)}

    @property
    def time_names(self) -> set[object]:
        """Where an envelope's time is: that is."""
        return {path[0] for path in self.time.paths if path}

    def fold(self, name: str) -> str:
        return fold_type(name) if self.fold_types else composed(name)

    def of_the_envelope(self, rules: Iterable[Rule]) -> frozenset[object] | None:
        """The keys of an object that say its time and number, and nothing to these rules; None if one reads all keys.

        ``.`` reads all of them.
        """
        paths = [path for rule in rules for path in rule.paths]
        if () in paths:
            return None
        read = {path[0] for path in (*paths, *self.type, *self.body, *self.batch)}
        return frozenset(path[0] for path in (*self.time.paths, *self.seq.paths) if len(path) == 1) - read


_FOLD = re.compile(r"[_\-.:\s/]")


def fold_type(name: str) -> str:
    """``session_started``, ``sessionStarted`` and ``session.started`` as one word."""
    return _folded(name) if len(name) <= 200 else name


@lru_cache(256)
def _folded(name: str) -> str:
    """Of few types there are many frames."""
    return _FOLD.sub("", composed(name)).lower()


def _states_of(plan: Plan) -> dict[str, Last[Reading]]:
    """For each type that shows the whole state: a place for the last one."""
    states = {kind: rules for kind, rules in plan.rules.items() if any(rule.emit == "snapshot" for rule in rules)}
    return {kind: Last(apart) for kind, rules in states.items() if (apart := plan.of_the_envelope(rules)) is not None}


def _sniff_of(plan: Plan) -> Sniff | None:
    if not plan.ignore_raw or not plan.type or len(plan.type[0]) != 1:
        return None
    wraps = plan.wraps
    return telemetry_sniff(
        str(plan.type[0][0]),
        plan.ignore_raw,
        array=bool(wraps.array) and not wraps.type_place,
        prefix=PREFIXES.get(wraps.prefix, ""),
    )


class Dialect:
    """How one server's frames read. Made by :func:`parse_mapping`; holds no state, so one serves many replays."""

    speaker: str = "multicam-server"
    """The program that is listened to, as people call it."""
    sniff: Sniff | None = None
    """Recognizes known telemetry unparsed; None if the dialect names no type that can be recognized so."""
    emits: frozenset[str] = frozenset()
    """What frames can tell by themselves, where that is known beforehand: the emits of the mapping's rules."""
    wraps = Wraps()
    """What is wrapped around the objects of a frame."""
    innocent = b""
    """A part of frames that looks like a secret and is none: see ``redact.suspect``."""

    def __init__(self, plan: Plan, *, remembers: bool = False) -> None:
        self.name = plan.name
        self.digest = plan.digest
        self.seq_orders: SeqOrders = plan.seq_orders
        self.heartbeat_ms = plan.heartbeat_ms
        self.ids_start_anew = plan.ids_start_anew
        self.policy = plan.policy
        self.mapped_names = plan.mapped_names
        self.read_names = plan.read_names
        self.emits = frozenset(rule.emit for rules in (*plan.rules.values(), plan.untyped) for rule in rules)
        self._plan = plan
        self._types, self._bodies = steps_of(plan.type), steps_of(plan.body)
        self._last = _states_of(plan) if remembers else {}
        self.wraps = plan.wraps
        self.sniff = _sniff_of(plan)

    @property
    def kinds(self) -> frozenset[str]:
        """The types that are known, folded where the dialect folds them; those of the envelope's rules aside."""
        return self._plan.known

    @property
    def ignored(self) -> frozenset[str]:
        """The types that are known to be none of the history, by the dialect's own list."""
        return self._plan.ignore

    def is_telemetry(self, data: bytes) -> bool:
        """Whether a raw frame is known telemetry, by its bytes alone: see :attr:`sniff`."""
        return self.sniff is not None and self.sniff(data, 0, len(data))

    def read(self, frame: Frame) -> list[Reading]:
        """What each object of ``frame`` says: one reading an object, more than one only in a batch."""
        if self.is_telemetry(frame.data):
            return [_IGNORED]
        return self.read_whole(frame)

    def read_control(self, frame: Frame) -> list[Reading]:
        """The same, of a frame that is no text of telemetry."""
        return self.read(frame) if frame.binary else self.read_whole(frame)

    def read_whole(self, frame: Frame) -> list[Reading]:
        """The same, of the whole frame, whatever it looks like."""
        parsed = self._parse(frame)
        if isinstance(parsed, Reading):
            return [parsed]
        if isinstance(parsed, dict):
            return self._unwrap(parsed, frame)
        return [reading for item in self._objects(parsed) for reading in self._read_item(item, frame)]

    def remembering(self) -> Dialect:
        """The same dialect, which reads faster what repeats (``again.py``): for the frames of one source."""
        plan = self._plan
        typed = {kind: tuple(rule.remembering() for rule in rules) for kind, rules in plan.rules.items()}
        untyped = tuple(rule.remembering() for rule in plan.untyped)
        return Dialect(structs.replace(plan, rules=typed, untyped=untyped), remembers=True)

    def clean(self, data: bytes) -> bytes:
        """A raw frame as a tape may keep it: without secrets, and read by this dialect just like the original."""
        begin = before(self.wraps.prefix, data) if self.wraps.prefix else 0
        if not begin:
            return redact.redact_bytes(data, self.mapped_names, self.read_names, self.innocent)
        first = data[:begin] if redact.redact_bytes(data[:begin]) == data[:begin] else b""
        return first + redact.redact_bytes(data[begin:], self.mapped_names, self.read_names)

    def _parse(self, frame: Frame) -> Any:
        if frame.binary:
            return Reading(Verdict.UNREADABLE, "", reason=binary_reason(frame.data))
        if self.wraps.prefix and self.wraps.is_of_the_line(frame.data):
            return _IGNORED
        try:
            parsed = self.wraps.parse(frame.data)
        except ValueError as error:
            return Reading(Verdict.UNREADABLE, "", reason=f"no JSON: {error}"[:200])
        if not redact.suspect(frame.data, self.innocent) or self._is_unread(parsed):
            return parsed
        return redact.redact_json(parsed, self.mapped_names, self.read_names)

    def _is_unread(self, parsed: Any) -> bool:  # noqa: ARG002 - a dialect may know better
        """Whether nobody reads what a frame says: then a megabyte of it need not be looked through for secrets."""
        return False

    def _objects(self, value: Any) -> Iterator[dict[str, Any] | str]:
        return self.wraps.objects(value, self._is_named)

    def _is_named(self, places: list[Any]) -> bool:
        """Whether an array has a type at its place, and is no list of frames."""
        kind = places[self.wraps.type_place] if self.wraps.type_place < len(places) else None
        if isinstance(kind, bool) or not isinstance(kind, (str, int)) or str(kind).lstrip()[:1] in {"{", "["}:
            return False
        objects = [item for item in places if isinstance(item, dict)]
        known = self._plan.known
        if self._plan.fold(label(kind)) in known:
            return True
        # Rubbish in a batch must not cost the good frames beside it.
        return (bool(objects) or isinstance(kind, str)) and not any(
            self._type_and_scopes(item)[0] in known for item in objects
        )

    def _read_item(self, item: dict[str, Any] | str, frame: Frame) -> Iterator[Reading]:
        if isinstance(item, dict):
            yield from self._unwrap(item, frame)
        else:
            yield Reading(Verdict.UNREADABLE, "", reason=item)

    def _unwrap(self, item: dict[str, Any], frame: Frame) -> list[Reading]:
        """The object itself, or, where it is an envelope around a list of them, each of these."""
        kind, scopes = self._type_and_scopes(item)
        if kind not in self._plan.known:
            for path in self._plan.batch:
                inner = self.wraps.opened(at(item, path))
                if isinstance(inner, list):
                    around = self._envelope(item, path)
                    return [
                        self._read_object({**around, **part}, frame)
                        if isinstance(part, dict)
                        else Reading(Verdict.UNREADABLE, "", reason=part)
                        for part in self._objects(inner)
                    ]
        return [self._read_typed(kind, scopes, item, frame)]

    def _envelope(self, item: dict[str, Any], batch: Path) -> dict[str, Any]:
        """What a batch says for all of its parts (its time), but neither their type nor its own order."""
        own = {batch[0], *self._plan.own_names}
        return {
            name: value
            for name, value in item.items()
            if name not in own and (name in self._plan.time_names or not isinstance(value, (dict, list)))
        }

    def _read_object(self, item: dict[str, Any], frame: Frame) -> Reading:
        kind, scopes = self._type_and_scopes(item)
        return self._read_typed(kind, scopes, item, frame)

    def _type_and_scopes(self, item: dict[str, Any]) -> tuple[str, Scopes]:
        plan = self._plan
        scopes: Scopes = (item,)
        for name, path in self._bodies:
            inner = at(item, path) if name is None else item.get(name)
            if inner.__class__ is str:
                inner = self.wraps.opened(inner)
            if isinstance(inner, dict):
                scopes = (inner, item)
                break
        first = ""
        for scope in reversed(scopes):
            for name, path in self._types:
                value = at(scope, path) if name is None else scope.get(name, UNSET)
                kind = plan.fold(value) if isinstance(value, str) else label(value)
                if kind in plan.known or (kind and kind not in plan.wrappers):
                    return kind, scopes
                first = first or kind
        return first, scopes

    def _read_typed(self, kind: str, scopes: Scopes, item: dict[str, Any], frame: Frame) -> Reading:
        plan = self._plan
        if kind in plan.ignore:
            return Reading(Verdict.IGNORED, kind[:200])
        envelope = (item, *scopes[:-1])
        by = Envelope(frame.stamp, _or_none(plan.time.find(envelope)), _or_none(plan.seq.find(envelope)), kind[:200])
        last = self._last.get(kind)
        if last is None:
            return self._read_by(kind, scopes, by)
        reading = last.made(item, lambda: self._read_by(kind, scopes, by))
        # What was read before came in another envelope.
        observations = tuple([structs.replace(o, envelope=by) for o in reading.observations])
        return Reading(reading.verdict, reading.type, observations, reading.reason)

    def _read_by(self, kind: str, scopes: Scopes, by: Envelope) -> Reading:
        """What the rules for this type make of an object."""
        plan, name = self._plan, by.type
        rules = [rule for rule in plan.rules.get(kind, plan.untyped) if rule.matches(scopes)]
        if not rules:
            return Reading(Verdict.QUIET if kind in plan.known else Verdict.UNKNOWN, name)
        said = list(self._said(rules, scopes, by))
        found = tuple(item for item in said if not isinstance(item, str))
        reason = next((item for item in reversed(said) if isinstance(item, str)), None)
        if found or reason is not None:
            return Reading(Verdict.MAPPED if found else Verdict.INCOMPLETE, name, found, reason)
        nothing = all(rule.emit == NOTHING for rule in rules)
        return Reading(Verdict.IGNORED if nothing else Verdict.QUIET, name)

    def _said(self, rules: list[Rule], scopes: Scopes, envelope: Envelope) -> Iterator[Observation | str]:
        """What each rule makes of the object, or why it makes nothing of it."""
        for rule in rules:
            if rule.emit == NOTHING:
                continue
            parts = rule.parts(scopes)
            if parts is None:
                yield "there is no list at the path of 'each'"
                continue
            for part in parts:
                yield self._emit(rule, part, envelope)

    def _emit(self, rule: Rule, scopes: Scopes, envelope: Envelope) -> Observation | str:
        emit = EMITS[rule.emit]
        values: dict[str, Any] = {}
        for spec in rule.fields:
            value = spec.find(scopes)
            if value is UNSET or (value is None and not spec.says_none):
                continue
            values[spec.name] = round(value) if spec.name == "duration_ms" else value
        if rule.emit in _BODIED and len(scopes) == 1 and self._is_hollow(scopes[0], rule.emit, values):
            return "its body is not an object"
        for need in emit.needs:
            if need not in values or (values[need] is None and need in {"session", "camera"}):
                return f"'{need}' is missing or not of type {emit.fields[need]}"
        observation: Observation = emit.make(envelope=envelope, **values)
        return observation

    def _is_hollow(self, item: dict[str, Any], emit: str, values: dict[str, Any]) -> bool:
        """Whether all that the frame says is in a body that cannot be read: that is no session without an id."""
        session = values.get("session")
        if emit == "snapshot":
            says = bool(values)
        elif emit == "session_started":
            says = session is not None and session.id is not None
        else:
            says = session != model.SessionInfo()
        return not says and any(at(item, path) is not UNSET and at(item, path) is not None for path in self._plan.body)


_BODIED = frozenset({"snapshot", "session_started", "session_updated"})
"""What an observation can be without a single field that can be read."""


def _or_none(value: Any) -> Any:
    return None if value is UNSET else value


def binary_reason(data: bytes) -> str:
    """Why a binary frame cannot be read, and what to do."""
    # A msgpack map (fixmap, map16, map32): what obs-websocket sends to a client that asked for it.
    if data[:1] and (0x80 <= data[0] <= 0x8F or data[0] in {0xDE, 0xDF}):
        return "binary frame, probably msgpack: only JSON text is read (record again without the msgpack subprotocol)"
    return "binary frame: only JSON text frames are read"
