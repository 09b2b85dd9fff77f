"""Statistics of a session: who was on air for how long, how fast it was cut, what became of the stills.

Pure, from a timeline. Every moment of a session is one of three things: a camera is on air, nothing is as far as it was
told, or nobody knows (inside a gap). So ``on_air_ms + off_ms + unknown_ms == length_ms``, whatever a session was like;
what nobody knows is never given to a camera. All lengths are milliseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from msgspec import Struct

from tap.history.timeline import Lane, Span, StillMark, Timeline

__all__ = [
    "CameraStatistics",
    "CuttingPace",
    "LengthStatistics",
    "Longest",
    "RoleStatistics",
    "SessionStatistics",
    "StillStatistics",
    "Stretch",
    "program_of",
    "statistics_of",
    "stills_after_cut",
]

_NOT_TAKEN = ("requested", "failed")
_MINUTE = 60_000
_PACE_STEPS = (10_000, 15_000, 30_000, *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 1440)))
_MOST_STEPS = 72


class Stretch(Struct, frozen=True, kw_only=True):
    """A part of a session in which the program did not change. A session's stretches follow each other closely."""

    start: int
    end: int
    camera_id: str | None = None
    """What was on air; None is nothing as far as it was told, or, where not ``known``, nobody knows."""
    known: bool = True
    unsure: bool = False
    """It ended before ``end``, at a moment that no frame reported."""

    @property
    def length(self) -> int:
        """Milliseconds."""
        return self.end - self.start


class LengthStatistics(Struct, frozen=True, kw_only=True):
    """The shortest, median and longest of some lengths of time, in ms."""

    least: int
    median: int
    most: int


class Longest(Struct, frozen=True, kw_only=True):
    """The longest shot or hold: its start (a moment of the timeline) and length in ms, and its camera."""

    start: int
    length: int
    camera_id: str | None = None


class StillStatistics(Struct, frozen=True, kw_only=True):
    """What became of stills; a still that several cameras took counts once for each."""

    seen: int
    """All, whether they were requested or not."""
    asked: int
    """Those that were requested, whatever became of them."""
    asked_taken: int
    """Those that were requested and taken."""
    taken: int
    """Captured, whether they were uploaded by now or not."""
    uploaded: int
    failed: int
    waiting: int
    """Requested, and never taken."""
    on_air: int
    """Taken by the camera that was on air just then."""
    after_cut: LengthStatistics | None
    """How long after the cut before it each still was taken; None if that is known of none."""


class CameraStatistics(Struct, frozen=True, kw_only=True):
    """One camera in one session."""

    camera_id: str
    on_air_ms: int
    unsure_ms: int
    """How much of ``on_air_ms`` is an upper bound: the camera went off air, unseen, before the next event."""
    shots: int
    cuts: int
    longest: Longest | None
    stills: StillStatistics


class RoleStatistics(Struct, frozen=True, kw_only=True):
    """All cameras of one role; ``role`` is None for those that have none."""

    role: str | None
    cameras: int
    on_air_ms: int
    shots: int
    cuts: int


class CuttingPace(Struct, frozen=True, kw_only=True):
    """Cuts over time, in steps of ``step_ms`` from the start of the session; the last step may be shorter."""

    step_ms: int
    cuts: list[int]


class SessionStatistics(Struct, frozen=True, kw_only=True):
    """A session in numbers."""

    length_ms: int
    on_air_ms: int
    off_ms: int
    """How long nothing was on air, as far as frames reported it."""
    unknown_ms: int
    """How long it is not known what was on air."""
    cuts: int
    cuts_per_minute: float | None
    """Over the time for which the program is known; None if it is known for no time."""
    shots: LengthStatistics | None
    longest_shot: Longest | None
    cameras: list[CameraStatistics]
    """In the order of the timeline's lanes."""
    roles: list[RoleStatistics]
    """Most on air first."""
    holds: int
    """Holds that began or were found in the session, as the timeline counts them."""
    hold_ms: int
    longest_hold: Longest | None
    modes: dict[str, int]
    """Milliseconds by mode, longest first."""
    triggers: dict[str, int]
    """Cuts by who triggered them, most first."""
    transitions: dict[str, int]
    """Cuts by transition, most first; a cut without one counts as ``cut``."""
    stills: StillStatistics
    never_taken: list[StillMark]
    """Requested and not taken, or failed."""
    not_uploaded: list[StillMark]
    """Taken and never uploaded, in a session in which other stills were uploaded."""
    gaps: int
    gap_ms: int
    """How long the tap had no signal, by its own clock; another tap may have recorded what happened meanwhile."""
    pace: CuttingPace


