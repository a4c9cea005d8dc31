"""Which tools an answer calls, for the log: names in order, and nothing of what they are called with."""

from __future__ import annotations

import json

from claude_or.proxy.toolchain import called_by, called_in
from claude_or.wire.sse import Frame


def start(block: object) -> Frame:
    data = json.dumps({"type": "content_block_start", "index": 0, "content_block": block}).encode()
    return Frame(event="content_block_start", data=data, raw=b"")


def test_calls_are_told_in_order_whoever_runs_them() -> None:
    frames = [
        start({"type": "text", "text": "tool_use"}),
        start({"type": "tool_use", "id": "a", "name": "Read", "input": {}}),
        Frame(event="content_block_delta", data=b'{"partial_json": "tool_use"}', raw=b""),
        start({"type": "server_tool_use", "id": "b", "name": "web_search", "input": {}}),
        start({"type": "tool_use", "id": "c", "name": "x" * 500, "input": {}}),
    ]
    assert called_in(frames) == ["Read", "web_search", "x" * 128]


def test_a_frame_of_an_odd_form_calls_nothing() -> None:
    odd = [
        b"",
        b"tool_use",
        b'{"content_block":"tool_use"}',
        b'{"content_block":{"type":"tool_use","name":5}}',
        b"\xff",
    ]
    assert called_in([Frame(event="content_block_start", data=data, raw=b"") for data in odd]) == []


def test_a_whole_message_tells_the_same() -> None:
    blocks = [{"type": "text", "text": "a"}, {"type": "tool_use", "name": "Read"}, "odd", {"type": "tool_use"}]
    assert called_by({"content": blocks}) == ["Read", ""]
    assert called_by({"content": "text"}) == called_by({}) == []
