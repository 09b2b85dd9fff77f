"""Where transitions lead: interrupted ones, a T-bar taken back, what OBS is wrong about, what the page shows."""

from __future__ import annotations

import pytest

from tests.obs.stage import T0, ObsStage

NEW, OLD = "5.7.4", "5.5.6"
"""Versions in which the target of an interrupted transition was on air, and in which it was not."""


def faded(version: str = NEW) -> ObsStage:
    """A recording with A on air, and fades of 900 ms."""
    stage = ObsStage(version=version).shoot()
    stage.transitions(900)
    return stage


def begins(stage: ObsStage, number: int, target: str | None, *, after: int = 5, name: str = "Fade") -> None:
    """A transition begins; OBS answers where it leads, if there is a target."""
    stage.event("SceneTransitionStarted", transitionName=name)
    if target is not None:
        stage.later(after).listed(target, why=f"transition {number}")


def ends(stage: ObsStage, scene: str, name: str = "Fade") -> None:
    stage.event("SceneTransitionVideoEnded", transitionName=name)
    stage.later(2).program(scene)
    stage.later(2).event("SceneTransitionEnded", transitionName=name)
    stage.wait(1_000)


def told(stage: ObsStage) -> list[tuple[str | None, str, int, int | None]]:
    return [
        (cut.get("fromCameraId"), cut["cameraId"], cut["at"] - T0, cut.get("durationMs")) for cut in stage.events("cut")
    ]


# ---------------------------------------------------------------------------------------------- interrupted


@pytest.mark.parametrize("stopped_first", [True, False, None])
def test_an_interrupted_fade_was_on_air_where_obs_puts_it_there(stopped_first: bool | None) -> None:
    """From its start, for as long as it ran; and the next one comes from it. Its own end may be told or not."""
    stage = faded()
    begins(stage, 1, "B")
    stage.later(395)
    if stopped_first is True:
        stage.event("SceneTransitionEnded", transitionName="Fade")
    begins(stage, 2, "C")
    if stopped_first is False:
        stage.event("SceneTransitionEnded", transitionName="Fade")
    stage.later(900)
    ends(stage, "C")
    assert told(stage) == [("A", "B", 2_000, 400), ("B", "C", 2_400, 900)]


def test_one_that_leads_back_is_two_changes() -> None:
    """There, and back again."""
    stage = faded()
    begins(stage, 1, "B")
    stage.later(395)
    begins(stage, 2, "A")
    stage.later(900)
    ends(stage, "A")
    assert told(stage) == [("A", "B", 2_000, 400), ("B", "A", 2_400, 900)]


def test_three_in_a_row_are_three() -> None:
    """Each from the one before."""
    stage = faded()
    for number, scene in enumerate("BCA", 1):
        begins(stage, number, scene)
        stage.later(295)
    stage.later(605)
    ends(stage, "A")
    assert [change[:3] for change in told(stage)] == [("A", "B", 2_000), ("B", "C", 2_300), ("C", "A", 2_600)]


def test_before_32_1_the_picture_falls_back() -> None:
    """Its target was never whole on air."""
    stage = faded(OLD)
    begins(stage, 1, "B")
    stage.later(395)
    begins(stage, 2, "C")
    stage.later(900)
    ends(stage, "C")
    assert told(stage) == [("A", "C", 2_400, 900)]
    stage = faded(OLD)
    begins(stage, 1, "B")
    stage.later(395)
    begins(stage, 2, "A")
    stage.later(900)
    ends(stage, "A")
    assert told(stage) == []


def test_where_no_version_is_told_its_own_end_tells() -> None:
    """Those that put it on air say that it is over; the others do not."""
    for said, expected in ((True, [("A", "B"), ("B", "C")]), (False, [("A", "C")])):
        stage = ObsStage(version="")
        stage.shoot()
        stage.transitions(900)
        begins(stage, 1, "B")
        stage.later(395)
        if said:
            stage.event("SceneTransitionEnded", transitionName="Fade")
        begins(stage, 2, "C")
        stage.later(900)
        ends(stage, "C")
        assert stage.cuts() == expected


