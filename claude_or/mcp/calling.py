"""Calls a tool of a supervised server for `claude-or` itself: a client inside, beside Claude Code, with the same manners.

Used by the web search of models that cannot search (`web_search: {source: mcp}`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from claude_or import __version__
from claude_or.mcp.link import Link
from claude_or.mcp.messages import Fields, Message, fields_of, parse, raw, request, text_of
from claude_or.mcp.sessions import Exchange

PROTOCOL: Final = "2025-11-25"

_RESULT: Final = msgspec.json.Decoder(dict[str, Any])


class CallFailed(Exception):
    """A call without a result. The message is for the log; the server's own words may be in it."""


async def call_tool(link: Link, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The protocol's `CallToolResult`. Raises `CallFailed`. Has no limit of its own; when it is cancelled, the server is told.

    A tool that the settings hide from Claude Code may be called here: the settings name it.
    """
    if not link.introduced:
        # Claude Code introduces itself when it starts. Where it does not (`--strict-mcp-config`), nobody else can.
        about = {"name": "claude-or", "version": __version__}
        await _asked(link, "initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": about})
    answer = await _asked(link, "tools/call", {"name": tool, "arguments": arguments})
    try:
        return _RESULT.decode(answer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise CallFailed(f"MCP server {link.launch.name} gave no result of a tool") from None


async def _asked(link: Link, method: str, params: dict[str, Any]) -> bytes:
    fields: Fields = request(0, method, params)
    exchange = Exchange(Message("request", method, raw(0), fields), None)
    link.request(exchange)
    try:
        lines = await exchange.outbox.take()
    finally:
        link.drop(exchange)
    answered = [message.fields for data in lines for message in parse(data) if message.kind == "response"]
    if not answered:
        raise CallFailed(f"MCP server {link.launch.name} ended without an answer")
    answer = answered[-1]
    if "error" in answer:
        raise CallFailed(text_of(fields_of(answer["error"]).get("message")) or "the server told an error without words")
    return bytes(answer["result"])
