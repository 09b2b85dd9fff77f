"""A seeded shoot on a real OBS, tapped by the real service. Runs inside the namespace, as a process of its own::

    python -m tests.obs.shoot --root DIR --seed 1

An operator (another client, ``simpleobsws``) works for some three minutes, act by act: a late start of the tap in the
middle of a fade with studio mode on; hard cuts, bursts, fades, interrupted ones, a T-bar to its end and back again,
takes in studio mode, scenes made, renamed and removed on air, scenes of another canvas; a kill of OBS; a pause with a
cut in it, a split, a stream that is lost; three recordings one after the other; other profiles and collections, before
a recording and during one; an OBS that is closed while it records. What the operator did and what OBS told that client
goes into ``DIR/log.json``; what the tap made of it stays in its journal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import orjson
import simpleobsws
from msgspec import Struct, field, to_builtins

from tap.adapters.journal import Journal
from tap.core.errors import JournalError
from tests.contract.local import CONVEX, key_of, local_ledger
from tests.obs.studio import CANVAS, PASSWORD, PORT, PROFILES, Studio

__all__ = ["LISTED", "VENUE", "Log", "Operator", "play"]

VENUE = "obs-hall"
NAMES = (
    *("Cam 1", 'Crane "4"', "Wide Größe", "Gäste 🎤", "O'Brien \\ Ton/ü", "相机二", "Pult\t2", "Бас & <b>"),
    *("100 % %41", "x" * 300, "Cam 1 ", "password: hunter2"),
)
COLOURS = (0xC83232, 0x32C832, 0x3232C8, 0xC8C832, 0xC832C8, 0x32C8C8, 0xE6E6E6, 0xFF8C1E, 0xFF00FF)
"""Far enough apart to be told in a compressed picture; the last, on no fade's way, is for what comes later."""
_OTHER = "Anderswo"
_CLI = (sys.executable, "-m", "tap.cli")
_EVENTS = 1111
_SCREENSHOT, _SPLIT = "OBSBasic.Screenshot", "OBSBasic.SplitFile"
LISTED = "Listed"
"""No event of OBS's: what the operator's own client was answered about what is on air."""
_NOT_READY = 207
_SWITCHES_S = 8.0
"""An OBS that takes longer for another collection never comes back."""
_ATTEMPTS = 4


class Log(Struct):
    """What the operator did, and what OBS told the operator's client. Times are wall ms."""

    scenes: list[str] = field(default_factory=list)
    """Those of the first collection, by name."""
    colours: dict[str, str] = field(default_factory=dict)
    """Which camera a picture shows: by colour (``rrggbb``), the name that its scene had first."""
    names: dict[str, str] = field(default_factory=dict)
    """First name by every name that a scene ever had."""
    versions: tuple[str, str] = ("", "")
    """Of OBS, and of obs-websocket."""
    actions: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    events: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    tap_started: int = 0
    killed: list[int] = field(default_factory=list)
    """When OBS was killed, or hung and was killed then."""
    closed: list[int] = field(default_factory=list)
    """When OBS was closed by hand."""
    hung: int = 0
    """How often OBS did not come back from a change of the collection."""
    made: int = 0
    """Scenes of another canvas."""
    cpu_s: float = 0.0
    watched_s: float = 0.0
    """What the tap used of a core, and in how long, from some seconds after its start."""
    checks: dict[str, list[Any]] = field(default_factory=dict)
    """What ``multicam-tap check`` found of the server, with the right password and without one."""
    ledger: list[dict[str, Any]] | None = None
    """The sessions that the ledger holds; None where there is none here."""


def now() -> int:
    return time.time_ns() // 1_000_000


