"""Writes docs/evidence.md: everything in it was run or read back by this run. ``make evidence``.

It plays the demo (simulator, the real service, the local ledger), then starts the local ledger anew on what that left
behind, and reads the proofs from it: over Convex's HTTP API and over the ledger's HTTP routes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from tap.adapters.journal import Journal
from tap.adapters.ledger import Ledger
from tap.core.merge import Row
from tap.history.terminal.lines import row_object

ROOT = Path(__file__).resolve().parent.parent
CONVEX = ROOT / "convex"
DEMO = ROOT / ".demo"
PAGE = ROOT / "docs" / "evidence.md"
AGAIN = "evidence"
"""The venue whose tape is written twice."""
TAP = [sys.executable, "-m", "tap.cli"]

PARTS = (
    (
        "`convex/functions/ledger/tables.ts`, `columns.ts`",
        "the four tables, once: schema, arguments and checks are made of them",
    ),
    (
        "`convex/functions/ledger/entries.ts`, `merge.ts`, `ingest.ts`",
        "the rules: what an entry may say, and how entries that meet become one row, whatever order they come in",
    ),
    (
        "`convex/functions/ledger/owners.ts`, `ownersStore.ts`, `making.ts`",
        "the ledger in tables that an app has already: one column, four functions of the app's own",
    ),
    ("`convex/example-existing/`", "two such apps, worked out and tested"),
    ("`convex/functions/ledger/keys.ts`", "who may write and read: digests only, in a table, a key for each venue"),
    ("`convex/functions/ledger/about.ts`", "what a deployment takes, so that the tap recognizes an older one"),
    ("`convex/functions/production.ts`, `http.ts`", "the functions and routes that a deployment serves"),
    ("`convex/local/`", "the same functions served on this machine, for demos and tests: no Convex"),
    ("`tap/adapters/ledger/`", "Convex's HTTP API: deadlines, sorted errors, no key in any output"),
    (
        "`tap/service/running/publishing/publisher.py`",
        "the journal's entries to the ledger, in order, for as long as it takes; a bad entry is rejected",
    ),
    (
        "`tap/core/deployment.py`, `tap/service/running/publishing/older_deployment.py`",
        "an older deployment gets what it knows; the rest waits, and goes whole later",
    ),
    (
        "`tap/service/tools/check.py`, `forget.py`, `deliver.py`",
        "what a person does: try everything, remove a shoot, write a tape",
    ),
    ("`tap/rehearsal/`", "a made-up shoot that knows its own truth, to compare the rows with"),
)

LATER = (
    "A real Convex deployment (`npx convex dev --once`, `npx convex deploy`). Here the code was generated and bundled"
    " without one, and what one answers was read in Convex's source.",
    "A real multicam-server: its protocol is an assumption, kept as a mapping file.",
    "Speed and conflicts of a real deployment: the local ledger has one lock and scans every row.",
)


def main() -> int:
    """Run everything, write the page; 0 where all of it held."""
    if shutil.which("node") is None or not (CONVEX / "node_modules").is_dir():
        print("make evidence needs Node 20 or newer and the packages of convex/ (npm ci)", file=sys.stderr)
        return 1
    checks = [check(title, script) for title, script in CHECKS]
    print("demo …", file=sys.stderr)
    began = time.monotonic()
    demo = run([sys.executable, "-m", "tap.cli", "demo"], check=False)
    took = time.monotonic() - began
    if demo.returncode != 0:
        print(demo.stdout + demo.stderr, file=sys.stderr)
        return 1
    print("reading back …", file=sys.stderr)
    told = read_back()
    proofs = list(proofs_of(told["rows"]))
    lines = page(checks, demo.stdout, took, told, proofs)
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")
    ok = all(passed for _, _, passed, _ in checks) and all(passed for _, passed, _ in proofs)
    print(f"{PAGE.relative_to(ROOT)} is written{'' if ok else ': NOT everything held'}")
    return 0 if ok else 1


# ---------------------------------------------------------------------------------------------- what is run

CHECKS = (
    ("Types", "npx tsc --noEmit"),
    ("The apps of convex/README.md: generated code, types, Convex's linter, bundle", "npm run --silent apps"),
    ("Generated code is up to date", "npm run --silent generated"),
    ("Bundle, made as a deploy makes it", "npm run --silent bundle"),
)


def run(command: list[str], *, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TAP_", "PRODUCTION_"))}
    environ |= {"CI": "1", "TAP_TIMEZONE": "UTC", "COLUMNS": "100"} | options.pop("env", {})
    return subprocess.run(
        command, check=check, env=environ, cwd=options.pop("cwd", ROOT), capture_output=True, text=True, **options
    )


def check(title: str, script: str) -> tuple[str, str, bool, str]:
    """Title, command, whether it passed, and its last words."""
    print(f"{script} …", file=sys.stderr)
    began = time.monotonic()
    done = run(script.split(), check=False, cwd=CONVEX)
    said = (done.stdout + done.stderr).strip().splitlines()
    # What npm says of this machine's own configuration is no result.
    words = [line for line in said if not line.startswith("npm warn")]
    last = words[-1] if words else "no complaint"
    return title, script, done.returncode == 0, f"{last} ({time.monotonic() - began:.1f} s)"


@contextmanager
def local_ledger(*options: str, keys: dict[str, str]) -> Iterator[str]:
    """A local ledger with these keys; its address."""
    granted = " ".join(f"{venue}:{hashlib.sha256(key.encode()).hexdigest()}" for venue, key in keys.items())
    environ = os.environ | {"PRODUCTION_INGEST_KEYS": granted}
    command = ["node", str(CONVEX / "local" / "start.mjs"), "--exit-with-stdin", *options]
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as node:
        assert node.stdout is not None  # noqa: S101
        try:
            yield json.loads(node.stdout.readline())["url"]
        finally:
            node.terminate()


def read_back() -> dict[str, Any]:
    """Everything that the page tells of the ledger, from one that was started anew on the demo's data."""
    key = (DEMO / "ingest-key").read_text()
    with local_ledger("--data", str(DEMO / "ledger.jsonl"), keys={"demo": key}) as url:
        began = time.monotonic()
        rows = asyncio.run(rows_of(url, SecretStr(key)))
        read_ms = (time.monotonic() - began) * 1000
        session = next(row.key for row in rows if row.op == "session")
        routes = [
            (path, *get(url, path, key))
            for path in (
                "/production/sessions?limit=1",
                f"/production/session?sessionKey={quote(session, safe='')}",
                f"/production/timeline?sessionKey={quote(session, safe='')}",
                "/production/changes?limit=1",
            )
        ]
        refused = get(url, "/production/sessions", "a-wrong-key")
        environ = {"TAP_CONVEX_URL": url, "TAP_INGEST_KEY": key}
        changes = run([*TAP, "changes", "--json"], env=environ).stdout.splitlines()
    with Journal.open(DEMO / "state" / "journal.db", readonly=True) as journal:
        counts = journal.counts()
    return {
        "rows": rows,
        "session": session,
        "read_ms": read_ms,
        "routes": routes,
        "refused": refused,
        "changes": len({json.loads(line)["key"] for line in changes}),
        "counts": counts,
        "twice": written_twice(),
    }


