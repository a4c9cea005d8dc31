"""Hostile clients at the local door, over bare sockets: smuggling, floods, bytes that trickle, too many at once."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable

import aiohttp
import msgspec
import pytest

from tests.proxy.gateway import TOKEN, Door, gateway, prompt
from tests.reply.script import Script, answer

BODY = msgspec.json.encode(prompt())
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer x\r\n\r\n"


@pytest.fixture
def script() -> Script:
    """What answers behind the door; its `asks` are what got through."""
    return Script(answer("hello"))


@pytest.fixture
async def door(script: Script) -> AsyncGenerator[Door]:
    """A proxy before the script."""
    async with gateway(None, replier_for=lambda _plan: script) as door:
        yield door


async def said_to(door: Door, raw: bytes, seconds: float = 3.0) -> tuple[bytes, bool]:
    """Everything that is answered to these bytes, and whether the connection was closed in time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    said = bytearray()
    closed = False
    try:
        async with asyncio.timeout(seconds):
            writer.write(raw)
            await writer.drain()
            while data := await reader.read(65_536):
                said += data
            closed = True
    except ConnectionError:
        closed = True
    except TimeoutError:
        pass
    finally:
        writer.close()
    return bytes(said), closed


def status_of(said: bytes) -> int:
    """The status of an answer."""
    return int(said.split(b" ", 2)[1])


def request(*lines: bytes, body: bytes = b"", port: int, path: bytes = b"/v1/messages") -> bytes:
    """A request with these header lines beside the usual ones."""
    head = [
        b"POST " + path + b" HTTP/1.1",
        f"Host: 127.0.0.1:{port}".encode(),
        f"Authorization: Bearer {TOKEN}".encode(),
        b"Content-Type: application/json",
        *lines,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


LENGTH = b"Content-Length: " + str(len(BODY)).encode()
CHUNKED = b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"

SMUGGLING: dict[str, Callable[[int], bytes]] = {
    "length and chunked": lambda port: request(LENGTH, b"Transfer-Encoding: chunked", body=CHUNKED, port=port),
    "chunked and a length that hides a second request": lambda port: request(
        b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED, port=port
    ),
    "two lengths": lambda port: request(LENGTH, b"Content-Length: 5", body=BODY, port=port),
    "a length twice in one line": lambda port: request(LENGTH + b", 5", body=BODY, port=port),
    "a coding that is almost chunked": lambda port: request(b"Transfer-Encoding: xchunked", body=CHUNKED, port=port),
    "chunked twice": lambda port: request(b"Transfer-Encoding: chunked, chunked", body=CHUNKED, port=port),
    "chunked not last": lambda port: request(b"Transfer-Encoding: chunked, gzip", body=CHUNKED, port=port),
    "space before the colon": lambda port: request(LENGTH, b"Transfer-Encoding : chunked", body=CHUNKED, port=port),
    "a folded header": lambda port: request(LENGTH, b"X-A: 1\r\n Transfer-Encoding: chunked", body=BODY, port=port),
    "bare line feeds": lambda port: request(LENGTH, body=BODY, port=port).replace(b"\r\n", b"\n"),
    "a bare line feed between headers": lambda port: request(LENGTH + b"\nX-A: 1", body=BODY, port=port),
    "NUL in a header": lambda port: request(LENGTH, b"X-A: a\0b", body=BODY, port=port),
    "a negative length": lambda port: request(b"Content-Length: -5", body=BODY, port=port),
    "a length with a plus": lambda port: request(b"Content-Length: +5", body=BODY, port=port),
    "a length in hex": lambda port: request(b"Content-Length: 0x5", body=BODY, port=port),
    "a negative chunk": lambda port: request(b"Transfer-Encoding: chunked", body=b"-5\r\nhello\r\n", port=port),
    "a chunk of a size that is none": lambda port: request(
        b"Transfer-Encoding: chunked", body=b"zz\r\nhello\r\n0\r\n\r\n", port=port
    ),
    "an enormous chunk size": lambda port: request(
        b"Transfer-Encoding: chunked", body=b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n", port=port
    ),
    "a chunk longer than it says": lambda port: request(
        b"Transfer-Encoding: chunked", body=b"3\r\nhello\r\n0\r\n\r\n", port=port
    ),
    "no version": lambda port: b"POST /v1/messages\r\n\r\n",
    "a version that is none": lambda port: request(LENGTH, body=BODY, port=port).replace(b"HTTP/1.1", b"HTTP/9.9"),
    "two hosts": lambda port: request(LENGTH, b"Host: evil.example", body=BODY, port=port),
}


NO_HTTP: dict[str, bytes] = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32 + b"\r\n\r\n",
    "words": b"hello there\r\n\r\n",
    "a method that is none": b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "a secret in a broken line": b"GET / HTTP/1.1\r\nAuthorization sk-or-v1-broken\r\n\r\n",
}


@pytest.mark.parametrize("what", NO_HTTP)
async def test_what_is_no_http_is_told_so_in_the_apis_shape(door: Door, what: str) -> None:
    said, closed = await said_to(door, NO_HTTP[what])
    head, _, body = said.partition(b"\r\n\r\n")
    assert (status_of(said), closed) == (400, True)
    assert b"content-type: application/json" in head.lower()
    assert b"server: claude-or" in head.lower()
    told = msgspec.json.decode(body)
    assert told["error"]["type"] == "invalid_request_error"
    assert told["request_id"].encode() in head
    assert b"sk-or-v1" not in said


