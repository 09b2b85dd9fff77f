"""What is told where no session runs, or where one is over: whose it is, and when the end was."""

from __future__ import annotations

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
