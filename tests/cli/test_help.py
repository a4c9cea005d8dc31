"""The help that stands in a file of its own says what there is."""

from __future__ import annotations

import pytest

from claude_or.cli.app import app
from claude_or.cli.help import HELP, fitted
from claude_or.cli.main import main
from claude_or.cli.names import COMMANDS
from claude_or.session.arguments import SWITCHES, VALUED
from tests.cli.test_app import names_of


@pytest.mark.parametrize("option", [*VALUED, *SWITCHES])
def test_every_option_of_ours_is_in_the_help(option: str) -> None:
    assert f"  {option} " in HELP


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_help(command: str) -> None:
    assert f"\n  {command} " in HELP


def test_the_commands_that_are_told_from_prompts_are_those_that_exist() -> None:
    assert names_of(app) == COMMANDS


def test_it_fits_an_old_terminal() -> None:
    assert max(map(len, HELP.splitlines())) <= 80


@pytest.mark.parametrize("columns", [40, 60, 72, 80, 200, 0])
def test_on_a_narrower_terminal_words_move_and_none_is_lost(columns: int) -> None:
    shown = fitted(HELP, columns)

    assert shown.split() == HELP.split()
    if 0 < columns < 80:
        assert max(map(len, shown.splitlines())) <= columns
    else:
        assert shown == HELP


def test_what_goes_on_stands_below_its_own_column() -> None:
    lines = fitted(HELP, 60).splitlines()

    at = lines.index("  doctor                check everything a session needs,")
    assert lines[at + 1] == "                        and say how to mend it"


def test_it_is_what_help_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    assert capsys.readouterr().out == HELP
