"""The Messages skin of the fake host: the same replies as Anthropic events, with the skin's own oddities.

A `gen-` id, zero input tokens at the start, reasoning once more in a trailing `redacted_thinking` block, cost in the usage of
`message_delta`, and a foreign `[DONE]` event after `message_stop`. Pure, like `tests/fakes/shapes.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import msgspec

from tests.fakes.record import json_object
from tests.fakes.replies import (
    Comment,
    Cut,
    Detail,
    End,
    Interleaved,
    Part,
    Pause,
    Raw,
    Reasoning,
    Reply,
    Reset,
    StreamFailure,
    Text,
    ToolCall,
    error,
    pieces,
)
from tests.fakes.shapes import Json, Origin, Step, calls_of, encode, finish_reason, whole_detail

_STOP_REASONS = {"tool_calls": "tool_use", "stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


def messages_blocks(reply: Reply) -> list[Json]:
    """The content of a Messages answer; reasoning trails the answer once more as the skin's own carrier block."""
    blocks: list[Json] = []
    carried: list[Json] = []
    for part in reply.parts:
        match part:
            case Text():
                blocks.append({"type": "text", "text": part.text, "citations": []})
            case Reasoning():
                blocks.append({"type": "thinking", "thinking": part.text, "signature": part.signature or ""})
                carried.append(whole_detail(part, 0))
            case ToolCall() | Interleaved():
                blocks += [_tool_use(call) for call in calls_of(part)]
            case Detail():
                carried.append(dict(part.entry))
            case _:
                pass
    for entry in carried:
        data = "openrouter.reasoning:" + base64.b64encode(encode(entry)).decode()
        blocks.append({"type": "redacted_thinking", "data": data})
    return blocks


def _tool_use(call: ToolCall) -> Json:
    arguments = msgspec.json.decode(call.arguments or "{}")
    return {"type": "tool_use", "id": call.id, "caller": {"type": "direct"}, "name": call.name, "input": arguments}


def messages_object(reply: Reply, origin: Origin, usage: Json) -> bytes:
    """A Messages answer in one object."""
    return encode({
        **_message_head(origin),
        "content": messages_blocks(reply),
        "stop_reason": _STOP_REASONS.get(finish_reason(reply), "end_turn"),
        "usage": usage,
    })


def _message_head(origin: Origin) -> Json:
    return {
        "id": origin.id,
        "type": "message",
        "role": "assistant",
        "container": None,
        "content": [],
        "model": origin.model,
        "stop_reason": None,
        "stop_details": None,
        "stop_sequence": None,
        "provider": origin.provider,
    }


def messages_stream(reply: Reply, origin: Origin, usage: Json) -> Iterator[Step]:
    """The events of a Messages answer as the skin sends them, its foreign `[DONE]` event included."""
    if reply.greeting:
        yield b": OPENROUTER PROCESSING\n\n"
    started = False
    index = 0
    for block in _with_faults(reply):
        if not isinstance(block, dict):
            if isinstance(block, StreamFailure):
                fault = {"type": "api_error", "message": block.message, "error_type": block.error_type}
                yield _event("error", {"error": fault})
                return
            yield block
            if isinstance(block, End | Reset):
                return
            continue
        if not started:
            zero = {"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": None, "speed": "standard"}
            yield _event("message_start", {"message": {**_message_head(origin), "usage": zero}})
            started = True
        yield from _block_events(block, index, reply)
        index += 1
    stop = _STOP_REASONS.get(finish_reason(reply), "end_turn")
    delta = {"container": None, "stop_details": None, "stop_reason": stop, "stop_sequence": None}
    yield _event("message_delta", {"delta": delta, "usage": usage, "context_management": None})
    yield _event("message_stop", {})
    if reply.done:
        yield b"event: data\ndata: [DONE]\n\n"


def _with_faults(reply: Reply) -> Iterator[Json | Step | StreamFailure]:
    for part in reply.parts:
        match part:
            case Pause() | Reset() | End() | StreamFailure():
                yield part
            case Comment():
                yield b": " + part.text.encode() + b"\n\n"
            case Raw():
                yield part.data
            case _:
                yield from (b for b in messages_blocks(Reply([part])) if b["type"] != "redacted_thinking")
    yield from (b for b in messages_blocks(reply) if b["type"] == "redacted_thinking")


def _block_events(block: Json, index: int, reply: Reply) -> Iterator[bytes]:
    cuts: dict[type[Part], Cut] = {type(p): p.cut for p in reply.parts if isinstance(p, Text | Reasoning | ToolCall)}
    deltas: list[Json] = []
    start = dict(block)
    match block["type"]:
        case "text":
            start["text"] = ""
            deltas = [{"type": "text_delta", "text": s} for s in pieces(block["text"], cuts.get(Text))]
        case "thinking":
            start |= {"thinking": "", "signature": ""}
            cut = cuts.get(Reasoning)
            deltas = [{"type": "thinking_delta", "thinking": s} for s in pieces(block["thinking"], cut)]
            if block["signature"]:
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use":
            start["input"] = {}
            written = encode(block["input"]).decode()
            cut = cuts.get(ToolCall)
            deltas = [{"type": "input_json_delta", "partial_json": s} for s in pieces(written, cut)]
        case _:
            pass
    yield _event("content_block_start", {"index": index, "content_block": start})
    for delta in deltas:
        yield _event("content_block_delta", {"index": index, "delta": delta})
    yield _event("content_block_stop", {"index": index})


def _event(name: str, payload: Json) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **payload}) + b"\n\n"


