"""The client leaves, over real sockets on both sides: the connection to the host is closed within 200 ms, in whatever phase."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import pytest

from claude_or.config.schema import Limits
from tests.fakes.plug import FAILED, HEAD, Plug, Step, event
from tests.proxy.gateway import Door, gateway
from tests.proxy.test_speaking import connect, wait_for

PHASES: dict[str, list[Step]] = {
    "connecting": [],
    "waiting": [],
    "pinging": [],
    "thinking": [HEAD, b": PROCESSING\n\n"],
    "streaming": [HEAD, event("half")],
    "retry": [FAILED],
}


async def leave(writer: asyncio.StreamWriter, how: str) -> float:
    """Close the client's connection; the moment."""
    if how == "reset":
        plug = writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    began = time.monotonic()
    writer.transport.abort()
    return began


async def until_in(phase: str, plug: Plug, door: Door, reader: asyncio.StreamReader) -> None:
    """Wait until the request is where it is to be abandoned."""
    await plug.asked(1)
    if phase in {"pinging", "streaming"}:
        await reader.readuntil(b"event: ")
    else:
        await asyncio.sleep(0.1)
    assert door.house.open_requests == 1


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("phase", PHASES)
async def test_a_client_that_leaves_ends_the_call_in_every_phase(phase: str, stream: bool, how: str) -> None:
    if not stream and phase == "pinging":
        phase = "waiting"
    limits = Limits(ping=0.05 if phase == "pinging" else 10.0)
    async with Plug(PHASES[phase]) as plug:
        url = plug.secure_url if phase == "connecting" else plug.url
        async with gateway(None, base_url=url, limits=limits, sleep=asyncio.sleep) as door:
            reader, writer = await connect(door, stream=stream)
            if not stream and phase == "streaming":
                await plug.asked(1)
                await asyncio.sleep(0.1)
            else:
                await until_in(phase, plug, door, reader)
            asked = plug.connections[0].bytes_in
            await leave(writer, how)
            await wait_for(lambda: not door.house.open_requests)
            if phase == "retry":
                # Longer than the pause would have been.
                await asyncio.sleep(0.8)
                assert [one.bytes_in for one in plug.connections] == [asked]
            else:
                async with asyncio.timeout(10):
                    await plug.connections[0].over.wait()
                gone = plug.connections[0].gone
                assert gone is not None
