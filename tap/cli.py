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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tap.core.errors import SettingsInvalid, TapError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap.adapters.journal import Journal, Kept, State
    from tap.core.merge import Row
    from tap.core.model import Entry
    from tap.service.config import Settings
    from tap.service.replay import Replay

__all__ = ["cli", "main"]

FAILED, SETTINGS, CANNOT_TELL = 1, 78, 255
_Command = TypeVar("_Command", bound=Callable[..., Any])

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
        except TapError as error:
            _complain(str(error))
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
def cli() -> None:
    """Lets a live multi-camera shoot write its own history.

    A passive tap on multicam-server's control WebSocket. The service takes its settings from TAP_* variables.
    """
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

    return load_settings({name: os.environ[name] for name in names if name in os.environ})


def _in_state_dir(command: _Command) -> _Command:
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
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
    from tap.service.config import load_settings
    from tap.service.daemon import run as run_service

    sys.exit(run_service(load_settings(os.environ)))


@cli.command()
def enabled() -> None:
    """Tell whether the venue is switched on.

    Exit code 0 on, 1 off, 255 cannot tell: for ExecCondition= of systemd, where 1 to 254 skip the unit without a word.
    """
    try:
        on = _settings("TAP_ENABLED").enabled
    except Exception as error:  # noqa: BLE001 - whatever it is, "off" would be a lie
        _complain(*(error.problems if isinstance(error, SettingsInvalid) else [str(error)]))
        sys.exit(CANNOT_TELL)
    click.echo("on" if on else "off")
    sys.exit(0 if on else FAILED)


# ---------------------------------------------------------------------------------------------- tapes


