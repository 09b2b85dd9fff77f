"""Scenes of other canvases are no cameras, whichever version tells of them, and however."""

from __future__ import annotations

import pytest

from tap.core.mapping import Verdict
from tests.obs.stage import ObsStage

MAIN, OTHER = "6c69626f-6273-4c00-9d88-c5136d61696e", "0d1623b8-07f5-5141-8875-487e8b988c7b"


def shoot(version: str) -> ObsStage:
    stage = ObsStage(version=version)
    stage.uuids = {"A": "uA", "B": "uB", "C": "uC"}
    return stage.shoot()


def cameras(stage: ObsStage) -> dict[str, str]:
    return {row.fields["cameraId"]: row.fields["name"] for row in stage.rows.values() if row.op == "camera"}


@pytest.mark.parametrize("canvas", [{"canvasUuid": OTHER}, {"canvasUuid": OTHER, "canvasName": "Vertical"}, {}])
@pytest.mark.parametrize("name", ["Vertical 1", "B"])
def test_a_scene_of_another_canvas_lives_and_dies_without_a_trace(canvas: dict[str, str], name: str) -> None:
    """By its canvas where that is told (5.7.0), else by the main one's list, which lacks it (5.6)."""
    stage = shoot("5.7.0" if canvas else "5.6.3")
    stage.event("SceneCreated", sceneName=name, sceneUuid="v1", isGroup=False, **canvas)
    stage.later(900).listed("A", why="created 0")
    stage.later(100).cut("B")
    renamed = {"oldSceneName": name, "sceneName": f"{name} upright"}
    stage.event("SceneNameChanged", sceneUuid="v1", **renamed, **canvas)
    stage.later(100).cut("A")
    stage.event("SceneRemoved", sceneName=f"{name} upright", sceneUuid="v1", isGroup=False, **canvas)
    stage.wait(10_000).cut("B")
    assert cameras(stage) == {"A": "A", "B": "B", "C": "C"}
    assert stage.cuts() == [("A", "B"), ("B", "A"), ("A", "B")]
    assert all((stage.camera(name) or {})["status"] == "online" for name in "ABC")


@pytest.mark.parametrize("version", ["5.6.0", "5.6.3", "5.7.0"])
@pytest.mark.parametrize("how", ["event", "answer", "program"])
def test_a_scene_of_the_main_one_is_a_camera_once_that_is_sure(version: str, how: str) -> None:
    """It is in the list, by event or by answer, or it is on air."""
    stage = shoot(version)
    stage.event("SceneCreated", sceneName="New", sceneUuid="uN", isGroup=False)
    assert "New" not in cameras(stage)
    stage.uuids["New"] = "uN"
    stage.scenes.append("New")
    stage.later(5)
    if how == "event":
        listed = [{"sceneName": name, "sceneUuid": stage.uuids[name]} for name in stage.scenes]
        stage.event("SceneListChanged", scenes=listed)
    elif how == "answer":
        stage.listed("A", why="created 0")
    else:
        stage.cut("New")
    assert cameras(stage)["New"] == "New"
    stage.event("SceneNameChanged", oldSceneName="New", sceneName="Roof", sceneUuid="uN")
    stage.wait(100)
    assert cameras(stage)["New"] == "Roof"


@pytest.mark.parametrize(
    ("version", "canvas"), [("5.4.2", {}), ("5.5.6", {}), ("5.7.4", {}), ("5.7.0", {"canvasUuid": MAIN})]
)
def test_where_a_version_tells_only_of_the_main_one_it_is_believed_at_once(
    version: str, canvas: dict[str, str]
) -> None:
    """Or says that it is that one."""
    stage = shoot(version)
    stage.event("SceneCreated", sceneName="New", sceneUuid="uN", isGroup=False, **canvas)
    assert cameras(stage)["New"] == "New"


def test_a_scene_that_was_renamed_before_it_was_sure_is_called_by_its_name() -> None:
    """It was not known before."""
    stage = shoot("5.6.3")
    stage.event("SceneCreated", sceneName="New", sceneUuid="uN", isGroup=False)
    stage.event("SceneNameChanged", oldSceneName="New", sceneName="Roof", sceneUuid="uN")
    stage.uuids["Roof"] = "uN"
    stage.listed("A", why="created 0", scenes=("A", "B", "C", "Roof"))
    stage.wait(100)
    assert cameras(stage)["Roof"] == "Roof"


def test_of_two_scenes_of_one_name_each_keeps_what_is_told_of_it() -> None:
    """A rename or a removal by the other's uuid is not ours; nor is a second one of a name that we have."""
    stage = shoot("5.7.4")
    stage.event("SceneCreated", sceneName="B", sceneUuid="v1", isGroup=False)
    stage.event("SceneNameChanged", oldSceneName="B", sceneName="Other", sceneUuid="v1")
    stage.event("SceneRemoved", sceneName="B", sceneUuid="v2", isGroup=False)
    stage.wait(10_000).cut("B")
    assert cameras(stage) == {"A": "A", "B": "B", "C": "C"}
    assert stage.cuts() == [("A", "B")]


def test_a_scene_that_is_made_anew_is_the_same_camera() -> None:
    """Removed, and made again at once under its name: by uuid another, to people the same."""
    stage = shoot("5.7.4")
    stage.event("SceneRemoved", sceneName="B", sceneUuid="uB", isGroup=False)
    stage.event("SceneCreated", sceneName="B", sceneUuid="uB2", isGroup=False)
    stage.uuids["B"] = "uB2"
    stage.wait(10_000).cut("B")
    assert stage.cuts() == [("A", "B")]
    assert (stage.camera("B") or {})["status"] == "online"


def test_a_list_does_not_bring_back_what_was_removed_just_now() -> None:
    """It was made before."""
    stage = shoot("5.7.4")
    stage.event("SceneRemoved", sceneName="B", sceneUuid="uB", isGroup=False)
    stage.later(2).listed("A", why="created 0")
    stage.wait(10_000)
    assert (stage.camera("B") or {})["status"] == "offline"


def test_canvases_come_and_go_unseen() -> None:
    """Not that they are asked for."""
    stage = shoot("5.7.4")
    for kind in ("CanvasCreated", "CanvasNameChanged", "CanvasRemoved"):
        stage.event(kind, canvasName="Vertical", canvasUuid=OTHER)
        assert stage.pipeline.verdict is Verdict.QUIET
    assert cameras(stage) == {"A": "A", "B": "B", "C": "C"}
