"""Any host's error, with or without a status, as one `Failure` in the Messages API's terms.

One table per question: `_BY_STATUS` for what the status says, `_BY_NAME` for what the error's own type or code says (it wins),
`overflow.py` for prompts that do not fit (wins over both), `_CAUSES` for wordings somebody acts on. Bodies come in many forms: OpenRouter's
own, the Messages API's, a provider's wrapped in `metadata.raw` as a string of JSON, an HTML page of a proxy, or nothing.
The message is for the user in Claude Code, so it names the next step where there is one, and never holds HTML, a key or a token.

`x-should-retry` is set where Claude Code would otherwise hide our words behind a login hint (401) or repeat in vain for minutes.
Sources: OpenRouter's documentation of errors, the error table of the Messages API, retries measured with Claude Code 2.1.330.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from claude_or.translate.host_error import Told, detail_of, mask, read_body, read_error
from claude_or.translate.output_limit import output_limit_in, whole
from claude_or.translate.overflow import overflow_in, overflow_message
from claude_or.wire.anthropic import Failure, FailureCause, FailureKind

_Row = tuple[FailureKind, int, str]

_INVALID: Final[_Row] = ("invalid_request", 400, "invalid_request_error")
_AUTHENTICATION: Final[_Row] = ("authentication", 401, "authentication_error")
_BILLING: Final[_Row] = ("billing", 402, "billing_error")
_PERMISSION: Final[_Row] = ("permission", 403, "permission_error")
_NOT_FOUND: Final[_Row] = ("not_found", 404, "not_found_error")
_TOO_LARGE: Final[_Row] = ("too_large", 413, "request_too_large")
_RATE_LIMIT: Final[_Row] = ("rate_limit", 429, "rate_limit_error")
_API: Final[_Row] = ("api", 502, "api_error")
_INTERNAL: Final[_Row] = ("api", 500, "api_error")
_TIMEOUT: Final[_Row] = ("timeout", 504, "timeout_error")
_OVERLOADED: Final[_Row] = ("overloaded", 529, "overloaded_error")

_BY_STATUS: Final[dict[int, _Row]] = {
    400: _INVALID,
    401: _AUTHENTICATION,
    402: _BILLING,
    403: _PERMISSION,
    404: _NOT_FOUND,
    408: _TIMEOUT,
    409: _INVALID,
    412: _INVALID,
    413: _TOO_LARGE,
    422: _INVALID,
    429: _RATE_LIMIT,
    500: _INTERNAL,
    502: _API,
    503: _OVERLOADED,
    504: _TIMEOUT,
    522: _TIMEOUT,
    524: _TIMEOUT,
    529: _OVERLOADED,
}

_BY_NAME: Final[dict[str, _Row]] = {
    # OpenRouter's error_type
    "invalid_request": _INVALID,
    "invalid_prompt": _INVALID,
    "max_tokens_exceeded": _INVALID,
    "content_policy_violation": _INVALID,
    "refusal": _INVALID,
    "unprocessable": _INVALID,
    "precondition_failed": _INVALID,
    "authentication": _AUTHENTICATION,
    "payment_required": _BILLING,
    "permission_denied": _PERMISSION,
    "not_found": _NOT_FOUND,
    "timeout": _TIMEOUT,
    "payload_too_large": _TOO_LARGE,
    "rate_limit_exceeded": _RATE_LIMIT,
    "server": _INTERNAL,
    "provider_unavailable": _API,
    "provider_overloaded": _OVERLOADED,
    # OpenRouter's availability codes
    "model_not_found": _NOT_FOUND,
    "wrong_endpoint": _NOT_FOUND,
    "no_endpoints": _NOT_FOUND,
    "model_deprecated": _NOT_FOUND,
    "model_unavailable_upstream": _NOT_FOUND,
    "free_variant_ended": _NOT_FOUND,
    "constraint_filtered": _NOT_FOUND,
    "privacy_restricted": _NOT_FOUND,
    "region_restricted": _PERMISSION,
    "capacity_exhausted": _RATE_LIMIT,
    "temporarily_unavailable": _OVERLOADED,
    # The Messages API's types
    "invalid_request_error": _INVALID,
    "authentication_error": _AUTHENTICATION,
    "billing_error": _BILLING,
    "permission_error": _PERMISSION,
    "not_found_error": _NOT_FOUND,
    "request_too_large": _TOO_LARGE,
    "rate_limit_error": _RATE_LIMIT,
    "timeout_error": _TIMEOUT,
    "overloaded_error": _OVERLOADED,
    # OpenAI's and others' codes
    "invalid_api_key": _AUTHENTICATION,
    "insufficient_quota": _BILLING,
    "server_error": _API,
    "overloaded": _OVERLOADED,
    # Google's status words
    "unauthenticated": _AUTHENTICATION,
    "resource_exhausted": _RATE_LIMIT,
    "unavailable": _OVERLOADED,
    "deadline_exceeded": _TIMEOUT,
    "engine_overloaded_error": _OVERLOADED,
}

_VAGUE: Final = frozenset({
    "invalid_request",
    "invalid_request_error",
    "server",
    "api_error",
    "not_found",
    "server_error",
})
"""Names that say no more than a status does; they count only where no status came."""

_MODEL_CODES: Final = frozenset({"model_not_found", "model_deprecated", "free_variant_ended"})
_ENDPOINT_CODES: Final = frozenset({
    "no_endpoints",
    "constraint_filtered",
    "privacy_restricted",
    "region_restricted",
    "model_unavailable_upstream",
})

_CAUSES: Final[tuple[tuple[str, FailureCause], ...]] = (
    (r"signature.*thinking|thinking.*signature|thought_signature", "reasoning_rejected"),
    (r"reasoning_content.*(?:missing|must be passed back)|must be passed back", "reasoning_rejected"),
    (
        r"invalid `?data`? in `?redacted_thinking|encrypted content.*could not be (?:verified|decrypted)",
        "reasoning_rejected",
    ),
    (r"free-models-per-day", "free_limit"),
    (r"request too large.*tokens per min", "above_rate"),
    (r"not a valid model|model .*(?:does not exist|not found)|no such model|unknown model", "model_missing"),
    (r"no (?:allowed |matching )?(?:endpoints|providers)", "no_endpoint"),
    (r"moderation", "moderation"),
)

_HINTS: Final[dict[str, str]] = {
    "authentication": "Check the API key (`claude-or doctor` says which one is used).",
    "billing": "Add credits at https://openrouter.ai/settings/credits or choose a cheaper model.",
    "above_rate": "This one request is more than the account may send in a minute, so waiting does not help: raise its limit, or choose another model.",
    "free_limit": "The daily allowance of free models is used up until midnight UTC; choose a paid model.",
    "model_missing": "`claude-or models` lists what can be chosen.",
    "no_endpoint": "No provider is left that takes this request; check provider and privacy settings or choose another model.",
}

_HINTS_ELSEWHERE: Final[dict[str, str]] = {
    "authentication": "Check the key of this host (`providers:` in the configuration names its variable).",
    "billing": "Add credits to your account there or choose another model.",
}
"""For hosts of the user's own, whose accounts have nothing to do with OpenRouter."""

