"""What OBS has to be told, and what happens where it will not have us, or is no OBS at all.

The real OBS of ``test_shoot.py`` takes the same words; here stands what it cannot be made to do.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson
import pytest
import simpleobsws
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tap.adapters.dialects import load_dialect
from tap.adapters.server.socket import Timing
from tap.core.errors import HandshakeRefused
from tap.core.model import Closed, Frame, Opened, Sent
from tap.core.obs.handshake import ObsHandshake
from tap.core.obs.messages import MASK
from tap.service.tools.record import record
from tests.adapters.test_socket import listening, server

OBS = load_dialect("obs")
HASTY = Timing().faster(10)._replace(first_delay=0.005)
"""For who waits in vain: nobody has to answer within that."""
TAPE = Path(__file__).parents[2] / "fixtures" / "obs" / "recording-1.jsonl.gz"
PASSWORD = "rehearsal-4455"
HELLO = {"op": 0, "d": {"obsWebSocketVersion": "5.1.0", "rpcVersion": 1}}
ASKED = [
    *("GetProfileList", "GetSceneCollectionList", "GetVideoSettings"),
    *("GetSceneList", "GetStudioModeEnabled", "GetRecordStatus", "GetStreamStatus"),
    *("GetSceneTransitionList", "GetCurrentSceneTransition"),
    "GetProfileParameter",
]
"""Of an OBS that is too old to tell when it splits a recording: whether it is set to."""


@cache
def real_greeting() -> tuple[dict[str, Any], str]:
    """A real OBS's Hello with its challenge, and what another client answers to it."""
    with gzip.open(TAPE) as lines:
        hello: dict[str, Any] = orjson.loads(orjson.loads(next(lines))["data"])
    sent: list[bytes] = []

    class Line:
        async def send(self, data: bytes) -> None:
            sent.append(data)

    client = simpleobsws.WebSocketClient(password=PASSWORD)
    client.ws, client.hello_message = Line(), hello["d"]
    with suppress(StopIteration):
        client._send_identify(PASSWORD, client.identification_parameters).send(None)  # it waits for nothing
    return hello, msgpack.unpackb(sent[0])["d"]["authentication"]


def said(frames: list[bytes]) -> list[Any]:
    return [orjson.loads(frame) for frame in frames]


def asked(frames: list[bytes]) -> list[str]:
    return [frame["d"]["requestType"] for frame in said(frames)]


def reply(kind: str, code: int = 100, ident: str | None = None, **data: Any) -> bytes:
    body: dict[str, Any] = {"requestType": kind, "requestStatus": {"code": code, "result": code == 100}}
    body |= {} if ident is None else {"requestId": ident}
    if "program" in data:
        data["currentProgramSceneName"] = data.pop("program")
    return orjson.dumps({"op": 7, "d": body | ({"responseData": data} if data else {})})


IDENTIFIED = orjson.dumps({"op": 2, "d": {"negotiatedRpcVersion": 1}})


# ---------------------------------------------------------------------------------------------- what is said


def test_the_answer_to_a_real_challenge_is_that_of_another_client() -> None:
    """And the password is not in it."""
    hello, proof = real_greeting()
    (sent,) = ObsHandshake(PASSWORD).received(orjson.dumps(hello))
    assert orjson.loads(sent) == {
        "op": 1,
        "d": {"rpcVersion": 1, "eventSubscriptions": MASK, "authentication": proof},
    }
    assert MASK == 1623
    assert PASSWORD.encode() not in sent


@pytest.mark.parametrize("password", ["two words", "Grüße an den Ü-Wagen", "😀"])
def test_a_password_may_hold_any_letter(password: str) -> None:
    """As another client answers with it."""
    hello, _ = real_greeting()
    auth = hello["d"]["authentication"]
    secret = base64.b64encode(hashlib.sha256((password + auth["salt"]).encode()).digest())
    proof = base64.b64encode(hashlib.sha256(secret + auth["challenge"].encode()).digest()).decode()
    (sent,) = ObsHandshake(password).received(orjson.dumps(hello))
    assert json.loads(sent)["d"]["authentication"] == proof


def test_the_state_is_asked_for_once_obs_lets_us_in_and_nothing_before() -> None:
    """Sending anything else before would cost the connection."""
    handshake = ObsHandshake(None)
    assert [frame["op"] for frame in said(handshake.received(orjson.dumps(HELLO)))] == [1]
    assert not handshake.done
    assert not handshake.tick()
    assert not handshake.waits
    assert asked(handshake.received(IDENTIFIED)) == ASKED
    assert handshake.done
    for kind in ASKED:
        assert handshake.waits
        assert not handshake.received(reply(kind))
    assert not handshake.waits, "nobody has to wake up for it any more"
    for _ in range(20):
        assert not handshake.tick()
    assert handshake.remark is None


