"""``make demo``: a made-up shoot, tapped live by the real service, shown and scored.

It does what a person would do by hand: it starts ``multicam-tap simulate`` and ``multicam-tap run`` beside it, and in
the end ``multicam-tap timeline``. Every inherited ``TAP_*`` variable is dropped, so that nobody's real server, state
or ledger is ever touched. All it writes is in ``.demo``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tap.adapters.journal import Journal
from tap.core.errors import JournalError, TapError
from tap.core.model import Entry
from tap.rehearsal.score import score
from tap.rehearsal.truth import read_truth

__all__ = ["main"]

_PLACE = Path(".demo")
_VENUE = "demo"
_SHOOT = (
    *("--seed", "7", "--cameras", "5", "--length", "100", "--speed", "4", "--venue", _VENUE, "--patient"),
    *("--faults", "told_thrice,flap,still_disorder,reconnect"),
)
_PATIENCE_S = 100.0
"""Longer than the shoot by far, and under the two minutes that a demo may take."""
_LAST_S = 5.0
"""For what was sent last to be heard and kept."""
_QUIT_S = 10.0
_LOOK_EVERY_S = 0.2


def main() -> int:
    """Play, tap, show and score; the exit code: 0 where the history is the truth."""
    shutil.rmtree(_PLACE, ignore_errors=True)
    _PLACE.mkdir(mode=0o700)
    state, truth, tape = _PLACE / "state", _PLACE / "truth.jsonl", _PLACE / "shoot.tape"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    try:
        with _started("simulate", *_SHOOT, "--truth", truth, "--tape", tape, environ=environ) as server:
            url = _url_told_by(server)
            _say(f"A made-up shoot plays on {url}; the tap listens and writes its history. About half a minute…")
            settings = {
                "TAP_SERVER_URL": url,
                "TAP_VENUE": _VENUE,
                "TAP_STATE_DIR": str(state),
                "TAP_OPS_LISTEN": "off",
            }
            with _started("run", environ=environ | settings) as tap:
                _watch(server, tap, state)
                _end(tap)
        entries = _entries(state)
        sessions = list(dict.fromkeys(entry.session_key for entry in entries))
        for key in sessions:
            _say("")
            shown = _command("timeline", key, "--state-dir", state)
            subprocess.run(shown, check=True, env=environ)  # noqa: S603 - our own command
        return _judge(truth, entries, sessions)
    except (TapError, subprocess.CalledProcessError) as error:
        _say(f"the demo has failed: {error} → what the tap said is in {_PLACE / 'run.log'}")
        return 1
    except KeyboardInterrupt:
        return 130


def _judge(truth: Path, entries: list[Entry], sessions: list[str]) -> int:
    result = score(read_truth(truth.read_text("utf-8").splitlines()), entries)
    events = sum(kind.matched + kind.missed for kind in result.kinds.values())
    rows = ", ".join(f"{number} {table}" for table, number in sorted(result.rows.items()))
    verdict = "nothing missed, nothing made up" if result.perfect else f"{len(result.differences)} differences"
    _say("", f"Against the truth: {events} events, {rows}: F1 {result.f1:.3f}, {verdict}.")
    _say(*(f"  {difference}" for difference in result.differences[:10]))
    state = f"--state-dir {_PLACE / 'state'}"
    command = Path(sys.executable).with_name("multicam-tap")
    command = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
    _say(
        "",
        "To look further:",
        f"  {command} timeline {sessions[0] if sessions else 'KEY'} {state}",
        f"  {command} sessions {state}",
        f"  {command} journal ls {state}",
        f"  {command} replay {_PLACE / 'shoot.tape'} --json",
        f"  {command} simulate --help",
    )
    return 0 if result.perfect else 1


# ---------------------------------------------------------------------------------------------- the two processes


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tap.cli", *map(str, arguments)]


@contextmanager
def _started(name: str, *arguments: str | Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command of ours that runs, with what it says on stderr in a file; it is ended, whatever happens."""
    with (_PLACE / f"{name}.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            _command(name, *arguments),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _url_told_by(server: subprocess.Popen[str]) -> str:
    line = server.stdout.readline() if server.stdout is not None else ""
    found = re.search(r"ws://\S+", line)
    if found is None:
        raise TapError("the simulator did not start", hint=f"see {_PLACE / 'simulate.log'}")
    return found.group()


def _end(tap: subprocess.Popen[str]) -> None:
    """Stop the tap as systemd would."""
    tap.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        tap.wait(_QUIT_S)
    if tap.returncode != 0:
        raise TapError(f"the tap has ended with {tap.returncode}")


# ---------------------------------------------------------------------------------------------- meanwhile


def _watch(server: subprocess.Popen[str], tap: subprocess.Popen[str], state: Path) -> None:
    """Until the shoot is over, and told; on a terminal with what the journal has by then."""
    until = time.monotonic() + _PATIENCE_S
    over: float | None = None
    counts: Counter[str] = Counter()
    live: set[str] = set()
    last = 0
    while over is None or (live and time.monotonic() < over + _LAST_S):
        if over is None and server.poll() is not None:
            over = time.monotonic()
        if time.monotonic() > until:
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
