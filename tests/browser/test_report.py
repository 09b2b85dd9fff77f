"""A report in a real browser: nothing is loaded, everything can be reached, and a long shoot stays quick."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tap.core.merge import Row
from tap.history.report import page, report_of
from tests.adapters.test_pictures import png
from tests.history.report.test_page import hostile
from tests.history.shoots import T0, invented
from tests.history.test_timeline import A, B, camera, cut, event, gap, session, still

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

sync_api = pytest.importorskip("playwright.sync_api")

PATIENCE_MS = 180_000
"""For a loaded machine; what is measured has bounds of its own."""
PIXEL = f"data:image/png;base64,{base64.b64encode(png(1, 1)).decode()}"
WIDTHS = (390, pytest.param(820, marks=pytest.mark.slow), 1440)

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True)
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def opened(context: BrowserContext, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Writes the page of some rows, opens it, and waits until it is drawn; whatever it complains of fails the test."""
    complaints: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(said.text)

    def open_page(rows: list[Row], *, width: int = 1280, strict: bool = True, **options: Any) -> Page:
        file = tmp_path / "report.html"
        made = report_of(rows, zone=ZoneInfo("Europe/Berlin"), made_at=T0, **options)
        file.write_text(page(made), encoding="utf-8")
        shown = context.new_page()
        shown.set_viewport_size({"width": width, "height": 900})
        if strict:
            shown.on("pageerror", lambda error: complaints.append(str(error)))
            shown.on("console", note)
        shown.goto(file.as_uri())
        shows(shown, ".+")
        return shown

    yield open_page
    assert complaints == []


def shows(shown: Page, pattern: str) -> None:
    """Wait until the part of the shoot in view is told so."""
    sync_api.expect(shown.locator("#window")).to_have_text(re.compile(pattern), timeout=PATIENCE_MS)


def evening() -> list[Row]:
    return [
        session(A | {"mode": "rehearsal"}, title="Evening set"),
        camera("a", name="Anna"),
        camera("b", name="Ben"),
        cut(10, "b", "a"),
        cut(30, "a", "b", transition="dissolve", durationMs=2000),
        event("hold", 40, cameraId="a"),
        event("release", 45, durationMs=5000),
        gap(80, 20, A, B),
        still("s1", "b", "uploaded", requestedAt=11, capturedAt=12, uploadedAt=14),
    ]


def spot(shown: Page) -> str:
    """What a screen reader hears of the event that has the focus."""
    return str(shown.evaluate("document.activeElement.getAttribute('aria-label')"))


def window(shown: Page) -> str:
    return shown.locator("#window").inner_text()


def at(shown: Page, row: str, second: float) -> tuple[float, float]:
    """Where a moment of a row is on the screen, with the whole shoot in view."""
    stage = shown.locator("#stage").bounding_box()
    label = shown.locator(f'.label[data-row="{row}"]').bounding_box()
    assert stage is not None
    assert label is not None
    return stage["x"] + stage["width"] * second / 100, label["y"] + label["height"] / 2


@pytest.mark.quick
def test_opening_it_loads_nothing(context: BrowserContext, opened: Callable[..., Page]) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    shot = evening()[-1]
    shown = opened(evening(), pictures={shot.key: PIXEL})
    shown.locator(".gallery img").scroll_into_view_if_needed()
    sync_api.expect(shown.locator(".gallery img")).to_have_js_property("naturalWidth", 1, timeout=PATIENCE_MS)
    assert [url for url in asked if not url.startswith("data:")] == [shown.url]


