"""Every format read back by software that is not ours, and compared with the timeline to the frame."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import PurePath
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import opentimelineio as otio
import pycmx
import pytest
import xmlschema

from tap.core.errors import TapError
from tap.history.export import RATES, export, format_of
from tap.history.export.edit import Edit, edit_of
from tap.history.timeline import timeline_of
from tests.history.export.sessions import KEY, T0, gap, made_up, row, session
from tests.history.export.xmeml import SCHEMA

BERLIN = ZoneInfo("Europe/Berlin")
SEEDS = range(8)


def the_edit(rows: list[Any], rate: str = "25", start: Any = "tod") -> Edit:
    return edit_of(timeline_of(rows), RATES[rate], BERLIN, start)


def files(rows: list[Any], name: str, rate: str = "25", **more: Any) -> dict[str, str]:
    return export(rows, name, rate=RATES[rate], zone=BERLIN, **more).files


def one_cut(transition: str | None = None, length: int | None = None) -> list[Any]:
    """Ten seconds: ``a``, then from 4 s on ``b``."""
    mixed = {} if transition is None else {"transition": transition}
    long: dict[str, Any] = {} if length is None else {"durationMs": length}
    told = {"cameraId": "b", "fromCameraId": "a", "trigger": "operator"}
    at = T0 + 4000
    return [
        session(10_000, {"programCameraId": "a"}),
        row("event", "cut/1", at, kind="cut", at=at, observedAt=at, **told, **mixed, **long),
    ]


def shape(edit: Edit) -> list[tuple[int, int, str]]:
    return [(clip.start, clip.end, clip.reel.camera_id if clip.reel else clip.what) for clip in edit.clips]


# ---------------------------------------------------------------------------------------------- the edit itself


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_clips_follow_each_other_without_hole_or_overlap(rate: str, seed: int) -> None:
    """From the first frame to the last; each boundary within half a frame of what the rows say."""
    timeline = timeline_of(made_up(seed))
    edit = edit_of(timeline, RATES[rate], BERLIN)
    assert edit.clips[0].start == 0
    assert edit.clips[-1].end == edit.length
    for before, after in zip(edit.clips, edit.clips[1:], strict=False):
        assert before.end == after.start
    assert all(clip.length > 0 and clip.dissolve <= clip.length for clip in edit.clips)
    for clip in edit.clips:
        if clip.reel is not None:
            lane = next(lane for lane in timeline.lanes if lane.camera_id == clip.reel.camera_id)
            starts = [edit.rate.frames(span.start - timeline.start) for span in lane.on_air]
            assert clip.start in starts


def test_each_cut_is_a_clip_or_a_marker_that_says_why_not() -> None:
    """A shot shorter than a frame cannot be a clip: it is told by a marker, never dropped."""
    rows = made_up(5, 200)
    edit = the_edit(rows)
    cuts = {edit.rate.frames(r.fields["at"] - T0) for r in rows if r.fields.get("kind") == "cut"}
    told = {clip.start for clip in edit.clips} | {marker.at for marker in edit.markers if marker.kind == "cut"}
    assert cuts - {edit.length} <= told
    assert any(marker.kind == "cut" for marker in edit.markers)


def test_after_a_clock_was_set_back_clips_still_do_not_overlap() -> None:
    """What came first keeps its frames."""
    rows = one_cut()
    for number, (at, seen, to) in enumerate([(8000, 8000, "a"), (-20_000, 9000, "b"), (-15_000, 14_000, "a")]):
        told = {"kind": "cut", "at": T0 + 30_000 + at, "observedAt": T0 + 30_000 + seen, "cameraId": to}
        rows.append(row("event", f"cut/more/{number}", T0 + at, **told))
    edit = the_edit(rows)
    assert [clip.start for clip in edit.clips[1:]] == [clip.end for clip in edit.clips[:-1]]
    assert all(clip.length > 0 for clip in edit.clips)


def test_what_was_not_heard_is_black_with_a_marker() -> None:
    """A gap is given to no camera."""
    edit = the_edit([session(10_000, {"programCameraId": "a"}), gap(T0 + 6000, 2000, "a", "b")])
    assert shape(edit) == [(0, 100, "a"), (100, 150, "gap"), (150, 250, "b")]
    [marker] = [marker for marker in edit.markers if marker.kind == "gap"]
    assert (marker.at, marker.length, marker.note) == (100, 50, "no signal for 2.0 s")


def test_a_dissolve_starts_where_the_picture_begins_to_change() -> None:
    """Its length is in frames; what the app calls it is kept; a longer one than its shot ends with it."""
    assert [clip.dissolve for clip in the_edit(one_cut("dissolve", 1000)).clips] == [0, 25]
    assert [clip.dissolve for clip in the_edit(one_cut("Stinger 2", 9000)).clips] == [0, 150]
    assert the_edit(one_cut("Stinger 2", 9000)).clips[1].transition == "Stinger 2"
    assert [clip.dissolve for clip in the_edit(one_cut("cut", 1000)).clips] == [0, 0]


def test_a_session_without_cuts_is_one_clip_and_one_with_nothing_on_air_is_black() -> None:
    """And one that still runs says so."""
    assert shape(the_edit([session(4000, {"programCameraId": "a"})])) == [(0, 100, "a")]
    assert shape(the_edit([session(4000)])) == [(0, 100, "nothing")]
    running = the_edit([session(None), *one_cut()[1:]])
    assert running.notes == ["this session still runs: the file ends with what is known by now"]


def test_stills_outside_the_session_are_kept_at_its_ends() -> None:
    """An upload may come long after the end: its marker says so."""
    late = row("still", "still/1", T0, stillId="s1", cameraId="a", status="uploaded", uploadedAt=T0 + 60_000)
    [marker] = the_edit([*one_cut(), late]).markers
    assert (marker.at, marker.name, marker.note) == (249, "Still a", "uploaded s1; after the session ended")


def test_cameras_of_one_name_get_reels_of_their_own() -> None:
    """Eight letters and digits, all different, and a table that tells which is which."""
    reels = the_edit(made_up(1)).reels
    names = [reel.reel for reel in reels.values()]
    assert len(set(names)) == len(names) == 8
    assert all(re.fullmatch(r"[A-Z0-9]{1,8}", name) for name in names)
    table = list(csv.DictReader(io.StringIO(files(made_up(1), "edl")[".reels.csv"])))
    assert {line["reel"]: line["cameraId"] for line in table} == {r.reel: r.camera_id for r in reels.values()}


# ---------------------------------------------------------------------------------------------- CMX3600


def read_edl(text: str) -> Any:
    return pycmx.parse_cmx3600(io.StringIO(text))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_edl_is_read_back_to_the_frame(rate: str, seed: int) -> None:
    """By pycmx: every event with its reel, its source and record times, and the dissolve's length."""
    rows = made_up(seed)
    edit = the_edit(rows, rate)
    text = files(rows, "edl", rate)[""]
    assert text.splitlines()[1] == ("FCM: DROP FRAME" if rate.endswith("df") else "FCM: NON-DROP FRAME")
    events = list(read_edl(text).events)
    assert len(events) == len(edit.clips)
    for event, clip in zip(events, edit.clips, strict=True):
        into = event.edits[-1]
        assert (into.record_in, into.record_out) == (edit.record(clip.start), edit.record(clip.end))
        assert into.transition.dissolve is bool(clip.dissolve)
        if clip.reel is None:
            assert into.black
        else:
            assert into.source == clip.reel.reel
            assert (into.source_in, into.source_out) == (edit.source(clip.start), edit.source(clip.end))
        if clip.dissolve:
            assert int(into.transition.operand) == clip.dissolve
            assert event.edits[0].record_in == event.edits[0].record_out == edit.record(clip.start)


