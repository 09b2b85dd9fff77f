"""Frames that are nearly right: a million of them, made from good ones by changing their structure."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import broadcast

from tests.faults.desk import Desk
from tests.faults.outcome import Outcome
from tests.faults.rig import Rig
from tests.faults.stage import House, Tap, finish, lone_tap, look_until, workshop

__all__ = ["mutant", "run"]

_BATCH = 2_000
_RIG = Rig(patience=20)
_CAMERA = {"id": "cam-1", "name": "Kamera eins", "role": "main", "placement": {"label": "left", "azimuth_deg": 30}}
_GOOD: tuple[dict[str, Any], ...] = (
    {"type": "hello", "server": "s", "version": "1", "boot_id": "b", "protocol": "multicam/1"},
    {"type": "state", "mode": "photoshoot", "session": {"id": "f-1", "title": "T", "started_at": 1_790_000_000_000},
     "program": "cam-1", "hold": {"active": True, "by": "ai", "since": 1_790_000_000_000}, "cameras": [_CAMERA]},
    {"type": "session_started", "session": {"id": "f-2", "title": "T"}},
    {"type": "session_updated", "session": {"id": "f-1", "title": "U"}},
    {"type": "session_ended", "session_id": "f-1", "reason": "done"},
    {"type": "camera_joined", "camera": _CAMERA},
    {"type": "camera_left", "camera_id": "cam-1"},
    {"type": "cut", "to": "cam-1", "from": "cam-0", "cut_id": "fuzz", "trigger": "ai", "transition": "dissolve",
     "duration_ms": 400},
    {"type": "pending_cut", "pending_id": "p", "to": "cam-1", "expires_at": 1_790_000_000_000},
    {"type": "hold", "camera_id": "cam-1", "by": "operator"},
    {"type": "release", "by": "operator"},
    {"type": "mode_changed", "from": "idle", "to": "ghost"},
    {"type": "still_requested", "still_id": "st-1", "camera_ids": ["cam-0", "cam-1"]},
    {"type": "still_captured", "still_id": "st-1", "camera_id": "cam-1", "taken_at": 1_790_000_000_000},
    {"type": "still_uploaded", "still_id": "st-1", "camera_id": "cam-1", "storage_key": "k", "bytes": 5},
    {"type": "music_moment", "moment_id": "m", "kind": "drop", "confidence": 0.5},
    {"type": "heartbeat", "values": [0.5] * 20},
)  # fmt: skip
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 1e308, -0.0, 2**63, -(2**70), 1_790_000_000, 1e-9, "", " ", "\u0000", "\ud800",
    "cam-1", "x" * 5_000, "\u202e<script>alert(1)</script>", "../../etc/passwd", "NaN", [], {}, [[]], {"id": {}},
    ["cam-1"], {"id": "cam-1"}, {"$ref": 1}, [None] * 50, "2026-11-22T12:00:00Z", "9999-99-99T99:99:99Z",
)  # fmt: skip


def mutant(rng: random.Random) -> str | bytes:
    """One frame: up to four changes to a good one, now and then to its text as well."""
    frame: Any = json.loads(json.dumps(rng.choice(_GOOD)))
    frame["ts"] = rng.choice((1_795_000_000_000, 1_795_000_000_000 + rng.randrange(10**7)))
    frame["seq"] = rng.randrange(10**6)
    for _ in range(rng.randint(0, 4)):
        frame = rng.choice(_CHANGES)(frame, rng)
    try:
        text = json.dumps(frame, ensure_ascii=rng.random() < 0.5)
    except RecursionError:  # nested deeper than Python itself would write it
        text = "[" * 20_000 + "]" * rng.choice((0, 20_000))
    if rng.random() < 0.15:
        text = rng.choice(_SPOILED)(text, rng)
    if rng.random() < 0.03:
        return text.encode("utf-8", "surrogatepass")
    return text.encode("utf-8", "replace").decode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value: what holds it, and under which key. However deep it lies."""
    places: list[tuple[Any, Any]] = []
    open_ends = [value]
    while open_ends:
        holder = open_ends.pop()
        if isinstance(holder, dict | list):
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            places += [(holder, key) for key in keys]
            open_ends += [holder[key] for key in keys]
    return places


