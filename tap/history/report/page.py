"""Makes the page of a report: one HTML file with its style, script and data inside. It loads nothing.

The page's policy allows its one script and its one style, by their digests, and the pictures inside it. Nothing else
may run, be loaded or be sent, whatever a name in it contains.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup
from msgspec import structs

from tap import __name__ as package
from tap.history.formatting import duration_text
from tap.history.report.content import STATUSES, SessionReport
from tap.history.report.palette import COLOURS, THEMES, ink_on

__all__ = ["page"]

_SCRIPTS = ("data.js", "paint.js", "draw.js", "hit.js", "view.js", "page.js")
_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; base-uri 'none';"
    " form-action 'none'"
)


def page(report: SessionReport) -> str:
    """The whole page, as text to be written as UTF-8."""
    style, script = _style(), _script()
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            figures=report.figures,
            statuses=STATUSES,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own files
            data=_embedded(structs.replace(report.data, themes=_themes())),
            policy=_POLICY.format(script=_digest(script), style=_digest(style)),
        )
        .lstrip()
    )


# ---------------------------------------------------------------------------------------------- what is put in


def _embedded(data: Any) -> Markup:
    """JSON that cannot end the element around it, nor a line of a script."""
    text = msgspec.json.encode(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can be markup any more


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _script() -> str:
    parts = "\n".join(_file(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


@cache
def _style() -> str:
    light, dark = (_variables(name) for name in ("light", "dark"))
    looks = "".join(f".f{index}{{fill:var(--c{index})}}" for index in range(len(COLOURS["light"])))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
        f"{looks}\n{_file('page.css')}"
    )


def _variables(theme: str) -> str:
    said = {**THEMES[theme], **{f"c{index}": colour for index, colour in enumerate(COLOURS[theme])}}
    return "".join(f"--{name}:{colour};" for name, colour in said.items())


def _themes() -> Mapping[str, Any]:
    """The same colours, for the canvas."""
    return {
        name: {**THEMES[name], "cameras": [[colour, ink_on(colour)] for colour in COLOURS[name]]} for name in THEMES
    }


def _file(name: str) -> str:
    return resources.files(f"{package}.history.report").joinpath(name).read_text("utf-8")


# ---------------------------------------------------------------------------------------------- the template


class _Parts(BaseLoader):
    """The templates beside this file, wherever the package is."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Any]:  # noqa: ARG002
        return _file(template), None, lambda: True


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=_Parts(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "lasting": duration_text,
        "count": _count,
        "number": _number,
        "percent": _percent,
        "share": _share,
    }
    return environment


def _number(value: float) -> str:
    """A number with separated thousands, and one decimal if it is not whole: ``1 502``, ``8.4``."""
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return text.replace(",", "\u202f")


def _count(number: int, what: str, many: str | None = None) -> str:
    return f"{_number(number)} {what if number == 1 else many or f'{what}s'}"


def _share(part: int, whole: int) -> float:
    """Percent."""
    return round(100 * part / whole, 2) if whole else 0.0


def _percent(part: int, whole: int) -> str:
    if not whole:
        return ""
    share = _share(part, whole)
    return f"{share:.0f} %" if share >= 1 or not part else "< 1 %"
