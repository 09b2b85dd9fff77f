"""What was recorded: files, from when to when, pauses, rate and size; and when a late comer's recording began."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tap.core.model import Policy
from tap.core.obs.filenames import local_start
from tap.core.pipeline import Pipeline
from tests.obs.stage import DIALECT, T0, ObsStage

NAMED = {
    "2026-11-18 11-06-40": T0,
    "Shoot 2026-11-18 11-06-40": T0,
    "2026-11-18_11-06-40": T0,
    "20261118-110640": T0,
    "2026-11-18T11.06.40 (2)": T0,
    "take 7 of 2026.11.18 at 11h06m40s": None,
    "2026-11-18 11-06": None,
    "2026-13-45 99-99-99": None,
    "show": None,
    "": None,
}


def media(stage: ObsStage, number: int = 0) -> list[tuple[str, int | None, int | None]]:
    files = stage.sessions()[number].get("media", [])
    return [
        (file["path"], *(None if file.get(end) is None else file[end] - T0 for end in ("from", "to"))) for file in files
    ]


def video(stage: ObsStage, frames: int = 30, seconds: int = 1, width: int = 1920, height: int = 1080) -> None:
    size: dict[str, Any] = {"baseWidth": 3840, "baseHeight": 2160, "outputWidth": width, "outputHeight": height}
    stage.reply("GetVideoSettings", fpsNumerator=frames, fpsDenominator=seconds, **size)


# ---------------------------------------------------------------------------------------------- files


def test_a_session_ends_where_its_file_ends() -> None:
    """At STOPPING; what is changed until STOPPED is in neither, and the next recording is another session."""
    stage = ObsStage().shoot()
    stage.later(1_000).record("STOPPING")
    stage.later(300).cut("B")
    stage.later(300).record("STOPPED", "/rec/1.mkv")
    stage.later(100).record("STARTED", "/rec/2.mkv")
    stage.later(200).record("STOPPING")
    stage.later(600).record("STOPPED", "/rec/2.mkv")
    first, second = stage.sessions()
    assert (first["completedAt"], first["finalState"]["programCameraId"]) == (T0 + 3_000, "A")
    assert not stage.events("cut")
    assert second["startState"]["programCameraId"] == "B"
    assert media(stage) == [("/rec/1.mkv", 1_000, 3_000)]
    assert media(stage, 1) == [("/rec/2.mkv", second["startedAt"] - T0, second["completedAt"] - T0)]


def test_three_recordings_within_seconds_are_three_sessions() -> None:
    """Each with its own file."""
    stage = ObsStage()
    stage.connect()
    for number in range(3):
        stage.later(50).record("STARTED", f"/rec/{number}.mkv")
        stage.later(200).record("STOPPING")
        stage.later(60).record("STOPPED", f"/rec/{number}.mkv")
    assert [session["status"] for session in stage.sessions()] == ["complete"] * 3
    assert [media(stage, number)[0][0] for number in range(3)] == ["/rec/0.mkv", "/rec/1.mkv", "/rec/2.mkv"]


def test_an_end_that_was_told_only_in_full_is_one_too() -> None:
    """STOPPED alone, as on a tape that lacks the other."""
    stage = ObsStage().shoot()
    stage.later(1_000).record("STOPPED", "/rec/1.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, 3_000)]
    assert stage.sessions()[0]["status"] == "complete"


def test_rate_and_size_are_the_recording_s() -> None:
    """As OBS says them when it starts; a change between two recordings is of the second."""
    stage = ObsStage()
    stage.connect()
    video(stage, 30_000, 1_001)
    stage.later(1_000).record("STARTED", "/rec/1.mkv")
    stage.later(1_000).record("STOPPING")
    stage.later(1_000).record("STARTING")
    video(stage, 25, 1, 1280, 720)
    stage.record("STARTED", "/rec/2.mkv")
    first, second = (session["media"][0] for session in stage.sessions())
    assert (first["rate"], first["width"], first["height"]) == (pytest.approx(29.97002997), 1920, 1080)
    assert (second["rate"], second["width"], second["height"]) == (25, 1280, 720)


def test_an_answer_that_comes_after_the_start_is_the_recording_s_too() -> None:
    """The row is written again."""
    stage = ObsStage().shoot()
    video(stage)
    assert stage.sessions()[0]["media"] == [
        {"path": "/rec/1.mkv", "from": T0 + 1_000, "rate": 30, "width": 1920, "height": 1080}
    ]


@pytest.mark.parametrize(
    "odd", [{}, {"fpsNumerator": 0, "fpsDenominator": 0}, {"fpsNumerator": "30"}, {"outputWidth": None}]
)
def test_odd_settings_say_nothing(odd: dict[str, Any]) -> None:
    """And harm nothing."""
    stage = ObsStage().shoot()
    stage.reply("GetVideoSettings", **{"x": 1, **odd})
    assert stage.sessions()[0]["media"] == [{"path": "/rec/1.mkv", "from": T0 + 1_000}]


def test_a_killed_obs_leaves_a_file_whose_end_nobody_knows() -> None:
    """Nor does the next recording have anything of it."""
    stage = ObsStage().shoot()
    video(stage)
    stage.later(3_000).drop()
    stage.later(5_000).greet()
    video(stage)
    stage.answers("A")
    stage.later(1_000).record("STARTED", "/rec/2.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, None)]
    assert [file[0] for file in media(stage, 1)] == ["/rec/2.mkv"]
    assert stage.sessions()[0]["title"] == "1"


@pytest.mark.parametrize("policy", [None, Policy(session="record")])
def test_an_obs_that_is_back_and_records_already_has_nothing_of_the_file_before(policy: Policy | None) -> None:
    """It was killed, and started again with another collection, recording: its file is told at its end."""
    stage = ObsStage(policy, version="5.7.4").shoot()
    stage.later(6_000).drop()
    stage.scenes = ["X", "B"]
    stage.later(8_000).greet()
    stage.answers("X", recording=500)
    stage.wait(3_000)
    assert [session["status"] for session in stage.sessions()] == ["interrupted", "live"]
    assert [media(stage, number) for number in (0, 1)] == [[("/rec/1.mkv", 1_000, None)], []]
    ends = stage.now
    stage.record("STOPPING")
    stage.later(700).record("STOPPED", "/rec/2.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, None)]
    assert media(stage, 1) == [("/rec/2.mkv", stage.sessions()[1]["startedAt"] - T0, ends)]
    assert not stage.events("cut")


@pytest.mark.parametrize("policy", [None, Policy(session="record"), Policy(session="stream")])
def test_an_obs_that_was_closed_and_records_again_has_nothing_of_the_file_before(policy: Policy | None) -> None:
    """It exited in a short recording, and records already when the tap is let in again: that is another recording."""
    stage = ObsStage(policy).shoot()
    by_stream = policy is not None and policy.session == "stream"
    if by_stream:
        stage.later(100).record("STARTED", kind="Stream")
    stage.later(2_000).event("ExitStarted")
    stage.later(50).drop()
    stage.later(1_200).greet()
    stage.answers("B", recording=300, streaming=200 if by_stream else None)
    stage.wait(2_000)
    assert [session["status"] for session in stage.sessions()] == ["complete", "live"]
    assert [media(stage, number) for number in (0, 1)] == [[("/rec/1.mkv", 1_000, None)], []]
    ends = stage.now
    stage.record("STOPPING")
    stage.later(700).record("STOPPED", "/rec/2.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, None)]
    ((path, _, to),) = media(stage, 1)
    assert (path, to) == ("/rec/2.mkv", ends)


def test_a_recording_that_goes_on_over_a_gap_is_one_file() -> None:
    """And so is one over a restart of the tap."""
    stage = ObsStage().shoot()
    stage.later(10_000).drop()
    stage.later(6_000).greet()
    stage.answers("A", recording=17_000)
    stage.later(1_000)
    stage.restart_tap(3_000)
    stage.greet()
    stage.answers("A", recording=21_000)
    stage.later(1_000).record("STOPPING")
    stage.later(500).record("STOPPED", "/rec/1.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, stage.now - 500)]


def test_a_pause_that_began_or_ended_unseen_is_dated_by_the_recording_s_length() -> None:
    """It stood still meanwhile."""
    stage = ObsStage().shoot()
    stage.later(10_000).drop()
    stage.later(6_000).greet()
    stage.answers("A", recording=13_000, paused=True)
    stage.later(4_000).drop()
    stage.later(6_000).greet()
    stage.answers("A", recording=15_000)
    (file,) = stage.sessions()[0]["media"]
    (pause,) = file["pauses"]
    assert pause["from"] == T0 + 1_000 + 13_000
    # OBS tells a length that lags by some 700 ms.
    assert pause["to"] == T0 + 28_000 - 2_000 - 700


def test_a_split_that_nobody_told_is_two_files_with_an_unknown_seam() -> None:
    """The second is named at the end."""
    stage = ObsStage(version="5.7.4").shoot()
    stage.later(5_000).record("STOPPING")
    stage.record("STOPPED", "/rec/2.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, 7_000)]
    stage = ObsStage(version="5.7.4").shoot()
    stage.later(5_000).record("STOPPED", "/rec/2.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, None), ("/rec/2.mkv", None, 7_000)]


def test_a_stream_that_begins_while_a_recording_runs_has_its_file() -> None:
    """From before it, to after it."""
    stage = ObsStage(Policy(session="stream")).shoot()
    stage.later(2_000).record("STARTED", kind="Stream")
    stage.later(1_000).record("PAUSED")
    stage.later(1_000).record("RESUMED")
    stage.later(1_000).record("STOPPING", kind="Stream")
    stage.later(500).record("STOPPED", kind="Stream")
    stage.later(1_000).record("STOPPING")
    (session,) = stage.sessions()
    assert (session["startedAt"], session["completedAt"]) == (T0 + 4_000, T0 + 7_000)
    assert session["media"] == [
        {
            "path": "/rec/1.mkv",
            "from": T0 + 1_000,
            "to": T0 + 8_500,
            "pauses": [{"from": T0 + 5_000, "to": T0 + 6_000}],
        }
    ]
    assert not stage.events("mode_change")


@pytest.mark.parametrize("streams", [True, False])
def test_a_killed_obs_that_is_back_and_records_already_has_nothing_of_the_stream_before(streams: bool) -> None:
    """Its stream is another one, or none; and what it records now is no file of the stream that was cut off."""
    stage = ObsStage(Policy(session="stream"), version="5.7.4").shoot()
    stage.later(2_000).record("STARTED", kind="Stream")
    stage.later(6_000).drop()
    stage.later(8_000).greet()
    stage.answers("B", recording=700, streaming=500 if streams else None)
    stage.wait(3_000)
    assert [session["status"] for session in stage.sessions()] == ["interrupted", *["live"] * streams]
    assert media(stage) == [("/rec/1.mkv", 1_000, None)]
    ends = stage.now
    stage.record("STOPPING")
    stage.later(700).record("STOPPED", "/rec/2.mkv")
    assert media(stage) == [("/rec/1.mkv", 1_000, None)]
    if streams:
        ((path, _, to),) = media(stage, 1)
        assert (path, to) == ("/rec/2.mkv", ends)
    assert not stage.events("cut")


def test_the_collection_is_the_title_where_no_file_is() -> None:
    """Of a stream; or as long as a late comer does not know the file."""
    stage = ObsStage(Policy(session="stream"))
    stage.greet()
    stage.reply("GetSceneCollectionList", currentSceneCollectionName="Evensong", sceneCollections=["Evensong"])
    stage.answers()
    stage.record("STARTED", kind="Stream")
    assert stage.sessions()[0]["title"] == "Evensong"


def test_paths_of_0_1_0_in_a_checkpoint_are_still_read() -> None:
    """They were bare; what is known of them stays, and what comes is told in full."""
    stage = ObsStage().shoot()
    saved = stage.pipeline.checkpoint()
    bare = saved.replace(b'"media":[{"path":"/rec/1.mkv","from":1795000001000}]', b'"media":["/rec/1.mkv"]')
    bare = bare.replace(b'"files":[{"path":"/rec/1.mkv","from":1795000001000}]', b'"files":[]')
    assert len(bare) < len(saved) - 50
    stage.pipeline = Pipeline(DIALECT, venue="studio", tap=stage.tap, checkpoint=bare)
    stage.later(1_000).event("RecordFileChanged", newOutputPath="/rec/2.mkv")
    stage.later(1_000).record("STOPPING")
    assert media(stage) == [("/rec/1.mkv", None, 3_000), ("/rec/2.mkv", 3_000, 4_000)]


# ---------------------------------------------------------------------------------------------- late comers


@pytest.mark.parametrize(("name", "moment"), NAMED.items())
def test_what_a_name_says(name: str, moment: int | None) -> None:
    """OBS's own, and what people make of it; in whatever folder of whatever system."""
    for folder in ("/rec/", "C:\\Videos\\2019-01-01 00-00-00\\", "C:/Users/z/", ""):
        assert local_start(f"{folder}{name}.mkv") == moment


