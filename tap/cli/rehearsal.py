"""Rehearsals: a simulated server, and the demo."""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from typing import Any

import click

from tap.cli.arguments import PathName, ServerWays, Venue
from tap.cli.root import cli
from tap.cli.shared import print_lines

_SERVER_HELP = (
    "How the simulated server numbers, dates and names things; see the list below.  [default: as in docs/multicam-1.md]"
)
_PORT_HELP = "The port, on this machine only.  [default: any free port]"
_VENUE_HELP = "The venue in the truth and tape files."
_CLIENTS_HELP = "Wait for this number of clients before the shoot begins."
_REAL_CLOCK_HELP = "Do not speed up the server's clock. With --speed, more happens in each of its seconds."
_WAYS = "WAY=WORD[,WAY=WORD...]"


class _WithFaults(click.Command):
    """Lists the server's ways and the faults below its help; they are imported only for that."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        from tap.rehearsal.faults import FAULTS
        from tap.rehearsal.ways import CHOICES, WAYS

        with formatter.section("Options of the simulated server (the first word of each is the default)"):
            formatter.write_dl([(f"{name}={'|'.join(CHOICES[name])}", does) for name, does in WAYS.items()])
        with formatter.section("Faults (all: every one of these except huge)"):
            formatter.write_dl([(name, fault.does) for name, fault in FAULTS.items()])


@cli.command(cls=_WithFaults)
@click.option("--cameras", default=5, show_default=True, help="How many cameras.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same shoot.")
@click.option("--speed", default=1.0, show_default=True, help="How many times faster than real time.")
@click.option("--length", default=120.0, show_default=True, help="Seconds of the shoot's own time, at least.")
@click.option("--sessions", default=1, show_default=True, help="How many sessions.")
@click.option("--faults", multiple=True, metavar="NAME[,NAME...]", help="What goes wrong; see the list below.")
@click.option("--server", "ways", type=ServerWays(), default="", metavar=_WAYS, help=_SERVER_HELP)
@click.option("--telemetry-rate", default=40.0, show_default=True, help="Telemetry frames a second of the shoot.")
@click.option(
    "--style", help="Send the messages of a made-up server: nested, snapshots or numeric.  [default: multicam/1]"
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help=_PORT_HELP)
@click.option("--path", default="/ws/control", show_default=True, help="The WebSocket's path.")
@click.option("--venue", type=Venue(), default="rehearsal", show_default=True, help=_VENUE_HELP)
@click.option("--truth", type=PathName(dir_okay=False), help="Write what really happened into this file.")
@click.option("--tape", type=PathName(dir_okay=False), help="Write the frames that were sent into this file.")
@click.option("--clients", type=click.IntRange(1), default=1, show_default=True, help=_CLIENTS_HELP)
@click.option("--no-wait", is_flag=True, help="Begin at once, without waiting for a client.")
@click.option("--patient", is_flag=True, help="Stop the shoot's clock while a client is disconnected.")
@click.option("--real-clock", is_flag=True, help=_REAL_CLOCK_HELP)
@click.option("--tape-only", is_flag=True, help="Do not serve: write truth and tape at once, and end.")
def simulate(tape_only: bool, length: float, no_wait: bool, **options: Any) -> None:
    """Simulate a multicam-server, to rehearse with.

    It plays a simulated shoot to every client on this machine. It ignores all TAP_* variables, so that a rehearsal
    never touches a real server or ledger.
    """
    for name in [name for name in os.environ if name.startswith("TAP_")]:
        del os.environ[name]
    import asyncio

    from tap.rehearsal.shoot_files import write_shoot
    from tap.rehearsal.simulator import SimulatorOptions, run_simulator

    asked = SimulatorOptions(
        length_s=length,
        wait_for_client=not no_wait,
        on_ready=lambda port: print_lines(f"a simulated multicam-server: ws://127.0.0.1:{port}{options['path']}"),
        **options,
    )
    if tape_only:
        write_shoot(asked)
    else:
        sys.exit(asyncio.run(run_simulator(asked)))


@cli.command()
def demo() -> None:
    """Play a simulated shoot, record it, and show its history.

    It takes about a minute, writes only into the folder .demo, and ignores all TAP_* variables. In a checkout with Node
    the history goes through a local ledger. Otherwise the demo reads it from the journal. Exit code 1 if the history is
    wrong.
    """
    from tap.rehearsal.demo import main

    sys.exit(main())
