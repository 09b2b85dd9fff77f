"""Takes the pictures of the report: ``docs/screenshots/report-{desktop,phone,tablet,print}-{light,dark}.png``.

The shoot is made up: three hours, twelve cameras, some 1,500 cuts, with stills drawn by the browser itself.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tap.core.merge import Row
from tap.history.report import page, report_of

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.history.shoots import T0, invented  # noqa: E402 - the folder of the tests is no package that is installed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs" / "screenshots"
ZONE = ZoneInfo("Europe/Berlin")
_SHOWN = 60
"""How many of the stills have a picture."""

Scheme = Literal["light", "dark"]


class Shot(NamedTuple):
    """One picture: of which shoot, on what, and how far down the page."""

    name: str
    shoot: str
    width: int
    height: int
    scheme: Scheme
    paper: bool = False


SHOTS = (
    *(Shot(f"desktop-{scheme}", "long", 1440, 1780, scheme) for scheme in ("light", "dark")),
    *(Shot(f"tablet-{scheme}", "long", 820, 1400, scheme) for scheme in ("light", "dark")),
    *(Shot(f"phone-{scheme}", "short", 390, 1500, scheme) for scheme in ("light", "dark")),
    Shot("print-light", "long", 1030, 1456, "light", paper=True),
    Shot("print-dark", "short", 1030, 1456, "dark", paper=True),
)


def main() -> int:
    """Take them all; the exit code."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("no chromium is installed", file=sys.stderr)
        return 1
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        pages = {name: _page_of(browser, rows) for name, rows in _shoots().items()}
        for shot in SHOTS:
            _take(browser, pages[shot.shoot], shot)
            print(f"docs/screenshots/report-{shot.name}.png")
        browser.close()
    return 0


def _shoots() -> dict[str, list[Row]]:
    return {
        "long": invented(seed=5, minutes=180, cuts=1900, cameras=12, stills=40, gaps=2),
        "short": invented(minutes=12, cuts=90, cameras=5, stills=8),
    }


def _page_of(browser: Browser, rows: list[Row]) -> str:
    taken = [row.key for row in rows if row.op == "still" and "capturedAt" in row.fields]
    pictures = _pictures(browser, taken[:_SHOWN])
    return page(report_of(rows, zone=ZONE, made_at=T0 + 40_000_000, pictures=pictures))


def _take(browser: Browser, html: str, shot: Shot) -> None:
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme=shot.scheme,
        device_scale_factor=2 if shot.width < 500 else 1,
    )
    shown = context.new_page()
    shown.set_content(html)
    shown.locator("#window", has_text="the whole shoot").wait_for()
    if shot.paper:
        shown.emulate_media(media="print", color_scheme=shot.scheme)
        shown.locator(".strip").first.wait_for()
    elif shot.width > 1000:
        _point_at_a_shot(shown)
    shown.screenshot(path=FOLDER / f"report-{shot.name}.png")
    context.close()


def _point_at_a_shot(shown: Page) -> None:
    """A quarter of an hour, with the pointer on a shot."""
    shown.get_by_role("button", name="15 min", exact=True).click()
    box = shown.locator("#stage").bounding_box()
    label = shown.locator('.label[data-row="program"]').bounding_box()
    if box is not None and label is not None:
        shown.mouse.move(box["x"] + box["width"] * 0.48, label["y"] + label["height"] / 2)
        shown.locator("#tip").wait_for()


# ---------------------------------------------------------------------------------------------- stills of nothing

_SCENE = """
([seed, hue]) => {
    let state = seed;
    const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
    const canvas = Object.assign(document.createElement("canvas"), { width: 360, height: 240 });
    const ink = canvas.getContext("2d");
    ink.fillStyle = `hsl(${hue} 35% 7%)`;
    ink.fillRect(0, 0, 360, 240);
    ink.globalCompositeOperation = "lighter";
    for (let light = 0; light < 4; light++) {
        const x = 40 + random() * 280;
        const tone = (hue + random() * 70) % 360;
        const beam = ink.createLinearGradient(x, 0, x, 220);
        beam.addColorStop(0, `hsl(${tone} 80% 62% / 0.75)`);
        beam.addColorStop(1, `hsl(${tone} 80% 40% / 0)`);
        ink.fillStyle = beam;
        const lean = (random() - 0.5) * 160;
        ink.beginPath();
        ink.moveTo(x - 5, 0);
        ink.lineTo(x + 5, 0);
        ink.lineTo(x + lean + 46, 220);
        ink.lineTo(x + lean - 46, 220);
        ink.fill();
    }
    ink.globalCompositeOperation = "source-over";
    const floor = ink.createLinearGradient(0, 170, 0, 240);
    floor.addColorStop(0, `hsl(${hue} 45% 22% / 0.2)`);
    floor.addColorStop(1, `hsl(${hue} 50% 8%)`);
    ink.fillStyle = floor;
    ink.fillRect(0, 176, 360, 64);
    for (let person = 0; person < 1 + random() * 3; person++) {
        const [x, size] = [70 + random() * 220, 0.7 + random() * 0.5];
        ink.fillStyle = "rgb(6 6 10 / 0.94)";
        ink.beginPath();
        ink.arc(x, 118 - 18 * size, 13 * size, 0, 7);
        ink.fill();
        ink.beginPath();
        ink.ellipse(x, 118 + 38 * size, 22 * size, 44 * size, (random() - 0.5) * 0.3, 0, 7);
        ink.fill();
    }
    return canvas.toDataURL("image/jpeg", 0.72);
}
"""


def _pictures(browser: Browser, keys: list[str]) -> dict[str, str]:
    """A stage in the light for each still: nobody's picture."""
    random = Random(7)  # noqa: S311 - pictures, not secrets
    shown = browser.new_page()
    made = {key: str(shown.evaluate(_SCENE, [random.randrange(1, 2**31 - 1), random.randrange(360)])) for key in keys}
    shown.close()
    return made


if __name__ == "__main__":
    sys.exit(main())
