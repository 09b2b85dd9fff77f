"""Whatever a version of OBS tells, and however late it answers: each change on air is one cut, and none is invented."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.obs.model import VERSIONS, Delays, Heard, ModelObs, OnAir

NEAR_MS = 60


@st.composite
def shows(draw: st.DrawFn, version: str) -> ModelObs:
    """Some ten things that an operator does."""
    obs = ModelObs(version, draw(st.integers(0, 2**20)))
    obs.record("STARTING")
    obs.record("STARTED", "/rec/2026-11-20 10-00-00.mkv")
    made = 0
    for kind in draw(st.lists(st.sampled_from(_DONE), min_size=1, max_size=10)):
        others = [scene for scene in obs.scenes if scene != obs.program]
        scene, then = draw(st.sampled_from(others)), draw(st.sampled_from(obs.scenes))
        match kind:
            case "cut":
                obs.cut(scene)
            case "fade":
                obs.fade(scene)
            case "interrupted" if then != scene:
                obs.interrupted(scene, draw(st.integers(150, 350)), then)
            case "switch":
                obs.switch()
            case "create":
                made += 1
                obs.create(f"New {made}")
            case "rename" if scene != "A":  # the other collection has one of that name
                made += 1
                obs.rename(scene, f"Renamed {made}")
            case "remove" if len(obs.scenes) > 2:
                obs.remove(draw(st.sampled_from(obs.scenes)))
            case "elsewhere":
                obs.elsewhere(draw(st.sampled_from([*obs.scenes, "Vertical"])))
            case _:
                obs.now += draw(st.sampled_from([0, 3_000]))
    obs.record("STOPPING")
    obs.record("STOPPED", "/rec/2026-11-20 10-00-00.mkv")
    return obs


_DONE = [
    "cut",
    "cut",
    "fade",
    "interrupted",
    "interrupted",
    "switch",
    "create",
    "rename",
    "remove",
    "elsewhere",
    "wait",
]


def delayed(seed: int, most: int) -> Delays:
    """Answers that are looked up soon, and arrive up to ``most`` ms later, in any order.

    One that is looked up too soon and arrives too late for another question cannot be told from a good one; so late
    ones are not looked up at once.
    """
    draw = random.Random(seed)
    soon = (0, 4) if most <= 30 else (7, 10)
    # Where a transition leads has to be known soon after it was interrupted.
    return lambda ident: (draw.randint(*soon), draw.randint(0, min(most, 400) if "transition" in ident else most))


def judge(obs: ModelObs, heard: Heard, truth: list[OnAir]) -> None:
    cuts = heard.cuts()
    assert [(cut.was, cut.camera) for cut in cuts] == [(change.was, change.camera) for change in truth], (cuts, truth)
    for cut, change in zip(cuts, truth, strict=True):
        assert abs(cut.at - change.at) <= NEAR_MS, (cut, change)
        assert (cut.how == "switch") == (change.how == "switch")
    assert not {row["cameraId"] for row in heard.rows("camera")} & obs.foreign
    (session,) = heard.rows("session")
    assert session["status"] == "complete"
    assert [event["detail"] for event in heard.events("gap")] == []


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_with_prompt_answers_all_is_told(version: str, data: Any) -> None:
    """With uuids or without, by events or by answers alone."""
    obs = data.draw(shows(version))
    judge(obs, obs.listen(delayed(data.draw(st.integers(0, 9999)), 30)), obs.truth)


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_late_answers_in_any_order_change_nothing(version: str, data: Any) -> None:
    """What happens meanwhile waits for those that tell what is on air."""
    obs = data.draw(shows(version))
    judge(obs, obs.listen(delayed(data.draw(st.integers(0, 9999)), 1_900)), obs.truth)


@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_without_answers_nothing_is_invented(version: str, data: Any) -> None:
    """What events alone show is told; what only an answer could show is not, and nothing else comes in its place."""
    obs = data.draw(shows(version))
    # What is on air at the beginning, and what kinds of transition there are, is answered.
    heard = obs.listen(lambda ident: None if ident.count(" ") > 1 else (0, 5))
    by_answers = ("interrupted", "switch") if obs.is_silent else ("interrupted",)
    told = [change for change in obs.truth if change.how not in by_answers]
    for cut in heard.cuts():
        assert cut.was != cut.camera
        # A scene of a collection that nobody listed is called by the first name that was told of it.
        camera = obs.first(cut.camera)
        if cut.was is None:
            # What came with another collection is only known once it is told again; it was on air by then.
            on_air = ["A", *(change.camera for change in obs.truth if change.at <= cut.at + NEAR_MS)]
            assert on_air[-1] == camera
        else:
            assert any(camera == change.camera and abs(cut.at - change.at) <= NEAR_MS for change in told), cut
    assert not {row["cameraId"] for row in heard.rows("camera")} & obs.foreign


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_uuids_make_no_difference_to_what_is_told(data: Any) -> None:
    """The same show of the same version, with them and without."""
    seed, script = data.draw(st.integers(0, 2**20)), data.draw(st.lists(st.sampled_from("cfisrRx"), max_size=10))
    told = []
    for has_uuids in (True, False):
        obs = type("Named", (ModelObs,), {"has_uuids": has_uuids})("5.7.4", seed)
        draw = random.Random(seed)
        obs.record("STARTED", "/rec/1.mkv")
        for number, what in enumerate(script):
            scene = draw.choice([scene for scene in obs.scenes if scene != obs.program])
            then = draw.choice([other for other in obs.scenes if other != scene])
            match what:
                case "c":
                    obs.cut(scene)
                case "f":
                    obs.fade(scene)
                case "i":
                    obs.interrupted(scene, 200, then)
                case "s":
                    obs.switch()
                case "r" if scene != "A":
                    obs.rename(scene, f"Renamed {number}")
                case "R" if len(obs.scenes) > 2:
                    obs.remove(scene)
                case _:
                    obs.create(f"New {number}")
        obs.record("STOPPING")
        told.append((obs.truth, obs.listen(delayed(seed, 30)).cuts()))
    assert told[0] == told[1]


def test_what_is_asked_is_little() -> None:
    """Nine questions at the beginning, few for each fade, one for a recording, two for a change of the collection."""
    obs = ModelObs("5.7.4", 1)
    obs.record("STARTING")
    obs.record("STARTED", "/rec/1.mkv")
    for _ in range(50):
        obs.cut("B")
        obs.cut("A")
    for _ in range(5):
        obs.fade("B")
        obs.fade("A")
    obs.switch()
    heard = obs.listen(delayed(1, 30))
    asked = [ident.removeprefix("multicam-tap ") for _, ident in heard.asked]
    leads = [ident for ident in asked if "transition" in ident]
    assert len(set(leads)) == 10
    assert len(leads) <= 25
    assert len(asked) - len(leads) == 9 + 1 + 2
    assert all(ident.startswith("Get") for ident in asked)
