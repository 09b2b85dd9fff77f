"""Which frame is the server's state, and what in it is what: cameras, program, session, mode, hold.

By behaviour first: cameras are things that come in lists, again and again, and whose ids stand in other frames too; the
session is there or not there, and long the same; a flag turns. Names decide between those that behave alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from tap.rehearsal.inspect import vocabulary
from tap.rehearsal.inspect.paths import NOTHING, nearly, tokens
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Survey

__all__ = ["Guess", "StateRoles", "find_state", "none_words", "refers"]

_MOST_CAMERAS = 64
_SURE, _DOUBTFUL = 0.9, 0.5


class Guess(Struct):
    """What a field is taken for, how surely (0 to 1), and why."""

    path: str
    sure: float
    why: str


class StateRoles(Struct):
    """The frame that tells the whole state, and what stands where in it."""

    kind: str
    cameras: Guess
    camera_id: str
    """Where a camera's id stands in it; ``@``: it is the key."""
    ids: frozenset[str]
    camera_fields: dict[str, Guess] = field(default_factory=dict)
    program: Guess | None = None
    programs: list[Guess] = field(default_factory=list)
    """All fields that could be the program; the analysis chooses one by how they behave."""
    session: Guess | None = None
    session_id: str = ""
    """Where its id stands in the session; empty: the session is its id."""
    session_values: frozenset[str] = frozenset()
    mode: Guess | None = None
    hold: Guess | None = None
    hold_flag: str = ""
    """Where its flag stands in the hold; empty: the hold is a flag."""

    @property
    def keyed(self) -> bool:
        return self.camera_id == "@"

    @property
    def items(self) -> str:
        """The path of a camera, as the survey writes it."""
        return self.cameras.path + ("{}" if self.keyed else "[]")


def find_state(survey: Survey) -> StateRoles | None:
    """The frame with the whole state, and its fields' roles; None if no frame lists what could be cameras."""
    found = max(_lists(survey), key=lambda item: item[0], default=None)
    if found is None:
        return None
    score, kind, prefix, leaf = found
    stats = kind.fields[f"{prefix}.{leaf}"]
    ids = _ids_of_cameras(stats)
    named = vocabulary.says(prefix, vocabulary.CAMERA)
    why = f"{len(ids)} ids come again and again, each once a list" + (
        ", and are in other frames too" if score >= 2 else ""
    )
    sure = min(0.98, 0.5 + 0.1 * score + 0.15 * named)
    roles = StateRoles(kind.name, Guess(prefix[:-2], sure, why), leaf, ids)
    roles.camera_fields = dict(_camera_fields(kind, prefix, leaf))
    roles.programs = sorted(_programs(kind, roles), key=lambda guess: -guess.sure)
    roles.program = roles.programs[0] if roles.programs else None
    _find_session(survey, kind, roles)
    roles.hold, roles.hold_flag = _hold(kind, roles)
    roles.mode = _mode(kind, roles)
    return roles


def refers(stats: FieldStats, ids: frozenset[str], *, least: float = 0.8) -> bool:
    """Whether a field's values are ids of these, "none" aside; ``least`` says of how many of them."""
    flag = stats.is_flag and not ids <= {"0", "1"}
    if not stats.is_mostly_scalar or stats.many or flag or stats.is_mostly("flag"):
        return False
    told = {value: count for value, count in stats.values.items() if value.lower() not in NOTHING or value in ids}
    known = sum(count for value, count in told.items() if value in ids)
    every = sum(told.values()) + stats.kinds["object"] + stats.kinds["list"]
    return known > 0 and known >= least * every and len(told.keys() & ids) * 2 >= len(told)


def none_words(stats: FieldStats, ids: frozenset[str] = frozenset()) -> list[str]:
    """The values of a field by which the server says "none"."""
    return sorted(value for value in stats.values if value.lower() in NOTHING and value not in ids)


# ---------------------------------------------------------------------------------------------- cameras


def _lists(survey: Survey) -> Iterator[tuple[float, KindStats, str, str]]:
    """(score, type, list, id in it) of every list that could be that of the cameras."""
    for kind in survey.kinds.values():
        for stats in kind.fields.values():
            prefix, _, leaf = stats.path.partition("[]." if "[]." in stats.path else "{}.")
            if not leaf or "[" in leaf or "{" in leaf or not _could_be_id(stats):
                continue
            prefix += stats.path[len(prefix) : len(prefix) + 2]
            yield _list_score(survey, kind, prefix, leaf, stats), kind, prefix, leaf


def _ids_of_cameras(stats: FieldStats) -> frozenset[str]:
    """The ids that the list of cameras has: a fraction among whole numbers, or a lone word for "none", is no id.

    They would make small numbers look like large ones, and a camera of what is nobody.
    """
    whole = stats.is_of("number")
    return frozenset(
        value
        for value, times in stats.values.items()
        if (not whole or value.lstrip("-").isdecimal()) and (times > 1 or value.lower() not in NOTHING)
    )


