"""Made-up sessions as the ledger has them, from a seed: as many cameras, as long and as fast as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

from tap.core.merge import Row
from tap.core.model import Op

__all__ = ["CREW", "T0", "invented"]

T0 = 1_795_285_800_000
"""2026-11-21T18:30:00Z."""

CREW = (
    *(("Stage left", "performer"), ("Stage right", "performer"), ("Wide", "wide"), ("Drums", "detail")),
    *(("Piano", "detail"), ("Crowd", "audience"), ("Balcony", "wide"), ("Handheld Ana", "roving")),
    *(("Handheld Ben", "roving"), ("Crane", "wide"), ("Backstage", "behind the scenes"), ("Dressing room", None)),
)
_MODES = ("rehearsal", "photoshoot", "performance", "ghost", "performance")
_REASONS = ("camera busy", "no space left on the phone", "the phone was asleep")


def invented(
    *,
    seed: int = 1,
    cameras: int = 5,
    minutes: float = 30.0,
    cuts: int = 150,
    stills: int = 12,
    gaps: int = 1,
    status: str = "complete",
    title: str = "Winter concert, second night",
) -> list[Row]:
    """The rows of one session."""
    return list(_Invented(Random(seed), cameras, round(minutes * 60_000), cuts, stills, gaps, status, title).rows())


class _Invented:
    def __init__(
        self, random: Random, cameras: int, length: int, cuts: int, stills: int, gaps: int, status: str, title: str
    ) -> None:
        self._random = random
        self._ids = [f"cam-{number}" for number in range(1, cameras + 1)]
        self._length, self._cuts, self._stills = length, cuts, stills
        self._status, self._title = status, title
        self._key = f"hall/night-{random.randrange(10_000)}"
        self._blind = sorted(
            (at, at + random.randrange(20_000, max(20_001, length // 40))) for at in self._moments(gaps)
        )

    def _moments(self, count: int) -> list[int]:
        edge = self._length // 10
        return [self._random.randrange(edge, self._length - edge) for _ in range(count)]

    def rows(self) -> Iterator[Row]:
        ended = {} if self._status == "live" else {"completedAt": T0 + self._length}
        state = {"at": T0, "programCameraId": self._ids[0], "mode": _MODES[0], "hold": False}
        yield self._row(
            "session",
            "",
            status=self._status,
            title=self._title,
            startedAt=T0,
            startState=state,
            sessionId="night",
            **ended,
        )
        for index, camera in enumerate(self._ids):
            name, role = CREW[index % len(CREW)]
            late = self._length // 5 if index == len(self._ids) - 1 and index > 3 else 0
            known = {} if role is None else {"role": role}
            yield self._row("camera", f"camera/{camera}", cameraId=camera, name=name, joinedAt=T0 + late, **known)
        yield from self._program()
        yield from self._modes()
        yield from self._holds()
        for number in range(self._stills):
            yield from self._still(number)
        for at in sorted(self._random.randrange(self._length) for _ in range(self._length // 400_000)):
            detail = {"kind": self._random.choice(("drop", "chorus", "solo")), "confidence": 0.8}
            yield self._event("music_moment", at, detail=detail)

    def _program(self) -> Iterator[Row]:
        """Cuts at random, none of them in a gap; and the gaps, with both their sides."""
        on_air, favour = self._ids[0], [3.0 / (index + 1.5) for index in range(len(self._ids))]
        times = sorted(self._random.randrange(500, max(501, self._length)) for _ in range(self._cuts))
        blind = list(self._blind)
        for at, following in pairwise([*times, self._length]):
            while blind and blind[0][1] <= at:
                start, end = blind.pop(0)
                after = self._random.choice(self._ids)
                sides = {"before": {"programCameraId": on_air}, "after": {"programCameraId": after}}
                yield self._event(
                    "gap", end, durationMs=end - start, detail={**sides, "tap": "t", "cause": "connection"}
                )
                on_air = after
            camera = self._random.choices(self._ids, favour)[0]
            if camera == on_air or any(start <= at < end for start, end in self._blind):
                continue
            slow = self._random.random() < 0.14 and following - at > 3000
            how = (
                {"transition": "dissolve", "durationMs": self._random.randrange(400, 2000, 40)}
                if slow
                else {"transition": "cut"}
            )
            trigger = self._random.choices(("operator", "ai", "ghost_approved"), (6, 3, 1))[0]
            yield self._event("cut", at, cameraId=camera, fromCameraId=on_air, trigger=trigger, **how)
            on_air = camera

    def _modes(self) -> Iterator[Row]:
        for index, (before, after) in enumerate(pairwise(_MODES), 1):
            at = index * self._length // 6
            heard = next((end for start, end in self._blind if start <= at < end), at)
            yield self._event("mode_change", heard, detail={"from": before, "to": after})

    def _holds(self) -> Iterator[Row]:
        for index in range(max(1, self._length // 900_000)):
            at = round((index + 0.45) * min(self._length, 900_000))
            length = self._random.randrange(1500, 40_000)
            if at + length < self._length and not any(start < at + length and at < end for start, end in self._blind):
                yield self._event("hold", at, cameraId=self._random.choice(self._ids), detail={"reason": "speech"})
                yield self._event("release", at + length, durationMs=length)

    def _still(self, number: int) -> Iterator[Row]:
        at = (number + 1) * self._length // (self._stills + 1) + self._random.randrange(2000)
        name, asked = f"still-{number + 1}", self._random.sample(self._ids, min(2, len(self._ids)))
        yield self._event("still_marker", at, detail={"stillId": name, "cameraIds": asked})
        for camera in asked:
            luck = self._random.random()
            known: dict[str, Any] = {"stillId": name, "cameraId": camera, "requestedAt": T0 + at}
            key = f"still/{name}/{camera}"
            if luck < 0.05:
                yield self._row("still", key, status="requested", **known)
            elif luck < 0.1:
                yield self._row("still", key, status="failed", failReason=self._random.choice(_REASONS), **known)
            else:
                taken = at + self._random.randrange(120, 900)
                known |= {"capturedAt": T0 + taken, "storageKey": f"stills/{name}/{camera}.jpg"}
                known |= {"programCameraId": camera} if self._random.random() < 0.4 else {}
                done = (
                    {"status": "captured"} if luck < 0.13 else {"status": "uploaded", "uploadedAt": T0 + taken + 2500}
                )
                yield self._row("still", key, **known, **done)
                still_key = f"{self._key}/{key}"
                yield self._event("still_capture", taken, cameraId=camera, stillKey=still_key, detail={"stillId": name})

    def _event(self, kind: str, at: int, **fields: Any) -> Row:
        key = f"{kind}/{at}/{fields.get('cameraId', '')}"
        return self._row("event", key, kind=kind, at=T0 + at, observedAt=T0 + at + 40, **fields)

    def _row(self, op: Op, key: str, **fields: Any) -> Row:
        version = fields.get("at") or fields.get("capturedAt") or fields.get("requestedAt") or T0
        return Row(f"{self._key}/{key}" if key else self._key, op, self._key, version, 0, fields)
