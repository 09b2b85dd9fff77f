"""What shares a time, a number or an id with something else, and is another event all the same; or is none."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.core.stage import ONE, T0, TWO, Stage


def tell(stage: Stage, *frames: dict[str, Any]) -> None:
    """One message of these frames as they stand: nothing is added."""
    stage.raw(orjson.dumps(list(frames)))


def test_holds_of_one_millisecond_are_told_apart_by_their_words() -> None:
    """A ghost's hold, its release, and the operator's hold: three rows, of which the repeated frame makes no fourth."""
    stage = Stage().shoot()
    for _ in range(2):
        stage.say("hold", camera_id="c1", by="ghost")
    stage.say("release", by="operator")
    for _ in range(2):
        stage.say("hold", camera_id="c1", by="operator")
    assert [event["kind"] for event in stage.events("hold", "release")] == ["hold", "release", "hold"]


def test_the_same_words_of_one_millisecond_are_one_event() -> None:
    """Without ids and numbers a hold that is told once more after its release may only be told again."""
    stage = Stage().shoot()
    for kind in ("hold", "release", "hold"):
        tell(stage, {"type": kind, "ts": T0 + stage.now + 7, "by": "operator"})
    assert [event["kind"] for event in stage.events("hold", "release")] == ["hold", "release"]


def test_a_hold_that_is_let_go_of_in_the_same_millisecond_has_no_length() -> None:
    """Both without a time: the tap's own clock says that they came at once."""
    stage = Stage().shoot()
    tell(stage, {"type": "hold", "by": "operator"}, {"type": "release", "by": "operator"})
    (release,) = stage.events("release")
    assert release["durationMs"] == 0


@pytest.mark.parametrize("cut_id", ["x9", None])
def test_a_cut_of_the_gap_that_led_to_what_is_on_is_told_afterwards(cut_id: str | None) -> None:
    """The server tells its history on connect: the cut has a row at its own time, though nothing changes now."""
    stage = Stage().shoot()
    stage.later(1_000).drop()
    at = stage.later(1_000).now
    stage.later(1_000).connect()
    stage.state(program="c2")
    stage.say("cut", ts=at, to="c2", from_="c1", cut_id=cut_id or "-")
    (cut,) = stage.events("cut")
    assert (cut["cameraId"], cut["at"]) == ("c2", T0 + at)


def test_a_cut_from_nothing_to_the_camera_that_was_on_is_one() -> None:
    """It has an id of its own and says that nothing was on: what went before was not seen."""
    stage = Stage().shoot()
    stage.later(500).say("cut", to="c1", cut_id="x1", from_=None)
    (cut,) = stage.events("cut")
    assert cut["cameraId"] == "c1"
    assert "fromCameraId" not in cut


def test_an_upload_after_the_end_joins_the_still_of_another_camera() -> None:
    """Three cameras share a still's id; of one of them the upload is all that was ever seen."""
    stage = Stage().shoot()
    stage.say("still_captured", still_id="x", camera_id="c1")
    stage.later(1_000).say("session_ended", session_id="s1")
    stage.later(1_000).say("still_uploaded", still_id="x", camera_id="c2")
    assert stage.still("x", "c2")["status"] == "uploaded"


def test_a_start_that_is_told_again_without_a_time_takes_back_no_title() -> None:
    stage = Stage().shoot()
    stage.later(10).say("session_updated", session={"id": "s1", "title": "Evening"})
    stage.later(10).say("session_started", bare=True, session={"id": "s1", "title": "Morning"})
    assert stage.session()["title"] == "Evening"


