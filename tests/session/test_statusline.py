"""The line below the prompt: what it says, what gives way in a narrow terminal, and the user's own above it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from claude_or.session import statusline
from claude_or.session.statusline import line, users_command

TOLD = {"model": {"id": "z-ai/glm-5.3"}, "context_window": {"used_percentage": 37.4, "context_window_size": 200_000}}
STATUS: dict[str, Any] = {
    "model": "z-ai/glm-5.3-20260901",
    "cost": "0.4215",
    "day": "3.1",
    "cache": 0.92,
    "caps": {"session": {"limit": "5", "spent": "4.2"}},
    "troubles": ["MCP fetch failed"],
}
PLAIN = {"NO_COLOR": "1"}
WHOLE = (
    "glm-5.3-20260901 · $0.42 · today $3.10 · 84 % of $5.00 session cap · 37 % of 200k · cache 92 % · MCP fetch failed"
)


def test_it_says_model_cost_day_cap_window_cache_and_trouble():
    assert line(TOLD, STATUS, 200, PLAIN) == WHOLE


@pytest.mark.parametrize("columns", range(1, len(WHOLE) + 2))
def test_it_never_is_wider_than_the_terminal_and_what_matters_most_stays(columns: int):
    said = line(TOLD, STATUS, columns, PLAIN)
    assert len(said) <= columns
    if columns >= 30:
        assert "84 % of $5.00 session cap" in said
    if columns == len(WHOLE):
        assert said == WHOLE


def test_it_says_when_a_fallback_answered():
    status = {**STATUS, "model": "moonshotai/kimi-k3", "fallback_for": "z-ai/glm-5.3"}
    assert line(TOLD, status, 200, PLAIN).startswith("kimi-k3 · fallback for glm-5.3 · $0.42")
    assert "\x1b[33mfallback for glm-5.3" in line(TOLD, status, 200, {})
    assert "fallback" not in line(TOLD, {**status, "fallback_for": ""}, 200, PLAIN)


def test_colours_are_only_there_where_they_are_wanted():
    coloured = line(TOLD, STATUS, 200, {})
    assert "\x1b[33m84 % of $5.00 session cap\x1b[0m" in coloured
    over = {**STATUS, "caps": {"day": {"limit": "5", "spent": "5"}}}
    assert "\x1b[31m100 % of $5.00 day cap" in line(TOLD, over, 200, {})
    assert "\x1b" not in line(TOLD, STATUS, 200, PLAIN)


def test_before_the_first_answer_it_names_the_model_and_the_window():
    assert line(TOLD, {}, 80, PLAIN) == "glm-5.3 · 37 % of 200k"
    assert line({}, {}, 80, PLAIN) == ""


def test_small_unknown_and_listed_costs_are_told_as_such():
    assert "~$0.0042 + 2 unknown" in line(
        TOLD, {"cost": "0.0042", "day": "0.0042", "unknown": 2, "listed": True}, 80, PLAIN
    )


def test_a_low_cache_rate_says_why():
    said = line(TOLD, {**STATUS, "cache": 0.1, "cache_reason": "the prompt changed: tools.3"}, 250, PLAIN)
    assert "cache 10 % (the prompt changed: tools.3)" in said


def world(tmp_path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """An environment with a run folder, and what the client tells about its project."""
    for name in ("home/.claude", "project/.claude", "run"):
        (tmp_path / name).mkdir(parents=True)
    environ = {"HOME": str(tmp_path / "home"), "CLAUDE_OR_SESSION": str(tmp_path / "run/settings.json"), **PLAIN}
    (tmp_path / "run/status.json").write_text(json.dumps(STATUS))
    return environ, {**TOLD, "workspace": {"project_dir": str(tmp_path / "project")}}


def own(path: Path, command: str) -> None:
    path.write_text(json.dumps({"statusLine": {"type": "command", "command": command}}))


def test_the_users_own_line_is_found_by_the_clients_order(tmp_path: Path):
    environ, told = world(tmp_path)
    assert users_command(told, environ) == ""
    own(tmp_path / "home/.claude/settings.json", "user")
    assert users_command(told, environ) == "user"
    own(tmp_path / "project/.claude/settings.json", "project")
    assert users_command(told, environ) == "project"
    own(tmp_path / "project/.claude/settings.local.json", "local")
    assert users_command(told, environ) == "local"
    (tmp_path / "run/statusline.json").write_text(json.dumps({"type": "command", "command": "flag"}))
    assert users_command(told, environ) == "flag"
    (tmp_path / "elsewhere").mkdir()
    own(tmp_path / "elsewhere/settings.json", "moved")
    (tmp_path / "run/statusline.json").unlink()
    (tmp_path / "project/.claude/settings.local.json").unlink()
    (tmp_path / "project/.claude/settings.json").unlink()
    assert users_command(told, {**environ, "CLAUDE_CONFIG_DIR": str(tmp_path / "elsewhere")}) == "moved"


def test_ours_named_in_the_users_settings_is_not_run_twice(tmp_path: Path):
    environ, told = world(tmp_path)
    own(tmp_path / "home/.claude/settings.json", "claude-or statusline")
    assert users_command(told, environ) == ""


def run(environ: dict[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", statusline.__file__]
    return subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **environ},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_client_keeps_beside_the_line_is_left_free(tmp_path: Path):
    environ, told = world(tmp_path)
    columns = len(WHOLE) + statusline.MARGIN
    for width, whole in ((columns, True), (columns - 1, False)):
        done = run({**environ, "COLUMNS": str(width)}, json.dumps(told))
        assert (done.stdout == WHOLE + "\n") is whole


def test_as_a_bare_script_it_prints_the_users_line_and_ours(tmp_path: Path):
    environ, told = world(tmp_path)
    own(tmp_path / "home/.claude/settings.json", "printf 'mine: '; cat | wc -c")
    stdin = json.dumps(told)
    done = run(environ, stdin)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first.split() == ["mine:", str(len(stdin))]
    assert second == WHOLE


def test_it_speaks_utf8_whatever_the_locale_says(tmp_path: Path):
    environ, told = world(tmp_path)
    own(tmp_path / "home/.claude/settings.json", "printf 'm\\303\\274ll \\377'")
    done = subprocess.run(
        [sys.executable, "-S", statusline.__file__],  # with -I the variable would mean nothing
        env={**environ, "PATH": os.environ["PATH"], "COLUMNS": "200", "PYTHONIOENCODING": "ascii"},
        input=json.dumps(told).encode() + b" ",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == ["müll \ufffd", WHOLE]


@pytest.mark.parametrize("stdin", ["", "no json", "[]", "null"])
def test_nothing_makes_it_fail(tmp_path: Path, stdin: str):
    environ, _ = world(tmp_path)
    (tmp_path / "run/status.json").write_bytes(b"\xff{")
    own(tmp_path / "home/.claude/settings.json", "exit 3")
    done = run(environ, stdin)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_users_line_that_hangs_does_not_take_ours_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    environ, told = world(tmp_path)
    own(tmp_path / "home/.claude/settings.json", "sleep 20")
    monkeypatch.setattr(statusline, "USERS_LIMIT", 0.05)
    assert statusline._users_lines(told, "", environ) == []  # pyright: ignore[reportPrivateUsage]
