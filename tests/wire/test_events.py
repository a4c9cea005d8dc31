"""How stream events are written, byte by byte, and how they fold into one message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from claude_or.wire.anthropic import Failure
from claude_or.wire.events import (
    PING,
    BlockStart,
    BlockStop,
    Event,
    FoldError,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    RawBlock,
    RedactedThinkingBlock,
    ServerToolUseBlock,
    SignatureDelta,
    StreamError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
    encode,
    error_frame,
    fold,
    frame_of,
)
from claude_or.wire.sse import COMMENT, Frame, SseDecoder

OVERLOADED = Failure(kind="overloaded", status=529, type="overloaded_error", message="busy")
NO_USAGE = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (
            MessageStart("msg_1", "z/m", Usage(input_tokens=5)),
            {
                "type": "message_start",
                "message": {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "z/m",
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": {**NO_USAGE, "input_tokens": 5},
                },
            },
        ),
        (BlockStart(0, TextBlock()), {"type": "text", "text": ""}),
        (BlockStart(0, ThinkingBlock()), {"type": "thinking", "thinking": "", "signature": ""}),
        (BlockStart(0, RedactedThinkingBlock("x")), {"type": "redacted_thinking", "data": "x"}),
        (BlockStart(0, ToolUseBlock("t", "N")), {"type": "tool_use", "id": "t", "name": "N", "input": {}}),
        (BlockStart(0, ServerToolUseBlock("t", "N")), {"type": "server_tool_use", "id": "t", "name": "N", "input": {}}),
        (
            BlockStart(0, RawBlock({"type": "web_search_tool_result", "content": []})),
            {
                "type": "web_search_tool_result",
                "content": [],
            },
        ),
        (TextDelta(3, 'a"\n\u2028'), {"type": "text_delta", "text": 'a"\n\u2028'}),
        (ThinkingDelta(3, "hm"), {"type": "thinking_delta", "thinking": "hm"}),
        (SignatureDelta(3, "sig"), {"type": "signature_delta", "signature": "sig"}),
        (InputJsonDelta(3, '{"a'), {"type": "input_json_delta", "partial_json": '{"a'}),
        (BlockStop(3), {"type": "content_block_stop", "index": 3}),
        (
            MessageDelta("end_turn", Usage()),
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": NO_USAGE,
            },
        ),
        (
            MessageDelta("stop_sequence", Usage(), stop_sequence="END"),
            {
                "type": "message_delta",
                "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
                "usage": NO_USAGE,
            },
        ),
        (
            MessageDelta("refusal", Usage(), refusal="no"),
            {
                "type": "message_delta",
                "delta": {
                    "stop_reason": "refusal",
                    "stop_sequence": None,
                    "stop_details": {"type": "refusal", "category": None, "explanation": "no"},
                },
                "usage": NO_USAGE,
            },
        ),
        (MessageStop(), {"type": "message_stop"}),
        (Ping(), {"type": "ping"}),
        (StreamError(OVERLOADED), {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else "",
)
def test_an_event_is_written_as_the_api_writes_it(event: Event, body: dict[str, Any]) -> None:
    frame = encode(event)
    written = msgspec.json.decode(frame.data)
    if written["type"] == "content_block_start":
        assert written == {"type": "content_block_start", "index": 0, "content_block": body}
    elif written["type"] == "content_block_delta":
        assert written == {"type": "content_block_delta", "index": 3, "delta": body}
    else:
        assert written == body
    assert frame.event == written["type"]
    # One `event:`, one `data:`, a blank line: what a decoder reads back is the frame itself.
    assert SseDecoder().feed(frame.raw) == [frame]


def test_usage_names_only_what_is_known() -> None:
    usage = Usage(
        input_tokens=1,
        output_tokens=2,
        cache_read_input_tokens=3,
        cache_creation_input_tokens=4,
        thinking_tokens=5,
        web_search_requests=6,
        cost=Decimal("0.000000100"),
    )
    data = encode(MessageDelta("end_turn", usage)).data
    assert msgspec.json.decode(data)["usage"] == {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 4,
        "output_tokens_details": {"thinking_tokens": 5},
        "server_tool_use": {"web_search_requests": 6, "web_fetch_requests": 0},
        "cost": 1e-7,
    }
    assert b'"cost":1.00E-7' in data


def test_an_error_with_half_a_character_can_be_written() -> None:
    failure = Failure(kind="api", status=502, type="api_error", message="bad \ud83d")
    assert msgspec.json.decode(error_frame(failure).data)["error"]["message"] == "bad ?"


WHOLE: list[Event] = [
    MessageStart("msg_1", "z/m", Usage(input_tokens=9)),
    BlockStart(0, ThinkingBlock()),
    ThinkingDelta(0, "let "),
    ThinkingDelta(0, "me"),
    SignatureDelta(0, "sig"),
    BlockStop(0),
    BlockStart(1, TextBlock()),
    TextDelta(1, "Hel"),
    Ping(),
    TextDelta(1, "lo"),
    BlockStop(1),
    BlockStart(2, ToolUseBlock("t1", "Read")),
    InputJsonDelta(2, '{"a"'),
    InputJsonDelta(2, ":[1]}"),
    BlockStop(2),
    BlockStart(3, ToolUseBlock("t2", "Now")),
    BlockStop(3),
    MessageDelta("tool_use", Usage(input_tokens=4, output_tokens=8)),
    MessageStop(),
]


def test_a_whole_stream_folds_into_the_message_it_tells() -> None:
    frames = [PING, Frame(COMMENT, b"hello", b": hello\n\n"), *map(encode, WHOLE)]
    assert fold(frames) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "z/m",
        "content": [
            {"type": "thinking", "thinking": "let me", "signature": "sig"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "t1", "name": "Read", "input": {"a": [1]}},
            {"type": "tool_use", "id": "t2", "name": "Now", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {**NO_USAGE, "input_tokens": 4, "output_tokens": 8},
    }


def frame(body: dict[str, Any]) -> Frame:
    data = msgspec.json.encode(body)
    return Frame(body["type"], data, b"data: " + data + b"\n\n")


def test_a_forwarded_stream_folds_with_all_its_fields() -> None:
    start = {"id": "gen-1", "type": "message", "content": None, "usage": {"input_tokens": 0, "service_tier": "x"}}
    block = {"type": "text", "text": "", "citations": []}
    message = fold([
        frame({"type": "message_start", "message": start}),
        frame({"type": "content_block_start", "index": 0, "content_block": block}),
        frame({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}),
        frame({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"n": 1}}}),
        frame({"type": "content_block_delta", "index": 0, "delta": {"type": "unheard_of"}}),
        frame({"type": "content_block_stop", "index": 0}),
        frame({"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "d"}}),
        frame({"type": "content_block_stop", "index": 1}),
        frame({"type": "unheard_of"}),
        Frame("data", b"not json", b""),
        frame({
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 3, "input_tokens": None},
        }),
        frame({"type": "message_stop"}),
        Frame("data", b"[DONE]", b"data: [DONE]\n\n"),
    ])
    assert message == {
        "id": "gen-1",
        "type": "message",
        "content": [
            {"type": "text", "text": "x", "citations": [{"n": 1}]},
            {"type": "redacted_thinking", "data": "d"},
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 0, "service_tier": "x", "output_tokens": 3},
    }


def test_half_of_a_calls_arguments_fold_into_none() -> None:
    half: list[Event] = [
        MessageStart("m", "z", Usage()),
        BlockStart(0, ToolUseBlock("t", "Write")),
        InputJsonDelta(0, '{"file_path":"/a","content":"ha'),
        BlockStop(0),
        MessageDelta("max_tokens", Usage()),
        MessageStop(),
    ]
    assert fold(map(encode, half))["content"][0]["input"] == {}


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_stream_cut_anywhere_does_not_fold(length: int) -> None:
    with pytest.raises(FoldError) as caught:
        fold(map(encode, WHOLE[:length]))
    assert caught.value.failure.kind == "api"


@pytest.mark.parametrize(
    ("error", "kind", "status", "name"),
    [
        ({"type": "overloaded_error", "message": "busy"}, "overloaded", 529, "overloaded_error"),
        ({"type": "rate_limit_error", "message": "slow"}, "rate_limit", 429, "rate_limit_error"),
        ({"type": "something_new", "message": "?"}, "api", 502, "api_error"),
        ({"type": 7}, "api", 502, "api_error"),
        ("odd", "api", 502, "api_error"),
    ],
)
def test_an_error_event_ends_the_fold_in_its_failure(error: Any, kind: str, status: int, name: str) -> None:
    with pytest.raises(FoldError) as caught:
        fold([*map(encode, WHOLE[:8]), frame({"type": "error", "error": error})])
    failure = caught.value.failure
    assert (failure.kind, failure.status, failure.type) == (kind, status, name)
    assert failure.message


@pytest.mark.parametrize(
    "bodies",
    [
        [{"type": "message_start"}],
        [{"type": "message_start", "message": 3}],
        [{"type": "message_start", "message": {}}, {"type": "content_block_start", "index": 0}],
        [{"type": "message_start", "message": {}}, {"type": "content_block_stop", "index": 4}],
        [{"type": "message_start", "message": {}}, {"type": "message_delta", "delta": 1}],
        [{"type": "content_block_stop", "index": 0}, {"type": "message_stop"}],
    ],
)
def test_a_stream_against_the_grammar_does_not_fold(bodies: list[dict[str, Any]]) -> None:
    with pytest.raises(FoldError):
        fold(map(frame, bodies))


def test_folding_keeps_what_it_does_not_know() -> None:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "gen-1", "content": [], "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "What "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "was."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "mcp_tool_use", "id": "m", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "compaction"}, "context_management": {"applied_edits": []}},
        {"type": "message_stop", "openrouter_metadata": {"region": "eu"}},
    ]
    assert fold([frame_of(event) for event in events]) == {
        "id": "gen-1",
        "content": [
            {"type": "compaction", "content": "What was."},
            {"type": "mcp_tool_use", "id": "m", "input": {"a": 1}},
        ],
        "usage": {"input_tokens": 3},
        "stop_reason": "compaction",
        "context_management": {"applied_edits": []},
        "openrouter_metadata": {"region": "eu"},
    }
