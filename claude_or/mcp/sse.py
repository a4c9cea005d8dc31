"""Answers as the client's transport wants them: one JSON object when that is all, else a stream of events.

A JSON answer that takes over 60 seconds is cut off by Claude Code 2.1.330, a stream with comments is not. So after a second of
silence the head of a stream goes out, and a comment whenever nothing else was said for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from claude_or.mcp.sessions import Outbox

PATIENCE: Final = 1.0
"""Seconds of silence after which an answer becomes a stream."""
COMMENT: Final = b": still there\n\n"
SESSION_HEADER: Final = "Mcp-Session-Id"


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """One message."""
    return web.Response(body=body, status=status, headers={"content-type": "application/json", **(headers or {})})


async def respond(request: web.Request, outbox: Outbox, *, comment_every: float) -> web.StreamResponse:
    """Send all that an outbox carries until it ends. Raises `ConnectionError` when the client is gone."""
    messages: list[bytes] = []
    try:
        async with asyncio.timeout(PATIENCE):
            messages = await outbox.take()
    except TimeoutError:
        pass
    if outbox.over and len(messages) == 1:
        return json_response(messages[0])
    return await stream(request, outbox, comment_every=comment_every, first=messages)


async def stream(
    request: web.Request,
    outbox: Outbox,
    *,
    comment_every: float,
    first: list[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send everything as events, from the start. Raises `ConnectionError` when the client is gone."""
    about = {"content-type": "text/event-stream", "cache-control": "no-cache", **(headers or {})}
    response = web.StreamResponse(headers=about)
    await response.prepare(request)
    await response.write(b"".join(map(event, first)) if first else COMMENT)
    while True:
        try:
            async with asyncio.timeout(comment_every):
                messages = await outbox.take()
        except TimeoutError:
            await response.write(COMMENT)
            continue
        if not messages:
            break
        await response.write(b"".join(map(event, messages)))
    await response.write_eof()
    return response


def event(message: bytes) -> bytes:
    """One message as an event; a message is one line, as `messages.line` makes it."""
    return b"event: message\ndata: " + message + b"\n\n"
