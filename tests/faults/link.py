"""Lines between a tap and what it talks to: a relay that can be slow, and a veth pair that can swallow packets."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["Link", "Relay"]

_AT_ONCE = 65_536
_NUMBERS = itertools.count(os.getpid() % 200)


class Relay:
    """Carries TCP connections to a port on this machine; ``drip`` makes what comes back come a byte at a time."""

    def __init__(self, target: int | str) -> None:
        self.port = 0
        self.connections = 0
        """How many came."""
        self.refusing = False
        """Hang up on whoever comes."""
        self.short_lived = False
        """Hang up as soon as something came back."""
        self.silent: list[tuple[float, float]] = []
        """From when to when (wall ms) nobody was connected, between one connection and the next."""
        self._ended = time.time() * 1000
        self._target = target
        self._pause: float | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str) -> Relay:
        self._server = await asyncio.start_server(self._serve, host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def open_unix(self, path: Path) -> Relay:
        self._server = await asyncio.start_unix_server(self._serve, path)
        return self

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lead_to(self, target: int | str) -> int | str:
        """Whoever comes from here on is led to another port; which it was before."""
        before, self._target = self._target, target
        return before

    async def stop_listening(self) -> None:
        """From here on nobody is there; who is connected is hung up on."""
        if self._server is not None:
            self._server.close()
        self.hang_up()
        await asyncio.sleep(0)

    def drip(self, pause: float, *, hang_up: bool) -> None:
        """A byte each ``pause`` seconds from here on; with ``hang_up`` for those who connect anew."""
        self._pause = pause
        self._flowing.clear()
        if hang_up:
            self.hang_up()

    def flow(self) -> None:
        """As before."""
        self._pause = None
        self._flowing.set()

    def hang_up(self) -> None:
        """On everybody who is there."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.silent.append((self._ended, time.time() * 1000))
        if self.refusing:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            # Whoever closes the relay cancels this; asyncio's own callback would tell of it.
            with suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            self._ended = time.time() * 1000
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._target, int):
            back, there = await asyncio.open_connection("127.0.0.1", self._target)
        else:
            back, there = await asyncio.open_unix_connection(self._target)
        up = asyncio.create_task(self._pump(reader, there))
        down = asyncio.create_task(self._pour(back, writer))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            there.transport.abort()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_AT_ONCE):
            writer.write(data)

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Never waits for the slow side with reading: what is sent is on its way, as it is in a network."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue()

        async def drop_by_drop() -> None:
            while True:
                data = await waiting.get()
                while data and self._pause is not None:
                    writer.write(data[:1])
                    data = data[1:]
                    # No wait_for: one that times out in the moment in which it is cancelled loses that (Python 3.11).
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._pause):
                            await self._flowing.wait()
                if not data and waiting.empty() and reader.at_eof():
                    return
                writer.write(data)
                if self.short_lived and b"101 Switching" not in data:
                    writer.close()
                    return

        dropping = asyncio.create_task(drop_by_drop())
        try:
            while data := await reader.read(_AT_ONCE):
                waiting.put_nowait(data)
            waiting.put_nowait(b"")
            await dropping
        finally:
            dropping.cancel()
            await asyncio.gather(dropping, return_exceptions=True)


# ---------------------------------------------------------------------------------------------- a line of its own


class Link:
    """A network namespace for a tap, and the veth pair to it. A context manager; needs root."""

    def __init__(self) -> None:
        number = next(_NUMBERS) % 250
        self.name = f"tapf{os.getpid()}n{number}"
        self.here = f"10.213.{number}.1"
        self._there = f"10.213.{number}.2"
        self._device = f"tf{os.getpid() % 100_000}{number}"
        self._swallowing = False
        self._inside: subprocess.Popen[bytes] | None = None
        self._relay: Relay | None = None

    def __enter__(self) -> Link:
        try:
            _ip("netns", "add", self.name)
            _ip("link", "add", self._device, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            _ip("addr", "add", f"{self.here}/30", "dev", self._device)
            _ip("link", "set", self._device, "up")
            _ip("-n", self.name, "addr", "add", f"{self._there}/30", "dev", "eth0")
            _ip("-n", self.name, "link", "set", "eth0", "up")
            _ip("-n", self.name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._inside is not None:
            self._inside.kill()
            self._inside.wait()
            assert self._inside.stdout is not None
            self._inside.stdout.close()
        with suppress(subprocess.CalledProcessError):
            self.heal()
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", self._device)
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)

    def swallow(self) -> None:
        """What this side sends goes nowhere, and nobody is told."""
        _ip("route", "add", "blackhole", f"{self._there}/32")
        self._swallowing = True

    def heal(self) -> None:
        if self._swallowing:
            _ip("route", "del", "blackhole", f"{self._there}/32")
            self._swallowing = False

    async def carry(self, port: int, folder: Path) -> int:
        """A port inside that leads to a port of this machine, past the line; the tap takes a ledger on its loopback."""
        path = folder / "ledger.sock"
        self._relay = await Relay(port).open_unix(path)
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", "tests.faults.link", str(path)]
        self._inside = await asyncio.to_thread(
            subprocess.Popen, command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert self._inside.stdout is not None
        return int(await asyncio.to_thread(self._inside.stdout.readline))

    async def leave(self) -> None:
        if self._relay is not None:
            await self._relay.close()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


async def _inside(path: str) -> None:
    relay = await Relay(path).open("127.0.0.1")
    print(relay.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_inside(sys.argv[1]))
