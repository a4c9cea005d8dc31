"""What was said about pictures is kept from session to session, for a while, for the user alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from claude_or.store import descriptions
from claude_or.store.descriptions import MOST_BYTES, Descriptions

DAY = 86_400


class Clock:
    now = 1_000 * DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "descriptions"


def kept(folder: Path, days: int = 30) -> tuple[Descriptions, Clock]:
    clock = Clock()
    return Descriptions(str(folder), days, wall=clock), clock


def test_what_a_model_said_is_there_in_the_next_session_and_another_model_s_is_not(folder: Path) -> None:
    kept(folder)[0].write("a/eyes", "k1", "A grey square — «ok».")
    later, _ = kept(folder)
    assert later.read("a/eyes", ["k1", "k2"]) == {"k1": "A grey square — «ok»."}
    assert later.read("b/eyes", ["k1"]) == {}
    (file,) = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "k1" not in file.name


def test_a_damaged_file_is_none(folder: Path) -> None:
    one, _ = kept(folder)
    for n, bad in enumerate([b"", b"\xff\xfe", b"x" * (MOST_BYTES + 1)]):
        one.write("a/eyes", f"k{n}", "words")
        newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        newest.write_bytes(bad)
    assert one.read("a/eyes", ["k0", "k1", "k2"]) == {}


def test_what_nobody_needed_for_long_goes_away(folder: Path) -> None:
    one, clock = kept(folder)
    for key in ("old", "used"):
        one.write("a/eyes", key, key)
        one.read("a/eyes", [key])
    clock.now += 20 * DAY
    one.read("a/eyes", ["used"])
    clock.now += 20 * DAY
    assert one.prune() == 1
    assert one.read("a/eyes", ["old", "used"]) == {"used": "used"}


def test_of_too_many_the_oldest_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptions, "MOST_FILES", 2)
    one, clock = kept(folder)
    for key in ("a", "b", "c"):
        clock.now += DAY
        one.write("a/eyes", key, key)
        one.read("a/eyes", [key])
    assert one.prune() == 1
    assert one.read("a/eyes", ["a", "b", "c"]) == {"b": "b", "c": "c"}


def test_kept_for_no_days_all_go(folder: Path) -> None:
    kept(folder)[0].write("a/eyes", "k", "words")
    none = Descriptions(str(folder), 0, wall=lambda: os.stat(next(folder.iterdir())).st_mtime + 1)
    assert none.prune() == 1


def test_where_there_is_no_folder_there_is_nothing(folder: Path) -> None:
    one, _ = kept(folder)
    assert (one.read("a/eyes", ["k"]), one.prune()) == ({}, 0)
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its place")
    with pytest.raises(OSError, match="exists"):
        one.write("a/eyes", "k", "words")
