"""The ledger: its keys, what is forgotten in it, and what changed in it."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.cli.arguments import TEXT, DigestDigits, Venue
from tap.cli.root import cli
from tap.cli.shared import (
    FAILED,
    LEDGER_SETTINGS,
    json_option,
    print_lines,
    print_objects,
    print_remarks,
    read_settings,
    state_dir_option,
    with_ledger,
)

if TYPE_CHECKING:
    from tap.adapters.ledger import Ledger
    from tap.service.tools.forget import Forgotten, KnownSession


@cli.group("key")
def keys() -> None:
    """Make, list and revoke keys for the ledger."""


@keys.command("new")
@click.argument("venues", type=Venue(), nargs=-1, metavar="VENUE...")
@click.option("--may", type=click.Choice(("write", "read", "forget")), default="write", help="What it may do.")
@click.option("--all", "for_all", is_flag=True, help="For all venues (only with --may read or forget).")
def key_new(venues: tuple[str, ...], *, may: str, for_all: bool) -> None:
    """Make a key for the ledger, shown once.

    The key writes and reads one venue. With --may read or --may forget it can be for several venues, or for all. The
    command prints the key, and two commands that register it in a deployment: the first in dev, the second in
    production. It does not save the key.
    """
    from tap.service.tools.keys import ROTATION, new_key

    if for_all == bool(venues):
        raise click.UsageError("name the venues, or --all" if not venues else "the venues or --all, one of the two")
    if may == "write" and len(venues) != 1:
        raise click.UsageError("a key that writes is for one venue")
    made, lines = new_key(None if for_all else venues, may=may, module=read_settings("TAP_CONVEX_MODULE").convex_module)
    print_lines(made)
    use = "TAP_ADMIN_KEY" if may == "forget" else "TAP_INGEST_KEY"
    print_remarks(f"↑ the key: it is shown only once. Use it as {use}, or in a file of mode 0600 named by {use}_FILE.")
    _tell_commands("register its digest, which is not a secret", *lines)
    print_remarks(*ROTATION.splitlines())


@keys.command("ls")
def key_ls() -> None:
    """Print the commands that list a deployment's keys.

    There is one for dev, and one for production. The list has the first 8 digits of each key's digest, its venues and
    its rights.
    """
    from tap.service.tools.keys import commands

    _tell_commands("list the keys", *commands(read_settings("TAP_CONVEX_MODULE").convex_module, "listKeys", {}))


@keys.command("revoke")
@click.argument("digits", type=DigestDigits())
def key_revoke(digits: str) -> None:
    """Print the commands that revoke a key.

    There is one for dev, and one for production. DIGITS are the first 8 or more digits of the key's digest, as the
    list shows them; never the key itself.
    """
    from tap.service.tools.keys import commands

    module = read_settings("TAP_CONVEX_MODULE").convex_module
    _tell_commands("revoke the key", *commands(module, "revokeKey", {"key": digits}))


def _tell_commands(what: str, dev: str, production: str) -> None:
    """Two commands on stdout, ready to paste; what each is for, on stderr before it."""
    print_remarks(f"to {what}, run this in the deployment's project, for dev:")
    print_lines(dev)
    print_remarks("or this, for production:")
    print_lines(production)


@cli.command()
@click.argument("session_key", metavar="KEY", type=TEXT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_dir_option
def forget(session_key: str, yes: bool, state_dir: Path | None) -> None:
    """Delete a shoot from ledger, journals and tapes, for good.

    Use it, for example, if somebody withdraws their consent. The ledger then rejects this session for ever. The command
    needs the deployment's admin key in TAP_ADMIN_KEY, or in a file named by TAP_ADMIN_KEY_FILE. With TAP_INGEST_KEY it
    first shows what the ledger has.
    """
    import asyncio

    from tap.service.tools.forget import admin_key, look_up
    from tap.service.tools.forget import forget as forget_session

    settings = read_settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT", *LEDGER_SETTINGS)
    if state_dir is not None:
        settings = settings.model_copy(update={"state_dir": state_dir})
    admin = None if settings.convex_url is None else admin_key(os.environ)
    known = asyncio.run(look_up(settings, session_key))
    print_remarks(_known_words(session_key, known))
    if not yes:
        click.confirm("Remove it for good?", abort=True, err=True)
    gone = asyncio.run(forget_session(settings, session_key, admin))
    print_lines(_gone_words(gone))
    if gone.remains:
        print_remarks(
            *(f"{path}: was moved aside, is damaged, and may still have it" for path in gone.remains),
            "→ delete these files (each with the files beside it that begin with its name)",
        )
        sys.exit(FAILED)


def _known_words(session_key: str, known: KnownSession) -> str:
    from tap.history.formatting import counted

    ledger = {None: "the ledger was not checked", True: "it is in the ledger", False: "it is not in the ledger"}
    entries = f"{counted(known.entries, 'entry', 'entries')} in the journal"
    parts = (known.title, known.status, entries, ledger[known.in_ledger])
    return f"{session_key}: {', '.join(part for part in parts if part)}"


def _gone_words(gone: Forgotten) -> str:
    from tap.history.formatting import counted

    ledger = "no Convex is configured"
    if gone.rows is not None:
        ledger = f"the ledger has forgotten it ({counted(gone.rows, 'row')} deleted)"
    entries = counted(gone.entries, "entry", "entries")
    return f"{ledger}; {entries} deleted from the journal, {counted(gone.frames, 'frame')} from the tapes"


@cli.command()
@click.option("--since", metavar="CURSOR", type=TEXT, help="Go on after this cursor.  [default: from the first row]")
@click.option("--venue", "venues", type=TEXT, multiple=True, help="Only of this venue. You can repeat this option.")
@json_option
def changes(since: str | None, *, venues: tuple[str, ...], as_json: bool) -> None:
    """Print what was written to the ledger since a cursor.

    This is for pipelines. It prints every row in its present state, in the order of writing, and again after
    each change. With --json each line has a "cursor". Save the cursor of the last line that you have processed, and
    continue with --since. A read key is enough (TAP_INGEST_KEY).
    """
    from tap.adapters.ledger import Changed
    from tap.history.terminal.lines import change_line, change_object

    async def tell(ledger: Ledger) -> str | None:
        cursor = since
        page = Changed([], "", done=False)
        while not page.done:
            page = await ledger.changes(cursor, venues)
            for number, row in enumerate(page.rows, 1):
                # Killed in the middle of a page, a reader goes on at its beginning: twice is no harm.
                after = page.cursor if number == len(page.rows) else cursor
                if as_json:
                    print_objects([change_object(row, after)])
                else:
                    click.echo(change_line(row))
            sys.stdout.flush()
            cursor = page.cursor
        return cursor

    cursor = with_ledger(tell)
    if not as_json:
        print_remarks(f"that is all for now → 'multicam-tap changes --since {cursor}' goes on from here")
