"""Tapes: recordings of what a server sent, read back as the items a live source would have given, and written.

A tape is JSON lines, plain or gzip (told apart by their first bytes, not by the name), with an optional header::

    {"tape":1,"dialect":"multicam/1","startedAt":"2026-11-22T20:39:35.000Z","venue":"hall-a","policy":{…},"tap":"…"}
    {"t":0.096,"wall":"2026-11-22T20:39:35.096Z","event":"open"}
    {"t":0.101,"wall":"2026-11-22T20:39:35.101Z","dir":"in","data":"{\\"type\\":\\"hello\\"}"}
    {"t":5.101,"wall":"2026-11-22T20:39:40.101Z","event":"alive","heard":4.872}

``t`` and ``heard`` are seconds since the start of the tape.

A line in here may touch the tapes' files, and nothing else. Others import what is in ``__all__`` from here.
"""

from __future__ import annotations

from tap.adapters.tape.lines import TapeHeader
from tap.adapters.tape.reader import TapeEmpty, TapeReader, open_tape
from tap.adapters.tape.several import Tapes, read_tapes
from tap.adapters.tape.writer import TapeWriter

__all__ = ["TapeEmpty", "TapeHeader", "TapeReader", "TapeWriter", "Tapes", "open_tape", "read_tapes"]
