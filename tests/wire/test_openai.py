"""Chat chunks, whole answers and usage in every shape that hosts were seen to send."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.wire.events import Usage
from claude_or.wire.openai import (
    LAST,
    ChatChunk,
    Choice,
    ChunkUsage,
    Delta,
    FunctionPiece,
    ToolPiece,
    decode_chunk,
    decode_completion,
    usage_from,
)


def delta_of(delta: Any, **choice: Any) -> Delta:
    """The delta that one chunk with this delta is decoded to."""
    body = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, **choice}]}
    decoded = decode_chunk(msgspec.json.encode(body)).choices
    assert decoded
    return decoded[0].delta or Delta()


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        pytest.param({"content": "a"}, Delta(content="a"), id="text"),
        pytest.param({"content": None}, Delta(), id="content null"),
        pytest.param({"content": ""}, Delta(content=""), id="content empty"),
        pytest.param(None, Delta(), id="delta null"),
        pytest.param({"content": [{"type": "text", "text": "a"}, "b"]}, Delta(content="ab"), id="content as parts"),
        pytest.param({"content": {"type": "text", "text": "a"}}, Delta(content="a"), id="content as one part"),
        pytest.param({"content": [{"type": "refusal", "refusal": "no"}]}, Delta(content="no"), id="refusal part"),
        pytest.param({"content": [7, {"type": "new"}]}, Delta(), id="content of unknown parts"),
        pytest.param(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                    {"type": "text", "text": "c"},
                ]
            },
            Delta(content="c", reasoning="ab"),
            id="reasoning as a part of the content",
        ),
        pytest.param(
            {"content": {"type": "reasoning", "text": "a"}},
            Delta(reasoning="a"),
            id="reasoning in place of the content",
        ),
        pytest.param(
            {"content": [{"type": "thinking", "thinking": "a"}], "reasoning": "a"},
            Delta(reasoning="a"),
            id="reasoning told twice",
        ),
        pytest.param(
            {"content": [{"type": "image_url", "image_url": {"url": "u"}}], "images": [{"image_url": {"url": "v"}}]},
            Delta(images=[{"type": "image_url", "image_url": {"url": "u"}}, {"image_url": {"url": "v"}}]),
            id="pictures",
        ),
        pytest.param({"reasoning": ["a", "b"]}, Delta(reasoning="ab"), id="reasoning as a list"),
        pytest.param(
            {"reasoning_details": {"type": "x"}}, Delta(reasoning_details=[{"type": "x"}]), id="one detail, no list"
        ),
        pytest.param({"reasoning_details": [1, {"a": 1}]}, Delta(reasoning_details=[{"a": 1}]), id="odd details"),
        pytest.param({"reasoning_details": "odd", "content": "a"}, Delta(content="a"), id="details as text"),
        pytest.param({"annotations": 4, "audio": 4, "tool_calls": 4, "function_call": 4}, Delta(), id="odd everything"),
        pytest.param({"audio": {"id": "a"}, "content": 3}, Delta(audio={"id": "a"}), id="sound"),
        pytest.param(
            {"tool_calls": [{"index": "1", "id": 7, "function": {"name": "N", "arguments": "{}"}}]},
            Delta(tool_calls=[ToolPiece(1, "7", FunctionPiece("N", "{}"))]),
            id="index as text, id as a number",
        ),
        pytest.param(
            {"tool_calls": [{"function": {"name": "N", "arguments": {"a": [1, "ü"], "b": 1.50}}}]},
            Delta(tool_calls=[ToolPiece(function=FunctionPiece("N", '{"a":[1,"ü"],"b":1.5}'))]),
            id="arguments as an object",
        ),
        pytest.param(
            {"tool_calls": {"id": "c", "function": {"name": 3, "arguments": None}}},
            Delta(tool_calls=[ToolPiece(id="c", function=FunctionPiece())]),
            id="one call, no list; name a number; arguments null",
        ),
        pytest.param(
            {"tool_calls": ["odd", {"index": 0.0, "name": "N", "arguments": {}}]},
            Delta(tool_calls=[ToolPiece(0, None, FunctionPiece("N", "{}"))]),
            id="call without the function wrapper",
        ),
        pytest.param(
            {"tool_calls": [{"index": True, "id": False, "function": {"arguments": 5}}]},
            Delta(tool_calls=[ToolPiece(function=FunctionPiece(arguments="5"))]),
            id="booleans and numbers in the wrong places",
        ),
        pytest.param(
            {"function_call": {"name": "N", "arguments": {"a": 1}}},
            Delta(function_call=FunctionPiece("N", '{"a":1}')),
            id="old function_call",
        ),
    ],
)
def test_a_delta_of_any_shape_says_the_same(delta: Any, expected: Delta) -> None:
    assert delta_of(delta) == expected


def test_a_decimal_in_arguments_keeps_its_digits() -> None:
    raw = b'{"choices":[{"delta":{"tool_calls":[{"function":{"name":"N","arguments":{"a":1.10,"b":1e400}}}]}}]}'
    (choice,) = decode_chunk(raw).choices or []
    assert choice.delta == Delta(tool_calls=[ToolPiece(function=FunctionPiece("N", '{"a":1.10,"b":1E+400}'))])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"[DONE]", LAST, id="done"),
        pytest.param(b" [DONE] ", LAST, id="done with spaces"),
        pytest.param(b'{"choices":[]}', ChatChunk(choices=[]), id="no choices"),
        pytest.param(b'{"choices":null,"id":"x"}', ChatChunk(id="x"), id="choices null"),
        pytest.param(b'{"id":"x"}', ChatChunk(id="x"), id="nothing said"),
        pytest.param(b'{"choices":[3],"usage":7}', ChatChunk(choices=[]), id="odd choices and usage"),
        pytest.param(
            b'{"choices":{"delta":{"content":"a"}}}', ChatChunk(choices=[Choice(delta=Delta("a"))]), id="one choice"
        ),
        pytest.param(
            b'{"choices":[{"finish_reason":1,"delta":{"content":"a"}}]}',
            ChatChunk(choices=[Choice(finish_reason="1", delta=Delta("a"))]),
            id="finish reason a number",
        ),
        pytest.param(
            b'{"choices":[{"text":"a","index":0}]}',
            ChatChunk(choices=[Choice(index=0, delta=Delta("a"))]),
            id="old completion",
        ),
        pytest.param(
            b'{"object":"chat.completion.chunk","choices":[{"message":{"content":"again"},"finish_reason":"stop"}]}',
            ChatChunk(object="chat.completion.chunk", choices=[Choice(finish_reason="stop")]),
            id="the message repeated in a chunk",
        ),
        pytest.param(
            b'{"object":"chat.completion.chunk","choices":[{"index":"0","message":{"content":"again"}}]}',
            ChatChunk(object="chat.completion.chunk", choices=[Choice(index=0)]),
            id="the message repeated in an odd chunk",
        ),
        pytest.param(
            b'{"choices":[{"index":"0","usage":{"prompt_tokens":"3"}}]}',
            ChatChunk(choices=[Choice(index=0, usage=ChunkUsage(prompt_tokens=3))]),
            id="odd usage inside the choice",
        ),
        pytest.param(b'{"choices":[{"index":"x"}]}', ChatChunk(choices=[Choice()]), id="a choice without anything"),
        pytest.param(
            b'{"object":"chat.completion","choices":[{"message":{"content":"a"}}]}',
            ChatChunk(object="chat.completion", choices=[Choice(delta=Delta("a"))]),
            id="a whole answer in a stream",
        ),
        pytest.param(b'{"done":true,"error":"x"}', ChatChunk(error="x"), id="a host cannot set the end mark"),
        pytest.param(
            '{"choices":[{"delta":{"content":"a\u2028\u0085b"}}]}'.encode(),
            ChatChunk(choices=[Choice(delta=Delta("a\u2028\u0085b"))]),
            id="line separators",
        ),
        pytest.param(
            rb'{"choices":[{"delta":{"content":"a\ud83d"}}]}',
            ChatChunk(choices=[Choice(delta=Delta("a\ufffd"))]),
            id="half a surrogate pair",
        ),
        pytest.param(
            b'\xef\xbb\xbf{"choices":[{"delta":{"content":"a\xff"},"logprobs":NaN}]}',
            ChatChunk(choices=[Choice(delta=Delta("a\ufffd"))]),
            id="bad bytes, NaN and a byte order mark",
        ),
    ],
)
def test_a_chunk_of_any_shape_is_read(raw: bytes, expected: ChatChunk) -> None:
    assert decode_chunk(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"error":{"code":502,"message":"m"}}', id="with a code"),
        pytest.param(b'{"error":{"code":"502"},"choices":[]}', id="code as text, with choices"),
        pytest.param(b'{"error":"plain"}', id="as text"),
        pytest.param(b'{"object":"error","message":"m","code":400}', id="without a wrapper"),
        pytest.param(b'{"detail":"m"}', id="detail"),
        pytest.param(b'{"errors":["m"],"code":3}', id="errors"),
        pytest.param(b"<html>secret</html>", id="html"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"3", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"choices":[{"delta":{"content":"cut', id="cut"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(
            b'{"usage":{"is_byok":3,"cost_details":' + b'{"cost_details":' * 100_000 + b"{}" + b"}" * 100_002,
            id="usage too deep",
        ),
    ],
)
def test_what_is_no_answer_is_an_error(raw: bytes) -> None:
    assert decode_chunk(raw).error
    assert decode_completion(raw)[-1].error
    assert "secret" not in str(decode_chunk(raw))


def test_a_whole_answer_becomes_the_chunks_that_would_have_told_it() -> None:
    message = {
        "role": "assistant",
        "content": "Hi",
        "reasoning": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
        "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "N", "arguments": "{}"}}],
    }
    body = {
        "id": "gen-1",
        "object": "chat.completion",
        "model": "m",
        "provider": "P",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls", "native_finish_reason": "x"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "cost": 0.1},
    }
    chunk, last = decode_completion(msgspec.json.encode(body))
    assert last == LAST
    assert (chunk.id, chunk.model, chunk.provider) == ("gen-1", "m", "P")
    assert chunk.choices == [
        Choice(
            index=0,
            finish_reason="tool_calls",
            native_finish_reason="x",
            delta=Delta(
                content="Hi",
                reasoning="hm",
                reasoning_details=[{"type": "reasoning.text", "text": "hm"}],
                tool_calls=[ToolPiece(0, "c", FunctionPiece("N", "{}"))],
            ),
        )
    ]
    assert chunk.usage
    assert usage_from(chunk.usage) == Usage(input_tokens=3, output_tokens=4, cost=Decimal("0.1"))


def usage(raw: str) -> Usage:
    """The figures of a usage object given as JSON text."""
    chunk = decode_chunk(b'{"choices":[],"usage":' + raw.encode() + b"}")
    assert chunk.usage
    return usage_from(chunk.usage)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            '{"prompt_tokens":100,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":4},'
            '"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},'
            '"server_tool_use_details":{"web_search_requests":2}}',
            Usage(
                input_tokens=10,
                output_tokens=9,
                cache_read_input_tokens=60,
                cache_creation_input_tokens=30,
                thinking_tokens=4,
                web_search_requests=2,
            ),
            id="cached and written tokens come out of the input",
        ),
        pytest.param(
            '{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":60}}',
            Usage(cache_read_input_tokens=60),
            id="never below nothing",
        ),
        pytest.param('{"prompt_tokens":-5,"completion_tokens":-1}', Usage(), id="negative figures"),
        pytest.param(
            '{"prompt_tokens":7.0,"completion_tokens":"8"}', Usage(input_tokens=7, output_tokens=8), id="texts"
        ),
        pytest.param('{"prompt_tokens":7.9}', Usage(input_tokens=7), id="a broken figure"),
        pytest.param('{"prompt_tokens":null,"prompt_tokens_details":null}', Usage(), id="nulls"),
        pytest.param('{"prompt_tokens":1e999,"completion_tokens":1' + "0" * 40 + "}", Usage(), id="nonsense"),
        pytest.param('{"prompt_tokens":true,"completion_tokens":"x"}', Usage(), id="no figures"),
        pytest.param('{"input_tokens":3,"output_tokens":4}', Usage(input_tokens=3, output_tokens=4), id="other names"),
        pytest.param(
            '{"input_tokens":3,"output_tokens":4,"cost":[]}',
            Usage(input_tokens=3, output_tokens=4),
            id="other names, odd",
        ),
        pytest.param(
            '{"prompt_tokens":9,"prompt_cache_hit_tokens":4}',
            Usage(input_tokens=5, cache_read_input_tokens=4),
            id="deepseek",
        ),
        pytest.param(
            '{"prompt_tokens":9,"cached_tokens":4}', Usage(input_tokens=5, cache_read_input_tokens=4), id="moonshot"
        ),
        pytest.param(
            '{"server_tool_use":{"web_search_requests":3},"is_byok":"x"}', Usage(web_search_requests=3), id="older name"
        ),
        pytest.param(
            '{"cost":0.10000000000000000000001}', Usage(cost=Decimal("0.10000000000000000000001")), id="exact"
        ),
        pytest.param('{"cost":"0.25"}', Usage(cost=Decimal("0.25")), id="cost as text"),
        pytest.param(
            '{"prompt_tokens":"3","is_byok":false,"cost":1}', Usage(input_tokens=3, cost=Decimal(1)), id="all odd"
        ),
        pytest.param('{"cost":"NaN"}', Usage(), id="cost not a number"),
        pytest.param('{"cost":0}', Usage(cost=Decimal(0)), id="free is known to be free"),
        pytest.param(
            '{"cost":0.1,"is_byok":false,"cost_details":{"upstream_inference_cost":9}}',
            Usage(cost=Decimal("0.1")),
            id="the host's key: its suppliers' bill is its own",
        ),
        pytest.param(
            '{"cost":0.1,"is_byok":true,"cost_details":{"upstream_inference_cost":0.2}}',
            Usage(cost=Decimal("0.3")),
            id="own key: both bills",
        ),
        pytest.param(
            '{"is_byok":true,"cost_details":{"upstream_inference_prompt_cost":0.2,'
            '"upstream_inference_completions_cost":0.03}}',
            Usage(cost=Decimal("0.23")),
            id="own key: the parts of the bill",
        ),
        pytest.param(
            '{"cost":0.1,"is_byok":true,"cost_details":{"upstream_inference_prompt_cost":0.2}}',
            Usage(cost=Decimal("0.3")),
            id="own key: one part",
        ),
        pytest.param('{"cost":0.1,"is_byok":true}', Usage(cost=Decimal("0.1")), id="own key: no bill told"),
    ],
)
def test_usage(raw: str, expected: Usage) -> None:
    assert usage(raw) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([
                "choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments", "index", "id",
                "usage", "error", "reasoning", "reasoning_details", "type", "text", "finish_reason", "cost", "object",
                "prompt_tokens", "prompt_tokens_details", "cached_tokens", "annotations", "images", "image_url",
            ]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_no_json_is_too_odd_to_be_read(value: Any) -> None:
    raw = msgspec.json.encode(value)
    for chunk in (decode_chunk(raw), *decode_completion(raw)):
        assert isinstance(chunk, ChatChunk)
        if chunk.usage is not None:
            usage_from(chunk.usage)


@given(st.binary(max_size=40))
def test_no_bytes_are_too_odd_to_be_read(raw: bytes) -> None:
    assert isinstance(decode_chunk(raw), ChatChunk)
    assert decode_completion(raw)
