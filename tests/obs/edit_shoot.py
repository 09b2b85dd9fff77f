"""A short shoot on a real OBS that is to be edited: pauses, files that are split, stops and starts, cuts and fades.

Runs inside the namespace, as a process of its own::

    python -m tests.obs.edit_shoot --root DIR --seed 1

The real service taps it, as in ``shoot.py``; what the operator did and what OBS told goes into ``DIR/log.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import orjson
from msgspec import to_builtins

from tests.obs.shoot import COLOURS, Log, Operator, Tap, sessions
from tests.obs.studio import PORT, Studio

SCENES = ("Cam 1", "Kran", "相机二", "Pult 2")
_SPLIT = "OBSBasic.SplitFile"


def _clients() -> int:
    """How many are connected to OBS."""
    ends = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(local.endswith(f":{PORT:04X}") and state == "01" for local, _, state in ends)


async def play(tap: Tap, operator: Operator) -> None:
    """Two recordings: one with pauses and splits, one with fades."""
    draw = operator.random
    await operator.connect()
    await operator.transition("Cut")
    on_air = str((await operator.do("GetSceneList"))["currentProgramSceneName"])
    tap.start()
    while _clients() < 2:
        await operator.beat(0.1, 0.1)
    await operator.beat(2, 2)

    async def some_cuts(on_air: str) -> str:
        for _ in range(4):
            await operator.beat(0.35, 0.9)
            on_air = draw.choice([scene for scene in SCENES if scene != on_air])
            await operator.cut(on_air)
        await operator.beat(0.4, 0.9)
        return on_air

    for number, acts in enumerate((("pause", "split", "pause", "split"), ("split", "pause"), ()), 1):
        await operator.record("StartRecord", "STARTED")
        on_air = await some_cuts(on_air)
        for act in acts:
            if act == "pause":
                await operator.record("PauseRecord", "PAUSED")
                await operator.beat(0.3, 1.0)
                await operator.record("ResumeRecord", "RESUMED")
            else:
                await operator.do("TriggerHotkeyByName", hotkeyName=_SPLIT)
                await operator.beat(1.2, 1.6)
            on_air = await some_cuts(on_air)
        if not acts:
            await operator.transition("Fade", 600)
            for _ in range(4):
                await operator.beat(1.0, 1.5)
                on_air = draw.choice([scene for scene in SCENES if scene != on_air])
                await operator.cut(on_air)
        # Another transition that is set just when a fade ends makes OBS go back, of which it tells nobody.
        await operator.beat(0.6, 0.9)
        await operator.record("StopRecord", "STOPPED")
        await operator.beat()
        await tap.until(f"{number} whole sessions", lambda entries: sessions(entries, "complete") == number)  # noqa: B023
    await operator.disconnect()


async def _main(root: Path, seed: int, chroot: Path | None) -> int:
    scenes = dict(zip(SCENES, COLOURS, strict=False))
    log = Log(
        scenes=list(SCENES),
        colours={f"{colour:06x}": name for name, colour in scenes.items()},
        names={name: name for name in SCENES},
    )
    with Studio(root, scenes, chroot=chroot):
        tap, operator = Tap(root, {}), Operator(log, seed)
        try:
            await play(tap, operator)
            code = await tap.stop()
        finally:
            if tap.process is not None and tap.process.poll() is None:
                tap.process.kill()
            (root / "log.json").write_bytes(orjson.dumps(to_builtins(log)))
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chroot", type=Path)
    given = parser.parse_args()
    given.root.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(_main(given.root, given.seed, given.chroot)))
