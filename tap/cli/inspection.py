"""``inspect``: what a server says, from a tape or live, and a draft of its mapping file."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap.cli.arguments import TEXT, FiniteNumber, PathName, ServerUrl
from tap.cli.root import cli
from tap.cli.shared import json_option, print_remarks, progress_text, read_settings
from tap.core.errors import TapError, cannot_write

if TYPE_CHECKING:
    from tap.rehearsal.inspect import Inspection


@cli.command("inspect")
@click.argument("what", metavar="TAPE|URL", type=TEXT)
@click.option("--dialect", type=TEXT, help="Use this dialect.  [default: the tape's, else multicam/1]")
@click.option("--seconds", type=FiniteNumber(min=0, min_open=True), default=60.0, help="How long to listen to a URL.")
@click.option(
    "--suggest",
    "suggests",
    is_flag=True,
    help="Draft a mapping file. Remarks in it say which lines are doubtful, and why.",
)
@click.option(
    "--try",
    "tried",
    metavar="MAPPING",
    type=TEXT,
    help="Show the history that this mapping would give, beside today's.",
)
@click.option("-o", "--output", type=PathName(dir_okay=False), help="Write the result here.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--with-token", is_flag=True, help="Send the server the token of TAP_SERVER_TOKEN.")
@json_option
def inspect_(what: str, *, dialect: str | None, seconds: float, with_token: bool, **how: Any) -> None:
    """Show what a server says, and how the dialect reads it.

    It reads a tape, or listens to a live server for --seconds. It shows the types of frames with samples, and what the
    fields look like. With --suggest it drafts a mapping file.
    """
    import tempfile

    from tap.rehearsal.inspect import Inspection

    if how["suggests"] and how["tried"] is not None:
        raise click.UsageError("--suggest or --try, one at a time")
    with tempfile.TemporaryDirectory(prefix="multicam-tap-") as folder, progress_text() as count:
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
        print_remarks(remark)


def _record_all(
    url: str, path: Path, *, seconds: float, dialect: str | None, with_token: bool, count: Callable[[str], None]
) -> None:
    """A tape of all that a server says, telemetry too."""
    from tap.adapters.dialects import load_dialect
    from tap.service.tools.record import record_until_stopped

    secrets = ("TAP_SERVER_TOKEN", "TAP_SERVER_TOKEN_FILE", "CREDENTIALS_DIRECTORY")
    token = read_settings(*secrets).server_token if with_token else None
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
    from tap.rehearsal.inspect.terminal import print_report, print_trial

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

    from tap.core.plain_text import plain_json

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
        raise cannot_write(str(output), error) from None
