"""What is equal, and what has no time: numbers that are shared, times that are carried over, moments by another clock.

Each of these is a moment at which one sign of comparison, turned, would tell another history.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tap.adapters.dialects import load_dialect
from tap.core.mapping import parse_mapping
from tap.core.pipeline import Pipeline
from tests.core.stage import ONE, T0, TWO, Stage

MULTICAM = Path(__file__).parents[2] / "tap" / "core" / "dialects" / "multicam-1.toml"


def tell(stage: Stage, *frames: dict[str, Any]) -> None:
    """One message of these frames as they stand: nothing is added."""
    stage.raw(orjson.dumps(list(frames)))


def shown(stage: Stage, program: str, ts: int | None = None) -> None:
    """A state without a number; without ``ts`` it has no time either."""
    dated = {} if ts is None else {"ts": T0 + ts}
    tell(stage, {"type": "state", **dated, "program": program, "session": {"id": "s1"}})


# ---------------------------------------------------------------------------------------------- a number that is shared


def test_a_state_that_shares_the_number_of_its_cut_begins_no_other_count() -> None:
    """The server counts changes, not frames: cut and state have one number, and the state a later time."""
    stage = Stage().shoot()
    for number, to in enumerate(("c2", "c1", "c2"), start=50):
        stage.later(3_000).say("cut", seq=number, to=to)
        stage.later(20).state(seq=number, program=to)
    assert stage.pipeline.state.doubts.scopes == 0
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1"), ("c1", "c2")]


def test_a_frame_told_again_interrupts_no_row_of_cuts_that_count_from_the_start() -> None:
    """The third cut in a row with a low number is believed, though the newest frame was told again between them."""
    stage = Stage().shoot()
    hold = {"type": "hold", "seq": 50, "camera_id": "c1", "hold_id": "h"}
    tell(stage, hold)
    for number, to in enumerate(("c2", "c1", "c2"), start=1):
        stage.later(3_000)
        tell(stage, {"type": "cut", "seq": number, "to": to, "cut_id": f"x{number}"})
        tell(stage, hold)
    assert stage.pipeline.state.program.value == "c2"
    assert stage.pipeline.state.doubts.scopes == 1


def test_three_cuts_of_one_message_that_share_the_newest_number_begin_no_other_count() -> None:
    """What has the number of the newest frame is not behind it."""
    stage = Stage().shoot()
    stage.later(3_000)
    tell(stage, *({"type": "cut", "seq": stage.seq, "to": to, "cut_id": to} for to in ("c2", "c1", "c3")))
    assert stage.pipeline.state.doubts.scopes == 0


def test_a_mark_told_again_with_its_time_and_number_is_one_mark() -> None:
    """A higher number would make another of that second; the same one does not."""
    stage = Stage().shoot()
    for _ in range(2):
        stage.say("marker", label="here", seq=40, ts=3_000)
    assert len(stage.events("marker")) == 1
    stage.say("marker", label="here", seq=41, ts=3_000)
    assert len(stage.events("marker")) == 2


# ---------------------------------------------------------------------------------------------- a time carried over


def live_on(program: str = "c1") -> Stage:
    """A shoot at 2 s, on a server that numbers nothing; its last state has a time."""
    stage = Stage().shoot()
    shown(stage, program, ts=stage.now)
    return stage


def test_a_cut_without_a_time_stands_for_the_settle_time() -> None:
    """A state that is newer than the last one may still have been made before the cut: nothing orders those two."""
    stage = live_on()
    stage.later(500)
    tell(stage, {"type": "cut", "to": "c2"})
    stage.later(100)
    shown(stage, "c1", ts=stage.now)
    assert stage.cuts() == [("c1", "c2")]
    stage.later(2_000)
    shown(stage, "c1", ts=stage.now)
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_state_without_a_time_gives_a_cut_without_a_time_none() -> None:
    """It confirms the cut, and still nothing orders that against a state with a time."""
    stage = live_on()
    stage.later(500)
    tell(stage, {"type": "cut", "to": "c2"})
    stage.later(100)
    shown(stage, "c2")
    stage.later(100)
    shown(stage, "c1", ts=stage.now)
    assert stage.cuts() == [("c1", "c2")]


def test_a_state_without_a_time_takes_a_cut_s_time_not_away() -> None:
    """The cut has a time: a state that is later by it is newer, however soon it comes."""
    stage = live_on()
    stage.later(500)
    tell(stage, {"type": "cut", "ts": T0 + stage.now, "to": "c2"})
    stage.later(100)
    shown(stage, "c2")
    stage.later(100)
    shown(stage, "c1", ts=stage.now)
    assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]


def test_a_state_of_ten_seconds_ago_is_old() -> None:
    """One that lies further back would be of a clock that was set."""
    stage = live_on()
    stage.later(20_000)
    tell(stage, {"type": "cut", "ts": T0 + stage.now, "to": "c2"})
    shown(stage, "c1", ts=stage.now - 10_000)
    assert stage.cuts() == [("c1", "c2")]


# ---------------------------------------------------------------------------------------------- which camera was live


def test_the_camera_of_a_still_is_the_one_that_the_tap_saw_where_no_frame_has_a_time() -> None:
    """The phone's own time lies before the cut, and the tap's clock says when that was."""
    stage = Stage(open_first=False)
    stage.open()
    for program in ("c1", "c2"):
        stage.later(2_000)
        shown(stage, program)
    stage.later(500)
    tell(stage, {"type": "still_captured", "still_id": "x", "camera_id": "c1", "taken_at": T0 + stage.now - 1_000})
    assert stage.still("x", "c1")["programCameraId"] == "c1"


@pytest.mark.parametrize("dated", [True, False])
def test_a_still_of_the_very_moment_of_a_cut_has_the_new_camera(dated: bool) -> None:
    stage = Stage().shoot()
    when = {"ts": T0 + stage.now} if dated else {}
    tell(stage, {"type": "cut", **when, "to": "c2"})
    tell(stage, {"type": "still_captured", **when, "still_id": "x", "camera_id": "c1"})
    assert stage.still("x", "c1")["programCameraId"] == "c2"


@pytest.mark.parametrize(("step", "camera"), [(1_999, "c2"), (2_000, "c1")])
def test_a_clock_that_is_two_seconds_off_was_set_since_the_cut(step: int, camera: str) -> None:
    """From then on the tap's own clock says whether the still was before the cut."""
    stage = Stage().shoot()
    stage.later(3_000).say("cut", to="c2", from_="c1")
    cut = stage.now
    stage.later(1_000)
    taken = cut - 100 + step
    stage.say("still_captured", ts=stage.now + step, still_id="x", camera_id="c1", taken_at=T0 + taken)
    assert stage.still("x", "c1")["programCameraId"] == ("c2" if taken >= cut and camera == "c2" else "c1")


