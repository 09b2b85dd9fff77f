"""The live page's numbers are those of the timeline and of the report, whatever a session was like and however long."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tap.core.merge import Row
from tap.core.model import Entry
from tap.core.status import Totals
from tap.history.statistics import statistics_of
from tap.history.timeline import timeline_of
from tap.service.ops.session_board import SessionBoard
from tap.service.ops.session_totals import MOST_STEPS, SessionTotals
from tests.history.shoots import invented
from tests.history.test_timeline import T0, A, cut, event, gap, session

CAMERAS = ("a", "b", "c")


def entries(rows: Iterable[Row]) -> list[Entry]:
    return [Entry(row.key, row.op, row.session_key, row.version, row.fields, row.revision) for row in rows]


def page(rows: list[Row], kept: int = 1_000) -> tuple[SessionBoard, Totals]:
    """What the live page says of a session that was told row by row, as of its timeline's end."""
    board = SessionBoard(kept)
    for number, entry in enumerate(entries(rows)):
        board.take([entry])
        if number % 7 == 0:
            board.settle()
    return board, numbers_of(board, rows)


def numbers_of(board: SessionBoard, rows: list[Row]) -> Totals:
    board.settle(at_once=True)
    told = board.totals(timeline_of(rows).end - board._shift)
    assert told is not None
    return told


def all_three_agree(rows: list[Row], kept: int = 1_000) -> SessionBoard:
    """The page, ``timeline`` and the report: the same numbers."""
    board, told = page(rows, kept)
    agree(rows, told)
    return board


def agree(rows: list[Row], told: Totals) -> None:
    timeline = timeline_of(rows)
    figures, totals = statistics_of(timeline), timeline.totals
    on_air = {camera: length for camera, length in totals.on_air_ms.items() if length}
    assert told.on_air_ms == on_air
    assert {one.camera_id: one.on_air_ms for one in figures.cameras if one.on_air_ms} == on_air
    for name in ("length_ms", "cuts", "unknown_ms", "holds", "hold_ms", "gaps", "gap_ms"):
        assert getattr(told, name) == getattr(totals, name) == getattr(figures, name), name
    assert told.events == totals.events


def live(rows: list[Row]) -> list[Row]:
    """The same session, while it runs: its row comes first and has no end; events come in order of time."""
    fields = {name: value for name, value in rows[0].fields.items() if name not in ("completedAt", "finalState")}
    begun = Row(rows[0].key, "session", rows[0].session_key, rows[0].version, 0, {**fields, "status": "live"})
    return [begun, *sorted(rows[1:], key=lambda row: row.fields.get("at", 0))]


@pytest.mark.parametrize("seed", range(12))
def test_the_page_the_timeline_and_the_report_have_the_same_numbers(seed: int) -> None:
    """Some hours with gaps and holds, drawn one by one, and mostly in summary."""
    random = Random(seed)
    rows = live(
        invented(
            seed=seed,
            cameras=random.randrange(2, 9),
            minutes=random.choice((3, 30, 180)),
            cuts=random.randrange(0, 1_500),
            stills=random.randrange(20),
            gaps=random.randrange(4),
        )
    )
    all_three_agree(rows)
    all_three_agree(rows, kept=60)


def told_late(rows: list[Row], random: Random, by: int) -> list[Row]:
    """Some are told after up to ``by`` others that were later, and heard with the last of these."""
    begun, *events = rows
    places = [number + (random.randrange(by) if random.random() < 0.1 else 0) for number in range(len(events))]
    told: list[Row] = []
    heard = 0
    for _, _, row in sorted(zip(places, range(len(events)), events, strict=True), key=lambda one: one[:2]):
        heard = max(heard, row.fields.get("observedAt", 0))
        known = {"observedAt": heard} if row.op == "event" else {}
        told.append(structs.replace(row, fields={**row.fields, **known}))
    return [begun, *told]


@pytest.mark.parametrize("kept", [20, 40, 60])
@pytest.mark.parametrize("seed", range(12))
def test_what_comes_when_its_part_is_in_summary_already_is_known_to_be_missing(seed: int, kept: int) -> None:
    """The page's numbers are those of the timeline and the report, or it says how many events they lack.

    Once the session was read as a whole, they are complete.
    """
    random = Random(seed)
    rows = live(invented(seed=seed, cameras=4, minutes=60, cuts=random.randrange(400, 900), gaps=random.randrange(4)))
    rows = told_late(rows, random, by=random.choice((10, 100, 400)))
    board, told = page(rows, kept)
    if not board.unsure:
        agree(rows, told)
    whole = SessionBoard.whole(entries(rows), kept)
    agree(rows, numbers_of(whole, rows))
    assert not whole.unsure


seconds = st.integers(0, 90)
side = st.fixed_dictionaries({}, optional={"programCameraId": st.sampled_from(CAMERAS), "hold": st.booleans()})
some_events = st.one_of(
    st.builds(cut, seconds, st.sampled_from(CAMERAS), st.none() | st.sampled_from(CAMERAS)),
    st.builds(lambda at, **more: event("hold", at, **more), seconds, cameraId=st.sampled_from(CAMERAS)),
    st.builds(lambda at: event("release", at), seconds),
    st.builds(lambda at, origin: event("off_air", at, fromCameraId=origin), seconds, st.sampled_from(CAMERAS)),
    st.builds(lambda at, to: event("mode_change", at, detail={"to": to}), seconds, st.sampled_from("xy")),
    st.builds(gap, seconds, st.none() | st.integers(1, 30), st.none() | side, st.none() | side),
)


