"""What OBS has to be told before it tells anything: who we are, what we want to hear, and the state at the start.

Hello comes from OBS, Identify goes there, Identified comes back; then the state is asked for, and again what OBS could
not say, or did not answer. Nothing else is ever sent, and nothing of it changes anything in OBS.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from msgspec import Struct

from tap.core.errors import HandshakeRefused
from tap.core.obs.messages import (
    ASKED,
    ITEMS,
    ITEMS_ASKED,
    MASK,
    RPC_VERSION,
    SETTINGS_ASKED,
    TRANSITION_ASKED,
    question,
)
from tap.core.obs.versions import number_of

__all__ = ["REFUSALS", "ObsHandshake"]

_NOT_READY = 207
"""OBS is still starting, or changes its scene collection."""
_PATIENCE = (3, 4, 6, 10)
"""Ticks after which a question without an answer is asked again; the last of them for ever."""
_TRIES = 4
"""How often it is asked where a transition leads: at its very beginning OBS may still name what it comes from."""
_LASTS = 5
"""Ticks after which people are told."""
_NAMED = 3

_WHERE = (
    "it is shown in OBS under Tools → WebSocket Server Settings → Show Connect Info; put it into"
    " TAP_SERVER_TOKEN, or into the file of TAP_SERVER_TOKEN_FILE"
)
_TOO_OLD = (
    "this is obs-websocket 4.x: the tap speaks version 5, which OBS 28 and newer contain (its port is mostly 4455)"
)
_SPLITS_UNTOLD = (
    "this OBS splits its recordings, but does not report it (OBS 30.2 with obs-websocket 5.5 is the first that"
    " does): the history names only the first file of each recording"
)

REFUSALS: Mapping[int, str] = {
    4007: "OBS says that the tap did not identify itself",
    4009: f"OBS refuses the password; {_WHERE}",
    4010: "OBS speaks another version of its protocol than this multicam-tap: upgrade the older of the two",
    4011: "somebody removed this client in OBS (WebSocket Server Settings, Show Connect Info)",
    4012: "OBS does not know a feature that the tap uses",
}
"""Close codes after which trying again soon would change nothing."""


class _Question(Struct):
    """One that has no answer yet."""

    kind: str
    data: dict[str, Any] | None = None
    ticks: int = 0
    """Since it was asked last."""
    asked: int = 1
    waited: int = 0
    """Ticks since it was asked first."""


def _frame(op: int, body: dict[str, Any]) -> bytes:
    """A message of obs-websocket, as it is sent."""
    return orjson.dumps({"op": op, "d": body})


def _request(ident: str, kind: str, data: dict[str, Any] | None = None) -> bytes:
    """A question; its id says in the answer what it was asked for."""
    more = {} if data is None else {"requestData": data}
    return _frame(6, {"requestType": kind, "requestId": ident, **more})


def _proof(password: str, salt: str, challenge: str) -> str:
    """What OBS accepts in the place of the password, which is never sent: a hash over it and over what OBS made up for
    this connection.
    """
    secret = base64.b64encode(hashlib.sha256((password + salt).encode()).digest()).decode()
    return base64.b64encode(hashlib.sha256((secret + challenge).encode()).digest()).decode()


class ObsHandshake:
    """One connection's: logs in, and asks OBS what its events do not tell. It changes nothing in OBS."""

    def __init__(self, password: str | None, sources: Iterable[str] = ()) -> None:
        """Args:
        password: None where none is set.
        sources: The scenes whose sources are cameras.
        """
        self.done = False
        self._password = password
        self._sources = tuple(sources)
        self._greeted = False
        self._notice: str | None = None
        self._plugin: tuple[int, ...] | None = None
        self._open: dict[str, _Question] = {}
        """Questions without an answer, by their ids."""
        self._again: dict[str, _Question] = {}
        """Those that OBS could not answer yet."""
        self._probe: str | None = None
        """While OBS is not ready: the one that was asked again last. The others wait until it has an answer."""
        self._ready = True
        self._cuts: set[str] = set()
        """The names of transitions that are hard cuts."""
        self._program: str | None = None
        """The name of the scene that OBS told last to have on air, or to go to."""
        self._leads: dict[str, int] = {}
        """Questions where a transition leads, and how often each was asked."""
        self._started = 0
        self._changed = 0
        self._on: Mapping[str, Any] = {
            "CurrentSceneCollectionChanged": self._other_collection,
            "CurrentSceneTransitionChanged": lambda _: self._ask("GetCurrentSceneTransition"),
            "CurrentProfileChanged": lambda _: self._other_profile(),
            "RecordStateChanged": self._record,
            "SceneTransitionStarted": self._transition_started,
            "CurrentProgramSceneChanged": self._program_changed,
            "SceneCreated": self._scene_created,
            **dict.fromkeys(("SceneItemCreated", "SceneItemRemoved", "SceneItemListReindexed"), self._items_changed),
        }
        """What is asked anew, since events do not tell it."""
        self._is_news = re.compile(rb'"eventType"\s*:\s*"(?:%b)"' % "|".join(self._on).encode()).search

    @property
    def remark(self) -> str | None:
        """What people should know although it works: no password, or questions that have no answer for long."""
        silent = [asked.kind for asked in self._open.values() if asked.waited >= _LASTS]
        silent.sort(key=lambda kind: kind not in ASKED)
        named = ", ".join(dict.fromkeys(silent[:_NAMED])) + (" …" if len(silent) > _NAMED else "")
        words = [] if self._notice is None else [self._notice]
        if silent:
            words.append(f"OBS does not answer {named}; the tap asks again, and until then knows only what changes")
        return "; ".join(words) or None

    @property
    def waits(self) -> bool:
        """A question has no answer yet."""
        return bool(self._open or self._again)

    def received(self, data: bytes) -> list[bytes]:
        """The frames with which to answer this one.

        Raises:
            HandshakeRefused: OBS will not let us in, or it is no OBS that we can talk to.
        """
        if self.done and not self._open and not self._leads and not self._is_news(data):
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
                return self._ask_all()
            case 5 if self.done:
                ask, told = self._on.get(str(body.get("eventType"))), body.get("eventData")
                return [] if ask is None else list(ask(told if isinstance(told, dict) else {}))
            case 7:
                return self._answered(body)
        return []

    def tick(self) -> list[bytes]:
        """What OBS could not say yet is asked once more, and what it does not answer, now and then, ever more seldom.

        It is called at a regular interval while something waits; all waiting here is counted in such ticks. While OBS
        is not ready, it is asked one question a tick.
        """
        again = set(self._again)
        self._probe = None if self._ready else next(iter(self._again), None)
        frames = self._ask_again(list(self._again) if self._probe is None else [self._probe])
        for ident, asked in self._open.items():
            if ident in again:
                continue
            asked.ticks += 1
            asked.waited += 1
            if asked.ticks >= _PATIENCE[min(asked.asked, len(_PATIENCE)) - 1]:
                asked.ticks, asked.asked = 0, asked.asked + 1
                frames.append(_request(ident, asked.kind, asked.data))
        return frames

    def _ask_again(self, idents: Iterable[str]) -> list[bytes]:
        """Ask again what OBS could not answer."""
        frames = []
        for ident in idents:
            asked = self._open[ident] = self._again.pop(ident)
            frames.append(_request(ident, asked.kind, asked.data))
        return frames

    def overdue(self) -> HandshakeRefused:
        """OBS has not let us in, and said nothing against it: the error that says what that may be."""
        if self._greeted:
            return HandshakeRefused("OBS said hello, but did not answer the login: it may hang")
        return HandshakeRefused(
            "it sends nothing, so it is not obs-websocket 5; version 4.x (before OBS 28) waits in silence like this"
        )

    # ------------------------------------------------------------------ who we are

    def _identify(self, hello: dict[str, Any]) -> bytes:
        """The answer to OBS's greeting: which events we want, and the proof of the password where it asks for one.

        Where none is asked for although one is set, the shoot is worth more than the doubt: that is a remark, no error.
        """
        self._greeted = True
        version = hello.get("obsWebSocketVersion")
        self._plugin = number_of(version if isinstance(version, str) else None)
        mask = MASK | ITEMS if self._sources else MASK
        body: dict[str, Any] = {"rpcVersion": RPC_VERSION, "eventSubscriptions": mask}
        wanted = hello.get("authentication")
        if wanted is not None:
            body["authentication"] = self._answer(wanted)
        elif self._password is not None:
            # Nothing secret goes out, and the shoot is worth more than the doubt.
            self._notice = "OBS has no password although TAP_SERVER_TOKEN is set: anybody can control this OBS"
        return _frame(1, body)

    def _answer(self, wanted: Any) -> str:
        """The proof of the password. Raises ``HandshakeRefused`` where there is none, or no known way to prove it."""
        salt = wanted.get("salt") if isinstance(wanted, dict) else None
        challenge = wanted.get("challenge") if isinstance(wanted, dict) else None
        if not isinstance(salt, str) or not isinstance(challenge, str):
            raise HandshakeRefused("OBS wants a password in a way that this multicam-tap does not know: upgrade it")
        if self._password is None:
            raise HandshakeRefused(f"OBS wants a password, and none is set; {_WHERE}")
        return _proof(self._password, salt, challenge)

    @staticmethod
    def _foreign(said: Any) -> HandshakeRefused:
        """The error for a server that does not talk like obs-websocket 5."""
        if isinstance(said, dict) and {"update-type", "message-id", "error"} & said.keys():
            return HandshakeRefused(_TOO_OLD)
        return HandshakeRefused("it does not speak obs-websocket 5: is TAP_SERVER_URL the address of OBS?")

    # ------------------------------------------------------------------ what is asked

    def _ask(
        self, kind: str, why: str | None = None, number: int | None = None, data: dict[str, Any] | None = None
    ) -> list[bytes]:
        """Ask a question, and remember it until it is answered.

        Args:
            kind: The request, as OBS names it.
            why: For what it is asked; None: for the snapshot of the beginning.
            number: Which of several for the same reason.
            data: What the request says more.
        """
        ident = question(kind, why, number)
        self._open[ident] = _Question(kind, data)
        return [_request(ident, kind, data)]

    def _ask_all(self) -> list[bytes]:
        """All that has to be known at the beginning. The settings first: they stand in the first row."""
        frames = [frame for kind in (*SETTINGS_ASKED, *ASKED, *TRANSITION_ASKED) for frame in self._ask(kind)]
        return [*frames, *self._ask_items(), *self._ask_splits()]

    def _ask_items(self) -> list[bytes]:
        """Which sources each of the scenes has whose sources are cameras."""
        asked = enumerate(self._sources)
        return [frame for number, scene in asked for frame in self._ask_item(number, scene)]

    def _ask_item(self, number: int, scene: str) -> list[bytes]:
        """The same for one scene."""
        return self._ask(ITEMS_ASKED, "items", number, {"sceneName": scene})

    def _ask_splits(self) -> list[bytes]:
        """Whether an OBS that could not tell it splits its recordings."""
        if self._plugin is None or self._plugin >= (5, 5):
            return []
        setting = {"parameterCategory": "AdvOut", "parameterName": "RecSplitFile"}
        return self._ask("GetProfileParameter", data=setting)

    def _other_collection(self, _: dict[str, Any]) -> list[bytes]:
        """Other scenes, and other transitions under the same names."""
        self._changed += 1
        frames = [*self._ask("GetSceneList", "switch", self._changed), *self._ask("GetSceneTransitionList")]
        return [*frames, *self._ask_items()]

    def _other_profile(self) -> list[bytes]:
        """Another profile: the picture may have another size and rate, and recordings may be split."""
        return [*self._ask("GetVideoSettings"), *self._ask_splits()]

    def _record(self, told: dict[str, Any]) -> list[bytes]:
        """The picture can be given another rate and size between two recordings, without a word."""
        starts = told.get("outputState") == "OBS_WEBSOCKET_OUTPUT_STARTING"
        return self._ask("GetVideoSettings") if starts else []

    def _transition_started(self, told: dict[str, Any]) -> list[bytes]:
        """Ask where a transition leads, which is told nowhere else if another interrupts it. A hard cut cannot be
        interrupted.
        """
        self._started += 1
        if told.get("transitionName") in self._cuts:
            return []
        # Not kept among the open ones: later, the answer would be about something else.
        ident = question("GetSceneList", "transition", self._started)
        self._leads = {ident: 1}
        return [_request(ident, "GetSceneList")]

    def _program_changed(self, told: dict[str, Any]) -> list[bytes]:
        """Note what is on air: an answer that names it says nothing of where a transition leads."""
        name = told.get("sceneName")
        self._program = name if isinstance(name, str) else None
        return []

    def _led(self, ident: str, name: Any) -> list[bytes]:
        """An answer to where a transition leads: one that names what it comes from was looked up too soon, and is asked
        again.
        """
        if name != self._program or self._leads[ident] >= _TRIES:
            del self._leads[ident]
            self._program = name if isinstance(name, str) else self._program
            return []
        self._leads[ident] += 1
        return [_request(ident, "GetSceneList")]

    def _scene_created(self, told: dict[str, Any]) -> list[bytes]:
        """Some versions tell of other canvases' scenes as of the main one's: the list of these decides."""
        frames = self._items_changed(told)
        if self._plugin is None or (5, 6, 0) <= self._plugin <= (5, 7, 0):
            ident = question("GetSceneList", "created", self._changed)
            self._again.setdefault(ident, _Question("GetSceneList"))  # with the next tick: once for many
        return frames

    def _items_changed(self, told: dict[str, Any]) -> list[bytes]:
        """A scene has other sources: ask which, if they are cameras."""
        name = told.get("sceneName")
        return self._ask_item(self._sources.index(name), name) if name in self._sources else []

    def _answered(self, body: dict[str, Any]) -> list[bytes]:
        """An answer came. Where OBS is not ready, or still loading, the question is kept, to be asked with the next
        tick. When it is ready, all that waited for that is asked at once.
        """
        kind, status, data = body.get("requestType"), body.get("requestStatus"), body.get("responseData")
        if not isinstance(kind, str):
            return []
        self._learn(kind, data if isinstance(data, dict) else {})
        ident = body.get("requestId")
        on_air = data.get("currentProgramSceneName") if isinstance(data, dict) else None
        if isinstance(ident, str) and ident in self._leads:
            return self._led(ident, on_air)
        if kind == "GetSceneList" and isinstance(on_air, str):
            self._program = on_air
        if not isinstance(ident, str):  # a server that does not say what it answers
            ident = next((name for name, asked in self._open.items() if asked.kind == kind), "")
        asked = self._open.pop(ident, None)
        if asked is None:
            return []
        # Where no scene is on air yet, OBS is still loading, and would not tell when it has done that.
        loading = kind == "GetSceneList" and isinstance(data, dict) and on_air is None
        not_ready = isinstance(status, dict) and status.get("code") == _NOT_READY
        if loading or not_ready:
            asked.ticks = 0
            self._again[ident] = asked
            self._ready = self._ready and not not_ready
        elif ident == self._probe:
            self._ready, self._probe = True, None
            return self._ask_again(list(self._again))
        return []

    def _learn(self, kind: str, data: dict[str, Any]) -> None:
        """What the handshake itself has to know: which transitions are hard cuts, and whether recordings are split."""
        if kind == "GetProfileParameter":
            splits = str(data.get("parameterValue")).casefold() == "true"
            self._notice = _SPLITS_UNTOLD if splits else None if self._notice == _SPLITS_UNTOLD else self._notice
        items = data.get("transitions") if kind == "GetSceneTransitionList" else [data]
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and item.get("transitionKind") == "cut_transition":
                self._cuts.add(str(item.get("transitionName"))[:200])
