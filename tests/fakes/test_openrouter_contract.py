"""The fake host is held to OpenRouter's own types, and to the facts about its streams that the types do not tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openrouter.components import (
    ChatResult,
    ChatStreamChunk,
    GenerationResponse,
    ListEndpointsResponse,
    ModelResponse,
    ModelsListResponse,
)
from openrouter.operations import GetCurrentKeyData
from pydantic import TypeAdapter

from tests.fakes.listing import FREE, GLM, GPT, default_listing
from tests.fakes.openrouter import KEY, OpenRouterFake, script
from tests.fakes.replies import (
    Interleaved,
    Part,
    Reply,
    Scripted,
    Tokens,
    comment,
    encrypted,
    end,
    error,
    html,
    interleaved,
    pause,
    pieces,
    reasoning,
    reset,
    silence,
    stream_error,
    text,
    tool_call,
)

TOOL = {"type": "function", "function": {"name": "Read", "parameters": {"type": "object", "properties": {}}}}


def asking(**more: Any) -> dict[str, Any]:
    return {"model": GLM, "stream": True, "messages": [{"role": "user", "content": "hello"}], "tools": [TOOL], **more}


async def post(host: OpenRouterFake, body: dict[str, Any], path: str = "/chat/completions") -> tuple[int, bytes, Any]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession() as http, http.post(host.base_url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def get(host: OpenRouterFake, path: str, key: str = KEY) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession() as http, http.get(host.base_url + path, headers=headers) as answer:
        return answer.status, msgspec.json.decode(await answer.read())


def data_lines(body: bytes) -> list[bytes]:
    return [line[len(b"data: ") :] for line in body.split(b"\n") if line.startswith(b"data: ")]


def chunks(body: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in data_lines(body) if line != b"[DONE]"]


def deltas(body: bytes) -> Iterable[dict[str, Any]]:
    return (choice["delta"] for chunk in chunks(body) for choice in chunk["choices"])


EVERY_PART: list[Part] = [
    reasoning("Let me look at both files.", style="anthropic-claude-v1", signature="c2lnbmVk"),
    encrypted("b3BhcXVl", style="openai-responses-v1", detail_id="rs_1", index=1),
    text("I will read two files at once."),
    *comment(2),
    tool_call("Read", {"file_path": "/tmp/a b"}, cut=[1, 2, 15]),
    interleaved(tool_call("Read", {"file_path": "/one"}, cut=3), tool_call("Read", {"file_path": "/two"}, cut=5)),
]


@pytest.mark.parametrize("tell", ["last", "alone", "every", "never"])
async def test_every_chunk_is_valid_by_the_official_types(tell: Any) -> None:
    async with OpenRouterFake([Reply(EVERY_PART, tell_usage=tell)]) as host:
        status, body, headers = await post(host, asking())
    assert status == 200
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["X-Generation-Id"] == host.asks[0].generation
    seen = chunks(body)
    assert len(seen) > 20
    for chunk in seen:
        ChatStreamChunk.model_validate(chunk)
        assert {"id", "object", "created", "model", "provider"} <= chunk.keys()
        assert chunk["id"].startswith("gen-")
        assert chunk["model"] == f"{GLM}-20260908"
        assert all(choice["delta"]["role"] == "assistant" for choice in chunk["choices"])
    assert [bool(c.get("usage")) for c in seen].count(True) == {"every": len(seen), "never": 0}.get(tell, 1)


async def test_a_stream_has_the_documented_order_of_events() -> None:
    async with OpenRouterFake([EVERY_PART]) as host:
        _, body, _ = await post(host, asking())
    assert body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert data_lines(body)[-1] == b"[DONE]"
    finishes = [c["choices"][0]["finish_reason"] for c in chunks(body)]
    assert finishes[-2:] == ["tool_calls", "tool_calls"]
    assert not any(finishes[:-2])
    assert "usage" in chunks(body)[-1]
    assert "usage" not in chunks(body)[-2]
    calls = [d["tool_calls"][0] for d in deltas(body) if "tool_calls" in d]
    first = calls[0]
    assert first["function"] == {"name": "Read", "arguments": ""}
    assert first["type"] == "function"
    assert calls[1].keys() == {"index", "function"}
    assert calls[1]["function"].keys() == {"arguments"}
    signed = [d for d in deltas(body) if d.get("reasoning_details", [{}])[0].get("signature")]
    assert signed[0]["reasoning"] is None
    assert "text" not in signed[0]["reasoning_details"][0]


async def test_interleaved_calls_alternate_and_lose_no_byte() -> None:
    async with OpenRouterFake([EVERY_PART]) as host:
        _, body, _ = await post(host, asking())
    written: dict[int, str] = {}
    order: list[int] = []
    for delta in deltas(body):
        for call in delta.get("tool_calls", []):
            order.append(call["index"])
            written[call["index"]] = written.get(call["index"], "") + call["function"].get("arguments", "")
    assert [msgspec.json.decode(w) for _, w in sorted(written.items())] == [
        {"file_path": "/tmp/a b"},
        {"file_path": "/one"},
        {"file_path": "/two"},
    ]
    assert order[5:11] == [1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize("parts", [EVERY_PART, text("hi"), [text("a"), stream_error(502, "gone")]])
async def test_an_answer_in_one_piece_is_valid_by_the_official_types(parts: Scripted) -> None:
    async with OpenRouterFake([parts]) as host:
        _, body, headers = await post(host, asking(stream=False))
    assert headers["Content-Type"] == "application/json"
    answer = msgspec.json.decode(body)
    ChatResult.model_validate(answer)
    assert answer["usage"]["cost"] == float(host.invoice())


async def test_usage_is_priced_by_the_listing_and_adds_up_to_the_invoice() -> None:
    cheap = Tokens(prompt=1000, completion=100, cached=600, reasoning=40)
    long = Tokens(prompt=300_000, completion=10)
    async with OpenRouterFake([Reply([text("a")], usage=cheap), Reply([text("b")], usage=long)]) as host:
        _, first, _ = await post(host, asking())
        _, second, _ = await post(host, asking(model=GPT))
    told = [msgspec.json.decode(line, type=dict[str, Any]) for line in (data_lines(first)[-2], data_lines(second)[-2])]
    usage = told[0]["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 600
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 40
    # 400 fresh, 600 cached, 100 written out; then the price step above 272,000 tokens.
    at_list = Decimal("0.0000006") * 400 + Decimal("0.00000011") * 600 + Decimal("0.0000022") * 100
    above_step = Decimal("0.0000025") * 300_000 + Decimal("0.000015") * 10
    assert usage["cost"] == float(at_list)
    assert told[1]["usage"]["cost"] == float(above_step)
    assert host.invoice() == at_list + above_step


async def test_money_is_written_as_a_json_number_with_all_digits() -> None:
    price = Decimal("0.000000123456789")
    async with OpenRouterFake([Reply([text("a")], usage=Tokens(cost=price))]) as host:
        _, body, _ = await post(host, asking(stream=False))
    assert f'"cost":{price:f}'.encode() in body or b'"cost":1.23456789E-7' in body


@pytest.mark.filterwarnings("ignore:.*DEPRECATED:DeprecationWarning")  # the official type of the dead `rate_limit`
async def test_the_catalogue_and_the_account_are_valid_by_the_official_types() -> None:
    async with OpenRouterFake([text("x")], key=KEY) as host:
        await post(host, asking())
        for path in ("/models", "/models/user"):
            ModelsListResponse.model_validate((await get(host, path))[1])
        ModelResponse.model_validate((await get(host, f"/model/{GLM}"))[1])
        key = (await get(host, "/key"))[1]["data"]
        GetCurrentKeyData.model_validate(key)
        assert key["usage"] == float(host.invoice())
        told = (await get(host, f"/models/{GLM}/endpoints"))[1]["data"]
        ListEndpointsResponse.model_validate(told)
        assert {e["context_length"] for e in told["endpoints"]} == {202_752, 1_048_576}
        generation = (await get(host, f"/generation?id={host.asks[0].generation}"))[1]
        GenerationResponse.model_validate(generation)
        assert generation["data"]["total_cost"] == float(host.invoice())
        assert (await get(host, "/generation?id=gen-0-unknown"))[0] == 404
        assert (await get(host, "/credits"))[0] == 403
        assert (await get(host, "/model/nobody/nothing"))[0] == 404


async def test_the_listing_needs_no_key_and_everything_else_does() -> None:
    async with OpenRouterFake(key=KEY) as host:
        assert (await get(host, "/models", key=""))[0] == 200
        for path in ("/key", "/models/user", "/generation?id=x"):
            missing = await get(host, path, key="")
            wrong = await get(host, path, key="sk-or-v1-somebody-else")
            assert missing == (401, {"error": {"code": 401, "message": "Missing Authentication header"}})
            assert wrong[0] == 401
            assert wrong[1]["error"]["code"] == 401


async def test_the_messages_skin_streams_what_the_official_sdk_can_read() -> None:
    body = {"model": "anthropic/claude-sonnet-5.5", "max_tokens": 100, "messages": asking()["messages"]}
    reader: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    async with OpenRouterFake(script(otherwise=EVERY_PART)) as host:
        _, streamed, _ = await post(host, {**body, "stream": True}, "/messages?beta=true")
        _, whole, _ = await post(host, body, "/messages")
    lines = data_lines(streamed)
    assert lines.pop() == b"[DONE]"
    events = [msgspec.json.decode(line) for line in lines]
    for event in events:
        reader.validate_python(event)
    assert [e["type"] for e in events][:2] == ["message_start", "content_block_start"]
    assert events[0]["message"]["usage"]["input_tokens"] == 0
    starts = [e["content_block"]["type"] for e in events if e["type"] == "content_block_start"]
    assert starts == ["thinking", "text", *["tool_use"] * 3, "redacted_thinking", "redacted_thinking"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"]["cost"] > 0
    message = msgspec.json.decode(whole)
    Message.model_validate(message)
    assert [b["type"] for b in message["content"]] == starts


async def test_failures_wear_the_envelope_of_the_endpoint() -> None:
    async with OpenRouterFake(script(otherwise=error(402, "no money", metadata={"provider_name": None}))) as host:
        status, chat, _ = await post(host, asking(tools=None))
        _, skin, _ = await post(host, {"model": GLM, "messages": []}, "/messages")
    assert status == 402
    fault = msgspec.json.decode(chat)
    assert fault["error"] == {"code": 402, "message": "no money", "metadata": {"provider_name": None}}
    assert "user_id" in fault
    told = {"type": "billing_error", "message": "no money"}
    assert msgspec.json.decode(skin) == {"type": "error", "error": told, "request_id": None}


def conversation(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, *messages]}


CALL = {"id": "c1", "type": "function", "function": {"name": "Read", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "acme/nothing"}, 400, "not a valid model"),
        ({"messages": []}, 400, "at least one"),
        ({"messages": [{"role": "critic", "content": "x"}]}, 400, "critic"),
        ({"reasoning": {"effort": "high", "max_tokens": 9}}, 400, "only one"),
        ({"model": GPT, "reasoning": {"effort": "none"}}, 400, "switched off"),
        ({"model": FREE}, 404, "tool use"),
        (conversation({"role": "user", "content": [PICTURE]}), 404, "image"),
        ({"tools": [{"type": "function", "function": {"name": "bad name"}}]}, 400, "bad name"),
        ({"tools": [TOOL, TOOL]}, 400, "twice"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, 400, "deferred"),
        (conversation({"role": "tool", "tool_call_id": "c1", "content": "x"}), 400, "answers no call"),
        (conversation({"role": "assistant", "content": None, "tool_calls": [CALL]}), 400, "no tool message"),
        (conversation({"role": "assistant", "content": ""}), 400, "needs content"),
        (conversation({"role": "user", "content": [{"type": "thinking"}]}), 400, "thinking"),
        (conversation({"role": "user", "content": [MARKED] * 5}), 400, "cache_control"),
        ({"max_tokens": 0}, 400, "max_tokens"),
    ],
)
async def test_a_request_that_the_host_would_refuse_is_refused(change: dict[str, Any], status: int, words: str) -> None:
    async with OpenRouterFake([text("never")]) as host:
        got, body, _ = await post(host, asking(**change))
    assert (got, words in msgspec.json.decode(body)["error"]["message"]) == (status, True)
    assert host.invoice() == 0


async def test_a_failure_in_the_stream_is_the_last_chunk() -> None:
    async with OpenRouterFake([[text("half"), stream_error(502, "Provider went away")]]) as host:
        status, body, _ = await post(host, asking())
    last = chunks(body)[-1]
    assert (status, last["error"]["code"], last["choices"][0]["finish_reason"]) == (200, 502, "error")
    ChatStreamChunk.model_validate(last)
    assert b"[DONE]" not in body


@pytest.mark.parametrize(
    "reply",
    [
        [text("half"), reset()],
        Reply([text("a longer text that is cut")], cut_at=150),
        Reply([text("a longer text that is cut")], cut_at=150, cut_how="reset"),
    ],
)
async def test_a_torn_connection_is_seen_as_one(reply: Scripted) -> None:
    async with OpenRouterFake([reply]) as host:
        with pytest.raises((aiohttp.ClientPayloadError, ConnectionError, aiohttp.ClientOSError)):
            await post(host, asking())


async def test_a_body_can_end_early_in_good_form() -> None:
    async with OpenRouterFake([[text("half"), end()], Reply([text("x")], cut_at=30, cut_how="end")]) as host:
        _, first, _ = await post(host, asking())
        _, second, _ = await post(host, asking())
    assert [c["choices"][0]["finish_reason"] for c in chunks(first)] == [None]
    assert len(second) == 30


async def test_slices_and_compression_change_no_byte() -> None:
    plain = Reply(EVERY_PART, usage=Tokens(5, 5))
    sliced = Reply(plain.parts, usage=plain.usage, slice_bytes=7)
    packed = Reply(plain.parts, usage=plain.usage, gzip=True)
    async with OpenRouterFake([plain, sliced, packed]) as host:
        bodies = [(await post(host, asking()))[1] for _ in range(3)]
    ids = [ask.generation.encode() for ask in host.asks]
    created = [str(1_795_000_000 + n).encode() for n in range(3)]
    same = {b.replace(i, b"id").replace(c, b"now") for b, i, c in zip(bodies, ids, created, strict=True)}
    assert len(same) == 1


async def test_plain_bodies_and_the_other_form_are_served_as_asked() -> None:
    replies: list[Scripted] = [html(), Reply([text("x")], form="json"), Reply([text("x")], form="stream")]
    async with OpenRouterFake(replies) as host:
        status, page, headers = await post(host, asking())
        _, _, as_json = await post(host, asking())
        _, _, as_stream = await post(host, asking(stream=False))
    assert (status, page[:6]) == (502, b"<html>")
    assert headers["Content-Type"].startswith("text/html")
    assert as_json["Content-Type"] == "application/json"
    assert as_stream["Content-Type"] == "text/event-stream"


async def test_a_client_that_leaves_is_noticed_at_once() -> None:
    async with OpenRouterFake([[text("first"), pause(30), text("never")], silence(30)]) as host:
        for n in range(2):
            asking_task = asyncio.create_task(post(host, asking()))
            ask = await host.asked(n + 1)
            while not ask.head_at:
                await asyncio.sleep(0.005)
            asking_task.cancel()
            async with asyncio.timeout(5):
                await ask.over.wait()
            assert ask.gone is not None
            assert ask.finished is None


async def test_what_was_asked_is_kept_as_it_came() -> None:
    async with OpenRouterFake([text("x")]) as host:
        await post(host, asking(session_id="s-1"))
        await get(host, "/models?supported_parameters=tools")
    ask = host.asks[0]
    assert ask.body["session_id"] == "s-1"
    assert msgspec.json.decode(ask.raw) == ask.body
    assert ask.tools == ["Read"]
    assert ask.headers["authorization"] == f"Bearer {KEY}"
    assert host.log[1].query == {"supported_parameters": "tools"}
    assert ask.head_at is not None
    assert ask.finished is not None
    assert ask.started <= ask.head_at <= ask.finished


async def test_a_list_that_has_ended_says_so_instead_of_answering() -> None:
    async with OpenRouterFake([text("x")]) as host:
        await post(host, asking())
        status, body, _ = await post(host, asking())
    assert (status, host.overrun) == (400, 1)
    assert b"ends after 1 replies" in body


async def test_the_agent_takes_one_step_a_turn_from_the_conversation_alone() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Working directory: /srv/place"},
        {"role": "user", "content": "<system-reminder>date</system-reminder>"},
        {"role": "user", "content": "write a.txt: hello then run ls then say all is well"},
    ]
    async with OpenRouterFake() as host:
        seen: list[tuple[str, Any]] = []
        for _ in range(2):
            _, body, _ = await post(host, asking(messages=messages, stream=False))
            call = msgspec.json.decode(body)["choices"][0]["message"]["tool_calls"][0]
            seen.append((call["function"]["name"], msgspec.json.decode(call["function"]["arguments"])))
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "a.txt\n"})
        _, body, _ = await post(host, asking(messages=messages, stream=False))
    assert seen[0] == ("Write", {"file_path": "/srv/place/a.txt", "content": "hello"})
    assert seen[1][1]["command"] == "ls"
    said = msgspec.json.decode(body)["choices"][0]["message"]["content"]
    assert said.startswith("all is well")
    assert said.endswith("a.txt")


def test_cuts_divide_a_text_without_losing_any_of_it() -> None:
    assert pieces("abcdef", 4) == ["abcd", "ef"]
    assert pieces("abcdef", [1, 5, 99]) == ["a", "bcde", "f"]
    assert pieces("abc", "each") == ["a", "b", "c"]
    assert pieces("", 4) == [""]
    assert pieces("abc", None) == ["abc"]


def test_the_default_listing_carries_the_traps_of_the_real_one() -> None:
    entries = {m["id"]: m for m in default_listing()}
    assert entries[GLM]["top_provider"]["context_length"] < entries[GLM]["context_length"]
    assert entries[GPT]["pricing"]["overrides"][0]["min_prompt_tokens"] == 272_000
    assert "tools" not in entries[FREE]["supported_parameters"]
    assert entries["~anthropic/claude-opus-latest"]["alias_target"]["slug"] in entries
    assert entries["openrouter/auto"]["pricing"]["prompt"] == "-1"
    assert isinstance(EVERY_PART[-1], Interleaved)
