"""Load from outside: a host in a process of its own, the real `claude-or` in another, and this one as the client.

The prompt orders the answer: `storm:COUNT:GAP:SIZE:` is COUNT deltas of SIZE characters, GAP seconds apart. Each delta bears its
number and the moment when the host wrote it, so that the client knows what was lost, mixed or late (one clock for all processes).

    python -m tests.faults.storm        the host alone; its port is the first line
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.stories.conftest import Running, World

ORDER: Final = re.compile(rb"storm:(\d+):([\d.]+):(\d+):")
SAID: Final = re.compile(rb'"(?:text|content)":"(\d+)@([\d.]+) ')
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST: Final = (
    b'data: {"id":"g","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":5,"cost":0.000001}}\n\ndata: [DONE]\n\n'
)
MODEL: Final = "z-ai/glm-5.3"


# The host


def chunk(data: bytes) -> bytes:
    """As an HTTP chunk."""
    return b"%x\r\n" % len(data) + data + b"\r\n"


def delta(n: int, size: int) -> bytes:
    """One delta, stamped."""
    text = f"{n}@{time.monotonic():.6f} ".ljust(size, "x")
    return chunk(f'data: {{"id":"g","choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}\n\n'.encode())


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests as ordered, one after the other."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            told = re.search(rb"(?i)content-length: (\d+)", head)
            body = await reader.readexactly(int(told[1])) if told else b""
            order = ORDER.search(body)
            if order is None:
                writer.write(
                    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data":[]}'
                )
                continue
            count, gap, size = int(order[1]), float(order[2]), int(order[3])
            writer.write(HEAD)
            began = time.monotonic()
            for n in range(count):
                if gap and (wait := began + n * gap - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                writer.write(delta(n, size))
                await writer.drain()
            writer.write(chunk(LAST) + b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def host() -> None:
    """Serve until the parent leaves."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=64_000_000, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


# The client


@dataclass
class Told:
    """One answer as it came: the delay of each delta, and seconds from request to first and last byte."""

    status: int = 0
    body_bytes: int = 0
    delays: list[float] = field(default_factory=list[float])
    first: float = 0.0
    took: float = 0.0
    whole: bool = False
    """In order, none lost, none of another's, and ended well."""


@dataclass
class Rig:
    """A running `claude-or` and its host."""

    running: Running
    host_port: int
    port: int
    token: str

    @property
    def pid(self) -> int:
        """Of `claude-or`."""
        return self.running.process.pid

    def memory(self) -> int:
        """Its bytes in memory, its share of what is shared included."""
        told = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(told.split("Pss:")[1].split()[0]) * 1024

    def peak(self) -> int:
        """The most it had in memory since `forget_peak`."""
        told = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(told.split("VmHWM:")[1].split()[0]) * 1024

    def forget_peak(self) -> int:
        """Begin a new peak; what it has now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        return self.peak()

    def cpu(self) -> float:
        """Seconds of CPU that it used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def body(self, count: int, gap: float = 0.0, size: int = 24, **more: Any) -> bytes:
        """A request that orders an answer."""
        said = [{"role": "user", "content": f"storm:{count}:{gap}:{size}:"}]
        return msgspec.json.encode({"model": MODEL, "max_tokens": 1000, "stream": True, "messages": said, **more})

    async def open(self, body: bytes, *, direct: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request on a new connection."""
        port = self.host_port if direct else self.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4_000_000)
        path = "/v1/chat/completions" if direct else "/v1/messages"
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return reader, writer

    async def ask(self, body: bytes, count: int, *, direct: bool = False) -> Told:
        """Send a request and read the whole answer, past the proxy when `direct`."""
        told, found, tail = Told(), [], b""
        began = time.monotonic()
        reader, writer = await self.open(body, direct=direct)
        try:
            while data := await reader.read(1_000_000):
                now = time.monotonic()
                if not told.status:
                    told.status, told.first = int(data[9:12]), now - began
                told.body_bytes += len(data)
                for number, at in SAID.findall(tail + data):
                    found.append(int(number))
                    told.delays.append(now - float(at))
                tail = data[data.rfind(b"\n\n") + 2 :][-200:] if b"\n\n" in data else (tail + data)[-200:]
                if data.endswith(b"0\r\n\r\n"):
                    break
        finally:
            writer.close()
        told.took = time.monotonic() - began
        told.whole = found == list(range(count))
        return told


@asynccontextmanager
async def rig(world: World) -> AsyncGenerator[Rig]:
    """The three processes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    stormy = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.storm", stdin=PIPE, stdout=PIPE, cwd=Path(__file__).parents[2]
    )
    assert stormy.stdout is not None
    assert stormy.stdin is not None
    try:
        host_port = int(await stormy.stdout.readline())
        url = f"http://127.0.0.1:{host_port}/v1"
        running = await world.start(["wait", "GO"], OPENROUTER_BASE_URL=url, FAKE_CLAUDE_LIMIT="300")
        told = (await running.until_told())["environment"]
        made = Rig(running, host_port, int(told["ANTHROPIC_BASE_URL"].rpartition(":")[2]), told["ANTHROPIC_AUTH_TOKEN"])
        for _ in range(5):
            assert (await made.ask(made.body(1), 1)).whole
        yield made
        running.let_go()
        assert (await running.done()).code == 0
    finally:
        stormy.stdin.close()
        await stormy.wait()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


if __name__ == "__main__":
    asyncio.run(host())
