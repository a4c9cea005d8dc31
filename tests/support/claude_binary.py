"""The real Claude Code for the tests: a named one, the one on PATH, or the one that our own installer brings.

Tests with the real client are never skipped: what they need is fetched once into a cache folder of the tests, and failing to
get it is an error. `CLAUDE_OR_TEST_CLAUDE` names a binary, `CLAUDE_OR_TEST_CACHE` the cache folder.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from claude_or.session.install import install, installed, plan_install

VERSION = "2.1.330"
"""The version that the tests were written against."""


def find_or_install(environ: dict[str, str], version: str | None = None) -> str:
    """The path of a Claude Code to test with: of this version, else any. Raises `ClaudeOrError` when none can be had."""
    if version is None and (
        named := environ.get("CLAUDE_OR_TEST_CLAUDE") or shutil.which("claude", path=environ.get("PATH"))
    ):
        return os.path.abspath(named)
    version = version or VERSION
    cache = environ.get("CLAUDE_OR_TEST_CACHE") or str(Path.home() / ".cache" / "claude-or-tests")
    ours = {**environ, "XDG_DATA_HOME": os.path.abspath(cache)}
    there = installed(ours, version)
    # Side by side, test runs wait for each other inside `install`.
    return there or install(plan_install(ours, version), lambda *_: None)


@pytest.fixture(scope="session")
def claude_binary() -> str:
    """Path of the real Claude Code."""
    return find_or_install(dict(os.environ))
