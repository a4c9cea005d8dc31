"""MCP servers under the real client: what a user has of supervision and relay, and what is left afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from claude_or.session.running import ask as ask_session
from claude_or.session.running import running as running_sessions
from tests.e2e.test_interactive import ready
from tests.fakes.openrouter import KEY, Ask, script
from tests.fakes.replies import Scripted, pause, text, tool_call
from tests.mcp.relayed import fake_command, until
from tests.support.lab import CLAUDE_OR, STREAM, TRUSTING, Lab
from tests.support.mcp import alive, configure, gone_within, mentioning, started

ECHO = "mcp__fake__echo"


def given(result: dict[str, Any]) -> str:
    """What a tool gave, as text."""
    content = result["content"]
    return content if isinstance(content, str) else content[0]["text"]


async def test_a_tool_is_called_and_the_server_knows_no_secret(lab: Lab) -> None:
    lab.extra["ANTHROPIC_LOG"] = "info"
    configure(lab.home, fake=("--stderr", "good morning"))
    calls = [tool_call(ECHO, {"text": "over the relay"})], [tool_call("mcp__fake__environ", {})]
    lab.host.script(script(*calls, text("Done.")))
    done = await lab.ask("use the tools")

    assert (done.code, done.result["result"]) == (0, "Done.")
    assert given(done.tool_results[0]) == "over the relay"
    environ = json.loads(given(done.tool_results[1]))
    assert KEY not in str(environ)
    # The one name of ours says which server it is, so that its strays are found when the session ends.
    foreign = {name for name in environ if name.startswith(("ANTHROPIC", "CLAUDE", "OPENROUTER"))}
    assert foreign <= {"CLAUDE_OR_SERVER"}
    log = lab.home / ".local" / "state" / "claude-or" / "logs" / "mcp" / "fake.log"
    assert "good morning" in log.read_text()
    assert not list((lab.root / "tmp").rglob("mcp.json"))


async def test_a_server_killed_in_a_call_answers_the_next_one(lab: Lab, tmp_path: Path) -> None:
    told = tmp_path / "told"
    configure(lab.home, fake=("--tell", str(told)))
    replies = [tool_call("mcp__fake__die", {})], [tool_call(ECHO, {"text": "alive again"})]
    lab.host.script(script(*replies, text("Done.")))
    done = await lab.ask("use the tools")

    first, second = done.tool_results
    assert first["is_error"]
    assert "was ended by signal 9 during this call; the call may have taken effect" in given(first)
    assert given(second) == "alive again"
    turns = [ask for ask in lab.host.asks if ask.body.get("tools")]
    assert turns[2].started - turns[1].started < 15.0, "from the failure to the next answer, both turns included"
    assert len(started(told)) == 2


async def test_tools_that_came_with_a_restart_can_be_called(lab: Lab, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.write_text("early")
    configure(lab.home, fake=("--tools-file", str(tools)))

    def turns(ask: Ask, _n: int) -> Scripted:
        if not ask.body.get("tools"):
            return text("Something else.")
        results = [message for message in ask.messages if message["role"] == "tool"]
        match len(results):
            case 0:
                tools.write_text("early late")
                return [tool_call("mcp__fake__die", {})]
            case 1:
                return [tool_call("Bash", {"command": "sleep 1", "description": "x"})]
            case 2:
                return [tool_call("ToolSearch", {"query": "select:mcp__fake__late", "max_results": 5})]
            case 3:
                return [tool_call("mcp__fake__late", {})]
            case _:
                return text("Done.")

    lab.host.script(turns)
    done = await lab.ask("use the tools")

    assert given(done.tool_results[-1]) == "late was called"


async def test_six_slow_servers_are_waited_for_side_by_side(lab: Lab, tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(6)]
    # None of them answers before all six are up.
    slow = ("--tell", str(tmp_path / "told"), "--crowd", "6", "--slow-start", "3")
    configure(lab.home, **dict.fromkeys(names, slow))
    calls = [[tool_call(f"mcp__{name}__echo", {"text": name})] for name in names]
    lab.host.script(script(*calls, text("Done.")))
    done = await lab.ask("use the tools")

    assert [given(result) for result in done.tool_results] == names


async def test_an_http_proxy_in_the_environment_is_passed_by(lab: Lab) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))  # nobody listens here
        address = f"http://127.0.0.1:{dead.getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            lab.extra[name] = address
        configure(lab.home, fake=())
        lab.host.script(script([tool_call(ECHO, {"text": "directly"})], text("Done.")))
        done = await lab.ask("use the tool")

    assert given(done.tool_results[0]) == "directly"


async def test_a_server_that_cannot_start_costs_only_itself(lab: Lab) -> None:
    configure(lab.home, bad={"type": "command", "command": "no-such-program-here"}, fake=())
    lab.host.script(script([tool_call(ECHO, {"text": "unharmed"})], text("Done.")))
    done = await lab.ask("use the tool")

    assert given(done.tool_results[0]) == "unharmed"
    init = next(event for event in done.events if event.get("subtype") == "init")
    assert {server["name"]: server["status"] for server in init["mcp_servers"]} == {
        "bad": "failed",
        "fake": "connected",
    }


async def test_the_users_own_servers_stay(lab: Lab, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    command, *args = fake_command()
    lab.write(own, {"mcpServers": {"mine": {"type": "stdio", "command": command, "args": args}}})
    configure(lab.home, fake=())
    replies = [tool_call(ECHO, {"text": "ours"})], [tool_call("mcp__mine__echo", {"text": "theirs"})]
    lab.host.script(script(*replies, text("Done.")))
    done = await lab.ask("use the tools", f"--mcp-config={own}")

    assert [given(result) for result in done.tool_results] == ["ours", "theirs"]


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_a_call_that_is_silent_for_80_seconds_is_answered(lab: Lab) -> None:
    configure(lab.home, fake=())
    lab.host.script(script([tool_call("mcp__fake__sleep", {"seconds": 80})], text("Done.")))
    done = await lab.ask("use the tool", timeout=150)

    assert given(done.tool_results[0]) == "done"
    assert done.seconds > 80


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_a_server_that_may_take_more_than_a_minute_is_waited_for(lab: Lab) -> None:
    slow = {"type": "command", "command": list(fake_command("--slow-start", "65")), "start_timeout": 90}
    configure(lab.home, fake=slow)
    lab.host.script(script([tool_call(ECHO, {"text": "at last"})], text("Done.")))
    done = await lab.ask("use the tool", timeout=150)

    assert given(done.tool_results[0]) == "at last"


@asynccontextmanager
async def running(lab: Lab, told: Path, forks: Path) -> AsyncGenerator[Process]:
    """A session in the middle of an answer, with two servers that ignore TERM and the end of their input, and fork."""
    stubborn = ("--ignore-term", "--ignore-eof", "--tell", str(told))
    configure(lab.home, one=(*stubborn, "--fork", f"{forks}1"), two=(*stubborn, "--fork", f"{forks}2", "--stray"))
    lab.host.script(lambda ask, _n: [text("Hm"), pause(30), text(".")] if ask.body.get("tools") else text("."))
    process = await asyncio.create_subprocess_exec(
        *CLAUDE_OR,
        *("-p", *STREAM, TRUSTING, "hello"),
        cwd=lab.project,
        env=lab.environ(),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        await until(lambda: any(ask.body.get("tools") for ask in lab.host.asks), "no request came", limit=30)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def children(pid: int) -> list[int]:
    """The direct children of a process that run `claude`."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"claude\0" in Path(f"/proc/{child}/cmdline").read_bytes()[:7]]


