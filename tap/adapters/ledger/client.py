"""The ledger: Convex's documented HTTP API, as an async client that can neither hang nor be heard.

The ``convex`` package supplies how values are written; its own clients are not used: one freezes the whole process
while Convex is away, the other can be neither cancelled nor given a deadline.
Every call here ends by a deadline, can be cancelled, and reuses its connection; what takes long (encoding, decoding,
name look-up, the imports) happens on other threads, so that nobody on the event loop waits for a ledger.

What goes wrong is a ``LedgerAway`` (maybe later) or a ``LedgerRefused`` (as it is: never); ``disposition`` says what to
do. The key stands in request bodies and nowhere else: in no exception, log or ``repr``. An answer that nobody meant to
be read (a bare server error, a page of some proxy) may quote what was sent, so its text is never kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import re
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self, cast, get_args
from urllib.parse import urlsplit

import msgspec
import orjson

from tap.adapters.ledger.words import BARE, BLOCKING, NET, of_status, sentence_of
from tap.adapters.names import look_up
from tap.core.codec import LATEST_VERSION, entry_json, sub_key
from tap.core.errors import LedgerError, LedgerRejected, LedgerUnavailable
from tap.core.merge import Row
from tap.core.model import Entry, Op
from tap.core.taken import DEFAULT_MODULE, DEPLOY, LOGS, OLDEST, Taken, read_taken

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from aiohttp.abc import AbstractResolver

__all__ = [
    "MAX_BYTES",
    "MAX_ENTRIES",
    "REFUSES_ALL",
    "Answer",
    "Changed",
    "Disposition",
    "Ledger",
    "LedgerAway",
    "LedgerRefused",
    "Outcome",
    "Ping",
    "Secret",
    "disposition",
    "refused",
]

MAX_ENTRIES = 300
"""Entries a call: the ledger takes 500, and far fewer index reads than a Convex mutation may make."""
MAX_BYTES = 700_000
"""Bytes of JSON a call: what the ledger does in well under the second of CPU that a mutation has."""

_DEADLINE_S = 15.0
_KEEP_ALIVE_S = 30.0
_MAX_ANSWER = 32 * 2**20
_MAX_VERDICT = 2 * 2**20
"""Bytes of the answer to a batch: some times what keys and reasons of so many entries take."""
_MOST_PAGES = 10_000
_MOST_DELETED = 10**6
"""Rows that one call may say it deleted; some hundreds is what it does."""
_EXACT = 2.0**53
"""Up to here a float holds every whole number; beyond it, it is none of ours."""
_READ_AT_ONCE = 256 * 1024
_SMALL = 16 * 1024
"""Bytes of an answer that is decoded on the spot: under a millisecond."""
_WORDS = 300
_PAGE = 100
_MAY_PASS = ("server_error", "absent")
_TRIES = 3
"""How often a bare server error may come before the entries themselves are suspected."""
_FUNCTION_FAILED = 560
"""The status by which Convex may tell that a function threw; the body is as with 200."""
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|::1")
_A_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
_REQUEST = re.compile(r"\[Request ID: ([0-9a-f]{1,32})\]")


class Secret(Protocol):
    """What holds a key without showing it, such as pydantic's ``SecretStr``."""

    def get_secret_value(self) -> str:
        """The key itself."""
        ...


REFUSES_ALL = frozenset(code for code in BLOCKING if not code.startswith("http_"))
"""Codes of a ledger that refuses whatever is sent. (A status may be some proxy's, that minds a word of an entry.)"""

Outcome = Literal["applied", "duplicate", "stale", "rejected"]


class Answer(msgspec.Struct, frozen=True):
    """What became of one entry."""

    key: str
    outcome: Outcome
    code: str | None = None
    """Why it was rejected, for programs."""
    reason: str | None = None
    field: str | None = None
    version: int | None = None
    """Of a ``stale`` one: the version that stands."""

    @property
    def reasoned(self) -> bool:
        """It says what is wrong with the entry: only that ends its way."""
        return bool(self.code and self.reason)

    @property
    def words(self) -> str:
        """Why it was rejected, in one line that names the field."""
        said = ": ".join(part for part in (self.code, self.reason) if part)
        return said if self.field is None else f"{said} ({self.field})"


