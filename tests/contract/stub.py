"""A stub that speaks Convex's HTTP API. **It is no ledger**: it knows no rules and keeps no rows, only which entries it
was sent, and in which order. It is for what the local ledger cannot show: throughput (convex-test scans every row), the
order of arrival, and answers that no server of ours would give.

``python -m tests.contract.stub`` serves it as a process, until its standard input ends; ``GET /_seen`` counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from aiohttp import web

from tests.contract.local import end, ready

Reply: TypeAlias = web.StreamResponse
Fault: TypeAlias = Callable[["Stub", web.Request, bytes], Any]


ABOUT: dict[str, Any] = {
    "contract": 2.0,
    "kinds": [],
    "triggers": [],
    "columns": {"session": [], "camera": [], "event": [], "still": []},
    "functions": [],
    "maxEntries": 500.0,
    "venues": "all",
    "may": ["write", "read"],
}
"""What a deployment that takes everything says of itself, as far as a tap looks."""


class Stub:
    """``faults`` spoil the next calls, one each; ``poison`` are keys that make a call fail with a bare server error."""

    def __init__(self) -> None:
        self.about: Fault = says({"status": "success", "value": ABOUT})
        """How it answers when it is asked what it takes: that is no call, and no fault spoils it."""
        self.asked = 0
        """How often it was."""
        self.spoilt: Fault | None = None
        """How it answers whatever is asked, as long as it is set."""
        self.keys: list[str] = []
        """The keys of the entries that were taken, each once, in the order of their arrival."""
        self.calls = 0
        self.largest = 0
        self.sizes: list[int] = []
        self.connections: set[Any] = set()
        self.faults: list[Fault] = []
        self.poison: set[str] = set()
        self.refused: dict[str, dict[str, Any]] = {}
        """Answers of one's own choice, by key."""
        self.paths: list[str] = []
        """What was called, in order."""
        self._known: set[str] = set()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/api/{kind}", self._call)
        app.router.add_get("/_seen", self._seen)
        return app

    async def _call(self, request: web.Request) -> Reply:
        body = await request.read()
        path = orjson.loads(body)["path"]
        if path.endswith(":about"):
            self.asked += 1
            return await _reply((self.spoilt or self.about)(self, request, body))
        self.calls += 1
        self.largest = max(self.largest, len(body))
        self.connections.add(request.transport)
        self.paths.append(path)
        if self.spoilt is not None:
            return await _reply(self.spoilt(self, request, body))
        if self.faults:
            return await _reply(self.faults.pop(0)(self, request, body))
        return self.answer(body)

    def answer(self, body: bytes) -> Reply:
        entries = orjson.loads(body)["args"]["entries"]
        self.sizes.append(len(entries))
        if any(entry["key"] in self.poison for entry in entries):
            # As a validator of Convex does, with everything that it was sent in its text.
            text = f"[Request ID: 00c0ffee] Server Error: ArgumentValidationError: {body.decode()}"
            return value_of({"status": "error", "errorMessage": text})
        return value_of({"status": "success", "value": [self._take(entry) for entry in entries]})

    def _take(self, entry: dict[str, Any]) -> dict[str, Any]:
        key = entry["key"]
        if key in self.refused:
            return {"key": key, **self.refused[key]}
        if key in self._known:
            return {"key": key, "outcome": "duplicate"}
        self._known.add(key)
        self.keys.append(key)
        return {"key": key, "outcome": "applied"}

    async def _seen(self, _: web.Request) -> Reply:
        return web.json_response({"entries": len(self.keys), "calls": self.calls, "keys": self.keys[-1:]})


async def _reply(said: Any) -> Reply:
    reply: Reply = await said if asyncio.iscoroutine(said) else said
    return reply


def value_of(said: Any) -> Reply:
    return web.Response(body=orjson.dumps(said), content_type="application/json")


# ---------------------------------------------------------------------------------------------- what may go wrong


def status(code: int, **headers: str) -> Fault:
    return lambda *_: web.json_response({"code": "Overloaded"}, status=code, headers=headers)


def says(said: Any) -> Fault:
    """Answers this, whatever was asked."""
    return lambda *_: value_of(said)


def page(text: str = "<html>It works!</html>") -> Fault:
    return lambda *_: web.Response(text=text, content_type="text/html")


def lost(stub: Stub, request: web.Request, body: bytes) -> Reply:
    """Taken, and the connection broken."""
    reply = stub.answer(body)
    assert request.transport is not None
    request.transport.abort()
    return reply


async def half(stub: Stub, request: web.Request, body: bytes) -> Reply:
    """Taken, and half of the answer sent."""
    whole = stub.answer(body)
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    reply = web.StreamResponse(headers={"Content-Length": str(len(whole.body))})
    await reply.prepare(request)
    await reply.write(whole.body[: len(whole.body) // 2])
    assert request.transport is not None
    request.transport.close()
    return reply


async def hang(*_: Any) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


def fails(text: str = "[Request ID: 00c0ffee] Server Error") -> Fault:
    return says({"status": "error", "errorMessage": text})


def throws(data: Any) -> Fault:
    return says({"status": "error", "errorMessage": "[Request ID: 00c0ffee] Server Error", "errorData": data})


# ---------------------------------------------------------------------------------------------- serving it


@asynccontextmanager
async def stubbed() -> AsyncIterator[tuple[Stub, str]]:
    """A stub on this loop, and its address."""
    stub = Stub()
    runner = web.AppRunner(stub.app(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield stub, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def stub_process() -> Iterator[str]:
    """A stub in a process of its own, and its address."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.stub"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    try:
        yield ready(process)["url"]
    finally:
        end(process)


async def _main() -> None:
    async with stubbed() as (_, url):
        print(json.dumps({"url": url, "pid": os.getpid(), "notice": "a stub: no ledger"}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
