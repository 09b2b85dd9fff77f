"""The client of the ledger: it ends by its deadline, says what is wrong, and never says the key."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import aiohttp
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from tap.adapters.ledger import (
    MAX_BYTES,
    MAX_ENTRIES,
    Answer,
    Ledger,
    LedgerAway,
    LedgerRefused,
    Remedy,
    remedy_for,
    values,
)
from tap.adapters.ledger.errors import by_status, code_of, in_words, seconds_asked
from tap.adapters.ledger.values import decode, pack
from tap.core.errors import LedgerError
from tap.core.model import Entry
from tap.history.timeline import timeline_of
from tests.contract.local import ADMIN, Local, local_ledger
from tests.contract.stub import Fault, fails, half, hang, lost, page, says, status, stubbed, throws

NOW = 1_795_379_975_000
SECRET = "the-key-that-nobody-may-see"
KEY = SecretStr(SECRET)


def event(number: int, *, session: str = "v/1", **fields: Any) -> Entry:
    said = {"kind": "hold", "at": NOW + number, "observedAt": NOW + number, "cameraId": "1"} | fields
    return Entry(f"{session}/hold/{number:06}", "event", session, NOW + number, said)


def session(key: str, **fields: Any) -> Entry:
    source = {"dialect": "multicam/1", "mappingDigest": "d"}
    said = {"sessionType": "photoshoot_performance", "status": "live", "startedAt": NOW, "source": source} | fields
    return Entry(key, "session", key, NOW, said)


# ---------------------------------------------------------------------------------------------- what to do about it

RETRY, NARROW, QUARANTINE, BLOCKED = Remedy.RETRY, Remedy.NARROW, Remedy.QUARANTINE, Remedy.BLOCKED
AT = "https://a.convex.cloud"


def away(code: str) -> LedgerAway:
    return LedgerAway(code, "…", where=AT)


def refused(code: str) -> LedgerRefused:
    return LedgerRefused(code, "…", where=AT)


@pytest.mark.parametrize(
    ("error", "attempt", "entries", "expected"),
    [
        *[(away(code), 1, 300, RETRY) for code in ("unreachable", "timeout", "garbage", "http_503", "server_error")],
        *[(away(code), 1_000, 1, RETRY) for code in ("unreachable", "timeout", "garbage", "http_429")],
        (away("server_error"), 2, 1, RETRY),
        (away("server_error"), 3, 300, NARROW),
        (away("server_error"), 3, 2, NARROW),
        (away("server_error"), 3, 1, QUARANTINE),
        *[(refused(code), 1, 300, NARROW) for code in ("too_many", "shape", "too_large", "bad_call", "thrown")],
        *[(refused(code), 1, 1, QUARANTINE) for code in ("too_many", "shape", "too_large", "bad_call", "thrown")],
        *[(refused(code), 1, 300, BLOCKED) for code in ("key_missing", "key_wrong", "venue", "no_function", "failing")],
        *[(refused(code), 1_000, 1, BLOCKED) for code in ("http_401", "http_403", "http_404", "http_405", "key_wrong")],
        (LedgerError("of a kind that nobody knows"), 1, 300, NARROW),
    ],
)
def test_one_table_decides(error: LedgerError, attempt: int, entries: int, expected: Remedy) -> None:
    """What is retried, narrowed down, set aside, and told to people, stands in one place."""
    assert remedy_for(error, attempt=attempt, entries=entries) is expected


@pytest.mark.parametrize(
    ("code", "expected", "kind"),
    [(code, RETRY, LedgerAway) for code in (204, 302, 307, 408, 425, 429, 500, 502, 503, 504, 599)]
    + [(code, NARROW, LedgerRefused) for code in (400, 413)]
    + [(code, BLOCKED, LedgerRefused) for code in (401, 402, 403, 404, 405, 410, 421, 451)],
)
def test_every_status_has_a_meaning(code: int, expected: Remedy, kind: type[LedgerError]) -> None:
    """A status is a loss for now, a matter of the batch, or something to mend."""
    error = by_status(code, "", None, AT)
    assert type(error) is kind
    assert remedy_for(error) is expected
    assert str(code) in str(error)


def test_a_batch_that_is_too_large_is_told_apart_from_one_that_is_wrong() -> None:
    assert [code_of(by_status(status, "", None, AT)) for status in (400, 413)] == ["bad_call", "too_large"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(asked: str | None, seconds: float | None) -> None:
    """Seconds or a date; what says neither says nothing."""
    assert seconds_asked(asked, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(), "refuses the connection"),
        (socket.gaierror(-2, "Name or service not known"), "name that cannot be resolved"),
        (ssl.SSLCertVerificationError("certificate has expired"), "certificate"),
        (ssl.SSLError("wrong version"), "TLS"),
        (ConnectionResetError(), "broke the connection"),
        (aiohttp.ServerDisconnectedError(), "broke the connection"),
        (aiohttp.ClientPayloadError(f"quotes {SECRET}"), "half an answer"),
        (OSError(f"quotes {SECRET}"), "cannot be reached (OSError)"),
    ],
)
def test_a_connection_that_fails_is_told_in_words(error: Exception, words: str) -> None:
    """In our own words: those of libraries may hold anything."""
    said = in_words(error)
    assert words in said
    assert SECRET not in said


# ---------------------------------------------------------------------------------------------- over a real socket

BARE = f"[Request ID: 00c0ffee] Server Error: Object contains extra field in {{accessKey: '{SECRET}'}}"
LIAR = {"code": f"x-{SECRET}", "reason": f"The key {SECRET} is wrong."}


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        (status(503), "http_503", RETRY),
        (status(429, **{"Retry-After": "7"}), "http_429", RETRY),
        (status(307, Location="https://elsewhere.example"), "http_307", RETRY),
        (status(404), "http_404", BLOCKED),
        (page(), "garbage", RETRY),
        (page(""), "garbage", RETRY),
        (page("[" * 100_000), "garbage", RETRY),
        (says([]), "garbage", RETRY),
        (says({"status": "success"}), "garbage", RETRY),
        (says({"status": "success", "value": None}), "garbage", RETRY),
        (says({"status": "success", "value": []}), "garbage", RETRY),
        (says({"status": "success", "value": [{"key": "v/1/other", "outcome": "applied"}]}), "garbage", RETRY),
        (says({"status": "success", "value": [{"key": event(0).key, "outcome": "done"}]}), "garbage", RETRY),
        (says({"status": "success", "value": [{"$float": "no"}]}), "garbage", RETRY),
        (lost, "unreachable", RETRY),
        (half, "unreachable", RETRY),
        (hang, "timeout", RETRY),
        (fails(BARE), "server_error", RETRY),
        (fails("Could not find public function for 'production:ingest'."), "no_function", BLOCKED),
        (
            throws({"code": "key_wrong", "reason": "The access key is none that may do this here."}),
            "key_wrong",
            BLOCKED,
        ),
        (throws({"code": "key_missing", "reason": "No access key was given."}), "key_missing", BLOCKED),
        (throws({"code": "venue", "reason": "The access key belongs to another venue."}), "venue", BLOCKED),
        (throws({"code": "too_many", "reason": "One call takes at most 500 entries."}), "too_many", NARROW),
        (throws({"code": "shape", "reason": "The entries are no list."}), "shape", NARROW),
        (throws(LIAR), "x-[key]", NARROW),
        (throws("a text of some app's own"), "thrown", NARROW),
    ],
)
async def test_whatever_is_answered_gets_a_code_and_never_shows_the_key(
    fault: Fault, code: str, expected: Remedy
) -> None:
    """No answer raises anything but our own errors, and no text that may quote the key is kept."""

    async with stubbed() as (stub, url), Ledger(url, KEY, deadline=0.5 if fault is hang else 300.0) as ledger:
        stub.faults.append(fault)
        with pytest.raises(LedgerError) as caught:
            await ledger.ingest([event(0)])
        error: Any = caught.value
        assert error.code == code
        assert remedy_for(error) is expected
        assert url in str(error)
        assert SECRET not in f"{error} {error!r} {vars(error)}"
        assert error.__cause__ is None
        assert "accessKey" not in f"{error} {error!r}"
        # And the next call is as if nothing had been.
        ledger._connection.seconds = 300.0
        assert [answer.key for answer in await ledger.ingest([event(0)])] == [event(0).key]


async def test_a_wait_that_was_asked_for_is_told() -> None:
    """Retry-After comes with the error; it is for the publisher to honour, within reason."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults += [status(429, **{"Retry-After": "7"}), status(503)]
        waits = []
        for _ in range(2):
            with pytest.raises(LedgerAway) as caught:
                await ledger.ingest([event(0)])
            waits.append(caught.value.retry_after)
        assert waits == [7.0, None]