def _replace(frame: Any, rng: random.Random) -> Any:
    places = _places(frame)
    if places:
        holder, key = rng.choice(places)
        holder[key] = copy.deepcopy(rng.choice(_ODD))
    return frame


def _drop(frame: Any, rng: random.Random) -> Any:
    places = _places(frame)
    if places:
        holder, key = rng.choice(places)
        del holder[key]
    return frame


def _rename(frame: Any, rng: random.Random) -> Any:
    if isinstance(frame, dict) and frame:
        key = rng.choice(list(frame))
        frame[rng.choice((key.upper(), key + "_", "camera_id", "type", "data", "payload", "event"))] = frame.pop(key)
    return frame


def _retype(frame: Any, rng: random.Random) -> Any:
    if isinstance(frame, dict):
        frame["type"] = rng.choice((rng.choice(_GOOD)["type"], f"type-{rng.randrange(10**6)}", *_ODD[:6]))
    return frame


def _wrap(frame: Any, rng: random.Random) -> Any:
    kind = frame.get("type") if isinstance(frame, dict) else None
    return rng.choice(
        ({"event": kind, "data": frame}, {"type": kind, "payload": frame}, [frame, frame], [frame, 5], {})
    )


def _nest(frame: Any, rng: random.Random) -> Any:
    for _ in range(rng.choice((5, 50, 400))):
        frame = [frame] if rng.random() < 0.5 else {"data": frame}
    return frame


_CHANGES: tuple[Callable[[Any, random.Random], Any], ...] = (
    _replace,
    _replace,
    _replace,
    _drop,
    _rename,
    _retype,
    _wrap,
    _nest,
)
_SPOILED: tuple[Callable[[str, random.Random], str], ...] = (
    lambda text, rng: text[: rng.randrange(len(text) + 1)],
    lambda text, rng: text.replace(":", rng.choice(("", "::", "=")), 1),
    lambda text, rng: text + rng.choice(("}", ",", "\x00", " {}", "[")),
    lambda text, rng: text.replace('"', rng.choice(("'", ""))),
    lambda text, rng: text.replace("1790000000000", rng.choice(("NaN", "Infinity", "1e999", "-", "0x5"))),
)


async def run(count: int, seed: int) -> Outcome:
    """``count`` such frames to a real tap; after each two thousand the line drops, and a good cut has to be kept."""
    outcome, rng = Outcome(), random.Random(seed)
    with House() as house, workshop() as place:
        local = house.ledger()
        venue = local.venue()
        async with Desk() as desk:
            tap = Tap(place / "tap", desk.url, None, venue, _RIG)
            async with lone_tap(tap):
                for batch in range(0, count, _BATCH):
                    await desk.listened()
                    for number in range(min(_BATCH, count - batch)):
                        broadcast(desk.there, mutant(rng))
                        outcome.tried += 1
                        if number % 50 == 0:
                            await asyncio.sleep(0)
                            await desk.taken()
                    await desk.drop()
                    await desk.listened()
                    said = await desk.cut()
                    took = await look_until(
                        lambda: any(said.cut_id in key for key in tap.newest()),  # noqa: B023 - of this batch
                        lambda: f"a cut: {tap.messages()[-3:]}",
                    )
                    outcome.recovered(took)
                    outcome.promise(tap.lives_on, f"the tap did not outlive it: {tap.messages()[-3:]}")
                await finish(tap, outcome)
            frames = [line["frames"] for line in tap.said() if line.get("message") == "stopped"]
            outcome.promise(
                bool(frames) and frames[-1] >= outcome.tried, f"{frames} frames were counted, {outcome.tried} sent"
            )
            unknown = sum("does not know this type" in message for message in tap.messages())
            outcome.notes.append(f"{unknown} unknown types were reported")
            outcome.promise(desk.received == 0, "the tap has sent data frames")
            told = {kept.entry.key for kept in tap.kept()}
            outcome.lost += sum(not any(cut.cut_id in key for key in told) for cut in desk.cuts)
    return outcome
