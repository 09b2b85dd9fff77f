"""Which OBS there are to be tapped: the one that is installed, and a current one in a root of its own.

The second is made once by ``mmdebstrap``, from Debian sid, else from trixie, and kept outside the tree, in
``~/.cache/multicam-tap``; after a month it is made anew. Where it cannot be made, that is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Installed", "current", "debian", "in_namespace", "missing"]

_PACKAGES = ("obs-studio", "obs-plugins", "libgl1", "libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0")
_SUITES = ("sid", "trixie")
_MAKE_S = 600
_TRY_S = 180
_MONTH_S = 30 * 86_400
_PROGRAMS = {"Xvfb": "xvfb", "ffmpeg": "ffmpeg", "unshare": "util-linux", "ip": "iproute2"}


class Installed(NamedTuple):
    """An OBS that can be started; ``why`` says why it cannot."""

    name: str
    version: str
    root: Path | None = None
    """The root that it is installed in; None: this machine's own."""
    why: str | None = None


def missing() -> str | None:
    """Why no OBS can be filmed here; None where one can."""
    lacking = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (apt-get install {' '.join(lacking)})"
    tried = subprocess.run(in_namespace(["true"]), capture_output=True, text=True, check=False, timeout=300)
    return None if tried.returncode == 0 else f"no network namespace can be made here: {tried.stderr.strip()[:200]}"


def in_namespace(command: list[str]) -> list[str]:
    """``command`` where there is only loopback, and mounts of its own; without rights, in a user namespace."""
    unshare = ["unshare", *([] if os.getuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount"]
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
    said: list[str] = []
    for suite in _SUITES:
        root = folder / f"obs-{suite}"
        old = not root.is_dir() or time.time() - root.stat().st_mtime > _MONTH_S
        why = _make(folder, suite) if old else ""
        # What is in it changes from day to day: one that does not start here says nothing of the tap.
        why = (why if not root.is_dir() else "") or _tried(root)
        if not why:
            return _in_root(root)
        said.append(f"{suite}: {why}")
    return Installed("current", "none", why=f"no root with it could be made that works here: {'; '.join(said)}")


def _in_root(root: Path) -> Installed:
    return Installed(f"current ({root.name.removeprefix('obs-')})", _version(["chroot", str(root)]), root)


def _tried(root: Path) -> str:
    """Why the OBS in this root does not start here; nothing where it does."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "tests.obs.studio", "--root", place, "--chroot", str(root)]
        try:
            done = subprocess.run(in_namespace(command), capture_output=True, text=True, check=False, timeout=_TRY_S)
        except subprocess.TimeoutExpired:
            return f"OBS did not start and stop within {_TRY_S} s"
        return "" if done.returncode == 0 else f"OBS does not start: {done.stderr.strip()[-300:]}"


def _version(before: list[str]) -> str:
    done = subprocess.run(
        [*before, "dpkg-query", "-W", "-f", "${Version}", "obs-studio"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout.strip() or "unknown"


def _make(folder: Path, suite: str) -> str:
    """Make a root of this suite; why it failed, or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    made, new = folder / f"obs-{suite}", folder / f"obs-{suite}.new"
    shutil.rmtree(new, ignore_errors=True)
    print(f"making a root with OBS from Debian {suite} in {made}", file=sys.__stderr__)
    command = [
        *("mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(_PACKAGES)}"),
        # A mirror may stand still, or this machine's clock be wrong: what is signed is good enough for a test.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(suite, str(new), *_mirror()),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_MAKE_S)
    except subprocess.TimeoutExpired:
        shutil.rmtree(new, ignore_errors=True)
        return f"mmdebstrap took over {_MAKE_S} s"
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        return f"mmdebstrap failed: {done.stderr.strip()[-300:]}"
    shutil.rmtree(made, ignore_errors=True)
    new.rename(made)
    return ""


def _mirror() -> list[str]:
    """Where this machine has its own packages from; nothing: where mmdebstrap has them from by itself."""
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(ORIGIN)", "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    sites = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("Debian") and "security" not in line]
    return sites[:1]


if __name__ == "__main__":
    for obs in (debian(), current()):
        print(f"{obs.name}: {obs.version if obs.why is None else obs.why}")
