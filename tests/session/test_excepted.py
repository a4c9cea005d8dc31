"""Exceptions from a proxy in the user's settings of Claude Code are found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_or.session.excepted import excepted


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"env": {"NO_PROXY": "a.example, b.example", "no_proxy": "c"}}', ["a.example, b.example", "c"]),
        ('{"env": {"no_proxy": 7}}', []),
        ('{"env": []} NO_PROXY', []),
        ('{"NO_PROXY": "elsewhere"}', []),
        ('["NO_PROXY"]', []),
        ('{"env": {}}', []),
        ("NO_PROXY {", []),
        ("NO_PROXY" + "[" * 100_000, []),
        ("", []),
    ],
)
def test_they_are_read_from_the_users_file(tmp_path: Path, content: str, found: list[str]) -> None:
    (tmp_path / "settings.json").write_text(content)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(content)

    assert excepted({"HOME": str(tmp_path)}) == found
    assert excepted({"HOME": "/nonexistent", "CLAUDE_CONFIG_DIR": str(tmp_path)}) == found


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert excepted({"HOME": str(tmp_path)}) == []
