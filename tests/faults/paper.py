"""A ledger on paper: the rules of ``tap.core.merge`` and nothing else, on the loop of whoever plays a shoot.

**It is a stub.** It checks no columns, and its rules are the product's own; what the real functions make of the same
entries, ``convex/contract/entries.json`` and the seeds that are played to the local ledger show. It costs a hundredth
of that, which is what makes a thousand shoots possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web
from msgspec import Struct, field

from tap.core.merge import Row, fold
from tap.core.model import Entry
from tests.contract.local import ADMIN, key_of
from tests.contract.stub import ABOUT

__all__ = ["Paper"]


class _Fault(Struct):
    kind: str
    times: int = 1
    match: str = ""
    ms: int = 0
    status: int = 503


class _Venue(Struct):
    rows: dict[str, list[Entry]] = field(default_factory=dict)
    """What was said of each row: by key, of cameras by session and id."""
    forgotten: set[str] = field(default_factory=set)


class Paper:
    """As :class:`tests.contract.local.Local`, as far as a shoot needs it."""

    def __init__(self) -> None:
        self.url = ""
        self.room: int | None = None
        """Entries that it still takes before its own disk is full; None: all."""
        self._venues: dict[str, _Venue] = {}
        self._keys: dict[str, str] = {}
        self._faults: list[_Fault] = []
        self._runner: web.AppRunner | None = None

    async def open(self) -> Paper:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/api/{kind}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def venue(self) -> str:
        """A venue that nobody has used yet."""
        name = f"venue-{len(self._venues)}"
        self._venues[name] = _Venue()
        self._keys[key_of(name).get_secret_value()] = name
        return name

    def rows(self, venue: str) -> list[Row]:
        """Every row that it has of a venue."""
        return list(fold(entry for told in self._venues[venue].rows.values() for entry in told).values())

    # ------------------------------------------------------------------------------------------ what may go wrong

    def fault(self, kind: str, **how: Any) -> None:
        """The same faults as those of ``convex/local/faults.ts``."""
        self._faults.append(_Fault(kind, **how))

    def clear(self) -> None:
        self._faults.clear()

    def waiting(self) -> list[Any]:
        return list(self._faults)

    def _next_fault(self, text: str) -> _Fault:
        for fault in self._faults:
            if fault.match in text:
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return _Fault("none")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self._next_fault(body.decode("utf-8", "replace"))
        if fault.kind in _UNSEEN:
            return await _spoilt(fault, request)
        if fault.kind == "slow":
            await asyncio.sleep(fault.ms / 1000)
        reply = web.Response(body=orjson.dumps(self._answer(body)), content_type="application/json")
        if fault.kind == "lost":
            _break(request)
        elif fault.kind == "hang_after":
            await asyncio.Event().wait()
        elif fault.kind == "half":
            return await _half(reply, request)
        return reply

    # ------------------------------------------------------------------------------------------ what it answers

    def _answer(self, body: bytes) -> dict[str, Any]:
        call = orjson.loads(body)
        path, args = call["path"], _whole(call["args"])
        known = {
            "production:about": lambda _: ABOUT,
            "production:ingest": self._ingest,
            "production:getSession": self._session,
            "production:listSessions": lambda _: {"page": [], "isDone": True, "continueCursor": "end"},
            "production:forgetSession": self._forget,
        }
        if path not in known:
            return {"status": "error", "errorMessage": f"Could not find public function for '{path}'"}
        try:
            return {"status": "success", "value": _floats(known[path](args))}
        except LookupError as error:
            data = {"code": str(error.args[0]), "reason": "not here"}
            return {"status": "error", "errorMessage": "Server Error", "errorData": data}
        except OSError:
            return {"status": "error", "errorMessage": "[Request ID: 00c0ffee] Server Error"}

    def _named(self, args: Mapping[str, Any]) -> _Venue:
        if args.get("accessKey") not in self._keys:
            raise LookupError("key_wrong")
        return self._venues[self._keys[args["accessKey"]]]

    def _ingest(self, args: Mapping[str, Any]) -> list[dict[str, Any]]:
        venue = self._named(args)
        entries = msgspec.convert(args["entries"], list[Entry])
        if self.room is not None:
            if len(entries) > self.room:
                raise OSError("its disk is full: all of the call or nothing")
            self.room -= len(entries)
        return [_take(venue, entry) for entry in entries]

    def _session(self, args: Mapping[str, Any]) -> dict[str, Any] | None:
        venue, key = self._named(args), args["sessionKey"]
        if key in venue.forgotten:
            return {"sessionKey": key, "venue": key.split("/")[0], "retracted": {"at": 0, "reason": "forgotten"}}
        row = fold(venue.rows.get(key, [])).get(key)
        if row is None:
            return None
        return {"sessionKey": key, "venue": key.split("/")[0], "version": row.version, "revision": 0, **row.fields}

    def _forget(self, args: Mapping[str, Any]) -> dict[str, Any]:
        if args["adminKey"] != ADMIN.get_secret_value():
            raise LookupError("key_wrong")
        key = args["sessionKey"]
        venue = self._venues[key.split("/")[0]]
        gone = [name for name, told in venue.rows.items() if told[0].session_key == key]
        for name in gone:
            del venue.rows[name]
        venue.forgotten.add(key)
        return {"deleted": len(gone), "done": True}


def _take(venue: _Venue, entry: Entry) -> dict[str, Any]:
    if entry.session_key in venue.forgotten:
        return {"key": entry.key, "outcome": "rejected", "code": "forgotten", "reason": "It was forgotten."}
    name = f"{entry.session_key}\0{entry.fields['cameraId']}" if entry.op == "camera" else entry.key
    told = venue.rows.setdefault(name, [])
    if entry in told:
        return {"key": entry.key, "outcome": "duplicate"}
    told.append(entry)
    (row,) = fold(told).values()
    if row.version == entry.version and row.revision == entry.revision:
        return {"key": entry.key, "outcome": "applied"}
    return {"key": entry.key, "outcome": "stale", "version": row.version}


_UNSEEN = ("reset", "hang", "status", "error", "garbage")


async def _spoilt(fault: _Fault, request: web.Request) -> web.StreamResponse:
    """Nothing was written."""
    if fault.kind == "reset":
        _break(request)
    elif fault.kind == "hang":
        await asyncio.Event().wait()
    elif fault.kind == "status":
        return web.json_response({"code": "Overloaded"}, status=fault.status)
    elif fault.kind == "error":
        return web.json_response({"status": "error", "errorMessage": "Server Error"})
    return web.Response(text="<html>It works!</html>", content_type="text/html")


async def _half(reply: web.Response, request: web.Request) -> web.StreamResponse:
    whole = reply.body
    assert isinstance(whole, bytes)
    part = web.StreamResponse(headers={"Content-Length": str(len(whole))})
    await part.prepare(request)
    await part.write(whole[: len(whole) // 2])
    _break(request)
    return part


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _whole(value: Any) -> Any:
    """Whole numbers as ``int``: on the line there are floats alone."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return {name: _whole(item) for name, item in value.items()} if isinstance(value, dict) else value


def _floats(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return {name: _floats(item) for name, item in value.items()} if isinstance(value, dict) else value
