"""The machine's table as a picture: docs/how-it-works.md shows what is printed here, so it cannot say otherwise."""

from __future__ import annotations

from tap.core.machine.rules import RULES
from tap.core.machine.state import Phase

__all__ = ["state_diagram"]


def state_diagram() -> str:
    """The rules for sessions as a Mermaid state diagram: ``signal / actions`` on each arrow."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.WAITING}"]
    for (phase, signal), (actions, then) in RULES.items():
        done = f" / {', '.join(actions)}" if actions else ""
        lines.append(f"    {phase} --> {then}: {signal}{done}")
    return "\n".join(lines)
