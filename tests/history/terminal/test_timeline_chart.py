"""A timeline in the terminal: readable at any width, without colour too, and harmless whatever a camera is called."""

from __future__ import annotations

import io
from datetime import timedelta, timezone

import pytest
from rich.cells import cell_len
from rich.console import Console

from tap.core.merge import Row
from tap.core.palette import WARNING, contrast
from tap.history.terminal.timeline_chart import _COLOURS, print_timeline
from tap.history.timeline import Timeline, timeline_of
from tests.history.test_timeline import A, B, camera, cut, event, gap, off_air, session, still

ZONE = timezone(timedelta(hours=2), "CEST")
HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold]e\u202evil\u009b31m\nsecond line"


def rows() -> list[Row]:
    return [
        session(A | {"mode": "rehearsal"}, title="Evening set", notes="edited"),
        camera("a", name="Anna’s iPhone", role="host"),
        camera("b", name="カメラ三", role="wide"),
        camera("c", 40, name="🎥 Dach"),
        cut(20, "b", "a", cameraName="カメラ三"),
        event("hold", 25, cameraId="b"),
        event("release", 30, durationMs=5000),
        event("mode_change", 35, detail={"from": "rehearsal", "to": "performance"}),
        gap(60, 10, B, A),
        event("still_marker", 70, detail={"stillId": "s1", "cameraIds": ["a", "c"]}),
        still("s1", "a", "uploaded", requestedAt=70, capturedAt=71, uploadedAt=72),
        still("s1", "c", "failed", requestedAt=70),
        event("music_moment", 80, detail={"kind": "drop", "confidence": 0.87}),
        event("something_new", 90, detail={"colour": "red"}),
    ]


