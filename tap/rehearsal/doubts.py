"""What is proved and what is in doubt while frames come in: applies the rules of ``evidence.py``.

For each *aspect* (program, hold, mode, session) it remembers the frames that it rests on. A change that its frame does
not prove is *pending* until a snapshot proves it or another change comes. While a history may believe something wrong,
the aspect is in *doubt*.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET, Struct, structs

from tap.rehearsal.evidence import SETTLE_MS, Aspect, FrameFields, RestingOn, Runs, SeenFrames, envelopes, order_of
from tap.rehearsal.truth import DoubtTruth, EventTruth

__all__ = ["ASPECTS", "KINDS", "DissolveCover", "FrameDoubts", "PendingChange"]

ASPECTS: tuple[Aspect, ...] = ("program", "hold", "mode", "session")

KINDS: dict[str, list[str]] = {
    "program": ["cut", "off_air", "camera"],
    "hold": ["hold", "release"],
    "mode": ["mode_change"],
    "session": [
        *("cut", "off_air", "hold", "release", "mode_change", "gap", "still_marker", "still_capture", "marker"),
        *("music_moment", "session", "camera", "still"),
    ],
    "stills": ["still_marker", "still_capture", "still"],
    "marks": ["marker", "music_moment"],
}
"""The kinds of rows that a doubt about each aspect may lead to."""

_LATER_MS = 500
"""How many ms later than its frame says a dissolve may end."""


class DissolveCover(Struct, frozen=True):
    """A dissolve from a frame: snapshots during it may still show the old program, or nothing."""

    old: str | None
    to: str | None
    frame: FrameFields
    length: int
    afterwards: bool = False
    """Its frame came only later, so the receiver's clock does not say when it ran."""

    def hides(self, shown: str | None, env: FrameFields) -> bool:
        """Whether a snapshot with this program can be from the time of the dissolve. Then it contradicts nothing."""
        if shown is not None and shown != self.old:
            return False
        if env.wall - self.frame.wall <= self.length + _LATER_MS and not self.afterwards:
            return True
        if env.ts is None or self.frame.ts is None:
            return False
        coarse = 1_000 if env.coarse or self.frame.coarse else 0
        return env.ts - self.frame.ts <= self.length + _LATER_MS + coarse

    def may_be_over(self, env: FrameFields) -> bool:
        """Whether it is over by the receiver's clock, and times in whole seconds leave open whether it ran then."""
        if env.wall - self.frame.wall <= self.length + _LATER_MS or env.ts is None or self.frame.ts is None:
            return False
        coarse = env.coarse or self.frame.coarse
        return coarse and env.ts - self.frame.ts > self.length + _LATER_MS - 1_000


class PendingChange(Struct):
    """A change without proof yet, and the frames that it contradicts."""

    event: EventTruth | None
    mark: RestingOn
    was: Any
    """What it was before."""
    since: tuple[Any, ...] = ()
    """What it may have been since then, by frames that proved nothing."""
    explicit: int | None = None
    """When an explicit frame told it (receiver's Unix ms), if one did."""

    def may_have_been(self, value: Any) -> bool:
        """Whether it may have been that before this change."""
        return value == self.was or value in self.since


def _pending(
    event: EventTruth | None, mark: RestingOn, was: Any, before: PendingChange | None, *, explicit: int | None = None
) -> PendingChange:
    """A change from ``was``, which is itself without proof where another was pending ``before``."""
    if before is None:
        return PendingChange(event, mark, was, explicit=explicit)
    return PendingChange(event, mark, before.was, (*before.since, was), explicit)


class _Open(Struct):
    """A doubt that is not settled yet."""

    since: int
    why: str
    marks: list[RestingOn]
    """The frames that put it in doubt: a snapshot that settles it is newer than each of them."""
    connection: int
    """The connection of its last frame."""


