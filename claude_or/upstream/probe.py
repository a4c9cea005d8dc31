"""Single GET requests for our own commands, with reasons that a person can act on when they fail.

A session's traffic does not pass here; it has a pool, retries and limits of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from claude_or.upstream.catalogue import Answer, Get, Unreachable

if TYPE_CHECKING:
    import aiohttp

MAX_BYTES = 32_000_000


@asynccontextmanager
async def probing(base_url: str, key: str | None, *, timeout_s: float) -> AsyncGenerator[Get]:
    """A `Get` for this host. Each request has `timeout_s` seconds in all. `key` is sent as bearer when given."""
    import aiohttp

    from claude_or import __version__

    headers = {"user-agent": f"claude-or/{__version__}", "accept": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    host = urlsplit(base_url).hostname or ""
    async with aiohttp.ClientSession(
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        trust_env=urlsplit(base_url).scheme == "https",  # plain http is loopback, which no proxy can reach
    ) as session:

        async def get(path: str, more: Mapping[str, str]) -> Answer:
            try:
                # A redirect could carry the key to another host.
                async with session.get(base_url + path, headers=dict(more), allow_redirects=False) as response:
                    body = await _body(response)
                    return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, body)
            except TimeoutError:
                raise Unreachable(f"{host} gave no answer within {timeout_s:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                raise Unreachable(_reason(error, host)) from None

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


def _reason(error: Exception, host: str) -> str:
    import aiohttp

    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {host} could not be looked up"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return f"the certificate of {host} is not trusted"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return "the proxy named in the environment could not be used"
        case aiohttp.ClientConnectorError():
            return f"{host} cannot be reached ({error.os_error.strerror or 'no connection'})"
        case _:
            return f"the connection to {host} broke off"
