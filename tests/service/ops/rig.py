"""A tap in a process of its own, looked at over its ops face, and a multicam-server that says what a test tells it."""

from __future__ import annotations

import http.client
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

PATIENCE_S = 300.0
"""For what has to come about, on a machine that is busy with other things."""
CAMERAS = [{"id": "a", "name": "Anna"}, {"id": "b", "name": "Ben"}, {"id": "c", "name": "Chris"}]

_quiet = logging.getLogger("tests.ops.server")
_quiet.propagate = False


def eventually(what: Callable[[], Any], within: float = PATIENCE_S) -> Any:
    """What a function gives as soon as that is true."""
    end, pause = time.monotonic() + within, threading.Event()
    while not (found := what()):
        assert time.monotonic() < end, "it did not come about"
        pause.wait(0.02)
    return found


class Server:
    """A multicam-server in words: ``say`` frames to whoever listens; its state greets those who come."""

    def __init__(self) -> None:
        self.url = ""
        self.program: str | None = "a"
        self.session: dict[str, Any] | None = None
        self.cameras: list[dict[str, Any]] = CAMERAS
        self.silent = False
        """Accept, and say nothing at all."""
        self.refusing = False
        """Answer that the server is away."""
        self._listening: set[ServerConnection] = set()
        self._ids = 0

    @property
    def listeners(self) -> int:
        return len(self._listening)

    def say(self, *frames: dict[str, Any]) -> None:
        for frame in frames:
            text = json.dumps({"ts": round(time.time() * 1000), **frame})
            for connection in list(self._listening):
                with suppress(ConnectionClosed):
                    connection.send(text)

    def start(self, title: str = "Spring lookbook") -> None:
        self._ids += 1
        self.session = {"id": f"s{self._ids}", "title": title, "started_at": round(time.time() * 1000)}
        self.say({"type": "session_started", "session": self.session})

    def end(self) -> None:
        if self.session is not None:
            self.say({"type": "session_ended", "session_id": self.session["id"]})
        self.session = None

    def cut(self, to: str) -> None:
        self._ids += 1
        before, self.program = self.program, to
        self.say({"type": "cut", "cut_id": f"cut-{self._ids}", "to": to, "from": before, "trigger": "operator"})

    def drop(self) -> None:
        """Lose everybody, as a server that restarts does."""
        for connection in list(self._listening):
            connection.close(1012)

    def admit(self, connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "away") if self.refusing else None

    def handle(self, connection: ServerConnection) -> None:
        if not self.silent:
            greeting: tuple[dict[str, Any], ...] = (
                {"type": "hello", "boot_id": "b1"},
                {
                    "type": "state",
                    "mode": "photoshoot",
                    "session": self.session,
                    "program": self.program,
                    "cameras": [{**camera, "online": True} for camera in self.cameras],
                },
            )
            for frame in greeting:
                connection.send(json.dumps({"ts": round(time.time() * 1000), **frame}))
        self._listening.add(connection)
        try:
            for _ in connection:
                raise AssertionError("the tap sent data")
        except ConnectionClosed:
            pass
        finally:
            self._listening.discard(connection)


@contextmanager
def server() -> Iterator[Server]:
    """One on a free port."""
    made = Server()
    with serve(made.handle, "127.0.0.1", 0, logger=_quiet, process_request=made.admit) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        made.url = f"ws://127.0.0.1:{running.socket.getsockname()[1]}/ws/control"
        yield made
        running.shutdown()
        thread.join()


class Answer:
    """What was answered to a request."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Tap:
    """A tap that runs."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state
        self.url = ""
        self.log: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def health(self) -> tuple[int, dict[str, Any]]:
        answer = self.get("/healthz")
        return answer.status, answer.json

    def reasons(self) -> dict[str, dict[str, Any]]:
        return {reason["name"]: reason for reason in self.health()[1]["reasons"]}

    def now(self) -> dict[str, Any]:
        said: dict[str, Any] = self.get("/status.json").json["now"]
        return said

    def metric(self, line: str) -> float:
        """The value of a series, written as the exposition writes it."""
        for told in self.get("/metrics").body.decode().splitlines():
            name, _, value = told.rpartition(" ")
            if name == line:
                return float(value)
        raise AssertionError(f"there is no {line}")

    def told(self, message: str) -> dict[str, Any] | None:
        """The first line of the log that says so."""
        return next((line for line in list(self.log) if line.get("message") == message), None)

    def served(self) -> dict[str, Any] | None:
        """What it says once it can be looked at; fails with all that it said where it has ended."""
        assert self.process.poll() is None, "".join(self.said)
        return self.told("the live page is served")

    def stop(self) -> int:
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            with suppress(ValueError):
                self.log.append(json.loads(line))


def environment(url: str, state: Path, **more: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    return environ | {
        "TAP_SERVER_URL": url,
        "TAP_VENUE": "studio-a",
        "TAP_STATE_DIR": str(state),
        "TAP_OPS_LISTEN": "127.0.0.1:0",
        "TAP_LOG_FORMAT": "json",
        **more,
    }


@contextmanager
def started(url: str, state: Path, **more: str) -> Iterator[Tap]:
    """A tap as a process; it is not waited for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tap.cli", "run"],
        env=environment(url, state, **more),
        stderr=subprocess.PIPE,
        text=True,
    )
    tap = Tap(process, state)
    try:
        yield tap
    finally:
        process.kill()
        process.wait()
        tap._reader.join(PATIENCE_S)
        assert process.stderr is not None
        process.stderr.close()


@contextmanager
def tapped(url: str, state: Path, **more: str) -> Iterator[Tap]:
    """A tap whose ops face answers."""
    with started(url, state, **more) as tap:
        tap.url = eventually(tap.served)["url"]
        yield tap
