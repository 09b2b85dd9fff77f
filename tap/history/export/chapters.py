"""Chapters of the recorded video: WebVTT, SRT, ffmetadata for the file itself, and text for YouTube.

Times are those of the file: what was paused is left out, and a recording that was split has chapters for each of its
files. Where no recording of the program is known, they count from the start of the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from msgspec import Struct

from tap.core.kinds import KINDS
from tap.history.export.layouts import LaidOut
from tap.history.export.rates import Grid
from tap.history.export.reels import printable
from tap.history.export.sources import AnglePart
from tap.history.shots import shots_of
from tap.history.timeline import Timeline

__all__ = ["CHAPTERS", "chapter_files"]

_GAP = "(gap: no signal)"
_YOUTUBE_LEAST_MS = 10_000
_YOUTUBE_FEWEST = 3


class Chapter(Struct, frozen=True):
    """From ``start`` up to ``end``, in ms of the file."""

    start: int
    end: int
    name: str


def chapter_files(format_name: str, timeline: Timeline, laid: LaidOut) -> list[str]:
    """The text for each recorded file, in order."""
    marks = _marks(timeline) if format_name == "youtube" else []
    told = marks or _shots(timeline)
    program = laid.media.program
    if program is None or not program.parts:
        return [CHAPTERS[format_name](told, laid)]
    files: dict[tuple[str, str], list[AnglePart]] = {}
    for part in program.parts:
        files.setdefault(part.source.key, []).append(part)
    grid = Grid(laid.edit.rate, laid.edit.grid.origin - timeline.start)
    return [CHAPTERS[format_name](_in_file(told, parts, grid), laid) for parts in files.values()]


def _shots(timeline: Timeline) -> list[Chapter]:
    """A chapter for each shot, and one for each time that was not seen; times from the start of the session."""
    names = {lane.camera_id: printable(lane.name or lane.camera_id) for lane in timeline.lanes}
    return [
        Chapter(shot.start - timeline.start, shot.end - timeline.start, names.get(shot.camera_id or "", _GAP))
        for shot in shots_of(timeline)
        if shot.camera_id is not None or not shot.known
    ]


def _marks(timeline: Timeline) -> list[Chapter]:
    """A chapter from each moment that people gave a name to the next, where there are any."""
    marks = sorted(
        (event.moment, printable(str((event.detail or {}).get(kind.titled) or "")) or kind.label)
        for event in timeline.events
        if (kind := KINDS.get(event.kind)) and kind.titled and timeline.start <= event.moment < timeline.end
    )
    ends = [*(at for at, _ in marks[1:]), timeline.end]
    return [
        Chapter(at - timeline.start, end - timeline.start, name) for (at, name), end in zip(marks, ends, strict=False)
    ]


def _in_file(told: Sequence[Chapter], parts: Sequence[AnglePart], grid: Grid) -> list[Chapter]:
    """The chapters by the time of one file; one that goes on behind a pause is one."""
    found: list[Chapter] = []
    for part in parts:
        start, end = grid.moment(part.start), grid.moment(part.end)
        begins = Fraction(part.frame * 1000) / part.source.rate.fps
        for chapter in told:
            first, last = max(Fraction(chapter.start), start), min(Fraction(chapter.end), end)
            if first >= last:
                continue
            one = Chapter(round(first - start + begins), round(last - start + begins), chapter.name)
            before = found[-1] if found else None
            if before is not None and chapter.start < start and before.name == one.name:
                found[-1] = Chapter(before.start, one.end, one.name)
            elif one.end > one.start:
                found.append(one)
    return found


# ---------------------------------------------------------------------------------------------- the formats


def _webvtt(chapters: Sequence[Chapter], _: LaidOut) -> str:
    lines = ["WEBVTT", ""]
    for number, one in enumerate(chapters, 1):
        name = one.name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        lines += [str(number), f"{_clock(one.start)} --> {_clock(one.end)}", name, ""]
    return "\n".join(lines)


def _srt(chapters: Sequence[Chapter], _: LaidOut) -> str:
    return "".join(
        f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n{one.name.replace('-->', '->')}\n\n"
        for number, one in enumerate(chapters, 1)
    )


def _ffmetadata(chapters: Sequence[Chapter], _: LaidOut) -> str:
    """For ``ffmpeg -i VIDEO -i FILE -map_metadata 1 -c copy``."""
    blocks = [
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={one.start}\nEND={one.end}\ntitle={_escaped(one.name)}\n"
        for one in chapters
    ]
    return "\n".join([";FFMETADATA1", *blocks])


def _escaped(name: str) -> str:
    return "".join(f"\\{letter}" if letter in "=;#\\\n" else letter for letter in name)


def _youtube(chapters: Sequence[Chapter], laid: LaidOut) -> str:
    """Lines for the description. YouTube takes them from 0:00 on, and none that is shorter than 10 s."""
    kept = list(_long_enough(chapters))
    if len(kept) < len(chapters):
        laid.edit.notes.append(
            f"{len(chapters) - len(kept)} of {len(chapters)} chapters are left out: YouTube rejects those under 10 s"
        )
    if len(kept) < _YOUTUBE_FEWEST:
        laid.edit.notes.append(f"YouTube shows chapters only where there are {_YOUTUBE_FEWEST} or more")
    hours = bool(kept) and kept[-1].start >= 3_600_000
    names = (one.name.replace("<", "‹").replace(">", "›") for one in kept)
    return "".join(f"{_short(one.start, hours=hours)} {name}\n" for one, name in zip(kept, names, strict=True))


def _long_enough(chapters: Sequence[Chapter]) -> Iterator[Chapter]:
    if not chapters:
        return
    first, end = chapters[0], chapters[-1].end
    last = Chapter(0, first.end, first.name if first.start < _YOUTUBE_LEAST_MS else "Start")
    yield last
    for one in chapters if last.name == "Start" else chapters[1:]:
        if one.start - last.start >= _YOUTUBE_LEAST_MS and end - one.start >= _YOUTUBE_LEAST_MS:
            last = one
            yield one


CHAPTERS: dict[str, Callable[[Sequence[Chapter], LaidOut], str]] = {
    "webvtt": _webvtt,
    "srt": _srt,
    "ffmetadata": _ffmetadata,
    "youtube": _youtube,
}


def _clock(ms: int, mark: str = ".") -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"


def _short(ms: int, *, hours: bool) -> str:
    seconds = ms // 1000
    minutes = f"{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{seconds // 3600}:{minutes}" if hours else f"{seconds // 60}:{seconds % 60:02d}"
