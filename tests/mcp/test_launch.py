"""What is started for one server survives the launch cache."""

from __future__ import annotations

import marshal

import pytest

from claude_or.mcp.launch import McpHealth, McpLaunch, launch_from_plain, launch_to_plain

FULL = McpLaunch(
    name="clock",
    commands=(("uvx", "--offline", "clock"), ("uvx", "clock")),
    env={"PATH": "/bin"},
    cwd="/tmp",
    secrets=("hush",),
    restart=False,
    health=McpHealth(url="http://127.0.0.1:1/health", restart_on_unhealthy=True),
    allow=("now*",),
    deny=("now_not",),
)


def test_a_launch_comes_back_equal_from_its_plain_form():
    assert launch_from_plain(marshal.loads(marshal.dumps(launch_to_plain(FULL)))) == FULL


def test_a_plain_form_of_another_version_is_not_taken():
    with pytest.raises(TypeError):
        launch_from_plain({**launch_to_plain(FULL), "colour": "blue"})