def test_states_that_count_apart_stand_after_the_cuts_that_they_show() -> None:
    """A batch in any order, whole seconds, each type counted by itself: three cuts and nothing else."""
    stage = Stage().shoot()
    shown = {"mode": "idle", "session": {"id": "s1"}, "hold": {"active": False}, "cameras": [ONE, TWO]}
    at, numbers = T0 + 5_000, iter((902, 903, 901))
    states = [
        {"type": "state", "ts": at, "seq": next(numbers), "program": program, **shown} for program in ("c1", "c2", "c2")
    ]
    cuts = [
        {"type": "cut", "ts": at, "seq": 30 + n, "to": to, "from": was, "cut_id": f"x{n}"}
        for n, to, was in ((2, "c1", "c2"), (3, "c2", "c1"), (1, "c2", "c1"))
    ]
    stage.later(3_100)
    tell(stage, cuts[0], *states, *cuts[1:])
    assert [cut["cameraId"] for cut in stage.events("cut")] == ["c2", "c1", "c2"]


@pytest.mark.parametrize("started_again", [False, True])
def test_a_state_that_shows_a_session_stands_before_the_end_that_shares_its_time(started_again: bool) -> None:
    """Else what it says of a camera would come too late for the camera's row."""
    stage = Stage().shoot()
    at = T0 + 5_000
    told = {"mode": "idle", "program": "c1", "hold": {"active": False}}
    shows = {"type": "state", "ts": at, "session": {"id": "s1"}, "cameras": [{**ONE, "lens": "macro"}, TWO], **told}
    ends = {"type": "session_ended", "ts": at, "session_id": "s1"}
    starts = {"type": "session_started", "ts": at + 5, "session": {"id": "s2"}}
    stage.later(5_100)
    tell(stage, shows, ends, *([starts] if started_again else []))
    camera = stage.camera("c1")
    assert camera is not None
    assert (camera["lens"], stage.session()["status"]) == ("macro", "complete")


def test_a_still_that_is_read_after_a_stall_has_the_camera_that_was_on() -> None:
    """The frames waited for a tap that stood still: their own times say what came first."""
    stage = Stage().shoot()
    stage.later(10_000)
    read = stage.now
    stage.say("cut", ts=read - 5_000, to="c2", from_="c1")
    stage.say("still_captured", ts=read, still_id="x", camera_id="c1", taken_at=T0 + read - 10)
    assert stage.still("x", "c1")["programCameraId"] == "c2"


def test_a_cut_that_a_state_confirms_makes_nothing_else_newer() -> None:
    """It was taken for late by its number, and is shown: the hold, which the same states told, rests as before."""
    stage = Stage()
    for _ in range(4):
        stage.later(1_000).state()
    stage.say("cut", seq=2, to="c2", from_="c1")
    stage.later(100).state(program="c2")
    assert stage.cuts() == [("c1", "c2")]
    hold = stage.pipeline.state.hold.mark
    assert hold is not None
    assert hold.explicit is None


def test_a_number_that_is_told_again_is_no_other_cut_of_its_second() -> None:
    """Whole seconds, each type counted by itself, no ids: the same number, time and camera are the same cut."""
    stage = Stage()
    shown: dict[str, Any] = {"session": {"id": "s1"}, "mode": "idle"}
    for second in range(4):  # until it is clear that numbers of two types order nothing
        stage.later(1_000).say("state", ts=second * 1_000, seq=200 + second, program="c1", **shown)
        tell(stage, {"type": "hold", "ts": T0 + second * 1_000 + 1_000, "seq": 10 + second, "camera_id": "c1"})
    back = {"type": "cut", "ts": T0 + 5_000, "seq": 11, "to": "c2", "from": "c1"}
    stage.later(1_000)
    tell(stage, back)
    stage.later(300)
    tell(stage, {"type": "cut", "ts": T0 + 5_000, "seq": 12, "to": "c3", "from": "c2"})
    stage.later(100).say("state", ts=5_000, seq=210, program="c3", **shown)
    stage.later(300)
    tell(stage, back)
    assert stage.cuts() == [("c1", "c2"), ("c2", "c3")]
    assert stage.pipeline.state.program.value == "c3"


