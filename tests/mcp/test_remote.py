"""What doctor and `mcp test` find out about servers that are elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from claude_or.mcp.remote import probe_remote
from tests.mcp.relayed import BEARER, relayed

SECRET = "t0ken-of-the-user"


@asynccontextmanager
async def elsewhere(
    *routes: tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]],
) -> AsyncGenerator[str]:
    """A server with these routes; its address."""
    app = web.Application()
    for method, path, handle in routes:
        app.router.add_route(method, path, handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def entry(url: str, type_: str = "http", **headers: str) -> dict[str, Any]:
    """As the client's configuration has it."""
    return {"type": type_, "url": url, "headers": headers}


def answer_to(message: dict[str, Any]) -> dict[str, Any]:
    """A small server's answers."""
    results: dict[str, Any] = {
        "initialize": {
            "protocolVersion": "2024-11-05",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "old", "version": "3"},
        },
        "tools/list": {"tools": [{"name": "look"}]},
        "ping": {},
    }
    return {"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]}


async def test_a_server_over_http_tells_its_version_and_tools(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        found = await probe_remote("far", entry(there.url(), Authorization=f"Bearer {BEARER}-fake"), (), {})
        assert found.works, found.reason
        assert found.server
        assert "echo" in found.tools
        # The session that was begun for it is ended.
        assert list(there.server.link.sessions.all()) == []


@asynccontextmanager
async def old_server() -> AsyncGenerator[str]:
    """One that speaks the older form only."""
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: endpoint\ndata: /post?of=1\n\n: still there\n\n")
        while True:
            message = await answers.get()
            await response.write(b"event: message\ndata: " + msgspec.json.encode(message) + b"\n\n")

    async def post(request: web.Request) -> web.StreamResponse:
        message = await request.json()
        if "id" in message:
            await answers.put(answer_to(message))
        return web.Response(status=202)

    async with elsewhere(("GET", "/sse", stream), ("POST", "/post", post)) as url:
        yield f"{url}/sse"


async def test_the_older_form_is_spoken_too() -> None:
    async with old_server() as url:
        found = await probe_remote("old", entry(url, "sse"), (), {})

    assert (found.step, found.server, found.version, found.tools) == ("", "old", "3", ["look"])


async def test_one_that_wants_a_login_is_there() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=401, text=f"who is {request.headers['authorization']}?")

    async with elsewhere(("POST", "/mcp", refuse)) as url:
        found = await probe_remote("far", entry(f"{url}/mcp", authorization=SECRET), (SECRET,), {})

    assert found.needs_login
    assert found.reason == "it wants a login (HTTP 401)"
    assert SECRET not in repr(found)


async def _nothing(request: web.Request) -> web.StreamResponse:
    del request
    return web.Response(text="<html>welcome</html>", content_type="text/html")


async def _moved(request: web.Request) -> web.StreamResponse:
    del request
    raise web.HTTPFound("https://other.example/")


async def _error(request: web.Request) -> web.StreamResponse:
    message = await request.json()
    return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": {"code": 1, "message": "not today"}})


async def _ends(request: web.Request) -> web.StreamResponse:
    del request
    return web.Response(body=b": bye\n\n", content_type="text/event-stream")


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (_nothing, "what it answered is no JSON"),
        (_moved, "it answered with HTTP 302"),
        (_error, "it answered with an error: not today"),
        (_ends, "its stream ended without an answer"),
    ],
)
async def test_what_is_no_answer_is_told(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]], reason: str
) -> None:
    async with elsewhere(("POST", "/mcp", handle)) as url:
        found = await probe_remote("far", entry(f"{url}/mcp"), (), {})

    assert (found.step, found.reason) == ("initialize", reason)


async def test_an_address_where_nobody_listens_is_told() -> None:
    found = await probe_remote("far", entry(f"http://127.0.0.1:1/{SECRET}"), (SECRET,), {})

    assert found.step == "initialize"
    assert "127.0.0.1" in found.reason
    assert SECRET not in repr(found)
