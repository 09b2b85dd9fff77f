"""What the fields of frames prove, and what they leave open: the rule by which a history may be judged.

The truth of a rehearsal knows what happened. This file decides whether somebody who has only the frames can know it,
too, by their fields alone: ``type``, ``ts``, ``seq``, their ids, the ``boot_id`` of the greeting, the connection, and
the time of receipt. It imports nothing of the tap, so that the tap's mistakes do not become rules.

**Which of two frames is newer.**

1. ``seq`` orders two frames of one boot (of one connection, where no boot is named), unless what it says is refuted:
   a lower ``seq`` with a later ``ts``, or that comes first on a new connection, is a counter that started anew.
   Once its numbers were refuted in the middle of a connection, it orders only frames of one type.
2. Only where no ``seq`` orders them, ``ts`` does: a later one is newer, an earlier one is older. One that is more than
   ten seconds earlier is a clock that was set, and the frame is newer. Equal times order nothing.
3. Where neither orders them, nothing is known. A snapshot then counts from two seconds after the last explicit change
   of what it contradicts; before that it may be old.

**What an explicit frame proves** (a cut, a hold, a release, a mode). It reports something new, unless

- its own id was seen in this boot, this run of its counter and this session: then it is the same event as before;
  after a new boot or a new run an id with a later time is another event;
- it has no id, and a frame with the same time, type and subject was seen, and time has moved on since: then it is that
  event, repeated;
- it has neither id nor number, its clock has milliseconds, and the same words were seen before: it may be a repeat;
- its ``seq`` is lower than one that was seen in this run, and nothing refutes that: then it is old. The third such
  frame in a row refutes it, for all of them.

An event that is reported for the first time, and is older than what is known, becomes a row at its own time. It does
not change what is on air now. If a frame has no id, and no time that decides, it may be new or a repeat. Then its
change counts: a true change is required, and a repeat may be in the history, too, which is then in *doubt* until the
next snapshot that cannot be older. Two holds in a row are one: where the release between them is not proved, a new id
does not prove the second.

**What a snapshot proves.** If no explicit frame reported a change (or only one that proves nothing), the first snapshot
proves it that shows it and is newer than what it contradicts. The change has the time of that snapshot, or of an
earlier one that showed it. If an explicit frame had reported it, it was an explicit change when that frame came. If
several frames that prove nothing led to what the snapshot shows, it proves none of them. If no snapshot comes before
the next change, the history may have it or not. If a snapshot
is old, but nothing shows that, what it shows is in doubt until the next one that cannot be older. A snapshot during a
dissolve that a frame reported may still show the old program, or none, and proves nothing against it; nor does it if
the frame came afterwards, or its place among others of one message is not told. If the dissolve
is over by the receiver's clock, and times in whole seconds leave it open, the program is in doubt. After a session has
ended, no snapshot proves that something happened before that.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field, structs

__all__ = [
    "CLOCK_SET_MS",
    "SETTLE_MS",
    "Aspect",
    "FrameFields",
    "Order",
    "RestingOn",
    "Runs",
    "SeenFrames",
    "envelopes",
    "order_of",
]

Order: TypeAlias = Literal["after", "before", "unknown"]
Aspect: TypeAlias = Literal["program", "hold", "mode", "session"]

SETTLE_MS = 2_000
CLOCK_SET_MS = 10_000
_LEAST, _MOST = 946_684_800_000, 4_102_444_800_000
_IDS = ("cut_id", "hold_id", "still_id", "moment_id")
_SUBJECTS = ("to", "camera_id", "device_id", "label", "camera")


class FrameFields(Struct, frozen=True):
    """The fields of a frame that say which frame it is and when it was made, whatever it reports."""

    type: str = ""
    ts: int | None = None
    """Server time in Unix ms; None if the frame has none that can be parsed."""
    coarse: bool = False
    """Whether that is a whole second."""
    seq: int | None = None
    own_id: str | None = None
    subject: str = ""
    connection: int = 0
    boot: str | None = None
    run: int = 0
    """Which run of the counter ``seq`` belongs to."""
    wall: int = 0
    """When it was received: Unix ms by the receiver's clock."""
    place: int = 0
    """Its place among all that arrived."""
    words: str = ""
    """All its fields but its time and number. Two frames with the same words may be one event, sent twice."""
    loose: bool = False
    """Whether the counter was refuted before: it may count each type separately."""