def test_history_without_times_orders_nothing_that_comes_after_it() -> None:
    """Told again by another start of the server, with the numbers of before: the first state is news all the same."""
    stage = Stage().shoot()
    stage.later(1_000).drop()
    stage.later(1_000).connect(boot="b2")
    for number, (to, was) in enumerate((("c2", "c1"), ("c1", "c2"), ("c2", "c1"))):
        tell(stage, {"type": "cut", "seq": 700 + number, "to": to, "from": was, "cut_id": f"x{number}"})
    tell(stage, {"type": "mode_changed", "seq": 710, "from": "idle", "to": "ghost"})
    stage.state(mode="photoshoot")
    told = len(stage.events("cut", "mode_change", "off_air"))
    for _ in range(3):
        stage.later(1_000).state(mode="photoshoot")
    assert (stage.pipeline.state.program.value, stage.pipeline.state.mode.value) == ("c1", "photoshoot")
    assert len(stage.events("cut", "mode_change", "off_air")) == told


def test_three_cuts_of_one_message_whose_numbers_lie_behind_all_count() -> None:
    """The count began anew, and nothing else says so: none of them waits for the third."""
    stage = Stage()
    for program in (None, None, None, "c1"):
        stage.later(1_000).state(ts=1_000, program=program)
    chain = (("c2", "c1"), ("c1", "c2"), ("c2", "c1"))
    tell(
        stage,
        *(
            {"type": "cut", "ts": T0 + 1_000, "seq": n, "to": to, "from": was, "cut_id": f"x{n}"}
            for n, (to, was) in enumerate(chain)
        ),
    )
    assert stage.cuts() == [(None, "c1"), *((was, to) for to, was in chain)]
    assert stage.pipeline.state.program.value == "c2"


def test_a_dissolve_of_history_hides_nothing_of_the_first_state() -> None:
    """It was told without a time when the connection began: the state that follows says that nothing is on."""
    stage = Stage().shoot()
    stage.later(1_000).drop()
    stage.later(1_000).connect(boot="b2")
    tell(stage, {"type": "cut", "seq": 9, "to": "c1", "from": None, "transition": "dissolve", "duration_ms": 1_160})
    stage.state(program=None)
    stage.later(1_500).say("cut", to="c1", from_=None)
    assert stage.events("cut")[-1]["at"] == T0 + stage.now


def test_a_title_that_was_edited_just_before_does_not_hold_back_the_end() -> None:
    """Nothing orders the two; another title is no other session, and a state of the old title takes nothing back."""
    stage = Stage().shoot()
    for program in ("c2", "c1"):
        stage.later(1_000).state(bare=True, program=program)
    stage.later(3_000).say("session_updated", bare=True, session={"id": "s1", "title": "Evening"})
    stage.later(100).state(bare=True)
    assert stage.session()["title"] == "Evening"
    stage.later(200).state(bare=True, session=None)
    assert (stage.session()["status"], stage.session()["completedAt"]) == ("complete", T0 + stage.now)


def test_two_changes_to_one_mode_within_a_second_are_two_rows() -> None:
    """The clock has whole seconds: they share time and mode, and nothing else names them."""
    stage = Stage(open_first=False)
    stage.open()
    tell(stage, {"type": "session_started", "ts": T0, "seq": 1, "session": {"id": "s1"}})
    modes = ["rehearsal", "photoshoot", "rehearsal"]
    for number, (was, to) in enumerate(zip(["idle", *modes], modes, strict=False)):
        tell(stage, {"type": "mode_changed", "ts": T0 + 5_000, "seq": 2 + number, "from": was, "to": to})
    assert [event["detail"]["to"] for event in stage.events("mode_change")] == modes


def test_a_cut_of_the_millisecond_of_the_state_that_showed_it_is_no_other_one() -> None:
    """It has an id and says where it comes from; but what it leads to was on already, and nothing led away."""
    stage = Stage().shoot()
    stage.later(5_000).state(seq="-", program="c2")
    stage.say("cut", seq="-", to="c2", from_="c1", cut_id="x1")
    assert stage.cuts() == [("c1", "c2")]


