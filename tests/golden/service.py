"""What the service's parts make of drawn input: boards, health, settings, chosen sessions, answers, damaged tapes."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import fields

from tap.adapters.dialects import load_dialect
from tap.adapters.journal import Journal
from tap.adapters.ledger.replies import Replies
from tap.adapters.tape import read_tapes
from tap.core.errors import TapError
from tap.core.merge import fold
from tap.core.model import Entry, Policy
from tap.core.pipeline import Pipeline
from tap.service.config import Settings, load_settings
from tap.service.ops.session_board import SessionBoard
from tap.service.running.health import Numbers, judge
from tap.service.tools.rederive import lines, rederive
from tap.service.tools.session_editing import Plan, carry_out, log, merge, rename, split, trim, undo
from tap.service.tools.session_making import make
from tests.golden.damage import damaged
from tests.service.chosen import NOW, RIGHT, heard, rows, tape_of
from tests.world import worlds

__all__ = ["answers", "board", "chosen", "compared", "judged", "settings", "torn"]


def _entries(rng: Random) -> list[Entry]:
    """Of a shoot that something happened to."""
    world = worlds.draw(rng.randrange(10**6))
    _, items = worlds.items_of(world)
    pipeline = Pipeline(load_dialect("multicam/1"), venue="hall", tap="tap", policy=Policy())
    source = list(worlds.heard(items, world.origin))
    if rng.random() < 0.7:
        source = damaged(source, f"board/{world.seed}")
    return [entry for item in source for entry in pipeline.feed(item)]


def board(rng: Random) -> Iterator[str]:
    """The live page's board, as it fills, with bounds that are soon reached."""
    entries, made = _entries(rng), SessionBoard(rng.choice((3, 12, 400)))
    while entries:
        some = rng.choice((1, 1, 2, 5, 30))
        now, entries = entries[:some], entries[some:]
        yield repr(made.take(now))
        if rng.random() < 0.3:
            yield repr(made.settle(at_once=rng.random() < 0.3))
        at = now[-1].fields.get("observedAt", now[-1].version)
        yield repr((made.totals(at + rng.choice((0, 1, 5_000))), made.past(), made.summary_until, made.unsure))
    yield repr(made.happenings)
    whole = SessionBoard.whole(_entries(rng), rng.choice((5, 400)))
    yield repr((whole.happenings, whole.totals(NOW), whole.past()))


_SOMETIMES: dict[Any, tuple[Any, ...]] = {
    int: (0, 0, 0, 1, 2, 17),
    float: (0.0, 0.0, 1.0, 4.9, 5.0, 9.99, 10.0, 30.0, 59.0, 60.0, 61.0, 299.0, 300.0, 901.0, 4_000.0),
    float | None: (None, None, 0.0, -12.0, 4.0, 10.0, 30.0, 61.0, 700.0),
    bool: (False, True),
    str: ("the server", "idle", "away", "blocked", "none", "shipping"),
    str | None: (None, None, "it broke", "https://ledger.example"),
    dict[str, str]: ({}, {}, {"type": "cut is gone → map it"}, {"a": "one", "b": "two"}),
}


def judged(rng: Random) -> Iterator[str]:
    """Health, by numbers of all kinds."""
    kinds = typing.get_type_hints(Numbers)
    for _ in range(60):
        drawn = {one.name: rng.choice(_SOMETIMES[kinds[one.name]]) for one in fields(Numbers)}
        kept = {name: value for name, value in drawn.items() if rng.random() < 0.5}
        yield repr(judge(Numbers(**kept)))


_VALUES = (
    *(
        "",
        "0",
        "1",
        "on",
        "yes",
        "-1",
        "5",
        "1e9",
        "nan",
        "0.5",
        "off",
        "local",
        "hall/a",
        "x" * 300,
        "/srv/tap",
        "relative",
    ),
    *(
        "ws://127.0.0.1:9404/ws/control",
        "wss://cam.example",
        "http://127.0.0.1:3210",
        "http://ledger.example",
        "ftp://x",
    ),
    *("https://happy-otter-1.convex.cloud", "0.0.0.0:9405", "127.0.0.1:0", "[::1]:80", "obs", "multicam/1", "no-such"),
    *("Mo-Fr 09:00-17:00", "Mo 25:00-26:00", "Europe/Berlin", "Nowhere/Town", "record", "csv,edl", "fcpxml", "{", "{}"),
    *('{"Studio": ["Cam 1", "Cam 2"]}', "words with spaces", "pässword", "line\nline", "a,b,c", "::", "host:port"),
)