def test_what_is_read_half_a_second_apart_was_read_together() -> None:
    """The tap stood still, and both waited: their own times say what came first."""
    stage = Stage().shoot()
    read = stage.later(10_000).now
    stage.say("cut", ts=read - 5_000, to="c2", from_="c1")
    stage.later(500).say("still_captured", still_id="x", camera_id="c1", taken_at=T0 + read - 10)
    assert stage.still("x", "c1")["programCameraId"] == "c2"


# ---------------------------------------------------------------------------------------------- an end that nobody saw


def test_an_end_that_is_told_after_all_completes_a_session_taken_for_interrupted() -> None:
    """Its reason and its time are those of the frame."""
    stage = Stage().shoot()
    stage.later(1_000).drop()
    stage.later(60_000).connect()
    stage.idle_state()
    assert stage.session()["status"] == "interrupted"
    stage.later(3_000).say("session_ended", session_id="s1", reason="operator")
    session = stage.session()
    assert (session["status"], session["endReason"], session["completedAt"]) == ("complete", "operator", T0 + stage.now)


def test_a_complete_session_keeps_its_end() -> None:
    """Another frame that ends it later, with other words, changes nothing."""
    stage = Stage().shoot()
    stage.later(1_000).say("session_ended", session_id="s1", reason="operator")
    stage.later(9_000).say("session_ended", session_id="s1", reason="timeout")
    assert stage.session()["endReason"] == "operator"


def test_two_losses_before_any_state_are_one_gap_with_what_was_on_before_the_first() -> None:
    """A connection that stood for a second showed nothing; the gap ends with the first frame after the last loss."""
    stage = Stage().shoot()
    stage.say("hold", camera_id="c1")
    stage.later(1_000).drop()
    for _ in range(2):
        stage.drop()
        stage.later(1_000).open()
    stage.drop()
    stage.later(1_000).connect()
    stage.state(mode="idle", hold={"active": True})
    (gap,) = stage.events("gap")
    assert gap["durationMs"] == 4_000
    assert gap["detail"]["before"] == {"programCameraId": "c1", "mode": "idle", "hold": True}


def test_a_connection_that_ends_before_it_says_anything_is_no_other_cause_of_a_gap() -> None:
    """The tap was started anew, and its first try came to nothing: the tap is what was away."""
    stage = Stage().shoot()
    stage.restart_tap(5_000)
    stage.drop()
    stage.later(1_000).connect()
    stage.state()
    (gap,) = stage.events("gap")
    assert gap["detail"]["cause"] == "tap restart"


