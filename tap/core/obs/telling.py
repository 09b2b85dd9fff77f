"""What an event says once its turn has come: observations, from what the reader knows by then.

``reader`` decides *when* an event is true enough to be told; here stands *what* it then says. Each handler gets the
event that waited, and the envelope of its own time, and yields observations in the order in which they happened.

OBS knows scenes, a shoot knows cameras: a scene is the camera of its own name, unless the venue's policy says that
certain sources in it are cameras; then the one that is seen is on air. So a cut is made here, by comparing which camera
was on air with which one is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import UNSET

from tap.core.model import (
    CameraLeft,
    CameraTold,
    Coming,
    Cut,
    Envelope,
    Marker,
    ModeChanged,
    Observation,
    ProgramLost,
    Recording,
    SessionEnded,
    SessionInfo,
    SessionStarted,
    SetUp,
    Snapshot,
    Stamp,
    StillCaptured,
)
from tap.core.obs.marks import file_name
from tap.core.obs.messages import ITEMS_ASKED, text
from tap.core.obs.outputs import Outputs, state_word
from tap.core.obs.scenes import Scenes
from tap.core.obs.sources import Sources
from tap.core.obs.state import Begun, ObsState, Removal, Scene, Switched, Waiting
from tap.core.obs.transitions import Transitions, is_sure
from tap.core.obs.versions import puts_interrupted_targets_on_air, tells_of_other_canvases

__all__ = ["COLLECTION_CHANGED", "LANDED", "PROGRAM", "SOURCE", "Telling", "listed"]

PROGRAM = "CurrentProgramSceneChanged"
SOURCE = "SceneItemEnableStateChanged"
COLLECTION_CHANGED = "CurrentSceneCollectionChanged"
LANDED = "interrupted"
"""No event of OBS's: a transition that another interrupted."""

_REMOVED_MS = 1_000
"""How long a removed scene may be the first sign of an exit."""
_SWITCH_MS = 30_000
"""The longest change of a scene collection."""
_SCENES_READ = 10_000

_NORMAL, _STUDIO, _PAUSED = "normal", "studio", "paused"
_SWITCH = "collection_switch"


