"""What a drop, late answers, other scenes and frames that cannot be read do to the history of an OBS."""

from __future__ import annotations

import pytest

from tap.core.mapping import Verdict
from tap.core.model import Policy
from tap.core.pipeline import Pipeline
from tests.obs.stage import DIALECT, T0, ObsStage

# ---------------------------------------------------------------------------------------------- gaps


def test_a_drop_is_a_gap_and_the_recording_goes_on() -> None:
    """The same session under the same key, and nothing is made up for what happened meanwhile."""
    stage = ObsStage().shoot()
    stage.later(10_000).drop()
    stage.later(6000).greet()
    stage.later(10).answers("C", recording=17_000)
    assert len(stage.sessions()) == 1
    assert stage.session(stage.key)["status"] == "live"
    (gap,) = stage.events("gap")
    assert gap["detail"]["before"]["programCameraId"] == "A"
    assert gap["detail"]["after"]["programCameraId"] == "C"
    assert not stage.cuts()
    stage.later(1000).cut("B")
    assert stage.cuts() == [("C", "B")]


@pytest.mark.parametrize(
    ("ran", "away", "length", "same"),
    [
        (60_000, 10_000, 70_000, True),
        (60_000, 10_000, 65_500, True),
        (60_000, 100_000, 94_000, False),
        (60_000, 100_000, 96_000, True),
        # It was killed, started again and recorded at once: the away time alone would not tell.
        (60_000, 5_000, 1_000, False),
        (4_000, 5_000, 1_000, True),
    ],
)
def test_whether_a_recording_is_the_known_one_after_a_gap_its_length_tells(
    ran: int, away: int, length: int, same: bool
) -> None:
    """One that is shorter than the time away began meanwhile, and so did one shorter than what had been seen."""
    stage = ObsStage().shoot()
    stage.later(ran - 1000)
    stage.program("A")
    stage.drop()
    stage.later(away).greet()
    stage.answers("A", recording=length)
    statuses = [session["status"] for session in stage.sessions()]
    assert statuses == (["live"] if same else ["interrupted", "live"])
    if not same:
        first, second = stage.sessions()
        assert first["endReason"] == "replaced"
        assert second["startedAt"] == T0 + stage.now - length


def test_a_pause_is_no_shorter_recording() -> None:
    """While it is paused its length stands still, however long we are away."""
    stage = ObsStage().shoot()
    stage.later(10_000).record("PAUSED")
    stage.later(1000).drop()
    stage.later(300_000).greet()
    stage.answers("A", recording=11_000, paused=True)
    assert [session["status"] for session in stage.sessions()] == ["live"]
    stage.later(1000).record("RESUMED")
    stage.later(2000).drop()
    stage.later(3000).greet()
    stage.answers("A", recording=16_000)
    assert [session["status"] for session in stage.sessions()] == ["live"]


def test_a_restart_of_the_tap_is_a_gap_and_loses_nothing_that_was_held() -> None:
    """A program event that waited for its doubt was heard before."""
    stage = ObsStage().shoot()
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("B")
    stage.restart_tap(8000)
    stage.greet()
    stage.answers("B", recording=9000)
    assert stage.cuts() == [("A", "B")]
    assert stage.events("cut")[0]["at"] == T0 + 2020
    (gap,) = stage.events("gap")
    assert gap["detail"]["cause"] == "tap restart"
    assert gap["detail"]["before"]["programCameraId"] == "B"
    assert [session["status"] for session in stage.sessions()] == ["live"]


# ---------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)])
def test_answers_in_any_order_make_one_snapshot(order: tuple[int, ...]) -> None:
    """The gap has both sides whole."""
    stage = ObsStage().shoot()
    stage.drop()
    stage.later(2000).greet()
    stage.answers("C", recording=4000, studio=True, order=order)
    (gap,) = stage.events("gap")
    assert gap["detail"]["after"] == {"programCameraId": "C", "mode": "studio"}


