"""Every fault by name: how often it is tried in full, how often in the tests, and in parts of which size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from tests.faults import (
    beside,
    clocks,
    damage,
    disk,
    fuzz,
    hostile,
    kills,
    ledgers,
    lines,
    long,
    network,
    outage,
    pair,
    quiet,
    restarts,
    seeds,
    steady,
    stopped,
)
from tests.faults.layer import run as layer
from tests.faults.outcome import Outcome
from tests.faults.servers import SERVERS, at

__all__ = ["FAULTS", "Fault", "named"]


def _nothing() -> None:
    return None


class Fault(Struct, frozen=True):
    """One row of the table."""

    name: str
    words: str
    run: Callable[[int, int], Awaitable[Outcome]]
    count: int
    """In full."""
    short: int
    """In the tests."""
    part: int
    """How many make a part: well under ten minutes on two cores."""
    missing: Callable[[], str | None] = _nothing
    """Why it cannot be tried on this machine, if so."""
    slow: bool = False
    """Too long for every run of the tests, even the short count."""
    brief: Callable[[int, int], Awaitable[Outcome]] | None = None
    """What the tests run instead, where one try takes minutes."""


_NODE = ledgers.missing

_FAULTS: tuple[Fault, ...] = (
    Fault(
        "kill",
        "kill -9 of the tap at any instant: while it sends, prunes, changes tapes, starts",
        kills.run,
        500,
        8,
        50,
        _NODE,
    ),
    Fault("ledger-kill", "kill -9 of the local ledger", ledgers.killed, 200, 3, 20, _NODE),
    Fault(
        "ledger-disk-full",
        "the disk of the local ledger full in the midst of a call",
        ledgers.full,
        50,
        2,
        20,
        lambda: _NODE() or disk.missing(),
    ),
    Fault("answer-lost", "the ledger's answer lost after the commit", ledgers.lost_answers, 1_000, 12, 200, _NODE),
    Fault("answer-half", "the ledger's answer cut in half", ledgers.half_answers, 200, 10, 200, _NODE, slow=True),
    Fault(
        "ledger-refuses",
        "ledger (stub) refuses for an hour, backlog of 100,000",
        outage.refusing,
        5,
        1,
        1,
        brief=outage.briefly_refusing,
    ),
    Fault(
        "ledger-hangs",
        "ledger (stub) hangs for an hour, backlog of 100,000",
        outage.hanging,
        5,
        1,
        1,
        slow=True,
        brief=outage.briefly_hanging,
    ),
    Fault(
        "ledger-5xx", "ledger (stub) says 503 for an hour, backlog of 100,000", outage.overloaded, 5, 1, 1, slow=True
    ),
    Fault("ledger-429", "ledger (stub) says 429 for an hour, backlog of 100,000", outage.throttled, 5, 1, 1, slow=True),
    Fault("restart-kept", "server restart, session kept", restarts.kept, 50, 1, 25, _NODE),
    Fault("restart-lost", "server restart, session lost", restarts.lost, 50, 1, 25, _NODE),
    Fault("restart-replaced", "server restart, session replaced", restarts.replaced, 50, 1, 25, _NODE),
    Fault(
        "half-open", "half-open TCP (veth, blackhole), timeouts a tenth", network.half_open, 20, 1, 10, network.missing
    ),
    Fault(
        "half-open-real", "half-open TCP, real timeouts", network.half_open_real, 1, 1, 1, network.missing, slow=True
    ),
    Fault(
        "slow-loris", "a server that answers byte by byte, timeouts a tenth", network.loris, 20, 1, 10, _NODE, slow=True
    ),
    Fault(
        "slow-loris-real",
        "a server that answers byte by byte, real timeouts",
        network.loris_real,
        1,
        1,
        1,
        _NODE,
        slow=True,
    ),
    Fault("drip", "a connection of 1 byte per second, timeouts a tenth", network.drip, 20, 1, 10, _NODE, slow=True),
    Fault(
        "drip-real", "a connection of 1 byte per second, real timeouts", network.drip_real, 1, 1, 1, _NODE, slow=True
    ),
    Fault("disk-full", "disk full for a while", disk.full, 20, 1, 20, disk.missing),
    Fault("disk-full-at-start", "disk full when the tap starts", disk.stays_full, 20, 1, 20, disk.missing, slow=True),
    Fault("disk-read-only", "state directory read-only when the tap starts", disk.read_only, 20, 1, 20, disk.missing),
    Fault(
        "journal-owned",
        "another process owns the journal when the tap starts",
        disk.owned,
        20,
        1,
        20,
        disk.missing,
        slow=True,
    ),
    Fault(
        "journal-locked",
        "another process writes to the journal without end",
        disk.locked,
        20,
        1,
        20,
        disk.missing,
        slow=True,
    ),
    Fault(
        "disk-power",
        "a power cut at any write, sync or rename of a shoot: unsynced data is lost in part, out of order",
        layer.power,
        10_000,
        120,
        2_500,
        layer.missing,
    ),
    Fault(
        "disk-errors",
        "any write, sync or rename of a shoot fails (EIO, ENOSPC, half written), with a power cut later",
        layer.errors,
        3_600,
        30,
        600,
        layer.missing,
    ),
    Fault(
        "journal-truncated", "journal and log cut at every byte of their last page", damage.truncated, 12_288, 90, 4_096
    ),
    Fault("journal-overwritten", "random overwrites of the journal", damage.overwritten, 500, 8, 100),
    Fault("journal-deleted", "the journal's files deleted while it runs", damage.deleted, 50, 6, 50, _NODE),
    Fault("lock-removed", "the lock file removed while it runs, and another tap started", damage.unlocked, 50, 2, 25),
    Fault("journal-newer", "a journal of a newer version", damage.newer, 20, 1, 20),
    Fault("clock-back", "the tap's clock −1 h", clocks.hour_back, 20, 1, 20, _NODE),
    Fault("clock-on", "the tap's clock +1 h", clocks.hour_on, 20, 1, 20, _NODE, slow=True),
    Fault(
        "clock-40-days", "the tap's clock 40 days ahead, at once or after a reboot", clocks.forty_days, 40, 2, 20, _NODE
    ),
    Fault("clock-years", "the server's clock five years off", clocks.years_off, 20, 1, 20, _NODE),
    Fault("clock-jumps", "the server's clock set within a session", clocks.jumps, 20, 1, 20, _NODE),
    Fault("quiet", "a single event, then silence", quiet.run, 100, 5, 100, _NODE),
    Fault(
        "stopped-bare",
        "the tap stopped (SIGSTOP) while the server sends 12 cuts: a server without times, ids and numbers",
        stopped.standing,
        50,
        1,
        50,
        _NODE,
    ),
    Fault("burst-bare", "200 cuts at once: a server without times, ids and numbers", stopped.burst, 50, 1, 50, _NODE),
    Fault("poison", "a poison entry among 1,000", ledgers.poison, 20, 1, 10, _NODE, slow=True),
    Fault("two-taps", "two taps on one server, one killed now and then", pair.run, 20, 1, 10, _NODE),
    Fault("pings", "endless pings from a server that reads no answer", hostile.pings, 20, 1, 20),
    Fault(
        "flapping",
        "a server that accepts connections and closes them at once, for a minute",
        hostile.flapping,
        20,
        1,
        5,
        brief=hostile.briefly_flapping,
    ),
    Fault(
        "steady",
        "a fault that does not end, 60 attempts each: at most 30 lines of log, 250 MB of memory",
        steady.run,
        30,
        3,
        10,
    ),
    Fault(
        "lines",
        "a fault that lasts for twenty minutes of virtual time: at most 10 lines of log in any minute",
        lines.run,
        len(lines.FAULTS),
        1,
        len(lines.FAULTS),
    ),
    Fault("fuzz", "frames fuzzed by structure", fuzz.run, 1_000_000, 4_000, 50_000, _NODE),
    Fault(
        "eight-hours",
        "a shoot of 8 h without a restart of the tap, 60 times as fast",
        long.eight_hours,
        8,
        1,
        8,
        _NODE,
        slow=True,
    ),
    Fault("dense", "1,000 frames a second, six minutes of the shoot each", long.dense, 5, 1, 1, _NODE, slow=True),
    Fault("seeds", "faults of all kinds together, drawn from a seed", seeds.run, 1_000, 2, 10, _NODE),
    Fault("beside", "the tap beside another reader: nothing is wrong", beside.well, 3, 1, 3, slow=True),
    Fault("beside-slow-disk", "the tap beside another reader: 10 ms a sync", beside.slow_disk, 3, 1, 3, slow=True),
    Fault(
        "beside-ledger-away",
        "the tap beside another reader: the ledger is away",
        beside.ledger_away,
        3,
        1,
        3,
        slow=True,
    ),
    Fault(
        "beside-stopped",
        "the tap beside another reader: the tap is stopped (SIGSTOP), then resumed",
        beside.stopped,
        3,
        1,
        3,
        slow=True,
    ),
)
"""With a server as ``docs/multicam-1.md`` draws it."""

_ELSEWHERE = ("kill", "ledger-kill", "answer-lost", "restart-kept", "restart-lost", "restart-replaced", "disk-full")
"""The faults that are tried with every other server too: those in which a shoot is played to its end."""


def _elsewhere() -> Iterator[Fault]:
    for server, (ways, words) in SERVERS.items():
        for fault in _FAULTS:
            if fault.name in _ELSEWHERE:
                yield replace(
                    fault,
                    name=f"{fault.name}@{server}",
                    words=f"{fault.words}: {words}",
                    run=at(ways, fault.run),
                    short=min(fault.short, 2),
                    slow=fault.name not in ("kill", "restart-kept"),
                )


FAULTS: tuple[Fault, ...] = (*_FAULTS, *_elsewhere())
"""In the order in which ``make faults`` tries them."""


def named(name: str) -> Fault:
    """Raises ``KeyError``, with the names that there are, for one that there is not."""
    known = {fault.name: fault for fault in FAULTS}
    if name not in known:
        raise KeyError(f"no fault {name}; there are {', '.join(known)}")
    return known[name]
