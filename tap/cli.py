"""The command line: one function a command, which reads its arguments, calls what does the work, and prints.

What a command needs is imported inside it: ``multicam-tap enabled`` runs before every start of the service, and must
not wait for the libraries of the others. Exit codes: 0 done, 1 no or failed, 2 usage, 78 settings.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tap.arguments import (
    MOST,
    SAID,
    SEQ,
    Digits,
    Finite,
    Moved,
    PathName,
    ServerUrl,
    ServerWays,
    TimecodeOr,
    Venue,
    Whole,
)
from tap.core.errors import SettingsInvalid, TapError, UsageInvalid
from tap.core.formats import FORMATS, LAYOUTS, Layout
from tap.core.kinds import WORDS

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap.adapters.journal import Journal, Kept, State
    from tap.adapters.ledger import Ledger
    from tap.api import History
    from tap.core.merge import Row
    from tap.core.model import Entry
    from tap.core.status import Report
    from tap.history.asking import Asked
    from tap.rehearsal.inspect import Inspection
    from tap.service.check import Finding
    from tap.service.choosing import Plan
    from tap.service.config import Settings
    from tap.service.forget import Forgotten, Known
    from tap.service.replay import Replay

__all__ = ["cli", "main"]

FAILED, USAGE, SETTINGS, CANNOT_TELL = 1, 2, 78, 255
_Command = TypeVar("_Command", bound=Callable[..., Any])
_T = TypeVar("_T")
_LEDGER_SETTINGS = (
    "TAP_CONVEX_URL",
    "TAP_CONVEX_MODULE",
    "TAP_INGEST_KEY",
    "TAP_INGEST_KEY_FILE",
    "CREDENTIALS_DIRECTORY",
)
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
_REJECTED_SHOWN = 20
_NEAR_AMONG = 500
RATE_NAMES = ("23.976", "24", "25", "29.97", "29.97df", "30", "50", "59.94", "59.94df", "60")
_MEDIA_HELP = (
    "Where the video files are: a folder; a path with {name}, {camera}, {reel}, {role}, {venue}, {date}; 'recorded' for"
    " what the server recorded; or a table (.csv) of files."
)
_FPS_HELP = "Frame rate.  [default: that of the files, else 25]"
_LAYOUT_HELP = (
    "program: one track. angles: a track for each camera, the live one enabled. multicam: one clip of all cameras, to"
    " be cut again."
)
_OFFSET_HELP = "Move a camera's files, or 'program'; + is later. May be repeated."
_SOURCE_HELP = "The files' timecode: their own ('file', none is zero), the time of day ('tod'), or one for all."
_START_HELP = "The first frame's timecode: the time of day at the venue ('tod'), 'zero', or one such as 01:00:00:00."
_EXPLAIN_HELP = "Say how each file was placed, or why it was left out; without -o only that."

# ---------------------------------------------------------------------------------------------- the ways out


class _Commands(click.Group):
    """Turns what went wrong into its line and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except SettingsInvalid as error:
            _complain(*error.problems)
            ctx.exit(SETTINGS)
        except UsageInvalid as error:
            _complain(str(error))
            ctx.exit(USAGE)
        except TapError as error:
            _complain(str(error))
            ctx.exit(FAILED)
        except PermissionError as error:
            # A state directory is the tap's user's alone; whoever else asks is told so by the first file of it.
            _complain(f"{error.filename or error}: no permission to read → run this as root or the tap's user")
            ctx.exit(FAILED)
        except BrokenPipeError:
            # Whoever read has enough (| head).
            _hush()
            ctx.exit(0)
        return result


def _hush() -> None:
    """Nobody reads any more: what is still buffered must not complain at the exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(*lines: str) -> None:
    """Lines that the caller has made harmless, at once, also into a pipe."""
    for line in lines:
        click.echo(line)
    sys.stdout.flush()


def _complain(*lines: str) -> None:
    from tap.history.words import plain

    for line in lines:
        click.echo(plain(line), err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="multicam-tap", prog_name="multicam-tap")
@click.option("--installed", metavar="VENUE", help="Use the settings, state and keys of this venue's service.")
def cli(installed: str | None) -> None:
    """Records the history of a live multi-camera shoot.

    A passive tap on multicam-server's control WebSocket. The service takes its settings from TAP_* variables.
    """
    if installed is not None:
        from tap.service.unit import Places, venue_environment

        given = venue_environment(Places(installed), os.environ)
        os.environ.clear()
        os.environ.update(given)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a name shows question marks, and the rest.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are text streams of files


def main() -> None:
    """The command ``multicam-tap``."""
    cli(prog_name="multicam-tap")


# ---------------------------------------------------------------------------------------------- what commands share


def _settings(*names: str) -> Settings:
    """These settings from the environment, and the defaults of all others.

    So that who only looks is not stopped by what only the service needs. Raises ``SettingsInvalid``.
    """
    from tap.service.config import load_settings

    return load_settings({name: os.environ[name] for name in names if name in os.environ}, partly=True)


_POLICY = ("TAP_SESSION_BY", "TAP_GRACE_SECONDS", "TAP_SETTLE_SECONDS", "TAP_IDLE_MINUTES", "TAP_OBS_SOURCES")
"""How a venue infers: what its tapes say of it, so that a replay decides alike."""


def _in_state_dir(command: _Command) -> _Command:
    return click.option(
        "--state-dir",
        type=PathName(file_okay=False),
        help="Where the journal is.  [default: TAP_STATE_DIR]",
    )(command)


def _as_json(command: _Command) -> _Command:
    return click.option("--json", "as_json", is_flag=True, help="JSON: one object a line, or one object.")(command)


@contextmanager
def _journal(state_dir: Path | None, *, readonly: bool = True) -> Iterator[Journal]:
    from tap.adapters.journal import Journal

    path = _journal_path(state_dir)
    with Journal.open(path, readonly=readonly) as journal:
        yield journal


def _journal_path(state_dir: Path | None) -> Path:
    if state_dir is not None:
        return state_dir / "journal.db"
    return _settings("TAP_STATE_DIR", "STATE_DIRECTORY").journal_path


def _from_ledger(command: _Command) -> _Command:
    return click.option(
        "--ledger", "from_ledger", is_flag=True, help="Read from the ledger (TAP_CONVEX_URL), not from the journal."
    )(command)


def _with_ledger(use: Callable[[Ledger], Awaitable[_T]]) -> _T:
    """What ``use`` gives of the ledger that the settings name. Raises ``SettingsInvalid`` where they name none."""
    import asyncio

    from tap.adapters.ledger import Ledger

    settings = _settings(*_LEDGER_SETTINGS)
    url, key, module = settings.convex_url, settings.ingest_key, settings.convex_module
    if url is None:
        raise SettingsInvalid(["TAP_CONVEX_URL: is not set → the deployment that holds the ledger"])

    async def body() -> _T:
        async with Ledger(url, key, module=module) as ledger:
            return await use(ledger)

    return asyncio.run(body())


def _print_json(line: bytes) -> None:
    """A line of JSON: to a file as it is, to a terminal without what could harm it."""
    if sys.stdout.isatty():
        from tap.history.words import plain_json

        line = plain_json(line.decode()).encode()
    sys.stdout.buffer.write(line + b"\n")


def _print_objects(objects: Iterable[dict[str, Any]]) -> None:
    import orjson

    for said in objects:
        _print_json(orjson.dumps(said))


# ---------------------------------------------------------------------------------------------- the service


@cli.command()
def run() -> None:
    """Run the service. All settings come from TAP_* variables."""
    import gc

    # Over what is being loaded, all of which stays, it would be a tenth of the time to start; the service begins it.
    gc.disable()
    from tap.service.config import load_settings
    from tap.service.daemon import run as run_service

    try:
        settings = load_settings(os.environ)
    except SettingsInvalid:
        # Of a venue that is switched off, nothing else has to be right.
        settings = _settings("TAP_ENABLED")
        if settings.enabled:
            raise
    sys.exit(run_service(settings))


@cli.command()
def enabled() -> None:
    """Say whether the venue is switched on.

    Exit code 0 on, 1 off, 255 unknown.
    """
    try:
        on = _settings("TAP_ENABLED").enabled
    except Exception as error:  # noqa: BLE001 - whatever it is, "off" would be a lie
        _complain(*(error.problems if isinstance(error, SettingsInvalid) else [str(error)]))
        sys.exit(CANNOT_TELL)
    click.echo("on" if on else "off")
    sys.exit(0 if on else FAILED)


@cli.command()
@_as_json
def check(as_json: bool) -> None:
    """Try everything once, and say what to do.

    Settings, unit, server, clock, journal, disk, Convex, key. A line for each: what was tried, what was found, what to
    do. It changes nothing and can run beside the service. Exit code 1 if something failed, 78 if the settings are
    wrong.
    """
    import asyncio

    from tap.service.check import check as findings
    from tap.service.check import wrong_settings
    from tap.service.config import load_settings

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
    from tap.history.words import plain

    if as_json:
        from msgspec import json

        _print_json(json.encode(finding))
        return
    to_do = "" if finding.to_do is None else f" → {finding.to_do}"
    click.echo(plain(f"{finding.result:<6}  {finding.tried:<8}  {finding.found}{to_do}"))


@cli.command()
@click.argument("venue")
@click.option("--print", "only_print", is_flag=True, help="Only show what would be written, and where.")
@click.option("--root", type=PathName(file_okay=False), default="/", help="Write below this folder instead of /.")
def install(venue: str, *, only_print: bool, root: Path) -> None:
    """Make a venue a service of systemd.

    Writes the unit, and the venue's environment file unless there is one; starts nothing. Run it again after each
    upgrade. Needs root.
    """
    from tap.service.unit import Places, command_path, install, shown

    places, command = Places(venue, root.absolute()), command_path(sys.argv[0])
    if only_print:
        lines, remarks = shown(places, command)
        _say(*lines)
        _complain(*remarks)
    else:
        _say(*install(places, command))


@cli.command()
@click.argument("venue")
@click.option("--root", type=PathName(file_okay=False), default="/", help="Remove below this folder instead of /.")
def uninstall(venue: str, root: Path) -> None:
    """Stop a venue's service and remove it; its data stays. Needs root."""
    from tap.service.unit import Places, uninstall

    _say(*uninstall(Places(venue, root.absolute())))


