"""Which files a session has: by a pattern, as the server's recorder named them, or out of a folder.

Two steps. First the *takes*: each file with its camera and the moment at which it began, and in words how both are
known. Then, once the rate of the edit is chosen (by the takes, where nobody named one), their frames: the angles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from fractions import Fraction
from itertools import pairwise, takewhile
from pathlib import PurePosixPath, PureWindowsPath
from typing import Protocol
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import replace

from tap.core.errors import TapError, UsageInvalid
from tap.core.footage import Footage, Unread
from tap.history.export.file_matching import PROGRAM, Row, base_name, begun, owner_of, table_in, within
from tap.history.export.rates import Grid, Rate, counting, rate_near
from tap.history.export.recorded import Recorded, Run, beat_of, runs_of, settled
from tap.history.export.reels import Reel
from tap.history.export.sources import Angle, Part, Source
from tap.history.timeline import Timeline

__all__ = [
    "RECORDED",
    "TABLE",
    "Files",
    "Media",
    "Take",
    "angles_of",
    "check_pattern",
    "file_url",
    "rate_of",
    "shift_of",
    "takes_of",
]

RECORDED = "recorded"
"""In place of a pattern: the files that the session's own row names."""
TABLE = "media.csv"
"""A table in the folder, by which a person says what cannot be told otherwise."""
_FIELDS = ("camera", "name", "reel", "role", "venue", "date")
_SECOND_MS = 1000
"""A file that begins less than this from the end of the one before goes on with it, where it is told to the second."""
_SPLIT_MS = 1500
"""The same of a recorder, which tells of a new file when it has it."""
_SHORT_MS = 1500
"""A recording whose file ends so much before it was stopped goes on in another, or is broken off."""
_SIZE = (1920, 1080)


class Files(Protocol):
    """Whoever can read files: the command, where it runs."""

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        ...

    def folder(self, path: str) -> list[Footage | Unread]:
        """All videos in a folder and below it, in order of their paths."""
        ...

    def file(self, path: str) -> Footage | Unread | None:
        """One file; None where it is not here, or nothing here can read it."""
        ...

    def text(self, path: str) -> str | None:
        """What stands in a file of text; None where it is not here."""
        ...


class _NoFiles:
    """Where nothing can be read."""

    def is_folder(self, path: str) -> bool:  # noqa: ARG002 - as Files has it
        return False

    def folder(self, path: str) -> list[Footage | Unread]:  # noqa: ARG002
        return []

    def file(self, path: str) -> Footage | Unread | None:  # noqa: ARG002
        return None

    def text(self, path: str) -> str | None:  # noqa: ARG002
        return None


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
    recorded: Recorded | None = None
    tick: Fraction | None = None
    """How many ms after its told begin a recording's first picture was taken; None where nothing tells that."""
    offset: Fraction = Fraction(0)
    goes_on: bool = False
    """It goes on where the file before it ends."""


class Takes(Struct, kw_only=True):
    """All takes of a session, and what a person should know of the files that are none."""

    takes: list[Take] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """The files that were left out, and why, one a line."""


class Media(Struct, kw_only=True):
    """The angles of a session in frames of its edit."""

    cameras: dict[str, Angle]
    """By id, in the order of the timeline's lanes; those without files are not in it."""
    program: Angle | None
    width: int
    height: int
    linked: bool
    """There are files; without any, each camera stands for itself."""
    notes: list[str]
    told: list[str]
    """How each file was placed, one a line."""

    def angle(self, camera_id: str) -> Angle | None:
        """What shows a camera while it is on air: its own files, else the program as it was recorded."""
        return self.cameras.get(camera_id) or self.program

    @property
    def angles(self) -> list[Angle]:
        """All of them, the program last."""
        return [*self.cameras.values(), *([] if self.program is None else [self.program])]

    @property
    def sources(self) -> list[Source]:
        """All files, each once."""
        return list({source.key: source for angle in self.angles for source in angle.sources}.values())


# ---------------------------------------------------------------------------------------------- the pattern


def check_pattern(pattern: str | None) -> None:
    """Raises ``UsageInvalid`` for a pattern that no session could fill in."""
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


def file_url(path: str) -> str:
    """A path as editors' URLs have it; relative ones stay relative."""
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


# ---------------------------------------------------------------------------------------------- the takes


