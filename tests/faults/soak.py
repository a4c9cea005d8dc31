"""Load that lasts: mixed requests through the whole chain, with figures at the end. To run it by hand:

    uv run python -m tests.faults.soak --minutes 10

Client, proxy and fake host share one process, so the figures are upper bounds. Memory is this process's; the fake host and
the client forget what they have seen. Idle connections stay open as long as keep-alive says, so descriptors and tasks are judged by
their slope, not by first and last. Every second one request goes to the fake host directly: what slows that one too is the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import time
from array import array
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from claude_or.wire.events import FoldError, fold
from claude_or.wire.sse import SseDecoder
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.record import Ask
from tests.fakes.replies import Scripted, error, text, tool_call
from tests.proxy.gateway import TOKEN, WEATHER, Door, gateway, prompt

PAGE = os.sysconf("SC_PAGE_SIZE")
KNOWN = {"authorization": f"Bearer {KEY}"}
WORDS = "one two three four five six seven eight nine ten "


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def descriptors() -> int:
    """Open files and sockets."""
    return len(os.listdir("/proc/self/fd"))


@dataclass
class Figures:
    """What a run saw. Seconds and bytes."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    unexpected: list[str] = field(default_factory=list[str])
    seconds: array[float] = field(default_factory=lambda: array("d"))
    """When a request began and how long it took, in turn: flat, so that notes do not look like a leak."""
    memory: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    descriptors: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    tasks: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    direct: array[float] = field(default_factory=lambda: array("d"))
    """How long a request to the fake host took, past the proxy."""

    def p99(self, first: float, last: float) -> float:
        """Of the requests that began in this part of the run, given as fractions."""
        return part(self.seconds, first, last)[-1]

    def minutes(self) -> list[str]:
        """Per minute: median and p99 through the proxy, and median of the direct ones, in milliseconds."""
        end = self.seconds[-2]
        steps = max(1, round(end / 60))
        lines: list[str] = []
        for n in range(steps):
            median, late = part(self.seconds, n / steps, (n + 1) / steps)
            direct, _ = part(self.direct, n / steps, (n + 1) / steps)
            lines.append(f"{median * 1000:.1f}/{late * 1000:.0f}/{direct * 1000:.1f}")
        return lines

    def told(self) -> str:
        """In lines."""
        return "\n".join([
            f"requests     {sum(self.outcomes.values())}  {dict(self.outcomes)}",
            f"unexpected   {len(self.unexpected)}  {self.unexpected[:3]}",
            *(
                f"{name:<12} {min(counts) / per:.0f} to {max(counts) / per:.0f}, {slope(found) / per:+.2f} a minute"
                for name, found, per in (
                    ("memory, MB", self.memory, 1e6),
                    ("descriptors", self.descriptors, 1),
                    ("tasks", self.tasks, 1),
                )
                for counts in [[count for _, count in found]]
            ),
            f"p99          {self.p99(0.1, 0.3) * 1000:.0f} ms early, {self.p99(0.8, 1.0) * 1000:.0f} ms late",
            f"by minute    median/p99/direct median, ms: {'  '.join(self.minutes())}",
        ])


def slope(points: list[tuple[float, int]]) -> float:
    """Growth per minute, by least squares, over the last four fifths."""
    late = [point for point in points if point[0] >= points[-1][0] / 5]
    if len(late) < 3:
        return 0.0
    return statistics.linear_regression([at / 60 for at, _ in late], [count for _, count in late]).slope


