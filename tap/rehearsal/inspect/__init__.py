"""``inspect``: from the frames of an unknown server to a mapping file, by behaviour first, by names second.

In the order in which a tape is looked at:

wrapping        what is around a server's objects: batches, prefixes, arrays, JSON within JSON
envelope        batches, type and body of an object
paths           every value of a frame, with its path
census          which frames are not like the others of their type
survey          types and fields, counted
state_roles     the frame that has the whole state, and what each of its fields is
explanations    which frames explain which changes of the state
event_roles     what each other type of frame is
analysis        all of this over a tape
report          the result as data; ``terminal`` prints it
suggestion      a mapping file, by ``mapping_rules`` and ``field_guesses``; ``mapping_file`` writes its lines
trial           the history that a mapping would give
vocabulary      words by which servers name things
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import read_tapes
from tap.core.errors import MappingInvalid
from tap.core.mapping import Dialect
from tap.rehearsal.inspect.analysis import Analysis, analyse
from tap.rehearsal.inspect.report import InspectionReport, report_of
from tap.rehearsal.inspect.suggestion import Suggestion, suggest
from tap.rehearsal.inspect.trial import Trial, try_dialects

__all__ = ["Inspection"]

_DEFAULT = "multicam/1"


class Inspection:
    """One or several tapes, as one history, looked at through a dialect.

    ``dialect``: its name or file; None: the one that the tapes name, as far as it is here. Raises ``TapeInvalid``,
    ``MappingInvalid``, and ``TapError`` where there is no frame.
    """

    def __init__(
        self,
        paths: list[Path],
        *,
        dialect: str | None = None,
        source: str | None = None,
        on_progress: Callable[[str, int, int], None] = lambda *_: None,
    ) -> None:
        self._paths = paths
        self._progress = on_progress
        self.dialect: Dialect = _dialect(paths, dialect)
        self._found: Analysis = analyse(paths, self.dialect, on_progress)
        if source is not None:
            self._found.source = source

    def report(self) -> InspectionReport:
        """What was found."""
        return report_of(self._found, self.dialect)

    def suggestion(self, name: str = "my-server/1") -> Suggestion:
        """A mapping file that calls itself ``name``."""
        return suggest(self._found, name=name)

    def trial(self, other: Dialect) -> Trial:
        """What ``other`` would give, beside what the dialect gives."""
        return try_dialects(self._paths, (self.dialect, other), self._progress)


def _dialect(paths: list[Path], asked: str | None) -> Dialect:
    if asked is not None:
        return load_dialect(asked)
    with read_tapes(paths) as tapes:
        recorded = tapes.header.dialect
    try:
        return load_dialect(recorded or _DEFAULT)
    except MappingInvalid:
        return load_dialect(_DEFAULT)
