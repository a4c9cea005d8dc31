"""Every fault that a host is known for, on the native path: an answer that is whole, or an error that says so."""

from __future__ import annotations

from typing import Final

import pytest

from claude_or.config.schema import Models, Settings
from tests.fakes.faults import FAULTS
from tests.fakes.listing import SONNET
from tests.fakes.openrouter import OpenRouterFake
from tests.faults.test_host import CALLS, judge
from tests.proxy.gateway import gateway

NATIVE = Settings(models=Models(big=SONNET, small=SONNET))
SPOKEN_ONLY_IN_CHAT: Final = {"no finish and no end", "cut inside the arguments of a call"}
"""The fake's Messages answers always tell why they end, and their calls are whole; `tests/translate/test_native_stream.py` cuts them."""


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", sorted(FAULTS.keys() - SPOKEN_ONLY_IN_CHAT))
async def test_a_fault_of_the_host_is_an_error_or_not_seen_on_the_native_path(name: str, stream: bool) -> None:
    fault = FAULTS[name]
    async with OpenRouterFake(lambda _ask, _n: fault.reply) as host, gateway(host, settings=NATIVE) as door:
        await judge(door, fault, stream=stream, model=SONNET)
        assert {ask.path for ask in host.asks} == {"/messages"}
        assert len(host.asks) == CALLS[fault.told]
        assert door.house.open_requests == 0