def test_what_obs_was_not_ready_for_is_asked_again() -> None:
    """It is still starting."""
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    handshake.received(reply("GetSceneList", 207))
    assert handshake.waits
    assert asked(handshake.tick()) == ["GetSceneList"]
    handshake.received(reply("GetSceneList"))
    assert not handshake.tick()


def test_while_obs_is_not_ready_it_is_asked_one_question_at_a_time() -> None:
    """It hangs in a change of its collection. As soon as it answers, all others are asked at once."""
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    for kind in ASKED:
        assert not handshake.received(reply(kind, 207))
    for kind in [*ASKED, *ASKED[:2]]:
        assert asked(handshake.tick()) == [kind]
        assert not handshake.received(reply(kind, 207))
    assert asked(handshake.tick()) == [ASKED[2]]
    assert asked(handshake.received(reply(ASKED[2]))) == [*ASKED[3:], *ASKED[:2]]
    for kind in (*ASKED[3:], *ASKED[:2]):
        assert not handshake.received(reply(kind))
    for _ in range(20):
        assert not handshake.tick()


def test_a_question_that_obs_never_is_ready_for_holds_up_no_other() -> None:
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    for number, kind in enumerate(ASKED):
        handshake.received(reply(kind, 207 if number < 2 else 100))
    assert asked(handshake.tick()) == [ASKED[0]]
    handshake.received(reply(ASKED[0], 207))
    assert asked(handshake.tick()) == [ASKED[1]]
    assert asked(handshake.received(reply(ASKED[1]))) == [ASKED[0]]
    handshake.received(reply(ASKED[0], 207))
    assert asked(handshake.tick()) == [ASKED[0]]


def test_a_list_without_a_scene_on_air_is_asked_for_again() -> None:
    """OBS is still loading, and would not say when it has done that."""
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    status = {"code": 100, "result": True}
    empty = {"requestType": "GetSceneList", "requestStatus": status, "responseData": {"currentProgramSceneName": None}}
    handshake.received(orjson.dumps({"op": 7, "d": empty}))
    assert asked(handshake.tick()) == ["GetSceneList"]


def test_another_collection_or_transition_is_asked_about() -> None:
    """Its scenes and kinds are not told."""
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    changed = {"op": 5, "d": {"eventType": "CurrentSceneCollectionChanged", "eventIntent": 2}}
    assert asked(handshake.received(orjson.dumps(changed))) == ["GetSceneList", "GetSceneTransitionList"]
    changed["d"] = {"eventType": "CurrentSceneTransitionChanged", "eventIntent": 16}
    assert asked(handshake.received(orjson.dumps(changed))) == ["GetCurrentSceneTransition"]


class Fading:
    """A connection with scene A on air, on which fades begin."""

    def __init__(self) -> None:
        self.handshake = ObsHandshake(None)
        for frame in (orjson.dumps(HELLO), IDENTIFIED, reply("GetSceneList", program="A")):
            self.handshake.received(frame)

    def begins(self) -> str:
        """A fade begins: the id of the question where it leads."""
        told = {"op": 5, "d": {"eventType": "SceneTransitionStarted", "eventData": {"transitionName": "Fade"}}}
        (question,) = said(self.handshake.received(orjson.dumps(told)))
        return str(question["d"]["requestId"])

    def answered(self, ident: str, program: str) -> list[str]:
        """The answer names this scene: the ids of the questions that follow."""
        frames = self.handshake.received(reply("GetSceneList", ident=ident, program=program))
        return [frame["d"]["requestId"] for frame in said(frames)]


def test_where_a_second_transition_leads_is_asked_until_it_is_somewhere_else() -> None:
    """The first one's target is on air then, though OBS has told no program: the same name again came too soon."""
    fading = Fading()
    first = fading.begins()
    assert fading.answered(first, "A") == [first]
    assert fading.answered(first, "B") == []
    second = fading.begins()
    assert second != first
    assert fading.answered(second, "B") == [second]
    assert fading.answered(second, "C") == []


def test_where_a_transition_leads_is_asked_four_times_at_most() -> None:
    """A fade back to what is on air names nothing else."""
    fading = Fading()
    ident = fading.begins()
    assert [len(fading.answered(ident, "A")) for _ in range(5)] == [1, 1, 1, 0, 0]


def test_answers_that_never_come_are_told() -> None:
    """Once, with what that means."""
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    for kind in ASKED:
        if kind != "GetSceneList":
            handshake.received(reply(kind))
    for _ in range(4):
        handshake.tick()
    assert handshake.remark is None
    handshake.tick()
    assert handshake.remark is not None
    assert "does not answer GetSceneList" in handshake.remark
    handshake.received(reply("GetSceneList", program="A"))
    assert handshake.remark is None