def test_an_edl_of_more_than_999_events_goes_on_in_a_next_file() -> None:
    """Numbers begin anew, timecode goes on, and nothing is lost or doubled between two files."""
    rows = made_up(7, 2500, shortest_ms=100)
    edit = the_edit(rows)
    made = files(rows, "edl")
    parts = [list(read_edl(made[name]).events) for name in ("", "-2", "-3")]
    assert [len(part) for part in parts[:2]] == [999, 999]
    events = [event for part in parts for event in part]
    assert [event.edits[-1].record_in for event in events] == [edit.record(clip.start) for clip in edit.clips]
    assert parts[1][0].number == 1
    assert made["-2"].splitlines()[0] == "TITLE: Zoes shoot 2-3"


def test_an_edl_is_plain_ascii_and_says_what_a_reel_is() -> None:
    """With locators for markers, and the file that a clip is of."""
    text = files(made_up(3), "edl", media="/rec/{name}.mov")[""]
    assert text.isascii()
    assert "* FROM CLIP NAME: Annas iPhone" in text
    assert "* SOURCE FILE: Wide & close.mov" in text
    assert "Annas iPhone.mov" not in text, "the file has another name: better none than a wrong one"
    made = export(made_up(3), "edl", rate=RATES["25"], zone=BERLIN, media="/rec/{name}.mov")
    assert made.notes[0].startswith("2 files have names that an EDL cannot have")
    assert re.search(r"\* LOC: \d\d:\d\d:\d\d:\d\d GREEN +Still ", text)
    assert all(len(line) < 300 for line in text.splitlines())


