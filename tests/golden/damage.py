"""Tapes as a bad day leaves them: frames lost, doubled, late, clocks set, values that no server should send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

import msgspec
import orjson

from tap.core.model import Alive, Closed, Frame, Opened, SourceItem, Stamp

_VALUES: tuple[Any, ...] = (
    *(None, True, False, "", " ", "-", "0", "1", 0, 1, -1, 0.5, 1e18, 2**53, [], {}, {"id": None}, {"id": "x"}, ["x"]),
    *("program", "cam-1", "cam-2", "\ud800", "e\u0301", "a/b", "x" * 600, "2026-11-18T08:00:00Z", 1_795_000_000),
)
"""What may stand where something else stood."""
_STEPS = (-1, 1, -1_000, 1_000, -60_000, 60_000, 3_600_000)
"""What is added to a number: to times (ms), orders and counts alike."""
_QUIET_MS = (1_000, 6_000, 70_000, 700_000)
_STRANGE = (b"", b"null", b"[]", b"{", b"\xef\xbb\xbf{}", b'{"type":NaN}', b'"text"', b"[{},1]", b"\xff\xfe")


def damaged(items: Sequence[SourceItem], seed: str) -> list[SourceItem]:
    """The same with some faults, drawn from the seed. What is given stays as it is."""
    rng = Random(seed)
    share = rng.choice((0.02, 0.1, 0.3))
    number = 1
    ahead = 0
    found: list[SourceItem] = []
    for told in _late(items, rng, share / 2):
        item = _later(told, ahead, number)
        if not isinstance(item, Frame) or rng.random() >= share:
            found.append(item)
            continue
        match rng.randrange(12):
            case 0:
                continue
            case 1:
                found += [item, item]
            case 2:
                wait = rng.choice(_QUIET_MS)
                ahead += wait
                found += [item, Alive(_plus(item.stamp, wait - 1))]
            case 3:
                number += 1
                found += [Closed(item.stamp, number - 1, "gone"), Opened(item.stamp, number), _later(item, 0, number)]
            case 4:
                found.append(msgspec.structs.replace(item, data=rng.choice(_STRANGE)))
            case 5:
                found.append(msgspec.structs.replace(item, data=item.data[: rng.randrange(len(item.data) + 1)]))
            case _:
                found.append(msgspec.structs.replace(item, data=_other(item.data, rng)))
    return found


def _late(items: Sequence[SourceItem], rng: Random, share: float) -> list[SourceItem]:
    """Some frames change places with the next one; each place keeps its time."""
    found = list(items)
    for at in range(len(found) - 1):
        one, other = found[at], found[at + 1]
        if isinstance(one, Frame) and isinstance(other, Frame) and rng.random() < share:
            found[at] = msgspec.structs.replace(one, data=other.data, binary=other.binary)
            found[at + 1] = msgspec.structs.replace(other, data=one.data, binary=one.binary)
    return found


def _plus(stamp: Stamp, ms: int) -> Stamp:
    return Stamp(stamp.wall + ms, stamp.mono + ms)


def _later(item: SourceItem, ahead: int, number: int) -> SourceItem:
    stamp = _plus(item.stamp, ahead)
    if isinstance(item, Alive):
        return msgspec.structs.replace(item, stamp=stamp)
    return msgspec.structs.replace(item, stamp=stamp, connection=item.connection + number - 1)


def _other(data: bytes, rng: Random) -> bytes:
    """A frame in which one to three things are otherwise."""
    try:
        said = orjson.loads(data)
    except ValueError:
        return data
    for _ in range(rng.randint(1, 3)):
        places = list(_places(said))
        if places:
            _change(*rng.choice(places), rng)
    # Halves of a pair are written as they are: other servers' writers do.
    return json.dumps(said, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(said: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside: what holds it, and under which name or number."""
    inside = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for name, value in inside:
        yield said, name
        yield from _places(value)


def _change(holder: Any, name: Any, rng: Random) -> None:
    value = holder[name]
    match rng.randrange(5):
        case 0:
            del holder[name]
        case 1 | 2 if isinstance(value, int | float) and not isinstance(value, bool):
            holder[name] = value + rng.choice(_STEPS)
        case 3 if isinstance(holder, dict):
            other = rng.choice(sorted(holder))
            holder[name], holder[other] = holder[other], holder[name]
        case _:
            holder[name] = deepcopy(rng.choice(_VALUES))
