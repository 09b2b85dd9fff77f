"""Shows that switch sources inside a scene: cameras are sources, where the venue says so."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection

from tap.core.model import Policy
from tap.core.obs.handshake import ObsHandshake
from tap.core.obs.messages import ITEMS, MASK
from tests.adapters.test_socket import listening, server
from tests.obs.stage import DIALECT, T0, ObsStage

POLICY = Policy(sources={"Studio": ("Cam 1", "Cam 2", "Cam 3")})


class Desk(ObsStage):
    """A scene of three cameras and a background, and one that is a camera itself."""

    def __init__(self, policy: Policy | None = POLICY) -> None:
        super().__init__(policy, scenes=("Studio", "Break"), version="5.7.4")
        self.shown = {"Cam 1": True, "Cam 2": False, "Cam 3": False}

    def items(self, number: int = 0, *, code: int = 100) -> None:
        """The sources of the scene that was asked about."""
        sources = ["Background", *self.shown]
        listed = [
            {
                "sceneItemId": 10 + index,
                "sceneItemIndex": index,
                "sourceName": source,
                "sceneItemEnabled": self.shown.get(source, True),
                "sceneItemTransform": {"width": 1920},
            }
            for index, source in enumerate(sources)
        ]
        self.reply("GetSceneItemList", code=code, why=f"items {number}", sceneItems=listed)

    def show(self, source: str, on: bool = True, scene: str = "Studio") -> None:
        self.shown[source] = on
        ident = 11 + list(self.shown).index(source)
        self.event("SceneItemEnableStateChanged", sceneName=scene, sceneItemId=ident, sceneItemEnabled=on)

    def begin(self, program: str = "Studio") -> Desk:
        self.greet()
        self.answers(program)
        self.items()
        self.later(1_000).record("STARTED", "/rec/1.mkv")
        self.later(1_000)
        return self


def told(stage: ObsStage) -> list[tuple[str | None, str, int]]:
    return [(cut.get("fromCameraId"), cut["cameraId"], cut["at"] - T0) for cut in stage.events("cut")]


def cameras(stage: ObsStage) -> set[str]:
    return {row.fields["cameraId"] for row in stage.rows.values() if row.op == "camera"}


def test_the_source_that_is_seen_is_the_camera() -> None:
    """It is on from the start, and so are the others that could be; the scene itself is none."""
    stage = Desk().begin()
    assert stage.sessions()[0]["startState"]["programCameraId"] == "Cam 1"
    assert cameras(stage) == {"Cam 1", "Cam 2", "Cam 3", "Break"}
    assert not stage.events("gap")


@pytest.mark.parametrize("apart", [0, 20, 55])
@pytest.mark.parametrize("first", ["show", "hide"])
def test_one_shown_and_one_hidden_is_one_cut(apart: int, first: str) -> None:
    """In whatever order, and a moment apart; nothing in between."""
    stage = Desk().begin()
    steps = [("Cam 2", True), ("Cam 1", False)]
    for source, on in steps if first == "show" else reversed(steps):
        stage.show(source, on)
        stage.later(apart)
    stage.wait(1_000)
    at = 2_000 + (0 if first == "show" else apart)
    assert told(stage) == [("Cam 1", "Cam 2", at)]
    assert stage.events("cut")[0]["transition"] == "cut"


def test_the_uppermost_is_seen() -> None:
    """One that is shown below another changes nothing on air."""
    stage = Desk().begin()
    stage.show("Cam 3")
    stage.wait(500).show("Cam 2")
    stage.wait(500).show("Cam 3", on=False)
    stage.wait(500)
    assert [change[:2] for change in told(stage)] == [("Cam 1", "Cam 3"), ("Cam 3", "Cam 2")]


def test_where_none_is_shown_the_scene_is_on_air() -> None:
    """Its background is, whatever that is."""
    stage = Desk().begin()
    stage.show("Cam 1", on=False)
    stage.wait(1_000).show("Cam 2")
    stage.wait(1_000)
    assert [change[:2] for change in told(stage)] == [("Cam 1", "Studio"), ("Studio", "Cam 2")]


def test_scenes_are_cut_to_and_from_as_ever() -> None:
    """To what is seen in them; what is switched in one that is not on air is seen later."""
    stage = Desk().begin()
    stage.cut("Break")
    stage.show("Cam 2")
    stage.show("Cam 1", on=False)
    stage.wait(1_000).cut("Studio")
    assert [change[:2] for change in told(stage)] == [("Cam 1", "Break"), ("Break", "Cam 2")]


def test_in_studio_mode_it_is_prepared_for_the_next_transition() -> None:
    """OBS shows a copy of the scene as it was; leaving studio mode shows the scene itself."""
    stage = Desk().begin()
    stage.event("StudioModeStateChanged", studioModeEnabled=True)
    stage.later(1_000).show("Cam 2")
    stage.wait(1_000)
    assert not stage.cuts()
    stage.event("StudioModeStateChanged", studioModeEnabled=False)
    stage.wait(1_000)
    assert [change[:2] for change in told(stage)] == [("Cam 1", "Cam 2")]


def test_sources_that_come_or_are_put_in_another_order_are_listed_anew() -> None:
    """An item of another number is another item."""
    stage = Desk().begin()
    stage.event("SceneItemListReindexed", sceneName="Studio", sceneItems=[])
    stage.shown = {"Cam 2": True, "Cam 1": True, "Cam 3": False}
    stage.later(5).items()
    stage.wait(500)
    assert not stage.cuts()
    stage.show("Cam 1", on=False)
    stage.wait(500)
    assert [change[:2] for change in told(stage)] == [("Cam 1", "Cam 2")]


def test_items_that_are_not_meant_change_nothing() -> None:
    """The background, another scene's, and what cannot be read."""
    stage = Desk().begin()
    for data in (
        {"sceneName": "Studio", "sceneItemId": 10, "sceneItemEnabled": False},
        {"sceneName": "Break", "sceneItemId": 11, "sceneItemEnabled": False},
        {"sceneName": "Studio", "sceneItemId": 99, "sceneItemEnabled": False},
        {"sceneName": "Studio", "sceneItemId": "x", "sceneItemEnabled": False},
        {"sceneName": "Studio", "sceneItemId": 11, "sceneItemEnabled": 0},
    ):
        stage.event("SceneItemEnableStateChanged", **data)
    stage.wait(1_000)
    assert not stage.cuts()


