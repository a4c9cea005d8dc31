"""Answers that the door gives by itself: errors in the API's shape, each with its request id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from claude_or.upstream.ids import random_id
from claude_or.wire.anthropic import Failure, error_body, error_headers

JSON: Final = "application/json"
REQUEST_ID: Final = "request-id"


class Refused(Exception):
    """A request that is answered with an error before anybody upstream was asked. Caught by the door's middleware.

    `close`: what is left of the request is not worth reading.
    """

    def __init__(self, failure: Failure, *, close: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.close = close


def refusal(status: int, type_: str, message: str, *, should_retry: bool | None = None, close: bool = False) -> Refused:
    """A `Refused` of this status."""
    failure = Failure(kind="invalid_request", status=status, type=type_, message=message, should_retry=should_retry)
    return Refused(failure, close=close)


def error_answer(failure: Failure, request_id: str) -> web.Response:
    """The response that tells a failure."""
    return web.Response(
        body=error_body(failure, request_id),
        status=failure.status,
        headers={"content-type": JSON, REQUEST_ID: request_id, **error_headers(failure)},
    )


def json_answer(value: Any, request_id: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A value as JSON with status 200."""
    body = msgspec.json.Encoder(decimal_format="number").encode(value)
    return web.Response(body=body, headers={"content-type": JSON, REQUEST_ID: request_id, **(headers or {})})


class HttpProtocol(web.RequestHandler):
    """aiohttp's protocol, except that what it refuses by itself (since it is no HTTP) is refused in the API's shape."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The last answer on this connection. Raises `ConnectionError` when another one has begun."""
        # Logs, and looks whether something was sent. Its words may quote what came in, so they stay behind.
        super().handle_error(request, status, exc, message)
        if status < 500:
            words, kind = "This is not a proper HTTP request.", "invalid_request"
        else:
            words, kind = "claude-or made a mistake; its log file holds the details.", "api"
        failure = Failure(kind=kind, status=status, type=f"{kind}_error", message=words)
        response = error_answer(failure, random_id("req"))
        response.headers["server"] = "claude-or"
        response.force_close()
        return response
