"""What the fake host remembers of a request: the `Ask` that tests look at, and its `GET /generation` entry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tests.fakes.replies import Reply
from tests.fakes.shapes import Bill, finish_reason

PROVIDER = "DeepInfra"
"""Who serves unless a reply names another."""


@dataclass(eq=False)
class Ask:
    """One request and what became of it. Times are `time.monotonic()` seconds, None while it has not happened."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Any]
    started: float
    kind: Literal["chat", "messages", "other"]
    n: int = -1
    """Counts completions, from 0; -1 for everything else."""
    reply: Reply | None = None
    status: int = 0
    generation: str = ""
    bill: Bill | None = None
    sent: int = 0
    """Bytes of the answer's body that were written."""
    head_at: float | None = None
    finished: float | None = None
    gone: float | None = None
    """When the client closed the connection before the answer was complete."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the answer is complete, broken or abandoned."""

    @property
    def model(self) -> str:
        """The slug asked for."""
        return self.body.get("model", "")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation as sent."""
        return self.body.get("messages") or []

    @property
    def tools(self) -> list[str]:
        """Names of the tools on offer."""
        return [t.get("function", t).get("name", t.get("type", "")) for t in self.body.get("tools") or []]


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object; anything else counts as an empty one."""
    try:
        body: object = msgspec.json.decode(raw) if raw else {}
    except msgspec.DecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def generation_data(ask: Ask, bill: Bill, reply: Reply) -> dict[str, Any]:
    """What the host tells later about one answer."""
    finish = finish_reason(reply)
    unknown = [
        "app_id",
        "external_user",
        "http_referer",
        "moderation_latency",
        "native_tokens_completion_images",
        "num_fetches",
        "num_input_audio_prompt",
        "num_media_completion",
        "num_media_prompt",
        "num_search_results",
        "preset_id",
        "router",
        "service_tier",
        "upstream_id",
        "user_agent",
        "web_search_engine",
        "workspace_id",
        "cache_discount",
    ]
    return {
        **dict.fromkeys(unknown),
        "id": ask.generation,
        "api_type": "completions",
        "cancelled": ask.gone is not None,
        "created_at": "2026-11-01T00:00:00.000Z",
        "data_region": "global",
        "finish_reason": finish,
        "native_finish_reason": reply.native_finish or finish,
        "generation_time": 1000 * ((ask.finished or ask.started) - ask.started),
        "latency": 1000 * ((ask.head_at or ask.started) - ask.started),
        "is_byok": False,
        "model": ask.model,
        "native_tokens_cached": bill.cached,
        "native_tokens_completion": bill.completion,
        "native_tokens_prompt": bill.prompt,
        "native_tokens_reasoning": bill.reasoning,
        "tokens_completion": bill.completion,
        "tokens_prompt": bill.prompt,
        "origin": ask.headers.get("HTTP-Referer", ""),
        "provider_name": reply.provider or PROVIDER,
        "provider_responses": None,
        "session_id": ask.body.get("session_id"),
        "streamed": bool(ask.body.get("stream")),
        "total_cost": float(bill.total),
        "upstream_inference_cost": float(bill.total),
        "usage": float(bill.total),
    }
