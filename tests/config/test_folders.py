"""The folders are those that platformdirs names."""

from __future__ import annotations

import os

import platformdirs.macos
import platformdirs.unix
import pytest

from claude_or.config.folders import cache_folder, config_folder, data_folder, short, state_folder

VARIABLES = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")


@pytest.mark.parametrize("xdg", ["", "/somewhere/else", "relative/path"])
@pytest.mark.parametrize(
    ("platform", "kind"),
    [("linux", platformdirs.unix.Unix), ("darwin", platformdirs.macos.MacOS)],
    ids=["linux", "mac"],
)
def test_they_agree_with_platformdirs(
    monkeypatch: pytest.MonkeyPatch, platform: str, kind: type[platformdirs.unix.Unix], xdg: str
) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, xdg)
    monkeypatch.setenv("HOME", "/home/somebody")
    theirs = kind("claude-or")
    assert config_folder(os.environ, platform) == theirs.user_config_dir
    assert cache_folder(os.environ, platform) == theirs.user_cache_dir
    assert state_folder(os.environ, platform) == theirs.user_state_dir
    assert data_folder(os.environ, platform) == theirs.user_data_dir


def test_a_path_below_home_is_shown_with_a_tilde() -> None:
    environ = {"HOME": "/home/me"}
    shown = [short(path, environ) for path in ("/home/me/x", "/home/meyer/x", "/etc/x")]
    assert shown == ["~/x", "/home/meyer/x", "/etc/x"]


def test_without_a_home_variable_the_password_database_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/known")
    assert config_folder({}, "linux") == "/home/known/.config/claude-or"