@cli.command()
@click.option("--url", metavar="URL", type=SAID, help="Address of the tap's live page.  [default: TAP_OPS_LISTEN]")
@click.option("--watch", is_flag=True, help="Update every second, until Ctrl-C.")
@_in_state_dir
@_as_json
def status(url: str | None, *, watch: bool, state_dir: Path | None, as_json: bool) -> None:
    """Show the status of the running tap.

    Health, the session, and for each session what was delivered, pending and rejected, and which stills never arrived.
    If no tap answers, the journal is read. Exit code 0 if all is well; 1 if not, or if no tap runs.
    """
    from msgspec import json

    from tap.history.consoles import stdout_console
    from tap.history.status import status_lines, status_screen, watch_status
    from tap.service.status import report, report_from

    settings = _settings(*_STATUS_SETTINGS)
    if state_dir is not None:
        settings = settings.model_copy(update={"state_dir": state_dir})
    venue = settings.venue if os.environ.get("TAP_VENUE") else None

    def ask() -> Report:
        return report(settings, venue=venue, environ=os.environ) if url is None else report_from(url, settings)

    if watch and not as_json:
        sys.exit(0 if watch_status(ask, stdout_console(), _zone()) else FAILED)
    while True:
        found = ask()
        if as_json:
            _print_json(json.encode(found))
            sys.stdout.flush()
        else:
            _complain(*status_lines(found))
            stdout_console().print(status_screen(found, _zone(), time.time_ns() // 1_000_000))
        if not watch:
            sys.exit(0 if found.ok else FAILED)
        time.sleep(1)


@cli.group("key")
def keys() -> None:
    """Make, list and revoke keys for the ledger."""


@keys.command("new")
@click.argument("venues", type=Venue(), nargs=-1, metavar="VENUE...")
@click.option("--may", type=click.Choice(("write", "read", "forget")), default="write", help="What it may do.")
@click.option("--all", "for_all", is_flag=True, help="For all venues; not for a key that writes.")
def key_new(venues: tuple[str, ...], *, may: str, for_all: bool) -> None:
    """Make a key for the ledger, shown once.

    An ingest key for a venue; with --may read or forget for several or all. Prints the key, and the command that tells
    it to a deployment: for dev, then for production. The key is saved nowhere.
    """
    from tap.service.keys import ROTATION, new_key

    if for_all == bool(venues):
        raise click.UsageError("name the venues, or --all" if not venues else "the venues or --all, one of the two")
    if may == "write" and len(venues) != 1:
        raise click.UsageError("a key that writes is for one venue")
    made, lines = new_key(None if for_all else venues, may=may, module=_settings("TAP_CONVEX_MODULE").convex_module)
    _say(made)
    use = "TAP_ADMIN_KEY" if may == "forget" else "TAP_INGEST_KEY"
    _complain(f"↑ the key: it is shown only once. Use it as {use}, or in a file of mode 0600 named by {use}_FILE.")
    _tell_commands("tell its digest, which is not a secret, to the deployment", *lines)
    _complain(*ROTATION.splitlines())


@keys.command("ls")
def key_ls() -> None:
    """Print the command that lists a deployment's keys.

    For dev, then for production. Keys are listed by the first 8 digits of their digest, with venues and rights.
    """
    from tap.service.keys import commands

    _tell_commands("list the keys", *commands(_settings("TAP_CONVEX_MODULE").convex_module, "listKeys", {}))


@keys.command("revoke")
@click.argument("digits", type=Digits())
def key_revoke(digits: str) -> None:
    """Print the command that revokes a key.

    For dev, then for production. DIGITS are the first 8 or more of its digest, as the list shows them; never the key.
    """
    from tap.service.keys import commands

    module = _settings("TAP_CONVEX_MODULE").convex_module
    _tell_commands("revoke the key", *commands(module, "revokeKey", {"key": digits}))


def _tell_commands(what: str, dev: str, production: str) -> None:
    """Two commands on stdout, ready to paste; what each is for, on stderr before it."""
    _complain(f"on dev, where the deployment's project is, {what}:")
    _say(dev)
    _complain("on production:")
    _say(production)


@cli.command()
@click.argument("session_key", metavar="KEY", type=SAID)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_in_state_dir
def forget(session_key: str, yes: bool, state_dir: Path | None) -> None:
    """Remove a shoot from ledger, journals and tapes, for good.

    For a consent that is withdrawn. The ledger then rejects the session for ever. Needs the deployment's admin key in
    TAP_ADMIN_KEY, or in a file named by TAP_ADMIN_KEY_FILE. With TAP_INGEST_KEY it first shows what the ledger has.
    """
    import asyncio

    from tap.service.forget import admin_key, look_up
    from tap.service.forget import forget as forget_session

    settings = _settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT", *_LEDGER_SETTINGS)
    if state_dir is not None:
        settings = settings.model_copy(update={"state_dir": state_dir})
    admin = None if settings.convex_url is None else admin_key(os.environ)
    known = asyncio.run(look_up(settings, session_key))
    _complain(_known_words(session_key, known))
    if not yes:
        click.confirm("Remove it for good?", abort=True, err=True)
    gone = asyncio.run(forget_session(settings, session_key, admin))
    _say(_gone_words(gone))
    if gone.remains:
        _complain(
            *(f"{path}: was moved aside, is damaged, and may still have it" for path in gone.remains),
            "→ delete these files (each with the files beside it that begin with its name)",
        )
        sys.exit(FAILED)


def _known_words(session_key: str, known: Known) -> str:
    from tap.history.words import counted

    ledger = {None: "the ledger was not checked", True: "it is in the ledger", False: "it is not in the ledger"}
    entries = f"{counted(known.entries, 'entry', 'entries')} in the journal"
    parts = (known.title, known.status, entries, ledger[known.in_ledger])
    return f"{session_key}: {', '.join(part for part in parts if part)}"


def _gone_words(gone: Forgotten) -> str:
    from tap.history.words import counted

    ledger = "no Convex is configured"
    if gone.rows is not None:
        ledger = f"the ledger has forgotten it ({counted(gone.rows, 'row')} deleted)"
    entries = counted(gone.entries, "entry", "entries")
    return f"{ledger}; {entries} deleted from the journal, {counted(gone.frames, 'frame')} from the tapes"


# ---------------------------------------------------------------------------------------------- tapes


@cli.command()
@click.argument("tapes", nargs=-1, required=True, type=PathName(), metavar="TAPE...")
@click.option(
    "--dialect", type=SAID, help="Use this dialect instead of the tapes' own: a built-in one or a mapping file."
)
@click.option("--to-journal", is_flag=True, help="Also save the entries in the journal of the state directory.")
@click.option("--to-ledger", is_flag=True, help="Also write the entries to the ledger (TAP_CONVEX_URL).")
@_in_state_dir
@_as_json
def replay(
    tapes: tuple[Path, ...],
    *,
    dialect: str | None,
    to_journal: bool,
    to_ledger: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Print the entries that tapes give.

    Several tapes are one history: name them in order of time. Lines that cannot be parsed are counted on stderr. With
    --to-ledger the exit code is 1 if the ledger does not have all of it: it rejected some, or its functions are older.
    """
    if to_journal and to_ledger:
        raise click.UsageError("--to-journal or --to-ledger, one at a time")
    from tap.core.codec import entry_json
    from tap.history.listing import entry_line
    from tap.history.words import counted
    from tap.service.replay import Replay, keep

    def show(entry: Entry) -> None:
        if as_json:
            _print_json(entry_json(entry))
        else:
            click.echo(entry_line(entry))

    whole = True
    with Replay(tapes, dialect=dialect, venue=lambda: _settings("TAP_VENUE").venue) as replayed:
        entries = _with_progress(replayed)
        if to_journal:
            with _journal(state_dir, readonly=False) as journal:
                total, new = keep(journal, entries, _until_nobody_reads(show))
            _complain(f"{counted(total, 'entry', 'entries')}, {new} of them new to the journal")
        elif to_ledger:
            whole = _deliver(entries, _until_nobody_reads(show))
        else:
            for entry in entries:
                show(entry)
        sys.stdout.flush()
        _complain(*replayed.remarks())
    if not whole:
        sys.exit(FAILED)


def _deliver(entries: Iterable[Entry], show: Callable[[Entry], None]) -> bool:
    """Write entries to the ledger, and tell what it answered; whether it has all of them now."""
    from tap.core.taken import DEPLOY
    from tap.service.deliver import deliver

    delivered = _with_ledger(lambda ledger: deliver(ledger, entries, show))
    rejected = delivered.rejected
    _complain(*(f"rejected: {answer.key}: {answer.words}" for answer in rejected[:_REJECTED_SHOWN]))
    if len(rejected) > _REJECTED_SHOWN:
        _complain(f"… and {len(rejected) - _REJECTED_SHOWN} more")
    _complain(f"the ledger's answers: {delivered.words()}")
    if delivered.held or delivered.in_part:
        left = f"{delivered.held} entries were not sent, and {delivered.in_part} went without what it does not know"
        _complain(f"the deployment's functions are older than this tap: {left} → {DEPLOY}, then run this again")
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
            _hush()

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
@click.option("--dialect", type=SAID, help="A built-in dialect or a mapping file.  [default: TAP_DIALECT]")
@click.option("--session", "session_key", metavar="KEY", type=SAID, help="Only this session.")
@_in_state_dir
@_as_json
def rederive(
    *, apply_it: bool, dialect: str | None, session_key: str | None, state_dir: Path | None, as_json: bool
) -> None:
    """Read the venue's own tapes again, with today's dialect.

    Shows the differences: rows added (+), changed (~), retracted (-). With --apply they go into the journal, and from
    there into the ledger, under the same keys with a higher revision; nothing is deleted. Live sessions are left out.
    """
    from msgspec import json

    from tap.adapters.dialects import load_dialect
    from tap.history.words import counted, plain
    from tap.service.rederive import lines
    from tap.service.rederive import rederive as read_again

    settings = _settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT")
    path = _journal_path(state_dir)
    with _journal(state_dir, readonly=not apply_it) as opened, _counter() as count:
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
            _print_json(json.encode(change))
    else:
        for line in lines(result, applied=apply_it):
            click.echo(plain(line))
    sys.stdout.flush()
    _complain(*(f"left out: {key} {why}" for key, why in result.left_out.items()))
    rows = sum(map(len, result.changes.values()))
    differ = f"{counted(rows, 'row differs', 'rows differ')}; --apply repairs {'it' if rows == 1 else 'them'}"
    told = (f"{counted(rows, 'row')} repaired" if apply_it else differ) if rows else "no difference"
    _complain(f"{counted(result.tapes, 'tape')}, {counted(result.sessions, 'session')} compared: {told}")


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
@click.option("--seconds", type=Finite(min=0, min_open=True), help="Stop after this time.  [default: at Ctrl-C]")
@click.option(
    "--dialect", type=SAID, default="multicam/1", show_default=True, help="The dialect that recognizes telemetry."
)
@click.option("--with-token", is_flag=True, help="Send the server the token of TAP_SERVER_TOKEN.")
def record(url: str, output: Path, *, force: bool, seconds: float | None, dialect: str, with_token: bool) -> None:
    """Record a live server onto a tape.

    Its frames without telemetry and secrets, and its connects and drops; until Ctrl-C, or for --seconds.
    """
    from tap.adapters.dialects import load_dialect
    from tap.core.redact import redact_text
    from tap.history.words import counted
    from tap.service.recording import record_until_stopped

    secrets = ("TAP_SERVER_TOKEN", "TAP_SERVER_TOKEN_FILE", "CREDENTIALS_DIRECTORY")
    token = _settings(*secrets).server_token if with_token else None
    with _counter() as count:
        recorded = record_until_stopped(
            url,
            output,
            dialect=load_dialect(dialect),
            token=None if token is None else token.get_secret_value(),
            venue=_settings("TAP_VENUE").venue if os.environ.get("TAP_VENUE") else None,
            policy=_settings(*_POLICY).policy() if any(os.environ.get(name) for name in _POLICY) else None,
            force=force,
            duration=seconds,
            on_progress=lambda now: count(f"{now.seconds:.0f} s, {now.frames} frames  {now.problem or ''}"),
        )
    if not recorded.connections:
        raise TapError(
            f"nothing was recorded: {recorded.problem}", where=redact_text(url), hint="is this the server's address?"
        )
    heard = f"{counted(recorded.frames, 'frame')} in {recorded.seconds:.0f} s"
    _complain(f"{output}: {heard}, {recorded.telemetry} left out as telemetry")


@cli.command("inspect")
@click.argument("what", metavar="TAPE|URL", type=SAID)
@click.option("--dialect", type=SAID, help="Use this dialect.  [default: the tape's, else multicam/1]")
@click.option("--seconds", type=Finite(min=0, min_open=True), default=60.0, help="How long to listen to a URL.")
@click.option("--suggest", "suggests", is_flag=True, help="Draft a mapping file; its doubtful lines say why.")
@click.option(
    "--try",
    "tried",
    metavar="MAPPING",
    type=SAID,
    help="Show the history that this mapping would give, beside today's.",
)
@click.option("-o", "--output", type=PathName(dir_okay=False), help="Write the result here.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--with-token", is_flag=True, help="Send the server the token of TAP_SERVER_TOKEN.")
@_as_json
def inspect_(what: str, *, dialect: str | None, seconds: float, with_token: bool, **how: Any) -> None:
    """Show what a server says, and what the dialect knows of it.

    From a tape, or from a live server (for --seconds): its types of frames with samples, what the fields look like,
    and, with --suggest, a draft of a mapping file.
    """
    import tempfile

    from tap.rehearsal.inspect import Inspection

    if how["suggests"] and how["tried"] is not None:
        raise click.UsageError("--suggest or --try, one at a time")
    with tempfile.TemporaryDirectory(prefix="multicam-tap-") as folder, _counter() as count:
        path = Path(what)
        if "://" in what:
            what = ServerUrl().convert(what, None, None)
            path = Path(folder) / "live.jsonl"
            _record_all(what, path, seconds=seconds, dialect=dialect, with_token=with_token, count=count)
        shown = Inspection(
            [path],
            dialect=dialect,
            source=_shown_url(what),
            on_progress=lambda doing, done, size: count(f"{doing}: {100 * done / size:.0f} %" if size else doing),
        )
        result, remark = _inspected(shown, **how)
    _write_result(result, how["output"], force=how["force"])
    if remark:
        _complain(remark)


def _record_all(
    url: str, path: Path, *, seconds: float, dialect: str | None, with_token: bool, count: Callable[[str], None]
) -> None:
    """A tape of all that a server says, telemetry too."""
    from tap.adapters.dialects import load_dialect
    from tap.service.recording import record_until_stopped

    secrets = ("TAP_SERVER_TOKEN", "TAP_SERVER_TOKEN_FILE", "CREDENTIALS_DIRECTORY")
    token = _settings(*secrets).server_token if with_token else None
    recorded = record_until_stopped(
        url,
        path,
        dialect=load_dialect(dialect or "multicam/1"),
        token=None if token is None else token.get_secret_value(),
        telemetry=True,
        duration=seconds,
        on_progress=lambda now: count(f"listening: {now.seconds:.0f} of {seconds:.0f} s, {now.frames} frames"),
    )
    if not recorded.connections:
        raise TapError(
            f"nothing was received: {recorded.problem}", where=_shown_url(url), hint="is this the server's address?"
        )


def _shown_url(url: str) -> str:
    from tap.core.redact import redact_text

    return redact_text(url)


def _inspected(shown: Inspection, *, suggests: bool, tried: str | None, as_json: bool, **_: Any) -> tuple[str, str]:
    """The result as text, and a remark for people."""
    from msgspec import to_builtins

    from tap.adapters.dialects import load_dialect
    from tap.rehearsal.inspect.screen import print_report, print_trial

    if suggests:
        drafted = shown.suggestion()
        doubts = f"doubtful lines: {drafted.doubts}" if drafted.doubts else "no line is doubtful"
        told = {"mapping": drafted.text, "doubts": drafted.doubts, "leftOut": drafted.left_out}
        text = drafted.text if not as_json else _json_text(told)
        odd = f"; {drafted.left_out} odd frames were ignored: 'inspect' shows them" * bool(drafted.left_out)
        return text, f"a mapping file was drafted; {doubts}{odd}"
    found = shown.report() if tried is None else shown.trial(load_dialect(tried))
    if as_json:
        return _json_text(to_builtins(found)), ""
    return _rendered(print_report if tried is None else print_trial, found), ""


def _json_text(value: object) -> str:
    """A line of JSON that harms no terminal."""
    import orjson

    from tap.core.plain import plain_json

    return plain_json(orjson.dumps(value).decode()) + "\n"


def _rendered(show: Callable[[Any, Any], None], found: object) -> str:
    """What is shown, as text; with colours where a terminal reads it."""
    import io
    import shutil

    from rich.console import Console

    out = io.StringIO()
    width = shutil.get_terminal_size((160, 24)).columns if sys.stdout.isatty() else 160
    show(found, Console(file=out, width=max(80, width), force_terminal=sys.stdout.isatty(), highlight=False))
    return out.getvalue()


def _write_result(text: str, output: Path | None, *, force: bool) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "use --force to replace it, or name another file"
        raise TapError("the file already exists", where=str(output), hint=hint) from None
    except OSError as error:
        raise TapError(f"cannot be written: {error.strerror}", where=str(output)) from None


@contextmanager
def _counter() -> Iterator[Callable[[str], None]]:
    """Shows a text that changes, on a terminal's stderr; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    from tap.history.words import plain

    with Console(stderr=True).status("connecting") as status:
        yield lambda text: status.update(Text(plain(text)))


# ---------------------------------------------------------------------------------------------- rehearsal


class _WithFaults(click.Command):
    """Lists the server's ways and the faults below its help; they are imported only for that."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        from tap.rehearsal.faults import FAULTS
        from tap.rehearsal.ways import CHOICES, WAYS

        with formatter.section("Ways of the server (the first word of each is the default)"):
            formatter.write_dl([(f"{name}={'|'.join(CHOICES[name])}", does) for name, does in WAYS.items()])
        with formatter.section("Faults (all: every one of these, huge aside)"):
            formatter.write_dl([(name, fault.does) for name, fault in FAULTS.items()])


@cli.command(cls=_WithFaults)
@click.option("--cameras", default=5, show_default=True, help="How many cameras.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same shoot.")
@click.option("--speed", default=1.0, show_default=True, help="How many times faster than real time.")
@click.option("--length", default=120.0, show_default=True, help="Seconds of the shoot's own time, at least.")
@click.option("--sessions", default=1, show_default=True, help="How many sessions.")
@click.option("--faults", multiple=True, metavar="NAME[,NAME...]", help="What goes wrong; the names are below.")
@click.option(
    "--server",
    "ways",
    type=ServerWays(),
    default="",
    metavar="WAY=WORD[,WAY=WORD...]",
    help="How the server counts, dates and names; the ways are below.  [default: as protocol.md draws it]",
)
@click.option("--telemetry-rate", default=40.0, show_default=True, help="Telemetry frames a second of the shoot.")
@click.option("--style", help="Speak like a made-up server: nested, snapshots or numeric.  [default: multicam/1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    help="The port, on this machine only.  [default: any free port]",
)
@click.option("--path", default="/ws/control", show_default=True, help="The WebSocket's path.")
@click.option(
    "--venue", type=Venue(), default="rehearsal", show_default=True, help="The venue in the truth and tape files."
)
@click.option("--truth", type=PathName(dir_okay=False), help="Write what really happened into this file.")
@click.option("--tape", type=PathName(dir_okay=False), help="Write the frames that were sent into this file.")
@click.option(
    "--clients",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Wait for this number of clients before the shoot begins.",
)
@click.option("--no-wait", is_flag=True, help="Begin at once, without waiting for a client.")
@click.option("--patient", is_flag=True, help="Stop the shoot's clock while a client is disconnected.")
@click.option(
    "--real-clock", is_flag=True, help="Do not speed up the server's clock: at a higher speed the shoot is denser."
)
@click.option("--tape-only", is_flag=True, help="Do not serve: write truth and tape at once, and end.")
def simulate(tape_only: bool, length: float, no_wait: bool, **options: Any) -> None:
    """Simulate a multicam-server, to rehearse with.

    Plays a simulated shoot to every client on this machine.

    It ignores all TAP_* variables, so that no rehearsal touches a real server or ledger.
    """
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        del os.environ[name]
    import asyncio

    from tap.rehearsal.files import write_shoot
    from tap.rehearsal.simulator import SimulatorOptions, run_simulator

    asked = SimulatorOptions(
        length_s=length,
        wait_for_client=not no_wait,
        on_ready=lambda port: _say(f"a simulated multicam-server: ws://127.0.0.1:{port}{options['path']}"),
        **options,
    )
    if tape_only:
        write_shoot(asked)
    else:
        sys.exit(asyncio.run(run_simulator(asked)))


@cli.command()
def demo() -> None:
    """Play a simulated shoot, record it, and show its history.

    It takes about a minute, writes only into the folder .demo, and ignores all TAP_* variables. In a checkout with
    Node the history goes through a local ledger; else it is read from the journal. Exit code 1 if the history is wrong.
    """
    from tap.rehearsal.demo import main

    sys.exit(main())


# ---------------------------------------------------------------------------------------------- sessions, chosen


@cli.group()
def session() -> None:
    """Make, cut, join and name sessions afterwards.

    Each command shows before and after, and changes nothing without --apply. Nothing is deleted: 'session undo' takes
    the last step back.
    """


def _applied(command: _Command) -> _Command:
    return click.option("--apply", "apply_it", is_flag=True, help="Do it: into the journal, and so into the ledger.")(
        command
    )


@session.command("make")
@click.option(
    "--from", "since", required=True, metavar="WHEN", type=SAID, help="When it began: 14:30, '2026-11-21 14:30' …"
)
@click.option("--to", "until", required=True, metavar="WHEN", type=SAID, help="When it ended.")
@click.option("--title", help="What it is called.")
@click.option("--notes", help="What else is known of it.")
@click.option("--dialect", type=SAID, help="A built-in dialect or a mapping file.  [default: TAP_DIALECT]")
@_applied
@_in_state_dir
@_as_json
def session_make(
    since: str,
    until: str,
    *,
    dialect: str | None,
    apply_it: bool,
    state_dir: Path | None,
    as_json: bool,
    **names: str | None,
) -> None:
    """Make a session that nobody started, from the tapes.

    With the cameras, cuts, holds, stills and gaps that the tapes show between two moments. Without a date: of today.
    """
    from tap.adapters.dialects import load_dialect
    from tap.service.making import make

    begins, ends = _moment(since, "--from"), _moment(until, "--to")
    settings = _settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT")
    tapes = _journal_path(state_dir).parent / settings.tapes_path.name
    read, told = load_dialect(dialect or settings.dialect), _given(names)

    def plan(opened: Journal) -> Plan:
        with _counter() as count:
            return make(
                tapes,
                opened,
                read,
                venue=_venue_of_tapes(tapes),
                since=begins,
                until=ends,
                names=told,
                now=_now_ms(),
                on_progress=lambda done, size: count(f"{done / 1e6:.0f} of {size / 1e6:.0f} MB of tape"),
            )

    _choose(plan, apply_it=apply_it, state_dir=state_dir, as_json=as_json)


@session.command("split")
@click.argument("key", type=SAID)
@click.option("--at", "moment", required=True, metavar="WHEN", type=SAID, help="Where the second one begins.")
@click.option("--title", help="What the second one is called.")
@_applied
@_in_state_dir
@_as_json
def session_split(
    key: str, moment: str, *, apply_it: bool, state_dir: Path | None, as_json: bool, **names: str | None
) -> None:
    """Make two sessions of one.

    The first keeps its key. A still goes where it was requested, even if it is uploaded later.
    """
    from tap.service.choosing import split

    at, told = _moment(moment, "--at"), _given(names)
    _choose(
        lambda opened: split(opened, key, at=at, names=told, venue=_own_venue()),
        apply_it=apply_it,
        state_dir=state_dir,
        as_json=as_json,
    )


@session.command("merge")
@click.argument("keys", nargs=-1, required=True, type=SAID, metavar="KEY KEY...")
@_applied
@_in_state_dir
@_as_json
def session_merge(keys: tuple[str, ...], *, apply_it: bool, state_dir: Path | None, as_json: bool) -> None:
    """Make one session of several.

    It has the key and the title of the first by time. What lies between two of them becomes a gap.
    """
    from tap.service.choosing import merge

    _choose(
        lambda opened: merge(opened, keys, venue=_own_venue()),
        apply_it=apply_it,
        state_dir=state_dir,
        as_json=as_json,
    )


@session.command("trim")
@click.argument("key", type=SAID)
@click.option("--from", "since", metavar="WHEN", type=SAID, help="Leave out what was before.")
@click.option("--to", "until", metavar="WHEN", type=SAID, help="Leave out what came after.")
@_applied
@_in_state_dir
@_as_json
def session_trim(
    key: str, since: str | None, until: str | None, *, apply_it: bool, state_dir: Path | None, as_json: bool
) -> None:
    """Cut off the beginning or the end of a session."""
    from tap.service.choosing import trim

    if since is None and until is None:
        raise click.UsageError("Missing option '--from' or '--to'")
    begins = None if since is None else _moment(since, "--from")
    ends = None if until is None else _moment(until, "--to")
    _choose(
        lambda opened: trim(opened, key, since=begins, until=ends, venue=_own_venue()),
        apply_it=apply_it,
        state_dir=state_dir,
        as_json=as_json,
    )


@session.command("rename")
@click.argument("key", type=SAID)
@click.option("--title", help="What it is called; '' takes the title away.")
@click.option("--notes", help="What else is known of it; '' takes it away.")
@_applied
@_in_state_dir
@_as_json
def session_rename(key: str, *, apply_it: bool, state_dir: Path | None, as_json: bool, **names: str | None) -> None:
    """Give a session another title, or other notes."""
    from tap.service.choosing import rename

    told = _given(names)
    if not told:
        raise click.UsageError("Missing option '--title' or '--notes'")
    _choose(
        lambda opened: rename(opened, key, names=told, venue=_own_venue()),
        apply_it=apply_it,
        state_dir=state_dir,
        as_json=as_json,
    )


@session.command("undo")
@click.argument("key", type=SAID)
@_applied
@_in_state_dir
@_as_json
def session_undo(key: str, *, apply_it: bool, state_dir: Path | None, as_json: bool) -> None:
    """Take back the last step that was taken with a session.

    Once more takes back the one before it. 'session log KEY' shows them.
    """
    from tap.service.choosing import undo

    _choose(
        lambda opened: undo(opened, key, venue=_own_venue()), apply_it=apply_it, state_dir=state_dir, as_json=as_json
    )


@session.command("log")
@click.argument("key", type=SAID)
@_in_state_dir
@_as_json
def session_log(key: str, *, state_dir: Path | None, as_json: bool) -> None:
    """Show what was done to a session, by whom and when."""
    from msgspec import json

    from tap.history.chosen import log_lines
    from tap.service.choosing import log

    with _journal(state_dir) as opened:
        steps = log(opened, key)
    if as_json:
        for step in steps:
            _print_json(json.encode(step))
    else:
        _say(*log_lines(steps, _zone()) if steps else ["nothing: it is as the tap recorded it"])


@session.command("find")
@click.option("--since", default="yesterday", show_default=True, help="Not earlier than: monday, '3 days', 14:30 …")
@click.option("--until", help="… and not later than this.")
@click.option("--dialect", type=SAID, help="A built-in dialect or a mapping file.  [default: TAP_DIALECT]")
@_in_state_dir
@_as_json
def session_find(since: str, until: str | None, *, dialect: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show what looks like a shoot that nobody started.

    Spans of the tapes outside of sessions in which cameras were cut to and stills taken, the longest first.
    """
    from msgspec import json

    from tap.adapters.dialects import load_dialect
    from tap.history.chosen import found_lines
    from tap.service.making import find

    settings = _settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT")
    tapes = _journal_path(state_dir).parent / settings.tapes_path.name
    begins, ends = _moment(since, "--since"), _now_ms() if until is None else _moment(until, "--until")
    with _journal_of_tapes(state_dir) as opened, _counter() as count:
        spans = find(
            tapes,
            opened,
            load_dialect(dialect or settings.dialect),
            venue=_venue_of_tapes(tapes),
            since=begins,
            until=ends,
            now=_now_ms(),
            on_progress=lambda done, size: count(f"{done / 1e6:.0f} of {size / 1e6:.0f} MB of tape"),
        )
    if as_json:
        for span in spans:
            _print_json(json.encode(span))
    else:
        _say(*found_lines(spans, _zone()) if spans else ["no shoot was found outside of sessions"])


def _choose(plan: Callable[[Journal], Plan], *, apply_it: bool, state_dir: Path | None, as_json: bool) -> None:
    """Show what a plan changes, and with --apply carry it out."""
    from msgspec import json

    from tap.history.chosen import picture_lines
    from tap.service.choosing import carry_out

    with _journal_of_tapes(state_dir, readonly=not apply_it) as opened:
        picture = carry_out(opened, lambda: plan(opened), apply=apply_it, by=_user(), now=_now_ms)
    if as_json:
        _print_json(json.encode(picture))
    else:
        remark = None if picture.remark is None else (picture.remark, picture.by, picture.at)
        _say(*picture_lines(picture.before, picture.after, picture.changes, remark, _zone()))
    if picture.applied:
        undo = "" if picture.how == "undo" else f"; 'multicam-tap session undo {picture.about}' takes it back"
        _complain(f"done{undo}")
    else:
        _complain("nothing is changed yet: --apply does it" if picture.changes else "no difference")


@contextmanager
def _journal_of_tapes(state_dir: Path | None, *, readonly: bool = True) -> Iterator[Journal]:
    """The journal; an empty one where there are only tapes."""
    import tempfile

    from tap.adapters.journal import Journal
    from tap.service.flight import segments

    path = _journal_path(state_dir)
    if path.exists() or not segments(path.with_name("tapes")):
        with _journal(state_dir):
            pass  # where there is nothing at all, nothing shall be made
    elif readonly:
        with (
            tempfile.TemporaryDirectory(prefix="multicam-tap-") as folder,
            Journal.open(Path(folder) / path.name) as it,
        ):
            yield it
        return
    with Journal.open(path, readonly=readonly) as opened:
        yield opened


def _given(names: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text.strip() for name, text in names.items() if text is not None}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _moment(text: str, option: str) -> int:
    """The moment that an option names, in the venue's time zone."""
    from datetime import UTC, datetime

    from tap.history.asking import exact_ms

    try:
        now = datetime.fromtimestamp(_now_ms() / 1000, UTC)
        return exact_ms(text, now.astimezone(_zone() or _machines_zone()))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _machines_zone() -> ZoneInfo | None:
    """The machine's time zone with its rules: the offset of today is not that of any day."""
    from zoneinfo import ZoneInfo

    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file, key="the machine's zone")
    except (LookupError, ValueError, OSError):
        return None


def _own_venue() -> str | None:
    """The venue, where the environment names one."""
    return _settings("TAP_VENUE").venue if os.environ.get("TAP_VENUE") else None


def _venue_of_tapes(tapes: Path) -> str:
    """The venue that is meant: the environment's, else that of the tapes."""
    from tap.service.chosentapes import venue_on

    return _own_venue() or venue_on(tapes) or _settings("TAP_VENUE").venue


def _user() -> str:
    """Who runs this command, for the row."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


# ---------------------------------------------------------------------------------------------- what is kept


@cli.group()
def journal() -> None:
    """Look into the journal.

    It has every entry, in the order in which it was written.
    """


@journal.command("ls")
@click.option("--session", "session_key", metavar="KEY", type=SAID, help="Only of this session.")
@click.option("--pending", "state", flag_value="pending", help="Only pending entries.")
@click.option("--dead", "state", flag_value="dead", help="Only rejected entries.")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=Whole(0),
    help="At most this many, the newest; 0: all. JSON has no limit.",
)
@_in_state_dir
@_as_json
def journal_ls(session_key: str | None, state: State | None, limit: int, state_dir: Path | None, as_json: bool) -> None:
    """List entries in the order in which they were written. Times are in UTC."""
    from tap.adapters.journal import kept_object
    from tap.history.listing import entry_line

    with _journal(state_dir) as opened:
        kept = opened.entries(session_key, state)
        if as_json:
            _print_objects(kept_object(one) for one in kept)
            return
        newest = deque(enumerate(kept, 1), maxlen=limit or None)
        for _, one in newest:
            click.echo(f"{one.seq:>7}  {one.state:<7}  {entry_line(one.entry, one.reason)}")
        if not newest:
            _complain("no entry is saved" + (" that matches" if session_key or state else ""))
        elif newest[0][0] > 1:
            _complain(f"the newest {len(newest)} of {newest[-1][0]}; --limit 0 shows all")


@journal.command("show")
@click.argument("which", metavar="SEQ|KEY", type=SAID)
@_in_state_dir
@_as_json
def journal_show(which: str, state_dir: Path | None, as_json: bool) -> None:
    """Show one whole entry.

    By its number; or every version of a row, by its key."""
    from tap.adapters.journal import kept_object

    with _journal(state_dir) as opened:
        found = [kept_object(one) for one in _kept(opened, which)]
    if not found:
        raise TapError("there is no such entry", where=which, hint="see 'multicam-tap journal ls'")
    if as_json:
        _print_objects(found)
        return
    import orjson

    for said in found:
        _print_json(orjson.dumps(said, option=orjson.OPT_INDENT_2))


def _kept(opened: Journal, which: str) -> Iterator[Kept]:
    if which.isdecimal() and int(which[:20]) <= MOST:
        first = next(opened.entries(after=int(which) - 1), None)
        return iter([first] if first is not None and first.seq == int(which) else [])
    return (one for one in opened.entries() if one.entry.key == which)


@journal.command("retry")
@click.argument("seqs", nargs=-1, type=SEQ, metavar="[SEQ...]")
@_in_state_dir
@_as_json
def journal_retry(seqs: tuple[int, ...], state_dir: Path | None, as_json: bool) -> None:
    """Send rejected entries again.

    All of them, or those with these numbers ('journal ls --dead' shows them). A running service sends them within
    seconds.
    """
    from tap.history.words import counted

    with _journal(state_dir):
        pass  # where there is none, none shall be made
    with _journal(state_dir, readonly=False) as opened:
        waiting = opened.retry_dead(seqs or None)
    if as_json:
        _print_objects([{"retried": waiting}])
    else:
        _say(f"{counted(waiting, 'entry is pending', 'entries are pending')} again")
    if waiting < len(set(seqs)):
        raise TapError(
            f"{len(set(seqs)) - waiting} of these were not rejected", hint="see 'multicam-tap journal ls --dead'"
        )


@journal.command("verify")
@_in_state_dir
@_as_json
def journal_verify(state_dir: Path | None, as_json: bool) -> None:
    """Check the journal's file for damage. Exit code 1 if it is damaged."""
    with _journal(state_dir) as opened:
        problems = opened.verify()
        counts = opened.counts()
    if as_json:
        _print_objects([{"ok": not problems, "problems": problems, "counts": counts}])
    else:
        _say(*problems or [f"whole: {', '.join(f'{number} {state}' for state, number in counts.items())}"])
    sys.exit(FAILED if problems else 0)


@journal.command("prune")
@click.option("--older-than", type=Finite(0, 36_500), metavar="DAYS", help="[default: TAP_KEEP_DAYS]")
@_in_state_dir
@_as_json
def journal_prune(older_than: float | None, state_dir: Path | None, as_json: bool) -> None:
    """Delete old entries that the ledger has. Pending and rejected entries stay."""
    from tap.history.words import counted

    days = _settings("TAP_KEEP_DAYS").keep_days if older_than is None else older_than
    with _journal(state_dir, readonly=False) as opened:
        gone = opened.prune(round(time.time() * 1000 - days * 86_400_000))
    if as_json:
        _print_objects([{"pruned": gone}])
    else:
        _say(f"{counted(gone, 'entry', 'entries')} deleted")


def _asked_when(command: _Command) -> _Command:
    command = click.option("--until", help="… and not later than this.")(command)
    return click.option("--since", help="Not earlier than: yesterday, monday, '3 days', 14:30, 2026-11-21 …")(command)


@cli.command()
@click.option("--venue", type=SAID, help="Only of this venue.")
@_asked_when
@click.option("--status", type=click.Choice(("live", "complete", "interrupted")), help="Only those with this status.")
@click.option("--title", type=SAID, help="Only those with this in their title.")
@click.option("--limit", type=SEQ, help="At most this many.")
@_from_ledger
@_in_state_dir
@_as_json
def sessions(
    limit: int | None, *, from_ledger: bool, state_dir: Path | None, as_json: bool, **filters: str | None
) -> None:
    """List the sessions in the journal or ledger, newest first.

    From the ledger those of the key's venue; a read key is enough. Times, also those of --since and --until,
    are in the venue's time zone: TAP_TIMEZONE, else the machine's. JSON has Unix milliseconds.
    """
    from itertools import islice

    from tap.history.listing import row_object, session_line

    asked = _asked(**filters)
    with _history(from_ledger=from_ledger, state_dir=state_dir) as history:
        rows = islice(history.session_rows(asked), limit)
        if as_json:
            _print_objects(row_object(row) for row in rows)
        elif sys.stdout.isatty():
            from tap.history.consoles import stdout_console
            from tap.history.tables import print_sessions

            print_sessions(rows, stdout_console(), _zone(), history.timeline)
        else:
            zone = _zone()
            _say(*[session_line(row, zone) for row in rows] or [_nothing(filters)])


@cli.command()
@click.option("--since", metavar="CURSOR", type=SAID, help="Go on after this cursor.  [default: from the first row]")
@click.option("--venue", "venues", type=SAID, multiple=True, help="Only of this venue. May be repeated.")
@_as_json
def changes(since: str | None, *, venues: tuple[str, ...], as_json: bool) -> None:
    """Print what was written to the ledger since a cursor.

    For pipelines: each row at least once, in the order of the commits, as it is now, and again after each change. With
    --json each line has a "cursor": save that of the last line you are done with, and go on from it with --since. A
    read key is enough (TAP_INGEST_KEY).
    """
    from tap.adapters.ledger import Changed
    from tap.history.listing import change_line, change_object

    async def tell(ledger: Ledger) -> str | None:
        cursor = since
        page = Changed([], "", done=False)
        while not page.done:
            page = await ledger.changes(cursor, venues)
            for number, row in enumerate(page.rows, 1):
                # Killed in the middle of a page, a reader goes on at its beginning: twice is no harm.
                after = page.cursor if number == len(page.rows) else cursor
                if as_json:
                    _print_objects([change_object(row, after)])
                else:
                    click.echo(change_line(row))
            sys.stdout.flush()
            cursor = page.cursor
        return cursor

    cursor = _with_ledger(tell)
    if not as_json:
        _complain(f"that is all for now → 'multicam-tap changes --since {cursor}' goes on from here")


def _nothing(filters: dict[str, str | None]) -> str:
    return "no session is saved" + (" that matches" if any(filters.values()) else "")


def _asked(since: str | None, until: str | None, **others: str | None) -> Asked:
    """What the options ask; moments are those of the venue's time zone."""
    from datetime import UTC, datetime

    from tap.history.asking import Asked, ms_of_moment

    now = datetime.now(UTC)
    if since is not None or until is not None:
        now = now.astimezone(_zone())
    try:
        return Asked(
            since=None if since is None else ms_of_moment(since, now),
            until=None if until is None else ms_of_moment(until, now, end=True),
            **others,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def _history(*, from_ledger: bool, state_dir: Path | None) -> Iterator[History]:
    """The history in the journal, or in the ledger that the settings name."""
    from tap.api import open_journal, open_ledger

    if not from_ledger:
        with open_journal(_journal_path(state_dir)) as history:
            yield history
        return
    settings = _settings(*_LEDGER_SETTINGS)
    if settings.convex_url is None:
        raise SettingsInvalid(["TAP_CONVEX_URL: is not set → the deployment that holds the ledger"])
    key = None if settings.ingest_key is None else settings.ingest_key.get_secret_value()
    with open_ledger(settings.convex_url, key, module=settings.convex_module) as history:
        yield history


def _print_events(found: Iterable[Any]) -> None:
    from tap.history.consoles import stdout_console
    from tap.history.tables import events_table

    table = events_table(found, _zone())
    stdout_console().print(table if table.row_count else "nothing saved matches")


@cli.command()
@click.argument("key", required=False, type=SAID)
@click.option("--venue", type=SAID, help="Without KEY: only of this venue.")
@_asked_when
@click.option("--camera", type=SAID, help="Only what this camera did: its id, or a part of its name.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(WORDS), help="Only this kind; may be repeated.")
@_from_ledger
@_in_state_dir
@_as_json
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

    Who was on air when, and the event log. Without KEY: the newest. With --camera, --kind, --since, --until or
    --venue: a table of the matching events, of the session KEY or of all sessions. 'multicam-tap sessions' lists
    the keys.
    """
    if camera is not None or kinds or any(filters.values()):
        asked = _asked(**filters)
        with _history(from_ledger=from_ledger, state_dir=state_dir) as history:
            found = history.find(asked, key=key, camera=camera, kinds=kinds)
            if as_json:
                from tap.history.tables import event_object

                _print_objects(event_object(one, event) for one, events in found for event in events)
            else:
                _print_events(found)
        return
    from tap.history.timeline import timeline_json, timeline_of

    shown = timeline_of(_rows_of(key, from_ledger=from_ledger, state_dir=state_dir))
    if as_json:
        _print_json(timeline_json(shown))
        return
    from tap.history.consoles import chart_width, stdout_console
    from tap.history.screen import print_timeline

    print_timeline(shown, stdout_console(), _zone(), width=None if sys.stdout.isatty() else chart_width())


@cli.command()
@click.argument("key", required=False, type=SAID)
@click.option("--format", "format_name", type=click.Choice(FORMATS), help="Default: by the file's ending.")
@click.option("--fps", type=click.Choice(RATE_NAMES), help=_FPS_HELP)
@click.option("--layout", type=click.Choice(LAYOUTS), default="program", show_default=True, help=_LAYOUT_HELP)
@click.option("--media", metavar="WHERE", type=SAID, help=_MEDIA_HELP)
@click.option("--offset", "offsets", metavar="CAMERA=SECONDS", type=Moved(), multiple=True, help=_OFFSET_HELP)
@click.option("--source", type=TimecodeOr("file", "tod"), default="file", show_default=True, help=_SOURCE_HELP)
@click.option("--start", type=TimecodeOr("tod", "zero"), default="tod", show_default=True, help=_START_HELP)
@click.option("--explain", is_flag=True, help=_EXPLAIN_HELP)
@click.option("-o", "--output", type=PathName(), help="The file to write; '-': stdout.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@_from_ledger
@_in_state_dir
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

    Without KEY: the newest. For editing: edl (CMX3600), fcp7xml (Premiere Pro, Resolve, Avid), fcpxml (Final Cut Pro,
    Resolve), otio (OpenTimelineIO), resolve-markers. Chapters: webvtt, srt, ffmetadata, youtube. Tables: shots, csv
    (events), jsonl (every row).
    """
    from tap.adapters.footage import VideoFiles
    from tap.history.export import RATES, check_pattern, export, format_of, write

    if output is None and not explain:
        raise click.UsageError("Missing option '-o' / '--output': the file to write, or --explain alone")
    chosen = format_name or ("shots" if output is None else format_of(output))
    if chosen is None:
        raise click.UsageError(f"the name of {output} does not say its format: add --format {'|'.join(FORMATS)}")
    files = VideoFiles()
    if media is not None and not files.is_folder(media):
        check_pattern(media)
    made = export(
        _rows_of(key, from_ledger=from_ledger, state_dir=state_dir),
        chosen,
        rate=None if fps is None else RATES[fps],
        zone=_zone(),
        start=start,
        media=media,
        layout=layout,
        source=source,
        offsets=dict(offsets),
        files=files,
    )
    if output == Path("-"):
        sys.stdout.writelines(made.pieces[""])
    elif output is not None:
        for path in write(made, output, force=force):
            _say(str(path))
    _complain(*(made.placed if explain else ()), *(f"note: {note}" for note in made.notes))


@cli.command()
@click.argument("key", required=False, type=SAID)
@click.option("-o", "--output", required=True, type=PathName(), metavar="FILE", help="The file to write; '-': stdout.")
@click.option("--media", type=PathName(), metavar="DIR", help="Show the stills in this folder.")
@click.option("--fetch", is_flag=True, help="Download stills that are not in DIR from where they were uploaded.")
@click.option(
    "--timezone", metavar="ZONE", help="The venue's time zone, such as Europe/Berlin.  [default: TAP_TIMEZONE]"
)
@click.option("--fps", type=click.Choice(RATE_NAMES), default="25", show_default=True, help="Frame rate of timecode.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="The numbers alone, as one JSON object: no page.")
@_from_ledger
@_in_state_dir
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

    Without KEY: the newest. It is one HTML file that loads nothing from outside, for a browser, to print or to send.
    """
    from tap.adapters.files import refuse_existing, write_whole
    from tap.adapters.pictures import picture_files
    from tap.history.export.rates import RATES
    from tap.history.report import page, report_of
    from tap.history.words import plain

    to_stdout = output == Path("-")
    if show and (to_stdout or as_json):
        raise click.UsageError("--open needs a file with a page")
    if not to_stdout:
        refuse_existing(output, force=force)
    zone = _zone(timezone)
    files = [] if media is None else picture_files(media)
    rows = _rows_of(key, from_ledger=from_ledger, state_dir=state_dir)
    pictures = _pictures(rows, media, files, zone, fetch=fetch)
    if as_json:
        from tap.history.card import card_json, card_of
        from tap.history.timeline import timeline_of

        content = card_json(card_of(timeline_of(rows), pictures)) + b"\n"
    else:
        made = report_of(rows, zone=zone, rate=RATES[fps], pictures=pictures, made_at=round(time.time() * 1000))
        content = page(made).encode()
    if to_stdout:
        sys.stdout.buffer.write(content)
        return
    write_whole(output, content, force=force)
    _say(plain(str(output)))
    if show:
        import webbrowser

        webbrowser.open(output.absolute().as_uri())


def _pictures(
    rows: list[Row], media: Path | None, files: list[str], zone: ZoneInfo | None, *, fetch: bool
) -> dict[str, str]:
    """The stills that can be shown, by their keys; what was found and what was left out is told on stderr."""
    from tap.adapters.pictures import Album, read_picture
    from tap.history.report import match_files, pictures_to_fetch
    from tap.history.timeline import timeline_of
    from tap.history.words import counted

    album, told = Album(), timeline_of(rows)
    if media is not None:
        matches = match_files(told, files, zone)
        for key, name in matches.files.items():
            album.add(key, read_picture(media / name))
        _complain(f"{media}: {matches.words}")
    if fetch:
        import asyncio

        from tap.adapters.web import fetch as fetch_all

        fetched = asyncio.run(fetch_all(pictures_to_fetch(told, album.pictures)))
        for key, content in fetched.contents.items():
            album.add(key, content)
        _complain(f"{counted(len(fetched.contents), 'still')} fetched", *fetched.words())
    _complain(*album.words())
    return album.pictures


def _rows_of(key: str | None, *, from_ledger: bool, state_dir: Path | None) -> list[Row]:
    """The rows of one session that is there; of the newest where none is named."""
    from itertools import islice

    from tap.history.listing import near_keys

    with _history(from_ledger=from_ledger, state_dir=state_dir) as history:
        if key is None:
            newest = next(iter(history.sessions()), None)
            if newest is None:
                raise TapError("no session is saved", hint="see 'multicam-tap journal ls'")
            key = newest.key
        rows = history.rows(key)
        near = [] if rows else near_keys(key, (one.key for one in islice(history.sessions(), _NEAR_AMONG)))
    if not rows:
        hint = f"see 'multicam-tap sessions{' --ledger' if from_ledger else ''}'"
        hint += f"; near it: {', '.join(near)}" if near else ""
        raise TapError("no session has this key", where=key, hint=hint)
    if all(row.retracted is not None for row in rows):
        raise TapError("this session was retracted, or forgotten", where=key)
    return rows


def _zone(name: str | None = None) -> ZoneInfo | None:
    """The time zone of this name, else the venue's; None for the machine's."""
    from zoneinfo import ZoneInfo

    if name is not None:
        try:
            return ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise click.BadParameter(
                f"{name!r} is not a time zone; try Europe/Berlin", param_hint="--timezone"
            ) from None
    name = _settings("TAP_TIMEZONE").timezone
    return None if name is None else ZoneInfo(name)


if __name__ == "__main__":
    main()
