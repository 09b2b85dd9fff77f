"""Cuts what OBS recorded by an exported edit, as an editing system would, and looks at the pictures.

The edit is read back by software that is not ours, each piece is cut out of its file by ffmpeg, at the piece's own in
and out, and decoded. What has to be on is what the operator saw OBS tell: never what the tap made of it.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import groupby, pairwise
from math import ceil
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

__all__ = ["FORMATS", "Cutting", "Shown", "fade_begins", "judge_edit", "scenes_of"]

FORMATS = ("edl", "fcp7xml", "fcpxml", "otio")
_ZONE = ZoneInfo("UTC")
_ON_ITS_WAY, _GROWS = 0.1, 0.02
"""Two pictures, the first with so much of the next scene, the second with so much more, show when a fade began."""
_PICTURE = 3
_SHORTEST = 10
"""Pictures that a scene is on at least: so many have to be missing before one may be seen nowhere."""
_LATE = Fraction(1, 2)
"""An event that comes up to half a picture later than others of its recording still falls on its own picture."""


class Shown(NamedTuple):
    """What a file, or a piece of one, shows."""

    scenes: list[str | None]
    """Of each picture; None in the midst of a fade."""
    colours: list[tuple[float, float, float]]

    @property
    def frames(self) -> int:
        """Up to the end of the last picture, by its time in the file."""
        return len(self.scenes)


class Cutting(Struct):
    """How the pieces were."""

    pieces: int = 0
    wrong: list[str] = field(default_factory=list)
    cuts: Counter[int] = field(default_factory=Counter)
    """Of each hard cut, by how many pictures it lies behind the first of its picture; less than 0: before it."""
    told_late: int = 0
    """How many of them are late since OBS told of them late."""
    fades: Counter[int] = field(default_factory=Counter)
    """Of each fade, by how many pictures its piece begins after it can be seen; less than 0: before it."""

    def words(self) -> str:
        cuts = ", ".join(f"{count} off by {off}" for off, count in sorted(self.cuts.items()))
        fades = ", ".join(f"{count} off by {off}" for off, count in sorted(self.fades.items()))
        late = f" ({self.told_late} as OBS told late of them)" if self.told_late else ""
        return f"{self.pieces} pieces, {len(self.wrong)} wrong; hard cuts: {cuts}{late}; fades: {fades or 'none'}"


def scenes_of(log: Log, start: int, end: int) -> list[str]:
    """What the operator put on while a recording ran, one after the other, without repetitions."""
    put = [
        (at, str(data["sceneName"])) for at, kind, data in log.actions if kind == "SetCurrentProgramScene" and at < end
    ]
    first = [log.scenes[0], *(scene for at, scene in put if at < start)][-1]
    return [scene for scene, _ in groupby([first, *(scene for at, scene in put if at >= start)])]


def judge_edit(rows: Sequence[Row], log: Log, format_name: str, cutting: Cutting, lacking: int = 0) -> None:
    """One session in one format: every piece cut, decoded and compared; what is found goes into ``cutting``.

    ``lacking``: by how many pictures a cut may be off since OBS says that it could not write, or draw, some in time.
    """
    made = export(rows, format_name, zone=_ZONE, media="recorded", files=VideoFiles())
    session = next(row.fields for row in rows if row.op == "session")
    folder = Path(session["media"][0]["path"]).parent
    read = _read(format_name, made.files[""])
    whole = {name: _decoded(folder / name, log.colours) for name in {item.file for item in read.items}}
    pieces = [_Piece(item, _decoded(folder / item.file, log.colours, _cut_out(item))) for item in read.items]
    cutting.pieces += len(pieces)
    for piece in pieces:
        if piece.shown.frames != piece.length or piece.item.frame + piece.length > whole[piece.item.file].frames:
            cutting.wrong.append(f"{format_name} {piece}: reaches beyond the end of its file")
    put = scenes_of(log, session["startedAt"], session["completedAt"])
    shown = [str(scene) for scene, _ in groupby(piece.scene for piece in pieces)]
    rest = iter(put)
    if shown != put and not (lacking >= _SHORTEST and all(scene in rest for scene in shown)):
        cutting.wrong.append(f"{format_name} shows {shown}, and the operator had put on {put}")
    late = _lateness(rows, pieces)
    for before, after in pairwise(pieces):
        if before.scene == after.scene:
            _unbroken(before, after, f"{format_name} {after}", cutting)
        elif _told(after, rows).get("durationMs"):
            began = fade_begins(whole[after.item.file], after.item.frame, after.scene)
            cutting.fades[after.item.frame - began] += 1
        else:
            _cut(before, after, late[after.item.start], lacking, f"{format_name} {after}", cutting)


class _Piece(NamedTuple):
    item: Item
    shown: Shown

    def __str__(self) -> str:
        return f"{self.item.file} {self.item.frame} to {self.item.frame + self.length} ({self.scene})"

    @property
    def length(self) -> int:
        return self.item.end - self.item.start

    @property
    def scene(self) -> str | None:
        """What most of it shows."""
        known = Counter(scene for scene in self.shown.scenes if scene is not None)
        return known.most_common(1)[0][0] if known else None

    def early(self) -> int:
        """How many of its first pictures are not its own."""
        return next((number for number, scene in enumerate(self.shown.scenes) if scene == self.scene), 0)

    def late(self) -> int:
        """How many of its last are not."""
        return next((number for number, scene in enumerate(reversed(self.shown.scenes)) if scene == self.scene), 0)


def _unbroken(before: _Piece, after: _Piece, where: str, cutting: Cutting) -> None:
    """The same scene goes on behind a pause, or in the next file."""
    if before.late() or after.early():
        cutting.wrong.append(f"{where}: another scene at its seam")


def _cut(before: _Piece, after: _Piece, late: Fraction, lacking: int, where: str, cutting: Cutting) -> None:
    """A hard cut: within one picture of its first, and further behind only where OBS told of it later than of others.

    When OBS says that a recording started is up to a picture off, and all cuts of that file with it.
    """
    off = before.late() - after.early()
    cutting.cuts[off] += 1
    allowed = max(0, ceil(late - _LATE))
    cutting.told_late += 0 < off <= allowed
    if not -1 - lacking <= off <= allowed + 1 + lacking:
        cutting.wrong.append(f"{where}: begins {off} pictures behind its first; told {float(late):.2f} late")


def _lateness(rows: Sequence[Row], pieces: Sequence[_Piece]) -> dict[int, Fraction]:
    """How much later (pictures) than the soonest of its run OBS told of each hard cut, by the begin of its piece.

    By the frames alone: when an event came, against the picture that shows what it tells of. A run is what lies between
    two pauses: a pause that is misjudged shifts all that is in it, and excuses nothing.
    """
    phases: list[tuple[int, int, Fraction]] = []
    run = 0
    for before, after in pairwise(pieces):
        run += before.item.end != after.item.start
        told = _told(after, rows)
        if before.scene != after.scene and not told.get("durationMs"):
            first = after.item.start - before.late() + after.early()
            at = told["at"] * after.item.fps / 1000
            phases.append((run, after.item.start, at - first))
    soonest = {run: min(phase for other, _, phase in phases if other == run) for run, _, _ in phases}
    return {start: phase - soonest[run] for run, start, phase in phases}


def _told(piece: _Piece, rows: Sequence[Row]) -> Mapping[str, Any]:
    """The cut with which a piece begins."""
    start = next(row.fields["startedAt"] for row in rows if row.op == "session")
    wall = start + piece.item.start * 1000 / piece.item.fps
    cuts = [row.fields for row in rows if row.op == "event" and row.fields["kind"] == "cut"]
    return min(cuts, key=lambda cut: float(abs(cut["at"] - wall)))


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


def _cut_out(item: Item) -> tuple[str, ...]:
    """From a little before the first picture, since a file's times are rounded, as many as the piece has."""
    begin = max(Fraction(0), (item.frame - Fraction(3, 10)) / item.fps)
    return "-ss", f"{float(begin):.6f}", "-frames:v", f"{item.end - item.start}"


