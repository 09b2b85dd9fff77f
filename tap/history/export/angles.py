"""The angles of a session: the takes of each camera, and of the program, laid out in frames of its edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from tap.history.export.file_matching import PROGRAM, base_name
from tap.history.export.rates import Grid, Rate, counting
from tap.history.export.recorded import Run, runs_of
from tap.history.export.reels import Reel
from tap.history.export.sources import Angle, AnglePart, Source
from tap.history.export.takes import SECOND_MS, Take, Takes, counting_of, frames_of, reaching, wall_end
from tap.history.formatting import counted
from tap.history.timeline import Timeline

__all__ = ["SessionMedia", "angles_of"]

_SIZE = (1920, 1080)


class SessionMedia(Struct, kw_only=True):
    """The angles of a session in frames of its edit."""

    cameras: dict[str, Angle]
    """By id, in the order of the timeline's lanes; those without files are not in it."""
    program: Angle | None
    width: int
    height: int
    linked: bool
    """There are files. Without any, each camera is only a name."""
    notes: list[str]
    told: list[str]
    """How each file was placed, in one line each."""

    def angle(self, camera_id: str) -> Angle | None:
        """What shows a camera while it is on air: its own files, else the program as it was recorded."""
        return self.cameras.get(camera_id) or self.program

    @property
    def angles(self) -> list[Angle]:
        """The angles of all cameras, and the program last."""
        return [*self.cameras.values(), *([] if self.program is None else [self.program])]

    @property
    def sources(self) -> list[Source]:
        """The files of all angles, each once."""
        return list({source.key: source for angle in self.angles for source in angle.sources}.values())


