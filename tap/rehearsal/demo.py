"""``multicam-tap demo``: a simulated shoot, recorded live by the real service, shown and scored from the ledger.

It does what a person would do by hand: it makes a key with ``multicam-tap key new``, starts the local ledger of
``convex/``, ``multicam-tap simulate`` and ``multicam-tap run`` beside it, and reads back with ``multicam-tap timeline
--ledger``. Without Node, or outside of a checkout, there is no local ledger, and the history is read from the journal.
Every inherited ``TAP_*`` and ``PRODUCTION_*`` variable is dropped, so that nobody's real server, state or ledger is
ever touched. All it writes is in ``.demo``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from tap.adapters.clock import monotonic
from tap.adapters.journal import Journal
from tap.adapters.ledger import Ledger
from tap.core.errors import JournalError, TapError
from tap.core.merge import Row, fold
from tap.core.model import Entry
from tap.rehearsal.score import score
from tap.rehearsal.truth import read_truth

__all__ = ["cleared", "folded", "main"]

_PLACE = Path(".demo")
_MARK = ".multicam-tap-demo"
"""In a folder that a demo has made, and the next one may replace."""
_VENUE = "demo"
_SHOOT = (
    *(
        "--seed",
        "7",
        "--cameras",
        "5",
        "--length",
        "100",
        "--speed",
        "4",
        "--venue",
        _VENUE,
        "--patient",
        "--real-clock",
    ),
    *("--faults", "told_thrice,flap,still_disorder,reconnect"),
)
_START = Path(__file__).parents[2] / "convex" / "local" / "start.mjs"
_NODE = 20
_PATIENCE_S = 100.0
"""Longer than the shoot by far, and under the two minutes that a demo may take."""
_LAST_S = 5.0
"""For what was sent last to be heard, kept and shipped."""
_QUIT_S = 10.0
_LOOK_EVERY_S = 0.2


class _Place(NamedTuple):
    """A ledger to write to, and the file that holds the key."""

    url: str
    key_file: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"TAP_CONVEX_URL": self.url, "TAP_INGEST_KEY_FILE": str(self.key_file)}


def main() -> int:
    """Play a shoot, record it, show and score the history. Returns the exit code: 0 if the history is the truth."""
    # Not only Ctrl-C: SIGTERM, too, ends the processes that this has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not cleared():
        _say(f"{_PLACE} is not a demo's folder → run this in another folder, or move {_PLACE} away")
        return 1
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "PRODUCTION_"))}
    missing = _missing()
    try:
        with nullcontext() if missing else _local_ledger(environ) as ledger:
            if ledger is None:
                _say(f"No local ledger: {missing}. The history is read from the journal.")
            else:
                _say(f"The local ledger is {ledger.url}: Convex's functions on its test runtime.", "It is not Convex.")
            return _perform(environ, ledger)
    except (TapError, subprocess.CalledProcessError) as error:
        hint = "" if "→" in str(error) else f" → see {_PLACE / 'run.log'}"
        _say(f"the demo has failed: {error}{hint}")
        return 1
    except KeyboardInterrupt:
        return 130


def cleared() -> bool:
    """Make the folder, in place of an old one that the demo made itself."""
    if _PLACE.exists():
        if not (_PLACE / _MARK).exists() and any(_PLACE.iterdir()):
            return False
        shutil.rmtree(_PLACE)
    _PLACE.mkdir(mode=0o700)
    (_PLACE / _MARK).touch()
    return True


def _perform(environ: dict[str, str], ledger: _Place | None) -> int:
    state, truth, tape = _PLACE / "state", _PLACE / "truth.jsonl", _PLACE / "shoot.tape"
    with _started("simulate", *_SHOOT, "--truth", truth, "--tape", tape, environ=environ) as server:
        url = _url_told_by(server)
        _say(f"A simulated shoot plays on {url}.", "The tap records it. This takes about half a minute…")
        settings = {
            "TAP_SERVER_URL": url,
            "TAP_VENUE": _VENUE,
            "TAP_STATE_DIR": str(state),
            "TAP_OPS_LISTEN": "off",
            **({} if ledger is None else ledger.settings),
        }
        with _started("run", environ=environ | settings) as tap:
            _watch(server, tap, state, shipping=ledger is not None)
            _end(tap)
    rows = list(fold(_entries(state)).values()) if ledger is None else asyncio.run(_read_back(ledger))
    for session in (row.key for row in rows if row.op == "session"):
        _say("")
        where = ("--state-dir", state) if ledger is None else ("--ledger",)
        shown = environ | ({} if ledger is None else ledger.settings)
        subprocess.run(_command("timeline", session, *where), check=True, env=shown)  # noqa: S603 - our own command
    result = _judge(truth, rows, "the journal" if ledger is None else "the ledger")
    report = _PLACE / "shoot.html"
    wanted = _command("report", "--state-dir", state, "-o", report)
    subprocess.run(wanted, check=True, env=environ, capture_output=True)  # noqa: S603 - our own command
    _say("", f"Its report, to open in a browser: {report.absolute()}")
    _hint()
    return result


def _hint() -> None:
    """What to try next, in lines that can be pasted as they are, also from a narrow terminal."""
    state = f"--state-dir {_PLACE / 'state'}"
    command = _shown_command()
    _say(
        "",
        "Try next:",
        *folded(f"{command} report {state} -o shoot.html --open"),
        *folded(f"{command} export {state} -o shoot.edl"),
        *folded(f"{command} timeline {state}"),
        *folded(f"{command} journal ls {state}"),
        *folded(f"{command} replay {_PLACE / 'shoot.tape'} --json"),
    )


def _shown_command() -> str:
    """The shortest name by which a shell here finds this command."""
    command = Path(sys.executable).with_name("multicam-tap")
    if (found := shutil.which("multicam-tap")) is not None and Path(found).resolve() == command.resolve():
        return "multicam-tap"
    return str(command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command)


def folded(command: str, width: int = 80) -> list[str]:
    """A command in lines that fit a terminal, each but the last ending in the shell's sign for going on."""
    lines = [""]
    for word in command.split(" "):
        if lines[-1].strip() and len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else f"  {word}"
    return lines