class _Gathering:
    """Finds the takes of one session."""

    def __init__(
        self,
        timeline: Timeline,
        reels: Mapping[str, Reel],
        recorded: Sequence[Recorded],
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
                f"{words}: each is taken to begin with the session, to last as long, and to have sound and no timecode"
            )

    def _take(self, owner: str, path: str | None, footage: Footage | None, by: str) -> None:
        start, start_by, exact = Fraction(self._timeline.start), "it is taken to begin with the session", True
        told = None if footage is None else begun(footage, _counting(footage), self._span, self._zone, None)
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

    def _take_recorded(self, one: Recorded, footage: Footage | None, *, first: bool) -> None:
        by = "the session's row names it"
        exact = True
        if one.start is not None:
            # Who came late knows it by the second in the file's name.
            start, start_by, exact = Fraction(one.start), "the server says when it began", bool(one.start % 1000)
        elif first:
            start, start_by = Fraction(self._timeline.start), "it is taken to begin with the session"
        else:
            told = None if footage is None else begun(footage, _counting(footage), self._span, self._zone, None)
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

    def _follow(self, first: Take, recorded: Recorded) -> None:
        """Where the file ends before its recording did, the recorder went on in others, and not all tell of it.

        They are files of the same kind of name, beside the first and later.
        """
        end = recorded.end or self._timeline.end
        if first.footage is None or _wall_end(first, first.footage, end) >= end - _SHORT_MS:
            return
        name = base_name(recorded.path)
        folder = recorded.path[: -len(name)] or "."
        for footage in self._files.folder(folder) if self._files.is_folder(folder) else []:
            if isinstance(footage, Footage) and _kind_of(footage.path) == _kind_of(name):
                told = begun(footage, _counting(footage), self._span, self._zone, None)
                if base_name(footage.path) > name and not isinstance(told, str):
                    self._continue(recorded, footage, told.at, told.by)

    def _continue(self, recorded: Recorded, footage: Footage, start: Fraction, by: str) -> None:
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

    def _sort_in(self, folder: str, read: Sequence[Footage | Unread], table: Mapping[str, Row]) -> None:
        usable = [one for one in read if isinstance(one, Footage)]
        for one in read:
            if isinstance(one, Unread):
                self.found.left.append(f"{one.path}: {one.why}")
        if not usable:
            raise TapError(
                "there is no video that can be used", where=folder, hint="; ".join(self.found.left[:3]) or None
            )
        recorded = {base_name(one.path).casefold(): (number, one) for number, one in enumerate(self._recorded)}
        kinds = {_kind_of(one.path): one for one in self._recorded}
        for footage in usable:
            name, row = base_name(footage.path), _row_of(footage.path, table)
            known = recorded.get(name.casefold())
            if known is not None and row is None:
                self._take_recorded(replace(known[1], path=footage.path), footage, first=known[0] == 0)
            else:
                self._sort_one(footage, within(footage.path, folder), row, kinds)

    def _sort_one(
        self, footage: Footage, folders: Sequence[str], row: Row | None, kinds: Mapping[str, Recorded]
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
            self.found.left.append(f"{footage.path}: which camera it is of is not known: {by}")
            return
        told = begun(footage, _counting(footage), self._span, self._zone, row)
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
    recorded: Sequence[Recorded],
    zone: tzinfo | None,
    files: Files | None,
    offsets: Mapping[str, Fraction],
) -> Takes:
    """The takes that ``media`` means: a pattern, ``recorded``, a folder, or a table of files.

    ``offsets``: ms by camera id or ``PROGRAM``, by which its files begin later. Raises ``UsageInvalid`` for a pattern
    that cannot be filled in, and ``TapError`` where there is no file at all.
    """
    gathering = _Gathering(timeline, reels, recorded, zone, files)
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
    _chain(found.takes, timeline.end)
    _settle([take for take in found.takes if take.owner == PROGRAM and take.recorded is not None], timeline)
    return found


def _chain(takes: Sequence[Take], until: int) -> None:
    """Where a file begins about when the one before it of the same camera ends, it goes on with that."""
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
            off = after.start - _wall_end(before, before.footage, until)
            near = _SECOND_MS if before.recorded is None else _SPLIT_MS
            after.goes_on = abs(off) < near and _counting(before.footage).fps == _counting(after.footage).fps


def _counts_on(before: Footage, after: Footage) -> bool:
    """Whether one file's timecode begins where the other's ends: at NTSC rates that is not the time of day for long."""
    rate = _counting(before)
    if before.timecode is None or after.timecode is None or rate != _counting(after):
        return False
    try:
        ends = rate.frame_of(before.timecode) + _frames(before, rate.fps)
        return (rate.frame_of(after.timecode) - ends) % rate.day == 0
    except ValueError:
        return False


