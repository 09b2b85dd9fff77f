"""``rederive``: reads the flight recorder's tapes with today's dialect, and shows what that changes in the history.

A mapping corrected on Monday repairs Saturday's history. The rows that the tapes give now are compared with those in
the journal. With ``apply``, the differences go into the journal, and from there into the ledger, under the same keys
and with a higher ``revision``. Rows that the tapes do not give any more are marked ``retracted``, never deleted.

What somebody changed afterwards (``session``) stays: a session that was made, cut or joined is skipped, and a renamed
one keeps its name.

Tapes prove only what is on them. If the beginning of a session or some of its frames are missing, the session's own row
stays as it is, cameras and stills are only added, and events are retracted only where the tapes were running. A session
that is live, by the tapes or by the journal, is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field, structs

from tap.adapters.clock import wall_ms
from tap.adapters.journal import Journal, Kept
from tap.adapters.tape import TapeHeader, Tapes
from tap.core.errors import TapError
from tap.core.mapping import Dialect
from tap.core.merge import Row, fold
from tap.core.model import Entry, Opened, Policy, SourceItem
from tap.core.pipeline import Pipeline
from tap.core.session_steps import effective, of_session
from tap.service.running.flight_recorder import segments

__all__ = ["Change", "Rederived", "lines", "rederive"]

Kind: TypeAlias = Literal["added", "changed", "gone"]

_TRIES = 5
_HEARD_MS = 6_000
"""How far the length of a gap may be wrong after a kill, in ms: the time of the last frame is saved only this often."""
_CHOSEN = "was chosen afterwards"
_MOMENTS_MS = 3_600_000
"""A session that was committed this many ms after it happened did not come from the service's connection."""


