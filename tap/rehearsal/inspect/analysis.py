"""Analysis of a tape in three passes: how frames are wrapped, how fields behave, which frames explain which changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from tap.adapters.tape import read_tapes
from tap.core import redact
from tap.core.codec import parse_id
from tap.core.errors import TapError
from tap.core.mapping import Dialect
from tap.core.mapping.dialect import binary_reason
from tap.core.mapping.numbering import Numbering
from tap.core.mapping.paths import at, parse_path
from tap.core.mapping.wraps import Wraps
from tap.core.model import Frame, SourceItem
from tap.rehearsal.inspect.census import Census
from tap.rehearsal.inspect.envelope import Envelope, find_envelope
from tap.rehearsal.inspect.event_roles import EventRole, find_events
from tap.rehearsal.inspect.explanations import Explanations
from tap.rehearsal.inspect.field_guesses import boot_path, find_seq
from tap.rehearsal.inspect.state_roles import StateRoles, find_state
from tap.rehearsal.inspect.survey import FieldStats, Odd, Survey
from tap.rehearsal.inspect.wrapping import find_wraps

__all__ = ["Analysis", "analyse"]

_SAMPLE_FRAMES = 3_000
_SAMPLE_BYTES = 32 * 2**20
_CHOSEN_BY_BEHAVIOUR = 3
_AS_GOOD_AS_ALL = 0.85


class Analysis(Struct):
    """What was found on a tape."""

    source: str
    frames: int = 0
    binary: int = 0
    """Binary frames, which cannot be read."""
    unreadable: int = 0
    """Text that is not JSON."""
    why: Counter[str] = field(default_factory=Counter)
    """Reasons why frames could not be read, each with how many."""
    connections: int = 0
    seconds: float = 0.0
    bytes: int = 0
    envelope: Envelope = field(default_factory=Envelope)
    census: Census | None = None
    survey: Survey | None = None
    roles: StateRoles | None = None
    witness: Explanations | None = None
    events: list[EventRole] = field(default_factory=list)
    seq: FieldStats | None = None
    """The field that numbers the frames."""
    numbering: Numbering = field(default_factory=Numbering)
    """What these numbers count: frames of a connection, of a boot, of a type."""
    odd: list[Odd] = field(default_factory=list)
    """Which objects are ignored, since they are not like the others of their type."""
    remarks: list[str] = field(default_factory=list)
    """Lines of the tape that could not be read."""


def analyse(paths: list[Path], dialect: Dialect, on_progress: Callable[[str, int, int], None]) -> Analysis:
    """Look at these tapes. ``on_progress`` is told what is done, and how many bytes of how many.

    Raises ``TapeInvalid`` for what is not a tape, and ``TapError`` where there is no frame on it.
    """
    found = Analysis(", ".join(path.name for path in paths))
    raw = [frame.data for frame in _sample(paths) if not frame.binary]
    wraps = find_wraps(raw)
    sample = [parsed for data in raw if not isinstance(parsed := _parsed(data, wraps), str)]
    found.envelope = find_envelope(sample, wraps)
    found.census = Census(found.envelope, sample)
    survey = found.survey = Survey(found.envelope, dialect, found.census)
    for frame, parsed in _frames(paths, "counting", on_progress, found.envelope.wraps, found):
        survey.feed(frame, parsed)
    found.odd = list(survey.odd.values())
    if not found.frames:
        raise TapError("there is no frame on it", where=found.source, hint="record for longer, while things happen")
    found.roles = find_state(survey)
    if found.roles is not None:
        found.witness = _watch(paths, found, on_progress)
        if _choose_program(found.roles, found.witness):
            found.witness = _watch(paths, found, on_progress)
    found.events = find_events(survey, found.roles, found.witness)
    found.seq = find_seq(survey)
    if found.seq is not None:
        _number(paths, found, found.seq.path, on_progress)
    return found


def _number(paths: list[Path], found: Analysis, seq: str, on_progress: Callable[[str, int, int], None]) -> None:
    """Look at the numbers of all frames, and at which boot a greeting names."""
    assert found.survey is not None  # noqa: S101 - asked by the caller
    place = parse_path(seq) or ()
    boots = {role.kind: boot_path(found.survey, role.kind) for role in found.events if role.emit == "hello"}
    boot: str | None = None
    connection = -1
    for frame, parsed in _frames(paths, "numbering", on_progress, found.envelope.wraps):
        if frame.connection != connection:
            connection, boot = frame.connection, None
        for said in found.envelope.objects(parsed):
            greeting = boots.get(said.kind)
            if greeting is not None:
                boot = parse_id(at(said.body, greeting)) or boot
            number = at(said.whole, place)
            if type(number) is int:
                found.numbering.see(number, connection=connection, boot=boot, type=said.kind)


def _watch(paths: list[Path], found: Analysis, on_progress: Callable[[str, int, int], None]) -> Explanations:
    assert found.roles is not None  # noqa: S101 - asked by the callers
    assert found.census is not None  # noqa: S101 - the same
    witness = Explanations(found.envelope, found.roles)
    for frame, parsed in _frames(paths, "comparing", on_progress, found.envelope.wraps):
        for said in found.envelope.objects(parsed):
            if found.census.odd(said) is None:
                witness.feed(said, frame.connection)
    return witness


def _choose_program(roles: StateRoles, witness: Explanations) -> bool:
    """Choose the program's field: the one that changes as events say. Whether it is another than the one by name."""
    shares = {
        guess.path: witness.programs[guess.path] / witness.program_changes[guess.path]
        for guess in roles.programs
        if witness.program_changes[guess.path] >= _CHOSEN_BY_BEHAVIOUR
    }
    if not shares or max(shares.values()) < 0.5:
        return False
    named = {guess.path: guess.sure for guess in roles.programs}
    # A frame that is missing or odd here and there makes no other field likelier.
    best = max(shares, key=lambda path: (round(min(shares[path], _AS_GOOD_AS_ALL), 1), named[path]))
    before = roles.program
    roles.program = next(guess for guess in roles.programs if guess.path == best)
    told = f"{shares[best]:.0%} of its changes came with an event"
    roles.program.sure = min(0.98, 0.5 + 0.5 * shares[best])
    roles.program.why = f"{roles.program.why}, and {told}"
    return before is not roles.program


