"""Numbers that start again in the middle of a connection, without a sign: when that is seen, and what is late then."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.core.stage import T0, Stage


def counted(stage: Stage, first: int, *, seconds: int = 12) -> None:
    """States a second apart, numbered from ``first`` on in steps of ten."""
    for at in range(seconds):
        stage.later(1_000).state(seq=first + 10 * at)


def tell(stage: Stage, **frame: Any) -> None:
    stage.raw(orjson.dumps(frame))


def test_a_number_that_was_passed_long_ago_begins_another_count_at_once() -> None:
    """No frame is five seconds late while others come: the first low number is news, though its time is the same."""
    stage = Stage().shoot()
    counted(stage, 100)
    stage.say("cut", seq=300, to="c2", from_="c1")
    stage.say("cut", seq=0, to="c1", from_="c2")
    assert stage.pipeline.state.program.value == "c1"
    stage.state(seq=10, program="c1")
    stage.say("mode_changed", seq=20, to="ghost", from_="photoshoot")
    assert stage.pipeline.state.mode.value == "ghost"
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_number_that_was_passed_just_now_is_late() -> None:
    """Within five seconds a lower number with the same time changes nothing that is on.

    It is higher than all numbers of earlier times: a lower one could not have a newer time than those.
    """
    stage = Stage().shoot()
    counted(stage, 100)
    stage.say("cut", seq=300, to="c2", from_="c1")
    stage.state(seq=215)
    assert stage.pipeline.state.program.value == "c2"
    assert stage.pipeline.state.doubts.scopes == 0
    assert stage.cuts() == [("c1", "c2")]


@pytest.mark.parametrize("seconds", range(10, 16))
def test_what_waited_for_a_stopped_tap_is_not_long_ago(seconds: int) -> None:
    """The tap read nothing for a minute: the number before that was the last, and a state of then is an old one."""
    stage = Stage().shoot()
    counted(stage, 100, seconds=seconds)
    stage.later(55_000)
    tell(stage, type="cut", seq=300, to="c2", **{"from": "c1"})
    tell(stage, type="state", seq=100 + 10 * (seconds - 1) - 1, program="c1")
    assert stage.pipeline.state.program.value == "c2"
    assert stage.pipeline.state.doubts.scopes == 0


def test_a_state_of_the_count_before_comes_late_after_the_numbers_started_again() -> None:
    """It has a high number, and is older than all that the new count told; the count goes on at its own numbers."""
    stage = Stage().shoot()
    counted(stage, 100)
    stage.say("hold", seq=300, camera_id="c1", by="ghost")
    stage.state(seq=0, hold={"active": True, "by": "ghost"})
    tell(stage, type="state", seq=295, program="c1", hold={"active": False})
    assert stage.pipeline.state.hold.value is True
    stage.later(500).say("release", seq=10, by="operator")
    assert [event["kind"] for event in stage.events("hold", "release")] == ["hold", "release"]


def test_a_cut_of_long_ago_that_its_time_confirms_is_told_late() -> None:
    """Number and time say that it is old: a row at its own time, and nothing that is on changes."""
    stage = Stage().shoot()
    counted(stage, 100, seconds=30)
    stage.say("cut", seq=105, ts=stage.now - 29_500, to="c2", from_="c1", cut_id="x1")
    assert stage.cuts() == [("c1", "c2")]
    assert stage.events("cut")[0]["at"] == T0 + stage.now - 29_500
    assert stage.pipeline.state.program.value == "c1"


def test_a_time_after_the_frame_before_was_received_shows_another_count() -> None:
    """That frame has no time, so the two times cannot be compared; but it was here before this one was made."""
    stage = Stage().shoot()
    stage.later(1_000).state(seq=100)
    tell(stage, type="state", seq=110, program="c1")
    stage.later(900).say("cut", seq=90, to="c2", from_="c1")
    assert stage.pipeline.state.program.value == "c2"
    tell(stage, type="state", seq=101, program="c2")
    stage.later(300).say("cut", seq=95, to="c1", from_="c2", cut_id="x1")  # as well made before, and late
    assert stage.pipeline.state.program.value == "c2"


def test_history_in_which_the_clock_stood_higher_is_told_again() -> None:
    """Somebody set the clock back. Then the server tells its last events again, under new numbers: they add nothing."""
    stage = Stage().shoot()
    stage.later(90_000)
    late = stage.now
    cut: dict[str, Any] = {"to": "c2", "from_": "c1"}
    stage.say("cut", **cut)
    stage.say("hold", camera_id="c2", by="operator")
    stage.later(1_000).state(ts=late - 60_000, program="c2", hold={"active": True})
    stage.later(1_000).drop()
    stage.later(1_000).open()
    stage.say("hello", ts=late - 57_000, boot_id=stage.boot)
    stage.say("cut", ts=late, **cut)
    stage.say("hold", ts=late, camera_id="c2", by="operator")
    stage.state(ts=late - 57_000, program="c2", hold={"active": True})
    assert [event["kind"] for event in stage.events("cut", "hold")] == ["cut", "hold"]


def connected_again() -> tuple[Stage, list[dict[str, Any]]]:
    """A shoot whose connection was lost and is back, and three parts of a message that are older than it."""
    stage = Stage().shoot()
    before = stage.now
    stage.later(10_000).drop()
    stage.later(1_000).connect()
    stage.state()
    return stage, [{"type": "music_moment", "ts": T0 + before - 500 + at, "kind": "beat"} for at in range(3)]


@pytest.mark.parametrize("number", [{}, {"seq": 9_000}])
def test_parts_of_a_message_of_history_that_have_no_time_are_history_too(number: dict[str, int]) -> None:
    """Three parts are older than the connection, so the cut beside them is no news: the state stands."""
    stage, old = connected_again()
    stage.raw(orjson.dumps([*old, {"type": "cut", "to": "c2", "from": "c1", **number}]))
    assert stage.cuts() == []
    assert stage.pipeline.state.program.value == "c1"
    assert stage.pipeline.state.doubts.undated == 1


def test_a_part_without_a_time_beside_news_is_news() -> None:
    """Three parts are of now, however many they are: the cut beside them is no history."""
    stage = Stage().shoot().later(10_000)
    news = [{"type": "music_moment", "ts": T0 + stage.now + at, "kind": "beat"} for at in range(3)]
    stage.raw(orjson.dumps([*news, {"type": "cut", "to": "c2", "from": "c1"}]))
    assert stage.cuts() == [("c1", "c2")]
    assert stage.pipeline.state.program.value == "c2"


def test_a_greeting_that_is_repeated_within_a_message_of_history_makes_no_news_of_it() -> None:
    """It is of now, and what is beside it is not: the cut without a time is history all the same."""
    stage, old = connected_again()
    stage.later(200)
    hello = {"type": "hello", "ts": T0 + stage.now, "boot_id": stage.boot, "server": "multicam-server"}
    stage.raw(orjson.dumps([hello, *old, {"type": "cut", "to": "c2", "from": "c1"}]))
    assert stage.cuts() == []
    assert stage.pipeline.state.program.value == "c1"


@pytest.mark.parametrize(("own", "written"), [({"marker_id": "m1"}, 1), ({}, 0)])
def test_a_mark_without_a_time_among_history_is_the_session_s_if_an_id_shows_that_it_is_new(
    own: dict[str, str], written: int
) -> None:
    """The session ran before this connection. Without an id, nothing says that the mark was not told before it."""
    stage, old = connected_again()
    stage.raw(orjson.dumps([*old, {"type": "marker", "label": "Take 1", **own}]))
    assert len(stage.events("marker")) == written


def test_a_restart_under_the_old_boot_id_begins_a_new_era_even_where_numbers_are_not_believed() -> None:
    """The first number of a connection showed a restart, so ids start again, whatever the numbers do later."""
    stage = Stage().shoot()
    stage.say("cut", cut_id="x1", to="c2", from_="c1")
    stage.later(20_000).drop()
    stage.later(1_000).seq = -1
    stage.connect()
    for at in range(4):  # contradicts again and again
        stage.later(1_000).state(seq=50 + at)
        stage.later(1_000).say("music_moment", seq=1, kind="beat")
    assert stage.pipeline.state.doubts.untrusted
    stage.later(1_000).say("cut", cut_id="x1", to="c2", from_="c1")
    assert stage.cuts() == [("c1", "c2"), ("c1", "c2")]


def lost_at_500() -> Stage:
    """c2 is on air by a cut with the number 500. The server of the same boot is back after two seconds."""
    stage = Stage().shoot()
    stage.later(8_000).say("cut", seq=500, to="c2", from_="c1")
    stage.drop()
    stage.later(2_000).open()
    tell(stage, type="hello", server="multicam-server", boot_id="b1")
    return stage


def test_a_first_low_number_of_a_new_connection_is_of_another_count_without_a_time_too() -> None:
    """It comes after a state, so it is no history."""
    stage = lost_at_500()
    tell(stage, type="state", session={"id": "s1"}, program="c2", hold={"active": False})
    stage.later(1_000)
    tell(stage, type="cut", seq=30, to="c1", **{"from": "c2"})
    assert stage.pipeline.state.program.value == "c1"
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_first_state_with_a_low_number_begins_another_count_whatever_its_time() -> None:
    """The server's clock was set back by a few seconds as it was away."""
    stage = lost_at_500()
    stage.state(seq=30, ts=stage.now - 3_000, program="c2")
    stage.later(500).say("cut", seq=31, ts=stage.now - 3_000, to="c1", from_="c2")
    assert stage.pipeline.state.program.value == "c1"
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]
