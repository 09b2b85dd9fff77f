"""What OBS says of program, studio mode and outputs, and what of it becomes history."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tap.core.mapping import Verdict
from tap.core.model import Frame, Policy, Stamp
from tests.obs.stage import DIALECT, T0, ObsStage

PROGRAM = "CurrentProgramSceneChanged"

# ---------------------------------------------------------------------------------------------- cuts


def test_a_hard_cut_has_the_time_of_its_program_event() -> None:
    """That comes with the picture; the start of the transition is when somebody asked."""
    stage = ObsStage().shoot()
    stage.cut("B")
    (cut,) = stage.events("cut")
    assert cut["at"] == cut["observedAt"] == T0 + 2022
    assert cut["transition"] == "cut"
    assert "durationMs" not in cut
    assert stage.cuts() == [("A", "B")]


def test_a_fade_has_the_time_of_its_start_and_its_length() -> None:
    """The length is what is set where the events agree with it, and else what was seen."""
    stage = ObsStage().shoot()
    stage.transitions(800)
    stage.fade("B", 800)
    stage.later(1000).fade("C", 2000)
    first, second = stage.events("cut")
    assert (first["at"], first["transition"], first["durationMs"]) == (T0 + 2000, "Fade", 800)
    assert first["observedAt"] == T0 + 2815
    assert (second["at"], second["durationMs"]) == (T0 + 3915, 2015)


def test_a_stinger_has_its_own_length_whatever_is_set() -> None:
    """The length that is set is not for transitions that bring their own."""
    stage = ObsStage().shoot()
    stage.transitions(1100)
    stage.fade("B", 1085, "Stinger")
    assert stage.events("cut")[0]["durationMs"] == 1100
    stage.fade("C", 1105, "Stinger")
    assert stage.events("cut")[1]["durationMs"] == 1120


def test_a_cut_transition_by_any_name_is_a_hard_cut() -> None:
    """OBS names its own transitions in the language of its user."""
    stage = ObsStage().shoot()
    stage.reply("GetCurrentSceneTransition", transitionName="Schnitt", transitionKind="cut_transition")
    stage.fade("B", 90, "Schnitt")
    assert stage.events("cut")[0]["transition"] == "cut"
    assert "durationMs" not in stage.events("cut")[0]


def test_an_interrupted_fade_gives_the_one_cut_that_came_about() -> None:
    """Its own target never gets a program event."""
    stage = ObsStage().shoot()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(300).fade("C", 800)
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["at"], cut["durationMs"]) == ("C", T0 + 2300, 815)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_the_order_of_what_belongs_together_does_not_matter(order: tuple[int, ...]) -> None:
    """Only events of one kind keep their order."""
    stage = ObsStage().shoot()
    stage.transitions(800)
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(810)
    said = (
        lambda: stage.event("SceneTransitionVideoEnded", transitionName="Fade"),
        lambda: stage.program("B"),
        lambda: stage.event("SceneTransitionEnded", transitionName="Fade"),
    )
    for index in order:
        said[index]()
        stage.later(5)
    stage.wait(100)
    (cut,) = stage.events("cut")
    assert (cut["at"], cut["transition"], cut["durationMs"]) == (T0 + 2000, "Fade", 800)


def test_a_fade_whose_end_is_told_after_its_program_event_is_as_long_as_it_ran() -> None:
    stage = ObsStage().shoot()
    stage.event("SceneTransitionStarted", transitionName="Fade")
    stage.later(500).program("B")
    stage.later(15).event("SceneTransitionVideoEnded", transitionName="Fade")
    stage.wait(1_000)
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["transition"], cut["durationMs"]) == ("B", "Fade", 515)


def test_back_to_back_cuts_that_are_told_twice_are_one() -> None:
    """The first never reached air; the second is announced twice under its name."""
    stage = ObsStage().shoot()
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(10).program("B")
    stage.later(5).program("B")
    stage.wait(1000)
    assert stage.cuts() == [("A", "B")]


def test_two_quick_cuts_are_two() -> None:
    """Both were on air, each for a few pictures."""
    stage = ObsStage().shoot()
    for scene in ("B", "C"):
        stage.event("SceneTransitionStarted", transitionName="Cut")
        stage.later(20).event("SceneTransitionVideoEnded", transitionName="Cut")
        stage.program(scene)
        stage.later(15)
    stage.wait(100)
    assert stage.cuts() == [("A", "B"), ("B", "C")]


# ---------------------------------------------------------------------------------------------- studio mode


@pytest.mark.parametrize("gap", [5, 16, 300])
@pytest.mark.parametrize("mode_first", [False, True])
def test_leaving_studio_mode_makes_no_cut(gap: int, mode_first: bool) -> None:
    """OBS announces the preview and then, soon or on a slow machine later, what stays on air."""
    stage = ObsStage().shoot()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1000).cut("B")
    stage.later(1000)
    if mode_first:
        stage.event("StudioModeStateChanged", studioModeEnabled=False)
    stage.program("C")
    stage.wait(gap)
    stage.program("B")
    stage.later(1)
    if not mode_first:
        stage.event("StudioModeStateChanged", studioModeEnabled=False)
    stage.wait(2000)
    assert stage.cuts() == [("A", "B")]
    assert [(event["detail"]["from"], event["detail"]["to"]) for event in stage.events("mode_change")] == [
        ("normal", "studio"),
        ("studio", "normal"),
    ]


def test_leaving_studio_mode_in_the_middle_of_a_fade_is_the_cut_that_the_fade_was() -> None:
    """OBS jumps to its end."""
    stage = ObsStage().shoot()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1000).event("SceneTransitionStarted", transitionName="Fade")
    stage.later(700).program("B")
    stage.later(48).program("B")
    stage.event("StudioModeStateChanged", studioModeEnabled=False)
    stage.wait(2000)
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["at"], cut["durationMs"]) == ("B", T0 + 3000, 700)


def test_a_take_in_studio_mode_is_not_held_for_longer_than_any_cut() -> None:
    """It has a transition, so nothing speaks against it."""
    stage = ObsStage().shoot()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1000).event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("B")
    assert stage.pipeline.deadline() == stage.now + 60
    stage.wait(59)
    assert not stage.cuts()
    stage.wait(1)
    assert stage.cuts() == [("A", "B")]


def test_a_genuine_cut_just_before_leaving_studio_mode_stays() -> None:
    """Only what nothing speaks for is unmasked."""
    stage = ObsStage().shoot()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1000).event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).event("SceneTransitionVideoEnded", transitionName="Cut")
    stage.program("B")
    stage.later(20).program("A")
    stage.later(10).program("B")
    stage.event("StudioModeStateChanged", studioModeEnabled=False)
    stage.wait(2000)
    assert stage.cuts() == [("A", "B")]


def test_what_happens_while_a_program_event_is_held_happens_after_it() -> None:
    """A still knows which scene was live, and a recording that stops has the cut before."""
    stage = ObsStage().shoot()
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("B")
    stage.later(10).event("ScreenshotSaved", savedScreenshotPath="/rec/still.png")
    stage.later(10).record("STOPPED", "/rec/1.mkv")
    stage.wait(100)
    assert [event["kind"] for event in stage.events()] == ["cut", "still_capture"]
    assert stage.events("still_capture")[0]["cameraId"] == "B"
    assert stage.events("still_capture")[0]["at"] == T0 + 2030
    assert stage.session(stage.key)["completedAt"] == T0 + 2040
    assert stage.session(stage.key)["finalState"]["programCameraId"] == "B"


# ---------------------------------------------------------------------------------------------- recordings and streams


def test_a_recording_is_the_session_and_its_file_is_its_media() -> None:
    """From STARTED to STOPPING, where the file ends; a split adds another, and the first gives the title."""
    stage = ObsStage().shoot()
    stage.later(1000).event("RecordFileChanged", newOutputPath="/rec/2.mkv")
    stage.later(1000).record("STOPPING")
    stage.later(500).record("STOPPED", "/rec/2.mkv")
    (session,) = stage.sessions()
    assert (session["status"], session["startedAt"], session["completedAt"]) == ("complete", T0 + 1000, T0 + 4000)
    assert session["media"] == [
        {"path": "/rec/1.mkv", "from": T0 + 1000, "to": T0 + 3000},
        {"path": "/rec/2.mkv", "from": T0 + 3000, "to": T0 + 4000},
    ]
    assert session["title"] == "1"
    assert session["source"]["serverVersion"] == "obs-websocket 5.1.0"


def test_a_pause_is_a_mode_and_no_end() -> None:
    """OBS says that a paused output is not active."""
    stage = ObsStage().shoot()
    stage.record("PAUSED")
    stage.later(1000).cut("B")
    stage.record("RESUMED")
    assert [event["detail"]["to"] for event in stage.events("mode_change")] == ["paused", "normal"]
    assert stage.session(stage.key)["status"] == "live"
    assert stage.cuts() == [("A", "B")]


def test_a_pause_in_studio_mode_leads_back_into_it() -> None:
    """The mode that was on before."""
    stage = ObsStage().shoot()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1000).record("PAUSED")
    stage.later(1000).record("RESUMED")
    assert [event["detail"]["to"] for event in stage.events("mode_change")] == ["studio", "paused", "studio"]


def test_a_stream_is_the_session_where_the_venue_says_so() -> None:
    """Then a recording only adds its files, and its pause is no mode; that it ran before counts."""
    stage = ObsStage(Policy(session="stream")).shoot()
    assert not stage.sessions()
    stage.record("STARTED", kind="Stream")
    stage.later(100).record("PAUSED")
    stage.later(100).event("RecordFileChanged", newOutputPath="/rec/2.mkv")
    stage.later(100).record("STOPPED", "/rec/2.mkv")
    stage.later(100).record("RECONNECTING", kind="Stream")
    stage.later(100).record("RECONNECTED", kind="Stream")
    (session,) = stage.sessions()
    assert session["status"] == "live"
    assert session["media"] == [
        {
            "path": "/rec/1.mkv",
            "from": T0 + 1000,
            "to": T0 + 2200,
            "pauses": [{"from": T0 + 2100, "to": T0 + 2200}],
        },
        {"path": "/rec/2.mkv", "from": T0 + 2200, "to": T0 + 2300},
    ]
    stage.record("STOPPED", kind="Stream")
    assert stage.sessions()[0]["status"] == "complete"
    assert not stage.events("mode_change")


def test_a_late_comer_dates_the_recording_by_its_length() -> None:
    """One gap tells that its beginning was not seen; the path comes at the end."""
    stage = ObsStage()
    stage.now = 100_000
    stage.greet()
    stage.later(20).answers("B", recording=60_020)
    (session,) = stage.sessions()
    assert session["startedAt"] == T0 + 40_000
    assert session["startState"] == {"at": T0 + 100_020, "programCameraId": "B", "mode": "normal"}
    (gap,) = stage.events("gap")
    assert "before" not in gap["detail"]
    stage.later(5000).record("STOPPED", "/rec/late.mkv")
    assert stage.sessions()[0]["media"] == [{"path": "/rec/late.mkv", "from": T0 + 40_000, "to": T0 + 105_020}]


def test_a_late_comer_in_the_middle_of_a_fade_invents_no_cut() -> None:
    """The list names the target already, and the event repeats it."""
    stage = ObsStage()
    stage.greet()
    stage.answers("B", recording=5000, studio=True)
    stage.later(2000).event("SceneTransitionVideoEnded", transitionName="Fade")
    stage.program("B")
    stage.wait(1000)
    assert not stage.cuts()
    assert stage.sessions()[0]["startState"]["mode"] == "studio"


def test_a_recording_that_starts_in_the_middle_of_a_fade_dates_no_cut_before_itself() -> None:
    """The session saw no more than its end."""
    stage = ObsStage()
    stage.connect()
    stage.later(1000).event("SceneTransitionStarted", transitionName="Fade")
    stage.later(500).record("STARTED", "/rec/1.mkv")
    stage.later(500).program("B")
    stage.wait(100)
    assert stage.events("cut")[0]["at"] == stage.sessions()[0]["startedAt"]


def test_an_obs_that_exits_ends_its_recording_and_takes_no_camera_away() -> None:
    """It stops the recording without a word; the storm of removed scenes is nobody's doing."""
    stage = ObsStage().shoot()
    for scene in stage.scenes:
        stage.event("SceneRemoved", sceneName=scene, isGroup=False)
    stage.later(32).event("ExitStarted")
    stage.program("B")
    stage.wait(8000)
    stage.drop()
    stage.wait(60_000)
    session = stage.session(stage.key)
    assert (session["status"], session["endReason"]) == ("complete", "OBS exited")
    assert session["finalState"]["camerasOnline"] == ["A", "B", "C"]
    assert all("leftAt" not in row.fields for row in stage.rows.values() if row.op == "camera")
    assert not stage.cuts()


