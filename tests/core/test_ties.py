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
