"""Two frames compared: the one of now, and the one that said last what is known (its *mark*).

``staleness.py`` watches how a server numbers and dates its frames, and tells what these functions have to know of that.
"""

from __future__ import annotations

from tap.core.machine.state import Connection, LastSaid
from tap.core.model import Envelope, Policy

__all__ = ["by_seq", "is_stale", "marked"]


def by_seq(mark: LastSaid | None, envelope: Envelope, scope: str | None) -> int:
    """By how much a frame's ``seq`` is higher than what is known; 0 if ``seq`` does not order the two."""
    if mark is None or scope is None or mark.scope != scope or mark.seq is None or envelope.seq is None:
        return 0
    return envelope.seq - mark.seq


def _is_undated(mark: LastSaid) -> bool:
    """Whether the last that is known is an explicit change without a time or a number."""
    return mark.explicit is not None and mark.seq is None and (mark.at is None or not mark.exact)


def is_stale(
    mark: LastSaid | None,
    envelope: Envelope,
    scope: str | None,
    *,
    connection: Connection,
    policy: Policy,
    clock: int = 0,
    set_back: bool = False,
) -> bool:
    """Whether a snapshot that contradicts something is older than the frame that said it (``mark``).

    ``seq`` decides if it orders the two, else their times. (A step of more than ``clock_step_ms`` means that somebody
    has set the clock: then the snapshot was made after that.) If neither orders them, an explicit change wins until the
    settle time is over. The first snapshot of a connection is newer than everything that was known before that
    connection.

    Args:
        set_back: The snapshot has the time of the clock as it was before it was set last: it may be from before that.
    """
    if mark is None:
        return False
    first = not connection.snapshot_seen
    if first and (mark.connection != connection.number or _is_undated(mark)):
        return False  # a frame without a time may be history
    ahead = by_seq(mark, envelope, scope)
    if ahead:
        return ahead < 0
    dated = envelope.at is not None and mark.at is not None
    if dated and mark.exact and mark.clock != clock and not set_back:
        return False
    if envelope.at is not None and mark.at is not None and mark.clock == clock and envelope.at != mark.at:
        behind = mark.at - envelope.at
        if 0 < behind <= policy.clock_step_ms:
            return True
        if mark.exact:
            return False
    return mark.explicit is not None and envelope.stamp.mono - mark.explicit < policy.settle_ms


def marked(
    mark: LastSaid | None,
    envelope: Envelope,
    scope: str | None,
    *,
    connection: int,
    explicit: bool,
    clock: int = 0,
) -> LastSaid:
    """The new mark after ``envelope`` changed (``explicit``) or confirmed something.

    A frame without ``seq`` leaves the known ``seq`` as a lower bound: a snapshot with a lower one is surely stale.
    """
    seq, kept_scope = envelope.seq, scope
    if scope is None:
        seq = mark.seq if mark else None
        kept_scope = mark.scope if mark else None
        # After an explicit change without seq, an older seq must not order later snapshots against it.
        if explicit:
            seq = kept_scope = None
    elif mark is not None and mark.scope == scope and mark.seq is not None and envelope.seq is not None:
        seq = max(envelope.seq, mark.seq)
    at, exact = envelope.at, True
    if at is None and mark is not None:
        at, exact, clock = mark.at, mark.exact and not explicit, mark.clock
    since = envelope.stamp.mono if explicit else (mark.explicit if mark else None)
    return LastSaid(kept_scope, seq, at, exact, connection, since, clock)
