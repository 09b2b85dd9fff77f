"""Which camera a file is of, and when it began: by a table, by what the file says of itself, or by its name."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath

from msgspec import Struct

from tap.core.errors import TapError
from tap.core.footage import Footage
from tap.history.export.rates import Rate
from tap.history.export.reels import ascii_name
from tap.history.timeline import Lane

__all__ = [
    "PROGRAM",
    "FileBegin",
    "Owner",
    "TableLine",
    "base_name",
    "begin_of_file",
    "folders_between",
    "owner_of",
    "table_in",
]

PROGRAM = "program"
"""In place of a camera: what the server itself recorded."""

_PROGRAM_NAMES = (("program",), ("pgm",), ("prg",), ("programme",))
_RANKS = 3
"""Of the names of a camera."""
_COLUMNS = ("file", "camera", "start", "offset")
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_TIME_IN_NAME = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_T. ]+(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[.,](\d{1,3}))?(?!\d)"
)
_DAY_MS = 86_400_000
_AGREE_MS = 120_000
"""Further apart, a timecode that begins on the hour is one that the camera began to count at, and no time of day."""


def base_name(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rpartition("/")[2]


def folders_between(path: str, folder: str) -> tuple[str, ...]:
    """The names of the folders between a folder and a file in it."""
    kind = PureWindowsPath if PureWindowsPath(path).drive else PurePosixPath
    parts = kind(path).parts[:-1]
    above = len(kind(folder).parts)
    return parts[above:]


# ---------------------------------------------------------------------------------------------- the table


class TableLine(Struct, frozen=True, kw_only=True):
    """A line of the table in which a person says which file is whose."""

    file: str
    camera: str | None = None
    start: str | None = None
    offset_ms: Fraction = Fraction(0)


def table_in(text: str, where: str) -> dict[str, TableLine]:
    """The lines of a table, by the files that they name. Raises ``TapError`` for what cannot be read."""
    text = text.removeprefix("\ufeff")
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)
    lines = csv.DictReader(io.StringIO(text), delimiter=mark)
    names = [name.strip().lower() for name in lines.fieldnames or ()]
    if "file" not in names:
        hint = f"its first line names its columns: {', '.join(_COLUMNS)}; only file is needed"
        raise TapError("is not a table of files", where=where, hint=hint)
    lines.fieldnames = names
    rows = {}
    for number, line in enumerate(lines, 2):
        told = {name: (value or "").strip() for name, value in line.items() if isinstance(value, str)}
        if told.get("file"):
            row = _row(told, f"{where}:{number}")
            rows[row.file] = row
    return rows


def _row(told: Mapping[str, str], where: str) -> TableLine:
    try:
        seconds = Fraction(told.get("offset") or "0")
    except (ValueError, ZeroDivisionError):
        raise TapError("an offset is a number of seconds", where=where, hint="such as -0.4") from None
    return TableLine(
        file=told["file"],
        camera=told.get("camera") or None,
        start=told.get("start") or None,
        offset_ms=seconds * 1000,
    )


# ---------------------------------------------------------------------------------------------- which camera


class Owner(Struct, frozen=True):
    """Whose a file is: a camera's id, ``PROGRAM``, or None if it is not known; and what that is known by, in words."""

    camera: str | None
    by: str


def owner_of(path: str, folders: Sequence[str], lanes: Sequence[Lane], row: TableLine | None) -> Owner:
    """Whose a file is: by the table, else by a folder's name, else by the file's name."""
    if row is not None and row.camera is not None:
        meant = _named(row.camera, lanes)
        if len(meant) == 1:
            return Owner(meant[0], "the table")
        why = f"which fits {' and '.join(meant)}" if meant else "and there is no such camera"
        return Owner(None, f"the table says {row.camera!r}, {why}")
    unclear = None
    for folder in reversed(folders):
        fits = _named(folder, lanes)
        if len(fits) == 1:
            return Owner(fits[0], f"its folder {folder!r}")
        if fits:
            unclear = unclear or f"its folder {folder!r} fits {' and '.join(fits)}"
    found = _by_name(base_name(path), lanes)
    return Owner(None, unclear) if found.camera is None and unclear else found