def _decoded(path: Path, colours: Mapping[str, str], cut: tuple[str, ...] = ()) -> Shown:
    palette = {scene: tuple(int(text[at : at + 2], 16) for at in (0, 2, 4)) for text, scene in colours.items()}
    pixels = _pixels(path, cut)
    return Shown([_nearest(pixel, palette) for pixel in pixels], pixels)


@cache
def _pixels(path: Path, cut: tuple[str, ...]) -> list[tuple[float, float, float]]:
    """Pictures at their own times: where the recorder left one out, the one before stands."""
    command = [
        *("ffmpeg", "-v", "error", *cut[:2], "-i", str(path), *cut[2:], "-map", "0:v:0"),
        *("-vf", "scale=1:1:flags=area:in_color_matrix=bt709:in_range=tv", "-fps_mode", "cfr", "-r", "30"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=300)
    return [
        (float(done.stdout[at]), float(done.stdout[at + 1]), float(done.stdout[at + 2]))
        for at in range(0, len(done.stdout) - _PICTURE + 1, _PICTURE)
    ]


def _nearest(pixel: Any, palette: Mapping[str, tuple[int, ...]]) -> str | None:
    scene = min(palette, key=lambda one: _distance(pixel, palette[one]))
    return scene if _distance(pixel, palette[scene]) <= 30 else None


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum((ours - theirs) ** 2 for ours, theirs in zip(one, other, strict=True)) ** 0.5)


def fade_begins(whole: Shown, near: int, into: str | None) -> int:
    """The first picture of the fade that begins near a frame of the file: from how far it has come in the next ones.

    The first one itself can hardly be told from the one before it. On a busy machine some are not drawn, and others
    stand in their place: it begins at most one picture before the first in which something of it can be seen.
    """
    base = whole.colours[max(0, near - 3)]
    aim = next(colour for colour, scene in list(zip(whole.colours, whole.scenes, strict=True))[near:] if scene == into)
    wanted = [there - here for there, here in zip(aim, base, strict=True)]

    def part(at: int) -> float:
        came = [now - begun for now, begun in zip(whole.colours[at], base, strict=True)]
        return sum(one * other for one, other in zip(came, wanted, strict=True)) / sum(one * one for one in wanted)

    frames = range(near - 3, len(whole.colours) - 1)
    seen = next((at for at in frames if part(at) > _GROWS), 0)
    for at in frames:
        came, grows = part(at), part(at + 1) - part(at)
        if came > _ON_ITS_WAY and grows > _GROWS:
            return max(seen - 1, ceil(at - came / grows))
    return -1_000
