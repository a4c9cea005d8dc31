"""The completion scripts, sourced and asked in the real shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from claude_or.cli.app import app
from claude_or.cli.completion import SHELLS, script
from claude_or.cli.names import COMMANDS
from claude_or.errors import ClaudeOrError
from claude_or.session.arguments import SWITCHES, VALUED

ROOT = typer.main.get_command(app)

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
_claude_or; printf '%s\\n' "${COMPREPLY[@]}"
"""
# zsh completes only inside its line editor; here the editor's part (words, CURRENT, _describe, _files) is played.
ZSH = """
compdef() { :; }
_describe() { print -rl -- ${(P)2%%:*}; }
_files() { print -r -- FILES; }
source "$1"; shift
words=("$@"); CURRENT=$#
_claude_or
"""


def written(tmp_path: Path, shell: str) -> str:
    path = tmp_path / f"completion.{shell}"
    path.write_text(script(shell, ROOT), encoding="utf-8")  # pyright: ignore[reportArgumentType]
    return str(path)


def bash(tmp_path: Path, *words: str) -> set[str]:
    command = ["bash", "-c", BASH, "bash", written(tmp_path, "bash"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_what_stands_below_a_command(tmp_path: Path):
    assert bash(tmp_path, "claude-or", "") >= COMMANDS | set(VALUED) | set(SWITCHES)
    assert bash(tmp_path, "claude-or", "us") == {"usage"}
    assert bash(tmp_path, "claude-or", "--bud") == {"--budget"}
    assert bash(tmp_path, "claude-or", "usage", "--b") == {"--by"}
    assert bash(tmp_path, "claude-or", "budget", "r") == {"raise"}
    assert bash(tmp_path, "claude-or", "config", "") >= {"show", "check", "edit", "path", "schema"}


def test_bash_completes_files_where_a_file_is_wanted(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("")
    assert bash(tmp_path, "claude-or", "--config", "mi") == {"mine.yaml"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not on this machine")
def test_zsh_completes_commands_options_and_files(tmp_path: Path):
    def zsh(*words: str) -> set[str]:
        command = ["zsh", "-f", "-c", ZSH, "zsh", written(tmp_path, "zsh"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stderr == ""
        return set(done.stdout.split())

    assert zsh("claude-or", "") >= COMMANDS | set(VALUED) | set(SWITCHES)
    assert "--by" in zsh("claude-or", "usage", "")
    assert "raise" in zsh("claude-or", "budget", "")
    assert zsh("claude-or", "--config", "") == {"FILES"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not on this machine")
def test_fish_completes_commands_and_options(tmp_path: Path):
    path = written(tmp_path, "fish")
    for typed, wanted in (("claude-or us", "usage"), ("claude-or usage --b", "--by"), ("claude-or budget ", "raise")):
        command = ["fish", "--no-config", "-c", f"source {path}; complete -C '{typed}'"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert wanted in {line.split("\t")[0] for line in done.stdout.splitlines()}


def test_a_script_names_every_command_and_no_other_shell_is_known():
    for shell in SHELLS:
        text = script(shell, ROOT)  # pyright: ignore[reportArgumentType]
        assert all(name in text for name in COMMANDS)
    with pytest.raises(ClaudeOrError):
        script("tcsh", ROOT)  # pyright: ignore[reportArgumentType]


def test_it_comes_from_the_program_itself():
    command = [sys.executable, "-m", "claude_or.cli.main", "completion", "bash"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == script("bash", ROOT)  # pyright: ignore[reportArgumentType]