def test_answers_that_never_come_hold_nothing_up_for_long() -> None:
    """After two seconds the others make the snapshot, and what happened meanwhile follows."""
    stage = ObsStage().shoot()
    stage.drop()
    stage.later(2000).greet()
    stage.answers("C", order=(0, 1))
    stage.later(100).event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("B")
    assert not stage.cuts()
    stage.wait(2000)
    assert stage.cuts() == [("C", "B")]
    assert stage.events("cut")[0]["at"] == T0 + 4120
    assert stage.events("gap")[0]["detail"]["after"]["programCameraId"] == "C"


def test_no_answer_at_all_still_gives_what_the_events_say() -> None:
    """A passive client that only identified itself records such a tape."""
    stage = ObsStage()
    stage.greet()
    stage.later(100).record("STARTED", "/rec/1.mkv")
    stage.later(1000).program("B")
    stage.later(2000).program("C")
    stage.wait(1000)
    assert [session["status"] for session in stage.sessions()] == ["live"]
    assert stage.cuts() == [(None, "B"), ("B", "C")]


def test_an_answer_that_comes_late_is_still_heard() -> None:
    """OBS was not ready, and was asked again."""
    stage = ObsStage().shoot()
    stage.drop()
    stage.later(2000).greet()
    stage.answers("C", recording=4000, order=(0, 1, 3))
    stage.reply("GetRecordStatus", code=207)
    stage.wait(3000)
    assert stage.session(stage.key)["status"] == "live"
    stage.answers(recording=None, order=(2,))
    assert stage.session(stage.key)["status"] == "interrupted"


def test_an_obs_that_is_still_loading_takes_no_camera_away() -> None:
    """Its list is empty at first; the later one tells."""
    stage = ObsStage().shoot()
    stage.drop()
    stage.later(2000).greet()
    stage.answers(recording=4000, order=(1, 2, 3))
    stage.reply("GetSceneList", currentProgramSceneName=None, scenes=[])
    stage.wait(10_000)
    assert (stage.camera("B") or {})["status"] == "online"
    stage.answers("B", order=(0,))
    stage.later(1000).cut("C")
    assert stage.cuts() == [("B", "C")]


def test_a_recording_that_starts_while_the_answers_come_is_one_session() -> None:
    """Whether the answer was made before or after."""
    for recording in (None, 30):
        stage = ObsStage()
        stage.greet()
        stage.answers("A", order=(0, 1))
        stage.record("STARTED", "/rec/1.mkv")
        stage.answers("A", recording=recording, order=(2, 3))
        stage.wait(100)
        (session,) = stage.sessions()
        assert [(file["path"], file["from"]) for file in session["media"]] == [("/rec/1.mkv", session["startedAt"])]


def test_a_greeting_without_an_opening_is_another_connection() -> None:
    """As tapes of other recorders have it."""
    stage = ObsStage().shoot()
    stage.later(6000).greet(opened=False)
    stage.answers("C", recording=7000)
    assert len(stage.events("gap")) == 1
    assert len(stage.sessions()) == 1


# ---------------------------------------------------------------------------------------------- scenes


def test_a_scene_that_is_renamed_stays_the_same_camera_in_its_session() -> None:
    """Its id is the name that it had first; the next session knows it by the new one."""
    stage = ObsStage().shoot()
    stage.event("SceneNameChanged", oldSceneName="B", sceneName="B roof")
    stage.later(100).cut("B roof")
    assert stage.cuts() == [("A", "B")]
    assert stage.camera("B", stage.key) is not None
    assert (stage.camera("B", stage.key) or {})["name"] == "B roof"
    stage.record("STOPPED", "/rec/1.mkv")
    stage.later(1000).record("STARTED", "/rec/2.mkv")
    second = f"studio/@{T0 + stage.now}"
    assert stage.camera("B roof", second) is not None
    assert stage.camera("B", second) is None
    assert stage.session(second)["startState"]["programCameraId"] == "B roof"


def test_a_new_scene_under_an_old_name_is_another_camera() -> None:
    """Its id says so."""
    stage = ObsStage().shoot()
    stage.event("SceneNameChanged", oldSceneName="B", sceneName="B roof")
    stage.event("SceneCreated", sceneName="B", isGroup=False)
    stage.later(100).cut("B")
    stage.cut("B roof")
    assert stage.cuts() == [("A", "B (2)"), ("B (2)", "B")]


