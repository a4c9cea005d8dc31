"""A scripted OpenRouter on 127.0.0.1: faithful in shapes, obedient in what it answers, and it forgets nothing.

    async with OpenRouterFake([[tool_call("Read", {"file_path": "/a"})], text("done")]) as host:
        ...                       # OPENROUTER_BASE_URL = host.base_url
        host.asks[0].body         # what was asked, as JSON; .raw, .headers, .started, .gone and more

A script is a list of replies (`tests/fakes/replies.py`), one for each completion asked; or a brain, a function of
`(ask, n)` that returns a reply; or nothing, and then the agent of `tests/fakes/agent.py` answers. To try things by hand:

    uv run python -m tests.fakes.openrouter --port 8099
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from inspect import isawaitable
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from aiohttp import web

from tests.fakes import shapes
from tests.fakes.agent import agent
from tests.fakes.checks import chat_refusal, unknown_model
from tests.fakes.listing import Listed, default_listing, endpoints, key_info
from tests.fakes.record import PROVIDER, Ask, generation_data, json_object
from tests.fakes.replies import End, Pause, Reply, Reset, Scripted, error, reply_of, text
from tests.fakes.skin import in_skin, messages_object, messages_refusal, messages_stream

KEY = "sk-or-v1-a-key-of-the-tests"


Answer = Scripted | Awaitable[Scripted]
Brain = Callable[[Ask, int], Answer]


def script(*replies: Scripted, otherwise: Scripted | None = None) -> Brain:
    """Play replies in order for the turns of the main conversation: requests that offer tools.

    Everything else, and everything after the end, gets `otherwise` (a short text). Claude Code asks on the side as well;
    a plain list would be mixed up by that.
    """
    left = list(replies)

    def brain(ask: Ask, _n: int) -> Scripted:
        if left and ask.body.get("tools"):
            return left.pop(0)
        return otherwise if otherwise is not None else text("All done.")

    return brain


class OpenRouterFake:
    """The host. An async context manager; listens on a free port of 127.0.0.1 unless one is named.

    `key`: the only credential taken; None takes any that is not empty. `models`: the listing, the default one when None.
    `strict`: whether bad requests are refused as the real host does. `created`: epoch seconds that answers tell.
    """

    def __init__(
        self,
        replies: Brain | Iterable[Scripted] | None = None,
        *,
        key: str | None = None,
        models: Sequence[Listed] | None = None,
        strict: bool = True,
        port: int = 0,
        created: int = 1_795_000_000,
    ) -> None:
        self.key = key
        self.strict = strict
        self.models: list[Listed] = default_listing() if models is None else list(models)
        self.asks: list[Ask] = []
        self.log: list[Ask] = []
        self.overrun = 0
        """Completions asked after a list of replies had come to its end."""
        self.others: dict[str, Scripted] = {}
        """Answers by path (`/models`, `/key`, …) in place of the usual ones."""
        self._answer = self._brain_of(replies)
        self._port = port
        self._created = created
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def _brain_of(self, replies: Brain | Iterable[Scripted] | None) -> Brain:
        if replies is None:
            return lambda ask, _n: agent(ask.body)
        if callable(replies):
            return replies
        left = list(replies)

        def play(_ask: Ask, n: int) -> Scripted:
            if n < len(left):
                return left[n]
            self.overrun += 1
            return error(400, f"The script of the fake ends after {len(left)} replies.")

        return play

    # Life

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
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

    @property
    def base_url(self) -> str:
        """The value for `OPENROUTER_BASE_URL`."""
        return self.origin + "/api/v1"

    def script(self, replies: Brain | Iterable[Scripted] | None) -> None:
        """Answer from now on by another script; a list counts from the next completion on."""
        offset = len(self.asks)
        brain = self._brain_of(replies)
        self._answer = lambda ask, n: brain(ask, n - offset)

    # What was seen

    def invoice(self) -> Decimal:
        """What all answers that were begun cost, in US dollars."""
        return sum((ask.bill.total for ask in self.asks if ask.bill), Decimal(0))

    async def asked(self, count: int, timeout: float = 30.0) -> Ask:
        """Wait until so many completions have been asked; the newest of them."""
        async with asyncio.timeout(timeout):
            while len(self.asks) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.asks[count - 1]

    # Requests

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        raw = await request.read()
        ask = Ask(
            method=request.method,
            path=request.path.removeprefix("/api/v1"),
            query=dict(request.query),
            headers=request.headers.copy(),
            raw=raw,
            body=json_object(raw),
            started=started,
            kind=self._kind(request),
        )
        self.log.append(ask)
        try:
            return await self._respond(request, ask)
        finally:
            ask.over.set()

    @staticmethod
    def _kind(request: web.Request) -> Literal["chat", "messages", "other"]:
        if request.method != "POST":
            return "other"
        kinds: dict[str, Literal["chat", "messages"]] = {
            "/api/v1/chat/completions": "chat",
            "/api/v1/messages": "messages",
        }
        return kinds.get(request.path, "other")

    async def _respond(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        if ask.kind == "other":
            reply = reply_of(self.others[ask.path]) if ask.path in self.others else self._other(ask)
            return await self._plain(request, ask, reply)
        ask.n = len(self.asks)
        self.asks.append(ask)
        self._changed.set()
        entry = self.entry(ask.model)
        refusal = self._unauthorized(ask) or self._refusal(ask, entry)
        if refusal is None:
            answer = self._answer(ask, ask.n)
            refusal = reply_of(await answer if isawaitable(answer) else answer)
        ask.reply = refusal
        if refusal.body is not None:
            return await self._plain(request, ask, in_skin(refusal) if ask.kind == "messages" else refusal)
        return await self._complete(request, ask, refusal, entry or self.models[0])

    def _refusal(self, ask: Ask, entry: Listed | None) -> Reply | None:
        if not self.strict:
            return None
        if not ask.body:
            return error(400, "The body is not a JSON object.")
        if entry is None:
            return unknown_model(ask.model)
        return chat_refusal(ask.body, entry) if ask.kind == "chat" else messages_refusal(ask.body, entry)

    def _unauthorized(self, ask: Ask) -> Reply | None:
        bearer = ask.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        # The Messages skin takes either header, and believes `x-api-key` when both are there.
        given = (ask.headers.get("x-api-key") or bearer) if ask.kind == "messages" else bearer
        if not given:
            return error(401, "Missing Authentication header")
        if self.key is not None and given != self.key:
            return error(401, "User not found.")
        return None

    def entry(self, slug: str) -> Listed | None:
        """The listed model that a slug means, through aliases, presets and routing variants."""
        bare = slug.partition("@")[0]
        known = {model["id"]: model for model in self.models}
        entry = known.get(bare) or known.get(bare.rpartition(":")[0])
        target = (entry or {}).get("alias_target")
        return known.get(target["slug"], entry) if target else entry

    # Answers

    async def _plain(self, request: web.Request, ask: Ask, reply: Reply) -> web.StreamResponse:
        if reply.head_delay:
            await self._waiting(ask, reply.head_delay)
        ask.status, ask.head_at = reply.status, time.monotonic()
        body = reply.body or b""
        response = web.Response(body=body, status=reply.status, headers={**_ids(ask), **reply.headers})
        await response.prepare(request)
        await response.write_eof()
        ask.sent, ask.finished = len(body), time.monotonic()
        return response

    async def _complete(self, request: web.Request, ask: Ask, reply: Reply, entry: Listed) -> web.StreamResponse:
        ask.bill = shapes.bill(reply, entry["pricing"], len(ask.raw))
        ask.generation = f"gen-{self._created + ask.n}-{ask.n:020d}"
        origin = shapes.Origin(
            id=ask.generation,
            created=self._created + ask.n,
            model=reply.model or entry["canonical_slug"],
            provider=reply.provider or PROVIDER,
        )
        stream = reply.form == "stream" or (reply.form == "asked" and bool(ask.body.get("stream")))
        steps = _steps(ask.kind, reply, origin, ask.bill, stream=stream)
        headers = {
            "Content-Type": "text/event-stream" if stream else "application/json",
            "Cache-Control": "no-cache",
            **_ids(ask),
            **({"Content-Encoding": "gzip"} if reply.gzip else {}),
            **reply.headers,
        }
        if reply.head_delay:
            await self._waiting(ask, reply.head_delay)
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            ask.status, ask.head_at = reply.status, time.monotonic()
            await self._play(request, response, ask, reply, steps)
        except (ConnectionError, asyncio.CancelledError):
            ask.gone = time.monotonic()
            raise
        return response

    async def _play(
        self, request: web.Request, response: web.StreamResponse, ask: Ask, reply: Reply, steps: Iterable[shapes.Step]
    ) -> None:
        async for step in _wire(steps, reply):
            match step:
                case Pause():
                    await asyncio.sleep(step.seconds)
                case Reset():
                    _tear(request, hard=True)
                    return
                case End():
                    break
                case bytes():
                    left = len(step) if reply.cut_at is None else reply.cut_at - ask.sent
                    await response.write(step[:left])
                    ask.sent += min(left, len(step))
                    if reply.cut_at is not None and ask.sent >= reply.cut_at:
                        if reply.cut_how == "end":
                            break
                        _tear(request, hard=reply.cut_how == "reset")
                        return
        await response.write_eof()
        ask.finished = time.monotonic()

    async def _waiting(self, ask: Ask, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ask.gone = time.monotonic()
            raise

    # Everything that is no completion

    def _other(self, ask: Ask) -> Reply:
        path = ask.path
        if ask.method != "GET":
            return error(404, "Not Found")
        if path == "/models":
            return _json({"data": self.models, "links": {"next": None}, "total_count": len(self.models)})
        if path.startswith("/models/") and path.endswith("/endpoints"):
            return self._of_model(path[len("/models/") : -len("/endpoints")], endpoints)
        if path.startswith("/model/"):
            return self._of_model(path.removeprefix("/model/"), lambda entry: entry)
        if refusal := self._unauthorized(ask):
            return refusal
        match path:
            case "/models/user":
                return _json({"data": self.models, "links": {"next": None}, "total_count": len(self.models)})
            case "/key":
                return _json({"data": key_info("sk-or-v1-a-k...sts", self.invoice())})
            case "/credits":
                return error(403, "Only management keys can fetch credits for an account")
            case "/generation":
                return self._generation(ask.query.get("id", ""))
            case _:
                return error(404, "Not Found")

    def _of_model(self, slug: str, tell: Callable[[Listed], Mapping[str, Any]]) -> Reply:
        entry = self.entry(slug)
        return _json({"data": tell(entry)}) if entry else error(404, f"Model {slug} not found")

    def _generation(self, generation: str) -> Reply:
        for ask in self.asks:
            if ask.generation == generation and ask.bill and ask.reply:
                return _json({"data": generation_data(ask, ask.bill, ask.reply)})
        return error(404, f"Generation {generation} not found")


def _json(value: Mapping[str, Any]) -> Reply:
    return Reply(body=msgspec.json.encode(value), headers={"Content-Type": "application/json"})


def _ids(ask: Ask) -> dict[str, str]:
    return {"X-Generation-Id": ask.generation} if ask.generation else {}


def _steps(kind: str, reply: Reply, origin: shapes.Origin, bill: shapes.Bill, *, stream: bool) -> Iterable[shapes.Step]:
    if kind == "chat":
        usage = bill.chat_usage()
        return shapes.ChatStream(reply, origin, usage).steps() if stream else _whole(reply, origin, usage)
    usage = bill.messages_usage()
    if stream:
        return messages_stream(reply, origin, usage)
    return [*_delays(reply), messages_object(reply, origin, usage)]


def _whole(reply: Reply, origin: shapes.Origin, usage: dict[str, Any]) -> list[shapes.Step]:
    return [*_delays(reply), shapes.chat_completion(reply, origin, usage)]


def _delays(reply: Reply) -> list[shapes.Step]:
    """What can happen before an answer that comes in one piece."""
    return [part for part in reply.parts if isinstance(part, Pause | Reset | End)]


async def _wire(steps: Iterable[shapes.Step], reply: Reply) -> AsyncIterator[shapes.Step]:
    """Steps as the network sees them: compressed and sliced if the reply says so."""
    packer = zlib.compressobj(wbits=31) if reply.gzip else None
    for step in steps:
        if not isinstance(step, bytes):
            yield step
            continue
        data = packer.compress(step) + packer.flush(zlib.Z_SYNC_FLUSH) if packer else step
        size = reply.slice_bytes or len(data)
        for start in range(0, len(data), size):
            yield data[start : start + size]
            if reply.slice_bytes:
                yield Pause(reply.gap)
    if packer:
        yield packer.flush()


def _tear(request: web.Request, *, hard: bool) -> None:
    """Close the connection without the end of the body: FIN, or RST when `hard`."""
    transport = request.transport
    if transport is None:
        return
    if hard:
        plug: socket.socket | None = transport.get_extra_info("socket")
        if plug is not None:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _program() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="take only this key")
    options = parser.parse_args()
    async with OpenRouterFake(port=options.port, key=options.key) as host:
        print(host.base_url, flush=True)
        told = 0
        while True:
            ask = await host.asked(told + 1, timeout=86_400 * 365)
            told += 1
            print(f"{ask.path} {ask.model} {len(ask.raw)} bytes, {len(ask.messages)} messages", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(_program())
    except KeyboardInterrupt:
        pass