@pytest.mark.quick
def test_the_policy_stops_what_a_name_might_bring_in(opened: Callable[..., Page]) -> None:
    """Nothing that is not the page's own runs or is loaded, even where markup did get in."""
    shown = opened(evening(), strict=False)
    blocked = shown.evaluate(
        """() => new Promise((done) => {
            const blocked = [];
            document.addEventListener("securitypolicyviolation", (event) => {
                blocked.push(event.effectiveDirective);
                if (blocked.length === 3) done(blocked.sort());
            });
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            const image = document.createElement("img");
            image.src = "https://127.0.0.1:1/x.png";
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.body.append(script, image, style);
        })"""
    )
    assert blocked == ["img-src", "script-src-elem", "style-src-elem"]
    assert shown.evaluate("window.ran") is None


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(width: int, opened: Callable[..., Page]) -> None:
    shown = opened(invented(minutes=30, cameras=12, cuts=200), width=width)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_the_last_column_is_whole_on_the_narrowest_phone(opened: Callable[..., Page]) -> None:
    shown = opened(invented(seed=4, cameras=6, minutes=40, cuts=200, stills=14, gaps=2), width=360)
    right = "(name) => document.querySelector(name).getBoundingClientRect().right"
    assert shown.evaluate(right, ".cameras") <= shown.evaluate(right, ".card:has(.cameras) .scroll") + 0.5


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_stand_beside_their_lanes_and_not_on_each_other(width: int, opened: Callable[..., Page]) -> None:
    shown = opened(invented(minutes=30, cameras=12, cuts=200), width=width)
    boxes = [label.bounding_box() for label in shown.locator(".label:visible").all()]
    stage = shown.locator("#stage").bounding_box()
    assert stage is not None
    assert len(boxes) >= 14
    for before, after in pairwise(boxes):
        assert before is not None
        assert after is not None
        assert before["y"] + before["height"] <= after["y"] + 1
        assert before["x"] + before["width"] <= stage["x"]
        assert stage["y"] <= after["y"] <= stage["y"] + stage["height"]


@pytest.mark.quick
def test_hovering_tells_what_is_there(opened: Callable[..., Page]) -> None:
    shown = opened(evening())
    tip = shown.locator("#tip")
    shown.mouse.move(*at(shown, "program", 20))
    assert "Ben" in tip.inner_text()
    assert "12:06:50 – 12:07:10 · 20.0 s" in tip.inner_text()
    shown.mouse.move(*at(shown, "camera-0", 70))
    assert "nobody knows what was on air" in tip.inner_text()
    shown.mouse.move(*at(shown, "gap", 70))
    assert "no signal for 20.0 s until now; Anna → Ben" in tip.inner_text()
    shown.mouse.move(*at(shown, "hold", 42))
    assert "Held: Anna" in tip.inner_text()
    shown.mouse.move(*at(shown, "mode", 5))
    assert "Mode: rehearsal" in tip.inner_text()


def test_a_tap_tells_it_too(opened: Callable[..., Page]) -> None:
    shown = opened(evening())
    shown.touchscreen.tap(*at(shown, "program", 20))
    details = shown.locator("#details")
    details.get_by_text("Cut to Ben").wait_for()
    assert "12:06:50.000" in details.inner_text()
    assert "12:06:50:00" in details.inner_text(), "timecode"


def test_a_still_shows_its_picture(opened: Callable[..., Page]) -> None:
    shot = evening()[-1]
    shown = opened(evening(), pictures={shot.key: PIXEL})
    x, y = at(shown, "camera-1", 12)
    shown.mouse.move(x, y + 14)
    shown.locator("#tip img").wait_for()
    assert "Still of Ben" in shown.locator("#tip").inner_text()
    shown.locator(".shot").click()
    shown.locator("#details img").wait_for()


def test_the_keyboard_goes_from_event_to_event(opened: Callable[..., Page]) -> None:
    """One thing in the tab order; arrows move the focus, and each move is heard anew."""
    shown = opened(evening())
    assert shown.locator('#stage [tabindex="0"]').count() == 1
    shown.locator('#stage [tabindex="0"]').focus()
    assert "5 events" in spot(shown)
    heard, turns = [], [0]
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "End", "Home"):
        before = shown.evaluate("document.activeElement.getAttribute('aria-label')")
        shown.keyboard.press(key)
        heard.append(spot(shown))
        assert heard[-1] != before
        # Another element each time: of one that keeps the focus a screen reader would not read the new name.
        turns.append(shown.evaluate("[...document.querySelectorAll('.spot')].indexOf(document.activeElement)"))
        assert shown.evaluate("document.activeElement.tabIndex") == 0
    assert all(before != after for before, after in pairwise(turns))
    assert [re.sub(r",.*\.", ".", told) for told in heard] == [
        "Cut to Ben. 1 of 5",
        "Cut to Anna. 2 of 5",
        "Cut to Ben. 1 of 5",
        "Cut to Anna. 2 of 5",
        "Gap. 5 of 5",
        "Cut to Ben. 1 of 5",
    ]
    assert shown.locator('#stage [tabindex="0"]').count() == 1
    assert shown.evaluate("document.activeElement.closest('#stage') !== null")