@pytest.mark.parametrize("late", [300, 395, 450, 700, 880])
def test_an_answer_that_comes_late_counts_as_long_as_it_is_about_that_one(late: int) -> None:
    """One that may be about the next is told from it by what that leads to."""
    stage = faded()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    if late < 400:
        stage.later(late).listed("B", why="transition 1")
    stage.later(max(0, 400 - late) if late < 400 else 400)
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(5).listed("C", why="transition 2")
    if late >= 400:
        stage.later(late - 405).listed("B", why="transition 1")
    stage.later(900 - max(5, late - 400))
    ends(stage, "C")
    assert told(stage) == [("A", "B", 2_000, 400), ("B", "C", 2_400, 900)]


def test_an_answer_that_is_about_the_next_one_is_not_taken_for_this() -> None:
    """It was looked up too late."""
    stage = faded()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(400).event("SceneTransitionStarted", transitionName="Fade")
    stage.later(5).listed("C", why="transition 1")
    stage.later(5).listed("C", why="transition 2")
    stage.later(890)
    ends(stage, "C")
    assert told(stage) == [("A", "C", 2_400, 900)]


def test_without_an_answer_nothing_is_made_up() -> None:
    """The change that came about comes from what was known."""
    stage = faded()
    begins(stage, 1, None)
    stage.later(400)
    begins(stage, 2, None)
    stage.later(900)
    ends(stage, "C")
    assert told(stage) == [("A", "C", 2_400, 900)]


def test_an_answer_without_a_number_is_about_the_one_that_runs() -> None:
    """As on the tape of another client; but not one that only names what is on air."""
    stage = faded()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(5).listed("A")
    stage.later(5).listed("B")
    stage.later(390).event("SceneTransitionStarted", transitionName="Fade")
    stage.later(5).listed("C")
    stage.later(895)
    ends(stage, "C")
    assert told(stage) == [("A", "B", 2_000, 400), ("B", "C", 2_400, 900)]


def test_an_answer_about_an_interrupted_fade_may_come_while_another_event_waits_behind_that() -> None:
    """A scene that was made meanwhile has no transition: it waits, and says nothing of where the fades lead."""
    stage = faded()
    begins(stage, 1, None)
    stage.later(395)
    begins(stage, 2, None)
    stage.later(1).event("SceneCreated", sceneName="D", isGroup=False)
    stage.later(1).listed("B", why="transition 1")
    stage.later(1).listed("C", why="transition 2")
    stage.later(895)
    ends(stage, "C")
    assert told(stage) == [("A", "B", 2_000, 395), ("B", "C", 2_395, 900)]


def test_hard_cuts_one_after_the_other_are_what_obs_announces() -> None:
    """One that another interrupts before a picture was made was never on air."""
    stage = faded()
    begins(stage, 1, "B", name="Cut")
    begins(stage, 2, "C", name="Cut")
    stage.later(20)
    ends(stage, "C", "Cut")
    assert stage.cuts() == [("A", "C")]


def test_the_end_of_one_that_is_told_after_the_beginning_of_the_next_is_its_own() -> None:
    """Only events of one kind keep their order."""
    stage = faded()
    begins(stage, 1, "B")
    stage.later(895).event("SceneTransitionStarted", transitionName="Fade")
    stage.later(1).event("SceneTransitionVideoEnded", transitionName="Fade")
    stage.later(1).program("B")
    stage.later(1).event("SceneTransitionEnded", transitionName="Fade")
    stage.listed("C", why="transition 2")
    stage.later(897)
    ends(stage, "C")
    assert told(stage) == [("A", "B", 2_000, 900), ("B", "C", 2_900, 900)]


def test_frames_that_were_let_go_put_no_target_under_another_transition() -> None:
    """The numbers of our questions are not those of what was heard."""
    stage = faded()
    stage.drop()  # what the tap says where it let frames go, though the line stands
    begins(stage, 7, "B")
    stage.later(890)
    ends(stage, "B")
    assert told(stage)[-1][1] == "B"


# ---------------------------------------------------------------------------------------------- by hand


