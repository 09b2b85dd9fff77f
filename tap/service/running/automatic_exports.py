"""Exports by themselves: when a session is over, and again when it is repaired, files for the edit are written.

Beside the recording, never in its way: the command itself does it, in a process of its own that gives way to all
others, one at a time; the journal is looked at by a connection that only reads. What was looked at last is saved in a
file of the state directory, so that a session that ended just before a restart is not forgotten, and a later one never
overwrites the files of another that has the same name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import msgspec
from msgspec import Struct, field

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.files import write_whole
from tap.adapters.journal import Journal
from tap.core.errors import JournalError
from tap.core.formats import FORMATS
from tap.core.merge import Row, fold
from tap.service.config import Settings
from tap.service.logs import get_logger
from tap.service.running.background_command import BackgroundCommand
from tap.service.running.side_thread import in_thread

__all__ = ["AutomaticExports"]

_EVERY_S = 5.0
"""A recorder tells the name of its file a moment after it has stopped: the next look is soon enough."""
_WITHIN_S = 900.0
_MOST_NAMES = 2000
_LONGEST_NAME = 120
_log = get_logger(__name__)


class _Kept(Struct):
    """What outlives a restart."""

    seq: int | None = None
    """The last entry that was looked at."""
    waiting: list[str] = field(default_factory=list)
    """The keys of sessions that are over and not exported yet."""
    names: dict[str, str] = field(default_factory=dict)
    """What the files of a session are called, by its key."""


class _Over(Struct, frozen=True):
    """A session that is to be exported."""

    key: str
    name: str
    """What its files are to be called."""
    recorded: bool
    """Its row names what was recorded."""


class AutomaticExports:
    """Writes what ``settings`` ask for; ``run`` it as a task."""

    def __init__(self, settings: Settings, *, every: float = _EVERY_S, within: float = _WITHIN_S) -> None:
        self._settings = settings
        self._every = every
        self._path = settings.state_dir / "exports.json"
        self._kept = self._load()
        # What it writes is for others to read: the service's own files are not.
        self._child = BackgroundCommand(settings, within, umask=0o002)

    async def run(self) -> None:
        """Look for sessions that are over, for ever."""
        try:
            while True:
                for over in await in_thread(self._look) or ():
                    await in_thread(partial(self._export, over))
                    self._kept.waiting.remove(over.key)
                    await in_thread(self._save)
                await sleep_aligned(self._every)
        finally:
            self._end_child()

    # ------------------------------------------------------------------------------------------ what is to be done

    def _look(self) -> list[_Over]:
        """On a thread: sessions that ended or were repaired since the last look."""
        try:
            with Journal.open(self._settings.journal_path, readonly=True) as journal:
                return self._ended(journal)
        except JournalError:
            return []  # whoever writes it tells of it

    def _ended(self, journal: Journal) -> list[_Over]:
        kept, last = self._kept, journal.last_seq()
        if kept.seq is None or last < kept.seq:
            # What was there before anybody asked for exports, or is in another journal, is for a person to export.
            kept.seq = last
            self._save()
        if last == kept.seq and not kept.waiting:
            return []
        for found in journal.entries(after=kept.seq):
            kept.seq = found.seq
            key = found.entry.session_key
            if (found.entry.op == "session" or found.entry.revision) and key not in kept.waiting:
                kept.waiting.append(key)
        rows = [_session_row(journal, key) for key in kept.waiting]
        over = [self._named(row) for row in rows if row is not None and _is_over(row)]
        kept.waiting = [one.key for one in over]
        self._save()
        return over

    def _named(self, row: Row) -> _Over:
        """Like the recording; another session's files of that name stay."""
        names = self._kept.names
        media = row.fields.get("media") or []
        name = names.get(row.session_key)
        if name is None:
            first, others = _name_of(row), set(names.values())
            name, number = first, 1
            while name in others or any(self._place(name, one).exists() for one, _ in self._settings.exports):
                number += 1
                name = f"{first}-{number}"
            names[row.session_key] = name
            while len(names) > _MOST_NAMES:
                del names[next(iter(names))]
        return _Over(row.session_key, name, bool(media))

    def _place(self, name: str, format_name: str) -> Path:
        assert self._settings.export_dir is not None  # noqa: S101 - nobody runs this without
        return self._settings.export_dir / f"{name}{FORMATS[format_name][0]}"

    def _load(self) -> _Kept:
        with suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        return _Kept()

    def _save(self) -> None:
        with suppress(OSError):
            write_whole(self._path, msgspec.json.encode(self._kept), force=True)

    # ------------------------------------------------------------------------------------------ doing it

    def _export(self, over: _Over) -> None:
        """On a thread: one format after the other."""
        failed = list[tuple[str, str, str]]()
        for format_name, layout in self._settings.exports:
            place = self._place(over.name, format_name)
            words = ["export", over.key, "--format", format_name, "--layout", layout, "-o", str(place)]
            words += ["--media", "recorded"] if over.recorded else []
            code, said = self._child.call([*words, "--force"])
            if self._child.over:
                return
            if code == 0:
                _log.info("exported", session=over.key, file=str(place), said=said or None)
            else:
                failed.append((format_name, said or f"the command ended with {code}", shlex.join(words)))
        if failed:
            # Mostly it is the folder, and the same for all of them.
            _, why, again = failed[0]
            _log.warning(
                "a session could not be exported",
                session=over.key,
                format=", ".join(name for name, _, _ in failed),
                why=why,
                next_step=f"'multicam-tap check' tries the folder; then: multicam-tap {again}",
            )

    def _end_child(self) -> None:
        """At the end of the service: what was not done is done after its next start."""
        self._child.kill()


def _session_row(journal: Journal, key: str) -> Row | None:
    rows = fold(kept.entry for kept in journal.entries(key, op="session"))
    return next(iter(rows.values()), None)


def _is_over(row: Row) -> bool:
    return row.retracted is None and row.fields.get("status") in ("complete", "interrupted")


def _name_of(row: Row) -> str:
    """What was recorded is called so; else the session's key, without what no file name may have."""
    media = row.fields.get("media") or [None]
    path = media[0].get("path") if isinstance(media[0], Mapping) else media[0]
    base = str(path or "").replace("\\", "/").rpartition("/")[2]
    stem = base.rpartition(".")[0] or base
    plain = re.sub(r"[^\w .()+@-]", "-", stem or unquote(row.session_key)).strip(" .-")
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore").strip() or "session"
