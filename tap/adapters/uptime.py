"""How long this machine has run, and since which start of it: a clock that nobody sets."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["boot_id", "uptime_ms"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_UPTIME = Path("/proc/uptime")
_AGREE_S = 60.0


def uptime_ms() -> int:
    """Ms since the machine was started, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str | None:
    """The same for as long as ``uptime_ms`` counts on, and never again; None where that cannot be known."""
    try:
        shown = float(_UPTIME.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        shown = None
    if shown is not None and abs(shown - uptime_ms() / 1000) > _AGREE_S:
        return None  # a container that counts by itself, or a clock that somebody bends
    try:
        return _BOOT.read_text("ascii").strip() or None
    except (OSError, ValueError):
        pass
    try:
        # The sandbox of the unit shows no more of /proc than processes. This is when the kernel first showed /sys.
        return f"sys-{os.stat('/sys').st_ctime_ns}"  # noqa: PTH116 - the nanoseconds are what counts
    except OSError:
        return None
