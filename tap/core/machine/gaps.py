"""Gaps: each loss of the server inside a session is exactly one row, with what was on before and after.

A gap is made in three steps, for its two sides are known at different times. At the loss, what is on is remembered
(``go_blind``). With the first frame after it the gap has a time, a key and a length, and waits (``note``). Once a
snapshot shows the new side, or nothing can show it any more, the row is written (``write``). What waits lies in the
session, and so in the checkpoint: a restart of the tap in between loses nothing.

What happened inside a gap is never invented: no cut, hold, release or change of mode is made for it.
"""

from __future__ import annotations

from typing import Any

from tap.core.codec import sub_key
from tap.core.machine.desk import Desk
from tap.core.machine.rows import RowWriter, side_columns
from tap.core.machine.rules import Cause
from tap.core.machine.state import PendingGap, Session, Side, State
from tap.core.model import Envelope, HoldInfo, Stamp

__all__ = ["FIRST_SIGHT", "Gaps", "gap_columns"]

FIRST_SIGHT = "first sight"
"""The cause of a gap at the first sight of a session."""


class Gaps:
    """The rules for gaps (docs/how-it-works.md, rule 7)."""

    def __init__(self, state: State, desk: Desk, *, rows: RowWriter) -> None:
        self._state = state
        self._desk = desk
        self._rows = rows

    def go_blind(self, _: Cause) -> None:
        """The server is lost: remember what is on, and when it was received last."""
        session = self._state.session
        if session is not None:
            session.before = self._desk.side()
            session.blind_since = self._state.heard

    def note(self, cause: Cause) -> None:
        """The server sends again: a gap waits until its new side is reported.

        Its length goes from the last frame before to the first one after, by the tap's own clock. It has none where the
        tap itself was away, and no clock tells for how long.
        """
        session = self._state.session
        if session is None:
            return
        blind = None if session.away_unknown else max(0, cause.envelope.stamp.mono - session.blind_since)
        session.away_unknown = False
        session.gap = PendingGap(
            cause.at, cause.envelope.stamp.wall, blind, session.before or Side(), self._state.loss_cause
        )

    def write(self, cause: Cause) -> None:
        """Write the gap that waits, with its new side as far as the cause has a snapshot that shows it."""
        session = self._state.session
        if session is None or session.gap is None:
            return
        gap, session.gap = session.gap, None
        shown = cause.snapshot or {}
        hold: HoldInfo | None = shown.get("hold")
        after = Side(shown.get("program"), shown.get("mode"), hold.active if hold is not None else None)
        if "hold" in shown and hold is None:
            after.hold = False
        self._write(session, gap, after, cause.envelope)

    def first_sight(self, session: Session, cause: Cause) -> None:
        """The session ran before the tap's first frame of it: the time before is a gap, without "before" and length."""
        # NB: exception 6 in rules: the phase was never ``returning``, and no gap was pending.
        connection = self._state.connection
        if connection is None or connection.first_at is None:
            return
        gap = PendingGap(connection.first_at, connection.first_wall, None, Side(), FIRST_SIGHT)
        self._write(session, gap, self._desk.side(), cause.envelope)

    def _write(self, session: Session, gap: PendingGap, after: Side, envelope: Envelope) -> None:
        detail: dict[str, Any] = {"after": side_columns(after), "tap": self._rows.tap, "cause": gap.cause}
        if gap.cause != FIRST_SIGHT:
            detail["before"] = side_columns(gap.before)
            if gap.blind_ms is None:
                detail["unknown"] = "durationMs"
        session.gaps += 1
        session.gap_ms += gap.blind_ms or 0
        self._rows.event(
            "gap",
            Envelope(Stamp(gap.observed, envelope.stamp.mono)),
            key=sub_key(session.key, "gap", self._rows.tap, gap.at),
            at=gap.at,
            session=session,
            shared=True,
            duration_ms=gap.blind_ms,
            detail=detail,
        )


def gap_columns(session: Session) -> dict[str, Any]:
    """How many gaps a session had, and how long they were together (ms), for its final state."""
    return {"gaps": session.gaps, "gapMs": session.gap_ms}
