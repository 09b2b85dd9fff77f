"""Guesses which field of a server is one of the fields of our rules: by how it behaves, then by its name."""

from __future__ import annotations

from typing import Any

from tap.core.mapping.paths import Path, parse_path
from tap.rehearsal.inspect import vocabulary
from tap.rehearsal.inspect.state_roles import Guess
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Survey

__all__ = ["as_told", "below", "best", "boot_path", "doubt_of", "doubt_of_none", "find_seq", "find_time"]


def find_time(survey: Survey) -> FieldStats | None:
    """The field that tells when a frame was made: near the time at which it came, and never going back."""
    found = [
        stats
        for stats in survey.wholes.values()
        if stats.is_time and stats.objects >= 0.5 * survey.looked_at and stats.near >= 0.5 * stats.times
    ]
    return max(found, key=lambda s: (s.objects - 5 * s.back, -s.path.count(".")), default=None)


def find_seq(survey: Survey) -> FieldStats | None:
    """The field that numbers the frames of a connection, all of them or those of each type."""
    found = [stats for stats in survey.wholes.values() if stats.objects >= 0.5 * survey.looked_at and _numbers(stats)]
    return max(found, key=lambda s: (s.grows, s.grows_alike, -s.path.count(".")), default=None)


def _numbers(stats: FieldStats) -> bool:
    whole = stats.is_of("number") and not stats.is_time and not stats.fraction
    turns = ((stats.grows, stats.shrinks), (stats.grows_alike, stats.shrinks_alike))
    return whole and any(grows >= 10 and grows >= 19 * shrinks for grows, shrinks in turns)


def boot_path(survey: Survey, kind: str) -> Path | None:
    """Where a greeting says which lifetime of the server it is; as the draft of its rule has it."""
    fields = {path: stats for path, stats in survey.kinds[kind].fields.items() if "[" not in path and "{" not in path}
    taken = {best(fields, name, set()) or "" for name in ("server", "version")}
    found = best(fields, "boot", taken)
    return None if found is None else parse_path(found)


def doubt_of(guess: Guess) -> str | None:
    """Why a guess is doubtful; None if it is sure enough."""
    return None if guess.sure >= 0.7 else guess.why


def doubt_of_none(words: list[str], stats: FieldStats) -> str | None:
    """Why one of these words may not mean "none": it came only once."""
    once = [repr(word) for word in words if stats.values[word] == 1]
    return f"{' and '.join(once)} came only once, and is taken for none" if once else None


def below(kind: KindStats, path: str) -> dict[str, FieldStats]:
    """The fields inside an object, with their paths from there on."""
    start = f"{path}."
    return {name[len(start) :]: stats for name, stats in kind.fields.items() if name.startswith(start)}


def as_told(value: str, stats: FieldStats) -> Any:
    """A value as the server writes it."""
    if stats.kinds["number"] and not stats.is_of("text") and value.lstrip("-").isdecimal():
        return int(value)
    return value == "true" if value in {"true", "false"} and stats.kinds["flag"] else value


def best(inside: dict[str, FieldStats], name: str, taken: set[str]) -> str | None:
    """The best guess for one of our fields, or None."""
    found = [(score, -len(path), path) for path, s in inside.items() if path not in taken and (score := _goes(name, s))]
    return max(found)[2] if found else None


def _goes(name: str, stats: FieldStats) -> float:
    if not stats.is_mostly_scalar:
        return 0.0
    if name == "url":
        return float(2 * stats.links > stats.said)
    if name == "sha256":
        return float(
            2 * stats.hashes > stats.said
            and vocabulary.says(stats.leaf, {"sha", "sha256", "hash", "digest", "checksum"})
        )
    if name in {"taken_at", "started_at", "at"}:
        return float(stats.is_mostly_time) * (1 + vocabulary.says(stats.leaf, vocabulary.FIELDS.get(name, frozenset())))
    named = float(vocabulary.says(stats.leaf, vocabulary.FIELDS.get(name, vocabulary.MODE)))
    if name in {"width", "height", "bytes", "confidence", "duration_ms"}:
        return named * stats.is_mostly("number")
    if name in {"title", "notes", "by", "reason", "version", "server"}:
        return named * (stats.is_mostly("text") and 2 * stats.links <= stats.said and not stats.is_time)
    if name == "storage_key":
        return (named + (2 * stats.paths > stats.said)) * (stats.is_mostly("text") and 2 * stats.links <= stats.said)
    return named * (not stats.is_time)
