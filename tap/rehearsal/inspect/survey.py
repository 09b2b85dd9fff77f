"""What a server says, counted: its types, and of each field how it behaves. Bounded memory, however long the tape.

Nothing here decides what a field means; that is for ``roles``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
from msgspec import Struct, field

from tap.core.codec import parse_time
from tap.core.mapping import Dialect, Verdict
from tap.core.mapping.values import label
from tap.core.model import Frame
from tap.core.redact import redact_text
from tap.rehearsal.inspect.envelope import Envelope, Said
from tap.rehearsal.inspect.walk import Container, walk

__all__ = ["FieldStats", "KindStats", "Survey", "clock_of"]

_MOST_KINDS = 300
_MOST_FIELDS = 250
_MOST_VALUES = 64
_LONGEST_VALUE = 200
_NEAR_MS = 600_000
_PLAUSIBLE_MS = 366 * 86_400_000
_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 4_102_444_800_000
_SAMPLE_CHARS = 240
_OTHERS = "…"
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
    """There are more different values than are counted."""
    changes: int = 0
    """How often it differed from one object to the next."""
    grows: int = 0
    shrinks: int = 0
    low: float | None = None
    high: float | None = None
    fraction: bool = False
    """A number of it is not whole."""
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
    last_time: int | None = None
    connection: int = -1

    def see(self, values: list[Any], frame: Frame) -> None:
        """The values of one object."""
        self.objects += 1
        if frame.connection != self.connection:
            self.connection, self.last_number, self.last_time = frame.connection, None, None
        for value in values:
            self._one(value, frame)
        if "[]" in self.path or "{}" in self.path:
            self._list(values)
        elif len(values) == 1:
            told = "" if values[0] is None or isinstance(values[0], Container) else label(values[0])[:_LONGEST_VALUE]
            self.changes += self.last is not None and told != self.last
            self.last = told

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
        self.fraction = self.fraction or value % 1 != 0
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
        """Values that say something."""
        return self.count - self.nulls

    @property
    def unit(self) -> str:
        """The unit of most of its times."""
        return self.units.most_common(1)[0][0] if self.units else ""

    @property
    def is_time(self) -> bool:
        return self.said > 0 and self.times >= 0.95 * self.said

    @property
    def is_flag(self) -> bool:
        """True and false, or 1 and 0, and both of them."""
        scalar = self.kinds["flag"] == self.said or (self.kinds["number"] == self.said and not self.fraction)
        return self.said > 0 and scalar and set(self.values) in ({"true", "false"}, {"0", "1"})

    @property
    def is_scalar(self) -> bool:
        return self.said > 0 and not (self.kinds["object"] or self.kinds["list"])

    @property
    def leaf(self) -> str:
        """Its own name."""
        return self.path.rpartition(".")[2].rstrip("[]{}").strip('"')


class KindStats(Struct):
    """One type of frame."""

    name: str
    count: int = 0
    bytes: int = 0
    """Of the messages it came in, shared between those that came together."""
    biggest: int = 0
    greets: int = 0
    """How often it was the first that a connection said."""
    sample: str = ""
    fields: dict[str, FieldStats] = field(default_factory=dict)
    crowded: bool = False
    """It has more fields than are looked at."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """What the dialect made of it."""
    emits: Counter[str] = field(default_factory=Counter)
    """What it said through the dialect."""
    reason: str | None = None


class Survey:
    """Counts everything. ``feed`` it the frames with their parsed and redacted content."""

    def __init__(self, envelope: Envelope, dialect: Dialect) -> None:
        self.envelope = envelope
        self.kinds: dict[str, KindStats] = {}
        self.wholes: dict[str, FieldStats] = {}
        """The fields of the whole objects, of all types together: where the frame's time and number are found."""
        self.objects = 0
        self._dialect = dialect
        self._connection = -1

    def feed(self, frame: Frame, parsed: Any) -> None:
        """One frame and what it holds."""
        said = list(self.envelope.objects(parsed))
        readings = self._dialect.read(frame)
        for index, one in enumerate(said):
            kind = self._kind(one.kind)
            self._count(kind, one, frame, len(frame.data) // len(said))
            # Where the dialect unwraps otherwise, what it makes of the frame is told of each part.
            for reading in readings[index : index + 1] if len(readings) == len(said) else readings:
                kind.verdicts[reading.verdict.value] += 1
                kind.emits.update(type(observation).__name__ for observation in reading.observations)
                kind.reason = kind.reason or reading.reason

    def _kind(self, name: str) -> KindStats:
        if name not in self.kinds and len(self.kinds) >= _MOST_KINDS:
            name = _OTHERS
        return self.kinds.setdefault(name, KindStats(name))

    def _count(self, kind: KindStats, one: Said, frame: Frame, size: int) -> None:
        self.objects += 1
        kind.count += 1
        kind.bytes += size
        kind.biggest = max(kind.biggest, size)
        if frame.connection != self._connection:
            self._connection = frame.connection
            kind.greets += 1
        if not kind.sample:
            text = redact_text(orjson.dumps(one.whole).decode())
            kind.sample = text if len(text) <= _SAMPLE_CHARS else f"{text[:_SAMPLE_CHARS]}…"
        for path, values in _values(walk(one.body, self.envelope.maps)).items():
            known = kind.fields.get(path)
            if known is None:
                if len(kind.fields) >= _MOST_FIELDS:
                    kind.crowded = True
                    continue
                known = kind.fields[path] = FieldStats(path)
            known.see(values, frame)
        for path, values in _values((p, v) for p, v in walk(one.whole, frozenset()) if "[" not in p).items():
            if path in self.wholes or len(self.wholes) < _MOST_FIELDS:
                self.wholes.setdefault(path, FieldStats(path)).see(values, frame)

    @property
    def known(self) -> float:
        """The share of the objects that the dialect knows, telemetry included."""
        unknown = {Verdict.UNKNOWN.value, Verdict.UNREADABLE.value, Verdict.INCOMPLETE.value}
        bad = sum(count for kind in self.kinds.values() for name, count in kind.verdicts.items() if name in unknown)
        every = sum(sum(kind.verdicts.values()) for kind in self.kinds.values())
        return 1.0 - bad / every if every else 0.0


def _values(walked: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path, value in walked:
        found.setdefault(path, []).append(value)
    return found
