"""The numbers of a session add up, whatever it was like, and time that nobody knows is given to no camera."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap.core.merge import Row, fold
from tap.history.statistics import SessionStatistics, program_of, statistics_of, stills_after_cut
from tap.history.timeline import Timeline, timeline_of
from tests.core.test_properties import items_of, replayed
from tests.history.shoots import invented
from tests.history.test_timeline import (
    T0,
    A,
    B,
    camera,
    cut,
    event,
    gap,
    names,
    off_air,
    seconds,
    session,
    some_events,
    still,
)


def figures(*rows: Row) -> SessionStatistics:
    return statistics_of(timeline_of(rows))


def program(timeline: Timeline) -> str:
    """Who was on air, in seconds: ``a 0-10, - 10-20, ? 20-30``."""
    return ", ".join(
        f"{one.camera_id or '-' if one.known else '?'} {(one.start - T0) / 1000:g}-{(one.end - T0) / 1000:g}"
        for one in program_of(timeline)
    )


def by_camera(found: SessionStatistics) -> dict[str, int]:
    return {one.camera_id: one.on_air_ms // 1000 for one in found.cameras}


PROGRAMS: dict[str, tuple[list[Row], str]] = {
    "on air from the start by the start state": ([session(A)], "a 0-100"),
    "nothing at the start is nothing": ([session(), cut(10, "b")], "- 0-10, b 10-100"),
    "each cut changes": ([session(A), cut(10, "b", "a"), cut(30, "a", "b")], "a 0-10, b 10-30, a 30-100"),
    "a cut to what is on air already is one shot": ([session(A), cut(10, "a", "a")], "a 0-100"),
    "a gap is nobody's": ([session(A), gap(50, 20, A, B)], "a 0-30, ? 30-50, b 50-100"),
    "a gap over the start is nobody's": (
        [session(A | {"at": T0 + 40_000}), gap(40, None, None, A)],
        "? 0-40, a 40-100",
    ),
    "a gap with nothing behind it": ([session(A), gap(50, 20, A, {"mode": "idle"})], "a 0-30, ? 30-50, - 50-100"),
    "a far side that nobody told": ([session(A), gap(50, 20, A), cut(70, "b")], "a 0-30, ? 30-70, b 70-100"),
    "a clock that was set back moves no shot": (
        [session(A), cut(50, "b", "a"), cut(30, "a", "b", observed=60)],
        "a 0-50, b 50-60, a 60-130",
    ),
    "a clock that was set back behind a gap does not fill it": (
        [session(A), gap(50, 20, A, A), cut(20, "b", "a", observed=80)],
        "a 0-30, ? 30-50, a 50-80, b 80-160",
    ),
    "off air is nothing on air, and no cut": (
        [session(A), cut(5, "b", "a"), off_air(10, "b"), cut(20, "b")],
        "a 0-5, b 5-10, - 10-20, b 20-100",
    ),
    "a dissolve is on air from its start": (
        [session(A), cut(10, "b", "a", transition="dissolve", durationMs=2000)],
        "a 0-10, b 10-100",
    ),
    "a hold changes nothing": ([session(A), event("hold", 10, cameraId="a"), event("release", 30)], "a 0-100"),
    "without cuts and cameras": ([session()], "- 0-100"),
    "a session of no length": ([session(end=0)], ""),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_what_was_on_air(case: str) -> None:
    """Each case says in its name what it is about."""
    rows, expected = PROGRAMS[case]
    assert program(timeline_of(rows)) == expected


def test_time_on_air_by_camera_and_by_role() -> None:
    """A camera that joined late counts from its first shot; one without a role is told apart."""
    cameras = [camera("a", role="wide"), camera("b", role="wide"), camera("c", 60)]
    found = figures(session(A), *cameras, cut(10, "b", "a"), cut(70, "c", "b"), gap(50, 20, B, B))
    assert by_camera(found) == {"a": 10, "b": 40, "c": 30}
    assert [(one.role, one.cameras, one.on_air_ms // 1000, one.cuts) for one in found.roles] == [
        ("wide", 2, 50, 1),
        (None, 1, 30, 1),
    ]
    assert (found.on_air_ms, found.unknown_ms, found.off_ms) == (80_000, 20_000, 0)


def test_cuts_a_minute_are_of_the_time_that_is_known() -> None:
    """Four cuts in a hundred seconds, forty of which nobody knows: four in one minute."""
    found = figures(
        session(A), cut(5, "b", "a"), cut(10, "a", "b"), cut(15, "b", "a"), cut(90, "a", "b"), gap(70, 40, B, B)
    )
    assert found.cuts_per_minute == pytest.approx(4.0)


def test_the_longest_shot_and_hold_are_told_with_their_camera() -> None:
    found = figures(
        session(A), cut(10, "b", "a"), cut(70, "a", "b"), event("hold", 20, cameraId="b"), event("release", 50)
    )
    assert found.longest_shot is not None
    assert found.longest_hold is not None
    assert (found.longest_shot.camera_id, found.longest_shot.length) == ("b", 60_000)
    assert (found.longest_hold.camera_id, found.longest_hold.length) == ("b", 30_000)


def test_holds_within_one_second_of_a_clock_that_shows_no_more_are_counted() -> None:
    """Two of no length, and one that lasts; one that is found after a gap; one that goes on across one."""
    rows = [event("hold", 10, observed=10.1), event("release", 10, observed=10.2), event("hold", 10, observed=10.3)]
    rows += [event("release", 10, observed=10.4), event("hold", 10, observed=10.5), event("release", 20)]
    assert (figures(session(A), *rows).holds, figures(session(A), *rows).hold_ms) == (3, 10_000)
    held = {**A, "hold": True}
    assert figures(session(A), gap(50, 20, A, held), event("release", 60)).holds == 1
    assert figures(session(A), event("hold", 10), gap(50, 20, held, held), event("release", 60)).holds == 1


def test_who_triggered_what_and_how() -> None:
    found = figures(
        session(A),
        cut(10, "b", "a", trigger="ai"),
        cut(20, "a", "b", transition="dissolve", durationMs=500),
        cut(30, "b", "a", transition="cut"),
    )
    assert found.triggers == {"operator": 2, "ai": 1}
    assert found.transitions == {"cut": 2, "dissolve": 1}


def test_stills_are_counted_by_what_became_of_them() -> None:
    found = figures(
        session(A),
        still("s1", "a", "uploaded", requestedAt=10, capturedAt=11, uploadedAt=15),
        still("s2", "a", "captured", requestedAt=20, capturedAt=21),
        still("s3", "a", "requested", requestedAt=30),
        still("s4", "a", "failed", requestedAt=40),
    )
    told = found.stills
    assert (told.asked, told.taken, told.uploaded, told.failed, told.waiting) == (4, 2, 1, 1, 1)
    assert [one.still_id for one in found.never_taken] == ["s3", "s4"]
    assert [one.still_id for one in found.not_uploaded] == ["s2"]


def test_a_still_that_was_taken_unasked_counts_as_taken_and_not_as_requested() -> None:
    found = figures(
        session(A),
        still("s1", "a", "uploaded", requestedAt=10, capturedAt=11, uploadedAt=15),
        still("s2", "a", "captured", capturedAt=21),
        still("s3", "a", "uploaded", uploadedAt=25),
        still("s4", "a", "requested", requestedAt=30),
    )
    told = found.stills
    assert (told.seen, told.asked, told.asked_taken, told.taken, told.waiting) == (4, 2, 1, 3, 1)
    assert [one.still_id for one in found.never_taken] == ["s4"]
    assert [one.still_id for one in found.not_uploaded] == ["s2"]


def test_where_uploads_are_never_told_none_is_missed() -> None:
    assert figures(session(A), still("s", "a", "captured", capturedAt=21)).not_uploaded == []


def test_a_still_is_so_long_after_the_cut_before_it_and_not_across_a_gap() -> None:
    timeline = timeline_of(
        [
            session(A),
            cut(10, "b", "a"),
            still("near", "b", "captured", capturedAt=12.5),
            still("before any", "b", "captured", capturedAt=5),
            gap(60, 20, B, B),
            still("behind the gap", "b", "captured", capturedAt=70),
            still("asked for", "b", "requested", requestedAt=20),
            still("after the end", "b", "captured", capturedAt=130),
        ]
    )
    after = stills_after_cut(timeline)
    assert {key.rpartition("still/")[2]: ms for key, ms in after.items()} == {"near/b": 2500}


def test_a_span_that_ended_unseen_is_an_upper_bound() -> None:
    """A cut that says that it came from nothing shows that the camera before had gone off at some time."""
    found = figures(session(A), cut(10, "b", "a"), cut(30, "a"))
    assert {one.camera_id: one.unsure_ms // 1000 for one in found.cameras} == {"a": 0, "b": 20}


def test_the_pace_counts_every_cut_once() -> None:
    found = figures(*invented(minutes=90, cuts=700, cameras=4))
    assert sum(found.pace.cuts) == found.cuts
    assert len(found.pace.cuts) * found.pace.step_ms >= found.length_ms


def test_a_session_of_nothing_has_figures_too() -> None:
    found = figures(session(end=0))
    assert (found.cuts, found.cuts_per_minute, found.longest_shot, found.stills.asked) == (0, None, None, 0)


def adds_up(timeline: Timeline) -> None:
    """What has to hold for any session."""
    found, stretches = statistics_of(timeline), program_of(timeline)
    assert all(one.start < one.end for one in stretches)
    assert all(before.end == after.start for before, after in pairwise(stretches))
    if stretches:
        assert (stretches[0].start, stretches[-1].end) == (timeline.start, timeline.end)
    assert found.on_air_ms + found.off_ms + found.unknown_ms == found.length_ms
    assert min(found.on_air_ms, found.off_ms, found.unknown_ms) >= 0
    assert sum(one.on_air_ms for one in found.cameras) == found.on_air_ms
    assert sum(one.on_air_ms for one in found.roles) == found.on_air_ms
    assert found.unknown_ms == sum(span.length for span in timeline.unknown)
    assert all(0 <= one.unsure_ms <= one.on_air_ms for one in found.cameras)
    assert sum(found.triggers.values()) == sum(found.transitions.values()) == sum(found.pace.cuts) == found.cuts
    assert sum(one.stills.asked for one in found.cameras) == found.stills.asked
    assert sum(one.stills.seen for one in found.cameras) == found.stills.seen
    told = found.stills
    assert told.taken + told.failed + told.waiting == told.seen
    assert told.asked_taken <= told.taken
    assert told.waiting + told.asked_taken <= told.asked <= told.seen
    if found.shots is not None:
        assert found.shots.least <= found.shots.median <= found.shots.most <= found.length_ms


some_stills = st.builds(
    lambda name, who, status, at: still(name, who, status, requestedAt=at, capturedAt=at + 1),
    st.sampled_from(["s1", "s2", "s3"]),
    names,
    st.sampled_from(["requested", "failed", "captured", "uploaded"]),
    seconds,
)
clocks_set_back = st.builds(lambda at, seen, who: cut(at, who, observed=seen), seconds, seconds, names)


@given(st.lists(some_events | some_stills | clocks_set_back, max_size=20), st.none() | seconds)
def test_whatever_was_told_the_figures_add_up(events: list[Row], end: int | None) -> None:
    adds_up(timeline_of([session(A, end=end), *{row.key: row for row in events}.values()]))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 14),
    st.floats(0.5, 60),
    st.integers(0, 150),
    st.integers(0, 3),
    st.sampled_from(["complete", "live", "interrupted"]),
)
def test_the_figures_of_made_up_shoots_add_up(
    seed: int, cameras: int, minutes: float, cuts: int, gaps: int, status: str
) -> None:
    adds_up(timeline_of(invented(seed=seed, cameras=cameras, minutes=minutes, cuts=cuts, gaps=gaps, status=status)))


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_of_shoots_that_a_tap_has_heard_add_up(seed: int) -> None:
    """With every fault there is: drops, restarts, clocks that jump, stills out of order."""
    rows = list(fold(replayed(items_of(seed))).values())
    keys = {row.session_key for row in rows}
    assert keys
    for key in keys:
        adds_up(timeline_of(row for row in rows if row.session_key == key))
