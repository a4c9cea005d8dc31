"""A host that speaks chat completions and nothing more, as local servers do, and refuses whatever is not in that API.

Its oddities are those of the field: a call's arguments come in one piece, the reason to stop is `stop` also after calls, usage
comes only when asked for, errors are a bare string, and a system message anywhere but in front is a template's error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

KNOWN = frozenset({
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "response_format",
    "stream",
    "stream_options",
    "reasoning_effort",
})
"""What this API has; a strict server answers anything else with 400."""


@dataclass(frozen=True)
class Say:
    """One answer: a text, then calls (name and arguments); or with `status` an error of these words."""

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class Heard:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """Its JSON."""
        return msgspec.json.decode(self.raw)


@dataclass
class PlainHost:
    """Answers by `script`, then by `otherwise`. `key` None takes no credential at all and refuses one."""

    key: str | None = None
    script: list[Say] = field(default_factory=list[Say])
    otherwise: Say = Say("Done.")
    refuses: Mapping[str, str] = field(default_factory=dict[str, str])
    """What its model cannot do: a part of the body, and the words of the 400 for it."""
    heard: list[Heard] = field(default_factory=list[Heard])
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "tiny:1b", "object": "model"}])
    port: int = 0

    @property
    def base_url(self) -> str:
        """The value of `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        heard = Heard(request.path, {k.lower(): v for k, v in request.headers.items()}, await request.read())
        self.heard.append(heard)
        wanted = None if self.key is None else f"Bearer {self.key}"
        if heard.headers.get("authorization") != wanted:
            return _error(401, "unauthorized")
        if heard.path == "/v1/models":
            return web.json_response({"object": "list", "data": self.models})
        if why := refusal(heard):
            return _error(400, why)
        for part, why in self.refuses.items():
            if part.encode() in heard.raw:
                return _error(400, why)
        # Side calls offer no tools; a script is about the conversation itself.
        say = self.script.pop(0) if self.script and heard.body.get("tools") else self.otherwise
        if say.status != 200:
            return _error(say.status, say.text, say.headers)
        return await self._stream(request, heard.body, say)

    async def _stream(self, request: web.Request, body: dict[str, Any], say: Say) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks(body, say):
            await response.write(b"data: " + msgspec.json.encode(chunk) + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def refusal(heard: Heard) -> str:
    """What a strict server objects to; empty when nothing."""
    body = heard.body
    if unknown := body.keys() - KNOWN:
        return f"unknown field {min(unknown)}"
    if b"cache_control" in heard.raw or b"reasoning_details" in heard.raw:
        return "a field of another API inside the messages"
    if leaked := [
        name for name in heard.headers if name.startswith(("x-session", "x-openrouter", "anthropic", "x-claude"))
    ]:
        return f"unknown header {leaked[0]}"
    if any(message["role"] == "system" for message in body["messages"][1:]):
        return "System message must be at the beginning."
    return ""


def chunks(body: dict[str, Any], say: Say) -> list[dict[str, Any]]:
    """The stream of one answer."""
    head = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    found = [chunk({"role": "assistant", "content": word + " "}) for word in say.text.split()]
    for n, (name, arguments) in enumerate(say.calls):
        function = {"name": name, "arguments": msgspec.json.encode(arguments).decode()}
        found.append(chunk({"tool_calls": [{"index": n, "id": f"call_{n}", "type": "function", "function": function}]}))
    found.append(chunk({"content": ""}, "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
        found.append({**head, "choices": [], "usage": usage})
    return found


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": text}, status=status, headers=headers)


@asynccontextmanager
async def plain_host(**fields: Any) -> AsyncGenerator[PlainHost]:
    """A running host."""
    host = PlainHost(**fields)
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
