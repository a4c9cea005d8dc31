"""Two hundred tools of an MCP server on a plain chat model: cheap to have, and every one can be called."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from tests.fakes.openrouter import Ask, script
from tests.fakes.replies import Scripted, text, tool_call
from tests.support.lab import Lab

SERVER = Path(__file__).parents[1] / "fakes" / "many_tools.py"
COUNT = 200
TRIED = ("mcp__many__tool_000", "mcp__many__tool_100", "mcp__many__tool_199")


def weight(ask: Ask) -> int:
    """About how many tokens the offered tools and the words about deferred ones take, at four bytes each."""
    first = [message for message in ask.messages if message["role"] in ("system", "user")]
    return len(msgspec.json.encode([ask.body["tools"], first])) // 4


def with_server(lab: Lab) -> tuple[str, str]:
    """The client's options that connect the server."""
    lab.write(
        lab.root / "mcp.json", {"mcpServers": {"many": {"command": sys.executable, "args": [str(SERVER), str(COUNT)]}}}
    )
    return "--strict-mcp-config", f"--mcp-config={lab.root / 'mcp.json'}"


async def test_two_hundred_tools_are_cheap_and_each_is_callable(lab: Lab) -> None:
    lab.host.script([text("Nothing else.")])
    await lab.ask("hello", "--strict-mcp-config")
    plain = lab.host.asks[-1]

    replies: list[Scripted] = []
    for number, name in enumerate(TRIED):
        replies.append(tool_call("ToolSearch", {"query": f"select:{name}", "max_results": 3}))
        replies.append(tool_call(name, {"word": f"word-{number}"}))
    lab.host.script(script(*replies, text("All three called.")))
    done = await lab.ask("call them", *with_server(lab))

    assert (done.code, done.result["result"]) == (0, "All three called."), done.stdout[-2000:]
    first, last = lab.host.asks[1], lab.host.asks[-1]
    assert not [name for name in first.tools if name.startswith("mcp__")]
    assert set(TRIED) == {name for name in last.tools if name.startswith("mcp__")}
    assert 0 < weight(first) - weight(plain) < 2_000
    told = [str(block["content"]) for block in done.tool_results]
    for number, name in enumerate(TRIED):
        assert f"{name.removeprefix('mcp__many__')} says word-{number}" in told[2 * number + 1]
    offered = next(tool["function"] for tool in last.body["tools"] if tool["function"]["name"] == TRIED[-1])
    assert offered["parameters"]["required"] == ["word"]
    assert not any("defer_loading" in ask.raw.decode() for ask in lab.host.asks)


async def test_without_tool_search_every_tool_is_offered_at_once(lab: Lab) -> None:
    lab.write(lab.home / ".config" / "claude-or" / "config.yaml", {"client": {"tool_search": False}})
    lab.host.script(script(tool_call(TRIED[1], {"word": "straight"}), text("Called.")))
    done = await lab.ask("call it", *with_server(lab))

    assert (done.code, done.result["result"]) == (0, "Called."), done.stdout[-2000:]
    first = lab.host.asks[0]
    assert len([name for name in first.tools if name.startswith("mcp__many__")]) == COUNT
    assert "ToolSearch" not in first.tools
    assert "tool_100 says straight" in str(done.tool_results[0]["content"])
