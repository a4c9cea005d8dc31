"""The MCP servers' share of a launch: started before `claude`, so that they are ready when it asks, and told to it in a file.

Each server has a token of its own, which stands in that file (0600, in the run folder) and nowhere else. Light: with no servers
configured nothing of this is even imported.
"""

from __future__ import annotations

import os
import sys

from claude_or.mcp.spawn import Born, spawn

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

FILE = "mcp.json"
CONNECT_VARIABLE = "MCP_TIMEOUT"
"""How long Claude Code waits for a server's first answer, in milliseconds."""
CONNECT_LIMIT = 30.0
"""What it waits by itself, in seconds. Source: Claude Code 2.1.330, seen."""
ABOVE_LIMIT = 5.0


class Servers:
    """The servers of one session as the launch left them: plain launches, processes and tokens by name."""

    __slots__ = ("born", "launches", "passed", "tokens")

    def __init__(self, plain: Mapping[str, Any]) -> None:
        self.launches: list[dict[str, Any]] = plain["launches"]
        self.passed: dict[str, Any] = plain["passed"]
        self.tokens = {launch["name"]: os.urandom(32).hex() for launch in self.launches}
        self.born: dict[str, Born] = {}

    def start(self, guard: Callable[[str], None]) -> None:
        """Start each server's first command. What cannot be started is tried again, and told, by its supervision."""
        for launch in self.launches:
            try:
                born = spawn(tuple(launch["commands"][0]), launch["env"], launch["cwd"], guard)
            except OSError:
                continue
            self.born[launch["name"]] = born

    def configuration(self, url: str) -> str:
        """The client's MCP configuration, as JSON. Names and tokens hold nothing that would need escaping."""
        entries = [
            f'"{name}":{{"type":"http","url":"{url}/mcp/{name}","headers":{{"Authorization":"Bearer {token}"}}}}'
            for name, token in self.tokens.items()
        ]
        if self.passed:
            import json

            entries += [f"{json.dumps(name)}:{json.dumps(entry)}" for name, entry in self.passed.items()]
        return '{"mcpServers":{' + ",".join(entries) + "}}\n"

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """What `claude` needs in its environment: more patience, when a server is allowed more than it has by itself."""
        longest = max((launch["start_timeout"] for launch in self.launches), default=0.0) + ABOVE_LIMIT
        if longest <= CONNECT_LIMIT or environ.get(CONNECT_VARIABLE):
            return {}
        return {CONNECT_VARIABLE: str(int(longest * 1000))}


def servers_of(plain: Mapping[str, Any] | None) -> Servers | None:
    """The servers in a launch plan; None when there are none. Warnings go to stderr."""
    if plain is None:
        return None
    for warning in plain["warnings"]:
        sys.stderr.write(f"claude-or: {warning}\n")
    return Servers(plain) if plain["launches"] or plain["passed"] else None
