"""``report``: a session as one page, to send to a client."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.adapters.clock import wall_ms
from tap.cli.arguments import RATE_NAMES, TEXT, PathName
from tap.cli.root import cli
from tap.cli.shared import ledger_option, print_lines, print_remarks, rows_of, state_dir_option, venue_zone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap.core.merge import Row


@cli.command()
@click.argument("key", required=False, type=TEXT)
@click.option("-o", "--output", required=True, type=PathName(), metavar="FILE", help="The file to write; '-': stdout.")
@click.option("--media", type=PathName(), metavar="DIR", help="Show the stills in this folder.")
@click.option("--fetch", is_flag=True, help="Download stills that are not in DIR from where they were uploaded.")
@click.option(
    "--timezone", metavar="ZONE", help="The venue's time zone, such as Europe/Berlin.  [default: TAP_TIMEZONE]"
)
@click.option("--fps", type=click.Choice(RATE_NAMES), default="25", show_default=True, help="Frame rate of timecode.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Write only the numbers, as one JSON object, and no page.")
@ledger_option
@state_dir_option
def report(
    key: str | None,
    output: Path,
    media: Path | None,
    timezone: str | None,
    fps: str,
    *,
    fetch: bool,
    force: bool,
    show: bool,
    as_json: bool,
    from_ledger: bool,
    state_dir: Path | None,
) -> None:
    """Write a session as one page, to send to a client.

    Without KEY, it writes the newest session. The page is one HTML file, to open in a browser, to print or to send. It
    loads nothing from outside.
    """
    from tap.adapters.files import refuse_existing
    from tap.adapters.pictures import picture_files
    from tap.history.export.rates import RATES

    to_stdout = output == Path("-")
    if show and (to_stdout or as_json):
        raise click.UsageError("--open needs a file with a page")
    if not to_stdout:
        refuse_existing(output, force=force)
    zone = venue_zone(timezone)
    files = [] if media is None else picture_files(media)
    rows = rows_of(key, from_ledger=from_ledger, state_dir=state_dir)
    pictures = _pictures(rows, media, files, zone, fetch=fetch)
    if as_json:
        from tap.history.card import card_json, card_of
        from tap.history.timeline import timeline_of

        content = card_json(card_of(timeline_of(rows), pictures)) + b"\n"
    else:
        from tap.history.report import page, report_of

        content = page(report_of(rows, zone=zone, rate=RATES[fps], pictures=pictures, made_at=wall_ms())).encode()
    if to_stdout:
        sys.stdout.buffer.write(content)
    else:
        _write_page(output, content, force=force, show=show)


def _write_page(output: Path, content: bytes, *, force: bool, show: bool) -> None:
    """Write the page into a file, say its name, and open it in the browser where that is asked for."""
    from tap.adapters.files import write_whole
    from tap.history.formatting import plain

    write_whole(output, content, force=force)
    print_lines(plain(str(output)))
    if show:
        import webbrowser

        if not webbrowser.open(output.absolute().as_uri()):
            click.echo(f"note: no browser was found here to open it: {plain(str(output.absolute()))}", err=True)


def _pictures(
    rows: list[Row], media: Path | None, files: list[str], zone: ZoneInfo | None, *, fetch: bool
) -> dict[str, str]:
    """The stills that can be shown, as data URLs by their keys; says on stderr what was found and what was left out."""
    from tap.adapters.pictures import Album, read_picture
    from tap.history.formatting import counted
    from tap.history.report import match_files, pictures_to_fetch
    from tap.history.timeline import timeline_of

    album, told = Album(), timeline_of(rows)
    if media is not None:
        matches = match_files(told, files, zone)
        for key, name in matches.files.items():
            album.add(key, read_picture(media / name))
        print_remarks(f"{media}: {matches.words}")
    if fetch:
        import asyncio

        from tap.adapters.web import fetch as fetch_all

        fetched = asyncio.run(fetch_all(pictures_to_fetch(told, album.pictures)))
        for key, content in fetched.contents.items():
            album.add(key, content)
        print_remarks(f"{counted(len(fetched.contents), 'still')} fetched", *fetched.words())
    print_remarks(*album.words())
    return album.pictures