class Changed(NamedTuple):
    """Some of what was written, in the order of the commits."""

    rows: list[Row]
    """As they are now; of a session that was forgotten, one that says so."""
    cursor: str
    """Where to go on; it stays good."""
    done: bool
    """There was no more when this was asked."""


class Ping(NamedTuple):
    """How the ledger answered when asked whether it would take entries."""

    code: str
    """``ok``, or what is wrong: ``unreachable``, ``timeout``, ``garbage``, ``no_function``, ``key_wrong`` …"""
    words: str
    hint: str | None = None
    taken: Taken | None = None
    """What it said of itself, where it got so far."""

    @property
    def ok(self) -> bool:
        """It would."""
        return self.code == "ok"


# ---------------------------------------------------------------------------------------------- what goes wrong


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


class Disposition(Enum):
    """What to do after a call that failed."""

    RETRY = "retry"
    """The same again, backing off, for ever."""
    NARROW = "narrow"
    """Something in the batch: halve it."""
    QUARANTINE = "quarantine"
    """It is this one entry: the others go on without it, and it is tried again later."""
    BLOCKED = "blocked"
    """Somebody has to mend something that is no entry: say so, and try again now and then."""


def disposition(error: LedgerError, *, attempt: int = 1, entries: int = 2) -> Disposition:
    """What to do after a batch of so many ``entries`` failed, this being the ``attempt``-th time. Pure.

    A bare server error may be a deployment that restarts, or one entry on which a function fails: it is retried a
    few times before the entries are suspected. So may be what looks like no deployment at all.
    """
    code = getattr(error, "code", "")
    if isinstance(error, LedgerUnavailable) and not (code in _MAY_PASS and attempt >= _TRIES):
        return Disposition.RETRY
    if code in BLOCKING or code.startswith("http_"):
        return Disposition.BLOCKED
    return Disposition.NARROW if entries > 1 else Disposition.QUARANTINE


# ---------------------------------------------------------------------------------------------- the client


