"""Reading one tape.

Reading streams: a tape may be larger than the memory. A line that cannot be read costs itself and nothing beside it; a
torn end is how a tape ends when the power goes.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, NoReturn, Self

from tap.adapters.tape.lines import TapeHeader, milliseconds, parsed, payload, read_header, wall_of
from tap.adapters.tape.position import Position
from tap.core.errors import TapeInvalid
from tap.core.model import Alive, SourceItem, Stamp

__all__ = ["TapeEmpty", "TapeReader", "open_tape"]

_GZIP_MAGIC = b"\x1f\x8b"
_BAD_LINES_KEPT = 100
_LONGEST_LINE = 256 * 2**20
"""A frame of 32 MB in which every byte is escaped still fits; a file without line ends must not fill the memory."""
_EVENTS = ("open", "close", "alive")
_LOOKS_LIKE = 'a tape is JSON lines such as {"t":0.5,"wall":"2026-01-31T12:00:00Z","dir":"in","data":"…"}'


class TapeEmpty(TapeInvalid):
    """Nothing came to be written onto it: what a kill leaves as a tape begins."""


class TapeReader:
    """The items of one tape, in order; a context manager, and iterated once.

    ``bad_lines`` (line number, what is wrong) keeps the first 100 lines that could not be read, ``bad_count`` counts
    them all, ``torn`` tells that the end is missing. Sent frames (``dir: "out"``) are skipped.

    Raises ``TapeInvalid`` where the file is not a tape (on opening), cannot be read further, or has no way to tell when
    a line was received.
    """

    def __init__(self, path: str | os.PathLike[str], *, position: Position | None = None) -> None:
        self.path = Path(path)
        self.bad_lines: list[tuple[int, str]] = []
        self.bad_count = 0
        self.torn = False
        self.line = 0
        """The number of the line that the last item is on."""
        self.header = TapeHeader()
        self._position = Position() if position is None else position
        self._known_wall: tuple[int, int] | None = None
        self._raw = self._open()
        try:
            self._file: IO[bytes] = self._unpacked()
            self._numbered = self._lines()
            self._first = self._begin()
        except BaseException:
            self.close()
            raise
        self._iterator = self._items()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[SourceItem]:
        return self._iterator

    def __next__(self) -> SourceItem:
        return next(self._iterator)

    def close(self) -> None:
        """Let go of the file; more than once does no harm."""
        self._raw.close()

    @property
    def size(self) -> int:
        """Bytes of the file on disk; 0 where that cannot be known (a pipe)."""
        return self._size

    @property
    def bytes_read(self) -> int:
        """How many of them have been read, for a progress bar; all of them once the file is closed."""
        if self._raw.closed or not self._size:
            return self._size
        return self._raw.tell()

    def _open(self) -> IO[bytes]:
        try:
            # Buffered by hand below: tell() of this one is the progress on disk.
            raw = self.path.open("rb")
        except OSError as error:
            self._refuse(f"cannot be read: {error.strerror}", hint="give the path of a tape, plain or .gz")
        status = os.fstat(raw.fileno())
        self._size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        return raw

    def _unpacked(self) -> IO[bytes]:
        try:
            packed = self._raw.peek(2)[:2] == _GZIP_MAGIC  # type: ignore[attr-defined]  # open("rb") gives a BufferedReader
        except OSError as error:
            self._refuse(f"cannot be read: {error.strerror}", hint="give the path of a tape, plain or .gz")
        return gzip.GzipFile(fileobj=self._raw, mode="rb") if packed else self._raw  # type: ignore[return-value]

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers."""
        number = 0
        while line := self._read(number + 1):
            number += 1
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                self._bad(number, f"longer than {_LONGEST_LINE >> 20} MB")
                while line and not line.endswith(b"\n"):
                    line = self._read(number)
            elif line.strip():
                yield number, line

    def _read(self, number: int) -> bytes:
        try:
            return self._file.readline(_LONGEST_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.torn = True
            return b""
        except OSError as error:
            self._refuse(f"cannot be read further: {error.strerror}", number)

    def _begin(self) -> list[tuple[int, bytes]]:
        """Take the header; the first line, where it is none, is left to be read as the others."""
        number, line = next(self._numbered, (0, b""))
        if not line:
            raise TapeEmpty(
                "has no line that can be read" if self.torn else "is empty", where=str(self.path), hint=_LOOKS_LIKE
            )
        line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            said = parsed(line)
        except ValueError as error:
            # Half a header, or nothing where it should be: a power cut takes a file sector by sector.
            if b"\0" in line or (line.startswith(b'{"tape":') and not line.endswith(b"\n")):
                where = f"{self.path}:{number}"
                raise TapeEmpty(f"is not a tape: the line is {error}", where=where, hint=_LOOKS_LIKE) from None
            self._refuse(f"is not a tape: the line is {error}", number, _LOOKS_LIKE)
        if "tape" in said:
            self.header = read_header(said, f"{self.path}:{number}")
            return []
        if "t" not in said or not said.keys() & {"data", "data64", "event"}:
            self._refuse("is not a tape: the line is neither a header nor a frame nor an event", number, _LOOKS_LIKE)
        return [(number, line)]

    def _items(self) -> Iterator[SourceItem]:
        for number, line in chain(self._first, self._numbered):
            item = self._item_of(number, line)
            if item is not None:
                self.line = number
                yield item

    def _item_of(self, number: int, line: bytes) -> SourceItem | None:
        try:
            said = parsed(line)
        except ValueError as error:
            if line.endswith(b"\n"):
                self._bad(number, str(error))
            else:
                self.torn = True
            return None
        try:
            return self._item(said, number)
        except ValueError as error:
            self._bad(number, str(error))
            return None

    def _item(self, said: dict[str, Any], number: int) -> SourceItem | None:
        """One line as an item, None for a sent frame. ``ValueError`` says what is wrong with the line."""
        t = milliseconds(said.get("t"))
        if t is None:
            raise ValueError("no readable t (seconds since the start, a number)")
        if "event" in said:
            if said["event"] not in _EVENTS:
                raise ValueError(f"no event of a tape: {str(said['event'])[:40]!r} (one of {', '.join(_EVENTS)})")
            return self._event(said, self._stamp(t, said, number))
        data, binary = payload(said)
        direction = said.get("dir", "in")
        if direction not in ("in", "out"):
            raise ValueError('no readable dir ("in" or "out")')
        if direction == "out":
            # An answer to the first of several frames that were read together: its time is later than that of the next.
            return None
        return self._position.frame(data, self._stamp(t, said, number), binary)

    def _event(self, said: dict[str, Any], stamp: Stamp) -> SourceItem:
        position = self._position
        reason = said.get("reason")
        reason = reason if isinstance(reason, str) else None
        heard = milliseconds(said.get("heard"))
        heard = None if heard is None else heard + position.shift
        if said["event"] == "open":
            return position.opened(stamp, reason)
        return position.closed(stamp, reason, heard) if said["event"] == "close" else Alive(stamp, heard)

    def _stamp(self, t: int, said: dict[str, Any], number: int) -> Stamp:
        if (text := said.get("wall")) is not None:
            wall = wall_of(text)
            if wall is None:
                raise ValueError("no readable wall (ISO 8601)")
            self._known_wall = (wall, t)
        elif self.header.started_at is not None:
            wall = self.header.started_at + t
        elif self._known_wall is not None:
            wall = self._known_wall[0] + t - self._known_wall[1]
        else:
            self._refuse(f"line {number} has no wall and the header no startedAt", number, "add one of the two")
        return self._position.stamp(t, wall)

    def _bad(self, number: int, why: str) -> None:
        self.bad_count += 1
        if len(self.bad_lines) < _BAD_LINES_KEPT:
            self.bad_lines.append((number, why))

    def _refuse(self, what: str, number: int | None = None, hint: str | None = None) -> NoReturn:
        where = str(self.path) if number is None else f"{self.path}:{number}"
        raise TapeInvalid(what, where=where, hint=hint) from None


def open_tape(path: str | os.PathLike[str]) -> TapeReader:
    """Open one tape. Raises ``TapeInvalid`` (file, line, what to do) where it is none."""
    return TapeReader(path)