# ---------------------------------------------------------------------------------------------- reading


def _sample(paths: list[Path]) -> list[Frame]:
    found = []
    room = _SAMPLE_BYTES
    with read_tapes(paths) as items:
        for frame in islice(_only_frames(items), _SAMPLE_FRAMES):
            room -= len(frame.data)
            found.append(frame)
            if room < 0:
                break
    return found


def _only_frames(items: Iterable[SourceItem]) -> Iterator[Frame]:
    return (item for item in items if isinstance(item, Frame))


def _frames(
    paths: list[Path],
    doing: str,
    on_progress: Callable[[str, int, int], None],
    wraps: Wraps,
    counts: Analysis | None = None,
) -> Iterator[tuple[Frame, Any]]:
    """The frames that hold something, parsed and without secrets; ``counts`` is told of them all."""
    first: int | None = None
    with read_tapes(paths) as items:
        for number, frame in enumerate(_only_frames(items)):
            if number % 500 == 0:
                on_progress(doing, items.bytes_read, items.size)
            first = frame.stamp.mono if first is None else first
            parsed = binary_reason(frame.data) if frame.binary else _parsed(frame.data, wraps)
            if counts is not None:
                _note(counts, frame, parsed, first)
            if not isinstance(parsed, str):
                yield frame, parsed
        if counts is not None:
            counts.remarks = [f"{place}: {why}" for place, why in items.bad_lines]
            counts.remarks += [f"{path}: its end is incomplete; everything before it was read" for path in items.torn]


def _note(counts: Analysis, frame: Frame, parsed: Any, first: int) -> None:
    counts.frames += 1
    counts.bytes += len(frame.data)
    counts.connections = max(counts.connections, frame.connection)
    counts.seconds = (frame.stamp.mono - first) / 1000
    if isinstance(parsed, str):
        counts.binary += frame.binary
        counts.unreadable += not frame.binary
        counts.why[parsed] += 1


def _parsed(data: bytes, wraps: Wraps) -> Any:
    """A text frame's content without its secrets; a text says why it has none."""
    try:
        parsed = wraps.parse(data)
    except ValueError as error:
        # The dialect reads several in a row only where it is told to.
        return str(error) if "in a row" in str(error) else "no JSON"
    if isinstance(wraps.opened(parsed), (dict, list)):
        return redact.redact_json(parsed) if redact.suspect(data) else parsed
    return f"no object but {type(parsed).__name__}"