def test_the_record_timecode_can_begin_at_zero() -> None:
    """Sources keep the time of day: that is what the files have."""
    [first, *_] = read_edl(files(one_cut(), "edl", start="zero")[""]).events
    assert (first.edits[0].record_in, first.edits[0].source_in) == ("00:00:00:00", "12:06:40:00")


# ---------------------------------------------------------------------------------------------- FCP7 XML


def spans_of(track: Any) -> list[tuple[int, int, str]]:
    """Record times and names of the clips, in frames, as an editor would lay them."""
    laid, at = [], 0
    for item in track:
        if isinstance(item, otio.schema.Transition):
            continue
        length = round(item.source_range.duration.value)
        if isinstance(item, otio.schema.Clip):
            laid.append((at, at + length, item.name))
        at += length
    return laid


def wanted(edit: Edit) -> list[tuple[int, int, str]]:
    return [(clip.start, clip.end, clip.reel.name) for clip in edit.clips if clip.reel is not None]


def dissolves(edit: Edit) -> list[tuple[int, int]]:
    return [(clip.start, clip.dissolve) for clip in edit.clips if clip.dissolve]


def mixes_of(track: Any) -> list[tuple[int, int]]:
    found, at = [], 0
    for item in track:
        if isinstance(item, otio.schema.Transition):
            assert item.in_offset.value == 0
            found.append((at, round(item.out_offset.value)))
        else:
            at += round(item.source_range.duration.value)
    return found


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_fcp7_xml_is_read_back_to_the_frame(rate: str, seed: int) -> None:
    """By OTIO's adapter: clips, dissolves, markers, the start; and it is as the schema says."""
    rows = made_up(seed)
    edit = the_edit(rows, rate)
    text = files(rows, "fcp7xml", rate)[""]
    SCHEMA.validate(text)
    timeline = otio.adapters.read_from_string(text, "fcp_xml")
    [track] = timeline.tracks
    assert spans_of(track) == wanted(edit)
    assert mixes_of(track) == dissolves(edit)
    assert round(timeline.global_start_time.value) == edit.start_frame
    markers = [(m.name, round(m.marked_range.start_time.value)) for m in timeline.tracks.markers]
    assert markers == [(marker.name, marker.at) for marker in edit.markers]


@pytest.mark.parametrize("seed", SEEDS)
def test_fcp7_clips_reach_across_their_transitions(seed: int) -> None:
    """What adapters take from the transition, editors take from in and out: the pictures that are mixed are there."""
    rows = made_up(seed)
    edit = the_edit(rows, "29.97df")
    root = ET.fromstring(files(rows, "fcp7xml", "29.97df")[""])  # noqa: S314 - our own
    nexts = [*edit.clips[1:], None]
    clips = [(clip, after) for clip, after in zip(edit.clips, nexts, strict=True) if clip.reel is not None]
    for item, (clip, after) in zip(root.iter("clipitem"), clips, strict=True):
        into = after.dissolve if after is not None else 0
        told = {name: int(item.findtext(name, "")) for name in ("start", "end", "in", "out")}
        assert told == {
            "start": -1 if clip.dissolve else clip.start,
            "end": -1 if into else clip.end,
            "in": clip.start,
            "out": clip.end + into,
        }
    assert {element.text for element in root.iter("displayformat")} == {"DF"}


def test_fcp7_xml_links_files_and_keeps_hostile_names_harmless() -> None:
    """Paths become URLs; a name with markup stays a name."""
    text = files(made_up(3), "fcp7xml", media="/rec/{name} {reel}.mov")[""]
    SCHEMA.validate(text)
    assert "<pathurl>file://localhost/rec/Steadicam%20%3C2%3E%20STEADICA.mov</pathurl>" in text
    assert "Steadicam &lt;2&gt;" in text


def test_the_schema_refuses_what_is_no_xmeml() -> None:
    """So that its yes means something."""
    text = files(one_cut(), "fcp7xml")[""]
    for wrong in (text.replace("<timebase>25", "<timebase>x"), text.replace("<in>0</in>", "", 1)):
        with pytest.raises(xmlschema.XMLSchemaValidationError):
            SCHEMA.validate(wrong)


# ---------------------------------------------------------------------------------------------- OpenTimelineIO


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_otio_is_read_back_to_the_frame(rate: str, seed: int) -> None:
    """Clips, black, dissolves, markers, source times and the start."""
    rows = made_up(seed)
    edit = the_edit(rows, rate)
    timeline = otio.adapters.read_from_string(files(rows, "otio", rate)[""], "otio_json")
    [track] = timeline.tracks
    assert spans_of(track) == wanted(edit)
    assert mixes_of(track) == dissolves(edit)
    assert timeline.duration() == otio.opentime.RationalTime(edit.length, edit.rate.exact)
    assert timeline.global_start_time.value == edit.start_frame
    sources = [item.source_range.start_time.value for item in track if isinstance(item, otio.schema.Clip)]
    assert sources == [edit.day_frame + clip.start for clip in edit.clips if clip.reel]
    assert [marker.name for marker in timeline.tracks.markers] == [marker.name for marker in edit.markers]


