"""Layouts and formats: read back by other people's software they are the same edit; and what each is strict about."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import opentimelineio as otio
import pycmx
import pytest
import xmlschema

from tap.core.merge import Row
from tap.history.export import LAYOUTS, RATES, export
from tests.history.export import fcpxml, xmeml
from tests.history.export.readers import Item, Mix, Read, read_edl, read_fcp7, read_fcpxml, read_otio
from tests.history.export.sessions import T0, made_up, row, session

BERLIN = ZoneInfo("Europe/Berlin")
PATTERN = "/rec/{camera}.mov"
NIGHT = 1_795_042_790_000
"""2026-11-18, 23:59:50 in Berlin."""


def text(rows: list[Row], form: str, rate: str = "25", **more: Any) -> str:
    return export(rows, form, rate=RATES[rate], zone=BERLIN, **{"media": PATTERN, **more}).files[""]


def seen(items: list[Item]) -> list[tuple[int, int, int, str, int, bool]]:
    return sorted((one.track, one.start, one.end, one.file, one.frame, one.enabled) for one in items)


def by_otio(rows: list[Row], rate: str, layout: str) -> Read:
    made = otio.adapters.read_from_string(text(rows, "otio", rate, layout=layout), "otio_json")
    return read_otio(made, RATES[rate].fps)


# ---------------------------------------------------------------------------------------------- the same edit


@pytest.mark.parametrize("rate", ["23.976", "25", "29.97df", "59.94"])
@pytest.mark.parametrize("layout", ["program", "angles"])
@pytest.mark.parametrize("seed", range(2))
def test_fcp7_xml_is_the_edit_that_opentimelineio_has(seed: int, layout: str, rate: str) -> None:
    """By its own adapter, which knows nothing of our writer; and by a parser of XML."""
    rows = made_up(seed, 16)
    ours = by_otio(rows, rate, layout)
    document = text(rows, "fcp7xml", rate, layout=layout)
    xmeml.SCHEMA.validate(document)
    theirs = read_otio(otio.adapters.read_from_string(document, "fcp_xml"), RATES[rate].fps)
    parsed = read_fcp7(document)
    for other in (theirs, parsed):
        assert in_black(seen(other.items), other.mixes) == in_black(seen(ours.items), ours.mixes)
        assert sorted(other.mixes) == sorted(ours.mixes)
    assert {item.file for item in theirs.sounds} == {item.file for item in ours.sounds}


def in_black(items: list[Any], mixes: list[Mix]) -> list[Any]:
    """An item that goes over into black may end before that or with it: both show the same."""
    starts = {mix.start for mix in mixes}
    ends = {mix.start + mix.length: mix.start for mix in mixes}
    return [
        (track, start, ends[end] if end in ends and ends[end] > start and end not in starts else end, *rest)
        for track, start, end, *rest in items
    ]


@pytest.mark.parametrize("rate", ["25", "50", "60"])
@pytest.mark.parametrize("layout", ["program", "angles"])
@pytest.mark.parametrize("seed", range(2))
def test_fcpxml_is_the_edit_that_opentimelineio_has(seed: int, layout: str, rate: str) -> None:
    """By its own adapter, which knows whole rates and no transitions: so of an edit without any."""
    rows = [one for one in made_up(seed, 16) if not one.fields.get("durationMs") or one.fields["kind"] == "gap"]
    ours = by_otio(rows, rate, layout)
    document = text(rows, "fcpxml", rate, layout=layout, start="zero")
    collection = otio.adapters.read_from_string(document, "fcpx_xml")
    theirs = read_otio(collection[0], RATES[rate].fps)
    # It multiplies fractions as floats, and cuts off what is behind the point: 484.999 of 485.
    for their, our in zip(sorted(theirs.items), sorted(ours.items), strict=True):
        assert their.file == our.file
        for name in ("start", "end", "frame"):
            assert getattr(our, name) - getattr(their, name) in (0, 1), (their, our)


@pytest.mark.parametrize("rate", ["23.976", "25", "29.97df", "59.94"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", range(2))
def test_fcpxml_shows_what_opentimelineio_shows(seed: int, layout: str, rate: str) -> None:
    """Frame by frame, in exact fractions, transitions and angles too; and it is as the schema says."""
    rows = made_up(seed, 16)
    document = text(rows, "fcpxml", rate, layout=layout)
    fcpxml.SCHEMA.validate(document)
    read = read_fcpxml(document)
    ours = by_otio(rows, rate, "angles" if layout == "angles" else "program")
    assert pictures(read) == pictures(ours)
    assert sorted(read.mixes) == sorted(ours.mixes)


@pytest.mark.parametrize("rate", ["25", "29.97df"])
@pytest.mark.parametrize("seed", range(3))
def test_a_multicam_in_fcp7_xml_shows_what_the_program_shows(seed: int, rate: str) -> None:
    """Whatever angle is chosen, and its sound with it."""
    rows = made_up(seed, 16)
    document = text(rows, "fcp7xml", rate, layout="multicam")
    xmeml.SCHEMA.validate(document)
    read, ours = read_fcp7(document), by_otio(rows, rate, "program")
    assert pictures(read) == pictures(ours)
    assert {(item.start, item.file) for item in read.sounds} == {(item.start, item.file) for item in read.items}
    assert len(re.findall(r"<clip id=\"angle-\d+\"><name>", document)) == 8, "each angle is told once"


def pictures(read: Read) -> dict[int, tuple[str, int]]:
    """What is seen at each frame, but where pictures are mixed."""
    mixed = {at for mix in read.mixes for at in range(mix.start, mix.start + mix.length)}
    return {
        at: (item.file, item.frame + at - item.start)
        for item in read.items
        if item.enabled
        for at in range(item.start, item.end)
        if at not in mixed
    } | dict.fromkeys(mixed, ("", 0))


@pytest.mark.parametrize(("schema", "form"), [(xmeml.SCHEMA, "fcp7xml"), (fcpxml.SCHEMA, "fcpxml")])
def test_the_schemas_refuse_what_is_wrong(schema: xmlschema.XMLSchema, form: str) -> None:
    """So that their yes means something."""
    for layout in LAYOUTS:
        right = text(made_up(2), form, layout=layout)
        schema.validate(right)
        element = {"fcp7xml": "enabled", "fcpxml": "offset"}[form]
        for wrong in (
            right.replace(element, "other", 1),
            right.replace('id="', 'id="?', 1),
            right.replace("25", "x", 1),
        ):
            with pytest.raises((xmlschema.XMLSchemaException, ValueError, SyntaxError)):
                schema.validate(wrong)


# ---------------------------------------------------------------------------------------------- EDL


def a_night(rate: str, **mixed: Any) -> list[Row]:
    """From 23:59:50 on for forty seconds; the second cut is a second before midnight, with a dissolve across it."""
    whole = session(40_000, {"programCameraId": "a"}, startedAt=NIGHT)
    whole.fields["completedAt"], whole.fields["startState"]["at"] = NIGHT + 40_000, NIGHT
    rows = [whole]
    for number, (at, to, how) in enumerate(((5000, "b", {}), (9000, "a", mixed), (20_000, "b", {}))):
        told = {"kind": "cut", "at": NIGHT + at, "observedAt": NIGHT + at, "cameraId": to}
        rows.append(row("event", f"cut/{number}", NIGHT + at, **told, **(how or {"transition": "cut"})))
    return rows


@pytest.mark.parametrize("rate", ["25", "29.97df", "29.97", "59.94df"])
def test_an_edl_over_midnight_reads_back_right(rate: str) -> None:
    """Later is more, in drop frame too, with a dissolve across it: by pycmx, and by OpenTimelineIO's reader."""
    rows = a_night(rate, transition="Fade", durationMs=2000)
    made = export(rows, "edl", rate=RATES[rate], zone=BERLIN, source="tod", media=PATTERN)
    assert any("the timecode continues past midnight" in note for note in made.notes)
    document, exact = made.files[""], RATES[rate].exact
    if rate != "29.97":  # where OpenTimelineIO begins the day anew 86 s too early
        timeline = otio.adapters.read_from_string(document, "cmx_3600", rate=exact)
        track = timeline.tracks[0]
        lengths = [round(one.source_range.duration.value) for one in track if isinstance(one, otio.schema.Clip)]
        frames = [RATES[rate].frames(ms) for ms in (0, 5000, 9000, 20_000, 40_000)]
        assert lengths == [end - start for start, end in pairwise(frames)]
        (mix,) = (one for one in track if isinstance(one, otio.schema.Transition))
        assert mix.out_offset.value == RATES[rate].frames(2000)
    events = list(pycmx.parse_cmx3600(io.StringIO(document)).events)
    for edit in (edit for event in events for edit in event.edits):
        assert edit.record_in <= edit.record_out
        assert edit.source_in <= edit.source_out
    assert events[2].edits[-1].record_in.startswith("23:59:5")
    assert events[2].edits[-1].record_out == events[3].edits[-1].record_in
    assert events[3].edits[-1].record_in.startswith("24:00:")