def _judge(truth: Path, rows: list[Row], where: str) -> int:
    """Print what was read back, and its score beside what really happened."""
    _say("", f"Read back from {where}:")
    _say(*(f"  {line}" for line in _proofs(rows)))
    result = score(read_truth(truth.read_text("utf-8").splitlines()), [_as_entry(row) for row in rows])
    events = sum(kind.matched + kind.missed for kind in result.kinds.values())
    counts = {table.removesuffix(" rows"): number for table, number in sorted(result.rows.items())}
    compared = ", ".join(f"{number} {table}{'s' * (number != 1)}" for table, number in counts.items())
    verdict = "nothing missed, nothing made up" if result.perfect else f"{len(result.differences)} differences"
    _say(
        f"Compared with what really happened: {events} events, {compared}.",
        f"F1 {result.f1:.3f}: {verdict}.",
    )
    _say(*(f"  {difference}" for difference in result.differences[:10]))
    return 0 if result.perfect else 1


def _proofs(rows: Iterable[Row]) -> Iterator[str]:
    """The session, its cameras, cuts and stills, as they were read."""
    by_op: dict[str, list[Mapping[str, Any]]] = {"session": [], "camera": [], "event": [], "still": []}
    for row in rows:
        by_op[row.op].append(row.fields | {"sessionKey": row.session_key})
    for session in by_op["session"]:
        yield f"session   {session['sessionKey']}  {session['status']}"
    yield f"cameras   {len(by_op['camera'])}"
    yield f"cuts      {sum(event['kind'] == 'cut' for event in by_op['event'])}, among {len(by_op['event'])} events"
    stills = Counter(str(still["status"]) for still in by_op["still"])
    yield f"stills    {len(by_op['still'])}: {', '.join(f'{number} {status}' for status, number in stills.items())}"


def _as_entry(row: Row) -> dict[str, Any]:
    """A row as the entry that would make it."""
    common = {"key": row.key, "op": row.op, "sessionKey": row.session_key, "version": row.version}
    return {**common, "revision": row.revision, "fields": row.fields}


# ---------------------------------------------------------------------------------------------- the local ledger


def _missing() -> str | None:
    """Why no local ledger can be started; None if one can."""
    if not _START.exists():
        return "it is only in a checkout"
    node = shutil.which("node")
    if node is None:
        return f"Node {_NODE} or newer is missing"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)", said)
    if found is None or int(found[1]) < _NODE:
        return f"Node is {said.strip() or 'broken'}, and {_NODE} or newer is needed"
    if not (_START.parents[1] / "node_modules" / "tsx").is_dir():
        return f"its packages are missing (npm ci in {_START.parents[1]})"
    return None


