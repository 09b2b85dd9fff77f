"""``export``: a session for an editing system, or as a table."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.cli.arguments import RATE_NAMES, TEXT, CameraOffset, PathName, TimecodeOr
from tap.cli.root import cli
from tap.cli.shared import ledger_option, print_lines, print_remarks, rows_of, state_dir_option, venue_zone
from tap.core.formats import FORMATS, LAYOUTS, Layout

if TYPE_CHECKING:
    from tap.history.export import Exported

_MEDIA_HELP = (
    "Where the video files are: a folder; a path with {name}, {camera}, {reel}, {role}, {venue}, {date}; 'recorded' for"
    " what the server recorded; or a table (.csv) of files."
)
_FPS_HELP = "Frame rate.  [default: the files' rate, else the server's, else 25]"
_LAYOUT_HELP = (
    "program: one track. angles: a track for each camera, the live one enabled. multicam: one multicam clip of all"
    " cameras, in which you can choose other angles."
)
_OFFSET_HELP = "Move the files of a camera, or of 'program'; + is later. You can repeat this option."
_SOURCE_HELP = (
    "The files' timecode: each file's own ('file'; zero if it has none), the time of day ('tod'), or one for all."
)
_START_HELP = (
    "The timeline's first timecode: the time of day at the venue ('tod'), 'zero', or your own, such as 01:00:00:00."
)
_EXPLAIN_HELP = "Say where each file was placed and why, or why it was left out. Without -o, write nothing else."


@cli.command()
@click.argument("key", required=False, type=TEXT)
@click.option("--format", "format_name", type=click.Choice(FORMATS), help="The format.  [default: by the ending of -o]")
@click.option("--fps", type=click.Choice(RATE_NAMES), help=_FPS_HELP)
@click.option("--layout", type=click.Choice(LAYOUTS), default="program", show_default=True, help=_LAYOUT_HELP)
@click.option("--media", metavar="WHERE", type=TEXT, help=_MEDIA_HELP)
@click.option("--offset", "offsets", metavar="CAMERA=SECONDS", type=CameraOffset(), multiple=True, help=_OFFSET_HELP)
@click.option("--source", type=TimecodeOr("file", "tod"), default="file", show_default=True, help=_SOURCE_HELP)
@click.option("--start", type=TimecodeOr("tod", "zero"), default="tod", show_default=True, help=_START_HELP)
@click.option("--explain", is_flag=True, help=_EXPLAIN_HELP)
@click.option("-o", "--output", type=PathName(), help="The file to write; '-': stdout.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@ledger_option
@state_dir_option
def export(
    key: str | None,
    format_name: str | None,
    fps: str | None,
    layout: Layout,
    media: str | None,
    offsets: tuple[tuple[str, float], ...],
    source: str,
    start: str,
    explain: bool,
    output: Path | None,
    force: bool,
    from_ledger: bool,
    state_dir: Path | None,
) -> None:
    """Write a session for an editing system, or as a table.

    Without KEY, it writes the newest session. Formats for editing: edl (CMX3600), fcp7xml (Premiere Pro, Resolve,
    Avid), fcpxml (Final Cut Pro, Resolve), otio (OpenTimelineIO), resolve-markers. Chapters: webvtt, srt, ffmetadata,
    youtube. Tables: shots, csv (events), jsonl (every row).
    """
    from tap.adapters.footage import VideoFiles
    from tap.history.export import RATES, check_pattern, export

    if output is None and not explain:
        raise click.UsageError("Missing option '-o' / '--output': the file to write, or --explain alone")
    chosen = format_name or _format_by_name(output)
    files = VideoFiles()
    if media is not None and not files.is_folder(media):
        check_pattern(media)
    made = export(
        rows_of(key, from_ledger=from_ledger, state_dir=state_dir),
        chosen,
        rate=None if fps is None else RATES[fps],
        zone=venue_zone(),
        start=start,
        media=media,
        layout=layout,
        source=source,
        offsets=dict(offsets),
        files=files,
    )
    if output is not None:
        _write(made, output, force=force)
    print_remarks(*(made.placed if explain else ()), *(f"note: {note}" for note in made.notes))


def _write(made: Exported, output: Path, *, force: bool) -> None:
    """Write the files of an export, and say their names; to stdout where the output is '-'."""
    from tap.history.export import write

    if output == Path("-"):
        sys.stdout.writelines(made.pieces[""])
        return
    for path in write(made, output, force=force):
        print_lines(str(path))


def _format_by_name(output: Path | None) -> str:
    """The format that the file's ending means; without a file any will do, and the table of shots is the simplest."""
    from tap.history.export import format_of

    chosen = "shots" if output is None else format_of(output)
    if chosen is None:
        raise click.UsageError(f"the name of {output} does not say its format: add --format {'|'.join(FORMATS)}")
    return chosen
