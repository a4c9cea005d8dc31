"""The Messages API's stream: its events, how they are written, and how they fold into one message.

The events form a closed union; whoever consumes them matches exhaustively. Usage figures are cumulative, as in the API.
Writing is strict: one spelling per event, empty start payloads, no field left null that a client would read as a number.
Source: the reference of streaming Messages, and the accumulators of the official SDKs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, assert_never

import msgspec

from claude_or.wire.anthropic import Failure, FailureKind
from claude_or.wire.sse import COMMENT, Frame

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer in the API's sense: `input_tokens` excludes what was read from or written to the cache.

    `cost` is what the host says the answer cost, in US dollars, None when it said nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int = 0
    web_search_requests: int = 0
    web_fetch_requests: int = 0
    cost: Decimal | None = None


class TextBlock(msgspec.Struct, frozen=True):
    """A text block begins."""


class ThinkingBlock(msgspec.Struct, frozen=True):
    """A thinking block begins."""


class RedactedThinkingBlock(msgspec.Struct, frozen=True):
    """A redacted thinking block; it has no deltas."""

    data: str


class ToolUseBlock(msgspec.Struct, frozen=True):
    """A call of a tool that the client runs. The name is final and the id unique within the message."""

    id: str
    name: str


class ServerToolUseBlock(msgspec.Struct, frozen=True):
    """A call of a tool that was run on this side."""

    id: str
    name: str


class RawBlock(msgspec.Struct, frozen=True):
    """Any block that stands in its start event as a whole (results of server tools), as it is to be written."""

    payload: dict[str, Any]


Block = TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ServerToolUseBlock | RawBlock


class MessageStart(msgspec.Struct, frozen=True):
    """First event. `model` is the name that the client asked for; `usage` holds an estimate of the input."""

    message_id: str
    model: str
    usage: Usage


class BlockStart(msgspec.Struct, frozen=True):
    """A block begins; blocks never overlap and `index` counts up from 0."""

    index: int
    block: Block


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """Text for a text block."""

    index: int
    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, gc=False):
    """Text for a thinking block."""

    index: int
    thinking: str


class SignatureDelta(msgspec.Struct, frozen=True, gc=False):
    """Last delta of a thinking block, at most once: clients overwrite, they do not append."""

    index: int
    signature: str


class InputJsonDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of a call's arguments; all pieces joined are `""` or one JSON object."""

    index: int
    partial_json: str


class BlockStop(msgspec.Struct, frozen=True, gc=False):
    """The open block ends."""

    index: int


class MessageDelta(msgspec.Struct, frozen=True):
    """Why the answer ended and what it used. `refusal` is the explanation that goes with the reason `refusal`."""

    stop_reason: StopReason
    usage: Usage
    stop_sequence: str | None = None
    refusal: str | None = None


class MessageStop(msgspec.Struct, frozen=True):
    """Last event of a whole answer."""


class Ping(msgspec.Struct, frozen=True):
    """A sign of life; may stand anywhere, also before the first event."""


class StreamError(msgspec.Struct, frozen=True):
    """Last event of an answer that failed."""

    failure: Failure


Event = (
    MessageStart
    | BlockStart
    | TextDelta
    | ThinkingDelta
    | SignatureDelta
    | InputJsonDelta
    | BlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | StreamError
)

_encode = msgspec.json.Encoder(decimal_format="number").encode

# A delta is the only event that comes by the thousand: its frame is a template around the encoded text.
_DELTA_HEAD: Final = b"event: content_block_delta\n"
_DELTA_DATA: Final = b'{"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}'


def _delta_frame(index: int, kind: bytes, field: bytes, text: str) -> Frame:
    data = _DELTA_DATA % (index, kind, field, _encode(text))
    return Frame("content_block_delta", data, b"%bdata: %b\n\n" % (_DELTA_HEAD, data))


