"""From a cut's arrival to its durable commit, under 1,000 frames a second. A report, not a test.

``python bench/latency.py [--seconds 20] [--rate 1000]`` starts a server on loopback and taps it with the service's own
stages (journal at ``synchronous=FULL``); telemetry comes at the rate, and ten cuts a second. It prints how long each
cut took from the frame's receipt by the tap to the end of its commit. The server is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal, JournalWriter
from tap.adapters.socket import Clock, ServerSocket
from tap.core.model import SourceItem
from tap.core.pipeline import Pipeline
from tap.service.ingest import Ingest

POSE = b'{"type":"pose","camera_id":"c1","ts":%d,"m":"' + b"x" * 900 + b'"}'


async def _broadcast(socket: ServerConnection, rate: int, seconds: float) -> None:
    now = round(time.time() * 1000)
    await socket.send(orjson.dumps({"type": "hello", "boot_id": "b", "ts": now}).decode())
    await socket.send(orjson.dumps({"type": "session_started", "ts": now, "session": {"id": "s"}}).decode())
    start = time.perf_counter()
    for number in range(round(rate * seconds)):
        wait = start + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if number % (rate // 10) == 0:
            cut = {"type": "cut", "ts": round(time.time() * 1000), "to": f"c{number // (rate // 10) % 2}"}
            await socket.send(orjson.dumps({**cut, "cut_id": number}).decode())
        else:
            await socket.send((POSE % number).decode())


def _serve(port: Connection, rate: int, seconds: float) -> None:
    async def play(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await _broadcast(socket, rate, seconds)

    async def stand() -> None:
        async with serve(play, "127.0.0.1", 0, compression=None) as server:
            port.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    asyncio.run(stand())


async def measure(rate: int, seconds: float) -> list[float]:
    """Milliseconds from receipt to commit, one for each commit that held a cut."""
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.db", owner=True) as journal:
        writer = JournalWriter(journal)
        pipeline = Pipeline(load_dialect("multicam/1"), venue="bench", tap=journal.tap_id())
        clock = Clock(pipeline.resume(round(time.time() * 1000)))
        received = 0.0

        def submit(entries: Any, checkpoint: Any, on_durable: Any = None) -> None:
            since, cut = received, any(entry.fields.get("kind") == "cut" for entry in entries)

            def durable() -> None:
                if cut:
                    waits.append((time.perf_counter() - since) * 1000)
                if on_durable is not None:
                    on_durable()

            writer.submit(entries, checkpoint, durable)

        ingest = Ingest(pipeline, submit, clock)

        def on_item(item: SourceItem) -> None:
            nonlocal received
            received = time.perf_counter()
            ingest.on_item(item)

        there, here = multiprocessing.Pipe()
        server = multiprocessing.Process(target=_serve, args=(there, rate, seconds), daemon=True)
        server.start()
        url = f"ws://127.0.0.1:{await asyncio.to_thread(here.recv)}/"
        tap = asyncio.create_task(ServerSocket(url, on_item, clock).run())
        await asyncio.sleep(seconds + 1)
        tap.cancel()
        await asyncio.gather(tap, return_exceptions=True)
        server.terminate()
        writer.stop(10)
    return waits


def disk(times: int = 300) -> list[float]:
    """What this disk takes for one 4 KB write and its sync, in ms: the floor under every commit."""
    waits = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            since = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append((time.perf_counter() - since) * 1000)
            time.sleep(0.02)
    return waits


def _report(what: str, waits: list[float]) -> None:
    quantiles = statistics.quantiles(waits, n=100)
    print(
        f"{what}: median {statistics.median(waits):.2f} ms   p99 {quantiles[98]:.2f} ms   longest {max(waits):.2f} ms"
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rate", type=int, default=1000)
    given = options.parse_args()
    _report("the disk alone, one sync", disk())
    waits = uvloop.run(measure(given.rate, given.seconds))
    print(f"{given.rate} frames/s for {given.seconds:g} s, {len(waits)} cuts")
    _report("receipt to durable commit", waits)


if __name__ == "__main__":
    main()