def _wall_end(take: Take, footage: Footage, until: int) -> Fraction:
    """When its last picture is over (Unix ms)."""
    fps = _counting(footage).fps
    frames = _frames(footage, fps)
    runs = [Run(take.start, 0, frames)]
    if take.recorded is not None:
        runs = _reaching(runs_of(take.recorded, take.start, fps, until), frames)
    return runs[-1].at + runs[-1].frames * 1000 / fps if runs else take.start


def _reaching(runs: Iterable[Run], frames: int) -> list[Run]:
    """The runs as far as the file goes, and the last of them to its very end."""
    found = [run for run in runs if run.frame < frames]
    ends = [*(min(run.frame + run.frames, frames) for run in found[:-1]), frames]
    return [replace(run, frames=end - run.frame) for run, end in zip(found, ends, strict=False)]


# ---------------------------------------------------------------------------------------------- their rate


def _counting(footage: Footage) -> Rate:
    """How a file's frames come: by its average rate where that is a usual one, else by what the container declares."""
    drop = footage.timecode is not None and any(mark in footage.timecode for mark in ";.,")
    usual = rate_near(footage.rate, drop=drop)
    declared = None if footage.base_rate is None else rate_near(footage.base_rate, drop=drop)
    return usual or declared or counting(footage.rate, drop=drop)


def _frames(footage: Footage, fps: Fraction) -> int:
    """How many frames it has at its usual rate: of one whose pictures come unevenly, not how many pictures."""
    by_time = round(footage.seconds * fps)
    return footage.frames if footage.frames is not None and abs(footage.frames - by_time) <= 1 else by_time


def rate_of(found: Takes, recorded: Sequence[Recorded]) -> tuple[Rate | None, str]:
    """The rate that an edit of these files has, and by what it is known; None where nothing tells it."""
    lengths: Counter[Rate] = Counter()
    for take in found.takes:
        if take.footage is not None:
            lengths[_counting(take.footage)] += max(1, round(take.footage.seconds))
    usual = [rate for rate, _ in lengths.most_common() if rate_near(rate.fps) is not None]
    if usual:
        return usual[0], "the files"
    told = [rate_near(one.fps) for one in recorded if one.fps is not None]
    return (told[0], "the server") if told and told[0] is not None else (None, "")


def _settle(takes: Sequence[Take], timeline: Timeline) -> None:
    """Find each recording's first tick: by its cuts, and by the number of pictures in its files where all are here."""
    for number, take in enumerate(takes):
        files = [take, *takewhile(lambda other: other.goes_on, takes[number + 1 :])]
        fps = take.recorded.fps if take.recorded is not None else None
        fps = fps if take.footage is None else _counting(take.footage).fps
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
    """How many all files of a recording have together; None where one is not here."""
    read = [take.footage for take in files if take.footage is not None]
    if len(read) < len(files) or any(_counting(one).fps != fps for one in read):
        return None
    return sum(_frames(one, fps) for one in read)


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


# ---------------------------------------------------------------------------------------------- their frames