@contextmanager
def _local_ledger(environ: dict[str, str]) -> Iterator[_Place]:
    """The local ledger on a free port, with a key made for this run; it knows only the key's digest."""
    made = subprocess.run(  # noqa: S603 - our own command
        _command("key", "new", _VENUE), env=environ, capture_output=True, text=True, check=True
    )
    key, line, _ = made.stdout.splitlines()
    key_file = _PLACE / "ingest-key"
    key_file.touch(mode=0o600)
    key_file.write_text(key)
    granted = f"{_VENUE}:{json.loads(shlex.split(line)[-1])['digest']}"
    command = ["node", str(_START), "--data", str((_PLACE / "ledger.jsonl").absolute())]
    # Twice, so that it ends with us whatever happens: also where nobody is left to stop it.
    command += ["--parent-pid", str(os.getpid()), "--exit-with-stdin"]
    with _running(command, "ledger", environ | {"PRODUCTION_INGEST_KEYS": granted}) as node:
        said = node.stdout.readline() if node.stdout is not None else ""
        if not said:
            raise TapError("the local ledger did not start", hint=f"see {_PLACE / 'ledger.log'}")
        yield _Place(json.loads(said)["url"], key_file)
        # In order: it writes its snapshot.
        _ask_to_end(node)


async def _read_back(place: _Place) -> list[Row]:
    """Every row of every session that the ledger has."""
    async with Ledger(place.url, SecretStr(place.key_file.read_text())) as ledger:
        sessions = [row.key async for row in ledger.sessions(_VENUE)]
        return [row for key in reversed(sessions) for row in await ledger.timeline(key)]


# ---------------------------------------------------------------------------------------------- the processes


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tap.cli", *map(str, arguments)]


@contextmanager
def _started(name: str, *arguments: str | Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start one of multicam-tap's commands."""
    with _running(_command(name, *arguments), name, environ) as process:
        yield process


@contextmanager
def _running(command: list[str], name: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process, with what it says on stderr in a file; it is ended, whatever happens."""
    with (_PLACE / f"{name}.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


def _url_told_by(server: subprocess.Popen[str]) -> str:
    line = server.stdout.readline() if server.stdout is not None else ""
    found = re.search(r"ws://\S+", line)
    if found is None:
        raise TapError("the simulator did not start", hint=f"see {_PLACE / 'simulate.log'}")
    return found.group()


def _end(tap: subprocess.Popen[str]) -> None:
    """Stop the tap as systemd would."""
    _ask_to_end(tap)
    if tap.returncode != 0:
        raise TapError(f"the tap has ended with {tap.returncode}")


def _ask_to_end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_QUIT_S)


# ---------------------------------------------------------------------------------------------- meanwhile


def _watch(server: subprocess.Popen[str], tap: subprocess.Popen[str], state: Path, *, shipping: bool) -> None:
    """Until the shoot is over, told and, where it can be, shipped; on a terminal with what the journal has by then."""
    until = monotonic() + _PATIENCE_S
    over: float | None = None
    counts: Counter[str] = Counter()
    live: set[str] = set()
    last = 0
    while over is None or ((live or (shipping and _waiting(state))) and monotonic() < over + _LAST_S):
        if over is None and server.poll() is not None:
            over = monotonic()
        if monotonic() > until:
            raise TapError("the shoot did not come to its end")
        if tap.poll() is not None:
            raise TapError(f"the tap has ended with {tap.returncode}")
        for seq, entry in _since(state, last):
            last = seq
            _note(entry, counts, live)
        _progress(counts)
        time.sleep(_LOOK_EVERY_S)
    _progress(None)


def _note(entry: Entry, counts: Counter[str], live: set[str]) -> None:
    if entry.op == "event":
        counts[str(entry.fields["kind"])] += 1
    elif entry.op == "session":
        (live.add if entry.fields["status"] == "live" else live.discard)(entry.session_key)


def _since(state: Path, seq: int) -> list[tuple[int, Entry]]:
    try:
        with Journal.open(state / "journal.db", readonly=True) as journal:
            return [(kept.seq, kept.entry) for kept in journal.entries(after=seq)]
    except JournalError:
        return []  # the tap has only just begun


def _waiting(state: Path) -> int:
    with Journal.open(state / "journal.db", readonly=True) as journal:
        return journal.counts()["pending"]


def _entries(state: Path) -> list[Entry]:
    with Journal.open(state / "journal.db", readonly=True) as journal:
        return [kept.entry for kept in journal.entries()]


def _progress(counts: Counter[str] | None) -> None:
    """One line that changes, on a terminal only."""
    if not sys.stderr.isatty():
        return
    text = "" if counts is None else ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write(f"\r\x1b[K{text[:width]}")
    sys.stderr.flush()


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
