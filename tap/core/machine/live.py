"""Which camera was live at a moment, by the last changes of the program: stills, markers and moments ask for it."""

from __future__ import annotations

from tap.core.machine.state import ProgramChange, State
from tap.core.model import Envelope

__all__ = ["note_change", "program_at"]

_KEPT = 64
"""Changes of the program that are remembered."""
_READ_TOGETHER_MS = 500
"""Frames that are read within this time after one another may have waited for a tap that was stopped."""
_CLOCK_SET_MS = 2_000
"""A server's clock that is off by this much more or less than before was set meanwhile."""


def note_change(state: State, change: ProgramChange) -> None:
    """Remember when the program changed."""
    history = state.program_changes
    history.append(change)
    del history[:-_KEPT]


def _is_of_one_clock(at: int, mono: int, envelope: Envelope, offset: int) -> bool:
    """Whether a change of this time, read at ``mono``, was dated by the clock that dates this frame.

    What was read together was reported by one clock: where the offsets differ, the tap was stopped.
    """
    if abs(at - mono - offset) < _CLOCK_SET_MS:
        return True
    together = 0 <= envelope.stamp.mono - mono <= _READ_TOGETHER_MS
    return together and envelope.at is not None and envelope.at >= at


def program_at(state: State, envelope: Envelope, at: int) -> str | None:
    """The camera that was live at ``at``, as far as the last changes tell; None: none, or not known.

    Compared by the server's clock, except with changes from before that clock was set: there by our own.
    """
    by_server = envelope.at is not None or at != envelope.stamp.wall
    offset = envelope.stamp.wall - envelope.stamp.mono
    if envelope.at is not None:
        offset = envelope.at - envelope.stamp.mono
    elif by_server and state.clock_offset is not None:
        offset = state.clock_offset  # a frame without a time of its own that names one by the server's clock
    mono = min(envelope.stamp.mono, at - offset)
    live: str | None = None
    for change in state.program_changes:
        if by_server and change.at is not None and _is_of_one_clock(change.at, change.mono, envelope, offset):
            if change.at > at:
                break
        elif change.mono > mono:
            # By our clock alone it may only have been read later, together with a dated one that was before ``at``.
            continue
        live = change.camera_id if change.known else None
    return live