@cli.command()
@click.argument("tapes", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TAPE...")
@click.option("--dialect", help="Read the frames so, whatever the tapes say: a built-in dialect or a mapping file.")
@click.option("--to-journal", is_flag=True, help="Also keep the entries in the journal of the state directory.")
@_in_state_dir
@_as_json
def replay(
    tapes: tuple[Path, ...], dialect: str | None, to_journal: bool, state_dir: Path | None, as_json: bool
) -> None:
    """Print the entries that tapes give.

    Several tapes are one history: name them in the order of time. What cannot be read is counted on stderr.
    """
    from tap.core.codec import entry_json
    from tap.history.listing import entry_line
    from tap.service.replay import Replay, keep

    def show(entry: Entry) -> None:
        if as_json:
            _print_json(entry_json(entry))
        else:
            click.echo(entry_line(entry))

    with Replay(tapes, dialect=dialect, venue=lambda: _settings("TAP_VENUE").venue) as replayed:
        entries = _with_progress(replayed)
        if to_journal:
            with _journal(state_dir, readonly=False) as journal:
                total, new = keep(journal, entries, _until_nobody_reads(show))
            _complain(f"{total} entries, {new} of them new to the journal")
        else:
            for entry in entries:
                show(entry)
        sys.stdout.flush()
        _complain(*replayed.remarks())


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
@click.argument("url")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TAPE",
    help="Where to; .gz packs.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so long.  [default: at Ctrl-C]"
)
@click.option("--dialect", default="multicam/1", show_default=True, help="What tells telemetry from the rest.")
@click.option("--with-token", is_flag=True, help="Send the server the token of TAP_SERVER_TOKEN.")
def record(url: str, output: Path, *, force: bool, seconds: float | None, dialect: str, with_token: bool) -> None:
    """Record a live server onto a tape.

    Its frames without telemetry and secrets, its connects and drops; until Ctrl-C, or for --seconds.
    """
    from tap.adapters.dialects import load_dialect
    from tap.core.redact import redact_text
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
            force=force,
            duration=seconds,
            on_progress=lambda now: count(f"{now.seconds:.0f} s, {now.frames} frames  {now.problem or ''}"),
        )
    if not recorded.connections:
        raise TapError(
            f"nothing was recorded: {recorded.problem}", where=redact_text(url), hint="is this the server's address?"
        )
    _complain(
        f"{output}: {recorded.frames} frames in {recorded.seconds:.0f} s, {recorded.telemetry} left out as telemetry"
    )


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
    """Lists the faults below its help; they are imported only for that."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        from tap.rehearsal.faults import FAULTS

        with formatter.section("Faults (all: every one of these, huge aside)"):
            formatter.write_dl([(name, fault.does) for name, fault in FAULTS.items()])


@cli.command(cls=_WithFaults)
@click.option("--cameras", default=5, show_default=True, help="How many cameras.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same shoot.")
@click.option("--speed", default=1.0, show_default=True, help="How many times faster than real.")
@click.option("--length", default=120.0, show_default=True, help="Seconds of the shoot's own time, at least.")
@click.option("--sessions", default=1, show_default=True, help="How many sessions.")
@click.option("--faults", multiple=True, metavar="NAME[,NAME...]", help="What goes wrong; names are below.")
@click.option("--telemetry-rate", default=40.0, show_default=True, help="Telemetry frames a second of the shoot.")
@click.option("--port", default=0, help="Where to listen, on this machine only.  [default: any free port]")
@click.option("--path", default="/ws/control", show_default=True, help="The WebSocket's path.")
@click.option("--venue", default="rehearsal", show_default=True, help="The venue that truth and tape name.")
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Write what really happened here.")
@click.option("--tape", type=click.Path(path_type=Path, dir_okay=False), help="Write the frames that were sent here.")
@click.option("--clients", default=1, show_default=True, help="Wait for so many clients before the shoot begins.")
@click.option("--no-wait", is_flag=True, help="Begin at once, whether anybody listens or not.")
@click.option("--patient", is_flag=True, help="Stop the shoot's clock while a client that was there is not back.")
@click.option("--tape-only", is_flag=True, help="Serve nobody: write truth and tape at once, and end.")
def simulate(tape_only: bool, length: float, no_wait: bool, **options: Any) -> None:
    """Be a multicam-server, to rehearse with.

    Plays a made-up shoot to whoever connects from this machine.

    Whatever TAP_* variables are set, they are dropped first, so that no rehearsal touches a real server or ledger.
    """
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        del os.environ[name]
    import asyncio

    from tap.rehearsal.files import write_shoot
    from tap.rehearsal.simulator import SimulatorOptions, run_simulator

    asked = SimulatorOptions(
        length_s=length,
        wait_for_client=not no_wait,
        on_ready=lambda port: _say(f"a rehearsal's multicam-server: ws://127.0.0.1:{port}{options['path']}"),
        **options,
    )
    if tape_only:
        write_shoot(asked)
    else:
        sys.exit(asyncio.run(run_simulator(asked)))


# ---------------------------------------------------------------------------------------------- what is kept


@cli.group()
def journal() -> None:
    """Look into the journal.

    It keeps every entry that was written, in order.
    """


@journal.command("ls")
@click.option("--session", "session_key", metavar="KEY", help="Only of this session.")
@click.option("--pending", "state", flag_value="pending", help="Only what waits for the ledger.")
@click.option("--dead", "state", flag_value="dead", help="Only what the ledger refused.")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(min=0),
    help="At most so many, the newest; 0: all. JSON has no limit.",
)
@_in_state_dir
@_as_json
def journal_ls(session_key: str | None, state: State | None, limit: int, state_dir: Path | None, as_json: bool) -> None:
    """List entries in the order in which they were written."""
    from tap.adapters.journal import kept_object
    from tap.history.listing import entry_line

    with _journal(state_dir) as opened:
        kept = opened.entries(session_key, state)
        if as_json:
            _print_objects(kept_object(one) for one in kept)
            return
        newest = deque(enumerate(kept, 1), maxlen=limit or None)
        for _, one in newest:
            click.echo(f"{one.seq:>7}  {one.state:<7}  {entry_line(one.entry)}")
        if newest and newest[0][0] > 1:
            _complain(f"the newest {len(newest)} of {newest[-1][0]}; --limit 0 shows all")


@journal.command("show")
@click.argument("which", metavar="SEQ|KEY")
@_in_state_dir
@_as_json
def journal_show(which: str, state_dir: Path | None, as_json: bool) -> None:
    """Show one entry whole.

    By its number, or every version of a row, by its key.
    """
    from tap.adapters.journal import kept_object

    with _journal(state_dir) as opened:
        found = [kept_object(one) for one in _kept(opened, which)]
    if not found:
        raise TapError("no such entry is kept", where=which, hint="see 'multicam-tap journal ls'")
    if as_json:
        _print_objects(found)
        return
    import orjson

    for said in found:
        _print_json(orjson.dumps(said, option=orjson.OPT_INDENT_2))


def _kept(opened: Journal, which: str) -> Iterator[Kept]:
    if which.isdecimal():
        first = next(opened.entries(after=int(which) - 1), None)
        return iter([first] if first is not None and first.seq == int(which) else [])
    return (one for one in opened.entries() if one.entry.key == which)


@journal.command("verify")
@_in_state_dir
@_as_json
def journal_verify(state_dir: Path | None, as_json: bool) -> None:
    """Check that the journal's file is whole. Exit code 1 where it is not."""
    with _journal(state_dir) as opened:
        problems = opened.verify()
        counts = opened.counts()
    if as_json:
        _print_objects([{"ok": not problems, "problems": problems, "counts": counts}])
    else:
        _say(*problems or [f"whole: {', '.join(f'{number} {state}' for state, number in counts.items())}"])
    sys.exit(FAILED if problems else 0)


