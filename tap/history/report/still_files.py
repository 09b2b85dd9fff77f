"""Which file is which still: by the storage key's name, by the still's id, or by camera and time in the file's name.

Pure: names in, names out. A file is given to one still at most, and where two would do, to neither: a wrong picture is
worse than none.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from tap.history.timeline import Lane, StillMark, Timeline

__all__ = ["Matches", "match_files", "pictures_to_fetch"]

_NEAR_MS = 2_000
"""A file's name tells seconds at best, and a camera's clock is not the server's."""

_DATED = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_.T ]{0,3}(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[-_.,]?(\d{3}))?(?!\d)"
)
_UNIX = re.compile(r"(?<!\d)(1[0-9]{12})(?!\d)")


class Matches(Struct, frozen=True, kw_only=True):
    """Which file belongs to which still."""

    files: dict[str, str]
    """Still key → file."""
    stills: int
    """How many stills might have a file: those that were taken."""

    @property
    def words(self) -> str:
        """A line for people: how many matched."""
        return f"{len(self.files)} of {self.stills} stills have a file here"


def match_files(timeline: Timeline, files: Iterable[str], zone: tzinfo | None = None) -> Matches:
    """The files (paths with ``/``) that belong to the timeline's stills; ``zone`` is that of times in their names."""
    stills = [still for still in timeline.stills if still.status in ("captured", "uploaded")]
    pool = _Pool(files)
    cameras = {lane.camera_id: _called(lane) for lane in timeline.lanes}
    found: dict[str, str] = {}
    shared = Counter(still.still_id for still in timeline.stills)
    for candidates in (
        {still.key: pool.by_place(still) for still in stills},
        {still.key: pool.by_id(still, cameras, alone=shared[still.still_id] == 1) for still in stills},
        pool.by_time(stills, cameras, zone),
    ):
        _settle(found, candidates)
    return Matches(files=found, stills=len(stills))


def pictures_to_fetch(timeline: Timeline, shown: Mapping[str, str]) -> dict[str, str]:
    """Where the stills are that are not ``shown`` yet, by their keys: those that were uploaded and say where to."""
    return {
        still.key: still.url
        for still in timeline.stills
        if still.url and still.status == "uploaded" and still.key not in shown
    }


def _settle(found: dict[str, str], candidates: Mapping[str, Sequence[str]]) -> None:
    """Match a file with a still where each is the other's only candidate."""
    taken = set(found.values())
    free = {key: [name for name in names if name not in taken] for key, names in candidates.items() if key not in found}
    wanted = Counter(name for names in free.values() for name in names)
    found.update({key: names[0] for key, names in free.items() if len(names) == 1 and wanted[names[0]] == 1})


class _Pool:
    """The files, found by what is in their names."""

    def __init__(self, files: Iterable[str]) -> None:
        self._parts: dict[str, tuple[str, ...]] = {}
        self._tokens: dict[str, list[str]] = {}
        self._by_base: dict[str, list[str]] = {}
        self._by_token: dict[str, list[str]] = {}
        for name in sorted(set(files)):
            parts = PurePosixPath(name).parts
            tokens = _tokens_of(name.rpartition(".")[0] or name)
            self._parts[name], self._tokens[name] = tuple(part.casefold() for part in parts), tokens
            self._by_base.setdefault(parts[-1].casefold(), []).append(name)
            for token in set(tokens):
                self._by_token.setdefault(token, []).append(name)

    def by_place(self, still: StillMark) -> list[str]:
        """Files that are called as the still is in the store; of several those that share most of its folders."""
        places = [_path(place) for place in (still.storage_key, still.url) if place]
        for place in places:
            names = self._by_base.get(place[-1], []) if place else []
            shared = {name: _shared(self._parts[name], place) for name in names}
            if shared:
                return [name for name in names if shared[name] == max(shared.values())]
        return []

    def by_id(self, still: StillMark, cameras: Mapping[str, list[list[str]]], *, alone: bool) -> list[str]:
        """Files with the still's id in their name, and, where several cameras took it, the camera."""
        names = list(self._with(_tokens_of(still.still_id or "")))
        if alone:
            return names
        called = cameras.get(still.camera_id or "", [])
        return [name for name in names if any(_within(one, self._tokens[name]) for one in called)]

    def by_time(
        self, stills: Sequence[StillMark], cameras: Mapping[str, list[list[str]]], zone: tzinfo | None
    ) -> dict[str, list[str]]:
        """Files with a camera and a time in their name, by the nearest still of that camera."""
        ordered = sorted(stills, key=lambda still: still.at)
        times = [still.at for still in ordered]
        found: dict[str, list[str]] = {}
        for name, tokens in self._tokens.items():
            near = [
                (abs(still.at - moment), still.key)
                for moment in _moments(PurePosixPath(name).name, zone)
                for still in ordered[bisect_left(times, moment - _NEAR_MS) : bisect_right(times, moment + _NEAR_MS)]
                if any(_within(one, tokens) for one in cameras.get(still.camera_id or "", []))
            ]
            if near:
                found.setdefault(min(near)[1], []).append(name)
        return found

    def _with(self, wanted: Sequence[str]) -> Iterator[str]:
        if not wanted:
            return
        rarest = min((self._by_token.get(token, []) for token in wanted), key=len)
        yield from (name for name in rarest if _within(wanted, self._tokens[name]))


def _called(lane: Lane) -> list[list[str]]:
    """What a camera may be called in a file's name."""
    return [tokens for tokens in (_tokens_of(lane.camera_id), _tokens_of(lane.name or "")) if tokens]


def _path(place: str) -> tuple[str, ...]:
    """The folders and the name of a storage key or URL."""
    path = unquote(urlsplit(place).path) if "://" in place else place
    return tuple(part.casefold() for part in re.split(r"[/\\]+", path) if part)


def _shared(file: Sequence[str], place: Sequence[str]) -> int:
    """How many parts of the two paths are the same, from their ends."""
    count = 0
    while count < min(len(file), len(place)) and file[-1 - count] == place[-1 - count]:
        count += 1
    return count


def _tokens_of(text: str) -> list[str]:
    """The words and numbers in a name: ``Still-12_cam 3`` has ``still``, ``12``, ``cam`` and ``3``."""
    return [token for token in re.split(r"[\W_]+", text.casefold()) if token]


def _within(some: Sequence[str], tokens: Sequence[str]) -> bool:
    """Whether the tokens hold these, one after the other."""
    size = len(some)
    return any(list(tokens[at : at + size]) == list(some) for at in range(len(tokens) - size + 1))


def _moments(name: str, zone: tzinfo | None) -> Iterator[int]:
    """The moments (Unix ms) that a file's name may mean: times of day are the venue's, or UTC."""
    yield from (int(told[1]) for told in _UNIX.finditer(name))
    for told in _DATED.finditer(name):
        year, month, day, hour, minute, second, ms = (int(part or 0) for part in told.groups())
        try:
            naive = datetime(year, month, day, hour, minute, second, ms * 1000)  # noqa: DTZ001 - its zone is below
        except ValueError:
            continue
        yield round(naive.astimezone(zone).timestamp() * 1000) if zone is None else _in(naive, zone)
        yield _in(naive, UTC)


def _in(naive: datetime, zone: tzinfo) -> int:
    return round(naive.replace(tzinfo=zone).timestamp() * 1000)
