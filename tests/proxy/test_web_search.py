"""A web search on a model of chat completions, as the official SDK and a plain client read it: the host searches."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.replies import Reply, Scripted, Tokens, error, reasoning, sources, stream_error, text, tool_call
from tests.proxy.gateway import MODEL, TOKEN, WEATHER, Door, gateway, prompt

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
ZEBRAS = sources(("https://z.org/a", "Zebras", "They have stripes."), ("https://z.org/b", "More", ""))
ASKED = "Perform a web search for the query: zebra stripes"


async def read(door: Door, *, stream: bool, tools: list[Any]) -> Any:
    """The message that the SDK reads."""
    client = anthropic.AsyncAnthropic(base_url=door.url, auth_token=TOKEN, api_key=None, max_retries=0)
    async with client:
        request: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 4000,
            "tools": tools,
            "messages": [{"role": "user", "content": ASKED}],
        }
        if not stream:
            return await client.messages.create(**request)
        async with client.messages.stream(**request) as answer:
            return await answer.get_final_message()


@pytest.mark.parametrize("stream", [True, False])
async def test_what_the_host_found_stands_before_the_text(*, stream: bool) -> None:
    said: Scripted = Reply([reasoning("hm"), text("Stripes."), ZEBRAS], usage=Tokens(searches=2))
    async with OpenRouterFake([said]) as host, gateway(host) as door:
        message = await read(door, stream=stream, tools=[SEARCH])
        assert host.asks[0].body["tools"] == [{"type": "openrouter:web_search", "parameters": {"max_uses": 8}}]
    thought, call, found, answer = message.content
    assert (thought.type, answer.text) == ("thinking", "Stripes.")
    assert (call.type, call.name, call.input) == ("server_tool_use", "web_search", {"query": "zebra stripes"})
    assert call.id.startswith("srvtoolu_")
    assert found.tool_use_id == call.id
    assert [(hit.title, hit.url) for hit in found.content] == [
        ("Zebras", "https://z.org/a"),
        ("More", "https://z.org/b"),
    ]
    assert message.stop_reason == "end_turn"
    assert message.usage.server_tool_use.web_search_requests == 2


async def test_beside_other_tools_the_text_flows_and_the_blocks_come_before_the_next_one() -> None:
    said = [text("I looked."), ZEBRAS, tool_call("get_weather", {"city": "Ghent"})]
    async with OpenRouterFake([said]) as host, gateway(host) as door:
        message = await read(door, stream=True, tools=[SEARCH, WEATHER])
    kinds = [block.type for block in message.content]
    assert kinds == ["text", "server_tool_use", "web_search_tool_result", "tool_use"]
    assert message.content[3].input == {"city": "Ghent"}
    assert message.stop_reason == "tool_use"
    assert message.usage.server_tool_use.web_search_requests == 1


@pytest.mark.parametrize(
    ("searches", "kinds"), [(None, ["text"]), (1, ["server_tool_use", "web_search_tool_result", "text"])]
)
async def test_an_answer_without_links_tells_of_a_search_only_if_there_was_one(
    searches: int | None, kinds: list[str]
) -> None:
    said = Reply([text("I just know.")], usage=Tokens(searches=searches))
    async with OpenRouterFake([said]) as host, gateway(host) as door:
        message = await read(door, stream=True, tools=[SEARCH])
    assert [block.type for block in message.content] == kinds


async def test_a_search_that_breaks_while_its_text_is_held_is_tried_again() -> None:
    broken = [text("Half of"), stream_error(502, "gone")]
    async with OpenRouterFake([broken, [text("Whole."), ZEBRAS]]) as host, gateway(host) as door:
        answer = await door.post(prompt(ASKED, tools=[SEARCH]))
    assert answer.message["content"][-1]["text"] == "Whole."
    assert len(host.asks) == 2


async def test_a_search_that_the_host_refuses_is_its_refusal() -> None:
    async with OpenRouterFake([error(402, "Insufficient credits")]) as host, gateway(host) as door:
        answer = await door.post(prompt(ASKED, tools=[SEARCH], stream=False))
    assert answer.error == (402, "billing_error")
