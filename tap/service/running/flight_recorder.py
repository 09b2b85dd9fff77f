"""The flight recorder: it writes every control frame that comes to tapes in the state directory.

Raw and without secrets, as the server sent them, so that a dialect that turns out to be wrong can be mended and the
history derived again (``rederive``). The recorder is a luxury, and behaves as one: it writes on a thread of its own,
takes what a bounded queue holds, and where the disk takes nothing it lets lines go and counts them. A tape after such
a loss says so in its header (``lost``), since nobody may conclude from it that nothing happened.

Segments are named ``NUMBER-TIME.jsonl``; their order is that of the numbers, whatever the clock did.
"""

from __future__ import annotations

import fcntl
import io
import os
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import TypeAlias

import msgspec

from tap.adapters.aligned_sleep import sleep_aligned
from tap.adapters.clock import Clock, monotonic, wall_ms
from tap.adapters.private import make_private_directory, open_private, sync_directory
from tap.adapters.tape import TapeHeader, TapeWriter, open_tape
from tap.core.backoff import Backoff
from tap.core.errors import TapeInvalid
from tap.core.mapping import Verdict
from tap.core.model import Alive, Closed, Frame, Opened, Sent, SourceItem, Stamp
from tap.core.redact import redact_bytes
from tap.service.logs import get_logger

__all__ = ["FlightRecorder", "segments"]

_ALIVE_EVERY_S = 5.0
_LOOK_EVERY_S = 5.0
_GATHER_BYTES = 256 * 2**10
"""When there is as much, it is written at once."""
_SYNC_EVERY_S = 5.0
_HANGS_AFTER_S = 5.0
_BACKOFF = Backoff(0.5, 10.0)
_ITEMS_AT_ONCE = 512
_BYTES_AT_ONCE = 4 * 2**20
_SMALLEST_SEGMENT, _LARGEST_SEGMENT = 64 * 2**10, 16 * 2**20
_SEGMENT_S = 3600.0
_ITEM_BYTES = 300
"""What an item in the queue takes besides its frame."""
_LARGEST_RESERVE = 32 * 2**20
"""The disk's last megabytes (on a small one its last twentieth) are left to the journal."""
_DAY_S = 86_400
_AGE_EVERY_S = 60.0
"""At most one tape in this many seconds is deleted because of its age. There are only some new ones in an hour."""
_log = get_logger(__name__)

_NAME = re.compile(r"(\d{6,})-[^/]*\.jsonl")


def segments(directory: Path) -> list[Path]:
    """The flight recorder's tapes in a directory, in order; none where there is no such directory."""
    try:
        found = [(int(match[1]), path) for path in directory.iterdir() if (match := _NAME.fullmatch(path.name))]
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(found)]


class _Lost(msgspec.Struct, frozen=True):
    """Here frames are missing."""

    frames: int


_Job: TypeAlias = SourceItem | Sent | _Lost | None


