"""Which failures of a call an entry may be to blame for."""

from __future__ import annotations

from tap.adapters.ledger import Remedy, remedy_for
from tap.core.errors import LedgerError

__all__ = ["SUSPECTED", "refuse_others"]

SUSPECTED = (Remedy.NARROW, Remedy.QUARANTINE)
_MANY = 1_000
"""Attempts: all that patience asks for."""


def refuse_others(error: LedgerError, code: str) -> None:
    """Raises what is no fault of an entry: another failure than the one that was begun with."""
    suspected = remedy_for(error, attempt=_MANY, entries=1) in SUSPECTED
    if not suspected and getattr(error, "code", "") != code:
        raise error