@journal.command("prune")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="[default: TAP_KEEP_DAYS]")
@_in_state_dir
@_as_json
def journal_prune(older_than: float | None, state_dir: Path | None, as_json: bool) -> None:
    """Delete old entries that the ledger has. What still waits for it, or was refused by it, stays."""
    days = _settings("TAP_KEEP_DAYS").keep_days if older_than is None else older_than
    with _journal(state_dir, readonly=False) as opened:
        gone = opened.prune(round(time.time() * 1000 - days * 86_400_000))
    if as_json:
        _print_objects([{"pruned": gone}])
    else:
        _say(f"{gone} entries deleted")


@cli.command()
@click.option("--venue", help="Only of this venue.")
@_in_state_dir
@_as_json
def sessions(venue: str | None, state_dir: Path | None, as_json: bool) -> None:
    """List the sessions in the journal, newest first."""
    from tap.core.codec import MAX_VENUE, key_part
    from tap.history.listing import row_object, session_line

    prefix = None if venue is None else f"{key_part(venue, MAX_VENUE)}/"
    with _journal(state_dir) as opened:
        rows = [_rows(opened, key)[key] for key in opened.sessions(prefix)]
    if as_json:
        _print_objects(row_object(row) for row in rows)
    else:
        _say(*[session_line(row) for row in rows] or ["no session is kept"])


@cli.command()
@click.argument("key")
@_in_state_dir
@_as_json
def timeline(key: str, state_dir: Path | None, as_json: bool) -> None:
    """Show one session in the terminal.

    Who was on air when, and what happened. 'multicam-tap sessions' lists the keys.
    """
    from tap.history.timeline import timeline_json, timeline_of

    with _journal(state_dir) as opened:
        rows = _rows(opened, key)
    if not rows:
        raise TapError("no session of this key is kept", where=key, hint="see 'multicam-tap sessions'")
    shown = timeline_of(rows.values())
    if as_json:
        _print_json(timeline_json(shown))
        return
    from rich.console import Console

    from tap.history.screen import print_timeline

    print_timeline(shown, Console(highlight=False), _zone())


def _rows(opened: Journal, session_key: str) -> dict[str, Row]:
    from tap.core.merge import fold

    return fold(kept.entry for kept in opened.session_entries(session_key))


def _zone() -> ZoneInfo | None:
    """The venue's time zone; None for the machine's."""
    from zoneinfo import ZoneInfo

    name = _settings("TAP_TIMEZONE").timezone
    return None if name is None else ZoneInfo(name)


if __name__ == "__main__":
    main()
