"""The colours of the report's page, beside those of its cameras (:mod:`tap.core.palette`), for light and dark."""

from __future__ import annotations

from collections.abc import Mapping

from tap.core.palette import COLOURS, TEXTURES, contrast, ink_on, looks

__all__ = ["COLOURS", "TEXTURES", "THEMES", "contrast", "ink_on", "looks"]

THEMES: Mapping[str, Mapping[str, str]] = {
    "light": {
        "page": "#f5f6f8",
        "card": "#ffffff",
        "raised": "#f0f2f5",
        "line": "#dfe3e9",
        "grid": "#e9ecf1",
        "text": "#161a22",
        "soft": "#59616f",
        "accent": "#2457c5",
        "bad": "#a31621",
        "warn": "#7a4d00",
        "good": "#0b6b45",
        "gap": "#c2313c",
        "band": "#e6eaf2",
        "band2": "#d5dcea",
        "presence": "#aab2bf",
        "hold": "#161a22",
    },
    "dark": {
        "page": "#0e1116",
        "card": "#171a21",
        "raised": "#1f242d",
        "line": "#2c323d",
        "grid": "#232934",
        "text": "#eceff4",
        "soft": "#a3acbb",
        "accent": "#8ab4ff",
        "bad": "#ff8f8f",
        "warn": "#f0c36a",
        "good": "#6fd6a5",
        "gap": "#ff7a80",
        "band": "#252c39",
        "band2": "#323c4e",
        "presence": "#5b6472",
        "hold": "#eceff4",
    },
}
