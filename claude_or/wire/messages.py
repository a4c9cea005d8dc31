"""What is read from somebody else's Messages stream: events, usage, and a whole message where a stream was asked for.

`events.py` writes such streams; here they are read from hosts that speak the API themselves, or nearly: unknown fields stay, values that are
no strict JSON are put right, and money never passes through a float.
Source: the reference of streaming Messages; OpenRouter's schema of `POST /messages` and recorded traffic of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from claude_or.wire.events import Usage, frame_of
from claude_or.wire.oddities import loads, plain_usage
from claude_or.wire.openai import ChunkUsage, bill_of
from claude_or.wire.sse import Frame


class TextPiece(msgspec.Struct, frozen=True, gc=False, tag="text_delta"):
    """A delta of text."""

    text: str


class ThinkingPiece(msgspec.Struct, frozen=True, gc=False, tag="thinking_delta"):
    """A delta of thinking."""

    thinking: str


class SignaturePiece(msgspec.Struct, frozen=True, gc=False, tag="signature_delta"):
    """The signature of a thinking block."""

    signature: str


class JsonPiece(msgspec.Struct, frozen=True, gc=False, tag="input_json_delta"):
    """A delta of a call's arguments."""

    partial_json: str


Piece = TextPiece | ThinkingPiece | SignaturePiece | JsonPiece


class DeltaEvent(msgspec.Struct, frozen=True, gc=False, tag="content_block_delta"):
    """The event that comes by the thousand, as far as a watcher needs it."""

    index: int
    delta: Piece


decode_delta: Final = msgspec.json.Decoder(DeltaEvent).decode
"""Reads a usual delta; raises `ValueError` for anything else, which may be legal all the same."""

DELTAS: Final[Mapping[str, tuple[type[Piece], ...]]] = {
    "text": (TextPiece,),
    "thinking": (ThinkingPiece, SignaturePiece),
    "tool_use": (JsonPiece,),
    "server_tool_use": (JsonPiece,),
    "mcp_tool_use": (JsonPiece,),
}
"""Which of the usual deltas a block may have, by its type. Blocks that are not listed are not known here."""

FIELDS: Final = {
    "text_delta": ("text", TextPiece),
    "thinking_delta": ("thinking", ThinkingPiece),
    "signature_delta": ("signature", SignaturePiece),
    "input_json_delta": ("partial_json", JsonPiece),
}
"""The field of each usual delta, and what it is read as."""

_exact = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def read_event(data: bytes) -> tuple[Any, bool]:
    """The value in a frame's data, and whether it is strict JSON. None when it is nothing at all. Never raises."""
    try:
        return _exact(data), True
    except (ValueError, RecursionError):
        return loads(data), False


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """The figures of a `usage` object, the inverse of `usage_json`; what is missing or no number counts as 0.

    `cost` is what the user pays in the end, in US dollars, None when the host did not tell it.
    """
    details, tools = usage.get("output_tokens_details"), usage.get("server_tool_use")
    bill = bill_of(msgspec.convert(plain_usage(dict(usage)), ChunkUsage))
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        cache_read_input_tokens=_count(usage, "cache_read_input_tokens"),
        cache_creation_input_tokens=_count(usage, "cache_creation_input_tokens"),
        thinking_tokens=_count(details, "thinking_tokens"),
        web_search_requests=_count(tools, "web_search_requests"),
        web_fetch_requests=_count(tools, "web_fetch_requests"),
        cost=bill if bill is not None and bill.is_finite() else None,
    )


def _count(fields: Any, name: str) -> int:
    value = fields.get(name) if isinstance(fields, Mapping) else None
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def frames_of(message: Mapping[str, Any]) -> list[Frame]:
    """A whole message as the stream that would have told it: `fold` gives the message again."""
    head = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    frames = [frame_of({"type": "message_start", "message": head})]
    content = message.get("content")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        frames += [frame_of({**event, "index": index}) for event in _block_events(block)]
    ending = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    usage = message.get("usage")
    told = {"usage": usage} if isinstance(usage, Mapping) else {}
    return [
        *frames,
        frame_of({"type": "message_delta", "delta": ending, **told}),
        frame_of({"type": "message_stop"}),
    ]


def _block_events(block: Any) -> Iterator[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    match block:
        case {"type": "text", "text": str(text)}:
            start = {**block, "text": ""}
            deltas = [{"type": "text_delta", "text": text}]
        case {"type": "thinking", "thinking": str(text)}:
            start = {**block, "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": text}]
            if isinstance(signature := block.get("signature"), str):
                deltas.append({"type": "signature_delta", "signature": signature})
        case {"type": "tool_use" | "server_tool_use", "input": dict(given)}:
            start = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": _encode(given).decode()}]
        case _:
            start = block
    yield {"type": "content_block_start", "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "delta": delta}
    yield {"type": "content_block_stop"}
