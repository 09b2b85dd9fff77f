"""What the service tells systemd: that it is ready, how it is doing, that it stops, and that its loop still turns.

The protocol is that of sd_notify: a datagram to the socket that ``$NOTIFY_SOCKET`` names. Without such a socket nothing
is sent. The event loop itself feeds the watchdog: as long as it turns, systemd does not kill the process because a
server is away, a disk is full or a ledger hangs. A new process could do no better.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

from anyio import current_time, sleep, sleep_forever

from tap.service.running.parts import Parts

__all__ = ["Notifier", "status_words"]

_LOOK_EVERY_S = 1.0
_LONGEST = 2_000
"""Characters of a status line; a datagram has its limits, and ``systemctl`` one line."""


class Notifier:
    """Speaks to the service manager, if there is one. It never raises for a manager that does not listen.

    ``watchdog_s``: how long systemd waits for a sign of life before it kills; None where it does not wait for any.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = None if address is None else watchdog_s
        self._address = None if address is None else _socket_address(address)
        self._status: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Notifier:
        """As ``$NOTIFY_SOCKET`` and ``$WATCHDOG_USEC`` say, if the latter is meant for this process."""
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        watchdog = int(usec) / 1e6 if ours and usec.isascii() and usec.isdigit() and int(usec) else None
        return cls(environ.get("NOTIFY_SOCKET") or None, watchdog)

    def ready(self) -> None:
        """The service listens."""
        self._tell("READY=1")

    def off(self, words: str, *, within_s: float = 5.0) -> None:
        """The service is ready, has nothing to do, and ends at once: report all of it now, since it ends.

        Returns once the manager has read it (the barrier of sd_notify), or after ``within_s``.
        """
        self._tell(f"READY=1\nSTATUS={words}")
        if self._address is None:
            return
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", writing))
                out.sendmsg([b"BARRIER=1"], [rights], 0, self._address)
        finally:
            os.close(writing)
        # Its copy of the other end is closed once all before it is read.
        select.select([reading], [], [], within_s)
        os.close(reading)

    def stopping(self) -> None:
        """The service ends in order."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Keeps the watchdog from firing for another ``watchdog_s``."""
        self._tell("WATCHDOG=1")

    def status(self, words: str) -> None:
        """What ``systemctl status`` shows; sent only when it changes."""
        line = " ".join(words.split())[:_LONGEST]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    async def keep_telling(self, words: Callable[[], str]) -> None:
        """Feed the watchdog twice in its time, and tell what changed; for ever, as a task of the loop that is watched.

        ``words`` is asked every second.
        """
        if self._address is None:
            await sleep_forever()
        every = _LOOK_EVERY_S if self.watchdog_s is None else min(_LOOK_EVERY_S, self.watchdog_s / 2)
        fed = current_time()
        while True:
            await sleep(every)
            if self.watchdog_s is not None and current_time() + every - fed > self.watchdog_s / 2:
                self.alive()
                fed = current_time()
            self.status(words())

    def _tell(self, message: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            # A manager that does not read must not hold the loop.
            out.setblocking(False)
            out.sendto(message.encode("utf-8", "replace"), self._address)


def _socket_address(named: str) -> str:
    """Linux' abstract sockets begin with a NUL, which no variable can hold."""
    return "\0" + named[1:] if named.startswith("@") else named


def status_words(parts: Parts) -> str:
    """The status of the service in one line: server, session, journal, ledger."""
    return "; ".join([_server(parts), _session(parts), *_journal(parts), *_ledger(parts)])


def _server(parts: Parts) -> str:
    problem = parts.socket.problem
    return (
        f"connected to {parts.socket.shown}" if problem is None else f"no signal from {parts.socket.shown}: {problem}"
    )


def _session(parts: Parts) -> str:
    session = parts.pipeline.state.session
    return "no session" if session is None else f"session {session.key} {session.status}"


def _journal(parts: Parts) -> list[str]:
    failing = parts.writer.failing
    return [] if failing is None else [f"THE JOURNAL CANNOT BE WRITTEN: {failing}"]


def _ledger(parts: Parts) -> list[str]:
    if parts.shipping is None:
        return ["no ledger: saved in the journal"]
    shipping = parts.shipping
    if shipping.reason is not None:
        return [f"ledger {shipping.state}: {shipping.reason}; {shipping.waiting} entries wait"]
    if shipping.last_success is None:
        return ["the ledger has not answered yet"]
    if shipping.held or shipping.in_part:
        wait = shipping.held + shipping.in_part
        return [
            f"{wait} entries wait for newer functions on the deployment; {shipping.waiting} on the way to the ledger"
        ]
    return ["in the ledger" if not shipping.waiting else f"{shipping.waiting} entries on the way to the ledger"]
