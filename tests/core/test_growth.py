"""What the machine remembers does not grow with the length of a session, and its checkpoint neither."""

from __future__ import annotations

from itertools import takewhile

from tap.core.state import decode_state, encode_state
from tests.core.stage import ONE, TWO, Stage


def shoot() -> Stage:
    stage = Stage()
    stage.say("state", mode="photoshoot", session={"id": "s1"}, program="c1", hold=None, cameras=[ONE, TWO])
    return stage


def cut(stage: Stage, number: int) -> None:
    stage.later(1_000)
    stage.say("cut", cut_id=f"cut-{number:05}", to=f"c{number % 2 + 1}", trigger="operator")


def checkpoint(stage: Stage) -> bytes:
    return stage.pipeline.checkpoint()


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


def test_stills_stand_before_what_changes() -> None:
    """Two checkpoints with a cut between them begin alike for as long as their stills last."""
    stage = shoot()
    for number in range(300):
        stage.later(100)
        stage.say("still_requested", still_id=f"still-{number}", camera_ids=["c1"])
    cut(stage, 1)
    first = checkpoint(stage)
    cut(stage, 2)
    second = checkpoint(stage)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
    assert alike > first.index(b'"still-299"')
    assert len(first) - alike < 12_000


def test_a_checkpoint_is_the_whole_state() -> None:
    """Whatever came before it, large or small, it reads back as what it was made of."""
    large, small = shoot(), shoot()
    for number in range(200):
        large.say("still_requested", still_id=f"still-{number}", camera_ids=["c1", "c2"])
    for stage in (large, small, large, small):
        state = stage.pipeline.state
        assert decode_state(encode_state(state)) == state