def _named(name: str, lanes: Sequence[Lane]) -> list[str]:
    """The ids of the cameras with exactly this name, or ``PROGRAM``; of several spellings, by the closest that fits."""
    for form in (lambda own: (own,) if own else (), *_FORMS):
        for rank in range(_RANKS):
            found = [lane.camera_id for lane in lanes if form(name) and form(_names(lane)[rank]) == form(name)]
            if found:
                return found
    return [PROGRAM] if _tokens(name) in _PROGRAM_NAMES else []


def _by_name(name: str, lanes: Sequence[Lane]) -> Owner:
    """The camera whose name stands in the file's: the longest such, then as ``_wanted`` has them, then the first."""
    stem = name.rpartition(".")[0] or name
    found = sorted(
        {
            (-len(wanted), rank, at, camera)
            for number, form in enumerate(_FORMS)
            for camera, rank, wanted in _wanted(lanes, form, number * _RANKS)
            for at in _places(wanted, form(stem))
        }
    )
    if not found:
        return Owner(None, "its name has no camera's name in it")
    cameras = [camera for *place, camera in found if tuple(place) == found[0][:3]]
    if len(cameras) > 1:
        return Owner(None, f"its name fits {' and '.join(cameras)}")
    return Owner(cameras[0], "its name")


def _wanted(
    lanes: Sequence[Lane], form: Callable[[str], tuple[str, ...]], first: int
) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """What is looked for: the cameras' names in a form, ranked from ``first`` on as ``_names`` has them."""
    for lane in lanes:
        for rank, name in enumerate(_names(lane), first):
            if form(name):
                yield lane.camera_id, rank, form(name)
    for tokens in _PROGRAM_NAMES:
        yield PROGRAM, 0, tokens


def _names(lane: Lane) -> tuple[str, str, str]:
    """The names of a camera, those first that people use, since they name files by them."""
    return lane.name or "", lane.camera_id, lane.device or ""


def _tokens(name: str) -> tuple[str, ...]:
    """Words and numbers, so that ``Cam 1`` is ``cam01`` and not ``Cam 10``."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return tuple(token.lstrip("0") or "0" if token.isdecimal() else token for token in _TOKEN.findall(plain))


def _plain_tokens(name: str) -> tuple[str, ...]:
    """The words of a name in ASCII, as lists have it: ``Annas iPhone``; none where letters would be lost by that."""
    letters = [one for one in unicodedata.normalize("NFKD", name) if unicodedata.category(one)[0] in "LN"]
    if not all(letter.isascii() for letter in letters):
        return ()
    return _tokens(ascii_name(name, len(name)).replace("'", ""))


def _bare_tokens(name: str) -> tuple[str, ...]:
    """The same without what is in angle brackets, since Windows has no file name with these: ``Cam <2>``."""
    return _plain_tokens(_BRACKETED.sub(" ", name))


_BRACKETED = re.compile(r"<[^<>]*>")
_FORMS: tuple[Callable[[str], tuple[str, ...]], ...] = (_tokens, _plain_tokens, _bare_tokens)
"""How names are compared, the closest first."""


def _places(wanted: tuple[str, ...], tokens: tuple[str, ...]) -> Iterator[int]:
    for at in range(len(tokens) - len(wanted) + 1):
        if tokens[at : at + len(wanted)] == wanted:
            yield at


# ---------------------------------------------------------------------------------------------- since when


class FileBegin(Struct, frozen=True):
    """When a file's first picture was taken (Unix ms), by what that is told, and whether it is told to the frame."""

    at: Fraction
    by: str
    exact: bool


def begin_of_file(
    footage: Footage, rate: Rate, span: tuple[int, int], zone: tzinfo | None, row: TableLine | None
) -> FileBegin | str:
    """When a file began; in words why not, where nothing says so.

    ``span``: from when to when the session was (Unix ms). By its timecode, else by when it says it was made, else by
    its name; whatever lies outside of the session is not meant. Where the table says it, that stands.
    """
    length = footage.seconds * 1000
    if row is not None and row.start is not None:
        return _by_table(row.start, rate, span, zone)
    created = _by_creation(footage, span, length)
    by_code = _by_timecode(footage, rate, span, zone, length)
    if by_code is not None and created is not None and _counts_from_the_hour(footage, by_code, created):
        by_code = None
    by_name = None if by_code or created else _by_name_of(footage, span, zone, length)
    return by_code or created or by_name or _nowhere(footage)


