"""The native leaf before a host that may do anything: its own frames, or a failure that says why, and never a mixture."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from claude_or.config.schema import Limits, Settings
from claude_or.reply.assemble import profile_of
from claude_or.reply.base import whole_message
from claude_or.reply.fallback import Fallback
from claude_or.routing.ask import Ask, Burst, Plan, ReplyFailed, Route
from claude_or.translate.native import to_native
from claude_or.upstream.native import NativeReplier
from claude_or.upstream.openrouter import OpenRouter
from claude_or.wire.anthropic import Failure, decode_request
from claude_or.wire.events import fold
from claude_or.wire.sse import Frame
from tests.fakes.listing import GLM
from tests.fakes.openrouter import KEY, Brain, OpenRouterFake
from tests.fakes.replies import (
    Reply,
    Scripted,
    comment,
    end,
    error,
    html,
    overflow,
    pause,
    plain,
    raw,
    reasoning,
    reset,
    stream_error,
    text,
    tool_call,
)
from tests.upstream.test_chat import check_grammar

ROUTE = Route(provider="openrouter", slug="~anthropic/claude-sonnet-latest", path="native")
SIGNED = reasoning("Let me look.", signature="EuYB-signed", style="anthropic-claude-v1")


def ask_for(*, betas: tuple[str, ...] = (), **fields: Any) -> Ask:
    """An ask for the model, as a client would send it."""
    raw_body = msgspec.json.encode({
        "model": "sonnet",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "hi"}],
        **fields,
    })
    return Ask(
        request_id="req_1",
        request=decode_request(raw_body),
        raw=raw_body,
        session_id="ses-1",
        betas=betas,
        plan=Plan(asked="sonnet", role="main", routes=(ROUTE,), reason=""),
    )


@asynccontextmanager
async def leaf(
    replies: Sequence[Scripted] | Brain, *, limits: Limits | None = None
) -> AsyncGenerator[tuple[NativeReplier, OpenRouterFake]]:
    """A leaf before a fake host."""
    limits = limits or Limits()
    async with OpenRouterFake(replies, key=KEY) as fake, OpenRouter(fake.base_url, KEY, limits=limits) as host:
        yield NativeReplier(host=host, route=ROUTE, profile=profile_of(ROUTE, None, Settings()), limits=limits), fake


async def bursts_of(replier: NativeReplier, asked: Ask | None = None) -> list[Burst]:
    """The whole reply."""
    async with aclosing(replier.reply(asked or ask_for())) as bursts:
        return [burst async for burst in bursts]


def frames_of(bursts: Sequence[Burst]) -> list[Frame]:
    """All frames of a reply."""
    return [frame for burst in bursts for frame in burst.frames]


async def failure_of(replier: NativeReplier, asked: Ask | None = None) -> Failure:
    """How a reply fails before anything was sent; that nothing was is checked."""
    seen: list[Burst] = []
    with pytest.raises(ReplyFailed) as failed:
        async with aclosing(replier.reply(asked or ask_for())) as bursts:
            seen.extend([burst async for burst in bursts])
    assert frames_of(seen) == []
    return failed.value.failure


async def test_an_answer_goes_on_without_the_hosts_own_block_and_tells_its_cost() -> None:
    async with leaf([[*comment(2), SIGNED, text("Here: "), tool_call("Read", {"file_path": "/a"})]]) as (replier, fake):
        bursts = await bursts_of(replier)
        frames = frames_of(bursts)
        check_grammar(frames)
        message = fold(frames)
        assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
        assert message["content"][0]["signature"] == "EuYB-signed"
        assert message["content"][2]["input"] == {"file_path": "/a"}
        assert (message["model"], message["stop_reason"]) == ("sonnet", "tool_use")
        report = bursts[-1].report
        assert report is not None
        assert report.generation_id == fake.asks[0].generation
        assert report.model.startswith("anthropic/claude")
        assert report.cost == fake.invoice()
        assert isinstance(report.cost, Decimal)
        started = msgspec.json.decode(frames[0].data)["message"]
        assert started["usage"]["input_tokens"] > 0


async def test_what_is_sent_names_one_credential_the_session_and_the_clients_betas() -> None:
    async with leaf([text("ok")]) as (replier, fake):
        await bursts_of(replier, ask_for(betas=("one-2026", "two-2026", "bad\u00e9"), metadata={"user_id": "secret"}))
        (asked,) = fake.asks
        assert asked.path == "/messages"
        assert asked.headers["Authorization"] == f"Bearer {KEY}"
        assert "x-api-key" not in asked.headers
        assert asked.headers["anthropic-beta"] == "one-2026,two-2026"
        assert asked.headers["anthropic-version"] == "2023-06-01"
        assert asked.headers["x-session-id"] == asked.body["session_id"] == "ses-1:main"
        assert "X-OpenRouter-Title" in asked.headers
        assert asked.body["model"] == ROUTE.slug
        assert b"secret" not in asked.raw


async def test_no_beta_no_header() -> None:
    async with leaf([text("ok")]) as (replier, fake):
        await bursts_of(replier)
        assert "anthropic-beta" not in fake.asks[0].headers


async def test_what_the_host_is_known_to_refuse_never_reaches_it() -> None:
    turn = {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "claude-or.1.xyz"},
        {"type": "redacted_thinking", "data": "openrouter.reasoning:e30="},
        {"type": "text", "text": "so"},
    ]}  # fmt: skip
    messages = [{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}]
    tools = [{"name": "Odd", "input_schema": {}}, {"name": "Later", "input_schema": {}, "defer_loading": True}]
    async with leaf([text("ok")]) as (replier, fake):
        frames = frames_of(await bursts_of(replier, ask_for(messages=messages, tools=tools)))
        assert fold(frames)["content"][0]["text"] == "ok"
        assert [ask.status for ask in fake.asks] == [200]


async def test_another_model_is_spared_what_only_claude_takes() -> None:
    route = Route(provider="openrouter", slug=GLM, path="native")
    found = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "Later"}]}
    call = {"type": "tool_use", "id": "t", "name": "Search", "input": {}}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [found, picture]},
    ]
    schema = {"type": "object"}
    tools = [
        {"name": "Search", "input_schema": schema},
        {"name": "Later", "input_schema": schema, "defer_loading": True},
    ]
    async with OpenRouterFake([[reasoning("hm"), tool_call("Later", {})]], key=KEY) as fake:
        async with OpenRouter(fake.base_url, KEY) as host:
            profile = msgspec.structs.replace(profile_of(route, None, Settings()), images=False)
            replier = NativeReplier(host=host, route=route, profile=profile, limits=Limits())
            message = fold(frames_of(await bursts_of(replier, ask_for(messages=history, tools=tools))))
        assert [ask.status for ask in fake.asks] == [200]
        assert [block["type"] for block in message["content"]] == ["thinking", "tool_use", "thinking"]
        again = [*history, {"role": "assistant", "content": message["content"]}]
        body = to_native(
            decode_request(ask_for(messages=again).raw), ask_for(messages=again).raw, profile, slug=GLM
        ).body
        told = msgspec.json.decode(body)["messages"][-1]["content"]
        assert told[-1]["type"] == "redacted_thinking"
        assert told[-1]["data"].startswith("openrouter.reasoning:")


async def test_a_message_in_one_piece_is_told_as_a_stream() -> None:
    parts = [SIGNED, text("Here: "), tool_call("Read", {"file_path": "/a"})]
    async with leaf([Reply(parts, form="json"), Reply(parts)]) as (replier, _):
        whole, streamed = frames_of(await bursts_of(replier)), frames_of(await bursts_of(replier))
        check_grammar(whole)
        one, other = fold(whole), fold(streamed)
        assert [b | {"id": 0} for b in one["content"]] == [b | {"id": 0} for b in other["content"]]
        assert one["stop_reason"] == other["stop_reason"]
        assert one["usage"]["output_tokens"] == other["usage"]["output_tokens"]


async def test_streaming_and_folding_give_the_same_message() -> None:
    parts = [SIGNED, text("Here.")]
    async with leaf([parts, parts]) as (replier, _):
        folded = await whole_message(replier, ask_for(stream=False))
        assert folded["content"] == fold(frames_of(await bursts_of(replier)))["content"]


async def test_thinking_that_the_host_refuses_is_left_out_once() -> None:
    refusal = error(400, "messages.1.content.0: Invalid `signature` in `thinking` block")
    turn = {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "EuYB-other-host"}, {"type": "text", "text": "so"},
    ]}  # fmt: skip
    messages = [{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}]
    async with leaf([refusal, text("ok"), refusal, refusal]) as (replier, fake):
        chain = Fallback(routes=[(ROUTE, replier)])
        assert (await whole_message(chain, ask_for(messages=messages)))["content"][0]["text"] == "ok"
        assert len(fake.asks[0].messages[1]["content"]) == 2
        assert fake.asks[1].messages[1]["content"] == turn["content"][1:]
        with pytest.raises(ReplyFailed) as failed:
            await whole_message(chain, ask_for(messages=messages))
        assert failed.value.failure.status == 400
        assert len(fake.asks) == 4


@pytest.mark.parametrize(
    ("reply", "kind", "status"),
    [
        (error(401, "User not found."), "authentication", 401),
        (error(402, "Insufficient credits"), "billing", 402),
        (error(429, "Slow down", headers={"Retry-After": "3"}), "rate_limit", 429),
        (error(529, "Overloaded"), "overloaded", 529),
        (overflow(200_000, 250_000), "context_overflow", 400),
        (html(502), "api", 502),
        (plain(200, b"<html>login</html>", "text/html"), "api", 502),
        (plain(200, b"{}", "application/json"), "api", 502),
        (
            plain(200, b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', "x/y"),
            "overloaded",
            529,
        ),
        (plain(200, b"", "text/event-stream"), "api", 502),
        (plain(302, b"", "text/html", {"Location": "https://elsewhere.invalid/"}), "api", 502),
    ],
)
async def test_a_refusal_keeps_its_meaning(reply: Reply, kind: str, status: int) -> None:
    async with leaf([reply]) as (replier, _):
        failure = await failure_of(replier)
        assert (failure.kind, failure.status) == (kind, status)
        assert "<html" not in failure.message


async def test_a_prompt_that_does_not_fit_is_told_in_the_words_the_client_knows() -> None:
    async with leaf([overflow(200_000, 250_000)]) as (replier, _):
        assert (await failure_of(replier)).message.startswith("prompt is too long: 250000 tokens > 200000 maximum")


@pytest.mark.parametrize("fault", [reset(), end(), stream_error(502, "gone")])
async def test_an_answer_that_breaks_before_content_can_be_asked_for_again(fault: Any) -> None:
    async with leaf([[fault]]) as (replier, _):
        assert (await failure_of(replier)).kind in {"api", "overloaded", "timeout"}


@pytest.mark.parametrize(
    "fault", [reset(), end(), stream_error(502, "gone"), raw(b"event: content_block_delta\ndata: {\n\n")]
)
async def test_an_answer_that_breaks_within_ends_in_an_error(fault: Any) -> None:
    async with leaf([[text("so far"), fault]]) as (replier, _):
        frames = frames_of(await bursts_of(replier))
        check_grammar(frames)
        assert frames[-1].event == "error"


async def test_silence_ends_the_answer() -> None:
    limits = Limits(first_byte=0.3, idle=0.2)
    async with leaf([[text("a"), pause(5), text("b")]], limits=limits) as (replier, _):
        frames = frames_of(await bursts_of(replier))
        assert frames[-1].event == "error"
        assert b"silent" in frames[-1].data


async def test_an_answer_cut_after_its_end_was_told_is_whole() -> None:
    whole = [text("done")]
    async with leaf([Reply(whole, done=False), Reply(whole)]) as (replier, _):
        assert frames_of(await bursts_of(replier))[-1].event == "message_stop"
        assert frames_of(await bursts_of(replier))[-1].event == "message_stop"


async def test_only_warming_the_cache_asks_nobody() -> None:
    async with leaf([text("never")]) as (replier, fake):
        bursts = await bursts_of(replier, ask_for(max_tokens=0))
        assert fold(frames_of(bursts))["content"] == []
        assert [burst.report for burst in bursts] == [None]
        assert fake.asks == []


async def test_a_request_that_cannot_be_carried_asks_nobody() -> None:
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": ""}]}
    async with leaf([text("never")]) as (replier, fake):
        assert (await failure_of(replier, ask_for(messages=[turn]))).status == 400
        assert fake.asks == []