@pytest.mark.slow
def test_the_focus_is_where_its_event_is(opened: Callable[..., Page]) -> None:
    shown = opened(invented(minutes=120, cuts=400))
    shown.locator('#stage [tabindex="0"]').focus()
    shown.get_by_role("button", name="1 min", exact=True).click()
    shown.locator('#stage [tabindex="0"]').focus()
    stage = shown.locator("#stage").bounding_box()
    assert stage is not None
    for _ in range(40):
        shown.keyboard.press("ArrowRight")
    # The picture follows in the next frame.
    shown.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    spot_box = shown.locator(":focus").bounding_box()
    assert spot_box is not None
    assert stage["x"] - 8 <= spot_box["x"] < stage["x"] + stage["width"]


def test_zooming_by_wheel_buttons_and_keys(opened: Callable[..., Page]) -> None:
    shown = opened(invented(minutes=120, cuts=100))
    assert window(shown).endswith("2:00:00, the whole shoot")
    shown.get_by_role("button", name="1 min", exact=True).click()
    shows(shown, "· 1:00$")
    shown.get_by_role("button", name="Zoom out").click()
    shows(shown, "· 2:00$")
    shown.locator('#stage [tabindex="0"]').focus()
    shown.keyboard.press("0")
    shows(shown, "the whole shoot$")
    x, y = at(shown, "program", 50)
    shown.mouse.move(x, y)
    shown.keyboard.down("Control")
    shown.mouse.wheel(0, -50)
    shown.keyboard.up("Control")
    shows(shown, "^[^,]+$")


@pytest.mark.slow
def test_dragging_moves_and_the_overview_jumps(opened: Callable[..., Page]) -> None:
    shown = opened(invented(minutes=120, cuts=100))
    shown.get_by_role("button", name="5 min", exact=True).click()
    shows(shown, "^19:30:00")
    x, y = at(shown, "program", 50)
    shown.mouse.move(x, y)
    shown.mouse.down()
    shown.mouse.move(x - 200, y, steps=4)
    shown.mouse.up()
    shows(shown, "^(?!19:30:00)")
    overview = shown.locator("#overview").bounding_box()
    assert overview is not None
    shown.mouse.click(overview["x"] + overview["width"] - 2, overview["y"] + 10)
    shows(shown, "– 21:30:00")


@pytest.mark.slow
def test_every_event_is_in_the_table_and_can_be_found(opened: Callable[..., Page]) -> None:
    rows = invented(minutes=30, cuts=120)
    shown = opened(rows)
    events = sum(row.op == "event" for row in rows)
    assert shown.locator("#found").inner_text() == f"{events} events"
    seen = shown.locator("#rows tr").count()
    while shown.locator("#page-after").is_enabled():
        shown.locator("#page-after").click()
        seen += shown.locator("#rows tr").count()
    assert seen == events
    shown.locator("#by-kind").select_option("gap")
    assert shown.locator("#rows tr").count() == 1
    assert "no signal for" in shown.locator("#rows").inner_text()
    shown.locator("#rows button").first.click()
    shown.locator("#details").get_by_text("no signal for").wait_for()
    shown.locator("#by-kind").select_option("")
    shown.locator("#by-text").fill("cannot be none")
    assert shown.locator("#found").inner_text() == "Nothing like that happened."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_asked_for(scheme: Any, opened: Callable[..., Page], context: BrowserContext) -> None:
    shown = opened(evening())
    shown.emulate_media(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert shown.evaluate(ground) == {"light": "rgb(245, 246, 248)", "dark": "rgb(14, 17, 22)"}[scheme]
    theme = shown.locator("#theme")
    for name, colour in (("light", "rgb(245, 246, 248)"), ("dark", "rgb(14, 17, 22)")):
        theme.click()
        assert theme.inner_text() == f"Theme: {name}"
        assert shown.evaluate(ground) == colour


def test_on_paper_the_whole_shoot_stands_in_strips(opened: Callable[..., Page]) -> None:
    """Light whatever the screen is, with every camera's name in each strip, and the events in full."""
    rows = invented(minutes=30, cuts=120, cameras=5)
    shown = opened(rows)
    shown.emulate_media(media="print", color_scheme="dark")
    strips = shown.locator(".strip")
    strips.first.wait_for()
    assert strips.count() >= 3
    for name in ("Stage left", "Stage right", "Wide"):
        assert strips.last.get_by_text(name, exact=True).count() >= 1
    assert shown.locator("#rows tr").count() == sum(row.op == "event" for row in rows)
    assert shown.locator("#stage").is_hidden()
    assert shown.evaluate("getComputedStyle(document.body).color") == "rgb(22, 26, 34)"
    shown.emulate_media(media="screen")
    sync_api.expect(strips).to_have_count(0, timeout=PATIENCE_MS)


@pytest.mark.slow
def test_it_prints_to_pdf(opened: Callable[..., Page]) -> None:
    shown = opened(invented(minutes=180, cuts=1500, cameras=12))
    content = shown.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type /Page\b", content))
    assert 5 <= pages <= 40
    assert len(content) < 8_000_000


@pytest.mark.parametrize(
    "rows",
    [[session()], [session(end=0)], [session(A, end=None)], hostile()],
    ids=["nothing", "no length", "live", "hostile"],
)
def test_whatever_the_session_is_it_opens(rows: list[Row], opened: Callable[..., Page]) -> None:
    """And nothing in it complains (see ``opened``)."""
    shown = opened(rows)
    shown.locator('#stage [tabindex="0"]').focus()
    for key in ("ArrowRight", "ArrowDown", "End", "+", "+", "-", "PageDown", "Enter", "Escape", "0"):
        shown.keyboard.press(key)
    box = shown.locator("#stage").bounding_box()
    assert box is not None
    for part in (0.1, 0.5, 0.9):
        shown.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * part)
    shown.emulate_media(media="print")
    shown.locator(".strip").first.wait_for()
    assert shown.evaluate("window.alerted") is None


