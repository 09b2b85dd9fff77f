"""Another collection, before a recording and in one, by the words of newer and older versions; and what hangs in it."""

from __future__ import annotations

import pytest

from tests.obs.stage import T0, ObsStage

NEW = ("A", "X")
"""Scenes of the other collection; one is called like one of the first."""


def at_work(version: str = "5.7.4") -> ObsStage:
    """A recording, with A on air."""
    return ObsStage(version=version).shoot()


def cameras(stage: ObsStage) -> dict[str, str]:
    return {row.fields["cameraId"]: row.fields["status"] for row in stage.rows.values() if row.op == "camera"}


def told(stage: ObsStage) -> list[tuple[str | None, str, str, int]]:
    return [(cut.get("fromCameraId"), cut["cameraId"], cut["trigger"], cut["at"] - T0) for cut in stage.events("cut")]


@pytest.mark.parametrize("late", [1, 20, 400, 1_900])
def test_the_list_of_the_new_scenes_is_the_truth(late: int) -> None:
    """At the time of the change, however long the answer takes; what happens meanwhile comes after it."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.later(late).listed("X", why="switch 1", scenes=NEW)
    stage.later(1_000).cut("A")
    stage.wait(10_000)
    assert told(stage) == [("A", "X", "collection_switch", 4_050), ("X", "A", "unknown", 5_072 + late)]
    assert cameras(stage) == {"A": "online", "B": "offline", "C": "offline", "X": "online"}
    assert stage.session(stage.key)["source"]["collection"] == "One"


def test_a_change_that_is_told_before_the_list_comes_after_the_collection() -> None:
    """It waited for it."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.later(300).event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("Y")
    stage.later(100).listed("Y", why="switch 1", scenes=("X", "Y"))
    stage.wait(1_000)
    assert told(stage) == [("A", "Y", "unknown", 4_370)]
    stage = at_work()
    stage.later(2_000).switch()
    stage.later(300).event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("Y")
    stage.later(100).listed("X", why="switch 1", scenes=("X", "Y"))
    stage.wait(1_000)
    assert told(stage) == [("A", "X", "collection_switch", 4_050), ("X", "Y", "unknown", 4_370)]


def test_a_scene_that_is_made_before_the_list_puts_nothing_on_air() -> None:
    """Its event waits for the list too, and names the scene that the list shows."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.later(5).event("SceneCreated", sceneName="X", isGroup=False)
    stage.later(5).listed("X", why="switch 1", scenes=NEW)
    stage.wait(1_000)
    assert told(stage) == [("A", "X", "collection_switch", 4_050)]


def test_a_list_that_comes_very_late_still_dates_the_change() -> None:
    """Nothing was told meanwhile, so what it shows came with the collection."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.wait(15_000)
    assert not stage.cuts()
    assert stage.session(stage.key)["status"] == "live"
    stage.listed("X", why="switch 1", scenes=NEW)
    stage.wait(10_000)
    assert told(stage) == [("A", "X", "collection_switch", 4_050)]
    assert cameras(stage) == {"A": "online", "B": "offline", "C": "offline", "X": "online"}


