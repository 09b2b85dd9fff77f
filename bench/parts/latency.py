"""How long a cut takes at 1,000 frames a second: from the server's send to the disk, and to the ledger's answer.

One clock measures from outside: when the server sends the cut, when another reader finds it in the journal (SQLite
shows it once it is synced), and when the local ledger's answer for it passes. The local ledger runs the real functions
on convex-test. It is not Convex: a real deployment takes another time.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from contextlib import ExitStack

from bench.contestants import NAMES, TAP, folder_for, started
from bench.context import Context
from bench.results import Measured
from bench.server import Server, serving
from bench.tables import number, table
from bench.watch import answers, commits, waits_ms
from tests.contract.local import CONVEX, key_of, local_ledger

__all__ = ["COMMIT", "LEDGER", "percentiles", "run", "tell"]

COMMIT, LEDGER = "ms to the disk", "ms to the ledger's answer"
_VENUE = "bench"


def run(context: Context) -> None:
    """Each tap once a round, each with a ledger of its own."""
    sizes = context.sizes
    why_not = no_ledger()
    if why_not is not None:
        context.say(f"without a ledger: {why_not}")
    frames = round(sizes.rate * (sizes.latency_s + 1))
    with serving([("mixed", frames)], core=context.cores[1]) as server:
        for round_ in range(sizes.latency_rounds):
            for name in (TAP,):
                with ExitStack() as stack:
                    ledger = None if why_not else stack.enter_context(local_ledger([_VENUE])).url
                    disk, answered = _watched(context, server, name, ledger)
                for value in disk:
                    context.note(name, COMMIT, round_, value)
                for value in answered:
                    context.note(name, LEDGER, round_, value)
                told = f"{len(disk)} cuts, to the disk {number(statistics.median(disk))} ms"
                told += f", to the ledger {number(statistics.median(answered))} ms" if answered else ""
                context.say(f"round {round_ + 1} of {sizes.latency_rounds}: {name}: median of {told}")


def no_ledger() -> str | None:
    """Why there can be no local ledger, if so."""
    if shutil.which("node") is None:
        return "the local ledger needs node"
    return None if (CONVEX / "node_modules").is_dir() else "its packages are not installed (npm ci in convex)"


def _watched(context: Context, server: Server, name: str, ledger: str | None) -> tuple[list[float], list[float]]:
    """Milliseconds to the disk, and to the ledger's answer; one for each cut."""
    sizes = context.sizes
    env, answered = dict[str, str](), dict[str, float]()
    with folder_for(name) as folder, ExitStack() as stack:
        if ledger is not None:
            url, answered = stack.enter_context(answers(ledger))
            key = folder / "key"
            key.touch(mode=0o600)
            key.write_text(key_of(_VENUE).get_secret_value())
            env = {"TAP_CONVEX_URL": url, "TAP_INGEST_KEY_FILE": str(key)}
        with started(name, server.url, core=context.cores[0], env=env, folder=folder) as running:
            server.accept(running.lives)
            running.settle()
            server.steady(sizes.rate, 1.0)
            with commits(running.journal) as committed:
                sent = server.steady(sizes.rate, sizes.latency_s).sent
                disk = waits_ms(sent, committed)
            ledger_ms = [] if ledger is None else waits_ms(sent, answered)
            server.part()
    return disk, ledger_ms


def percentiles(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Median, 90th and 99th percentile, and the longest."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[89], cuts[98], max(values)


def tell(measured: Measured) -> list[str]:
    """The table of it: all rounds together."""
    rows = []
    for what in (COMMIT, LEDGER):
        for name in measured.whos(what):
            values = measured.values(name, what)
            shown = [number(value) for value in percentiles(values)]
            rows.append((f"{NAMES[name]}: {what}", *shown, str(len(values))))
    return table(("", "median", "90 %", "99 %", "longest", "cuts"), rows)
