"""Scores a history against the truth: every event once, with its time and camera, and every row in its final state.

First, entries are folded by key, as in the ledger: an explicit frame replaces what a snapshot showed, and the last
version of a row wins. Then events are matched one to one with what really happened.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, Struct, field

from tap.core.model import Entry
from tap.rehearsal.truth import CameraTruth, EventTruth, SessionTruth, StillTruth, Truth

__all__ = ["KindScore", "Score", "score"]

_Json: TypeAlias = Mapping[str, Any]
T = TypeVar("T")

_RECEIVED_MS = 250
"""How finely times are compared that were in no frame: a busy machine reads late."""


class KindScore(Struct):
    """How many events of one kind were found, missed, invented or doubled."""

    matched: int = 0
    missed: int = 0
    invented: int = 0
    doubled: int = 0

    @property
    def f1(self) -> float:
        """F1: 1.0 if every event is in the history exactly once, and no other is."""
        wrong = self.missed + self.invented + self.doubled
        return 1.0 if self.matched + wrong == 0 else 2 * self.matched / (2 * self.matched + wrong)


class Score(Struct):
    """The score of one history. ``differences`` has a line for each mistake."""

    kinds: dict[str, KindScore] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """How many rows of the truth were compared, by table."""
    missed: list[EventTruth] = field(default_factory=list)
    """The events that the history lacks."""
    doubtful: int = 0
    """How many events of the history are not proved, at times when the frames leave it open."""
    extra: list[tuple[Mapping[str, Any], bool]] = field(default_factory=list)
    """Entries of events that should not be in the history, each with whether it is a second one of a true event."""

    @property
    def perfect(self) -> bool:
        """Whether nothing is missing, doubled, invented or different."""
        return not self.differences

    @property
    def f1(self) -> float:
        """F1 over the events of all kinds."""
        return KindScore(
            matched=sum(kind.matched for kind in self.kinds.values()),
            missed=sum(kind.missed for kind in self.kinds.values()),
            invented=sum(kind.invented for kind in self.kinds.values()),
            doubled=sum(kind.doubled for kind in self.kinds.values()),
        ).f1

    def explain(self) -> str:
        """The score in words: a line for each kind of event, one for the rows, one for each difference."""
        lines = [
            f"{name}: {kind.matched} matched, {kind.missed} missed, {kind.invented} invented, "
            f"{kind.doubled} doubled, F1 {kind.f1:.3f}"
            for name, kind in sorted(self.kinds.items())
        ]
        lines.append(", ".join(f"{count} {table}" for table, count in sorted(self.rows.items())) + " compared")
        lines.extend(self.differences or ["nothing differs"])
        return "\n".join(lines)


def score(truth: Truth, entries: Iterable[Entry | _Json], *, tolerance_ms: int = 2000) -> Score:
    """Compare a history with the truth.

    Args:
        truth: What should be in the history.
        entries: The history, in order: the machine's entries, or the objects that ``replay --json`` prints.
        tolerance_ms: How far times may be off that were in no frame, and are by the receiver's clock. Times that were
            in a frame have to be exact.
    """
    rows = _fold(entries)
    sessions = _session_ids(rows)
    result = Score()
    _Events(truth, rows, sessions, result, tolerance_ms).compare()
    _sessions(truth, rows, result, tolerance_ms)
    _cameras(truth, rows, sessions, result)
    _stills(truth, rows, sessions, result, tolerance_ms)
    return result


# ---------------------------------------------------------------------------------------------- folding


def _fold(entries: Iterable[Entry | _Json]) -> dict[str, list[_Json]]:
    """The rows that the entries leave, by op, without retracted ones."""
    kept: dict[tuple[str, str], _Json] = {}
    for entry in entries:
        plain: _Json = msgspec.to_builtins(entry) if isinstance(entry, Entry) else entry
        name = (plain["op"], plain["key"])
        if name not in kept or _replaces(plain, kept[name]):
            kept[name] = plain
    rows: dict[str, list[_Json]] = defaultdict(list)
    for (op, _), plain in kept.items():
        # The ledger's rows tell it among their columns, entries beside them.
        if plain.get("retracted") is None and "retracted" not in plain["fields"]:
            rows[op].append(plain)
    return rows


def _replaces(new: _Json, old: _Json) -> bool:
    if new.get("revision", 0) != old.get("revision", 0):
        return bool(new.get("revision", 0) > old.get("revision", 0))
    if new["op"] == "event":
        return _inferred(old) or not _inferred(new)
    return bool(new["version"] >= old["version"])


def _inferred(entry: _Json) -> bool:
    return bool(_detail(entry).get("inferred", False))


def _detail(entry: _Json) -> _Json:
    detail = entry["fields"].get("detail")
    return detail if isinstance(detail, Mapping) else {}


def _session_ids(rows: Mapping[str, list[_Json]]) -> dict[str, str]:
    """The server's session id for each session key."""
    return {row["sessionKey"]: _session_id(row) for row in rows.get("session", ())}


