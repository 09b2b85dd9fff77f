"""The load: what a control WebSocket carries, always the same. 95 % telemetry (0.4 to 4 KB), 4 % state, 1 % control.

One telemetry frame in a hundred has its type somewhere else than first, so that looking at the beginning is not enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import orjson

__all__ = ["SEED", "frames", "greeting"]

SEED = 9404
_START = 1_795_000_000_000
_TELEMETRY = ("pose", "pose", "pose", "device_stats", "preview_stats", "heartbeat", "hero_feed_ice")
_VARIANTS = 500


def frames(count: int, *, cameras: int = 8, control: float = 0.01, snapshots: float = 0.04) -> Iterator[bytes]:
    """``count`` frames, a millisecond apart by the server's clock."""
    rng = Random(SEED)  # noqa: S311 - the same each time
    telemetry = [_telemetry(rng, cameras) for _ in range(_VARIANTS)]
    shoot = _Shoot(rng, cameras)
    for number in range(count):
        shoot.now = _START + number
        chance = rng.random()
        if chance < control:
            yield shoot.control()
        elif chance < control + snapshots:
            yield shoot.snapshot()
        else:
            yield telemetry[rng.randrange(_VARIANTS)]


def greeting(cameras: int = 8) -> list[bytes]:
    """What a new connection hears first."""
    shoot = _Shoot(Random(SEED), cameras)  # noqa: S311 - the same each time
    hello = {"type": "hello", "server": "multicam-server", "version": "0.9", "boot_id": "bench", "ts": _START, "seq": 0}
    return [orjson.dumps(hello), shoot.snapshot()]


class _Shoot:
    def __init__(self, rng: Random, cameras: int) -> None:
        self.now = _START
        self._rng = rng
        self._seq = 0
        self._program = 0
        self._held = False
        self._cameras = [
            {
                "id": f"cam-{number}",
                "name": f"Camera {number}",
                "role": "guest",
                "device": "iPhone 17 Pro",
                "lens": "wide",
                "placement": {"label": f"table {number}"},
                "online": True,
            }
            for number in range(cameras)
        ]

    def control(self) -> bytes:
        """A cut; sometimes a hold, a release or a still."""
        chance = self._rng.random()
        if chance < 0.9:
            before, self._program = self._program, (self._program + 1) % max(len(self._cameras), 2)
            return self._frame(
                "cut",
                cut_id=f"cut-{self.now}",
                to=f"cam-{self._program}",
                trigger="operator",
                **{"from": f"cam-{before}"},
            )
        if chance < 0.95:
            self._held = not self._held
            return self._frame("hold", active=self._held, camera_id=f"cam-{self._program}", by="operator")
        return self._frame("still_requested", still_id=f"still-{self.now}", camera_ids=[f"cam-{self._program}"])

    def snapshot(self) -> bytes:
        """The whole state."""
        return self._frame(
            "state",
            mode="photoshoot",
            session={"id": "bench", "title": "Bench", "started_at": _START},
            program=f"cam-{self._program}",
            preview=None,
            hold={"active": self._held},
            cameras=self._cameras,
        )

    def _frame(self, kind: str, **fields: Any) -> bytes:
        self._seq += 1
        return orjson.dumps({"type": kind, "ts": self.now, "seq": self._seq, **fields})


def _telemetry(rng: Random, cameras: int) -> bytes:
    kind = rng.choice(_TELEMETRY)
    joints = [round(rng.uniform(-2, 2), 6) for _ in range(rng.randrange(40, 380))]
    body = {"camera_id": f"cam-{rng.randrange(cameras)}", "ts": _START, "values": joints}
    named = {"type": kind, **body} if rng.random() >= 0.01 else {**body, "type": kind}
    return orjson.dumps(named)
