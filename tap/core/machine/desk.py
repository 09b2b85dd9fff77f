"""The desk: program, hold, mode and recorder together, as a snapshot shows them and a gap tells them."""

from __future__ import annotations

from typing import Any

from tap.core.machine.hold import Hold
from tap.core.machine.mode import Mode
from tap.core.machine.program import Program
from tap.core.machine.recorder import Recorder
from tap.core.machine.state import Aspect, Live, Side, State
from tap.core.model import Told

__all__ = ["Desk"]


class Desk:
    """What stands on the desk now."""

    def __init__(self, state: State, *, program: Program, hold: Hold, mode: Mode, recorder: Recorder) -> None:
        self._state = state
        self.program = program
        self.hold = hold
        self.mode = mode
        self.recorder = recorder

    def learn(self, told: dict[str, Any], by: Told) -> None:
        """Take over what a snapshot says, without making events of it."""
        if "program" in told:
            self.program.learn(told["program"], by)
        if "mode" in told:
            self.mode.learn(told["mode"], by)
        if "recording" in told:
            self.recorder.learn(told["recording"], by)
        if "hold" in told:
            self.hold.learn(told["hold"], by)

    def tell(self, told: dict[str, Any], by: Told) -> None:
        """What a snapshot says that nobody told before becomes an event; what follows a loss only becomes known."""
        if "mode" in told:
            self.mode.tell(told["mode"], by)
        if "program" in told:
            self.program.tell(told["program"], by)
        if "hold" in told:
            self.hold.tell(told["hold"], by)
        if "recording" in told:
            self.recorder.learn(told["recording"], by)

    def side(self, *, sure_only: bool = True) -> Side:
        """Program, hold and mode as they are known now."""
        state = self._state

        def value(aspect: Aspect) -> Any:
            return aspect.value if aspect.known and (aspect.sure or not sure_only) else None

        return Side(value(state.program), value(state.mode), value(state.hold))

    def lose(self) -> None:
        """The server is lost: nothing is sure until it is told anew."""
        state = self._state
        for aspect in (state.program, state.hold, state.mode, state.recording):
            aspect.sure = False
            aspect.guessed = aspect.late = None
        state.held = state.cover = state.chain_broken = None
        state.heading = None
        self.program.note_change(Live(None, state.heard, None, known=False))
