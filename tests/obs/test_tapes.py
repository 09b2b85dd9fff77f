"""Tapes of what newer versions of OBS tell: each gives the entries beside it, and these are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json
from tap.core.pipeline import Pipeline

FOLDER = Path(__file__).parents[2] / "fixtures" / "obs"
NAMES = sorted(path.name.removesuffix(".tape.jsonl") for path in FOLDER.glob("*.tape.jsonl"))
OBS = load_dialect("obs")


class Told:
    """The history that a tape gives; times are seconds of the tape."""

    def __init__(self, name: str) -> None:
        with open_tape(FOLDER / f"{name}.tape.jsonl") as tape:
            header = tape.header
            pipeline = Pipeline(OBS, venue=header.venue or "", tap=header.tap or "tape", policy=header.policy)
            self.lines = [entry_json(entry) for item in tape for entry in pipeline.feed(item)]
            self.zero = header.started_at or 0
        self.rows: dict[str, Any] = {}
        for entry in map(orjson.loads, self.lines):
            self.rows[entry["key"]] = {**entry["fields"], "op": entry["op"]}

    def of(self, op: str) -> list[Any]:
        return [row for row in self.rows.values() if row["op"] == op]

    @property
    def session(self) -> Any:
        (session,) = self.of("session")
        return session

    def at(self, moment: int) -> float:
        return (moment - self.zero) / 1000

    def cuts(self) -> list[tuple[float, str | None, str, str]]:
        found = [row for row in self.of("event") if row["kind"] == "cut"]
        return [(self.at(row["at"]), row.get("fromCameraId"), row["cameraId"], row["trigger"]) for row in found]

    def media(self) -> list[tuple[str, float, float, list[tuple[float, float]]]]:
        return [
            (
                file["path"],
                self.at(file["from"]),
                self.at(file["to"]),
                [(self.at(pause["from"]), self.at(pause["to"])) for pause in file.get("pauses", ())],
            )
            for file in self.session["media"]
        ]


@pytest.mark.parametrize("name", NAMES)
def test_a_tape_gives_its_entries_byte_for_byte(name: str) -> None:
    """A difference is a change of the history that people have: look at it before fixtures/make.py writes it."""
    assert Told(name).lines == (FOLDER / f"{name}.entries.jsonl").read_bytes().splitlines()


def test_a_collection_that_was_changed_before_the_recording_is_the_only_one_in_it() -> None:
    """Its scenes are the cameras, its program was on at the start; what was closed is nowhere."""
    told = Told("collection-before-recording")
    assert {row["cameraId"] for row in told.of("camera")} == {"Altar", "Choir"}
    assert told.session["startState"]["programCameraId"] == "Altar"
    assert told.session["source"]["collection"] == "B"
    assert told.cuts() == [(40.0, "Altar", "Choir", "unknown")]
    assert told.media() == [("/r/a.mkv", 10.02, 60.0, [])]
    assert told.at(told.session["completedAt"]) == 60.0


def test_a_collection_that_is_changed_in_a_recording_is_one_change_on_air() -> None:
    """By nobody's cut; the old cameras leave, the new ones join."""
    told = Told("collection-while-recording")
    assert told.cuts() == [(5.1, "Cam 1", "Altar", "collection_switch")]
    status = {row["cameraId"]: row["status"] for row in told.of("camera")}
    assert status == {"Cam 1": "offline", "Cam 2": "offline", "Altar": "online", "Choir": "online"}
    assert {told.at(row["leftAt"]) for row in told.of("camera") if "leftAt" in row} == {5.1}
    assert told.session["finalState"]["programCameraId"] == "Altar"
    assert told.session["source"]["collection"] == "A"


def test_scenes_of_another_canvas_are_no_cameras() -> None:
    """Whatever they are called: the camera of that name keeps its own."""
    told = Told("canvas-570")
    assert {row["cameraId"]: row["name"] for row in told.of("camera")} == {
        "Cam 1": "Cam 1",
        "Cam 2": "Cam 2",
        "Cam 3": "Cam 3",
    }
    assert all(row["status"] == "online" for row in told.of("camera"))
    assert told.cuts() == [
        (5.0, "Cam 1", "Cam 2", "unknown"),
        (7.0, "Cam 2", "Cam 1", "unknown"),
        (8.0, "Cam 1", "Cam 2", "unknown"),
    ]


def test_a_recording_that_is_split_has_each_file_with_its_times() -> None:
    """One ends where the next begins; the last where OBS begins to stop."""
    told = Told("split")
    assert told.media() == [
        ("/rec/a.mkv", 1.2, 10.0, []),
        ("/rec/b.mkv", 10.0, 20.0, []),
        ("/rec/c.mkv", 20.0, 30.0, []),
    ]
    assert told.session["title"] == "a"
    assert told.at(told.session["completedAt"]) == 30.0


def test_a_pause_is_in_the_file_s_own_clock() -> None:
    """What happened meanwhile is not in the file."""
    told = Told("pause")
    assert told.media() == [("/rec/a.mkv", 1.2, 30.0, [(10.0, 20.0)])]
    assert [cut[0] for cut in told.cuts()] == [5.0, 25.0]


def test_a_server_that_is_silent_at_first_is_heard_in_the_end() -> None:
    """It answers nothing for seven seconds, in the midst of a recording: that has its start, one gap, and its cuts."""
    told = Told("silent")
    assert told.session["status"] == "live"
    assert told.session["startState"]["programCameraId"] == "A"
    # Nine seconds had been recorded when it said so; until then nothing of the session was known.
    assert told.at(told.session["startedAt"]) == -2.004
    assert told.at(told.session["startState"]["at"]) == 7.062
    (gap,) = [row for row in told.of("event") if row["kind"] == "gap"]
    assert (told.at(gap["at"]), gap["detail"]["cause"]) == (0.009, "first sight")
    assert told.cuts() == [(10.011, "A", "B", "unknown"), (12.013, "B", "A", "unknown")]
    assert {row["cameraId"]: row["status"] for row in told.of("camera")} == {"A": "online", "B": "online"}


@pytest.mark.parametrize(
    ("name", "title", "path"),
    [
        ("mac", "2026-11-20 10-00-00", "/Users/z/Movies/2026-11-20 10-00-00.mov"),
        ("win", "2026-11-20 10-00-00 100%", "C:/Users/Zoë Müller/Videos/2026-11-20 10-00-00 100%.mkv"),
    ],
)
def test_a_file_gives_the_session_its_title_on_every_system(name: str, title: str, path: str) -> None:
    """Without folder and ending."""
    told = Told(name)
    assert told.session["title"] == title
    assert told.session["media"][0]["path"] == path
