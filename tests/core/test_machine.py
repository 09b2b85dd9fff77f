"""The machine's rules, each as a sentence about a shoot."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tap.core.machine.rules import RULES, Signal
from tap.core.machine.state import Phase
from tap.core.model import Policy
from tap.core.pipeline import Pipeline
from tests.core.stage import DIALECT, ONE, T0, TWO, Stage


def phase_of(stage: Stage) -> Phase:
    return stage.pipeline.state.phase


class TestSession:
    def test_a_session_starts_when_it_is_told(self) -> None:
        """session_started gives one live session, with what was on when it was first seen."""
        stage = Stage()
        stage.idle_state()
        stage.later(500).say("session_started", session={"id": "s1", "title": "Autumn", "started_at": T0 + 400})
        session = stage.session()
        assert session["status"] == "live"
        assert session["startedAt"] == T0 + 400
        assert session["startState"] == {"at": T0 + 500, "programCameraId": "c1", "mode": "idle", "hold": False}
        assert session["sessionType"] == "photoshoot_performance"
        assert session["source"]["serverVersion"] == "1.2"
        assert not stage.events()

    def test_a_running_session_is_found_with_one_gap(self) -> None:
        """What came before the first sight is a gap without an old side and without a length."""
        stage = Stage()
        stage.later(100).state()
        (gap,) = stage.events("gap")
        assert gap["at"] == T0
        assert "durationMs" not in gap
        assert "before" not in gap["detail"]
        assert gap["detail"]["after"] == {"programCameraId": "c1", "mode": "photoshoot", "hold": False}

    def test_a_session_that_a_later_snapshot_shows_has_no_gap(self) -> None:
        """On an unbroken connection its beginning was seen."""
        stage = Stage()
        stage.idle_state()
        stage.later(1000).state()
        assert stage.session()["startedAt"] == T0 + 1000
        assert not stage.events()

    def test_the_same_session_is_never_started_twice(self) -> None:
        """Neither a repeated frame nor a reconnect starts it again."""
        stage = Stage().shoot()
        stage.say("session_started", session={"id": "s1"})
        stage.later(1000).drop()
        stage.later(1000).connect()
        stage.later(10).state(mode="idle")
        assert [row for row in stage.rows.values() if row.op == "session"] == [stage.rows["studio/s1"]]
        assert stage.session()["startedAt"] == T0 + 1000
        assert len(stage.events("gap")) == 1

    def test_an_end_that_is_told_completes_it(self) -> None:
        """With its reason and the final state."""
        stage = Stage().shoot()
        stage.say("cut", to="c2")
        stage.later(1000).say("session_ended", session_id="s1", reason="operator")
        session = stage.session()
        assert (session["status"], session["endReason"], session["completedAt"]) == ("complete", "operator", T0 + 3000)
        final = session["finalState"]
        assert final == {
            "programCameraId": "c2",
            "mode": "idle",
            "hold": False,
            "camerasOnline": ["c1", "c2"],
            "counts": {"cut": 1},
            "gaps": 0,
            "gapMs": 0,
        }

    def test_an_end_that_an_unbroken_snapshot_shows_completes_it(self) -> None:
        """It was seen, although no frame said so."""
        stage = Stage().shoot()
        stage.later(5000).idle_state()
        assert stage.session()["status"] == "complete"
        assert stage.session()["completedAt"] == T0 + 7000

    @pytest.mark.parametrize(
        ("after", "reason"), [({"session": None}, "unseen"), ({"session": {"id": "s2"}}, "replaced")]
    )
    def test_an_end_inside_a_gap_interrupts_it(self, after: dict[str, Any], reason: str) -> None:
        """It is dated by the last frame that showed the session, and the gap stands before the last row."""
        stage = Stage().shoot()
        stage.later(3000).state(mode="idle")
        shown = stage.now
        stage.later(500).drop()
        stage.later(60_000).connect()
        stage.later(10).state(**after)
        session = stage.session()
        assert (session["status"], session["endReason"], session["completedAt"]) == ("interrupted", reason, T0 + shown)
        assert stage.rows["studio/s1"].version == T0 + shown
        ops = [(entry.op, entry.fields.get("kind", "")) for entry in stage.entries if entry.session_key == "studio/s1"]
        assert ops.index(("event", "gap")) < len(ops) - 1
        assert ops[-1] == ("session", "")
        assert session["finalState"]["gaps"] == 1
        assert len([key for key in stage.rows if "/gap/" in key]) == (2 if reason == "replaced" else 1)

    def test_an_interrupted_session_that_shows_again_is_live_once_more(self) -> None:
        """And completes when its end is seen at last."""
        stage = Stage().shoot()
        stage.drop()
        stage.later(1000).connect(boot="b2")
        stage.idle_state()
        assert stage.session()["status"] == "interrupted"
        stage.later(5000).state()
        session = stage.session()
        assert session["status"] == "live"
        assert "endReason" not in session
        assert "finalState" not in session
        stage.later(5000).say("session_ended", session_id="s1")
        assert stage.session()["status"] == "complete"
        assert stage.session()["startedAt"] == T0 + 1000

    def test_another_session_on_an_unbroken_connection_completes_the_old_one(self) -> None:
        """Its end was seen: something else runs."""
        stage = Stage().shoot()
        stage.later(1000).say("session_started", session={"id": "s2"})
        assert stage.session()["status"] == "complete"
        assert stage.session("studio/s2")["status"] == "live"
        assert not stage.events("gap")

    def test_a_stale_snapshot_does_not_end_a_session_that_just_started(self) -> None:
        """By seq, although its session is null."""
        stage = Stage()
        stage.idle_state()
        stale = stage.seq
        stage.later(1000).say("session_started", session={"id": "s1"}, seq=50)
        stage.later(10).idle_state(seq=stale, ts=900)
        assert stage.session()["status"] == "live"

    def test_a_stale_snapshot_does_not_revive_a_session_that_just_ended(self) -> None:
        """By settle time, where neither seq nor ts orders them."""
        stage = Stage().shoot()
        stage.say("session_ended", session_id="s1", bare=True)
        stage.later(1500).state(bare=True)
        assert stage.session()["status"] == "complete"

    def test_a_stale_snapshot_does_not_bring_back_an_old_title(self) -> None:
        """A title that was edited stays edited."""
        stage = Stage().shoot()
        before = stage.seq
        stage.say("session_updated", session={"id": "s1", "title": "Winter"}, seq=100)
        stage.later(10).state(seq=before, ts=1500)
        assert stage.session()["title"] == "Winter"

    def test_an_explicit_null_takes_a_title_away_and_a_missing_one_does_not(self) -> None:
        """A missing field says nothing."""
        stage = Stage().shoot()
        stage.say("session_updated", session={"id": "s1"})
        assert stage.session()["title"] == "Autumn"
        stage.say("session_updated", session={"id": "s1", "title": None})
        assert "title" not in stage.session()

    def test_quiet_is_not_idle(self) -> None:
        """A two-hour take with a socket that stands is a session that runs."""
        stage = Stage().shoot()
        stage.wait(2 * 3_600_000)
        assert stage.session()["status"] == "live"

    def test_a_server_out_of_sight_for_half_an_hour_closes_the_session(self) -> None:
        """As idle, dated by the last frame that showed it; nothing that time caused counts as seen later."""
        stage = Stage().shoot()
        stage.state(mode="idle")
        shown = stage.now
        stage.later(1000).drop()
        stage.wait(29 * 60_000)
        assert stage.session()["status"] == "live"
        stage.wait(2 * 60_000)
        session = stage.session()
        assert (session["status"], session["endReason"], session["completedAt"]) == ("interrupted", "idle", T0 + shown)

    def test_after_idle_the_same_session_goes_on_with_one_gap(self) -> None:
        """The loss is one gap, however long it was."""
        stage = Stage().shoot()
        stage.drop()
        stage.wait(40 * 60_000)
        stage.connect()
        stage.later(5).state(mode="idle")
        assert stage.session()["status"] == "live"
        (gap,) = stage.events("gap")
        assert gap["durationMs"] >= 40 * 60_000

    def test_after_idle_a_server_without_the_session_still_gets_its_gap(self) -> None:
        """And the row counts it, still as idle."""
        stage = Stage().shoot()
        stage.drop()
        stage.wait(40 * 60_000)
        stage.connect()
        stage.idle_state()
        session = stage.session()
        assert (session["status"], session["endReason"], session["finalState"]["gaps"]) == ("interrupted", "idle", 1)

    def test_every_rule_leads_on(self) -> None:
        """From every phase that a rule leads to, a loss or an end leads somewhere."""
        reached = {then for _, then in RULES.values()}
        assert reached == set(Phase)
        for phase in reached - {Phase.WAITING, Phase.IDLED, Phase.BLIND}:
            assert (phase, Signal.LOST) in RULES
            # A frame that tells an end is heard first, and that leads on from "disconnected" already.
            assert (phase, Signal.ENDED) in RULES or RULES[phase, Signal.HEARD][1] is not phase

    def test_a_closed_connection_is_told_at_once(self) -> None:
        """The phase does not stay ``live`` until the next connection opens; nothing is written for it yet."""
        stage = Stage().shoot()
        assert phase_of(stage) is Phase.LIVE
        written = len(stage.entries)
        stage.later(1000).drop()
        assert phase_of(stage) is Phase.DISCONNECTED
        stage.wait(60_000)
        assert phase_of(stage) is Phase.DISCONNECTED
        assert len(stage.entries) == written

    def test_a_frame_after_the_end_of_its_connection_belongs_to_it(self) -> None:
        """It was read before: the session goes on with it, without a gap; the next connection is heard after a loss."""
        stage = Stage().shoot()
        stage.later(1000).drop()
        stage.later(10).say("cut", to="c2")
        assert phase_of(stage) is Phase.LIVE
        assert [event["kind"] for event in stage.events()] == ["cut"]
        stage.later(1000).connect()
        assert phase_of(stage) is Phase.RETURNING

    def test_the_end_of_a_connection_tells_the_gap_that_waits(self) -> None:
        """Heard again and lost before any snapshot: the gap is written without a new side."""
        stage = Stage().shoot()
        stage.later(1000).drop()
        stage.later(5000).connect()
        assert phase_of(stage) is Phase.RETURNING
        assert stage.events() == []
        stage.later(1000).drop()
        assert phase_of(stage) is Phase.UNSURE
        assert [event["kind"] for event in stage.events()] == ["gap"]

    def test_a_checkpoint_from_before_the_signal_goes_on(self) -> None:
        """Saved as ``live`` on a connection that had closed: the next one is heard after a loss all the same."""
        stage = Stage().shoot()
        stage.later(1000).drop()
        saved = stage.pipeline.checkpoint().replace(b'"disconnected"', b'"live"')
        stage.pipeline = Pipeline(DIALECT, venue="studio", tap=stage.tap, checkpoint=saved)
        stage.later(5000).connect()
        stage.later(100).state(program="c2")
        assert [event["kind"] for event in stage.events()] == ["gap"]


class TestPolicies:
    def test_mode_makes_a_session_of_entering_photoshoot(self) -> None:
        """Where the server has no session frames; the mode change belongs to it, and idle ends it."""
        stage = Stage(Policy(session="mode"))
        stage.state(session="-", mode="rehearsal")
        stage.later(1000).say("mode_changed", from_="rehearsal", to="photoshoot")
        stage.later(1000).say("cut", to="c2")
        stage.later(1000).say("mode_changed", from_="photoshoot", to="performance")
        stage.later(1000).say("mode_changed", from_="performance", to="idle")
        key = f"studio/@{T0 + 1000}"
        assert stage.session(key)["status"] == "complete"
        assert stage.session(key)["completedAt"] == T0 + 4000
        assert [event["kind"] for event in stage.events()] == ["mode_change", "cut", "mode_change", "mode_change"]
        assert "sessionId" not in stage.session(key)

    def test_program_makes_a_session_of_the_first_cut(self) -> None:
        """What is live at first sight may have been so for days; the cut that starts it belongs to it."""
        stage = Stage(Policy(session="program"))
        stage.state(session="-")
        assert not stage.entries
        stage.later(1000).say("cut", to="c2")
        assert stage.cuts() == [("c1", "c2")]
        stage.later(1000).say("cut", to=None)
        assert stage.session(f"studio/@{T0 + 1000}")["status"] == "live"
        stage.wait(10_000)
        assert stage.session(f"studio/@{T0 + 1000}")["status"] == "complete"
        assert stage.session(f"studio/@{T0 + 1000}")["completedAt"] == T0 + 2000

    def test_program_ends_after_four_hours_without_a_change(self) -> None:
        """Dated by the last change."""
        stage = Stage(Policy(session="program"))
        stage.state(session="-")
        stage.later(1000).say("cut", to="c2")
        stage.wait(4 * 3_600_000 + 1)
        session = stage.session(f"studio/@{T0 + 1000}")
        assert (session["status"], session["endReason"], session["completedAt"]) == ("complete", "unchanged", T0 + 1000)

    def test_program_does_not_end_while_nobody_can_see_whether_it_changed(self) -> None:
        """Only once the server is heard again."""
        stage = Stage(Policy(session="program", idle_ms=10 * 3_600_000))
        stage.state(session="-")
        stage.later(1000).say("cut", to="c2")
        stage.drop()
        stage.wait(5 * 3_600_000)
        assert stage.session(f"studio/@{T0 + 1000}")["status"] == "live"

    def test_snapshots_alone_make_sessions_by_policy(self) -> None:
        """A mode that turns in a snapshot is an inferred mode change in the session that it starts."""
        stage = Stage(Policy(session="mode"))
        stage.state(session="-", mode="idle")
        stage.later(1000).state(session="-")
        stage.later(1000).state(session="-", program="c2")
        stage.later(1000).state(session="-", program="c2", mode="idle")
        assert stage.cuts() == [("c1", "c2")]
        assert stage.session(f"studio/@{T0 + 1000}")["status"] == "complete"
        assert all(event["detail"]["inferred"] for event in stage.events())

    def test_without_ids_the_known_session_goes_on_after_a_gap(self) -> None:
        """As long as its condition still holds."""
        stage = Stage(Policy(session="mode"))
        stage.state(session="-", mode="idle")
        stage.later(1000).say("mode_changed", to="photoshoot")
        stage.drop()
        stage.later(1000).connect()
        stage.state(session="-")
        assert [row.fields["status"] for row in stage.rows.values() if row.op == "session"] == ["live"]
        stage.drop()
        stage.later(1000).connect()
        stage.state(session="-", mode="idle")
        assert [row.fields["endReason"] for row in stage.rows.values() if row.op == "session"] == ["unseen"]
        assert len(stage.events("gap")) == 2

    def test_a_server_with_session_frames_needs_no_policy(self) -> None:
        """They rule as soon as one is seen."""
        stage = Stage(Policy(session="mode"))
        stage.shoot()
        stage.say("mode_changed", to="photoshoot")
        stage.say("mode_changed", to="idle")
        assert [row.key for row in stage.rows.values() if row.op == "session"] == ["studio/s1"]
        assert stage.session()["status"] == "live"


class TestCuts:
    def test_a_cut_told_three_times_is_one_cut(self) -> None:
        """By its frame, the state after it, and the heartbeat state a second later."""
        stage = Stage().shoot()
        stage.say("cut", to="c2", cut_id="k1", trigger="ai", transition="dissolve", duration_ms=800, from_="c1")
        stage.later(5).state(program="c2")
        stage.later(1000).state(program="c2")
        (cut,) = stage.events("cut")
        assert cut["at"] == T0 + 2000
        assert (cut["cameraId"], cut["cameraName"], cut["fromCameraId"], cut["fromCameraName"]) == (
            "c2",
            "Close",
            "c1",
            "Wide",
        )
        assert (cut["trigger"], cut["transition"], cut["durationMs"]) == ("ai", "dissolve", 800)

    def test_a_snapshot_tells_a_cut_that_nobody_told(self) -> None:
        """Once, marked as inferred."""
        stage = Stage().shoot()
        stage.state(program="c2")
        stage.later(1000).state(program="c2")
        (cut,) = stage.events("cut")
        assert cut["detail"] == {"inferred": True}
        assert cut["trigger"] == "unknown"

    def test_a_cut_frame_after_the_snapshot_that_told_it_adds_nothing(self) -> None:
        """However it was told: once."""
        stage = Stage().shoot()
        stage.state(program="c2")
        stage.later(5).say("cut", to="c2", cut_id="k1")
        assert len(stage.events("cut")) == 1

    @pytest.mark.parametrize(
        ("cut", "stale"),
        [
            ({"seq": 100}, {"seq": 90, "ts": 2500}),
            ({"seq": 100}, {"seq": 90, "ts": -3000}),
            ({"ts": 2000}, {"ts": 1500}),
            ({}, {}),
        ],
        ids=["seq before ts", "seq, whatever the ts", "ts alone", "neither, within the settle time"],
    )
    def test_a_stale_snapshot_does_not_undo_a_cut(self, cut: dict[str, int], stale: dict[str, int]) -> None:
        """What is older than what it would undo changes nothing."""
        stage = Stage().shoot()
        _say(stage, {"type": "cut", "to": "c2"}, cut)
        stage.later(500)
        _say(stage, {"type": "state", "program": "c1", "session": {"id": "s1"}}, stale)
        stage.later(100)
        _say(stage, {"type": "state", "program": "c2", "session": {"id": "s1"}}, {"seq": 101, "ts": 2600})
        assert stage.cuts() == [("c1", "c2")]

    @pytest.mark.parametrize(
        ("cut", "news"),
        [
            ({"seq": 100}, {"seq": 101}),
            ({"seq": 100}, {"seq": 100}),
            ({"ts": 2000}, {"ts": 2001}),
            ({"ts": 20_000}, {"ts": 5000}),
            ({}, {}),
        ],
        ids=["later seq", "the same seq", "later ts", "a clock that was set", "neither, after the settle time"],
    )
    def test_a_snapshot_that_is_no_older_tells_a_change(self, cut: dict[str, int], news: dict[str, int]) -> None:
        """A time more than ten seconds back is a clock that was set, never an old snapshot."""
        stage = Stage().shoot()
        _say(stage, {"type": "cut", "to": "c2"}, cut)
        stage.later(2001)
        _say(stage, {"type": "state", "program": "c1", "session": {"id": "s1"}}, news)
        assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]

    def test_a_repeated_cut_frame_is_a_duplicate_even_after_another_cut(self) -> None:
        """By its id, whatever number it comes with."""
        stage = Stage().shoot()
        stage.say("cut", to="c2", cut_id="k1", ts=2000)
        stage.later(100).say("cut", to="c1", cut_id="k2", ts=2100)
        stage.later(100).say("cut", to="c2", cut_id="k1", ts=2000)
        stage.later(100).say("cut", to="c2", cut_id="k1", seq=5, ts=2000)
        assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]

    def test_a_cut_that_is_told_again_by_its_id_is_a_duplicate_whatever_its_seq(self) -> None:
        """A server that sends a backlog again numbers it anew."""
        stage = Stage().shoot()
        stage.say("cut", to="c2", cut_id="k1", ts=2000)
        stage.say("cut", to="c1", cut_id="k2", ts=2001)
        stage.later(50).say("cut", to="c2", cut_id="k1", ts=2000)
        assert stage.cuts() == [("c1", "c2"), ("c2", "c1")]

    def test_ids_that_start_anew_with_a_boot_are_other_cuts(self) -> None:
        """Where no time tells them apart, the boot does."""
        stage = Stage().shoot()
        _say(stage, {"type": "cut", "to": "c2", "cut_id": "1"}, {"seq": 90})
        stage.drop()
        stage.connect(boot="b2")
        stage.state(program="c1")
        _say(stage, {"type": "cut", "to": "c2", "cut_id": "1"}, {"seq": 90})
        assert stage.cuts() == [("c1", "c2"), ("c1", "c2")]

    def test_program_turning_to_nothing_is_no_cut_and_coming_back_is_one(self) -> None:
        """A cut from nothing has no fromCameraId."""
        stage = Stage().shoot()
        stage.state(program=None)
        stage.later(1000).state(program="c2")
        assert stage.cuts() == [(None, "c2")]

    def test_a_missing_or_ill_typed_program_says_nothing(self) -> None:
        """Only an explicit null says none."""
        stage = Stage().shoot()
        nonsense: Any
        for nonsense in ("-", [], True, {"x": 1}):
            stage.later(10).state(program=nonsense)
        stage.later(10).say("cut", to={"a": 1})
        stage.later(10).say("cut")
        stage.later(10).state(program="c1")
        assert not stage.events("cut")

    def test_pending_ghost_cuts_are_not_cuts(self) -> None:
        """Neither proposed nor approved; the cut itself follows."""
        stage = Stage().shoot()
        stage.say("pending_cut", pending_id="p", to="c2")
        stage.say("pending_cut_resolved", pending_id="p", outcome="approved")
        assert not stage.events()
        stage.say("cut", to="c2", trigger="ghost_approved")
        assert stage.events("cut")[0]["trigger"] == "ghost_approved"

    def test_without_a_session_a_cut_only_updates_what_is_known(self) -> None:
        """And the session that starts later knows it."""
        stage = Stage()
        stage.idle_state()
        stage.say("cut", to="c2")
        assert not stage.entries
        stage.later(10).say("session_started", session={"id": "s1"})
        assert stage.session()["startState"]["programCameraId"] == "c2"


class TestHoldAndMode:
    def test_a_hold_and_its_release_are_told_once_with_the_length(self) -> None:
        """However often snapshots repeat the flag."""
        stage = Stage().shoot()
        stage.say("hold", camera_id="c1", by="director", reason="speech")
        stage.later(10).state(hold={"active": True, "by": "director"})
        stage.later(10).say("hold", camera_id="c1")
        stage.later(4980).say("release", by="director")
        stage.later(10).state()
        hold, release = stage.events("hold", "release")
        assert (hold["cameraId"], hold["at"]) == ("c1", T0 + 2000)
        assert (release["durationMs"], release["at"]) == (5000, T0 + 7000)

    def test_a_snapshot_tells_hold_and_release(self) -> None:
        """As inferred, of the program camera."""
        stage = Stage().shoot()
        stage.state(hold={"active": True})
        stage.later(3000).state(hold=None)
        hold, release = stage.events("hold", "release")
        assert hold["cameraId"] == "c1"
        assert hold["detail"]["inferred"]
        assert release["durationMs"] == 3000

    def test_after_a_gap_a_release_does_not_say_how_long(self) -> None:
        """It may have been released and held again meanwhile."""
        stage = Stage().shoot()
        stage.say("hold", camera_id="c1")
        stage.drop()
        stage.later(1000).connect()
        stage.state(hold={"active": True})
        stage.later(1000).say("release")
        (release,) = stage.events("release")
        assert "durationMs" not in release

    def test_a_mode_change_is_told_once_and_kept_in_the_session(self) -> None:
        """From where to where."""
        stage = Stage().shoot()
        stage.say("mode_changed", from_="idle", to="photoshoot")
        stage.later(5).state()
        stage.later(5).say("mode_changed", to="photoshoot")
        (change,) = stage.events("mode_change")
        assert change["detail"] == {"from": "idle", "to": "photoshoot"}
        assert stage.session()["mode"] == "photoshoot"


class TestGaps:
    def test_a_drop_is_one_gap_with_both_sides_and_makes_no_event(self) -> None:
        """What happened inside is never invented."""
        stage = Stage().shoot()
        stage.say("cut", to="c2")
        stage.later(1000).drop()
        stage.later(4000).connect()
        stage.later(100).state(program="c1", hold={"active": True}, mode="performance")
        (gap,) = stage.events("gap")
        assert gap["at"] == T0 + 7000
        assert gap["durationMs"] == 5000
        assert gap["detail"]["before"] == {"programCameraId": "c2", "mode": "idle", "hold": False}
        assert gap["detail"]["after"] == {"programCameraId": "c1", "mode": "performance", "hold": True}
        assert gap["detail"]["tap"] == "tap-a"
        assert len(stage.events()) == 2

    def test_refused_reconnects_do_not_multiply_a_gap(self) -> None:
        """A connection on which nothing was heard is part of the loss."""
        stage = Stage().shoot()
        stage.drop()
        for _ in range(3):
            stage.later(1000).open()
            stage.later(10).drop()
        stage.later(1000).connect()
        stage.state(mode="idle")
        assert len(stage.events("gap")) == 1

    def test_an_explicit_change_before_the_snapshot_tells_the_gap_without_a_new_side(self) -> None:
        """And is itself written after it; the snapshot's news are then only learned."""
        stage = Stage().shoot()
        stage.drop()
        stage.later(1000).connect()
        stage.later(10).say("cut", to="c2")
        stage.later(10).state(program="c2", mode="performance")
        gap, cut = stage.events()
        assert (gap["kind"], cut["kind"]) == ("gap", "cut")
        assert gap["detail"]["after"] == {}
        assert stage.session()["mode"] == "performance"

    def test_a_second_loss_tells_a_gap_whose_new_side_never_came(self) -> None:
        """Each loss is one gap."""
        stage = Stage().shoot()
        stage.drop()
        stage.later(1000).connect()
        stage.later(10).drop()
        stage.later(1000).connect()
        stage.later(10).state(mode="idle")
        first, second = stage.events("gap")
        assert (first["detail"]["after"], second["detail"]["before"]) == ({}, {})

    def test_a_gap_whose_new_side_never_came_is_told_when_the_line_drops_again(self) -> None:
        """Not only once the server is back, which may be never."""
        stage = Stage().shoot()
        stage.drop()
        stage.later(1000).connect()
        assert not stage.events("gap")
        stage.later(10).drop()
        assert len(stage.events("gap")) == 1

    def test_a_new_greeting_on_an_open_connection_is_a_loss(self) -> None:
        """A server that restarted behind a proxy; a repeated greeting is none."""
        stage = Stage().shoot()
        stage.say("hello", server="multicam-server", version="1.2", boot_id="b2", seq=1)
        stage.later(10).state(seq=2, mode="idle")
        (gap,) = stage.events("gap")
        assert gap["detail"]["cause"] == "server restart"

    def test_a_restart_of_the_tap_is_one_gap_and_the_session_goes_on(self) -> None:
        """From the checkpoint, under the same keys."""
        stage = Stage().shoot()
        stage.say("cut", to="c2")
        stage.restart_tap(20_000)
        stage.connect()
        stage.later(10).state(program="c1")
        assert stage.session()["status"] == "live"
        (gap,) = stage.events("gap")
        assert gap["durationMs"] == 20_000
        assert gap["detail"]["cause"] == "tap restart"
        assert stage.cuts() == [("c1", "c2")]

    def test_a_gap_of_which_no_clock_tells_the_length_has_none(self) -> None:
        """Started anew with a clock that is 40 days on: what was on before is told, and nothing of 40 days."""
        stage = Stage().shoot()
        stage.say("cut", to="c2")
        stage.restart_tap(40 * 86_400_000, doubtful=True)
        stage.connect()
        stage.later(10).state(program="c1")
        (gap,) = stage.events("gap")
        assert "durationMs" not in gap
        assert gap["detail"]["unknown"] == "durationMs"
        assert gap["detail"]["cause"] == "tap restart"
        assert gap["detail"]["before"]["programCameraId"] == "c2"
        assert stage.session()["status"] == "live"
        # The next one is measured again.
        stage.drop()
        stage.later(3_000).connect()
        stage.later(10).state(program="c1")
        stage.say("session_ended", session_id="s1")
        assert stage.events("gap")[1]["durationMs"] >= 3_000
        assert stage.session()["finalState"]["gapMs"] == stage.events("gap")[1]["durationMs"]
        assert stage.session()["finalState"]["gaps"] == 2

    def test_an_unknown_absence_ends_no_session_for_its_idleness(self) -> None:
        """Nobody knows that 40 days passed: the session that shows again goes on."""
        stage = Stage().shoot()
        stage.restart_tap(40 * 86_400_000, doubtful=True)
        stage.wait(1_000)
        assert stage.session()["status"] == "live"

    def test_a_kill_between_greeting_and_snapshot_loses_no_gap(self) -> None:
        """The pending gap is in the checkpoint, and the restart tells it."""
        stage = Stage().shoot()
        stage.drop()
        stage.later(1000).connect()
        stage.restart_tap(3000)
        stage.connect()
        stage.later(10).state(mode="idle")
        stage.say("session_ended", session_id="s1")
        assert len(stage.events("gap")) == 2
        assert stage.session()["finalState"]["gaps"] == 2

    def test_without_a_session_a_loss_leaves_no_trace(self) -> None:
        """Gaps belong to sessions."""
        stage = Stage()
        stage.idle_state()
        stage.drop()
        stage.later(1000).connect()
        stage.idle_state()
        assert not stage.entries

    def test_a_frame_after_close_belongs_to_the_connection_that_closed(self) -> None:
        """Until another opens."""
        stage = Stage().shoot()
        stage.drop()
        stage.later(5).say("cut", to="c2")
        stage.later(1000).connect()
        stage.later(5).state(program="c2", mode="idle")
        cut, gap = stage.events()
        assert (cut["kind"], gap["kind"]) == ("cut", "gap")
        assert gap["detail"]["before"]["programCameraId"] == "c2"


