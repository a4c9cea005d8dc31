"""The relay as clients meet it: the real door before real processes of the fake server.

async with relayed(tmp_path) as there:
    async with there.client() as client:
        await client.call_tool("echo", {"text": "hi"})
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import msgspec
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from claude_or.mcp.fleet import Fleet
from claude_or.mcp.health import Get, get_status
from claude_or.mcp.launch import McpHealth, McpLaunch
from claude_or.mcp.relay import HOLD
from claude_or.mcp.server import McpServer
from tests.proxy.gateway import CONTROL, Door, gateway

FAKE = str(Path(__file__).parents[1] / "fakes" / "mcp_server.py")
PYTHON = os.path.realpath(sys.executable)
BEARER = "bearer-of-this-server"
NO_PINGS = McpHealth(ping=False)
VERSION = "2025-11-25"


def fake_command(*options: str) -> tuple[str, ...]:
    """The fake server's command line; without site packages it is up in some 40 ms."""
    return (PYTHON, "-S", "-E", FAKE, *options)


def launch_of(folder: Path, *options: str, name: str = "fake", **more: Any) -> McpLaunch:
    """How the fake server is started."""
    more.setdefault("commands", (fake_command(*options),))
    more.setdefault("env", {"PATH": os.environ["PATH"], "HOME": str(folder)})
    more.setdefault("health", NO_PINGS)
    return McpLaunch(name=name, cwd=str(folder), **more)


async def until(holds: Callable[[], object], otherwise: str = "it did not come to that", limit: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.01)


@dataclass
class Relayed:
    """A door with servers behind it."""

    door: Door
    fleet: Fleet
    guarded: list[str] = field(default_factory=list[str])
    """Lines that the guardian got."""

    @property
    def server(self) -> McpServer:
        """The only one."""
        (server,) = self.fleet.servers.values()
        return server

    def url(self, name: str = "fake") -> str:
        """A server's address."""
        return f"{self.door.url}/mcp/{name}"

    @asynccontextmanager
    async def client(self, name: str = "fake", **callbacks: Any) -> AsyncGenerator[Client]:
        """The protocol's own client, connected."""
        headers = {"authorization": f"Bearer {BEARER}-{name}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
            transport = streamable_http_client(self.url(name), http_client=http)
            async with Client(transport, mode="legacy", **callbacks) as client:
                yield client

    def open(self, message: Any, *, name: str = "fake", method: str = "POST", **headers: str) -> Any:
        """A request by hand; an async context manager. `headers`: underscores mean hyphens."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        return self.door.client.request(
            method,
            self.url(name),
            data=None if message is None else io.BytesIO(body),
            headers={"content-type": "application/json", "authorization": f"Bearer {BEARER}-{name}", **named},
        )

    async def post(self, message: Any, **named: str) -> tuple[int, Any, Any]:
        """Status, headers and JSON body (None without one) of a message by hand."""
        async with self.open(message, **named) as answer:
            body = await answer.read()
            return answer.status, answer.headers, _message(answer, body) if body else None

    async def session(self, name: str = "fake", **params: Any) -> str:
        """Initialise by hand; the session's id."""
        status, headers, body = await self.post(initialize(**params), name=name)
        assert status == 200, body
        assert "result" in body, body
        sid = headers["mcp-session-id"]
        assert (await self.post(note("notifications/initialized"), name=name, mcp_session_id=sid))[0] == 202
        return sid

    async def call(self, sid: str, tool: str, *, id_: int | str = 7, name: str = "fake", **arguments: Any) -> Any:
        """Call a tool by hand; the response."""
        _, _, body = await self.post(called(tool, id_=id_, **arguments), name=name, mcp_session_id=sid)
        return body

    async def control(self, method: str, path: str) -> Any:
        """Ask as our own commands do."""
        answer = await self.door.ask(method, path, headers={"authorization": f"Bearer {CONTROL}"})
        return answer.json


def _message(answer: aiohttp.ClientResponse, body: bytes) -> Any:
    if answer.content_type != "text/event-stream":
        return msgspec.json.decode(body)
    return messages_in(body)[-1]


def messages_in(body: bytes) -> list[Any]:
    """The messages of an event stream."""
    return [msgspec.json.decode(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]


def initialize(id_: Any = 1, **capabilities: Any) -> dict[str, Any]:
    """The first message."""
    params = {"protocolVersion": VERSION, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}
    return {"jsonrpc": "2.0", "id": id_, "method": "initialize", "params": params}


def note(method: str, **params: Any) -> dict[str, Any]:
    """A notification."""
    return {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}


def called(tool: str, *, id_: Any = 7, **arguments: Any) -> dict[str, Any]:
    """A call of a tool."""
    return {
        "jsonrpc": "2.0",
        "id": id_,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def text_in(response: Any) -> str:
    """What a tool gave."""
    return response["result"]["content"][0]["text"]


@asynccontextmanager
async def relayed(
    folder: Path,
    *options: str,
    launches: list[McpLaunch] | None = None,
    get: Get = get_status,
    hold: float = HOLD,
    **more: Any,
) -> AsyncGenerator[Relayed]:
    """A door before one fake server with these options, or before `launches`."""
    launches = launches or [launch_of(folder, *options, **more)]
    guarded: list[str] = []
    fleet = Fleet(
        launches,
        tokens={launch.name: f"{BEARER}-{launch.name}" for launch in launches},
        born={},
        guard=guarded.append,
        log_folder=str(folder / "logs" / "mcp"),
        get=get,
        hold=hold,
    )
    async with gateway(None, servers=fleet) as door, fleet:
        yield Relayed(door, fleet, guarded)
