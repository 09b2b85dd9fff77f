"""What a deployment answers, word for word as Convex does, and what the tap makes of it: in ``check``, in ``status``,
in the log, and in the table of docs/troubleshooting.md. Nothing is set aside but for an entry's own fault.

The words are those of Convex's source (2026-08); no real deployment was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tap.adapters.ledger import Ledger
from tap.core.deployment import DEPLOY, LOGS
from tap.service.config import load_settings
from tap.service.running.publishing.shipping import Pace
from tap.service.tools import check as checking
from tests.adapters.test_ledger import event
from tests.contract.stub import ABOUT, Fault, Stub, fails, says, stubbed, throws
from tests.service.running.publishing.test_publisher import KEY, SECRET, until, venue_at

PAGE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
PACE = Pace(first_delay=0.002, longest_delay=0.005, blocked_every=0.005, look_every=0.01, ask_older=0.01, worrying=0.0)
REDACTED = "[Request ID: 6d1c0a6ef3b8b4d2] Server Error"
BARE = fails(REDACTED)
NEW_KEY = (
    "make a key with 'multicam-tap key new', run the command that it prints for this deployment, and set TAP_INGEST_KEY"
)
WAITS = "nothing: the tap waits and tries again; if it lasts, the deployment needs a larger plan"
RESUME = "in the dashboard, Settings, resume the deployment; the tap then continues by itself"
OVER = "is over its plan, or over a limit that its owner set"
PLAN = "in the dashboard, Usage, see which limit is reached; raise the plan or the limit, or wait until it is reset"
THREE_STEPS = (
    f"1. {DEPLOY}, and check TAP_CONVEX_MODULE; 2. in the dashboard, Settings, resume it if it is paused;"
    " 3. in the dashboard, Usage, see whether the plan is used up"
)


class Case(NamedTuple):
    """One line of the table."""

    comes: str
    """What comes back, as the page says it."""
    answer: Fault
    """To everything but ``about``, and to that too where ``about`` is None."""
    words: str
    step: str
    state: str = "blocked"
    about: Fault | None = None
    key: bool = False
    """It is told of the key, not of the deployment."""


def dev(sentence: str) -> Fault:
    return fails(f"[Request ID: 6d1c0a6ef3b8b4d2] Server Error\n{sentence}")


def http(code: int, said: Mapping[str, str] | str) -> Fault:
    if isinstance(said, str):
        return lambda *_: web.Response(text=said, status=code)
    return lambda *_: web.json_response(said, status=code)


def refuses(code: str, reason: str) -> Fault:
    return throws({"code": code, "reason": reason})


TAKES = says({"status": "success", "value": ABOUT})
BUSY = "Too many concurrent requests, backoff and try again."
WRITES = "Too many writes per second. Reduce the rate of writes, or upgrade your deployment class."
CONFLICT = "Data read or written in this mutation changed while it was being run. Consider reducing the amount of data."
PAUSED = (
    "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow"
    " functions to run."
)
SUSPENDED = (
    "Cannot run functions while this deployment is suspended. Please contact Convex if you believe this is a mistake."
)
FREE = (
    "You have exceeded the free plan limits, so your deployments have been disabled. Please upgrade to a Pro plan or"
    " reach out to us at support@convex.dev for help."
)
SPENT = (
    "You have exceeded your spending limits, so your deployments have been disabled. Please increase your spending"
    " limit on the Convex dashboard or wait until limits reset."
)
LIMIT = (
    "This deployment has been disabled because it exceeded a configured usage limit. Update or disable the usage limit"
    " in the deployment settings to resume function execution."
)
MISSING = (
    "Could not find public function for 'production:ingest'. Did you forget to run `npx convex dev` or"
    " `npx convex deploy`?"
)

CASES = [
    Case(
        "`Server Error` to `about` and to an empty `ingest` (production)",
        BARE,
        "is not deployed, paused, or over its plan",
        THREE_STEPS,
    ),
    Case(
        "`Server Error` to an empty `ingest` alone (production)",
        BARE,
        "answers, but its function ingest fails or is not there",
        f"{DEPLOY}; if that does not help, {LOGS}",
        about=TAKES,
    ),
    Case(
        "`Could not find public function …` (dev)",
        dev(MISSING),
        "has no such function",
        f"{DEPLOY}; or check TAP_CONVEX_MODULE and TAP_CONVEX_URL",
    ),
    Case("`Cannot run functions while this deployment is paused …` (dev)", dev(PAUSED), "is paused", RESUME),
    Case(
        "`Cannot run functions while this deployment is suspended …` (dev)",
        dev(SUSPENDED),
        "is suspended by Convex",
        "write to Convex: support@convex.dev",
    ),
    Case("`You have exceeded the free plan limits …` (dev)", dev(FREE), OVER, PLAN),
    Case("`You have exceeded your spending limits …` (dev)", dev(SPENT), OVER, PLAN),
    Case("`This deployment has been disabled …` (dev)", dev(LIMIT), OVER, PLAN),
    Case("`key_missing`", refuses("key_missing", "None."), "wants a key, and none is set", NEW_KEY, key=True),
    Case("`key_wrong`", refuses("key_wrong", "None that may."), "does not know this key", NEW_KEY, key=True),
    Case(
        "`about` says that the key may not write",
        refuses("key_wrong", "None that may."),
        "knows this key, which may not write",
        NEW_KEY,
        about=says({"status": "success", "value": {**ABOUT, "may": ["read"]}}),
        key=True,
    ),
    Case(
        "`venue`, or `about` says that the key is for others",
        refuses("venue", "Another's."),
        "says that this key is for another venue",
        "check TAP_VENUE, or use the key of this venue",
        key=True,
    ),
    Case(
        "`owner_context`",
        refuses("owner_context", "The owner's context failed, so no row can be written. there is no crew called v"),
        "cannot write, since context() of the app failed",
        "correct what its message names, in the data or in context()",
        about=TAKES,
    ),
    Case(
        "429 `TooManyConcurrentRequests`",
        http(429, {"code": "TooManyConcurrentRequests", "message": BUSY}),
        "has more calls at a time than its class allows (HTTP 429, TooManyConcurrentRequests)",
        WAITS,
        "away",
    ),
    Case(
        "429 `TooManyWrites`",
        http(429, {"code": "TooManyWrites", "message": WRITES}),
        "writes more than its class allows (4 MiB/s) (HTTP 429, TooManyWrites)",
        WAITS,
        "away",
    ),
    Case(
        "503 `OptimisticConcurrencyControlFailure`",
        http(503, {"code": "OptimisticConcurrencyControlFailure", "message": CONFLICT}),
        "had a conflict: others wrote the same rows (HTTP 503, OptimisticConcurrencyControlFailure)",
        "nothing: the tap tries again",
        "away",
    ),
    Case(
        "503 with another code, such as `ExpiredInQueue`",
        http(503, {"code": "ExpiredInQueue", "message": "Too many concurrent requests in a short period of time."}),
        "cannot answer now (HTTP 503, ExpiredInQueue)",
        "check the network and TAP_CONVEX_URL; nothing is lost meanwhile",
        "away",
    ),
    Case(
        "401",
        http(401, {"code": "Unauthorized", "message": "Could not authenticate"}),
        "wants another login (HTTP 401)",
        "check TAP_CONVEX_URL",
    ),
    Case(
        "403",
        http(403, "<html>Forbidden</html>"),
        "denies access (HTTP 403)",
        "check TAP_CONVEX_URL, and any proxy on the way",
    ),
    Case(
        "404",
        http(404, ""),
        "has no deployment at this address, or no such function (HTTP 404)",
        f"check TAP_CONVEX_URL and TAP_CONVEX_MODULE; or {DEPLOY}",
    ),
    Case(
        "421",
        http(421, {"code": "InvalidHost", "message": "This server does not serve that deployment."}),
        "is not the server of this deployment (HTTP 421)",
        "check TAP_CONVEX_URL: the deployment's own address, not that of its dashboard or its .convex.site",
    ),
]
IDS = [case.comes for case in CASES]


def spoil(stub: Stub, case: Case) -> None:
    stub.about = case.answer if case.about is None else case.about
    stub.faults = ForEver(case.answer)


class ForEver(list[Any]):
    """One answer, again and again."""

    def __init__(self, answer: Fault) -> None:
        super().__init__([answer])

    def pop(self, _: object = 0) -> Any:
        return self[0]


def test_the_page_has_each_of_them_with_its_step() -> None:
    """On a difference, replace what is between the markers by what this test expects."""
    _, _, rest = PAGE.read_text("utf-8").partition("<!-- deployment-answers:begin -->\n")
    inside, marker, _ = rest.partition("<!-- deployment-answers:end -->")
    assert marker
    assert inside == table()


def table() -> str:
    lines = ["| what comes back | the tap says: the ledger … | what to do |", "| --- | --- | --- |"]
    lines += [f"| {case.comes} | {case.words} | {case.step} |" for case in CASES]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_check_says_which_it_is_and_what_to_do(case: Case) -> None:
    async def body() -> Any:
        async with stubbed() as (stub, url):
            spoil(stub, case)
            settings = {"TAP_CONVEX_URL": url, "TAP_INGEST_KEY": SECRET, "TAP_VENUE": "v"}
            return {finding.tried: finding async for finding in checking._ledger(load_settings(settings))}

    found = await body()
    assert SECRET not in repr(found)
    finding = found["key" if case.key else "convex"]
    assert finding.result == "failed"
    if not case.comes.startswith("`about` says"):  # that one reads, as this stub has it, and so it is told
        assert case.words in finding.found
    assert finding.to_do == case.step


@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_status_and_log_say_which_it_is_and_nothing_is_set_aside(case: Case, tmp_path: Path) -> None:
    """Found at the start, with entries that wait; and once it is over, they all arrive."""
    entries = [event(number) for number in range(30)]

    async def body() -> None:
        async with stubbed() as (stub, url):
            spoil(stub, case)
            async with venue_at(tmp_path, Ledger(url, KEY), *entries, pace=PACE) as venue:
                await until(lambda: venue.shipping.state == case.state and venue.shipping.failures > 5)
                assert case.words in str(venue.shipping.reason)
                assert venue.shipping.hint == case.step
                assert await venue.counts() == {"pending": 30, "shipped": 0, "dead": 0}
                assert venue.shipping.postponed == 0
                stub.faults, stub.about = [], TAKES
                assert await venue.settled() == {"pending": 0, "shipped": 30, "dead": 0}
                assert stub.keys == [entry.key for entry in entries]

    with capture_logs() as logs:
        await body()
    told = [log for log in logs if log["log_level"] in ("warning", "error")]
    # A bare error is told as one till it has come three times.
    assert {log["next_step"] for log in told} <= {case.step, LOGS}
    assert (told[-1]["next_step"], case.words in told[-1]["why"]) == (case.step, True)
    assert len(told) <= 2
    assert SECRET not in str(logs)


NOW_AND_THEN = [case for case in CASES if not case.key and (case.about is None or case.answer is not BARE)]


@pytest.mark.parametrize("case", NOW_AND_THEN, ids=lambda case: case.comes)
async def test_a_deployment_that_changes_in_the_middle_of_a_shoot_costs_no_entry(case: Case, tmp_path: Path) -> None:
    """Paused, throttled, moved: what is told meanwhile waits, none of it by itself, and all of it arrives in order."""

    async with stubbed() as (stub, url), venue_at(tmp_path, Ledger(url, KEY), event(0), pace=PACE) as venue:
        await venue.settled()
        spoil(stub, case)
        venue.submit(*[event(number) for number in range(1, 30)])
        await until(lambda: venue.shipping.state == case.state and venue.shipping.failures > 5)
        assert case.words in str(venue.shipping.reason)
        assert venue.shipping.hint == case.step
        assert (venue.shipping.postponed, (await venue.counts())["dead"]) == (0, 0)
        stub.faults, stub.about = [], TAKES
        assert await venue.settled() == {"pending": 0, "shipped": 30, "dead": 0}
        assert stub.keys == [event(number).key for number in range(30)]


@pytest.mark.parametrize(
    "sentence", ["Cannot run functions while this deployment is paused.", "Could not find public function", FREE]
)
async def test_an_entry_that_quotes_a_sentence_of_convexs_is_that_entry(sentence: str, tmp_path: Path) -> None:
    """A validator's failure quotes what it was sent: only how a failure begins tells of the deployment."""

    async with stubbed() as (stub, url):
        stub.poison = {event(1, session=sentence).key}
        entries = [event(0), event(1, session=sentence), event(2)]
        async with venue_at(tmp_path, Ledger(url, KEY), *entries, pace=PACE) as venue:
            await venue.settled(postponed=1)
            assert stub.keys == [event(0).key, event(2).key]
            assert venue.shipping.state in ("idle", "shipping")


