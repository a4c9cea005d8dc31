"""The plan of a launch is kept for the next one, and not for ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

from claude_or.session.plan import KEPT_S, launch_plan


def planned(tmp_path: Path, cwd: str) -> None:
    (tmp_path / cwd).mkdir(exist_ok=True)
    launch_plan({"HOME": str(tmp_path)}, str(tmp_path / cwd), {}, str(tmp_path / "cache"), with_servers=False)


def test_plans_that_nobody_asked_for_in_months_are_removed_and_nothing_else(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    planned(tmp_path, "here")
    (kept,) = cache.glob("launch-*")
    for name in ("launch-0badf00d", "launch-0badf00d.4711", "windows.txt", "others-launch-1"):
        (cache / name).write_bytes(b"old")
        os.utime(cache / name, (time.time() - KEPT_S - 60,) * 2)

    planned(tmp_path, "there")

    left = {path.name for path in cache.glob("launch-*")}
    assert len(left) == 2
    assert kept.name in left
    assert "launch-0badf00d" not in left
    assert {path.name for path in cache.iterdir()} - left == {"windows.txt", "others-launch-1"}


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    planned(tmp_path, "here")
