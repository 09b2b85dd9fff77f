"""Roots with a current OBS in them: made by ``mmdebstrap``, kept outside the tree, made anew after a month.

Nothing that goes wrong here fails a test. A mirror that is away or hangs, a disk without room, a machine on which roots
cannot be made, a root that somebody was interrupted in making: each is a reason, in words, why no OBS is there. All of
it ends within ``WITHIN_S``, and whatever was begun ends with it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["SUITES", "WITHIN_S", "Roots", "alone"]

SUITES = ("sid", "trixie")
WITHIN_S = 600
"""For all suites together. It takes two minutes where the mirror is near."""
_PACKAGES = ("obs-studio", "obs-plugins", "libgl1", "libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0")
_ROOM = 3 * 10**9
"""Bytes that must be free: a root takes 1 GB, and as much again while it is made."""
_DAY_S = 86_400
_MONTH_S = 30 * _DAY_S
_OPTIONS = (
    # A mirror may be behind, or this machine's clock be wrong: what is signed is good enough for a test.
    'Acquire::Check-Valid-Until "false"',
    'Acquire::Retries "1"',
    'Acquire::http::Timeout "20"',
    'Acquire::https::Timeout "20"',
)


def alone(command: list[str], within: float) -> tuple[int | None, str]:
    """How ``command`` ended (None: not ``within`` so many seconds), and the end of what it said.

    All that it started ends with it, and what it mounted is mounted for nobody else.
    """
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", *command]
    # A file, no pipe: whoever is left behind may hold that open for ever.
    with tempfile.TemporaryFile() as said:
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = subprocess.run(
                inside, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, timeout=max(within, 0)
            ).returncode
        said.seek(0)
        return code, said.read().decode("utf-8", "replace").strip()[-500:]


class Roots:
    """The roots in ``folder``. ``tried`` says why the OBS in a root does not start here; nothing where it does."""

    def __init__(self, folder: Path, tried: Callable[[Path], str], *, within: float = WITHIN_S) -> None:
        self._folder = folder
        self._tried = tried
        self._within = within

    def working(self) -> Path | str:
        """The first whose OBS starts, made where there is none; or why there is none."""
        end = time.monotonic() + self._within
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._locked() as locked:
                if not locked:
                    return "somebody else makes one now"
                said = []
                for suite in SUITES:
                    why = self._one(suite, end)
                    if not why:
                        return self._folder / f"obs-{suite}"
                    said.append(f"{suite}: {why}")
        except OSError as error:
            said = [f"{error.strerror}: {error.filename}"]
        return f"no root with it could be made that works here: {'; '.join(said)}"

    def _one(self, suite: str, end: float) -> str:
        """Why this suite gives none; nothing where it does."""
        root = self._folder / f"obs-{suite}"
        age = time.time() - root.stat().st_mtime if root.is_dir() else None
        if age is None or age > _MONTH_S:
            why = self._make(root, suite, end)
            return self._tried(root) if root.is_dir() else why
        why = self._tried(root)
        if why and age > _DAY_S:
            # Somebody may have taken half of it away; of one that was made today this machine is the reason.
            why = self._make(root, suite, end) or self._tried(root)
        return why

    def _make(self, root: Path, suite: str, end: float) -> str:
        """Make one in the place of what is there; why it failed, or nothing."""
        new, old = root.with_suffix(".new"), root.with_suffix(".old")
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        free = shutil.disk_usage(self._folder).free
        if free < _ROOM:
            return f"{free / 1e9:.1f} GB are free in {self._folder}, and {_ROOM / 1e9:.0f} are needed"
        print(f"making a root with OBS from Debian {suite} in {root}", file=sys.__stderr__)
        command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(_PACKAGES)}"]
        command += [f"--aptopt={option}" for option in _OPTIONS]
        code, said = alone([*command, suite, str(new), *_mirror()], end - time.monotonic())
        if code != 0:
            shutil.rmtree(new, ignore_errors=True)
            return f"mmdebstrap was not done within {self._within:.0f} s" if code is None else f"mmdebstrap: {said}"
        os.utime(new)
        if root.exists():
            # Under another name first: half a root must not look like one.
            root.rename(old)
        new.rename(root)
        shutil.rmtree(old, ignore_errors=True)
        return ""

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True


def _mirror() -> list[str]:
    """Where this machine has its own packages from; nothing: where mmdebstrap has them from by itself."""
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(ORIGIN)", "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    sites = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("Debian") and "security" not in line]
    return sites[:1]
