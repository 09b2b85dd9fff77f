"""Questions that OBS does not answer are asked again, until it does or the line ends; and what comes of that."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import permutations
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection

from tap.adapters.dialects import load_dialect
from tap.core.merge import fold
from tap.core.model import Alive, Stamp
from tap.core.obs.handshake import ObsHandshake
from tap.core.pipeline import Pipeline
from tests.adapters.test_socket import listening, server
from tests.obs.stage import T0, ObsStage

OBS = load_dialect("obs")
HELLO = {"op": 0, "d": {"obsWebSocketVersion": "5.6.3", "rpcVersion": 1}}
IDENTIFIED = {"op": 2, "d": {"negotiatedRpcVersion": 1}}
LISTED: dict[str, Any] = {
    "currentProgramSceneName": "A",
    "currentProgramSceneUuid": "u-A",
    "scenes": [{"sceneName": "A", "sceneUuid": "u-A"}, {"sceneName": "B", "sceneUuid": "u-B"}],
}


def shaken(version: str = "5.6.3") -> ObsHandshake:
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps({"op": 0, "d": {"obsWebSocketVersion": version, "rpcVersion": 1}}))
    handshake.received(orjson.dumps(IDENTIFIED))
    return handshake


def idents(frames: list[bytes]) -> list[str]:
    return [orjson.loads(frame)["d"]["requestId"].removeprefix("multicam-tap ") for frame in frames]


def answer(ident: str, *, ok: bool = True, **data: Any) -> bytes:
    kind = ident.split(maxsplit=1)[0]
    status = {"code": 100 if ok else 207, "result": ok}
    said = {"requestType": kind, "requestId": f"multicam-tap {ident}", "requestStatus": status, "responseData": data}
    return orjson.dumps({"op": 7, "d": said})


# ---------------------------------------------------------------------------------------------- what is asked


def test_silence_is_asked_again_ever_more_slowly_until_it_ends() -> None:
    """Under the same id, so that an answer to either is one; and people are told while it lasts."""
    handshake = shaken()
    for ident in ("GetProfileList", "GetSceneCollectionList", "GetVideoSettings", "GetStudioModeEnabled"):
        handshake.received(answer(ident))
    for ident in ("GetStreamStatus", "GetSceneTransitionList", "GetCurrentSceneTransition"):
        handshake.received(answer(ident))
    asked = {tick: idents(frames) for tick in range(1, 50) if (frames := handshake.tick())}
    both = ["GetSceneList", "GetRecordStatus"]
    assert asked == dict.fromkeys((3, 7, 13, 23, 33, 43), both)
    assert handshake.remark is not None
    assert "does not answer GetSceneList, GetRecordStatus" in handshake.remark
    handshake.received(answer("GetSceneList", **LISTED))
    handshake.received(answer("GetRecordStatus"))
    assert handshake.remark is None
    assert not [tick for tick in range(50) if handshake.tick()]


def test_a_collection_whose_scenes_nobody_lists_is_asked_about_again() -> None:
    """As is one that OBS is still loading, or is not ready to tell of."""
    handshake = shaken()
    for ident in idents(handshake.tick()):
        handshake.received(answer(ident))
    changed = {"op": 5, "d": {"eventType": "CurrentSceneCollectionChanged", "eventIntent": 2}}
    assert idents(handshake.received(orjson.dumps(changed)))[0] == "GetSceneList switch 1"
    asked = [ident for _ in range(3) for ident in idents(handshake.tick())]
    assert "GetSceneList switch 1" in asked
    handshake.received(answer("GetSceneList switch 1", ok=False))
    assert "GetSceneList switch 1" in idents(handshake.tick())
    handshake.received(answer("GetSceneList switch 1", currentProgramSceneName=None, scenes=[]))
    assert "GetSceneList switch 1" in idents(handshake.tick())
    handshake.received(answer("GetSceneList switch 1", **LISTED))
    assert not [ident for _ in range(30) for ident in idents(handshake.tick()) if "switch" in ident]


def test_where_a_transition_leads_is_asked_once() -> None:
    """Later, the answer would be about something else; and a hard cut leads nowhere else than its event says."""
    handshake = shaken()
    cuts: dict[str, Any] = {"transitions": [{"transitionName": "Schnitt", "transitionKind": "cut_transition"}]}
    handshake.received(answer("GetSceneTransitionList", **cuts))

    def started(name: str) -> list[str]:
        event = {"eventType": "SceneTransitionStarted", "eventIntent": 16, "eventData": {"transitionName": name}}
        return idents(handshake.received(orjson.dumps({"op": 5, "d": event})))

    assert started("Fade") == ["GetSceneList transition 1"]
    assert started("Schnitt") == []
    assert started("Fade") == ["GetSceneList transition 3"]
    assert not [ident for _ in range(50) for ident in idents(handshake.tick()) if "transition " in ident]


# ---------------------------------------------------------------------------------------------- what comes of it


async def test_a_server_that_is_silent_at_first_is_heard_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that ran already, one that nobody answered for: its session, its gap, and its cuts."""
    monkeypatch.setattr("tap.adapters.server.socket._ASK_AGAIN_S", 0.01)

    asked: Counter[str] = Counter()

    async def silent(connection: ServerConnection) -> None:
        await connection.send(json.dumps(HELLO))
        await connection.recv()
        await connection.send(json.dumps(IDENTIFIED))
        async for frame in connection:
            said = json.loads(frame)["d"]
            kind = said["requestType"]
            asked[kind] += 1
            if asked[kind] == 1:
                continue
            await connection.send(_said(kind, said["requestId"]))
            if kind == "GetCurrentSceneTransition":
                for scene in ("B", "A"):
                    data = {"sceneName": scene, "sceneUuid": f"u-{scene}"}
                    event = {"eventType": "CurrentProgramSceneChanged", "eventIntent": 4, "eventData": data}
                    await connection.send(json.dumps({"op": 5, "d": event}))
                    await asyncio.sleep(0.1)

    pipeline = Pipeline(OBS, venue="hall", tap="tap-a")
    async with server(silent) as url, listening(url, dialect=OBS) as (ear, _socket):
        await ear.until(lambda: b'"sceneName": "A", "sceneUuid": "u-A"}}' in b"".join(ear.data[-1:]))
        last = ear.items[-1].stamp
        entries = [entry for item in ear.items for entry in pipeline.feed(item)]
        entries += pipeline.feed(Alive(Stamp(last.wall + 100, last.mono + 100)))
    rows = [row.fields for row in fold(entries).values()]
    (session,) = [row for row in rows if "startedAt" in row]
    assert session["status"] == "live"
    events = [row for row in rows if "kind" in row]
    assert [(row["kind"], row.get("cameraId")) for row in events] == [("gap", None), ("cut", "B"), ("cut", "A")]
    assert {row["cameraId"] for row in rows if "joinedAt" in row} == {"A", "B"}


