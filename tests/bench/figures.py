"""Results as a run of the bench would have left them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.machine import Machine
from bench.results import Begun, Done, Figure, Line, Results, Samples

MACHINE = Machine(
    cpu="A CPU of 2026",
    cores=2,
    memory_gb=24,
    kernel="6.18",
    disk_sync_ms=0.2,
    versions={"Python": "3.11.7", "websockets": "17.4", "uvloop": "0.23.0", "picows": "none", "Node": "22.23.3"},
)

Values = Mapping[tuple[str, str], Iterable[float]]


def lines(
    part: str, values: Values, *, frames: int = 300_000, when: str = "2026-11-23 04:00", **begun: object
) -> list[Line]:
    """A part that was measured: (who, what) to the values of its rounds."""
    options = {"machine": MACHINE, "load": 0.1, "code": "c0de", "sizes": {"frames": frames}, **begun}
    figures = [
        Figure(part, who, what, number, value)
        for (who, what), each in values.items()
        for number, value in enumerate(each)
    ]
    return [Begun(part=part, when=when, **options), *figures, Done(part, 12.0)]  # type: ignore[arg-type]


def results(*parts: Iterable[Line]) -> Results:
    return Results.of(line for part in parts for line in part)


def with_samples(measured: list[Line], values: Mapping[tuple[str, str], Iterable[list[float]]]) -> list[Line]:
    """The same part, with what was seen one by one: (who, what) to what each round saw."""
    *before, done = measured
    assert isinstance(done, Done)
    samples = [
        Samples(done.part, who, what, number, seen)
        for (who, what), each in values.items()
        for number, seen in enumerate(each)
    ]
    return [*before, *samples, done]