def settings(rng: Random) -> Iterator[str]:
    """Environments of which a part is wrong."""
    for _ in range(40):
        names = [f"TAP_{name.upper()}" for name in Settings.model_fields]
        environ = {name: rng.choice(_VALUES) for name in rng.sample(names, rng.randint(0, 5))}
        environ |= {"TAP_STATE_DIR": "/var/lib/tap"} if rng.random() < 0.8 else {"STATE_DIRECTORY": "/var/a:/var/b"}
        if rng.random() < 0.3:
            environ[rng.choice(("TAP_VENU", "TAP_SERVERURL", "TAP_X", "CONVEX_URL"))] = "1"
        try:
            loaded = load_settings(environ, partly=rng.random() < 0.3)
            told = repr((loaded, loaded.policy(), loaded.exports, loaded.server_expected(NOW), loaded.ops_address))
        except TapError as error:
            told = str(error)
        yield told.replace(str(Path.cwd()), "here")  # a relative path is one below it


def chosen(rng: Random) -> Iterator[str]:
    """Sessions made, split, merged, trimmed, named and given back, in any order; what is refused, too."""
    with (
        TemporaryDirectory() as folder,
        closing(heard(tape_of(Path(folder), rng.randrange(10**6), sessions=3))) as kept,
    ):
        for _ in range(10):
            yield from _step(kept, Path(folder) / "tapes", rng)


def _step(journal: Journal, tapes: Path, rng: Random) -> Iterator[str]:
    own = sorted((row for row in rows(journal).values() if row.op == "session"), key=lambda row: row.key)
    row = rng.choice(own)
    began = row.fields["startedAt"]
    moments = sorted(rng.sample(range(began - 1_000, began + 60_000, 250), 2))
    acts: dict[str, Callable[[], Plan | None]] = {
        "split": lambda: split(journal, row.key, at=moments[0], names=rng.choice((None, {"title": "Second"}))),
        "trim": lambda: trim(journal, row.key, since=rng.choice((None, moments[0])), until=moments[1]),
        "rename": lambda: rename(journal, row.key, names=rng.choice(({"title": "A"}, {"title": "", "notes": "b"}))),
        "merge": lambda: merge(journal, [one.key for one in rng.sample(own, min(2, len(own)))]),
        "undo": lambda: undo(journal, row.key, venue=rng.choice((None, None, "hall", "other"))),
        "make": lambda: make(
            tapes, journal, RIGHT, venue="hall", since=moments[0], until=moments[1], names={"title": "Made"}, now=NOW
        ),
    }
    name = rng.choice(sorted(acts))
    apply = rng.random() < 0.8
    yield f"--- {name}, {apply}"
    try:
        plan = acts[name]()
        if plan is None:
            yield "none"
            return
        yield repr(carry_out(journal, lambda: plan, apply=apply, by="anna", now=lambda: NOW))
    except TapError as error:
        yield str(error)
    yield repr(log(journal, row.key))
    yield repr(sorted(rows(journal).items()))


def compared(rng: Random) -> Iterator[str]:
    """Tapes held against a journal that lacks some of their rows, or has others."""
    with TemporaryDirectory() as name:
        folder = tape_of(Path(name), rng.randrange(10**6), sessions=2)
        pipeline = Pipeline(RIGHT, venue="hall", tap="0123456789ab", policy=Policy())
        with read_tapes(sorted((folder / "tapes").iterdir())) as items:
            entries = [entry for item in items for entry in pipeline.feed(item)]
        with closing(Journal.open(folder / "journal.db", owner=True)) as journal:
            journal.append(list(_altered(entries, rng)), pipeline.checkpoint(), NOW - 1)
            for apply in (False, True, False):
                for line in lines(rederive(folder / "tapes", journal, RIGHT, apply=apply), applied=apply):
                    yield line.replace(name, "")
            yield repr(sorted(fold(kept.entry for kept in journal.entries()).items()))


def _altered(entries: Sequence[Entry], rng: Random) -> Iterator[Entry]:
    for entry in entries:
        chance = rng.random()
        if entry.op != "session" and chance < 0.1:
            continue
        if chance < 0.2:
            fields = {
                key: value + rng.choice((0, 1, 700)) if type(value) is int else value
                for key, value in entry.fields.items()
            }
            yield Entry(entry.key, entry.op, entry.session_key, entry.version, fields, entry.revision, entry.retracted)
        else:
            yield entry