class Telling:
    """The handlers, by kind of event. Each is called in its turn, with the time at which it was received."""

    def __init__(
        self, state: ObsState, scenes: Scenes, transitions: Transitions, outputs: Outputs, sources: Sources
    ) -> None:
        self._state = state
        self._scenes = scenes
        self._transitions = transitions
        self._outputs = outputs
        self._sources = sources
        self.handlers: Mapping[str, Callable[[Waiting, Envelope], Iterator[Observation]]] = {
            PROGRAM: self._program,
            LANDED: self._landed,
            SOURCE: self._source,
            ITEMS_ASKED: self._sources_listed,
            "RecordStateChanged": self._record,
            "RecordFileChanged": self._record_file,
            "StreamStateChanged": self._stream,
            "StudioModeStateChanged": self._studio,
            "SceneCreated": self._scene_created,
            "SceneRemoved": self._scene_removed,
            "SceneNameChanged": self._scene_renamed,
            "SceneListChanged": self._scenes_listed,
            "GetSceneList": self._scenes_listed,
            COLLECTION_CHANGED: self._collection_changed,
            "CurrentProfileChanged": self._profile_changed,
            "ScreenshotSaved": self._screenshot,
            "ReplayBufferSaved": self._replay_saved,
            "CustomEvent": self._mark,
            "VendorEvent": self._mark,
            "ExitStarted": self._exit,
        }

    # ------------------------------------------------------------------ the program

    def _program(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A scene is on air: by a transition, by a cut, or because the collection was changed."""
        state, begun = self._state, item.begun
        name, uuid = text(item.data, "sceneName") or "", text(item.data, "sceneUuid")
        self._sure(name, uuid)
        self._same_name(name, uuid)
        scene, new = self._scenes.get(name, uuid)
        if new:
            yield from self._joined(scene, envelope)
        state.announced = scene.id
        scene = self._really(scene, begun)
        state.program = scene.id
        yield from self._on_air(
            scene, envelope, begun, over=envelope.stamp.mono, trigger=_SWITCH if item.switch else None, hard=False
        )

    def _really(self, scene: Scene, begun: Begun | None) -> Scene:
        """The scene that is on air by this event.

        In studio mode OBS lets nobody interrupt a transition, and yet tells what was asked for in its midst: there the
        transition's own target is what is seen.
        """
        if begun is None or not is_sure(begun) or not (self._state.studio and begun.early):
            return scene
        return scene if self._transitions.is_hard(begun) else self._target(begun) or scene

    def _target(self, begun: Begun) -> Scene | None:
        """The scene that a transition leads to, where that is known."""
        return None if begun.target is None else self._scenes.find(begun.target, begun.uuid)

    def _landed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A transition was interrupted: the next one starts from its target, which so was on air for a moment.

        Only versions of OBS that put an interrupted target on air do that (``versions``), and only where an answer
        named the target before the next transition began; else it may be the next one's.
        """
        state, begun = self._state, item.begun
        if begun is None or not is_sure(begun):
            return
        lands = begun.stopped is not None or puts_interrupted_targets_on_air(state) is True
        after = self._transitions.after(begun)
        # An answer that came late may be about the one that interrupted it.
        sure = begun.early or (after is not None and self._target(after) is not self._target(begun))
        scene = self._target(begun) if lands and sure else None
        if scene is not None:
            state.program = scene.id
            yield from self._on_air(scene, envelope, begun, over=envelope.stamp.mono, trigger=None, hard=False)

    def _on_air(
        self, scene: Scene, envelope: Envelope, begun: Begun | None, *, over: int, trigger: str | None, hard: bool
    ) -> Iterator[Observation]:
        """This scene is on air; where that is another camera than before, it is a cut.

        Args:
            begun: The transition that led to it, where one did.
            over: ``mono`` at which that was over, for its length.
            trigger: Who made the cut, where that is known.
            hard: It is a cut whatever transition is set: a source was switched, not a scene.
        """
        state, camera = self._state, self._sources.camera(scene)
        was, state.air = state.air, camera
        if camera == was:
            yield from self._settled(envelope)
            return
        state.coming = None
        transition, length = ("cut", None) if hard else self._transitions.words(begun, over)
        at = None
        if begun is not None and length is not None:
            # A session that began in the middle of it saw no more than its end.
            at = max(begun.wall, 0 if state.take is None else state.take.started_at)
        yield Cut(envelope, camera, trigger=trigger, transition=transition, duration_ms=length, at=at)

    def coming(self, begun: Begun, envelope: Envelope) -> Iterator[Observation]:
        """A transition was found to lead to this scene, while it still runs."""
        scene = self._target(begun)
        if scene is None or begun.ended is not None or self._transitions.is_hard(begun):
            return
        camera = self._sources.camera(scene)
        if camera == self._state.air:
            yield from self._settled(envelope)
        else:
            self._state.coming = camera
            yield Coming(envelope, camera, begun.name)

    def _settled(self, envelope: Envelope) -> Iterator[Observation]:
        """No transition leads anywhere any more."""
        if self._state.coming is not None:
            self._state.coming = None
            yield Coming(envelope, None)

    def taken_back(self, envelope: Envelope) -> Iterator[Observation]:
        """A transition is over that led nowhere."""
        yield from self._settled(envelope)

    def _source(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A source was shown or hidden; in studio mode that is only prepared for the next transition.

        Switching from one source to another is two events. As long as the second one waits, and nothing would be seen
        without it, the first one tells nothing.
        """
        name = text(item.data, "sceneName")
        if not self._sources.switched(item.data) or self._state.studio:
            return
        scene = self._current()
        if scene is None or scene.name != name:
            return
        follows = any(other.kind == SOURCE and text(other.data, "sceneName") == name for other in self._state.waiting)
        if not (follows and self._sources.hides(scene)):
            yield from self._on_air(scene, envelope, None, over=0, trigger=None, hard=True)

    def _sources_listed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """OBS answers which sources a scene has: cameras may come and go by it, and another may be on air."""
        before = self._camera_ids()
        self._sources.listed(item.data.get("number"), item.data)
        yield from self._changed_cameras(before, envelope)
        scene = self._current()
        if scene is not None and not self._state.studio:
            yield from self._on_air(scene, envelope, None, over=0, trigger=None, hard=True)

    def _current(self) -> Scene | None:
        """The scene that is on air."""
        return next((scene for scene in self._scenes if scene.id == self._state.program), None)

    def _screenshot(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """Somebody took a screenshot: a still of the camera that is on air, named by its file."""
        if self._state.air is not None:
            yield StillCaptured(envelope, self._state.air, still_id=text(item.data, "savedScreenshotPath"))

    # ------------------------------------------------------------------ recording and stream

    def _record(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """The recorder changes. Its end is told when it begins to stop; the name of the file comes only once it has
        stopped.
        """
        outputs, path = self._outputs, text(item.data, "outputPath")
        match state_word(item.data):
            case "STARTED":
                yield from self._record_started(envelope, path)
            case "STOPPING":
                yield from self._record_ends(envelope, None)
            case "STOPPED":
                if outputs.recorder is not None:
                    yield from self._record_ends(envelope, path)
                elif path is not None:
                    yield Recording(envelope, False, path, started_at=outputs.start_by_name(path))
            case "PAUSED":
                outputs.pause(envelope.stamp, True)
                yield Recording(envelope, True, paused=True)
                yield from self._mode(envelope)
            case "RESUMED":
                outputs.pause(envelope.stamp, False)
                yield Recording(envelope, True, paused=False)
                yield from self._mode(envelope)

    def _record_started(self, envelope: Envelope, path: str | None) -> Iterator[Observation]:
        """The recorder runs; where the venue makes sessions by it, a session begins."""
        state, by_record = self._state, self._outputs.session_by == "record"
        self._outputs.starts_with(path, envelope.stamp)
        if by_record:
            yield from self._begin(envelope)
        else:
            self._outputs.began(envelope.stamp, recorder=True)
        take = self._outputs.recorder
        began = envelope.stamp.wall
        if take is not None:
            take.seen, began = True, take.started_at
        yield Recording(envelope, True, path, started_at=began, rate=state.rate, width=state.width, height=state.height)

    def _record_ends(self, envelope: Envelope, path: str | None) -> Iterator[Observation]:
        """The file ends where OBS begins to stop, and with it the session; what it is called comes later."""
        outputs = self._outputs
        by_record = outputs.session_by == "record"
        if not self._state.switching:
            # An OBS that exits tells no such end: what was removed just now was removed by somebody.
            over, self._state.removals[:] = list(self._state.removals), []
            for removal in over:
                yield from self.gone(removal)
        outputs.pause(envelope.stamp, False)
        outputs.ended(envelope.stamp, recorder=True)
        yield Recording(envelope, False, path, started_at=None if path is None else outputs.start_by_name(path))
        if by_record:
            yield from self._end(envelope)
        yield from self._mode(envelope)

    def _record_file(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A long recording goes on in another file."""
        yield Recording(envelope, True, text(item.data, "newOutputPath"))

    def _stream(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """The stream changes: sessions may be made by it. A reconnect is a marker."""
        word = state_word(item.data)
        if word == "RECONNECTING":
            yield Marker(envelope, label="stream reconnecting", source="stream")
        if self._outputs.session_by != "stream":
            return
        if word == "STARTED":
            yield from self._begin(envelope)
        elif word in {"STOPPING", "STOPPED"} and self._state.take is not None:
            self._outputs.ended(envelope.stamp)
            yield from self._end(envelope)

    def _begin(self, envelope: Envelope) -> Iterator[Observation]:
        """The recorder or stream by which sessions are made began: a session starts, as of its own start."""
        take = self._outputs.began(envelope.stamp)
        if take is not None:
            yield SessionStarted(envelope, SessionInfo(started_at=take.started_at))

    def _end(self, envelope: Envelope, reason: str | None = None) -> Iterator[Observation]:
        """The session is over; scenes are from now on the cameras that they are called."""
        yield SessionEnded(envelope, reason=reason)
        yield from self.anew(envelope)

    def _exit(self, _item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """No recording outlives OBS, and of its end it tells nothing more."""
        in_session = self._state.take is not None
        if self._outputs.recorder is not None:
            self._outputs.ended(envelope.stamp, recorder=True)
        if self._state.take is not None:
            self._outputs.ended(envelope.stamp)
        if in_session:
            yield from self._end(envelope, "OBS exited")

    # ------------------------------------------------------------------ marks and settings

    def _mark(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A mark by a plugin or script; ``marks`` has read what it says."""
        yield Marker(envelope, label=item.data.get("label"), source=item.data.get("source"))

    def _replay_saved(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """Somebody kept what was just seen: a marker with the name of the file."""
        yield Marker(envelope, label=file_name(text(item.data, "savedReplayPath")), source="replay buffer")

    def _profile_changed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        yield SetUp(envelope, profile=text(item.data, "profileName"))

    # ------------------------------------------------------------------ modes

    def mode_word(self) -> str:
        """The mode that OBS is in: ``paused`` before ``studio`` before ``normal``. A stream has no pause."""
        paused = self._state.paused_since is not None and self._outputs.session_by != "stream"
        return _PAUSED if paused else _STUDIO if self._state.studio else _NORMAL

    def _mode(self, envelope: Envelope) -> Iterator[Observation]:
        """Tell the mode, where it is another than the one told before."""
        was, now = self._state.mode, self.mode_word()
        self._state.mode = now
        if now != was:
            yield ModeChanged(envelope, now, UNSET if was is None else was)

    def _studio(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """Studio mode is switched. Sources that were switched while it was on are seen once it is left."""
        enabled: bool = item.data["studioModeEnabled"]
        left = self._state.studio and not enabled
        if left:
            self._state.studio_until = envelope.stamp.mono
        self._state.studio = enabled
        yield from self._mode(envelope)
        scene = self._current()
        if left and scene is not None and self._state.items:
            # Sources that were switched meanwhile are seen now.
            yield from self._on_air(scene, envelope, None, over=0, trigger=None, hard=True)

    # ------------------------------------------------------------------ scenes

    @property
    def in_session(self) -> bool:
        """Whether ids have to stay; a session by another policy is not ours to see, and may run at any time."""
        return self._state.take is not None or self._outputs.session_by is None

    def cameras(self) -> Iterator[Any]:
        """All cameras that are there, as far as is known of each."""
        return (camera for scene in self._scenes for camera in self._sources.cameras(scene))

    def _joined(self, scene: Scene, envelope: Envelope) -> Iterator[Observation]:
        """The cameras that a scene is, or has."""
        return (CameraTold(envelope, camera) for camera in self._sources.cameras(scene))

    def _camera_ids(self) -> list[str]:
        return [camera.id for camera in self.cameras()]

    def _changed_cameras(self, before: Iterable[str], envelope: Envelope) -> Iterator[Observation]:
        """Those that are there now, and those that are not any more."""
        after = list(self.cameras())
        for camera in after:
            yield CameraTold(envelope, camera)
        there = {camera.id for camera in after}
        for ident in before:
            if ident not in there:
                yield CameraLeft(envelope, ident, for_good=not self.in_session)

    def _sure(self, name: str, uuid: str | None) -> None:
        """This scene is on air, or listed: so it is no other canvas's, and need not be doubted any more."""
        self._state.unsure[:] = [
            other
            for other in self._state.unsure
            if not (other.uuid == uuid if uuid is not None else other.name == name)
        ]

    def _same_name(self, name: str, uuid: str | None) -> None:
        """As long as nobody has listed the scenes of another collection, one of a name that is known is that camera."""
        namesake = self._scenes.named(name)
        if self._state.unlisted is not None and namesake is not None and self._scenes.find(name, uuid) is None:
            namesake.uuid = uuid

    def _scene_created(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A scene is there: a camera joined.

        It may be one that was removed a moment ago and made anew (an undo, a reload), so it is the same camera. Or, in
        newer versions, it may be another canvas's: where its name is taken, or OBS may have other canvases, it waits
        until something shows that it is not.
        """
        if item.data.get("isGroup") is True:
            return
        state = self._state
        name, uuid = text(item.data, "sceneName") or "", text(item.data, "sceneUuid")
        scene = self._scenes.find(name, uuid)
        if scene is None and uuid is not None:
            namesake = self._scenes.named(name)
            if namesake is not None and any(_means(removal, namesake) for removal in state.removals):
                scene, namesake.uuid = namesake, uuid  # the same again, made anew
            elif namesake is not None or self._may_be_elsewhere(item):
                state.unsure.append(Scene("", name, uuid))
                del state.unsure[:-_SCENES_READ]
                return
        if scene is None:
            scene, _ = self._scenes.get(name, uuid)
        state.removals[:] = [removal for removal in state.removals if not _means(removal, scene)]
        yield from self._joined(scene, envelope)

    def _may_be_elsewhere(self, item: Waiting) -> bool:
        """Whether a scene may be another canvas's: only a list of the main one's tells."""
        return text(item.data, "canvasUuid") is None and tells_of_other_canvases(self._state)

    def _scene_removed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A scene is gone, unless that is the first sign of an exit or of a change of the collection, or it is made
        anew at once.

        So it waits: for a second, or 30 s while the collection is changed.
        """
        name, uuid = text(item.data, "sceneName") or "", text(item.data, "sceneUuid")
        self._sure(name, uuid)
        if item.data.get("isGroup") is not True and not self._state.exiting:
            wait = _SWITCH_MS if self._state.switching else _REMOVED_MS
            due = envelope.stamp.mono + wait
            self._state.removals.append(Removal(name, uuid, envelope.stamp.wall, envelope.stamp.mono, due))
        yield from ()

    def gone(self, removal: Removal) -> Iterator[Observation]:
        """A scene that was removed did not come back."""
        scene = self._scenes.find(removal.name, removal.uuid)
        if scene is not None:
            before = self._camera_ids()
            self._scenes.remove(scene)
            there = set(self._camera_ids())
            envelope = Envelope(Stamp(removal.wall, removal.mono), type="SceneRemoved")
            for ident in before:
                if ident not in there:
                    yield CameraLeft(envelope, ident, for_good=not self.in_session)

    def _scene_renamed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """A scene has another name. In a session it is the same camera still, so its id stays and its name changes;
        without one it is another camera from now on.
        """
        old, new = text(item.data, "oldSceneName") or "", text(item.data, "sceneName") or ""
        uuid = text(item.data, "sceneUuid")
        scene = self._scenes.find(old, uuid)
        unknown = scene is None
        if scene is None:
            if uuid is not None and (self._scenes.named(old) is not None or self._may_be_elsewhere(item)):
                for other in self._state.unsure:
                    other.name = new if other.uuid == uuid else other.name
                return
            scene, _ = self._scenes.get(old, uuid)
        scene.name = new
        if not self.in_session:
            yield from self.anew(envelope)
        elif unknown:
            yield from self._joined(scene, envelope)
        else:
            for camera in self._sources.cameras(scene):
                yield CameraTold(envelope, camera, joined=False)

    def _scenes_listed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """The scenes of the main canvas: those that are new to us are there. Removals have events of their own.

        An answer is whole: those of an OBS that is still loading were left out before.
        """
        state, found = self._state, listed(item.data)
        if item.reply and state.unlisted is not None:
            unlisted, state.unlisted = state.unlisted, None
            yield from self._other_collection(item.data, envelope, unlisted)
            return
        uuids = {uuid for _, uuid in found}
        for name, uuid in found:
            if any(removal.name == name and removal.uuid == uuid for removal in state.removals):
                continue
            self._sure(name, uuid)
            namesake = self._scenes.named(name)
            if self._scenes.find(name, uuid) is None and namesake is not None and namesake.uuid not in uuids:
                namesake.uuid = uuid  # made anew, unseen
            scene, new = self._scenes.get(name, uuid)
            renamed, scene.name = scene.name != name, name
            if new or renamed:
                for camera in self._sources.cameras(scene):
                    yield CameraTold(envelope, camera, joined=new)

    def anew(self, envelope: Envelope) -> Iterator[Observation]:
        """No session runs: each scene is the camera that it is called now, so renamed ones leave and join."""
        for scene, old in self._scenes.anew():
            yield CameraLeft(envelope, old, for_good=True)
            yield from self._joined(scene, envelope)
            self._state.announced = scene.id if self._state.announced == old else self._state.announced
            if self._state.program == old:
                self._state.program = scene.id
            if self._state.air == old:
                yield from self._on_air(scene, envelope, None, over=0, trigger=None, hard=False)

    # ------------------------------------------------------------------ another collection

    def _collection_changed(self, item: Waiting, envelope: Envelope) -> Iterator[Observation]:
        """Other scenes. Before 5.3 events have told them by now; later only a list does, which was asked for.

        Without the list nobody knows what is on air: that is told as lost, until the list comes.
        """
        state = self._state
        over, state.removals[:] = list(state.removals), []
        for removal in over:
            yield from self.gone(removal)
        yield SetUp(envelope, collection=text(item.data, "sceneCollectionName"))
        if item.answer is not None:
            yield from self._other_collection(
                item.answer, envelope, Switched(envelope.stamp.wall, envelope.stamp.mono, state.air)
            )
        elif not item.switch:
            state.unlisted = Switched(envelope.stamp.wall, envelope.stamp.mono, state.air)
            state.program = state.air = state.announced = None
            yield ProgramLost(envelope)

    def _other_collection(
        self, data: Mapping[str, Any], envelope: Envelope, switched: Switched
    ) -> Iterator[Observation]:
        """The list of another collection: its scenes are the cameras now, and its program is on air.

        Args:
            switched: When the collection was changed, and what was on air then: the cut is dated by that.
        """
        state, before = self._state, self._camera_ids()
        state.unsure.clear()
        self._scenes.listed(listed(data))
        yield from self._changed_cameras(before, envelope)
        scene = self._scenes.find(text(data, "currentProgramSceneName") or "", text(data, "currentProgramSceneUuid"))
        late = switched.mono != envelope.stamp.mono
        if scene is not None and not self._follows(scene) and not (late and state.program is not None):
            state.program = state.announced = scene.id
            state.pointer = scene.name
            yield from self._switched_to(scene, envelope, switched)
        if not self.in_session:
            yield from self.anew(envelope)

    def _follows(self, scene: Scene) -> bool:
        """Whether an event that waits puts this scene on air, and so tells when that was."""
        programs = (item.data for item in self._state.waiting if item.kind == PROGRAM and not item.switch)
        return any(
            self._scenes.find(text(data, "sceneName") or "", text(data, "sceneUuid")) is scene for data in programs
        )

    def _switched_to(self, scene: Scene, envelope: Envelope, switched: Switched) -> Iterator[Observation]:
        """The scene that another collection puts on air: a cut as of the change, or nothing more than a state, where
        nothing else has been on air as far as the session can know.
        """
        state, camera = self._state, self._sources.camera(scene)
        was, state.air = state.air, camera
        if camera == was:
            return
        began_since = state.take is not None and state.take.started_at > switched.wall
        if was is None and (camera == switched.was or began_since):
            # Nothing else has been on air, as far as the session can know.
            yield Snapshot(envelope, program=camera)
            return
        yield Cut(envelope, camera, UNSET if was is not None else switched.was, trigger=_SWITCH, at=switched.wall)


def _means(removal: Removal, scene: Scene) -> bool:
    """Whether a removal is of this scene: by uuid where both have one, else by name."""
    if removal.uuid is not None and scene.uuid is not None:
        return removal.uuid == scene.uuid
    return removal.name == scene.name


def listed(data: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Names and uuids of the scenes that OBS lists; it lists the uppermost last."""
    items = data.get("scenes")
    found: dict[str, str | None] = {}
    for item in items[-_SCENES_READ:] if isinstance(items, list) else ():
        if isinstance(item, dict) and (name := text(item, "sceneName")) is not None:
            found[name] = text(item, "sceneUuid")
    return list(reversed(found.items()))
