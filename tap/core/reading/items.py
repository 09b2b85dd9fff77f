"""A session's events, as far as their order goes: when each was, when it was heard, and what it turned from and to.

Rows may come from anywhere, so nothing here trusts a column: what is no number or no text counts as not told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType

from tap.core.kinds import KINDS

__all__ = ["GAP", "HOLD", "MODE", "PROGRAM", "Frame", "Item", "Keyed", "frame_of", "item_of", "number", "side_of"]

PROGRAM, HOLD, MODE, GAP = "program", "hold", "mode", "gap"

_LARGEST = 2**53
_SUFFIX = re.compile(r"/([0-9]{1,9})\Z")

Value = str | bool | None | UnsetType
"""What a chain is at: a camera, a mode, held or not; None is nothing, ``UNSET`` is not known."""


class Keyed(Protocol):
    """A row or an entry: both will do."""

    @property
    def key(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def version(self) -> int: ...


class Item(Struct):
    """One event on its way to its place."""

    row: Any
    key: str
    kind: str
    at: int
    """The server's time, as the row keeps it."""
    heard: int
    """When it was heard, by the clock of the tap that heard it; ``at`` where no row says."""
    told: int
    """Its number among events that would have one key: the 2 behind ``…/2``."""
    chain: str | None = None
    """What it turns, if anything: ``program``, ``hold``, ``mode``; a ``gap`` may turn all of them."""
    origin: Value = UNSET
    """What that was before, as far as the row says."""
    target: Value = None
    length: int | None = None
    """Of a release how long it was held, of a gap how long nothing was heard; None where nobody knows."""
    sides: tuple[Mapping[str, Any] | None, Mapping[str, Any]] = (None, {})
    """Of a gap: what was known before it, and what was told after it."""
    tap: str | None = None
    """Of a gap: who tells it."""
    witness: bool = False
    """It was told as it happened, so the time between ``at`` and ``heard`` says how two clocks stand to each other."""
    ahead: int = 0
    """How far the clock of the tap that heard it is ahead of the first tap's."""
    shift: int = 0
    """What takes the steps of the server's clock out of ``at``."""
    sure: bool = False
    """Its ``shift`` was found by when it was heard; else it is that of its neighbours."""
    others: tuple[int, ...] = ()
    """Other shifts that may be right, where the chain says that this one is not."""

    @property
    def moment(self) -> int:
        """When it was, on a clock that was never set."""
        return self.at + self.shift

    @property
    def hearing(self) -> int:
        """When it was heard, by the first tap's clock."""
        return self.heard - self.ahead

    @property
    def lead(self) -> int:
        """How far the server's clock was ahead of the tap's; less where it was told late."""
        return self.at - self.hearing


class Frame(Struct, frozen=True):
    """What the session's own row says of its two ends."""

    started: int | None = None
    completed: int | None = None
    """Only of a session whose end was seen."""
    start: Mapping[str, Value] = {}
    """By chain, at the start."""
    final: Value = UNSET
    """The program at the end."""


def item_of(row: Keyed) -> Item:
    """The event that a row tells."""
    fields = row.fields
    kind = _text(fields.get("kind")) or ""
    at = number(fields.get("at"))
    if at is None:
        at = number(row.version) or 0
    heard = number(fields.get("observedAt"))
    key = str(row.key)
    suffix = _SUFFIX.search(key)
    item = Item(row, key, kind, at, at if heard is None else heard, 1 if suffix is None else int(suffix[1]))
    item.witness = heard is not None and kind in KINDS and KINDS[kind].at_once
    read = _READ.get(kind)
    if read is not None:
        read(item, fields)
    return item


def frame_of(session: Mapping[str, Any]) -> Frame:
    """What a session's columns say; an empty mapping where its row is not there."""
    start, final = session.get("startState"), session.get("finalState")
    return Frame(
        started=number(session.get("startedAt")),
        completed=number(session.get("completedAt")) if session.get("status") == "complete" else None,
        start=side_of(start) if isinstance(start, Mapping) else {},
        final=_text(final.get("programCameraId")) if isinstance(final, Mapping) else UNSET,
    )


def side_of(side: Mapping[str, Any]) -> dict[str, Value]:
    """What was on, by chain: of a start, or of one side of a gap; nothing of a side that was not told."""
    known: dict[str, Value] = {PROGRAM: _text(side.get("programCameraId"))} if side else {}
    if isinstance(side.get("hold"), bool):
        known[HOLD] = side["hold"]
    if "mode" in side:
        known[MODE] = _text(side["mode"])
    return known


def number(value: object) -> int | None:
    """A time or a length in whole ms; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(max(-_LARGEST, min(_LARGEST, value)))


def _text(value: object) -> str | None:
    """A text; anything else is none."""
    return value if isinstance(value, str) else None


def _detail(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row's detail; empty where it has none."""
    detail = fields.get("detail")
    return detail if isinstance(detail, Mapping) else {}


# ---------------------------------------------------------------------------------------------- by kind


def _program(item: Item, fields: Mapping[str, Any]) -> None:
    """A cut, or the program turning to nothing: from which camera to which."""
    item.chain = PROGRAM
    item.origin, item.target = _text(fields.get("fromCameraId")), _text(fields.get("cameraId"))


def _hold(item: Item, _: Mapping[str, Any]) -> None:
    """A hold: the flag turns up."""
    item.chain, item.origin, item.target = HOLD, False, True


def _release(item: Item, fields: Mapping[str, Any]) -> None:
    """A release: the flag turns down, after so long."""
    item.chain, item.origin, item.target = HOLD, True, False
    item.length = number(fields.get("durationMs"))


def _mode_change(item: Item, fields: Mapping[str, Any]) -> None:
    """A change of the mode: from what, where that is told, to what."""
    detail = _detail(fields)
    item.chain, item.target = MODE, _text(detail.get("to"))
    if "from" in detail:
        item.origin = _text(detail["from"])


def _gap(item: Item, fields: Mapping[str, Any]) -> None:
    """A gap: what was on before and after it, how long it was, and whose it is."""
    detail = _detail(fields)
    before, after = detail.get("before"), detail.get("after")
    item.chain, item.length, item.tap = GAP, number(fields.get("durationMs")), _text(detail.get("tap"))
    item.sides = (
        before if isinstance(before, Mapping) else None,
        after if isinstance(after, Mapping) else {},
    )


_READ = {
    "cut": _program,
    "off_air": _program,
    "hold": _hold,
    "release": _release,
    "mode_change": _mode_change,
    "gap": _gap,
}
