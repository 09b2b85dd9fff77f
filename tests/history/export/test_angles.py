"""Where pictures are: files told apart, placed in time, and asked for no frame that they do not have."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tap.core.errors import TapError, UsageInvalid
from tap.core.footage import Footage, Unread
from tap.core.merge import Row
from tap.history.export import RATES, Exported, export
from tap.history.export.sources import file_url
from tests.history.export.readers import Read, read_fcp7
from tests.history.export.sessions import T0, row, session

BERLIN = ZoneInfo("Europe/Berlin")
TEN_S = 10_000


class Disk:
    """Files that nobody has to make."""

    def __init__(self, *files: Footage | Unread, table: str | None = None) -> None:
        self.files = {one.path: one for one in files}
        self.table = table

    def is_folder(self, path: str) -> bool:
        return any(one.startswith(f"{path.rstrip('/')}/") for one in self.files)

    def folder(self, path: str) -> list[Footage | Unread]:
        return [one for name, one in self.files.items() if name.startswith(f"{path.rstrip('/')}/")]

    def file(self, path: str) -> Footage | Unread | None:
        return self.files.get(path)

    def text(self, path: str) -> str | None:
        return self.table if path in ("/rec/media.csv", "/rec/list.csv") else None


def video(path: str, seconds: float = 10, rate: Fraction = Fraction(25), **more: Any) -> Footage:
    told: dict[str, Any] = {"width": 1280, "height": 720, "channels": 2, "frames": round(seconds * rate)}
    return Footage(path=path, rate=rate, seconds=Fraction(round(seconds * rate)) / rate, **(told | more))


def two_cameras(*, status: str = "complete", **more: Any) -> list[Row]:
    """Ten seconds from 12:06:40.000 in Berlin: a, from 4 s on b."""
    at = T0 + 4000
    return [
        session(TEN_S if status != "live" else None, {"programCameraId": "a"}, **more),
        row("camera", "camera/a", cameraId="a", name="Links", joinedAt=T0),
        row("camera", "camera/b", cameraId="b", name="Rechts 2", joinedAt=T0),
        row("event", "cut/1", at, kind="cut", at=at, observedAt=at, cameraId="b", fromCameraId="a", transition="cut"),
    ]


def made(disk: Disk, rows: Sequence[Row] | None = None, form: str = "fcp7xml", **more: Any) -> Exported:
    return export(rows or two_cameras(), form, zone=BERLIN, files=disk, **{"media": "/rec", **more})


def items(disk: Disk, rows: Sequence[Row] | None = None, **more: Any) -> list[tuple[int, int, str, int]]:
    read: Read = read_fcp7(made(disk, rows, **more).files[""])
    return [(item.start, item.end, item.file, item.frame) for item in read.items]


CLOCK = "12:06:40:00"
"""When the session began, as a timecode of the time of day."""


# ---------------------------------------------------------------------------------------------- whose they are


@pytest.mark.parametrize(
    ("path", "camera"),
    [
        ("/rec/links.mov", "a"),
        ("/rec/LINKS_0001.MP4", "a"),
        ("/rec/2026-11-19 Links (2).mov", "a"),
        ("/rec/Rechts 2.mov", "b"),
        ("/rec/rechts_02_take3.mov", "b"),
        ("/rec/Rechts 2/C0001.MP4", "b"),
        ("/rec/card1/Links/PRIVATE/M4ROOT/CLIP/C0001.MP4", "a"),
        ("/rec/b_C0003.mov", "b"),
        ("/rec/Rechts 22.mov", None),
        ("/rec/C0001.MP4", None),
        ("/rec/Links Rechts 2.mov", "b"),
    ],
)
def test_a_file_is_told_by_its_folder_or_its_name(path: str, camera: str | None) -> None:
    """By whole words and numbers; the longer name counts; what fits no camera is left out, and told."""
    other = video("/rec/links-other.mov", timecode=CLOCK)
    found = made(Disk(video(path, timecode=CLOCK), other))
    line = next(line for line in found.placed if path in line)
    if camera is None:
        assert line.startswith(f"left out: {path}: its camera is not known")
        assert any(path in note for note in found.notes)
    else:
        assert f"{path}: {camera} (its " in line


def test_a_name_that_fits_two_cameras_is_no_guess() -> None:
    """Both are named."""
    rows = [*two_cameras(), row("camera", "camera/c", cameraId="c", name="Links", joinedAt=T0)]
    found = made(Disk(video("/rec/links.mov", timecode=CLOCK), video("/rec/b.mov", timecode=CLOCK)), rows)
    assert "its name fits a and c" in " ".join(found.notes)


ODD_NAMES = ("Steadicam <2>", "Anna’s iPhone", "Zoë — Pixel 9", "カメラ 2")
IDS = ("one", "two", "three", "four")


def called(*names: str) -> list[Row]:
    return [
        session(TEN_S, {"programCameraId": IDS[0]}),
        *(
            row("camera", f"camera/{IDS[number]}", cameraId=IDS[number], name=name, joinedAt=T0)
            for number, name in enumerate(names)
        ),
    ]


@pytest.mark.parametrize(
    ("path", "camera"),
    [
        ("/rec/Steadicam/C0001.mov", "one"),
        ("/rec/Steadicam 2/C0001.mov", "one"),
        ("/rec/Annas iPhone_0001.mov", "two"),
        ("/rec/Anna's iPhone_0001.mov", "two"),
        ("/rec/Zoe Pixel 9.mov", "three"),
        ("/rec/Zoë Pixel 9.mov", "three"),
        ("/rec/C0001_2.mov", None),
    ],
)
def test_a_file_may_spell_a_camera_in_ascii_as_an_edl_does(path: str, camera: str | None) -> None:
    """And without what no file name of Windows has; a name that would lose letters by that is not shortened."""
    other = video("/rec/カメラ 2.mov", timecode=CLOCK)
    line = next(one for one in made(Disk(video(path, timecode=CLOCK), other), called(*ODD_NAMES)).placed if path in one)
    assert line.startswith(f"left out: {path}: its camera is not known" if camera is None else f"{path}: {camera} (its")


def test_a_spelling_that_fits_two_cameras_is_no_guess() -> None:
    """The closest spelling counts; where two are as close, both are named."""
    rows = called("Zoe", "Zoë", "Cam <2>", "Cam <3>")
    disk = Disk(*(video(f"/rec/{name}.mov", timecode=CLOCK) for name in ("Zoe", "Zoë", "Cam/C1", "Cam_0001")))
    told = made(disk, rows)
    assert "/rec/Zoe.mov: one (its name)" in " ".join(told.placed)
    assert "/rec/Zoë.mov: two (its name)" in " ".join(told.placed)
    notes = " ".join(told.notes)
    assert "/rec/Cam/C1.mov: its camera is not known: its folder 'Cam' fits three and four" in notes
    assert "/rec/Cam_0001.mov: its camera is not known: its name fits four and three" in notes


def test_one_channel_of_sound_is_one() -> None:
    one = Disk(video("/rec/links.mov", timecode=CLOCK, channels=1))
    assert "1280x720, 1 channel, " in made(one).placed[0]


def test_files_of_no_known_camera_come_with_the_names_and_what_to_do() -> None:
    disk = Disk(video("/rec/x.mov", timecode=CLOCK), video("/rec/links.mov", timecode=CLOCK))
    step = "rename it after its camera, or list it in media.csv. The cameras are Links, Rechts 2"
    assert f"a file's camera is not known; {step}" in made(disk).notes


def test_names_in_any_script_are_told_apart() -> None:
    """Letters of every script are letters."""
    rows = two_cameras()
    rows[1].fields["name"], rows[2].fields["name"] = "Камера Один", "カメラ二"
    disk = Disk(video("/rec/камера_один_01.mov", timecode=CLOCK), video("/rec/カメラ二-C01.mov", timecode=CLOCK))
    assert [item[2] for item in items(disk, rows)] == ["камера_один_01.mov", "カメラ二-C01.mov"]


# ---------------------------------------------------------------------------------------------- since when


@pytest.mark.parametrize(
    ("told", "frame", "by"),
    [
        ({"timecode": "12:06:30:00"}, 250, "its timecode"),
        ({"timecode": "12:06:30:00", "created": T0 - 3_600_000}, 250, "its timecode"),
        ({"created": T0 - 2000}, 50, "its time of creation"),
        ({"timecode": "01:00:00:00", "created": T0 - 2000}, 50, "its time of creation"),
        ({"timecode": "12:00:00:00", "created": T0 - 2000}, 50, "its time of creation"),
        ({"timecode": "nonsense", "created": T0 - 2000}, 50, "its time of creation"),
    ],
)
def test_a_file_is_placed_by_its_timecode_or_its_creation(told: dict[str, Any], frame: int, by: str) -> None:
    """In that order; a timecode that counts from the hour is no time of day."""
    disk = Disk(video("/rec/links.mov", 30, **told), video("/rec/rechts 2.mov", 30, timecode=CLOCK))
    found = made(disk)
    (line,) = [line for line in found.placed if "links" in line]
    assert by in line
    assert items(disk)[0] == (0, 100, "links.mov", frame)


@pytest.mark.parametrize(
    "name",
    [
        "Links 2026-11-18 12-06-38.mov",
        "links_20261118_120638.mov",
        "20261118T120638 links.mov",
        "links 2026.11.18_12.06.38.mov",
    ],
)
def test_a_file_is_placed_by_the_time_in_its_name(name: str) -> None:
    """The venue's; to the second, which is said."""
    disk = Disk(video(f"/rec/{name}", 30), video("/rec/rechts 2.mov", 30, timecode=CLOCK))
    assert items(disk)[0][3] == 50
    assert "Links: the start of its files is known only to the second" in " ".join(made(disk).notes)