def _said(kind: str, ident: str) -> str:
    said = {
        "GetSceneList": LISTED,
        "GetStudioModeEnabled": {"studioModeEnabled": False},
        "GetRecordStatus": {"outputActive": True, "outputPaused": False, "outputDuration": 60_000},
        "GetStreamStatus": {"outputActive": False, "outputDuration": 0},
    }.get(kind, {"transitionName": "Cut", "transitionKind": "cut_transition"})
    status = {"result": True, "code": 100}
    body = {"requestType": kind, "requestId": ident, "requestStatus": status, "responseData": said}
    return json.dumps({"op": 7, "d": body})


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_late_answers_in_any_order_are_one_snapshot(order: tuple[int, ...]) -> None:
    """A recording that ran already is seen once, with one gap, whatever is told first of it."""
    stage = ObsStage()
    stage.greet()
    stage.wait(10_000)
    assert not stage.sessions()
    for index in order:
        stage.later(20).answers("B", recording=40_000, studio=True, order=(index,))
    stage.wait(3_000)
    (session,) = stage.sessions()
    assert session["startedAt"] == T0 + 10_080 - 40_000
    assert session["startState"] == {"at": T0 + 10_080, "programCameraId": "B", "mode": "studio"}
    assert len(stage.events("gap")) == 1
    assert not stage.cuts()
    assert sorted(row.fields["cameraId"] for row in stage.rows.values() if row.op == "camera") == ["A", "B", "C"]


@pytest.mark.parametrize("answered", [0, 1, 2, 3])
def test_one_answer_that_never_comes_takes_nothing_from_the_others(answered: int) -> None:
    """What the three others say is told; and events go on."""
    stage = ObsStage()
    stage.greet()
    stage.wait(5_000)
    stage.answers("B", recording=40_000, order=tuple(index for index in range(4) if index != answered))
    stage.wait(3_000).cut("C")
    if answered != 2:
        assert [session["status"] for session in stage.sessions()] == ["live"]
        assert stage.cuts() == [(None if answered == 0 else "B", "C")]
    else:
        assert not stage.sessions()


def test_a_recording_that_only_shows_late_has_its_gap_all_the_same() -> None:
    """The scenes were answered at once, the recording ten seconds later."""
    stage = ObsStage()
    stage.greet()
    stage.answers("B", order=(0, 1, 3))
    stage.wait(10_000)
    stage.answers("B", recording=40_000, order=(2,))
    (session,) = stage.sessions()
    assert session["startState"]["programCameraId"] == "B"
    (gap,) = stage.events("gap")
    assert gap["detail"]["cause"] == "first sight"


def test_silence_after_a_loss_is_no_other_session() -> None:
    """The known one goes on once that is told; until then what changes belongs to it."""
    stage = ObsStage().shoot()
    stage.later(5_000).drop()
    stage.later(1_000).greet()
    stage.wait(4_000).cut("B")
    stage.wait(4_000)
    stage.answers("B", recording=14_000)
    stage.wait(3_000)
    assert [session["status"] for session in stage.sessions()] == ["live"]
    assert stage.cuts() == [(None, "B")]
    assert len(stage.events("gap")) == 1


def test_what_was_answered_before_the_line_broke_is_told() -> None:
    """Two of four answers came: a recording runs, and its scene is on air."""
    stage = ObsStage()
    stage.later(10_000).greet()
    stage.later(100).answers(recording=5_000, order=(0, 2))
    assert not stage.entries
    stage.later(100).drop()
    (session,) = stage.sessions()
    assert (session["startedAt"] - T0, session["startState"]["programCameraId"]) == (5_100, "A")
