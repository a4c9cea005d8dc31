"""The real `claude-or` process against a fake host and, in these tests, a stand-in for Claude Code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from claude_or.session.runfolder import start_time
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import text

STAND_IN = Path(__file__).parents[1] / "fakes" / "claude.py"
KEY = "sk-or-v1-a-key-of-the-tests"
LIMIT = 90.0
"""Seconds; generous, for a machine that has other things to do."""


@dataclass
class Done:
    """A process that ended."""

    code: int
    out: str
    err: str


@dataclass
class Running:
    """A process that runs, and what its child told about itself."""

    process: Process
    told_path: Path
    go_path: Path
    told: dict[str, Any] = field(default_factory=dict[str, Any])

    async def until_told(self) -> dict[str, Any]:
        """Wait until the child is up; what it got."""
        await until(self.told_path.exists, "the child did not come up")
        self.told = json.loads(self.told_path.read_text(encoding="utf-8"))
        return self.told

    def let_go(self) -> None:
        """Let the child go on after its `wait` step."""
        self.go_path.touch()

    def signal(self, number: int) -> None:
        """Send a signal to claude-or alone."""
        self.process.send_signal(number)

    async def done(self) -> Done:
        """Wait for the end."""
        async with asyncio.timeout(LIMIT):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Done(self.process.returncode, out.decode(), err.decode())


async def until(holds: Callable[[], object], otherwise: str, limit: float = LIMIT) -> None:
    """Wait until something holds, at most `limit` seconds."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return bool(start_time(pid))
    return state not in {"Z", "X"}


class World:
    """A home of its own, a host, and ways to start `claude-or` in them."""

    def __init__(self, folder: Path, host: OpenRouterFake) -> None:
        self.folder = folder
        self.host = host
        self.home = folder / "home"
        self.project = folder / "project"
        self.runtime = folder / "run"
        for path in (self.home, self.project, self.runtime):
            path.mkdir()
        self.running: list[Process] = []
        self._count = 0

    def environ(self, **more: str) -> dict[str, str]:
        """A scrubbed environment; an empty value takes a variable out."""
        usual = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "OPENROUTER_API_KEY": KEY,
            "OPENROUTER_BASE_URL": self.host.base_url,
            "CLAUDE_OR_CLAUDE": str(STAND_IN),
            "BIG_MODEL": "z-ai/glm-5.3",
            "SMALL_MODEL": "z-ai/glm-5.3-flash",
        }
        return {name: value for name, value in (usual | more).items() if value}

    async def start(
        self, *steps: list[Any], args: tuple[str, ...] = ("-p", "hi"), under: tuple[str, ...] = (), **environ: str
    ) -> Running:
        """Start `claude-or`, `under` a command that starts others; its child tells what it got, does the steps and ends."""
        self._count += 1
        told = self.folder / f"told-{self._count}"
        go = self.folder / f"go-{self._count}"
        named = [[str(go) if part == "GO" else part for part in step] for step in steps]
        process = await asyncio.create_subprocess_exec(
            *under,
            sys.executable,
            "-m",
            "claude_or.cli.main",
            *args,
            cwd=self.project,
            env=self.environ(**{"FAKE_CLAUDE": json.dumps([["tell", str(told)], *named]), **environ}),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        self.running.append(process)
        return Running(process, told, go)

    async def run(
        self, *steps: list[Any], args: tuple[str, ...] = ("-p", "hi"), under: tuple[str, ...] = (), **environ: str
    ) -> Done:
        """Start and wait for the end."""
        return await (await self.start(*steps, args=args, under=under, **environ)).done()

    @property
    def run_folders(self) -> list[str]:
        """Folders of sessions that were not removed."""
        base = self.runtime / "claude-or"
        return sorted(path.name for path in base.iterdir()) if base.exists() else []

    def end(self) -> None:
        """Kill what a failed test left."""
        for process in self.running:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    """A world whose host answers every question with a short text."""
    async with OpenRouterFake(lambda _ask, _n: text("Hello from the host.")) as host:
        there = World(tmp_path, host)
        yield there
        there.end()
