"""What happens exactly at a bound, and one beyond it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tap.core.machine import cameras, identity, memory, staleness, stills
from tap.core.machine.identity import brief
from tap.core.machine.still_keys import weight_of
from tests.core.stage import T0, Stage


def capture(stage: Stage, **body: Any) -> None:
    stage.say("still_captured", camera_id="c1", **body)


# ---------------------------------------------------------------------------------------------- when a still was taken


def captured(stage: Stage) -> dict[str, Any]:
    """The one capture that was told."""
    (event,) = stage.events("still_capture")
    return event


def test_a_still_may_be_taken_in_the_very_millisecond_in_which_it_is_told() -> None:
    stage = Stage().shoot()
    capture(stage, still_id="x", ts=stage.now + 7, taken_at=T0 + stage.now + 7)
    assert "takenAt" not in captured(stage)["detail"]


def test_a_still_may_not_be_taken_a_millisecond_after_it_is_told() -> None:
    """By the server's own clock in milliseconds that cannot be: the frame's time stands."""
    stage = Stage().shoot()
    stage.later(7)
    capture(stage, still_id="x", taken_at=T0 + stage.now + 1)
    event = captured(stage)
    assert (event["at"], event["detail"]["takenAt"]) == (T0 + stage.now, T0 + stage.now + 1)


@pytest.mark.parametrize(("early", "believed"), [(10_000, True), (10_001, False)])
def test_a_camera_s_clock_may_be_ten_seconds_off_before_the_session(early: int, believed: bool) -> None:
    """Counted from the session's beginning, not from when it was first seen: whichever is earlier."""
    stage = Stage()
    stage.idle_state()
    stage.later(9_000).say("session_started", session={"id": "s1", "started_at": T0 + 2_000})
    stage.later(1_000)
    taken = T0 + 2_000 - early
    capture(stage, still_id="x", taken_at=taken)
    assert (captured(stage)["at"] == taken) is believed


# ---------------------------------------------------------------------------------------------- stills without ids


def asked(stage: Stage) -> int:
    stage.say("still_requested", camera_ids=["c1"])
    return stage.now


@pytest.mark.parametrize(("after", "rows"), [(0, 1), (60_000, 1), (60_001, 2)])
def test_a_request_without_an_id_waits_a_minute_for_its_capture(after: int, rows: int) -> None:
    """From the millisecond in which it was asked for."""
    stage = Stage().shoot()
    asked(stage)
    stage.later(after)
    capture(stage)
    assert sum(row.op == "still" for row in stage.rows.values()) == rows


def test_an_upload_in_the_millisecond_of_the_capture_is_of_it() -> None:
    stage = Stage().shoot()
    capture(stage)
    stage.say("still_uploaded", camera_id="c1")
    (row,) = (row.fields for row in stage.rows.values() if row.op == "still")
    assert row["status"] == "uploaded"


@pytest.mark.parametrize(("after", "captures"), [(2_000, 1), (2_001, 2)])
def test_a_capture_told_again_within_two_seconds_is_one(after: int, captures: int) -> None:
    """It has no time of its own, and the frame another: later it is another still of that id."""
    stage = Stage().shoot()
    for _ in range(2):
        capture(stage, still_id="x")
        stage.later(after)
    assert len(stage.events("still_capture")) == captures


# ---------------------------------------------------------------------------------------------- what is remembered


@pytest.mark.parametrize(("ended", "known"), [(8, True), (9, False)])
def test_a_moment_is_known_again_in_eight_sessions_that_are_over(ended: int, known: bool) -> None:
    stage = Stage()
    stage.idle_state()
    stage.later(1_000).say("session_started", session={"id": "s1"})
    told: dict[str, Any] = {"moment_id": "m", "kind": "drop", "at": T0 + stage.now, "ts": stage.now}
    stage.say("music_moment", **told)
    for number in range(1, ended + 1):
        stage.later(1_000).say("session_ended", session_id=f"s{number}")
        stage.later(1_000).say("session_started", session={"id": f"s{number + 1}"})
    stage.say("music_moment", **told)
    assert (len(stage.events("music_moment")) == 1) is known


