"""The colours of cameras, on the report and on the live page, for light and dark.

A camera is told by where its lane is, by its name, and by colour and texture: eight colours that also the colour-blind
tell apart, times three textures, so that twenty-four cameras look different before anything comes again. Every colour
has a contrast of 3:1 at least to what it lies on, and its ink of 4.5:1 to it.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COLOURS", "TEXTURES", "WARNING", "contrast", "ink_on", "looks"]

WARNING = "#b07a00"
"""Of words on a terminal that warn: 3:1 at least on a black one and on a white one, which its own yellow is not."""

TEXTURES = ("plain", "band", "rails")
"""Nothing, a light band through the middle, or two: to be seen on the narrowest block, and never taken for a gap."""

_INKS = ("#ffffff", "#0f1218")

COLOURS: Mapping[str, tuple[str, ...]] = {
    "light": ("#415094", "#c14a00", "#068064", "#642b53", "#2e9ab7", "#920f0b", "#895bdb", "#9c9047"),
    "dark": ("#216ad5", "#f2851c", "#5fb398", "#955d84", "#75e1f7", "#c64a20", "#c68afe", "#e0df6b"),
}
"""Blue, orange, green, plum, sky, red, violet, olive, each a little lighter in the dark."""


def looks(index: int) -> tuple[int, str]:
    """Colour and texture of the camera in lane ``index``."""
    return index % len(COLOURS["light"]), TEXTURES[index // len(COLOURS["light"]) % len(TEXTURES)]


def ink_on(colour: str) -> str:
    """White or nearly black, whichever reads better on a colour."""
    return max(_INKS, key=lambda ink: contrast(ink, colour))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (``#rrggbb``) as WCAG counts it: 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
