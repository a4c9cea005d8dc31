"""The first run without a key, on a terminal: three questions, and then the session."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.fakes.replies import error, plain
from tests.stories.conftest import KEY, World
from tests.support.terminal import CTRL_C, ENTER, Terminal

ROOT = Path(__file__).parents[2]


def terminal(world: World, *args: str, columns: int = 100, **more: str) -> Terminal:
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
    return Terminal(
        [sys.executable, "-m", "claude_or.cli.main", *args], env=environ, cwd=world.project, columns=columns
    )


async def test_a_pasted_key_two_models_and_the_session_begins(world: World):
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send(KEY, ENTER)
        await there.wait_for("is kept in the system's keyring")
        await there.wait_for("Which models?")
        shown = await there.wait_for("BIG SMALL\nWhich? [1]")
        assert re.search(r"2  z-ai/glm-5\.3 +0\.60 / +2\.20\n +~anthropic/claude-haiku-latest +1\.00 / +5\.00\n", shown)
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


def written(world: World) -> list[str]:
    """Files in the home that are no cache."""
    files = (path for path in world.home.rglob("*") if path.is_file() and ".cache" not in str(path))
    return sorted(str(path.relative_to(world.home)) for path in files)


async def test_wrong_answers_and_wrong_keys_are_told_and_asked_for_again(world: World):
    world.host.others["/key"] = error(401, "User not found.")
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("5", ENTER)
        await there.wait_for("'5' is none of these")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send("two words", ENTER)
        shown = await there.wait_for("your input cannot be one")
        assert "set your input" not in shown
        there.send("2", ENTER)
        await there.wait_for(lambda now: now.count("Key:") == 2)
        there.send("sk-or-v1-wrong-but-of-the-right-form", ENTER)
        await there.wait_for("the host refuses this key")
        assert written(world) == []
        del world.host.others["/key"]
        there.send("2", ENTER)
        await there.wait_for(lambda now: now.count("Key:") == 3)
        there.send(KEY, ENTER)
        await there.wait_for("BIG SMALL")
        there.send("sample-labs/tiny-chat-8b:free", ENTER)
        await there.wait_for("takes no tools")
        there.send("z-ai/glm-5.3 qwen/qwen4-coder-flash", ENTER)
        await there.wait_for("Hello from the host.")
        assert await there.exit_code() == 0
    config = (world.home / ".config/claude-or/config.yaml").read_text(encoding="utf-8")
    assert "\n  big: z-ai/glm-5.3\n  small: qwen/qwen4-coder-flash\n" in config


@pytest.mark.parametrize("question", ["which", "key", "models"])
async def test_ctrl_c_leaves_at_every_question_and_says_what_was_kept(world: World, question: str):
    async with terminal(world) as there:
        before = there.modes()
        await there.wait_for("Which? [1]")
        if question != "which":
            there.send("2", ENTER)
            await there.wait_for("Key:")
        if question == "models":
            there.send(KEY, ENTER)
            await there.wait_for("BIG SMALL")
        there.send(CTRL_C)
        shown = await there.wait_for("Left.")
        assert await there.exit_code() == 130
        assert there.modes() == before, "the terminal does not show what is typed any more"
        assert "Traceback" not in shown
    if question == "models":
        assert "The key is kept" in shown
        assert written(world) == [".local/share/claude-or/key.json"]
    else:
        assert "Nothing was kept" in shown
        assert written(world) == []


async def test_the_end_of_input_leaves_too(world: World):
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("\x04")
        await there.wait_for("no answer was given")
        assert await there.exit_code() == 77
    assert written(world) == []


async def test_without_network_the_key_is_kept_untried_and_the_defaults_stand_in_the_file(world: World):
    async with terminal(world, OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1") as there:
        await there.wait_for("Which? [1]")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send(KEY, ENTER)
        await there.wait_for("127.0.0.1 cannot be reached (connection refused)")
        shown = await there.wait_for("Starting Claude Code")
        await there.exit_code()
    assert "There is no list of models to choose from" in shown
    config = (world.home / ".config/claude-or/config.yaml").read_text(encoding="utf-8")
    assert "\n  # big: z-ai/glm-5.3 " in config


async def test_in_a_narrow_window_no_word_is_torn(world: World):
    async with terminal(world, columns=52) as there:
        await there.wait_for("Which? [1]")
        there.send("2", ENTER)
        await there.wait_for("Key:")
        there.send(KEY, ENTER)
        shown = await there.wait_for("BIG SMALL")
        there.send(CTRL_C)
        await there.exit_code()
    lines = [line.rstrip() for line in shown.splitlines()]
    assert any(re.fullmatch(r"     ~anthropic/claude-haiku-latest +1\.00 / +5\.00", line) for line in lines), shown
    words = {word for line in lines for word in line.split()}
    for word in ("OpenRouter.", "https://openrouter.ai/keys", "(summaries,", "million", "keyring."):
        assert word in words, shown


async def test_a_login_by_browser_needs_nothing_typed(world: World):
    key = "sk-or-v1-of-the-browser-0123456789abcdef"
    world.host.others["/auth/keys"] = plain(200, json.dumps({"key": key, "user_id": "u"}).encode(), "application/json")
    browser = world.folder / "browser"
    browser.write_text(
        f"#!{sys.executable}\n"
        "import sys, urllib.parse, urllib.request\n"
        "asked = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)\n"
        "assert asked['code_challenge_method'] == ['S256']\n"
        "urllib.request.urlopen(asked['callback_url'][0] + '?code=a-code').close()\n"
    )
    browser.chmod(0o700)
    async with terminal(world, BROWSER=str(browser)) as there:
        await there.wait_for("Which? [1]")
        there.send(ENTER)
        await there.wait_for("from the login, accepted")
        await there.wait_for("BIG SMALL")
        there.send(ENTER)
        await there.wait_for("Hello from the host.")
        assert await there.exit_code() == 0
        assert key.encode() not in there.raw
    assert {ask.headers["authorization"] for ask in world.host.asks} == {f"Bearer {key}"}


async def test_without_a_browser_the_code_is_pasted(world: World):
    key = "sk-or-v1-of-the-page-0123456789abcdef"
    world.host.others["/auth/keys"] = plain(200, json.dumps({"key": key, "user_id": "u"}).encode(), "application/json")
    async with terminal(world) as there:
        await there.wait_for("Which? [1]")
        there.send("1", ENTER)
        shown = await there.wait_for("Code:")
        assert "There is no browser here" in shown
        assert "callback_url" not in shown
        there.send("a-code", ENTER)
        await there.wait_for("from the login, accepted")
        there.send(CTRL_C)
        assert await there.exit_code() == 130


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
