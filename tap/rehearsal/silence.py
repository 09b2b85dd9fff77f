"""When a server that is silent counts as out of sight, though the connection stands (docs/how-it-works.md, rule 7).

A server is regular when its last ten snapshots came at most 60 s apart and five of them said nothing new. Whether those
that only follow an explicit change count, and what is new before a session, the rule leaves open: there several
readings are right, and only what all of them say is sure.
"""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct

__all__ = ["SnapshotRhythm"]

_COUNTED = 10
_APART_MS = 60_000
_QUIET, _SURELY = 5, 10
"""A server is regular if this many of ten snapshots say nothing new; it surely is, if this many do."""
_SLACK_MS = 600
_KEPT = 40


class _Snapshot(Struct, frozen=True):
    wall: int
    new: bool
    """Whether it said anything that was not known,"""
    written: bool
    """and whether that was of a session."""
    prompted: bool
    """Whether an explicit change came right before it."""


class SnapshotRhythm:
    """The snapshots of a server: when they came, and what they said."""

    def __init__(self) -> None:
        self._came: list[_Snapshot] = []

    def came(self, wall: int, *, new: bool, session: bool, prompted: bool) -> None:
        """A snapshot; ``session``: one runs."""
        self._came.append(_Snapshot(wall, new, new and session, prompted))
        del self._came[:-_KEPT]

    def out_of_sight(self, wall: int) -> bool | None:
        """Whether the server was out of sight until now: None: it was not; False: perhaps; True: surely."""
        if not self._came:
            return None
        gone = wall - self._came[-1].wall
        readings = (
            [(one.wall, not one.new or one.prompted) for one in self._came],
            [(one.wall, not one.new) for one in self._came if not one.prompted],
            [(one.wall, not one.written) for one in self._came],
        )
        perhaps = [limit for reading in readings if (limit := _limit(reading, _QUIET)) is not None]
        if not perhaps or gone < min(perhaps):
            return None
        surely = [limit for reading in readings if (limit := _limit(reading, _SURELY)) is not None]
        # What only follows a change may be all that a server sends: whether it is regular, the others have to show.
        unasked = _limit([(one.wall, not one.new and not one.prompted) for one in self._came], _QUIET)
        return unasked is not None and len(surely) == len(readings) and gone > max(surely) + _SLACK_MS


def _limit(snapshots: list[tuple[int, bool]], quiet: int) -> int | None:
    """How long, in ms, this server may be silent, by when its snapshots came and which said nothing new."""
    last = snapshots[-_COUNTED:]
    longest = max((later - one for (one, _), (later, _) in pairwise(last)), default=0)
    enough = len(last) == _COUNTED and sum(nothing for _, nothing in last) >= quiet
    return _APART_MS + 10 * longest if enough and longest <= _APART_MS else None
