"""Whether a server that runs is alive: a ping when nothing else is asked of it, and the address that its owner named.

A ping is never sent while a request runs: a server with one thread is silent then, and healthy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from claude_or.mcp.launch import McpHealth
from claude_or.mcp.link import Link, Lost

Get = Callable[[str, float], Awaitable[str]]
"""Asks an address within so many seconds: empty when it answered well, else what is wrong."""


async def pinged(link: Link, health: McpHealth) -> str:
    """Returns, with the reason, when the server did not answer `failures` pings in a row."""
    misses = 0
    while misses < health.failures:
        await asyncio.sleep(health.interval)
        if link.busy or not link.ready.is_set():
            misses = 0
            continue
        try:
            async with asyncio.timeout(health.timeout):
                await link.ask("ping")  # a server that refuses the method has answered, too
        except TimeoutError:
            misses = 0 if link.busy else misses + 1
        except Lost:
            misses = 0
        else:
            misses = 0
    return f"did not answer {misses} pings"


async def probed(health: McpHealth, get: Get, report: Callable[[str], None]) -> str:
    """Report each `interval` what the address says (empty: well). Returns, with the reason, when a restart is wanted."""
    bad = 0
    while True:
        said = await get(health.url, health.timeout)
        report(said)
        bad = bad + 1 if said else 0
        if health.restart_on_unhealthy and bad >= health.failures:
            return f"its health check failed {bad} times: {said}"
        await asyncio.sleep(health.interval)


async def get_status(url: str, limit: float) -> str:
    """Ask an address; the usual `Get`."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=limit)) as client,
            client.get(url, allow_redirects=False) as answer,
        ):
            return "" if answer.status < 400 else f"status {answer.status}"
    except (aiohttp.ClientError, OSError, ValueError) as error:  # a time-out is an `OSError`
        return str(error) or type(error).__name__
