"""Sessions that people cut and join afterwards: rows of one history in, rows of another out; pure.

Nothing is made up and nothing is lost: an event belongs to the part in which it happened, what was heard of a still to
the part in which it was asked for or taken, a camera to each part in which it was there. What was on where a part
begins or ends is what the events before say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import structs

from tap.core.codec import sub_key
from tap.core.merge import Row

__all__ = [
    "Rows",
    "counted",
    "joined",
    "moment_of",
    "part_key",
    "part_of",
    "rekeyed",
    "renamed",
    "session_of",
    "span_of",
]

Rows: TypeAlias = dict[str, Row]
"""Of one session, by key; without those that were taken back."""

_STARTED_AT = re.compile(r"@\d+$")
_SIDES = ("programCameraId", "mode", "hold")
_EVER = 2**60
"""Later than anything."""
BETWEEN = "between sessions"
"""The cause of a gap that joining makes."""


def session_of(rows: Rows) -> Row:
    """The session's own row. Raises ``StopIteration`` where there is none."""
    return next(row for row in rows.values() if row.op == "session")


def span_of(rows: Rows) -> tuple[int, int]:
    """From when to when a session that is over ran."""
    fields = session_of(rows).fields
    started = int(fields["startedAt"])
    return started, int(fields.get("completedAt", started))


def part_key(key: str, at: int) -> str:
    """The key of a part that begins at ``at``: that of the session, with its own beginning."""
    return f"{_STARTED_AT.sub('', key)}@{at}"


def rekeyed(row: Row, to: str, key: str | None = None) -> Row:
    """A row as one of another session.

    Args:
        to: The key of that session.
        key: The row's own key there; None: the same as here, under the other session.
    """
    before = row.session_key
    fields = dict(row.fields)
    still = fields.get("stillKey")
    if isinstance(still, str) and still.startswith(f"{before}/"):
        fields["stillKey"] = to + still[len(before) :]
    return structs.replace(row, key=key or to + row.key[len(before) :], session_key=to, fields=fields)


def moment_of(row: Row) -> int | None:
    """When an event happened, or a still was asked for or taken; None of what lasts, or says nothing of it."""
    if row.op == "event":
        return int(row.fields["at"])
    names = ("requestedAt", "capturedAt", "uploadedAt") if row.op == "still" else ()
    return next((int(row.fields[name]) for name in names if name in row.fields), None)


# ---------------------------------------------------------------------------------------------- a part


def part_of(
    rows: Rows, since: int | None, until: int | None, *, key: str, reason: str, inclusive: bool = False
) -> Rows:
    """The rows of a part of a session.

    Args:
        since: Where it begins (ms); None: where the session did. Else it begins with what was on then.
        until: Where it ends; None: where the session did. Else it ends with what was on then.
        key: The key of the part.
        reason: The ``endReason`` of a part that ends before its session did.
        inclusive: What happened at ``until`` itself belongs to it too.
    """
    first, last = since is None, until is None
    since, ended = since or 0, _EVER if until is None else until
    until = ended + inclusive
    session = session_of(rows)
    events = [row for row in rows.values() if row.op == "event"]
    inside = {row.key: row for row in rows.values() if _is_inside(row, rows, since, until)}
    kept = [row for name, row in inside.items() if rows[name].op != "camera"]
    there = [row for row in rows.values() if _was_there(row, since, until, _seen_from(session))]
    kept += [_camera_in(row, since, until, last=last) for row in there]
    fields = dict(session.fields)
    if not first:
        fields["startedAt"] = since
        if _seen_from(session) <= since:
            fields["startState"] = {"at": since, **state_at(session, events, since)}
    if not last:
        fields |= {"status": "complete", "completedAt": ended, "endReason": reason}
    final = dict(fields.get("finalState") or {"camerasOnline": []})
    if not last:
        online = sorted(str(row.fields["cameraId"]) for row in rows.values() if _is_online(row, until))
        final = {**state_at(session, events, until), "camerasOnline": online}
    # What was told after the end was not counted at the end.
    heard = int(session.fields.get("completedAt", _EVER))
    if last:
        counts = less(final, counted((row for row in events if row.key not in inside), heard))
    else:
        counts = counted(kept, heard)
    fields["finalState"] = {**final, **counts}
    _set(fields, "mode", final.get("mode"))
    _set(fields, "media", _media_in(fields.get("media"), since, until) or None)
    made = [structs.replace(session, fields=fields), *kept]
    return {row.key: row for row in (row if key == session.key else rekeyed(row, key) for row in made)}