def encode(event: Event) -> Frame:
    """The frame of one event, ready to be sent."""
    match event:
        case TextDelta(index, text):
            return _delta_frame(index, b"text_delta", b"text", text)
        case InputJsonDelta(index, partial_json):
            return _delta_frame(index, b"input_json_delta", b"partial_json", partial_json)
        case ThinkingDelta(index, thinking):
            return _delta_frame(index, b"thinking_delta", b"thinking", thinking)
        case SignatureDelta(index, signature):
            return _delta_frame(index, b"signature_delta", b"signature", signature)
        case BlockStart(index, block):
            return frame_of({"type": "content_block_start", "index": index, "content_block": _block(block)})
        case BlockStop(index):
            return frame_of({"type": "content_block_stop", "index": index})
        case MessageStart():
            return frame_of({"type": "message_start", "message": _message(event)})
        case MessageDelta():
            return frame_of({"type": "message_delta", "delta": _ending(event), "usage": usage_json(event.usage)})
        case MessageStop():
            return frame_of({"type": "message_stop"})
        case Ping():
            return PING
        case StreamError(failure):
            return error_frame(failure)
        case _:
            assert_never(event)


def frame_of(body: dict[str, Any]) -> Frame:
    """The frame of an event given as the object that it is on the wire."""
    data = _encode(body)
    name = body["type"]
    return Frame(name, data, b"event: %b\ndata: %b\n\n" % (name.encode(), data))


PING: Final = frame_of({"type": "ping"})


def error_frame(failure: Failure) -> Frame:
    """The frame that ends a failed stream. Nothing may follow it."""
    # Messages quote hosts and users; a lone surrogate in one must not turn a failure into a crash.
    message = failure.message.encode("utf-8", "replace").decode("utf-8")
    return frame_of({"type": "error", "error": {"type": failure.type, "message": message}})


def block_end_after(last: Frame) -> Frame | None:
    """The `content_block_stop` that is missing when a stream breaks off after this frame; None when no block is open."""
    if last.event not in {"content_block_start", "content_block_delta"}:
        return None
    index = _loads(last.data).get("index")
    return encode(BlockStop(index)) if isinstance(index, int) else None


def _block(block: Block) -> dict[str, Any]:
    """A start payload: empty but for what cannot change (ids, names, whole results)."""
    match block:
        case TextBlock():
            return {"type": "text", "text": ""}
        case ThinkingBlock():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case RedactedThinkingBlock(data):
            return {"type": "redacted_thinking", "data": data}
        case ToolUseBlock(id, name):
            return {"type": "tool_use", "id": id, "name": name, "input": {}}
        case ServerToolUseBlock(id, name):
            return {"type": "server_tool_use", "id": id, "name": name, "input": {}}
        case RawBlock(payload):
            return payload
        case _:
            assert_never(block)


def _message(start: MessageStart) -> dict[str, Any]:
    return {
        "id": start.message_id,
        "type": "message",
        "role": "assistant",
        "model": start.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_json(start.usage),
    }


def _ending(delta: MessageDelta) -> dict[str, Any]:
    ending: dict[str, Any] = {"stop_reason": delta.stop_reason, "stop_sequence": delta.stop_sequence}
    if delta.stop_reason == "refusal":
        ending["stop_details"] = {"type": "refusal", "category": None, "explanation": delta.refusal}
    return ending


def usage_json(usage: Usage) -> dict[str, Any]:
    """A usage as the API writes it, with `cost` beside it when the host told one (as OpenRouter's own endpoint does)."""
    body: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.thinking_tokens:
        body["output_tokens_details"] = {"thinking_tokens": usage.thinking_tokens}
    if usage.web_search_requests or usage.web_fetch_requests:
        searches, fetches = usage.web_search_requests, usage.web_fetch_requests
        body["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": fetches}
    if usage.cost is not None:
        body["cost"] = usage.cost
    return body


