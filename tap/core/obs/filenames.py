"""What the name of a recorded file says: OBS puts the second of its start into it, unless it was told otherwise."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["local_start"]

_DATED = re.compile(r"(20\d\d)\D?(\d\d)\D?(\d\d)\D{1,3}(\d\d)\D?(\d\d)\D?(\d\d)(?!\d)")
"""Year to second, with whatever between them: OBS's own ``2026-11-28 01-24-30``, and what people make of it."""
_LONGEST = 1_000


def local_start(path: str) -> int | None:
    """When the file was begun, in ms since 1970 of OBS's own time zone; None where its name does not say."""
    name = re.split(r"[/\\]", path[-_LONGEST:])[-1]
    for found in _DATED.finditer(name):
        try:
            moment = datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        return int(moment.timestamp()) * 1000
    return None
