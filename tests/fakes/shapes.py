"""Parts of a reply in OpenRouter's shapes: the bill, chat chunks and the chat completion.

Pure. What a stream does is a sequence of steps: bytes to write, or a `Pause`, `Reset` or `End` for the server to act out.
The shapes follow OpenRouter's published types and the facts about its streams that the types do not tell: id, model and
provider on every chunk, the role repeated, the finish reason told twice, usage with cost on the last chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import msgspec

from tests.fakes.replies import (
    Comment,
    Detail,
    End,
    Interleaved,
    Part,
    Pause,
    Raw,
    Reasoning,
    Reply,
    Reset,
    Sources,
    StreamFailure,
    Text,
    Tokens,
    ToolCall,
    pieces,
)

Json = dict[str, Any]
Step = bytes | Pause | Reset | End

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Money goes out as a JSON number with all its digits."""


@dataclass(frozen=True)
class Bill:
    """What one answer used and what it costs, in tokens and US dollars."""

    prompt: int
    completion: int
    cached: int
    written: int
    reasoning: int
    input_cost: Decimal
    output_cost: Decimal
    total: Decimal
    searches: int | None = None

    def chat_usage(self) -> Json:
        """The `usage` object of chat completions; `prompt_tokens` includes what came from the cache."""
        searched = {"web_search_requests": self.searches} if self.searches is not None else None
        return {
            **({"server_tool_use_details": searched} if searched else {}),
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "cost": self.total,
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": self.written},
            "cost_details": self._details(),
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }

    def messages_usage(self) -> Json:
        """The `usage` object of the Messages skin; the cached tokens stand beside `input_tokens`."""
        return {
            "input_tokens": self.prompt - self.cached - self.written,
            "output_tokens": self.completion,
            "output_tokens_details": {"thinking_tokens": self.reasoning},
            "cache_creation_input_tokens": self.written,
            "cache_read_input_tokens": self.cached,
            "server_tool_use": None,
            "service_tier": "standard",
            "speed": "standard",
            "cost": self.total,
            "is_byok": False,
            "cost_details": self._details(),
        }

    def _details(self) -> Json:
        return {
            "upstream_inference_cost": self.total,
            "upstream_inference_prompt_cost": self.input_cost,
            "upstream_inference_completions_cost": self.output_cost,
        }


@dataclass(frozen=True)
class Origin:
    """Who answers: generation id, epoch seconds, permaslug and provider of the model that serves."""

    id: str
    created: int
    model: str
    provider: str


