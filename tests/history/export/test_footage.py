"""Made camera files, exported and read back: every frame of every layout shows what was on, by the files' pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest
from opentimelineio import opentime

from tap.adapters.footage import VideoFiles
from tap.history.export import LAYOUTS, Exported, export
from tests.history.export.camera_files import FPS, ZONE, Film, Picture, Shoot, codes, film, planned
from tests.history.export.readers import Item, Mix, Read, read_edl, read_fcp7, read_fcpxml, read_otio

pytestmark = [
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the made files need ffmpeg"),
    pytest.mark.timeout(1200),
]

RATE_NAMES = ("23.976", "25", "29.97df", "59.94")
WAYS = [("edl", "program"), *((form, layout) for form in ("fcp7xml", "fcpxml", "otio") for layout in LAYOUTS)]


class Made:
    """A shoot whose files are there, and what their pictures say."""

    def __init__(self, shoot: Shoot, folder: Path) -> None:
        self.shoot = shoot
        self.folder = folder
        self.films = {one.name: one for one in shoot.films}
        self.pictures: dict[str, list[Picture]] = {one.name: codes(film(one, folder)) for one in shoot.films}

    def export(self, form: str, layout: str = "program") -> Exported:
        return export(
            self.shoot.rows,
            form,
            zone=ZONE,
            media=str(self.folder),
            layout=layout,  # type: ignore[arg-type]
            offsets=self.shoot.offsets,
            files=VideoFiles(),
        )

    def read(self, form: str, layout: str) -> Read:
        text = self.export(form, layout).files[""]
        rate = FPS[self.shoot.rate]
        match form:
            case "edl":
                start = round(opentime.from_timecode(text.split("\n")[2].split()[6], float(rate)).value)
                return read_edl(text, rate, {name: self._first(one) for name, one in self.films.items()}, start)
            case "fcp7xml":
                return read_fcp7(text)
            case "fcpxml":
                return read_fcpxml(text)
            case _:
                return read_otio(otio.adapters.read_from_string(text, "otio_json"), rate)

    def _first(self, one: Film) -> tuple[Fraction, Fraction]:
        if one.timecode is None:
            return Fraction(0), one.fps
        number = round(opentime.from_timecode(one.timecode, float(one.fps)).value)
        return Fraction(number * round(FPS[self.shoot.rate]), round(one.fps)), one.fps

    # ------------------------------------------------------------------ what is right

    def frame(self, ms: int) -> int:
        """The frame of the edit nearest to a moment."""
        return int(ms * FPS[self.shoot.rate] / 1000 + Fraction(1, 2))

    def right(self, at: int) -> set[int | None]:
        """Which cameras a frame of the edit may show: more than one while they are mixed."""
        shots = self.shoot.shots
        starts = [self.frame(shot.at) for shot in shots]
        index = max(index for index, start in enumerate(starts) if start <= at)
        shot = shots[index]
        mixed = shot.dissolve and at < starts[index] + self.frame(shot.dissolve) and index
        return {shot.camera, shots[index - 1].camera} if mixed else {shot.camera}

    def covered(self, camera: int, at: int) -> bool:
        """Whether some file of the camera has a picture then; None-like doubt of half a frame counts as none."""
        rate = FPS[self.shoot.rate]
        moment, doubt = at * 1000 / rate, 1000 / rate
        return any(
            one.at + doubt <= moment <= one.time_of(one.frames) - 2 * doubt
            for one in self.shoot.films
            if one.camera == camera
        )

    def check(self, read: Read, *, loose: bool = False) -> int:
        """Every frame; how many of them show a picture. ``loose``: a list has one rate for all files."""
        rate = FPS[self.shoot.rate]
        shown = 0
        for at, item in enumerate(visible(read.items, self.frame(self.shoot.length))):
            right = self.right(at)
            if item is None:
                assert None in right or any(not self.covered(camera, at) for camera in right if camera is not None), at
                continue
            shown += 1
            number = max(0, item.frame_at(at, rate))
            picture = self.pictures[item.file][number]
            assert picture.frame == number
            assert picture.camera in right, f"frame {at} shows {picture}, not {right}"
            one = self.films[item.file]
            off = (one.time_of(number) - at * 1000 / rate) * rate / 1000
            near = Fraction(1, 2) + Fraction(1, 1000) + (1 if loose and one.fps != rate else 0)
            assert -near - (0 if one.fps == rate else rate / one.fps) <= off <= near, f"frame {at}: {float(off)} off"
        return shown


def visible(items: list[Item], length: int) -> Iterator[Item | None]:
    """What is on top and switched on, frame by frame; two at once on one track are an error."""
    on: list[Item | None] = [None] * length
    for item in sorted(items, key=lambda item: item.track):
        assert 0 <= item.start < item.end <= length, item
        for at in range(item.start, item.end) if item.enabled else ():
            before = on[at]
            assert before is None or before.track != item.track, f"{before} and {item}"
            on[at] = item
    yield from on


def mixes(made: Made) -> list[Mix]:
    return [
        Mix(made.frame(shot.at), made.frame(shot.dissolve))
        for before, shot in zip(made.shoot.shots, made.shoot.shots[1:], strict=False)
        if shot.dissolve
    ]


def check_mixes(made: Made, read: Read) -> None:
    """No transition but those that were made, and none longer."""
    told = mixes(made)
    for mix in read.mixes:
        near = [one for one in told if one.start == mix.start]
        assert near, f"a transition at {mix} that nobody made"
        assert mix.length <= near[0].length


def check_sound(read: Read) -> None:
    """What is seen is heard: each item has sound of the same place in the same file."""
    heard = {(item.start, item.file, item.frame) for item in read.sounds}
    for item in read.items:
        under = (sound for sound in read.sounds if sound.file == item.file and sound.start <= item.start < sound.end)
        assert (item.start, item.file, item.frame) in heard or any(True for _ in under), item


@pytest.fixture(scope="module", params=["25", "29.97df"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(planned(1, request.param, length=14_000), tmp_path_factory.mktemp("rec"))


@pytest.mark.parametrize(("form", "layout"), WAYS)
def test_every_frame_shows_what_was_on(made: Made, form: str, layout: str) -> None:
    """As the pictures of the files say that the edit shows; no file is asked for more than it has."""
    read = made.read(form, layout)
    assert made.check(read, loose=form == "edl") > 150
    check_mixes(made, read)
    check_sound(read)


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATE_NAMES)
@pytest.mark.parametrize("seed", range(6))
def test_every_frame_of_many_shoots_shows_what_was_on(seed: int, rate: str, tmp_path: Path) -> None:
    """Over seeds and rates, in every format and layout."""
    made = Made(planned(seed, rate), tmp_path)
    for form, layout in WAYS:
        read = made.read(form, layout)
        assert made.check(read, loose=form == "edl") > 300
        check_mixes(made, read)
        check_sound(read)