class _AngleBuilder:
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
        laid: list[AnglePart] = []
        for take in takes:
            after = laid[-1] if laid else None
            parts = self._parts(take, reel, after)
            if after is not None and parts and parts[0].start < after.end:
                self._overlap(take, after, parts[0])
            for part in parts:
                laid += self._behind(part, laid[-1].end if laid else None)
        inside = [part for part in (self._inside(one) for one in laid) if part is not None]
        return Angle(None, "Program", inside) if reel is None else Angle(reel.camera_id, reel.name, inside)

    def _parts(self, take: Take, reel: Reel | None, before: AnglePart | None) -> list[AnglePart]:
        source = self._source_of(take, reel)
        fps, start = source.rate.fps, take.start + take.offset
        follows = before if take.goes_on else None
        if follows is not None:
            start = self._grid.moment(follows.end) + follows.rest * 1000 / fps
        elif take.tick is not None:
            start += take.tick
        runs = [Run(start, 0, source.frames)]
        if take.recorded is not None:
            runs = reaching(runs_of(take.recorded, start, fps, self._timeline.end), source.frames)
        self._explain(take, source, start)
        return [self._part(run, source, None if run.frame else follows) for run in runs]

    def _part(self, run: Run, source: Source, follows: AnglePart | None) -> AnglePart:
        """``follows``: what it goes on from, so that what is rounded at the end of each file does not add up."""
        rate = self._rate
        begin = self._grid.frame(run.at) if follows is None else follows.end
        into = Fraction(0) if follows is None else -follows.rest
        lasts = int((run.frames - into) * rate.fps // source.rate.fps)
        return AnglePart(start=begin, end=begin + lasts, source=source, frame=run.frame, rate=rate, into=into)

    def _behind(self, part: AnglePart, end: int | None) -> list[AnglePart]:
        """The rest of a part after ``end``, where all before is taken: of two files that overlap, the first is used."""
        if end is None or part.start >= end:
            return [part]
        if part.end <= end:
            return []
        return [part.behind(end)]

    def _inside(self, part: AnglePart) -> AnglePart | None:
        """The rest of a part inside the session; None if it lies outside."""
        start, end = max(0, part.start), min(self._length, part.end)
        return replace(part.behind(start), end=end) if start < end else None

    def _overlap(self, take: Take, before: AnglePart, after: AnglePart) -> None:
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
            rate = self._alike(counting_of(footage), has_timecode=footage.timecode is not None)
            return Source(
                name=base_name(footage.path),
                path=footage.path,
                rate=rate,
                frames=frames_of(footage, rate.fps),
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
        """The length in frames of a file that was not read: to the session's end, or as long as the server said."""
        if take.recorded is None:
            return max(1, rate.frames(self._timeline.end - take.start - min(take.offset, Fraction(0))))
        last = runs_of(take.recorded, take.start, rate.fps, self._timeline.end)[-1:]
        return max([1, *(run.frame + run.frames for run in last)])

    def _first(self, take: Take, rate: Rate) -> int:
        """The number of the file's first frame in its timecode, as ``--source`` asks for it."""
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
            sound = counted(source.channels, "channel") if source.channels else "silent"
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
) -> SessionMedia:
    """The angles of a session.

    Args:
        found: The takes.
        timeline: The session.
        reels: The cameras' names in an edit, by camera id.
        grid: The frames of the edit in time.
        length: The session's length in frames of the edit.
        zone: The venue's time zone; None: the machine's.
        source: The timecode that files are taken to have: their own (``file``), the time of day (``tod``), or one
            timecode for all.
    """
    laying = _AngleBuilder(timeline, grid, length, zone, source)
    by_owner: dict[str, list[Take]] = {}
    for take in found.takes:
        by_owner.setdefault(take.owner, []).append(take)
    cameras = {
        camera_id: laying.angle(reel, by_owner[camera_id]) for camera_id, reel in reels.items() if camera_id in by_owner
    }
    program = laying.angle(None, by_owner[PROGRAM]) if PROGRAM in by_owner else None
    linked = any(take.path is not None for take in found.takes)
    media = SessionMedia(
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


def _size(media: SessionMedia, found: Takes) -> tuple[int, int]:
    """The width and height that most of the pictures have."""
    read = {take.path for take in found.takes if take.footage is not None or (take.recorded and take.recorded.width)}
    sizes: Counter[tuple[int, int]] = Counter()
    for source in media.sources:
        if source.path in read:
            sizes[source.width, source.height] += source.frames
    return sizes.most_common(1)[0][0] if sizes else _SIZE


def _doubts(found: Takes, media: SessionMedia, rate: Rate) -> Iterator[str]:
    """Notes on what an editor should look at: uncertain sync, mixed rates, files that are too short."""
    vague = {take.owner: take for take in found.takes if not take.exact and not take.goes_on and take.path is not None}
    for owner, take in vague.items():
        name = owner if owner == PROGRAM else media.cameras[owner].name
        yield (
            f"{name}: the start of its files is known only to the second (by {take.start_by}): check its sync, and move"
            f" it by --offset '{name}=SECONDS'"
        )
    others = sorted({source.rate.name for source in media.sources if source.rate.fps != rate.fps})
    if others:
        yield f"the edit has {rate.name} frames a second, and there are files of {', '.join(others)}"
    for take in found.takes:
        footage = take.footage
        if footage is not None and footage.frames is not None:
            off = footage.frames - footage.seconds * counting_of(footage).fps
            if abs(off) > 1 and abs(off) > footage.frames // 1000:
                yield f"{take.path}: its pictures come unevenly (a variable rate): convert it to a fixed rate first"
    for take in found.takes:
        end = None if take.recorded is None else take.recorded.end
        if end is not None and take.footage is not None and not _continued(take, found):
            missing = end - wall_end(take, take.footage, end)
            if missing > SECOND_MS:
                yield f"{take.path}: ends {float(missing) / 1000:.1f} s before its recording was stopped"


def _continued(take: Take, found: Takes) -> bool:
    own = [one for one in found.takes if one.owner == take.owner]
    return any(one.goes_on for one in own[own.index(take) + 1 :][:1])
