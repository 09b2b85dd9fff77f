"""A seeded shoot on a real OBS, tapped by the real service, held against OBS's own video and what the operator did.

``make test-obs`` runs it; ``make test-obs SEEDS=1,2,3`` runs others. See ``shoot.py`` for what happens in one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tap.core.codec import entry_json
from tap.core.model import Entry
from tap.service.flight import segments
from tap.service.replay import Replay
from tests.obs.judge import judge
from tests.obs.shoot import VENUE, Log, Tap
from tests.obs.studio import PASSWORD, in_namespace, missing

pytestmark = [pytest.mark.obs, pytest.mark.timeout(600)]

SEEDS = [int(seed) for seed in os.environ.get("OBS_SEEDS", "1").split(",")]
_SHOOT_S = 420


class Shot:
    """A shoot that is over."""

    def __init__(self, seed: int, root: Path) -> None:
        self.seed = seed
        self.root = root
        self.log = msgspec.json.decode((root / "log.json").read_bytes(), type=Log)
        self.tap = Tap(root, {})
        self.entries: list[Entry] = self.tap.entries()

    def rows(self, op: str) -> list[dict[str, Any]]:
        """The last of each row."""
        last = {entry.key: entry for entry in self.entries if entry.op == op}
        return [{**entry.fields, "sessionKey": entry.session_key} for entry in last.values()]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows("event") if row["kind"] == kind]


@pytest.fixture(scope="module", params=SEEDS)
def shot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scores: list[str]) -> Shot:
    why = missing()
    if why is not None:
        scores.append(f"skipped: {why}")
        pytest.skip(why)
    root = tmp_path_factory.mktemp(f"shoot-{request.param}")
    command = [sys.executable, "-m", "tests.obs.shoot", "--root", str(root), "--seed", str(request.param)]
    done = subprocess.run(in_namespace(command), capture_output=True, text=True, check=False, timeout=_SHOOT_S)
    tails = {name: _tail(root / name) for name in ("tap.log", "obs.log")}
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{tails}"
    return Shot(request.param, root)


def _tail(path: Path) -> str:
    return path.read_text("utf-8", "replace")[-1500:] if path.exists() else "(none)"


def test_every_change_on_air_is_one_cut_and_none_is_invented(shot: Shot, scores: list[str]) -> None:
    """Hard cuts within 60 ms of the picture, others within their transition; each recording is one session."""
    verdict = judge(shot.log, shot.entries)
    scores.append(f"seed {shot.seed}: {verdict.words()}")
    assert not verdict.wrong, "\n".join(verdict.wrong)
    assert verdict.matched == verdict.changes >= 25
    assert verdict.hard


def test_what_the_operator_did_is_there(shot: Shot) -> None:
    """Modes, the still, and the scene that was made, renamed and removed."""
    modes = Counter((event["detail"]["from"], event["detail"]["to"]) for event in shot.events("mode_change"))
    assert modes == {
        ("normal", "studio"): 1,
        ("studio", "normal"): 2,
        ("normal", "paused"): 1,
        ("paused", "normal"): 1,
    }
    (still,) = shot.rows("still")
    assert (still["status"], still["cameraId"]) == ("captured", still["programCameraId"])
    (made,) = [row for row in shot.rows("camera") if row["cameraId"].startswith("Dach ")]
    assert made["name"].startswith(f'{made["cameraId"]} "neu" ää')
    assert made["status"] == "offline"
    switches = [cut for cut in shot.events("cut") if cut.get("detail", {}).get("trigger") == "collection_switch"]
    assert len(switches) == 2


def test_who_comes_late_or_is_cut_off_says_so(shot: Shot) -> None:
    """A first sight in the middle of a fade with studio mode on, and a kill: a gap each, and nothing made up."""
    gaps = sorted(shot.events("gap"), key=lambda gap: gap["at"])
    assert [gap["detail"]["cause"] for gap in gaps] == ["first sight", "connection"]
    first = min(shot.rows("session"), key=lambda row: row["startedAt"])
    assert first["startState"]["programCameraId"] == shot.log.scenes[2]
    assert first["startState"]["mode"] == "studio"
    statuses = Counter(row["status"] for row in shot.rows("session"))
    assert statuses == {"complete": 3, "interrupted": 1}


def test_the_flight_recorder_s_tapes_give_the_same_history(shot: Shot) -> None:
    """Byte for byte, whatever the timers of the live run did; and no secret is on them."""
    tapes = segments(shot.tap.state / "tapes")
    with Replay(tapes, dialect=None, venue=lambda: VENUE) as replay:
        replayed = [entry_json(entry) for entry in replay]
    assert replayed == [entry_json(entry) for entry in shot.entries]
    text = "".join(tape.read_text("utf-8") for tape in tapes)
    assert '"dir":"out"' in text
    assert PASSWORD not in text
    assert '\\"challenge\\"' not in text
    assert PASSWORD not in (shot.root / "tap.log").read_text("utf-8")


def test_check_tells_a_right_password_from_a_wrong_one(shot: Shot) -> None:
    """By what OBS itself says to it."""
    (right,) = shot.log.checks["right"]
    assert right["result"] in {"ok", "note"}, right
    assert "understood" in right["found"]
    (wrong,) = shot.log.checks["wrong"]
    assert wrong["result"] == "failed"
    assert "refuses the password" in wrong["found"]


def test_the_ledger_holds_what_the_journal_says(shot: Shot) -> None:
    """Four sessions, each as it ended."""
    if shot.log.ledger is None:
        pytest.skip("the local ledger needs node and its packages: cd convex && npm ci")
    ledger = {row["sessionKey"]: (row["status"], row.get("media")) for row in shot.log.ledger}
    assert ledger == {row["sessionKey"]: (row["status"], row.get("media")) for row in shot.rows("session")}
