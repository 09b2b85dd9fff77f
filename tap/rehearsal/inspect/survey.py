"""What a server says, counted: its types, and of each field how it behaves. Bounded memory, however long the tape.

Nothing here decides what a field means; that is for ``roles``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from tap.core.codec import parse_time
from tap.core.lenient_json import write_values
from tap.core.mapping import Dialect, Verdict
from tap.core.mapping.values import label
from tap.core.model import Frame
from tap.core.redact import redact_text
from tap.rehearsal.inspect.census import Census
from tap.rehearsal.inspect.envelope import Envelope, SaidObject
from tap.rehearsal.inspect.paths import Container, nearly, walk

__all__ = ["FieldStats", "KindStats", "Odd", "Survey", "clock_of"]

_MOST_KINDS = 300
_MOST_FIELDS = 250
_MOST_VALUES = 64
_MOST_ODD = 100
_LONGEST_VALUE = 200
_NEAR_MS = 600_000
_PLAUSIBLE_MS = 366 * 86_400_000
_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 4_102_444_800_000
_SAMPLE_CHARS = 240
_OTHERS = "…"
_PAIRS = (("true", "false"), ("0", "1"))
_HEX = re.compile(r"[0-9a-fA-F]{32,128}")


def clock_of(value: Any) -> tuple[int, str] | None:
    """A value as a time in ms, and its unit (``ms``, ``s``, ``us``, ``ns`` or ``iso``); None for no time."""
    if isinstance(value, bool):
        return None
    read = parse_time(value)
    if read is not None:
        return read, "iso" if isinstance(value, str) else "s" if abs(value) < 1e11 else "ms"
    if type(value) in {int, float}:
        for unit, factor in (("us", 1e3), ("ns", 1e6)):
            if _EARLIEST_MS <= value / factor < _LATEST_MS:
                return int(value / factor), unit
    return None


class FieldStats(Struct):
    """How one field of one type of frame behaves."""

    path: str
    objects: int = 0
    """In how many objects it stands."""
    count: int = 0
    """How many values were seen: more than one an object only in lists."""
    nulls: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """``text``, ``number``, ``flag``, ``object``, ``list``."""
    values: dict[str, int] = field(default_factory=dict)
    many: bool = False
    """There are more different values than this counts."""
    changes: int = 0
    """How often it differed from one object to the next."""
    grows: int = 0
    shrinks: int = 0
    grows_alike: int = 0
    """The same, from one object of a type to the next of that type."""
    shrinks_alike: int = 0
    low: float | None = None
    high: float | None = None
    fractions: int = 0
    """Numbers that are not whole."""
    shares: int = 0
    """Numbers from 0 to 1."""
    times: int = 0
    near: int = 0
    """Of the times, those within ten minutes of when they came."""
    back: int = 0
    """Of the times, those before the last one."""
    units: Counter[str] = field(default_factory=Counter)
    apart: int = 0
    """Objects in whose list all values differ."""
    together: int = 0
    """Objects in whose list two are the same."""
    lone: int = 0
    """Objects in whose list exactly one flag is set."""
    none_set: int = 0
    several: int = 0
    wordy: int = 0
    """Texts with a space, or beyond ASCII: what people write."""
    hashes: int = 0
    links: int = 0
    paths: int = 0
    """Texts that look like a file's."""
    last: str | None = None
    last_number: float | None = None
    last_alike: dict[str, float] = field(default_factory=dict)
    last_time: int | None = None
    connection: int = -1

    def see(self, values: list[Any], frame: Frame) -> None:
        """The values of one object."""
        self.objects += 1
        if frame.connection != self.connection:
            self.connection, self.last_number, self.last_time = frame.connection, None, None
            self.last_alike = {}
        for value in values:
            self._one(value, frame)
        if "[]" in self.path or "{}" in self.path:
            self._list(values)
        elif len(values) == 1:
            told = "" if values[0] is None or isinstance(values[0], Container) else label(values[0])[:_LONGEST_VALUE]
            self.changes += self.last is not None and told != self.last
            self.last = told

    def see_alike(self, kind: str, value: Any) -> None:
        """The one value of an object of this type."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            last = self.last_alike.get(kind)
            if last is not None:
                self.grows_alike += value > last
                self.shrinks_alike += value < last
            if last is not None or len(self.last_alike) < _MOST_KINDS:
                self.last_alike[kind] = value

    def _list(self, values: list[Any]) -> None:
        told = [label(value) for value in values if value is not None and not isinstance(value, Container)]
        if len(set(told)) == len(told):
            self.apart += 1
        else:
            self.together += 1
        set_ = sum(value is True or (type(value) is int and value == 1) for value in values)
        self.lone += set_ == 1
        self.none_set += set_ == 0
        self.several += set_ > 1

    def _one(self, value: Any, frame: Frame) -> None:
        self.count += 1
        if value is None:
            self.nulls += 1
            return
        if isinstance(value, Container):
            self.kinds[value.value] += 1
            return
        if isinstance(value, bool):
            self.kinds["flag"] += 1
        elif isinstance(value, str):
            self.kinds["text"] += 1
            self._text(value)
        else:
            self.kinds["number"] += 1
            self._number(value)
        self._time(value, frame)
        told = label(value)[:_LONGEST_VALUE]
        if told in self.values or len(self.values) < _MOST_VALUES:
            self.values[told] = self.values.get(told, 0) + 1
        else:
            self.many = True

    def _text(self, value: str) -> None:
        self.wordy += " " in value.strip() or not value.isascii()
        self.hashes += _HEX.fullmatch(value) is not None
        self.links += "://" in value[:12]
        self.paths += "/" in value and "://" not in value and " " not in value

    def _number(self, value: float) -> None:
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)
        self.fractions += value % 1 != 0
        self.shares += 0 <= value <= 1
        if self.last_number is not None:
            self.grows += value > self.last_number
            self.shrinks += value < self.last_number
        self.last_number = value

    def _time(self, value: Any, frame: Frame) -> None:
        found = clock_of(value)
        if found is None or abs(found[0] - frame.stamp.wall) > _PLAUSIBLE_MS:
            return  # a number that would be a time long ago is rather an id
        at, unit = found
        self.times += 1
        self.units[unit] += 1
        self.near += abs(at - frame.stamp.wall) <= _NEAR_MS
        self.back += self.last_time is not None and at < self.last_time
        self.last_time = at

    # ------------------------------------------------------------------ what follows from it

    @property
    def said(self) -> int:
        """How many values are not null."""
        return self.count - self.nulls

    @property
    def unit(self) -> str:
        """The unit of most of its times."""
        return self.units.most_common(1)[0][0] if self.units else ""

    @property
    def is_time(self) -> bool:
        return nearly(self.times, self.said)

    @property
    def is_mostly_time(self) -> bool:
        """Whether most of its values are times."""
        return 0 < self.said <= 2 * self.times

    @property
    def fraction(self) -> bool:
        """Its numbers are not whole, more often than by accident."""
        return self.fractions > 0 and not nearly(self.kinds["number"] - self.fractions, self.kinds["number"])

    @property
    def is_flag(self) -> bool:
        """True and false, or 1 and 0, and both of them."""
        scalar = self.is_of("flag") or (self.is_of("number") and not self.fraction)
        return scalar and any(nearly(self.told(*pair), self.said) and self.has(*pair) for pair in _PAIRS)

    @property
    def is_scalar(self) -> bool:
        return nearly(self.scalars, self.said)

    @property
    def is_null_at_times(self) -> bool:
        """Whether it is null more often than by accident."""
        return self.nulls > 0 and not nearly(self.said, self.count)

    @property
    def is_mostly_scalar(self) -> bool:
        """Whether most of its values are scalars: with few frames, one odd one must not hide a field."""
        return 0 < self.said <= 2 * self.scalars

    @property
    def scalars(self) -> int:
        """Values that are no object and no list."""
        return self.said - self.kinds["object"] - self.kinds["list"]

    @property
    def mixed(self) -> str | None:
        """Why its values cannot be described: they are not all of one kind. None if they are."""
        kinds = {**self.kinds, "time": self.times}
        most = max(kinds, key=lambda kind: (kinds[kind], kind == "time"))
        if not self.said or nearly(kinds[most], self.said):
            return None
        return f"in {self.said - kinds[most]} of {self.said} frames it is no {most}"

    def is_of(self, kind: str) -> bool:
        """Whether nearly all of its values are of this kind."""
        return nearly(self.kinds[kind], self.said)

    def is_mostly(self, kind: str) -> bool:
        """Whether most of its values are of this kind."""
        return 0 < self.said <= 2 * self.kinds[kind]

    def told(self, *values: str) -> int:
        """How often it had one of these values."""
        return sum(self.values.get(value, 0) for value in values)

    def has(self, *values: str) -> bool:
        """Whether it had all of these values."""
        return all(value in self.values for value in values)

    def is_one_of(self, *values: str) -> bool:
        """Whether it had hardly any value but these."""
        return nearly(self.told(*values), self.said)

    @property
    def leaf(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2].rstrip("[]{}").strip('"')


class Odd(Struct):
    """Frames of a type that are not like the others."""

    type: str
    why: str
    count: int
    example: str
    """The first of them."""


class KindStats(Struct):
    """One type of frame."""

    name: str
    count: int = 0
    odd: int = 0
    """Those of them that are not like the others, and were not looked at."""
    bytes: int = 0
    """Of the messages it came in, shared between those that came together."""
    biggest: int = 0
    greets: int = 0
    """How often it was the first that a connection said."""
    sample: str = ""
    fields: dict[str, FieldStats] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    """What the dialect made of it."""
    emits: Counter[str] = field(default_factory=Counter)
    """What it said through the dialect."""
    reason: str | None = None

    @property
    def usual(self) -> int:
        """How many of them were looked at."""
        return self.count - self.odd


class Survey:
    """Counts everything. ``feed`` it the frames with their parsed and redacted content."""

    def __init__(self, envelope: Envelope, dialect: Dialect, census: Census | None = None) -> None:
        self.envelope = envelope
        self.kinds: dict[str, KindStats] = {}
        self.wholes: dict[str, FieldStats] = {}
        """The fields of the whole objects, of all types together: where the frame's time and number are found."""
        self.objects = 0
        self.looked_at = 0
        """Those of them that are like the others of their type."""
        self.odd: dict[tuple[str, str], Odd] = {}
        """Those that are not like the others of their type: by that, and by why."""
        self._dialect = dialect
        self._census = census
        self._connection = -1

    def feed(self, frame: Frame, parsed: Any) -> None:
        """One frame and what it holds. An object that is not like the others of its type is only counted."""
        said = list(self.envelope.objects(parsed))
        readings = self._dialect.read(frame)
        for index, one in enumerate(said):
            kind = self._kind(one.kind)
            self._count(kind, one, frame, len(frame.data) // len(said))
            odd = None if self._census is None else self._census.odd(one)
            if odd is None:
                self._look(kind, one, frame)
            else:
                self._left_out(kind, one, odd)
            # Where the dialect unwraps otherwise, what it makes of the frame is told of each part.
            for reading in readings[index : index + 1] if len(readings) == len(said) else readings:
                kind.verdicts[reading.verdict.value] += 1
                kind.emits.update(type(observation).__name__ for observation in reading.observations)
                kind.reason = kind.reason or reading.reason

    def _left_out(self, kind: KindStats, one: SaidObject, why: str) -> None:
        kind.odd += 1
        known = self.odd.get((kind.name, why))
        if known is not None:
            known.count += 1
        elif len(self.odd) < _MOST_ODD:
            self.odd[kind.name, why] = Odd(kind.name, why, 1, _shown(one))

    def _kind(self, name: str) -> KindStats:
        if name not in self.kinds and len(self.kinds) >= _MOST_KINDS:
            name = _OTHERS
        return self.kinds.setdefault(name, KindStats(name))

    def _count(self, kind: KindStats, one: SaidObject, frame: Frame, size: int) -> None:
        self.objects += 1
        kind.count += 1
        kind.bytes += size
        kind.biggest = max(kind.biggest, size)
        if frame.connection != self._connection:
            self._connection = frame.connection
            kind.greets += 1
        if not kind.sample:
            kind.sample = _shown(one)

    def _look(self, kind: KindStats, one: SaidObject, frame: Frame) -> None:
        self.looked_at += 1
        for path, values in _values(walk(one.body, self.envelope.maps)).items():
            known = kind.fields.get(path)
            if known is None:
                if len(kind.fields) >= _MOST_FIELDS:
                    continue
                known = kind.fields[path] = FieldStats(path)
            known.see(values, frame)
        for path, values in _values((p, v) for p, v in walk(one.whole, frozenset()) if "[" not in p).items():
            if path in self.wholes or len(self.wholes) < _MOST_FIELDS:
                stats = self.wholes.setdefault(path, FieldStats(path))
                stats.see(values, frame)
                if len(values) == 1:
                    stats.see_alike(kind.name, values[0])

    @property
    def known(self) -> float:
        """The share of the objects that the dialect knows, telemetry included."""
        unknown = {Verdict.UNKNOWN.value, Verdict.UNREADABLE.value, Verdict.INCOMPLETE.value}
        bad = sum(count for kind in self.kinds.values() for name, count in kind.verdicts.items() if name in unknown)
        every = sum(sum(kind.verdicts.values()) for kind in self.kinds.values())
        return 1.0 - bad / every if every else 0.0


def _shown(one: SaidObject) -> str:
    # What is odd in it may be no strict JSON.
    text = redact_text(write_values([one.whole]).decode())
    return text if len(text) <= _SAMPLE_CHARS else f"{text[:_SAMPLE_CHARS]}…"


def _values(walked: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path, value in walked:
        found.setdefault(path, []).append(value)
    return found