def shown(timeline: Timeline, width: int, *, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=colour, color_system="truecolor" if colour else None, highlight=False
    )
    print_timeline(timeline, console, ZONE)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 61, 80, 100, 137, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    text = shown(timeline_of(rows()), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lanes_are_equally_wide_whatever_the_cameras_are_called(width: int) -> None:
    """Names of double width move nothing."""
    lanes = [line for line in shown(timeline_of(rows()), width).splitlines() if "····" in line]
    assert len(lanes) == 3
    assert {cell_len(line) for line in lanes} == {width}


def test_without_colour_there_is_no_escape_sequence_and_all_the_text() -> None:
    text = shown(timeline_of(rows()), 100)
    assert "\x1b" not in text
    for told in ("Evening set", "complete", "CEST", "█", "░", "━", "◆", "✕", "♪", "from Anna’s iPhone", "87% sure"):
        assert told in text, told


def test_the_bars_are_where_the_camera_was_on_air() -> None:
    """Twenty of a hundred seconds, then half of the rest without the gap."""
    lanes = {line.split(" ")[0]: line for line in shown(timeline_of(rows()), 120).splitlines() if "█" in line}
    assert lanes["カメラ三"].count("█") / lanes["Anna’s"].count("█") == pytest.approx(30 / 60, abs=0.1)


def test_times_are_those_of_the_zone() -> None:
    """2026-11-18T11:06:40Z is 13:06:40 two hours further east."""
    text = shown(timeline_of(rows()), 100)
    assert "2026-11-18 13:06:40 to 13:08:20 CEST · 1:40" in text
    assert "13:07:00.000  cut" in text


def test_the_events_are_told_in_words() -> None:
    text = " ".join(shown(timeline_of(rows()), 160).split())
    for told in (
        "cut カメラ三 from Anna’s iPhone, operator",
        "release held for 5.0 s",
        "mode change rehearsal → performance",
        "gap no signal for 10.0 s until now; カメラ三 → Anna’s iPhone",
        "still marker requested from Anna’s iPhone, 🎥 Dach",
        "something new colour red",
        "1 cut · stills: 1 uploaded, 1 failed · 1 hold (5.0 s) · 1 gap (10.0 s without signal)",
    ):
        assert told in text, told


@pytest.mark.parametrize("colour", [False, True])
def test_a_hostile_name_does_nothing_to_the_terminal(colour: bool) -> None:
    hostile = [
        session(A, title=HOSTILE, notes=HOSTILE, endReason=HOSTILE),
        camera("a", name=HOSTILE, role=HOSTILE),
        cut(10, HOSTILE, "a", cameraName=HOSTILE, trigger=HOSTILE, transition=HOSTILE),
        event("mode_change", 20, detail={"from": HOSTILE, "to": HOSTILE}),
        event("hold", 20, detail={"reason": HOSTILE}),
        event("music_moment", 20, detail={"kind": HOSTILE}),
        event("other", 20, detail={"x": HOSTILE}),
        gap(60, 10, {"programCameraId": HOSTILE}, {"mode": HOSTILE}),
    ]
    text = shown(timeline_of(hostile), 100, colour=colour)
    for harmful in ("\x1b[2J", "\x1b]", "\x07", "\u202e", "\u009b"):
        assert harmful not in text
    assert "\\x1b[2J" in text
    assert "[bold]" in text


@pytest.mark.parametrize("rows", [[session()], [session(end=0)], [session(end=None)], [cut(1, "a")]])
def test_a_timeline_with_hardly_anything_in_it_is_shown_too(rows: list[Row]) -> None:
    assert shown(timeline_of(rows), 60)


def test_cameras_of_one_name_are_told_apart_by_their_ids() -> None:
    text = shown(timeline_of([session(A), camera("a", name="Cam"), camera("b", name="Cam")]), 80)
    assert "Cam (a)" in text
    assert "Cam (b)" in text


def test_a_very_long_shoot_has_a_readable_clock() -> None:
    text = shown(timeline_of([session(A, end=30 * 3600)]), 100)
    axis = next(line for line in text.splitlines() if line.startswith("   ") and ":" in line)
    assert 2 <= len(axis.split()) <= 9


def test_off_air_and_markers_are_shown_and_a_clock_that_was_set_is_told() -> None:
    timeline = timeline_of(
        [
            session(A, end=55),
            cut(5, "b", "a"),
            off_air(15, "b", trigger="operator", transition="fade", durationMs=500),
            event("marker", 20, detail={"label": "best take", "source": "Stream Deck"}),
            cut(29, "a"),
            cut(26, "c", "a", observed=31),
            cut(28, "b", "c", observed=33),
        ]
    )
    text = shown(timeline, 120)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "13:06:55.000 off air b went off, operator, fade 0.5 s" in lines
    assert "13:07:00.000 marker best take (Stream Deck)" in lines
    assert "13:07:11.000 cut c from a, operator" in lines
    assert any(line.startswith("marker ") and "▾" in line for line in lines)
    assert "▾ marker" in text
    assert "the server's clock was set back by 5.0 s before 13:07:11; times here continue by the first clock" in lines
    assert "2026-11-18 13:06:40 to 13:07:40 CEST · 1:00" in lines


def test_many_shots_in_a_cell_are_as_high_as_their_share() -> None:
    """Three hours with a cut each two seconds are no solid row."""
    rows = [session({"programCameraId": "a"}, end=10_800), camera("a", name="Anna"), camera("b", name="Ben")]
    for number in range(900):
        rows += [cut(12 * number + 10, "b", "a"), cut(12 * number + 12, "a", "b")]
    text = shown(timeline_of(rows), 100)
    lanes = {line.split(" ")[0]: line for line in text.splitlines() if line.count("▁") > 60 or line.count("█") > 60}
    assert set(lanes) == {"Anna", "Ben"}
    assert "several shots, height: their share" in text


def test_a_name_of_300_letters_pushes_no_lane_away() -> None:
    rows = [session({"programCameraId": "a"}), camera("a", name="n" * 300), camera("b", name="Ben")]
    file = io.StringIO()
    print_timeline(timeline_of(rows), Console(file=file, width=1_000_000, highlight=False), ZONE, width=80)
    lane = next(line for line in file.getvalue().splitlines() if "█" in line and "nnn" in line)
    assert lane.index("█") < 130
    assert "n" * 300 in file.getvalue(), "the table has all of it"


@pytest.mark.parametrize("ground", ["#000000", "#ffffff"])
def test_the_colours_can_be_read_on_a_black_terminal_and_on_a_white_one(ground: str) -> None:
    assert min(contrast(colour, ground) for colour in (*_COLOURS, WARNING)) >= 3
