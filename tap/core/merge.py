"""From entries to rows: what the ledger makes of them, whatever order they came in.

The same rules stand in ``convex/functions/ledger/merge.ts``; ``convex/contract/entries.json`` holds both to them. For
one row:

1. Only the entries of the highest ``revision`` count.
2. Of those the greatest wins: by version (stills: by status first), then taken back, then number of fields (those
   inside objects too), then canonical JSON. Events: not inferred beats inferred, then the same without ``observedAt``.
3. Facts set once are never un-set: the least ``startedAt`` and ``joinedAt``, the ``startState`` of least ``at``, and
   what a still knew of its times, sizes, hash, storage and program camera.
4. Of events equal but for ``observedAt``, the least of it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from tap.core.codec import canonical
from tap.core.machine.stills import RANK
from tap.core.model import Entry, Op

__all__ = ["Row", "fold"]

_LEAST: Mapping[str, tuple[str, ...]] = {"session": ("startedAt", "startState"), "camera": ("joinedAt",)}

# A camera's name belongs to its id: kept apart, they might make a camera that never was.
_FACTS: tuple[tuple[str, ...], ...] = (
    ("requestedAt",),
    ("capturedAt",),
    ("uploadedAt",),
    ("storageKey",),
    ("url",),
    ("width",),
    ("height",),
    ("bytes",),
    ("sha256",),
    ("programCameraId", "programCameraName"),
)


class Row(Struct):
    """One row of the ledger."""

    key: str
    op: Op
    session_key: str
    version: int
    revision: int
    fields: dict[str, Any]
    retracted: Mapping[str, Any] | None = None


class _Kept(Struct):
    """A fact and where it came from; that of greatest rank stands."""

    rank: tuple[int, int, bytes]
    """Status, version, and, between equals, the canonical JSON."""
    fields: dict[str, Any]


class _Cell(Struct):
    """What is known of one row while its entries come in."""

    winner: Entry
    rank: tuple[Any, ...]
    least: dict[str, Any] = field(default_factory=dict)
    facts: dict[tuple[str, ...], _Kept] = field(default_factory=dict)
    observed: int = 0
    version: int = 0


def fold(entries: Iterable[Entry]) -> dict[str, Row]:
    """The rows that these entries make, by key, in the order in which the keys first came."""
    cells: dict[str, _Cell] = {}
    for entry in entries:
        ident = _ident(entry)
        cell = cells.get(ident)
        if cell is None or entry.revision > cell.winner.revision:
            cells[ident] = _note(_Cell(entry, _rank(entry), version=entry.version), entry)
        elif entry.revision == cell.winner.revision:
            _meet(cell, entry)
    return {cell.winner.key: _row(cell) for cell in cells.values()}


def _ident(entry: Entry) -> str:
    """What makes two entries one row: their key, but a camera is known by its id and a session by its own key."""
    if entry.op == "camera":
        return f"{entry.session_key}\0{entry.fields.get('cameraId')}"
    return entry.session_key if entry.op == "session" else entry.key


def _meet(cell: _Cell, entry: Entry) -> None:
    """Another entry of the same row and revision: the greater rank wins, and facts of both are kept."""
    rank = _rank(entry)
    if rank > cell.rank:
        cell.winner, cell.rank = entry, rank
        if entry.op == "event":
            cell.observed, cell.version = entry.fields.get("observedAt", 0), entry.version
    elif rank == cell.rank and entry.op == "event":
        cell.observed = min(cell.observed, entry.fields.get("observedAt", 0))
        cell.version = min(cell.version, entry.version)
    _note(cell, entry)


def _note(cell: _Cell, entry: Entry) -> _Cell:
    """Keep the facts of an entry that stand whoever wins."""
    if cell.winner is entry and not cell.observed:
        cell.observed = entry.fields.get("observedAt", 0)
    for name in _LEAST.get(entry.op, ()):
        if name in entry.fields:
            values = [entry.fields[name], *([cell.least[name]] if name in cell.least else [])]
            cell.least[name] = min(values, key=lambda value: (_instant(value), canonical(value)))
    if entry.op == "still":
        for names in _FACTS:
            known = {name: entry.fields[name] for name in names if name in entry.fields}
            if known:
                kept = _Kept((RANK.get(entry.fields["status"], 0), entry.version, _text(known)), known)
                cell.facts[names] = max(kept, cell.facts.get(names, kept), key=lambda fact: fact.rank)
    return cell


def _rank(entry: Entry) -> tuple[Any, ...]:
    """What decides between two entries of one row and revision."""
    fields: Mapping[str, Any] = entry.fields
    back = entry.retracted is not None
    reason = _text(entry.retracted or {})
    if entry.op == "event":
        bare = {name: value for name, value in fields.items() if name != "observedAt"}
        seen = (fields.get("detail") or {}).get("inferred") is not True
        return (back, seen, _size(bare), _text(bare), reason)
    told = (entry.version, back, _size(fields), _text(fields), reason)
    return (RANK.get(fields.get("status", ""), 0), *told) if entry.op == "still" else told


def _size(value: Any) -> int:
    """How many fields there are, those inside too: what says less of a nested one must not win by its spelling."""
    if isinstance(value, Mapping):
        return len(value) + sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, (list, tuple)) else 0


_NOTHING = canonical({})


def _text(value: Any) -> bytes:
    """Canonical JSON that is kept: a copy, since the encoder's own bytes keep the room in which they were made."""
    return bytes(memoryview(canonical(value))) if value != {} else _NOTHING


def _instant(value: Any) -> Any:
    """What two values are compared by: their time."""
    return value["at"] if isinstance(value, Mapping) else value


def _row(cell: _Cell) -> Row:
    """The row as it stands now: the winner, with the facts that it lacks."""
    entry = cell.winner
    fields = {**entry.fields, **cell.least}
    for names, kept in cell.facts.items():
        if not any(name in fields for name in names):
            fields.update(kept.fields)
    version = entry.version
    if entry.op == "event":
        version = cell.version
        if "observedAt" in fields:
            fields["observedAt"] = cell.observed
    return Row(entry.key, entry.op, entry.session_key, version, entry.revision, fields, entry.retracted)
