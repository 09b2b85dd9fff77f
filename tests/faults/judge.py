"""Judgement: the truth of a performance beside what the ledger has of it.

A tap that was killed or cut off cannot have heard everything, and may not make it up either: what is missing has to lie
inside a gap that it told. Times of both sides are brought to the wall clock, by which a gap's length is measured.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tap.core.kinds import KINDS
from tap.core.merge import Row
from tap.rehearsal.score import Score, score
from tap.rehearsal.truth import Down, EventTruth, Heard, Item, Missed, Truth, Up
from tests.faults.outcome import Outcome

__all__ = ["SLACK_MS", "Committed", "Loss", "judge", "judge_committed", "plain"]

SLACK_MS = 400.0
"""How late a machine may be with writing down when something was sent or received; more where it was measured."""


_HASTE = re.compile(r"^wrong: release .* durationMs is \d+, should be \d+$")
"""A hold of a shoot that is played at many times its speed: its ends are further apart by the server's clock than the
tap's own clock can explain, so the tap takes its own."""


_NEAR_MS = 10_000
"""How far a time may be from that of any frame, and still be the server's."""


class Loss(NamedTuple):
    """From when to when (wall ms) nothing reached the tap."""

    since: float
    until: float


class _Gap(NamedTuple):
    """A gap as it was told, by the wall clock."""

    key: str
    session: str
    since: float
    until: float

    slack: float

    def covers(self, wall: float) -> bool:
        return self.since - self.slack <= wall <= self.until + self.slack


class Committed(NamedTuple):
    """What was seen on the tap's disk of one row: its newest version."""

    op: str
    version: int


def plain(row: Row) -> dict[str, Any]:
    """A row as an entry's object, which is what is scored."""
    return {
        "op": row.op,
        "key": row.key,
        "sessionKey": row.session_key,
        "version": row.version,
        "revision": row.revision,
        "fields": row.fields,
    }


def judge(
    truth: Truth,
    items: Sequence[Item],
    rows: Iterable[Row],
    *,
    losses: Sequence[Loss] = (),
    exact: bool = False,
    gaps: bool = True,
    late_ms: float = 0.0,
) -> Outcome:
    """What is lost, doubled and invented. ``losses`` are those that the server's side did not see.

    ``late_ms``: by how much whoever plays the shoot was late at worst, which is how far its own times may be off.

    ``exact``: every column has to be right too, as it has where the tap missed nothing. ``gaps`` False: several taps
    heard this, each with gaps of its own, which are theirs to tell.
    """
    told = [plain(row) for row in rows]
    outcome = Outcome()
    result = score(truth, [entry for entry in told if gaps or entry["fields"].get("kind") != "gap"])
    slack = SLACK_MS + late_ms
    when = _Walls(items, slack)
    known = [] if not gaps else [_gap(entry, when, slack) for entry in told if entry["fields"].get("kind") == "gap"]
    _events(outcome, result, truth, known, when, gaps=gaps)
    if gaps:
        _gaps(outcome, known, [*_losses(items), *losses])
    _rows(outcome, result, _unheard_stills(truth, result.missed))
    wrong = [text for text in result.differences if text.startswith("wrong:") and not _HASTE.search(text)]
    outcome.failures += wrong if exact else []
    return outcome


def judge_committed(committed: Mapping[str, Committed], rows: Iterable[Row]) -> Outcome:
    """What was on the tap's disk has to be in the ledger: each key, and no older than it was."""
    there = {row.key: row for row in rows}
    outcome = Outcome()
    for key, (op, version) in committed.items():
        row = there.get(key)
        # A still's version orders only within a status; what an event's orders is nothing.
        if row is None or (op in ("session", "camera") and row.version < version):
            outcome.lost += 1
            outcome.notes.append(f"lost after commit: {op} {key}")
    return outcome


# ---------------------------------------------------------------------------------------------- events


def _events(outcome: Outcome, result: Score, truth: Truth, known: Sequence[_Gap], when: _Walls, *, gaps: bool) -> None:
    stills = {still.still_id for still in truth.stills}
    for event in result.missed:
        if when.nobody_came_back(event):
            continue
        if event.kind == "gap":
            if gaps and not any(gap.covers(when.of_event(event)) for gap in known):
                outcome.lost += 1
                outcome.notes.append(f"a loss that was not told: at {event.at} in {event.session_id}")
        elif not any(gap.covers(when.of_event(event)) for gap in known):
            outcome.lost += 1
            outcome.notes.append(f"lost: {event.kind} {event.camera_id} at {event.at} in {event.session_id}")
    for entry, twice in result.extra:
        fields = entry["fields"]
        if fields["kind"] == "gap" or (not twice and _told_late(fields, stills)):
            continue
        outcome.doubled += twice
        outcome.invented += not twice
        outcome.notes.append(f"{'doubled' if twice else 'invented'}: {entry['key']} at {fields['at']}")


def _told_late(fields: Mapping[str, Any], stills: set[str | None]) -> bool:
    """A still whose capture nobody heard is told by its upload, at that time, and says so: it did happen."""
    detail = fields.get("detail") or {}
    return fields["kind"] == "still_capture" and bool(detail.get("inferred")) and detail.get("stillId") in stills


