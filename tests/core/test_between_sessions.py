"""What is told where no session runs, or where one is over: whose it is, and when the end was."""

from __future__ import annotations

from tap.core.mapping import parse_mapping
from tap.core.model import Policy
from tap.core.pipeline import Pipeline
from tests.core.stage import T0, Stage


def test_a_hold_that_states_show_before_the_session_has_no_length_when_it_is_let_go_of() -> None:
    """Where no session runs, what a state shows is only known: when the hold began is not."""
    stage = Stage()
    stage.idle_state()
    stage.later(1_000).idle_state(hold={"active": True})
    stage.later(1_000).say("session_started", session={"id": "s1"})
    stage.later(1_000).say("release", by="director")
    assert stage.session()["startState"]["hold"] is True
    (release,) = stage.events()
    assert (release["kind"], release.get("durationMs")) == ("release", None)


def test_a_session_that_a_dated_state_shows_again_ended_when_it_was_gone_again() -> None:
    """The state has no number. Its time says that it is no old one: the session went on after its first end."""
    stage = Stage().shoot()
    stage.later(1_000).say("session_ended", seq="-", session_id="s1")
    stage.later(5_000).state(seq="-")
    assert stage.session()["status"] == "live"
    stage.later(5_000).idle_state(seq="-")
    assert (stage.session()["status"], stage.session()["completedAt"]) == ("complete", T0 + stage.now)


def test_an_old_state_that_comes_late_takes_back_no_time_at_which_the_session_was_there() -> None:
    """It goes on after its end, by a newer state: as of that it ended, where nobody sees its second end."""
    stage = Stage().shoot()
    stage.later(1_000).say("session_ended", seq="-", session_id="s1")
    stage.later(5_000).state(seq="-")
    seen = stage.now
    stage.later(100).state(seq="-", ts=seen - 1_500)
    stage.later(100).drop()
    stage.later(1_000).connect(boot="b2")
    stage.idle_state()
    assert (stage.session()["status"], stage.session()["completedAt"]) == ("interrupted", T0 + seen)


def test_a_late_cut_of_half_a_second_before_the_session_is_none_of_its_events() -> None:
    """The server tells times to the millisecond."""
    stage = Stage()
    stage.idle_state(seq=10)
    stage.later(1_001).say("session_started", seq=20, session={"id": "s1"})
    stage.later(10).state(seq=21)
    stage.later(500).say("cut", seq=15, ts=501, cut_id="x1", to="c2", from_="c1")
    stage.later(500).say("cut", seq=16, ts=1_001, cut_id="x2", to="c2", from_="c1")
    assert [event["at"] - T0 for event in stage.events("cut")] == [1_001]


def test_a_state_without_a_mode_neither_begins_nor_ends_a_session_that_the_mode_makes() -> None:
    stage = Stage(Policy(session="mode"))
    stage.state(session="-", mode="-")
    assert not stage.entries
    stage.later(1_000).state(session="-", mode="photoshoot")
    stage.later(1_000).state(session="-", mode="-", program="c2")
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert session["status"] == "live"
    assert stage.cuts() == [("c1", "c2")]


def test_a_change_that_only_a_state_shows_begins_a_session_that_the_program_makes() -> None:
    """What the first state shows may have been on for days."""
    stage = Stage(Policy(session="program"))
    for program in ("c1", "c1", "c2"):
        assert not stage.entries
        stage.later(1_000).state(session="-", program=program)
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert session["startedAt"] == T0 + 3_000
    assert stage.cuts() == [("c1", "c2")]


RECORDER = """
dialect = "x/1"
[[rule]]
when.type = "state"
emit = "snapshot"
session = ["session"]
recording = ["recording"]
[[rule]]
when.type = "rec"
emit = "recording"
active = ["on"]
path = ["path"]
"""


def recorded(policy: Policy | None = None) -> Stage:
    """A server that tells its recorder."""
    stage = Stage(open_first=False)
    stage.pipeline = Pipeline(parse_mapping(RECORDER, "x.toml"), venue="studio", tap="tap-a", policy=policy)
    stage.open()
    return stage


def test_a_session_that_the_recorder_makes_goes_on_in_its_next_file() -> None:
    stage = recorded(Policy(session="record"))
    for path in ("/rec/1.mkv", "/rec/2.mkv"):
        stage.later(1_000).say("rec", on=True, path=path)
        (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
        assert session["status"] == "live"
    stage.later(1_000).say("rec", on=False)
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert (session["status"], session["completedAt"] - T0) == ("complete", 3_000)
    assert [file["path"] for file in session["media"]] == ["/rec/1.mkv", "/rec/2.mkv"]


def test_a_file_that_ended_while_nobody_listened_is_none_of_the_next_session_s() -> None:
    """A state shows that nothing is recorded any more. What the next file is called, nobody has told yet."""
    stage = recorded()
    stage.say("rec", on=True, path="/rec/1.mkv")
    stage.later(1_000).drop()
    stage.later(1_000).open()
    stage.say("state", session=None, recording=False)
    stage.later(1_000).say("rec", on=True)
    stage.later(1_000).say("state", session={"id": "s1"}, recording=True)
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert "media" not in session
    stage.later(1_000).say("rec", on=True, path="/rec/2.mkv")
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert [file["path"] for file in session["media"]] == ["/rec/2.mkv"]


def test_a_still_of_a_session_that_was_lost_for_long_arrives_when_the_next_one_runs() -> None:
    """The server is back after the idle time, without the session: it is over, and its stills may still arrive."""
    stage = Stage().shoot()
    stage.say("still_captured", still_id="x", camera_id="c1")
    stage.drop()
    stage.wait(40 * 60_000)
    stage.connect()
    stage.idle_state()
    stage.later(10_000).say("session_started", session={"id": "s2"})
    stage.later(1_000).say("still_uploaded", still_id="x", camera_id="c1", url="https://x/1.jpg")
    assert stage.still("x", "c1")["status"] == "uploaded"
    assert stage.pipeline.state.doubts.unplaced == 0
