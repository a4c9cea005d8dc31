"""Load that lasts: mixed requests through the whole chain, with figures at the end. To run it by hand:

    uv run python -m tests.faults.soak --minutes 10

Client, proxy and fake host share one process, so the figures are upper bounds. Memory is this process's; the fake host and
the client forget what they have seen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from claude_or.wire.events import FoldError, fold
from claude_or.wire.sse import SseDecoder
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.record import Ask
from tests.fakes.replies import Scripted, error, text, tool_call
from tests.proxy.gateway import TOKEN, WEATHER, Door, gateway, prompt

PAGE = os.sysconf("SC_PAGE_SIZE")
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
    seconds: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    memory: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    descriptors: tuple[int, int] = (0, 0)
    tasks: tuple[int, int] = (0, 0)

    def slope(self) -> float:
        """Growth of memory in bytes per minute, by least squares, over the last four fifths."""
        points = [point for point in self.memory if point[0] >= self.memory[-1][0] / 5]
        if len(points) < 3:
            return 0.0
        return statistics.linear_regression([at / 60 for at, _ in points], [size for _, size in points]).slope

    def p99(self, first: float, last: float) -> float:
        """Of the requests that began in this part of the run, given as fractions."""
        end = self.seconds[-1][0]
        found = sorted(took for at, took in self.seconds if first * end <= at <= last * end)
        return found[int(len(found) * 0.99)] if found else 0.0

    def told(self) -> str:
        """In lines."""
        return "\n".join([
            f"requests     {sum(self.outcomes.values())}  {dict(self.outcomes)}",
            f"unexpected   {len(self.unexpected)}  {self.unexpected[:3]}",
            f"memory       {self.memory[0][1] / 1e6:.1f} -> {self.memory[-1][1] / 1e6:.1f} MB, {self.slope() / 1e6:+.2f} MB/min",
            f"descriptors  {self.descriptors[0]} -> {self.descriptors[1]}",
            f"tasks        {self.tasks[0]} -> {self.tasks[1]}",
            f"p99          {self.p99(0.1, 0.3) * 1000:.0f} ms early, {self.p99(0.8, 1.0) * 1000:.0f} ms late",
        ])


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
            figures.seconds.append((at, time.monotonic() - began))
            figures.outcomes[found if found in EXPECTED else "unexpected"] += 1
            if found not in EXPECTED:
                figures.unexpected.append(found)

        for n in range(40):
            await one(door, client, n, chance)
        await asyncio.sleep(0.5)
        before = (descriptors(), len(asyncio.all_tasks()))
        start = time.monotonic()
        n = 100
        while (at := time.monotonic() - start) < seconds:
            n += 1
            task = asyncio.create_task(timed(n, at))
            running.add(task)
            task.add_done_callback(running.discard)
            if n % int(rate) == 0:
                figures.memory.append((at, resident()))
                host.asks.clear()
                host.log.clear()
            await asyncio.sleep(max(0.0, start + (n - 100) / rate - time.monotonic()))
        await asyncio.gather(*running)
        await asyncio.sleep(0.5)
        figures.memory.append((seconds, resident()))
        figures.descriptors = (before[0], descriptors())
        figures.tasks = (before[1], len(asyncio.all_tasks()))
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
