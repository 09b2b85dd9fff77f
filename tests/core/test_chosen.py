"""A session that somebody chose afterwards, on the frames of a tape."""

from __future__ import annotations

from tap.core.chosen import Choice, ChosenPipeline
from tap.core.model import Policy
from tests.core.stage import DIALECT, T0, Stage


def chosen(since: int, until: int) -> tuple[Stage, ChosenPipeline]:
    """A stage on which the session is the one that was chosen, from and to so many ms after its zero."""
    stage = Stage(open_first=False)
    choice = Choice(T0 + since, T0 + until, title="Evening")
    pipeline = ChosenPipeline(DIALECT, choice, venue="studio", tap="tap-a", policy=Policy())
    stage.pipeline = pipeline
    stage.connect()
    return stage, pipeline


def test_a_chosen_session_whose_connection_was_lost_for_good_ends_with_a_gap() -> None:
    """It is over when it was to be, and the time since the loss is known to nobody."""
    stage, pipeline = chosen(1_500, 60_000)
    stage.idle_state()
    stage.later(2_000).say("cut", to="c2", from_="c1")
    stage.later(3_000).idle_state(program="c2")
    stage.later(1_000).drop()
    stage.entries += pipeline.end()
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert (session["status"], session["completedAt"] - T0, session["title"]) == ("complete", 60_000, "Evening")
    assert [event["kind"] for event in stage.events()] == ["cut", "gap"]
    assert pipeline.over


def test_a_chosen_session_that_began_just_before_a_loss_begins_at_its_own_time() -> None:
    """And not with the state after the loss, though only the first frame after it tells that its time has come."""
    stage, _ = chosen(4_500, 60_000)
    stage.later(1_000).idle_state()
    stage.later(4_000).drop()
    stage.later(100).connect()
    stage.later(1_000).idle_state(program="c2")
    (session,) = (row.fields for row in stage.rows.values() if row.op == "session")
    assert (session["startedAt"] - T0, session["startState"]["at"] - T0) == (4_500, 4_500)