@pytest.mark.parametrize("version", [NEW, OLD])
def test_a_t_bar_that_is_taken_back_leads_nowhere(version: str) -> None:
    """Newer versions say that it is over, older ones nothing at all; and the next change is its own."""
    stage = faded(version)
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    begins(stage, 1, "B")
    stage.later(1_500)
    if version == NEW:
        stage.event("SceneTransitionEnded", transitionName="Fade")
    stage.wait(3_000)
    begins(stage, 2, "C")
    stage.later(895)
    ends(stage, "C")
    assert told(stage) == [("A", "C", 6_505, 900)]


@pytest.mark.parametrize("version", [NEW, OLD])
def test_in_studio_mode_obs_tells_what_it_did_not_do(version: str) -> None:
    """A second take in the midst of one is not made: the first one's target is on air, whatever OBS announces."""
    stage = faded(version)
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1_000)
    begins(stage, 1, "B")
    stage.later(900)
    ends(stage, "C")
    assert told(stage) == [("A", "B", 3_000, 900)]
    # Leaving studio mode puts on air what OBS believed to be there.
    stage.program("A")
    stage.later(3).program("C")
    stage.event("StudioModeStateChanged", studioModeEnabled=False)
    stage.wait(2_000)
    assert [change[:2] for change in told(stage)] == [("A", "B"), ("B", "C")]


# ---------------------------------------------------------------------------------------------- what the page shows


def test_a_fade_s_target_is_named_when_it_begins() -> None:
    """As soon as OBS has answered, until it is on air or the fade led nowhere."""
    stage = faded()
    state = stage.pipeline.state
    begins(stage, 1, "B")
    assert state.heading is not None
    assert (state.heading.camera_id, state.heading.transition) == ("B", "Fade")
    stage.later(900)
    ends(stage, "B")
    assert state.heading is None
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    begins(stage, 2, "C")
    assert state.heading is not None
    stage.later(500).event("SceneTransitionEnded", transitionName="Fade")
    assert state.heading is None
    begins(stage, 3, "C")
    stage.drop()
    stage.open()
    assert state.heading is None


def test_a_hard_cut_and_one_that_leads_back_name_nothing() -> None:
    """There is nothing to come."""
    stage = faded(OLD)
    begins(stage, 1, "B", name="Cut")
    assert stage.pipeline.state.heading is None
    stage = faded(OLD)
    begins(stage, 1, "B")
    stage.later(300)
    begins(stage, 2, "A")
    assert stage.pipeline.state.heading is None


# ---------------------------------------------------------------------------------------------- at once


def test_a_change_by_a_whole_transition_is_told_at_once() -> None:
    """Nothing can take it back: its transition was seen from its beginning to its end."""
    stage = faded()
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).event("SceneTransitionVideoEnded", transitionName="Cut")
    assert [entry.fields["kind"] for entry in stage.program("B") if entry.op == "event"] == ["cut"]


def test_in_studio_mode_it_waits_for_what_may_take_it_back() -> None:
    """So does a change whose transition was not seen to its end."""
    stage = faded()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).event("SceneTransitionVideoEnded", transitionName="Cut")
    assert not stage.program("B")
    stage.wait(1_000)
    assert [cut["cameraId"] for cut in stage.events("cut")] == ["B"]
    other = faded()
    other.event("SceneTransitionStarted", transitionName="Cut")
    assert not other.later(20).program("B")


def test_of_two_that_are_over_for_a_while_the_last_is_the_one_that_the_program_event_ends() -> None:
    """OBS told no program event of the first one, and the other's comes late."""
    stage = ObsStage().shoot()
    stage.transitions()
    for name in ("Fade", "Stinger"):
        stage.later(5).event("SceneTransitionStarted", transitionName=name)
        stage.later(300).event("SceneTransitionVideoEnded", transitionName=name)
    stage.later(400).program("B")
    stage.wait(1_000)
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["transition"]) == ("B", "Stinger")


def test_a_transition_of_an_unknown_kind_that_is_interrupted_at_once_is_still_itself() -> None:
    """Short as it was, it was no hard cut: those cannot be interrupted."""
    stage = ObsStage(version=NEW).shoot()
    begins(stage, 1, "B")
    stage.later(25)
    begins(stage, 2, "C")
    stage.later(900)
    ends(stage, "C")
    stage.wait(5_000)
    assert [(cut["cameraId"], cut["transition"]) for cut in stage.events("cut")] == [("B", "Fade"), ("C", "Fade")]
