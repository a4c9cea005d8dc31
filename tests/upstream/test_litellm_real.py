"""The real LiteLLM in its process, before the fake host: through the same leaf as every other host of chat completions."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from claude_or.config.schema import Limits, Provider, Settings
from claude_or.reply.assemble import profile_of
from claude_or.routing.ask import Ask, Plan, Route
from claude_or.upstream.chat import ChatReplier
from claude_or.upstream.hosts import Hosts
from claude_or.upstream.litellm import LiteLlm
from claude_or.wire.events import fold
from tests.fakes.listing import GLM
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.replies import Scripted, error, stream_error, text, tool_call
from tests.upstream.test_chat import TOOLS, ask_for, bursts_of, check_grammar, failure_of, frames_of, outcome_of

pytestmark = [pytest.mark.litellm, pytest.mark.timeout(300)]

ROUTE = Route(provider="litellm", slug=f"openai/{GLM}", path="chat")
PROVIDER = Provider(kind="litellm", variables=["OPENAI_API_BASE", "OPENAI_API_KEY"])
SETTINGS = Settings(providers={"litellm": PROVIDER})


def asked() -> Ask:
    return msgspec.structs.replace(
        ask_for(tools=TOOLS), plan=Plan(asked="big", role="main", routes=(ROUTE,), reason="")
    )


@asynccontextmanager
async def leaf(
    replies: Sequence[Scripted],
) -> AsyncGenerator[tuple[ChatReplier, OpenRouterFake, LiteLlm]]:
    async with OpenRouterFake(replies) as fake:
        environ = {"PATH": os.environ["PATH"], "OPENAI_API_BASE": fake.base_url, "OPENAI_API_KEY": KEY}
        async with Hosts(SETTINGS, "", environ) as hosts:
            host = hosts.opened["litellm"]
            assert isinstance(host, LiteLlm)
            profile = profile_of(ROUTE, None, SETTINGS)
            yield ChatReplier(host=host, route=ROUTE, profile=profile, limits=Limits()), fake, host


async def test_text_a_call_and_the_usage_come_through_in_the_clients_grammar() -> None:
    async with leaf([[text("I look."), tool_call("Read", {"file_path": "/a"})]]) as (replier, fake, _):
        frames = frames_of(await bursts_of(replier, asked()))
        assert fake.asks[0].body["model"] == GLM
    check_grammar(frames)
    message = fold(frames)
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
    assert message["content"][0]["text"] == "I look."
    assert message["content"][1]["input"] == {"file_path": "/a"}
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["output_tokens"] > 0


async def test_refusals_and_breaks_are_failures_with_the_hosts_words() -> None:
    async with leaf([error(429, "slow down"), stream_error(502, "went away"), text("fine")]) as (replier, _, _host):
        refused = await failure_of(replier, asked())
        assert (refused.status, refused.type) == (429, "rate_limit_error")
        assert "slow down" in refused.message
        assert "litellm" not in refused.message
        frames, failure = await outcome_of(replier, asked())
        assert failure is not None or frames[-1].event == "error"
        check_grammar(frames_of(await bursts_of(replier, asked())))


async def test_a_killed_worker_is_replaced() -> None:
    async with leaf([text("one"), text("two")]) as (replier, _, host):
        await bursts_of(replier, asked())
        first = host.pid
        assert first is not None
        os.killpg(first, signal.SIGKILL)
        frames = (await outcome_of(replier, asked()))[0] or frames_of(await bursts_of(replier, asked()))
        check_grammar(frames)
        assert host.pid != first
