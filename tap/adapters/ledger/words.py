"""What a deployment says, in our words, and the step to take.

On production Convex says little: whatever a function throws, but a ``ConvexError``, is "Server Error" there, and so are
a function that is missing and a deployment that is paused. What it does say (a status with a code, a fixed sentence,
our own refusals) is here, so that a person reads which of them it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from tap.core.deployment import DEPLOY, LOGS

__all__ = ["BARE", "BLOCKING", "NET", "Said", "of_status", "sentence_of"]


class Said(NamedTuple):
    """What is said of the ledger, and the step to take."""

    words: str
    step: str


NET = "check the network and TAP_CONVEX_URL; nothing is lost meanwhile"
_NEW_KEY = (
    "make a key with 'multicam-tap key new', run the command that it prints for this deployment, and set TAP_INGEST_KEY"
)
_WAITS = "nothing: the tap waits and tries again; if it lasts, the deployment needs a larger plan"
_RESUME = "in the dashboard, Settings, resume the deployment; the tap then continues by itself"
_PLAN = "in the dashboard, Usage, see which limit is reached; raise the plan or the limit, or wait until it is reset"

BARE = ("server_error", "no_function", "http_404")
"""How a function that is not there may answer: the first on production, the second on dev."""

BLOCKING: Mapping[str, Said] = {
    "key_missing": Said("wants a key, and none is set", _NEW_KEY),
    "key_wrong": Said("does not know this key", _NEW_KEY),
    "key_rights": Said("knows this key, which may not write", _NEW_KEY),
    "venue": Said("says that this key is for another venue", "check TAP_VENUE, or use the key of this venue"),
    "key": Said("rejects this session's key", "check TAP_VENUE"),
    "absent": Said(
        "is not deployed, paused, or over its plan",
        f"1. {DEPLOY}, and check TAP_CONVEX_MODULE; 2. in the dashboard, Settings, resume it if it is paused;"
        " 3. in the dashboard, Usage, see whether the plan is used up",
    ),
    "half_deployed": Said(
        "answers, but its function ingest fails or is not there", f"{DEPLOY}; if that does not help, {LOGS}"
    ),
    "no_function": Said("has no such function", f"{DEPLOY}; or check TAP_CONVEX_MODULE and TAP_CONVEX_URL"),
    "paused": Said("is paused", _RESUME),
    "suspended": Said("is suspended by Convex", "write to Convex: support@convex.dev"),
    "over_plan": Said("is over its plan, or over a limit that its owner set", _PLAN),
    "owner_context": Said(
        "cannot write, since context() of the app failed", "correct what its message names, in the data or in context()"
    ),
    "failing": Said("fails on every entry", LOGS),
    "http_401": Said("wants another login (HTTP 401)", "check TAP_CONVEX_URL"),
    "http_403": Said("denies access (HTTP 403)", "check TAP_CONVEX_URL, and any proxy on the way"),
    "http_404": Said(
        "has no deployment at this address, or no such function (HTTP 404)",
        f"check TAP_CONVEX_URL and TAP_CONVEX_MODULE; or {DEPLOY}",
    ),
    "http_421": Said(
        "is not the server of this deployment (HTTP 421)",
        "check TAP_CONVEX_URL: the deployment's own address, not that of its dashboard or its .convex.site",
    ),
}
"""Codes for which no entry can be blamed: what is said of the ledger, and the step to take."""

_CODES: Mapping[str, Said] = {
    "TooManyConcurrentRequests": Said("has more calls at a time than its class allows", _WAITS),
    "TooManyWrites": Said("writes more than its class allows (4 MiB/s)", _WAITS),
    "OptimisticConcurrencyControlFailure": Said(
        "had a conflict: others wrote the same rows", "nothing: the tap tries again"
    ),
}
"""What Convex's own codes mean; all others are shown as they are."""

_PREFIX = r"(?:\[[^\]\n]{1,200}\]\s*)*(?:Server Error\s*)?(?:Uncaught (?:Error|ConvexError): )?"
_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(_PREFIX + sentence), code)
    for sentence, code in (
        ("Could not find public function", "no_function"),
        ("Cannot run functions while this deployment is paused", "paused"),
        ("Cannot run functions while this deployment is suspended", "suspended"),
        ("You have exceeded the free plan limits", "over_plan"),
        ("You have exceeded your spending limits", "over_plan"),
        ("This deployment has been disabled", "over_plan"),
    )
)
"""How a failure begins on dev. Only the beginning counts: further on it may quote what was sent."""


def sentence_of(message: str) -> str | None:
    """The code of one of Convex's fixed sentences."""
    return next((code for sentence, code in _SENTENCES if sentence.match(message)), None)


def of_status(status: int, code: str) -> Said:
    """A status that may pass, or that may be about what was sent, with the ``code`` in its body ("" for none)."""
    known = _CODES.get(code)
    named = f"HTTP {status}, {code}" if code else f"HTTP {status}"
    if known is not None:
        return Said(f"{known.words} ({named})", known.step)
    if status == 429:
        return Said(f"gets too many requests ({named})", _WAITS)
    if status in (400, 413):
        return Said(f"refused it ({named})", "see 'multicam-tap journal ls --pending'; only this entry waits")
    return Said(f"{'redirects to another address' if 300 <= status < 400 else 'cannot answer now'} ({named})", NET)
