"""The live page at every width, light and dark, by keyboard, by the axe rules, and through a shoot of twelve hours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from tap.core.status import (
    CameraNow,
    Happening,
    HeadingNow,
    LedgerNow,
    Past,
    ProgramNow,
    Reason,
    ServerNow,
    SessionKept,
)
from tap.history.card import card_json, card_of
from tap.history.timeline import timeline_of
from tests.browser.stage import KEY, NAMES, T0, Stage, cuts, health, now, stage
from tests.history.shoots import invented

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

PATIENCE_MS = 180_000
AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (360, pytest.param(768, marks=pytest.mark.slow), 1440)
SCHEMES = ("light", "dark")
HOSTILE = (
    "<img src=x onerror='window.pwned=1'>",
    "\u202egnp.exe",
    "x" * 3_000,
    "'\"><svg/onload=alert(1)>",
    "\u0301" * 200,
)

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def play() -> Iterator[Stage]:
    with stage() as made:
        yield made


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the live page; whatever it complains of fails the test."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(of: Stage, path: str = "/", *, width: int = 1440, scheme: Any = "light", **more: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(of.url + path)
        if path == "/":
            expect(page.locator("#venue")).to_have_text("studio-a")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [one for one in complaints if "410 (Gone)" not in one] == []


_SMALL = """() => [...document.querySelectorAll('button, a, .span label')]
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([one, box]) => box.width > 0 && !one.classList.contains('skip'))
    .filter(([one, box]) => box.height < 43.9 || box.width < 43.9)
    .map(([one, box]) => `${one.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)"""
"""What is smaller than a finger."""

_CUT_OFF = """() => {
    const clips = (one) => !['visible', 'auto', 'scroll'].includes(getComputedStyle(one).overflowX);
    const found = [];
    for (const one of document.querySelectorAll('body *')) {
        const said = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
        if (!said || one.closest('.hidden, .skip, .blocks, noscript') || one.getClientRects().length === 0) continue;
        const range = document.createRange();
        range.selectNodeContents(one);
        const box = range.getBoundingClientRect();
        for (let around = one; around !== document.body; around = around.parentElement) {
            if (!clips(around)) continue;
            const edge = around.getBoundingClientRect();
            // A line's box is a little higher than its letters.
            const off = Math.max(edge.left - box.left, box.right - edge.right, box.bottom - edge.bottom - 8);
            if (off > 1) found.push(`${one.textContent.slice(0, 80)}: ${Math.round(off)} px`);
        }
    }
    return found;
}"""
"""Texts of which a part cannot be seen."""

_COUNT = """() => {
    window.added = 0;
    const count = (all) => { for (const one of all) window.added += one.addedNodes.length; };
    new MutationObserver(count).observe(document.body, {childList: true, subtree: true});
}"""

_CONTRASTS = """() => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const rgb = (text) => text.startsWith('#')
        ? [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) : text.match(/[\\d.]+/g).map(Number).slice(0, 3);
    const luminance = (text) => rgb(text).map((v) => linear(v / 255))
        .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
    const contrast = (a, b) => {
        const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };
    const fill = (one) => getComputedStyle(one).backgroundColor;
    const ground = fill(document.querySelector('.blocks'));
    const found = {};
    for (const one of document.querySelectorAll('.blocks .past, .blocks .live, .blocks .held, .blocks .uploaded')) {
        found[`${one.className} ${one.closest('.lane').className}`] = contrast(fill(one), ground);
    }
    found.gap = contrast(getComputedStyle(document.documentElement).getPropertyValue('--gap').trim(), ground);
    return found;
}"""
"""How each graphic differs from what it lies on, as WCAG counts it."""


# ---------------------------------------------------------------------------------------------- five moments


_LATE = T0 - 21 * 3_600_000
YESTERDAY = SessionKept("hall/s0", "Rehearsal", "complete", _LATE, _LATE + 2_500_000, 400, 400, 0, 0, [], False)


def before(play: Stage) -> None:
    """Nothing has begun: the server is off since last night's shoot."""
    heard = T0 - 20 * 3_600_000
    away = structs.replace(play.now.server, connected=False, problem="connection refused", last_heard=heard)
    play.sessions = [YESTERDAY]
    play.happenings = []
    play.now = now(
        T0,
        health=health("waiting", session=False),
        server=away,
        session=None,
        program=None,
        totals=None,
        waits_for="multicam-server starts one",
    )


def quiet(play: Stage) -> None:
    """A quiet shoot, with a still of each kind and a hold."""
    play.happenings = [
        *cuts(5, 90_000),
        Happening("hold", "h1", T0 + 100_000, camera="c1", name=NAMES[1]),
        Happening("release", "r1", T0 + 160_000, duration_ms=60_000),
        *(
            Happening("still", f"st/{n}", T0 + 200_000 + n * 40_000, camera=f"c{n}", name=NAMES[n], status=status)
            for n, status in enumerate(("uploaded", "captured", "failed"))
        ),
    ]
    stills = {"uploaded": 1, "captured": 1, "failed": 1}
    at = play.now.now
    play.now = now(
        at,
        session=structs.replace(play.now.session, counts={"cut": 5}, stills=stills),  # type: ignore[type-var]
        totals=structs.replace(play.now.totals, cuts=5, holds=1, hold_ms=60_000),  # type: ignore[type-var]
    )
    running = SessionKept(KEY, "Winter concert", "live", T0, at, 20, 20, 0, 0, [], False)
    play.sessions = [running, YESTERDAY]


def ledger_away(play: Stage) -> None:
    quiet(play)
    words = "the ledger is away: no answer within 10 s; 214 entries wait in the journal"
    step = "check TAP_CONVEX_URL and the network; nothing is lost meanwhile"
    reason = Reason("ledger_away", "degraded", words, step, "behind")
    ledger = LedgerNow("away", "https://happy-otter-123.convex.cloud", T0, "no answer within 10 s", T0 + 420_000, 214)
    play.now = structs.replace(play.now, health=health("behind", reason), ledger=ledger)


def server_away(play: Stage) -> None:
    quiet(play)
    words = "ws://127.0.0.1:9404/ws is away in the middle of a session: connection refused"
    step = "start multicam-server, or check TAP_SERVER_URL and the network; 'multicam-tap check' tries it"
    reason = Reason("server_away", "failing", words, step, "lost")
    server = structs.replace(play.now.server, connected=False, problem="connection refused", last_heard=T0 + 560_000)
    session = structs.replace(play.now.session, seen=False)  # type: ignore[type-var]
    known = {**play.now.totals.on_air_ms, "c0": 200_000}  # type: ignore[union-attr]
    totals = structs.replace(play.now.totals, on_air_ms=known)  # type: ignore[type-var]
    play.now = structs.replace(play.now, health=health("lost", reason), server=server, session=session, totals=totals)


def after(play: Stage) -> None:
    """It is over: its card is open, with stills that are missing."""
    rows = invented(seed=4, cameras=6, minutes=40, cuts=200, stills=14, gaps=2)
    key = rows[0].session_key
    card = json.loads(card_json(card_of(timeline_of(rows))))
    # In the order and the colours that the stage's cameras have.
    card["cameras"].sort(key=lambda one: NAMES.index(one["name"]))
    for colour, one in enumerate(card["cameras"]):
        one["colour"] = colour
    play.cards[key] = card
    over = SessionKept(key, card["title"], "complete", T0, T0 + 2_500_000, 400, 400, 0, 0, [], False)
    play.sessions = [over, YESTERDAY]
    play.happenings = []
    play.now = now(
        T0 + 2_600_000,
        health=health("local", session=False),
        session=None,
        program=None,
        totals=None,
        waits_for="multicam-server starts one",
    )


MOMENTS: dict[str, tuple[Callable[[Stage], None], str]] = {
    "before": (before, "Waiting for the server"),
    "quiet": (quiet, "Recording locally"),
    "ledger away": (ledger_away, "Recording, the ledger is 214 behind"),
    "server away": (server_away, "Nothing is recorded: the server is away"),
    "after": (after, "Ready to record locally"),
}


def settled(page: Page, moment: str, words: str) -> None:
    expect(page.locator("#health-words")).to_have_text(words)
    if moment == "after":
        expect(page.locator("#card-body .tiles")).to_be_visible()


def violations(page: Page) -> list[str]:
    """What the axe rules have against a page: rule and elements."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (npm ci in tests/browser/node)")
    # By a devtools call: the page's own policy lets no script in.
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes']]}" for one in found["violations"]]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_no_rule_of_axe_is_broken_and_nothing_is_wider_than_the_screen(
    play: Stage, opened: Callable[..., Page], moment: str, width: int, scheme: str
) -> None:
    begin, words = MOMENTS[moment]
    begin(play)
    page = opened(play, width=width, scheme=scheme)
    settled(page, moment, words)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert violations(page) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_that_is_said_is_cut_off(play: Stage, opened: Callable[..., Page], moment: str, width: int) -> None:
    """What is the matter and what to do can be read to the end, on a phone too."""
    begin, words = MOMENTS[moment]
    begin(play)
    page = opened(play, width=width)
    settled(page, moment, words)
    assert page.evaluate(_CUT_OFF) == []


def test_before_a_shoot_it_says_what_to_do(play: Stage, opened: Callable[..., Page]) -> None:
    before(play)
    page = opened(play, width=360)
    expect(page.locator("#program")).to_have_text("No session is running.")
    expect(page.locator("#role")).to_have_text(
        "The next one begins when multicam-server starts one. The server is not there. "
        "What to do: nothing; start the server when you need it."
    )
    expect(page.locator("#nothing")).to_have_text("Nothing since the tap started.")


def test_who_is_away_is_dated_where_it_is_read_first(play: Stage, opened: Callable[..., Page]) -> None:
    """And a gap that is still open counts."""
    server_away(play)
    page = opened(play)
    expect(page.locator("#since")).to_have_text("from 19:37:30, no signal since 19:39:20 (0:40)")
    expect(page.locator("#reasons span")).to_contain_text("Last signal 0:40 ago. What to do: start multicam-server")
    expect(page.locator("#gaps")).to_have_text("1 open")
    expect(page.locator(".lane .total").first).to_have_text("3:20")
    play.now = now(T0 + 600_000)
    ledger_away(play)
    page = opened(play)
    expect(page.locator("#reasons span")).to_contain_text("Last answer 3:00 ago. What to do: check TAP_CONVEX_URL")
    expect(page.locator("#gaps")).to_have_text("0")


def test_a_still_that_failed_is_counted_and_said_to_be_taken_again(play: Stage, opened: Callable[..., Page]) -> None:
    quiet(play)
    page = opened(play)
    expect(page.locator("#stills")).to_have_text("1 of 3, 1 failed")
    expect(page.locator("#happened .still-row, #happened .failed").first).to_have_text(
        "19:34:40Stillfailed: Wide to be taken again"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_whatever_is_pressed_is_large_enough_for_a_finger(play: Stage, opened: Callable[..., Page], width: int) -> None:
    """44 px at least: buttons, lanes and links, also on the card."""
    for moment in ("quiet", "after"):
        MOMENTS[moment][0](play)
        page = opened(play, width=width)
        settled(page, moment, MOMENTS[moment][1])
        assert page.evaluate(_SMALL) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_graphic_can_be_told_from_what_it_lies_on(play: Stage, opened: Callable[..., Page], scheme: str) -> None:
    """3:1 at least, as WCAG counts it."""
    play.now = now(T0 + 600_000, cameras=[structs.replace(one) for one in play.now.cameras])
    quiet(play)
    page = opened(play, scheme=scheme)
    expect(page.locator(".blocks .past").first).to_be_visible()
    ratios = page.evaluate(_CONTRASTS)
    assert len(ratios) > 6
    assert {name: ratio for name, ratio in ratios.items() if ratio < 3} == {}


# ---------------------------------------------------------------------------------------------- lanes


def test_the_keyboard_alone_reaches_every_shot_with_its_milliseconds(play: Stage, opened: Callable[..., Page]) -> None:
    """To the lanes by Tab, through one by the arrows, closer by Enter, back by Escape."""
    quiet(play)
    page = opened(play)
    expect(page.locator(".lane")).to_have_count(5)
    page.locator("input[value='600000']").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "track"
    page.keyboard.press("End")
    expect(page.locator("#detail-words")).to_have_text(
        re.compile(r"Stage left on air since 19:37:30\.000, 2:3\d\.\d{3}, operator")
    )
    page.keyboard.press("Home")
    expect(page.locator("#detail-words")).to_have_text(
        "Stage left was on air 19:30:00.000 to 19:31:30.000, 1:30.000, on air at the start"
    )
    page.keyboard.press("Enter")
    expect(page.locator("#unpin")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#unpin")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#detail-words")).to_contain_text("Still of Stage right at 19:34:00.000: taken, on its way")
    expect(page.locator("#announce")).to_contain_text("Still of Stage right")
    expect(page.locator(".blocks .mark")).to_have_count(1)


def test_a_lane_tells_what_is_under_the_mouse_and_keeps_what_is_tapped(
    play: Stage, opened: Callable[..., Page]
) -> None:
    quiet(play)
    page = opened(play, has_touch=True)
    block = page.locator(".lane").nth(1).locator(".blocks .past").first
    box = block.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
    expect(page.locator("#detail-words")).to_contain_text("Stage right was on air 19:31:30.000 to 19:33:00.000")
    page.mouse.move(2, 2)
    expect(page.locator("#detail-words")).to_contain_text("Point at a lane")
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 10)
    page.mouse.move(2, 2)
    expect(page.locator("#detail-words")).to_contain_text("Stage right was on air")


def test_ten_minutes_are_ten_minutes_and_what_was_before_the_session_looks_so(
    play: Stage, opened: Callable[..., Page]
) -> None:
    """A session of a minute takes a tenth of the picture."""
    play.happenings, play.now = cuts(1, 30_000), now(T0 + 60_000)
    page = opened(play)
    lane = page.locator(".lane").first.locator(".blocks")
    expect(lane.locator(".before")).to_have_count(1)
    share = page.evaluate(
        """() => { const all = document.querySelector('.blocks'); const one = all.querySelector('.before');
        return one.getBoundingClientRect().width / all.getBoundingClientRect().width; }"""
    )
    assert 0.85 < share < 0.95
    expect(page.locator(".blocks [data-name]")).to_have_count(0)
    page.locator("input[value='120000']").check(force=True)
    expect(page.locator(".blocks [data-name]").first).to_have_attribute("data-name", "Stage left")


def test_motion_stops_for_who_asks_for_none(play: Stage, opened: Callable[..., Page]) -> None:
    page = opened(play, reduced_motion="reduce")
    moving = (
        "[...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).animationName !== 'none').length"
    )
    assert page.evaluate(moving) == 0


# ---------------------------------------------------------------------------------------------- a long shoot


def twelve_hours(play: Stage) -> int:
    """20,000 cuts in twelve hours: the last 1,000 one by one, the rest in summary; when it is now."""
    every = 2_160
    begun, *told = cuts(20_000, every)
    play.happenings = [begun, *told[-1_000:]]
    until = told[-1_000].at
    step = 86_400
    steps = [{f"c{n % 5}": step // 5 for n in range(5)} for _ in range(round((until - T0) / step))]
    play.past = Past(
        until=until,
        start=T0,
        step_ms=step,
        steps=steps,
        program="c0",
        program_since=until - every,
        held=None,
        held_since=0,
    )
    at = told[-1].at + 500
    fifth = (at - T0) // 5
    totals = structs.replace(play.now.totals, cuts=20_000, on_air_ms={f"c{n}": fifth for n in range(5)})  # type: ignore[type-var]
    play.now = now(at, totals=totals, summary_until=until, program=ProgramNow("c0", NAMES[0], at - 500, True))
    return at


def test_twelve_hours_with_20000_cuts_are_followed_with_little_work(play: Stage, opened: Callable[..., Page]) -> None:
    """Counted, not timed: elements on the page, and elements that are made anew for each cut and each second."""
    at = twelve_hours(play)
    page = opened(play)
    expect(page.locator("#cuts")).to_have_text("20,000")
    page.locator("input[value='0']").check(force=True)
    expect(page.locator("#summary")).to_contain_text("in summary")
    expect(page.locator(".blocks .dense").first).to_be_visible()
    assert page.evaluate("document.querySelectorAll('*').length") < 4_000
    page.evaluate(_COUNT)
    for window, most in (("0", 1_600), ("600000", 1_600), ("120000", 1_200)):
        page.locator(f"input[value='{window}']").check(force=True)
        page.evaluate("window.added = 0")
        for number in range(10):
            to = number % 5
            news = Happening("cut", f"new/{window}/{number}", at + number * 100, camera=f"c{to}", name=NAMES[to])
            play.tell("happened", [news])
            play.tell("now", structs.replace(play.now, now=at + number * 100))
        page.wait_for_timeout(200)
        assert page.evaluate("window.added") / 10 < most
    assert page.evaluate("document.querySelectorAll('*').length") < 4_000


def test_the_totals_are_those_of_the_whole_shoot(play: Stage, opened: Callable[..., Page]) -> None:
    twelve_hours(play)
    page = opened(play)
    expect(page.locator(".lane .total").nth(1)).to_have_text("2:24:00")
    expect(page.locator("#lanes-words")).to_contain_text("Stage right: 2:24:00 on air")
    expect(page.locator("#summary")).to_contain_text("its report has every shot")


def test_where_the_keyboard_comes_to_the_summary_it_is_said_with_the_report(
    play: Stage, opened: Callable[..., Page]
) -> None:
    """Single shots are only of the last 1,000; the report, with all of them, is the next link."""
    twelve_hours(play)
    page = opened(play)
    expect(page.locator("#summary")).to_be_visible()
    page.locator(".track").first.focus()
    page.keyboard.press("End")
    expect(page.locator("#detail-words")).to_contain_text("Stage left on air since")
    expect(page.locator("#detail-words")).not_to_contain_text("Older shots")
    for key in ("Home", "ArrowLeft"):
        page.keyboard.press("End")
        page.keyboard.press("Home")
        page.keyboard.press(key)
        for said in ("#detail-words", "#announce"):
            expect(page.locator(said)).to_contain_text("Older shots cannot be stepped through here: the report")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail-words")).not_to_contain_text("Older shots")
    report = page.locator("#summary a")
    expect(report).to_have_attribute("href", f"/made/report?session={KEY.replace('/', '%2F')}")
    page.keyboard.press("Tab")
    expect(report).to_be_focused()


def test_a_camera_that_was_only_on_air_before_the_summary_s_end_says_so_to_the_keyboard(
    play: Stage, opened: Callable[..., Page]
) -> None:
    twelve_hours(play)
    play.now = structs.replace(play.now, cameras=[*play.now.cameras, CameraNow("c9", "Balcony", None, True, 5)])
    page = opened(play)
    expect(page.locator("#summary")).to_be_visible()
    page.locator(".track").last.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#detail-words")).to_contain_text(re.compile(r"^Balcony: no shot since .* Older shots cannot"))


def test_when_a_long_shoot_is_over_its_totals_stay_those_of_the_whole(play: Stage, opened: Callable[..., Page]) -> None:
    """Its card is closed again: the lanes have the summary, and the summary counts."""
    at = twelve_hours(play)
    page = opened(play)
    expect(page.locator(".lane .total").nth(1)).to_have_text("2:24:00")
    play.now = structs.replace(
        play.now, now=at, session=None, program=None, totals=None, waits_for="multicam-server starts one"
    )
    play.tell("happened", [Happening("end", f"end/{KEY}", at, words="complete")])
    play.tell("now", play.now)
    expect(page.locator("#air-label")).to_have_text("Waiting")
    page.locator("#card-close").click()
    expect(page.locator(".lane .total").nth(1)).to_have_text("2:24:00")
    expect(page.locator("#summary")).to_contain_text("in summary")


# ---------------------------------------------------------------------------------------------- the card


def test_past_sessions_open_the_same_card_and_its_files_are_links(play: Stage, opened: Callable[..., Page]) -> None:
    """By keyboard too: the card has the focus, and says what the session came to."""
    after(play)
    play.now = now(T0 + 600_000)
    page = opened(play)
    page.locator("#sessions button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card-title")).to_be_focused()
    expect(page.locator("#card .missing h3")).to_contain_text("missing: take them again")
    links = page.locator("#card .files a")
    expect(links).to_have_text(["Report", "EDL", "FCP7 XML", "FCPXML", "Shots (CSV)", "Events (CSV)"])
    assert all("/made/" in str(links.nth(n).get_attribute("href")) for n in range(6))
    expect(page.locator("#card .pace")).to_be_visible()
    expect(page.locator("#card .ends")).to_have_text("19:30:009 at most20:10:00")
    expect(page.locator("#card .bars li")).to_have_count(6)
    page.locator("#card-close").click()
    expect(page.locator("#card")).to_be_hidden()


def test_a_session_that_is_forgotten_while_its_card_is_open_says_so(play: Stage, opened: Callable[..., Page]) -> None:
    """Whether it opened by itself or was opened, and once; nothing of the session is left on the page."""
    for opens in ("by itself", "by somebody"):
        after(play)
        key = play.sessions[0].key
        if opens == "by somebody":
            play.now = now(T0 + 2_700_000)
        page = opened(play)
        if opens == "by somebody":
            page.locator("#sessions button").first.click()
        expect(page.locator("#card-body .tiles")).to_be_visible()
        play.cards.clear()
        play.sessions = [YESTERDAY]
        expect(page.locator("#card-words")).to_contain_text("not here any more")
        expect(page.locator("#card-body .tiles")).to_have_count(0)
        assert "Winter concert" not in page.locator("#card").inner_text()
        expect(page.locator("#sessions li")).to_have_count(1)
        asked = [path for path in play.asked if f"/made/card?session={key.replace('/', '%2F')}" in path]
        assert len(asked) == 2
        play.asked.clear()
        page.close()


def test_a_card_that_is_opened_after_its_session_was_forgotten_says_so(
    play: Stage, opened: Callable[..., Page]
) -> None:
    """The list of sessions is some seconds old."""
    after(play)
    play.now = now(T0 + 2_700_000)
    play.cards.clear()
    page = opened(play)
    page.locator("#sessions button").first.click()
    expect(page.locator("#card-words")).to_contain_text("not here any more")


def test_a_new_session_closes_the_card_of_the_last_one(play: Stage, opened: Callable[..., Page]) -> None:
    after(play)
    page = opened(play)
    expect(page.locator("#card-body .tiles")).to_be_visible()
    play.now = now(T0 + 2_700_000)
    play.tell("happened", [Happening("start", "start/hall/s9", T0 + 2_700_000, camera="c0", words="The next one")])
    play.tell("now", play.now)
    expect(page.locator("#card")).to_be_hidden()
    expect(page.locator("#air.live")).to_be_visible()


@pytest.mark.quick
def test_hostile_names_on_card_lanes_and_tally_are_only_names(play: Stage, opened: Callable[..., Page]) -> None:
    after(play)
    (card,) = play.cards.values()
    for index, name in enumerate(HOSTILE):
        card["cameras"][index]["name"] = name
        card["missing"] = [
            {"camera": name, "stills": [{**card["stills"][0], "name": name, "why": name, "picture": name}]}
        ]
    card["title"], card["endReason"] = HOSTILE[0], HOSTILE[1]
    card["stills"][0]["picture"] = "javascript:alert(1)"
    play.now = structs.replace(
        play.now, cameras=[structs.replace(one, name=HOSTILE[n]) for n, one in enumerate(play.now.cameras)]
    )
    for path in ("/", "/tally", "/tally?camera=%3Cscript%3Ewindow.pwned%3D1%3C%2Fscript%3E"):
        page = opened(play, path, width=360)
        if path == "/":
            expect(page.locator("#card-body .tiles")).to_be_visible()
        else:
            expect(page.locator("#cameras a").first).to_be_visible()
        assert page.evaluate("document.querySelectorAll('img, svg, script:not([src])').length") == 0
        assert page.evaluate("window.pwned === undefined")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.quick
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_in_the_details_the_lists_and_on_a_lit_tally_are_only_names(
    play: Stage, opened: Callable[..., Page], name: str
) -> None:
    """Of a camera that is on air, held and asked for stills, in a session that is called so too; it is shown, too."""
    quiet(play)
    play.happenings = [
        structs.replace(one, **{field: name for field in ("name", "from_name", "words") if getattr(one, field)})
        for one in play.happenings
    ]
    play.sessions = [structs.replace(one, title=name) for one in play.sessions]
    play.now = structs.replace(
        play.now,
        mode=name,
        session=structs.replace(play.now.session, title=name),  # type: ignore[type-var]
        cameras=[structs.replace(one, name=name, role=name) for one in play.now.cameras],
        program=ProgramNow("c0", name, T0 + 450_000, True),
        heading=HeadingNow("c1", name, name),
        server=structs.replace(play.now.server, problem=name, unknown_types={name: 3}),
    )
    page = opened(play, width=360)
    page.get_by_text("10 min", exact=True).click()
    for row in range(3):
        page.locator(".track").nth(row).focus()
        for key in ("Home", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
            said = page.locator("#detail-words").text_content() or ""
            assert name in said
            assert name in (page.locator("#announce").text_content() or "")
    tally = opened(play, "/tally?camera=c0", width=360)
    expect(tally.locator("body.on")).to_be_visible()
    assert name in (tally.locator("#camera").text_content() or "")
    for one in (page, tally):
        assert one.evaluate("document.querySelectorAll('img, svg, script:not([src])').length") == 0
        assert one.evaluate("window.pwned === undefined")
        assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


# ---------------------------------------------------------------------------------------------- times


def test_two_browsers_in_other_time_zones_read_the_same_times(play: Stage, opened: Callable[..., Page]) -> None:
    """The venue's: dates too, at night."""
    late = T0 + 4 * 3_600_000 + 1_800_000
    play.sessions = [SessionKept(KEY, "Late show", "live", late, late, 3, 3, 0, 0, [], False)]
    play.happenings = cuts(2, 60_000, start=late)
    play.now = now(late + 300_000)
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        page = opened(play, timezone_id=zone)
        expect(page.locator("#sessions .line").first).to_contain_text("2026-11-22 00:00:00")
        expect(page.locator("#happened li .time").first).to_have_text("00:02:00")
        expect(page.locator("#zone")).to_have_text("Europe/Berlin")


def test_a_clock_that_is_set_moves_what_is_drawn_with_it(play: Stage, opened: Callable[..., Page]) -> None:
    """Back by an hour: the page goes on by the server's clock, and says no length below nothing."""
    page = opened(play)
    expect(page.locator("#clock")).to_have_text("19:40:00")
    back = 3_600_000
    moved = [structs.replace(one, at=one.at - back) for one in play.happenings]
    play.now = now(T0 + 601_000 - back, session=structs.replace(play.now.session))  # type: ignore[type-var]
    play.tell("happened", moved)
    play.tell("now", play.now)
    expect(page.locator("#clock")).to_have_text("18:40:01")
    expect(page.locator("#running")).to_have_text("10:01")
    assert "-" not in page.locator("#lanes").inner_text()


# ---------------------------------------------------------------------------------------------- tally


@pytest.mark.quick
def test_a_tally_is_red_while_its_camera_is_on_air_and_dark_else(play: Stage, opened: Callable[..., Page]) -> None:
    page = opened(play, "/tally?camera=c0", width=360)
    expect(page.locator("body.on")).to_be_visible()
    expect(page.locator("#word")).to_have_text("On air")
    expect(page.locator("#camera")).to_have_text("Stage left")
    play.tell("now", now(T0 + 601_000, program=ProgramNow("c1", NAMES[1], T0 + 601_000, True)))
    expect(page.locator("body.off")).to_be_visible()
    expect(page.locator("#word")).to_have_text("Off air")


def test_a_tally_is_green_while_the_program_goes_over_to_its_camera(play: Stage, opened: Callable[..., Page]) -> None:
    """As long as the server says so; it is not on air yet."""
    page = opened(play, "/tally?camera=c1")
    expect(page.locator("#word")).to_have_text("Off air")
    play.now = now(T0 + 601_000, heading=HeadingNow("c1", NAMES[1], "Fade"))
    play.tell("now", play.now)
    expect(page.locator("body.next")).to_be_visible()
    expect(page.locator("#word")).to_have_text("Next")
    play.now = now(T0 + 602_000, program=ProgramNow("c1", NAMES[1], T0 + 602_000, True))
    play.tell("now", play.now)
    expect(page.locator("body.on")).to_be_visible()


def test_a_tally_is_found_by_name_in_any_case_and_offers_what_there_is(
    play: Stage, opened: Callable[..., Page]
) -> None:
    page = opened(play, "/tally?camera=STAGE%20LEFT")
    expect(page.locator("body.on")).to_be_visible()
    page = opened(play, "/tally?camera=nobody")
    expect(page.locator("#word")).to_have_text("Not there")
    page.locator("#cameras a").first.click()
    expect(page.locator("#word")).to_have_text("On air")


def test_a_tally_that_knows_nothing_says_so_and_is_never_just_dark(play: Stage, opened: Callable[..., Page]) -> None:
    """The server is away, it was not told yet, and the tap itself is away."""
    page = opened(play, "/tally?camera=c0")
    expect(page.locator("body.on")).to_be_visible()
    away = ServerNow("ws://x", False, T0, "refused", 1, T0, None, None, 1, {})
    play.now = now(T0 + 601_000, server=away)
    play.tell("now", play.now)
    expect(page.locator("body.lost")).to_be_visible()
    expect(page.locator("#more")).to_contain_text("with the server")
    play.now = now(T0 + 602_000, program=ProgramNow("c0", NAMES[0], T0, False))
    play.tell("now", play.now)
    expect(page.locator("#word")).to_have_text("Not known")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["/tally", "/tally?camera=c0", "/tally?camera=c1"])
def test_a_tally_breaks_no_rule_of_axe(play: Stage, opened: Callable[..., Page], path: str, width: int) -> None:
    page = opened(play, path, width=width)
    expect(page.locator("#word, #more").last).not_to_have_text("connecting …")
    expect(page).not_to_have_title("Tally – multicam-tap")
    assert violations(page) == []
