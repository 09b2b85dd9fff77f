"""Compares the history of a shoot with what was on air and with what the operator did.

The clock of a recording is found from what OBS told the operator's own client (never from the tap): a program event
follows its picture by a few milliseconds. So a picture has a wall time, good to about a frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from msgspec import Struct, field

from tap.core.model import Entry
from tests.obs.picture import Change, changes, decode
from tests.obs.shoot import Log

__all__ = ["Verdict", "judge"]

NEAR_MS = 60
"""How far a hard cut may be from its picture."""
_FRAME_MS = 34
_EVENT_MS = 17
"""A program event comes this long after its picture on a machine that has time: half a frame."""
_FLASH_MS = 200
_CLOCK_OFF_MS = 250
"""A recording's first picture and the event that it started are never this far apart."""


class Verdict(Struct):
    """How near the history came."""

    changes: int = 0
    """Changes on air that events could show."""
    matched: int = 0
    hard: list[int] = field(default_factory=list)
    """Of each hard cut, how far (ms) from its picture."""
    late: int = 0
    """Hard cuts of which OBS itself told late: measured from what it told another client."""
    wrong: list[str] = field(default_factory=list)

    def words(self) -> str:
        near = sorted(abs(ms) for ms in self.hard)
        times = f"median {near[len(near) // 2]} ms, at most {near[-1]} ms" if near else "none"
        return (
            f"{self.matched} of {self.changes} changes on air are cuts, {len(self.wrong)} differences;"
            f" hard cuts off the picture: {times}; told late by OBS itself: {self.late}"
        )


class _Take(NamedTuple):
    """One recording: its session's rows, and the wall times between which it ran."""

    session: Mapping[str, Any]
    cuts: list[Mapping[str, Any]]
    gaps: list[Mapping[str, Any]]
    start: int
    end: int


def judge(log: Log, entries: list[Entry], *, local: Mapping[str, str] | None = None) -> Verdict:
    """Everything that differs, in words. ``local`` maps a recording's path to where it is now."""
    rows = {(entry.op, entry.key): entry for entry in entries}
    verdict = Verdict()
    takes = list(_takes(log, list(rows.values()), verdict))
    for path, take in zip(log.paths, takes, strict=False):
        _Comparison(log, take, verdict).compare(Path((local or {}).get(path, path)))
    return verdict


def _takes(log: Log, rows: list[Entry], verdict: Verdict) -> Iterator[_Take]:
    sessions = sorted((row for row in rows if row.op == "session"), key=lambda row: row.fields["startedAt"])
    starts = [at for at, kind, data in log.events if kind == "RecordStateChanged" and _state(data) == "STARTED"]
    ends = [at for at, kind, data in log.events if kind == "RecordStateChanged" and _state(data) == "STOPPED"]
    if len(sessions) != len(starts):
        verdict.wrong.append(f"{len(starts)} recordings, but {len(sessions)} sessions")
    for session, start, path in zip(sessions, starts, log.paths, strict=False):
        killed = start < log.killed and not any(start < end < log.killed for end in ends)
        end = log.killed if killed else min((end for end in ends if end > start), default=start)
        wanted = "interrupted" if killed else "complete"
        fields = session.fields
        if fields["status"] != wanted:
            verdict.wrong.append(f"session {session.key} is {fields['status']}, not {wanted}")
        if fields.get("media") != [path]:
            verdict.wrong.append(f"session {session.key} has media {fields.get('media')}, not {path}")
        # A late comer goes by the length that OBS tells, which counts pictures.
        seen = log.tap_started < start
        if abs(fields["startedAt"] - start) > (1_000 if seen else 5_000):
            verdict.wrong.append(f"session {session.key} starts {fields['startedAt'] - start} ms off")
        events = [row.fields for row in rows if row.op == "event" and row.session_key == session.key]
        cuts = sorted((event for event in events if event["kind"] == "cut"), key=lambda event: event["at"])
        yield _Take(fields, cuts, [event for event in events if event["kind"] == "gap"], start, end)


def _state(data: Mapping[str, Any]) -> str:
    return str(data.get("outputState", "")).removeprefix("OBS_WEBSOCKET_OUTPUT_")