async def rows_of(url: str, key: SecretStr) -> list[Row]:
    async with Ledger(url, key) as ledger:
        sessions = [row.key async for row in ledger.sessions()]
        return [row for session in sessions for row in await ledger.timeline(session)]


def get(url: str, path: str, key: str) -> tuple[int, Any]:
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def written_twice() -> list[tuple[float, str]]:
    """One tape written to an empty ledger, and again: seconds, and what the ledger answered."""
    tape = DEMO / "again.tape"
    run([*TAP, "simulate", "--tape-only", "--seed", "11", "--length", "100", "--venue", AGAIN, "--tape", str(tape)])
    made = run([*TAP, "key", "new", AGAIN]).stdout.splitlines()[0]
    told = []
    with local_ledger(keys={AGAIN: made}) as url:
        for _ in range(2):
            began = time.monotonic()
            environ = {"TAP_CONVEX_URL": url, "TAP_INGEST_KEY": made}
            said = run([*TAP, "replay", str(tape), "--to-ledger"], env=environ).stderr
            answers = next(line for line in said.splitlines() if line.startswith("the ledger's answers: "))
            told.append((time.monotonic() - began, answers.partition(": ")[2]))
    return told


# ---------------------------------------------------------------------------------------------- what is proven


def proofs_of(rows: list[Row]) -> Iterator[tuple[str, bool, Any]]:
    """What, whether it holds, and the row (or rows) that show it."""
    session = next((row for row in rows if row.op == "session"), None)
    cameras = [row for row in rows if row.op == "camera"]
    cut = next((row for row in rows if row.fields.get("kind") == "cut"), None)
    still = next((row for row in rows if row.op == "still" and row.fields.get("status") == "uploaded"), None)
    fields = {} if session is None else session.fields
    start = ("sessionKey", "sessionType", "title", "startedAt", "startState")
    end = ("sessionKey", "status", "completedAt", "endReason", "finalState")
    shown = {} if session is None else row_object(session)
    yield "The session was created", "startedAt" in fields, {name: shown.get(name) for name in start}
    yield "Its cameras are there", len(cameras) > 1, [_camera(row) for row in cameras]
    yield "A cut", cut is not None, None if cut is None else {"eventKey": cut.key} | row_object(cut)
    yield "A still", still is not None, None if still is None else {"stillKey": still.key} | row_object(still)
    yield "The session was completed", fields.get("status") == "complete", {name: shown.get(name) for name in end}


