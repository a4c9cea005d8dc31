"""The three states of a streamed answer, and what the client's leaving means in each."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
import pytest

from claude_or.config.schema import Limits
from claude_or.reply.fallback import Fallback
from claude_or.routing.ask import Ask, Burst
from claude_or.wire.events import BlockStop
from claude_or.wire.sse import Frame
from tests.proxy.gateway import TOKEN, Door, gateway, prompt
from tests.reply.script import ALIVE, START, Script, Step, answer, burst, delta, error_burst, failed

QUICK = Limits(ping=0.05)
BEARER = {"authorization": f"Bearer {TOKEN}"}


def door_to(script: Script, limits: Limits = QUICK, **house: Any) -> Any:
    """A proxy whose chain is the script."""
    return gateway(None, replier_for=lambda _plan: script, limits=limits, **house)


# Open


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("invalid_request", 400, "invalid_request_error"),
        ("authentication", 401, "authentication_error"),
        ("billing", 402, "billing_error"),
        ("rate_limit", 429, "rate_limit_error"),
        ("api", 502, "api_error"),
        ("timeout", 504, "timeout_error"),
        ("overloaded", 529, "overloaded_error"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_while_nothing_was_sent_a_failure_is_a_real_status(
    kind: str, status: int, type_: str, stream: bool
) -> None:
    async with door_to(Script([ALIVE, failed(kind, status, type_, retry_after=2.5, should_retry=True)])) as door:
        answered = await door.post(prompt(stream=stream))
    assert answered.error == (status, type_)
    assert answered.headers["content-type"] == "application/json"
    assert answered.headers["retry-after"] == "3"
    assert answered.headers["x-should-retry"] == "true"


async def test_an_answer_without_an_end_is_never_told_as_a_whole_one() -> None:
    async with door_to(Script([ALIVE], [burst(*START), delta("half")], [ZeroDivisionError()])) as door:
        assert (await door.post(prompt())).error == (502, "api_error")
        half = await door.post(prompt())
        assert half.status == 200
        assert half.events[-1] == "error"
    async with door_to(Script([ALIVE], [burst(*START), delta("half")])) as door:
        for _ in range(2):
            assert (await door.post(prompt(stream=False))).error == (502, "api_error")


# Pinging


async def test_silence_is_broken_by_pings_before_and_between_the_words() -> None:
    first, *rest = answer("a", "b")
    script = Script([0.18, first, 0.18, *rest])
    async with door_to(script) as door:
        answered = await door.post(prompt())
    assert answered.status == 200
    start = answered.events.index("message_start")
    assert answered.events[:start] == ["ping"] * start
    assert 2 <= start <= 4
    middle = answered.events[start + 2 : answered.events.index("content_block_delta")]
    assert middle == ["ping"] * len(middle)
    assert 2 <= len(middle) <= 4
    assert answered.events[-1] == "message_stop"
    assert answered.message["content"] == [{"type": "text", "text": "ab"}]


async def test_signs_of_life_from_upstream_do_not_count_as_words() -> None:
    script = Script([*([ALIVE, 0.02] * 8), *answer("a")])
    async with door_to(script) as door:
        answered = await door.post(prompt())
    assert answered.events[0] == "ping"


async def test_a_busy_stream_needs_no_pings() -> None:
    first, *rest = answer(*"abcdefgh")
    script = Script([first, *[step for found in rest for step in (0.02, found)]])
    async with door_to(script) as door:
        answered = await door.post(prompt())
    assert "ping" not in answered.events


async def test_while_only_pings_were_sent_the_chain_may_try_again_and_nothing_comes_twice() -> None:
    script = Script([ALIVE, 0.1, failed()], [0.1, *answer("second try")])

    def replier_for(plan: Any) -> Fallback:
        return Fallback(routes=[(plan.routes[0], script)], random=lambda: 0.0)

    async with gateway(None, replier_for=replier_for, limits=QUICK) as door:
        answered = await door.post(prompt())
    assert len(script.asks) == 2
    assert answered.status == 200
    assert answered.events.count("message_start") == 1
    assert answered.events[0] == "ping"
    assert answered.message["content"] == [{"type": "text", "text": "second try"}]


async def test_after_a_ping_a_failure_is_an_error_event_and_the_last_one() -> None:
    async with door_to(Script([0.12, failed("rate_limit", 429, "rate_limit_error")])) as door:
        answered = await door.post(prompt())
    assert answered.status == 200
    assert set(answered.events[:-1]) == {"ping"}
    last = msgspec.json.decode(answered.frames[-1].data)
    assert last == {"type": "error", "error": {"type": "rate_limit_error", "message": "failed: rate_limit"}}


async def test_after_a_ping_an_exception_is_an_error_event_without_details() -> None:
    async with door_to(Script([0.12, ZeroDivisionError("a secret detail")])) as door:
        answered = await door.post(prompt())
    assert answered.events[-1] == "error"
    assert b"secret" not in answered.body


async def test_who_does_not_stream_gets_no_pings_but_the_status() -> None:
    async with door_to(Script([0.15, *answer("late")], [0.15, failed()])) as door:
        answered = await door.post(prompt(stream=False))
        assert answered.headers["content-type"] == "application/json"
        assert answered.json["content"] == [{"type": "text", "text": "late"}]
        assert (await door.post(prompt(stream=False))).error == (529, "overloaded_error")


async def test_who_does_not_stream_is_told_before_it_gives_up_and_not_to_repeat() -> None:
    script = Script([ALIVE, 30.0])
    async with door_to(script, whole_seconds=0.2) as door:
        answered = await door.post(prompt(stream=False))
        assert answered.error == (504, "timeout_error")
        assert answered.headers["x-should-retry"] == "false"
        assert script.open == 0


# Committed


async def test_a_failure_after_content_is_told_by_the_chain_alone() -> None:
    script = Script([burst(*START), delta("half"), error_burst(failed("api", 502, "api_error"))])
    async with door_to(script) as door:
        answered = await door.post(prompt())
        assert answered.events == ["message_start", "content_block_start", "content_block_delta", "error"]
        assert (await door.post(prompt(stream=False))).error == (502, "api_error")


@pytest.mark.parametrize(
    ("sent", "closed"),
    [
        ([burst(*START)], ["content_block_stop"]),
        ([burst(*START), delta("half")], ["content_block_stop"]),
        ([burst(*START), delta("whole"), burst(BlockStop(0))], []),
        ([burst(START[0])], []),
    ],
)
@pytest.mark.parametrize("bug", [True, False], ids=["exception", "no end"])
async def test_what_breaks_off_after_content_closes_its_block_before_the_error(
    sent: list[Burst], closed: list[str], bug: bool
) -> None:
    async with door_to(Script([*sent, ZeroDivisionError("a secret detail")] if bug else sent)) as door:
        answered = await door.post(prompt())
    events = [frame.event for burst in sent for frame in burst.frames]
    assert answered.events == [*events, *closed, "error"]
    assert b"secret" not in answered.body


async def test_the_head_says_what_it_is_and_nothing_of_the_hosts() -> None:
    async with door_to(Script(answer("a"))) as door:
        headers = dict((await door.post(prompt())).headers)
    for name in ("request-id", "date", "x-accel-buffering"):
        assert headers.pop(name)
    assert headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "transfer-encoding": "chunked",
        "server": "claude-or",
    }


async def test_a_burst_is_one_write() -> None:
    """Measured where the client sees it: a burst arrives as one HTTP chunk."""
    hold = asyncio.Event()
    many = Burst(frames=[frame for text in "abcdefghij" for frame in delta(text).frames])
    script = Script([burst(*START), hold, many, *answer()[1:]])
    async with door_to(script, Limits()) as door:
        reader, writer = await connect(door)
        await reader.readuntil(b"\r\n\r\n")
        size = int(await reader.readline(), 16)
        assert size == sum(len(frame.raw) for frame in burst(*START).frames)
        await reader.readexactly(size + 2)
        hold.set()
        assert int(await reader.readline(), 16) == sum(len(frame.raw) for frame in many.frames)
        writer.close()


# The client leaves


async def connect(door: Door, *, stream: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request on a bare connection."""
    body = msgspec.json.encode(prompt(stream=stream))
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


