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
    "a gap of which nobody knows the length begins with the last that was told": (
        [session(A), cut(30, "b", "a"), gap(50, None, B, A)],
        "a 0-30, ? 30-50, a 50-100",
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


def test_a_change_within_a_second_of_a_gap_s_end_is_the_tap_s_own() -> None:
    """What lies deeper in it than the first frame after it may tell of, somebody else has heard."""
    own = timeline_of([session(A), cut(49.5, "b", "a"), gap(50, 20, A, B)])
    edge = timeline_of([session(A), cut(49, "b", "a"), gap(50, 20, A, B)])
    other = timeline_of([session(A), cut(48.5, "b", "a"), gap(50, 20, A, B)])
    assert ([one.covered for one in own.gaps], [one.covered for one in other.gaps]) == ([False], [True])
    assert not edge.gaps[0].covered
    assert spans(own) == "a 0-49.5, ? 49.5-50, b 50-100"
    assert spans(other) == "a 0-48.5, b 48.5-100"


def test_a_change_within_a_second_of_a_gap_s_start_is_the_tap_s_own() -> None:
    own = timeline_of([session(A), cut(30.5, "b", "a"), gap(50, 20, A, B)])
    other = timeline_of([session(A), cut(31.5, "b", "a"), gap(50, 20, A, B)])
    assert ([one.covered for one in own.gaps], [one.covered for one in other.gaps]) == ([False], [True])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([cut(0, "b", "a"), cut(10, "c", "b")], "b 0-10, c 10-100"),
        ([cut(100, "b", "a")], "a 0-100"),
        ([cut(10, "b", "a"), cut(10, "c", "b"), cut(10, "a", "c")], "a 0-10, a 10-100"),
        ([gap(100, 10, A, B)], "a 0-90, ? 90-100"),
    ],
)
def test_a_span_of_no_length_is_none(rows: list[Row], expected: str) -> None:
    """At the session's edges, and between two changes of one moment."""
    timeline = timeline_of([session(A), *rows])
    assert spans(timeline) == expected
    assert all(span.length > 0 for lane in timeline.lanes for span in lane.on_air)


def test_what_begins_at_the_very_end_was_not_on_in_the_session() -> None:
    """The session ended unseen; what is told of later gaps lies behind its last moment."""
    timeline = timeline_of([session(A, end=60, status="interrupted"), gap(60, 10, A, B), gap(80, 10, B, {"mode": "x"})])
    assert spans(timeline) == "a 0-50, ? 50-60"
    assert [lane.on_air for lane in timeline.lanes if lane.camera_id == "b"] in ([], [[]])


@pytest.mark.parametrize("end", [100, 60])
def test_holds_and_modes_of_no_length_at_the_edges_are_none(end: int) -> None:
    timeline = timeline_of(
        [
            session({"mode": "a", "hold": True}, end=end),
            event("release", 0),
            event("mode_change", 0, detail={"from": "a", "to": "b"}),
            event("hold", end, cameraId="a"),
            event("mode_change", end, detail={"from": "b", "to": "c"}),
        ]
    )
    assert timeline.holds == []
    assert [(span.mode, span.length) for span in timeline.modes] == [("b", end * 1000)]


def test_a_clock_that_was_set_back_by_a_minute_keeps_a_hold_and_every_shot() -> None:
    """Rows keep their times, and say how far they are from the clock that the session began with."""
    timeline = timeline_of(
        [
            session(A, end=140),
            cut(5, "b", "a"),
            event("hold", 100, cameraId="b"),
            event("release", 80, observed=140, durationMs=40_000),
            still("s1", "b", "captured", requestedAt=82, capturedAt=83),
            event("still_marker", 82, observed=142, detail={"stillId": "s1", "cameraIds": ["b"]}),
            event("still_capture", 83, observed=143, cameraId="b", stillKey=f"{KEY}/still/s1/b"),
            cut(90, "c", "b", observed=150),
            cut(110, "a", "c", observed=170),
        ]
    )
    assert spans(timeline) == "a 0-5, b 5-150, c 150-170, a 170-200"
    assert [(hold.start - T0, hold.length) for hold in timeline.holds] == [(100_000, 40_000)]
    assert [(step.moment - T0, step.by_ms) for step in timeline.clock_steps] == [(140_000, -60_000)]
    assert (timeline.totals.length_ms, timeline.totals.hold_ms, timeline.totals.cuts) == (200_000, 40_000, 3)
    assert [(mark.at - T0, mark.moment - T0) for mark in timeline.stills] == [(83_000, 143_000)]
    told = [(one["kind"], one["at"] - T0, one.get("shiftMs")) for one in json.loads(timeline_json(timeline))["events"]]
    assert told == [
        ("cut", 5_000, None),
        ("hold", 100_000, None),
        ("release", 80_000, 60_000),
        ("still_marker", 82_000, 60_000),
        ("still_capture", 83_000, 60_000),
        ("cut", 90_000, 60_000),
        ("cut", 110_000, 60_000),
    ]
    assert json.loads(timeline_json(timeline))["clockSteps"] == [{"moment": T0 + 140_000, "byMs": -60_000}]


def test_markers_are_told_beside_the_music_and_turn_nothing() -> None:
    timeline = timeline_of(
        [session(A), event("marker", 10, detail={"label": "best take"}), event("music_moment", 20), off_air(30, "a")]
    )
    assert [(one.kind, (one.detail or {}).get("label")) for one in timeline.markers] == [("marker", "best take")]
    assert [one.kind for one in timeline.music] == ["music_moment"]
    assert timeline.totals.cuts == 0
    assert timeline.totals.events == {"marker": 1, "music_moment": 1, "off_air": 1}
    assert spans(timeline) == "a 0-30"
    assert not timeline.lanes[0].on_air[0].unsure


def test_off_air_that_contradicts_what_was_on_says_that_it_ended_before() -> None:
    """Another camera went off than the one that was on as far as it was told."""
    timeline = timeline_of([session(A), off_air(30, "b", fromCameraName="Ben"), camera("b")])
    assert [lane.on_air[0].unsure for lane in timeline.lanes if lane.on_air] == [True]


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
