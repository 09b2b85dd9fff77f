"""What the running service tells of itself: the shape of ``/status.json``, for the page, the terminal and scripts.

Times are Unix milliseconds; ``at`` and ``since`` of what is on air are the server's clock, all others the tap's own.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

__all__ = [
    "CameraNow",
    "Happening",
    "HeadingNow",
    "Health",
    "HealthState",
    "HoldNow",
    "JournalNow",
    "KeptNow",
    "LedgerNow",
    "MissingStill",
    "Now",
    "Past",
    "ProgramNow",
    "Reason",
    "Report",
    "ServerNow",
    "SessionKept",
    "SessionNow",
    "Status",
    "Totals",
]

HealthState: TypeAlias = Literal["ok", "degraded", "failing"]
"""``degraded``: it delivers, and somebody should look; ``failing``: it does not hear, keep or deliver what happens."""


class Reason(Struct, frozen=True, rename="camel"):
    """One thing that is not as it should be."""

    name: str
    """A word for metrics and scripts; it does not change."""
    state: HealthState
    words: str
    next_step: str
    standing: str = ""
    """The standing (:mod:`tap.core.standing`) that it puts the tap in; empty where it only wants a look."""


class Health(Struct, frozen=True, rename="camel"):
    """Whether a cut made now would be heard, kept and delivered; and if not, why."""

    state: HealthState
    reasons: list[Reason]
    """The worst first."""
    standing: str = ""
    """One of :data:`tap.core.standing.STANDINGS`; empty from a tap of before 0.2."""
    words: str = ""
    """What people read."""
    colour: str = ""
    """Of that: ``green``, ``grey``, ``yellow`` or ``red``."""
    alarm: bool = False
    """Somebody has to be woken for it."""
    next_step: str = ""


class ServerNow(Struct, frozen=True, rename="camel"):
    """The line to multicam-server."""

    url: str
    connected: bool
    since: int
    problem: str | None
    connections: int
    last_heard: int | None
    version: str | None
    clock_offset_ms: int | None
    """How far the server's clock is off, where that was noticed."""
    frames: int
    unknown_types: dict[str, int]
    remark: str | None = None
    """What people should know of a server although it can be listened to, such as that it asks for no password."""


class JournalNow(Struct, frozen=True, rename="camel"):
    """The outbox on the disk; counts as of ``looked_at``."""

    path: str
    problem: str | None
    in_memory: int
    """Entries that are not on the disk yet."""
    pending: int
    shipped: int
    dead: int
    oldest_pending: int | None
    bytes: int | None
    looked_at: int | None


class LedgerNow(Struct, frozen=True, rename="camel"):
    """The way to the ledger; ``state`` is ``none`` where none is configured."""

    state: str
    url: str | None
    since: int | None
    problem: str | None
    last_success: int | None
    waiting: int


class CameraNow(Struct, frozen=True, rename="camel"):
    """A camera that is known."""

    id: str
    name: str | None
    role: str | None
    online: bool | None
    colour: int = 0
    """Which of the cameras' colours it has (:mod:`tap.core.palette`): in a session as in its report."""
    texture: str = "plain"


class ProgramNow(Struct, frozen=True, rename="camel"):
    """What is on air. ``camera_id`` is None where nothing is; ``sure`` is false after a loss, until told anew."""

    camera_id: str | None
    name: str | None
    since: int
    sure: bool


class HeadingNow(Struct, frozen=True, rename="camel"):
    """A transition runs: where it leads, and what it is called."""

    camera_id: str | None
    name: str | None
    transition: str | None


class HoldNow(Struct, frozen=True, rename="camel"):
    """The program is held."""

    camera_id: str | None
    since: int


class SessionNow(Struct, frozen=True, rename="camel"):
    """The session that runs, as far as is known."""

    key: str
    title: str | None
    started_at: int
    seen: bool
    """False while the server is away: it runs on as far as is known."""
    counts: dict[str, int]
    gaps: int
    gap_ms: int
    stills: dict[str, int]
    """How many stills stand where: requested, failed, captured, uploaded."""


class Totals(Struct, frozen=True, rename="camel", kw_only=True):
    """The running session in numbers, whole: the same as its timeline and its report have."""

    length_ms: int
    cuts: int
    on_air_ms: dict[str, int]
    """By camera id; those that were never on air are left out."""
    unknown_ms: int
    """How long nobody knows what was on air."""
    holds: int
    hold_ms: int
    gaps: int
    gap_ms: int
    events: dict[str, int]
    """By kind."""