class TestCameras:
    def test_those_present_at_the_start_belong_and_those_that_join_later(self) -> None:
        """Each with when it was first seen in this session."""
        stage = Stage().shoot()
        stage.later(1000).say("camera_joined", camera={"id": "c3"})
        stage.later(1000).say("camera_updated", camera={"id": "c3", "name": "Roof", "placement": {"label": "roof"}})
        assert stage.camera("c1") == {
            "cameraId": "c1",
            "name": "Wide",
            "role": "host",
            "status": "online",
            "joinedAt": T0 + 1000,
        }
        assert stage.camera("c3") == {
            "cameraId": "c3",
            "name": "Roof",
            "placement": {"label": "roof"},
            "status": "online",
            "joinedAt": T0 + 3000,
        }

    def test_a_flap_leaves_no_trace(self) -> None:
        """Away for less than the grace time."""
        stage = Stage().shoot()
        written = len(stage.entries)
        stage.say("camera_left", camera_id="c2")
        stage.later(4900).say("camera_joined", camera=TWO)
        stage.wait(10_000)
        assert len(stage.entries) == written

    def test_a_camera_that_stays_away_left_when_it_left(self) -> None:
        """Not when the grace time was over."""
        stage = Stage().shoot()
        stage.say("camera_left", camera_id="c2")
        stage.wait(5001)
        camera = stage.camera("c2")
        assert camera is not None
        assert (camera["status"], camera["leftAt"]) == ("offline", T0 + 2000)
        stage.say("camera_joined", camera=TWO)
        camera = stage.camera("c2")
        assert camera is not None
        assert (camera["status"], camera["joinedAt"], "leftAt" in camera) == ("online", T0 + 1000, False)

    def test_a_snapshot_that_lacks_a_camera_tells_that_it_left(self) -> None:
        """And one that was made before it joined does not."""
        stage = Stage().shoot()
        stage.say("camera_joined", camera={"id": "c3"}, seq=100)
        stage.later(10).state(seq=50, ts=1990)
        stage.wait(6000)
        assert stage.camera("c3")["status"] == "online"  # type: ignore[index]
        stage.state(seq=101, cameras=[ONE])
        stage.wait(6000)
        assert stage.camera("c2")["status"] == "offline"  # type: ignore[index]

    def test_who_left_inside_a_gap_is_dated_by_the_last_frame_that_showed_it(self) -> None:
        """So a tap that saw it leave outranks this one."""
        stage = Stage().shoot()
        stage.state(mode="idle")
        shown = stage.now
        stage.drop()
        stage.later(60_000).connect()
        stage.state(cameras=[ONE])
        stage.wait(6000)
        camera = stage.camera("c2")
        assert camera is not None
        assert camera["leftAt"] == T0 + shown

    def test_a_program_camera_that_never_joined_is_written_with_what_is_known(self) -> None:
        """Its id, and nothing made up."""
        stage = Stage().shoot()
        stage.say("cut", to="ghost")
        assert stage.camera("ghost") == {"cameraId": "ghost", "joinedAt": T0 + 2000}

    def test_who_is_away_at_the_end_has_left(self) -> None:
        """Even within the grace time."""
        stage = Stage().shoot()
        stage.say("camera_left", camera_id="c2")
        stage.later(100).say("session_ended", session_id="s1")
        assert stage.camera("c2")["status"] == "offline"  # type: ignore[index]
        assert stage.session()["finalState"]["camerasOnline"] == ["c1"]

    def test_battery_makes_no_row(self) -> None:
        """Only columns do."""
        stage = Stage().shoot()
        written = len(stage.entries)
        stage.say("camera_updated", camera={**TWO, "battery": 0.5})
        assert len(stage.entries) == written


