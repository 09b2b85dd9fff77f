"""The result of an inspection as plain data: for the terminal, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from tap.core.mapping import Dialect
from tap.rehearsal.inspect import vocabulary
from tap.rehearsal.inspect.analysis import Analysis
from tap.rehearsal.inspect.event_roles import still_ids
from tap.rehearsal.inspect.field_guesses import find_time
from tap.rehearsal.inspect.state_roles import StateRoles, none_words, refers
from tap.rehearsal.inspect.suggestion import wraps_of
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Odd, Survey

__all__ = ["FieldFound", "InspectionReport", "TypeFound", "report_of"]

_MOST_FIELDS = 400
_SMALL_DIGITS = 3
_TELLING = ("mapped", "incomplete", "unknown", "unreadable", "quiet", "ignored")
"""Verdicts, those first that matter most."""


class TypeFound(Struct, rename="camel"):
    """One type of frame."""

    name: str
    count: int
    per_second: float
    bytes: int
    """Of one, on average."""
    biggest: int
    dialect: str
    """What the dialect makes of it: mapped, ignored, quiet, unknown, incomplete."""
    says: list[str]
    """What it tells through the dialect."""
    looks_like: str | None
    sure: float
    why: str
    sample: str
    reason: str | None = None
    """Why the dialect cannot use it."""


class FieldFound(Struct, rename="camel"):
    """What a field looks like, and by what."""

    type: str
    path: str
    looks_like: str
    sure: float
    why: str


class InspectionReport(Struct, rename="camel"):
    """The result of an inspection."""

    source: str
    dialect: str
    seconds: float
    frames: int
    bytes: int
    connections: int
    binary: int
    unreadable: int
    why: dict[str, int]
    known: float
    """The share of what was said that the dialect knows, telemetry included."""
    envelope: dict[str, str]
    types: list[TypeFound]
    fields: list[FieldFound]
    left_out: list[Odd] = field(default_factory=list)
    """Frames that are not like the others of their type: nothing was concluded from them."""
    seq_orders: str | None = None
    """What the numbers of the frames count, by themselves."""
    remarks: list[str] = field(default_factory=list)


def report_of(found: Analysis, dialect: Dialect) -> InspectionReport:
    """The report of an analysis that was made with this dialect."""
    survey = found.survey
    assert survey is not None  # noqa: S101 - an analysis that was made has one
    return InspectionReport(
        source=found.source,
        dialect=dialect.name,
        seconds=found.seconds,
        frames=found.frames,
        bytes=found.bytes,
        connections=found.connections,
        binary=found.binary,
        unreadable=found.unreadable,
        why=dict(found.why),
        known=survey.known,
        envelope=dict(_envelope(found)),
        types=sorted((_type(kind, found) for kind in survey.kinds.values()), key=lambda one: -one.count),
        fields=list(_fields(found, survey))[:_MOST_FIELDS],
        left_out=found.odd,
        seq_orders=None if found.seq is None else found.numbering.fits,
        remarks=found.remarks,
    )


def _envelope(found: Analysis) -> Iterator[tuple[str, str]]:
    envelope, survey = found.envelope, found.survey
    yield "type", envelope.type or "none: frames are recognized by their keys"
    if envelope.body is not None:
        yield "body", envelope.body
    if envelope.batch is not None:
        yield "batch", envelope.batch
    for setting, value in wraps_of(envelope):
        yield setting, ", ".join(value) if isinstance(value, list) else str(value).lower()
    if survey is not None:
        time = find_time(survey)
        if time is not None:
            yield "time", f"{time.path} ({time.unit})"
        if found.seq is not None:
            yield "seq", found.seq.path


def _type(kind: KindStats, found: Analysis) -> TypeFound:
    roles = [role for role in found.events if role.kind == kind.name and role.emit is not None]
    state = found.roles is not None and found.roles.kind == kind.name
    looks = "snapshot" if state else " or ".join(str(role.emit) for role in roles) or None
    sure = found.roles.cameras.sure if state and found.roles else roles[0].sure if roles else 0.0
    return TypeFound(
        name=kind.name,
        count=kind.count,
        per_second=kind.count / found.seconds if found.seconds else 0.0,
        bytes=kind.bytes // max(1, kind.count),
        biggest=kind.biggest,
        dialect=next((verdict for verdict in _TELLING if kind.verdicts[verdict]), "unknown"),
        says=sorted(kind.emits),
        looks_like=looks,
        sure=sure,
        why="it lists the cameras" if state else roles[0].why if roles else "",
        sample=kind.sample,
        reason=kind.reason,
    )


def _fields(found: Analysis, survey: Survey) -> Iterator[FieldFound]:
    roles = found.roles
    told: set[tuple[str, str]] = set()
    if roles is not None:
        for one in _state_fields(roles):
            told.add((one.type, one.path))
            yield one
    ignored = {role.kind for role in found.events if role.emit == "ignore"}
    for kind in survey.kinds.values():
        if kind.name not in ignored:
            for stats in kind.fields.values():
                looks = _looks(survey, kind, stats, roles)
                if looks is not None and (kind.name, stats.path) not in told:
                    yield FieldFound(kind.name, stats.path, *looks)


def _state_fields(roles: StateRoles) -> Iterator[FieldFound]:
    yield FieldFound(roles.kind, roles.cameras.path, "cameras", roles.cameras.sure, roles.cameras.why)
    for name, guess in (
        ("program", roles.program),
        ("session", roles.session),
        ("mode", roles.mode),
        ("hold", roles.hold),
    ):
        if guess is not None:
            yield FieldFound(roles.kind, guess.path, name, guess.sure, guess.why)
    for name, guess in roles.camera_fields.items():
        yield FieldFound(roles.kind, f"{roles.items}.{guess.path}", f"camera's {name}", guess.sure, guess.why)


def _looks(
    survey: Survey, kind: KindStats, stats: FieldStats, roles: StateRoles | None
) -> tuple[str, float, str] | None:
    """What a field looks like by its behaviour alone."""
    different = "many values" if stats.many else f"{len(stats.values)} value{'' if len(stats.values) == 1 else 's'}"
    if roles is not None:
        # Numbers so small may be the session's by accident: what is called a still's is none of it.
        still = vocabulary.says(stats.path, vocabulary.STILL)
        of_state = _camera_id(stats, roles) or (None if still else _session_id(stats, roles, different))
        if of_state is not None:
            return of_state
    if stats.is_time:
        near = stats.near / stats.times
        return f"time ({stats.unit})", 0.6 + 0.35 * near, f"{near:.0%} within ten minutes of when it came"
    if stats.is_flag:
        sure = 0.95 if stats.is_of("flag") else 0.6
        return "flag", sure, f"turned {stats.changes} times" if not {"[", "{"} & set(stats.path) else "both values"
    if any(stats is other for other in still_ids(survey, kind, frozenset() if roles is None else roles.ids)):
        return "still id", 0.6, f"{different}, which are in frames of other types too"
    if stats.wordy and stats.is_of("text") and not stats.links:
        return "name or text", 0.6, f"{different}, written for people"
    return None


def _camera_id(stats: FieldStats, roles: StateRoles) -> tuple[str, float, str] | None:
    if not refers(stats, roles.ids):
        return None
    told = stats.values.keys() - none_words(stats, roles.ids)
    known = told & roles.ids
    sure = 0.9 if len(told) > 1 else 0.6
    if len(known) < len(told):
        why = f"{len(known)} of {len(told)} values are ids of cameras"
    else:
        why = f"{len(told)} values, all of them ids of cameras" if len(told) > 1 else "1 value, the id of a camera"
    if (
        not _small(roles.ids)
        or _leaf(stats.path) == _leaf(roles.camera_id)
        or vocabulary.says(stats.path, vocabulary.CAMERA)
    ):
        return "camera id", sure, why
    as_in_state = _called(roles).get(_leaf(stats.path))
    if as_in_state is not None:
        return *as_in_state, "called as in the state"
    # A number that no camera has: the others are none of theirs either.
    return None if known < told else ("camera id", 0.3, f"{why}; but numbers so small may be anything")


def _session_id(stats: FieldStats, roles: StateRoles, different: str) -> tuple[str, float, str] | None:
    told = stats.values.keys() - none_words(stats)
    if not stats.is_scalar or not told & roles.session_values:
        return None
    session = roles.session_id or ("" if roles.session is None else roles.session.path)
    if _leaf(stats.path) != _leaf(session):
        # Counted as the session is, and beyond it.
        if told - roles.session_values and all(value.isdecimal() for value in told):
            return None
        if _small(roles.session_values):
            return "session id", 0.3, f"{different}, the session's; but numbers so small may be anything"
    return "session id", 0.9, f"{different}, the session's"


def _called(roles: StateRoles) -> dict[str, tuple[str, float]]:
    """What the state's fields, by their names, are taken for, and how sure that is."""
    return {_leaf(one.path): (one.looks_like, one.sure) for one in _state_fields(roles)}


def _small(ids: frozenset[str]) -> bool:
    """Whether these ids are small numbers, which other fields have too by accident."""
    return all(value.isdecimal() and len(value) <= _SMALL_DIGITS for value in ids - {"0"})


def _leaf(path: str) -> str:
    return path.rstrip("[]").rpartition(".")[2]
