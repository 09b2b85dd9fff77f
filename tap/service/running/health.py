"""Health answers one question: would the tap receive and save what happens now? If not, what has to be done?

``judge`` is pure: from numbers to words. The rules are a list, one function a part of the way; a rule that has nothing
to say says nothing. Which standing comes of the reasons, its words and its colour are in :mod:`tap.core.standing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct, field

from tap.core.deployment import DEPLOY, LOGS
from tap.core.plain_text import plain
from tap.core.standing import STANDINGS, standing_words
from tap.core.status import Health, HealthState, Reason
from tap.service.running.parts import Parts

__all__ = ["Health", "Numbers", "Reason", "health", "judge", "numbers_of"]

RECONNECT_S = 15.0
"""How long a server that should be there may be away, without a session, before that is red: restarts and cables."""
FIRST_FRAME_S = 15.0
"""How long a connection may stay without a frame; the state comes at once."""
UNDERSTOOD_S = 30.0
"""How long frames may come without one that the dialect understands."""
BACKLOG_S = 30.0
"""How old the oldest entry may get while the ledger takes what it is sent."""
DISK_S = 10.0
"""How long the disk may take for a commit."""
LAG_S = 1.0
_HEARTBEATS_MISSED = 3
_SHOWN = 300


class Numbers(Struct, frozen=True, kw_only=True):
    """What health is judged by; ages in seconds."""

    server: str = "the server"
    connected: bool = True
    connected_for: float = 0.0
    """Since when the server has been there, or away."""
    ever_heard: bool = True
    """The server was, by this tap or by one before it in the same state directory."""
    expected: bool = False
    """The venue says that the server should be there now, session or not."""
    problem: str | None = None
    session: bool = False
    """One runs, as far as is known."""
    frames: int = 0
    """Of the present connection."""
    silent_for: float | None = None
    """Since the last frame; None where there was none."""
    heartbeat: float | None = None
    """How often the dialect promises a frame."""
    heard: int = 0
    """Frames since the start."""
    understood: int = 0
    too_big: int = 0
    slips: int = 0
    dropped_control: int = 0
    clock_off: float | None = None
    dialect: str = ""
    speaker: str = "multicam-server"
    drift: dict[str, str] = field(default_factory=dict)
    journal: str = "the journal"
    journal_failing: str | None = None
    journal_full: str | None = None
    """The journal is beyond its bound, and all of it still has to go to the ledger."""
    in_memory: int = 0
    unkept: int = 0
    """Entries that no journal can keep, which lie in a file beside it."""
    commit_waits: float = 0.0
    """How long the disk has been at what it was asked last."""
    moved_aside: int = 0
    recorder_failing: str | None = None
    dead: int = 0
    oldest_pending: float | None = None
    ledger: str | None = None
    """Its address; None where none is configured."""
    ledger_state: str = "idle"
    ledger_for: float = 0.0
    ledger_reason: str | None = None
    ledger_hint: str | None = None
    ledger_answered: bool = True
    """It has answered since the start."""
    waiting: int = 0
    postponed: int = 0
    """Of these, entries on which the ledger fails while it takes others."""
    older: bool = False
    """The deployment's functions are older than this tap."""
    held: int = 0
    """Of those that wait, the ones that older functions do not take."""
    in_part: int = 0
    """Of those that wait, the ones that are in the ledger without what older functions do not know."""
    lag: float = 0.0


def health(parts: Parts) -> Health:
    """How the service is now. Cheap: it reads what is counted anyway. On the loop's thread."""
    return judge(numbers_of(parts))


def judge(numbers: Numbers) -> Health:
    """State, standing and reasons, the worst first."""
    reasons = [reason for rule in _RULES for reason in rule(numbers)]
    reasons.sort(key=lambda reason: (reason.state != "failing", -_RANK.get(reason.standing, -1)))
    name = _standing(numbers, reasons)
    state: HealthState = max((reason.state for reason in reasons), key=_STATES.index, default="ok")
    standing = STANDINGS[name]
    looks = sum(not reason.standing for reason in reasons)
    words = standing_words(name, session=numbers.session, count=numbers.waiting)
    return Health(
        state,
        reasons,
        standing=name,
        words=f"{words}; {looks} to look at" if looks else words,
        colour="yellow" if looks and standing.colour in ("green", "grey") else standing.colour,
        alarm=standing.alarm,
        next_step=standing.next_step,
    )


def _standing(n: Numbers, reasons: Iterable[Reason]) -> str:
    """The worst that a reason puts the tap in; without one, how a server and a ledger that do as they should be."""
    found = [reason.standing for reason in reasons if reason.standing]
    if not n.connected:
        found.append("waiting")
    elif n.ledger is None:
        found.append("local")
    elif not n.ledger_answered:
        found.append("untried")
    else:
        found.append("in_step")
    return max(found, key=_RANK.__getitem__)


