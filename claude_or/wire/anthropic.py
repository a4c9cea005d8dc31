"""The Messages API's words outside a stream: the request, the error envelope, and the model list.

The request keeps every field it was sent, known or not, because what to carry, emulate or refuse is decided in
`translate`, never while parsing. What is checked here is the frame: JSON, types of the known fields, and that each message is
a message and each block a block, so that the translator can walk it. Every complaint names its field the way the API does
(`messages.3.content.0.type: ...`). Source: the reference of `POST /v1/messages` and `GET /v1/models`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

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

FailureCause = Literal[
    "",
    "reasoning_rejected",
    "free_limit",
    "above_rate",
    "model_missing",
    "no_endpoint",
    "moderation",
    "route_failing",
    "route_resting",
    "unreachable",
]
"""What a caller may do something about, beyond the kind: repeat without replayed reasoning, offer another model, ask nobody."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One failed call, as Claude Code will be told.

    `status` is the HTTP status, `type` the API's error type (`rate_limit_error` …), `message` free of secrets and of
    HTML. `retry_after` is in seconds. `should_retry` becomes the `x-should-retry` header when not None.
    `possible_output` is how many output tokens the host would take, where it named a figure: what a balance affords, what fits beside
    the prompt, what the model gives. `limit_tokens`/`asked_tokens` are the two figures of an overflow.
    """

    kind: FailureKind
    status: int
    type: str
    message: str
    retry_after: float | None = None
    should_retry: bool | None = None
    possible_output: int | None = None
    asked_tokens: int | None = None
    limit_tokens: int | None = None
    upstream_status: int | None = None
    cause: FailureCause = ""
    error_code: str = ""
    """The API's code below `error.details`, by which its SDKs know how to go on."""


class BadRequest(Exception):
    """A request that cannot be understood or carried. `field` is the path of the culprit, empty for the whole body; `missing` the
    API's error code for something that the request names and that is not here."""

    def __init__(self, message: str, field: str = "", *, missing: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.missing = missing

    @property
    def failure(self) -> Failure:
        """The 400 that the client is told, or the 404."""
        status, type_ = (404, "not_found_error") if self.missing else (400, "invalid_request_error")
        return Failure(kind="invalid_request", status=status, type=type_, message=str(self), error_code=self.missing)


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


_FIELDS: Final = frozenset(MessagesRequest.__struct_fields__) - {"extra"}
_ROLES: Final = frozenset({"user", "assistant", "system"})
_MOST_MESSAGES: Final = 100_000


def decode_request(raw: bytes, *, counting: bool = False) -> MessagesRequest:
    """Decode a `POST /v1/messages` body, or one of `/v1/messages/count_tokens` (`counting`), which has no `max_tokens`.

    Raises `BadRequest`. Fields that are null count as not sent, as they do in the API.
    """
    body = _object(raw)
    sent = {name: value for name, value in body.items() if value is not None}
    max_tokens = _whole(sent, "max_tokens", required=not counting)
    request = MessagesRequest(
        model=_model(sent),
        messages=_messages(sent),
        max_tokens=max_tokens or 0,
        stream=_flag(sent, "stream"),
        system=_system(sent),
        tools=_tools(sent),
        tool_choice=_typed_object(sent, "tool_choice"),
        thinking=_typed_object(sent, "thinking"),
        output_config=_mapping(sent, "output_config"),
        stop_sequences=_strings(sent, "stop_sequences"),
        temperature=_number(sent, "temperature"),
        top_p=_number(sent, "top_p"),
        top_k=_whole(sent, "top_k"),
    )
    _check_budget(request.thinking, max_tokens)
    request.extra = {name: value for name, value in sent.items() if name not in _FIELDS}
    return request


def _check_budget(thinking: dict[str, Any] | None, max_tokens: int | None) -> None:
    """Thinking must leave room for an answer. Checked of what the client sent, since limits are lowered on the way."""
    budget = (thinking or {}).get("budget_tokens")
    if max_tokens and isinstance(budget, int) and thinking and thinking["type"] == "enabled" and budget >= max_tokens:
        raise BadRequest("`max_tokens` must be greater than `thinking.budget_tokens`", "max_tokens")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw)
    except RecursionError:
        raise BadRequest("The request body is nested too deeply.") from None
    except ValueError as error:
        # msgspec's own errors and invalid UTF-8 alike; their text quotes a position, never the content.
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise BadRequest(f"The request body is not valid JSON: {reason}.") from None
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object.")
    return body


