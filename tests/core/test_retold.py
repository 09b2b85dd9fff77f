"""What a server tells again, late, or without anything that names it: nothing is added, and nothing new is lost."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.core.stage import T0, Stage


def tell(stage: Stage, *frames: dict[str, Any]) -> None:
    """One message of these frames as they stand: nothing is added."""
    stage.raw(orjson.dumps(frames[0] if len(frames) == 1 else list(frames)))


def ended(stage: Stage) -> Stage:
    """The session is over, and the next one runs."""
    stage.later(1_000).say("session_ended", session_id="s1")
    stage.later(1_000).say("session_started", session={"id": "s2"})
    stage.later(1_000).state(session={"id": "s2"})
    return stage


# ---------------------------------------------------------------------------------------------- changes


def test_a_dissolve_of_a_low_number_and_no_time_hides_what_is_on_before_it_ends() -> None:
    """It comes soon after the connection began, and follows what is on: the state after it shows that it was news."""
    stage = Stage()
    stage.idle_state(seq=100)
    stage.later(500)
    fade = {"transition": "dissolve", "duration_ms": 600}
    tell(stage, {"type": "cut", "seq": 50, "to": "c2", "from": "c1", "cut_id": "x1", **fade})
    stage.later(100).idle_state(seq=101, program=None)
    assert stage.pipeline.state.program.value == "c1"
    stage.later(100).say("session_started", seq=102, session={"id": "s1"})
    stage.later(3_000).state(seq=103, program="c2")
    assert stage.cuts() == []
    assert stage.pipeline.state.program.value == "c2"


def test_a_cut_that_follows_is_no_long_past_one_though_the_clock_was_set_back_since_the_connection_began() -> None:
    """Five seconds back is no proven step. The next state shows the cut: it is told once."""
    stage = Stage().shoot()
    stage.later(10_000).drop()
    stage.later(1_000).connect()
    stage.state()
    stage.later(1_000).say("cut", ts=stage.now - 5_000, seq="-", to="c2", from_="c1")
    stage.later(100).state(ts=stage.now - 5_000, program="c2")
    assert stage.cuts() == [("c1", "c2")]


def test_a_cut_with_a_low_number_is_not_long_past_by_a_clock_that_was_set() -> None:
    """The numbers count each type by itself. The clock was set back by half a minute: that says nothing of the cut."""
    stage = Stage().shoot()
    stage.say("cut", seq=500, to="c2", from_="c1")
    stage.later(1_000).state(seq=900, program="c2")
    stage.later(1_000).state(seq="-", ts=stage.now - 30_000, program="c2")
    stage.later(1_000).say("cut", seq=501, ts=stage.now - 30_000, to="c1", from_="c2", cut_id="x2")
    stage.later(1_000).state(seq=901, ts=stage.now - 30_000, program="c1")
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_release_with_a_number_is_not_the_one_of_that_millisecond_that_had_none() -> None:
    """The numbers are of each type, so they order nothing else; but one frame has one form."""
    stage = Stage().shoot()
    at = T0 + stage.now
    for number in (None, 6):
        tell(stage, {"type": "hold", "ts": at, "by": f"operator {number}"})
        release = {"type": "release", "ts": at, "by": "operator"}
        tell(stage, release if number is None else {**release, "seq": 1_000 + number})
    kinds = [event["kind"] for event in stage.events("hold", "release")]
    assert kinds == ["hold", "release"] * 2


def test_two_moments_of_one_second_that_say_different_things_are_two() -> None:
    """Neither has an id or a number. Word for word once more, it is the same moment."""
    stage = Stage(open_first=False)
    stage.open()
    for confidence in (0.6, 0.7, 0.7, 0.6):
        if not stage.entries:
            tell(stage, {"type": "session_started", "ts": T0, "session": {"id": "s1"}})
        tell(stage, {"type": "music_moment", "ts": T0 + 5_000, "kind": "beat", "confidence": confidence})
    assert [event["detail"]["confidence"] for event in stage.events("music_moment")] == [0.6, 0.7]


def test_a_state_that_a_dissolve_hides_comes_before_the_cut_that_ends_it() -> None:
    """One message, its parts without times, its numbers of each type: the order that contradicts itself least."""
    stage = Stage().shoot().later(5_000)
    fade = {"type": "cut", "seq": 3, "to": "c2", "from": "c1", "transition": "dissolve", "duration_ms": 900}
    cut = {"type": "cut", "seq": 4, "to": "c1", "from": "c2", "trigger": "ai"}
    states = [{"type": "state", "seq": 90 + at, "program": shown} for at, shown in enumerate((None, "c1"))]
    tell(stage, states[1], cut, states[0], fade)
    assert stage.events("off_air") == []
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_an_id_of_undated_history_that_has_a_time_later_is_another_cut() -> None:
    """The server was restarted, told the old x1 again, and begins its ids anew: the new x1 leads elsewhere."""
    stage = Stage().shoot()
    first = {"type": "cut", "to": "c2", "from": "c1", "cut_id": "x1"}
    tell(stage, first)
    stage.later(10_000).drop()
    stage.later(1_000).connect(boot="b2")
    tell(stage, first)
    stage.state(program="c2")
    stage.later(9_000).say("cut", to="c1", from_="c2", cut_id="x1")
    assert stage.cuts()[-1] == ("c2", "c1")
    assert stage.pipeline.state.program.value == "c1"


def test_a_capture_of_history_without_a_time_is_not_that_of_a_still_that_waits_in_the_session_before() -> None:
    """Ids start again with each session. Its number is new, but the camera's time is that of the capture before."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="1", camera_ids=["c1"])
    ended(stage)
    stage.later(1_000).say("still_requested", still_id="1", camera_ids=["c1"])
    capture: dict[str, Any] = {"still_id": "1", "camera_id": "c1", "taken_at": T0 + stage.now}
    stage.later(100).say("still_captured", **capture)
    stage.later(10_000).drop()
    stage.later(1_000).connect()
    tell(stage, {"type": "still_captured", "seq": 900, **capture})
    stage.state(session={"id": "s2"})
    assert stage.still("1", "c1")["status"] == "requested"
    assert len(stage.events("still_capture")) == 1


