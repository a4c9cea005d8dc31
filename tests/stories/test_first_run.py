"""The first run without a key, on a terminal: four questions at most, and then the session."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.fakes.replies import error
from tests.stories.conftest import KEY, World
from tests.support.terminal import ENTER, Terminal

ROOT = Path(__file__).parents[2]


def terminal(world: World, *args: str, **more: str) -> Terminal:
    steps = [["stream"]]
    environ = world.environ(
        FAKE_CLAUDE=json.dumps(steps),
        PYTHONPATH=str(ROOT),
        OPENROUTER_API_KEY="",
        BIG_MODEL="",
        SMALL_MODEL="",
        TERM="xterm",
        PYTHON_KEYRING_BACKEND="tests.fakes.keyring_file.FileKeyring",
        FAKE_KEYRING=str(world.folder / "ring"),
        **more,
    )
    return Terminal([sys.executable, "-m", "claude_or.cli.main", *args], env=environ, cwd=world.project)


async def test_a_pasted_key_two_models_and_the_session_begins(world: World):
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send(KEY, ENTER)
        await there.wait_for("is kept in the system's keyring")
        await there.wait_for("Which models?")
        shown = await there.wait_for("/glm-5.3\nWhich? [1]")
        assert "z-ai/glm-5.3 ($" in shown
        there.send("z-ai/glm-53", ENTER)
        await there.wait_for("Did you mean z-ai/glm-5.3")
        there.send("z-ai/glm-5.3", ENTER)
        shown = await there.wait_for("Hello from the host.")
        assert await there.exit_code() == 0
        assert KEY not in there.raw.decode(errors="replace")
    config = (world.home / ".config/claude-or/config.yaml").read_text(encoding="utf-8")
    assert "\n  big: z-ai/glm-5.3\n" in config
    assert KEY not in config
    assert world.host.asks[0].body["model"] == "z-ai/glm-5.3"
    assert world.host.asks[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_second_start_asks_nothing(world: World):
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send(KEY, ENTER)
        await there.wait_for("Which models?")
        there.send(ENTER)
        assert await there.exit_code() == 0
    async with terminal(world) as there:
        shown = await there.wait_for("Hello from the host.")
        assert "Which?" not in shown
        assert await there.exit_code() == 0


async def test_a_key_that_the_host_refuses_is_told_and_nothing_is_written(world: World):
    world.host.others["/key"] = error(401, "User not found.")
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send("sk-or-v1-wrong-but-of-the-right-form", ENTER)
        await there.wait_for("the host refuses this key")
        assert await there.exit_code() == 77
    assert not [path for path in world.home.rglob("*") if path.is_file() and "cache" not in str(path)]


async def test_whoever_leaves_is_told_how_to_come_back(world: World):
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("3", ENTER)
        await there.wait_for("claude-or demo")
        assert await there.exit_code() == 77


@pytest.mark.parametrize("args", [("-p", "hi"), ("--print", "hi")])
async def test_a_script_gets_one_clear_error(world: World, args: tuple[str, ...]):
    async with terminal(world, *args) as there:
        await there.wait_for("no OpenRouter API key")
        shown = await there.wait_for("claude-or login")
        assert "Which?" not in shown
        assert await there.exit_code() == 77


async def test_without_a_terminal_there_is_one_clear_error(world: World):
    done = await world.run(["ask"], args=(), OPENROUTER_API_KEY="")
    assert done.code == 77
    assert "claude-or login" in done.err


async def test_a_key_command_is_asked_and_nobody_else(world: World):
    folder = world.home / ".config/claude-or"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"openrouter: {{key_command: 'printf %s {KEY}'}}\n", encoding="utf-8")
    running = await world.start(["ask"], OPENROUTER_API_KEY="sk-or-v1-another-one-that-must-not-be-used")
    told = await running.until_told()
    done = await running.done()
    assert (done.code, done.out) == (0, "Hello from the host.\n")
    assert world.host.asks[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(told)
    assert "another-one" not in str(told)
