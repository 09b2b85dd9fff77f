"""Ingest keys: made here, shown once, and known to a deployment only by their digest."""

from __future__ import annotations

import hashlib
import secrets

from tap.core.codec import MAX_VENUE, key_part

__all__ = ["ROTATION", "digest", "new_key"]

_PREFIX = "tapkey_"
"""So that a person, and a scanner for leaked secrets, knows what it is."""

ROTATION = """\
The line sets the whole variable. Where keys are configured already ('npx convex env get PRODUCTION_INGEST_KEYS'), keep
them in it, with a space between: several keys may be valid at a time, for other venues and for this one.
To change a key: add the new one's digest beside the old, give the tap the new key (TAP_INGEST_KEY or its file) and
restart it, see 'multicam-tap check', then set the line again without the old digest."""
"""What to know before the line that ``new_key`` gives is used."""


def new_key(venue: str) -> tuple[str, str]:
    """A key for a venue, 256 bits at random, and the command that configures a deployment with its digest.

    The key is kept nowhere: whoever loses it makes another.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    named = key_part(venue, MAX_VENUE)
    return key, f'npx convex env set PRODUCTION_INGEST_KEYS "{named}:{digest(key)}"'


def digest(key: str) -> str:
    """What a deployment knows of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()
