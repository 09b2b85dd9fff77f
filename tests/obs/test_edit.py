"""What OBS recorded, cut by every format's own in and out points: each piece shows what the operator had put on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tap.core.merge import Row, fold
from tests.obs.edit import FORMATS, Cutting, judge_edit
from tests.obs.installed import current, debian, in_namespace, missing
from tests.obs.shoot import Log, Tap

pytestmark = [pytest.mark.obs, pytest.mark.timeout(1200)]

SEEDS = [int(seed) for seed in os.environ.get("OBS_SEEDS", "1").split(",")]
_SHOOTS = [(which, seed) for which in ("installed", "current") for seed in SEEDS]
_SHOOT_S = 900
_PIECES, _CUTS, _FADES = 49, 36, 4
"""Of the three recordings together: a seed says when and which scenes, not how many."""


@pytest.fixture(scope="module", params=_SHOOTS, ids=[f"{which}-{seed}" for which, seed in _SHOOTS])
def shoot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scores: list[str]) -> Path:
    which, seed = request.param
    obs = {"installed": debian, "current": current}[which]() if missing() is None else None
    why = missing() if obs is None else obs.why
    if obs is None or why is not None:
        words = f"the {which} OBS is skipped: {why}"
        scores += [] if words in scores else [words]
        pytest.skip(words)
    root = tmp_path_factory.mktemp(f"edit-{which}-{seed}")
    command = [sys.executable, "-m", "tests.obs.edit_shoot", "--root", str(root), "--seed", str(seed)]
    command += [] if obs.root is None else ["--chroot", str(obs.root)]
    done = subprocess.run(in_namespace(command), capture_output=True, text=True, check=False, timeout=_SHOOT_S)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return root


def test_every_piece_shows_what_was_put_on(shoot: Path, scores: list[str]) -> None:
    """Whatever the machine was doing meanwhile: no shoot and no cut is left out.

    A hard cut lies within one picture of the first that shows it: OBS's word of when a recording started is up to
    one off. It lies further behind by no more pictures than OBS told of it later than of the others between the
    same pauses, by when the event came and what the pictures show; half a picture late is not late. A fade begins
    within one picture of where OBS began it: OBS tells of it when it is asked for, and shows it from its next
    picture on. No piece reaches beyond its file, and all show, one after the other, what the operator had put on.

    Where OBS itself says that it could not write some pictures of a recording (its encoder was too slow), the file has
    others in their place: there each cut may be off by as many. Where it could not draw some in time, its words of
    start and stop may come pictures late, and the number of pictures in the file decides nothing: off by one.
    """
    log = msgspec.json.decode((shoot / "log.json").read_bytes(), type=Log)
    total = Cutting()
    lacking = _lacking(shoot)
    for rows, (unwritten, undrawn) in zip(_sessions(shoot, log), lacking, strict=True):
        for format_name in FORMATS:
            judge_edit(rows, log, format_name, total, unwritten + bool(undrawn))
    unwritten, undrawn = (sum(lacks) for lacks in zip(*lacking, strict=True))
    words = f"; OBS could not write {unwritten} pictures, nor draw {undrawn}" if unwritten + undrawn else ""
    scores.append(f"edit, OBS {log.versions[0]}, {shoot.name}: {total.words()}{words}")
    assert not total.wrong, "\n".join(total.wrong)
    assert total.pieces == _PIECES * len(FORMATS)
    if not unwritten:
        assert sum(total.cuts.values()) == _CUTS * len(FORMATS)
        assert sum(total.fades.values()) == _FADES * len(FORMATS)
    assert all(abs(off) <= 1 + unwritten + bool(undrawn) for off in total.fades), total.words()


def _sessions(root: Path, log: Log) -> Iterator[list[Row]]:
    """The rows of each session as the tap kept them."""
    rows = list(fold(iter(Tap(root, {}).entries())).values())
    own = sorted((row for row in rows if row.op == "session"), key=lambda row: int(row.fields["startedAt"]))
    assert len(own) == sum(_state(kind, data) == "STARTED" for _, kind, data in log.events) == 3
    for session in own:
        yield [row for row in rows if row.session_key == session.key]


def _lacking(root: Path) -> list[tuple[int, int]]:
    """How many pictures of each recording OBS says that it could not encode, and could not draw, in time."""
    recordings = (root / "obs.log").read_text("utf-8", "replace").split("Recording Start ===")[1:]
    encoding, rendering = r"skipped frames due to encoding lag: (\d+)/", r"lagged frames due to rendering \S+ (\d+)"
    return [
        (sum(map(int, re.findall(encoding, part))), sum(map(int, re.findall(rendering, part)))) for part in recordings
    ]


def _state(kind: str, data: dict[str, Any]) -> str:
    told = str(data.get("outputState", "")) if kind == "RecordStateChanged" else ""
    return told.removeprefix("OBS_WEBSOCKET_OUTPUT_")
