"""Snapshots that say again what was said before, at another time: most of them do, and need not be read again.

A server tells its whole state every few moments. Two such frames mostly differ in nothing but their time and number,
two whole numbers at the frame's beginning. What was read of the first is then what reading the second would give, but
for that time and number. This is a memory of what a pure function gave: with it and without it, every frame reads the
same (``tests/core/test_repeats.py`` holds the two against each other).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import structs

from tap.core.mapping.dialect import Dialect, Reading, Verdict
from tap.core.model import Frame, Snapshot, Told

__all__ = ["Repeats"]

_HEAD = 12
"""Bytes by which a frame's form is looked up; what has other beginnings has another form."""
_MOST_FORMS = 16
_MOST_BYTES = 2**20
_LARGEST = 2**18

_PAIR = rb'"([A-Za-z_]{1,40})":(?:"[^"\\]{0,200}"|(-?\d{1,15}))'
_BEGINNING = re.compile(rb"\{(?:" + _PAIR + rb",){1,6}")
_PAIRS = re.compile(_PAIR + rb",")
_NUMBER = rb"(-?[1-9]\d{0,14}|0)"


class _Known(NamedTuple):
    """What a frame said, but for its time and number."""

    snapshot: Snapshot
    type: str
    reason: str | None


class _Form:
    """Frames that begin alike: the same names and words up to the last of time and number.

    What was read of one form says nothing of another: of ``{"program":"c1","ts":…`` and ``{"program":"c2","ts":…`` the
    rest is the same, and the frames are not.
    """

    def __init__(self, dialect: Dialect, pattern: bytes, names: tuple[str, ...]) -> None:
        self.pattern = pattern
        self.match = re.compile(pattern).match
        self.told = dialect.teller(names)
        """Time and number, of the pattern's groups."""
        self.known: dict[bytes, _Known] = {}


_NONE: list[_Form] = []


class Repeats:
    """Reads for ``dialect``, and remembers. For one source: frames of several would only push each other out."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._forms: dict[bytes, list[_Form]] = {}
        self._count = 0
        self.bytes = 0

    def read(self, frame: Frame) -> list[Reading]:
        """What :meth:`Dialect.read` says of this frame, which is no telemetry."""
        data = frame.data
        for form in self._forms.get(data[:_HEAD], _NONE):
            begun = form.match(data)
            known = None if begun is None or frame.binary else form.known.get(data[begun.end() :])
            if begun is not None and known is not None:
                again = self._again(known, form, begun, frame)
                if again is not None:
                    return [again]
        readings = self.dialect.read_whole(frame)
        if len(readings) == 1 and readings[0].verdict is Verdict.MAPPED and not frame.binary:
            self._learn(frame, readings[0])
        return readings

    def _again(self, known: _Known, form: _Form, begun: re.Match[bytes], frame: Frame) -> Reading | None:
        """What is known, told by this frame; None where its time or number is not one to be sure of."""
        at, seq = form.told(begun.groups())
        before = known.snapshot.told
        if (at is None) != (before.at is None) or (seq is None) != (before.seq is None):
            return None
        told = Told(frame.stamp, at, seq, before.type)
        return Reading(Verdict.MAPPED, known.type, (structs.replace(known.snapshot, told=told),), known.reason)

    # ------------------------------------------------------------------------------------------ what is remembered

    def _learn(self, frame: Frame, reading: Reading) -> None:
        """Remember a snapshot, where its time and number are surely those at its beginning."""
        data = frame.data
        if len(reading.observations) != 1 or len(data) > _LARGEST:
            return
        (snapshot,) = reading.observations
        if not isinstance(snapshot, Snapshot):
            return
        form = self._form(data)
        begun = None if form is None else form.match(data)
        if form is None or begun is None or not self._is_told_there(form, begun, frame, snapshot):
            return
        rest = data[begun.end() :]
        full = self._count >= _MOST_FORMS and not form.known
        if full or self.bytes + len(rest) > _MOST_BYTES:
            self._forms, self._count, self.bytes = {}, 0, 0
            form.known = {}
        if not form.known:
            self._forms.setdefault(data[:_HEAD], []).append(form)
            self._count += 1
        form.known[rest] = _Known(snapshot, reading.type, reading.reason)
        self.bytes += len(rest)

    def _form(self, data: bytes) -> _Form | None:
        """The form of this frame: the one that is known, or a new one."""
        beginning = _BEGINNING.match(data)
        names = self.dialect.envelope_names
        if beginning is None or not names:
            return None
        places = [
            (pair[1].decode(), pair.span(2))
            for pair in _PAIRS.finditer(data, 1, beginning.end())
            if pair[2] is not None and pair[1].decode() in names
        ]
        if not places:
            return None
        pattern, end = b"", 0
        for _, (begin, until) in places:
            pattern += re.escape(data[end:begin]) + _NUMBER
            end = until
        known = (form for form in self._forms.get(data[:_HEAD], _NONE) if form.pattern == pattern)
        return next(known, None) or _Form(self.dialect, pattern, tuple(name for name, _ in places))

    def _is_told_there(self, form: _Form, begun: re.Match[bytes], frame: Frame, snapshot: Snapshot) -> bool:
        """Whether time and number follow the numbers at the beginning: tried, by reading the frame with others."""
        if form.told(begun.groups()) != (snapshot.told.at, snapshot.told.seq):
            return False
        others = tuple(str(int(number) + 1_000).encode() for number in begun.groups())
        parts, end = [], 0
        for place, other in enumerate(others, 1):
            parts += [frame.data[end : begun.start(place)], other]
            end = begun.end(place)
        moved = structs.replace(frame, data=b"".join([*parts, frame.data[end:]]))
        told = Told(frame.stamp, *form.told(others), snapshot.told.type)
        (reading, *more) = self.dialect.read_whole(moved)
        return not more and reading.observations == (structs.replace(snapshot, told=told),)
