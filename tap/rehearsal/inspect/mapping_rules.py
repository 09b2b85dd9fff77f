"""The rules of a drafted mapping: what each event says, and where."""

from __future__ import annotations

from typing import Any

from tap.rehearsal.inspect import vocabulary
from tap.rehearsal.inspect.event_roles import EventRole, still_ids
from tap.rehearsal.inspect.explanations import Explanations
from tap.rehearsal.inspect.field_guesses import as_told, best, doubt_of, doubt_of_none, find_seq, find_time
from tap.rehearsal.inspect.mapping_file import Draft
from tap.rehearsal.inspect.paths import nearly, tokens
from tap.rehearsal.inspect.state_roles import Guess, StateRoles, none_words, refers
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Survey

__all__ = ["SURE", "RuleWriter"]

SURE = 0.75
"""A guess that is less sure than this gets a remark."""
_CLEAR = 2
"""How often a state has to show something before it counts as clear."""
_MODE_WORDS = "idle, rehearsal, photoshoot, performance or ghost"
_SECONDS = frozenset({"s", "sec", "secs", "seconds"})
_MILLIS = frozenset({"ms", "millis", "milliseconds"})
_SECONDS_BELOW = 60
_NO_CAMERA = "it has no camera's id"
_MEANINGS = {"trigger": vocabulary.TRIGGERS, "transition": vocabulary.TRANSITIONS}
_MORE = {
    "still_requested": ("by",),
    "still_captured": ("taken_at", "width", "height"),
    "still_uploaded": ("url", "sha256", "bytes", "storage_key"),
    "still_failed": ("reason",),
}


