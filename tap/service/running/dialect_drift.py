"""Drift: if the server's traffic stops matching the dialect, an alarm says so before a shoot is lost.

It is checked once a second, from counters that the pipeline has anyway: no frame costs more for it. An alarm is logged
once, with the next step. It is in ``alarms`` until it is over. This raises an alarm, and this ends it:

    alarm       raised when                                              over when
    unknown     at least 20 control frames, and at least 25 % of them,   it is less than 10 %
                had types that the dialect does not know, in 5 minutes
    unreadable  the same for frames that are not JSON text               the same
    incomplete  the same for known types that lack fields of their rule  the same
    vanished    states came every 30 s or more often; then none came     a state comes
                for 10 minutes, while 60 other control frames came
    untold      5 cuts in a row were only seen in states, although the   a frame for a cut comes
                dialect has frames for cuts
    sessionless cuts, holds, modes or stills came in 6 different hours,  a session begins
                over 24 hours or more, and never a session
    numbers     the frames' numbers contradict the dialect's             they have fitted for an hour
                seq_orders, and another value fits them

Telemetry is no control frame. A server that says nothing, or only that it is alive, raises none of them: silence is
no drift. Shares are those of at least a minute. After a restart counting starts again, but for the hours without a
session, which are saved in a file of the state directory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tap.core.machine.state import State
from tap.core.mapping.numbering import order_in_words
from tap.core.model import Entry, Stamp
from tap.core.pipeline import Pipeline, Tally
from tap.service.logs import get_logger

__all__ = ["DialectDrift"]

_SAMPLE_MS = 10_000
_SHARE_MS = 300_000
_SHARE_LEAST_MS = 60_000
_SHARE_RAISES, _SHARE_ENDS = 0.25, 0.10
_LEAST = 20
_REGULAR = 10
"""States in a window that make them regular: every half a minute."""
_VANISHED_MS = 600_000
_VANISHED_OTHERS = 60
_UNTOLD = 5
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_HOURS = 6
_ACTIVITY = ("Cut", "HoldOn", "Release", "ModeChanged", "StillRequested", "StillCaptured", "StillUploaded")
_MOST_TYPES_NAMED = 5
_ANEW = 3
"""A few numbers that fit nothing may come from one silent restart. From this many on, they do not."""

_log = get_logger(__name__)


class _Counts(Struct, frozen=True):
    """The pipeline's counters at one moment."""

    mono: int
    unknown: int
    unreadable: int
    incomplete: int
    control: int
    """All that was no telemetry, the three before included."""
    snapshots: int
    connections: int


class _Sessionless(Struct):
    """What is saved over a restart: since when (wall, ms) there was activity without a session, and in which hours."""

    since: int | None = None
    hours: int = 0
    last_hour: int = 0


