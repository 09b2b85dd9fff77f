"""``journal``: look into the journal, and send rejected entries again."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.adapters.clock import wall_ms
from tap.cli.arguments import MOST, POSITIVE, TEXT, FiniteNumber, WholeNumber
from tap.cli.root import cli
from tap.cli.shared import (
    FAILED,
    json_option,
    opened_journal,
    print_json,
    print_lines,
    print_objects,
    print_remarks,
    read_settings,
    state_dir_option,
    with_near,
)
from tap.core.errors import TapError

if TYPE_CHECKING:
    from tap.adapters.journal import Journal, Kept, State


@cli.group()
def journal() -> None:
    """Look into the journal.

    The journal has every entry, in the order in which the tap wrote them.
    """


@journal.command("ls")
@click.option("--session", "session_key", metavar="KEY", type=TEXT, help="Only of this session.")
@click.option("--pending", "state", flag_value="pending", help="Only pending entries.")
@click.option("--dead", "state", flag_value="dead", help="Only rejected entries.")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=WholeNumber(0),
    help="At most this many, the newest ones; 0 for all. JSON has no limit.",
)
@state_dir_option
@json_option
def journal_ls(session_key: str | None, state: State | None, limit: int, state_dir: Path | None, as_json: bool) -> None:
    """List entries in the order in which they were written. Times are in UTC."""
    from tap.adapters.journal import kept_object
    from tap.history.terminal.lines import entry_line

    with opened_journal(state_dir) as opened:
        kept = opened.entries(session_key, state)
        if as_json:
            print_objects(kept_object(one) for one in kept)
            return
        newest = deque(enumerate(kept, 1), maxlen=limit or None)
        for _, one in newest:
            click.echo(f"{one.seq:>7}  {one.state:<7}  {entry_line(one.entry, one.reason)}")
        if not newest:
            print_remarks("no entry is saved" + (" that matches" if session_key or state else ""))
        elif newest[0][0] > 1:
            print_remarks(f"the newest {len(newest)} of {newest[-1][0]}; --limit 0 shows all")


@journal.command("show")
@click.argument("which", metavar="SEQ|KEY", type=TEXT)
@state_dir_option
@json_option
def journal_show(which: str, state_dir: Path | None, as_json: bool) -> None:
    """Show one whole entry.

    SEQ is the entry's number. With a row's KEY, it shows every version of that row."""
    from tap.adapters.journal import kept_object

    with opened_journal(state_dir) as opened:
        found = [kept_object(one) for one in _kept(opened, which)]
        if not found:
            hint = "see 'multicam-tap journal ls'"
            near = hint if which.isdecimal() else with_near(hint, which, opened.sessions())
            raise TapError("there is no such entry", where=which, hint=near)
    if as_json:
        print_objects(found)
        return
    import orjson

    for said in found:
        print_json(orjson.dumps(said, option=orjson.OPT_INDENT_2))


def _kept(opened: Journal, which: str) -> Iterator[Kept]:
    if which.isdecimal() and int(which[:20]) <= MOST:
        first = next(opened.entries(after=int(which) - 1), None)
        return iter([first] if first is not None and first.seq == int(which) else [])
    return (one for one in opened.entries() if one.entry.key == which)


@journal.command("retry")
@click.argument("seqs", nargs=-1, type=POSITIVE, metavar="[SEQ...]")
@state_dir_option
@json_option
def journal_retry(seqs: tuple[int, ...], state_dir: Path | None, as_json: bool) -> None:
    """Send rejected entries again.

    All of them, or those with these numbers ('journal ls --dead' shows them). A running service sends them within
    seconds.
    """
    from tap.history.formatting import counted

    with opened_journal(state_dir):
        pass  # where there is none, none shall be made
    with opened_journal(state_dir, readonly=False) as opened:
        waiting = opened.retry_dead(seqs or None)
    if as_json:
        print_objects([{"retried": waiting}])
    else:
        print_lines(f"{counted(waiting, 'entry is pending', 'entries are pending')} again")
    if waiting < len(set(seqs)):
        raise TapError(
            f"{len(set(seqs)) - waiting} of these were not rejected", hint="see 'multicam-tap journal ls --dead'"
        )


@journal.command("verify")
@state_dir_option
@json_option
def journal_verify(state_dir: Path | None, as_json: bool) -> None:
    """Check the journal's file for damage. Exit code 1 if it is damaged."""
    with opened_journal(state_dir) as opened:
        problems = opened.verify()
        counts = opened.counts()
    if as_json:
        print_objects([{"ok": not problems, "problems": problems, "counts": counts}])
    else:
        print_lines(*problems or [f"whole: {', '.join(f'{number} {state}' for state, number in counts.items())}"])
    sys.exit(FAILED if problems else 0)


@journal.command("prune")
@click.option("--older-than", type=FiniteNumber(0, 36_500), metavar="DAYS", help="[default: TAP_KEEP_DAYS]")
@state_dir_option
@json_option
def journal_prune(older_than: float | None, state_dir: Path | None, as_json: bool) -> None:
    """Delete old entries that the ledger has. Pending and rejected entries stay."""
    from tap.history.formatting import counted

    days = read_settings("TAP_KEEP_DAYS").keep_days if older_than is None else older_than
    with opened_journal(state_dir, readonly=False) as opened:
        gone = opened.prune(wall_ms() - round(days * 86_400_000))
    if as_json:
        print_objects([{"pruned": gone}])
    else:
        print_lines(f"{counted(gone, 'entry', 'entries')} deleted")
