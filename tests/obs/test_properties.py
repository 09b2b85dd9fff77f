"""Whatever OBS says, in whatever order: nothing breaks, and nothing depends on when the tap looked."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tap.core.codec import entry_json
from tap.core.mapping.language import EMITS
from tap.core.model import Alive
from tests.obs.stage import DIALECT, ObsStage

TELLS = {getattr(make, "func", make).__name__ for make in (EMITS[word].make for word in DIALECT.emits)}
TELLS |= {"Coming", "Marker", "ProgramLost", "SetUp"}
"""The observations that the dialect says it can make, and those that no mapping can."""

SCENES = st.sampled_from(["A", "B", "C", "D"])
STATES = st.sampled_from(["STARTING", "STARTED", "STOPPING", "STOPPED", "PAUSED", "RESUMED", "WHATEVER"])
NAMES = st.sampled_from(["Cut", "Fade", "Stinger"])
ODD = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3) | st.lists(st.booleans(), max_size=2)
)

EVENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "CurrentProgramSceneChanged": {"sceneName": SCENES},
    "SceneTransitionStarted": {"transitionName": NAMES},
    "SceneTransitionVideoEnded": {"transitionName": NAMES},
    "CurrentSceneTransitionDurationChanged": {"transitionDuration": st.integers(50, 2000)},
    "RecordStateChanged": {"outputState": STATES.map("OBS_WEBSOCKET_OUTPUT_{}".format), "outputPath": st.just("/r")},
    "RecordFileChanged": {"newOutputPath": st.just("/r2")},
    "StreamStateChanged": {"outputState": STATES},
    "SceneCreated": {"sceneName": SCENES, "isGroup": st.booleans()},
    "SceneRemoved": {"sceneName": SCENES},
    "SceneNameChanged": {"oldSceneName": SCENES, "sceneName": SCENES, "sceneUuid": st.sampled_from(["u", None])},
    "StudioModeStateChanged": {"studioModeEnabled": st.booleans()},
    "ScreenshotSaved": {"savedScreenshotPath": st.just("/s.png")},
    "CurrentSceneCollectionChanging": {},
    "CurrentSceneCollectionChanged": {},
    "ExitStarted": {},
}


@st.composite
def happenings(draw: st.DrawFn) -> tuple[int, str, dict[str, Any]]:
    """How much later, what kind, and with what; now and then a field is not what it should be."""
    kind = draw(st.sampled_from([*EVENTS, "connect", "drop", "answers", "greet", "restart"]))
    data = {
        name: draw(ODD if draw(st.integers(0, 9)) == 9 else values) for name, values in EVENTS.get(kind, {}).items()
    }
    if kind == "answers":
        recording = draw(st.none() | st.integers(0, 90_000))
        data = {"program": draw(SCENES), "recording": recording, "paused": draw(st.booleans())}
        data |= {
            "studio": draw(st.booleans()),
            "order": tuple(draw(st.permutations(range(4)))[: draw(st.integers(0, 4))]),
        }
    return draw(st.sampled_from([0, 5, 20, 61, 400, 2500, 40_000])), kind, data


def perform(stage: ObsStage, happening: tuple[int, str, dict[str, Any]]) -> None:
    later, kind, data = happening
    stage.later(later)
    match kind:
        case "connect":
            stage.connect()
        case "greet":
            stage.greet(opened=False)
        case "drop":
            stage.drop()
        case "answers":
            stage.answers(**data)
        case "restart":
            stage.restart_tap(1000)
        case _:
            stage.event(kind, **data)


@settings(deadline=None)
@given(st.lists(happenings(), max_size=40))
def test_nothing_that_obs_says_breaks_the_tap(shoot: list[tuple[int, str, dict[str, Any]]]) -> None:
    """And what is written is whole: keys of their own, cameras that are known, times that do not lie ahead."""
    stage = ObsStage()
    for happening in shoot:
        perform(stage, happening)
    stage.wait(60_000)
    for event in stage.events("cut"):
        assert event["cameraId"] != event.get("fromCameraId")
        assert event["at"] <= event["observedAt"]
    for entry in stage.entries:
        entry_json(entry)
    assert set(stage.pipeline.tally.said) <= TELLS


@settings(deadline=None)
@given(st.lists(happenings(), max_size=30), st.integers(0, 70))
def test_timers_and_checkpoints_change_nothing(shoot: list[tuple[int, str, dict[str, Any]]], late: int) -> None:
    """A live run, whose timers go off when something is due or later, and a replay without any give the same."""

    class Timed(ObsStage):
        def feed(self, item: Any) -> Any:
            while (due := self.pipeline.deadline()) is not None and due + late < item.stamp.mono:
                stamp = type(item.stamp)(item.stamp.wall - (item.stamp.mono - due - late), due + late)
                before = len(self.entries)
                super().feed(Alive(stamp))
                assert len(self.entries) >= before
            return super().feed(item)

    live, replay = Timed(), ObsStage()
    for stage in (live, replay):
        for happening in shoot:
            if happening[1] != "restart":
                perform(stage, happening)
        stage.wait(60_000)
    assert [entry_json(entry) for entry in live.entries] == [entry_json(entry) for entry in replay.entries]
