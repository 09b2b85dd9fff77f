"""What the frames of obs-websocket say together. Pure: a reader is its state, and time comes with the frames.

Most of it is order. A program event may be false, so it waits for what would unmask it, and what comes after it waits
behind it. The answers to the questions at a connection's start make one snapshot, and what happens meanwhile waits for
that; so it does for the scenes of another collection. A scene that is removed may only be the storm of an exit. What an
event says once its turn has come stands in ``telling``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from tap.core.mapping import Reading, Verdict
from tap.core.model import (
    Envelope,
    Frame,
    Hello,
    Observation,
    Policy,
    Recording,
    SessionInfo,
    SetUp,
    Snapshot,
    Stamp,
    UnsetType,
)
from tap.core.obs.marks import MARKS_A_MINUTE, is_too_many
from tap.core.obs.messages import ASKED, IDENTIFIED, ITEMS_ASKED, Message, text, whole
from tap.core.obs.outputs import Outputs, Standing, state_word
from tap.core.obs.scenes import Scenes
from tap.core.obs.sources import Sources
from tap.core.obs.state import Begun, Gathering, ObsState, Removal, Waiting
from tap.core.obs.telling import COLLECTION_CHANGED, LANDED, PROGRAM, SOURCE, Telling, listed
from tap.core.obs.transitions import Transitions, is_sure, leads_to

__all__ = ["ObsReader"]

HOLD_MS = 60
"""How long a program event waits, for the one that shows it to be false: 5 to 16 ms on a machine with time."""
_DOUBT_MS = 500
"""The same, where nothing speaks for it: in studio mode, with no transition started. And for the answer that tells
where an interrupted transition led."""
_GATHER_MS = 2_000
"""How long the first answers may take, or the scenes of another collection; what happens meanwhile is told after."""
_AGAIN_MS = 500
"""The same for answers that come once OBS is asked again: they come together."""
_BACK_MS = 1_000
"""A program event so soon after the change of a collection belongs to it."""

_MARKS = frozenset({"CustomEvent", "VendorEvent", "ReplayBufferSaved"})
_STORM = frozenset({PROGRAM, "SceneRemoved", "SceneCreated"})
"""What an OBS before 5.3 tells of a collection that it changes."""
_TAKEN_DOWN = frozenset({PROGRAM, "SceneRemoved", "SceneListChanged"})
"""What an OBS that exits tells of its own end."""


class ObsReader:
    """Reads one OBS: keeps what its events say together, and gives observations once they are sure.

    Some events are told at once (transitions, settings, the end of OBS); all others go through a queue,
    ``state.waiting``, in which one that waits holds back what comes after it.
    """

    def __init__(self, message: Callable[[Frame], Message | Reading], policy: Policy, saved: object) -> None:
        """Args:
        message: Says what a frame is: a message of obs-websocket, or why it is none.
        saved: The decoded state of an earlier reader, from a checkpoint; one that does not fit is dropped.
        """
        self.state = _restored(saved)
        self._message = message
        self._scenes = Scenes(self.state.scenes, self.state.departed)
        self._transitions = Transitions(self.state)
        self._outputs = Outputs(self.state, policy.session)
        self._sources = Sources(self.state, policy.sources)
        self._telling = Telling(self.state, self._scenes, self._transitions, self._outputs, self._sources)
        self._asked = (*ASKED, *self._sources.asked)
        self._at_once: Mapping[str, Callable[[Message, Stamp], Iterator[Observation]]] = {
            "Hello": self._hello,
            IDENTIFIED: self._identified,
            "SceneTransitionStarted": self._transition_started,
            "SceneTransitionVideoEnded": self._transition_ended,
            "SceneTransitionEnded": self._transition_stopped,
            "CurrentSceneTransitionDurationChanged": self._length_set,
            "GetSceneTransitionList": self._transitions_listed,
            "GetCurrentSceneTransition": self._transition_current,
            "GetProfileList": self._profile,
            "GetSceneCollectionList": self._collection,
            "GetVideoSettings": self._video,
            "CurrentSceneCollectionChanging": self._collection_changing,
            COLLECTION_CHANGED: self._collection_changed,
            "ExitStarted": self._exit_started,
        }

    # ------------------------------------------------------------------ the source

    @property
    def due(self) -> Stamp | None:
        """When something that waits has to be told; None where nothing waits."""
        state = self.state
        if not (state.waiting or state.removals or state.gathering is not None):
            return None  # nearly always, and it is asked for several times a frame
        found: list[Gathering | Waiting | Removal] = [*state.removals]
        if state.gathering is not None:
            found.append(state.gathering)
        elif state.waiting:
            found.append(state.waiting[0])
        first = min(found, key=lambda item: item.due, default=None)
        return None if first is None else Stamp(first.wall + first.due - first.mono, first.due)

    def read(self, frame: Frame) -> list[Reading]:
        """What this frame says, with what waited for it."""
        message = self._message(frame)
        if isinstance(message, Message) and self._is_mark(message) and is_too_many(self.state.marks, frame.stamp.mono):
            why = f"more than {MARKS_A_MINUTE} marks in a minute: not saved"
            message = Reading(Verdict.INCOMPLETE, message.kind, reason=why)
        if not isinstance(message, Message):
            self._heard(frame.stamp)
            return [message]
        observations = tuple(self._take(message, frame.stamp))
        self._heard(frame.stamp)
        return [Reading(Verdict.MAPPED, message.kind, observations)]

    def release(self, now: int) -> list[Observation]:
        """What waited until ``now``.

        Args:
            now: ``mono``, ms.
        """
        return list(self._release(now))

    def opened(self, stamp: Stamp) -> list[Observation]:
        """A connection stands: what was known of the one before is over, and so is what is on air."""
        told = self.closed(stamp)
        state = self.state
        state.connected = state.fresh = True
        state.blind_since = state.heard
        state.program = state.air = state.announced = state.pointer = state.unlisted = None
        state.unsure.clear()
        self._transitions.begin_anew()
        return told

    def closed(self, _stamp: Stamp) -> list[Observation]:
        """The connection is gone: what waited is told as it was, but scenes that vanished with OBS did not leave."""
        state = self.state
        told = list(self._finish_gathering()) if state.gathering is not None and state.gathering.answers else []
        state.gathering = None
        told += self._release(None)
        state.removals.clear()
        state.missing.clear()
        state.connected = state.switching = state.exiting = state.transitions_seen = state.counted = False
        state.coming = None
        self._transitions.forget()
        return told

    def _heard(self, stamp: Stamp) -> None:
        """Note when OBS was heard last: what happened while it was not is dated by it."""
        self.state.fresh = False
        self.state.heard = max(self.state.heard, stamp.mono)

    @staticmethod
    def _is_mark(message: Message) -> bool:
        """Whether this is a kind of event that scripts can send without end; those are bounded."""
        reconnects = message.kind == "StreamStateChanged" and state_word(message.data) == "RECONNECTING"
        return message.kind in _MARKS or reconnects

    def _take(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """Read one message: at once, as an answer, or by the queue; then whatever is due by now."""
        state = self.state
        at_once = self._at_once.get(message.kind)
        if at_once is not None:
            yield from at_once(message, stamp)
        elif message.kind == "GetSceneList":
            yield from self._scenes_answered(message, stamp)
        elif message.reply:
            yield from self._answered(message, stamp)
        elif not (state.exiting and message.kind in _TAKEN_DOWN):
            state.stormed = state.stormed or (state.switching and message.kind in _STORM)
            self._enqueue(message, stamp)
        yield from self._release(stamp.mono)

    # ------------------------------------------------------------------ waiting

    def _enqueue(self, message: Message, stamp: Stamp) -> None:
        """Let an event wait in the queue for its turn."""
        item = Waiting(message.kind, message.data, stamp.wall, stamp.mono, stamp.mono, message.reply)
        if message.kind == PROGRAM and not self._hold(item, stamp):
            return
        if message.kind == SOURCE:
            item.due = stamp.mono + HOLD_MS
        self.state.waiting.append(item)

    def _hold(self, item: Waiting, stamp: Stamp) -> bool:
        """Let a program event wait for what may show it to be false.

        Leaving studio mode, OBS announces the preview as program, and 5 to 16 ms later what really stays on air. In
        studio mode without a transition that explains it, the event is more doubtful still, and waits longer.

        Returns:
            False where it is not worth waiting for: it took back the false one before it.
        """
        state = self.state
        state.pointer = text(item.data, "sceneName")
        item.begun = self._transition_to(item, stamp)
        item.switch = item.begun is None and (state.switching or stamp.mono - state.switched <= _BACK_MS)
        item.due = stamp.mono + HOLD_MS
        in_studio = state.studio or stamp.mono - state.studio_until <= _DOUBT_MS
        if not in_studio and item.begun is not None and item.begun.ended is not None and not self._sources.asked:
            item.due = stamp.mono  # a transition that was seen from its beginning to its end: nothing takes it back
        if item.begun is not None or item.switch or not in_studio:
            return True
        if self._unmasked(item):
            return False
        if state.transitions_seen:
            item.due = stamp.mono + _DOUBT_MS
        return True

    def _transition_to(self, item: Waiting, stamp: Stamp) -> Begun | None:
        """The transition that a program event ended: also one whose end was told after the next one's beginning."""
        name, uuid = text(item.data, "sceneName") or "", text(item.data, "sceneUuid")
        waiting = self.state.waiting
        if not any(leads_to(begun, name, uuid) for begun in self.state.begun):
            for other in waiting:
                if other.kind == LANDED and other.begun is not None and leads_to(other.begun, name, uuid):
                    waiting.remove(other)
                    return other.begun
        return self._transitions.take(stamp, name, uuid)

    def _unmasked(self, item: Waiting) -> bool:
        """Whether this event takes back doubtful ones that wait: then they are dropped.

        Leaving studio mode, OBS announces the preview and at once what stays on air: neither is a change.
        """
        waiting = self.state.waiting
        programs = [other for other in waiting if other.kind == PROGRAM]
        # Leaving studio mode in the middle of a fade, the false event finds a transition that is not over.
        doubtful = [item for item in programs if not (item.switch or (item.begun and item.begun.ended is not None))]
        sure = [other for other in programs if other not in doubtful]
        state, scene = self.state, self._scene_id(item.data)
        announced = self._scene_id(sure[-1].data) if sure else state.announced or state.program
        if announced is None or scene != announced:
            return False
        for other in doubtful:
            waiting.remove(other)
        # What OBS was wrong about before is put right by this.
        return bool(sure) or scene == state.program

    def _scene_id(self, data: Mapping[str, Any]) -> str | None:
        scene = self._scenes.find(text(data, "sceneName") or "", text(data, "sceneUuid"))
        return None if scene is None else scene.id

    def _release(self, now: int | None) -> Iterator[Observation]:
        """Tell what waited.

        Args:
            now: Until then (``mono``); None: all of it, since the connection is gone.
        """
        state = self.state
        over = [removal for removal in state.removals if now is not None and removal.due <= now]
        for removal in over:
            state.removals.remove(removal)
            yield from self._telling.gone(removal)
        if state.gathering is not None:
            if now is not None and now < state.gathering.due:
                return
            yield from self._finish_gathering()
        while state.waiting and (now is None or state.waiting[0].due <= now):
            item = state.waiting.pop(0)
            handler = self._telling.handlers.get(item.kind)
            stamp = Stamp(item.wall, item.mono)
            if handler is None:
                yield from self._snapshot({item.kind: item.data}, stamp)
            else:
                yield from handler(item, Envelope(stamp, type=item.kind))

    # ------------------------------------------------------------------ the beginning of a connection

    def _hello(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """OBS greets. Where nobody said that a connection stands, it says so itself."""
        state = self.state
        if not (state.connected and state.fresh):
            yield from self.opened(stamp)
        state.plugin = text(message.data, "obsWebSocketVersion")
        state.program_version = text(message.data, "obsStudioVersion")
        known = [f"OBS {state.program_version}"] if state.program_version is not None else []
        known += [f"obs-websocket {state.plugin}"] if state.plugin is not None else []
        yield Hello(Envelope(stamp, type=message.kind), server="obs", version=", ".join(known) or None, once=True)

    def _identified(self, _message: Message, stamp: Stamp) -> Iterator[Observation]:
        """OBS let us in, and is asked what there is: the answers together are one snapshot. What happens meanwhile
        waits for them, two seconds at most.
        """
        self.state.gathering = Gathering(stamp.mono + _GATHER_MS, stamp.wall, stamp.mono)
        self.state.missing[:] = self._asked
        self.state.connected = True
        self._transitions.begin_anew()
        yield from ()

    def _scenes_answered(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """The scenes and what is on air: an answer of the beginning, of another collection, or of where a transition
        leads.

        Which one it is, the question's number tells where answers have one; else what is waited for.
        """
        state, data = self.state, message.data
        if message.why == "transition":
            yield from self._target_named(message, stamp)
            return
        if state.counted and message.number not in {None, state.changes}:
            return  # of a collection that is not there any more
        if not data.get("scenes") or text(data, "currentProgramSceneName") is None:
            # OBS is still loading, and is asked again: as an answer it counts only towards not waiting for others.
            if state.gathering is not None:
                yield from self._gathered("GetSceneList", data, stamp, counts=False)
            return
        if message.why is None and "GetSceneList" in state.missing:
            yield from self._gathered("GetSceneList", data, stamp)
            return
        changed = [item for item in state.waiting if item.kind == COLLECTION_CHANGED and item.answer is None]
        if changed and message.why in {None, "switch"}:
            changed[0].answer = data
            changed[0].due = stamp.mono + (HOLD_MS if self._sources.asked else 0)
            return
        if message.why is None:
            yield from self._target_named(message, stamp)
        self._enqueue(message, stamp)

    def _answered(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """Another answer: of the beginning, or the sources of a scene."""
        name, data = message.kind, message.data
        if name == ITEMS_ASKED:
            name, data = f"{name} {message.number}", {**data, "number": message.number}
            if self.state.gathering is None and name in self.state.missing:
                self.state.missing.remove(name)
        if name in self.state.missing:
            yield from self._gathered(name, data, stamp)
        elif message.kind == ITEMS_ASKED and any(item.kind == COLLECTION_CHANGED for item in self.state.waiting):
            self._sources.listed(message.number, data)
        else:
            self._enqueue(Message(message.kind, data, reply=True), stamp)

    def _gathered(self, name: str, data: dict[str, Any], stamp: Stamp, *, counts: bool = True) -> Iterator[Observation]:
        """One of the answers that together make a snapshot.

        Args:
            counts: False: it says nothing yet, and the question is asked again.
        """
        state = self.state
        if state.gathering is None:
            state.gathering = Gathering(stamp.mono + _AGAIN_MS, stamp.wall, stamp.mono)
        gathering = state.gathering
        gathering.answers[name] = data
        gathering.wall, gathering.mono = stamp.wall, stamp.mono
        if counts:
            state.missing.remove(name)
        if all(other in gathering.answers for other in state.missing):
            yield from self._finish_gathering()

    def _finish_gathering(self) -> Iterator[Observation]:
        """The answers that came are a snapshot; what is missing says nothing."""
        gathered, self.state.gathering = self.state.gathering, None
        if gathered is not None and gathered.answers:
            stamp = Stamp(gathered.wall, gathered.mono)
            yield from self._snapshot(gathered.answers, stamp)

    def _snapshot(self, answers: Mapping[str, Mapping[str, Any]], stamp: Stamp) -> Iterator[Observation]:
        """Make a snapshot of answers, with what is known from events.

        The recorder comes first, for it may show that another session runs, in which scenes have other ids.
        """
        state = self.state
        record = Standing(answers.get("GetRecordStatus", {}))
        pause = self._outputs.paused_at(record, stamp) if record.readable else None
        before = self._outputs.recorder
        session, anew = self._session_seen(answers, stamp)
        records_anew = anew
        if self._outputs.session_by != "record" and record.readable:
            records_anew = self._outputs.seen(record.status, stamp, recorder=True) is True
        # Another recording than the one before: what was known of that one's file is nothing of this session's.
        other = (before or state.over) is not None and self._outputs.recorder not in (None, before)
        studio = answers.get("GetStudioModeEnabled", {}).get("studioModeEnabled")
        state.studio = studio if isinstance(studio, bool) else state.studio
        for name in self._sources.asked:
            if name in answers:
                self._sources.listed(answers[name].get("number"), answers[name])
        listing = self._listed(answers.get("GetSceneList"))
        if anew:
            self._renamed()
        told_program = listing and state.air is None and self._current_air()
        knows_mode = "GetStudioModeEnabled" in answers or "GetRecordStatus" in answers
        state.mode = self._telling.mode_word() if knows_mode else state.mode
        yield Snapshot(
            Envelope(stamp, type="GetSceneList"),
            mode=state.mode if knows_mode else UNSET,
            session=session,
            program=state.air if told_program else UNSET,
            cameras=tuple(self._telling.cameras()) if listing else UNSET,
            recording=record.active if record.readable and not other else UNSET,
        )
        if record.readable:
            yield from self._recorder_seen(record, records_anew, pause, stamp)
        if not self._telling.in_session:
            yield from self._telling.anew(Envelope(stamp))

    def _listed(self, scenes: Mapping[str, Any] | None) -> bool:
        """Take over the scenes that there are, and what is on air where no event told it.

        Returns:
            Whether there were any; without them OBS is still loading.
        """
        state = self.state
        if scenes is None or not scenes.get("scenes"):
            return False  # OBS is still loading
        self._scenes.listed(listed(scenes))
        state.unlisted = None
        program = text(scenes, "currentProgramSceneName")
        if program is not None and state.program is None:
            state.program = self._scenes.get(program, text(scenes, "currentProgramSceneUuid"))[0].id
            state.announced, state.pointer = state.program, state.pointer or program
        return True

    def _renamed(self) -> None:
        """Another session: ids are the names that scenes have now."""
        state = self.state
        for scene, old in self._scenes.anew():
            state.program = scene.id if state.program == old else state.program
            state.announced = scene.id if state.announced == old else state.announced

    def _current_air(self) -> bool:
        """Find out which camera is on air; whether that is known."""
        state = self.state
        scene = next((scene for scene in self._scenes if scene.id == state.program), None)
        state.air = None if scene is None else self._sources.camera(scene)
        return state.air is not None

    def _session_seen(
        self, answers: Mapping[str, Mapping[str, Any]], stamp: Stamp
    ) -> tuple[SessionInfo | UnsetType | None, bool]:
        """What the answers say of the session, and whether it is another than the known one."""
        by, status = self._outputs.session_by, answers.get(self._outputs.asked)
        if by is None:
            return UNSET, False
        anew = None if status is None else self._outputs.seen(status, stamp)
        if anew is None:
            return UNSET, False
        take = self.state.take
        return (None if take is None else SessionInfo(started_at=take.started_at)), anew

    def _recorder_seen(self, now: Standing, anew: bool, pause: int | None, stamp: Stamp) -> Iterator[Observation]:
        """What OBS says of its recorder, for the file that it writes: its start, and whether it is paused."""
        state, outputs = self.state, self._outputs
        was_paused, take = state.paused_since is not None, outputs.recorder
        at = stamp.wall if pause is None or anew else pause
        if now.paused != was_paused:
            outputs.pause(Stamp(at, stamp.mono - (stamp.wall - at)), now.paused)
        if take is None:
            return
        envelope = Envelope(stamp, type="GetRecordStatus")
        if anew:
            yield self._recording(envelope, started_at=take.started_at, paused=now.paused or None)
        else:
            changed = now.paused if now.paused != was_paused else None
            yield self._recording(envelope, paused=changed, at=None if changed is None else at)

    # ------------------------------------------------------------------ at once: what waits for nothing

    def _transition_started(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """A transition begins; one that it interrupts lands on its own target."""
        for begun in self._transitions.started(message.data, stamp):
            due = stamp.mono + (0 if is_sure(begun) and begun.early else _DOUBT_MS)
            self.state.waiting.append(Waiting(LANDED, {}, stamp.wall, stamp.mono, due, begun=begun))
        yield from ()

    def _interrupted(self) -> Iterator[Begun]:
        """Transitions that were interrupted, and whose landing waits."""
        return (item.begun for item in self.state.waiting if item.kind == LANDED and item.begun is not None)

    def _transition_ended(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        self._transitions.ended(message.data, stamp, self._last_begun())
        yield from ()

    def _transition_stopped(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        if self._transitions.stopped(message.data, stamp, self._interrupted()) is not None:
            yield from self._telling.taken_back(Envelope(stamp, type=message.kind))

    def _target_named(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """OBS names where a transition leads, before it is there.

        The answer may be older than the transition: where it names what was on air already, only its number tells.
        """
        state = self.state
        number = message.number if state.counted else None
        begun = self._transitions.named(number, self._interrupted())
        target = text(message.data, "currentProgramSceneName")
        if begun is None or is_sure(begun) or target is None:
            return
        doubtful = target == state.pointer
        if doubtful and number is None:
            return  # it was looked up before the transition began
        begun.target, begun.uuid = target, text(message.data, "currentProgramSceneUuid")
        begun.doubtful, begun.early = doubtful, begun.cut_short is None
        state.pointer = target
        for item in state.waiting:
            if item.kind == LANDED and item.begun is not None and is_sure(item.begun):
                sure = item.begun.early or self._transitions.after(item.begun) is not None
                item.due = stamp.mono if sure else item.due
        if begun.early and not doubtful:
            yield from self._telling.coming(begun, Envelope(stamp, type="SceneTransitionStarted"))

    def _last_begun(self) -> Begun | None:
        """The transition of the last program event that waits."""
        programs = (item for item in reversed(self.state.waiting) if item.kind == PROGRAM)
        return next((item.begun for item in programs if item.begun is not None), None)

    def _length_set(self, message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self._transitions.length_set(message.data)
        yield from ()

    def _transitions_listed(self, message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self._transitions.listed(message.data)
        yield from ()

    def _transition_current(self, message: Message, _stamp: Stamp) -> Iterator[Observation]:
        self._transitions.current(message.data)
        yield from ()

    def _profile(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        yield SetUp(Envelope(stamp, type=message.kind), profile=text(message.data, "currentProfileName"))

    def _collection(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        yield SetUp(Envelope(stamp, type=message.kind), collection=text(message.data, "currentSceneCollectionName"))

    def _video(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """Rate and size of the picture, for the files that are recorded."""
        state, data = self.state, message.data
        frames, seconds = whole(data.get("fpsNumerator")), whole(data.get("fpsDenominator"))
        if frames and seconds:
            state.rate = frames / seconds if frames % seconds else frames // seconds
        state.width, state.height = whole(data.get("outputWidth")), whole(data.get("outputHeight"))
        # Whether the recorder of before still runs is not known before the snapshot, which tells this too.
        if self._outputs.recorder is not None and "GetRecordStatus" not in state.missing:
            yield self._recording(Envelope(stamp, type=message.kind))

    def _recording(self, envelope: Envelope, **more: Any) -> Recording:
        """The recorder runs, and by which settings."""
        state = self.state
        return Recording(envelope, True, rate=state.rate, width=state.width, height=state.height, **more)

    def _collection_changing(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """The one that is left, which is named here, is still the one by which a session that runs began."""
        self.state.switching, self.state.stormed = True, False
        self._transitions.forget()
        yield SetUp(Envelope(stamp, type=message.kind), collection=text(message.data, "sceneCollectionName"))

    def _collection_changed(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """What comes after it waits for the list of the new scenes, where events do not tell them."""
        state = self.state
        state.switching, state.switched = False, stamp.mono
        state.changes += 1
        state.items.clear()
        due = stamp.mono + (0 if state.stormed else _GATHER_MS)
        item = Waiting(message.kind, message.data, stamp.wall, stamp.mono, due, switch=state.stormed)
        state.waiting.append(item)
        yield from ()

    def _exit_started(self, message: Message, stamp: Stamp) -> Iterator[Observation]:
        """OBS goes: what it takes down from here on, and took down just now, nobody did."""
        self.state.exiting = True
        self.state.removals.clear()
        self._enqueue(message, stamp)
        yield from ()


def _restored(saved: object) -> ObsState:
    """The state that a checkpoint had; a new one where it is of another kind."""
    if saved is None:
        return ObsState()
    try:
        state = msgspec.convert(saved, ObsState)
    except msgspec.ValidationError:
        # Another dialect's, or an older version's: the next snapshot tells all that matters.
        return ObsState()
    state.air = state.air or state.program  # 0.1.0 knew no sources that are cameras
    return state