# ---------------------------------------------------------------------------------------------- the end of a session


@pytest.mark.parametrize("bare", [True, False])
def test_a_state_that_nothing_dates_moves_no_end_that_was_told(bare: bool) -> None:
    """It comes three seconds after the end, and the next state shows none. With a time it would be another end."""
    stage = Stage().shoot()
    stage.say("session_ended", session_id="s1", reason="operator")
    end = T0 + stage.now
    stage.later(20).idle_state()
    stage.later(3_000).state(bare=bare)
    stage.later(20).idle_state()
    session = stage.session()
    assert session["status"] == "complete"
    assert (session.get("endReason"), session["completedAt"] == end) == (("operator", True) if bare else (None, False))


def test_a_session_in_which_something_happened_since_has_another_end() -> None:
    """The state was right after all: a cut came, and so the session ended later."""
    stage = Stage().shoot()
    stage.say("session_ended", session_id="s1", reason="operator")
    stage.later(3_000).state(bare=True)
    stage.later(100).say("cut", to="c2", from_="c1")
    stage.later(100).idle_state(program="c2")
    assert stage.session()["completedAt"] == T0 + stage.now


# ---------------------------------------------------------------------------------------------- stills


def test_a_file_that_is_known_is_uploaded_once_whatever_session_runs() -> None:
    """Told again without a time, under another number: no still of the session that runs now gets it."""
    stage = Stage().shoot()
    file: dict[str, Any] = {"still_id": "1", "camera_id": "c1", "storage_key": "stills/a.jpg", "sha256": "ab"}
    stage.say("still_requested", still_id="1", camera_ids=["c1"])
    stage.later(100).say("still_captured", still_id="1", camera_id="c1")
    stage.later(100).say("still_uploaded", **file)
    ended(stage).say("still_requested", still_id="1", camera_ids=["c1"])
    stage.later(100).say("still_failed", still_id="1", camera_id="c1", reason="full")
    stage.later(5_000).drop()
    stage.later(1_000).connect()
    tell(stage, {"type": "still_uploaded", "seq": 9_000, **file})
    assert stage.rows["studio/s2/still/1/c1"].fields["status"] == "failed"