def test_a_scene_that_was_renamed_unseen_is_known_by_its_uuid() -> None:
    """obs-websocket 5.4 and later tell one."""
    stage = ObsStage()
    stage.uuids = {"A": "u1", "B": "u2", "C": "u3", "New": "u2"}
    stage.shoot()
    stage.drop()
    stage.scenes = ["A", "New", "B"]
    stage.uuids["B"] = "u4"
    stage.later(1000).greet()
    stage.answers("New", recording=3000)
    stage.later(3000).cut("B")
    assert stage.cuts() == [("B", "B (2)")]
    assert (stage.camera("B", stage.key) or {})["name"] == "New"


def test_another_collection_is_a_change_on_air_that_nobody_cut() -> None:
    """Cameras of the old one left, those of the new one joined; the change says what it was."""
    stage = ObsStage().shoot()
    stage.event("CurrentSceneCollectionChanging", sceneCollectionName="One")
    for scene in stage.scenes:
        stage.event("SceneRemoved", sceneName=scene, isGroup=False)
    stage.later(200)
    for scene in ("A", "X"):
        stage.event("SceneCreated", sceneName=scene, isGroup=False)
    stage.program("X")
    stage.later(5).event("CurrentSceneCollectionChanged", sceneCollectionName="Two")
    stage.wait(10_000)
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["trigger"]) == ("X", "collection_switch")
    online = {row.fields["cameraId"]: row.fields["status"] for row in stage.rows.values() if row.op == "camera"}
    assert online == {"A": "online", "B": "offline", "C": "offline", "X": "online"}


def test_another_collection_and_back_leaves_no_trace_outside_a_session() -> None:
    """Neither events nor cameras of the one that was left."""
    stage = ObsStage()
    stage.connect()
    stage.event("CurrentSceneCollectionChanging", sceneCollectionName="One")
    stage.event("SceneCreated", sceneName="X", isGroup=False)
    stage.program("X")
    stage.event("CurrentSceneCollectionChanged", sceneCollectionName="Two")
    stage.later(2000).event("CurrentSceneCollectionChanging", sceneCollectionName="Two")
    stage.event("SceneRemoved", sceneName="X", isGroup=False)
    stage.program("A")
    stage.event("CurrentSceneCollectionChanged", sceneCollectionName="One")
    stage.later(1000).record("STARTED", "/rec/1.mkv")
    assert sorted(row.fields["cameraId"] for row in stage.rows.values() if row.op == "camera") == ["A", "B", "C"]


def test_names_of_all_kinds_are_names() -> None:
    """Quotes, emoji, what looks like a secret or a path, and ten thousand bytes."""
    names = ('Crane "4"', "🎥", "password: hunter2", "../../x", "ä" * 5000, "100 %")
    stage = ObsStage(scenes=("A", *names)).shoot()
    for name in names:
        stage.cut(name)
    assert [to for _, to in stage.cuts()] == list(names)
    assert len({row.key for row in stage.rows.values()}) == len(stage.rows)


def test_a_scene_whose_removal_waits_did_not_leave_a_connection_that_was_lost() -> None:
    """The removal stood behind a program event that was held; then OBS greeted anew."""
    stage = ObsStage().shoot()
    stage.event("SceneTransitionStarted", transitionName="Cut")
    stage.later(20).program("B")
    stage.later(10).event("SceneRemoved", sceneName="C", isGroup=False)
    stage.greet(opened=False)
    stage.wait(1500)
    stage.answers("B", recording=3000)
    stage.wait(10_000)
    assert (stage.camera("C") or {})["status"] == "online"
    assert stage.cuts() == [("A", "B")]


def test_groups_are_no_cameras() -> None:
    """OBS tells of them as of scenes."""
    stage = ObsStage().shoot()
    stage.event("SceneCreated", sceneName="Group", isGroup=True)
    stage.wait(1000)
    assert stage.camera("Group", stage.key) is None


