"""The HTTP client of a host that speaks chat completions: one pool, one credential, one address.

What leaves here is made here: nothing of the client's own headers goes out. Redirects are never followed, since they would carry
the key elsewhere; a proxy from the environment is used for https only, never for loopback; `.netrc` is never read. Nobody is
waited for without a limit, and what a host says in an error is read up to a limit. Whoever leaves an answer early closes its
connection at once, so that the host stops and bills no further.
Source: OpenRouter's documentation of headers, app attribution and sticky routing.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from claude_or import __version__
from claude_or.config.schema import Limits
from claude_or.log import get_log
from claude_or.routing.ask import ReplyFailed
from claude_or.upstream.catalogue import Answer, Unreachable
from claude_or.upstream.lifeline import lively_socket
from claude_or.upstream.trouble import BROKEN, connection_failure, reason_of, silence_failure
from claude_or.upstream.trust import trusted

ERROR_BYTES: Final = 1_000_000
"""How much of an error's body is read."""
PIECE_BYTES: Final = 1_000_000
"""Longest body that is written in one go."""
LISTING_BYTES: Final = 32_000_000
ERROR_BODY_S: Final = 10.0
GET_S: Final = 30.0
KEEP_ALIVE_S: Final = 55.0
"""How long an idle connection is kept: between two turns a tool may run, and a new TLS connection costs a round trip or three."""
LEFTOVER_S: Final = 1.0
"""How long the end of a finished answer is waited for, in the background, to use its connection again."""

ATTRIBUTION: Final = {
    "HTTP-Referer": "https://github.com/claude-or/claude-or",
    "X-OpenRouter-Title": "claude-or",
    "X-OpenRouter-Categories": "cli-agent",
}
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_log = get_log("upstream")


