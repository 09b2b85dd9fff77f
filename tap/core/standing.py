"""How the tap stands, in words: the one table that the live page, ``status``, ``/healthz`` and the alerts share.

A standing is the answer to one question: what happens to a cut that is made now? Its colour is green only where that is
known to go well. It is an alarm, for which somebody is woken at three in the morning, only where something is being
lost that nobody can get back; a ledger that is away loses nothing, and a server that is off for the night is no news.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

__all__ = ["STANDINGS", "Colour", "Standing", "standing_words"]

Colour: TypeAlias = Literal["green", "grey", "yellow", "red"]


class Standing(NamedTuple):
    """One way to stand."""

    colour: Colour
    alarm: bool
    """Whether somebody has to be woken for it."""
    recording: str
    """What people read while a session runs; ``{count}`` is how many entries wait for the ledger."""
    between: str
    """What they read outside one."""
    next_step: str
    """What to do, in general; the reasons beside it say more where there is more to say."""


_NOTHING = "nothing to do"

STANDINGS: dict[str, Standing] = {
    "in_step": Standing(
        "green", False, "Recording, the ledger is up to date", "Ready, the ledger is up to date", _NOTHING
    ),
    "local": Standing(
        "green", False, "Recording locally", "Ready to record locally", "nothing; set TAP_CONVEX_URL to have a ledger"
    ),
    "untried": Standing(
        "grey",
        False,
        "Recording, the ledger has not answered yet",
        "Ready, the ledger has not been asked yet",
        _NOTHING,
    ),
    "waiting": Standing(
        "grey", False, "Recording", "Waiting for the server", "nothing; start the server when you need it"
    ),
    "behind": Standing(
        "yellow",
        False,
        "Recording, the ledger is {count} behind",
        "Ready, the ledger is {count} behind",
        "nothing is lost; look at the ledger in daylight",
    ),
    "unheard": Standing(
        "yellow",
        False,
        "The server was never reached",
        "The server was never reached",
        "start the server, or correct TAP_SERVER_URL",
    ),
    "overfull": Standing(
        "red",
        False,
        "Recording, the journal is over its size limit",
        "Ready, the journal is over its size limit",
        "nothing is lost while the disk has space; see why the ledger accepts nothing, or raise TAP_JOURNAL_MEGABYTES",
    ),
    "missing": Standing(
        "red",
        True,
        "The server is away, and should be there",
        "The server is away, and should be there",
        "start the server, or check the network",
    ),
    "in_memory": Standing(
        "red",
        True,
        "Recording in memory only: the disk does not write",
        "In memory only: the disk does not write",
        "free space or repair the disk; do not stop the tap before that",
    ),
    "not_understood": Standing(
        "red",
        True,
        "Nothing is recorded: the dialect understands no frame",
        "Nothing is recorded: the dialect understands no frame",
        "'multicam-tap inspect' shows what the server says; set TAP_DIALECT to a mapping for it",
    ),
    "silent": Standing(
        "red",
        True,
        "Nothing is recorded: the server sends nothing",
        "No signal: the server sends nothing",
        "check whether the server hangs, or restart it",
    ),
    "lost": Standing(
        "red",
        True,
        "Nothing is recorded: the server is away",
        "Nothing is recorded: the server is away",
        "start the server, or check the network: every second makes the gap longer",
    ),
}
"""From the best to the worst: of two that hold, the later one counts."""


def standing_words(name: str, *, session: bool, count: int) -> str:
    """What people read of a standing."""
    standing = STANDINGS[name]
    return (standing.recording if session else standing.between).format(count=f"{count:,}")