class DialectDrift:
    """Watches one pipeline. Call ``look`` about once a second, and ``entries`` with entries as they are written.

    ``path``: the file that remembers the hours without a session over a restart; None remembers nothing.
    """

    def __init__(self, pipeline: Pipeline, *, path: Path | None = None) -> None:
        self.alarms: dict[str, str] = {}
        """Those that are now: name → what is the matter, and what to do."""
        self._pipeline = pipeline
        self._path = path
        self._samples: deque[_Counts] = deque()
        self._snapshot_at: _Counts | None = None
        self._regular = False
        self._inferred = 0
        self._cuts = 0
        self._activity = 0
        self._program: tuple[int, str | None] | None = None
        self._sessionless = _read(path)
        self._scopes = 0
        self._scopes_at = 0

    def entries(self, entries: Iterable[Entry]) -> None:
        """Entries were written: count cuts that only a state showed, until a frame reports one."""
        for entry in entries:
            if entry.fields.get("kind") == "cut" and (entry.fields.get("detail") or {}).get("inferred"):
                self._inferred += 1

    def look(self, stamp: Stamp) -> None:
        """Compare what came since the last looks. Never raises."""
        tally = self._pipeline.tally
        now = _counts(tally, self._pipeline.state.connections, stamp.mono)
        if not self._samples or now.mono - self._samples[-1].mono >= _SAMPLE_MS:
            self._samples.append(now)
            while now.mono - self._samples[0].mono > _SHARE_MS:
                self._samples.popleft()
        before = self._samples[0]
        self._shares(before, now, tally)
        self._snapshots(before, now)
        self._untold(tally)
        self._without_session(tally, stamp.wall)
        self._numbers(tally, now.mono)

    # ------------------------------------------------------------------ the alarms

    def _shares(self, before: _Counts, now: _Counts, tally: Tally) -> None:
        control = now.control - before.control
        if control < _LEAST or now.mono - before.mono < _SHARE_LEAST_MS:
            return
        for name, words in (
            ("unknown", lambda: f"types that the dialect does not know ({_most(tally)})"),
            ("unreadable", lambda: "not JSON text" + _why(tally, "unreadable")),
            (
                "incomplete",
                lambda: "of known types, but without the fields that their rules need" + _why(tally, "incomplete"),
            ),
        ):
            count = getattr(now, name) - getattr(before, name)
            share = count / control
            if share >= _SHARE_RAISES and count >= _LEAST:
                self._raise(name, lambda words=words, share=share: _share_words(share, words))  # type: ignore[misc]
            elif share < _SHARE_ENDS:
                self._end(name)

    def _snapshots(self, before: _Counts, now: _Counts) -> None:
        """States that came regularly, and come no more while other frames do."""
        last = self._snapshot_at
        if last is None or now.snapshots != last.snapshots or now.connections != last.connections:
            if last is not None and now.snapshots != last.snapshots:
                self._end("vanished")
            self._snapshot_at = now
        # A state that greets a connection says nothing of how often they come.
        if now.snapshots - before.snapshots - (now.connections - before.connections) >= _REGULAR:
            self._regular = True
        last = self._snapshot_at
        if last is None or not self._regular or now.mono - last.mono < _VANISHED_MS:
            return
        others = now.control - last.control
        if others >= _VANISHED_OTHERS:
            self._raise(
                "vanished",
                lambda: (
                    f"the server's states came regularly, but none for {_VANISHED_MS // 60_000} minutes, while {others}"
                    " other control frames came"
                ),
            )

    def _untold(self, tally: Tally) -> None:
        cuts = tally.said.get("Cut", 0)
        if cuts != self._cuts:
            self._cuts, self._inferred = cuts, 0
            self._end("untold")
        elif self._inferred >= _UNTOLD and "cut" in self._pipeline.dialect.emits:
            self._raise(
                "untold",
                lambda: (
                    f"the last {self._inferred} cuts were only seen in states: the frames that the dialect reads as"
                    " cuts no longer come, so triggers, transitions and exact times are missing"
                ),
            )

    def _without_session(self, tally: Tally, wall: int) -> None:
        state = self._pipeline.state
        kept = self._sessionless
        activity, program = _activity(tally), _program(state)
        # What a connection's first state shows is news, and no activity: nobody knows when it happened.
        cut = program is not None and self._program is not None and program[0] == self._program[0]
        active = activity != self._activity or (cut and program != self._program)
        self._activity, self._program = activity, program
        if state.session is not None:
            if kept.since is not None:
                self._keep(_Sessionless())
            self._end("sessionless")
            return
        hour = wall // _HOUR_MS
        if active and hour != kept.last_hour:
            since = wall if kept.since is None else kept.since
            self._keep(_Sessionless(since=since, hours=kept.hours + 1, last_hour=hour))
            kept = self._sessionless
        if kept.since is not None and kept.hours >= _HOURS and wall - kept.since >= _DAY_MS:
            days = (wall - kept.since) // _DAY_MS
            self._raise(
                "sessionless",
                lambda: (
                    f"cuts, holds, modes or stills came in {kept.hours} different hours of"
                    f" {days} day{'' if days == 1 else 's'}, but no session: without one nothing is recorded"
                ),
                "see whether the dialect maps the server's session; if it has none, TAP_SESSION_BY makes sessions",
            )

    def _numbers(self, tally: Tally, mono: int) -> None:
        """What ``seq`` orders is not what the dialect says."""
        if tally.scopes != self._scopes:
            self._scopes, self._scopes_at = tally.scopes, mono
        elif mono - self._scopes_at >= _HOUR_MS:
            self._end("numbers")
            return
        dialect = self._pipeline.dialect
        fits = None if tally.numbering is None else tally.numbering.contradicts(dialect.seq_orders)
        if fits is None or (fits == "nothing" and tally.scopes < _ANEW):
            return
        words, step = order_in_words(dialect.name, dialect.seq_orders, fits)
        times = f"{tally.scopes} time{'' if tally.scopes == 1 else 's'}, the first of them {tally.scope_example}"
        self._raise("numbers", lambda: f"{words} ({times})", step)

    # ------------------------------------------------------------------ telling it

    def _raise(self, name: str, words: Callable[[], str], to_do: str = "") -> None:
        if name in self.alarms:
            return
        dialect = self._pipeline.dialect.name
        to_do = to_do or (
            f"the server's frames may no longer match {dialect}: 'multicam-tap inspect' them (docs/new-server.md)"
        )
        said = words()
        self.alarms[name] = f"{said} → {to_do}"
        _log.warning("the traffic does not match the dialect", alarm=name, why=said, next_step=to_do)

    def _end(self, name: str) -> None:
        if self.alarms.pop(name, None) is not None:
            _log.info("the traffic matches the dialect again", alarm=name)

    def _keep(self, sessionless: _Sessionless) -> None:
        self._sessionless = sessionless
        if self._path is not None:
            # That it cannot be saved costs an alarm that comes later, and is no reason for one.
            with suppress(OSError):
                fresh = self._path.with_suffix(".new")
                fresh.write_bytes(msgspec.json.encode(sessionless))
                fresh.replace(self._path)


def _read(path: Path | None) -> _Sessionless:
    if path is not None:
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(path.read_bytes(), type=_Sessionless)
    return _Sessionless()


def _counts(tally: Tally, connections: int, mono: int) -> _Counts:
    unknown = sum(tally.unknown.values())
    control = tally.mapped + tally.quiet + unknown + tally.incomplete + tally.unreadable
    snapshots = tally.said.get("Snapshot", 0)
    return _Counts(mono, unknown, tally.unreadable, tally.incomplete, control, snapshots, connections)


def _activity(tally: Tally) -> int:
    return sum(tally.said.get(name, 0) for name in _ACTIVITY)


def _program(state: State) -> tuple[int, str | None] | None:
    """On which connection the program was reported, and what it is; None if it is not known for sure."""
    return (state.connections, state.program.value) if state.program.known and state.program.sure else None


def _share_words(share: float, words: Callable[[], str]) -> str:
    return f"of the control frames of the last {_SHARE_MS // 60_000} minutes {share:.0%} are {words()}"


def _most(tally: Tally) -> str:
    often = sorted(tally.unknown, key=lambda name: -tally.unknown[name])
    named = ", ".join(name or "without a type" for name in often[:_MOST_TYPES_NAMED])
    return named if len(often) <= _MOST_TYPES_NAMED else f"{named} and others"


def _why(tally: Tally, verdict: str) -> str:
    sample = next((sample for sample in reversed(tally.samples) if sample.verdict == verdict), None)
    return "" if sample is None else f" (such as {sample.type + ': ' if sample.type else ''}{sample.reason})"
