"""A slip of the finger: named with what was meant, and never in the way of a prompt."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from claude_or.cli.app import app
from claude_or.cli.main import main
from claude_or.cli.names import BELOW, COMMANDS
from claude_or.cli.typos import command_meant, nearest, refuse_certain, remarks
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import OUTLIVING
from tests.support.claude_binary import find_or_install


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("modles", "models"),
        ("doctr", "doctor"),
        ("dcotor", "doctor"),
        ("expalin", "explain"),
        ("insatll-claude", "install-claude"),
        ("compl", "completion"),
        ("Usage", "usage"),
        ("hello", None),
        ("tests", None),
        ("continue", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_found_by_the_slips_between(typed: str, meant: str | None) -> None:
    assert nearest(typed, COMMANDS) == meant


@pytest.mark.parametrize(
    ("theirs", "meant"),
    [(["doctr"], "doctor"), (["hello"], None), (["fix the doctor"], None), (["-d"], None), (["mpc"], None), ([], None)],
)
def test_a_first_word_that_is_no_command_may_be_meant_as_one(theirs: list[str], meant: str | None) -> None:
    assert command_meant(theirs) == meant


@pytest.mark.parametrize("theirs", [["modles", "search", "x"], ["doctr", "--json"], ["usgae", "--help"]])
def test_what_can_only_be_a_command_is_refused(theirs: list[str]) -> None:
    with pytest.raises(ClaudeOrError, match="Did you mean") as told:
        refuse_certain(theirs)
    assert told.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("theirs", [["doctr"], ["modles", "are"], ["-p", "doctr", "--json"], ["hello", "--json"], []])
def test_what_may_be_a_prompt_is_not_refused(theirs: list[str]) -> None:
    refuse_certain(theirs)


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        (["doctr", "is ill"], "Did you mean `claude-or doctor`?"),
        (["--biig", "m"], "--biig is none of our options and goes to claude. Did you mean --big?"),
        (["--budgte=5"], "Did you mean --budget?"),
        (["-p", "hi", "--budget", "5"], "--budget stands behind claude's arguments"),
    ],
)
def test_what_goes_to_claude_but_was_hardly_meant_for_it_is_told(theirs: list[str], told: str) -> None:
    (line,) = remarks(theirs)
    assert told in line


@pytest.mark.parametrize("theirs", [["-p", "hi", "--", "--budget"], ["hello"], ["--resume"], ["-p", "doctr"], []])
def test_what_is_plainly_meant_for_claude_brings_no_remark(theirs: list[str]) -> None:
    assert remarks(theirs) == []


def test_no_option_of_the_real_client_is_taken_for_a_slip(tmp_path: Path) -> None:
    claude_binary = find_or_install(dict(os.environ))
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([claude_binary, "--help"], capture_output=True, text=True, check=True, env=environ)
    listed = {word.strip(",") for word in done.stdout.split() if word.startswith("--")} - set(OUTLIVING)
    assert len(listed) > 40
    assert [line for option in listed for line in remarks([option])] == []


def test_the_commands_below_a_command_are_those_that_exist() -> None:
    root: Any = typer.main.get_command(app)
    listed: dict[str, Any] = root.commands
    groups = {name: frozenset(found.commands) for name, found in listed.items() if hasattr(found, "commands")}
    assert groups == BELOW


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["models", "serach"], "No such command 'serach'. Did you mean 'search'?"),
        (["mcp", "nope"], "No such command 'nope'."),
        (["logs", "--folow"], "No such option '--folow'. Did you mean '--follow'?"),
        (["budget", "raise", "5", "--jsn"], "Did you mean '--json'?"),
        (["models", "show"], "Missing argument 'MODEL'."),
    ],
)
def test_below_a_command_of_ours_the_nearest_is_named(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == EXIT_USAGE
    first, hint = capsys.readouterr().err.splitlines()
    assert told in first
    assert "--help` " in hint
