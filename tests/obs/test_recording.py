"""131 seconds of a real OBS, held against what the operator did and what its own video shows."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.codec import entry_json, iso
from tap.core.model import Alive, Frame, SourceItem, Stamp
from tap.core.pipeline import Pipeline

FOLDER = Path(__file__).parents[2] / "fixtures" / "obs"
TAPE = FOLDER / "recording-1.jsonl.gz"
TRUTH = FOLDER / "frame-truth-1.jsonl"
OBS = load_dialect("obs")

NAMES = {"Wide|Weitwinkel": "Wide Größe", "Cam 4|Crane": "Cam 4", "Cam 5|Dach": "Cam 5"}
"""What the decoded pictures call a scene, and what its camera is called."""
MIXED = {"mix", "BLACK", "STINGER"}
PAUSED, RESUMED = 92.741, 95.002
"""Seconds of the tape between which the recording stood still, and its file with it."""
GAP = (74.494, 80.754)
NEAR = 0.060


def pipeline(checkpoint: bytes | None = None) -> Pipeline:
    return Pipeline(OBS, venue="local", tap="tape", checkpoint=checkpoint)


@cache
def items() -> list[SourceItem]:
    with open_tape(TAPE) as tape:
        return list(tape)


@cache
def entries() -> list[Any]:
    feeding = pipeline()
    return [orjson.loads(entry_json(entry)) for item in items() for entry in feeding.feed(item)]


def zero() -> float:
    """Wall seconds at the tape's zero."""
    with gzip.open(TAPE) as lines:
        first = orjson.loads(next(lines))
    return items()[0].stamp.wall / 1000 - float(first["t"])


def events(kind: str) -> list[dict[str, Any]]:
    return [entry["fields"] for entry in entries() if entry["op"] == "event" and entry["fields"]["kind"] == kind]


class OnAir(NamedTuple):
    """A change on air, in seconds of the tape: what was, what is, the last picture before and the first one after."""

    was: str
    camera: str
    last: float
    first: float


def on_air() -> Iterator[OnAir]:
    """The changes that the decoded video shows, from one whole picture to the next."""
    lines = TRUTH.read_bytes().splitlines()
    for _, group in itertools.groupby(map(orjson.loads, lines), key=lambda line: line["file"]):
        before: dict[str, Any] | None = None
        for line in group:
            if line["on_air"] in MIXED:
                continue
            if before is not None and before["on_air"] != line["on_air"]:
                was, camera = (NAMES.get(item["on_air"], item["on_air"]) for item in (before, line))
                yield OnAir(was, camera, at(before, "t_rec_last"), at(line, "t_rec_first"))
            before = line


def at(line: dict[str, Any], name: str) -> float:
    moment = float(line[name]) + float(line["t_record_started_event"])
    paused = line["t_record_started_event"] < PAUSED < moment
    return moment + RESUMED - PAUSED if paused else moment


def shown() -> list[OnAir]:
    """The changes that the events could show: not those while the client was away, or while the file stood still."""
    away = [change for change in on_air() if GAP[0] <= change.first <= GAP[1]]
    paused = [change for change in on_air() if change.last <= PAUSED <= RESUMED <= change.first + NEAR]
    assert [(change.was, change.camera) for change in away] == [("Cam 1", "Cam 3"), ("Cam 3", "Cam 2")]
    assert [(change.was, change.camera) for change in paused] == [("Cam 2", "Wide Größe")]
    return [change for change in on_air() if change not in away and change not in paused]


def test_the_tape_gives_its_entries_byte_for_byte() -> None:
    """A difference is a change of the history that people have."""
    feeding = pipeline()
    given = [entry_json(entry) for item in items() for entry in feeding.feed(item)]
    assert given == (FOLDER / "recording-1.entries.jsonl").read_bytes().splitlines()


def test_every_change_on_air_is_one_cut_and_none_is_invented() -> None:
    """Hard cuts within 60 ms of the picture, the others within the transition's own length."""
    cuts = [(cut["at"] / 1000 - zero(), cut) for cut in events("cut")]
    for change in shown():
        near = [item for item in cuts if fits(change, *item)]
        assert len(near) == 1, (change, near)
        cuts.remove(near[0])
    # What no picture shows: the change that the operator made while the recording was paused.
    ((when, cut),) = cuts
    assert PAUSED < when < RESUMED
    assert cut["cameraId"] == "Wide Größe"


def fits(change: OnAir, when: float, cut: dict[str, Any]) -> bool:
    if (cut["fromCameraId"], cut["cameraId"]) != (change.was, change.camera):
        return False
    if cut["transition"] == "cut":
        return abs(when - change.first) <= NEAR
    return bool(change.last - cut["durationMs"] / 1000 <= when <= change.first)


def test_the_transitions_have_their_names_and_lengths() -> None:
    """As they were set; a stinger's and a hand's at the T-bar as they were seen."""
    found = [(cut["transition"], cut["durationMs"]) for cut in events("cut") if "durationMs" in cut]
    assert found == [("Fade", 800)] * 9 + [("Stinger", 1185), ("Dip to Black", 600), ("Dip to Black", 1056)]


