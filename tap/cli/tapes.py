"""Tapes: record one, print the entries of some, and read the venue's own again."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.cli.arguments import TEXT, FiniteNumber, PathName, ServerUrl
from tap.cli.root import cli
from tap.cli.shared import (
    FAILED,
    discard_stdout,
    journal_path,
    json_option,
    opened_journal,
    print_json,
    print_remarks,
    progress_text,
    read_settings,
    state_dir_option,
    with_ledger,
)
from tap.core.errors import TapError

if TYPE_CHECKING:
    from tap.core.model import Entry
    from tap.service.tools.record import Recorded
    from tap.service.tools.replay import Replay


_REJECTED_SHOWN = 20
_POLICY = ("TAP_SESSION_BY", "TAP_GRACE_SECONDS", "TAP_SETTLE_SECONDS", "TAP_IDLE_MINUTES", "TAP_OBS_SOURCES")
"""How a venue infers: what its tapes say of it, so that a replay decides alike."""


@cli.command()
@click.argument("tapes", nargs=-1, required=True, type=PathName(), metavar="TAPE...")
@click.option(
    "--dialect", type=TEXT, help="Use this dialect instead of the tapes' own: a built-in one or a mapping file."
)
@click.option("--to-journal", is_flag=True, help="Also save the entries in the journal of the state directory.")
@click.option("--to-ledger", is_flag=True, help="Also write the entries to the ledger (TAP_CONVEX_URL).")
@state_dir_option
@json_option
def replay(
    tapes: tuple[Path, ...],
    *,
    dialect: str | None,
    to_journal: bool,
    to_ledger: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Print the history entries that result from tapes.

    Several tapes make one history: name them in order of time. The command counts lines that it cannot parse on stderr.
    With --to-ledger the exit code is 1 if the ledger does not have all entries, because it rejected some or its
    functions are older.
    """
    if to_journal and to_ledger:
        raise click.UsageError("--to-journal or --to-ledger, one at a time")
    from tap.core.codec import entry_json
    from tap.history.formatting import counted
    from tap.history.terminal.lines import entry_line
    from tap.service.tools.replay import Replay, keep

    def show(entry: Entry) -> None:
        if as_json:
            print_json(entry_json(entry))
        else:
            click.echo(entry_line(entry))

    whole = True
    with Replay(tapes, dialect=dialect, venue=lambda: read_settings("TAP_VENUE").venue) as replayed:
        entries = _with_progress(replayed)
        if to_journal:
            with opened_journal(state_dir, readonly=False) as journal:
                total, new = keep(journal, entries, _until_nobody_reads(show))
            print_remarks(f"{counted(total, 'entry', 'entries')}, {new} of them new to the journal")
        elif to_ledger:
            whole = _deliver(entries, _until_nobody_reads(show))
        else:
            for entry in entries:
                show(entry)
        sys.stdout.flush()
        print_remarks(*replayed.remarks())
    if not whole:
        sys.exit(FAILED)


def _deliver(entries: Iterable[Entry], show: Callable[[Entry], None]) -> bool:
    """Write entries to the ledger, and tell what it answered; whether it has all of them now."""
    from tap.core.deployment import DEPLOY
    from tap.service.tools.deliver import deliver

    delivered = with_ledger(lambda ledger: deliver(ledger, entries, show))
    rejected = delivered.rejected
    print_remarks(*(f"rejected: {answer.key}: {answer.words}" for answer in rejected[:_REJECTED_SHOWN]))
    if len(rejected) > _REJECTED_SHOWN:
        print_remarks(f"… and {len(rejected) - _REJECTED_SHOWN} more")
    print_remarks(f"the ledger's answers: {delivered.words()}")
    if delivered.held or delivered.in_part:
        left = f"{delivered.held} entries were not sent, and {delivered.in_part} went without what it does not know"
        print_remarks(f"the deployment's functions are older than this tap: {left} → {DEPLOY}, then run this again")
    return delivered.whole


def _until_nobody_reads(show: Callable[[Entry], None]) -> Callable[[Entry], None]:
    """As ``show``, but a reader who has enough does not stop what is done besides."""
    gone = False

    def show_if_read(entry: Entry) -> None:
        nonlocal gone
        try:
            if not gone:
                show(entry)
        except BrokenPipeError:
            gone = True
            discard_stdout()

    return show_if_read