def test_a_table_says_what_cannot_be_told_otherwise() -> None:
    """Camera, begin and offset, by columns in any order, with the spreadsheet's own separator."""
    table = "\ufefffile;start;camera;offset\r\nC1.mov;12:06:38.500;Links;\r\nsub/C1.mov;+1;b;-0.5\r\n"
    disk = Disk(video("/rec/C1.mov", 30), video("/rec/sub/C1.mov", 30), table=table)
    assert items(disk) == [(0, 100, "C1.mov", 37), (100, 250, "C1.mov", 87)]
    assert items(disk, media="/rec/list.csv") == items(disk)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("name,camera\nx,y\n", "/rec/media.csv: is not a table of files"),
        ("file,offset\nx.mov,soon\n", "/rec/media.csv:2: an offset is a number of seconds"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(table: str, words: str) -> None:
    """And what it should be."""
    with pytest.raises(TapError, match=words.replace(".", r"\.")):
        made(Disk(video("/rec/links.mov"), table=table))


def test_a_table_that_names_no_camera_and_no_time_of_this_session_leaves_the_file_out() -> None:
    """In words."""
    table = "file,camera,start\nC1.mov,Mitte,\nC2.mov,Links,later\n"
    disk = Disk(video("/rec/C1.mov"), video("/rec/C2.mov"), video("/rec/b.mov", timecode=CLOCK), table=table)
    notes = " ".join(made(disk).notes)
    assert "the table says 'Mitte', and there is no such camera" in notes
    assert "the table says 'later', which is not a time" in notes


def test_a_camera_is_moved_by_its_offset() -> None:
    """By its id or its name; + is later."""
    disk = Disk(video("/rec/links.mov", 30, timecode="12:06:30:00"), video("/rec/rechts 2.mov", 30, timecode=CLOCK))
    assert items(disk, offsets={"Links": 0.4})[0] == (0, 100, "links.mov", 240)
    assert items(disk, offsets={"a": -0.4, "b": 1})[0] == (0, 100, "links.mov", 260)
    with pytest.raises(UsageInvalid, match=r"there is no such camera.*Links, Rechts 2"):
        made(disk, offsets={"Mitte": 1})


def test_files_of_a_day_ago_and_of_after_midnight_are_placed_by_the_night_that_is_meant() -> None:
    """A camera that began at 23:59:50, and its next file, of 00:00:05."""
    midnight = 1_795_042_800_000
    start = midnight - 5000
    rows = two_cameras(startedAt=start)
    rows[0].fields |= {"completedAt": start + 20_000, "startState": {"at": start, "programCameraId": "a"}}
    rows[3].fields["at"] = start + 12_000
    disk = Disk(
        video("/rec/links 1.mov", 15, timecode="23:59:50:00"),
        video("/rec/links 2.mov", 15, timecode="00:00:05:00"),
        video("/rec/rechts 2.mov", 60, timecode="23:59:50:00"),
    )
    assert items(disk, rows) == [
        *((0, 250, "links 1.mov", 125), (250, 300, "links 2.mov", 0)),
        (300, 500, "rechts 2.mov", 425),
    ]


# ---------------------------------------------------------------------------------------------- what goes wrong


def test_a_folder_with_no_video_is_refused() -> None:
    """With what was found instead."""
    with pytest.raises(TapError, match="there is no video that can be used"):
        made(Disk(Unread(path="/rec/a.mov", why="cannot be read: Invalid data")))
    with pytest.raises(TapError, match="the folder does not exist"):
        made(Disk(), media="/nowhere")


def test_an_empty_folder_says_what_to_put_there() -> None:
    with pytest.raises(TapError, match="no video that can be used → put the cameras' files there, or name them in a"):
        made(_EmptyFolder())


class _EmptyFolder(Disk):
    """A folder that is there, with nothing in it."""

    def is_folder(self, path: str) -> bool:
        return path == "/rec"


@pytest.mark.parametrize(("form", "told"), [("fcp7xml", True), ("fcpxml", True), ("otio", True), ("edl", False)])
def test_a_timeline_without_media_says_that_its_clips_are_offline(form: str, told: bool) -> None:
    words = "no media is given, so the clips are offline; add --media FOLDER"
    assert (words in export(two_cameras(), form, zone=BERLIN).notes) is told
    assert words not in made(Disk(video("/rec/links.mov", timecode=CLOCK)), form=form).notes


def test_a_broken_file_is_left_out_and_the_rest_exported() -> None:
    """With the reason."""
    disk = Disk(video("/rec/links.mov", timecode=CLOCK), Unread(path="/rec/rechts 2.mov", why="cannot be read: moov"))
    found = made(disk)
    assert "left out: /rec/rechts 2.mov: cannot be read: moov" in found.notes
    assert items(disk) == [(0, 100, "links.mov", 0)]


def test_a_camera_without_files_is_black_with_a_marker() -> None:
    """And a note that says for how long."""
    found = made(Disk(video("/rec/links.mov", timecode=CLOCK)))
    assert "Rechts 2: 6.0 s on air are black: it has no file" in found.notes
    assert "<name>No picture: Rechts 2</name>" in found.files[""]


def test_a_file_that_ends_early_is_black_from_there_on() -> None:
    """No frame is asked for that it does not have."""
    disk = Disk(video("/rec/links.mov", 2, timecode=CLOCK), video("/rec/b.mov", 30, timecode=CLOCK))
    assert items(disk) == [(0, 50, "links.mov", 0), (100, 250, "b.mov", 100)]
    assert "Links: 2.0 s on air are black: it has no file at that time" in made(disk).notes


def test_of_two_files_that_overlap_the_first_stands() -> None:
    """And it is said."""
    disk = Disk(
        video("/rec/links 1.mov", 3, timecode=CLOCK),
        video("/rec/links 2.mov", 30, timecode="12:06:41:00"),
        video("/rec/b.mov", 30, timecode=CLOCK),
    )
    assert items(disk)[:2] == [(0, 75, "links 1.mov", 0), (75, 100, "links 2.mov", 50)]
    note = "/rec/links 2.mov: begins 2.0 s before links 1.mov of the same camera ends: until then the first of the two"
    assert f"{note} is shown" in made(disk).notes


def test_files_that_were_split_go_on_without_a_gap() -> None:
    """Though their begins are only told to the second."""
    disk = Disk(
        video("/rec/links 1.mov", 1.6, created=T0 - 1000),
        video("/rec/links 2.mov", 30, created=T0),
        video("/rec/b.mov", 30, timecode=CLOCK),
    )
    assert items(disk)[:2] == [(0, 15, "links 1.mov", 25), (15, 100, "links 2.mov", 0)]


def test_rates_that_differ_are_said_and_each_file_counts_by_its_own() -> None:
    """The edit has that of most of the files."""
    disk = Disk(
        video("/rec/links.mov", 30, timecode="12:06:30:00"),
        video("/rec/b.mov", 10, rate=Fraction(50), timecode="12:06:40:00"),
    )
    assert items(disk) == [(0, 100, "links.mov", 250), (100, 250, "b.mov", 200)]
    assert "the edit has 25 frames a second, and there are files of 50" in made(disk).notes


@pytest.mark.parametrize("layout", ["program", "multicam"])
@pytest.mark.parametrize("early", [0, 1, 2, 13, 33, 1455])
def test_a_file_of_another_rate_that_began_before_the_session_is_rounded_once(early: int, layout: str) -> None:
    """Not where the session begins and again at the cut, which together could show the picture before."""
    edit = RATES["59.94"]
    table = f"file,camera,start\nC1.mov,a,12:06:{(40_000 - early) / 1000:06.3f}\n"
    rows = two_cameras()[:-1]
    for count, at in enumerate(range(T0 + 83, T0 + TEN_S, 83)):
        on, before = ("b", "a") if count % 2 == 0 else ("a", "b")
        told = {"kind": "cut", "at": at, "observedAt": at, "transition": "cut", "cameraId": on, "fromCameraId": before}
        rows.append(row("event", f"cut/{at}", at, **told))
    disk = Disk(video("/rec/C1.mov", 30, rate=Fraction(30_000, 1001)), table=table)
    found = items(disk, rows, rate=edit, layout=layout)
    assert len(found) > 50
    assert [frame for *_, frame in found] == [(start + edit.frames(early)) // 2 for start, *_ in found]


def test_many_short_files_of_another_rate_do_not_drift() -> None:
    """Each ends in the middle of a frame of the edit: that does not add up."""
    first = RATES["50"].frame_of(CLOCK)
    files = [
        video(f"/rec/Links_{count:02}.mov", 0.22, rate=Fraction(50), timecode=RATES["50"].timecode(first + count * 11))
        for count in range(41)
    ]
    shown = items(Disk(*files, video("/rec/b.mov", 60, timecode=CLOCK)), two_cameras()[:-1], rate=RATES["25"])
    assert len(shown) == len(files)
    assert shown[-1][1] == 41 * 11 // 2
    for start, _, name, frame in shown:
        assert int(name[6:8]) * 11 + frame - 2 * start in (0, 1), (start, name, frame)
    assert [end for _, end, *_ in shown[:-1]] == [start for start, *_ in shown[1:]]


def test_a_rate_that_varies_is_said() -> None:
    """As phones make it."""
    disk = Disk(
        video("/rec/links.mov", 30, rate=Fraction(2983, 100), base_rate=Fraction(30), frames=820, timecode=CLOCK),
        video("/rec/b.mov", 30, rate=Fraction(30), timecode=CLOCK),
    )
    assert "/rec/links.mov: its pictures come unevenly" in " ".join(made(disk).notes)


def test_a_session_that_still_runs_and_one_of_more_than_a_day_are_exported() -> None:
    """With a word for both."""
    disk = Disk(video("/rec/links.mov", timecode=CLOCK), video("/rec/b.mov", timecode=CLOCK))
    assert "this session still runs" in " ".join(made(disk, two_cameras(status="live")).notes)
    rows = two_cameras()
    rows[0].fields["completedAt"] = T0 + 30 * 3_600_000
    found = made(disk, rows, form="edl", rate=RATES["25"])
    assert "the timecode continues past midnight, to 42:06:40:00" in " ".join(found.notes)
    rows[0].fields["completedAt"] = T0 + 100 * 3_600_000
    with pytest.raises(TapError, match=r"an EDL has room for 100 hours"):
        made(disk, rows, form="edl", rate=RATES["25"])


# ---------------------------------------------------------------------------------------------- timecode, rate, layout


@pytest.mark.parametrize(
    ("source", "code", "wanted"),
    [
        ("file", "12:06:30:00", "12:06:30:00"),
        ("file", None, "00:00:00:00"),
        ("tod", None, "12:06:40:00"),
        ("01:00:00:00", "12:06:30:00", "01:00:00:00"),
    ],
)
def test_the_timecode_of_the_files_is_their_own_or_as_it_is_asked_for(
    source: str, code: str | None, wanted: str
) -> None:
    """A file without one begins at zero."""
    told: dict[str, Any] = {"created": T0} if code is None else {"timecode": code}
    disk = Disk(video("/rec/links.mov", 30, **told), video("/rec/b.mov", 30, timecode=CLOCK))
    text = made(disk, source=source).files[""]
    first = text.partition('<file id="file-1">')[2].partition("</file>")[0]
    assert f"<string>{wanted}</string>" in first


def test_the_rate_is_that_of_the_files_or_the_server_s_word_or_a_guess() -> None:
    """What is not known is said."""
    disk = Disk(video("/rec/links.mov", 30, rate=Fraction(30_000, 1001), timecode="12:06:40;00"))
    found = made(disk)
    assert "<displayformat>DF</displayformat>" in found.files[""]
    assert not [note for note in found.notes if "--fps" in note]
    told = made(Disk(), two_cameras(media=[{"path": "/rec/x.mkv", "rate": "60"}]), media="recorded")
    assert "60 frames a second, as the server said; set it with --fps" in told.notes
    guessed = export(two_cameras(), "edl", zone=BERLIN)
    assert guessed.notes == [
        "no video was read and the server gives no frame rate, so 25 fps is assumed; set it with --fps"
    ]


def test_formats_of_one_track_know_one_layout() -> None:
    """And say which do more."""
    with pytest.raises(UsageInvalid, match="edl has only one track"):
        export(two_cameras(), "edl", zone=BERLIN, layout="angles")


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/rec/a b.mov", "file://localhost/rec/a%20b.mov"),
        ("C:\\rec\\a b.mov", "file://localhost/C:/rec/a%20b.mov"),
        ("\\\\nas\\rec\\Zoë.mov", "file://nas/rec/Zo%C3%AB.mov"),
        ("//nas/rec/a.mov", "file://nas/rec/a.mov"),
        ("rec/a#1.mov", "rec/a%231.mov"),
        ("/rec/\udcff.mov", "file://localhost/rec/%FF.mov"),
    ],
)
def test_a_path_becomes_the_url_that_editors_read(path: str, url: str) -> None:
    """Of this machine, of Windows, and of a share."""
    assert file_url(path) == url