def _could_be_id(stats: FieldStats) -> bool:
    distinct = len(stats.values)
    often = stats.said >= 2 * distinct or stats.objects < 3
    plain = stats.is_scalar and not stats.many and not stats.fraction and not stats.is_time
    plain = plain and nearly(stats.said - stats.kinds["flag"], stats.said)
    apart = nearly(stats.apart, stats.apart + stats.together)
    return plain and often and 1 <= distinct <= _MOST_CAMERAS and apart and not stats.is_null_at_times


def _list_score(survey: Survey, kind: KindStats, prefix: str, leaf: str, stats: FieldStats) -> float:
    ids = frozenset(stats.values)
    refs = sum(
        refers(other, ids)
        for name, one in survey.kinds.items()
        for other in one.fields.values()
        if not (name == kind.name and other.path.startswith(prefix))
    )
    score = min(refs, 6) + 0.2 * min(stats.objects, 10)
    score += 2.0 * vocabulary.says(prefix, vocabulary.CAMERA)
    # An id and a name may be equally alone: the id is plainer, and called so.
    own = leaf.rpartition(".")[2].strip('"').lower()
    parts = tokens(own)
    score += 1.5 * (leaf == "@") + 0.8 * bool(parts & set(vocabulary.IDS[:-1])) - 1.0 * (stats.wordy > 0)
    return score - 0.3 * leaf.count(".") - 0.01 * len(own)


def _camera_fields(kind: KindStats, prefix: str, leaf: str) -> Iterator[tuple[str, Guess]]:
    inside = {path[len(prefix) + 1 :]: stats for path, stats in kind.fields.items() if path.startswith(f"{prefix}.")}
    taken = {leaf}
    for name, meaning in vocabulary.CAMERA_FIELDS.items():
        found = [
            (vocabulary.says(path.rpartition(".")[2], meaning) - 0.1 * path.count("."), path)
            for path, stats in inside.items()
            if path not in taken and vocabulary.says(path.rpartition(".")[2], meaning) and _fits(name, stats)
        ]
        if found:
            path = max(found)[1]
            taken.add(path)
            yield name, Guess(path, _SURE if name != "online" or inside[path].is_flag else 0.7, "by its name")
    if not any(vocabulary.says(path, vocabulary.CAMERA_FIELDS["name"]) for path in taken):
        wordy = [path for path, stats in inside.items() if path not in taken and _is_a_name(stats)]
        if wordy:
            yield "name", Guess(wordy[0], 0.6, "a text for people, one for each camera")


def _fits(name: str, stats: FieldStats) -> bool:
    if name == "placement":
        return stats.is_of("object") or stats.is_of("text")
    if name == "online":
        return stats.is_one_of("true", "false", "0", "1")
    return stats.is_of("text") and not (stats.hashes or stats.links)


def _is_a_name(stats: FieldStats) -> bool:
    apart = nearly(stats.apart, stats.apart + stats.together)
    return stats.is_of("text") and apart and stats.wordy > 0 and not stats.is_time


# ---------------------------------------------------------------------------------------------- the program


def _programs(kind: KindStats, roles: StateRoles) -> Iterator[Guess]:
    for stats in kind.fields.values():
        inside = stats.path.startswith(f"{roles.items}.")
        if inside and stats.is_one_of("true", "false", "1", "0") and not stats.is_of("text"):
            yield from _flagged(stats, roles)
        elif not inside and "[" not in stats.path and "{" not in stats.path and refers(stats, roles.ids):
            named = vocabulary.says(stats.path, vocabulary.PROGRAM)
            other = vocabulary.says(stats.path, vocabulary.PREVIEW)
            yield Guess(stats.path, 0.75 if named and not other else 0.2 if other else 0.45, "holds the id of a camera")


def _flagged(stats: FieldStats, roles: StateRoles) -> Iterator[Guess]:
    """A flag of the cameras that at most one of them has."""
    value = "true" if stats.is_of("flag") else "1"
    if not nearly(stats.lone + stats.none_set, stats.objects) or not stats.lone or len(roles.ids) < 2:
        return
    leaf = stats.path[len(roles.items) + 1 :]
    path = f"{roles.cameras.path}[{leaf}={value}].{'id' if roles.keyed else roles.camera_id}"
    named = vocabulary.says(leaf, vocabulary.PROGRAM)
    other = vocabulary.says(leaf, vocabulary.PREVIEW)
    yield Guess(path, 0.75 if named and not other else 0.2 if other else 0.4, "one camera at most has this flag")


# ---------------------------------------------------------------------------------------------- the session


def _find_session(survey: Survey, kind: KindStats, roles: StateRoles) -> None:
    found = max(_sessions(survey, kind, roles), key=lambda item: item[0], default=None)
    if found is None or found[0] < 0.4:
        return
    score, stats, leaf, why = found
    roles.session, roles.session_id = Guess(stats.path, min(0.98, score), why), leaf
    ids = kind.fields[f"{stats.path}.{leaf}"] if leaf else stats
    roles.session_values = frozenset(ids.values) - set(none_words(ids))