def test_sixty_four_changes_outside_of_a_session_are_remembered() -> None:
    stage = Stage()
    for number in range(70):
        stage.later(1_000).say("mode_changed", to=f"m{number}")
    assert len(stage.pipeline.state.seen_outside_sessions) == 64
    assert f"mode@{T0 + 70_000}/m69" in stage.pipeline.state.seen_outside_sessions


def test_sixty_four_changes_with_nothing_to_know_them_by_are_remembered() -> None:
    stage = Stage().shoot()
    for number in range(70):
        stage.later(1_000).say("mode_changed", bare=True, to=f"m{number}")
    assert len(stage.pipeline.state.nameless_frames) == 64


@pytest.mark.parametrize(("after", "doubts"), [(10_000, 1), (10_001, 0)])
def test_what_carries_nothing_may_be_a_repetition_for_ten_seconds(after: int, doubts: int) -> None:
    stage = Stage().shoot()
    for step, to in ((0, "c2"), (1, "c1"), (after - 1, "c2")):
        stage.later(step).say("cut", bare=True, to=to)
    assert stage.pipeline.state.doubts.believed == doubts


@pytest.mark.parametrize(("told", "kept"), [(4, 4), (5, 3)])
def test_half_of_what_a_session_told_is_forgotten_beyond_the_bound(
    told: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "MOST_SEEN", 4)
    stage = Stage().shoot()
    for number in range(told):
        stage.later(1_000).say("cut", to=f"c{number % 2 + 1}", cut_id=f"x{number}")
    session = stage.pipeline.state.session
    assert session is not None
    assert len(session.seen) == kept
    assert stage.pipeline.state.doubts.forgotten == (2 if told > 4 else 0)


@pytest.mark.parametrize(("length", "whole"), [(80, True), (81, False)])
def test_what_has_eighty_letters_is_remembered_as_it_is(length: int, whole: bool) -> None:
    assert (brief("x" * length) == "x" * length) is whole


@pytest.mark.parametrize(("length", "whole"), [(120, True), (121, False)])
def test_a_still_s_name_of_120_letters_is_remembered_as_it_is(length: int, whole: bool) -> None:
    stage = Stage().shoot()
    capture(stage, still_id="x" * length)
    session = stage.pipeline.state.session
    assert session is not None
    assert ("x" * length in session.takes) is whole


def test_two_hundred_counts_are_followed_at_once() -> None:
    stage = Stage()
    most = 0
    for number in range(staleness._TRACKS + 5):
        stage.later(100).connect(boot=f"boot-{number}")
        most = max(most, len(stage.pipeline.state.seq_tracks))
    assert most == staleness._TRACKS


# ---------------------------------------------------------------------------------------------- what is given up


@pytest.mark.parametrize(("taken", "forgotten"), [(3, 0), (4, 1)])
def test_a_still_is_given_up_only_beyond_the_bound(taken: int, forgotten: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "_MOST", 3)
    stage = Stage().shoot()
    for number in range(taken):
        capture(stage, still_id=f"x{number}")
    assert stage.pipeline.state.doubts.forgotten == forgotten


