"""Tapes of shoots told by servers that nobody has seen, and what is drafted from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from tap.adapters.tape import open_tape
from tap.core.mapping import parse_mapping
from tap.core.model import Entry
from tap.core.pipeline import Pipeline
from tap.rehearsal.performance import shoot_to_tape, truth_of_shoot
from tap.rehearsal.score import Score, score
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.styles import restyled
from tap.rehearsal.world import Shoot

MANUAL = {
    '0 = "mode-0"': '0 = "idle"',
    '1 = "mode-1"': '1 = "rehearsal"',
    '2 = "mode-2"': '2 = "photoshoot"',
    '3 = "mode-3"': '3 = "performance"',
    '4 = "mode-4"': '4 = "ghost"',
    '0 = "", 1 = ""': '0 = "cut", 1 = "dissolve"',
    '1 = "", ': '1 = "operator", ',
    '2 = ""': '2 = "ai"',
    '3 = ""': '3 = "ghost_approved"',
}
"""What the manual of the server with numbers says."""


def shoot(style: str | None, seed: int, *faults: str, length_s: float = 60) -> Shoot:
    made = plan_shoot(seed, faults=faults, length_s=length_s, telemetry_rate=3)
    return made if style is None else restyled(made, style)


def tape(path: Path, made: Shoot, change: Callable[[Any], Any] | None = None) -> Path:
    """The tape of a shoot; ``change`` rewrites what is in each frame."""
    lines = shoot_to_tape(made, venue="hall", telemetry=True)
    path.write_text("".join(lines if change is None else (_changed(line, change) for line in lines)), "utf-8")
    return path


def _changed(line: str, change: Callable[[Any], Any]) -> str:
    said = orjson.loads(line)
    if "data" in said:
        said["data"] = orjson.dumps(change(orjson.loads(said["data"]))).decode()
    return orjson.dumps(said).decode() + "\n"


def history(path: Path, mapping: str) -> list[Entry]:
    """What a tape gives, read by this mapping."""
    dialect = parse_mapping(mapping, "drafted.toml")
    with open_tape(path) as items:
        pipeline = Pipeline(dialect, venue="hall", tap="tape")
        return [entry for item in items for entry in pipeline.feed(item)]


def scored(path: Path, made: Shoot, mapping: str) -> Score:
    return score(truth_of_shoot(made, venue="hall"), history(path, mapping))


def nonsense(word: str) -> str:
    """Another word of the same kind, which means nothing."""
    digest = hashlib.sha256(word.encode()).digest()
    return "".join("bdfgklmnprtvz"[byte % 13] + "aeiou"[byte // 13 % 5] for byte in digest[:3])


def renamed(value: Any, type_key: str) -> Any:
    """The same frame with every name and type turned into nonsense."""
    if isinstance(value, dict):
        return {
            nonsense(name): nonsense(part) if name == type_key else renamed(part, type_key)
            for name, part in value.items()
        }
    return [renamed(part, type_key) for part in value] if isinstance(value, list) else value
