"""``session``: make, cut, join and name sessions afterwards."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tap.adapters.clock import utc_now, wall_ms
from tap.cli.arguments import TEXT
from tap.cli.root import cli
from tap.cli.shared import (
    Command,
    journal_path,
    json_option,
    opened_journal,
    print_json,
    print_lines,
    print_remarks,
    progress_text,
    read_settings,
    same_state_dir,
    state_dir_option,
    venue_zone,
    with_near,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap.adapters.journal import Journal
    from tap.service.tools.session_editing import Plan


@cli.group()
def session() -> None:
    """Make, split, merge and rename sessions afterwards.

    Each command shows the sessions before and after. Without --apply it changes nothing. No command deletes anything:
    'session undo' takes the last step back.
    """


def _applied(command: Command) -> Command:
    return click.option(
        "--apply",
        "apply_it",
        is_flag=True,
        help="Make the change: write it to the journal, and from there to the ledger.",
    )(command)


@session.command("make")
@click.option(
    "--from", "since", required=True, metavar="WHEN", type=TEXT, help="When it began: 14:30, '2026-11-21 14:30' …"
)
@click.option("--to", "until", required=True, metavar="WHEN", type=TEXT, help="When it ended.")
@click.option("--title", help="Its title.")
@click.option("--notes", help="Notes about it.")
@click.option("--dialect", type=TEXT, help="A built-in dialect or a mapping file.  [default: TAP_DIALECT]")
@_applied
@state_dir_option
@json_option
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

    It gets the cameras, cuts, holds, stills and gaps that the tapes show between two times. A time without a date
    means today.
    """
    from tap.adapters.dialects import load_dialect
    from tap.service.tools.session_making import make

    begins, ends = _moment(since, "--from"), _moment(until, "--to")
    settings = read_settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT")
    tapes = journal_path(state_dir).parent / settings.tapes_path.name
    read, told = load_dialect(dialect or settings.dialect), _given(names)

    def plan(opened: Journal) -> Plan:
        with progress_text() as count:
            return make(
                tapes,
                opened,
                read,
                venue=_venue_of_tapes(tapes),
                since=begins,
                until=ends,
                names=told,
                now=wall_ms(),
                on_progress=lambda done, size: count(f"{done / 1e6:.0f} of {size / 1e6:.0f} MB of tape"),
            )

    _choose(plan, apply_it=apply_it, state_dir=state_dir, as_json=as_json)


@session.command("split")
@click.argument("key", type=TEXT)
@click.option("--at", "moment", required=True, metavar="WHEN", type=TEXT, help="When the second one begins.")
@click.option("--title", help="The title of the second one.")
@_applied
@state_dir_option
@json_option
def session_split(
    key: str, moment: str, *, apply_it: bool, state_dir: Path | None, as_json: bool, **names: str | None
) -> None:
    """Make two sessions of one.

    The key of the first one stays the same. A still belongs to the session in which it was requested, even if it is
    uploaded later.
    """
    from tap.service.tools.session_editing import split

    at, told = _moment(moment, "--at"), _given(names)
    _choose(
        lambda opened: split(opened, key, at=at, names=told, venue=_own_venue()),
        apply_it=apply_it,
        state_dir=state_dir,
        as_json=as_json,
    )


@session.command("merge")
@click.argument("keys", nargs=-1, required=True, type=TEXT, metavar="KEY KEY...")
@_applied
@state_dir_option
@json_option
def session_merge(keys: tuple[str, ...], *, apply_it: bool, state_dir: Path | None, as_json: bool) -> None:
    """Make one session of several.

    It gets the key and the title of the earliest one. The time between two of them becomes a gap.
    """
    from tap.service.tools.session_editing import merge

    _choose(
        lambda opened: merge(opened, keys, venue=_own_venue()),
        apply_it=apply_it,
        state_dir=state_dir,
        as_json=as_json,
    )


@session.command("trim")
@click.argument("key", type=TEXT)
@click.option("--from", "since", metavar="WHEN", type=TEXT, help="Cut off everything before this.")
@click.option("--to", "until", metavar="WHEN", type=TEXT, help="Cut off everything after this.")
@_applied
@state_dir_option
@json_option
def session_trim(
    key: str, since: str | None, until: str | None, *, apply_it: bool, state_dir: Path | None, as_json: bool
) -> None:
    """Cut off the beginning or the end of a session."""
    from tap.service.tools.session_editing import trim

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
@click.argument("key", type=TEXT)
@click.option("--title", help="The new title; '' removes it.")
@click.option("--notes", help="The new notes; '' removes them.")
@_applied
@state_dir_option
@json_option
def session_rename(key: str, *, apply_it: bool, state_dir: Path | None, as_json: bool, **names: str | None) -> None:
    """Give a session another title, or other notes."""
    from tap.service.tools.session_editing import rename

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
@click.argument("key", type=TEXT)
@_applied
@state_dir_option
@json_option
def session_undo(key: str, *, apply_it: bool, state_dir: Path | None, as_json: bool) -> None:
    """Take back the last change of a session.

    Run it again to take back the change before it. 'session log KEY' lists the changes.
    """
    from tap.service.tools.session_editing import undo

    _choose(
        lambda opened: undo(opened, key, venue=_own_venue()), apply_it=apply_it, state_dir=state_dir, as_json=as_json
    )


