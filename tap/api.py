"""The history from Python: read-only, typed, from a ledger or from a journal.

::

    import tap

    with tap.open_journal("/var/lib/multicam-tap/hall") as history:
        for session in history.sessions(since="yesterday"):
            timeline = history.timeline(session.key)
            print(session.title, timeline.totals.cuts, "cuts")

Nothing here writes. Whatever goes wrong is a :class:`TapError`, whose text says what, where, and what to do.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

import orjson
from msgspec import Struct

from tap.adapters.journal import Journal
from tap.adapters.ledger import Changed, Ledger
from tap.core.codec import venue_of
from tap.core.deployment import DEFAULT_MODULE
from tap.core.errors import JournalError, TapError
from tap.core.merge import Row, fold
from tap.history.phrases import camera_names
from tap.history.queries import SessionFilter, asked_events, ms_of_moment
from tap.history.shots import shots_of
from tap.history.statistics import statistics_of
from tap.history.timeline import ClockStep, Event, Gap, Lane, Span, StillMark, Timeline, Totals, timeline_of

__all__ = [
    "Changed",
    "ClockStep",
    "Event",
    "Gap",
    "History",
    "Lane",
    "Row",
    "Session",
    "Span",
    "StillMark",
    "TapError",
    "Timeline",
    "Totals",
    "asked_events",
    "cameras_frame",
    "changes",
    "frame",
    "open_journal",
    "open_ledger",
    "shots_frame",
    "stills_frame",
]

_T = TypeVar("_T")
_STATUSES = (None, "live", "complete", "interrupted")
_LONGEST_SESSION_MS = 7 * 86_400_000
"""How far before a moment a session may have begun that still ran then: where reading on ends."""


class Session(Struct, kw_only=True, frozen=True):
    """One session, as its row in the ledger has it. Times are Unix ms."""

    key: str
    venue: str
    status: str
    """``live``, ``complete`` or ``interrupted``."""
    started_at: int
    completed_at: int | None = None
    session_id: str | None = None
    title: str | None = None
    end_reason: str | None = None
    counts: dict[str, int] = {}
    """Events by kind; known once the session is over."""
    row: Row

    @property
    def started(self) -> datetime:
        """When it began, in UTC."""
        return datetime.fromtimestamp(self.started_at / 1000, UTC)

    @property
    def length_ms(self) -> int | None:
        """Its length in ms, by its row's two times; None while it runs, or if a clock was set back meanwhile."""
        if self.completed_at is None or self.completed_at < self.started_at:
            return None
        return self.completed_at - self.started_at