def _with_progress(replayed: Replay) -> Iterator[Entry]:
    """The entries, with a bar on a terminal's stderr, unless they are themselves to be seen there."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield from replayed
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replaying", total=replayed.size or None)
        for entry in replayed:
            progress.update(task, completed=replayed.bytes_read)
            yield entry


@cli.command()
@click.option("--apply", "apply_it", is_flag=True, help="Repair the journal, and through it the ledger.")
@click.option("--dialect", type=TEXT, help="A built-in dialect or a mapping file.  [default: TAP_DIALECT]")
@click.option("--session", "session_key", metavar="KEY", type=TEXT, help="Only this session.")
@state_dir_option
@json_option
def rederive(
    *, apply_it: bool, dialect: str | None, session_key: str | None, state_dir: Path | None, as_json: bool
) -> None:
    """Read the venue's own tapes again, with today's dialect.

    It shows the differences: rows added (+), changed (~), retracted (-). With --apply it writes them to the journal,
    and from there to the ledger, under the same keys with a higher revision. It deletes nothing, and leaves out live
    sessions.
    """
    from msgspec import json

    from tap.adapters.dialects import load_dialect
    from tap.history.formatting import counted, plain
    from tap.service.tools.rederive import lines
    from tap.service.tools.rederive import rederive as read_again

    settings = read_settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT")
    path = journal_path(state_dir)
    with opened_journal(state_dir, readonly=not apply_it) as opened, progress_text() as count:
        result = read_again(
            path.parent / settings.tapes_path.name,
            opened,
            load_dialect(dialect or settings.dialect),
            session=session_key,
            apply=apply_it,
            on_progress=lambda read, size: count(f"{read / 1e6:.0f} of {size / 1e6:.0f} MB of tape"),
        )
    if as_json:
        for change in (change for changes in result.changes.values() for change in changes):
            print_json(json.encode(change))
    else:
        for line in lines(result, applied=apply_it):
            click.echo(plain(line))
    sys.stdout.flush()
    print_remarks(*(f"left out: {key} {why}" for key, why in result.left_out.items()))
    rows = sum(map(len, result.changes.values()))
    differ = f"{counted(rows, 'row differs', 'rows differ')}; --apply repairs {'it' if rows == 1 else 'them'}"
    told = (f"{counted(rows, 'row')} repaired" if apply_it else differ) if rows else "no difference"
    print_remarks(f"{counted(result.tapes, 'tape')}, {counted(result.sessions, 'session')} compared: {told}")


def _told_of(count: Callable[[str], None], where: str) -> Callable[[Recorded], None]:
    """What tells of a recording while it runs: where no terminal shows its progress, that there is no connection."""
    silent = True

    def tell(now: Recorded) -> None:
        nonlocal silent
        count(f"{now.seconds:.0f} s, {now.frames} frames  {now.problem or ''}")
        if silent and now.problem is not None and not now.connections and not sys.stderr.isatty():
            silent = False
            print_remarks(f"{where}: no connection: {now.problem}; it is tried again until Ctrl-C")

    return tell


@cli.command()
@click.argument("url", type=ServerUrl())
@click.option(
    "-o",
    "--output",
    required=True,
    type=PathName(dir_okay=False),
    metavar="TAPE",
    help="The file to write; .gz compresses it.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--seconds", type=FiniteNumber(min=0, min_open=True), help="Stop after this time.  [default: at Ctrl-C]")
@click.option(
    "--dialect", type=TEXT, default="multicam/1", show_default=True, help="The dialect that recognizes telemetry."
)
@click.option("--with-token", is_flag=True, help="Send the server the token of TAP_SERVER_TOKEN.")
def record(url: str, output: Path, *, force: bool, seconds: float | None, dialect: str, with_token: bool) -> None:
    """Record a live server onto a tape.

    It writes the frames, without telemetry and secrets, and each connect and disconnect. It stops at Ctrl-C or after
    --seconds.
    """
    from tap.adapters.dialects import load_dialect
    from tap.core.redact import redact_text
    from tap.history.formatting import counted
    from tap.service.tools.record import record_until_stopped

    secrets = ("TAP_SERVER_TOKEN", "TAP_SERVER_TOKEN_FILE", "CREDENTIALS_DIRECTORY")
    token = read_settings(*secrets).server_token if with_token else None
    with progress_text() as count:
        recorded = record_until_stopped(
            url,
            output,
            dialect=load_dialect(dialect),
            token=None if token is None else token.get_secret_value(),
            venue=read_settings("TAP_VENUE").venue if os.environ.get("TAP_VENUE") else None,
            policy=read_settings(*_POLICY).policy() if any(os.environ.get(name) for name in _POLICY) else None,
            force=force,
            duration=seconds,
            on_progress=_told_of(count, redact_text(url)),
        )
    if not recorded.connections:
        if output.is_file():
            output.unlink()
        raise TapError(
            f"nothing was recorded: {recorded.problem}", where=redact_text(url), hint="is this the server's address?"
        )
    heard = f"{counted(recorded.frames, 'frame')} in {recorded.seconds:.0f} s"
    print_remarks(f"{output}: {heard}, {recorded.telemetry} left out as telemetry")
