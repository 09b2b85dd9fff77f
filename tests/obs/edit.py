"""Cuts what OBS recorded by an exported edit, as an editing system would, and looks at the pictures.

The edit is read back by software that is not ours, each piece is cut out of its file by ffmpeg, at the piece's own in
and out, and decoded. What has to be on is what the operator saw OBS tell: never what the tap made of it.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import opentimelineio as otio
from msgspec import Struct, field
from opentimelineio import opentime

from tap.adapters.footage import VideoFiles
from tap.core.merge import Row
from tap.history.export import export
from tests.history.export.readers import Item, Read, read_edl, read_fcp7, read_fcpxml, read_otio
from tests.obs.shoot import Log

__all__ = ["FORMATS", "Cutting", "Turn", "judge_edit", "told_in_time", "turns_of"]

FORMATS = ("edl", "fcp7xml", "fcpxml", "otio")
_ZONE = ZoneInfo("UTC")
_NEAR_MS = 45
"""A picture is told by its event at most so much later; a piece that begins sooner before a turn is of it."""
_CHANGED = 4.0
"""So far from the pictures before it (in RGB) a picture shows that a fade has begun."""
_PICTURE = 3


class Turn(NamedTuple):
    """The operator put a scene on, at a wall time (ms): at once, or by a fade that began then."""

    at: int
    scene: str
    hard: bool


class Cutting(Struct):
    """How the pieces were."""

    pieces: int = 0
    wrong: list[str] = field(default_factory=list)
    late: Counter[int] = field(default_factory=Counter)
    """Of pieces that end at a hard cut: how many of their last pictures are of the next."""
    fades: list[int] = field(default_factory=list)
    """Of each fade, by how many pictures its piece begins after it does."""

    def words(self) -> str:
        late = ", ".join(f"{count} end {frames} late" for frames, count in sorted(self.late.items()))
        fades = f"; fades begin off by {sorted(self.fades)}" if self.fades else ""
        return f"{self.pieces} pieces, {len(self.wrong)} wrong: {late}{fades}"


def turns_of(log: Log, start: int, end: int, first: str) -> list[Turn]:
    """What was on between two wall times, by what OBS told the operator's client."""
    turns = [Turn(start, first, True)]
    began: int | None = None
    for at, kind, data in log.events:
        if kind == "SceneTransitionStarted":
            began = at
        elif kind == "CurrentProgramSceneChanged" and start < at < end:
            hard = began is None or at - began < 200
            turns.append(Turn(at if hard or began is None else began, data["sceneName"], hard))
            began = None
    return turns


def told_in_time(media: Mapping[str, Any], log: Log, turns: Sequence[Turn]) -> bool:
    """Whether OBS told the operator's client of its first cuts within a frame of their pictures.

    On a machine that is busy with other things it does not, and then nobody can know where the pictures are.
    """
    until = min([pause["from"] for pause in media.get("pauses", [])] + [media.get("to", turns[-1].at)])
    began = min((at for at, kind, data in log.events if _begins_at(kind, data)), key=lambda at: abs(at - media["from"]))
    scenes = _decoded(Path(media["path"]), log.colours).scenes
    pictures = [at for at, (one, other) in enumerate(pairwise(scenes), 1) if one != other]
    told = [(turn.at - began) * 30 / 1000 for turn in turns[1:] if turn.hard and turn.at < until]
    off = [event - picture for event, picture in zip(told, pictures, strict=False)][:4]
    return abs(began - media["from"]) < 1000 / 30 and bool(off) and all(-0.4 < one < 1 for one in off)


def _begins_at(kind: str, data: Mapping[str, Any]) -> bool:
    return kind == "RecordStateChanged" and str(data.get("outputState", "")).endswith("_STARTED")


