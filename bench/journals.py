"""Journals of many entries, as years of shoots leave them: made by the journal itself."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contestants import folder_for
from tap.adapters.journal import Journal
from tap.core.model import Entry

__all__ = ["journals"]

_PAGE = 5_000
_SHOOT = 1_000
"""Entries of one session."""
_VENUE = "bench"


@contextmanager
def journals(sizes: Iterable[int], say: Callable[[str], None]) -> Iterator[dict[int, Path]]:
    """A state directory for each size, with so many entries in its journal; gone afterwards."""
    with folder_for("journals") as folder:
        made: dict[int, Path] = {}
        growing = folder / "growing"
        for size in sorted(sizes):
            since = time.monotonic()
            _grow(growing / "journal.db", size)
            made[size] = folder / str(size)
            shutil.copytree(growing, made[size])
            if size >= 100_000:
                say(f"a journal of {size:,} entries was made in {time.monotonic() - since:.0f} s")
        shutil.rmtree(growing)
        yield made


def _grow(path: Path, size: int) -> None:
    with Journal.open(path, owner=True) as journal:
        journal.tap_id()
        at = sum(journal.counts().values())
        while at < size:
            count = min(_PAGE, size - at)
            journal.append((_entry(number) for number in range(at, at + count)), None, time.time_ns() // 1_000_000)
            at += count


def _entry(number: int) -> Entry:
    session, place = divmod(number, _SHOOT)
    key = f"{_VENUE}/shoot-{session}"
    at = 1_700_000_000_000 + number * 1_000
    if place == 0:
        return Entry(key, "session", key, at, {"title": f"Shoot {session}", "status": "ended", "startedAt": at})
    fields = {"kind": "cut", "at": at, "observedAt": at, "cameraId": f"cam-{number % 8}", "trigger": "operator"}
    return Entry(f"{key}/cut/{number}/{at}", "event", key, at, fields)
