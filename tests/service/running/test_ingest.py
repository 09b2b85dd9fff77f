"""The hot loop hands entries and checkpoints over together, keeps time in silence, and never stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tap.adapters.dialects import load_dialect
from tap.core.machine.memory import Checkpoint
from tap.core.model import Alive, Closed, Entry, Frame, Opened, Policy, SourceItem
from tap.core.pipeline import Pipeline
from tap.service.running import ingest
from tap.service.running.ingest import SAVE_EVERY_S, Ingest
from tests.turning import LoopClock, TurningLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Nothing here has a thread or a socket: no deadline waits for the machine's clock, nor is missed by it."""
    return "asyncio", {"loop_factory": TurningLoop}


class Keeper:
    """What was submitted, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[Entry], Checkpoint | None]] = []
        self._news = asyncio.Event()

    def submit(self, entries: Sequence[Entry], checkpoint: Checkpoint | None) -> None:
        self.batches.append((list(entries), checkpoint))
        self._news.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self._news.clear()
            await self._news.wait()

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch, _ in self.batches for entry in batch]


class Desk:
    """A pipeline with its ingest, and a server's part to play."""

    def __init__(self, *, save_every: float = SAVE_EVERY_S, policy: Policy | None = None) -> None:
        self.clock = LoopClock()
        self.kept = Keeper()
        self.pipeline = Pipeline(load_dialect("multicam/1"), venue="hall", tap="tap", policy=policy)
        self.told: list[Entry] = []
        self.ingest = Ingest(
            self.pipeline, self.kept.submit, self.clock, on_entries=self.told.extend, save_every=save_every
        )

    def says(self, **fields: Any) -> None:
        self.ingest.on_item(Frame(json.dumps(fields).encode(), self.clock.stamp(), 1))

    def begins(self) -> None:
        self.ingest.on_item(Opened(self.clock.stamp(), 1))
        self.says(type="state", session={"id": "s1"}, program="c1", mode="performance", cameras=[{"id": "c1"}])


async def test_one_turn_is_one_submission() -> None:
    """What comes in one turn of the loop goes together, with the checkpoint after it."""
    desk = Desk()
    desk.begins()
    for camera in ("c2", "c3", "c4"):
        desk.says(type="cut", to=camera)
    assert desk.kept.batches == []
    await asyncio.sleep(0)
    ((entries, checkpoint),) = desk.kept.batches
    assert [entry.fields["kind"] for entry in entries if entry.op == "event"].count("cut") == 3
    assert checkpoint is not None
    assert checkpoint.state == desk.pipeline.save().state
    assert desk.told == entries


async def test_a_burst_is_saved_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of it at once; what follows within milliseconds goes together, once these are over."""
    monkeypatch.setattr(ingest, "_TOGETHER_S", 3600.0)
    desk = Desk()
    desk.begins()
    await asyncio.sleep(0)
    assert len(desk.kept.batches) == 1
    monkeypatch.setattr(ingest, "_TOGETHER_S", 0.2)
    for camera in ("c2", "c3", "c4"):
        desk.says(type="cut", to=camera)
        await asyncio.sleep(0)
    assert len(desk.kept.batches) == 1
    await desk.kept.until(lambda: len(desk.kept.batches) == 2)
    entries, checkpoint = desk.kept.batches[1]
    assert [entry.fields["kind"] for entry in entries if entry.op == "event"] == ["cut"] * 3
    assert checkpoint is not None
    assert checkpoint.state == desk.pipeline.save().state


@pytest.mark.parametrize(("at_once", "later_ms"), [(8, 10), (9, 40)])
async def test_what_follows_many_entries_waits_for_more(at_once: int, later_ms: int) -> None:
    """A server that tells its history is saved in fewer commits; a few cuts in a row wait only for ten milliseconds."""
    desk = Desk()
    desk.begins()
    for camera in ("c2", "c3"):  # known from here on: a cut is one entry
        desk.says(type="cut", to=camera)
    await asyncio.sleep(1)
    for number in range(at_once):
        desk.says(type="cut", to=f"c{2 + number % 2}")
    await asyncio.sleep(0)
    assert len(desk.kept.batches[-1][0]) == at_once, "each is one entry, and the first save comes at once"
    saved, saves = desk.clock.stamp().mono, len(desk.kept.batches)
    desk.says(type="cut", to="c1")
    await desk.kept.until(lambda: len(desk.kept.batches) > saves)
    assert desk.clock.stamp().mono - saved == later_ms


async def test_in_a_burst_a_drop_is_saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what came before it."""
    monkeypatch.setattr(ingest, "_TOGETHER_S", 3600.0)
    desk = Desk()
    desk.begins()
    await asyncio.sleep(0)
    desk.says(type="cut", to="c2")
    await asyncio.sleep(0)
    assert len(desk.kept.batches) == 1
    desk.ingest.on_item(Closed(desk.clock.stamp(), 1, "gone"))
    await asyncio.sleep(0)
    assert len(desk.kept.batches) == 2
    assert any(entry.fields.get("kind") == "cut" for entry in desk.kept.batches[1][0])


