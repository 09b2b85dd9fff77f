"""What OBS has to be told before it tells anything: who we are, what we want to hear, and the state at the start.

Hello comes from OBS, Identify goes there, Identified comes back; then the state is asked for. Nothing else is ever
sent, and nothing of it changes anything in OBS.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from tap.core.errors import HandshakeRefused
from tap.core.obs.messages import ASKED, MASK, RPC_VERSION, TRANSITION_ASKED

__all__ = ["REFUSALS", "ObsHandshake"]

_NOT_READY = 207
"""OBS is still starting, or changes its scene collection."""
_PATIENCE = 5
"""Ticks after which a question counts as unanswered."""

_ASKED_AGAIN: Mapping[str, tuple[str, ...]] = {
    # Other scenes, and other transitions under the same names.
    "CurrentSceneCollectionChanged": ("GetSceneList", "GetSceneTransitionList"),
    # Its kind and length are not told.
    "CurrentSceneTransitionChanged": ("GetCurrentSceneTransition",),
}
_NEWS = tuple(f'"{name}"'.encode() for name in _ASKED_AGAIN)

_PASSWORD = "TAP_SERVER_TOKEN is the password that OBS shows under Tools → WebSocket Server Settings"  # noqa: S105
_TOO_OLD = (
    "this is obs-websocket 4.x: the tap speaks version 5, which OBS 28 and newer contain (its port is mostly 4455)"
)

REFUSALS: Mapping[int, str] = {
    4007: "OBS says that it was not told who we are",
    4009: f"OBS refuses the password: {_PASSWORD}",
    4010: "OBS speaks another version of its protocol than this multicam-tap: upgrade the older of the two",
    4011: "somebody removed this client in OBS (WebSocket Server Settings, Show Connect Info)",
    4012: "OBS does not know a feature that it was asked for",
}
"""Close codes after which trying again soon would change nothing."""


def _frame(op: int, body: dict[str, Any]) -> bytes:
    return orjson.dumps({"op": op, "d": body})


def _request(kind: str) -> bytes:
    return _frame(6, {"requestType": kind, "requestId": f"multicam-tap {kind}"})


def _proof(password: str, salt: str, challenge: str) -> str:
    """The password is never sent: what OBS gets is a hash over it and what OBS made up for this connection."""
    secret = base64.b64encode(hashlib.sha256((password + salt).encode()).digest()).decode()
    return base64.b64encode(hashlib.sha256((secret + challenge).encode()).digest()).decode()


class ObsHandshake:
    """One connection's."""

    def __init__(self, password: str | None) -> None:
        self.done = False
        self.remark: str | None = None
        self._password = password
        self._greeted = False
        self._open: dict[str, int] = {}
        """Questions without an answer, and how many ticks ago each was asked."""
        self._again: list[str] = []

    def received(self, data: bytes) -> list[bytes]:
        """The frames with which to answer this one. Raises ``HandshakeRefused``."""
        if self.done and not self._open and not any(name in data for name in _NEWS):
            return []
        try:
            said = orjson.loads(data)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not isinstance(said.get("d"), dict):
            if not self.done:
                raise self._foreign(said)
            return []
        body: dict[str, Any] = said["d"]
        match said.get("op"):
            case 0:
                return [self._identify(body)]
            case 2:
                self.done = True
                return self._ask(*ASKED, *TRANSITION_ASKED)
            case 5 if self.done:
                return self._ask(*_ASKED_AGAIN.get(str(body.get("eventType")), ()))
            case 7:
                self._answered(body)
        return []

    def tick(self) -> list[bytes]:
        """What OBS could not say yet is asked once more."""
        for kind in self._open:
            self._open[kind] += 1
        silent = sorted(kind for kind, ticks in self._open.items() if ticks >= _PATIENCE)
        if silent:
            self.remark = f"OBS does not answer {', '.join(silent)}: what was on before is known only from what changes"
        again, self._again = self._again, []
        return self._ask(*again)

    def overdue(self) -> HandshakeRefused:
        """OBS has not let us in, and said nothing against it."""
        if self._greeted:
            return HandshakeRefused("OBS greeted, and then did not answer who we are: it may hang")
        return HandshakeRefused(
            "it says nothing, so it is no obs-websocket 5; version 4.x (before OBS 28) waits in silence like this"
        )

    def _identify(self, hello: dict[str, Any]) -> bytes:
        self._greeted = True
        body: dict[str, Any] = {"rpcVersion": RPC_VERSION, "eventSubscriptions": MASK}
        wanted = hello.get("authentication")
        if wanted is not None:
            body["authentication"] = self._answer(wanted)
        elif self._password is not None:
            # Nothing secret goes out, and the shoot is worth more than the doubt.
            self.remark = "OBS asks for no password although TAP_SERVER_TOKEN is set: anybody can control this OBS"
        return _frame(1, body)

    def _answer(self, wanted: Any) -> str:
        salt = wanted.get("salt") if isinstance(wanted, dict) else None
        challenge = wanted.get("challenge") if isinstance(wanted, dict) else None
        if not isinstance(salt, str) or not isinstance(challenge, str):
            raise HandshakeRefused("OBS asks for a password in a way that this multicam-tap does not know: upgrade it")
        if self._password is None:
            raise HandshakeRefused(f"OBS wants a password, and none is set: {_PASSWORD}")
        return _proof(self._password, salt, challenge)

    def _ask(self, *kinds: str) -> list[bytes]:
        self._open.update(dict.fromkeys(kinds, 0))
        return [_request(kind) for kind in kinds]

    def _answered(self, body: dict[str, Any]) -> None:
        kind, status = body.get("requestType"), body.get("requestStatus")
        if not isinstance(kind, str) or self._open.pop(kind, None) is None:
            return
        data = body.get("responseData")
        # Where no scene is on air yet, OBS is still loading, and would not tell when it has done that.
        loading = kind == "GetSceneList" and isinstance(data, dict) and data.get("currentProgramSceneName") is None
        if loading or (isinstance(status, dict) and status.get("code") == _NOT_READY):
            self._again.append(kind)

    @staticmethod
    def _foreign(said: Any) -> HandshakeRefused:
        if isinstance(said, dict) and {"update-type", "message-id", "error"} & said.keys():
            return HandshakeRefused(_TOO_OLD)
        return HandshakeRefused("what it says is no obs-websocket 5: is TAP_SERVER_URL the address of OBS?")
