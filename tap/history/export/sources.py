"""Where the pictures are: from a moment of the session to a file and a frame in it.

One model for every format. An *angle* is one camera, or the program as the server recorded it; its *parts* say which
file shows it when. A part is a run of pictures without a break: a file that was paused has several, a recording that
was split has several files. All of it is in whole frames of the edit, rounded once for each part, so that within a part
the file and the edit go in step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from tap.history.export.rates import Rate

__all__ = ["Angle", "AnglePart", "Piece", "Source", "file_url", "in_step"]


class Source(Struct, frozen=True, kw_only=True):
    """One file, with what an editing system has to know of it."""

    name: str
    """Its base name, by which it is found again; the camera's name where no file is known."""
    path: str | None
    rate: Rate
    """How its pictures come, and how its timecode counts."""
    frames: int
    first: int
    """The number that its timecode gives its first picture."""
    width: int
    height: int
    channels: int = 0
    """Of sound; 0: it is silent, or not known."""
    sample_rate: int = 48_000
    reel: str = ""
    """Its own; an invented one stands only for a camera of which no file is known."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other files."""
        return (self.path, "") if self.path is not None else (self.name, self.reel)


class AnglePart(Struct, frozen=True, kw_only=True):
    """Pictures without a break: from ``start`` up to ``end`` (frames of the edit) the file, from its ``frame`` on."""

    start: int
    end: int
    source: Source
    frame: int
    rate: Rate
    """Of the edit."""
    into: Fraction = Fraction(0)
    """For so much of a picture (of the file) its first one is on already, where the two rates differ; less than 0: it
    is on a little early, since the file before it ends within this frame of the edit."""

    def frame_at(self, at: int) -> int:
        """Which picture of the file is shown at a frame of the edit: the one that began last by then."""
        return max(0, int(self._place(at) // 1))

    @property
    def rest(self) -> Fraction:
        """What ``end`` leaves of the file: less than a frame of the edit, in pictures of the file."""
        return self.source.frames - self._place(self.end)

    def behind(self, start: int) -> AnglePart:
        """What of it is from ``start`` on. Nothing is rounded: a picture's rest is lost only where one is asked for."""
        place = self._place(start)
        return replace(self, start=start, frame=int(place // 1), into=place % 1)

    def whole_near(self, start: int) -> int:
        """Of the frames of the edit in a second from ``start`` on, that which begins closest behind a picture's begin.

        What is told to begin there, and only there, is in step; elsewhere it is behind by a part of a picture.
        """
        frames = range(start, min(start + self.rate.nominal, self.end))
        return min(frames, key=lambda at: self._place(at) % 1, default=start)

    def _place(self, at: int) -> Fraction:
        if self.rate.keeps_step(self.source.rate):
            return Fraction(self.frame + at - self.start)
        return self.frame + self.into + (at - self.start) * self.source.rate.fps / self.rate.fps


class Piece(Struct, frozen=True, kw_only=True):
    """From ``start`` up to ``end`` (frames of the edit) an angle shows a file from its ``frame`` on, or nothing."""

    start: int
    end: int
    part: AnglePart | None = None
    """What it is of; None where there is no file."""

    @property
    def length(self) -> int:
        """Frames of the edit."""
        return self.end - self.start

    @property
    def source(self) -> Source | None:
        """The file."""
        return None if self.part is None else self.part.source

    @property
    def frame(self) -> int:
        """The first picture of the file that it shows."""
        return 0 if self.part is None else self.part.frame_at(self.start)

    @property
    def after(self) -> int:
        """For so many frames of the edit the file goes on behind ``end``."""
        return 0 if self.part is None else self.part.end - self.end


class Angle:
    """One camera, or the program (``camera_id`` None)."""

    def __init__(self, camera_id: str | None, name: str, parts: list[AnglePart]) -> None:
        """``parts`` are in order and do not overlap."""
        self.camera_id = camera_id
        self.name = name
        self.parts = parts
        self._starts = [part.start for part in parts]

    def cut(self, start: int, end: int) -> Iterator[Piece]:
        """What it shows from ``start`` up to ``end``, without a hole: where no file is, a piece says so."""
        at = start
        for part in self.parts[max(0, bisect_right(self._starts, start) - 1) :]:
            if part.start >= end:
                break
            first, last = max(at, part.start), min(end, part.end)
            if last <= first:
                continue
            if first > at:
                yield Piece(start=at, end=first)
            yield Piece(start=first, end=last, part=part)
            at = last
        if at < end:
            yield Piece(start=at, end=end)

    @property
    def sources(self) -> list[Source]:
        """Its files, each once, in order."""
        return list({part.source.key: part.source for part in self.parts}.values())


def in_step(frames: int, ours: Rate, theirs: Rate) -> int:
    """A number of frames at one rate as whole frames at another, counting those that have begun."""
    if ours.keeps_step(theirs):
        return frames
    return int(frames * theirs.fps // ours.fps)


def file_url(path: str) -> str:
    """A path as a ``file:`` URL for editing systems; a relative path stays relative."""
    windows = PureWindowsPath(path)
    if windows.drive.startswith("\\\\"):
        # A share: the server's name is the URL's host.
        return f"file:{_quoted(windows.as_posix())}"
    if windows.drive:
        return f"file://localhost/{_quoted(windows.as_posix(), '/:')}"
    if path.startswith("//"):
        return f"file:{_quoted(path)}"
    return f"file://localhost{_quoted(path)}" if PurePosixPath(path).is_absolute() else _quoted(path)


def _quoted(path: str, safe: str = "/") -> str:
    # A name that is no text to this machine is still one to its file system.
    return quote(path, safe=safe, errors="surrogateescape")
