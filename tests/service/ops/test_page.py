"""The live page in a real browser: it shows what happens as it happens, and harms nobody; it says when it is lost."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.service.ops.rig import PATIENCE_S, Server, Tap, eventually, server, started, tapped
from tests.service.ops.test_heading import SCENES, fades, lands, obs

WIDTHS = {"phone": 390, "desktop": 1280}
HOSTILE = (
    "<img src=x onerror='window.pwned=1'>",
    "<script>window.pwned=1</script>",
    "\u202egnp.exe\u202c",
    "\x1b[31mred\x00\x07",
    "كاميرا المسرح",
    "x" * 5_000,
    "'\"><svg/onload=alert(1)>",
    "\u0301" * 400,
    "a\u2028b\u2029c\nd",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("the live page is looked at with chromium, which is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Tap]]:
    with server() as playing, tapped(playing.url, tmp_path_factory.mktemp("page") / "state") as tap:
        yield playing, tap


@pytest.fixture
def venue(running: tuple[Server, Tap]) -> Iterator[tuple[Server, Tap]]:
    """A server that is listened to, Anna on program, no session."""
    playing, tap = running
    eventually(lambda: playing.listeners)
    if playing.program != "a":
        playing.cut("a")
    eventually(lambda: (tap.now()["program"] or {}).get("cameraId") == "a")
    yield playing, tap
    playing.end()
    eventually(lambda: tap.now()["session"] is None)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: refused by the policy, thrown, not found."""
    return []


def opened(browser: Browser, tap: Tap, complaints: list[str], **options: Any) -> Page:
    page = browser.new_page(**options)
    page.set_default_timeout(PATIENCE_S * 1000)
    expect.set_options(timeout=PATIENCE_S * 1000)

    def heard(message: ConsoleMessage) -> None:
        # That the tap cannot be reached for a while is what some of these tests are about.
        if message.type == "error" and "ERR_CONNECTION" not in message.text and "ERR_INCOMPLETE" not in message.text:
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(tap.url)
    expect(page.locator("#venue")).to_have_text("studio-a")
    return page


@pytest.mark.slow
def test_without_a_session_it_says_what_it_waits_for(
    venue: tuple[Server, Tap], browser: Browser, complaints: list[str]
) -> None:
    playing, tap = venue
    page = opened(browser, tap, complaints)
    expect(page.locator("#program")).to_have_text("No session is running.")
    expect(page.locator("#role")).to_have_text(
        "The next one begins when multicam-server starts one. On program meanwhile: Anna"
    )
    expect(page.locator("#health-words")).to_have_text("Ready to record locally")
    playing.start("Evening show")
    expect(page.locator("#session")).to_have_text("Evening show")
    expect(page.locator("#air-label")).to_have_text("On air")
    playing.end()
    # The end of a shoot is its card, in the place of a picture of nothing.
    expect(page.locator("#card-title")).to_have_text("Evening show")
    expect(page.locator("#air")).to_be_hidden()
    expect(page.locator("#card-body .files a")).to_have_count(6)
    page.locator("#card-close").click()
    expect(page.locator("#air-label")).to_have_text("Waiting")
    assert complaints == []


