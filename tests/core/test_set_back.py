"""A server's clock that is set back by a few seconds as a session begins: no proven step, and yet it shows."""

from __future__ import annotations

from tests.core.stage import T0, Stage

BACK = -5_000


def began(since_connect: int) -> Stage:
    """A session that was seen to begin ``since_connect`` ms after the connection; c1 is on air."""
    stage = Stage()
    stage.idle_state(seq="-", program="c1")
    stage.later(since_connect)
    stage.say("session_started", seq="-", session={"id": "s1", "started_at": T0 + stage.now})
    stage.state(seq="-", session={"id": "s1", "started_at": T0 + stage.now})
    return stage


def test_a_cut_that_comes_a_while_after_a_connection_began_is_no_history() -> None:
    """History comes in one go. This cut is older than the connection by its time alone: the clock was set back."""
    stage = began(2_900)
    stage.later(200).say("cut", seq="-", ts=stage.now + BACK, to="c2", from_="c1", cut_id="x1")
    assert stage.cuts() == [("c1", "c2")]
    assert stage.pipeline.state.program.value == "c2"


def test_history_that_takes_longer_than_two_seconds_to_tell_is_history_to_its_end() -> None:
    """Each of its events comes soon after the one before: none of them changes what is on air."""
    stage = Stage().shoot()
    stage.later(60_000).drop()
    stage.later(1_000).connect()
    stage.state(seq="-")
    for number in range(3):
        stage.later(1_500).say("cut", seq="-", ts=20_000 + number, to="c2", from_="c1", cut_id=f"x{number}")
    assert stage.cuts() == [("c1", "c2")] * 3
    assert stage.pipeline.state.program.value == "c1"


def test_a_state_that_is_dated_before_its_own_session_shows_that_the_clock_was_set_back() -> None:
    """By its time it would be older than the cut; but a state of before the session would not show the session."""
    stage = began(2_900)
    stage.later(100).say("cut", seq="-", to="c2", from_="c1")
    session = {"id": "s1", "started_at": T0 + 2_900}
    stage.later(3_000).state(seq="-", ts=stage.now + BACK, program="c1", session=session)
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_session_that_is_planned_for_later_says_nothing_of_the_clock() -> None:
    """It is shown before its own beginning from the first: an old state that comes late stays old."""
    stage = Stage()
    planned = {"id": "s1", "started_at": T0 + 600_000}
    stage.state(seq="-", session=planned)
    stage.later(5_000).say("cut", seq="-", to="c2", from_="c1")
    stage.later(3_000).state(seq="-", ts=stage.now - 4_000, session=planned)
    assert stage.cuts() == [("c1", "c2")]
    assert stage.pipeline.state.clock == 0


def test_a_cut_that_was_left_out_is_written_when_a_state_shows_it_and_that_the_clock_was_set_back() -> None:
    """Its number and its time call it older than the session. The state says what was on, the cut how it came there."""
    stage = Stage()
    stage.idle_state(seq=100, program="c1")
    stage.later(2_000).say("session_started", seq=200, session={"id": "s1", "started_at": T0 + 2_000})
    stage.state(seq=201, session={"id": "s1", "started_at": T0 + 2_000})
    stage.later(2_000).say(
        "cut", seq=150, ts=stage.now + BACK, to="c2", from_="c1", cut_id="x1", trigger="ai", transition="cut"
    )
    assert stage.cuts() == []
    stage.later(50).state(seq=202, ts=stage.now + BACK, program="c2", session={"id": "s1", "started_at": T0 + 2_000})
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["trigger"], cut["transition"], cut["at"]) == ("c2", "ai", "cut", T0 + 4_000 + BACK)


def test_what_history_says_before_the_first_state_is_no_change_that_the_state_undoes() -> None:
    """The state shows another mode than the last one told: it changed while nobody listened, and a gap says so."""
    stage = Stage().shoot()
    stage.later(10_000).drop()
    stage.later(50_000).connect()
    stage.say("mode_changed", seq="-", ts=stage.now - 40_000, from_="performance", to="photoshoot")
    stage.later(1_000).state(seq="-", mode="performance")
    assert [event["detail"]["to"] for event in stage.events("mode_change")] == ["photoshoot"]
    assert stage.pipeline.state.mode.value == "performance"


def test_a_cut_of_before_a_session_is_not_the_session_s_though_a_state_of_the_session_shows_it() -> None:
    """Its number calls it old, and it came before the session, within the second in which that began."""
    stage = Stage()
    stage.later(2_050).idle_state(seq=100, ts=2_000, program="c1")
    stage.later(50).say("cut", seq=50, ts=2_000, to="c2", from_="c1", cut_id="x1")
    stage.later(20).say("session_started", seq=60, ts=2_000, session={"id": "s1", "started_at": T0 + 2_000})
    stage.later(900).state(seq=101, ts=3_000, program="c2", session={"id": "s1", "started_at": T0 + 2_000})
    assert stage.cuts() == []
    assert stage.pipeline.state.program.value == "c2"