LATE_CUT_SETTLES_IT = [
    event("hold", 0),
    event("release", 0),
    *(event("hold", second) for second in (1, 2, 3)),
    event("off_air", 0, fromCameraId="a"),
    gap(1, None),
    cut(3, "a"),
]
"""Only with the last of them there is a better reading of those before it, though it fits by itself."""


@example(LATE_CUT_SETTLES_IT, {})
@given(st.lists(some_events, max_size=25), side)
@settings(max_examples=60)
def test_the_same_of_whatever_was_told_in_whatever_order(events: list[Row], start: dict[str, Any]) -> None:
    """Late ones too, holds that nobody released, gaps within gaps, a first sight."""
    all_three_agree([session(start, end=None), *{row.key: row for row in events}.values()])


def test_a_hold_that_goes_on_across_a_gap_is_one_everywhere() -> None:
    held = {**A, "hold": True}
    rows = [session(A, end=None), event("hold", 10), gap(50, 20, held, held), event("release", 60), event("hold", 70)]
    board = all_three_agree(rows)
    told = board.totals(T0 + 80_000)
    assert told is not None
    assert (told.holds, told.hold_ms) == (2, 20_000 + 10_000 + 10_000)


def test_a_clock_that_is_set_changes_no_length_in_summary_either() -> None:
    """Set back by 5 s in the middle of 400 cuts, told by the release of a hold."""
    rows = [session(A, end=None)]
    for number in range(400):
        back = 5 if number >= 200 else 0
        at = 10 + 3 * number
        rows.append(cut(at - back, "ab"[number % 2 == 0], "ab"[number % 2], observed=at))
    board = all_three_agree(rows)
    assert board.settle() == []
    told, whole = page(rows, kept=100)[1], page(rows)[1]
    assert (told.on_air_ms, told.cuts, told.length_ms) == (whole.on_air_ms, whole.cuts, whole.length_ms)


def test_what_is_told_again_counts_once() -> None:
    """As after a restart, when the journal is read while the same entries come in; in the summary too."""
    rows = live(invented(seed=3, cuts=300, gaps=0, stills=0))
    board = SessionBoard(50)
    board.take(entries(rows))
    before = board.totals(T0 + 3_600_000)
    board.take(entries(rows[1:]))
    board.settle()
    assert board.totals(T0 + 3_600_000) == before


def test_the_summary_has_every_millisecond_that_is_not_drawn() -> None:
    rows = live(invented(seed=5, minutes=720, cuts=5_000, gaps=0, stills=0))
    board, told = page(rows)
    past = board.past()
    assert past is not None
    assert board.summary_until == past.until
    assert len(past.steps) <= MOST_STEPS
    summed: dict[str, int] = {}
    for step in past.steps:
        for camera, length in step.items():
            summed[camera] = summed.get(camera, 0) + length
            assert length <= past.step_ms
    drawn = SessionTotals({"programCameraId": past.program}, past.program_since)
    for one in board.happenings:
        if one.kind == "cut":
            drawn.take("cut", one.at, {"cameraId": one.camera, "fromCameraId": one.from_camera})
    rest = drawn.totals(timeline_of(rows).end).on_air_ms
    assert {camera: summed.get(camera, 0) + rest.get(camera, 0) for camera in told.on_air_ms} == told.on_air_ms
    assert sum(told.on_air_ms.values()) == told.length_ms


def test_a_shoot_of_twelve_hours_takes_no_more_room_than_one_of_some() -> None:
    """20,000 cuts: so many are drawn, and the summary has so many steps, whatever came before."""
    board, rows = SessionBoard(), live(invented(seed=1, minutes=720, cuts=29_000, stills=40, gaps=3))
    board.take(entries(rows))
    past = board.past()
    assert past is not None
    assert (len(board.happenings) <= 1_300, len(past.steps) <= MOST_STEPS) == (True, True)
    told = board.totals(T0 + 720 * 60_000)
    assert told is not None
    assert told.cuts == sum(row.fields.get("kind") == "cut" for row in rows) > 20_000


def test_a_server_that_goes_on_telling_what_does_not_fit_is_read_more_and_more_seldom() -> None:
    """Holds that it never releases: reading them again changes nothing."""
    board, read = SessionBoard(), 0
    board.take(entries([session(A, end=None)]))
    for number in range(1, 500):
        board.take(entries([event("hold", number)]))
        patience = board._patience
        board.settle()
        read += board._odd == 0 and number > 1 and board._patience >= patience
    assert read < 20
    told = board.totals(T0 + 500_000)
    assert told is not None
    assert told.holds == 499


def test_there_are_no_numbers_before_the_first_session() -> None:
    board = SessionBoard()
    assert (board.totals(T0), board.past(), board.summary_until) == (None, None, None)
