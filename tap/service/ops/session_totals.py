"""The numbers of the running session, added up event by event. They are the same as in its timeline and its report.

:class:`tap.core.spans.Spans` makes spans from events, as everywhere. Here, spans that are over are added up and then
dropped, so that a session of twelve hours needs no more memory than one of an hour. Their summary says how long each
camera was on air in each step of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tap.core.spans import Spans
from tap.core.status import Totals

__all__ = ["MOST_STEPS", "SessionTotals", "Steps"]

MOST_STEPS = 512
"""Steps of a summary, at most: as many as fit on a wide screen."""
_FIRST_STEP_MS = 5_000


class Steps:
    """How long each camera was on air in each step of time, in ms. Steps get longer with the session."""

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
    """The numbers of the events taken so far. Moments are by the clock that the session began with."""

    def __init__(self, state: Mapping[str, Any], start: int) -> None:
        self.spans = Spans(state, start)
        self.events: Counter[str] = Counter()
        self.on_air: Counter[str] = Counter()
        """Milliseconds by camera, for the spans that are over."""
        self.hold_ms = self.unknown_ms = self.gap_ms = 0
        self.steps: Steps | None = Steps(start)
        """The summary of the spans that are over; None if nobody draws it."""

    def take(self, kind: str, at: int, fields: Mapping[str, Any]) -> None:
        """The next event in the order in which the session is read."""
        self.events[kind] += 1
        gap = self.spans.take(kind, at, fields)
        if gap is not None:
            self.gap_ms += gap.duration or 0
            if gap.start is None and not gap.covered:
                # What was on air before the tap first saw the session is unknown.
                self.on_air.clear()
                self.unknown_ms = 0
                self.steps = None if self.steps is None else Steps(self.spans.start)
        self._drain()

    def totals(self, now: int) -> Totals:
        """The numbers as of ``now`` (a moment); spans that go on count until then."""
        spans, on_air = self.spans, Counter(self.on_air)
        end = max([now, spans.program.since, spans.hold.since])
        if spans.program.value is not None:
            on_air[spans.program.value] += end - spans.program.since
        held = 0 if spans.hold.value is None else end - spans.hold.since
        dark = 0 if spans.dark is None else end - spans.dark
        return Totals(
            length_ms=max(0, end - spans.start),
            cuts=self.events["cut"],
            on_air_ms={camera: length for camera, length in on_air.items() if length},
            unknown_ms=self.unknown_ms + dark,
            holds=spans.holds,
            hold_ms=self.hold_ms + held,
            gaps=self.events["gap"],
            gap_ms=self.gap_ms,
            events=dict(sorted(self.events.items())),
        )

    def holds_and_lengths(self) -> tuple[object, ...]:
        """The numbers that change if events are read in another order."""
        return self.spans.holds, self.hold_ms, self.unknown_ms, dict(self.on_air), self.spans.program.value

    def copy(self) -> SessionTotals:
        """A copy that goes on by itself, without steps."""
        other = SessionTotals({}, self.spans.start)
        other.spans = self.spans.copy()
        other.events, other.on_air = Counter(self.events), Counter(self.on_air)
        other.hold_ms, other.unknown_ms, other.gap_ms = self.hold_ms, self.unknown_ms, self.gap_ms
        other.steps = None
        return other

    def _drain(self) -> None:
        for span in self.spans.program.over:
            if span.end > span.start:
                self.on_air[span.value] += span.end - span.start
                if self.steps is not None:
                    self.steps.add(span.value, span.start, span.end)
        self.hold_ms += sum(max(0, span.end - span.start) for span in self.spans.hold.over)
        self.unknown_ms += sum(max(0, end - start) for start, end in self.spans.unknown)
        for over in (self.spans.program.over, self.spans.hold.over, self.spans.mode.over):
            over.clear()
        self.spans.unknown.clear()
