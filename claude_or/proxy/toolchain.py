"""Which tools an answer calls, for the log: their names in order, never what they are called with.

Read beside one another, the lines of a session's requests tell its chain of tools, and the time between two of them how long the
client took to run them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from claude_or.wire.sse import Frame

CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
MOST: Final = 50
"""Names of one answer that are told."""
_NAME_MOST: Final = 128


class _Block(msgspec.Struct):
    type: str = ""
    name: str = ""


class _Start(msgspec.Struct):
    content_block: _Block


_decoder = msgspec.json.Decoder(_Start)


def called_in(frames: Iterable[Frame]) -> list[str]:
    """The tools that begin to be called in these frames of a stream. A frame of another form calls none."""
    found: list[str] = []
    for frame in frames:
        if frame.event == "content_block_start" and b"tool_use" in frame.data:
            try:
                block = _decoder.decode(frame.data).content_block
            except (msgspec.DecodeError, RecursionError):
                continue
            if block.type in CALLS:
                found.append(block.name[:_NAME_MOST])
    return found


def called_by(message: Mapping[str, Any]) -> list[str]:
    """The tools that a whole message calls."""
    blocks = message.get("content")
    return [
        str(block.get("name", ""))[:_NAME_MOST]
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict) and block.get("type") in CALLS
    ]
