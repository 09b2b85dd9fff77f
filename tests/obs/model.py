"""An OBS made of rules: it plays a show, tells it as a version of OBS would, and answers what it is asked.

What it tells was seen on real ones (see ``docs/obs.md``). What was on air it knows itself, so it can say what the
history has to be; how late an answer is, and whether it comes at all, is for the test to choose.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from tap.adapters.dialects import load_dialect
from tap.core.merge import fold
from tap.core.model import Alive, Entry, Frame, Opened, Policy, Stamp
from tap.core.obs.handshake import ObsHandshake
from tap.core.obs.versions import number_of
from tap.core.pipeline import Pipeline
from tests.core.stage import T0

__all__ = ["VERSIONS", "Delays", "ModelObs", "OnAir"]

VERSIONS = ("5.1.0", "5.3.1", "5.4.2", "5.5.6", "5.6.3", "5.7.0", "5.7.4")
_MAIN, _OTHER = "6c69626f-6273-4c00-9d88-c5136d61696e", "0d1623b8-07f5-5141-8875-487e8b988c7b"
_KINDS = {"Cut": "cut_transition", "Fade": "fade_transition"}

Delays = Callable[[str], "tuple[int, int] | None"]
"""By what was asked: after how many ms it is looked up, and how many later the answer is there; None: never."""


class OnAir(NamedTuple):
    """A change on air: when, from which camera, to which, and by what."""

    at: int
    was: str | None
    camera: str
    how: str
    """``Cut``, ``Fade``, ``interrupted`` or ``switch``."""


class Picture(NamedTuple):
    """What OBS would answer from this moment on."""

    at: int
    collection: str
    scenes: list[dict[str, Any]]
    program: dict[str, str]
    ready: bool = True


class ModelObs:
    """Plays on a clock of ms. Every method that does something lets it go on."""

    def __init__(self, version: str, seed: int, *, fade_ms: int = 400) -> None:
        self.version = version
        self._number = number_of(version) or ()
        self._random = random.Random(seed)
        self.now = 1_000
        self._fade_ms = fade_ms
        self.collections = {"One": ["A", "B", "C", "D"], "Two": ["A", "X", "Y"]}
        self._collection = "One"
        self._program = "A"
        self._first: dict[str, str] = {}
        """What a scene was called first, by what it is called now."""
        self._uuids: dict[tuple[str, str], str] = {}
        self.frames: list[tuple[int, bytes]] = []
        self.pictures: list[Picture] = []
        self.truth: list[OnAir] = []
        self.foreign: set[str] = set()
        self.did: list[str] = []
        self._picture(0)

    def __repr__(self) -> str:
        """What it played, so that a failing example can be read."""
        return f"OBS with obs-websocket {self.version}: {', '.join(self.did)}; on air {self.truth}"

    @property
    def scenes(self) -> list[str]:
        """The scenes of the collection that is open."""
        return self.collections[self._collection]

    @property
    def program(self) -> str:
        return self._program

    @property
    def has_uuids(self) -> bool:
        return self._number >= (5, 4)

    @property
    def is_silent(self) -> bool:
        """Whether nothing is told of a collection's scenes."""
        return self._number >= (5, 3)

    @property
    def lands(self) -> bool:
        """Whether an interrupted transition has its target on air."""
        return self._number >= (5, 7)

    # ------------------------------------------------------------------ what happens

    def cut(self, scene: str) -> None:
        """A hard cut."""
        self._did("cut", scene)
        self._event("SceneTransitionStarted", 1, transitionName="Cut")
        self._goes_to(scene)
        self._over("Cut", scene, 20)
        self._changes(scene, self.now + 20, "Cut")
        self._pass(150)

    def fade(self, scene: str) -> None:
        """A fade that nobody disturbs."""
        self._did("fade", scene)
        self._event("SceneTransitionStarted", 1, transitionName="Fade")
        self._goes_to(scene)
        self._over("Fade", scene, self._fade_ms + 15)
        self._changes(scene, self.now + 1, "Fade")
        self._pass(self._fade_ms + 150)

    def interrupted(self, scene: str, after: int, then: str) -> None:
        """A fade that another one interrupts."""
        self._did("interrupted", scene, after, then)
        self._event("SceneTransitionStarted", 1, transitionName="Fade")
        self._goes_to(scene)
        began = self.now + 1
        self.now += after
        if self.lands:
            self._changes(scene, began, "interrupted")
            # Events of two kinds may come in another order than they were sent.
            self._event("SceneTransitionEnded", self._random.randint(0, 3), transitionName="Fade")
        self._event("SceneTransitionStarted", self._random.randint(0, 3), transitionName="Fade")
        self._goes_to(then)
        self._over("Fade", then, self._fade_ms + 15)
        self._changes(then, self.now + 1, "Fade")
        self._pass(self._fade_ms + 150)

    def switch(self) -> None:
        """The other collection."""
        self._did("switch")
        other = "Two" if self._collection == "One" else "One"
        self._event("CurrentSceneCollectionChanging", 0, sceneCollectionName=self._collection)
        self._picture(self.now + 1, ready=False)
        before, self._collection = list(self.scenes), other
        program = self._random.choice(self.scenes)
        if not self.is_silent:
            for scene in before:
                self._event("SceneRemoved", 5, sceneName=scene, isGroup=False)
            for scene in self.scenes:
                self._event("SceneCreated", 40, sceneName=scene, isGroup=False)
            self._event("CurrentProgramSceneChanged", 45, sceneName=program)
        self._program = program
        self._picture(self.now + 48)
        self._event("CurrentSceneCollectionChanged", 50, sceneCollectionName=other)
        self._changes(program, self.now + (50 if self.is_silent else 45), "switch")
        self._pass(2_500)

    def create(self, scene: str) -> None:
        """Another scene."""
        self._did("create", scene)
        self.scenes.append(scene)
        self._picture(self.now)
        self._event("SceneCreated", 1, sceneName=scene, isGroup=False, **self._uuid(scene), **self._canvas(_MAIN))
        self._listed(self._random.randint(0, 4))
        self._pass(200)

    def rename(self, scene: str, new: str) -> None:
        """A scene is called otherwise."""
        self._did("rename", scene, new)
        self._first[new] = self.first(scene)
        uuid = self._uuid(scene)
        self.scenes[self.scenes.index(scene)] = new
        self._uuids[self._collection, new] = self._uuids[self._collection, scene]
        self._program = new if self._program == scene else self._program
        self._picture(self.now)
        self._event("SceneNameChanged", 1, oldSceneName=scene, sceneName=new, **uuid, **self._canvas(_MAIN))
        self._pass(200)

    def remove(self, scene: str) -> None:
        """Where it is on air OBS puts another there."""
        self._did("remove", scene)
        uuid, follows = self._uuid(scene), self._program == scene
        place = self.scenes.index(scene)
        self.scenes.remove(scene)
        if follows:
            self._program = self.scenes[place % len(self.scenes)]
        self._picture(self.now)
        self._event("SceneRemoved", 1, sceneName=scene, isGroup=False, **uuid, **self._canvas(_MAIN))
        if follows and not self.lands:
            self._event("SceneTransitionStarted", 2, transitionName="Cut")
            self._over("Cut", self._program, 12)
        elif follows:
            self._event("CurrentProgramSceneChanged", 12, sceneName=self._program, **self._uuid(self._program))
        self._listed(self._random.randint(3, 8))
        if follows:
            self._changes(self._program, self.now + 12, "Cut")
        self._pass(1_500)

    def elsewhere(self, scene: str) -> None:
        """Another canvas gets a scene, which is renamed and removed; only some versions tell of that."""
        self._did("elsewhere", scene)
        if not (5, 6) <= self._number <= (5, 7, 0):
            return
        self.foreign |= {scene, f"{scene}!"} - set(self.scenes)
        said = {"sceneUuid": f"foreign-{scene}", **self._canvas(_OTHER)}
        self._event("SceneCreated", 1, sceneName=scene, isGroup=False, **said)
        self._event("SceneNameChanged", 300, oldSceneName=scene, sceneName=f"{scene}!", **said)
        self._event("SceneRemoved", 600, sceneName=f"{scene}!", isGroup=False, **said)
        self._pass(700)

    def record(self, state: str, path: str | None = None) -> None:
        """The recording starts, stops …"""
        self._did("record", state)
        said = {"outputActive": state == "STARTED", "outputPath": path}
        self._event("RecordStateChanged", 0, outputState=f"OBS_WEBSOCKET_OUTPUT_{state}", **said)
        self._pass(150)

    # ------------------------------------------------------------------ what is told

    def first(self, scene: str) -> str:
        """The camera that a scene is: what it was called first."""
        return self._first.get(scene, scene)

    def _did(self, *what: object) -> None:
        self.did.append(f"{self.now} {' '.join(map(str, what))}")

    def _pass(self, ms: int) -> None:
        self.now += ms

    def _event(self, kind: str, later: int, **data: Any) -> None:
        frame = {"op": 5, "d": {"eventType": kind, "eventIntent": 4, "eventData": data}}
        self.frames.append((self.now + later, orjson.dumps(frame)))

    def _over(self, name: str, scene: str, later: int) -> None:
        """The end of a transition: three events in any order."""
        uuid = self._uuid(scene)
        said: list[tuple[str, dict[str, Any]]] = [
            ("SceneTransitionVideoEnded", {"transitionName": name}),
            ("CurrentProgramSceneChanged", {"sceneName": scene, **uuid}),
            ("SceneTransitionEnded", {"transitionName": name}),
        ]
        self._random.shuffle(said)
        for number, (kind, data) in enumerate(said):
            self._event(kind, later + 2 * number, **data)

    def _listed(self, later: int) -> None:
        self._event("SceneListChanged", later, scenes=self._scene_list())

    def _changes(self, scene: str, at: int, how: str) -> None:
        was = self.truth[-1].camera if self.truth else "A"
        if self.first(scene) != was:
            self.truth.append(OnAir(at, was, self.first(scene), how))

    def _goes_to(self, scene: str) -> None:
        """OBS answers so a moment later than it tells that the transition started."""
        self._program = scene
        self._picture(self.now + self._random.randint(0, 6))

    def _picture(self, at: int, *, ready: bool = True) -> None:
        program = {"sceneName": self._program, **self._uuid(self._program)}
        self.pictures.append(Picture(at, self._collection, self._scene_list(), program, ready))

    def _uuid(self, scene: str) -> dict[str, str]:
        known = self._uuids.setdefault((self._collection, scene), f"uuid-{self._collection}-{scene}")
        return {"sceneUuid": known} if self.has_uuids else {}

    def _canvas(self, uuid: str) -> dict[str, str]:
        return {"canvasUuid": uuid, "canvasName": uuid[:4]} if self._number == (5, 7, 0) else {}

    def _scene_list(self) -> list[dict[str, Any]]:
        listed = enumerate(reversed(self.scenes))
        return [{"sceneIndex": index, "sceneName": scene, **self._uuid(scene)} for index, scene in listed]

    # ------------------------------------------------------------------ what it is asked

    def answer(self, kind: str, ident: str, at: int) -> bytes:
        """What it says when it looks up an answer at ``at``."""
        picture = next(picture for picture in reversed(self.pictures) if picture.at <= at)
        body: dict[str, Any] = {"requestType": kind, "requestId": ident, "requestStatus": {"result": True, "code": 100}}
        if not picture.ready:
            body["requestStatus"] = {"result": False, "code": 207}
        else:
            body["responseData"] = self._said(kind, picture)
        return orjson.dumps({"op": 7, "d": body})

    def _said(self, kind: str, picture: Picture) -> dict[str, Any]:
        if kind == "GetSceneList":
            return {f"currentProgram{name[:1].upper()}{name[1:]}": value for name, value in picture.program.items()} | {
                "scenes": picture.scenes
            }
        outputs = {"outputActive": False, "outputPaused": False, "outputDuration": 0}
        transitions = [{"transitionName": name, "transitionKind": kind} for name, kind in _KINDS.items()]
        size = {"outputWidth": 640, "outputHeight": 360}
        said: dict[str, dict[str, Any]] = {
            "GetStudioModeEnabled": {"studioModeEnabled": False},
            "GetRecordStatus": outputs,
            "GetStreamStatus": outputs,
            "GetSceneTransitionList": {"transitions": transitions},
            "GetCurrentSceneTransition": {"transitionName": "Fade", "transitionDuration": self._fade_ms},
            "GetVideoSettings": {"fpsNumerator": 30000, "fpsDenominator": 1001, **size},
            "GetProfileList": {"currentProfileName": "Hall"},
            "GetSceneCollectionList": {"currentSceneCollectionName": picture.collection},
        }
        return said.get(kind, {})

    # ------------------------------------------------------------------ listened to

    def listen(self, delays: Delays, *, policy: Policy | None = None) -> Heard:
        """Let a tap listen to all of it; with what it asked, and what it wrote."""
        heard = Heard(policy)
        queue: list[tuple[int, int, bytes]] = []
        count = 0

        def put(at: int, data: bytes) -> None:
            nonlocal count
            count += 1
            heapq.heappush(queue, (at, count, data))

        hello = {"obsWebSocketVersion": self.version, "rpcVersion": 1}
        put(0, orjson.dumps({"op": 0, "d": hello}))
        put(1, orjson.dumps({"op": 2, "d": {"negotiatedRpcVersion": 1}}))
        for at, frame in self.frames:
            put(at, frame)
        heard.feed(Opened(Stamp(T0, 0), 1))
        tick = 1_000
        while queue:
            at, _, data = heapq.heappop(queue)
            while tick <= at:
                self._asked(heard.handshake.tick(), tick, delays, put, heard)
                tick += 1_000
            heard.feed(Frame(data, Stamp(T0 + at, at), 1))
            self._asked(heard.handshake.received(data), at, delays, put, heard)
            if at > self.now + 60_000:
                break
        heard.feed(Alive(Stamp(T0 + self.now + 60_000, self.now + 60_000)))
        return heard

    def _asked(
        self, frames: list[bytes], at: int, delays: Delays, put: Callable[[int, bytes], None], heard: Heard
    ) -> None:
        for frame in frames:
            said = orjson.loads(frame)
            if said["op"] != 6:
                continue
            kind, ident = said["d"]["requestType"], said["d"]["requestId"]
            heard.asked.append((at, ident))
            delay = delays(ident)
            if delay is not None:
                put(at + sum(delay), self.answer(kind, ident, at + delay[0]))


class Heard:
    """A tap that listened."""

    def __init__(self, policy: Policy | None) -> None:
        self.handshake = ObsHandshake(None)
        self.pipeline = Pipeline(load_dialect("obs"), venue="studio", tap="tap-a", policy=policy)
        self.entries: list[Entry] = []
        self.asked: list[tuple[int, str]] = []

    def feed(self, item: Any) -> None:
        self.entries += self.pipeline.feed(item)

    def events(self, kind: str) -> list[Any]:
        found = [row.fields for row in fold(self.entries).values() if row.op == "event" and row.fields["kind"] == kind]
        return sorted(found, key=lambda fields: fields["at"])

    def rows(self, op: str) -> list[Any]:
        return [row.fields for row in fold(self.entries).values() if row.op == op]

    def cuts(self) -> list[OnAir]:
        """The cuts of the history, in order."""
        return [
            OnAir(cut["at"] - T0, cut.get("fromCameraId"), cut["cameraId"], _how(cut)) for cut in self.events("cut")
        ]


def _how(cut: Any) -> str:
    if cut["trigger"] == "collection_switch":
        return "switch"
    return "Cut" if cut.get("transition", "cut") == "cut" else str(cut["transition"])