def _session_id(row: _Json) -> str:
    known = row["fields"].get("sessionId")
    return known if isinstance(known, str) else _id_in(row["sessionKey"])


def _id_in(session_key: str) -> str:
    """The id that a session key is made of: ``venue/id`` or ``venue/id@startedAt``."""
    return unquote(session_key.rpartition("/")[2].partition("@")[0])


# ---------------------------------------------------------------------------------------------- events


class _Events:
    """Matches the events of a history one to one with those of the truth."""

    def __init__(
        self,
        truth: Truth,
        rows: Mapping[str, list[_Json]],
        sessions: Mapping[str, str],
        result: Score,
        tolerance_ms: int,
    ) -> None:
        self._truth = truth
        self._told = rows.get("event", [])
        self._sessions = sessions
        self._result = result
        self._tolerance = tolerance_ms

    def compare(self) -> None:
        wanted = self._truth.carried
        pairs = self._pairs(wanted)
        for want, told in pairs:
            self._kind(wanted[want].kind).matched += 1
            if not wanted[want].doubtful:
                self._differ(wanted[want], self._told[told])
        found = {want for want, _ in pairs}
        for index, event in enumerate(wanted):
            if index not in found and not event.doubtful:
                self._kind(event.kind).missed += 1
                self._result.missed.append(event)
                self._say(f"missed: {_name(event)}")
        matched = {told: wanted[want] for want, told in pairs}
        for index, entry in enumerate(self._told):
            if index not in matched:
                self._extra(entry, matched.values())

    def _pairs(self, wanted: list[EventTruth]) -> list[tuple[int, int]]:
        """The nearest in time first, so that events that only the receiver's clock can tell find their own.

        Of two that are as near the one whose own time it is, then the one that says the same, and then the one that has
        to be there. By the receiver's clock, all within a quarter of a second are as near.
        """
        by_kind: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for index, entry in enumerate(self._told):
            by_kind[entry["fields"]["kind"]].append((entry["fields"]["at"], index))
        for told_at in by_kind.values():
            told_at.sort()
        near = sorted(
            (
                _apart(event, min(abs(at - right) for right in (event.at, *event.also))),
                _apart(event, abs(at - event.at)),
                _unlike(event, self._told[told]["fields"]),
                event.doubtful,
                abs(at - event.at),
                want,
                told,
            )
            for want, event in enumerate(wanted)
            for at, told in self._around(by_kind[event.kind], event)
            if self._same(event, self._told[told])
        )
        pairs: list[tuple[int, int]] = []
        wants: set[int] = set()
        tolds: set[int] = set()
        for *_, want, told in near:
            if want not in wants and told not in tolds:
                wants.add(want)
                tolds.add(told)
                pairs.append((want, told))
        return sorted(pairs)

    def _around(self, told_at: list[tuple[float, int]], event: EventTruth) -> list[tuple[float, int]]:
        """Of entries by time, those that could tell this event: a long shoot has too many to look at all of them."""
        times = (event.at, *event.also)
        low = bisect_left(told_at, (min(times) - self._tolerance, -1))
        return told_at[low : bisect_right(told_at, (max(times) + self._tolerance, len(self._told)))]

    def _same(self, event: EventTruth, entry: _Json) -> bool:
        """Whether an entry tells this event: kind, session, camera (or still), and time."""
        fields = entry["fields"]
        if fields["kind"] != event.kind or self._session(entry) != event.session_id:
            return False
        if event.camera_id is not UNSET and fields.get("cameraId") != event.camera_id:
            return False
        if event.still_id is not UNSET and _detail(entry).get("stillId") != event.still_id:
            return False
        if event.label is not UNSET and _detail(entry).get("label") != event.label:
            return False
        near = 0 if event.exact else self._tolerance
        return any(abs(fields["at"] - right) <= near for right in (event.at, *event.also))

    def _session(self, entry: _Json) -> str:
        return self._sessions.get(entry["sessionKey"]) or _id_in(entry["sessionKey"])

    def _differ(self, event: EventTruth, entry: _Json) -> None:
        fields, detail = entry["fields"], _detail(entry)
        _compare(self._result, _name(event), (
            ("fromCameraId", event.from_camera_id, fields.get("fromCameraId")),
            ("trigger", event.trigger, fields.get("trigger")),
            ("transition", event.transition, fields.get("transition")),
            ("durationMs", _duration(event, fields), fields.get("durationMs")),
            ("detail.from", event.from_mode, detail.get("from")),
            ("detail.to", event.to_mode, detail.get("to")),
            ("detail.cameraIds", event.camera_ids, detail.get("cameraIds")),
            ("detail.inferred", True if event.inferred else UNSET, detail.get("inferred")),
        ))  # fmt: skip

    def _extra(self, entry: _Json, matched: Iterable[EventTruth]) -> None:
        fields = entry["fields"]
        if self._in_doubt(fields):
            self._result.doubtful += 1
            return
        what = f"{fields['kind']} {fields.get('cameraId', '')} at {fields['at']} ({entry['key']})"
        doubled = any(self._same(event, entry) for event in matched)
        self._result.extra.append((entry, doubled))
        if doubled:
            self._kind(fields["kind"]).doubled += 1
            self._say(f"doubled: {what}")
            return
        self._kind(fields["kind"]).invented += 1
        hidden = any(self._same(event, entry) for event in self._truth.events if not event.carried)
        self._say(f"invented: {what}" + (", which happened where nobody could see it" if hidden else ""))

    def _in_doubt(self, fields: _Json) -> bool:
        """Whether the frames of that moment did not prove what they told."""
        told = fields.get("observedAt", fields["at"])
        return any(fields["kind"] in doubt.kinds and doubt.since <= told <= doubt.until for doubt in self._truth.doubts)

    def _kind(self, kind: str) -> KindScore:
        return self._result.kinds.setdefault(kind, KindScore())

    def _say(self, difference: str) -> None:
        self._result.differences.append(difference)


