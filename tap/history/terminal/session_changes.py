"""What ``multicam-tap session`` prints: sessions before and after a change, the log of one, and possible shoots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Protocol

from rich.cells import cell_len, set_cell_size

from tap.history.formatting import counted, date_text, duration_text, iso_moment, plain, time_of_day

__all__ = ["found_lines", "log_lines", "picture_lines"]

_BAR = 30
"""Cells of the axis on which the sessions lie."""
_TITLE = 28


class _Shown(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def started_at(self) -> int: ...
    @property
    def completed_at(self) -> int: ...
    @property
    def cameras(self) -> int: ...
    @property
    def cuts(self) -> int: ...
    @property
    def stills(self) -> int: ...
    @property
    def gaps(self) -> int: ...


class _Changed(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def added(self) -> int: ...
    @property
    def changed(self) -> int: ...
    @property
    def gone(self) -> int: ...


def picture_lines(
    before: Sequence[_Shown],
    after: Sequence[_Shown],
    changes: Sequence[_Changed],
    remark: tuple[str, str | None, int | None] | None,
    zone: tzinfo | None,
) -> Iterator[str]:
    """The sessions before and after on one axis, and how many rows change.

    ``remark``: words, and by whom and when (Unix ms) that was which they are about.
    """
    everyone = [*before, *after]
    if everyone:
        begins, ends = min(one.started_at for one in everyone), max(one.completed_at for one in everyone)
        width = max(cell_len(plain(one.key)) for one in everyone)
        titles = max(cell_len(_title(one)) for one in everyone)
        for word, sessions in (("before", before), ("after", after)):
            yield f"{word}  {date_text(begins, zone)}" if sessions else f"{word}  no session"
            for one in sessions:
                bar = _bar(one, begins, ends)
                span = f"{time_of_day(one.started_at, zone)} {bar} {time_of_day(one.completed_at, zone)}"
                named = f"{_wide(plain(one.key), width)}  {_wide(_title(one), titles)}"
                yield f"  {named}  {span}  {_numbers(one)}".rstrip()
    for change in changes:
        numbers = ((change.added, "added"), (change.changed, "changed"), (change.gone, "taken back"))
        told = ", ".join(f"{number} {what}" for number, what in numbers if number)
        yield f"rows of {plain(change.key)}: {told}"
    if remark is not None:
        words, by, at = remark
        when = "" if by is None or at is None else f", by {plain(by)}, {date_text(at, zone)} {time_of_day(at, zone)}"
        yield f"{plain(words)}{when}"


def _title(one: _Shown) -> str:
    title = plain(one.title or "-")
    return title if cell_len(title) <= _TITLE else f"{set_cell_size(title, _TITLE - 1).rstrip()}…"


def _wide(text: str, cells: int) -> str:
    """``text`` filled up to a width in cells of a terminal: some characters take two cells, and some none."""
    return text + " " * (cells - cell_len(text))


def _bar(one: _Shown, begins: int, ends: int) -> str:
    length = max(1, ends - begins)
    since = min(_BAR - 2, (one.started_at - begins) * _BAR // length)
    until = max(since + 2, -(-(one.completed_at - begins) * _BAR // length))
    return f"{' ' * since}├{'─' * (until - since - 2)}┤{' ' * (_BAR - until)}"


def _numbers(one: _Shown) -> str:
    gaps = f"  {counted(one.gaps, 'gap')}" if one.gaps else ""
    cameras, stills = counted(one.cameras, "camera"), counted(one.stills, "still")
    return f"{duration_text(one.completed_at - one.started_at)}  {cameras}  {counted(one.cuts, 'cut')}  {stills}{gaps}"


class _Logged(Protocol):
    @property
    def how(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def by(self) -> str: ...
    @property
    def keys(self) -> list[str]: ...
    @property
    def args(self) -> dict[str, Any]: ...
    @property
    def undone(self) -> bool: ...


def log_lines(steps: Sequence[_Logged], zone: tzinfo | None) -> Iterator[str]:
    """What was done to a session, one line for each step."""
    for step in steps:
        others = ", ".join(map(plain, step.keys))
        told = "".join(f"  {name} {value}" for name, value in _asked(step.args, zone))
        undone = "  (taken back)" if step.undone else ""
        when = f"{date_text(step.at, zone)} {time_of_day(step.at, zone)}"
        yield f"{when}  {plain(step.by)}  {step.how}{told}  {others}{undone}"


def _asked(args: Mapping[str, Any], zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    words = {"since": "from", "until": "to", "at": "at", "title": "title", "notes": "notes", "how": ""}
    for name, value in args.items():
        if name in ("since", "until", "at"):
            yield words[name], time_of_day(value, zone)
        elif name in words:
            yield words[name], plain(repr(value) if name in ("title", "notes") else str(value))


class _Found(Protocol):
    @property
    def since(self) -> int: ...
    @property
    def until(self) -> int: ...
    @property
    def cuts(self) -> int: ...
    @property
    def stills(self) -> int: ...
    @property
    def cameras(self) -> int: ...


def found_lines(spans: Sequence[_Found], zone: tzinfo | None) -> Iterator[str]:
    """Spans that look like a shoot, each with the command that makes a session of it."""
    for one in spans:
        numbers = (
            f"{counted(one.cuts, 'cut')}, {counted(one.stills, 'still')}, {counted(one.cameras, 'camera')} came in"
        )
        until = -(-one.until // 1000) * 1000
        span = f"{date_text(one.since, zone)} {time_of_day(one.since, zone)} to {time_of_day(until, zone)}"
        yield f"{span}  {duration_text(until - one.since)}  {numbers}"
        yield f"  multicam-tap session make --from {iso_moment(one.since, zone)} --to {iso_moment(until, zone)}"
