"""The local door: an aiohttp application that knows its one client by a token and answers only in the API's shapes.

It listens on 127.0.0.1, and yet a web page in the user's browser can reach that: so the `Host` must be ours (a name that was
made to point here is not), an `Origin` is refused, bodies must be JSON (a page cannot send that unasked), and no answer allows
another origin. An exception in one request is answered with a 500 and touches nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from claude_or.log import bound, capture_stdlib, get_log
from claude_or.proxy.control import raise_cap, restart_server, tell_servers, tell_status
from claude_or.proxy.counting import count_tokens
from claude_or.proxy.house import House
from claude_or.proxy.messages import INTERNAL, answer_messages
from claude_or.proxy.models import list_models, one_model
from claude_or.proxy.patience import Connections
from claude_or.proxy.refusals import REQUEST_ID, HttpProtocol, Refused, error_answer, json_answer, refusal
from claude_or.routing.ask import ReplyFailed
from claude_or.wire.anthropic import Failure

BACKLOG: Final = 512
KEEP_ALIVE_S: Final = 75.0
SHUTDOWN_S: Final = 0.5
"""How long answers may go on after the end was decided, before they are cancelled."""
CLEANUP_S: Final = 3.0
LINGER_S: Final = 1.0
"""How long the rest of a refused body is read, so that the client can read the refusal."""
WATCH_S: Final = 5.0

CONNECTIONS: Final = web.AppKey("connections", Connections)
HOUSE: Final = web.AppKey("house", House)
_PUBLIC: Final = frozenset({"/", "/health"})
_log = get_log("proxy")
_request_id: ContextVar[str] = ContextVar("request_id", default="")

Answer = Callable[[web.Request, House, str], Awaitable[web.StreamResponse]]


def make_app(house: House) -> web.Application:
    """The application. Every answer carries a `request-id`."""

    def route(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await answer(request, house, _request_id.get())

        return handler

    # One byte more than allowed: whether a body that just reaches its limit passes depends on aiohttp's version.
    connections = Connections(house.head_seconds)
    app = web.Application(client_max_size=house.body_limit + 1, middlewares=[_door(house, connections)])
    app[HOUSE], app[CONNECTIONS] = house, connections
    app.router.add_post("/v1/messages", route(_one_of_many(answer_messages)))
    app.router.add_post("/v1/messages/count_tokens", route(count_tokens))
    app.router.add_get("/v1/models", route(list_models))
    app.router.add_get("/v1/models/{id:.+}", route(one_model))
    app.router.add_get("/control/status", route(tell_status))
    app.router.add_post("/control/budget", route(raise_cap))
    app.router.add_get("/control/mcp", route(tell_servers))
    app.router.add_post("/control/mcp/{name}/restart", route(restart_server))
    if house.servers is not None:
        app.router.add_routes(house.servers.routes())
    app.router.add_get("/health", route(_tell_health))
    app.router.add_get("/", route(_tell_health))
    app.on_response_prepare.append(_name_ourselves)
    return app


@asynccontextmanager
async def serving(app: web.Application, sock: socket.socket, *, watch: float = WATCH_S) -> AsyncGenerator[None]:
    """Serve on a bound socket (which may already listen) until the end of the context.

    Then answers get a moment to end, and everything is closed within `CLEANUP_S` seconds. Should the server stop by itself, the
    house's `on_fatal` is called. `watch` is how often that is looked at, in seconds.
    """
    capture_stdlib()
    runner = web.AppRunner(app, handle_signals=False, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    loop = asyncio.get_running_loop()

    def make() -> HttpProtocol:
        if runner.server is None:
            raise RuntimeError("the server was not set up")
        return HttpProtocol(
            runner.server,
            loop=loop,
            access_log=None,  # pyright: ignore[reportArgumentType]
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            # A body is unpacked under our own limit, in `bodies.py`.
            auto_decompress=False,
        )

    server = await loop.create_server(app[CONNECTIONS].factory(make), sock=sock, backlog=BACKLOG)
    watcher = asyncio.create_task(_watch(server, sock, app[HOUSE], watch))
    try:
        yield
    finally:
        watcher.cancel()
        await _close(server, runner)


async def _close(server: asyncio.Server, runner: web.AppRunner) -> None:
    try:
        server.close()
    except ValueError:
        # Somebody closed the socket under it, which is as good.
        pass
    try:
        async with asyncio.timeout(CLEANUP_S):
            await runner.cleanup()
    except TimeoutError:
        _log.warning("the proxy did not close in time")


async def _watch(server: asyncio.Server, sock: socket.socket, house: House, every: float) -> None:
    # A closed socket tells nobody, so it must be looked at.
    while server.is_serving() and sock.fileno() >= 0:  # noqa: ASYNC110
        await asyncio.sleep(every)
    house.on_fatal(RuntimeError("the proxy's socket was closed"))


def _door(house: House, connections: Connections) -> Middleware:
    """Who may come in, and what is said when something goes wrong behind it."""

    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = house.new_id("req")
        _request_id.set(request_id)
        connection = connections.of(request)
        if connection is not None:
            connection.began()
        with bound(request_id=request_id):
            try:
                _let_in(request, house)
                return await handler(request)
            except Refused as refused:
                _log.info("refused", path=request.path, status=refused.failure.status, message=str(refused))
                response = error_answer(refused.failure, request_id)
                if refused.close:
                    response.force_close()
                return response
            except ReplyFailed as failed:
                return error_answer(failed.failure, request_id)
            except web.HTTPException as http:
                return _without_route(http, request, request_id)
            except ConnectionError:
                # The client is gone, which is its right.
                raise
            except MemoryError as error:
                house.on_fatal(error)
                return error_answer(INTERNAL, request_id)
            except Exception as bug:  # noqa: BLE001 - the boundary of one request
                _log.error("exception in a request", exception=bug, path=request.path)
                return error_answer(INTERNAL, request_id)
            finally:
                if connection is not None:
                    connection.ended()

    return door


def _let_in(request: web.Request, house: House) -> None:
    """Check who comes, and count whom the door stays shut for. Raises `Refused`."""
    try:
        _check(request, house)
    except Refused:
        house.turned_away += 1
        raise


def _check(request: web.Request, house: House) -> None:
    """Host, origin, token. Raises `Refused`."""
    port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
    if request.headers.get("host", "") not in _names_of(port):
        raise refusal(403, "permission_error", "This address does not belong to this proxy.", close=True)
    if "origin" in request.headers:
        raise refusal(403, "permission_error", "Web pages may not use this proxy.", close=True)
    if request.path in _PUBLIC:
        return
    token = _token_for(request.path, house)
    if not token or not any(hmac.compare_digest(given, token.encode()) for given in _tokens_of(request)):
        raise refusal(
            401,
            "authentication_error",
            "This is claude-or's local proxy: it takes the token of its own session only.",
            should_retry=False,
            close=True,
        )


def _token_for(path: str, house: House) -> str:
    """Which token a path asks for; empty when none opens it. Each MCP server has its own, and no other opens it."""
    if path.startswith("/control/"):
        return house.control_token
    if path.startswith("/mcp/"):
        return house.servers.token_of(path) if house.servers else ""
    return house.token


def _names_of(port: int) -> tuple[str, ...]:
    names = (f"127.0.0.1:{port}", f"localhost:{port}")
    return (*names, "127.0.0.1", "localhost") if port == 80 else names


def _tokens_of(request: web.Request) -> list[bytes]:
    """What the client offers as a token: as bearer and as API key, since clients send either or both."""
    offered = [request.headers.get("x-api-key", "")]
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        offered.append(bearer.strip())
    return [value.encode("utf-8", "surrogateescape") for value in offered if value]


def _without_route(http: web.HTTPException, request: web.Request, request_id: str) -> web.Response:
    """An error of the framework, in the API's shape."""
    if isinstance(http, web.HTTPMethodNotAllowed):
        message = f"{request.method} is not allowed for {request.path[:200]}."
        failure = Failure(kind="invalid_request", status=405, type="invalid_request_error", message=message)
        response = error_answer(failure, request_id)
        response.headers["allow"] = ", ".join(sorted(http.allowed_methods))
        return response
    if http.status == 404:
        message = f"There is no {request.path[:200]} here."
        return error_answer(Failure(kind="not_found", status=404, type="not_found_error", message=message), request_id)
    failure = Failure(kind="invalid_request", status=http.status, type="invalid_request_error", message=http.reason)
    return error_answer(failure, request_id)


def _one_of_many(answer: Answer) -> Answer:
    """Answer only so many at once; who comes on top is told to come back in a moment."""

    async def bounded(request: web.Request, house: House, request_id: str) -> web.StreamResponse:
        if house.open_requests >= house.most_requests:
            busy = Failure(
                kind="overloaded",
                status=529,
                type="overloaded_error",
                message=f"claude-or answers {house.most_requests} requests at once and no more.",
                retry_after=1.0,
            )
            raise Refused(busy)
        house.open_requests += 1
        try:
            return await answer(request, house, request_id)
        finally:
            house.open_requests -= 1
            house.served += 1

    return bounded


async def _tell_health(request: web.Request, house: House, request_id: str) -> web.Response:
    del request, house
    return json_answer({"status": "ok"}, request_id)


async def _name_ourselves(request: web.Request, response: web.StreamResponse) -> None:
    del request
    response.headers["server"] = "claude-or"
    response.headers.setdefault(REQUEST_ID, _request_id.get())
