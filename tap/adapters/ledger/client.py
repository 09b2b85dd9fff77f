"""The ledger: Convex's documented HTTP API, as an async client that cannot hang, and never shows the key.

Every call here ends by a deadline, can be cancelled, and reuses its connection; what takes long (encoding, decoding,
name look-up, the imports) happens on other threads, so that nobody on the event loop waits for a ledger.

What goes wrong is a ``LedgerAway`` (maybe later) or a ``LedgerRefused`` (as it is: never); ``remedy_for`` says what to
do. The key is in request bodies and nowhere else: in no exception, log or ``repr``. An answer that nobody meant to
be read (a bare server error, a page of some proxy) may quote what was sent, so its text is never kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self, get_args

from anyio import to_thread

from tap.adapters.ledger.answers import Answer, Changed, Ping, Secret
from tap.adapters.ledger.connection import Connection
from tap.adapters.ledger.errors import LedgerAway, LedgerRefused, by_status, code_of, garbage, refused
from tap.adapters.ledger.replies import Replies, count
from tap.adapters.ledger.values import MAX_ENTRIES, CallFailed, body_of, decode, pack, small_texts
from tap.adapters.ledger.words import BARE, BLOCKING
from tap.core.deployment import DEFAULT_MODULE, DEPLOY, OLDEST, Deployment
from tap.core.errors import LedgerError
from tap.core.merge import Row
from tap.core.model import Entry, Op

__all__ = ["Ledger"]

_DEADLINE_S = 15.0
_MAX_ANSWER = 32 * 2**20
_MAX_VERDICT = 2 * 2**20
"""The limit of an answer to a batch in bytes: several times what the keys and reasons of a full batch take."""
_MOST_PAGES = 10_000
_MOST_DELETED = 10**6
"""Rows that one call may say it deleted; some hundreds is what it does."""
_SMALL = 16 * 1024
"""Bytes of an answer that is decoded on the spot: under a millisecond."""
_PAGE = 100
_FUNCTION_FAILED = 560
"""The status by which Convex may tell that a function threw; the body is as with 200."""
_A_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
_LISTS: tuple[tuple[Op, str], ...] = (
    ("camera", "listCameras"),
    ("event", "listDirectorEvents"),
    ("still", "listStills"),
)
_OPS: Mapping[str, Op] = {op: op for op in get_args(Op)}


class Ledger:
    """A Convex deployment with our functions on it. An async context manager; one event loop's.

    ``url`` is https, or http on this machine; ``key`` writes or reads one venue; ``module`` has the ledger's functions,
    which are named without it here; ``deadline`` (s) is for each call. Raises ``LedgerError`` for a URL that is not
    allowed. What calls raises ``LedgerAway`` or ``LedgerRefused``.
    """

    def __init__(
        self, url: str, key: Secret | None, *, module: str = DEFAULT_MODULE, deadline: float = _DEADLINE_S
    ) -> None:
        self._connection = Connection(url, deadline)
        self.shown = self._connection.shown
        """The address without anything secret in it."""
        self.module = module
        self.deadline = deadline
        self._key = key
        self._replies = Replies(self.shown, self._secret)

    def __repr__(self) -> str:
        return f"Ledger({self.shown!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection; more than once does no harm, and the next call opens another."""
        await self._connection.close()

    # ------------------------------------------------------------------------------------------ writing

    async def ingest(self, entries: Sequence[Entry]) -> list[Answer]:
        """Write the first of these entries, as many as fit into one call; their answers, in order.

        At least one is taken, so whoever has more calls again with the rest. An entry that Convex's own values cannot
        carry is answered ``rejected`` here. Without entries it only asks whether any would be taken: the key may
        write, and an app's ``context()`` works.
        """
        async with self._connection.deadline():
            # In a shoot it is mostly one entry: a thread costs more than that.
            texts = small_texts(entries) if self._connection.is_loaded else None
            packing = partial(pack, self._path("ingest"), entries[:MAX_ENTRIES], self._secret(), texts)
            packed = await to_thread.run_sync(packing) if texts is None else packing()
            answers: Iterable[Answer] = ()
            if packed.sent or not entries:
                value = await self._post("mutation", self._path("ingest"), packed.body, _MAX_VERDICT)
                answers = self._replies.answers(value, packed.sent)
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
            gone = count(said.get("deleted"), _MOST_DELETED) if isinstance(said, dict) else None
            if gone is None:
                raise garbage(self.shown)
            deleted += gone
            if said.get("done") is True:
                return deleted
            if not gone:
                raise garbage(self.shown)

    async def about(self) -> Deployment:
        """What this deployment takes, and what our key may do there.

        One that has no ``about``, but takes a call of ``ingest`` without entries, is 0.1.0. Where neither works it is
        ``absent``: not deployed, paused or over its plan, which production tells in the same words.
        """
        for _ in range(2):
            try:
                said = await self.query("about", {})
            except LedgerError as error:
                if code_of(error) not in BARE:
                    raise
            else:
                return self._replies.deployment(said)
            try:
                await self.ingest([])
            except LedgerError as error:
                raise self._absent() if code_of(error) == "server_error" else error from None
            # Once more: a deployment that restarts may have failed for a moment.
        return OLDEST

    async def _sound(self) -> None:
        try:
            await self.ingest([])
        except LedgerAway as error:
            raise refused("half_deployed", self.shown) if error.code == "server_error" else error from None

    def _absent(self) -> LedgerAway:
        words, step = BLOCKING["absent"]
        return LedgerAway("absent", words, where=self.shown, hint=step)

    async def ping(self, venue: str | None = None) -> Ping:
        """Ask whether entries (of ``venue``) would be taken; writes nothing, and raises nothing."""
        deployment = None
        try:
            deployment = await self.about()
            await self._sound()
            if venue is not None:
                page = {"numItems": 1, "cursor": None}
                await self.query("listSessions", {"venue": venue, "paginationOpts": page})
        except (LedgerAway, LedgerRefused) as error:
            return Ping(error.code, str(error.what), error.hint, deployment)
        return Ping("ok", "takes entries", None, deployment)

    # ------------------------------------------------------------------------------------------ reading

    async def query(self, function: str, args: Mapping[str, Any]) -> Any:
        """Call a query with our key among its arguments; its value, whole numbers as ``int``."""
        return await self._call("query", function, {"accessKey": self._secret(), **args})

    async def sessions(self, venue: str | None = None) -> AsyncIterator[Row]:
        """The sessions of the key's venue, newest first, read page by page as they are asked for."""
        args = {} if venue is None else {"venue": venue}
        async for shown in self._pages("listSessions", args):
            yield self._replies.row("session", shown)

    async def session(self, session_key: str) -> Row | None:
        """One session's row; None where there is none. Of a forgotten one little more than ``retracted``."""
        shown = await self.query("getSession", {"sessionKey": session_key})
        return None if shown is None else self._replies.row("session", shown)

    async def timeline(self, session_key: str) -> list[Row]:
        """All rows of one session: its own, its cameras, its events by time, its stills; every page of them."""
        session = await self.session(session_key)
        rows = [] if session is None else [session]
        for op, function in _LISTS:
            rows += [self._replies.row(op, shown) async for shown in self._pages(function, {"sessionKey": session_key})]
        return rows

    async def changes(self, cursor: str | None = None, venues: Sequence[str] = ()) -> Changed:
        """What was written since a cursor (None: ever), in all venues of the key or some: some hundred rows a call."""
        args = {"cursor": cursor, **({"venues": list(venues)} if venues else {})}
        try:
            said = await self.query("changes", args)
        except LedgerError as error:
            if code_of(error) not in BARE or not await self._lacks("changes"):
                raise
            words = "has no list of changes: its functions are older than this tap"
            raise LedgerRefused("no_changes", words, where=self.shown, hint=DEPLOY) from None
        try:
            rows = [self._replies.row(_OPS[one["op"]], one["row"]) for one in said["page"]]
            following, done = said["cursor"], said["isDone"]
        except (TypeError, KeyError):
            raise garbage(self.shown) from None
        if not isinstance(following, str) or not isinstance(done, bool) or (following == cursor and not done):
            raise garbage(self.shown)
        return Changed(rows, following, done)

    async def _lacks(self, function: str) -> bool:
        deployment = await self.about()
        return function not in deployment.functions

    async def _pages(self, function: str, args: Mapping[str, Any]) -> AsyncIterator[Any]:
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = {"numItems": _PAGE, "cursor": cursor}
            said = await self.query(function, {**args, "paginationOpts": page})
            if not isinstance(said, dict) or not isinstance(said.get("page"), list):
                raise garbage(self.shown)
            for shown in said["page"]:
                yield shown
            if said.get("isDone") is True:
                return
            following = said.get("continueCursor")
            if not isinstance(following, str) or following == cursor:
                raise garbage(self.shown)
            cursor = following
        raise garbage(self.shown)

    # ------------------------------------------------------------------------------------------ one call

    def _path(self, function: str) -> str:
        return f"{self.module}:{function}"

    async def _call(self, kind: str, function: str, args: Mapping[str, Any]) -> Any:
        path = self._path(function)
        async with self._connection.deadline():
            try:
                body = await to_thread.run_sync(body_of, path, args)
            except (ValueError, TypeError, RecursionError):
                # Not its own words: they may quote a value.
                words = "Convex cannot carry these arguments"
                raise LedgerRefused("arguments", words, where=self.shown) from None
            return await self._post(kind, path, body)

    async def _post(self, kind: str, path: str, body: bytes, most: int = _MAX_ANSWER) -> Any:
        status, data, retry_after = await self._connection.post(kind, body, most)
        if status not in (200, _FUNCTION_FAILED):
            raise by_status(status, self._replies.clean(_code_in(data)), retry_after, self.shown)
        read = partial(decode, data)
        try:
            return read() if len(data) <= _SMALL else await to_thread.run_sync(read)
        except CallFailed as error:
            raise self._replies.failure(path, error.said) from None
        except Exception:  # noqa: BLE001 - whatever a foreign codec trips over is an answer that is none
            raise garbage(self.shown) from None

    def _secret(self) -> str | None:
        return None if self._key is None else self._key.get_secret_value()


def _code_in(data: bytes) -> object:
    """The code that Convex gives with a status; a page of some proxy has none."""
    try:
        said = json.loads(data[:_SMALL])
    except (ValueError, RecursionError):
        return None
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, str) and _A_CODE.fullmatch(code) else None
