"""A remote server asked the same three things over HTTP, as Claude Code would ask it: initialize, tools/list, ping.

`http` is one address that answers each POST with JSON or with a stream of events; `sse`, the older form, is a stream that first names
the address to post to and then brings the answers. Source: Model Context Protocol, transports, 2025-11-25 and 2024-11-05.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from time import perf_counter
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from claude_or.log import Redaction
from claude_or.mcp.probe import ANSWER_LIMIT, STEP_LIMIT_S, Failed, Probed, ask_all, result_of
from claude_or.upstream.trust import trusted
from claude_or.wire.sse import COMMENT, FrameTooLarge, SseDecoder

_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_LOGIN: Final = frozenset({401, 403})
_SESSION: Final = "Mcp-Session-Id"
_VERSION: Final = "MCP-Protocol-Version"


async def probe_remote(name: str, entry: Mapping[str, Any], secrets: tuple[str, ...], env: Mapping[str, str]) -> Probed:
    """Ask the server at the entry's `url` with its `headers`. Never raises for the server; `needs_login` when it wants one."""
    redaction = Redaction(secrets)
    found = Probed(name, (redaction.text(str(entry["url"])),))
    started = perf_counter()
    try:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=STEP_LIMIT_S)
        beyond = urlsplit(str(entry["url"])).hostname not in _HERE  # no proxy leads back to this machine
        async with aiohttp.ClientSession(trust_env=beyond, timeout=timeout) as client, AsyncExitStack() as stack:
            asking = (_Stream if entry["type"] == "sse" else _Posts)(client, entry, trusted(env), found)
            await stack.enter_async_context(asking)
            await ask_all(asking, found, STEP_LIMIT_S)
            found.step = ""
    except Failed as failure:
        found.reason = str(failure)
    except (aiohttp.ClientError, OSError, ValueError, FrameTooLarge) as error:
        found.reason = str(error) or type(error).__name__
    found.seconds = round(perf_counter() - started, 3)
    found.reason = redaction.text(found.reason)
    return found


class _Posts:
    """Streamable HTTP: each message is a POST of its own."""

    def __init__(self, client: aiohttp.ClientSession, entry: Mapping[str, Any], ssl: Any, found: Probed) -> None:
        self._client = client
        self._url = str(entry["url"])
        # With each request, not with the session: an HTTP proxy on the way must not read them.
        self._headers = {str(key): str(value) for key, value in (entry.get("headers") or {}).items()}
        self._ssl = ssl
        self._found = found
        self._asked = 0

    async def __aenter__(self) -> None:
        """Nothing to open."""

    async def __aexit__(self, *exc: object) -> None:
        """End the session that the server may have begun."""
        if _SESSION in self._headers:
            try:
                async with asyncio.timeout(2), self._client.delete(self._url, headers=self._headers, ssl=self._ssl):
                    pass
            except (aiohttp.ClientError, OSError):
                pass

    async def tell(self, method: str) -> None:
        """Send a notification."""
        async with self._post({"jsonrpc": "2.0", "method": method}) as answer:
            self._check(answer)

    async def ask(self, method: str, params: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Send a request and wait for its result. Raises `Failed`."""
        self._asked += 1
        try:
            async with asyncio.timeout(limit_s):
                message = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}
                async with self._post(message) as answer:
                    self._check(answer)
                    result = await self._read(answer)
        except TimeoutError:
            raise Failed(f"no answer within {limit_s:g} s") from None
        if version := result.get("protocolVersion"):
            self._headers[_VERSION] = str(version)
        return result

    async def _read(self, answer: aiohttp.ClientResponse) -> dict[str, Any]:
        if session := answer.headers.get(_SESSION):
            self._headers[_SESSION] = session
        if answer.content_type != "text/event-stream":
            whole = bytearray()
            async for data in answer.content.iter_any():
                whole += data
                if len(whole) > ANSWER_LIMIT:
                    raise Failed(f"its answer is larger than {ANSWER_LIMIT // 2**20} MB")
            return result_of(bytes(whole), self._asked) or {}
        async with aclosing(_events(answer)) as events:
            async for _, data in events:
                if (result := result_of(data, self._asked)) is not None:
                    return result
        raise Failed("its stream ended without an answer")

    def _post(self, message: dict[str, Any]) -> Any:
        kinds = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        return self._client.post(
            self._url, data=msgspec.json.encode(message), headers={**self._headers, **kinds}, ssl=self._ssl,
            allow_redirects=False,
        )  # fmt: skip

    def _check(self, answer: aiohttp.ClientResponse) -> None:
        """Raises `Failed` for a status that is no answer."""
        if answer.status in _LOGIN:
            self._found.needs_login = True
            raise Failed(f"it wants a login (HTTP {answer.status})")
        if answer.status >= 300:  # a redirect is no answer either
            raise Failed(f"it answered with HTTP {answer.status}")


class _Stream(_Posts):
    """The older form: answers come by one stream, whatever was posted."""

    async def __aenter__(self) -> None:
        """Open the stream and wait for the address to post to. Raises `Failed`."""
        headers = {**self._headers, "accept": "text/event-stream"}
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                self._answer = await self._client.get(self._url, headers=headers, ssl=self._ssl, allow_redirects=False)
                self._check(self._answer)
                self._events = _events(self._answer)
                name, data = await anext(self._events)
        except TimeoutError:
            raise Failed(f"no stream within {STEP_LIMIT_S:g} s") from None
        except StopAsyncIteration:
            raise Failed("its stream ended at once") from None
        if name != "endpoint":
            raise Failed("its stream does not begin with an endpoint; `type: http` may be meant")
        self._url = urljoin(self._url, data.decode())

    async def __aexit__(self, *exc: object) -> None:
        """Close the stream."""
        await self._events.aclose()
        self._answer.close()

    async def _read(self, answer: aiohttp.ClientResponse) -> dict[str, Any]:
        del answer  # 202; the answer itself comes by the stream
        async for _, data in self._events:
            if (result := result_of(data, self._asked)) is not None:
                return result
        raise Failed("its stream ended without an answer")


async def _events(answer: aiohttp.ClientResponse) -> AsyncGenerator[tuple[str, bytes], None]:
    """The events of a stream: name and data."""
    decoder = SseDecoder(limit=ANSWER_LIMIT)
    async for data in answer.content.iter_any():
        for frame in decoder.feed(data):
            if frame.event != COMMENT:
                yield frame.event, frame.data