def test_of_many_answers_that_never_come_those_are_named_without_which_nothing_is_known() -> None:
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    for kind in ("GetSceneList", "GetStudioModeEnabled"):
        handshake.received(reply(kind, program="A"))
    for _ in range(5):
        handshake.tick()
    assert handshake.remark is not None
    assert "does not answer GetRecordStatus, GetStreamStatus, " in handshake.remark


def test_a_hello_without_authentication_is_told_where_a_password_is_set() -> None:
    """The shoot is recorded all the same, and the password does not go out."""
    handshake = ObsHandshake(PASSWORD)
    (sent,) = handshake.received(orjson.dumps(HELLO))
    assert "authentication" not in orjson.loads(sent)["d"]
    assert handshake.remark is not None
    assert "no password" in handshake.remark


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"update-type":"Heartbeat","pulse":true}', "obs-websocket 4.x"),
        (b'{"type":"hello","server":"multicam-server"}', "not speak obs-websocket 5"),
        (b"<html>", "not speak obs-websocket 5"),
        (b'{"op":0,"d":{"authentication":"magic"}}', "upgrade"),
        (b'{"op":0,"d":{"authentication":{"challenge":"c","salt":"s"}}}', "TAP_SERVER_TOKEN"),
    ],
)
def test_who_cannot_be_listened_to_is_refused_in_words(data: bytes, words: str) -> None:
    """With what to do about it."""
    with pytest.raises(HandshakeRefused, match=words.replace(".", r"\.")):
        ObsHandshake(None).received(data)


def test_garbage_after_the_handshake_is_the_reader_s_to_count() -> None:
    """It costs no connection."""
    handshake = ObsHandshake(None)
    handshake.received(orjson.dumps(HELLO))
    handshake.received(IDENTIFIED)
    for data in (b"\xff", b"[]", b'{"op":7,"d":{}}', b'{"op":"x","d":{}}', b'{"op":7,"d":{"requestType":[]}}'):
        assert handshake.received(data) == []


# ---------------------------------------------------------------------------------------------- over a real socket


Handler = Callable[[ServerConnection], Awaitable[None]]


class Heard(list[Any]):
    """What the small OBS was told, and a way to wait for more of it."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def hear(self, what: Any) -> None:
        self.append(what)
        self._news.set()

    async def until(self, count: int) -> None:
        while len(self) < count:
            self._news.clear()
            await self._news.wait()


def obs(*, heard: Heard, proof: str | None = None, then: Handler | None = None) -> Handler:
    """A small OBS: it greets, judges the answer as the real one did, and tells its state."""
    hello = real_greeting()[0] if proof is not None else HELLO

    async def attend(connection: ServerConnection) -> None:
        heard.hear(dict(connection.request.headers.raw_items()) if connection.request is not None else {})
        await connection.send(json.dumps(hello))
        identify = json.loads(await connection.recv())
        heard.hear(identify)
        if identify["d"].get("authentication") != proof:
            await connection.close(4009, "Authentication failed.")
            return
        await connection.send(IDENTIFIED, text=True)
        if then is not None:
            await then(connection)
        async for frame in connection:
            heard.hear(json.loads(frame))

    return attend


async def test_a_connection_begins_with_its_greeting_and_nothing_else_is_ever_sent() -> None:
    """Opened, Hello, Identified; the password is no bearer token."""

    heard = Heard()
    sent: list[Sent] = []
    proof = real_greeting()[1]
    async with (
        server(obs(heard=heard, proof=proof)) as url,
        listening(url, token=PASSWORD, dialect=OBS, on_sent=sent.append) as (ear, socket),
    ):
        await ear.until(lambda: len(ear.of(Frame)) == 2)
        await heard.until(2 + len(ASKED))
        assert isinstance(ear.items[0], Opened)
        assert [orjson.loads(data)["op"] for data in ear.data] == [0, 2]
        assert [frame["d"]["requestType"] for frame in heard[2:]] == ASKED
        assert (socket.connected, socket.connection, socket.frames, socket.remark) == (True, 1, 2, None)
    assert not any(name.lower() == "authorization" for name in heard[0])
    assert [orjson.loads(item.data)["op"] for item in sent] == [1] + [6] * len(ASKED)
    assert len(heard) == 2 + len(ASKED)


async def test_a_wrong_password_is_told_as_such_and_tried_again_slowly() -> None:
    """No storm of attempts that might lock us out, no connection, and no gap in anybody's history."""

    heard = Heard()
    async with (
        server(obs(heard=heard, proof=real_greeting()[1])) as url,
        listening(url, token="hush-hush", dialect=OBS) as (ear, socket),
    ):
        await ear.until(lambda: socket.refused)
        assert "refuses the password" in (socket.problem or "")
        assert "4009" in (socket.problem or "")
        assert "hush" not in (socket.problem or "")
        loop = asyncio.get_running_loop()
        since = loop.time()
        await heard.until(4)
        assert loop.time() - since > 1.0  # the longest delay, at a tenth
        assert ear.items == []
        assert (socket.connection, socket.frames) == (0, 0)
        assert len(ear.changes) == 1