def test_a_capture_that_is_told_twice_belongs_to_no_older_session() -> None:
    """Nothing but its words names it. The same id of the session before waits still: for another frame."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="2", camera_ids=["c1"])
    ended(stage).say("still_requested", still_id="2", camera_ids=["c1"])
    for _ in range(2):
        stage.later(200)
        tell(stage, {"type": "still_captured", "still_id": "2", "camera_id": "c1"})
    assert stage.rows["studio/s2/still/2/c1"].fields["status"] == "captured"
    assert stage.rows["studio/s1/still/2/c1"].fields["status"] == "requested"


def test_a_request_that_is_told_again_without_a_time_is_of_the_session_that_had_it() -> None:
    """The next one uses the same ids: its own request gets its marker."""
    stage = Stage().shoot()
    asked = {"type": "still_requested", "still_id": "1", "camera_ids": ["c1"]}
    tell(stage, asked)
    ended(stage).later(5_000).drop()
    stage.later(1_000).connect()
    tell(stage, {**asked, "seq": 9_000})
    stage.state(session={"id": "s2"})
    stage.later(10_000).say("still_requested", still_id="1", camera_ids=["c2"])
    assert stage.rows["studio/s2/still_marker/1"].fields["at"] == T0 + stage.now
    assert "studio/s2/still/1/c1" not in stage.rows


def test_an_id_that_starts_again_is_another_still_though_the_clock_was_set_back() -> None:
    """Another boot, and a request of an earlier time than the one before: two stills."""
    stage = Stage().shoot()
    stage.later(100_000).say("still_requested", still_id="1", camera_ids=["c1"])
    stage.later(1_000).drop()
    stage.later(1_000).connect(boot="b2")
    stage.state()
    stage.later(10_000).state(ts=stage.now - 60_000)
    stage.later(10_000).say("still_requested", ts=stage.now - 60_000, still_id="1", camera_ids=["c1"])
    assert len(stage.events("still_marker")) == 2


def test_the_camera_of_a_still_is_that_of_the_last_dated_cut_before_it() -> None:
    """A change without a time was read together with it: by the tap's clock it looks later than the cut after it."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="1", camera_ids=["c1"])
    stage.later(8_000)
    tell(stage, {"type": "state", "program": "c2"})
    stage.say("cut", ts=stage.now - 1_000, to="c3", from_="c2")
    stage.say("still_captured", ts=stage.now, still_id="1", camera_id="c1", taken_at=T0 + stage.now - 14)
    assert stage.still("1", "c1")["programCameraId"] == "c3"


def test_a_request_that_is_told_again_without_a_time_asks_for_no_other_still() -> None:
    """Long after the connection began, and after the still was taken: its id says which still it is about."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="x", camera_ids=["c1"])
    stage.later(500).say("still_captured", still_id="x", camera_id="c1", taken_at=T0 + stage.now)
    stage.later(10_000).say("still_requested", bare=True, still_id="x", camera_ids=["c1"])
    assert [row.fields["status"] for row in stage.rows.values() if row.op == "still"] == ["captured"]


def test_a_failure_that_is_told_again_adds_nothing() -> None:
    """Whatever else it says then: the row is that of the first time."""
    stage = Stage().shoot()
    stage.say("still_requested", still_id="x", camera_ids=["c1"])
    stage.later(500).say("still_failed", still_id="x", camera_id="c1")
    before = len(stage.entries)
    stage.later(500).say("still_failed", still_id="x", camera_id="c1", reason="card full")
    assert len(stage.entries) == before
    assert (stage.still("x", "c1")["status"], stage.still("x", "c1").get("failReason")) == ("failed", None)


def test_an_id_that_a_cut_without_a_time_had_in_the_session_before_may_be_another_cut_s() -> None:
    """Ids start again with each session. This one has a time, soon after a connection began: it is no history."""
    stage = Stage().shoot()
    stage.later(1_000).say("cut", bare=True, cut_id="x1", to="c2", from_="c1")
    stage.later(1_000).say("session_ended", session_id="s1")
    stage.later(1_000).say("session_started", session={"id": "s2"})
    stage.later(1_000).say("cut", cut_id="x2", to="c1", from_="c2")
    stage.later(60_000).drop()
    stage.later(1_000).connect()
    stage.state(session={"id": "s2"})
    stage.later(1_000).say("cut", cut_id="x1", to="c2", from_="c1")
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1"), ("c1", "c2")]
    assert stage.pipeline.state.program.value == "c2"


def test_a_still_without_an_id_that_another_connection_tells_again_in_its_second_is_the_same() -> None:
    """Whole seconds, and numbers that start with each connection: the higher one is no proof that it is another."""
    stage = Stage(open_first=False)
    shown: dict[str, Any] = {"type": "state", "program": "c1", "session": {"id": "s1"}, "hold": {"active": False}}
    still = {"type": "still_captured", "ts": T0 + 5_000, "camera_id": "c1"}
    stage.open()
    tell(stage, {**shown, "ts": T0, "seq": 1})
    stage.later(5_000)
    tell(stage, {**still, "seq": 2})
    stage.drop()
    stage.later(400).open()
    tell(stage, {**shown, "ts": T0 + 5_000, "seq": 80})
    tell(stage, {**still, "seq": 81})
    assert [row.fields["status"] for row in stage.rows.values() if row.op == "still"] == ["captured"]
