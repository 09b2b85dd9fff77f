"""Made-up servers tell the same shoots: whoever tells it, and whatever goes wrong, the history is the true one."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tap.adapters.dialects import load_dialect
from tap.adapters.tape import open_tape
from tap.core.errors import TapError
from tap.core.model import Entry
from tap.core.pipeline import Pipeline
from tap.rehearsal import faults as known_faults
from tap.rehearsal.performance import perform, shoot_to_tape, truth_of_shoot
from tap.rehearsal.score import Score, score
from tap.rehearsal.shoot import plan_shoot
from tap.rehearsal.styles import NAMES, restyled
from tap.rehearsal.truth import Heard

MAPPINGS = Path(__file__).parents[2] / "fixtures" / "styles"
ROUGH = (
    "reconnect",
    "restart",
    "flap",
    "late_join",
    "ghost_program",
    "told_thrice",
    "repeats",
    "snapshot_only",
    "clock",
)
STALE = ("stale_state", "still_disorder")


def scored(tmp_path: Path, style: str, seed: int, *faults: str, length_s: float = 60) -> tuple[Score, list[Entry]]:
    made = restyled(plan_shoot(seed, faults=faults, length_s=length_s), style)
    path = tmp_path / "tape.jsonl"
    path.write_text("".join(shoot_to_tape(made, venue="hall")), "utf-8")
    with open_tape(path) as tape:
        pipeline = Pipeline(load_dialect(str(MAPPINGS / style / "mapping.toml")), venue="hall", tap="tape")
        entries = [entry for item in tape for entry in pipeline.feed(item)]
    tally = pipeline.tally
    assert (tally.unknown, tally.incomplete, tally.unreadable) == ({}, 0, 0)
    return score(truth_of_shoot(made, venue="hall"), entries), entries


@pytest.mark.parametrize("seed", range(20))
def test_snapshots_alone_tell_everything_that_they_let_one_see(tmp_path: Path, seed: int) -> None:
    """Every cut, hold, session, camera and mode, and every gap: F1 = 1.0, with nine kinds of faults."""
    result, entries = scored(tmp_path, "snapshots", seed, *(ROUGH if seed % 2 else ()))
    assert result.perfect, result.explain()
    assert {"cut", "hold", "release", "mode_change"} <= result.kinds.keys()
    told = [entry for entry in entries if entry.fields.get("kind") in {"cut", "hold", "release", "mode_change"}]
    assert all(entry.fields["detail"]["inferred"] for entry in told)


@pytest.mark.parametrize("seed", range(4))
def test_old_snapshots_of_a_server_that_sends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """By number or by time an old one is known; where neither orders it, nobody can know it."""
    monkeypatch.setattr(known_faults, "STALE_FORMS", (*known_faults.STALE_FORMS[:3], known_faults.STALE_FORMS[0]))
    result, _ = scored(tmp_path, "snapshots", seed, "stale_state", "reconnect")
    assert result.perfect, result.explain()


@pytest.mark.parametrize("style", ["nested", "numeric"])
@pytest.mark.parametrize("seed", range(4))
def test_events_in_another_style(tmp_path: Path, style: str, seed: int) -> None:
    """With eleven kinds of faults, stale states among them."""
    result, _ = scored(tmp_path, style, seed, *(ROUGH + STALE if seed % 2 else ()))
    assert result.perfect, result.explain()


@pytest.mark.slow
@pytest.mark.parametrize("style", NAMES)
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_shoots_in_every_style(tmp_path: Path, style: str, seed: int) -> None:
    stale = () if style == "snapshots" else STALE
    result, _ = scored(tmp_path, style, seed, *(ROUGH + stale if seed % 3 else ()), length_s=120)
    assert result.perfect, result.explain()


@pytest.mark.parametrize("style", NAMES)
def test_nothing_of_multicam_is_left_in_its_frames(style: str) -> None:
    """No type and no key of it; else the style would prove nothing."""
    made = restyled(plan_shoot(1, faults=["reconnect"], telemetry_rate=5), style)
    said = [orjson.loads(item.data) for item in perform(made, telemetry=True) if isinstance(item, Heard)]
    assert len(said) > 50
    assert not any({"type", "ts", "seq", "session", "program", "cameras"} & frame.keys() for frame in said)


@pytest.mark.parametrize(
    ("style", "faults"), [("esperanto", ()), ("nested", ("other_dialect",)), ("numeric", ("all",))]
)
def test_a_style_that_cannot_be_is_refused(style: str, faults: tuple[str, ...]) -> None:
    with pytest.raises(TapError):
        restyled(plan_shoot(1, faults=faults), style)