def test_a_cut_that_is_later_than_the_state_that_showed_its_camera_is_another_one() -> None:
    """What led away from that camera was not sent."""
    stage = Stage().shoot()
    stage.later(5_000).state(seq="-", program="c2")
    stage.later(3_000).say("cut", seq="-", to="c2", from_="c3", cut_id="x1")
    assert stage.cuts() == [("c1", "c2"), ("c3", "c2")]


def test_an_end_that_only_its_number_calls_old_is_believed() -> None:
    """The numbers wrapped within one second: the end was never told, and its time is no earlier."""
    stage = Stage().shoot()
    stage.say("session_ended", seq=0, ts=1_010, session_id="s1", reason="operator")
    assert stage.session()["endReason"] == "operator"


def test_an_end_that_its_number_and_its_time_call_old_is_not_believed() -> None:
    """It is that of a session before, which had no id either, or of nothing that is known."""
    stage = Stage().shoot()
    stage.later(5_000).state()
    stage.later(100).say("session_ended", seq=0, ts=stage.now - 5_000, reason="operator")
    assert stage.session()["status"] == "live"


def test_a_frame_of_a_still_shows_that_the_clock_was_set_on() -> None:
    """None comes before it was made: what it says of when a still was taken is believed."""
    stage = Stage().shoot()
    stage.say("still_requested", bare=True, still_id="x", camera_ids=["c1"])
    stage.later(300).say("still_failed", ts=stage.now + 60_000, still_id="x", camera_id="c1", reason="timeout")
    stage.later(500).say("still_captured", bare=True, still_id="x", camera_id="c1", taken_at=T0 + stage.now + 59_900)
    assert stage.still("x", "c1")["capturedAt"] == T0 + stage.now + 59_900


def test_an_id_that_is_used_again_for_another_camera_is_another_cut() -> None:
    """The server began anew under its old name, and nothing has a time: no cut changes where it leads."""
    stage = Stage().shoot()
    tell(stage, {"type": "cut", "to": "c2", "from": "c1", "cut_id": "x1"})
    stage.later(5_000)
    tell(stage, {"type": "cut", "to": "c1", "from": "c2", "cut_id": "x1"})
    stage.later(1_000)
    tell(stage, {"type": "cut", "to": "c1", "from": "c2", "cut_id": "x1"})
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_history_of_two_starts_with_one_id_makes_no_other_cut() -> None:
    """Told again with its time it is the same event, though the id led elsewhere since."""
    stage = Stage().shoot()
    first = {"type": "cut", "ts": T0 + stage.now, "to": "c2", "from": "c1", "cut_id": "x1"}
    tell(stage, first)
    stage.later(20_000)
    tell(stage, {"type": "cut", "to": "c1", "from": "c2", "cut_id": "x1"})
    stage.later(20_000)
    tell(stage, first)
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]
    assert stage.pipeline.state.program.value == "c1"


def test_a_number_that_came_round_is_another_release() -> None:
    """It is the highest since the count began anew; told again it would lie behind."""
    stage = Stage().shoot()
    for number in (600, 20):  # the second round begins with the state of the next turn
        tell(stage, {"type": "hold", "seq": number + 1, "camera_id": "c1"})
        stage.later(3_000)
        tell(stage, {"type": "release", "seq": 650})
        stage.later(3_000)
        for step in range(7):
            stage.later(1_000)
            stage.state(bare=True, seq=step)
            tell(stage, {"type": "state", "seq": step, "program": "c1", "hold": {"active": False}})
    assert [event["kind"] for event in stage.events("hold", "release")] == ["hold", "release"] * 2
    assert not any("inferred" in event.get("detail", {}) for event in stage.events("release"))


def test_a_state_that_is_read_after_a_dissolve_was_made_while_it_ran() -> None:
    """The tap stood still: by the server's clock it is of a moment at which nothing had to be on."""
    stage = Stage().shoot()
    cut = stage.now
    stage.say("cut", to="c2", from_="c1", transition="dissolve", duration_ms=2_000)
    stage.later(8_000).state(ts=cut + 1_200, program=None, mode="idle")
    stage.state(ts=cut + 2_600, program="c2", mode="idle")
    assert [(event["kind"], event["at"]) for event in stage.events("cut", "off_air")] == [("cut", T0 + cut)]


