"""Which field goes with one of ours: by its nature where that is plain, and by its name."""

from __future__ import annotations

from typing import Any

from tap.rehearsal.inspect import words
from tap.rehearsal.inspect.states import Guess
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Survey

__all__ = ["as_told", "below", "best", "doubt_of", "find_seq", "find_time"]


def find_time(survey: Survey) -> FieldStats | None:
    """The field that tells when a frame was made: near the time at which it came, and never going back."""
    found = [
        stats
        for stats in survey.wholes.values()
        if stats.is_time and stats.objects >= 0.5 * survey.objects and stats.near >= 0.5 * stats.times
    ]
    return max(found, key=lambda s: (s.objects - 5 * s.back, -s.path.count(".")), default=None)


def find_seq(survey: Survey) -> FieldStats | None:
    """The field that numbers the frames of a connection, whatever their type."""
    found = [
        stats
        for stats in survey.wholes.values()
        if stats.kinds["number"] == stats.said and stats.objects >= 0.5 * survey.objects and not stats.is_time
        and not stats.fraction and stats.grows >= 10 and stats.grows >= 50 * stats.shrinks
    ]  # fmt: skip
    return max(found, key=lambda s: (s.grows, -s.path.count(".")), default=None)


def doubt_of(guess: Guess) -> str | None:
    """Why a guess is doubtful; None where it is sure enough."""
    return None if guess.sure >= 0.7 else guess.why


def below(kind: KindStats, path: str) -> dict[str, FieldStats]:
    """The fields inside an object, with their paths from there on."""
    start = f"{path}."
    return {name[len(start) :]: stats for name, stats in kind.fields.items() if name.startswith(start)}


def as_told(value: str, stats: FieldStats) -> Any:
    """A value as the server writes it."""
    if stats.kinds["number"] and value.lstrip("-").isdecimal():
        return int(value)
    return value == "true" if value in {"true", "false"} and stats.kinds["flag"] else value


def best(inside: dict[str, FieldStats], name: str, taken: set[str]) -> str | None:
    """The field that goes best with one of ours: by nature where that is plain, and by name."""
    found = [(score, -len(path), path) for path, s in inside.items() if path not in taken and (score := _goes(name, s))]
    return max(found)[2] if found else None


def _goes(name: str, stats: FieldStats) -> float:
    if not stats.said or stats.kinds["object"] or stats.kinds["list"]:
        return 0.0
    if name == "url":
        return float(stats.links > 0)
    if name == "sha256":
        return float(stats.hashes > 0 and words.says(stats.leaf, {"sha", "sha256", "hash", "digest", "checksum"}))
    if name in {"taken_at", "started_at", "at"}:
        return float(stats.is_time) * (1 + words.says(stats.leaf, words.FIELDS.get(name, frozenset())))
    named = float(words.says(stats.leaf, words.FIELDS.get(name, words.MODE)))
    if name in {"width", "height", "bytes", "confidence", "duration_ms"}:
        return named * (stats.kinds["number"] == stats.said)
    if name in {"title", "notes", "by", "reason", "version", "server"}:
        return named * (stats.kinds["text"] > 0 and not stats.links and not stats.is_time)
    if name == "storage_key":
        return (named + (stats.paths > 0)) * (stats.kinds["text"] > 0 and not stats.links)
    return named * (not stats.is_time)