class Ledger:
    """A Convex deployment with our functions on it. An async context manager; one event loop's.

    ``url`` is https, or http on this machine; ``key`` writes or reads one venue; ``module`` has the ledger's functions,
    which are named without it here; ``deadline`` (s) is for each call. Raises ``LedgerError`` for a URL that is not
    allowed. What calls raises ``LedgerAway`` or ``LedgerRefused``.
    """

    def __init__(
        self, url: str, key: Secret | None, *, module: str = DEFAULT_MODULE, deadline: float = _DEADLINE_S
    ) -> None:
        self.shown = _shown(url)
        """The address without anything secret in it."""
        self.module = module
        self.deadline = deadline
        self._base = url.rstrip("/")
        self._key = key
        self._http: ClientSession | None = None
        self._opening = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Ledger({self.shown!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection; more than once does no harm, and the next call opens another."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    # ------------------------------------------------------------------------------------------ writing

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        """Write the first of these entries, as many as fit into one call; their answers, in order.

        At least one is taken, so whoever has more calls again with the rest. An entry that Convex's own values cannot
        carry is answered ``rejected`` here. Without entries it only asks whether any would be taken: the key may
        write, and an app's ``context()`` works.
        """
        async with self._deadline():
            packed = await asyncio.to_thread(_pack, self._path("ingest"), entries[:MAX_ENTRIES], self._secret())
            answers: Iterable[Answer] = ()
            if packed.sent or not entries:
                value = await self._post("mutation", self._path("ingest"), packed.body, _MAX_VERDICT)
                answers = self._answers(value, packed.sent)
        told = iter(answers)
        return [packed.refused.get(at) or next(told) for at in range(packed.taken)]

    async def mutation(self, function: str, args: Mapping[str, Any]) -> Any:
        """Call a mutation with our key among its arguments; its value, whole numbers as ``int``."""
        return await self._call("mutation", function, {"accessKey": self._secret(), **args})

    async def forget(self, admin_key: Secret, session_key: str) -> int:
        """Remove a shoot; how many rows went. With a key that the service never holds. Again after a failure."""
        deleted: int = 0
        while True:
            args = {"adminKey": admin_key.get_secret_value(), "sessionKey": session_key}
            said = await self._call("mutation", "forgetSession", args)
            gone = _count(said.get("deleted"), _MOST_DELETED) if isinstance(said, dict) else None
            if gone is None:
                raise self._garbage()
            deleted += gone
            if said.get("done") is True:
                return deleted
            if not gone:
                raise self._garbage()

    async def about(self) -> Taken:
        """What this deployment takes, and what our key may do there.

        One that has no ``about``, but takes a call of ``ingest`` without entries, is 0.1.0. Where neither works it is
        ``absent``: not deployed, paused or over its plan, which production tells in the same words.
        """
        for _ in range(2):
            try:
                said = await self.query("about", {})
            except LedgerError as error:
                if _code(error) not in BARE:
                    raise
            else:
                return self._taken(said)
            try:
                await self.ingest([])
            except LedgerError as error:
                raise self._absent() if _code(error) == "server_error" else error from None
            # Once more: a deployment that restarts may have failed for a moment.
        return OLDEST

    async def _sound(self) -> None:
        try:
            await self.ingest([])
        except LedgerAway as error:
            raise refused("half_deployed", self.shown) if error.code == "server_error" else error from None

    def _taken(self, said: Any) -> Taken:
        try:
            return read_taken(said)
        except ValueError:
            raise self._garbage() from None

    def _absent(self) -> LedgerAway:
        words, step = BLOCKING["absent"]
        return LedgerAway("absent", words, where=self.shown, hint=step)

    async def ping(self, venue: str | None = None) -> Ping:
        """Ask whether entries (of ``venue``) would be taken; writes nothing, and raises nothing."""
        taken = None
        try:
            taken = await self.about()
            await self._sound()
            if venue is not None:
                page = {"numItems": 1, "cursor": None}
                await self.query("listSessions", {"venue": venue, "paginationOpts": page})
        except (LedgerAway, LedgerRefused) as error:
            return Ping(error.code, str(error.what), error.hint, taken)
        return Ping("ok", "takes entries", None, taken)

    # ------------------------------------------------------------------------------------------ reading

    async def query(self, function: str, args: Mapping[str, Any]) -> Any:
        """Call a query with our key among its arguments; its value, whole numbers as ``int``."""
        return await self._call("query", function, {"accessKey": self._secret(), **args})

    async def sessions(self, venue: str | None = None) -> AsyncIterator[Row]:
        """The sessions of the key's venue, newest first, read page by page as they are asked for."""
        args = {} if venue is None else {"venue": venue}
        async for shown in self._pages("listSessions", args):
            yield self._row("session", shown)

    async def session(self, session_key: str) -> Row | None:
        """One session's row; None where there is none. Of a forgotten one little more than ``retracted``."""
        shown = await self.query("getSession", {"sessionKey": session_key})
        return None if shown is None else self._row("session", shown)

    async def timeline(self, session_key: str) -> list[Row]:
        """All rows of one session: its own, its cameras, its events by time, its stills; every page of them."""
        session = await self.session(session_key)
        rows = [] if session is None else [session]
        for op, function in _LISTS:
            rows += [self._row(op, shown) async for shown in self._pages(function, {"sessionKey": session_key})]
        return rows

    async def changes(self, cursor: str | None = None, venues: Sequence[str] = ()) -> Changed:
        """What was written since a cursor (None: ever), in all venues of the key or some: some hundred rows a call."""
        args = {"cursor": cursor, **({"venues": list(venues)} if venues else {})}
        try:
            said = await self.query("changes", args)
        except LedgerError as error:
            if _code(error) not in BARE or not await self._lacks("changes"):
                raise
            words = "has no list of changes: its functions are older than this tap"
            raise LedgerRefused("no_changes", words, where=self.shown, hint=DEPLOY) from None
        try:
            rows = [self._row(_OPS[one["op"]], one["row"]) for one in said["page"]]
            following, done = said["cursor"], said["isDone"]
        except (TypeError, KeyError):
            raise self._garbage() from None
        if not isinstance(following, str) or not isinstance(done, bool) or (following == cursor and not done):
            raise self._garbage()
        return Changed(rows, following, done)

    async def _lacks(self, function: str) -> bool:
        taken = await self.about()
        return function not in taken.functions

    async def _pages(self, function: str, args: Mapping[str, Any]) -> AsyncIterator[Any]:
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = {"numItems": _PAGE, "cursor": cursor}
            said = await self.query(function, {**args, "paginationOpts": page})
            if not isinstance(said, dict) or not isinstance(said.get("page"), list):
                raise self._garbage()
            for shown in said["page"]:
                yield shown
            if said.get("isDone") is True:
                return
            following = said.get("continueCursor")
            if not isinstance(following, str) or following == cursor:
                raise self._garbage()
            cursor = following
        raise self._garbage()

    # ------------------------------------------------------------------------------------------ one call

    def _path(self, function: str) -> str:
        return f"{self.module}:{function}"

    async def _call(self, kind: str, function: str, args: Mapping[str, Any]) -> Any:
        path = self._path(function)
        async with self._deadline():
            try:
                body = await asyncio.to_thread(_body, path, args)
            except (ValueError, TypeError, RecursionError):
                # Not its own words: they may quote a value.
                words = "these arguments are nothing that Convex can carry"
                raise LedgerRefused("arguments", words, where=self.shown) from None
            return await self._post(kind, path, body)

    async def _post(self, kind: str, path: str, body: bytes, most: int = _MAX_ANSWER) -> Any:
        http = self._http or await self._open()
        request = http.post(f"{self._base}/api/{kind}", data=body, headers=_HEADERS, allow_redirects=False)
        async with request as response:
            data = await self._read(response, most)
        if response.status not in (200, _FUNCTION_FAILED):
            code = self._clean(_code_in(data))
            raise _by_status(response.status, code, response.headers.get("Retry-After"), self.shown)
        decode = partial(_decode, data)
        try:
            return decode() if len(data) <= _SMALL else await asyncio.to_thread(decode)
        except _NoValueError as error:
            raise self._no_value(path, error.said) from None
        except Exception:  # noqa: BLE001 - whatever a foreign codec trips over is an answer that is none
            raise self._garbage() from None

    async def _read(self, response: ClientResponse, most: int) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_chunked(_READ_AT_ONCE):
            parts.append(part)
            size += len(part)
            if size > most:
                raise self._garbage()
        return b"".join(parts)

    async def _open(self) -> ClientSession:
        async with self._opening:
            if self._http is None:
                aiohttp = await asyncio.to_thread(_vendors)
                names = cast("AbstractResolver", _Names())
                self._http = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=4, keepalive_timeout=_KEEP_ALIVE_S, resolver=names),
                    timeout=aiohttp.ClientTimeout(total=None),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            return self._http

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        """Ends what runs in it in time, and turns what others raise in it into an error of ours."""
        try:
            async with asyncio.timeout(self.deadline):
                yield
        except LedgerError:
            raise
        except TimeoutError:
            words = f"does not answer within {self.deadline:g} s"
            raise LedgerAway("timeout", words, where=self.shown, hint=NET) from None
        except Exception as error:
            if not isinstance(error, OSError) and not _is_clients(error):
                raise
            raise LedgerAway("unreachable", _in_words(error), where=self.shown, hint=NET) from None

    def _secret(self) -> str | None:
        return None if self._key is None else self._key.get_secret_value()

    # ------------------------------------------------------------------------------------------ what came back

    def _no_value(self, path: str, said: Mapping[str, Any]) -> LedgerError:
        if "errorData" in said:
            thrown = said["errorData"]
            data = thrown if isinstance(thrown, dict) else {}
            code, reason = self._clean(data.get("code")) or "thrown", self._clean(data.get("reason"))
            words, hint = BLOCKING.get(code) or (f"refused the call: {code}", None)
            return LedgerRefused(code, f"{words}: {reason}" if reason else words, where=self.shown, hint=hint)
        message = str(said.get("errorMessage"))
        known = sentence_of(message)
        if known is not None:
            words, hint = BLOCKING[known]
            words = f"{words}: {path}" if known == "no_function" else words
            return LedgerRefused(known, words, where=self.shown, hint=hint)
        # The id finds the failure in the deployment's own log; the text may quote the key.
        request = _REQUEST.match(message)
        named = "" if request is None else f" (request {request[1]})"
        return LedgerAway("server_error", f"failed inside{named}", where=self.shown, hint=LOGS)

    def _answers(self, value: Any, sent: Sequence[str]) -> list[Answer]:
        if not isinstance(value, list) or len(value) != len(sent):
            raise self._garbage()
        return [self._answer(said, key) for said, key in zip(value, sent, strict=True)]

    def _answer(self, said: Any, key: str) -> Answer:
        if not isinstance(said, dict) or said.get("outcome") not in get_args(Outcome):
            raise self._garbage()
        # An answer for another entry must settle nothing. (The ledger cuts keys that are too long to be any.)
        if said.get("key", key) != key and said["key"] != key[:1000]:
            raise self._garbage()
        code, reason, field = (self._clean(said.get(name)) or None for name in ("code", "reason", "field"))
        return Answer(key, said["outcome"], code, reason, field, _count(said.get("version"), LATEST_VERSION))

    def _row(self, op: Op, shown: Any) -> Row:
        try:
            fields = dict(shown)
            session_key = fields.pop("sessionKey")
            fields.pop("venue", None)
            version, revision = (_count(fields.pop(name, 0), int(_EXACT)) for name in ("version", "revision"))
            retracted = fields.pop("retracted", None)
            key = _KEYS[op](session_key, fields)
        except (TypeError, ValueError, KeyError):
            raise self._garbage() from None
        if version is None or revision is None or not isinstance(session_key, str):
            raise self._garbage()
        return Row(key, op, session_key, version, revision, fields, retracted)

    def _clean(self, text: Any) -> str:
        """Words of the other side, bounded, without the key should it be among them, and text that can be kept."""
        words = text if isinstance(text, str) else ""
        key = self._secret()
        words = (words.replace(key, "[key]") if key else words)[:_WORDS]
        return words.encode("utf-8", "replace").decode()

    def _garbage(self) -> LedgerAway:
        return LedgerAway(
            "garbage", "does not answer as Convex does", where=self.shown, hint="check TAP_CONVEX_URL, and the network"
        )


_HEADERS = {"Content-Type": "application/json", "User-Agent": "multicam-tap"}
_LISTS: tuple[tuple[Op, str], ...] = (
    ("camera", "listCameras"),
    ("event", "listDirectorEvents"),
    ("still", "listStills"),
)
_OPS: Mapping[str, Op] = {op: op for op in get_args(Op)}
_KEYS: Mapping[Op, Callable[[str, dict[str, Any]], str]] = {
    "session": lambda session, _: session,
    "camera": lambda session, fields: sub_key(session, "camera", fields["cameraId"]),
    "event": lambda _, fields: str(fields.pop("eventKey")),
    "still": lambda _, fields: str(fields.pop("stillKey")),
}


def _shown(url: str) -> str:
    """The address as people may see it. Raises ``LedgerError`` where it is none that a key may be sent to."""
    hint = "https://…, or http:// on this machine"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Not its own words: they may quote the userinfo.
        raise LedgerError("is not a URL", where="the ledger's address", hint=hint) from None
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    if not host or parts.scheme not in ("https", "http"):
        raise LedgerError("is not a web address", where="the ledger's address", hint=hint)
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise LedgerError("would send the key in the clear over the network", where=shown, hint=hint)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise LedgerError("has a user, a password, a query or a fragment in it", where=shown, hint=hint)
    return shown


# ---------------------------------------------------------------------------------------------- what others raise


def _by_status(status: int, code: str, retry_after: str | None, where: str) -> LedgerError:
    if status in (408, 425, 429) or status >= 500 or status < 400:
        words, step = of_status(status, code)
        wait = _seconds(retry_after, datetime.now(UTC))
        return LedgerAway(f"http_{status}", words, where=where, hint=step, retry_after=wait)
    if status in (400, 413):
        words, step = of_status(status, code)
        return LedgerRefused("too_large" if status == 413 else "bad_call", words, where=where, hint=step)
    words, step = BLOCKING.get(f"http_{status}") or (f"is not Convex (HTTP {status})", "check TAP_CONVEX_URL")
    return LedgerRefused(f"http_{status}", words, where=where, hint=step)


def _code_in(data: bytes) -> object:
    """The code that Convex gives with a status; a page of some proxy has none."""
    try:
        said = json.loads(data[:_SMALL])
    except (ValueError, RecursionError):
        return None
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, str) and _A_CODE.fullmatch(code) else None