class FoldError(Exception):
    """The frames did not make a message: an error frame ended them, or they just stopped."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def fold(frames: Iterable[Frame]) -> dict[str, Any]:
    """The message that a stream tells, as the API would have answered without streaming.

    Works on any legal stream, ours or one that was forwarded: unknown deltas and unknown fields are kept, unknown events
    and events that are no JSON are passed over. Raises `FoldError`, also for a stream that breaks the grammar.
    """
    try:
        return _fold(frames)
    except (AttributeError, IndexError, KeyError, TypeError) as broken:
        raise FoldError(ILLEGAL) from broken


def _fold(frames: Iterable[Frame]) -> dict[str, Any]:
    message: dict[str, Any] | None = None
    pieces: dict[int, list[str]] = {}
    for frame in frames:
        event = None if frame.event == COMMENT else _loads(frame.data)
        if not isinstance(event, dict):
            continue
        match event.get("type"):
            case "error":
                raise FoldError(failure_of_error(event))
            case "message_start":
                message = dict(event["message"])
                message["content"] = list[Any]()
            case "message_stop" if message is not None:
                return message | {name: value for name, value in event.items() if name != "type"}
            case str(kind) if message is not None:
                _fold_into(message, kind, event, pieces)
            case _:
                pass
    raise FoldError(CUT)


def _fold_into(message: dict[str, Any], kind: str, event: dict[str, Any], pieces: dict[int, list[str]]) -> None:
    """Apply one event between start and stop. `pieces` holds the texts of the open block, to join them once."""
    content: list[dict[str, Any]] = message["content"]
    match kind:
        case "content_block_start":
            content.append(dict(event["content_block"]))
            pieces[event["index"]] = []
        case "content_block_delta":
            delta: dict[str, Any] = event["delta"]
            field = _DELTA_FIELD.get(delta["type"])
            if field is not None:
                pieces[event["index"]].append(delta[field])
            elif delta["type"] == "signature_delta":
                content[event["index"]]["signature"] = delta["signature"]
            elif delta["type"] == "citations_delta" and "citation" in delta:
                block = content[event["index"]]
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            else:
                _join(content[event["index"]], delta)
        case "content_block_stop":
            _close_block(content[event["index"]], "".join(pieces.pop(event["index"], [])))
        case "message_delta":
            message.update({name: value for name, value in event.items() if name not in {"type", "delta", "usage"}})
            message.update(event["delta"])
            known = {name: value for name, value in event.get("usage", {}).items() if value is not None}
            message["usage"] = {**message.get("usage", {}), **known}
        case _:
            pass


def _join(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """A delta of a kind that is not known here: its fields are the block's, texts one behind the other."""
    for name, value in delta.items():
        if name != "type":
            known = block.get(name)
            block[name] = known + value if isinstance(known, str) and isinstance(value, str) else value


_DELTA_FIELD = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}


def _close_block(block: dict[str, Any], text: str) -> None:
    match block["type"]:
        case "text":
            block["text"] += text
        case "thinking":
            block["thinking"] += text
        case "tool_use" | "server_tool_use" | "mcp_tool_use" if text:
            # Only an answer that hit its length limit ends inside arguments; half of them must never be run.
            arguments = _loads(text.encode())
            block["input"] = arguments if isinstance(arguments, dict) else {}
        case _:
            pass


def _loads(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


CUT: Final = Failure(
    kind="api", status=502, type="api_error", message="the answer broke off before its end", should_retry=True
)
"""The failure of an answer that just stopped."""

ILLEGAL: Final = Failure(
    kind="api", status=502, type="api_error", message="the host's stream breaks the rules of the API", should_retry=True
)
"""The failure of an answer whose events do not fit together."""

_BY_TYPE: Final[Mapping[str, tuple[FailureKind, int]]] = {
    "invalid_request_error": ("invalid_request", 400),
    "authentication_error": ("authentication", 401),
    "billing_error": ("billing", 402),
    "permission_error": ("permission", 403),
    "not_found_error": ("not_found", 404),
    "request_too_large": ("too_large", 413),
    "rate_limit_error": ("rate_limit", 429),
    "timeout_error": ("timeout", 504),
    "overloaded_error": ("overloaded", 529),
}


def failure_of_error(event: Mapping[str, Any]) -> Failure:
    """The failure that an `error` event (or an error body, which has the same shape) tells."""
    error = event.get("error")
    error = error if isinstance(error, dict) else {}
    name = error.get("type")
    kind, status = _BY_TYPE.get(name, ("api", 502)) if isinstance(name, str) else ("api", 502)
    message = error.get("message")
    return Failure(
        kind=kind,
        status=status,
        type=name if isinstance(name, str) and name in _BY_TYPE else "api_error",
        message=message if isinstance(message, str) and message else "the host reported an error without a message",
    )
