"""Tools that `claude-or` itself calls, beside the client and without it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from claude_or.mcp.calling import CallFailed
from tests.mcp.relayed import launch_of, relayed, text_in, until


def said(result: dict[str, object]) -> str:
    """What a tool gave."""
    return text_in({"result": result})


async def test_it_is_called_before_any_client_came_and_the_client_can_come_afterwards(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        assert said(await there.fleet.call_tool("fake", "echo", {"text": "hi"})) == "hi"
        async with there.client() as client:
            assert "echo" in [tool.name for tool in (await client.list_tools()).tools]
        assert json.loads(said(await there.fleet.call_tool("fake", "seen", {}))).count("initialize") == 1


async def test_it_waits_for_a_server_that_is_not_ready(tmp_path: Path) -> None:
    async with relayed(tmp_path, "--slow-start", "0.3") as there:
        assert said(await there.fleet.call_tool("fake", "echo", {"text": "hi"})) == "hi"


async def test_a_tool_that_is_hidden_from_the_client_may_be_called(tmp_path: Path) -> None:
    async with relayed(tmp_path, launches=[launch_of(tmp_path, deny=("echo",))]) as there:
        sid = await there.session()
        assert "switched off" in (await there.call(sid, "echo", text="hi"))["error"]["message"]
        assert said(await there.fleet.call_tool("fake", "echo", {"text": "hi"})) == "hi"


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        await there.fleet.call_tool("fake", "echo", {})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await there.fleet.call_tool("fake", "deaf", {})
        assert not there.server.link.busy
        cancelled: list[int] = []
        while not cancelled:
            cancelled = json.loads(said(await there.fleet.call_tool("fake", "cancelled", {})))


async def test_what_the_server_asks_meanwhile_goes_to_the_client_and_not_to_us(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there, there.client() as client:
        call = asyncio.create_task(there.fleet.call_tool("fake", "search_ask", {"query": "zebras"}))
        await until(
            lambda: there.server.link.busy or call.done()
        )  # where the client listens already, it answers at once
        await client.list_tools()  # else this is a way to the client; it says that it has no roots
        assert "https://zebras.org/stripes" in said(await call)


@pytest.mark.parametrize(
    ("name", "tool", "why"),
    [
        ("other", "echo", r"no MCP server other is supervised in this session \(there are: fake\)"),
        ("fake", "die", "MCP server fake"),
        ("fake", "nan", "not valid JSON"),
    ],
)
async def test_failures_are_told(tmp_path: Path, name: str, tool: str, why: str) -> None:
    async with relayed(tmp_path) as there:
        with pytest.raises(CallFailed, match=why):
            await there.fleet.call_tool(name, tool, {})


async def test_an_error_of_the_server_is_told_in_its_words(tmp_path: Path) -> None:
    async with relayed(tmp_path, "--refuse", "not today") as there:
        with pytest.raises(CallFailed, match="not today"):
            await there.fleet.call_tool("fake", "echo", {})


async def test_at_the_end_of_the_session_nobody_waits(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        await there.fleet.call_tool("fake", "echo", {})
        call = asyncio.create_task(there.fleet.call_tool("fake", "deaf", {}))
        await until(lambda: there.server.link.busy)
    with pytest.raises(CallFailed, match="the session is over"):
        await call
