"""What goes wrong in a rehearsal, by name: every item of the last section of ``docs/multicam-1.md``, and a few more.

A fault is a sentence for people and a function that gives the *acts* of one shoot: things that happen once each, at
moments that the shoot chooses. Faults that only change how a frame is written have no acts; ``wire.py`` does them.
Acts leave quiet around what would otherwise be a matter of luck, so that there is one right history of every shoot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from msgspec import Struct, structs

from tap.core.errors import UsageInvalid
from tap.rehearsal.director import Director
from tap.rehearsal.wire import encode
from tap.rehearsal.world import Fact, MessagePart, Send, ServerCamera, ServerSession

__all__ = ["FAULTS", "GARBAGE", "Act", "Fault", "parse_faults"]

Act: TypeAlias = Callable[[Director], object]


class Fault(Struct, frozen=True):
    """One fault: what it does, and its acts in a shoot."""

    does: str
    acts: Callable[[Director], list[Act]]
    in_all: bool = True


def parse_faults(names: Iterable[str]) -> frozenset[str]:
    """Parse names of faults, which may be separated by commas, or be ``all``.

    Raises:
        UsageInvalid: There is no such fault.
    """
    asked = {part.strip() for name in names for part in name.split(",") if part.strip()}
    unknown = sorted(asked - FAULTS.keys() - {"all"})
    if unknown:
        raise UsageInvalid(f"unknown fault: {', '.join(unknown)}", hint=f"known: all, {', '.join(FAULTS)}")
    if "all" in asked:
        asked |= {name for name, fault in FAULTS.items() if fault.in_all}
    return frozenset(asked - {"all"})


def _none(_: Director) -> list[Act]:
    return []


# ---------------------------------------------------------------------------------------------- told more than once


def told_thrice(_: Director) -> list[Act]:
    def act(d: Director) -> None:
        d.cut()
        d.quiet(1000)
        d.state()

    return [act]


def snapshot_only(_: Director) -> list[Act]:
    def silently(kinds: tuple[str, ...], happens: Act) -> Act:
        def act(d: Director) -> None:
            if d.ordered(*kinds):
                d.quiet(400)
                happens(d)
                d.quiet(400)

        return act

    def held(d: Director) -> None:
        d.hold(tell=False)
        d.quiet(d.between(1500, 3000))
        d.release(tell=False)

    return [
        silently(("cut", "state"), lambda d: d.cut(tell=False)),
        silently(("hold", "release", "state"), held),
        silently(("mode", "state"), lambda d: d.mode(d.other_mode(), tell=False)),
    ]


def _cuts(step: Send) -> bool:
    return any(fact.kind == "cut" for fact in step.facts)


def repeats(_: Director) -> list[Act]:
    def late(d: Director) -> None:
        """The cut before the last one comes again: its ``seq`` is lower than that of the cut which it would undo."""
        d.quiet(100)
        if not d.cut(keep=True):
            return
        first = next(step for step in reversed(d.steps) if isinstance(step, Send) and _cuts(step))
        d.quiet(d.between(300, 900))
        d.cut(keep=True)
        d.quiet(d.between(100, 700))
        d.retell(first)
        d.quiet(200)

    def verbatim(d: Director) -> None:
        d.cut(keep=True)
        d.repeat(200)
        d.music()
        d.repeat(150)

    return [late, verbatim]


# ---------------------------------------------------------------------------------------------- stale snapshots


def _whole(frame: dict[str, Any]) -> dict[str, Any]:
    return frame


def _without(*keys: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda frame: {key: value for key, value in frame.items() if key not in keys}


STALE_FORMS = (_whole, _without("ts"), _without("seq"), _without("ts", "seq"))
"""A stale state with ``seq`` and ``ts``, with only ``seq``, with only ``ts``, with neither."""


def around(d: Director, change: Act, form: int) -> None:
    """Delivers a state that was made before a change after it, within the settle time, and nothing else meanwhile."""
    d.quiet(200)
    made = d.withhold()
    d.quiet(d.between(30, 90))
    change(d)
    d.quiet(d.soon(d.between(60, 1100)))
    d.deliver(made, STALE_FORMS[form])
    d.quiet(d.between(50, 300))
    d.state(keep=True)
    d.quiet(300)


def stale_state(_: Director) -> list[Act]:
    def held(d: Director) -> None:
        around(d, lambda d: d.hold(keep=True), d.rng.randrange(4))
        d.quiet(d.between(500, 2000))
        around(d, lambda d: d.release(keep=True), d.rng.randrange(4))

    def cut(form: int) -> Act:
        return lambda d: around(d, lambda d: d.cut(keep=True), form)

    def mode(d: Director) -> None:
        around(d, lambda d: d.mode(d.other_mode(), keep=True), d.rng.randrange(4))

    return [*(cut(form) for form in range(len(STALE_FORMS))), held, mode]


# ---------------------------------------------------------------------------------------------- the way is lost


def _things_happen(d: Director) -> None:
    """One to four changes while no client is connected. If one is a hold, it lasts."""
    for _ in range(d.between(1, 4)):
        d.advance(d.between(300, 1500))
        what = d.rng.choice(("cut", "cut", "cut", "mode", "still", "title", "join", "hold"))
        if what == "hold" and d.world.hold is None:
            d.hold()
        elif what == "cut" and d.world.hold is None:
            d.cut()
        elif what == "mode":
            d.mode(d.other_mode())
        elif what == "still":
            d.still()
        elif what == "title":
            d.retitle()
        elif what == "join" and len(d.present) < 8:
            d.join(d.new_camera())
    d.advance(d.between(300, 1500))


def _let_go(d: Director) -> None:
    """End what may have begun unseen: a hold, and requested stills (they take less than a second)."""
    d.advance(d.between(1200, 2500))
    d.release()


def reconnect(d: Director) -> list[Act]:
    def changed(d: Director) -> None:
        d.blackout("network", lambda: _things_happen(d))
        _let_go(d)

    def cut_away(d: Director) -> None:
        def during() -> None:
            d.advance(d.between(600, 2000))
            d.cut()
            d.advance(d.between(600, 2000))

        d.blackout("network", during)

    def same(d: Director) -> None:
        d.blackout("network", lambda: d.quiet(d.between(800, 4000)))

    def held_across(d: Director) -> None:
        d.hold()
        d.advance(300)
        d.blackout("network", lambda: d.quiet(d.between(800, 3000)))
        d.advance(d.between(300, 1500))
        d.release()

    return [changed, cut_away, d.rng.choice((same, held_across)), *([replaced("network")] * (d.rng.random() < 0.2))]


def replaced(why: Any) -> Act:
    """While nobody can see it, the session ends and another begins."""

    def act(d: Director) -> None:
        def during() -> None:
            d.quiet(d.between(700, 1500))
            if why == "restart":
                d.reboot()
                d.set(hold=None)
            d.release()
            d.end()
            d.quiet(d.between(500, 1500))
            d.start()
            d.quiet(300)

        d.blackout(why, during)

    return act


def session_kept(d: Director) -> None:
    """The session keeps its id. The cameras reconnect to the server one by one, within the grace time."""
    away: list[ServerCamera] = []

    def during() -> None:
        d.quiet(d.between(1000, 5000))
        d.reboot()
        d.set(hold=None)
        if d.plan.pace >= 1 and d.rng.random() < 0.6:
            away.extend(camera for camera in d.world.cameras if camera.online and d.rng.random() < 0.5)
            d.set(cameras=tuple(camera for camera in d.world.cameras if camera not in away))
        if d.rng.random() < 0.4:
            d.set(program=None)

    d.blackout("restart", during)
    for camera in away:
        d.quiet(d.between(30, 200))
        d.join(camera)
    if len(d.present) > 0:
        d.cut()


def session_lost(d: Director) -> None:
    """The server has lost its session."""

    def during() -> None:
        d.quiet(d.between(1000, 5000))
        d.reboot()
        d.set(hold=None, session=None, mode="idle", program=d.rng.choice((None, d.world.program)))

    d.blackout("restart", during)


def session_found(d: Director) -> None:
    """The server comes back without the session, then finds it again: it is live once more."""
    session: ServerSession | None = d.world.session

    def during() -> None:
        d.quiet(d.between(1000, 3000))
        d.reboot()
        d.set(hold=None, session=None)

    d.blackout("restart", during)
    d.state(keep=True)
    d.quiet(d.between(800, 2000))
    d.set(session=session)
    d.state(keep=True)
    d.quiet(500)


def restart(d: Director) -> list[Act]:
    return [d.rng.choice((session_kept, session_kept, session_lost, session_found, replaced("restart")))]


# ---------------------------------------------------------------------------------------------- cameras


def flap(_: Director) -> list[Act]:
    def act(d: Director) -> None:
        if d.present:
            camera = d.rng.choice(d.present)
            d.quiet(100)
            d.leave(camera)
            d.quiet(d.soon(d.between(400, 3300)))
            d.join(d.roster[camera])
            d.quiet(100)

    return [act, act]


def late_join(_: Director) -> list[Act]:
    def bare(d: Director) -> None:
        """At first only the id is known; the rest comes bit by bit, the placement only in a state."""
        camera = d.new_camera()
        d.put(ServerCamera(id=camera.id, online=True))
        fields = {"camera": {"id": camera.id}}
        d.change("camera_joined", fields, Fact(kind="camera", info=ServerCamera(id=camera.id)))
        d.advance(d.between(500, 2000))
        d.describe(structs.replace(camera, placement=None))
        d.advance(d.between(500, 2000))
        d.put(structs.replace(camera, placement=d.new_place()))
        d.state(keep=True)

    def unannounced(d: Director) -> None:
        """No frame of its own: a state lists it."""
        d.quiet(200)
        d.put(d.new_camera())
        d.state(keep=True)

    def live_first(d: Director) -> None:
        """It is live before it ever joined."""
        camera = d.new_camera()
        d.cut(camera.id)
        d.quiet(d.between(500, 2000))
        d.join(camera)

    return [bare, unannounced, live_first]


def ghost_program(_: Director) -> list[Act]:
    def act(d: Director) -> None:
        d.cut(f"ghost-{d.number('ghost')}")
        d.advance(d.between(800, 2500))
        d.cut()

    return [act]


# ---------------------------------------------------------------------------------------------- stills


def still_disorder(_: Director) -> list[Act]:
    def one(d: Director) -> tuple[str, str]:
        camera = d.rng.choice(d.present)
        return d.ask([camera]), camera

    def upload_first(d: Director) -> None:
        still, camera = one(d)
        d.advance(400)
        d.upload(still, camera)
        d.advance(d.between(20, 600))
        d.capture(still, camera)

    def twice(d: Director) -> None:
        still, camera = one(d)
        d.advance(300)
        d.capture(still, camera)
        d.advance(400)
        d.upload(still, camera)
        d.repeat(d.between(200, 900))

    def upload_only(d: Director) -> None:
        still, camera = one(d)
        d.advance(700)
        d.upload(still, camera)

    def shared(d: Director) -> None:
        """Three cameras take one still id at the same time; one of them was not requested."""
        cameras = list(d.present)
        d.rng.shuffle(cameras)
        still = d.ask(cameras[:3])
        d.advance(200)
        for step in (d.capture, d.upload):
            for camera in cameras[:4]:
                d.advance(d.between(10, 250))
                step(still, camera)
            d.rng.shuffle(cameras)

    def failed_then_taken(d: Director) -> None:
        still, camera = one(d)
        d.advance(300)
        d.fail(still, camera)
        d.advance(500)
        d.capture(still, camera)
        d.advance(200)
        d.fail(still, camera)

    def nameless(d: Director) -> None:
        """Somebody presses the shutter on the camera itself: there is no request and no id."""
        d.capture(None, d.rng.choice(d.present))

    def never(d: Director) -> None:
        one(d)

    acts = (upload_first, twice, upload_only, shared, failed_then_taken, nameless, never)
    return [_with_cameras(act) for act in acts]


def _with_cameras(act: Act) -> Act:
    return lambda d: act(d) if d.present else None


# ---------------------------------------------------------------------------------------------- what nobody can read


def _truncated(d: Director) -> str:
    whole = encode({"type": "cut", "ts": d.clock, "to": d.other_camera(), "trigger": "operator"})
    return whole[: d.between(len(whole) // 2, len(whole) - 2)]


def _nested(_: Director) -> str:
    return '{"type":"state","deep":' + "[" * 10_000 + "]" * 10_000 + "}"


GARBAGE: dict[str, Callable[[Director], str | bytes]] = {
    "truncated": _truncated,
    "binary": lambda d: bytes([255, 0]) + d.rng.randbytes(d.between(20, 400)),
    "empty": lambda _: "",
    "nan": lambda d: f'{{"type":"cut","ts":{d.clock},"to":NaN,"trigger":"operator"}}',
    "nested": _nested,
    "long_id": lambda d: encode({"type": "cut", "ts": d.clock, "to": "x" * 1_000_000, "trigger": "operator"}),
    "unknown_type": lambda d: encode({"type": "telepathy", "ts": d.clock, "to": d.other_camera()}),
    "number": lambda _: "42",
    "text": lambda _: '"cut"',
    "null": lambda _: "null",
    "empty_list": lambda _: "[]",
    "no_type": lambda d: encode({"ts": d.clock, "to": d.other_camera()}),
    "odd_type": lambda d: encode({"type": ["cut"], "ts": d.clock, "to": d.other_camera()}),
    "cut_to_list": lambda d: encode({"type": "cut", "ts": d.clock, "to": [d.other_camera()]}),
    "cut_to_bool": lambda d: encode({"type": "cut", "ts": d.clock, "to": True}),
    "cut_to_nowhere": lambda d: encode({"type": "cut", "ts": d.clock, "trigger": "operator"}),
    "ill_typed_state": lambda _: encode(
        {"type": "state", "program": {}, "mode": [], "session": True, "cameras": "all"}
    ),
    "nobody_left": lambda d: encode({"type": "camera_left", "ts": d.clock, "camera_id": {"id": "cam-1"}}),
}
"""What cannot be read, or says nothing when it is: not one of these may leave a row, or stop one."""


def garbage(_: Director) -> list[Act]:
    def some(names: list[str]) -> Act:
        def act(d: Director) -> None:
            for name in names:
                d.say(GARBAGE[name](d))
                d.quiet(d.between(5, 50))

        return act

    def beside(d: Director) -> None:
        """Invalid data in one array with a valid frame, which must not be lost."""
        d.state(keep=True)
        good = d.steps.pop()
        if isinstance(good, Send):
            junk = ("5", "null", '{"type":7}', '"x"')
            facts = tuple(structs.replace(fact, part=len(junk)) for fact in good.facts)
            parts = (*(MessagePart({}, rubbish=text) for text in junk), *good.parts)
            d.say(f"[{','.join(junk)},{good.data!s}]", facts, parts)

    names = list(GARBAGE)
    return [*(some(names[at : at + 4]) for at in range(0, len(names), 4)), beside]


def huge(_: Director) -> list[Act]:
    def act(d: Director) -> None:
        d.say(encode({"type": "device_stats", "ts": d.clock, "blob": "0" * 20_000_000}))

    return [act]


# ---------------------------------------------------------------------------------------------- the server's clock


def clock(d: Director) -> list[Act]:
    d.set(clock=structs.replace(d.world.clock, ppm=d.rng.choice((-1, 1)) * d.between(50, 300)))

    def step(low: int, high: int) -> Act:
        def act(d: Director) -> None:
            d.quiet(1200)
            d.set(clock=structs.replace(d.world.clock, offset=d.world.clock.offset + d.between(low, high)))
            d.quiet(1200)

        return act

    # Back by less than clock_step_ms would make every frame that only ts orders look old, and rightly so.
    return [step(-90_000, -30_000), step(20_000, 200_000), step(200, 3000)]


FAULTS: dict[str, Fault] = {
    "told_thrice": Fault(
        "each cut comes three times: in its own frame, in the state after it, and a second later", told_thrice
    ),
    "snapshot_only": Fault("some changes come only in a state, also the start and end of a session", snapshot_only),
    "stale_state": Fault(
        "states from before a change come after it: with seq, with only ts, or with neither", stale_state
    ),
    "reconnect": Fault("the connection is lost, and things happen before it is back", reconnect),
    "restart": Fault(
        "the server restarts in the shoot: its session continues, is lost, comes back or is replaced", restart
    ),
    "restart_kept": Fault("the same, but the session always continues", lambda _: [session_kept], in_all=False),
    "restart_lost": Fault("the same, but the session is always lost", lambda _: [session_lost], in_all=False),
    "restart_replaced": Fault(
        "the same, but another session always replaces it", lambda _: [replaced("restart")], in_all=False
    ),
    "flap": Fault("cameras are away for less than five seconds", flap),
    "late_join": Fault("cameras join late: by id alone, unannounced, or live before they ever joined", late_join),
    "ghost_program": Fault("program names a camera that never joins", ghost_program),
    "still_disorder": Fault(
        "stills uploaded before captured, twice, several under one id, without id, never", still_disorder
    ),
    "other_dialect": Fault("camelCase, envelopes, batches, seconds, ISO times, numeric ids", _none),
    "garbage": Fault("frames that cannot be parsed, of every kind except huge ones", garbage),
    "clock": Fault("the server's clock drifts and is set", clock),
    "missing_ts": Fault("frames without ts", _none),
    "missing_seq": Fault("frames without seq", _none),
    "repeats": Fault("frames come twice, word for word, also much later", repeats),
    "huge": Fault("one frame of 20 MB (only by name, not in all)", huge, in_all=False),
}
"""Every fault by name. ``simulate --help`` and the documentation list these."""