_AFFORD: Final = re.compile(r"can only afford (\d[\d,]*)", re.IGNORECASE)


def failure_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
    secrets: Sequence[str] = (),
    nearest: Sequence[str] = (),
    host: str = "OpenRouter",
    elsewhere: bool = False,
) -> Failure:
    """The failure that an error response tells.

    `now` is in seconds since 1970 and resolves dates and reset times (without it they are left out). `secrets` are masked in
    the message. `nearest` are names like the one that was asked for, told when the model is missing. `host` names who answered,
    `elsewhere` says that it is not OpenRouter.
    """
    told = read_body(body)
    lower = {name.lower(): value for name, value in headers.items()}
    return _failure(
        status,
        {**told.headers, **lower},
        told,
        now=now,
        secrets=secrets,
        nearest=nearest,
        host=host,
        elsewhere=elsewhere,
    )


def failure_in_stream(
    error: Any,
    *,
    now: float | None = None,
    secrets: Sequence[str] = (),
    nearest: Sequence[str] = (),
    host: str = "OpenRouter",
    elsewhere: bool = False,
) -> Failure:
    """The failure that an error object inside an answer with status 200 tells. It may be anything JSON can hold."""
    told = read_error(error)
    return _failure(None, told.headers, told, now=now, secrets=secrets, nearest=nearest, host=host, elsewhere=elsewhere)


def _failure(
    status: int | None,
    headers: Mapping[str, str],
    told: Told,
    *,
    now: float | None,
    secrets: Sequence[str],
    nearest: Sequence[str],
    host: str,
    elsewhere: bool,
) -> Failure:
    # A status of 200 says nothing; the body's own code is then the status.
    code = status if status is not None and status >= 400 else next(iter(told.codes), None)
    text = "\n".join(map(_ends, told.messages))
    row = _row(code, told.names)
    excluded = _excluded_by(told.availability)
    if row in {_INVALID, _TOO_LARGE, _INTERNAL, _API} or _WINDOW_FILTER in excluded:
        names = {*told.names, *(["context_length_exceeded"] if _WINDOW_FILTER in excluded else ())}
        overflow = overflow_in(text, frozenset(names), told.innermost)
        if overflow is not None:
            return Failure(
                kind="context_overflow",
                status=400,
                type="invalid_request_error",
                message=overflow_message(overflow),
                asked_tokens=overflow.asked,
                limit_tokens=overflow.limit,
                possible_output=overflow.room,
                upstream_status=code,
            )
    kind, out_status, type_ = row
    cause = _cause(text, told.names)
    if cause == "model_missing" and kind == "invalid_request":
        kind, out_status, type_ = _NOT_FOUND
    return Failure(
        kind=kind,
        status=out_status,
        type=type_,
        message=_message(told, kind, cause, code, secrets=secrets, nearest=nearest, host=host, elsewhere=elsewhere),
        retry_after=_retry_after(headers, told.availability, now) if kind in _WAITING else None,
        should_retry=_should_retry(kind, cause, told.availability),
        possible_output=_possible_output(kind, text),
        upstream_status=code,
        cause=cause,
    )


