"""The desk: program, hold, mode and recorder together, as a snapshot shows them and a gap tells them.

A snapshot can be taken in two ways. *Taking over* makes its values known, and nothing more: that is for the first sight
of a session, and for what cannot belong to one. *Inferring* compares them with what was known for sure, and makes an
event of each difference, marked as inferred: a cut that no frame reported, for example.
"""

from __future__ import annotations

from typing import Any

from tap.core.machine.hold import Hold
from tap.core.machine.live import note_change
from tap.core.machine.mode import Mode
from tap.core.machine.program import Program
from tap.core.machine.recorder import Recorder
from tap.core.machine.state import Aspect, ProgramChange, Side, State
from tap.core.model import Envelope

__all__ = ["Desk"]


class Desk:
    """Program, hold, mode and recorder, each with its rules."""

    def __init__(self, state: State, *, program: Program, hold: Hold, mode: Mode, recorder: Recorder) -> None:
        self._state = state
        self.program = program
        self.hold = hold
        self.mode = mode
        self.recorder = recorder

    def take_over(self, shown: dict[str, Any], by: Envelope) -> None:
        """Make known what a snapshot shows, without making events of it.

        Args:
            shown: What it says, by name (``program``, ``mode``, ``recording``, ``hold``); a name that is missing was
                not said.
            by: The snapshot's envelope.
        """
        if "program" in shown:
            self.program.take_over(shown["program"], by)
        if "mode" in shown:
            self.mode.take_over(shown["mode"], by)
        if "recording" in shown:
            self.recorder.take_over(shown["recording"], by)
        if "hold" in shown:
            self.hold.take_over(shown["hold"], by)

    def infer(self, shown: dict[str, Any], by: Envelope) -> None:
        """Make an event of each difference between what a snapshot shows and what was known for sure; else it becomes
        known.

        The order counts, for rows have the order in which they are written: the mode first, then program and hold.

        Args:
            shown: As for ``take_over``.
            by: The snapshot's envelope.
        """
        if "mode" in shown:
            self.mode.infer(shown["mode"], by)
        if "program" in shown:
            self.program.infer(shown["program"], by)
        if "hold" in shown:
            self.hold.infer(shown["hold"], by)
        if "recording" in shown:
            self.recorder.take_over(shown["recording"], by)

    def side(self, *, sure_only: bool = True) -> Side:
        """Program, hold and mode as they are known now, for the start or end of a session or of a gap.

        Args:
            sure_only: False takes what was known before a loss too: the last state of a session that nobody saw end.
        """
        state = self._state

        def value(aspect: Aspect) -> Any:
            return aspect.value if aspect.known and (aspect.sure or not sure_only) else None

        return Side(value(state.program), value(state.mode), value(state.hold))

    def lose(self) -> None:
        """The server is lost: nothing on the desk is sure until a frame says it again.

        What waited for a confirmation is dropped.

        A hold's length cannot be known across a gap, so its beginning is forgotten too.
        """
        state = self._state
        for aspect in (state.program, state.hold, state.mode, state.recording):
            aspect.sure = False
            aspect.inferred_at = aspect.late_change = None
        state.hold_start = state.dissolve_cover = state.chain_broken = state.left_out = None
        state.heading = None
        note_change(state, ProgramChange(None, state.heard, None, known=False))
