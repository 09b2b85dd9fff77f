"""What a disk may be left with when the power goes: made of the diary of what was done, operation by operation.

The disk of a pessimist. What was synced is there. What was not is there in part, sector by sector, in any order, and a
file may be as long as it was at any moment since. A name (made, changed, taken away) is there for good once its
directory was synced; else the names of a directory are as they were at some moment since. What a failed sync was for
may be lost for ever, whatever a later one says.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path, PurePath

from msgspec import Struct

__all__ = ["Disk", "Kind", "Record", "read_diary"]

_HEADER = struct.Struct("=IIQII")
_SECTOR = 512


class Kind(IntEnum):
    CREATE = 1
    OPEN = 2
    WRITE = 3
    TRUNCATE = 4
    SYNC = 5
    RENAME = 6
    UNLINK = 7
    MKDIR = 8
    SYNC_DIRECTORY = 9
    MARK = 10


class Record(Struct, frozen=True):
    """One operation, or a mark."""

    kind: Kind
    file: int
    at: int
    """Where a write begins, how long a file is to be, or what a mark says."""
    ok: bool
    data: bytes

    @property
    def path(self) -> str:
        return self.data.decode()


def read_diary(path: Path) -> list[Record]:
    data, at, records = path.read_bytes(), 0, []
    while at < len(data):
        kind, file, where, ok, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        records.append(Record(Kind(kind), file, where, bool(ok), data[at : at + length]))
        at += length
    return records


class _File:
    """The bytes of one file: those that are safe, and what was done since."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.since: list[Record] = []

    def sync(self, ok: bool, rng: random.Random) -> None:
        if ok:
            for record in self.since:
                self._apply(record)
        else:
            self.safe = bytearray(self.left(rng))
        self.since = []

    def _apply(self, record: Record) -> None:
        if record.kind is Kind.TRUNCATE:
            del self.safe[record.at :]
            self.safe.extend(bytes(record.at - len(self.safe)))
            return
        end = record.at + len(record.data)
        self.safe.extend(bytes(max(0, end - len(self.safe))))
        self.safe[record.at : end] = record.data

    def left(self, rng: random.Random) -> bytes:
        """What may be left of it."""
        if not self.since:
            return bytes(self.safe)
        likely = rng.choice((0.0, 0.0, 0.2, 0.5, 0.8, 1.0, 1.0))
        sizes, size = [len(self.safe)], len(self.safe)
        image = bytearray(self.safe)
        for record in self.since:
            if record.kind is Kind.TRUNCATE:
                size = record.at
            else:
                size = max(size, record.at + len(record.data))
                image.extend(bytes(max(0, size - len(image))))
                for begin, piece in _sectors(record):
                    if rng.random() < likely:
                        image[begin : begin + len(piece)] = piece
            sizes.append(size)
        # As long as it was at some moment since; mostly as it was at last.
        final = sizes[-1] if rng.random() < likely else rng.choice(sizes)
        image.extend(bytes(max(0, final - len(image))))
        return bytes(image[:final])


def _sectors(record: Record) -> Iterator[tuple[int, bytes]]:
    """A write in the pieces that a disk writes whole."""
    at, data = record.at, record.data
    while data:
        room = _SECTOR - at % _SECTOR
        yield at, data[:room]
        at, data = at + room, data[room:]


class Disk:
    """What a disk holds as the diary is played to it. ``root`` is the directory that the diary is of."""

    def __init__(self, root: str, seed: int) -> None:
        self._root = root
        self._rng = random.Random(seed)
        self._files: dict[int, _File] = {}
        self._names: dict[str, list[Record]] = {}
        """By directory, what was done to its names, in order."""
        self._safe: dict[str, int] = {}
        """By directory, how much of that is safe."""

    def play(self, record: Record) -> None:
        """One more operation."""
        match record.kind:
            case Kind.CREATE | Kind.RENAME | Kind.UNLINK | Kind.MKDIR:
                self._names.setdefault(_directory(record), []).append(record)
                if record.kind is Kind.CREATE:
                    self._files[record.file] = _File()
            case Kind.WRITE | Kind.TRUNCATE:
                self._files[record.file].since.append(record)
            case Kind.SYNC:
                self._files[record.file].sync(record.ok, self._rng)
            case Kind.SYNC_DIRECTORY if record.ok:
                self._safe[record.path] = len(self._names.get(record.path, []))
            case _:
                pass

    def cut(self, into: Path, seed: int) -> None:
        """Put into a folder what may be left when the power goes now."""
        rng = random.Random(seed)
        into.mkdir(parents=True)
        for directory in sorted(self._names, key=len):
            place = into / PurePath(directory).relative_to(self._root)
            if not place.is_dir():
                continue  # its own name is not there
            for path, file in self._left(directory, rng).items():
                target = into / PurePath(path).relative_to(self._root)
                if file is None:
                    target.mkdir()
                else:
                    target.write_bytes(self._files[file].left(rng))

    def _left(self, directory: str, rng: random.Random) -> dict[str, int | None]:
        """The names that may be left in a directory, with the file of each; None for a directory."""
        done, safe = self._names[directory], self._safe.get(directory, 0)
        until = rng.choice((safe, len(done), rng.randint(safe, len(done))))
        names: dict[str, int | None] = {}
        for record in done[:until]:
            if record.kind is Kind.CREATE:
                names[record.path] = record.file
            elif record.kind is Kind.MKDIR:
                names[record.path] = None
            elif record.kind is Kind.UNLINK:
                names.pop(record.path, None)
            else:
                old, new = record.data.decode().split("\0")
                names[new] = names.pop(old)
        return names


def _directory(record: Record) -> str:
    return str(PurePath(record.data.decode().split("\0")[0]).parent)
