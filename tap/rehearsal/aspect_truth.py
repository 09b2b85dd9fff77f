"""The truth about program, hold and mode, and the events that their changes make.

An explicit frame reports a change, or a snapshot shows it. ``doubts`` decides whether a frame proves what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType, structs

from tap.rehearsal.doubts import DissolveCover, FrameDoubts
from tap.rehearsal.event_truth import EventTruths
from tap.rehearsal.evidence import CLOCK_SET_MS, Aspect, FrameFields
from tap.rehearsal.still_truth import When
from tap.rehearsal.truth import EventTruth
from tap.rehearsal.world import Fact, World

__all__ = ["AspectTruths"]


class AspectTruths:
    """Program, hold and mode as far as they are known, and what follows from each frame that has them."""

    def __init__(self, doubts: FrameDoubts, events: EventTruths, pace: float) -> None:
        """``pace``: how many seconds of the shoot pass in a second of the receiver's clock."""
        self.program: str | None = None
        self.mode = ""
        self.hold: str | None = None
        """The camera that is held."""
        self.perhaps_lost = False
        """Whether the server may have been out of sight, and no frame has told since what is on air."""
        self.guessed = False
        """Whether, in the current message, a snapshot comes before the change that it shows."""
        self._doubts = doubts
        self._events = events
        self._pace = pace
        self._program_at: When | None = None
        """When the program changed last."""
        self._turns: list[tuple[When, str | None]] = []
        """The changes of the program since a snapshot taught it, each with what was on before."""
        self._taught_at: int | None = None
        """The server's time in that snapshot."""
        self._cover: DissolveCover | None = None
        self._hold_from: When | None = None

    # ------------------------------------------------------------------------------------------ what is known

    def live(self, when: When) -> str | UnsetType | None:
        """The camera on air at that moment; UNSET if the frames do not say which."""
        changed = self._program_at
        together = changed is not None and changed.wall == when.wall
        dated = when.exact and changed is not None and changed.exact
        unsure = self.perhaps_lost or self._doubts.unsure("program") or (together and not dated)
        return UNSET if unsure else self._on_air_at(when)

    def _on_air_at(self, when: When) -> str | UnsetType | None:
        """The camera on air at a time that may lie before the frame that names it, as that of a still."""
        on_air = self.program
        for turned, before in reversed(self._turns):
            if not (when.exact and turned.exact) or turned.at <= when.at or self._clocks_differ(turned, when):
                return on_air
            on_air = before
        untaught = when.exact and self._taught_at is not None and 0 < self._taught_at - when.at < CLOCK_SET_MS
        return UNSET if untaught else on_air

    def differences(self, world: World) -> dict[Aspect, bool]:
        """Which aspects differ in a snapshot from what is known."""
        shown = world.veil.shows if world.veil is not None else world.program
        return {
            "session": (None if world.session is None else world.session.id) != self._doubts.session,
            "program": shown != self.program and world.veil is None,
            "hold": (world.hold is None) != (self.hold is None),
            "mode": world.mode != self.mode,
        }

    def says_what_is(self, fact: Fact, about: str) -> bool:
        """Whether a frame only repeats what is certainly the case."""
        if self._doubts.unsure(about):
            return False
        match fact.kind:
            case "cut":
                return fact.camera == self.program
            case "hold" | "release":
                return (fact.kind == "hold") == (self.hold is not None)
            case "mode":
                return fact.mode == self.mode
        return False

    def as_shown(self, world: World, *, first: bool) -> World:
        """The world that a snapshot shows. Its veil stays if a known dissolve explains it.

        ``first``: it is the first snapshot after a loss, from which everything is learned.
        """
        cover, env = self._cover, self._doubts.env
        if cover is not None and first and cover.frame.connection != env.connection:
            cover = None
        shown = world.program if world.veil is None else world.veil.shows
        if cover is not None and cover.afterwards and cover.frame.ts is None and shown in (None, cover.old):
            self._doubts.doubt("program", "told afterwards, and not when the dissolve ran")
        hidden = cover is not None and cover.hides(shown, env)
        if hidden and cover is not None and first:
            return structs.replace(world, program=cover.to, veil=None)
        return world if world.veil is None or hidden else structs.replace(world, program=shown, veil=None)

    def _value(self, aspect: Aspect) -> Any:
        return {"program": self.program, "hold": self.hold is not None, "mode": self.mode}.get(aspect)

    # ------------------------------------------------------------------------------------------ without an event

    def learn(self, world: World) -> None:
        """Take over what a snapshot shows, without events for what differs."""
        self.program, self.mode = world.program, world.mode
        self.hold = None if world.hold is None else world.hold.camera
        self.perhaps_lost = False
        self._turns.clear()
        self._taught_at = self._doubts.env.ts

    def forget_hold_begin(self) -> None:
        """The begin of the hold is unknown from now on, and so is its length."""
        self._hold_from = None

    def told_late(self, fact: Fact) -> None:
        """A dissolve that a frame reports late explains snapshots, too."""
        if fact.kind == "cut" and fact.duration_ms is not None:
            if self.program in (None, fact.before) and fact.camera != self.program:
                self._doubts.doubt("program", "a dissolve told afterwards, which may have run when a snapshot came")
            self._cover = DissolveCover(fact.before, fact.camera, self._doubts.env, fact.duration_ms, afterwards=True)

    # ------------------------------------------------------------------------------------------ seen in snapshots

    def news(self, world: World, when: When, ident: int, program: int) -> None:
        """A snapshot on an unbroken connection: what differs has happened, and only this frame reports it.

        Args:
            world: What it shows.
            when: When it was made and received.
            ident: The last frame that it can know of.
            program: The same for the program, which a dissolve may hide.
        """
        inferred = EventTruth(session_id="", kind="cut", at=0, trigger="unknown", inferred=True)
        self._shown("program", world, program, lambda: self._turn_program(world.program, when, inferred))
        self._shown("mode", world, ident, lambda: self._turn_mode(world.mode, when))
        held = None if world.hold is None else world.hold.camera
        self._shown("hold", world, ident, lambda: self._turn_hold(held, when))

    def _shown(self, aspect: Aspect, world: World, ident: int, happens: Callable[[], EventTruth | None]) -> None:
        """One aspect of a snapshot: confirmed, changed, or old."""
        if aspect == "program" and world.veil is not None:  # a known dissolve explains it
            if self._cover is not None and self._cover.may_be_over(self._doubts.env):
                self._doubts.doubt("program", "a dissolve that may be over, in whole seconds")
            return
        doubts, differs = self._doubts, self.differences(world)[aspect]
        if ident < doubts.idents[aspect]:
            if differs:
                doubts.maybe_stale(aspect)
            return
        hidden = aspect == "program" and self._cover is not None and self._cover.hides(world.program, doubts.env)
        if differs:
            was = self._value(aspect)
            doubts.shown_otherwise(aspect, happens(), was, hidden=hidden)
        else:
            doubts.shown_again(aspect, self._value(aspect), hidden=hidden)
        doubts.idents[aspect] = max(doubts.idents[aspect], ident)
        if not hidden:
            doubts.settle(aspect)

    # ------------------------------------------------------------------------------------------ told by frames

    def cut(self, fact: Fact, when: When) -> None:
        """A frame reports a cut, or (without a camera) that nothing is on air."""
        event = EventTruth(session_id="", kind="cut", at=0)
        if fact.trigger is not None:
            event.trigger = fact.trigger
        if fact.transition is not None:
            event.transition = fact.transition
        if fact.duration_ms is not None:
            event.duration_ms = fact.duration_ms
        if fact.ident < self._doubts.idents["program"]:
            event.kind = "cut" if fact.camera is not None else "off_air"
            if fact.camera is not None:
                event.camera_id = fact.camera
            self._out_of_place("program", event, when, fact.ident, same=fact.camera == self.program)
            if not self._doubts.is_past("program"):  # for who believes the order of the message, it runs now
                self._cover = _cover(fact, self._doubts.env) or self._cover
            return
        self._explicit("program", fact, when, lambda: self._turn_program(fact.camera, when, event))
        if fact.before != "":
            event.from_camera_id = fact.before
        self._cover = _cover(fact, self._doubts.env)

    def held(self, fact: Fact, when: When) -> None:
        """A frame reports that the program camera is held."""
        if fact.ident < self._doubts.idents["hold"]:
            event = EventTruth(session_id="", kind="hold", at=0, camera_id=fact.camera)
            self._out_of_place("hold", event, when, fact.ident, same=self.hold is not None)
            return
        self._explicit("hold", fact, when, lambda: self._turn_hold(fact.camera, when) if self.hold is None else None)

    def released(self, fact: Fact, when: When) -> None:
        """A frame reports the end of the hold."""
        if fact.ident < self._doubts.idents["hold"]:
            event = EventTruth(session_id="", kind="release", at=0)
            self._out_of_place("hold", event, when, fact.ident, same=self.hold is None)
            return
        self._explicit("hold", fact, when, lambda: self._turn_hold(None, when) if self.hold is not None else None)

    def mode_told(self, fact: Fact, when: When) -> None:
        """A frame reports the mode."""
        if fact.mode is None:
            return
        mode = fact.mode
        if fact.ident < self._doubts.idents["mode"]:
            event = EventTruth(session_id="", kind="mode_change", at=0, to_mode=mode)
            self._out_of_place("mode", event, when, fact.ident, same=mode == self.mode)
            return
        self._explicit("mode", fact, when, lambda: self._turn_mode(mode, when) if mode != self.mode else None)

    def _explicit(self, aspect: Aspect, fact: Fact, when: When, happens: Callable[[], EventTruth | None]) -> None:
        """An explicit frame that is the newest of its kind. Calls ``happens`` if it changes anything."""
        doubts = self._doubts
        unsure, was, pending = doubts.unsure(aspect), self._value(aspect), doubts.pending.get(aspect)
        event = happens()
        if event is None and _is_another(fact):
            # What came between was not told, or will be: an id of its own says that it is another cut.
            event = EventTruth(session_id="", kind="cut", at=0, camera_id=fact.camera)
            event.doubtful = not doubts.own_id_is_new()
            if aspect in doubts.unexplained:
                doubts.unexplained[aspect].doubtful = True
            self._events.add(event, when)
        else:
            doubts.unexplained.pop(aspect, None)
        if event is not None and pending is not None and pending.may_have_been(self._value(aspect)):
            # Back to what it was before something that is not proved: perhaps it never changed. Of cuts a new id proves
            # another one; two holds in a row are one.
            event.doubtful = aspect != "program" or not doubts.own_id_is_new()
        proved = doubts.take(aspect, event, was)
        if event is not None and self.guessed:
            event.trigger = event.transition = event.duration_ms = UNSET
        if event is not None and (unsure or self.guessed):
            event.from_camera_id = event.from_mode = event.duration_ms = UNSET
        doubts.idents[aspect] = max(doubts.idents[aspect], fact.ident)
        if proved:
            doubts.settle(aspect, at_once=True)

    def _out_of_place(self, aspect: Aspect, event: EventTruth, when: When, ident: int, *, same: bool) -> None:
        """An explicit frame that came after a newer one: it explains a snapshot's change, or is an earlier event."""
        if not (same and self._doubts.explains(aspect, when.at, exact=when.exact)):
            self._doubts.late(aspect, event, ident)
            self._events.add(event, when)

    # ------------------------------------------------------------------------------------------ changes

    def _turn_program(self, to: str | None, when: When, event: EventTruth) -> EventTruth | None:
        before, self.program = self.program, to
        self.perhaps_lost = False
        if to == before:
            return None
        self._program_at = when
        self._turns.append((when, before))
        event.from_camera_id = before
        if to is None:
            event.kind = "off_air"
            if event.inferred:
                event.trigger = UNSET
        else:
            event.camera_id = to
        return self._events.add(event, when)

    def _turn_hold(self, camera: str | None, when: When) -> EventTruth | None:
        if camera is not None:
            event = EventTruth(session_id="", kind="hold", at=0, camera_id=camera)
            self.hold, self._hold_from = camera, when
            self._doubts.muddled.discard("hold")
            return self._events.add(event, when)
        muddled = "hold" in self._doubts.muddled
        event = EventTruth(session_id="", kind="release", at=0, duration_ms=UNSET if muddled else None)
        if self._hold_from is not None and not muddled:
            sure = when.exact and self._hold_from.exact
            event.duration_ms = when.at - self._hold_from.at if sure else UNSET
            if self._clocks_differ(self._hold_from, when):
                event.duration_ms = UNSET
        self.hold = self._hold_from = None
        return self._events.add(event, when)

    def _clocks_differ(self, since: When, until: When) -> bool:
        """Whether a clock was set between the two, or the frames were read late."""
        truly, ours = until.now - since.now, (until.wall - since.wall) * self._pace
        return abs(until.at - since.at - truly) > 1500 or abs(ours - truly) > 1500 + 5 * self._pace

    def _turn_mode(self, mode: str, when: When) -> EventTruth | None:
        before, self.mode = self.mode, mode
        event = EventTruth(session_id="", kind="mode_change", at=0, from_mode=before, to_mode=mode)
        return self._events.add(event, when)


def _cover(fact: Fact, env: FrameFields) -> DissolveCover | None:
    """What a cut may hide from now on; None where it takes no time."""
    if fact.duration_ms is None or fact.transition == "cut":
        return None
    return DissolveCover(fact.before, fact.camera, env, fact.duration_ms)


def _is_another(fact: Fact) -> bool:
    """Whether a cut's frame proves that the program changed, even if it names the camera that is known to be on air."""
    return fact.kind == "cut" and fact.camera is not None and fact.before not in ("", fact.camera)
