"""The documentation says what is so: generated pages are current, commands and configurations that it shows are understood."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from claude_or.cli.app import app
from claude_or.cli.names import COMMANDS
from claude_or.config.load import VARIABLES, load
from claude_or.config.ready import READY
from claude_or.config.schema import Settings
from claude_or.session.arguments import split
from tests.reference import DOCS, pages

ROOT = Path(__file__).parents[2]


PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_the_program_says_of_itself(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name], "run: uv run python -m tests.reference"


def test_every_page_has_one_place_in_the_sites_nav() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    placed = list(_leaves(site["nav"]))

    there = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert sorted(placed) == there, "mkdocs.yml: add the page to `nav`, or take it out"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_from_outside_of_the_site_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))

    assert [target for target in targets if not (ROOT / target).exists()] == []


WRITTEN = sorted(path for path in (*DOCS.rglob("*.md"), ROOT / "README.md") if path.parent.name != "reference")


def blocks(path: Path, language: str) -> list[str]:
    """The fenced texts of a page in this language; empty for those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for named, text in found if named == language]


def configurations() -> Iterator[Any]:
    known = {one.name for one in fields(Settings)}
    for path in WRITTEN:
        for n, text in enumerate(blocks(path, "yaml")):
            if set(yaml.safe_load(text)) <= known:
                yield pytest.param(text, id=f"{path.name}-{n}")


@pytest.mark.parametrize("text", list(configurations()))
def test_a_configuration_that_the_pages_show_is_taken(text: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")

    shown = load({"HOME": str(tmp_path), "CLAUDE_OR_CONFIG": str(tmp_path / "shown.yaml")}, str(tmp_path))

    assert shown.origins


def command_lines() -> Iterator[Any]:
    for path in WRITTEN:
        for text in blocks(path, ""):
            for line in text.replace("\\\n", " ").splitlines():
                if said := re.match(r"(?:\$ )?(?:uv run )?claude-or(?!\S)(.*)", line):
                    words = shlex.split(said[1], comments=True)
                    yield pytest.param(words, id=f"{path.name}: {said[1].partition('#')[0].strip()[:60]}")


@pytest.mark.parametrize("words", list(command_lines()))
def test_a_command_that_the_pages_show_is_understood(words: list[str]) -> None:
    found = split(words, COMMANDS)
    if found.kind == "command":
        command: Any = typer.main.get_command(app)
        names = list(words)
        while names and names[0] in getattr(command, "commands", {}):
            command = command.commands[names.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in names if word.startswith("-")] == [word for word in names if word in known]
        assert command.name != "claude-or"
    else:
        assert found.kind in {"session", "demo", "passed", "help", "version"}
        ours = [word for word in words[: len(words) - len(found.theirs)] if word.startswith("--") and word != "--"]
        assert sorted(found.ours) == sorted(set(ours))


def quoted() -> list[str]:
    """What the troubleshooting page says that claude-or says: the code in the first column, but for Claude Code's own words."""
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").partition("\n## Claude Code's own words")[0]
    firsts = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    return [words for first in firsts for words in re.findall(r"`([^`]+)`", first)]


@pytest.mark.parametrize("words", quoted())
def test_words_that_troubleshooting_explains_are_said_by_the_program(words: str) -> None:
    parts = [part.strip() for part in words.split("…") if part.strip()]

    assert any(all(part in said for part in parts) for said in texts_of_the_program())


def test_every_variable_that_is_read_is_in_the_reference() -> None:
    page = (DOCS / "reference/variables.md").read_text(encoding="utf-8")
    own = {said for said in texts_of_the_program() if re.fullmatch(r"CLAUDE_OR_[A-Z_]+", said)}
    keys = {str(host["key_variable"]) for host in READY.values() if "key_variable" in host}

    assert own
    assert {name for name in own | keys | {*VARIABLES} if f"`{name}`" not in page} == set()


@cache
def texts_of_the_program() -> frozenset[str]:
    """Every text in the code, f-strings with a gap for each value."""
    found: set[str] = set()
    for path in (ROOT / "claude_or").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=str(said)):
                    found.add(said)
                case ast.JoinedStr(values=values):
                    found.add("".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in values))
                case _:
                    pass
    return frozenset(found)


def _leaves(nav: Any) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case list():
            for one in nav:
                yield from _leaves(one)
        case _:
            for one in nav.values():
                yield from _leaves(one)
