"""OBS on a table: its frames to a pipeline. Times are ms since the shoot's zero."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import quote

import orjson

from tap.adapters.dialects import load_dialect
from tap.core.model import Entry, Policy
from tap.core.pipeline import Pipeline
from tests.core.stage import T0, Stage

__all__ = ["KINDS", "T0", "ObsStage"]

DIALECT = load_dialect("obs")
KINDS = {"Cut": "cut_transition", "Fade": "fade_transition", "Stinger": "obs_stinger_transition"}


class ObsStage(Stage):
    """Says what OBS says. Scenes are names, or names with a uuid."""

    def __init__(
        self, policy: Policy | None = None, *, scenes: tuple[str, ...] = ("A", "B", "C"), version: str = "5.1.0"
    ) -> None:
        super().__init__(policy, open_first=False)
        self.version = version
        self.pipeline = Pipeline(DIALECT, venue="studio", tap=self.tap, policy=policy)
        self.uuids: dict[str, str] = {}
        self.scenes = list(scenes)

    def restart_tap(self, away_ms: int, *, doubtful: bool = False) -> None:
        saved = self.pipeline.checkpoint()
        self.now += away_ms
        self.pipeline = Pipeline(DIALECT, venue="studio", tap=self.tap, policy=self.policy, checkpoint=saved)
        self.now = self.pipeline.resume(T0 + self.now, doubtful=doubtful).mono

    # ------------------------------------------------------------------ frames

    def op(self, number: int, **body: Any) -> list[Entry]:
        return self.raw(orjson.dumps({"op": number, "d": body}))

    def event(self, kind: str, **data: Any) -> list[Entry]:
        return self.op(5, eventType=kind, eventIntent=4, eventData=data)

    def reply(self, kind: str, code: int = 100, why: str = "", **data: Any) -> list[Entry]:
        """An answer; ``why``: to one of our own questions, and to which."""
        status = {"code": code, "result": code == 100}
        ident = f"multicam-tap {kind} {why}" if why else "x"
        return self.op(7, requestType=kind, requestId=ident, requestStatus=status, responseData=data or None)

    def listed(self, program: str, why: str = "", scenes: tuple[str, ...] | None = None) -> list[Entry]:
        """The scenes that there are, and what is on air or about to be."""
        listed = [{"sceneName": name, **self._uuid(name)} for name in reversed(scenes or tuple(self.scenes))]
        uuid: dict[str, Any] = {"currentProgramSceneUuid": self.uuids[program]} if program in self.uuids else {}
        return self.reply("GetSceneList", why=why, currentProgramSceneName=program, scenes=listed, **uuid)

    def switch(self, name: str = "Two", *, was: str = "One") -> None:
        """Another collection, as 5.3 and later tell it."""
        self.event("CurrentSceneCollectionChanging", sceneCollectionName=was)
        self.later(50).event("CurrentSceneCollectionChanged", sceneCollectionName=name)

    def greet(self, *, opened: bool = True) -> None:
        """A connection up to Identified."""
        if opened:
            self.open()
        self.op(0, obsWebSocketVersion=self.version, rpcVersion=1, authentication={"challenge": "c", "salt": "s"})
        self.op(2, negotiatedRpcVersion=1)

    def answers(
        self,
        program: str = "A",
        *,
        recording: int | None = None,
        streaming: int | None = None,
        paused: bool = False,
        studio: bool = False,
        order: tuple[int, ...] = (0, 1, 2, 3),
    ) -> None:
        """The four answers that make the first snapshot; ``recording`` is for how long (ms), None: not at all."""

        def output(ms: int | None) -> dict[str, Any]:
            return {"outputActive": ms is not None, "outputDuration": ms or 0, "outputPaused": paused}

        listed = [{"sceneName": name, **self._uuid(name)} for name in reversed(self.scenes)]
        said: list[tuple[str, dict[str, Any]]] = [
            ("GetSceneList", {"currentProgramSceneName": program, "scenes": listed}),
            ("GetStudioModeEnabled", {"studioModeEnabled": studio}),
            ("GetRecordStatus", output(recording)),
            ("GetStreamStatus", output(streaming) | {"outputPaused": False}),
        ]
        for index in order:
            self.reply(said[index][0], **said[index][1])

    def _uuid(self, name: str) -> dict[str, str]:
        return {"sceneUuid": self.uuids[name]} if name in self.uuids else {}

    def connect(self, *, boot: str | None = None) -> None:  # noqa: ARG002 - OBS names no boot
        self.greet()
        self.answers()

    def transitions(self, duration: int = 300) -> None:
        """What kind of transition each is, and the length that is set."""
        listed = [{"transitionName": name, "transitionKind": kind} for name, kind in KINDS.items()]
        self.reply("GetSceneTransitionList", transitions=listed)
        self.event("CurrentSceneTransitionDurationChanged", transitionDuration=duration)

    def program(self, scene: str) -> list[Entry]:
        return self.event("CurrentProgramSceneChanged", sceneName=scene, **self._uuid(scene))

    def cut(self, scene: str) -> None:
        """A hard cut as OBS tells it, and time for it to be believed."""
        self.event("SceneTransitionStarted", transitionName="Cut")
        self.later(22).event("SceneTransitionVideoEnded", transitionName="Cut")
        self.program(scene)
        self.wait(100)

    def fade(self, scene: str, ms: int, name: str = "Fade") -> None:
        self.event("SceneTransitionStarted", transitionName=name)
        self.later(ms + 15).event("SceneTransitionVideoEnded", transitionName=name)
        self.program(scene)
        self.wait(100)

    def record(self, state: str, path: str | None = None, kind: str = "Record") -> list[Entry]:
        active = state in {"STARTED", "RESUMED"}
        return self.event(
            f"{kind}StateChanged", outputActive=active, outputState=f"OBS_WEBSOCKET_OUTPUT_{state}", outputPath=path
        )

    def shoot(self) -> Self:
        """A recording that was seen starting, with A on air."""
        self.connect()
        self.later(1000).record("STARTED", "/rec/1.mkv")
        self.later(1000)
        return self

    @property
    def key(self) -> str:
        """The session of a recording that :meth:`shoot` started."""
        return f"studio/@{T0 + 1000}"

    def camera(self, camera_id: str, session: str = "") -> dict[str, Any] | None:
        """A camera's row, in the session of :meth:`shoot` unless another is named."""
        return super().camera(quote(camera_id, safe=""), session or self.key)

    def sessions(self) -> list[dict[str, Any]]:
        return [row.fields for row in self.rows.values() if row.op == "session"]
