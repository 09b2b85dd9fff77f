"""Removes the frames of a forgotten session from the flight recorder's tapes. All other frames stay as they are.

A frame goes if the tapes show that the session ran then, or if the journal says so: so it does not matter whether
today's dialect still knows the frame. For a session that somebody made afterwards, the frames of its time go, and
later frames about its stills. Each tape is rewritten beside the old one, which it then replaces at once. If the service
is writing a tape, that tape is renamed first, and the service begins another.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from tap.adapters.clock import monotonic
from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Kept
from tap.adapters.private import sync_directory
from tap.adapters.tape import TapeHeader, Tapes
from tap.core.chosen import Choice, ChosenPipeline
from tap.core.codec import session_key
from tap.core.errors import MappingInvalid, TapError
from tap.core.mapping import Dialect
from tap.core.model import Frame, Policy, SourceItem
from tap.core.pipeline import Pipeline
from tap.service.running.flight_recorder import segments

__all__ = ["Span", "erase", "spans_of"]

Span: TypeAlias = tuple[int, int]
"""Begin and end, wall clock in ms."""

_BEFORE_MS = 1_000
"""How long after its frame an entry may be committed, in ms."""
_LET_GO_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.05


def spans_of(kept: Iterable[Kept]) -> list[Span]:
    """When a session ran, by its entries in the journal."""
    spans: list[Span] = []
    begun: int | None = None
    for one in kept:
        begun = one.committed_at - _BEFORE_MS if begun is None else begun
        if one.entry.op == "session" and one.entry.fields.get("status") != "live":
            spans.append((begun, one.committed_at))
            begun = None
    return spans if begun is None else [*spans, (begun, begun + 2 * _BEFORE_MS)]


def erase(directory: Path, key: str, spans: Sequence[Span], dialect: str, *, chosen: Sequence[Span] = ()) -> int:
    """Remove a session's frames from the tapes in ``directory``. Returns how many were removed.

    ``chosen``: when the session ran, by the times of its rows, if somebody chose that. ``dialect`` reads tapes whose
    own dialect does not exist any more. Raises ``TapError`` if a tape cannot be rewritten. What was done until then
    stays done, and the rest can be tried again.
    """
    paths = segments(directory)
    doomed: dict[Path, set[int]] = {}
    choices: Sequence[Span | None] = chosen or [None]
    for one in choices:
        for path, numbers in _Doomed(key, spans, dialect, one).find(paths).items():
            doomed.setdefault(path, set()).update(numbers)
    for path, numbers in doomed.items():
        try:
            _rewrite(_let_go(path), numbers)
        except OSError as error:
            raise TapError(f"cannot be rewritten: {error.strerror}", where=str(path), hint="run it again") from None
    return sum(map(len, doomed.values()))


class _Doomed:
    """Which lines to remove: frames that came while the session ran, and later frames about it."""

    def __init__(self, key: str, spans: Sequence[Span], dialect: str, chosen: Span | None) -> None:
        self._session_key = key
        self._spans = spans
        self._chosen = None if chosen is None else Choice(*chosen)
        self._fallback = dialect
        self._pipeline: Pipeline | None = None

    def find(self, paths: list[Path]) -> dict[Path, set[int]]:
        """The numbers of the lines, by tape."""
        found: dict[Path, set[int]] = {}
        if not paths:
            return found
        with Tapes(paths, on_tape=self._next_tape) as tapes:
            for item in tapes:
                told = self._tells(item)
                if isinstance(item, Frame) and (told or self._ran(item.stamp.wall)):
                    path, number = tapes.place
                    found.setdefault(path, set()).add(number)
        return found

    def _next_tape(self, header: TapeHeader) -> None:
        checkpoint = None if self._pipeline is None else self._pipeline.checkpoint()
        dialect, venue, tap = self._dialect(header.dialect), header.venue or "local", header.tap or "tape"
        policy = header.policy or Policy()
        if self._chosen is None:
            self._pipeline = Pipeline(dialect, venue=venue, tap=tap, policy=policy, checkpoint=checkpoint)
        else:
            self._session_key = session_key(venue, None, self._chosen.since)
            self._pipeline = ChosenPipeline(
                dialect, self._chosen, venue=venue, tap=tap, policy=policy, checkpoint=checkpoint
            )

    def _dialect(self, name: str | None) -> Dialect:
        with suppress(MappingInvalid):
            if name is not None:
                return load_dialect(name)
        return load_dialect(self._fallback)

    def _tells(self, item: SourceItem) -> bool:
        """Whether the session ran before or after this item, or this item is about it."""
        pipeline = self._pipeline
        if pipeline is None:
            return False
        before = pipeline.state.session
        entries = pipeline.feed(item)
        running = [session.key for session in (before, pipeline.state.session) if session is not None]
        return self._session_key in [*running, *(entry.session_key for entry in entries)]

    def _ran(self, wall: int) -> bool:
        return any(begin <= wall <= end for begin, end in self._spans)


def _let_go(path: Path) -> Path:
    """Rename a tape, so that nobody writes to it: a service that did continues in another file."""
    if _is_free(path):
        return path
    path = path.rename(path.with_name(f"{path.stem}-ended{path.suffix}"))
    end = monotonic() + _LET_GO_WITHIN_S
    while not _is_free(path):
        if monotonic() > end:
            raise TapError("the service still uses this tape", where=str(path), hint="run it again")
        time.sleep(_LOOK_EVERY_S)
    return path


def _is_free(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _rewrite(path: Path, doomed: set[int]) -> None:
    """Replace the tape with one that lacks these lines, at once."""
    status = path.stat()
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with path.open("rb") as old, os.fdopen(descriptor, "wb") as file:
        file.writelines(line for number, line in enumerate(old, 1) if number not in doomed)
        file.flush()
        os.fsync(descriptor)
    # It is as old as it was: its age decides when it goes.
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)
    sync_directory(path.parent)
