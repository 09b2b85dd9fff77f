"""Makes a folder of ``fixtures/states``: the state directory of a version that was killed in the middle of a session.

``CHECKOUT/.venv/bin/python tests/upgrade/make.py CHECKOUT NAME``, where CHECKOUT is a clone at a commit of the version,
with its ``.venv`` and ``convex/node_modules``: all that runs here is the code of that version. In the folder are

- ``state.tar.gz``: the state directory as the kill left it, with the write-ahead log of its journal, and the tapes;
- ``ledger.gz``: the local ledger's file, with what was delivered by then;
- ``after.json.gz``: what the server says from then on, a step each (``lockstep.py``);
- ``entries.jsonl.gz``, ``rows.jsonl.gz``: the entries in the journal and the rows in the ledger after the version
  itself went on from there, to the end of the shoot.

``0.1.0`` is of commit 2272699, the last that called itself so; ``0.2.0`` of dcbfe5e.
"""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STATES = ROOT / "fixtures" / "states"
SHOOT = ["--seed", "18", "--cameras", "4", "--sessions", "2", "--length", "60", "--telemetry-rate", "0.5"]
FAULTS = "told_thrice,snapshot_only,stale_state,reconnect,flap,late_join,still_disorder,repeats"
LEDGER_ENDS_S = 180.0
"""When the ledger goes away, in the time of the tape: what comes later is pending."""
KILLED_S = 195.2
"""On hold, a still requested and not taken yet, in the second session."""
AWAY_S = 3.0

sys.path.insert(0, str(Path(__file__).parent))
resume = importlib.import_module("resume")


def main() -> None:
    """Record, kill, keep, go on, and write down what it came to."""
    checkout, kept = Path(sys.argv[1]).resolve(), STATES / sys.argv[2]
    kept.mkdir(parents=True, exist_ok=True)
    os.chdir(checkout)
    sys.path.insert(0, str(checkout))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        before, away, after = shoot(checkout, folder)
        kill_in_mid_session(before, away, folder)
        keep(folder, kept)
        go_on(after, folder, kept)
    zipped(kept / "after.json.gz", json.dumps(after, ensure_ascii=False).encode())


def shoot(checkout: Path, folder: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """The steps up to the end of the ledger, up to the kill, and from the tap's return on."""
    tape = folder / "shoot.tape.jsonl"
    command = [str(checkout / ".venv/bin/multicam-tap"), "simulate", *SHOOT, "--faults", FAULTS]
    subprocess.run([*command, "--tape-only", "--tape", str(tape), "--truth", os.devnull], check=True)
    steps = steps_of(tape)
    start = steps[0]["mono"]
    by = [step["mono"] / 1000 for step in steps]
    hello = next(step for step in steps if step["does"] == "say")
    after = [step for step in steps if step["mono"] / 1000 > KILLED_S]
    back = {
        "wall": steps[0]["wall"] + round((KILLED_S + AWAY_S) * 1000) - start,
        "mono": round((KILLED_S + AWAY_S) * 1000),
    }
    # A server says hello and how things are to whoever comes; how things are is what it says next.
    welcome = [{**back, "does": "open", "data": ""}, {**hello, **back}]
    return (
        [step for step, at in zip(steps, by, strict=True) if at <= LEDGER_ENDS_S],
        [step for step, at in zip(steps, by, strict=True) if LEDGER_ENDS_S < at <= KILLED_S],
        [*welcome, *(step for step in after if step["mono"] > back["mono"])],
    )


def steps_of(tape: Path) -> list[Any]:
    """The lines of a tape as steps."""
    steps = []
    for line in tape.read_text(encoding="utf-8").splitlines()[1:]:
        said = json.loads(line)
        does = said.get("event", "say")
        if does == "alive":
            continue
        wall = round(datetime.fromisoformat(said["wall"]).timestamp() * 1000)
        steps.append({"wall": wall, "mono": round(said["t"] * 1000), "does": does, "data": said.get("data", "")})
    return steps


def kill_in_mid_session(before: Sequence[Any], away: Sequence[Any], folder: Path) -> None:
    """The ledger is there for the first steps alone. Then the tap is killed, once its last entries are committed."""
    state = folder / "state"
    state.mkdir(mode=0o700)
    steps = [*before, {**before[-1], "does": "wait"}, *away]
    there = ExitStack()
    ledger = there.enter_context(local_ledger(folder))
    with there, resume.playing(steps, state, ledger, folder / "log") as tap:
        tap.says("waiting")
        resume.waits(lambda: resume.entries_in(state) and not resume.pending_in(state))
        there.close()
        tap.goes_on()
        tap.says("done")
        resume.waits(lambda: any(entry["fields"].get("kind") == "hold" for entry in resume.entries_in(state)[-4:]))
        tap.process.kill()
        tap.process.wait()


def keep(folder: Path, kept: Path) -> None:
    """The state directory as it is, byte for byte, and the ledger's file."""
    with tarfile.open(kept / "state.tar.gz", "w:gz") as packed:
        for path in sorted((folder / "state").rglob("*")):
            packed.add(path, path.relative_to(folder / "state"), recursive=False, filter=plain)
    zipped(kept / "ledger.gz", (folder / "ledger").read_bytes())


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's in particular."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def go_on(after: Sequence[Any], folder: Path, kept: Path) -> None:
    """The version starts again on its own state, to the end of the shoot."""
    state = folder / "state"
    with local_ledger(folder) as ledger:
        with resume.playing(after, state, ledger, folder / "log") as service:
            service.says("done")
            resume.waits(lambda: not resume.pending_in(state))
            service.process.terminate()
            assert service.process.wait() == 0
        rows = asyncio.run(rows_in(*ledger))
    written(kept / "entries.jsonl.gz", resume.entries_in(state))
    written(kept / "rows.jsonl.gz", rows)


@contextmanager
def local_ledger(folder: Path) -> Iterator[tuple[str, str]]:
    """The version's own local ledger, on the same file each time: address and key."""
    local = importlib.import_module("tests.contract.local")
    with local.local_ledger([resume.VENUE], data=folder / "ledger") as started:
        yield started.url, local.key_of(resume.VENUE).get_secret_value()


async def rows_in(url: str, key: str) -> list[Any]:
    """Every row of the ledger, as the version's own client reads it."""
    ledgers, contract, convert = (
        importlib.import_module(name) for name in ("tap.adapters.ledger", "tests.contract.test_contract", "msgspec")
    )
    secret = importlib.import_module("pydantic").SecretStr(key)
    async with ledgers.Ledger(url, secret) as ledger:
        rows = await contract._kept(ledger)
    return [convert.to_builtins(rows[key]) for key in sorted(rows)]


def written(path: Path, rows: Sequence[Any]) -> None:
    """A line a row."""
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows]
    zipped(path, ("\n".join(lines) + "\n").encode())


def zipped(path: Path, data: bytes) -> None:
    """The same bytes each time."""
    path.write_bytes(gzip.compress(data, mtime=0))


if __name__ == "__main__":
    main()
