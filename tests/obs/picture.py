"""What was on air, seen in the video that OBS recorded: each scene is one colour."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

__all__ = ["Change", "Shown", "changes", "decode"]

_SIDE = 4
_NEAR = 45.0
"""How far a compressed colour may be from its own; two scenes are at least twice that apart."""


class Shown(NamedTuple):
    """Pictures in a row that show the same: ``camera``, or None in the middle of a transition. Seconds of the file."""

    camera: str | None
    first: float
    last: float


class Change(NamedTuple):
    """The picture went from one camera to another, between two moments (seconds of the file)."""

    was: str
    camera: str
    last: float
    """The last picture that showed nothing but what was."""
    first: float
    """The first picture that shows nothing but what is."""

    @property
    def hard(self) -> bool:
        """From one picture to the next, or nearly: a picture may be lost on a machine that is too slow."""
        return self.first - self.last < 0.11


def decode(path: Path, colours: Mapping[str, str]) -> list[Shown]:
    """What a recording shows. One that was torn off is read as far as it goes."""
    palette = {(int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16)): camera for text, camera in colours.items()}
    frames = [_camera(frame, palette) for frame in _frames(path)]
    times = _times(path)
    found = []
    for camera, run in groupby(zip(frames, times, strict=False), key=lambda item: item[0]):
        moments = [time for _, time in run]
        found.append(Shown(camera, moments[0], moments[-1]))
    return found


def changes(shown: list[Shown]) -> Iterator[Change]:
    """From one whole picture to the next one of another camera."""
    before: Shown | None = None
    for item in shown:
        if item.camera is None:
            continue
        if before is not None and before.camera is not None and before.camera != item.camera:
            yield Change(before.camera, item.camera, before.last, item.first)
        before = item


def _frames(path: Path) -> Iterator[bytes]:
    command = [
        *("ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-vsync", "passthrough"),
        *("-vf", f"scale={_SIDE}:{_SIDE}:flags=area:in_color_matrix=bt709:in_range=tv"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    size = _SIDE * _SIDE * 3
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=300)
    for start in range(0, len(done.stdout) - size + 1, size):
        yield done.stdout[start : start + size]


def _times(path: Path) -> list[float]:
    command = [
        *("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time"),
        *("-of", "csv=p=0", str(path)),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=300)
    return [float(line.split(b",")[0]) for line in done.stdout.split() if line[:1].isdigit()]


def _camera(frame: bytes, palette: Mapping[tuple[int, int, int], str]) -> str | None:
    """The camera whose colour all of the picture has."""
    cells = [frame[at : at + 3] for at in range(0, len(frame), 3)]
    near = {_nearest(cell, palette) for cell in cells}
    return near.pop() if len(near) == 1 else None


def _nearest(cell: bytes, palette: Mapping[tuple[int, int, int], str]) -> str | None:
    def distance(colour: tuple[int, int, int]) -> float:
        return float(sum((ours - theirs) ** 2 for ours, theirs in zip(cell, colour, strict=True)) ** 0.5)

    colour = min(palette, key=distance)
    # Two scenes of one camera (one name in two collections) have a colour each.
    return palette[colour] if distance(colour) <= _NEAR else None
