"""The numbers of the session that runs: added up event by event, and the same as its timeline and its report have.

What turns events into spans is :class:`tap.core.turns.Turns`, as everywhere. Here the spans that are over are added up
and let go, so that a session of twelve hours takes no more memory than one of an hour. What has been let go is drawn in
summary: for each camera, how much of each step of time it was on air.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tap.core.status import Totals
from tap.core.turns import Turns

__all__ = ["MOST_STEPS", "SessionTotals", "Steps"]

MOST_STEPS = 512
"""In which a past is drawn: as many as a wide screen has room for."""
_FIRST_STEP_MS = 5_000


class Steps:
    """How much of each step of time each camera was on air; steps grow with what they have to hold."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.step_ms = _FIRST_STEP_MS
        self.cameras: list[Counter[str]] = []

    def add(self, camera: str, start: int, end: int) -> None:
        """A camera was on air from ``start`` to ``end``."""
        at = max(start, self.start)
        while end - self.start > self.step_ms * MOST_STEPS:
            self._widen()
        while at < end:
            index = (at - self.start) // self.step_ms
            until = min(end, self.start + (index + 1) * self.step_ms)
            self.cameras.extend(Counter() for _ in range(index + 1 - len(self.cameras)))
            self.cameras[index][camera] += until - at
            at = until

    def _widen(self) -> None:
        self.step_ms *= 2
        pairs = range(0, len(self.cameras), 2)
        self.cameras = [sum(self.cameras[index : index + 2], Counter()) for index in pairs]


class SessionTotals:
    """One session's numbers as far as it was taken; moments are on the clock that the session began with."""

    def __init__(self, state: Mapping[str, Any], start: int) -> None:
        self.turns = Turns(state, start)
        self.events: Counter[str] = Counter()
        self.on_air: Counter[str] = Counter()
        """Milliseconds by camera, of the spans that are over."""
        self.hold_ms = self.unknown_ms = self.gap_ms = 0
        self.steps: Steps | None = Steps(start)
        """Of the spans that are over; None where nobody draws them in summary."""

    def take(self, kind: str, at: int, fields: Mapping[str, Any]) -> None:
        """The next event in the order in which the session is read."""
        self.events[kind] += 1
        turned = self.turns.take(kind, at, fields)
        if turned is not None:
            self.gap_ms += turned.duration or 0
            if turned.start is None and not turned.covered:
                # What was on before a first sight was never told.
                self.on_air.clear()
                self.unknown_ms = 0
                self.steps = None if self.steps is None else Steps(self.turns.start)
        self._drain()

    def totals(self, now: int) -> Totals:
        """The numbers as of ``now``: what goes on counts up to it."""
        turns, on_air = self.turns, Counter(self.on_air)
        end = max([now, turns.program.since, turns.hold.since])
        if turns.program.value is not None:
            on_air[turns.program.value] += end - turns.program.since
        held = 0 if turns.hold.value is None else end - turns.hold.since
        dark = 0 if turns.dark is None else end - turns.dark
        return Totals(
            length_ms=max(0, end - turns.start),
            cuts=self.events["cut"],
            on_air_ms={camera: length for camera, length in on_air.items() if length},
            unknown_ms=self.unknown_ms + dark,
            holds=turns.holds,
            hold_ms=self.hold_ms + held,
            gaps=self.events["gap"],
            gap_ms=self.gap_ms,
            events=dict(sorted(self.events.items())),
        )

    def holds_and_lengths(self) -> tuple[object, ...]:
        """What changes where events are read in another order."""
        return self.turns.holds, self.hold_ms, self.unknown_ms, dict(self.on_air), self.turns.program.value

    def copy(self) -> SessionTotals:
        """Goes on by itself, without steps."""
        other = SessionTotals({}, self.turns.start)
        other.turns = self.turns.copy()
        other.events, other.on_air = Counter(self.events), Counter(self.on_air)
        other.hold_ms, other.unknown_ms, other.gap_ms = self.hold_ms, self.unknown_ms, self.gap_ms
        other.steps = None
        return other

    def _drain(self) -> None:
        for span in self.turns.program.over:
            if span.end > span.start:
                self.on_air[span.value] += span.end - span.start
                if self.steps is not None:
                    self.steps.add(span.value, span.start, span.end)
        self.hold_ms += sum(max(0, span.end - span.start) for span in self.turns.hold.over)
        self.unknown_ms += sum(max(0, end - start) for start, end in self.turns.unknown)
        for over in (self.turns.program.over, self.turns.hold.over, self.turns.mode.over):
            over.clear()
        self.turns.unknown.clear()