def _camera(row: Row) -> dict[str, Any]:
    return {name: row.fields[name] for name in ("cameraId", "name", "role", "status", "joinedAt") if name in row.fields}


# ---------------------------------------------------------------------------------------------- the page


def page(
    checks: list[tuple[str, str, bool, str]],
    demo: str,
    took: float,
    told: dict[str, Any],
    proofs: list[tuple[str, bool, Any]],
) -> list[str]:
    node = run(["node", "--version"]).stdout.strip()
    system = f"Python {platform.python_version()}, Node {node.removeprefix('v')}, {os.cpu_count()} cores"
    return [
        "# Evidence",
        "",
        f"Written by `make evidence` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC ({system}).",
        "Every result below was run or read back then.",
        "",
        "**Deployment target: none.** No real Convex deployment and no real multicam-server was available. What is",
        "called the ledger here is the *local ledger*: the very functions of `convex/` on convex-test, on loopback.",
        "The shoot is a simulator's.",
        "",
        "## The parts, and why they are there",
        "",
        *table(("part", "why"), PARTS),
        "",
        "## Types, generated code, bundle",
        "",
        *table(
            ("check", "command (in `convex/`)", "result"),
            [(what, f"`{script}`", f"{'passed' if ok else '**FAILED**'}: {said}") for what, script, ok, said in checks],
        ),
        "",
        "The bundle is made offline; nothing was deployed.",
        "",
        "## Functions and endpoints used",
        "",
        *functions(told),
        "",
        "## The shoot, its session and its events",
        "",
        f"Session: `{told['session']}`. One event of each kind that the ledger has of it, as it was read back:",
        "",
        *fenced(json_lines(examples(told["rows"]))),
        "",
        "## Five proofs, read back from the ledger",
        "",
        "The local ledger was stopped after the demo, and started again on the data that it had saved; then:",
        "",
        *[line for number, proof in enumerate(proofs, 1) for line in proof_lines(number, *proof)],
        "## Metrics of this run",
        "",
        *metrics(demo, took, told),
        "",
        "## Data set, and how to make it again",
        "",
        *data_set(),
        "",
        "## Left for later",
        "",
        *(f"- {line}" for line in LATER),
    ]  # fmt: skip