# ---------------------------------------------------------------------------------------------- reading


_TIMES = ("ts", "t", "clock")
_NUMBERS = ("seq", "revision")
"""Where the servers of the rehearsal have their time and number; one more has both in its ``meta``."""
_SPELT = frozenset({*_TIMES, *_NUMBERS, *_SUBJECTS, "type", "event", "payload", "data", "meta"})
"""Fields that do not count as words: dates, numbers and wrappers."""


def envelopes(data: str | bytes) -> list[FrameFields]:
    """The fields of each object in a message, in order; empty fields for a part that is not an object."""
    if len(data) > 500_000:
        return []
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return [_envelope(part) for part in (value if isinstance(value, list) else [value])]


def _envelope(frame: Any) -> FrameFields:
    if not isinstance(frame, dict):
        return FrameFields()
    body: dict[str, Any] = next((frame[name] for name in ("payload", "data") if isinstance(frame.get(name), dict)), {})
    said: dict[str, Any] = {**{_snake(k): v for k, v in body.items()}, **{_snake(k): v for k, v in frame.items()}}
    kind = said.get("type", said.get("event"))
    meta = frame.get("meta")
    head: dict[str, Any] = meta if isinstance(meta, dict) else {}
    ts = _time(next((said[name] for name in _TIMES if name in said), head.get("emittedAt")))
    seq = next((said[name] for name in _NUMBERS if name in said), head.get("sequenceNumber"))
    subject = next((str(said[name]) for name in _SUBJECTS if said.get(name) is not None), "")
    return FrameFields(
        type=str(kind),
        ts=ts,
        coarse=ts is not None and ts % 1000 == 0,
        seq=seq if isinstance(seq, int) else None,
        own_id=next((str(said[name]) for name in _IDS if said.get(name) is not None), None),
        subject=subject,
        boot=said.get("boot_id"),
        words=repr((kind, subject, sorted((name, value) for name, value in said.items() if name not in _SPELT))),
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def _time(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    ms = round(value * 1000) if value < 1e11 else round(value)
    return ms if _LEAST <= ms <= _MOST else None


# ---------------------------------------------------------------------------------------------- order


class RestingOn(Struct):
    """The frames that a known state rests on: its last explicit change, and those that confirmed it since."""

    numbered: FrameFields | None = None
    dated: FrameFields | None = None
    explicit: int | None = None
    """When the last explicit change of it was received (receiver's Unix ms)."""

    def rest(self, on: FrameFields, *, explicit: bool) -> None:
        """Add this frame; if it is an explicit change, it replaces the others."""
        if explicit:
            self.numbered = self.dated = None
            self.explicit = on.wall
        if on.seq is not None and (
            self.numbered is None or order_of(on, RestingOn(numbered=self.numbered)) != "before"
        ):
            self.numbered = on
        if on.ts is not None:
            self.dated = on


def order_of(new: FrameFields, mark: RestingOn) -> Order:
    """Whether a frame was made after or before those frames; "unknown" if no field says so."""
    numbered, dated = mark.numbered, mark.dated
    if numbered is not None and new.seq is not None and numbered.seq is not None and _one_scope(new, numbered):
        if new.loose and new.type != numbered.type:
            pass  # what looked like another run may only be another type
        elif new.run != numbered.run:
            return "after" if new.run > numbered.run else "before"
        elif new.seq != numbered.seq:
            return "after" if new.seq > numbered.seq else "before"
    if dated is None or dated.ts is None or new.ts is None or new.ts == dated.ts:
        return "unknown"
    return "after" if new.ts > dated.ts or dated.ts - new.ts > CLOCK_SET_MS else "before"


def _one_scope(one: FrameFields, other: FrameFields) -> bool:
    if one.boot is None or other.boot is None:
        return one.connection == other.connection
    return one.boot == other.boot


class Runs:
    """Follows connections, boots and runs of the counter ``seq``. A run ends at a frame that is lower and yet newer."""

    def __init__(self) -> None:
        self.run = 0
        self.connection = 0
        self.boot: str | None = None
        self.refuted = False
        """Whether it ever contradicted the times in the middle of a connection."""
        self.highest: FrameFields | None = None
        self._fresh = True
        self._placed = 0

    def connect(self) -> None:
        self.connection += 1
        self._fresh = True

    def place(self, frame: FrameFields, wall: int) -> FrameFields:
        """The frame with its connection, boot, run and place, received at ``wall`` (Unix ms)."""
        self._placed += 1
        if frame.type == "hello" and frame.boot != self.boot:
            self.boot = frame.boot
            self._anew()
        high = self.highest
        if frame.seq is not None:
            if high is not None and high.seq is not None and frame.seq < high.seq:
                later = frame.ts is not None and high.ts is not None and frame.ts > high.ts
                self.refuted |= later and not self._fresh
                if later or self._fresh:
                    self._anew()
            self._fresh = False
        placed = structs.replace(
            frame,
            connection=self.connection,
            boot=self.boot,
            run=self.run,
            wall=wall,
            place=self._placed,
            loose=self.refuted,
        )
        if frame.seq is not None and (self.highest is None or frame.seq >= (self.highest.seq or 0)):
            self.highest = placed
        return placed

    def anew(self, frame: FrameFields) -> FrameFields:
        """Begin a run with this frame, since something else showed that the counter started again."""
        self._anew()
        self.highest = structs.replace(frame, run=self.run)
        return self.highest

    def _anew(self) -> None:
        self.run += 1
        self.highest = None


class SeenFrames(Struct):
    """Every explicit frame that was received, by each field that could distinguish it."""

    ids: dict[tuple[Any, ...], set[int]] = field(default_factory=dict)
    """By id: the runs of the counter in which it was seen."""
    dated_ids: set[tuple[Any, ...]] = field(default_factory=set)
    times: set[tuple[Any, ...]] = field(default_factory=set)
    numbers: set[tuple[Any, ...]] = field(default_factory=set)
    words: set[tuple[Any, ...]] = field(default_factory=set)
    newest: int = 0
    """The latest server time so far."""
    fine: bool = False
    """Whether its clock has milliseconds."""

    def add(self, frame: FrameFields, session: str | None) -> None:
        self.ids.setdefault(self._id(frame, session), set()).add(frame.run)
        self.dated_ids.add((frame.type, frame.own_id, frame.ts))
        self.times.add((frame.type, frame.subject, frame.ts))
        self.numbers.add((frame.boot, frame.run, frame.type, frame.seq))
        self.words.add((frame.ts, frame.words))
        self.clock(frame)

    def clock(self, frame: FrameFields) -> None:
        self.newest = max(self.newest, frame.ts or 0)
        self.fine |= frame.ts is not None and not frame.coarse

    def same_id(self, frame: FrameFields, session: str | None) -> bool:
        """Whether its id is that of an event that was received before."""
        return frame.own_id is not None and frame.run in self.ids.get(self._id(frame, session), ())

    def maybe_same_id(self, frame: FrameFields, session: str | None) -> bool:
        """Whether it was seen in another run, or before any session, and no time says that this is another event."""
        if frame.own_id is None or frame.ts is not None:
            return False
        return self._id(frame, session) in self.ids or self._id(frame, None) in self.ids

    def same_words(self, frame: FrameFields) -> bool:
        """Whether no field distinguishes it from a frame that was received before."""
        bare = frame.own_id is None and frame.seq is None and frame.ts is not None
        return bare and self.fine and (frame.ts, frame.words) in self.words

    def own_id_is_new(self, frame: FrameFields, session: str | None) -> bool:
        """Whether it has an id that was never received."""
        return frame.own_id is not None and not self.same_id(frame, session)

    def told_before(self, frame: FrameFields, session: str | None) -> bool:
        """Whether its fields prove that its event was received before."""
        if frame.own_id is not None and (
            self.same_id(frame, session)
            or (frame.ts is not None and (frame.type, frame.own_id, frame.ts) in self.dated_ids)
        ):
            return True
        if frame.seq is not None and (frame.boot, frame.run, frame.type, frame.seq) in self.numbers:
            return True
        dated = frame.ts is not None and (frame.type, frame.subject, frame.ts) in self.times
        return dated and frame.ts is not None and frame.ts < self.newest

    def new(self, frame: FrameFields, session: str | None) -> bool:
        """Whether its fields prove that its event was never received before."""
        if frame.own_id is not None:
            return not self.same_id(frame, session)
        return frame.ts is not None and (frame.type, frame.subject, frame.ts) not in self.times

    @staticmethod
    def _id(frame: FrameFields, session: str | None) -> tuple[Any, ...]:
        return (frame.type, frame.own_id, frame.boot, session)
