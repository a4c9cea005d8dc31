"""What the tests of the commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.host import Host, hosting

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
def environ(tmp_path: Path, host: Host) -> dict[str, str]:
    """A new user with a key, whose host is the fake one."""
    (tmp_path / "home").mkdir()
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": "/usr/bin:/bin",
        "OPENROUTER_BASE_URL": host.url,
        "OPENROUTER_API_KEY": KEY,
    }


@pytest.fixture
def cwd(tmp_path: Path) -> str:
    (tmp_path / "work").mkdir()
    return str(tmp_path / "work")


def write_config(environ: dict[str, str], text: str) -> None:
    """Write the user's configuration."""
    folder = Path(environ["HOME"]) / ".config/claude-or"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
