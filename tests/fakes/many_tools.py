"""A stdio MCP server with many tools, for the real client: `python many_tools.py COUNT`.

Speaks just enough of the protocol, line by line: `initialize`, `tools/list`, `tools/call`. Every call answers with its own tool's
name and the word it was given. Standard library alone, so that it starts anywhere.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def tools(count: int) -> list[dict[str, Any]]:
    """`tool_000` and so on, each with a description and a schema of the usual size."""
    word = {"type": "string", "description": "The word to be sent back, exactly as it is given."}
    schema = {"type": "object", "properties": {"word": word}, "required": ["word"]}
    return [
        {
            "name": f"tool_{number:03}",
            "description": f"Sends a word back and says that it was tool number {number} that did so. " * 3,
            "inputSchema": schema,
        }
        for number in range(count)
    ]


def answer(method: str, params: dict[str, Any], count: int) -> dict[str, Any] | None:
    """The result for a request, None for a method that is not spoken."""
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "many", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": tools(count)}
    if method == "tools/call":
        said = f"{params['name']} says {params['arguments']['word']}"
        return {"content": [{"type": "text", "text": said}]}
    return {} if method == "ping" else None


def main() -> None:
    """Serve until the input ends."""
    count = int(sys.argv[1])
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answer(message["method"], message.get("params") or {}, count)
        told = {"error": {"code": -32601, "message": "not spoken here"}} if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **told}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
