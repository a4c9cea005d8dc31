"""What stands in a host's error body, whatever its form, and the words of it that may be shown.

An error comes as OpenRouter's object, as the Messages API's, as a provider's wrapped in `metadata.raw` (a string of JSON, again
and again), as a bare string, an HTML page or nothing. All are read into one `Told`, the outermost object first. What is shown
holds no markup, no control characters, no key and no token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

_MAX_MESSAGE: Final = 2000
_MAX_UNWRAPPED: Final = 16


class Told(msgspec.Struct):
    """What was found in an error body, from the outermost object to the innermost."""

    messages: list[str] = []
    names: dict[str, None] = {}
    """Types and codes in words, in lower case, the outermost first."""
    codes: list[int] = []
    provider: str = ""
    reasons: list[str] = []
    """Why a moderation refused."""
    innermost: dict[str, Any] = {}
    availability: dict[str, Any] = {}
    headers: dict[str, str] = {}


def read_body(body: bytes) -> Told:
    """What the body of an error response tells."""
    told = Told()
    try:
        error = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        text = body[: 4 * _MAX_MESSAGE].decode("utf-8", "replace").strip()
        if text:
            told.messages.append(text)
    else:
        _collect(error, told, _MAX_UNWRAPPED)
    return told


def read_error(error: Any) -> Told:
    """What an error value tells that stood inside an answer; it may be anything JSON can hold."""
    told = Told()
    _collect(error, told, _MAX_UNWRAPPED)
    return told


def _collect(value: Any, told: Told, depth: int) -> None:
    """Gather messages, names and codes from an error of any shape, going inward through wrappings."""
    if depth == 0:
        return
    if isinstance(value, str):
        inner = _json_in(value)
        if inner is not None:
            _collect(inner, told, depth - 1)
        elif value.strip():
            told.messages.append(value)
    elif isinstance(value, list):
        _collect(value[0] if value else None, told, depth - 1)
    elif isinstance(value, dict):
        _collect_object(value, told, depth)


def _collect_object(value: dict[str, Any], told: Told, depth: int) -> None:
    told.innermost = value
    _collect_names(value, told)
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        _collect_metadata(metadata, told)
    # Some hosts keep what is wrong in the place for the parameter's name.
    if isinstance(param := value.get("param"), str) and " " in param:
        told.messages.append(param)
    place = _place_of(value)
    for key in ("message", "Message", "detail", "error", "errors", "msg"):
        if inner := value.get(key):
            if place and isinstance(inner, str):
                inner = f"{place}: {inner}"
            _collect(inner, told, depth - 1)
            if key != "error" or not isinstance(inner, str):
                break
    for key in ("issues", "errors", "raw"):
        if isinstance(metadata, dict) and metadata.get(key):
            _collect(metadata[key], told, depth - 1)


def _place_of(value: Mapping[str, Any]) -> str:
    """Which field a checker of schemas objects to, as in `messages.1.content`; empty when it does not say."""
    for key in ("loc", "path"):
        steps = value.get(key)
        if isinstance(steps, list) and steps and all(isinstance(step, str | int) for step in steps):
            return ".".join(str(step) for step in steps)
    return ""


def _collect_names(value: Mapping[str, Any], told: Told) -> None:
    for key in ("type", "error_type", "code", "status"):
        name = value.get(key)
        if isinstance(name, int) and not isinstance(name, bool):
            told.codes.append(name)
        elif isinstance(name, str):
            if name.isascii() and name.isdigit() and len(name) == 3:
                told.codes.append(int(name))
            else:
                told.names.setdefault(name.lower())
    http_status = value.get("http_status")
    if isinstance(http_status, int) and http_status >= 400:
        told.codes.append(http_status)
    availability = value.get("availability")
    if isinstance(availability, dict):
        told.availability = availability
        if isinstance(code := availability.get("code"), str):
            told.names.setdefault(code.lower())


def _collect_metadata(metadata: Mapping[str, Any], told: Told) -> None:
    if isinstance(name := metadata.get("error_type"), str):
        told.names.setdefault(name.lower())
    if isinstance(provider := metadata.get("provider_name"), str):
        told.provider = provider
    if isinstance(headers := metadata.get("headers"), dict):
        told.headers.update({str(name).lower(): str(value) for name, value in headers.items()})
    if isinstance(reasons := metadata.get("reasons"), list):
        told.reasons.extend(" ".join(_CONTROL.sub(" ", r).split())[:80] for r in reasons[:8] if isinstance(r, str))


def _json_in(text: str) -> Any:
    """An error object that stands in a string as JSON, None when the string is just a string."""
    start = text.find("{")
    if start < 0 or not text.rstrip().endswith("}"):
        return None
    try:
        value = msgspec.json.decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.keys() & {"error", "message", "detail", "type"} else None


_EMPTY_WORDS: Final = re.compile(r"provider returned error\.?|error|unknown error|bad request", re.IGNORECASE)
_MARKUP: Final = re.compile(r"<!doctype|<html|<head|<body|</\w+>|<(?:p|br|div|h\d|center|title)\b", re.IGNORECASE)
_SECRETS: Final = re.compile(
    r"sk-[A-Za-z0-9_-]{8,}|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{8,}|(?i:api[_-]?key[\"']?\s*[:=]\s*[\"']?)[A-Za-z0-9_-]{12,}"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def detail_of(messages: Iterable[str], secrets: Sequence[str]) -> str:
    """The most telling message: the innermost one that says something, and no markup."""
    telling = ""
    for message in messages:
        if _MARKUP.search(message):
            continue
        text = " ".join(_CONTROL.sub(" ", message).split())
        if text and not _EMPTY_WORDS.fullmatch(text):
            telling = text
    telling = mask(telling, secrets)
    return telling if len(telling) <= _MAX_MESSAGE else telling[:_MAX_MESSAGE] + "…"


def mask(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without the given secrets, and without anything that looks like a key or a bearer token."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "[secret]")
    return _SECRETS.sub("[secret]", text)