def _code(error: LedgerError) -> str:
    return str(getattr(error, "code", ""))


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """What ``Retry-After`` asks for: seconds, or a date. None where it says nothing that can be read."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after).astimezone(UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _is_clients(error: Exception) -> bool:
    aiohttp = sys.modules.get("aiohttp")
    return aiohttp is not None and isinstance(error, aiohttp.ClientError)


def _in_words(error: Exception) -> str:
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


# ---------------------------------------------------------------------------------------------- values on the wire


class _Packed(NamedTuple):
    """A batch as it goes out."""

    body: bytes
    sent: list[str]
    """The keys of the entries in it."""
    refused: dict[int, Answer]
    """Those that cannot even be sent, by their place."""
    taken: int
    """Entries that are answered by this call, from the first on."""


def _pack(path: str, entries: Sequence[Entry], key: str | None) -> _Packed:
    parts: list[bytes] = []
    sent: list[str] = []
    refused: dict[int, Answer] = {}
    size = taken = 0
    for entry in entries:
        encoded = _encode(entry)
        if isinstance(encoded, Answer):
            refused[taken] = encoded
        else:
            size += len(encoded)
            if parts and size > MAX_BYTES:
                break
            parts.append(encoded)
            sent.append(entry.key)
        taken += 1
    access = b"" if key is None else b'"accessKey":' + orjson.dumps(key) + b","
    head = b'{"path":' + orjson.dumps(path) + b',"format":"convex_encoded_json","args":{'
    return _Packed(head + access + b'"entries":[' + b",".join(parts) + b"]}}", sent, refused, taken)


def _encode(entry: Entry) -> bytes | Answer:
    """One entry as Convex takes it, or why it never will."""
    try:
        plain = entry_json(entry)
        if len(plain) > MAX_BYTES:
            return Answer(entry.key, "rejected", "size", f"{len(plain)} bytes are more than a call may have", "fields")
        encoded = orjson.dumps(_convex().convex_to_json(orjson.loads(plain)))
    except (ValueError, TypeError, RecursionError) as error:
        return Answer(entry.key, "rejected", "encoding", f"Convex cannot carry this: {error}"[:_WORDS], "fields")
    return encoded


def _body(path: str, args: Mapping[str, Any]) -> bytes:
    said = {"path": path, "format": "convex_encoded_json", "args": _convex().convex_to_json(dict(args))}
    return orjson.dumps(said)


class _NoValueError(Exception):
    """The call failed, and this is what was said of it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__("no value")
        self.said = said


