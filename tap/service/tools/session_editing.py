"""``session``: makes, cuts, joins and renames sessions afterwards, in steps that can be undone.

Every step is first a plan: the rows that the sessions have now, and those that they will have. The differences go into
the journal as with ``rederive``: with a higher ``revision``; rows that are no longer true are marked ``retracted``;
nothing is deleted. All of it is in one transaction with the step itself, so after a kill a step is done or not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct, field, structs

from tap.adapters.journal import Journal, Kept
from tap.core.codec import iso, venue_of
from tap.core.errors import TapError
from tap.core.merge import Row, fold
from tap.core.model import Entry
from tap.core.regroup import (
    Rows,
    counted,
    joined,
    less,
    part_key,
    part_of,
    rekeyed,
    renamed,
    session_of,
    span_of,
)
from tap.core.session_steps import How, Step, blank, effective, ended, made_of, of_session

__all__ = [
    "Changed",
    "Picture",
    "Plan",
    "SessionUnknown",
    "Shown",
    "carry_out",
    "log",
    "merge",
    "rename",
    "split",
    "trim",
    "undo",
]

_TRIES = 5
_SESSIONS = "see 'multicam-tap sessions'"


class SessionUnknown(TapError):
    """No session has the key that was given."""

    def __init__(self, key: str) -> None:
        super().__init__("no session has this key", where=key, hint=_SESSIONS)
        self.key = key


class Shown(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One session, as it is or as it will be."""

    key: str
    title: str | None
    started_at: int
    completed_at: int
    cameras: int
    cuts: int
    stills: int
    gaps: int


class Changed(Struct, frozen=True, rename="camel"):
    """How many rows of a session change."""

    key: str
    added: int
    changed: int
    gone: int