# ---------------------------------------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("data", "verdict", "words"),
    [
        (b"<html>", Verdict.UNREADABLE, "no JSON"),
        (b"[]", Verdict.UNREADABLE, "no object"),
        (b'{"op":5}', Verdict.UNREADABLE, "'op' or 'd' is missing"),
        (b'{"update-type":"SwitchScenes","scene-name":"A"}', Verdict.UNREADABLE, "obs-websocket 4.x"),
        (b'{"op":5,"d":{"eventType":"CurrentProgramSceneChanged","eventIntent":4}}', Verdict.INCOMPLETE, "'sceneName'"),
        (b'{"op":5,"d":{"eventIntent":4}}', Verdict.INCOMPLETE, "'eventType'"),
        (b'{"op":5,"d":{"eventType":"NewThing","eventIntent":4}}', Verdict.UNKNOWN, None),
        (b'{"op":5,"d":{"eventType":"NewThing","eventIntent":8}}', Verdict.IGNORED, None),
        (b'{"op":5,"d":{"eventData":{},"eventIntent":65536,"eventType":"InputVolumeMeters"},"op":5}', None, None),
        (b'{"op":77,"d":{}}', Verdict.UNKNOWN, None),
        (b'{"op":7,"d":{"requestType":"GetSceneList","requestStatus":{"code":500}}}', Verdict.INCOMPLETE, "500"),
    ],
)
def test_a_frame_that_says_nothing_is_counted_and_harms_nothing(
    data: bytes, verdict: Verdict | None, words: str | None
) -> None:
    """The cut beside it is there."""
    stage = ObsStage().shoot()
    stage.raw(data)
    if verdict is not None:
        assert stage.pipeline.verdict is verdict
    if words is not None:
        assert any(words in sample.reason for sample in stage.pipeline.tally.samples)
    stage.cut("B")
    assert stage.cuts() == [("A", "B")]


def test_msgpack_is_refused_in_words() -> None:
    """Traffic of a client that asked for it."""
    stage = ObsStage().shoot()
    stage.raw(b"\x82\xa2op\x05\xa1d\x80", binary=True)
    (sample,) = stage.pipeline.tally.samples
    assert "msgpack" in sample.reason


def test_what_is_on_a_tape_says_nothing_of_the_password() -> None:
    """Neither salt and challenge nor the answer; names that only look like secrets stay."""
    hello = b'{"op":0,"d":{"authentication":{"challenge":"CCC","salt":"SSS"},"obsWebSocketVersion":"5.1.0"}}'
    sent = b'{"op":1,"d":{"authentication":"PROOF","rpcVersion":1}}'
    assert b"CCC" not in DIALECT.clean(hello)
    assert b"SSS" not in DIALECT.clean(hello)
    assert b"PROOF" not in DIALECT.clean(sent)
    scene = b'{"op":5,"d":{"eventType":"SceneCreated","eventIntent":4,"eventData":{"sceneName":"token: 5"}}}'
    assert DIALECT.clean(scene) == scene


def test_a_checkpoint_of_another_dialect_is_no_obstacle() -> None:
    """What is not OBS's own memory is forgotten; the next snapshot tells all that matters."""
    stage = ObsStage().shoot()
    saved = stage.pipeline.checkpoint().replace(b'"scenes":[', b'"scenes":[7,')
    again = Pipeline(DIALECT, venue="studio", tap="tap-a", checkpoint=saved)
    assert again.state.reader.scenes == []


def test_the_storm_of_an_exit_takes_no_camera_out_of_a_session_of_another_policy() -> None:
    """Where the program makes the session, it does not end with OBS; its cameras did not leave one by one."""
    stage = ObsStage(Policy(session="program"))
    stage.connect()
    stage.later(1000).cut("B")
    for scene in stage.scenes:
        stage.event("SceneRemoved", sceneName=scene, isGroup=False)
    stage.later(32).event("ExitStarted")
    stage.wait(10_000)
    assert [row.fields["status"] for row in stage.rows.values() if row.op == "camera"] == ["online"] * 3
