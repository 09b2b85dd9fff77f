"""What OBS recorded, cut by every format's own in and out points: each piece shows what the operator had put on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tap.core.merge import Row, fold
from tests.obs.edit import FORMATS, Cutting, judge_edit, turns_of
from tests.obs.installed import debian, in_namespace, missing
from tests.obs.shoot import Log, Tap

pytestmark = [pytest.mark.obs, pytest.mark.timeout(600)]

SEEDS = [int(seed) for seed in os.environ.get("OBS_SEEDS", "1").split(",")]
_SHOOT_S = 300


@pytest.fixture(scope="module", params=SEEDS)
def shoot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scores: list[str]) -> Path:
    why = missing() or debian().why
    if why is not None:
        scores.append(f"skipped: {why}")
        pytest.skip(why)
    root = tmp_path_factory.mktemp(f"edit-{request.param}")
    command = [sys.executable, "-m", "tests.obs.edit_shoot", "--root", str(root), "--seed", str(request.param)]
    done = subprocess.run(in_namespace(command), capture_output=True, text=True, check=False, timeout=_SHOOT_S)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return root


def test_every_piece_shows_what_was_put_on(shoot: Path, scores: list[str]) -> None:
    """The first picture of each hard cut, in every format; ends and fades within a picture or two."""
    log = msgspec.json.decode((shoot / "log.json").read_bytes(), type=Log)
    total = Cutting()
    for rows, turns in _sessions(shoot, log):
        for format_name in FORMATS:
            judge_edit(rows, log, turns, format_name, total)
    scores.append(f"edit, {shoot.name}: {total.words()}")
    assert total.pieces > 100
    assert not total.wrong, "\n".join(total.wrong)
    ends = sum(total.late.values())
    assert max(total.late) <= 2
    assert total.late[0] + total.late[1] >= 0.95 * ends
    assert total.fades
    assert all(abs(off) <= 1 for off in total.fades)


def _sessions(root: Path, log: Log) -> Iterator[tuple[list[Row], list[Any]]]:
    rows = list(fold(iter(Tap(root, {}).entries())).values())
    told = _recordings(log)
    own = sorted((row for row in rows if row.op == "session"), key=lambda row: int(row.fields["startedAt"]))
    assert len(own) == len(told)
    for session, (began, ended) in zip(own, told, strict=True):
        first = session.fields["startState"]["programCameraId"]
        yield (
            [row for row in rows if row.session_key == session.key],
            turns_of(log, began, ended, first),
        )


def _recordings(log: Log) -> list[tuple[int, int]]:
    """From when to when OBS told of each recording."""
    found: list[tuple[int, int]] = []
    began = 0
    for at, kind, data in log.events:
        state = str(data.get("outputState", "")).removeprefix("OBS_WEBSOCKET_OUTPUT_")
        if kind == "RecordStateChanged" and state == "STARTED":
            began = at
        elif kind == "RecordStateChanged" and state == "STOPPING":
            found.append((began, at))
    return found
