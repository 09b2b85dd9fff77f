"""What the documentation says is what the code does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tap import cli
from tap.core.picture import state_diagram
from tap.service.config import setting_docs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def section(name: str) -> str:
    """What stands between the markers of this name."""
    _, _, rest = README.partition(f"<!-- {name}:begin -->\n")
    inside, marker, _ = rest.partition(f"<!-- {name}:end -->")
    assert marker, f"README.md has no section {name}"
    return inside


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
    told = re.findall(r"^\| `(multicam-tap[^`]*)` \|", README, re.MULTILINE)
    return {" ".join(re.findall(r"^(?:[a-z-]+ ?)+", line)[0].split()) for line in told}


def test_every_setting_is_in_the_readme_as_the_code_has_it() -> None:
    """On a difference, replace what stands between the markers by what this test expects."""
    assert section("settings") == settings_table()


def test_every_command_is_in_the_readme_and_no_other() -> None:
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


def test_every_exit_code_is_in_the_readme() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert told == {0, cli.FAILED, click.UsageError.exit_code, cli.SETTINGS}


def test_every_target_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"`make ([a-z-]+)`", README):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_setting_that_the_documentation_names_exists() -> None:
    known = {doc.variable for doc in setting_docs()}
    named = set(re.findall(r"\bTAP_[A-Z_]+[A-Z]\b", README + CHANGELOG))
    # The admin key is no setting: only one command knows it.
    assert {name.removesuffix("_FILE") for name in named} <= known | {"TAP_ADMIN_KEY"}


def test_every_file_that_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_the_picture_of_the_states_is_the_machines_table() -> None:
    assert section("states") == f"```mermaid\n{state_diagram()}\n```\n"


@pytest.mark.parametrize("words", ["It is no Convex", "Read back from ", "Against the truth of the shoot: "])
def test_the_readme_shows_what_the_demo_says(words: str) -> None:
    """Its fixed words; the numbers are those of one run."""
    assert words in README
    assert words in (ROOT / "tap/rehearsal/demo.py").read_text("utf-8")


def test_every_log_line_that_the_readme_explains_is_in_the_code() -> None:
    _, _, rest = README.partition("### When the ledger does not take it\n")
    table = rest.partition("\n\n## ")[0]
    told = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    code = (ROOT / "tap/service/publish.py").read_text("utf-8")
    assert len(told) == 4
    for line in told:
        assert line in code, line


def test_every_way_of_a_server_is_documented() -> None:
    """On a difference, replace what stands between the markers by what this test expects."""
    from tap.rehearsal.ways import CHOICES, WAYS  # noqa: PLC0415 - only this test rehearses

    rows = [
        f"| `{name}` | {', '.join(f'`{word}`' for word in CHOICES[name])} | {does} |" for name, does in WAYS.items()
    ]
    table = ["| way | words | what it is |", "| --- | --- | --- |", *rows]
    page = (ROOT / "docs/rehearsal.md").read_text("utf-8")
    inside = page.partition("<!-- ways:begin -->\n")[2].partition("<!-- ways:end -->")[0]
    assert inside == "\n".join(table) + "\n"
