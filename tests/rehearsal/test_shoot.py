"""A planned shoot is the same for a seed, has the faults it was asked for, and knows its own truth."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tap.adapters.tape import TapeReader
from tap.core.errors import TapError
from tap.core.model import Closed, Frame, Opened
from tap.rehearsal.faults import FAULTS, GARBAGE, parse_faults
from tap.rehearsal.performance import perform, shoot_to_tape, truth_of_shoot
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.truth import Down, Heard, Truth, read_truth
from tap.rehearsal.ways import parsed
from tap.rehearsal.world import Accept, Drop, Send, Shoot

SEEDS = range(6)


@cache
def shoot(seed: int, *faults: str) -> Shoot:
    return plan_shoot(seed, faults=faults)


@cache
def truth(seed: int, *faults: str) -> Truth:
    return truth_of_shoot(shoot(seed, *faults))


def tape(seed: int, *faults: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shoot_to_tape(shoot(seed, *faults))]


def readable(seed: int, *faults: str) -> list[dict[str, Any]]:
    """The frames of a tape that are JSON objects."""
    frames = []
    for line in tape(seed, *faults):
        try:
            frame = json.loads(line.get("data", ""))
        except (ValueError, RecursionError):
            continue
        if isinstance(frame, dict):
            frames.append(frame)
    return frames


# ---------------------------------------------------------------------------------------------- the plan


def test_a_seed_gives_the_same_bytes() -> None:
    """The same plan twice is the same tape and the same truth; another seed is another shoot."""
    once, twice, other = (plan_shoot(seed, faults=["all"], telemetry_rate=5) for seed in (3, 3, 4))
    assert list(shoot_to_tape(once, telemetry=True)) == list(shoot_to_tape(twice, telemetry=True))
    assert list(truth_of_shoot(once).lines()) == list(truth_of_shoot(twice).lines())
    assert list(shoot_to_tape(once)) != list(shoot_to_tape(other))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_shoot_is_a_shoot(seed: int) -> None:
    """Without faults: one complete session of about two minutes, some forty cuts, every everyday thing in it."""
    kinds = Counter(event.kind for event in truth(seed).carried)
    assert 25 <= kinds["cut"] <= 70
    assert kinds.keys() >= {"hold", "release", "mode_change", "still_marker", "music_moment"}
    assert kinds["gap"] == 0
    assert [row.status for row in truth(seed).sessions] == ["complete"]
    assert all(event.carried for event in truth(seed).events)
    assert 100_000 < shoot(seed).ends < 180_000
    triggers = {event.trigger for event in truth(seed).carried if event.kind == "cut"}
    assert "ghost_approved" in triggers


@pytest.mark.parametrize(("cameras", "sessions", "length_s"), [(1, 1, 10), (2, 3, 60), (12, 1, 30)])
def test_a_shoot_of_any_size(cameras: int, sessions: int, length_s: int) -> None:
    """One camera, many, several sessions, a short one with every fault: all can be planned."""
    for faults in ((), ("all",)):
        made = plan_shoot(5, cameras=cameras, sessions=sessions, length_s=length_s, faults=faults)
        rows = truth_of_shoot(made).sessions
        assert len(rows) >= sessions
        assert all(row.status != "live" for row in rows)


def test_every_frame_has_a_type_a_time_and_a_number_that_grows() -> None:
    """Without faults each frame has type, ts and seq; seq grows within a boot, telemetry included."""
    made = plan_shoot(2, telemetry_rate=20)
    frames = [json.loads(item.data) for item in perform(made, telemetry=True) if isinstance(item, Heard)]
    numbers = [frame["seq"] for frame in frames]
    assert all(one < two for one, two in pairwise(numbers))
    assert numbers[0] == 0
    assert all("type" in frame and abs(frame["ts"] - made.plan.start_wall_ms) < 1e6 for frame in frames)
    telemetry = [item for item in perform(made, telemetry=True) if isinstance(item, Heard) and item.telemetry]
    sizes = [len(item.data) for item in telemetry]
    assert len(telemetry) > 0.9 * len(frames) * 20 / 23
    assert min(sizes) > 300
    assert max(sizes) < 72_000


def test_states_come_every_few_seconds() -> None:
    """Nobody waits for a state for more than five seconds, and something."""
    times = [item.now for item in perform(shoot(1)) if isinstance(item, Heard) and item.facts[-1:]
             and item.facts[-1].kind == "state"]  # fmt: skip
    assert max(two - one for one, two in pairwise(times)) < 6000


@pytest.mark.parametrize(
    "wrong", [{"faults": ["gremlins"]}, {"cameras": 0}, {"length_s": 0}, {"sessions": 0}, {"pace": 0}]
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """The message says what is wrong and what is allowed."""
    with pytest.raises(TapError, match="→"):
        plan_shoot(1, **wrong)


def test_an_unknown_fault_lists_those_that_exist() -> None:
    """Names may be comma-separated, and ``all`` is all but the huge frame and the restarts of one kind."""
    with pytest.raises(TapError, match=r"gremlins → known: all, told_thrice, .*stale_state"):
        parse_faults(["flap,gremlins"])
    assert parse_faults(["flap, restart", "clock"]) == {"flap", "restart", "clock"}
    apart = {"huge", "restart_kept", "restart_lost", "restart_replaced"}
    assert parse_faults(["all"]) == FAULTS.keys() - apart
    assert parse_faults(["all", *apart]) == FAULTS.keys()


# ---------------------------------------------------------------------------------------------- the tape


@pytest.mark.parametrize("faults", [(), ("all",)])
def test_a_tape_is_one(tmp_path: Path, faults: tuple[str, ...]) -> None:
    """The tape reads back without one bad line: opens, closes and frames as performed, times never going back."""
    made = shoot(7, *faults)
    path = tmp_path / "shoot.jsonl"
    path.write_text("".join(shoot_to_tape(made, venue="hall")), encoding="utf-8")
    with TapeReader(path) as reader:
        items = list(reader)
        assert (reader.bad_count, reader.torn, reader.header.venue) == (0, False, "hall")
    performed = list(perform(made))
    assert sum(isinstance(item, Frame) for item in items) == sum(isinstance(item, Heard) for item in performed)
    assert sum(isinstance(item, Opened) for item in items) == 1 + sum(isinstance(item, Closed) for item in items)
    walls = [item.stamp.wall for item in items]
    assert walls == sorted(walls)
    sent = [item.data for item in items if isinstance(item, Frame)]
    said = [item.data for item in performed if isinstance(item, Heard)]
    assert sent == [data if isinstance(data, bytes) else data.encode() for data in said]


# ---------------------------------------------------------------------------------------------- each fault


def _told_thrice(seed: int) -> bool:
    sends = [step for step in shoot(seed, "told_thrice").steps if isinstance(step, Send)]
    return any(
        [fact.kind for step in (one, two, three) for fact in step.facts] == ["cut", "state", "state"]
        and three.at - two.at == 1000
        for one, two, three in zip(sends, sends[1:], sends[2:], strict=False)
    )


def _snapshot_only(seed: int) -> bool:
    kinds = {event.kind for event in truth(seed, "snapshot_only").carried if event.inferred}
    return "cut" in kinds


def _stale_state(seed: int) -> bool:
    stale = [
        json.loads(step.data)
        for step in shoot(seed, "stale_state").steps
        if isinstance(step, Send) and not step.facts and '"state"' in str(step.data)
    ]
    return {("ts" in frame, "seq" in frame) for frame in stale} == {
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    }


def _reconnect(seed: int) -> bool:
    lost = [item for item in perform(shoot(seed, "reconnect")) if isinstance(item, Down)]
    gaps = [event for event in truth(seed, "reconnect").carried if event.kind == "gap"]
    return len(lost) >= 3 and len(gaps) >= 3 and any(not event.carried for event in truth(seed, "reconnect").events)


def _restart(seed: int) -> bool:
    hellos = [frame for frame in readable(seed, "restart") if frame.get("type") == "hello"]
    boots = {frame["boot_id"] for frame in hellos}
    numbers = [frame["seq"] for frame in readable(seed, "restart") if "seq" in frame]
    return len(boots) == 2 and any(two < one for one, two in pairwise(numbers))


def _flap(seed: int) -> bool:
    left: dict[str, int] = {}
    for step in shoot(seed, "flap").steps:
        for fact in step.facts if isinstance(step, Send) else ():
            if fact.kind == "left" and fact.camera:
                left[fact.camera] = step.at
            if fact.kind == "camera" and fact.info and step.at - left.get(fact.info.id, -9999) < 5000:
                return True
    return False


def _late_join(seed: int) -> bool:
    bare = any(
        frame.get("type") == "camera_joined" and frame["camera"].keys() == {"id"}
        for frame in readable(seed, "late_join")
    )
    return bare and len(truth(seed, "late_join").cameras) >= 8


def _ghost_program(seed: int) -> bool:
    return any(row.camera_id.startswith("ghost-") for row in truth(seed, "ghost_program").cameras)


def _still_disorder(seed: int) -> bool:
    order: dict[str | None, list[str]] = {}
    for step in shoot(seed, "still_disorder").steps:
        for fact in step.facts if isinstance(step, Send) else ():
            order.setdefault(fact.still_id, []).append(fact.kind)
    stories = {tuple(story) for story in order.values()}
    wanted = {
        ("asked", "uploaded", "captured"),
        ("asked", "captured", "uploaded", "uploaded"),
        ("asked", "uploaded"),
        ("asked", "failed", "captured", "failed"),
        ("asked",),
    }
    rows = truth(seed, "still_disorder").stills
    shared = Counter(row.still_id for row in rows).most_common(1)[0][1]
    return wanted <= stories and shared >= 3 and any(row.still_id is None for row in rows)


def _other_dialect(seed: int) -> bool:
    frames = readable(seed, "other_dialect")
    texts = [line["data"] for line in tape(seed, "other_dialect") if "data" in line]
    return (
        any("event" in frame and "data" in frame for frame in frames)
        and any("payload" in frame for frame in frames)
        and any(isinstance(frame.get("ts"), float) for frame in frames)
        and any(isinstance(frame.get("ts"), str) for frame in frames)
        and any(re.search(r'"(program|to)":\d', text) for text in texts)
        and any(text.startswith("[") for text in texts)
        and any("deviceId" in text or "startedAt" in text for text in texts)
    )


def _garbage(seed: int) -> bool:
    lines = tape(seed, "garbage")
    texts = [line["data"] for line in lines if "data" in line]
    return (
        any(base64.b64decode(line["data64"]).startswith(b"\xff") for line in lines if "data64" in line)
        and any(len(text) > 1_000_000 for text in texts)
        and any("[" * 10_000 in text for text in texts)
        and any("NaN" in text for text in texts)
        and sum(not step.facts for step in shoot(seed, "garbage").steps if isinstance(step, Send)) >= len(GARBAGE)
    )


def _clock(seed: int) -> bool:
    times = [step.ts for step in shoot(seed, "clock").steps if isinstance(step, Send)]
    steps = [two - one for one, two in pairwise(times)]
    return min(steps) < -20_000 and max(steps) > 15_000


def _missing(key: str) -> Callable[[int], bool]:
    def look(seed: int) -> bool:
        frames = readable(seed, f"missing_{key}")
        bare = {frame["type"] for frame in frames if key not in frame}
        return bool(bare & {"cut", "state"}) and all("ts" in frame or "seq" in frame for frame in frames)

    return look


def _repeats(seed: int) -> bool:
    texts = [line["data"] for line in tape(seed, "repeats") if "data" in line]
    again = [text for text, count in Counter(texts).items() if count > 1]
    late = any(abs(texts.index(text) - len(texts) + 1 + texts[::-1].index(text)) > 2 for text in again)
    return late and any('"cut"' in text for text in again)


def _restart_to(what: str) -> Callable[[int], bool]:
    """Who is let in again is shown the same session as before, none, or another."""

    def look(seed: int) -> bool:
        steps = shoot(seed, f"restart_{what}").steps
        was = next(step.world.session for step in steps if isinstance(step, Drop) and step.why == "restart")
        boot = steps[0].world.boot
        now = next(step.world.session for step in steps if isinstance(step, Accept) and step.world.boot != boot)
        assert was is not None
        return {"kept": now is not None and now.id == was.id, "lost": now is None}.get(
            what, now is not None and now.id != was.id
        )

    return look


def _huge(seed: int) -> bool:
    return any(len(line.get("data", "")) > 20_000_000 for line in tape(seed, "huge"))


SHOWS: dict[str, Callable[[int], bool]] = {
    "told_thrice": _told_thrice,
    "snapshot_only": _snapshot_only,
    "stale_state": _stale_state,
    "reconnect": _reconnect,
    "restart": _restart,
    "restart_kept": _restart_to("kept"),
    "restart_lost": _restart_to("lost"),
    "restart_replaced": _restart_to("replaced"),
    "flap": _flap,
    "late_join": _late_join,
    "ghost_program": _ghost_program,
    "still_disorder": _still_disorder,
    "other_dialect": _other_dialect,
    "garbage": _garbage,
    "clock": _clock,
    "missing_ts": _missing("ts"),
    "missing_seq": _missing("seq"),
    "repeats": _repeats,
    "huge": _huge,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_is_asked_for_really_happens(name: str) -> None:
    """Alone, in every seed: no fault is there only by name."""
    for seed in range(1 if name == "huge" else 5):
        assert SHOWS[name](seed), f"seed {seed} does not show {name}"


# ---------------------------------------------------------------------------------------------- the truth


@pytest.mark.parametrize("ways", ["ts=none", "ts=seconds,ids=none,ties=together", "history=last1000,seq=wrapping"])
def test_a_truth_with_doubts_reads_back(ways: str) -> None:
    """Of a server that says less there is less to check, and what is in doubt is a row."""
    made = truth_of_shoot(plan_shoot(3, faults=["reconnect"], length_s=40, ways=parsed(ways)))
    lines = list(made.lines())
    assert list(read_truth(lines).lines()) == lines


@pytest.mark.parametrize("seed", range(20))
def test_the_truth_agrees_with_itself(seed: int) -> None:
    """Whatever goes wrong: what is told belongs to a session, holds alternate, stills have their captures."""
    made = truth(seed, "all")
    ids = {row.session_id for row in made.sessions}
    assert len(ids) == len(made.sessions) > 0
    for rows in (made.carried, made.cameras, made.stills):
        assert {row.session_id for row in rows} <= ids
    names = Counter((e.kind, e.at, str(e.camera_id), str(e.still_id), e.session_id) for e in made.carried)
    assert max(names.values()) == 1
    captured = {(e.session_id, e.camera_id) for e in made.carried if e.kind == "still_capture"}
    for still in made.stills:
        took = still.status in ("captured", "uploaded")
        assert not took or (still.session_id, still.camera_id) in captured
    cameras = {(row.session_id, row.camera_id) for row in made.cameras}
    assert all((e.session_id, e.camera_id) in cameras for e in made.carried if e.kind == "cut")
    assert all(e.camera_id != e.from_camera_id for e in made.carried if e.kind == "cut")
    assert all(row.status in ("complete", "interrupted") for row in made.sessions)
    assert all(row.final_state for row in made.sessions)


@pytest.mark.parametrize("seed", range(10))
def test_every_loss_inside_a_session_is_one_gap(seed: int) -> None:
    """A gap for each drop of the connection inside a session, one more where another session is found after it."""
    made = truth(seed, "reconnect", "restart")
    gaps = Counter(event.at for event in made.carried if event.kind == "gap")
    drops = sum(isinstance(step, Drop) for step in shoot(seed, "reconnect", "restart").steps)
    assert len(gaps) == drops
    replaced = sum(row.end_reason == "replaced" for row in made.sessions)
    assert sum(gaps.values()) == drops + replaced


def test_what_happens_in_a_blackout_is_not_carried() -> None:
    """A cut that no connection carried is in the truth, marked; the gap's two sides tell that program changed."""
    made = truth(1, "reconnect")
    hidden = [event for event in made.events if not event.carried and event.kind == "cut"]
    assert hidden
    assert not {event.at for event in hidden} & {event.at for event in made.carried}
    gaps = [event for event in made.carried if event.kind == "gap"]
    assert any(gap.before and gap.after and gap.before.program_camera_id != gap.after.program_camera_id for gap in gaps)