def test_a_running_session_has_an_open_end(opened: Callable[..., Page]) -> None:
    shown = opened([session(A, end=None), cut(40, "b", "a")])
    shown.get_by_text("still running: as of").wait_for()


def test_ten_thousand_cuts_are_drawn_with_little_work(opened: Callable[..., Page]) -> None:
    """Counted, not timed: what is put on paper for each zoom from twelve hours to a second and back.

    A screen has some thousand places to draw at; so a view of all cuts takes hardly more strokes than one of a minute.
    """
    rows = invented(minutes=720, cuts=14_000, cameras=12, stills=500, gaps=4)
    assert sum(row.fields.get("kind") == "cut" for row in rows) >= 10_000
    strokes = opened(rows).evaluate(DRAWING)
    assert len(strokes) > 15
    assert min(strokes) > 0
    assert max(strokes) < 15_000, strokes


DRAWING = """
async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const ink = CanvasRenderingContext2D.prototype;
    let count = 0;
    for (const name of ["fillRect", "strokeRect", "fill", "stroke", "fillText", "drawImage"]) {
        const stroke = ink[name];
        ink[name] = function (...where) { count += 1; return stroke.apply(this, where); };
    }
    const strokes = [];
    const presets = [...document.querySelectorAll("#presets button")];
    for (const button of [...presets, ...Array(10).fill(document.getElementById("zoom-in")), presets.at(-1)]) {
        await frame();
        count = 0;
        button.click();
        await frame();
        strokes.push(count);
    }
    return strokes;
}
"""


_WEDGES = """
    const view = new View(0, LENGTH, LENGTH / 100);
    return lanes.flatMap((lane, camera) => {
        const found = [];
        const polygon = (points) => {
            if (points.length === 3) found.push([lane.name, view.at(points[0][0]), view.at(points[1][0])]);
        };
        const painter = new Proxy({ polygon }, { get: (made, name) => made[name] ?? (() => 0) });
        drawLane(painter, view, themeNow(), { y: 0, height: 30, camera }, lane);
        return found.map(([name, from, to]) => [name, Math.round(from), Math.round(to)]);
    });
"""
"""The triangles that the lanes are drawn with: whose, and from when to when."""


def test_a_dissolve_fades_out_what_it_went_away_from_and_only_while_it_lasts(opened: Callable[..., Page]) -> None:
    """In the lane of the camera that was on air before, from the cut on, and for as long as the dissolve took."""
    dissolve = {"transition": "dissolve", "durationMs": 2000}
    rows = [
        session(A),
        *(camera(one, name=one.upper()) for one in "abc"),
        cut(10, "b", "a"),
        cut(30, "a", "b", **dissolve),
        cut(50, "c", "a", **{**dissolve, "durationMs": 1000}),
        cut(70, "b", "c"),
    ]
    shown = opened(rows)
    parts = [
        resources.files("tap.history.report").joinpath(f"{one}.js").read_text() for one in ("data", "paint", "draw")
    ]
    script = "".join((*parts, _WEDGES))
    assert shown.evaluate(f"() => {{ {script} }}") == [["A", 50_000, 51_000], ["B", 30_000, 32_000]]
