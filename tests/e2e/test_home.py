"""What a session leaves in the home: the files that plain Claude Code leaves, and our own in our own folders."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.fakes.openrouter import KEY
from tests.support.lab import Lab

OURS = (".cache/claude-or/", ".local/state/claude-or/", ".local/share/claude-or/ledger.sqlite")


def files(home: Path, project: Path) -> set[str]:
    """The files below a home, with what differs from run to run taken out of their names."""
    slug = re.sub(r"[^A-Za-z0-9]", "-", str(project.resolve()))
    names = {str(path.relative_to(home)).replace(slug, "PROJECT") for path in home.rglob("*") if path.is_file()}
    return {re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{6,}|[0-9a-f]{12,}", "N", name) for name in names}


async def test_claude_or_leaves_what_plain_claude_leaves(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    plain = Lab(root=other, claude=lab.claude, host=lab.host)
    environ = {
        name: value for name, value in plain.environ().items() if not name.startswith(("OPENROUTER", "CLAUDE_OR"))
    }
    environ |= {
        "ANTHROPIC_BASE_URL": f"{lab.host.origin}/api",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_MODEL": "z-ai/glm-5.3",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(lab.claude, "-p", "say hi"),
        cwd=plain.project,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await asyncio.wait_for(process.communicate(), 60)
    done = await lab.run("-p", "say hi")

    assert (process.returncode, done.code) == (0, 0)
    left = files(lab.home, lab.project)
    assert {name for name in left if not name.startswith(OURS)} == files(plain.home, plain.project)
    assert list((lab.root / "tmp").rglob("*session-*")) == []
