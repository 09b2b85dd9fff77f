"""What the live page is told: each thing once, at its moment by the clock that the server has now."""

from __future__ import annotations

from typing import Any

import pytest

from tap.core.model import Entry, Op
from tap.core.status import Happening
from tap.service.ops.session_board import KEPT, SessionBoard, shown

KEY = "hall/s"
T0 = 1_795_000_000_000


def entry(op: Op, key: str, **fields: Any) -> Entry:
    return Entry(f"{KEY}/{key}" if key else KEY, op, KEY, fields.get("at", T0), fields)


def begun(**more: Any) -> Entry:
    start = {"at": T0, "programCameraId": "a"}
    return entry("session", "", status="live", startedAt=T0, startState=start, title="Show", **more)


def event(kind: str, at: float, heard: float | None = None, **fields: Any) -> Entry:
    seen = T0 + round((at if heard is None else heard) * 1000)
    return entry("event", f"{kind}/{at}/{seen}", kind=kind, at=T0 + round(at * 1000), observedAt=seen, **fields)


def cut(at: float, to: str, origin: str | None = None, heard: float | None = None) -> Entry:
    known = {} if origin is None else {"fromCameraId": origin}
    return event("cut", at, heard, cameraId=to, **known)


def seconds(happenings: list[Happening]) -> list[tuple[str, float]]:
    return [(one.kind, (one.at - T0) / 1000) for one in happenings]


def test_off_air_and_markers_are_told() -> None:
    board = SessionBoard()
    off = event("off_air", 10, fromCameraId="b", fromCameraName="Ben", trigger="operator", transition="fade")
    news = board.take([begun(), cut(5, "b", "a"), off, event("marker", 12, detail={"label": "best take"})])
    told = {one.kind: one for one in news}
    assert (told["off_air"].camera, told["off_air"].from_name, told["off_air"].words) == (
        None,
        "Ben",
        "fade · operator",
    )
    assert (told["marker"].words, told["marker"].at) == ("best take", T0 + 12_000)


@pytest.mark.parametrize("state", [None, {}, {"at": T0}])
def test_a_session_whose_row_has_no_state_at_the_start_is_shown(state: dict[str, Any] | None) -> None:
    """A repaired row, or one of another version, may lack it."""
    board = SessionBoard()
    board.take([entry("session", "", status="live", startedAt=T0, startState=state), cut(5, "b")])
    totals = board.totals(T0 + 8_000)
    assert totals is not None
    assert totals.on_air_ms == {"b": 3_000}


def test_what_was_on_air_at_the_start_counts_before_anything_happened() -> None:
    board = SessionBoard()
    board.take([begun()])
    totals = board.totals(T0 + 8_000)
    assert totals is not None
    assert totals.on_air_ms == {"a": 8_000}


@pytest.mark.parametrize("odd", [None, "", 5, ["a"], {"a": 1}])
def test_what_is_no_text_is_shown_as_none(odd: object) -> None:
    assert shown(odd) is None


@pytest.mark.parametrize("length", [1, 119, 120, 121, 1_000])
def test_a_text_that_is_too_long_for_the_page_ends_in_dots(length: int) -> None:
    assert shown("x" * length) == ("x" * length if length <= 120 else "x" * 120 + "…")


def test_what_follows_as_it_should_is_never_told_again() -> None:
    board = SessionBoard()
    board.take([begun(), *(cut(at, "ba"[at % 2], "ab"[at % 2]) for at in range(1, 50))])
    assert board.settle() == []


def test_after_the_clock_was_set_back_what_was_before_is_told_anew_by_the_clock_of_now() -> None:
    """Set back by 5 s between 29 and 31: what is on the page moves by that, once, and every length stays."""
    board = SessionBoard()
    board.take([begun(), cut(5, "b", "a"), cut(29, "a", "b")])
    assert board.settle() == []
    board.take([cut(26, "c", "a", heard=31), cut(28, "b", "c", heard=33)])
    assert seconds(board.settle()) == [("start", -5), ("cut", 0), ("cut", 24)]
    assert seconds(board.happenings) == [("start", -5), ("cut", 0), ("cut", 24), ("cut", 26), ("cut", 28)]
    assert board.settle() == []
    board.take([cut(40, "a", "b", heard=45)])
    assert board.settle() == []


def test_a_title_that_changes_later_leaves_the_start_where_it_is() -> None:
    board = SessionBoard()
    board.take([begun(), cut(5, "b", "a"), cut(29, "a", "b"), cut(26, "c", "a", 31), cut(28, "b", "c", 33)])
    board.settle()
    board.take([begun(notes="renamed")])
    board.settle()
    assert seconds([one for one in board.happenings if one.kind == "start"]) == [("start", -5)]


def test_a_hold_over_a_clock_that_was_set_is_as_long_as_it_was() -> None:
    """Beside the server, on its own machine: only the length that the release tells shows it."""
    board = SessionBoard()
    hold = event("hold", 10, cameraId="a")
    release = event("release", 3630, cameraId="a", durationMs=20_000)
    board.take([begun(), cut(5, "b", "a"), hold, release])
    board.settle()
    moments = dict(seconds(board.happenings))
    assert moments["release"] - moments["hold"] == 20


def test_the_end_stands_where_the_server_s_clock_has_it() -> None:
    board = SessionBoard()
    board.take([begun(), cut(5, "b", "a"), cut(29, "a", "b"), cut(26, "c", "a", 31), cut(28, "b", "c", 33)])
    board.take([entry("session", "", status="complete", startedAt=T0, completedAt=T0 + 55_000)])
    board.settle()
    assert seconds(board.happenings)[-1] == ("end", 55)


def test_only_so_many_are_kept_and_the_newest() -> None:
    board = SessionBoard()
    board.take([begun(), *(cut(at, "ba"[at % 2], "ab"[at % 2]) for at in range(1, KEPT + 500))])
    assert KEPT < len(board.happenings) <= KEPT + 251
    assert board.happenings[-1].at == T0 + 1000 * (KEPT + 499)


def test_another_session_begins_anew() -> None:
    board = SessionBoard()
    board.take([begun(), cut(5, "b", "a"), cut(2, "a", "b", 15)])
    other = Entry("hall/t", "session", "hall/t", T0, {"status": "live", "startedAt": T0 + 60_000})
    board.take([other])
    assert board.settle() == []
    assert seconds(board.happenings) == [("start", 60)]