@pytest.mark.parametrize(("bound", "light", "forgotten"), [(0, 1, 0), (-1, 1, 1), (-1, 0, 0)])
def test_stills_may_weigh_just_as_much_as_is_allowed(
    bound: int, light: int, forgotten: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a heavy one adds is weighed with all others; a light one is only counted."""
    stage = Stage().shoot()
    capture(stage, still_id="x", url="u" * 100)
    session = stage.pipeline.state.session
    assert session is not None
    weight = sum(map(weight_of, session.stills.values()))
    monkeypatch.setattr(stills, "_HEAVIEST", 2 * weight + bound)
    monkeypatch.setattr(stills, "_HEAVY", weight - light)
    capture(stage, still_id="y", url="u" * 100)
    assert stage.pipeline.state.doubts.forgotten == forgotten


@pytest.mark.parametrize(("more", "sessions"), [(0, 2), (1, 1)])
def test_a_session_of_thirty_days_ago_is_still_known(more: int, sessions: int) -> None:
    stage = Stage()
    stage.idle_state()
    stage.later(1_000).state(session={"id": "s1"})
    shown = stage.now
    stage.later(1_000).idle_state()
    stage.now = shown + memory._MOST_DAYS_MS + more
    stage.state(session={"id": "s2"})
    stage.say("session_ended", session_id="s2")
    assert len(stage.pipeline.state.ended) == sessions


def test_a_camera_is_forgotten_for_another_only_where_it_is_away_and_belongs_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cameras, "_MOST", 4)
    stage = Stage().shoot()
    for name in ("c3", "c4"):
        stage.say("camera_left", camera_id=name)
    stage.say("camera_updated", camera={"id": "c5"})
    assert sorted(stage.pipeline.state.cameras) == ["c1", "c2", "c4", "c5"]
    stage.say("camera_updated", camera={"id": "c6"})
    stage.say("camera_updated", camera={"id": "c7"})
    assert sorted(stage.pipeline.state.cameras) == ["c1", "c2", "c5", "c6"]


def test_a_camera_that_is_there_is_not_forgotten_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not outside of a session either, and not one that left while it belongs to the session that runs."""
    monkeypatch.setattr(cameras, "_MOST", 2)
    stage = Stage()
    stage.idle_state()
    stage.say("camera_updated", camera={"id": "c3"})
    assert sorted(stage.pipeline.state.cameras) == ["c1", "c2"]
    stage.later(1_000).say("session_started", session={"id": "s1"})
    stage.say("camera_left", camera_id="c2")
    stage.wait(10_000)
    stage.say("camera_updated", camera={"id": "c3"})
    assert sorted(stage.pipeline.state.cameras) == ["c1", "c2"]


@pytest.mark.parametrize(("room", "known"), [(0, True), (-1, False)])
def test_cameras_may_weigh_just_as_much_as_is_allowed(room: int, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that are known belong to the session, a new one has no room beyond that."""
    stage = Stage().shoot()
    told = "c1", "Wide", "host", "c2", "Close"
    monkeypatch.setattr(cameras, "_HEAVIEST", sum(map(len, told)) + len("c3") + room)
    stage.say("camera_updated", camera={"id": "c3"})
    assert ("c3" in stage.pipeline.state.cameras) is known


def test_a_camera_that_is_forgotten_makes_room_by_what_was_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "_MOST", 3)
    monkeypatch.setattr(cameras, "_HEAVIEST", 200)
    stage = Stage().shoot()
    for camera_id in ("c3", "c4", "c5"):
        stage.say("camera_updated", camera={"id": camera_id, "name": "x" * 50, "online": False})
    assert sorted(stage.pipeline.state.cameras) == ["c1", "c2", "c5"]
    assert stage.pipeline.state.cameras["c5"].info.name == "x" * 50


@pytest.mark.parametrize(("ahead", "believed"), [(999, True), (1_000, False)])
def test_a_still_may_be_taken_within_the_second_in_which_a_coarse_clock_tells_it(ahead: int, believed: bool) -> None:
    """The server tells whole seconds: a second later than that is the future."""
    stage = Stage(open_first=False)
    stage.open()
    told = {"type": "state", "ts": T0, "program": "c1", "session": {"id": "s1"}, "hold": {"active": False}}
    stage.raw(orjson.dumps(told))
    stage.later(5_000)
    still = {"type": "still_captured", "ts": T0 + 5_000, "still_id": "x", "camera_id": "c1"}
    stage.raw(orjson.dumps({**still, "taken_at": T0 + 5_000 + ahead}))
    assert stage.still("x", "c1")["capturedAt"] == T0 + 5_000 + (ahead if believed else 0)