def late(name: str, *, lag: int = 650, started: int = 40_300, paused: int = 0) -> ObsStage:
    """A tap that comes at 100 s to a recording that began at 40.3 s, in a file with this name; then its end."""
    stage = ObsStage()
    stage.now = 100_000
    stage.greet()
    stage.answers("B", recording=100_000 - started - lag - paused)
    stage.later(20_000).record("STOPPING")
    stage.later(700).record("STOPPED", f"/rec/{name}.mkv")
    return stage


def named(second: int, zone_h: float = 0) -> str:
    """OBS's name for a file that was begun in this second of the shoot, in a zone so many hours east."""
    moment = datetime.fromtimestamp((T0 // 1000) + second, UTC) + timedelta(hours=zone_h)
    return f"{moment:%Y-%m-%d %H-%M-%S}"


@pytest.mark.parametrize("zone_h", [0, 1, -8, 5.75, 9.5, 13])
def test_a_late_comer_s_recording_began_in_the_second_of_its_file_s_name(zone_h: float) -> None:
    """In whatever time zone OBS's machine is; its length, which lags, only says which."""
    stage = late(named(40, zone_h))
    (session,) = stage.sessions()
    assert session["startedAt"] == T0 + 40_000
    assert media(stage) == [(f"/rec/{named(40, zone_h)}.mkv", 40_000, 120_000)]
    assert session["title"] == named(40, zone_h)
    assert next(iter(stage.rows)) == f"studio/@{T0 + 40_950}", "the key stays"


def test_a_pause_before_the_tap_came_does_not_make_it_later() -> None:
    """The length leaves it out, the name does not."""
    stage = late(named(40), paused=30_000)
    assert stage.sessions()[0]["startedAt"] == T0 + 40_000


@pytest.mark.parametrize("name", ["show", "2026-11-18 11-06", named(45), named(41)])
def test_a_name_that_knows_no_better_changes_nothing(name: str) -> None:
    """Without a date, or later than the recording can have begun: then the length stands."""
    stage = late(name)
    assert stage.sessions()[0]["startedAt"] == T0 + 40_950


def test_two_clocks_that_differ_are_set_against_each_other() -> None:
    """By a recording that was seen starting: OBS's machine is 4 minutes ahead."""
    stage = ObsStage()
    stage.connect()
    stage.later(10_400).record("STARTED", f"/rec/{named(10 + 240, 1)}.mkv")
    stage.later(1_000).record("STOPPING")
    stage.later(700).record("STOPPED", f"/rec/{named(10 + 240, 1)}.mkv")
    stage.drop()
    stage.now = 100_000
    stage.greet()
    stage.answers("B", recording=100_000 - 40_300 - 650)
    stage.later(20_000).record("STOPPING")
    stage.later(700).record("STOPPED", f"/rec/{named(40 + 240, 1)}.mkv")
    assert stage.sessions()[1]["startedAt"] == T0 + 40_400


def test_a_recording_that_was_seen_starting_needs_no_name() -> None:
    """Its event tells, whatever the file is called: a script may have renamed it."""
    for name in (named(0), named(-40)):
        stage = ObsStage()
        stage.connect()
        stage.later(1_000).record("STARTED")
        stage.later(9_000).record("STOPPING")
        stage.later(700).record("STOPPED", f"/rec/{name}.mkv")
        assert stage.sessions()[0]["startedAt"] == T0 + 1_000


def test_who_comes_while_a_recording_stops_makes_no_session_of_its_rest() -> None:
    """OBS says for a while that it is active still."""
    stage = ObsStage().shoot()
    stage.later(10_000).record("STOPPING")
    stage.later(200).drop()
    stage.later(100).greet()
    stage.answers("A", recording=11_000)
    stage.later(400).record("STOPPED", "/rec/1.mkv")
    stage.wait(5_000)
    assert [session["status"] for session in stage.sessions()] == ["complete"]
    assert not stage.events("gap")


def test_who_comes_while_a_recording_stops_makes_no_second_file_of_its_rest() -> None:
    """Where the stream makes the session, too."""
    stage = ObsStage(Policy(session="stream")).shoot()
    stage.record("STARTED", kind="Stream")
    stage.later(10_000).record("STOPPING")
    stage.later(200).drop()
    stage.later(100).greet()
    stage.answers("A", recording=11_000, streaming=10_300)
    stage.later(400).record("STOPPED", "/rec/1.mkv")
    stage.wait(5_000)
    assert media(stage) == [("/rec/1.mkv", 1_000, 12_000)]
