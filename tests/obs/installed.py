"""Which OBS there are to be tapped: the one that is installed, and a current one in a root of its own.

Where one cannot be had, that is said; see ``roots.py`` for the second.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.obs.roots import Roots, alone

__all__ = ["Installed", "current", "debian", "in_namespace", "missing"]

_TRY_S = 120
_PROGRAMS = {"Xvfb": "xvfb", "ffmpeg": "ffmpeg", "unshare": "util-linux", "ip": "iproute2"}


class Installed(NamedTuple):
    """An OBS that can be started; ``why`` says why it cannot."""

    name: str
    version: str
    root: Path | None = None
    """The root that it is installed in; None: this machine's own."""
    why: str | None = None


@cache
def missing() -> str | None:
    """Why no OBS can be filmed here; None where one can."""
    lacking = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (apt-get install {' '.join(lacking)})"
    tried = subprocess.run(in_namespace(["true"]), capture_output=True, text=True, check=False, timeout=300)
    return None if tried.returncode == 0 else f"no network namespace can be made here: {tried.stderr.strip()[:200]}"


def in_namespace(command: list[str]) -> list[str]:
    """``command`` where there is only loopback, and mounts of its own; without rights, in a user namespace.

    Whatever it starts ends with it.
    """
    unshare = ["unshare", *([] if os.getuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount"]
    unshare += ["--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*unshare, "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]


@cache
def debian() -> Installed:
    """The one that this machine has."""
    if shutil.which("obs") is None:
        return Installed("installed", "none", why="not installed: obs-studio (apt-get install obs-studio obs-plugins)")
    return Installed("installed", _version([]))


@cache
def current() -> Installed:
    """A current one; made where there is none yet."""
    given = os.environ.get("OBS_ROOT")
    if given:
        return Installed("current", _version(["chroot", given]), Path(given))
    if os.getuid() != 0 or shutil.which("mmdebstrap") is None:
        return Installed("current", "none", why="a root for it is only made by root, with mmdebstrap")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multicam-tap"
    root = Roots(folder, _tried).working()
    if isinstance(root, str):
        return Installed("current", "none", why=root)
    return Installed(f"current ({root.name.removeprefix('obs-')})", _version(["chroot", str(root)]), root)


def _tried(root: Path) -> str:
    """Why the OBS in this root does not start here; nothing where it does."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "tests.obs.studio", "--root", place, "--chroot", str(root)]
        code, said = alone(in_namespace(command), _TRY_S)
    if code is None:
        return f"OBS did not start and stop within {_TRY_S} s"
    return "" if code == 0 else f"OBS does not start: {said}"


def _version(before: list[str]) -> str:
    command = [*before, "dpkg-query", "-W", "-f", "${Version}", "obs-studio"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    for obs in (debian(), current()):
        print(f"{obs.name}: {obs.version if obs.why is None else obs.why}")