def _is_inside(row: Row, rows: Rows, since: int, until: int) -> bool:
    """Whether an event or a still belongs to the part; what is told of a still goes with the still."""
    still = rows.get(str(row.fields.get("stillKey"))) if row.op == "event" else None
    at = moment_of(row if still is None else still)
    return row.op in ("event", "still") and at is not None and since <= at < until


def _was_there(row: Row, since: int, until: int, seen_from: int) -> bool:
    """Whether a camera belongs to the part.

    A tap that came later does not know who was there, and denies nobody: what it took back, another tap may have seen.
    """
    left = row.fields.get("leftAt")
    if row.op != "camera" or (left is not None and left < since):
        return False
    joined = int(row.fields["joinedAt"])
    return joined < until or joined <= seen_from


def _seen_from(session: Row) -> int:
    """Since when what was on in a session is known: a tap that was connected later saw nothing of it before."""
    state = session.fields.get("startState") or {}
    return int(state.get("at", session.fields["startedAt"]))


def _is_online(row: Row, at: int) -> bool:
    """Whether a camera was there at that time, by its row."""
    left = row.fields.get("leftAt")
    known = row.fields.get("status") == "online" or left is not None
    return row.op == "camera" and known and row.fields["joinedAt"] < at and (left is None or left > at)


def _camera_in(row: Row, since: int, until: int, *, last: bool) -> Row:
    """A camera's row within a part: it joined no sooner, and one that left later is still there."""
    fields = {**row.fields, "joinedAt": max(since, row.fields["joinedAt"])}
    if not last and fields.get("leftAt", 0) >= until:
        del fields["leftAt"]
        fields["status"] = "online"
    return structs.replace(row, fields=fields)


def _media_in(media: Any, since: int, until: int) -> list[Any]:
    """The files that show any of it; of one that says no time, nobody knows."""
    kept = []
    for file in media or []:
        begins, ends = (file.get("from"), file.get("to")) if isinstance(file, Mapping) else (None, None)
        if (begins is None or begins < until) and (ends is None or ends > since):
            kept.append(file)
    return kept


def _set(fields: dict[str, Any], name: str, value: Any) -> None:
    """A column with a value; without one it is left out, for no column is ever null."""
    if value is not None:
        fields[name] = value
    else:
        fields.pop(name, None)


def state_at(session: Row, events: Iterable[Row], at: int) -> dict[str, Any]:
    """What was on just before ``at``: program, mode and hold, as far as they are known."""
    began = (session.fields.get("startState") or {}) if _seen_from(session) <= at else {}
    state = {name: value for name, value in began.items() if name in _SIDES}
    for row in sorted((row for row in events if row.fields["at"] < at), key=lambda row: int(row.fields["at"])):
        _happened(state, row.fields)
    return state


