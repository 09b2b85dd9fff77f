"""The director of a rehearsed shoot: each method is something that happens on the server, and the frames it makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import structs

from tap.rehearsal.script import ScriptWriter
from tap.rehearsal.wire import camera_fields, session_fields
from tap.rehearsal.world import (
    Fact,
    ServerCamera,
    ServerHold,
    ServerSession,
    Veil,
)

__all__ = ["Director"]

_NAMES = (
    ("Anna’s iPhone", "host"),
    ("Zoë — Pixel 9", "guest"),
    ("カメラ三", "wide"),
    ("Kamera Ü", "detail"),
    ("🎥 Dach", "crowd"),
    ("كاميرا المسرح", "stage"),
    ("Backstage", "roaming"),
    ("Steadicam <2>", "roaming"),
)
_DEVICES = ("iPhone 15 Pro", "iPhone 13", "Pixel 9", "Galaxy S24", "iPad Pro")
_LENSES = ("wide", "ultrawide", "tele")
_SIDES = ("left", "right", "front", "balcony", "desk", "door")
_TITLES = ("Spring lookbook", "Séance d’automne", "Album cover “Nacht”", "撮影会", "Evening set")


class Director(ScriptWriter):
    """Lets things happen: cameras, sessions, cuts, holds, modes, stills."""

    # ------------------------------------------------------------------------------------------ cameras

    @property
    def present(self) -> list[str]:
        """The ids of the cameras that are online."""
        return [camera.id for camera in self.world.cameras if camera.online is not False]

    def new_camera(self) -> ServerCamera:
        """A new camera; many have no placement at first."""
        n = len(self.roster) + 1
        name, role = _NAMES[(n - 1 + self.plan.seed) % len(_NAMES)]
        ident = str(n) if "other_dialect" in self.plan.faults and n % 2 else f"cam-{n}"
        camera = ServerCamera(
            id=ident,
            name=name if n <= len(_NAMES) else f"{name} {n}",
            role=role,
            device=self.rng.choice(_DEVICES),
            lens=self.rng.choice(_LENSES),
            placement=self.new_place() if self.rng.random() < 0.6 else None,
            online=True,
            battery=round(self.rng.uniform(0.2, 1.0), 2),
        )
        self.roster[camera.id] = camera
        return camera

    def new_place(self) -> dict[str, Any]:
        """A placement for a camera."""
        return {
            "label": self.rng.choice(_SIDES),
            "azimuth_deg": self.between(0, 359),
            "height_m": round(self.rng.uniform(0.5, 2.5), 2),
        }

    def put(self, camera: ServerCamera) -> None:
        """Add this camera to the world, or change it; no frame says so."""
        self.roster[camera.id] = camera
        others = tuple(known for known in self.world.cameras if known.id != camera.id)
        self.set(cameras=(*others, camera))

    def take(self, camera_id: str) -> None:
        """Remove this camera from the world, or mark it as offline; no frame says so."""
        left = tuple(camera for camera in self.world.cameras if camera.id != camera_id)
        if self._lists_offline and self.world.session is not None:
            left = (*left, structs.replace(self.roster[camera_id], online=False))
        self.set(cameras=left)

    def join(self, camera: ServerCamera, *, told: ServerCamera | None = None) -> None:
        """A camera comes online. ``told`` is what the frame says about it, if that is less."""
        said = told or camera
        self.put(camera)
        self.change("camera_joined", {"camera": camera_fields(said)}, Fact(kind="camera", info=said))

    def leave(self, camera_id: str) -> None:
        """A camera goes away."""
        self.take(camera_id)
        fields = {"camera_id": camera_id, "reason": self.rng.choice(("network", "app_closed", "battery"))}
        self.change("camera_left", fields, Fact(kind="left", camera=camera_id))

    def describe(self, camera: ServerCamera) -> None:
        """A frame has more details of a camera."""
        self.put(camera)
        self.change("camera_updated", {"camera": camera_fields(camera)}, Fact(kind="camera", info=camera))

    # ------------------------------------------------------------------------------------------ what people do

    def start(self, *, silent: bool = False) -> None:
        """Somebody presses Start Shoot. ``silent``: only a ``state`` shows it."""
        n = self.number("session")
        session = ServerSession(
            id=f"{self._prefix}-{n}", title=self.rng.choice(_TITLES), notes="first look", started_at=self.clock
        )
        here = tuple(camera for camera in self.world.cameras if camera.online is not False)
        self.set(session=session, cameras=here)
        if silent:
            self.state(keep=True)
        else:
            fact = Fact(kind="started", session=session)
            self.change("session_started", {"session": session_fields(session)}, fact, keep=True)

    def end(self, *, silent: bool = False) -> None:
        """Somebody ends the shoot. ``silent``: only a ``state`` shows it."""
        session = self.world.session
        assert session is not None  # noqa: S101 (only a running session is ended)
        self.set(session=None)
        if silent:
            self.state(keep=True)
            return
        reason = self.rng.choice(("operator", "schedule"))
        fact = Fact(kind="ended", session_id=session.id, reason=reason)
        self.change("session_ended", {"session_id": session.id, "reason": reason}, fact, keep=True)

    def retitle(self) -> None:
        """Somebody edits the session's title."""
        session = self.world.session
        assert session is not None  # noqa: S101 (only a running session has a title)
        edited = structs.replace(session, title=f"{session.title} ({self.between(2, 9)})", notes="edited")
        self.set(session=edited)
        self.change("session_updated", {"session": session_fields(edited)}, Fact(kind="updated", session=edited))

    def other_camera(self) -> str | None:
        """A camera that is online and not on air."""
        others = [camera for camera in self.present if camera != self.world.program]
        return self.rng.choice(others) if others else None

    def cut(self, to: str | None = None, *, trigger: str | None = None, keep: bool = False, tell: bool = True) -> bool:
        """Cuts to a camera; False where there is none to cut to. ``tell`` False: only a ``state`` tells it."""
        target = to or self.other_camera()
        if target is None:
            return False
        before = self.world.program
        self.set(program=target, preview=self.rng.choice(self.present or [target]), veil=None)
        if not tell:
            self.state(keep=True)
            return True
        by = trigger or self.rng.choice(("operator", "operator", "ai"))
        length = self.between(4, 30) * 40 if self.rng.random() < 0.25 else None
        if length is not None and self.ways.dissolve != "shown":
            length *= self.odd.choice((1, 2))
            self._veil(length, before if self.ways.dissolve == "old" else None)
        fields: dict[str, Any] = {"to": target, "from": before, "trigger": by}
        if self.rng.random() < 0.8:
            fields["cut_id"] = f"cut-{self.number('cut')}"
        fields["transition"] = "cut" if length is None else "dissolve"
        if length is not None:
            fields["duration_ms"] = length
        fact = Fact(kind="cut", camera=target, trigger=by, transition=fields["transition"], duration_ms=length)
        fact = structs.replace(fact, before=before)
        self.change("cut", fields, fact, keep=keep)
        return True

    def _veil(self, length: int, shows: str | None) -> None:
        """The dissolve that is told next hides its new camera from snapshots."""
        self.set(veil=Veil(self.now + length, shows, self._made + 1))

    def black(self) -> None:
        """Program turns to nothing, which is no cut."""
        before, way = self.world.program, self.ways.dark
        self.set(program=None, veil=None)
        if way == "silent":
            self.state(keep=True)
            return
        if way == "dead" and before in self.present:
            self.leave(before)
            return
        fields: dict[str, Any] = {"to": None, "from": before, "trigger": "operator", "transition": "cut"}
        fact = Fact(kind="cut", camera=None, before=before, trigger="operator", transition="cut")
        if way == "fade":
            length = self.odd.randint(10, 50) * 40
            fields |= {"transition": "fade", "duration_ms": length}
            fact = structs.replace(fact, transition="fade", duration_ms=length)
            self._veil(length, before)
        self.change("cut", fields, fact)

    def hold(self, *, keep: bool = False, tell: bool = True) -> None:
        """The program camera is held."""
        camera = self.world.program
        if camera is None:
            return
        by = self.rng.choice(("operator", "ghost"))
        self.set(hold=ServerHold(camera=camera, by=by, since=self.clock))
        if not tell:
            self.state(keep=True)
            return
        fields = {"camera_id": camera, "by": by, "reason": "speech", **self._named("hold")}
        self.change("hold", fields, Fact(kind="hold", camera=camera), keep=keep)

    def release(self, *, keep: bool = False, tell: bool = True) -> None:
        """The hold ends."""
        if self.world.hold is None:
            return
        self.set(hold=None)
        if tell:
            self.change("release", {"by": "operator", **self._named("release")}, Fact(kind="release"), keep=keep)
        else:
            self.state(keep=True)

    def _named(self, of: str) -> dict[str, Any]:
        """An id of a hold's or a release's own, where the server gives any."""
        return {} if self.ways.ids in {"usual", "none"} else {"hold_id": f"{of}-{self.number(of)}"}

    def mark(self) -> None:
        """Somebody marks this moment."""
        at, label = self.clock - self.odd.randint(0, 400), f"mark {self.number('mark')}"
        fact = Fact(kind="marker", at=at, label=label)
        self.emit("marker", {"label": label, "at": at, "by": "operator"}, fact)

    def mode(self, to: str, *, keep: bool = False, tell: bool = True) -> None:
        """The mode turns."""
        before = self.world.mode
        if to == before:
            return
        self.set(mode=to)
        if tell:
            self.change("mode_changed", {"from": before, "to": to}, Fact(kind="mode", mode=to), keep=keep)
        else:
            self.state(keep=True)

    def other_mode(self) -> str:
        """A working mode that is not on."""
        return self.rng.choice([mode for mode in ("photoshoot", "performance") if mode != self.world.mode])

    def propose(self, outcome: Literal["approved", "rejected", "expired"]) -> None:
        """Ghost mode proposes a cut; only an approved one is followed by a real one."""
        target = self.other_camera()
        if target is None:
            return
        pending = f"pending-{self.number('pending')}"
        self.emit("pending_cut", {"pending_id": pending, "to": target, "expires_at": self.clock + 4000})
        self.advance(self.between(500, 2500))
        self.emit("pending_cut_resolved", {"pending_id": pending, "outcome": outcome})
        self.quiet(self.between(5, 40))
        if outcome == "approved" and target in self.present and target != self.world.program:
            self.cut(target, trigger="ghost_approved")

    def music(self) -> None:
        """The server heard something in the music."""
        at = self.clock - self.between(0, 120)
        moment = f"moment-{self.number('moment')}"
        kind = self.rng.choice(("drop", "phrase", "beat"))
        fields = {"moment_id": moment, "kind": kind, "confidence": round(self.rng.uniform(0.5, 1), 3), "at": at}
        self.emit("music_moment", fields, Fact(kind="music", at=at, moment=moment))

    # ------------------------------------------------------------------------------------------ stills

    def ask(self, cameras: Iterable[str]) -> str:
        """Somebody asks for a still; returns its id."""
        still = f"still-{self._prefix[-6:]}-{self.number('still')}"
        wanted = tuple(cameras)
        fields = {"still_id": still, "camera_ids": list(wanted), "by": "operator"}
        self.emit("still_requested", fields, Fact(kind="asked", still_id=still, thing=still, camera_ids=wanted))
        return still

    def capture(self, still: str | None, camera: str) -> None:
        """A camera took it, a moment ago."""
        taken = self.clock - self.between(5, 90)
        fields: dict[str, Any] = {"still_id": still, "camera_id": camera, "taken_at": taken}
        fields |= {"width": 4032, "height": 3024}
        if still is None:
            del fields["still_id"]
        self.emit("still_captured", fields, Fact(kind="captured", at=taken, still_id=still, thing=still, camera=camera))

    def upload(self, still: str, camera: str) -> None:
        """The file is safe."""
        digest = f"{self.rng.getrandbits(256):064x}"
        key = f"stills/{still}/{camera}.jpg"
        fields = {
            "still_id": still,
            "camera_id": camera,
            "storage_key": key,
            "url": f"https://media.invalid/{key}?X-Signature={digest[:24]}",
            "bytes": self.between(900_000, 6_000_000),
            "sha256": digest,
        }
        fact = Fact(kind="uploaded", still_id=still, thing=still, camera=camera, storage_key=key, sha256=digest)
        self.emit("still_uploaded", fields, fact)

    def pay(self, *, all_of_it: bool = False) -> None:
        """Uploads some of what is owed from earlier."""
        owed, self.owed = self.owed, []
        for still, camera in owed:
            if all_of_it or self.odd.random() < 0.5:
                self.quiet(self.odd.randint(50, 400))
                self.upload(still, camera)
            else:
                self.owed.append((still, camera))

    def fail(self, still: str, camera: str) -> None:
        """A camera could not take it."""
        reason = self.rng.choice(("timeout", "storage_full"))
        fields = {"still_id": still, "camera_id": camera, "reason": reason}
        self.emit(
            "still_failed", fields, Fact(kind="failed", still_id=still, thing=still, camera=camera, reason=reason)
        )

    def still(self, *, slow: bool = False) -> None:
        """A still from one to three cameras in the usual way: some fail, some never come. ``slow``: seconds later."""
        here = self.present
        if not here:
            return
        cameras = self.rng.sample(here, min(len(here), self.between(1, 3)))
        still = self.ask(cameras)
        for camera in cameras:
            luck = self.rng.random()
            wait = self.between(2500, 4500) if slow else self.between(150, 900)
            if luck < 0.12:
                self.later(wait, lambda camera=camera: self.fail(still, camera))  # type: ignore[misc]
            elif luck < 0.9:
                self.later(wait, lambda camera=camera: self.capture(still, camera))  # type: ignore[misc]
                if luck < 0.75 and self.ways.uploads == "late" and self.odd.random() < 0.5:
                    self.owed.append((still, camera))
                elif luck < 0.75:
                    wait += self.between(300, 3000)
                    self.later(wait, lambda camera=camera: self.upload(still, camera))  # type: ignore[misc]