async def test_a_websocket_that_says_nothing_is_no_obs() -> None:
    """As version 4.x does, which waits to be asked."""

    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with server(silent) as url, listening(url, dialect=OBS, timing=HASTY) as (ear, socket):
        await ear.until(lambda: socket.refused)
        assert "4.x" in (socket.problem or "")
        assert ear.items == []


async def test_an_obs_that_never_lets_us_in_is_told_apart_from_that() -> None:
    """It greeted."""

    async def hangs(connection: ServerConnection) -> None:
        await connection.send(json.dumps(HELLO))
        await connection.wait_closed()

    async with server(hangs) as url, listening(url, dialect=OBS, timing=HASTY) as (ear, socket):
        await ear.until(lambda: socket.refused)
        assert "may hang" in (socket.problem or "")
        assert ear.items == []


@pytest.mark.parametrize("pad", [400_000, 0], ids=["large ones", "many"])
async def test_one_that_talks_before_it_lets_us_in_fills_no_memory(pad: int) -> None:
    """What is kept until then is bounded; nothing of such a connection is handed on."""
    frame, most = json.dumps({"op": 5, "d": {"eventType": "x" * pad}}), 0

    async def talks(connection: ServerConnection) -> None:
        nonlocal most
        await connection.send(json.dumps(HELLO))
        with suppress(ConnectionClosed):
            while True:
                await connection.send(frame)
                most = max(most, len(socket._early))

    async with server(talks) as url, listening(url, dialect=OBS) as (ear, socket):
        await ear.until(lambda: socket.refused)
        assert "keeps sending" in (socket.problem or "")
        assert ear.items == []
        assert most <= 1_001
        assert socket._early == []


async def test_a_proxy_that_answers_with_a_page_is_told() -> None:
    """It is no WebSocket."""

    def page(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(200, "<html>Sign in</html>")
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "text/html"
        return response

    async def never(_: ServerConnection) -> None:
        raise AssertionError("nobody gets here")

    async with server(never, process_request=page) as url, listening(url, dialect=OBS) as (ear, socket):
        await ear.until(lambda: socket.refused)
        assert "web page" in (socket.problem or "")


async def test_a_drop_after_the_greeting_ends_the_connection_that_it_began() -> None:
    """And the next one greets anew."""

    heard = Heard()

    async def leaves(connection: ServerConnection) -> None:
        await connection.close(1001)

    async with server(obs(heard=heard, then=leaves)) as url, listening(url, dialect=OBS) as (ear, socket):
        await ear.until(lambda: len(ear.of(Closed)) >= 2)
        assert [type(item) for item in ear.items[:8]] == [Opened, Frame, Frame, Closed] * 2
        assert [item.connection for item in ear.of(Opened)][:2] == [1, 2]
        assert socket.connection >= 2


async def test_a_tape_has_both_ways_and_no_secret(tmp_path: Path) -> None:
    """What was sent is on it as ``out``; challenge, salt and answer are not."""
    hello, proof = real_greeting()

    heard = Heard()
    async with server(obs(heard=heard, proof=proof)) as url:
        stop = asyncio.Event()
        tape = tmp_path / "t.jsonl"
        recording = asyncio.create_task(record(url, tape, dialect=OBS, token=PASSWORD, until=stop.wait, venue="hall"))
        await heard.until(2 + len(ASKED))
        stop.set()
        await recording
    lines = [orjson.loads(line) for line in (tmp_path / "t.jsonl").read_bytes().splitlines()]
    assert lines[0]["dialect"] == "obs"
    assert [line.get("dir", line.get("event")) for line in lines[1:6]] == ["open", "in", "out", "in", "out"]
    text = (tmp_path / "t.jsonl").read_text()
    challenge = hello["d"]["authentication"]
    for secret in (PASSWORD, proof, challenge["challenge"], challenge["salt"]):
        assert secret not in text
    assert text.count("[redacted]") == 2


@pytest.mark.parametrize(("version", "splits"), [(None, False), ("", False), ("5.4.9", True), ("5.5.0", False)])
def test_only_an_obs_that_is_known_to_be_too_old_is_asked_whether_it_splits(version: str | None, splits: bool) -> None:
    handshake = ObsHandshake(None)
    hello = {"op": 0, "d": {"rpcVersion": 1} | ({} if version is None else {"obsWebSocketVersion": version})}
    handshake.received(orjson.dumps(hello))
    assert ("GetProfileParameter" in asked(handshake.received(IDENTIFIED))) is splits