async def test_last_heard_is_saved_while_frames_come() -> None:
    """Telemetry makes no entry, but a checkpoint now and then; without frames there is none."""
    desk = Desk(save_every=0.02)
    for count in (1, 2, 3):
        desk.says(type="pose", x=1)
        assert desk.kept.batches[count - 1 :] == []
        await desk.kept.until(lambda: len(desk.kept.batches) == count)  # noqa: B023
    assert desk.kept.entries == []
    await asyncio.sleep(0.1)
    assert len(desk.kept.batches) == 3
    assert SAVE_EVERY_S < 5


async def test_connects_and_drops_are_saved_at_once() -> None:
    """A kill right after a drop must not make it longer than it was."""
    desk = Desk()
    for item in (Opened(desk.clock.stamp(), 1), Closed(desk.clock.stamp(), 1, "gone")):
        before = len(desk.kept.batches)
        desk.ingest.on_item(item)
        await asyncio.sleep(0)
        assert len(desk.kept.batches) == before + 1


async def test_time_goes_on_in_silence() -> None:
    """A camera that stays away is told after the grace time, though not a frame comes."""
    desk = Desk(policy=Policy(grace_ms=80))
    desk.begins()
    desk.says(type="camera_left", camera_id="c1")
    await desk.kept.until(lambda: any(entry.fields.get("status") == "offline" for entry in desk.kept.entries))