def test_clips_of_the_recorders_own_file() -> None:
    """``recorded`` links all clips to the program that the server recorded."""
    rows = [session(10_000, {"programCameraId": "a"}, media=["/rec/show 1.mkv"]), *one_cut()[1:]]
    timeline = otio.adapters.read_from_string(files(rows, "otio", media="recorded")[""], "otio_json")
    urls = {clip.media_reference.target_url for clip in timeline.find_clips()}
    assert urls == {"file://localhost/rec/show%201.mkv"}
    with pytest.raises(TapError, match="names no recorded file"):
        files(one_cut(), "otio", media="recorded")


@pytest.mark.parametrize("pattern", ["/rec/{nme}.mov", "/rec/{name", "/rec/{}.mov", "/rec/{name.x}.mov", "{0}"])
def test_a_pattern_that_cannot_be_filled_in_is_refused(pattern: str) -> None:
    """With what is known."""
    with pytest.raises(TapError, match=r"known are \{camera\}, \{name\}"):
        files(one_cut(), "otio", media=pattern)


# ---------------------------------------------------------------------------------------------- tables, chapters


def test_csv_has_each_event_in_order_and_no_formula() -> None:
    """Read back by Python's csv; a name that begins like a formula is made harmless."""
    rows = made_up(4)
    told = list(csv.DictReader(io.StringIO(files(rows, "csv")[""].removeprefix("\ufeff"))))
    events = [r for r in rows if r.op == "event"]
    assert sorted(line["eventKey"] for line in told) == sorted(r.key for r in events)
    assert [int(line["atMs"]) for line in told] == sorted(r.fields["at"] for r in events)
    assert told[0]["time"].endswith("+01:00")
    named = [*one_cut()]
    named[1].fields["cameraName"] = "=1+1\x1b]0;x\x07\n\u202e"
    [line] = csv.DictReader(io.StringIO(files(named, "csv")[""].removeprefix("\ufeff")))
    assert line["cameraName"] == "'=1+1 ]0;x   "
    assert line["timecode"] == "12:06:44:00"


def test_json_lines_are_the_rows_as_the_ledger_has_them() -> None:
    """Every row once, the session first, each with its table; what was taken back is left out."""
    rows = made_up(4)
    rows[-2].retracted = {"at": T0, "reason": "rederived"}
    told = [json.loads(line) for line in files(rows, "jsonl")[""].splitlines()]
    assert told[0]["table"] == "productionSessions"
    assert len(told) == len(rows) - 1
    assert {line["sessionKey"] for line in told} == {KEY}


def test_webvtt_has_a_chapter_for_each_shot_and_each_gap() -> None:
    """Times from the start of the session; markup in a name is escaped."""
    rows = [session(10_000, {"programCameraId": "a"}), gap(T0 + 6000, 2000, "a", "b")]
    rows.append(row("camera", "camera/b", cameraId="b", name="B & <b>", joinedAt=T0))
    assert files(rows, "webvtt")[""].split("\n\n") == [
        "WEBVTT",
        "1\n00:00:00.000 --> 00:00:04.000\na",
        "2\n00:00:04.000 --> 00:00:06.000\n(gap: no signal)",
        "3\n00:00:06.000 --> 00:00:10.000\nB &amp; &lt;b&gt;\n",
    ]


def test_names_that_would_break_a_line_do_not() -> None:
    """Line ends, control characters and marks that turn the direction of writing are taken out everywhere."""
    rows = [*one_cut(), row("camera", "camera/b", cameraId="b", name="x\n\x1b[31m\u202ey\u2028z", joinedAt=T0)]
    rows[0].fields["title"] = "<script>\r\n" + "t" * 10_000
    for name in ("edl", "fcp7xml", "webvtt"):
        text = files(rows, name)[""]
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e\u2028]", text)
        assert "[31m y" in text or "[31my" in text
    assert files(rows, "edl")[""].count("TITLE:") == 1


def test_a_format_is_told_by_the_files_name() -> None:
    """Where it means one."""
    assert format_of(PurePath("a.XML")) == "fcp7xml"
    assert format_of(PurePath("a.doc")) is None


def test_thousands_of_cuts_are_written_whole() -> None:
    """In every format: nothing is left out because there is much of it."""
    few, many = made_up(9, 100, shortest_ms=100), made_up(9, 3_000, shortest_ms=100)
    for name in ("edl", "fcp7xml", "otio", "csv", "webvtt", "jsonl"):
        assert sum(map(len, files(many, name).values())) > 10 * sum(map(len, files(few, name).values())), name
