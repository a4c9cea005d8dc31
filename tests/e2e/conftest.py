"""The real Claude Code behind the real `claude-or`, against the fake host: the judge of what "compatible" means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.support.claude_binary import claude_binary
from tests.support.lab import Lab

__all__ = ["claude_binary"]


SCENARIOS = {"test_answers", "test_tools", "test_many_tools", "test_window", "test_failures"}
"""What runs on every supported version of the client; screens and the client's own list of tools differ between them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if item.path.stem in SCENARIOS:
                item.add_marker(pytest.mark.scenario)


@pytest.fixture
async def lab(tmp_path: Path, claude_binary: str) -> AsyncIterator[Lab]:
    """A throwaway machine; its host answers as the scripted agent until a test says otherwise."""
    root = tmp_path / "lab"
    root.mkdir()
    async with OpenRouterFake(key=KEY) as host:
        yield Lab(root=root, claude=claude_binary, host=host)