async def test_a_deadline_that_moves_away_wakes_nobody_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that comes back in time leaves no trace; its timer goes off once, and looks no further."""
    desk = Desk(policy=Policy(grace_ms=60))
    happened: list[str] = []
    tick, feed = Ingest._tick, desk.pipeline.feed

    def goes_off(ingest: Ingest) -> None:
        happened.append("timer")
        tick(ingest)

    def is_fed(item: SourceItem) -> list[Entry]:
        happened.extend(["alive"] * isinstance(item, Alive))
        return feed(item)

    monkeypatch.setattr(Ingest, "_tick", goes_off)
    monkeypatch.setattr(desk.pipeline, "feed", is_fed)
    desk.begins()
    desk.says(type="camera_left", camera_id="c1")
    await asyncio.sleep(0.01)
    desk.says(type="camera_joined", camera={"id": "c1"})
    await asyncio.sleep(0.5)
    assert not any(entry.fields.get("status") == "offline" for entry in desk.kept.entries)
    assert happened == ["timer"]


class Stub(Pipeline):
    """A pipeline with a bug: it fails on frames, and its deadline never goes away."""

    ticks = 0

    def feed(self, item: SourceItem) -> list[Entry]:
        if isinstance(item, Alive):
            self.ticks += 1
            return []
        raise ZeroDivisionError

    def deadline(self) -> int | None:
        return 0

    def save(self, *, everything: bool = False) -> Checkpoint:
        return Checkpoint(b"{}", {}, everything)


async def test_a_bug_in_the_pipeline_stops_nothing() -> None:
    """It is counted, and what follows is taken; a deadline that stays does not eat the machine."""
    kept, clock = Keeper(), LoopClock()
    stub = Stub(load_dialect("multicam/1"), venue="hall", tap="tap")
    hot = Ingest(stub, kept.submit, clock)
    for _ in range(30):
        hot.on_item(Frame(b"{}", clock.stamp()))
    assert hot.slips == 30
    while not stub.ticks:  # noqa: ASYNC110 - a stub tells nobody
        await asyncio.sleep(0.01)
    before = stub.ticks
    await asyncio.sleep(100 * ingest._SOONEST_S)
    assert 99 <= stub.ticks - before <= 100
    hot.flush()
    ticks = stub.ticks
    await asyncio.sleep(0.05)
    assert stub.ticks == ticks


async def test_a_flush_hands_over_what_is_left() -> None:
    """At the end nothing stays behind."""
    desk = Desk()
    desk.begins()
    desk.ingest.flush()
    assert len(desk.kept.batches) == 1
    assert desk.kept.entries


async def test_a_state_that_cannot_be_written_costs_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened is kept without it, and that it could not be is counted as the bug that it is."""
    desk = Desk()

    def fails(*, everything: bool = False) -> Checkpoint:
        raise OverflowError("a number of 309 digits")

    with monkeypatch.context() as patched:
        patched.setattr(desk.pipeline, "save", fails)
        desk.begins()
        await asyncio.sleep(0)
    ((entries, checkpoint),) = desk.kept.batches
    assert (bool(entries), checkpoint, desk.ingest.slips) == (True, None, 1)
    for camera, whole in (("c2", True), ("c1", False)):
        desk.says(type="cut", to=camera)
        desk.ingest.flush()
        saved = desk.kept.batches[-1][1]
        assert saved is not None
        # What changed of the memory meanwhile is not lost: all of it comes once.
        assert (saved.state, saved.whole) == (desk.pipeline.save().state, whole)


async def test_who_looks_on_is_told_at_once_that_a_transition_has_begun() -> None:
    """It is no entry of the history; nothing is told twice while it runs."""
    kept, clock = Keeper(), LoopClock()
    pipeline = Pipeline(load_dialect("obs"), venue="hall", tap="tap")
    told: list[Sequence[Entry]] = []
    hot = Ingest(pipeline, kept.submit, clock, on_entries=told.append)

    def event(kind: str, **data: Any) -> None:
        frame = {"op": 5, "d": {"eventType": kind, "eventIntent": 16, "eventData": data}}
        hot.on_item(Frame(json.dumps(frame).encode(), clock.stamp(), 1))

    def listed(program: str, ident: str) -> None:
        said = {"currentProgramSceneName": program, "scenes": [{"sceneName": "A"}, {"sceneName": "B"}]}
        status = {"code": 100, "result": True}
        body = {"requestType": "GetSceneList", "requestId": ident, "requestStatus": status, "responseData": said}
        hot.on_item(Frame(json.dumps({"op": 7, "d": body}).encode(), clock.stamp(), 1))

    hot.on_item(Opened(clock.stamp(), 1))
    hot.on_item(Frame(b'{"op":0,"d":{"obsWebSocketVersion":"5.7.4"}}', clock.stamp(), 1))
    hot.on_item(Frame(b'{"op":2,"d":{"negotiatedRpcVersion":1}}', clock.stamp(), 1))
    listed("A", "multicam-tap GetSceneList")
    for kind in ("GetStudioModeEnabled", "GetRecordStatus", "GetStreamStatus"):
        status = {"code": 100, "result": True}
        said = {"requestType": kind, "requestId": "x", "requestStatus": status, "responseData": {}}
        hot.on_item(Frame(json.dumps({"op": 7, "d": said}).encode(), clock.stamp(), 1))
    await asyncio.sleep(0)
    before = len(told)
    event("SceneTransitionStarted", transitionName="Fade")
    listed("B", "multicam-tap GetSceneList transition 1")
    await asyncio.sleep(0)
    assert pipeline.state.heading is not None
    assert [list(entries) for entries in told[before:]] == [[]]
    event("CurrentPreviewSceneChanged", sceneName="A")
    await asyncio.sleep(0)
    assert len(told) == before + 1