class OpenRouter:
    """One host. `base_url` is the address below which `/chat/completions` stands, `key` the credential (None sends none).

    `name` is who is meant in messages, the address's host when empty. `headers` are the user's own for this host; `key_header`
    carries the key, bare unless it is `authorization`. `sessions`: the host wants to know which conversation it is.
    An async context manager; all calls happen inside it.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        attribution: bool = True,
        limits: Limits | None = None,
        name: str = "",
        headers: Mapping[str, str] | None = None,
        key_header: str = "authorization",
        sessions: bool = True,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        address = parts.hostname or self.base_url
        self.name = f"{name} ({parts.netloc})" if name else address
        """Who is meant in messages."""
        self.is_own = bool(name)
        """Whether this is a host of the user's own, with an account that has nothing to do with OpenRouter."""
        self._sessions = sessions
        self.secrets: tuple[str, ...] = (key,) if key else ()
        """What must be masked wherever this host is quoted."""
        self._limits = limits or Limits()
        self._headers = {"user-agent": f"claude-or/{__version__}", "accept-encoding": "identity", **(headers or {})}
        if key:
            self._headers[key_header] = f"Bearer {key}" if key_header.lower() == "authorization" else key
        if attribution:
            self._headers |= ATTRIBUTION
        self._proxy, self._proxy_headers = proxy_for(parts.scheme, address)
        self._session: aiohttp.ClientSession | None = None
        self._leftovers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # No overall limit, since answers may take an hour; silence is measured where the answer is read.
            timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect, sock_connect=self._limits.connect),
            # As many connections as there are requests at the door, which has a limit of its own.
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=KEEP_ALIVE_S,
                ttl_dns_cache=60,
                ssl=trusted(os.environ),
                socket_factory=lively_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        leftovers = list(self._leftovers)
        for task in leftovers:
            task.cancel()
        await asyncio.gather(*leftovers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def answer_to(
        self,
        path: str,
        body: bytes,
        *,
        session_key: str = "",
        first_byte: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """POST a JSON body; the head of the answer has come, its body is the caller's to read. `headers` go along.

        Leaving by an exception (also cancellation) closes the connection at once; leaving normally gives the rest of the body a
        moment in the background. Raises `ReplyFailed` when no head comes within `first_byte` seconds, for a connection that
        fails and for a redirect.
        """
        limit = self._limits.first_byte if first_byte is None else first_byte
        sent = self._sent(
            headers, {"content-type": "application/json", "accept": "text/event-stream, application/json"}
        )
        if session_key and self._sessions:
            sent["x-session-id"] = session_key
        waiting = asyncio.timeout(limit)
        try:
            async with waiting:
                response = await self._open.post(
                    self._url(path),
                    data=_payload(body),
                    headers=sent,
                    allow_redirects=False,
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers,
                )
        except BROKEN as error:
            silent = waiting.expired()
            failure = silence_failure(self.name, limit) if silent else connection_failure(error, self.name)
            raise ReplyFailed(failure) from error
        whole = False
        try:
            yield response
            whole = True
        finally:
            if whole:
                self._finish(response)
            else:
                response.close()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path below the address, whole. Raises `Unreachable`."""
        try:
            async with (
                asyncio.timeout(GET_S),
                self._open.get(
                    self._url(path),
                    headers=self._sent(headers, {"accept": "application/json"}),
                    allow_redirects=False,
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers,
                ) as response,
            ):
                body = await read_up_to(response, LISTING_BYTES)
        except BROKEN as error:
            raise Unreachable(reason_of(error, self.name)) from None
        if body is None:
            raise Unreachable(f"the answer of {self.name} is larger than {LISTING_BYTES // 1_000_000} MB")
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    async def models(self) -> Answer:
        """The public listing of models, as the host writes it. Raises `Unreachable`."""
        return await self.get("/models")

    async def key_info(self) -> Answer:
        """What the host says about the key: status 200 when it is good, 401 when not. Raises `Unreachable`."""
        return await self.get("/key")

    async def warm(self) -> None:
        """Open a connection ahead of the first request. Fails in silence: the first request will tell."""
        try:
            await self.key_info()
        except Unreachable as error:
            _log.info("host not warm", reason=str(error))

    def _sent(self, headers: Mapping[str, str] | None, usual: dict[str, str]) -> CIMultiDict[str]:
        """All headers of a request. The key is among them, so they are never a default of the session: aiohttp tells those to a
        proxy, too."""
        sent = CIMultiDict(self._headers)
        sent.update(usual)
        sent.update(headers or {})
        return sent

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the host is used outside its context")
        return self._session

    def _url(self, path: str) -> URL:
        # Encoded by us: a slug in a path keeps its own escapes.
        return URL(self.base_url + path, encoded=True)

    def _finish(self, response: aiohttp.ClientResponse) -> None:
        if response.connection is None:
            return
        task = asyncio.create_task(_drain(response))
        self._leftovers.add(task)
        task.add_done_callback(self._leftovers.discard)
        # Here, because a task that is cancelled before it began runs no `finally`.
        task.add_done_callback(lambda _: response.close())


def _payload(body: bytes) -> bytes | io.BytesIO:
    """A long body is handed over in pieces, so that other requests go on while it is sent."""
    return body if len(body) <= PIECE_BYTES else io.BytesIO(body)


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read what is left of a finished answer so that its connection goes back to the pool; else close it."""
    try:
        async with asyncio.timeout(LEFTOVER_S):
            await read_up_to(response, ERROR_BYTES)
    except BROKEN:
        pass


async def read_up_to(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The rest of a body; None when it is longer than `most` bytes, and then the connection is closed."""
    found = bytearray()
    async for part in response.content.iter_any():
        found += part
        if len(found) > most:
            response.close()
            return None
    return bytes(found)


async def error_body(response: aiohttp.ClientResponse) -> bytes:
    """The body of an error: what comes within a time and a size limit, which may be a part or nothing."""
    found = bytearray()
    try:
        async with asyncio.timeout(ERROR_BODY_S):
            async for part in response.content.iter_any():
                found += part
                if len(found) >= ERROR_BYTES:
                    break
    except BROKEN:
        pass
    return bytes(found[:ERROR_BYTES])


def proxy_for(scheme: str, host: str) -> tuple[URL | None, dict[str, str] | None]:
    """The proxy that the environment names for this host, with the header that holds its own credentials.

    Loopback is never reached through a proxy, whatever NO_PROXY says, and plain http is only used for loopback.
    """
    if host in LOOPBACK or proxy_bypass(host):
        return None, None
    found = getproxies_environment()
    named = found.get(scheme) or found.get("all")
    if not named:
        return None, None
    url = URL(named if "://" in named else f"http://{named}")
    if url.scheme not in {"http", "https"} or not url.host:
        _log.warning("proxy of the environment not used", reason=f"scheme {url.scheme}")
        return None, None
    if not url.user:
        return url, None
    credentials = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode("ascii")
    return url.with_user(None), {"proxy-authorization": f"Basic {credentials}"}
