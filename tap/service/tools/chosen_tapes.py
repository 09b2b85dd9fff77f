"""Reads the flight recorder's tapes for a session that somebody makes afterwards: how far back they go, what they have.

Reading begins some hours before the span, so that we know what was on air when it began. It goes on after the span, for
as long as one of its stills may arrive. Missing frames (a deleted or torn tape, invalid lines) become gaps.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tap.adapters.tape import TapeHeader, Tapes, open_tape
from tap.core.chosen import Choice, ChosenPipeline
from tap.core.errors import TapeInvalid, TapError
from tap.core.mapping import Dialect
from tap.core.merge import fold
from tap.core.model import Entry, Observation, Policy
from tap.core.regroup import Rows
from tap.service.running.flight_recorder import segments

__all__ = ["Told", "oldest", "read_chosen", "venue_on"]

_LEAD_MS = 12 * 3_600_000
_LEAD_BYTES = 48 * 2**20
"""Reading begins at most this long, and this many bytes, before the span."""
_LEAD_LEAST_MS = 15 * 60_000
_AFTER_MS = 10 * 60_000
"""Late frames about a span come within this time, unless one of its stills is pending."""
_NUMBER = re.compile(r"(\d+)-")
_LOOK_EVERY = 2_000


class Told(NamedTuple):
    """What the tapes have about a span."""

    rows: Rows
    frames: int
    """Control frames within it."""
    venue: str


class _Tape(NamedTuple):
    path: Path
    header: TapeHeader
    started_at: int
    size: int


def oldest(directory: Path) -> int | None:
    """When the oldest tape begins (wall clock, ms); None without tapes."""
    return next((tape.started_at for tape in _tapes(directory)), None)


def venue_on(directory: Path) -> str | None:
    """The venue of the newest tape."""
    return next((tape.header.venue for tape in reversed(list(_tapes(directory)))), None)


def _tapes(directory: Path) -> Iterator[_Tape]:
    for path in segments(directory):
        with suppress(TapeInvalid, FileNotFoundError), open_tape(path) as tape:
            if tape.header.started_at is not None:
                yield _Tape(path, tape.header, tape.header.started_at, tape.size)


def read_chosen(
    directory: Path,
    dialect: Dialect,
    choice: Choice,
    *,
    venue: str,
    begin: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    seen: Callable[[int, Observation], None] | None = None,
) -> Told:
    """What the tapes have about a choice. ``begin``: where reading starts, if that is not where the choice begins.

    Raises ``TapError`` if there are no tapes.
    """
    tapes = list(_tapes(directory))
    if not tapes:
        hint = "the service records them as it runs; is this its state directory (TAP_STATE_DIR)?"
        raise TapError("there are no tapes of the flight recorder", where=str(directory), hint=hint)
    since = choice.since if begin is None else begin
    progress = on_progress or (lambda _read, _of: None)
    first = _first(tapes, since)
    fresh = Choice(choice.since, choice.until, choice.title, choice.notes)
    told = _Reading(tapes[first:], dialect, choice, venue, seen).told(progress)
    if choice.state_known or not first or begin is not None:
        return told
    # A server that tells its state only when the tap connects: back to where it did.
    while first and tapes[first].header.continues:
        first -= 1
    return _Reading(tapes[first:], dialect, fresh, venue, seen).told(progress)


def _first(tapes: list[_Tape], since: int) -> int:
    """The index of the first tape to read for a span that begins at ``since``."""
    first = max(0, bisect_right([tape.started_at for tape in tapes], since) - 1)
    lead = 0
    while first > 0:
        tape = tapes[first]
        lead += tape.size
        ago = since - tape.started_at
        # A run of the tap begins with a greeting and the whole state: what was before adds little.
        if ago > _LEAD_MS or lead > _LEAD_BYTES or (ago >= _LEAD_LEAST_MS and not tape.header.continues):
            break
        first -= 1
    return first


class _Reading:
    """One pass over the tapes."""

    def __init__(
        self,
        tapes: list[_Tape],
        dialect: Dialect,
        choice: Choice,
        venue: str,
        seen: Callable[[int, Observation], None] | None,
    ) -> None:
        self._paths = [tape.path for tape in tapes]
        self._dialect = dialect
        self._choice = choice
        self._seen = seen
        self._venue = venue
        self._header = TapeHeader()
        self._number: int | None = None
        self._pipeline = self._made(None)
        self._files: Tapes | None = None

    def told(self, progress: Callable[[int, int], None]) -> Told:
        # One by one: a row's earlier versions are not worth the memory.
        rows = fold(self._entries(progress))
        return Told(rows, self._choice.heard, self._venue)

    def _entries(self, progress: Callable[[int, int], None]) -> Iterator[Entry]:
        choice = self._choice
        with Tapes(self._paths, on_tape=self._next_tape) as files:
            self._files = files
            unread = 0
            for number, item in enumerate(files):
                if not number % _LOOK_EVERY:
                    progress(files.bytes_read, files.size)
                if files.unread != unread:
                    unread, choice.cut_off = files.unread, True
                yield from self._pipeline.feed(item)
                ended = self._pipeline.over and item.stamp.wall > choice.until + _AFTER_MS
                if ended and not number % _LOOK_EVERY and not self._pipeline.waits:
                    break
        yield from self._pipeline.end()

    def _next_tape(self, header: TapeHeader) -> None:
        """A tape begins. If venue, tap or policy changed, a new pipeline takes over, as at a start of the service."""
        before, self._header = self._header, header
        if self._files is not None:
            self._choice.cut_off |= self._lacks(self._files, header)
        self._venue = header.venue or self._venue
        if (header.venue, header.tap, header.policy) != (before.venue, before.tap, before.policy):
            self._pipeline = self._made(self._pipeline.checkpoint())

    def _lacks(self, files: Tapes, header: TapeHeader) -> bool:
        """Whether frames are missing before this tape, although it continues the one before."""
        path = files.place[0]
        match = _NUMBER.match(path.name)
        last, self._number = self._number, None if match is None else int(match[1])
        if last is None or not header.continues:
            return header.lost > 0
        torn = bool(files.torn) and any(_number_of(torn) == last for torn in files.torn)
        return header.lost > 0 or self._number != last + 1 or torn

    def _made(self, checkpoint: bytes | None) -> ChosenPipeline:
        return ChosenPipeline(
            self._dialect,
            self._choice,
            venue=self._venue,
            tap=self._header.tap or "tape",
            policy=self._header.policy or Policy(),
            checkpoint=checkpoint,
            seen=self._seen,
        )


def _number_of(path: Path) -> int | None:
    match = _NUMBER.match(path.name)
    return None if match is None else int(match[1])
