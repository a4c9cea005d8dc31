"""The chat leaf before a host that may do anything: a whole answer, or a failure that says why, and never a mixture."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from claude_or.config.schema import Limits, Settings
from claude_or.reply.assemble import profile_of
from claude_or.routing.ask import Ask, Burst, Plan, ReplyFailed, Report, Route
from claude_or.upstream.chat import ChatReplier, session_key
from claude_or.upstream.openrouter import OpenRouter
from claude_or.wire.anthropic import Failure, decode_request
from claude_or.wire.events import FoldError, fold
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
    interleaved,
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

ROUTE = Route(provider="openrouter", slug=GLM, path="chat")
TOOLS = [{"name": name, "description": "d", "input_schema": {"type": "object"}} for name in ("Read", "Bash")]


def ask_for(**fields: Any) -> Ask:
    """An ask for the model, as a client would send it."""
    body = {"model": "big", "max_tokens": 500, "messages": [{"role": "user", "content": "hi"}], **fields}
    raw_body = msgspec.json.encode(body)
    return Ask(
        request_id="req_1",
        request=decode_request(raw_body),
        raw=raw_body,
        session_id="ses-1",
        plan=Plan(asked="big", role="main", routes=(ROUTE,), reason=""),
    )


@asynccontextmanager
async def leaf(
    replies: Sequence[Scripted] | Brain, *, limits: Limits | None = None, key: str = KEY
) -> AsyncGenerator[tuple[ChatReplier, OpenRouterFake]]:
    """A leaf before a fake host."""
    limits = limits or Limits()
    async with OpenRouterFake(replies) as fake, OpenRouter(fake.base_url, key, limits=limits) as host:
        yield ChatReplier(host=host, route=ROUTE, profile=profile_of(ROUTE, None, Settings()), limits=limits), fake


async def bursts_of(replier: ChatReplier, asked: Ask | None = None) -> list[Burst]:
    """The whole reply."""
    async with aclosing(replier.reply(asked or ask_for())) as bursts:
        return [burst async for burst in bursts]


def frames_of(bursts: Sequence[Burst]) -> list[Frame]:
    """All frames of a reply."""
    return [frame for burst in bursts for frame in burst.frames]


async def failure_of(replier: ChatReplier, asked: Ask | None = None) -> Failure:
    """How a reply fails before anything was sent; that nothing was is checked."""
    seen: list[Burst] = []
    with pytest.raises(ReplyFailed) as failed:
        async with aclosing(replier.reply(asked or ask_for())) as bursts:
            seen.extend([burst async for burst in bursts])
    assert frames_of(seen) == []
    return failed.value.failure


async def outcome_of(replier: ChatReplier, asked: Ask) -> tuple[list[Frame], Failure | None]:
    """The frames of a reply, and the failure that it raised."""
    frames: list[Frame] = []
    try:
        async with aclosing(replier.reply(asked)) as bursts:
            async for burst in bursts:
                frames += burst.frames
    except ReplyFailed as failed:
        return frames, failed.failure
    return frames, None


def check_grammar(frames: Sequence[Frame]) -> None:
    """Blocks never overlap, indexes count up, and the end is an end."""
    names = [frame.event for frame in frames]
    assert names[0] == "message_start"
    assert names.count("message_start") == 1
    opened, expected = False, 0
    for frame in frames:
        event = msgspec.json.decode(frame.data)
        match frame.event:
            case "content_block_start":
                assert not opened
                assert event["index"] == expected
                opened = True
            case "content_block_delta":
                assert opened
                assert event["index"] == expected
            case "content_block_stop":
                assert opened
                opened, expected = False, expected + 1
            case _:
                assert not opened
    assert names[-1] in {"message_stop", "error"}
    assert sum(name in {"message_stop", "error"} for name in names) == 1


async def test_an_answer_is_told_in_frames_with_what_it_cost() -> None:
    script = [[*comment(2), reasoning("Let me look."), text("Here: "), tool_call("Read", {"file_path": "/a"})]]
    async with leaf(script) as (replier, fake):
        bursts = await bursts_of(replier, ask_for(tools=TOOLS))
        message = fold(frames_of(bursts))
        assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
        assert message["content"][2]["input"] == {"file_path": "/a"}
        assert message["model"] == "big"
        assert message["stop_reason"] == "tool_use"
        report = bursts[-1].report
        assert report is not None
        assert report.generation_id == fake.asks[0].generation
        assert report.provider == "DeepInfra"
        assert report.model.startswith("z-ai/glm-5.3")
        assert report.cost == fake.invoice()
        assert isinstance(report.cost, Decimal)
        check_grammar(frames_of(bursts))


async def test_the_head_and_comments_are_signs_of_life() -> None:
    async with leaf([[*comment(), pause(0.05), *comment(), text("a")]]) as (replier, fake):
        bursts = await bursts_of(replier)
        generation = fake.asks[0].generation
    assert bursts[0] == Burst(report=Report())
    assert bursts[1] == Burst(report=Report(generation_id=generation))
    assert bursts[2].frames == []
    assert sum(bool(burst.frames) for burst in bursts) >= 1


async def test_what_comes_in_one_read_leaves_in_one_burst() -> None:
    async with leaf([Reply([text("x" * 3000, cut="each")])]) as (replier, _):
        bursts = await bursts_of(replier)
    assert len(frames_of(bursts)) > 3000
    assert len(bursts) < 1000


async def test_the_request_names_the_conversation_and_carries_the_hosts_preferences() -> None:
    async with leaf([text("a")]) as (replier, fake):
        replier = replace(replier, route=msgspec.structs.replace(ROUTE, preferences={"only": ["deepinfra"]}))
        await bursts_of(replier)
        asked = fake.asks[0]
    assert asked.body["session_id"] == asked.headers["x-session-id"] == "ses-1:main"
    assert asked.body["provider"]["only"] == ["deepinfra"]
    assert asked.body["stream"] is True
    assert asked.body["model"] == GLM


def test_the_session_key_tells_sessions_agents_and_roles_apart_and_fits() -> None:
    asked = ask_for()
    assert session_key(asked) == "ses-1:main"
    assert session_key(msgspec.structs.replace(asked, agent_id="agent")) == "ses-1:agent:main"
    assert session_key(msgspec.structs.replace(asked, session_id="")) == ""
    assert len(session_key(msgspec.structs.replace(asked, session_id="s" * 300))) == 256


async def test_no_tokens_wanted_is_answered_without_a_call() -> None:
    async with leaf([text("a")]) as (replier, fake):
        frames = frames_of(await bursts_of(replier, ask_for(max_tokens=0)))
        assert fake.log == []
    assert fold(frames)["content"] == []
    assert fold(frames)["stop_reason"] == "max_tokens"


async def test_a_request_that_cannot_be_carried_is_a_400_that_names_the_field() -> None:
    async with leaf([text("a")]) as (replier, fake):
        failure = await failure_of(replier, ask_for(mcp_servers=[{"type": "url"}]))
        assert fake.log == []
    assert (failure.status, failure.kind) == (400, "invalid_request")
    assert "mcp_servers" in failure.message


@pytest.mark.parametrize(
    ("status", "kind", "out"),
    [
        (400, "invalid_request", 400),
        (401, "authentication", 401),
        (402, "billing", 402),
        (403, "permission", 403),
        (404, "not_found", 404),
        (413, "too_large", 413),
        (429, "rate_limit", 429),
        (500, "api", 500),
        (502, "api", 502),
        (503, "overloaded", 529),
        (504, "timeout", 504),
        (529, "overloaded", 529),
    ],
)
async def test_a_refusal_of_the_host_is_told_as_such(status: int, kind: str, out: int) -> None:
    async with leaf([error(status, f"no, {KEY}")]) as (replier, _):
        failure = await failure_of(replier)
    assert (failure.kind, failure.status, failure.upstream_status) == (kind, out, status)
    assert KEY not in failure.message


async def test_a_prompt_that_is_too_long_is_told_with_its_figures() -> None:
    async with leaf([overflow(200_000, 250_000)]) as (replier, _):
        failure = await failure_of(replier)
    assert failure.kind == "context_overflow"
    assert failure.message.startswith("prompt is too long: 250000 tokens > 200000 maximum")


async def test_a_redirect_is_a_failure() -> None:
    async with leaf([Reply(body=b"", status=302, headers={"Location": "http://127.0.0.1:9/"})]) as (replier, _):
        failure = await failure_of(replier)
    assert (failure.status, failure.upstream_status) == (502, 302)


@pytest.mark.parametrize(
    "page",
    [
        html(200),
        html(502),
        plain(200, b"", "text/event-stream"),
        plain(200, b"   ", "application/json"),
        plain(200, b"{}", "application/json"),
        plain(200, b"[]", "application/json"),
        plain(200, b'{"choices":[', "application/json"),
        plain(200, b"data: {broken\n\n", "text/event-stream"),
        plain(200, b"data: [DONE]\n\n", "text/event-stream"),
        plain(200, b"\x1f\x8bnot gzip at all", "text/event-stream", {"Content-Encoding": "gzip"}),
        plain(200, b"whatever", "text/event-stream", {"Content-Encoding": "br"}),
        Reply([], finish="stop"),
        Reply([comment()[0], end()]),
        Reply([reset()], greeting=False),
    ],
    ids=range(14),
)
async def test_what_is_no_answer_is_a_failure_worth_another_try(page: Reply) -> None:
    async with leaf([page]) as (replier, _):
        failure = await failure_of(replier)
    assert failure.status in {500, 502}
    assert failure.kind == "api"
    assert "<" not in failure.message


async def test_an_error_in_place_of_a_stream_is_told_as_such() -> None:
    body = msgspec.json.encode({"error": {"code": 429, "message": "slow down"}})
    for content_type in ("application/json", "text/event-stream"):
        async with leaf([plain(200, body, content_type)]) as (replier, _):
            assert (await failure_of(replier)).kind == "rate_limit"
    async with leaf([[stream_error(503, "busy", error_type="provider_overloaded")]]) as (replier, _):
        assert (await failure_of(replier)).kind == "overloaded"


async def test_an_error_after_content_is_the_last_frame() -> None:
    async with leaf([[text("half"), pause(0.02), stream_error(502, "gone")]]) as (replier, _):
        frames = frames_of(await bursts_of(replier))
    check_grammar(frames)
    assert frames[-1].event == "error"
    with pytest.raises(FoldError):
        fold(frames)


async def test_an_object_in_place_of_a_stream_is_an_answer() -> None:
    async with leaf([Reply([text("hello"), tool_call("Read", {"a": 1})], form="json")]) as (replier, _):
        frames = frames_of(await bursts_of(replier, ask_for(tools=TOOLS)))
    check_grammar(frames)
    assert fold(frames)["content"][0] == {"type": "text", "text": "hello"}


RICH = [reasoning("Let me ünderstand."), text("Grüße 🚀 to all"), interleaved(
    tool_call("Read", {"file_path": "/ä/b"}), tool_call("Bash", {"command": "ls"})
)]  # fmt: skip


async def whole_stream() -> bytes:
    """The bytes of the answer that is cut below."""
    async with leaf([RICH]) as (replier, _):
        host = replier.host
        body = b'{"model":"z-ai/glm-5.3","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
        async with host.answer_to("/chat/completions", body) as response:
            return await response.read()


@pytest.mark.parametrize("how", ["end", "close", "reset"])
async def test_an_answer_that_was_cut_is_never_told_as_a_whole_one(how: Any) -> None:
    stream = await whole_stream()
    told = re.search(rb'"finish_reason":"', stream)
    assert told is not None
    ending = stream.index(b"\n\n", told.start())
    offsets = [*range(1, ending, max(1, ending // 60)), ending - 1]
    cuts = [Reply(RICH, cut_at=offset, cut_how=how) for offset in offsets]
    sent = 0
    async with leaf(cuts) as (replier, _):
        for _ in offsets:
            frames, failure = await outcome_of(replier, ask_for(tools=TOOLS))
            if failure is not None:
                assert failure.status == 502
                assert frames == []
                continue
            check_grammar(frames)
            assert frames[-1].event == "error"
            sent += 1
    assert sent > len(offsets) // 2


async def test_an_answer_whose_end_was_told_is_whole_even_if_the_connection_dies_then() -> None:
    stream = await whole_stream()
    told = stream.index(b"\n\n", stream.index(b'"finish_reason":"')) + 2
    async with leaf([Reply(RICH, cut_at=told, cut_how="close")]) as (replier, _):
        frames = frames_of(await bursts_of(replier, ask_for(tools=TOOLS)))
    assert frames[-1].event == "message_stop"


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_how_the_network_slices_an_answer_does_not_matter(size: int) -> None:
    async with leaf([RICH, Reply(RICH, slice_bytes=size)]) as (replier, _):
        whole = fold(frames_of(await bursts_of(replier, ask_for(tools=TOOLS))))
        sliced = fold(frames_of(await bursts_of(replier, ask_for(tools=TOOLS))))
    for message in (whole, sliced):
        del message["id"], message["usage"]
        message["content"] = [
            {name: value for name, value in block.items() if name != "signature"} for block in message["content"]
        ]
    assert whole == sliced


async def test_a_host_that_never_answers_is_given_up() -> None:
    async with leaf([Reply([text("late")], head_delay=30)], limits=Limits(first_byte=0.1)) as (replier, fake):
        failure = await failure_of(replier)
        await asyncio.wait_for(fake.asks[0].over.wait(), 10)
    assert (failure.kind, failure.status) == ("timeout", 504)


async def test_before_the_first_word_the_longer_limit_holds_and_afterwards_the_shorter() -> None:
    limits = Limits(first_byte=5.0, idle=0.2)
    script = [[*comment(), pause(0.5), text("first"), pause(30), text("second")]]
    async with leaf(script, limits=limits) as (replier, fake):
        frames = frames_of(await bursts_of(replier))
        await asyncio.wait_for(fake.asks[0].over.wait(), 10)
        assert fake.asks[0].gone is not None
    check_grammar(frames)
    last = msgspec.json.decode(frames[-1].data)
    assert last["error"]["type"] == "timeout_error"
    assert "silent for 0.2 s" in last["error"]["message"]


async def test_after_the_end_was_told_nobody_waits_for_a_host_that_does_not_close() -> None:
    stream = await whole_stream()
    told = stream.index(b"\n\n", stream.index(b'"finish_reason":"')) + 2
    async with leaf([[raw(stream[:told]), pause(3600)]], limits=Limits(idle=3600)) as (replier, _):
        async with asyncio.timeout(60):
            frames = frames_of(await bursts_of(replace(replier, last_words=0.2), ask_for(tools=TOOLS)))
    assert frames[-1].event == "message_stop"


async def test_comments_keep_an_answer_alive() -> None:
    limits = Limits(first_byte=0.3, idle=0.3)
    async with leaf(
        [[*(part for _ in range(6) for part in (*comment(), pause(0.1))), text("at last")]], limits=limits
    ) as (
        replier,
        _,
    ):
        assert fold(frames_of(await bursts_of(replier)))["content"][0]["text"] == "at last"


@pytest.mark.parametrize("phase", ["head", "silence", "stream"])
async def test_closing_the_reply_closes_the_connection_at_once(phase: str) -> None:
    script: Scripted = {
        "head": Reply([text("x")], head_delay=30),
        "silence": Reply([pause(30)]),
        "stream": Reply([text("x"), pause(30)]),
    }[phase]
    async with leaf([script]) as (replier, fake):

        async def consume() -> None:
            async with aclosing(replier.reply(ask_for())) as bursts:
                async for _ in bursts:
                    pass

        task = asyncio.create_task(consume())
        asked = await fake.asked(1)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await asked.over.wait()
        assert asked.gone is not None


async def test_at_a_stop_sequence_that_the_host_was_not_told_of_the_call_ends() -> None:
    stops = ["AAA", "BBB", "CCC", "DDD", "STOP"]
    async with leaf([[text("say STOP now", cut="each"), pause(30), text("more")]]) as (replier, fake):
        frames = frames_of(await bursts_of(replier, ask_for(stop_sequences=stops)))
        await asyncio.wait_for(fake.asks[0].over.wait(), 10)
    message = fold(frames)
    assert message["content"][0]["text"] == "say "
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "STOP")


async def test_lone_bytes_that_are_no_text_do_not_break_it() -> None:
    async with leaf([Reply([raw(b"data: \xff\xfe\n\n")])]) as (replier, _):
        assert (await failure_of(replier)).status == 502
