"""What a launch does for MCP servers, and what it does not when there are none."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from pathlib import Path

import pytest

from tests.mcp.relayed import fake_command
from tests.stories.conftest import World, is_alive, until
from tests.support.mcp import configure, started
from tests.support.terminal import ENTER, Terminal

ROOT = Path(__file__).parents[2]


async def test_a_session_without_servers_loads_nothing_for_them(world: World) -> None:
    await world.run(["ask"])
    done = await world.run(["ask"], PYTHONPROFILEIMPORTTIME="1")

    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    assert "claude_or.session.gateway" in loaded
    assert {name for name in loaded if name.startswith(("claude_or.mcp.", "claude_or.session.servers"))} == set()


async def test_the_child_is_told_of_its_servers_in_a_file_of_the_user_alone(world: World) -> None:
    told_at = world.folder / "servers"
    remote = {"type": "http", "url": "https://example.org/mcp"}
    configure(world.home, fake=("--tell", str(told_at)), far=remote)
    running = await world.start(["wait", "GO"])
    told = await running.until_told()
    await until(lambda: started(told_at), "the server was not started")
    (path,) = [argument.partition("=")[2] for argument in told["arguments"] if argument.startswith("--mcp-config=")]
    servers = json.loads(Path(path).read_text(encoding="utf-8"))["mcpServers"]
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert servers["fake"]["url"].startswith(told["environment"]["ANTHROPIC_BASE_URL"] + "/mcp/")
    assert servers["far"] == remote
    bearer = servers["fake"]["headers"]["Authorization"].removeprefix("Bearer ")
    assert bearer not in str(told)
    running.let_go()
    done = await running.done()

    assert done.code == 0
    assert not Path(path).exists()
    assert not any(is_alive(pid) for pid in started(told_at))


async def test_a_failed_launch_leaves_no_server(world: World) -> None:
    told_at = world.folder / "servers"
    configure(world.home, fake=("--tell", str(told_at), "--ignore-eof", "--ignore-term"))
    broken = world.folder / "broken"
    broken.mkdir()
    (broken / "aiohttp.py").write_text("raise OSError('no space left on device')\n", encoding="utf-8")
    done = await world.run(["wait", "GO"], PYTHONPATH=f"{broken}:{Path(__file__).parents[2]}")

    assert done.code == 71
    assert not any(is_alive(pid) for pid in started(told_at))


async def test_killing_claude_or_before_it_serves_leaves_no_server(world: World) -> None:
    told_at = world.folder / "servers"
    configure(world.home, fake=("--tell", str(told_at), "--ignore-eof", "--ignore-term"))
    running = await world.start(["wait", "GO"])
    await until(lambda: started(told_at), "no server was started")
    running.signal(signal.SIGKILL)
    await running.process.wait()

    await until(lambda: not any(is_alive(pid) for pid in started(told_at)), "the server outlived claude-or", limit=5.0)


async def test_a_server_that_did_not_work_is_named_at_the_end(world: World) -> None:
    configure(world.home, bad={"type": "command", "command": "no-such-program-here"}, fake=())
    done = await world.run(["ask"])

    assert done.code == 0
    said = [line for line in done.err.splitlines() if "MCP" in line]
    assert len(said) == 1
    assert said[0].startswith(
        "claude-or: MCP server bad cannot be started: no such program: no-such-program-here; its log is "
    )


async def test_a_dry_run_shows_the_servers_without_their_secrets_and_starts_none(world: World) -> None:
    told_at = world.folder / "servers"
    entry = {"type": "command", "command": list(fake_command("--tell", str(told_at)))}
    configure(world.home, fake=entry | {"environment": {"API_TOKEN": "hidden-value"}})
    done = await world.run(args=("--dry-run", "-p", "hi"))

    assert done.code == 0
    assert "--mcp-config=MCP_FILE" in done.out
    assert "fake: " in done.out
    assert "API_TOKEN" in done.out
    assert "hidden-value" not in done.out
    assert started(told_at) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_at_any_moment_claude_or_leaves_no_server(world: World) -> None:
    told_at = world.folder / "servers"
    stubborn = ("--tell", str(told_at), "--ignore-eof", "--ignore-term")
    configure(world.home, one=stubborn, two=stubborn, three=stubborn)
    await world.run(["exit", 0])  # from here on the launch is cached
    for turn in range(30):
        running = await world.start(["wait", "GO"])
        await asyncio.sleep(0.04 * turn)  # from before the first server runs until after the proxy serves
        running.signal(signal.SIGKILL)
        await running.process.wait()
    await until(lambda: not any(is_alive(pid) for pid in started(told_at)), "a server outlived claude-or", limit=5.0)
    assert len(started(told_at)) > 20


async def test_servers_of_a_project_are_not_started_before_they_are_approved(world: World) -> None:
    told_at = world.folder / "servers"
    command = json.dumps(list(fake_command("--tell", str(told_at))))
    (world.project / ".claude-or.yaml").write_text(f"servers:\n  theirs: {{command: {command}}}\n", encoding="utf-8")
    done = await world.run(["ask"])

    assert done.code == 0
    assert not told_at.exists()
    assert "MCP servers of this project are left out (theirs)" in done.err

    done = await world.run(["ask"], args=("--trust-mcp", "-p", "hi"))
    assert done.code == 0
    assert len(started(told_at)) == 1
    assert "left out" not in done.err
    assert not any(is_alive(pid) for pid in started(told_at))


async def test_files_may_be_named_on_the_command_line(world: World) -> None:
    for name in ("one", "two"):
        command = json.dumps(list(fake_command("--tell", str(world.folder / name))))
        path = world.project / f"{name}.yaml"
        path.write_text(f"servers:\n  {name}: {{command: {command}}}\n", encoding="utf-8")
    done = await world.run(["ask"], args=("--mcp", "one.yaml", "--mcp=two.yaml", "-p", "hi"))

    assert done.code == 0
    assert [len(started(world.folder / name)) for name in ("one", "two")] == [1, 1]


async def test_a_mistake_in_a_file_of_servers_stops_the_launch_with_the_fix(world: World) -> None:
    configure(world.home, a={"type": "python", "command": "x", "python_version": 3.1})
    done = await world.run(["ask"])

    assert done.code == 78
    assert "mcp_servers.yaml:4: servers.a.python_version: put the version in quotes" in done.err


async def test_commands_reach_the_servers_of_a_running_session(world: World) -> None:
    told_at = world.folder / "servers"
    configure(world.home, fake=("--tell", str(told_at)))
    running = await world.start(["wait", "GO"])
    await running.until_told()
    await until(lambda: started(told_at), "the server was not started")

    status = json.loads((await world.run(args=("mcp", "status", "--json"))).out)
    (session,) = status["data"]
    assert [one["name"] for one in session["servers"]] == ["fake"]
    restarted = json.loads((await world.run(args=("mcp", "restart", "fake", "--json"))).out)
    assert restarted["data"][0]["name"] == "fake"
    await until(lambda: len(started(told_at)) == 2, "it was not started anew")
    unknown = await world.run(args=("mcp", "restart", "fke"))
    assert "did you mean fake?" in unknown.err
    running.let_go()
    assert (await running.done()).code == 0


async def test_on_a_terminal_a_projects_servers_are_asked_about_once_and_after_each_change(world: World) -> None:
    mark = world.folder / "started"
    script = f"import pathlib, sys; pathlib.Path({str(mark)!r}).touch(); sys.stdin.read()"

    def project(name: str) -> None:
        command = json.dumps([sys.executable, "-c", script])
        text = f"servers:\n  {name}: {{type: command, command: {command}}}\n"
        (world.project / ".claude-or.yaml").write_text(text, encoding="utf-8")

    async def ran(answer: str | None) -> bool:
        """Whether the server ran, with this answer, or without a question."""
        mark.unlink(missing_ok=True)
        environ = world.environ(FAKE_CLAUDE=json.dumps([["stream"]]), PYTHONPATH=str(ROOT), TERM="xterm")
        argv = [sys.executable, "-m", "claude_or.cli.main"]
        async with Terminal(argv, env=environ, cwd=world.project) as terminal:
            if answer is not None:
                shown = await terminal.wait_for("[y/N]")
                assert "names MCP servers" in shown.replace("\n", "")
                terminal.send(answer, ENTER)
            shown = await terminal.wait_for("Hello from the host.")
            assert ("[y/N]" in shown) == (answer is not None)
            assert await terminal.exit_code() == 0
        return mark.exists()

    async def rehearsed() -> str:
        environ = world.environ(PYTHONPATH=str(ROOT), TERM="xterm")
        argv = [sys.executable, "-m", "claude_or.cli.main", "--dry-run"]
        async with Terminal(argv, env=environ, cwd=world.project, rows=400) as terminal:
            assert await terminal.exit_code() == 0
            return terminal.screen().replace("\n", "")

    project("one")
    shown = await rehearsed()  # asks nothing, and says what would be left out
    assert "[y/N]" not in shown
    assert "claude-or mcp trust" in shown
    assert not await ran("n")
    assert await ran("y")
    assert await ran(None)
    project("two")
    assert not await ran("")