_SAID: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 5, 1.5, 2**53, 2**63, 1e308, "", "k1", "stale", "unauthorized", "x" * 2_000, [], {}, "all"),
    *(["hall"], {"code": "rejected", "reason": "why"}, {"event": ["kind"]}, "\ud800", "InternalServerError"),
)
_ANSWER = {"key": "k1", "outcome": "stale", "code": "bad", "reason": "why", "field": "at", "version": 7}
_ROW = {
    "sessionKey": "hall/s",
    "venue": "hall",
    "version": 3,
    "revision": 0,
    "cameraId": "c",
    "eventKey": "e",
    "stillKey": "s",
}
_ABOUT = {
    "contract": 2,
    "kinds": ["cut"],
    "triggers": ["unknown"],
    "venues": "all",
    "functions": ["ingest"],
    "may": ["read"],
    "columns": {"session": ["title"], "camera": ["name"], "event": ["at"], "still": ["status"]},
}


def answers(rng: Random) -> Iterator[str]:
    """What a ledger may answer, some of it wrong."""
    replies = Replies("ledger.example", lambda: "hush-key")
    read: tuple[Callable[[Any], Any], ...] = (
        lambda said: replies.answers([said], ["k1"]),
        lambda said: replies.answers(said, ["k1", "k2"]),
        lambda said: replies.row(rng.choice(("session", "camera", "event", "still")), said),
        replies.deployment,
        lambda said: replies.failure("production:ingest", said if isinstance(said, dict) else {"errorMessage": said}),
    )
    for _ in range(80):
        said = dict(rng.choice((_ANSWER, _ROW, _ABOUT, {"errorData": {"code": "x"}, "errorMessage": "hush-key"})))
        for name in rng.sample(sorted(said), rng.randint(0, 2)):
            if rng.random() < 0.3:
                del said[name]
            else:
                said[name] = rng.choice(_SAID)
        try:
            yield repr(rng.choice(read)(said if rng.random() < 0.9 else rng.choice(_SAID)))
        except TapError as error:
            yield f"{type(error).__name__} {error} {getattr(error, 'code', '')}"


def torn(rng: Random) -> Iterator[str]:
    """Files of tapes that are damaged as files: lines lost, doubled, cut, in another order; headers that lie."""
    with TemporaryDirectory() as name:
        whole = (
            tape_of(Path(name), rng.randrange(10**6), length_s=20) / "tapes" / "000001-20261118T110640Z.jsonl"
        ).read_bytes()
        for number in range(12):
            found = whole.splitlines(keepends=True)
            parts = [found] if rng.random() < 0.5 else [found[: len(found) // 2], [found[0], *found[len(found) // 2 :]]]
            paths = []
            for at, part in enumerate(parts):
                path = Path(name) / f"{number}-{at}.tape.jsonl"
                path.write_bytes(b"".join(_torn(part, rng)))
                paths.append(path)
            try:
                with read_tapes(rng.sample(paths, len(paths))) as items:
                    for item in items:
                        yield repr(item)
            except TapError as error:
                yield str(error).replace(name, "")


def _torn(found: Sequence[bytes], rng: Random) -> list[bytes]:
    made = list(found)
    for _ in range(rng.randint(0, 4)):
        at = rng.choice((0, rng.randrange(len(made))))
        match rng.randrange(7):
            case 0 if len(made) > 1:
                del made[at]
            case 1:
                made.insert(at, made[rng.randrange(len(made))])
            case 2:
                made[at] = made[at][: rng.randrange(len(made[at]) + 1)]
            case 3:
                made[at] = made[at].replace(b'"t":', rng.choice((b'"t":-', b'"t":"', b'"x":', b'"t":1')), 1)
            case 4:
                made[at] = made[at].replace(b'"dir":"in"', rng.choice((b'"dir":"out"', b'"dir":5', b'"dir":"up"')), 1)
            case 5:
                made[at] = rng.choice(
                    (b"\n", b"[]\n", b"{}\n", b'{"t":1,"event":"open"}\n', b"\xff\n", b'{"tape":9}\n')
                )
            case _:
                made[at] = made[at].replace(b":1", b":2", rng.randint(1, 3))
    return made
