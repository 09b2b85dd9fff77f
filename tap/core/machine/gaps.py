"""Gaps: each loss of the server inside a session is exactly one row, with what was on before and after."""

from __future__ import annotations

from typing import Any

from tap.core.codec import sub_key
from tap.core.machine.desk import Desk
from tap.core.machine.rows import Book, side_fields
from tap.core.machine.rules import Cause
from tap.core.machine.state import PendingGap, Session, Side, State
from tap.core.model import HoldInfo, Stamp, Told

__all__ = ["FIRST_SIGHT", "Gaps", "gap_columns"]

FIRST_SIGHT = "first sight"
"""The cause of a gap before which the tap had never heard the session."""


class Gaps:
    """The rules for gaps (rule 7 of the design)."""

    def __init__(self, state: State, desk: Desk, *, book: Book) -> None:
        self._state = state
        self._desk = desk
        self._book = book

    def go_blind(self, _: Cause) -> None:
        """The server is lost: remember what was on."""
        session = self._state.session
        if session is not None:
            session.before = self._desk.side()
            session.blind_since = self._state.heard

    def note(self, cause: Cause) -> None:
        """The server is heard again: a gap is pending until its new side is told."""
        session = self._state.session
        if session is None:
            return
        blind = None if session.away_unknown else max(0, cause.told.stamp.mono - session.blind_since)
        session.away_unknown = False
        session.gap = PendingGap(cause.at, cause.told.stamp.wall, blind, session.before or Side(), self._state.cause)

    def tell(self, cause: Cause) -> None:
        """The pending gap is written, with the new side as far as a snapshot told it."""
        session = self._state.session
        if session is None or session.gap is None:
            return
        gap, session.gap = session.gap, None
        told = cause.snapshot or {}
        hold: HoldInfo | None = told.get("hold")
        after = Side(told.get("program"), told.get("mode"), hold.active if hold is not None else None)
        if "hold" in told and hold is None:
            after.hold = False
        self._write(session, gap, after, cause.told)

    def first_sight(self, session: Session, cause: Cause) -> None:
        """The session ran already: what came before is one gap, without an old side and without a length."""
        # NB: exception 6 in rules: the phase was never ``returning``, and no gap was pending.
        connection = self._state.connection
        if connection is None or connection.first_at is None:
            return
        gap = PendingGap(connection.first_at, connection.first_wall, None, Side(), FIRST_SIGHT)
        self._write(session, gap, self._desk.side(), cause.told)

    def _write(self, session: Session, gap: PendingGap, after: Side, told: Told) -> None:
        detail: dict[str, Any] = {"after": side_fields(after), "tap": self._book.tap, "cause": gap.cause}
        if gap.cause != FIRST_SIGHT:
            detail["before"] = side_fields(gap.before)
            if gap.blind_ms is None:
                detail["unknown"] = "durationMs"
        session.gaps += 1
        session.gap_ms += gap.blind_ms or 0
        self._book.event(
            "gap",
            Told(Stamp(gap.observed, told.stamp.mono)),
            key=sub_key(session.key, "gap", self._book.tap, gap.at),
            at=gap.at,
            session=session,
            shared=True,
            duration_ms=gap.blind_ms,
            detail=detail,
        )


def gap_columns(session: Session) -> dict[str, Any]:
    """How many gaps a session had, and how long they were together, for its final state."""
    return {"gaps": session.gaps, "gapMs": session.gap_ms}
