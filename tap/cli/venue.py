"""A venue's service: run it, ask whether it is on, check it, install it, and show its status."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.adapters.clock import wall_ms
from tap.cli.arguments import TEXT, PathName
from tap.cli.root import cli
from tap.cli.shared import (
    CANNOT_TELL,
    FAILED,
    SETTINGS,
    json_option,
    print_json,
    print_lines,
    print_remarks,
    read_settings,
    state_dir_option,
    venue_zone,
)
from tap.core.errors import SettingsInvalid

if TYPE_CHECKING:
    from tap.core.status import Report
    from tap.service.tools.check import Finding


_STATUS_SETTINGS = (
    "TAP_ENABLED",
    "TAP_VENUE",
    "TAP_OPS_LISTEN",
    "TAP_OPS_TOKEN",
    "TAP_OPS_TOKEN_FILE",
    "TAP_STATE_DIR",
    "STATE_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
)


@cli.command()
def run() -> None:
    """Run the service. All settings come from TAP_* variables."""
    import gc

    # Over what is being loaded, all of which stays, it would be a tenth of the time to start; the service begins it.
    gc.disable()
    # Its plugins, of which there are none, would be looked for among all packages that are installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from tap.service.config import load_settings
    from tap.service.running.daemon import run as run_service

    try:
        settings = load_settings(os.environ)
    except SettingsInvalid:
        # Of a venue that is switched off, nothing else has to be right.
        settings = read_settings("TAP_ENABLED")
        if settings.enabled:
            raise
    sys.exit(run_service(settings))


@cli.command()
def enabled() -> None:
    """Say whether the venue is switched on.

    Exit code 0 on, 1 off, 255 unknown.
    """
    try:
        on = read_settings("TAP_ENABLED").enabled
    except Exception as error:  # noqa: BLE001 - whatever it is, "off" would be a lie
        print_remarks(*(error.problems if isinstance(error, SettingsInvalid) else [str(error)]))
        sys.exit(CANNOT_TELL)
    click.echo("on" if on else "off")
    sys.exit(0 if on else FAILED)


@cli.command()
@json_option
def check(as_json: bool) -> None:
    """Try everything once, and say what to do.

    It tries settings, unit, server, clock, journal, disk, Convex and key. It prints a line for each: what it tried,
    what it found, and what to do. It changes nothing, and can run beside the service. Exit code 1 if something failed,
    78 if the settings are wrong.
    """
    import asyncio

    from tap.service.config import load_settings
    from tap.service.tools.check import check as findings
    from tap.service.tools.check import wrong_settings

    try:
        settings = load_settings(os.environ)
    except SettingsInvalid as error:
        if not as_json:
            raise
        for wrong in wrong_settings(error.problems):
            _print_finding(wrong, as_json=True)
        sys.exit(SETTINGS)
    failed = False

    async def tell() -> None:
        nonlocal failed
        async for finding in findings(settings, os.environ):
            failed = failed or finding.result == "failed"
            _print_finding(finding, as_json=as_json)
            sys.stdout.flush()

    asyncio.run(tell())
    sys.exit(FAILED if failed else 0)


def _print_finding(finding: Finding, *, as_json: bool) -> None:
    from tap.history.formatting import plain

    if as_json:
        from msgspec import json

        print_json(json.encode(finding))
        return
    to_do = "" if finding.to_do is None else f" → {finding.to_do}"
    click.echo(plain(f"{finding.result:<6}  {finding.tried:<8}  {finding.found}{to_do}"))


@cli.command()
@click.argument("venue")
@click.option("--print", "only_print", is_flag=True, help="Only show what would be written, and where.")
@click.option("--root", type=PathName(file_okay=False), default="/", help="Write below this folder instead of /.")
def install(venue: str, *, only_print: bool, root: Path) -> None:
    """Make a venue a systemd service.

    It writes the unit, and the venue's settings file if that does not exist. It starts nothing. Run it again after each
    upgrade. It needs root.
    """
    from tap.service.venue.unit import Places, command_path, install, shown

    places, command = Places(venue, root.absolute()), command_path(sys.argv[0])
    if only_print:
        lines, remarks = shown(places, command)
        print_lines(*lines)
        print_remarks(*remarks)
    else:
        print_lines(*install(places, command))


@cli.command()
@click.argument("venue")
@click.option("--root", type=PathName(file_okay=False), default="/", help="Remove below this folder instead of /.")
def uninstall(venue: str, root: Path) -> None:
    """Stop a venue's service and remove it; its data stays. Needs root."""
    from tap.service.venue.unit import Places, uninstall

    print_lines(*uninstall(Places(venue, root.absolute())))


@cli.command()
@click.option("--url", metavar="URL", type=TEXT, help="Address of the tap's live page.  [default: TAP_OPS_LISTEN]")
@click.option("--watch", is_flag=True, help="Update every second, until Ctrl-C.")
@state_dir_option
@json_option
def status(url: str | None, *, watch: bool, state_dir: Path | None, as_json: bool) -> None:
    """Show the status of the running tap.

    It shows health and the running session. For each session it shows what was delivered, what is pending and rejected,
    and which stills never arrived. If no tap answers, it reads the journal. Exit code 0 if all is well, 1 if not or if
    no tap runs.
    """
    from msgspec import json

    from tap.history.terminal.console import stdout_console
    from tap.history.terminal.status_screen import status_lines, status_screen, watch_status
    from tap.service.tools.status import report, report_from

    settings = read_settings(*_STATUS_SETTINGS)
    if state_dir is not None:
        settings = settings.model_copy(update={"state_dir": state_dir})
    venue = settings.venue if os.environ.get("TAP_VENUE") else None

    def ask() -> Report:
        return report(settings, venue=venue, environ=os.environ) if url is None else report_from(url, settings)

    if watch and not as_json:
        sys.exit(0 if watch_status(ask, stdout_console(), venue_zone(), now=wall_ms) else FAILED)
    while True:
        found = ask()
        if as_json:
            print_json(json.encode(found))
            sys.stdout.flush()
        else:
            print_remarks(*status_lines(found))
            stdout_console().print(status_screen(found, venue_zone(), wall_ms()))
        if not watch:
            sys.exit(0 if found.ok else FAILED)
        time.sleep(1)
