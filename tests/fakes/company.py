"""A company's network: a proxy that takes CONNECT, and behind it a host whose certificate only the company's authority vouches for.

async with company(host) as network:
    network.environ      # what somebody there has set
    network.connects     # what the proxy was asked for
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from tests.fakes.openrouter import OpenRouterFake

NAME = "openrouter.test"
USER, PASSWORD = "me", "canary-of-a-proxy-password"


@dataclass
class Network:
    """`authority` is the file with the company's certificate. Each connect is its target and the credentials given."""

    port: int
    authority: str
    connects: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def environ(self) -> dict[str, str]:
        """The proxy with its credentials, and the host's address."""
        return {
            "HTTPS_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}",
            "HTTP_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}",
            "OPENROUTER_BASE_URL": f"https://{NAME}/api/v1",
        }


@asynccontextmanager
async def company(host: OpenRouterFake, folder: Path) -> AsyncGenerator[Network]:
    """A network before `host`; its files are in `folder`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "company.pem"))
    plain = urlsplit(host.base_url).port

    async def unwrapped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _joined(reader, writer, plain)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(NAME).configure_cert(context)
    inner = await asyncio.start_server(unwrapped, "127.0.0.1", 0, ssl=context)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
            return
        method, target, _ = head[0].split(" ")
        given = [line.partition(": ")[2] for line in head if line.lower().startswith("proxy-authorization:")]
        network.connects.append((target if method == "CONNECT" else f"{method} {target}", "".join(given)))
        if method != "CONNECT" or target != f"{NAME}:443":
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _joined(reader, writer, inner.sockets[0].getsockname()[1])

    outer = await asyncio.start_server(connected, "127.0.0.1", 0)
    network = Network(outer.sockets[0].getsockname()[1], str(folder / "company.pem"))
    try:
        yield network
    finally:
        outer.close()
        inner.close()


async def _joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int | None) -> None:
    """Pass bytes both ways between a connection and a port until one side ends."""
    there, back = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()

    tasks = [asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        back.close()
        writer.close()
