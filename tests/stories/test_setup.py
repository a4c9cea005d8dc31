"""Setting claude-or up, by hand on a terminal: what is asked before something is replaced, and how one gets away."""

from __future__ import annotations

import pytest

from tests.stories.conftest import World
from tests.support.lab import CLAUDE_OR
from tests.support.terminal import CTRL_C, ENTER, Terminal


def terminal(world: World, *args: str) -> Terminal:
    return Terminal([*CLAUDE_OR, *args], env=world.environ(TERM="xterm"), cwd=world.project)


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 78), ("", 78)])
async def test_init_asks_on_a_terminal_before_it_replaces(world: World, answer: str, code: int) -> None:
    path = world.project / ".claude-or.yaml"
    path.write_text("log_level: debug\n")
    async with terminal(world, "init", "--project") as there:
        await there.wait_for("Replace it? [y/N]")
        there.send(answer, ENTER)
        assert await there.exit_code() == code
    assert (path.read_text() == "log_level: debug\n") == (code != 0)


async def test_in_a_script_init_replaces_nothing(world: World) -> None:
    path = world.project / ".claude-or.yaml"
    path.write_text("log_level: debug\n")
    done = await world.run(args=("init", "--project"))
    assert done.code == 78
    assert "init --force" in done.err
    assert path.read_text() == "log_level: debug\n"


@pytest.mark.parametrize("args", [("init", "--project"), ("login", "--key"), ("login", "--paste")])
async def test_ctrl_c_at_a_question_ends_the_line_and_the_command(world: World, args: tuple[str, ...]) -> None:
    path = world.project / ".claude-or.yaml"
    path.write_text("log_level: debug\n")
    async with terminal(world, *args) as there:
        before = there.modes()
        shown = await there.wait_for(lambda now: now.rstrip().endswith((":", "[y/N]:")))
        asked = shown.rstrip()
        there.send(CTRL_C)
        assert await there.exit_code() == 130
        assert there.modes() == before
        assert there.raw.endswith(b"\n"), asked
        assert b"Traceback" not in there.raw
    assert path.read_text() == "log_level: debug\n"


async def test_a_login_to_a_host_that_is_not_there_is_told_in_words(world: World) -> None:
    environ = world.environ(TERM="xterm", OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1")
    async with Terminal([*CLAUDE_OR, "login", "--paste"], env=environ, cwd=world.project) as there:
        await there.wait_for("Code:")
        there.send("a-code", ENTER)
        shown = await there.wait_for("127.0.0.1 cannot be reached (connection refused)")
        assert await there.exit_code() == 69
    assert "urlopen" not in shown
    assert "Errno" not in shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_on_a_terminal_that_is_not_utf_8_signs_are_written_in_ascii(world: World, encoding: str) -> None:
    environ = world.environ(TERM="xterm", PYTHONIOENCODING=encoding, SMALL_MODEL="")
    async with Terminal([*CLAUDE_OR, "doctor"], env=environ, cwd=world.project, rows=60) as there:
        shown = await there.wait_for("leftovers nothing is left")
        assert await there.exit_code() == 0
    assert "sk-or-v1-...sts from OPENROUTER_API_KEY" in shown
    assert "internal error" not in shown
    assert there.raw.isascii()


async def test_in_a_pipe_that_is_not_utf_8_errors_are_written_in_ascii(world: World) -> None:
    done = await world.run(args=("doctor", "--verbos"), PYTHONIOENCODING="ascii")
    assert "\n  -> `claude-or doctor --help`" in done.err
