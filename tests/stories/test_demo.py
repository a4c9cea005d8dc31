"""The demo as a newcomer meets it: the real Claude Code, a scripted model, nothing of the user's touched."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.claude_binary import claude_binary

__all__ = ["claude_binary"]

pytestmark = pytest.mark.e2e


async def demo(home: Path, claude: str, *args: str) -> tuple[int, str, str]:
    """One demo in a home of its own, without key and host."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "claude_or.cli.main", "demo", *args),
        cwd=home,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "IS_SANDBOX": "1",
            "CLAUDE_OR_CLAUDE": claude,
            "TMPDIR": str(home),
            # A demo that asked a host would fail here at once.
            "OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_it_answers_and_says_that_the_model_is_scripted(tmp_path: Path, claude_binary: str) -> None:
    code, out, err = await demo(tmp_path, claude_binary, "-p", "Say hello")

    assert code == 0
    assert "scripted" in out
    assert "Take the tour" in out
    assert "demo/scripted-model · 1 call" in err


async def test_the_tour_uses_four_tools_for_real(tmp_path: Path, claude_binary: str) -> None:
    code, out, _ = await demo(
        tmp_path, claude_binary, "-p", "Take the tour", "--output-format", "stream-json", "--verbose"
    )
    events = [json.loads(line) for line in out.splitlines()]
    calls = [
        block["name"]
        for event in events
        if event["type"] == "assistant"
        for block in event["message"]["content"]
        if block["type"] == "tool_use"
    ]

    assert code == 0
    assert calls == ["Write", "Read", "Edit", "Bash"]
    assert "The program printed: Hello from claude-or" in events[-1]["result"]


async def test_nothing_is_left_but_the_log(tmp_path: Path, claude_binary: str) -> None:
    await demo(tmp_path, claude_binary, "-p", "Take the tour")

    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.startswith(".local/state/claude-or/logs/") for path in left), left