def test_the_record_timecode_begins_where_it_is_asked_for() -> None:
    """As most editors want it."""
    document = text(a_night("25"), "edl", start="01:00:00:00")
    first = next(iter(pycmx.parse_cmx3600(io.StringIO(document)).events)).edits[0]
    assert (first.record_in, first.source_in) == ("01:00:00:00", "00:00:00:00")


def test_an_edl_names_files_and_no_invented_reel() -> None:
    """The base name is what it is found again by; a file that has no reel has none here; sound is there."""
    document = text(a_night("25"), "edl", media="/rec/{camera} – cut.mov".replace("–", "-"))
    events = list(pycmx.parse_cmx3600(io.StringIO(document)).events)
    assert {event.edits[0].source for event in events} == {"AX"}
    assert [event.edits[0].clip_name for event in events] == [
        "a - cut.mov",
        "b - cut.mov",
        "a - cut.mov",
        "b - cut.mov",
    ]
    assert all(event.edits[0].channels.audio and event.edits[0].channels.video for event in events)
    assert "* SOURCE FILE: a - cut.mov" in document


def test_labels_are_not_cut_short() -> None:
    """A marker's words are whole."""
    label = "Bitte hier schneiden, sobald der Vorhang ganz oben ist und die Bläser eingesetzt haben (zweite Fassung)"
    rows = [*a_night("25"), row("event", "marker/1", NIGHT, kind="marker", at=NIGHT + 3000, detail={"label": label})]
    assert label.replace("ä", "a") in text(rows, "edl")


