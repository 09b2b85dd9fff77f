"""The history in the terminal: the list of sessions, and one session's timeline."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from tap.cli.arguments import POSITIVE, TEXT
from tap.cli.root import cli
from tap.cli.shared import (
    filters_of,
    json_option,
    ledger_option,
    opened_history,
    print_json,
    print_lines,
    print_objects,
    rows_of,
    state_dir_option,
    venue_zone,
    when_options,
)
from tap.core.kinds import WORDS


@cli.command()
@click.option("--venue", type=TEXT, help="Only of this venue.")
@when_options
@click.option("--status", type=click.Choice(("live", "complete", "interrupted")), help="Only those with this status.")
@click.option("--title", type=TEXT, help="Only sessions whose title contains this.")
@click.option("--limit", type=POSITIVE, help="At most this many.")
@ledger_option
@state_dir_option
@json_option
def sessions(
    limit: int | None, *, from_ledger: bool, state_dir: Path | None, as_json: bool, **filters: str | None
) -> None:
    """List the sessions in the journal or ledger, newest first.

    With --ledger it lists the sessions of the key's venue; a read key is enough. All times, also --since and --until,
    are in the venue's time zone: TAP_TIMEZONE, else the machine's. JSON has Unix milliseconds.
    """
    from itertools import islice

    from tap.history.terminal.lines import row_object, session_line

    asked = filters_of(**filters)
    with opened_history(from_ledger=from_ledger, state_dir=state_dir) as history:
        rows = islice(history.session_rows(asked), limit)
        if as_json:
            print_objects(row_object(row) for row in rows)
        elif sys.stdout.isatty():
            from tap.history.terminal.console import stdout_console
            from tap.history.terminal.tables import print_sessions

            print_sessions(rows, stdout_console(), venue_zone(), history.timeline)
        else:
            zone = venue_zone()
            print_lines(*[session_line(row, zone) for row in rows] or [_nothing(filters)])


def _nothing(filters: dict[str, str | None]) -> str:
    return "no session is saved" + (" that matches" if any(filters.values()) else "")


def _print_events(found: Iterable[Any]) -> None:
    from tap.history.terminal.console import stdout_console
    from tap.history.terminal.tables import events_table

    table = events_table(found, venue_zone())
    stdout_console().print(table if table.row_count else "nothing saved matches")


@cli.command()
@click.argument("key", required=False, type=TEXT)
@click.option("--venue", type=TEXT, help="Without KEY: only of this venue.")
@when_options
@click.option("--camera", type=TEXT, help="Only what this camera did: its id, or a part of its name.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(WORDS), help="Only this kind. You can repeat this option."
)
@ledger_option
@state_dir_option
@json_option
def timeline(
    key: str | None,
    camera: str | None,
    kinds: tuple[str, ...],
    *,
    from_ledger: bool,
    state_dir: Path | None,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Show one session in the terminal.

    It shows who was on air when, and the event log. Without KEY, it shows the newest session. With --camera, --kind,
    --since, --until or --venue, it shows a table of the matching events, of the session KEY or of all sessions.
    'multicam-tap sessions' lists the keys.
    """
    if camera is not None or kinds or any(filters.values()):
        asked = filters_of(**filters)
        with opened_history(from_ledger=from_ledger, state_dir=state_dir) as history:
            found = history.find(asked, key=key, camera=camera, kinds=kinds)
            if as_json:
                from tap.history.terminal.tables import event_object

                print_objects(event_object(one, event) for one, events in found for event in events)
            else:
                _print_events(found)
        return
    from tap.history.timeline import timeline_json, timeline_of

    shown = timeline_of(rows_of(key, from_ledger=from_ledger, state_dir=state_dir))
    if as_json:
        print_json(timeline_json(shown))
        return
    from tap.history.terminal.console import chart_width, stdout_console
    from tap.history.terminal.timeline_chart import print_timeline

    print_timeline(shown, stdout_console(), venue_zone(), width=None if sys.stdout.isatty() else chart_width())
