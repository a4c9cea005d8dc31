"""Claude Code is missing: who is asked, who is not, and what a yes or a no leads to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.index import PackageIndex
from tests.support.terminal import ENTER, Terminal

ROOT = Path(__file__).parents[2]
CLAUDE_OR = [sys.executable, "-m", "claude_or.cli.main"]
UV = shutil.which("uv")


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A machine without Claude Code whose one package client, uv, knows one index: ours."""
    assert UV, "the tests are run by uv, so it is there"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "uv").symlink_to(UV)
    with PackageIndex() as index:
        yield {
            "HOME": str(tmp_path),
            "PATH": str(programs),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "UV_DEFAULT_INDEX": f"{index.url}/simple",
            "UV_NO_CONFIG": "1",
            "UV_HTTP_RETRIES": "0",
            "OPENROUTER_API_KEY": "sk-or-v1-a-key-of-the-tests",
            "OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1",
        }


def installed(home: Path) -> list[Path]:
    """Binaries in our own data folder."""
    return sorted((home / ".local/share/claude-or/claude-code").glob("*/claude"))


async def test_on_a_terminal_the_size_is_told_and_a_no_is_a_no(environ: dict[str, str], tmp_path: Path) -> None:
    async with Terminal([*CLAUDE_OR, "hi"], env=environ, cwd=tmp_path) as terminal:
        asked = await terminal.wait_for("Download it now? [Y/n]")
        terminal.send("n", ENTER)
        assert await terminal.exit_code() == 127
        said = await terminal.wait_for("no Claude Code, no session")

    assert "MB in" in asked
    assert "CLAUDE_OR_CLAUDE" in said
    assert installed(tmp_path) == []


async def test_on_a_terminal_a_yes_installs_and_goes_on(environ: dict[str, str], tmp_path: Path) -> None:
    async with Terminal([*CLAUDE_OR, "hi"], env=environ, cwd=tmp_path) as terminal:
        await terminal.wait_for("Download it now? [Y/n]")
        terminal.send(ENTER)
        await terminal.exit_code()

    assert len(installed(tmp_path)) == 1


def run(environ: dict[str, str], home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """`claude-or` without a terminal."""
    return subprocess.run(
        [*CLAUDE_OR, *args],
        env=environ,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_script_is_not_asked(environ: dict[str, str], tmp_path: Path) -> None:
    done = run(environ, tmp_path, "-p", "hi")

    assert (done.returncode, done.stdout) == (127, "")
    assert "claude-or install-claude" in done.stderr
    assert installed(tmp_path) == []


@pytest.mark.parametrize("args", [("--install-claude", "-p", "hi"), ("demo", "-p", "hi")], ids=["option", "demo"])
def test_who_asks_for_it_gets_it_without_a_question(
    environ: dict[str, str], tmp_path: Path, args: tuple[str, ...]
) -> None:
    done = run(environ, tmp_path, *args)

    assert "fetching Claude Code" in done.stderr
    assert len(installed(tmp_path)) == 1


def test_the_command_installs_a_named_version_and_doctor_uses_it(environ: dict[str, str], tmp_path: Path) -> None:
    done = run(environ, tmp_path, "install-claude", "--json")
    doctor = run(environ, tmp_path, "doctor")

    (path,) = installed(tmp_path)
    assert done.returncode == 0
    assert str(path) in done.stdout
    assert os.access(path, os.X_OK)
    assert ".local/share/claude-or/claude-code" in doctor.stdout


def test_without_any_package_client_the_way_out_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    done = run({**environ, "PATH": "/nonexistent"}, tmp_path, "install-claude")

    assert done.returncode == 127
    assert done.stderr.splitlines()[-1].startswith("  → ")
    assert "Traceback" not in done.stderr