# ---------------------------------------------------------------------------------------------- what was recorded


def recorded(*pauses: tuple[int, int], end: int = TEN_S, **more: Any) -> list[Row]:
    told = [{"from": T0 + a, "to": T0 + b} for a, b in pauses]
    media = {"path": "/rec/show.mkv", "from": T0, "to": T0 + end, "pauses": told, **more}
    return two_cameras(media=[media])


def test_what_was_paused_is_in_no_file() -> None:
    """Black in the edit, with a marker; and after it the file goes on where it stopped."""
    disk = Disk(video("/rec/show.mkv", 8))
    found = made(disk, recorded((5000, 7000)), media="recorded")
    assert items(disk, recorded((5000, 7000)), media="recorded") == [
        (0, 100, "show.mkv", 0),
        (100, 125, "show.mkv", 100),
        (175, 250, "show.mkv", 125),
    ]
    assert "<comment>not recorded</comment>" in found.files[""]


def test_a_pause_is_as_many_whole_frames_long_as_the_recorder_left_out() -> None:
    """By the beat of the cuts: the events come 13 ms after their pictures, at 25 frames a second."""
    cuts = [
        row("event", f"cut/{at}", T0 + at, kind="cut", at=T0 + at, observedAt=T0 + at, cameraId=to, transition="cut")
        for at, to in ((1013, "b"), (2013, "a"), (3013, "b"), (4013, "a"), (8013, "b"), (9013, "a"))
    ]
    # Asked for between two ticks: from the next one on nothing is recorded, and from the next but one behind it again.
    rows = [*recorded((5014, 7012))[:3], *cuts]
    found = items(Disk(video("/rec/show.mkv", 8.04)), rows, media="recorded")
    assert (100, 126, "show.mkv", 100) in found, "the tick behind the event is the first that is left out"
    assert (200, 225, "show.mkv", 151) in found, "49 were left out, though it was asked for 49.95"


