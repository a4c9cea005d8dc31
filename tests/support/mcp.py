"""MCP servers on a throwaway machine: the user's file that names them, and looking after what is left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.mcp.relayed import fake_command


def configure(home: Path, **servers: Mapping[str, Any] | tuple[str, ...]) -> None:
    """Write the user's `mcp_servers.yaml`. A tuple stands for the fake server with these options."""
    entries = {
        name: {"type": "command", "command": list(fake_command(*given))} if isinstance(given, tuple) else dict(given)
        for name, given in servers.items()
    }
    path = home / ".config" / "claude-or" / "mcp_servers.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"servers": entries}), encoding="utf-8")


def started(path: Path) -> list[int]:
    """Pids of the fake servers that were started with `--tell PATH`, oldest first."""
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


def alive(pids: Iterable[int]) -> list[int]:
    """Those that still run; who only waits to be reaped does not."""
    found: list[int] = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            continue
        if state not in {"Z", "X"}:
            found.append(pid)
    return found


def mentioning(mark: str) -> list[int]:
    """Pids of all processes whose command line or environment holds a text, ourselves excepted."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in told:
            found.append(int(entry.name))
    return alive(found)


def gone_within(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait until none of them runs; those that still do when the time is up."""
    deadline = time.monotonic() + seconds
    left = alive(pids)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = alive(left)
    return left
