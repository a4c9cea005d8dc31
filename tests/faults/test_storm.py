"""Load and size as the real process bears them: memory, delay and speed with host, proxy and client apart.

Bounds are such that a busy machine holds them; what was measured on a quiet one stands in `docs/reliability.md`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.fakes.openrouter import OpenRouterFake
from tests.faults.storm import Rig, Told, rig
from tests.stories.conftest import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads memory and CPU from /proc")
MB = 1_000_000


@pytest.fixture
async def there(tmp_path: Path) -> AsyncGenerator[Rig]:
    """A session before a stormy host."""
    async with OpenRouterFake() as unused:
        world = World(tmp_path, unused)
        async with rig(world) as made:
            yield made
        world.end()


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return sorted(values)[int(len(values) * 0.99)]


def large_body(there: Rig, characters: int) -> bytes:
    """A request with so much text in its history."""
    history = [
        {"role": "user", "content": "y" * characters},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "storm:2:0:24:"},
    ]
    return there.body(2, messages=history)


async def test_what_is_large_costs_memory_in_proportion(there: Rig) -> None:
    assert (await there.ask(there.body(2), 2)).whole  # What is loaded for a first request is no part of this.
    before = there.forget_peak()
    assert (await there.ask(large_body(there, 20 * MB), 2)).whole
    body = there.peak() - before

    before = there.forget_peak()
    line = await there.ask(there.body(1, size=10 * MB), 1)
    assert line.whole
    assert line.body_bytes > 10 * MB
    long = there.peak() - before

    before = there.forget_peak()
    reader, writer = await there.open(there.body(1_000, size=50_000))
    for _ in range(20):
        await reader.read(100)
        await asyncio.sleep(0.1)
    slow = there.peak() - before
    writer.transport.abort()
    print(f"20 MB body: {body / MB:.0f} MB more; 10 MB line: {long / MB:.0f}; 50 MB to a slow reader: {slow / MB:.0f}")
    assert body <= 100 * MB
    assert long <= 100 * MB
    assert slow <= 16 * MB


TOOLS = [
    {"name": f"tool_{n}", "description": "It does things. " * 150, "input_schema": {"type": "object", "properties": {}}}
    for n in range(40)
]


async def added(there: Rig, body: bytes, rounds: int) -> tuple[float, float]:
    """Median and p99 of what the proxy adds to the first byte, in seconds, with requests past it in turn."""
    through: list[float] = []
    past: list[float] = []
    for _ in range(rounds):
        through.append((await there.ask(body, 2)).first)
        past.append((await there.ask(body, 2, direct=True)).first)
    return statistics.median(through) - statistics.median(past), p99(through) - statistics.median(past)


@pytest.mark.slow
async def test_the_proxy_adds_milliseconds_and_idles_quietly(there: Rig) -> None:
    median, late = await added(there, there.body(2), 300)
    print(f"small request: {median * 1000:.1f} ms more, p99 {late * 1000:.1f} ms")
    big = there.body(2, tools=TOOLS, system="s" * 50_000)
    large_median, large_late = await added(there, big, 100)
    print(f"{len(big) // 1000} kB, 40 tools: {large_median * 1000:.1f} ms more, p99 {large_late * 1000:.1f} ms")
    await asyncio.sleep(3)
    used, began = there.cpu(), time.monotonic()
    await asyncio.sleep(20)
    idle = (there.cpu() - used) / (time.monotonic() - began)
    print(f"idle: {idle * 100:.2f} % of a core, {there.memory() / MB:.0f} MB")
    assert median < 0.02
    assert large_median < 0.04
    assert idle < 0.01
    assert there.memory() < 90 * MB


@pytest.mark.slow
async def test_a_fast_stream_and_an_even_one(there: Rig) -> None:
    fast = [await there.ask(there.body(2_000), 2_000) for _ in range(5)]
    even = await there.ask(there.body(500, 0.01), 500)
    straight = await there.ask(there.body(500, 0.01), 500, direct=True)
    rate = 2_000 / statistics.median(told.took for told in fast)
    print(
        f"{rate:.0f} deltas/s; at 100/s a delta is {p99(even.delays) * 1000:.1f} ms under way (p99),"
        f" past the proxy {p99(straight.delays) * 1000:.1f} ms"
    )
    assert all(told.whole for told in (*fast, even))
    assert rate > 4_000


@pytest.mark.slow
async def test_fifty_turns_at_once(there: Rig) -> None:
    body = there.body(20, tools=TOOLS, system="s" * 50_000)
    firsts: list[float] = []
    straight: list[float] = []
    used = there.cpu()
    for _ in range(5):
        firsts += [told.first for told in await at_once(there, body, 50, 20)]
        straight += [told.first for told in await at_once(there, body, 50, 20, direct=True)]
    used = (there.cpu() - used) / len(firsts)
    more = p99(firsts) - p99(straight)
    print(
        f"50 turns of {len(body) // 1000} kB at once: first byte p99 {p99(firsts) * 1000:.0f} ms, {more * 1000:.0f} more;"
        f" {used * 1000:.1f} ms of CPU a turn"
    )
    # What is late on a busy machine says nothing; what it costs does.
    assert used < 0.015


async def at_once(there: Rig, body: bytes, many: int, count: int, *, direct: bool = False) -> list[Told]:
    """So many requests together, all of which must be whole."""
    told = await asyncio.gather(*(there.ask(body, count, direct=direct) for _ in range(many)))
    assert all(one.whole for one in told)
    return told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rate", [5, 20])
async def test_a_thousand_streams_of_even_pace(there: Rig, rate: int) -> None:
    count = 20 * rate
    idle, used = there.memory(), there.cpu()
    body = there.body(count, 1 / rate)
    asked: list[asyncio.Task[Told]] = []
    for _ in range(1_000):
        asked.append(asyncio.create_task(there.ask(body, count)))
        await asyncio.sleep(0.001)
    most = 0
    while not all(task.done() for task in asked):
        most = max(most, there.memory())
        await asyncio.sleep(0.5)
    told = [task.result() for task in asked]
    delays = [delay for one in told for delay in one.delays]
    used = (there.cpu() - used) / len(delays)
    print(
        f"1,000 x {rate}/s x 20 s: {sum(one.whole for one in told)} whole, delay median"
        f" {statistics.median(delays) * 1000:.0f} ms, p99 {p99(delays) * 1000:.0f} ms, longest answer"
        f" {max(one.took for one in told):.1f} s, {(most - idle) / MB:.0f} MB more,"
        f" {used * 1e6:.0f} us of CPU a delta"
    )
    assert {one.status for one in told} == {200}
    assert all(one.whole for one in told)
    assert most - idle < 150 * MB
    assert used < 0.0002