def statistics_of(timeline: Timeline) -> SessionStatistics:
    """The statistics of a session."""
    program = program_of(timeline)
    shots = [stretch for stretch in program if stretch.camera_id is not None]
    length = timeline.end - timeline.start
    on_air, unknown = _sum(shots), _sum(stretch for stretch in program if not stretch.known)
    cuts = [event for event in timeline.events if event.kind == "cut"]
    after = stills_after_cut(timeline, program)
    cameras = _cameras(timeline.lanes, shots, after)
    known_minutes = (length - unknown) / _MINUTE
    return SessionStatistics(
        length_ms=length,
        on_air_ms=on_air,
        off_ms=length - on_air - unknown,
        unknown_ms=unknown,
        cuts=len(cuts),
        cuts_per_minute=len(cuts) / known_minutes if known_minutes else None,
        shots=_lengths([shot.length for shot in shots]),
        longest_shot=_longest(shots),
        cameras=cameras,
        roles=_roles(timeline.lanes, cameras),
        holds=timeline.totals.holds,
        hold_ms=sum(hold.length for hold in timeline.holds),
        longest_hold=_longest(timeline.holds),
        modes=_modes(timeline.modes),
        triggers=_counted(cut.trigger or "unknown" for cut in cuts),
        transitions=_counted(cut.transition or "cut" for cut in cuts),
        stills=_stills(timeline.stills, after),
        never_taken=[still for still in timeline.stills if still.status in _NOT_TAKEN],
        not_uploaded=_not_uploaded(timeline.stills),
        gaps=len(timeline.gaps),
        gap_ms=sum(gap.duration_ms or 0 for gap in timeline.gaps),
        pace=_pace(timeline, [cut.moment for cut in cuts]),
    )


def program_of(timeline: Timeline) -> list[Stretch]:
    """What was on air, from the session's start to its end, without a gap or an overlap.

    A time in which it is not known what was on air stays unknown, whatever shots reach into it from both sides.
    """
    covered = _without(_in_turn(timeline.lanes), timeline.unknown)
    blind = [Stretch(start=span.start, end=span.end, known=False) for span in timeline.unknown]
    told = sorted((*covered, *blind), key=lambda stretch: stretch.start)
    return list(_filled(told, timeline.start, timeline.end))


def stills_after_cut(timeline: Timeline, program: Sequence[Stretch] | None = None) -> dict[str, int]:
    """How long, in ms, after the cut before it each still was taken, by the still's key.

    Only for stills that were taken in the session, and only where the program between cut and still is known.
    """
    cuts = [event.moment for event in timeline.events if event.kind == "cut"]
    stretches = program_of(timeline) if program is None else program
    blind = [stretch for stretch in stretches if not stretch.known]
    starts = [stretch.start for stretch in blind]
    found = {}
    for still in timeline.stills:
        at = None if still.captured_at is None else still.captured_at + still.shift_ms
        index = 0 if at is None or at > timeline.end else bisect_right(cuts, at)
        if at is None or index == 0:
            continue
        cut, before = cuts[index - 1], bisect_right(starts, at)
        if before == 0 or blind[before - 1].end <= cut:
            found[still.key] = at - cut
    return found


# ---------------------------------------------------------------------------------------------- the program


def _in_turn(lanes: Iterable[Lane]) -> Iterator[Stretch]:
    """The on-air spans of all lanes in order of time; each ends when the next begins, if not before."""
    spans = sorted(
        ((span.start, span.end, lane.camera_id, span.unsure) for lane in lanes for span in lane.on_air),
        key=lambda span: span[:3],
    )
    starts = [*(span[0] for span in spans[1:]), None]
    for (start, end, camera, unsure), following in zip(spans, starts, strict=False):
        until = end if following is None else min(end, following)
        if until > start:
            yield Stretch(start=start, end=until, camera_id=camera, unsure=unsure)


def _without(stretches: Iterable[Stretch], unknown: Sequence[Span]) -> Iterator[Stretch]:
    """The stretches without their ``unknown`` parts. ``unknown`` is in order and does not overlap itself."""
    index = 0
    for stretch in stretches:
        start = stretch.start
        while index < len(unknown) and unknown[index].end <= start:
            index += 1
        at = index
        while at < len(unknown) and unknown[at].start < stretch.end:
            if unknown[at].start > start:
                yield _part(stretch, start, unknown[at].start)
            start = max(start, unknown[at].end)
            at += 1
        if start < stretch.end:
            yield _part(stretch, start, stretch.end)


def _part(stretch: Stretch, start: int, end: int) -> Stretch:
    return Stretch(start=start, end=end, camera_id=stretch.camera_id, unsure=stretch.unsure)


