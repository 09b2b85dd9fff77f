"""A service that ends again and again as soon as it starts waits longer each time before the next try.

systemd itself can do so only from version 254 on (``RestartSteps=``), and venues run older ones. The count of starts is
a file in the unit's runtime directory, which systemd keeps over restarts and removes when the unit is stopped.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tap.adapters.clock import wall_ms
from tap.core.backoff import Backoff
from tap.service.logs import get_logger

__all__ = ["RestartDelay", "passed_unless_stopped", "signals_waiting"]

_BACKOFF = Backoff(1.0, 60.0)
_WELL_AFTER_MS = 300_000
_SIGNALS = {signal.SIGTERM, signal.SIGINT}

_log = get_logger(__name__)


class RestartDelay:
    """Counts starts that did not come to a good end, in ``file``; without one it never waits."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> RestartDelay:
        """In systemd's ``$RUNTIME_DIRECTORY``, the first of them."""
        directory = environ.get("RUNTIME_DIRECTORY", "").split(":", 1)[0]
        return cls(Path(directory, "starts") if directory else None)

    def wait(self, tell: Callable[[str], None]) -> bool:
        """Wait before this start as long as it has to, with a word to ``tell``; False where it was stopped meanwhile.

        On the main thread, before any other thread is started.
        """
        seconds = self.begin()
        if not seconds:
            return True
        words = f"waits {seconds:g} s before it starts: it ended several times in a row"
        _log.warning(
            "held back: the service ended several times in a row", seconds=seconds, next_step="see the log before"
        )
        with signals_waiting():  # the usual end of the process would leave the count behind
            tell(words)
            if passed_unless_stopped(seconds):
                return True
            self.end()
            return False

    def begin(self) -> float:
        """One more start; how many seconds to wait before it.

        None for the first start and the first restart, so that a single crash costs a second, then 1, 2, 4 … 60.
        A last start that is more than five minutes back does not count: the service was well in between.
        """
        if self._file is None:
            return 0.0
        starts = _counted(self._file)
        with suppress(OSError):  # a runtime directory that cannot be written is no reason not to record
            self._file.write_text(f"{starts + 1}\n", "ascii")
        return 0.0 if starts < 2 else _BACKOFF.wait(starts - 1)

    def end(self) -> None:
        """It ended as it was asked to: the next start is a first one."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


def _counted(file: Path) -> int:
    try:
        if not 0 <= wall_ms() - file.stat().st_mtime_ns // 1_000_000 < _WELL_AFTER_MS:
            return 0
        return max(0, int(file.read_text("ascii")))
    except (OSError, ValueError):
        return 0


def passed_unless_stopped(seconds: float) -> bool:
    """Wait this long. False if SIGTERM or SIGINT came first. On the main thread, before any other thread is started."""
    with signals_waiting():
        return signal.sigtimedwait(_SIGNALS, seconds) is None


@contextmanager
def signals_waiting() -> Iterator[None]:
    """SIGTERM and SIGINT end nothing in here: they wait for ``passed_unless_stopped``."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