def test_markers_for_resolve_are_events_of_a_frame() -> None:
    """With colour, name and length, as its own export writes them."""
    told = {"kind": "marker", "at": NIGHT + 3000, "detail": {"label": "Take | 2", "source": "Stream Deck"}}
    rows = [*a_night("25"), row("event", "marker/1", NIGHT, **told)]
    lines = text(rows, "resolve-markers", start="01:00:00:00").splitlines()
    at = lines.index("001  001      V     C        01:00:03:00 01:00:03:01 01:00:03:00 01:00:03:01  ")
    assert lines[at + 1] == " |C:ResolveColorCyan |M:Take / 2 - Stream Deck |D:1"
    (event,) = pycmx.parse_cmx3600(io.StringIO("\n".join(lines))).events
    assert event.edits[0].record_in == "01:00:03:00"


# ---------------------------------------------------------------------------------------------- fades


@pytest.mark.parametrize("form", ["edl", "fcp7xml", "fcpxml", "otio"])
def test_a_fade_to_black_and_back_is_one(form: str) -> None:
    """In every format that knows transitions."""
    rows = a_night("25")
    off = {"kind": "off_air", "at": NIGHT + 12_000, "observedAt": NIGHT + 12_000, "fromCameraId": "a"}
    rows.append(row("event", "off/1", NIGHT, **off, transition="Fade", durationMs=1000))
    rows[3].fields |= {"transition": "Fade", "durationMs": 800}
    document = text(rows, form)
    read = {
        "edl": lambda: read_edl(
            document, Fraction(25), {f"{c}.mov": (Fraction(0), Fraction(25)) for c in "ab"}, 2_159_750
        ),
        "fcp7xml": lambda: read_fcp7(document),
        "fcpxml": lambda: read_fcpxml(document),
        "otio": lambda: read_otio(otio.adapters.read_from_string(document, "otio_json"), Fraction(25)),
    }[form]()
    assert sorted(read.mixes) == [Mix(300, 25), Mix(500, 20)]
    black = range(326, 499)
    assert not [item for item in read.items if item.start < black.stop and item.end > black.start]


