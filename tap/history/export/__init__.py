"""Exports: one session for editing systems, as chapters of its video, and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from fractions import Fraction
from pathlib import Path, PurePath

from msgspec import Struct

from tap.core.errors import TapError, UsageInvalid, cannot_write
from tap.core.formats import FORMATS, LAYOUTS, Layout, layouts_of
from tap.core.merge import Row
from tap.history.export.angles import angles_of
from tap.history.export.chapters import CHAPTERS, chapter_files
from tap.history.export.edit import edit_of
from tap.history.export.edl import edl_files, marker_files
from tap.history.export.fcp7 import fcp7_file
from tap.history.export.fcpxml import fcpxml_file
from tap.history.export.file_matching import PROGRAM
from tap.history.export.layouts import LaidOut, lay_out
from tap.history.export.otio import otio_file
from tap.history.export.rates import RATES, Rate
from tap.history.export.recorded import on_session_clock, recorded_in
from tap.history.export.tables import csv_file, jsonl_file, reels_file, shots_file
from tap.history.export.take_search import Files, check_pattern, takes_of
from tap.history.export.takes import rate_of, shift_of
from tap.history.timeline import Timeline, timeline_of

__all__ = ["FORMATS", "LAYOUTS", "RATES", "Exported", "Files", "Rate", "check_pattern", "export", "format_of", "write"]

_USUAL = "25"
_NAMING_FILES = ("fcp7xml", "fcpxml", "otio")
"""Formats in which each clip names its file."""
_OFFLINE = "no media is given, so the clips are offline; add --media FOLDER"


class Exported(Struct, kw_only=True):
    """An export: the text of its files, and notes for the person who asked for it."""

    pieces: dict[str, list[str]]
    """The text of each file by what is added to its name (the first is ``""``), in pieces that follow each other."""
    notes: list[str]
    placed: list[str] = []
    """How each file of the media was placed, one a line."""

    @property
    def files(self) -> dict[str, str]:
        """The text of each file, whole."""
        return {name: "".join(text) for name, text in self.pieces.items()}


def format_of(path: PurePath) -> str | None:
    """The format that a file's name ends with, by the longest ending that fits; None if none does."""
    name = path.name.lower()
    found = [(len(end), one) for one, ends in FORMATS.items() for end in ends if name.endswith(end)]
    return max(found)[1] if found else None


def export(
    rows: Iterable[Row],
    format_name: str,
    *,
    rate: Rate | None = None,
    zone: tzinfo | None,
    start: str = "tod",
    media: str | None = None,
    layout: Layout = "program",
    source: str = "file",
    offsets: Mapping[str, float] | None = None,
    files: Files | None = None,
) -> Exported:
    """One session in one format.

    Args:
        rate: of the edit; None: that of the media, or what the server said.
        start: the record timecode of the first frame: ``tod``, ``zero`` or a timecode.
        media: a pattern, ``recorded``, a folder or a table of files; the last two want ``files``, which reads them.
        source: the timecode that files are taken to have: ``file`` (their own), ``tod`` or a timecode.
        offsets: seconds by which the files of a camera (by id or name, or ``program``) begin later.

    Raises ``ValueError`` as :func:`timeline_of` does, ``UsageInvalid`` for what can never be, and ``TapError`` where
    there are no files.
    """
    if layout not in layouts_of(format_name):
        hint = "fcp7xml, fcpxml and otio have tracks for all cameras"
        raise UsageInvalid(f"{format_name} has only one track: it cannot have the layout {layout}", hint=hint)
    kept = [row for row in rows if row.retracted is None]
    timeline = timeline_of(kept)
    laid = _laid(kept, timeline, rate, zone, start, media, source, offsets or {}, files)
    made = _files(format_name, kept, timeline, laid, zone, layout)
    offline = [_OFFLINE] if media is None and format_name in _NAMING_FILES else []
    return Exported(pieces=made, notes=[*offline, *laid.edit.notes, *laid.media.notes], placed=laid.media.told)


