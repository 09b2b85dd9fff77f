"""OBS shows, drawn: events and answers in any order, and shows by the rules of a version, with late answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tap.core.codec import entry_json
from tap.core.model import Policy
from tests.obs.model import VERSIONS, Delays, ModelObs
from tests.obs.stage import ObsStage

__all__ = ["any_order", "by_the_rules"]

_LATER_MS = (0, 5, 20, 61, 400, 2_500, 40_000)
_SCENES = ("A", "B", "C", "D")
_ODD: tuple[Any, ...] = (None, True, -1, 2**53, "", "x", [], {}, [{"sceneName": "A"}])
_POLICIES = (Policy(), Policy(session="stream"), Policy(sources={"A": ("Wide", "Close")}))


def any_order(rng: Random) -> Iterator[str]:
    """Sixty things that OBS may say; now and then a field is not what it should be."""
    stage = ObsStage(rng.choice(_POLICIES), version=rng.choice(VERSIONS))
    if rng.random() < 0.7:
        stage.uuids = {name: f"uuid-{name}" for name in _SCENES[: rng.randint(1, 4)]}
    if rng.random() < 0.8:
        stage.connect()
        stage.transitions(rng.choice((50, 300, 2_000)))
    for _ in range(60):
        rng.choice(_HAPPENINGS)(stage.later(rng.choice(_LATER_MS)), rng)
    stage.wait(60_000)
    yield from (entry_json(entry).decode() for entry in stage.entries)
    yield repr(stage.pipeline.tally)
    yield repr(stage.pipeline.state.doubts)


def _scene(rng: Random) -> str:
    return rng.choice(_SCENES)


def _file(rng: Random) -> str | None:
    return rng.choice((None, "/rec/1.mkv", "/rec/2026-11-18 10-00-00.mkv", "C:\\rec\\Hall 2026-11-18 09-59-58.mp4"))


def _uuid(stage: ObsStage, scene: str) -> dict[str, str]:
    return {"sceneUuid": stage.uuids[scene]} if scene in stage.uuids else {}


def _answered(stage: ObsStage, rng: Random) -> None:
    recording, streaming = rng.choice((None, 0, 5_000, 90_000)), rng.choice((None, None, 700))
    order = tuple(rng.sample(range(4), rng.randint(1, 4)))
    stage.answers(_scene(rng), recording=recording, streaming=streaming, studio=rng.random() < 0.3, order=order)


def _listed(stage: ObsStage, rng: Random) -> None:
    scenes = tuple({_scene(rng): 0, _scene(rng): 0})
    stage.listed(_scene(rng), rng.choice(("", "transition", "collection", "start")), scenes)


def _renamed(stage: ObsStage, rng: Random) -> None:
    scene = _scene(rng)
    stage.event("SceneNameChanged", oldSceneName=scene, sceneName=f"{_scene(rng)}2", **_uuid(stage, scene))


def _removed(stage: ObsStage, rng: Random) -> None:
    scene = _scene(rng)
    stage.event("SceneRemoved", sceneName=scene, isGroup=False, **_uuid(stage, scene))


def _created(stage: ObsStage, rng: Random) -> None:
    stage.event("SceneCreated", sceneName=_scene(rng), isGroup=rng.random() < 0.2, sceneUuid=f"uuid-{_scene(rng)}")


def _marked(stage: ObsStage, rng: Random) -> None:
    said = rng.choice(({"marker": "m"}, {"label": 5}, {"text": "x" * 300}, {"a": 1}))
    stage.event("CustomEvent", **said)
    vendor = {"vendorName": "v", "eventType": "t", "eventData": said}
    stage.event(rng.choice(("VendorEvent", "ReplayBufferSaved")), **vendor, savedReplayPath="/r.mkv")


def _shown(stage: ObsStage, rng: Random) -> None:
    enabled = rng.random() < 0.5
    stage.event("SceneItemEnableStateChanged", sceneName="A", sceneItemId=1, sceneItemEnabled=enabled)


def _transition(stage: ObsStage, rng: Random) -> None:
    length = rng.choice((1, 500, None))
    stage.reply("GetCurrentSceneTransition", transitionName="Fade", transitionDuration=length)


def _odd(stage: ObsStage, rng: Random) -> None:
    stage.event("CurrentProgramSceneChanged", sceneName=rng.choice(_ODD), sceneUuid=rng.choice(_ODD))


_STATES = ("STARTING", "STARTED", "STOPPING", "STOPPED", "PAUSED", "RESUMED", "RECONNECTING", "RECONNECTED")
_HAPPENINGS: tuple[Callable[[ObsStage, Random], object], ...] = (
    lambda stage, rng: stage.cut(_scene(rng)),
    lambda stage, rng: stage.cut(_scene(rng)),
    lambda stage, rng: stage.fade(_scene(rng), rng.choice((40, 300, 900)), rng.choice(("Fade", "Stinger"))),
    lambda stage, rng: stage.program(_scene(rng)),
    lambda stage, rng: stage.event(
        "SceneTransitionStarted", transitionName=rng.choice(("Cut", "Fade", "Stinger", "X"))
    ),
    lambda stage, rng: stage.event("SceneTransitionVideoEnded", transitionName=rng.choice(("Cut", "Fade", "Stinger"))),
    lambda stage, rng: stage.record(rng.choice(_STATES[:6]), _file(rng)),
    lambda stage, rng: stage.record(rng.choice(_STATES[:6]), _file(rng)),
    lambda stage, rng: stage.record(rng.choice(_STATES), kind="Stream"),
    lambda stage, rng: stage.event("RecordFileChanged", newOutputPath=_file(rng)),
    lambda stage, rng: stage.event("StudioModeStateChanged", studioModeEnabled=rng.random() < 0.5),
    lambda stage, rng: stage.event("ScreenshotSaved", savedScreenshotPath=rng.choice(("/s.png", "/t.png"))),
    lambda stage, rng: stage.switch(rng.choice(("One", "Two"))),
    lambda stage, rng: stage.restart_tap(rng.choice((500, 90_000))),
    lambda stage, rng: rng.choice((stage.drop, stage.connect, stage.greet))(),
    lambda stage, _: stage.event("ExitStarted"),
    *(_answered, _listed, _listed, _created, _renamed, _removed, _marked, _shown, _transition, _odd),
)


def by_the_rules(rng: Random) -> Iterator[str]:
    """Fifteen things that an operator does, told and answered as a version of OBS would."""
    obs = ModelObs(rng.choice(VERSIONS), rng.randrange(2**20), fade_ms=rng.choice((120, 400)))
    obs.record("STARTING")
    obs.record("STARTED", "/rec/2026-11-20 10-00-00.mkv")
    for number in range(15):
        scene = rng.choice([scene for scene in obs.scenes if scene != obs.program])
        match rng.randrange(8):
            case 0 | 1:
                obs.cut(scene)
            case 2:
                obs.fade(scene)
            case 3 if any(then != scene for then in obs.scenes):
                obs.interrupted(scene, rng.randint(50, 350), rng.choice([then for then in obs.scenes if then != scene]))
            case 4:
                obs.switch()
            case 5:
                obs.create(f"New {number}")
            case 6 if scene != "A":
                obs.rename(scene, f"Renamed {number}")
            case _:
                obs.elsewhere(rng.choice([*obs.scenes, "Vertical"]))
    obs.record("STOPPING")
    obs.record("STOPPED", "/rec/2026-11-20 10-00-00.mkv")
    heard = obs.listen(_delays(rng))
    yield from (entry_json(entry).decode() for entry in heard.entries)
    yield repr(heard.asked)
    yield repr(heard.pipeline.tally)


def _delays(rng: Random) -> Delays:
    most, never = rng.choice((30, 400, 3_000)), rng.choice((0.0, 0.2))
    return lambda _: None if rng.random() < never else (rng.randint(0, 10), rng.randint(0, most))
