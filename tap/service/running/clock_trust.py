"""Whether this machine's clock may be believed where something would be deleted by it, and how long the tap was away.

A start with a clock that is forty days ahead must not throw forty days of tapes away, nor tell of a gap of forty days.
A clock is believed by what else tells the time: NTP, the server, and what the journal remembers of the last time that
it was believed. How long the machine has run since then is counted by the machine itself, and nobody sets that.
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
"""By how much a clock may be set back on a start without a word: what NTP corrects."""
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_UNSEEN_MS = 7 * _DAY_MS
"""How long a tap may have been off, by a clock that nothing else confirms: so much too early things go at worst."""
_NTP_EVERY_S = 600.0
_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")

_log = get_logger(__name__)


class Moment(Struct, frozen=True):
    """A moment by all clocks there are; ms."""

    wall: int
    mono: int = 0
    """The tap's own time, which goes on over restarts."""
    uptime: int = 0
    boot: str | None = None
    """Which start of the machine ``uptime`` counts from; None where that cannot be told."""


def moment_now(mono: int = 0) -> Moment:
    """Now."""
    return Moment(wall_ms(), mono, uptime_ms(), boot_id())


def read_moment(text: str | None) -> Moment | None:
    """A moment as the journal remembers it; None where there is none that can be read."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Moment)
    except msgspec.MsgspecError:
        return None


def _ran_on(since: Moment, now: Moment) -> int | None:
    """For how long the machine ran between two moments; None where it was started anew, or does not tell."""
    if since.boot is None or since.boot != now.boot or now.uptime < since.uptime:
        return None
    return now.uptime - since.uptime


def away_ms(seen: Moment | None, now: Moment, *, wall: int, mono: int) -> int | None:
    """For how long the tap was away that was last there at ``wall`` and ``mono``; None where only the wall clock tells.

    ``seen`` is any earlier moment of it. Of two clocks that went on the one that tells less is believed: the machine's
    own counts sleep, and the wall clock may have been set.
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
    """Why the wall clock does not tell how long the tap was away that was last there at ``wall``, in words; else None.

    For a start on which only the wall clock could tell it: the machine was started anew, and its own clock may have
    stood still, or gone anywhere, meanwhile. ``last``: when it was believed last.
    """
    if now.wall < wall - _STEP_MS:
        return f"it is {_days(wall - now.wall)} behind the last moment of which this tap knows"
    return doubt(last or Moment(wall), now, server_off=None, ntp=is_set_by_ntp if ntp is None else ntp)


# ---------------------------------------------------------------------------------------------- what is believed


def doubt(last: Moment | None, now: Moment, *, server_off: int | None, ntp: Callable[[], bool | None]) -> str | None:
    """Why the clock is not believed now, in words; None where it is. Pure but for ``ntp``, asked only where it matters.

    ``last``: when it was believed last. ``server_off``: by how much the server's clock differs (ms), where that was
    noticed. That the two agree proves nothing: they may be one.
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
    """By how much the clock is beyond what can have passed; None where it is not."""
    ran = _ran_on(last, now)
    passed = now.wall - last.wall
    explained = _UNSEEN_MS if ran is None else ran + _HOUR_MS
    return passed if passed > explained else None


def _days(ms: int) -> str:
    days = abs(ms) / _DAY_MS
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"


def is_set_by_ntp() -> bool | None:
    """Whether something keeps the clock right; None where the machine does not tell. May take a second."""
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
    """Whether the clock is believed (``ok``), looked at now and then; ``last`` is when it was so last.

    ``ok`` may be read from any thread, ``look`` belongs to one at a time.
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
        """Why not, in words; None also before the first look."""
        self.last = last
        self._ask = ntp
        self._uptime = uptime
        self._ntp: bool | None = None
        self._asked: float | None = None

    def look(self, now: Moment, server_off: int | None) -> bool:
        """Whether the clock is believed now. The log hears of a change."""
        why = doubt(self.last, now, server_off=server_off, ntp=self._by_ntp)
        if why is None:
            if self.why is not None:
                _log.info("this machine's clock is right again: the tap deletes old data again")
            # One that was set back tells nothing new; when it is right again, it must not seem to be ahead.
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
