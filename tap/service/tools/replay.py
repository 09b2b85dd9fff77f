"""``replay``: feeds tapes to the same pipeline as the live service, so that they give the same entries.

The entries depend on the tape alone: its header has venue, policy, tap and dialect. The caller can replace the dialect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Self

from tap.adapters.clock import wall_ms
from tap.adapters.dialects import BUILT_IN, load_dialect
from tap.adapters.journal import Journal
from tap.adapters.tape import read_tapes
from tap.core.errors import MappingInvalid
from tap.core.mapping import Dialect, Verdict
from tap.core.model import Entry
from tap.core.pipeline import Pipeline

__all__ = ["Replay", "keep"]

_DEFAULT_DIALECT = "multicam/1"
_DEFAULT_TAP = "tape"
_BATCH = 1_000
"""Entries in one transaction: few enough that a service which writes at the same time never waits long."""


class Replay:
    """The entries of some tapes, in order. A context manager; iterate over it once.

    ``dialect`` replaces the one that the tapes name. ``venue`` is called if they name no venue. Raises ``TapeInvalid``
    or ``MappingInvalid``.
    """

    def __init__(
        self, paths: Iterable[str | os.PathLike[str]], *, dialect: str | None, venue: Callable[[], str]
    ) -> None:
        self._tapes = read_tapes(paths)
        header = self._tapes.header
        try:
            self._pipeline = Pipeline(
                _dialect(dialect, header.dialect),
                venue=venue() if header.venue is None else header.venue,
                tap=_DEFAULT_TAP if header.tap is None else header.tap,
                policy=header.policy,
            )
        except BaseException:
            self._tapes.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tapes.close()

    def __iter__(self) -> Iterator[Entry]:
        for item in self._tapes:
            yield from self._pipeline.feed(item)

    @property
    def size(self) -> int:
        """Bytes of all tapes on the disk; 0 if unknown."""
        return self._tapes.size

    @property
    def bytes_read(self) -> int:
        """How many of these bytes have been read."""
        return self._tapes.bytes_read

    def remarks(self) -> list[str]:
        """What was ignored: a line for each kind, with its count and the first example."""
        tapes, tally = self._tapes, self._pipeline.tally
        remarks = []
        if tapes.bad_count:
            place, why = tapes.bad_lines[0]
            remarks.append(f"{_count(tapes.bad_count, 'line')} could not be read; the first: {place}: {why}")
        remarks += [
            f"{path}: began before {before}, which was named before it → name tapes in order of time"
            for path, before in tapes.disordered
        ]
        remarks += [f"{path}: its end is incomplete; everything before it was read" for path in tapes.torn]
        for number, verdict, what in (
            (tally.unreadable, Verdict.UNREADABLE, "could not be read"),
            (tally.incomplete, Verdict.INCOMPLETE, "could not be used, because a field was missing"),
            (sum(tally.unknown.values()), Verdict.UNKNOWN, "had a type that the dialect does not know"),
        ):
            if number:
                remarks.append(f"{_count(number, 'frame')} {what}{self._first(verdict)}")
        return remarks

    def _first(self, verdict: Verdict) -> str:
        sample = next((sample for sample in self._pipeline.tally.samples if sample.verdict is verdict), None)
        if sample is None:
            return ""
        kind = f"{sample.type}: " if sample.type else ""
        return f"; the first: {kind}{sample.reason}"


def keep(journal: Journal, entries: Iterable[Entry], show: Callable[[Entry], None]) -> tuple[int, int]:
    """Save entries in a journal, and show each one when it is saved. Returns how many there were, and how many new."""
    total = new = 0
    rest = iter(entries)
    while batch := list(islice(rest, _BATCH)):
        total, new = total + len(batch), new + journal.append(batch, None, wall_ms())
        for entry in batch:
            show(entry)
    return total, new


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _dialect(asked: str | None, recorded: str | None) -> Dialect:
    if asked is None and recorded is not None and recorded not in BUILT_IN and not Path(recorded).is_file():
        raise MappingInvalid(
            "the tape was recorded with this dialect, which does not exist here",
            where=recorded,
            hint="give its mapping file, or another dialect, with --dialect",
        )
    return load_dialect(asked or recorded or _DEFAULT_DIALECT)