def table(head: tuple[str, ...], rows: Any) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]


def fenced(lines: list[str]) -> list[str]:
    return ["```json", *lines, "```"]


def json_lines(objects: list[Any]) -> list[str]:
    return [json.dumps(said, ensure_ascii=False) for said in objects]


def functions(told: dict[str, Any]) -> list[str]:
    used = (
        ("`production:about`", "`POST /api/query`", "`multicam-tap run`, `check`, `replay --to-ledger`"),
        ("`production:ingest`", "`POST /api/mutation`", "`multicam-tap run`, `replay --to-ledger`"),
        ("`production:changes`", "`POST /api/query`", f"`multicam-tap changes`: {told['changes']} rows"),
        ("`production:listSessions`, `getSession`, `listCameras`, `listDirectorEvents`, `listStills`",
         "`POST /api/query`", "`sessions --ledger`, `timeline --ledger`, this page"),
        *((f"`GET {re.sub(r'=.*', '=…', path)}`", f"HTTP {status}", f"this page: {', '.join(said)}")
          for path, status, said in told["routes"]),
        ("the same with a wrong key", f"HTTP {told['refused'][0]}", f"`{json.dumps(told['refused'][1])}`"),
    )  # fmt: skip
    return table(("function or route", "endpoint, answer", "used by"), used)


def examples(rows: list[Row]) -> list[dict[str, Any]]:
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.op == "event":
            first.setdefault(row.fields["kind"], {"eventKey": row.key} | row_object(row))
    return list(first.values())


def proof_lines(number: int, title: str, holds: bool, shown: Any) -> list[str]:
    objects = shown if isinstance(shown, list) else [shown]
    return [f"{number}. **{title}:** {'yes' if holds else '**NO**'}", "", *fenced(json_lines(objects)), ""]


def metrics(demo: str, took: float, told: dict[str, Any]) -> list[str]:
    rows: list[Row] = told["rows"]
    by_op = Counter(row.op for row in rows)
    kinds = Counter(row.fields["kind"] for row in rows if row.op == "event")
    counts = told["counts"]
    truth = re.search(r"^Compared with what really happened: (.*)\nF1 (.*)$", demo, re.MULTILINE)
    (first_s, first), (second_s, second) = told["twice"]
    lines = (
        ("the demo, from start to end", f"{took:.1f} s (the shoot plays at 4 times its speed)"),
        ("rows in the ledger", ", ".join(f"{number} {op}" for op, number in by_op.items())),
        ("events", ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())),
        ("entries in the journal", ", ".join(f"{number} {state}" for state, number in counts.items())),
        ("compared with the shoot's truth", "" if truth is None else f"{truth[1]} F1 {truth[2]}"),
        ("reading all rows of the session back", f"{told['read_ms']:.0f} ms, the client's start included"),
        ("another tape, written to an empty ledger", f"{first}, in {first_s:.1f} s (with the start of the command)"),
        ("the same tape again", f"{second}, in {second_s:.1f} s"),
    )
    return table(("what", "this run"), lines)


def data_set() -> list[str]:
    return [
        "A made-up shoot of 5 cameras and some that join (seed 7, 100 s, faults `told_thrice`, `flap`,",
        "`still_disorder`, `reconnect`);",
        "its frames are in `.demo/shoot.tape`, its truth in `.demo/truth.jsonl`. The same seed gives the same shoot;",
        f"times are those of the run. The tape that was written twice is of seed 11, venue `{AGAIN}`.",
        "",
        "```",
        "make demo       # the shoot, tapped, written to the local ledger, read back, scored",
        "make evidence   # the demo, the checks, and this page",
        "multicam-tap simulate --seed 7 --cameras 5 --length 100 --speed 4 --venue demo --patient \\",
        "    --faults told_thrice,flap,still_disorder,reconnect        # the shoot alone",
        "```",
    ]


if __name__ == "__main__":
    sys.exit(main())
