"""The ways of a server: each is seen in its frames, and a plain server is as it always was."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tap.core.errors import UsageInvalid
from tap.rehearsal.performance import perform, shoot_to_tape
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.simulator import SimulatorOptions
from tap.rehearsal.truth import Heard
from tap.rehearsal.ways import CHOICES, PLAIN, WAYS, Ways, drawn, parsed, written
from tap.rehearsal.world import random_source

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "multicam-1"
Frame = dict[str, Any]


def heard(ways: str, *faults: str, sessions: int = 2, seed: int = 3) -> list[tuple[Heard, Frame]]:
    """Every frame of a shoot, with its message."""
    shoot = plan_shoot(seed, cameras=4, length_s=40, sessions=sessions, faults=faults, ways=parsed(ways))
    found = []
    for item in perform(shoot):
        if isinstance(item, Heard):
            value = json.loads(item.data)
            found += [(item, frame) for frame in (value if isinstance(value, list) else [value])]
    return found


def frames(ways: str, *faults: str, sessions: int = 2, seed: int = 3) -> list[Frame]:
    return [frame for _, frame in heard(ways, *faults, sessions=sessions, seed=seed)]


def of(kind: str, found: list[Frame]) -> list[Frame]:
    return [frame for frame in found if frame["type"] == kind]


def _times(found: list[Frame]) -> list[int]:
    return [frame["ts"] for frame in found]


def _falls(numbers: list[int]) -> int:
    return sum(later < one for one, later in pairwise(numbers))


def _steps(ways: str) -> list[int]:
    """How far the server's clock moved beyond what the receiver's did, from frame to frame."""
    found = [(item.wall, frame["ts"]) for item, frame in heard(ways)]
    return [later - one - (wall - before) for (before, one), (wall, later) in pairwise(found)]


SHOWN: dict[str, Callable[[], bool]] = {
    "ts=seconds": lambda: all(ts < 1e11 for ts in _times(frames("ts=seconds"))),
    "ts=iso": lambda: all(len(frame["ts"]) == len("2026-11-18T11:06:40Z") for frame in frames("ts=iso")),
    "ts=none": lambda: all(not {"ts", "taken_at", "started_at"} & frame.keys() for frame in frames("ts=none")),
    "clock=back5": lambda: min(_steps("clock=back5")) < -4_900,
    "clock=on5": lambda: max(_steps("clock=on5")) > 4_900,
    "clock=back60": lambda: min(_steps("clock=back60")) < -59_000,
    "clock=on60": lambda: max(_steps("clock=on60")) > 59_000,
    "clock=on3600": lambda: max(_steps("clock=on3600")) > 3_590_000,
    "seq=connection": lambda: (
        [f["seq"] < 9 for f in of("hello", frames("seq=connection", "reconnect"))].count(False) == 0
    ),
    "seq=type": lambda: _falls(_seqs("seq=type")) > 20 and _falls(_seqs("seq=type", "state")) == 0,
    "seq=none": lambda: all("seq" not in frame for frame in frames("seq=none")),
    "seq=wrapping": lambda: _falls(_seqs("seq=wrapping")) > 1,
    "seq=silent": lambda: _falls(_seqs("seq=silent")) == 1,
    "boot=kept": lambda: len({frame["boot_id"] for frame in of("hello", frames("boot=kept", "restart_kept"))}) == 1,
    "ids=unique": lambda: _ids("unique", "restart_kept") == "once",
    "ids=boot": lambda: _ids("boot", "restart_kept") == "again",
    "ids=session": lambda: _ids("session") == "again",
    "ids=none": lambda: not any({"cut_id", "still_id", "moment_id"} & frame.keys() for frame in frames("ids=none")),
    "history=last100": lambda: _told_again("last100") > 5,
    "history=last1000": lambda: _told_again("last1000") > 5,
    "retold=renumbered": lambda: _renumbered() > 5,
    "hello=often": lambda: len(of("hello", frames("hello=often"))) > 5,
    "stall=tap": lambda: max(_together("tap")) > 3,
    "stall=both": lambda: max(_together("both")) > 3 and _longest("stall=both") > 25_000,
    "stall=server": lambda: _longest("stall=server") > 25_000,
    "batch=ordered": lambda: sum(str(item.data).startswith("[") for item, _ in heard("batch=ordered")) > 20,
    "batch=shuffled": lambda: _backward("batch=shuffled") > 3 and _backward("batch=ordered") == 0,
    "keys=shuffled": lambda: len({tuple(frame) for frame in of("state", frames("keys=shuffled"))}) > 20,
    "ties=together": lambda: _ties("ties=together") > 1 and _ties("") == 0,
    "dissolve=old": lambda: _within_dissolves("old") > 0,
    "dissolve=none": lambda: _within_dissolves("none") > 0,
    "dark=fade": lambda: any(
        frame["to"] is None and frame.get("duration_ms") for frame in of("cut", frames("dark=fade"))
    ),
    "dark=silent": lambda: all(frame["to"] is not None for frame in of("cut", frames("dark=silent"))),
    "dark=dead": lambda: all(frame["to"] is not None for frame in of("cut", frames("dark=dead"))),
    "nothing=empty": lambda: _nothing("empty") == {"{}"},
    "nothing=empty_id": lambda: _nothing("empty_id") == {'{"id": ""}'},
    "nothing=null_id": lambda: _nothing("null_id") == {'{"id": null}'},
    "nothing=false": lambda: _nothing("false") == {"false"},
    "uploads=late": lambda: _slowest("uploads=late") > _slowest("") + 5_000,
    "marks=yes": lambda: len(of("marker", frames("marks=yes"))) > 1,
}
"""For each word that is not plain: what shows it."""


def _seqs(ways: str, kind: str | None = None) -> list[int]:
    return [frame["seq"] for frame in frames(ways) if kind in (None, frame["type"])]


def _ids(way: str, *faults: str) -> str:
    cuts = [frame["cut_id"] for frame in of("cut", frames(f"ids={way}", *faults)) if "cut_id" in frame]
    return "once" if len(set(cuts)) == len(cuts) else "again"


def _told_again(way: str) -> int:
    texts = [json.dumps(frame) for frame in frames(f"history={way}", "reconnect") if frame["type"] != "state"]
    return len(texts) - len(set(texts))


def _renumbered() -> int:
    cuts = of("cut", frames("history=last1000,retold=renumbered", "reconnect"))
    told = [(frame["ts"], frame["to"], frame.get("cut_id")) for frame in cuts]
    assert len({frame["seq"] for frame in cuts}) == len(cuts)
    return len(told) - len(set(told))


def _walls(ways: str) -> list[int]:
    return [item.wall for item, _ in heard(ways)]


def _longest(ways: str) -> int:
    return max(later - one for one, later in pairwise(_walls(ways)))


def _together(way: str) -> list[int]:
    walls = _walls(f"stall={way}")
    return [walls.count(wall) for wall in set(walls)]


def _backward(ways: str) -> int:
    return _falls(_seqs(ways))


def _ties(ways: str) -> int:
    cuts = _times(of("cut", frames(ways)))
    return len(cuts) - len(set(cuts))


def _within_dissolves(way: str) -> int:
    """How many states show the old camera, or none, after the cut away from it."""
    found, count = frames(f"dissolve={way}"), 0
    for cut, state in pairwise(found):
        long = cut["type"] == "cut" and cut.get("duration_ms") and state["type"] == "state"
        count += bool(long and state["program"] == (cut["from"] if way == "old" else None) != cut["to"])
    return count


def _nothing(way: str) -> set[str]:
    """What states before and after a session say of it."""
    states = of("state", frames(f"nothing={way}"))
    return {json.dumps(frame["session"]) for frame in states if not (frame["session"] or {}).get("title")}


def _slowest(ways: str) -> int:
    asked: dict[str, int] = {}
    slowest = 0
    for frame in frames(ways):
        if frame["type"] == "still_requested":
            asked[frame["still_id"]] = frame["ts"]
        elif frame["type"] == "still_uploaded":
            slowest = max(slowest, frame["ts"] - asked[frame["still_id"]])
    return slowest


@pytest.mark.parametrize("way", [f"{name}={word}" for name, words in CHOICES.items() for word in words[1:]])
def test_a_way_that_is_asked_for_is_seen(way: str) -> None:
    """No way is there only by name."""
    assert SHOWN[way]()


def test_a_plain_server_is_as_it_was() -> None:
    """Ways that are all plain give the same bytes as none, and the tapes that were made before there were any."""
    shoot = plan_shoot(102, cameras=3, length_s=20, faults=["all"], ways=Ways())
    lines = "".join(shoot_to_tape(shoot, venue="fixtures"))
    assert lines == (FIXTURES / "a-whole-shoot-with-all-faults.tape.jsonl").read_text("utf-8")


def test_ways_are_written_as_they_are_read() -> None:
    """Only what is not plain is written."""
    assert written(PLAIN) == ""
    for seed in range(50):
        ways = drawn(random_source(seed, "test"))
        assert parsed(written(ways)) == ways
    assert WAYS.keys() == CHOICES.keys()
    assert all(getattr(PLAIN, name) == words[0] for name, words in CHOICES.items())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("tz=utc", "has no 'tz'; known: ts, clock"),
        ("ts=days", "ts is 'days'; allowed: ms, seconds"),
        ("ts", "ts is ''"),
    ],
)
def test_ways_that_cannot_be_are_refused(text: str, wrong: str) -> None:
    """The message says what is wrong and what is allowed."""
    with pytest.raises(ValueError, match=wrong):
        parsed(text)


def test_a_made_up_server_has_ways_of_its_own() -> None:
    with pytest.raises(UsageInvalid, match="leave out"):
        SimulatorOptions(style="nested", ways=parsed("ts=none"))
