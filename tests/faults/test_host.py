"""Every fault that a host is known for, before the whole proxy: an answer that is whole, or an error that says so."""

from __future__ import annotations

import pytest

from tests.fakes.faults import FAULTS, SECRET, WORDS, Fault
from tests.fakes.openrouter import OpenRouterFake
from tests.proxy.gateway import MODEL, Door, gateway, prompt

CALLS = {"whole": 1, "refused": 1, "repeated": 3, "broken": 1}


async def play(name: str, *, stream: bool) -> None:
    fault = FAULTS[name]
    async with OpenRouterFake(lambda _ask, _n: fault.reply) as host, gateway(host) as door:
        await judge(door, fault, stream=stream)
        assert len(host.asks) == CALLS[fault.told]
        assert (await door.ask("GET", "/health")).status == 200
        assert door.house.open_requests == 0


async def judge(door: Door, fault: Fault, *, stream: bool, model: str = MODEL) -> None:
    answered = await door.post(prompt(stream=stream, model=model))
    assert SECRET.encode() not in answered.body
    assert b"Traceback" not in answered.body
    if fault.told == "whole":
        message = answered.message if stream else answered.json
        assert "".join(block.get("text", "") for block in message["content"]) == WORDS
    elif fault.told == "broken" and stream:
        assert answered.status == 200
        assert answered.events[-1] == "error"
        assert "message_stop" not in answered.events
        assert answered.events.count("content_block_start") == answered.events.count("content_block_stop")
    else:
        assert answered.error == (fault.status, fault.type)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_host_is_an_error_or_not_seen(name: str, stream: bool) -> None:
    await play(name, stream=stream)
