"""A host that speaks the Messages API and nothing more, as Anthropic's own and those that imitate it, strict about both.

It knows nothing of OpenRouter: fields and headers of that API are refused, message ids begin with `msg_`, input tokens are told at the
start, no `[DONE]` ends the stream, no cost is told. Thinking is taken back with the signature that it gave, and refused with any other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.plain_host import Heard

KNOWN = frozenset({
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "max_tokens",
    "metadata",
    "stream",
    "stop_sequences",
    "temperature",
    "top_k",
    "top_p",
    "thinking",
    "output_config",
    "context_management",
    "service_tier",
    "cache_control",
})
"""What this API has; anything else is a 400, as there."""


@dataclass(frozen=True)
class Turn:
    """One answer: thinking, a text, then calls (name and input); or with `status` an error of these words."""

    text: str = ""
    thinking: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    status: int = 200


@dataclass
class MessagesHost:
    """Answers by `script`, then `Done.`; takes `key` in `x-api-key` alone."""

    key: str
    script: list[Turn] = field(default_factory=list[Turn])
    heard: list[Heard] = field(default_factory=list[Heard])
    port: int = 0

    @property
    def base_url(self) -> str:
        """The value of `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        heard = Heard(request.path, {k.lower(): v for k, v in request.headers.items()}, await request.read())
        self.heard.append(heard)
        if heard.headers.get("x-api-key") != self.key or "authorization" in heard.headers:
            return _error(401, "authentication_error", "invalid x-api-key")
        if heard.path != "/v1/messages" or request.method != "POST":
            return _error(404, "not_found_error", "Not found")
        if why := refusal(heard):
            return _error(400, "invalid_request_error", why)
        # Side calls offer no tools; a script is about the conversation itself.
        turn = self.script.pop(0) if self.script and heard.body.get("tools") else Turn("Done.")
        if turn.status != 200:
            return _error(turn.status, "api_error", turn.text)
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "request-id": "req_1"})
        await response.prepare(request)
        for event in events(heard.body["model"], turn, len(self.heard)):
            await response.write(
                f"event: {event['type']}\n".encode() + b"data: " + msgspec.json.encode(event) + b"\n\n"
            )
        await response.write_eof()
        return response


def signature(thinking: str) -> str:
    """What this host signs a thought with."""
    return f"EpoB-{len(thinking)}-{thinking[:8]}"


def refusal(heard: Heard) -> str:
    """What the API objects to; empty when nothing."""
    body = heard.body
    if unknown := body.keys() - KNOWN:
        return f"{min(unknown)}: Extra inputs are not permitted"
    if leaked := [name for name in heard.headers if name.startswith(("x-session", "x-openrouter", "http-referer"))]:
        return f"unknown header {leaked[0]}"
    if heard.headers.get("anthropic-version") != "2023-06-01":
        return "anthropic-version: header is required"
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "thinking" and block["signature"] != signature(block["thinking"]):
                return "Invalid `signature` in `thinking` block"
            if block["type"] == "redacted_thinking":
                return "Invalid `data` in `redacted_thinking` block"
    return ""


def events(model: str, turn: Turn, n: int) -> list[dict[str, Any]]:
    """The stream of one answer."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if turn.thinking:
        thought = {"type": "thinking_delta", "thinking": turn.thinking}
        sign = {"type": "signature_delta", "signature": signature(turn.thinking)}
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, [thought, sign]))
    if turn.text:
        words = [{"type": "text_delta", "text": word} for word in (turn.text[:5], turn.text[5:]) if word]
        blocks.append(({"type": "text", "text": ""}, words))
    for m, (name, given) in enumerate(turn.calls):
        whole = msgspec.json.encode(given).decode()
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", whole[:7], whole[7:])]
        blocks.append(({"type": "tool_use", "id": f"toolu_{n}_{m}", "name": name, "input": {}}, pieces))
    usage = {"input_tokens": 900, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 0, "output_tokens": 1}
    message = {
        "id": f"msg_{n}", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    found: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(blocks):
        found.append({"type": "content_block_start", "index": index, "content_block": block})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        found.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": "tool_use" if turn.calls else "end_turn", "stop_sequence": None}
    found.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 12}})
    return [*found, {"type": "message_stop"}]


def _error(status: int, kind: str, text: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": text}}, status=status)


@asynccontextmanager
async def messages_host(key: str, *script: Turn) -> AsyncGenerator[MessagesHost]:
    """A running host."""
    host = MessagesHost(key=key, script=list(script))
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{tail:.*}", host.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.port = runner.addresses[0][1]
        yield host
    finally:
        await runner.cleanup()