def _nowhere(footage: Footage) -> str:
    told = [what for what, known in (("timecode", footage.timecode), ("time of creation", footage.created)) if known]
    if told:
        return f"its {' and its '.join(told)} {'lies' if len(told) == 1 else 'lie'} outside of the session"
    return "it has no timecode, no time of creation and no time in its name"


def _by_table(start: str, rate: Rate, span: tuple[int, int], zone: tzinfo | None) -> FileBegin | str:
    """A time of day, a timecode, a moment, or seconds from the session's start (``+12.5``)."""
    words = f"the table: {start}"
    if start[:1] in "+-" and _number(start) is not None:
        return FileBegin(span[0] + Fraction(start) * 1000, words, exact=True)
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        pass
    else:
        local = moment if moment.tzinfo is not None else _in(moment, zone)
        return FileBegin(Fraction(round(local.timestamp() * 1_000_000), 1000), words, exact=True)
    clock = _clock(start, rate)
    if clock is None:
        return f"the table says {start!r}, which is not a time"
    return FileBegin(_nearest_day(clock, span, zone, Fraction(0)), words, exact=True)


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _clock(text: str, rate: Rate) -> Fraction | None:
    """The time of day (ms) of ``20:39:35.250``, or of a timecode."""
    found = re.fullmatch(r"(\d{1,2}):(\d\d):(\d\d)(?:\.(\d+))?", text)
    if found is not None:
        seconds = (int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])
        return (seconds + Fraction(f"0.{found[4] or 0}")) * 1000
    try:
        return rate.clock(rate.frame_of(text))
    except ValueError:
        return None


def _by_timecode(
    footage: Footage, rate: Rate, span: tuple[int, int], zone: tzinfo | None, length: Fraction
) -> FileBegin | None:
    clock = None if footage.timecode is None else _clock(footage.timecode, rate)
    if clock is None:
        return None
    at = _nearest_day(clock, span, zone, length)
    return FileBegin(at, f"its timecode {footage.timecode}", exact=True) if _meets(at, length, span) else None


def _by_creation(footage: Footage, span: tuple[int, int], length: Fraction) -> FileBegin | None:
    if footage.created is None or not _meets(Fraction(footage.created), length, span):
        return None
    return FileBegin(Fraction(footage.created), "its time of creation", exact=bool(footage.created % 1000))


def _by_name_of(footage: Footage, span: tuple[int, int], zone: tzinfo | None, length: Fraction) -> FileBegin | None:
    found = _TIME_IN_NAME.search(base_name(footage.path))
    if found is None:
        return None
    try:
        moment = _in(datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*found.groups()[:6])), zone)
    except ValueError:
        return None
    ms = found[7]
    at = Fraction(round(moment.timestamp())) * 1000 + (Fraction(f"0.{ms}") * 1000 if ms else 0)
    return FileBegin(at, "the time in its name", exact=bool(ms)) if _meets(at, length, span) else None


def _counts_from_the_hour(footage: Footage, by_code: FileBegin, created: FileBegin) -> bool:
    on_the_hour = re.fullmatch(r"\d\d:00:00[:;.,]00", (footage.timecode or "").strip()) is not None
    return on_the_hour and abs(by_code.at - created.at) > _AGREE_MS


def _meets(at: Fraction, length: Fraction, span: tuple[int, int]) -> bool:
    return at < span[1] and at + length > span[0]


def _nearest_day(clock: Fraction, span: tuple[int, int], zone: tzinfo | None, length: Fraction) -> Fraction:
    """The moment at this time of day that has most of the session in it, or lies nearest to it."""
    first = datetime.fromtimestamp(span[0] / 1000, UTC).astimezone(zone).replace(tzinfo=None)
    days = range(-1, (span[1] - span[0]) // _DAY_MS + 2)
    moments = [_moment(first + timedelta(days=day), clock, zone) for day in days]

    def covered(at: Fraction) -> tuple[Fraction, Fraction]:
        common = min(at + length, Fraction(span[1])) - max(at, Fraction(span[0]))
        return common if length else Fraction(0), -abs(at - span[0])

    return max(moments, key=covered)


def _moment(day: datetime, clock: Fraction, zone: tzinfo | None) -> Fraction:
    seconds = int(clock // 1000)
    local = _in(day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=seconds), zone)
    return Fraction(round(local.timestamp())) * 1000 + (clock - seconds * 1000)


def _in(moment: datetime, zone: tzinfo | None) -> datetime:
    """A time of day in ``zone``; None is the machine's own."""
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