class TestStills:
    def test_a_still_goes_forward_from_request_to_upload(self) -> None:
        """One marker, one capture, one row."""
        stage = Stage().shoot()
        stage.say("still_requested", still_id="x", camera_ids=["c1", "c2"], by="director")
        stage.later(100).say("still_captured", still_id="x", camera_id="c1", taken_at=T0 + 2050, width=4, height=3)
        stage.later(900).say(
            "still_uploaded", still_id="x", camera_id="c1", storage_key="k", url="https://u:p@h/x?sig=1"
        )
        still = stage.still("x", "c1")
        assert still["status"] == "uploaded"
        assert (still["requestedAt"], still["capturedAt"], still["uploadedAt"]) == (T0 + 2000, T0 + 2050, T0 + 3000)
        assert (still["programCameraId"], still["programCameraName"]) == ("c1", "Wide")
        assert still["url"] == "https://h/x"
        assert still["storageKey"] == "k"
        assert stage.still("x", "c2")["status"] == "requested"
        marker, capture = stage.events()
        assert (marker["kind"], marker["detail"]["cameraIds"]) == ("still_marker", ["c1", "c2"])
        assert (capture["kind"], capture["at"], capture["cameraId"]) == ("still_capture", T0 + 2050, "c1")
        assert capture["stillKey"] == "studio/s1/still/x/c1"

    @pytest.mark.parametrize(
        "order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (0, 1, 2, 1, 0, 2)]
    )
    def test_whatever_the_order_the_row_ends_the_same(self, order: tuple[int, ...]) -> None:
        """And the capture is there once, seen and not inferred."""
        stage = Stage().shoot()
        frames: list[tuple[str, dict[str, Any]]] = [
            ("still_requested", {"still_id": "x", "camera_ids": ["c1"], "ts": 2000}),
            ("still_captured", {"still_id": "x", "camera_id": "c1", "ts": 2010, "taken_at": T0 + 2005}),
            ("still_uploaded", {"still_id": "x", "camera_id": "c1", "ts": 2020, "storage_key": "k"}),
        ]
        for index in order:
            kind, body = frames[index]
            stage.later(10).say(kind, **body)
        still = stage.still("x", "c1")
        assert still["status"] == "uploaded"
        assert (still["requestedAt"], still["capturedAt"], still["uploadedAt"]) == (T0 + 2000, T0 + 2005, T0 + 2020)
        (capture,) = stage.events("still_capture")
        assert capture["at"] == T0 + 2005
        assert "inferred" not in capture["detail"]
        assert len(stage.events("still_marker")) == 1

    def test_an_upload_alone_means_a_capture(self) -> None:
        """Dated by the upload, and said to be inferred."""
        stage = Stage().shoot()
        stage.say("still_uploaded", still_id="x", camera_id="c1")
        (capture,) = stage.events("still_capture")
        assert (capture["at"], capture["detail"]["inferred"]) == (T0 + 2000, True)
        assert "capturedAt" not in stage.still("x", "c1")

    def test_a_still_belongs_to_the_session_that_asked_for_it(self) -> None:
        """Also when it arrives after that ended."""
        stage = Stage().shoot()
        stage.say("still_requested", still_id="x", camera_ids=["c1"])
        stage.later(100).say("session_ended", session_id="s1")
        stage.later(100).say("session_started", session={"id": "s2"})
        stage.later(100).say("still_captured", still_id="x", camera_id="c1")
        assert stage.still("x", "c1")["status"] == "captured"

    def test_a_failed_still_may_still_come(self) -> None:
        """And a failure after it came changes nothing."""
        stage = Stage().shoot()
        stage.say("still_failed", still_id="x", camera_id="c1", reason="full")
        assert stage.still("x", "c1")["failReason"] == "full"
        stage.later(10).say("still_captured", still_id="x", camera_id="c1")
        stage.later(10).say("still_failed", still_id="x", camera_id="c1", reason="late")
        assert stage.still("x", "c1")["status"] == "captured"
        assert "failReason" not in stage.still("x", "c1")

    def test_without_an_id_camera_and_time_make_it_one_still(self) -> None:
        """Requested, captured and uploaded."""
        stage = Stage().shoot()
        stage.say("still_requested", camera_ids=["c1"])
        stage.later(100).say("still_captured", camera_id="c1")
        stage.later(100).say("still_uploaded", camera_id="c1")
        stills = [row for row in stage.rows.values() if row.op == "still"]
        assert [row.fields["status"] for row in stills] == ["uploaded"]
        assert len(stage.events("still_capture")) == 1

    def test_it_knows_which_camera_was_live_when_it_was_taken(self) -> None:
        """Not when the frame came."""
        stage = Stage().shoot()
        stage.later(1000).say("cut", to="c2")
        stage.later(500).say("still_captured", still_id="x", camera_id="c1", taken_at=T0 + 2900)
        assert stage.still("x", "c1")["programCameraId"] == "c1"

    def test_without_a_session_nothing_is_written(self) -> None:
        """Not even a still."""
        stage = Stage()
        stage.idle_state()
        stage.say("still_captured", still_id="x", camera_id="c1")
        assert not stage.entries


