"""Prints the result of an inspection, or of a trial, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tap.core.palette import WARNING
from tap.core.plain_text import plain
from tap.rehearsal.inspect.report import FieldFound, InspectionReport, TypeFound
from tap.rehearsal.inspect.trial import Trial, TrialLine

__all__ = ["print_report", "print_trial"]

_MOST_FIELDS = 60
_MOST_LINES = 40
_MOST_ODD = 10
_ORDERS = {
    "boot": "boot (the numbers go on over connections)",
    "connection": "connection (the numbers go on within each)",
    "type": "type (the numbers go on within each type)",
    "nothing": "nothing (the numbers start again, or go back)",
}
_COLOURS = {
    "mapped": "green",
    "unknown": "bold red",
    "incomplete": "red",
    "unreadable": "red",
    "quiet": "",
    "ignored": "dim",
}


def print_report(report: InspectionReport, console: Console) -> None:
    """Print what was received, what each type and field looks like, and how the dialect reads it."""
    for line in _heading(report):
        console.print(Text(plain(line)), overflow="fold")
    console.print()
    console.print(_types(report))
    if report.fields:
        console.print()
        console.print(_fields(report.fields))
    console.print()
    console.print(Text("a sample of each type", style="bold"))
    for one in report.types:
        console.print(
            Text.assemble((f"{plain(one.name or '(no type)')}  ", "bold"), (plain(one.sample), "dim")), overflow="fold"
        )
    for remark in report.remarks[:5]:
        console.print(Text(plain(remark), style=WARNING))


def _heading(report: InspectionReport) -> Iterator[str]:
    size = f"{report.bytes / 1e6:.1f} MB" if report.bytes >= 1e5 else f"{report.bytes / 1e3:.1f} kB"
    yield (
        f"{report.source}: {_count(report.frames, 'frame')} ({size}) on {_count(report.connections, 'connection')}"
        f" in {report.seconds:.0f} s"
    )
    yield ", ".join(f"{name}: {path}" for name, path in report.envelope.items())
    if report.seq_orders is not None:
        yield f"seq_orders: {_ORDERS[report.seq_orders]}"
    for why, number in report.why.items():
        yield f"{_count(number, 'frame')} cannot be read: {why}"
    for odd in report.left_out[:_MOST_ODD]:
        yield f"{_count(odd.count, 'frame')} of {odd.type or 'no type'} ignored: {odd.why}: {odd.example}"
    if len(report.left_out) > _MOST_ODD:
        yield f"… and {len(report.left_out) - _MOST_ODD} more kinds of such frames (--json has them)"
    yield f"{report.dialect} knows {report.known:.0%} of what was said"


def _types(report: InspectionReport) -> Table:
    table = _table("type", "count", "a second", "bytes", report.dialect, "looks like", "sure", "why")
    for one in report.types:
        table.add_row(
            Text(plain(one.name or "(no type)")),
            str(one.count),
            f"{one.per_second:.2f}",
            f"{one.bytes}" if one.biggest < 2 * one.bytes else f"{one.bytes} (to {one.biggest})",
            Text(_made_of(one), _COLOURS.get(one.dialect, "")),
            Text(one.looks_like or "?"),
            f"{one.sure:.0%}" if one.looks_like else "",
            Text(plain(one.why), "dim"),
        )
    return table


def _made_of(one: TypeFound) -> str:
    said = f": {', '.join(one.says)}" if one.says else ""
    why = f" ({plain(one.reason)})" if one.dialect in {"incomplete", "unreadable"} and one.reason else ""
    return f"{one.dialect}{said}{why}"


def _fields(fields: list[FieldFound]) -> Table:
    table = _table("field", "of", "looks like", "sure", "why")
    for one in fields[:_MOST_FIELDS]:
        table.add_row(
            Text(plain(one.path)), Text(plain(one.type)), one.looks_like, f"{one.sure:.0%}", Text(plain(one.why), "dim")
        )
    if len(fields) > _MOST_FIELDS:
        table.add_row(f"… and {len(fields) - _MOST_FIELDS} more (--json has them)", "", "", "", "")
    return table


def print_trial(trial: Trial, console: Console) -> None:
    """Print how many rows each dialect gives, and those rows that only one of them gives."""
    table = _table("what", *trial.names)
    for what in sorted(trial.counts[0].keys() | trial.counts[1].keys()):
        table.add_row(what.replace("_", " "), *(str(counts[what]) for counts in trial.counts))
    table.add_row("could not be used", *(str(number) for number in trial.unknown), style="dim")
    console.print(table)
    console.print()
    if not any(trial.only):
        console.print(Text(f"Both give the same {_count(trial.both, 'row')}."))
    for name, only in zip(trial.names, trial.only, strict=True):
        if only:
            console.print(Text(f"only by {plain(name)}: {_count(len(only), 'row')}", style="bold"))
            _print_lines(only, console)
    if trial.cut_off:
        console.print(Text("There are more rows than were compared.", style=WARNING))


def _print_lines(lines: list[TrialLine], console: Console) -> None:
    for line in lines[:_MOST_LINES]:
        console.print(Text(f"  {_clock(line.at)}  {plain(line.what)}"), overflow="fold")
    if len(lines) > _MOST_LINES:
        console.print(Text(f"  … and {len(lines) - _MOST_LINES} more", style="dim"))


def _clock(at: int) -> str:
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%H:%M:%S}.{at % 1000:03d}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(plain(column), overflow="fold", no_wrap=column in {"count", "a second", "sure"})
    return table
