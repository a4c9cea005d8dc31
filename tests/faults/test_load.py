"""Many at once, and for a while. The long forms are marked slow; `tests/faults/soak.py` runs for as long as it is told."""

from __future__ import annotations

import asyncio
import resource
import statistics
import time

import aiohttp
import msgspec
import pytest

from claude_or.wire.sse import SseDecoder
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import text
from tests.faults.soak import resident, soak
from tests.proxy.gateway import TOKEN, gateway, prompt
from tests.reply.script import Script, answer


async def test_a_short_soak_loses_nothing_and_leaves_nothing() -> None:
    figures = await soak(4, rate=25)
    assert figures.unexpected == []
    assert sum(figures.outcomes.values()) >= 50
    # Idle connections of the client and to the host stay open, a few each.
    for found in (figures.descriptors, figures.tasks):
        counts = [count for _, count in found]
        assert max(counts) - min(counts) <= 60, figures.told()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_thousand_streams_at_once_are_neither_lost_nor_mixed() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    words = [f"w{n} " for n in range(40)]
    first, *deltas, last = answer(*words)
    script = Script([first, *[step for found in deltas for step in (0.25, found)], last])
    before = resident()
    waits: list[float] = []

    async def one(n: int, client: aiohttp.ClientSession, url: str) -> bool:
        headers = {"authorization": f"Bearer {TOKEN}"}
        began = time.monotonic()
        decoder, said = SseDecoder(), ""
        async with client.post(url + "/v1/messages", json=prompt(f"{n}"), headers=headers) as response:
            async for data in response.content.iter_any():
                for frame in decoder.feed(data):
                    event = msgspec.json.decode(frame.data)
                    said += event.get("delta", {}).get("text", "")
        waits.append(time.monotonic() - began)
        return said == "".join(words)

    async with (
        gateway(None, replier_for=lambda _plan: script) as door,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        whole = await asyncio.gather(*(one(n, client, door.url) for n in range(1_000)))
    grown = resident() - before
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(f"1,000 streams: median {statistics.median(waits):.1f} s for 10 s of answer, {grown / 1e6:.0f} MB more")
    assert all(whole)
    assert len(whole) == 1_000
    assert grown < 250_000_000


@pytest.mark.slow
async def test_a_hundred_thousand_deltas_arrive_in_time_and_cost_no_memory() -> None:
    before = resident()
    whole = "x" * 100_000
    async with OpenRouterFake([text(whole, cut=1)]) as host, gateway(host) as door:
        began = time.monotonic()
        answered = await door.post(prompt())
        took = time.monotonic() - began
    print(f"100,000 deltas: {took:.1f} s, {(resident() - before) / 1e6:.0f} MB more, fake and client included")
    assert answered.message["content"][0]["text"] == whole
    assert took < 20
