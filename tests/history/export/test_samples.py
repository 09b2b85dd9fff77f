"""One small shoot in each format, as files that can be looked at: ``fixtures/edit``.

``python -m tests.history.export.test_samples`` writes them anew. Whoever does so looks at the difference.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tap.core.footage import Footage
from tap.core.formats import Layout
from tap.core.merge import Row
from tap.history.export import export
from tests.history.export.sessions import row, session
from tests.history.export.test_angles import Disk

FOLDER = Path(__file__).parents[3] / "fixtures" / "edit"
NIGHT = 1_795_042_790_000
"""2026-11-18, 23:59:50 in Berlin."""
SAMPLES: dict[str, tuple[str, Layout]] = {
    "night.program.edl": ("edl", "program"),
    "night.program.xml": ("fcp7xml", "program"),
    "night.angles.xml": ("fcp7xml", "angles"),
    "night.multicam.xml": ("fcp7xml", "multicam"),
    "night.angles.fcpxml": ("fcpxml", "angles"),
    "night.multicam.fcpxml": ("fcpxml", "multicam"),
    "night.markers.edl": ("resolve-markers", "program"),
    "night.shots.csv": ("shots", "program"),
    "night.srt": ("srt", "program"),
    "night.ffmeta": ("ffmetadata", "program"),
    "night.youtube.txt": ("youtube", "program"),
}


def rows() -> list[Row]:
    """A minute over midnight: cuts, a dissolve across it, a gap, a fade to black, a mark, a pause of the recording."""
    recorded: dict[str, object] = {"path": "/rec/show 1.mkv", "from": NIGHT, "to": NIGHT + 60_000, "rate": 25}
    recorded["pauses"] = [{"from": NIGHT + 44_000, "to": NIGHT + 47_000}]
    whole = session(60_000, {"programCameraId": "a"}, startedAt=NIGHT, media=[recorded])
    whole.fields["completedAt"], whole.fields["startState"]["at"] = NIGHT + 60_000, NIGHT
    told: list[tuple[int, str, dict[str, object]]] = [
        (5_000, "cut", {"cameraId": "b", "fromCameraId": "a", "transition": "cut"}),
        (9_200, "cut", {"cameraId": "a", "fromCameraId": "b", "transition": "Fade", "durationMs": 1600}),
        (21_000, "marker", {"detail": {"label": "best take", "source": "Stream Deck"}}),
        (30_000, "cut", {"cameraId": "c", "fromCameraId": "a", "transition": "cut"}),
        (41_000, "gap", {"durationMs": 3000, "detail": _sides("c", "b")}),
        (52_000, "off_air", {"fromCameraId": "b", "transition": "Fade", "durationMs": 800}),
        (56_000, "cut", {"cameraId": "a", "transition": "cut"}),
    ]
    names = {"a": "Bühne links", "b": "Kran", "c": "カメラ三"}
    cameras = [row("camera", f"camera/{key}", cameraId=key, name=name, joinedAt=NIGHT) for key, name in names.items()]
    events = [
        row("event", f"{kind}/{at}", NIGHT + at, kind=kind, at=NIGHT + at, observedAt=NIGHT + at, **fields)
        for at, kind, fields in told
    ]
    return [whole, *cameras, *events]


def _sides(before: str, after: str) -> dict[str, object]:
    return {"before": {"programCameraId": before}, "after": {"programCameraId": after}}


def disk() -> Disk:
    """Two files of the first camera, one of the second at another rate, none of the third; and the program."""

    def film(path: str, seconds: int, rate: int = 25, **more: object) -> Footage:
        known: dict[str, object] = {"width": 1920, "height": 1080, "channels": 2, "frames": seconds * rate}
        return Footage(path=path, rate=Fraction(rate), seconds=Fraction(seconds), **(known | more))  # type: ignore[arg-type]

    return Disk(
        film("/rec/Bühne links/A001.mov", 40, timecode="23:59:40:10", reel="A001"),
        film("/rec/Bühne links/A002.mov", 60, timecode="00:00:20:10", reel="A002"),
        film("/rec/Kran_01.MP4", 90, 50, timecode="23:59:45:00", channels=1),
        film("/rec/show 1.mkv", 57),
    )


def made(name: str) -> str:
    form, layout = SAMPLES[name]
    media = "recorded" if form in ("srt", "ffmetadata", "youtube") else "/rec"
    return export(rows(), form, zone=ZoneInfo("Europe/Berlin"), media=media, layout=layout, files=disk()).files[""]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_what_is_written(name: str) -> None:
    """A difference is a change of what editors get: look at it before it is written anew."""
    assert made(name).encode() == (FOLDER / name).read_bytes()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for sample in SAMPLES:
        (FOLDER / sample).write_bytes(made(sample).encode())
