"""Everything that a person reads is in words that people use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

OURS = {
    r"(is|are|was|were|be|been|being|gets?) told": "say, report, show",
    r"(can|cannot|could|may) (not )?(be told|tell)": "say, know",
    r"stands?(?! for\b)|stood": "is, is written",
    r"(is|are|was|were|be|been|being|yet) kept": "saved",
    r"the journal keeps|nothing keeps": "the journal saves",
    r"(not|nothing|nobody|never|was|were|is|are|be) heard": "no signal, received",
    r"can n?ever be": "impossible, invalid",
    r"set aside": "rejected",
    r"mend(s|ed|ing)?": "fix, correct",
    r"may not (be \w+ed|be read|be written)|may you": "no permission to",
    r"by (its|their) looks": "probably",
    r"asked of|(?<!what is )asked for": "requested",
    r"that there (is|are)(?! no)": "leave it out",
    r"(?<!there )(is|are|was|were) no (?!longer|more|such|other|need|reason|route)\w+": "is not a",
    r"is none|are none": "is not one of, does not exist",
    r"to be had|(be|was|were) had": "available",
    r"out of account": "ignored",
    r"anew": "again, new",
    r"oftener|seldom": "more often, rarely",
    r"so (many|long)(?!( as|er)\b)": "this many",
    r"tells? nothing|says? nothing": "sends nothing, means nothing",
    r"makes? (it|them) speak": "its fields",
    r"(is|are) not understood|nothing is understood": "cannot parse",
    r"of before": "earlier",
    r"in step with": "up to date",
}
"""Words that are nobody's but ours, as patterns, and what people say instead."""

PATTERN = re.compile(rf"\b(?:{'|'.join(f'(?:{word})' for word in OURS)})\b", re.IGNORECASE)


SHOWN = sorted(path for path in (ROOT / "tap").rglob("*") if path.suffix in (".html", ".js"))
"""Parts of pages; their comments are held to it too."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """What of a Python file a person may read, with its line: its texts of two words, and the help of its commands."""
    tree = ast.parse(path.read_text("utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    skipped = parts | {id(text) for text in _docstrings(tree)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        said = _said(node)
        if said is not None and " " in said.strip():
            yield node.lineno, said  # type: ignore[attr-defined]


def _said(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Those that only a reader of the code sees: not those of commands, which are their help."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for place, inner in enumerate(body):
            if not (isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)):
                continue
            decorators = getattr(node, "decorator_list", [])
            is_help = place == 0 and any(re.search(r"command|group", ast.unparse(one)) for one in decorators)
            if not is_help:
                yield inner.value


CODE = sorted(
    [
        *(ROOT / "tap").rglob("*.py"),
        *(ROOT / "bench" / "parts").glob("*.py"),
        *(ROOT / "bench").glob("*.py"),
        *(ROOT / "docs").glob("*.py"),
        *(ROOT / "tests" / "faults" / name for name in ("__main__.py", "table.py")),
    ]
)
"""Programs whose texts people read: the product, and those that write a page of docs/."""


PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "convex/README.md")),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/*.yml"),
        *ROOT.glob("systemd/*"),
    ]
)
WRITTEN_BY_A_RUN = ("evidence.md",)
"""Its words come from code that is held to the list; it changes with the next run."""


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.name not in WRITTEN_BY_A_RUN], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_page_is_in_plain_words(path: Path) -> None:
    """What is quoted as code may be a name, and stays."""
    text = re.sub(r"`[^`\n]*`", "`…`", path.read_text("utf-8"))
    lines = enumerate(text.splitlines(), 1)
    found = [f"line {number}: {match[0]!r} in {line}" for number, line in lines for match in PATTERN.finditer(line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "path",
    SHOWN,
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_part_of_a_page_is_in_plain_words(path: Path) -> None:
    text = re.sub(r"\bis (not )?none\b", "", path.read_text("utf-8"))  # a test of the templates' language
    lines = enumerate(text.splitlines(), 1)
    found = [f"line {number}: {match[0]!r} in {line}" for number, line in lines for match in PATTERN.finditer(line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_says_is_in_plain_words(path: Path) -> None:
    found = [f"line {line}: {match[0]!r} in {said!r}" for line, said in texts(path) for match in PATTERN.finditer(said)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "It is told twice.",
        "It can be told.",
        "It stands there.",
        "The journal is kept.",
        "The server was not heard.",
        "what can never be",
        "known types without what makes them speak",
        "in step with the ledger",
        "Nothing was heard.",
        "is no tape",
    ],
)
def test_a_word_of_ours_is_found(text: str) -> None:
    assert PATTERN.search(text)


@pytest.mark.parametrize("text", ["no more than it stands for", "The rest stays pending.", "It received no signal."])
def test_a_word_that_people_use_is_not(text: str) -> None:
    assert not PATTERN.search(text)
