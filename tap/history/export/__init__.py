"""Exports: one session for editing systems (EDL, FCP7 XML, OTIO, WebVTT) and for tables (CSV, JSON lines)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from pathlib import Path, PurePath

from msgspec import Struct

from tap.core.errors import TapError
from tap.core.merge import Row
from tap.history.export.edit import Edit, Start, edit_of
from tap.history.export.edl import edl_files
from tap.history.export.fcp7 import fcp7_file
from tap.history.export.media import check_pattern, file_url, media_of
from tap.history.export.rates import RATES, Rate
from tap.history.export.tables import csv_file, jsonl_file, reels_file, webvtt_file
from tap.history.export.timeline_io import otio_file
from tap.history.timeline import Timeline, timeline_of

__all__ = ["FORMATS", "RATES", "Exported", "Rate", "Start", "check_pattern", "export", "format_of", "write"]

FORMATS = {
    "edl": (".edl",),
    "fcp7xml": (".xml",),
    "otio": (".otio",),
    "webvtt": (".vtt",),
    "csv": (".csv",),
    "jsonl": (".jsonl", ".ndjson"),
}
"""Each format, and the file name endings that mean it."""


class Exported(Struct, kw_only=True):
    """What was written: ``files`` by what is added to the name (the first is ``""``), and what one should know."""

    files: dict[str, str]
    notes: list[str]


def format_of(path: PurePath) -> str | None:
    """The format that a file's name means."""
    return next((name for name, ends in FORMATS.items() if path.suffix.lower() in ends), None)


def export(
    rows: Iterable[Row],
    format_name: str,
    *,
    rate: Rate,
    zone: tzinfo | None,
    start: Start = "tod",
    media: str | None = None,
) -> Exported:
    """One session in one format. Raises ``ValueError`` as :func:`timeline_of` does, ``TapError`` for a bad pattern."""
    kept = [row for row in rows if row.retracted is None]
    timeline = timeline_of(kept)
    edit = edit_of(timeline, rate, zone, start)
    paths = media_of(media, timeline, edit, zone)
    files = _files(format_name, kept, timeline, edit, zone, paths)
    return Exported(files=files, notes=edit.notes)


def write(made: Exported, output: Path, *, force: bool) -> list[Path]:
    """Write all files, the first as ``output``, the others beside it. Raises ``TapError`` where one cannot be.

    Nothing is written where one of them is there already, unless ``force``.
    """
    paths = {_beside(output, part): text for part, text in made.files.items()}
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise TapError("there already is such a file", where=str(there[0]), hint="give another name, or --force")
    for path, text in paths.items():
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise TapError(f"cannot be written: {error.strerror}", where=str(path)) from None
    return list(paths)


def _beside(output: Path, part: str) -> Path:
    """``cut.edl``, ``cut-2.edl``, ``cut.reels.csv``."""
    if part.startswith("."):
        return output.with_suffix(part)
    return output.with_name(f"{output.stem}{part}{output.suffix}")


def _files(
    format_name: str, rows: list[Row], timeline: Timeline, edit: Edit, zone: tzinfo | None, paths: dict[str, str]
) -> dict[str, str]:
    urls = {camera: file_url(path) for camera, path in paths.items()}
    match format_name:
        case "edl":
            names = {camera: path.replace("\\", "/").rpartition("/")[2] for camera, path in paths.items()}
            told = {camera: name for camera, name in names.items() if name.isascii()}
            if len(told) < len(names):
                odd = f"{len(names) - len(told)} files have names that an EDL cannot hold"
                edit.notes.append(
                    f"{odd}: they have no SOURCE FILE line; a pattern with {{reel}} or {{camera}} has one"
                )
            texts = edl_files(edit, told)
            files = {"" if number == 1 else f"-{number}": text for number, text in enumerate(texts, 1)}
            return {**files, ".reels.csv": reels_file(edit.reels.values())}
        case "fcp7xml":
            return {"": fcp7_file(edit, urls)}
        case "otio":
            return {"": otio_file(edit, urls)}
        case "webvtt":
            return {"": webvtt_file(timeline)}
        case "csv":
            return {"": csv_file(timeline, edit, zone)}
        case "jsonl":
            return {"": jsonl_file(rows, timeline)}
        case _:
            raise ValueError(f"no such format: {format_name}")