def judge_edit(rows: Sequence[Row], log: Log, turns: Sequence[Turn], format_name: str, cutting: Cutting) -> None:
    """One session in one format: every piece cut, decoded and compared; what is found goes into ``cutting``."""
    made = export(rows, format_name, zone=_ZONE, media="recorded", files=VideoFiles())
    session = next(row.fields for row in rows if row.op == "session")
    folder, start = Path(session["media"][0]["path"]).parent, session["startedAt"]
    read = _read(format_name, made.files[""])
    files = {item.file for item in read.items}
    whole = {name: _decoded(folder / name, log.colours) for name in files}
    for index, item in enumerate(read.items):
        after = read.items[index + 1] if index + 1 < len(read.items) else None
        turn = _turn_at(start + item.start * 1000 / item.fps, turns)
        shown = _decoded(folder / item.file, log.colours, _cut_out(item))
        cutting.pieces += 1
        where = f"{format_name} {item.file} {item.frame} to {item.frame + item.end - item.start} ({turn.scene})"
        if not shown.scenes or item.frame + item.end - item.start > whole[item.file].frames:
            cutting.wrong.append(f"{where}: reaches beyond the end of its file")
        elif turn.hard or item.start == 0 or not _begins(item, start, turn):
            if turn.hard and shown.scenes[0] != turn.scene:
                cutting.wrong.append(f"{where}: begins with {shown.scenes[0]}")
        else:
            cutting.fades.append(item.frame - _fade_begins(whole[item.file], item.frame))
        into = None if after is None else _turn_at(start + after.start * 1000 / after.fps, turns)
        if into is not None and into.hard and into.scene != turn.scene:
            cutting.late[_tail(shown.scenes, turn.scene)] += 1


def _begins(item: Item, start: int, turn: Turn) -> bool:
    """Whether the piece begins at its turn, and not behind a pause or at a file's begin in the midst of it."""
    return abs(start + item.start * 1000 / item.fps - turn.at) < 2 * _NEAR_MS


def _turn_at(wall: Fraction | float, turns: Sequence[Turn]) -> Turn:
    return [turn for turn in turns if turn.at <= wall + _NEAR_MS][-1]


def _tail(scenes: Sequence[str | None], scene: str) -> int:
    return next((count for count, one in enumerate(reversed(scenes)) if one == scene), len(scenes))


def _read(format_name: str, text: str) -> Read:
    rate = Fraction(30)
    match format_name:
        case "edl":
            begin = round(opentime.from_timecode(text.splitlines()[2].split()[6], 30).value)
            return read_edl(text, rate, _FromZero(), begin)
        case "fcp7xml":
            return read_fcp7(text)
        case "fcpxml":
            return read_fcpxml(text)
        case _:
            return read_otio(otio.adapters.read_from_string(text, "otio_json"), rate)


class _FromZero(dict[str, tuple[Fraction, Fraction]]):
    """OBS writes no timecode."""

    def __missing__(self, name: str) -> tuple[Fraction, Fraction]:
        return Fraction(0), Fraction(30)


# ---------------------------------------------------------------------------------------------- pictures


class _Shown(NamedTuple):
    scenes: list[str | None]
    """What each picture shows; None in the midst of a fade."""
    colours: list[tuple[float, float, float]]
    frames: int
    """Up to the end of the last picture, by its time in the file."""


def _cut_out(item: Item) -> tuple[str, ...]:
    """As an editor's program seeks: half a picture before the first, for as long as the piece is."""
    begin = max(Fraction(0), (item.frame - Fraction(1, 2)) / item.fps)
    return "-ss", f"{float(begin):.6f}", "-t", f"{float((item.end - item.start) / item.fps):.6f}"


def _decoded(path: Path, colours: Mapping[str, str], cut: tuple[str, ...] = ()) -> _Shown:
    """Pictures at their own times: where the recorder left one out, the one before stands."""
    command = [
        *("ffmpeg", "-v", "error", *cut, "-i", str(path), "-map", "0:v:0"),
        *("-vf", "scale=1:1:flags=area:in_color_matrix=bt709:in_range=tv", "-fps_mode", "cfr", "-r", "30"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=120)
    pixels = [
        (float(done.stdout[at]), float(done.stdout[at + 1]), float(done.stdout[at + 2]))
        for at in range(0, len(done.stdout) - _PICTURE + 1, _PICTURE)
    ]
    palette = {scene: tuple(int(text[at : at + 2], 16) for at in (0, 2, 4)) for text, scene in colours.items()}
    return _Shown([_nearest(pixel, palette) for pixel in pixels], pixels, len(pixels))


def _nearest(pixel: Any, palette: Mapping[str, tuple[int, ...]]) -> str | None:
    scene = min(palette, key=lambda one: _distance(pixel, palette[one]))
    return scene if _distance(pixel, palette[scene]) <= 30 else None


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum((ours - theirs) ** 2 for ours, theirs in zip(one, other, strict=True)) ** 0.5)


def _fade_begins(whole: _Shown, near: int) -> int:
    """The first picture of the fade that begins near a frame of the file."""
    for at in range(max(1, near - 10), min(len(whole.colours), near + 15)):
        if _distance(whole.colours[at], whole.colours[max(0, at - 3)]) > _CHANGED:
            return at
    return -1_000