class FrameDoubts:
    """Follows the fields of every frame: what is proved, and what is in doubt since when."""

    def __init__(self) -> None:
        self.env = FrameFields()
        """The current frame."""
        self.session: str | None = None
        """The running session, as far as frames show; None without one."""
        self.runs = Runs()
        self.frames = SeenFrames()
        self.marks: dict[str, RestingOn] = {aspect: RestingOn() for aspect in ASPECTS}
        self.idents: dict[str, int] = dict.fromkeys(ASPECTS, 0)
        """By which of all frames that were made each of them is known."""
        self.pending: dict[str, PendingChange] = {}
        self.unexplained: dict[str, EventTruth] = {}
        """The last change of each aspect that only a snapshot has shown so far."""
        self.told: list[DoubtTruth] = []
        """Settled doubts."""
        self.muddled: set[str] = set()
        """Aspects that were in doubt; the reader of this set removes them."""
        self._open: dict[str, _Open] = {}
        self._learned: dict[str, int] = {}
        """The last frame from which everything was learned. Earlier changes do not count any more."""
        self._beginning = RestingOn()
        self._highest: FrameFields | None = None
        """The frame with the highest number before the current message."""
        self._unproved: list[EventTruth] = []
        """What was pending when the server was out of sight last."""
        self._low: list[EventTruth] = []
        """Successive explicit changes that ``seq`` alone would reject."""

    def read(self, data: str | bytes, wall: int) -> list[FrameFields]:
        """The fields of each object in a message that was received at ``wall`` (receiver's Unix ms)."""
        self._highest = self.runs.highest
        return [self.runs.place(envelope, wall) for envelope in envelopes(data)]

    def lose(self) -> None:
        """The connection is lost: what is pending stays without proof."""
        self._unproved = [pending.event for pending in self.pending.values() if pending.event is not None]
        self.pending.clear()
        self.unexplained.clear()
        self._low.clear()

    def never_lost(self) -> None:
        """Perhaps nothing was lost: then this snapshot is the next one after what was pending, and shows it."""
        for event in self._unproved:
            event.also.append(self.env.wall if self.env.ts is None else self.env.ts)
            event.duration_ms = UNSET

    def session_over(self) -> None:
        """A session ends: snapshots that come now cannot prove that a pending change happened before that."""
        for pending in self.pending.values():
            pending.event = None

    # ------------------------------------------------------------------------------------------ doubt

    def doubt(self, about: str, why: str, *, explicit: bool = False) -> None:
        """Put an aspect in doubt from this frame on, until a snapshot that is newer."""
        mark = RestingOn()
        mark.rest(self.env, explicit=explicit)
        self.muddled.add(about)
        known = self._open.get(about)
        if known is None:
            self._open[about] = _Open(self.env.wall, why, [mark], self.env.connection)
        else:
            known.marks.append(mark)
            known.connection = self.env.connection

    def doubt_once(self, about: str, why: str) -> None:
        """Put in doubt what this frame tells, and nothing after it."""
        self.doubt(about, why, explicit=True)
        self.settle(about, at_once=True)

    def settle(self, about: str, *, at_once: bool = False) -> None:
        """End the doubt about an aspect if this snapshot is newer than what is in doubt, or ``at_once``."""
        known = self._open.get(about)
        if known is not None and (at_once or all(map(self.proves, known.marks))):
            del self._open[about]
            self.told.append(DoubtTruth(kinds=KINDS[about], since=known.since, until=self.env.wall, why=known.why))

    def settle_all(self, *, at_once: bool = False) -> None:
        """The first snapshot of a connection settles what was in doubt before that."""
        for about, known in list(self._open.items()):
            self.settle(about, at_once=at_once or known.connection != self.env.connection)

    def unsure(self, about: str) -> bool:
        """Whether what is known of it may be believed otherwise by who only has the frames."""
        return about in self.pending or about in self._open or "session" in self._open

    # ------------------------------------------------------------------------------------------ snapshots

    def proves(self, mark: RestingOn) -> bool:
        """Whether the snapshot of now surely is newer than what rests on this."""
        newer = order_of(self.env, mark)
        if newer != "unknown":
            return newer == "after"
        return mark.explicit is None or self.env.wall - mark.explicit >= SETTLE_MS

    def rest_all(self, ident: int, program: int) -> None:
        """All that is known rests on this snapshot; ``program`` is the frame by which its program is known."""
        for aspect in ASPECTS:
            self._rest_anew(aspect)
            self.idents[aspect] = max(self.idents[aspect], program if aspect == "program" else ident)
        self._learned, self._beginning = dict(self.idents), RestingOn()
        self._beginning.rest(self.env, explicit=False)
        self.pending.clear()
        self.unexplained.clear()

    def _rest_anew(self, aspect: str) -> None:
        self.marks[aspect] = RestingOn()
        self.marks[aspect].rest(self.env, explicit=False)

    def maybe_stale(self, aspect: str) -> None:
        """An old snapshot shows it otherwise: where it does not look old, it is believed."""
        if self.proves(self.marks[aspect]):
            self.doubt(aspect, "an old snapshot that does not look so")

    def shown_otherwise(self, aspect: Aspect, event: EventTruth | None, was: Any, *, hidden: bool) -> None:
        """A snapshot shows a change that nobody told: proved, or pending. ``hidden``: a dissolve may explain it."""
        proved = self.proves(self.marks[aspect]) and not hidden and not self.unsure(aspect)
        before = self.pending.pop(aspect, None)
        self.unexplained.pop(aspect, None)
        if event is not None:
            self.unexplained[aspect] = event
        if proved:
            self._rest_anew(aspect)
            return
        if event is not None:
            event.doubtful = True
        mark = structs.replace(self.marks[aspect]) if before is None else before.mark
        self.pending[aspect] = _pending(event, mark, was, before)

    def shown_again(self, aspect: Aspect, value: Any, *, hidden: bool) -> None:
        """A snapshot shows it as it is known: it rests on that too, and what was pending may be proved."""
        pending = self.pending.get(aspect)
        if pending is None:
            if order_of(self.env, self.marks[aspect]) != "before":
                self.marks[aspect].rest(self.env, explicit=False)
            return
        if pending.event is not None:
            pending.event.also.append(self.env.wall if self.env.ts is None else self.env.ts)
        if self.proves(pending.mark) and not hidden:
            # Back at what it was: there and back may both be, or neither.
            if pending.event is not None and not pending.may_have_been(value):
                told_in_part(pending.event)
                pending.event.doubtful = False
                # What came between is not proved: it may be known to come from what was on before that.
                if pending.event.from_camera_id not in (UNSET, pending.was):
                    pending.event.from_camera_id = UNSET
                if pending.event.from_mode not in (UNSET, pending.was):
                    pending.event.from_mode = UNSET
            del self.pending[aspect]
            self._rest_anew(aspect)
            self.marks[aspect].explicit = pending.explicit

    # ------------------------------------------------------------------------------------------ explicit frames

    def told_before(self) -> bool:
        """Whether the fields of the frame of now prove that it was seen before."""
        return self.frames.told_before(self.env, self.session)

    def is_new(self) -> bool:
        """Whether they prove that it was never seen."""
        return self.frames.new(self.env, self.session)

    def own_id_is_new(self) -> bool:
        """Whether it has an id that was never seen."""
        return self.frames.own_id_is_new(self.env, self.session)

    def is_past(self, aspect: str) -> bool:
        """Whether its fields say that it is older than what is known."""
        return order_of(self.env, self.marks[aspect]) == "before"

    def take(self, aspect: Aspect, event: EventTruth | None, was: Any) -> bool:
        """An explicit frame changed this: whether its fields prove it. It rests on that frame then."""
        mark = self.marks[aspect]
        low = self._is_low(mark)
        proved = not low and not self.told_before() and not self.frames.maybe_same_id(self.env, self.session)
        proved = proved and not self.frames.same_words(self.env)
        # Older than the snapshot by which all of it is known, it may have been before the session.
        if low and order_of(self.env, self._beginning) != "before" and self.own_id_is_new():
            proved = self.runs.refuted = True
        if proved:
            self._low.clear()
        elif low and event is not None:
            self._low.append(event)
            proved = self._third_in_a_row()
        before = self.pending.pop(aspect, None)
        if not proved:
            if event is not None:
                event.doubtful = True
            self.pending[aspect] = _pending(event, structs.replace(mark), was, before, explicit=self.env.wall)
            return False
        # A number that is refuted orders nothing.
        mark.rest(structs.replace(self.env, seq=None) if low else self.env, explicit=True)
        return True

    def _is_low(self, mark: RestingOn) -> bool:
        """Whether ``seq`` says that this explicit frame is older than what is known, and nothing refutes it."""
        return self.env.seq is not None and any(
            known is not None and order_of(self.env, RestingOn(numbered=known)) == "before"
            for known in (mark.numbered, self._highest)
        )

    def _third_in_a_row(self) -> bool:
        if len(self._low) < 3:
            return False
        for event in self._low:
            event.doubtful = False
        self.env = self.runs.anew(self.env)
        self._low.clear()
        return True

    def explains(self, aspect: Aspect, at: int, *, exact: bool) -> bool:
        """An explicit frame tells what a snapshot told before it; False where no snapshot did."""
        known = self.unexplained.pop(aspect, None)
        if known is None:
            return False
        known.also.append(at)
        known.exact = known.exact and exact
        known.from_camera_id = known.from_mode = UNSET
        told_in_part(known)
        pending = self.pending.get(aspect)
        if pending is not None and pending.event is known:
            known.doubtful = False
            del self.pending[aspect]
        self.marks[aspect].rest(self.env, explicit=True)
        return True

    def late(self, aspect: Aspect, event: EventTruth, ident: int) -> None:
        """An explicit frame that comes after a newer one tells an event of its own."""
        event.from_camera_id = event.from_mode = event.duration_ms = UNSET
        past = self.is_past(aspect)
        if not past or not self.is_new() or self._learned.get(aspect, 0) >= ident:
            event.doubtful = True
        if not past:
            self.doubt(aspect, "told out of order, and nothing says so", explicit=True)

    # ------------------------------------------------------------------------------------------ the end

    def mark_doubtful(self, events: Iterable[tuple[EventTruth, int]]) -> None:
        """Whatever was told (at these times of the receiver) while it was in doubt is doubtful."""
        for event, wall in events:
            if any(event.kind in doubt.kinds and doubt.since <= wall <= doubt.until for doubt in self.told):
                event.doubtful = True


def told_in_part(event: EventTruth) -> None:
    """It may be known by the frame that told it, or by a snapshot alone."""
    event.trigger = event.transition = event.duration_ms = UNSET
    event.inferred = False
