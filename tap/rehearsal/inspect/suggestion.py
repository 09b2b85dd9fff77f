"""A draft of a mapping file. It loads as it is; each doubtful line has a remark that says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tap.rehearsal.inspect import vocabulary
from tap.rehearsal.inspect.analysis import Analysis
from tap.rehearsal.inspect.envelope import Envelope
from tap.rehearsal.inspect.field_guesses import as_told, below, doubt_of, doubt_of_none, find_time
from tap.rehearsal.inspect.mapping_file import Draft
from tap.rehearsal.inspect.mapping_rules import SURE, RuleWriter
from tap.rehearsal.inspect.state_roles import Guess, StateRoles, none_words
from tap.rehearsal.inspect.survey import FieldStats, KindStats, Survey

__all__ = ["Suggestion", "suggest", "wraps_of"]


class Suggestion(NamedTuple):
    """The drafted file, how many of its lines are doubtful, and how many odd frames were ignored."""

    text: str
    doubts: int
    left_out: int = 0


def wraps_of(envelope: Envelope) -> Iterator[tuple[str, Any]]:
    """The settings of [frame] that say what stands around the objects."""
    wraps = envelope.wraps
    if wraps.json_text:
        yield "json_text", True
    if wraps.array:
        yield "array", list(wraps.array)
    if wraps.several:
        yield "several", True
    if wraps.prefix:
        yield "prefix", wraps.prefix


def suggest(found: Analysis, *, name: str) -> Suggestion:
    """Draft a mapping file. ``name`` is what it calls itself."""
    assert found.survey is not None  # noqa: S101 - an analysis that was made has one
    return _Suggester(found, found.survey).file(name)


class _Suggester:
    def __init__(self, found: Analysis, survey: Survey) -> None:
        self._found = found
        self._survey = survey
        self._envelope: Envelope = survey.envelope
        self._roles: StateRoles | None = found.roles
        self._events = found.events
        self._draft = Draft()
        self._rules = RuleWriter(self._draft, survey, found.roles, found.witness)

    def file(self, name: str) -> Suggestion:
        draft = self._draft
        draft.remark(f"Drafted by 'multicam-tap inspect --suggest' from {self._found.source}.")
        draft.remark(
            "A line below 'doubtful' is a guess: look at the samples, correct or delete it, and delete the remark."
        )
        draft.blank()
        draft.put("dialect", name)
        draft.put("language", 1)
        self._frame()
        self._shapes()
        for role in self._events:
            if role.emit == "hello":
                self._rules.rule(role)
        self._snapshot()
        order = list(vocabulary.EVENTS)
        for role in sorted(self._events, key=lambda role: order.index(role.emit) if role.emit in order else -1):
            if role.emit not in {None, "hello", "quiet", "ignore"}:
                self._rules.rule(role)
        self._untyped_rest()
        if "[[rule]]" not in draft.lines:
            self._no_rule()
        return Suggestion(draft.text(), draft.doubts, sum(odd.count for odd in self._found.odd))

    def _no_rule(self) -> None:
        """Write a rule to begin with, if there is none: a mapping without a rule does not load."""
        self._draft.table("[[rule]]")
        self._draft.doubt("nothing usable was found; this rule is a beginning (docs/dialects.md)")
        self._draft.put("when", {"type": "the type of a frame"})
        self._draft.put("emit", "nothing")

    # ------------------------------------------------------------------ [frame]

    def _frame(self) -> None:
        draft, envelope = self._draft, self._envelope
        draft.table("[frame]")
        typed = [] if envelope.type is None else [envelope.type]
        doubt = None if envelope.type is None or envelope.sure >= SURE else "the other fields of a frame depend on it"
        draft.put("type", typed, doubt)
        if envelope.body is not None:
            draft.put("body", [envelope.body])
        if envelope.batch is not None:
            draft.put("batch", [envelope.batch])
        for setting, value in wraps_of(envelope):
            draft.put(setting, value)
        time = find_time(self._survey)
        if time is None:
            draft.put("time", [], "no field looks like the time of every frame: the tap's own clock is used")
        else:
            unit = {"unit": time.unit} if time.unit in {"us", "ns"} else {}
            path = [time.path]
            draft.put("time", {"from": path, **unit} if unit else path)
        if self._found.seq is not None:
            draft.put("seq", [self._found.seq.path])
            orders = self._found.numbering.fits
            doubt = "the numbers start again, or go back, on one connection" if orders in {None, "nothing"} else None
            draft.put("seq_orders", orders or "nothing", doubt)
        self._session_policy()
        if envelope.type is not None:
            self._lists()

    def _session_policy(self) -> None:
        told = self._roles is not None and self._roles.session is not None
        if told or any(role.emit == "session_started" for role in self._events):
            return
        self._draft.put(
            "session_by", "program", "nothing looks like a session: the first cut begins one (or 'mode', or 'record')"
        )

    def _lists(self) -> None:
        draft = self._draft
        ignored = [role for role in self._events if role.emit == "ignore"]
        quiet = [role for role in self._events if role.emit == "quiet"]
        unknown = [role for role in self._events if role.emit is None]
        unsure = [role.kind for role in ignored if role.sure < SURE]
        if unsure:
            draft.doubt(f"{', '.join(unsure)}: big and often, and no state ever showed anything of it")
        draft.words("ignore", sorted(role.kind for role in ignored))
        if unknown:
            draft.doubt(
                f"nobody knows what {', '.join(role.kind or 'frames without a type' for role in unknown)} may mean"
            )
        draft.words("quiet", sorted(role.kind for role in (*quiet, *unknown) if role.kind))

    # ------------------------------------------------------------------ [session], [camera], [hold]

    def _shapes(self) -> None:
        roles, draft = self._roles, self._draft
        if roles is None:
            draft.blank()
            draft.doubt("no frame lists cameras with ids, so none was taken for the server's state")
            return
        kind = self._survey.kinds[roles.kind]
        if roles.session is not None and roles.session_id:
            draft.table("[session]")
            draft.put("id", [roles.session_id])
            inside = below(kind, roles.session.path)
            self._rules.named(inside, ("title", "notes", "started_at"), taken={roles.session_id})
        draft.table("[camera]")
        if not roles.keyed:
            draft.put("id", [roles.camera_id])
        for name, guess in roles.camera_fields.items():
            flags = kind.fields[f"{roles.items}.{guess.path}"]
            self._put_flag(name, guess, flags) if name == "online" else draft.put(name, [guess.path], doubt_of(guess))
        if roles.hold is not None and roles.hold_flag:
            draft.table("[hold]")
            flag = kind.fields[f"{roles.hold.path}.{roles.hold_flag}"]
            self._put_flag("active", Guess(roles.hold_flag, 1.0, ""), flag)
            self._rules.named(below(kind, roles.hold.path), ("by",), taken={roles.hold_flag})

    def _put_flag(self, name: str, guess: Guess, stats: FieldStats) -> None:
        numbers = stats.is_of("number")
        spec: Any = {"from": [guess.path], "values": {"1": True, "0": False}} if numbers else [guess.path]
        self._draft.put(name, spec, doubt_of(guess))

    # ------------------------------------------------------------------ the state

    def _snapshot(self) -> None:
        roles, draft = self._roles, self._draft
        if roles is None:
            return
        kind = self._survey.kinds[roles.kind]
        draft.table("[[rule]]")
        self._rules.when(roles.kind)
        draft.put("emit", "snapshot")
        self._rules.mode(kind, "mode", roles.mode)
        self._session(kind, roles)
        self._program(kind, roles)
        if roles.hold is not None:
            stats = kind.fields.get(roles.hold.path)
            if roles.hold_flag or stats is None:
                draft.put("hold", [roles.hold.path], doubt_of(roles.hold))
            else:
                self._put_flag("hold", roles.hold, stats)
        draft.put("cameras", [roles.cameras.path], doubt_of(roles.cameras))

    def _session(self, kind: KindStats, roles: StateRoles) -> None:
        guess = roles.session
        if guess is None:
            return
        stats = kind.fields[guess.path]
        more: dict[str, Any] = {}
        none = none_words(stats)
        if none:
            more["none"] = [as_told(word, stats) for word in none]
        away = kind.usual - stats.objects
        if away:
            more["missing"] = "none"
        doubt = doubt_of(guess) or doubt_of_none(none, stats)
        if doubt is None and away == 1:
            doubt = "it was missing only once, which is taken for none"
        self._draft.put("session", {"from": [guess.path], **more} if more else [guess.path], doubt)

    def _program(self, kind: KindStats, roles: StateRoles) -> None:
        guess = roles.program
        if guess is None:
            return
        stats = kind.fields.get(guess.path)
        rivals = [other.path for other in roles.programs if other is not guess and other.sure >= 0.4]
        doubt = doubt_of(guess)
        if doubt is not None and rivals:
            doubt = f"it could be {' or '.join(rivals)} as well"
        if doubt is None and stats is not None:
            doubt = doubt_of_none(none_words(stats, roles.ids), stats)
        self._draft.put("program", [guess.path] if stats is None else self._rules.reference(kind, stats), doubt)

    # ------------------------------------------------------------------ without a type

    def _untyped_rest(self) -> None:
        if self._envelope.type is not None:
            return
        for role in self._events:
            if role.emit in {None, "quiet", "ignore"} and role.kind in self._envelope.keys:
                self._draft.table("[[rule]]")
                if role.emit is None or role.sure < 0.6:
                    self._draft.doubt(role.why)
                self._rules.when(role.kind)
                self._draft.put("emit", "nothing")
