"""Compares the history of a shoot with what was on air and with what the operator did.

The clock of a file is found from what OBS told the operator's own client (never from the tap): a program event follows
its picture by a few milliseconds. So a picture has a wall time, good to about a frame.

On a busy machine an event may come to the tap, or to the operator's client, some hundred milliseconds later than to
the other. What the tap dates by such an event is right if it has exactly the time at which its own tape shows that the
event came. That excuses single events only: half of them have to come to both at about the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, field

from tap.core.model import Entry
from tests.obs.picture import Change, changes, decode
from tests.obs.shoot import LISTED, Log

__all__ = ["Verdict", "judge", "takes_of"]

NEAR_MS = 60
"""How far a hard cut may be from its picture."""
_FRAME_MS = 34
_EVENT_MS = 17
"""A program event comes this long after its picture on a machine that has time: half a frame."""
_FLASH_MS = 200
_CLOCK_OFF_MS = 250
"""A file's first picture and the event that it started are never this far apart."""
_TOLD_MS = 100
"""Two clients of one OBS hear the same within this, on a machine that is busy."""
_SLOWEST_MS = 2_000
"""And one hears of it this much later than the other at most, on one that has no time."""
_LATE_MS = 2_000
"""How near a late comer has to date what it did not see."""


class Verdict(Struct):
    """How near the history came."""

    changes: int = 0
    """Changes on air that events or answers could show."""
    matched: int = 0
    hard: list[int] = field(default_factory=list)
    """Of each hard cut, how far (ms) from its picture."""
    late: int = 0
    """Hard cuts of which OBS itself told late: measured from what it told another client."""
    untold: int = 0
    """Changes on air of which OBS told nobody."""
    lengths: list[int] = field(default_factory=list)
    """Of each file, how much longer (ms) it is told to be than it is."""
    splits: list[int] = field(default_factory=list)
    """How late (ms) OBS told of a split."""
    slow: list[int] = field(default_factory=list)
    """How much later (ms) than to the operator's client each event came to the tap that it was too late for."""
    wrong: list[str] = field(default_factory=list)

    def words(self) -> str:
        near = sorted(abs(ms) for ms in self.hard)
        p95 = near[len(near) * 95 // 100] if near else 0
        times = f"median {near[len(near) // 2]} ms, p95 {p95} ms, at most {near[-1]} ms" if near else "none"
        longest = max((abs(ms) for ms in self.lengths), default=0)
        return (
            f"{self.matched} of {self.changes} changes on air are cuts, {len(self.wrong)} differences;"
            f" {len(near)} hard cuts off the picture: {times}; told late by OBS itself: {self.late};"
            f" told to nobody: {self.untold}; {len(self.lengths)} files as long as told, within {longest} ms"
            + (f"; splits told {self.splits} ms late" if self.splits else "")
            + (f"; came to the tap {self.slow} ms later than to another client" if self.slow else "")
        )


class File(Struct):
    """A file, and the wall times between which it was written, as OBS told the operator."""

    path: str
    start: int
    end: int | None = None


class Take(Struct):
    """One recording."""

    start: int
    files: list[File]
    end: int = 0
    how: str = "stopped"
    """Or ``killed``, or ``closed``: with OBS."""
    pauses: list[tuple[int, int]] = field(default_factory=list)
    split: bool = False


def takes_of(log: Log) -> list[Take]:
    """The recordings, by what OBS told the operator."""
    takes: list[Take] = []
    paused = 0
    ends = [*((at, "killed") for at in log.killed), *((at, "closed") for at in log.closed)]
    for at, kind, data in sorted(log.events, key=lambda event: event[0]):
        take = takes[-1] if takes and not takes[-1].end else None
        if kind == "RecordFileChanged" and take is not None:
            take.files[-1].end = at
            take.files.append(File(data["newOutputPath"], at))
        if kind != "RecordStateChanged":
            continue
        match _state(data):
            case "STARTED":
                takes.append(Take(at, [File(data["outputPath"], at)]))
            case "STOPPING" if take is not None:
                take.end = take.files[-1].end = at
            case "PAUSED":
                paused = at
            case "RESUMED" if take is not None:
                take.pauses.append((paused, at))
    for take in takes:
        over = min((end for end in ends if end[0] > take.start), default=None)
        if over is not None and (not take.end or over[0] <= take.end):
            take.end, take.how, take.files[-1].end = *over, None
        asked = (at for at, kind, data in log.actions if "SplitFile" in str(data) and take.start < at < take.end)
        take.split = next(asked, None) is not None
    return takes


class Heard:
    """What came to the tap, by its own tape: when, and which event."""

    def __init__(self, log: Log, events: Sequence[tuple[int, str, Mapping[str, Any]]] = ()) -> None:
        self._events = events
        self.program = [
            (at, log.names.get(data.get("sceneName", ""), ""))
            for at, kind, data in events
            if kind == "CurrentProgramSceneChanged"
        ]
        told = [
            (at, log.names.get(data.get("sceneName", ""), ""))
            for at, kind, data in log.events
            if kind == "CurrentProgramSceneChanged"
        ]
        pairs = [
            (at, min((own for own, to in self.program if to == camera), key=_near_to(at), default=None))
            for at, camera in told
        ]
        self.lags = [own - at for at, own in pairs if own is not None and abs(own - at) <= _SLOWEST_MS]
        """How much later than to the operator's client each event came."""

    def of(self, kind: str, at: int, state: str = "") -> int | None:
        """When the event came that came to the operator at ``at``."""
        same = [own for own, name, data in self._events if name == kind and _state(data) == state]
        own = min(same, key=_near_to(at), default=None)
        return own if own is not None and abs(own - at) <= _SLOWEST_MS else None


def _near_to(at: int) -> Callable[[int], int]:
    return lambda other: abs(other - at)


def judge(log: Log, entries: list[Entry], events: Sequence[tuple[int, str, Mapping[str, Any]]] = ()) -> Verdict:
    """Everything that differs, in words. ``events``: what is on the tap's own tape."""
    heard = Heard(log, events)
    rows = list({(entry.op, entry.key): entry for entry in entries}.values())
    verdict, takes = Verdict(), takes_of(log)
    sessions = sorted((row for row in rows if row.op == "session"), key=lambda row: row.fields["startedAt"])
    if len(sessions) != len(takes):
        verdict.wrong.append(f"{len(takes)} recordings, but {len(sessions)} sessions")
    for session, take in zip(sessions, takes, strict=False):
        of = [row.fields for row in rows if row.op == "event" and row.session_key == session.key]
        _Row(log, session, take, heard, verdict).compare()
        shown = _Pictures(log, session, take, of, heard, verdict)
        for number, file in enumerate(take.files):
            shown.compare(file, last=number == len(take.files) - 1)
        shown.rest()
    if heard.lags and median(heard.lags) > NEAR_MS:
        verdict.wrong.append(f"events come to the tap {median(heard.lags):.0f} ms later than to another client")
    return verdict


def _state(data: Mapping[str, Any]) -> str:
    return str(data.get("outputState", "")).removeprefix("OBS_WEBSOCKET_OUTPUT_")


class _Row:
    """A session's row against what OBS told the operator of the recording."""

    def __init__(self, log: Log, session: Entry, take: Take, heard: Heard, verdict: Verdict) -> None:
        self._log = log
        self._key = session.key
        self._fields = session.fields
        self._take = take
        self._heard = heard
        self._verdict = verdict
        self._seen = log.tap_started < take.start

    def compare(self) -> None:
        fields, take = self._fields, self._take
        wanted = "interrupted" if take.how == "killed" else "complete"
        if fields["status"] != wanted:
            self._wrong(f"is {fields['status']}, not {wanted}")
        if self._seen:
            self._near("starts", fields["startedAt"], take.start, "STARTED")
        elif abs(fields["startedAt"] - take.start) > _LATE_MS:
            self._wrong(f"starts {fields['startedAt'] - take.start} ms off")
        if take.how == "stopped":
            self._near("ends", fields.get("completedAt", 0), take.end, "STOPPING")
        if take.how == "closed" and fields.get("endReason") != "OBS exited":
            self._wrong(f"ends by {fields.get('endReason')}, not by OBS's exit")
        if not {"profile", "collection"} <= fields["source"].keys():
            self._wrong(f"has no profile or collection: {fields['source']}")
        if not self._seen and take.how == "killed":
            return
        self._files()

    def _files(self) -> None:
        take, media = self._take, self._fields.get("media", [])
        if [file["path"] for file in media] != [file.path for file in take.files]:
            self._wrong(f"has {media}, not {take.files}")
            return
        for number, (told, file) in enumerate(zip(media, take.files, strict=True)):
            if number or self._seen:
                self._near(f"{file.path} starts", told["from"], file.start, "" if number else "STARTED")
            elif abs(told["from"] - file.start) > _LATE_MS:
                self._wrong(f"{file.path} starts {told['from'] - file.start} ms off")
            if (told.get("to") is None) != (file.end is None):
                self._wrong(f"{file.path} ends at {told.get('to')}, not at {file.end}")
            elif file.end is not None:
                last = number == len(media) - 1
                self._near(f"{file.path} ends", told["to"], file.end, "STOPPING" if last else "")
            if (told.get("rate"), told.get("width"), told.get("height")) != (30, 320, 180):
                self._wrong(f"{file.path} is told to be {told}")
        pauses = [pause for file in media for pause in file.get("pauses", ())]
        if len(pauses) != len(take.pauses):
            self._wrong(f"has the pauses {pauses}, not {take.pauses}")
            return
        for pause, (since, until) in zip(pauses, take.pauses, strict=True):
            self._near("a pause begins", pause["from"], since, "PAUSED")
            self._near("a pause ends", pause["to"], until, "RESUMED")

    def _near(self, what: str, told: int, wanted: int, state: str) -> None:
        """``told`` is when the operator heard of the recording's ``state`` ("": of the next file), or the tap did."""
        off = told - wanted
        if abs(off) <= _TOLD_MS:
            return
        if told == self._heard.of("RecordStateChanged" if state else "RecordFileChanged", wanted, state):
            self._verdict.slow.append(off)
        else:
            self._wrong(f"{what} {off} ms off")

    def _wrong(self, what: str) -> None:
        self._verdict.wrong.append(f"session {self._key} {what}")


class _Pictures:
    """A session's cuts against the pictures in its files."""

    def __init__(self, log: Log, session: Entry, take: Take, events: list[Any], heard: Heard, verdict: Verdict) -> None:
        self._log = log
        self._take = take
        self._session = session.fields
        self._verdict = verdict
        self._cuts = sorted((event for event in events if event["kind"] == "cut"), key=lambda event: event["at"])
        self._left = list(self._cuts)
        self._told = [
            (at, log.names.get(data.get("sceneName") or "", ""))
            for at, kind, data in log.events
            if kind in {"CurrentProgramSceneChanged", LISTED} and take.start <= at <= take.end
        ]
        self._events = [
            (at, log.names.get(data.get("sceneName", ""), ""))
            for at, kind, data in log.events
            if kind == "CurrentProgramSceneChanged" and take.start <= at <= take.end
        ]
        switched = [at for at, kind, _ in log.events if kind == "CurrentSceneCollectionChanged"]
        self._switched = switched + [own for at in switched if (own := heard.of("CurrentSceneCollectionChanged", at))]
        self._heard = heard.program
        gaps = sorted(event["at"] for event in events if event["kind"] == "gap")
        first = next((event for event in events if event["kind"] == "gap" and "before" not in event["detail"]), None)
        self._from = max(take.start, gaps[0] if first is not None and gaps else 0)
        self._shown: list[tuple[float, float]] = []
        """Wall times between which there are pictures."""

    def compare(self, file: File, *, last: bool) -> None:
        """The pictures of one of its files."""
        shown = decode(Path(file.path), self._log.colours)
        if not shown:
            self._wrong(f"{file.path} shows nothing")
            return
        found = list(changes(shown))
        pauses = [pause for pause in self._take.pauses if file.start <= pause[0] < (file.end or self._take.end)]
        clock = self._clock(file, found, pauses)
        for change in found:
            before, first = clock(change.last), clock(change.first)
            resumed = any(before <= until + NEAR_MS and first >= since for since, until in pauses)
            if before >= self._from and not resumed:
                self._change(change, before, first)
        self._shown.append((clock(shown[0].first), clock(shown[-1].last)))
        if file.end is not None and (last or len(self._take.files) > 1):
            stood = sum(until - since for since, until in pauses)
            whole = self._take.split and len(self._take.files) == 1
            if not whole:
                self._length(file, file.end - file.start - stood - (shown[-1].last * 1000 + _FRAME_MS))

    def rest(self) -> None:
        """Cuts that no picture shows: fine in a pause, where there are no pictures, or where another followed."""
        for cut in self._left:
            at: int = cut["at"]
            paused = any(since - NEAR_MS <= at <= until + NEAR_MS for since, until in self._take.pauses)
            followed = any(0 < other["at"] - at <= _FLASH_MS for other in self._cuts)
            shown = any(since <= at < until - _FRAME_MS for since, until in self._shown)
            if shown and not (paused or followed):
                self._wrong(f"a cut to {cut['cameraId']!r} at {at} that no picture shows")

    def _length(self, file: File, off: float) -> None:
        if self._log.tap_started > self._take.start:
            return
        self._verdict.lengths.append(round(off))
        if abs(off) > _CLOCK_OFF_MS:
            self._wrong(f"{file.path} is told to be {off:.0f} ms longer than it is")

    def _change(self, change: Change, last: float, first: float) -> None:
        verdict = self._verdict
        told = [at for at, camera in self._told if camera == change.camera and last - 500 <= at <= first + 1_000]
        cut = self._best(change, last, first)
        if cut is None and not told:
            # From one picture to the next: else it is only the middle of a transition that looks like a camera.
            verdict.untold += change.hard
            return
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

    def _best(self, change: Change, last: float, first: float) -> Mapping[str, Any] | None:
        """The cut that is this change: near the picture, or near what OBS told of it where that was late."""
        events = self._events + self._heard
        told = [at for at, camera in events if camera == change.camera and last - 500 <= at <= first + 1_000]
        told += self._switched

        def fits(cut: Mapping[str, Any]) -> bool:
            if cut["cameraId"] != change.camera:
                return False
            at: int = cut["at"]
            if "durationMs" in cut:
                return bool(last - cut["durationMs"] - NEAR_MS <= at <= first + NEAR_MS)
            late = any(at_told > first + NEAR_MS - _EVENT_MS and abs(at - at_told) <= NEAR_MS for at_told in told)
            return late or last - NEAR_MS <= at <= first + NEAR_MS

        return next((cut for cut in self._left if fits(cut)), None)

    # ------------------------------------------------------------------ clocks

    def _clock(self, file: File, found: list[Change], pauses: list[tuple[int, int]]) -> Any:
        """From seconds of the file to wall ms: each stretch between pauses has its own beginning."""
        stretches: list[tuple[float, float]] = [(0.0, float(file.start))]
        for since, until in pauses:
            length = since - stretches[-1][1]
            stretches.append((stretches[-1][0] + length / 1000, float(until)))
        first = file is self._take.files[0]
        tuned = [self._tuned(stretches, index, found, first=first) for index in range(len(stretches))]

        def wall(seconds: float) -> float:
            begin, at = next(item for item in reversed(tuned) if item[0] <= seconds or item is tuned[0])
            return at + (seconds - begin) * 1000

        return wall

    def _tuned(
        self, stretches: list[tuple[float, float]], index: int, found: list[Change], *, first: bool
    ) -> tuple[float, float]:
        file, begin = stretches[index]
        until = stretches[index + 1][0] if index + 1 < len(stretches) else float("inf")
        slack = 300 if first else 2_000
        off = []
        for change in found:
            if change.hard and file + 0.3 < change.first < until:
                wall = begin + (change.first - file) * 1000
                near = [at - wall for at, camera in self._events if camera == change.camera and abs(at - wall) < slack]
                off += [min(near, key=abs)] if near else []
        if len(off) < 2:
            return file, begin
        shift = median(off) - _EVENT_MS
        if not first:
            self._verdict.splits.append(round(-shift))
        elif abs(shift) > _CLOCK_OFF_MS:
            self._wrong(f"the clock of the recording is {shift:.0f} ms off")
        return file, begin + shift

    def _wrong(self, what: str) -> None:
        self._verdict.wrong.append(what)