_STATES: tuple[HealthState, ...] = ("ok", "degraded", "failing")
_RANK = {name: rank for rank, name in enumerate(STANDINGS)}


def _reason(state: HealthState, name: str, words: str, next_step: str, standing: str = "") -> Reason:
    return Reason(name, state, plain(words)[:_SHOWN], plain(next_step)[:_SHOWN], standing)


# ---------------------------------------------------------------------------------------------- the rules


def _server(n: Numbers) -> Iterable[Reason]:
    if n.connected:
        return
    problem = n.problem or "no connection"
    step = f"start {n.speaker}, or check TAP_SERVER_URL and the network; 'multicam-tap check' tries it"
    if n.session:
        words = f"{n.server} is away in the middle of a session: {problem}"
        yield _reason("failing", "server_away", words, step, "lost")
    elif n.expected and n.connected_for >= RECONNECT_S:
        words = f"{n.server} is away, and should be there (TAP_SERVER_HOURS): {problem}"
        yield _reason("failing", "server_away", words, step, "missing")
    elif not n.ever_heard:
        yield _reason("degraded", "server_away", f"{n.server} was never reached: {problem}", step, "unheard")


def _silence(n: Numbers) -> Iterable[Reason]:
    if not n.connected:
        return
    if not n.frames and n.connected_for >= FIRST_FRAME_S:
        words = f"{n.server} has been connected for {n.connected_for:.0f} s, and not one frame came"
        yield _reason(
            "failing", "server_silent", words, "is TAP_SERVER_URL the path of its control WebSocket?", "silent"
        )
    elif n.heartbeat and n.silent_for is not None and n.silent_for > _HEARTBEATS_MISSED * n.heartbeat:
        words = f"{n.server} has sent nothing for {n.silent_for:.0f} s, but promised a frame every {n.heartbeat:.0f} s"
        yield _reason("failing", "server_silent", words, f"see whether {n.speaker} hangs, or restart it", "silent")


def _dialect(n: Numbers) -> Iterable[Reason]:
    look = "'multicam-tap inspect' shows what the server says; set TAP_DIALECT to a mapping for it"
    if n.heard and not n.understood and n.connected and n.connected_for >= UNDERSTOOD_S:
        words = f"the dialect {n.dialect} understands none of {n.heard} frames"
        yield _reason("failing", "nothing_understood", words, look, "not_understood")
    for name, alarm in n.drift.items():
        words, _, step = alarm.partition(" → ")
        yield _reason("degraded", f"drift_{name}", words, step or look)


def _frames(n: Numbers) -> Iterable[Reason]:
    if n.dropped_control:
        words = f"{n.dropped_control} control frames were dropped, because the machine was too slow: a gap shows it"
        yield _reason("degraded", "control_dropped", words, "see what else this machine is busy with")
    if n.too_big:
        words = f"{n.too_big} connections ended because of a frame above the size limit"
        yield _reason("degraded", "frame_too_big", words, f"find out what {n.speaker} sends that is so large")
    if n.slips:
        words = f"{n.slips} frames could not be processed: a bug of the tap"
        yield _reason("degraded", "bug", words, "report it, with what the log says of it")
    if n.clock_off is not None:
        words = f"the server's clock and this machine's differ by {abs(n.clock_off):.0f} s"
        yield _reason("degraded", "clock", words, "set both by one time server (timedatectl set-ntp true)")
    if n.lag >= LAG_S:
        words = f"the tap was held up for {n.lag:.1f} s within the last minute"
        yield _reason("degraded", "lag", words, "see what else this machine is busy with")


def _journal(n: Numbers) -> Iterable[Reason]:
    if n.journal_failing is not None:
        words = f"the journal cannot be written ({n.journal_failing}); {n.in_memory} entries wait in memory"
        step = (
            f"free some space or repair the disk of {n.journal}; do not stop the tap before: pending entries are lost"
        )
        yield _reason("failing", "journal", words, step, "in_memory")
    elif n.commit_waits >= DISK_S:
        words = f"the disk has not answered for {n.commit_waits:.0f} s; {n.in_memory} entries wait in memory"
        yield _reason("failing", "disk", words, f"check the disk of {n.journal}", "in_memory")
    if n.journal_full is not None:
        step = "see why the ledger does not accept entries ('multicam-tap check'), or raise TAP_JOURNAL_MEGABYTES"
        yield _reason("failing", "journal_full", n.journal_full, step, "overfull")
    if n.moved_aside:
        words = "a damaged journal was moved aside, and a new one begun"
        yield _reason("degraded", "journal_moved", words, f"keep the file beside {n.journal}, and check the disk")
    if n.unkept:
        words = f"{n.unkept} entries could not be saved in the journal: a bug of the tap; they are in set-aside.jsonl"
        yield _reason("degraded", "unkept", words, f"report it, and keep that file beside {n.journal}")
    if n.recorder_failing is not None:
        words = f"the flight recorder is paused: {n.recorder_failing}"
        yield _reason("degraded", "recorder", words, f"free some space or repair the disk of {n.journal}")


