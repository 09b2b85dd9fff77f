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

The tap reads with the library websockets. Nearly all bytes belong to whole text messages of one frame: these the tap
cuts out of the kernel's buffer in place. It recognizes and counts telemetry there, without a copy.

We planned a faster client in C (picows). But such a client calls Python for every frame, and gives it a copy. The row
"picows listener that only sniffs" is a client that only recognizes telemetry: it has no time stamps, does not read
other frames, and has no journal and no recorder. It costs about as much as telemetry costs in the tap (see "Growth:
cameras"). So there is only one client, and its targets are also those for a client in C. To reach these, telemetry,
snapshots and cuts would need compiled code.

This is where the time goes at saturation (measured by hand on 2026-11-23: CPU by thread from /proc, and within the
main thread by py-spy): 23 % to apply snapshots and cuts, 18 % to cut frames out of the buffer and hand them on, 16
% to parse snapshots and cuts, 15 % to recognize telemetry, 13 % for the flight recorder, 5 % for checkpoints, 5 %
for the journal, 3 % to count telemetry, 2 % for the event loop and the rest. At 1,000 frames a second most of the
time goes into waking up: there are few reads, and each finds cold caches.
""".strip().splitlines()


def page(results: Results, picture: str) -> list[str]:
    """The lines of it. ``picture``: how it is reached from the page."""
    begun = _last(results)
    lines = ["# What the tap costs", ""]
    if begun.quick:
        lines += [
            "**A rough look** (`make bench-quick`): this run measured too little to say more than the magnitude.",
            "",
        ]
    lines += [
        "**Ratios, not absolutes.** All programs were measured in one run, in interleaved rounds, on one machine. On",
        "another machine each figure is different, but the ratios are about the same. The tables show medians, and in",
        "brackets the least and the most of all rounds. CPU is user and system time of the whole process, with all",
        "its threads. The tap is the real process as it ships: with only the packages that it needs, its journal at",
        "`synchronous=FULL`, and its flight recorder on. The load is always the same: 95 % telemetry (0.4 to 4 KB),",
        "4 % snapshots and 1 % control. The control (A/A) is the bare loop once more: it shows how much two runs of",
        "the same program differ.",
        "",
        f"![CPU and memory of the tap beside a bare loop, Node and Node-RED: ratios, not absolutes]({picture})",
        "",
        *_machine(begun),
        "",
        *(f"- {remark}" for remark in remarks(results)),
        "",
        "## Targets",
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
    lines.append(
        "`make bench` measures this and writes the page. For a single part: `make bench BENCH='--part saturation'`."
    )
    return lines


def remarks(results: Results) -> Iterator[str]:
    """What a reader must know before trusting the figures; nothing where all is well."""
    begun = sorted((measured.begun for measured in results.parts.values()), key=lambda one: one.when)
    for who, why in {who: why for one in begun for who, why in one.left_out.items()}.items():
        yield f"{NAMES[who]}: not measured everywhere, since {why}."
    if len({one.code for one in begun}) > 1:
        yield "The parts were measured with different versions of the tap's code."
    if len({(one.machine.cpu, one.machine.kernel) for one in begun}) > 1:
        yield "The parts were measured on different machines. The page names the machine of the last part."
    # Those behind the first find the load of the one before them.
    if begun and begun[0].load > _BUSY * begun[0].machine.cores:
        yield f"The machine was not quiet before the first part: its load average was {begun[0].load:.2f}."
    for name, what in (("saturation", saturation.CPU), ("steady", steady.SHARE)):
        measured = results.parts.get(name)
        control = None if measured is None else measured.ratio(AGAIN, BARE, what)
        if control is not None and abs(control.median - 1) > _APART:
            yield f"The control of the part {name} is {number(control.median)}: too much noise for small differences."


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
