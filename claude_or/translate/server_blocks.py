"""Blocks of tools that ran on a server, in a conversation that began elsewhere: told as short text.

A session may start on a host that searches and fetches by itself and go on here. What its tools were asked and what they found
still matters; their encrypted parts mean nothing to another host and are left out, but for
those that were sealed here (`web_search.py`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from claude_or.translate.web_search import unsealed

_MOST: Final = 20_000
"""Characters kept of one result: enough for a page, not for a site."""

RESULTS: Final = frozenset({
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_result",
    "advisor_tool_result",
})
CALLS: Final = frozenset({"server_tool_use", "mcp_tool_use"})


def server_text(block: dict[str, Any]) -> str:
    """What stands in the assistant's text for a call or a result of a server's tool."""
    if block["type"] in CALLS:
        given = block.get("input")
        asked = msgspec.json.encode(given).decode() if given else ""
        return f"[{block.get('name', 'tool')} {asked}".rstrip() + "]"
    name = block["type"].removesuffix("_tool_result").replace("_", " ")
    found = _text(block.get("content")).strip()
    if len(found) > _MOST:
        found = found[:_MOST] + "…"
    return f"[{name} result]\n{found}" if found else f"[{name} result: nothing]"


def _text(content: Any) -> str:
    """The readable parts of a result, one per line."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for entry in content if (text := _text(entry)))
    if not isinstance(content, dict):
        return ""
    if code := content.get("error_code"):
        return f"failed: {code}"
    if url := content.get("url"):
        title = content.get("title") or ""
        inner = _text(content.get("content")) or unsealed(content.get("encrypted_content"))
        return "\n".join(part for part in (f"{title} {url}".strip(), inner) if part)
    if name := content.get("tool_name"):
        return str(name)
    lines = [_text(content.get(key)) for key in ("title", "text", "stdout", "stderr", "tool_references", "content")]
    source = content.get("source")
    if isinstance(source, dict) and source.get("type") in {"text", "content"}:
        lines.append(_text(source.get("data") or source.get("content")))
    return "\n".join(line for line in lines if line)
