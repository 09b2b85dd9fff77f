"""Several tapes read as one history."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from tap.adapters.tape.lines import TapeHeader, shown
from tap.adapters.tape.position import Position
from tap.adapters.tape.reader import TapeEmpty, TapeReader
from tap.core.errors import TapeInvalid
from tap.core.model import SourceItem

__all__ = ["Tapes", "read_tapes"]


class Tapes:
    """Several tapes as one history: connections are counted on, and ``mono`` goes on by what the walls say lay between.

    Where a tape does not say that it continues the one before, the tap had stopped in between: a connection that was
    open is closed then (``tap stopped``). ``header`` is what the tapes say together.

    A tape on which nothing came to be written is passed over, and named among the torn ones, where others are beside
    it. ``on_tape`` is called with each tape's header before its items come; then the headers may differ.

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
        self._position = Position()
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
        """On which tape the last item is, and on which line; none before the first tape."""
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
                reader = TapeReader(path, position=self._position)
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
                reader = self._reader = TapeReader(path, position=self._position)
            stopped = self._position.next_tape(reader.header) if index else None
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


def read_tapes(paths: Iterable[str | os.PathLike[str]]) -> Tapes:
    """Open several tapes, in order of time, as one history. Raises ``TapeInvalid``."""
    return Tapes(paths)
