"""`count_tokens` and the first event of an answer tell what the session's own usage taught."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_or.config.schema import Models, Settings
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Reply, Text, Tokens
from tests.proxy.gateway import MODEL, Door, gateway, prompt
from tests.translate.fillers import filler

COUNT = "/v1/messages/count_tokens?beta=true"
PROSE = filler("prose", 100)


async def counted(door: Door, body: dict[str, Any]) -> int:
    asked = {key: body[key] for key in ("model", "messages")}
    answer = await door.post(asked, COUNT)
    assert answer.status == 200
    return answer.json["input_tokens"]


async def test_an_answer_teaches_the_next_count_and_the_next_first_event() -> None:
    async with OpenRouterFake() as host, gateway(host) as door:
        cold = await counted(door, prompt(PROSE))
        real = round(cold * 1.4)
        host.script([Reply([Text("a")], usage=Tokens(prompt=real)), Reply([Text("b")], usage=Tokens(prompt=real))])

        await door.post(prompt(PROSE))

        assert await counted(door, prompt(PROSE)) == pytest.approx(real, rel=0.02)
        second = await door.post(prompt(PROSE))
        start = msgspec.json.decode(second.frames[0].data)
        assert start["message"]["usage"]["input_tokens"] == pytest.approx(real, rel=0.02)


async def test_what_came_from_the_cache_counts() -> None:
    async with OpenRouterFake() as host, gateway(host) as door:
        real = round(await counted(door, prompt(PROSE)) * 1.3)
        host.script([Reply([Text("a")], usage=Tokens(prompt=real, cached=real - 300, written=200))])

        await door.post(prompt(PROSE))

        assert await counted(door, prompt(PROSE)) == pytest.approx(real, rel=0.02)


async def test_one_model_teaches_nothing_about_another() -> None:
    settings = Settings(models=Models(big=MODEL, small="qwen/qwen4-coder-flash"))
    async with OpenRouterFake() as host, gateway(host, settings=settings) as door:
        other = {**prompt(PROSE), "model": "qwen/qwen4-coder-flash"}
        before = await counted(door, other)
        host.script([Reply([Text("a")], usage=Tokens(prompt=before * 2))])

        await door.post(prompt(PROSE))

        assert await counted(door, other) == before


async def test_an_answer_without_figures_teaches_nothing() -> None:
    async with OpenRouterFake() as host, gateway(host) as door:
        before = await counted(door, prompt(PROSE))
        host.script([Reply([Text("a")], tell_usage="never")])

        answered = await door.post(prompt(PROSE))

        assert answered.status == 200
        assert await counted(door, prompt(PROSE)) == before