def _filled(stretches: Iterable[Stretch], start: int, end: int) -> Iterator[Stretch]:
    """The stretches with what lies between them filled in as nothing on air; equal neighbours become one."""
    last: Stretch | None = None
    for stretch in stretches:
        at = start if last is None else last.end
        if stretch.start > at:
            if last is not None:
                yield last
            last = Stretch(start=at, end=stretch.start)
        if last is not None and _goes_on(last, stretch):
            last = Stretch(
                start=last.start, end=stretch.end, camera_id=last.camera_id, known=last.known, unsure=stretch.unsure
            )
            continue
        if last is not None:
            yield last
        last = stretch
    at = start if last is None else last.end
    if last is not None:
        yield last
    if at < end:
        yield Stretch(start=at, end=end)


def _goes_on(last: Stretch, stretch: Stretch) -> bool:
    same = (last.camera_id, last.known) == (stretch.camera_id, stretch.known)
    return same and last.end == stretch.start and not last.unsure


# ---------------------------------------------------------------------------------------------- by camera and role


def _cameras(lanes: Iterable[Lane], shots: Iterable[Stretch], after: dict[str, int]) -> list[CameraStatistics]:
    by_camera: dict[str | None, list[Stretch]] = {}
    for shot in shots:
        by_camera.setdefault(shot.camera_id, []).append(shot)
    return [_camera(lane, by_camera.get(lane.camera_id, []), after) for lane in lanes]


def _camera(lane: Lane, shots: list[Stretch], after: dict[str, int]) -> CameraStatistics:
    return CameraStatistics(
        camera_id=lane.camera_id,
        on_air_ms=_sum(shots),
        unsure_ms=_sum(shot for shot in shots if shot.unsure),
        shots=len(shots),
        cuts=lane.cuts,
        longest=_longest(shots),
        stills=_stills(lane.stills, after),
    )


def _roles(lanes: Iterable[Lane], cameras: Iterable[CameraStatistics]) -> list[RoleStatistics]:
    by_role: dict[str | None, list[CameraStatistics]] = {}
    for lane, camera in zip(lanes, cameras, strict=True):
        by_role.setdefault(lane.role or None, []).append(camera)
    roles = [
        RoleStatistics(
            role=role,
            cameras=len(them),
            on_air_ms=sum(one.on_air_ms for one in them),
            shots=sum(one.shots for one in them),
            cuts=sum(one.cuts for one in them),
        )
        for role, them in by_role.items()
    ]
    return sorted(roles, key=lambda role: (-role.on_air_ms, role.role is None, role.role or ""))


# ---------------------------------------------------------------------------------------------- stills


def _stills(stills: Sequence[StillMark], after: dict[str, int]) -> StillStatistics:
    statuses = Counter(still.status for still in stills)
    taken = [still for still in stills if still.status not in _NOT_TAKEN]
    return StillStatistics(
        seen=len(stills),
        asked=sum(still.asked for still in stills),
        asked_taken=sum(still.asked for still in taken),
        taken=len(taken),
        uploaded=statuses["uploaded"],
        failed=statuses["failed"],
        waiting=statuses["requested"],
        on_air=sum(still.camera_id is not None and still.camera_id == still.program_camera_id for still in taken),
        after_cut=_lengths([after[still.key] for still in taken if still.key in after]),
    )


def _not_uploaded(stills: Sequence[StillMark]) -> list[StillMark]:
    """Stills that were taken and not uploaded; none if no still was: then the server does not report uploads."""
    if not any(still.status == "uploaded" for still in stills):
        return []
    return [still for still in stills if still.status == "captured"]


# ---------------------------------------------------------------------------------------------- small sums


def _sum(stretches: Iterable[Stretch]) -> int:
    return sum(stretch.length for stretch in stretches)


def _lengths(lengths: Sequence[int]) -> LengthStatistics | None:
    if not lengths:
        return None
    return LengthStatistics(
        least=min(lengths),
        median=round(median(lengths)),
        most=max(lengths),
    )


def _longest(spans: Iterable[Stretch] | Iterable[Span]) -> Longest | None:
    """The longest of the spans; of several, the first."""
    longest = max(spans, key=lambda span: (span.length, -span.start), default=None)
    if longest is None:
        return None
    return Longest(start=longest.start, length=longest.length, camera_id=longest.camera_id)


def _modes(spans: Iterable[Span]) -> dict[str, int]:
    lengths: Counter[str] = Counter()
    for span in spans:
        lengths[span.mode or ""] += span.length
    return dict(sorted(lengths.items(), key=lambda item: (-item[1], item[0])))


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _pace(timeline: Timeline, cuts: Iterable[int]) -> CuttingPace:
    length = max(1, timeline.end - timeline.start)
    step = next((step for step in _PACE_STEPS if length <= step * _MOST_STEPS), -(-length // _MOST_STEPS))
    counts = [0] * -(-length // step)
    for at in cuts:
        counts[min(len(counts) - 1, max(0, at - timeline.start) // step)] += 1
    return CuttingPace(step_ms=step, cuts=counts)