def _apart(event: EventTruth, milliseconds: float) -> float:
    """How far two times are apart, as finely as they are known."""
    return milliseconds if event.exact else milliseconds // _RECEIVED_MS


def _unlike(event: EventTruth, fields: _Json) -> int:
    """How much of what tells two events of one kind, camera and time apart is not so in the other."""
    detail = fields.get("detail") or {}
    told = (
        (event.to_mode, detail.get("to")),
        (event.from_mode, detail.get("from")),
        (event.trigger, fields.get("trigger")),
        (event.from_camera_id, fields.get("fromCameraId")),
        (event.transition, fields.get("transition")),
        (event.duration_ms if event.kind == "cut" else UNSET, fields.get("durationMs")),
    )
    return sum(want is not UNSET and want != said for want, said in told)


def _name(event: EventTruth) -> str:
    parts = [event.kind]
    parts += [part for part in (event.camera_id, event.still_id) if isinstance(part, str)]
    return f"{' '.join(parts)} at {event.at} in {event.session_id}"


def _duration(event: EventTruth, fields: _Json) -> Any:
    """Whether two durations of a hold are the same, measured by the one clock or the other, which drift."""
    told = fields.get("durationMs")
    if event.kind == "release" and isinstance(event.duration_ms, int) and isinstance(told, int | float):
        return told if abs(told - event.duration_ms) <= 50 else event.duration_ms
    return event.duration_ms


