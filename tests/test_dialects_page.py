"""docs/dialects.md: each example on the page is run, and says what the page says that it says."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from tap.adapters.dialects import load_dialect
from tap.core.errors import MappingInvalid
from tap.core.mapping import Verdict, parse_mapping
from tap.core.mapping.compiler import _Compiler
from tap.core.mapping.language import EMITS, NOTHING, SHAPES, UNITS
from tap.core.model import Frame, Stamp

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "dialects.md").read_text("utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples() -> list[Any]:
    """(mapping, frames, what they say), in the order of the page."""
    found: list[Any] = []
    at = 0
    while at < len(FENCES):
        kinds = [kind for kind, _ in FENCES[at : at + 3]]
        if kinds == ["toml", "jsonl", "text"]:
            found.append(pytest.param(*(text for _, text in FENCES[at : at + 3]), id=f"example {len(found) + 1}"))
            at += 3
        else:
            assert kinds[:2] == ["toml", "error"], f"fence {at + 1} of the page belongs to no example"
            at += 2
    return found


def errors() -> list[Any]:
    """(mapping, its error)."""
    return [
        pytest.param(one[1], two[1].strip()) for one, two in pairwise(FENCES) if (one[0], two[0]) == ("toml", "error")
    ]


def shown(value: Any) -> str:
    """A value as the page writes it."""
    if isinstance(value, msgspec.Struct):
        return f"({said(value)})"
    if isinstance(value, tuple):
        return f"[{', '.join(shown(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def said(struct: msgspec.Struct) -> str:
    """The fields that differ from what they are without a word."""
    parts = []
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.name != "envelope" and value is not UNSET and (field.required or value != field.default):
            parts.append(f"{field.name.rstrip('_')}={shown(value)}")
    return " ".join(parts)


def lines(mapping: str, frames: str) -> list[str]:
    """What each frame says."""
    dialect = parse_mapping(f'dialect = "example/1"\n{mapping}', "example.toml")
    found = []
    for frame in frames.splitlines():
        for reading in dialect.read(Frame(frame.encode(), Stamp(0, 0))):
            if reading.verdict is not Verdict.MAPPED:
                why = reading.reason if reading.reason is not None else reading.type
                found.append(f"{reading.verdict}: {why}".rstrip(": "))
            for observation in reading.observations:
                told = observation.envelope
                when = [f"at={told.at}"] * (told.at is not None) + [f"seq={told.seq}"] * (told.seq is not None)
                found.append(" ".join([type(observation).__name__, *when, said(observation)]).rstrip())
    return found


@pytest.mark.parametrize(("mapping", "frames", "expected"), examples())
def test_an_example_says_what_the_page_says(mapping: str, frames: str, expected: str) -> None:
    assert lines(mapping, frames) == expected.splitlines()


@pytest.mark.parametrize(("mapping", "expected"), errors())
def test_an_error_reads_as_on_the_page(mapping: str, expected: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        parse_mapping(mapping, "example.toml")
    begin, dots, _ = expected.partition("…")
    assert str(caught.value).startswith(begin)
    assert dots or str(caught.value) == expected


def test_there_is_an_example_of_everything() -> None:
    """Every key of a field, every part of the frame that has a path, and each way to wrap."""
    mappings = "\n".join(text for kind, text in FENCES if kind == "toml")
    for word in (
        "from",
        "values",
        "unit",
        "none",
        "missing",
        "each",
        "when",
        "batch",
        "body",
        "seq",
        "ignore",
        "quiet",
        "json_text",
        "array",
        "several",
        "prefix",
    ):
        assert re.search(rf"\b{word}\b", mappings), word
    assert len(examples()) >= 12
    assert len(errors()) >= 4


def emits_table() -> str:
    rows = ["| `emit` | fields (those in bold have to be there) |", "| --- | --- |"]
    for name, emit in EMITS.items():
        fields = (f"**`{f.rstrip('_')}`**" if f in emit.needs else f"`{f.rstrip('_')}`" for f in emit.fields)
        rows.append(f"| `{name}` | {', '.join(fields)} |")
    return "\n".join([*rows, f"| `{NOTHING}` | |"]) + "\n"


def test_the_page_lists_all_that_can_be_emitted() -> None:
    """On a difference, replace what stands between the markers by what this test expects."""
    inside = PAGE.partition("<!-- emits:begin -->\n")[2].partition("<!-- emits:end -->")[0]
    assert inside == emits_table()


def test_the_page_names_every_key_and_unit() -> None:
    for word in (*_Compiler._FRAME, *UNITS["duration"], *UNITS["time"], *(key for s in SHAPES.values() for key in s)):
        assert f"`{word}`" in PAGE or f"`{word} = " in PAGE, word


def test_the_built_in_mapping_is_one() -> None:
    """The page points at it as an example."""
    assert load_dialect("multicam/1").name == "multicam/1"
    assert (ROOT / "tap/core/dialects/multicam-1.toml").is_file()


def test_the_page_of_multicam_1_names_the_frames_that_its_mapping_knows() -> None:
    """Every type that the file maps, ignores or keeps quiet about, and no other."""
    page = (ROOT / "docs" / "multicam-1.md").read_text("utf-8")
    table = page.partition("<!-- frames:begin -->")[2].partition("<!-- frames:end -->")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    mapping = tomllib.loads((ROOT / "tap" / "core" / "dialects" / "multicam-1.toml").read_text("utf-8"))
    # Of several words for the same the first is the protocol's own.
    first = {name if isinstance(name, str) else name[0] for name in (rule["when"]["type"] for rule in mapping["rule"])}
    assert named == first | set(mapping["frame"]["ignore"]) | set(mapping["frame"]["quiet"])