# ---------------------------------------------------------------------------------------------- chapters and shots


def with_marks() -> list[Row]:
    rows = a_night("25")
    for number, (at, label) in enumerate(((0, "Opening"), (15_000, "Song <2>"), (19_000, "too soon"), (28_000, "End"))):
        rows.append(row("event", f"marker/{number}", NIGHT, kind="marker", at=NIGHT + at, detail={"label": label}))
    return rows


def test_chapters_for_youtube_begin_at_zero_and_are_long_enough() -> None:
    """An operator's own marks, where there are any; else the shots."""
    made = export(with_marks(), "youtube", zone=BERLIN)
    assert made.files[""] == "0:00 Opening\n0:15 Song ‹2›\n0:28 End\n"
    assert "1 of 4 chapters are left out: YouTube rejects those under 10 s" in made.notes
    assert text(a_night("25"), "youtube", media=None).splitlines() == ["0:00 a", "0:20 b"]


def test_chapters_as_srt_and_ffmetadata() -> None:
    """Each shot; names that would be commands are none."""
    rows = [*a_night("25"), row("camera", "camera/b", cameraId="b", name="B=1; #2 -->", joinedAt=NIGHT)]
    srt = text(rows, "srt", media=None)
    assert srt.startswith("1\n00:00:00,000 --> 00:00:05,000\na\n\n2\n00:00:05,000 --> 00:00:09,000\nB=1; #2 ->\n\n")
    meta = text(rows, "ffmetadata", media=None)
    assert meta.startswith(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=5000\ntitle=a\n\n[CHAPTER]\n")
    assert "title=B\\=1\\; \\#2 -->\n" in meta


@pytest.mark.parametrize("form", ["webvtt", "srt", "ffmetadata", "youtube"])
def test_chapters_are_by_the_time_of_the_recorded_file(form: str) -> None:
    """What was paused is in none of them."""
    rows = a_night("25")
    pauses = [{"from": NIGHT + 6000, "to": NIGHT + 8000}]
    rows[0].fields["media"] = [{"path": "/rec/x.mkv", "from": NIGHT, "to": NIGHT + 40_000, "pauses": pauses}]
    starts = {"webvtt": "00:00:07.000 -->", "srt": "00:00:07,000 -->", "ffmetadata": "START=7000", "youtube": "0:18 b"}
    document = text(rows, form, media="recorded")
    assert starts[form] in document
    assert "9.000" not in document.replace("\n", " ")


def test_shots_are_a_table_for_excel() -> None:
    """A row a shot, the first included, with its place in the file; and no formula, whatever parts the cells."""
    name = "x;=HYPERLINK(1)\t＝1,+2|@SUM - wide-angle"
    rows = [*a_night("25"), row("camera", "camera/b", cameraId="b", name=name, joinedAt=NIGHT)]
    document = text(rows, "shots")
    assert document.startswith("\ufeffin,out,length,camera,from,transition,timecode,file,position,")
    lines = list(csv.DictReader(io.StringIO(document.removeprefix("\ufeff"))))
    assert [line["camera"] for line in lines][:1] == ["a"]
    assert lines[1]["camera"] == "x;'=HYPERLINK(1) '＝1,'+2|'@SUM - wide-angle"
    assert lines[1]["in"] == "2026-11-18T23:59:55.000+01:00"
    assert (lines[1]["length"], lines[1]["timecode"], lines[1]["file"]) == ("00:00:04.000", "23:59:55:00", "b.mov")
    assert lines[3]["position"] == "00:00:20.000"


@pytest.mark.parametrize("mark", [";", ",", "\t", "|", ":", "#", " "])
@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
def test_no_cell_begins_with_a_formula_whatever_parts_them(begin: str, mark: str) -> None:
    """In any table, read with any separator."""
    evil = f"Cam{mark}{begin}cmd|' /C calc'!A0"
    cut = row("event", "cut/1", T0, kind="cut", at=T0 + 4000, cameraId="b", cameraName=evil, detail={"note": evil})
    rows = [session(10_000, {"programCameraId": "a"}), row("camera", "camera/b", cameraId="b", name=evil), cut]
    for form in ("shots", "csv"):
        for line in text(rows, form, media=None).removeprefix("\ufeff").splitlines():
            for cell in re.split(f"[{re.escape(mark)}]", line):
                assert not cell.lstrip("\"' ").startswith(begin) or cell.lstrip('" ').startswith("'"), cell
    (told,) = csv.DictReader(io.StringIO(text(rows, "csv", media=None).removeprefix("\ufeff")))
    assert json.loads(told["detail"]) == {"note": evil}


# ---------------------------------------------------------------------------------------------- size


_LONG = """
import random, re, sys
from zoneinfo import ZoneInfo
from pathlib import Path
from tap.history.export import export, write, RATES
from tests.history.export.sessions import T0, row, session
draw, length, live = random.Random(1), 12 * 3_600_000, 0
rows = [session(length, {"programCameraId": "cam-0"})]
rows += [row("camera", f"camera/{n}", cameraId=f"cam-{n}", name=f"Kamera {n} \U0001f3a5") for n in range(6)]
for number, at in enumerate(sorted(draw.sample(range(1000, length - 1000), 10_000))):
    to = draw.choice([n for n in range(6) if n != live])
    how = {"transition": "dissolve", "durationMs": 400} if draw.random() < 0.1 else {"transition": "cut"}
    told = dict(kind="cut", at=T0 + at, observedAt=T0 + at, cameraId=f"cam-{to}", fromCameraId=f"cam-{live}", **how)
    rows.append(row("event", f"cut/{number}", T0 + at, **told))
    live = to
form, layout, out = sys.argv[1:]
made = export(rows, form, rate=RATES["25"], zone=ZoneInfo("UTC"), layout=layout, media="/rec/{camera}.mov")
write(made, Path(out), force=True)
print(int(re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of one process is read from /proc")
@pytest.mark.parametrize(
    ("form", "layout", "most"),
    [
        ("otio", "program", 200),
        ("fcp7xml", "angles", 600),
        *(pytest.param(form, "program", 200, marks=pytest.mark.slow) for form in ("edl", "fcp7xml", "fcpxml")),
        *(pytest.param(form, "multicam", 600, marks=pytest.mark.slow) for form in ("fcp7xml", "fcpxml", "otio")),
        *(pytest.param(form, "angles", 600, marks=pytest.mark.slow) for form in ("fcpxml", "otio")),
    ],
)
def test_a_long_session_fits_into_memory(form: str, layout: str, most: int, tmp_path: Any) -> None:
    """Twelve hours, ten thousand cuts, six cameras, in megabytes of a process of its own.

    `ru_maxrss` would not do: a child begins with the peak of whoever started it, here a worker full of other tests.
    """
    command = [sys.executable, "-c", _LONG, form, layout, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= most