async def test_a_function_that_threw_may_come_with_a_status_of_its_own() -> None:
    """Convex's 560 has the same body as its 200."""
    said = '{"status":"error","errorMessage":"Server Error","errorData":{"code":"key_wrong","reason":"No."}}'

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.faults.append(lambda *_: aiohttp.web.Response(text=said, status=560))
        with pytest.raises(LedgerRefused, match="does not know this key"):
            await ledger.ingest([event(0)])


async def test_bare_integers_do_no_harm() -> None:
    """Convex writes 302.0, and its own codec refuses 302; ours is no reason to stand still."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        stub.refused[event(0).key] = {"outcome": "stale", "version": NOW + 5}
        assert await ledger.ingest([event(0)]) == [Answer(event(0).key, "stale", version=NOW + 5)]


async def test_connections_are_kept_and_cancelling_ends_a_call() -> None:
    """Ten calls, one connection; a call that is cancelled ends at once, and the next one works."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        for number in range(10):
            await ledger.ingest([event(number)])
        assert len(stub.connections) == 1
        called, answered = asyncio.Event(), list[str]()

        async def hangs(*_: Any) -> None:
            called.set()
            await asyncio.sleep(300)
            answered.append("after all")

        stub.faults.append(hangs)
        task = asyncio.create_task(ledger.ingest([event(11)]))
        await called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not answered
        await ledger.ingest([event(11)])


