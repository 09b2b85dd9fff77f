"""What a recorder wrote, against what its server told of it: a made recorder whose every picture is known."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

import pytest

from tap.core.merge import Row
from tests.history.export.sessions import T0, row, session
from tests.history.export.test_angles import Disk, items, video

FPS = 30
FRAME_MS = 1000 / FPS


class Recorder:
    """Takes a picture at each tick, as OBS does.

    ``first``: where its first tick lies, in frames after it told that it records; ``late``: how many ms after its first
    picture a cut is told. Pauses, stops and fades are told when they are asked for, and seen from the next tick on.
    """

    def __init__(self, first: float, late: float = 3) -> None:
        self.first, self.late = first, late
        self.pauses: list[tuple[int, int]] = []
        self.rows: list[Row] = []
        self.begins: list[int] = []
        """The pictures, counted from the recording's first, with which another camera is seen."""
        self.end = 0
        self._seams: list[int] = []

    def tick(self, ms: float) -> int:
        """The first tick behind a moment (ms from the told begin)."""
        return floor(ms / FRAME_MS - self.first) + 1

    def pictures(self, tick: int) -> int:
        """How many were taken before a tick."""
        return tick - sum(
            min(self.tick(until), tick) - self.tick(since) for since, until in self.pauses if self.tick(since) < tick
        )

    def clear_of_ticks(self, ms: float) -> int:
        """A moment about then that is no nearer than 3 ms to a tick."""
        into = (ms / FRAME_MS - self.first) % 1 * FRAME_MS
        return round(ms + max(0, 4 - into) - max(0, into - FRAME_MS + 4))

    def change(self, ms: float, fade_ms: int | None = None) -> None:
        tick = self.tick(ms)
        self.begins.append(self.pictures(tick))
        at = T0 + round(ms if fade_ms else (tick + self.first) * FRAME_MS + self.late)
        told: dict[str, Any] = {"transition": "Fade", "durationMs": fade_ms} if fade_ms else {"transition": "cut"}
        camera = "ab"[len(self.rows) % 2 == 0]
        self.rows.append(row("event", f"cut/{at}", at, kind="cut", at=at, observedAt=at, cameraId=camera, **told))

    def pause(self, since: int, until: int) -> None:
        self.pauses.append((since, until))
        self._seams.append(self.pictures(self.tick(since)))

    def told(self, *, split_at: int | None = None, drop: int = 0) -> tuple[list[Row], Disk]:
        """The rows, and the files that are there; ``drop``: pictures that the last of them lacks."""
        frames = self.pictures(self.tick(self.end)) - drop
        lengths = [frames] if split_at is None else [split_at, frames - split_at]
        names = [f"/rec/{name}" for name in self._names(split_at)]
        files = [video(name, length / FPS, Fraction(FPS)) for name, length in zip(names, lengths, strict=False)]
        pauses = [{"from": T0 + since, "to": T0 + until} for since, until in self.pauses]
        media = {"path": names[0], "from": T0, "to": T0 + self.end, "rate": FPS, "pauses": pauses}
        cameras = [row("camera", f"camera/{name}", cameraId=name, name=name, joinedAt=T0) for name in "ab"]
        whole = session(self.end, {"programCameraId": "a"}, media=[media])
        return [whole, *cameras, *self.rows], Disk(*files)

    def shown(self, *, split_at: int | None = None) -> list[tuple[str, int]]:
        """Where in which file each piece has to begin, but for the first."""
        first, second = self._names(split_at)
        places = sorted({*self.begins, *self._seams, *([] if split_at is None else [split_at])})
        return [
            (first, place) if split_at is None or place < split_at else (second, place - split_at) for place in places
        ]

    def _names(self, split_at: int | None) -> tuple[str, str]:
        """By the second in which each was begun."""
        tick = next(tick for tick in range(100_000) if self.pictures(tick) >= (split_at or 0))
        second = round((tick + self.first) * FRAME_MS) // 1000
        return "2026-11-18 12-06-40.mkv", f"2026-11-18 12-{6 + (40 + second) // 60:02d}-{(40 + second) % 60:02d}.mkv"


