"""What a start costs: what is loaded by the time the service listens, and what only once somebody asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import orjson

HEAVY = {
    "PIL": "pictures of a report",
    "aiohttp": "the live page and the ledger",
    "convex": "the ledger",
    "jinja2": "a report",
    "opentimelineio": "an export",
    "prometheus_client": "metrics",
    "pygments": "colours",
    "rich": "tables on a terminal",
    "tap.api": "the Python face",
    "tap.history": "reports and exports",
    "tap.rehearsal": "the simulator",
    "tap.adapters.ledger": "the ledger",
    "tap.service.running.publishing.publisher": "the ledger",
    "tap.service.ops.pages": "the live page",
}
"""What a service that only records has no use for, and for what it would be."""

RUN = """
import os, sys, threading
from tap.cli import main

def tell():
    for line in sys.stdin:
        print(" ".join(sorted(sys.modules)), flush=True)

threading.Thread(target=tell, daemon=True).start()
main()
"""


@contextmanager
def running(state: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A tap as shipped, once it listens, and the address of its live page."""
    settings = {
        "TAP_STATE_DIR": str(state),
        "TAP_SERVER_URL": "ws://127.0.0.1:9/nobody",
        "TAP_OPS_LISTEN": "127.0.0.1:0",
        "TAP_VENUE": "hall",
        "TAP_LOG_FORMAT": "json",
    }
    bare = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=bare | settings,
    )
    try:
        assert process.stderr is not None
        heard = [orjson.loads(process.stderr.readline())]
        while heard[-1]["message"] != "the live page is served":
            heard.append(orjson.loads(process.stderr.readline()))
        assert "listening" in [said["message"] for said in heard]
        yield process, heard[-1]["url"]
    finally:
        process.terminate()
        process.communicate(timeout=300)


def loaded(process: subprocess.Popen[bytes]) -> set[str]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return set(process.stdout.readline().decode().split())


def test_what_is_loaded_when_it_listens(tmp_path: Path) -> None:
    """With every feature as shipped: nothing of what a look, a report or the ledger would need."""
    with running(tmp_path) as (process, _):
        modules = loaded(process)
    assert "tap.service.running.daemon" in modules
    assert modules & HEAVY.keys() == set()


def test_who_looks_is_answered_all_the_same(tmp_path: Path) -> None:
    """The first look loads what answers it; those that come at the same time wait for it too."""
    asked = ("healthz", "status.json", "metrics", "", "", "nothing")
    with running(tmp_path) as (process, url):
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda path: _ask(url + path), asked))
        assert answers == [200, 200, 200, 200, 200, 404]
        assert {"aiohttp", "prometheus_client"} <= loaded(process)


def _ask(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own address
            assert answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
