"""Telemetry that is only counted leaves what it would have left frame by frame, whenever deadlines fall."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from bench.load import Load
from tap.adapters.dialects import load_dialect
from tap.core.machine.memory import Checkpoint
from tap.core.mapping import Dialect, Verdict
from tap.core.model import Closed, Entry, Frame, Opened, SourceItem, Stamp
from tap.core.pipeline import Pipeline
from tap.service.running.ingest import Ingest
from tests.core.test_shortcuts import DIALECTS

START = 1_795_000_000_000


class Time:
    """A loop and a clock that go when they are told to."""

    def __init__(self) -> None:
        self.now = 0
        self._next = 0
        self._turns: list[Callable[[], None]] = []
        self._timers: list[tuple[float, int, Callable[[], None], list[bool]]] = []

    def stamp(self) -> Stamp:
        return Stamp(START + self.now, self.now)

    def time(self) -> float:
        return self.now / 1000

    def call_soon(self, what: Callable[[], None]) -> None:
        self._turns.append(what)

    def call_later(self, seconds: float, what: Callable[[], None]) -> Any:
        self._next += 1
        cancelled: list[bool] = []
        # A difference of two times in seconds is never quite a whole number of milliseconds.
        heapq.heappush(self._timers, (round(self.now + seconds * 1000, 6), self._next, what, cancelled))
        return type("Handle", (), {"cancel": lambda _: cancelled.append(True)})()

    def turn(self) -> None:
        turns, self._turns = self._turns, []
        for what in turns:
            what()

    def go(self, ms: int) -> None:
        """Time passes, and what is due then is done then."""
        end = self.now + ms
        self.turn()
        while self._timers and self._timers[0][0] <= end:
            due, _, what, cancelled = heapq.heappop(self._timers)
            if not cancelled:
                self.now = max(self.now, -int(-due // 1))
                what()
                self.turn()
        self.now = end

    def stall(self, ms: int) -> None:
        """Time passes, and nobody gets to do anything."""
        self.now += ms


class Desk:
    """A pipeline with its ingest; telemetry is given to it as a number, or frame by frame."""

    def __init__(self, dialect: Dialect, *, counted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = Time()
        self.counted = counted
        self.submitted: list[tuple[list[Entry], Checkpoint | None]] = []
        self.recorded: list[tuple[SourceItem, Verdict | None, str]] = []
        self.pipeline = Pipeline(dialect, venue="v", tap="t")
        self.pipeline.resume(START)
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "get_running_loop", lambda: self.time)
            clock: Any = self.time
            self.ingest = Ingest(
                self.pipeline, self._submit, clock, record=lambda *what: self.recorded.append(what), save_every=4.0
            )
        self._numbers = itertools.count(1)

    def _submit(self, entries: Sequence[Entry], checkpoint: Checkpoint | None) -> None:
        self.submitted.append((list(entries), checkpoint))

    def says(self, data: bytes, *, binary: bool = False) -> None:
        self.ingest.on_item(Frame(data, self.time.stamp(), 1, next(self._numbers), binary))

    def telemetry(self, frames: Sequence[bytes]) -> None:
        if not self.counted:
            for data in frames:
                self.says(data)
        elif frames:
            self.ingest.on_telemetry(self.time.stamp(), len(frames))

    def left(self) -> dict[str, Any]:
        """All that is to be seen of it."""
        return {
            "submitted": self.submitted,
            "tally": to_builtins(self.pipeline.tally),
            "recorded": [(type(item), verdict, kind) for item, verdict, kind in self.recorded],
            "checkpoint": self.pipeline.checkpoint(),
            "deadline": self.pipeline.deadline(),
            "slips": self.ingest.slips,
        }


_MULTICAM = load_dialect("multicam/1")
_POSES = [frame for frame in Load().telemetry(300) if _MULTICAM.is_telemetry(frame)]
_MIXED = list(Load().mixed(400))
_CONTROL = [frame for frame in _MIXED if not _MULTICAM.is_telemetry(frame)]
_SILENT = DIALECTS["a beat every 10 s"]


def _runs(frames: Sequence[bytes], dialect: Dialect) -> Iterator[tuple[bool, list[bytes]]]:
    for known, run in itertools.groupby(frames, dialect.is_telemetry):
        yield known, list(run)


_step = st.one_of(
    st.tuples(st.just("telemetry"), st.integers(1, 40)),
    st.tuples(st.just("telemetry"), st.integers(1, 3)),
    st.tuples(st.just("control"), st.integers(0, len(_CONTROL) - 1)),
    st.tuples(st.just("turn"), st.just(0)),
    st.tuples(st.just("go"), st.sampled_from([1, 10, 400, 2_000, 4_001, 9_999, 10_001, 25_000, 31_000, 1_900_000])),
    st.tuples(st.just("stall"), st.sampled_from([1, 2_001, 5_001, 10_001, 31_000])),
    st.tuples(st.just("line"), st.integers(0, 1)),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(dialect=st.sampled_from([_MULTICAM, _SILENT]), steps=st.lists(_step, max_size=40))
def test_telemetry_that_is_counted_leaves_the_same(
    monkeypatch: pytest.MonkeyPatch, dialect: Dialect, steps: list[tuple[str, int]]
) -> None:
    """Entries and checkpoints as they were handed over, what was recorded, counts, what is due next."""
    desks = [Desk(dialect, counted=counted, monkeypatch=monkeypatch) for counted in (True, False)]
    for desk in desks:
        desk.ingest.on_item(Opened(desk.time.stamp(), 1))
        for what, number in [*steps, ("go", 5_000)]:
            if what == "telemetry":
                desk.telemetry((_POSES * 2)[number : number + number])
            elif what == "control":
                desk.says(_CONTROL[number])
            elif what == "go":
                desk.time.go(number)
            elif what == "stall":
                desk.time.stall(number)
            elif what == "line":
                item = Closed(desk.time.stamp(), 1, "gone") if number else Opened(desk.time.stamp(), 1)
                desk.ingest.on_item(item)
            else:
                desk.time.turn()
        desk.ingest.flush()
    assert desks[0].left() == desks[1].left()


@pytest.mark.parametrize("dialect", [_MULTICAM, _SILENT], ids=["as it ships", "with a beat"])
@pytest.mark.parametrize("gap_ms", [1, 700])
def test_a_load_that_is_counted_leaves_the_same(monkeypatch: pytest.MonkeyPatch, dialect: Dialect, gap_ms: int) -> None:
    """A control WebSocket as it is, in dense runs and with silence between them."""
    desks = [Desk(dialect, counted=counted, monkeypatch=monkeypatch) for counted in (True, False)]
    for desk in desks:
        desk.ingest.on_item(Opened(desk.time.stamp(), 1))
        desk.says(orjson.dumps({"type": "hello", "boot_id": "b"}))
        for known, run in _runs(_MIXED, dialect):
            if known:
                desk.telemetry(run)
            else:
                for data in run:
                    desk.says(data)
            desk.time.go(gap_ms)
        desk.ingest.flush()
    assert desks[0].left() == desks[1].left()
    assert desks[0].pipeline.tally.telemetry > 300
    assert any(entries for entries, _ in desks[0].submitted)


@pytest.mark.parametrize("frames", [1, 20])
def test_what_is_due_is_told_by_the_telemetry_that_comes_then(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """A camera's grace ends while the loop stands still; the first that is read behind it is telemetry."""
    desks = [Desk(_MULTICAM, counted=counted, monkeypatch=monkeypatch) for counted in (True, False)]
    for desk in desks:
        desk.ingest.on_item(Opened(desk.time.stamp(), 1))
        desk.says(orjson.dumps({"type": "state", "session": {"id": "s"}, "program": "c1", "cameras": [{"id": "c1"}]}))
        desk.time.go(10_000)
        desk.says(orjson.dumps({"type": "camera_left", "camera_id": "c1"}))
        desk.time.go(100)
        before = desk.pipeline.tally.entries
        desk.time.stall(20_000)
        desk.telemetry(_POSES[:frames])
        assert desk.pipeline.tally.entries > before
        desk.time.turn()
        desk.ingest.flush()
    assert desks[0].left() == desks[1].left()
