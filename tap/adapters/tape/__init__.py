"""Tapes: recordings of what a server sent, read back as the items a live source would have given, and written.

A line in here may touch the tapes' files, and nothing else. Others import what stands in ``__all__`` from here.
"""

from __future__ import annotations

from tap.adapters.tape.parts import TapeHeader
from tap.adapters.tape.reader import TapeEmpty, TapeReader, Tapes, TapeWriter, open_tape, read_tapes

__all__ = ["TapeEmpty", "TapeHeader", "TapeReader", "TapeWriter", "Tapes", "open_tape", "read_tapes"]
