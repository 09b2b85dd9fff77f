"""``/metrics``: the service's own counters, read when Prometheus requests them, in a separate registry.

Names and labels are an interface: ``docs/alerts.yml`` and people's dashboards rely on them. The number of labels with
names that a server chooses (types of frames, kinds of events) is limited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tap.core.kinds import KINDS
from tap.core.standing import STANDINGS
from tap.service.ops.now import bounded_types, version
from tap.service.running.health import health
from tap.service.running.meters import Histogram
from tap.service.running.parts import Parts

if TYPE_CHECKING:
    from tap.service.ops.feed import Feed

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "multicam_tap_"
_STATES = ("none", "idle", "shipping", "away", "blocked")
_ALARMS = 20


class Metrics:
    """The metrics of one service."""

    def __init__(self, parts: Parts, feed: Feed) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Readings(parts, feed))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Readings(Collector):
    def __init__(self, parts: Parts, feed: Feed) -> None:
        self._parts = parts
        self._feed = feed

    def describe(self) -> list[Metric]:
        """Nothing: the registry must not collect before the service runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        yield from self._about()
        yield from self._health()
        yield from self._server()
        yield from self._history()
        yield from self._journal()
        yield from self._ledger()
        yield from self._recorder()
        yield from self._itself()

    # ------------------------------------------------------------------------------------------ part by part

    def _about(self) -> Iterator[Metric]:
        parts = self._parts
        labels = {"version": version(), "venue": parts.settings.venue, "dialect": parts.dialect.name}
        yield _gauges("build_info", "What runs here; always 1.", labels, {tuple(labels.values()): 1})

    def _health(self) -> Iterator[Metric]:
        now = health(self._parts)
        states = {state: float(state == now.state) for state in ("ok", "degraded", "failing")}
        yield _by("health", "1 for the present health: ok, degraded or failing.", "state", states)
        standings = {name: float(name == now.standing) for name in STANDINGS}
        yield _by(
            "standing", "1 for the tap's standing: what happens to a cut that is made now.", "standing", standings
        )
        yield _gauge("alarm", "1 if somebody has to be woken, because something is being lost now.", now.alarm)
        reasons = {reason.name: 1.0 for reason in now.reasons}
        yield _by("health_reason", "1 for each reason why the health is not ok.", "reason", reasons)

    def _server(self) -> Iterator[Metric]:
        parts = self._parts
        socket, tally, state = parts.socket, parts.pipeline.tally, parts.pipeline.state
        yield _gauge("server_connected", "1 while multicam-server is connected.", socket.connected)
        yield _counter("server_connections", "Connections to multicam-server since the start.", socket.connection)
        heard = 0.0 if socket.heard is None else socket.heard.wall / 1000
        yield _gauge("server_last_frame_timestamp_seconds", "When the last frame came; 0 before the first.", heard)
        yield _counter("server_frames_too_big", "Connections ended by a frame above the size limit.", socket.too_big)
        offset = (tally.drift_ms or 0) / 1000
        yield _gauge(
            "server_clock_offset_seconds", "The server's clock minus the tap's, if that is over 10 s; else 0.", offset
        )
        yield _counter("received_frames", "WebSocket messages received.", tally.frames)
        classes = {
            "telemetry": tally.telemetry,
            "mapped": tally.mapped,
            "quiet": tally.quiet,
            "incomplete": tally.incomplete,
            "unreadable": tally.unreadable,
            "unknown": sum(tally.unknown.values()),
        }
        words = "Frames, and objects inside of batches, by result and class of their type."
        yield _counters("frames", words, "class", classes)
        words = "Frames of types that the dialect does not know: the first twenty types, the rest as other."
        yield _counters("unmapped_frames", words, "type", bounded_types(tally.unknown))
        dropped = {
            "telemetry": parts.ingest.dropped_telemetry,
            "control": parts.ingest.dropped_control,
            "recorder": parts.flight.dropped,
        }
        yield _counters("dropped_frames", "Frames that were dropped, or not recorded.", "what", dropped)
        yield _gauge("session_live", "1 while a session runs, as far as is known.", parts.running is not None)
        yield _gauge("cameras", "Cameras that are there.", sum(one.present is True for one in state.cameras.values()))

    def _history(self) -> Iterator[Metric]:
        parts = self._parts
        tally, events = parts.pipeline.tally, parts.meters.events
        yield _counter("observations", "Observations from frames, by kind.", tally.observations)
        yield _counter("entries", "Entries made for the ledger.", tally.entries)
        by_kind = {kind: float(events[kind]) for kind in KINDS if kind != "gap"}
        yield _counters("events", "Director events made, by kind; gaps are counted by themselves.", "kind", by_kind)
        yield _counter("gaps", "Gaps in the history.", events["gap"])
        yield _counter("bugs", "Frames that the tap could not process because of a bug.", parts.ingest.slips)
        alarms = parts.drift.alarms
        named = dict.fromkeys(list(alarms)[:_ALARMS], 1.0)
        yield _by("drift_alarm", "1 for each alarm: the server's frames do not match the dialect.", "alarm", named)

    def _journal(self) -> Iterator[Metric]:
        parts = self._parts
        look, writer, now = parts.journal_gauge, parts.writer, parts.clock.stamp().wall
        yield _by(
            "journal_entries",
            "Entries in the journal, by state.",
            "state",
            {state: float(n) for state, n in look.counts.items()},
        )
        yield _gauge("journal_memory_entries", "Entries that are not on the disk yet.", writer.waiting)
        yield _gauge("journal_failing", "1 while the journal cannot be written.", writer.failing is not None)
        yield _gauge("journal_bytes", "Size of the journal and its log.", look.bytes or 0)
        # Where no ledger is configured, entries do not wait for one.
        oldest = None if parts.shipping is None else look.oldest_pending
        age = 0.0 if oldest is None else max(0, now - oldest) / 1000
        yield _gauge("journal_oldest_pending_age_seconds", "How long the oldest pending entry has waited, or 0.", age)
        words = "Time from reading a frame to its entries on the disk, once for each commit."
        yield _histogram("journal_commit_latency_seconds", words, parts.meters.commit)

    def _ledger(self) -> Iterator[Metric]:
        parts = self._parts
        shipping = parts.shipping
        stands = "none" if shipping is None else shipping.state
        states = {state: float(state == stands) for state in _STATES}
        yield _by("ledger_state", "1 for the state of publishing: none without Convex.", "state", states)
        if shipping is None:
            return
        last = (shipping.last_success or 0) / 1000
        yield _gauge("ledger_last_success_timestamp_seconds", "When the ledger answered last; 0: never.", last)
        yield _counter("ledger_calls", "Calls made to the ledger.", shipping.calls)
        yield _counter("ledger_call_failures", "Calls to the ledger that failed.", shipping.failures)
        outcomes = {
            "applied": shipping.applied,
            "duplicate": shipping.duplicate,
            "stale": shipping.stale,
            "set_aside": shipping.dead,
            "forgotten": shipping.forgotten,
        }
        yield _counters("ledger_entries", "Entries that the ledger answered for, by its answer.", "outcome", outcomes)
        words = "Time from the commit of an entry to the ledger's answer for it."
        yield _histogram("ledger_latency_seconds", words, parts.meters.delivery)

    def _recorder(self) -> Iterator[Metric]:
        flight = self._parts.flight
        if not flight.on:
            return
        yield _gauge("recorder_failing", "1 while the flight recorder cannot write.", flight.failing is not None)
        yield _gauge("recorder_bytes", "Size of the saved tapes.", flight.bytes)
        yield _gauge("recorder_segments", "Saved tape segments.", flight.segments)

    def _itself(self) -> Iterator[Metric]:
        meters, feed = self._parts.meters, self._feed
        yield _histogram("loop_lag_seconds", "By how much the event loop was late, once a second.", meters.lag)
        yield _gauge("loop_lag_worst_seconds", "The worst of the last minute.", meters.worst_lag)
        yield _gauge("ops_clients", "Live pages that are open.", feed.clients)
        yield _counter("ops_clients_dropped", "Live pages dropped, since they were too slow or too many.", feed.dropped)


# ---------------------------------------------------------------------------------------------- families


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, words, value=float(value))


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, words, value=float(value))


def _by(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    return _gauges(name, words, (label,), {(key,): value for key, value in values.items()})


def _gauges(
    name: str, words: str, labels: Mapping[str, str] | tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, words, labels=list(labels))
    for key, value in values.items():
        family.add_metric(list(key), float(value))
    return family


def _counters(name: str, words: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(_PREFIX + name, words, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def _histogram(name: str, words: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(_PREFIX + name, words, buckets=histogram.cumulative(), sum_value=histogram.sum)
