"""Marks: by an event of anybody's own, a saved replay, a plugin, a stream that is lost; bounded in length and rate."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tap.core import redact
from tap.core.mapping import Reading, Verdict
from tap.core.model import Frame, Policy, Stamp
from tap.core.obs import ObsDialect
from tap.core.obs.marks import LABEL, MARKS_A_MINUTE
from tap.core.secret import REDACTED
from tests.obs.stage import T0, ObsStage


def marks(stage: ObsStage) -> list[tuple[str | None, str, str | None]]:
    found = stage.events("marker")
    return [(event["detail"].get("label"), event["detail"]["source"], event.get("cameraId")) for event in found]


def test_what_a_plugin_says_beyond_marks_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a megabyte, ten times a second, and the cuts beside it have to be read in time. Marks are."""
    looked: list[Any] = []
    redacted = redact.redact_json

    def look(parsed: Any, *more: Any) -> Any:
        looked.append(parsed)
        return redacted(parsed, *more)

    monkeypatch.setattr(redact, "redact_json", look)
    obs = ObsDialect()

    def read(kind: str, **data: Any) -> Any:
        said = orjson.dumps({"op": 5, "d": {"eventType": kind, "eventData": data}})
        return obs.message(Frame(said, Stamp(0, 0), 1, 1, False))

    dump = {"vendorName": "x", "eventType": "dump", "eventData": {"blob": "x" * 1_000_000, "password": "hush"}}
    assert read("VendorEvent", **dump) == Reading(Verdict.IGNORED, "VendorEvent")
    assert read("CustomEvent", blob="x" * 1_000_000, token="hush") == Reading(Verdict.QUIET, "CustomEvent")
    assert not looked
    assert read("CustomEvent", text="token=hush").data["label"] == f"token={REDACTED}"
    assert len(looked) == 1


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ({"marker": "the good one"}, "the good one"),
        ({"label": "Goal", "x": 1}, "Goal"),
        ({"text": "Speech begins"}, "Speech begins"),
        ({"marker": True, "label": "Goal"}, "Goal"),
        ({"marker": 7}, "7"),
        ({"marker": True}, None),
        ({"marker": ""}, None),
        ({"marker": "  two \n lines\t"}, "two lines"),
        ({"marker": "a", "label": "b", "text": "c"}, "a"),
        ({"marker": "x" * 1_000_000}, "x" * (LABEL - 1) + "…"),
        ({"marker": "🎬" * 500}, "🎬" * (LABEL - 1) + "…"),
    ],
)
def test_an_event_of_anybody_s_own_with_a_mark_in_it_is_one(data: dict[str, Any], label: str | None) -> None:
    """With what it is called, and what was on air."""
    stage = ObsStage().shoot()
    stage.event("CustomEvent", **data)
    assert marks(stage) == [(label, "custom event", "A")]
    assert stage.events("marker")[0]["at"] == T0 + 2_000


@pytest.mark.parametrize(
    "data",
    [
        *({}, {"marker": None}, {"marker": False}, {"marker": []}, {"marker": {}}, {"label": ["x"]}, {"other": "x"}),
        {"text": None, "label": False},
    ],
)
def test_one_without_is_counted_and_no_more(data: dict[str, Any]) -> None:
    """What others send each other is none of the history."""
    stage = ObsStage().shoot()
    stage.event("CustomEvent", **data)
    assert stage.pipeline.verdict is Verdict.QUIET
    assert not stage.events("marker")


def test_a_replay_that_was_saved_is_a_mark_with_its_file_s_name() -> None:
    """Of whatever system; where there is no name, without one."""
    stage = ObsStage().shoot()
    stage.event("ReplayBufferSaved", savedReplayPath="/rec/Replay 2026-11-20 10-00-40.mkv")
    stage.event("ReplayBufferSaved", savedReplayPath="C:\\Videos\\Replay 2.mkv")
    stage.event("ReplayBufferSaved", savedReplayPath="/rec/")
    assert [mark[:2] for mark in marks(stage)] == [
        ("Replay 2026-11-20 10-00-40.mkv", "replay buffer"),
        ("Replay 2.mkv", "replay buffer"),
        (None, "replay buffer"),
    ]


