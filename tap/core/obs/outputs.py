"""The session: the recording, or by the venue's setting the stream. Which one an output is, after we were away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap.core.model import SessionPolicy, Stamp
from tap.core.obs.messages import whole
from tap.core.obs.state import ObsState, Take

__all__ = ["Outputs", "state_word"]

_SLACK_MS = 5_000
"""How much shorter than expected an output may be and still be the same one."""

_BY: Mapping[str, str] = {"frames": "record", "dialect": "record", "record": "record", "stream": "stream"}
_OUTPUT = "OBS_WEBSOCKET_OUTPUT_"


def state_word(data: Mapping[str, Any]) -> str:
    """``STARTED``, ``PAUSED`` …: an output's own flag is down while it is paused, so only this tells."""
    return str(data["outputState"]).removeprefix(_OUTPUT)


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

    def began(self, stamp: Stamp) -> Take | None:
        """The output started. The session that begins, or None where it is known from a snapshot just now."""
        known = self._state.take
        if known is not None and stamp.mono - known.began <= _SLACK_MS:
            return None
        self._state.take = Take(stamp.wall, stamp.mono)
        return self._state.take

    def ended(self) -> None:
        self._state.take = None
        self._state.paused_since = None

    def pause(self, stamp: Stamp, on: bool) -> None:
        state = self._state
        if on:
            state.paused_since = stamp.mono if state.paused_since is None else state.paused_since
            return
        if state.paused_since is not None and state.take is not None:
            state.take.paused_ms += max(0, stamp.mono - max(state.paused_since, state.take.began))
        state.paused_since = None

    def seen(self, status: Mapping[str, Any], stamp: Stamp) -> bool | None:
        """OBS says how the output stands: True where the session is another than the known one or none was known,
        False where it goes on or there is none, None where that cannot be read.
        """
        active = status.get("outputActive")
        paused = status.get("outputPaused") is True
        if not isinstance(active, bool):
            return None
        if not (active or paused):
            self.ended()
            return False
        length = whole(status.get("outputDuration"))
        known = self._state.take
        anew = known is None or (length is not None and self._another(known, length, stamp, paused))
        if anew:
            ran = length or 0
            self._state.take = Take(stamp.wall - ran, stamp.mono - ran)
            self._state.paused_since = None
        self.pause(stamp, paused)
        return anew

    def _another(self, known: Take, length: int, stamp: Stamp, paused: bool) -> bool:
        """Whether an output of this ``length`` cannot be the one that ran when OBS was lost."""
        state = self._state
        lost = state.heard if state.blind_since is None else state.blind_since
        if state.paused_since is None:
            ran = lost - known.began - known.paused_ms
            away = stamp.mono - max(lost, known.began)
        else:
            # Its length stands still while it is paused.
            ran, away = state.paused_since - known.began - known.paused_ms, 0
        if not paused and length + _SLACK_MS < away:
            return True
        # It began while we were away: shorter than the known one was already then. Half, since OBS counts pictures,
        # and a machine that is too slow makes fewer.
        return length + _SLACK_MS < ran / 2
