"""Single GET requests for our own commands, with reasons that a person can act on when they fail.

A session's traffic does not pass here; it has a pool, retries and limits of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from claude_or import __version__
from claude_or.upstream.catalogue import Answer, Get, Unreachable
from claude_or.upstream.openrouter import proxy_for
from claude_or.upstream.trust import trusted

MAX_BYTES = 32_000_000


class _Resolver(AbstractResolver):
    """Looks names up in a thread that nobody waits for.

    A name server that is silent keeps `getaddrinfo` busy for half a minute. In the loop's usual executor neither a cancelled
    request nor the end of the loop would get past it before that.
    """

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def tell(settle: Callable[[Any], None], value: Any) -> None:
            try:
                loop.call_soon_threadsafe(lambda: None if found.done() else settle(value))
            except RuntimeError:
                pass  # the loop is closed: nobody wants to know any more

        def look_up() -> None:
            try:
                addresses = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
            except OSError as error:
                tell(found.set_exception, error)
            else:
                tell(found.set_result, [_resolved(host, address) for address in addresses])

        Thread(target=look_up, daemon=True).start()
        return await found

    async def close(self) -> None:
        """Nothing is held."""


def _resolved(host: str, address: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, place = address
    return ResolveResult(
        hostname=host, host=place[0], port=place[1], family=family, proto=proto, flags=socket.AI_NUMERICHOST
    )


@asynccontextmanager
async def probing(base_url: str, key: str | None, *, timeout_s: float) -> AsyncGenerator[Get]:
    """A `Get` for this host. Each request has `timeout_s` seconds in all. `key` is sent as bearer when given."""
    headers = {"user-agent": f"claude-or/{__version__}", "accept": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    host = urlsplit(base_url).hostname or ""
    proxy, proxy_headers = proxy_for(urlsplit(base_url).scheme, host)
    async with aiohttp.ClientSession(
        # No headers here: aiohttp would tell them to a proxy as well, the key among them.
        connector=aiohttp.TCPConnector(resolver=_Resolver(), ssl=trusted(os.environ)),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        trust_env=False,
    ) as session:

        async def get(path: str, more: Mapping[str, str]) -> Answer:
            try:
                # A redirect could carry the key to another host.
                async with session.get(
                    base_url + path,
                    headers={**headers, **more},
                    allow_redirects=False,
                    proxy=proxy,
                    proxy_headers=proxy_headers,
                ) as response:
                    body = await _body(response)
                    return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, body)
            except TimeoutError:
                raise Unreachable(f"{host} gave no answer within {timeout_s:g} s", "silence") from None
            except (aiohttp.ClientError, OSError) as error:
                raise _unreachable(error, host, proxy) from None

        yield get


async def _body(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BYTES:
            raise Unreachable(f"the answer is larger than {MAX_BYTES // 1_000_000} MB")
        parts.append(part)
    return b"".join(parts)


def _unreachable(error: Exception, host: str, proxy: URL | None) -> Unreachable:
    named = "the proxy named in the environment" + (f" ({proxy.host}:{proxy.port})" if proxy else "")
    match error:
        case aiohttp.ClientProxyConnectionError():
            return Unreachable(f"{named} could not be used ({_why(error.os_error)})", "proxy")
        case aiohttp.ClientHttpProxyError():
            return Unreachable(f"{named} could not be used (it answered with status {error.status})", "proxy")
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"the name {host} could not be looked up", "dns")
        case aiohttp.ClientConnectorCertificateError():
            why = getattr(error.certificate_error, "verify_message", "") or "it does not fit"
            return Unreachable(f"the certificate of {host} is not trusted ({why})", "tls")
        case aiohttp.ClientSSLError():
            return Unreachable(
                f"no secure connection to {host}: what answers there does not speak TLS as it should", "tls"
            )
        case aiohttp.ClientConnectorError():
            return Unreachable(f"{host} cannot be reached ({_why(error.os_error)})", "connection")
        case _:
            return Unreachable(f"the connection to {host} broke off", "connection")


def _why(error: OSError) -> str:
    # asyncio's own text is "Connect call failed" with the address as a tuple.
    return os.strerror(error.errno).lower() if error.errno else "no connection"