class History(ABC):
    """A history, read from a journal or a ledger. Close it, or use it in a ``with`` statement."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sessions(
        self,
        *,
        venue: str | None = None,
        since: str | datetime | int | None = None,
        until: str | datetime | int | None = None,
        status: Literal["live", "complete", "interrupted"] | None = None,
        title: str | None = None,
        zone: ZoneInfo | None = None,
    ) -> Iterator[Session]:
        """The sessions that match, newest first. Retracted and forgotten sessions are left out.

        Args:
            venue: Only of this venue.
            since: Only those that ran at this moment or later: Unix ms, a datetime, or what a person types
                ("yesterday", "3 days", "2026-11-21 14:30").
            until: Only those that began before this moment; the same.
            status: Only those with this status.
            title: Only those with this in their title, in any case.
            zone: The time zone of moments that are text; None: the machine's.

        Raises:
            ValueError: A moment cannot be parsed, or there is no such status.
            TapError: The journal or ledger cannot be read.
        """
        if status not in _STATUSES:
            raise ValueError(f"{status!r} is not a status → live, complete or interrupted")
        now = datetime.now(UTC).astimezone(zone)
        asked = SessionFilter(
            venue=venue, since=_ms(since, now), until=_ms(until, now, end=True), status=status, title=title
        )
        return (_session(row) for row in self.session_rows(asked) if row.retracted is None)

    def session_rows(self, asked: SessionFilter) -> Iterator[Row]:
        """The rows of the sessions that match, newest first, retracted ones too."""
        return (row for row in self._newest_first(asked) if asked.fits(row))

    def timeline(self, key: str) -> Timeline:
        """One whole session: lanes of cameras, what was on air, holds, modes, stills, gaps, events.

        Raises:
            TapError: There is no session with this key, or it was retracted.
        """
        rows = self.rows(key)
        if not rows:
            raise TapError("no session has this key", where=key, hint="sessions() lists the keys")
        if all(row.retracted is not None for row in rows):
            raise TapError("this session was retracted, or forgotten", where=key)
        return timeline_of(rows)

    def find(
        self, asked: SessionFilter, *, key: str | None = None, camera: str | None = None, kinds: Iterable[str] = ()
    ) -> Iterator[tuple[Timeline, list[Event]]]:
        """Events that match, session by session, newest session first; sessions without such events are left out.

        Args:
            asked: Which sessions; its ``since`` and ``until`` bound the events too.
            key: Only the session with this key.
            camera: As in :func:`asked_events`.
            kinds: As in :func:`asked_events`.
        """
        kinds = tuple(kinds)
        known = (row.session_key for row in self.session_rows(asked) if row.retracted is None)
        for found in known if key is None else (key,):
            told = self.timeline(found)
            events = [
                event
                for event in asked_events(told, camera=camera, kinds=kinds)
                if (asked.since is None or event.at >= asked.since) and (asked.until is None or event.at < asked.until)
            ]
            if events:
                yield told, events

    @abstractmethod
    def rows(self, key: str) -> list[Row]:
        """All rows of one session as the ledger has them, retracted ones too; none if there is no such session."""

    @abstractmethod
    def close(self) -> None:
        """Close the journal, or the connection to the ledger."""

    @abstractmethod
    def _newest_first(self, asked: SessionFilter) -> Iterable[Row]:
        """Rows of sessions, newest first: at least those that match."""


def open_journal(path: str | os.PathLike[str]) -> History:
    """The history in a journal, which is only read.

    Args:
        path: The journal's file, or the state directory that it is in.

    Raises:
        TapError: There is no journal, or it cannot be read.
    """
    place = Path(path)
    try:
        return _OfJournal(Journal.open(place / "journal.db" if place.is_dir() else place, readonly=True))
    except PermissionError as error:
        where, hint = str(error.filename or place), "run this as root or the tap's user"
        raise JournalError("no permission to read", where=where, hint=hint) from None


def open_ledger(url: str, key: str | None = None, *, module: str = DEFAULT_MODULE) -> History:
    """The history in a ledger, as far as the key may read it. It also works where an event loop runs (a notebook).

    Args:
        url: The deployment's address: https, or http on this machine.
        key: A read key or an ingest key.
        module: The module of the ledger's functions, if an app has them under another name.

    Nothing is asked before the history is used. Then a ``TapError`` says that the ledger cannot be reached or does not
    know the key.
    """
    return _OfLedger(Ledger(url, None if key is None else _Key(key), module=module))


def changes(
    url: str,
    key: str | None = None,
    *,
    since: str | None = None,
    venues: Iterable[str] = (),
    module: str = DEFAULT_MODULE,
) -> Iterator[Changed]:
    """What was written to the ledger since a cursor, in pages, until there is no more: for pipelines.

    ::

        for page in tap.changes(url, key, since=cursor):
            take(page.rows)
            cursor = page.cursor  # save it together with what was taken

    Each row comes at least once, in the order of the commits, as it is now, and again after each change: so repairs,
    retracted rows (``retracted``) and forgotten sessions are seen.

    Args:
        url: As in :func:`open_ledger`.
        key: As in :func:`open_ledger`.
        since: The cursor to go on from; None: from the first row.
        venues: Only rows of these venues, of those that the key may read; without any, of all.
        module: As in :func:`open_ledger`.

    Raises:
        TapError: The ledger cannot be reached, does not know the key, or does not know the cursor.
    """
    named = list(venues)
    with _OfLedger(Ledger(url, None if key is None else _Key(key), module=module)) as history:
        done = False
        while not done:
            page = history.changed(since, named)
            since, done = page.cursor, page.done
            if page.rows or done:
                yield page


def frame(events: Timeline | Iterable[Event], library: Literal["polars", "pandas"] | None = None) -> Any:
    """Events as a data frame, one line for each, in order: ``at`` is a time in UTC, ``detail`` is JSON.

    Args:
        events: A timeline, or some of its events.
        library: Make the frame with this; None: with polars or pandas, whichever is installed.

    Raises:
        TapError: The library is not installed.
    """
    told = list(events.events if isinstance(events, Timeline) else events)
    columns: dict[str, list[Any]] = {
        "key": [event.key for event in told],
        "kind": [event.kind for event in told],
        "at": [_utc(event.at) for event in told],
        "at_ms": [event.at for event in told],
        **{name: [getattr(event, name) for event in told] for name in _PLAIN},
        "detail": [None if event.detail is None else orjson.dumps(event.detail).decode() for event in told],
    }
    name, module = _frames(library)
    if name == "polars":
        return module.DataFrame(columns, schema=_polars_schema(module))
    return module.DataFrame(columns).astype({"at": "datetime64[ms, UTC]", "duration_ms": "Int64"})


def shots_frame(timeline: Timeline, library: Literal["polars", "pandas"] | None = None) -> Any:
    """The shots of a session as a data frame, with the columns of the shot list that ``export --format shots`` writes.

    One line for each shot in which a camera was on air, in order. ``in`` and ``out`` are times in UTC, ``length`` and
    ``durationMs`` milliseconds; the columns about files and timecode are of an export alone, which knows the files.
    """
    names = camera_names(timeline.lanes)
    shots = [shot for shot in shots_of(timeline) if shot.camera_id is not None]
    columns: dict[str, tuple[str, list[Any]]] = {
        "in": ("at", [shot.start for shot in shots]),
        "out": ("at", [shot.end for shot in shots]),
        "length": ("ms", [shot.length for shot in shots]),
        "camera": ("text", [names.get(shot.camera_id or "") for shot in shots]),
        "from": ("text", [names.get(shot.from_camera_id or "", shot.from_camera_id) for shot in shots]),
        "transition": ("text", [shot.transition for shot in shots]),
        "cameraId": ("text", [shot.camera_id for shot in shots]),
        "fromCameraId": ("text", [shot.from_camera_id for shot in shots]),
        "durationMs": ("ms", [shot.duration_ms or None for shot in shots]),
        "atMs": ("ms", [shot.start for shot in shots]),
    }
    return _framed(columns, library)


def cameras_frame(timeline: Timeline, library: Literal["polars", "pandas"] | None = None) -> Any:
    """The cameras of a session as a data frame, a line for each, in the order of their lanes, with statistics."""
    figures = {one.camera_id: one for one in statistics_of(timeline).cameras}
    names, lanes = camera_names(timeline.lanes), timeline.lanes
    columns: dict[str, tuple[str, list[Any]]] = {
        "cameraId": ("text", [lane.camera_id for lane in lanes]),
        "camera": ("text", [names[lane.camera_id] for lane in lanes]),
        "role": ("text", [lane.role for lane in lanes]),
        "status": ("text", [lane.status for lane in lanes]),
        "onAirMs": ("ms", [lane.on_air_ms for lane in lanes]),
        "shots": ("ms", [figures[lane.camera_id].shots for lane in lanes]),
        "cuts": ("ms", [lane.cuts for lane in lanes]),
        "stills": ("ms", [len(lane.stills) for lane in lanes]),
        "joined": ("at", [lane.joined_at for lane in lanes]),
        "left": ("at", [lane.left_at for lane in lanes]),
    }
    return _framed(columns, library)


def stills_frame(timeline: Timeline, library: Literal["polars", "pandas"] | None = None) -> Any:
    """The stills of a session as a data frame, in the order in which they were taken; a line for each camera's."""
    names, stills = camera_names(timeline.lanes), timeline.stills
    columns: dict[str, tuple[str, list[Any]]] = {
        "key": ("text", [still.key for still in stills]),
        "stillId": ("text", [still.still_id for still in stills]),
        "cameraId": ("text", [still.camera_id for still in stills]),
        "camera": ("text", [names.get(still.camera_id or "", still.camera_id) for still in stills]),
        "status": ("text", [still.status for still in stills]),
        "at": ("at", [still.moment for still in stills]),
        "requested": ("at", [still.requested_at for still in stills]),
        "captured": ("at", [still.captured_at for still in stills]),
        "uploaded": ("at", [still.uploaded_at for still in stills]),
        "programCameraId": ("text", [still.program_camera_id for still in stills]),
        "storageKey": ("text", [still.storage_key for still in stills]),
        "url": ("text", [still.url for still in stills]),
        "failReason": ("text", [still.fail_reason for still in stills]),
        "atMs": ("ms", [still.moment for still in stills]),
    }
    return _framed(columns, library)


