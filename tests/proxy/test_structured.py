"""Structured output as a user of the SDK meets it, on a host that does not enforce it: stubborn models, failures, the bill."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anthropic
import msgspec
import pytest
from anthropic.types import Message

from claude_or.config.schema import Limits, Models, Settings, StructuredOutput
from claude_or.reply.budget import Budget
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Reply, Scripted, Tokens, error, pause, reasoning, text, tool_call
from tests.proxy.gateway import MODEL, TOKEN, Door, gateway, prompt

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"animal": {"type": "string"}, "legs": {"type": "integer"}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
GOOD, BAD = '{"animal": "zebra", "legs": 4}', '{"animal": "zebra"}'
VALUE = {"animal": "zebra", "legs": 4}


def plain(script: Sequence[Scripted]) -> OpenRouterFake:
    """A host whose model takes no schema."""
    host = OpenRouterFake(script)
    for entry in host.models:
        entry["supported_parameters"] = sorted({*entry["supported_parameters"]} - {"structured_outputs"})
    return host


async def read(door: Door, *, stream: bool = True, **more: Any) -> Message:
    """The message that the SDK reads."""
    request: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 4000,
        "output_config": {"format": FORMAT},
        "messages": [{"role": "user", "content": "which animal?"}],
        **more,
    }
    async with anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0) as client:
        if not stream:
            return await client.messages.create(**request)
        async with client.messages.stream(**request) as answer:
            return await answer.get_final_message()


def settings(**more: Any) -> Settings:
    return Settings(models=Models(big=MODEL, small=MODEL), structured_output=StructuredOutput(**more))


def said(message: Message) -> Any:
    (block,) = message.content
    assert block.type == "text"
    return msgspec.json.decode(block.text)


def bills(*replies: str) -> list[Scripted]:
    return [Reply([text(words)], usage=Tokens(prompt=100, completion=10)) for words in replies]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_stubborn_model_is_asked_until_its_answer_fits(*, stream: bool) -> None:
    async with plain(bills("Sure!", BAD, GOOD)) as host, gateway(host) as door:
        message = await read(door, stream=stream)
        spent = door.tally.total
    assert said(message) == VALUE
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (300, 30)
    assert (spent.calls, spent.cost) == (3, host.invoice())
    first, second, third = host.asks
    assert second.messages[: len(first.messages)] == first.messages
    assert third.messages[: len(second.messages)] == second.messages
    assert "not a JSON value" in second.messages[-1]["content"]
    assert "'legs' is a required property" in third.messages[-1]["content"]


@pytest.mark.parametrize("stream", [True, False])
async def test_one_that_never_gives_in_ends_in_an_error_that_says_so(*, stream: bool) -> None:
    async with plain(bills(BAD, BAD, "No.")) as host, gateway(host) as door:
        with pytest.raises(anthropic.APIStatusError) as failed:
            await read(door, stream=stream)
        spent = door.tally.total
    assert failed.value.status_code == 502
    assert failed.value.response.headers["x-should-retry"] == "false"
    told = str(failed.value)
    for word in (MODEL, "3 times", "not a JSON value", "structured outputs"):
        assert word in told
    assert (spent.calls, len(host.asks)) == (3, 3)


async def test_the_failure_says_where_it_broke_and_quotes_nothing_of_the_answer() -> None:
    secret = '{"animal": {"name": "s3cr3t"}, "legs": 4}'
    async with plain(bills(secret)) as host, gateway(host, settings=settings(retries=0)) as door:
        with pytest.raises(anthropic.APIStatusError) as failed:
            await read(door)
    # Failures go to the log, which holds no answers.
    assert '$.animal breaks the rule type "string"' in failed.value.message
    assert "s3cr3t" not in failed.value.message


async def test_the_number_of_times_is_the_users() -> None:
    async with plain(bills(BAD, GOOD)) as host, gateway(host, settings=settings(retries=0)) as door:
        with pytest.raises(anthropic.APIStatusError, match="asked once"):
            await read(door)
        assert len(host.asks) == 1


async def test_switched_off_the_answer_goes_out_as_it_comes() -> None:
    async with plain(bills(BAD)) as host, gateway(host, settings=settings(check=False)) as door:
        assert said(await read(door)) == {"animal": "zebra"}


async def test_an_answer_that_fits_at_once_costs_one_call_and_keeps_its_thoughts() -> None:
    async with plain([[reasoning("hm"), text(GOOD)]]) as host, gateway(host) as door:
        message = await read(door)
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert len(host.asks) == 1


async def test_fences_and_words_around_the_value_are_taken_off() -> None:
    async with plain([text(f"Here:\n```json\n{GOOD}\n```\nEnjoy!")]) as host, gateway(host) as door:
        assert said(await read(door)) == VALUE
        assert len(host.asks) == 1


async def test_while_the_answer_is_held_back_the_client_is_told_that_it_lives() -> None:
    script = [[text(GOOD[:5]), pause(0.5), text(GOOD[5:])]]
    async with plain(script) as host, gateway(host, limits=Limits(ping=0.1)) as door:
        answered = await door.post({**prompt(), "output_config": {"format": FORMAT}})
    assert answered.events[0] == "ping"
    assert msgspec.json.decode(answered.message["content"][0]["text"]) == VALUE


async def test_a_failure_behind_the_signs_of_life_is_the_last_event() -> None:
    script = [[text(BAD[:5]), pause(0.5), text(BAD[5:])]]
    off = replace(settings(retries=0), limits=Limits(ping=0.1))
    async with plain(script) as host, gateway(host, settings=off) as door:
        answered = await door.post({**prompt(), "output_config": {"format": FORMAT}})
    assert set(answered.events[:-1]) == {"ping"}
    last = msgspec.json.decode(answered.frames[-1].data)
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")
    assert "never kept to the JSON schema" in last["error"]["message"]


async def test_patterns_and_references_are_kept_too() -> None:
    word = {"type": "string", "pattern": "^z[a-z]+$"}
    schema = {
        "$defs": {"word": word},
        "type": "object",
        "properties": {"animal": {"$ref": "#/$defs/word"}, "legs": {"type": "integer"}},
    }
    script = ['{"animal": "lion", "legs": 4}', '{"animal": "zebra", "legs": 4}']
    async with plain(bills(*script)) as host, gateway(host) as door:
        message = await read(door, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert said(message) == VALUE
    assert "'lion' does not match '^z[a-z]+$'" in host.asks[1].messages[-1]["content"]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (200, 20)


async def test_a_cap_that_is_reached_ends_the_asking_in_its_words() -> None:
    budget = Budget(caps={"session": Decimal("0.05")})
    dear = Reply([text(BAD)], usage=Tokens(prompt=100, completion=10, cost=Decimal("0.049")))
    async with plain([dear, text(GOOD)]) as host, gateway(host, budget=budget) as door:
        with pytest.raises(anthropic.APIStatusError, match="the cap of") as failed:
            await read(door)
        assert failed.value.status_code == 402
        assert len(host.asks) == 1


async def test_who_leaves_between_two_answers_ends_the_asking() -> None:
    script = [[text(BAD)], [pause(60), text(GOOD)]]
    async with plain(script) as host, gateway(host, limits=Limits(ping=0.1)) as door:
        leaving = asyncio.create_task(door.post({**prompt(), "output_config": {"format": FORMAT}}))
        second = await host.asked(2)
        leaving.cancel()
        async with asyncio.timeout(30):
            while second.gone is None:
                await asyncio.sleep(0.02)
        assert len(host.asks) == 2


async def test_calls_of_tools_pass_and_the_answer_behind_them_is_checked() -> None:
    weather = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    async with plain([[tool_call("weather", {"city": "Rome"})]]) as host, gateway(host) as door:
        message = await read(door, tools=[weather])
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content] == ["tool_use"]


async def test_the_arguments_of_a_strict_tool_are_made_to_fit() -> None:
    tool = {"name": "count", "input_schema": SCHEMA, "strict": True}
    script = [[tool_call("count", {"animal": "zebra"})], [tool_call("count", VALUE)]]
    async with plain(script) as host, gateway(host) as door:
        message = await read(door, tools=[tool], output_config={})
    (block,) = message.content
    assert block.type == "tool_use"
    assert block.input == VALUE
    assert "'legs' is a required property" in host.asks[1].messages[-1]["content"]


async def test_what_the_length_limit_cut_is_told_as_cut() -> None:
    async with plain([Reply([text(BAD[:-4])], finish="length")]) as host, gateway(host) as door:
        message = await read(door)
        assert (message.stop_reason, len(host.asks)) == ("max_tokens", 1)


async def test_a_failure_in_between_is_tried_again_like_any_other() -> None:
    script: list[Scripted] = [text(BAD), error(503, "busy"), text(BAD), text(GOOD)]
    async with plain(script) as host, gateway(host) as door:
        assert said(await read(door)) == VALUE
        assert len(host.asks) == 4


async def test_a_schema_that_is_none_is_refused_before_anything_is_asked() -> None:
    wrong = {"format": {"type": "json_schema", "schema": {"type": "zebra"}}}
    async with plain([text(GOOD)]) as host, gateway(host) as door:
        with pytest.raises(anthropic.BadRequestError, match=r"output_config\.format\.schema\.type"):
            await read(door, output_config=wrong)
        assert host.asks == []


async def test_a_host_that_enforces_it_is_believed_and_streams() -> None:
    async with OpenRouterFake([text(GOOD, cut=5)]) as host, gateway(host) as door:
        answered = await door.post({**prompt(), "output_config": {"format": FORMAT}})
    assert answered.events.count("content_block_delta") > 2
    assert host.asks[0].body["response_format"]["json_schema"]["strict"] is True