def test_what_is_on_air_is_not_known_until_the_list_comes() -> None:
    """A change that is told meanwhile comes from nothing known, and a recording begins with nothing known on air."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.wait(15_000).cut("Y")
    stage.listed("Y", why="switch 1", scenes=("X", "Y"))
    stage.wait(10_000)
    assert told(stage) == [(None, "Y", "unknown", 19_072)]
    stage = ObsStage(version="5.7.4")
    stage.connect()
    stage.later(2_000).switch()
    stage.wait(15_000).record("STARTED", "/rec/1.mkv")
    (session,) = stage.sessions()
    assert "programCameraId" not in session["startState"]
    stage.later(1_000).listed("X", why="switch 1", scenes=NEW)
    stage.wait(1_000).cut("A")
    assert [(cut.get("fromCameraId"), cut["cameraId"]) for cut in stage.events("cut")] == [("X", "A")]


def test_the_same_camera_in_both_collections_is_no_change() -> None:
    """Nobody could tell it from the other; and nothing is lost where the answer is late."""
    for late in (10, 15_000):
        stage = at_work()
        stage.later(2_000).switch()
        stage.wait(late).listed("A", why="switch 1", scenes=NEW)
        stage.wait(1_000).cut("X")
        assert [(cut.get("fromCameraId"), cut["cameraId"]) for cut in stage.events("cut")] == [("A", "X")]


def test_there_and_back_the_cameras_are_the_same() -> None:
    """By uuid as by name; and one that was renamed keeps its id."""
    for uuids in (True, False):
        stage = ObsStage(version="5.7.4")
        stage.uuids = {name: f"u{name}" for name in "ABC"} if uuids else {}
        stage.shoot()
        renamed = {"sceneUuid": "uB"} if uuids else {}
        stage.event("SceneNameChanged", oldSceneName="B", sceneName="Bee", **renamed)
        stage.uuids |= {"Bee": "uB", "X": "uX", "Y": "uY"} if uuids else {}
        stage.later(2_000).switch()
        stage.later(5).listed("X", why="switch 1", scenes=("X", "Y"))
        stage.later(2_000).switch("One", was="Two")
        stage.later(5).listed("Bee", why="switch 2", scenes=("A", "Bee", "C"))
        stage.wait(10_000)
        assert stage.cuts() == [("A", "X"), ("X", "B")]
        assert cameras(stage) == {"A": "online", "B": "online", "C": "online", "X": "offline", "Y": "offline"}
        assert (stage.camera("B") or {})["name"] == "Bee"


def test_a_scene_called_like_one_that_was_renamed_is_another_camera() -> None:
    """The other collection has a scene of the name that is taken as an id."""
    stage = at_work()
    stage.event("SceneNameChanged", oldSceneName="B", sceneName="Bee")
    stage.later(2_000).switch()
    stage.later(5).listed("B", why="switch 1", scenes=("B", "X"))
    stage.wait(1_000)
    assert stage.cuts() == [("A", "B (2)")]


def test_an_answer_about_the_collection_before_says_nothing_of_this_one() -> None:
    """It was asked when a scene was made, and comes after the change."""
    stage = at_work("5.6.3")
    stage.later(2_000).switch()
    stage.later(5).listed("A", why="created 0")
    stage.later(5).listed("X", why="switch 1", scenes=("X", "Y"))
    stage.wait(10_000)
    assert stage.cuts() == [("A", "X")]
    assert {name for name, status in cameras(stage).items() if status == "online"} == {"X", "Y"}


def test_an_answer_without_a_reason_is_the_one_that_was_asked_for() -> None:
    """As on the tape of another client."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.later(5).listed("X", scenes=NEW)
    stage.wait(1_000)
    assert stage.cuts() == [("A", "X")]


def test_a_list_that_is_still_empty_says_nothing() -> None:
    """OBS is loading; it is asked again."""
    stage = at_work()
    stage.later(2_000).switch()
    stage.later(5).reply("GetSceneList", why="switch 1", currentProgramSceneName=None, scenes=[])
    stage.reply("GetSceneList", code=207, why="switch 1")
    stage.later(1_000).listed("X", why="switch 1", scenes=NEW)
    stage.wait(1_000)
    assert told(stage) == [("A", "X", "collection_switch", 4_050)]


def test_an_obs_that_hangs_in_a_change_is_only_quiet() -> None:
    """The line stands, nothing is told; then somebody kills it, and it comes back with another collection."""
    stage = at_work()
    stage.later(2_000).event("CurrentSceneCollectionChanging", sceneCollectionName="One")
    stage.wait(600_000)
    assert stage.session(stage.key)["status"] == "live"
    stage.drop()
    stage.scenes = ["X", "Y"]
    stage.later(20_000).greet()
    stage.answers("X")
    stage.later(1_000).cut("Y")
    stage.later(1_000).record("STARTED", "/rec/2.mkv")
    first, second = stage.sessions()
    assert (first["status"], first["endReason"]) == ("interrupted", "unseen")
    assert "to" not in first["media"][0]
    assert first["finalState"]["programCameraId"] == "A"
    assert second["startState"]["programCameraId"] == "Y"
    assert [file["path"] for file in second["media"]] == ["/rec/2.mkv"]
    assert not stage.cuts()


