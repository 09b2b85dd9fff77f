"""What the machine remembers does not grow with the length of a session, and its checkpoint neither."""

from __future__ import annotations

from tap.core.machine.state import decode_state, encode_state
from tests.core.stage import ONE, TWO, Stage


def shoot() -> Stage:
    stage = Stage()
    stage.say("state", mode="photoshoot", session={"id": "s1"}, program="c1", hold=None, cameras=[ONE, TWO])
    return stage


def cut(stage: Stage, number: int) -> None:
    stage.later(1_000)
    stage.say("cut", cut_id=f"cut-{number:05}", to=f"c{number % 2 + 1}", trigger="operator")


def checkpoint(stage: Stage) -> bytes:
    return stage.pipeline.save().state


def test_cuts_leave_nothing_behind() -> None:
    """After 10,000 cuts a checkpoint is as large as after 100, but for the digits of its counts and times."""
    stage = shoot()
    sizes = {}
    for number in range(10_001):
        cut(stage, number)
        if number in {100, 1_000, 10_000}:
            sizes[number] = len(checkpoint(stage))
    assert abs(sizes[10_000] - sizes[100]) <= 400
    assert stage.pipeline.state.session is not None
    assert stage.pipeline.state.session.counts["cut"] >= 10_000


def test_what_is_saved_of_a_cut_does_not_grow() -> None:
    """Not in a session of 20,000 cuts with ids, and not where all of them are told again."""
    stage = shoot()
    saved = []
    for number in range(20_000):
        cut(stage, number)
        saved.append(stage.pipeline.save())
    assert max(len(one.memory) for one in saved) <= 4
    assert len(saved[-1].state) - len(saved[100].state) <= 400
    before = len(stage.entries)
    for number in range(20_000):
        stage.say("cut", cut_id=f"cut-{number:05}", to=f"c{number % 2 + 1}", trigger="operator")
        stage.pipeline.save()
    assert len(stage.entries) == before
    assert len(stage.pipeline.save().state) - len(saved[-1].state) <= 100


def test_a_cut_saves_no_still_again() -> None:
    """Stills lie beside the state, and each is saved when it changes."""
    stage = shoot()
    for number in range(300):
        stage.later(100)
        stage.say("still_requested", still_id=f"still-{number}", camera_ids=["c1"])
    assert sum(1 for name in stage.pipeline.save().memory if ":t:" in name) == 300
    cut(stage, 1)
    saved = stage.pipeline.save()
    assert not [name for name in saved.memory if ":t:" in name]
    assert b"still-299" not in saved.state


def test_a_checkpoint_is_the_whole_state() -> None:
    """Whatever came before it, large or small, it reads back as what it was made of."""
    large, small = shoot(), shoot()
    for number in range(200):
        large.say("still_requested", still_id=f"still-{number}", camera_ids=["c1", "c2"])
    for stage in (large, small, large, small):
        state = stage.pipeline.state
        assert decode_state(encode_state(state)) == state
