"""A short run of every fault: what ``make faults`` does hundreds of times is done a few times here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults import stage
from tests.faults.table import FAULTS, Fault


def _cases(*, slow: bool) -> list[Any]:
    marks = [pytest.mark.slow, pytest.mark.timeout(1200)] if slow else []
    return [pytest.param(fault, id=fault.name, marks=marks) for fault in FAULTS if fault.slow is slow]


@pytest.mark.parametrize("fault", [*_cases(slow=False), *_cases(slow=True)])
async def test_nothing_is_lost_doubled_or_invented(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to the tap, its server, its ledger or its disk; and it goes on by itself.

    How soon is for ``make faults`` to say, on a machine with nothing else to do.
    """
    monkeypatch.setattr(stage, "TIMES_LATER", 20.0)
    why_not = fault.missing()
    if why_not is not None:
        pytest.skip(why_not)
    outcome = await (fault.brief or fault.run)(fault.short, 1)
    assert outcome.ok, outcome.explain()
    assert outcome.tried >= fault.short or fault.slow
