"""The ledger: Convex's documented HTTP API, as an async client that cannot hang, and never shows the key.

A line in here may touch the network towards Convex. Others import what is in ``__all__`` from here.
"""

from __future__ import annotations

from tap.adapters.ledger.answers import Answer, Changed, Outcome, Ping, Secret
from tap.adapters.ledger.client import Ledger
from tap.adapters.ledger.errors import REFUSES_ALL, LedgerAway, LedgerRefused, Remedy, refused, remedy_for
from tap.adapters.ledger.values import MAX_BYTES, MAX_ENTRIES

__all__ = [
    "MAX_BYTES",
    "MAX_ENTRIES",
    "REFUSES_ALL",
    "Answer",
    "Changed",
    "Ledger",
    "LedgerAway",
    "LedgerRefused",
    "Outcome",
    "Ping",
    "Remedy",
    "Secret",
    "refused",
    "remedy_for",
]
