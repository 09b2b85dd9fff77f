"""Tapes: recordings of what a server sent, read back as the items a live source would have given, and written.

A tape is JSON lines, plain or gzip (told apart by their first bytes, not by the name), with an optional header::

    {"tape":1,"dialect":"multicam/1","startedAt":"2026-11-22T20:39:35.000Z","venue":"hall-a","policy":{…},"tap":"…"}
    {"t":0.096,"wall":"2026-11-22T20:39:35.096Z","event":"open"}
    {"t":0.101,"wall":"2026-11-22T20:39:35.101Z","dir":"in","data":"{\\"type\\":\\"hello\\"}"}
    {"t":5.101,"wall":"2026-11-22T20:39:40.101Z","event":"alive","heard":4.872}

``t`` and ``heard`` are seconds since the start of the tape. Reading streams: a tape may be larger than the memory.
A line that cannot be read costs itself and nothing beside it; a torn end is how a tape ends when the power goes.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

import msgspec
import orjson

from tap.adapters.tape.parts import (
    Place,
    TapeHeader,
    Walls,
    data_part,
    header_line,
    milliseconds,
    parsed,
    payload,
    read_header,
    shown,
    wall_of,
)
from tap.core.errors import TapeInvalid
from tap.core.model import Alive, Closed, Frame, Opened, SourceItem, Stamp

__all__ = ["TapeHeader", "TapeReader", "TapeWriter", "Tapes", "open_tape", "read_tapes"]

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

    def __init__(self, path: str | os.PathLike[str], *, place: Place | None = None) -> None:
        self.path = Path(path)
        self.bad_lines: list[tuple[int, str]] = []
        self.bad_count = 0
        self.torn = False
        self.line = 0
        """The number of the line that the last item stands on."""
        self.header = TapeHeader()
        self._place = Place() if place is None else place
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
            # Half a header, or nothing where it should stand: a power cut takes a file sector by sector.
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
        stamp = self._stamp(t, said, number)
        return None if direction == "out" else self._place.frame(data, stamp, binary)

    def _event(self, said: dict[str, Any], stamp: Stamp) -> SourceItem:
        place = self._place
        reason = said.get("reason")
        reason = reason if isinstance(reason, str) else None
        heard = milliseconds(said.get("heard"))
        heard = None if heard is None else heard + place.shift
        if said["event"] == "open":
            return place.opened(stamp, reason)
        return place.closed(stamp, reason, heard) if said["event"] == "close" else Alive(stamp, heard)

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
            self._refuse(f"line {number} has no wall and the header no startedAt", number, "give either of the two")
        return self._place.stamp(t, wall)

    def _bad(self, number: int, why: str) -> None:
        self.bad_count += 1
        if len(self.bad_lines) < _BAD_LINES_KEPT:
            self.bad_lines.append((number, why))

    def _refuse(self, what: str, number: int | None = None, hint: str | None = None) -> NoReturn:
        where = str(self.path) if number is None else f"{self.path}:{number}"
        raise TapeInvalid(what, where=where, hint=hint) from None


class Tapes:
    """Several tapes as one history: connections are counted on, and ``mono`` goes on by what the walls say lay between.

    Where a tape does not say that it continues the one before, the tap had stopped in between: a connection that was
    open is closed then (``tap stopped``). ``header`` is what the tapes say together.

    A tape on which nothing came to be written is passed over, and named among the torn ones, where others stand beside
    it. ``on_tape`` is told of each tape's header before its items are given; then the headers may differ.

    Raises ``TapeInvalid`` as ``TapeReader`` does, and on opening where two headers contradict each other.
    """

    def __init__(
        self, paths: Iterable[str | os.PathLike[str]], *, on_tape: Callable[[TapeHeader], None] | None = None
    ) -> None:
        self.bad_lines: list[tuple[str, str]] = []
        """(file:line, what is wrong), the first 100 of each tape."""
        self.bad_count = 0
        self.torn: list[Path] = []
        """The tapes whose end is missing."""
        self.disordered: list[tuple[Path, Path]] = []
        """A tape that began before the one that was named before it, and that one."""
        self._latest: tuple[int, Path] | None = None
        self.size = 0
        self._place = Place()
        self._paths = [Path(path) for path in paths]
        self._on_tape = on_tape
        self._done = 0
        self._reader: TapeReader | None = None
        self.header = TapeHeader()
        try:
            self._survey()
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
        """Let go of the file that is open; more than once does no harm."""
        if self._reader is not None:
            self._reader.close()

    @property
    def place(self) -> tuple[Path, int]:
        """On which tape the last item stands, and on which line; none before the first tape."""
        return (Path(), 0) if self._reader is None else (self._reader.path, self._reader.line)

    @property
    def unread(self) -> int:
        """Lines that could not be read so far."""
        return self.bad_count + (0 if self._reader is None else self._reader.bad_count)

    @property
    def bytes_read(self) -> int:
        """Bytes read so far, of ``size`` on disk."""
        return self._done + (0 if self._reader is None else self._reader.bytes_read)

    def _survey(self) -> None:
        """Read the headers before the first item is given: who replays needs what they say together.

        The first tape stays open, so that a pipe can be read too.
        """
        given: dict[str, Path] = {}
        empty: TapeInvalid | None = None
        for path in self._paths:
            try:
                reader = TapeReader(path, place=self._place)
            except TapeEmpty as error:
                empty = empty or error
                self.torn.append(path)
                continue
            self.size += reader.size
            if self._reader is None:
                self._reader = reader
                self.header = reader.header
            else:
                reader.close()
            if self._on_tape is None:
                self._agree(path, reader.header, given)
            self._order(path, reader.header)
        if empty is not None and self._reader is None:
            raise empty
        self._paths = [path for path in self._paths if path not in self.torn]

    def _order(self, path: Path, header: TapeHeader) -> None:
        """Note a tape that began before the last one. No mistake in itself: a clock may have been set back."""
        if header.started_at is not None:
            if self._latest is not None and header.started_at < self._latest[0]:
                self.disordered.append((path, self._latest[1]))
            self._latest = (header.started_at, path)

    def _agree(self, path: Path, header: TapeHeader, given: dict[str, Path]) -> None:
        for name in ("dialect", "venue", "tap", "policy"):
            value, before = getattr(header, name), getattr(self.header, name)
            if value is None:
                continue
            if name not in given:
                given[name] = path
                self.header = msgspec.structs.replace(self.header, **{name: value})
            elif value != before:
                what = f"its {name} is not the one of {given[name]}: {shown(value)} here, {shown(before)} there"
                raise TapeInvalid(what, where=f"{path}:1", hint="replay them one by one")

    def _items(self) -> Iterator[SourceItem]:
        for index, path in enumerate(self._paths):
            reader = self._reader
            if reader is None or index:
                reader = self._reader = TapeReader(path, place=self._place)
            stopped = self._place.next_tape(reader.header) if index else None
            if stopped is not None:
                yield stopped
            if self._on_tape is not None:
                self._on_tape(reader.header)
            with reader:
                yield from reader
            self._add_up(reader)
            self._reader = None

    def _add_up(self, reader: TapeReader) -> None:
        self._done += reader.size
        self.bad_count += reader.bad_count
        self.bad_lines.extend((f"{reader.path}:{number}", why) for number, why in reader.bad_lines)
        if reader.torn:
            self.torn.append(reader.path)


class TapeWriter:
    """Writes a tape; a context manager.

    ``target`` is a path (``.gz`` packs; the file is made with mode 0600, and one that exists is only replaced with
    ``force``) or an open binary file, which is not closed. ``start_mono`` is the ``mono`` of ``t`` = 0: the first
    item's where it is not given. What is given is written as it is: redact before.

    Raises ``TapeInvalid`` where the file cannot be made or written (no room, no right).
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | IO[bytes],
        header: TapeHeader,
        *,
        start_mono: int | None = None,
        force: bool = False,
    ) -> None:
        self._start = start_mono
        self._owned: IO[bytes] | None = None
        if isinstance(target, str | os.PathLike):
            path = Path(target)
            self._where = str(path)
            self._raw = self._owned = _create(path, force)
            packed = path.suffix == ".gz"
        else:
            self._where = str(getattr(target, "name", "the tape"))
            self._raw = target
            packed = False
        # No name and no time inside: the same frames make the same bytes.
        self._packed = gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0) if packed else None
        self._iso = Walls().iso
        self._write(orjson.dumps(header_line(header), option=orjson.OPT_APPEND_NEWLINE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        try:
            self.close()
        except TapeInvalid:
            if kind is None:
                raise

    def frame(self, frame: Frame) -> None:
        """A frame that was received."""
        self._write(b'%b,"dir":"in",%b}\n' % (self._begun(frame.stamp), data_part(frame.data, frame.binary)))

    def out(self, data: bytes, stamp: Stamp, *, binary: bool = False) -> None:
        """A frame that was sent."""
        self._write(b'%b,"dir":"out",%b}\n' % (self._begun(stamp), data_part(data, binary)))

    def opened(self, item: Opened) -> None:
        self._event("open", item.stamp, item.reason)

    def closed(self, item: Closed) -> None:
        self._event("close", item.stamp, item.reason, item.heard)

    def alive(self, item: Alive) -> None:
        self._event("alive", item.stamp, heard=item.heard)

    def flush(self) -> None:
        """Hand everything written so far to the system, so that a kill of this process does not lose it."""
        try:
            if self._packed is not None:
                self._packed.flush()
            self._raw.flush()
        except OSError as error:
            self._refuse(error)

    def close(self) -> None:
        """Finish the tape; more than once does no harm."""
        try:
            try:
                if self._packed is not None:
                    self._packed.close()
            finally:
                if self._owned is not None:
                    self._owned.close()
                elif not self._raw.closed:
                    self._raw.flush()
        except OSError as error:
            self._refuse(error)

    def _event(self, name: str, stamp: Stamp, reason: str | None = None, heard: int | None = None) -> None:
        line: dict[str, Any] = {"event": name}
        if reason is not None:
            line["reason"] = reason
        if heard is not None:
            line["heard"] = (heard - self._started(stamp)) / 1000
        self._write(b"%b,%b\n" % (self._begun(stamp), orjson.dumps(line)[1:]))

    def _begun(self, stamp: Stamp) -> bytes:
        """The beginning of a line: when."""
        return b'{"t":%b,"wall":"%b"' % (
            orjson.dumps((stamp.mono - self._started(stamp)) / 1000),
            self._iso(stamp.wall),
        )

    def _started(self, stamp: Stamp) -> int:
        if self._start is None:
            self._start = stamp.mono
        return self._start

    def _write(self, line: bytes) -> None:
        try:
            (self._packed or self._raw).write(line)
        except OSError as error:
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        raise TapeInvalid(
            f"cannot be written: {error.strerror}", where=self._where, hint="make room or name another place"
        ) from None


def open_tape(path: str | os.PathLike[str]) -> TapeReader:
    """Open one tape. Raises ``TapeInvalid`` (file, line, what to do) where it is none."""
    return TapeReader(path)


def read_tapes(paths: Iterable[str | os.PathLike[str]]) -> Tapes:
    """Open several tapes, in order of time, as one history. Raises ``TapeInvalid``."""
    return Tapes(paths)


def _create(path: Path, force: bool) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o600)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)  # a file that is replaced kept its own mode
    except FileExistsError:
        hint = "use --force to replace it, or name another file"
        raise TapeInvalid("the file already exists", where=str(path), hint=hint) from None
    except OSError as error:
        hint = "name a file in a directory that exists and may be written to"
        raise TapeInvalid(f"cannot be made: {error.strerror}", where=str(path), hint=hint) from None
    return os.fdopen(descriptor, "wb")
