"""What the commands share: exit codes, options, printing, and the way to the journal, the ledger and their rows."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tap.cli.arguments import PathName
from tap.core.errors import SettingsInvalid, TapError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap.adapters.journal import Journal
    from tap.adapters.ledger import Ledger
    from tap.api import History
    from tap.core.merge import Row
    from tap.history.queries import SessionFilter
    from tap.service.config import Settings


FAILED, USAGE, SETTINGS, CANNOT_TELL = 1, 2, 78, 255
"""Exit codes: no or failed, wrong usage, wrong settings (sysexits' EX_CONFIG), and "unknown" of ``enabled``."""
Command = TypeVar("Command", bound=Callable[..., Any])
_T = TypeVar("_T")
LEDGER_SETTINGS = (
    "TAP_CONVEX_URL",
    "TAP_CONVEX_MODULE",
    "TAP_INGEST_KEY",
    "TAP_INGEST_KEY_FILE",
    "CREDENTIALS_DIRECTORY",
)
"""What a command needs to reach the ledger."""
_NO_LEDGER = "TAP_CONVEX_URL: is not set → set it to your deployment's address, https://….convex.cloud"
_STATE_DIR = "multicam-tap.state-dir"
_READS_JOURNAL = re.compile(r"'(multicam-tap (?:sessions|journal|session)\b(?:(?!--ledger)[^'])*)'")
"""A command in a hint that has the option --state-dir and reads the journal."""
_NEAR_AMONG = 500
"""Among how many sessions, the newest first, a key is looked for that resembles a wrong one."""


def discard_stdout() -> None:
    """Stop writing to stdout, whose reader is gone: flushing its buffer at the exit must not fail either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_lines(*lines: str) -> None:
    """Print lines that the caller has made harmless to a terminal, and flush them, also into a pipe."""
    for line in lines:
        click.echo(line)
    sys.stdout.flush()


def print_remarks(*lines: str) -> None:
    """Print remarks and problems, beside the result; what could harm a terminal is taken out of them."""
    from tap.history.formatting import plain

    for line in lines:
        click.echo(plain(line), err=True)


def read_settings(*names: str) -> Settings:
    """The settings with these names from the environment, and the defaults of all others.

    A command that only looks is not stopped by a wrong setting that only the service needs.

    Raises:
        SettingsInvalid: One of ``names`` has a value that is not valid.
    """
    from tap.service.config import load_settings

    return load_settings({name: os.environ[name] for name in names if name in os.environ}, partly=True)


def state_dir_option(command: Command) -> Command:
    """Give a command the option --state-dir, as its argument ``state_dir``."""

    def remember(ctx: click.Context, _: click.Parameter, chosen: Path | None) -> Path | None:
        ctx.meta[_STATE_DIR] = chosen
        return chosen

    return click.option(
        "--state-dir",
        type=PathName(file_okay=False),
        callback=remember,
        help="Where the journal is.  [default: TAP_STATE_DIR]",
    )(command)


def json_option(command: Command) -> Command:
    """Give a command the option --json, as its argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON: one object, or one on each line.")(command)


def ledger_option(command: Command) -> Command:
    """Give a command the option --ledger, as its argument ``from_ledger``."""
    return click.option(
        "--ledger", "from_ledger", is_flag=True, help="Read from the ledger (TAP_CONVEX_URL), not from the journal."
    )(command)


def when_options(command: Command) -> Command:
    """Give a command the options --since and --until, as text that ``filters_of`` reads."""
    command = click.option("--until", help="Up to this time.")(command)
    return click.option("--since", help="From this time on: yesterday, monday, '3 days', 14:30, 2026-11-21 …")(command)


def same_state_dir(hint: str, ctx: click.Context) -> str:
    """A hint in which commands that read the journal read the one that this command was told to read."""
    chosen = ctx.meta.get(_STATE_DIR)
    if chosen is None:
        return hint
    more = f" --state-dir {shlex.quote(str(chosen))}"
    return _READS_JOURNAL.sub(lambda found: f"'{found[1]}{more}'", hint)


@contextmanager
def opened_journal(state_dir: Path | None, *, readonly: bool = True) -> Iterator[Journal]:
    """The journal in this state directory, or in that of TAP_STATE_DIR; closed at the end."""
    from tap.adapters.journal import Journal

    path = journal_path(state_dir)
    with Journal.open(path, readonly=readonly) as journal:
        yield journal


def journal_path(state_dir: Path | None) -> Path:
    """Where the journal is: in this state directory, or in that of TAP_STATE_DIR."""
    if state_dir is not None:
        return state_dir / "journal.db"
    return read_settings("TAP_STATE_DIR", "STATE_DIRECTORY").journal_path


def with_ledger(use: Callable[[Ledger], Awaitable[_T]]) -> _T:
    """The result of ``use``, called with the ledger that the settings name.

    Raises:
        SettingsInvalid: They name no ledger, or a setting is not valid.
    """
    import asyncio

    from tap.adapters.ledger import Ledger

    settings = read_settings(*LEDGER_SETTINGS)
    url, key, module = settings.convex_url, settings.ingest_key, settings.convex_module
    if url is None:
        raise SettingsInvalid([_NO_LEDGER])

    async def body() -> _T:
        async with Ledger(url, key, module=module) as ledger:
            return await use(ledger)

    return asyncio.run(body())


def print_json(line: bytes) -> None:
    """A line of JSON: to a file as it is, to a terminal without what could harm it."""
    if sys.stdout.isatty():
        from tap.history.formatting import plain_json

        line = plain_json(line.decode()).encode()
    sys.stdout.buffer.write(line + b"\n")


def print_objects(objects: Iterable[dict[str, Any]]) -> None:
    """Print each as a line of JSON."""
    import orjson

    for said in objects:
        print_json(orjson.dumps(said))


@contextmanager
def progress_text() -> Iterator[Callable[[str], None]]:
    """A function that replaces the line of progress on stderr. It does nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    from tap.history.formatting import plain

    with Console(stderr=True).status("connecting") as status:
        yield lambda text: status.update(Text(plain(text)))


@contextmanager
def opened_history(*, from_ledger: bool, state_dir: Path | None) -> Iterator[History]:
    """The history in the journal, or in the ledger that the settings name; closed at the end.

    Raises:
        SettingsInvalid: The ledger is asked for and the settings name none.
    """
    from tap.api import open_journal, open_ledger

    if not from_ledger:
        with open_journal(journal_path(state_dir)) as history:
            yield history
        return
    settings = read_settings(*LEDGER_SETTINGS)
    if settings.convex_url is None:
        raise SettingsInvalid([_NO_LEDGER])
    key = None if settings.ingest_key is None else settings.ingest_key.get_secret_value()
    with open_ledger(settings.convex_url, key, module=settings.convex_module) as history:
        yield history


def filters_of(since: str | None, until: str | None, **others: str | None) -> SessionFilter:
    """The filters that options name.

    Args:
        since: The earliest moment, as typed, in the venue's time zone.
        until: The latest one, the same.
        others: Further fields of the filters, as typed.

    Raises:
        click.UsageError: A text is not a moment.
    """
    from datetime import UTC, datetime

    from tap.history.queries import SessionFilter, ms_of_moment

    now = datetime.now(UTC)
    if since is not None or until is not None:
        now = now.astimezone(venue_zone())
    try:
        return SessionFilter(
            since=None if since is None else ms_of_moment(since, now),
            until=None if until is None else ms_of_moment(until, now, end=True),
            **others,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def rows_of(key: str | None, *, from_ledger: bool, state_dir: Path | None) -> list[Row]:
    """The rows of the session with this key; without one, of the newest session.

    Raises:
        TapError: There is no such session, or it was retracted or forgotten.
    """
    with opened_history(from_ledger=from_ledger, state_dir=state_dir) as history:
        if key is None:
            newest = next(iter(history.sessions()), None)
            if newest is None:
                raise TapError("no session is saved", hint="see 'multicam-tap journal ls'")
            key = newest.key
        rows = history.rows(key)
        if not rows:
            hint = f"see 'multicam-tap sessions{' --ledger' if from_ledger else ''}'"
            raise TapError(
                "no session has this key", where=key, hint=with_near(hint, key, (one.key for one in history.sessions()))
            )
    if all(row.retracted is not None for row in rows):
        raise TapError("this session was retracted, or forgotten", where=key)
    return rows


def with_near(hint: str, key: str, keys: Iterable[str]) -> str:
    """A hint, and which of the newest of ``keys`` may have been meant."""
    from itertools import islice

    from tap.history.terminal.lines import near_keys

    near = near_keys(key, islice(keys, _NEAR_AMONG))
    return f"{hint}; near it: {', '.join(near)}" if near else hint


def venue_zone(name: str | None = None) -> ZoneInfo | None:
    """The time zone with this name, else that of TAP_TIMEZONE; None stands for the machine's own.

    Raises:
        click.BadParameter: ``name`` is not a time zone.
    """
    from zoneinfo import ZoneInfo

    if name is not None:
        try:
            return ZoneInfo(name)
        except (LookupError, ValueError, OSError):
            raise click.BadParameter(
                f"{name!r} is not a time zone; try Europe/Berlin", param_hint="--timezone"
            ) from None
    name = read_settings("TAP_TIMEZONE").timezone
    return None if name is None else ZoneInfo(name)