async def test_a_body_that_convex_does_not_take_is_narrowed_down_to_its_entry(tmp_path: Path) -> None:
    """400 with a code: the others arrive, and the one waits by itself with that code as its reason."""
    bad = event(3).key.encode()

    def answer(stub: Stub, request: web.Request, body: bytes) -> Any:
        if b'"' + bad + b'"' not in body:
            return stub.answer(body)
        return web.json_response({"code": "BadJsonBody", "message": "Invalid JSON"}, status=400)

    async def body() -> None:
        async with stubbed() as (stub, url):
            stub.faults = ForEver(answer)
            async with venue_at(tmp_path, Ledger(url, KEY), *[event(one) for one in range(6)], pace=PACE) as venue:
                await venue.settled(postponed=1)
                assert stub.keys == [event(one).key for one in (0, 1, 2, 4, 5)]
                (waiting,) = await venue.postponed()
                assert "HTTP 400, BadJsonBody" in str(waiting.reason)

    await body()


async def test_what_an_owners_function_refuses_is_set_aside_with_its_own_words_and_field(tmp_path: Path) -> None:
    words = "A function of your app's ledger module failed, or gave a row that your table refuses: event() failed: x"

    async with stubbed() as (stub, url):
        stub.refused = {event(1).key: {"outcome": "rejected", "code": "owner", "reason": words, "field": "crewId"}}
        async with venue_at(tmp_path, Ledger(url, KEY), event(0), event(1), event(2), pace=PACE) as venue:
            assert await venue.settled() == {"pending": 0, "shipped": 2, "dead": 1}
            (dead,) = await venue.dead()
            assert dead.reason == f"owner: {words} (crewId)"
