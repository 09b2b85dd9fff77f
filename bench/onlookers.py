"""Who looks on while a tap records, in a process of their own: open pages, and people who ask for files each second.

Once the pages are open, they get the CPU only when nobody else on their core wants it, so that they do not slow down
who measures: at a venue, they are on other machines.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

__all__ = ["Answers", "Onlookers", "looking_on", "served_at"]

_SERVED = re.compile(r'"url": "(http://[^"]+)".*"the live page is served"')
_PAGE = ("/", "/looks.css", "/page.css", "/page.js", "/common.js", "/lanes.js", "/card.js", "/status.json")
"""What a browser asks for when somebody opens the page."""
_ASK_STATUS_S = 10.0
"""How often an open page asks for the sessions."""
_WITHIN_S = 300.0


class Answers(Struct):
    """What they have seen."""

    happened: list[int]
    """How many times each page was told that something happened."""
    files: Counter[int]
    """How often a file was answered with which status."""


class Onlookers:
    """The other end of the process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def leave(self) -> Answers:
        """All go, once what they have asked for is answered; what they have seen."""
        self._pipe.send(None)
        if not self._pipe.poll(_WITHIN_S):
            raise TimeoutError("the onlookers do not leave")
        answers: Answers = self._pipe.recv()
        return answers


def served_at(output: Path) -> str | None:
    """The address of the live page, as a tap's log has it that is no terminal."""
    found = _SERVED.search(output.read_text(errors="replace"))
    return None if found is None else found[1]


@contextmanager
def looking_on(url: str, pages: int, files: Sequence[str], *, core: int | None = None) -> Iterator[Onlookers]:
    """So many pages that are open, and these paths asked for once a second, answered or not."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_look, args=(theirs, url, pages, tuple(files), core), daemon=True)
    process.start()
    try:
        if not ours.poll(_WITHIN_S):
            raise TimeoutError("the pages do not open")
        ours.recv()
        yield Onlookers(ours)
    finally:
        process.kill()
        process.join()


# ---------------------------------------------------------------------------------------------- in the process


def _look(pipe: Connection, url: str, pages: int, files: Sequence[str], core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    asyncio.run(_Crowd(url, pages).look(pipe, files))


class _Crowd:
    def __init__(self, url: str, pages: int) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._seen = Answers([0] * pages, Counter())
        self._opened = asyncio.Semaphore(0)
        self._asked: set[asyncio.Task[None]] = set()

    async def look(self, pipe: Connection, files: Sequence[str]) -> None:
        tasks = [asyncio.create_task(self._page(number)) for number in range(len(self._seen.happened))]
        for _ in tasks:
            await self._opened.acquire()
        tasks += [asyncio.create_task(self._ask_on(path)) for path in files]
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        pipe.send(None)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for task in tasks:
            task.cancel()
        # What they have asked for they still get.
        for one in await asyncio.gather(*tasks, *self._asked, return_exceptions=True):
            if isinstance(one, Exception):
                raise one
        pipe.send(self._seen)

    async def _page(self, number: int) -> None:
        for path in _PAGE:
            await self._get(path)
        asking = asyncio.create_task(self._ask_status())
        reader, writer = await self._request("/events")
        try:
            while line := await reader.readline():
                if line == b"event: hello\n":
                    self._opened.release()
                self._seen.happened[number] += line == b"event: happened\n"
            raise ConnectionError("a page lost the tap")
        finally:
            asking.cancel()
            writer.close()

    async def _ask_status(self) -> None:
        while True:
            await asyncio.sleep(_ASK_STATUS_S)
            await self._get("/status.json")

    async def _ask_on(self, path: str) -> None:
        """Each second, whether or not the one before it was answered."""
        while True:
            self._asked.add(asyncio.create_task(self._file(path)))
            await asyncio.sleep(1)

    async def _file(self, path: str) -> None:
        self._seen.files[await self._get(path)] += 1

    async def _get(self, path: str) -> int:
        reader, writer = await self._request(path)
        try:
            status = int((await reader.readline()).split()[1])
            while await reader.read(65_536):
                pass
            return status
        finally:
            writer.close()

    async def _request(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**24)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n".encode())
        return reader, writer