class TestTime:
    @pytest.mark.parametrize("ts", [1_795_000_002.5, "2026-11-18T11:06:42.500Z", "2026-11-18T12:06:42.500000001+01:00"])
    def test_seconds_and_iso_times_are_read(self, ts: object) -> None:
        """All three say the same moment."""
        stage = Stage().shoot()
        _say(stage, {"type": "cut", "to": "c2", "ts": ts}, {})
        assert stage.events("cut")[0]["at"] == T0 + 2500

    @pytest.mark.parametrize("ts", [None, True, "soon", 17, 9e15, [1], "1999-01-01T00:00:00Z"])
    def test_an_unreadable_time_gives_way_to_the_receive_time(self, ts: object) -> None:
        """Nothing is made of it."""
        stage = Stage().shoot()
        _say(stage, {"type": "cut", "to": "c2", "ts": ts}, {})
        assert stage.events("cut")[0]["at"] == T0 + 2000

    def test_versions_grow_when_clocks_do_not(self) -> None:
        """A server clock that goes back an hour does not lose a row."""
        stage = Stage().shoot()
        stage.say("session_updated", session={"id": "s1", "title": "Winter"}, ts=-3_600_000)
        assert stage.session()["title"] == "Winter"

    def test_a_tap_that_lost_its_journal_goes_on_above_what_the_ledger_holds(self) -> None:
        """Nothing is written for it; the next version is above."""
        stage = Stage().shoot()
        written = len(stage.entries)
        for key in ("studio/s1", "studio/s1/camera/c1"):
            stage.pipeline.raise_version(key, T0 + 9_000_000)
        assert len(stage.entries) == written
        stage.say("session_updated", session={"id": "s1", "title": "Winter"})
        stage.say("camera_updated", camera={**ONE, "name": "Roof"})
        assert [row.version for row in stage.rows.values() if row.op != "event"][:2] == [T0 + 9_000_001] * 2

    def test_a_list_as_before_undoes_what_an_update_said_in_between(self) -> None:
        """The list says nothing that it did not say before the update: it is newer than that all the same."""
        stage = Stage().shoot()
        stage.state()
        stage.later(1_000).state()
        stage.later(1_000).say("camera_updated", camera={**ONE, "name": "Roof"})
        stage.later(3_000).state()
        camera = stage.camera("c1")
        assert camera is not None
        assert camera["name"] == "Wide"

    def test_music_moments_are_kept_where_the_server_has_them(self) -> None:
        """With their own time."""
        stage = Stage().shoot()
        stage.say("music_moment", moment_id="m", kind="drop", confidence=0.5, at=T0 + 1900)
        (moment,) = stage.events("music_moment")
        assert (moment["at"], moment["detail"]) == (T0 + 1900, {"momentId": "m", "kind": "drop", "confidence": 0.5})


