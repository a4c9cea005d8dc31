"""Work in a process of its own: what it may know, and what it may load."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_or.upstream.pdf import pdf_text
from tests.fakes.papers import pdf


@pytest.mark.parametrize("module", ["pypdf", "logging", "claude_or"])
async def test_nothing_in_the_project_passes_for_a_module(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{module}.py").write_text(
        "from pathlib import Path\nPath(__file__ + '.ran').touch()\nraise SystemExit\n"
    )
    monkeypatch.chdir(tmp_path)
    assert "Zebras" in await pdf_text(pdf("Zebras have stripes."))
    assert [path.name for path in tmp_path.iterdir()] == [f"{module}.py"]
