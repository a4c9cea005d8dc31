"""A search source on 127.0.0.1, in the shapes of Brave, Tavily and SearXNG. It refuses what they refuse, and remembers what was asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

KEY = "key-of-the-search-source"
PAGES: tuple[tuple[str, str, str], ...] = (
    ("https://zebras.org/stripes", "Stripes", "Zebras have stripes."),
    ("https://deep.horses.org/coats", "Coats", "Horses have coats."),
)
"""Address, title and excerpt of each page that is found."""


@dataclass(frozen=True)
class Asked:
    """One search as it came: the query of a GET, the body of a POST."""

    path: str
    headers: dict[str, str]
    fields: dict[str, Any]


@dataclass
class SearchFake:
    """The source. An async context manager; `status` other than 200 refuses all, `body` is answered in place of the pages.

    With `hangs` it answers nothing: `busy` says that it was asked, `left` that the asker went away.
    """

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    hangs: bool = False
    asked: list[Asked] = field(default_factory=list[Asked])
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None
    _port: int = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self._port}"

    async def _serve(self, request: web.Request) -> web.Response:
        raw = await request.read()
        fields: dict[str, Any] = msgspec.json.decode(raw) if raw else dict(request.query)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.path, headers, fields))
        if self.hangs:
            self.busy.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        if self.status != 200 or self.body is not None:
            return web.Response(status=self.status, body=self.body, headers=self.headers)
        shapes = {"/brave": self._brave, "/tavily": self._tavily, "/search": self._searxng}
        answer = shapes[request.path](headers, fields)
        return web.json_response(answer) if answer is not None else web.Response(status=401)

    @staticmethod
    def _brave(headers: dict[str, str], fields: dict[str, Any]) -> Any:
        if headers.get("x-subscription-token") != KEY or not fields.get("q"):
            return None
        found = [{"title": title, "url": url, "description": said, "age": "2 days ago"} for url, title, said in PAGES]
        return {"type": "search", "web": {"type": "search", "results": found}}

    @staticmethod
    def _tavily(headers: dict[str, str], fields: dict[str, Any]) -> Any:
        if headers.get("authorization") != f"Bearer {KEY}" or not isinstance(fields.get("max_results"), int):
            return None
        found = [{"title": title, "url": url, "content": said, "score": 0.9} for url, title, said in PAGES]
        return {"query": fields["query"], "results": found}

    @staticmethod
    def _searxng(headers: dict[str, str], fields: dict[str, Any]) -> Any:
        if fields.get("format") != "json" or headers.get("authorization"):
            return None
        found = [{"title": title, "url": url, "content": said, "publishedDate": None} for url, title, said in PAGES]
        return {"query": fields["q"], "number_of_results": 0, "results": found}