def _happened(state: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """What is on after an event."""
    kind, detail = fields["kind"], fields.get("detail") or {}
    if kind == "cut":
        state["programCameraId"] = fields.get("cameraId")
    elif kind == "off_air":
        state.pop("programCameraId", None)
    elif kind in ("hold", "release"):
        state["hold"] = kind == "hold"
    elif kind == "mode_change":
        _set(state, "mode", detail.get("to"))
    elif kind == "gap":
        after = detail.get("after") or {}
        state.clear()
        state.update({name: after[name] for name in _SIDES if name in after})


def counted(rows: Iterable[Row], until: int = _EVER) -> dict[str, Any]:
    """What ``finalState`` says of a session's events, up to a moment; gaps are told afterwards, and always counted."""
    events = [row.fields for row in rows if row.op == "event"]
    kinds = Counter(str(fields["kind"]) for fields in events if fields["at"] <= until or fields["kind"] == "gap")
    blind = [int(fields.get("durationMs", 0)) for fields in events if fields["kind"] == "gap"]
    return {"counts": dict(sorted(kinds.items())), "gaps": len(blind), "gapMs": sum(blind)}


def less(whole: Mapping[str, Any], part: Mapping[str, Any], sign: int = -1) -> dict[str, Any]:
    """The counts of a final state without those of another.

    Args:
        sign: 1: with them instead.
    """
    were, are = whole.get("counts") or {}, part.get("counts") or {}
    counts = {kind: were.get(kind, 0) + sign * are.get(kind, 0) for kind in sorted({*were, *are})}
    more = {name: max(0, whole.get(name, 0) + sign * part.get(name, 0)) for name in ("gaps", "gapMs")}
    return {"counts": {kind: number for kind, number in counts.items() if number > 0}, **more}


# ---------------------------------------------------------------------------------------------- several as one


def joined(parts: Sequence[Rows]) -> tuple[Rows, dict[str, str]]:
    """Sessions, in the order of time, as the first of them; and what the rows of the others are called in it."""
    whole = dict(parts[0])
    key = session_of(whole).key
    names: dict[str, str] = {}
    for part in parts[1:]:
        _join(whole, key, part, names)
    return whole, names


def _join(whole: Rows, key: str, part: Rows, names: dict[str, str]) -> None:
    """Put a later session behind an earlier one.

    Args:
        whole: The rows of the earlier one, which become those of both.
        names: By the key of a row of the later one, what it is called now; a key that is taken gets a number.
    """
    before, after = session_of(whole), session_of(part)
    gap = _between(before, after)
    for row in part.values():
        if row.op != "session":
            names[row.key] = key + row.key[len(after.key) :]
    for name in [name for name, new in names.items() if name in part and new in whole and part[name].op != "camera"]:
        names[name] = _free(names[name], whole, names)
    for row in part.values():
        if row.op == "session":
            continue
        new = rekeyed(row, key, names[row.key])
        still = row.fields.get("stillKey")
        if still in names:
            new.fields["stillKey"] = names[still]
        known = whole.get(new.key)
        if known is not None:
            new.fields["joinedAt"] = min(known.fields["joinedAt"], new.fields["joinedAt"])
        whole[new.key] = new
    if gap is not None:
        whole[gap.key] = gap
    whole[key] = structs.replace(before, fields=_as_one(before.fields, after.fields, gap))


def _free(name: str, whole: Rows, names: Mapping[str, str]) -> str:
    """A key that no row has yet."""
    taken = {*whole, *names.values()}
    number = 2
    while f"{name}/{number}" in taken:
        number += 1
    return f"{name}/{number}"


def _between(before: Row, after: Row) -> Row | None:
    """The time between two sessions as a gap: what happened then is in no row. None where one follows the other."""
    ended, begins = int(before.fields["completedAt"]), int(after.fields["startedAt"])
    began = (after.fields.get("startState") or {}) if _seen_from(after) <= begins else {}
    was = {name: value for name, value in (before.fields.get("finalState") or {}).items() if name in _SIDES}
    is_ = {name: value for name, value in began.items() if name in _SIDES}
    if begins <= ended and was == is_:
        return None
    detail = {"before": was, "after": is_, "tap": "merge", "cause": BETWEEN}
    fields = {"kind": "gap", "at": begins, "observedAt": begins, "durationMs": max(0, begins - ended), "detail": detail}
    key = sub_key(before.key, "gap", "merge", begins)
    return Row(key, "event", before.key, begins, 0, fields)


def _as_one(first: Mapping[str, Any], last: Mapping[str, Any], gap: Row | None) -> dict[str, Any]:
    """The columns of the session's row: the beginning of the first, the end of the last, the counts of both."""
    fields = {**first}
    for name in ("status", "completedAt", "endReason", "mode"):
        _set(fields, name, last.get(name))
    for name in ("title", "notes"):
        _set(fields, name, first.get(name, last.get(name)))
    final = last.get("finalState") or {"camerasOnline": []}
    counts = less(less(final, first.get("finalState") or {}, 1), counted([] if gap is None else [gap]), 1)
    fields["finalState"] = {**final, **counts}
    media = [*(first.get("media") or [])]
    media += [file for file in last.get("media") or [] if file not in media]
    _set(fields, "media", media or None)
    return fields


def renamed(rows: Rows, names: Mapping[str, str]) -> Rows:
    """The session with another title or other notes; an empty text takes them away."""
    session = session_of(rows)
    fields = dict(session.fields)
    for name, text in names.items():
        _set(fields, name, text or None)
    return {**rows, session.key: structs.replace(session, fields=fields)}
