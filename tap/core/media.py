"""What a recorder wrote: its files, from when to when, and the pauses in them. Times are those of the rows.

A recorder is followed file by file. Each list of files, the recorder's own and each session's, is told the same words,
and all of them say the same of a file that they share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from tap.core.model import Recording

__all__ = ["Media", "Pause", "files_of", "rows_of", "tell", "title_of"]

_KEPT = 1_000
"""Files that are remembered of one session."""
_PAUSES_KEPT = 1_000


class Pause(Struct, omit_defaults=True):
    """The recorder stood still: what happened meanwhile is not in the file."""

    from_: int = field(name="from")
    to: int | None = None


class Media(Struct, omit_defaults=True):
    """One file. ``path`` is None as long as nobody has told it, and then no row tells the file."""

    path: str | None = None
    from_: int | None = field(name="from", default=None)
    to: int | None = None
    pauses: list[Pause] = field(default_factory=list)
    rate: float | None = None
    width: int | None = None
    height: int | None = None


def files_of(kept: Sequence[Media | str]) -> list[Media]:
    """Files as a checkpoint holds them; one of 0.1.0 holds bare paths."""
    return [Media(item) if isinstance(item, str) else item for item in kept]


def rows_of(files: Sequence[Media]) -> list[dict[str, Any]] | None:
    """Files as columns; None where there are none to tell of."""
    return [msgspec.to_builtins(item) for item in files if item.path is not None] or None


def title_of(files: Sequence[Media]) -> str | None:
    """What the first file is called, without its folder and its ending."""
    path = next((item.path for item in files if item.path), None)
    if path is None:
        return None
    name = re.split(r"[/\\]", path)[-1]
    return re.sub(r"(?<=.)\.[A-Za-z0-9]{1,5}$", "", name) or None


def tell(files: Sequence[Media], o: Recording, at: int, *, begins: bool = True) -> list[Media]:
    """``files`` after the recorder said ``o`` at ``at``. Not ``begins``: only what is among them already is told."""
    known = [msgspec.structs.replace(item, pauses=[*item.pauses]) for item in files]
    last = known[-1] if known and known[-1].to is None else None
    if o.active:
        _goes_on(known, last, o, at, begins=begins)
    elif last is not None:
        _ends(known, last, o, at, begins=begins)
    elif o.path is not None:
        _named(known, o, begins=begins)
    return known[-_KEPT:]


def _goes_on(known: list[Media], last: Media | None, o: Recording, at: int, *, begins: bool) -> None:
    if last is not None and o.started_at is not None and last.from_ != o.started_at:
        last = None  # another recording: the end of the one before was not seen
    if last is None or (o.path is not None and last.path not in {None, o.path}):
        if last is not None:
            _stop(last, at)
        if not begins or (o.path is None and o.started_at is None):
            return  # nothing that tells of a file
        before, last = last, Media(o.path, at if last is not None or o.started_at is None else o.started_at)
        if before is not None:
            last.rate, last.width, last.height = before.rate, before.width, before.height
        known.append(last)
    last.path = last.path or o.path
    last.rate, last.width, last.height = o.rate or last.rate, o.width or last.width, o.height or last.height
    if o.paused is True and not (last.pauses and last.pauses[-1].to is None):
        last.pauses = [*last.pauses, Pause(at)][-_PAUSES_KEPT:]
    elif o.paused is False and last.pauses and last.pauses[-1].to is None:
        last.pauses[-1] = Pause(last.pauses[-1].from_, at)


def _ends(known: list[Media], last: Media, o: Recording, at: int, *, begins: bool) -> None:
    if begins and o.path is not None and last.path not in {None, o.path}:
        # A split that nobody told: where the one ended and the other began is not known.
        known.append(Media(o.path, None, at, rate=last.rate, width=last.width, height=last.height))
        return
    if last.path is None:
        last.path, last.from_ = o.path, o.started_at or last.from_
    _stop(last, at)


def _stop(last: Media, at: int) -> None:
    last.to = at
    if last.pauses and last.pauses[-1].to is None:
        last.pauses[-1] = Pause(last.pauses[-1].from_, at)


def _named(known: list[Media], o: Recording, *, begins: bool) -> None:
    """The recorder stood already when it told which file it had written."""
    if known and known[-1].path is None:
        known[-1].path = o.path
        known[-1].from_ = known[-1].from_ if o.started_at is None else o.started_at
    elif begins and all(item.path != o.path for item in known):
        known.append(Media(o.path))
