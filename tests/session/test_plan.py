"""The launch plan: kept as long as nothing changed, not for ever, and never with a secret in it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from claude_or.session.plan import KEPT_S, LaunchPlan, launch_plan

CANARY = "canary-secret-4711"
ENTRIES = {
    "supervised": '{command: "cat", environment: {T: "${MY_TOKEN}"}}',
    "argument": '{command: "cat $MY_TOKEN"}',
    "inherited": "{command: cat, inherit: [MY_TOKEN]}",
    "remote": '{type: http, url: "https://example.org/mcp", headers: {Authorization: "Bearer ${MY_TOKEN}"}}',
    "left to claude": '{command: cat, supervise: false, environment: {T: "${MY_TOKEN}"}}',
    "left out": '{type: python, command: python -m x, python_version: "3.11", environment: {T: "${MY_TOKEN}"}}',
}


class Place:
    """A home with servers in it, and nothing on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.environ = {"HOME": str(folder), "PATH": str(folder / "bin"), "MY_TOKEN": CANARY, "PLAIN": "x"}

    def servers(self, entry: str) -> None:
        file = self.folder / ".config/claude-or/mcp_servers.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"servers:\n  one: {entry}\n", encoding="utf-8")

    def plan(self) -> LaunchPlan:
        return launch_plan(self.environ, str(self.folder), {}, str(self.cache), may_ask=False)

    def kept(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.cache.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_secret_from_a_variable_never_reaches_the_disk(place: Place, entry: str) -> None:
    place.servers(entry)
    for _ in range(2):
        first = place.plan()
        assert first.mcp is not None
        assert (CANARY in str(first.mcp)) is (entry != ENTRIES["left out"])
        kept = place.kept()
        assert kept
        assert CANARY.encode() not in kept
    place.environ["MY_TOKEN"] = "another-secret-4712"
    assert CANARY not in str(place.plan().mcp)


def test_without_secrets_the_servers_are_kept_until_a_variable_or_a_file_changes(place: Place) -> None:
    place.servers('{command: "cat $PLAIN"}')

    def command() -> Any:
        mcp = place.plan().mcp
        assert mcp is not None
        return mcp["launches"][0]["commands"][0]

    assert command() == ("cat", "x")
    assert b"launches" in place.kept()
    assert command() == ("cat", "x")
    place.environ["PLAIN"] = "y"
    assert command() == ("cat", "y")
    place.servers("{command: tac}")
    assert command() == ("tac",)


def planned(tmp_path: Path, cwd: str) -> None:
    (tmp_path / cwd).mkdir(exist_ok=True)
    launch_plan({"HOME": str(tmp_path)}, str(tmp_path / cwd), {}, str(tmp_path / "cache"), with_servers=False)


def test_plans_that_nobody_asked_for_in_months_are_removed_and_nothing_else(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    planned(tmp_path, "here")
    (kept,) = cache.glob("launch-*")
    long_ago = time.time() - KEPT_S - 60
    for name in ("launch-0badf00d", "launch-0badf00d.4711", "windows.txt", "others-launch-1"):
        (cache / name).write_bytes(b"old")
        os.utime(cache / name, (long_ago, long_ago))

    planned(tmp_path, "there")

    left = {path.name for path in cache.glob("launch-*")}
    assert len(left) == 2
    assert kept.name in left
    assert "launch-0badf00d" not in left
    assert {path.name for path in cache.iterdir()} - left == {"windows.txt", "others-launch-1"}


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    planned(tmp_path, "here")
