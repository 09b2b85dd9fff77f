"""Makes the pictures in docs/screenshots: a real service, a simulated shoot, the local ledger, a real browser.

``make screenshots`` makes all of them; ``python docs/make_screenshots.py ops`` only those whose name begins so. A set
of pictures is a function that takes the ``Studio``, and stands in ``PICTURES``.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "docs" / "screenshots"
TAP = [sys.executable, "-m", "tap.cli"]
VENUE = "studio-a"
SHOOT = ("--seed", "29", "--cameras", "5", "--length", "300", "--faults", "reconnect", "--venue", VENUE)
SHOWN_AFTER_S = 137
"""Seconds of the session that are on the pictures: gaps, holds, and stills that are on their way."""
SIZES = {"desktop": (1280, 1010, 1.0), "phone": (390, 844, 2.0)}
TERMINAL = TerminalTheme(
    (16, 19, 24),
    (222, 226, 230),
    [
        (16, 19, 24),
        (224, 86, 86),
        (92, 184, 122),
        (214, 171, 77),
        (104, 151, 220),
        (188, 128, 208),
        (92, 178, 190),
        (222, 226, 230),
    ],
    [
        (110, 118, 128),
        (255, 92, 92),
        (104, 206, 138),
        (240, 196, 92),
        (126, 174, 246),
        (214, 150, 236),
        (112, 204, 216),
        (255, 255, 255),
    ],
)


class Studio:
    """What the pictures are taken of: made once, when the first asks for it."""

    def __init__(self, folder: Path, browser: Browser, stack: ExitStack) -> None:
        self.folder = folder
        self.browser = browser
        self._stack = stack
        self._environ: dict[str, str] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the venue whose service runs, in the middle of its shoot."""
        if self._environ is None:
            self._environ = self._stack.enter_context(shoot(self.folder))
        return self._environ

    @property
    def page(self) -> str:
        """The address of the live page."""
        return f"http://{self.environ['TAP_OPS_LISTEN']}/"

    def session(self) -> str:
        """The key of the session that runs."""
        return str(ask(self.page + "status.json")["sessions"][0]["key"])

    def photograph(
        self,
        url: str,
        name: str,
        size: str,
        scheme: Any,
        *,
        before: Callable[[Any], None] | None = None,
        whole: bool = False,
    ) -> None:
        """A picture of a page; ``before`` readies it."""
        width, height, scale = SIZES[size]
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=scale
        )
        page = context.new_page()
        page.goto(url)
        page.wait_for_load_state("load")
        if before is not None:
            before(page)
        keep(page.screenshot(full_page=whole), name)
        context.close()

    def terminal(self, name: str, *arguments: str, columns: int = 100, lines: int | None = None) -> None:
        """A picture of what a command prints on a terminal."""
        environ = self.environ | {"COLUMNS": str(columns), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        done = subprocess.run([*TAP, *arguments], env=environ, capture_output=True, text=True, check=False)
        told = done.stdout.rstrip("\n").split("\n")
        shown = told if lines is None or len(told) <= lines else [*told[:lines], "…"]
        console = Console(record=True, width=columns, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
        console.print(Text(f"$ multicam-tap {' '.join(arguments)}", style="bold"))
        for line in shown:
            console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
        svg = console.export_svg(title="", theme=TERMINAL, font_aspect_ratio=0.6)
        # The page's own fonts, and no others: pictures are made without a network.
        svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", "DejaVu Sans Mono, Noto Sans Mono")
        page = self.browser.new_page(device_scale_factor=1.35)
        page.set_content(f"<body style='margin:0;width:{columns * 9}px'>{svg}</body>")
        keep(page.locator("svg").screenshot(omit_background=True), name)
        page.close()


# ---------------------------------------------------------------------------------------------- the pictures


def ops(studio: Studio) -> None:
    """The live page in the middle of a shoot."""

    def ready(page: Any) -> None:
        page.locator("#air.live").wait_for()
        page.locator("#sessions li").first.wait_for()
        page.locator("input[value='600000']").check(force=True)
        page.wait_for_timeout(300)

    for size in SIZES:
        for scheme in ("light", "dark"):
            studio.photograph(studio.page, f"ops-{size}-{scheme}", size, scheme, before=ready)


def moments(studio: Studio) -> None:
    """The live page at five moments, told by a stage: before, in a quiet shoot, ledger away, server away, after."""
    sys.path.insert(0, str(ROOT))
    live = importlib.import_module("tests.browser.test_live")
    for moment, (begin, words) in live.MOMENTS.items():
        with importlib.import_module("tests.browser.stage").stage() as play:
            begin(play)

            def ready(page: Any, words: str = words, moment: str = moment) -> None:
                page.get_by_text(words, exact=True).wait_for()
                if moment == "after":
                    page.locator("#card-body .tiles").wait_for()
                page.wait_for_timeout(500)

            for size, scheme in (("desktop", "light"), ("phone", "dark")):
                name = f"moment-{moment.replace(' ', '-')}-{size}"
                studio.photograph(play.url, name, size, scheme, before=ready, whole=size == "phone")
    with importlib.import_module("tests.browser.stage").stage() as play:
        for camera, name in (("c0", "on"), ("c1", "off")):
            url = f"{play.url}/tally?camera={camera}"
            studio.photograph(url, f"tally-{name}", "phone", "dark", before=lambda page: page.wait_for_timeout(1500))


def terminal(studio: Studio) -> None:
    """What the commands say meanwhile."""
    studio.terminal("status", "status")
    studio.terminal("check", "check", columns=120)
    studio.terminal("timeline", "timeline", studio.session(), columns=120, lines=26)


PICTURES: dict[str, Callable[[Studio], None]] = {"moments": moments, "ops": ops, "terminal": terminal}


# ---------------------------------------------------------------------------------------------- the shoot


@contextmanager
def shoot(folder: Path) -> Iterator[dict[str, str]]:
    """A venue's service in the middle of a shoot: its environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "PRODUCTION_"))}
    with ExitStack() as stack:
        key, ledger = stack.enter_context(local_ledger(folder, clean))
        simulator = stack.enter_context(process([*TAP, "simulate", *SHOOT], clean))
        url = re.search(r"ws://\S+", said_by(simulator))
        if url is None:
            raise SystemExit("the simulator did not start")
        environ = clean | {
            "TAP_SERVER_URL": url.group(),
            "TAP_VENUE": VENUE,
            "TAP_STATE_DIR": str(folder / "state"),
            "TAP_OPS_LISTEN": f"127.0.0.1:{free_port()}",
            "TAP_CONVEX_URL": ledger,
            "TAP_INGEST_KEY_FILE": str(key),
            "TAP_LOG_FORMAT": "json",
            "TAP_TIMEZONE": "Europe/Berlin",
        }
        stack.enter_context(process([*TAP, "run"], environ))
        print(f"a shoot of {SHOWN_AFTER_S} s is played …", file=sys.stderr)
        until(f"http://{environ['TAP_OPS_LISTEN']}/status.json", lasts_long_enough)
        yield environ


def lasts_long_enough(status: dict[str, Any]) -> bool:
    session = status["now"]["session"]
    return session is not None and status["now"]["now"] - session["startedAt"] > SHOWN_AFTER_S * 1000


def until(url: str, enough: Callable[[dict[str, Any]], bool], within: float = 600) -> None:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if enough(ask(url)):
                return
        except OSError:
            pass  # it has only just begun
        time.sleep(0.2)
    raise SystemExit("the shoot did not come to the moment of the pictures")


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        said: dict[str, Any] = json.load(answer)
    return said


@contextmanager
def local_ledger(folder: Path, environ: dict[str, str]) -> Iterator[tuple[Path, str]]:
    """The local ledger with a key of the venue: the key's file, the ledger's address."""
    made = subprocess.run([*TAP, "key", "new", VENUE], env=environ, capture_output=True, text=True, check=True)
    key, line, _ = made.stdout.splitlines()
    file = folder / "ingest-key"
    file.touch(mode=0o600)
    file.write_text(key)
    command = ["node", str(ROOT / "convex" / "local" / "start.mjs"), "--exit-with-stdin"]
    granted = environ | {"PRODUCTION_INGEST_KEYS": f"{VENUE}:{json.loads(shlex.split(line)[-1])['digest']}"}
    with process(command, granted) as node:
        yield file, json.loads(said_by(node))["url"]


@contextmanager
def process(command: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def said_by(running: subprocess.Popen[str]) -> str:
    return running.stdout.readline() if running.stdout is not None else ""


def free_port() -> int:

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def keep(png: bytes, name: str) -> None:
    path = SCREENSHOTS / f"{name}.png"
    path.write_bytes(png)
    print(f"{path.relative_to(ROOT)}  {len(png) // 1000} kB")


def main(names: list[str]) -> int:
    """Make the pictures whose set is named, or all of them."""
    wrong = [name for name in names if name not in PICTURES]
    if wrong:
        print(f"there are no pictures {', '.join(wrong)}: there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("make screenshots needs chromium (apt-get install chromium)", file=sys.stderr)
        return 1
    SCREENSHOTS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        playwright = stack.enter_context(sync_playwright())
        # Chromium's sandbox is not for root.
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        stack.callback(browser.close)
        studio = Studio(folder, browser, stack)
        for name, take in PICTURES.items():
            if not names or name in names:
                take(studio)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
