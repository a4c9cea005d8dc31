"""The HTTP side: each server as streamable HTTP at `/mcp/<name>`.

POST takes one message, GET opens the stream for what nobody asked for, DELETE ends a session. `server/discover` and everything else of
the protocol's stateless version is refused at once: a server that saw the probe late would lock to that version and then refuse
the `initialize` that the client sent meanwhile. Who may come in at all is decided at the door.
Source: Model Context Protocol 2025-11-25, streamable HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from claude_or.mcp.child import LINE_LIMIT
from claude_or.mcp.link import Link
from claude_or.mcp.messages import BAD_REQUEST, NO_METHOD, PARSE, Message, error, line, parse
from claude_or.mcp.server import McpServer
from claude_or.mcp.sessions import Exchange, Session
from claude_or.mcp.sse import SESSION_HEADER, json_response, respond, stream

VERSION_HEADER: Final = "MCP-Protocol-Version"
STATELESS_FROM: Final = "2026-"
"""Versions of the protocol from here on have no sessions; they sort as text."""
BODY_LIMIT: Final = LINE_LIMIT
BODY_SECONDS: Final = 60.0
HOLD: Final = 40.0
"""Seconds; the client cuts a plain answer off after 60."""


class Relay:
    """The handlers for these servers. `hold` is how long an `initialize` is held before its answer becomes a stream."""

    def __init__(self, servers: Mapping[str, McpServer], hold: float = HOLD) -> None:
        self._servers = servers
        self._hold = hold

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        path = "/mcp/{name}"
        return [
            web.post(path, self._post),
            web.get(path, self._get, allow_head=False),
            web.delete(path, self._delete),
        ]

    async def _post(self, request: web.Request) -> web.StreamResponse:
        server = self._server(request)
        message = await _message_of(request)
        if isinstance(message, web.Response):
            return message
        version = request.headers.get(VERSION_HEADER, "")
        if message.method == "server/discover" or version >= STATELESS_FROM:
            return _refused(
                404, NO_METHOD, "only the versions of the protocol with `initialize` are spoken here", message
            )
        if message.method == "initialize" and message.kind == "request":
            return await self._initialize(request, server, message)
        session = _session_of(request, server.link)
        if isinstance(session, web.Response):
            return session
        if message.kind == "notification":
            server.link.notify(session, message)
            return web.Response(status=202)
        if message.kind == "response":
            server.link.questions.answer(message)
            return web.Response(status=202)
        exchange = Exchange(message, session)
        server.link.request(exchange)
        return await _answered(request, server, exchange)

    async def _initialize(self, request: web.Request, server: McpServer, message: Message) -> web.StreamResponse:
        """Held until the server answers: without a stream as long as that is safe, so that a failure leaves no session."""
        exchange = Exchange(message, None)
        server.link.request(exchange)
        sessions = server.link.sessions
        try:
            try:
                async with asyncio.timeout(self._hold):
                    answer = b"".join(await exchange.outbox.take())
            except TimeoutError:
                headers = {SESSION_HEADER: sessions.open().id}
                every = server.launch.call_keepalive
                return await stream(request, exchange.outbox, comment_every=every, headers=headers)
        finally:
            if not exchange.done:
                server.link.drop(exchange)
        if not parse(answer) or parse(answer)[0].failed:
            return json_response(answer)
        return json_response(answer, headers={SESSION_HEADER: sessions.open().id})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        server = self._server(request)
        session = _session_of(request, server.link)
        if isinstance(session, web.Response):
            return session
        outbox = session.replace_outbox()
        session.streams += 1
        try:
            server.link.questions.deliver_waiting()
            return await stream(request, outbox, comment_every=server.launch.call_keepalive)
        finally:
            session.streams -= 1

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        server = self._server(request)
        session = _session_of(request, server.link)
        if isinstance(session, web.Response):
            return session
        server.link.sessions.close(session)
        return web.Response(status=204)

    def _server(self, request: web.Request) -> McpServer:
        found = self._servers.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return found


async def _answered(request: web.Request, server: McpServer, exchange: Exchange) -> web.StreamResponse:
    """The answer to a request; should the client leave before, the server is told."""
    try:
        return await respond(request, exchange.outbox, comment_every=server.launch.call_keepalive)
    finally:
        if not exchange.done:
            server.link.drop(exchange)


def _session_of(request: web.Request, link: Link) -> Session | web.Response:
    """The session that a request names, or what is answered when it names none."""
    id_ = request.headers.get(SESSION_HEADER, "")
    if not id_:
        return _refused(400, BAD_REQUEST, f"the {SESSION_HEADER} header is missing")
    return link.sessions.find(id_) or _refused(404, BAD_REQUEST, "this session is over; initialise again")


async def _message_of(request: web.Request) -> Message | web.Response:
    """The one message in a body, or what is answered when there is none."""
    if request.content_type != "application/json":
        return _refused(415, BAD_REQUEST, "the body must be JSON (content-type: application/json)")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        return _refused(415, BAD_REQUEST, "the body must not be compressed")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > BODY_LIMIT:
                    return _refused(413, BAD_REQUEST, f"a message may have {BODY_LIMIT // 1024 // 1024} MiB")
    except TimeoutError:
        return _refused(408, BAD_REQUEST, "the body did not arrive in time")
    if bytes(body.lstrip()[:1]) == b"[":
        return _refused(400, BAD_REQUEST, "one message, not an array of them")
    found = parse(bytes(body))
    return found[0] if found else _refused(400, PARSE, "this is no JSON-RPC message")


def _refused(status: int, code: int, text: str, message: Message | None = None) -> web.Response:
    response = json_response(line(error(message.id if message else None, code, text)), status)
    if status in {408, 413, 415}:
        response.force_close()
    return response
