"""What each type of frame stands for: by what the state shows after it, by its content, and by its name."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from tap.rehearsal.inspect import vocabulary
from tap.rehearsal.inspect.explanations import Explanations
from tap.rehearsal.inspect.state_roles import StateRoles, refers
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Survey

__all__ = ["EventRole", "Split", "find_events", "still_ids"]

_LEAST = 0.4
_STILLS = ("still_requested", "still_captured", "still_uploaded", "still_failed")
_SEEN = (
    *("cut", "hold", "release", "mode_changed", "session_started", "session_ended", "session_updated"),
    *("camera_joined", "camera_left", "camera_updated"),
)
"""What a state shows once it has happened."""


class Split(Struct, frozen=True):
    """One type that says two things, and the field and value that tell them apart."""

    path: str
    value: str


class EventRole(Struct):
    """What a type is taken for: something to emit, ``quiet``, ``ignore``, or None for not known."""

    kind: str
    emit: str | None
    sure: float
    why: str
    split: Split | None = None


def find_events(survey: Survey, roles: StateRoles | None, witness: Explanations | None) -> list[EventRole]:
    """The role of every type but the state's, in the order in which they first came."""
    found: list[EventRole] = []
    for kind in survey.kinds.values():
        if roles is not None and kind.name == roles.kind:
            continue
        shapeless = survey.envelope.type is None and kind.name not in survey.envelope.keys
        if shapeless or not kind.name:
            found.append(EventRole(kind.name, None, 0.0, "it has no type"))
            continue
        found += _turning(kind, witness) or [_role(survey, kind, roles, witness)]
    return found


def _role(survey: Survey, kind: KindStats, roles: StateRoles | None, witness: Explanations | None) -> EventRole:
    if vocabulary.says(kind.name, vocabulary.PROPOSALS):
        return EventRole(kind.name, "quiet", 0.7, "a proposal by its name: its result has a frame of its own")
    best = max((_scored(survey, kind, emit, roles, witness) for emit in vocabulary.EVENTS), key=lambda role: role.sure)
    if best.sure >= _LEAST:
        return best
    return _telemetry(survey, kind)


def _telemetry(survey: Survey, kind: KindStats) -> EventRole:
    often = kind.count >= 5 and kind.count >= 0.002 * survey.objects
    big = kind.bytes >= 300 * kind.count
    if vocabulary.says(kind.name, vocabulary.TELEMETRY):
        return EventRole(kind.name, "ignore", 0.85, "telemetry by its name, and no state ever showed anything of it")
    if often and big:
        return EventRole(kind.name, "ignore", 0.6, "it comes often, is big, and no state ever showed anything of it")
    return EventRole(kind.name, None, 0.0, "no state showed anything of it, and its name does not help")


def _scored(
    survey: Survey, kind: KindStats, emit: str, roles: StateRoles | None, witness: Explanations | None
) -> EventRole:
    named = all(vocabulary.says(kind.name, group) for group in vocabulary.EVENTS[emit])
    reasons: list[str] = []
    score = 0.0
    if witness is not None and emit in _SEEN:
        behaved, why = _behaviour(kind, emit, witness)
        score += 0.75 * behaved
        reasons += [why] if behaved >= 0.3 else []
    elif emit in _STILLS or emit in {"music_moment", "hello"}:
        held = _holds(survey, kind, emit, roles)
        if named:
            score += 0.5 * held
            reasons += ["by what it holds"] if held >= 0.5 else []
        elif emit == "hello" and kind.greets == kind.count:
            score, reasons = 0.45, ["it is the first that a connection says"]
    if named:
        score += 0.35
        reasons.append("by its name")
    return EventRole(kind.name, emit, min(0.99, score), ", ".join(reasons))


def _behaviour(kind: KindStats, emit: str, witness: Explanations) -> tuple[float, str]:
    seen, hits = witness.seen[kind.name], witness.explained[kind.name, emit]
    if not seen or not hits:
        return 0.0, ""
    share = hits / seen
    # One that came before everything that ever happened explains nothing of it.
    others = sum(witness.explained[kind.name, other] for other in _SEEN if other != emit)
    rival = others / (others + hits)
    support = 1.0 if hits >= 2 else 0.7
    return share * support * (1 - 0.5 * rival), f"after {hits} of {seen} the state showed it"


def _turning(kind: KindStats, witness: Explanations | None) -> list[EventRole]:
    """A type that tells both hold and release (or both joined and left), by the field that tells which."""
    if witness is None:
        return []
    for one, other in (("hold", "release"), ("camera_joined", "camera_left"), ("session_started", "session_ended")):
        turns = [(change, fields) for change, fields in witness.turns[kind.name] if change in {one, other}]
        if not turns or {change for change, _ in turns} != {one, other} or 2 * len(turns) < witness.seen[kind.name]:
            continue
        for path in sorted(set.intersection(*(set(fields) for _, fields in turns))):
            by = {change: {fields[path] for name, fields in turns if name == change} for change in (one, other)}
            if len(by[one]) == len(by[other]) == 1 and by[one] != by[other]:
                why = f"the state showed it each time, and {path} tells which"
                return [EventRole(kind.name, name, 0.85, why, Split(path, *by[name])) for name in (one, other)]
    return []


# ---------------------------------------------------------------------------------------------- what no state shows


def _holds(survey: Survey, kind: KindStats, emit: str, roles: StateRoles | None) -> float:
    """How well what a frame holds goes with what it would emit, where no state can show it."""
    fields = kind.fields.values()
    if emit == "hello":
        return 1.0 if kind.greets and kind.greets >= kind.count - 1 else 0.3
    if emit == "music_moment":
        return float(any(s.fraction and 2 * s.shares >= s.said for s in fields))
    ids = frozenset() if roles is None else roles.ids
    cameras = any(refers(stats, ids) or (stats.path.endswith("[]") and refers(stats, ids)) for stats in fields)
    own = bool(still_ids(survey, kind, ids))
    if emit == "still_uploaded":
        return 0.4 * cameras + 0.2 * own + 0.4 * any(s.links or s.hashes or s.paths for s in fields)
    return 0.6 * cameras + 0.4 * own


def still_ids(survey: Survey, kind: KindStats, ids: frozenset[str]) -> list[FieldStats]:
    """The fields of a type that hold what other types about stills hold too, and no camera."""
    return list(_shared(survey, kind, ids))


def _shared(survey: Survey, kind: KindStats, ids: frozenset[str]) -> Iterator[FieldStats]:
    for stats in kind.fields.values():
        scalar = stats.is_mostly_scalar and not (stats.is_flag or stats.is_time or stats.fraction)
        if not scalar or refers(stats, ids):
            continue
        if not vocabulary.says(stats.path, {*vocabulary.IDS[:-2], "still", "pic", "photo", "picture"}):
            continue
        if vocabulary.says(stats.path, vocabulary.STILL):
            yield stats
            continue
        others = (one.fields.get(stats.path) for one in survey.kinds.values() if one.name != kind.name)
        if any(other is not None and other.values.keys() & stats.values.keys() for other in others):
            yield stats
