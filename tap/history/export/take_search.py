"""Which files a session has: by a pattern, as the server's recorder named them, out of a folder, or by a table.

Each file is found with its camera and the moment at which it began, and in words how both are known; what is left out
is named with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Protocol

from msgspec.structs import replace

from tap.core.errors import TapError, UsageInvalid
from tap.core.footage import Footage, Unread
from tap.history.export.file_matching import (
    PROGRAM,
    TableLine,
    base_name,
    begin_of_file,
    folders_between,
    owner_of,
    table_in,
)
from tap.history.export.recorded import Recording
from tap.history.export.reels import Reel
from tap.history.export.takes import Take, Takes, chain, counting_of, settle_first_ticks, wall_end
from tap.history.timeline import Timeline

__all__ = ["RECORDED", "TABLE", "Files", "check_pattern", "takes_of"]

RECORDED = "recorded"
"""In place of a pattern: the files that the session's own row names."""
TABLE = "media.csv"
"""A table in the folder, by which a person says what cannot be told otherwise."""
_FIELDS = ("camera", "name", "reel", "role", "venue", "date")
_MOST_NAMES = 24
"""Of cameras, in one note."""
_SHORT_MS = 1500
"""A recording whose file ends so much before it was stopped goes on in another, or is broken off."""


class Files(Protocol):
    """Reads files. The command passes one that reads this machine's disk."""

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        ...

    def folder(self, path: str) -> list[Footage | Unread]:
        """All videos in a folder and below it, in order of their paths."""
        ...

    def file(self, path: str) -> Footage | Unread | None:
        """One video file; None if it does not exist, or nothing is installed that can read it."""
        ...

    def text(self, path: str) -> str | None:
        """The content of a text file; None if it does not exist."""
        ...


class _NoFiles:
    """Used where no files can be read: knows none."""

    def is_folder(self, path: str) -> bool:  # noqa: ARG002 - as Files has it
        return False

    def folder(self, path: str) -> list[Footage | Unread]:  # noqa: ARG002
        return []

    def file(self, path: str) -> Footage | Unread | None:  # noqa: ARG002
        return None

    def text(self, path: str) -> str | None:  # noqa: ARG002
        return None


def check_pattern(pattern: str | None) -> None:
    """Raises ``UsageInvalid`` for a pattern with fields that do not exist."""
    if pattern is not None and pattern != RECORDED:
        _filled(pattern, dict.fromkeys(_FIELDS, ""))


def _filled(pattern: str, known: Mapping[str, str]) -> str:
    # A camera's name must not lead to another folder.
    safe = {name: value.replace("/", "-").replace("\\", "-") for name, value in known.items()}
    try:
        return pattern.format_map(safe)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError):
        hint = f"known are {', '.join('{' + name + '}' for name in _FIELDS)}, or '{RECORDED}' alone"
        raise UsageInvalid("the pattern cannot be filled in", where=pattern, hint=hint) from None


