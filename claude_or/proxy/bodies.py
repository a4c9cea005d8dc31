"""Reading a request's body: JSON only, bounded in size and in time, compressed or not."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from aiohttp import web

from claude_or.proxy.house import House
from claude_or.proxy.refusals import refusal

_WINDOW: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's window bits by content coding."""


async def read_json_body(request: web.Request, house: House) -> bytes:
    """The body's bytes, decompressed. Raises `Refused`: 415 for another type or coding, 413 for too much, 408 for too slow."""
    if request.content_type != "application/json" and not request.content_type.endswith("+json"):
        raise refusal(
            415, "invalid_request_error", "The body must be JSON (content-type: application/json).", close=True
        )
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity" and coding not in _WINDOW:
        raise refusal(415, "invalid_request_error", "The body may be compressed with gzip or deflate only.", close=True)
    if request.content_length is not None and request.content_length > house.body_limit:
        raise _too_large(house.body_limit)
    try:
        async with asyncio.timeout(house.body_seconds):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(house.body_limit) from None
    except TimeoutError:
        raise refusal(408, "timeout_error", "The request's body did not arrive in time.", close=True) from None
    if len(raw) > house.body_limit:
        raise _too_large(house.body_limit)
    return raw if coding == "identity" else _decompressed(raw, coding, house.body_limit)


def _decompressed(raw: bytes, coding: str, limit: int) -> bytes:
    unpacker = zlib.decompressobj(_WINDOW[coding])
    try:
        body = unpacker.decompress(raw, limit + 1)
    except zlib.error:
        raise refusal(400, "invalid_request_error", f"The body is not valid {coding}.") from None
    if len(body) > limit or unpacker.unconsumed_tail:
        raise _too_large(limit)
    if not unpacker.eof:
        raise refusal(400, "invalid_request_error", f"The body is not valid {coding}: it is cut.")
    return body


def _too_large(limit: int) -> Exception:
    message = f"Request exceeds the maximum size of {limit // (1024 * 1024)} MB."
    return refusal(413, "request_too_large", message, close=True)
