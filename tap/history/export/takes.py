"""Takes: the files of a session, each with its camera and the moment of its first picture, and their frame rates.

``take_search`` finds them. Here they are put in order: which file goes on where another ends, when exactly a
recording's first picture was taken, and which frame rate an edit of them has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise, takewhile

from msgspec import Struct, field
from msgspec.structs import replace

from tap.core.footage import Footage
from tap.history.export.rates import Rate, counting, rate_near
from tap.history.export.recorded import Recording, Run, beat_of, runs_of, settled
from tap.history.timeline import Timeline

__all__ = [
    "SECOND_MS",
    "Take",
    "Takes",
    "chain",
    "counting_of",
    "frames_of",
    "rate_of",
    "reaching",
    "settle_first_ticks",
    "shift_of",
    "wall_end",
]

SECOND_MS = 1000
"""In ms. A file that is known to the second, and begins less than this from where another ends, continues that."""
_SPLIT_MS = 1500
"""In ms, the same for a recorder's files: it names a new file a moment after it has begun it."""


class Take(Struct, kw_only=True):
    """One file with its camera (or ``PROGRAM``) and its begin; ``footage`` is None where it was not read."""

    owner: str
    path: str | None
    owner_by: str
    start: Fraction
    """Unix ms of its first picture."""
    start_by: str
    exact: bool = True
    """Its start is told to the frame, and not to the second."""
    footage: Footage | None = None
    recorded: Recording | None = None
    tick: Fraction | None = None
    """How many ms after its told begin a recording's first picture was taken; None where nothing tells that."""
    offset: Fraction = Fraction(0)
    goes_on: bool = False
    """It goes on where the file before it ends."""


class Takes(Struct, kw_only=True):
    """All takes of a session, and notes on the files that could not be used."""

    takes: list[Take] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """The files that were left out, and why, one a line."""


def chain(takes: Sequence[Take], until: int) -> None:
    """Set ``goes_on`` of every take that begins about when the one before it of the same camera ends.

    Args:
        takes: All takes, in order of their begins.
        until: The session's end (Unix ms), where a recording that was not stopped is taken to end.
    """
    by_owner: dict[str, list[Take]] = {}
    for take in takes:
        by_owner.setdefault(take.owner, []).append(take)
    for own in by_owner.values():
        for before, after in pairwise(own):
            if before.footage is None or after.footage is None:
                continue
            if before.exact and after.exact and before.recorded is None:
                after.goes_on = _counts_on(before.footage, after.footage)
                continue
            off = after.start - wall_end(before, before.footage, until)
            near = SECOND_MS if before.recorded is None else _SPLIT_MS
            after.goes_on = abs(off) < near and counting_of(before.footage).fps == counting_of(after.footage).fps


def _counts_on(before: Footage, after: Footage) -> bool:
    """Whether one file's timecode begins where the other's ends: at NTSC rates that is not the time of day for long."""
    rate = counting_of(before)
    if before.timecode is None or after.timecode is None or rate != counting_of(after):
        return False
    try:
        ends = rate.frame_of(before.timecode) + frames_of(before, rate.fps)
        return (rate.frame_of(after.timecode) - ends) % rate.day == 0
    except ValueError:
        return False


def wall_end(take: Take, footage: Footage, until: int) -> Fraction:
    """When the file's last picture is over (Unix ms); a recording that was not stopped ends at ``until``."""
    fps = counting_of(footage).fps
    frames = frames_of(footage, fps)
    runs = [Run(take.start, 0, frames)]
    if take.recorded is not None:
        runs = reaching(runs_of(take.recorded, take.start, fps, until), frames)
    return runs[-1].at + runs[-1].frames * 1000 / fps if runs else take.start


def reaching(runs: Iterable[Run], frames: int) -> list[Run]:
    """The runs that lie in the file's ``frames``; the last is as long as the file."""
    found = [run for run in runs if run.frame < frames]
    ends = [*(min(run.frame + run.frames, frames) for run in found[:-1]), frames]
    return [replace(run, frames=end - run.frame) for run, end in zip(found, ends, strict=False)]


def counting_of(footage: Footage) -> Rate:
    """A file's frame rate: its average rate where that is a usual one, else the rate that its container declares."""
    drop = footage.timecode is not None and any(mark in footage.timecode for mark in ";.,")
    usual = rate_near(footage.rate, drop=drop)
    declared = None if footage.base_rate is None else rate_near(footage.base_rate, drop=drop)
    return usual or declared or counting(footage.rate, drop=drop)


def frames_of(footage: Footage, fps: Fraction) -> int:
    """How many frames the file has at ``fps``. Where its pictures come unevenly, that is not its number of pictures."""
    by_time = round(footage.seconds * fps)
    return footage.frames if footage.frames is not None and abs(footage.frames - by_time) <= 1 else by_time


def rate_of(found: Takes, recorded: Sequence[Recording]) -> tuple[Rate | None, str]:
    """The frame rate for an edit of these files, and what it is known by, in words; None if it is not known."""
    lengths: Counter[Rate] = Counter()
    for take in found.takes:
        if take.footage is not None:
            lengths[counting_of(take.footage)] += max(1, round(take.footage.seconds))
    usual = [rate for rate, _ in lengths.most_common() if rate_near(rate.fps) is not None]
    if usual:
        return usual[0], "the files"
    told = [rate_near(one.fps) for one in recorded if one.fps is not None]
    return (told[0], "the server") if told and told[0] is not None else (None, "")


def settle_first_ticks(takes: Sequence[Take], timeline: Timeline) -> None:
    """Find when each recording's first picture was taken: by its cuts, and by the number of pictures in its files."""
    for number, take in enumerate(takes):
        files = [take, *takewhile(lambda other: other.goes_on, takes[number + 1 :])]
        fps = take.recorded.fps if take.recorded is not None else None
        fps = fps if take.footage is None else counting_of(take.footage).fps
        if take.goes_on or take.recorded is None or fps is None:
            continue
        beat = beat_of(take.recorded, take.start, fps, timeline.events)
        if beat is None:
            continue
        pauses = list(dict.fromkeys(pause for one in files if one.recorded for pause in one.recorded.pauses))
        last = files[-1].recorded
        end = None if last is None else last.end
        found = settled(pauses, take.start, end, fps, beat, _pictures(files, fps))
        take.tick = Fraction(found.beat).limit_denominator(1000) * 1000 / fps
        for one in files:
            if one.recorded is not None:
                meant = tuple(found.pauses[pause] for pause in one.recorded.pauses)
                one.recorded = replace(one.recorded, pauses=meant)


def _pictures(files: Sequence[Take], fps: Fraction) -> int | None:
    """How many pictures all files of a recording have together; None if one of them was not read."""
    read = [take.footage for take in files if take.footage is not None]
    if len(read) < len(files) or any(counting_of(one).fps != fps for one in read):
        return None
    return sum(frames_of(one, fps) for one in read)


def shift_of(found: Takes, start: int, rate: Rate) -> Fraction | None:
    """By how many ms, less than a frame, the recording's pictures lie behind the frames that count from the start.

    None where that is not known.

    An edit whose frames are those of the recording cuts it exactly; counted from elsewhere, a cut and the file would
    each be rounded, and a cut could fall on the picture before it.
    """
    for take in found.takes:
        if take.tick is not None:
            frame = 1000 / rate.fps
            return (take.start + take.offset + take.tick - start) % frame
    return None
