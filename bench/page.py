"""The page, written from what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contestants import AGAIN, BARE, NAMES
from bench.parts import PARTS, saturation, steady
from bench.results import Begun, Results
from bench.tables import number
from bench.targets import it_must

__all__ = ["page", "remarks"]

_BUSY = 0.5
"""A load average before a part, from which on the machine had something else to do."""
_APART = 0.05
"""How far the median of the control may be from 1."""


_WHY = """
## Why there is no fast extra

The tap reads with websockets, but for what nearly every byte belongs to: whole text messages of one frame are cut out
of the kernel's buffer in place, and telemetry is recognized and counted there without a copy. A client in C (picows)
was to be the faster way. It calls Python for every frame all the same, and hands it a copy: the row "picows listener
that only sniffs" is such a client that tells telemetry apart, and does nothing else (no time stamps, no reading of the
other frames, no journal, no recorder). It costs about what telemetry costs in the tap; see "Growth: cameras". So the
plain install is held to the target of a faster client. Reaching it would need compiled code for telemetry, snapshots
and cuts.

Where the time goes at saturation (by hand, 2026-11-23: CPU by thread from /proc, within the main thread by py-spy):
applying what snapshots and cuts say 23 %, cutting frames out of the buffer and handing them on 18 %, reading snapshots
and cuts 16 %, telling telemetry 15 %, the flight recorder 13 %, checkpoints 5 %, the journal 5 %, counting telemetry
3 %, the event loop and the rest 2 %. At 1,000 frames a second waking up is most of it: reads are few, and each is cold.
""".strip().splitlines()


def page(results: Results, picture: str) -> list[str]:
    """The lines of it. ``picture``: how it is reached from the page."""
    begun = _last(results)
    lines = ["# What the tap costs", ""]
    if begun.quick:
        lines += [
            "**A rough look** (`make bench-quick`): too little was measured to say more than the order of it.",
            "",
        ]
    lines += [
        "**Ratios, not absolutes.** What is compared was measured in one run, in interleaved rounds, on one machine;",
        "on another one every figure is another, and the ratios are about the same. Shown are medians, in brackets the",
        "least and the most of all rounds. CPU is user and system of the whole process, with all its threads. The tap",
        "is the real process as it ships, with its journal at `synchronous=FULL` and its flight recorder on. The load",
        "is 95 % telemetry (0.4 to 4 KB), 4 % snapshots and 1 % control, always the same. The control (A/A) is the",
        "bare loop once more: how far two of the same lie apart.",
        "",
        f"![CPU and memory of the tap beside a bare loop, Node and Node-RED: ratios, not absolutes]({picture})",
        "",
        *_machine(begun),
        "",
        *(f"- {remark}" for remark in remarks(results)),
        "",
        "## It must",
        "",
        *it_must(results),
        "",
    ]
    lines += [*_WHY, ""]
    for name, part in PARTS.items():
        lines += [f"## {part.words}", "", *part.how.splitlines(), ""]
        measured = results.parts.get(name)
        if measured is None:
            lines += [f"Not measured yet: `make bench BENCH='--part {name}'`.", ""]
            continue
        lines += [*part.tell(measured), ""]
        lines += [_when(measured.begun, measured.seconds), ""]
    lines.append("Written by `make bench` from what it measured; single parts: `make bench BENCH='--part saturation'`.")
    return lines


def remarks(results: Results) -> Iterator[str]:
    """What a reader must know before trusting the figures; nothing where all is well."""
    begun = sorted((measured.begun for measured in results.parts.values()), key=lambda one: one.when)
    for who, why in {who: why for one in begun for who, why in one.left_out.items()}.items():
        yield f"{NAMES[who]}: not measured everywhere, since {why}."
    if len({one.code for one in begun}) > 1:
        yield "The parts were measured on different states of the tap's code."
    if len({(one.machine.cpu, one.machine.kernel) for one in begun}) > 1:
        yield "The parts were measured on different machines; told is the one of the last."
    # Those behind the first find the load of the one before them.
    if begun and begun[0].load > _BUSY * begun[0].machine.cores:
        yield f"The machine was not quiet before the first part: its load average was {begun[0].load:.2f}."
    for name, what in (("saturation", saturation.CPU), ("steady", steady.SHARE)):
        measured = results.parts.get(name)
        control = None if measured is None else measured.ratio(AGAIN, BARE, what)
        if control is not None and abs(control.median - 1) > _APART:
            yield f"The control of the part {name} is {number(control.median)}: too noisy a machine for small steps."


def _last(results: Results) -> Begun:
    return max((measured.begun for measured in results.parts.values()), key=lambda begun: begun.when)


def _machine(begun: Begun) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in begun.machine.versions.items())
    return [
        f"The machine: {begun.machine.words()}. Contestants on one core, the server on another.",
        f"Versions: {versions}.",
    ]


def _when(begun: Begun, seconds: float | None) -> str:
    took = "" if seconds is None else f", {seconds:.0f} s"
    return f"<sub>{begun.when} UTC, load average before {begun.load:.2f}, code {begun.code}{took}</sub>"