class Operator:
    """Drives OBS, and notes what happens."""

    def __init__(self, log: Log, seed: int) -> None:
        self.log = log
        self.random = random.Random(seed)
        self._client: Any = None
        self._arrived = asyncio.Event()

    async def connect(self) -> None:
        """A connection of our own, however long OBS takes to be ready."""
        parameters = simpleobsws.IdentificationParameters(eventSubscriptions=_EVENTS)
        while True:
            client = simpleobsws.WebSocketClient(
                url=f"ws://127.0.0.1:{PORT}", password=PASSWORD, identification_parameters=parameters
            )
            with suppress(OSError, EOFError, Exception):
                await client.connect()
                if await client.wait_until_identified(timeout=20):
                    said = (await client.call(simpleobsws.Request("GetVersion"), timeout=20)).responseData
                    scenes = await client.call(simpleobsws.Request("GetSceneList"), timeout=20)
                    if scenes.ok() and scenes.responseData["scenes"]:
                        self.log.versions = (said["obsVersion"], said["obsWebSocketVersion"])
                        break
                    await client.disconnect()
            await asyncio.sleep(0.2)
        client.register_event_callback(self._event)
        self._client = client

    async def disconnect(self) -> None:
        with suppress(Exception):
            await asyncio.wait_for(self._client.disconnect(), 300)

    async def _event(self, kind: str, data: Any) -> None:
        self.log.events.append((now(), kind, data or {}))
        self._acknowledge()
        self._arrived.set()
        if kind in {"SceneTransitionStarted", "CurrentSceneCollectionChanged"}:
            # What no event tells: where it leads, and what came with the collection.
            with suppress(Exception):
                answer = await self._client.call(simpleobsws.Request("GetSceneList"), timeout=5)
                if answer.ok():
                    scene = answer.responseData["currentProgramSceneName"]
                    self.log.events.append((now(), LISTED, {"sceneName": scene}))

    def _acknowledge(self) -> None:
        """OBS sends no small packet while another is under way: what it tells next would be noted 40 ms late."""
        with suppress(Exception):
            own = self._client.ws.transport.get_extra_info("socket")
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    async def do(self, kind: str, *, within: float = 60, **data: Any) -> Any:
        """One request; its answer."""
        self.log.actions.append((now(), kind, data))
        answer = await self._client.call(simpleobsws.Request(kind, data), timeout=within)
        self._acknowledge()
        if not answer.ok():
            raise RuntimeError(f"{kind} {data}: {answer.requestStatus}")
        return answer.responseData or {}

    async def until(self, kind: str, since: int, **wanted: Any) -> dict[str, Any]:
        """The first event of this kind after the ``since``-th that says so."""
        end = time.monotonic() + 60
        while True:
            for _, name, data in self.log.events[since:]:
                if name == kind and all(data.get(key) == value for key, value in wanted.items()):
                    return data
            self._arrived.clear()
            if time.monotonic() > end:
                seen = [f"{name} {data}" for _, name, data in self.log.events[since:]]
                raise TimeoutError(f"no {kind} {wanted}, but {seen[-20:]}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), 5)

    async def record(self, kind: str, state: str, sort: str = "Record") -> None:
        """Start, stop, pause or resume the recording, or the stream."""
        since = len(self.log.events)
        await self.do(kind)
        await self.until(f"{sort}StateChanged", since, outputState=f"OBS_WEBSOCKET_OUTPUT_{state}")

    async def cut(self, scene: str) -> None:
        """A change that is awaited, by whatever transition is set; none where it is on air already."""
        if (await self.do("GetSceneList"))["currentProgramSceneName"] == scene:
            return
        since = len(self.log.events)
        await self.do("SetCurrentProgramScene", sceneName=scene)
        await self.until("CurrentProgramSceneChanged", since, sceneName=scene)

    async def transition(self, name: str, ms: int | None = None) -> None:
        await self.do("SetCurrentSceneTransition", transitionName=name)
        if ms is not None:
            await self.do("SetCurrentSceneTransitionDuration", transitionDuration=ms)

    async def studio(self, on: bool) -> None:
        since = len(self.log.events)
        await self.do("SetStudioModeEnabled", studioModeEnabled=on)
        await self.until("StudioModeStateChanged", since, studioModeEnabled=on)

    async def preview(self, scene: str) -> None:
        """Has to be awaited: OBS answers before it has done it, and would take what was there before."""
        if (await self.do("GetCurrentPreviewScene"))["currentPreviewSceneName"] == scene:
            return
        since = len(self.log.events)
        await self.do("SetCurrentPreviewScene", sceneName=scene)
        await self.until("CurrentPreviewSceneChanged", since, sceneName=scene)

    async def take(self, scene: str) -> None:
        """Preview, then transition, in studio mode."""
        await self.preview(scene)
        await self.beat()
        since = len(self.log.events)
        await self.do("TriggerStudioModeTransition")
        await self.until("CurrentProgramSceneChanged", since, sceneName=scene)

    async def t_bar(self, scene: str) -> None:
        """A transition by hand. OBS 32.1 and later take it back whenever a client lets go of it."""
        await self.preview(scene)
        since = len(self.log.events)
        for position in (0.3, 0.7, 1.0):
            await self.do("SetTBarPosition", position=position, release=position == 1.0)
            await self.beat(0.2, 0.3)
        await self.until("SceneTransitionEnded", since)

    async def interrupt(self, scene: str, then: str) -> None:
        """Change one's mind in the midst of a fade."""
        await self.do("SetCurrentProgramScene", sceneName=scene)
        await self.beat(0.2, 0.6)
        await self.cut(then)

    async def t_bar_back(self, scene: str) -> None:
        """Begin a transition by hand, and take it back."""
        await self.preview(scene)
        for position in (0.2, 0.4, 0.1, 0.0):
            await self.do("SetTBarPosition", position=position, release=position == 0.0)
            await self.beat(0.15, 0.25)

    async def collection(self, name: str) -> bool:
        """Change the collection; False where OBS does not come back from it."""
        since = len(self.log.events)
        try:
            await self.do("SetCurrentSceneCollection", within=_SWITCHES_S, sceneCollectionName=name)
            await asyncio.wait_for(self.until("CurrentSceneCollectionChanged", since), _SWITCHES_S)
        except (simpleobsws.MessageTimeout, TimeoutError):
            return False
        return True

    async def beat(self, least: float = 0.5, most: float = 1.3) -> None:
        """As long as a person takes."""
        await asyncio.sleep(self.random.uniform(least, most))


class Tap:
    """The real service, as a process."""

    def __init__(self, root: Path, ledger: dict[str, str]) -> None:
        self._root = root
        self._ledger = ledger
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def ledgered(self) -> bool:
        return bool(self._ledger)

    @property
    def state(self) -> Path:
        return self._root / "tap"

    def environ(self, **other: str) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")} | self._ledger
        environ |= {"TAP_DIALECT": "obs", "TAP_SERVER_TOKEN": PASSWORD, "TAP_VENUE": VENUE}
        return environ | {"TAP_STATE_DIR": str(self.state), "TAP_OPS_LISTEN": "off"} | other

    def start(self) -> None:
        with (self._root / "tap.log").open("ab") as log:
            self.process = subprocess.Popen([*_CLI, "run"], env=self.environ(), stderr=log)

    async def check(self, **other: str) -> list[Any]:
        """What ``check`` finds of the server."""
        process = await asyncio.create_subprocess_exec(
            *(*_CLI, "check", "--json"), env=self.environ(**other), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 300)
        found = [orjson.loads(line) for line in out.splitlines()]
        return [finding for finding in found if finding["tried"] == "server"]

    async def sessions(self) -> list[dict[str, Any]] | None:
        """What the ledger holds by now; None where there is none."""
        if not self._ledger:
            return None
        process = await asyncio.create_subprocess_exec(
            *(*_CLI, "sessions", "--json"), env=self.environ(), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 300)
        return [orjson.loads(line) for line in out.splitlines()]

    def cpu(self) -> float:
        """Seconds of a core that it has used so far."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def waiting(self) -> int:
        """How many entries the ledger has not got yet."""
        with Journal.open(self.state / "journal.db", readonly=True) as journal:
            return journal.counts()["pending"]

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 30)

    async def until(self, what: str, enough: Callable[[list[Any]], bool]) -> None:
        """Wait for the journal to hold what was asked for."""
        end = time.monotonic() + 60
        while not enough(self.entries()):
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"the tap ended with {self.process.returncode}")
            if time.monotonic() > end:
                raise TimeoutError(f"the journal never held {what}")
            await asyncio.sleep(0.1)

    def entries(self) -> list[Any]:
        try:
            with Journal.open(self.state / "journal.db", readonly=True) as journal:
                return [kept.entry for kept in journal.entries()]
        except (JournalError, OSError):
            return []


def sessions(entries: list[Any], status: str) -> int:
    """How many sessions stand at this status."""
    last = {entry.key: entry.fields["status"] for entry in entries if entry.op == "session"}
    return sum(1 for value in last.values() if value == status)


async def play(studio: Studio, tap: Tap, operator: Operator) -> None:
    """The shoot, act by act."""
    scenes = list(operator.log.scenes)
    await operator.connect()
    await _late_join(operator, tap, scenes)
    used, since = tap.cpu(), time.monotonic()
    await _cuts(operator, scenes)
    await _studio_mode(operator, scenes)
    await _kill(operator, tap, studio, scenes)
    await _pause_split_stream(operator, tap, studio, scenes)
    await _one_after_the_other(operator, tap)
    await _collections(operator, tap, studio)
    operator.log.cpu_s, operator.log.watched_s = tap.cpu() - used, time.monotonic() - since
    operator.log.checks["right"] = await tap.check()
    operator.log.checks["wrong"] = await tap.check(TAP_SERVER_TOKEN="not-the-password")
    await _closed(operator, tap, studio)


async def _late_join(operator: Operator, tap: Tap, scenes: list[str]) -> None:
    """The recording runs, studio mode is on, and a long fade is half through when the tap comes."""
    await operator.record("StartRecord", "STARTED")
    await operator.beat()
    await operator.transition("Cut")
    await operator.cut(scenes[1])
    await operator.beat()
    await operator.studio(True)
    await operator.transition("Fade", 12_000)
    await operator.preview(scenes[2])
    since = len(operator.log.events)
    await operator.do("TriggerStudioModeTransition")
    operator.log.tap_started = now()
    tap.start()
    await tap.until("the session", lambda entries: sessions(entries, "live") == 1)
    await operator.until("CurrentProgramSceneChanged", since, sceneName=scenes[2])
    await operator.transition("Fade", 400)
    for scene in (scenes[3], scenes[0]):
        await operator.take(scene)
        await operator.beat()
    # The preview is another scene than the program: leaving now tells a change that is none.
    await operator.preview(scenes[1])
    await operator.beat()
    await operator.studio(False)
    await operator.beat()
    await operator.record("StopRecord", "STOPPED")
    await operator.beat()


async def _cuts(operator: Operator, scenes: list[str]) -> None:
    """Hard cuts, quick ones, bursts, fades, interrupted ones, another scene, and a new name for it."""
    log, draw = operator.log, operator.random
    await operator.transition("Cut")
    await operator.record("StartRecord", "STARTED")
    on_air = scenes[0]

    def another(*but: str) -> str:
        return draw.choice([scene for scene in scenes if scene not in (on_air, *but)])

    for _ in range(6):
        await operator.beat()
        on_air = another()
        await operator.cut(on_air)
    for gap in (0.2, 0.12, 0.0):
        await operator.beat()
        first = another()
        since = len(log.events)
        await operator.do("SetCurrentProgramScene", sceneName=first)
        await asyncio.sleep(gap)
        on_air = another(first)
        await operator.do("SetCurrentProgramScene", sceneName=on_air)
        await operator.until("CurrentProgramSceneChanged", since, sceneName=on_air)
    for _ in range(2):
        await operator.beat()
        for _ in range(6):
            on_air = another()
            await operator.do("SetCurrentProgramScene", sceneName=on_air)
            await asyncio.sleep(0.12)
    await operator.beat()
    since = len(log.events)
    await operator.do("TriggerHotkeyByName", hotkeyName=_SCREENSHOT)
    await operator.until("ScreenshotSaved", since)
    await operator.do("BroadcastCustomEvent", eventData={"marker": "the good one", "by": "operator"})
    for name, ms in (("Fade", draw.randint(300, 900)), ("Swipe Left", 500), ("Dip to Black", 700)):
        await operator.transition(name, ms)
        on_air = another()
        await operator.cut(on_air)
        await operator.beat()
    await operator.transition("Fade", 900)
    for back in (False, True, False):
        first = another()
        on_air = on_air if back else another(first)
        await operator.interrupt(first, on_air)
        await operator.beat()
    await operator.transition("Cut")
    await _another_scene(operator, scenes)
    await _other_canvas(operator, scenes)
    await operator.record("StopRecord", "STOPPED")
    await operator.beat()


async def _studio_mode(operator: Operator, scenes: list[str]) -> None:
    """Takes, a T-bar to its end and back again, and what OBS itself is wrong about."""
    on_air = (await operator.do("GetSceneList"))["currentProgramSceneName"]
    first, second, third = operator.random.sample([scene for scene in scenes if scene != on_air], 3)
    await operator.record("StartRecord", "STARTED")
    await operator.beat()
    await operator.studio(True)
    await operator.transition("Fade", 600)
    await operator.take(first)
    await operator.beat()
    await operator.t_bar(second)
    await operator.beat()
    await operator.t_bar_back(third)
    await operator.beat()
    await operator.take(on_air)
    await operator.beat()
    # A second take in the midst of one is not made; and yet OBS says so, and believes it.
    await operator.preview(first)
    await operator.do("TriggerStudioModeTransition")
    await operator.beat(0.2, 0.3)
    await operator.preview(second)
    since = len(operator.log.events)
    await operator.do("TriggerStudioModeTransition")
    await operator.until("CurrentProgramSceneChanged", since)
    await operator.beat()
    await operator.take(third)
    await operator.beat()
    await operator.studio(False)
    await operator.transition("Cut")
    await operator.beat()
    await operator.record("StopRecord", "STOPPED")
    await operator.beat()


async def _another_scene(operator: Operator, scenes: list[str]) -> None:
    log = operator.log
    name, colour = f"Dach {operator.random.randint(10, 99)} 🏠", COLOURS[-1]
    await operator.do("CreateScene", sceneName=name)
    backwards = (colour & 0xFF) << 16 | colour & 0xFF00 | colour >> 16
    settings = {"color": 0xFF000000 | backwards, "width": 640, "height": 360}
    await operator.do(
        "CreateInput", sceneName=name, inputName=f"{name} feed", inputKind="color_source_v3", inputSettings=settings
    )
    log.colours[f"{colour:06x}"] = log.names[name] = name
    await operator.beat()
    await operator.cut(name)
    await operator.beat()
    renamed = f'{name} "neu" ' + "ä" * 5_000
    log.names[renamed] = name
    since = len(log.events)
    await operator.do("SetSceneName", sceneName=name, newSceneName=renamed)
    await operator.until("SceneNameChanged", since)
    await operator.beat()
    await operator.cut(scenes[0])
    await operator.beat()
    await operator.cut(renamed)
    await operator.beat()
    since = len(log.events)
    await operator.do("RemoveScene", sceneName=renamed)  # OBS puts another on air
    await operator.until("CurrentProgramSceneChanged", since)
    await operator.beat()
    await operator.cut(scenes[0])


async def _other_canvas(operator: Operator, scenes: list[str]) -> None:
    """Scenes of another canvas, one of them called like one of ours, where this version has canvases."""
    try:
        canvases = (await operator.do("GetCanvasList"))["canvases"]
    except RuntimeError:
        return  # this version knows none
    if CANVAS[1] not in {canvas["canvasUuid"] for canvas in canvases}:
        raise RuntimeError(f"the canvas of the collection is not there: {canvases}")
    for name in ("Upright", scenes[1]):
        await operator.do("CreateScene", sceneName=name, canvasUuid=CANVAS[1])
        operator.log.made += 1
        await operator.beat(0.2, 0.4)
    await operator.cut(scenes[1])
    await operator.beat()
    with suppress(RuntimeError):  # nobody shows it, so it may be gone by itself
        await operator.do("RemoveScene", sceneName=scenes[1], canvasUuid=CANVAS[1])
    await operator.beat()


async def _kill(operator: Operator, tap: Tap, studio: Studio, scenes: list[str]) -> None:
    """OBS dies in the middle of a recording, and comes back."""
    await operator.record("StartRecord", "STARTED")
    for scene in (scenes[1], scenes[2], scenes[3]):
        await operator.beat()
        await operator.cut(scene)
    await operator.beat(2.5, 3.0)  # a file that is torn off lacks its last moments
    await _dies(operator, tap, studio)


async def _dies(operator: Operator, tap: Tap, studio: Studio) -> None:
    operator.log.killed.append(now())
    studio.kill()
    await operator.disconnect()
    await asyncio.to_thread(studio.start)
    await operator.connect()
    killed = len(operator.log.killed)
    await tap.until("the end that nobody saw", lambda entries: sessions(entries, "interrupted") == killed)


async def _pause_split_stream(operator: Operator, tap: Tap, studio: Studio, scenes: list[str]) -> None:
    """A stream beside the recording, which is lost for a moment; a pause with a cut in it; a split."""
    await operator.transition("Cut")
    on_air = (await operator.do("GetSceneList"))["currentProgramSceneName"]
    await asyncio.to_thread(studio.answer)
    await operator.record("StartRecord", "STARTED")
    await operator.record("StartStream", "STARTED", "Stream")
    others = [scene for scene in scenes if scene != on_air]
    for scene in others[:3]:
        await operator.beat()
        await operator.cut(scene)
    await operator.beat()
    await operator.record("PauseRecord", "PAUSED")
    await operator.beat()
    await operator.cut(others[1])
    await operator.beat()
    await operator.record("ResumeRecord", "RESUMED")
    for scene in (others[2], others[0]):
        await operator.beat()
        await operator.cut(scene)
    since = len(operator.log.events)
    studio.hang_up()
    await operator.until("StreamStateChanged", since, outputState="OBS_WEBSOCKET_OUTPUT_RECONNECTING")
    await asyncio.to_thread(studio.answer)
    await operator.beat()
    await operator.cut(others[1])
    await operator.beat()
    await operator.do("TriggerHotkeyByName", hotkeyName=_SPLIT)
    await operator.beat(1.5, 2.0)
    for scene in (others[2], others[0]):
        await operator.beat()
        await operator.cut(scene)
    await operator.beat()
    since = len(operator.log.events)
    await operator.do("StopStream")
    await operator.record("StopRecord", "STOPPED")
    await operator.until("StreamStateChanged", since, outputState="OBS_WEBSOCKET_OUTPUT_STOPPED")
    studio.hang_up()
    await operator.beat()


async def _one_after_the_other(operator: Operator, tap: Tap) -> None:
    """Three recordings, each as soon as OBS takes it, and stopped within a second."""
    before = sessions(tap.entries(), "complete")
    for _ in range(3):
        since = len(operator.log.events)
        while True:
            await operator.do("StartRecord")
            with suppress(TimeoutError):
                started = operator.until("RecordStateChanged", since, outputState="OBS_WEBSOCKET_OUTPUT_STARTED")
                await asyncio.wait_for(started, 300)
                break
        await asyncio.sleep(operator.random.uniform(0.2, 0.7))
        await operator.record("StopRecord", "STOPPED")
    await tap.until("three short sessions", lambda entries: sessions(entries, "complete") == before + 3)
    await operator.beat()


async def _collections(operator: Operator, tap: Tap, studio: Studio) -> None:
    """Another profile and collection before a recording, and back while it runs; OBS 32 may not come back from that."""
    log = operator.log
    for _ in range(_ATTEMPTS):
        name = (await operator.do("GetSceneCollectionList"))["currentSceneCollectionName"]
        order = ("Other", "Shoot") if name == "Shoot" else ("Shoot", "Other")
        profile = (await operator.do("GetProfileList"))["currentProfileName"]
        since = len(log.events)
        await operator.do("SetCurrentProfile", profileName=PROFILES[profile == PROFILES[0]])
        await operator.until("CurrentProfileChanged", since)
        await operator.beat()
        if not await operator.collection(order[0]):
            await _hangs(operator, tap, studio, recording=False)
            continue
        await operator.beat(1.5, 2.0)
        await operator.record("StartRecord", "STARTED")
        back = True
        for name in (order[1], order[0], order[1]):
            await operator.beat(1.5, 2.0)
            listed = await operator.do("GetSceneList")
            others = [item["sceneName"] for item in listed["scenes"]]
            others.remove(listed["currentProgramSceneName"])
            await operator.cut(operator.random.choice(others))
            await operator.beat(1.0, 1.5)
            back = await operator.collection(name)
            if not back:
                break
        if not back:
            await _hangs(operator, tap, studio, recording=True)
            continue
        await operator.beat(2.0, 2.5)
        await operator.record("StopRecord", "STOPPED")
        return


async def _hangs(operator: Operator, tap: Tap, studio: Studio, *, recording: bool) -> None:
    """OBS shows a message that nobody sees, and waits for an answer: it is killed, and comes back."""
    operator.log.hung += 1
    if recording:
        await _dies(operator, tap, studio)
        return
    studio.kill()
    await operator.disconnect()
    await asyncio.to_thread(studio.start)
    await operator.connect()


async def _closed(operator: Operator, tap: Tap, studio: Studio) -> None:
    """Somebody closes OBS while it records."""
    before = sessions(tap.entries(), "complete")
    await operator.record("StartRecord", "STARTED")
    await operator.beat(2.0, 2.5)
    operator.log.closed.append(now())
    await asyncio.to_thread(studio.stop)
    await operator.disconnect()
    await tap.until("the end that OBS told", lambda entries: sessions(entries, "complete") == before + 1)


def _drawn(seed: int) -> tuple[dict[str, int], dict[str, dict[str, int]], Log]:
    draw = random.Random(seed)
    names, colours = draw.sample(NAMES, 5), draw.sample(COLOURS[:-1], 7)
    scenes = dict(zip(names, colours, strict=False))
    # One scene has a name that the first collection has too, and is another picture.
    other = {names[0]: colours[5], _OTHER: colours[6]}
    shown = {f"{colour:06x}": name for name, colour in [*scenes.items(), *other.items()]}
    log = Log(scenes=names, colours=shown, names={name: name for name in [*names, _OTHER]})
    return scenes, {"Other": other}, log


async def _main(root: Path, seed: int, chroot: Path | None) -> int:
    scenes, others, log = _drawn(seed)
    with ExitStack() as stack:
        studio = stack.enter_context(Studio(root, scenes, others=others, chroot=chroot))
        tap = Tap(root, _ledger(stack))
        operator = Operator(log, seed)
        try:
            await play(studio, tap, operator)
            if tap.ledgered:
                await tap.until("no entry that waits for the ledger", lambda _: not tap.waiting())
            log.ledger = await tap.sessions()
            code = await tap.stop()
        finally:
            if tap.process is not None and tap.process.poll() is None:
                tap.process.kill()
            (root / "log.json").write_bytes(orjson.dumps(to_builtins(log)))
    return code


def _ledger(stack: ExitStack) -> dict[str, str]:
    """The settings for the local ledger, where its parts are here; else the journal keeps everything."""
    if shutil.which("node") is None or not (CONVEX / "node_modules").is_dir():
        return {}
    local = stack.enter_context(local_ledger([VENUE]))
    return {"TAP_CONVEX_URL": local.url, "TAP_INGEST_KEY": key_of(VENUE).get_secret_value()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chroot", type=Path)
    given = parser.parse_args()
    given.root.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(_main(given.root, given.seed, given.chroot)))