def _unheard_stills(truth: Truth, missed: Iterable[EventTruth]) -> list[str]:
    """As the score names them: asked for, or taken, where nobody heard it. Each of these events was judged itself."""
    asked = {event.still_id for event in missed if isinstance(event.still_id, str)}
    taken = {(event.session_id, event.camera_id, event.at) for event in missed if event.kind == "still_capture"}
    return [
        f"{still.session_id} {still.camera_id} {still.still_id}"
        for still in truth.stills
        if still.still_id in asked or (still.session_id, still.camera_id, still.captured_at) in taken
    ]


def _rows(outcome: Outcome, result: Score, unheard: Sequence[str]) -> None:
    """Sessions, cameras and stills that are missing, doubled or invented."""
    for text in result.differences:
        verdict, _, rest = text.partition(": ")
        name, _, which = rest.partition(" ")
        if name in KINDS or verdict == "wrong":
            continue
        if (
            verdict == "missed"
            and name == "still"
            and any(which == one or which.startswith(f"{one} /") for one in unheard)
        ):
            continue
        outcome.lost += verdict == "missed"
        outcome.doubled += verdict == "doubled"
        outcome.invented += verdict == "invented"
        outcome.notes.append(text)


# ---------------------------------------------------------------------------------------------- gaps


def _gap(entry: Mapping[str, Any], when: _Walls, slack: float) -> _Gap:
    fields = entry["fields"]
    until = when.near(fields["at"])
    until = float(fields["observedAt"]) if until is None else until
    blind = fields.get("durationMs")
    # A first sight of what was running already: nobody was there before.
    since = float("-inf") if blind is None else until - float(blind)
    return _Gap(entry["key"], entry["sessionKey"], since, until, slack)


def _gaps(outcome: Outcome, known: Sequence[_Gap], losses: Sequence[Loss]) -> None:
    """Every gap stands for a loss, and none for what another one told already."""
    last: dict[str, _Gap] = {}
    for gap in sorted(known, key=lambda gap: gap.until):
        if not any(loss.since <= gap.until + gap.slack and gap.since - gap.slack <= loss.until for loss in losses):
            outcome.invented += 1
            outcome.notes.append(f"a gap where nothing was lost: {gap.key}")
        before = last.get(gap.session)
        # What comes byte by byte comes long after it was sent: then the gap is a part of what its line lost.
        lost = min((loss.since for loss in losses if loss.since <= gap.until <= loss.until), default=gap.since)
        if before is not None and before.until - max(gap.since, before.since, lost) > gap.slack:
            outcome.doubled += 1
            outcome.notes.append(f"two gaps for one loss: {before.key} and {gap.key}")
        last[gap.session] = gap


def _losses(items: Iterable[Item]) -> list[Loss]:
    """When nobody was connected, as the server saw it."""
    losses: list[Loss] = []
    down: float | None = float("-inf")
    for item in items:
        if isinstance(item, Down):
            down = item.wall
        elif isinstance(item, Up) and down is not None:
            losses.append(Loss(down, item.wall))
            down = None
    return losses if down is None else [*losses, Loss(down, float("inf"))]


class _Walls:
    """The wall clock at which a time in a frame was sent.

    Where no frame has a time, all times are the receiver's own, and a wall clock's already. The server's clock says
    nothing of them: in a shoot that is played at many times its speed it goes over the same numbers faster.
    """

    def __init__(self, items: Sequence[Item], slack: float) -> None:
        self._slack = slack
        timed = any(fact.timed for item in items if isinstance(item, Heard) for fact in item.facts)
        known: dict[int, float] = {}
        unsent: set[int] = set()
        down = float("inf")
        for item in items:
            if isinstance(item, Heard):
                for at in (item.ts, *(fact.at for fact in item.facts)) if timed else ():
                    known.setdefault(at, float(item.wall))
            elif isinstance(item, Missed):
                unsent.update(fact.at for fact in item.facts)
            elif isinstance(item, Up):
                unsent, down = set(), float("inf")
            elif item.why == "client gone":
                # What was on its way to it then may not have arrived; before a goodbye all of it does.
                down = float(item.wall)
        self._known = known
        self._order = sorted(known)
        self._unsent = unsent
        self._down = down

    def nobody_came_back(self, event: EventTruth) -> bool:
        """Whether it happened after the last connection, so that nobody could tell of it, nor of a gap."""
        sent = self._known.get(int(event.at), 0.0) if event.exact else float(event.at)
        return event.at in self._unsent or sent > self._down - self._slack

    def of(self, at: float) -> float | None:
        """None for a time that no frame had."""
        return self._known.get(int(at))

    def near(self, at: float) -> float | None:
        """Of a time between those of two frames, too: the tap's own clock may have been set, and went over it twice."""
        if not self._order:
            return None
        place = bisect_left(self._order, int(at))
        nearest = min(self._order[max(place - 1, 0) : place + 1], key=lambda known: abs(known - at))
        return self._known[nearest] + at - nearest if abs(at - nearest) <= _NEAR_MS else None

    def of_event(self, event: EventTruth) -> float:
        """Of an event whose time stood in no frame, ``at`` is the receiver's."""
        if not event.exact or not self._order:
            return float(event.at)
        exactly = self.of(event.at)
        if exactly is not None:
            return exactly
        near = self._order[min(bisect_left(self._order, event.at), len(self._order) - 1)]
        return self._known[near]