class Picture(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Before and after."""

    how: How
    about: str
    """The key of the session that the step changes."""
    before: list[Shown]
    after: list[Shown]
    changes: list[Changed]
    """Empty if nothing changes."""
    applied: bool = False
    remark: str | None = None
    by: str | None = None
    """The person that the remark names."""
    at: int | None = None
    """When they did that, wall clock in ms."""


class Plan(Struct):
    """A step that can be carried out."""

    how: How
    before: dict[str, Known]
    after: dict[str, Rows]
    """The rows of each session afterwards, first of the one that the step is about. No rows: it will be retracted."""
    args: dict[str, Any]
    moved: dict[str, str] = field(default_factory=dict)
    """Rows that move to another session: old key to new key."""
    base: dict[str, Any] = field(default_factory=dict)
    undoes: int | None = None
    remark: str | None = None
    earlier: Step | None = None
    """The step that the remark names."""


class Known:
    """A session in the journal."""

    def __init__(self, key: str, kept: Sequence[Kept]) -> None:
        self.key = key
        self.all = fold(one.entry for one in kept)
        """With the rows that are retracted."""
        self.rows: Rows = {name: row for name, row in self.all.items() if row.retracted is None}
        self.last_seq = max((one.seq for one in kept), default=0)
        self.revision = max((one.entry.revision for one in kept), default=0)


def known(journal: Journal, key: str) -> Known:
    """What the journal has of a session."""
    return Known(key, list(journal.session_entries(key)))


# ---------------------------------------------------------------------------------------------- carrying it out


def carry_out(
    journal: Journal, plan_of: Callable[[], Plan], *, apply: bool, by: str, now: Callable[[], int]
) -> Picture:
    """Make the plan and return its picture; with ``apply``, carry it out.

    ``plan_of`` is called again if the journal has got entries meanwhile. Raises what that raises, ``TapError`` if the
    journal goes on changing, and ``JournalError``.
    """
    for _ in range(_TRIES):
        plan = plan_of()
        changes = list(_changes(plan))
        if not changes or not apply:
            return _picture(plan, changes)
        if _keep(journal, plan, changes, by, now()):
            return _picture(plan, changes, applied=True)
    hint = "run it again when these sessions change less often"
    raise TapError("the journal kept changing meanwhile; nothing was done", where=str(journal.path), hint=hint)


class _Change(Struct):
    """One row that changes."""

    what: str
    row: Row
    was: Row | None


def _changes(plan: Plan) -> Iterator[_Change]:
    for key, rows in plan.after.items():
        before = plan.before[key]
        for name, row in rows.items():
            was = before.all.get(name)
            if was is None or was.retracted is not None:
                yield _Change("added", row, was)
            elif not _is_same(was, row):
                yield _Change("changed", row, was)
        for name, row in before.rows.items():
            if name not in rows:
                yield _Change("gone", row, row)


def _is_same(was: Row, row: Row) -> bool:
    """Whether two rows say the same. Who changed it last does not count."""
    return was.fields == row.fields or (row.op == "session" and _unmarked(was.fields) == _unmarked(row.fields))


def _unmarked(fields: Mapping[str, Any]) -> dict[str, Any]:
    source = fields.get("source")
    bare = {name: value for name, value in source.items() if name != "made"} if isinstance(source, Mapping) else source
    return {**fields, "source": bare}


def _keep(journal: Journal, plan: Plan, changes: Sequence[_Change], by: str, now: int) -> bool:
    steps = journal.steps()
    step = Step(
        number=max((step.number for step in steps), default=0) + 1,
        how=plan.how,
        at=now,
        by=by,
        keys=list(plan.after),
        args=plan.args,
        revisions={key: plan.before[key].revision + 1 for key in plan.after},
        seqs={key: plan.before[key].last_seq for key in plan.after},
        undoes=plan.undoes,
        names=_names(plan),
        base=plan.base,
    )
    entries = list(_entries(plan, changes, step))
    wrote = {key: sum(entry.session_key == key for entry in entries) for key in plan.after}
    return journal.repair(entries, step.seqs, now, structs.replace(step, wrote=wrote))


def _names(plan: Plan) -> dict[str, str]:
    """The key that each still has afterwards; empty for a still that is in no session any more."""
    kept = {name for rows in plan.after.values() for name in rows}
    stills = [name for one in plan.before.values() for name, row in one.rows.items() if row.op == "still"]
    return {name: plan.moved.get(name, name if name in kept else "") for name in stills}


def _entries(plan: Plan, changes: Sequence[_Change], step: Step) -> Iterator[Entry]:
    touched = {change.row.session_key for change in changes}
    for change in changes:
        row, revision = change.row, step.revisions[change.row.session_key]
        version = max(row.version, 0 if change.was is None else change.was.version)
        if change.what == "gone":
            back = {"at": step.at, "reason": _reason(plan, row)}
            fields = blank(row) if row.key in plan.moved else row.fields
            yield Entry(row.key, row.op, row.session_key, version, fields, revision, back)
        elif row.op != "session":
            yield Entry(row.key, row.op, row.session_key, version, row.fields, revision)
    if plan.how == "undo":
        # The rows are again as they were before, with who changed them then.
        for change in changes:
            row = change.row
            if change.what != "gone" and row.op == "session":
                version = max(row.version, 0 if change.was is None else change.was.version)
                yield Entry(row.key, row.op, row.session_key, version, row.fields, step.revisions[row.key])
        return
    for key, rows in plan.after.items():
        if key in touched and rows:
            yield _session_entry(plan.before[key], session_of(rows), step)


def _session_entry(before: Known, row: Row, step: Step) -> Entry:
    """The entry for the session's own row, which says who changed it and when."""
    was = before.all.get(row.key)
    source = {**row.fields.get("source", {}), "made": made_of(step)}
    # Sessions are listed by their first version. For a new session, that is its start.
    version = row.fields["startedAt"] if was is None else max(row.version, was.version)
    return Entry(row.key, row.op, row.session_key, version, {**row.fields, "source": source}, step.revisions[row.key])


def _reason(plan: Plan, row: Row) -> str:
    to = plan.moved.get(row.key)
    if to is not None:
        whose = next(key for key in plan.after if to == key or to.startswith(f"{key}/"))
        return f"{plan.how}: it is in {whose} now"
    if plan.how == "undo":
        return f"undo of {plan.args['how']}"
    return "trim: outside of what was chosen" if plan.how == "trim" else f"{plan.how}: not in it any more"


# ---------------------------------------------------------------------------------------------- the picture


def _picture(plan: Plan, changes: Sequence[_Change], *, applied: bool = False) -> Picture:
    counts = [
        Changed(
            key,
            *(
                sum(change.what == what and change.row.session_key == key for change in changes)
                for what in ("added", "changed", "gone")
            ),
        )
        for key in plan.after
    ]
    return Picture(
        plan.how,
        next(iter(plan.after)),
        before=_all_shown(plan.before[key].rows for key in plan.after),
        after=_all_shown(plan.after.values()),
        changes=[one for one in counts if one.added or one.changed or one.gone],
        applied=applied,
        remark=plan.remark,
        by=None if plan.earlier is None else plan.earlier.by,
        at=None if plan.earlier is None else plan.earlier.at,
    )


def _all_shown(sessions: Iterable[Rows]) -> list[Shown]:
    return sorted((shown(rows) for rows in sessions if rows), key=lambda one: (one.started_at, one.key))


def shown(rows: Rows) -> Shown:
    """A session in numbers."""
    row = session_of(rows)
    since, until = span_of(rows)
    kinds = counted(rows.values())["counts"]
    return Shown(
        row.key,
        row.fields.get("title"),
        since,
        until,
        cameras=sum(one.op == "camera" for one in rows.values()),
        cuts=kinds.get("cut", 0),
        stills=sum(one.op == "still" for one in rows.values()),
        gaps=kinds.get("gap", 0),
    )


# ---------------------------------------------------------------------------------------------- what is chosen from


def chosen(journal: Journal, key: str, venue: str | None) -> Known:
    """A session that has ended and is complete in the journal. Raises ``TapError`` for any other."""
    found = known(journal, key)
    own = found.all.get(key)
    if venue is not None and venue_of(key) != venue:
        hint = f"this is the tap of venue {venue} (TAP_VENUE)"
        raise TapError(f"this session is of another venue, {venue_of(key)}", where=key, hint=hint)
    if own is None:
        raise SessionUnknown(key)
    if own.retracted is not None:
        hint = f"see 'multicam-tap session log {key}'"
        raise TapError(f"this session was taken back ({own.retracted.get('reason')})", where=key, hint=hint)
    if own.fields.get("status") == "live":
        raise TapError("this session is live", where=key, hint="run it again once the session is over")
    _refuse_pruned(found)
    return found


def _refuse_pruned(found: Known) -> None:
    """Rows that the journal has deleted cannot be moved."""
    final = session_of(found.rows).fields.get("finalState") or {}
    kept = counted(found.rows.values())["counts"]
    if any(kept.get(kind, 0) < number for kind, number in (final.get("counts") or {}).items()):
        hint = "it keeps them for TAP_KEEP_DAYS, and as long as there are tapes (TAP_TAPE_DAYS)"
        raise TapError("the journal no longer has all of its events", where=found.key, hint=hint)


def trim(journal: Journal, key: str, *, since: int | None, until: int | None, venue: str | None = None) -> Plan:
    """A plan that cuts a session to what lies between two moments."""
    found = chosen(journal, key, venue)
    begins, ends = span_of(found.rows)
    since, until = begins if since is None else since, ends if until is None else until
    if since < begins or until > ends:
        hint = "trim cannot make it longer: use 'session make', for any time on the tapes"
        raise TapError(f"this session lasted from {iso(begins)} to {iso(ends)}", where=key, hint=hint)
    if since >= until:
        raise TapError("nothing of it would be left", where=key, hint="name a --from before --to")
    left = part_of(
        found.rows,
        since if since > begins else None,
        until if until < ends else None,
        key=key,
        reason="trim",
        inclusive=True,
    )
    return Plan("trim", {key: found}, {key: left}, {"since": since, "until": until})


def rename(journal: Journal, key: str, *, names: Mapping[str, str], venue: str | None = None) -> Plan:
    """A plan that gives a session another title, or other notes."""
    found = chosen(journal, key, venue)
    return Plan("rename", {key: found}, {key: renamed(found.rows, names)}, dict(names))


def split(
    journal: Journal, key: str, *, at: int, names: Mapping[str, str] | None = None, venue: str | None = None
) -> Plan:
    """A plan that splits a session in two. ``names`` are those of the second."""
    args = {"at": at, **(names or {})}
    new = part_key(key, at)
    done = _done_before(journal, "split", [key, new], args)
    if done is not None:
        return done
    found, other = chosen(journal, key, venue), known(journal, new)
    begins, ends = span_of(found.rows)
    if not begins < at < ends:
        hint = "name a moment within it"
        raise TapError(f"this session lasted from {iso(begins)} to {iso(ends)}", where=key, hint=hint)
    if other.rows:
        raise TapError(f"another session begins at this time: {new}", where=key, hint=_SESSIONS)
    first = part_of(found.rows, None, at, key=key, reason="split")
    second = part_of(found.rows, at, None, key=new, reason="split")
    if names:
        second = renamed(second, names)
    moved = {name: new + name[len(key) :] for name, row in found.rows.items() if name not in first}
    after = {key: first, new: second}
    return Plan("split", {key: found, new: other}, after, args, moved, less(_final(first), {}))


def _final(rows: Rows) -> Mapping[str, Any]:
    return session_of(rows).fields.get("finalState") or {}


def merge(journal: Journal, keys: Sequence[str], *, venue: str | None = None) -> Plan:
    """A plan that joins sessions into one, under the key of the earliest."""
    args = {"from": sorted(set(keys))}
    if len(args["from"]) < 2:
        raise TapError("a single session cannot be merged", where=keys[0], hint="name two or more")
    done = _done_before(journal, "merge", args["from"], args)
    if done is not None:
        return done
    found = sorted((chosen(journal, key, venue) for key in args["from"]), key=lambda one: span_of(one.rows))
    for one, other in pairwise(found):
        if venue_of(one.key) != venue_of(other.key):
            raise TapError(f"this session is of another venue than {one.key}", where=other.key)
        if span_of(other.rows)[0] < span_of(one.rows)[1]:
            hint = "trim one of them first"
            raise TapError(f"this session overlaps {one.key}", where=other.key, hint=hint)
    whole, moved = joined([one.rows for one in found])
    into = found[0].key
    after: dict[str, Rows] = {into: whole, **{one.key: {} for one in found[1:]}}
    moved |= {one.key: into for one in found[1:]}
    base = less(_final(whole), _final(found[-1].rows))
    return Plan("merge", {one.key: one for one in found}, after, args, moved, base)


def _done_before(journal: Journal, how: How, keys: Sequence[str], args: Mapping[str, Any]) -> Plan | None:
    """An empty plan, if exactly this step is the last one of all these sessions."""
    steps = effective(journal.steps())
    last = [next(iter(reversed(of_session(steps, key))), None) for key in keys]
    step = last[0]
    if step is None or any(one is not step for one in last) or step.how != how or step.args != args:
        return None
    before = {key: known(journal, key) for key in step.keys}
    after = {key: one.rows for key, one in before.items()}
    return Plan(how, before, after, dict(args), remark="done already", earlier=step)


# ---------------------------------------------------------------------------------------------- taking back


def undo(journal: Journal, key: str, *, venue: str | None = None) -> Plan:
    """A plan that undoes the last step of a session."""
    steps = effective(journal.steps())
    mine = of_session(steps, key)
    if venue is not None and venue_of(key) != venue:
        hint = f"this is the tap of venue {venue} (TAP_VENUE)"
        raise TapError(f"this session is of another venue, {venue_of(key)}", where=key, hint=hint)
    if not mine:
        raise TapError("this session has no change that could be taken back", where=key, hint=_SESSIONS)
    step = mine[-1]
    gone = {name for name, _, _ in journal.forgotten()} & set(step.keys)
    if gone:
        raise TapError(f"{min(gone)} was forgotten, which cannot be undone", where=key)
    for other in step.keys:
        later = of_session(steps, other)[-1]
        if later is not step:
            hint = f"take that back first: session undo {other}"
            raise TapError(f"{other} was changed since ({later.how})", where=key, hint=hint)
    return _Undo(journal, step).plan()


class _Undo:
    """The rows as they were before a step. Later rows go to the session where they belong then."""

    def __init__(self, journal: Journal, step: Step) -> None:
        self._step = step
        self._steps = journal.steps()
        self._kept = {name: list(journal.session_entries(name)) for name in step.keys}
        self._before: dict[str, Rows] = {name: self._rows_before(name) for name in step.keys}

    def plan(self) -> Plan:
        step = self._step
        self._refuse_pruned()
        late = [entry for name in step.keys for entry in self._late(name)]
        after: dict[str, Rows] = {}
        for name in step.keys:
            told = [structs.replace(entry, revision=0) for entry in late if entry.session_key == name]
            rows = [_as_entry(row) for row in self._before[name].values()]
            after[name] = {key: row for key, row in fold([*rows, *told]).items() if row.retracted is None}
        before = {name: Known(name, kept) for name, kept in self._kept.items()}
        remark = f"takes back: {step.how}"
        return Plan("undo", before, after, {"how": step.how}, undoes=step.number, remark=remark, earlier=step)

    def _rows_before(self, name: str) -> Rows:
        revision = self._step.revisions[name]
        rows = fold(one.entry for one in self._kept[name] if one.entry.revision < revision)
        return {key: row for key, row in rows.items() if row.retracted is None}

    def _refuse_pruned(self) -> None:
        for name, seq in self._step.seqs.items():
            if seq and not any(one.seq <= seq for one in self._kept[name]):
                hint = "it keeps entries for TAP_KEEP_DAYS, and as long as there are tapes (TAP_TAPE_DAYS)"
                raise TapError("the journal no longer has the rows from before", where=name, hint=hint)

    def _late(self, name: str) -> Iterator[Entry]:
        """Entries of a session since the step, as they would be without it."""
        since = [one for one in self._kept[name] if one.seq > self._step.seqs[name]]
        by_steps = {seq for step in self._steps for seq in _written(step, name, since)}
        for one in since:
            home = None if one.seq in by_steps else self._home(one.entry)
            if home is not None:
                yield home

    def _home(self, entry: Entry) -> Entry | None:
        how = self._step.how
        if how == "split" and entry.session_key == self._step.keys[1]:
            return self._moved(entry, self._step.keys[0], sign=1)
        if how == "merge" and entry.session_key == self._step.keys[0]:
            return self._out_of_one(entry)
        if how == "rename" and entry.op == "session":
            return self._with_names(entry)
        return None if how == "make" or (how in ("split", "merge") and entry.op == "session") else entry

    def _with_names(self, entry: Entry) -> Entry:
        before = session_of(self._before[entry.session_key]).fields
        fields = {name: value for name, value in entry.fields.items() if name not in ("title", "notes")}
        fields |= {name: before[name] for name in ("title", "notes") if name in before}
        return structs.replace(entry, fields={**fields, "source": before["source"]})

    def _out_of_one(self, entry: Entry) -> Entry | None:
        """An entry of joined sessions, as an entry of the session that it came from."""
        if entry.op == "session":
            return self._moved(entry, self._step.keys[-1], sign=-1)
        old = {new: name for name, new in self._step.names.items()}
        still = entry.key if entry.op == "still" else str(entry.fields.get("stillKey", ""))
        if still in old:
            whose = next(key for key in self._step.keys if old[still].startswith(f"{key}/"))
        else:
            whose = self._at(entry) if entry.op == "event" else entry.session_key
        if entry.op == "still" and still in old:
            return structs.replace(entry, key=old[still], session_key=whose)
        if still in old and whose != entry.session_key:
            # If its still got a number to differ from another one, the event got it too.
            number = still[len(entry.session_key) + len(old[still]) - len(whose) :]
            key = whose + entry.key[len(entry.session_key) :].removesuffix(number)
            return structs.replace(entry, key=key, session_key=whose, fields={**entry.fields, "stillKey": old[still]})
        return entry if whose == entry.session_key else self._moved(entry, whose, sign=-1)

    def _at(self, entry: Entry) -> str:
        at = int(entry.fields.get("at", entry.version))
        began = {name: session_of(rows).fields["startedAt"] for name, rows in self._before.items()}
        return max(
            (name for name in began if began[name] <= at), key=lambda name: began[name], default=entry.session_key
        )

    def _moved(self, entry: Entry, to: str, *, sign: int) -> Entry | None:
        if entry.op == "session":
            part = session_of(self._before[to]).fields
            fields = ended(part, entry.fields, self._step, sign)
            return structs.replace(entry, key=to, session_key=to, fields=fields)
        row = rekeyed(_as_row(entry), to)
        return Entry(row.key, row.op, to, row.version, row.fields)


def _written(step: Step, name: str, kept: Sequence[Kept]) -> list[int]:
    """The numbers of the entries of a session that a step has written."""
    if name not in step.seqs:
        return []
    return [one.seq for one in kept if one.seq > step.seqs[name]][: step.wrote.get(name, 0)]


def _as_row(entry: Entry) -> Row:
    return Row(entry.key, entry.op, entry.session_key, entry.version, 0, dict(entry.fields))


def _as_entry(row: Row) -> Entry:
    return Entry(row.key, row.op, row.session_key, row.version, row.fields)


class Logged(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One step, as people read it."""

    how: How
    at: int
    by: str
    keys: list[str]
    args: dict[str, Any]
    undone: bool = False


def log(journal: Journal, key: str) -> list[Logged]:
    """The steps of a session, in order. Raises ``TapError`` for an unknown session."""
    steps = journal.steps()
    undone = {step.undoes for step in steps}
    found = [
        Logged(step.how, step.at, step.by, step.keys, step.args, step.number in undone)
        for step in of_session(steps, key)
    ]
    if not found and journal.last_entry(key) is None:
        raise SessionUnknown(key)
    return found
