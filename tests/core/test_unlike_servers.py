"""Servers that are unlike what we imagined, found in drawn worlds: the least frames that show each kind of mistake.

Their tapes are in ``fixtures/worlds``; what is said here is the rule.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.core.stage import T0, Stage


def tell(stage: Stage, *frames: dict[str, Any]) -> None:
    """One message of these frames as they stand: nothing is added."""
    stage.raw(orjson.dumps(frames[0] if len(frames) == 1 else list(frames)))


def shown(seq: int, program: str | None, session: str | None = "s1") -> dict[str, Any]:
    """A numbered state without a time."""
    return {"type": "state", "seq": seq, "program": program, "session": session and {"id": session}, "mode": "idle"}


def cut(seq: int, came_from: str, to: str, **more: Any) -> dict[str, Any]:
    """A numbered cut without a time."""
    return {"type": "cut", "seq": seq, "from": came_from, "to": to, **more}


def next_session(stage: Stage, *, boot: str | None = None) -> Stage:
    """The connection is lost. On the next one another session runs; no frame has a time."""
    stage.later(10_000).drop()
    stage.later(1_000).open()
    tell(stage, {"type": "hello", "boot_id": boot or stage.boot})
    stage.state(bare=True, session={"id": "s2"})
    return stage


# ---------------------------------------------------------------------------------------------- numbers


def test_a_number_that_is_low_but_the_highest_of_its_type_shows_that_each_type_is_counted() -> None:
    """States have high numbers, cuts low ones. After the first that no lateness explains, a cut is believed at once."""
    stage = Stage().shoot()
    for at in range(3):
        tell(stage.later(2_000), shown(1_000 + at, ("c1", "c2")[at % 2]))
        tell(stage.later(2_000), cut(10 + at, ("c1", "c2")[at % 2], ("c2", "c1")[at % 2]))
    assert stage.pipeline.state.doubts.untrusted
    assert stage.pipeline.state.doubts.scopes == 1
    tell(stage.later(2_000), shown(1_003, "c2"))
    tell(stage.later(2_000), cut(13, "c2", "c1"))
    assert stage.pipeline.state.program.value == "c1"


def test_numbers_that_wrap_again_and_again_are_believed() -> None:
    """Each count goes on for long: so it did start, and orders its frames."""
    stage = Stage().shoot()
    for _ in range(4):
        for at in range(12):
            tell(stage.later(2_000), shown(at, "c1"))
    assert not stage.pipeline.state.doubts.untrusted
    tell(stage.later(1_000), cut(100, "c1", "c2"))
    tell(stage.later(100), shown(99, "c1"))
    assert stage.cuts() == [("c1", "c2")]


def test_a_change_of_the_same_second_that_has_a_number_is_not_the_one_without() -> None:
    """The numbers wrap just then: a low number says nothing against it."""
    stage = Stage()
    stage.idle_state(ts=0)
    stage.later(1_000).say("session_started", session={"id": "s1"})
    second = T0 + 10_000
    stage.later(9_000).say("hold", seq=900, ts=10_000)
    tell(stage.later(10), {"type": "release", "ts": second})
    stage.later(10).say("hold", seq=902, ts=10_000)
    tell(stage.later(10), {"type": "release", "ts": second, "seq": 0})
    stage.later(10).state(seq=1, ts=10_000)
    assert [event["at"] - T0 for event in stage.events("release")] == [10_000, 10_000]
    stage.later(1_000).state(seq=2, ts=11_000)
    assert len(stage.events("release")) == 2


def test_a_change_of_the_same_second_with_a_lower_number_is_another_one() -> None:
    """Told again, it would have the number that it had. The numbers wrap just then."""
    stage = Stage()
    stage.idle_state(ts=0)
    stage.later(1_000).say("session_started", session={"id": "s1"})
    stage.later(9_000).say("hold", seq=900, ts=10_000)
    stage.later(10).say("release", seq=901, ts=10_000)
    stage.later(10).say("hold", seq=902, ts=10_000)
    stage.later(10).say("release", seq=0, ts=10_000)
    stage.later(10).state(seq=1, ts=10_000)
    stage.later(1_000).state(seq=2, ts=11_000)
    assert [event["at"] - T0 for event in stage.events("release")] == [10_000, 10_000]


def test_a_greeting_makes_nothing_old() -> None:
    """It says nothing, and was numbered before what was sent first: the message after it begins no other count."""
    stage = Stage().shoot()
    stage.later(5_000).say("hello", seq=500, boot_id=stage.boot)
    parts = [{"type": "cut", "to": to, "from": was} for was, to in (("c1", "c2"), ("c2", "c1"), ("c1", "c2"))]
    tell(stage.later(10), *[{**part, "seq": 490 + at, "ts": T0 + stage.now} for at, part in enumerate(parts)])
    assert stage.pipeline.state.doubts.scopes == 0
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1"), ("c1", "c2")]


def test_what_has_a_lower_number_than_history_is_no_sign_that_each_type_is_counted() -> None:
    """History without times comes after the first state, with the high numbers of before the server was restarted."""
    stage = Stage()
    tell(stage, shown(10, "c1"))
    tell(stage.later(100), cut(5_000, "c2", "c1"))
    for number in range(21, 24):
        tell(stage.later(1_000), {"type": "music_moment", "seq": number, "kind": "beat"})
    assert stage.pipeline.state.doubts.scopes == 1
    assert not stage.pipeline.state.doubts.untrusted


# ---------------------------------------------------------------------------------------------- dissolves and batches


def test_a_dissolve_that_comes_long_after_its_connection_began_is_no_history_and_hides_its_state() -> None:
    """No frame has a time, and no state came before it: it is no history for that."""
    stage = Stage().shoot()
    stage.later(10_000).drop()
    stage.later(1_000).open()
    tell(stage, {"type": "hello", "boot_id": stage.boot})
    stage.later(9_000)
    tell(stage, {"type": "cut", "to": "c2", "from": "c1", "transition": "dissolve", "duration_ms": 800})
    stage.later(100).state(bare=True, program=None)
    assert stage.events("off_air") == []
    assert stage.pipeline.state.program.value == "c2"


def test_a_state_with_a_lower_number_than_one_that_a_dissolve_hid_is_old_whatever_it_shows() -> None:
    """The state of within the dissolve is newer than it, and does not contradict the dissolve."""
    stage = Stage().shoot()
    stage.later(5_000).say("cut", seq=100, to="c2", from_="c1", transition="dissolve", duration_ms=800)
    stage.later(100).state(seq=300)
    tell(stage.later(2_500), shown(200, "c3"))
    assert stage.cuts() == [("c1", "c2")]


def test_a_state_that_stands_before_the_dissolve_that_explains_it_is_no_off_air() -> None:
    """One message, and nothing orders its parts: the order counts in which they fit."""
    stage = Stage().shoot()
    shown = {"type": "state", "program": None, "session": {"id": "s1"}, "mode": "idle"}
    dissolve = {"type": "cut", "to": "c2", "from": "c1", "transition": "dissolve", "duration_ms": 800}
    tell(stage.later(5_000), shown, dissolve)
    assert stage.cuts() == [("c1", "c2")]
    assert stage.events("off_air") == []


# ---------------------------------------------------------------------------------------------- told late, told again


def test_a_cut_that_only_its_number_calls_late_is_no_second_one_where_a_state_of_the_next_session_shows_it() -> None:
    """It came after the first state, so it is no history: what it led to was on before the session."""
    stage = Stage()
    tell(stage, shown(100, None, None))
    tell(stage.later(500), cut(50, "c3", "c2", cut_id="x1"))
    tell(stage.later(500), {"type": "session_started", "seq": 102, "session": {"id": "s1"}})
    tell(stage.later(100), shown(103, "c2"))
    assert stage.cuts() == []
    assert stage.pipeline.state.program.value == "c2"


def test_what_says_again_after_a_loss_what_was_known_last_is_no_second_change_of_that_second() -> None:
    """Times are whole seconds, so two changes may share one. But a second release needs another hold."""
    stage = Stage()
    stage.idle_state(ts=0)
    stage.later(1_000).say("session_started", ts=1_000, session={"id": "s1"})
    stage.later(1_000).say("hold", ts=2_000)
    release = {"type": "release", "ts": T0 + 4_000}
    tell(stage.later(2_000), release)
    stage.later(10_000).drop()
    stage.later(1_000).open()
    tell(stage, {"type": "hello", "boot_id": stage.boot, "ts": T0 + 3_000})  # its clock was set back
    tell(stage, release)
    stage.later(100).state(ts=3_000, seq="-")
    assert len(stage.events("release")) == 1


def test_an_id_of_another_life_of_the_server_without_a_time_is_believed_and_counted() -> None:
    """It may be told again, but then it would come as the connection begins. A change of what is on air is believed."""
    stage = Stage().shoot()
    tell(stage.later(1_000), cut(500, "c1", "c2", cut_id="1"))
    stage.later(5_000).drop()
    stage.later(1_000).open()
    tell(stage, {"type": "hello", "seq": 0, "boot_id": stage.boot})  # the numbers start again: so may ids
    tell(stage, shown(1, "c1"))
    believed = stage.pipeline.state.doubts.believed
    tell(stage.later(10_000), cut(20, "c1", "c2", cut_id="1"))
    assert stage.cuts() == [("c1", "c2"), ("c1", "c2")]
    assert stage.pipeline.state.doubts.believed == believed + 1
    tell(stage.later(10), cut(20, "c1", "c2", cut_id="1"))
    assert len(stage.cuts()) == 2


def test_after_a_silence_on_an_open_connection_nothing_is_told_again() -> None:
    """A request of an id that an earlier session used is news: no connection begins, so no history comes."""
    stage = Stage().shoot()
    stage.later(100).say("still_requested", still_id="1", camera_ids=["c1"])
    stage.later(1_000).say("session_ended", session_id="s1")
    stage.later(1_000).say("session_started", session={"id": "s2"})
    for _ in range(12):
        stage.later(1_000).state(bare=True, session={"id": "s2"})
    stage.later(600_000)
    tell(stage, {"type": "still_requested", "still_id": "1", "camera_ids": ["c1"]})
    assert stage.pipeline.state.connection is not None
    assert len(stage.events("gap")) == 0  # no state has shown yet what is on now
    stage.state(bare=True, session={"id": "s2"})
    assert len(stage.events("gap")) == 1
    assert len(stage.events("still_marker")) == 2


# ---------------------------------------------------------------------------------------------- stills


def asked(stage: Stage, *cameras: str, **more: Any) -> None:
    stage.say("still_requested", bare=True, still_id="1", camera_ids=list(cameras), **more)


def status(stage: Stage, camera: str, session: str = "s1", take: str = "") -> str | None:
    row = stage.rows.get(f"studio/{session}/still/1/{camera}{take}")
    return None if row is None else row.fields["status"]


def test_a_capture_of_an_earlier_session_told_again_without_a_time_is_no_still_of_this_one() -> None:
    """What is uploaded later belongs to the session that asked for it. The repetition is counted."""
    stage = Stage().shoot()
    asked(stage, "c1", "c2")
    stage.later(500).say("still_captured", bare=True, still_id="1", camera_id="c1")
    next_session(stage, boot="b2")
    stage.later(10).say("still_captured", bare=True, still_id="1", camera_id="c1")
    assert status(stage, "c1", "s2") is None
    assert stage.pipeline.state.doubts.undated == 1
    stage.later(5_000).say("still_uploaded", bare=True, still_id="1", camera_id="c2", storage_key="k2")
    assert status(stage, "c2") == "uploaded"
    assert status(stage, "c2", "s2") is None


def test_a_capture_whose_own_time_is_known_in_another_session_is_of_no_camera_that_was_not_asked() -> None:
    """Told again when a connection begins; the present session uses the id for other cameras."""
    stage = Stage().shoot()
    asked(stage, "c1")
    taken = T0 + stage.now + 300
    stage.later(500).say("still_captured", bare=True, still_id="1", camera_id="c1", taken_at=taken)
    next_session(stage, boot="b2")
    stage.later(5_000)
    asked(stage, "c2")
    stage.later(500).say("still_captured", bare=True, still_id="1", camera_id="c1", taken_at=taken)
    assert status(stage, "c1", "s2") is None
    assert len(stage.events("still_capture")) == 1


def test_an_upload_goes_to_the_session_that_waits_for_it_before_a_camera_that_was_not_asked() -> None:
    """Both sessions are over, and both used the id: only the first one's camera is missing its file."""
    stage = Stage().shoot()
    asked(stage, "c1")
    stage.later(500).say("still_captured", bare=True, still_id="1", camera_id="c1")
    next_session(stage)
    stage.later(5_000)
    asked(stage, "c2")
    stage.later(1_000).say("session_ended", bare=True, session_id="s2")
    stage.later(5_000).say("still_uploaded", bare=True, still_id="1", camera_id="c1", storage_key="k1")
    assert status(stage, "c1") == "uploaded"
    assert status(stage, "c1", "s2") is None


