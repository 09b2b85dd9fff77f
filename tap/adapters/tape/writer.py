"""Writing a tape."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

import orjson

from tap.adapters.tape.lines import TapeHeader, Walls, data_part, header_line
from tap.core.errors import TapeInvalid
from tap.core.model import Alive, Closed, Frame, Opened, Stamp

__all__ = ["TapeWriter"]


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
        """A connection that was opened."""
        self._event("open", item.stamp, item.reason)

    def closed(self, item: Closed) -> None:
        """A connection that ended, and why."""
        self._event("close", item.stamp, item.reason, item.heard)

    def alive(self, item: Alive) -> None:
        """An open connection, on which nothing came for a while."""
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
        hint = "name a file in a folder that exists and where you can write"
        raise TapeInvalid(f"cannot be made: {error.strerror}", where=str(path), hint=hint) from None
    return os.fdopen(descriptor, "wb")
