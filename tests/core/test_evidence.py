"""What else tells the order of frames: clocks that were set, numbers that start again, and what frames say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.core.stage import T0, Stage

HOUR = 3_600_000


def told(stage: Stage, *frames: dict[str, Any]) -> None:
    """One message with all of these, in this order."""
    stage.raw(orjson.dumps(list(frames)))


def shown(**over: Any) -> dict[str, Any]:
    session, hold = {"id": "s1", "title": "Autumn"}, {"active": False}
    return {"type": "state", "mode": "photoshoot", "session": session, "program": "c1", "hold": hold, **over}


# ------------------------------------------------------------------ a clock that was set


def test_a_state_that_is_dated_by_a_clock_set_since_the_cut_was_made_after_the_cut() -> None:
    """Nothing else orders the two; no old state can have the time of a clock that was set later."""
    stage = Stage().shoot()
    stage.later(5_000).say("cut", seq="-", to="c2", from_="c1")
    stage.later(1_500).state(seq="-", ts=stage.now + HOUR, mode="idle", program=None)
    assert [row["fromCameraId"] for row in stage.events("off_air")] == ["c2"]


def test_the_first_state_of_a_connection_may_show_by_its_clock_that_it_came_after_a_hold() -> None:
    """The hold was over by then: nobody saw it end, and the next state says nothing new."""
    stage = Stage()
    stage.later(30_000).say("hold", seq="-", camera_id="c1")
    stage.later(1_200).state(seq="-", ts=stage.now + HOUR)
    stage.later(1_500).state(seq="-", ts=stage.now + HOUR)
    assert stage.events("hold", "release") == []


def test_a_state_with_the_time_of_a_clock_as_it_was_before_may_be_an_old_one() -> None:
    """The clock was set back, the cut has the new time: a state with the old time does not undo it at once."""
    stage = Stage().shoot()
    stage.later(5_000).state(seq="-", mode="idle")
    stage.later(1_000).say("cut", seq="-", ts=stage.now - 60_000, to="c2", from_="c1")
    stage.later(500).state(seq="-", mode="idle")
    assert stage.cuts() == [("c1", "c2")]
    assert stage.pipeline.state.program.value == "c2"


def test_a_cut_left_out_as_history_is_written_when_a_state_has_a_time_of_the_same_clock() -> None:
    """It came as the connection began, so its time looked like history. The next state has such a time, too."""
    stage = Stage().shoot()
    stage.later(50_000).drop()
    stage.later(1_000).connect()
    stage.later(500).state(mode="idle")
    stage.later(400).say("cut", seq="-", ts=stage.now - 70_000, to="c2", from_="c1", trigger="ai", transition="cut")
    stage.later(50).state(ts=stage.now - 70_000, mode="idle", program="c2")
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["trigger"], cut["at"]) == ("c2", "ai", T0 + stage.now - 50 - 70_000)


def test_a_session_was_seen_last_when_its_last_number_came_though_a_clock_was_set_back_by_a_little() -> None:
    stage = Stage().shoot()
    stage.later(5_000).state(mode="idle")
    stage.later(1_000).state(mode="idle", ts=stage.now - 5_000)
    last = T0 + stage.now - 5_000
    stage.later(2_000).drop()
    stage.later(3_000).connect(boot="b2")
    stage.idle_state()
    assert (stage.session()["endReason"], stage.session()["completedAt"]) == ("unseen", last)


# ------------------------------------------------------------------ numbers


def test_a_lower_number_with_a_newer_time_than_an_earlier_state_starts_the_numbers_again() -> None:
    """By the second, the last state is as old as the change. The one before is older, and has a higher number, too."""
    stage = Stage()
    stage.state(seq=80, ts=89_000)
    stage.later(1_000).state(seq=90, ts=90_000, session=None)
    stage.later(300).say("mode_changed", seq=20, ts=90_000, from_="photoshoot", to="idle")
    assert stage.events("mode_change") == []
    assert stage.pipeline.state.mode.value == "idle"


def test_a_change_of_mode_from_what_a_state_of_its_time_shows_is_newer_than_that_state_whatever_their_numbers() -> None:
    """The session was over by then. Were the change the older one, the state would not show the old mode."""
    stage = Stage()
    stage.state(seq=40, ts=68_000)
    stage.later(1_000).say("session_ended", seq=10, ts=69_000, session_id="s1")
    stage.later(30).state(seq=50, ts=69_000, session=None)
    stage.later(700).say("mode_changed", seq=10, ts=69_000, from_="photoshoot", to="idle")
    assert stage.events("mode_change") == []
    assert stage.pipeline.state.mode.value == "idle"


@pytest.mark.parametrize(("number", "live"), [(200, "c2"), (905, "c1")])
def test_a_cut_that_only_its_number_called_late_is_on_air_once_the_count_that_it_is_of_has_begun(
    number: int, live: str
) -> None:
    """No frame after it says so: the numbers alone do. The still belongs to the camera that was live.

    A cut that is late by a number of the count that ended is not on air when another count begins.
    """
    stage = Stage()
    stage.state(bare=True, seq_=1)
    for counted in range(900, 910):
        stage.later(1_500).state(bare=True, seq_=counted)
    stage.later(100).say("cut", bare=True, seq_=number, to="c2", from_="c1", cut_id="x1")
    stage.later(200).say("still_requested", bare=True, seq_=100, still_id="a", camera_ids=["c1"])
    assert stage.still("a", "c1")["programCameraId"] == live


def test_an_id_and_a_number_that_both_come_again_after_the_numbers_started_again_are_another_cut() -> None:
    """Ids that start again with each session: a repetition would have a lower number than others, this one has none."""
    stage = Stage()
    stage.idle_state(bare=True)
    stage.later(1_000).say("cut", bare=True, seq_=70, to="c2", from_="c1", cut_id="2")
    stage.later(1_000).state(bare=True, seq_=390, session=None, program="c2")
    stage.later(90_000).state(bare=True, seq_=60)
    stage.later(5_000).say("cut", bare=True, seq_=70, to="c2", from_="c1", cut_id="2")
    assert stage.cuts() == [("c1", "c2")]


def test_a_cut_that_its_number_and_its_time_call_older_than_the_session_is_no_event_of_it() -> None:
    """It is the newest that is known of the program, so it is on air; but no session ran when it was made."""
    stage = Stage()
    stage.idle_state(seq=100, program="c1")
    session = {"id": "s1", "started_at": T0 + 2_000}
    stage.later(2_000).say("session_started", seq=200, session=session)
    stage.later(100).say("cut", seq=150, ts=1_500, to="c2", from_="c1", cut_id="x1")
    assert stage.cuts() == []
    assert stage.pipeline.state.program.value == "c2"


def test_a_cut_with_a_higher_number_than_the_start_is_an_event_of_the_session_at_its_own_time() -> None:
    """Numbers order the two, so times do not: the row keeps the time that the server gave it."""
    stage = Stage()
    stage.idle_state(seq=100, program="c1")
    session = {"id": "s1", "started_at": T0 + 2_000}
    stage.later(2_000).say("session_started", seq=200, session=session)
    stage.later(100).say("cut", seq=201, ts=1_500, to="c2", from_="c1", cut_id="x1")
    assert [cut["at"] for cut in stage.events("cut")] == [T0 + 1_500]


# ------------------------------------------------------------------ contents


def test_a_message_whose_numbers_start_again_within_it_is_read_in_the_order_of_what_it_says() -> None:
    """Nothing has a time. From c1 to c2, to c3 and back to c2, with a state after each: only that order fits."""
    stage = Stage().shoot()
    stage.later(60_000).state(bare=True, seq_=360)
    told(
        stage.later(3_000),
        {**shown(program="c2"), "seq": 380},
        {**shown(program="c3"), "seq": 0},
        {"type": "cut", "seq": 390, "to": "c3", "from": "c2"},
        {"type": "cut", "seq": 370, "to": "c2", "from": "c1", "cut_id": "x12"},
        {"type": "cut", "seq": 10, "to": "c2", "from": "c3", "cut_id": "x13"},
        {**shown(program="c2"), "seq": 20},
    )
    assert stage.cuts() == [("c1", "c2"), ("c2", "c3"), ("c3", "c2")]


def test_a_first_state_that_a_dissolve_of_history_explains_confirms_what_the_dissolve_led_to() -> None:
    """It shows what was on before, as servers do while a dissolve runs. So nothing else was cut since."""
    stage = Stage().shoot()
    stage.later(10_000).drop()
    stage.later(20_000).connect()
    stage.say("cut", ts=stage.now - 700, to="c2", from_="c1", cut_id="x9", transition="dissolve", duration_ms=2_000)
    stage.state(mode="idle")
    stage.later(1_500).say("session_ended", session_id="s1", reason="operator")
    assert stage.session()["finalState"]["programCameraId"] == "c2"


def test_a_change_that_may_be_history_is_not_what_is_so_once_the_numbers_have_started_again() -> None:
    """It has no time, and came as the connection began: its low number is that of then."""
    stage = Stage().shoot()
    stage.later(10_000).drop()
    stage.later(1_000).connect(boot="b2")
    stage.state(seq=500)
    stage.later(5).say("mode_changed", bare=True, seq_=20, from_="idle", to="rehearsal")
    for number in range(6):
        stage.later(1_500).state(seq=60 + number)
    assert stage.events("mode_change") == []
    assert stage.pipeline.state.mode.value == "photoshoot"
