"""The session: the recording, or by the venue's setting the stream. Which one an output is, after we were away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap.core.model import SessionPolicy, Stamp
from tap.core.obs.filenames import local_start
from tap.core.obs.messages import whole
from tap.core.obs.state import ObsState, Take

__all__ = ["Outputs", "Standing", "state_word"]

_SLACK_MS = 5_000
"""How much shorter than expected an output may be and still be the same one."""
_STOPS_MS = 30_000
"""For so long after STOPPING an output may still say that it is active: it writes what it has."""
_LAG_MS = 700
"""How far the length that OBS tells of a recording lies behind what it has recorded: 0.63 to 0.67 s were measured."""
_QUARTER_MS = 900_000
"""Time zones lie whole quarters of an hour apart."""

_BY: Mapping[str, str] = {"frames": "record", "dialect": "record", "record": "record", "stream": "stream"}
_OUTPUT = "OBS_WEBSOCKET_OUTPUT_"


def state_word(data: Mapping[str, Any]) -> str:
    """``STARTED``, ``PAUSED`` …: an output's own flag is down while it is paused, so only this tells."""
    return str(data["outputState"]).removeprefix(_OUTPUT)


class Standing:
    """How an output stands, by OBS's answer."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self.status = status
        active = status.get("outputActive")
        self.readable = isinstance(active, bool)
        self.paused = status.get("outputPaused") is True
        self.active = active is True or self.paused
        self.length = whole(status.get("outputDuration"))


class Outputs:
    """What is known of recording and stream, on the reader's state."""

    def __init__(self, state: ObsState, policy: SessionPolicy) -> None:
        self._state = state
        self.session_by: str | None = _BY.get(policy)
        """The output that makes a session; None where the venue's policy goes by something else."""

    @property
    def asked(self) -> str:
        """The request whose answer tells of that output."""
        return "GetStreamStatus" if self.session_by == "stream" else "GetRecordStatus"

    @property
    def recorder(self) -> Take | None:
        """The recording that runs, whether or not it makes the session."""
        return self._state.take if self.session_by == "record" else self._state.recorder

    def began(self, stamp: Stamp, *, recorder: bool = False) -> Take | None:
        """The output started. What runs now, or None where it is known from a snapshot just now."""
        known = self.recorder if recorder else self._state.take
        if known is not None and stamp.mono - known.began <= _SLACK_MS:
            return None
        return self._set(Take(stamp.wall, stamp.mono), recorder=recorder)

    def ended(self, stamp: Stamp, *, recorder: bool = False) -> None:
        """It stopped, as OBS said."""
        state = self._state
        if recorder or self.session_by == "record":
            state.over, state.over_since, state.paused_since = self.recorder, stamp.mono, None
        self._set(None, recorder=recorder)

    def pause(self, stamp: Stamp, on: bool) -> None:
        """The recording stands still from now on, or no more."""
        state, recorder = self._state, self.recorder
        if on:
            state.paused_since = stamp.mono if state.paused_since is None else state.paused_since
            return
        if state.paused_since is not None and recorder is not None:
            recorder.paused_ms += max(0, stamp.mono - max(state.paused_since, recorder.began))
        state.paused_since = None

    def seen(self, status: Mapping[str, Any], stamp: Stamp, *, recorder: bool = False) -> bool | None:
        """OBS says how the output stands: True where it is another than the known one or none was known, False where
        that goes on or there is none, None where it cannot be read.
        """
        now = Standing(status)
        if not now.readable:
            return None
        if not now.active or self._is_stopping(now, stamp, recorder=recorder):
            self._set(None, recorder=recorder)
            if recorder or self.session_by == "record":
                self._state.paused_since = None
            return False
        known = self.recorder if recorder else self._state.take
        records = recorder or self.session_by == "record"
        anew = known is None or (now.length is not None and self._another(known, now, stamp, records=records))
        if anew:
            ran = now.length or 0
            self._set(Take(stamp.wall - ran, stamp.mono - ran, seen=False), recorder=recorder)
            self._state.paused_since = None if records else self._state.paused_since
        return anew

    def paused_at(self, now: Standing, stamp: Stamp) -> int | None:
        """When (wall) a pause that is on, or was, began or ended unseen: the recording is as long as it ran."""
        take = self.recorder
        if take is None or now.length is None:
            return None
        if now.paused:
            return min(stamp.wall, take.started_at + now.length + take.paused_ms)
        since = self._state.paused_since
        if since is None:
            return None
        recorded = since - take.began - take.paused_ms
        return max(stamp.wall - stamp.mono + since, min(stamp.wall, stamp.wall - (now.length + _LAG_MS - recorded)))

    # ------------------------------------------------------------------ what a file is called

    def starts_with(self, path: str | None, stamp: Stamp) -> None:
        """A recording was seen starting with this file: so the clock of names can be set against ours."""
        local = None if path is None else local_start(path)
        if local is not None:
            self._state.skew = (stamp.wall - local) % _QUARTER_MS

    def start_by_name(self, path: str | None) -> int | None:
        """When a recording that was not seen starting began, by its file's name; None where that knows no better.

        The name tells the second in OBS's own time. Which time zone that is shows in what the length says of the
        start; and the start is not later than that.
        """
        take, local = self._state.over, None if path is None else local_start(path)
        if local is None or take is None or take.seen or self.session_by != "record":
            return None
        skew = self._state.skew or 0
        # A recording was seen starting up to a second after the second in its name.
        early = (take.started_at - local - skew + _QUARTER_MS // 2) % _QUARTER_MS - _QUARTER_MS // 2
        start = take.started_at - early
        return start if early >= 0 else None

    # ------------------------------------------------------------------ which one it is

    def _set(self, take: Take | None, *, recorder: bool) -> Take | None:
        if recorder and self.session_by != "record":
            self._state.recorder = take
        else:
            self._state.take = take
        return take

    def _is_stopping(self, now: Standing, stamp: Stamp, *, recorder: bool) -> bool:
        """Whether it is what was told to stop, and has not finished yet."""
        state = self._state
        if not (recorder or self.session_by == "record") or state.over is None or now.length is None:
            return False
        if stamp.mono - state.over_since > _STOPS_MS or self.recorder is not None:
            return False
        ran = state.over_since - state.over.began - state.over.paused_ms
        return abs(now.length - ran) <= _SLACK_MS and stamp.mono - now.length < state.over_since

    def _another(self, known: Take, now: Standing, stamp: Stamp, *, records: bool) -> bool:
        """Whether an output of this length cannot be the one that ran when OBS was lost."""
        state = self._state
        length = now.length or 0
        lost = state.heard if state.blind_since is None else state.blind_since
        if state.paused_since is None or not records:
            ran = lost - known.began - known.paused_ms
            away = stamp.mono - max(lost, known.began)
        else:
            # Its length stands still while it is paused.
            ran, away = state.paused_since - known.began - known.paused_ms, 0
        if not now.paused and length + _SLACK_MS < away:
            return True
        # It began while we were away: shorter than the known one was already then. Half, since OBS counts pictures,
        # and a machine that is too slow makes fewer.
        return length + _SLACK_MS < ran / 2
