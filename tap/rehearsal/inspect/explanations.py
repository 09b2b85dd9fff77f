"""Explanations of changes: a state that differs from the one before, and the frames in between that said why.

That is how an event is known for what it is, whatever it is called: after each of them the state shows what it said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from msgspec import UNSET

from tap.core.mapping.paths import at, parse_path
from tap.core.mapping.values import label
from tap.rehearsal.inspect.envelope import Envelope, SaidObject
from tap.rehearsal.inspect.paths import Container, walk
from tap.rehearsal.inspect.state_roles import StateRoles

__all__ = ["Explanations"]

_MOST_PENDING = 64
_MOST_TURNS = 400
_MOST_FIELDS = 60


class Explanations:
    """Goes through the objects again, once the state is known: ``feed`` them in order, each with its connection."""

    def __init__(self, envelope: Envelope, roles: StateRoles) -> None:
        self.changes: Counter[str] = Counter()
        """How often the state changed so: ``cut``, ``hold``, ``session_started`` …"""
        self.explained: Counter[tuple[str, str]] = Counter()
        """(type, change): how often this type came before this change, saying what it brought."""
        self.told: Counter[tuple[str, str, str]] = Counter()
        """(type, change, path): where it said so."""
        self.was: Counter[tuple[str, str]] = Counter()
        """(type, path): where a cut said what was on before."""
        self.programs: Counter[str] = Counter()
        """For each field that could be the program: how often it then showed what an event had said."""
        self.program_changes: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        """How often each type came where a later state could have shown what it said."""
        self.turns: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
        """For each type: (change, its small fields), to find what tells two changes apart."""
        self._maps = envelope.maps
        self._roles = roles
        self._pending: list[tuple[str, dict[str, str]]] = []
        self._last: dict[str, Any] | None = None
        self._programs: dict[str, str | None] = {}
        self._connection = -1

    def feed(self, said: SaidObject, connection: int) -> None:
        """The next object."""
        if connection != self._connection:
            self._connection, self._last = connection, None
            self._pending.clear()
        if said.kind == self._roles.kind:
            self._state(said.body)
        elif self._last is not None and len(self._pending) < _MOST_PENDING:
            self._pending.append((said.kind, self._scalars(said)))

    def _scalars(self, said: SaidObject) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, value in walk(said.body, self._maps):
            if len(found) >= _MOST_FIELDS:
                break
            if value is not None and not isinstance(value, Container) and "[" not in path:
                found[path] = label(value)
        return found

    # ------------------------------------------------------------------ states

    def _state(self, body: dict[str, Any]) -> None:
        now = self._aspects(body)
        if self._last is not None:
            # What a state does not say at all stands as it stood.
            now |= {name: self._last[name] for name in ("cameras", "hold") if now[name] is None}
        before, self._last = self._last, now
        pending, self._pending = self._pending, []
        if before is None:
            self._programs = now["programs"]
            return
        self.seen.update(kind for kind, _ in pending)
        for path, value in now["programs"].items():
            if value is not None and value != self._programs.get(path):
                self.program_changes[path] += 1
                self.programs[path] += any(value in fields.values() for _, fields in pending)
        self._programs = now["programs"]
        for change, new, old in _differences(before, now):
            self.changes[change] += 1
            for kind in sorted({kind for kind, _ in pending}):
                self._explain(kind, [fields for name, fields in pending if name == kind], change, new, old)

    def _explain(self, kind: str, told: list[dict[str, str]], change: str, new: str | None, old: str | None) -> None:
        fits = [fields for fields in told if new is None or new in fields.values()]
        if not fits:
            return
        fields = fits[-1]
        self.explained[kind, change] += 1
        for path, value in fields.items():
            if new is not None and value == new:
                self.told[kind, change, path] += 1
            elif change in {"cut", "mode_changed"} and old is not None and value == old:
                self.was[kind, path] += 1
        if len(self.turns[kind]) < _MOST_TURNS:
            self.turns[kind].append((change, fields))

    def _aspects(self, body: dict[str, Any]) -> dict[str, Any]:
        roles = self._roles
        session = _value(body, roles.session.path) if roles.session is not None else UNSET
        ident = session.get(roles.session_id) if isinstance(session, dict) else session
        told = label(ident)
        return {
            "programs": {guess.path: _scalar(body, guess.path) for guess in roles.programs},
            "program": _scalar(body, roles.program.path) if roles.program is not None else None,
            "mode": _scalar(body, roles.mode.path) if roles.mode is not None else None,
            "hold": self._held(body),
            "session": told if told in roles.session_values else None,
            "about": repr(session) if isinstance(session, dict) else None,
            "cameras": self._cameras(body),
        }

    def _held(self, body: dict[str, Any]) -> bool | None:
        roles = self._roles
        if roles.hold is None:
            return None
        path = roles.hold.path + (f".{roles.hold_flag}" if roles.hold_flag else "")
        value = _value(body, path)
        return None if value is UNSET else label(value) in {"true", "1"}

    def _cameras(self, body: dict[str, Any]) -> dict[str, str] | None:
        """Each camera that is there, and all that is said of it but what changes all the time; None without a list."""
        roles = self._roles
        listed = _value(body, roles.cameras.path)
        if not isinstance(listed, (dict, list)):
            return None
        pairs = listed.items() if isinstance(listed, dict) else ((None, item) for item in listed)
        online = roles.camera_fields.get("online")
        about = [guess.path for name, guess in roles.camera_fields.items() if name != "online"]
        found = {}
        for key, item in pairs:
            if not isinstance(item, dict):
                continue
            ident = key if roles.keyed else label(_value(item, roles.camera_id))
            away = online is not None and label(_value(item, online.path)) in {"false", "0"}
            if ident and not away:
                found[ident] = repr([_value(item, path) for path in about])
        return found


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """(change, what an event that tells it must say, what was before)."""
    found: list[tuple[str, str | None, str | None]] = []
    if now["program"] is not None and now["program"] != before["program"]:
        found.append(("cut", now["program"], before["program"]))
    if now["mode"] is not None and now["mode"] != before["mode"]:
        found.append(("mode_changed", now["mode"], before["mode"]))
    if now["hold"] != before["hold"] and before["hold"] is not None:
        found.append(("hold" if now["hold"] else "release", None, None))
    if now["session"] != before["session"]:
        if before["session"] is not None:
            found.append(("session_ended", None, None))
        if now["session"] is not None:
            found.append(("session_started", now["session"], None))
    elif now["about"] != before["about"] and now["session"] is not None:
        found.append(("session_updated", now["session"], None))
    there, were = now["cameras"] or {}, before["cameras"] or {}
    for ident in sorted(there.keys() | were.keys()):
        if ident not in were:
            found.append(("camera_joined", ident, None))
        elif ident not in there:
            found.append(("camera_left", ident, None))
        elif there[ident] != were[ident]:
            found.append(("camera_updated", ident, None))
    return found


def _value(body: dict[str, Any], path: str) -> Any:
    return at(body, parse_path(path) or ())


def _scalar(body: dict[str, Any], path: str) -> str | None:
    value = _value(body, path)
    return (label(value) or None) if isinstance(value, (str, int, float, bool)) else None
