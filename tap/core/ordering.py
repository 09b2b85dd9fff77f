"""What is older than what: the rules by which snapshots are stale and explicit frames repeated.

A server tells the same thing several times, late, and out of order. These functions decide, and nothing else does.
"""

from __future__ import annotations

from tap.core.mapping import SeqOrders
from tap.core.model import Policy, Told
from tap.core.state import Connection, Mark

__all__ = ["is_newer_by_seq", "is_older_by_seq", "is_stale", "marked", "scope_of"]


def scope_of(orders: SeqOrders, connection: Connection, told: Told) -> str | None:
    """The name of what this frame's ``seq`` can be compared within, or None."""
    if told.seq is None or orders == "nothing":
        return None
    if orders == "type":
        return f"c{connection.number}:{told.type}"
    if orders == "boot" and connection.boot is not None:
        return f"b{connection.boot}"
    # A server that names no boot may count anew with each connection.
    return f"c{connection.number}"


def is_older_by_seq(mark: Mark | None, told: Told, scope: str | None) -> bool:
    """Whether ``seq`` says that this frame was made before what is known."""
    if mark is None or scope is None or mark.scope != scope or mark.seq is None or told.seq is None:
        return False
    return told.seq < mark.seq


def is_newer_by_seq(mark: Mark | None, told: Told, scope: str | None) -> bool:
    """Whether ``seq`` says that this frame was made after what is known."""
    if mark is None or scope is None or mark.scope != scope or mark.seq is None or told.seq is None:
        return False
    return told.seq > mark.seq


def is_stale(mark: Mark | None, told: Told, scope: str | None, *, connection: Connection, policy: Policy) -> bool:
    """Whether a snapshot that contradicts what ``mark`` stands for was made before it.

    By ``seq`` where it orders the two; only else by time, where a step of more than ``clock_step_ms`` is a clock that
    was set; where neither orders them, an explicit change stands for the settle time. The first snapshot of a
    connection is news to everything that was known before that connection.
    """
    if mark is None:
        return False
    first = not connection.snapshot_seen
    if first and mark.connection != connection.number:
        return False
    if scope is not None and mark.scope == scope and mark.seq is not None and told.seq is not None:
        return told.seq < mark.seq
    if told.at is not None and mark.at is not None:
        behind = mark.at - told.at
        if 0 < behind <= policy.clock_step_ms:
            return True
        if mark.exact:
            return False
    return mark.explicit is not None and told.stamp.mono - mark.explicit < policy.settle_ms


def marked(mark: Mark | None, told: Told, scope: str | None, *, connection: int, explicit: bool) -> Mark:
    """The mark after ``told`` changed (``explicit``) or confirmed what ``mark`` stands for.

    A frame without ``seq`` leaves the known one as a lower bound: what is older than that is surely stale.
    """
    seq, kept_scope = told.seq, scope
    if scope is None:
        seq = mark.seq if mark else None
        kept_scope = mark.scope if mark else None
        # An explicit change without seq is not ordered against later snapshots by an older seq.
        if explicit:
            seq = kept_scope = None
    elif mark is not None and mark.scope == scope and mark.seq is not None and told.seq is not None:
        seq = max(told.seq, mark.seq)
    at, exact = told.at, True
    if at is None and mark is not None:
        at, exact = mark.at, mark.exact and not explicit
    since = told.stamp.mono if explicit else (mark.explicit if mark else None)
    return Mark(kept_scope, seq, at, exact, connection, since)
