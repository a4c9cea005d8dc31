"""What doctor says of the machine: room on the disk, the terminal, the clock."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from claude_or.cli.doctor_machine import check_clock, check_disk, check_terminal

MB = 1024 * 1024
NOW = 1_795_000_000.0


class Usage(NamedTuple):
    """As `shutil.disk_usage` tells it."""

    total: int
    used: int
    free: int


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}


@pytest.mark.parametrize(("free", "level"), [(5 * MB, "error"), (100 * MB, "warn"), (900 * MB, "ok")])
def test_a_disk_that_is_full_or_nearly_is_told_once_per_disk(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(1000 * MB, 0, free))

    (finding,) = check_disk(environ)

    assert finding.level == level
    if level != "ok":
        assert f"only {free // MB} MB free" in finding.text
        assert "~/.local/share/claude-or" in finding.text
        assert finding.fix == "Make room there."


def test_a_folder_below_a_file_cannot_be_written_and_what_that_costs_is_told(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".local").write_text("a file")

    texts = {finding.text: finding.level for finding in check_disk(environ)}

    assert texts == {
        "~/.local/share/claude-or cannot be written (the ledger): "
        "spending is not recorded, and caps of a day cannot hold": "error",
        "~/.local/state/claude-or cannot be written (logs): no log is written": "warn",
    }


@pytest.mark.parametrize(
    ("environ", "screen", "words"),
    [
        ({"TERM": "dumb", "LANG": "C.UTF-8"}, (80, 24), "TERM is dumb"),
        ({"LANG": "C.UTF-8"}, (80, 24), "TERM is not set"),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, (40, 24), "40 columns are few"),
        ({"TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C"}, (80, 24), "the locale (C) is not UTF-8"),
        ({"TERM": "xterm"}, (80, 24), "the locale (not set) is not UTF-8"),
    ],
)
def test_a_terminal_that_will_not_do_is_a_warning_with_a_way_out(
    environ: dict[str, str], screen: tuple[int, int], words: str
) -> None:
    (finding,) = check_terminal(environ, screen)

    assert (finding.level, words in finding.text) == ("warn", True)
    assert finding.fix


def test_no_terminal_is_no_trouble() -> None:
    (finding,) = check_terminal({}, None)

    assert finding.level == "note"


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("Wed, 18 Nov 2026 08:53:20 GMT", ""),
        ("Wed, 18 Nov 2026 11:53:20 GMT", "3 h behind"),
        ("Sun, 15 Nov 2026 08:53:20 GMT", "3 days ahead of"),
        ("yesterday", "nothing"),
        ("", "nothing"),
    ],
)
def test_the_clock_is_held_to_the_hosts(date: str, words: str) -> None:
    found = check_clock(date, NOW - NOW % 86_400 + 8 * 3600 + 53 * 60 + 20)

    if words == "nothing":
        assert found == []
    else:
        assert (found[0].level, words in found[0].text) == ("warn" if words else "ok", True), found
