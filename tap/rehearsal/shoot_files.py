"""A made-up shoot straight into files: no server, no sockets, no waiting; the same bytes for the same options."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tap.core.errors import TapError, UsageInvalid
from tap.rehearsal.performance import shoot_to_tape, truth_of_shoot
from tap.rehearsal.simulator import SimulatorOptions
from tap.rehearsal.world import ShootPlan

__all__ = ["write_shoot"]


def write_shoot(options: SimulatorOptions) -> None:
    """Write tape and truth into the files that ``options`` name for them.

    Raises:
        TapError: A file cannot be written.
    """
    if options.real_clock:
        raise UsageInvalid("--real-clock needs a client to play to", hint="leave out --tape-only")
    shoot = options.shoot(ShootPlan(seed=0).start_wall_ms)
    if options.tape is not None:
        _write(options.tape, shoot_to_tape(shoot, venue=options.venue))
    if options.truth is not None:
        _write(options.truth, truth_of_shoot(shoot, venue=options.venue).lines())


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise TapError(f"cannot be written: {error.strerror}", where=str(path)) from None