def test_an_obs_that_was_closed_in_a_change_is_back_with_another_collection() -> None:
    """Its recording went on under its key, if it is the same by its length; its cameras are others."""
    stage = at_work()
    stage.later(2_000).event("CurrentSceneCollectionChanging", sceneCollectionName="One")
    stage.drop()
    stage.scenes = ["X", "Y"]
    stage.later(1_000).greet()
    stage.answers("X", recording=4_000)
    stage.wait(10_000)
    assert [session["status"] for session in stage.sessions()] == ["live"]
    assert cameras(stage) == {"A": "offline", "B": "offline", "C": "offline", "X": "online", "Y": "online"}
    assert stage.events("gap")[0]["detail"]["after"]["programCameraId"] == "X"
    assert not stage.cuts()


def test_a_fade_in_the_midst_of_which_the_collection_is_changed_leads_nowhere() -> None:
    """Nobody saw its target."""
    stage = at_work()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(10).listed("B", why="transition 1")
    stage.later(100).switch()
    stage.later(5).listed("X", why="switch 1", scenes=NEW)
    stage.wait(1_000)
    assert stage.cuts() == [("A", "X")]


def test_a_fade_that_began_before_the_collection_changed_is_no_way_of_a_cut_after_it() -> None:
    """OBS drops it with the scenes that it led between, and says no more of it."""
    stage = at_work()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(100).switch()
    stage.later(5).listed("X", why="switch 1", scenes=NEW)
    stage.later(1_000).program("A")
    stage.wait(1_000)
    fades = [(cut["cameraId"], cut["at"] - T0, cut.get("transition")) for cut in stage.events("cut")]
    assert fades == [("X", 2_150, None), ("A", 3_155, None)]


def test_the_old_way_of_telling_it_needs_no_list_and_is_not_disturbed_by_one() -> None:
    """Before 5.3 events tell it all, in any order; a list that says the same adds nothing."""
    for first in (True, False):
        stage = at_work("5.1.0")
        stage.later(2_000).event("CurrentSceneCollectionChanging", sceneCollectionName="One")
        for scene in stage.scenes:
            stage.event("SceneRemoved", sceneName=scene, isGroup=False)
        for scene in NEW:
            stage.event("SceneCreated", sceneName=scene, isGroup=False)
        if first:
            stage.later(40).program("X")
            stage.later(3).event("CurrentSceneCollectionChanged", sceneCollectionName="Two")
        else:
            stage.later(40).event("CurrentSceneCollectionChanged", sceneCollectionName="Two")
            stage.later(3).program("X")
        stage.later(3).listed("X", why="switch 1", scenes=NEW)
        stage.wait(10_000)
        assert [(*cut[:3], abs(cut[3] - 4_040) <= 5) for cut in told(stage)] == [("A", "X", "collection_switch", True)]
        assert cameras(stage) == {"A": "online", "B": "offline", "C": "offline", "X": "online"}


def test_a_profile_that_is_changed_is_told_with_the_next_session() -> None:
    """One that runs keeps the one by which it began."""
    stage = ObsStage(version="5.7.4")
    stage.greet()
    stage.reply("GetProfileList", currentProfileName="Hall", profiles=["Hall", "Street"])
    stage.reply("GetSceneCollectionList", currentSceneCollectionName="Mass", sceneCollections=["Mass"])
    stage.answers()
    stage.later(1_000).record("STARTED", "/rec/1.mkv")
    stage.later(1_000).event("CurrentProfileChanged", profileName="Street")
    stage.later(1_000).record("STOPPING")
    stage.later(1_000).record("STARTED", "/rec/2.mkv")
    first, second = stage.sessions()
    assert (first["source"]["profile"], first["source"]["collection"]) == ("Hall", "Mass")
    assert second["source"]["profile"] == "Street"
