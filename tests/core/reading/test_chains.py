"""What events say of each other: how an order is judged, put right within a moment, and mended."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from tap.core.merge import Row
from tap.core.reading.chains import NEAR_MS, doubts, in_order, mended
from tap.core.reading.items import Frame, Item, frame_of, item_of
from tap.core.reading.unheard import turned_round
from tests.core.reading.told import KEY, T0

WRONG, ODD = 16, 4


def item(kind: str, at: int, heard: int | None = None, key: str | None = None, **columns: Any) -> Item:
    """An event ``at`` ms after the start."""
    seen = at if heard is None else heard
    fields = {"kind": kind, "at": T0 + at, "observedAt": T0 + seen, **columns}
    return item_of(Row(key or f"{KEY}/{kind}/{at}/{seen}", "event", KEY, T0 + at, 0, fields))


def cut(at: int, to: str | None, origin: str | None = None, heard: int | None = None, key: str | None = None) -> Item:
    known = {"cameraId": to, "fromCameraId": origin}
    return item("cut", at, heard, key, **{name: value for name, value in known.items() if value is not None})


def gap(at: int, length: int | None, before: Any = None, after: Any = None) -> Item:
    sides = {"after": after or {}, "tap": "t"} | ({} if before is None else {"before": before})
    return item("gap", at, durationMs=length, detail=sides)


def mode(at: int, to: str, **detail: Any) -> Item:
    return item("mode_change", at, detail={"to": to, **detail})


def frame(**more: Any) -> Frame:
    start = {"at": T0, "programCameraId": "a", "mode": "x", "hold": False}
    return frame_of({"status": "complete", "startedAt": T0, "startState": start, "completedAt": T0 + 100_000, **more})


A, B = {"programCameraId": "a"}, {"programCameraId": "b"}

JUDGED: dict[str, tuple[list[Item], Frame, int]] = {
    "each from where the one before led": ([cut(1, "b", "a"), cut(2, "c", "b"), cut(3, "a", "c")], frame(), 0),
    "from another camera": ([cut(1, "b", "c")], frame(), WRONG),
    "from nothing while something was on": ([cut(1, "b")], frame(), ODD),
    "from nothing after it went off": ([item("off_air", 1, fromCameraId="a"), cut(2, "b")], frame(), 0),
    "another went off": ([item("off_air", 1, fromCameraId="b")], frame(), WRONG),
    "nothing is known of the start": ([cut(1, "b", "c"), item("hold", 2), mode(3, "y", **{"from": "z"})], Frame(), 0),
    "held twice": ([item("hold", 1), item("hold", 2)], frame(), WRONG),
    "let go of what was not held": ([item("release", 1)], frame(), WRONG),
    "held at the start": ([item("release", 1)], frame(startState={"hold": True}), 0),
    "a mode from another": ([mode(1, "y", **{"from": "z"})], frame(), WRONG),
    "a mode that does not say from where": ([mode(1, "y")], frame(), 0),
    "held for just about so long": ([item("hold", 0), item("release", 10_000, durationMs=8_000)], frame(), 0),
    "held for longer than said": ([item("hold", 0), item("release", 10_000, durationMs=7_999)], frame(), WRONG),
    "held for less than said": ([item("hold", 0), item("release", 10_000, durationMs=12_001)], frame(), WRONG),
    "a length that nobody can check": ([item("release", 9, durationMs=1)], frame(startState={"hold": True}), 0),
    "after a gap that tells nothing": ([gap(9, 5), cut(10, "c", "b"), item("release", 11, durationMs=9)], frame(), 0),
    "after a gap that tells": ([gap(9, 5, A, B), cut(10, "c", "b")], frame(), 0),
    "after a gap that tells something else": ([gap(9, 5, A, B), cut(10, "c", "a")], frame(), WRONG),
    "after a gap with nothing on": ([gap(9, 5, A, {"mode": "x"}), cut(10, "c", "a")], frame(), WRONG),
    "a gap knows what was on": ([cut(5_000, "b", "a"), gap(20_000, 10_000, B, {})], frame(), 0),
    "a gap knows of something else": ([cut(5_000, "b", "a"), gap(20_000, 10_000, A, {})], frame(), ODD),
    "a gap knows of nothing": ([gap(20_000, 10_000, {}, {})], frame(), ODD),
    "what changed within a gap is another's": ([cut(15_000, "b", "a"), gap(20_000, 10_000, A, {})], frame(), 0),
    "what changed just as it began is its own": ([cut(12_000, "b", "a"), gap(20_000, 10_000, B, {})], frame(), 0),
    "what changed after it began is not": ([cut(12_001, "b", "a"), gap(20_000, 10_000, B, {})], frame(), ODD),
    "a first sight says nothing of before": ([gap(20_000, None, None, B)], frame(), 0),
    "just before the start": ([cut(-NEAR_MS, "b", "a")], frame(), 0),
    "before the start": ([cut(-NEAR_MS - 1, "b", "a")], frame(), ODD),
    "just after the end": ([cut(100_000 + NEAR_MS, "b", "a")], frame(), 0),
    "after the end": ([cut(100_000 + NEAR_MS + 1, "b", "a")], frame(), ODD),
    "a gap after the end": ([gap(150_000, 10, A, {})], frame(), 0),
    "after the end of one whose end nobody saw": ([cut(150_000, "b", "a")], frame(status="interrupted"), 0),
    "a mark may mean another time": ([item("marker", -9_000), item("still_capture", 900_000)], frame(), 0),
    "the end as it was left": ([cut(1, "b", "a")], frame(finalState=B), 0),
    "the end otherwise": ([cut(1, "b", "a")], frame(finalState=A), ODD),
    "the end with nothing on": ([], frame(finalState={"mode": "x"}), ODD),
}


@pytest.mark.parametrize("case", JUDGED)
def test_how_badly_an_order_fits(case: str) -> None:
    """Each case says in its name what it is about."""
    items, known, expected = JUDGED[case]
    assert doubts(items, known, known.completed) == expected


def order(items: list[Item], known: Frame) -> list[str]:
    return [one.key for one in in_order(items, known)]


def test_what_is_of_one_moment_follows_from_each_other_chain_by_chain() -> None:
    """The places of each kind stay: only who has them is put right."""
    items = [
        *(cut(5, "c", "b", key="p1"), item("release", 5, key="h1"), mode(5, "z", **{"from": "y"})),
        *(
            cut(5, "b", "a", key="p2"),
            item("hold", 5, key="h2"),
            mode(5, "y", **{"from": "x"}),
            item("marker", 5, key="m"),
        ),
    ]
    for number, one in enumerate(items):
        one.heard = one.at + number
        one.key = one.key if len(one.key) < 3 else f"o{number}"
    assert order(items, frame()) == ["p2", "h2", "o5", "p1", "h1", "o2", "m"]


def test_where_the_start_is_not_known_a_way_begins_where_nothing_leads_to() -> None:
    assert order([cut(5, "c", "b", key="1"), cut(5, "d", "c", key="2"), cut(5, "b", "a", key="3")], Frame()) == [
        *("3", "1", "2"),
    ]


def test_of_several_ways_the_one_that_was_heard() -> None:
    """Round by c, and then by b; or the other way round: both are ways."""
    items = [cut(5, "b", "a", 2, "1"), cut(5, "a", "b", 3, "2"), cut(5, "c", "a", 0, "3"), cut(5, "a", "c", 1, "4")]
    assert order(items, frame()) == ["3", "4", "1", "2"]


def test_a_way_that_ends_too_soon_is_not_taken() -> None:
    """To d leads first by hearing, and from there nothing goes on."""
    items = [cut(5, "d", "a", 0, "1"), cut(5, "b", "a", 1, "2"), cut(5, "a", "b", 2, "3")]
    assert order(items, frame()) == ["2", "3", "1"]


def test_where_no_way_leads_through_all_it_goes_on_as_far_as_it_can() -> None:
    items = [cut(5, "y", "x", 0, "1"), cut(5, "c", "b", 1, "2"), cut(5, "b", "a", 2, "3"), cut(5, "z", "y", 3, "4")]
    assert order(items, frame()) == ["3", "2", "1", "4"]


def test_a_gap_stands_where_it_was_heard_and_what_follows_goes_on_from_its_far_side() -> None:
    items = [cut(5, "c", "b", 3, "1"), cut(5, "d", "c", 2, "2"), gap(5, 4, A, B), cut(5, "e", "a", 0, "3")]
    items[2].key, items[2].heard = "g", items[2].at - 4
    assert order(items, frame()) == ["3", "g", "1", "2"]


def test_of_one_hearing_the_number_behind_the_key_orders_and_then_the_key() -> None:
    marks = [item("marker", 5, key=key) for key in ("k/10", "k/2", "k", "j/3", "i")]
    assert order(marks, frame()) == ["i", "k", "k/2", "j/3", "k/10"]


def put(items: list[Item], others: dict[str, int]) -> list[Item]:
    """Events with another moment that each may have been at, in ms after the start."""
    for one in items:
        if one.key in others:
            one.others = (T0 + others[one.key] - one.at,)
    return items


def mend(items: list[Item], others: dict[str, int], known: Frame | None = None) -> tuple[str, int]:
    ordered, moved = mended(in_order(put(items, others), known or frame()), known or frame())
    return " ".join(one.key for one in ordered), moved


def test_an_event_that_does_not_fit_is_put_to_where_it_was_heard_if_it_fits_there() -> None:
    items = [cut(3, "c", "b", key="1"), cut(5, "b", "a", key="2"), cut(9, "d", "c", key="3")]
    assert mend(items, {"1": 6}) == ("2 1 3", 1)
    assert not items[0].sure


def test_an_event_that_fits_nowhere_better_stays() -> None:
    items = [cut(3, "c", "b", key="1"), cut(5, "d", "c", key="2")]
    assert mend(items, {"1": 6}) == ("1 2", 0)


def test_an_event_is_put_back_too() -> None:
    items = [cut(5, "b", "a", key="1"), cut(7, "d", "c", key="2"), cut(9, "c", "b", key="3")]
    assert mend(items, {"3": 6}) == ("1 3 2", 1)


def test_what_stands_before_an_event_that_does_not_fit_may_be_what_is_out_of_place() -> None:
    """It fits where it is; what follows it does not."""
    items = [cut(5, "b", "a", key="1"), cut(6, "c", "b", key="2"), cut(7, "a", "b", key="3"), cut(9, "b", "a", key="4")]
    assert mend(items, {"2": 10}) == ("1 3 4 2", 1)


def test_nothing_is_moved_to_where_it_already_stands_or_for_no_better_fit() -> None:
    items = [cut(5, "b", "z", key="1"), cut(7, "c", "b", key="2")]
    assert mend(items, {"1": 6, "2": 8}) == ("1 2", 0)


def test_nothing_is_moved_to_where_what_follows_would_no_longer_fit() -> None:
    """One that does not fit is put right, and another would be wrong for it."""
    items = [cut(3, "a", "c", key="1"), cut(5, "c", "a", key="2"), cut(9, "d", "c", key="3")]
    assert mend(items, {"1": 6}) == ("1 2 3", 0)


def test_before_the_first_event_is_none_that_may_be_out_of_place() -> None:
    """The first does not fit. The last does where it is: it stays, though it would fit elsewhere too."""
    items = [cut(3, "c", "z", key="1"), cut(5, "c", "d", key="2"), cut(9, "d", "c", key="3")]
    assert mend(items, {"3": 4}) == ("1 2 3", 0)


def test_a_move_across_a_gap_is_judged_by_the_gap_s_far_side() -> None:
    far = gap(8, 2, A, B)
    far.key = "g"
    items = [cut(3, "c", "b", key="1"), far, cut(10, "a", "c", key="2")]
    assert mend(items, {"1": 9}) == ("g 1 2", 1)


def test_holds_and_modes_are_mended_alike() -> None:
    held = [item("release", 3, key="1"), item("hold", 5, key="2")]
    assert mend(held, {"1": 9}) == ("2 1", 1)
    modes = [mode(3, "z", **{"from": "y"}), mode(5, "y", **{"from": "x"})]
    modes[0].key, modes[1].key = "1", "2"
    assert mend(modes, {"1": 9}) == ("2 1", 1)


def test_what_no_row_says_is_not_known() -> None:
    assert item("mode_change", 1).origin is UNSET
    assert mode(1, "y", **{"from": None}).origin is None
    assert (frame_of({}).started, frame_of({}).final, dict(frame_of({}).start)) == (None, UNSET, {})


def test_what_is_dated_just_at_the_beginning_of_a_session_is_its_beginning_when_the_clock_was_set_back() -> None:
    """What happened after that is dated long before the session: it goes behind, and all fits either way."""
    hour = 3_600_000
    first = [cut(-NEAR_MS, "b", "a"), cut(10_000, "a", "b")]
    later = [cut(at - hour, to, origin) for at in (60_000, 80_000, 90_000) for to, origin in (("b", "a"), ("a", "b"))]
    turned = turned_round([*later, *first], frame(status="interrupted", completedAt=T0 + 10_000))
    assert [one.at - T0 for one in turned] == [one.at - T0 for one in [*first, *later]]