def _decode(data: bytes) -> Any:
    """The value in an answer. ``ValueError`` where it is none, ``_NoValueError`` where the call failed."""
    # A bare integer is nothing that Convex writes, but harmless; its codec would refuse the whole answer for it.
    said = json.loads(data, parse_int=float)
    if not isinstance(said, dict):
        raise ValueError("no answer")  # noqa: TRY004 - the same to callers as no JSON
    from_json = _convex().json_to_convex
    if said.get("status") == "success" and "value" in said:
        return _whole(from_json(said["value"]))
    if said.get("status") == "error":
        if "errorData" in said:
            said = said | {"errorData": _whole(from_json(said["errorData"]))}
        raise _NoValueError(said)
    raise ValueError("no answer")


def _count(value: object, most: int) -> int | None:
    """A count or a version that a ledger tells; None where it is no whole number from 0 to ``most``."""
    return value if type(value) is int and 0 <= value <= most else None


def _whole(value: Any) -> Any:
    """Whole numbers as ``int``: Convex has only floats, our rows have both, and JSON shows them alike."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


# ---------------------------------------------------------------------------------------------- the libraries


def _vendors() -> Any:
    """aiohttp, and the other library with it: a third of a second, which a venue without Convex never pays."""
    _convex()
    return importlib.import_module("aiohttp")


_importing = threading.Lock()


def _convex() -> Any:
    """The convex package, without the logger that it installs: that writes to stdout, which belongs to the commands."""
    loaded = sys.modules.get("convex")
    if loaded is not None and hasattr(loaded, "ConvexError"):
        return loaded
    with _importing:
        native: Any = importlib.import_module("_convex")
        kept, native.init_logging = native.init_logging, lambda: None
        try:
            return importlib.import_module("convex")
        finally:
            native.init_logging = kept


class _Names:
    """Looks names up as aiohttp wants it."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": at[0], "port": at[1], "family": kind, "proto": proto, "flags": _NUMERIC}
            for kind, _, proto, _, at in await look_up(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing is held."""


_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