def _framed(columns: Mapping[str, tuple[str, list[Any]]], library: str | None) -> Any:
    """A data frame of columns of texts (``text``), whole numbers (``ms``) and moments (``at``: Unix ms)."""
    name, module = _frames(library)
    values = {
        column: [_utc(value) for value in told] if kind == "at" else told for column, (kind, told) in columns.items()
    }
    if name == "polars":
        types = {"text": module.String, "ms": module.Int64, "at": module.Datetime("ms", "UTC")}
        return module.DataFrame(values, schema={column: types[kind] for column, (kind, _) in columns.items()})
    types = {"text": "object", "ms": "Int64", "at": "datetime64[ms, UTC]"}
    return module.DataFrame(values).astype({column: types[kind] for column, (kind, _) in columns.items()})


def _utc(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at // 1000, UTC).replace(microsecond=at % 1000 * 1000)


_PLAIN = (
    *("camera_id", "camera_name", "from_camera_id", "from_camera_name", "trigger", "transition", "duration_ms"),
    "still_key",
)


def _polars_schema(polars: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("key", "kind", "at", "at_ms", *_PLAIN, "detail"), polars.String)
    return {**texts, "at": polars.Datetime("ms", "UTC"), "at_ms": polars.Int64, "duration_ms": polars.Int64}


def _frames(library: str | None) -> tuple[str, Any]:
    for name in ("polars", "pandas") if library is None else (library,):
        try:
            return name, importlib.import_module(name)
        except ImportError:
            continue
    wanted = library or "polars or pandas"
    raise TapError("there is no library for data frames", hint=f"install {wanted} beside multicam-tap")


# ---------------------------------------------------------------------------------------------- where it comes from


class _OfJournal(History):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._closed = False

    def rows(self, key: str) -> list[Row]:
        return list(fold(kept.entry for kept in self._open().session_entries(key)).values())

    def close(self) -> None:
        self._closed = True
        self._journal.close()

    def _open(self) -> Journal:
        if self._closed:
            raise TapError("this history is closed", where=str(self._journal.path), hint="open_journal opens it again")
        return self._journal

    def _newest_first(self, asked: SessionFilter) -> list[Row]:
        rows = fold(kept.entry for kept in self._open().session_rows(asked.prefix)).values()
        return sorted(rows, key=lambda row: (-row.fields.get("startedAt", row.version), row.key))


class _OfLedger(History):
    """Asks on an event loop in a thread of its own, so that it also works where the caller's thread runs a loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop = asyncio.new_event_loop()
        # A daemon: a script that ends without closing this has to end all the same.
        self._thread = Thread(target=self._loop.run_forever, name="tap-history", daemon=True)
        self._thread.start()

    def rows(self, key: str) -> list[Row]:
        return self._call(lambda: self._ledger.timeline(key))

    def changed(self, cursor: str | None, venues: Sequence[str]) -> Changed:
        """One page of what was written since the cursor."""
        return self._call(lambda: self._ledger.changes(cursor, venues))

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._call(self._ledger.close)
        self._call(self._loop.shutdown_asyncgens)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _newest_first(self, asked: SessionFilter) -> Iterator[Row]:
        rows = self._ledger.sessions(asked.venue)

        async def following() -> Row | None:
            return await anext(rows, None)

        while (row := self._call(following)) is not None:
            if asked.since is not None and row.fields.get("startedAt", 0) < asked.since - _LONGEST_SESSION_MS:
                return
            yield row

    def _call(self, question: Callable[[], Awaitable[_T]]) -> _T:
        if self._loop.is_closed():
            raise TapError("this history is closed", hint="open_ledger opens it again")

        async def asked() -> _T:
            return await question()

        answer = asyncio.run_coroutine_threadsafe(asked(), self._loop)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()
            raise


class _Key:
    """A key that only the ledger's client reads: it is not in this object's ``repr``."""

    def __init__(self, key: str) -> None:
        self._key = key

    def get_secret_value(self) -> str:
        return self._key


def _session(row: Row) -> Session:
    fields = row.fields
    return Session(
        key=row.session_key,
        venue=venue_of(row.session_key),
        status=fields.get("status", "unknown"),
        started_at=fields.get("startedAt", row.version),
        completed_at=fields.get("completedAt"),
        session_id=fields.get("sessionId"),
        title=fields.get("title"),
        end_reason=fields.get("endReason"),
        counts=dict(fields.get("finalState", {}).get("counts", {})),
        row=row,
    )


def _ms(moment: str | datetime | int | None, now: datetime, *, end: bool = False) -> int | None:
    if isinstance(moment, str):
        return ms_of_moment(moment, now, end=end)
    return round(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment
