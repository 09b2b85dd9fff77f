"""The live page's own files, served by a stage that tells it whatever a test wants, however long a shoot that is."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tap.core.standing import STANDINGS, standing_words
from tap.core.status import (
    CameraNow,
    Happening,
    Health,
    JournalNow,
    LedgerNow,
    Now,
    Past,
    ProgramNow,
    Reason,
    ServerNow,
    SessionKept,
    SessionNow,
    Status,
    Totals,
)
from tap.service.ops.guard import HEADERS
from tap.service.ops.pages import _KINDS, _PAGE, _looks

T0 = 1_795_285_800_000
"""2026-11-21T18:30:00Z."""
KEY = "hall/s1"
NAMES = ("Stage left", "Stage right", "Wide", "Drums", "Crowd", "Piano")


def cameras(number: int = 5) -> list[CameraNow]:
    return [CameraNow(f"c{index}", NAMES[index % len(NAMES)], None, True, index % 8) for index in range(number)]


def now(at: int, **more: Any) -> Now:
    """A quiet shoot at this moment; ``more`` changes it."""
    told: dict[str, Any] = {
        "now": at,
        "wall": at,
        "health": health("local"),
        "server": ServerNow("ws://127.0.0.1:9404/ws", True, T0, None, 1, at, None, None, 12_345, {}),
        "journal": JournalNow("/var/lib/tap/journal.db", None, 0, 0, 420, 0, None, 4096, at),
        "ledger": LedgerNow("none", None, None, None, None, 0),
        "waits_for": None,
        "session": SessionNow(KEY, "Winter concert", T0, True, {"cut": 3}, 0, 0, {}),
        "program": ProgramNow("c0", NAMES[0], at - 150_000, True),
        "hold": None,
        "mode": "photoshoot",
        "cameras": cameras(),
        "more_cameras": 0,
        "totals": Totals(
            length_ms=at - T0,
            cuts=3,
            on_air_ms={"c0": 240_000, "c1": 90_000, "c2": 90_000, "c3": 90_000, "c4": 90_000},
            unknown_ms=0,
            holds=0,
            hold_ms=0,
            gaps=0,
            gap_ms=0,
            events={"cut": 3},
        ),
    }
    return Now(**{**told, **more})


def health(standing: str, *reasons: Reason, session: bool = True) -> Health:
    one = STANDINGS[standing]
    state = "failing" if one.colour == "red" else "degraded" if one.colour == "yellow" else "ok"
    words = standing_words(standing, session=session, count=214)
    return Health(state, list(reasons), standing, words, one.colour, one.alarm, one.next_step)  # type: ignore[arg-type]


def cuts(number: int, every_ms: int, *, start: int = T0, of: int = 5) -> list[Happening]:
    """A session's start and so many cuts, one camera after the other."""
    begun = Happening("start", f"start/{KEY}", start, camera="c0", words="Winter concert")
    told = [
        Happening(
            "cut",
            f"cut/{n}",
            start + n * every_ms,
            camera=f"c{n % of}",
            name=NAMES[n % of],
            from_camera=f"c{(n - 1) % of}",
            from_name=NAMES[(n - 1) % of],
            words="operator",
        )
        for n in range(1, number + 1)
    ]
    return [begun, *told]


class Stage:
    """What pages are told."""

    def __init__(self) -> None:
        self.url = ""
        self.now = now(T0 + 600_000)
        self.happenings: list[Happening] = cuts(3, 120_000)
        self.past: Past | None = None
        self.sessions: list[SessionKept] = []
        self.zone = "Europe/Berlin"
        self.pictures = False
        self.cards: dict[str, Any] = {}
        self.asked: list[str] = []
        self._listening: list[queue.SimpleQueue[bytes]] = []

    def tell(self, name: str, said: Any) -> None:
        """News for every page that is open."""
        for one in list(self._listening):
            one.put(_event(name, said))

    def status(self) -> Status:
        return Status(
            "1.0.0",
            "studio-a",
            "multicam/1",
            None,
            4711,
            T0 - 3 * 86_400_000,
            self.now,
            self.sessions,
            zone=self.zone,
            pictures=self.pictures,
        )

    def listen(self) -> queue.SimpleQueue[bytes]:
        mine: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        kinds = {name: list(kind) for name, kind in _KINDS.items()}
        mine.put(_event("hello", {"status": self.status(), "happenings": self.happenings, "kinds": kinds}))
        self._listening.append(mine)
        return mine


def _event(name: str, said: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(said) + b"\n\n"


class _Handler(BaseHTTPRequestHandler):
    stage: Stage

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.stage.asked.append(self.path)
        if url.path == "/events":
            self._events()
        elif url.path == "/looks.css":
            self._answer(200, "text/css", _looks().encode())
        elif url.path == "/status.json":
            self._answer(200, "application/json", msgspec.json.encode(self.stage.status()))
        elif url.path == "/past.json":
            self._answer(200, "application/json", msgspec.json.encode(self.stage.past))
        elif url.path == "/made/card":
            card = self.stage.cards.get(parse_qs(url.query)["session"][0])
            self._answer(410 if card is None else 200, "application/json", json.dumps(card).encode())
        elif url.path in _PAGE:
            name, kind = _PAGE[url.path]
            self._answer(200, kind, resources.files("tap.service.ops").joinpath("page", name).read_bytes())
        else:
            self._answer(404, "text/plain", b"")

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name in ("Content-Security-Policy", "Cache-Control"):
            self.send_header(name, HEADERS[name])
        self.end_headers()
        self.wfile.write(body)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        mine = self.stage.listen()
        try:
            while True:
                try:
                    self.wfile.write(mine.get(timeout=1))
                except queue.Empty:
                    self.wfile.write(_event("now", self.stage.now))
                self.wfile.flush()
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def stage() -> Iterator[Stage]:
    """One on a free port."""
    made = Stage()
    handler = type("Handler", (_Handler,), {"stage": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()