def test_a_hold_that_went_on_over_a_loss_has_no_length() -> None:
    """Nobody saw whether it was the same one; and one that a state only confirms keeps its beginning."""
    stage = Stage().shoot()
    stage.say("hold", camera_id="c1")
    stage.later(1_000).state(mode="idle", hold={"active": True})
    assert stage.pipeline.state.hold_start is not None
    stage.drop()
    stage.later(1_000).connect()
    stage.state(mode="idle", hold={"active": True})
    stage.later(1_000).say("release")
    (release,) = stage.events("release")
    assert "durationMs" not in release


@pytest.mark.parametrize("held", [True, False])
def test_a_hold_that_goes_on_into_the_next_session_keeps_its_beginning(held: bool) -> None:
    """A state shows another session, on a connection that stands: what it confirms is what was known."""
    stage = Stage().shoot()
    stage.say("hold", camera_id="c1")
    stage.later(1_000).state(session={"id": "s2"}, hold={"active": held})
    assert (stage.pipeline.state.hold_start is not None) is held
    stage.later(1_000).say("release")
    assert [event.get("durationMs") for event in stage.events("release")] == ([2_000] if held else [])


# ---------------------------------------------------------------------------------------------- ids that start anew


def anew(tmp_path: Path, *, ids: bool = True) -> Stage:
    """A server that only tells states, and calls each of its sessions 1."""
    text = MULTICAM.read_text("utf-8").replace("[frame]", f"[frame]\nids_start_anew = {str(ids).lower()}", 1)
    mapping = tmp_path / "anew.toml"
    mapping.write_text(text, "utf-8")
    stage = Stage(open_first=False)
    stage.pipeline = Pipeline(load_dialect(str(mapping)), venue="studio", tap="tap-a")
    stage.connect()
    return stage


def keys(stage: Stage) -> list[str]:
    return [key for key, row in stage.rows.items() if row.op == "session"]


def test_a_session_that_a_state_shows_again_without_its_start_goes_on(tmp_path: Path) -> None:
    """Ids start anew, and the state does not say when it began: of two of that id, it is the last one."""
    stage = anew(tmp_path)
    stage.idle_state()
    stage.later(1_000).state(session={"id": "1"})
    stage.later(1_000).drop()
    stage.later(1_000).connect()
    stage.idle_state()
    stage.later(1_000).state(session={"id": "1"})
    assert len(keys(stage)) == 1
    assert stage.session(keys(stage)[0])["status"] == "live"


def test_a_session_whose_start_is_not_said_again_is_no_other(tmp_path: Path) -> None:
    """One state says when it began, and the next does not: that says nothing, and not another beginning."""
    stage = anew(tmp_path)
    stage.idle_state()
    stage.later(1_000).state(session={"id": "1", "started_at": T0 + 1_000})
    stage.later(1_000).state(session={"id": "1"})
    assert len(keys(stage)) == 1
    assert {entry.fields["status"] for entry in stage.entries if entry.op == "session"} == {"live"}


def test_a_session_that_says_another_start_is_another(tmp_path: Path) -> None:
    stage = anew(tmp_path)
    for start in (1_000, 5_000):
        stage.idle_state()
        stage.later(1_000).state(session={"id": "1", "started_at": T0 + start})
    assert len(keys(stage)) == 2


def test_a_session_of_another_id_does_not_go_on(tmp_path: Path) -> None:
    stage = anew(tmp_path)
    for name in ("1", "2"):
        stage.idle_state()
        stage.later(1_000).state(session={"id": name})
    assert len(keys(stage)) == 2


@pytest.mark.parametrize(("counts", "program"), [("nothing", "c3"), ("connection", "c2")])
def test_numbers_order_a_batch_only_where_they_count_what_is_in_it(counts: str, program: str) -> None:
    """Two cuts of one time, of which the first has the higher number: else they happened as they stand."""
    text = MULTICAM.read_text("utf-8").replace('seq_orders = "boot"', f'seq_orders = "{counts}"', 1)
    stage = Stage(open_first=False)
    stage.pipeline = Pipeline(parse_mapping(text, "multicam"), venue="studio", tap="tap-a")
    stage.connect()
    stage.shoot()
    at = T0 + stage.later(1_000).now
    first, second = ({"type": "cut", "ts": at, "seq": seq, "to": to} for seq, to in ((90, "c2"), (80, "c3")))
    stage.raw(orjson.dumps([first, second]))
    assert stage.pipeline.state.program.value == program
    assert len(stage.events("cut")) == 2


# ---------------------------------------------------------------------------------------------- a camera told off


