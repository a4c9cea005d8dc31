"""What the launch does for MCP servers before `claude` runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from claude_or.mcp.launch import McpSetup, setup_to_plain
from claude_or.session.servers import Servers, servers_of
from tests.mcp.relayed import launch_of


def servers(tmp_path: Path, *names: str, **more: object) -> Servers:
    """The servers of a launch."""
    launches = tuple(launch_of(tmp_path, name=name, **more) for name in names)
    passed = {'a "remote"': {"type": "http", "url": "https://example.org/mcp", "headers": {"x": "ä\n"}}}
    return Servers(setup_to_plain(McpSetup(launches=launches, passed=passed)))


def test_the_file_names_each_server_with_a_bearer_of_its_own(tmp_path: Path) -> None:
    made = servers(tmp_path, "one", "two")
    told = json.loads(made.configuration("http://127.0.0.1:1234"))["mcpServers"]

    assert list(told) == ["one", "two", 'a "remote"']
    assert told["one"]["url"] == "http://127.0.0.1:1234/mcp/one"
    bearers = {told[name]["headers"]["Authorization"] for name in ("one", "two")}
    assert bearers == {f"Bearer {token}" for token in made.tokens.values()}
    assert len(bearers) == 2
    assert all(len(token) >= 64 for token in made.tokens.values())
    assert told['a "remote"'] == {"type": "http", "url": "https://example.org/mcp", "headers": {"x": "ä\n"}}


def test_each_server_is_started_in_a_session_of_its_own_and_told_to_the_guardian(tmp_path: Path) -> None:
    told: list[str] = []
    made = servers(tmp_path, "one")
    here = os.getcwd()
    made.start(told.append)
    born = made.born["one"]
    try:
        assert os.getcwd() == here
        assert os.getsid(born.pid) == os.getpgid(born.pid) == born.pid
        assert os.readlink(f"/proc/{born.pid}/cwd") == os.path.realpath(tmp_path)
        lines = "\n".join(told).splitlines()
        assert [line.split()[0] for line in lines] == ["+mark", "+pipe", "+pgid"]
        assert lines[2].split()[1] == str(born.pid)
    finally:
        for handle in (born.stdin, born.stdout, born.stderr):
            os.close(handle)
        assert os.waitpid(born.pid, 0)[0] == born.pid


def test_a_server_that_cannot_be_started_does_not_stop_the_launch(tmp_path: Path) -> None:
    made = servers(tmp_path, "bad", commands=(("no-such-program",),))
    made.start(lambda line: None)
    assert made.born == {}


def test_a_program_is_searched_on_the_servers_own_path(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "own-program"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o700)
    made = servers(tmp_path, "one", commands=(("own-program",),), env={"PATH": str(folder)})
    made.start(lambda line: None)
    born = made.born["one"]
    assert os.waitstatus_to_exitcode(os.waitpid(born.pid, 0)[1]) == 7
    for handle in (born.stdin, born.stdout, born.stderr):
        os.close(handle)


def test_the_client_waits_as_long_as_the_slowest_server_may_take(tmp_path: Path) -> None:
    assert servers(tmp_path, "one").variables({}) == {}
    slow = servers(tmp_path, "one", start_timeout=120.0)
    assert slow.variables({}) == {"MCP_TIMEOUT": "125000"}
    assert slow.variables({"MCP_TIMEOUT": "1000"}) == {}, "what the user said counts"


def test_without_servers_there_is_nothing() -> None:
    assert servers_of(None) is None
    assert servers_of(setup_to_plain(McpSetup())) is None
