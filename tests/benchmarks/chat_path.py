"""What the chat path costs beside a proxy that only passes bytes on, side by side in one run. Not a test.

    uv run python -m tests.benchmarks.chat_path [--deltas 10000] [--rounds 7] [--litellm] [--profile]

One process each for the fake host, the byte pass-through, the chat path (the real proxy application) and, when asked for and
importable, LiteLLM's Messages adapter; this process is the client. Wall times are medians of rounds that alternate between the
columns, CPU and memory are those of the server's process alone. Only ratios mean something on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import importlib
import importlib.util
import os
import pstats
import resource
import signal
import socket
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from tests.benchmarks.stream_cpu import argument_stream, text_stream

MODEL = "openai/bench"
ROUNDS = 7
CONCURRENT = 32


def small(kind: str = "small", model: str = MODEL) -> dict[str, Any]:
    """A request without history; the host answers by the word in it."""
    return {"model": model, "max_tokens": 4000, "stream": True, "messages": [{"role": "user", "content": kind}]}


def large(model: str = MODEL) -> dict[str, Any]:
    """600 KB: forty tools with real schemas, and a history of tool calls."""
    fields = {f"field_{n}": {"type": "string", "description": "What it is for. " * 8} for n in range(12)}
    tools = [
        {
            "name": f"tool_{n}",
            "description": "It does things. " * 40,
            "input_schema": {"type": "object", "properties": fields},
        }
        for n in range(40)
    ]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Work on it."}]
    for n in range(100):
        call = {"type": "tool_use", "id": f"toolu_{n}", "name": "tool_1", "input": {"field_1": "x" * 400}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "A line of a file. " * 210}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    messages[-1]["content"].append({"type": "text", "text": "small"})
    return {**small(model=model), "messages": messages, "tools": tools}


# Servers


def streams(deltas: int) -> dict[str, bytes]:
    """Three chunks for `small`, many for `text` and `arguments`."""
    return {"small": text_stream(3), "text": text_stream(deltas), "arguments": argument_stream(deltas)}


async def host(sock: socket.socket, whole: Mapping[str, bytes]) -> None:
    """Answers each kind with its stream; one write an event, as a model speaks."""
    answers = {kind: [event + b"\n\n" for event in data.split(b"\n\n")[:-1]] for kind, data in whole.items()}

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        kind = next((kind for kind in ("arguments", "text") if _asks_for(kind, body)), "small")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in answers[kind]:
            await response.write(event)
        await response.write_eof()
        return response

    await _serve(handle, sock)


def _asks_for(kind: str, body: bytes) -> bool:
    """Whether the whole prompt is this word, however a client writes its JSON."""
    start = body[:4096].replace(b'": "', b'":"')
    return f'"content":"{kind}"'.encode() in start or f'"text":"{kind}"'.encode() in start


async def passing(sock: socket.socket, upstream: str) -> None:
    """Reads a request, sends its bytes on, and writes each read as it came: the least that any proxy does."""
    async with aiohttp.ClientSession(trust_env=False, connector=aiohttp.TCPConnector(limit=0)) as client:

        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            headers = {"content-type": "application/json"}
            async with client.post(upstream + "/chat/completions", data=body, headers=headers) as inner:
                response = web.StreamResponse(headers={"content-type": "text/event-stream"})
                await response.prepare(request)
                async for data in inner.content.iter_any():
                    await response.write(data)
                await response.write_eof()
                return response

        await _serve(handle, sock)


async def gateway(sock: socket.socket, upstream: str, profiled: bool) -> None:
    """The real application on its real chain."""
    from claude_or.config.schema import Models, Settings
    from claude_or.proxy.app import make_app, serving
    from claude_or.proxy.house import House
    from claude_or.reply.assemble import Parts, assemble
    from claude_or.reply.meter import Tally
    from claude_or.upstream.openrouter import OpenRouter

    settings = Settings(models=Models(big=MODEL, small=MODEL))
    tally = Tally()
    async with OpenRouter(upstream, "sk-bench", limits=settings.limits) as upper:
        parts = Parts(hosts={"openrouter": upper}, settings=lambda: settings, catalog=lambda: None, charge=tally.add)
        house = House(
            token="bench",
            control_token="control",
            settings=lambda: settings,
            catalog=lambda: None,
            replier_for=lambda plan: assemble(plan, parts),
            tally=tally,
            on_fatal=lambda error: sys.exit(str(error)),
            status=dict,
        )
        async with serving(make_app(house), sock):
            profiler = cProfile.Profile() if profiled else None
            if profiler:
                profiler.enable()
            await _told_to_end()
            if profiler:
                profiler.disable()
                pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(12)


async def _serve(handle: Callable[[web.Request], Awaitable[web.StreamResponse]], sock: socket.socket) -> None:
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, sock).start()
    await _told_to_end()
    await runner.cleanup()


async def _told_to_end() -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()


# The client


@dataclass
class Column:
    """One thing that is measured: its name, where it listens, its process and what it is sent to."""

    name: str
    url: str
    pid: int
    path: str = "/v1/messages"

    def cpu(self) -> float:
        """Seconds of CPU so far, from /proc."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MB."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20