# ---------------------------------------------------------------------------------------------- rows


def _compare(result: Score, what: str, columns: Iterable[tuple[str, Any, Any]]) -> None:
    """Note each column that differs. UNSET is not compared; None has to be absent."""
    for name, want, told in columns:
        if want is not UNSET and want != told:
            result.differences.append(f"wrong: {what}: {name} is {told!r}, should be {want!r}")


def _match(
    result: Score, table: str, wanted: Mapping[Any, Any], told: Iterable[tuple[Any, _Json]], *, in_doubt: bool = False
) -> Iterator[tuple[Any, _Json]]:
    """Pairs the rows of one table by name, and notes those that are missing, doubled or invented."""
    found: dict[Any, _Json] = {}
    for name, row in told:
        if name in found and not in_doubt:
            result.differences.append(f"doubled: {table} {_plain(name)} ({row['key']})")
        elif name not in wanted and not in_doubt:
            result.differences.append(f"invented: {table} {_plain(name)} ({row['key']})")
        found.setdefault(name, row)
    for name, want in wanted.items():
        if want.doubtful:
            continue
        if name in found:
            yield want, found[name]
        else:
            result.differences.append(f"missed: {table} {_plain(name)}")
    result.rows[f"{table} rows"] = len(wanted)


def _doubted(truth: Truth, table: str) -> bool:
    """Whether rows of this table may be there that nothing proves."""
    return any(table in doubt.kinds for doubt in truth.doubts)


def _plain(name: Any) -> str:
    return " ".join(str(part) for part in name) if isinstance(name, tuple) else str(name)


def _sessions(truth: Truth, rows: Mapping[str, list[_Json]], result: Score, tolerance_ms: int) -> None:
    wanted = {session.session_id: session for session in truth.sessions}
    told = ((_session_id(row), row) for row in rows.get("session", ()))
    for session, row in _match(result, "session", wanted, told, in_doubt=_doubted(truth, "session")):
        _session(session, row["fields"], result, 0 if session.exact else tolerance_ms)


def _session(session: SessionTruth, fields: _Json, result: Score, slack: int) -> None:
    what = f"session {session.session_id}"
    completed = fields.get("completedAt")
    _compare(result, what, (
        ("status", session.status, fields.get("status")),
        ("endReason", session.end_reason, fields.get("endReason")),
        ("startedAt", session.started_at, fields.get("startedAt")),
        ("title", session.title, fields.get("title")),
    ))  # fmt: skip
    if session.completed_at is not UNSET:
        low, high = session.completed_at
        if completed is None or not low - slack <= completed <= high + slack:
            result.differences.append(f"wrong: {what}: completedAt is {completed!r}, should be {low} to {high}")
    if session.final_state is UNSET:
        return
    state, final = session.final_state, fields.get("finalState") or {}
    unsure = set(state.cameras_unsure)
    _compare(result, f"final state of {what}", (
        ("programCameraId", state.program_camera_id, final.get("programCameraId")),
        ("hold", state.hold, _held(final.get("hold"))),
        ("mode", state.mode, final.get("mode")),
        ("camerasOnline", state.cameras_online, sorted(set(final.get("camerasOnline", ())) - unsure)),
    ))  # fmt: skip


