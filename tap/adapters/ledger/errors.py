"""What goes wrong between here and a ledger, and what to do about it.

No error holds the text of an answer that nobody meant to be read (a bare server error, a page of some proxy): it may
quote what was sent, and with it the key.
"""

from __future__ import annotations

import socket
import ssl
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from tap.adapters.clock import utc_now
from tap.adapters.ledger.words import BLOCKING, of_status
from tap.core.errors import LedgerError, LedgerRejected, LedgerUnavailable

__all__ = [
    "REFUSES_ALL",
    "LedgerAway",
    "LedgerRefused",
    "Remedy",
    "by_status",
    "code_of",
    "garbage",
    "in_words",
    "is_clients",
    "refused",
    "remedy_for",
    "seconds_asked",
]


_MAY_PASS = ("server_error", "absent")
_TRIES = 3
"""How often a bare server error may come before the entries themselves are suspected."""
REFUSES_ALL = frozenset(code for code in BLOCKING if not code.startswith("http_"))
"""Codes of a ledger that refuses whatever is sent. (A status may be some proxy's, that minds a word of an entry.)"""


class LedgerAway(LedgerUnavailable):
    """No answer, or none that counts. What was sent may have been written all the same.

    ``retry_after``: seconds that the other side asked us to wait.
    """

    def __init__(
        self, code: str, what: str, *, where: str, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code
        self.retry_after = retry_after


class LedgerRefused(LedgerRejected):
    """A call was refused whole, and would be again; nothing of it was written."""

    def __init__(self, code: str, what: str, *, where: str, hint: str | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code


def refused(code: str, where: str) -> LedgerRefused:
    """The refusal of this code, in the words that belong to it."""
    words, step = BLOCKING[code]
    return LedgerRefused(code, words, where=where, hint=step)


def garbage(where: str) -> LedgerAway:
    """An answer that is nothing that Convex says: some proxy's, or half of one."""
    words = "does not answer as Convex does"
    return LedgerAway("garbage", words, where=where, hint="check TAP_CONVEX_URL, and the network")


class Remedy(Enum):
    """What to do after a call that failed."""

    RETRY = "retry"
    """The same again, backing off, for ever."""
    NARROW = "narrow"
    """Something in the batch: halve it."""
    QUARANTINE = "quarantine"
    """It is this one entry: the others go on without it, and it is tried again later."""
    BLOCKED = "blocked"
    """Somebody has to mend something that is no entry: say so, and try again now and then."""


def remedy_for(error: LedgerError, *, attempt: int = 1, entries: int = 2) -> Remedy:
    """What to do after a batch of this many ``entries`` failed, this being the ``attempt``-th time. Pure.

    A bare server error may be a deployment that restarts, or one entry on which a function fails: it is retried a
    few times before the entries are suspected. So may be what looks like no deployment at all.
    """
    code = getattr(error, "code", "")
    if isinstance(error, LedgerUnavailable) and not (code in _MAY_PASS and attempt >= _TRIES):
        return Remedy.RETRY
    if code in BLOCKING or code.startswith("http_"):
        return Remedy.BLOCKED
    return Remedy.NARROW if entries > 1 else Remedy.QUARANTINE


def code_of(error: LedgerError) -> str:
    """Its code for programs; empty where it has none."""
    return str(getattr(error, "code", ""))


def by_status(status: int, code: str, retry_after: str | None, where: str) -> LedgerError:
    """The error for an HTTP status, with the ``code`` in its body ("" for none) and the ``Retry-After`` header."""
    if status in (408, 425, 429) or status >= 500 or status < 400:
        words, step = of_status(status, code)
        wait = seconds_asked(retry_after, utc_now())
        return LedgerAway(f"http_{status}", words, where=where, hint=step, retry_after=wait)
    if status in (400, 413):
        words, step = of_status(status, code)
        return LedgerRefused("too_large" if status == 413 else "bad_call", words, where=where, hint=step)
    words, step = BLOCKING.get(f"http_{status}") or (f"is not Convex (HTTP {status})", "check TAP_CONVEX_URL")
    return LedgerRefused(f"http_{status}", words, where=where, hint=step)


def seconds_asked(retry_after: str | None, now: datetime) -> float | None:
    """What ``Retry-After`` asks for: seconds, or a date. None where it says nothing that can be read."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after).astimezone(UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def is_clients(error: Exception) -> bool:
    aiohttp = sys.modules.get("aiohttp")
    return aiohttp is not None and isinstance(error, aiohttp.ClientError)


def in_words(error: Exception) -> str:
    """What happened to a connection. The client's own words hold addresses, and are not for people."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    for kinds, words in _CAUSES:
        if isinstance(cause, kinds):
            return words
    name = type(cause).__name__
    if "Payload" in name or "Incomplete" in name:
        return "sent only half an answer"
    return "broke the connection" if "Disconnected" in name else f"cannot be reached ({name})"


_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "refuses the connection: nothing listens there"),
    (socket.gaierror, "has a name that cannot be resolved: is the network up?"),
    (ssl.SSLCertVerificationError, "has a certificate that this machine does not trust"),
    (ssl.SSLError, "does not speak TLS in a way that works here"),
    (ConnectionResetError, "broke the connection"),
    (BrokenPipeError, "broke the connection"),
)
