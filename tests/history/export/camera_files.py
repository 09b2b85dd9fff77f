"""Made camera files: every picture holds the numbers of its camera, its file and itself, as bars that survive a codec.

A shoot is planned from a seed: four cameras that start and stop when they like, at rates and with timecodes of their
own, one of them without timecode and one whose clock is off; and the cuts of a director. So it is known of every
moment which picture of which camera it shows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from opentimelineio import opentime

from tap.core.merge import Row
from tests.history.export.sessions import KEY, row, session

__all__ = ["CAMERAS", "FPS", "KEY", "ZONE", "Film", "Picture", "Shoot", "Shot", "codes", "film", "planned"]

ZONE = ZoneInfo("Europe/Berlin")
CAMERAS = ("Cam 1", "Kran", "カメラ三", "Steadicam")
_COLUMNS, _ROWS, _CELL = 16, 2, 8
_BITS = _COLUMNS * _ROWS
FPS = {
    "23.976": Fraction(24_000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30_000, 1001),
    "29.97df": Fraction(30_000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": Fraction(60_000, 1001),
    "59.94df": Fraction(60_000, 1001),
    "60": Fraction(60),
}


class Film(NamedTuple):
    """One file of a camera."""

    name: str
    camera: int
    number: int
    rate: str
    at: Fraction
    """When its first picture was taken: ms after the session's start."""
    frames: int
    timecode: str | None
    created: int | None

    @property
    def fps(self) -> Fraction:
        return FPS[self.rate]

    def time_of(self, frame: int) -> Fraction:
        """When one of its pictures was taken: ms after the session's start."""
        return self.at + frame * 1000 / self.fps


class Shot(NamedTuple):
    """From ``at`` (ms after the session's start) on the director had a camera on, or nothing."""

    at: int
    camera: int | None
    dissolve: int = 0
    """Milliseconds."""


class Shoot(NamedTuple):
    """A planned shoot."""

    rate: str
    start: int
    """Unix ms."""
    length: int
    films: list[Film]
    shots: list[Shot]
    offsets: dict[str, float]

    @property
    def rows(self) -> list[Row]:
        """As the ledger has it."""
        cameras = [
            row("camera", f"camera/cam-{number}", cameraId=f"cam-{number}", name=name, joinedAt=self.start)
            for number, name in enumerate(CAMERAS)
        ]
        first = self.shots[0].camera
        state = {} if first is None else {"programCameraId": f"cam-{first}"}
        cuts = [self._cut(before, shot) for before, shot in zip(self.shots, self.shots[1:], strict=False)]
        whole = session(self.length, state, startedAt=self.start)
        whole.fields["startState"]["at"] = self.start
        whole.fields["completedAt"] = self.start + self.length
        return [whole, *cameras, *cuts]

    def _cut(self, before: Shot, shot: Shot) -> Row:
        at = self.start + shot.at
        told: dict[str, Any] = {"kind": "cut" if shot.camera is not None else "off_air", "at": at, "observedAt": at}
        if before.camera is not None:
            told["fromCameraId"] = f"cam-{before.camera}"
        if shot.camera is not None:
            told["cameraId"] = f"cam-{shot.camera}"
        told |= {"transition": "Fade", "durationMs": shot.dissolve} if shot.dissolve else {"transition": "cut"}
        return row("event", f"{told['kind']}/{at}", at, **told)


def planned(seed: int, rate: str, *, length: int = 24_000) -> Shoot:
    """A shoot from a seed; the edit's rate is ``rate``."""
    draw = Random(f"{seed} {rate}")
    start = 1_795_284_000_000 + draw.randrange(3_600_000)
    off = draw.choice((-1.37, 0.45, 2.083))
    films = [film for camera in range(len(CAMERAS)) for film in _films(draw, camera, rate, start, length)]
    # What this camera's clock says is not when it was.
    films = [film._replace(at=film.at + Fraction(str(off)) * 1000) if film.camera == 3 else film for film in films]
    return Shoot(rate, start, length, films, list(_shots(draw, length)), {CAMERAS[3]: off})


def _other(draw: Random, rate: str) -> str:
    return draw.choice(
        {"25": ("50", "25"), "29.97df": ("59.94df", "29.97df"), "59.94": ("29.97", "59.94")}.get(rate, (rate,))
    )


