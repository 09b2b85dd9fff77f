"""docs/scale.md is what its script reckons: from the rows as they are, and the functions as they are."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from tests.contract.local import CONVEX

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.skipif(
    shutil.which("node") is None or not (CONVEX / "node_modules").is_dir(), reason="needs node and convex/node_modules"
)
def test_the_page_is_what_is_reckoned() -> None:
    """Word for word, and its numbers to a tenth: whoever changes a column or an index runs make scale."""
    spec = importlib.util.spec_from_file_location("make_scale", DOCS / "make_scale.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    now, page = script.page(), (DOCS / "scale.md").read_text(encoding="utf-8")
    assert _NUMBER.sub("N", now) == _NUMBER.sub("N", page)
    numbers = [[float(number.replace(",", "")) for number in _NUMBER.findall(text)] for text in (now, page)]
    assert numbers[0] == pytest.approx(numbers[1], rel=0.1, abs=1)


_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
