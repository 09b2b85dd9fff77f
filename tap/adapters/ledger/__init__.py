"""The ledger: Convex's documented HTTP API, as an async client that can neither hang nor be heard.

A line in here may touch the network towards Convex. Others import what stands in ``__all__`` from here.
"""

from __future__ import annotations

from tap.adapters.ledger.client import (
    MAX_BYTES,
    MAX_ENTRIES,
    REFUSES_ALL,
    Answer,
    Changed,
    Disposition,
    Ledger,
    LedgerAway,
    LedgerRefused,
    Outcome,
    Ping,
    Secret,
    disposition,
    refused,
)

__all__ = [
    "MAX_BYTES",
    "MAX_ENTRIES",
    "REFUSES_ALL",
    "Answer",
    "Changed",
    "Disposition",
    "Ledger",
    "LedgerAway",
    "LedgerRefused",
    "Outcome",
    "Ping",
    "Secret",
    "disposition",
    "refused",
]
