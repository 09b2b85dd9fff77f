"""What an error of a connection means: when to try again, and what to tell people. Pure, and never gives up."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.http11 import Response

from tap.adapters.server.line import UnreadError
from tap.core.errors import ServerError
from tap.core.redact import redact_text

__all__ = ["Disposition", "Retry", "SilentError", "disposition", "is_too_big"]

_WORDS = 300
"""Characters of the longest reason: a server may put a page of its own into one."""


class Retry(Enum):
    """When to try again after a connection ended or none came about."""

    SOON = "soon"
    """The waits grow from attempt to attempt. They start again after a connection lasted ``Timing.steady_after``."""
    BACKED_OFF = "backed off"
    """The waits grow, even if the connection lasted: its cause may come again at once."""
    SLOWLY = "slowly"
    """The longest wait: somebody has to correct something first."""


class Disposition(NamedTuple):
    """What follows from an error: when to try again, and what to tell people."""

    retry: Retry
    words: str


class SilentError(Exception):
    """A ping was not answered in time, nor did a whole frame come instead."""


_CLOSE_CODES = {
    1000: "the server said goodbye",
    1001: "the server goes away",
    1002: "the server complains about the protocol",
    1003: "the server does not accept this kind of client",
    1007: "the server complains about text that is not UTF-8",
    1008: "the server refuses this client",
    1009: "the server complains about a large frame",
    1011: "the server failed inside",
    1012: "the server restarts",
    1013: "the server is busy, try later",
    1014: "a gateway on the way failed",
}
_FOR_GOOD = (1003, 1008, 3000, 3003)
"""Close codes by which a server refuses a client, rather than losing it."""
_STATUS = {
    401: "wants a token, or another one: see TAP_SERVER_TOKEN",
    403: "refuses this client: see TAP_SERVER_TOKEN",
    404: "does not know this path: see TAP_SERVER_URL",
    407: "is a proxy that wants a password (see TAP_SERVER_URL)",
    426: "wants another protocol than WebSocket: see TAP_SERVER_URL",
    429: "has had too many requests",
    502: "is a gateway whose server is away",
    503: "is away for now",
    504: "is a gateway whose server does not answer",
}


def disposition(error: BaseException) -> Disposition:
    """What an error of the connection, or of the attempt to make one, means. Pure; never says to give up."""
    judge = next(judge for kind, judge in _JUDGES if isinstance(error, kind))
    retry, words = judge(error)
    return Disposition(retry, redact_text(words, sparing=True)[:_WORDS])


def _closed(error: ConnectionClosed) -> tuple[Retry, str]:
    if error.rcvd is not None and (error.sent is None or error.rcvd_then_sent):
        code, reason = error.rcvd.code, redact_text(error.rcvd.reason)
        words = _CLOSE_CODES.get(code, "the server closed the connection")
        retry = Retry.SLOWLY if code in _FOR_GOOD else Retry.SOON
        return retry, f"{words} ({code}{': ' if reason else ''}{reason})"
    if error.sent is not None and is_too_big(error):
        return Retry.BACKED_OFF, f"the server sent a frame above the size limit: {error.sent.reason}"
    if error.sent is not None:
        return (
            Retry.BACKED_OFF,
            f"the server does not speak the WebSocket protocol ({error.sent.code}: {error.sent.reason})",
        )
    return Retry.SOON, "the connection broke without a goodbye"


def _refused(response: Response) -> tuple[Retry, str]:
    status = response.status_code
    known = _STATUS.get(status)
    if known is None and "html" in response.headers.get("Content-Type", ""):
        known = "answers with a web page, not with a WebSocket: see TAP_SERVER_URL"
    words = known or redact_text(response.reason_phrase) or "does not accept a WebSocket"
    # What a gateway says while its server starts is soon over; what is wrong with address or token is not.
    return Retry.SOON if status >= 500 else Retry.SLOWLY, f"the server {words} (HTTP {status})"


def _no_answer(error: InvalidMessage) -> tuple[Retry, str]:
    if isinstance(error.__cause__, EOFError):
        return Retry.SOON, "the connection ended before the server answered"
    return Retry.SLOWLY, "what listens there does not speak HTTP: see TAP_SERVER_URL"


_JUDGES: tuple[tuple[type[BaseException], Callable[[Any], tuple[Retry, str]]], ...] = (
    # The first that fits, so what is special is before what is general.
    (SilentError, lambda error: (Retry.SOON, str(error))),
    (UnreadError, lambda error: (Retry.BACKED_OFF, str(error))),
    (ConnectionClosed, _closed),
    (InvalidStatus, lambda error: _refused(error.response)),
    (InvalidMessage, _no_answer),
    (
        InvalidHandshake,
        lambda error: (Retry.SLOWLY, f"what listens there is not a WebSocket server: {redact_text(str(error))}"),
    ),
    (InvalidURI, lambda error: (Retry.SLOWLY, f"there is no route to the server's address: {error}")),
    (ServerError, lambda error: (Retry.SLOWLY, error.what)),
    (TimeoutError, lambda _: (Retry.SOON, "the server does not answer")),
    (ssl.SSLError, lambda error: (Retry.SLOWLY, f"no secure connection: {error.strerror or error}")),
    (ConnectionRefusedError, lambda _: (Retry.SOON, "nothing listens there (connection refused)")),
    (socket.gaierror, lambda error: (Retry.SOON, f"the server's name cannot be resolved: {error.strerror}")),
    # websockets says so of a server that hangs up in the midst of its own first words.
    (AssertionError, lambda _: (Retry.SOON, "the connection ended before the server answered")),
    (BaseException, lambda error: (Retry.SOON, f"cannot connect: {error}")),
)


def is_too_big(error: BaseException) -> bool:
    """Whether we ended the connection for a frame beyond the limit."""
    return (
        isinstance(error, ConnectionClosed) and error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG
    )