def test_a_cut_is_pushed_to_the_page(venue: tuple[Server, Tap], browser: Browser, complaints: list[str]) -> None:
    """Each is shown without the page's asking for it: nobody waits for the next look."""
    playing, tap = venue
    page = opened(browser, tap, complaints)
    playing.start()
    expect(page.locator("#air.live")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for to, name in (("b", "Ben"), ("c", "Chris"), ("a", "Anna"), ("b", "Ben"), ("c", "Chris")):
        playing.cut(to)
        expect(page.locator("#program")).to_have_text(name)
    assert asked == []
    expect(page.locator("#happened li.cut")).to_have_count(5)
    expect(page.locator("#happened li.cut .said").first).to_have_text("Ben→Chris operator")
    expect(page.locator(".lane.on .name")).to_have_text("Chris")
    expect(page.locator(".blocks .live")).to_have_count(1)
    expect(page).to_have_title("● Chris – studio-a")
    assert complaints == []


def test_holds_stills_and_gaps_are_drawn_as_they_happen(
    venue: tuple[Server, Tap], browser: Browser, complaints: list[str]
) -> None:
    playing, tap = venue
    page = opened(browser, tap, complaints)
    playing.start()
    expect(page.locator("#air.live")).to_be_visible()
    playing.say({"type": "hold", "hold_id": "h1", "camera_id": "a"})
    expect(page.locator("#hold")).to_be_visible()
    playing.say({"type": "still_requested", "still_id": "st-1", "camera_ids": ["a", "b"]})
    expect(page.locator(".blocks .still.requested")).to_have_count(2)
    playing.say({"type": "still_captured", "still_id": "st-1", "camera_id": "a"})
    playing.say({"type": "still_uploaded", "still_id": "st-1", "camera_id": "a", "storage_key": "k"})
    playing.say({"type": "still_failed", "still_id": "st-1", "camera_id": "b", "reason": "no space"})
    expect(page.locator(".blocks .still.uploaded")).to_have_count(1)
    expect(page.locator(".blocks .still.failed")).to_have_count(1)
    expect(page.locator("#stills")).to_have_text("1 of 2, 1 failed")
    playing.say({"type": "release", "hold_id": "h1"})
    expect(page.locator("#hold")).to_be_hidden()
    expect(page.locator(".blocks .held")).not_to_have_count(0)
    playing.program = "b"
    playing.drop()
    expect(page.locator("#happened .gap-row").first).to_contain_text("no signal for")
    expect(page.locator("#program")).to_have_text("Ben")
    expect(page.locator(".blocks .gap")).to_have_count(3)
    assert complaints == []


@pytest.mark.parametrize(("width", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_hostile_names_are_only_names(
    tmp_path: Path, browser: Browser, complaints: list[str], width: str, scheme: Any
) -> None:
    """No script of theirs runs, nothing is wider than the screen, no control character gets onto the page."""
    with server() as playing:
        playing.cameras = [{"id": f"{name}/{n}", "name": name, "role": name} for n, name in enumerate(HOSTILE)]
        playing.program = playing.cameras[0]["id"]
        with tapped(playing.url, tmp_path / "state") as tap:
            eventually(lambda: playing.listeners)
            page = opened(
                browser, tap, complaints, viewport={"width": WIDTHS[width], "height": 800}, color_scheme=scheme
            )
            playing.start("<b>bold</b>" + "wide" * 500)
            expect(page.locator("#air.live")).to_be_visible()
            for camera in playing.cameras:
                playing.cut(camera["id"])
                playing.say({"type": HOSTILE[1]}, {"type": "mode_changed", "to": HOSTILE[0]})
            expect(page.locator(".lane")).to_have_count(len(HOSTILE))
            expect(page.locator("#happened li.cut")).to_have_count(len(HOSTILE) - 1)
            assert page.evaluate("document.querySelectorAll('img, svg, b, script:not([src])').length") == 0
            assert page.evaluate("window.pwned === undefined")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            shown = page.evaluate("document.body.textContent")
            assert not set(shown) & {"\x1b", "\x00", "\x07", "\u202e", "\u2028"}
            page.close()
    assert complaints == []


def test_lost_contact_is_told_and_mended_by_itself(tmp_path: Path, browser: Browser, complaints: list[str]) -> None:
    """The tap goes, the page says so and dates what it shows; it comes back, and the page goes on with all of it."""
    with server() as playing:
        with tapped(playing.url, tmp_path / "state") as tap:
            eventually(lambda: playing.listeners)
            page = opened(browser, tap, complaints)
            playing.start()
            expect(page.locator("#air.live")).to_be_visible()
            playing.cut("b")
            expect(page.locator("#program")).to_have_text("Ben")
            assert tap.stop() == 0
        expect(page.locator("#lost")).to_be_visible()
        expect(page.locator("#lost-words")).to_contain_text("as of")
        address = urlsplit(tap.url).netloc
        with started(playing.url, tmp_path / "state", TAP_OPS_LISTEN=address):
            expect(page.locator("#lost")).to_be_hidden()
            # What was before the restart comes from the journal.
            expect(page.locator("#happened li.cut .said").first).to_have_text("Anna→Ben operator")
            expect(page.locator("#happened .gap-row").first).to_contain_text("tap restart")
            playing.cut("c")
            expect(page.locator("#program")).to_have_text("Chris")
        page.close()
    assert complaints == []


@pytest.mark.slow
def test_a_tap_that_hangs_counts_as_lost(venue: tuple[Server, Tap], browser: Browser, complaints: list[str]) -> None:
    """The connection stands and nothing comes: five seconds, and the page says so."""
    playing, tap = venue
    page = opened(browser, tap, complaints)
    os.kill(tap.process.pid, signal.SIGSTOP)
    expect(page.locator("#lost")).to_be_visible()
    os.kill(tap.process.pid, signal.SIGCONT)
    expect(page.locator("#lost")).to_be_hidden()
    assert playing.listeners
    page.close()


def test_what_is_not_as_it_should_be_stands_on_the_page_with_what_to_do(
    venue: tuple[Server, Tap], browser: Browser, complaints: list[str]
) -> None:
    playing, tap = venue
    page = opened(browser, tap, complaints)
    playing.start()
    expect(page.locator("#air.live")).to_be_visible()
    playing.refusing = True
    playing.drop()
    expect(page.locator("#health.failing")).to_be_visible()
    expect(page.locator("#reasons li.failing strong")).to_contain_text("in the middle of a session")
    expect(page.locator("#reasons li.failing span")).to_contain_text("TAP_SERVER_URL")
    expect(page.locator("#air-label")).to_have_text("Last seen on air")
    playing.refusing = False
    expect(page.locator("#health:not(.failing)")).to_be_visible()
    page.close()


@pytest.mark.slow
def test_the_keyboard_reaches_everything(venue: tuple[Server, Tap], browser: Browser, complaints: list[str]) -> None:
    """The first stop leads past the lanes; the window of the lanes is chosen with the arrow keys."""
    playing, tap = venue
    page = opened(browser, tap, complaints)
    playing.start()
    expect(page.locator("#air.live")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "600000"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('input[name=span]:checked').value") == "3600000"
    expect(page.locator("#lanes-words")).to_contain_text("Anna: ")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "track"
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#detail-words")).to_contain_text("Anna on air since")
    page.close()


def test_where_a_fade_leads_stands_beside_what_is_on_air(
    tmp_path: Path, browser: Browser, complaints: list[str]
) -> None:
    """From its beginning until it is there; a name is only a name."""
    with obs() as playing, tapped(playing.url, tmp_path / "state", TAP_DIALECT="obs") as tap:
        page = opened(browser, tap, complaints)
        expect(page.locator("#program")).to_have_text(SCENES[0])
        fades(playing, tap)
        expect(page.locator("#role")).to_have_text(f"→ {SCENES[1]} (Fade)")
        lands(playing)
        expect(page.locator("#program")).to_have_text(SCENES[1])
        expect(page.locator("#role")).to_have_text("")
    assert [line for line in complaints if "ERR_" not in line] == []
