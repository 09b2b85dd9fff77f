"""What systemd is told: ready once, a sign of life from the loop itself, and what changed."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal
from tap.service.config import load_settings
from tap.service.running.daemon import Service
from tap.service.running.systemd_notify import Notifier


class Manager:
    """The socket that systemd gives a service."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)
        self.said: list[str] = []

    def listen(self) -> list[str]:
        """All that was said so far."""
        while True:
            try:
                self.said.append(self._socket.recv(65_536).decode())
            except BlockingIOError:
                return self.said

    async def until(self, *words: str) -> None:
        while not all(any(word in line for line in self.listen()) for word in words):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def notifier(manager: Manager, **more: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": manager.address, **more})


def test_nothing_is_told_where_nobody_asks(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a socket, and with one that is gone; what the process's own environment says is nobody's business."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    for quiet in (Notifier.from_environment({}), Notifier("/nowhere/at/all")):
        quiet.ready()
        quiet.status("well")
        quiet.stopping()
    assert manager.listen() == []


def test_a_manager_that_does_not_read_holds_nobody(manager: Manager) -> None:
    """Its queue is full after a while; the loop goes on."""
    told = notifier(manager)
    for number in range(5_000):
        told.status(f"number {number}")
    # All were said, in order, as far as the queue went; the others were let go.
    heard = manager.listen()
    assert 0 < len(heard) < 5_000
    assert heard == [f"STATUS=number {number}" for number in range(len(heard))]


def test_linux_abstract_sockets() -> None:
    """Their name begins with an @."""
    manager = Manager(f"@multicam-tap-test-{os.getpid()}")
    notifier(manager).ready()
    assert manager.listen() == ["READY=1"]
    manager.close()


def test_a_status_is_one_line_told_once(manager: Manager) -> None:
    """Whatever a server puts into it; a line break would be a message of its own."""
    told = notifier(manager)
    told.status("why\nREADY=1\tthat")
    told.status("why READY=1 that")
    assert manager.listen() == ["STATUS=why READY=1 that"]


@pytest.mark.parametrize(
    ("environ", "watchdog"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_whom_the_watchdog_watches(manager: Manager, environ: dict[str, str], watchdog: float | None) -> None:
    """As sd_watchdog_enabled() has it."""
    assert notifier(manager, **environ).watchdog_s == watchdog


async def test_the_watchdog_is_fed_while_the_loop_turns_and_not_while_it_hangs(manager: Manager) -> None:
    """Twice in its time; a loop that is held feeds nothing."""

    class Held:
        def wait(self) -> None:
            """Half a second in which nothing else runs."""
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as silent:
                silent.settimeout(0.5)
                silent.bind("")
                with pytest.raises(TimeoutError):
                    silent.recv(1)

    held = Held()

    telling = asyncio.create_task(notifier(manager, WATCHDOG_USEC="200000").keep_telling(lambda: "well"))
    while manager.listen().count("WATCHDOG=1") < 4:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.01)
    fed = manager.listen().count("WATCHDOG=1")
    asyncio.get_running_loop().call_soon(held.wait)
    await asyncio.sleep(0)
    assert manager.listen().count("WATCHDOG=1") <= fed + 1
    telling.cancel()


async def test_the_service_tells_how_it_stands(tmp_path: Path, manager: Manager) -> None:
    """Ready though no server is there, with the reason; and that it stops."""
    given = load_settings(
        {"TAP_STATE_DIR": str(tmp_path / "s"), "TAP_SERVER_URL": "ws://127.0.0.1:1/ws", "TAP_OPS_LISTEN": "off"}
    )

    told = notifier(manager, WATCHDOG_USEC="60000000")
    service = Service(given, load_dialect("multicam/1"), Journal.open(given.journal_path, owner=True), told)
    running = asyncio.create_task(service.run())
    await manager.until("READY=1", "STATUS=no signal from ws://127.0.0.1:1/ws: ", "no ledger: saved in the journal")
    assert "STOPPING=1" not in manager.said
    service.stop()
    assert await running == 0
    assert "STOPPING=1" in manager.listen()


@pytest.mark.parametrize("reads", [True, False], ids=["a manager that reads", "one that does not"])
def test_who_is_off_ends_only_once_that_was_read(manager: Manager, tmp_path: Path, reads: bool) -> None:
    """Else systemd might see the process end before it was ready, and count a failure."""
    read: list[str] = []

    def read_all() -> None:
        manager._socket.setblocking(True)
        while "BARRIER=1" not in read:
            message, descriptors, _, _ = socket.recv_fds(manager._socket, 65_536, 1)
            read.append(message.decode())
            for descriptor in descriptors:
                os.close(descriptor)

    reading = threading.Thread(target=read_all, daemon=True)
    if reads:
        threading.Timer(0.2, reading.start).start()
    Notifier(manager.address).off("off: as it should be", within_s=60 if reads else 0.1)
    assert read == (["READY=1\nSTATUS=off: as it should be", "BARRIER=1"] if reads else [])
    Notifier(None).off("nobody listens")
    Notifier(str(tmp_path / "gone")).off("nobody listens", within_s=0.1)
