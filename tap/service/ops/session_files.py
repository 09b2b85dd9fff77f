"""Files made on request: the card of a session, its report, and its files for the edit.

The commands themselves make them, in a process of low priority, one at a time, from a journal that is opened read-only.
A file is saved for later requests until the session changes or is forgotten. The number of files and their bytes are
limited.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from anyio import Lock, current_time

from tap.adapters.journal import Journal
from tap.service.config import Settings
from tap.service.running.background_command import BackgroundCommand, Ended
from tap.service.running.side_thread import begin_in_thread, in_thread

__all__ = ["MADE", "Made", "NotMade", "Product", "SessionFiles"]

_WITHIN_S = 120.0
_MOST_WAITING = 8
_MOST_FILES = 24
_MOST_BYTES = 64 * 2**20
_LONGEST_KEY = 2_000
_LIVE_FOR_S = 20.0
"""Seconds for which a file of a running session is used again, even if the session has gone on."""


class Product(NamedTuple):
    """Something that can be made."""

    words: tuple[str, ...]
    """The words of the command, without session and file."""
    ending: str
    media_type: str
    saved: bool
    """Whether a browser should save it instead of showing it."""


MADE: dict[str, Product] = {
    "card": Product(("report", "--json"), ".json", "application/json", False),
    "report": Product(("report",), ".html", "text/html", False),
    "edl": Product(("export", "--format", "edl"), ".edl", "text/plain", True),
    "fcp7xml": Product(("export", "--format", "fcp7xml"), ".xml", "application/xml", True),
    "fcpxml": Product(("export", "--format", "fcpxml"), ".fcpxml", "application/xml", True),
    "shots": Product(("export", "--format", "shots"), ".shots.csv", "text/csv", True),
    "csv": Product(("export", "--format", "csv"), ".csv", "text/csv", True),
}
"""By the name in the URL."""


class Made(NamedTuple):
    """A file that was made."""

    path: Path
    product: Product


class NotMade(NamedTuple):
    """Why there is no file."""

    status: int
    """The HTTP status."""
    words: str


class _Kept(NamedTuple):
    path: Path
    seq: int
    """The number of the session's last entry when it was made."""
    made_at: float
    size: int


class SessionFiles:
    """Makes files for one service. ``running`` gives the key of the live session."""

    def __init__(self, settings: Settings, running: Callable[[], str | None]) -> None:
        self._settings = settings
        self._running = running
        self._folder = settings.made_path
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._turn = Lock()
        self._waiting = 0
        self._child = BackgroundCommand(settings, _WITHIN_S)

    async def get(self, name: str, key: str) -> Made | NotMade:
        """A file of a session: made earlier, or now."""
        if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
            return NotMade(404, "that is not a session's key")
        found = await in_thread(lambda: self._last(key))
        if found is None:
            return NotMade(503, "the journal cannot be read now: try again")
        if found < 0:
            self.drop(key)
            return NotMade(410, "this session is not in the journal: it was forgotten, or it is too old")
        kept = self._kept_of(name, key, found)
        if kept is not None:
            return Made(kept, MADE[name])
        if self._waiting >= _MOST_WAITING:
            return NotMade(429, "the tap is busy with other files: try again in some seconds")
        self._waiting += 1
        try:
            async with self._turn:
                kept = self._kept_of(name, key, found)
                return await self._make(name, key, found) if kept is None else Made(kept, MADE[name])
        finally:
            self._waiting -= 1

    def drop(self, key: str) -> None:
        """Delete the files of a session that does not exist any more."""
        for place in [place for place in self._kept if place[1] == key]:
            self._let_go(place)

    async def tidy(self) -> None:
        """Delete the files of sessions that were forgotten."""
        for key in {key for _, key in self._kept}:
            found = await in_thread(lambda key=key: self._last(key))  # type: ignore[misc]
            if found is not None and found < 0:
                self.drop(key)

    def close(self) -> None:
        """Stop making files, and delete all of them."""
        self._child.kill()
        _remove(self._folder)

    # ------------------------------------------------------------------------------------------ making

    async def _make(self, name: str, key: str, seq: int) -> Made | NotMade:
        product = MADE[name]
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]
        path = self._folder / f"{name}-{digest}" / f"made{product.ending}"
        ended = await in_thread(lambda: self._call(product, key, path))
        size = await in_thread(lambda: _size(path))
        if ended is None or ended.code != 0 or size is None:
            if ended is not None and "forgotten" in ended.said:
                return NotMade(410, ended.said)
            return NotMade(500, "could not be made: " + (ended.said if ended is not None else "see the tap's log"))
        if size > _MOST_BYTES:
            _remove(path.parent)
            return NotMade(413, f"is too large for this page: multicam-tap {product.words[0]} writes it to a file")
        self._kept[name, key] = _Kept(path, seq, current_time(), size)
        while len(self._kept) > _MOST_FILES or sum(kept.size for kept in self._kept.values()) > _MOST_BYTES:
            self._let_go(next(iter(self._kept)))
        return Made(path, product)

    def _call(self, product: Product, key: str, path: Path) -> Ended:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = [*product.words, "--force", "-o", str(path)]
        stills = self._settings.stills_dir
        if product.words[0] == "report" and stills is not None and stills.is_dir():
            words += ["--media", str(stills)]
        if product.words[0] == "report" and self._settings.stills_fetch:
            words += ["--fetch"]
        return self._child.call([*words, "--", key])

    # ------------------------------------------------------------------------------------------ what is kept

    def _kept_of(self, name: str, key: str, seq: int) -> Path | None:
        kept = self._kept.get((name, key))
        if kept is None:
            return None
        lately = key == self._running() and current_time() - kept.made_at < _LIVE_FOR_S
        if kept.seq != seq and not lately:
            return None
        self._kept.move_to_end((name, key))
        return kept.path

    def _let_go(self, place: tuple[str, str]) -> None:
        _remove(self._kept.pop(place).path.parent)

    def _last(self, key: str) -> int:
        """The number of a session's last entry; below 0 if it has no entries."""
        with Journal.open(self._settings.journal_path, readonly=True) as journal:
            last = journal.last_entry(key)
            return -1 if last is None else last.seq


def _remove(folder: Path) -> None:
    """Delete a folder on another thread: a disk may hang."""
    begin_in_thread(lambda: shutil.rmtree(folder, ignore_errors=True))


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