def _ledger(n: Numbers) -> Iterable[Reason]:
    if n.ledger is None:
        return
    waiting = f"{n.waiting} entries wait in the journal"
    if n.ledger_state == "blocked":
        words = f"publishing is blocked: {n.ledger_reason or 'the ledger refuses'}; {waiting}"
        yield _reason("degraded", "ledger_blocked", words, n.ledger_hint or "'multicam-tap check' tries it", "behind")
    elif n.ledger_state == "away":
        words = f"the ledger is away: {n.ledger_reason or 'no answer'}; {waiting}"
        step = n.ledger_hint or "check TAP_CONVEX_URL and the network; nothing is lost meanwhile"
        yield _reason("degraded", "ledger_away", words, step, "behind")
    elif (
        n.oldest_pending is not None
        and n.oldest_pending >= BACKLOG_S
        and not 0 < n.waiting <= n.postponed + n.held + n.in_part
    ):
        words = f"the ledger is behind: {waiting}, the oldest for {n.oldest_pending:.0f} s"
        step = "wait while it catches up; if it does not, check the deployment"
        yield _reason("degraded", "ledger_behind", words, step, "behind")
    if n.postponed:
        words = f"the ledger fails on {n.postponed} entries and accepts others: the tap tries the failed ones again"
        step = f"see 'multicam-tap journal ls --pending' for why; {LOGS}"
        yield _reason("degraded", "postponed", words, step)
    if n.older:
        words = (
            f"the deployment's functions are older than this tap: {n.held} entries stay pending, and {n.in_part} are"
            " there without the newer columns"
        )
        yield _reason("degraded", "ledger_older", words, DEPLOY)
    if n.dead:
        words = f"{n.dead} entries were rejected by the ledger"
        yield _reason("degraded", "set_aside", words, "see 'multicam-tap journal ls --dead', then 'journal retry'")


_RULES: tuple[Callable[[Numbers], Iterable[Reason]], ...] = (
    _server,
    _silence,
    _dialect,
    _journal,
    _ledger,
    _frames,
)

# ---------------------------------------------------------------------------------------------- from the service


def numbers_of(parts: Parts) -> Numbers:
    """What the service has counted. On the loop's thread."""
    socket, tally, state, meters = parts.socket, parts.pipeline.tally, parts.pipeline.state, parts.meters
    look = parts.journal_gauge
    now = parts.clock.stamp()
    shipping = parts.shipping
    beat = parts.dialect.heartbeat_ms
    return Numbers(
        server=socket.shown,
        connected=socket.connected,
        connected_for=max(0, now.wall - meters.server_since) / 1000,
        ever_heard=meters.ever_connected or bool(state.heard),
        expected=parts.settings.server_expected(now.wall),
        problem=socket.problem,
        session=state.session is not None and state.session.status == "live",
        frames=socket.frames_here,
        silent_for=None if socket.heard is None else (now.mono - socket.heard.mono) / 1000,
        heartbeat=None if beat is None else beat / 1000,
        heard=tally.frames,
        understood=tally.mapped + tally.quiet + tally.telemetry,
        too_big=socket.too_big,
        slips=parts.ingest.slips,
        dropped_control=parts.ingest.dropped_control,
        clock_off=None if tally.drift_ms is None else tally.drift_ms / 1000,
        dialect=parts.dialect.name,
        speaker=parts.dialect.speaker,
        drift=dict(parts.drift.alarms),
        journal=str(parts.settings.journal_path),
        journal_failing=parts.writer.failing,
        journal_full=parts.journal_pruner.full,
        in_memory=parts.writer.waiting,
        unkept=parts.writer.set_aside,
        commit_waits=look.outstanding_for(),
        moved_aside=len(parts.journal.moved_aside),
        recorder_failing=parts.flight.failing,
        dead=look.counts["dead"],
        oldest_pending=None if look.oldest_pending is None else max(0, now.wall - look.oldest_pending) / 1000,
        ledger=parts.settings.convex_url,
        ledger_state="none" if shipping is None else shipping.state,
        ledger_for=0.0 if shipping is None else max(0, now.wall - shipping.since) / 1000,
        ledger_reason=None if shipping is None else shipping.reason,
        ledger_hint=None if shipping is None else shipping.hint,
        ledger_answered=shipping is not None and shipping.last_success is not None,
        waiting=look.counts["pending"],
        postponed=0 if shipping is None else shipping.postponed,
        older=shipping is not None and shipping.older,
        held=0 if shipping is None else shipping.held,
        in_part=0 if shipping is None else shipping.in_part,
        lag=meters.worst_lag,
    )
