"""The judge of a shoot: an event that came late to the tap alone excuses what the tap dates by it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tap.core.model import Entry
from tests.obs.edit import Shown, fade_begins
from tests.obs.judge import judge
from tests.obs.shoot import Log

T0 = 1_795_900_000_000
_START, _END = "OBS_WEBSOCKET_OUTPUT_STARTED", "OBS_WEBSOCKET_OUTPUT_STOPPING"


def _state(at: int, state: str, path: Path) -> tuple[int, str, dict[str, Any]]:
    return at, "RecordStateChanged", {"outputState": state, "outputPath": str(path)}


def _program(at: int) -> tuple[int, str, dict[str, Any]]:
    return at, "CurrentProgramSceneChanged", {"sceneName": "A"}


def _wrong(tmp_path: Path, *, started: int, came: int, cut_came: int = 0) -> list[str]:
    """What is wrong with a session that starts at ``started``, if the event came to the tap at ``came``; ms late."""
    file = tmp_path / "1.mkv"
    told = [_state(T0, _START, file), _program(T0 + 1_000), _program(T0 + 2_000), _state(T0 + 3_000, _END, file)]
    heard = [
        _state(T0 + came, _START, file),
        _program(T0 + 1_000 + cut_came),
        _program(T0 + 2_000 + cut_came),
        _state(T0 + 3_000, _END, file),
    ]
    log = Log(scenes=["A"], names={"A": "A"}, events=told, tap_started=T0 - 60_000)
    media = {"path": str(file), "from": T0 + started, "to": T0 + 3_000, "rate": 30, "width": 320, "height": 180}
    fields = {"status": "complete", "startedAt": T0 + started, "completedAt": T0 + 3_000, "media": [media]}
    fields["source"] = {"profile": "P", "collection": "C"}
    session = Entry("v/s", "session", "v/s", 1, fields)
    # There is no video: what the pictures would say is left out.
    return [words for words in judge(log, [session], heard).wrong if "shows nothing" not in words]


def test_a_start_at_the_time_at_which_it_came_late_is_right(tmp_path: Path) -> None:
    assert _wrong(tmp_path, started=196, came=196) == []


@pytest.mark.parametrize("came", [0, 20, 190])
def test_a_start_at_any_other_time_is_wrong(tmp_path: Path, came: int) -> None:
    wrong = _wrong(tmp_path, started=196, came=came)
    assert [words.partition(" starts ")[2] for words in wrong] == ["196 ms off", "196 ms off"]


def test_a_tap_to_which_all_comes_late_is_wrong(tmp_path: Path) -> None:
    """Only a busy machine is excused, not a tap that is slow."""
    assert _wrong(tmp_path, started=0, came=0, cut_came=50) == []
    assert _wrong(tmp_path, started=0, came=0, cut_came=80) == [
        "events come to the tap 80 ms later than to another client"
    ]


@pytest.mark.parametrize("undrawn", [0, 1, 5, 13])
def test_a_fade_begins_where_it_can_be_seen_first(undrawn: int) -> None:
    """In place of pictures that OBS could not draw in time the last one is there again, and the next one comes late."""

    def share(frame: int) -> float:
        drawn = 100 if 100 < frame <= 100 + undrawn else frame + 0.4 * (frame == 101 + undrawn)
        return min(1.0, max(0.0, (drawn - 99.4) / 18))

    colours = [(200 - 150 * share(frame), 210 - 170 * share(frame), 50 + 140 * share(frame)) for frame in range(200)]
    scenes = ["A" if share(frame) < 0.2 else "B" if share(frame) > 0.8 else None for frame in range(200)]
    assert abs(fade_begins(Shown(scenes, colours), 100, "B") - 100) <= 1