def test_a_killed_obs_leaves_its_session_interrupted() -> None:
    """It is found out when OBS is back, and dated by the last frame that showed it."""
    stage = ObsStage().shoot()
    stage.cut("B")
    stage.later(3000).drop()
    stage.later(5000).greet()
    stage.answers("A")
    session = stage.session(stage.key)
    assert (session["status"], session["endReason"], session["completedAt"]) == ("interrupted", "unseen", T0 + 2022)
    assert len(stage.events("gap")) == 1


@pytest.mark.parametrize("up", [0, 3_600_000])
def test_a_recording_that_went_on_over_a_loss_is_one_session_however_long_the_machine_was_up(up: int) -> None:
    """Its length, as OBS counts pictures, says that it is the one of before; the tap's clock began long ago."""
    stage = ObsStage()
    stage.later(up).shoot()
    stage.later(30_000).cut("B")
    stage.drop()
    stage.later(5_000).greet()
    stage.answers("B", recording=35_800)
    assert [session["status"] for session in stage.sessions()] == ["live"]
    assert len(stage.events("gap")) == 1


def test_a_recording_whose_start_is_told_after_an_answer_that_showed_it_is_one_session() -> None:
    """On a machine that was up for long; another start, more than five seconds later, is another recording."""
    stage = ObsStage()
    stage.later(3_600_000).greet()
    stage.answers(recording=300)
    stage.later(20).record("STARTED", "/rec/1.mkv")
    assert len(stage.sessions()) == 1
    stage.later(5_000).record("STARTED", "/rec/2.mkv")
    assert len(stage.sessions()) == 2


@pytest.mark.parametrize(
    ("frame", "verdict", "kind"),
    [
        ({"op": 5, "d": {"eventType": PROGRAM, "eventData": {"sceneName": "B"}}}, Verdict.MAPPED, PROGRAM),
        ({"op": 5, "d": {"eventType": PROGRAM, "eventData": {}}}, Verdict.INCOMPLETE, PROGRAM),
        ({"op": 5, "d": {"eventType": "SceneItemTransformChanged"}}, Verdict.UNKNOWN, "SceneItemTransformChanged"),
        ({"op": 9, "d": {}}, Verdict.QUIET, "RequestBatchResponse"),
        ({"op": 12, "d": {}}, Verdict.UNKNOWN, "op 12"),
        ([], Verdict.UNREADABLE, ""),
    ],
)
def test_a_frame_by_itself_says_what_it_is_and_no_more(frame: Any, verdict: Verdict, kind: str) -> None:
    """So ``inspect`` and ``check`` count them. What they mean, only the frames before can tell."""
    (reading,) = DIALECT.read(Frame(orjson.dumps(frame), Stamp(0, 0)))
    assert (reading.verdict, reading.type, reading.observations) == (verdict, kind, ())