def _laid(
    rows: Iterable[Row],
    timeline: Timeline,
    rate: Rate | None,
    zone: tzinfo | None,
    start: str,
    media: str | None,
    source: str,
    offsets: Mapping[str, float],
    files: Files | None,
) -> LaidOut:
    """The edit, laid out with the files that show it."""
    told_media = next((row.fields.get("media") or [] for row in rows if row.op == "session"), [])
    recorded = [on_session_clock(one, timeline) for one in recorded_in(told_media)]
    names = edit_of(timeline, RATES[_USUAL], zone).reels
    found = takes_of(
        media, timeline, names, recorded=recorded, zone=zone, files=files, offsets=_by_camera(timeline, offsets)
    )
    told, by = rate_of(found, recorded)
    chosen = rate or told or RATES[_USUAL]
    try:
        edit = edit_of(timeline, chosen, zone, start, shift=shift_of(found, timeline.start, chosen))
        if source not in {"file", "tod"}:
            chosen.frame_of(source)
    except ValueError as error:
        raise UsageInvalid(str(error), hint=f"such as 01:00:00:00, at {chosen.name} frames a second") from None
    pictures = angles_of(found, timeline, edit.reels, edit.grid, edit.length, zone=zone, source=source)
    if rate is None and (told is None or by != "the files"):
        assumed = f"no video was read and the server gives no frame rate, so {chosen.name} fps is assumed"
        known = f"{chosen.name} frames a second, as {by} said" if told else assumed
        pictures.notes.append(f"{known}; set it with --fps")
    return lay_out(edit, pictures)


def _by_camera(timeline: Timeline, offsets: Mapping[str, float]) -> dict[str, Fraction]:
    """Milliseconds by camera id, for cameras named by id or name. Raises ``UsageInvalid`` for an unknown camera."""
    names = {lane.name: lane.camera_id for lane in timeline.lanes if lane.name}
    ids = {lane.camera_id for lane in timeline.lanes} | {PROGRAM}
    found = {}
    for name, seconds in offsets.items():
        camera = name if name in ids else names.get(name)
        if camera is None:
            known = ", ".join(sorted(names) or sorted(ids))
            raise UsageInvalid("there is no such camera to move", where=name, hint=f"there are {known}; and {PROGRAM}")
        found[camera] = Fraction(str(seconds)) * 1000
    return found


def write(made: Exported, output: Path, *, force: bool) -> list[Path]:
    """Write all files of an export, the first as ``output``, the others beside it, and return their paths.

    Raises:
        TapError: A file cannot be written, or exists already and ``force`` is not given; then none is written.
    """
    paths = {_beside(output, part): text for part, text in made.pieces.items()}
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise TapError("the file already exists", where=str(there[0]), hint="give another name, or --force")
    for path, text in paths.items():
        try:
            _write_one(path, text)
        except OSError as error:
            raise cannot_write(str(path), error) from None
    return list(paths)


def _write_one(path: Path, text: Iterable[str]) -> None:
    """Write a file whole or not at all, since others may watch the folder; into a pipe or device piece by piece."""
    place = path if path.exists() and not path.is_file() else path.with_name(f".{path.name[:200]}.part")
    try:
        with place.open("w", encoding="utf-8", newline="") as file:
            file.writelines(text)
        if place != path:
            place.replace(path)
    except BaseException:
        if place != path:
            place.unlink(missing_ok=True)
        raise


def _beside(output: Path, part: str) -> Path:
    """``cut.edl``, ``cut-2.edl``, ``cut.reels.csv``."""
    if part.startswith("."):
        return output.with_suffix(part)
    return output.with_name(f"{output.stem}{part}{output.suffix}")


def _files(
    format_name: str, rows: list[Row], timeline: Timeline, laid: LaidOut, zone: tzinfo | None, layout: Layout
) -> dict[str, list[str]]:
    match format_name:
        case "edl":
            return {**_numbered(edl_files(laid)), ".reels.csv": [reels_file(laid)]}
        case "resolve-markers":
            return _numbered(marker_files(laid.edit))
        case "fcp7xml":
            return {"": fcp7_file(laid, layout)}
        case "fcpxml":
            return {"": fcpxml_file(laid, layout)}
        case "otio":
            return {"": otio_file(laid, layout)}
        case "shots":
            return {"": [shots_file(timeline, laid, zone)]}
        case "csv":
            return {"": [csv_file(timeline, laid.edit, zone)]}
        case "jsonl":
            return {"": [jsonl_file(rows, timeline)]}
        case chapters if chapters in CHAPTERS:
            return _numbered(chapter_files(chapters, timeline, laid))
        case _:
            raise ValueError(f"no such format: {format_name}")


def _numbered(texts: list[str]) -> dict[str, list[str]]:
    return {"" if number == 1 else f"-{number}": [text] for number, text in enumerate(texts, 1)}
