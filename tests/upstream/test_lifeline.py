"""A peer that is gone without a word, as after a suspend or a change of networks: a filter drops all that reaches its sockets."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from claude_or.reply.fallback import DEADLINE_S
from claude_or.routing.ask import ReplyFailed
from claude_or.upstream.lifeline import EVERY_S, IDLE_S, PROBES, UNANSWERED_S, lively_socket
from claude_or.upstream.openrouter import OpenRouter
from claude_or.upstream.trouble import BROKEN
from tests.fakes.openrouter import KEY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names are Linux's, and so is the filter")

SO_ATTACH_FILTER = 26
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5\r\n\r\ndata:"


class Peer:
    """A host that answers with the same bytes, until it is gone."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._sockets: list[socket.socket] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._sockets.append(writer.get_extra_info("socket"))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split()[0])
                await reader.readexactly(length)
                writer.write(self._answer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def vanish(self) -> None:
        """From now on nothing reaches it, and nothing is acknowledged."""
        drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0), 8)
        program = struct.pack("HL", 1, ctypes.addressof(drop))
        for sock in self._sockets:
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


@asynccontextmanager
async def peer(answer: bytes) -> AsyncGenerator[tuple[Peer, OpenRouter]]:
    """One, and the client that talks to it."""
    there = Peer(answer)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    async with server, OpenRouter(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", KEY) as host:
        yield there, host


def test_it_is_noticed_early_enough_to_try_again() -> None:
    with lively_socket((socket.AF_INET, socket.SOCK_STREAM, 0)) as made:
        told = {
            name: made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        }
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert list(told.values()) == [UNANSWERED_S * 1000, IDLE_S, EVERY_S, PROBES]
    assert UNANSWERED_S < DEADLINE_S
    assert IDLE_S + PROBES * EVERY_S <= 60


async def test_connections_to_hosts_are_of_this_kind() -> None:
    async with peer(HALF) as (_there, host), host.answer_to("/chat/completions", b"{}") as response:
        assert response.connection is not None
        assert response.connection.transport is not None
        sock = response.connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNANSWERED_S * 1000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_a_request_on_a_dead_connection_fails_in_time_for_another_one() -> None:
    async with peer(WHOLE) as (there, host):
        async with host.answer_to("/chat/completions", b"{}") as response:
            assert await response.read() == b"data:"
        there.vanish()
        began = time.monotonic()
        with pytest.raises(ReplyFailed) as failed:
            async with host.answer_to("/chat/completions", b"{}"):
                pass
        took = time.monotonic() - began
        print(f"told after {took:.1f} s: {failed.value.failure.message}")
        assert took < DEADLINE_S
        async with host.answer_to("/chat/completions", b"{}") as response:
            assert await response.read() == b"data:"


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_an_answer_whose_host_is_gone_ends_within_a_minute_or_so() -> None:
    async with peer(HALF) as (there, host), host.answer_to("/chat/completions", b"{}") as response:
        assert await response.content.readany() == b"data:"
        there.vanish()
        began = time.monotonic()
        with pytest.raises(BROKEN) as broken:
            await response.content.readany()
        took = time.monotonic() - began
        print(f"told after {took:.1f} s: {broken.value!r}")
        assert took < 90