def _films(draw: Random, camera: int, rate: str, start: int, length: int) -> Iterator[Film]:
    own = _other(draw, rate) if camera == 1 else rate
    fps = FPS[own]
    if camera == 2:
        # No timecode: its clock is told to the second, and right.
        at = Fraction(-(start % 1000) - 1000 * draw.randrange(0, 4))
    else:
        at = _on_a_frame(start, Fraction(-draw.randrange(0, 9_000)), own)
    number, label = 0, None
    while at < length:
        lasts = draw.randrange(9_000, 15_000) if camera != 3 else length + 20_000
        frames = int(lasts * fps / 1000)
        # What goes on where the file before it ends goes on counting.
        label = label if label is not None and camera == 0 else _label(start, at, own)
        code = None if camera == 2 else _code(label, own)
        label += frames
        created = start + int(at) if camera == 2 else None
        name = f"C{number + 1:04d}.mov" if camera == 2 else f"{CAMERAS[camera]}_{number + 1:03d}.mov"
        yield Film(name, camera, number, own, at, frames, code, created)
        number += 1
        at += frames * 1000 / fps
        if camera == 1:
            at = _on_a_frame(start, at + draw.randrange(300, 2_500), own)
        elif camera == 2:
            at = Fraction((start + int(at)) // 1000 * 1000 + 2000 - start)


def _on_a_frame(start: int, at: Fraction, rate: str) -> Fraction:
    """The next moment at which a camera that counts by the time of day takes a picture."""
    nominal = round(FPS[rate])
    day = _day(start)
    clock = start + at - day
    if rate.endswith("df"):
        frame = -(-clock * FPS[rate] // 1000)
        return day + frame * 1000 / FPS[rate] - start
    frame = -(-clock * nominal // 1000)
    return day + Fraction(frame * 1000, nominal) - start


def _day(start: int) -> int:
    local = datetime.fromtimestamp(start / 1000, UTC).astimezone(ZONE)
    return round(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def _label(start: int, at: Fraction, rate: str) -> int:
    """The number of the frame whose timecode is this time of day."""
    clock = start + at - _day(start)
    return round(clock * (FPS[rate] if rate.endswith("df") else round(FPS[rate])) / 1000)


def _code(label: int, rate: str) -> str:
    """As OpenTimelineIO counts; at NTSC rates without dropped numbers by the rate that is meant."""
    fps = float(FPS[rate]) if rate.endswith("df") else round(FPS[rate])
    return str(opentime.to_timecode(opentime.RationalTime(label, fps), fps, rate.endswith("df")))


def _shots(draw: Random, length: int) -> Iterator[Shot]:
    camera: int | None = draw.choice((None, 0, 1, 2, 3))
    yield Shot(0, camera)
    at = 0
    while (at := at + draw.choice((draw.randrange(120, 900), draw.randrange(900, 4_000)))) < length - 500:
        camera = draw.choice([other for other in (0, 1, 2, 3, 0, 1, 2, 3, None) if other != camera])
        yield Shot(at, camera, draw.choice((0, 0, 0, draw.randrange(80, 900))))


# ---------------------------------------------------------------------------------------------- the files


def film(one: Film, folder: Path) -> Path:
    """Make the file, some in a folder of their camera's."""
    path = folder / (CAMERAS[2] if one.camera == 2 else "") / one.name
    path.parent.mkdir(exist_ok=True)
    told = [] if one.timecode is None else ["-timecode", one.timecode]
    if one.created is not None:
        moment = datetime.fromtimestamp(one.created / 1000, UTC)
        told += ["-metadata", f"creation_time={moment:%Y-%m-%dT%H:%M:%SZ}"]
    size = f"{_COLUMNS * _CELL}x{_ROWS * _CELL}"
    command = [
        *(
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "gray",
            "-s",
            size,
            "-r",
            str(one.fps),
            "-i",
            "-",
        ),
        *("-f", "lavfi", "-i", f"sine=f={400 + 50 * one.camera}:r=48000", "-shortest"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-g", "12", "-pix_fmt", "yuv420p"),
        *("-c:a", "pcm_s16le", *told, str(path)),
    ]
    pictures = b"".join(_picture(one.camera, one.number, frame) for frame in range(one.frames))
    subprocess.run(command, input=pictures, check=True, timeout=300)
    return path


def _picture(camera: int, number: int, frame: int) -> bytes:
    value = camera << 28 | number << 20 | frame
    check = value.bit_count() & 1
    bits = [value >> bit & 1 for bit in range(_BITS - 1, -1, -1)]
    bits[0] = check
    lines = []
    for line in range(_ROWS):
        cells = bits[line * _COLUMNS : (line + 1) * _COLUMNS]
        lines.append(b"".join((b"\xeb" if bit else b"\x10") * _CELL for bit in cells) * _CELL)
    return b"".join(lines)


class Picture(NamedTuple):
    """What a decoded picture says of itself."""

    camera: int
    number: int
    frame: int


def codes(path: Path, *cut: str) -> list[Picture]:
    """What every picture of a file says, decoded by ffmpeg; ``cut``: its options before the input (``-ss``, ``-t``)."""
    size = f"{_COLUMNS}:{_ROWS}"
    command = ["ffmpeg", "-v", "error", *cut, "-i", str(path), "-map", "0:v:0", "-vf", f"scale={size}:flags=area"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-fps_mode", "passthrough", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300)
    return [_read(done.stdout[at : at + _BITS]) for at in range(0, len(done.stdout) - _BITS + 1, _BITS)]


def _read(cells: bytes) -> Picture:
    bits = [cell > 127 for cell in cells]
    value = int("".join("1" if bit else "0" for bit in bits[1:]), 2)
    camera = value >> 28
    assert value.bit_count() & 1 == bits[0], "a picture that cannot be read"
    return Picture(camera, value >> 20 & 0xFF, value & 0xFFFFF)
