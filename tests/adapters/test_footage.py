"""What video files say of themselves: by PyAV and by ffprobe alike, and in words why not."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from tap.adapters import footage
from tap.adapters.footage import VideoFiles, footage_files, read_footage
from tap.core.errors import TapError
from tap.core.footage import Footage, Unread

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the made files need ffmpeg")
FILM = Fraction(30_000, 1001)


def make(path: Path, *options: str, rate: str = "25", seconds: str = "1.2", sound: bool = True) -> Path:
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s=96x64:r={rate}:d={seconds}"]
    command += ["-f", "lavfi", "-i", "sine=d=1.7:r=48000"] if sound else []
    subprocess.run([*command, *options, str(path)], check=True, timeout=300)
    return path


MPEG = ("-c:v", "mpeg2video", "-c:a", "pcm_s16le")
CODED = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
FILES = [
    ("a.mov", (*CODED, "-timecode", "18:30:00;12"), "30000/1001", (FILM, 36, "18:30:00;12", None)),
    ("a.mp4", (*CODED, "-metadata", "creation_time=2026-11-22T18:30:00Z"), "25", (25, 30, None, 1_795_372_200_000)),
    ("a.mkv", CODED, "50", (50, 60, None, None)),
    ("a.ts", CODED, "25", (25, 30, None, None)),
    (
        "b.mxf",
        ("-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-timecode", "10:00:00:05"),
        "25",
        (25, 30, "10:00:00:05", None),
    ),
    ("c.mp4", ("-c:v", "libx264", "-bf", "2", "-c:a", "aac"), "24000/1001", (Fraction(24_000, 1001), 29, None, None)),
]


@needs_ffmpeg
@pytest.mark.parametrize(("name", "options", "rate", "wanted"), FILES)
def test_what_a_header_says(
    tmp_path: Path, name: str, options: tuple[str, ...], rate: str, wanted: tuple[Fraction, int, str | None, int | None]
) -> None:
    """Rate, length to the frame (the sound is longer), size, sound, timecode, creation; both readers say the same."""
    path = make(tmp_path / name, *options, rate=rate)
    read = read_footage(path)
    assert isinstance(read, Footage)
    assert (read.rate, round(read.seconds * read.rate), read.timecode, read.created) == wanted
    assert read.frames in {wanted[1], None}
    assert (read.width, read.height, read.channels) == (96, 64, 1)
    assert footage._by_ffprobe(path) == read


@needs_ffmpeg
def test_what_is_no_video_is_told_in_words(tmp_path: Path) -> None:
    """By both readers, and nothing is raised."""
    whole = make(tmp_path / "whole.mp4", *CODED)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:3000])
    (tmp_path / "text.mov").write_text("no video\n" * 100)
    (tmp_path / "empty.mkv").touch()
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1", str(tmp_path / "sound.mp4")], check=True, timeout=300
    )
    why = {
        one.path.rpartition("/")[2]: one.why
        for one in map(read_footage, footage_files(tmp_path))
        if isinstance(one, Unread)
    }
    assert why["empty.mkv"] == "is empty"
    assert why["sound.mp4"] == "has no pictures in it"
    assert why["cut.mp4"] == why["text.mov"] == "cannot be read: Invalid data found when processing input"
    for name in ("cut.mp4", "text.mov", "sound.mp4"):
        with pytest.raises(footage._Unusable) as raised:
            footage._by_ffprobe(tmp_path / name)
        assert str(raised.value) == why[name]


def test_what_macos_leaves_beside_files_is_passed_over(tmp_path: Path) -> None:
    """And folders of folders are gone through, in order."""
    for name in ("b.MOV", "._b.MOV", "card/CLIP/c.mp4", "notes.txt", ".hidden.mov"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in footage_files(tmp_path)] == ["b.MOV", "card/CLIP/c.mp4"]


def test_without_a_reader_a_folder_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern works all the same: its files are just not read."""
    (tmp_path / "a.mov").write_bytes(b"x")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(TapError, match=r"cannot be read here → install multicam-tap\[media\] or ffmpeg"):
        VideoFiles().folder(str(tmp_path))
    assert VideoFiles().file(str(tmp_path / "a.mov")) is None


def test_a_single_file_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with it is told; one that is not here is none."""
    monkeypatch.setattr(footage, "can_read", lambda: True)
    (tmp_path / "a.mov").touch()
    assert VideoFiles().file(str(tmp_path / "a.mov")) == Unread(path=str(tmp_path / "a.mov"), why="is empty")
    assert VideoFiles().file(str(tmp_path / "b.mov")) is None