class _TakeSearch:
    """Finds the takes of one session."""

    def __init__(
        self,
        timeline: Timeline,
        reels: Mapping[str, Reel],
        recorded: Sequence[Recording],
        zone: tzinfo | None,
        files: Files | None,
    ) -> None:
        self.found = Takes()
        self._timeline = timeline
        self._reels = reels
        self._recorded = recorded
        self._zone = zone
        self._files: Files = files or _NoFiles()
        self._span = (timeline.start, timeline.end)
        self._strangers = 0
        """How many files are of no camera that is known."""

    # ------------------------------------------------------------------ by a pattern, or by nothing at all

    def by_pattern(self, pattern: str | None) -> None:
        """A file for each camera; without a pattern the camera itself stands for it."""
        timeline = self._timeline
        date = datetime.fromtimestamp(timeline.start / 1000, UTC).astimezone(self._zone).date().isoformat()
        for camera_id, reel in self._reels.items():
            if pattern is None:
                self._take(camera_id, None, None, "")
                continue
            known = {"camera": camera_id, "name": reel.name, "reel": reel.reel, "role": reel.role or ""}
            path = _filled(pattern, {**known, "venue": timeline.venue, "date": date})
            self._take(camera_id, path, self._read(path), "the pattern")
        unread = [take for take in self.found.takes if take.path is not None and take.footage is None]
        if unread:
            words = f"{len(unread)} files were not read" if len(unread) > 1 else f"{unread[0].path} was not read"
            self.found.notes.append(
                f"{words}: each is assumed to begin with the session, to be as long, and to have sound and no timecode"
            )

    def _take(self, owner: str, path: str | None, footage: Footage | None, by: str) -> None:
        start, start_by, exact = Fraction(self._timeline.start), "it is assumed to begin with the session", True
        told = None if footage is None else begin_of_file(footage, counting_of(footage), self._span, self._zone, None)
        if told is not None and not isinstance(told, str):
            start, start_by, exact = told.at, told.by, told.exact
        self.found.takes.append(
            Take(owner=owner, path=path, owner_by=by, start=start, start_by=start_by, exact=exact, footage=footage)
        )

    def _read(self, path: str) -> Footage | None:
        read = self._files.file(path)
        if isinstance(read, Unread):
            self.found.notes.append(f"{path}: {read.why}")
            return None
        return read

    # ------------------------------------------------------------------ as the server recorded

    def by_record(self) -> None:
        """The files that the session's row names: the program itself."""
        if not self._recorded:
            hint = "give a pattern: --media '/rec/{name}.mov', or the folder that the files are in"
            raise TapError("this session's row names no recorded file", hint=hint)
        for number, one in enumerate(self._recorded):
            self._take_recorded(one, self._read(one.path), first=number == 0)
        if len(self._recorded) == 1:
            self._follow(self.found.takes[0], self._recorded[0])

    def _take_recorded(self, one: Recording, footage: Footage | None, *, first: bool) -> None:
        by = "the session's row names it"
        exact = True
        if one.start is not None:
            # Who came late knows it by the second in the file's name.
            start, start_by, exact = Fraction(one.start), "the server says when it began", bool(one.start % 1000)
        elif first:
            start, start_by = Fraction(self._timeline.start), "it is assumed to begin with the session"
        else:
            told = (
                None if footage is None else begin_of_file(footage, counting_of(footage), self._span, self._zone, None)
            )
            if told is None or isinstance(told, str):
                self.found.left.append(f"{one.path}: when it began is not known")
                return
            start, start_by, exact = told.at, told.by, told.exact
        self.found.takes.append(
            Take(
                owner=PROGRAM,
                path=one.path,
                owner_by=by,
                start=start,
                start_by=start_by,
                exact=exact,
                footage=footage,
                recorded=one,
            )
        )

    def _follow(self, first: Take, recorded: Recording) -> None:
        """Find the files in which a recording went on, where its only known file ends before it was stopped.

        They are in the same folder, with names of the same kind, and later.
        """
        end = recorded.end or self._timeline.end
        if first.footage is None or wall_end(first, first.footage, end) >= end - _SHORT_MS:
            return
        name = base_name(recorded.path)
        folder = recorded.path[: -len(name)] or "."
        for footage in self._files.folder(folder) if self._files.is_folder(folder) else []:
            if isinstance(footage, Footage) and _kind_of(footage.path) == _kind_of(name):
                told = begin_of_file(footage, counting_of(footage), self._span, self._zone, None)
                if base_name(footage.path) > name and not isinstance(told, str):
                    self._continue(recorded, footage, told.at, told.by)

    def _continue(self, recorded: Recording, footage: Footage, start: Fraction, by: str) -> None:
        self.found.takes.append(
            Take(
                owner=PROGRAM,
                path=footage.path,
                owner_by="it is named like the recording before it",
                start=start,
                start_by=by,
                exact=False,
                footage=footage,
                recorded=replace(recorded, path=footage.path),
            )
        )

    # ------------------------------------------------------------------ out of a folder, or by a table

    def by_folder(self, folder: str) -> None:
        """All videos in a folder and below it."""
        table_path = _joined(folder, TABLE)
        text = self._files.text(table_path)
        table = {} if text is None else table_in(text, table_path)
        self._sort_in(folder, self._files.folder(folder), table)

    def by_table(self, path: str, text: str) -> None:
        """The files that a table names, from the folder that it is in."""
        folder = path[: -len(base_name(path))]
        table = table_in(text, path)
        read = []
        for row in table.values():
            place = row.file if _is_absolute(row.file) else _joined(folder, row.file)
            read.append(self._files.file(place) or Unread(path=place, why="is not there"))
        self._sort_in(folder, read, table)

    def _sort_in(self, folder: str, read: Sequence[Footage | Unread], table: Mapping[str, TableLine]) -> None:
        usable = [one for one in read if isinstance(one, Footage)]
        for one in read:
            if isinstance(one, Unread):
                self.found.left.append(f"{one.path}: {one.why}")
        if not usable:
            step = "put the cameras' files there, or name them in a table (see docs/export.md)"
            raise TapError(
                "there is no video that can be used", where=folder, hint="; ".join([*self.found.left[:3], step])
            )
        recorded = {base_name(one.path).casefold(): (number, one) for number, one in enumerate(self._recorded)}
        kinds = {_kind_of(one.path): one for one in self._recorded}
        for footage in usable:
            name, row = base_name(footage.path), _row_of(footage.path, table)
            known = recorded.get(name.casefold())
            if known is not None and row is None:
                self._take_recorded(replace(known[1], path=footage.path), footage, first=known[0] == 0)
            else:
                self._sort_one(footage, folders_between(footage.path, folder), row, kinds)
        if self._strangers:
            names = [lane.name or lane.camera_id for lane in self._timeline.lanes]
            cameras = ", ".join([*names[:_MOST_NAMES], "…"] if len(names) > _MOST_NAMES else names) or "none"
            alone = self._strangers == 1
            which = "a file's camera is" if alone else f"the cameras of {self._strangers} files are"
            step = f"rename {'it' if alone else 'each'} after its camera, or list it in {TABLE}"
            self.found.notes.append(f"{which} not known; {step}. The cameras are {cameras}")

    def _sort_one(
        self, footage: Footage, folders: Sequence[str], row: TableLine | None, kinds: Mapping[str, Recording]
    ) -> None:
        lanes = self._timeline.lanes
        found = owner_of(footage.path, folders, lanes, row)
        owner, by = found.camera, found.by
        kin = kinds.get(_kind_of(footage.path)) if owner in {None, PROGRAM} else None
        if owner is None and kin is not None:
            owner, by = PROGRAM, "it is named like the recording"
        if owner is None and len(lanes) == 1 and not kinds and (row is None or row.camera is None):
            owner, by = lanes[0].camera_id, "there is only one camera"
        if owner is None:
            self._strangers += 1
            self.found.left.append(f"{footage.path}: its camera is not known: {by}")
            return
        told = begin_of_file(footage, counting_of(footage), self._span, self._zone, row)
        if isinstance(told, str):
            self.found.left.append(f"{footage.path}: when it began is not known: {told}")
            return
        offset = Fraction(0) if row is None else row.offset_ms
        self.found.takes.append(
            Take(
                owner=owner,
                path=footage.path,
                owner_by=by,
                start=told.at,
                start_by=told.by,
                exact=told.exact,
                footage=footage,
                # Its pauses lie in whichever of its files ran then.
                recorded=None if kin is None else replace(kin, path=footage.path),
                offset=offset,
            )
        )


