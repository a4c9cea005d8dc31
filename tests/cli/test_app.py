"""The commands as programs and people call them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from claude_or.cli.app import app, run
from claude_or.cli.names import COMMANDS
from claude_or.errors import EXIT_CONFIG, EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import SWITCHES, VALUED
from tests.cli.conftest import KEY, write_config


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], cwd: str) -> dict[str, str]:
    """The fixture's environment as the process's own."""
    for name in ("CLAUDE_OR_CONFIG", "BIG_MODEL", "SMALL_MODEL", "LOG_LEVEL", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cwd)
    return environ


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def names_of(application: typer.Typer) -> set[str]:
    """Commands and groups of commands."""
    single = {found.name or found.callback.__name__ for found in application.registered_commands if found.callback}
    return single | {str(group.name) for group in application.registered_groups}


def test_every_command_has_help_and_a_place_in_the_overview() -> None:
    assert names_of(app) == COMMANDS
    _, overview = call("--help")
    for name in COMMANDS:
        assert name in overview
        code, text = call(name, "--help")
        assert (code, "Usage: claude-or" in text) == (0, True)


def test_the_help_shows_exactly_the_options_that_a_session_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    _, overview = call("--help")
    listed = {word for line in overview.split("\n") for word in line.split() if word.startswith("--")}
    assert set(VALUED) | set(SWITCHES) <= listed
    assert listed - {"--help", "--version"} - {"--big", "--"} <= set(VALUED) | set(SWITCHES) | {"--resume"}


def test_models_prints_tables_for_people(world: dict[str, str]) -> None:
    write_config(world, "models:\n  big: z-ai/glm-5.3\n")
    code, text = call("models")
    assert code == 0
    assert "main        z-ai/glm-5.3                    chat    config.yaml:2" in text
    assert "z-ai/glm-5.3                      200K     64K  2.00  10.00    0.10  tools reasoning" in text
    assert "listing 5 models, fetched now" in text


def test_models_prints_json_for_programs(world: dict[str, str]) -> None:
    code, text = call("models", "--json", "--small", "z-ai/glm-5.3")
    told: dict[str, Any] = json.loads(text)
    assert (code, told["version"], told["command"]) == (0, 1, "models")
    assert {role["role"]: role["origin"]["where"] for role in told["data"]["roles"]}["haiku"] == "--small"
    paths = {role["role"]: (role["path"], role["path_reason"]) for role in told["data"]["roles"]}
    assert paths["haiku"] == ("chat", "translated by claude-or")
    assert paths["opus"] == ("native", "models of anthropic speak the Messages API themselves")
    assert KEY not in text


def test_what_is_no_path_is_told_with_its_line(world: dict[str, str]) -> None:
    write_config(world, 'paths:\n  "z-ai/*": natively\n')
    with pytest.raises(ClaudeOrError) as told:
        run(["models"])
    assert "z-ai/*" in f"{told.value.message} {told.value.hint}"


def test_a_wrong_configuration_is_raised_for_people_and_told_in_json(world: dict[str, str]) -> None:
    write_config(world, "modles: 1\nlog_level: loud\n")
    with pytest.raises(ClaudeOrError, match="unknown key"):
        run(["models"])
    code, text = call("models", "--json")
    told: dict[str, Any] = json.loads(text)
    assert (code, told["exit_code"], told["data"]) == (EXIT_CONFIG, EXIT_CONFIG, None)
    assert "did you mean models?" in told["findings"][0]["text"]
    assert "log_level" in told["findings"][0]["detail"]


def test_doctor_examines_the_real_surroundings(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch, cwd: str
) -> None:
    claude = Path(cwd) / "claude"
    claude.write_text("#!/bin/sh\necho 2.1.330\n", encoding="utf-8")
    claude.chmod(0o755)
    monkeypatch.setenv("CLAUDE_OR_CLAUDE", str(claude))
    code, text = call("doctor")
    assert code == 0, text
    assert f"claude Claude Code 2.1.330 at {claude}" in " ".join(text.split())
    assert text.endswith("No problems.\n")


@pytest.mark.parametrize("arguments", [["models", "--nope"], ["models", "extra"], ["serve", "--port", "x"]])
def test_a_command_line_that_cannot_be_read_has_its_own_code(arguments: list[str]) -> None:
    with pytest.raises(ClaudeOrError) as told:
        run(arguments)
    assert told.value.exit_code == EXIT_USAGE


def loaded_by(environ: dict[str, str], cwd: str, *arguments: str) -> set[str]:
    """Top-level modules that a command loaded in an interpreter of its own."""
    program = (
        "import sys; from claude_or.cli.app import run; run(sys.argv[1:]);"
        "print('LOADED', *{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, env=environ, cwd=cwd
    )
    assert "LOADED" in done.stdout, done.stderr
    return set(done.stdout.split("LOADED")[1].split())


# Not pydantic: Typer itself parses option values with it.
NETWORK = {"aiohttp", "asyncio", "structlog", "sqlite3"}


def test_models_from_a_fresh_listing_needs_no_network_library(world: dict[str, str], cwd: str) -> None:
    assert "aiohttp" in loaded_by(world, cwd, "models")
    assert loaded_by(world, cwd, "models") & {*NETWORK, "yaml"} == set()


def test_help_loads_nothing_but_typer(world: dict[str, str], cwd: str) -> None:
    heavy = {*NETWORK, "yaml", "msgspec"}
    assert loaded_by(world, cwd, "--help") & heavy == set()
    assert loaded_by(world, cwd, "doctor", "--help") & heavy == set()
