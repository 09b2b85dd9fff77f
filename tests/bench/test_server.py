"""The bench's server speaks WebSocket as a real one does, compressed too; the clients here are websockets' own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from bench.load import Load, greeting
from bench.server import Server, serving


@contextmanager
def listener(server: Server, compression: str | None = None) -> Iterator[list[bytes]]:
    """Somebody who reads all there is; what was heard."""
    heard: list[bytes] = []

    def listen() -> None:
        with connect(server.url, compression=compression, max_size=None, proxy=None) as socket:
            try:
                heard.extend(message.encode() if isinstance(message, str) else message for message in socket)
            except ConnectionClosed:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        thread.join(300)


@pytest.mark.parametrize("deflate", [False, True])
def test_a_burst_brings_greeting_and_load_byte_for_byte(deflate: bool) -> None:
    """Compressed or not; when it returns, the listener has read all of it."""
    with (
        serving([("mixed", 300)], deflate=deflate) as server,
        listener(server, "deflate" if deflate else None) as heard,
    ):
        server.accept()
        server.burst(100)
        server.burst(200)
        server.part()
    assert heard == [*greeting(), *Load().mixed(300)]


def test_frames_come_at_the_rate_and_every_cut_has_its_time() -> None:
    with serving([("cuts", 40)]) as server, listener(server) as heard:
        server.accept()
        sent = server.steady(200, 0.2).sent
        server.part()
    assert list(sent) == [orjson.loads(frame)["cut_id"] for frame in heard[2:]]
    times = list(sent.values())
    assert times == sorted(times)
    assert times[-1] - times[0] >= 0.19


def test_each_pinged_frame_has_a_wait() -> None:
    with serving([("telemetry", 50)]) as server, listener(server):
        server.accept()
        waits = server.steady(200, 0.25, ping_every=5).waits_ms
        server.part()
    assert len(waits) == 10
    assert all(wait > 0 for wait in waits)


def test_a_listener_that_hangs_up_is_told() -> None:
    """Frames that nobody reads cost nothing, and must not be measured."""
    with serving([("mixed", 5_000)]) as server:

        def look_in() -> None:
            with connect(server.url, compression=None, proxy=None):
                return

        thread = threading.Thread(target=look_in, daemon=True)
        thread.start()
        server.accept()
        thread.join(300)
        with pytest.raises(RuntimeError, match="no listener is there: has it hung up"):
            server.steady(1_000, 5.0)


def test_pings_are_answered_while_nothing_is_sent_and_while_frames_come() -> None:
    """Who gets no answer for 40 s hangs up, and would cost nothing from there on."""
    with serving([("telemetry", 100)]) as server:
        answered = []
        over = threading.Event()

        def ask() -> None:
            # With a bound on frames that wait, no answer would be read behind them on a busy machine.
            with connect(server.url, compression=None, proxy=None, ping_interval=None, max_queue=None) as socket:
                for _ in range(2):
                    answered.append(socket.ping().wait(300))
                    socket.recv()
                for _ in range(100):
                    socket.recv()
                    answered.append(socket.ping().wait(300))
                over.wait(300)  # who hangs up while the server still sends is an error to it

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        server.accept()
        server.steady(200, 0.5)
        over.set()
        thread.join(300)
        assert answered == [True] * 102


def test_a_load_is_never_sent_twice_on_one_connection() -> None:
    """Cuts that were told before would cost less than new ones."""
    with serving([("cuts", 10)]) as server, listener(server):
        server.accept()
        server.burst(10)
        with pytest.raises(RuntimeError, match="the load has 10 frames, and 11 were requested"):
            server.burst(1)
        server.part()