def part(points: array[float], first: float, last: float) -> tuple[float, float]:
    """Median and p99 of what began in this part of the run, given as fractions."""
    end = points[-2] if points else 0.0
    found = sorted(took for at, took in zip(points[::2], points[1::2], strict=True) if first * end <= at <= last * end)
    return (found[len(found) // 2], found[int(len(found) * 0.99)]) if found else (0.0, 0.0)


def brain(ask: Ask, _n: int) -> Scripted:
    """Answer by what the prompt begins with."""
    said = str(ask.body["messages"][-1]["content"])
    if "error" in said:
        return error(400, "refused as scripted")
    if "tools" in said:
        return tool_call("get_weather", {"city": "Oslo"})
    return text(WORDS * 5 + said)


async def one(door: Door, client: aiohttp.ClientSession, n: int, chance: random.Random) -> str:
    """One request of the mix: 5 % errors, 5 % abandoned, 20 % tools, of the rest most are streams. What came of it."""
    draw = chance.random()
    kind = "error" if draw < 0.05 else "abandoned" if draw < 0.10 else "tools" if draw < 0.30 else "text"
    stream = kind == "abandoned" or chance.random() < 0.78
    more = {"tools": [WEATHER]} if kind == "tools" else {}
    body = prompt(f"{kind} number {n}.", stream=stream, **more)
    headers = {"authorization": f"Bearer {TOKEN}", "x-claude-code-session-id": f"s-{n % 7}"}
    async with client.post(door.url + "/v1/messages", json=body, headers=headers) as response:
        if kind == "error":
            await response.read()
            return "error" if response.status == 400 else f"status {response.status} for an error"
        if response.status != 200:
            return f"status {response.status}: {(await response.read())[:200]!r}"
        if kind == "abandoned":
            await response.content.readany()
            response.close()
            return "abandoned"
        raw = await response.read()
    if stream:
        decoder = SseDecoder()
        try:
            message = fold([*decoder.feed(raw), *decoder.close()])
        except FoldError as broken:
            return f"a stream that failed: {broken}"
    else:
        message = msgspec.json.decode(raw)
    said = message["content"][-1]
    good = said.get("name") == "get_weather" if kind == "tools" else said.get("text", "").endswith(f"{n}.")
    return kind if good else f"mixed up: {said} for {n}"


EXPECTED = {"text", "tools", "error", "abandoned"}


async def soak(seconds: float, rate: float = 40.0) -> Figures:
    """Run the mix for so long at so many requests a second."""
    figures = Figures()
    chance = random.Random(7)
    async with (
        OpenRouterFake(brain) as host,
        gateway(host) as door,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        running: set[asyncio.Task[None]] = set()

        async def timed(n: int, at: float) -> None:
            began = time.monotonic()
            found = await one(door, client, n, chance)
            figures.seconds.extend((at, time.monotonic() - began))
            figures.outcomes[found if found in EXPECTED else "unexpected"] += 1
            if found not in EXPECTED:
                figures.unexpected.append(found)

        async def straight(at: float) -> None:
            began = time.monotonic()
            body = {"model": "z-ai/glm-5.3", "stream": True, "messages": [{"role": "user", "content": "text 1."}]}
            async with client.post(host.base_url + "/chat/completions", json=body, headers=KNOWN) as response:
                await response.read()
            figures.direct.extend((at, time.monotonic() - began))

        def begin(work: Coroutine[Any, Any, None]) -> None:
            task = asyncio.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)

        for n in range(10):
            await asyncio.gather(*(one(door, client, 4 * n + k, chance) for k in range(4)))
        start = time.monotonic()
        n = 100
        while (at := time.monotonic() - start) < seconds:
            n += 1
            begin(timed(n, at))
            if n % int(rate) == 0:
                begin(straight(at))
                figures.memory.append((at, resident()))
                figures.descriptors.append((at, descriptors()))
                figures.tasks.append((at, len(asyncio.all_tasks()) - len(running)))
                host.asks.clear()
                host.log.clear()
            await asyncio.sleep(max(0.0, start + (n - 100) / rate - time.monotonic()))
        await asyncio.gather(*running)
        await asyncio.sleep(0.5)
        figures.memory.append((seconds, resident()))
    return figures


def main() -> None:
    """Run it and print the figures; exit code 1 when something unexpected came."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=40.0)
    given = parser.parse_args()
    figures = asyncio.run(soak(given.minutes * 60, given.rate))
    print(figures.told())
    raise SystemExit(bool(figures.unexpected))


if __name__ == "__main__":
    main()
