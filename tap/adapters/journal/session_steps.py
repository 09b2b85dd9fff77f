"""What people did to sessions afterwards, a few words for each step."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import msgspec
from msgspec import structs

from tap.core.session_steps import Step, decode_step, encode_step

__all__ = ["forget_steps", "forgotten_in", "keep_step", "steps_in"]

_NAME = "step:{:09d}"
_FORGOTTEN = "forgotten:"


def steps_in(db: sqlite3.Connection) -> list[Step]:
    """All steps, in order; without those that only a newer tap can read."""
    rows = db.execute("SELECT value FROM meta WHERE name >= 'step:' AND name < 'step;' ORDER BY name").fetchall()
    steps: list[Step] = []
    for (value,) in rows:
        with suppress(msgspec.MsgspecError):
            steps.append(decode_step(value))
    return steps


def keep_step(db: sqlite3.Connection, step: Step) -> bool:
    """Keep a step; False where another has its number by now."""
    words = (_NAME.format(step.number), encode_step(step).decode())
    return db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", words).rowcount == 1


def forget_steps(db: sqlite3.Connection, session_key: str, span: tuple[int, int] | None) -> None:
    """Keep of a session that it was forgotten, and when it ran; and of what was done to it no words of its own."""
    for step in steps_in(db):
        if session_key in step.keys and step.args.keys() & {"title", "notes"}:
            bare = structs.replace(
                step, args={name: "" if name in ("title", "notes") else value for name, value in step.args.items()}
            )
            db.execute(
                "UPDATE meta SET value = ? WHERE name = ?", (encode_step(bare).decode(), _NAME.format(step.number))
            )
    if span is not None:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"{_FORGOTTEN}{session_key}", f"{span[0]} {span[1]}"))


def forgotten_in(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Sessions that were forgotten, and from when to when each ran."""
    rows = db.execute("SELECT name, value FROM meta WHERE name >= 'forgotten:' AND name < 'forgotten;'").fetchall()
    found = ((name[len(_FORGOTTEN) :], *map(int, value.split())) for name, value in rows)
    return [(key, begins, ends) for key, begins, ends in found]
