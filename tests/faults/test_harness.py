"""``make faults``: part by part, going on where it stopped, with the table as it grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from tests.faults import __main__ as harness
from tests.faults.outcome import Outcome
from tests.faults.table import FAULTS, Fault, named


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / ".faults" / "results.jsonl")
    monkeypatch.setattr(harness, "PAGE", tmp_path / "faults.md")


def _fault(outcomes: list[Outcome | BaseException], *, count: int = 5, part: int = 2) -> Fault:
    async def run(count: int, seed: int) -> Outcome:
        outcome = outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        outcome.tried = count
        return outcome

    return Fault("made-up", "a made-up fault", run, count, 1, part)


def _use(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr(harness, "FAULTS", (fault,))


def test_parts_make_the_whole() -> None:
    """Each with a seed of its own; a scale makes them fewer."""
    for fault in FAULTS:
        parts = harness.parts_of(fault, 1.0)
        assert sum(part.count for part in parts) == fault.count
        assert len({part.seed for part in parts}) == len(parts)
        assert sum(part.count for part in harness.parts_of(fault, 0.1)) == max(1, round(fault.count * 0.1))


def test_names_are_names() -> None:
    """Each once; another is answered with those that there are."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    with pytest.raises(KeyError, match="there are kill, "):
        named("gremlins")


def test_a_run_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done is not done again, and the table counts both."""
    outcomes: list[Outcome | BaseException] = [Outcome(), Outcome(), KeyboardInterrupt()]
    _use(monkeypatch, _fault(outcomes))
    with pytest.raises(KeyboardInterrupt):
        harness.main([])
    assert "4 of 5" in harness.PAGE.read_text()
    with harness.RESULTS.open("ab") as torn:
        torn.write(b'{"part":{"fau')
    outcomes.append(Outcome(longest_stall_ms=1_500))
    assert harness.main(["--resume"]) == 0
    assert not outcomes
    assert "| a made-up fault | 5 | 0 | 0 | 0 | 1.5 s | – | ok |" in harness.PAGE.read_text()


def test_harm_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the row says so, and so does a part that broke."""
    _use(monkeypatch, _fault([Outcome(lost=1, notes=["lost: cut"]), Outcome(), RuntimeError("no port")]))
    assert harness.main([]) == 1
    said = capsys.readouterr().out
    assert "lost: cut" in said
    assert "RuntimeError: no port" in said
    assert "| 4 of 5 | 1 | 0 | 0 | – | – | **HARM** |" in harness.PAGE.read_text()


def test_what_was_not_run_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine on which a fault cannot be made, and a name that there is not."""
    _use(monkeypatch, structs.replace(_fault([]), missing=lambda: "it needs root"))
    assert harness.main([]) == 0
    said = capsys.readouterr().out
    assert "left out: it needs root" in said
    assert "| 0 of 5 |" in said
    assert harness.main(["--part", "gremlins"]) == 2