def _model(sent: Mapping[str, Any]) -> str:
    model = sent.get("model")
    if model is None:
        raise BadRequest("Field required", "model")
    if not isinstance(model, str):
        raise BadRequest("Input should be a valid string", "model")
    if not model.strip():
        raise BadRequest("String should have at least 1 character", "model")
    return model


def _flag(sent: Mapping[str, Any], field: str) -> bool:
    value = sent.get(field, False)
    if not isinstance(value, bool):
        raise BadRequest("Input should be a valid boolean", field)
    return value


def _whole(sent: Mapping[str, Any], field: str, *, required: bool = False) -> int | None:
    value = sent.get(field)
    if value is None:
        if required:
            raise BadRequest("Field required", field)
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest("Input should be a valid integer", field)
    if value < 0:
        raise BadRequest("Input should be greater than or equal to 0", field)
    return value


def _number(sent: Mapping[str, Any], field: str) -> float | None:
    value = sent.get(field)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadRequest("Input should be a valid number", field)
    return value


def _strings(sent: Mapping[str, Any], field: str) -> list[str]:
    value = sent.get(field, [])
    if not isinstance(value, list):
        raise BadRequest("Input should be a valid list", field)
    for i, entry in enumerate(value):
        if not isinstance(entry, str):
            raise BadRequest("Input should be a valid string", f"{field}.{i}")
    return value


def _mapping(sent: Mapping[str, Any], field: str) -> dict[str, Any] | None:
    value = sent.get(field)
    if value is not None and not isinstance(value, dict):
        raise BadRequest("Input should be a valid dictionary", field)
    return value


def _typed_object(sent: Mapping[str, Any], field: str) -> dict[str, Any] | None:
    value = _mapping(sent, field)
    if value is not None and not isinstance(value.get("type"), str):
        raise BadRequest("Field required", f"{field}.type")
    return value