def _held(hold: Any) -> bool:
    return bool(hold.get("active", True)) if isinstance(hold, Mapping) else bool(hold)


def _cameras(truth: Truth, rows: Mapping[str, list[_Json]], sessions: Mapping[str, str], result: Score) -> None:
    wanted = {(camera.session_id, camera.camera_id): camera for camera in truth.cameras}
    told = ((_named(row, sessions), row) for row in rows.get("camera", ()))
    for camera, row in _match(result, "camera", wanted, told, in_doubt=_doubted(truth, "camera")):
        _camera(camera, row["fields"], result)


def _named(row: _Json, sessions: Mapping[str, str]) -> tuple[str, str]:
    return sessions.get(row["sessionKey"]) or _id_in(row["sessionKey"]), row["fields"].get("cameraId")


def _camera(camera: CameraTruth, fields: _Json, result: Score) -> None:
    placement = fields.get("placement")
    _compare(result, f"camera {camera.camera_id} in {camera.session_id}", (
        ("name", camera.name, fields.get("name")),
        ("role", camera.role, fields.get("role")),
        ("device", camera.device, fields.get("device")),
        ("lens", camera.lens, fields.get("lens")),
        ("placement.label", camera.place, placement.get("label") if isinstance(placement, Mapping) else None),
        ("status", camera.status, fields.get("status")),
        ("leftAt", camera.left_at, fields.get("leftAt")),
    ))  # fmt: skip


def _stills(
    truth: Truth, rows: Mapping[str, list[_Json]], sessions: Mapping[str, str], result: Score, tolerance_ms: int
) -> None:
    nameless = {
        (still.session_id, still.camera_id, still.captured_at) for still in truth.stills if still.still_id is None
    }
    names = {_still_name(still) for still in truth.stills}

    def named(row: _Json) -> Any:
        """A still without an id goes by camera and time, whatever its row calls it."""
        by_name = (*_named(row, sessions), row["fields"].get("stillId"))
        by_time = (*_named(row, sessions), row["fields"].get("capturedAt"))
        return by_time if by_time in nameless and by_name not in names else by_name

    told = _numbered((named(row), row) for row in sorted(rows.get("still", ()), key=_take))
    wanted = dict(_numbered((_still_name(still), still) for still in truth.stills))
    for still, row in _match(result, "still", wanted, told, in_doubt=_doubted(truth, "still")):
        _still(still, row["fields"], result, 0 if still.exact else tolerance_ms)


def _numbered(named: Iterable[tuple[Any, T]]) -> Iterator[tuple[Any, T]]:
    """Stills may share an id, one after another: the second of a name is the second."""
    counts: dict[Any, int] = defaultdict(int)
    for name, what in named:
        counts[name] += 1
        yield (*name, *([f"/{counts[name]}"] if counts[name] > 1 else [])), what


def _take(row: _Json) -> tuple[int, str]:
    """The order of stills that share an id: keys of later ones end in a number. Times may be of a clock set back."""
    return len(row["key"]), row["key"]


def _still_name(still: StillTruth) -> Any:
    return still.session_id, still.camera_id, still.captured_at if still.still_id is None else still.still_id


def _still(still: StillTruth, fields: _Json, result: Score, slack: int) -> None:
    captured, told = still.captured_at, fields.get("capturedAt")
    if isinstance(captured, int) and told is not None and abs(told - captured) <= slack:
        captured = told
    _compare(result, f"still {still.still_id} of {still.camera_id}", (
        ("status", still.status, fields.get("status")),
        ("capturedAt", captured, told),
        ("storageKey", still.storage_key, fields.get("storageKey")),
        ("sha256", still.sha256, fields.get("sha256")),
        ("programCameraId", still.program_camera_id, fields.get("programCameraId")),
    ))  # fmt: skip
