"""Answers that the door gives by itself: errors in the API's shape, each with its request id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

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
