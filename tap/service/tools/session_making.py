"""``session make`` and ``session find``: sessions for shoots that nobody started, from the flight recorder's tapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct, structs

from tap.adapters.journal import Journal
from tap.core.chosen import Choice
from tap.core.codec import iso, key_part, session_key, venue_of
from tap.core.errors import TapError
from tap.core.mapping import Dialect
from tap.core.merge import Row, fold
from tap.core.model import (
    CameraTold,
    Cut,
    Observation,
    Snapshot,
    StillCaptured,
    StillRequested,
    StillUploaded,
)
from tap.core.regroup import Rows, session_of
from tap.core.session_steps import effective, of_session
from tap.service.tools.chosen_tapes import oldest, read_chosen
from tap.service.tools.session_editing import Plan, known

__all__ = ["Found", "find", "make"]

_APART_MS = 15 * 60_000
"""A shoot is over if nothing happens for this long, in ms."""
_LEAST = 3
"""A shoot has at least this many cuts and stills."""
_FOREVER = 2**60


def make(
    directory: Path,
    journal: Journal,
    dialect: Dialect,
    *,
    venue: str,
    since: int,
    until: int,
    names: dict[str, str],
    now: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """A plan that makes a session from the tapes between ``since`` and ``until`` (server time in ms, as in rows)."""
    key = session_key(venue, None, since)
    _refuse_times(directory, since, until, now)
    before = known(journal, key)
    changed = [step for step in of_session(effective(journal.steps()), key) if step.how != "make"]
    if before.rows and changed:
        remark = f"made already, and changed since ({changed[-1].how})"
        return Plan("make", {key: before}, {key: before.rows}, {}, remark=remark, earlier=changed[-1])
    _refuse_others(journal, key, since, until, now)
    title = names.get("title", UNSET)
    choice = Choice(since, until, title or UNSET, names.get("notes") or UNSET)
    told = read_chosen(directory, dialect, choice, venue=venue, on_progress=on_progress)
    if told.venue != venue:
        hint = f"this is the tap of venue {told.venue}: TAP_VENUE={told.venue}"
        raise TapError(f"the tapes are of another venue, {told.venue}", where=str(directory), hint=hint)
    rows = {name: row for name, row in told.rows.items() if row.session_key == key}
    if not told.frames or key not in rows:
        hint = "'multicam-tap session find' shows when something happened"
        raise TapError(f"the tapes have no frame from {iso(since)} to {iso(until)}", where=str(directory), hint=hint)
    args: dict[str, Any] = {"since": since, "until": until, **names}
    return Plan("make", {key: before}, {key: _as_before(rows, before.rows, key, names)}, args)


def _as_before(rows: Rows, before: Rows, key: str, names: dict[str, str]) -> Rows:
    """The rows, with what the session had when it was made before: its name, and what the server said on connecting."""
    if not before:
        return rows
    was, session = session_of(before).fields, session_of(rows)
    fields = dict(session.fields)
    for name in ("title", "notes"):
        if name in was and name not in names:
            fields[name] = was[name]
    source = {**{name: was["source"][name] for name in ("serverVersion",) if name in was["source"]}, **fields["source"]}
    return {**rows, key: structs.replace(session, fields={**fields, "source": source})}


def _refuse_times(directory: Path, since: int, until: int, now: int) -> None:
    if since >= until:
        raise TapError(f"it ends ({iso(until)}) before it begins ({iso(since)})", hint="name a --from before --to")
    if until > now:
        raise TapError(f"{iso(max(since, until))} lies in the future", hint=f"it is {iso(now)} now")
    begins = oldest(directory)
    if begins is not None and since <= begins - 1_000:  # people write whole seconds
        hint = "TAP_TAPE_DAYS and TAP_TAPE_MEGABYTES say how far back they go"
        raise TapError(f"the oldest tape begins at {iso(begins)}", where=iso(since), hint=hint)


def _refuse_others(journal: Journal, key: str, since: int, until: int, now: int) -> None:
    # A server without ids has such keys too: what it told is not made again.
    made = any(step.how == "make" for step in of_session(journal.steps(), key))
    for row in _sessions(journal, venue_of(key)):
        begins, ends = _span(row, now)
        if (row.key == key and made) or begins >= until or ends <= since:
            continue
        if row.fields.get("status") == "live":
            hint = "run it again once the session is over"
            raise TapError(f"a session is live then: {row.key}", where=key, hint=hint)
        hint = f"'session trim', 'split' or 'merge' changes {row.key}"
        raise TapError(f"it overlaps {row.key} ({iso(begins)} to {iso(ends)})", where=key, hint=hint)
    for forgotten, begins, ends in journal.forgotten():
        if begins < until and ends > since and venue_of(forgotten) == venue_of(key):
            raise TapError(
                f"{forgotten} was forgotten, which cannot be undone", where=key, hint="choose a span without it"
            )


def _sessions(journal: Journal, venue: str) -> Iterator[Row]:
    prefix = f"{key_part(venue)}/"
    rows = fold(kept.entry for kept in journal.session_rows(prefix))
    return (row for row in rows.values() if row.op == "session" and row.retracted is None)


def _span(row: Row, now: int) -> tuple[int, int]:
    """When a session ran; a live one runs until ``now``."""
    begins = int(row.fields["startedAt"])
    return begins, now if row.fields.get("status") == "live" else int(row.fields.get("completedAt", begins))


# ---------------------------------------------------------------------------------------------- what looks like one


class Found(Struct, frozen=True, rename="camel"):
    """A time outside of sessions that looks like a shoot."""

    since: int
    until: int
    cuts: int
    stills: int
    cameras: int


class _Did(Struct, frozen=True):
    """Something that the crew did."""

    at: int
    what: str
    name: str


class _Watch:
    """Collects what the crew did."""

    def __init__(self) -> None:
        self.did: dict[tuple[str, str, int], _Did] = {}
        self._program: str | None = None
        self._cameras: set[str] = set()

    def __call__(self, at: int, o: Observation) -> None:
        match o:
            case Cut(to=str() as to):
                self._cut(at, to)
            case Snapshot():
                if isinstance(o.program, str):
                    self._cut(at, o.program)
                if o.cameras:
                    for camera in o.cameras:
                        self._camera(at, camera.id)
            case StillRequested():
                self._note(at, "still", f"{o.still_id or at}")
            case StillCaptured() | StillUploaded():
                self._note(at, "still", f"{o.still_id or at}")
            case CameraTold():
                self._camera(at, o.camera.id)
            case _:
                pass

    def _cut(self, at: int, to: str) -> None:
        before, self._program = self._program, to
        if before is not None and before != to:
            self._note(at, "cut", to)

    def _camera(self, at: int, name: str) -> None:
        if name not in self._cameras:
            self._cameras.add(name)
            self._note(at, "camera", name)

    def _note(self, at: int, what: str, name: str) -> None:
        did = _Did(at, what, name)
        self.did.setdefault((what, name, 0 if what == "still" else at), did)


def find(
    directory: Path,
    journal: Journal,
    dialect: Dialect,
    *,
    venue: str,
    since: int,
    until: int,
    now: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Found]:
    """Times outside of sessions that look like a shoot, the longest first."""
    watch = _Watch()
    choice = Choice(_FOREVER, _FOREVER)
    told = read_chosen(directory, dialect, choice, venue=venue, begin=since, on_progress=on_progress, seen=watch)
    taken = sorted(_span(row, now) for row in _sessions(journal, told.venue))
    did = sorted((one for one in watch.did.values() if since <= one.at <= min(until, now)), key=lambda one: one.at)
    spans = [_found(part) for part in _parts([one for one in did if not _is_in(one.at, taken)], taken)]
    looks = [one for one in spans if one.cuts + one.stills >= _LEAST]
    return sorted(looks, key=lambda one: one.since - one.until)


def _is_in(at: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(begins <= at <= ends for begins, ends in spans)


def _parts(did: Sequence[_Did], taken: Sequence[tuple[int, int]]) -> Iterator[list[_Did]]:
    """What the crew did, split at long pauses and at sessions."""
    part: list[_Did] = []
    for one in did:
        if part and (one.at - part[-1].at > _APART_MS or any(part[-1].at < begins < one.at for begins, _ in taken)):
            yield part
            part = []
        part.append(one)
    if part:
        yield part


def _found(part: Sequence[_Did]) -> Found:
    # A camera that comes in an hour before the first cut is no shoot yet; what is shot begins with what was done.
    numbers = {what: len({(one.name, one.at) for one in part if one.what == what}) for what in ("cut", "camera")}
    stills = len({one.name for one in part if one.what == "still"})
    return Found(part[0].at, part[-1].at, numbers["cut"], stills, numbers["camera"])
