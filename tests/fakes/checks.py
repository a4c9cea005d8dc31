"""What the fake host refuses, as OpenRouter and the providers behind it do.

A fake that takes anything would call every mistake a success. Each check returns a `Reply` with the refusal, or None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fakes.replies import Reply, error

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_PARTS = frozenset({"text", "image_url", "file", "input_audio", "video_url"})
_MARKS = 4
"""Explicit cache marks that Claude's providers take in one request."""


def unknown_model(slug: str) -> Reply:
    """No such model, told as since August 2026."""
    availability = {"code": "model_not_found", "retryable": False, "requested_models": [slug]}
    return error(400, f"{slug} is not a valid model ID", error_type="invalid_request", availability=availability)


def chat_refusal(body: Mapping[str, Any], entry: Mapping[str, Any]) -> Reply | None:
    """Why a chat-completions request for a listed model is refused, None when it is not."""
    return (
        _shape(body)
        or _reasoning(body)
        or _abilities(body, entry)
        or _tools(body.get("tools") or [])
        or _conversation(body["messages"])
        or _marks(body)
    )


def _bad(words: str) -> Reply:
    return error(400, words, error_type="invalid_request", http_status=400)


def _shape(body: Mapping[str, Any]) -> Reply | None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return _bad("messages: expected at least one message")
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in _ROLES:
            return _bad(f"messages.{index}.role: {role!r} is none of {sorted(_ROLES)}")
        content = message.get("content")
        if content is None and role != "assistant":
            return _bad(f"messages.{index}.content: required for role {role}")
        for part in content if isinstance(content, list) else []:
            if part.get("type") not in _PARTS:
                return _bad(f"messages.{index}.content: part of type {part.get('type')!r} is not supported")
    budget = body.get("max_tokens", body.get("max_completion_tokens"))
    if budget is not None and (not isinstance(budget, int) or budget < 1):
        return _bad("max_tokens: expected a positive integer")
    return None


def _reasoning(body: Mapping[str, Any]) -> Reply | None:
    asked = body.get("reasoning") or {}
    if asked.get("effort") is not None and asked.get("max_tokens") is not None:
        return _bad("reasoning: only one of effort and max_tokens may be given")
    if body.get("reasoning_effort") and asked.get("effort") not in (None, body["reasoning_effort"]):
        return _bad("reasoning_effort contradicts reasoning.effort")
    return None


def _abilities(body: Mapping[str, Any], entry: Mapping[str, Any]) -> Reply | None:
    if body.get("tools") and "tools" not in entry["supported_parameters"]:
        return error(404, "No endpoints found that support tool use for this request.")
    has_image = any(part.get("type") == "image_url" for _, part in _all_parts(body["messages"]))
    if has_image and "image" not in entry["architecture"]["input_modalities"]:
        return error(404, "No endpoints found that support image input for this request.")
    thinking = entry.get("reasoning") or {}
    asked = body.get("reasoning") or {}
    if thinking.get("mandatory") and (asked.get("effort") == "none" or asked.get("enabled") is False):
        return _bad(f"reasoning: cannot be switched off for {entry['id']}")
    return None


def _tools(tools: list[Mapping[str, Any]]) -> Reply | None:
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        if str(tool.get("type", "")).startswith("openrouter:"):
            continue
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, Mapping):
            return _bad(f"tools.{index}: expected a function")
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return _bad(f"tools.{index}.function.name: {name!r} does not match {_NAME.pattern}")
        if name in seen:
            return _bad(f"tools.{index}.function.name: {name!r} is there twice")
        if tool.get("defer_loading"):
            return _bad(f"tools.{index}: deferred tools are not supported on this endpoint")
        if not isinstance(function.get("parameters", {}), Mapping):
            return _bad(f"tools.{index}.function.parameters: expected a JSON schema")
        seen.add(name)
    return None


def _conversation(messages: list[Mapping[str, Any]]) -> Reply | None:
    """Every call is answered, by one tool message each, before anybody else speaks; nobody answers a call never made."""
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                return _bad(f"messages.{index}.tool_call_id: {message.get('tool_call_id')!r} answers no call before it")
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return _bad(f"messages.{index}: calls {waiting} have no tool message")
        calls = message.get("tool_calls") or []
        if message["role"] == "assistant" and not calls and not message.get("content"):
            return _bad(f"messages.{index}: an assistant message needs content or tool calls")
        for call in calls:
            if not call.get("function", {}).get("name"):
                return _bad(f"messages.{index}.tool_calls: a call without a name")
            waiting.append(call["id"])
    return _bad(f"messages: calls {waiting} have no tool message") if waiting else None


def _marks(body: Mapping[str, Any]) -> Reply | None:
    marks = sum("cache_control" in part for _, part in _all_parts(body["messages"]))
    marks += sum("cache_control" in tool for tool in body.get("tools") or [])
    if marks > _MARKS:
        return _bad(f"A maximum of {_MARKS} blocks with cache_control may be provided. Found {marks}.")
    return None


def _all_parts(messages: list[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for index, message in enumerate(messages):
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            yield index, part