class Change(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One row that differs from what the journal has."""

    session_key: str
    change: Kind
    key: str
    op: str
    fields: dict[str, Any]
    """The row from now on; the old row if it is retracted."""
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """For a changed row, its different columns: (old, new). None means that the column is absent."""


class Rederived(Struct):
    """What the tapes give with today's dialect."""

    changes: dict[str, list[Change]] = field(default_factory=dict)
    """By session."""
    revisions: dict[str, int] = field(default_factory=dict)
    """The revision that each repaired session gets."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that were not compared, and why."""
    partly: dict[str, str] = field(default_factory=dict)
    """Sessions that were compared only in part, and why."""
    sessions: int = 0
    """How many were compared."""
    tapes: int = 0

    def count(self, session_key: str) -> dict[Kind, int]:
        """How many rows of a session are added, changed and retracted."""
        counts: dict[Kind, int] = {"added": 0, "changed": 0, "gone": 0}
        for change in self.changes.get(session_key, ()):
            counts[change.change] += 1
        return counts


def rederive(
    directory: Path,
    journal: Journal,
    dialect: Dialect,
    *,
    session: str | None = None,
    apply: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Rederived:
    """Compare the tapes in ``directory`` with the journal, and with ``apply`` repair it.

    ``session`` limits it to one session. ``on_progress`` is called now and then with (bytes read, bytes). Raises
    ``TapError`` if there are no tapes, or if ``session`` is live or unknown, and ``JournalError``.
    """
    for _ in range(_TRIES):
        told = _Told(directory, dialect, on_progress)
        comparison = _Comparison(told, journal)
        result = comparison.result(session)
        if not apply or comparison.keep(dialect):
            return result
    hint = "run it again when these sessions change less often"
    raise TapError("the journal kept changing meanwhile; nothing was repaired", where=str(journal.path), hint=hint)


# ---------------------------------------------------------------------------------------------- what the tapes say


class _Run(Struct):
    """A part of the tapes without a break. Its first and last line, wall clock in ms."""

    first: int
    last: int


class _Seen(Struct):
    """A session on the tapes."""

    since: int
    """The first frame that showed it, wall clock in ms."""
    whole: bool
    """Its beginning is on the tapes."""
    cut_off: bool
    """Frames that the service received before that part of the tapes are on no tape."""
    breaks: list[tuple[int, int, bool]] = field(default_factory=list)
    """Breaks of the tapes within it: (wall ms before, wall ms after, whether frames are known to be missing)."""


class _Told:
    """Everything that the tapes give with one dialect."""

    def __init__(self, directory: Path, dialect: Dialect, on_progress: Callable[[int, int], None] | None) -> None:
        self.sessions: dict[str, _Seen] = {}
        self.runs: list[_Run] = []
        paths = segments(directory)
        if not paths:
            hint = "the service records them as it runs; is this its state directory (TAP_STATE_DIR)?"
            raise TapError("there are no tapes of the flight recorder", where=str(directory), hint=hint)
        self.tapes = len(paths)
        self._dialect = dialect
        self._progress = on_progress or (lambda _read, _of: None)
        self._pipeline = Pipeline(dialect, venue="local", tap="tape")
        self._header = TapeHeader()
        self._fresh_run = True
        self._cut_off = False
        self._opened = False
        with Tapes(paths, on_tape=self._next_tape) as tapes:
            rows = fold(self._entries(tapes))
        self.rows: dict[str, dict[str, Row]] = {}
        for row in rows.values():
            self.rows.setdefault(row.session_key, {})[row.key] = row

    def covers(self, wall: int) -> bool:
        """Whether the tapes have the frames of that moment. Their very ends may lack some."""
        return any(run.first <= wall < run.last for run in self.runs)

    def _entries(self, tapes: Tapes) -> Iterator[Entry]:
        for number, item in enumerate(tapes):
            if not number % 10_000:
                self._progress(tapes.bytes_read, tapes.size)
            self._clock(item)
            connection = self._pipeline.state.connection
            settled = self._opened or (connection is not None and connection.snapshot_seen)
            for entry in self._pipeline.feed(item):
                self._note(entry, item.stamp.wall, settled)
                yield entry
            # On any tape: a connection begins with a greeting and the whole state.
            self._opened = self._opened or isinstance(item, Opened)

    def _clock(self, item: SourceItem) -> None:
        wall = item.stamp.wall
        if not self._fresh_run:
            run = self.runs[-1]
            run.first, run.last = min(run.first, wall), max(run.last, wall)
            return
        before = self.runs[-1].last if self.runs else None
        self.runs.append(_Run(wall, wall))
        self._fresh_run = False
        session = self._pipeline.state.session
        if before is not None and session is not None and session.key in self.sessions:
            self.sessions[session.key].breaks.append((before, wall, self._header.lost > 0))

    def _note(self, entry: Entry, wall: int, settled: bool) -> None:
        seen = self.sessions.setdefault(entry.session_key, _Seen(wall, settled, self._cut_off))
        if _cause(entry.fields) == "first sight":
            seen.whole = False

    def _next_tape(self, header: TapeHeader) -> None:
        """A tape begins. If venue, tap or policy changed, a new pipeline takes over, as at a start of the service."""
        before, self._header = self._header, header
        if not header.continues:
            self._fresh_run = True
        if self._fresh_run:
            self._cut_off = header.continues or header.lost > 0
        if (header.venue, header.tap, header.policy) != (before.venue, before.tap, before.policy):
            self._pipeline = Pipeline(
                self._dialect,
                venue=header.venue or "local",
                tap=header.tap or "tape",
                policy=header.policy or Policy(),
                checkpoint=self._pipeline.checkpoint(),
            )


def _cause(fields: Any) -> str | None:
    return (fields.get("detail") or {}).get("cause") if fields.get("kind") == "gap" else None


# ---------------------------------------------------------------------------------------------- the comparison


class _Known:
    """A session in the journal."""

    def __init__(self, kept: list[Kept]) -> None:
        self.rows = fold(one.entry for one in kept)
        self.last_seq = max((one.seq for one in kept), default=0)
        self.revision = max((one.entry.revision for one in kept), default=0)
        self.first = kept[0] if kept else None
        self.committed: dict[str, int] = {}
        """When each row was first committed, wall clock in ms."""
        for one in kept:
            self.committed.setdefault(one.entry.key, one.committed_at)


class _Comparison:
    def __init__(self, told: _Told, journal: Journal) -> None:
        self._told = told
        self._journal = journal
        self._result = Rederived(tapes=told.tapes)
        self._seen: dict[str, int] = {}
        self._rows_before: dict[str, dict[str, Row]] = {}
        self._steps = effective(journal.steps())

    def result(self, session: str | None) -> Rederived:
        begin = min((run.first for run in self._told.runs), default=0)
        keys = list(self._told.rows)
        keys += [key for key in self._journal.sessions() if key not in self._told.rows and self._since(key, begin)]
        if session is not None and session not in keys:
            hint = "see 'multicam-tap sessions'; is it older than the tapes (TAP_TAPE_DAYS, TAP_TAPE_MEGABYTES)?"
            raise TapError("neither tapes nor journal know this session", where=session, hint=hint)
        for key in keys if session is None else [session]:
            self._compare(key)
        if session is not None and session in self._result.left_out:
            why = self._result.left_out[session]
            hint = f"see 'multicam-tap session log {session}'" if why == _CHOSEN else "run it again once it is over"
            raise TapError(why, where=session, hint=hint)
        return self._result

    def keep(self, dialect: Dialect) -> bool:
        """Save the changes in the journal. False if these sessions have got more entries meanwhile."""
        now = wall_ms()
        retracted = {"at": now, "reason": f"not on the tapes as {dialect.name} reads them ({dialect.digest[:12]})"}
        entries = [
            entry for key, rows in self._result.changes.items() for entry in self._entries_of(key, rows, retracted)
        ]
        return not entries or self._journal.repair(entries, self._seen, now)

    def _entries_of(self, session_key: str, changes: list[Change], retracted: dict[str, Any]) -> Iterator[Entry]:
        told = self._told.rows.get(session_key, {})
        revision = self._result.revisions[session_key]
        for change in changes:
            gone = change.change == "gone"
            row = self._rows_before[session_key][change.key] if gone else told[change.key]
            back = retracted if gone else None
            yield Entry(row.key, row.op, session_key, row.version, change.fields, revision, back)

    def _since(self, key: str, begin: int) -> bool:
        last = self._journal.last_entry(key)
        return last is not None and last.committed_at >= begin

    def _compare(self, key: str) -> None:
        known = _Known(list(self._journal.session_entries(key)))
        told = dict(self._told.rows.get(key, {}))
        chosen = {step.how for step in of_session(self._steps, key)}
        if chosen - {"rename"}:
            self._result.left_out[key] = _CHOSEN
            return
        if chosen and key in told and key in known.rows:
            told[key] = _with_names(told[key], known.rows[key])
        if _is_live(known.rows.get(key)):
            self._result.left_out[key] = "is live"
            return
        if _is_live(told.get(key)):
            self._result.left_out[key] = "is live, as the new mapping reads it"
            return
        self._result.sessions += 1
        partly = self._partly(key, known)
        if partly is not None:
            told = {name: row for name, row in told.items() if not _of_the_tapes(row, known)}
        changes = list(self._changes(key, known, told, whole=partly is None))
        if not [change for change in changes if not _only_source(change)]:
            return
        if partly is not None:
            self._result.partly[key] = partly
        self._result.changes[key] = changes
        self._result.revisions[key] = known.revision + 1
        self._seen[key] = known.last_seq
        self._rows_before[key] = known.rows

    def _partly(self, key: str, known: _Known) -> str | None:
        """Why the tapes do not have the whole session; None if they do."""
        seen = self._told.sessions.get(key)
        if seen is None:
            return None if self._heard_whole(known) else "the tapes lack some of it"
        # If the service connected in the middle of it, as on the tapes, they have all that it received.
        begins = seen.whole or self._first_seen_there(key, known) or (not known.rows and not seen.cut_off)
        if not begins:
            return "its beginning is not on the tapes"
        for before, after, lost in seen.breaks:
            if lost or any(before < at < after for at in _heard_at(known)):
                return "frames are missing on the tapes"
        return None

    def _first_seen_there(self, key: str, known: _Known) -> bool:
        gaps = [name for name, row in self._told.rows[key].items() if _cause(row.fields) == "first sight"]
        return any(name in known.rows and known.rows[name].retracted is None for name in gaps)

    def _heard_whole(self, known: _Known) -> bool:
        """For a session that is not on the tapes: whether they were running when each of its entries was made."""
        first = known.first
        if first is None or abs(first.committed_at - first.entry.version) > _MOMENTS_MS:
            return False
        heard = [*_heard_at(known), *known.committed.values()]
        return all(map(self._told.covers, heard))

    def _changes(self, key: str, known: _Known, told: dict[str, Row], *, whole: bool) -> Iterator[Change]:
        for name, row in told.items():
            was = known.rows.get(name)
            if was is None or was.retracted is not None:
                if whole or row.op != "session" or was is None:
                    yield Change(key, "added", name, row.op, row.fields)
            elif whole or row.op == "event":
                fields = _with_server(row, was)
                columns = _columns(was.fields, fields)
                lost = not any(is_ is not None for _, is_ in columns.values())
                if columns and not _is_near(row.op, was.fields, fields, columns) and (whole or not lost):
                    yield Change(key, "changed", name, row.op, fields, columns)
        for name, row in known.rows.items():
            if name not in told and row.retracted is None and self._may_go(key, name, row, known, whole=whole):
                yield Change(key, "gone", name, row.op, row.fields)

    def _may_go(self, key: str, name: str, row: Row, known: _Known, *, whole: bool) -> bool:
        """Whether the tapes would give this row if it were true, so that it can be retracted."""
        if row.op == "event":
            observed = row.fields.get("observedAt")
            seen = self._told.sessions.get(key)
            if not isinstance(observed, int) or not self._told.covers(observed):
                return False
            return whole or (seen is not None and observed > seen.since)
        return whole and self._told.covers(known.committed[name])


def _is_live(row: Row | None) -> bool:
    return row is not None and row.retracted is None and row.fields.get("status") == "live"


def _heard_at(known: _Known) -> list[int]:
    """When the session's events were received, wall clock in ms. Gaps are left out: they are what was missed."""
    events = (row for row in known.rows.values() if row.op == "event" and row.retracted is None)
    return [row.fields["observedAt"] for row in events if row.fields.get("kind") != "gap"]


def _of_the_tapes(row: Row, known: _Known) -> bool:
    """Whether a gap is only on the tapes: they begin or break off there, but the service was connected."""
    was = known.rows.get(row.key)
    return _cause(row.fields) in ("first sight", "tap restart") and (was is None or was.retracted is not None)


def _with_names(row: Row, was: Row) -> Row:
    """The session's row with the names that somebody gave it afterwards, and who did."""
    fields = {name: value for name, value in row.fields.items() if name not in ("title", "notes")}
    fields |= {name: was.fields[name] for name in ("title", "notes") if name in was.fields}
    made = (was.fields.get("source") or {}).get("made")
    source = {**fields.get("source", {}), **({"made": made} if made else {})}
    return structs.replace(row, fields={**fields, "source": source})


def _with_server(row: Row, was: Row) -> dict[str, Any]:
    """The row's columns. What the server said about itself before the tapes began is added."""
    before, now = was.fields.get("source") or {}, row.fields.get("source") or {}
    if "serverVersion" in before and now and "serverVersion" not in now:
        return {**row.fields, "source": {**now, "serverVersion": before["serverVersion"]}}
    return row.fields


def _columns(was: dict[str, Any], is_: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*is_, *(name for name in was if name not in is_)]
    return {name: (was.get(name), is_.get(name)) for name in names if was.get(name) != is_.get(name)}


def _is_near(op: str, was: dict[str, Any], is_: dict[str, Any], columns: dict[str, tuple[Any, Any]]) -> bool:
    """Whether a kill explains how two rows differ: the time of the last frame is saved only now and then."""
    if op == "event":
        lengths = was.get("durationMs"), is_.get("durationMs")
        known = isinstance(lengths[0], int) and isinstance(lengths[1], int)
        return _cause(was) is not None and set(columns) == {"durationMs"} and known and _close(*lengths, 1)
    if op != "session" or set(columns) - {"source"} != {"finalState"}:
        return False
    before, now = was.get("finalState") or {}, is_.get("finalState") or {}
    gaps = now.get("gaps", 0)
    return set(_columns(before, now)) == {"gapMs"} and _close(before.get("gapMs", 0), now.get("gapMs", 0), gaps)


def _close(left: Any, right: Any, gaps: int) -> bool:
    return bool(abs(left - right) <= _HEARD_MS * gaps)


def _only_source(change: Change) -> bool:
    """Whether only the name of the mapping differs. That is not a change."""
    return change.op == "session" and change.change == "changed" and set(change.columns) == {"source"}


# ---------------------------------------------------------------------------------------------- in words

_SIGNS: dict[Kind, str] = {"added": "+", "changed": "~", "gone": "-"}
_SHOWN = 60


def lines(result: Rederived, *, applied: bool) -> Iterator[str]:
    """The differences in words, session by session."""
    for key, changes in result.changes.items():
        counts = result.count(key)
        partly = f"; in part only: {result.partly[key]}" if key in result.partly else ""
        told = f"{counts['added']} added, {counts['changed']} changed, {counts['gone']} no longer there"
        yield f"{key}  {told}{f'  → revision {result.revisions[key]}' if applied else ''}{partly}"
        for change in changes:
            yield f"  {_SIGNS[change.change]} {change.op:<7} {change.key}  {_about(change)}"


def _about(change: Change) -> str:
    if change.change == "changed":
        return ", ".join(f"{name}: {_shown(was)} → {_shown(is_)}" for name, (was, is_) in change.columns.items())
    names = ("kind", "at", "cameraId", "name", "title", "status")
    return " ".join(f"{name}={change.fields[name]}" for name in names if name in change.fields)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