async def test_only_what_takes_long_to_pack_goes_to_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few small entries are packed at once: to wake a thread for them would take longer."""
    threads: list[str] = []

    async def run_sync(function: Any, *args: Any) -> Any:
        threads.append(getattr(function, "__name__", "pack"))
        return function(*args)

    big = [event(2, detail={"notes": "x" * 10_000})]
    async with stubbed() as (_, url), Ledger(url, KEY) as ledger:
        await ledger.ingest([])
        monkeypatch.setattr("tap.adapters.ledger.client.to_thread.run_sync", run_sync)
        for entries, away in (([event(1)], 0), ([event(n) for n in range(8)], 0), (big, 1), ([event(1)] * 9, 1)):
            threads.clear()
            await ledger.ingest(entries)
            assert len(threads) == away, entries


async def test_nobody_there_is_told_at_once() -> None:
    """A port that nobody listens on, and a ledger that was closed: it opens again."""

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Ledger(f"http://127.0.0.1:{taken.getsockname()[1]}", KEY) as ledger:
            for _ in range(2):
                with pytest.raises(LedgerAway, match="nothing listens there"):
                    await ledger.ingest([])
                await ledger.close()


def test_a_name_that_is_never_found_holds_nobody_up() -> None:
    """The look-up may hang for as long as it likes: call and process end in time all the same."""
    code = (
        "import asyncio, socket, time\n"
        "from tap.adapters.ledger import Ledger\n"
        "socket.getaddrinfo = lambda *_, **__: (time.sleep(20), print('found after all'))\n"
        "async def main():\n"
        "    async with Ledger('https://nobody.example', None, deadline=0.3) as ledger:\n"
        "        print((await ledger.ping()).code)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines() == ["timeout"]


def test_a_venue_without_convex_never_loads_it() -> None:
    """Importing the adapter imports neither library; using them leaves stdout to those it belongs to."""
    code = (
        "import sys, tap.adapters.ledger.connection as ledger\n"
        "assert not {'convex', '_convex', 'aiohttp'} & set(sys.modules)\n"
        "import _convex\n"
        "_convex.init_logging = lambda: print('a logger that writes to stdout')\n"
        "ledger._vendors()\n"
        "assert {'convex', 'aiohttp'} <= set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == ""


# ---------------------------------------------------------------------------------------------- where a key may go


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.convex.cloud/", "https://a.convex.cloud"),
        ("http://127.0.0.1:3210", "http://127.0.0.1:3210"),
        ("http://localhost:3210/path", "http://localhost:3210"),
        ("http://[::1]:3210", "http://[::1]:3210"),
    ],
)
def test_a_key_goes_over_tls_or_nowhere_but_here(url: str, shown: str) -> None:
    """Loopback needs no TLS; what is shown is the host alone."""
    ledger = Ledger(url, KEY)
    assert ledger.shown == shown
    assert repr(ledger) == f"Ledger({shown!r})"


@pytest.mark.parametrize(
    "url",
    [
        "http://convex.example",
        "http://127.0.0.1.example",
        "ftp://127.0.0.1",
        "127.0.0.1:3210",
        "https://",
        "https://user:hunter2@a.convex.cloud",
        "https://a.convex.cloud?token=hunter2",
        "https://a.convex.cloud#hunter2",
        "https://user:hunter2@a:port",
        "",
    ],
)
def test_other_addresses_are_refused_without_being_quoted(url: str) -> None:
    """An address may have a password in it."""
    with pytest.raises(LedgerError) as caught:
        Ledger(url, KEY)
    assert "hunter2" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- what a call holds


async def test_a_call_is_bounded_in_entries_and_bytes() -> None:
    """The first of the entries, as many as one call may hold; the rest is for the next call."""

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        assert len(await ledger.ingest([event(number) for number in range(1_000)])) == MAX_ENTRIES
        big = [event(number, detail={"notes": "x" * 100_000}) for number in range(10)]
        assert len(await ledger.ingest(big)) == 6
        assert stub.largest < MAX_BYTES + 1_000
        assert stub.sizes == [MAX_ENTRIES, 6]


async def test_what_convex_cannot_carry_is_answered_here_in_its_place() -> None:
    """One such entry costs neither those beside it nor a call when it is alone."""
    bad = [
        event(1, detail={"größe": 1}),
        event(2, detail={"count": 2**60}),
        event(3, cameraName="\ud83d"),
        event(4, detail={"notes": "x" * 2_000_000}),
        event(5, detail={"big": 2**70}),
    ]

    async with stubbed() as (stub, url), Ledger(url, KEY) as ledger:
        answers = await ledger.ingest([event(0), *bad, event(6)])
        assert [answer.outcome for answer in answers] == ["applied", *["rejected"] * 5, "applied"]
        assert [answer.key for answer in answers[1:6]] == [entry.key for entry in bad]
        assert [answer.code for answer in answers[1:6]] == ["encoding"] * 3 + ["size", "encoding"]
        assert "größe" in answers[1].words
        assert stub.keys == [event(0).key, event(6).key]
        calls = stub.calls
        assert [answer.outcome for answer in await ledger.ingest(bad)] == ["rejected"] * 5
        assert stub.calls == calls


JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


NAMES = st.text(max_size=3) | st.sampled_from(["a", "$a", "x" * 1_025, "\x7f", "\n"])


@given(st.dictionaries(NAMES, JSONS, max_size=3))
@example({"a": 1, "b": [1.5, -0.0, 0, -1, True, None, "x-0", {"c": {}}]})
@example({"count": 2**53})
@example({"count": -(2**60)})
@example({"count": 1e300, "small": 1e-7})
def test_an_entry_that_needs_no_codec_is_packed_as_the_codec_would(detail: dict[str, Any]) -> None:
    """Most entries hold nothing that Convex writes otherwise than JSON: they are sent as they are."""
    entry = event(1, detail=detail)
    with patch.object(values, "_PLAIN", 0):
        plainly = pack("tap:ingest", [entry], None)
    packed = pack("tap:ingest", [entry], None)
    assert packed.refused == plainly.refused
    assert json.loads(packed.body) == json.loads(plainly.body)


@given(JSONS)
@example({"count": {"$integer": "AQAAAAAAAAA="}})
def test_an_answer_that_needs_no_codec_is_read_as_the_codec_would(value: Any) -> None:
    """What Convex writes otherwise than JSON stands under names that begin with a dollar."""
    data = orjson.dumps({"status": "success", "value": value, "logLines": []})
    try:
        plainly = values.convex().json_to_convex(json.loads(data, parse_int=float)["value"])
    except ValueError:
        return  # it has a name that no value of Convex has
    assert decode(data) == values._whole(plainly)


# ---------------------------------------------------------------------------------------------- the served functions


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    with local_ledger(20) as local:
        yield local
    gc.collect()


async def test_what_was_written_is_read_back_page_by_page(local: Local) -> None:
    """Rows as history takes them, whole numbers whole, every page of every table, nothing of another session."""
    venue = local.venue()
    one, two = f"{venue}/1", f"{venue}/2"
    camera = Entry(f"{one}/camera/1", "camera", one, NOW, {"cameraId": "1", "joinedAt": NOW})
    still = Entry(f"{one}/still/a/1", "still", one, NOW, {"stillId": "a", "cameraId": "1", "status": "requested"})
    events = [event(number, session=one, detail={"share": 0.5, "n": number}) for number in range(230)]

    async with local.ledger(venue) as ledger:
        for batch in (
            [session(one), camera, still],
            events,
            [session(two, startedAt=NOW + 1), event(0, session=two)],
        ):
            answers = await ledger.ingest(batch)
            assert [answer.outcome for answer in answers] == ["applied"] * len(batch)
        rows = await ledger.timeline(one)
        assert [row.op for row in rows] == ["session", "camera", *["event"] * 230, "still"]
        assert [row.key for row in rows] == [one, camera.key, *[entry.key for entry in events], still.key]
        assert [row.fields for row in rows[2:-1]] == [entry.fields for entry in events]
        assert all(type(row.version) is int and type(row.fields.get("at", 0)) is int for row in rows)
        assert timeline_of(rows).session_key == one
        assert [row.key async for row in ledger.sessions(venue)] == [two, one]
        assert (await ledger.session(f"{venue}/3"), await ledger.timeline(f"{venue}/3")) == (None, [])
        with pytest.raises(LedgerRefused) as caught:
            await ledger.session("another/1")
        assert caught.value.code == "venue"


async def test_a_forgotten_session_is_gone_and_stays_so(local: Local) -> None:
    """Its rows go in pages; only an admin's key can, and what comes later is refused as forgotten."""
    venue = local.venue()
    key = f"{venue}/1"

    async with local.ledger(venue) as ledger:
        await ledger.ingest([session(key), *[event(number, session=key) for number in range(120)]])
        with pytest.raises(LedgerRefused) as caught:
            await ledger.forget(SecretStr("wrong"), key)
        assert caught.value.code == "key_wrong"
        assert await ledger.forget(ADMIN, key) == 120
        row = await ledger.session(key)
        assert row is not None
        assert row.retracted is not None
        assert row.retracted["reason"] == "forgotten"
        assert [row async for row in ledger.sessions(venue)] == []
        answer = (await ledger.ingest([event(1, session=key)]))[0]
        assert (answer.outcome, answer.code, answer.field) == ("rejected", "forgotten", "sessionKey")


