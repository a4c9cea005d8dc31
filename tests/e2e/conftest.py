"""The real Claude Code behind the real `claude-or`, against the fake host: the judge of what "compatible" means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.support.claude_binary import claude_binary
from tests.support.lab import Lab

__all__ = ["claude_binary"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
async def lab(tmp_path: Path, claude_binary: str) -> AsyncIterator[Lab]:
    """A throwaway machine; its host answers as the scripted agent until a test says otherwise."""
    root = tmp_path / "lab"
    root.mkdir()
    async with OpenRouterFake(key=KEY) as host:
        yield Lab(root=root, claude=claude_binary, host=host)
