"""From rows to a timeline: on air is what was told, and what was not heard is not known."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap.core.merge import Row
from tap.core.model import Op
from tap.history.timeline import Timeline, timeline_json, timeline_of

KEY = "hall/shoot-1"
T0 = 1_795_000_000_000


def row(op: Op, key: str, version: int = T0, **fields: Any) -> Row:
    return Row(f"{KEY}/{key}" if key else KEY, op, KEY, version, 0, fields)


def session(start: dict[str, Any] | None = None, end: int | None = 100, **fields: Any) -> Row:
    """A session from second 0 to ``end``; None: it is still live."""
    told = {"sessionId": "shoot-1", "startedAt": T0, "startState": {"at": T0, **(start or {})}, **fields}
    if end is None:
        return row("session", "", **told, status="live")
    return row("session", "", **{"status": "complete", **told, "completedAt": T0 + end * 1000})


def event(kind: str, second: float, *, observed: float | None = None, **fields: Any) -> Row:
    at = T0 + round(second * 1000)
    seen = at if observed is None else T0 + round(observed * 1000)
    return row("event", f"{kind}/{at}/{seen}", at, kind=kind, at=at, observedAt=seen, **fields)


def cut(second: float, camera: str, origin: str | None = None, **more: Any) -> Row:
    known = {} if origin is None else {"fromCameraId": origin}
    return event("cut", second, **{"cameraId": camera, "trigger": "operator", **known, **more})


def off_air(second: float, origin: str, **more: Any) -> Row:
    return event("off_air", second, **{"fromCameraId": origin, **more})


def gap(second: float, length: float | None, before: Any = None, after: Any = None) -> Row:
    duration = {} if length is None else {"durationMs": round(length * 1000)}
    sides = {"after": after or {}} | ({} if before is None else {"before": before})
    return event("gap", second, **duration, detail={**sides, "tap": "t", "cause": "connection"})


def camera(camera_id: str, joined: float = 0, **fields: Any) -> Row:
    return row("camera", f"camera/{camera_id}", cameraId=camera_id, joinedAt=T0 + round(joined * 1000), **fields)


def still(name: str, camera_id: str, status: str, **times: float) -> Row:
    told = {column: T0 + round(second * 1000) for column, second in times.items()}
    return row("still", f"still/{name}/{camera_id}", stillId=name, cameraId=camera_id, status=status, **told)


def spans(timeline: Timeline) -> str:
    """Who was on air when, in seconds, and "?" where nobody knows: ``a 0-30, ? 30-50, b 50-100``."""
    found = [(span.start, span.end, lane.camera_id) for lane in timeline.lanes for span in lane.on_air]
    found += [(span.start, span.end, "?") for span in timeline.unknown]
    return ", ".join(f"{who} {(start - T0) / 1000:g}-{(end - T0) / 1000:g}" for start, end, who in sorted(found))


A = {"programCameraId": "a"}
B = {"programCameraId": "b"}


CASES: dict[str, tuple[list[Row], str]] = {
    "what is on at the start is on air from the start": ([session(A)], "a 0-100"),
    "each cut changes": ([session(A), cut(10, "b", "a"), cut(30, "a", "b")], "a 0-10, b 10-30, a 30-100"),
    "the order of the rows does not matter": (
        [cut(30, "a", "b"), cut(10, "b", "a"), session(A)],
        "a 0-10, b 10-30, a 30-100",
    ),
    "nothing on at the start is nothing": ([session(), cut(10, "b")], "b 10-100"),
    "a gap is not known, whatever was on before and after": (
        [session(A), gap(50, 20, A, B)],
        "a 0-30, ? 30-50, b 50-100",
    ),
    "the same on both sides is still not known in between": (
        [session(A), gap(50, 20, A, A)],
        "a 0-30, ? 30-50, a 50-100",
    ),
    "nothing on after a gap": ([session(A), gap(50, 20, A, {"mode": "idle"})], "a 0-30, ? 30-50"),
    "a far side that nobody told is not known until the next cut": (
        [session(A), gap(50, 20, A), cut(70, "b")],
        "a 0-30, ? 30-70, b 70-100",
    ),
    "a far side that nobody ever told is not known until the end": ([session(A), gap(50, 20, A)], "a 0-30, ? 30-100"),
    "two gaps in a row, the first without a far side": (
        [session(A), gap(50, 20, A), gap(60, 5, {}, B)],
        "a 0-30, ? 30-60, b 60-100",
    ),
    "a gap is measured by another clock, and takes no cut back": (
        [session(A), cut(30.5, "b", "a"), cut(30.75, "a", "b"), gap(50, 20, A, B)],
        "a 0-30.5, b 30.5-30.75, ? 30.75-50, b 50-100",
    ),
    "a first sight: what came before is not known": (
        [session(A | {"at": T0 + 40_000}), gap(40, None, None, A)],
        "? 0-40, a 40-100",
    ),
    "a first sight by a second tap hides nothing": ([session(A), gap(40, None, None, A)], "a 0-100"),
    "a gap in which somebody else saw a cut hides nothing": (
        [session(A), cut(40, "b", "a"), gap(50, 20, A, B)],
        "a 0-40, b 40-100",
    ),
    "a live session ends with what is known last": (
        [session(A, end=None), cut(10, "b", "a"), event("music_moment", 20)],
        "a 0-10, b 10-20",
    ),
    "interrupted: nothing is drawn behind the last that was seen": (
        [session(A, end=60, status="interrupted"), gap(80, 20, A, {})],
        "a 0-60",
    ),
    "without the session's own row the events still tell": ([cut(10, "a"), cut(20, "b", "a")], "a 10-20"),
    "a clock that was set back: what came after stays after, and the session is as long as it was": (
        [session(A), cut(50, "b", "a"), cut(30, "a", "b", observed=60)],
        "a 0-50, b 50-60, a 60-130",
    ),
    "program turned to nothing: off until the next cut": (
        [session(A), cut(5, "b", "a"), off_air(10, "b"), cut(20, "b")],
        "a 0-5, b 5-10, b 20-100",
    ),
    "program turned to nothing and stayed so": ([session(A), off_air(10, "a")], "a 0-10"),
    "program turned to nothing is known, whatever a gap left open": (
        [session(A), gap(50, 20, A), off_air(60, "a")],
        "a 0-30, ? 30-60",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_was_on_air(case: str) -> None:
    """Each case says in its name what it is about."""
    rows, expected = CASES[case]
    assert spans(timeline_of(rows)) == expected


def test_a_row_that_was_taken_back_is_not_there() -> None:
    taken_back = cut(10, "b", "a")
    taken_back.retracted = {"at": T0, "reason": "rederived"}
    timeline = timeline_of([session(A), taken_back])
    assert spans(timeline) == "a 0-100"
    assert timeline.totals.cuts == 0


def test_a_cut_from_nothing_leaves_it_open_when_the_camera_before_went_off() -> None:
    """Program turning to nothing is no row; only the next cut shows that it did."""
    timeline = timeline_of([session(A), cut(10, "b", "a"), cut(30, "a")])
    unsure = {lane.camera_id: lane.on_air[0].unsure for lane in timeline.lanes}
    assert unsure == {"a": False, "b": True}


def test_the_final_state_says_whether_the_last_span_reached_the_end() -> None:
    sure = timeline_of([session(A, finalState=A)])
    unsure = timeline_of([session(A, finalState={"mode": "idle"})])
    assert not sure.lanes[0].on_air[0].unsure
    assert unsure.lanes[0].on_air[0].unsure


def test_holds_last_until_their_release_and_never_through_a_gap() -> None:
    held = {"programCameraId": "a", "hold": True}
    timeline = timeline_of(
        [
            session(A),
            event("hold", 10, cameraId="a"),
            event("release", 15, durationMs=5000),
            event("hold", 20, cameraId="a"),
            gap(50, 20, held, held),
            event("release", 60),
        ]
    )
    assert [((span.start - T0) / 1000, (span.end - T0) / 1000, span.camera_id) for span in timeline.holds] == [
        (10, 15, "a"),
        (20, 30, "a"),
        (50, 60, None),
    ]
    assert timeline.totals.holds == 2
    assert timeline.totals.hold_ms == 25_000


def test_modes_follow_their_changes() -> None:
    timeline = timeline_of(
        [
            session({"mode": "rehearsal"}),
            event("mode_change", 10, detail={"from": "rehearsal", "to": "photoshoot"}),
            event("mode_change", 40, detail={"from": "ghost", "to": "idle"}),
        ]
    )
    assert [(span.mode, span.length, span.unsure) for span in timeline.modes] == [
        ("rehearsal", 10_000, False),
        ("photoshoot", 30_000, True),
        ("idle", 60_000, False),
    ]


def test_stills_stand_where_they_were_taken_else_where_they_were_asked_for() -> None:
    timeline = timeline_of(
        [
            session(A),
            still("s1", "a", "uploaded", requestedAt=10, capturedAt=11, uploadedAt=15),
            still("s2", "a", "requested", requestedAt=20),
            still("s3", "b", "uploaded", uploadedAt=30),
        ]
    )
    assert [(mark.still_id, (mark.at - T0) // 1000) for mark in timeline.stills] == [("s1", 11), ("s2", 20), ("s3", 30)]
    assert timeline.totals.stills == {"requested": 1, "uploaded": 2}
    assert {lane.camera_id: len(lane.stills) for lane in timeline.lanes} == {"a": 2, "b": 1}


def test_lanes_stand_in_the_order_of_joining_and_then_as_a_person_counts() -> None:
    cameras = [camera("late", 30), camera("cam 10"), camera("cam 2"), camera("CAM 1")]
    timeline = timeline_of([session(), *cameras, cut(10, "ghost")])
    assert [lane.camera_id for lane in timeline.lanes] == ["CAM 1", "cam 2", "cam 10", "late", "ghost"]


def test_names_of_any_length_can_be_put_in_order() -> None:
    timeline = timeline_of([session(), camera("9" * 16_000), camera("1" + "0" * 16_000)])
    assert [len(lane.camera_id) for lane in timeline.lanes] == [16_000, 16_001]


def test_totals_add_up() -> None:
    timeline = timeline_of([session(A), cut(10, "b", "a"), gap(50, 20, B, A)])
    totals = timeline.totals
    assert totals.on_air_ms == {"a": 60_000, "b": 20_000}
    assert totals.unknown_ms == totals.gap_ms == 20_000
    assert (totals.cuts, totals.gaps, totals.length_ms) == (1, 1, 100_000)


def test_its_json_is_one_object_without_nulls() -> None:
    timeline = timeline_of([session(A), camera("a"), cut(10, "b", "a"), gap(50, 20, A, B)])
    said = json.loads(timeline_json(timeline))
    assert b"null" not in timeline_json(timeline)
    assert said["lanes"][0]["onAir"] == [{"start": T0, "end": T0 + 10_000}]
    assert said["unknown"] == [{"start": T0 + 30_000, "end": T0 + 50_000}]
    assert said["sessionKey"] == KEY


@pytest.mark.parametrize("rows", [[], [session(), Row("hall/x", "session", "hall/x", T0, 0, {})]])
def test_a_timeline_is_of_one_session(rows: list[Row]) -> None:
    with pytest.raises(ValueError, match="a timeline is of one"):
        timeline_of(rows)


seconds = st.integers(0, 100)
names = st.sampled_from(["a", "b", "c"])
some_events = st.one_of(
    st.builds(cut, seconds, names, st.none() | names),
    st.builds(
        gap,
        seconds,
        st.none() | st.integers(0, 50),
        st.none() | st.just(A) | st.just(B),
        st.just({}) | st.just(A) | st.just({"mode": "idle"}),
    ),
    st.builds(lambda at: event("hold", at), seconds),
    st.builds(lambda at: event("release", at), seconds),
    st.builds(lambda at, to: event("mode_change", at, detail={"to": to}), seconds, names),
)


@given(st.lists(some_events, max_size=20), st.none() | seconds, st.randoms())
def test_whatever_was_told_the_spans_fit(events: list[Row], end: int | None, random: Any) -> None:
    """At any moment one camera is on air at most; nothing lies outside; the order of the rows does not matter."""
    rows = [session(A, end=end), *{row.key: row for row in events}.values()]
    timeline = timeline_of(rows)
    program = sorted((span.start, span.end) for lane in timeline.lanes for span in lane.on_air)
    for found in (program, *(sorted((s.start, s.end) for s in some) for some in (timeline.holds, timeline.modes))):
        assert all(timeline.start <= a < b <= timeline.end for a, b in found)
    assert all(first[1] <= second[0] for first, second in pairwise(program))
    assert timeline.totals.length_ms == timeline.end - timeline.start
    random.shuffle(rows)
    assert timeline_json(timeline_of(rows)) == timeline_json(timeline)
