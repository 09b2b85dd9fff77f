"""The log lines of the running service: each change once. Attempts and repetitions are for the counters.

A warning is for somebody to look at; what mends itself is ``info``. So a lost connection is a warning once it lasts, or
at once where waiting does not help.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tap.adapters.clock import monotonic
from tap.core.machine.gaps import FIRST_SIGHT
from tap.core.mapping import Verdict
from tap.core.model import Entry
from tap.service.log_throttle import LogThrottle
from tap.service.logs import get_logger

if TYPE_CHECKING:
    from tap.adapters.journal import Journal, JournalWriter
    from tap.adapters.server.socket import ServerSocket
    from tap.core.mapping import Dialect
    from tap.core.pipeline import Tally

__all__ = ["AMISS", "DAMAGED", "NEWER", "ChangeLog"]

DAMAGED: Final = (
    "save the file: it has the entries that were not in the ledger yet. Check the disk ('dmesg', free space)"
)
NEWER: Final = "upgrade the tap, stop it, and put that file back: its pending entries are then delivered"
AMISS: Final = (
    "find out who removes files of the state directory; 'multicam-tap rederive' restores from the tapes what is missing"
)
_AWAY_S = 30.0
"""How long the server may be away before that is a warning: a restart of it is over by then."""
_STOOD_S = 60.0
"""If a connection was open this long, its end is logged by itself."""
_FLAPS = 2
"""After this many short connections in a row, the log says that they come and go. Then it waits until one lasts."""
_SESSIONS_WATCHED = 100
_TYPES_NAMED = 10
"""Types in one line: a server may send another one each time."""

_log = get_logger(__name__)


class ChangeLog:
    """Compares connection, journal and traffic with how they were, and logs what changed. On the loop's thread."""

    socket: ServerSocket
    """The connection whose changes are logged; set before the first of them."""

    def __init__(
        self,
        journal: Journal,
        writer: JournalWriter,
        dialect: Dialect,
        tally: Tally,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``clock`` gives seconds that only go on."""
        self.silent = False
        """The service ends: that its own connection goes is no news."""
        self._journal = journal
        self._writer = writer
        self._dialect = dialect
        self._tally = tally
        self._failing: str | None = None
        self._aside = len(journal.moved_aside)
        self._amiss: dict[str, tuple[int, LogThrottle]] = {}
        self._unkept = 0
        self._unkept_told = LogThrottle()
        self._types: set[str] = set()
        self._samples = 0
        self._drifted = False
        self._sessions: dict[str, str] = {}
        self._now = clock
        self._away_since: float | None = clock()
        self._stands_since: float | None = None
        self._short = 0
        """Short connections in a row."""
        self._flaps = self._flap_gaps = 0
        """Connections and gaps since it was said that they come and go."""
        self._warned = False

    def connection(self, problem: str | None) -> None:
        """A connection is open (None), or there is none, and why."""
        if problem is None:
            self._connected()
        elif not self.silent:
            self._not_connected(problem)

    def _connected(self) -> None:
        socket = self.socket
        remark = {} if socket.remark is None else {"remark": socket.remark}
        if self._flapping:
            self._flaps += self._stands_since is None
            _log.debug("connected", server=socket.shown, **remark)
        else:
            _log.info("connected", server=socket.shown, **remark)
        # It is called for a new remark, too.
        self._stands_since = self._now() if self._stands_since is None else self._stands_since
        self._away_since, self._warned = None, False

    @property
    def _flapping(self) -> bool:
        return self._short >= _FLAPS

    def _not_connected(self, problem: str) -> None:
        socket, now = self.socket, self._now()
        flapped = self._flapping
        if self._stands_since is not None:
            self._short = self._short + 1 if now - self._stands_since < _STOOD_S else 0
            self._stands_since = None
        self._away_since = now if self._away_since is None else self._away_since
        if flapped and self._flapping:
            _log.debug("not connected", server=socket.shown, why=problem)
        elif self._flapping:
            self._flaps = self._flap_gaps = 0
            _log.warning(
                "not connected",
                server=socket.shown,
                why=problem,
                comes_and_goes=self._short,
                next_step="find out why server or network end it so soon; connections like these are not logged again"
                f" until one lasts for {_STOOD_S:.0f} s",
            )
        elif socket.refused:
            self._warned = True
            _log.warning(
                "not connected",
                server=socket.shown,
                why=problem,
                next_step="correct that, then 'multicam-tap check'; the tap tries again by itself",
            )
        else:
            _log.info("not connected", server=socket.shown, why=problem)

    def entries(self, entries: Sequence[Entry]) -> None:
        """What was written into the history."""
        for entry in entries:
            if entry.op == "session":
                self._session(entry)
            elif entry.fields.get("kind") == "gap":
                self._gap(entry)

    def look(self) -> None:
        """What changed since the last look."""
        self._server()
        self._look_at_journal()
        self._frames()

    def _server(self) -> None:
        since, socket, now = self._away_since, self.socket, self._now()
        if self._flapping and self._stands_since is not None and now - self._stands_since >= _STOOD_S:
            self._short = 0
            _log.info("connected again", server=socket.shown, meanwhile=self._flaps, gaps=self._flap_gaps)
        if since is None or self._warned or self.silent or now - since < _AWAY_S:
            return
        self._warned = True
        _log.warning(
            "the server is still away",
            server=socket.shown,
            why=socket.problem,
            next_step=f"start {self._dialect.speaker}, or see 'multicam-tap check'; nothing to do if it is"
            " meant to be off",
        )

    def _frames(self) -> None:
        tally, dialect = self._tally, self._dialect.name
        new = [name for name in tally.unknown if name not in self._types]
        if new:
            self._types.update(new)
            others = {"others": new[1 : _TYPES_NAMED + 1], "types": len(new)} if len(new) > 1 else {}
            _log.warning(
                "the dialect does not know this type of frame",
                type=new[0],
                **others,
                dialect=dialect,
                next_step="'multicam-tap inspect' on the server's address suggests a rule for it; map or ignore it",
            )
        for sample in tally.samples[self._samples :]:
            if sample.verdict is not Verdict.UNKNOWN:
                _log.warning(
                    "a frame has nothing that the dialect can use",
                    type=sample.type,
                    why=sample.reason,
                    frame=sample.text,
                    next_step="'multicam-tap inspect' on the server's address shows such frames; correct the mapping",
                )
        self._samples = len(tally.samples)
        if tally.drift_ms is not None and not self._drifted:
            self._drifted = True
            _log.warning(
                "the server's clock and this machine's differ; times are the server's",
                ms=tally.drift_ms,
                next_step="set both clocks by NTP ('timedatectl set-ntp true')",
            )

    def _session(self, entry: Entry) -> None:
        status = str(entry.fields.get("status"))
        if self._sessions.pop(entry.session_key, None) != status:
            _log.info("session", session=entry.session_key, status=status, title=entry.fields.get("title"))
        self._sessions[entry.session_key] = status
        while len(self._sessions) > _SESSIONS_WATCHED:
            del self._sessions[next(iter(self._sessions))]

    def _gap(self, entry: Entry) -> None:
        blind = entry.fields.get("durationMs")
        if self._flapping:
            self._flap_gaps += 1
            _log.debug("gap", session=entry.session_key, blind_ms=blind)
        elif blind is None and (entry.fields.get("detail") or {}).get("cause") == FIRST_SIGHT:
            # A session that ran before the tap did: nobody was expected to see its beginning.
            _log.info("gap", session=entry.session_key, why="the session was already running")
        else:
            _log.warning(
                "gap",
                session=entry.session_key,
                blind_ms=blind,
                next_step="find out why server, network or tap were away; 'multicam-tap timeline' shows it",
            )

    def _look_at_journal(self) -> None:
        failing, waiting = self._writer.failing, self._writer.waiting
        if failing is not None and self._failing is None:
            what, _, hint = failing.partition(" → ")
            _log.error(
                "the journal cannot be written; entries wait in memory",
                why=what,
                waiting=waiting,
                next_step=hint or "see 'multicam-tap check'; the tap tries again every 5 s",
            )
        elif failing is None and self._failing is not None:
            _log.info("the journal can be written again")
        self._failing = failing
        self._found_amiss()
        self._set_aside()
        for path in self._journal.moved_aside[self._aside :]:
            self._aside += 1
            _log.error(
                "the journal was damaged: it was moved aside, and a new one was started",
                file=str(path),
                next_step=DAMAGED,
            )

    def _found_amiss(self) -> None:
        """What the journal found and got over."""
        for words, times in list(self._journal.amiss.items()):
            before, seldom = self._amiss.get(words) or (0, LogThrottle())
            self._amiss[words] = times, seldom
            if seldom.happened(times - before):
                _log.warning(words, file=str(self._journal.path), times=times, next_step=AMISS)

    def _set_aside(self) -> None:
        writer = self._writer
        before, self._unkept = self._unkept, writer.set_aside
        entries = self._unkept_told.happened(self._unkept - before)
        if entries:
            _log.error(
                "the journal cannot save some entries: they are in set-aside.jsonl, all others are saved",
                entries=entries,
                why=writer.why_aside,
                file=str(writer.set_aside_in),
                next_step="a bug of the tap: report it, with this line; and save the file",
            )
