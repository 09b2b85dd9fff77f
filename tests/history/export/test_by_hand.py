"""What exports say, against numbers that were worked out by hand: nothing here is reckoned by what it tests."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import opentimelineio as otio
import pytest

from tap.core.merge import Row
from tap.history.export import RATES, export
from tests.history.export.sessions import T0, row, session

BERLIN = ZoneInfo("Europe/Berlin")


def file_of(rows: list[Row], name: str, rate: str = "25") -> str:
    return export(rows, name, rate=RATES[rate], zone=BERLIN, start="tod").files[""]


def event(kind: str, ms: int, heard: int | None = None, **columns: Any) -> Row:
    at = T0 + ms
    seen = at if heard is None else T0 + heard
    return row("event", f"{kind}/{ms}/{seen}", at, kind=kind, at=at, observedAt=seen, **columns)


def cut(ms: int, to: str, origin: str | None = None, heard: int | None = None) -> Row:
    known = {} if origin is None else {"fromCameraId": origin}
    return event("cut", ms, heard, cameraId=to, **known)


def lines(text: str) -> list[str]:
    """The events of an EDL: reel and record times."""
    found = [line.split() for line in text.splitlines() if line[:3].isdigit()]
    return [" ".join((parts[1], *parts[-2:])) for parts in found]


TIMECODES = {
    "23.976": ("12:06:40:00", "12:23:19:14", "12:39:58:00"),
    "24": ("12:06:40:00", "12:23:20:14", "12:40:00:00"),
    "25": ("12:06:40:00", "12:23:20:15", "12:40:00:00"),
    "29.97": ("12:06:40:00", "12:23:19:18", "12:39:58:00"),
    "29.97df": ("12:06:40;01", "12:23:20;19", "12:40:00;01"),
    "30": ("12:06:40:00", "12:23:20:18", "12:40:00:00"),
    "50": ("12:06:40:00", "12:23:20:30", "12:40:00:00"),
    "59.94": ("12:06:40:00", "12:23:19:36", "12:39:58:00"),
    "59.94df": ("12:06:40;03", "12:23:20;39", "12:40:00;03"),
    "60": ("12:06:40:00", "12:23:20:36", "12:40:00:00"),
}
"""Of the start at 12:06:40, of a cut 1000.6 s later, and of the end 2000 s later.