def test_a_plugin_s_mark_names_the_plugin() -> None:
    """What else it says is counted, however much that is, and takes no room on a tape."""
    stage = ObsStage().shoot()
    vendor = {"vendorName": "AdvancedSceneSwitcher", "eventType": "macro"}
    stage.event("VendorEvent", **vendor, eventData={"marker": "take 2"})
    assert marks(stage) == [("take 2", "AdvancedSceneSwitcher", "A")]
    others: tuple[Any, ...] = ({"state": "x" * 1_000_000}, None, [], {"marker": None})
    for said in others:
        stage.event("VendorEvent", **vendor, eventData=said)
        assert stage.pipeline.verdict is Verdict.IGNORED
    assert stage.pipeline.tally.telemetry == 4
    assert len(stage.events("marker")) == 1
    stage.event("VendorEvent", eventData={"text": "of nobody"})
    assert marks(stage)[-1][:2] == ("of nobody", "plugin")


def test_a_megabyte_is_neither_remembered_nor_in_anybody_s_way() -> None:
    """The cut beside it is there, and the checkpoint is as small as before."""
    stage = ObsStage().shoot()
    before = len(stage.pipeline.checkpoint())
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("B")  # held, and what comes behind it with it
    stage.event("CustomEvent", marker="m" * 1_000_000, more=["x"] * 100_000)
    stage.event("VendorEvent", vendorName="v" * 1_000_000, eventData={"label": "l", "more": "x" * 1_000_000})
    assert len(stage.pipeline.checkpoint()) < before + 2_000
    stage.wait(100)
    assert stage.cuts() == [("A", "B")]
    assert [mark[2] for mark in marks(stage)] == ["B", "B"]
    assert max(len(orjson.dumps(entry.fields)) for entry in stage.entries) < 2_000


def test_a_stream_that_is_lost_is_a_mark_and_no_gap() -> None:
    """A gap is the tap's own blindness."""
    stage = ObsStage().shoot()
    stage.record("STARTED", kind="Stream")
    stage.later(1_000).record("RECONNECTING", kind="Stream")
    stage.later(1_000).record("RECONNECTED", kind="Stream")
    assert marks(stage) == [("stream reconnecting", "stream", "A")]
    assert not stage.events("gap")


def test_without_a_session_a_mark_leaves_no_trace() -> None:
    """As nothing does."""
    stage = ObsStage()
    stage.connect()
    stage.event("CustomEvent", marker="early")
    stage.later(1_000).record("STARTED", "/rec/1.mkv")
    assert not marks(stage)


def test_more_marks_than_a_person_makes_are_not_kept_and_that_is_told() -> None:
    """As long as they come too fast; cuts are not bounded."""
    stage = ObsStage().shoot()
    for number in range(200):
        stage.later(10).event("CustomEvent", marker=f"mark {number}")
    assert len(marks(stage)) == MARKS_A_MINUTE
    assert stage.pipeline.tally.incomplete == 200 - MARKS_A_MINUTE
    (sample,) = stage.pipeline.tally.samples
    assert f"more than {MARKS_A_MINUTE} marks in a minute" in sample.reason
    stage.later(60_000).event("CustomEvent", marker="later")
    assert marks(stage)[-1][0] == "later"
    for _ in range(100):
        stage.event("SceneTransitionStarted", transitionName="Cut")
        stage.later(20).program("B")
        stage.later(120).program("A")
    stage.wait(100)
    assert len(stage.cuts()) == 200


def test_a_stream_that_begins_and_ends_more_often_than_a_person_marks_is_told_each_time() -> None:
    """Only that it is lost is a mark; beginning and end are sessions."""
    stage = ObsStage(Policy(session="stream")).shoot()
    for _ in range(MARKS_A_MINUTE):
        stage.later(100).record("STARTED", kind="Stream")
        stage.later(100).record("STOPPED", kind="Stream")
    assert [session["status"] for session in stage.sessions()] == ["complete"] * MARKS_A_MINUTE
    assert stage.pipeline.tally.incomplete == 0
