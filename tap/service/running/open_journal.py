"""The journal, waited for: a disk that is full, read-only or in another tap's hands is no reason to end.

A service that ends is started again, and ends again: a loop that fills logs and looks like a crash. So the tap says
once what is wrong, keeps its supervisor content, and takes the journal as soon as it can be had. It does not listen
meanwhile, and the gap that it tells afterwards says so.
"""

from __future__ import annotations

from pathlib import Path

from tap.adapters.clock import monotonic
from tap.adapters.journal import Journal
from tap.core.backoff import Backoff
from tap.core.errors import JournalDamaged, JournalError, JournalForeign, JournalVersion
from tap.service.logs import get_logger
from tap.service.running.restart_delay import passed_unless_stopped, signals_waiting
from tap.service.running.systemd_notify import Notifier

__all__ = ["open_journal"]

_BACKOFF = Backoff(0.25, 2.0)

_log = get_logger(__name__)


def open_journal(path: Path, notifier: Notifier) -> Journal | None:
    """The journal, as its owner; None where a signal stopped the waiting. On the main thread, before any other.

    Raises ``JournalForeign`` and the like, which no waiting mends.
    """
    with signals_waiting():  # one that comes while it tries would end the process, and leave the count of starts behind
        return _waited_for(path, notifier)


def _waited_for(path: Path, notifier: Notifier) -> Journal | None:
    failures, told, since = 0, None, monotonic()
    while True:
        try:
            journal = _opened(path)
        except (JournalForeign, JournalVersion, JournalDamaged):
            raise
        except JournalError as error:
            if told is None:
                # What is not ready in time would be killed, and started again.
                notifier.ready()
            if error.what != told:
                told = error.what
                words = "cannot open the journal; recording is paused until it opens"
                _log.error(words, why=error.what, file=error.where, next_step=error.hint or "see 'multicam-tap check'")
                notifier.status(f"{words}: {error.what}")
        else:
            if not passed_unless_stopped(0):
                journal.close()
                return None
            if told is not None:
                _log.info("the journal is open; recording", waited_s=round(monotonic() - since, 1))
            return journal
        failures += 1
        if not passed_unless_stopped(_BACKOFF.wait(failures)):
            return None
        notifier.alive()


def _opened(path: Path) -> Journal:
    """The journal, with the tap's id in it: without one that lasts, a restart would be another tap."""
    journal = Journal.open(path, owner=True)
    try:
        journal.tap_id()
    except BaseException:
        journal.close()
        raise
    return journal