def test_every_way_of_ending_comes_up() -> None:
    """Over the seeds: complete by frame and by state, lost, replaced, and found again after a restart."""
    rows = [row for seed in range(40) for row in truth(seed, "all").sessions]
    ways = {(row.status, row.end_reason if isinstance(row.end_reason, str) else None) for row in rows}
    assert ways >= {
        ("complete", None),
        ("complete", "operator"),
        ("interrupted", "unseen"),
        ("interrupted", "replaced"),
    }


def test_a_still_may_arrive_after_the_end() -> None:
    """Somewhere a still is captured after its session ended, and belongs to that session."""
    late = [
        event
        for seed in range(20)
        for row in truth(seed).sessions
        for event in truth(seed).carried
        if event.kind == "still_capture" and isinstance(row.completed_at, tuple) and event.at > row.completed_at[1]
    ]
    assert late


def test_a_truth_file_reads_back() -> None:
    """Header, rows, and the difference between what is not known and what has to be absent."""
    made = truth(3, "all")
    lines = list(made.lines())
    again = read_truth(lines)
    assert list(again.lines()) == lines
    assert again.header.seed == 3
    assert again.header.options["faults"] == sorted(parse_faults(["all"]))
    with pytest.raises(ValueError, match="cut off"):
        read_truth(lines[:-1])
    with pytest.raises(ValueError, match="line 2 is not a truth file"):
        read_truth([lines[0], '{"row":"nonsense"}\n'])
