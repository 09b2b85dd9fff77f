"""The tap as a process: the command itself, with what a fault does to its machine put in beneath it.

Only the outside of the tap is changed: what the wall clock says, how long a sync of the disk takes, in which network it
lives, and how patient it is, so that what takes minutes at a venue takes seconds here. Its own code runs as it is.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import importlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from msgspec import Struct

__all__ = ["Offset", "Rig", "begin", "put"]

_CLONE_NEWNET = 0x40000000
_PRELOADED = [
    "tests.faults.rig",
    "tap.cli",
    "tap.service.running.daemon",
    "tap.service.running.publishing.publisher",
    "tap.adapters.ledger",
]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*_PRELOADED, "aiohttp", "uvloop"])


class Rig(Struct, frozen=True):
    """What is different about the machine."""

    patience: float = 1.0
    """How many times shorter every wait of socket, publisher and ledger client is."""
    prune_every_s: float | None = None
    """Prune and change tapes that often, and let a day last for ``day_ms``."""
    day_ms: int = 4
    new_boots: bool = False
    """Each life is on a machine that was started anew, and that nobody keeps the clock of."""
    sync_ms: float = 0.0
    """What every commit takes longer."""
    namespace: str | None = None
    """The network namespace that the tap lives in."""
    least_deadline_s: float = 0.5
    """How long a call of the ledger may take, however impatient the rest is: the machine may be busy."""
    least_answer_s: float = 10.0
    """The same for the server's answer to a ping and to a handshake: what is said while a line is gone is missed."""


class Offset:
    """How far the wall clock of a process is off, in ms; to be set from outside."""

    def __init__(self) -> None:
        self._value = _FORKS.RawArray(ctypes.c_longlong, 1)
        self._furthest = 0

    @property
    def ms(self) -> int:
        return int(self._value[0])

    @ms.setter
    def ms(self, value: int) -> None:
        self._value[0] = value
        self._furthest = max(self._furthest, abs(value))

    def without(self, waited: float) -> float:
        """A time measured across the setting of this clock, in ms, without what the setting added to it."""
        return min(abs(waited), abs(abs(waited) - self._furthest))


def begin(
    environ: Mapping[str, str],
    log: Path,
    rig: Rig,
    offset: Offset | None = None,
    words: Sequence[str] = ("run",),
) -> ForkServerProcess:
    """A tap that runs from here on, or another of its commands; what it says goes to the end of ``log``.

    Forked from a warm process: a start costs milliseconds, so hundreds cost little.
    """
    process = _FORKS.Process(target=_live, args=(dict(environ), str(log), rig, offset, tuple(words)), daemon=True)
    process.start()
    return process


# ---------------------------------------------------------------------------------------------- in the process


def _live(environ: dict[str, str], log: str, rig: Rig, offset: Offset | None, words: tuple[str, ...]) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        del os.environ[name]
    os.environ.update(environ)
    # Where it stands, if it ever hangs: kill -USR2.
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    # As a service manager starts it: the harness may have another idea of Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if rig.namespace is not None:
        _enter(rig.namespace)
    if offset is not None:
        _set_clocks(offset)
    _hasten(rig)
    if rig.prune_every_s is not None:
        put(importlib.import_module("tap.service.running.daemon"), "_PRUNE_EVERY_S", rig.prune_every_s)
        put(importlib.import_module("tap.service.running.journal_pruner"), "_DAY_MS", rig.day_ms)
        put(importlib.import_module("tap.service.running.flight_recorder"), "_SEGMENT_S", rig.prune_every_s)
    if rig.new_boots:
        clocks = importlib.import_module("tap.service.running.clock_trust")
        put(clocks, "boot_id", lambda: f"boot-{os.getpid()}")
        put(clocks, "is_set_by_ntp", lambda: None)
    if rig.sync_ms:
        _slow_disk(rig.sync_ms / 1000)
    sys.argv = ["multicam-tap", *words]
    importlib.import_module("tap.cli").main()


def put(module: Any, name: str, value: object) -> None:
    """Change what is there, and nothing that is not: a rig that changes nothing would prove nothing."""
    if not hasattr(module, name):
        raise AttributeError(f"the rig knows no {name} in {module.__name__} any more")
    setattr(module, name, value)


def _enter(namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {namespace}")
    os.close(descriptor)


def _set_clocks(offset: Offset) -> None:
    real = time.time_ns

    def time_ns() -> int:
        return real() + offset.ms * 1_000_000

    put(time, "time_ns", time_ns)
    put(time, "time", lambda: time_ns() / 1e9)


def _hasten(rig: Rig) -> None:
    factor = rig.patience
    if factor == 1.0:
        return
    socket = importlib.import_module("tap.adapters.server.socket")
    ledger = importlib.import_module("tap.adapters.ledger")
    publish = importlib.import_module("tap.service.running.publishing.publisher")
    timing, pace = socket.Timing().faster(factor), publish.Pace().faster(factor)
    # A goodbye takes the time that it takes.
    timing = timing._replace(
        close_timeout=socket.Timing().close_timeout,
        ping_every=max(timing.ping_every, rig.least_answer_s),
        answer_within=max(timing.answer_within, rig.least_answer_s),
        open_timeout=max(timing.open_timeout, rig.least_answer_s),
    )
    put(socket, "Timing", lambda: timing)
    put(publish, "Publisher", functools.partial(publish.Publisher, pace=pace))
    deadline = max(ledger.Ledger("http://127.0.0.1:1", None).deadline / factor, rig.least_deadline_s)
    put(ledger, "Ledger", functools.partial(ledger.Ledger, deadline=deadline))


def _slow_disk(seconds: float) -> None:
    journal = importlib.import_module("tap.adapters.journal.file")
    transaction, sync, data_sync = journal.transaction, os.fsync, os.fdatasync

    @contextmanager
    def slow(connection: Any) -> Iterator[None]:
        with transaction(connection):
            yield
            time.sleep(seconds)

    def slowly(really: Any, descriptor: int) -> None:
        time.sleep(seconds)
        really(descriptor)

    put(journal, "transaction", slow)
    put(os, "fsync", functools.partial(slowly, sync))
    put(os, "fdatasync", functools.partial(slowly, data_sync))