@pytest.mark.parametrize(
    "end",
    [
        "killing claude-or",
        pytest.param("SIGTERM", marks=pytest.mark.slow),
        pytest.param("SIGHUP", marks=pytest.mark.slow),
        pytest.param("killing claude", marks=pytest.mark.slow),
    ],
)
async def test_five_seconds_after_the_end_nothing_is_left(end: str, lab: Lab, tmp_path: Path) -> None:
    told, forks = tmp_path / "told", tmp_path / "fork"
    async with running(lab, told, forks) as process:
        mine = [*started(told), *(int(Path(f"{forks}{n}").read_text()) for n in (1, 2))]
        assert len(alive(mine)) == 4
        everything = mentioning(str(lab.root))
        assert set(everything) >= set(mine)
        match end:
            case "killing claude-or":
                process.kill()
            case "killing claude":
                (claude,) = children(process.pid)
                everything.append(claude)
                os.kill(claude, signal.SIGKILL)
            case _:
                process.send_signal(getattr(signal, end))
        assert gone_within(everything, 20.0) == []
        await process.wait()
    assert mentioning(str(lab.root)) == []


async def test_five_seconds_after_a_normal_end_nothing_is_left(lab: Lab, tmp_path: Path) -> None:
    told = tmp_path / "told"
    stubborn = ("--ignore-term", "--ignore-eof", "--tell", str(told), "--fork", str(tmp_path / "fork"))
    configure(lab.home, fake=stubborn)
    lab.host.script(script([tool_call(ECHO, {"text": "x"})], text("Done.")))
    done = await lab.ask("use the tool")

    assert done.code == 0
    assert alive([*started(told), int((tmp_path / "fork").read_text())]) == []
    assert mentioning(str(lab.root)) == []


@pytest.mark.slow
async def test_on_a_terminal_a_server_is_restarted_from_another_one_and_leaves_with_the_window(
    lab: Lab, tmp_path: Path
) -> None:
    told, forks = tmp_path / "told", tmp_path / "fork"
    configure(lab.home, fake=("--tell", str(told), "--fork", str(forks)))
    replies = [tool_call(ECHO, {"text": "first words"})], text("One."), [tool_call(ECHO, {"text": "x"})], text("Two.")
    lab.host.script(script(*replies))
    async with lab.terminal(f"--allowedTools={ECHO}") as terminal:
        await ready(terminal)
        await terminal.type_line("use the tool")
        await terminal.wait_for("One.")
        answer = await asyncio.to_thread(control, lab, "POST", "/control/mcp/fake/restart")
        assert (answer["state"], answer["restarts"]) == ("up", 1)
        await ready(terminal)
        await terminal.type_line("use it again")
        await terminal.wait_for("Two.")
        everything = [*mentioning(str(lab.root)), int(forks.read_text())]
        terminal.close_window()
        assert gone_within(everything, 20.0) == []
    assert len(started(told)) == 2


def control(lab: Lab, method: str, path: str) -> Any:
    """Ask the only running session."""
    (session,) = running_sessions(lab.environ())
    status, answer = ask_session(session, method, path)
    assert status == 200, answer
    return answer
