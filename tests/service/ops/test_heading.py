"""A fade of OBS has begun: whoever looks on sees where it leads before it is there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.service.ops.rig import Tap, eventually, tapped

SCENES = ("Wide", "Close <b>")


class Obs:
    """As much of one as a fade takes."""

    def __init__(self) -> None:
        self.url = ""
        self.program = SCENES[0]
        self._connection: ServerConnection | None = None
        self.asked: list[str] = []

    def say(self, kind: str, **data: Any) -> None:
        assert self._connection is not None
        self._connection.send(json.dumps({"op": 5, "d": {"eventType": kind, "eventIntent": 4, "eventData": data}}))

    def handle(self, connection: ServerConnection) -> None:
        connection.send(json.dumps({"op": 0, "d": {"obsWebSocketVersion": "5.7.4", "rpcVersion": 1}}))
        self._connection = connection
        with suppress(ConnectionClosed):
            for frame in connection:
                said = json.loads(frame)
                if said["op"] == 1:
                    connection.send(json.dumps({"op": 2, "d": {"negotiatedRpcVersion": 1}}))
                else:
                    self._answer(connection, said["d"]["requestType"], said["d"]["requestId"])

    def _answer(self, connection: ServerConnection, kind: str, ident: str) -> None:
        known: dict[str, dict[str, Any]] = {
            "GetSceneList": {
                "currentProgramSceneName": self.program,
                "scenes": [{"sceneName": name} for name in SCENES],
            },
            "GetStudioModeEnabled": {"studioModeEnabled": False},
            "GetRecordStatus": {"outputActive": True, "outputPaused": False, "outputDuration": 1_000},
            "GetStreamStatus": {"outputActive": False, "outputDuration": 0},
        }
        data = known.get(kind, {})
        status = {"code": 100, "result": True}
        body = {"requestType": kind, "requestId": ident, "requestStatus": status, "responseData": data}
        connection.send(json.dumps({"op": 7, "d": body}))
        self.asked.append(ident)


@contextmanager
def obs() -> Iterator[Obs]:
    made = Obs()
    with serve(made.handle, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        made.url = f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        yield made
        running.shutdown()
        thread.join()


def fades(playing: Obs, tap: Tap) -> None:
    eventually(lambda: tap.now()["session"])
    playing.program = SCENES[1]
    playing.say("SceneTransitionStarted", transitionName="Fade")


def lands(playing: Obs) -> None:
    playing.say("SceneTransitionVideoEnded", transitionName="Fade")
    playing.say("CurrentProgramSceneChanged", sceneName=SCENES[1])


def test_where_a_fade_leads_is_told_until_it_is_there(tmp_path: Path) -> None:
    """In /status.json, and in the news of the page, with which nobody waits for the next look."""
    with obs() as playing, tapped(playing.url, tmp_path / "state", TAP_DIALECT="obs") as tap:
        fades(playing, tap)
        heading = eventually(lambda: tap.now()["heading"])
        assert heading == {"cameraId": SCENES[1], "name": SCENES[1], "transition": "Fade"}
        assert tap.now()["program"]["name"] == SCENES[0]
        lands(playing)
        eventually(lambda: tap.now()["program"]["name"] == SCENES[1])
        assert tap.now()["heading"] is None
