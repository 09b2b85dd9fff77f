"""Made-up sessions for the exports, planned from a seed: rows as the ledger has them."""

from __future__ import annotations

import random
from typing import Any

from tap.core.merge import Row
from tap.core.model import Op

__all__ = ["KEY", "T0", "gap", "made_up", "row", "session"]

KEY = "hall/shoot-1"
T0 = 1_795_000_000_000
NAMES = ("Anna’s iPhone", "Steadicam <2>", "カメラ三", "=SUM(A1)", "Wide & close", "Wide & close", None, "x" * 300)


def row(op: Op, key: str, version: int = T0, **fields: Any) -> Row:
    return Row(f"{KEY}/{key}" if key else KEY, op, KEY, version, 0, fields)


def session(length_ms: int | None, start: dict[str, Any] | None = None, **fields: Any) -> Row:
    """The session's own row; a length of None: it still runs."""
    told = {"startedAt": T0, "title": "Zoë’s shoot", "startState": {"at": T0, **(start or {})}, **fields}
    if length_ms is None:
        return row("session", "", **told, status="live")
    return row("session", "", **told, status="complete", completedAt=T0 + length_ms)


def gap(at: int, length: int | None, before: str | None, after: str | None, number: int = 0) -> Row:
    sides = {
        "before": {} if before is None else {"programCameraId": before},
        "after": {} if after is None else {"programCameraId": after},
    }
    blind: dict[str, Any] = {} if length is None else {"durationMs": length}
    return row("event", f"gap/t/{number}", at, kind="gap", at=at, observedAt=at, detail=sides, **blind)


def _named(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"name": name}


def made_up(seed: int, cuts: int = 40, *, shortest_ms: int = 5) -> list[Row]:
    """A session of so many cuts: some shorter than a frame, dissolves (some longer than their shot), gaps, stills."""
    rng = random.Random(seed)
    cameras = [f"cam-{number}" for number in range(len(NAMES))]
    rows = [
        row("camera", f"camera/{camera}", cameraId=camera, joinedAt=T0, **_named(name))
        for camera, name in zip(cameras, NAMES, strict=True)
    ]
    live: str | None = rng.choice([None, cameras[0]])
    rows_start: dict[str, Any] = {} if live is None else {"programCameraId": live}
    at = T0
    for number in range(cuts):
        short, long = rng.randint(shortest_ms, shortest_ms + 60), rng.randint(500, 20_000)
        at += rng.choice((short, long, long))
        if rng.random() < 0.08:
            after = rng.choice(cameras)
            rows.append(gap(at, rng.randint(100, 400), live, after, number))
            live = after
            continue
        to = rng.choice([camera for camera in cameras if camera != live])
        mixed: dict[str, Any] = (
            {"transition": "dissolve", "durationMs": rng.randint(40, 3000)} if rng.random() < 0.3 else {}
        )
        origin: dict[str, Any] = {} if live is None else {"fromCameraId": live}
        told: dict[str, Any] = {"cameraId": to, "trigger": "operator", "transition": "cut", **mixed, **origin}
        rows.append(row("event", f"cut/{number}", at, kind="cut", at=at, observedAt=at, **told))
        live = to
        if rng.random() < 0.2:
            still = {"stillId": f"s{number}", "cameraId": to, "status": "captured", "capturedAt": at + 7}
            rows.append(row("still", f"still/{number}", at, **still))
    rows.append(session(at - T0 + rng.randint(200, 9000), rows_start))
    return rows