PHASES: dict[str, list[Step]] = {
    "connecting": [30.0],
    "waiting": [ALIVE, 30.0],
    "pinging": [ALIVE, 30.0],
    "streaming": [burst(*START), delta("a"), 30.0],
    "flooding": [burst(*START), *([delta("x" * 10_000)] * 10_000), 30.0],
}


async def wait_for(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("phase", PHASES)
async def test_when_the_client_leaves_the_call_upstream_ends_at_once(phase: str, how: str) -> None:
    script = Script(PHASES[phase])
    limits = QUICK if phase == "pinging" else Limits()
    async with door_to(script, limits) as door:
        reader, writer = await connect(door)
        await wait_for(lambda: script.open)
        if phase in {"pinging", "streaming", "flooding"}:
            await reader.readuntil(b"data: ")
        if how == "reset":
            plug = writer.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        async with asyncio.timeout(10):
            await script.closed.wait()
        await wait_for(lambda: not door.house.open_requests)
        assert (await door.ask("GET", "/health")).status == 200


async def test_when_a_client_that_does_not_stream_leaves_the_call_ends_too() -> None:
    script = Script([*answer("a")[:2], 30.0])
    async with door_to(script) as door:
        _, writer = await connect(door, stream=False)
        await wait_for(lambda: script.open)
        writer.transport.abort()
        await asyncio.wait_for(script.closed.wait(), 10)


async def test_a_client_that_leaves_during_a_retrys_pause_causes_no_further_call() -> None:
    script = Script([failed()], answer("a"))
    pausing = asyncio.Event()
    left = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        pausing.set()
        try:
            await asyncio.sleep(30)
        finally:
            left.set()

    def replier_for(plan: Any) -> Fallback:
        return Fallback(routes=[(plan.routes[0], script)], sleep=sleep)

    async with gateway(None, replier_for=replier_for) as door:
        _, writer = await connect(door)
        await pausing.wait()
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), 10)
    assert len(script.asks) == 1