async def test_ping_says_what_is_wrong_and_what_to_do(local: Local) -> None:
    """Each of the ways in which a ledger is not ready has a code, words and a next step; nothing is written."""
    venue, other = local.venue(), local.venue()

    async def code(url: str, key: SecretStr | None, of: str | None = None) -> str:
        async with Ledger(url, key, deadline=300) as ledger:
            ping = await ledger.ping(of)
        assert ping.ok == (ping.hint is None)
        assert SECRET not in f"{ping}"
        return ping.code

    async with local.ledger(venue) as ledger:
        assert (await ledger.ping(venue)).ok
        assert (await ledger.ping(other)).code == "venue"
        assert [row async for row in ledger.sessions()] == []
    assert await code(local.url, KEY) == "key_wrong"
    assert await code(local.url, None) == "key_missing"
    async with stubbed() as (stub, url):
        stub.faults += [page(), status(404), fails("Could not find public function for 'production:ingest'")]
        assert [await code(url, KEY) for _ in range(3)] == ["garbage", "http_404", "no_function"]
    assert await code(url, KEY) == "unreachable"


async def test_arguments_that_convex_cannot_carry_are_our_own_mistake(local: Local) -> None:
    """They never reach the network, and are not quoted."""
    venue = local.venue()

    async with local.ledger(venue) as ledger:
        with pytest.raises(LedgerRefused) as caught:
            await ledger.query("getSession", {"sessionKey": 2**60})
        assert caught.value.code == "arguments"
        with pytest.raises(LedgerRefused) as caught:
            await ledger.mutation("nothing", {})
        assert caught.value.code == "no_function"


async def test_every_call_goes_to_the_module_that_the_functions_are_in() -> None:
    """An app may have a ``production.ts`` of its own: nothing of ours is called there."""

    page_of_none = {"page": [], "isDone": True, "continueCursor": ""}
    async with stubbed() as (stub, url), Ledger(url, KEY, module="stage/tap") as ledger:
        await ledger.ingest([event(1)])
        stub.faults += [says({"status": "success", "value": {"done": True, "deleted": 3.0}})]
        await ledger.forget(KEY, "v/s1")
        stub.faults += [says({"status": "success", "value": None})] * 2
        await ledger.session("v/s1")
        stub.faults += [says({"status": "success", "value": page_of_none})] * 4
        assert await ledger.timeline("v/s1") == []
        assert [row async for row in ledger.sessions()] == []
    functions = [path.removeprefix("stage/tap:") for path in stub.paths]
    assert functions[:4] == ["ingest", "forgetSession", "getSession", "getSession"]
    assert sorted(functions[4:]) == ["listCameras", "listDirectorEvents", "listSessions", "listStills"]
