"""The Anthropic Messages API's words outside a stream: the request, and the error envelope.

The request keeps every field it was sent, known or not, because what to carry, emulate or refuse is decided in
`translate`, never while parsing. Source: the reference of `POST /v1/messages`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FailureKind = Literal[
    "invalid_request",
    "context_overflow",
    "authentication",
    "billing",
    "permission",
    "not_found",
    "too_large",
    "rate_limit",
    "timeout",
    "overloaded",
    "api",
    "budget",
    "cancelled",
]
"""What went wrong, independent of its spelling: the fallback, the breaker and the meter decide by it."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One failed call, as Claude Code will be told.

    `status` is the HTTP status, `type` the API's error type (`rate_limit_error` …), `message` free of secrets and of
    HTML. `retry_after` is in seconds. `should_retry` becomes the `x-should-retry` header when not None.
    `affordable_tokens` is the output limit a 402 named, `limit_tokens`/`asked_tokens` the two figures of an overflow.
    """

    kind: FailureKind
    status: int
    type: str
    message: str
    retry_after: float | None = None
    should_retry: bool | None = None
    affordable_tokens: int | None = None
    asked_tokens: int | None = None
    limit_tokens: int | None = None
    upstream_status: int | None = None


class MessagesRequest(msgspec.Struct, kw_only=True):
    """A decoded `POST /v1/messages` body whose outermost types have been checked.

    Blocks stay plain dictionaries: they are checked one by one where they are translated, so that an error can name
    its place. `extra` holds every top-level field that has no attribute here.
    """

    model: str
    messages: list[dict[str, Any]]
    max_tokens: int
    stream: bool = False
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    stop_sequences: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    extra: dict[str, Any] = {}
