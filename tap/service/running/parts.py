"""The wired parts of a running service, for those who look at them: health, status, metrics, and the live page.

Who looks gets this, or the one part that it looks at, and never the service: so it can start and stop nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tap.adapters.clock import Clock
    from tap.adapters.journal import Journal, JournalWriter
    from tap.adapters.server.socket import ServerSocket
    from tap.core.mapping import Dialect
    from tap.core.pipeline import Pipeline
    from tap.service.config import Settings
    from tap.service.running.dialect_drift import DialectDrift
    from tap.service.running.flight_recorder import FlightRecorder
    from tap.service.running.ingest import Ingest
    from tap.service.running.journal_gauge import JournalGauge
    from tap.service.running.journal_pruner import JournalPruner
    from tap.service.running.meters import Meters
    from tap.service.running.publishing.shipping import Shipping

__all__ = ["Parts"]


class Parts(Struct, frozen=True, kw_only=True):
    """What a service is made of, once it listens. To be read on the event loop's thread."""

    settings: Settings
    dialect: Dialect
    clock: Clock
    socket: ServerSocket
    pipeline: Pipeline
    ingest: Ingest
    journal: Journal
    writer: JournalWriter
    journal_gauge: JournalGauge
    journal_pruner: JournalPruner
    flight: FlightRecorder
    drift: DialectDrift
    meters: Meters
    shipping: Shipping | None
    """The state of publishing; None if no Convex is configured."""

    @property
    def running(self) -> str | None:
        """The key of the session that is live, if one is."""
        session = self.pipeline.state.session
        return None if session is None or session.status != "live" else session.key
