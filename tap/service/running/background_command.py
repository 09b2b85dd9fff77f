"""Our own command in a process that gives way to everybody else: for what is made beside the recording."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tap.service.config import Settings

__all__ = ["BackgroundCommand", "Ended"]

_COMMAND = ("-m", "tap.cli")
_GIVES_WAY = 19
_FIRST_TO_GO = b"1000"
_MOST_SAID = 2000
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None
    """Its exit code; None where it could not be started, or took too long."""
    said: str
    """What it said on stderr."""


class BackgroundCommand:
    """Runs our commands, one at a time; ``kill`` it at the end of the service."""

    def __init__(self, settings: Settings, within: float, *, umask: int = 0o077) -> None:
        self.over = False
        """The service ends: nothing is started any more."""
        self._settings = settings
        self._within = within
        self._umask = umask
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether a command runs."""
        return self._process is not None

    def call(self, words: Sequence[str]) -> Ended:
        """Run a command to its end. On a thread."""
        if self.over:
            return Ended(None, "the service ends")
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, *_COMMAND, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(self._settings, os.environ),
                umask=self._umask,
            )
        except OSError as error:
            return Ended(None, f"the command cannot be started: {error.strerror}")
        self._process = process
        _stand_back(process.pid)
        try:
            _, said = process.communicate(timeout=self._within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Ended(None, f"it did not finish in {self._within:g} s")
        finally:
            self._process = None
        lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
        return Ended(process.returncode, "; ".join(lines)[:_MOST_SAID])

    def kill(self) -> None:
        """End what runs, and start nothing more."""
        self.over = True
        if self._process is not None:
            self._process.kill()


def _environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """What a command of ours is given: no key, and nothing to tell systemd."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("TAP_") and name not in (*_NOT_FOR_CHILDREN, "CREDENTIALS_DIRECTORY")
    }
    zone = settings.timezone
    return kept | {"TAP_STATE_DIR": str(settings.state_dir)} | ({} if zone is None else {"TAP_TIMEZONE": zone})


def _stand_back(pid: int) -> None:
    """Behind everybody for the processor, and the first to go where memory is short."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _GIVES_WAY)
    if sys.platform == "linux":
        # A process that is only nice still ends its turn before a thread goes on whose write is done.
        with suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_bytes(_FIRST_TO_GO)
