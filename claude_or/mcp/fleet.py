"""All servers of a session: started together, reached together, and gone together within five seconds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from claude_or.log import get_log, keep_secret
from claude_or.mcp.calling import CallFailed, call_tool
from claude_or.mcp.health import Get, get_status
from claude_or.mcp.launch import McpLaunch
from claude_or.mcp.relay import HOLD, Relay
from claude_or.mcp.server import McpServer

if TYPE_CHECKING:
    from aiohttp import web

    from claude_or.mcp.spawn import Born

STOP_BOUND: Final = 5.0
"""Seconds until every server and its group is gone."""
LAST_BOUND: Final = 1.0
PREFIX: Final = "/mcp/"

_log = get_log("mcp")


class Fleet:
    """The supervised servers. An async context manager; requests that come before it was entered wait.

    `tokens` are the bearers by server, `born` the processes that the launch started, `guard` writes a line to the guardian.
    """

    def __init__(
        self,
        launches: Sequence[McpLaunch],
        *,
        tokens: Mapping[str, str],
        born: Mapping[str, Born],
        guard: Callable[[str], None],
        log_folder: str,
        get: Get = get_status,
        hold: float = HOLD,
    ) -> None:
        self._tokens = dict(tokens)
        self.secrets = (*tokens.values(), *(secret for launch in launches for secret in launch.secrets))
        """What no log may hold."""
        keep_secret(*self.secrets)
        self.servers = {
            launch.name: McpServer(
                launch,
                os.path.join(log_folder, f"{launch.name}.log"),
                born=born.get(launch.name),
                guard=guard,
                get=get,
            )
            for launch in launches
        }
        self.troubles: list[str] = []
        """At the end: which servers did not work, and why, one line each."""
        self._relay = Relay(self.servers, hold)

    async def __aenter__(self) -> Self:
        for server in self.servers.values():
            server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        failed = [told for told in self.told() if told["state"] == "failed"]
        self.troubles = [f"MCP server {told['name']} {told['last_error']}; its log is {told['log']}" for told in failed]
        # Streams first: an open one would keep the HTTP server from closing.
        for server in self.servers.values():
            await server.link.close()
        stops = [asyncio.create_task(server.stop()) for server in self.servers.values()]
        if not stops:
            return
        late = (await asyncio.wait(stops, timeout=STOP_BOUND))[1]
        if late:
            _log.warning("MCP servers did not end in time", count=len(late))
            for server in self.servers.values():
                server.kill()
            await asyncio.wait(late, timeout=LAST_BOUND)

    def routes(self) -> list[web.RouteDef]:
        """What is served below `/mcp/`."""
        return self._relay.routes()

    def token_of(self, path: str) -> str:
        """The bearer that a path asks for; empty when there is no such server."""
        return self._tokens.get(path.removeprefix(PREFIX), "")

    def told(self) -> list[dict[str, Any]]:
        """Each server as `/control/mcp` tells it."""
        return [server.told() for server in self.servers.values()]

    async def call_tool(self, name: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool of a server for `claude-or` itself; the protocol's `CallToolResult`. Raises `CallFailed`."""
        server = self.servers.get(name)
        if server is None:
            known = ", ".join(sorted(self.servers)) or "none"
            raise CallFailed(f"no MCP server {name} is supervised in this session (there are: {known})")
        return await call_tool(server.link, tool, arguments)

    async def restart(self, name: str) -> dict[str, Any] | None:
        """Start a server anew; how it is told then, None when there is none of this name."""
        server = self.servers.get(name)
        if server is None:
            return None
        await server.restart()
        return server.told()
