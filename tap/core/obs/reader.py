"""What the frames of obs-websocket say together. Pure: a reader is its state, and time comes with the frames.

Most of it is order. A program event may be false, so it waits for what would unmask it, and what comes after it waits
behind it. The answers to the questions at a connection's start make one snapshot, and what happens meanwhile waits for
that. A scene that is removed may only be the storm of an exit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from tap.core.mapping import Reading, Verdict
from tap.core.model import (
    CameraInfo,
    CameraLeft,
    CameraTold,
    Cut,
    Frame,
    Hello,
    ModeChanged,
    Observation,
    Policy,
    Recording,
    SessionEnded,
    SessionInfo,
    SessionStarted,
    Snapshot,
    Stamp,
    StillCaptured,
    Told,
    UnsetType,
)
from tap.core.obs.messages import ASKED, IDENTIFIED, Message, text
from tap.core.obs.outputs import Outputs, state_word
from tap.core.obs.scenes import Scenes
from tap.core.obs.state import Begun, Gathering, ObsState, Removal, Scene, Waiting
from tap.core.obs.transitions import Transitions

__all__ = ["ObsReader"]

HOLD_MS = 60
"""How long a program event waits, for the one that shows it to be false: 5 to 16 ms on a machine with time."""
_DOUBT_MS = 500
"""The same, where nothing speaks for it: in studio mode, with no transition started."""
_GATHER_MS = 2_000
"""How long the first answers may take; what happens meanwhile is told after them."""
_REMOVED_MS = 1_000
"""How long a removed scene may be the first sign of an exit."""
_SWITCH_MS = 30_000
"""The longest change of a scene collection."""
_SCENES_READ = 10_000

_NORMAL, _STUDIO, _PAUSED = "normal", "studio", "paused"
_COLLECTION = "collection_switch"
_PROGRAM = "CurrentProgramSceneChanged"
_TAKEN_DOWN = frozenset({_PROGRAM, "SceneRemoved"})
"""What an OBS that exits tells of its own end."""


class ObsReader:
    """One source's. ``message`` says what a frame is; ``saved`` is the decoded state of an earlier reader."""

    def __init__(self, message: Callable[[Frame], Message | Reading], policy: Policy, saved: object) -> None:
        self.state = _restored(saved)
        self._message = message
        self._scenes = Scenes(self.state.scenes)
        self._transitions = Transitions(self.state)
        self._outputs = Outputs(self.state, policy.session)
        self._at_once: Mapping[str, Callable[[Message, Stamp], Iterator[Observation]]] = {
            "Hello": self._hello,
            IDENTIFIED: self._identified,
            "SceneTransitionStarted": self._transition_started,
            "SceneTransitionVideoEnded": self._transition_ended,
            "CurrentSceneTransitionDurationChanged": self._length_set,
            "GetSceneTransitionList": self._transitions_listed,
            "GetCurrentSceneTransition": self._transition_current,
            "CurrentSceneCollectionChanging": self._collection_changing,
            "ExitStarted": self._exit_started,
        }
        self._in_turn: Mapping[str, Callable[[Waiting, Told], Iterator[Observation]]] = {
            _PROGRAM: self._program,
            "RecordStateChanged": self._record,
            "RecordFileChanged": self._record_file,
            "StreamStateChanged": self._stream,
            "StudioModeStateChanged": self._studio,
            "SceneCreated": self._scene_created,
            "SceneRemoved": self._scene_removed,
            "SceneNameChanged": self._scene_renamed,
            "CurrentSceneCollectionChanged": self._collection_changed,
            "ScreenshotSaved": self._screenshot,
            "ExitStarted": self._exit,
            "GetSceneList": self._late_scenes,
            "GetStudioModeEnabled": self._late_answer,
            "GetRecordStatus": self._late_answer,
            "GetStreamStatus": self._late_answer,
        }

    # ------------------------------------------------------------------ the source

    @property
    def due(self) -> Stamp | None:
        """When something that waits has to be told."""
        state = self.state
        found: list[Gathering | Waiting | Removal] = [*state.removals]
        if state.gathering is not None:
            found.append(state.gathering)
        elif state.waiting:
            found.append(state.waiting[0])
        first = min(found, key=lambda item: item.due, default=None)
        return None if first is None else Stamp(first.wall + first.due - first.mono, first.due)

    def read(self, frame: Frame) -> list[Reading]:
        """What this frame says, with those before it."""
        message = self._message(frame)
        if not isinstance(message, Message):
            self._heard(frame.stamp)
            return [message]
        observations = tuple(self._take(message, frame.stamp))
        self._heard(frame.stamp)
        return [Reading(Verdict.MAPPED, message.kind, observations)]

    def release(self, now: int) -> list[Observation]:
        """What waited until ``now`` (``mono``)."""
        return list(self._release(now))

    def opened(self, stamp: Stamp) -> list[Observation]:
        """A connection stands."""
        told = self.closed(stamp)
        state = self.state
        state.connected = state.fresh = True
        state.blind_since = state.heard
        state.program = None
        return told

    def closed(self, _stamp: Stamp) -> list[Observation]:
        """The connection is gone: what waited is told as it was, but scenes that vanished with OBS did not leave."""
        state = self.state
        told = list(self._finish_gathering()) if state.gathering is not None and state.gathering.answers else []
        state.gathering = None
        told += self._release(None)
        state.removals.clear()
        state.connected = state.switching = state.exiting = state.transitions_seen = False
        self._transitions.forget()
        return told

    def _heard(self, stamp: Stamp) -> None:
        self.state.fresh = False
        self.state.heard = max(self.state.heard, stamp.mono)

    def _take(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        state = self.state
        at_once = self._at_once.get(message.kind)
        if at_once is not None:
            yield from at_once(message, stamp)
        elif message.reply and state.gathering is not None and message.kind in ASKED:
            state.gathering.answers[message.kind] = message.data
            state.gathering.wall, state.gathering.mono = stamp.wall, stamp.mono
            if len(state.gathering.answers) == len(ASKED):
                yield from self._finish_gathering()
        elif not (state.exiting and message.kind in _TAKEN_DOWN):
            self._enqueue(message, stamp)
        yield from self._release(stamp.mono)

    # ------------------------------------------------------------------ waiting

    def _enqueue(self, message: Message, stamp: Stamp) -> None:
        item = Waiting(message.kind, message.data, stamp.wall, stamp.mono, stamp.mono, message.reply)
        if message.kind == _PROGRAM and not self._hold(item, stamp):
            return
        self.state.waiting.append(item)

    def _hold(self, item: Waiting, stamp: Stamp) -> bool:
        """Let a program event wait for what shows it to be false. False where it is not worth waiting for."""
        state = self.state
        item.begun = self._transitions.take(stamp)
        item.switch = item.begun is None and (state.switching or stamp.mono - state.switched <= _REMOVED_MS)
        item.due = stamp.mono + HOLD_MS
        in_studio = state.studio or stamp.mono - state.studio_until <= _DOUBT_MS
        if item.begun is not None or item.switch or not in_studio:
            return True
        if self._unmasked(item):
            return False
        if state.transitions_seen:
            item.due = stamp.mono + _DOUBT_MS
        return True

    def _unmasked(self, item: Waiting) -> bool:
        """Leaving studio mode, OBS announces the preview and at once what stays on air: neither is a change."""
        waiting = self.state.waiting
        programs = [other for other in waiting if other.kind == _PROGRAM]
        # Leaving studio mode in the middle of a fade, the false event finds a transition that is not over.
        doubtful = [item for item in programs if not (item.switch or (item.begun and item.begun.ended is not None))]
        sure = [other for other in programs if other not in doubtful]
        on_air = self._scene_id(sure[-1].data) if sure else self.state.program
        if on_air is None or self._scene_id(item.data) != on_air:
            return False
        for other in doubtful:
            waiting.remove(other)
        return True

    def _scene_id(self, data: Mapping[str, Any]) -> str | None:
        scene = self._scenes.find(text(data, "sceneName") or "", text(data, "sceneUuid"))
        return None if scene is None else scene.id

    def _release(self, now: int | None) -> Iterator[Observation]:
        """Tell what waited until ``now``, or, with None, all of it."""
        state = self.state
        over = [removal for removal in state.removals if now is not None and removal.due <= now]
        for removal in over:
            state.removals.remove(removal)
            yield from self._gone(removal)
        if state.gathering is not None:
            if now is not None and now < state.gathering.due:
                return
            yield from self._finish_gathering()
        while state.waiting and (now is None or state.waiting[0].due <= now):
            item = state.waiting.pop(0)
            told = Told(Stamp(item.wall, item.mono), type=item.kind)
            yield from self._in_turn[item.kind](item, told)

    # ------------------------------------------------------------------ the beginning of a connection

    def _hello(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """OBS greets. Where nobody said that a connection stands, it says so itself."""
        if not (self.state.connected and self.state.fresh):
            yield from self.opened(stamp)
        version = text(message.data, "obsWebSocketVersion")
        program = text(message.data, "obsStudioVersion")
        known = [f"OBS {program}"] if program is not None else []
        known += [f"obs-websocket {version}"] if version is not None else []
        yield Hello(Told(stamp, type=message.kind), server="obs", version=", ".join(known) or None)

    def _identified(self, _message: Message, stamp: Stamp) -> Iterator[Observation]:
        self.state.gathering = Gathering(stamp.mono + _GATHER_MS, stamp.wall, stamp.mono)
        self.state.connected = True
        yield from ()

    def _finish_gathering(self) -> Iterator[Observation]:
        """The answers that came are a snapshot."""
        gathered, self.state.gathering = self.state.gathering, None
        if gathered is not None and gathered.answers:
            stamp = Stamp(gathered.wall, gathered.mono)
            yield from self._snapshot(gathered.answers, stamp)

    def _snapshot(self, answers: Mapping[str, Mapping[str, Any]], stamp: Stamp) -> Iterator[Observation]:
        state = self.state
        session, anew = self._session_seen(answers, stamp)
        studio = answers.get("GetStudioModeEnabled", {}).get("studioModeEnabled")
        state.studio = studio if isinstance(studio, bool) else state.studio
        scenes = answers.get("GetSceneList")
        if scenes is not None and not scenes.get("scenes"):
            scenes = None  # OBS is still loading
        if scenes is not None:
            self._scenes.listed(_listed(scenes))
        if anew:
            self._scenes.anew()
        if scenes is not None:
            program = text(scenes, "currentProgramSceneName")
            found = None if program is None else self._scenes.get(program, text(scenes, "currentProgramSceneUuid"))[0]
            state.program = None if found is None else found.id
        knows_mode = "GetStudioModeEnabled" in answers or "GetRecordStatus" in answers
        state.mode = self._mode_word() if knows_mode else state.mode
        recording = answers.get("GetRecordStatus", {}).get("outputActive")
        yield Snapshot(
            Told(stamp, type="GetSceneList"),
            mode=self._mode_word() if knows_mode else UNSET,
            session=session,
            program=UNSET if scenes is None or state.program is None else state.program,
            cameras=UNSET if scenes is None else tuple(_camera(scene) for scene in self._scenes),
            recording=recording if isinstance(recording, bool) else UNSET,
        )
        if not self._in_session:
            yield from self._anew(Told(stamp))

    def _session_seen(
        self, answers: Mapping[str, Mapping[str, Any]], stamp: Stamp
    ) -> tuple[SessionInfo | UnsetType | None, bool]:
        """What the answers say of the session, and whether it is another than the known one."""
        by, status = self._outputs.session_by, answers.get(self._outputs.asked)
        if by is None:
            record = answers.get("GetRecordStatus", {})
            self._outputs.pause(stamp, record.get("outputPaused") is True)
            return UNSET, False
        anew = None if status is None else self._outputs.seen(status, stamp)
        if anew is None:
            return UNSET, False
        take = self.state.take
        return (None if take is None else SessionInfo(started_at=take.started_at)), anew

    def _late_answer(self, item: Waiting, told: Told) -> Iterator[Observation]:
        """An answer that came after the snapshot was made without it."""
        yield from self._snapshot({item.kind: item.data}, told.stamp)

    def _late_scenes(self, item: Waiting, told: Told) -> Iterator[Observation]:
        """The scenes, asked for again. What is on air is for the events to say, unless nobody said so yet."""
        if self.state.program is None:
            yield from self._late_answer(item, told)
            return
        for name, uuid in _listed(item.data):
            scene, new = self._scenes.get(name, uuid)
            if new:
                yield CameraTold(told, _camera(scene))

    # ------------------------------------------------------------------ at once: what waits for nothing

    def _transition_started(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        self._transitions.started(message.data, stamp)
        yield from ()

    def _transition_ended(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        self._transitions.ended(message.data, stamp, self._last_begun())
        yield from ()

    def _last_begun(self) -> Begun | None:
        return next((item.begun for item in reversed(self.state.waiting) if item.begun is not None), None)

    def _length_set(self, message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self._transitions.length_set(message.data)
        yield from ()

    def _transitions_listed(self, message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self._transitions.listed(message.data)
        yield from ()

    def _transition_current(self, message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self._transitions.current(message.data)
        yield from ()

    def _exit_started(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """OBS goes: what it takes down from here on, and took down just now, nobody did."""
        self.state.exiting = True
        self.state.removals.clear()
        self._enqueue(message, stamp)
        yield from ()

    def _exit(self, _item: Waiting, told: Told) -> Iterator[Observation]:
        """No recording outlives OBS, and of its end it tells nothing more."""
        if self.state.take is not None:
            yield from self._end(told, "OBS exited")

    # ------------------------------------------------------------------ the program

    def _program(self, item: Waiting, told: Told) -> Iterator[Observation]:
        state = self.state
        scene, new = self._scenes.get(text(item.data, "sceneName") or "", text(item.data, "sceneUuid"))
        if new:
            yield CameraTold(told, _camera(scene))
        if scene.id == state.program:
            return
        state.program = scene.id
        transition, length = self._transitions.words(item.begun, told.stamp.mono)
        at = None
        if item.begun is not None and length is not None:
            # A session that began in the middle of it saw no more than its end.
            at = max(item.begun.wall, 0 if state.take is None else state.take.started_at)
        yield Cut(
            told,
            scene.id,
            trigger=_COLLECTION if item.switch else None,
            transition=transition,
            duration_ms=length,
            at=at,
        )

    def _screenshot(self, item: Waiting, told: Told) -> Iterator[Observation]:
        if self.state.program is not None:
            yield StillCaptured(told, self.state.program, still_id=text(item.data, "savedScreenshotPath"))

    # ------------------------------------------------------------------ recording and stream

    def _record(self, item: Waiting, told: Told) -> Iterator[Observation]:
        makes_session = self._outputs.session_by == "record"
        path = text(item.data, "outputPath")
        match state_word(item.data):
            case "STARTED":
                if makes_session:
                    yield from self._begin(told)
                yield Recording(told, True, path)
            case "STOPPED":
                yield Recording(told, False, path)
                if makes_session:
                    yield from self._end(told)
                self._outputs.pause(told.stamp, False)
                yield from self._mode(told)
            case "PAUSED":
                self._outputs.pause(told.stamp, True)
                yield from self._mode(told)
            case "RESUMED":
                self._outputs.pause(told.stamp, False)
                yield from self._mode(told)

    def _record_file(self, item: Waiting, told: Told) -> Iterator[Observation]:
        """A long recording goes on in another file."""
        yield Recording(told, True, text(item.data, "newOutputPath"))

    def _stream(self, item: Waiting, told: Told) -> Iterator[Observation]:
        if self._outputs.session_by == "stream":
            match state_word(item.data):
                case "STARTED":
                    yield from self._begin(told)
                case "STOPPED":
                    yield from self._end(told)

    def _begin(self, told: Told) -> Iterator[Observation]:
        take = self._outputs.began(told.stamp)
        if take is not None:
            yield SessionStarted(told, SessionInfo(started_at=take.started_at))

    def _end(self, told: Told, reason: str | None = None) -> Iterator[Observation]:
        yield SessionEnded(told, reason=reason)
        self._outputs.ended()
        yield from self._anew(told)

    # ------------------------------------------------------------------ modes

    def _mode_word(self) -> str:
        paused = self.state.paused_since is not None and self._outputs.session_by != "stream"
        return _PAUSED if paused else _STUDIO if self.state.studio else _NORMAL

    def _mode(self, told: Told) -> Iterator[Observation]:
        was, now = self.state.mode, self._mode_word()
        self.state.mode = now
        if now != was:
            yield ModeChanged(told, now, UNSET if was is None else was)

    def _studio(self, item: Waiting, told: Told) -> Iterator[Observation]:
        enabled: bool = item.data["studioModeEnabled"]
        if self.state.studio and not enabled:
            self.state.studio_until = told.stamp.mono
        self.state.studio = enabled
        yield from self._mode(told)

    # ------------------------------------------------------------------ scenes

    @property
    def _in_session(self) -> bool:
        """Whether ids have to stay; a session by another policy is not ours to see, and may run at any time."""
        return self.state.take is not None or self._outputs.session_by is None

    def _scene_created(self, item: Waiting, told: Told) -> Iterator[Observation]:
        if item.data.get("isGroup") is True:
            return
        name = text(item.data, "sceneName") or ""
        self.state.removals[:] = [removal for removal in self.state.removals if removal.name != name]
        scene, _ = self._scenes.get(name, text(item.data, "sceneUuid"))
        yield CameraTold(told, _camera(scene))

    def _scene_removed(self, item: Waiting, told: Told) -> Iterator[Observation]:
        if item.data.get("isGroup") is not True and not self.state.exiting:
            wait = _SWITCH_MS if self.state.switching else _REMOVED_MS
            removal = Removal(
                text(item.data, "sceneName") or "",
                text(item.data, "sceneUuid"),
                told.stamp.wall,
                told.stamp.mono,
                told.stamp.mono + wait,
            )
            self.state.removals.append(removal)
        yield from ()

    def _gone(self, removal: Removal) -> Iterator[Observation]:
        scene = self._scenes.find(removal.name, removal.uuid)
        if scene is not None:
            self._scenes.remove(scene)
            told = Told(Stamp(removal.wall, removal.mono), type="SceneRemoved")
            yield CameraLeft(told, scene.id, for_good=not self._in_session)

    def _scene_renamed(self, item: Waiting, told: Told) -> Iterator[Observation]:
        old, new = text(item.data, "oldSceneName") or "", text(item.data, "sceneName") or ""
        uuid = text(item.data, "sceneUuid")
        scene, unknown = self._scenes.get(old, uuid)
        scene.name = new
        if not self._in_session:
            yield from self._anew(told)
        elif unknown:
            yield CameraTold(told, _camera(scene))
        else:
            yield CameraTold(told, _camera(scene), joined=False)

    def _anew(self, told: Told) -> Iterator[Observation]:
        """No session runs: each scene is the camera that it is called now."""
        for scene, old in self._scenes.anew():
            yield CameraLeft(told, old, for_good=True)
            yield CameraTold(told, _camera(scene))
            if self.state.program == old:
                self.state.program = scene.id
                yield Cut(told, scene.id)

    def _collection_changing(self, _message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self.state.switching = True
        self._transitions.forget()
        yield from ()

    def _collection_changed(self, _item: Waiting, told: Told) -> Iterator[Observation]:
        """The scenes of the old collection that are not in the new one are gone."""
        self.state.switching, self.state.switched = False, told.stamp.mono
        over, self.state.removals[:] = list(self.state.removals), []
        for removal in over:
            yield from self._gone(removal)


def _restored(saved: object) -> ObsState:
    if saved is None:
        return ObsState()
    try:
        return msgspec.convert(saved, ObsState)
    except msgspec.ValidationError:
        # Another dialect's, or an older version's: the next snapshot tells all that matters.
        return ObsState()


def _camera(scene: Scene) -> CameraInfo:
    return CameraInfo(scene.id, name=scene.name)


def _listed(data: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Names and uuids of the scenes that OBS lists; it lists the uppermost last."""
    items = data.get("scenes")
    found: dict[str, str | None] = {}
    for item in items[-_SCENES_READ:] if isinstance(items, list) else ():
        if isinstance(item, dict) and (name := text(item, "sceneName")) is not None:
            found[name] = text(item, "sceneUuid")
    return list(reversed(found.items()))
