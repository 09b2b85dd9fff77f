"""What happens in a shoot because of the server's ways: its clock is set, events share a millisecond, it stalls.

These are acts, as faults have them, at moments that the shoot chooses. They use their own random numbers
(``Director.odd``), so that the script of a plain server stays the same. Other ways only change how a frame is written:
``voice.py`` does that.
"""

from __future__ import annotations

from msgspec import structs

from tap.rehearsal.director import Director
from tap.rehearsal.faults import Act
from tap.rehearsal.ways import PLAIN

__all__ = ["CLOCK_STEPS", "odd_acts"]

CLOCK_STEPS = {"steady": 0, "back5": -5_000, "on5": 5_000, "back60": -60_000, "on60": 60_000, "on3600": 3_600_000}


def odd_acts(d: Director, *, first: bool) -> list[Act]:
    """The acts of one session; ``first``: of the first one, in which the clock is set."""
    ways, acts = d.ways, list[Act]()
    if ways == PLAIN:
        return acts
    if ways.clock != "steady" and first:
        acts.append(_clock_is_set)
    if ways.ties == "together":
        acts += [_cuts_together, _hold_together, _modes_together]
    if ways.batch != "usual":
        acts += [_batched, _batched]
    if ways.stall in ("server", "both"):
        acts.append(_silence)
    if ways.marks == "yes":
        acts += [lambda d: d.mark(), lambda d: d.mark()]
    if ways.dark != "usual":
        acts.append(_dark_again)
    return acts


def _clock_is_set(d: Director) -> None:
    """Between two frames, with nothing around it that would make it easy to see."""
    clock = d.world.clock
    d.set(clock=structs.replace(clock, offset=clock.offset + CLOCK_STEPS[d.ways.clock]))
    if d.odd.random() < 0.5:
        d.cut()


def _tied(d: Director, act: Act) -> None:
    d.tied = True
    act(d)
    d.tied = False


def _cuts_together(d: Director) -> None:
    """Two to five cuts in one millisecond, back and forth."""

    def act(d: Director) -> None:
        back = d.world.program
        for number in range(d.odd.randint(2, 5)):
            d.cut(back if number % 2 and back in d.present and back != d.world.program else None)

    _tied(d, act)


def _hold_together(d: Director) -> None:
    def act(d: Director) -> None:
        for _ in range(2):
            d.hold()
            d.release()

    if d.world.hold is None:
        _tied(d, act)


def _modes_together(d: Director) -> None:
    before = d.world.mode

    def act(d: Director) -> None:
        d.mode(d.other_mode())
        d.mode(before)

    _tied(d, act)


def _batched(d: Director) -> None:
    """Three cuts, a moment apart, that go out in one frame."""
    if len(d.present) < 2:
        return

    def cut() -> None:
        d.cut()
        d.quiet(d.odd.randint(20, 400))

    d.tied = True
    d.together(cut, cut, cut)
    d.tied = False


def _silence(d: Director) -> None:
    """The server sends nothing on an open socket, for half a minute or for many."""
    d.quiet(d.odd.choice((30_000, 300_000, 600_000)))


def _dark_again(d: Director) -> None:
    d.black()
    d.advance(d.odd.randint(400, 3000))
    if d.present:
        d.cut()