@session.command("log")
@click.argument("key", type=TEXT)
@state_dir_option
@json_option
def session_log(key: str, *, state_dir: Path | None, as_json: bool) -> None:
    """Show what was done to a session, by whom and when."""
    from msgspec import json

    from tap.history.terminal.session_changes import log_lines
    from tap.service.tools.session_editing import log

    with opened_journal(state_dir) as opened, _near_ones(opened):
        steps = log(opened, key)
    if as_json:
        for step in steps:
            print_json(json.encode(step))
    else:
        print_lines(*log_lines(steps, venue_zone()) if steps else ["nothing: it is as the tap recorded it"])


@session.command("find")
@click.option("--since", default="yesterday", show_default=True, help="From this time on: monday, '3 days', 14:30 …")
@click.option("--until", help="Up to this time.")
@click.option("--dialect", type=TEXT, help="A built-in dialect or a mapping file.  [default: TAP_DIALECT]")
@state_dir_option
@json_option
def session_find(since: str, until: str | None, *, dialect: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show what looks like a shoot that nobody started.

    It searches the tapes outside of sessions for cuts and stills, and lists these times, the longest first.
    """
    from msgspec import json

    from tap.adapters.dialects import load_dialect
    from tap.history.terminal.session_changes import found_lines
    from tap.service.tools.session_making import find

    settings = read_settings("TAP_STATE_DIR", "STATE_DIRECTORY", "TAP_DIALECT")
    tapes = journal_path(state_dir).parent / settings.tapes_path.name
    begins, ends = _moment(since, "--since"), wall_ms() if until is None else _moment(until, "--until")
    with _journal_of_tapes(state_dir) as opened, progress_text() as count:
        spans = find(
            tapes,
            opened,
            load_dialect(dialect or settings.dialect),
            venue=_venue_of_tapes(tapes),
            since=begins,
            until=ends,
            now=wall_ms(),
            on_progress=lambda done, size: count(f"{done / 1e6:.0f} of {size / 1e6:.0f} MB of tape"),
        )
    if as_json:
        for span in spans:
            print_json(json.encode(span))
    else:
        print_lines(*found_lines(spans, venue_zone()) if spans else ["no shoot was found outside of sessions"])


def _choose(plan: Callable[[Journal], Plan], *, apply_it: bool, state_dir: Path | None, as_json: bool) -> None:
    """Show what a plan changes, and with --apply carry it out."""
    from msgspec import json

    from tap.history.terminal.session_changes import picture_lines
    from tap.service.tools.session_editing import carry_out

    with _journal_of_tapes(state_dir, readonly=not apply_it) as opened, _near_ones(opened):
        picture = carry_out(opened, lambda: plan(opened), apply=apply_it, by=_user(), now=wall_ms)
    if as_json:
        print_json(json.encode(picture))
    else:
        remark = None if picture.remark is None else (picture.remark, picture.by, picture.at)
        print_lines(*picture_lines(picture.before, picture.after, picture.changes, remark, venue_zone()))
    if picture.applied:
        undo = "" if picture.how == "undo" else f"; 'multicam-tap session undo {picture.about}' takes it back"
        print_remarks(same_state_dir(f"done{undo}", click.get_current_context()))
    else:
        print_remarks("nothing is changed yet: --apply does it" if picture.changes else "no difference")


@contextmanager
def _near_ones(opened: Journal) -> Iterator[None]:
    """Names the sessions that may have been meant, where none has the key that was given."""
    from tap.service.tools.session_editing import SessionUnknown

    try:
        yield
    except SessionUnknown as error:
        error.hint = with_near(error.hint or "", error.key, opened.sessions())
        raise


@contextmanager
def _journal_of_tapes(state_dir: Path | None, *, readonly: bool = True) -> Iterator[Journal]:
    """The journal; an empty one where there are only tapes."""
    import tempfile

    from tap.adapters.journal import Journal
    from tap.service.running.flight_recorder import segments

    path = journal_path(state_dir)
    if path.exists() or not segments(path.with_name("tapes")):
        with opened_journal(state_dir):
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


def _moment(text: str, option: str) -> int:
    """The moment that an option names, in the venue's time zone."""

    from tap.history.queries import unambiguous_ms

    try:
        now = utc_now()
        return unambiguous_ms(text, now.astimezone(venue_zone() or _machines_zone()))
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
    return read_settings("TAP_VENUE").venue if os.environ.get("TAP_VENUE") else None


def _venue_of_tapes(tapes: Path) -> str:
    """The venue that is meant: the environment's, else that of the tapes."""
    from tap.service.tools.chosen_tapes import venue_on

    return _own_venue() or venue_on(tapes) or read_settings("TAP_VENUE").venue


def _user() -> str:
    """Who runs this command, for the row."""
    import getpass

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
