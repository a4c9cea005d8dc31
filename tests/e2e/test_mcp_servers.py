"""The relay before MCP servers that other people wrote, used by the real client."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.test_mcp import given
from tests.fakes.openrouter import Ask, script
from tests.fakes.replies import Scripted, text, tool_call
from tests.mcp.relayed import until
from tests.support.lab import Lab
from tests.support.mcp import configure, mentioning
from tests.support.real_servers import real_servers

__all__ = ["real_servers"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def as_entry(program: str, *arguments: str) -> dict[str, Any]:
    """An entry of the user's file."""
    return {"type": "command", "command": [program, *arguments]}


async def page(request: web.Request) -> web.Response:
    """What is fetched."""
    del request
    return web.Response(text="a page of plain words")


async def test_six_real_servers_answer_in_one_session(lab: Lab, real_servers: dict[str, str]) -> None:
    subprocess.run(["git", "init", "-q", str(lab.project)], check=True)
    note = lab.project / "note.txt"
    note.write_text("kept in a file")
    app = web.Application()
    app.router.add_get("/{any:.*}", page)
    async with TestServer(app) as site:
        configure(
            lab.home,
            fetch=as_entry(real_servers["fetch"], "--ignore-robots-txt", "--allow-private-ips"),
            time=as_entry(real_servers["time"], "--local-timezone", "UTC"),
            git=as_entry(real_servers["git"]),
            everything=as_entry(real_servers["everything"]),
            filesystem=as_entry(real_servers["filesystem"], str(lab.project)),
            memory=as_entry(real_servers["memory"])
            | {"environment": {"MEMORY_FILE_PATH": str(lab.root / "memory.json")}},
        )
        entity = {"name": "relay", "entityType": "thing", "observations": ["holds"]}
        calls = [
            tool_call("mcp__fetch__fetch", {"url": str(site.make_url("/page"))}),
            tool_call("mcp__time__get_current_time", {"timezone": "UTC"}),
            tool_call("mcp__git__git_status", {"repo_path": str(lab.project)}),
            tool_call("mcp__everything__echo", {"message": "every thing"}),
            tool_call("mcp__filesystem__read_text_file", {"path": str(note)}),
            tool_call("mcp__memory__create_entities", {"entities": [entity]}),
        ]
        lab.host.script(script(*([call] for call in calls), text("Done.")))
        done = await lab.ask("use the tools", timeout=120)

    said = [given(result) for result in done.tool_results]
    wanted = ["a page of plain words", '"timezone":"UTC"', "note.txt", "every thing", "kept in a file", "relay"]
    for text_given, part in zip(said, wanted, strict=True):
        assert part in text_given
    init = next(event for event in done.events if event.get("subtype") == "init")
    assert {server["status"] for server in init["mcp_servers"]} == {"connected"}
    assert mentioning(str(lab.root)) == []


async def test_a_real_server_killed_in_a_call_is_back_for_the_next_one(lab: Lab, real_servers: dict[str, str]) -> None:
    configure(lab.home, everything=as_entry(real_servers["everything"]))
    killed: list[float] = []

    def turns(ask: Ask, _n: int) -> Scripted:
        if not ask.body.get("tools"):
            return text("Something else.")
        match len([message for message in ask.messages if message["role"] == "tool"]):
            case 0:
                return [tool_call("mcp__everything__trigger-long-running-operation", {"duration": 60, "steps": 3})]
            case 1:
                return [tool_call("mcp__everything__echo", {"message": "back"})]
            case _:
                killed.append(time.monotonic())
                return text("Done.")

    lab.host.script(turns)
    session = asyncio.create_task(lab.ask("use the tools"))
    await until(lambda: len([ask for ask in lab.host.asks if ask.body.get("tools")]) == 1, limit=30)
    await asyncio.sleep(2)  # the call is on its way to the server, and lasts a minute
    for pid in mentioning("mcp-server-everything"):
        os.kill(pid, signal.SIGKILL)
    killed.append(time.monotonic())
    done = await session

    assert "during this call" in given(done.tool_results[0])
    assert "back" in given(done.tool_results[1])
    assert killed[1] - killed[0] < 4.0, "the failure, a turn of the model, the next call and its answer"


async def test_servers_that_uvx_and_npx_bring_are_warmed_and_used(lab: Lab) -> None:
    uvx, npx = shutil.which("uvx"), shutil.which("npx")
    assert uvx, "uv is needed: pip install uv"
    assert npx, "Node.js is needed"
    lab.extra["PATH"] = ":".join([os.path.dirname(uvx), os.path.dirname(npx), "/usr/bin", "/bin"])
    trust = {name: os.environ[name] for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS") if name in os.environ}
    lab.extra |= trust
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    configure(
        lab.home,
        time={
            "type": "python",
            "command": "uvx mcp-server-time --local-timezone UTC",
            "python_version": python,
            "inherit": list(trust),
        },
        memory={
            "type": "node",
            "command": "npx -y @modelcontextprotocol/server-memory",
            "environment": {"MEMORY_FILE_PATH": str(lab.root / "memory.json")},
            "inherit": list(trust),
        },
    )
    warmed = await lab.run("mcp", "warm", "--json", timeout=300)
    assert warmed.code == 0, warmed.stdout
    found = {one["name"]: one for one in json.loads(warmed.stdout)["data"]}
    assert all(one["works"] for one in found.values())
    assert f"python{python}" in found["time"]["interpreter"], "the one that uv chose"

    calls = [tool_call("mcp__time__get_current_time", {"timezone": "UTC"}), tool_call("mcp__memory__read_graph", {})]
    lab.host.script(script(*([call] for call in calls), text("Done.")))
    done = await lab.ask("use the tools", timeout=120)
    said = [given(result) for result in done.tool_results]
    assert '"timezone":"UTC"' in said[0]
    assert "entities" in said[1]
    assert mentioning(str(lab.root)) == []
