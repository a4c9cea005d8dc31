"""What `/model` wrote into the user's settings is taken back when the session ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from claude_or.session.picked import PickedModel

OURS = {"x/big", "y/other", "gpt"}


class User:
    """A home with Claude Code's settings in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / ".claude" / "settings.json"
        self.file.parent.mkdir()

    def write(self, settings: Any) -> None:
        self.file.write_text(settings if isinstance(settings, str) else json.dumps(settings))

    def session(self) -> PickedModel:
        return PickedModel({"HOME": str(self.home)}, str(self.home))


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def test_a_file_that_only_the_pick_made_is_gone(user: User) -> None:
    picked = user.session()
    user.write({"model": "x/big"})
    assert picked.put_back(OURS) == ""
    assert not user.file.exists()


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ({}, {"model": "x/big"}, {}),
        ({"model": "opus", "a": "ä"}, {"model": "x/big", "a": "ä"}, {"model": "opus", "a": "ä"}),
        ({"a": 1}, {"a": 1, "model": "gpt", "theme": "dark"}, {"a": 1, "theme": "dark"}),
        ({"model": "opus"}, {"model": "x/big[1m]"}, {"model": "opus"}),
        ({"model": "opus"}, {"model": "sonnet[1m]"}, {"model": "sonnet[1m]"}),
        ({"model": "opus"}, {"model": ["x/big"]}, {"model": ["x/big"]}),
        ({"model": "opus"}, {"model": "sonnet"}, {"model": "sonnet"}),
        ({"model": "opus"}, {"model": "arn:aws:bedrock:x/y"}, {"model": "arn:aws:bedrock:x/y"}),
        ({"model": "x/big"}, {"model": "x/big"}, {"model": "x/big"}),
        ({"model": "x/big"}, {"model": "y/other"}, {"model": "x/big"}),
        ({"model": "opus"}, {}, {}),
        ({"model": "opus"}, "{ broken", None),
        ("{ broken", {"model": "x/big"}, {}),
    ],
)
def test_a_slug_of_ours_goes_and_what_stood_there_comes_back(user: User, before: Any, after: Any, left: Any) -> None:
    user.write(before)
    os.chmod(user.file, 0o644)
    picked = user.session()
    user.write(after)
    text = user.file.read_text()
    assert picked.put_back(OURS) == ""
    if left is None:
        assert user.file.read_text() == text
    else:
        assert json.loads(user.file.read_text()) == left
    assert user.file.stat().st_mode & 0o777 == 0o644
    assert os.listdir(user.file.parent) == ["settings.json"]


def test_a_linked_file_stays_a_link(user: User, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    user.file.symlink_to(real)
    picked = user.session()
    real.write_text(json.dumps({"model": "x/big"}))
    assert picked.put_back(OURS) == ""
    assert user.file.is_symlink()
    assert json.loads(real.read_text()) == {}


def test_the_folder_that_the_user_named_is_looked_at(user: User, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    picked = PickedModel({"HOME": str(user.home), "CLAUDE_CONFIG_DIR": str(folder)}, str(tmp_path))
    (folder / "settings.json").write_text(json.dumps({"model": "x/big"}))
    assert picked.put_back(OURS) == ""
    assert not (folder / "settings.json").exists()


def test_what_cannot_be_written_is_told(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    picked = user.session()
    user.write({"model": "x/big", "a": 1})

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    assert picked.put_back(OURS).endswith("settings.json: Read-only file system")
    assert json.loads(user.file.read_text()) == {"model": "x/big", "a": 1}
