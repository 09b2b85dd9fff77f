"""``key``: makes ingest keys. A key is shown once; a deployment knows only its digest."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tap.core.deployment import DEFAULT_MODULE

__all__ = [
    "RIGHTS",
    "ROTATION",
    "Commands",
    "commands",
    "digest",
    "new_key",
]

_PREFIX = "tapkey_"
"""So that a person, and a scanner for leaked secrets, knows what it is."""

RIGHTS = ("write", "read", "forget")
"""What a key may do: write and read its venue, only read, or only forget shoots."""

ROTATION = """\
Several keys can be valid at a time. To change a key: add the new one and give it to the tap. (It reads the file of
TAP_INGEST_KEY_FILE again by itself; otherwise restart it.) Run 'multicam-tap check', then revoke the old key
('multicam-tap key ls', 'multicam-tap key revoke')."""
"""What to know before a key is changed."""


class Commands(NamedTuple):
    """One command for each of a project's two deployments, ready to paste."""

    dev: str
    production: str


def commands(module: str, function: str, arguments: Mapping[str, object]) -> Commands:
    """How the owner of a deployment calls one of the functions that only the owner can call."""
    said = shlex.quote(json.dumps(arguments, ensure_ascii=False, separators=(",", ":")))
    return Commands(f"npx convex run {module}:{function} {said}", f"npx convex run --prod {module}:{function} {said}")


def new_key(venues: Sequence[str] | None, *, may: str = "write", module: str = DEFAULT_MODULE) -> tuple[str, Commands]:
    """A random key of 256 bits for venues (None: for all), and the commands that add its digest to a deployment.

    The key is saved nowhere: if you lose it, make another.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    granted = {"digest": digest(key), "venues": "all" if venues is None else list(venues), "may": [may]}
    return key, commands(module, "addKey", granted)


def digest(key: str) -> str:
    """What a deployment has of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()