def _sessions(survey: Survey, kind: KindStats, roles: StateRoles) -> Iterator[tuple[float, FieldStats, str, str]]:
    for stats in kind.fields.values():
        if "[" in stats.path or "{" in stats.path or stats.path == roles.cameras.path:
            continue
        if stats.kinds["object"]:
            for leaf, ids in _inside(kind, stats.path):
                if _could_be_session_id(ids, roles):
                    score, why = _session_score(survey, kind, stats, ids)
                    yield score, stats, leaf, why
        elif _could_be_session_id(stats, roles) and vocabulary.says(stats.path, vocabulary.SESSION):
            score, why = _session_score(survey, kind, stats, stats)
            yield score, stats, "", why


def _inside(kind: KindStats, path: str) -> Iterator[tuple[str, FieldStats]]:
    for name, stats in kind.fields.items():
        leaf = name.removeprefix(f"{path}.")
        if leaf != name and "." not in leaf and "[" not in leaf:
            yield leaf, stats


def _could_be_session_id(stats: FieldStats, roles: StateRoles) -> bool:
    if (
        not stats.is_scalar
        or stats.is_flag
        or stats.fraction
        or stats.is_time
        or stats.wordy
        or refers(stats, roles.ids)
    ):
        return False
    return stats.changes <= max(2, stats.objects // 4) and (_is_called_id(stats) or stats.is_of("text"))


def _is_called_id(stats: FieldStats) -> bool:
    return bool(tokens(stats.leaf) & {*vocabulary.IDS[:-2], *vocabulary.SESSION})


def _session_score(survey: Survey, kind: KindStats, stats: FieldStats, ids: FieldStats) -> tuple[float, str]:
    reasons = []
    score = 0.0
    if vocabulary.says(stats.path, vocabulary.SESSION):
        score += 0.45
        reasons.append("by its name")
    if stats.nulls or stats.objects < kind.usual or none_words(stats):
        score += 0.25
        reasons.append("there at times and at times not")
    values = set(ids.values) - set(none_words(ids))
    elsewhere = any(
        values & other.values.keys()
        for name, one in survey.kinds.items()
        if name != kind.name
        for other in one.fields.values()
        if other.is_scalar and not other.is_flag and (ids.kinds["text"] or max(map(len, values), default=0) > 3)
    )
    if elsewhere:
        score += 0.25
        reasons.append("its id is in other frames too")
    if _is_called_id(ids):
        score += 0.1
    elif not elsewhere:
        score -= 0.3
    # Of two texts that stay the same, the one with a number in it is the id.
    score += 0.05 * all(any(character.isdigit() for character in value) for value in values)
    if any(inner.is_time for _, inner in _inside(kind, stats.path)):
        score += 0.15
        reasons.append("it has a time of its own")
    return score, ", ".join(reasons)


# ---------------------------------------------------------------------------------------------- mode and hold


def _plain(kind: KindStats, roles: StateRoles) -> Iterator[FieldStats]:
    """The fields of the state that are neither a camera's nor the session's."""
    session = roles.session.path if roles.session is not None else None
    for stats in kind.fields.values():
        own = "[" in stats.path or "{" in stats.path
        if not own and stats.path != session and not (session and stats.path.startswith(f"{session}.")):
            yield stats


def _hold(kind: KindStats, roles: StateRoles) -> tuple[Guess | None, str]:
    found: list[tuple[float, str, str]] = []
    for stats in _plain(kind, roles):
        if not stats.is_one_of("true", "false", "0", "1") or stats.is_null_at_times:
            continue
        outer, _, leaf = stats.path.rpartition(".")
        turns = 0.2 if stats.changes else 0.0
        if vocabulary.says(stats.leaf, vocabulary.HOLD):
            found.append((0.7 + turns, stats.path, ""))
        elif outer and vocabulary.says(outer, vocabulary.HOLD):
            found.append((0.7 + turns, outer, leaf))
        elif stats.is_flag and stats.is_of("flag"):
            found.append((0.1 + turns, stats.path, ""))
    if not found:
        return None, ""
    score, path, leaf = max(found)
    return Guess(path, score, "a flag that turns" if score < 0.5 else "a flag, by its name"), leaf


def _mode(kind: KindStats, roles: StateRoles) -> Guess | None:
    found: list[tuple[float, str, str]] = []
    for stats in _plain(kind, roles):
        plain = stats.is_scalar and not (stats.many or stats.is_time or stats.fraction or stats.is_null_at_times)
        if not plain or not nearly(stats.said - stats.wordy, stats.said):
            continue
        held = roles.hold is not None and stats.path.startswith(roles.hold.path)
        if held or (refers(stats, roles.ids) and stats.is_of("text")) or len(stats.values) > 16:
            continue
        named = vocabulary.says(stats.path, vocabulary.MODE)
        score = 0.5 * named + 0.4 * any(vocabulary.says(value, vocabulary.MODES) for value in stats.values) * bool(
            stats.is_of("text")
        )
        score += 0.15 * (1 <= stats.changes <= stats.objects // 2)
        if score >= 0.4 and not vocabulary.says(stats.path, vocabulary.PROGRAM | vocabulary.PREVIEW):
            found.append((min(0.98, score), stats.path, "by its name" if named else "by its words"))
    return Guess(max(found)[1], max(found)[0], max(found)[2]) if found else None