def takes_of(
    media: str | None,
    timeline: Timeline,
    reels: Mapping[str, Reel],
    *,
    recorded: Sequence[Recording],
    zone: tzinfo | None,
    files: Files | None,
    offsets: Mapping[str, Fraction],
) -> Takes:
    """All takes of a session, in order of their begins.

    Args:
        media: Where the files are: a pattern, ``recorded``, a folder, or a table (``.csv``); None: each camera stands
            for itself, without files.
        timeline: The session.
        reels: The cameras' names in an edit, by camera id.
        recorded: The files that the session's row names.
        zone: The venue's time zone; None: the machine's.
        files: Reads files; None: none can be read.
        offsets: By how many ms files begin later, by camera id or ``PROGRAM``.

    Raises:
        UsageInvalid: The pattern has fields that do not exist.
        TapError: There is no file at all.
    """
    gathering = _TakeSearch(timeline, reels, recorded, zone, files)
    reader = files or _NoFiles()
    text = reader.text(media) if media is not None and media.lower().endswith(".csv") else None
    if media == RECORDED:
        gathering.by_record()
    elif media is not None and text is not None:
        gathering.by_table(media, text)
    elif media is not None and reader.is_folder(media):
        gathering.by_folder(media)
    elif media is not None and "{" not in media and not PurePosixPath(base_name(media)).suffix:
        raise TapError(
            "the folder does not exist", where=media, hint="name the folder that holds the files, or a pattern"
        )
    else:
        gathering.by_pattern(media)
    found = gathering.found
    for take in found.takes:
        take.offset += offsets.get(take.owner, Fraction(0))
    found.takes.sort(key=lambda take: (take.start + take.offset, take.path or ""))
    chain(found.takes, timeline.end)
    settle_first_ticks([take for take in found.takes if take.owner == PROGRAM and take.recorded is not None], timeline)
    return found


def _kind_of(path: str) -> str:
    """A file's name with all digits as 0: the same for all files of one recorder."""
    return "".join("0" if letter.isdigit() else letter for letter in base_name(path).casefold())


def _row_of(path: str, table: Mapping[str, TableLine]) -> TableLine | None:
    """The line of the table for this file: the one whose path is the longest ending of the file's path."""
    spelt = f"/{path.replace(chr(92), '/')}"
    found = [(len(name), name) for name in table if spelt.endswith(f"/{name.replace(chr(92), '/')}")]
    return table[max(found)[1]] if found else None


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).drive)


def _joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder.rstrip("/") else f"{folder}{name}"