def pieces(recorder: Recorder, *, split_at: int | None = None, drop: int = 0) -> list[tuple[str, int]]:
    rows, disk = recorder.told(split_at=split_at, drop=drop)
    return [(file, frame) for _, _, file, frame in items(disk, rows, media="recorded")][1:]


def six_cuts(recorder: Recorder) -> Recorder:
    for ms in (1_010, 2_020, 3_030, 6_000, 7_010, 8_020):
        recorder.change(ms)
    recorder.end = 9_000
    return recorder


@pytest.mark.parametrize("first", [-0.28, -0.05, 0.02, 0.3, 0.55, 0.72, 0.9, 1.04])
def test_the_number_of_pictures_tells_which_tick_was_the_first(first: float) -> None:
    """By the words alone, one that lies far behind the told begin cannot be told from one before it."""
    recorder = six_cuts(Recorder(first))
    assert pieces(recorder) == recorder.shown()


@pytest.mark.parametrize("since", [4_000, 4_008, 4_012, 4_034])
@pytest.mark.parametrize("until", [4_996, 5_008, 5_012, 5_020])
def test_a_pause_that_is_asked_for_next_to_a_tick_is_as_long_as_the_recorder_made_it(since: int, until: int) -> None:
    """Its ticks are at 4,010 and 5,010 ms; cuts are told 3 ms after theirs."""
    recorder = Recorder(0.3)
    recorder.pause(since, until)
    six_cuts(recorder)
    assert pieces(recorder) == recorder.shown()


@pytest.mark.parametrize("seed", range(80))
def test_each_piece_begins_with_its_own_picture(seed: int) -> None:
    """Recordings as OBS makes them: pauses, two files, the first tick where it likes, cuts told 2 to 4 ms late.

    What is asked for right at a tick, nobody can tell from what is asked for on its other side.
    """
    draw = random.Random(seed)
    recorder = Recorder(draw.uniform(-0.3, 1.05), draw.uniform(2, 4))
    ms = 0.0
    for run in range(draw.randint(1, 3)):
        if run:
            since = recorder.clear_of_ticks(ms + draw.uniform(300, 600))
            recorder.pause(since, recorder.clear_of_ticks(since + draw.uniform(300, 1_000)))
            ms = recorder.pauses[-1][1]
        for _ in range(5):
            ms += draw.uniform(350, 900)
            recorder.change(ms)
    recorder.end = recorder.clear_of_ticks(ms + draw.uniform(1_600, 2_000))
    split_at = recorder.begins[2] + 4 if seed % 2 else None
    assert pieces(recorder, split_at=split_at) == recorder.shown(split_at=split_at)


@pytest.mark.parametrize("ms", [4_000, 4_005, 4_010, 4_013, 4_020, 4_030])
def test_a_fade_begins_with_the_picture_behind_its_word(ms: int) -> None:
    """However soon that comes; the shot before it goes on until then."""
    recorder = Recorder(0.3)
    for cut in (1_010, 2_020, 3_030):
        recorder.change(cut)
    recorder.change(ms, fade_ms=600)
    for cut in (6_000, 7_010):
        recorder.change(cut)
    recorder.end = 9_000
    assert pieces(recorder) == recorder.shown()
    rows, disk = recorder.told()
    assert all(before[1] == after[0] for before, after in pairwise(items(disk, rows, media="recorded")))


@pytest.mark.parametrize("drop", [5, 100])
def test_a_file_that_lacks_pictures_takes_nothing_from_the_words(drop: int) -> None:
    """One that was broken off says nothing of the words: they stand as they are."""
    recorder = six_cuts(Recorder(0.3))
    assert pieces(recorder, drop=drop) == [
        place for place in recorder.shown() if place[1] < recorder.pictures(recorder.tick(recorder.end)) - drop
    ]