@contextlib.contextmanager
def child(run: Callable[[socket.socket], Awaitable[None]]) -> Any:
    """A server in a process of its own; gives its port and pid."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(256)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            asyncio.run(run(sock))  # type: ignore[arg-type]
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    port = sock.getsockname()[1]
    sock.close()
    try:
        yield port, pid
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


async def asked(client: aiohttp.ClientSession, column: Column, body: bytes) -> float:
    """Seconds until the whole answer was read."""
    start = time.perf_counter()
    headers = {"content-type": "application/json", "authorization": "Bearer bench"}
    async with client.post(column.url + column.path, data=body, headers=headers) as response:
        size = 0
        async for data in response.content.iter_any():
            size += len(data)
        assert response.status == 200, (column.name, response.status)
        assert size > 100
    return time.perf_counter() - start


@contextlib.asynccontextmanager
async def clients() -> AsyncGenerator[aiohttp.ClientSession]:
    """One that keeps its connections."""
    async with aiohttp.ClientSession(trust_env=False, connector=aiohttp.TCPConnector(limit=0)) as client:
        yield client


async def measure(columns: list[Column], deltas: int, model: str = MODEL, count: int = ROUNDS) -> None:
    """All rows, printed as they are known. `count` is how many rounds there are of each; fewer are shorter, too."""
    names = "".join(f"{column.name:>16}" for column in columns)
    print(f"{'':38}{names}")
    bodies = {kind: msgspec.json.encode(small(kind, model)) for kind in ("small", "text", "arguments")}
    bodies["large"] = msgspec.json.encode(large(model))
    async with clients() as client:
        for column in columns:
            for body in bodies.values():
                await asked(client, column, body)
        for kind, times in (("text", 1), ("arguments", 1)):
            walls, cpus = await rounds(client, columns, bodies[kind], times, count)
            row(f"{deltas} {kind} deltas, wall ms", [1e3 * wall for wall in walls])
            row("  ratio to the direct stream", [wall / walls[0] for wall in walls])
            row("  CPU per chunk, µs", [1e6 * cpu / deltas for cpu in cpus])
        for kind, times in (("small", 7 * count), ("large", count)):
            walls, cpus = await rounds(client, columns, bodies[kind], times, count)
            label = f"{kind} request ({len(bodies[kind]) / 1000:.0f} KB)"
            row(f"{label}, wall ms", [1e3 * wall / times for wall in walls])
            row("  CPU, ms", [1e3 * cpu / times for cpu in cpus])
        await throughput(client, columns, bodies["small"], 4 * count)
    row("memory at the end, MB", [column.memory() for column in columns])


async def rounds(
    client: aiohttp.ClientSession, columns: list[Column], body: bytes, times: int, count: int = ROUNDS
) -> tuple[list[float], list[float]]:
    """Median wall of a round of `times` requests, and mean CPU of a round, per column."""
    walls: list[list[float]] = [[] for _ in columns]
    before = [column.cpu() for column in columns]
    for _ in range(count):
        for place, column in enumerate(columns):
            walls[place].append(sum([await asked(client, column, body) for _ in range(times)]))
    spent = [column.cpu() - start for column, start in zip(columns, before, strict=True)]
    return [statistics.median(wall) for wall in walls], [cpu / count for cpu in spent]


async def throughput(client: aiohttp.ClientSession, columns: list[Column], body: bytes, each: int) -> None:
    """Requests a second with so many clients at once that send `each`; also per second of the server's own CPU, which a shared machine does not disturb."""
    walls: list[float] = []
    cpus: list[float] = []
    total = CONCURRENT * each

    async def one(column: Column) -> None:
        for _ in range(each):
            await asked(client, column, body)

    for column in columns:
        before, start = column.cpu(), time.perf_counter()
        await asyncio.gather(*(one(column) for _ in range(CONCURRENT)))
        walls.append(total / (time.perf_counter() - start))
        cpus.append(total / max(column.cpu() - before, 1e-6))
    row(f"requests/s at {CONCURRENT}", walls)
    row("  per second of the server's CPU", cpus)


def row(label: str, values: list[float]) -> None:
    """Print one line of the table."""
    print(f"{label:38}" + "".join(f"{value:>16.2f}" for value in values), flush=True)


async def litellm(sock: socket.socket, upstream: str) -> None:
    """LiteLLM's Messages adapter before the same host."""
    # Its prices are of no interest here, and it would fetch them from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    theirs: Any = importlib.import_module("litellm")

    async def handle(request: web.Request) -> web.StreamResponse:
        body = msgspec.json.decode(await request.read())
        body["model"] = "openrouter/" + body["model"]
        stream: Any = await theirs.anthropic.messages.acreate(api_base=upstream, api_key="sk-bench", **body)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        async for event in stream:
            await response.write(event if isinstance(event, bytes) else msgspec.json.encode(event))
        await response.write_eof()
        return response

    await _serve(handle, sock)


def main() -> None:
    """Start the servers, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deltas", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="fewer for a column that is slow")
    parser.add_argument("--litellm", action="store_true", help="one more column, if litellm can be imported")
    parser.add_argument("--profile", action="store_true", help="profile the chat path (its figures are then worthless)")
    said = parser.parse_args()
    with contextlib.ExitStack() as stack:
        port, pid = stack.enter_context(child(lambda sock: host(sock, streams(said.deltas))))
        base = f"http://127.0.0.1:{port}/v1"
        columns = [Column("direct", f"http://127.0.0.1:{port}", pid)]
        kinds: list[tuple[str, Callable[[socket.socket], Awaitable[None]]]] = [
            ("pass-through", lambda sock: passing(sock, base)),
            ("chat path", lambda sock: gateway(sock, base, said.profile)),
        ]
        if said.litellm:
            if importlib.util.find_spec("litellm") is None:
                sys.exit("litellm is not installed here: uv run --with litellm …")
            kinds.append(("litellm", lambda sock: litellm(sock, base)))
        for name, run in kinds:
            port, pid = stack.enter_context(child(run))
            columns.append(Column(name, f"http://127.0.0.1:{port}", pid))
        asyncio.run(measure(columns, said.deltas, count=said.rounds))


if __name__ == "__main__":
    main()