async def test_leaving_and_coming_back_a_hundred_times_leaves_nothing_behind() -> None:
    script = Script([burst(*START), delta("a"), 30.0])
    async with door_to(script) as door:
        before = len(asyncio.all_tasks())
        for _ in range(100):
            reader, writer = await connect(door)
            await reader.readuntil(b"data: ")
            writer.transport.abort()
        await wait_for(lambda: not script.open)
        await wait_for(lambda: not door.house.open_requests)
        await wait_for(lambda: len(asyncio.all_tasks()) <= before + 1)
    assert len(script.asks) == 100


async def test_a_slow_reader_slows_the_reading_upstream() -> None:
    taken = 0

    class Flood:
        async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
            nonlocal taken
            yield burst(*START)
            big = delta("x" * 60_000)
            for _ in range(1_000):
                taken += 60_000
                yield big
            for rest in answer()[1:]:
                yield rest

    async with gateway(None, replier_for=lambda _plan: Flood(), limits=Limits(ping=0.02)) as door:
        reader, writer = await connect(door)
        await asyncio.sleep(0.4)
        held = taken
        assert held < 16_000_000
        await asyncio.sleep(0.2)
        assert taken == held
        total = 0
        while data := await reader.read(1_000_000):
            total += len(data)
            if data.endswith(b"0\r\n\r\n"):
                break
        writer.close()
    assert taken == 60_000_000
    assert total > 60_000_000


async def test_a_client_that_takes_nothing_for_too_long_is_cut_off_and_the_call_upstream_ends() -> None:
    over = asyncio.Event()

    class Flood:
        async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
            try:
                yield burst(*START)
                while True:
                    yield delta("x" * 60_000)
            finally:
                over.set()

    async with gateway(None, replier_for=lambda _plan: Flood(), limits=Limits(ping=0.05), unread_seconds=3.0) as door:
        reader, writer = await connect(door)
        # Slowly is not nothing: as long as it reads, however little, it is served.
        for _ in range(12):
            assert await reader.readexactly(200_000)
            await asyncio.sleep(0.3)
        # Longer than the limit in all.
        assert not over.is_set()
        async with asyncio.timeout(30):
            await over.wait()
        writer.close()


async def test_pings_do_not_pile_up_before_a_reader_that_does_not_read() -> None:
    big = Burst(frames=[Frame("x", b"", b"y" * 30_000_000)])
    script = Script([burst(*START), big, *answer()[1:]])
    async with door_to(script, Limits(ping=0.01)) as door:
        reader, writer = await connect(door)
        await asyncio.sleep(0.3)
        seen = bytearray()
        while not seen.endswith(b"0\r\n\r\n"):
            seen += await reader.read(1_000_000)
        writer.close()
    assert seen.count(b"event: ping") <= 2
