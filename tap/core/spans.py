"""What held when: program, hold and mode of one session, from its events in the order in which they are read.

The one place that turns events into spans. The timeline gives it a whole session and keeps all spans; the live page
gives it one event after the other, takes the spans that are over out, and adds them up. So both have the same numbers.

The rows are told by somebody who was not always there, so a moment is one of three things: *on air* (a camera, by the
start, a cut, or the far side of a gap), *nothing on air as far as it was told*, or *not known*: inside a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

from tap.core.kinds import KINDS

__all__ = ["COVERED_MS", "STATE_KINDS", "GapTaken", "Spans", "ValueSpan"]

COVERED_MS = 1_000
"""A change this far inside a gap was told by somebody else: another tap, or a tape."""

STATE_KINDS = frozenset(name for name, kind in KINDS.items() if kind.turns not in (None, "gap"))
"""Events after which program, hold or mode is another."""


class ValueSpan(NamedTuple):
    """A time in which one thing had one value."""

    value: str
    start: int
    end: int
    unsure: bool = False
    """It was over before ``end``, at a moment that nobody told."""


class GapTaken(NamedTuple):
    """A gap, as it was taken."""

    at: int
    start: int | None
    duration: int | None
    covered: bool
    """Somebody else was there: changes are known from inside it."""


class Track:
    """One thing that has one value at a time; None is nothing, as far as it was told."""

    def __init__(self, value: str | None, since: int) -> None:
        self.value = value
        self.since = since
        self.over: list[ValueSpan] = []

    def turn(self, value: str | None, at: int, *, unsure: bool = False) -> None:
        """From ``at`` it is ``value``. ``unsure``: what it was before had ended unseen."""
        if self.value is not None:
            self.over.append(ValueSpan(self.value, self.since, at, unsure))
        self.value, self.since = value, at

    def within(self, start: int, end: int) -> list[ValueSpan]:
        """The spans that are over and have a length, in order of time, inside the bounds."""
        clipped = (one._replace(start=max(one.start, start), end=min(one.end, end)) for one in self.over)
        return sorted((span for span in clipped if span.start < span.end), key=lambda span: span[1:3])

    def copy(self) -> Track:
        """As it is now, without what is over."""
        return Track(self.value, self.since)


class Spans:
    """Takes the events of a session. Moments are Unix ms on one clock; ``state`` is what was on at ``start``."""

    def __init__(self, state: Mapping[str, Any], start: int) -> None:
        self.start = start
        self.program = Track(state.get("programCameraId"), start)
        self.hold = Track(_held(state), start)
        self.mode = Track(state.get("mode"), start)
        self.holds = 0 if self.hold.value is None else 1
        """Holds that began, or were found. One that goes on across a gap is one."""
        self.unknown: list[tuple[int, int]] = []
        """When nobody knows what was on air; may overlap."""
        self._seen_from = _start_seen(state)
        self._changes: list[int] = []
        self.dark: int | None = None
        """Since when the program is not known, where no far side of a gap has told it yet."""

    def copy(self) -> Spans:
        """Goes on by itself; spans that are over stay behind."""
        other = Spans({}, self.start)
        other.program, other.hold, other.mode = self.program.copy(), self.hold.copy(), self.mode.copy()
        other.holds, other._seen_from, other.dark = self.holds, self._seen_from, self.dark
        other._changes = list(self._changes)
        return other

    def take(self, kind: str, at: int, fields: Mapping[str, Any]) -> GapTaken | None:
        """The next event, with the columns of its row; of a gap, what came of it."""
        if kind in STATE_KINDS:
            self._changes.append(at)
        match kind:
            case "cut" | "off_air":
                # Where no row tells that program turned to nothing, the next cut says that it came from there.
                left = fields.get("fromCameraId") != self.program.value
                self.program.turn(fields.get("cameraId") if kind == "cut" else None, at, unsure=left)
                self.see(at)
            case "hold":
                self.hold.turn(fields.get("cameraId") or "", at)
                self.holds += 1
            case "release":
                self.hold.turn(None, at)
            case "mode_change":
                detail = fields.get("detail") or {}
                left = detail.get("from", self.mode.value) != self.mode.value
                self.mode.turn(detail.get("to"), at, unsure=left)
            case "gap":
                return self._gap(at, fields.get("durationMs"), fields.get("detail") or {})
        return None

    def fits(self, kind: str, fields: Mapping[str, Any]) -> bool:
        """Whether an event says of what was before it what is known of that."""
        match kind:
            case "cut" | "off_air":
                return bool(fields.get("fromCameraId", self.program.value) == self.program.value)
            case "hold" | "release":
                return (self.hold.value is None) == (kind == "hold")
            case "mode_change":
                before = (fields.get("detail") or {}).get("from", self.mode.value)
                return bool(before == self.mode.value)
        return True

    def see(self, at: int) -> None:
        """From here on it is known what is on air."""
        if self.dark is not None:
            self.unknown.append((self.dark, at))
            self.dark = None

    def end(self, at: int, final: Mapping[str, Any] | None) -> None:
        """The session is over, or as far as it was told; ``final``: how the server says that it was then."""
        self.see(at)
        self.program.turn(None, at, unsure=_differs(final, "programCameraId", self.program.value))
        self.mode.turn(None, at, unsure=_differs(final, "mode", self.mode.value))
        self.hold.turn(None, at)

    def _gap(self, at: int, duration: int | None, detail: Mapping[str, Any]) -> GapTaken:
        before, after = detail.get("before"), detail.get("after")
        start = None if duration is None else at - duration
        if duration is None and before is not None:
            # For how long is not known: as long as can be, which is since the last that was told.
            start = min(at, max(self.start, self.program.since, self.hold.since, self.mode.since))
        gap = GapTaken(at, start, duration, self._is_covered(at, start))
        if gap.covered:
            return gap
        blind = self._blind_from(at, start)
        self.dark = blind if self.dark is None else self.dark
        for track, name in ((self.program, "programCameraId"), (self.mode, "mode")):
            track.turn(None, blind, unsure=_differs(before, name, track.value))
            track.turn((after or {}).get(name), at)
        was_held, held = self.hold.value is not None, _held(after or {})
        self.hold.turn(None, blind)
        self.hold.turn(held, at)
        self.holds += held is not None and not was_held
        if after:
            self.see(at)
        return gap

    def _blind_from(self, at: int, start: int | None) -> int:
        if start is None:
            # A first sight: what was on before it was never told, and the start state is of the moment of sight.
            self.holds -= self.hold.value is not None
            self.program.over.clear()
            self.unknown.clear()
            self.dark = None
            self.program.value = self.mode.value = self.hold.value = None
            return self.start
        # The tap measures the gap by its own clock; what it has told before was before.
        return min(at, max(start, self.program.since, self.hold.since, self.mode.since))

    def _is_covered(self, at: int, start: int | None) -> bool:
        if start is None:
            return (at if self._seen_from is None else self._seen_from) < at
        following = bisect_right(self._changes, start + COVERED_MS)
        return following < len(self._changes) and self._changes[following] < at - COVERED_MS


def _start_seen(state: Mapping[str, Any]) -> int | None:
    """When a session was first seen, as its start state says."""
    at = state.get("at")
    return at if isinstance(at, int) else None


def _held(state: Mapping[str, Any]) -> str | None:
    return "" if state.get("hold") else None


def _differs(side: Mapping[str, Any] | None, name: str, value: str | None) -> bool:
    """Whether a told side contradicts what the rows before it say; a side that was not told contradicts nothing."""
    return side is not None and side.get(name) != value
