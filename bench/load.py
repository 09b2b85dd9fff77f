"""The load: what a control WebSocket carries, always the same. 95 % telemetry (0.4 to 4 KB), 4 % state, 1 % control.

One telemetry frame in a hundred has its type somewhere else than first, so that looking at the beginning is not enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Literal, TypeAlias

import orjson

__all__ = ["SEED", "Load", "Section", "frames", "greeting"]

SEED = 9404
_START = 1_795_000_000_000
_TELEMETRY = ("pose", "pose", "pose", "device_stats", "preview_stats", "heartbeat", "hero_feed_ice")
_VARIANTS = 500
_CONTROL = 0.01
_SNAPSHOTS = 0.04
_BUSY_EVERY = 25

Section: TypeAlias = tuple[Literal["mixed", "busy", "telemetry", "cuts", "snapshots"], int]
"""So many frames of a kind."""


class Load:
    """One shoot, told frame by frame, always the same.

    The server's clock goes on by a millisecond every ``frames_a_ms`` frames. It should go about as fast as the frames
    are sent: a clock that runs a hundred times too fast is no server's, and looks as if it was set again and again.
    """

    def __init__(self, cameras: int = 8, frames_a_ms: int = 1) -> None:
        self._frames_a_ms = frames_a_ms
        self._rng = Random(SEED)  # noqa: S311 - the same each time
        self._telemetry = [_telemetry(self._rng, cameras) for _ in range(_VARIANTS)]
        self._shoot = _Shoot(self._rng, cameras)
        self._number = 0

    def sections(self, sections: Iterable[Section]) -> Iterator[bytes]:
        """One after the other, in one shoot."""
        for kind, count in sections:
            yield from {
                "mixed": self.mixed,
                "busy": self.busy,
                "telemetry": self.telemetry,
                "cuts": self.cuts,
                "snapshots": self.snapshots,
            }[kind](count)

    def mixed(self, count: int) -> Iterator[bytes]:
        """What a control WebSocket carries."""
        for _ in self._ticks(count):
            yield self._frame()

    def busy(self, count: int) -> Iterator[bytes]:
        """The same, but one frame in 25 is a cut: far more than a director makes, so that many are measured.

        Any of the 25: at even distances, all cuts of a few seconds would fall on the same moment of what a listener
        does at even distances, and a round would differ from the next by that moment alone.
        """
        cut = 0
        for number, _ in enumerate(self._ticks(count)):
            if number % _BUSY_EVERY == 0:
                cut = number + self._rng.randrange(_BUSY_EVERY)
            yield self._shoot.cut() if number == cut else self._frame()

    def telemetry(self, count: int) -> Iterator[bytes]:
        """Nothing that is history."""
        for _ in self._ticks(count):
            yield self._telemetry[self._rng.randrange(_VARIANTS)]

    def cuts(self, count: int) -> Iterator[bytes]:
        """Nothing else."""
        for _ in self._ticks(count):
            yield self._shoot.cut()

    def snapshots(self, count: int) -> Iterator[bytes]:
        """The whole state, again and again."""
        for _ in self._ticks(count):
            yield self._shoot.snapshot()

    def _frame(self) -> bytes:
        chance = self._rng.random()
        if chance < _CONTROL:
            return self._shoot.control()
        if chance < _CONTROL + _SNAPSHOTS:
            return self._shoot.snapshot()
        return self._telemetry[self._rng.randrange(_VARIANTS)]

    def _ticks(self, count: int) -> Iterator[None]:
        for _ in range(count):
            self._shoot.now = _START + self._number // self._frames_a_ms
            self._shoot.id = _START + self._number
            self._number += 1
            yield


def frames(count: int, *, cameras: int = 8) -> Iterator[bytes]:
    """The first ``count`` frames of the load."""
    return Load(cameras).mixed(count)


def greeting(cameras: int = 8) -> list[bytes]:
    """What a new connection hears first."""
    shoot = _Shoot(Random(SEED), cameras)  # noqa: S311 - the same each time
    hello = {"type": "hello", "server": "multicam-server", "version": "0.9", "boot_id": "bench", "ts": _START, "seq": 0}
    return [orjson.dumps(hello), shoot.snapshot()]


class _Shoot:
    def __init__(self, rng: Random, cameras: int) -> None:
        self.now = self.id = _START
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
            return self.cut()
        if chance < 0.95:
            self._held = not self._held
            return self._frame("hold", active=self._held, camera_id=f"cam-{self._program}", by="operator")
        return self._frame("still_requested", still_id=f"still-{self.id}", camera_ids=[f"cam-{self._program}"])

    def cut(self) -> bytes:
        """To the next camera."""
        before, self._program = self._program, (self._program + 1) % max(len(self._cameras), 2)
        return self._frame(
            "cut",
            cut_id=f"cut-{self.id}",
            to=f"cam-{self._program}",
            trigger="operator",
            **{"from": f"cam-{before}"},
        )

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