class _Comparison:
    """One recording against its session's cuts."""

    def __init__(self, log: Log, take: _Take, verdict: Verdict) -> None:
        self._log = log
        self._take = take
        self._verdict = verdict
        self._left = list(take.cuts)
        self._told = [
            (at, log.names.get(data.get("sceneName", ""), ""))
            for at, kind, data in log.events
            if kind == "CurrentProgramSceneChanged" and take.start <= at <= take.end
        ]
        self._pauses = list(self._paused())
        seen = take.gaps[0]["at"] if take.gaps and "before" not in take.gaps[0].get("detail", {}) else take.start
        self._from = max(take.start, seen)

    def compare(self, path: Path) -> None:
        shown = decode(path, self._log.colours)
        if not shown:
            self._wrong(f"{path.name} shows nothing")
            return
        found = list(changes(shown))
        clock = self._clock(found)
        for change in found:
            last, first = clock(change.last), clock(change.first)
            resumed = any(last <= until and first >= since for since, until in self._pauses)
            if last >= self._from and not resumed:
                self._change(change, last, first)
        end = clock(shown[-1].last)
        for cut in self._left:
            self._unseen(cut, end)

    def _change(self, change: Change, last: float, first: float) -> None:
        verdict = self._verdict
        told = [at for at, camera in self._told if camera == change.camera and last - 500 <= at <= first + 1_000]
        cut = self._best(change, last, first, told)
        if cut is None and not told:
            return  # OBS said nothing of it to anybody
        verdict.changes += 1
        if cut is None:
            self._wrong(f"{change.was!r} → {change.camera!r} at {first:.0f} is no cut")
            return
        self._left.remove(cut)
        verdict.matched += 1
        if change.hard and cut.get("transition") in {None, "cut"}:
            off = cut["at"] - first
            verdict.hard.append(round(off))
            verdict.late += abs(off) > NEAR_MS

    def _best(self, change: Change, last: float, first: float, told: list[int]) -> Mapping[str, Any] | None:
        """The cut that is this change: near the picture, or near what OBS told of it where that was late."""

        def fits(cut: Mapping[str, Any]) -> bool:
            if cut["cameraId"] != change.camera:
                return False
            at: int = cut["at"]
            if "durationMs" in cut:
                return bool(last - cut["durationMs"] - NEAR_MS <= at <= first + NEAR_MS)
            late = any(at_told > first + NEAR_MS - _EVENT_MS and abs(at - at_told) <= NEAR_MS for at_told in told)
            return late or last - NEAR_MS <= at <= first + NEAR_MS

        return next((cut for cut in self._left if fits(cut)), None)

    def _unseen(self, cut: Mapping[str, Any], end: float) -> None:
        """A cut that no picture shows: fine in a pause, after the file's end, or where another followed at once."""
        at: int = cut["at"]
        paused = any(since - NEAR_MS <= at <= until + NEAR_MS for since, until in self._pauses)
        followed = any(0 < other["at"] - at <= _FLASH_MS for other in self._take.cuts)
        if not (paused or followed or at >= end - _FRAME_MS):
            self._wrong(f"a cut to {cut['cameraId']!r} at {at} that no picture shows")

    # ------------------------------------------------------------------ clocks

    def _paused(self) -> Iterator[tuple[int, int]]:
        since = None
        for at, kind, data in self._log.events:
            if kind == "RecordStateChanged" and self._take.start <= at <= self._take.end:
                state = _state(data)
                if state == "PAUSED":
                    since = at
                elif state == "RESUMED" and since is not None:
                    yield since, at
                    since = None

    def _clock(self, found: list[Change]) -> Any:
        """From seconds of the file to wall ms: each stretch between pauses has its own beginning."""
        stretches: list[tuple[float, float]] = [(0.0, float(self._take.start))]
        for since, until in self._pauses:
            length = since - stretches[-1][1]
            stretches.append((stretches[-1][0] + length / 1000, float(until)))
        tuned = [self._tuned(stretches, index, found) for index in range(len(stretches))]

        def wall(seconds: float) -> float:
            file, begin = next(item for item in reversed(tuned) if item[0] <= seconds or item is tuned[0])
            return begin + (seconds - file) * 1000

        return wall

    def _tuned(self, stretches: list[tuple[float, float]], index: int, found: list[Change]) -> tuple[float, float]:
        file, begin = stretches[index]
        until = stretches[index + 1][0] if index + 1 < len(stretches) else float("inf")
        off = []
        for change in found:
            if change.hard and file + 0.3 < change.first < until:
                wall = begin + (change.first - file) * 1000
                near = [at - wall for at, camera in self._told if camera == change.camera and abs(at - wall) < 300]
                off += [min(near, key=abs)] if near else []
        if len(off) < 2:
            return file, begin
        shift = median(off) - _EVENT_MS
        if abs(shift) > _CLOCK_OFF_MS:
            self._wrong(f"the clock of the recording is {shift:.0f} ms off")
        return file, begin + shift

    def _wrong(self, what: str) -> None:
        self._verdict.wrong.append(what)