def messages_refusal(body: Json, entry: Json) -> Reply | None:
    """What the skin refuses, as it was reported of it; None for a request it takes.

    Deferred tools and references to them on models of others, schemas without a type, empty content, pictures for models without
    vision, thinking for models that do not reason, none for those that cannot do without, what Gemini cannot read, and for Claude thinking that it did not sign.
    """
    own = str(entry["id"]).lstrip("~").startswith("anthropic/")
    if "thinking" in body and "reasoning" not in entry["supported_parameters"]:
        return error(400, "This model does not support thinking")
    mandatory = (entry.get("reasoning") or {}).get("mandatory")
    if mandatory and (body.get("thinking") or {}).get("type") == "disabled":
        return error(400, f"Reasoning is mandatory for {entry['id']} and cannot be disabled")
    if str(entry["id"]).startswith("google/") and (refusal := _gemini_refusal(body)):
        return refusal
    for index, tool in enumerate(body.get("tools") or []):
        if tool.get("defer_loading") and not own:
            return error(400, "Deferred custom tools are only supported on Anthropic models")
        schema = tool.get("input_schema")
        if schema is not None and "type" not in schema:
            return error(400, f"Invalid Anthropic Messages API request: tools.{index}.input_schema.type")
    for i, message in enumerate(body.get("messages") or []):
        content = message.get("content")
        if content in ("", []):
            return error(400, f"messages.{i}.content: must not be empty")
        for j, block in enumerate(content if isinstance(content, list) else ()):
            if refusal := _block_refusal(block, f"messages.{i}.content.{j}", entry, own=own):
                return refusal
    return None


def _gemini_refusal(body: Json) -> Reply | None:
    # The real one answers adaptive thinking with an empty turn; a refusal is easier to see.
    if "thinking" in body or "effort" in (body.get("output_config") or {}):
        return error(400, "Thinking config is not supported")
    for tool in body.get("tools") or []:
        if _bare_array(tool.get("input_schema")):
            return error(400, f"{tool['name']}: properties: items: missing field")
    return None


def _bare_array(schema: object) -> bool:
    match schema:
        case dict():
            return (schema.get("type") == "array" and "items" not in schema) or any(map(_bare_array, schema.values()))
        case list():
            return any(map(_bare_array, schema))
        case _:
            return False


def _block_refusal(block: Json, place: str, entry: Json, *, own: bool) -> Reply | None:
    inner = block.get("content")
    parts = [block, *(part for part in inner if isinstance(part, dict))] if isinstance(inner, list) else [block]
    kinds = {part.get("type") for part in parts}
    if "tool_reference" in kinds and not own:
        return error(400, "Deferred custom tools are only supported on Anthropic models")
    if "image" in kinds and "image" not in entry["architecture"]["input_modalities"]:
        return error(404, "No endpoints found that support image input")
    if own and block["type"] == "thinking" and not str(block.get("signature") or "").startswith("E"):
        return error(400, f"{place}: Invalid `signature` in `thinking` block")
    if (
        own
        and block["type"] == "redacted_thinking"
        and str(block.get("data")).startswith(("openrouter.", "claude-or."))
    ):
        return error(400, f"{place}: Invalid `data` in `redacted_thinking` block")
    return None


_FAILURE_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def in_skin(reply: Reply) -> Reply:
    """A failure in the envelope of the Messages skin; a body that is no failure of the host's shape stays as it is."""
    body = json_object(reply.body or b"")
    fault = body.get("error")
    if not isinstance(fault, dict) or body.get("type") == "error":
        return reply
    told = {"type": _FAILURE_TYPES.get(reply.status, "api_error"), "message": fault.get("message")}
    if fault.get("error_type"):
        told["error_type"] = fault["error_type"]
    envelope = msgspec.json.encode({"type": "error", "error": told, "request_id": None})
    return Reply(status=reply.status, body=envelope, headers=reply.headers, head_delay=reply.head_delay)


SEARCH_RESULTS: list[Json] = [
    {"type": "web_search_result", "url": "https://example.org/zebras", "title": "Zebras", "encrypted_content": "abc"}
]


def searched(query: str, said: str) -> Reply:
    """An answer for which the host searched the web: its own call, what it found, and what the model made of it."""
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": query}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": SEARCH_RESULTS}
    head = {"id": "gen-search", "type": "message", "role": "assistant", "content": [], "model": "anthropic/searching"}
    events = [
        ("message_start", {"message": {**head, "usage": {"input_tokens": 0, "output_tokens": 0}}}),
        ("content_block_start", {"index": 0, "content_block": {**call, "input": {}}}),
        (
            "content_block_delta",
            {"index": 0, "delta": {"type": "input_json_delta", "partial_json": encode(call["input"]).decode()}},
        ),
        ("content_block_stop", {"index": 0}),
        ("content_block_start", {"index": 1, "content_block": found}),
        ("content_block_stop", {"index": 1}),
        ("content_block_start", {"index": 2, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 2, "delta": {"type": "text_delta", "text": said}}),
        ("content_block_stop", {"index": 2}),
        (
            "message_delta",
            {
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {
                    "input_tokens": 900,
                    "output_tokens": 40,
                    "cost": 0.0123,
                    "server_tool_use": {"web_search_requests": 1},
                },
            },
        ),
        ("message_stop", {}),
    ]
    body = b"".join(_event(name, fields) for name, fields in events) + b"event: data\ndata: [DONE]\n\n"
    return Reply(body=body, headers={"content-type": "text/event-stream"})
