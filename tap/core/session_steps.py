"""What people did to sessions afterwards, step by step, and what follows from it for what is told later.

A service that knows nothing of a choice goes on to tell of its session as before: a still that is uploaded the next
day, a session that shows again. Each such entry takes the way of every step that was not undone: to the part that its
still went to, or nowhere, where the choice left it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, field, structs

from tap.core.merge import Row
from tap.core.model import Entry
from tap.core.regroup import less, moment_of, rekeyed

__all__ = [
    "How",
    "Step",
    "blank",
    "decode_step",
    "effective",
    "encode_step",
    "ended",
    "follow",
    "made_of",
    "of_session",
]

How: TypeAlias = Literal["make", "split", "merge", "trim", "rename", "undo"]
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "event": ("kind", "at", "observedAt"),
    "still": ("stillId", "cameraId", "status"),
    "camera": ("cameraId", "joinedAt"),
    "session": ("sessionType", "status", "startedAt", "source"),
}
_OF_ITS_END = ("status", "completedAt", "endReason", "mode")


class Step(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that somebody did."""

    number: int
    how: How
    at: int
    """Wall ms."""
    by: str
    keys: list[str]
    """The sessions that it changed; the one that it is about comes first."""
    args: dict[str, Any]
    """What was asked for."""
    revisions: dict[str, int]
    """At which revision of each session."""
    seqs: dict[str, int] = field(default_factory=dict)
    """Of each session, the last entry in the journal before it."""
    wrote: dict[str, int] = field(default_factory=dict)
    """Of each session, how many entries it is."""
    undoes: int | None = None
    names: dict[str, str] = field(default_factory=dict)
    """What the rows of stills are called since; of those that were left out, nothing."""
    base: dict[str, Any] = field(default_factory=dict)
    """Of a split or merge: what the earlier parts count, which the last one's own count lacks or has too much."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Step)
encode_step: Callable[[Step], bytes] = _encoder.encode
decode_step: Callable[[str | bytes], Step] = _decoder.decode


def effective(steps: Sequence[Step]) -> list[Step]:
    """The steps that hold: without those that were undone, and without the undoing."""
    undone = {step.undoes for step in steps}
    return [step for step in steps if step.how != "undo" and step.number not in undone]


def of_session(steps: Iterable[Step], key: str) -> list[Step]:
    """Those that touched a session."""
    return [step for step in steps if key in step.keys]


def blank(row: Row) -> dict[str, Any]:
    """Of a row that went elsewhere, no more than a row must have: whoever forgets that one shall not find it here."""
    return {name: row.fields[name] for name in _REQUIRED[row.op] if name in row.fields}


# ---------------------------------------------------------------------------------------------- what is told later


def follow(steps: Sequence[Step], entry: Entry, known: Callable[[str], Mapping[str, Any] | None]) -> Entry | None:
    """Where an entry that the service tells goes by what was chosen.

    Args:
        steps: Those that hold, in order.
        entry: What the machine wrote, which knows nothing of choices.
        known: Gives the fields of a session's own row, by its key; None where there is none.

    Returns:
        The entry as it has to be written; None: nowhere, for the choice left it out.
    """
    row: Row | None = Row(entry.key, entry.op, entry.session_key, entry.version, 0, dict(entry.fields))
    for step in steps:
        if row is None or row.session_key not in step.keys:
            continue
        row = _FOLLOW[step.how](step, row, known)
    if row is None:
        return None
    return Entry(row.key, row.op, row.session_key, row.version, row.fields, entry.revision, entry.retracted)


_Known: TypeAlias = Callable[[str], Mapping[str, Any] | None]


def _made(_step: Step, row: Row, _known: _Known) -> Row | None:
    return row


def _renamed(step: Step, row: Row, _known: _Known) -> Row | None:
    """The session keeps the title and notes that somebody gave it."""
    if row.op != "session":
        return row
    fields = dict(row.fields)
    for name in ("title", "notes"):
        if name in step.args:
            fields.pop(name, None)
            fields |= {name: step.args[name]} if step.args[name] else {}
    return structs.replace(row, fields=_marked(fields, step))


def _trimmed(step: Step, row: Row, _known: _Known) -> Row | None:
    """What happened outside the part that was kept is left out."""
    still = _still_of(row)
    if still in step.names:
        return row if step.names[still] else None
    at = moment_of(row)
    return row if at is not None and step.args["since"] <= at <= step.args["until"] else None


def _split(step: Step, row: Row, known: _Known) -> Row | None:
    """What happened since the cut goes to the second part."""
    first, last = step.keys
    if row.session_key != first:
        return row
    if row.op == "session":
        return _ended(step, rekeyed(row, last), known, -1)
    still = _still_of(row)
    if still in step.names:
        return row if step.names[still] == still else rekeyed(row, last)
    at = moment_of(row)
    return row if at is not None and at < step.args["at"] else rekeyed(row, last)


def _merged(step: Step, row: Row, known: _Known) -> Row | None:
    """All of a session that was joined to another goes there; of its own row only the end of the last one."""
    into, *others = step.keys
    if row.session_key == into:
        # What is told of its end now is of an end that is none any more.
        return row if row.op in ("event", "still") else None
    if row.op == "session":
        of_last = structs.replace(row, key=into, session_key=into)
        return _ended(step, of_last, known, 1) if row.key == others[-1] else None
    if row.op == "camera":
        return None
    still = _still_of(row)
    moved = rekeyed(row, into)
    if still in step.names:
        if row.op == "still":
            return structs.replace(moved, key=step.names[still])
        number = step.names[still][len(into + still[len(row.session_key) :]) :]
        return structs.replace(moved, key=moved.key + number, fields={**moved.fields, "stillKey": step.names[still]})
    return moved


def _still_of(row: Row) -> str:
    """The still that a row is, or tells of."""
    return row.key if row.op == "still" else str(row.fields.get("stillKey", ""))


def _ended(step: Step, row: Row, known: _Known, sign: int) -> Row | None:
    """A session's own row, told anew: its end is that of the last part, and nothing else of it holds.

    Args:
        sign: 1: add what the other parts count; -1: take it off.
    """
    part = known(row.key)
    if part is None:
        return None
    return structs.replace(row, fields=ended(part, row.fields, step, sign))


def ended(part: Mapping[str, Any], told: Mapping[str, Any], step: Step, sign: int) -> dict[str, Any]:
    """The session's row ``part`` with the end that ``told`` tells, which counts other parts too, or lacks them."""
    fields = {name: value for name, value in part.items() if name not in _OF_ITS_END and name != "finalState"}
    fields |= {name: told[name] for name in _OF_ITS_END if name in told}
    final = told.get("finalState")
    if final is not None:
        fields["finalState"] = {**final, **less(final, step.base, sign)}
    return fields


def _marked(fields: dict[str, Any], step: Step) -> dict[str, Any]:
    """The session's row says which step made it so."""
    source = fields.get("source")
    if not isinstance(source, Mapping):
        return fields
    return {**fields, "source": {**source, "made": made_of(step)}}


def made_of(step: Step) -> dict[str, Any]:
    """What a session's row says of a step: how, when, who, and out of which sessions."""
    others = [key for key in step.args.get("from", []) if isinstance(key, str)]
    return {"how": step.how, "at": step.at, "by": step.by, **({"from": others} if others else {})}


_FOLLOW: Mapping[str, Callable[[Step, Row, _Known], Row | None]] = {
    "make": _made,
    "rename": _renamed,
    "trim": _trimmed,
    "split": _split,
    "merge": _merged,
}
