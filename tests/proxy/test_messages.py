"""`POST /v1/messages` from the client's bytes to the host and back, read raw and by the official SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import anthropic
import msgspec
import pytest
from anthropic.types import ToolUseBlock

from claude_or.config.schema import Limits, Models, Settings
from tests.fakes.listing import GLM, SMALL
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.record import Ask
from tests.fakes.replies import (
    Reply,
    Scripted,
    comment,
    error,
    interleaved,
    overflow,
    pause,
    reasoning,
    reset,
    stream_error,
    text,
    tool_call,
)
from tests.proxy.gateway import TOKEN, WEATHER, Door, gateway, prompt


@pytest.fixture
async def host() -> AsyncGenerator[OpenRouterFake]:
    """A host that takes one key only; tests give it its script."""
    async with OpenRouterFake(key=KEY) as fake:
        yield fake


@pytest.fixture
async def door(host: OpenRouterFake) -> AsyncGenerator[Door]:
    """A proxy before it."""
    async with gateway(host) as door:
        yield door


def sdk(door: Door) -> anthropic.AsyncAnthropic:
    """The official client."""
    return anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0)


TURN: list[Any] = [
    *comment(),
    reasoning("The user wants the weather."),
    text("I will look."),
    interleaved(
        tool_call("get_weather", {"city": "Zürich"}),
        tool_call("get_weather", {"city": "Oslo"}),
    ),
]


async def test_text_streamed_and_whole_are_the_same_message(host: OpenRouterFake, door: Door) -> None:
    host.script([text("Hello there."), text("Hello there.")])
    streamed = (await door.post(prompt())).message
    whole = (await door.post(prompt(stream=False))).json
    assert streamed["content"] == whole["content"] == [{"type": "text", "text": "Hello there."}]
    assert whole["stop_reason"] == "end_turn"
    assert whole["model"] == GLM
    assert whole["id"].startswith("msg_")
    assert whole["id"] != streamed["id"]
    for message in (streamed, whole):
        del message["id"]
    assert streamed == whole


async def test_the_sdk_reads_a_stream_with_thinking_and_two_interleaved_calls(host: OpenRouterFake, door: Door) -> None:
    host.script([TURN])
    async with sdk(door) as client:
        async with client.messages.stream(**prompt_for_sdk(tools=[WEATHER])) as stream:
            kinds = [event.type async for event in stream]
        message = await stream.get_final_message()
    assert kinds[-1] == "message_stop"
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert [call.input for call in calls] == [{"city": "Zürich"}, {"city": "Oslo"}]
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens > 0


async def test_the_sdk_reads_a_whole_message_and_goes_on_with_its_results(host: OpenRouterFake, door: Door) -> None:
    host.script([TURN, text("Cold in both.")])
    question: Any = {"role": "user", "content": "Weather in Zürich and Oslo?"}
    async with sdk(door) as client:
        first = await client.messages.create(**prompt_for_sdk(messages=[question], tools=[WEATHER]))
        calls = [block for block in first.content if isinstance(block, ToolUseBlock)]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"cold: {call.input}"} for call in calls]
        history: Any = [question, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        second = await client.messages.create(**prompt_for_sdk(messages=history, tools=[WEATHER]))
    assert second.content[0].type == "text"
    assert second.content[0].text == "Cold in both."
    sent = host.asks[1].messages
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == [message["tool_call_id"] for message in sent[2:]]
    assert sent[1]["reasoning_details"][0]["text"] == "The user wants the weather."


def prompt_for_sdk(**more: Any) -> Any:
    """The arguments of a call without `stream`."""
    body = prompt(**more)
    del body["stream"]
    return body


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (error(400, "bad"), anthropic.BadRequestError),
        (error(401, "no"), anthropic.AuthenticationError),
        (error(403, "no"), anthropic.PermissionDeniedError),
        (error(404, "no"), anthropic.NotFoundError),
        (error(429, "slow", headers={"Retry-After": "60"}), anthropic.RateLimitError),
        (error(500, "oops"), anthropic.InternalServerError),
    ],
)
async def test_the_sdk_knows_our_errors(
    host: OpenRouterFake, door: Door, reply: Reply, raised: type[Exception]
) -> None:
    host.script(lambda _ask, _n: reply)
    async with sdk(door) as client:
        with pytest.raises(raised) as caught:
            await client.messages.create(**prompt_for_sdk())
        with pytest.raises(raised):
            async with client.messages.stream(**prompt_for_sdk()):
                pass
    assert str(getattr(caught.value, "request_id", "")).startswith("req_")


async def test_the_sdk_is_told_of_an_answer_that_breaks_off(host: OpenRouterFake, door: Door) -> None:
    host.script([[text("half an answer"), pause(0.02), reset()]])

    async def read() -> None:
        async with sdk(door) as client, client.messages.stream(**prompt_for_sdk()) as stream:
            await stream.until_done()

    with pytest.raises(anthropic.APIStatusError):
        await read()


# What goes up


async def test_nothing_of_the_clients_own_headers_reaches_the_host(host: OpenRouterFake, door: Door) -> None:
    host.script([text("a")])
    sent = {
        "x-api-key": TOKEN,
        "cookie": "a=b",
        "x-forwarded-for": "10.0.0.1",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219",
        "anthropic-dangerous-direct-browser-access": "true",
        "x-stainless-lang": "js",
        "user-agent": "claude-cli/2.1.330 (external, cli)",
        "x-claude-code-session-id": "s-1",
        "x-app": "cli",
    }
    await door.ask("POST", "/v1/messages", json=prompt(), headers={"authorization": f"Bearer {TOKEN}", **sent})
    got = {name.lower(): value for name, value in host.asks[0].headers.items()}
    assert got["authorization"] == f"Bearer {KEY}"
    assert not (set(sent) - {"user-agent"}) & set(got)
    assert got["user-agent"].startswith("claude-or/")
    assert TOKEN not in str(got)


@pytest.mark.parametrize(
    ("headers", "metadata", "key"),
    [
        ({"x-claude-code-session-id": "aaa"}, None, "aaa:main"),
        ({"x-claude-code-session-id": "aaa", "x-claude-code-agent-id": "bbb"}, None, "aaa:bbb:main"),
        ({}, {"user_id": '{"device_id":"d","account_uuid":"","session_id":"ccc"}'}, "ccc:main"),
        ({}, {"user_id": "user_0f_account__session_ddd"}, "ddd:main"),
        ({}, {"user_id": "somebody"}, ""),
        ({}, {"user_id": "[1]"}, ""),
        ({}, {"user_id": '{"session_id":7}'}, ""),
        ({"x-claude-code-session-id": "x" * 500}, None, ""),
    ],
)
async def test_a_conversation_keeps_its_key(
    host: OpenRouterFake, door: Door, headers: Mapping[str, str], metadata: Any, key: str
) -> None:
    host.script([text("a")])
    body = prompt(**({"metadata": metadata} if metadata else {}))
    await door.ask("POST", "/v1/messages", json=body, headers={"authorization": f"Bearer {TOKEN}", **headers})
    asked = host.asks[0]
    assert asked.headers.get("x-session-id", "") == key
    assert asked.body.get("session_id", "") == key


async def test_names_are_mapped_by_role_and_the_answer_bears_the_name_asked_for(host: OpenRouterFake) -> None:
    host.script(lambda _ask, _n: text("a"))
    settings = Settings(models=Models(big=GLM, small=SMALL))
    names = {"claude-opus-5": GLM, "claude-haiku-4-5": SMALL, GLM: GLM, f"openrouter/{SMALL}": SMALL, "sonnet": GLM}
    async with gateway(host, settings=settings) as door:
        for name in names:
            for stream in (True, False):
                answered = await door.post(prompt(model=name, stream=stream))
                assert (answered.message if stream else answered.json)["model"] == name
        assert (await door.post(prompt(model="some-name"))).error == (404, "not_found_error")
    assert [ask.model for ask in host.asks] == [slug for slug in names.values() for _ in range(2)]


# Failures and repairs


async def test_two_stumbles_of_the_host_are_not_seen(host: OpenRouterFake, door: Door) -> None:
    host.script([error(502), [reset()], text("third time lucky")])
    answered = await door.post(prompt())
    assert answered.message["content"][0]["text"] == "third time lucky"
    assert len(host.asks) == 3
    count = door.tally.models[GLM]
    assert (count.calls, count.failures, count.output) == (3, 2, answered.message["usage"]["output_tokens"])


async def test_a_lasting_stumble_is_told_after_three_attempts(host: OpenRouterFake, door: Door) -> None:
    host.script(lambda _ask, _n: error(503, "busy", headers={"Retry-After": "1"}))
    answered = await door.post(prompt())
    assert answered.error == (529, "overloaded_error")
    assert answered.headers["retry-after"] == "1"
    assert len(host.asks) == 3


async def test_what_cannot_be_repaired_is_asked_once(host: OpenRouterFake, door: Door) -> None:
    replies = [error(401, "User not found."), error(402, "Insufficient credits"), overflow(200_000, 250_000)]
    host.script(list(replies))
    statuses = [(await door.post(prompt())).error for _ in replies]
    assert statuses == [(401, "authentication_error"), (402, "billing_error"), (400, "invalid_request_error")]
    assert len(host.asks) == 3


async def test_a_prompt_that_is_too_long_is_told_in_the_words_that_make_the_client_compact(
    host: OpenRouterFake, door: Door
) -> None:
    host.script([overflow(200_000, 250_000)])
    message = (await door.post(prompt())).json["error"]["message"]
    assert message.startswith("prompt is too long: 250000 tokens > 200000 maximum")


async def test_a_small_balance_gets_a_shorter_answer(host: OpenRouterFake, door: Door) -> None:
    words = "This request requires more credits, or fewer max_tokens. You requested up to 4000 tokens, but can only afford 1500."
    host.script([error(402, words), text("short")])
    assert (await door.post(prompt())).status == 200
    assert [ask.body["max_tokens"] for ask in host.asks] == [4000, 1500]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_key_is_in_no_answer_even_if_the_host_quotes_it(
    host: OpenRouterFake, door: Door, stream: bool
) -> None:
    host.script([error(400, f"bad key {KEY}"), [stream_error(400, f"bad key {KEY}", error_type=None)]])
    for _ in range(2):
        answered = await door.post(prompt(stream=stream))
        assert KEY.encode() not in answered.body


async def test_no_host_header_reaches_the_client(host: OpenRouterFake, door: Door) -> None:
    marks = {"Set-Cookie": "a=b", "X-Powered-By": "magic", "CF-Ray": "1", "Server": "edge", "Alt-Svc": "h3"}
    host.script([Reply([text("a")], headers=marks), error(500, "b", headers=marks)] * 2)
    for stream in (True, True, False, False):
        answered = await door.post(prompt(stream=stream))
        assert not {"set-cookie", "x-powered-by", "cf-ray", "alt-svc"} & set(answered.headers)
        assert answered.headers["server"] == "claude-or"


async def test_a_silent_host_costs_the_client_nothing_but_pings(host: OpenRouterFake) -> None:
    host.script([Reply([pause(0.3), text("at last")], head_delay=0.3)])
    async with gateway(host, limits=Limits(ping=0.05)) as door:
        answered = await door.post(prompt())
    assert answered.events[:5] == ["ping"] * 5
    assert answered.message["content"][0]["text"] == "at last"
    assert len(host.asks) == 1


async def test_when_the_client_leaves_the_hosts_connection_closes_and_the_call_is_charged_once(
    host: OpenRouterFake, door: Door
) -> None:
    host.script([[text("a"), pause(30), text("b")]])
    response = await door.client.post(
        door.url + "/v1/messages", json=prompt(), headers={"authorization": f"Bearer {TOKEN}"}
    )
    await response.content.readany()
    response.close()
    async with asyncio.timeout(10):
        await host.asks[0].over.wait()
    assert host.asks[0].gone is not None
    async with asyncio.timeout(10):
        while GLM not in door.tally.models:
            await asyncio.sleep(0.005)
    count = door.tally.models[GLM]
    assert (count.calls, count.cancelled, count.unknown) == (1, 1, 1)


async def test_many_at_once_are_never_mixed_up(host: OpenRouterFake, door: Door) -> None:
    def echo(ask: Ask, n: int) -> Scripted:
        said = ask.messages[-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        return Reply([text(f"you said {said}", cut=3)], slice_bytes=700, gap=0.001 * (n % 3))

    host.script(echo)
    bodies = [prompt(f"number {n} " + "x" * (n * 37 % 500), stream=bool(n % 3)) for n in range(60)]
    answers = await asyncio.gather(*(door.post(body) for body in bodies))
    for body, answered in zip(bodies, answers, strict=True):
        message = answered.message if body["stream"] else answered.json
        assert message["content"][0]["text"] == f"you said {body['messages'][0]['content']}"
    assert len({answered.headers["request-id"] for answered in answers}) == 60
    assert door.tally.models[GLM].calls == 60


async def test_the_bill_is_the_hosts_to_the_last_digit(host: OpenRouterFake, door: Door) -> None:
    host.script([TURN, text("a"), text("b" * 500)])
    for stream in (True, False, True):
        assert (await door.post(prompt(stream=stream, tools=[WEATHER]))).status == 200
    assert door.tally.total.cost == host.invoice()
    assert door.tally.total.unknown == 0


async def test_no_tokens_wanted_asks_nobody(host: OpenRouterFake, door: Door) -> None:
    for stream in (True, False):
        answered = await door.post(prompt(stream=stream, max_tokens=0))
        message = answered.message if stream else answered.json
        assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert host.log == []
    assert dict(door.tally) == {}


async def test_a_strange_body_never_makes_a_500(host: OpenRouterFake, door: Door) -> None:
    host.script(lambda _ask, _n: text("a"))
    odd: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": [{"type": "unheard_of", "x": 1}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": 3, "content": {}}]}]},
        {"tools": [{"name": 1}]},
        {"tools": [{"name": "a", "input_schema": "x"}]},
        {"tool_choice": {"type": "tool"}},
        {"thinking": {"type": "enabled", "budget_tokens": "many"}},
        {"output_config": {"effort": 9}},
        {"metadata": 7},
        {"stop_sequences": ["", "a"] * 50},
        {"temperature": 1e308},
        {"system": [{"type": "text"}]},
        {"max_tokens": 10**30},
    ]
    for more in odd:
        answered = await door.post(prompt(**more))
        assert answered.status in {200, 400}, (more, answered.body)
        if answered.status == 400:
            assert answered.error[1] == "invalid_request_error"
    raw = msgspec.json.encode(prompt()).replace(b'"hi"', b'"\\ud800"')
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    assert (await door.ask("POST", "/v1/messages", data=raw, headers=headers)).status in {200, 400}
