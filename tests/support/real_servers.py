"""MCP servers as their makers published them, installed once into a cache folder of the tests.

`CLAUDE_OR_TEST_CACHE` names the folder. Failing to install them is an error, never a skip.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

PYTHON = ("mcp-server-fetch", "mcp-server-time", "mcp-server-git")
NODE = {
    "everything": "@modelcontextprotocol/server-everything",
    "filesystem": "@modelcontextprotocol/server-filesystem",
    "memory": "@modelcontextprotocol/server-memory",
    "searxng": "mcp-searxng",
}
MARK = "complete"


@pytest.fixture(scope="session")
def real_servers() -> dict[str, str]:
    """Path of each server's program by its short name."""
    return install_servers()


def install_servers() -> dict[str, str]:
    """Path of each server's program by its short name: fetch, time, git, everything, filesystem, memory, searxng."""
    named = os.environ.get("CLAUDE_OR_TEST_CACHE")
    cache = Path(named) if named else Path.home() / ".cache" / "claude-or-tests"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "mcp.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker, or another run, may be at it
        return _installed(cache / "mcp-python", cache / "mcp-node")


def _installed(python: Path, node: Path) -> dict[str, str]:
    paths = {name.removeprefix("mcp-server-"): python / "bin" / name for name in PYTHON}
    programs = node / "node_modules" / ".bin"
    paths |= {name: programs / f"mcp-{package.partition('/')[2] or name}" for name, package in NODE.items()}
    if not _is_complete(python, PYTHON):
        _run(sys.executable, "-m", "venv", "--clear", str(python))
        _run(str(python / "bin" / "python"), "-m", "pip", "install", "-q", *PYTHON)
        _complete(python, PYTHON)
    if not _is_complete(node, NODE.values()):
        npm = shutil.which("npm")
        assert npm, "npm is needed to install the servers that run on Node"
        shutil.rmtree(node, ignore_errors=True)
        node.mkdir()
        _run(npm, "install", "--loglevel=error", "--no-fund", "--prefix", str(node), *NODE.values())
        _complete(node, NODE.values())
    assert all(path.exists() for path in paths.values())
    return {name: str(path) for name, path in paths.items()}


def _is_complete(folder: Path, packages: Iterable[str]) -> bool:
    """Whether an installation of exactly these packages came to its end: its programs are there long before."""
    try:
        return (folder / MARK).read_text() == "\n".join(packages)
    except FileNotFoundError:
        return False


def _complete(folder: Path, packages: Iterable[str]) -> None:
    (folder / MARK).write_text("\n".join(packages))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
