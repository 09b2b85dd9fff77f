"""What a version of OBS does otherwise than another, as far as it tells which one it is."""

from __future__ import annotations

import re

from tap.core.obs.state import ObsState

__all__ = ["number_of", "puts_interrupted_targets_on_air", "tells_of_other_canvases"]


def number_of(version: str | None) -> tuple[int, ...] | None:
    """``5.7.0-beta2`` as (5, 7, 0); None where it cannot be read."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", version or "")
    return None if found is None else tuple(int(part or 0) for part in found.groups())


def tells_of_other_canvases(state: ObsState) -> bool:
    """Whether its scene events may be another canvas's without saying so: 5.6 and 5.7.0, or unknown."""
    plugin = number_of(state.plugin)
    return plugin is None or (5, 6, 0) <= plugin <= (5, 7, 0)


def puts_interrupted_targets_on_air(state: ObsState) -> bool | None:
    """Whether a transition that begins in the midst of another starts from the other's target: 32.1 and later.

    Earlier, the picture falls back to what was on before. None where the version is not known.
    """
    program, plugin = number_of(state.program_version), number_of(state.plugin)
    if program is not None:
        return program >= (32, 1)
    return None if plugin is None else plugin >= (5, 7)
