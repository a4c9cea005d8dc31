"""The proxy as tests meet it: the real application on a free port, before the fake host, with a plain HTTP client.

async with gateway(host) as door:
    answer = await door.post(prompt("hi"))
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import msgspec

from claude_or.config.schema import Limits, Models, Settings
from claude_or.proxy.app import make_app, serving
from claude_or.proxy.house import House
from claude_or.reply.assemble import Parts, assemble
from claude_or.reply.breaker import Breakers
from claude_or.reply.budget import Budget
from claude_or.reply.meter import Tally
from claude_or.reply.sight import Album
from claude_or.routing.ask import Plan, Replier
from claude_or.routing.catalog import Catalog, parse_models
from claude_or.upstream.hosts import Hosts
from claude_or.upstream.openrouter import OpenRouter
from claude_or.upstream.search import CallTool, search_by
from claude_or.wire.events import fold
from claude_or.wire.sse import Frame, SseDecoder
from tests.fakes.openrouter import KEY, OpenRouterFake

TOKEN = "token-of-this-session"
CONTROL = "token-of-the-other-commands"
MODEL = "z-ai/glm-5.3"


@dataclass
class Answer:
    """A whole answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and type of an error, whose shape is checked."""
        assert self.json["type"] == "error", self.body
        assert self.json["request_id"] == self.headers["request-id"]
        return self.status, self.json["error"]["type"]

    @property
    def frames(self) -> list[Frame]:
        """The events of a stream."""
        decoder = SseDecoder()
        return [*decoder.feed(self.body), *decoder.close()]

    @property
    def events(self) -> list[str]:
        """Their names."""
        return [frame.event for frame in self.frames]

    @property
    def message(self) -> dict[str, Any]:
        """The message that the stream tells."""
        return fold(self.frames)


@dataclass
class Door:
    """A running proxy and a client before it."""

    port: int
    house: House
    client: aiohttp.ClientSession
    tally: Tally
    sock: socket.socket
    fatal: list[BaseException] = field(default_factory=list[BaseException])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, method: str, path: str, **request: Any) -> Answer:
        """Any request; the token is sent unless headers are given."""
        request.setdefault("headers", {"authorization": f"Bearer {TOKEN}"})
        async with self.client.request(method, self.url + path, allow_redirects=False, **request) as response:
            body = await response.read()
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, body)

    async def post(self, body: Any, path: str = "/v1/messages?beta=true", **headers: str) -> Answer:
        """A JSON body to an endpoint; with `headers` beside the token (underscores mean hyphens)."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, json=body, headers={"authorization": f"Bearer {TOKEN}", **more})

    def open(self, body: Any) -> Any:
        """A request whose answer is read by the caller, as an async context manager."""
        return self.client.post(
            self.url + "/v1/messages", json=body, headers={"authorization": f"Bearer {TOKEN}"}, chunked=None
        )


def prompt(text: str = "hi", *, stream: bool = True, **more: Any) -> dict[str, Any]:
    """A small request."""
    return {
        "model": MODEL,
        "max_tokens": 4000,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
        **more,
    }


WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def catalog_of(host: OpenRouterFake) -> Catalog:
    """The listing of the fake host."""
    return parse_models(msgspec.json.encode({"data": host.models}), 0.0)


async def _no_sleep(seconds: float) -> None:
    del seconds


@asynccontextmanager
async def gateway(
    host: OpenRouterFake | None,
    *,
    settings: Settings | None = None,
    limits: Limits | None = None,
    base_url: str | None = None,
    replier_for: Callable[[Plan], Replier] | None = None,
    sleep: Callable[[float], Awaitable[object]] = _no_sleep,
    breakers: Breakers | None = None,
    hosts: Hosts | None = None,
    environ: Mapping[str, str] | None = None,
    call_tool: CallTool | None = None,
    budget: Budget | None = None,
    album: Album | None = None,
    **house: Any,
) -> AsyncGenerator[Door]:
    """A proxy before `host` (or before `base_url`, or before `hosts`). `replier_for` puts something else in the place of the
    reply chain."""
    settings = settings or Settings(models=Models(big=MODEL, small=MODEL))
    if limits is not None:
        settings = replace(settings, limits=limits)
    catalog = catalog_of(host) if host else None
    tally = Tally()
    fatal: list[BaseException] = []
    upstream = OpenRouter(base_url or (host.base_url if host else "http://127.0.0.1:9/v1"), KEY, limits=settings.limits)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    async with upstream, aiohttp.ClientSession(trust_env=False) as client:
        parts = Parts(
            hosts=hosts.opened if hosts else {"openrouter": upstream},
            missing=hosts.missing if hosts else {},
            settings=lambda: settings,
            catalog=lambda: catalog,
            charge=tally.add,
            budget=budget,
            album=album or Album(),
            sleep=sleep,
            breakers=breakers or Breakers(),
            search=search_by(lambda: settings.web_search, environ or {}, call_tool),
        )
        house.setdefault("scales", parts.scales)
        house.setdefault("status", lambda: {"troubled_routes": parts.breakers.told()})
        made = House(
            token=TOKEN,
            control_token=CONTROL,
            settings=lambda: settings,
            catalog=lambda: catalog,
            replier_for=replier_for or (lambda plan: assemble(plan, parts)),
            tally=tally,
            on_fatal=fatal.append,
            **house,
        )
        async with serving(make_app(made), sock, watch=0.05):
            yield Door(sock.getsockname()[1], made, client, tally, sock, fatal)