class _Laying:
    """Lays the takes of one session out in frames of its edit."""

    def __init__(self, timeline: Timeline, grid: Grid, length: int, zone: tzinfo | None, source: str) -> None:
        self.notes: list[str] = []
        self.told: list[str] = []
        self._timeline = timeline
        self._grid = grid
        self._rate = grid.rate
        self._length = length
        self._zone = zone
        self._source = source

    def angle(self, reel: Reel | None, takes: Sequence[Take]) -> Angle:
        """The angle of one camera's takes (of the program's, without one), in order of their begins."""
        laid: list[Part] = []
        for take in takes:
            after = laid[-1] if laid else None
            parts = self._parts(take, reel, after)
            if after is not None and parts and parts[0].start < after.end:
                self._overlap(take, after, parts[0])
            for part in parts:
                laid += self._behind(part, laid[-1].end if laid else None)
        inside = [part for part in (self._inside(one) for one in laid) if part is not None]
        return Angle(None, "Program", inside) if reel is None else Angle(reel.camera_id, reel.name, inside)

    def _parts(self, take: Take, reel: Reel | None, before: Part | None) -> list[Part]:
        source = self._source_of(take, reel)
        fps, start = source.rate.fps, take.start + take.offset
        follows = before if take.goes_on else None
        if follows is not None:
            start = self._grid.moment(follows.end) + follows.rest * 1000 / fps
        elif take.tick is not None:
            start += take.tick
        runs = [Run(start, 0, source.frames)]
        if take.recorded is not None:
            runs = _reaching(runs_of(take.recorded, start, fps, self._timeline.end), source.frames)
        self._explain(take, source, start)
        return [self._part(run, source, None if run.frame else follows) for run in runs]

    def _part(self, run: Run, source: Source, follows: Part | None) -> Part:
        """``follows``: what it goes on from, so that what is rounded at the end of each file does not add up."""
        rate = self._rate
        begin = self._grid.frame(run.at) if follows is None else follows.end
        into = Fraction(0) if follows is None else -follows.rest
        lasts = int((run.frames - into) * rate.fps // source.rate.fps)
        return Part(start=begin, end=begin + lasts, source=source, frame=run.frame, rate=rate, into=into)

    def _behind(self, part: Part, end: int | None) -> list[Part]:
        """What of it lies behind all that was laid before: of two that overlap, the first stands."""
        if end is None or part.start >= end:
            return [part]
        if part.end <= end:
            return []
        return [part.behind(end)]

    def _inside(self, part: Part) -> Part | None:
        """What of it lies in the session."""
        start, end = max(0, part.start), min(self._length, part.end)
        return replace(part.behind(start), end=end) if start < end else None

    def _overlap(self, take: Take, before: Part, after: Part) -> None:
        seconds = float((before.end - after.start) / self._rate.fps)
        if before.end - after.start > 2:
            self.notes.append(
                f"{take.path}: begins {seconds:.1f} s before {before.source.name} of the same camera ends:"
                " until then the first of the two is shown"
            )

    # ------------------------------------------------------------------ a file

    def _source_of(self, take: Take, reel: Reel | None) -> Source:
        footage, recorded = take.footage, take.recorded
        if footage is not None:
            rate = self._alike(_counting(footage), has_timecode=footage.timecode is not None)
            return Source(
                name=base_name(footage.path),
                path=footage.path,
                rate=rate,
                frames=_frames(footage, rate.fps),
                first=self._first(take, rate),
                width=footage.width,
                height=footage.height,
                channels=footage.channels,
                sample_rate=footage.sample_rate,
                reel=footage.reel or "",
            )
        fps = None if recorded is None else recorded.fps
        rate = self._rate if fps is None else self._alike(counting(fps), has_timecode=False)
        width, height = _SIZE if recorded is None else (recorded.width or _SIZE[0], recorded.height or _SIZE[1])
        return Source(
            name=base_name(take.path) if take.path is not None else reel.name if reel is not None else "Program",
            path=take.path,
            reel=reel.reel if take.path is None and reel is not None else "",
            rate=rate,
            frames=self._assumed(take, rate),
            first=self._first(take, rate),
            width=width,
            height=height,
            channels=0 if take.path is None else 2,
        )

    def _alike(self, rate: Rate, *, has_timecode: bool) -> Rate:
        """A file without timecode counts as the edit does, where both have the same pictures a second."""
        return self._rate if not has_timecode and rate.fps == self._rate.fps else rate

    def _assumed(self, take: Take, rate: Rate) -> int:
        """As long as the session from its begin on; or as the server said."""
        if take.recorded is None:
            return max(1, rate.frames(self._timeline.end - take.start - min(take.offset, Fraction(0))))
        last = runs_of(take.recorded, take.start, rate.fps, self._timeline.end)[-1:]
        return max([1, *(run.frame + run.frames for run in last)])

    def _first(self, take: Take, rate: Rate) -> int:
        """The number of its first picture, as ``--source`` asks for it."""
        if self._source == "tod" or take.path is None:
            return rate.at_clock(_ms_of_day(take.start + take.offset, self._zone))
        if self._source != "file":
            return rate.frame_of(self._source)
        code = None if take.footage is None else take.footage.timecode
        if code is None:
            return 0
        try:
            return rate.frame_of(code)
        except ValueError:
            self.notes.append(
                f"{take.path}: its timecode {code} does not exist at {rate.name} frames a second; it counts from 0"
            )
            return 0

    def _explain(self, take: Take, source: Source, start: Fraction) -> None:
        if take.path is None:
            return
        owner = "the program" if take.owner == PROGRAM else take.owner
        begins = "it goes on where the file before it ends" if take.goes_on else take.start_by
        clock = _clock_words(start, self._zone)
        offset = f", moved by {float(take.offset) / 1000:+g} s" if take.offset else ""
        if take.footage is None:
            facts = "not read"
        else:
            sound = f"{source.channels} channels" if source.channels else "silent"
            code = take.footage.timecode or "no timecode"
            facts = f"{_lasting(source)}, {source.rate.name} fps, {source.width}x{source.height}, {sound}, {code}"
        self.told.append(f"{take.path}: {owner} ({take.owner_by}), begins {clock} ({begins}{offset}); {facts}")


def _lasting(source: Source) -> str:
    seconds = round(source.frames / source.rate.fps)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _clock_words(at: Fraction, zone: tzinfo | None) -> str:
    ms = round(at)
    return f"{datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}.{ms % 1000:03d}"


def _ms_of_day(at: Fraction, zone: tzinfo | None) -> int:
    ms = round(at)
    local = datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone)
    return ((local.hour * 60 + local.minute) * 60 + local.second) * 1000 + ms % 1000