def _possible_output(kind: FailureKind, text: str) -> int | None:
    """The output tokens that the host would take, where it says so: what a balance affords, what the model gives."""
    if kind == "billing":
        afford = _AFFORD.search(text)
        return whole(afford[1]) if afford else None
    return output_limit_in(text) if kind == "invalid_request" else None


_WINDOW_FILTER: Final = "context_length"
"""OpenRouter leaves out the endpoints that a prompt does not fit; when that was why none is left, a shorter one will find some."""


def _excluded_by(availability: Mapping[str, Any]) -> frozenset[str]:
    said = availability.get("excluded_by")
    return frozenset(name for name in (said if isinstance(said, list) else [said]) if isinstance(name, str))


_END: Final = 4_000


def _ends(message: str) -> str:
    """The message, a long one by its two ends, so that no page or traceback keeps the patterns busy for seconds."""
    return message if len(message) <= 2 * _END else f"{message[:_END]}\n{message[-_END:]}"


_WAITING: Final = frozenset({"rate_limit", "overloaded", "api", "timeout"})


def _row(code: int | None, names: Iterable[str]) -> _Row:
    named = [name for name in names if name in _BY_NAME]
    telling = [name for name in named if name not in _VAGUE]
    if telling:
        return _BY_NAME[telling[0]]
    if code is not None:
        if code in _BY_STATUS:
            return _BY_STATUS[code]
        if 400 <= code < 500:
            return _INVALID
        if code >= 500:
            return _API
    return _BY_NAME[named[0]] if named else _API


def _cause(text: str, names: Iterable[str]) -> FailureCause:
    if not _MODEL_CODES.isdisjoint(names):
        return "model_missing"
    if not _ENDPOINT_CODES.isdisjoint(names):
        return "no_endpoint"
    for pattern, cause in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return cause
    return ""


def _should_retry(kind: FailureKind, cause: FailureCause, availability: Mapping[str, Any]) -> bool | None:
    """What `x-should-retry` says; None leaves it to the client's own rule for the status."""
    if kind == "authentication" or cause in {"free_limit", "above_rate"}:
        return False
    if kind in _WAITING and availability.get("retryable") is False:
        return False
    return None


def _message(
    told: Told,
    kind: FailureKind,
    cause: FailureCause,
    code: int | None,
    *,
    secrets: Sequence[str],
    nearest: Sequence[str],
    host: str,
    elsewhere: bool,
) -> str:
    detail = detail_of(told.messages, secrets)
    if not detail:
        # What hosts say when they do not say why.
        detail = f"{told.provider or host} failed without an explanation" + (f" (status {code})" if code else "")
    elif told.provider and told.provider not in detail:
        detail = f"{told.provider}: {detail}"
    if told.reasons:
        detail = f"{detail.rstrip('.')} ({', '.join(told.reasons)})"
    parts = [detail.rstrip(".") + "."]
    fallbacks = told.availability.get("fallback_models")
    names = list(nearest) or [name for name in fallbacks or () if isinstance(name, str)][:3]
    if names and kind in {"not_found", "rate_limit", "overloaded"}:
        parts.append(f"Nearest: {', '.join(names)}." if kind == "not_found" else f"Others: {', '.join(names)}.")
    excluded = told.availability.get("excluded_by")
    if excluded:
        parts.append(f"Excluded by {_plain(excluded)}.")
    hints = _HINTS | _HINTS_ELSEWHERE if elsewhere else _HINTS
    hint = hints.get(cause) or hints.get(kind)
    if hint:
        parts.append(hint)
    return mask(" ".join(parts), secrets)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(entry) for entry in value[:8])
    return " ".join(str(value).split())[:200]


def _retry_after(headers: Mapping[str, str], availability: Mapping[str, Any], now: float | None) -> float | None:
    """Seconds to wait, from whichever source speaks: the most exact first, a bare reset time last."""
    milliseconds = _decimal(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    seconds = _decimal(said)
    if seconds is None and said and now is not None:
        at = _http_date(said)
        seconds = None if at is None else max(0.0, at - now)
    if seconds is None:
        seconds = _decimal(availability.get("retry_after"))
    if seconds is None and now is not None:
        reset = _decimal(headers.get("x-ratelimit-reset"))
        if reset is not None and reset > 1e9:
            seconds = max(0.0, (reset / 1000 if reset > 1e12 else reset) - now)
    return seconds


def _decimal(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_HTTP_DATE: Final = re.compile(r"(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}) (\d\d):(\d\d):(\d\d)")


def _http_date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date. By hand, because the parser in `email` imports sockets."""
    found = _HTTP_DATE.search(text)
    if found is None or found[2].lower() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[i]) for i in (1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(found[2].lower()) + 1, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
