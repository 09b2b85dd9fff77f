"""The local ledger (``convex/local``) as a process: the served functions themselves over HTTP, faults on request."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from tap.adapters.ledger import Ledger

CONVEX = Path(__file__).parents[2] / "convex"
START = CONVEX / "local" / "start.mjs"
ADMIN = SecretStr("admin-key-of-the-tests")


def key_of(venue: str) -> SecretStr:
    """The ingest key of a venue in these tests; each venue has its own, or it would be for none."""
    return SecretStr(f"ingest-key-of-{venue}")


def _digest(key: SecretStr) -> str:
    return hashlib.sha256(key.get_secret_value().encode()).hexdigest()


class Local:
    """A local ledger that runs, with venues of their own for many tests."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, venues: Iterable[str], module: str) -> None:
        self.process = process
        self.url = url
        self.module = module
        """The module of the ledger's functions in what is served."""
        self._venues = iter(venues)

    def venue(self) -> str:
        """A venue that nobody has used yet."""
        return next(self._venues)

    def key(self, venue: str) -> SecretStr:
        """The venue's own key."""
        return key_of(venue)

    def ledger(self, venue: str, **options: Any) -> Ledger:
        return Ledger(self.url, key_of(venue), module=self.module, **options)

    def call(self, kind: str, path: str, **args: Any) -> Any:
        """A function of the app that is served, as its own pages call it; its value."""
        said = self._post(f"/api/{kind}", {"path": path, "args": args, "format": "json"})
        assert said["status"] == "success", said
        return said["value"]

    def fault(self, kind: str, **how: Any) -> None:
        self._control("POST", {"kind": kind, **how})

    def clear(self) -> None:
        self._control("DELETE", None)

    def waiting(self) -> list[Any]:
        """The faults that have not happened yet."""
        said = self._control("GET", None)
        faults: list[Any] = said["faults"]
        return faults

    def _control(self, method: str, body: Any) -> Any:
        return self._ask(method, "/_fault", body)

    def _post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Any) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=300)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            return json.load(connection.getresponse())
        finally:
            connection.close()


@contextmanager
def local_ledger(
    venues: int | Iterable[str] = 1,
    *,
    port: int = 0,
    data: Path | None = None,
    keys: str | None = None,
    app: str = "ledger",
) -> Iterator[Local]:
    """Run one; skips the test where Node or the packages of ``convex/`` are missing. ``keys`` replaces the venues'.

    ``app``: ``ledger``, the tables of one of the owners in ``convex/example-existing`` (``a``, ``b``), or ``0.1.0``.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("the local ledger needs node")
    if not (CONVEX / "node_modules").is_dir():
        pytest.skip("the local ledger needs its packages: cd convex && npm ci")
    named = [f"venue-{number}" for number in range(venues)] if isinstance(venues, int) else list(venues)
    configured = " ".join(f"{venue}:{_digest(key_of(venue))}" for venue in named) if keys is None else keys
    environ = os.environ | {"PRODUCTION_INGEST_KEYS": configured, "PRODUCTION_ADMIN_KEYS": _digest(ADMIN)}
    command = [node, str(START), "--faults", "--exit-with-stdin", "--port", str(port), "--app", app]
    command += [] if data is None else ["--data", str(data)]
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        local = Local(process, ready(process)["url"], named, "tap" if app in ("a", "b") else "production")
        if app == "a":
            for venue in named:  # an organisation each, which every session of this owner's must name
                local.call("mutation", "shoots:addOrganization", name=venue)
        yield local
    finally:
        end(process)


def ready(process: subprocess.Popen[bytes], within: float = 300) -> Any:
    """What a server says of itself once it listens."""
    assert process.stdout is not None
    said, _, _ = select.select([process.stdout], [], [], within)
    line = process.stdout.readline() if said else b""
    assert line, f"it did not start (exit code {process.poll()})"
    return json.loads(line)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(300)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
