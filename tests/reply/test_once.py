"""The same request sent twice is asked upstream once at a time, whatever becomes of the first one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import pytest

from claude_or.reply import once
from claude_or.reply.once import Once, Requests
from claude_or.routing.ask import Ask, Burst, Replier, ReplyFailed
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Pause, Reply, text
from tests.proxy.gateway import gateway, prompt
from tests.reply.script import ALIVE, START, Script, answer, ask, burst, delta, error_burst, failed


def same(session: str = "s", agent: str = "", raw: bytes = b"{}") -> Ask:
    """An ask of a session."""
    return msgspec.structs.replace(ask(), session_id=session, agent_id=agent, raw=raw)


async def heard(replier: Replier, asked: Ask) -> bytes | str:
    """The bytes of an answer, or the kind of its failure."""
    try:
        async with aclosing(replier.reply(asked)) as bursts:
            return b"".join([frame.raw async for found in bursts for frame in found.frames])
    except ReplyFailed as raised:
        return raised.failure.kind


def raw(bursts: list[Burst]) -> bytes:
    """Their bytes."""
    return b"".join(frame.raw for found in bursts for frame in found.frames)


async def both(script: Script, first: Ask, second: Ask, hold: asyncio.Event) -> tuple[bytes | str, bytes | str]:
    """Two at the same time; the script holds the first one until both are there."""
    requests = Requests()
    chain = Once(inner=script, requests=requests)
    tasks = [asyncio.create_task(heard(chain, asked)) for asked in (first, second)]
    for _ in range(5):
        await asyncio.sleep(0)
    hold.set()
    one, two = await asyncio.gather(*tasks)
    assert requests.running == {}
    return one, two


async def test_a_repetition_gets_the_answer_of_the_first_without_a_call() -> None:
    hold = asyncio.Event()
    script = Script([ALIVE, hold, *answer("a", "b")])
    one, two = await both(script, same(), same(), hold)
    assert one == two == raw(answer("a", "b"))
    assert len(script.asks) == 1


@pytest.mark.parametrize(
    "end", [[failed("rate_limit")], [burst(*START), delta("half"), error_burst(failed("api"))]], ids=["refused", "cut"]
)
async def test_a_failure_is_the_repetitions_too(end: list[Burst | ReplyFailed]) -> None:
    hold = asyncio.Event()
    script = Script([hold, *end])
    one, two = await both(script, same(), same(), hold)
    assert one == two
    assert len(script.asks) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (same(), same(raw=b"{ }")),
        (same(), same(session="other")),
        (same(), same(agent="sub")),
        (same(session=""), same(session="")),
    ],
    ids=["body", "session", "agent", "no session"],
)
async def test_what_differs_is_another_request(first: Ask, second: Ask) -> None:
    hold = asyncio.Event()
    script = Script([hold, *answer("a")])
    await both(script, first, second, hold)
    assert len(script.asks) == 2


async def test_when_the_firsts_client_leaves_the_repetition_takes_its_place_and_never_two_run() -> None:
    script = Script([ALIVE, 30.0], answer("second"))
    chain = Once(inner=script, requests=Requests())
    first = asyncio.create_task(heard(chain, same()))
    await asyncio.sleep(0)
    second = asyncio.create_task(heard(chain, same()))
    await asyncio.sleep(0.01)
    assert (script.open, len(script.asks)) == (1, 1)
    first.cancel()
    assert await second == raw(answer("second"))
    assert len(script.asks) == 2
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_repetition_that_leaves_takes_nothing_with_it() -> None:
    hold = asyncio.Event()
    script = Script([hold, *answer("a")])
    chain = Once(inner=script, requests=Requests())
    tasks = [asyncio.create_task(heard(chain, same())) for _ in range(3)]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    hold.set()
    assert await tasks[0] == await tasks[2] == raw(answer("a"))
    assert len(script.asks) == 1


async def test_an_answer_too_long_to_keep_is_asked_for_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "KEPT_BYTES", 100)
    most = 0

    class Counting(Script):
        async def reply(self, ask: Ask) -> AsyncGenerator[Burst, None]:
            nonlocal most
            async with aclosing(super().reply(ask)) as bursts:
                async for found in bursts:
                    most = max(most, self.open)
                    yield found

    hold = asyncio.Event()
    script = Counting([hold, *answer("a" * 200)])
    one, two = await both(script, same(), same(), hold)
    assert one == two
    assert (len(script.asks), most) == (2, 1)


async def test_an_exception_leaves_nobody_waiting() -> None:
    script = Script([0.01, ZeroDivisionError()], answer("a"))
    chain = Once(inner=script, requests=Requests())
    first = asyncio.create_task(heard(chain, same()))
    await asyncio.sleep(0)
    assert await heard(chain, same()) == raw(answer("a"))
    with pytest.raises(ZeroDivisionError):
        await first


async def test_at_the_door_two_live_clients_are_one_call_and_one_charge() -> None:
    async with OpenRouterFake([Reply([Pause(0.3), text("once")])]) as host, gateway(host) as door:
        both = [door.post(prompt(), x_claude_code_session_id="s1") for _ in range(2)]
        one, two = await asyncio.gather(*both)
        assert one.message["content"] == two.message["content"] == [{"type": "text", "text": "once"}]
        assert len(host.asks) == 1
        assert door.tally.total.calls == 1
