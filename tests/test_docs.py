"""What the documentation says is what the code does."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tap import cli
from tap.core.machine.picture import state_diagram
from tap.service.config import setting_docs

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md")))
}
"""What people read, by the path from the root."""
README = PAGES["README.md"]
CHANGELOG = PAGES["CHANGELOG.md"]
COMMANDS = PAGES["docs/commands.md"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def section(page: str, name: str) -> str:
    """The part of a page between the markers of this name."""
    _, _, rest = PAGES[page].partition(f"<!-- {name}:begin -->\n")
    inside, marker, _ = rest.partition(f"<!-- {name}:end -->")
    assert marker, f"{page} has no section {name}"
    return inside


def anchors(text: str) -> set[str]:
    """Where a link into this page may lead, as GitHub names its headings."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_a_page() -> None:
    """A stranger decides in a minute; everything else has a page in docs/."""
    assert len(README.splitlines()) <= 200
    assert len(README.encode()) <= 14_000


def test_every_page_is_in_the_index() -> None:
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", PAGES["docs/README.md"])}
    pages = {Path(page).name for page in PAGES if page.startswith("docs/") and page != "docs/README.md"}
    assert pages - linked == set()


@pytest.mark.parametrize("page", ["docs/design.md", "CONTRIBUTING.md"])
def test_every_place_that_the_design_names_is_there(page: str) -> None:
    """Files and folders, and the function or table that is said to be in one."""
    named = re.findall(r"`((?:tap|tests|convex|fixtures|systemd|bench)/[\w./*-]+)`", PAGES[page])
    assert len(named) > 5
    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []
    for name, folder in re.findall(r"`(\w+)`, in `(tap/[\w./]+)`", PAGES[page]):
        code = "".join(
            path.read_text("utf-8") for path in [ROOT / folder, *(ROOT / folder).rglob("*.py")] if path.is_file()
        )
        assert re.search(rf"^(def |class )?{name}\b", code, re.MULTILINE), f"{name} is not in {folder}"


def test_every_page_that_the_code_cites_is_there() -> None:
    """In comments, docstrings and help; from the root, or in docs/."""
    cited = {
        (str(path.relative_to(ROOT)), page)
        for path in [
            *(ROOT / "tap").rglob("*.py"),
            *(ROOT / "bench").glob("*.py"),
            *(ROOT / "bench" / "parts").glob("*.py"),
        ]
        for page in re.findall(r"\b[\w./-]+\.md\b", path.read_text("utf-8"))
    }
    assert len(cited) > 10
    assert [
        (path, page)
        for path, page in sorted(cited)
        if not any((folder / page).exists() for folder in (ROOT, ROOT / "docs"))
    ] == []


def settings_table() -> str:
    lines = ["| variable | default | what it is | allowed |", "| --- | --- | --- | --- |"]
    for doc in setting_docs():
        default = f"`{doc.default}`" if doc.default else ""
        lines.append(f"| `{doc.variable}` | {default} | {doc.description} | {doc.allowed} |")
    return "\n".join(lines) + "\n"


def commands(group: click.Group = cli.cli, path: str = "multicam-tap") -> Iterator[str]:
    """The path of every command that does something."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}"


def documented_commands() -> set[str]:
    told = re.findall(r"^\| `(multicam-tap[^`]*)` \|", COMMANDS, re.MULTILINE)
    return {" ".join(re.findall(r"^(?:[a-z-]+ ?)+", line)[0].split()) for line in told}


def test_every_setting_is_documented_as_the_code_has_it() -> None:
    """On a difference, replace what is between the markers in docs/settings.md by what this test expects."""
    assert section("docs/settings.md", "settings") == settings_table()


def test_every_command_is_documented_and_no_other() -> None:
    """In docs/commands.md."""
    documented = {re.sub(r" -o$", "", line) for line in documented_commands()}
    assert documented == set(commands())


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_has_a_short_help(command: str) -> None:
    """The list of commands shows whole sentences."""
    found: click.Command = cli.cli
    for name in command.split()[1:]:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    assert not found.get_short_help_str(60).endswith("...")


def test_every_option_says_what_it_does() -> None:
    for command in walk(cli.cli):
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{command.name} {option.opts}"


def walk(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from walk(inner)


def test_every_exit_code_is_documented() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS, re.MULTILINE)}
    assert told == {0, cli.FAILED, click.UsageError.exit_code, cli.SETTINGS}


@pytest.mark.parametrize("page", PAGES)
def test_every_target_that_a_page_names_is_there(page: str) -> None:
    for target in re.findall(r"`make ([a-z-]+)", PAGES[page]):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(page: str) -> None:
    known = {doc.variable for doc in setting_docs()}
    named = set(re.findall(r"\bTAP_[A-Z_]+[A-Z]\b", PAGES[page]))
    # The admin key is no setting: only one command knows it.
    assert {name.removesuffix("_FILE") for name in named} <= known | {"TAP_ADMIN_KEY"}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """To a file that is there, and to a heading that it has."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), target


def test_the_changelog_begins_with_this_version_or_what_comes_after_it() -> None:
    """A version that is out has the day of its release."""
    released = re.compile(rf"{re.escape(VERSION)} \(\d{{4}}-\d\d-\d\d\)")
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert any(released.fullmatch(heading) for heading in headings[:2])
    assert headings[0] == "Unreleased" or released.fullmatch(headings[0])


def test_the_picture_of_the_states_is_the_machines_table() -> None:
    assert section("docs/how-it-works.md", "states") == f"```mermaid\n{state_diagram()}\n```\n"


@pytest.mark.parametrize("words", ["It is not Convex.", "Read back from ", "Compared with what really happened: "])
def test_the_readme_shows_what_the_demo_says(words: str) -> None:
    """Its fixed words; the numbers are those of one run."""
    assert words in README
    assert words in (ROOT / "tap/rehearsal/demo.py").read_text("utf-8")


def test_every_log_line_of_the_ledger_that_is_explained_is_in_the_code() -> None:
    table = section("docs/troubleshooting.md", "ledger-lines")
    told = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    code = (ROOT / "tap/service/running/publishing/publishing_log.py").read_text("utf-8")
    assert len(told) == 5
    for line in told:
        assert line in code, line


def test_every_way_of_a_server_is_documented() -> None:
    """On a difference, replace what stands between the markers by what this test expects."""
    from tap.rehearsal.ways import CHOICES, WAYS  # noqa: PLC0415 - only this test rehearses

    rows = [
        f"| `{name}` | {', '.join(f'`{word}`' for word in CHOICES[name])} | {does} |" for name, does in WAYS.items()
    ]
    table = ["| way | words | what it is |", "| --- | --- | --- |", *rows]
    assert section("docs/rehearsal.md", "ways") == "\n".join(table) + "\n"
