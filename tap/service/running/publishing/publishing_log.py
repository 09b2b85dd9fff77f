"""The log lines of publishing: each change once, repetitions as sums, and a ledger that comes and goes rarely."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tap.adapters.clock import monotonic
from tap.adapters.journal import Kept
from tap.core.deployment import DEPLOY, LOGS
from tap.service.log_throttle import LogThrottle
from tap.service.logs import get_logger
from tap.service.running.publishing.shipping import PublishingState, Shipping

__all__ = ["PublishingLog", "slip_words"]

_log = get_logger(__name__)


def slip_words(error: Exception) -> str:
    """Where a bug of the tap is. Not the error's own words: they may quote what was sent, and with it the key."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"a bug of the tap: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


class _LogAllowance:
    """How many lines of the log a ledger that comes and goes is worth: some at once, then two a minute."""

    _MOST, _EVERY_S = 4, 30.0

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._left = float(self._MOST)
        self._now = now
        self._at = now()

    def take(self) -> bool:
        now = self._now()
        self._left = min(self._left + (now - self._at) / self._EVERY_S, self._MOST)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class PublishingLog:
    """Tells the log how publishing to the ledger at ``ledger`` goes; ``now`` gives wall ms.

    ``shipping`` is the publisher's own, and only read here.
    """

    def __init__(self, ledger: str, shipping: Shipping, now: Callable[[], int]) -> None:
        self._ledger = ledger
        self._shipping = shipping
        self._now = now
        self._lines = _LogAllowance()
        self._told: tuple[str, str | None] = ("idle", None)
        """The state that was logged last, and why."""
        self._told_since = shipping.since
        self._worried = False
        """Whether a warning said that the ledger is away."""
        self._postponed = LogThrottle()
        self._refused = LogThrottle()

    def first_answer(self) -> None:
        """The ledger has answered for the first time since the start."""
        _log.info("the ledger accepts entries", ledger=self._ledger, waiting=self._shipping.waiting)

    def state_changed(self) -> None:
        """A new state has begun: a ledger that stays away is worth another warning."""
        self._worried = False

    def stands(self, state: PublishingState, reason: str | None, hint: str | None, *, failures: int) -> None:
        """Log a state that was not logged yet. A ledger that comes and goes is logged only now and then."""
        before = self._told[0]
        well = state not in ("away", "blocked")
        # Why it is away may change from attempt to attempt; why it is blocked is for somebody to mend.
        news = ("idle" if well else state, reason if state == "blocked" else None)
        if news == self._told or not self._lines.take():
            return
        if well:
            event = "the ledger is back" if before == "away" else "publishing continues"
            away = self._now() - self._told_since
            _log.info(event, ledger=self._ledger, away_ms=away, failures=failures, waiting=self._shipping.waiting)
        elif state == "away":
            # Most such times end by themselves: see still_away.
            _log.info("the ledger is away; entries are saved in the journal", ledger=self._ledger, why=reason)
        else:
            _log.error(
                "publishing is blocked; entries are saved in the journal",
                ledger=self._ledger,
                why=reason,
                next_step=hint,
            )
        if news[0] != before:
            self._told_since = self._now()
        self._told = news

    def still_away(self, worrying: float) -> None:
        """A ledger that stays away for ``worrying`` seconds is for somebody to look at; once each time."""
        away = self._now() - self._shipping.since
        if not self._worried and away >= worrying * 1000:
            self._worried = True
            _log.warning(
                "the ledger is still away; entries are saved in the journal",
                ledger=self._ledger,
                why=self._shipping.reason,
                away_ms=away,
                next_step=self._shipping.hint,
            )

    def key_changed(self) -> None:
        """The key's file has another key."""
        _log.info("the ingest key in its file has changed: the new one is used", ledger=self._ledger)

    def older(self, *, was_older: bool, is_older: bool, waited: int) -> None:
        """The deployment's functions turned out to be older than this tap, or newer than they were."""
        if is_older and not was_older:
            _log.warning(
                "the deployment's functions are older than this tap: it sends what they know, the rest stays pending",
                ledger=self._ledger,
                next_step=DEPLOY,
            )
        elif was_older and not is_older:
            _log.info("the deployment has newer functions: the tap now sends what waited for them", entries=waited)

    def postponed(self, new: Sequence[Kept], why: str) -> None:
        """These entries failed by themselves, for the first time."""
        told = self._postponed.happened(len(new))
        if told:
            _log.warning(
                "the ledger fails on some entries and accepts others: the tap tries the failed ones again",
                entries=told,
                first=new[0].entry.key if new else None,
                why=why,
                next_step=f"{LOGS}; nothing else waits for them",
            )

    def rejected(self, entries: Sequence[tuple[Kept, str]]) -> None:
        """These entries were rejected for good, each with the ledger's words."""
        told = self._refused.happened(len(entries))
        if told and entries:
            kept, reason = entries[0]
            _log.warning(
                "entries were rejected",
                entries=told,
                first=kept.entry.key,
                why=reason,
                next_step="see 'multicam-tap journal ls --dead'; once the cause is fixed, 'multicam-tap journal retry'",
            )

    def forgotten(self, session: str) -> None:
        """The ledger has forgotten a session."""
        _log.warning(
            "the ledger has forgotten this session: the journal deletes it too",
            session=session,
            next_step="'multicam-tap forget KEY' on this machine deletes it from the tapes too",
        )
