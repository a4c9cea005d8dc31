"""What is read from chat completions: chunks, usage and errors, in the shapes of OpenRouter and its neighbours.

Decoding is permissive in two steps. Almost every chunk fits `ChatChunk` and is decoded straight into it; one that does
not (arguments as an object, content as a list of parts, an index as text …) is read untyped and put right by
`wire/oddities.py`. Whatever cannot be read at all becomes a chunk with an `error`, so that a reader has one thing to look at.
Sources: OpenRouter's schema of `ChatStreamChunk`, recorded traffic, and fixes in its own clients.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from claude_or.wire.events import Usage
from claude_or.wire.oddities import loads, plain_chunk
from claude_or.wire.sse import DONE


class FunctionPiece(msgspec.Struct, frozen=True, gc=False):
    """A piece of a call: the name usually comes once, the arguments in pieces."""

    name: str | None = None
    arguments: str | None = None


class ToolPiece(msgspec.Struct, frozen=True, gc=False):
    """One entry of `delta.tool_calls`. Each of its fields is missing somewhere."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class Delta(msgspec.Struct, frozen=True, gc=False):
    """What one chunk adds to the answer. `reasoning` and `reasoning_details` usually tell the same text twice."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolPiece] | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    images: list[dict[str, Any]] | None = None
    audio: dict[str, Any] | None = None
    function_call: FunctionPiece | None = None


class TokenDetails(msgspec.Struct, frozen=True, gc=False):
    """The parts of a token count that somebody names apart."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class CostDetails(msgspec.Struct, frozen=True, gc=False):
    """What the host's own suppliers charged, in US dollars; with a user's own key this is on the user's bill."""

    upstream_inference_cost: Decimal | None = None
    upstream_inference_prompt_cost: Decimal | None = None
    upstream_inference_completions_cost: Decimal | None = None


class ServerToolUse(msgspec.Struct, frozen=True, gc=False):
    """How often the host ran tools of its own."""

    web_search_requests: int | None = None
    web_fetch_requests: int | None = None


class ChunkUsage(msgspec.Struct, frozen=True, gc=False):
    """A chunk's `usage`. `prompt_tokens` includes what was read from and written to the cache; money is US dollars."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    cost: Decimal | None = None
    is_byok: bool | None = None
    cost_details: CostDetails | None = None
    server_tool_use: ServerToolUse | None = None
    server_tool_use_details: ServerToolUse | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    """The Responses API's names, used by some hosts here too."""
    cached_tokens: int | None = None
    """Moonshot's place for it."""
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for it."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One of a chunk's choices; we ask for one only. `message` stands where a host answers whole."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    error: Any = None
    usage: ChunkUsage | None = None


class ChatChunk(msgspec.Struct, frozen=True, gc=False):
    """One chunk of an answer. `done` is the stream's own end mark; `error` is whatever the host calls an error."""

    id: str | None = None
    model: str | None = None
    provider: str | None = None
    choices: list[Choice] | None = None
    usage: ChunkUsage | None = None
    error: Any = None
    object: str | None = None
    done: bool = False


LAST: Final = ChatChunk(done=True)
"""What `[DONE]` is decoded to."""

UNREADABLE: Final[dict[str, Any]] = {"code": 502, "message": "the host's answer could not be read"}
"""The error of a chunk or body that is no JSON (a proxy's HTML page, a cut line). Never quotes what came."""

_decode = msgspec.json.Decoder(ChatChunk).decode


def decode_chunk(data: bytes) -> ChatChunk:
    """The chunk in one frame's data. Never raises; see the module's docstring."""
    try:
        chunk = _decode(data)
    except (ValueError, RecursionError):
        # msgspec's errors and invalid UTF-8 are ValueErrors.
        return _decode_odd(data)
    if chunk.choices is None and chunk.usage is None and chunk.error is None:
        return _decode_odd(data)
    if chunk.object != "chat.completion.chunk" and (chunk.done or any(c.delta is None for c in chunk.choices or ())):
        # A whole answer inside a stream has a `message` where the delta should be.
        return _decode_odd(data)
    return chunk


def decode_completion(raw: bytes) -> list[ChatChunk]:
    """A whole answer (`stream: false`) as the chunks that would have told it. A body that is none becomes an error."""
    chunk = _decode_odd(raw)
    return [chunk] if chunk.error is not None or chunk.done else [chunk, LAST]


def _decode_odd(data: bytes) -> ChatChunk:
    if data.strip() == DONE:
        return LAST
    value = loads(data)
    if value is None:
        return ChatChunk(error=UNREADABLE)
    try:
        return msgspec.convert(plain_chunk(value), ChatChunk)
    except RecursionError:
        return ChatChunk(error=UNREADABLE)


def usage_from(usage: ChunkUsage) -> Usage:
    """The API's figures: cached and written tokens taken out of the input, nothing below 0, the cost the user pays."""
    prompt = usage.prompt_tokens_details or TokenDetails()
    completion = usage.completion_tokens_details or TokenDetails()
    read = prompt.cached_tokens or usage.cached_tokens or usage.prompt_cache_hit_tokens or 0
    written = prompt.cache_write_tokens or 0
    cost = bill_of(usage)
    tools = usage.server_tool_use_details or usage.server_tool_use or ServerToolUse()
    return Usage(
        input_tokens=max((usage.prompt_tokens or usage.input_tokens or 0) - max(read, 0) - max(written, 0), 0),
        output_tokens=max(usage.completion_tokens or usage.output_tokens or 0, 0),
        cache_read_input_tokens=max(read, 0),
        cache_creation_input_tokens=max(written, 0),
        thinking_tokens=max(completion.reasoning_tokens or 0, 0),
        web_search_requests=max(tools.web_search_requests or 0, 0),
        web_fetch_requests=max(tools.web_fetch_requests or 0, 0),
        cost=cost if cost is not None and cost.is_finite() else None,
    )


def bill_of(usage: ChunkUsage) -> Decimal | None:
    """What the user pays in the end, in US dollars. With an own key at the supplier (`is_byok`) the supplier's bill comes on top."""
    if not usage.is_byok:
        return usage.cost
    details = usage.cost_details or CostDetails()
    supplier = details.upstream_inference_cost
    parts = (details.upstream_inference_prompt_cost, details.upstream_inference_completions_cost)
    if supplier is None and parts != (None, None):
        supplier = sum((part for part in parts if part is not None), Decimal(0))
    if supplier is None:
        return usage.cost
    return supplier + (usage.cost or Decimal(0))