class RuleWriter:
    """Writes rules into a draft."""

    def __init__(self, draft: Draft, survey: Survey, roles: StateRoles | None, witness: Explanations | None) -> None:
        self._draft = draft
        self._survey = survey
        self._roles = roles
        self._witness = witness
        self._ids: frozenset[str] = frozenset() if roles is None else roles.ids
        self._nones = frozenset() if roles is None else _none_of_program(survey, roles, self._ids)
        envelope = survey.envelope
        own = {envelope.type, *(stats.path for stats in (find_time(survey), find_seq(survey)) if stats is not None)}
        self._own = {path.removeprefix(f"{envelope.body}.") for path in own if path is not None}

    def when(self, kind: str, more: dict[str, Any] | None = None) -> None:
        own: dict[str, Any] = {kind: "*"} if self._survey.envelope.type is None else {"type": kind}
        every = {**own, **(more or {})}
        if len(every) == 1:
            ((name, value),) = every.items()
            self._draft.put(f"when.{name}" if name.isidentifier() else "when", value if name.isidentifier() else every)
        else:
            self._draft.put("when", every)

    def mode(self, kind: KindStats, name: str, guess: Guess | None) -> None:
        if guess is None:
            return
        stats = kind.fields[guess.path]
        if stats.is_of("number"):
            values = {value: f"mode-{value}" for value in sorted(stats.values)}
            doubt = f"the modes are numbers: give each its word ({_MODE_WORDS})"
            self._draft.put(name, {"from": [guess.path], "values": values}, doubt)
        else:
            self._draft.put(name, [guess.path], doubt_of(guess))

    def reference(self, kind: KindStats, stats: FieldStats) -> Any:
        """The id of a camera, with the ways in which the server says that there is none."""
        outer = stats.path.rpartition(".")[0]
        around = kind.fields.get(outer)
        paths = [outer, stats.path] if around is not None and around.nulls else [stats.path]
        none = none_words(stats, self._ids)
        return {"from": paths, "none": [as_told(word, stats) for word in none]} if none else paths

    def named(self, inside: dict[str, FieldStats], fields: tuple[str, ...], taken: set[str]) -> set[str]:
        """The fields of these names, each with what its name and nature go with best."""
        for name in fields:
            path = best(inside, name, taken)
            if path is not None:
                taken.add(path)
                self._draft.put(name, [path], inside[path].mixed)
        return taken

    # ------------------------------------------------------------------ events

    def rule(self, role: EventRole) -> None:
        """The rule of an event."""
        draft, kind = self._draft, self._survey.kinds[role.kind]
        draft.table("[[rule]]")
        if role.sure < SURE:
            draft.doubt(f"taken for '{role.emit}' {role.why}")
        split = role.split
        more = None if split is None else {split.path: as_told(split.value, kind.fields[split.path])}
        self.when(role.kind, more)
        draft.put("emit", role.emit)
        match role.emit:
            case "hello":
                self.named(self._inside(kind), ("server", "version", "boot"), taken=set())
            case "session_started" | "session_updated" | "session_ended":
                self._session_event(kind, role)
            case "camera_joined" | "camera_updated" | "camera_left":
                self._camera_event(kind, role)
            case "cut":
                self._cut(kind, role)
            case "hold" | "release":
                self._held(kind, role)
            case "mode_changed":
                self._moded(kind)
            case "music_moment":
                self._music(kind)
            case _:
                self._still(kind, role)

    def _told_at(self, kind: KindStats, emit: str) -> str | None:
        """Where an event says what the state showed after it."""
        if self._witness is None:
            return None
        places = {
            path: n for (name, change, path), n in self._witness.told.items() if (name, change) == (kind.name, emit)
        }
        return max(places, key=lambda path: (places[path], -len(path)), default=None)

    def _refs(self, kind: KindStats, emit: str = "") -> list[FieldStats]:
        """The fields that hold the id of one camera, the likeliest first."""
        found = [s for s in kind.fields.values() if "[" not in s.path and "{" not in s.path and self._is_ref(s)]
        first = self._told_at(kind, emit)
        return sorted(
            found, key=lambda s: (s.path != first, not vocabulary.says(s.path, vocabulary.CAMERA), s.path.count("."))
        )

    def _is_ref(self, stats: FieldStats) -> bool:
        if not refers(stats, self._ids, least=0.5):
            return False
        # Small numbers are ids in name only, unless they stand where ids do.
        short = all(len(value) <= 2 for value in self._ids)
        leaf = "" if self._roles is None else self._roles.camera_id.rpartition(".")[2]
        return (
            not short
            or stats.leaf == leaf
            or vocabulary.says(stats.path, vocabulary.CAMERA | vocabulary.PROGRAM | {"to", "from", "was"})
        )

    def _doubt_of(self, stats: FieldStats) -> str | None:
        """Why a field that is taken for a camera's id may be something else."""
        if refers(stats, self._ids):
            return stats.mixed
        return f"{stats.path} is not always a camera's id"

    def _sure(self, refs: list[FieldStats]) -> set[str]:
        """The paths that are taken: those of fields that are surely ids, and of the one that was chosen."""
        return {stats.path for stats in refs if stats is refs[0] or refers(stats, self._ids)}

    def _inside(self, kind: KindStats) -> dict[str, FieldStats]:
        """The fields by which an event says more, those aside that every frame has: its type, time and number."""
        return {
            path: s for path, s in kind.fields.items() if path not in self._own and "[" not in path and "{" not in path
        }

    def _session_event(self, kind: KindStats, role: EventRole) -> None:
        draft, roles = self._draft, self._roles
        known: frozenset[str] = frozenset() if roles is None else roles.session_values
        found = [path for path, stats in kind.fields.items() if known & stats.values.keys()]
        if role.emit == "session_ended":
            if found:
                draft.put("session_id", found[:1])
            self.named(self._inside(kind), ("reason",), taken=set(found))
            return
        leaf = "" if roles is None else roles.session_id
        whole = next((path for path in found if leaf and (path == leaf or path.endswith(f".{leaf}"))), None)
        place = whole[: -len(leaf)].rstrip(".") or "." if whole else found[0] if found else "."
        draft.put("session", [place], None if found else "it has no session id")

    def _camera_event(self, kind: KindStats, role: EventRole) -> None:
        refs = self._refs(kind, role.emit or "")
        draft = self._draft
        if role.emit == "camera_left":
            self._camera_id(refs)
            self.named(self._inside(kind), ("reason",), taken=self._sure(refs))
            return
        roles = self._roles
        path = refs[0].path if refs else ""
        leaf = "" if roles is None else roles.camera_id
        whole = bool(leaf) and (path == leaf or path.endswith(f".{leaf}"))
        place = (path[: -len(leaf)].rstrip(".") or ".") if whole else path or "."
        draft.put("camera", [place], self._doubt_of(refs[0]) if refs else _NO_CAMERA)

    def _camera_id(self, refs: list[FieldStats]) -> None:
        self._draft.put(
            "camera_id", [refs[0].path] if refs else ["id"], self._doubt_of(refs[0]) if refs else _NO_CAMERA
        )

    def _cut(self, kind: KindStats, role: EventRole) -> None:
        draft, refs = self._draft, self._refs(kind, role.emit or "")
        taken: set[str] = set()
        if not refs:
            draft.put("to", ["to"], _NO_CAMERA)
        else:
            to, doubt = self._goes_to(kind, refs)
            self._put_reference("to", kind, to, doubt)
            taken.add(to.path)
            was = self._was(kind, [s for s in refs if s is not to])
            if was is not None:
                self._put_reference("from", kind, was, doubt)
                taken.add(was.path)
        inside = self._inside(kind)
        self._own_id(kind, "cut_id", taken)
        self._meaning(inside, "trigger", taken)
        self._meaning(inside, "transition", taken)
        self._duration(inside, taken)

    def _goes_to(self, kind: KindStats, refs: list[FieldStats]) -> tuple[FieldStats, str | None]:
        """Of the cameras that a cut names the one that it goes to, and why that may be the other way round.

        By what the states show afterwards; where they do not tell it clearly, by the names.
        """
        told = {s.path: self._told(kind, "cut", s.path) for s in refs}
        first, *others = sorted(refs, key=lambda s: -told[s.path])
        second = max((told[s.path] for s in others), default=0)
        if told[first.path] >= _CLEAR and told[first.path] > 3 * second:
            named = vocabulary.says(first.path, vocabulary.FIELDS["from"]) and others
            return first, "the states show it on air afterwards, though its name says otherwise" if named else None
        to = next((s for s in refs if not vocabulary.says(s.path, vocabulary.FIELDS["from"])), refs[0])
        if not others:
            return to, None  # there is nothing to take it for instead
        shown = f"{told[to.path]} of the cuts were followed by a state that shows it on air"
        return to, f"it could be {' or '.join(s.path for s in refs if s is not to)} as well: {shown}"

    def _told(self, kind: KindStats, change: str, path: str) -> int:
        return 0 if self._witness is None else self._witness.told[kind.name, change, path]

    def _put_reference(self, name: str, kind: KindStats, stats: FieldStats, doubt: str | None) -> None:
        """A camera's id, and its words for none, where they are the state's too or came more than once."""
        strange = [word for word in none_words(stats, self._ids) if word not in self._nones]
        doubt = doubt or doubt_of_none(strange, stats) or self._doubt_of(stats)
        self._draft.put(name, self.reference(kind, stats), doubt)

    def _was(self, kind: KindStats, refs: list[FieldStats]) -> FieldStats | None:
        if not refs:
            return None
        told = {} if self._witness is None else self._witness.was
        return max(
            refs,
            key=lambda s: (told[kind.name, s.path] if told else 0, vocabulary.says(s.path, vocabulary.FIELDS["from"])),
        )

    def _own_id(self, kind: KindStats, name: str, taken: set[str]) -> None:
        """An id of the event's own: another each time."""
        for path, stats in self._inside(kind).items():
            named = bool(vocabulary.says(stats.leaf, vocabulary.IDS[:-2])) or stats.leaf.lower().endswith("id")
            own = stats.is_mostly_scalar and not stats.is_time and not self._is_ref(stats)
            own = own and 2 * stats.wordy <= stats.said
            once = stats.many or len(stats.values) >= 0.7 * stats.scalars
            if path not in taken and named and own and once:
                self._draft.put(name, [path], stats.mixed)
                taken.add(path)
                return

    def _meaning(self, inside: dict[str, FieldStats], name: str, taken: set[str]) -> None:
        """A field with a few words, of which each stands for one of ours."""
        fit = {p: s for p, s in inside.items() if s.is_mostly_scalar and not s.many and len(s.values) <= 12}
        fit = {p: s for p, s in fit.items() if not s.fraction}
        path = best(fit, name, taken)
        if path is None:
            return
        taken.add(path)
        meanings = _MEANINGS[name]
        known = {value: vocabulary.meant(value, meanings) for value in sorted(fit[path].values)}
        doubt = f"say which of {', '.join(meanings)} each stands for ('' means none)"
        if all(value == ours for value, ours in known.items()):
            self._draft.put(name, [path])
        else:
            values = {value: ours or "" for value, ours in known.items()}
            self._draft.put(name, {"from": [path], "values": values}, None if all(values.values()) else doubt)

    def _duration(self, inside: dict[str, FieldStats], taken: set[str]) -> None:
        fit = {p: s for p, s in inside.items() if s.is_mostly("number") and not s.is_time and not s.is_flag}
        path = best(fit, "duration_ms", taken)
        if path is None:
            return
        taken.add(path)
        low, high = fit[path].low or 0, fit[path].high or 0
        named = tokens(fit[path].leaf) & (_SECONDS | _MILLIS)
        seconds = bool(named & _SECONDS) if named else high < _SECONDS_BELOW
        doubt = None if named else f"by its size ({low:g} to {high:g}) it is in {'seconds' if seconds else 'ms'}"
        self._draft.put("duration_ms", {"from": [path], "unit": "s"} if seconds else [path], doubt)

    def _held(self, kind: KindStats, role: EventRole) -> None:
        refs = self._refs(kind)
        taken = self._sure(refs)
        if refs and role.emit == "hold":
            self._camera_id(refs)
        self.named(self._inside(kind), ("by", "reason") if role.emit == "hold" else ("by",), taken=taken)

    def _moded(self, kind: KindStats) -> None:
        roles = self._roles
        to = self._told_at(kind, "mode_changed")
        path = to or best({p: s for p, s in self._inside(kind).items() if s.is_scalar and not s.is_time}, "mode", set())
        if path is None or path not in kind.fields:
            self._draft.put("to", ["to"], "no state showed what it says")
            return
        known = None if roles is None or roles.mode is None else self._survey.kinds[roles.kind].fields[roles.mode.path]
        others = (
            [] if known is None else [s for p, s in self._inside(kind).items() if p != path and _holds(s, known) >= 0.5]
        )
        rival = next(
            (
                s
                for s in others
                if 3 * self._told(kind, "mode_changed", s.path) >= self._told(kind, "mode_changed", path)
            ),
            None,
        )
        doubt = None if rival is None else f"it could be {rival.path} as well: few states showed which"
        self.mode(kind, "to", _guess(kind.fields[path], known, doubt))
        was = next((s for s in others if vocabulary.says(s.path, vocabulary.FIELDS["from"])), None)
        if was is not None:
            self.mode(kind, "from", _guess(was, known, doubt))

    def _still(self, kind: KindStats, role: EventRole) -> None:
        draft, refs = self._draft, self._refs(kind)
        ids = still_ids(self._survey, kind, self._ids)
        taken = self._sure(refs) | {stats.path for stats in ids}
        if ids:
            draft.put("still_id", [ids[0].path], ids[0].mixed if len(ids) == 1 else f"or {ids[1].path}")
        if role.emit == "still_requested":
            lists = [s.path[:-2] for s in kind.fields.values() if s.path.endswith("[]") and refers(s, self._ids)]
            draft.put("camera_ids", lists[:1]) if lists else None
        else:
            self._camera_id(refs)
        self.named(self._inside(kind), _MORE.get(role.emit or "", ()), taken=taken)

    def _music(self, kind: KindStats) -> None:
        taken: set[str] = set()
        self._own_id(kind, "moment_id", taken)
        self.named(self._inside(kind), ("kind", "confidence", "at"), taken=taken)


def _holds(stats: FieldStats, known: FieldStats) -> float:
    """The share of what a field says that the other says too."""
    return stats.told(*known.values) / stats.said if stats.said else 0.0


def _guess(stats: FieldStats, known: FieldStats | None, doubt: str | None) -> Guess:
    """A field that is taken for a mode."""
    if doubt is None and known is not None and not nearly(stats.told(*known.values), stats.said):
        doubt = "it says modes that no state showed"
    return Guess(stats.path, 1.0 if doubt is None else 0.5, doubt or "")


def _none_of_program(survey: Survey, roles: StateRoles, ids: frozenset[str]) -> frozenset[str]:
    """The words by which the state says that nothing is on air."""
    stats = None if roles.program is None else survey.kinds[roles.kind].fields.get(roles.program.path)
    return frozenset() if stats is None else frozenset(none_words(stats, ids))