At 24000/1001 frames a second 1000.6 s are 23990.4 frames: 999 s and 14 frames of 24. With dropped numbers, 12:06:40 is
frame 1306693 of the day (43600 s × 30000/1001): 72 tens of minutes and 6 minutes have dropped 1308 numbers, so it reads
1308001, which is 43600 s and 1.
"""
NUMBERS = {
    "23.976": (24000 / 1001, 24, "TRUE", "NDF"),
    "24": (24.0, 24, "FALSE", "NDF"),
    "25": (25.0, 25, "FALSE", "NDF"),
    "29.97": (30000 / 1001, 30, "TRUE", "NDF"),
    "29.97df": (30000 / 1001, 30, "TRUE", "DF"),
    "30": (30.0, 30, "FALSE", "NDF"),
    "50": (50.0, 50, "FALSE", "NDF"),
    "59.94": (60000 / 1001, 60, "TRUE", "NDF"),
    "59.94df": (60000 / 1001, 60, "TRUE", "DF"),
    "60": (60.0, 60, "FALSE", "NDF"),
}
"""Frames a second, and what an editing system is told: timebase, NTSC, and how numbers are shown."""

ONE_CUT = [session(2_000_000, {"programCameraId": "a"}), cut(1_000_600, "b", "a")]


@pytest.mark.parametrize("rate", TIMECODES)
def test_an_edl_has_the_timecodes_that_a_clock_beside_it_would_show(rate: str) -> None:
    start, middle, end = TIMECODES[rate]
    assert lines(file_of(ONE_CUT, "edl", rate)) == [f"A {start} {middle}", f"B {middle} {end}"]


@pytest.mark.parametrize("rate", NUMBERS)
def test_an_editing_system_is_told_the_rate(rate: str) -> None:
    fps, timebase, ntsc, shown = NUMBERS[rate]
    root = ET.fromstring(file_of(ONE_CUT, "fcp7xml", rate))  # noqa: S314 - our own
    assert {element.text for element in root.iter("timebase")} == {str(timebase)}
    assert {element.text for element in root.iter("ntsc")} == {ntsc}
    assert {element.text for element in root.iter("displayformat")} == {shown}
    timeline = otio.adapters.read_from_string(file_of(ONE_CUT, "otio", rate), "otio_json")
    assert timeline.global_start_time.rate == pytest.approx(fps, abs=1e-9)


def test_frames_of_25_a_second_are_40_ms_each() -> None:
    """Where the clip begins, in frames, in both."""
    root = ET.fromstring(file_of(ONE_CUT, "fcp7xml"))  # noqa: S314 - our own
    assert [element.findtext("start") for element in root.iter("clipitem")] == ["0", "25015"]
    timeline = otio.adapters.read_from_string(file_of(ONE_CUT, "otio"), "otio_json")
    assert [clip.source_range.duration.value for clip in timeline.find_clips()] == [25015, 24985]


def test_a_table_tells_times_to_the_millisecond() -> None:
    [line] = csv.DictReader(
        io.StringIO(file_of([*ONE_CUT[:1], cut(1_000_607, "b", "a")], "csv").removeprefix("\ufeff"))
    )
    assert (line["time"], line["timecode"]) == ("2026-11-18T12:23:20.607+01:00", "12:23:20:15")


# ---------------------------------------------------------------------------------------------- off air, and markers

SHOW = [
    session(25_000, {"programCameraId": "a"}),
    cut(5_000, "b", "a"),
    event("off_air", 10_000, fromCameraId="b", trigger="operator", transition="fade", durationMs=500),
    event("marker", 12_000, detail={"label": "best take", "source": "Stream Deck"}),
    cut(20_000, "b"),
]


def test_off_air_is_black_in_an_edl() -> None:
    """Nothing is on after it until the next cut, and it is none itself; it went black by a fade of 500 ms."""
    text = file_of(SHOW, "edl")
    assert "002  B        V     C        12:06:45:00" in text
    assert "BL       V     D    013 " in text
    assert lines(text) == [
        "A 12:06:40:00 12:06:45:00",
        "B 12:06:45:00 12:06:50:00",
        *("B 12:06:50:00 12:06:50:00", "BL 12:06:50:00 12:07:00:00"),
        "B 12:07:00:00 12:07:05:00",
    ]
    assert "* LOC: 12:06:52:00 CYAN    best take - Stream Deck" in text


def test_off_air_is_where_no_clip_is_in_an_xml() -> None:
    root = ET.fromstring(file_of(SHOW, "fcp7xml"))  # noqa: S314 - our own
    clips = [(item.findtext("name"), item.findtext("start"), item.findtext("end")) for item in root.iter("clipitem")]
    # Black is no clip: the picture that fades lasts until it has.
    assert clips == [("a", "0", "125"), ("b", "125", "263"), ("b", "500", "625")]
    (fade,) = root.iter("transitionitem")
    assert [fade.findtext(name) for name in ("start", "end", "alignment")] == ["250", "263", "end-black"]
    (marker,) = root.iter("marker")
    assert [marker.findtext(name) for name in ("name", "comment", "in")] == ["best take", "Stream Deck", "300"]


def test_off_air_is_a_gap_in_a_timeline() -> None:
    timeline = otio.adapters.read_from_string(file_of(SHOW, "otio"), "otio_json")
    [track] = timeline.tracks
    laid = [(type(item).__name__, item.name, item.duration().value) for item in track]
    assert laid == [
        ("Clip", "a", 125),
        ("Clip", "b", 125),
        ("Transition", "fade", 13),
        ("Gap", "", 250),
        ("Clip", "b", 125),
    ]
    (marker,) = timeline.tracks.markers
    assert (marker.name, marker.comment, marker.color) == ("best take", "Stream Deck", "CYAN")
    assert marker.marked_range.start_time.value == 300


def test_off_air_and_markers_stand_in_tables() -> None:
    told = list(csv.DictReader(io.StringIO(file_of(SHOW, "csv").removeprefix("\ufeff"))))
    assert [(line["kind"], line["timecode"], line["fromCameraId"]) for line in told] == [
        ("cut", "12:06:45:00", "a"),
        ("off_air", "12:06:50:00", "b"),
        ("marker", "12:06:52:00", ""),
        ("cut", "12:07:00:00", ""),
    ]
    assert json.loads(told[2]["detail"]) == {"label": "best take", "source": "Stream Deck"}
    assert file_of(SHOW, "webvtt").split("\n\n")[1:] == [
        "1\n00:00:00.000 --> 00:00:05.000\na",
        "2\n00:00:05.000 --> 00:00:10.000\nb",
        "3\n00:00:20.000 --> 00:00:25.000\nb\n",
    ]


# ---------------------------------------------------------------------------------------------- a clock that is set

SET_BACK = [
    session(55_000, {"programCameraId": "a"}),
    cut(5_000, "b", "a"),
    cut(29_000, "a", "b"),
    cut(26_000, "c", "a", heard=31_000),
    cut(28_000, "b", "c", heard=33_000),
]
"""Set back by 5 s between 29 s and 31 s: the session lasts 60 s, and ends at 55 by its clock."""


def test_an_edl_over_a_clock_that_was_set_back_is_as_it_was_cut() -> None:
    assert lines(file_of(SET_BACK, "edl")) == [
        "A 12:06:40:00 12:06:45:00",
        "B 12:06:45:00 12:07:09:00",
        "A 12:07:09:00 12:07:11:00",
        "C 12:07:11:00 12:07:13:00",
        "B 12:07:13:00 12:07:40:00",
    ]


def test_tables_and_rows_over_a_clock_that_was_set_back_keep_its_times_in_the_order_of_the_shoot() -> None:
    told = list(csv.DictReader(io.StringIO(file_of(SET_BACK, "csv").removeprefix("\ufeff"))))
    assert [(line["cameraId"], int(line["atMs"]) - T0, line["timecode"]) for line in told] == [
        ("b", 5_000, "12:06:45:00"),
        ("a", 29_000, "12:07:09:00"),
        ("c", 26_000, "12:07:11:00"),
        ("b", 28_000, "12:07:13:00"),
    ]
    rows = [json.loads(line) for line in file_of(SET_BACK, "jsonl").splitlines()]
    assert [one["at"] - T0 for one in rows if "at" in one] == [5_000, 29_000, 26_000, 28_000]


def test_that_a_clock_was_set_is_told_with_the_file() -> None:
    made = export(SET_BACK, "edl", rate=RATES["25"], zone=BERLIN)
    assert [note for note in made.notes if "clock" in note] == [
        "the server's clock was set 1 time: times here continue by the clock from the start"
    ]
