"""Video files: what their headers say, by PyAV where it is installed, else by ffprobe. No picture is decoded.

A container that does not count its pictures (Matroska, MPEG-TS) is asked for its last packets instead, so that no cut
lies behind the end of its file.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson

from tap.core.errors import TapError
from tap.core.footage import Footage, Unread

__all__ = ["VideoFiles", "can_read", "footage_files", "read_footage"]

_ENDINGS = frozenset(
    (".mov", ".mp4", ".m4v", ".mkv", ".mxf", ".mts", ".m2ts", ".ts", ".avi", ".flv", ".webm", ".mpg", ".mpeg", ".3gp")
)
_MOST_FILES = 20_000
_MOST_TEXT = 4_000_000
_SLOW_S = 120
_TAIL_S = 5
_BEHIND_EVERY_END = "99999999"


class _Unusable(Exception):
    """Why a file is none that an edit can be made of."""


def footage_files(folder: Path) -> list[Path]:
    """The files in a folder and all below it that are video by their names, in order.

    Links to other folders are not followed. Raises ``TapError`` where it cannot be read, or has too much in it.
    """
    found: list[Path] = []
    for place, _, names in os.walk(folder, onerror=_refuse):
        # With a dot in front: what macOS keeps beside each file on a foreign disk.
        found += [
            Path(place, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in _ENDINGS
        ]
        if len(found) > _MOST_FILES:
            raise TapError(f"holds more than {_MOST_FILES} videos", where=str(folder), hint="name the shoot's own")
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise TapError(
        f"cannot be read: {error.strerror}", where=str(error.filename), hint="do you have permission to read it?"
    ) from None


def can_read() -> bool:
    """Whether there is anything here that reads video files."""
    return importlib.util.find_spec("av") is not None or shutil.which("ffprobe") is not None


def read_footage(path: Path) -> Footage | Unread:
    """What a file says of itself, or why it cannot be used. Raises ``TapError`` where nothing here reads files."""
    if not can_read():
        hint = "install multicam-tap[media] or ffmpeg, or give a pattern: --media '/rec/{name}.mov'"
        raise TapError("video files cannot be read here", where=str(path), hint=hint)
    try:
        if not path.stat().st_size:
            return Unread(path=str(path), why="is empty")
        return _by_pyav(path) if importlib.util.find_spec("av") is not None else _by_ffprobe(path)
    except _Unusable as error:
        return Unread(path=str(path), why=str(error))
    except OSError as error:
        return Unread(path=str(path), why=f"cannot be read: {error.strerror or error}")


# ---------------------------------------------------------------------------------------------- PyAV


def _by_pyav(path: Path) -> Footage:
    av = importlib.import_module("av")
    try:
        with av.open(str(path)) as container:
            video = next((s for s in container.streams.video if not _is_cover(s)), None)
            if video is None:
                raise _Unusable("has no pictures in it")
            sound: Any = next(iter(container.streams.audio), None)
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
            begin = Fraction(video.start_time or 0) * video.time_base
            return _footage(
                path,
                tags,
                average=video.average_rate,
                base=video.base_rate,
                frames=video.frames or None,
                seconds=_lasting(video) or _to_the_end(container, video) - begin,
                size=(video.width, video.height),
                channels=0 if sound is None else sound.channels,
                sample_rate=48_000 if sound is None else sound.sample_rate,
            )
    except av.error.FFmpegError as error:
        raise _Unusable(f"cannot be read: {error.strerror}") from None


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)


def _lasting(video: Any) -> Fraction | None:
    """Of streams that are counted: others know a length, but of all streams together."""
    if not video.frames or not video.duration:
        return None
    return Fraction(video.duration) * Fraction(video.time_base)


def _to_the_end(container: Any, video: Any) -> Fraction:
    """The end of the last picture, in seconds of the file."""
    if container.duration:
        at = Fraction(container.duration + (container.start_time or 0), 1_000_000) - _TAIL_S
        container.seek(max(0, int(at / video.time_base)), stream=video)
    packets = ((packet.pts, packet.duration) for packet in container.demux(video))
    return _last(packets, Fraction(video.time_base), video.average_rate)


def _last(packets: Iterable[tuple[int | None, int | None]], unit: Fraction, rate: Fraction | None) -> Fraction:
    """The end of the latest of some packets; one that does not say how long it is lasts a frame."""
    end = Fraction(0)
    for at, length in packets:
        if at is not None:
            lasts = length * unit if length else (1 / Fraction(rate) if rate else Fraction(0))
            end = max(end, at * unit + lasts)
    return end


# ---------------------------------------------------------------------------------------------- ffprobe


def _by_ffprobe(path: Path) -> Footage:
    found = _asked(path, "-show_streams", "-show_format")
    streams = found.get("streams", [])
    pictures = (s for s in streams if s.get("codec_type") == "video")
    video = next((s for s in pictures if not s.get("disposition", {}).get("attached_pic")), None)
    if video is None:
        raise _Unusable("has no pictures in it")
    sound: dict[str, Any] = next((s for s in streams if s.get("codec_type") == "audio"), {})
    unit, frames = Fraction(video["time_base"]), int(video.get("nb_frames", 0)) or None
    average = _fraction(video.get("avg_frame_rate"))
    if frames and video.get("duration_ts"):
        seconds = video["duration_ts"] * unit
    else:
        tail = ("-select_streams", f"{video['index']}", "-show_entries", "packet=pts,duration")
        packets = _asked(path, *tail, "-read_intervals", f"{_BEHIND_EVERY_END}%").get("packets") or _asked(
            path, *tail
        ).get("packets", [])
        end = _last(((packet.get("pts"), packet.get("duration")) for packet in packets), unit, average)
        seconds = end - video.get("start_pts", 0) * unit
    return _footage(
        path,
        [found.get("format", {}).get("tags", {}), *(stream.get("tags", {}) for stream in streams)],
        average=average,
        base=_fraction(video.get("r_frame_rate")),
        frames=frames,
        seconds=seconds,
        size=(video.get("width", 0), video.get("height", 0)),
        channels=int(sound.get("channels", 0)),
        sample_rate=int(sound.get("sample_rate", 48_000)),
    )


def _asked(path: Path, *questions: str) -> Any:
    command = ["ffprobe", "-v", "error", *questions, "-of", "json", "-i", f"file:{path}"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SLOW_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise _Unusable(f"ffprobe did not finish with it in {_SLOW_S} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _Unusable(f"cannot be read: {said[-1].rpartition(': ')[2] if said else 'ffprobe does not say why'}")
    return orjson.loads(done.stdout)


def _fraction(text: str | None) -> Fraction | None:
    above, _, below = (text or "0/0").partition("/")
    return Fraction(int(above), int(below)) if int(below or 1) and int(above) else None


# ---------------------------------------------------------------------------------------------- what both know


def _footage(
    path: Path,
    tags: Iterable[Mapping[str, str]],
    *,
    average: Fraction | None,
    base: Fraction | None,
    frames: int | None,
    seconds: Fraction,
    size: tuple[int, int],
    channels: int,
    sample_rate: int,
) -> Footage:
    rate = average or base
    if rate is None or seconds <= 0 or not all(size):
        raise _Unusable("has no pictures that can be counted")
    told = [{name.lower(): value for name, value in part.items()} for part in tags]
    return Footage(
        path=str(path),
        rate=Fraction(rate),
        base_rate=None if base is None else Fraction(base),
        frames=frames,
        seconds=seconds,
        width=size[0],
        height=size[1],
        channels=channels,
        sample_rate=sample_rate or 48_000,
        timecode=_first(told, "timecode"),
        reel=_first(told, "reel_name"),
        created=_moment(_first(told, "com.apple.quicktime.creationdate")) or _moment(_first(told, "creation_time")),
    )


def _first(tags: Iterable[Mapping[str, str]], name: str) -> str | None:
    return next((part[name] for part in tags if part.get(name)), None)


def _moment(text: str | None) -> int | None:
    """Unix ms; None for what is no time, and for the years that clocks tell that were never set."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return round(moment.timestamp() * 1000) if moment.year >= 2000 else None


# ---------------------------------------------------------------------------------------------- for whoever places them


class VideoFiles:
    """The files of this machine, as an export asks for them."""

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        return Path(path).is_dir()

    def folder(self, path: str) -> list[Footage | Unread]:
        """All videos in a folder and below it, in order of their paths. Raises ``TapError``."""
        return [read_footage(one) for one in footage_files(Path(path))]

    def file(self, path: str) -> Footage | Unread | None:
        """One file; None where it is not here, or nothing here can read it."""
        place = Path(path)
        return read_footage(place) if can_read() and place.is_file() else None

    def text(self, path: str) -> str | None:
        """What is in a small file of text; None where there is none. Raises ``TapError`` for what is no text."""
        place = Path(path)
        if not place.is_file():
            return None
        try:
            with place.open("rb") as file:
                return file.read(_MOST_TEXT).decode()
        except UnicodeDecodeError:
            raise TapError("is not UTF-8 text", where=path, hint="save it as UTF-8") from None
        except OSError as error:
            raise TapError(f"cannot be read: {error.strerror}", where=path) from None
