"""A throwaway machine for the real `claude-or` and the real Claude Code: own home, own project, a host that is ours.

    async def test_…(lab: Lab) -> None:
        lab.host.script([text("hello")])
        done = await lab.run("-p", "hi")
        assert done.stdout == "hello\\n"

The environment holds nothing of the tester's: PATH, a home, a language, and what points claude-or at the fake host.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.fakes.listing import GLM, SMALL
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.support.terminal import Terminal

CLAUDE_OR = [sys.executable, "-m", "claude_or.cli.main"]
ROOT = Path(__file__).parents[2]
STREAM = ("--output-format", "stream-json", "--verbose")
TRUSTING = "--dangerously-skip-permissions"

# What the client writes once its first screens were answered: no theme, no notes, no question whether the folder is trusted.
_SETTLED = {"hasCompletedOnboarding": True, "lastOnboardingVersion": "2.1.330", "hasSeenAutoDefaultNotice": True}


@dataclass(frozen=True)
class Done:
    """A session in print mode that has ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of `stream-json`."""
        return [msgspec.json.decode(line) for line in self.stdout.splitlines() if line.startswith("{")]

    @property
    def result(self) -> dict[str, Any]:
        """The `result` event, which is the last one."""
        return [event for event in self.events if event.get("type") == "result"][-1]

    @property
    def tool_results(self) -> list[dict[str, Any]]:
        """What the client's tools gave, in order."""
        messages = [event["message"] for event in self.events if event.get("type") == "user"]
        blocks = [block for message in messages for block in message["content"] if isinstance(block, dict)]
        return [block for block in blocks if block.get("type") == "tool_result"]


@dataclass
class Lab:
    """The machine. `root` holds its home and its project; `extra` is added to the environment of everything it runs."""

    root: Path
    claude: str
    host: OpenRouterFake
    extra: dict[str, str] = field(default_factory=dict[str, str])
    under: tuple[str, ...] = ()
    """A command that runs `claude-or`, and what it needs before it."""

    def __post_init__(self) -> None:
        for folder in (self.home, self.project, self.root / "tmp"):
            folder.mkdir()
        trusted = {"projects": {os.path.realpath(self.project): {"hasTrustDialogAccepted": True}}}
        self.write(self.home / ".claude.json", {**_SETTLED, **trusted})

    @property
    def home(self) -> Path:
        """HOME."""
        return self.root / "home"

    @property
    def project(self) -> Path:
        """The working directory."""
        return self.root / "project"

    def write(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(value))

    def configure(self, text: str) -> None:
        """Give `claude-or` this configuration file."""
        path = self.root / "config.yaml"
        path.write_text(text, encoding="utf-8")
        self.extra["CLAUDE_OR_CONFIG"] = str(path)

    def environ(self) -> dict[str, str]:
        """The whole environment of a session."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "tmp"),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "IS_SANDBOX": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_OR_CLAUDE": self.claude,
            "OPENROUTER_BASE_URL": self.host.base_url,
            "OPENROUTER_API_KEY": KEY,
            "BIG_MODEL": GLM,
            "SMALL_MODEL": SMALL,
            **self.extra,
        }

    async def run(self, *arguments: str, stdin: str | None = None, timeout: float = 100) -> Done:
        """Run `claude-or` with these arguments to its end. Raises `TimeoutError` after killing it."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        process = await asyncio.create_subprocess_exec(
            *self.under,
            *CLAUDE_OR,
            *arguments,
            cwd=self.project,
            env=self.environ(),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(timeout):
                out, err = await process.communicate(None if stdin is None else stdin.encode())
        except BaseException:
            process.kill()
            await process.communicate()
            raise
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode(), loop.time() - started)

    async def ask(self, prompt: str, *arguments: str, timeout: float = 100) -> Done:
        """Run one prompt with streamed events and without questions about permissions."""
        return await self.run("-p", *STREAM, TRUSTING, *arguments, prompt, timeout=timeout)

    def terminal(self, *arguments: str, columns: int = 100, rows: int = 40) -> Terminal:
        """`claude-or` on a terminal of its own."""
        return Terminal([*CLAUDE_OR, *arguments], env=self.environ(), cwd=self.project, columns=columns, rows=rows)

    def shell(self, *, columns: int = 100, rows: int = 40) -> Terminal:
        """An interactive shell with job control; `claude-or` is a function in it."""
        profile = self.root / "profile"
        profile.write_text(f"PS1='shell> '\nclaude-or() {{ {' '.join(CLAUDE_OR)} \"$@\"; }}\n")
        argv = ["bash", "--noprofile", "--rcfile", str(profile), "-i"]
        return Terminal(argv, env=self.environ(), cwd=self.project, columns=columns, rows=rows)