class FlightRecorder:
    """Records what it is given. ``max_bytes`` 0: it records nothing.

    ``on_item``, ``look`` and ``run`` belong to the event loop's thread and never wait; ``stop`` ends the recorder's.
    ``header`` says what all its tapes say. ``max_waiting`` bounds what waits in memory for the disk, in bytes. What
    comes first is written at once. From then on, all is gathered until the next ``look``, which costs a kill the tape
    of so long, and no more: waking up for each frame would cost more than writing it. ``gather`` False: nothing is.
    ``may_age``: whether a tape may go for its age now, which is asked on the recorder's own thread.
    """

    def __init__(
        self,
        directory: Path,
        header: TapeHeader,
        clock: Clock,
        *,
        clean: Callable[[bytes], bytes],
        max_bytes: int,
        max_days: float,
        max_waiting: int,
        segment_bytes: int | None = None,
        gather: bool = True,
        may_age: Callable[[], bool] = lambda: True,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.dropped = 0
        """Frames that are missing on the tapes, since the disk did not take them in time."""
        self.sampled_out = 0
        """Frames of unknown types, or unreadable ones, beyond the rate at which these are saved."""
        self.bytes = 0
        """Of all tapes on the disk."""
        self.segments = 0
        self.on = max_bytes > 0
        self._clock = clock
        self._max_frame = max_bytes // 4
        self._max_waiting = max_waiting
        self._gather = gather
        self._gathers = False
        """Something is on the disk: what comes may wait for the next look."""
        self._gathered = min(_GATHER_BYTES, max_waiting // 4)
        self._samples = _Samples()
        self._queue: deque[_Job] = deque()
        self._asleep = False
        """The recorder's thread waits for the bell: there was nothing to write."""
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._heard: int | None = None
        self._lost = 0
        # Each counted by one thread only, so that no lock is needed.
        self._given = 0
        self._taken = 0
        largest = min(max(max_bytes // 8, _SMALLEST_SEGMENT), _LARGEST_SEGMENT)
        self._shelf = _Shelf(directory, max_bytes, max_days * _DAY_S, may_age, now)
        self._writer = _Writer(self._shelf, header, clean, segment_bytes or largest)
        self._failing: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="flight-recorder", daemon=True)
        if self.on:
            self._thread.start()

    @property
    def failing(self) -> str | None:
        """Why nothing is recorded now, in words; None while all is well, or where it is switched off."""
        hangs = self._writer.outstanding_for()
        if hangs > _HANGS_AFTER_S:
            return f"the disk has not answered for {hangs:.0f} s"
        return self._failing

    @property
    def since(self) -> int | None:
        """When (wall ms) the oldest tape begins: so far back a session can be made afterwards. None: not known yet."""
        return self._shelf.since

    @property
    def waiting_bytes(self) -> int:
        """What waits in memory."""
        return self._given - self._taken

    # ------------------------------------------------------------------------------------------ on the loop's thread

    def on_item(self, item: SourceItem | Sent, verdict: Verdict | None = None, kind: str = "") -> None:
        """Take what the source said. ``verdict`` is what the dialect made of a frame (None: nobody has read it)."""
        if not self.on or verdict is Verdict.IGNORED:
            return
        size = _ITEM_BYTES
        if isinstance(item, Frame):
            size += len(item.data)
            sampled = verdict is Verdict.UNKNOWN or verdict is Verdict.UNREADABLE
            if sampled and not self._samples.take(kind, size, item.stamp.mono):
                self.sampled_out += 1
                return
        waiting = self._given - self._taken
        if size > self._max_frame or (waiting and waiting + size > self._max_waiting):
            # Without a note that the tap was there nothing is missing; anything else is a loss.
            if not isinstance(item, Alive):
                self._lost += 1
                self.dropped += 1
            return
        if self._lost:
            self._queue.append(_Lost(self._lost))
            self._lost = 0
        self._given += size
        self._queue.append(item)
        if self._asleep and (not self._gathers or waiting > self._gathered):
            self._ring()

    def look(self) -> None:
        """Have what was gathered written. To be called about once a second."""
        if self._asleep and self._queue:
            self._ring()

    def _ring(self) -> None:
        self._asleep = False
        self._bell.put(None)

    async def run(self, heard: Callable[[], Stamp | None]) -> None:
        """Note every few seconds that the tap runs, and when the last frame came; for ever."""
        while True:
            await sleep_aligned(_ALIVE_EVERY_S)
            last = heard()
            self.on_item(Alive(self._clock.stamp(), None if last is None else last.mono))

    def stop(self, timeout: float) -> bool:
        """Write what waits, for up to ``timeout`` seconds, and end; whether all of it is written."""
        if not self.on:
            return True
        self._queue.append(None)
        self._stopping.set()
        self._bell.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive() and self._failing is None

    # ------------------------------------------------------------------------------------------ on its own thread

    def _work(self) -> None:
        ended = False
        while not ended:
            self._wait()
            jobs, size = self._next()
            ended = None in jobs
            self._write([job for job in jobs if job is not None])
            self._taken += size
            self._gathers = self._gather and (self._gathers or bool(jobs))
            self._count()
        try:
            self._writer.close()
        except OSError as error:
            self._stands(error.strerror or str(error))

    def _wait(self) -> None:
        """Sleep until there is something to write; in vain where nothing comes for a while."""
        self._asleep = True
        # Only now: what came in between has not seen that nobody is awake.
        much = len(self._queue) >= _ITEMS_AT_ONCE or self._given - self._taken > self._gathered
        if not self._queue or (self._gathers and not much and not self._stopping.is_set()):
            with suppress(queue.Empty):
                self._bell.get(timeout=_LOOK_EVERY_S)
        self._asleep = False

    def _next(self) -> tuple[list[_Job], int]:
        """What is to be written next, and its size in memory."""
        jobs: list[_Job] = []
        size = 0
        while self._queue and len(jobs) < _ITEMS_AT_ONCE and size < _BYTES_AT_ONCE:
            jobs.append(self._queue.popleft())
            size += _size(jobs[-1])
        return jobs, size

    def _write(self, jobs: list[SourceItem | Sent | _Lost]) -> None:
        """Write these, however often that has to be tried; given up only where the recorder ends."""
        failures = 1
        while not self._try(jobs) and not self._stopping.wait(_BACKOFF.wait(failures)):
            failures += 1
            self._count()

    def _try(self, jobs: list[SourceItem | Sent | _Lost]) -> bool:
        try:
            self._writer.write(jobs)
        except OSError as error:
            self._stands(error.strerror or str(error))
            return False
        except Exception as error:  # noqa: BLE001 - a slip in recording must not end the recording
            self._stands(f"a bug of the tap: {error!r}")
            jobs[:] = [_Lost(sum(isinstance(job, Frame) for job in jobs))]
            self.dropped += sum(job.frames for job in jobs if isinstance(job, _Lost))
            return False
        self._stands(None)
        return True

    def _stands(self, failing: str | None) -> None:
        """Log changes, once each."""
        before, self._failing = self._failing, failing
        if failing is not None and before is None:
            _log.warning(
                "the flight recorder is paused",
                why=failing,
                directory=str(self._shelf.directory),
                next_step="free some space, or repair the disk; the journal goes on, and the tapes resume then",
            )
        elif failing is None and before is not None:
            _log.info("the flight recorder records again", frames_missing=self.dropped)

    def _count(self) -> None:
        self.bytes, self.segments = self._shelf.bytes, self._shelf.count


def _size(job: _Job) -> int:
    if isinstance(job, _Lost) or job is None:
        return 0
    return _ITEM_BYTES + (len(job.data) if isinstance(job, Frame) else 0)


class _Samples:
    """How much is saved of what nobody understands: rare types whole, frequent ones at a bounded rate."""

    _FRAMES, _FRAMES_A_SECOND = 100.0, 2.0
    _BYTES, _BYTES_A_SECOND = 8.0 * 2**20, 64.0 * 2**10
    _TYPES = 100

    def __init__(self) -> None:
        self._types: dict[str, _Bucket] = {}
        self._bytes = _Bucket(self._BYTES, self._BYTES_A_SECOND)

    def take(self, kind: str, size: int, mono: int) -> bool:
        """Whether a frame of this type may be saved now."""
        kind = kind if kind in self._types or len(self._types) < self._TYPES else ""
        bucket = self._types.setdefault(kind, _Bucket(self._FRAMES, self._FRAMES_A_SECOND))
        return bucket.has(1, mono) and self._bytes.has(size, mono) and bucket.take(1) and self._bytes.take(size)


class _Bucket:
    """So much at once, and so much a second in the long run."""

    def __init__(self, most: float, a_second: float) -> None:
        self._most = self._left = most
        self._a_second = a_second
        self._mono: int | None = None

    def has(self, amount: float, mono: int) -> bool:
        if self._mono is not None:
            self._left = min(self._most, self._left + (mono - self._mono) / 1000 * self._a_second)
        self._mono = mono
        return self._left >= amount

    def take(self, amount: float) -> bool:
        self._left -= amount
        return True


class _Shelf:
    """The tapes on the disk: how many, how large, and which of them have to go."""

    def __init__(
        self, directory: Path, max_bytes: int, max_age_s: float, may_age: Callable[[], bool], now: Callable[[], float]
    ) -> None:
        self.directory, self.now = directory, now
        """Seconds that only go on."""
        self._may_age = may_age
        self._next_aged: float | None = None
        self.count = 0
        self.bytes = 0
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self.since: int | None = None
        """When (wall ms) the oldest tape begins."""
        self._oldest: Path | None = None

    def new(self) -> tuple[Path, int]:
        """Make the next segment's file; its path and descriptor, locked for as long as that is open."""
        make_private_directory(self.directory)
        known = segments(self.directory)
        number = int(known[-1].name.partition("-")[0]) + 1 if known else 1
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(wall_ms() // 1000))
        path = self.directory / f"{number:06d}-{stamp}.jsonl"
        descriptor = open_private(path, os.O_WRONLY | os.O_EXCL | os.O_APPEND)
        try:
            sync_directory(self.directory)
        except OSError:
            # The next attempt makes another: this one may have no name after a power cut.
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        # Tells 'forget' that this one is being written.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.count += 1
        return path, descriptor

    def tidy(self, current: Path | None) -> None:
        """Let the oldest go that are too many, and one that is too old; never the one that is being written."""
        kept: list[tuple[Path, os.stat_result]] = []
        for path in segments(self.directory):
            with suppress(FileNotFoundError):
                kept.append((path, path.stat()))
        total = sum(status.st_size for _, status in kept)
        while kept and kept[0][0] != current and total > self._max_bytes:
            total -= self._let_go(*kept.pop(0))
        if kept and kept[0][0] != current and self._is_too_old(kept):
            path, status = kept.pop(0)
            total -= self._let_go(path, status)
            _log.info("a tape was deleted: it was too old", tape=path.name, days=round(self._max_age_s / _DAY_S))
        self.count, self.bytes = len(kept), total
        oldest = kept[0][0] if kept else None
        if oldest != self._oldest or self.since is None:
            self._oldest, self.since = oldest, None if oldest is None else _began(oldest)

    @staticmethod
    def _let_go(path: Path, status: os.stat_result) -> int:
        path.unlink(missing_ok=True)
        return status.st_size

    def _is_too_old(self, kept: list[tuple[Path, os.stat_result]]) -> bool:
        """Whether the first of them is, by the time of the last; a clock that is wrong must not take many at once."""
        newest = max(status.st_mtime for _, status in kept)
        if kept[0][1].st_mtime >= newest - self._max_age_s:
            return False
        if (self._next_aged is not None and self.now() < self._next_aged) or not self._may_age():
            return False
        self._next_aged = self.now() + _AGE_EVERY_S
        return True


def _began(path: Path) -> int | None:
    try:
        with open_tape(path) as tape:
            return tape.header.started_at
    except TapeInvalid:
        return None


class _Writer:
    """Writes lines into segments. An ``OSError`` leaves it ready to be given the same lines again."""

    def __init__(self, shelf: _Shelf, header: TapeHeader, clean: Callable[[bytes], bytes], segment_bytes: int) -> None:
        self._shelf = shelf
        self._header = header
        self._clean = clean
        self._segment_bytes = segment_bytes
        self._segment: _Segment | None = None
        self._last: Stamp | None = None
        """Of the last line of this run that was written."""
        self._lost = 0
        self._tidy_at: float | None = None
        self._busy_since: float | None = None

    def outstanding_for(self) -> float:
        """Seconds for which the disk has not answered; 0 where nobody waits for it. From any thread."""
        since = self._busy_since
        return 0.0 if since is None else self._shelf.now() - since

    def write(self, jobs: list[SourceItem | Sent | _Lost]) -> None:
        """Write what is given, in order; with nothing, look after what is on the disk."""
        self._busy_since = self._shelf.now()
        try:
            self._look()
            while jobs:
                if isinstance(jobs[0], _Lost):
                    self._lost += jobs[0].frames
                    del jobs[0]
                    self.close()
                    continue
                stop = next((index for index, job in enumerate(jobs) if isinstance(job, _Lost)), len(jobs))
                self._put([job for job in jobs[:stop] if not isinstance(job, _Lost)])
                del jobs[:stop]
            self._sync()
        finally:
            self._busy_since = None

    def close(self) -> None:
        """End the segment, all of it on the disk: the next says that it goes on from there."""
        self._sync(now=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _sync(self, *, now: bool = False) -> None:
        if self._segment is None:
            return
        try:
            self._segment.sync(now=now)
        except OSError:
            # What a disk did not take then it may never take: that is a loss, and the next segment says so.
            self._lost += 1
            self._let_go()
            raise

    def _put(self, items: list[SourceItem | Sent]) -> None:
        segment = self._segment
        try:
            if segment is None:
                segment = self._segment = self._begin(items[0].stamp)
            for item in items:
                segment.add(item, self._clean)
            self._shelf.bytes += segment.write()
        except BaseException:
            # What is on the disk by now is whole lines; the rest comes again, in a segment of its own.
            if segment is not None and not segment.size:
                segment.remove()
            with suppress(OSError):  # the first error is the one to tell; a loss by this one is counted
                self.close()
            raise
        self._last, self._lost = items[-1].stamp, 0

    def _begin(self, stamp: Stamp) -> _Segment:
        """A new segment; one that continues the last begins with a line at that one's end, so that no time is lost."""
        path, descriptor = self._shelf.new()
        continues = self._last is not None and not self._lost
        start = self._last if continues and self._last is not None else stamp
        header = msgspec.structs.replace(self._header, started_at=start.wall, continues=continues, lost=self._lost)
        segment = _Segment(path, descriptor, _Lines(header, start.mono), self._shelf.now)
        if continues:
            segment.add(Alive(start), self._clean)
        self._tidy_at = None
        return segment

    def _look(self) -> None:
        """Go on in a new segment where this one is full, old or gone; let go of tapes now and then."""
        segment = self._segment
        if segment is not None and (segment.size >= self._segment_bytes or segment.is_over()):
            self.close()
        if self._tidy_at is None or self._shelf.now() >= self._tidy_at:
            self._tidy_at = self._shelf.now() + 10.0
            self._shelf.tidy(None if self._segment is None else self._segment.path)


class _Lines:
    """Lines of a tape, in memory until they are taken."""

    def __init__(self, header: TapeHeader, start_mono: int) -> None:
        self._buffer = io.BytesIO()
        self.tape = TapeWriter(self._buffer, header, start_mono=start_mono)

    def take(self) -> bytes:
        """What was written since the last call."""
        data = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return data


class _Segment:
    """One file that is being written."""

    def __init__(self, path: Path, descriptor: int, lines: _Lines, now: Callable[[], float]) -> None:
        self.path = path
        self._now = now
        self.size = 0
        self._descriptor = descriptor
        self._lines = lines
        self._began = now()
        self._synced = self._began
        self._dirty = False
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)

    def add(self, item: SourceItem | Sent, clean: Callable[[bytes], bytes]) -> None:
        """Put an item into the next lines, without its secrets."""
        tape = self._lines.tape
        if isinstance(item, Frame):
            data = redact_bytes(item.data) if item.binary else clean(item.data)
            same = data is item.data
            tape.frame(item if same else Frame(data, item.stamp, item.connection, item.ordinal, item.binary))
        elif isinstance(item, Sent):
            tape.out(clean(item.data), item.stamp)
        elif isinstance(item, Opened):
            tape.opened(item)
        elif isinstance(item, Closed):
            tape.closed(item)
        else:
            tape.alive(item)

    def write(self) -> int:
        """Hand the lines to the system; how many bytes.

        After an ``OSError`` the file ends with a whole line, if the disk lets it.
        """
        data = memoryview(self._lines.take())
        disk = os.fstatvfs(self._descriptor)
        reserve = min(_LARGEST_RESERVE, disk.f_blocks * disk.f_frsize // 20)
        if disk.f_bavail * disk.f_frsize < reserve + len(data):
            raise OSError(ENOSPC, "the disk is nearly full; the rest is reserved for the journal")
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += written
        self._dirty = True
        return written

    def sync(self, *, now: bool = False) -> None:
        """To the disk itself, now and then: a power cut costs some seconds, and no more."""
        if self._dirty and (now or self._now() - self._synced >= _SYNC_EVERY_S):
            os.fdatasync(self._descriptor)
            self._synced, self._dirty = self._now(), False

    def is_over(self) -> bool:
        """Whether it has lasted long enough, or is no longer where it was (moved or deleted)."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) != self._identity or self._now() - self._began >= _SEGMENT_S

    def remove(self) -> None:
        """Take the file away, since nothing came to be written into it."""
        with suppress(OSError):
            self.path.unlink()

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)