def angles_of(
    found: Takes,
    timeline: Timeline,
    reels: Mapping[str, Reel],
    grid: Grid,
    length: int,
    *,
    zone: tzinfo | None,
    source: str = "file",
) -> Media:
    """The angles of a session, ``length`` frames long.

    ``source``: the timecode that files are taken to have: their own (``file``), ``tod``, or one for all.
    """
    laying = _Laying(timeline, grid, length, zone, source)
    by_owner: dict[str, list[Take]] = {}
    for take in found.takes:
        by_owner.setdefault(take.owner, []).append(take)
    cameras = {
        camera_id: laying.angle(reel, by_owner[camera_id]) for camera_id, reel in reels.items() if camera_id in by_owner
    }
    program = laying.angle(None, by_owner[PROGRAM]) if PROGRAM in by_owner else None
    linked = any(take.path is not None for take in found.takes)
    media = Media(
        cameras=cameras,
        program=program,
        width=_SIZE[0],
        height=_SIZE[1],
        linked=linked,
        notes=[*found.notes, *_left_words(found), *laying.notes],
        told=[*laying.told, *(f"left out: {line}" for line in found.left)],
    )
    media.width, media.height = _size(media, found)
    media.notes += list(_doubts(found, media, grid.rate))
    return media


def _left_words(found: Takes) -> Iterator[str]:
    shown = 8
    for line in found.left[:shown]:
        yield f"left out: {line}"
    if len(found.left) > shown:
        yield f"left out: {len(found.left) - shown} more files: --explain names them"


def _size(media: Media, found: Takes) -> tuple[int, int]:
    """The size that most of the pictures have."""
    read = {take.path for take in found.takes if take.footage is not None or (take.recorded and take.recorded.width)}
    sizes: Counter[tuple[int, int]] = Counter()
    for source in media.sources:
        if source.path in read:
            sizes[source.width, source.height] += source.frames
    return sizes.most_common(1)[0][0] if sizes else _SIZE


def _doubts(found: Takes, media: Media, rate: Rate) -> Iterator[str]:
    """What an editor should look at."""
    vague = {take.owner: take for take in found.takes if not take.exact and not take.goes_on and take.path is not None}
    for owner, take in vague.items():
        name = owner if owner == PROGRAM else media.cameras[owner].name
        yield (
            f"{name}: when its files begin is only known to the second (by {take.start_by}): look at its sync, and move"
            f" it by --offset '{name}=SECONDS'"
        )
    others = sorted({source.rate.name for source in media.sources if source.rate.fps != rate.fps})
    if others:
        yield f"the edit has {rate.name} frames a second, and there are files of {', '.join(others)}"
    for take in found.takes:
        footage = take.footage
        if footage is not None and footage.frames is not None:
            off = footage.frames - footage.seconds * _counting(footage).fps
            if abs(off) > 1 and abs(off) > footage.frames // 1000:
                yield f"{take.path}: its pictures come unevenly (a variable rate): convert it to a fixed rate first"
    for take in found.takes:
        end = None if take.recorded is None else take.recorded.end
        if end is not None and take.footage is not None and not _continued(take, found):
            missing = end - _wall_end(take, take.footage, end)
            if missing > _SECOND_MS:
                yield f"{take.path}: ends {float(missing) / 1000:.1f} s before its recording was stopped"


def _continued(take: Take, found: Takes) -> bool:
    own = [one for one in found.takes if one.owner == take.owner]
    return any(one.goes_on for one in own[own.index(take) + 1 :][:1])


# ---------------------------------------------------------------------------------------------- small things


def _kind_of(path: str) -> str:
    """What is the same in the names of one recorder's files."""
    return "".join("0" if letter.isdigit() else letter for letter in base_name(path).casefold())


def _row_of(path: str, table: Mapping[str, Row]) -> Row | None:
    """The line that means this file: of those that its path ends with, the one that gives most of it."""
    spelt = f"/{path.replace(chr(92), '/')}"
    found = [(len(name), name) for name in table if spelt.endswith(f"/{name.replace(chr(92), '/')}")]
    return table[max(found)[1]] if found else None


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).drive)


def _joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder.rstrip("/") else f"{folder}{name}"
