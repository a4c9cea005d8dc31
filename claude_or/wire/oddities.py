"""Chat chunks that do not have the shape they should have, put right.

Runs only for a chunk that the typed decoder refused, and for whole answers. Values are bent where their meaning is plain
(an index as text, arguments as an object, content as parts) and left out where it is not; nothing here raises.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

_EXACT = msgspec.json.Decoder(float_hook=Decimal)
"""Money must not pass through a float."""

_COMPACT = msgspec.json.Encoder(decimal_format="number")


def loads(data: bytes) -> Any:
    """JSON as Python values, also with invalid UTF-8, NaN, or half a surrogate pair in it. None when it is no JSON."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        return _EXACT.decode(text)
    except (ValueError, RecursionError):
        pass
    import json

    try:
        return _whole(json.loads(text, parse_float=Decimal, parse_constant=lambda _name: None))
    except (ValueError, RecursionError):
        return None


def _whole(value: Any) -> Any:
    """The value with every lone surrogate in its texts replaced, since they could not be written again."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {_whole(name): _whole(item) for name, item in value.items()}
        case _:
            return value


def plain_chunk(value: Any) -> dict[str, Any]:
    """Any JSON value as a chunk that fits `ChatChunk`."""
    if not isinstance(value, dict):
        return {"error": {"code": 502, "message": "the host's answer is no JSON object"}}
    chunk: dict[str, Any] = {name: _text(value.get(name)) for name in ("id", "model", "provider", "object")}
    # In a chunk a `message` repeats what was streamed; anywhere else it is the answer.
    place = "delta" if chunk["object"] == "chat.completion.chunk" else "message"
    choices = _objects(value.get("choices"))
    if choices is not None:
        chunk["choices"] = [_choice(choice, place) for choice in choices]
    usage = value.get("usage")
    if isinstance(usage, dict):
        chunk["usage"] = plain_usage(usage)
    chunk["error"] = value.get("error") or _bare_error(value)
    return chunk


def _bare_error(value: dict[str, Any]) -> Any:
    """Hosts that put an error's fields where a chunk's should be."""
    if "choices" in value or "usage" in value:
        return None
    for name in ("message", "detail", "errors"):
        if value.get(name):
            return value if name == "message" else {"code": value.get("code", 502), "message": value[name]}
    return None


def _choice(choice: dict[str, Any], place: str) -> dict[str, Any]:
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        delta = choice.get(place)
    if not isinstance(delta, dict) and isinstance(choice.get("text"), str):
        delta = {"content": choice["text"]}
    plain: dict[str, Any] = {
        "index": _count(choice.get("index")),
        "finish_reason": _text(choice.get("finish_reason")),
        "native_finish_reason": _text(choice.get("native_finish_reason")),
        "error": choice.get("error"),
    }
    if isinstance(delta, dict):
        plain["delta"] = _delta(delta)
    if isinstance(choice.get("usage"), dict):
        plain["usage"] = plain_usage(choice["usage"])
    return plain


def _delta(delta: dict[str, Any]) -> dict[str, Any]:
    content, images, thought = _parts(delta.get("content"))
    reasoning, _, _ = _parts(delta.get("reasoning"))
    reasoning_content, _, _ = _parts(delta.get("reasoning_content"))
    refusal, _, _ = _parts(delta.get("refusal"))
    plain: dict[str, Any] = {
        "content": content,
        "reasoning": reasoning or thought,
        "reasoning_content": reasoning_content,
        "refusal": refusal,
        "reasoning_details": _objects(delta.get("reasoning_details")),
        "annotations": _objects(delta.get("annotations")),
        "images": [*images, *(_objects(delta.get("images")) or [])] or None,
        "audio": delta.get("audio") if isinstance(delta.get("audio"), dict) else None,
    }
    calls = delta.get("tool_calls")
    calls = [calls] if isinstance(calls, dict) else calls
    if isinstance(calls, list):
        plain["tool_calls"] = [_call(call) for call in calls if isinstance(call, dict)]
    if isinstance(delta.get("function_call"), dict):
        plain["function_call"] = _function(delta["function_call"])
    return plain


def _parts(content: Any) -> tuple[str | None, list[dict[str, Any]], str | None]:
    """Text, pictures and reasoning of a content that may be a string, a part, or a list of either."""
    if isinstance(content, str):
        return content, [], None
    parts: list[Any] = content if isinstance(content, list) else [content]
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            if (kind := part.get("type")) in _REASONING_PARTS:
                # Mistral's reasoning models tell their thoughts as a part of the content, which holds parts again.
                thoughts.append(_parts(part.get(kind, part.get("text")))[0] or "")
                continue
            text = part.get("text", part.get("content", part.get("refusal")))
            if isinstance(text, str):
                texts.append(text)
            elif "image_url" in part:
                images.append(part)
    return "".join(texts) if texts else None, images, "".join(thoughts) or None


_REASONING_PARTS = ("thinking", "reasoning")


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    # Some hosts leave the wrapper out and put name and arguments beside the id.
    return {
        "index": _count(call.get("index")),
        "id": _text(call.get("id")),
        "function": _function(function if isinstance(function, dict) else call),
    }


def _function(function: dict[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        # An object is what is meant; anything else must not pass for a call without arguments.
        arguments = _COMPACT.encode(arguments).decode()
    name = function.get("name")
    return {
        "name": name if isinstance(name, str) else None,
        "arguments": arguments,
    }


_COUNTS = (
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "web_search_requests",
    "prompt_cache_hit_tokens",
)
_MONEY = (
    "cost",
    "upstream_inference_cost",
    "upstream_inference_prompt_cost",
    "upstream_inference_completions_cost",
)
_GROUPS = (
    "prompt_tokens_details",
    "completion_tokens_details",
    "cost_details",
    "server_tool_use",
    "server_tool_use_details",
)


def plain_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """A usage whose figures may be text, floats or null, as one that fits `ChunkUsage`."""
    plain: dict[str, Any] = {name: _count(usage[name]) for name in _COUNTS if name in usage}
    plain |= {name: _money(usage[name]) for name in _MONEY if name in usage}
    plain |= {name: plain_usage(usage[name]) for name in _GROUPS if isinstance(usage.get(name), dict)}
    if isinstance(usage.get("is_byok"), bool):
        plain["is_byok"] = usage["is_byok"]
    return plain


def _count(value: Any) -> int | None:
    money = _money(value)
    # Beyond 64 bits a figure is nonsense, and msgspec would refuse it.
    return int(money) if money is not None and abs(money) < 2**53 else None


def _money(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _objects(value: Any) -> list[dict[str, Any]] | None:
    """A list's objects; a single object counts as a list of one."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else None