@pytest.mark.parametrize("how", SMUGGLING)
async def test_a_request_whose_end_is_in_doubt_is_refused_and_nothing_gets_through(
    door: Door, script: Script, how: str
) -> None:
    said, closed = await said_to(door, SMUGGLING[how](door.port))
    assert len(re.findall(rb"(?m)^HTTP/1\.", said)) <= 1, said
    assert (closed and not said) or status_of(said) in {400, 403, 413}, said
    assert script.asks == []
    assert (await door.post(prompt())).status == 200


FLOODS: dict[str, bytes] = {
    "200 headers": b"\r\n".join(b"X-%d: a" % n for n in range(200)),
    "one header of 64 kB": b"X-A: " + b"a" * 64_000,
    "10,000 headers": b"\r\n".join(b"X-%d: aaaaaaaa" % n for n in range(10_000)),
    "a name of 64 kB": b"X" * 64_000 + b": a",
}


@pytest.mark.parametrize("how", FLOODS)
async def test_a_flood_of_headers_is_refused(door: Door, script: Script, how: str) -> None:
    said, closed = await said_to(door, request(LENGTH, FLOODS[how], body=BODY, port=door.port))
    assert (closed and not said) or status_of(said) in {400, 431}, said[:200]
    assert script.asks == []
    assert (await door.post(prompt())).status == 200


async def test_an_endless_path_is_refused(door: Door, script: Script) -> None:
    said, _ = await said_to(door, request(LENGTH, body=BODY, port=door.port, path=b"/" + b"a" * 100_000))
    assert status_of(said) in {400, 414, 431}
    assert script.asks == []


@pytest.mark.parametrize("phase", ["head", "nothing", "second head", "body"])
async def test_two_hundred_that_trickle_are_cut_off_and_slow_nobody(script: Script, phase: str) -> None:
    async with gateway(None, replier_for=lambda _plan: script, head_seconds=1.0, body_seconds=1.0) as door:
        health = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode()
        trickled = {
            "head": b"POST /v1/messages HTTP/1.1\r\nX-A: " + b"a" * 200,
            "nothing": b"",
            "second head": b"GET /v1/messages HTTP/1.1\r\nX-A: " + b"a" * 200,
            "body": b"{" + b" " * 200,
        }[phase]

        async def one() -> None:
            if phase == "body":
                start = request(b"Content-Length: 1000", port=door.port)
            else:
                start = health if phase == "second head" else b""
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(start)
            if phase == "second head":
                await reader.readuntil(b'"ok"}')
            await cut_off(reader, writer, trickled)

        slow = [asyncio.create_task(one()) for _ in range(200)]
        await asyncio.sleep(0.3)
        times: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            assert (await door.post(prompt())).status == 200
            times.append(time.perf_counter() - began)
        # Were they served in turn, each would wait for a time limit of the slow.
        assert min(times) < 0.5
        await asyncio.gather(*slow)
        assert (await door.post(prompt())).status == 200


async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send a byte every 50 ms until the other side has enough, which must be before the last one."""
    ended = asyncio.create_task(reader.read())
    try:
        for byte in data:
            if ended.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait([ended], timeout=0.05)
        if not data:
            await asyncio.wait([ended], timeout=20)
        assert ended.done(), "the connection was left open"
    finally:
        writer.transport.abort()
        await asyncio.gather(ended, return_exceptions=True)


async def test_a_slow_answer_is_not_taken_for_a_slow_request() -> None:
    script = Script([0.5, *answer("late")])
    async with gateway(None, replier_for=lambda _plan: script, head_seconds=0.2) as door:
        for stream in (True, False):
            assert (await door.post(prompt(stream=stream))).status == 200


async def test_beyond_the_limit_it_says_529_at_once_and_what_was_accepted_ends() -> None:
    release = asyncio.Event()
    script = Script([release, *answer("hello")])

    async def one(door: Door, client: aiohttp.ClientSession) -> int:
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with client.post(door.url + "/v1/messages", json=prompt(), headers=headers) as response:
            if response.status != 200:
                assert response.headers["retry-after"] == "1"
                assert (await response.json())["error"]["type"] == "overloaded_error"
            else:
                assert b"message_stop" in await response.read()
            return response.status

    async with (
        gateway(None, replier_for=lambda _plan: script, most_requests=100) as door,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        accepted = [asyncio.create_task(one(door, client)) for _ in range(100)]
        while len(script.asks) < 100:
            await asyncio.sleep(0.01)
        # None of these waits for an accepted one: those are released afterwards.
        for _ in range(10):
            assert set(await asyncio.gather(*(one(door, client) for _ in range(30)))) == {529}
        release.set()
        assert set(await asyncio.gather(*accepted)) == {200}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_closes_its_sending_side_has_left(stream: bool) -> None:
    script = Script([0.2, *answer("whole")])
    async with gateway(None, replier_for=lambda _plan: script) as door:
        body = msgspec.json.encode(prompt(stream=stream))
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(request(b"Content-Length: %d" % len(body), body=body, port=door.port))
        writer.write_eof()
        async with asyncio.timeout(10):
            said = await reader.read()
        writer.close()
        assert said == b""
        assert script.open == 0
