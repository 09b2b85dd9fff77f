"""Watching a tap from outside: when a cut is on its disk, and when the ledger has answered for it.

Both by the machine's ``time.monotonic``, which the server's clock is too.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tap.adapters.journal import Journal

__all__ = ["answers", "commits", "waits_ms"]

_CUT = re.compile(rb"cut-\d+")
_LOOK_EVERY_S = 0.0005
_LONGEST_KEY = 300
_WITHIN_S = 60.0

Seen = dict[str, float]


def waits_ms(sent: Seen, seen: Seen) -> list[float]:
    """Milliseconds from sending each to seeing it, once all were seen; ``seen`` may still fill."""
    last = time.monotonic() + _WITHIN_S
    while missing := [cut for cut in sent if cut not in seen]:
        if time.monotonic() > last:
            raise TimeoutError(f"{len(missing)} of {len(sent)} cuts were not seen where they belong: {missing[:3]}")
        time.sleep(0.01)
    return [(seen[cut] - at) * 1000 for cut, at in sent.items()]


@contextmanager
def commits(path: Path) -> Iterator[Seen]:
    """When another reader first saw each cut in the journal, by its id; it fills as it goes.

    SQLite shows a transaction to others only once its sync has returned, so what is seen is durable. What is told is
    late by up to half a millisecond, never early.
    """
    seen: Seen = {}
    ended = threading.Event()
    looking = threading.Event()
    thread = threading.Thread(target=_look, args=(path, seen, looking, ended), daemon=True)
    thread.start()
    try:
        if not looking.wait(_WITHIN_S):
            raise TimeoutError("the journal cannot be read")
        yield seen
    finally:
        ended.set()
        thread.join()


def _look(path: Path, seen: Seen, looking: threading.Event, ended: threading.Event) -> None:
    with Journal.open(path, readonly=True) as journal:
        after = sum(journal.counts().values())
        looking.set()
        while not ended.is_set():
            for kept in journal.entries(after=after):
                after = kept.seq
                found = _CUT.search(kept.entry.key.encode())
                if found is not None:
                    seen.setdefault(found[0].decode(), time.monotonic())
            time.sleep(_LOOK_EVERY_S)


@contextmanager
def answers(url: str) -> Iterator[tuple[str, Seen]]:
    """An address that stands for the ledger at ``url``, and when its answer for each cut came by, by the cut's id."""
    address = urlsplit(url)
    relay = _Relay((address.hostname or "", address.port or 80))
    try:
        yield relay.url, relay.seen
    finally:
        relay.end()


class _Relay:
    """Hands on what it hears, connection by connection, and notes the time of what comes back."""

    def __init__(self, there: tuple[str, int]) -> None:
        self.seen: Seen = {}
        self._there = there
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open = [self._listening]
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def end(self) -> None:
        """Close all of it."""
        for one in self._open:
            # Closing alone wakes nobody who waits for it.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in self._open:
            one.close()

    def _begin(self, what: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=what, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._open.append(near)
                far = socket.create_connection(self._there)
                self._open.append(far)
                for one in (near, far):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._begin(_pump, near, far, None)
                self._begin(_pump, far, near, self.seen)


def _pump(source: socket.socket, sink: socket.socket, seen: Seen | None) -> None:
    heard = b""
    with suppress(OSError):
        while data := source.recv(65_536):
            now = time.monotonic()
            sink.sendall(data)
            if seen is not None:
                heard = heard[-_LONGEST_KEY:] + data
                for found in _CUT.finditer(heard):
                    # At the very end it may be only the beginning of an id.
                    if found.end() < len(heard):
                        seen.setdefault(found[0].decode(), now)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