def test_a_recording_that_was_split_goes_on_in_the_next_file() -> None:
    """Also where only the folder tells of it, which it does to the second."""
    disk = Disk(
        video("/rec/2026-11-18 12-06-40.mkv", 4.4),
        video("/rec/2026-11-18 12-06-44.mkv", 5.6),
        video("/rec/2026-11-18 11-00-00.mkv", 9),
    )
    rows = two_cameras(media=[{"path": "/rec/2026-11-18 12-06-40.mkv", "from": T0, "to": T0 + TEN_S}])
    names = ["2026-11-18 12-06-40.mkv", "2026-11-18 12-06-44.mkv"]
    wanted = [(0, 100, names[0], 0), (100, 110, names[0], 100), (110, 250, names[1], 0)]
    assert items(disk, rows, media="recorded") == wanted
    assert items(disk, rows, media="/rec") == wanted


def test_bare_paths_of_an_older_version_are_taken_too() -> None:
    """The file begins with the session."""
    rows = two_cameras(media=["/rec/show.mkv"])
    assert items(Disk(video("/rec/show.mkv", 30)), rows, media="recorded")[0] == (0, 100, "show.mkv", 0)


@pytest.mark.parametrize(
    "odd",
    [
        {"path": 5},
        {"from": 1},
        None,
        7,
        {"path": "/rec/show.mkv", "from": "soon", "pauses": 5, "rate": {}},
        {"path": "/rec/show.mkv", "pauses": [None, {"from": True}, {"from": T0 + 9, "to": T0 + 3}], "rate": "0/0"},
    ],
)
def test_what_cannot_be_read_of_a_row_is_left(odd: Any) -> None:
    """And nothing else falls with it."""
    rows = two_cameras(media=[odd, {"path": "/rec/show.mkv", "from": T0}])
    found = items(Disk(video("/rec/show.mkv", 30)), rows, media="recorded")
    assert found[0][2] == "show.mkv"


def test_a_camera_without_files_shows_the_program_where_that_was_recorded() -> None:
    """While it is on air, that is its picture."""
    rows = two_cameras(media=[{"path": "/far/show.mkv", "from": T0, "to": T0 + TEN_S}])
    disk = Disk(video("/rec/links.mov", 30, timecode=CLOCK), video("/rec/show.mkv", 10))
    assert items(disk, rows) == [(0, 100, "links.mov", 0), (100, 250, "show.mkv", 100)]
    assert [item[2] for item in items(disk, rows, layout="angles")] == [
        "links.mov",
        "links.mov",
        "show.mkv",
        "show.mkv",
    ]
