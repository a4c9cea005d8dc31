"""A misspelt command as its user meets it: asked about where somebody can answer, told where not, refused where it is certain."""

from __future__ import annotations

import json
import sys

from tests.stories.conftest import World
from tests.support.terminal import ENTER, Terminal


async def test_a_lone_word_in_a_script_is_still_a_prompt_and_the_remark_says_so(world: World) -> None:
    running = await world.start(args=("doctr",))
    told = await running.until_told()
    done = await running.done()

    assert (done.code, told["arguments"][-1]) == (0, "doctr")
    assert "Did you mean `claude-or doctor`?" in done.err


async def test_behind_two_dashes_nothing_is_remarked(world: World) -> None:
    done = await world.run(args=("--", "doctr"))

    assert done.code == 0
    assert "Did you mean" not in done.err


async def test_what_can_only_be_a_command_starts_no_claude(world: World) -> None:
    running = await world.start(args=("modles", "search", "coder"))
    done = await running.done()

    assert (done.code, done.out, running.told_path.exists()) == (64, "", False)
    assert "No such command 'modles'. Did you mean 'models'?" in done.err


async def test_on_a_terminal_the_meant_command_is_run_when_it_is_wanted(world: World) -> None:
    environ = world.environ(FAKE_CLAUDE=json.dumps([["stream"]]), TERM="xterm")
    argv = [sys.executable, "-m", "claude_or.cli.main", "lgos"]
    async with Terminal(argv, env=environ, cwd=world.project) as there:
        await there.wait_for("No such command 'lgos'. Did you mean `claude-or logs`?")
        there.send("y", ENTER)
        await there.wait_for("there is no log yet")