def _tools(sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    value = sent.get("tools", [])
    if not isinstance(value, list):
        raise BadRequest("Input should be a valid list", "tools")
    for i, tool in enumerate(value):
        if not isinstance(tool, dict):
            raise BadRequest("Input should be a valid dictionary", f"tools.{i}")
        if not isinstance(tool.get("type"), str | None):
            raise BadRequest("Input should be a valid string", f"tools.{i}.type")
    return value


def _system(sent: Mapping[str, Any]) -> str | list[dict[str, Any]] | None:
    value = sent.get("system")
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise BadRequest("Input should be a valid string or a list of text blocks", "system")
    _check_blocks(value, "system")
    return value


def _messages(sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    value = sent.get("messages")
    if value is None:
        raise BadRequest("Field required", "messages")
    if not isinstance(value, list):
        raise BadRequest("Input should be a valid list", "messages")
    if not value:
        raise BadRequest("at least one message is required", "messages")
    if len(value) > _MOST_MESSAGES:
        raise BadRequest(f"at most {_MOST_MESSAGES} messages are allowed", "messages")
    for i, message in enumerate(value):
        _check_message(message, f"messages.{i}")
    return value


def _check_message(message: Any, place: str) -> None:
    if not isinstance(message, dict):
        raise BadRequest("Input should be a valid dictionary", place)
    role = message.get("role")
    if role is None:
        raise BadRequest("Field required", f"{place}.role")
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequest("Input should be 'user', 'assistant' or 'system'", f"{place}.role")
    content = message.get("content")
    if isinstance(content, list):
        _check_blocks(content, f"{place}.content")
    elif content is None:
        # A system message may carry nothing but its output_config.
        if role != "system" or not isinstance(message.get("output_config"), dict):
            raise BadRequest("Field required", f"{place}.content")
    elif not isinstance(content, str):
        raise BadRequest("Input should be a valid string or list", f"{place}.content")


def _check_blocks(blocks: list[Any], place: str) -> None:
    for i, block in enumerate(blocks):
        if not isinstance(block, dict):
            raise BadRequest("Input should be a valid dictionary", f"{place}.{i}")
        if not isinstance(block.get("type"), str):
            problem = "Field required" if block.get("type") is None else "Input should be a valid string"
            raise BadRequest(problem, f"{place}.{i}.type")


def error_body(failure: Failure, request_id: str) -> bytes:
    """The error envelope of one failure, with the id that also stands in the `request-id` header."""
    # Messages quote hosts and users; a lone surrogate in one must not turn a failure into a crash.
    message = failure.message.encode("utf-8", "replace").decode("utf-8")
    error: dict[str, Any] = {"type": failure.type, "message": message}
    if failure.error_code:
        error["details"] = {"error_code": failure.error_code}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def error_headers(failure: Failure) -> dict[str, str]:
    """The response headers by which the official clients decide about a repetition."""
    headers: dict[str, str] = {}
    if failure.retry_after is not None:
        # Whole seconds, never less than asked for: older clients read nothing else.
        headers["retry-after"] = str(max(1, math.ceil(failure.retry_after)))
    if failure.should_retry is not None:
        headers["x-should-retry"] = "true" if failure.should_retry else "false"
    return headers


EFFORT_LEVELS: Final = ("low", "medium", "high", "xhigh", "max")
"""The API's effort levels, lowest first."""


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /v1/models` tells about one model. `created` is in seconds since 1970, 0 when unknown."""

    id: str
    display_name: str = ""
    created: int = 0
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    images: bool = False
    pdfs: bool = False
    structured_outputs: bool = False
    thinking: bool = False
    efforts: tuple[str, ...] = ()


def model_body(model: ListedModel) -> dict[str, Any]:
    """One model in the API's shape. Every capability the shape knows is present; what a proxy cannot give says no."""

    def can(supported: bool) -> dict[str, Any]:
        return {"supported": supported}

    efforts = {level: can(level in model.efforts) for level in EFFORT_LEVELS}
    thinking_types = {
        "adaptive": can(model.thinking),
        "between_tools": can(supported=True),
        "disabled": can(supported=True),
        "enabled": can(model.thinking),
    }
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name or model.id,
        "created_at": datetime.fromtimestamp(max(model.created, 0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "line": None,
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
        "deprecated_at": None,
        "retires_at": None,
        "capabilities": {
            "batch": can(supported=False),
            "citations": can(supported=False),
            "code_execution": can(supported=False),
            "context_management": can(supported=False),
            "effort": {**can(bool(model.efforts)), **efforts},
            "image_input": can(model.images),
            "pdf_input": can(model.pdfs),
            "server_tools": {
                **can(supported=False),
                "web_search": can(supported=False),
                "code_execution": can(supported=False),
            },
            "structured_outputs": can(model.structured_outputs),
            "thinking": {**can(model.thinking), "types": thinking_types},
        },
    }


def models_page(models: Sequence[ListedModel], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of `GET /v1/models`. `query` holds `limit` (1..1000, default 20), `after_id`, `before_id` as sent.

    Raises `BadRequest` for a limit that is none. An unknown cursor gives the page from the start.
    """
    limit = _limit(query.get("limit", "20"))
    ids = [model.id for model in models]
    before = query.get("before_id")
    if before in ids:
        end = ids.index(before)
        start = max(0, end - limit)
        more = start > 0
    else:
        after = query.get("after_id")
        start = ids.index(after) + 1 if after in ids else 0
        end = min(start + limit, len(models))
        more = end < len(models)
    page = [model_body(model) for model in models[start:end]]
    return {
        "data": page,
        "has_more": more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= 1000):
        raise BadRequest("Input should be a whole number from 1 to 1000", "limit")
    return int(text)