class Past(Struct, frozen=True, rename="camel", kw_only=True):
    """What of the running session is only drawn in summary: its beginning, where it is long."""

    until: int
    """Everything before this moment, by the clock that the server has now."""
    start: int
    """Of the first step, by that clock."""
    step_ms: int
    steps: list[dict[str, int]]
    """For each step, how many milliseconds each camera was on air; of spans that were over at ``until``."""
    program: str | None
    """What was on air at ``until``."""
    program_since: int
    held: str | None
    """The camera that was held at ``until``; empty where none was named, None where nothing was held."""
    held_since: int


class Happening(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that happened, as the live page draws it.

    ``kind``: those of director events, and ``start``, ``end``, ``camera`` and ``still`` (a row that moves on). One that
    comes again under its ``key`` replaces the one before: it moved on, or belongs to another moment after all.
    """

    kind: str
    key: str
    at: int
    camera: str | None = None
    name: str | None = None
    from_camera: str | None = None
    from_name: str | None = None
    words: str | None = None
    duration_ms: float | None = None
    status: str | None = None


class MissingStill(Struct, frozen=True, rename="camel"):
    """A still that did not arrive: ``status`` says how far it came."""

    still_id: str | None
    camera: str | None
    status: str
    asked_at: int | None
    reason: str | None = None


class SessionKept(Struct, frozen=True, rename="camel"):
    """One session as the journal has it."""

    key: str
    title: str | None
    status: str
    started_at: int | None
    last_entry: int
    """When its last entry was committed."""
    kept: int
    shipped: int
    waiting: int
    dead: int
    stills_missing: list[MissingStill]
    left_live: bool
    """Its row says ``live``, and no tap hears it any more."""


class Now(Struct, frozen=True, rename="camel"):
    """What changes from second to second."""

    now: int
    """The server's clock as far as it is known, else the tap's."""
    wall: int
    health: Health
    server: ServerNow
    journal: JournalNow
    ledger: LedgerNow
    waits_for: str | None
    """Without a session: what would begin one."""
    session: SessionNow | None
    program: ProgramNow | None
    """None where it was never told."""
    hold: HoldNow | None
    mode: str | None
    cameras: list[CameraNow]
    more_cameras: int
    heading: HeadingNow | None = None
    """Where the program is about to go; None where no transition runs, or nobody tells where it leads."""
    doubts: list[str] = field(default_factory=list)
    """What the server's frames could not show, in sentences."""
    totals: Totals | None = None
    """Of the running session, up to ``now``, or to when the server was heard last; None without one."""
    summary_until: int | None = None
    """Before this moment the live page draws the session in summary (``/past.json``); None: all of it in full."""
    totals_unsure: bool = False
    """Events came so late that the totals may be off: the session is read again within a minute."""


class KeptNow(Struct, frozen=True, rename="camel"):
    """What a journal says by itself, where no service can be asked."""

    path: str
    venue: str | None
    pending: int
    shipped: int
    dead: int
    last_heard: int | None
    """When the server was last heard, as far as the checkpoint knows."""
    session: str | None
    """The title or key of the session that ran then."""
    tapes_since: int | None = None
    """When the oldest tape begins: so far back a session can be made afterwards."""


class Status(Struct, frozen=True, rename="camel"):
    """Everything."""

    version: str
    venue: str
    dialect: str
    timezone: str | None
    pid: int
    started_at: int
    now: Now
    sessions: list[SessionKept] = field(default_factory=list)
    tapes_since: int | None = None
    """When the oldest tape begins: so far back a session can be made afterwards."""
    zone: str | None = None
    """The time zone that people read times in: the venue's, else the machine's; a name, or an offset such as +01:00."""
    pictures: bool = False
    """Whether the venue lets the live page show stills."""


class Report(Struct, frozen=True, rename="camel"):
    """What ``multicam-tap status`` found: the service's own words, or the journal's."""

    ok: bool
    running: bool | None
    """None: somebody owns the journal, and cannot be asked."""
    why: str | None = None
    """Why it is not ok, where that is not the service's own word, or why only the journal was read."""
    status: Status | None = None
    journal: KeptNow | None = None
    sessions: list[SessionKept] = field(default_factory=list)
