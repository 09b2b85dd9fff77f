"""Who may see the pages: checked by the host name of the request, and by a token. Pure.

A page of another site must not read what this machine serves. A browser sends the host name that it connects to, so a
name that is not ours (DNS rebinding) is refused, on loopback too. IP addresses are allowed: nobody can rebind them.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["HEADERS", "REPORT_POLICY", "Guard", "Refusal"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Server": "multicam-tap",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer: nothing is loaded from elsewhere, nothing is inline, no frames, no cache."""

REPORT_POLICY = (
    "sandbox allow-scripts allow-modals allow-downloads; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of a report, which has its script inside and allows no other by a policy of its own: in a place by itself, from where
nothing here can be asked for."""

_ALWAYS = ("localhost", "localhost.localdomain", "ip6-localhost")


class Refusal(NamedTuple):
    """Why a request is refused."""

    status: int
    words: str


class Guard:
    """Checks requests. ``names`` are allowed besides addresses and localhost. ``token`` is required if it is set."""

    def __init__(self, names: Iterable[str], token: str | None) -> None:
        self._names = {_folded(name) for name in (*_ALWAYS, *names)}
        self._token = None if token is None else _composed(token)

    def refusal(self, method: str, host: str | None, authorization: str | None) -> Refusal | None:
        """Why the request is refused; None if it may be answered."""
        if not self._is_ours(host):
            words = "this is not a name of this machine: use its address, or add the name to TAP_OPS_HOSTS"
            return Refusal(421, words)
        if method not in ("GET", "HEAD"):
            return Refusal(405, "this page is read-only: use GET")
        if self._token is not None and not _shows(authorization, self._token):
            return Refusal(401, "a token is needed: TAP_OPS_TOKEN as a bearer token, or as the password")
        return None

    def _is_ours(self, host: str | None) -> bool:
        name = _name_of(host or "")
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return _folded(name) in self._names
        return True


def _folded(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _name_of(host: str) -> str | None:
    """The host in a ``Host`` header, without its port; None if the header is invalid."""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        return name if bracket and (not rest or rest[0] == ":") else None
    name, _, port = host.partition(":")
    return name if name and (not port or port.isdecimal()) else None


def _shows(authorization: str | None, token: bytes) -> bool:
    scheme, _, said = (authorization or "").partition(" ")
    shown = said.strip()
    if scheme.lower() == "basic":
        try:
            shown = base64.b64decode(shown, validate=True).partition(b":")[2].decode()
        except ValueError:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(_composed(shown), token)


def _composed(text: str) -> bytes:
    """An umlaut may be written in one character or two; it is the same password."""
    return unicodedata.normalize("NFC", text).encode("utf-8", "replace")