def test_a_state_by_a_clock_that_was_set_back_is_not_of_a_dissolve_that_is_over() -> None:
    """Its time lies before the dissolve, its number after it, and by the tap's own clock that is over."""
    stage = Stage().shoot()
    cut = stage.later(10_000).now
    stage.say("cut", to="c2", from_="c1", transition="dissolve", duration_ms=2_000)
    stage.later(3_000).state(ts=cut - 2_000, mode="idle")
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_start_told_again_without_a_time_revives_no_session_that_is_over() -> None:
    """The server began anew and shows no session; then it tells its history: the session that was lost stays so."""
    stage = Stage().shoot()
    stage.later(1_000).drop()
    stage.later(5_000).connect(boot="b2")
    stage.idle_state()
    tell(stage, {"type": "session_started", "seq": 80, "session": {"id": "s1", "title": "Morning"}})
    assert (stage.session()["status"], stage.session()["title"]) == ("interrupted", "Autumn")


@pytest.mark.parametrize(("silent", "program"), [(60_000, "c1"), (60_001, "c2")])
def test_a_count_that_is_lower_after_a_minute_of_silence_began_anew(silent: int, program: str) -> None:
    """On a connection that stands, without times: nothing comes so late."""
    stage = Stage().shoot()
    tell(stage, {"type": "state", "seq": 500, "program": "c1", "session": {"id": "s1"}})
    stage.later(silent)
    tell(stage, {"type": "state", "seq": 1, "program": "c2", "session": {"id": "s1"}})
    assert stage.pipeline.state.program.value == program


def test_a_cut_that_is_told_late_after_a_silence_is_late() -> None:
    """Its number is lower and its time earlier: both say so."""
    stage = Stage().shoot()
    told = stage.later(3_000).now
    stage.say("cut", seq=500, to="c2")
    stage.later(70_000).say("cut", seq=499, ts=told - 10, to="c3")
    assert stage.pipeline.state.program.value == "c2"
    assert stage.pipeline.state.doubts.scopes == 0


def test_a_state_older_than_one_that_a_dissolve_hid_is_hidden_too() -> None:
    """It comes after the dissolve and has no time; its number says that it was made while that ran."""
    stage = Stage().shoot()
    stage.say("cut", seq=50, to="c2", from_="c1", transition="dissolve", duration_ms=1_000)
    stage.later(900).state(seq=60)
    stage.later(900)
    tell(stage, {"type": "state", "seq": 55, "program": "c1", "session": {"id": "s1"}})
    assert stage.cuts() == [("c1", "c2")]
    stage.later(10).state(seq=61)
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_still_that_is_told_again_without_a_time_after_a_restart_is_no_other_still() -> None:
    """The server began anew and tells its history on connect: request, captures and the upload are of the one still."""
    stage = Stage().shoot()
    history: list[dict[str, Any]] = [
        {"type": "still_requested", "seq": 70, "still_id": "x", "camera_ids": ["c1"]},
        *({"type": "still_captured", "seq": 71, "still_id": "x", "camera_id": camera} for camera in ("c1", "c2")),
    ]
    tell(stage, *history)
    stage.later(1_000).drop()
    stage.later(2_000).connect(boot="b2")
    tell(stage, *history)
    stage.state()
    stage.later(3_000)
    tell(stage, {"type": "still_uploaded", "still_id": "x", "camera_id": "c1", "sha256": "ab"})
    assert len(stage.events("still_marker", "still_capture")) == 3
    assert (stage.still("x", "c1")["status"], stage.still("x", "c2")["status"]) == ("uploaded", "captured")