def bill(reply: Reply, pricing: Mapping[str, Any], request_bytes: int) -> Bill:
    """Count and price an answer by a listing's `pricing`; routers (-1) and free models cost nothing."""
    asked: Tokens = reply.usage
    thought = sum(len(p.text) for p in reply.parts if isinstance(p, Reasoning))
    reasoning_tokens = asked.reasoning if asked.reasoning is not None else (thought + 3) // 4
    written_out = sum(_weight(p) for p in reply.parts)
    completion = asked.completion if asked.completion is not None else (written_out + 3) // 4
    prompt = asked.prompt if asked.prompt is not None else max(asked.cached + asked.written, request_bytes // 4, 1)
    rates: dict[str, Any] = dict(pricing)
    for step in pricing.get("overrides", ()):
        if prompt >= step.get("min_prompt_tokens", 0):
            rates |= step

    def rate(name: str, instead: str = "0") -> Decimal:
        return max(Decimal(rates.get(name, instead)), Decimal(0))

    fresh = prompt - asked.cached - asked.written
    input_cost = fresh * rate("prompt") + asked.cached * rate("input_cache_read", rates["prompt"])
    input_cost += asked.written * rate("input_cache_write", rates["prompt"])
    output_cost = completion * rate("completion")
    total = input_cost + output_cost if asked.cost is None else asked.cost
    return Bill(
        prompt,
        completion,
        asked.cached,
        asked.written,
        reasoning_tokens,
        input_cost,
        output_cost,
        total.normalize(),
        asked.searches,
    )


def _weight(part: Part) -> int:
    match part:
        case Text() | Reasoning():
            return len(part.text)
        case ToolCall():
            return len(part.name) + len(part.arguments or "")
        case Interleaved():
            return sum(_weight(call) for call in part.calls)
        case _:
            return 0


def finish_reason(reply: Reply) -> str:
    """The reason a reply tells when it does not name one."""
    if reply.finish is not None:
        return reply.finish
    return "tool_calls" if any(isinstance(p, ToolCall | Interleaved) for p in reply.parts) else "stop"


class ChatStream:
    """The steps of one streamed chat completion."""

    def __init__(self, reply: Reply, origin: Origin, usage: Json) -> None:
        self._reply = reply
        self._head = {
            "id": origin.id,
            "object": "chat.completion.chunk",
            "created": origin.created,
            "model": origin.model,
            "provider": origin.provider,
        }
        self._usage = usage
        self._calls = 0
        self._details = 0

    def steps(self) -> Iterator[Step]:
        """Everything from the first keep-alive to `[DONE]`, or to the part that ends the body."""
        reply = self._reply
        if reply.greeting:
            yield self._comment("OPENROUTER PROCESSING")
        for part in reply.parts:
            yield from self._part(part)
            if isinstance(part, End | Reset | StreamFailure):
                return
        yield from self._tail(finish_reason(reply))
        if reply.done:
            yield self._data(b"[DONE]")

    def _part(self, part: Part) -> Iterator[Step]:
        match part:
            case Text():
                for piece in pieces(part.text, part.cut):
                    yield self._delta({"content": piece})
            case Reasoning():
                yield from self._reasoning(part)
            case Detail() | Sources():
                yield self._delta({"content": "", **_beside(part)})
            case ToolCall():
                yield from self._call(part)
            case Interleaved():
                for row in zip_longest(*[list(self._call(call)) for call in part.calls]):
                    yield from (step for step in row if step is not None)
            case Comment():
                yield self._comment(part.text)
            case Raw():
                yield part.data
            case StreamFailure():
                yield self._failure(part)
            case Pause() | Reset() | End():
                yield part

    def _reasoning(self, part: Reasoning) -> Iterator[Step]:
        index, self._details = self._details, self._details + 1
        kind, key = ("reasoning.summary", "summary") if part.summary else ("reasoning.text", "text")
        for piece in pieces(part.text, part.cut):
            entry = {"type": kind, key: piece, "format": part.format, "index": index}
            yield self._delta({"content": "", "reasoning": piece, "reasoning_details": [entry]})
        if part.signature is not None:
            entry = {"type": kind, "signature": part.signature, "format": part.format, "index": index}
            yield self._delta({"content": "", "reasoning": None, "reasoning_details": [entry]})

    def _call(self, part: ToolCall) -> Iterator[Step]:
        index, self._calls = self._calls, self._calls + 1
        function: Json = {"name": part.name}
        start: Json = {"index": index, "id": part.id, "type": "function", "function": function}
        rest = pieces(part.arguments, part.cut) if part.arguments else []
        if part.arguments is not None:
            function["arguments"] = "" if part.bare_start or not rest else rest.pop(0)
        delta: Json = {"content": None, "tool_calls": [start]}
        if part.detail:
            delta["reasoning_details"] = [dict(part.detail)]
        yield self._delta(delta)
        for piece in rest:
            yield self._delta({"content": None, "tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    def _tail(self, finish: str) -> Iterator[Step]:
        tell = self._reply.tell_usage
        if finish:
            yield self._delta({"content": ""}, finish)
        if tell == "last" and finish:
            yield self._delta({"content": ""}, finish, usage=True)
        elif tell in ("last", "alone"):
            yield self._data(encode({**self._head, "choices": [], "usage": self._usage}))

    def _failure(self, part: StreamFailure) -> bytes:
        fault: Json = {"code": part.code, "message": part.message}
        metadata = {"error_type": part.error_type, "provider_code": part.provider_code}
        if told := {k: v for k, v in metadata.items() if v}:
            fault["metadata"] = told
        return self._data(encode({**self._chunk({"content": ""}, "error"), "error": fault}))

    def _delta(self, delta: Json, finish: str | None = None, *, usage: bool = False) -> bytes:
        chunk = self._chunk(delta, finish)
        if usage or self._reply.tell_usage == "every":
            chunk["usage"] = self._usage
        return self._data(encode(chunk))

    def _chunk(self, delta: Json, finish: str | None) -> Json:
        native = (self._reply.native_finish or finish) if finish != "error" else self._reply.native_finish
        choice = {
            "index": 0,
            "delta": {"role": "assistant", **delta},
            "finish_reason": finish,
            "native_finish_reason": native,
            "logprobs": None,
        }
        return {**self._head, "choices": [choice]}

    def _data(self, payload: bytes) -> bytes:
        return b"data: " + payload + self._reply.newline * 2

    def _comment(self, words: str) -> bytes:
        return b": " + words.encode() + self._reply.newline * 2


def chat_completion(reply: Reply, origin: Origin, usage: Json) -> bytes:
    """The same reply as one object."""
    thinking = [p for p in reply.parts if isinstance(p, Reasoning)]
    details = [whole_detail(p, i) for i, p in enumerate(thinking)]
    details += [dict(p.entry) for p in reply.parts if isinstance(p, Detail)]
    calls = [c for p in reply.parts for c in calls_of(p)]
    message: Json = {
        "role": "assistant",
        "content": "".join(p.text for p in reply.parts if isinstance(p, Text)) or None,
        "refusal": None,
        "reasoning": "".join(p.text for p in thinking) or None,
    }
    if details:
        message["reasoning_details"] = details
    if pages := [p for p in reply.parts if isinstance(p, Sources)]:
        message["annotations"] = [entry for part in pages for entry in citations_of(part)]
    if calls:
        message["tool_calls"] = [
            {
                "index": i,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or ""},
            }
            for i, call in enumerate(calls)
        ]
    finish = finish_reason(reply) or None
    choice: Json = {
        "index": 0,
        "logprobs": None,
        "finish_reason": finish,
        "native_finish_reason": reply.native_finish or finish,
        "message": message,
    }
    answer: Json = {
        "id": origin.id,
        "object": "chat.completion",
        "created": origin.created,
        "model": origin.model,
        "provider": origin.provider,
        "system_fingerprint": None,
        "choices": [choice],
    }
    for fault in (p for p in reply.parts if isinstance(p, StreamFailure)):
        choice["finish_reason"] = "error"
        choice["error"] = {"code": fault.code, "message": fault.message}
    if reply.tell_usage != "never":
        answer["usage"] = usage
    return encode(answer)


def _beside(part: Detail | Sources) -> Json:
    """What stands in a delta beside its text."""
    if isinstance(part, Detail):
        return {"reasoning_details": [dict(part.entry)]}
    return {"annotations": citations_of(part)}


def citations_of(part: Sources) -> list[Json]:
    """The pages of a search as the host names them."""
    return [
        {
            "type": "url_citation",
            "url_citation": {"url": url, "title": title, "content": excerpt, "start_index": 0, "end_index": 0},
        }
        for url, title, excerpt in part.pages
    ]


def calls_of(part: Part) -> tuple[ToolCall, ...]:
    """The calls of a part."""
    match part:
        case ToolCall():
            return (part,)
        case Interleaved():
            return part.calls
        case _:
            return ()


def whole_detail(part: Reasoning, index: int) -> Json:
    """A thinking part as one `reasoning_details` entry."""
    kind, key = ("reasoning.summary", "summary") if part.summary else ("reasoning.text", "text")
    entry: Json = {"type": kind, key: part.text, "format": part.format, "index": index}
    return {**entry, "signature": part.signature} if part.signature is not None else entry
