"""Values of settings: what an address, a URL and a list of formats say. Each raises ``ValueError``, in words."""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import urlsplit

from tap.core.formats import FORMATS, Layout, layouts_of

__all__ = ["Address", "address_of", "checked_url", "exports_of"]

Address: TypeAlias = tuple[str, int]


def exports_of(value: str | None) -> tuple[tuple[str, Layout], ...]:
    """Formats and layouts of ``FORMAT[:LAYOUT],…``, each once."""
    found: dict[str, Layout] = {}
    for word in (value or "").split(","):
        name, _, layout = word.strip().partition(":")
        known = layouts_of(name) if name in FORMATS else ()
        chosen = next((one for one in known if one == (layout or "program")), None)
        if word.strip() and chosen is None:
            raise ValueError(f"has {word.strip()!r} in it, which is not a format")
        if chosen is not None:
            found[name] = chosen
    return tuple(found.items())


def checked_url(value: str, schemes: tuple[str, ...]) -> str:
    """The URL itself, where it has one of these schemes, a host, and nothing that cannot be sent."""
    if not value.isprintable() or " " in value:
        raise ValueError("has spaces in it, or characters that cannot be printed")
    scheme, host, port = _parts(value)
    if scheme not in schemes:
        raise ValueError(f"does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not host:
        raise ValueError("names no host")
    if port == 0:
        raise ValueError("names port 0")
    if "#" in value:
        raise ValueError("has a fragment (#) in it")
    return value


def _parts(value: str) -> tuple[str, str | None, int | None]:
    try:
        url = urlsplit(value)
        parts = url.scheme, url.hostname, url.port
    except ValueError:
        # Not its own words: they may quote the userinfo.
        raise ValueError("is not a URL: cannot parse its host or port") from None
    return parts


def address_of(value: str) -> Address | None:
    """Host and port of ``HOST:PORT``; None for ``off``."""
    if value.lower() == "off":
        return None
    _, host, port = _parts(f"//{value}")
    if not host or port is None or not re.fullmatch(r"[^/@?#\s]+", value):
        raise ValueError("is not an address to listen on")
    return host, port
