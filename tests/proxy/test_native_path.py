"""The native path before the whole proxy: what the host's Messages endpoint is known to stumble over, and what it costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from claude_or.config.schema import Models, Settings
from tests.fakes.listing import FREE, GEMINI, GLM, GPT, SONNET
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.replies import Reply, Tokens, encrypted, error, overflow, pause, reasoning, text, tool_call
from tests.proxy.gateway import Door, gateway, prompt

NATIVE = Settings(models=Models(big=SONNET, small=SONNET), paths={"*": "native"})
SEALED = encrypted("gAAAA-opaque", style="openai-responses-v1", detail_id="rs_1")
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
SCHEMA = {"type": "object", "properties": {"names": {"type": "array"}}}

CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Search", "input": {}}]},
]
FOUND = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "Later"}]}
TOOLS: list[dict[str, Any]] = [
    {"name": "Search", "input_schema": SCHEMA},
    {"name": "Later", "input_schema": SCHEMA, "defer_loading": True},
    {"name": "Never", "input_schema": SCHEMA, "defer_loading": True},
]
EVERYTHING: dict[str, Any] = {
    "messages": [*CALLED, {"role": "user", "content": [FOUND, PICTURE]}],
    "tools": TOOLS,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "metadata": {"user_id": "secret"},
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("slug", [SONNET, GPT, GEMINI, GLM, FREE])
async def test_nothing_that_the_host_is_known_to_refuse_reaches_it_whatever_the_model(slug: str, stream: bool) -> None:
    async with OpenRouterFake([[text("fine")]], key=KEY) as host, gateway(host, settings=NATIVE) as door:
        answered = await door.post(prompt(stream=stream, **EVERYTHING, model=slug))
        message = answered.message if stream else answered.json
        assert message["content"][0]["text"] == "fine", message
        assert message["model"] == slug
        (asked,) = host.asks
        assert (asked.path, asked.status, asked.body["stream"]) == ("/messages", 200, True)
        assert b"secret" not in asked.raw
        assert "Never" not in asked.tools or slug == SONNET


@pytest.mark.parametrize("slug", [SONNET, GPT, GEMINI, GLM, FREE])
async def test_thinking_can_be_switched_off_whatever_the_model(slug: str) -> None:
    off: dict[str, Any] = {"thinking": {"type": "disabled"}, "model": slug}
    async with OpenRouterFake([[text("fine")]], key=KEY) as host, gateway(host, settings=NATIVE) as door:
        assert (await door.post(prompt(**off))).message["content"][0]["text"] == "fine"
        (asked,) = host.asks
    least = {GPT: "low"}
    assert asked.body.get("output_config", {}).get("effort") == least.get(slug)
    assert ("thinking" in asked.body) == (slug in {SONNET, GLM})


async def test_thoughts_of_a_model_that_was_asked_for_none_are_not_shown() -> None:
    async with OpenRouterFake([[reasoning("Hm."), text("fine")]]) as host, gateway(host, settings=NATIVE) as door:
        answered = await door.post(prompt(thinking={"type": "adaptive"}, model=GEMINI))
    assert [block["type"] for block in answered.message["content"]] == ["text"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_the_meter_sees_usage_and_the_hosts_own_bill(stream: bool) -> None:
    bill = Tokens(prompt=1000, completion=50, cached=800, cost=Decimal("0.0123456789"))
    async with (
        OpenRouterFake([Reply([reasoning("hm", signature="Eabc"), text("fine")], usage=bill)], key=KEY) as host,
        gateway(host, settings=NATIVE) as door,
    ):
        await door.post(prompt(stream=stream, model=SONNET))
        ((slug, count),) = door.tally
        assert (slug, count.cost, count.unknown) == (SONNET, Decimal("0.0123456789"), 0)
        assert (count.input + count.read, count.read, count.output) == (1000, 800, 50)


async def test_an_answer_that_is_left_is_charged_once_and_its_bill_can_be_asked_for() -> None:
    async with (
        OpenRouterFake([[text("Half"), pause(30)]], key=KEY) as host,
        gateway(host, settings=NATIVE) as door,
    ):
        async with door.open(prompt(model=SONNET)) as response:
            seen = b""
            while b"Half" not in seen:
                seen += await response.content.readany()
        await host.asks[0].over.wait()
        assert host.asks[0].gone is not None
        await _until_counted(door)
        ((_, count),) = door.tally
        assert (count.calls, count.unknown) == (1, 1)


async def _until_counted(door: Door) -> None:
    for _ in range(200):
        if list(door.tally):
            return
        await door.ask("GET", "/health")
    pytest.fail("the call was never counted")


async def test_a_prompt_that_does_not_fit_is_told_in_the_words_that_make_the_client_compact() -> None:
    async with OpenRouterFake([overflow(200_000, 250_000)], key=KEY) as host, gateway(host, settings=NATIVE) as door:
        answered = await door.post(prompt(model=SONNET))
        assert answered.error == (400, "invalid_request_error")
        assert answered.json["error"]["message"].startswith("prompt is too long: 250000 tokens > 200000 maximum")


async def test_thinking_that_another_provider_signed_is_left_out_on_the_second_try_and_not_before() -> None:
    turn = {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "EuYB-other"}, {"type": "text", "text": "so"},
    ]}  # fmt: skip
    messages = [{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}]
    refusal = error(400, "messages.1.content.0: Invalid `signature` in `thinking` block")
    async with OpenRouterFake([refusal, text("fine")], key=KEY) as host, gateway(host, settings=NATIVE) as door:
        answered = await door.post(prompt(model=SONNET, messages=messages))
        assert answered.message["content"][0]["text"] == "fine"
        first, second = host.asks
        assert first.messages == messages
        assert second.messages[1]["content"] == turn["content"][1:]


async def test_reasoning_of_a_model_without_signatures_survives_a_tool_loop() -> None:
    calling = [reasoning("hm", style="openai-responses-v1", summary=True), SEALED, tool_call("Search", {})]
    async with OpenRouterFake([calling, text("fine")], key=KEY) as host, gateway(host, settings=NATIVE) as door:
        first = (await door.post(prompt(model=GPT, tools=TOOLS[:1]))).message
        assert not any(str(block.get("data", "")).startswith("openrouter.") for block in first["content"])
        call = next(block for block in first["content"] if block["type"] == "tool_use")
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "x"}]}
        history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": first["content"]}, result]
        await door.post(prompt(model=GPT, tools=TOOLS[:1], messages=history))
        sent = host.asks[1].messages[1]["content"]
        kept = [block["data"] for block in sent if block["type"] == "redacted_thinking"]
        assert len(kept) == 2
        assert all(data.startswith("openrouter.reasoning:") for data in kept)
        assert b"claude-or." not in host.asks[1].raw