def test_a_scene_that_is_not_there_is_no_obstacle() -> None:
    """It may be in another collection."""
    stage = Desk()
    stage.greet()
    stage.answers("Break")
    stage.reply("GetSceneItemList", code=600, why="items 0")
    stage.later(1_000).record("STARTED", "/rec/1.mkv")
    stage.later(1_000).cut("Studio")
    assert stage.cuts() == [("Break", "Studio")]


def test_another_collection_has_other_sources() -> None:
    """They are asked for with its scenes, and what is seen there is on air at once."""
    stage = Desk().begin()
    stage.switch()
    stage.shown = {"Cam 1": False, "Cam 2": True, "Cam 3": False}
    stage.later(5).listed("Studio", why="switch 1", scenes=("Studio", "Song"))
    stage.later(5).items()
    stage.wait(10_000)
    assert [(cut["cameraId"], cut["trigger"]) for cut in stage.events("cut")] == [("Cam 2", "collection_switch")]


def test_a_late_answer_about_sources_holds_nothing_up_for_long() -> None:
    """Then the scene is the camera until it is there."""
    stage = Desk()
    stage.greet()
    stage.answers("Studio")
    stage.wait(2_500).record("STARTED", "/rec/1.mkv")
    assert stage.sessions()[0]["startState"]["programCameraId"] == "Studio"
    stage.later(1_000).items()
    stage.wait(1_000)
    assert [change[:2] for change in told(stage)] == [("Studio", "Cam 1")]


def test_off_nothing_is_asked_nor_listened_to() -> None:
    """Neither the events nor the lists of sources."""
    stage = Desk(policy=None).begin()
    assert stage.sessions()[0]["startState"]["programCameraId"] == "Studio"
    stage.show("Cam 2")
    stage.wait(1_000)
    assert not stage.cuts()
    for sources, mask in (((), MASK), (("Studio",), MASK | ITEMS)):
        handshake = ObsHandshake(None, sources)
        (identify,) = handshake.received(b'{"op":0,"d":{"obsWebSocketVersion":"5.7.4","rpcVersion":1}}')
        assert orjson.loads(identify)["d"]["eventSubscriptions"] == mask
        asked = [orjson.loads(frame)["d"] for frame in handshake.received(b'{"op":2,"d":{"negotiatedRpcVersion":1}}')]
        lists = [said for said in asked if said["requestType"] == "GetSceneItemList"]
        assert [said["requestData"] for said in lists] == [{"sceneName": scene} for scene in sources]


async def test_the_venue_s_setting_reaches_obs() -> None:
    """Over a real socket."""

    heard: list[Any] = []
    done = asyncio.Event()

    async def obs(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"op": 0, "d": {"obsWebSocketVersion": "5.7.4", "rpcVersion": 1}}))
        heard.append(json.loads(await connection.recv()))
        await connection.send(json.dumps({"op": 2, "d": {"negotiatedRpcVersion": 1}}))
        async for frame in connection:
            heard.append(json.loads(frame))
            if heard[-1]["d"]["requestType"] == "GetSceneItemList":
                done.set()

    async with server(obs) as url, listening(url, dialect=DIALECT, policy=POLICY):
        await done.wait()
    assert heard[0]["d"]["eventSubscriptions"] == MASK | ITEMS
    assert heard[-1]["d"]["requestData"] == {"sceneName": "Studio"}
