"""Heavy libraries stay off the light paths: each command is run and asked what it imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "aiohttp",
    "pydantic",
    "typer",
    "click",
    "rich",
    "structlog",
    "litellm",
    "yaml",
    "msgspec",
    "sqlite3",
    "asyncio",
}

PROBE = """
import sys
sys.argv = {argv!r}
code = 0
try:
    from claude_or.cli.main import main
    code = main()
except SystemExit as stop:
    code = stop.code
names = {{name.split('.')[0] for name in sys.modules}}
sys.stderr.write('IMPORTED ' + ' '.join(sorted(names)) + '\\n')
"""


def imported_by(argv: list[str], tmp_path: Path) -> set[str]:
    """Top-level modules that `claude-or ARGV` loaded, run in a fresh interpreter and an empty home."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(argv=["claude-or", *argv])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "CLAUDE_OR_CLAUDE": "/bin/true"},
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("IMPORTED ")]
    assert lines, f"no import list; stdout={done.stdout!r} stderr={done.stderr!r}"
    return set(lines[-1].split()[1:])


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["--version"], set[str]()),
        (["--help"], set[str]()),
        (["statusline"], set[str]()),
        # A look at the ledger asks one question of the host, with the standard library.
        (["usage"], {"typer", "click", "rich", "pydantic", "msgspec", "sqlite3"}),
        (["budget"], {"typer", "click", "rich", "pydantic", "msgspec", "sqlite3"}),
        (
            ["doctor", "--help"],
            {"typer", "click", "rich", "pydantic"},
        ),  # Typer itself reads option values with pydantic
    ],
    ids=["version", "help", "statusline", "usage", "budget", "doctor-help"],
)
def test_light_commands_load_nothing_heavy(argv: list[str], allowed: set[str], tmp_path: Path) -> None:
    assert imported_by(argv, tmp_path) & (HEAVY - allowed) == set()
