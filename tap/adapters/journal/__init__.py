"""The journal: an outbox on the venue's disk, in which entries wait for the ledger and the machine's state is saved.

A line in here may touch SQLite, the files of the state directory and its own thread. It knows no other neighbour.
Others import what is in ``__all__`` from here, and nothing from the modules below.
"""

from __future__ import annotations

from tap.adapters.journal.outbox import Journal
from tap.adapters.journal.rows import Kept, State, kept_object
from tap.adapters.journal.writer import JournalWriter

__all__ = ["Journal", "JournalWriter", "Kept", "State", "kept_object"]