@pytest.mark.parametrize("shown", [{"id": "c1"}, ONE, {"id": "c1", "role": "host"}])
def test_a_late_word_of_a_camera_counts_if_the_state_after_it_said_nothing_new(shown: dict[str, Any]) -> None:
    """What is known of the camera is as new as the frame that told it last."""
    stage = Stage().shoot()
    stage.say("camera_updated", seq=50, camera={**ONE, "placement": {"x": 1}})
    stage.later(100).state(seq=70, cameras=[shown, TWO])
    stage.later(100).say("camera_updated", seq=60, ts=stage.now - 150, camera={"id": "c1", "lens": "macro"})
    assert (stage.camera("c1") or {})["lens"] == "macro"


def test_a_state_that_may_be_old_says_what_nobody_has_said_of_a_camera_yet() -> None:
    """Nothing orders the state and the update. The name stays as it was told last; the placement is news."""
    stage = Stage().shoot()
    stage.later(5_000).say("camera_updated", bare=True, camera={"id": "c2", "name": "Near"})
    cameras = [ONE, {**TWO, "placement": {"label": "left"}}]
    stage.later(1_000).state(bare=True, cameras=cameras)
    camera = stage.camera("c2")
    assert camera is not None
    assert (camera["name"], camera["placement"]) == ("Near", {"label": "left"})


def test_a_camera_that_says_that_it_is_not_online_leaves_after_the_grace_time() -> None:
    stage = Stage().shoot()
    away = stage.later(1_000).now
    stage.say("camera_updated", camera={"id": "c2", "online": False})
    told = stage.camera("c2")
    assert told is not None
    assert told["status"] == "online"
    stage.wait(5_000)
    told = stage.camera("c2")
    assert told is not None
    assert (told["status"], told["leftAt"]) == ("offline", T0 + away)


def test_events_that_come_after_later_ones_are_counted() -> None:
    """Each becomes a row, and none changes what is on; people read how many there were."""
    stage = Stage().shoot()
    stage.later(1_000).say("cut", seq=900, to="c2", from_="c1", cut_id="x9")
    for number in (1, 2):
        stage.say("cut", seq=500 + number, ts=stage.now - 500 + number, to="c1", from_="c2", cut_id=f"x{number}")
    assert (stage.pipeline.state.doubts.late, stage.pipeline.state.program.value) == (2, "c2")


@pytest.mark.parametrize(("came_from", "on_air"), [("c2", "c1"), ("c3", "c2")])
def test_a_cut_with_an_older_time_is_the_newest_if_it_follows(came_from: str, on_air: str) -> None:
    """Nothing counts, and the clock was set back a little: what it comes from says whether it is late."""
    stage = Stage().shoot()
    tell(stage, {"type": "cut", "ts": T0 + stage.now, "to": "c2", "from": "c1", "cut_id": "x1"})
    stage.later(1_000)
    tell(stage, {"type": "cut", "ts": T0 + stage.now - 1_500, "to": "c1", "from": came_from, "cut_id": "x2"})
    assert stage.pipeline.state.program.value == on_air


@pytest.mark.parametrize("named", [{"ts": T0 + 4_000}, {"boot_id": "b1"}])
def test_a_greeting_that_says_anything_opens_no_second_connection(named: dict[str, Any]) -> None:
    """The source said when this connection opened: other words in a greeting are no gap."""
    stage = Stage(open_first=False)
    stage.open()
    tell(stage, {"type": "hello", "server": "multicam-server", "version": "1.2", **named, "ts": T0})
    stage.shoot().later(2_000)
    tell(stage, {"type": "hello", "server": "multicam-server", "version": "1.3", **named})
    stage.later(100).state()
    assert stage.events("gap") == []


@pytest.mark.parametrize(("apart", "regular"), [(60_000, True), (60_001, False)])
def test_a_server_whose_states_come_a_minute_apart_is_regular(apart: int, regular: bool) -> None:
    """Then it is lost 60 s plus ten times that after its last one; at a longer interval silence means nothing."""
    stage = Stage().shoot()
    for _ in range(10):
        stage.later(apart).state()
    lost = stage.now + 60_000 + 10 * apart
    assert stage.pipeline.deadline() == (lost if regular else None)


def test_a_clock_that_is_off_is_noticed_after_a_repetition_too() -> None:
    """What is told again says nothing of the clock; the state after it does."""
    stage = Stage().shoot()
    for _ in range(2):
        stage.say("cut", cut_id="x1", to="c2", from_="c1")
    stage.later(1_000).state(ts=stage.now + 3_600_000, program="c2")
    assert stage.pipeline.tally.drift_ms == 3_600_000
