"""Watching a tap from outside: when a cut is on its disk, and when the ledger has answered for it.

Both by the machine's ``time.monotonic``, which the server's clock is too.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tap.adapters.journal import Journal

__all__ = ["answers", "commits"]

_CUT = re.compile(rb"cut-\d+")
_LOOK_EVERY_S = 0.0005
_LONGEST_KEY = 300

Seen = dict[str, float]


@contextmanager
def commits(path: Path) -> Iterator[Seen]:
    """When another reader first saw each cut in the journal, by its id; it fills as it goes.

    SQLite shows a transaction to others only once its sync has returned, so what is seen is durable. What is told is
    late by up to half a millisecond, never early.
    """
    seen: Seen = {}
    ended = threading.Event()
    thread = threading.Thread(target=_look, args=(path, seen, ended), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _look(path: Path, seen: Seen, ended: threading.Event) -> None:
    with Journal.open(path, readonly=True) as journal:
        after = sum(journal.counts().values())
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
    seen: Seen = {}
    address = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = (address.hostname or "", address.port or 80)
        threading.Thread(target=_relay, args=(listening, there, seen), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
        finally:
            # Closing alone does not wake who waits for the next one.
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


def _relay(listening: socket.socket, there: tuple[str, int], seen: Seen) -> None:
    with suppress(OSError):
        while True:
            near, _ = listening.accept()
            far = socket.create_connection(there)
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_pump, args=(near, far, None), daemon=True).start()
            threading.Thread(target=_pump, args=(far, near, seen), daemon=True).start()


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