def test_a_still_id_that_comes_again_later_after_a_restart_is_another_still() -> None:
    """Ids began anew with the server: told again it would have been told when the connection began."""
    stage = Stage().shoot()
    for boot in ("b1", "b2"):
        stage.connect(boot=boot)
        stage.state()
        stage.later(5_000)
        tell(stage, {"type": "still_requested", "still_id": "x", "camera_ids": ["c1"]})
        tell(stage, {"type": "still_captured", "still_id": "x", "camera_id": "c1"})
        stage.later(5_000)
    assert len(stage.events("still_capture")) == 2


@pytest.mark.parametrize(("second", "program"), [(11, "c2"), (12, "c1")])
def test_a_state_that_is_read_late_was_made_in_a_dissolve_only_where_whole_seconds_say_so(
    second: int, program: str
) -> None:
    """The dissolve began at 10 and ended, with what a server may be late, by 12.6: a state of 12 may be of after it."""
    stage = Stage().shoot()
    stage.pipeline.state.has_fine_times = False
    stage.now = 10_000
    tell(stage, {"type": "cut", "ts": T0 + 10_000, "to": "c2", "transition": "dissolve", "duration_ms": 2_100})
    stage.later(5_000)
    tell(stage, {"type": "state", "ts": T0 + 1_000 * second, "program": "c1", "session": {"id": "s1"}})
    assert stage.pipeline.state.program.value == program


def test_a_mode_of_which_nobody_says_where_it_came_from_came_from_the_one_that_was_on() -> None:
    """As far as that is known: after a loss it is not."""
    stage = Stage().shoot()
    stage.say("mode_changed", to="ghost")
    stage.later(1_000).drop()
    stage.later(1_000).connect()
    stage.state(mode="-")
    stage.later(6_000).say("mode_changed", to="performance")
    details = [event["detail"] for event in stage.events("mode_change")]
    assert details == [{"from": "idle", "to": "ghost"}, {"to": "performance"}]


def test_a_part_without_time_and_number_stands_in_a_batch_where_it_was_put() -> None:
    """Behind the one before it, among others that have both."""
    stage = Stage().shoot()
    at = T0 + stage.later(1_000).now
    told = [("c2", {"ts": at, "seq": 900}), ("c1", {}), ("c3", {"ts": at + 5, "seq": 901})]
    tell(stage, *({"type": "cut", "to": to, **more} for to, more in told))
    assert [cut["cameraId"] for cut in stage.events("cut")] == ["c2", "c1", "c3"]


def test_a_second_cut_of_one_second_that_comes_late_is_known_by_its_number() -> None:
    """After a state of a later number: the cut is in between, and no repetition of the first."""
    stage = Stage(open_first=False)
    stage.open()
    shown: dict[str, Any] = {"type": "state", "program": "c1", "session": {"id": "s1"}, "hold": {"active": False}}
    tell(stage, {**shown, "ts": T0, "seq": 1})
    stage.later(10_000)
    for to, seq in (("c2", 10), ("c1", 16)):
        tell(stage, {"type": "cut", "ts": T0 + 10_000, "seq": seq, "to": to})
    tell(stage, {**shown, "ts": T0 + 10_000, "seq": 20})
    tell(stage, {"type": "cut", "ts": T0 + 10_000, "seq": 14, "to": "c2"})
    assert [cut["cameraId"] for cut in stage.events("cut")] == ["c2", "c1", "c2"]
    assert stage.pipeline.state.program.value == "c1"


@pytest.mark.parametrize(("before", "program"), [(500, "c2"), (501, "c1")])
def test_a_dissolve_that_is_told_late_is_the_newest_if_the_state_was_made_while_it_ran(
    before: int, program: str
) -> None:
    """A state that shows what was on before it says against it only what is later than its end."""
    stage = Stage().shoot()
    stage.later(5_000).state(seq=50)
    told: dict[str, Any] = {"transition": "dissolve", "duration_ms": 500, "cut_id": "x1"}
    stage.later(100).say("cut", seq=40, ts=stage.now - 100 - before, to="c2", from_="c1", **told)
    assert stage.pipeline.state.program.value == program
    assert len(stage.events("cut")) == 1
