"""Whether this machine's clock is right enough to delete old data by it, and how long the tap was away.

If the tap starts with a clock that is forty days ahead, it must not delete forty days of tapes, nor write a gap of
forty days. So it compares the clock with other evidence: NTP, the server's clock, and the moment at which the tap last
believed it, which the journal remembers. The machine itself counts how long it has run since then, and nobody can set
that counter.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from tap.adapters.clock import monotonic, wall_ms
from tap.adapters.uptime import boot_id, uptime_ms
from tap.service.logs import get_logger

__all__ = ["ClockTrust", "Moment", "away_ms", "away_unknown", "doubt", "is_set_by_ntp", "moment_now", "read_moment"]

_STEP_MS = 60_000
"""By how much the clock may be behind at a start without a doubt: NTP makes such corrections."""
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_UNSEEN_MS = 7 * _DAY_MS
"""How long a tap may have been off by a clock that nothing confirms. At worst, data is deleted this much too early."""
_NTP_EVERY_S = 600.0
_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")

_log = get_logger(__name__)


class Moment(Struct, frozen=True):
    """One moment by all clocks, in ms."""

    wall: int
    mono: int = 0
    """The tap's own clock, which continues over restarts of the tap."""
    uptime: int = 0
    boot: str | None = None
    """Which boot of the machine ``uptime`` counts from; None if that is unknown."""


def moment_now(mono: int = 0) -> Moment:
    """Now."""
    return Moment(wall_ms(), mono, uptime_ms(), boot_id())


def read_moment(text: str | None) -> Moment | None:
    """Read a moment that the journal remembers; None if there is none, or if it cannot be read."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Moment)
    except msgspec.MsgspecError:
        return None


def _ran_on(since: Moment, now: Moment) -> int | None:
    """How long the machine ran between two moments; None if it was rebooted, or does not say."""
    if since.boot is None or since.boot != now.boot or now.uptime < since.uptime:
        return None
    return now.uptime - since.uptime


def away_ms(seen: Moment | None, now: Moment, *, wall: int, mono: int) -> int | None:
    """How long the tap was away since ``wall`` and ``mono``, its last moment; None if only the wall clock shows it.

    ``seen`` is any earlier moment of this tap. The smaller of two lengths counts: the machine's counter includes sleep,
    and somebody may have set the wall clock.
    """
    ran = None if seen is None else _ran_on(seen, now)
    if seen is None or ran is None:
        return None
    by_machine = max(0, seen.mono + ran - mono)
    by_wall = now.wall - wall
    return by_machine if by_wall < 0 else min(by_machine, by_wall)


def away_unknown(
    last: Moment | None, now: Moment, *, wall: int, ntp: Callable[[], bool | None] | None = None
) -> str | None:
    """Why the wall clock does not show how long the tap was away since ``wall``, in words; None if it does.

    This is for a start after a reboot: then only the wall clock could show it, but it may have stopped or jumped
    meanwhile. ``last`` is the moment at which it was last believed.
    """
    if now.wall < wall - _STEP_MS:
        return f"it is {_days(wall - now.wall)} behind the last moment of which this tap knows"
    return doubt(last or Moment(wall), now, server_off=None, ntp=is_set_by_ntp if ntp is None else ntp)


# ---------------------------------------------------------------------------------------------- when it is believed


def doubt(last: Moment | None, now: Moment, *, server_off: int | None, ntp: Callable[[], bool | None]) -> str | None:
    """Why the clock is not believed now, in words; None if it is. Pure, except for ``ntp``, called only if needed.

    ``last`` is the moment at which it was last believed. ``server_off`` is by how many ms the server's clock differs,
    if that was noticed. If the two agree, that proves nothing: they may be the same clock.
    """
    ahead = None if last is None else _ahead(last, now)
    against = server_off is not None and abs(server_off) > _DAY_MS
    if ahead is None and not against:
        return None
    if ahead is None:
        return None if ntp() else f"the server's clock and this machine's differ by {_days(server_off or 0)}"
    if not against and ntp():
        return None
    return f"it is {_days(ahead)} ahead of when this tap last believed it"


def _ahead(last: Moment, now: Moment) -> int | None:
    """How far the clock has gone since ``last``, if that is more than the time that can have passed; else None."""
    ran = _ran_on(last, now)
    passed = now.wall - last.wall
    explained = _UNSEEN_MS if ran is None else ran + _HOUR_MS
    return passed if passed > explained else None


def _days(ms: int) -> str:
    days = abs(ms) / _DAY_MS
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"


def is_set_by_ntp() -> bool | None:
    """Whether NTP sets the clock; None if the machine does not say. May take a second."""
    if _SYNCHRONIZED.exists():
        return True
    subprocess, shutil = importlib.import_module("subprocess"), importlib.import_module("shutil")
    program = shutil.which("timedatectl")
    if program is None:
        return None
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip()) if done.returncode == 0 else None


class ClockTrust:
    """Whether the clock is believed (``ok``), and when it last was (``last``). Call ``look`` now and then.

    Any thread may read ``ok``. Only one thread at a time may call ``look``.
    """

    def __init__(
        self,
        last: Moment | None,
        *,
        ntp: Callable[[], bool | None] = is_set_by_ntp,
        uptime: Callable[[], float] = monotonic,
    ) -> None:
        self.ok = False
        self.why: str | None = None
        """Why it is not believed, in words; None also before the first look."""
        self.last = last
        self._ask = ntp
        self._uptime = uptime
        self._ntp: bool | None = None
        self._asked: float | None = None

    def look(self, now: Moment, server_off: int | None) -> bool:
        """Whether the clock is believed now. A change is logged."""
        why = doubt(self.last, now, server_off=server_off, ntp=self._by_ntp)
        if why is None:
            if self.why is not None:
                _log.info("this machine's clock is right again: the tap deletes old data again")
            # Do not save the moment of a clock that was set back: once it is right again, it would seem to be ahead.
            if self.last is None or now.wall >= self.last.wall + (_ran_on(self.last, now) or 0) - _HOUR_MS:
                self.last = now
        elif self.why is None:
            _log.warning(
                "this machine's clock is in doubt: nothing is deleted because of its age",
                why=why,
                next_step="set it by NTP ('timedatectl set-ntp true'); tapes and journal stay within their size limits",
            )
        self.ok, self.why = why is None, why
        return self.ok

    def _by_ntp(self) -> bool | None:
        if self._asked is None or self._uptime() >= self._asked + _NTP_EVERY_S:
            self._ntp, self._asked = self._ask(), self._uptime()
        return self._ntp