def test_a_failure_that_comes_after_the_capture_is_not_that_of_an_older_still_of_this_id() -> None:
    """The server was restarted, and ids started again; of the old one nobody heard any more."""
    stage = Stage().shoot()
    asked(stage, "c1")
    stage.later(10_000).drop()
    stage.later(1_000).connect(boot="b2")
    stage.state()
    stage.later(5_000)
    asked(stage, "c1")
    stage.later(500).say("still_captured", bare=True, still_id="1", camera_id="c1")
    stage.later(500).say("still_failed", bare=True, still_id="1", camera_id="c1", reason="late")
    assert status(stage, "c1") == "requested"
    assert status(stage, "c1", take="/2") == "captured"


@pytest.mark.parametrize(("cameras", "takes"), [(("c1",), 1), (("c2", "c1"), 2)])
def test_a_request_without_a_time_as_a_connection_begins_is_told_again_only_if_it_asks_the_same_cameras(
    cameras: tuple[str, ...], takes: int
) -> None:
    stage = Stage().shoot()
    asked(stage, "c1")
    stage.later(10_000).drop()
    stage.later(1_000).connect(boot="b2")
    stage.state()
    stage.later(1_000)
    asked(stage, *cameras)
    assert len(stage.events("still_marker")) == takes


def test_a_capture_belongs_to_its_upload_though_the_numbers_wrapped_in_between() -> None:
    """On an open connection that is no restart: ids go on."""
    stage = Stage().shoot()
    stage.later(5_000).say("still_requested", seq=900, still_id="1", camera_ids=["c1"])
    stage.later(1_000).say("still_uploaded", seq=901, still_id="1", camera_id="c1", storage_key="k1")
    stage.later(1_000).state(seq=0)
    taken = T0 + stage.now
    stage.later(1_000).say("still_captured", seq=1, still_id="1", camera_id="c1", taken_at=taken)
    (capture,) = stage.events("still_capture")
    assert (capture["at"], capture["detail"]) == (taken, {"stillId": "1"})
