"""Shoots to choose sessions from: a made-up one on tape, with every word of its sessions taken out or not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal
from tap.adapters.tape import Tapes
from tap.core.merge import Row, fold
from tap.core.model import Policy
from tap.core.pipeline import Pipeline
from tap.rehearsal.performance import shoot_to_tape
from tap.rehearsal.shoot import plan_shoot
from tap.service.tools.session_editing import Picture, Plan, carry_out

RIGHT = load_dialect("multicam/1")
TAP = "0123456789ab"
NOW = 1_795_900_000_000
FAULTS: tuple[tuple[str, ...], ...] = (
    (),
    ("reconnect", "stale_state", "flap"),
    ("still_disorder", "repeats", "late_join"),
    ("restart_kept", "snapshot_only", "told_thrice"),
    ("missing_seq", "ghost_program"),
    ("missing_ts",),
)
"""What goes wrong in the shoot of a seed, by turns; not the server's clock, by which the times are chosen."""
_WORDS = {"session_started", "session_ended", "session_updated"}


def tape_of(folder: Path, seed: int, *, bare: bool = False, sessions: int = 1, length_s: float = 100) -> Path:
    """The state directory of a tap that heard this shoot; ``bare``: and not one word of its sessions."""
    shoot = plan_shoot(seed, length_s=length_s, sessions=sessions, faults=FAULTS[seed % len(FAULTS)])
    lines: Iterable[str] = shoot_to_tape(shoot, venue="hall", tap=TAP)
    tapes = folder / "tapes"
    tapes.mkdir(parents=True)
    path = tapes / "000001-20261118T110640Z.jsonl"
    path.write_text("".join(without_sessions(lines) if bare else lines), "utf-8")
    return folder


def without_sessions(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a tape without the frames of sessions, and without the session in each state."""
    for line in lines:
        said = json.loads(line)
        frame = _frame(said.get("data"))
        if frame is None:
            yield line
        elif str(frame.get("type")) not in _WORDS:
            frame.pop("session", None)
            yield json.dumps({**said, "data": json.dumps(frame)}) + "\n"


def _frame(data: object) -> dict[str, Any] | None:
    try:
        frame = json.loads(data) if isinstance(data, str) else None
    except (ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None


def heard(folder: Path) -> Journal:
    """The journal of the tap that recorded these tapes."""
    pipeline = Pipeline(RIGHT, venue="hall", tap=TAP, policy=Policy())
    with Tapes(sorted((folder / "tapes").iterdir())) as items:
        entries = [entry for item in items for entry in pipeline.feed(item)]
    journal = Journal.open(folder / "journal.db", owner=True)
    journal.append(entries, pipeline.checkpoint(), NOW - 1)
    return journal


def rows(journal: Journal, key: str | None = None) -> dict[str, Row]:
    """What the ledger would have, without what was taken back."""
    found = fold(kept.entry for kept in journal.entries(key))
    return {name: row for name, row in found.items() if row.retracted is None}


def told(journal: Journal, key: str | None = None, *, made: bool = True) -> dict[str, dict[str, Any]]:
    """The columns of those rows; without ``made``, who chose a session and when is left out."""
    found = {name: dict(row.fields) for name, row in rows(journal, key).items()}
    for fields in found.values():
        if not made and "source" in fields:
            fields["source"] = {name: value for name, value in fields["source"].items() if name != "made"}
    return found


def done(journal: Journal, plan: Plan | None = None, **asked: Any) -> Picture:
    """A plan, carried out."""
    assert plan is not None
    return carry_out(journal, lambda: plan, apply=True, by="anna", now=lambda: NOW, **asked)