def test_both_recordings_are_sessions_with_their_files() -> None:
    """From STARTED to STOPPING, each as long as its file by the pictures in it, the pause aside."""
    rows = [fields for fields in {entry["key"]: entry["fields"] for entry in entries()}.values() if "media" in fields]
    assert [(row["status"], row["title"]) for row in rows] == [
        ("complete", "Shoot 2026-11-22 20-39-38"),
        ("complete", "Shoot 2026-11-22 20-41-26"),
    ]
    shown = [float(line["t_rec_last"]) for line in map(orjson.loads, TRUTH.read_bytes().splitlines())]
    lengths = [last for last, after in itertools.pairwise([*shown, 0.0]) if after < last]
    for row, length in zip(rows, lengths, strict=True):
        (file,) = row["media"]
        assert (file["from"], file["to"]) == (row["startedAt"], row["completedAt"])
        stood = sum(pause["to"] - pause["from"] for pause in file.get("pauses", ()))
        assert (file["to"] - file["from"] - stood) / 1000 == pytest.approx(length, abs=0.2)
    (pause,) = rows[0]["media"][0]["pauses"]
    assert [moment / 1000 - zero() for moment in (pause["from"], pause["to"])] == pytest.approx(
        [PAUSED, RESUMED], abs=0.01
    )
    starts = [row["startedAt"] / 1000 - zero() for row in rows]
    assert starts == pytest.approx([2.833, 110.684], abs=0.01)


def test_what_the_operator_marked_is_marked() -> None:
    """An event of the operator's own, and a replay that was saved, with what was on air."""
    first, second = events("marker")
    assert (first["detail"], first["cameraId"]) == ({"label": "good take", "source": "custom event"}, "Wide Größe")
    assert (second["detail"]["source"], second["cameraId"]) == ("replay buffer", "Cam 4")
    assert second["detail"]["label"] == "Replay Shoot 2026-11-22 20-41-35.mkv"


def test_the_drop_is_a_gap_and_the_operator_s_other_doings_are_there() -> None:
    """Modes, a still, a scene that was made, renamed and removed."""
    (gap,) = events("gap")
    assert gap["at"] / 1000 - zero() == pytest.approx(GAP[1], abs=0.01)
    assert gap["detail"]["before"] == {"programCameraId": "Cam 1", "mode": "normal"}
    assert gap["detail"]["after"] == {"programCameraId": "Cam 2", "mode": "normal"}
    assert [event["detail"]["to"] for event in events("mode_change")] == ["studio", "normal", "paused", "normal"]
    (still,) = events("still_capture")
    assert still["cameraId"] == "Cam 1"
    cameras = {entry["key"]: entry["fields"] for entry in entries() if entry["op"] == "camera"}
    (roof,) = [row for row in cameras.values() if row["cameraId"] == "Cam 5"]
    assert (roof["name"], roof["status"]) == ("Cam 5 Roof", "offline")
    assert len(cameras) == 7 + 6, "the other collection, between the recordings, is in neither"


def test_a_prefix_of_the_tape_gives_a_prefix_of_the_entries() -> None:
    """Nothing is taken back, whatever comes later."""
    whole = entries()
    for end in range(0, len(items()), 97):
        feeding = pipeline()
        given = [orjson.loads(entry_json(entry)) for item in items()[:end] for entry in feeding.feed(item)]
        assert given == whole[: len(given)]


def test_a_checkpoint_between_any_two_frames_changes_nothing() -> None:
    """All that the reader remembers is in it."""
    feeding, given = pipeline(), []
    for number, item in enumerate(items()):
        given += [orjson.loads(entry_json(entry)) for entry in feeding.feed(item)]
        if number % 7 == 0 or (isinstance(item, Frame) and b"Program" in item.data):
            feeding = pipeline(feeding.checkpoint())
    assert given == entries()


@pytest.mark.parametrize("late", [0, 3, 40])
def test_the_timers_of_a_live_run_give_the_same_as_a_replay_without_any(late: int) -> None:
    """Live, a timer goes off when something is due, or somewhat later; on a tape the next line is all there is."""
    feeding, given = pipeline(), []
    for item in items():
        while (due := feeding.deadline()) is not None and due + late < item.stamp.mono:
            wall = item.stamp.wall - (item.stamp.mono - due - late)
            given += [orjson.loads(entry_json(entry)) for entry in feeding.feed(Alive(Stamp(wall, due + late)))]
        given += [orjson.loads(entry_json(entry)) for entry in feeding.feed(item)]
    assert given == entries()


def test_msgpack_on_a_tape_is_refused_in_words(tmp_path: Path) -> None:
    """By replay, which reads on."""
    line = {"t": 1.0, "wall": iso(1_795_000_000_000), "dir": "in", "data64": "gqJvcAWhZIA="}
    tape = tmp_path / "msgpack.jsonl"
    tape.write_bytes(orjson.dumps(line) + b"\n")
    feeding = pipeline()
    with open_tape(tape) as lines:
        assert not [entry for item in lines for entry in feeding.feed(item)]
    (sample,) = feeding.tally.samples
    assert "msgpack" in sample.reason
    assert "record again" in sample.reason
