"""What only the running service can measure: how late its loop is, how long a commit and a delivery take, who was away.

Nothing here is done for a frame: only for a commit, an answer of the ledger, a change of the connection, and the clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from tap.adapters.clock import monotonic, wall_ms
from tap.adapters.journal import Kept
from tap.core.model import Entry

__all__ = ["Histogram", "Meters"]

_WORST_OF = 60
"""Measurements that the worst lag is taken from: a minute."""


class Histogram:
    """Observations sorted into buckets; one thread writes, any may read."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        """By bucket, the last for what is above all bounds."""
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """(bound, how many were at most that), as Prometheus wants them."""
        told, total = [], 0
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            total += count
            told.append(("+Inf" if bound is None else f"{bound:g}", float(total)))
        return told


class Meters:
    """The service's own measurements; made on the loop's thread, before anything runs.

    ``now`` gives seconds that only go on, to whatever thread.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self.started_at = wall_ms()
        self.commit = Histogram((0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10))
        """Seconds from reading a frame that says something to its entries on the disk; one a commit."""
        self.delivery = Histogram((0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600))
        """Seconds from the commit of an entry to the ledger's answer for it."""
        self.lag = Histogram((0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5))
        """Seconds by which the event loop was late."""
        self.events: Counter[str] = Counter()
        """Director events by kind, since the start."""
        self.server_since = self.started_at
        """Wall ms at which the connection to the server came or went."""
        self.ever_connected = False
        self._connected = False
        self._lags: deque[float] = deque(maxlen=_WORST_OF)

    @property
    def worst_lag(self) -> float:
        """The largest lag of the last minute, seconds."""
        return max(self._lags, default=0.0)

    def connection(self, problem: str | None) -> None:
        """The connection is open (None), or there is none for a reason."""
        connected = problem is None
        if connected != self._connected:
            self.server_since = wall_ms()
        self._connected = connected
        self.ever_connected = self.ever_connected or connected

    def entries(self, entries: Iterable[Entry]) -> None:
        """These were made."""
        for entry in entries:
            if entry.op == "event":
                self.events[str(entry.fields.get("kind"))] += 1

    def committed(self, since: float) -> None:
        """A commit is durable whose first frame was read at ``since`` (by ``now``). On the journal's thread."""
        self.commit.observe(self._now() - since)

    def delivered(self, kept: Iterable[Kept]) -> None:
        """The ledger has answered for these."""
        now = wall_ms()
        for one in kept:
            self.delivery.observe(max(0, now - one.committed_at) / 1000)

    def loop_was_late(self, seconds: float) -> None:
        """A timer of the event loop went off so many seconds late; measured once a second."""
        self.lag.observe(seconds)
        self._lags.append(seconds)
