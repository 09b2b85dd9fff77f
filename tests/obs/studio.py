"""A real OBS to be tapped, under Xvfb, in a network namespace that has nothing but loopback.

OBS may listen on every address, and looks for an update host; the namespace keeps it to itself. Whoever uses a
:class:`Studio` has to be inside it: :func:`tests.obs.installed.in_namespace` runs a command there.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import orjson

__all__ = ["CANVAS", "PASSWORD", "PORT", "PROFILES", "Studio"]

PORT = 4455
PASSWORD = "rehearsal-4455"
WIDTH, HEIGHT, FPS = 320, 180, 30

PROFILES = ("Shoot", "Streaming")
CANVAS = ("Vertical", "0d1623b8-07f5-5141-8875-487e8b988c7b")
"""Another canvas, as the versions that have them find it in their collection."""
_STREAM_PORT = 1935
_STREAM = f"rtmp://127.0.0.1:{_STREAM_PORT}/live"
_LISTEN = "0A"
"""The state of a socket that listens, in ``/proc/net/tcp``."""
_READY_S = 60.0
_STOP_S = 30.0


class Studio:
    """OBS on ``ws://127.0.0.1:4455``; a context manager. ``scenes`` are names with their colours (0xRRGGBB)."""

    def __init__(
        self,
        root: Path,
        scenes: dict[str, int],
        *,
        others: dict[str, dict[str, int]] | None = None,
        chroot: Path | None = None,
    ) -> None:
        self.root = root
        self._chroot = chroot
        self.recordings = root / "recordings"
        self._obs: subprocess.Popen[bytes] | None = None
        self._screen: subprocess.Popen[bytes] | None = None
        self._sink: subprocess.Popen[bytes] | None = None
        self._config = root / "config" / "obs-studio"
        self._seed({"Shoot": scenes, **(others or {})})

    def __enter__(self) -> Studio:
        self._show()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        for process in (self._obs, self._screen):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGINT if process is self._obs else signal.SIGTERM)
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(_STOP_S)

    def start(self) -> None:
        """Start OBS, and wait until it listens."""
        with (self.root / "obs.log").open("ab") as log:
            self._obs = subprocess.Popen(
                [
                    *self._inside(),
                    *("obs", "--multi", "--disable-updater", "--disable-missing-files-check", "--minimize-to-tray"),
                    *("--disable-shutdown-check", "--websocket_ipv4_only"),
                ],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait(self._listens, "OBS does not listen")

    def _inside(self) -> list[str]:
        """What stands before OBS's own command: the way into the root that it is installed in."""
        if self._chroot is None:
            return []
        # In the mount namespace of this shoot, so that nothing of it stays.
        binds = (Path("/dev"), Path("/proc"), Path("/sys"), Path("/tmp"), self.root)  # noqa: S108 - X listens there
        for path in binds:
            inside = self._chroot / path.relative_to("/")
            inside.mkdir(parents=True, exist_ok=True)
            if not os.path.ismount(inside):
                subprocess.run(["mount", "--rbind", str(path), str(inside)], check=True, timeout=300)
        return ["chroot", str(self._chroot)]

    def kill(self) -> None:
        """As the power does it: nothing is said, nothing is finished."""
        assert self._obs is not None
        self._obs.kill()
        self._obs.wait(_STOP_S)

    def stop(self) -> None:
        """As a person does it."""
        assert self._obs is not None
        self._obs.send_signal(signal.SIGINT)
        self._obs.wait(_STOP_S)

    # ------------------------------------------------------------------ where the stream goes

    def answer(self) -> None:
        """Let somebody take the stream, and wait until it listens: OBS gives up at once where nobody does."""
        self._sink = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-listen", "1", "-i", f"{_STREAM}/probe", "-f", "null", "-"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait(self._sink_listens, "nobody takes the stream")

    def hang_up(self) -> None:
        """Whoever took the stream is gone."""
        if self._sink is not None:
            self._sink.kill()
            self._sink.wait(_STOP_S)
            self._sink = None

    # ------------------------------------------------------------------ starting

    def _environment(self) -> dict[str, str]:
        environment = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        return environment | {
            "HOME": str(self.root / "home"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "DISPLAY": f":{self._display}",
            "LC_ALL": "C.UTF-8",
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "GALLIUM_DRIVER": "llvmpipe",
            "LP_NUM_THREADS": "1",
        }

    def _show(self) -> None:
        """An X server of our own, on a display that nobody has: the server itself picks it."""
        reading, writing = os.pipe()
        with (self.root / "xvfb.log").open("ab") as log:
            self._screen = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1024x600x24", "-nolisten", "tcp"],
                pass_fds=[writing],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self._display = int(pipe.readline())

    def _listens(self) -> bool:
        assert self._obs is not None
        if self._obs.poll() is not None:
            log = (self.root / "obs.log").read_text("utf-8", "replace")
            raise RuntimeError(f"OBS ended with {self._obs.returncode}: {log[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", PORT)) == 0

    def _sink_listens(self) -> bool:
        # Not by a connection: it takes only one.
        assert self._sink is not None
        if self._sink.poll() is not None:
            raise RuntimeError(f"what takes the stream ended with {self._sink.returncode}")
        rows = [row.split() for row in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        return any(row[1].endswith(f":{_STREAM_PORT:04X}") and row[3] == _LISTEN for row in rows)

    @staticmethod
    def _wait(condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _READY_S
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(what)
            time.sleep(0.05)

    # ------------------------------------------------------------------ settings

    def _seed(self, collections: dict[str, dict[str, int]]) -> None:
        for directory in (self.recordings, self.root / "home", self.root / "run"):
            directory.mkdir(parents=True, exist_ok=True)
        (self.root / "run").chmod(0o700)
        (self._config / "basic" / "scenes").mkdir(parents=True)
        (self._config / "global.ini").write_text(_GLOBAL.format(port=PORT, password=PASSWORD), "utf-8")
        for name in PROFILES:
            profile = self._config / "basic" / "profiles" / name
            profile.mkdir(parents=True)
            settings = _PROFILE.format(name=name, width=WIDTH, height=HEIGHT, fps=FPS, recordings=self.recordings)
            (profile / "basic.ini").write_text(settings, "utf-8")
            (profile / "recordEncoder.json").write_bytes(orjson.dumps(_ENCODER))
            (profile / "streamEncoder.json").write_bytes(orjson.dumps(_ENCODER))
            service = {"server": _STREAM, "key": "probe", "use_auth": False}
            (profile / "service.json").write_bytes(orjson.dumps({"type": "rtmp_custom", "settings": service}))
        for name, scenes in collections.items():
            file = self._config / "basic" / "scenes" / f"{name}.json"
            file.write_bytes(orjson.dumps(_collection(name, scenes)))


_GLOBAL = """[General]
FirstRun=true
LastVersion=486539266
InfoIncrement=1
Pre19Defaults=false
Pre21Defaults=false
Pre23Defaults=false
Pre24.1Defaults=false
EnableAutoUpdates=false
ConfirmOnExit=false
HotkeyFocusType=NeverDisableHotkeys
[Basic]
Profile=Shoot
ProfileDir=Shoot
SceneCollection=Shoot
SceneCollectionFile=Shoot
[BasicWindow]
SysTrayEnabled=false
PreviewEnabled=false
WarnBeforeStoppingRecord=false
[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort={port}
AlertsEnabled=false
AuthRequired=true
ServerPassword={password}
"""

_PROFILE = """[General]
Name={name}
[Video]
BaseCX={width}
BaseCY={height}
OutputCX={width}
OutputCY={height}
FPSType=0
FPSCommon={fps}
[Audio]
SampleRate=48000
ChannelSetup=Stereo
[Output]
Mode=Advanced
Reconnect=true
RetryDelay=2
MaxRetries=20
[AdvOut]
Encoder=obs_x264
RecType=Standard
RecFilePath={recordings}
RecFormat=mkv
RecFormat2=mkv
RecEncoder=obs_x264
RecTracks=1
RecSplitFile=true
RecSplitFileType=Manual
"""

_ENCODER = {"rate_control": "CBR", "bitrate": 400, "preset": "ultrafast", "keyint_sec": 1}


def _collection(name: str, scenes: dict[str, int]) -> dict[str, object]:
    """A scene collection: each scene a full picture of one colour."""
    first = next(iter(scenes))
    sources: list[dict[str, object]] = []
    for scene, colour in scenes.items():
        red, green, blue = colour >> 16, colour >> 8 & 0xFF, colour & 0xFF
        feed = f"{scene[:40]} feed"
        sources.append(
            {
                "id": "color_source",
                "versioned_id": "color_source_v3",
                "name": feed,
                "settings": {"color": 0xFF000000 | blue << 16 | green << 8 | red, "width": WIDTH, "height": HEIGHT},
            }
        )
        item = {"name": feed, "id": 1, "visible": True, "pos": {"x": 0.0, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0}}
        sources.append({"id": "scene", "name": scene, "settings": {"id_counter": 1, "items": [item]}})
    return {
        "name": name,
        "sources": sources,
        "scene_order": [{"name": scene} for scene in scenes],
        "current_scene": first,
        "current_program_scene": first,
        "current_transition": "Cut",
        "transition_duration": 300,
        # Versions without other canvases do not read this.
        "canvases": [{"info": {"name": CANVAS[0], "uuid": CANVAS[1], "private": False, "flags": 0}}],
        "transitions": [
            {"id": "swipe_transition", "name": "Swipe Left", "settings": {"direction": "left"}},
            {
                "id": "fade_to_color_transition",
                "name": "Dip to Black",
                "settings": {"color": 0xFF000000, "switch_point": 50},
            },
        ],
    }


if __name__ == "__main__":
    # Whether OBS starts here at all, and stops.
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--chroot", type=Path)
    given = parser.parse_args()
    with Studio(given.root, {"Cam 1": 0xC83232}, chroot=given.chroot):
        pass