class TestHardCases:
    def test_a_still_id_that_comes_again_belongs_to_the_session_that_asks(self) -> None:
        """Ids may start anew with each session."""
        stage = Stage().shoot()
        stage.say("still_requested", still_id="1", camera_ids=["c1"])
        stage.later(100).say("session_ended", session_id="s1")
        stage.later(100).say("session_started", session={"id": "s2"})
        stage.later(100).say("still_requested", still_id="1", camera_ids=["c2"])
        stage.later(100).say("still_captured", still_id="1", camera_id="c2")
        assert stage.rows["studio/s2/still/1/c2"].fields["status"] == "captured"
        assert stage.still("1", "c1")["status"] == "requested"

    def test_a_second_request_adds_the_cameras_that_the_first_lacked(self) -> None:
        """And is no second marker."""
        stage = Stage().shoot()
        stage.say("still_requested", still_id="x", camera_ids=["c1"])
        stage.later(10).say("still_requested", still_id="x", camera_ids=["c1", "c2"])
        assert stage.still("x", "c2")["status"] == "requested"
        assert len(stage.events("still_marker")) == 1

    def test_a_repeated_upload_without_an_id_is_one_upload(self) -> None:
        """It does not go to the next still that waits."""
        stage = Stage().shoot()
        stage.say("still_captured", camera_id="c1")
        stage.later(1000).say("still_captured", camera_id="c1")
        for _ in range(2):
            stage.say("still_uploaded", camera_id="c1", ts=4000, storage_key="k")
        statuses = sorted(row.fields["status"] for row in stage.rows.values() if row.op == "still")
        assert statuses == ["captured", "uploaded"]

    def test_a_late_snapshot_of_cameras_changes_nothing_that_a_newer_one_told(self) -> None:
        """Neither presence nor a name."""
        stage = Stage().shoot()
        stage.state(seq=100, cameras=[{**ONE, "name": "New"}])
        stage.later(10).state(seq=99, ts=1990, cameras=[ONE, TWO])
        stage.wait(6000)
        assert stage.camera("c1")["name"] == "New"  # type: ignore[index]
        assert stage.camera("c2")["leftAt"] == T0 + 2000  # type: ignore[index]

    @pytest.mark.parametrize("session", [{"id": [1]}, True, None, [], 1.5e300])
    def test_an_unreadable_session_starts_none(self, session: object) -> None:
        """Nothing is made of it."""
        stage = Stage()
        stage.idle_state()
        stage.say("session_started", session=session)
        assert not [row for row in stage.rows.values() if "@" in row.key or "c1" in row.key or row.key == "studio/1"]

    @pytest.mark.parametrize(
        "frame",
        [{"type": "audit", "event": "cut", "camera_id": "c2"}, {"type": "log", "kind": "cut", "to": "c2"}],
    )
    def test_an_unknown_type_is_not_read_by_another_field(self, frame: dict[str, Any]) -> None:
        """It is counted as unknown."""
        stage = Stage().shoot()
        _say(stage, frame, {})
        assert not stage.cuts()
        assert stage.pipeline.tally.unknown

    def test_a_flat_camera_is_known_by_its_id_not_by_its_model(self) -> None:
        """The event/data envelope puts its fields beside each other."""
        stage = Stage().shoot()
        _say(stage, {"event": "camera_joined", "data": {"id": "c9", "name": "Nine", "device": "iPhone"}}, {})
        assert stage.camera("c9")["device"] == "iPhone"  # type: ignore[index]

    def test_an_explicit_null_wins_over_another_field(self) -> None:
        """Program turned to nothing."""
        stage = Stage().shoot()
        stage.say("cut", to=None, camera_id="c2")
        assert not stage.cuts()

    def test_a_cut_before_the_snapshot_is_not_lost_after_idle(self) -> None:
        """A change that is told as such belongs to the session."""
        stage = Stage().shoot()
        stage.drop()
        stage.wait(40 * 60_000)
        stage.connect()
        stage.say("cut", to="c2")
        stage.later(10).state(program="c2", mode="idle")
        assert stage.cuts() == [(None, "c2")]
        assert stage.session()["status"] == "live"

    def test_each_session_that_a_loss_touches_has_its_gap(self) -> None:
        """A, then B, then A again: each return is one gap."""
        stage = Stage().shoot()
        for name in ("s2", "s1"):
            stage.drop()
            stage.later(1000).connect()
            stage.later(10).state(session={"id": name})
        gaps = [row.session_key for row in stage.rows.values() if row.fields.get("kind") == "gap"]
        assert sorted(gaps) == ["studio/s1", "studio/s1", "studio/s2", "studio/s2"]

    def test_a_session_row_tells_the_mode_that_a_snapshot_brought_back(self) -> None:
        """Although no mode change is made of it."""
        stage = Stage(Policy(session="mode"))
        stage.state(session="-", mode="idle")
        stage.later(1000).say("mode_changed", to="photoshoot")
        stage.drop()
        stage.later(1000).connect()
        stage.state(session="-", mode="performance")
        assert stage.session(f"studio/@{T0 + 1000}")["mode"] == "performance"
        assert len(stage.events("mode_change")) == 1

    def test_a_late_snapshot_does_not_take_back_when_the_session_was_last_shown(self) -> None:
        """Its interruption is not before its last cut."""
        stage = Stage().shoot()
        stage.later(3000).say("cut", to="c2")
        stage.later(10).state(seq=stage.seq - 1, ts=4100, mode="idle")
        stage.drop()
        stage.later(1000).connect()
        stage.idle_state()
        assert stage.session()["completedAt"] == T0 + 5000

    @pytest.mark.parametrize("step", [-60_000, 3_600_000])
    def test_a_clock_that_is_set_does_not_bend_the_length_of_a_hold(self, step: int) -> None:
        """Then our own clock tells it."""
        stage = Stage().shoot()
        stage.say("hold", camera_id="c1")
        stage.later(2000).say("release", ts=stage.now + step)
        assert stage.events("release")[0]["durationMs"] == 2000

    def test_two_music_moments_of_one_frame_are_two(self) -> None:
        """By their own times."""
        stage = Stage().shoot()
        for at in (1900, 1950):
            stage.say("music_moment", kind="beat", at=T0 + at, ts=2000)
        assert len(stage.events("music_moment")) == 2


def _say(stage: Stage, body: dict[str, Any], order: dict[str, int]) -> None:
    """A frame with exactly the order that is given."""
    frame = dict(body)
    if "seq" in order:
        frame["seq"] = order["seq"]
    if "ts" in order:
        frame["ts"] = T0 + order["ts"]
    stage.raw(orjson.dumps(frame))
